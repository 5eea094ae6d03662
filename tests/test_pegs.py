"""Pegged orders: openoutcry.matcher.pegs, rule by rule, with whole lists of events, and at random against the rules.

Session 1 "alice" has the pegged orders, 2 "bob" is the market, 3 and 4 trade.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.matcher.orders import NUMBER, OPEN, PRICE, SIDE, TERMS, Order
from openoutcry.matcher.terms import DARK, LIT, PARKED
from tests.machine_world import CENT, START_NS, World, amend, enter, market, submit
from tests.rooms_world import at, send

ACCEPTED, RESTATED, EXECUTED, CANCELED = w.ACCEPTED, w.RESTATED, w.EXECUTED, w.CANCELED
TOOK, GAVE, GAVE_UNSEEN = w.REMOVED_LIQUIDITY, w.ADDED_LIQUIDITY, w.ADDED_HIDDEN
PRIMARY, MARKET, MIDPOINT = w.PEG_PRIMARY, w.PEG_MARKET, w.PEG_MIDPOINT


@pytest.fixture
def world() -> World:
    world = market(users=("alice", "bob", "carol", "dave"))
    world.verb("set_book_property", "book-X", "tick_size", "0.01")
    world.take_all()
    return world


def two_sided(world: World, bid: int = 100, ask: int = 110) -> None:
    send(world, enter(2, b"bid", w.BUY, 100, bid), enter(2, b"ask", w.SELL, 100, ask))


def peg(token: bytes, side: int, what: int, cap: int = 0, quantity: int = 50, **terms: Any) -> Any:
    return submit(1, token, side, quantity, cap, order_type=w.PEGGED, peg=what, **terms)


def accepted(token: bytes, number: int, side: int, price: int = 0, quantity: int = 50) -> Any:
    return (ACCEPTED, 1, token, number, side, quantity, price * CENT, w.LIVE, b"data")


def restated(token: bytes, number: int, price: int, shown: int = 50, leaves: int = 50) -> Any:
    return (RESTATED, 1, token, number, price * CENT, shown, leaves, w.RESTATED_PEGGED)


# ------------------------------------------------------------------------------------------------- where they go
@pytest.mark.parametrize(("side", "what", "offset", "cap", "price"), [
    (w.BUY, PRIMARY, 0, 0, 100), (w.BUY, PRIMARY, -3, 0, 97), (w.BUY, PRIMARY, 2, 0, 102),
    (w.BUY, PRIMARY, 5, 103, 103),
    (w.SELL, PRIMARY, 0, 0, 110), (w.SELL, PRIMARY, -3, 0, 113), (w.SELL, PRIMARY, 2, 0, 108),
    (w.SELL, PRIMARY, 5, 107, 107), (w.BUY, MARKET, -2, 0, 108), (w.BUY, MARKET, -2, 105, 105),
    (w.SELL, MARKET, -2, 0, 102), (w.SELL_SHORT, MARKET, -2, 105, 105),
])  # fmt: skip
def test_primary_and_market_pegs_wait_on_the_lit_side(
    world: World, side: int, what: int, offset: int, cap: int, price: int
) -> None:
    two_sided(world)
    private, public = send(world, peg(b"p", side, what, cap, **({"peg_offset": offset} if offset else {})))
    assert private == [accepted(b"p", 3, side, cap), restated(b"p", 4, price)]
    assert public == [(w.ADDED, 1, 4, w.BUY if side == w.BUY else w.SELL, 50, price * CENT)]


@pytest.mark.parametrize(("side", "offset", "cap", "price"), [
    (w.BUY, 0, 0, 105_500_000), (w.BUY, 1, 0, 106_500_000), (w.SELL, 1, 0, 104_500_000),
    (w.BUY, 0, 103, 103_000_000), (w.SELL, 0, 107, 107_000_000),
])  # fmt: skip
def test_midpoint_pegs_wait_in_the_dark_between_the_ticks(
    world: World, side: int, offset: int, cap: int, price: int
) -> None:
    two_sided(world, 100, 111)
    private, public = send(world, peg(b"p", side, MIDPOINT, cap, **({"peg_offset": offset} if offset else {})))
    assert private == [
        accepted(b"p", 3, side, cap),
        (RESTATED, 1, b"p", 4, price, 0, 50, w.RESTATED_PEGGED),
    ]
    assert public == []


def test_prices_are_rounded_to_the_tick_away_from_the_market(world: World) -> None:
    two_sided(world)
    world.verb("set_book_property", "book-X", "tick_size", "0.05")
    world.take("public")
    private, _ = send(world, peg(b"b", w.BUY, PRIMARY, peg_offset=3), peg(b"s", w.SELL, PRIMARY, peg_offset=-3))
    assert private[1:4:2] == [restated(b"b", 4, 100), restated(b"s", 6, 115)]


def test_a_pegged_iceberg_shows_a_part_and_a_hidden_one_nothing(world: World) -> None:
    two_sided(world)
    private, public = send(world, peg(b"i", w.BUY, PRIMARY, display_quantity=10), peg(b"h", w.SELL, PRIMARY, hidden=1))
    assert [private[1], private[3]] == [restated(b"i", 4, 100, 10), restated(b"h", 6, 110, 0)]
    assert public == [(w.ADDED, 1, 4, w.BUY, 10, 100 * CENT)]


# ------------------------------------------------------------------------------------------------- following
def test_a_peg_follows_the_best_price_that_is_not_pegged(world: World) -> None:
    two_sided(world)
    send(world, peg(b"p", w.BUY, PRIMARY, peg_offset=1))
    private, public = send(world, enter(3, b"x", w.BUY, 10, 103))
    assert private[1:] == [restated(b"p", 6, 104)]
    assert public == [
        (w.ADDED, 1, 5, w.BUY, 10, 103 * CENT),
        (w.REDUCED, 1, 4, 50, 0),
        (w.ADDED, 1, 6, w.BUY, 50, 104 * CENT),
    ]
    private, public = send(world, (w.CANCEL, 3, b"x", 0))
    assert private[1:] == [restated(b"p", 7, 101)]
    assert public == [
        (w.REDUCED, 1, 5, 10, 0),
        (w.REDUCED, 1, 6, 50, 0),
        (w.ADDED, 1, 7, w.BUY, 50, 101 * CENT),
    ]


def test_a_peg_stays_where_it_is_while_what_it_follows_does(world: World) -> None:
    two_sided(world)
    send(world, peg(b"p", w.BUY, PRIMARY))
    private, public = send(
        world, enter(3, b"x", w.BUY, 10, 100), enter(3, b"y", w.SELL, 10, 110), enter(3, b"z", w.BUY, 10, 99)
    )
    assert [event[0] for event in private + public] == [ACCEPTED] * 3 + [w.ADDED] * 3
    send(world, (w.CANCEL, 2, b"bid", 0))
    private, public = send(world, (w.CANCEL, 3, b"x", 0))
    assert private[1:] == [restated(b"p", 8, 99)], "its own 100 is not what it follows"


def test_1_pegs_do_not_follow_pegs(world: World) -> None:
    """They would go through the whole spread, tick by tick: each is where the others' prices do not matter."""
    two_sided(world, 100, 100_000)
    private, _ = send(
        world, peg(b"b", w.BUY, MARKET, peg_offset=-2), peg(b"s", w.SELL, MARKET, peg_offset=-1, cap=99_999)
    )
    assert [private[1], private[3]] == [restated(b"b", 4, 99_998), restated(b"s", 6, 99_999)]


