"""Clients of the control service that send garbage, halves, floods, that die or never read: nobody else notices."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgpack
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import Exchange, verbs, wire
from openoutcry.bus import Directory
from openoutcry.clients.control import ControlClient
from openoutcry.control import batches, messages
from openoutcry.control import desk as d
from tests.control_world import CLIENT, Outside, wait_until

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=20)
    | st.binary(max_size=20) | st.sampled_from([*verbs.VERBS, "aapl", "main", "10.00", "books"]),
    lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=6,
)  # fmt: skip
NAMED = st.lists(st.tuples(st.sampled_from(["name", "book", "engine", "colour"]), VALUES), max_size=3).map(tuple)
PARTS = st.tuples(
    st.sampled_from(list(verbs.VERBS)) | st.text(max_size=9), st.lists(VALUES, max_size=5).map(tuple), NAMED
)
GOOD_HEAD = st.tuples(st.just(wire.VERSION), st.integers(1, 2**40))
REQUESTS = st.one_of(
    VALUES,
    st.tuples(GOOD_HEAD, PARTS).map(lambda both: (*both[0], *both[1])),
    st.tuples(GOOD_HEAD, st.lists(PARTS, max_size=6), st.booleans()).map(lambda all_: (*all_[0], all_[1], all_[2])),
    st.tuples(GOOD_HEAD, VALUES, VALUES).map(lambda all_: (*all_[0], *all_[1:])),
)


# ------------------------------------------------------------------------------------------------- any bytes
@given(st.binary(max_size=200) | REQUESTS.map(msgpack.packb))
def test_any_bytes_are_a_request_or_a_bad_one(data: bytes) -> None:
    try:
        found = messages.decode_request(data)
    except messages.BadRequest as bad:
        assert str(bad) and 0 <= bad.id <= wire.UINT63_MAX
    else:
        assert isinstance(found, messages.Request | messages.Batch)


@given(REQUESTS.map(msgpack.packb), st.booleans())
@settings(max_examples=300)
def test_every_request_is_answered_once_and_the_desk_is_empty_then(data: bytes, helpful: bool) -> None:
    """helpful: the matcher answers; otherwise all that is waited for stays silent until there is no more time."""
    outside = Outside()
    outside.desk.receive([*CLIENT, data], lambda request: batches.make_plan(request, dict), 0)
    now = 0
    while outside.desk.pending:
        now += d.ANSWER_NS // 50
        assert now < 3 * d.ANSWER_NS
        if helpful:
            answer_all(outside, now)
        outside.desk.tick(now)
    ((envelope, reply),) = outside.replies
    assert envelope == CLIENT and (not reply.error or reply.error[0] in verbs.ERROR_CODES)


def answer_all(outside: Outside, now: int) -> None:
    commands, outside.commands[:] = list(outside.commands), []
    queries, outside.queries[:] = list(outside.queries), []
    works, outside.works[:] = list(outside.works), []
    for command in commands:
        outside.desk.result((wire.RESULT, command[1], (), "null"), now)
    for number, _ in queries:
        outside.desk.reply(number, 1, "[]", now)
    for _, future in works:
        future.set_result("hash")


# ------------------------------------------------------------------------------------------------- an exchange
@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange() as ex:
        ex.create_engine("main")
        ex.create_book("aapl", "main", "AAPL")
        yield ex


@pytest.fixture
def control(exchange: Exchange) -> Iterator[ControlClient]:
    with ControlClient(exchange.directory) as client:
        yield client


def served(client: ControlClient) -> None:
    """Another client is served as always: it looks, changes something, and does several things at once."""
    assert client.depth("aapl")["book"] == "aapl"
    assert client.set_book_property("aapl", "description", "x")["name"] == "aapl"
    with client.batch() as batch:
        for _ in range(20):
            batch.depth("aapl")
    assert client.status()["ready"]


def address(ex: Exchange) -> str:
    return Directory(ex.directory).address("control")


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\x00") + b"\x00" + bytes(31)
READY = b"\x04\x26\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"
HALVES = {
    "nothing": b"",
    "half a greeting": GREETING[:20],
    "a greeting": GREETING,
    "half a handshake": GREETING + READY[:9],
    "a frame without its end": GREETING + READY + b"\x01\x00\x00\x20" + b"abc",
    "a delimiter and no request": GREETING + READY + b"\x01\x00",
    "a frame of three billion bytes": GREETING + READY + b"\x02\x00\x00\x00\x00\xb2\xd0\x5e\x00" + b"x" * 100,
    "random bytes": os.urandom(5_000),
    "another protocol": b"GET / HTTP/1.1\r\nHost: exchange\r\n\r\n",
}


@pytest.mark.parametrize("data", HALVES.values(), ids=HALVES.keys())
def test_connections_that_stop_half_way_are_nobody_elses_trouble(
    data: bytes, exchange: Exchange, control: ControlClient
) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            half = stack.enter_context(socket.socket(socket.AF_UNIX))
            half.connect(address(exchange).removeprefix("ipc://"))
            half.sendall(data)
        served(control)
        with ControlClient(exchange.directory) as late:
            served(late)


@pytest.fixture
def dealer(exchange: Exchange) -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context, context.socket(zmq.DEALER) as made:
        made.setsockopt(zmq.LINGER, 0)
        made.connect(address(exchange))
        yield made


GARBAGE: list[list[bytes]] = [
    [b"garbage"],
    [b"", b"garbage"],
    [b"", b""],
    [b""],
    [b"", b"", b""],
    [b"", b"a", b"b"],
    [b"x"] * 30,
    [b"", b"\xc1" * 1_000],
    [b"", msgpack.packb({"verb": "status"})],
    [b"", b"\xdd\xff\xff\xff\xff"],
    [b"", b"\x91" * 5_000],
    [b"", os.urandom(messages.REQUEST_MAX + 1)],
]


@pytest.mark.parametrize("parts", GARBAGE, ids=lambda parts: f"{len(parts)} parts, {sum(map(len, parts))} bytes")
def test_garbage_does_not_keep_its_sender_nor_anybody_from_being_served(
    parts: list[bytes], control: ControlClient, dealer: zmq.Socket[bytes]
) -> None:
    for _ in range(20):
        dealer.send_multipart(parts)
    dealer.send_multipart([b"", messages.encode_request(77, "depth", ("aapl",), {})])
    while True:
        assert dealer.poll(10_000)
        reply = messages.decode_reply(dealer.recv_multipart()[-1])
        if reply.id == 77:
            break
        assert reply.error[0] == "malformed"
    assert not reply.error
    served(control)


def change(number: int) -> list[bytes]:
    return [b"", messages.encode_request(number, "set_book_property", ("aapl", "description", str(number)), {})]


def replies(dealer: zmq.Socket[bytes], wait_ms: int) -> Iterator[messages.Reply]:
    while dealer.poll(wait_ms):
        yield messages.decode_reply(dealer.recv_multipart()[-1])


def answered(dealer: zmq.Socket[bytes], number: int) -> bool:
    """Ask, and read all that comes; whether the answer is in it."""
    dealer.send_multipart(change(number))
    return any(reply.id == number for reply in replies(dealer, 1_000))


def test_a_flood_is_refused_beyond_a_limit_and_others_are_served_meanwhile(
    control: ControlClient, dealer: zmq.Socket[bytes]
) -> None:
    """Replies that find the flooder's own queue full are lost to it. Once it reads, it is served like everybody; it may
    have to ask again, as clients do, while answers to its flood still come."""
    for number in range(1, 3_001):
        dealer.send_multipart(change(number))
        if number % 1_000 == 0:
            served(control)
    codes = {reply.error[0] if reply.error else "" for reply in replies(dealer, 0)}
    assert "limit" in codes and codes <= {"", "limit"}
    assert any(answered(dealer, 5_000) for _ in range(10))


def test_a_client_that_keeps_to_the_limit_is_answered_every_time(
    control: ControlClient, dealer: zmq.Socket[bytes]
) -> None:
    """Whatever it asks: what is refused is answered at once, all of it in one turn of the service."""
    number = 0
    refused = [b"", messages.encode_request(1, "depth", ("a b",), {})]
    for size in (d.CLIENT_PENDING_MAX, 31, 1, d.CLIENT_PENDING_MAX, 33, 7) * 8:
        for _ in range(size):
            dealer.send_multipart(refused)
        answers = replies(dealer, 10_000)
        assert {next(answers).error[0] for _ in range(size)} == {"bad_argument"}
        numbers = range(number + 1, number + 1 + size)
        for number in numbers:
            dealer.send_multipart(change(number))
        found = [next(answers) for _ in numbers]
        assert [(reply.id, reply.error) for reply in found] == [(number, ()) for number in numbers]


def test_a_client_that_never_reads_its_batches_is_nobody_elses_trouble(
    control: ControlClient, dealer: zmq.Socket[bytes]
) -> None:
    """Not even when the service has to work on them for seconds, without anybody else that it could wait for."""
    for verb, argument in (("list", "verbs"), ("depth", "a b"), ("frobnicate", "")):
        part = messages.encode_part(verb, (argument,), {})
        for number in range(1, 200):
            dealer.send_multipart([b"", messages.encode_batch(number, [part] * messages.BATCH_MAX, False)])
        served(control)


def test_clients_that_die_in_mid_request_leave_what_they_asked_for_done_and_nothing_else(
    exchange: Exchange, control: ControlClient
) -> None:
    parts = [messages.encode_part("create_book", (f"dead{n}", "main", f"DEAD{n}"), {}) for n in range(40)]
    program = (
        "import sys, os, zmq\n"
        "dealer = zmq.Context().socket(zmq.DEALER)\n"
        "dealer.connect(sys.argv[1])\n"
        "dealer.send_multipart([b'', bytes.fromhex(sys.argv[2])])\n"
        "dealer.poll(10_000)\n"  # the service has it, and the answer is here: die without reading it
        "os.kill(os.getpid(), 9)\n"
    )
    batch = messages.encode_batch(1, parts, False).hex()
    died = subprocess.run([sys.executable, "-c", program, address(exchange), batch], timeout=30)
    assert died.returncode == -9
    wait_until(lambda: len([row for row in control.list("books") if row["name"].startswith("dead")]) == 40)
    served(control)


def test_clients_that_come_and_go_leave_nothing_at_the_service(exchange: Exchange, control: ControlClient) -> None:
    with zmq.Context() as context:
        for number in range(1, 200):
            with context.socket(zmq.DEALER) as brief:
                brief.setsockopt(zmq.LINGER, 0)
                brief.connect(address(exchange))
                brief.send_multipart([b"", messages.encode_request(number, "depth", ("aapl",), {})])
                if number % 3 == 0:
                    assert brief.poll(10_000)

    def left() -> Any:
        found = control.statistics()["control"]["requests"]
        return found["pending"] == 1  # this one

    wait_until(left)
    served(control)
