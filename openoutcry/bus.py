"""The bus: sockets with their limits, and a peer's half of the exactly-once protocol with the matcher.

Invariant: a command given to ``Link.submit`` reaches the matcher's journal exactly once and in order for as long as
this process lives, and every event of this peer's stream is returned by ``Link.receive`` exactly once and in order,
whatever the matcher or the transport do in between. Nothing here waits or looks at a clock: time is an argument.

How a conversation goes (openoutcry.wire has the frames)::

    peer                                  matcher
    HELLO generation, last_event   ->            a higher generation is journaled and fences the older one
                                   <-  WELCOME   epoch, last_command, last_event
                                   <-  EV ...    everything after the peer's last_event
    CMD first_command, [...]       ->            number <= last: dropped; == last + 1: taken; beyond: WELCOME (go back)
                                   <-  EV ... and CMD_ACK, once journaled
    ACK last_event                 ->            opens the window, and says that the peer lives
                                   <-  CMD_ACK   last_command, last_event: shows what was lost on the way

ZeroMQ loses messages when a peer dies or its queue is full, without a word; the numbers here are what repairs that.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import zmq

from openoutcry import wire
from openoutcry.errors import ClusterError, OpenOutcryError, WireError

WINDOW: Final = (
    2_048  # commands a peer may have on the way: small, so that "sequence = order of taking" is near arrival
)
EVENT_WINDOW: Final = 32_768  # events the matcher sends ahead of a peer's ACK
ACK_EVERY: Final = 4_096  # events after which a peer without commands to send says ACK
SILENCE_NS: Final = 100_000_000  # with work outstanding: HELLO after this long without a word from the matcher
KEEPALIVE_NS: Final = 200_000_000  # an idle peer says ACK this often, which finds a restarted matcher
HWM_FRAMES: Final = 64  # frames in a pipe between peer and matcher, each at most wire.FRAME_MAX

Events = tuple[int, int, tuple[Any, ...]]  # first event's number, time_ns, events


class BusRefused(OpenOutcryError):
    """This life of the peer cannot go on: other version, fenced by a newer generation, a broken rule, lost commands."""


class Link:
    """A peer's half of the protocol, sans I/O: frames in, events out; commands in, frames out.

    name, role: who this peer is (wire.ROLE_*). generation: higher than in any earlier life of this name.
    last_event: the highest event of its stream that this peer has stored, 0 for none.
    on_rewind: called with the matcher's last event when that is below ours (only after a power loss without
    ``sync`` durability): the peer must forget what came after it.
    """

    def __init__(
        self, name: str, role: int, generation: int, last_event: int = 0,
        on_rewind: Callable[[int], None] | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.role = role
        self.generation = generation
        self.last_event = last_event
        self.epoch = 0
        self.ready = False  # WELCOME has been received since the last HELLO
        self.held = last_event  # the highest event that is stored; above last_event while older ones are read again
        self.stream_end = 0  # last event of this peer's stream when the matcher said WELCOME
        self._on_rewind = on_rewind
        self._next = 1  # number of the next command to be framed
        self._queue: list[Any] = []  # commands not framed yet
        self._unacked: deque[tuple[int, int, bytes]] = deque()  # (first, last, frame) sent, or to be sent again
        self._resend: deque[bytes] = deque()
        self._acked = 0
        self._last_ack_sent = last_event
        self._heard_ns = 0
        self._spoke_ns = 0
        self._hello_ns = 0
        self.counters = {"commands": 0, "events": 0, "hellos": 0, "resent_frames": 0, "duplicate_events": 0, "gaps": 0}

    def submit(self, *commands: tuple[Any, ...]) -> None:
        """Queue commands; they leave with the next ``frames``."""
        self._queue += commands

    @property
    def backlog(self) -> int:
        """Commands that the matcher has not acknowledged, queued ones included: pause readers above WINDOW."""
        return len(self._queue) + self._next - 1 - self._acked

    @property
    def acknowledged(self) -> int:
        """Number of the newest command that the matcher has in its journal, 0 for none."""
        return self._acked

    @property
    def submitted(self) -> int:
        """Number of the newest command given to ``submit``, framed already or not."""
        return self._next - 1 + len(self._queue)

    def frames(self, now_ns: int) -> list[bytes]:
        """The frames to send now, at ``now_ns`` of a monotonic clock. Call after submits and at least every 50 ms."""
        if not self.ready:
            if now_ns - self._hello_ns < SILENCE_NS and self._hello_ns:
                return []
            return [self._hello(now_ns)]
        out: list[bytes] = []
        outstanding = self._next - 1 - self._acked
        if outstanding and now_ns - self._heard_ns > SILENCE_NS and now_ns - self._spoke_ns > SILENCE_NS:
            self.ready = False
            return [self._hello(now_ns)]
        while self._resend:
            out.append(self._resend.popleft())
            self.counters["resent_frames"] += 1
        queue = self._queue
        if queue and outstanding < WINDOW:
            room = WINDOW - outstanding
            sent = 0
            while sent < len(queue) and sent < room:
                first = self._next
                chunk, data = self._frame(queue[sent : sent + min(wire.COMMANDS_MAX, room - sent)])
                self._next = first + len(chunk)
                self._unacked.append((first, self._next - 1, data))
                out.append(data)
                sent += len(chunk)
            del queue[:sent]
            self.counters["commands"] += sent
            self._last_ack_sent = self.last_event
        if not out and (self.last_event - self._last_ack_sent >= ACK_EVERY or now_ns - self._spoke_ns > KEEPALIVE_NS):
            out.append(wire.frame(wire.ACK, self.generation, self.last_event))
            self._last_ack_sent = self.last_event
        if out:
            self._spoke_ns = now_ns
        return out

    def _frame(self, chunk: list[Any]) -> tuple[list[Any], bytes]:
        """The next frame, and the commands in it: as many of `chunk` as fit, since mass quotes are long."""
        while True:
            data = wire.frame(wire.CMD, self.generation, self._next, self.last_event, chunk)
            if len(data) <= wire.FRAME_MAX or len(chunk) == 1:
                return chunk, data
            chunk = chunk[: len(chunk) // 2]

    def _hello(self, now_ns: int) -> bytes:
        self._hello_ns = self._spoke_ns = now_ns
        self.counters["hellos"] += 1
        return wire.frame(wire.HELLO, self.name, self.role, self.generation, self.last_event)

    def receive(self, data: bytes, now_ns: int) -> Events | tuple[Any, ...] | None:
        """Take one frame from the matcher.

        Returns new events as ``(first_event, time_ns, events)``, a QUERY or REPLY frame as decoded by
        wire.decode_frame (its first element, the kind, is QUERY or REPLY, and it has six), or None.
        The caller must make the events its own before the next call: they count as held from here on.
        Raises WireError for bytes that are no frame, BusRefused when the matcher turns this peer away.
        """
        message = wire.decode_frame(data)
        kind = message[0]
        self._heard_ns = now_ns
        if kind == wire.EV:
            return self._events(message)
        if kind == wire.CMD_ACK:
            if message[1] == self.epoch and self.ready:
                self._take_ack(message[2])
                if message[3] > self.last_event:
                    self._lost_events()
        elif kind == wire.WELCOME:
            self._welcome(message)
        elif kind in (wire.QUERY, wire.REPLY):
            return message
        elif kind == wire.ERROR:
            if message[1] not in (wire.ERROR_HELLO, wire.ERROR_MALFORMED):
                raise BusRefused(message[2])
            self.ready = False
            self._hello_ns = 0
        else:
            raise WireError(f"a matcher does not send {wire.FRAMES[kind][0]}")
        return None

    def _events(self, message: tuple[Any, ...]) -> Events | None:
        _, _, first, time_ns, events = message  # replayed events carry the epoch in which they were made
        if not self.ready or not events:
            return None  # of an earlier conversation: what it held comes again after WELCOME
        last = first + len(events) - 1
        if last <= self.last_event:
            self.counters["duplicate_events"] += len(events)
            return None
        if first > self.last_event + 1:
            self._lost_events()
            return None
        if first <= self.last_event:
            self.counters["duplicate_events"] += self.last_event + 1 - first
            events = events[self.last_event + 1 - first :]
            first = self.last_event + 1
        self.last_event = last
        self.counters["events"] += len(events)
        return first, time_ns, events

    def _lost_events(self) -> None:
        self.counters["gaps"] += 1
        self.ready = False
        self._hello_ns = 0

    def _welcome(self, message: tuple[Any, ...]) -> None:
        _, self.epoch, last_command, last_event = message
        if last_command < self._acked:
            text = f"the matcher has lost commands {last_command + 1} to {self._acked}, which it had acknowledged"
            raise BusRefused(f"{text}: this peer must start anew")
        self.ready = True
        self.stream_end = last_event
        if last_event < max(self.last_event, self.held):
            self.last_event = min(self.last_event, last_event)
            self.held = last_event
            if self._on_rewind is not None:
                self._on_rewind(last_event)
        self._last_ack_sent = self.last_event
        self._take_ack(last_command)
        self._resend = deque(frame for _, _, frame in self._unacked)

    def _take_ack(self, last_command: int) -> None:
        if last_command > self._acked:
            self._acked = last_command
        while self._unacked and self._unacked[0][1] <= last_command:
            self._unacked.popleft()

    def statistics(self) -> dict[str, Any]:
        """Counters and where this side stands."""
        return {**self.counters, "epoch": self.epoch, "last_event": self.last_event, "backlog": self.backlog,
                "ready": self.ready, "generation": self.generation}  # fmt: skip


# ------------------------------------------------------------------------------------------------- sockets
class _Socket(zmq.Socket[bytes]):
    """Sends without looking first for options that neither DEALER nor ROUTER has."""

    send = zmq.backend.Socket.send  # type: ignore[assignment]  # the same without these options


def _socket(context: zmq.Context[Any], kind: int, receive_hwm: int) -> zmq.Socket[bytes]:
    """A socket with the limits that all of the bus have."""
    socket: zmq.Socket[bytes] = context.socket(kind, _Socket)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, wire.FRAME_MAX)
    socket.setsockopt(zmq.HANDSHAKE_IVL, 2_000)
    socket.setsockopt(zmq.SNDHWM, HWM_FRAMES)
    socket.setsockopt(zmq.RCVHWM, receive_hwm)
    return socket


def peer_socket(context: zmq.Context[Any], address: str, name: str) -> zmq.Socket[bytes]:
    """A DEALER to the matcher. IMMEDIATE: nothing is queued for a matcher that is not there.

    No ZeroMQ heartbeats: libzmq aborts the process when one is due while the receiving queue is full (its issues 3937
    and 4767), and ``Link`` notices silence by itself.
    """
    socket = _socket(context, zmq.DEALER, 4 * HWM_FRAMES)
    socket.setsockopt(zmq.ROUTING_ID, name.encode())
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.PROBE_ROUTER, 1)  # an empty message upon each connection: the matcher asks for HELLO at once
    socket.setsockopt(zmq.RECONNECT_IVL, 10)
    socket.connect(address)
    return socket


def matcher_socket(context: zmq.Context[Any], address: str) -> zmq.Socket[bytes]:
    """The matcher's ROUTER. HANDOVER: a restarted peer takes its name over at once."""
    socket = _socket(context, zmq.ROUTER, 4 * HWM_FRAMES)
    socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.bind(address)
    return socket