def test_4_pegs_move_in_the_order_of_their_numbers(world: World) -> None:
    two_sided(world)
    send(world, peg(b"p", w.BUY, PRIMARY), peg(b"q", w.SELL, MARKET, 104, peg_offset=-4), peg(b"r", w.BUY, PRIMARY))
    private, public = send(world, enter(3, b"x", w.BUY, 10, 102))
    assert private[1:] == [restated(b"p", 10, 102), restated(b"q", 11, 106), restated(b"r", 12, 102)]
    assert [event for event in public if event[0] == w.ADDED] == [
        (w.ADDED, 1, 9, w.BUY, 10, 102 * CENT),
        (w.ADDED, 1, 10, w.BUY, 50, 102 * CENT),
        (w.ADDED, 1, 11, w.SELL, 50, 106 * CENT),
        (w.ADDED, 1, 12, w.BUY, 50, 102 * CENT),
    ]


# ------------------------------------------------------------------------------------------------- trading
def test_a_peg_that_can_trade_where_it_comes_does(world: World) -> None:
    two_sided(world)
    private, public = send(world, peg(b"p", w.BUY, MARKET, 0, 120))
    assert private == [
        accepted(b"p", 3, w.BUY, 0, 120),
        restated(b"p", 4, 110, 120, 120),
        (EXECUTED, 1, b"p", 100, 110 * CENT, TOOK, 1, 20, 2),
        (EXECUTED, 2, b"ask", 100, 110 * CENT, GAVE, 1, 0, 1),
        restated(b"p", 5, 0, 0, 20),
    ]
    assert public == [
        (w.TRADED, 1, 2, 100, 110 * CENT, 1, w.BUY, 0),
        (w.ADDED, 1, 4, w.BUY, 20, 110 * CENT),
        (w.REDUCED, 1, 4, 20, 0),
    ], "what it followed is gone, and it waits for the next"


