"""The sequencer: the one loop that numbers, journals and applies everything, and sends what came of it.

One turn: drain what is waiting (bounded) -> check -> journal -> sync -> apply -> send.

Rule 1. Nothing leaves before it is durable: no event, acknowledgement or WELCOME is sent before ``Journal.sync``
        has returned for the turn that made it.
Rule 2. The machine sees nothing but journaled inputs: HELLO of a new generation, CMD, timers, what completes a change
        of the clock, and the epoch record with which every life begins. Replaying the journal therefore gives the same
        events, byte for byte.
Rule 3. A peer gets every event of its stream in order; how far it is, is kept per peer (``Connection``). A peer
        that is slow or away costs nothing: it is served from the stream's history when it asks again.
Rule 4. What a peer sends can be refused, never crash the loop: frames are decoded by openoutcry.wire, and a frame
        with anything wrong in it is dropped whole, counted, and answered with ERROR.
Rule 5. The time of a record is the exchange's (openoutcry.matcher.clock): the host's, unless a test has moved it. What
        a verb about the clock has begun is done in the same turn, before anything else is taken. What is due at a time
        has a record of that time, also when the loop comes to it later: what comes of it, and the order of things, do
        not depend on how busy the host is (up to LATE_MAX).

This module touches the bus socket, the host's clock and the journal; the machine touches none of them. Peers are in
openoutcry.matcher.connection, answers to questions in openoutcry.matcher.questions.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Final

import zmq
from zmq.backend import zmq_poll

from openoutcry import wire
from openoutcry.bus import EVENT_WINDOW, readable, receive_routed, send_parts
from openoutcry.errors import WireError
from openoutcry.matcher import advance, pluginload, questions
from openoutcry.matcher.connection import Connection, refusal
from openoutcry.matcher.inputs import (
    TIMER,
    Input,
    apply_input,
    collect_frames,
    encode_inputs,
    epoch_input,
    loaded_input,
)
from openoutcry.matcher.journal import Journal
from openoutcry.matcher.machine import PUBLIC, Machine
from openoutcry.matcher.streams import StreamLogs
from openoutcry.process import StopSignal

log = logging.getLogger("openoutcry.matcher")

TURN_FRAMES_MAX: Final = 256  # frames taken in one turn: bounds the time until the first of them is answered
TURN_COMMANDS_MAX: Final = 8_192  # commands taken in one turn, for the same reason
TURN_BYTES_MAX: Final = 4_000_000  # of their frames: a turn is one journal record (at most 16 MB), one frame 1 MB
MESSAGE_FRAMES_MAX: Final = 32  # frames sent to a peer in one ZeroMQ message
LATE_MAX: Final = 64  # times that are over of which each has a record of its own, some 20 us each; the others share one
QUERIES_MAX: Final = 64  # answered in one turn, so that questions cannot hold up orders
IDLE_MS: Final = 100  # longest poll: how late a finished snapshot is noticed
BLOCKED_MS: Final = 5  # poll while a peer's pipe is full
PUBLIC_PACE_NS: Final = 2_000_000  # least time between two messages to a publisher: at more turns than 500 a second
# it gets several turns in one message, which spares every process a wake-up a turn, for 2 ms of the feed's latency

One = tuple[str, bytes, tuple[Any, ...] | None]  # an input, and its frame decoded


class Sequencer:
    """The loop. ``turn`` does one; ``serve`` does them until told to stop."""

    def __init__(
        self, machine: Machine, journal: Journal, logs: StreamLogs, socket: zmq.Socket[bytes], plugins: str = ""
    ) -> None:
        self.machine = machine
        self._plugins = plugins  # modules from which verbs may have something loaded
        self.journal = journal
        self.logs = logs
        self.socket = socket
        self.connections: dict[bytes, Connection] = {}
        self.record = 0  # number of the newest journal record
        self._inputs: list[One] = []
        self._count = 0  # by how much they move the machine's sequence number
        self._admitted_bytes = 0
        self._queries: list[tuple[Connection, tuple[Any, ...]]] = []
        self._asked = 0  # how many questions these are
        self._alone = False  # what comes now waits until a verb of this turn is done
        self._blocked = False
        self._paced = False  # a publisher waits for its time
        self._stirred = False  # there may be something to send: events, acknowledgements, a window that has opened
        self.counters = {
            "turns": 0, "frames": 0, "refused_frames": 0, "duplicate_commands": 0, "out_of_order_frames": 0,
            "queries": 0, "unreachable": 0, "blocked": 0,
        }  # fmt: skip

    def begin(self) -> None:
        """Journal the epoch record with which this life begins."""
        self._add((*epoch_input(self.machine.epoch + 1), None))
        self._commit(self.now_ns())

    # --------------------------------------------------------------------------------------------- loop
    def serve(self, stop: StopSignal, housekeeping: Any = None) -> None:
        """Turn until `stop`; `housekeeping()` is called between turns (snapshots)."""
        sources: list[tuple[Any, int]] = [(self.socket, int(zmq.POLLIN)), (stop.fd, int(zmq.POLLIN))]
        while not stop.stopped:
            woken: list[tuple[Any, int]] = zmq_poll(sources, self._patience_ms())
            self.turn(bool(woken) and woken[0][0] is self.socket)
            if housekeeping is not None:
                housekeeping()

    def _patience_ms(self) -> int:
        if self._paced:
            return PUBLIC_PACE_NS // 1_000_000
        if self._blocked:
            return BLOCKED_MS
        deadline = self.machine.next_timer_ns
        if deadline:
            return max(0, min(IDLE_MS, (deadline - self.now_ns()) // 1_000_000 + 1))
        return IDLE_MS

    def turn(self, waiting: bool = False) -> None:
        """Drain, journal, sync, apply, send. waiting: a frame is known to be there."""
        self.counters["turns"] += 1
        if waiting or readable(self.socket):
            self._drain()
        deadline = self.machine.next_timer_ns
        if self._inputs or deadline:
            time_ns = self.now_ns()
            late = 0 < deadline <= time_ns
            if late:
                self._catch_up(time_ns)  # first: what is due does not trade with what comes now
            if self._inputs:
                self._commit(time_ns)
            elif late:
                self.journal.sync()
        if self._queries:
            self._answer()
        if self._stirred or self._blocked or self._paced:
            self._send()

    def _drain(self) -> None:
        """Take what is there, at least one frame. A question is answered at once when nothing came before it."""
        socket = self.socket
        self._alone = False
        for _ in range(TURN_FRAMES_MAX):
            parts = receive_routed(socket)
            self.counters["frames"] += 1
            if len(parts) == 2:
                self._receive(parts[0], parts[1])
            else:
                self._refuse(parts[0], wire.ERROR_MALFORMED, f"{len(parts)} message parts, expected one frame")
            if (
                self._count >= TURN_COMMANDS_MAX
                or self._admitted_bytes >= TURN_BYTES_MAX
                or self._asked >= QUERIES_MAX
                or self._alone
                or (self._queries and not self._inputs)
                or not readable(socket)
            ):
                return

    def _add(self, one: One) -> None:
        self._inputs.append(one)
        self._count += 1

    def _catch_up(self, time_ns: int) -> None:
        """Do what is due, each thing as of its own time; of much that is late, the last in one record, as of now."""
        self._stirred = True
        for _ in range(LATE_MAX):
            deadline = self.machine.next_timer_ns
            if not 0 < deadline <= time_ns:
                return
            self._step(("", TIMER), max(deadline, self.machine.time_ns))
        if 0 < self.machine.next_timer_ns <= time_ns:
            self._step(("", TIMER), time_ns)

    def _commit(self, time_ns: int) -> None:
        self._stirred = True
        inputs, count = self._inputs, self._count
        self._inputs, self._count, self._admitted_bytes = [], 0, 0
        self._append(inputs, count, time_ns)
        self.journal.sync()
        self._apply(inputs, time_ns)
        if self.machine.clock.asker is not None:
            advance.complete(self.machine, self._step)
            self.journal.sync()

    def _append(self, inputs: list[One], count: int, time_ns: int) -> None:
        machine = self.machine
        payload = encode_inputs([(name, data) for name, data, _ in inputs])
        self.record = self.journal.append(machine.sequence + 1, count, time_ns, machine.epoch, payload)

    def _apply(self, inputs: list[One], time_ns: int) -> None:
        machine = self.machine
        for name, data, message in inputs:
            apply_input(machine, name, data, time_ns, message)
        collect_frames(machine, self.logs)

    # --------------------------------------------------------------------------------------------- time
    def now_ns(self) -> int:
        """The exchange's time. It never goes back, also when the host's is set back."""
        machine = self.machine
        if machine.clock.stands:
            return machine.time_ns
        return max(time.time_ns() + machine.clock.offset_ns, machine.time_ns)

    def _step(self, one: Input, time_ns: int) -> None:
        """A record of its own; nothing leaves before the sync that follows."""
        inputs: list[One] = [(*one, None)]
        self._append(inputs, 1, time_ns)
        self._apply(inputs, time_ns)

    # --------------------------------------------------------------------------------------------- receiving
    def _receive(self, identity: bytes, data: bytes) -> None:
        if not data:  # what bus.peer_socket sends upon every connection
            self._error(identity, wire.ERROR_HELLO, "connected: HELLO first")
            return
        try:
            message = wire.decode_frame(data)
        except WireError as error:
            text = str(error)
            self._refuse(identity, wire.ERROR_VERSION if text.startswith("version") else wire.ERROR_MALFORMED, text)
            return
        kind = message[0]
        if kind == wire.HELLO:
            self._hello(identity, data, message)
            return
        connection = self.connections.get(identity)
        if connection is None or not connection.generation:
            self._error(identity, wire.ERROR_HELLO, "the matcher does not know you yet: HELLO first")
        elif kind in (wire.CMD, wire.ACK):
            if message[1] != connection.generation:
                code = wire.ERROR_FENCED if message[1] < connection.generation else wire.ERROR_HELLO
                self._error(identity, code, f"generation {message[1]}, the newest is {connection.generation}")
            elif kind == wire.CMD:
                self._commands(connection, data, message)
            else:
                connection.acked = max(connection.acked, message[2])
                connection.owes_ack = self._stirred = True
        elif kind in (wire.QUERY, wire.REPLY):
            self._queries.append((connection, message))
            self._asked += wire.SEVERAL_MAX if message[4] == questions.SEVERAL else 1
        else:
            self._refuse(identity, wire.ERROR_MALFORMED, f"a peer does not send {wire.FRAMES[kind][0]}")

    def _hello(self, identity: bytes, data: bytes, message: tuple[Any, ...]) -> None:
        _, name, role, generation, last_event = message
        peer = self.machine.peers.get(name)
        why = refusal(self.machine, identity, name, role)
        if why:
            return self._refuse(identity, wire.ERROR_REFUSED, why)
        connection = self.connections.get(identity)
        if connection is None:
            stream = PUBLIC if role == wire.ROLE_MARKETDATA else name
            connection = self._connect(identity, stream, role)
            if peer is not None:
                connection.generation, connection.last_command = peer.generation, peer.last_command
        if generation < connection.generation:
            return self._error(identity, wire.ERROR_FENCED, f"generation {connection.generation} has said HELLO")
        if generation > connection.generation:
            self._add((name, data, message))
            connection.generation, connection.last_command = generation, 0
        connection.sent = connection.acked = last_event
        connection.welcome = self._stirred = True
        return None

    def _connect(self, identity: bytes, stream: str, role: int) -> Connection:
        """A new connection; gateways are served first, since somebody waits there for an answer."""
        connection = Connection(identity, stream, role)
        known = [*self.connections.values(), connection]
        self.connections = {one.identity: one for one in sorted(known, key=lambda one: one.role)}
        return connection

    def _commands(self, connection: Connection, data: bytes, message: tuple[Any, ...]) -> None:
        _, _, first, last_event, commands = message
        connection.acked = max(connection.acked, last_event)
        connection.owes_ack = self._stirred = True
        if connection.role == wire.ROLE_CONTROL and (cut := self._cut(connection, message)) is not message:
            message, commands = cut, cut[4]
            data = wire.frame(*message)
        last = first + len(commands) - 1
        if first > connection.last_command + 1:
            self.counters["out_of_order_frames"] += 1
            connection.welcome = True  # go back to last_command + 1
        elif last <= connection.last_command:
            self.counters["duplicate_commands"] += len(commands)
        else:
            if connection.role == wire.ROLE_CONTROL:
                self._look_for_plugins(commands[connection.last_command + 1 - first :])
            self._inputs.append((connection.identity.decode(), data, message))
            self._count += last - connection.last_command  # those before are dropped by the machine
            self._admitted_bytes += len(data)
            connection.last_command = last

    def _look_for_plugins(self, commands: tuple[Any, ...]) -> None:
        """What the machine has to know of the world outside for the verbs of a frame: it is journaled before them."""
        for command in commands:
            if command[0] == wire.VERB:
                found = pluginload.look(self.machine, command[2], command[3], self._plugins)
                if found is not None:
                    self._add((*loaded_input(*found), None))

    def _cut(self, connection: Connection, message: tuple[Any, ...]) -> tuple[Any, ...]:
        """A frame without what follows a verb about the clock: the peer sends that again, after that has been done."""
        kind, generation, first, last_event, commands = message
        count = advance.up_to_the_clock(commands, connection.last_command + 1 - first)
        self._alone = self._alone or count > 0
        if count in (0, len(commands)):
            return message
        connection.welcome = True
        return kind, generation, first, last_event, commands[:count]

    def _refuse(self, identity: bytes, code: int, text: str) -> None:
        self.counters["refused_frames"] += 1
        if self.counters["refused_frames"] <= 10 or self.counters["refused_frames"] % 1_000 == 0:
            log.warning("refused a frame of %r: %s (%d so far)", identity[:32], text, self.counters["refused_frames"])
        self._error(identity, code, text)

    def _error(self, identity: bytes, code: int, text: str) -> None:
        self._put(identity, [wire.frame(wire.ERROR, code, text[: wire.SHORT_TEXT_MAX])])

    # --------------------------------------------------------------------------------------------- sending
    def _put(self, identity: bytes, frames: list[bytes]) -> bool:
        try:
            send_parts(self.socket, [identity, *frames])
        except zmq.Again:
            self._blocked = True
            self.counters["blocked"] += 1
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self.counters["unreachable"] += 1
            self.connections.pop(identity, None)  # it says HELLO when it is back
            return False
        return True

    def _send(self) -> None:
        self._stirred = self._blocked = self._paced = False
        now_ns = time.monotonic_ns()
        for connection in list(self.connections.values()):
            end = self.machine.streams[connection.stream].end
            if connection.sent == end and not connection.owes_ack and not connection.welcome:
                continue
            if connection.role == wire.ROLE_MARKETDATA and self._waits(connection, now_ns):
                continue
            frames: list[bytes] = []
            if connection.welcome:
                connection.sent = min(connection.sent, end)
                connection.acked = min(connection.acked, end)
                frames.append(wire.frame(wire.WELCOME, self.machine.epoch, connection.last_command, end))
            self._send_to(connection, frames)

    def _waits(self, connection: Connection, now_ns: int) -> bool:
        """Whether a publisher's new events wait for more of them."""
        ahead = connection.sent - connection.acked
        if (
            connection.welcome
            or ahead >= EVENT_WINDOW
            or self.machine.streams[connection.stream].end == connection.sent
        ):
            return False  # there is nothing that may be sent
        if now_ns - connection.sent_ns < PUBLIC_PACE_NS:
            self._paced = True
            return True
        connection.sent_ns = now_ns
        return False

    def _send_to(self, connection: Connection, frames: list[bytes]) -> None:
        end = self.machine.streams[connection.stream].end
        sent = connection.sent
        while sent < end and sent - connection.acked < EVENT_WINDOW:
            for first, count, data in self.logs.read(connection.stream, sent):
                frames.append(data)
                sent = first + count - 1
                if len(frames) >= MESSAGE_FRAMES_MAX:
                    break
            acknowledge = connection.owes_ack and sent == end  # together with the last events: one message, one wake-up
            if acknowledge:
                frames.append(wire.frame(wire.CMD_ACK, self.machine.epoch, connection.last_command, sent))
            if not self._put(connection.identity, frames):
                return
            connection.sent = sent
            connection.welcome = False
            connection.owes_ack = connection.owes_ack and not acknowledge
            frames = []
        if connection.owes_ack:
            frames.append(wire.frame(wire.CMD_ACK, self.machine.epoch, connection.last_command, connection.sent))
        if frames and self._put(connection.identity, frames):
            connection.welcome = connection.owes_ack = False

    # --------------------------------------------------------------------------------------------- questions
    def _answer(self) -> None:
        queries, self._queries, self._asked = self._queries, [], 0
        for connection, message in queries:
            self.counters["queries"] += 1
            found = questions.reply(self, connection, message)
            if found is not None:
                self._put(found[0], [found[1]])
