"""What OUCH 4.2 can say beyond plain limit orders, from client to client through a whole exchange, and on the feed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from openoutcry import Exchange, feed
from openoutcry.clients.marketdata import MarketDataClient
from openoutcry.clients.ouch import Message, OuchClient

QUIET_S = 0.15  # how long nothing must come for us to believe that nothing will


class Floor:
    """An engine with one book, an endpoint and clients of its own."""

    def __init__(self, exchange: Exchange, number: int) -> None:
        self.exchange = exchange
        self.engine, self.book, self.symbol = f"main{number}", f"book{number}", f"SYM{number}"
        exchange.create_engine(self.engine)
        exchange.create_book(self.book, self.engine, self.symbol)
        self.endpoint = exchange.create_endpoint(f"orders{number}", self.engine, "ouch42")

    def client(self, user: str) -> Trader:
        """A user that is logged in and has seen the start of the day."""
        trader = Trader(self.exchange.ouch_client(self.endpoint, user), self.symbol)
        assert trader.next()["event_code"] == "S"
        return trader

    def phase(self, phase: str) -> None:
        self.exchange.set_phase(self.engine, phase)

    def set(self, **properties: Any) -> None:
        for name, value in properties.items():
            self.exchange.set_book_property(self.book, name, value)

    def feed(self) -> MarketDataClient:
        client = self.exchange.market_data()
        client.subscribe(self.symbol)
        client.wait_live(self.symbol)
        return client


class Trader:
    """A client that orders in one symbol and looks at every message that comes."""

    def __init__(self, client: OuchClient, symbol: str) -> None:
        self.client = client
        self.symbol = symbol

    def order(self, side: str, shares: int, price: str | None, **fields: Any) -> str:
        return self.client.enter(self.symbol, side, shares, price, **fields)

    def accepted(self, side: str, shares: int, price: str | None, **fields: Any) -> str:
        """Enter an order that is accepted as it is; its token."""
        token = self.order(side, shares, price, **fields)
        found = self.next("A", order_token=token)
        assert (found["display"], found["order_state"]) == (fields.get("display", "Y"), "L")
        return token

    def next(self, kind: str | None = None, **fields: Any) -> dict[str, Any]:
        """The next message, which must be of that type and have those values."""
        found: Message = self.client.next_message()
        assert kind is None or found.type == kind, found
        assert {name: found.fields[name] for name in fields} == fields, found
        return dict(found.fields)

    def executed(self, token: str, shares: int, price: str, flag: str) -> int:
        found = self.next("E", order_token=token, executed_shares=shares, execution_price=Decimal(price))
        assert found["liquidity_flag"] == flag
        match: int = found["match_number"]
        return match

    def quiet(self) -> None:
        """Nothing comes."""
        assert self.client.available(QUIET_S) == []


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange() as made:
        yield made


_numbers = itertools.count(1)


@pytest.fixture
def floor(exchange: Exchange) -> Floor:
    return Floor(exchange, next(_numbers))


@pytest.fixture
def ann(floor: Floor) -> Trader:
    return floor.client("ANN")


@pytest.fixture
def bob(floor: Floor) -> Trader:
    return floor.client("BOB")


# ------------------------------------------------------------------------------------------------- displays
def test_nobody_sees_a_hidden_order_and_it_trades_after_all_that_is_shown(
    floor: Floor, ann: Trader, bob: Trader
) -> None:
    hidden = ann.accepted("B", 100, "10.00", display="N")
    shown = ann.accepted("B", 100, "10.00")
    with floor.feed() as market:
        market.wait_for(lambda: market.book(floor.symbol).bids == [(10 * 10**8, 100, 1)])
        sell = bob.accepted("S", 150, "10.00")
        bob.executed(sell, 100, "10.00", "R")
        match = bob.executed(sell, 50, "10.00", "R")
        ann.executed(shown, 100, "10.00", "A")
        assert ann.executed(hidden, 50, "10.00", "J") == match
        market.wait_for(lambda: len(market.recent_trades(floor.symbol)) == 2)
        first, second = market.trades(floor.symbol)
        assert first.order > 0 == second.order and (second.match, second.quantity, second.side) == (match, 50, 2)
        market.wait_for(lambda: not market.book(floor.symbol).bids)
        assert floor.exchange.depth(floor.book)["bids"] == []


@pytest.mark.parametrize("display", ["P", "L"])
def test_a_post_only_order_slides_behind_the_other_side(floor: Floor, ann: Trader, bob: Trader, display: str) -> None:
    floor.set(tick_size="0.01")
    ask = ann.accepted("S", 100, "10.05")
    token = bob.order("B", 70, "10.07", display=display)
    assert bob.next("A", order_token=token, display=display)["price"] == Decimal("10.04")
    sell = ann.accepted("S", 70, "10.04")
    ann.executed(sell, 70, "10.04", "R")
    bob.executed(token, 70, "10.04", "A")
    token = bob.order("S", 10, "10.00", display=display)  # nobody buys: it stays where it is
    assert bob.next("A", order_token=token)["price"] == Decimal("10.00")
    ann.client.cancel(ask)
    ann.next("C", order_token=ask, reason="U")


def test_a_midpoint_peg_follows_the_market_unseen(floor: Floor, ann: Trader, bob: Trader) -> None:
    ann.accepted("B", 100, "10.00")
    ask = ann.accepted("S", 100, "10.10")
    token = bob.order("B", 50, "10.20", display="M")
    first = bob.next("A", order_token=token, display="M", price=Decimal("10.20"))
    moved = bob.next("T", order_token=token, display="M", price=Decimal("10.05"))
    assert moved["order_reference_number"] > first["order_reference_number"]
    ann.client.cancel(ask)
    ann.next("C")
    bob.next("T", order_token=token)  # there is no midpoint now
    ann.accepted("S", 100, "10.20")
    assert bob.next("T", order_token=token, price=Decimal("10.10"))
    assert len(floor.exchange.depth(floor.book)["bids"]) == 1
    sell = ann.accepted("S", 50, "10.05", time_in_force=0)
    ann.executed(sell, 50, "10.10", "R")
    bob.executed(token, 50, "10.10", "J")


def test_a_midpoint_peg_without_a_limit_is_accepted_as_a_market_order(floor: Floor, ann: Trader) -> None:
    token = ann.order("S", 50, None, display="M")
    assert ann.next("A", order_token=token)["price"] == Decimal("214748.3647")
    ann.client.cancel(token)
    ann.next("C", order_token=token, decrement_shares=50, reason="U")


def test_a_post_only_midpoint_peg_goes_where_it_would_take(floor: Floor, ann: Trader, bob: Trader) -> None:
    ann.accepted("B", 100, "10.00")
    ann.accepted("S", 100, "10.10")
    first = bob.accepted("B", 50, None, display="W")
    bob.next("T", order_token=first, price=Decimal("10.05"))
    second = ann.accepted("S", 50, None, display="W")
    ann.next("T", order_token=second)
    ann.next("C", order_token=second, decrement_shares=50, reason="G")
    third = ann.accepted("S", 50, "10.05", display="N")
    ann.executed(third, 50, "10.05", "R")
    bob.executed(first, 50, "10.05", "J")


@pytest.mark.parametrize(
    ("display", "reason"), [("I", "D"), ("O", "D"), ("T", "D"), ("Q", "D"), ("m", "D"), ("n", "D")]
)
def test_other_displays_are_rejected(floor: Floor, ann: Trader, display: str, reason: str) -> None:
    token = ann.order("B", 10, "10.00", display=display)
    ann.next("J", order_token=token, reason=reason)


def test_what_does_not_go_together_is_rejected(floor: Floor, ann: Trader) -> None:
    for fields in ({"display": "M", "time_in_force": 0}, {"display": "P", "minimum_quantity": 5}):
        ann.order("B", 10, "10.00", **fields)
        ann.next("J", reason="O")
    ann.order("B", 10, "10.00", display="P", cross_type="O")
    ann.next("J", reason="R")


def test_a_minimum_quantity_holds_while_the_order_rests(floor: Floor, ann: Trader, bob: Trader) -> None:
    token = ann.accepted("B", 100, "10.00", minimum_quantity=60)
    assert floor.exchange.depth(floor.book)["bids"] == []
    small = bob.accepted("S", 50, "10.00", time_in_force=0)
    bob.next("C", order_token=small, decrement_shares=50, reason="I")
    large = bob.accepted("S", 60, "10.00", time_in_force=0)
    bob.executed(large, 60, "10.00", "R")
    ann.executed(token, 60, "10.00", "J")
    ann.quiet()


def test_a_replace_has_the_display_that_it_says(floor: Floor, ann: Trader) -> None:
    token = ann.accepted("B", 100, "10.00", display="Y")
    numbers = []
    for display, shown in zip("NYPNMYNPMN", (0, 1, 1, 0, 0, 1, 0, 1, 0, 0), strict=True):
        token = ann.client.replace(token, 100, "10.00", display=display)
        numbers.append(ann.next("U", replacement_order_token=token, display=display)["order_reference_number"])
        assert len(floor.exchange.depth(floor.book)["bids"]) == shown, display
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("display", ["Y", "N", "P"])
def test_a_replace_always_loses_its_priority(floor: Floor, ann: Trader, bob: Trader, display: str) -> None:
    first = ann.accepted("B", 100, "10.00", display=display)
    second = bob.accepted("B", 50, "10.00", display=display)
    third = ann.client.replace(first, 50, "10.00", display=display)  # nothing but fewer shares
    ann.next("U", replacement_order_token=third, shares=50)
    floor.client("EVE").accepted("S", 60, "10.00")
    flag = "J" if display == "N" else "A"
    bob.executed(second, 50, "10.00", flag)
    ann.executed(third, 10, "10.00", flag)


def test_a_replaced_order_for_a_cross_stays_one(floor: Floor, ann: Trader, bob: Trader) -> None:
    floor.phase("pre_open")
    token = ann.accepted("B", 100, "10.00", cross_type="O")
    token = ann.client.replace(token, 80, "10.10")
    ann.next("U", replacement_order_token=token, cross_type="O", shares=80)
    bob.accepted("S", 50, "10.05")
    floor.exchange.open(floor.engine)
    ann.executed(token, 50, "10.10", "O")
    ann.next("C", order_token=token, decrement_shares=30, reason="C")


# ------------------------------------------------------------------------------------------------- crosses
def test_the_opening_cross(floor: Floor, ann: Trader, bob: Trader) -> None:
    floor.exchange.close(floor.engine)
    early = ann.order("B", 100, "10.00", cross_type="O")
    ann.next("J", order_token=early, reason="C")
    floor.phase("pre_open")
    with floor.feed() as market:
        limit = ann.accepted("B", 100, "10.10", cross_type="O")
        at_any_price = bob.accepted("S", 150, None, cross_type="O", time_in_force=0)
        day = ann.accepted("B", 80, "10.05")
        immediate = bob.order("S", 1, "10.00", time_in_force=0)
        bob.next("J", order_token=immediate, reason="R")
        indicative = market.wait_for(lambda: _indicative(market, floor.symbol, 150))
        assert (indicative.price, indicative.side, indicative.imbalance) == (1005 * 10**6, 1, 30)
        floor.exchange.open(floor.engine)
        match = ann.executed(limit, 100, "10.05", "O")
        ann.executed(day, 50, "10.05", "O")
        assert bob.executed(at_any_price, 100, "10.05", "O") == match
        bob.executed(at_any_price, 50, "10.05", "O")
        market.wait_for(lambda: market.book(floor.symbol).auction.cross)
        book = market.book(floor.symbol)
        assert (book.phase, book.auction) == ("open", feed.Auction(1, 1005 * 10**6, 150, 0, 0))
        assert [(t.side, t.order, t.quantity) for t in market.trades(floor.symbol)] == [(0, 0, 100), (0, 0, 50)]
        assert [row[:2] for row in book.bids] == [(1005 * 10**6, 30)]
    late = ann.order("B", 100, "10.00", cross_type="O")
    ann.next("J", order_token=late, reason="R")


def _indicative(market: MarketDataClient, symbol: str, quantity: int) -> feed.Auction | None:
    found = market.book(symbol).auction
    return found if found.quantity == quantity and not found.cross else None


def test_what_is_left_of_an_order_for_a_cross_is_canceled(floor: Floor, ann: Trader, bob: Trader) -> None:
    closing = ann.accepted("B", 100, "10.00", cross_type="C")
    sell = bob.accepted("S", 30, "9.90", time_in_force=0)
    bob.next("C", order_token=sell, reason="I")  # it waits for the close alone
    floor.phase("closing_auction")
    ask = bob.accepted("S", 30, None, cross_type="C")
    floor.exchange.close(floor.engine)
    ann.executed(closing, 30, "10.00", "C")
    ann.next("C", order_token=closing, decrement_shares=70, reason="C")
    bob.executed(ask, 30, "10.00", "C")


def test_the_cross_after_a_halt(floor: Floor, ann: Trader, bob: Trader) -> None:
    floor.set(volatility_auction_ms=60_000)
    resting = ann.accepted("B", 100, "10.00")
    floor.exchange.halt(floor.book, "news")
    token = bob.order("S", 100, "10.00", cross_type="H")
    bob.next("J", order_token=token, reason="H")
    ann.client.cancel(resting, 60)
    ann.next("C", order_token=resting, decrement_shares=40, reason="U")
    floor.exchange.resume(floor.book, True)
    token = bob.accepted("S", 100, "9.00", cross_type="H")
    floor.exchange.set_phase(floor.engine, "open", floor.book)
    ann.executed(resting, 60, "9.00", "H")  # there is more to sell at any price that both would take
    bob.executed(token, 60, "9.00", "H")
    bob.next("C", order_token=token, decrement_shares=40, reason="C")


def test_shortly_before_a_cross_it_is_too_late_to_cancel(floor: Floor, ann: Trader, bob: Trader) -> None:
    floor.phase("pre_open")
    cross = ann.accepted("B", 100, "10.00", cross_type="O")
    other = ann.accepted("B", 100, "9.00")
    floor.phase("pre_open_no_cancel")
    ann.client.cancel(cross, 50)
    ann.next("I", order_token=cross)
    ann.client.cancel(cross)
    ann.next("P", order_token=cross)
    ann.client.cancel(cross)  # Cancel Pending is sent once
    ann.client.cancel(other)
    ann.next("I", order_token=other)
    replacement = ann.client.replace(other, 50, "9.00")
    ann.next("J", order_token=replacement, reason="R")
    sell = bob.accepted("S", 40, "10.00", cross_type="O")
    floor.exchange.open(floor.engine)
    bob.executed(sell, 40, "10.00", "O")
    ann.executed(cross, 40, "10.00", "O")
    ann.next("C", order_token=cross, decrement_shares=60, reason="U")
    ann.client.cancel(other)
    ann.next("C", order_token=other, decrement_shares=100)


# ------------------------------------------------------------------------------------------------- after the order
@pytest.mark.parametrize(("mode", "taker", "maker"), [("newest", 60, 0), ("oldest", 0, 100), ("decrement", 60, 60)])
def test_self_match_prevention_is_an_aiq_cancel(floor: Floor, ann: Trader, mode: str, taker: int, maker: int) -> None:
    floor.set(self_match=mode)
    resting = ann.accepted("B", 100, "10.00")
    sell = ann.accepted("S", 60, "10.00")
    for token, shares, flag in ((sell, taker, "R"), (resting, maker, "A")):
        if shares:
            found = ann.next("D", order_token=token, decrement_shares=shares, reason="Q", liquidity_flag=flag)
            assert (found["quantity_prevented_from_trading"], found["execution_price"]) == (60, Decimal("10.00"))
    ann.quiet()


def test_a_broken_and_a_corrected_trade(floor: Floor, ann: Trader, bob: Trader) -> None:
    buy = ann.accepted("B", 100, "10.00")
    sell = bob.accepted("S", 100, "10.00")
    with floor.feed() as market:
        match = ann.executed(buy, 100, "10.00", "A")
        bob.executed(sell, 100, "10.00", "R")
        floor.exchange.correct_trade(match, "10.01", "external")
        for trader, token in ((ann, buy), (bob, sell)):
            found = trader.next("K", order_token=token, match_number=match, reason="X")
            assert found["new_execution_price"] == Decimal("10.01")
        floor.exchange.break_trade(match, "consent")
        ann.next("B", order_token=buy, match_number=match, reason="C")
        bob.next("B", order_token=sell, match_number=match, reason="C")
        market.wait_for(lambda: len(market.book(floor.symbol).corrections) == 2)
        rows = [tuple(row[:4]) for row in market.book(floor.symbol).corrections]
        assert rows == [(match, 100, 10 * 10**8, 1001 * 10**6), (match, 100, 1001 * 10**6, 0)]
        nothing_left = (0, 0, 0, 10 * 10**8, 0, 0)  # but the last price
        market.wait_for(lambda: market.book(floor.symbol).stats[:6] == nothing_left)
        assert market.recent_trades(floor.symbol) == []


def test_reference_data_is_on_the_feed(floor: Floor) -> None:
    with floor.feed() as market:
        assert market.book(floor.symbol).properties == dict(market.instrument(floor.symbol).properties)
        floor.set(currency="EUR")
        market.wait_for(lambda: market.book(floor.symbol).properties["currency"] == "EUR")
        assert dict(market.instrument(floor.symbol).properties)["currency"] == "EUR"


def test_risk_has_its_letters(floor: Floor, ann: Trader, bob: Trader) -> None:
    floor.exchange.set_limit(floor.engine, "account", "ANN", "max_quantity", 100)
    ann.order("B", 101, "10.00")
    ann.next("J", reason="m")
    token = ann.accepted("B", 100, "10.00")
    floor.exchange.kill_switch(floor.engine, "account", "ANN")
    ann.next("C", order_token=token, decrement_shares=100, reason="Z")
    ann.order("B", 1, "10.00")
    ann.next("J", reason="L")
    bob.accepted("B", 1, "10.00")


def test_fees_have_no_message_and_use_up_no_number_also_after_kill_9() -> None:
    with Exchange() as exchange:
        floor = Floor(exchange, 0)
        floor.set(maker_fee="-0.002", taker_fee="0.003")
        ann, bob = floor.client("ANN"), floor.client("BOB")
        seen: list[bytes] = []
        for life in range(3):
            for _ in range(20):
                buy, sell = ann.accepted("B", 10, "10.00", display="N"), bob.accepted("S", 10, "10.00")
                ann.executed(buy, 10, "10.00", "J")
                bob.executed(sell, 10, "10.00", "R")
            exchange.kill("gateway-1")
            exchange.restart("gateway-1")
            ann = Trader(exchange.ouch_client(floor.endpoint, "ANN"), floor.symbol)
            again = [ann.client.next_message() for _ in range(1 + 40 * (life + 1))]
            assert [message.sequence for message in again] == list(range(1, len(again) + 1))
            assert [message.raw for message in again[: len(seen)]] == seen
            seen = [message.raw for message in again]
            bob = Trader(exchange.ouch_client(floor.endpoint, "BOB", sequence=0), floor.symbol)
            assert bob.client.next_message().sequence == len(again)
        found = exchange.statistics()["gateway-1"]["delivery"]
        assert found["not_rendered"] == 0
