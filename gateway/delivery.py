"""Events of the bus into stored messages, and from there to the clients.

Rule 1. First stored, then sent: ``take`` gathers the turn's events, ``commit`` writes one record with all that they
        say, and only then are clients written to: once each, however many events the turn had for them.
Rule 2. What is not a message but a deed (open a port, log a connection on, close one) is done after the record is
        written, in the order of the events.
Rule 3. An event that cannot be rendered costs its own message, is counted and logged, and no more. One for which a
        protocol has no message is no fault: it is counted, and uses up no number of the client's stream.

The numbers of events (the bus) and of messages (a client's stream) are independent: a record of the store says up to
which event it goes, whether these events have messages or not.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.errors import ProtocolError
from openoutcry.gateway.state import CONFIG_KINDS, Session, State
from openoutcry.gateway.store import Store, Stream

if TYPE_CHECKING:
    from openoutcry.gateway.hub import Hub

EVENTS_MAX: Final = 8_192  # events gathered before a commit: bounds the record and the time until clients see it

Event = tuple[Any, ...]
Sink = tuple[Callable[[bytes], None], Callable[[Event, int], bytes], int]  # takes packets, makes them, their time


class Delivery:
    """See the module."""

    def __init__(self, hub: Hub, state: State, store: Store) -> None:
        self._hub = hub
        self._state = state
        self._store = store
        self._last = 0  # number of the newest event gathered, 0 for none
        self._events = 0
        self._touched: dict[int, Session] = {}
        self._stamps: dict[str, int] = {}  # of the events being taken, by protocol
        self._chunks: list[tuple[Stream, int, bytes]] = []
        self._owners: list[Session] = []  # of the chunks
        self._config: list[Event] = []
        self._deeds: list[Event] = []
        self.counters = {"turns": 0, "events": 0, "orphans": 0, "not_rendered": 0, "without_message": 0}

    def take(self, first: int, time_ns: int, events: tuple[Event, ...]) -> None:
        """Gather events `first`, `first` + 1, ... all of the turn at `time_ns`."""
        if self._events >= EVENTS_MAX:
            self.commit()
        self._last = first + len(events) - 1
        self._events += len(events)
        sinks: dict[int, Sink] = {}
        self._stamps.clear()
        for event in events:
            if event[0] > wire.SYSTEM:
                self._beyond(event, time_ns, sinks)
                continue
            sink = sinks.get(event[1])
            if sink is None:
                sink = self._sink(event[1], time_ns)
                if sink is None:
                    continue
                sinks[event[1]] = sink
            try:
                sink[0](sink[1](event, sink[2]))
            except ProtocolError as error:
                self._not_rendered(event[1], error)
            if event[0] == wire.SYSTEM and event[2] == wire.END_OF_DAY:
                sinks.clear()
                self._end_of_day(self._state.sessions[event[1]], event)

    def _beyond(self, event: Event, time_ns: int, sinks: dict[int, Sink]) -> None:
        """An event that is not for a client, or one that its protocol may have no message for."""
        if event[0] <= wire.RESULT:
            sinks.clear()  # it may begin another stream
            self._other(event)
            return
        sink = sinks.get(event[1]) or self._sink(event[1], time_ns)
        if sink is None:
            return
        sinks[event[1]] = sink
        try:
            packet = sink[1](event, sink[2])
        except ProtocolError as error:
            self._not_rendered(event[1], error)
            return
        if packet:
            sink[0](packet)
        else:
            self.counters["without_message"] += 1

    def _sink(self, number: int, time_ns: int) -> Sink | None:
        """Where the events of a session go, and how; None when nobody waits for them."""
        session = self._state.sessions.get(number)
        if session is None or session.stream is None:
            self.counters["orphans"] += 1
            return None
        dialect = session.dialect
        if dialect is None:
            dialect = session.dialect = self._hub.hosting.dialect_of(session.endpoint)
        stamp = self._stamps.get(dialect.name)
        if stamp is None:
            stamp = self._stamps[dialect.name] = dialect.stamp(time_ns)
        self._touched[number] = session
        return session.packets.append, dialect.render, stamp

    def _other(self, event: Event) -> None:
        kind = event[0]
        if kind in CONFIG_KINDS:
            if kind == wire.SESSION_STREAM and event[1] in self._state.sessions:
                self._close_chunk(self._state.sessions[event[1]])
            self._config.append(event)
            self._state.apply(event)
        if kind != wire.SESSION_STREAM:
            self._deeds.append(event)

    def _end_of_day(self, session: Session, event: Event) -> None:
        self._close_chunk(session)
        self._config.append(event)
        self._deeds.append((wire.SYSTEM, session, session.stream))
        self._state.apply(event)

    def _not_rendered(self, number: int, error: ProtocolError) -> None:
        self.counters["not_rendered"] += 1
        self._hub.log.warning(monotonic_ns(), "render", f"session {number} misses a message: {error}")

    def _close_chunk(self, session: Session) -> None:
        """What was gathered for a session belongs to the stream that it has now."""
        if session.packets and session.stream is not None:
            self._chunks.append((session.stream, len(session.packets), b"".join(session.packets)))
            self._owners.append(session)
            session.packets = []

    def discard(self) -> None:
        """Forget what was gathered: it will come again."""
        for session in self._touched.values():
            session.packets = []
        self._clear()

    def _clear(self) -> None:
        self._touched.clear()
        self._chunks = []
        self._owners = []
        self._config = []
        self._deeds = []
        self._last = self._events = 0

    def commit(self) -> None:
        """Store what was gathered, send it, and do what it asks for."""
        if not self._last:
            return
        for session in self._touched.values():
            self._close_chunk(session)
        chunks, owners, deeds = self._chunks, self._owners, self._deeds
        self._store.append(self._last, chunks, self._config)
        self.counters["turns"] += 1
        self.counters["events"] += self._events
        self._clear()
        now_ns = monotonic_ns()
        for (stream, count, data), session in zip(chunks, owners, strict=True):
            connection = session.connection
            if connection is not None and connection.live and connection.stream is stream:
                connection.deliver(count, data, now_ns)
        for deed in deeds:
            self._hub.do(deed)
