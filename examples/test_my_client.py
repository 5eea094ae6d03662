"""How to test a trading client against a real exchange: ``pytest examples/test_my_client.py``.

``exchange`` is a fixture that comes with the package: a whole exchange of this test's own, with real TCP ports. The
client under test here is ``buy_cheaply``; put yours in its place, and give it ``endpoint.host`` and ``endpoint.port``.
"""

from __future__ import annotations

import pytest

from openoutcry import Endpoint, Exchange
from openoutcry.clients.ouch import OuchClient


def buy_cheaply(host: str, port: int, shares: int, limit: str) -> int:
    """Buy what is there at `limit` or better, at once; returns how much that was."""
    with OuchClient(host, port, "me") as client:
        token = client.enter("AAPL", "B", shares, limit, time_in_force=0)
        client.wait_for("A", order_token=token)
        bought = 0
        while bought < shares:
            message = client.next_message()
            if message.type == "E":
                bought += message.executed_shares
            elif message.type == "C":  # the rest is cancelled: immediate or cancel
                break
        return bought


@pytest.fixture
def endpoint(exchange: Exchange) -> Endpoint:
    """A market in AAPL, and the port where orders go."""
    engine = exchange.create_engine("main")
    engine.create_book("aapl", "AAPL")
    return engine.create_endpoint("orders", "ouch42")


def test_it_buys_what_is_offered_and_no_more(exchange: Exchange, endpoint: Endpoint) -> None:
    other = exchange.ouch_client(endpoint, "other")
    for shares, price in ((30, "9.99"), (30, "10.00"), (30, "10.01")):
        other.sell("AAPL", shares, price).expect_accepted()

    assert buy_cheaply(endpoint.host, endpoint.port, 100, "10.00") == 60

    other.orders[0].expect_filled(30, at="9.99")
    other.orders[1].expect_filled(30, at="10.00")
    assert exchange.depth("aapl")["asks"] == [["10.01", 30, 1]]


def test_it_buys_nothing_while_trading_is_halted(exchange: Exchange, endpoint: Endpoint) -> None:
    client = exchange.ouch_client(endpoint)
    exchange.halt("aapl")
    client.buy("AAPL", 100, "10").expect_rejected("halted")


def test_its_orders_survive_a_crash_of_the_matcher(exchange: Exchange, endpoint: Endpoint) -> None:
    client = exchange.ouch_client(endpoint)
    order = client.buy("AAPL", 100, "10").expect_accepted()
    exchange.kill("matcher")
    exchange.restart("matcher")
    assert exchange.depth("aapl")["bids"] == [["10", 100, 1]]
    order.cancel().expect_canceled(100)
