"""What a gateway has been told by the matcher: its endpoints, the users, and the sessions with their streams.

Invariant: the state is what the configuration events of the gateway's own stream, applied in order, make it; live
and after a restart it goes through the same ``apply``, and ``events`` returns the shortest row of events that makes
it anew. There is no I/O here: what must be done about a change is the business of openoutcry.gateway.service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.gateway.store import Store, Stream

if TYPE_CHECKING:
    from openoutcry.gateway.connection import Connection
    from openoutcry.gateway.protocols import Dialect

Event = tuple[Any, ...]
CONFIG_KINDS: Final = frozenset(
    (wire.SESSION_STREAM, wire.ENDPOINT_SET, wire.ENDPOINT_DELETED, wire.USER_SET, wire.USER_DELETED)
)


class Session:
    """One user's session at one endpoint: its stream of today, and who is logged on for it.

    stream is None from the end of its day to the next logon. packets: of the turn that is under way.
    """

    __slots__ = ("connection", "dialect", "endpoint", "number", "packets", "stream", "stream_event", "user")

    def __init__(self, number: int, endpoint: str, user: str) -> None:
        self.number = number
        self.endpoint = endpoint
        self.user = user
        self.stream: Stream | None = None
        self.stream_event: Event = ()
        self.connection: Connection | None = None
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

    def clear(self) -> None:
        """Forget everything; sessions keep nothing of it."""
        self.endpoints.clear()
        self.users.clear()
        self.sessions.clear()
        self._by_user.clear()

    def apply(self, event: Event) -> None:
        """Take one configuration event, or the SYSTEM 'E' that ends a stream."""
        kind = event[0]
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
            for session in [s for s in self.sessions.values() if s.endpoint == event[1]]:
                del self.sessions[session.number]
                if session.stream is not None:
                    self.store.forget(session.stream_name)
                self._by_user.pop((session.endpoint, session.user), None)
        elif kind == wire.USER_SET:
            self.users[event[1].upper()] = event
        elif kind == wire.USER_DELETED:
            self.users.pop(event[1].upper(), None)

    def _session_stream(self, event: Event) -> None:
        _, number, endpoint, user, stream = event
        session = self.sessions.get(number)
        if session is None:
            session = self.sessions[number] = self._by_user[endpoint, user] = Session(number, endpoint, user)
        session.stream = self.store.stream(stream)
        session.stream_event = event

    def load(self, events: list[Event]) -> None:
        """Begin anew with what the store has, and let go of the streams that nobody can ask for."""
        self.clear()
        known = {event[4] for event in events if event[0] == wire.SESSION_STREAM}
        for event in events:
            self.apply(event)
        events.clear()
        for name in known - {session.stream_name for session in self.sessions.values()}:
            self.store.forget(name)

    def events(self) -> list[Event]:
        """The shortest row of events that makes this state."""
        streams = [s.stream_event for s in self.sessions.values() if s.stream is not None]
        return [*self.endpoints.values(), *self.users.values(), *streams]

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
