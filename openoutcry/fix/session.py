"""One FIX session as a state machine, without sockets and clock: both roles, FIX 4.0 to 5.0SP2 over FIXT.1.1.

The host hands in what was decoded (``receive``), when the connection came and went (``connected``, ``disconnected``),
and the time (``on_timer`` at ``deadline_ns``); after each call it takes and clears two lists: ``out``, the bytes to
write, and ``events``, what it must know, in order::

    Message            an application message: checked, in sequence, each one exactly once but for what the peer marks
                       as PossResend (message.get(97) == b"Y"); a PossDup here has not been seen before either
    LogonRequested     acceptor: is the peer let in? answer by approve() or refuse(text)
    LoggedOn           messages can be sent. For an initiator: refuse(text) ends it
    Admin              a message of the session layer that was taken (Logon, Heartbeat, Reject ...), for hooks and logs
    LoggedOut          the session is over, with the peer's or our own text
    Disconnect         close the transport once `out` is written, then call disconnected()

An application message is sent by ``send``; a host that keeps the messages itself (the gateway) puts them into the
store, framed by ``frame``, and says so by ``deliver``. While messages are sent again, ``live`` is False, and ``pump``
writes the next portion whenever the transport takes more. A host whose answer to a message is not to be overtaken sets
``in_turn``: what has waited for a gap to be filled then comes message by message, each after ``go_on``.

Invariants: nothing that a peer sends raises; sequence numbers never go back but by a reset; the next number expected
moves on only past a message that was taken, or that the peer says it will not send. What each input does in each state
is the table in ``states``; who sends again is ``outbound``, who waits for what is missing ``gaps``.
"""

from __future__ import annotations

from typing import Any, Final

from openoutcry.fix.codec import Header
from openoutcry.fix.core import DEAD_AFTER, SECOND_NS, TEST_AFTER
from openoutcry.fix.events import Admin, Disconnect, LoggedOn, LoggedOut, LogonRequested
from openoutcry.fix.gaps import ASK_AGAIN_S, ASKED_MAX
from openoutcry.fix.handshake import Handshake
from openoutcry.fix.logon import number_of
from openoutcry.fix.message import Message, Shape
from openoutcry.fix.reasons import REQUIRED_TAG_MISSING, VALUE_INCORRECT
from openoutcry.fix.rejects import Fields
from openoutcry.fix.states import ACTIONS, INPUTS, Input, State
from openoutcry.fix.validate import Flaw

__all__ = ["Admin", "Disconnect", "LoggedOn", "LoggedOut", "LogonRequested", "Message", "Session", "State"]

TEST_ID: Final = b"TEST"
SHAPES_MAX: Final = 64  # shapes of messages whose places are kept: a client has a few
HEADER_TAGS: Final = (34, 49, 56, 52)


