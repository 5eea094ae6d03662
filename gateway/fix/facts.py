"""What a gateway notes about its FIX sessions in its store: facts, of which the newest of a kind and number counts.

Invariant: a fact is in the record that makes it true. So after kill -9 the numbers of a session, the messages under
these numbers and the events that they came from fit together.

A session's number here is the gateway's own (``new_number``), because a session has sequence numbers before the
matcher has ever heard of it. Numbers are never used again.
"""

from __future__ import annotations

from typing import Final

from openoutcry.gateway.store import FACTS_FROM

SESSION: Final = FACTS_FROM  # number, endpoint, name, who: values of identity.WHO
STREAM: Final = FACTS_FROM + 1  # number, stream, MsgSeqNum of its first message, created_ns
NEXT_IN: Final = FACTS_FROM + 2  # number, MsgSeqNum expected next: all before has been acknowledged by the matcher
ORDERS: Final = FACTS_FROM + 3  # number, stream with the application's dump, number of the last event in it
MARK: Final = FACTS_FROM + 4  # 0, event: every application's dump has what was up to there
COUNTER: Final = FACTS_FROM + 5  # 0, the last number given to a session or a stream
GONE: Final = FACTS_FROM + 6  # number: the session is forgotten

OF_A_SESSION: Final = (SESSION, STREAM, NEXT_IN, ORDERS)
WITH_STREAM: Final = frozenset((STREAM, ORDERS))

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def stream_name(counter: int) -> str:
    """Name of a stream: F and nine digits of base 36, so it is none of the matcher's, which are all decimal."""
    digits = ""
    for _ in range(9):
        counter, digit = divmod(counter, 36)
        digits = _DIGITS[digit] + digits
    return "F" + digits
