"""What every part of a session stands on: its state, its numbers, the checks of a message, and its ends.

Invariants: sequence numbers never go back but by ``_reset_numbers``; LoggedOut follows each LoggedOn exactly once; a
session that is closing says nothing more. Next: ``handshake`` (Logon), ``session`` (all the rest, and what it is for).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

from openoutcry.fix import rejects
from openoutcry.fix.codec import Value
from openoutcry.fix.events import Admin, Disconnect, LoggedOut
from openoutcry.fix.gaps import ASK_AGAIN_S, Gaps
from openoutcry.fix.message import Message, Shape
from openoutcry.fix.outbound import Clock, Outbound, SameClock
from openoutcry.fix.reasons import COMP_ID_PROBLEM, REQUIRED_TAG_MISSING, SENDING_TIME_PROBLEM
from openoutcry.fix.schedule import NEVER, Schedule
from openoutcry.fix.settings import SessionSettings
from openoutcry.fix.states import INPUTS, State
from openoutcry.fix.store import MessageStore
from openoutcry.fix.times import parse_stamp
from openoutcry.fix.validate import Flaw, Validator, validator_for

SECOND_NS: Final = 1_000_000_000
TEST_AFTER: Final = 12  # tenths of HeartBtInt without a message: then a TestRequest
DEAD_AFTER: Final = 24  # the same: then the end
EARLY: Final = 6  # tenths of HeartBtInt after which a heartbeat is sent to a peer that cannot bear a late one


class Core(ABC):
    """See the module; Session is what is used."""

    def __init__(self, settings: SessionSettings, store: MessageStore, now_ns: int, clock: Clock | None = None) -> None:
        self._clock = clock or SameClock()
        self.settings = settings
        self.store = store
        self.schedule = Schedule.from_settings(settings)
        self.state = State.DISCONNECTED
        self.events: list[Any] = []
        self.logon_fields: tuple[tuple[int, Value], ...] = ()  # further ones of our Logon: Username, Password ...
        self.validator: Validator | None = validator_for(settings)  # UseDataDictionary: its matter
        self.deadline_ns = NEVER
        self.level = rejects.LEVELS[settings.BeginString]
        self._initiator = settings.ConnectionType == "initiator"
        self._outbound = Outbound(settings, store, self._clock)
        self._gaps = Gaps(settings.MaxMessagesInResendRequest)
        self._begin = settings.BeginString.encode()
        self._sender = settings.TargetCompID.encode()
        self._target = settings.SenderCompID.encode()
        self._max_latency_ns: int = settings.MaxLatency * SECOND_NS if settings.CheckLatency else NEVER
        self._places: dict[Shape, tuple[int, int, int, int]] = {}
        self._second = b""  # of the newest SendingTime that was right, and the times for which it is
        self._second_from = self._second_until = 0
        self._steady = False  # in sequence, nothing missing, nothing waiting: the short way
        self._on = False  # LoggedOn has been said, LoggedOut has not
        self._held: list[Message] = []  # came before the Logon was judged
        self._held_bytes = 0
        self._logon: Message | None = None
        self._logon_number = 0  # of our newest Logon
        self._sent_reset = False
        self._testing = False  # a TestRequest is out
        self._heartbeat_ns: int = settings.HeartBtInt * SECOND_NS
        self._received_ns = self._began_ns = now_ns
        self._out_text = ""
        self.in_turn = False  # the host answers one message before the next is taken, also of those that have waited
        self._waited = False  # the message in hand has waited for earlier ones, and was checked when it came
        self.counters: dict[str, int] = dict.fromkeys(
            ("unnumbered", "duplicates", "gaps", "asked", "resends", "rejects", "refused", "logons"), 0
        )
        self._new_period(now_ns)
        self._set_deadline(now_ns)

    @abstractmethod
    def receive(self, message: Message, now_ns: int) -> None:
        """See Session."""

    # ------------------------------------------------------------------------------------------- state
    def _enter(self, state: State, now_ns: int) -> None:
        self.state = state
        self._steady = False
        self._set_deadline(now_ns)

    def _set_deadline(self, now_ns: int) -> None:
        deadline = self.schedule.next_change(now_ns)
        if self.state in (State.LOGON_SENT, State.LOGON_EXPECTED):
            deadline = min(deadline, self._began_ns + self.settings.LogonTimeout * SECOND_NS)
        elif self.state is State.LOGOUT_SENT:
            deadline = min(deadline, self._began_ns + self.settings.LogoutTimeout * SECOND_NS)
        elif self.state is State.LOGGED_ON:
            deadline = min(deadline, self._next_watch(now_ns))
            if self._gaps.to:
                deadline = min(deadline, self._gaps.asked_ns + ASK_AGAIN_S * SECOND_NS)
        self.deadline_ns = deadline

    def _next_watch(self, now_ns: int) -> int:
        if not self._heartbeat_ns:
            return NEVER
        beat = self._outbound.sent_ns + self._beat_ns()
        if self._testing:  # a heartbeat is due all the same, should the answer have come by then
            dead = self._received_ns + -(-DEAD_AFTER * self._heartbeat_ns // 10)
            return min(beat, dead) if beat > now_ns else dead
        return min(self._received_ns + -(-TEST_AFTER * self._heartbeat_ns // 10), beat)

    def _beat_ns(self) -> int:
        return self._heartbeat_ns * EARLY // 10 if self.settings.Profile == "jetblack" else self._heartbeat_ns

    def _new_period(self, now_ns: int) -> bool:
        """The numbers begin at 1 with each period of the schedule. False: it is none's time."""
        if not self.schedule.open_at(now_ns):
            return False
        if not self.schedule.same_session(self.store.created_ns, now_ns):
            self._reset_numbers(now_ns)
        return True

    def forgive(self, ns: int) -> None:
        """Time was moved on by `ns`, in which the peer could not say anything: that is not to be held against it."""
        self._received_ns += ns
        self._began_ns += ns
        self._gaps.asked_ns += ns

    # ------------------------------------------------------------------------------------------- ends
    def _end(self, text: str, now_ns: int) -> None:
        """Logout without waiting for an answer."""
        if self.state is not State.LOGOUT_SENT:
            self._outbound.say_now(b"5", _logout_body(text), now_ns)
        self._logged_out(text)
        self._close(text, now_ns)

    def _close(self, reason: str, now_ns: int) -> None:
        if self.state is State.CLOSING:
            return
        self._logged_out(reason)
        self._forget_connection()
        self.events.append(Disconnect(reason))
        self._enter(State.CLOSING, now_ns)

    def _logged_out(self, text: str) -> None:
        if self._on:
            self._on = False
            self.events.append(LoggedOut(text or self._out_text))

    def _forget_connection(self) -> None:
        self._outbound.close()
        self._gaps.clear()
        self._held.clear()
        self._held_bytes = 0
        self._logon = None
        self._testing = self._sent_reset = False
        self._out_text = ""

    def _reset_numbers(self, now_ns: int) -> None:
        self.store.reset(now_ns)
        self._outbound.close()
        self._outbound.written = self.store.next_out
        self._gaps.clear()

    def logout(self, text: str, now_ns: int) -> None:
        """Say Logout, and wait for the answer LogoutTimeout long."""
        if self.state is State.LOGGED_ON:
            self._out_text = text
            self._outbound.say(b"5", _logout_body(text), now_ns)
            self._began_ns = now_ns
            self._enter(State.LOGOUT_SENT, now_ns)
        elif self.state in (State.LOGON_EXPECTED, State.LOGON_SENT, State.LOGON_JUDGED):
            self._close(text, now_ns)

    # ------------------------------------------------------------------------------------------- checks
    def _right_ids(self, message: Message) -> bool:
        if not self.settings.CheckCompID:
            return True
        return bool(message.get(49) == self._sender and message.get(56) == self._target)

    def _right_time(self, message: Message, now_ns: int) -> bool:
        if not self.settings.CheckLatency:
            self._second_from, self._second_until = 0, NEVER
            self._second = (message.get(52) or b"")[:17]
            return True
        value = message.get(52) or b""
        try:
            sent = parse_stamp(value)
        except ValueError:
            return False
        ahead_ns = self._clock.ahead_ns
        if abs(now_ns - ahead_ns - sent) > self._max_latency_ns:
            return False
        whole = sent - sent % SECOND_NS + ahead_ns
        self._second = value[:17]
        self._second_from = whole + SECOND_NS - self._max_latency_ns
        self._second_until = whole + self._max_latency_ns
        return True

    def _passes(self, message: Message, now_ns: int, high: bool = True, low: bool = True) -> int | None:
        """The message's number when it is to be taken now. high, low: whether its number must be the one expected."""
        if not self._waited and not self._trusted(message, now_ns):
            return None
        number = int(message[34])
        if high and number > self.store.next_in:
            self._too_high(message, number, now_ns)
            return None
        if low and number < self.store.next_in:
            self._too_low(message, number, now_ns)
            return None
        return number

    def _trusted(self, message: Message, now_ns: int) -> bool:
        if not self._right_time(message, now_ns):
            self._distrust(message, SENDING_TIME_PROBLEM, now_ns)
            return False
        if not self._right_ids(message):
            self._distrust(message, COMP_ID_PROBLEM, now_ns)
            return False
        return True

    def _distrust(self, message: Message, reason: int, now_ns: int) -> None:
        """Reject, then Logout."""
        if not self._on:
            self._close("a message of somebody else", now_ns)
            return
        self.reject(message, reason, None, "", now_ns)
        if int(message[34]) == self.store.next_in:
            self._advance(self.store.next_in + 1, now_ns)
        self.logout("", now_ns)

    def _too_low_text(self, number: int) -> str:
        return f"MsgSeqNum too low, expecting {self.store.next_in} but received {number}"

    def _too_low(self, message: Message, number: int, now_ns: int) -> None:
        if message.get(43) != b"Y":
            self._end(self._too_low_text(number), now_ns)
            return
        self.counters["duplicates"] += 1
        if message.kind == b"4" or not self.settings.RequiresOrigSendingTime:
            return
        original = message.get(122)
        if original is None:
            self.reject(message, REQUIRED_TAG_MISSING, 122, "", now_ns)
        elif _later(original, message.get(52)):
            self.reject(message, SENDING_TIME_PROBLEM, None, "", now_ns)
            self.logout("", now_ns)

    # ------------------------------------------------------------------------------------------- numbers
    def _advance(self, expected: int, now_ns: int) -> None:
        """The next number is `expected`: never a smaller one than before."""
        self.store.set_next_in(expected)
        if self._gaps.advanced(expected):
            self._ask(self._gaps.to, now_ns)

    def _give(self, message: Message) -> None:
        self.events.append(Admin(message) if message.kind in INPUTS else message)

    def _too_high(self, message: Message, number: int, now_ns: int) -> None:
        self.counters["gaps"] += 1
        self._gaps.put(number, message)
        if not self._gaps.to or self.settings.SendRedundantResendRequests:
            self._ask(number - 1, now_ns)

    def _ask(self, to: int, now_ns: int) -> None:
        self.counters["asked"] += 1
        begin = self.store.next_in
        end = self._gaps.ask(begin, to, now_ns) or (999_999 if self.level < 2 else 0)
        self.deadline_ns = min(self.deadline_ns, now_ns + ASK_AGAIN_S * SECOND_NS)
        self._outbound.say(b"2", b"7=%d\x0116=%d\x01" % (begin, end), now_ns)

    # ------------------------------------------------------------------------------------------- rejects
    def reject(self, message: Message, reason: int | None, tag: int | None, text: str, now_ns: int) -> None:
        """Reject(3) a message that was taken."""
        if self.settings.Profile != "jetblack":
            self.counters["rejects"] += 1
            kind, body = rejects.reject(message, self.level, reason, tag, text)
            self._outbound.make(kind, body, now_ns, rejects.way_back(message, self.level))

    def _take_flawed(self, message: Message, flaw: Flaw, now_ns: int) -> None:
        if not self._on:
            self._close(f"not a valid message: {flaw}", now_ns)
            return
        number = int(message[34])
        self.reject(message, flaw.reason, flaw.tag, "", now_ns)
        if message.kind == b"A":
            self._close("a second Logon, and not a valid one", now_ns)
        elif number == self.store.next_in and message.kind != b"4":
            self._advance(number + 1, now_ns)


def _logout_body(text: str) -> bytes:
    clean = text.replace("\x01", " ").encode("utf-8", "replace")
    return b"58=%b\x01" % clean if clean else b""


def _later(original: bytes, sent: bytes | None) -> bool:
    """Whether OrigSendingTime is after SendingTime."""
    try:
        return parse_stamp(original) > parse_stamp(sent or b"")
    except ValueError:
        return True
