"""The states of a FIX session, and the table of what each input does in each of them.

Rule 1. An acceptor speaks only after it was spoken to: the first message must be a Logon, and whoever owns the
        connections says whether it is let in (LOGON_JUDGED) before anything is answered.
Rule 2. Whatever comes, a session ends in a state of this table. A peer that breaks the rules is closed on (CLOSING),
        with a Logout before it where the protocol wants one.
Rule 3. CLOSING and DISCONNECTED hear nothing: what still arrives then is the next connection's business by its
        sequence numbers.

``ACTIONS`` says, for (state, input), what is done: the name of the Session's method (without its underscore), and the
states in which that may end. A pair that is not there is no legal input, and closes the connection.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class State(Enum):
    """Where a session is."""

    DISCONNECTED = "disconnected"
    LOGON_EXPECTED = "logon expected"  # acceptor: connected
    LOGON_JUDGED = "logon judged"  # acceptor: the host has been asked, and has not answered
    LOGON_SENT = "logon sent"  # initiator: connected
    LOGGED_ON = "logged on"
    LOGOUT_SENT = "logout sent"  # ours; the answer is awaited, and what the peer sent before it is taken
    CLOSING = "closing"  # the host has been told to close the connection


class Input(Enum):
    """What a message is to the session layer."""

    HEARTBEAT = b"0"
    TEST_REQUEST = b"1"
    RESEND_REQUEST = b"2"
    REJECT = b"3"
    SEQUENCE_RESET = b"4"
    LOGOUT = b"5"
    LOGON = b"A"
    APPLICATION = b""  # any other MsgType


INPUTS: Final[dict[bytes, Input]] = {i.value: i for i in Input if i.value}

_D, _E, _J, _S, _L, _O, _C = (
    State.DISCONNECTED, State.LOGON_EXPECTED, State.LOGON_JUDGED, State.LOGON_SENT, State.LOGGED_ON, State.LOGOUT_SENT,
    State.CLOSING,
)  # fmt: skip
_ON = frozenset((_L, _O, _C))  # every message may break a rule: then Logout (LOGOUT_SENT) or the end (CLOSING)
_OUT = frozenset((_O, _C))
_FLOWING = {
    Input.HEARTBEAT: "take",
    Input.TEST_REQUEST: "take_test_request",
    Input.RESEND_REQUEST: "take_resend_request",
    Input.REJECT: "take",
    Input.SEQUENCE_RESET: "take_sequence_reset",
    Input.LOGOUT: "take_logout",
    Input.LOGON: "take_logon_again",
    Input.APPLICATION: "take",
}
ACTIONS: Final[dict[tuple[State, Input], tuple[str, frozenset[State]]]] = {
    (_D, Input.LOGON): ("judge_logon", frozenset((_J, _C))),  # acceptor: the host need not say `connected`
    (_E, Input.LOGON): ("judge_logon", frozenset((_J, _C))),
    **{(_J, i): ("hold", frozenset((_J, _C))) for i in Input},
    (_S, Input.LOGON): ("take_logon_answer", _ON),
    (_S, Input.LOGOUT): ("take_logout", frozenset((_C,))),
    (_S, Input.REJECT): ("take", frozenset((_S, _O, _C))),
    (_S, Input.SEQUENCE_RESET): ("take_sequence_reset", frozenset((_S, _O, _C))),
    **{(_L, i): (action, _ON) for i, action in _FLOWING.items()},
    **{(_O, i): (action, _OUT) for i, action in _FLOWING.items()},
    **{(_C, i): ("ignore", frozenset((_C,))) for i in Input},
}
