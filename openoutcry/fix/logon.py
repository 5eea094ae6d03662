"""The Logon(A): what one says, and how ours is written.

Invariant: pure functions. A Logon that cannot be read is one that the session answers with the end of the connection.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from openoutcry.fix.codec import Value, body
from openoutcry.fix.message import Message
from openoutcry.fix.settings import APPL_VERSION_OF

HEARTBEAT_MAX: Final = 86_400  # s in HeartBtInt
NUMBER_DIGITS_MAX: Final = 15  # of a sequence number: a store's 63 bits take it, and there is no end to be reached


NEXT_EXPECTED_FROM: Final = 4  # FIX 4.4; of rejects.LEVELS
FIXT: Final = 5


class Logon(NamedTuple):
    """What a Logon says to the session layer."""

    number: int
    heartbeat_s: int
    reset: bool
    next_expected: int | None  # NextExpectedMsgSeqNum(789)
    version: str  # of application messages, by DefaultApplVerID(1137); "" when it has none


def number_of(value: bytes | None) -> int | None:
    """A sequence number; None when it is none."""
    if value is None or not value.isdigit() or len(value) > NUMBER_DIGITS_MAX:
        return None
    return int(value)


def read(message: Message, level: int) -> Logon | str:
    """What the Logon says, in a version of `rejects.LEVELS`; text: what is wrong with it."""
    number = number_of(message.get(34))
    if number is None:
        return "a Logon without MsgSeqNum"
    heartbeat = number_of(message.get(108))
    if heartbeat is None or heartbeat > HEARTBEAT_MAX:
        return f"HeartBtInt is {message.get(108)!r}, it must be a whole number from 0 to {HEARTBEAT_MAX}"
    expected = number_of(message.get(789)) if level >= NEXT_EXPECTED_FROM else None
    version = APPL_VERSION_OF.get((message.get(1137) or b"").decode("latin-1"), "")
    if level == FIXT and not version:
        return f"DefaultApplVerID is {message.get(1137)!r}"
    return Logon(number, heartbeat, message.get(141) == b"Y", expected, version)


def write(heartbeat_s: int, more: list[tuple[int, Value]]) -> bytes:
    """The body of our Logon. more: further fields, in any order."""
    return body(sorted([(98, 0), (108, heartbeat_s), *more], key=_tag))


def _tag(field: tuple[int, Value]) -> int:
    return field[0]
