"""One endpoint: a listening TCP port, the connections that came through it, its properties and counters.

``Endpoint`` is what every protocol's has; ``PacketEndpoint`` is that of a protocol which a ``Dialect`` describes. FIX
has its own (openoutcry.gateway.fix.endpoint).

Invariant: an endpoint that the matcher has set is open, or is tried again every REOPEN_NS; its port, once the kernel
has chosen one, stays the same for as long as the endpoint exists, also over restarts.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from abc import ABC, abstractmethod
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from openoutcry.gateway.connection import Connection
from openoutcry.gateway.managed_watch import Watch
from openoutcry.gateway.protocols import dialect
from openoutcry.gateway.tls import Certificates, SecureTransport
from openoutcry.verbs import ENDPOINT_PROPERTIES

if TYPE_CHECKING:
    from openoutcry.errors import ProtocolError
    from openoutcry.gateway.hub import Hub
    from openoutcry.gateway.managed_hand import Hand
    from openoutcry.gateway.managed_ouch import PacketHand

BACKLOG: Final = 1_024  # connections the kernel holds for us: a storm of reconnecting clients
SILENT_MAX: Final = 1_000  # connections of the whole gateway that have not asked to log in; more are closed at once
SILENT_PER_ADDRESS_MAX: Final = 50  # of one address; those beyond have SILENT_GRACE_NS instead of the login time-out
SILENT_GRACE_NS: Final = 1_000_000_000  # enough for an honest client, who logs in at once
REOPEN_NS: Final = 1_000_000_000  # a port that was ours may be taken for a moment


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError; host must be an address (or ``localhost``): names would block."""
    address = "127.0.0.1" if host == "localhost" else host
    found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
    sock = socket.socket(found[0], found[1], found[2])
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is accepted inherits it
        sock.setblocking(False)
        sock.bind(found[4])
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def why(host: str, port: int, error: Exception) -> str:
    """Why ``listen`` cannot, in words for whoever chose host and port; any other error as it says it."""
    if isinstance(error, socket.gaierror):
        return f"host {host!r} is not an IP address"
    if isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
        return f"cannot listen on {host} port {port}: {error.strerror}"
    return str(error)


class Guest(Protocol):
    """A connection, as far as its endpoint needs to know it."""

    address: str

    def finish(self) -> None: ...

    def close(self) -> None: ...

    def drop(self) -> None: ...

    def configure(self) -> None: ...

    def clock_moved(self, moved_ns: int, silent: bool) -> None: ...


