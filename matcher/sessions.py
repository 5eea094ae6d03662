"""Who is on the other side: peers of the bus, the endpoints that gateways host, users, and clients' sessions.

Rule 1. A session is the pair (endpoint, user) and outlives connections and days; its number is never used again.
Rule 2. A session has at most one connection; the newest logon wins, and the logoff of an older one changes nothing.
Rule 3. Nothing is put into a session's stream before its SESSION_STREAM of the day or after its SYSTEM 'E':
        ``owner`` is the session's peer exactly from the one to the other, and orders are only taken from the owner.
        A session whose orders outlive a day begins the next one with the engine, without a connection; what happens to
        its orders in between waits until then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry.matcher.orders import Order
from openoutcry.matcher.tape import Tape
from openoutcry.wire import END_OF_DAY, ENDPOINT_SET, LOGGED_ON, SESSION_STREAM, START_OF_DAY, SYSTEM

if TYPE_CHECKING:
    from openoutcry.matcher.engine import Engine

SESSIONS_MAX: int = 999_999  # session numbers ever given out: six digits in the name of a stream
ECHO_KIND: Final = "echo"  # kind of an engine that sends messages back
MANUAL_KIND: Final = "manual"  # of one that does nothing by itself: openoutcry.matcher.manual
FIX: Final = "fix"  # what the names of the FIX protocols begin with
DAYS_MAX: Final = 9_999  # days of an engine: four digits there
TOKENS_MAX: int = 10_000_000  # tokens of one session and day that are remembered: about 1.5 GB


class Stream:
    """A numbered sequence of events. end: number of the last one packed; events: those after it, of this turn.

    Whoever packs the events adds their count to ``end`` and clears the tape in place: sessions hold it.
    """

    __slots__ = ("end", "events", "name")

    def __init__(self, name: str, end: int = 0) -> None:
        self.name = name
        self.end = end
        self.events = Tape()


class Peer:
    """A process on the bus: a gateway, the publisher, the control service. stream: where its events go."""

    __slots__ = ("generation", "last_command", "name", "role", "stream")

    def __init__(self, name: str, role: int, generation: int, last_command: int, stream: Stream) -> None:
        self.name = name
        self.role = role
        self.generation = generation
        self.last_command = last_command
        self.stream = stream


class User:
    """Who may log in. endpoint: "" for every endpoint. account, firm: whose orders the sessions' orders are."""

    __slots__ = ("account", "endpoint", "firm", "name", "password_hash")

    def __init__(self, name: str, endpoint: str, account: str, password_hash: str, firm: str = "") -> None:
        self.name = name
        self.endpoint = endpoint
        self.account = account
        self.firm = firm
        self.password_hash = password_hash


class Endpoint:
    """A TCP port for clients of one engine, hosted by a gateway.

    wanted: the gateway asked for, "" for any; gateway: the one that has it, "" before there is one.
    host, port: as asked for; bound_host, bound_port: as opened, "" and 0 before.
    asker: (peer, request) of the create_endpoint that waits for BOUND. fix_sessions: those that were set up; what they
    are called is what their clients' sessions belong to (``user``). held_sessions: whose own auto_receive is false.
    """

    __slots__ = (
        "asker", "bound_host", "bound_port", "engine", "error", "fix_sessions", "gateway", "held_sessions", "host",
        "name", "port", "properties", "protocol", "sessions", "wanted",
    )  # fmt: skip

    def __init__(self, name: str, engine: Engine, protocol: str, wanted: str, host: str, port: int) -> None:
        self.name = name
        self.engine = engine
        self.protocol = protocol
        self.wanted = wanted
        self.host = host
        self.port = port
        self.gateway = ""
        self.bound_host = ""
        self.bound_port = 0
        self.error = ""
        self.asker: tuple[str, int] | None = None
        self.properties: dict[str, Any] = {}
        self.sessions: dict[str, Session] = {}  # by user
        self.fix_sessions: dict[str, dict[str, Any]] = {}  # settings that were given, by name
        self.held_sessions: dict[str, None] = {}

    @property
    def is_fix(self) -> bool:
        """Whether its clients speak FIX, of any version."""
        return self.protocol.startswith(FIX)

    def announcement(self) -> tuple[Any, ...]:
        """Its ENDPOINT_SET: with the port that it was bound to, once there is one.

        Its auto_receive is false when its engine's is; held_sessions is one more property, with a name on each line.
        """
        properties = dict(self.properties)
        if not self.engine.properties.get("auto_receive", True):
            properties["auto_receive"] = False
        if self.held_sessions:
            properties["held_sessions"] = "\n".join(self.held_sessions)
        return (ENDPOINT_SET, self.name, self.engine.name, self.protocol, self.host, self.bound_port or self.port,
                tuple(sorted(properties.items())), self.engine.kind)  # fmt: skip


