"""The gateway process, on the real bus, with a matcher played by hand and clients on plain sockets."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from openoutcry import Exchange, bus, wire
from openoutcry.passwords import hash_password
from tests.gateway_world import (
    NAME,
    Client,
    GatewayProcess,
    HandMatcher,
    accepted,
    connected,
    enter,
    executed,
    number_of,
    without_message,
)

STREAM = "0001000001"
World = tuple[HandMatcher, GatewayProcess]


@pytest.fixture
def both(directory: bus.Directory, on_uvloop: bool) -> Iterator[World]:
    """A gateway on each kind of loop."""
    yield from connected(directory, on_uvloop)


@pytest.fixture
def world(directory: bus.Directory) -> Iterator[World]:
    """A matcher and a gateway."""
    yield from connected(directory)


def logged_on(matcher: HandMatcher, port: int, session: int = 1, stream: str = STREAM, first: bool = True) -> Client:
    """A client that is logged on and has seen its Login Accepted."""
    client = Client(port).login(f"U{session}")
    matcher.log_on(session, stream, first)
    assert client.packet() == accepted(stream, 1)
    return client


def test_orders_go_in_and_messages_come_out(both: World) -> None:
    matcher, _ = both
    port = matcher.open_endpoint()
    with logged_on(matcher, port) as client:
        assert client.packet() == b"SS" + struct.pack(">Q", 1_000_000_000) + b"S"
        client.send(*(enter(f"T{n}") for n in range(100)))
        tokens = [matcher.wait_for(wire.ENTER)[2] for _ in range(100)]
        assert tokens == [f"T{n}".encode().ljust(14) for n in range(100)]
        matcher.emit(*(executed(1, n) for n in range(1, 201)))
        matcher.emit(*(executed(1, n) for n in range(201, 301)))
        assert [number_of(packet) for packet in client.packets(300)] == list(range(1, 301))
    assert matcher.wait_for(wire.LOGOFF)[1] == 1


def test_a_frame_of_commands_carries_what_came_in_one_turn(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint()
    with logged_on(matcher, port) as client:
        client.send(*(enter(f"T{n}") for n in range(200)))
        for _ in range(200):
            matcher.wait_for(wire.ENTER)
        statistics = matcher.query("statistics")
        assert statistics["endpoints"]["orders"]["messages_in"] == 200
        assert statistics["store"]["records"] <= 4


def test_a_login_may_ask_for_any_message(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint()
    with logged_on(matcher, port) as client:
        matcher.emit(*(executed(1, n) for n in range(2, 11)))  # number n is message n
        assert len(client.packets(10)) == 10
    for asked, first in ((1, 1), (5, 5), (10, 10), (11, 11), (99, 11), (0, 10)):
        with Client(port).login("U1", session=STREAM, sequence=asked) as again:
            matcher.log_on(1, STREAM, first=False)
            assert again.packet() == accepted(STREAM, first)
            if first == 1:
                assert again.packet()[:2] == b"SS"
            numbers = [number_of(again.packet()) for _ in range(max(first, 2), 11)]
            assert numbers == list(range(max(first, 2), 11))


def test_a_login_for_another_stream_or_an_ended_one_is_refused(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint()
    with logged_on(matcher, port) as client:
        client.packet()
        with Client(port).login("U1", session="0001000002") as other:
            assert other.packet() == b"JS"
            assert other.packet() == b""
        matcher.emit((wire.SYSTEM, 1, "E"))
        assert client.packet()[:2] == b"SS"
        assert client.packet() == b"Z"
        assert client.packet() == b""
    with Client(port).login("U1", session=STREAM) as late:
        assert late.packet() == b"JS"
    with Client(port).login("U1") as fresh:  # the next day
        matcher.log_on(1, "0002000001")
        assert fresh.packet() == accepted("0002000001", 1)


def test_a_second_login_closes_the_older_connection(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint()
    with logged_on(matcher, port) as older:
        older.packet()
        with Client(port).login("U1") as newer:
            matcher.log_on(1, STREAM, first=False)
            assert newer.packet() == accepted(STREAM, 1)
            assert older.packet() == b""
            matcher.emit(executed(1, 5))
            assert [newer.packet()[:2], number_of(newer.packet())] == [b"SS", 5]


def test_passwords_are_checked_where_there_are_users(world: World) -> None:
    matcher, _ = world
    matcher.emit((wire.USER_SET, "Ann", "orders", "ANN", hash_password("Secret")))
    port, free = matcher.open_endpoint(), matcher.open_endpoint("free")
    for user, password in (("ANN", "wrong"), ("BOB", "Secret"), ("", "")):
        with Client(port).login(user, password) as client:
            assert client.packet() == b"JA"
            assert client.packet() == b""
    with Client(port).login("ann", "SECRET") as client:
        matcher.log_on(1, STREAM)
        assert client.packet() == accepted(STREAM, 1)
    with Client(free).login("BOB", "") as client:
        matcher.log_on(2, "0001000002")
        assert client.packet() == accepted("0001000002", 1)
    endpoints = matcher.query("statistics")["endpoints"]
    assert (endpoints["orders"]["users"], endpoints["free"]["any login accepted"]) == (1, True)
    assert (endpoints["orders"]["rejected_logins"], endpoints["orders"]["logins"]) == (3, 1)
    matcher.emit((wire.USER_DELETED, "Ann"))
    matcher.query("ping")  # has been taken, when this is answered
    with Client(port).login("BOB", "") as client:
        matcher.log_on(3, "0001000003")
        assert client.packet() == accepted("0001000003", 1)


def test_guessing_is_limited(world: World) -> None:
    matcher, _ = world
    checked_at_once = (
        f"scrypt$2$8$1${b'salt'.hex()}${hashlib.scrypt(b'SECRET', salt=b'salt', n=2, r=8, p=1, dklen=32).hex()}"
    )
    matcher.emit((wire.USER_SET, "ANN", "", "ANN", checked_at_once))
    port = matcher.open_endpoint()
    for _ in range(10):  # those who find the checker busy are turned away without a failure
        with ExitStack() as stack:
            guessers = [stack.enter_context(Client(port)).login("ANN", "guess") for _ in range(25)]
            assert [guesser.packet() for guesser in guessers] == [b"JA"] * 25
        if matcher.query("statistics")["logins"]["too_many_failures"]:
            break
    with Client(port).login("ANN", "Secret") as client:
        assert client.packet() == b"JA"


@pytest.mark.parametrize("silent", [0, 2], ids=["all events are messages", "one event in three is"])
def test_after_kill_9_the_endpoint_is_back_on_its_port_and_nothing_is_lost_or_doubled(
    directory: bus.Directory, silent: int
) -> None:
    matcher, gateway = HandMatcher(directory), GatewayProcess(directory)
    try:
        port = matcher.open_endpoint()
        client = logged_on(matcher, port)
        before = [client.packet()]
        emitted = 1
        events: list[tuple[object, ...]] = []
        for life in range(2, 7):
            count = random.Random(life).randint(1, 300)
            for n in range(1, count + 1):
                events += (executed(1, emitted + n), *[without_message(1)] * silent)
            matcher.emit(*events)
            events = [without_message(1)] * silent  # the next frame begins, and maybe the last one ends, with them
            gateway.kill()  # anywhere between taking the events and sending them
            emitted += count
            client.socket.settimeout(0.5)
            while packet := client.packet():
                before.append(packet)
            client.socket.close()
            gateway = GatewayProcess(directory, uvloop=life % 2 == 0)
            assert matcher.wait_for_life(life) >= 3
            assert matcher.wait_for(wire.BOUND)[2:] == ("127.0.0.1", port, "")
            client = Client(port).login("U1", session=STREAM, sequence=len(before) + 1)
            matcher.log_on(1, STREAM, first=False)
            assert client.packet() == accepted(STREAM, len(before) + 1)
            before += client.packets(emitted - len(before))
            assert [number_of(packet) for packet in before[1:]] == list(range(2, emitted + 1))
        with Client(port).login("U1") as all_again:
            matcher.log_on(1, STREAM, first=False)
            assert all_again.packet() == accepted(STREAM, 1)
            assert all_again.packets(emitted) == before
        client.socket.close()
    finally:
        gateway.kill()
        matcher.close()


def test_clients_may_wait_for_the_matcher_and_survive_its_restart(directory: bus.Directory) -> None:
    gateway = GatewayProcess(directory)
    matcher = HandMatcher(directory)  # it came later
    try:
        port = matcher.open_endpoint()
        with logged_on(matcher, port) as client:
            client.packet()
            matcher.close()
            client.send(enter("T1"), enter("T2"))
            matcher = HandMatcher(directory, epoch=2, events=matcher.events)
            matcher.generation = 1  # as its journal says; LOGON and BOUND were commands 1 and 2
            matcher.last_command = 2
            assert [matcher.wait_for(wire.ENTER)[2].strip() for _ in range(2)] == [b"T1", b"T2"]
            matcher.emit(executed(1, 7))
            assert number_of(client.packet()) == 7
    finally:
        gateway.kill()
        matcher.close()


def test_a_matcher_that_forgot_events_makes_the_gateway_forget_them(directory: bus.Directory) -> None:
    matcher = HandMatcher(directory)
    gateway = GatewayProcess(directory)
    try:
        port = matcher.open_endpoint()
        with logged_on(matcher, port) as client:
            matcher.emit(*(executed(1, n) for n in range(2, 11)))
            client.packets(10)
            kept = matcher.events[: len(matcher.events) - 4]  # in the midst of a record
            matcher.close()
            matcher = HandMatcher(directory, epoch=2, events=kept)
            matcher.generation, matcher.last_command = 1, 2
            assert matcher.wait_for_hello(2) < len(kept)  # the first HELLO named one that the matcher does not have
            assert client.packet() == b""
        with Client(port).login("U1", session=STREAM) as again:
            matcher.log_on(1, STREAM, first=False)
            assert again.packet() == accepted(STREAM, 1)
            matcher.emit(executed(1, 77))
            assert again.packet()[:2] == b"SS"
            assert [number_of(packet) for packet in again.packets(6)] == [2, 3, 4, 5, 6, 77]
    finally:
        gateway.kill()
        matcher.close()


def test_a_long_stream_is_replayed_in_bounded_memory_while_others_trade(directory: bus.Directory) -> None:
    count = 300_000  # what bounds memory does not know how many there are
    for matcher, gateway in connected(directory):
        port = matcher.open_endpoint()
        with logged_on(matcher, port) as client:
            sent = 1
            while sent < count:
                matcher.emit(*(executed(1, sent + n) for n in range(1, 1_001)))
                sent += 1_000
                if sent % 20_000 == 1:
                    matcher.turn(0)
                    assert len(client.packets(20_000)) == 20_000
            with logged_on(matcher, port, 2, "0001000002") as other, Client(port) as slow, Client(port) as reader:
                other.packet()
                before = gateway.memory_kb()
                slow.login("U1")
                matcher.log_on(1, STREAM, first=False)
                assert slow.packet() == accepted(STREAM, 1)  # and reads no more
                matcher.emit(executed(2, 1))
                assert number_of(other.packet()) == 1
                reader.login("U1")
                matcher.log_on(1, STREAM, first=False)
                assert reader.packet() == accepted(STREAM, 1)
                for n in range(2, 30):  # live messages of both in the midst of the replay
                    matcher.emit(executed(2, n), executed(1, sent + n - 1))
                    assert number_of(other.packet()) == n
                assert reader.packet()[:2] == b"SS"
                numbers = [number_of(reader.packet()) for _ in range(sent - 1 + 28)]
                assert numbers == list(range(2, sent + 29))
                assert gateway.memory_kb() - before < 20_000


def test_a_slow_client_is_dropped_and_the_others_are_not(world: World) -> None:
    matcher, gateway = world
    port = matcher.open_endpoint(write_buffer_max=100_000)
    with logged_on(matcher, port, 2, "0001000002") as other, Client(port) as slow:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.login("U1")
        matcher.log_on(1, STREAM)
        other.packet()
        before = gateway.memory_kb()
        for turn in range(400):
            matcher.emit(*(executed(1, n) for n in range(1, 500)), executed(2, turn + 1))
            assert number_of(other.packet()) == turn + 1
            matcher.turn(0)
        assert matcher.wait_for(wire.LOGOFF)[1] == 1
        assert matcher.query("statistics")["endpoints"]["orders"]["dropped_slow"] == 1
        assert gateway.memory_kb() - before < 20_000


def test_the_matcher_being_behind_stops_clients_not_memory(world: World) -> None:
    matcher, gateway = world
    port = matcher.open_endpoint()
    with logged_on(matcher, port) as client:
        client.packet()
        before = gateway.memory_kb()
        matcher.answering = False
        client.socket.settimeout(1.0)
        sent = 0
        batch = b"".join(struct.pack(">H", 50) + b"U" + enter(f"T{n}") for n in range(1_000))
        with pytest.raises(TimeoutError):
            while sent < 1_000_000:
                matcher.turn(0)
                client.socket.sendall(batch)
                sent += 1_000
        assert gateway.memory_kb() - before < 30_000
        matcher.answering = True
        for n in range(sent):
            assert matcher.wait_for(wire.ENTER)[2] == f"T{n % 1000}".encode().ljust(14)


def test_endpoints_open_change_and_close_as_they_are_told(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint("one")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        matcher.emit((wire.ENDPOINT_SET, "two", "main", "ouch42", "127.0.0.1", taken.getsockname()[1], (), "matching"))
        bound = matcher.wait_for(wire.BOUND)
        port_taken = f"cannot listen on 127.0.0.1 port {taken.getsockname()[1]}: Address already in use"
        assert bound[1:5] == ("two", "127.0.0.1", 0, port_taken)
    for protocol, host, text in (
        ("nonsense", "127.0.0.1", "no protocol"),
        ("ouch42", "here", "host 'here' is not an IP address"),
    ):
        matcher.emit((wire.ENDPOINT_SET, "two", "main", protocol, host, 0, (), "matching"))
        bound = matcher.wait_for(wire.BOUND)
        assert bound[3] == 0 and text in bound[4] and bound[4]
    with logged_on(matcher, port) as client:
        client.packet()
        matcher.emit((wire.ENDPOINT_DELETED, "one"), (wire.ENDPOINT_DELETED, "two"))
        assert client.packet() == b"Z"
        assert client.packet() == b""
    with pytest.raises(ConnectionRefusedError):
        Client(port)
    assert matcher.query("statistics")["endpoints"] == {}


def test_an_endpoint_that_is_made_again_at_once_is_another_one(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint("one")
    with logged_on(matcher, port) as client:
        client.packet()
        again = (wire.ENDPOINT_SET, "one", "main", "ouch42", "127.0.0.1", 0, (), "matching")
        matcher.emit((wire.ENDPOINT_DELETED, "one"), again)  # in one frame
        _, name, _, new, error = matcher.wait_for(wire.BOUND)
        assert (name, error) == ("one", "") and new
        assert (client.packet(), client.packet()) == (b"Z", b"")
    with logged_on(matcher, new, session=2, stream="0000000002") as client:
        assert client.packet()


def test_properties_apply_to_connections_that_are_there(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(heartbeat_ms=60_000, receive_timeout_ms=600_000)
    with logged_on(matcher, port) as client, Client(port) as silent:
        client.packet()
        while matcher.query("statistics")["endpoints"]["orders"]["connections"] < 2:
            pass  # `silent` waits in the kernel
        properties = (
            ("heartbeat_ms", 50),
            ("login_timeout_ms", 50),
            ("max_connections", 2),
            ("receive_timeout_ms", 400),
        )
        matcher.emit((wire.ENDPOINT_SET, "orders", "main", "ouch42", "127.0.0.1", 0, properties, "matching"))
        began = time.monotonic()
        assert client.packet(heartbeats=True) == b"H"
        with Client(port) as third:
            assert third.packet() == b""
        while client.packet(heartbeats=True):
            pass
        assert 0.3 < time.monotonic() - began < 1.5  # silent for 400 ms
        with Client(port) as late:
            assert late.packet() == b""  # has not logged in within 50 ms
        silent.login("U2")
        matcher.log_on(2, "0001000002")
        assert silent.packet() == accepted("0001000002", 1)


def test_a_client_of_version_4_10_names_its_own_timeout(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint()
    with Client(port) as client:
        client.login("U1", heartbeat_ms=200)
        matcher.log_on(1, STREAM)
        client.packets(2)
        began = time.monotonic()
        assert client.packet() == b""
        assert 0.15 < time.monotonic() - began < 1.0


def test_silent_connections_beyond_the_limit_of_an_address_have_little_time(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint()
    clients = [Client(port) for _ in range(60)]
    try:
        last = clients[-1]
        began = time.monotonic()
        assert last.packet() == b""
        assert 0.5 < time.monotonic() - began < 3.0
        with logged_on(matcher, port):  # an honest client is let in all the same
            pass
    finally:
        for client in clients:
            client.socket.close()


@pytest.mark.parametrize("seed", range(3))
def test_garbage_hurts_nobody_but_its_sender(world: World, seed: int) -> None:
    matcher, gateway = world
    rng = random.Random(seed)
    port = matcher.open_endpoint(login_timeout_ms=200)
    with logged_on(matcher, port) as client:
        client.packet()
        garbage = [
            b"\0\0",
            b"\xff\xff" + bytes(70_000),
            b"\0\x01R",
            b"\0\x2fL" + bytes(46),
            b"\0\x05U123",
            b"GET / HTTP/1.1\r\n\r\n",
        ]
        garbage += [rng.randbytes(rng.randint(1, 3_000)) for _ in range(60)]
        bad = 0
        for data in garbage:
            with Client(port) as sender:
                try:
                    sender.socket.sendall(data)
                    sender.socket.shutdown(socket.SHUT_WR) if bad % 2 else None
                except OSError:
                    pass
                bad += 1
                if bad % 10 == 0:
                    matcher.emit(executed(1, bad))
                    assert number_of(client.packet()) == bad
        client.send(b"", b"O", b"O" * 49, b"?" * 20, b"X" * 19)  # inside a session: ignored
        client.send(enter("T1"))
        assert matcher.wait_for(wire.ENTER)[2] == b"T1".ljust(14)
        statistics = matcher.query("statistics")
        assert statistics["exceptions"] == 0
        assert statistics["endpoints"]["orders"]["protocol_errors"] >= 5
        assert statistics["endpoints"]["orders"]["ignored"] >= 3
    code, text = gateway.stop()
    assert code == 0
    assert "Traceback" not in text
    assert text.count("\n") < 120


def test_a_client_that_leaves_before_its_logon_is_answered_is_logged_off(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint()
    with Client(port) as client:
        client.login("U1")
        _, endpoint, user, connection, _ = matcher.wait_for(wire.LOGON)
    while matcher.query("statistics")["endpoints"]["orders"]["connections"]:
        pass
    matcher.emit(
        (wire.SESSION_STREAM, 1, endpoint, user, STREAM), (wire.LOGGED_ON, 1, endpoint, connection, STREAM)
    )  # fmt: skip
    assert matcher.wait_for(wire.LOGOFF) == (wire.LOGOFF, 1, connection)


def test_a_logon_that_the_matcher_refuses_is_a_rejected_login(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint()
    with Client(port) as client:
        client.login("U1")
        _, endpoint, _, connection, _ = matcher.wait_for(wire.LOGON)
        matcher.emit((wire.LOGON_REFUSED, endpoint, connection, "the day has ended"))
        assert client.packet() == b"JS"
        assert client.packet() == b""


def test_a_logout_closes_at_once_and_logs_off(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint()
    with logged_on(matcher, port) as client:
        client.packet()
        client.socket.sendall(b"\0\x01O")
        assert client.packet() == b""
        assert matcher.wait_for(wire.LOGOFF)[1] == 1


def test_an_event_that_cannot_be_rendered_costs_its_own_message_only(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint()
    with logged_on(matcher, port) as client:
        client.packet()
        matcher.emit(
            (wire.EXECUTED, 1, b"T", 2**40, 1, 1, 1, 0, 9), executed(1, 2), (wire.EXECUTED, 9, b"T", 1, 1, 1, 1, 0, 1)
        )
        matcher.emit((wire.EXECUTED, 1, b"T", 2**40, 1, 1, 1, 0, 9))
        matcher.emit(executed(1, 3))
        assert [number_of(packet) for packet in client.packets(2)] == [2, 3]
        delivery = matcher.query("statistics")["delivery"]
        assert (delivery["not_rendered"], delivery["orphans"]) == (2, 1)


def test_events_that_the_protocol_has_no_message_for_use_up_no_number(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint()
    with logged_on(matcher, port) as client:
        client.packet()
        matcher.emit(without_message(1))  # a frame, and so a record of the store, without any message
        matcher.emit(without_message(1), executed(1, 2), without_message(1), without_message(1), executed(1, 3))
        assert [number_of(packet) for packet in client.packets(2)] == [2, 3]
        delivery = matcher.query("statistics")["delivery"]
        assert (delivery["not_rendered"], delivery["without_message"]) == (0, 4)
    with Client(port).login("U1", session=STREAM, sequence=0) as again:
        matcher.log_on(1, STREAM, first=False)
        assert again.packet() == accepted(STREAM, 3)
        matcher.emit(without_message(1), executed(1, 4))
        assert [number_of(packet) for packet in again.packets(2)] == [3, 4]


def test_a_newer_life_of_the_same_gateway_stops_the_older_one(world: World) -> None:
    matcher, gateway = world
    matcher.send(wire.frame(wire.ERROR, wire.ERROR_FENCED, "generation 2 has said HELLO"))
    code, text = gateway.wait()
    assert code == 3
    assert "generation 2" in text


def test_a_second_process_of_the_same_name_does_not_start(world: World, directory: bus.Directory) -> None:
    code, text = GatewayProcess(directory).wait()
    assert code == 1
    assert f"{NAME} is already running" in text


def test_sigterm_stops_it_cleanly_and_it_goes_on_where_it_was(directory: bus.Directory) -> None:
    matcher = HandMatcher(directory)
    gateway = GatewayProcess(directory)
    try:
        port = matcher.open_endpoint()
        with logged_on(matcher, port) as client:
            client.packet()
            assert gateway.stop()[0] == 0
            assert client.packet() == b""
        gateway = GatewayProcess(directory)
        assert matcher.wait_for_life(2) == len(matcher.events)
        gateway.process.send_signal(signal.SIGINT)
        assert gateway.wait()[0] == 0
    finally:
        gateway.kill()
        matcher.close()


def test_it_answers_questions_about_itself(world: World) -> None:
    matcher, gateway = world
    assert matcher.query("ping") == {"pid": gateway.process.pid, "event": len(matcher.events)}
    assert matcher.query("nonsense")[0] == "bad_argument"
    assert matcher.query("statistics")["link"]["ready"] is True
    matcher.send(b"\xc1", b"", os.urandom(50))  # malformed frames are counted, nothing more
    assert matcher.query("statistics")["malformed_frames"] == 3


def test_a_port_that_was_taken_meanwhile_is_opened_again_when_it_is_free(directory: bus.Directory) -> None:
    matcher = HandMatcher(directory)
    gateway = GatewayProcess(directory)
    try:
        port = matcher.open_endpoint()
        gateway.kill()
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind(("127.0.0.1", port))
            thief.listen()
            gateway = GatewayProcess(directory)
            matcher.wait_for_life(2)
            assert matcher.query("statistics")["endpoints"]["orders"]["port"] == 0
        assert matcher.wait_for(wire.BOUND)[2:] == ("127.0.0.1", port, "")
        with logged_on(matcher, port) as client:
            assert client.packet()[:2] == b"SS"
    finally:
        gateway.kill()
        matcher.close()


def test_with_the_real_matcher_days_come_and_go_and_a_kill_changes_nothing() -> None:
    with Exchange() as exchange:
        exchange.create_engine("main")
        exchange.create_book("aapl", "main", "AAPL")
        endpoint = exchange.create_endpoint("orders", "main", "ouch42")
        with Client(endpoint.port).login("ANN") as ann, Client(endpoint.port).login("BOB") as bob:
            assert ann.packet()[:1] == b"A" and bob.packet()[:1] == b"A"
            ann.send(enter("A1"), enter("A2"))
            seen = ann.packets(3)
            assert [packet[:2] for packet in seen] == [b"SS", b"SA", b"SA"]
            exchange.kill("gateway-1")
            assert (ann.packet(), bob.packets(2)[1]) == (b"", b"")
            exchange.restart("gateway-1")
        with Client(endpoint.port).login("ANN") as ann:
            stream = ann.packet()[1:11].decode().strip()
            assert ann.packets(3) == seen
            ann.send(enter("A1"), enter("A3"))  # a repeated token is ignored
            assert ann.packet()[:2] == b"SA"
            exchange.end_of_day("main")
            assert [ann.packet()[:2] for _ in range(4)] == [b"SC", b"SC", b"SC", b"SS"]
            assert [ann.packet(), ann.packet()] == [b"Z", b""]
        for session in (stream, ""):
            with Client(endpoint.port).login("ANN", session=session) as late:
                assert late.packet() == b"JS"
        exchange.start_of_day("main")
        with Client(endpoint.port).login("ANN") as ann:
            assert ann.packet() == accepted(f"0002{stream[4:]}", 1)
            assert ann.packet()[:2] == b"SS"
            exchange.delete_endpoint("orders")
            assert [ann.packet(), ann.packet()] == [b"Z", b""]
        again = exchange.create_endpoint("orders", "main", "ouch42")
        with Client(again.port).login("ANN") as ann:
            assert ann.packet()[:1] == b"A"
