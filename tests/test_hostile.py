"""Whatever is sent to any socket: no process dies, no other client notices, and it is counted.

Every socket of a running exchange gets random bytes, half frames, frames that are too large, and well-formed messages
that mean nothing: the OUCH port, the bus, the control service, the snapshot service and the feed. After each, a client
that has been logged in all the time still has its order answered.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from random import Random
from typing import Any

import msgpack
import pytest
import zmq

from openoutcry import Exchange, wire
from openoutcry.clients.ouch import OuchClient
from tests.control_world import wait_until
from tests.processes import PATIENCE_S

LOGIN = struct.pack(">Hc", 47, b"L") + b"EVIL  " + b" " * 10 + b" " * 10 + b"1".rjust(20)


class World:
    """An exchange, and an honest client of it."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        exchange.create_engine("main")
        exchange.create_book("aapl", "main", "AAPL")
        self.endpoint = exchange.create_endpoint("orders", "main", "ouch42")
        self.client: OuchClient = exchange.ouch_client(self.endpoint, "GOOD")
        self.pids = dict(exchange.pids)

    def check(self) -> None:
        token = self.client.enter("AAPL", "B", 100, "10.00")
        self.client.wait_for("A", PATIENCE_S, order_token=token)
        assert self.exchange.pids == self.pids
        assert self.exchange.status()["ready"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Exchange() as exchange:
        yield World(exchange)


def garbage(random: Random) -> list[bytes]:
    """Byte strings of many kinds."""
    return [
        b"", b"\0", b"\xff" * 8, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", random.randbytes(64_000),
        *(random.randbytes(random.randrange(1, 300)) for _ in range(30)),
    ]  # fmt: skip


def hostile_soup(random: Random) -> list[bytes]:
    """What is wrong in ways that only SoupBinTCP and OUCH can be wrong."""
    order = b"O" + b"A" * 48
    return [
        *garbage(random), LOGIN[:20], b"\0\0", b"\xff\xffL", b"\0\x01R", b"\0\x01O", LOGIN + b"\0\0",
        LOGIN + struct.pack(">Hc", 40_000, b"U") + b"x" * 40_000, LOGIN + b"\0\x32U" + order, LOGIN + LOGIN,
        LOGIN + b"".join(struct.pack(">Hc", len(b) + 1, b"U") + b for b in garbage(random) if len(b) < 1_000),
        LOGIN[:29] + b"x" * 20,
    ]  # fmt: skip


def test_the_ouch_port(world: World) -> None:
    random = Random(1)
    for data in hostile_soup(random):
        with socket.create_connection((world.endpoint.host, world.endpoint.port), timeout=PATIENCE_S) as sock:
            for at in range(0, len(data), max(1, len(data) // 3)):
                with contextlib.suppress(OSError):
                    sock.sendall(data[at : at + max(1, len(data) // 3)])
    world.check()
    found = world.exchange.statistics()["gateway-1"]["endpoints"]["orders"]
    assert found["protocol_errors"] > 0


def frames(random: Random) -> list[bytes]:
    """Frames of the bus that are wrong, or mean nothing to whom they are sent."""
    command = (wire.ENTER, 1, b"T", "AAPL", 1, 100, 10**9, 2, 0, 0, 0, b"")
    good = [
        wire.frame(wire.CMD, 1, 1, 0, [command] * 3), wire.frame(wire.ACK, 1, 0), wire.frame(wire.WELCOME, 1, 0, 0),
        wire.frame(wire.QUERY, 1, "matcher", "me", "depth", "{}"), wire.frame(wire.REPLY, 1, "control", "me", 1, "{"),
        wire.frame(wire.HELLO, "someone", 1, 1, 0), wire.frame(wire.HELLO, "public", 1, 1, 0),
    ]  # fmt: skip
    values: tuple[Any, ...] = (None, {}, [], [1], [3, 1], [3, 1, 1, 1, 0, [[]]], {"a": 1}, 1.5, [[]] * 99)
    odd = [msgpack.packb(value) for value in values]
    bombs = [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\x91" * 5_000, b"\x80" * 200_000]
    return [*garbage(random), *good, *odd, *bombs, b"\0" * (wire.FRAME_MAX + 1)]


def zmq_addresses(world: World) -> dict[str, str]:
    sockets = world.exchange.directory / "sockets"
    return {"bus": f"ipc://{sockets / 'bus'}", "control": f"ipc://{sockets / 'control'}",
            "snapshot": world.exchange.snapshot, "feed": world.exchange.feed}  # fmt: skip


@pytest.mark.parametrize("name", ["bus", "control", "snapshot", "feed"])
def test_messages_that_mean_nothing(world: World, name: str) -> None:
    random = Random(2)
    kinds = [zmq.DEALER, zmq.REQ] if name != "feed" else [zmq.SUB, zmq.XSUB]
    context = zmq.Context()
    try:
        for kind in kinds:
            for data in frames(random):
                _send(context, kind, zmq_addresses(world)[name], data)
    finally:
        context.destroy(linger=0)
    world.check()


def _send(context: zmq.Context[zmq.Socket[bytes]], kind: int, address: str, data: bytes) -> None:
    sock = context.socket(kind)
    sock.setsockopt(zmq.LINGER, 200)
    sock.setsockopt(zmq.SNDTIMEO, 1_000)
    sock.connect(address)
    with contextlib.suppress(zmq.ZMQError):
        if kind == zmq.SUB:
            sock.setsockopt(zmq.SUBSCRIBE, data[:200])
        elif kind == zmq.DEALER:
            sock.send_multipart([b"", data])
            sock.send(data)
            sock.send_multipart([data, b"", data])
        else:
            sock.send(data)
    sock.close()


def _connect(address: str) -> socket.socket:
    if address.startswith("ipc://"):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(address[6:])
        return sock
    host, port = address.removeprefix("tcp://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


@pytest.mark.parametrize("name", ["bus", "control", "snapshot", "feed"])
def test_bytes_that_are_not_even_zeromq(world: World, name: str) -> None:
    random = Random(3)
    greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x00NULL" + b"\0" * 48
    with contextlib.ExitStack() as open_sockets:
        for data in [*garbage(random), greeting, greeting + b"\x02" + b"\xff" * 8, greeting + random.randbytes(500)]:
            sock = open_sockets.enter_context(_connect(zmq_addresses(world)[name]))
            with contextlib.suppress(OSError):
                sock.sendall(data)
        world.check()  # while they are all still connected


def malformed(world: World, name: str) -> int:
    """How many malformed messages a part has counted at a socket."""
    statistics = world.exchange.statistics()
    if name == "bus":
        return int(statistics["matcher"]["refused_frames"])
    if name == "control":
        return int(statistics["control"]["requests"]["malformed"])
    return int(statistics["marketdata"]["snapshots"]["malformed"] + statistics["marketdata"]["malformed_requests"])


@pytest.mark.parametrize("name", ["bus", "control", "snapshot"])
def test_the_counters_tell(world: World, name: str) -> None:
    before = malformed(world, name)
    with zmq.Context() as context, context.socket(zmq.DEALER) as sock:
        sock.setsockopt(zmq.LINGER, 0)
        sock.connect(zmq_addresses(world)[name])
        sock.send_multipart([b"\xff" * 8] if name == "bus" else [b"", b"\xff" * 8])
        wait_until(lambda: malformed(world, name) > before, PATIENCE_S)
