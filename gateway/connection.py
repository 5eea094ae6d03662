"""One client's connection where the protocol is packets: bytes in, commands to the hub; stored and live messages out.

Its life::

    SILENT --login--> ASKED --LOGGED_ON--> ON --logout, loss, end of day, newer login--> GONE

Where the endpoint's auto_accept is false, a login is HELD until a hand lets it go on (openoutcry.gateway.managed_ouch).

Rule 1. What a client is sent is what the store has, in order, from the message that it asked for on. ``live`` is
        True exactly while it has been sent everything that is stored; until then the replay feeds it, and a message
        that arrives meanwhile goes to the store only, so there is no seam.
Rule 2. Nothing is kept for a client that it does not read, beyond ``write_buffer_max``; nothing of what it sends is
        taken while the matcher is behind (``hub.congested``), beyond the one read that waits in ``_held``.
Rule 3. Whatever it sends, only this connection suffers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from openoutcry import wire
from openoutcry.errors import ProtocolError
from openoutcry.gateway.client import ASKED, GONE, ON, ClientConnection
from openoutcry.gateway.fence import Fault
from openoutcry.gateway.managed_watch import LOGGED_ON, LOGON, LOGOUT
from openoutcry.gateway.soupbintcp import (
    NOT_AUTHORISED,
    SESSION_NOT_AVAILABLE,
    LoginRequest,
    Logout,
    Unsequenced,
    next_sequence,
)

if TYPE_CHECKING:
    from openoutcry.gateway.endpoint import PacketEndpoint
    from openoutcry.gateway.state import Session


class Connection(ClientConnection):
    """See the module."""

    endpoint: PacketEndpoint
    live: bool

    def __init__(self, endpoint: PacketEndpoint) -> None:
        super().__init__(endpoint)
        self.live = False
        self.sequence = 0  # number of the next message to send
        self.ended = False  # its stream has: once all is sent, that is all
        self.request: LoginRequest | None = None

    # --------------------------------------------------------------------------------------------- transport
    def begin(self, now_ns: int, login_timeout_ns: int) -> None:
        """See ClientConnection."""
        endpoint = self.endpoint
        self.soup = endpoint.dialect.session(
            now_ns, endpoint.heartbeat_ns, endpoint.receive_timeout_ns, login_timeout_ns
        )

    def data_received(self, data: bytes) -> None:
        """Take what the client sent, or hold it while the matcher is behind."""
        if self.state == GONE:
            return
        if self.hub.congested or self._held:
            if not self._held:
                self.hub.hold(self)
                self.transport.pause_reading()
            self._held += data
        else:
            self._take(data)

    def go_on(self) -> None:
        """See ClientConnection."""
        if self.state != GONE:
            data, self._held = self._held, b""
            self.transport.resume_reading()
            self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            for event in self.soup.receive(data, self.hub.clock.monotonic_ns()):
                if type(event) is Unsequenced:
                    self._messages(event.payloads)
                elif type(event) is LoginRequest:
                    self._login(event)
                elif type(event) is Logout:
                    self.endpoint.watch.note(LOGOUT, self, self.name, "LogoutRequest")
                    self.close()
        except Fault as error:
            self.hub.broken(self, error)
        except ProtocolError as error:
            self.endpoint.protocol_error(self, error)

    def _messages(self, payloads: list[bytes]) -> None:
        endpoint, hub = self.endpoint, self.hub
        assert self.session is not None
        endpoint.messages_in += len(payloads)
        endpoint.ignored += endpoint.dialect.commands(self.session.number, payloads, hub.out)
        hub.submitted()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ClientConnection."""
        self.live = False
        super().connection_lost(exc)
        if self.ended:
            self.hub.retire(self.stream)

    def part(self) -> None:
        """See ClientConnection."""
        super().part()
        self.session = None

    @property
    def name(self) -> str:
        """The user."""
        return "" if self.request is None else self.request.username

    @property
    def silent(self) -> bool:
        """See ClientConnection."""
        return self.request is None

    # --------------------------------------------------------------------------------------------- logging on
    def _login(self, request: LoginRequest) -> None:
        self.state = ASKED
        self.request = request
        self.endpoint.watch.note(LOGON, self, request.username, "LoginRequest", replace(request, password=""))
        self.endpoint.login(self)

    def judged(self, right: bool) -> None:
        """The password has been checked: ask the matcher to log on, or reject."""
        if self.state != ASKED or self.request is None:
            return
        self.request = replace(self.request, password="")  # nobody needs it any more
        user, wanted = self.request.username, self.request.session
        if not right:
            self.reject(NOT_AUTHORISED)
        elif wanted and wanted != self.hub.state.stream_name(self.endpoint.name, user):
            self.reject(SESSION_NOT_AVAILABLE)
        else:
            self.hub.log_on(self, (wire.LOGON, self.endpoint.name, user, self.number, ""))

    def refused(self, text: str) -> None:
        """See ClientConnection."""
        self.reject(SESSION_NOT_AVAILABLE)

    def reject(self, reason: str) -> None:
        """Refuse the login and close."""
        if self.state == ASKED:
            self.endpoint.rejected_logins += 1
            self.transport.write(self.soup.reject_login(reason))
            self.close()

    def start(self, session: Session) -> None:
        """The matcher has logged this connection on: the newest one wins the session."""
        assert self.request is not None
        if session.connection is not None:
            session.connection.drop()
        session.connection = self
        self.session = session
        if session.stream is None:  # its day ended just now
            self.reject(SESSION_NOT_AVAILABLE)
            return
        self.state = ON
        self.endpoint.logins += 1
        self.endpoint.watch.note(LOGGED_ON, self, self.name)
        self.endpoint.hand.take_up(self)
        self.stream = session.stream
        self.sequence = next_sequence(self.request.sequence, self.stream.next - 1)
        self.transport.write(self.soup.accept_login(session.stream_name, self.sequence))
        self.caught_up() if self.sequence == self.stream.next else self.hub.replay.add(self)
        self.reschedule()
        self._take(b"")  # what it sent meanwhile

    # --------------------------------------------------------------------------------------------- sending
    def deliver(self, count: int, data: bytes, now_ns: int) -> None:
        """Send the newest `count` messages of the stream to a client that has all before them."""
        if self.transport.get_write_buffer_size() > self.endpoint.write_buffer_max:
            self.endpoint.slow(self)
            return
        self.send(count, data, now_ns)

    def send(self, count: int, data: bytes, now_ns: int) -> None:
        """Send the next `count` messages."""
        self.sequence += count
        self.soup.sent(count, now_ns)
        self.transport.write(data)
        self.endpoint.messages_out += count

    def feed(self, now_ns: int) -> None:
        """See ClientConnection."""
        stream, store, counters = self.stream, self.hub.store, self.hub.replay.counters
        assert stream is not None
        piece = store.read(stream, self.sequence)
        if piece is not None:
            before = self.sequence - piece.first
            skipped = self.endpoint.dialect.skip(piece.data, before) if before else 0
            count = piece.messages - before
            counters["replayed_messages"] += count
            self.send(count, piece.data[skipped:], now_ns)
        if self._stalled_ns:  # it has REPLAY_BUFFER bytes to read; resume_writing adds it again
            return
        if self.sequence == stream.next:
            counters["replays"] += 1
            self.caught_up()
        else:
            self.hub.replay.add(self)

    def caught_up(self) -> None:
        """All that is stored has been sent."""
        if self.ended:
            self.finish()
        else:
            self.live = True

    def end(self) -> None:
        """The stream has ended; what is missing is sent first."""
        self.ended = True
        if self.live:
            self.finish()

    def finish(self) -> None:
        """Tell the client that its session is over, and close."""
        if self.state == ON:
            self.transport.write(self.soup.end_of_session())
        self.close()

    def close(self) -> None:
        """See ClientConnection."""
        self.live = False
        super().close()

    def drop(self) -> None:
        """See ClientConnection."""
        self.live = False
        super().drop()

    # --------------------------------------------------------------------------------------------- time
    def keep_time(self, now_ns: int) -> None:
        """See ClientConnection."""
        time_ns = self.hub.clock.monotonic_ns()
        data, over, deadline_ns = self.soup.on_timer(time_ns)
        if over or self.has_stalled(now_ns):
            self.endpoint.timed_out(self)
            return
        if data and not self._stalled_ns:
            self.transport.write(data)
        self.hub.wheel.schedule(self, now_ns + max(deadline_ns - time_ns, 0))

    def clock_moved(self, moved_ns: int, silent: bool) -> None:
        """See ClientConnection."""
        if self.state != GONE:
            if not silent:
                self.soup.forgive(moved_ns)
            self.reschedule()

    def configure(self) -> None:
        """See ClientConnection."""
        if self.state != GONE:
            self.soup.configure(self.endpoint.heartbeat_ns, self.endpoint.receive_timeout_ns)
            self.reschedule()
