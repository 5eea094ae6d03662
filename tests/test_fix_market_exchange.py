"""Market data over FIX from a real publisher, through a real gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from openoutcry import Exchange
from tests.control_world import wait_until
from tests.fix_gateway_world import FixClient
from tests.fix_market_world import entries


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange() as exchange:
        exchange.create_engine("main")
        exchange.create_book("book-x", "main", "X")
        exchange.create_book("book-y", "main", "Y")
        exchange.create_endpoint("fix", "main", "fix")
        yield exchange


def read(client: FixClient) -> list[tuple[int, Any]]:
    found = client.read()
    assert found is not None
    return list(found)


def test_a_client_follows_a_real_book(exchange: Exchange) -> None:
    desk = exchange.desk("main", "maker")
    desk.enter("b", "book-x", "buy", 100, "10.00")
    with FixClient(exchange.endpoint("fix").port, begin="FIX.4.4") as client:
        client.send("35=A|98=0|108=30")
        assert read(client)[2] == (35, "A")
        client.send("35=V|262=r|263=1|264=0|265=1|267=3|269=0|269=1|269=2|146=1|55=X")
        snapshot = read(client)
        assert snapshot[2] == (35, "W") and (268, "1") in snapshot and (270, "10") in snapshot
        desk.enter("s", "book-x", "sell", 40, "10.00")
        told: list[dict[int, str]] = []
        while len(told) < 2:  # the book and its trades are two topics of the feed
            increment = read(client)
            assert increment[2] == (35, "X")
            told += entries(increment, 279)
        assert sorted((entry[279], entry[269], entry[271]) for entry in told) == [("0", "2", "40"), ("1", "0", "60")]
        client.send("35=e|324=e|55=X|263=1")
        assert (326, "17") in read(client)
        exchange.halt("book-x")
        assert (326, "2") in read(client)
        exchange.resume("book-x")
        assert (326, "17") in read(client)
        exchange.create_book("book-new", "main", "NEW")  # nobody has heard of it yet
        client.send("35=V|262=n|263=0|264=1|267=1|269=0|146=1|55=NEW")
        assert (268, "0") in read(client)
        client.send("35=x|320=q|559=4")
        assert [value for tag, value in read(client) if tag == 55] == ["X", "Y", "NEW"]


def test_a_publisher_that_is_killed_is_followed_again(exchange: Exchange) -> None:
    desk = exchange.desk("main", "maker")
    with FixClient(exchange.endpoint("fix").port, begin="FIX.4.2", ours="OTHER") as client:
        client.send("35=A|98=0|108=30")
        read(client)
        client.send("35=V|262=r|263=1|264=0|265=1|267=2|269=0|269=1|146=1|55=Y")
        assert (268, "0") in read(client)
        exchange.kill("marketdata")
        exchange.restart("marketdata")
        desk.enter("y", "book-y", "buy", 7, "5.00")
        increment = read(client)
        assert increment[2] == (35, "X") and (271, "7") in increment


def test_subscriptions_end_with_a_connection_that_is_lost(exchange: Exchange) -> None:
    def followed() -> int:
        return int(exchange.statistics()["gateway-1"]["fix"]["market"]["feed"]["followed"])

    before = followed() if "market" in exchange.statistics()["gateway-1"]["fix"] else 0
    with FixClient(exchange.endpoint("fix").port, begin="FIX.4.4", ours="LOST") as client:
        client.send("35=A|98=0|108=30")
        read(client)
        client.send("35=V|262=r|263=1|264=0|266=N|265=1|267=1|269=0|146=1|55=Y")
        read(client)
        assert followed() == before + 1
    wait_until(lambda: followed() == before)


@pytest.mark.parametrize("kind", ["matching", "manual"])
def test_a_client_whose_endpoint_serves_another_engine_follows_that_ones_books(exchange: Exchange, kind: str) -> None:
    exchange.create_engine(kind, kind)
    for symbol in ("X", "Z"):
        exchange.create_book(f"{kind}-{symbol}", kind, symbol)
    exchange.desk(kind, "maker").enter("other", f"{kind}-X", "buy", 5, "7.00")
    endpoint = exchange.create_endpoint(f"to-{kind}", "main", "fix")
    with FixClient(endpoint.port, begin="FIX.4.4", ours="MOVED") as client:
        client.send("35=A|98=0|108=30")
        read(client)
        for name, symbol in (("r", "X"), ("s", "Y")):
            client.send(f"35=V|262={name}|263=1|264=0|265=1|267=1|269=1|146=1|55={symbol}")
            assert read(client)[2] == (35, "W")
        client.send("35=e|324=e|55=X|263=1")
        assert (326, "17") in read(client)
        endpoint.set_engine(kind)
        told = sorted((dict(read(client)) for _ in range(3)), key=lambda fields: fields[35])
        assert [fields[35] for fields in told] == ["W", "Y", "f"]
        snapshot, reject, status = told
        assert (snapshot[262], snapshot[55], snapshot[268]) == ("r", "X", "0")
        assert (reject[262], reject[281], reject[58]) == ("s", "0", "unknown symbol Y")
        assert (status[324], status[325], status[326]) == ("e", "Y", "17")
        exchange.desk("main", "maker").enter(f"to-{kind}", "book-x", "sell", 1, "99.00")
        exchange.desk(kind, "maker").enter("new", f"{kind}-X", "sell", 3, "98.00")
        for _ in exchange.requests(kind):
            exchange.accept_request(kind)
        increment = read(client)
        assert increment[2] == (35, "X") and (270, "98") in increment and (270, "99") not in increment
        exchange.desk("main", "maker").cancel(f"to-{kind}")
        client.socket.close()
    with FixClient(endpoint.port, begin="FIX.4.4", ours="MOVED") as client:  # nothing is left of it for the next one
        client.send("35=A|98=0|108=30|141=Y")
        read(client)
        exchange.halt(f"{kind}-X")
        exchange.mass_cancel(kind, book=f"{kind}-X")
        client.send("35=1|112=all")
        assert (112, "all") in read(client)


def test_an_engine_without_books_has_nothing_to_follow(exchange: Exchange) -> None:
    exchange.create_engine("mirror", "echo")
    endpoint = exchange.create_endpoint("to-mirror", "main", "fix44")
    with FixClient(endpoint.port, begin="FIX.4.4", ours="MOVED") as client:
        client.send("35=A|98=0|108=30")
        read(client)
        client.send("35=V|262=r|263=1|264=0|265=1|267=1|269=0|146=1|55=X")
        assert read(client)[2] == (35, "W")
        client.send("35=g|335=g|263=1")
        assert (340, "2") in read(client)
        endpoint.set_engine("mirror")
        told = sorted((dict(read(client)) for _ in range(2)), key=lambda fields: fields[35])
        assert [(fields[35], fields.get(262), fields.get(340)) for fields in told] == [
            ("Y", "r", None),
            ("h", None, "3"),
        ]
        exchange.desk("main", "maker").enter("quiet", "book-x", "buy", 1, "1.00")
        client.send("35=1|112=all")
        assert (112, "all") in read(client)