class Session:
    """One user at one endpoint, with the tokens it has used today and its live orders by token, oldest first.

    peer: the gateway that hosts its endpoint, which never changes. connection: the gateway's number of the TCP
    connection, 0 for none. day: of its newest stream. owner: Rule 3. answered: it is told about whatever it sends, also
    where OUCH is silent (FIX).
    """

    __slots__ = (
        "account", "answered", "books", "connection", "day", "endpoint", "events", "firm", "live", "number", "owner",
        "peer", "tokens", "user",
    )  # fmt: skip

    def __init__(self, number: int, endpoint: Endpoint, user: str, events: Tape, peer: Peer | None = None) -> None:
        self.number = number
        self.endpoint = endpoint
        self.user = self.account = user  # the account is its user's, or of that name
        self.firm = ""
        self.answered = endpoint.is_fix
        self.events = events
        self.peer = peer
        self.connection = 0
        self.day = 0
        self.owner: Peer | None = None
        self.tokens: dict[bytes, None] = {}
        self.live: dict[bytes, Order] = {}
        self.books = endpoint.engine.symbols

    @property
    def stream_name(self) -> str:
        """Name of its newest stream: day and number, ten digits."""
        return f"{self.day:04d}{self.number:06d}"

    def log_on(self, peer: Peer, connection: int) -> None:
        """Begin a connection, and the day's stream if this is its first; an older connection counts as ended."""
        if self.connection:
            self.disconnect()
        self.peer = peer
        if self.owner is None:
            self.begin_day()
        self.connection = connection
        self.events.append((LOGGED_ON, self.number, self.endpoint.name, connection, self.stream_name))
        if self.endpoint.engine.plugin is not None:
            self.endpoint.engine.plugin.connected(self)

    def disconnect(self) -> None:
        """End the connection; what that does to the orders is the endpoint's choice."""
        from openoutcry.matcher import masscancel

        self.connection = 0
        masscancel.disconnected(self)
        if self.endpoint.engine.plugin is not None:
            self.endpoint.engine.plugin.disconnected(self)

    def cancel_all(self, reason: int) -> None:
        """Cancel every live order, oldest first."""
        from openoutcry.matcher import masscancel

        masscancel.cancel_all(list(self.live.values()), reason)

    def begin_day(self) -> None:
        """Begin the day's stream."""
        # Later than its last one also when that was with another engine: a stream's name is never used again.
        self.owner, self.day = self.peer, min(max(self.endpoint.engine.day, self.day + 1), DAYS_MAX)
        self.events.append((SESSION_STREAM, self.number, self.endpoint.name, self.user, self.stream_name))
        self.events.append((SYSTEM, self.number, START_OF_DAY))

    def end_day(self) -> None:
        """End the day's stream and forget its tokens, but for those of the orders that outlive the day."""
        if self.owner is not None:
            self.events.append((SYSTEM, self.number, END_OF_DAY))
            self.owner = None
            self.tokens = dict.fromkeys(self.live)
