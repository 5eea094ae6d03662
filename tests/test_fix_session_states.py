"""Every input in every state of a FIX session: a legal new state or the defined end, never an exception.

The invariants of openoutcry.fix.session are held after each step: numbers go back only by a reset, nothing is said by a
session that is closed, LoggedOn and LoggedOut take turns, what is written is in the order of its numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.fix.codec import Decoder
from openoutcry.fix.events import Admin, Disconnect, LoggedOn, LoggedOut, LogonRequested
from openoutcry.fix.message import Message
from openoutcry.fix.states import ACTIONS, INPUTS, Input, State
from openoutcry.fix.store import MemoryStore
from tests.fix_session_peer import MONDAY, SECOND, World

# ------------------------------------------------------------------------------------------------- the table
ROLES = {
    State.DISCONNECTED: "acceptor", State.LOGON_EXPECTED: "acceptor", State.LOGON_JUDGED: "acceptor",
    State.LOGON_SENT: "initiator", State.LOGGED_ON: "acceptor", State.LOGOUT_SENT: "acceptor",
    State.CLOSING: "acceptor",
}  # fmt: skip


def nobody(session: Any, message: Message, now: int) -> None:
    """A host that does not answer."""


def in_state(state: State) -> World:
    """A session that has come to that state in the usual way."""
    w = World(ConnectionType=ROLES[state], judge=nobody)
    if state is not State.DISCONNECTED:
        w.connect()
    if state in (State.LOGON_JUDGED, State.LOGGED_ON, State.LOGOUT_SENT, State.CLOSING):
        w.hear("35=A|34=1|98=0|108=30")
    if state in (State.LOGGED_ON, State.LOGOUT_SENT, State.CLOSING):
        w.session.approve(w.now)
    if state is State.LOGOUT_SENT:
        w.session.logout("", w.now)
    if state is State.CLOSING:
        w.hear("35=5|34=2")
    w.said()
    assert w.session.state is state
    return w


def test_every_action_of_the_table_is_a_method() -> None:
    session = World().session
    assert [action for action, _states in ACTIONS.values() if not hasattr(session, "_" + action)] == []


KINDS = [*INPUTS, b"D", b"j", b"", b"zz"]
BODIES = ("", "36=5", "36=1|123=Y", "7=1|16=0", "112=x", "98=0|108=30", "98=0|108=30|141=Y", "58=bye", "11=a")
HEADS = (
    "34=2",
    "34=1",
    "34=9",
    "34=1|43=Y|122=20261123-12:00:00",
    "34=x",
    "49=OTHER|34=2",
    "52=20200101-00:00:00|34=2",
)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", KINDS)
def test_each_message_in_each_state_ends_where_the_table_says(state: State, kind: bytes) -> None:
    for begin in ("", "8=FIX.4.9|"):
        for head in HEADS:
            for body in BODIES:
                w = in_state(state)
                w.hear(f"{begin}35={kind.decode()}|{head}|{body}")
                _action, states = ACTIONS.get(
                    (state, INPUTS.get(kind, Input.APPLICATION)), ("", frozenset((State.CLOSING,)))
                )
                assert w.session.state in states or (w.session.state is state and "34=x" in head)
                assert (w.session.state is State.CLOSING) == bool(w.closed)


# ------------------------------------------------------------------------------------------------- any sequence
NUMBERS = st.sampled_from([-1, 0, 0, 0, 0, 1, 2, 5, -3, 10**15, 10**16])
FLAGS = st.sampled_from(["", "", "", "43=Y|", "43=Y|122=20261123-12:00:00|", "43=Y|122=x|", "97=Y|", "49=OTHER|",
                         "52=x|", "115=a|"])  # fmt: skip
FIELDS = st.lists(
    st.sampled_from(["36=2", "36=7", "36=0", "36=x", "123=Y", "123=N", "7=1", "7=0", "7=9", "16=0", "16=3", "16=999999",
                     "112=t", "98=0", "108=30", "108=0", "141=Y", "58=text", "45=1", "11=a", "1137=9", "789=1",
                     "789=9"]),
    max_size=5, unique_by=lambda field: field.split("=")[0],
).map("|".join)  # fmt: skip
SENSIBLE = {"A": "98=0|108=30|", "1": "112=t|", "2": "7=1|16=0|", "4": "36=7|123=Y|"}

Step = tuple[Any, ...]
MESSAGES = st.tuples(
    st.just("hear"), st.sampled_from([*"0123457ADj", "A", "A", "D", "D"]), NUMBERS, FLAGS, FIELDS, st.booleans()
)
CALLS = st.sampled_from([
    ("begin",), ("begin",), ("connect",), ("approve",), ("refuse", "no"), ("refuse", ""), ("logout", "bye"), ("lose",),
    ("reset",), ("send",), ("pump",), ("send",), ("wait", 1), ("wait", 40), ("wait", 90_000),
])  # fmt: skip
SETTINGS = st.fixed_dictionaries(
    {"BeginString": st.sampled_from(["FIX.4.0", "FIX.4.2", "FIX.4.4", "FIXT.1.1"]),
     "ConnectionType": st.sampled_from(["acceptor", "initiator"])},
    optional={
        "UseDataDictionary": st.just("Y"), "ResetOnLogon": st.just("Y"), "ResetOnLogout": st.just("Y"),
        "ResetOnDisconnect": st.just("Y"), "PersistMessages": st.just("N"), "MaxMessagesInResendRequest": st.just(2),
        "SendRedundantResendRequests": st.just("Y"), "EnableNextExpectedMsgSeqNum": st.just("Y"),
        "EnableLastMsgSeqNumProcessed": st.just("Y"), "CheckLatency": st.just("N"), "CheckCompID": st.just("N"),
        "RequiresOrigSendingTime": st.just("N"), "StartTime": st.just("12:00:30"), "Profile": st.just("jetblack"),
        "RefreshOnLogon": st.just("Y"),
    },
)  # fmt: skip


BEGIN: list[Step] = [("lose",), ("connect",), ("hear", "A", 0, "", "1137=9", True), ("approve",)]


class Counting(MemoryStore):
    """A store that counts how often it began anew."""

    resets = 0

    def reset(self, now_ns: int) -> None:
        super().reset(now_ns)
        self.resets += 1


class Watcher:
    """Takes every step of a session, and holds what must hold after each."""

    def __init__(self, given_settings: dict[str, Any]) -> None:
        self.store = Counting(MONDAY)
        self.w = World(self.store, judge=nobody, **given_settings)
        self.on = False
        self.decoder = Decoder()

    def take(self, step: Step) -> None:
        state, before, resets = self.w.session.state, self.w.numbers, self.store.resets
        name, *rest = step
        call: Callable[..., None] = getattr(self, name)
        call(*rest)
        self.check(state, before, self.store.resets != resets)

    # ---- the steps
    def hear(self, kind: str, offset: int, flags: str, fields: str, sensible: bool) -> None:
        number = max(0, self.w.store.next_in + offset)
        more = SENSIBLE.get(kind, "") if sensible else ""
        for message in self.w.messages(f"35={kind}|34={number}|{flags}{more}{fields}"):
            self.w.session.receive(message, self.w.now)

    def connect(self) -> None:
        self.w.session.connected(self.w.now)

    def approve(self) -> None:
        self.w.session.approve(self.w.now)

    def refuse(self, text: str) -> None:
        self.w.session.refuse(text, self.w.now)

    def logout(self, text: str) -> None:
        self.w.session.logout(text, self.w.now)

    def lose(self) -> None:
        self.w.session.disconnected(self.w.now)
        self.decoder = Decoder()

    def reset(self) -> None:
        self.w.session.reset(self.w.now)

    def send(self) -> None:
        self.w.session.send(b"D", b"11=a\x01", self.w.now)

    def pump(self) -> None:
        self.w.session.pump(self.w.now)

    def wait(self, seconds: int) -> None:
        end = self.w.now + seconds * SECOND
        while (deadline := self.w.session.deadline_ns) <= end:
            self.w.now = max(self.w.now, deadline)
            self.w.session.on_timer(self.w.now)
            assert self.w.session.deadline_ns > deadline
        self.w.now = end

    # ---- what must hold
    def check(self, state: State, before: tuple[int, int], reset: bool) -> None:
        session, now = self.w.session, self.w.numbers
        reset |= any(isinstance(event, Admin) and event.message.get(141) == b"Y" for event in session.events)
        assert reset or (now[0] >= before[0] and now[1] >= before[1])
        assert now[0] >= 1 and 1 <= now[1] <= 10**15 + 8
        assert session.live <= (session.state in (State.LOGGED_ON, State.LOGOUT_SENT))
        asked = closed = False
        for event in session.events:
            if isinstance(event, LoggedOn | LoggedOut):
                assert self.on == isinstance(event, LoggedOut)
                self.on = isinstance(event, LoggedOn)
            asked |= isinstance(event, LogonRequested)
            assert not closed, "nothing comes after the end"
            closed |= isinstance(event, Disconnect)
            assert self.on or not isinstance(event, Message)
        assert (session.state is State.CLOSING and state is not State.CLOSING) == closed
        assert asked <= (session.state in (State.LOGON_JUDGED, State.CLOSING))
        assert self.on <= (session.state in (State.LOGGED_ON, State.LOGOUT_SENT))
        session.events.clear()
        self.check_said(state, reset)

    def check_said(self, state: State, reset: bool) -> None:
        out = b"".join(self.w.session.out)
        self.w.session.out.clear()
        assert not (out and state is State.CLOSING and self.w.session.state is State.CLOSING)
        fresh = [int(message[34]) for message in self.decoder.feed(out) if message.get(43) != b"Y"]
        assert reset or (fresh == sorted(set(fresh)) and all(number < self.w.store.next_out for number in fresh))
        assert (self.decoder.garbled, self.decoder.buffered) == (0, 0)


@given(SETTINGS, st.lists(MESSAGES | CALLS, max_size=30))
@settings(max_examples=300)
def test_whatever_comes_the_invariants_hold(given_settings: dict[str, Any], steps: list[Step]) -> None:
    watcher = Watcher(given_settings)
    closing = True
    for step in steps:
        if closing or step == ("begin",):
            for each in BEGIN:
                watcher.take(each)
        if step != ("begin",):
            closing = watcher.w.session.state is State.CLOSING  # then this one step, and a new connection
            watcher.take(step)
