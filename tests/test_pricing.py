"""What a security is worth, market makers who quote around it, and the list of quotes."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest

from openoutcry import Exchange
from openoutcry import wire as w
from openoutcry.clients.fix import FixClient
from openoutcry.matcher import pricing
from tests.anything import Anything
from tests.machine_world import World, enter, market
from tests.test_bots import add, followed, sound, told, wait
from tests.test_quotes import quote


@pytest.fixture
def world() -> World:
    return market(("X", "Y"))


def price(world: World, book: str = "book-X") -> str:
    return str(world.machine.query("describe", {"name": book})["price"])


def depth(world: World, book: str = "book-X") -> tuple[list[Any], list[Any]]:
    """Bids and asks, best first."""
    found = world.machine.query("depth", {"book": book})
    return found["bids"], found["asks"]


def prices(world: World, **properties: Any) -> list[str]:
    """Where the price goes, with these properties of the book, in five steps."""
    for name, value in properties.items():
        world.verb("set_book_property", "book-X", name, value)
    world.verb("set_book_property", "book-X", "pricing_interval_ms", 100)
    found = [price(world)]
    for _ in range(5):
        wait(world, 100)
        found.append(price(world))
    return found


# ------------------------------------------------------------------------------------------------- the price
def test_a_book_has_no_price_until_somebody_sets_it(world: World) -> None:
    assert price(world) == "0"
    assert world.verb("set_price", "book-X", "10.05") == {"book": "book-X", "price": "10.05"}
    assert price(world) == "10.05" and price(world, "book-Y") == "0"
    assert world.verb("set_price", "none", "1") == ("unknown_name", "book")
    world.verb("set_book_property", "book-X", "max_price", "20")
    assert world.verb("set_price", "book-X", "20.01") == ("bad_argument", "price")
    assert (world.verb("set_price", "book-X", "20"), price(world)) == ({"book": "book-X", "price": "20"}, "20")
    sound(world)


def test_a_fixed_price_starts_where_it_is_told_and_moves_when_it_is_set(world: World) -> None:
    assert prices(world, pricing_price="20", pricing="fixed") == ["20"] * 6
    world.verb("set_price", "book-X", "21")
    assert prices(world) == ["21"] * 6
    assert world.machine.next_timer_ns == 0
    world.verb("set_book_property", "book-X", "pricing", "none")
    assert price(world) == "0"


def test_it_starts_at_the_reference_or_the_last_trade(world: World) -> None:
    told(world, enter(1, "a"), enter(2, "b", w.SELL))
    world.verb("set_book_property", "book-X", "pricing", "fixed")
    assert price(world) == "1"
    world.verb("set_book_property", "book-Y", "reference_price", "3")
    world.verb("set_book_property", "book-Y", "pricing", "fixed")
    assert price(world, "book-Y") == "3"


def test_a_walk_moves_no_further_than_its_volatility(world: World) -> None:
    path = prices(world, pricing_price="100", volatility=50, pricing="walk")
    assert path[0] == "100" and len(set(path)) > 3
    for before, after in pairwise(path):
        assert abs(float(after) / float(before) - 1) <= 0.005_000_1
    sound(world)


def test_the_same_seeds_make_the_same_path_and_others_another(world: World) -> None:
    first = prices(world, pricing_price="100", volatility=50, pricing="walk")
    assert prices(market(("X", "Y")), pricing_price="100", volatility=50, pricing="walk") == first
    assert prices(market(("X", "Y")), pricing_seed=2, pricing_price="100", volatility=50, pricing="walk") != first
    other = market(("X", "Y"))
    other.verb("set_engine_property", "main", "seed", 9)
    assert prices(other, pricing_price="100", volatility=50, pricing="walk") != first


@pytest.mark.parametrize("anew", ["book", "kind"])
def test_a_path_can_be_had_again_whatever_came_before(world: World, anew: str) -> None:
    first = prices(world, pricing_price="100", volatility=50, pricing="walk")
    if anew == "book":
        world.verb("delete_book", "book-X")
        world.verb("create_book", "other", "main", "Z")
        world.verb("create_book", "book-X", "main", "X")
    else:
        world.verb("set_book_property", "book-X", "pricing", "none")
    assert prices(world, pricing_price="100", volatility=50, pricing="walk") == first
    sound(world)


def test_books_of_one_engine_go_ways_of_their_own(world: World) -> None:
    for book in ("book-X", "book-Y"):
        world.verb("set_book_property", book, "pricing_price", "100")
        world.verb("set_book_property", book, "pricing", "walk")
    wait(world, 1_000)
    assert price(world) != price(world, "book-Y")


def test_a_mean_reverting_price_comes_back(world: World) -> None:
    prices(world, pricing_price="100", volatility=0, pricing_pull=5_000, pricing="mean-reverting")
    world.verb("set_price", "book-X", "108")
    assert prices(world) == ["108", "104", "102", "101", "100.5", "100.25"]
    world.verb("set_price", "book-X", "92")
    assert prices(world) == ["92", "96", "98", "99", "99.5", "99.75"]


def test_a_walk_without_a_price_begins_when_there_is_one(world: World) -> None:
    assert prices(world, pricing="walk") == ["0"] * 6
    world.verb("set_price", "book-X", "50")
    assert prices(world)[0] == "50" and price(world) != "50"


def test_steps_end_with_the_kind_and_with_the_book(world: World) -> None:
    prices(world, pricing_price="100", pricing="walk")
    world.verb("set_book_property", "book-X", "pricing", "fixed")
    path = prices(world)
    assert len(set(path)) == 1
    world.verb("set_book_property", "book-X", "pricing", "walk")
    world.verb("delete_book", "book-X")
    wait(world, 200)
    assert world.machine.next_timer_ns == 0


def test_late_steps_are_not_made_up_for(world: World) -> None:
    world.verb("set_book_property", "book-X", "pricing_price", "100")
    world.verb("set_book_property", "book-X", "pricing_interval_ms", 100)
    world.verb("set_book_property", "book-X", "pricing", "walk")
    wait(world, 1_050)
    assert world.machine.books["book-X"].rooms.worth.steps == 2  # type: ignore[union-attr]  # it has a price
    assert world.machine.next_timer_ns == world.now + 100 * 10**6


@pytest.mark.parametrize(("name", "value"), [
    ("pricing", "rising"), ("volatility", -1), ("volatility", 10_001), ("pricing_interval_ms", 0),
    ("pricing_price", "-1"), ("pricing_pull", 10_001), ("pricing_seed", "x"),
])  # fmt: skip
def test_a_property_that_makes_no_sense_is_refused(world: World, name: str, value: Any) -> None:
    assert world.verb("set_book_property", "book-X", name, value) == ("bad_argument", "value")
    assert name in pricing.PROPERTIES


# ------------------------------------------------------------------------------------------------- the market maker
def test_a_market_maker_quotes_around_the_price_and_follows_it(world: World) -> None:
    add(world, "market-maker", "spread=0.04 levels=2 step=0.05 quantity=300")
    assert depth(world) == ([], [])
    world.verb("set_price", "book-X", "10")
    assert depth(world) == ([["9.98", 300, 1], ["9.93", 300, 1]], [["10.02", 300, 1], ["10.07", 300, 1]])
    sound(world)
    for value, bid, ask in (("10.5", "10.48", "10.52"), ("9.005", "8.985", "9.025"), ("0.03", "0.01", "0.05")):
        world.verb("set_price", "book-X", value)
        assert (depth(world)[0][0][0], depth(world)[1][0][0]) == (bid, ask)
        assert not world.machine.query("trades", {"book": "book-X"}), "it never meets itself"
    assert len(depth(world)[0]) == 1, "there are no prices below 0"
    assert not depth(world, "book-Y")[0]


def test_what_was_taken_is_put_back_after_a_while(world: World) -> None:
    world.verb("set_price", "book-X", "1")
    add(world, "market-maker", "spread=0.02 refresh_ms=500")
    assert told(world, enter(1, "a", w.BUY, 60, 101)) == [("accepted", b"a"), ("executed", b"a", 60, 101, 0)]
    assert depth(world)[1] == [["1.01", 40, 1]]
    wait(world, 500)
    assert depth(world) == ([["0.99", 100, 1]], [["1.01", 100, 1]])
    told(world, enter(1, "b", w.SELL, 100, 99))
    assert depth(world)[0] == []
    wait(world, 500)
    assert depth(world) == ([["0.99", 100, 1]], [["1.01", 100, 1]])
    sound(world)


def test_without_refreshing_it_waits_for_the_price(world: World) -> None:
    world.verb("set_price", "book-X", "1")
    add(world, "market-maker", "refresh_ms=0")
    told(world, enter(1, "a", w.BUY, 100, 101))
    assert world.machine.next_timer_ns == 0
    world.verb("set_price", "book-X", "1")
    assert depth(world)[1] == [["1.01", 100, 1]]


def test_it_trades_with_those_whom_its_price_reaches(world: World) -> None:
    world.verb("set_price", "book-X", "1")
    add(world, "market-maker")
    told(world, enter(1, "a", w.BUY, 30, 98))
    world.verb("set_price", "book-X", "0.96")
    assert [event[0] for event in map(short, world.take())] == ["executed"]


def short(event: tuple[Any, ...]) -> tuple[Any, ...]:
    return (w.PRIVATE_EVENTS[event[0]][0],)


def test_its_limits_are_book_and_side(world: World) -> None:
    for book in ("book-X", "book-Y"):
        world.verb("set_price", book, "1")
    add(world, "market-maker", "book=book-Y side=sell levels=3")
    assert depth(world) == ([], [])
    assert depth(world, "book-Y") == ([], [["1.01", 100, 1], ["1.0101", 100, 1], ["1.0102", 100, 1]])
    for options in ("session=alice", "count=1", "probability=50", "levels=0", "spread=0", "levels=51", "desk=house"):
        assert add(world, "market-maker", options, "q")[0] in ("bad_argument", "in_use")
    assert add(world, "market-maker", "desk=p", "q") == ("in_use", "options"), "the first one's desk"
    world.verb("delete_policy", "main", "p")
    assert depth(world, "book-Y") == ([], [])
    assert add(world, "market-maker", "desk=p", "q")["name"] == "q"


def test_it_quotes_whole_lots_on_ticks_and_keeps_to_the_limits(world: World) -> None:
    for name, value in (("tick_size", "0.05"), ("lot_size", 40), ("max_price", "1.10")):
        world.verb("set_book_property", "book-X", name, value)
    world.verb("set_price", "book-X", "1.01")
    add(world, "market-maker", "spread=0.01 levels=4 quantity=100")
    assert depth(world) == (
        [["1", 80, 1], ["0.95", 80, 1], ["0.9", 80, 1], ["0.85", 80, 1]], [["1.05", 80, 1], ["1.1", 80, 1]]
    )  # fmt: skip


def test_no_policy_acts_on_its_orders(world: World) -> None:
    add(world, "auto-fill", name="fill")
    add(world, "auto-cancel", name="cancel")
    add(world, "market-maker", name="maker")
    world.verb("set_price", "book-X", "1")
    wait(world, 1_000)
    assert depth(world) == ([["0.99", 100, 1]], [["1.01", 100, 1]])


def test_it_stops_with_the_market_and_comes_back_with_it(world: World) -> None:
    world.verb("set_price", "book-X", "1")
    add(world, "market-maker")
    for verb, quoting in (
        ("close", False),
        ("open", True),
        ("end_of_day", False),
        ("start_of_day", False),
        ("open", True),
    ):
        world.verb(verb, "main")
        wait(world, 1_000)
        sound(world)
        assert bool(depth(world)[0]) == quoting, verb
    world.verb("halt", "book-X")
    world.verb("set_price", "book-X", "2")
    assert depth(world) == ([["0.99", 100, 1]], [["1.01", 100, 1]]), "orders stay"
    world.verb("resume", "book-X")
    wait(world, 1_000)
    assert depth(world) == ([["1.99", 100, 1]], [["2.01", 100, 1]])


def test_quoting_for_ever_does_not_fill_memory(world: World) -> None:
    add(world, "market-maker", "levels=3")
    for step in range(300):
        world.verb("set_price", "book-X", f"1.{step:03d}")
        if step % 7 == 0:
            told(world, enter(1, f"a{step}", w.BUY, 150, 300), enter(1, f"b{step}", w.SELL, 150, 1))
    desk = next(row for row in world.machine.query("list", {"kind": "desks"}) if row["name"] == "p")
    assert desk["open_orders"] <= 6 and desk["tokens"] <= 12
    sound(world)


@pytest.mark.parametrize("manual", [False, True], ids=["matching", "manual"])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens(seed: int, manual: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if manual:
        monkeypatch.setattr("tests.machine_world.KIND", "manual")
    world, anything, random = market(("X", "Y"), gateways=2), Anything(seed), Random(seed)

    def step() -> None:
        book = random.choice(("book-X", "book-Y"))
        if random.random() < 0.3:
            options = random.choice(
                ("", "levels=4 quantity=30", "spread=0.0001", "refresh_ms=50 side=buy", "refresh_ms=0")
            )
            world.verb(*random.choice((
                ("add_policy", "main", f"p{random.randrange(3)}", "market-maker", options),
                ("delete_policy", "main", f"p{random.randrange(3)}"),
                ("set_price", book, f"{random.choice((1, 1, 1, 900))}.{random.randrange(100):02d}"),
                ("set_book_property", book, "pricing", random.choice(("walk", "mean-reverting", "fixed", "none"))),
                ("set_book_property", book, "pricing_interval_ms", random.choice((1, 400))),
                ("set_book_property", book, "volatility", random.choice((0, 100, 10_000))),
            )))  # fmt: skip
        else:
            anything.step(world)

    for _ in followed(world, step, 220):
        pass


# ------------------------------------------------------------------------------------------------- the list of quotes
def test_the_list_of_quotes_is_what_is_in_the_market(world: World) -> None:
    assert world.machine.query("list", {"kind": "quotes"}) == []
    world.send("gateway-1", quote(b"q", ("X", 100, 99, 90, 101), ("Y", 80, 49, 0, 0)))
    world.send("gateway-1", quote(b"r", ("X", 5, 98, 5, 102), session=2, indicative=1))
    world.send("gateway-1", enter(2, "t", w.BUY, 30, 101))
    world.verb("create_quote", "draft", "book-X")
    facts = {"book": "book-X", "symbol": "X", "session": 1, "user": "ALICE"}
    assert world.machine.query("list", {"kind": "quotes"}) == [
        {**facts, "bid_quantity": 100, "bid_price": "0.99", "ask_quantity": 60, "ask_price": "1.01",
         "indicative": False},
        {**facts, "session": 2, "user": "BOB", "bid_quantity": 5, "bid_price": "0.98", "ask_quantity": 5,
         "ask_price": "1.02", "indicative": True},
        {**facts, "book": "book-Y", "symbol": "Y", "bid_quantity": 80, "bid_price": "0.49", "ask_quantity": 0,
         "ask_price": "0", "indicative": False},
    ]  # fmt: skip
    world.send("gateway-1", quote(b"s", ("X", 0, 0, 0, 0)), quote(b"u", ("X", 0, 0, 0, 0), session=2, indicative=1))
    assert [row["book"] for row in world.machine.query("list", {"kind": "quotes"})] == ["book-Y"]


# ------------------------------------------------------------------------------------------------- end to end
def test_clients_of_both_protocols_trade_with_a_market_maker(exchange: Exchange) -> None:
    engine = exchange.create_engine("main")
    book = engine.create_book("aapl", "AAPL")
    engine.add_policy("maker", "market-maker", spread="0.02", levels=3, quantity=500, refresh_ms=0)
    book.set_price("150.25")
    buyer = exchange.ouch_client(engine.create_endpoint("orders"), "alice")
    buyer.buy("AAPL", 100, "151").expect_filled(100, at="150.26")
    with FixClient(engine.create_endpoint("fix", "fix44"), SenderCompID="TRADER", TargetCompID="EX") as trader:
        book.set_price("151")
        trader.send("NewOrderSingle", {"ClOrdID": "1", "Symbol": "AAPL", "Side": "SELL", "OrderQty": 40,
                                       "OrdType": "LIMIT", "Price": "150"})  # fmt: skip
        reports = [trader.next("ExecutionReport") for _ in range(2)]
        assert [each.get("LastPx") for each in reports][1] == "150.99"
    for name, value in (("volatility", 100), ("pricing_interval_ms", 1), ("pricing", "walk")):
        book.set_property(name, value)
    with exchange.market_data("AAPL", channels=["bbo"]) as watcher:
        watcher.wait_live("AAPL")
        seen = {watcher.book("AAPL").bbo.bid_price}
        while len(seen) < 4:
            watcher.poll(5.0)
            seen.add(watcher.book("AAPL").bbo.bid_price)


def test_quotes_of_verbs_and_of_both_protocols_are_listed(exchange: Exchange) -> None:
    engine = exchange.create_engine("main")
    engine.create_book("aapl", "AAPL")
    exchange.quote("bob", "aapl", 100, "10", 90, "10.1")
    with FixClient(engine.create_endpoint("fix", "fix44"), SenderCompID="TRADER", TargetCompID="EX") as trader:
        trader.send("Quote", {"QuoteID": "Q1", "Symbol": "AAPL", "BidPx": "9", "BidSize": 5})
        trader.next("QuoteStatusReport")
        assert [(row.user, row.bid_price, row.bid_quantity, row.ask_price) for row in exchange.list("quotes")] == [
            ("bob", "10", 100, "10.1"), ("FIX.4.4:EX->TRADER", "9", 5, "0"),
        ]  # fmt: skip