class Session(Handshake):
    """See the module. settings: of this one session, its CompIDs known. store: its own.

    clock: says by how much the time that is handed in is ahead of the peer's, where it is another: SendingTime is the
    peer's time, and so is what the peer's is compared with (CheckLatency).
    """

    # ------------------------------------------------------------------------------------------- for the host
    @property
    def out(self) -> list[bytes]:
        """What is to be written, in order."""
        return self._outbound.out

    @property
    def header(self) -> Header:
        """What begins every message that is sent."""
        return self._outbound.header

    @property
    def live(self) -> bool:
        """Logged on, and nothing is being sent again: what is made is written at once."""
        return self._outbound.live

    @property
    def version(self) -> str:
        """Of the application messages, as agreed."""
        return self.settings.version

    def receive(self, message: Message, now_ns: int) -> None:
        """One message, in the order received."""
        if self._steady and message.checked and message.kind not in INPUTS:
            shape, values = message.shape, message.values
            number_at, sender_at, target_at, time_at = self._places.get(shape) or self._find_places(shape)
            expected = self.store.next_in
            if (
                values[time_at][:17] == self._second
                and int(values[number_at]) == expected
                and values[sender_at] == self._sender
                and values[target_at] == self._target
                and values[0] == self._begin
                and self._second_from <= now_ns <= self._second_until
            ):
                self._received_ns = now_ns
                self._testing = False
                self.events.append(message)
                self.store.set_next_in(expected + 1)
                return
        self._receive(message, now_ns)

    @property
    def waiting(self) -> int:
        """How many messages wait for earlier ones."""
        return len(self._gaps)

    def go_on(self, now_ns: int) -> None:
        """With `in_turn`: take what has waited behind messages that the host has taken meanwhile."""
        self._take_waiting(now_ns)
        self._steady = self._on and not self._gaps and self.state in (State.LOGGED_ON, State.LOGOUT_SENT)

    def _find_places(self, shape: Shape) -> tuple[int, int, int, int]:
        """Where MsgSeqNum, both CompIDs and SendingTime are in messages of this shape."""
        index = shape.index
        number, sender, target, time = map(index.get, HEADER_TAGS)
        if number is None or sender is None or target is None or time is None:
            return 0, 0, 0, 0  # there is BeginString: no time
        if len(self._places) >= SHAPES_MAX:
            self._places.clear()
        self._places[shape] = number, sender, target, time
        return number, sender, target, time

    def send(self, kind: bytes, body: bytes, now_ns: int, extra: Fields = ()) -> int:
        """Send an application message; returns its number. extra: fields of the header, ascending."""
        return self._outbound.make(kind, body, now_ns, extra)

    def frame(self, kind: bytes, number: int, body: bytes, now_ns: int, extra: Fields = ()) -> bytes:
        """The bytes of one message, for a host that keeps them in the store itself."""
        return self._outbound.frame(kind, number, body, now_ns, extra)

    def skip(self, number: int) -> None:
        """For tests of the peer: the next message is `number`, and those before it are not sent (``live`` only)."""
        self._outbound.skip(number)

    def deliver(self, data: bytes, count: int, now_ns: int) -> None:
        """`count` joined messages were put into the store, the newest ones there: write them, if they may be."""
        self._outbound.deliver(data, count, now_ns)

    def pump(self, now_ns: int) -> bool:
        """The transport takes more: send the next portion again. True while there is more."""
        return self._outbound.pump(now_ns)

    def disconnected(self, now_ns: int) -> None:
        """The connection is gone."""
        if self.state is State.DISCONNECTED:
            return
        self._logged_out("the connection ended")
        self._forget_connection()
        if self.settings.ResetOnDisconnect:
            self._reset_numbers(now_ns)
        self._enter(State.DISCONNECTED, now_ns)

    def reset(self, now_ns: int) -> None:
        """Begin at 1 again, both ways; a connection is ended with a Logout."""
        if self.state in (State.LOGGED_ON, State.LOGOUT_SENT):
            self._end("sequence numbers are reset", now_ns)
        elif self.state not in (State.DISCONNECTED, State.CLOSING):
            self._close("sequence numbers are reset", now_ns)
        self._reset_numbers(now_ns)

    def statistics(self) -> dict[str, Any]:
        """State, numbers, counters."""
        return {
            "state": self.state.value, "next_out": self.store.next_out, "next_in": self.store.next_in,
            "live": self.live, "waiting": len(self._gaps), "dropped": self._gaps.dropped,
            "sent": self._outbound.sent, "resent": self._outbound.resent, **self.counters,
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------- any message
    def _receive(self, message: Message, now_ns: int) -> None:
        """Any message in any state."""
        kind = INPUTS.get(message.kind, Input.APPLICATION)
        action, _states = ACTIONS.get((self.state, kind), ("refuse_input", None))
        if action in ("ignore", "hold", "refuse_input"):
            getattr(self, "_" + action)(message, now_ns)
            return
        self._received_ns = now_ns
        self._testing = False
        if number_of(message.get(34)) is None:
            self._take_unnumbered(now_ns)
        elif message[8] != self._begin:
            self._wrong_begin(message, kind, now_ns)
        elif (flaw := self._flaw(message)) is not None:
            self._take_flawed(message, flaw, now_ns)
        else:
            getattr(self, "_" + action)(message, now_ns)
        self._take_waiting(now_ns)
        self._steady = self._on and not self._gaps and self.state in (State.LOGGED_ON, State.LOGOUT_SENT)

    def _take_waiting(self, now_ns: int) -> None:
        """What has waited and is in sequence now."""
        while len(self._gaps) and self.state in (State.LOGGED_ON, State.LOGOUT_SENT):
            if self.in_turn and self.events:
                return  # the host takes these first, and then says ``go_on``
            message = self._gaps.pop(self.store.next_in)
            if message is None:
                return
            kind = INPUTS.get(message.kind, Input.APPLICATION)
            if kind in (Input.LOGON, Input.RESEND_REQUEST):  # were taken when they came
                self._advance(self.store.next_in + 1, now_ns)
                continue
            self._waited = True
            getattr(self, "_" + ACTIONS[self.state, kind][0])(message, now_ns)
            self._waited = False

    def _flaw(self, message: Message) -> Flaw | None:
        return None if message.checked or self.validator is None else self.validator.check(message)

    def _ignore(self, message: Message, now_ns: int) -> None:
        """The connection is being closed."""

    def _refuse_input(self, message: Message, now_ns: int) -> None:
        self._close(f"MsgType {message.kind.decode('latin-1')!r} while {self.state.value}", now_ns)

    def _take_unnumbered(self, now_ns: int) -> None:
        """Without a MsgSeqNum there is nothing that an answer could refer to: as good as garbled."""
        self.counters["unnumbered"] += 1
        if not self._on:
            self._close("a message without MsgSeqNum", now_ns)

    def _wrong_begin(self, message: Message, kind: Input, now_ns: int) -> None:
        if not self._on:
            self._close("another BeginString", now_ns)
        elif kind is Input.LOGOUT:
            self._take_logout(message, now_ns)
        else:
            if self.state is State.LOGGED_ON:
                self.logout("Incorrect BeginString", now_ns)
            if int(message[34]) == self.store.next_in:
                self._advance(self.store.next_in + 1, now_ns)

    # ------------------------------------------------------------------------------------------- by type
    def _take(self, message: Message, now_ns: int) -> None:
        number = self._passes(message, now_ns)
        if number is not None:
            self._give(message)
            self._advance(number + 1, now_ns)

    def _take_test_request(self, message: Message, now_ns: int) -> None:
        number = self._passes(message, now_ns)
        if number is None:
            return
        name = message.get(112)
        if not name:
            self._take_flawed(message, Flaw(REQUIRED_TAG_MISSING, 112), now_ns)
            return
        self._give(message)
        self._advance(number + 1, now_ns)
        self._outbound.say(b"0", b"112=%b\x01" % name, now_ns)

    def _take_logout(self, message: Message, now_ns: int) -> None:
        if message[8] == self._begin and self._passes(message, now_ns, False, False) is None:
            return
        self._give(message)
        if int(message[34]) == self.store.next_in:
            self._advance(self.store.next_in + 1, now_ns)
        if self.state is not State.LOGOUT_SENT:
            self._outbound.say_now(b"5", b"", now_ns)
        text = (message.get(58) or b"").decode("utf-8", "replace")
        self._logged_out(text)
        if self.settings.ResetOnLogout:
            self._reset_numbers(now_ns)
        self._close(f"logged out: {text}" if text else "logged out", now_ns)

    def _take_resend_request(self, message: Message, now_ns: int) -> None:
        number = self._passes(message, now_ns, False, False)
        if number is None:
            return
        begin, end = number_of(message.get(7)), number_of(message.get(16))
        if begin is None or end is None:
            self._take_flawed(message, Flaw(REQUIRED_TAG_MISSING, 7 if begin is None else 16), now_ns)
            return
        self._give(message)
        self.counters["resends"] += 1
        if number == self.store.next_in:
            self._advance(number + 1, now_ns)
        elif number > self.store.next_in:
            self._gaps.put(number, message)  # it has been heard; the next message will show what is missing
        if end == 0 or (end == 999_999 and self.level <= 2):
            end = self.store.next_out
        self._outbound.resend(max(begin, 1), end, now_ns)

    def _take_sequence_reset(self, message: Message, now_ns: int) -> None:
        filling = message.get(123) == b"Y"
        number = self._passes(message, now_ns, filling, filling)
        if number is None:
            return
        new = number_of(message.get(36))
        if new is None:
            self._take_flawed(message, Flaw(REQUIRED_TAG_MISSING, 36), now_ns)
            return
        expected = self.store.next_in
        if new < expected:
            self.reject(message, VALUE_INCORRECT, None, "", now_ns)
            return
        self._give(message)
        if new > expected:
            self._gaps.forget_below(new)
            self._advance(new, now_ns)

    # ------------------------------------------------------------------------------------------- time
    def on_timer(self, now_ns: int) -> None:
        """It is `now_ns`; nothing happens before ``deadline_ns``."""
        if now_ns < self.deadline_ns:
            return
        self._follow_schedule(now_ns)
        if self.state in (State.LOGON_SENT, State.LOGON_EXPECTED):
            if now_ns - self._began_ns >= self.settings.LogonTimeout * SECOND_NS:
                self._close("no Logon in time", now_ns)
        elif self.state is State.LOGOUT_SENT:
            if now_ns - self._began_ns >= self.settings.LogoutTimeout * SECOND_NS:
                self._close("no answer to the Logout in time", now_ns)
        elif self.state is State.LOGGED_ON:
            self._ask_again(now_ns)
            if self._heartbeat_ns:
                self._watch(now_ns)
        self._set_deadline(now_ns)

    def _watch(self, now_ns: int) -> None:
        """Heartbeats and test requests."""
        quiet = (now_ns - self._received_ns) * 10
        if quiet >= DEAD_AFTER * self._heartbeat_ns:
            self._close("nothing received", now_ns)
        elif quiet >= TEST_AFTER * self._heartbeat_ns and not self._testing:
            self._testing = True
            self._outbound.say(b"1", b"112=%b\x01" % TEST_ID, now_ns)
        elif now_ns - self._outbound.sent_ns >= self._beat_ns() and not self._testing:
            self._outbound.say(b"0", b"", now_ns)

    def _ask_again(self, now_ns: int) -> None:
        """Nothing came of a ResendRequest."""
        gaps = self._gaps
        if not gaps.to or now_ns - gaps.asked_ns < ASK_AGAIN_S * SECOND_NS:
            return
        if gaps.asked_at != self.store.next_in:  # it is coming
            gaps.asked_at, gaps.asked_ns, gaps.asked_times = self.store.next_in, now_ns, 1
        elif gaps.asked_times >= ASKED_MAX:
            self.logout(f"no answer to the ResendRequest from {gaps.asked_at}", now_ns)
        else:
            self._ask(gaps.to, now_ns)

    def _follow_schedule(self, now_ns: int) -> None:
        if self.schedule.same_session(self.store.created_ns, now_ns):
            return
        if self.state in (State.LOGGED_ON, State.LOGOUT_SENT):
            self._end("the session's time is over", now_ns)
        elif self.state in (State.LOGON_SENT, State.LOGON_JUDGED):
            self._close("the session's time is over", now_ns)
        self._new_period(now_ns)
