"""Every property of a book, as clients of OUCH and of FIX meet it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from openoutcry import Exchange
from tests.both_world import SYMBOL, Client, Floor, cannot, passed_ns, shows

NO_REFERENCE_DATA = "OUCH has no reference data"
NO_AUCTION_DATA = "OUCH has no auction data: it is on the feed"


def bids(client: Client, *orders: tuple[int, str]) -> list[object]:
    """Accepted buy orders."""
    return [client.buy(SYMBOL, quantity, price).expect_accepted() for quantity, price in orders]


# ------------------------------------------------------------------------------------------- what can be ordered
@shows("book tick_size", verbs="set_book_property")
def test_prices_are_multiples_of_the_tick(floor: Floor) -> None:
    floor.set(tick_size="0.05")
    client = floor.client()
    client.buy(SYMBOL, 100, "10.04").expect_rejected("invalid price")
    client.buy(SYMBOL, 100, "10.05").expect_accepted()


@shows("book tick_table")
def test_the_tick_depends_on_the_price(floor: Floor) -> None:
    floor.set(tick_table="0=0.01 10=0.05")
    client = floor.client()
    client.buy(SYMBOL, 100, "9.99").expect_accepted()
    client.buy(SYMBOL, 100, "10.01").expect_rejected("invalid price")
    client.buy(SYMBOL, 100, "10.05").expect_accepted()


@shows("book lot_size")
def test_quantities_are_multiples_of_the_lot(floor: Floor) -> None:
    floor.set(lot_size=100)
    client = floor.client()
    client.buy(SYMBOL, 150, "10").expect_rejected("invalid quantity")
    client.buy(SYMBOL, 200, "10").expect_accepted()


@shows("book min_quantity")
def test_an_order_has_a_least_quantity(floor: Floor) -> None:
    floor.set(min_quantity=50)
    client = floor.client()
    client.buy(SYMBOL, 49, "10").expect_rejected("invalid quantity")
    client.buy(SYMBOL, 50, "10").expect_accepted()


@shows("book max_price")
def test_no_limit_is_above_the_highest_price(floor: Floor) -> None:
    floor.set(max_price="20")
    client = floor.client()
    client.buy(SYMBOL, 100, "20.01").expect_rejected("invalid price")
    client.buy(SYMBOL, 100, "20").expect_accepted()


# ------------------------------------------------------------------------------------------- how it trades
def shared_out(floor: Floor, quantity: int, *sizes: int) -> list[int]:
    """What each of several clients gets when their bids of one price meet an order to sell."""
    makers = floor.clients(*(f"M{number}" for number in range(len(sizes))))
    resting = [maker.buy(SYMBOL, size, "10").expect_accepted() for maker, size in zip(makers, sizes, strict=True)]
    floor.client("TAKER").sell(SYMBOL, quantity, "10").expect_filled(quantity, at="10")
    for maker in makers:
        floor.ping(maker)
    return [order.filled for order in resting]


@shows("book allocation")
@pytest.mark.parametrize(("allocation", "parts"), [("fifo", [100, 0]), ("pro-rata", [75, 25])])
def test_executions_are_shared_out(floor: Floor, allocation: str, parts: list[int]) -> None:
    floor.set(allocation=allocation)
    assert shared_out(floor, 100, 300, 100) == parts


@shows("book pro_rata_minimum")
def test_smaller_allotments_are_rounded_down_to_none(floor: Floor) -> None:
    floor.set(allocation="pro-rata", pro_rata_minimum=30)
    assert shared_out(floor, 100, 300, 100) == [100, 0]


@shows("book fifo_percent")
def test_a_part_goes_by_time_and_the_rest_by_size(floor: Floor) -> None:
    floor.set(allocation="split", fifo_percent=40)
    assert shared_out(floor, 100, 40, 120) == [40, 60]


@shows("book top_max")
def test_the_order_that_bettered_the_market_gets_so_much_first(floor: Floor) -> None:
    floor.set(allocation="top-pro-rata", top_max=20)
    assert shared_out(floor, 100, 100, 300) == [37, 63]  # 20, then 80 by what is left of them: 80 and 300; one over


@shows("book lead_market_makers")
def test_lead_market_makers_get_their_shares_before_all_others(floor: Floor) -> None:
    floor.set(allocation="lead-market-maker", lead_market_makers="M1=30")
    assert shared_out(floor, 100, 300, 100) == [70, 30]


@shows("book self_match")
@pytest.mark.parametrize(("mode", "resting", "coming"), [
    ("newest", 100, 0), ("oldest", 0, 60), ("both", 0, 0), ("decrement", 40, 0),
])  # fmt: skip
def test_orders_of_the_same_account_do_not_meet(floor: Floor, mode: str, resting: int, coming: int) -> None:
    floor.set(self_match=mode)
    client = floor.client()
    first = client.buy(SYMBOL, 100, "10").expect_accepted()
    client.sell(SYMBOL, 60, "10").expect_accepted()
    floor.ping(client)
    assert [row["quantity"] for row in floor.book.orders()] == [left for left in (resting, coming) if left]
    assert (first.filled, first.open) == (0, resting)


@shows("book self_match_by")
def test_by_session_two_clients_of_one_account_do_trade(floor: Floor) -> None:
    floor.set(self_match="newest", self_match_by="session")
    port = floor.endpoint()
    for name in ("ANN", "BOB"):
        floor.exchange.create_user(name, "x", port, account="BOTH")
    if floor.is_fix:
        ann, bob = (floor.client(name, username=name, password="x") for name in ("ANN", "BOB"))
    else:
        ann, bob = (floor.client(name, password="x") for name in ("ANN", "BOB"))
    ann.buy(SYMBOL, 100, "10").expect_accepted()
    bob.sell(SYMBOL, 60, "10").expect_filled(60)
    floor.set(self_match_by="account")
    bob.sell(SYMBOL, 40, "10").expect_canceled(40, "self-match prevention")


@shows("book market_protection")
def test_market_orders_rest_at_the_end_of_their_protection(floor: Floor) -> None:
    floor.set(market_protection="0.10")
    ann, bob = floor.clients("ANN", "BOB")
    bids(ann, (100, "10.00"), (100, "9.80"))
    bob.sell(SYMBOL, 150).expect_filled(100, at="10.00").expect_open(50)
    assert floor.asks() == [["9.9", 50, 1]]


# ------------------------------------------------------------------------------------------- auctions
def cross(floor: Floor) -> None:
    """Two orders that cross from 10.00 to 11.00, in whatever phase."""
    ann, bob = floor.clients("ANN", "BOB")
    ann.buy(SYMBOL, 100, "11.00").expect_accepted()
    bob.sell(SYMBOL, 100, "10.00").expect_accepted()


@shows("book reference_price")
def test_an_auction_goes_for_the_reference_price(floor: Floor) -> None:
    floor.set(reference_price="10.70")
    floor.engine.set_phase("opening_auction")
    cross(floor)
    floor.engine.open()
    for client in floor.exchange.clients:
        assert isinstance(client, Client)
        client.orders[0].expect_filled(100, at="10.70")


def collared(floor: Floor, **properties: str | int) -> Client:
    """A client in a book whose last price is 10.00, with offers at 10.00 and 10.60, and some property."""
    floor.trade("10.00")
    floor.set(**properties)
    floor.desk("maker").enter("far", floor.book, "sell", 100, "10.60")
    return floor.client()


@shows("book dynamic_band", "book band_action", "book volatility_auction_ms")
def test_a_trade_beyond_the_band_is_an_auction_first(floor: Floor) -> None:
    clock = floor.stop_clock()
    client = collared(floor, dynamic_band=500, volatility_auction_ms=60_000)
    order = client.buy(SYMBOL, 100, "10.60").expect_accepted()
    clock.advance(seconds=59)
    assert (floor.book.depth()["phase"], order.filled) == ("volatility_auction", 0)
    clock.advance(seconds=1)
    order.expect_filled(100, at="10.60")
    assert floor.book.depth()["phase"] == "open"


@shows("book band_action")
def test_or_what_would_trade_beyond_the_band_is_cancelled(floor: Floor) -> None:
    client = collared(floor, dynamic_band=500, band_action="cancel")
    client.buy(SYMBOL, 100, "10.60").expect_accepted().expect_canceled(100, "price bands")


@shows("book static_band")
def test_the_static_band_is_around_the_last_auctions_price(floor: Floor) -> None:
    client = collared(floor, static_band=500, band_action="cancel", reference_price="10.00")
    client.buy(SYMBOL, 100, "10.60").expect_accepted().expect_canceled(100, "price bands")


@shows("book limit_state_ms", "book pause_ms", "book band_action")
def test_a_pause_is_a_limit_state_then_a_halt_then_an_auction(floor: Floor) -> None:
    clock = floor.stop_clock()
    client = collared(floor, dynamic_band=500, band_action="pause", limit_state_ms=15_000, pause_ms=300_000,
                      volatility_auction_ms=60_000)  # fmt: skip
    client.buy(SYMBOL, 100, "10.60").expect_accepted().expect_canceled(100, "price bands")
    client.buy(SYMBOL, 100, "9.00").expect_accepted()
    clock.advance(seconds=15)
    client.buy(SYMBOL, 100, "10.60").expect_rejected("halted")
    clock.advance(seconds=300)
    order = client.buy(SYMBOL, 100, "10.60").expect_accepted().expect_open(100)
    clock.advance(seconds=60)
    order.expect_filled(100, at="10.60")


@shows("book extension_band", "book extension_ms", "book extensions_max")
def test_an_auction_far_from_the_reference_goes_on_for_a_while(floor: Floor) -> None:
    clock = floor.stop_clock()
    client = collared(floor, dynamic_band=500, volatility_auction_ms=60_000, extension_band=100, extension_ms=10_000,
                      extensions_max=2)  # fmt: skip
    order = client.buy(SYMBOL, 100, "10.60").expect_accepted()
    clock.advance(minutes=10)
    order.expect_filled(100, at="10.60")
    accepted, executed = order.messages
    assert round(passed_ns(accepted, executed) / 10**9) == 80  # the auction, and two extensions


@shows("book random_end_ms")
def test_nobody_knows_when_exactly_an_auction_ends(exchange: Exchange, protocol: str) -> None:
    exchange.clock.stop()
    exchange.clock.advance_to("08:00")
    floor = Floor(exchange, protocol)
    floor.set(random_end_ms=600_000)
    floor.engine.set_timetable("08:30 opening_auction, 09:00 open")
    exchange.clock.advance_to("08:45")
    buyer, seller = floor.clients("ANN", "BOB")
    order = buyer.buy(SYMBOL, 100, "10").expect_accepted()
    seller.sell(SYMBOL, 100, "10").expect_accepted()
    exchange.clock.advance_to("09:10")
    order.expect_filled(100)
    accepted, executed = order.messages
    assert 15 * 60 < passed_ns(accepted, executed) / 10**9 <= 25 * 60


@shows("book price_collar")
def test_a_price_too_far_through_the_reference_is_rejected(floor: Floor) -> None:
    client = collared(floor, price_collar=500)
    client.buy(SYMBOL, 100, "10.60").expect_rejected("price collar")
    client.buy(SYMBOL, 100, "10.40").expect_accepted()


# ------------------------------------------------------------------------------------------- money
@shows("book positions", verbs="positions")
def test_positions_are_counted(floor: Floor) -> None:
    floor.set(positions=True)
    ann, bob = floor.clients("ANN", "BOB")
    ann.buy(SYMBOL, 100, "10").expect_accepted()
    bob.sell(SYMBOL, 40, "10").expect_filled(40)
    found = {row["account"]: row["position"] for row in floor.exchange.positions(floor.engine)}
    assert found == {"ANN": 40, "BOB": -40}


@shows("book maker_fee", "book taker_fee", "book maker_fee_ppm", "book taker_fee_ppm", verbs="fees_paid")
def test_fees_are_counted_for_whom_they_concern(floor: Floor) -> None:
    """No protocol has them in its reports."""
    before = {row["account"]: row["fees"] for row in floor.exchange.fees_paid()}
    floor.set(maker_fee="-0.001", taker_fee="0.002", maker_fee_ppm=200, taker_fee_ppm=200)
    ann, bob = floor.clients("ANN", "BOB")
    ann.buy(SYMBOL, 100, "10").expect_accepted()
    bob.sell(SYMBOL, 100, "10").expect_filled(100)
    after = {row["account"]: row["fees"] for row in floor.exchange.fees_paid()}
    paid = {name: Decimal(after[name]) - Decimal(before.get(name, "0")) for name in ("ANN", "BOB")}
    assert paid == {"ANN": Decimal("0.1"), "BOB": Decimal("0.4")}  # 100 shares of 10: -0.1 + 0.2, and 0.2 + 0.2


@shows("book multiplier", "book quantity_decimals", verbs="set_limit clear_limit")
@pytest.mark.parametrize(
    ("properties", "most"), [({}, 100), ({"multiplier": 10}, 10), ({"quantity_decimals": 2}, 10_000)]
)
def test_what_an_order_is_worth_counts_multiplier_and_decimals(
    floor: Floor, properties: dict[str, int], most: int
) -> None:
    floor.set(**properties)
    floor.engine.set_limit("account", "ANN", "max_notional", "1000")
    client = floor.client()
    client.buy(SYMBOL, most + 1, "10").expect_rejected("max notional")
    client.buy(SYMBOL, most, "10").expect_accepted()
    floor.exchange.clear_limit(floor.engine, "account", "ANN", "max_notional")
    client.buy(SYMBOL, most + 1, "10").expect_accepted()


# ------------------------------------------------------------------------------------------- what is traded
NO_FIELD = "no field of SecurityDefinition says it in every version; the instrument topic of the feed does"
cannot("book base_currency", "book underlying", ouch=NO_REFERENCE_DATA, fix=NO_FIELD)
cannot("book indicative_ms", ouch=NO_AUCTION_DATA,
       fix="FIX has no indicative prices here: they are on the auction topic of the feed")  # fmt: skip


@shows("book security_type", "book description", "book currency", "book multiplier", "book expiry", "book strike",
       "book put_call", "book tick_size", "book lot_size", ouch=NO_REFERENCE_DATA)  # fmt: skip
def test_a_client_can_ask_what_is_traded(floor: Floor) -> None:
    floor.set(security_type="option", description="call of Apple", currency="USD", multiplier=100, expiry="20270115",
              strike="200", put_call="call", tick_size="0.05", lot_size=5)  # fmt: skip
    client = floor.fix_client()
    client.send("SecurityDefinitionRequest", {"SecurityReqID": "1", "SecurityRequestType": 0, "Symbol": SYMBOL})
    found = client.next("SecurityDefinition")
    said = {name: found[name] for name in ("SecurityType", "SecurityDesc", "Currency", "ContractMultiplier",
            "MaturityDate", "StrikePrice", "RoundLot") if name in found}  # fmt: skip
    assert said == {"SecurityType": "OPT", "SecurityDesc": "call of Apple", "Currency": "USD",
                    "ContractMultiplier": "100", "MaturityDate": "20270115", "StrikePrice": "200",
                    "RoundLot": "5"}  # fmt: skip
