"""Every property of a quote, as the clients of OUCH and of FIX meet it; quotes of clients, and by the test kit."""

from __future__ import annotations

import pytest

from tests.both_world import SYMBOL, Floor, shows


@shows("quote bid_quantity", "quote bid_price", "quote ask_quantity", "quote ask_price",
       verbs="create_quote set_quote_property submit_quote delete_quote")  # fmt: skip
def test_clients_trade_with_a_quote_that_was_put_together_step_by_step(floor: Floor) -> None:
    quote = floor.exchange.create_quote("q1", floor.book, "maker")
    quote.set(bid_quantity=100, bid_price="10.00", ask_quantity=80, ask_price="10.10")
    client = floor.client()
    client.buy(SYMBOL, 10, "10.10", time_in_force="ioc").expect_canceled(10)  # it is a draft
    quote.submit()
    client.buy(SYMBOL, 100, "10.10", time_in_force="ioc").expect_filled(80, at="10.10").expect_canceled(20)
    client.sell(SYMBOL, 30, "10.00").expect_filled(30, at="10.00")
    quote.set(bid_quantity=50, bid_price="10.05").submit()
    client.sell(SYMBOL, 60, "10.00", time_in_force="ioc").expect_filled(50, at="10.05").expect_canceled(10)
    quote.delete()
    client.sell(SYMBOL, 10, "9", time_in_force="ioc").expect_canceled(10)


@shows("quote indicative", verbs="quote")
def test_nobody_trades_with_an_indicative_quote(floor: Floor) -> None:
    client = floor.client()
    floor.desk("maker").quote(floor.book, 100, "10.00", 100, "10.10", indicative=True)
    client.buy(SYMBOL, 10, "10.10", time_in_force="ioc").expect_canceled(10)
    floor.desk("maker").quote(floor.book, 100, "10.00", 100, "10.10")
    client.buy(SYMBOL, 10, "10.10", time_in_force="ioc").expect_filled(10)


@shows(verbs="mass_quote set_desk order_events order_status")
def test_a_desk_is_told_what_clients_did_with_its_quotes(floor: Floor) -> None:
    maker = floor.engine.desk("maker", account="MM", firm="ACME")
    floor.engine.create_book("msft", "MSFT")
    maker.mass_quote(f"{SYMBOL} 100@10.00/100@10.10 MSFT 50@20/50@20.10")
    client = floor.client()
    client.buy(SYMBOL, 10, "10.10").expect_filled(10)
    client.sell("MSFT", 20, "20").expect_filled(20)
    told = [
        (event["kind"], event["quantity"], event["price"]) for event in maker.events() if event["kind"] == "executed"
    ]
    assert told == [("executed", 10, "10.1"), ("executed", 20, "20")]
    offer = next(row for row in floor.book.orders() if row["side"] == "sell")
    assert maker.status(offer["order_id"])["quantity"] == 90


@shows(ouch="OUCH has no quotes")
@pytest.mark.parametrize("indicative", [False, True])
def test_a_clients_own_quote(floor: Floor, indicative: bool) -> None:
    maker, taker = floor.fix_client("MM"), floor.fix_client("ANN")
    fields = {"QuoteID": "Q1", "Symbol": SYMBOL, "BidPx": "10.00", "BidSize": 100, "OfferPx": "10.10", "OfferSize": 100,
              "QuoteType": 0 if indicative else 1}  # fmt: skip
    maker.send("Quote", fields)
    maker.next("QuoteStatusReport")
    order = taker.buy(SYMBOL, 30, "10.10", time_in_force="ioc").expect_accepted()
    order.expect_canceled(30) if indicative else order.expect_filled(30, at="10.10")


# ------------------------------------------------------------------------------------------------- by the test kit
@shows()
def test_a_quote_is_two_orders_that_go_together(floor: Floor) -> None:
    maker, taker = floor.clients("MM", "ANN")
    quote = maker.quote(SYMBOL, bid=("10.00", 100), ask=("10.10", 80)).expect_accepted()
    assert quote.bid is not None and quote.ask is not None
    taker.buy(SYMBOL, 30, "10.10").expect_filled(30)
    quote.ask.expect_filled(30, at="10.10").expect_open(50)
    quote.replace(bid=("10.05", 60)).expect_replaced()
    quote.bid.expect_open(60)
    quote.ask.expect_open(50)
    taker.sell(SYMBOL, 10, "10.05").expect_filled(10, at="10.05")
    quote.bid.expect_filled(10, at="10.05").expect_open(50)
    quote.cancel().expect_canceled()
    assert (floor.bids(), floor.asks()) == ([], [])


@shows()
def test_one_side_of_a_quote_can_go_and_come_again(floor: Floor) -> None:
    quote = floor.client("MM").quote(SYMBOL, ask=("10.10", 80)).expect_accepted()
    assert quote.bid is None
    quote.replace(bid=("10.00", 50))
    assert quote.bid is not None and quote.ask is not None
    quote.bid.expect_accepted()
    quote.replace(ask=None)
    quote.ask.expect_canceled(80)
    floor.book.expect_best(bid=("10.00", 50), ask=None)
    quote.replace(ask=("10.20", 10))
    quote.ask.expect_accepted().expect_open(10)


@shows()
def test_a_quote_that_is_refused_says_why(floor: Floor) -> None:
    floor.book.halt()
    quote = floor.client("MM").quote(SYMBOL, bid=("10.00", 100), ask=("10.10", 80)).expect_rejected("halted")
    assert repr(quote).startswith("<Quote") and [order.status for order in quote.sides] == ["rejected", "rejected"]


@shows(ouch="only a protocol with quotes can say this")
@pytest.mark.parametrize("version", ["fix42", "fix43", "fix50sp2"])
def test_quotes_in_other_versions(floor: Floor, version: str) -> None:
    maker = floor.fix_client("MM", floor.endpoint("quotes", version))
    quote = maker.quote(SYMBOL, bid=("10.00", 100), ask=("10.10", 80)).expect_accepted()
    quote.replace(bid=("11.00", 100))
    assert quote.bid is not None
    why = "" if version == "fix43" else "bid_price is not below ask_price"  # 4.3 has no field for a reason there
    quote.bid.expect_cancel_rejected(why)
    quote.cancel().expect_canceled()