def service_socket(context: zmq.Context[Any], address: str, replies: int = HWM_FRAMES) -> zmq.Socket[bytes]:
    """A ROUTER that answers REQ or DEALER clients: the control service, the snapshot service.

    replies: how many may wait for one client. ZeroMQ counts places as free again only when half of them are, so a
    client is sure of half as many.
    """
    socket = _socket(context, zmq.ROUTER, HWM_FRAMES)
    socket.setsockopt(zmq.SNDHWM, replies)
    socket.bind(address)
    return socket


# As plain integers: pyzmq's enums cost a microsecond at each use, and these are used at every message.
_EVENTS: Final = int(zmq.EVENTS)
_POLLIN: Final = int(zmq.POLLIN)
_POLLOUT: Final = int(zmq.POLLOUT)
_RCVMORE: Final = int(zmq.RCVMORE)
_NOBLOCK: Final = int(zmq.NOBLOCK)
_MORE: Final = int(zmq.SNDMORE) | _NOBLOCK


def readable(socket: zmq.Socket[bytes]) -> bool:
    """Whether a message is waiting; cheaper than to try and get zmq.Again."""
    return bool(int(socket.getsockopt(_EVENTS)) & _POLLIN)


def writable(socket: zmq.Socket[bytes]) -> bool:
    """Whether a message can be sent."""
    return bool(int(socket.getsockopt(_EVENTS)) & _POLLOUT)


