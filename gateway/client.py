"""One client's TCP connection, whatever it speaks: its states, its transport, its end.

openoutcry.gateway.connection is that of packets (OUCH), openoutcry.gateway.fix.connection that of FIX; they say what a
login is, what is taken and what is sent. ``ClientConnection`` is all that the rest of the gateway knows of them.

Rule 1. Nothing of a message's way is here: what comes in, and what goes out, is each protocol's own, without a detour.
Rule 2. Nothing is taken from a client while the matcher is behind (``hub.congested``), beyond the one read that waits
        in ``_held``.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, cast

from openoutcry import wire
from openoutcry.gateway.managed_watch import CONNECTION, DISCONNECT

if TYPE_CHECKING:
    from openoutcry.gateway.endpoint import Endpoint
    from openoutcry.gateway.state import Session
    from openoutcry.gateway.store import Stream

SILENT: Final = 0  # no login request yet
ASKED: Final = 1  # its login is being judged
ON: Final = 2
GONE: Final = 3
HELD: Final = 4  # its login waits for a hand

REPLAY_BUFFER: Final = 131_072  # bytes in flight to a client that catches up: the store has the rest
REPLAY_STALL_NS: Final = 30_000_000_000  # a client that catches up and reads nothing for so long is dropped
CLOSE_TIMEOUT_NS: Final = 5_000_000_000  # how long last words may wait for a client to read them
RETRY_NS: Final = 1_000_000_000  # timers of a connection that is held up are looked at again after this


class ClientConnection(asyncio.Protocol, ABC):
    """See the module. number: the gateway's own, never used again, also not by a later life of the gateway."""

    reads_no_more = False  # too many of its messages wait for a hand (openoutcry.gateway.managed_hand)

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.hub = endpoint.hub
        self.number = self.hub.next_connection()
        self.state = SILENT
        self.stream: Stream | None = None
        self.session: Session | None = None
        self.address = ""
        self.tick = 0
        self.replaying = False  # waits in the replay's queue
        self._held = b""
        self._stalled_ns = 0  # since when a client that catches up has not read

    # --------------------------------------------------------------------------------------------- who
    @property
    @abstractmethod
    def name(self) -> str:
        """The session that it is, or wants to be; "" before that is known."""

    @property
    @abstractmethod
    def silent(self) -> bool:
        """Whether it has not asked to log in yet."""

    if TYPE_CHECKING:  # no property where it is an attribute, which is set and read for every message

        @property
        def live(self) -> bool:
            """Whether it has been sent all that is stored."""

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
        in_flight = min(REPLAY_BUFFER, self.endpoint.write_buffer_max)
        self.transport.set_write_buffer_limits(in_flight, in_flight // 4)
        try:
            self.begin(self.hub.clock.monotonic_ns(), login_timeout_ns)
        except Exception as error:
            self.hub.broken(self, error)
            return
        self.hub.wheel.schedule(self, monotonic_ns() + login_timeout_ns)
        self.endpoint.watch.note(CONNECTION, self, "")

    @abstractmethod
    def begin(self, now_ns: int, login_timeout_ns: int) -> None:
        """It has been let in, and has that long to log in. now_ns: of the exchange's clock, as all of its time-outs."""

    @abstractmethod
    def go_on(self) -> None:
        """The matcher has caught up: take what was held."""

    def pause_writing(self) -> None:
        """The client reads slower than it is sent to."""
        self._stalled_ns = monotonic_ns()

    def resume_writing(self) -> None:
        """It has read."""
        self._stalled_ns = 0
        if self.state == ON and not self.live:
            self.hub.replay.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, or we have closed."""
        watch = self.endpoint.watch
        if self in self.endpoint.connections:
            watch.note(DISCONNECT, self, self.name)
        self.endpoint.leave(self, silent=self.silent)
        self.hub.waiting.pop(self.number, None)
        watch.waiting.pop(self.number, None)
        self.state = GONE
        self._held = b""
        self.tick = 0
        self.part()

    def part(self) -> None:
        """Its session is no longer this connection's."""
        session, hub = self.session, self.hub
        if session is not None and session.connection is self:
            session.connection = None
            hub.out.append((wire.LOGOFF, session.number, self.number))
            hub.submitted()

    # --------------------------------------------------------------------------------------------- logging on
    @abstractmethod
    def start(self, session: Session) -> None:
        """The matcher has logged this connection on."""

    @abstractmethod
    def refused(self, text: str) -> None:
        """The matcher does not log this connection on."""

    # --------------------------------------------------------------------------------------------- sending
    @abstractmethod
    def feed(self, now_ns: int) -> None:
        """Send one piece of what is missing."""

    @abstractmethod
    def end(self) -> None:
        """The trading day has ended."""

    @abstractmethod
    def finish(self) -> None:
        """The endpoint is no more."""

    def close(self) -> None:
        """Close once the client has been sent everything, or after CLOSE_TIMEOUT_NS."""
        if self.state != GONE:
            self.state = GONE
            self.transport.close()
            self.hub.wheel.schedule(self, monotonic_ns() + CLOSE_TIMEOUT_NS)

    def drop(self) -> None:
        """Close at once."""
        self.state = GONE
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
        elif self._held:  # it is us who do not listen
            self.hub.wheel.schedule(self, now_ns + RETRY_NS)
        else:
            self.keep_time(now_ns)

    @abstractmethod
    def keep_time(self, now_ns: int) -> None:
        """What is due of heartbeats and time-outs."""

    def has_stalled(self, now_ns: int) -> bool:
        """Whether it catches up, and has read nothing for too long."""
        return bool(self._stalled_ns) and not self.live and now_ns - self._stalled_ns > REPLAY_STALL_NS

    @abstractmethod
    def clock_moved(self, moved_ns: int, silent: bool) -> None:
        """The exchange's clock was set. silent: the client counts as silent, although it could not say anything."""

    @abstractmethod
    def configure(self) -> None:
        """The endpoint's properties have changed."""