def test_midpoint_pegs_of_both_sides_meet_unseen(world: World) -> None:
    two_sided(world)
    send(world, peg(b"p", w.BUY, MIDPOINT))
    private, public = send(world, submit(3, b"q", w.SELL, 80, 0, order_type=w.PEGGED, peg=MIDPOINT))
    assert private[2:] == [
        (EXECUTED, 3, b"q", 50, 105 * CENT, TOOK, 1, 30, 1),
        (EXECUTED, 1, b"p", 50, 105 * CENT, GAVE_UNSEEN, 1, 0, 3),
    ]
    assert public == [(w.TRADED_HIDDEN, 1, 50, 105 * CENT, 1, w.SELL)]


def test_an_order_trades_with_a_peg_where_it_waits(world: World) -> None:
    two_sided(world)
    send(world, peg(b"p", w.BUY, PRIMARY, peg_offset=1))
    private, public = send(world, enter(3, b"x", w.SELL, 60, 101))
    assert private[1:] == [
        (EXECUTED, 3, b"x", 50, 101 * CENT, TOOK, 1, 10, 1),
        (EXECUTED, 1, b"p", 50, 101 * CENT, GAVE, 1, 0, 3),
    ]
    assert public == [(w.TRADED, 1, 4, 50, 101 * CENT, 1, w.SELL, 0), (w.ADDED, 1, 5, w.SELL, 10, 101 * CENT)]
    assert world.machine.books["book-X"].plain, "nothing special is left"


def test_2_a_post_only_peg_slides_behind_the_other_side_or_goes(world: World) -> None:
    two_sided(world)
    private, _ = send(world, peg(b"s", w.BUY, MARKET, post_only=w.POST_ONLY_SLIDE))
    assert private == [accepted(b"s", 3, w.BUY), restated(b"s", 4, 109)]
    private, _ = send(world, peg(b"r", w.SELL, PRIMARY, 0, post_only=w.POST_ONLY_REJECT, peg_offset=1))
    assert private == [
        accepted(b"r", 5, w.SELL),
        restated(b"r", 6, 109),
        (CANCELED, 1, b"r", 50, w.CANCEL_POST_ONLY, 0),
    ]
    private, _ = send(world, enter(3, b"x", w.SELL, 10, 109, tif=w.IOC), enter(3, b"y", w.SELL, 10, 105, tif=w.IOC))
    assert [event[0] for event in private] == [ACCEPTED, EXECUTED, EXECUTED] * 2


def test_sliding_pegs_of_both_sides_come_to_rest(world: World) -> None:
    two_sided(world)
    private, _ = send(
        world,
        peg(b"b", w.BUY, MARKET, post_only=w.POST_ONLY_SLIDE),
        submit(3, b"s", w.SELL, 50, 0, order_type=w.PEGGED, peg=MARKET, post_only=w.POST_ONLY_SLIDE),
    )
    assert [(event[2], event[4]) for event in private if event[0] == RESTATED] == [
        (b"b", 109 * CENT),
        (b"s", 110 * CENT),
    ]
    private, _ = send(world, (w.CANCEL, 1, b"b", 0))
    assert private[1:] == [(RESTATED, 3, b"s", 7, 101 * CENT, 50, 50, w.RESTATED_PEGGED)]


# ------------------------------------------------------------------------------------------------- parked
def test_3_without_a_price_to_follow_it_is_parked_until_there_is_one(world: World) -> None:
    private, public = send(world, peg(b"p", w.BUY, PRIMARY, 104), peg(b"m", w.SELL, MIDPOINT))
    assert (private, public) == ([accepted(b"p", 1, w.BUY, 104), accepted(b"m", 2, w.SELL)], [])
    private, public = send(world, enter(2, b"bid", w.BUY, 10, 103))
    assert private[1:] == [restated(b"p", 4, 103)]
    private, public = send(world, (w.CANCEL, 2, b"bid", 0))
    assert private[1:] == [restated(b"p", 5, 104, 0)], "parked: what is told is its cap"
    assert public == [(w.REDUCED, 1, 3, 10, 0), (w.REDUCED, 1, 4, 50, 0)]
    assert send(world, (w.CANCEL, 1, b"p", 0), (w.CANCEL, 1, b"m", 0)) == (
        [(CANCELED, 1, b"p", 50, w.CANCEL_USER, 0), (CANCELED, 1, b"m", 50, w.CANCEL_USER, 0)],
        [],
    )