def receive_parts(socket: zmq.Socket[bytes]) -> list[bytes]:
    """All parts of one message, without waiting. Raises zmq.Again."""
    receive, option = socket.recv, socket.getsockopt
    parts = [receive(_NOBLOCK)]
    while option(_RCVMORE):
        parts.append(receive(_NOBLOCK))
    return parts


def receive_routed(socket: zmq.Socket[bytes]) -> list[bytes]:
    """As ``receive_parts``, for a ROUTER: it never gives the name of a peer without what that has sent."""
    receive, option = socket.recv, socket.getsockopt
    parts = [receive(_NOBLOCK), receive(_NOBLOCK)]
    while option(_RCVMORE):
        parts.append(receive(_NOBLOCK))
    return parts


def send_parts(socket: zmq.Socket[bytes], parts: list[bytes]) -> None:
    """Send one message of several parts, without waiting. Raises zmq.Again, zmq.ZMQError."""
    send = socket.send
    for part in parts[:-1]:
        send(part, _MORE)
    send(parts[-1], _NOBLOCK)


def send_frames(socket: zmq.Socket[bytes], frames: list[bytes]) -> None:
    """Send to the matcher what can be sent; what cannot is lost here and comes again by the protocol's numbers."""
    for data in frames:
        try:
            socket.send(data, _NOBLOCK)
        except zmq.Again:
            return


