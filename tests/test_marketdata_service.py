"""The market data process over the real bus and real sockets: joining, crashes, slow and hostile clients."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zmq

from openoutcry import bus, feed, process, wire
from openoutcry.clients.marketdata import MarketDataClient
from openoutcry.errors import ClientError, WireError
from openoutcry.marketdata import service
from tests.marketdata_world import T0, FakeMatcher, Flow, Venue, book_set, venue

MS = 1_000_000


@pytest.fixture
def place() -> Iterator[Venue]:
    with venue() as made:
        yield made


def trade_on(place: Venue, flow: Flow, frames: int, size: int = 10) -> None:
    for _ in range(frames):
        place.matcher.publish(flow.frame(size), T0 + flow.order * MS)


def wait_same(client: MarketDataClient, flow: Flow) -> None:
    """Until the client's orders are the flow's."""
    expected = {order: (side, flow.left[order], price) for _, order, side, price in flow.live}
    client.wait_for(lambda: client.book("AAPL").orders == expected and client.is_live("AAPL"))


def _lives(client: MarketDataClient, life: int) -> bool:
    return client._replicas["AAPL"].life == life and client.is_live("AAPL")


def _has_orders(client: MarketDataClient, number: int) -> bool:
    return bool(client._replicas["AAPL"].seqs["order"] == number)


# ------------------------------------------------------------------------------------------------- following
def test_a_client_joins_a_running_market_and_follows_it(place: Venue) -> None:
    flow = Flow(1)
    place.matcher.publish((book_set(),), T0)
    place.start()
    trade_on(place, flow, 20)
    with place.client() as client:
        client.subscribe("AAPL", recent_trades=1_000)
        client.wait_live("AAPL")
        trade_on(place, flow, 100)
        wait_same(client, flow)
        assert client.wait_for(lambda: client._replicas["AAPL"].counters["trades"] == flow.match)
        trades = list(client.trades("AAPL"))
        assert [trade.match for trade in trades] == list(range(1, flow.match + 1)) and not list(client.trades("AAPL"))
        counters = client.statistics()["symbols"]["AAPL"]
        assert (counters["gaps"], counters["snapshots"], client.counters["malformed"]) == (0, 1, 0)
        client.unsubscribe("AAPL")
        with pytest.raises(ClientError, match="not subscribed"):
            client.book("AAPL")


def test_it_answers_questions_about_itself(place: Venue) -> None:
    place.matcher.publish((book_set(), (wire.ADDED, 1, 1, 1, 5, 50)), T0)
    place.start()
    place.matcher.wait_acked()
    assert place.process is not None
    ok, found = place.matcher.ask("ping")
    assert (ok, found["pid"], found["last_event"]) == (1, place.process.pid, 2)
    ok, found = place.matcher.ask("statistics")
    assert ok == 1 and found["link"]["last_event"] == 2 and found["publisher"]["life"] == 1
    assert found["topics"]["AAPL"] == {
        "trade": 0, "bbo": 1, "depth": 1, "order": 1, "status": 1, "stats": 0, "auction": 0, "correction": 0,
        "quote": 0, "instrument": 1, "orders": 1, "levels": 1,
        "phase": "open",
    }  # fmt: skip
    assert place.matcher.ask("weather")[0] == 0


def test_it_may_start_before_the_matcher_and_serves_when_it_has_caught_up(tmp_path: Path) -> None:
    with venue() as place:
        place.matcher.close()
        log = place.path / "log" / "marketdata.log"
        place.matcher = FakeMatcher(bus.Directory(place.path / "elsewhere").create())
        import subprocess
        import sys

        from tests.marketdata_world import RUN

        with open(log, "ab") as file:
            place.process = subprocess.Popen([sys.executable, "-c", RUN, str(place.path), "1000"], stderr=file)
        while not place.directory.announced("marketdata"):
            time.sleep(0.005)  # another process's file: nothing to wait on
        place.matcher.close()
        place.matcher = FakeMatcher(place.directory)
        place.matcher.publish((book_set(),), T0)
        with place.client() as client:
            assert [row.topic for row in client.symbols()] == ["AAPL"]


def test_an_unknown_symbol_is_an_error_that_lists_what_there_is(place: Venue) -> None:
    place.matcher.publish((book_set(), book_set(2, "m", "main", "MSFT")), T0)
    place.start()
    with place.client() as client:
        client.subscribe("NONE")
        with pytest.raises(ClientError, match="no symbol 'NONE'; there are: AAPL, MSFT"):
            client.wait_live("NONE", 1.5)
        place.matcher.publish((book_set(3, "n", "main", "NONE"),), T0)
        assert client.wait_live("NONE").name == "n"  # it has come


def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="is the exchange up"):
        MarketDataClient.from_directory(tmp_path)
    with MarketDataClient(f"ipc://{tmp_path}/f", f"ipc://{tmp_path}/s") as client:
        with pytest.raises(ClientError, match="does not answer"):
            client.symbols(0.1)
        client.subscribe("AAPL")
        with pytest.raises(ClientError, match="does the publisher run"):
            client.wait_live("AAPL", 0.1)
        for bad in ("", "A/B", "ü", "A" * 100):
            with pytest.raises(ClientError):
                client.subscribe(bad)
    with pytest.raises(ClientError, match="cannot connect"):
        MarketDataClient("nonsense", "nonsense")
    with pytest.raises(WireError, match="no channel 'x'"):
        MarketDataClient(f"ipc://{tmp_path}/f", f"ipc://{tmp_path}/s", channels=("x",))


# ------------------------------------------------------------------------------------------------- crashes
def raw_subscriber(place: Venue, context: zmq.Context[Any], prefix: bytes) -> zmq.Socket[bytes]:
    one: zmq.Socket[bytes] = context.socket(zmq.SUB)
    one.setsockopt(zmq.LINGER, 0)
    one.setsockopt(zmq.RECONNECT_IVL, 10)
    one.setsockopt(zmq.RCVTIMEO, 10_000)
    one.setsockopt(zmq.SUBSCRIBE, b"heartbeat/")
    one.setsockopt(zmq.SUBSCRIBE, prefix)
    one.connect(place.directory.announced("marketdata")["feed"])
    return one


def take(raw: zmq.Socket[bytes], life: int, last: int = 0) -> list[int]:
    """The numbers of the order messages until a heartbeat of `life`, or until number `last`."""
    numbers: list[int] = []
    for _ in range(1_000):
        topic, data = raw.recv_multipart()
        channel, _ = feed.split_topic(topic)
        message = feed.decode(channel, data)
        if channel == feed.ORDER:
            numbers.append(message[0])
        if message[0] == last or (channel == feed.HEARTBEAT and message[-1] == life and not last):
            return numbers
    raise AssertionError(numbers)


def test_kill_9_keeps_ports_and_numbers_and_clients_recover(place: Venue) -> None:
    flow = Flow(2)
    place.matcher.publish((book_set(),), T0)
    place.start()
    facts = place.directory.announced("marketdata")
    with place.client() as client, zmq.Context() as context, raw_subscriber(place, context, b"order/") as raw:
        client.subscribe("AAPL")
        client.wait_live("AAPL")
        numbers = take(raw, 1)
        for life in range(2, 5):
            trade_on(place, flow, 50)
            place.matcher.wait_acked()
            wait_same(client, flow)
            place.kill()
            place.start()
            client.wait_for(partial(_lives, client, life))
            again = place.directory.announced("marketdata")
            assert (again["feed"], again["snapshot"], again["life"]) == (facts["feed"], facts["snapshot"], life)
            numbers += take(raw, life)
        trade_on(place, flow, 50)
        wait_same(client, flow)
        numbers += take(raw, 4, 200)
        assert numbers == list(range(1, 201))


def test_a_clean_stop_saves_an_image_and_the_next_start_goes_on_from_it(place: Venue) -> None:
    flow = Flow(3)
    place.matcher.publish((book_set(),), T0)
    place.start()
    trade_on(place, flow, 50)
    place.matcher.wait_acked()
    assert place.kill(signal.SIGTERM) == 0
    place.start()
    assert place.matcher.hellos[-1][4] == place.matcher.end == 501
    with place.client() as client:
        client.subscribe("AAPL")
        wait_same(client, flow)


def test_a_damaged_image_is_not_believed(place: Venue) -> None:
    flow = Flow(4)
    place.matcher.publish((book_set(),), T0)
    place.start()
    trade_on(place, flow, 5)
    place.matcher.wait_acked()
    place.kill(signal.SIGTERM)
    (image,) = (place.path / "marketdata").iterdir()
    data = bytearray(image.read_bytes())
    data[-5] ^= 1
    image.write_bytes(data)
    place.start()
    assert place.matcher.hellos[-1][4] == 0 and "damaged" in place.log()
    with place.client() as client:
        client.subscribe("AAPL")
        wait_same(client, flow)


def test_when_the_matcher_has_lost_events_it_starts_again_from_the_first(place: Venue) -> None:
    flow = Flow(5)
    place.matcher.publish((book_set(),), T0)
    place.start()
    trade_on(place, flow, 10)
    place.matcher.wait_acked()
    place.kill(signal.SIGTERM)
    assert any((place.path / "marketdata").iterdir())
    place.matcher.forget(50)
    place.start()
    assert place.process is not None and place.process.wait(10) == service.EXIT_REWIND
    assert not any((place.path / "marketdata").iterdir()) and "ends at 41, before event 101" in place.log()
    place.start()
    assert place.matcher.hellos[-1][4] == 0
    with place.client() as client:
        client.subscribe("AAPL")
        client.wait_live("AAPL")
        assert client._replicas["AAPL"].seqs["order"] == 4


def test_a_stream_that_does_not_fit_ends_it(place: Venue) -> None:
    place.matcher.publish((book_set(), (wire.REDUCED, 1, 77, 1, 0)), T0)
    place.start()
    assert place.process is not None and place.process.wait(10) == service.EXIT_REWIND
    assert "does not fit" in place.log()


def test_a_second_publisher_does_not_start(place: Venue) -> None:
    place.matcher.publish((book_set(),), T0)
    place.start()
    assert service.run(place.directory, "marketdata", process.Settings()) == service.EXIT_FAILED


def test_a_taken_port_is_an_error_when_it_was_asked_for_and_else_another_is_chosen(place: Venue) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert service.run(place.directory, "marketdata", process.Settings(feed_port=port)) == service.EXIT_FAILED
        place.directory.announce("marketdata", feed=f"tcp://127.0.0.1:{port}")
        place.start()
        assert place.directory.announced("marketdata")["feed"] != f"tcp://127.0.0.1:{port}"


def test_images_are_saved_while_it_runs(place: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SAVE_EVENTS", 100)
    place.matcher.publish((book_set(),), T0)
    trade_on(place, Flow(6), 30)
    one = service.Service(place.directory, "marketdata", process.Settings())
    try:
        deadline = time.monotonic() + 10
        while one.images.counters["written"] < 1 and time.monotonic() < deadline:
            one.bus.poll(10)
            one.turn()
        assert one.images.load_newest() is not None and one.images.counters["failed"] == 0
    finally:
        one.close()


def test_being_refused_by_the_matcher_ends_it(place: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    one = service.Service(place.directory, "marketdata", process.Settings())
    try:
        with pytest.raises(bus.BusRefused):
            one._receive(wire.frame(wire.ERROR, wire.ERROR_FENCED, "newer"), 1)
        one._receive(b"junk", 1)
        assert one.counters["malformed_frames"] == 1
    finally:
        one.close()


# ------------------------------------------------------------------------------------------------- other clients
def test_a_sleeping_subscriber_loses_messages_and_nobody_else_does(place: Venue) -> None:
    flow = Flow(7)
    place.matcher.publish((book_set(),), T0)
    place.start(hwm=10)
    facts = place.directory.announced("marketdata")
    small = MarketDataClient(facts["feed_ipc"], facts["snapshot_ipc"], channels=(feed.ORDER,), receive_hwm=10)
    with small as sleeper, place.client(channels=(feed.ORDER,)) as reader:
        for client in (sleeper, reader):
            client.subscribe("AAPL")
            client.wait_live("AAPL")
        for number in range(1, 301):
            trade_on(place, flow, 5, size=60)
            reader.wait_for(partial(_has_orders, reader, 5 * number))
        assert reader._replicas["AAPL"].counters["gaps"] == 0
        wait_same(sleeper, flow)  # awake again: it notices, and asks for a snapshot
        assert sleeper._replicas["AAPL"].counters["gaps"] >= 1
        assert reader._replicas["AAPL"].counters["snapshots"] == 1


def ask(socket: zmq.Socket[bytes], *parts: bytes) -> list[bytes]:
    socket.send_multipart(parts)
    return socket.recv_multipart()


def test_req_and_dealer_clients_get_snapshots(place: Venue) -> None:
    place.matcher.publish((book_set(),), T0)
    place.start()
    facts = place.directory.announced("marketdata")
    with zmq.Context() as context:
        for kind, address, head in (
            (zmq.REQ, facts["snapshot"], []), (zmq.DEALER, facts["snapshot"], [b""]),
            (zmq.DEALER, facts["snapshot_ipc"], []),
        ):  # fmt: skip
            with context.socket(kind) as one:
                one.setsockopt(zmq.LINGER, 0)
                one.setsockopt(zmq.RCVTIMEO, 10_000)
                one.connect(address)
                *got, data = ask(one, *head, feed.request(5, "snapshot", "AAPL"))
                number, error, body = feed.decode_reply(data)
                assert got == head and (number, error) == (5, "")
                assert feed.decode_snapshot(body)[0].name == "aapl"
                assert feed.decode_reply(ask(one, *head, b"junk")[-1])[1] == "malformed"


def test_hostile_bytes_do_not_stop_the_service(place: Venue) -> None:
    place.matcher.publish((book_set(),), T0)
    place.start()
    facts = place.directory.announced("marketdata")
    junk = [os.urandom(70_000), b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 8 + b"\x01\x7f" + b"\x00" * 200, b""]
    for address in (facts["feed"], facts["snapshot"]):
        host, _, port = address.removeprefix("tcp://").partition(":")
        for data in junk:
            with socket.create_connection((host, int(port))) as tcp:
                try:
                    tcp.sendall(data)
                except OSError:
                    pass  # hung up on
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer, context.socket(zmq.XSUB) as xsub:
        for one, address in ((dealer, facts["snapshot"]), (xsub, facts["feed"])):
            one.setsockopt(zmq.LINGER, 0)
            one.connect(address)
        for parts in ([b"a"] * 5, [b"x", b"y"], [b""], [b"", b""], [b"", b"z" * 1_000]):
            dealer.send_multipart(parts)
        for prefix in (b"", b"\x01" + os.urandom(30), b"\x01trade/\xff/", b"\x00trade/", b"\x02what"):
            xsub.send(prefix)
        flow = Flow(8)
        trade_on(place, flow, 5)
        with place.client() as client:
            client.subscribe("AAPL")
            wait_same(client, flow)
    found = place.matcher.ask("statistics")[1]
    assert found["malformed_requests"] + found["snapshots"]["malformed"] >= 5
