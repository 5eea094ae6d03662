"""One client's TCP connection: bytes in, commands to the hub; stored messages and live ones out.

Its life::

    SILENT --login--> ASKED --LOGGED_ON--> ON --logout, loss, end of day, newer login--> GONE

Rule 1. What a client is sent is what the store has, in order, from the message that it asked for on. ``live`` is
        True exactly while it has been sent everything that is stored; until then the replay feeds it, and a message
        that arrives meanwhile goes to the store only, so there is no seam.
Rule 2. Nothing is kept for a client that it does not read, beyond ``write_buffer_max``; nothing of what it sends is
        taken while the matcher is behind (``hub.congested``), beyond the one read that waits in ``_held``.
Rule 3. Whatever it sends, only this connection suffers.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, cast

from openoutcry import wire
from openoutcry.errors import ProtocolError
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
    from openoutcry.gateway.store import Stream

SILENT: Final = 0  # no login request yet
ASKED: Final = 1  # its login is being judged
ON: Final = 2
GONE: Final = 3

REPLAY_BUFFER: Final = 131_072  # bytes in flight to a client that catches up: the store has the rest
REPLAY_STALL_NS: Final = 30_000_000_000  # a client that catches up and reads nothing for so long is dropped
CLOSE_TIMEOUT_NS: Final = 5_000_000_000  # how long last words may wait for a client to read them
RETRY_NS: Final = 1_000_000_000  # timers of a connection that is held up are looked at again after this


class Connection(asyncio.Protocol):
    """See the module. number: the gateway's own, never used again, also not by a later life of the gateway."""

    def __init__(self, endpoint: PacketEndpoint) -> None:
        self.endpoint = endpoint
        self.hub = endpoint.hub
        self.number = self.hub.next_connection()
        self.state = SILENT
        self.live = False
        self.sequence = 0  # number of the next message to send
        self.stream: Stream | None = None
        self.ended = False  # its stream has: once all is sent, that is all
        self.session: Session | None = None
        self.request: LoginRequest | None = None
        self.address = ""
        self.tick = 0
        self.replaying = False  # waits in the replay's queue
        self._held = b""
        self._stalled_ns = 0  # since when a client that catches up has not read

    # --------------------------------------------------------------------------------------------- transport
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by descent
        self.address = str((transport.get_extra_info("peername") or ("gone",))[0])
        login_timeout_ns = self.endpoint.admit(self)
        if not login_timeout_ns:
            self.state = GONE
            self.transport.abort()
            return
        now_ns = monotonic_ns()
        endpoint = self.endpoint
        in_flight = min(REPLAY_BUFFER, endpoint.write_buffer_max)
        self.transport.set_write_buffer_limits(in_flight, in_flight // 4)
        self.soup = endpoint.dialect.session(
            now_ns, endpoint.heartbeat_ns, endpoint.receive_timeout_ns, login_timeout_ns
        )
        self.hub.wheel.schedule(self, now_ns + login_timeout_ns)

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
        """The matcher has caught up."""
        if self.state != GONE:
            data, self._held = self._held, b""
            self.transport.resume_reading()
            self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            events = self.soup.receive(data, monotonic_ns())
        except ProtocolError as error:
            self.endpoint.protocol_error(self, error)
            return
        for event in events:
            if type(event) is Unsequenced:
                self._messages(event.payloads)
            elif type(event) is LoginRequest:
                self._login(event)
            elif type(event) is Logout:
                self.close()

    def _messages(self, payloads: list[bytes]) -> None:
        endpoint, hub = self.endpoint, self.hub
        assert self.session is not None
        endpoint.messages_in += len(payloads)
        endpoint.ignored += endpoint.dialect.commands(self.session.number, payloads, hub.out)
        hub.submitted()

    def pause_writing(self) -> None:
        """The client reads slower than it is sent to."""
        self._stalled_ns = monotonic_ns()

    def resume_writing(self) -> None:
        """It has read."""
        self._stalled_ns = 0
        if self.state == ON and not self.live:
            self.hub.replay.add(self)

    @property
    def blocked(self) -> bool:
        """Whether it has REPLAY_BUFFER bytes to read already."""
        return self._stalled_ns != 0

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, or we have closed."""
        hub, session = self.hub, self.session
        self.endpoint.leave(self, silent=self.request is None)
        hub.waiting.pop(self.number, None)
        self.state = GONE
        self.live = False
        self._held = b""
        self.tick = 0
        if session is not None and session.connection is self:
            session.connection = None
            hub.out.append((wire.LOGOFF, session.number, self.number))
            hub.submitted()
        if self.ended:
            hub.retire(self.stream)

    # --------------------------------------------------------------------------------------------- logging on
    def _login(self, request: LoginRequest) -> None:
        self.state = ASKED
        self.request = request
        self.endpoint.login(self, request)

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
        """The matcher does not log this connection on."""
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
        """Send one piece of what is missing."""
        stream, store, counters = self.stream, self.hub.store, self.hub.replay.counters
        assert stream is not None
        piece = store.read(stream, self.sequence)
        if piece is not None:
            before = self.sequence - piece.first
            skipped = self.endpoint.dialect.skip(piece.data, before) if before else 0
            count = piece.messages - before
            counters["replayed_messages"] += count
            self.send(count, piece.data[skipped:], now_ns)
        if self.blocked:  # resume_writing adds it again
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
        """Close once the client has been sent everything, or after CLOSE_TIMEOUT_NS."""
        if self.state != GONE:
            self.state = GONE
            self.live = False
            self.transport.close()
            self.hub.wheel.schedule(self, monotonic_ns() + CLOSE_TIMEOUT_NS)

    def drop(self) -> None:
        """Close at once."""
        self.state = GONE
        self.live = False
        self.transport.abort()

    # --------------------------------------------------------------------------------------------- time
    def reschedule(self) -> None:
        """The session's deadlines have changed."""
        if self.state != GONE:
            self.on_timer(monotonic_ns())

    def on_timer(self, now_ns: int) -> None:
        """Heartbeats and time-outs."""
        if self.state == GONE:
            self.transport.abort()
            return
        if self._held:  # it is us who do not listen
            self.hub.wheel.schedule(self, now_ns + RETRY_NS)
            return
        data, over, deadline_ns = self.soup.on_timer(now_ns)
        stalled = self._stalled_ns and not self.live and now_ns - self._stalled_ns > REPLAY_STALL_NS
        if over or stalled:
            self.endpoint.timed_out(self)
            return
        if data and not self._stalled_ns:
            self.transport.write(data)
        self.hub.wheel.schedule(self, deadline_ns)

    def configure(self) -> None:
        """The endpoint's properties have changed."""
        if self.state != GONE:
            self.soup.configure(self.endpoint.heartbeat_ns, self.endpoint.receive_timeout_ns)
            self.reschedule()