class _Nobody(asyncio.Protocol):
    """In place of a connection that could not be made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


class Endpoint(ABC):
    """See the module."""

    def __init__(self, hub: Hub, name: str, protocol: str, host: str) -> None:
        self.hub = hub
        self.name = name
        self.protocol = protocol
        self.host = host
        self.port = 0  # while it is not open
        self.tick = 0  # for the wheel, when it must be opened again
        self.connections: set[Guest] = set()
        self.certificates: Certificates | None = None
        self._socket: socket.socket | None = None  # the one that listens, or is about to
        self._server: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None  # kept, or it might be collected before it is done
        self.messages_in = self.messages_out = self.ignored = 0
        self.logins = self.rejected_logins = self.accepted = self.refused = 0
        self.dropped_slow = self.protocol_errors = self.timeouts = self.tls_failures = 0
        self.watch = Watch(hub.managed)
        self._hand: Hand | None = None
        self.configure(())

    # --------------------------------------------------------------------------------------------- port
    def open(self, port: int, inherited: socket.socket | None = None) -> None:
        """Listen on `port` (0: the kernel chooses), or go on listening with what was handed over. Raises OSError."""
        self._socket = sock = inherited or listen(self.host, port)
        self.port = sock.getsockname()[1]
        self._opening = self.hub.loop.create_task(self._serve(sock))

    async def _serve(self, sock: socket.socket) -> None:
        server = await self.hub.loop.create_server(self._accept, sock=sock, backlog=BACKLOG)
        if self._socket is sock:
            self._server = server
        else:  # closed meanwhile
            server.close()

    def _accept(self) -> asyncio.Protocol:
        if self.certificates is not None:
            return SecureTransport(self, self.certificates)
        try:
            return self.connection()
        except Exception as error:
            self.hub.broken(self, error)
            return _Nobody()

    @abstractmethod
    def connection(self) -> asyncio.Protocol:
        """What speaks with one client."""

    @property
    def hand(self) -> Hand:
        """What acts here in managed mode; made when it is first needed."""
        if self._hand is None:
            self._hand = self.make_hand()
        return self._hand

    def make_hand(self) -> Hand:
        """The hand that knows the protocol."""
        from openoutcry.gateway.managed_hand import Hand

        return Hand(self)

    def hand_over(self) -> socket.socket | None:
        """Another socket that listens on the same port, for who comes after: who connects meanwhile just waits."""
        return self._socket.dup() if self._socket is not None else None

    def close(self) -> None:
        """Close the port; no connection comes through any more."""
        self.port = 0
        self._socket = None
        if self._server is not None:
            self._server.close()
            self._server = None

    def finish(self) -> None:
        """Close the port and every connection: the endpoint is deleted."""
        self.close()
        self.watch.clear()
        for connection in list(self.connections):
            self.hub.spare(connection, connection.finish)

    def on_timer(self, now_ns: int) -> None:
        """Try again to open."""
        self.hub.hosting.reconcile(self.name)

    # --------------------------------------------------------------------------------------------- connections
    def admit(self, connection: Guest) -> int:
        """Let a new connection in: ns it has to log in, 0 when there are too many."""
        hub = self.hub
        self.accepted += 1
        if len(self.connections) >= self.max_connections or hub.silent_total >= SILENT_MAX or not self.port:
            self.refused += 1
            hub.log.warning(monotonic_ns(), "refused", f"endpoint {self.name}: too many connections, refused one")
            return 0
        self.connections.add(connection)
        hub.silent_total += 1
        silent = hub.silent[connection.address] = hub.silent.get(connection.address, 0) + 1
        if silent > SILENT_PER_ADDRESS_MAX:
            return min(self.login_timeout_ns, SILENT_GRACE_NS)
        return self.login_timeout_ns

    def leave(self, connection: Guest, silent: bool) -> None:
        """A connection is over."""
        if connection in self.connections:
            self.connections.remove(connection)
            if silent:
                self.spoke(connection)

    def spoke(self, connection: Guest) -> None:
        """A connection is no longer one that has not asked to log in."""
        silent = self.hub.silent
        self.hub.silent_total -= 1
        silent[connection.address] -= 1
        if not silent[connection.address]:
            del silent[connection.address]

    def slow(self, connection: Guest) -> None:
        """A client does not read what it is sent: drop it, it can ask for everything again."""
        self.dropped_slow += 1
        self.hub.log.warning(
            monotonic_ns(), "slow", f"endpoint {self.name}: dropped {connection.address}, it does not read"
        )
        connection.drop()

    def timed_out(self, connection: Guest) -> None:
        """A client was silent for too long, or did not log in in time."""
        self.timeouts += 1
        connection.drop()

    def protocol_error(self, connection: Guest, error: ProtocolError) -> None:
        """A client broke its protocol."""
        self.protocol_errors += 1
        self.hub.log.warning(monotonic_ns(), "protocol", f"endpoint {self.name}: {connection.address}: {error}")
        connection.close()

    # --------------------------------------------------------------------------------------------- properties
    def configure(self, properties: tuple[tuple[str, Any], ...]) -> None:
        """Set the properties, for the connections that there are as well."""
        values = {name: row.default for name, row in ENDPOINT_PROPERTIES.items()} | dict(properties)
        self.heartbeat_ns = int(values["heartbeat_ms"]) * 1_000_000
        self.receive_timeout_ns = int(values["receive_timeout_ms"]) * 1_000_000
        self.login_timeout_ns = int(values["login_timeout_ms"]) * 1_000_000
        self.max_connections = int(values["max_connections"])
        self.write_buffer_max = int(values["write_buffer_max"])
        self.certificates = Certificates.of(values)
        for connection in list(self.connections):
            self.hub.spare(connection, connection.configure)
        freed = self.watch.configure(
            bool(values["auto_accept"]), bool(values["auto_receive"]), str(values.get("held_sessions", ""))
        )
        if self.watch.messages or self.watch.waiting:
            self.hub.managed.configured(self, freed)

    def statistics(self) -> dict[str, Any]:
        """Counters and where it listens."""
        users = len(self.hub.state.users_of(self.name))
        return {
            "protocol": self.protocol, "host": self.host, "port": self.port, "connections": len(self.connections),
            "logins": self.logins, "rejected_logins": self.rejected_logins, "accepted": self.accepted,
            "refused": self.refused, "messages_in": self.messages_in, "messages_out": self.messages_out,
            "ignored": self.ignored, "dropped_slow": self.dropped_slow, "protocol_errors": self.protocol_errors,
            "timeouts": self.timeouts, "tls": self.certificates is not None, "tls_failures": self.tls_failures,
            "users": users, "any login accepted": users == 0,
        }  # fmt: skip


class PacketEndpoint(Endpoint):
    """An endpoint of a protocol that is a Dialect. Raises ClusterError when nobody registered it."""

    def __init__(self, hub: Hub, name: str, protocol: str, host: str) -> None:
        self.dialect = dialect(protocol)
        super().__init__(hub, name, protocol, host)

    def connection(self) -> Connection:
        """What speaks with one client."""
        return Connection(self)

    def make_hand(self) -> PacketHand:
        """See Endpoint."""
        from openoutcry.gateway.managed_ouch import PacketHand

        return PacketHand(self)

    def login(self, connection: Connection) -> None:
        """A client asks to log in."""
        self.spoke(connection)
        if self.watch.auto_accept:
            self.judge(connection)
        else:
            self.hand.hold(connection)

    def judge(self, connection: Connection) -> None:
        """Who is it?"""
        request = connection.request
        assert request is not None

        def judged(right: bool) -> None:
            self.hub.spare(connection, connection.judged, right)

        self.hub.logins.check(self.name, request.username, request.password, connection.address, monotonic_ns(), judged)