# ------------------------------------------------------------------------------------------------- places
LOCK_WAIT_S: Final = 1.0  # a process killed a moment ago may leave a child that is about to let go of its lock
LOCK_RETRY_S: Final = 0.005
IPC_PATH_MAX: Final = 100  # bytes; sun_path holds 107, and libzmq wants a few


def _may_hold_sockets(path: Path) -> bool:
    """Whether the paths of sockets in there are short enough, and text, which ZeroMQ wants."""
    try:
        return len(str(path).encode()) + len("/supervisor.sock") <= IPC_PATH_MAX
    except UnicodeEncodeError:
        return False


class Directory:
    """Where one exchange keeps its files and sockets: the only thing that its parts must be told.

    Layout: ``journal/ streams/ snapshots/`` (matcher), ``gateway-<name>/``, ``marketdata/``, ``run/`` (one small
    JSON file a process: pid and addresses), ``log/``, and the sockets ``bus control`` in ``sockets``, which is
    ``<path>/sockets`` or, when a unix socket cannot have such a path, a 0700 directory of its own in the temporary
    directory, whose name follows from the path: for all of its users TMPDIR must be the same.
    """

    durable = True  # generations are synced to the disk

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).resolve()

    def create(self) -> Directory:
        """Make the directory tree, open to its owner alone. Raises ClusterError when that cannot be."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("run", "log"):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
            self.sockets.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ClusterError(f"cannot use directory {self.path}: {error}") from None
        return self

    @property
    def sockets(self) -> Path:
        """The directory of the unix sockets (short enough for them)."""
        near = self.path / "sockets"
        if _may_hold_sockets(near):
            return near
        import hashlib
        import tempfile

        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        found = Path(tempfile.gettempdir()) / f"openoutcry-{os.getuid()}-{digest}"
        return found if _may_hold_sockets(found) else Path("/tmp", found.name)

    def address(self, name: str) -> str:
        """The ipc address of socket ``name``: ``bus``, ``control``."""
        return f"ipc://{self.sockets / name}"

    def lock(self, name: str) -> int:
        """Take the lock of one process of this directory; returns the file descriptor to keep open.

        A second bind on a live ipc path would steal it silently, so every process locks before it binds.
        Raises ClusterError when another process holds it.
        """
        fd = os.open(self.path / "run" / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return fd
            except OSError:
                if time.monotonic() > until:
                    os.close(fd)
                    raise ClusterError(f"{name} is already running in {self.path}") from None
            time.sleep(LOCK_RETRY_S)

    def announce(self, name: str, **facts: Any) -> None:
        """Write ``run/<name>.json`` (mode 0600) with this process's pid and addresses, atomically."""
        import json

        target = self.path / "run" / f"{name}.json"
        temporary = target.with_suffix(".tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "w") as file:
            json.dump({"name": name, "pid": os.getpid(), **facts}, file)
        os.replace(temporary, target)

    def announced(self, name: str) -> dict[str, Any]:
        """What ``announce`` wrote last for ``name``; {} when there is nothing readable."""
        import json

        try:
            found = json.loads((self.path / "run" / f"{name}.json").read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def generation(self, name: str) -> int:
        """Count one more life of process ``name`` and return its number, from 1, durably."""
        target = self.path / "run" / f"{name}.generation"
        try:
            number = int(target.read_text()) + 1
        except (OSError, ValueError):
            number = 1
        temporary = target.with_suffix(".tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "w") as file:
            file.write(str(number))
            file.flush()
            if self.durable:
                os.fsync(fd)
        os.replace(temporary, target)
        return number
