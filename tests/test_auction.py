"""Auctions: the price against every definition of it, and the cross order by order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.matcher.equilibrium import NO_OUTCOME, Limit, Outcome, equilibrium
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.ticks import TickTable
from tests.machine_world import CENT, Message, World, enter, market, replace

# ------------------------------------------------------------------------------------------------- the price
MARKET = 0


def brute_force(buys: list[Limit], sells: list[Limit], reference: int, tick: int) -> Outcome:
    """The steps of the market model one after the other, each over all candidates and all orders."""

    def bought(price: int) -> int:
        return sum(quantity for limit, quantity in buys if limit == MARKET or limit >= price)

    def sold(price: int) -> int:
        return sum(quantity for limit, quantity in sells if limit <= price)

    candidates = {limit for limit, _ in buys + sells if limit != MARKET} | ({reference} if reference else set())
    if not candidates:
        return NO_OUTCOME
    volume = {price: min(bought(price), sold(price)) for price in candidates}
    left = {price: bought(price) - sold(price) for price in candidates}
    most = max(volume.values())
    if not most:
        return NO_OUTCOME
    stay = [price for price in candidates if volume[price] == most]
    least = min(abs(left[price]) for price in stay)
    stay = sorted(price for price in stay if abs(left[price]) == least)
    if all(left[price] > 0 for price in stay):
        chosen = stay[-1]
    elif all(left[price] < 0 for price in stay):
        chosen = stay[0]
    else:
        near = reference or (stay[0] + stay[-1]) // 2 // tick * tick
        distance = min(abs(price - near) for price in stay)
        chosen = max(price for price in stay if abs(price - near) == distance)
    return Outcome(chosen, most, left[chosen])


limits = st.lists(st.tuples(st.one_of(st.just(MARKET), st.integers(1, 12)), st.integers(1, 5)), max_size=8)


@given(limits, limits, st.integers(0, 14), st.integers(1, 4))
@example([(10, 5)], [(MARKET, 5)], 0, 1)
def test_the_price_is_that_of_the_market_model(
    buys: list[Limit], sells: list[Limit], reference: int, tick: int
) -> None:
    assert equilibrium(buys, sells, reference, tick) == brute_force(buys, sells, reference, tick)


@pytest.mark.parametrize(("buys", "sells", "reference", "expected"), [
    # After the examples of the Xetra market model, "Price determination in auctions".
    ([(202, 200), (201, 200), (200, 300)], [(198, 200), (199, 200), (200, 300)], 0, (200, 700, 0)),
    ([(202, 400), (201, 200)], [(197, 300), (199, 200)], 0, (201, 500, 100)),
    ([(202, 300), (201, 200)], [(199, 400), (198, 200)], 0, (199, 500, -100)),
    ([(202, 200), (MARKET, 100)], [(199, 200), (MARKET, 100)], 201, (201, 300, 0)),
    ([(202, 200), (MARKET, 100)], [(199, 200), (MARKET, 100)], 203, (202, 300, 0)),
    ([(202, 200), (MARKET, 100)], [(199, 200), (MARKET, 100)], 198, (199, 300, 0)),
    ([(MARKET, 900)], [(MARKET, 800)], 200, (200, 800, 100)),
    ([(MARKET, 900)], [(MARKET, 800)], 0, (0, 0, 0)),
    ([(200, 80)], [(202, 80)], 201, (0, 0, 0)),
    # One side alone, and nothing at all.
    ([(200, 80), (MARKET, 1)], [], 201, (0, 0, 0)),
    ([], [], 201, (0, 0, 0)),
    ([], [], 0, (0, 0, 0)),
])  # fmt: skip
def test_the_steps_by_example(
    buys: list[Limit], sells: list[Limit], reference: int, expected: tuple[int, int, int]
) -> None:
    assert equilibrium(buys, sells, reference) == expected


def test_without_a_reference_the_middle_decides_rounded_down_to_the_tick() -> None:
    buys, sells = [(110, 10)], [(101, 10)]
    assert equilibrium(buys, sells, 0, 1) == (101, 10, 0), "105 is nearer to 101"
    assert equilibrium([(110, 10)], [(102, 10)], 0, 1) == (110, 10, 0), "of two, the higher"
    assert equilibrium([(110, 10)], [(102, 10)], 0, 5) == (102, 10, 0), "the middle is 105 now"
    table = TickTable([0, 106], [3, 1])
    assert equilibrium([(112, 10)], [(102, 10)], 0, 1, table) == (112, 10, 0), "107 is a valid price"
    assert equilibrium([(108, 10)], [(102, 10)], 0, 1, table) == (108, 10, 0), "and so is 105"
    assert equilibrium([(107, 10)], [(101, 10)], 0, 1, table) == (101, 10, 0), "but not 104"


def test_a_hundred_thousand_orders_take_one_sort_and_one_pass() -> None:
    """No clock: what is counted is how often a limit is looked at."""
    looked = 0

    def counted(orders: list[Limit]) -> Iterator[Limit]:
        nonlocal looked
        for order in orders:
            looked += 1
            yield order

    chance = random.Random(1)
    many = [(chance.randrange(1, 10_000), chance.randrange(1, 100)) for _ in range(100_000)]
    assert equilibrium(counted(many[:50_000]), counted(many[50_000:]), 5_000).volume > 0
    assert looked == 100_000


# ------------------------------------------------------------------------------------------------- the cross
def call(*properties: tuple[str, object]) -> World:
    """A market whose book X collects orders for its opening, with an indicative price after every change."""
    world = market()
    for name, value in (("indicative_ms", 0), *properties):
        world.verb("set_book_property", "book-X", name, value)
    world.verb("set_phase", "main", "pre_open")
    world.take_all()
    return world


def submit(session: int, token: str, side: int, quantity: int = 100, price: int = 100, **terms: Any) -> Message:
    """A SUBMIT; price in cents; terms by their names in wire.ORDER_TERMS, stop prices in cents as well."""
    kind = terms.pop("order_type", w.LIMIT)
    tif = terms.pop("tif", w.DAY)
    minimum = terms.pop("minimum", 0)
    names = {field.name: term for term, field in w.ORDER_TERMS.items()}
    given = tuple(sorted((names[name], value) for name, value in terms.items()))
    limit = 0 if kind in (w.MARKET, w.MARKET_TO_LIMIT, w.STOP) else price * CENT
    return (w.SUBMIT, session, token.encode(), "X", side, quantity, limit, kind, tif, 0, minimum, b"", given)


def crossed(world: World, phase: str = "open") -> tuple[list[Message], list[Message]]:
    """Leave the phase; returns what the sessions were told, and the public."""
    world.take_all()
    world.verb("set_phase", "main", phase)
    return world.take(), world.take("public")


def trades(public: list[Message]) -> list[Message]:
    """(buy, sell, quantity, price in cents, buy leaves, sell leaves) of each CROSS_TRADED."""
    return [
        (buy, sell, quantity, price // CENT, buy_left, sell_left)
        for kind, _, buy, sell, quantity, price, _, buy_left, sell_left in (e for e in public if len(e) == 9)
        if kind == w.CROSS_TRADED
    ]


def test_orders_are_collected_crossed_at_one_price_and_what_is_left_trades_on() -> None:
    world = call()
    world.send(
        "gateway-1", enter(1, "b", w.BUY, 300, 102), enter(2, "s", w.SELL, 200, 99), enter(2, "t", w.SELL, 50, 103)
    )
    assert world.take("public") == [
        (w.ADDED, 1, 1, w.BUY, 300, 102 * CENT),
        (w.ADDED, 1, 2, w.SELL, 200, 99 * CENT),
        (w.INDICATIVE, 1, 102 * CENT, 200, w.BUY, 100),
        (w.ADDED, 1, 3, w.SELL, 50, 103 * CENT),
    ]
    private, public = crossed(world)
    assert private == [
        (w.EXECUTED, 1, b"b", 200, 102 * CENT, w.CROSS_LIQUIDITY + w.CROSS_OPENING, 1, 100, 0),
        (w.EXECUTED, 2, b"s", 200, 102 * CENT, w.CROSS_LIQUIDITY + w.CROSS_OPENING, 1, 0, 0),
    ]
    assert public == [
        (w.STATUS, 1, w.PHASE_OPEN, "set_phase"),
        (w.CROSS_TRADED, 1, 1, 2, 200, 102 * CENT, 1, 100, 0),
        (w.CROSSED, 1, w.CROSS_OPENING, 102 * CENT, 200),
    ]
    world.send("gateway-1", enter(2, "u", w.SELL, 100, 102))
    assert [event[0] for event in world.take()] == [w.ACCEPTED, w.EXECUTED, w.EXECUTED]


def test_a_cross_without_a_price_says_so() -> None:
    world = call()
    world.send("gateway-1", enter(1, "b", w.BUY, 300, 98), submit(2, "m", w.SELL, order_type=w.MARKET, tif=w.AT_CLOSE))
    assert crossed(world) == (
        [], [(w.STATUS, 1, w.PHASE_OPEN, "set_phase"), (w.CROSSED, 1, w.CROSS_OPENING, 0, 0)]
    )  # fmt: skip


def test_priority_is_market_then_price_then_shown_then_time() -> None:
    world = call()
    world.send(
        "gateway-1",
        submit(1, "a", w.BUY, 10, 100),
        submit(1, "b", w.BUY, 10, 101, hidden=1),
        submit(1, "c", w.BUY, 10, 101, tif=w.GOOD_FOR_AUCTION),
        submit(1, "d", w.BUY, 10, 101),
        submit(1, "e", w.BUY, 10, 102),
        submit(1, "f", w.BUY, 10, order_type=w.MARKET),
        submit(2, "s", w.SELL, 100, 99),
    )
    private, public = crossed(world)
    assert b"".join(event[2] for event in private if event[0] == w.EXECUTED and event[1] == 1) == b"fedbca"
    assert trades(public) == [
        (0, 7, 10, 99, 0, 90), (5, 7, 10, 99, 0, 80), (4, 7, 10, 99, 0, 70), (0, 7, 10, 99, 0, 60),
        (0, 7, 10, 99, 0, 50), (1, 7, 10, 99, 0, 40),
    ]  # fmt: skip


def test_an_iceberg_takes_part_with_all_it_has_and_shows_what_it_showed() -> None:
    world = call()
    world.send("gateway-1", submit(1, "i", w.BUY, 100, 100, display_quantity=30), enter(2, "s", w.SELL, 80, 100))
    private, public = crossed(world)
    assert private[0][3:] == (80, 100 * CENT, 4, 1, 20, 0)
    assert trades(public) == [(1, 2, 80, 100, 20, 0)]
    assert world.machine.query("depth", {"book": "book-X"})["bids"] == [["1", 20, 1]]


def test_conditional_pegged_and_trigger_orders_take_no_part() -> None:
    world = call()
    world.send(
        "gateway-1",
        submit(1, "aon", w.BUY, 10, 103, all_or_none=1),
        submit(1, "min", w.BUY, 10, 103, minimum=5),
        submit(1, "peg", w.BUY, 10, 103, order_type=w.PEGGED, peg=w.PEG_PRIMARY),
        submit(1, "stop", w.BUY, 10, 103, order_type=w.STOP_LIMIT, stop_price=200 * CENT),
        enter(2, "s", w.SELL, 10, 100),
    )
    _, public = crossed(world)
    assert public[:2] == [(w.STATUS, 1, w.PHASE_OPEN, "set_phase"), (w.CROSSED, 1, w.CROSS_OPENING, 0, 0)]
    assert [event[0] for event in public[2:]] == [w.TRADED], "after the cross the all-or-none order finds its seller"


def test_leftovers_by_type() -> None:
    world = call()
    world.send(
        "gateway-1",
        submit(1, "open", w.BUY, 30, 100, tif=w.AT_OPEN),
        submit(1, "close", w.BUY, 30, 100, tif=w.AT_CLOSE),
        submit(1, "next", w.BUY, 30, 100, tif=w.GOOD_FOR_AUCTION),
        submit(1, "market", w.BUY, 45, order_type=w.MARKET),
        submit(1, "to-limit", w.BUY, 30, order_type=w.MARKET_TO_LIMIT),
        submit(1, "day", w.BUY, 30, 100),
        enter(2, "s", w.SELL, 60, 100),
    )
    private, public = crossed(world)
    assert private[4:] == [
        (w.RESTATED, 1, b"to-limit", 8, 100 * CENT, 15, 15, w.RESTATED_LIMIT),
        (w.CANCELED, 1, b"open", 30, w.CANCEL_CROSS, 0),
        (w.CANCELED, 1, b"next", 30, w.CANCEL_CROSS, 0),
    ]
    assert public[-2:] == [(w.CROSSED, 1, w.CROSS_OPENING, 100 * CENT, 60), (w.ADDED, 1, 8, w.BUY, 15, 100 * CENT)]
    assert sorted(world.machine.sessions[1].live) == [b"close", b"day", b"to-limit"]
    assert world.machine.query("depth", {"book": "book-X"})["bids"] == [["1", 45, 2]]


def test_market_orders_that_find_nobody_are_cancelled() -> None:
    world = call()
    world.send(
        "gateway-1",
        submit(1, "m", w.BUY, 45, order_type=w.MARKET),
        submit(1, "t", w.BUY, 45, order_type=w.MARKET_TO_LIMIT),
        submit(2, "n", w.SELL, 45, order_type=w.MARKET),
    )
    private, _ = crossed(world)
    assert [event[2:5] for event in private] == [(token, 45, w.CANCEL_CROSS) for token in (b"m", b"t", b"n")]


def test_market_orders_on_both_sides_trade_at_the_reference() -> None:
    world = call(("reference_price", "0.5"))
    world.send(
        "gateway-1",
        submit(1, "m", w.BUY, 45, order_type=w.MARKET),
        submit(2, "n", w.SELL, 40, order_type=w.MARKET),
    )
    assert trades(crossed(world)[1]) == [(0, 0, 40, 50, 0, 0)]


def test_an_order_for_one_auction_takes_part_in_that_alone() -> None:
    world = call()
    world.send("gateway-1", submit(1, "c", w.BUY, 10, 100, tif=w.AT_CLOSE), enter(2, "s", w.SELL, 10, 100))
    assert trades(crossed(world)[1]) == []
    assert trades(crossed(world, "closing_auction")[1]) == []
    private, public = crossed(world, "post_close")
    assert private[0] == (w.EXECUTED, 1, b"c", 10, 100 * CENT, w.CROSS_LIQUIDITY + w.CROSS_CLOSING, 1, 0, 0)
    assert public[-1] == (w.CROSSED, 1, w.CROSS_CLOSING, 100 * CENT, 10)


def test_an_opening_order_whose_auction_never_came_is_gone_with_the_closing_one() -> None:
    world = call()
    world.send("gateway-1", submit(1, "o", w.BUY, 10, 100, tif=w.AT_OPEN))
    crossed(world, "closing_auction")
    assert crossed(world, "post_close")[0] == [(w.CANCELED, 1, b"o", 10, w.CANCEL_CROSS, 0)]


def test_stops_are_elected_by_the_auctions_price_and_trade_after_it() -> None:
    world = call()
    world.send(
        "gateway-1",
        submit(1, "stop", w.BUY, 10, order_type=w.STOP, stop_price=100 * CENT),
        enter(1, "b", w.BUY, 10, 100), enter(2, "s", w.SELL, 10, 100), enter(2, "t", w.SELL, 10, 101),
    )  # fmt: skip
    private, public = crossed(world)
    assert [event[0] for event in private] == [w.EXECUTED, w.EXECUTED, w.RESTATED, w.EXECUTED, w.EXECUTED]
    assert [event[0] for event in public] == [w.STATUS, w.CROSS_TRADED, w.CROSSED, w.TRADED]
    assert public[-1][4] == 101 * CENT


def test_self_match_prevention_is_not_for_auctions() -> None:
    world = call(("self_match", "newest"))
    world.send("gateway-1", enter(1, "b", w.BUY, 10, 100), enter(1, "s", w.SELL, 10, 100))
    assert trades(crossed(world)[1]) == [(1, 2, 10, 100, 0, 0)]


def test_pegged_orders_are_out_of_the_market_while_orders_are_collected() -> None:
    world = market()
    world.send("gateway-1", enter(1, "b", w.BUY, 10, 100), submit(1, "p", w.BUY, 10, 0, order_type=w.PEGGED, peg=1))
    assert world.machine.query("depth", {"book": "book-X"})["bids"] == [["1", 20, 2]]
    world.verb("set_phase", "main", "closing_auction")
    assert world.machine.query("depth", {"book": "book-X"})["bids"] == [["1", 10, 1]]
    world.verb("set_phase", "main", "open")
    assert world.machine.query("depth", {"book": "book-X"})["bids"] == [["1", 20, 2]]


# ------------------------------------------------------------------------------------------------- pending cancels
def late(world: World, phase: str) -> None:
    world.verb("set_phase", "main", phase)
    world.take_all()


@pytest.mark.parametrize("phase", ["pre_open_no_cancel", "opening_auction", "closing_auction"])
def test_a_cancel_shortly_before_the_auction_waits_for_it(phase: str) -> None:
    world = call()
    world.send("gateway-1", submit(1, "m", w.BUY, 30, order_type=w.MARKET))
    late(world, phase)
    world.send("gateway-1", (w.CANCEL, 1, b"m", 0), (w.CANCEL, 1, b"m", 0))
    assert world.take() == [(w.CANCEL_PENDING, 1, b"m")], "once"
    world.send("gateway-1", (w.CANCEL, 1, b"m", 10), enter(2, "s", w.SELL, 20, 100))
    assert world.take()[0][:4] == (w.CANCEL_REJECTED, 1, b"m", w.REJECT_TOO_LATE)
    private, _ = crossed(world)
    assert private[0][:4] == (w.EXECUTED, 1, b"m", 20)
    assert private[2:] == [(w.CANCELED, 1, b"m", 10, w.CANCEL_USER, 0)]


def test_other_orders_are_too_late_to_cancel_before_the_opening_and_free_before_the_close() -> None:
    world = call()
    world.send("gateway-1", enter(1, "a", w.BUY, 30, 100), enter(1, "b", w.BUY, 30, 100))
    late(world, "pre_open_no_cancel")
    world.send("gateway-1", (w.CANCEL, 1, b"a", 0), replace(1, "a", "r", 20))
    told = [event[:4] for event in world.take()]
    assert told == [(w.CANCEL_REJECTED, 1, b"a", w.REJECT_TOO_LATE), (w.REJECTED, 1, b"r", w.REJECT_TOO_LATE)]
    late(world, "closing_auction")
    world.send("gateway-1", (w.CANCEL, 1, b"a", 0), replace(1, "b", "s", 20))
    assert [event[0] for event in world.take()] == [w.CANCELED, w.REPLACED]


def test_a_pending_cancel_is_carried_out_when_the_phase_allows_it_again_without_a_cross() -> None:
    world = call()
    world.send("gateway-1", submit(1, "m", w.BUY, 30, order_type=w.MARKET))
    late(world, "pre_open_no_cancel")
    world.send("gateway-1", (w.CANCEL, 1, b"m", 0))
    assert crossed(world, "opening_auction")[0] == []
    assert crossed(world, "pre_open")[0] == [(w.CANCELED, 1, b"m", 30, w.CANCEL_USER, 0)]


def test_a_pending_cancel_of_an_order_for_a_later_auction_is_carried_out_after_the_first() -> None:
    world = call()
    world.send("gateway-1", submit(1, "c", w.BUY, 30, 100, tif=w.AT_CLOSE))
    late(world, "opening_auction")
    world.send("gateway-1", (w.CANCEL, 1, b"c", 0))
    world.take()
    assert crossed(world)[0] == [(w.CANCELED, 1, b"c", 30, w.CANCEL_USER, 0)]


# ------------------------------------------------------------------------------------------------- which cross
def test_an_interruption_does_not_take_the_place_of_the_opening() -> None:
    world = call()
    world.send("gateway-1", submit(1, "o", w.BUY, 10, 100, tif=w.AT_OPEN), enter(2, "s", w.SELL, 10, 100))
    world.verb("halt", "book-X", "news")
    assert crossed(world)[1] == [(w.STATUS, 1, w.PHASE_HALTED, "set_phase")]
    world.verb("resume", "book-X", True)
    assert world.take("public") == [
        (w.STATUS, 1, w.PHASE_VOLATILITY_AUCTION, "resume"),
        (w.INDICATIVE, 1, 100 * CENT, 10, 0, 0),
    ]
    world.now += 120 * 10**9
    world.timer()
    public = world.take("public")
    assert trades(public) == [(0, 2, 10, 100, 0, 0)]
    assert public[-1] == (w.CROSSED, 1, w.CROSS_OPENING, 100 * CENT, 10)


def test_what_was_collected_is_crossed_after_a_halt_without_an_auction_as_well() -> None:
    world = call()
    world.send("gateway-1", enter(1, "b", w.BUY, 10, 100), enter(2, "s", w.SELL, 10, 100))
    world.verb("halt", "book-X")
    world.verb("open", "main")
    world.take_all()
    world.verb("resume", "book-X")
    assert [event[0] for event in world.take("public")] == [w.STATUS, w.CROSS_TRADED, w.CROSSED]


def test_orders_for_the_days_after_are_crossed_at_the_opening_with_or_without_an_auction() -> None:
    world = market()
    world.verb("set_phase", "main", "post_close")
    world.send("gateway-1", enter(1, "b", w.BUY, 10, 100, tif=w.GTC), enter(2, "s", w.SELL, 10, 100, tif=w.GTC))
    for verb in ("end_of_day", "start_of_day"):
        world.verb(verb, "main")
    world.take_all()
    world.verb("open", "main")
    public = world.take("public")
    assert trades(public) == [(1, 2, 10, 100, 0, 0)]
    assert public[-1] == (w.CROSSED, 1, w.CROSS_OPENING, 100 * CENT, 10)


def test_no_cross_is_held_when_an_opening_is_called_off() -> None:
    world = call()
    world.send("gateway-1", enter(1, "b", w.BUY, 10, 100, tif=w.GTC), enter(2, "s", w.SELL, 10, 100))
    private, public = crossed(world, "closed")
    assert private == [(w.CANCELED, 2, b"s", 10, w.CANCEL_CLOSED, 0)]
    assert public == [(w.REDUCED, 1, 2, 10, 0), (w.STATUS, 1, w.PHASE_CLOSED, "set_phase")]


def test_day_orders_trade_in_the_closing_auction_before_they_are_cancelled() -> None:
    world = call()
    world.verb("set_phase", "main", "closing_auction")
    world.send("gateway-1", enter(1, "b", w.BUY, 30, 100), enter(2, "s", w.SELL, 10, 100))
    world.take_all()
    world.verb("close", "main")
    assert [event[0] for event in world.take("public")] == [w.STATUS, w.CROSS_TRADED, w.CROSSED, w.REDUCED]
    assert world.take()[-1] == (w.CANCELED, 1, b"b", 20, w.CANCEL_CLOSED, 0)


# ------------------------------------------------------------------------------------------------- indicative prices
def indicatives(world: World) -> list[Message]:
    return [event[2:] for event in world.take("public") if event[0] == w.INDICATIVE]


def test_indicative_prices_come_at_most_so_often_and_only_when_they_changed() -> None:
    world = call(("indicative_ms", 1_000))
    start = world.now
    world.send("gateway-1", enter(1, "b", w.BUY, 30, 100), enter(2, "s", w.SELL, 10, 100))
    assert indicatives(world) == [(100 * CENT, 10, w.BUY, 20)]
    world.send("gateway-1", enter(2, "t", w.SELL, 20, 100))
    world.now = start + 999_999_999
    world.send("gateway-1", enter(2, "u", w.SELL, 20, 100))
    assert indicatives(world) == []
    assert world.machine.next_timer_ns == start + 10**9
    world.now = start + 10**9
    world.timer()
    assert indicatives(world) == [(100 * CENT, 30, w.SELL, 20)]
    world.now += 10**9
    world.send("gateway-1", enter(1, "far", w.BUY, 30, 1), (w.CANCEL, 1, b"far", 0))
    assert indicatives(world) == [], "nothing new"
    world.send("gateway-1", (w.CANCEL, 1, b"b", 0))
    world.now += 10**9
    world.timer()
    assert indicatives(world) == [(0, 0, 0, 0)]


def test_an_indicative_price_that_is_still_to_come_is_dropped_with_the_auction() -> None:
    world = call(("indicative_ms", 1_000))
    world.send("gateway-1", enter(1, "b", w.BUY, 30, 100), enter(2, "s", w.SELL, 10, 100))
    world.send("gateway-1", enter(2, "t", w.SELL, 20, 100))
    crossed(world)
    world.now += 10**9
    world.timer()
    assert world.take("public") == []
    late(world, "closing_auction")
    world.send("gateway-1", enter(1, "c", w.BUY, 30, 100), enter(2, "u", w.SELL, 10, 100))
    assert indicatives(world) == [(100 * CENT, 10, w.BUY, 20)], "the next auction begins anew"


# ------------------------------------------------------------------------------------------------- the whole
@dataclass
class Simple:
    """An order of the naive cross: what it was entered as."""

    session: int
    side: int
    quantity: int
    price: int  # in cents, 0 for a market order
    kind: str  # lit, hidden, iceberg, call, market


def naive_cross(orders: list[Simple]) -> tuple[Outcome, list[int]]:
    """The auction of `orders`, in the order they came; returns how much of each is executed."""
    sides = {side: [(o.price, o.quantity) for o in orders if o.side == side] for side in (w.BUY, w.SELL)}
    found = brute_force(sides[w.BUY], sides[w.SELL], 0, 1)
    filled = [0] * len(orders)
    for side in (w.BUY, w.SELL):
        sign = -1 if side == w.BUY else 1
        order_of = sorted(
            (index for index, o in enumerate(orders) if o.side == side),
            key=lambda i: (orders[i].price != 0, sign * orders[i].price, orders[i].kind not in ("lit", "iceberg"), i),
        )
        left = found.volume
        for index in order_of:
            filled[index] = min(left, orders[index].quantity)
            left -= filled[index]
    return found, filled


simple_orders = st.builds(
    Simple, st.integers(1, 2), st.sampled_from((w.BUY, w.SELL)), st.integers(1, 9), st.integers(95, 105),
    st.sampled_from(("lit", "lit", "hidden", "iceberg", "call", "market")),
)  # fmt: skip


def command(number: int, order: Simple) -> Message:
    if order.kind == "market":
        order.price = 0
        return submit(order.session, f"t{number}", order.side, order.quantity, order_type=w.MARKET)
    terms: dict[str, Any] = {
        "lit": {}, "hidden": {"hidden": 1}, "iceberg": {"display_quantity": 2}, "call": {"tif": w.GOOD_FOR_AUCTION},
    }[order.kind]  # fmt: skip
    return submit(order.session, f"t{number}", order.side, order.quantity, order.price, **terms)


@settings(max_examples=150)
@given(st.lists(simple_orders, max_size=14))
def test_every_cross_is_that_of_the_naive_auction_and_leaves_the_book_uncrossed(orders: list[Simple]) -> None:
    world = call(("tick_size", "0.01"))
    world.send("gateway-1", *(command(number, order) for number, order in enumerate(orders)))
    shown = ([(0, 0, 0, 0)] + indicatives(world))[-1]
    private, public = crossed(world)
    found, filled = naive_cross(orders)
    result = next(event for event in public if event[0] == w.CROSSED)
    assert result == (w.CROSSED, 1, w.CROSS_OPENING, found.price * CENT, found.volume)
    side = (found.imbalance > 0) * w.BUY or (found.imbalance < 0) * w.SELL
    assert shown == (found.price * CENT, found.volume, side, abs(found.imbalance))
    executed = [0] * len(orders)
    for event in private:
        if event[0] == w.EXECUTED:
            executed[int(event[2][1:])] += event[3]
    assert executed == filled
    book = world.machine.books["book-X"]
    assert book.bids.best < book.asks.best
    again = Machine.load(world.machine.dump())
    assert again.dump() == world.machine.dump()


@settings(max_examples=25)
@given(st.lists(simple_orders, min_size=4, max_size=14), st.integers(0, 14))
def test_a_snapshot_in_the_middle_of_an_auction_changes_nothing(orders: list[Simple], half: int) -> None:
    world = call(("indicative_ms", 700))
    commands = [command(number, order) for number, order in enumerate(orders)]
    world.send("gateway-1", *commands[:half])
    twin = World()
    twin.machine, twin.now = Machine.load(world.machine.dump()), world.now
    for one in (world, twin):
        one.take_all()
        one.send("gateway-1", *commands[half:])
        one.now += 10**9
        one.timer()
        one.feed("apply", "control", one.machine.peers["control"].last_command + 1, (OPEN_VERB,))
    assert twin.take_all() == world.take_all()
    assert twin.machine.dump() == world.machine.dump()


OPEN_VERB = (w.VERB, 999, "open", ("main",))
