"""Policies of a bad line, market makers and prices, as the clients of OUCH and of FIX meet them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from openoutcry.testkit import Order
from tests.both_world import SYMBOL, Client, Floor, cannot, kinds, passed_ns, shows, wait_for

MS_NS = 1_000_000
HOUR_MS = 3_600_000
HERE = "aapl"  # only messages of this book, so that what tells the end of them is not touched


def sell(floor: Floor, quantity: int, price: str = "10") -> None:
    """Somebody else's order, which no client hears of."""
    floor.desk("other").enter(f"s{quantity}", floor.book, "sell", quantity, price)


def spread_ms(order: Order) -> int:
    """Milliseconds from the first message about an order to the last one."""
    return passed_ns(order.messages[0], order.messages[-1]) // MS_NS


# ------------------------------------------------------------------------------------------------- drop
def sent(client: Client, floor: Floor, on: str) -> Order:
    """An order that was changed, and cancelled: as far as it got."""
    order = client.buy(SYMBOL, 100, "10")
    floor.ping(client)
    if order.status == "open":
        order.replace(price="9")
        floor.ping(client)
        order.cancel()
        floor.ping(client)
    return order


@shows("policy drop.on")
@pytest.mark.parametrize(("on", "told", "left"), [
    ("orders", [], 0), ("changes", ["accepted", "canceled"], 0), ("cancels", ["accepted", "replaced"], 1),
    ("all", [], 0), ("answers", [], 1), ("fills", ["accepted", "replaced", "canceled"], 0),
])  # fmt: skip
def test_messages_or_answers_are_lost(floor: Floor, on: str, told: list[str], left: int) -> None:
    floor.engine.add_policy("p", "drop", on=on, book=HERE)
    order = sent(floor.client(), floor, on)
    assert kinds(order) == told
    assert len(floor.book.orders()) == left


# ------------------------------------------------------------------------------------------------- duplicate
@shows("policy duplicate.on", "policy duplicate.copies")
def test_fills_come_more_than_once_and_count_once(floor: Floor) -> None:
    floor.engine.add_policy("p", "duplicate", on="fills", copies=2)
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    sell(floor, 30)
    floor.ping(client)
    assert kinds(order) == ["accepted", "filled", "filled", "filled"]
    assert floor.bids() == [["10", 70, 1]]
    if floor.is_fix:
        assert {message["CumQty"] for message in order.messages[1:]} == {"30"}


@shows("policy duplicate.delay_ms")
def test_copies_come_later(floor: Floor) -> None:
    floor.engine.add_policy("p", "duplicate", on="fills", delay_ms=60)
    order = floor.client().buy(SYMBOL, 100, "10").expect_accepted()
    sell(floor, 30)
    order.expect_filled(30).expect_filled(30)


@shows("policy duplicate.on")
def test_an_order_that_comes_twice_is_known_the_second_time(floor: Floor) -> None:
    floor.engine.add_policy("p", "duplicate", on="orders", book=HERE)
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10")
    floor.ping(client)
    assert kinds(order)[:1] == ["accepted"] and len(floor.book.orders()) == 1


# ------------------------------------------------------------------------------------------------- reorder
@shows("policy reorder.on", "policy reorder.by")
def test_an_order_waits_until_others_have_passed(floor: Floor) -> None:
    floor.engine.add_policy("p", "reorder", on="orders", by=2, wait_ms=HOUR_MS, book=HERE)
    client = floor.client()
    orders = [client.buy(SYMBOL, quantity, "10") for quantity in (1, 2, 3)]
    for order in orders:
        order.expect_accepted()
    numbers = [order.happenings[-1].number for order in orders]
    assert sorted(numbers) == [numbers[1], numbers[2], numbers[0]]


@shows("policy reorder.wait_ms")
def test_it_goes_on_after_a_while_all_the_same(floor: Floor) -> None:
    floor.engine.add_policy("p", "reorder", on="orders", wait_ms=60, book=HERE)
    floor.client().buy(SYMBOL, 1, "10").expect_accepted()


# ------------------------------------------------------------------------------------------------- delay
@shows("policy delay.on", "policy delay.model", "policy delay.latencies")
@pytest.mark.parametrize(("options", "least"), [
    ({"model": "fixed", "delay_ms": 40}, 40), ({"model": "uniform", "delay_ms": 20}, 0),
    ({"latencies": "30,35.5"}, 30), ({"model": "in-turn", "latencies": "40,1"}, 40),
])  # fmt: skip
def test_messages_are_late_as_the_model_says(floor: Floor, options: dict[str, Any], least: int) -> None:
    floor.engine.add_policy("p", "delay", on="cancels", **options)
    order = floor.client().buy(SYMBOL, 1, "10").expect_accepted().cancel().expect_canceled(1)
    assert spread_ms(order) >= least - 1


# ------------------------------------------------------------------------------------------------- limits of them
HIT = {"drop": lambda order: not order.messages, "duplicate": lambda order: len(order.messages) > 1,
       "reorder": lambda order: not order.messages}  # fmt: skip
OPTIONS = {"drop": "on=answers", "duplicate": "on=answers", "reorder": f"on=orders by=1000 wait_ms={HOUR_MS}"}
LIMITED = ("book", "side", "session", "count", "probability")


