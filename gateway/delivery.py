"""Events of the bus into stored messages, and from there to the clients.

Rule 1. First stored, then sent: ``take`` gathers the turn's events, ``commit`` writes one record with all that they
        say, and only then are clients written to: once each, however many events the turn had for them.
Rule 2. What is not a message but a deed (open a port, log a connection on, close one) is done after the record is
        written, in the order of the events.
Rule 3. An event that cannot be rendered costs its own message, is counted and logged, and no more. One for which a
        protocol has no message is no fault: it is counted, and uses up no number of the client's stream.

The numbers of events (the bus) and of messages (a client's stream) are independent: a record of the store says up to
which event it goes, whether these events have messages or not.

FIX sessions (``hosted``) number their own messages, also without an event: what a client's message or a timer made them
say goes through the same ``commit``, in a record that does not move the event on. Their facts go into the same record.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, cast

from openoutcry import wire
from openoutcry.errors import ClusterError, ProtocolError
from openoutcry.gateway.state import CONFIG_KINDS, Session, State
from openoutcry.gateway.store import Store, Stream

if TYPE_CHECKING:
    from openoutcry.gateway.connection import Connection
    from openoutcry.gateway.fix.hosted import Hosted
    from openoutcry.gateway.hub import Hub

ABOUT_SESSIONS: Final = frozenset((wire.SESSION_SET, wire.SESSION_DELETED, wire.SESSION_ORDERED))
OF_NO_CLIENT: Final = ABOUT_SESSIONS | {wire.CLOCK_SET, wire.PLUGIN_SET}  # beside those up to RESULT
EVENTS_MAX: Final = 8_192  # events gathered before a commit: bounds the record and the time until clients see it
BYTES_MAX: Final = 16_000_000  # of messages of echo engines, and of somebody's own, among them: these are long

Event = tuple[Any, ...]
# Takes packets, makes them, their time. Applications keep what they make: they return None, which nobody takes.
Sink = tuple[Callable[[Any], None], Callable[[Event, int], Any], int]


def _nobody(packet: None) -> None:
    """Takes what there is not."""


def _wordless(why: str) -> Callable[[Event, int], None]:
    """For a session whose protocol cannot be made any more: no event can be rendered."""

    def render(event: Event, stamp: int) -> None:
        raise ProtocolError(why)

    return render


class Delivery:
    """See the module."""

    def __init__(self, hub: Hub, state: State, store: Store) -> None:
        self._hub = hub
        self._state = state
        self._store = store
        self._last = 0  # number of the newest event gathered, 0 for none
        self._events = self._events_of_turn = self._bytes = 0
        self._touched: dict[int, Session] = {}
        self._stamps: dict[Callable[[int], int], int] = {}  # of the events being taken, by who works them out
        self._chunks: list[tuple[Stream, int, bytes]] = []
        self._owners: list[Session] = []  # of the chunks
        self._fix_chunks: list[tuple[Stream, int, bytes]] = []
        self._config: list[Event] = []
        self._deeds: list[Event] = []
        self.hosted: list[Hosted] = []  # FIX sessions that have something to store or to send
        self.facts: list[Event] = []  # of theirs
        self.counters = {"turns": 0, "events": 0, "orphans": 0, "not_rendered": 0, "without_message": 0}

    def take(self, first: int, time_ns: int, events: tuple[Event, ...]) -> None:
        """Gather events `first`, `first` + 1, ... all of the turn at `time_ns`."""
        if self._events >= EVENTS_MAX or self._bytes >= BYTES_MAX:
            self.commit()
        if first <= self._store.last_event:
            known = self._store.last_event + 1 - first
            self._hub.fix.absorb(first, time_ns, events[:known])
            first, events = first + known, events[known:]
            if not events:
                return
        self._last = first + len(events) - 1
        self._events += len(events)
        self._events_of_turn = len(events)
        self._hub.fix.clock.tick()
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
            except Exception as error:  # an application is not to stop the others
                self._not_rendered(event[1], error)
            if event[0] == wire.SYSTEM and event[2] == wire.END_OF_DAY:
                sinks.clear()
                self._end_of_day(self._state.sessions[event[1]], event)

    def _beyond(self, event: Event, time_ns: int, sinks: dict[int, Sink]) -> None:
        """An event that is not for a client, or one that its protocol may have no message for."""
        if event[0] <= wire.RESULT or event[0] in OF_NO_CLIENT:
            sinks.clear()  # it may begin another stream
            self._other(event)
            return
        sink = sinks.get(event[1]) or self._sink(event[1], time_ns)
        if sink is None:
            return
        sinks[event[1]] = sink
        try:
            packet = sink[1](event, sink[2])
        except Exception as error:
            self._not_rendered(event[1], error)
            return
        if event[0] == wire.ECHOED:
            self._bytes += len(packet or event[2])
        if packet:
            sink[0](packet)
        elif sink[0] is not _nobody:
            self.counters["without_message"] += 1

    def _sink(self, number: int, time_ns: int) -> Sink | None:
        """Where the events of a session go, and how; None when nobody waits for them."""
        session = self._state.sessions.get(number)
        if session is not None and session.numbered:
            return self._application(session, time_ns)
        if session is None or session.stream is None:
            self.counters["orphans"] += 1
            return None
        dialect = session.dialect
        if dialect is None:
            try:
                dialect = session.dialect = self._hub.hosting.dialect_of(session.endpoint)
            except ClusterError as error:  # somebody's own, which could be made when the endpoint opened
                return _nobody, _wordless(str(error)), time_ns
        stamp = self._stamps.get(dialect.stamp)
        if stamp is None:
            stamp = self._stamps[dialect.stamp] = dialect.stamp(time_ns)
        self._touched[number] = session
        return session.packets.append, dialect.render, stamp

    def _application(self, session: Session, time_ns: int) -> Sink | None:
        hosted = self._hub.fix.hosted_of(session)
        if hosted is None:
            return None
        self._hub.fix.dumps.soil(hosted, self._last + 1 - self._events_of_turn)
        if hosted.in_turn is not None and not hosted.touched:
            hosted.touch()  # also an event without a message may be what its session layer waits for
        return _nobody, hosted.application.event, time_ns

    def _other(self, event: Event) -> None:
        kind = event[0]
        if kind in CONFIG_KINDS:
            if kind == wire.SESSION_STREAM and event[1] in self._state.sessions:
                self._close_chunk(self._state.sessions[event[1]])
            self._config.append(event)
            before = self._state.endpoints.get(event[1]) if kind == wire.ENDPOINT_SET else None
            self._state.apply(event)
            if before is not None and before[2] != event[2]:
                self._state.engine_changed(event[1])
                self._hub.fix.engine_changed(event[1], before[7] != event[7])
        if kind in ABOUT_SESSIONS or kind == wire.ENDPOINT_DELETED or kind == wire.SESSION_STREAM:
            self._hub.fix.told(event)
        if kind != wire.SESSION_STREAM:
            self._deeds.append(event)

    def _end_of_day(self, session: Session, event: Event) -> None:
        if session.numbered:
            self._deeds.append((wire.SYSTEM, session, None))
            return
        self._close_chunk(session)
        self._config.append(event)
        self._deeds.append((wire.SYSTEM, session, session.stream))
        self._state.apply(event)

    def _not_rendered(self, number: int, error: Exception) -> None:
        self.counters["not_rendered"] += 1
        text = str(error) if isinstance(error, ProtocolError) else "".join(traceback.format_exception(error))
        self._hub.log.warning(monotonic_ns(), "render", f"session {number} misses a message: {text}")

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
        self.hosted = []
        self._fix_chunks = []
        self._clear()

    def _clear(self) -> None:
        self._touched.clear()
        self._chunks = []
        self._owners = []
        self._config = []
        self._deeds = []
        self.facts = []
        self._last = self._events = self._bytes = 0

    def add_chunk(self, stream: Stream, count: int, data: bytes) -> None:
        """Messages of a FIX session, for the next record."""
        self._fix_chunks.append((stream, count, data))

    def commit(self) -> None:
        """Store what was gathered, send it, and do what it asks for."""
        fix = self._hub.fix
        if fix.acknowledged:
            fix.note_acknowledged()
        if not (self._last or self.hosted or self.facts or self._fix_chunks):
            return
        for session in self._touched.values():
            self._close_chunk(session)
        hosted, self.hosted = self.hosted, []
        for one in hosted:
            one.store.flush()
        chunks, owners, deeds = self._chunks, self._owners, self._deeds
        fix_chunks, self._fix_chunks = self._fix_chunks, []
        if self._last or fix_chunks or self.facts:
            config = [*self._config, *self.facts] if self.facts else self._config
            last = self._last or self._store.last_event
            self._store.append(last, chunks + fix_chunks if fix_chunks else chunks, config)
            self.counters["turns"] += 1
            self.counters["events"] += self._events
        self._clear()
        now_ns = self._hub.clock.monotonic_ns()
        for (stream, count, data), session in zip(chunks, owners, strict=True):
            connection = cast("Connection | None", session.connection)  # sessions with a stream have no other
            if connection is not None and connection.live and connection.stream is stream:
                try:
                    connection.deliver(count, data, now_ns)
                except Exception as error:
                    self._hub.broken(connection, error)
        if hosted:
            wall_ns = fix.clock.now_ns
            for one in hosted:
                one.sent_off(wall_ns)
        for deed in deeds:
            self._hub.do(deed)
