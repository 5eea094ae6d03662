"""Every property of an order, as the clients of OUCH and of FIX meet it: of a desk's orders, and of their own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.both_makers import Maker, shows_order
from tests.both_world import SYMBOL, Floor, cannot, fills, shows


# ------------------------------------------------------------------------------------------- what every order says
@shows_order("side", "quantity", "price")
def test_side_quantity_and_price(floor: Floor, maker: Maker) -> None:
    maker.enter("sell", 100, "10.05")
    client = floor.client()
    client.buy(SYMBOL, 40, "10.04", time_in_force="ioc").expect_canceled(40)
    client.buy(SYMBOL, 150, "10.05", time_in_force="ioc").expect_filled(100, at="10.05").expect_canceled(50)
    maker.enter("buy", 20, "9.90")
    client.sell(SYMBOL, 10, "9.90").expect_filled(10, at="9.90")


@shows_order("order_type")
def test_a_market_order_trades_at_any_price(floor: Floor, maker: Maker) -> None:
    client = floor.client()
    order = client.buy(SYMBOL, 100, "3.21").expect_accepted()
    maker.enter("sell", 60, None, order_type="market")
    order.expect_filled(60, at="3.21").expect_open(40)


# ------------------------------------------------------------------------------------------- how long it lasts
@shows_order("time_in_force")
@pytest.mark.parametrize(("time_in_force", "stays"), [("day", True), ("ioc", False)])
def test_an_immediate_order_is_not_there_for_those_who_come_later(
    floor: Floor, maker: Maker, time_in_force: str, stays: bool
) -> None:
    maker.enter("sell", 100, "10", time_in_force=time_in_force)
    order = floor.client().buy(SYMBOL, 100, "10", time_in_force="ioc").expect_accepted()
    order.expect_filled(100) if stays else order.expect_canceled(100)


@shows_order("time_in_force")
def test_an_order_for_the_opening_alone_trades_there(floor: Floor, maker: Maker) -> None:
    floor.engine.set_phase("pre_open")
    maker.enter("sell", 100, "10", time_in_force="at-open")
    client = floor.client()
    order = client.buy(SYMBOL, 40, "10").expect_accepted()
    floor.engine.open()
    order.expect_filled(40, at="10")
    client.buy(SYMBOL, 40, "10", time_in_force="ioc").expect_canceled(40)


@shows_order("expire", "time_in_force")
def test_an_order_expires(floor: Floor, maker: Maker) -> None:
    clock = floor.stop_clock()
    maker.enter("sell", 100, "10", time_in_force="good-for-time", expire=90)
    client = floor.client()
    clock.advance(seconds=89)
    client.buy(SYMBOL, 10, "10").expect_filled(10)
    clock.advance(seconds=1)
    client.buy(SYMBOL, 10, "10", time_in_force="ioc").expect_canceled(10)


# ------------------------------------------------------------------------------------------- how it executes
@shows_order("minimum_quantity")
def test_less_than_the_minimum_quantity_does_not_execute(floor: Floor, maker: Maker) -> None:
    maker.enter("sell", 100, "10", minimum_quantity=60)
    client = floor.client()
    client.buy(SYMBOL, 50, "10", time_in_force="ioc").expect_canceled(50)
    client.buy(SYMBOL, 60, "10", time_in_force="ioc").expect_filled(60)


@shows_order("all_or_none")
def test_all_or_none_executes_in_whole(floor: Floor, maker: Maker) -> None:
    maker.enter("sell", 100, "10", all_or_none=True)
    client = floor.client()
    client.buy(SYMBOL, 99, "10", time_in_force="ioc").expect_canceled(99)
    client.buy(SYMBOL, 100, "10", time_in_force="ioc").expect_filled(100)


@shows_order("stop_price", "order_type")
def test_a_stop_is_triggered_by_the_clients_trade(floor: Floor, maker: Maker) -> None:
    maker.enter("sell", 50, None, order_type="stop", stop_price="9.90")
    ann, bob = floor.clients("ANN", "BOB")
    ann.buy(SYMBOL, 10, "9.90").expect_accepted()
    rest = ann.buy(SYMBOL, 80, "9.80").expect_accepted()
    bob.sell(SYMBOL, 10, "9.90").expect_filled(10)
    rest.expect_filled(50, at="9.80")


@shows_order("trail_amount", "order_type")
def test_a_trailing_stop_follows_the_market(floor: Floor, maker: Maker) -> None:
    followed(floor, maker, trail_amount="0.10")


@shows_order("trail_percent", "order_type")
def test_a_trailing_stop_follows_by_a_part_of_the_price(floor: Floor, maker: Maker) -> None:
    followed(floor, maker, trail_percent=100)  # 1 % of 10.20 is 0.102: the trigger is 10.098


def followed(floor: Floor, maker: Maker, **trail: Any) -> None:
    floor.trade("10.00")
    maker.enter("sell", 50, None, order_type="stop", **trail)
    floor.trade("10.20")
    ann, bob = floor.clients("ANN", "BOB")
    order = ann.buy(SYMBOL, 100, "10.05").expect_accepted()
    bob.sell(SYMBOL, 10, "10.05").expect_filled(10)
    order.expect_filled(60, at="10.05")


@shows_order("protection")
def test_a_protected_market_order_goes_no_further(floor: Floor, maker: Maker) -> None:
    client = floor.client()
    near = client.buy(SYMBOL, 50, "10.00").expect_accepted()
    far = client.buy(SYMBOL, 50, "9.80").expect_accepted()
    maker.enter("sell", 100, None, order_type="market", protection="0.10")
    near.expect_filled(50, at="10.00")
    client.buy(SYMBOL, 50, "9.90").expect_filled(50, at="9.90")
    assert far.filled == 0


# ------------------------------------------------------------------------------------------- what is seen of it
@shows_order("display_quantity")
def test_what_an_iceberg_does_not_show_waits_behind_others(floor: Floor, maker: Maker) -> None:
    maker.enter("sell", 100, "10", display_quantity=20)
    ann, bob = floor.clients("ANN", "BOB")
    order = ann.sell(SYMBOL, 50, "10").expect_accepted()
    bob.buy(SYMBOL, 60, "10").expect_filled(60)
    order.expect_filled(40)
    bob.buy(SYMBOL, 90, "10").expect_filled(90)
    order.expect_filled(10)


@shows_order("display_quantity", "display_range")
def test_an_iceberg_may_show_more_or_less(floor: Floor, maker: Maker) -> None:
    floor.engine.set_property("seed", 7)
    maker.enter("sell", 300, "10", display_quantity=20, display_range=10)
    ann, bob = floor.clients("ANN", "BOB")
    shown = []
    for _ in range(3):
        shown.append(floor.asks()[0][1])
        order = ann.sell(SYMBOL, 5, "10").expect_accepted()
        bob.buy(SYMBOL, shown[-1] + 5, "10").expect_filled(shown[-1] + 5)
        order.expect_filled(5)
    assert len(set(shown)) > 1 and all(10 <= quantity <= 30 for quantity in shown)


@shows_order("hidden")
def test_a_hidden_order_trades_after_what_is_seen(floor: Floor, maker: Maker) -> None:
    maker.enter("sell", 100, "10", hidden=True)
    assert floor.asks() == []
    ann, bob = floor.clients("ANN", "BOB")
    order = ann.sell(SYMBOL, 50, "10").expect_accepted()
    bob.buy(SYMBOL, 60, "10").expect_filled(60, at="10")
    order.expect_filled(50)


@shows_order("post_only")
def test_a_post_only_order_never_takes(floor: Floor, maker: Maker) -> None:
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10.00").expect_accepted()
    maker.enter("sell", 40, "10.00", post_only="slide")
    floor.ping(client)
    assert order.filled == 0
    maker.enter("sell", 40, "10.05", post_only="slide")
    client.buy(SYMBOL, 40, "10.05").expect_filled(40)


# ------------------------------------------------------------------------------------------- what it follows
@shows_order("peg", "order_type")
def test_a_midpoint_peg_trades_between_bid_and_offer(floor: Floor, maker: Maker) -> None:
    ann, bob = floor.clients("ANN", "BOB")
    ann.buy(SYMBOL, 100, "10.00").expect_accepted()
    ann.sell(SYMBOL, 100, "10.10").expect_accepted()
    maker.enter("sell", 50, None, order_type="pegged", peg="midpoint")
    bob.buy(SYMBOL, 50, "10.07", time_in_force="ioc").expect_filled(50, at="10.05")


@shows_order("peg", "peg_offset", "order_type")
def test_a_peg_follows_the_best_price_at_its_offset(floor: Floor, maker: Maker) -> None:
    ann, bob = floor.clients("ANN", "BOB")
    order = ann.buy(SYMBOL, 10, "10.00").expect_accepted()
    maker.enter("buy", 50, None, order_type="pegged", peg="primary", peg_offset="-0.05")
    order.replace(price="10.20").expect_replaced()
    taken = bob.sell(SYMBOL, 60, "10.10").expect_filled(60)
    order.expect_filled(10)
    assert fills(taken) == [(10, Decimal("10.20")), (50, Decimal("10.15"))]


# ------------------------------------------------------------------------------------------- orders together
@shows_order("pair", desk_only="NewOrderList says it, below; OUCH has no word for it")
def test_of_a_pair_one_cancels_the_other(floor: Floor, maker: Maker) -> None:
    maker.enter("buy", 100, "10.00", pair="p")
    maker.enter("buy", 100, "9.90", pair="p")
    client = floor.client()
    client.sell(SYMBOL, 10, "10.00").expect_filled(10)
    client.sell(SYMBOL, 190, "9.90").expect_filled(90, at="10.00").expect_open(100)


@shows("said pair", ouch="OUCH has no word for it: verbs do")
def test_the_orders_of_a_list_cancel_each_other(floor: Floor) -> None:
    ann, bob = floor.fix_client("ANN"), floor.fix_client("BOB")
    entries = [
        {"ClOrdID": name, "ListSeqNo": place, "Symbol": SYMBOL, "Side": 1, "OrderQty": 100, "OrdType": 2,
         "Price": price, "TransactTime": "20260101-00:00:00"}
        for place, (name, price) in enumerate((("A", "10.00"), ("B", "9.90")), 1)
    ]  # fmt: skip
    ann.send("NewOrderList", {"ListID": "L", "BidType": 3, "TotNoOrders": 2, "NoOrders": entries})
    for name in "AB":
        ann.next("ExecutionReport", ClOrdID=name, OrdStatus="NEW")
    bob.sell(SYMBOL, 10, "10.00").expect_filled(10)
    ann.next("ExecutionReport", ClOrdID="A", OrdStatus="PARTIALLY_FILLED")
    ann.next("ExecutionReport", ClOrdID="B", OrdStatus="CANCELED")


@shows_order("take_profit", "stop_loss")
@pytest.mark.parametrize("profit", [True, False])
def test_a_bracket_takes_the_profit_or_stops_the_loss(floor: Floor, maker: Maker, profit: bool) -> None:
    ann, bob = floor.clients("ANN", "BOB")
    ann.sell(SYMBOL, 100, "10.00").expect_accepted()
    maker.enter("buy", 100, "10.00", take_profit="10.50", stop_loss="9.50")
    if profit:
        bob.buy(SYMBOL, 100, "10.50").expect_filled(100, at="10.50")
    ann.buy(SYMBOL, 10, "9.50").expect_accepted()
    rest = ann.buy(SYMBOL, 100, "9.40").expect_accepted()
    bob.sell(SYMBOL, 10, "9.50").expect_filled(10)
    floor.ping(ann)
    assert rest.filled == (0 if profit else 100)
    bob.buy(SYMBOL, 10, "10.50", time_in_force="ioc").expect_canceled(10)


# ------------------------------------------------------------------------------------------- whose it is
@shows_order("account")
def test_an_order_is_of_the_account_that_it_names(floor: Floor, maker: Maker) -> None:
    floor.set(self_match="newest")
    maker.enter("sell", 100, "10", account="ANN")
    ann, bob = floor.clients("ANN", "BOB")
    ann.buy(SYMBOL, 10, "10").expect_canceled(10, "self-match prevention")
    bob.buy(SYMBOL, 10, "10").expect_filled(10)


@shows_order("self_match", "account")
def test_the_newer_order_says_which_of_two_goes(floor: Floor, maker: Maker) -> None:
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    maker.enter("sell", 10, "10", account="ANN", self_match="oldest")
    order.expect_canceled(100, "self-match prevention")


@shows_order("reduce_only")
def test_a_reduce_only_order_is_as_large_as_the_position(floor: Floor, maker: Maker) -> None:
    floor.set(positions=True)
    client = floor.client()
    maker.enter("sell", 100, "10", reduce_only=True)
    client.buy(SYMBOL, 10, "10", time_in_force="ioc").expect_canceled(10)
    client.sell(SYMBOL, 50, "10").expect_accepted()
    maker.enter("buy", 50, "10")
    maker.enter("sell", 50, "10", reduce_only=True)
    client.buy(SYMBOL, 50, "10").expect_filled(50)


cannot("order keep", ouch="a desk has no connection that could end", fix="a desk has no connection that could end")
cannot("said keep", ouch="OUCH has no word for it", fix="FIX has no word for it")