@pytest.mark.parametrize(("side", "offset"), [(w.BUY, -100), (w.SELL, -19_999_999)])
def test_3_a_price_that_is_none_parks_it(world: World, side: int, offset: int) -> None:
    two_sided(world)
    private, public = send(world, peg(b"p", side, PRIMARY, peg_offset=offset))
    assert (private, public) == ([accepted(b"p", 3, side)], [])


def test_3_pegs_are_parked_while_orders_are_collected_for_an_auction(world: World) -> None:
    two_sided(world)
    send(world, peg(b"p", w.BUY, PRIMARY, 101), peg(b"m", w.SELL, MIDPOINT))
    world.verb("set_phase", "main", "closing_auction")
    assert world.take() == [restated(b"p", 7, 101, 0), restated(b"m", 8, 0, 0)]
    assert (w.REDUCED, 1, 4, 50, 0) in world.take("public")
    private, _ = send(world, peg(b"q", w.BUY, PRIMARY), enter(3, b"x", w.SELL, 10, 100))
    assert [event[:3] for event in private] == [(ACCEPTED, 1, b"q"), (ACCEPTED, 3, b"x")]
    world.verb("set_phase", "main", "open")
    found = [event for event in world.take() if event[0] == RESTATED]
    assert found == [restated(b"p", 11, 100), restated(b"m", 12, 105, 0), restated(b"q", 13, 100)]


def test_a_halt_leaves_pegs_where_they_are(world: World) -> None:
    two_sided(world)
    send(world, peg(b"p", w.BUY, PRIMARY))
    world.verb("halt", "book-X")
    world.take_all()
    private, _ = send(world, (w.CANCEL, 2, b"bid", 0))
    assert private == [(CANCELED, 2, b"bid", 100, w.CANCEL_USER, 0)]
    world.verb("resume", "book-X")
    assert world.take() == [restated(b"p", 5, 0, 0)]


# ------------------------------------------------------------------------------------------------- changing
def test_a_peg_is_reduced_in_place_and_replaced_from_the_beginning(world: World) -> None:
    two_sided(world)
    send(world, peg(b"p", w.BUY, PRIMARY))
    private, public = send(world, (w.CANCEL, 1, b"p", 40), (w.MODIFY, 1, b"p", w.BUY, 30))
    assert private == [
        (CANCELED, 1, b"p", 10, w.CANCEL_USER, 40),
        (w.MODIFIED, 1, b"p", w.BUY, 30),
    ]
    assert public == [(w.REDUCED, 1, 4, 10, 40), (w.REDUCED, 1, 4, 10, 30)]
    private, public = send(world, amend(1, b"p", b"q", 60, 99, order_type=w.PEGGED))
    assert private == [
        (w.REPLACED, 1, b"q", b"p", 5, w.BUY, 60, 99 * CENT, w.LIVE, b"data", b"new"),
        restated(b"q", 6, 99, 60, 60),
    ]
    assert public == [(w.REDUCED, 1, 4, 30, 0), (w.ADDED, 1, 6, w.BUY, 60, 99 * CENT)]
    private, public = send(world, amend(1, b"q", b"r", 60, 0, order_type=w.PEGGED, peg=MARKET, peg_offset=-1))
    assert private[1:] == [restated(b"r", 8, 109, 60, 60)]
    private, public = send(world, amend(1, b"r", b"s", 60, 90))
    assert private == [(w.REPLACED, 1, b"s", b"r", 9, w.BUY, 60, 90 * CENT, w.LIVE, b"data", b"new")]
    assert public == [(w.ORDER_REPLACED, 1, 8, 9, 60, 90 * CENT)], "no peg any more"


def test_a_smaller_amend_keeps_a_pegs_place(world: World) -> None:
    two_sided(world)
    send(world, peg(b"p", w.BUY, PRIMARY, 105))
    private, public = send(world, amend(1, b"p", b"q", 40, 105, order_type=w.PEGGED))
    assert private == [(w.REPLACED, 1, b"q", b"p", 4, w.BUY, 40, 105 * CENT, w.LIVE, b"data", b"new")]
    assert public == [(w.REDUCED, 1, 4, 10, 40)]


