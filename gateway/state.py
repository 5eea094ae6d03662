"""What a gateway has been told by the matcher: its endpoints, the users, and the sessions with their streams.

Invariant: the state is what the configuration events of the gateway's own stream, applied in order, make it; live
and after a restart it goes through the same ``apply``, and ``events`` returns the shortest row of events that makes
it anew. There is no I/O here: what must be done about a change is the business of openoutcry.gateway.service.

Sessions of a protocol whose messages an application numbers (FIX) have no stream by the matcher's name: their numbers
go on over days. What the gateway must remember of them are *facts* of its own (openoutcry.gateway.fix.facts), which are
noted here and stored beside the configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.gateway import protocols
from openoutcry.gateway.fix import facts
from openoutcry.gateway.store import Store, Stream

if TYPE_CHECKING:
    from openoutcry.gateway.client import ClientConnection
    from openoutcry.gateway.fix.hosted import Hosted
    from openoutcry.gateway.protocols import Dialect

Event = tuple[Any, ...]
CONFIG_KINDS: Final = frozenset(
    (wire.SESSION_STREAM, wire.ENDPOINT_SET, wire.ENDPOINT_DELETED, wire.USER_SET, wire.USER_DELETED,
     wire.SESSION_SET, wire.SESSION_DELETED, wire.CLOCK_SET, wire.PLUGIN_SET)
)  # fmt: skip


class Session:
    """One user's session at one endpoint: its stream of today, and who is logged on for it.

    stream is None from the end of its day to the next logon. packets: of the turn that is under way.
    numbered: by an application; then it has no stream, and `hosted` is what it has instead, once that is needed.
    """

    __slots__ = (
        "connection", "dialect", "endpoint", "hosted", "number", "numbered", "packets", "stream", "stream_event",
        "user",
    )  # fmt: skip

    def __init__(self, number: int, endpoint: str, user: str, numbered: bool = False) -> None:
        self.number = number
        self.endpoint = endpoint
        self.user = user
        self.numbered = numbered
        self.hosted: Hosted | None = None
        self.stream: Stream | None = None
        self.stream_event: Event = ()
        self.connection: ClientConnection | None = None
        self.dialect: Dialect | None = None
        self.packets: list[bytes] = []

    @property
    def stream_name(self) -> str:
        """Name of the stream of today, "" when it has ended."""
        return self.stream_event[4] if self.stream is not None else ""


class State:
    """See the module. store: where the streams are."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.endpoints: dict[str, Event] = {}
        self.users: dict[str, Event] = {}  # by name in upper case
        self.sessions: dict[int, Session] = {}
        self._by_user: dict[tuple[str, str], Session] = {}
        self.fix_settings: dict[tuple[str, str], Event] = {}  # SESSION_SET by endpoint and session's name
        self.fix_known: dict[str, Any] = {}  # openoutcry.gateway.fix.identity keeps here what it has worked out of them
        self.facts: dict[tuple[int, int], Event] = {}  # by kind and number
        self.clock: Event = ()  # the newest CLOCK_SET, () for the host's time
        self.plugins: dict[str, Event] = {}  # protocols that were loaded, by name

    def clear(self) -> None:
        """Forget everything; sessions keep nothing of it."""
        self.endpoints.clear()
        self.users.clear()
        self.sessions.clear()
        self._by_user.clear()
        self.fix_settings.clear()
        self.fix_known.clear()
        self.facts.clear()
        self.clock = ()
        self.plugins.clear()

    def apply(self, event: Event) -> None:
        """Take one configuration event, or the SYSTEM 'E' that ends a stream."""
        kind = event[0]
        if kind in (wire.SESSION_SET, wire.SESSION_DELETED, wire.ENDPOINT_DELETED):
            self.fix_known.clear()
        if kind == wire.SESSION_STREAM:
            self._session_stream(event)
        elif kind == wire.SYSTEM:
            session = self.sessions.get(event[1])
            if session is not None:
                session.stream = None
        elif kind == wire.ENDPOINT_SET:
            self.endpoints[event[1]] = event
        elif kind == wire.ENDPOINT_DELETED:
            self.endpoints.pop(event[1], None)
            for key in [key for key in self.fix_settings if key[0] == event[1]]:
                del self.fix_settings[key]
            for session in [s for s in self.sessions.values() if s.endpoint == event[1]]:
                del self.sessions[session.number]
                if session.stream is not None:
                    self.store.forget(session.stream_name)
                self._by_user.pop((session.endpoint, session.user), None)
        elif kind == wire.USER_SET:
            self.users[event[1].upper()] = event
        elif kind == wire.USER_DELETED:
            self.users.pop(event[1].upper(), None)
        elif kind == wire.SESSION_SET:
            self.fix_settings[event[1], event[2]] = event
        elif kind == wire.SESSION_DELETED:
            self.fix_settings.pop((event[1], event[2]), None)
        elif kind == wire.CLOCK_SET:
            self.clock = event
        elif kind == wire.PLUGIN_SET:
            self.plugins[event[1]] = event
            protocols.offer(event[1], event[2])

    def _session_stream(self, event: Event) -> None:
        _, number, endpoint, user, stream = event
        session = self.sessions.get(number)
        if session is None:
            session = Session(number, endpoint, user, self.is_numbered(endpoint))
            self.sessions[number] = self._by_user[endpoint, user] = session
        if not session.numbered:
            session.stream = self.store.stream(stream)
        session.stream_event = event

    def is_numbered(self, endpoint: str) -> bool:
        """Whether the messages of an endpoint's sessions are numbered by an application."""
        wanted = self.endpoints.get(endpoint)
        return wanted is not None and wanted[3].startswith("fix")

    def engine_changed(self, endpoint: str) -> None:
        """An endpoint serves another engine, maybe of another kind: what its sessions speak is to be looked up anew."""
        for session in self.sessions.values():
            if session.endpoint == endpoint:
                session.dialect = None

    def session_of(self, endpoint: str, user: str) -> Session | None:
        """The session of that user there, if it has ever logged on."""
        return self._by_user.get((endpoint, user))

    def note(self, fact: Event) -> None:
        """Take a fact of the gateway's own."""
        if fact[0] == facts.GONE:
            for kind in facts.OF_A_SESSION:
                self.facts.pop((kind, fact[1]), None)
        else:
            self.facts[fact[0], fact[1]] = fact

    def load(self, events: list[Event], noted: dict[tuple[int, int], Event] | None = None) -> None:
        """Begin anew with what the store has, and let go of the streams that nobody can ask for."""
        self.clear()
        for event in events:
            self.apply(event)
        events.clear()
        if noted:
            gone = [fact for fact in noted.values() if fact[0] == facts.GONE]
            for fact in (*noted.values(), *gone):  # a number that has gone is never used again
                self.note(fact)
            noted.clear()
        living = {session.stream_name for session in self.sessions.values()}
        self.store.forget_all_but(living | {fact[2] for fact in self.facts.values() if fact[0] in facts.WITH_STREAM})

    def events(self) -> list[Event]:
        """The shortest row of events, and facts, that makes this state."""
        streams = [s.stream_event for s in self.sessions.values() if s.stream is not None or s.numbered]
        clock = [self.clock] if self.clock else []
        return [*clock, *self.plugins.values(), *self.endpoints.values(), *self.users.values(),
                *self.fix_settings.values(), *streams, *self.facts.values()]  # fmt: skip

    def users_of(self, endpoint: str) -> list[Event]:
        """The users that may log in there; none: anybody may."""
        return [event for event in self.users.values() if event[2] in ("", endpoint)]

    def password_hash(self, endpoint: str, user: str) -> str:
        """The stored hash of a user of that endpoint, "" when there is no such user."""
        event = self.users.get(user)
        return event[4] if event is not None and event[2] in ("", endpoint) else ""

    def stream_name(self, endpoint: str, user: str) -> str:
        """The stream that this user has there today, "" when there is none or it has ended."""
        session = self._by_user.get((endpoint, user))
        return session.stream_name if session is not None else ""
