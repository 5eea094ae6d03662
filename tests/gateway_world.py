"""A gateway process in a test: a matcher played by hand on the real bus, and clients on plain sockets.

The hand-played matcher keeps the two promises that a gateway relies on (commands are taken once and in order, events
come again from any number on) and says otherwise only what the test tells it to say.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import zmq

from openoutcry import bus, wire
from openoutcry.gateway.soupbintcp import ClientSession

PATIENCE_S = 60.0  # for an answer or a process; nothing takes that long unless it fails
NAME = "gateway-1"
UVLOOP = os.environ.get("OPENOUTCRY_UVLOOP") != "0"  # set it to run all of these tests on asyncio's loop
_CODE = (
    "import sys; from openoutcry import bus, process; from openoutcry.gateway.service import run; "
    "sys.exit(run(bus.Directory(sys.argv[1]), sys.argv[2], process.Settings.load()))"
)

Command = tuple[Any, ...]


class HandMatcher:
    """The matcher's end of the bus, one gateway's stream, played by the test."""

    def __init__(self, directory: bus.Directory, epoch: int = 1, events: list[Any] | None = None) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.socket = bus.matcher_socket(self.context, directory.address("bus"))
        self.epoch = epoch
        self.events: list[Any] = events or []  # all there ever were
        self.commands: list[Command] = []  # taken, not yet looked at by the test
        self.generation = 0
        self.last_command = 0
        self.hellos: list[int] = []  # last_event of each HELLO to this matcher
        self.lives: dict[int, int] = {}  # last_event of the first HELLO of each generation
        self.replies: list[tuple[Any, ...]] = []
        self.answering = True  # acknowledge commands
        self.time_ns = 1_000_000_000

    def close(self) -> None:
        self.socket.close(0)
        self.context.term()

    def send(self, *frames: bytes) -> None:
        try:
            self.socket.send_multipart([NAME.encode(), *frames])
        except zmq.ZMQError as error:  # the gateway is away; it will say HELLO
            assert error.errno == zmq.EHOSTUNREACH

    def turn(self, timeout_s: float = 0.05) -> None:
        """Take what has come within the time."""
        if not self.socket.poll(int(timeout_s * 1000)):
            return
        while self.socket.poll(0):
            _, data = self.socket.recv_multipart()
            if data:  # else it only says that it has connected
                self._take(wire.decode_frame(data))
            elif not self.hellos:
                self.send(wire.frame(wire.ERROR, wire.ERROR_HELLO, "HELLO first"))

    def _take(self, message: tuple[Any, ...]) -> None:
        if message[0] == wire.HELLO:
            if message[3] > self.generation:
                self.generation, self.last_command = message[3], 0
            self.hellos.append(message[4])
            self.lives.setdefault(message[3], message[4])
            self.send(wire.frame(wire.WELCOME, self.epoch, self.last_command, len(self.events)))
            self._send_events(message[4])
        elif not self.hellos:
            self.send(wire.frame(wire.ERROR, wire.ERROR_HELLO, "HELLO first"))
        elif message[0] == wire.CMD and message[1] == self.generation:
            first, commands = message[2], message[4]
            new = commands[max(0, self.last_command + 1 - first) :]
            if first <= self.last_command + 1 and self.answering:
                self.last_command = max(self.last_command, first + len(commands) - 1)
                self.commands += new
                self.acknowledge()
        elif message[0] == wire.ACK:
            self.acknowledge()
        elif message[0] == wire.REPLY:
            self.replies.append(message)

    def acknowledge(self) -> None:
        self.send(wire.frame(wire.CMD_ACK, self.epoch, self.last_command, len(self.events)))

    def _send_events(self, after: int) -> None:
        frames = []
        for at in range(after, len(self.events), 500):
            some = self.events[at : at + 500]
            frames.append(wire.frame(wire.EV, self.epoch, at + 1, self.time_ns, some))
        for at in range(0, len(frames), 8):
            self.send(*frames[at : at + 8])

    def emit(self, *events: tuple[Any, ...]) -> None:
        """The gateway's stream gets these events, in one frame."""
        for event in events:
            wire.check_events((event,), wire.PRIVATE_EVENTS)
        first = len(self.events) + 1
        self.events += events
        self.send(wire.frame(wire.EV, self.epoch, first, self.time_ns, events))

    def wait_for(self, kind: int, timeout_s: float = PATIENCE_S) -> Command:
        """The next command of `kind`; those before it are passed over."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            while self.commands:
                command = self.commands.pop(0)
                if command[0] == kind:
                    return command
            self.turn()
        raise AssertionError(f"no {wire.COMMANDS[kind][0]} command")

    def wait_for_hello(self, count: int = 1) -> int:
        """Wait until the gateway has said `count` HELLOs; the event that the last one named."""
        self._until(lambda: len(self.hellos) >= count, "HELLO")
        return self.hellos[-1]

    def wait_for_life(self, generation: int) -> int:
        """Wait until that life of the gateway has said HELLO; the event that it named."""
        self._until(lambda: generation in self.lives, "HELLO")
        return self.lives[generation]

    def _until(self, reached: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not reached():
            assert time.monotonic() < deadline, f"no {what}"
            self.turn()

    def query(self, what: str) -> Any:
        """Ask the gateway."""
        self.replies.clear()
        self.send(wire.frame(wire.QUERY, 7, NAME, "tester", what, "{}"))
        self._until(lambda: self.replies, "REPLY")
        assert self.replies[0][:4] == (wire.REPLY, 7, "tester", NAME)
        return json.loads(self.replies[0][5])

    def open_endpoint(self, name: str = "orders", port: int = 0, protocol: str = "ouch42", **properties: Any) -> int:
        """ENDPOINT_SET; the port that BOUND names."""
        items = tuple(sorted(properties.items()))
        self.emit((wire.ENDPOINT_SET, name, "main", protocol, "127.0.0.1", port, items, "matching"))
        bound = self.wait_for(wire.BOUND)
        assert bound[1] == name and bound[4] == "", bound
        return int(bound[3])

    def log_on(self, session: int, stream: str, first: bool = True) -> None:
        """Answer the next LOGON, the first of the day with the beginning of the stream."""
        _, endpoint, user, connection, _ = self.wait_for(wire.LOGON)
        begin = [(wire.SESSION_STREAM, session, endpoint, user, stream), (wire.SYSTEM, session, "S")]
        self.emit(*(begin if first else []), (wire.LOGGED_ON, session, endpoint, connection, stream))


class GatewayProcess:
    """A gateway in a process of its own."""

    def __init__(self, directory: bus.Directory, uvloop: bool = UVLOOP) -> None:
        environment = os.environ | {"OPENOUTCRY_UVLOOP": "1" if uvloop else "0"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CODE, str(directory.path), NAME],
            env=environment, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def kill(self) -> None:
        self.process.kill()
        print(self.process.communicate()[1])  # for whoever reads why a test failed

    def stop(self) -> tuple[int, str]:
        """SIGTERM; the exit code and what it logged."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        _, text = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, text

    def memory_kb(self) -> int:
        """Resident memory."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0])


class Client:
    """A SoupBinTCP client on a blocking socket."""

    def __init__(self, port: int, timeout_s: float = PATIENCE_S) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._rest = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def login(self, user: str = "", password: str = "", session: str = "", sequence: int = 1, **more: int) -> Client:
        self.socket.sendall(ClientSession(0).login(user, password, session, sequence, **more))
        return self

    def packet(self, heartbeats: bool = False) -> bytes:
        """Type and payload of the next packet; b"" when the server has closed."""
        while True:
            size = 2 + int.from_bytes(self._rest[:2]) if len(self._rest) >= 2 else 3
            if len(self._rest) >= size:
                packet, self._rest = self._rest[2:size], self._rest[size:]
                if heartbeats or packet != b"H":
                    return packet
                continue
            try:
                data = self.socket.recv(65_536)
            except ConnectionResetError:
                data = b""
            if not data:
                return b""
            self._rest += data

    def packets(self, count: int) -> list[bytes]:
        return [self.packet() for _ in range(count)]

    def send(self, *payloads: bytes) -> None:
        self.socket.sendall(b"".join(struct.pack(">Hc", len(p) + 1, b"U") + p for p in payloads))


def accepted(stream: str, sequence: int) -> bytes:
    """Login Accepted."""
    return f"A{stream:>10}{sequence:>20}".encode()


def enter(token: str, shares: int = 100) -> bytes:
    """An OUCH 4.2 Enter Order."""
    return (
        b"O" + token.encode().ljust(14) + b"B" + struct.pack(">I", shares) + b"AAPL    "
        + struct.pack(">II", 100_000, 99_998) + b"    YPN" + bytes(4) + b"NN"
    )  # fmt: skip


def executed(session: int, number: int) -> tuple[Any, ...]:
    """An EXECUTED event that tells its number."""
    return (wire.EXECUTED, session, b"T".ljust(14), number, 100 * wire.PRICE_SCALE, 1, number, 0, 9)


def without_message(session: int) -> tuple[Any, ...]:
    """An event of a session that OUCH 4.2 has no message for."""
    return (wire.FEE, session, b"T".ljust(14), 1, -5)


def number_of(packet: bytes) -> int:
    """The number in the packet of an ``executed`` event."""
    assert packet[:2] == b"SE", packet
    return int.from_bytes(packet[24:28])


Gateway = TypeVar("Gateway", bound=GatewayProcess)


def connected(directory: bus.Directory, uvloop: bool = UVLOOP) -> Iterator[tuple[HandMatcher, GatewayProcess]]:
    """A matcher by hand and a gateway that has said HELLO to it."""
    yield from connected_with(GatewayProcess, directory, uvloop)


def connected_with(
    make: Callable[[bus.Directory, bool], Gateway], directory: bus.Directory, uvloop: bool
) -> Iterator[tuple[HandMatcher, Gateway]]:
    """The same, with a gateway that `make` makes."""
    matcher = HandMatcher(directory)
    gateway = make(directory, uvloop)
    try:
        matcher.wait_for_hello()
        yield matcher, gateway
    finally:
        gateway.kill()
        matcher.close()


@pytest.fixture
def directory() -> Iterator[bus.Directory]:
    """An exchange's directory with a short path: unix sockets want that."""
    path = tempfile.mkdtemp(prefix="oo-")
    yield bus.Directory(path).create()
    shutil.rmtree(path)


@pytest.fixture(params=["uvloop", "asyncio"])
def on_uvloop(request: pytest.FixtureRequest) -> bool:
    """Each kind of loop that a gateway can have."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not built for every platform (the extra fast)")
    return bool(request.param == "uvloop")