def test_a_peg_expires_wherever_it_waits(world: World) -> None:
    two_sided(world)
    for token, what in ((b"p", PRIMARY), (b"m", MIDPOINT)):
        send(world, submit(1, token, w.BUY, 50, 0, order_type=w.PEGGED, tif=w.GOOD_FOR_TIME, expire=5, peg=what))
    private, public = at(world, START_NS + 5 * 10**9)
    assert private == [(CANCELED, 1, token, 50, w.CANCEL_TIMEOUT, 0) for token in (b"p", b"m")]
    assert public == [(w.REDUCED, 1, 4, 50, 0)]
    assert world.machine.books["book-X"].plain


def test_pegs_end_with_the_day_once(world: World) -> None:
    two_sided(world)
    send(world, peg(b"p", w.BUY, PRIMARY), peg(b"m", w.BUY, MIDPOINT))
    world.verb("close", "main")
    assert sorted(event[:5] for event in world.take() if event[1] == 1) == [
        (CANCELED, 1, b"m", 50, w.CANCEL_CLOSED),
        (CANCELED, 1, b"p", 50, w.CANCEL_CLOSED),
    ]


# ------------------------------------------------------------------------------------------------- at random
def where(order: Order, bid: int, ask: int) -> int:
    """Where a peg should be: the table of the module, the obvious way, in ticks of a cent."""
    terms = order[TERMS]
    up = 1 if order[SIDE] == w.BUY else -1
    own, other = (bid, ask) if up == 1 else (ask, bid)
    follows = {PRIMARY: own, MARKET: other, MIDPOINT: (bid + ask) // 2 if bid and ask else 0}[terms.peg]
    if not follows:
        return 0
    price = int(follows + up * terms.peg_offset)
    if terms.cap and up * price > up * terms.cap:
        price = terms.cap
    return price if price > 0 else 0


def check_places(world: World) -> None:
    """Every peg is where it should be, seen or not, and the room counts what is in the levels."""
    book = world.machine.books["book-X"]
    plain = [o for o in book.orders() if o[TERMS] is None or not o[TERMS].peg]
    bid = max((o[PRICE] for o in plain if o[SIDE] == w.BUY), default=0)
    ask = min((o[PRICE] for o in plain if o[SIDE] != w.BUY), default=0)
    lit = {o[NUMBER] for o in book.orders()}
    live = [o for o in world.machine.sessions[1].live.values() if o[TERMS] is not None and o[TERMS].peg]
    assert (book.rooms.pegs.orders() if book.rooms else []) == live
    for order in live:
        price = where(order, bid, ask)
        expected = PARKED if not price else DARK if order[TERMS].peg == MIDPOINT else LIT
        assert order[TERMS].where == expected
        assert order[PRICE] == (price or order[TERMS].cap)
        assert (order[NUMBER] in lit) == (expected == LIT)
        assert order[OPEN] > 0
    assert book.bids.best < book.asks.best


COMMANDS = st.one_of(
    st.tuples(st.just("enter"), st.sampled_from((w.BUY, w.SELL)), st.integers(1, 30), st.integers(95, 115)),
    st.tuples(
        st.just("peg"), st.sampled_from((w.BUY, w.SELL)), st.sampled_from((PRIMARY, MARKET, MIDPOINT)),
        st.integers(-4, 4), st.one_of(st.just(0), st.integers(97, 113)), st.integers(1, 30),
    ),
    st.tuples(st.just("cancel"), st.integers(1, 3), st.integers(0, 40)),
    st.tuples(st.just("amend"), st.integers(0, 40), st.integers(1, 30)),
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(COMMANDS, max_size=25))
def test_between_two_commands_every_peg_is_in_its_place(commands: list[Any]) -> None:
    world = market(users=("alice", "bob", "carol"))
    for number, (what, *args) in enumerate(commands):
        token = b"%d" % number
        if what == "enter":
            send(world, enter(2 + number % 2, token, *args))
        elif what == "peg":
            side, kind, offset, cap, quantity = args
            send(world, peg(token, side, kind, cap, quantity, **({"peg_offset": offset} if offset else {})))
        elif what == "cancel":
            send(world, (w.CANCEL, args[0], b"%d" % args[1], 0))
        else:
            send(world, amend(1, b"%d" % args[0], token, args[1], 0, order_type=w.PEGGED))
        check_places(world)
