"""The test kit's orders mean the same over OUCH and over every version of FIX."""

from __future__ import annotations

import pytest

from openoutcry import Exchange
from tests.both_world import SYMBOL, Client, Floor

VERSIONS = ("ouch42", "fix40", "fix41", "fix42", "fix43", "fix44", "fix50", "fix50sp1", "fix50sp2")


@pytest.fixture(params=VERSIONS)
def market(request: pytest.FixtureRequest, exchange_clean: Exchange) -> Floor:
    """A floor whose endpoint speaks one version."""
    made = Floor(exchange_clean, "ouch" if request.param == "ouch42" else "fix")
    made.endpoint("port", request.param)
    return made


@pytest.fixture
def client(market: Floor) -> Client:
    return market.client("ANN")


@pytest.fixture
def other(market: Floor) -> Client:
    return market.client("BOB")


def test_accepted_filled_replaced_cancelled(client: Client, other: Client) -> None:
    order = client.buy(SYMBOL, 100, "10.05").expect_accepted().expect_open(100)
    other.sell(SYMBOL, 40, "10.00").expect_filled(40, at="10.05")
    order.expect_filled(40, at="10.05").expect_open(60)
    order.replace(quantity=80, price="10.10").expect_replaced(80, "10.10").expect_open(40)
    other.sell(SYMBOL, 10, "10.10").expect_filled(10, at="10.10")
    order.expect_filled(10, at="10.10")
    order.cancel().expect_canceled(30, "user")
    assert (order.filled, order.open, order.status, str(order.average_price)) == (50, 0, "canceled", "10.06")


def test_immediate_orders(client: Client, other: Client) -> None:
    client.buy(SYMBOL, 40, "10").expect_accepted()
    order = other.sell(SYMBOL, 100, "10", time_in_force="ioc")
    order.expect_accepted().expect_filled(40).expect_canceled(60, "immediate")


def test_market_orders(client: Client, other: Client) -> None:
    client.buy(SYMBOL, 40, "10").expect_accepted()
    other.sell(SYMBOL, 40).expect_filled(40, at="10")


@pytest.mark.parametrize("reason", ["invalid price", "unknown symbol", "invalid quantity", "halted", "max notional"])
def test_rejected(market: Floor, client: Client, reason: str) -> None:
    market.set(tick_size="0.05", lot_size=10)
    market.engine.set_limit("account", "ANN", "max_notional", "100000")
    if reason == "halted":
        market.book.halt()
    quantity, price = {"invalid quantity": (15, "10"), "invalid price": (10, "10.01"),
                       "max notional": (20_000, "10")}.get(reason, (10, "10"))  # fmt: skip
    symbol = "NOSUCH" if reason == "unknown symbol" else SYMBOL
    order = client.buy(symbol, quantity, price).expect_rejected(reason)
    assert (order.status, order.open) == ("rejected", 0)


def test_what_is_done_unasked(market: Floor, client: Client, other: Client) -> None:
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    market.exchange.fill_order(market.number(order), 30, "9.98")
    order.expect_filled(30, at="9.98")
    market.exchange.pull_order(market.number(order), 50, "halted")
    order.expect_canceled(20, "halted").expect_open(50)
    market.exchange.pull_order(market.number(order), 0, "supervisory")
    order.expect_canceled(50, "supervisory")
    (trade,) = market.book.trades(1)
    market.exchange.correct_trade(trade["match"], "9.97")
    order.expect_corrected(to="9.97")
    market.exchange.break_trade(trade["match"])
    order.expect_broken()
    other.buy(SYMBOL, 1, "1").expect_accepted()


def test_a_replacement_or_cancel_that_is_refused(market: Floor, client: Client) -> None:
    market.set(tick_size="0.05")
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    policy = market.engine.add_policy("no", "auto-reject", on="changes")
    order.replace(price="9").expect_cancel_rejected()
    policy.delete()
    order.expect_open(100)
    order.cancel().expect_canceled(100)


def test_nothing_is_lost_with_the_connection(client: Client, other: Client) -> None:
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    client.drop()
    other.sell(SYMBOL, 30, "10").expect_filled(30)
    client.reconnect()
    order.expect_filled(30).expect_open(70)
    order.replace(quantity=50).expect_replaced(50).expect_open(20)


def test_self_match_prevention_takes_a_part(market: Floor, client: Client) -> None:
    market.set(self_match="decrement")
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    client.sell(SYMBOL, 60, "10").expect_accepted().expect_canceled(60, "self-match prevention")
    order.expect_canceled(60).expect_open(40)
