"""Orders and quotes put together property by property, and matches by hand."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import Exchange, VerbError, verbs
from openoutcry import wire as w
from openoutcry.matcher import drafts as drafting
from openoutcry.matcher.machine import Machine
from tests.invariants import check
from tests.machine_world import CENT, World, enter, market, submit
from tests.naive.pair import Watcher


@pytest.fixture
def world() -> World:
    return market()


def draft(world: World, order_id: str = "a", desk: str = "desk", **properties: Any) -> None:
    world.verb("create_order", order_id, "book-X", desk)
    for name, value in properties.items():
        world.verb("set_order_property", order_id, name, value, desk)


def kinds(rows: list[dict[str, Any]]) -> list[str]:
    return [row["kind"] for row in rows]


def names(world: World) -> list[tuple[str, str]]:
    return [(row["kind"], row["name"]) for row in world.machine.query("list", {"kind": "drafts"})]


# ------------------------------------------------------------------------------------------------- orders
def test_an_order_is_put_together_and_submitted(world: World) -> None:
    draft(world, side="sell", quantity=100, price="10.05", display_quantity=10, time_in_force="gtc")
    assert world.take("public") == [] and not world.machine.desks, "nobody knows of it before"
    (row,) = world.machine.query("list", {"kind": "drafts"})
    assert row == {
        "kind": "order", "name": "a", "desk": "desk", "book": "book-X", "submitted": False,
        "properties": {"side": "sell", "quantity": 100, "price": "10.05", "time_in_force": "gtc",
                       "display_quantity": 10},
    }  # fmt: skip
    (told,) = world.verb("submit_order", "a")
    assert (told["kind"], told["token"], told["quantity"], told["price"]) == ("accepted", "a", 100, "10.05")
    (shown,) = world.machine.query("orders", {"book": "book-X"})
    assert (shown["display_quantity"], shown["time_in_force"], shown["shown"]) == (10, "gtc", 10)
    assert names(world) == []


def test_a_property_is_set_again_until_the_order_is_submitted(world: World) -> None:
    draft(world, side="buy", quantity=100, price="10")
    world.verb("set_order_property", "a", "price", "9.5")
    assert world.verb("submit_order", "a")[0]["price"] == "9.5"
    assert world.verb("set_order_property", "a", "price", "9") == ("wrong_state", "order_id")


def test_an_order_is_submitted_once(world: World) -> None:
    draft(world, side="buy", quantity=100, price="10")
    assert kinds(world.verb("submit_order", "a")) == ["accepted"]
    assert world.verb("submit_order", "a") == ("wrong_state", "order_id")
    assert world.verb("create_order", "a", "book-X") == ("exists", "order_id")


def test_an_order_that_is_rejected_is_used_up_as_well(world: World) -> None:
    draft(world, side="buy", quantity=0, price="10")
    assert kinds(world.verb("submit_order", "a")) == ["rejected"]
    assert world.verb("submit_order", "a") == ("wrong_state", "order_id")


@pytest.mark.parametrize("missing", ["side", "quantity"])
def test_what_has_no_default_has_to_be_set_and_the_draft_stays(world: World, missing: str) -> None:
    given: dict[str, Any] = {"side": "buy", "quantity": 10, "price": "10"}
    draft(world, **{name: value for name, value in given.items() if name != missing})
    assert world.verb("submit_order", "a") == ("wrong_state", "order_id")
    world.verb("set_order_property", "a", missing, given[missing])
    assert kinds(world.verb("submit_order", "a")) == ["accepted"]


@pytest.mark.parametrize("name", verbs.DRAFT_ORDER_PROPERTIES)
def test_every_property_of_an_order_is_judged_when_it_is_set(world: World, name: str) -> None:
    draft(world)
    parameter = verbs.DRAFT_ORDER_PROPERTIES[name]
    if parameter.type == "bool":
        good: Any = True
    else:
        good = parameter.choices[0] if parameter.choices else {"price": "1.5", "name": "n", "int": 5}[parameter.type]
    assert world.verb("set_order_property", "a", name, good)["properties"] == {name: good}
    assert world.verb("set_order_property", "a", name, "not / that") == ("bad_argument", "value")
    assert world.verb("set_order_property", "a", "colour", good) == ("bad_argument", "name")
    assert world.machine.query("list", {"kind": "drafts"})[0]["properties"] == {name: good}


def test_deleting_forgets_a_draft_and_cancels_an_order(world: World) -> None:
    draft(world, side="buy", quantity=100, price="10")
    assert world.verb("delete_order", "a") == []
    assert world.verb("delete_order", "a") == ("unknown_name", "desk")
    draft(world, side="buy", quantity=100, price="10")
    world.verb("submit_order", "a")
    (told,) = world.verb("delete_order", "a")
    assert (told["kind"], told["leaves"]) == ("canceled", 0)
    assert world.verb("delete_order", "a") == ("unknown_name", "order_id")


def test_two_desks_have_drafts_of_the_same_name(world: World) -> None:
    draft(world, "a", "alice", side="buy", quantity=1, price="1")
    draft(world, "a", "bob", side="sell", quantity=2, price="2")
    assert world.verb("create_order", "a", "book-X", "bob") == ("exists", "order_id")
    assert world.verb("submit_order", "a", "bob")[0]["quantity"] == 2
    assert world.verb("submit_order", "a", "alice")[0]["quantity"] == 1


@pytest.mark.parametrize(("verb", "arguments", "error"), [
    ("create_order", ("a", "none"), ("unknown_name", "book")),
    ("create_quote", ("a", "none"), ("unknown_name", "book")),
    ("submit_order", ("x",), ("unknown_name", "order_id")), ("submit_quote", ("x",), ("unknown_name", "quote_id")),
    ("set_order_property", ("x", "side", "buy"), ("unknown_name", "order_id")),
    ("set_quote_property", ("x", "bid_price", "1"), ("unknown_name", "quote_id")),
    ("delete_quote", ("x",), ("unknown_name", "quote_id")),
    ("match_orders", ("none", "1", "2"), ("unknown_name", "book")),
    ("match_orders", ("book-X", "1", "2"), ("unknown_name", "order_a")),
])  # fmt: skip
def test_what_is_not_there_is_named(world: World, verb: str, arguments: Any, error: Any) -> None:
    before = world.machine.dump()
    assert world.verb(verb, *arguments) == error
    again = Machine.load(before)
    assert again.drafts.dump() == world.machine.drafts.dump()


def test_there_is_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "DRAFTS_MAX", 2)
    draft(world, "a")
    draft(world, "b")
    assert world.verb("create_order", "c", "book-X") == ("limit", "order_id")
    assert world.verb("create_quote", "c", "book-X")["kind"] == "quote"


def test_the_drafts_of_a_book_go_with_it(world: World) -> None:
    world.verb("create_book", "book-Y", "main", "Y")
    draft(world, "a")
    world.verb("create_order", "b", "book-Y")
    world.verb("create_quote", "q", "book-Y")
    world.verb("delete_book", "book-Y")
    assert names(world) == [("order", "a")]


# ------------------------------------------------------------------------------------------------- quotes
def quote(world: World, **properties: Any) -> None:
    for name, value in properties.items():
        world.verb("set_quote_property", "q", name, value, "mm")


def test_a_quote_is_submitted_changed_and_deleted(world: World) -> None:
    world.verb("create_quote", "q", "book-X", "mm")
    quote(world, bid_quantity=100, bid_price="9.99", ask_quantity=200, ask_price="10.01")
    assert "quote_status" in kinds(world.verb("submit_quote", "q", "mm"))
    depth = world.machine.query("depth", {"book": "book-X"})
    assert (depth["bids"], depth["asks"]) == ([["9.99", 100, 1]], [["10.01", 200, 1]])
    assert world.verb("submit_quote", "q", "mm") == ("wrong_state", "quote_id")
    quote(world, bid_price="9.98")
    world.verb("submit_quote", "q", "mm")
    assert world.machine.query("depth", {"book": "book-X"})["bids"] == [["9.98", 100, 1]]
    world.verb("delete_quote", "q", "mm")
    depth = world.machine.query("depth", {"book": "book-X"})
    assert (depth["bids"], depth["asks"], names(world)) == ([], [], [])


def test_a_quote_that_was_never_submitted_is_forgotten_in_silence(world: World) -> None:
    world.verb("create_quote", "q", "book-X", "mm")
    assert world.verb("delete_quote", "q", "mm") == []


def test_a_desk_has_one_quote_in_a_book(world: World) -> None:
    world.verb("create_quote", "q", "book-X", "mm")
    assert world.verb("create_quote", "q", "book-X", "mm") == ("exists", "quote_id")
    assert world.verb("create_quote", "r", "book-X", "mm") == ("exists", "book")
    assert world.verb("create_quote", "r", "book-X", "other")["desk"] == "other"


# ------------------------------------------------------------------------------------------------- matches by hand
def test_two_orders_that_do_not_meet_are_matched_at_the_price_said(world: World) -> None:
    world.send("gateway-1", enter(1, b"b", w.BUY, 100, 990), enter(2, b"s", w.SELL, 40, 1010))
    world.take_all()
    assert world.verb("match_orders", "book-X", "1", "2") == ("bad_argument", "price"), "they do not meet"
    told = world.verb("match_orders", "book-X", "2", "1", price="10")
    assert told == {"book": "book-X", "match": 1, "quantity": 40, "price": "10", "buy": "b", "sell": "s",
                    "buy_leaves": 60, "sell_leaves": 0}  # fmt: skip
    assert world.take() == [
        (w.EXECUTED, 1, b"b", 40, 1000 * CENT, w.CROSS_LIQUIDITY + w.CROSS_HALT, 1, 60, 0),
        (w.EXECUTED, 2, b"s", 40, 1000 * CENT, w.CROSS_LIQUIDITY + w.CROSS_HALT, 1, 0, 0),
    ]
    assert world.take("public") == [(w.CROSS_TRADED, 1, 1, 2, 40, 1000 * CENT, 1, 60, 0)]
    check(world.machine)
    assert world.machine.books["book-X"].plain, "and the book trades as before"


def test_orders_that_cross_in_a_halted_book_are_matched_at_the_older_ones_price(world: World) -> None:
    world.verb("set_phase", "main", "pre_open")
    world.send("gateway-1", enter(1, b"b", w.BUY, 100, 1010), enter(2, b"s", w.SELL, 100, 1000))
    told = world.verb("match_orders", "book-X", "1", "2", 30)
    assert (told["price"], told["quantity"], told["buy_leaves"]) == ("10.1", 30, 70)
    assert world.verb("match_orders", "book-X", "1", "2", 71) == ("bad_argument", "quantity")
    assert world.verb("match_orders", "book-X", "1", "1") == ("bad_argument", "order_b")


def test_a_desk_names_its_own_orders_and_the_public_book_stays_right(world: World) -> None:
    watcher = Watcher()
    draft(world, "a", "alice", side="buy", quantity=100, price="10", display_quantity=10)
    world.verb("submit_order", "a", "alice")
    world.send("gateway-1", submit(2, b"s", w.SELL, 95, 1100, hidden=1))
    number = world.machine.sessions[2].live[b"s"][3]
    assert world.verb("match_orders", "book-X", "a", str(number), price="10.5", desk="alice")["buy_leaves"] == 5
    watcher.take(world.take("public"))
    check(world.machine)
    assert {row[3] for row in watcher.orders.values()} == {5}


# ------------------------------------------------------------------------------------------------- state
def test_drafts_are_state_and_a_copy_goes_on_with_them(world: World) -> None:
    draft(world, "a", side="buy", quantity=100, price="10", hidden=True)
    world.verb("create_quote", "q", "book-X", "mm")
    quote(world, bid_quantity=100, bid_price="9.99")
    world.verb("submit_quote", "q", "mm")
    given = len(world.inputs)
    copy = Machine.load(world.machine.dump())
    world.verb("submit_order", "a")
    world.verb("delete_quote", "q", "mm")
    for what, arguments in world.inputs[given:]:
        getattr(copy, what)(*arguments)
    for stream in copy.streams.values():
        stream.end += len(stream.events)
        stream.events.clear()
    world.take_all()
    assert copy.dump() == world.machine.dump()


def test_drafts_of_an_exchange(exchange: Exchange) -> None:
    engine = exchange.create_engine("main")
    book = engine.create_book("aapl", "AAPL")
    client = exchange.ouch_client(engine.create_endpoint("orders"), "alice")
    feed = exchange.market_data()
    feed.subscribe("AAPL")
    feed.wait_live("AAPL")
    order = exchange.create_order("a", book).set(side="sell", quantity=100, price="10.05")
    assert order.submit()[0]["kind"] == "accepted"
    client.wait_for("A", order_token=client.enter("AAPL", "B", 40, "10.00"))
    (number,) = [row["number"] for row in book.orders() if row["user"] == "ALICE"]
    assert exchange.match_orders(book, "a", str(number), price="10.02")["quantity"] == 40
    client.wait_for("E", executed_shares=40)
    assert [row["quantity"] for row in book.orders()] == [60]
    feed.wait_for(lambda: feed.book("AAPL").levels() == {"bids": [], "asks": [["10.05", 60, 1]]})
    ((price, quantity),) = [(trade.price, trade.quantity) for trade in feed.trades("AAPL")]
    assert (price, quantity) == (1002 * CENT, 40)
    assert order.delete()[0]["kind"] == "canceled"
    quote = exchange.create_quote("q", book, "mm").set(bid_quantity=10, bid_price="9", ask_quantity=10, ask_price="11")
    quote.submit()
    assert exchange.depth(book)["bids"] == [["9", 10, 1]]
    quote.delete()
    with pytest.raises(VerbError, match="no draft"):
        quote.submit()