@shows(*(f"policy {kind}.{limit}" for kind in HIT for limit in LIMITED))
@pytest.mark.parametrize("kind", HIT)
@pytest.mark.parametrize(("limit", "hit"), [
    ("book=aapl", True), ("book=msft", False), ("side=buy", True), ("side=sell", False), ("session=ANN", True),
    ("session=BOB", False), ("count=1", True), ("probability=100", True), ("probability=0", False),
])  # fmt: skip
def test_bad_lines_can_be_limited(floor: Floor, kind: str, limit: str, hit: bool) -> None:
    floor.engine.create_book("msft", "MSFT")
    if floor.is_fix:
        limit = limit.replace("session=", "session=FIX.4.4:EXCHANGE->")
    floor.exchange.add_policy(floor.engine, "p", kind, f"{limit} {OPTIONS[kind]}")
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10")
    if hit:
        wait_for(lambda: bool(floor.exchange.list("policies")[0]["acted"]))
    else:
        order.expect_accepted()
    floor.exchange.delete_policy(floor.engine, "p")
    assert HIT[kind](order) == hit or kind == "duplicate"
    if kind == "duplicate":
        floor.ping(client)
        assert HIT[kind](order) == hit


# ------------------------------------------------------------------------------------------------- market makers
ACTS_ON_NO_MESSAGES = "a market maker acts on no messages: the option is refused"
cannot("policy market-maker.session", "policy market-maker.count", "policy market-maker.probability",
       ouch=ACTS_ON_NO_MESSAGES, fix=ACTS_ON_NO_MESSAGES)  # fmt: skip


@shows("policy market-maker.spread", "policy market-maker.levels", "policy market-maker.step",
       "policy market-maker.quantity", "policy market-maker.desk", verbs="set_price")  # fmt: skip
def test_a_market_maker_quotes_around_the_price(floor: Floor) -> None:
    floor.engine.add_policy("p", "market-maker", spread="0.10", levels=2, step="0.05", quantity=50, desk="maker")
    floor.book.set_price("10.00")
    client = floor.client()
    client.buy(SYMBOL, 120, "10.10", time_in_force="ioc").expect_filled(100).expect_canceled(20)
    client.sell(SYMBOL, 10, "9.95").expect_filled(10, at="9.95")
    assert floor.exchange.order_events("maker")[-1]["kind"] == "executed"
    floor.book.set_price("11.00")
    client.buy(SYMBOL, 10, "11.05").expect_filled(10, at="11.05")


@shows("policy market-maker.refresh_ms")
def test_what_was_taken_is_put_back(floor: Floor) -> None:
    floor.engine.add_policy("p", "market-maker", quantity=50, refresh_ms=20)
    floor.book.set_price("10.00")
    client = floor.client()
    for _ in range(3):
        client.buy(SYMBOL, 50, "10.01").expect_filled(50, at="10.01")


@shows("policy market-maker.book", "policy market-maker.side")
def test_a_market_maker_of_one_side_of_one_book(floor: Floor) -> None:
    other = floor.engine.create_book("msft", "MSFT")
    floor.engine.add_policy("p", "market-maker", book="msft", side="sell")
    for book in (floor.book, other):
        book.set_price("10.00")
    client = floor.client()
    client.buy(SYMBOL, 10, "11", time_in_force="ioc").expect_canceled(10)
    client.sell("MSFT", 10, "9", time_in_force="ioc").expect_canceled(10)
    client.buy("MSFT", 10, "11").expect_filled(10, at="10.01")


# ------------------------------------------------------------------------------------------------- prices
def path(floor: Floor, count: int = 12) -> list[str]:
    """The offers of a market maker as the price moves."""
    found: list[str] = []

    def moved() -> bool:
        found.extend(level[0] for level in floor.asks() if level[0] not in found[-1:])
        return len(found) >= count

    wait_for(moved)
    return found


@shows("book pricing", "book pricing_price", "book volatility", "book pricing_interval_ms")
def test_a_price_walks(floor: Floor) -> None:
    floor.engine.add_policy("p", "market-maker", refresh_ms=0)
    floor.set(pricing_price="10.00", volatility=100, pricing_interval_ms=5, pricing="walk")
    prices = path(floor)
    client = floor.client()
    order = client.buy(SYMBOL, 10, "1000").expect_filled(10)
    assert len(set(prices)) > 3 and all(9 < Decimal(price) < 12 for price in prices)
    assert order.average_price is not None


@shows("book pricing")
def test_a_fixed_price_stays(floor: Floor) -> None:
    floor.engine.add_policy("p", "market-maker", spread="0.10")
    floor.set(pricing_price="10.00", pricing_interval_ms=5, pricing="fixed")
    floor.client().buy(SYMBOL, 10, "11").expect_filled(10, at="10.05")


@shows("book pricing_pull", "book pricing_seed")
def test_a_price_is_pulled_back_to_its_mean(floor: Floor) -> None:
    floor.engine.add_policy("p", "market-maker", spread="0.10", refresh_ms=0)
    floor.set(pricing_price="20.00", volatility=0, pricing_pull=10_000, pricing_interval_ms=20, pricing_seed=7)
    floor.set(pricing="mean-reverting")
    floor.book.set_price("10.00")
    floor.book.expect_best(ask=("20.05", 100))
    floor.client().buy(SYMBOL, 10, "30").expect_filled(10, at="20.05")
