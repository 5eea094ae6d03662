"""What the parts of one gateway share: the link to the matcher, the loop's one flush a turn, and who waits for what.

Rule 1. All that clients send in one turn of the loop leaves together, in the order in which it was read.
Rule 2. No queue here grows without bound: while the matcher is PAUSE_ABOVE commands behind, connections that send
        are not read, and go on in the order in which they stopped.
Rule 3. The bus socket's file descriptor is edge-triggered: whoever touches the socket looks at its events afterwards
        (``_look``), or the loop would sleep on a message that is there.
Rule 4. What goes wrong at one connection, whatever it speaks and whoever wrote that, costs that connection: it is
        dropped with a line in the log (``broken``), and its client can ask for everything again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

import zmq

from openoutcry import bus, wire
from openoutcry.errors import ProtocolError, WireError
from openoutcry.gateway.client import ASKED, ClientConnection
from openoutcry.gateway.clock import ExchangeClock
from openoutcry.gateway.delivery import Delivery
from openoutcry.gateway.fence import trace
from openoutcry.gateway.fix.sessions import Sessions
from openoutcry.gateway.hosting import Hosting
from openoutcry.gateway.logins import Logins
from openoutcry.gateway.managed import Managed
from openoutcry.gateway.ports import Ports
from openoutcry.gateway.replay import Replay
from openoutcry.gateway.state import State
from openoutcry.gateway.store import Store, Stream
from openoutcry.gateway.wheel import LimitedLog, Wheel

if TYPE_CHECKING:
    from openoutcry.gateway.endpoint import Endpoint

log = logging.getLogger("openoutcry.gateway")

PAUSE_ABOVE: Final = 2 * bus.WINDOW  # commands not acknowledged: one window on its way, one ready to follow
RESUME_BELOW: Final = bus.WINDOW + bus.WINDOW // 2
DRAIN_MESSAGES: Final = 16  # messages of the bus taken in one turn: clients are read in between
TIMER_S: Final = 0.025
COMPACT_LIVE_MAX: Final = 8_000_000  # bytes of living streams that may be copied while clients wait (some 20 ms)


class Hub:
    """See the module. fatal(code, reason): called when the gateway cannot go on."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, name: str, generation: int, store: Store, ports: Ports,
        socket: zmq.Socket[bytes], fatal: Callable[[int, str], None],
    ) -> None:  # fmt: skip
        self.loop = loop
        self.name = name
        self.store = store
        self.out: list[tuple[Any, ...]] = []  # commands of this turn
        self.congested = False
        self.silent: dict[str, int] = {}  # connections that have not asked to log in, by address
        self.silent_total = 0
        self.waiting: dict[int, ClientConnection] = {}  # for LOGGED_ON
        self.log = LimitedLog(log)
        self.clock = ExchangeClock()
        self.managed = Managed(self, generation)
        self.hosting = Hosting(self, ports)
        self.state = State(store)
        self.wheel = Wheel(monotonic_ns(), self.spare)
        self.replay = Replay(loop, self.clock)
        self.logins = Logins(loop, self.state)
        self.delivery = Delivery(self, self.state, store)
        self.fix = Sessions(self)
        self.link = bus.Link(name, wire.ROLE_GATEWAY, generation, store.last_event, self._rewind)
        self._socket = socket
        self._fd = int(socket.getsockopt(zmq.FD))
        self._fatal = fatal
        self._blocked = False  # the bus takes no more for the moment
        self._said = 0  # the event up to which the matcher knows that we have them
        self._connections = generation << 32  # numbers of a later life are higher
        self._held: deque[ClientConnection] = deque()
        self._flush_scheduled = self._drain_scheduled = False
        self.counters = {"flushes": 0, "drains": 0, "malformed_frames": 0, "pauses": 0, "exceptions": 0, "broken": 0}

    def start(self) -> None:
        """Begin with what the store has: endpoints listen again at once."""
        self.state.load(self.store.config, self.store.facts)
        if self.store.worth_compacting:
            self.store.compact(self.state.events())
        self._follow_clock()
        self.link.last_event, self.link.held = self.fix.begin(), self.store.last_event
        self.hosting.reconcile_all()
        self.loop.add_reader(self._fd, self._drain)
        self._turn_timer()

    # --------------------------------------------------------------------------------------------- commands out
    def submitted(self) -> None:
        """Something was put into ``out``: it leaves at the end of this turn of the loop."""
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self._flush)
        if len(self.out) + self.link.backlog > PAUSE_ABOVE:
            self.congested = True

    def flush(self) -> int:
        """Have what was submitted leave now; returns the number of the last command."""
        self._flush()
        return self.link.submitted

    def _flush(self) -> None:
        self._flush_scheduled = False
        self.counters["flushes"] += 1
        if self.out:
            self.link.submit(*self.out)
            self.out.clear()
        self.fix.submitted(self.link.submitted)
        self._blocked = not bus.writable(self._socket)
        if not self._blocked:
            self._said = self.link.last_event
            frames = self.link.frames(monotonic_ns())
            if frames:
                bus.send_frames(self._socket, frames)
        self._look()

    def _look(self) -> None:
        if not self._drain_scheduled and bus.readable(self._socket):
            self._drain_scheduled = True
            self.loop.call_soon(self._drain)

    def hold(self, connection: ClientConnection) -> None:
        """`connection` is not read until the matcher has caught up."""
        self.counters["pauses"] += 1
        self._held.append(connection)

    def _let_go(self) -> None:
        if self.congested and self.link.backlog + len(self.out) < RESUME_BELOW:
            self.congested = False
        while self._held and not self.congested:
            held = self._held.popleft()
            self.spare(held, held.go_on)

    def next_connection(self) -> int:
        """A number for a new connection."""
        self._connections += 1
        return self._connections

    def log_on(self, connection: ClientConnection, command: tuple[Any, ...]) -> None:
        """Ask the matcher; its LOGGED_ON or LOGON_REFUSED names the connection."""
        self.waiting[connection.number] = connection
        self.out.append(command)
        self.submitted()

    # --------------------------------------------------------------------------------------------- Rule 4
    def spare(self, guest: Any, act: Callable[..., Any], *arguments: Any) -> None:
        """Do something for one connection, or endpoint."""
        try:
            act(*arguments)
        except Exception as error:
            self.broken(guest, error)

    def broken(self, guest: Any, error: Exception) -> None:
        """What a connection, or an endpoint, did went wrong: log it, and drop the connection."""
        self.counters["broken"] += 1
        endpoint = getattr(guest, "endpoint", guest)
        text = str(error) if isinstance(error, ProtocolError) else trace(error)
        name, address = getattr(endpoint, "name", "?"), getattr(guest, "address", "itself")
        self.log.warning(monotonic_ns(), f"broken {name}", f"endpoint {name}: {address}: {text}")
        try:
            if endpoint is not guest:
                guest.drop()
        except Exception as another:  # it was somebody's own, and broken beyond that
            text = f"endpoint {name}: {address} is not dropped: {trace(another)}"
            self.log.warning(monotonic_ns(), f"broken {name}", text)

    # --------------------------------------------------------------------------------------------- events in
    def _drain(self) -> None:
        self._drain_scheduled = False
        self.counters["drains"] += 1
        socket, ready = self._socket, self.link.ready
        try:
            now_ns = monotonic_ns()
            for _ in range(DRAIN_MESSAGES):
                if not bus.readable(socket):
                    break
                for data in bus.receive_parts(socket):
                    self._receive(data, now_ns)
            else:
                self._look()
            self.delivery.commit()
        except bus.BusRefused as error:
            self._fatal(3, f"the matcher turned {self.name} away: {error}")
        except Exception as error:  # events were taken from the link and are not stored: only a restart repairs that
            self._cannot_go_on(error)
        else:
            self._let_go()
            if self.managed.waiting:
                self.managed.look()  # the matcher may have acknowledged what they wait for
            if not ready or self._must_speak():
                self.submitted()

    def commit(self) -> None:
        """Store and send what was said without an event of the matcher's."""
        try:
            self.delivery.commit()
        except Exception as error:  # it is not known what is stored: only a restart repairs that
            self._cannot_go_on(error)

    def _cannot_go_on(self, error: Exception) -> None:
        log.error("cannot go on", exc_info=error)
        self._fatal(4, f"{type(error).__name__}: {error}")

    def _must_speak(self) -> bool:
        """Whether the link may have frames although no client has sent anything."""
        link = self.link
        waiting = self._blocked or link.backlog > bus.WINDOW
        return waiting or not link.ready or link.last_event - self._said >= bus.ACK_EVERY

    def _receive(self, data: bytes, now_ns: int) -> None:
        try:
            found = self.link.receive(data, now_ns)
        except WireError as error:
            self.counters["malformed_frames"] += 1
            self.log.warning(now_ns, "bus", f"a frame from the matcher is malformed: {error}")
            return
        if found is None:
            return
        if len(found) == 3:
            self.delivery.take(*found)
        elif found[0] == wire.QUERY:
            self.delivery.commit()  # who asks knows of the events before: they are done first
            self._answer(found)

    def _rewind(self, last_event: int) -> None:
        """The matcher lost what it had not synced: what we have of that never was."""
        log.warning("the matcher ends at event %d, we had %d: rewinding", last_event, self.store.last_event)
        self.delivery.discard()
        for endpoint in self.hosting.endpoints.values():
            for connection in list(endpoint.connections):
                connection.drop()
        self.store.rewind(last_event)
        self.state.load(self.store.config, self.store.facts)
        self._follow_clock()
        wanted = self.fix.begin()
        self.link.held = self.store.last_event
        self.hosting.reconcile_all()
        if wanted != last_event:  # a record spans it, or an application has forgotten: ask for the rest again
            self.link.last_event = wanted
            self.link.ready = False

    # --------------------------------------------------------------------------------------------- deeds
    def do(self, deed: tuple[Any, ...]) -> None:
        """Do what an event asks for beside its messages; it is stored already."""
        kind = deed[0]
        if kind == wire.LOGGED_ON:
            self._logged_on(deed)
        elif kind == wire.LOGON_REFUSED:
            connection = self.waiting.pop(deed[2], None)
            if connection is not None:
                self.spare(connection, connection.refused, deed[3])
        elif kind == wire.SYSTEM:
            self._end_of_day(deed[1].connection, deed[2])
        elif kind in (wire.ENDPOINT_SET, wire.ENDPOINT_DELETED):
            self.hosting.reconcile(deed[1], kind == wire.ENDPOINT_DELETED)
        elif kind in (wire.SESSION_DELETED, wire.SESSION_ORDERED):
            self.fix.log_out(deed)
        elif kind == wire.CLOCK_SET:
            self._clock_set(deed)

    def _logged_on(self, deed: tuple[Any, ...]) -> None:
        _, number, _, connection_number, _ = deed
        connection = self.waiting.pop(connection_number, None)
        session = self.state.sessions.get(number)
        if connection is None or session is None or connection.state != ASKED:  # it has gone meanwhile
            self.out.append((wire.LOGOFF, number, connection_number))
        else:
            self.spare(connection, connection.start, session)

    def _end_of_day(self, connection: ClientConnection | None, stream: Stream | None) -> None:
        if connection is not None and connection.stream is stream:
            self.spare(connection, connection.end)
        else:
            self.retire(stream)
        if self.store.worth_compacting and self.store.live_bytes < COMPACT_LIVE_MAX:
            self.store.compact(self.state.events())

    def retire(self, stream: Stream | None) -> None:
        """An ended stream has no reader any more."""
        if stream is not None:
            self.store.forget(stream.name.rstrip(b"\0").decode("ascii"))

    # --------------------------------------------------------------------------------------------- time, questions
    def _turn_timer(self) -> None:
        self.loop.call_later(TIMER_S, self._turn_timer)
        self.wheel.turn(monotonic_ns())
        self.fix.dumps.on_tick()
        if self.managed.waiting:
            self.managed.on_tick(monotonic_ns())
        self.submitted()

    def _follow_clock(self) -> None:
        self.clock.set(self.state.clock)
        self.fix.clock.follow(self.clock.wall_ns)

    def _clock_set(self, deed: tuple[Any, ...]) -> None:
        """The exchange's time is another one: what is due at every connection is done."""
        self.clock.set(deed)
        self.fix.clock.follow(self.clock.wall_ns)
        for endpoint in self.hosting.endpoints.values():
            for connection in list(endpoint.connections):
                self.spare(connection, connection.clock_moved, deed[4], bool(deed[5]))

    def _answer(self, query: tuple[Any, ...]) -> None:
        _, number, _, sender, what, argument = query
        ok, body = 1, ""
        if self.managed.knows(what):
            self.managed.ask(number, sender, what, argument)
            return
        if what == "statistics":
            body = json.dumps(self.statistics())
        elif what == "ping":
            body = json.dumps({"pid": os.getpid(), "event": self.link.last_event})
        else:
            ok, body = 0, json.dumps(["bad_argument", "what", f"a gateway does not know {what!r}: statistics, ping"])
        if len(body) > wire.TEXT_MAX:
            ok, body = 0, json.dumps(["limit", "", f"the answer has {len(body)} characters, at most {wire.TEXT_MAX}"])
        self.reply(number, sender, ok, body)

    def reply(self, number: int, sender: str, ok: int, body: str) -> None:
        """Answer a question."""
        bus.send_frames(self._socket, [wire.frame(wire.REPLY, number, sender, self.name, ok, body)])
        self._look()

    def statistics(self) -> dict[str, Any]:
        """Counters of every part of this gateway."""
        return {
            "name": self.name,
            "pid": os.getpid(),
            "loop": type(self.loop).__module__.partition(".")[0],
            **self.counters,
            "congested": self.congested,
            "endpoints": {name: self._counted(endpoint) for name, endpoint in self.hosting.endpoints.items()},
            "link": self.link.statistics(),
            "store": self.store.statistics(),
            "delivery": dict(self.delivery.counters),
            "replay": dict(self.replay.counters),
            "logins": self.logins.statistics(),
            "fix": self.fix.statistics(),
            "managed": self.managed.statistics(),
        }

    def _counted(self, endpoint: Endpoint) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.spare(endpoint, lambda: found.update(endpoint.statistics()))
        return found

    def close(self) -> None:
        """Close every port and connection, and give what was submitted to the bus."""
        for endpoint in self.hosting.endpoints.values():
            self.spare(endpoint, endpoint.close)
            for connection in list(endpoint.connections):
                self.spare(connection, connection.close)
        self.logins.close()
        self.loop.remove_reader(self._fd)
        self.fix.close()
        self._flush()
