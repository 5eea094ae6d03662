"""One FIX client's TCP connection: bytes in, to its session and application; what they say out, once it is stored.

Its life::

    SILENT --Logon that a session has been found for--> ASKED --LOGGED_ON--> ON --Logout, loss, end of day--> GONE

Where the endpoint's auto_accept is false, a Logon is HELD before that, until a hand lets it go on
(openoutcry.gateway.managed_fix).

Rule 1. Until a Logon is judged (openoutcry.gateway.fix.admission), nothing is answered: what is wrong with it ends the
        connection without a word. The exceptions have a right to know: who names a wrong password, or comes when there
        is no trading day.
Rule 2. A session has one connection. A second one is closed, and the first hears nothing of it.
Rule 3. First stored, then sent: at the end of every input, ``_settle`` commits what it made the session say.
Rule 4. Nothing is kept for a client that it does not read, beyond ``write_buffer_max``; nothing of what it sends is
        taken while the matcher is behind (``hub.congested``), beyond the one read that waits in ``_held``, or while
        its Logon is held, beyond ``AHEAD_MAX``.
Rule 5. Whatever it sends, only this connection suffers.
"""

from __future__ import annotations

import traceback
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, Final

from openoutcry.fix.codec import Decoder
from openoutcry.fix.message import Message, Shape
from openoutcry.fix.rejects import LEVELS, business_reject
from openoutcry.fix.resend import RESEND_BYTES
from openoutcry.fix.session import Admin, Disconnect, LoggedOn, LoggedOut, LogonRequested
from openoutcry.fix.states import State
from openoutcry.gateway.client import ASKED, GONE, HELD, ON, RETRY_NS, SILENT, ClientConnection
from openoutcry.gateway.fix.admission import Admission, without_secrets
from openoutcry.gateway.managed_watch import LOGGED_ON, LOGON, LOGOUT

if TYPE_CHECKING:
    from openoutcry.gateway.fix.endpoint import FixEndpoint
    from openoutcry.gateway.fix.hosted import Hosted, InTurn
    from openoutcry.gateway.state import Session

AHEAD_MAX: Final = 65_536  # bytes that a client sends on while its Logon is held: one read, or two
CATCHING_UP_MAX: Final = 2 * RESEND_BYTES  # a client that was sent a portion again has not had the time to read it
LEARNED_MAX: Final = 64  # shapes of one connection that a pattern is made for: a client has a few, and each costs a ms
SECOND_NS: Final = 1_000_000_000
DAY_ENDED: Final = "the trading day has ended"
LOOK_AGAIN_NS: Final = 60_000_000_000  # a session's deadlines are looked at this often, should the clock be set

# Deadlines in a row that a client's silence is followed through: a heartbeat or two, a TestRequest and the end, and
# some for a session that waits for missing messages. Only one that watches nobody has more.
SILENCE_STEPS_MAX: Final = 16


class FixConnection(ClientConnection):
    """See the module. It has no ``stream`` by the matcher's name."""

    endpoint: FixEndpoint
    wanted = ""  # the session that a held Logon is for
    _leave_ns = 0  # by when it must have answered our Logout: by the host's clock, since the exchange's may stand still

    def __init__(self, endpoint: FixEndpoint) -> None:
        super().__init__(endpoint)
        self.hosted: Hosted | None = None
        self._decoder = Decoder()
        self._learned: set[Shape] = set()
        self._garbled = 0
        self._kept: list[Message] = []  # wait until the application has answered what came before
        self._spoke = False
        self._admission: Admission | None = None  # while it is not logged on
        self._until_ns = 0  # by when it must have logged on, by the exchange's time
        self._ending = ""  # why the session wants it closed
        self._second = self._in_second = 0

    # --------------------------------------------------------------------------------------------- transport
    def begin(self, now_ns: int, login_timeout_ns: int) -> None:
        """See ClientConnection."""
        self._until_ns = now_ns + login_timeout_ns

    def data_received(self, data: bytes) -> None:
        """Take what the client sent, or hold it while the matcher is behind."""
        if self.state == GONE:
            return
        if self.hub.congested or self._held or self._kept:
            if self.state == HELD:
                self._read_ahead(data)
                return
            if not self._held:
                if not self._kept:
                    self.hub.hold(self)
                self.transport.pause_reading()
            self._held += data
            return
        if self.state == ASKED:
            self.transport.pause_reading()  # this is held by the session; the rest waits in the kernel
        try:
            self._take(data)
        except Exception as error:  # a fault of ours: it must not cost the others anything
            self._failed(error)

    def _read_ahead(self, data: bytes) -> None:
        """What comes behind a Logon that is held waits; it is read all the same, so that the client's end is seen."""
        self._held += data
        if len(self._held) > AHEAD_MAX:
            self.transport.pause_reading()

    def go_on(self) -> None:
        """The matcher has caught up, or the application has answered."""
        kept, self._kept = self._kept, []
        if self.state != GONE and self.hosted is not None and (kept or self.hosted.in_turn is not None):
            try:
                self._take_messages(self.hosted, kept, self.hub.fix.clock.tick())
            except Exception as error:
                self._failed(error)
        if self.state != GONE and not self._kept:
            data, self._held = self._held, b""
            self.transport.resume_reading()
            if data:
                self.data_received(data)

    def _take(self, data: bytes) -> None:
        messages = self._decoder.feed(data)
        if self._decoder.garbled != self._garbled:
            self._count_garbled()
        if not messages:
            if self._garbled and self.state == SILENT:
                self.endpoint.unwanted(self, "what it sent first is no message")
            return
        now_ns = self.hub.fix.clock.tick()
        if self.state == SILENT:
            if messages[0].kind == b"A" and not self.endpoint.watch.auto_accept:
                self._kept = messages
                self.endpoint.hand.hold(self)
                return
            self._first(messages.pop(0), now_ns)
        hosted = self.hosted
        if hosted is None or self.state == GONE:
            return
        if hosted.log is not None:
            for message in messages:
                hosted.log.incoming(message.raw, self.hub.fix.clock.host_ns)
        self._take_messages(hosted, messages, now_ns)

    def _take_messages(self, hosted: Hosted, messages: list[Message], now_ns: int) -> None:
        expected = hosted.store.next_in
        if hosted.in_turn is not None:
            self._receive_in_turn(hosted, hosted.in_turn, messages, now_ns)
        else:
            self._receive(hosted, messages, now_ns)
        if hosted.store.next_in != expected:
            self.hub.fix.has_taken(hosted)
        if hosted.touched or hosted.session.out or self._ending:
            self._settle()

    def _receive_in_turn(self, hosted: Hosted, application: InTurn, messages: list[Message], now_ns: int) -> None:
        """For an application whose answers are not to be overtaken by what the session layer says itself.

        What is `checked` is an application message: those follow each other without waiting.
        """
        hosted.session.in_turn = True
        self._catch_up(hosted, application, now_ns)
        for at, message in enumerate(messages):
            if application.asked and (hosted.session.waiting or not message.checked):
                self._kept = messages[at:]
                self.transport.pause_reading()
                return
            self._receive(hosted, [message], now_ns)
            self._catch_up(hosted, application, now_ns)

    def _catch_up(self, hosted: Hosted, application: InTurn, now_ns: int) -> None:
        """Take what has waited for earlier messages, as far as nothing is to be answered before."""
        expected = 0
        while hosted.session.waiting and not application.asked and hosted.store.next_in != expected:
            expected = hosted.store.next_in
            hosted.session.go_on(now_ns)
            self._take_events(hosted, now_ns)

    def answered(self) -> None:
        """The application owes no answer any more (echo engines)."""
        if self._kept or (self.hosted is not None and self.hosted.session.waiting):
            self.hub.loop.call_soon(self.go_on)

    def _receive(self, hosted: Hosted, messages: list[Message], now_ns: int) -> None:
        """The way of every message. The short one is that of a message like many before it."""
        session, out, fresh = hosted.session, self.hub.out, hosted.fresh
        receive, events = session.receive, session.events
        take = hosted.application.take if self.state == ON and not hosted.settings.MaxMessagesPerSecond else None
        shape: Shape | None = None
        marked = False
        taken = 0
        for message in messages:
            receive(message, now_ns)
            if not events:
                continue
            if take is None or not message.checked or events[0] is not message or len(events) != 1:
                self._take_events(hosted, now_ns)
                continue
            events.clear()
            taken += 1
            if message.shape is not shape:
                shape = message.shape
                marked = 43 in shape.index or 97 in shape.index
            take(message, out, marked and may_have_come(message))
            if fresh:
                hosted.pass_on(now_ns)
        hosted.counters["messages_in"] += taken
        self.endpoint.messages_in += taken

    def _take_events(self, hosted: Hosted, now_ns: int) -> None:
        """What the session layer has to say, in order."""
        events = hosted.session.events
        found = events[:]
        events.clear()
        for event in found:
            if type(event) is Message:
                self._take_message(hosted, event, now_ns)
            else:
                self._deed(hosted, event)
            if hosted.fresh:
                hosted.pass_on(now_ns)

    def _take_message(self, hosted: Hosted, message: Message, now_ns: int) -> None:
        if not message.checked:
            self._learn(message)
        limit = hosted.settings.MaxMessagesPerSecond
        if limit and self._too_many(hosted, message, limit, now_ns):
            return
        hosted.counters["messages_in"] += 1
        self.endpoint.messages_in += 1
        self._hand_on(hosted, message)

    def _hand_on(self, hosted: Hosted, message: Message) -> None:
        """To the application."""
        hosted.application.take(message, self.hub.out, may_have_come(message))

    def _deed(self, hosted: Hosted, event: Any) -> None:
        """What the session layer wants done."""
        kind = type(event)
        if kind is LogonRequested and self._admission is not None:
            self._admission.ask()
        elif kind is Disconnect:
            self._ending = event.reason or "over"
            if self.state != ON and not (hosted.touched or hosted.session.out):
                self.endpoint.note_unwanted(self, self._ending)  # its Logon is not even answered
        elif kind is LoggedOn:
            self.endpoint.watch.note(LOGGED_ON, self, hosted.name)
            hosted.application.logged_on()
        elif kind is LoggedOut:
            hosted.logged_off()
        elif kind is Admin and event.message.kind == b"5":
            self.endpoint.watch.note(LOGOUT, self, hosted.name, "Logout", event.message, len(event.message.raw))

    def _answer(self, hosted: Hosted, now_ns: int) -> None:
        """The session was told something other than a message: take what comes of it."""
        self._take_events(hosted, now_ns)
        self.hub.fix.has_taken(hosted)
        self._settle()

    def _settle(self) -> None:
        """Store and send what this input made the session say, and do what it asked for."""
        hosted = self.hosted
        if hosted is None:
            return
        if hosted.touched:
            self.hub.commit()
        elif hosted.session.out:
            hosted.sent_off(self.hub.fix.clock.now_ns)
        if self._ending:
            self.close()
        elif self.state == ON:
            if hosted.session.state is State.LOGOUT_SENT and not self._leave_ns:
                self._leave_ns = monotonic_ns() + hosted.settings.LogoutTimeout * SECOND_NS
                self.reschedule()
            if not hosted.session.live:
                self.hub.replay.add(self)

    def _learn(self, message: Message) -> None:
        """Messages of this shape come the short way from now on."""
        assert self.hosted is not None
        validator = self.hosted.session.validator
        if validator is not None and message.shape not in self._learned and len(self._learned) < LEARNED_MAX:
            self._learned.add(message.shape)
            pattern = validator.pattern(message)
            if pattern is not None:
                self._decoder.learn(message, pattern)

    def _too_many(self, hosted: Hosted, message: Message, limit: int, now_ns: int) -> bool:
        """Whether this message is beyond what the session may send in a second; then it has been refused."""
        second = now_ns // SECOND_NS
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second <= limit:
            return False
        hosted.counters["throttled"] += 1
        text = f"more than {limit} messages a second"
        if LEVELS[hosted.settings.BeginString] < 2:
            hosted.session.reject(message, None, None, text, now_ns)
        else:
            hosted.emit(*business_reject(message, 0, text, message.get(11) or b""))
            hosted.pass_on(now_ns)
        return True

    def _count_garbled(self) -> None:
        new = self._decoder.garbled - self._garbled
        self._garbled = self._decoder.garbled
        self.endpoint.garbled += new
        if self.hosted is not None:
            self.hosted.counters["garbled"] += new

    def _failed(self, error: Exception) -> None:
        self.hub.counters["exceptions"] += 1
        text = "".join(traceback.format_exception(error))
        self.hub.log.warning(monotonic_ns(), "fix", f"endpoint {self.endpoint.name}: {self.address}: {text}")
        self.drop()

    @property
    def name(self) -> str:
        """The session's name."""
        return self.wanted if self.hosted is None else self.hosted.name

    @property
    def silent(self) -> bool:
        """See ClientConnection."""
        return not self._spoke

    def part(self) -> None:
        """See ClientConnection."""
        super().part()
        hub, hosted = self.hub, self.hosted
        if hosted is not None and hosted.connection is self:
            now_ns = hub.fix.clock.tick()
            hosted.session.disconnected(now_ns)
            self._take_events(hosted, now_ns)
            hub.fix.has_taken(hosted)
            hosted.release()
            if hosted.touched:
                hub.commit()

    # --------------------------------------------------------------------------------------------- logging on
    def speak(self, message: Message, name: str) -> None:
        """It has asked to log on, as the session of that name."""
        if not self._spoke:
            self._spoke = True
            self.endpoint.spoke(self)
            self.endpoint.watch.note(LOGON, self, name, "Logon", without_secrets(message), len(message.raw))

    def go_in(self) -> None:
        """The Logon that was held goes on."""
        logon, *rest = self._kept
        self._kept = []
        data, self._held = self._held, b""
        self.state = SILENT
        self._until_ns = self.hub.clock.monotonic_ns() + self.endpoint.login_timeout_ns
        self.reschedule()
        now_ns = self.hub.fix.clock.tick()
        try:
            self._first(logon, now_ns)
            if rest and self.hosted is not None:
                self._take_messages(self.hosted, rest, now_ns)
        except Exception as error:
            self._failed(error)
        if data:
            self.transport.resume_reading()
            self.data_received(data)

    def _first(self, message: Message, now_ns: int) -> None:
        """The first message: ask for a session, and give the session its Logon."""
        admission = self._admission = Admission(self, message)
        hosted = admission.find()
        if isinstance(hosted, str):
            self.endpoint.unwanted(self, hosted)
            return
        self.speak(message, hosted.name)
        self.state = ASKED
        self.hosted = hosted
        hosted.connection = self
        self._decoder.configure(hosted.settings.MaxMessageSize, hosted.settings.ValidateLengthAndChecksum)
        if hosted.log is not None:
            hosted.log.incoming(message.raw, self.hub.fix.clock.host_ns)
        hosted.session.connected(now_ns)
        self._receive(hosted, [admission.logon], now_ns)
        self._settle()

    def refused(self, text: str) -> None:
        """See ClientConnection."""
        if self.state == ASKED and self._admission is not None:
            self._admission.refused(text)

    def refuse(self, text: str) -> None:
        """Logout with a text, or the end without one."""
        hosted = self.hosted
        assert hosted is not None
        self.endpoint.rejected_logins += 1
        hosted.session.refuse(text, self.hub.fix.clock.tick())
        self._answer(hosted, self.hub.fix.clock.now_ns)

    def start(self, session: Session) -> None:
        """See ClientConnection."""
        hosted = self.hosted
        assert hosted is not None
        self._admission = None
        self.session = session
        session.connection = self
        self.state = ON
        self.endpoint.logins += 1
        self.endpoint.hand.take_up(self)
        hosted.counters["logons"] += 1
        self.hub.fix.let_in(hosted, session)
        self.transport.resume_reading()
        now_ns = self.hub.fix.clock.tick()
        try:
            hosted.session.approve(now_ns)
            self._answer(hosted, now_ns)
        except Exception as error:
            self._failed(error)
        self.reschedule()

    # --------------------------------------------------------------------------------------------- sending
    @property
    def live(self) -> bool:
        """See ClientConnection."""
        return self.hosted is not None and self.hosted.session.live

    def write(self, out: list[bytes]) -> None:
        """Send what is stored."""
        if self.state == GONE:
            return
        transport, hosted = self.transport, self.hosted
        if transport.get_write_buffer_size() > self.endpoint.write_buffer_max + CATCHING_UP_MAX:
            self.endpoint.slow(self)
            return
        if hosted is not None and hosted.log is not None:
            now_ns = time_ns()
            for data in out:
                hosted.log.outgoing(data, now_ns)
        transport.write(out[0] if len(out) == 1 else b"".join(out))

    def feed(self, now_ns: int) -> None:
        """See ClientConnection."""
        hosted = self.hosted
        if hosted is None or self._stalled_ns:  # resume_writing adds it again
            return
        hosted.session.pump(self.hub.fix.clock.tick())
        self._settle()

    def log_out(self, text: str) -> None:
        """Say Logout; the client answers it, or is closed after LogoutTimeout."""
        hosted = self.hosted
        if hosted is None or self.state == GONE:
            self.drop()
            return
        hosted.session.logout(text, self.hub.fix.clock.tick())
        self._answer(hosted, self.hub.fix.clock.now_ns)
        self.reschedule()

    def end(self) -> None:
        """See ClientConnection."""
        self.log_out(DAY_ENDED)

    def finish(self) -> None:
        """See ClientConnection."""
        self.log_out("the endpoint has been deleted")

    def close(self) -> None:
        """See ClientConnection; one that is logged on is told first."""
        if not self._ending and self.state == ON and self.hosted is not None:  # the gateway stops
            self._ending = "the gateway is stopping"
            self.hosted.session.logout(self._ending, self.hub.fix.clock.tick())
            self._answer(self.hosted, self.hub.fix.clock.now_ns)
        else:
            super().close()

    # --------------------------------------------------------------------------------------------- time
    def keep_time(self, now_ns: int) -> None:
        """See ClientConnection."""
        hosted = self.hosted
        if self.state != ON or hosted is None:
            left_ns = self._until_ns - self.hub.clock.monotonic_ns()
            if left_ns <= 0:
                self.endpoint.timed_out(self)
            else:
                self.hub.wheel.schedule(self, now_ns + left_ns)
        elif self.has_stalled(now_ns):
            self.endpoint.timed_out(self)
        else:
            self._on_session_timer(hosted, now_ns)

    def _on_session_timer(self, hosted: Hosted, now_ns: int) -> None:
        session, wall_ns = hosted.session, self.hub.fix.clock.tick()
        if wall_ns >= session.deadline_ns:
            session.on_timer(wall_ns)
            self._answer(hosted, wall_ns)
        if self.state == GONE:
            return
        if self._leave_ns and now_ns >= self._leave_ns:
            self._ending = "no answer to the Logout in time"
            self.close()
        else:
            ahead_ns = min(session.deadline_ns - wall_ns, RETRY_NS if self._stalled_ns else LOOK_AGAIN_NS)
            self.hub.wheel.schedule(self, now_ns + max(ahead_ns, 0))

    def clock_moved(self, moved_ns: int, silent: bool) -> None:
        """See ClientConnection."""
        hosted = self.hosted
        if self.state == GONE:
            return
        if not silent:
            self._until_ns += moved_ns
            if hosted is not None:
                hosted.session.forgive(moved_ns)
        elif hosted is not None:
            self._be_silent(hosted)
        self.reschedule()

    def _be_silent(self, hosted: Hosted) -> None:
        """What a client's silence leads to, each thing at its own time: a TestRequest first, and then the end."""
        session, clock = hosted.session, self.hub.fix.clock
        now_ns = clock.tick()
        for _ in range(SILENCE_STEPS_MAX):
            if self.state != ON or session.deadline_ns > now_ns:
                break
            clock.step(session.deadline_ns)
            session.on_timer(clock.now_ns)
            self._answer(hosted, clock.now_ns)

    def configure(self) -> None:
        """See ClientConnection; the settings are the session's."""


def may_have_come(message: Message) -> bool:
    """Whether it is marked as one that may have come before: PossDupFlag, PossResend."""
    return message.get(43) == b"Y" or message.get(97) == b"Y"
