"""Orders that wait for a price: openoutcry.matcher.triggers, first by itself, then in a market.

In a market every test compares the whole list of events, private and public.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.matcher.book import Book
from openoutcry.matcher.orders import NUMBER, TERMS, Numbers, Order, Timers
from openoutcry.matcher.policy import Policy
from openoutcry.matcher.tape import Tape
from openoutcry.matcher.terms import TRIGGER, Terms
from openoutcry.matcher.ticks import TickTable
from openoutcry.matcher.triggers import Triggers, moves_at, trigger_at
from tests.machine_world import CENT, START_NS, World, amend, enter, market, submit
from tests.rooms_world import at, send, trade_at

TICK = 100


class Owner:
    """What the room needs of a session."""

    number = 7

    def __init__(self) -> None:
        self.events: list[Any] = []


def a_book(tick: int = TICK) -> Book:
    book = Book(1, "book", "main", "X", Numbers(), Timers(), Tape())
    book.tick_size = tick
    return book


class Room:
    """A room with orders by number, and its book; `enter` numbers them."""

    def __init__(self, tick: int = TICK) -> None:
        self.book = a_book(tick)
        self.triggers = Triggers()
        self.owner = Owner()
        self.orders: dict[int, Order] = {}

    def enter(self, side: int, kind: int = w.STOP, **terms: int) -> Order:
        number = len(self.orders) + 1
        found = Terms(kind)
        found.where = TRIGGER
        for name, value in terms.items():
            setattr(found, name, value)
        token = b"%d" % number
        order = [10, 0, side, number, self.owner, token, 0, w.DAY, 0, b"", self.book, None, found]
        self.orders[number] = order
        self.triggers.add(order)
        return order

    def elect(self, price: int) -> list[int]:
        return [order[NUMBER] for order in self.triggers.elect(price)]

    def moves(self) -> list[tuple[int, int]]:
        """(number, trigger) of the TRIGGER_MOVED since the last time."""
        found = []
        for kind, session, token, trigger in self.owner.events:
            assert (kind, session) == (w.TRIGGER_MOVED, 7)
            found.append((int(token), trigger))
        self.owner.events.clear()
        return found


# ------------------------------------------------------------------------------------------------- by itself
RISING = ((w.BUY, w.STOP), (w.BUY, w.STOP_LIMIT), (w.SELL, w.MARKET_IF_TOUCHED), (w.SELL_SHORT, w.LIMIT_IF_TOUCHED))
FALLING = ((w.SELL, w.STOP), (w.SELL_SHORT, w.STOP_LIMIT), (w.BUY, w.MARKET_IF_TOUCHED), (w.BUY, w.LIMIT_IF_TOUCHED))


@pytest.mark.parametrize(("side", "kind"), RISING)
def test_stops_to_buy_and_if_touched_to_sell_wait_for_a_rise(side: int, kind: int) -> None:
    room = Room()
    room.enter(side, kind, stop_price=1_000)
    assert room.elect(900) == []
    assert room.elect(1_000) == [1]
    assert room.elect(2_000) == [], "once"


@pytest.mark.parametrize(("side", "kind"), FALLING)
def test_stops_to_sell_and_if_touched_to_buy_wait_for_a_fall(side: int, kind: int) -> None:
    room = Room()
    room.enter(side, kind, stop_price=1_000)
    assert room.elect(1_100) == []
    assert room.elect(900) == [1]
    assert len(room.triggers) == 0


def test_1_a_print_elects_the_nearest_triggers_first_and_equal_ones_by_number() -> None:
    room = Room()
    for side, trigger in ((w.BUY, 1_200), (w.BUY, 1_100), (w.BUY, 1_200), (w.BUY, 1_400)):
        room.enter(side, stop_price=trigger)
    for side, trigger in ((w.SELL, 1_300), (w.SELL, 1_400), (w.SELL, 1_300), (w.SELL, 1_200)):
        room.enter(side, stop_price=trigger)
    assert room.elect(1_300) == [2, 1, 3, 6, 5, 7]
    assert [order[NUMBER] for order in room.triggers.orders()] == [4, 8]


def test_a_removed_order_is_not_elected_and_removing_it_twice_does_nothing() -> None:
    room = Room()
    first, _ = room.enter(w.BUY, stop_price=1_000), room.enter(w.BUY, stop_price=1_000)
    room.triggers.remove(first)
    room.triggers.remove(first)
    assert (room.elect(1_000), len(room.triggers)) == ([2], 0)


def test_2_a_trailing_sell_follows_the_market_up_and_never_down() -> None:
    room = Room()
    room.enter(w.SELL, trail_amount=250)
    assert (room.elect(1_000), room.moves()) == ([], [(1, 700)]), "750, rounded down to the tick"
    assert (room.elect(1_000), room.moves()) == ([], [])
    assert (room.elect(800), room.moves()) == ([], [])
    assert (room.elect(1_100), room.moves()) == ([], [(1, 800)])
    assert (room.elect(900), room.moves()) == ([], [])
    assert (room.elect(800), room.moves()) == ([1], [])


def test_2_a_trailing_buy_follows_the_market_down_and_never_up() -> None:
    room = Room()
    room.enter(w.BUY, trail_percent=1_000, stop_price=1_200)
    assert (room.elect(1_100), room.moves()) == ([], [])
    assert (room.elect(1_000), room.moves()) == ([], [(1, 1_100)]), "10 % above"
    assert (room.elect(950), room.moves()) == ([], []), "1045, rounded up to the tick, is where it is"
    assert (room.elect(900), room.moves()) == ([], [(1, 1_000)]), "990, rounded up to the tick"
    assert (room.elect(1_000), room.moves()) == ([1], [])


def test_2_moves_are_told_in_the_order_of_the_numbers() -> None:
    room = Room()
    for side, distance in ((w.SELL, 300), (w.BUY, 200), (w.SELL, 100), (w.BUY, 100)):
        room.enter(side, trail_amount=distance)
    room.elect(1_000)
    assert room.moves() == [(1, 700), (2, 1_200), (3, 900), (4, 1_100)]


def test_a_trigger_beyond_all_prices_is_nowhere() -> None:
    room = Room(tick=1)
    room.enter(w.SELL, trail_amount=500)
    room.enter(w.BUY, trail_amount=w.PRICE_MAX)
    assert (room.elect(500), room.moves()) == ([], [])
    assert (room.elect(501), room.moves()) == ([], [(1, 1)])


def test_a_percentage_of_almost_nothing_is_still_a_distance() -> None:
    room = Room(tick=1)
    room.enter(w.SELL, trail_percent=1)
    assert (room.elect(50), room.moves()) == ([], [(1, 49)])


def test_reached_looks_at_the_last_trade_and_lets_a_trailing_stop_follow_it() -> None:
    room = Room()
    stop = room.enter(w.BUY, stop_price=1_000)
    assert [room.triggers.reached(stop, last) for last in (0, 900, 1_000, 1_100)] == [False, False, True, True]
    touched = room.enter(w.BUY, w.MARKET_IF_TOUCHED, stop_price=1_000)
    assert [room.triggers.reached(touched, last) for last in (0, 900, 1_000, 1_100)] == [False, True, True, False]
    trailing = room.enter(w.SELL, trail_amount=100)
    assert not room.triggers.reached(trailing, 0) and not trailing[TERMS].stop_price
    assert not room.triggers.reached(trailing, 1_000) and trailing[TERMS].stop_price == 900
    assert room.triggers.reached(trailing, 900)
    assert room.moves() == [(3, 900)]
    low = room.enter(w.SELL, trail_amount=2_000)
    assert not room.triggers.reached(low, 1_000)


def test_trailing_stops_heed_the_ticks_of_the_moment() -> None:
    room = Room(tick=100)
    room.enter(w.SELL, trail_amount=100)
    room.elect(1_000)
    room.book.tick_size = 10
    assert (room.elect(1_010), room.moves()) == ([], [(1, 900), (1, 910)])
    room.book.policy = Policy()
    room.book.policy.ticks = TickTable([0, 1_000], [10, 500])
    assert (room.elect(1_400), room.moves()) == ([], [(1, 1_000)])
    room.enter(w.BUY, trail_amount=100)
    assert (room.elect(1_450), room.moves()) == ([], [(2, 2_000)])


def test_3_a_print_does_not_look_at_what_it_cannot_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """With thousands waiting, prints that change nothing look at none of them: counted, not timed."""
    room = Room()
    for number in range(2_000):
        room.enter(w.SELL, trail_percent=1 + number)
        room.enter(w.BUY, trail_amount=100 * (1 + number))
    room.elect(1_000_000)
    looked: list[Order] = []

    def counting(order: Order, price: int) -> int:
        looked.append(order)
        return trigger_at(order, price)

    monkeypatch.setattr("openoutcry.matcher.triggers.trigger_at", counting)
    for _ in range(100):
        room.elect(1_000_000)
    assert not looked
    assert room.elect(999_900) == [1], "0.01 % below"
    assert len(looked) == 2_000, "every buy, and no sell"


def test_the_heaps_do_not_grow_with_what_has_gone() -> None:
    room = Room()
    room.enter(w.SELL, trail_amount=100)
    for step in range(5_000):
        room.triggers.remove(room.enter(w.BUY, stop_price=100 * 10**6 + step))
        room.elect(1_000 + 100 * step)
    heaps = (getattr(room.triggers, name) for name in ("_rising", "_falling", "_moving_up", "_moving_down"))
    assert sum(len(heap) for heap in heaps) < 600


# ------------------------------------------------------------------------------------------------- against a naive one
class Naive:
    """The rules of the module, the obvious way: every order is looked at by every print."""

    def __init__(self) -> None:
        self.orders: list[dict[str, int]] = []
        self.moves: list[tuple[int, int]] = []

    def elect(self, price: int, tick: int) -> list[int]:
        for order in self.orders:
            distance = order["amount"] or max(1, price * order["percent"] // 10_000) if order["trails"] else 0
            if not distance:
                continue
            if order["side"] == w.BUY:
                new = -(-(price + distance) // tick) * tick
                better = not order["trigger"] or new < order["trigger"]
            else:
                new = (price - distance) // tick * tick
                better = new > order["trigger"]
            if better and new > 0:
                order["trigger"] = new
                self.moves.append((order["number"], new))
        up = [o for o in self.orders if o["rises"] and 0 < o["trigger"] <= price]
        down = [o for o in self.orders if not o["rises"] and price <= o["trigger"]]
        up.sort(key=lambda o: (o["trigger"], o["number"]))
        down.sort(key=lambda o: (-o["trigger"], o["number"]))
        found = [o["number"] for o in up + down]
        self.orders = [o for o in self.orders if o["number"] not in found]
        return found


PRICES = st.integers(1, 60)
STEPS = st.one_of(
    st.tuples(st.just("print"), PRICES),
    st.tuples(st.just("print"), PRICES),
    st.tuples(st.just("stop"), st.sampled_from((*RISING, *FALLING)), PRICES),
    st.tuples(st.just("amount"), st.sampled_from((w.BUY, w.SELL)), st.integers(0, 60), st.integers(1, 1_500)),
    st.tuples(st.just("percent"), st.sampled_from((w.BUY, w.SELL)), st.integers(0, 60), st.integers(1, 9_999)),
    st.tuples(st.just("remove"), st.integers(1, 30)),
    st.tuples(st.just("tick"), st.sampled_from((1, 50, 100))),
    st.tuples(st.just("restore")),
)


@settings(max_examples=400)
@given(st.lists(STEPS, max_size=50))
def test_the_room_does_what_the_naive_one_does_also_after_being_filled_again(steps: list[Any]) -> None:
    room, naive = Room(), Naive()
    for what, *args in steps:
        if what == "print":
            assert room.elect(args[0] * 100) == naive.elect(args[0] * 100, room.book.tick_size)
            assert room.moves() == naive.moves
            naive.moves.clear()
        elif what == "remove":
            if args[0] in room.orders:
                room.triggers.remove(room.orders[args[0]])
            naive.orders = [o for o in naive.orders if o["number"] != args[0]]
        elif what == "tick":
            room.book.tick_size = args[0]
        elif what == "restore":
            orders, room.triggers = room.triggers.orders(), Triggers()
            for order in reversed(orders):
                room.triggers.add(order)
        else:
            enter_both(room, naive, what, args)


def enter_both(room: Room, naive: Naive, what: str, args: list[Any]) -> None:
    side, kind = args[0] if what == "stop" else (args[0], w.STOP)
    distance = 0 if what == "stop" else args[2]
    amount, percent = (distance, 0) if what == "amount" else (0, distance)
    room.enter(side, kind, stop_price=args[1] * 100, trail_amount=amount, trail_percent=percent)
    naive.orders.append({
        "number": len(room.orders), "side": side, "rises": (side, kind) in RISING, "trigger": args[1] * 100,
        "trails": what != "stop", "amount": amount, "percent": percent,
    })  # fmt: skip


@settings(max_examples=300)
@given(st.sampled_from((w.BUY, w.SELL)), st.integers(1, 5_000), st.integers(1, 9_999), st.booleans(),
       st.sampled_from((1, 7, 50)))  # fmt: skip
def test_moves_at_is_where_the_next_move_is(side: int, trigger: int, distance: int, percent: bool, tick: int) -> None:
    room = Room(tick)
    trigger *= tick
    terms = {"trail_percent": distance} if percent else {"trail_amount": distance}
    order = room.enter(side, stop_price=trigger, **terms)
    at = moves_at(order)
    for price in range(max(1, at - 200), at + 200):
        found = trigger_at(order, price)
        moves = 0 < found < trigger if side == w.BUY else found > trigger
        assert not moves or (price <= at if side == w.BUY else price >= at)
        assert moves or price * distance < 10_000 or (price > at if side == w.BUY else price < at) or not percent


# ------------------------------------------------------------------------------------------------- in a market
# Session 1 "alice" waits with her orders, 2 "bob" is the market, 3 and 4 trade with each other elsewhere.
ACCEPTED, RESTATED, EXECUTED, CANCELED = w.ACCEPTED, w.RESTATED, w.EXECUTED, w.CANCELED
TOOK, GAVE = w.REMOVED_LIQUIDITY, w.ADDED_LIQUIDITY


@pytest.fixture
def world() -> World:
    return market(users=("alice", "bob", "carol", "dave"))


def accepted(token: bytes, number: int, side: int, quantity: int, price: int) -> Any:
    return (ACCEPTED, 1, token, number, side, quantity, price * CENT, w.LIVE, b"data")


def test_a_stop_waits_unseen_and_executes_as_a_market_order_when_the_market_gets_there(world: World) -> None:
    send(world, enter(2, b"a", w.SELL, 10, 101), enter(2, b"b", w.SELL, 100, 103))
    private, public = send(world, submit(1, b"s", w.BUY, 50, order_type=w.STOP, stop_price=101))
    assert (private, public) == ([accepted(b"s", 3, w.BUY, 50, 0)], [])
    private, public = send(world, enter(3, b"t", w.BUY, 10, 101))
    assert private[3:] == [
        (RESTATED, 1, b"s", 5, 0, 0, 50, w.RESTATED_TRIGGERED),
        (EXECUTED, 1, b"s", 50, 103 * CENT, TOOK, 2, 0, 2),
        (EXECUTED, 2, b"b", 50, 103 * CENT, GAVE, 2, 50, 1),
    ]
    assert public == [
        (w.TRADED, 1, 1, 10, 101 * CENT, 1, w.BUY, 0),
        (w.TRADED, 1, 2, 50, 103 * CENT, 2, w.BUY, 50),
    ]


def test_what_a_stop_cannot_execute_is_cancelled_as_of_a_market_order(world: World) -> None:
    send(world, submit(1, b"s", w.SELL, 50, order_type=w.STOP, stop_price=100), enter(2, b"b", w.BUY, 60, 100))
    private, public = send(world, enter(3, b"t", w.SELL, 40, 100))
    assert private[2:] == [
        (EXECUTED, 2, b"b", 40, 100 * CENT, GAVE, 1, 20, 3),
        (RESTATED, 1, b"s", 4, 0, 0, 50, w.RESTATED_TRIGGERED),
        (EXECUTED, 1, b"s", 20, 100 * CENT, TOOK, 2, 30, 2),
        (EXECUTED, 2, b"b", 20, 100 * CENT, GAVE, 2, 0, 1),
        (CANCELED, 1, b"s", 30, w.CANCEL_IOC, 0),
    ]
    assert [event[0] for event in public] == [w.TRADED, w.TRADED]


def test_a_stop_limit_rests_at_its_limit(world: World) -> None:
    send(world, submit(1, b"s", w.SELL, 50, 99, order_type=w.STOP_LIMIT, stop_price=100))
    send(world, enter(2, b"b", w.BUY, 20, 100))
    private, public = send(world, enter(3, b"t", w.SELL, 20, 100))
    assert private[3:] == [(RESTATED, 1, b"s", 4, 99 * CENT, 50, 50, w.RESTATED_TRIGGERED)]
    assert public[1:] == [(w.ADDED, 1, 4, w.SELL, 50, 99 * CENT)]
    private, _ = send(world, (w.CANCEL, 1, b"s", 0))
    assert private == [(CANCELED, 1, b"s", 50, w.CANCEL_USER, 0)]


@pytest.mark.parametrize(("kind", "price", "shown"), [(w.MARKET_IF_TOUCHED, 0, 0), (w.LIMIT_IF_TOUCHED, 100, 50)])
def test_an_if_touched_order_buys_when_the_market_has_fallen(world: World, kind: int, price: int, shown: int) -> None:
    send(world, submit(1, b"s", w.BUY, 50, price, order_type=kind, stop_price=99))
    trade_at(world, 100)
    send(world, enter(2, b"a", w.SELL, 50, 100), enter(2, b"b", w.BUY, 20, 99))
    private, _ = send(world, enter(3, b"t", w.SELL, 20, 99))
    number = world.machine.numbers.order
    assert private[3:] == [
        (RESTATED, 1, b"s", number, price * CENT, shown, 50, w.RESTATED_TRIGGERED),
        (EXECUTED, 1, b"s", 50, 100 * CENT, TOOK, 3, 0, 2),
        (EXECUTED, 2, b"a", 50, 100 * CENT, GAVE, 3, 0, 1),
    ]


@pytest.mark.parametrize(("side", "stop", "kind"), [
    (w.BUY, 99, w.STOP), (w.SELL, 101, w.STOP), (w.BUY, 101, w.MARKET_IF_TOUCHED), (w.SELL, 99, w.MARKET_IF_TOUCHED),
    (w.BUY, 100, w.STOP),
])  # fmt: skip
def test_a_trigger_that_the_last_trade_has_reached_already_is_one_at_once(
    world: World, side: int, stop: int, kind: int
) -> None:
    trade_at(world, 100)
    private, public = send(world, submit(1, b"s", side, 50, order_type=kind, stop_price=stop))
    assert private == [
        accepted(b"s", 3, side, 50, 0),
        (RESTATED, 1, b"s", 4, 0, 0, 50, w.RESTATED_TRIGGERED),
        (CANCELED, 1, b"s", 50, w.CANCEL_IOC, 0),
    ]
    assert public == []


def test_one_stop_sets_off_the_next_first_come_first_served(world: World) -> None:
    """The print of 101 elects b and a; what b trades at 102 elects c, which waits until a has had its turn."""
    send(world, *(enter(2, b"%d" % price, w.SELL, 10, price) for price in (101, 102, 103, 104)))
    send(
        world,
        submit(1, b"a", w.BUY, 10, order_type=w.STOP, stop_price=101),
        submit(1, b"b", w.BUY, 10, order_type=w.STOP, stop_price=100),
        submit(1, b"c", w.BUY, 10, 104, order_type=w.STOP_LIMIT, stop_price=102),
        submit(1, b"d", w.BUY, 10, order_type=w.STOP, stop_price=105),
    )
    private, public = send(world, enter(3, b"t", w.BUY, 10, 101))
    assert [event for event in private if event[1] == 1] == [
        (RESTATED, 1, b"b", 10, 0, 0, 10, w.RESTATED_TRIGGERED),
        (EXECUTED, 1, b"b", 10, 102 * CENT, TOOK, 2, 0, 2),
        (RESTATED, 1, b"a", 11, 0, 0, 10, w.RESTATED_TRIGGERED),
        (EXECUTED, 1, b"a", 10, 103 * CENT, TOOK, 3, 0, 2),
        (RESTATED, 1, b"c", 12, 104 * CENT, 10, 10, w.RESTATED_TRIGGERED),
        (EXECUTED, 1, b"c", 10, 104 * CENT, TOOK, 4, 0, 2),
    ]
    assert [(event[0], event[2], event[4]) for event in public] == [
        (w.TRADED, number, (100 + number) * CENT) for number in (1, 2, 3, 4)
    ]
    assert list(world.machine.sessions[1].live) == [b"d"]


def test_an_order_that_was_elected_can_still_be_met_by_a_cancel(world: World) -> None:
    """Both stops are elected by one print; the first one's execution cancels the second, its pair."""
    send(world, enter(2, b"a", w.SELL, 10, 101), enter(2, b"b", w.SELL, 10, 102))
    stops = (submit(1, token, w.BUY, 10, order_type=w.STOP, stop_price=101, pair=b"p") for token in (b"s", b"t"))
    send(world, *stops)
    private, _ = send(world, enter(3, b"t", w.BUY, 10, 101))
    assert [event for event in private if event[1] == 1] == [
        (RESTATED, 1, b"s", 6, 0, 0, 10, w.RESTATED_TRIGGERED),
        (EXECUTED, 1, b"s", 10, 102 * CENT, TOOK, 2, 0, 2),
        (CANCELED, 1, b"t", 10, w.CANCEL_PAIR, 0),
    ]


def test_a_trailing_stop_follows_the_last_trade_at_entry_and_the_trades_after(world: World) -> None:
    trade_at(world, 100)
    private, public = send(world, submit(1, b"s", w.SELL, 10, order_type=w.STOP, trail_amount=2))
    assert private == [accepted(b"s", 3, w.SELL, 10, 0), (w.TRIGGER_MOVED, 1, b"s", 98 * CENT)]
    assert public == []
    send(world, enter(2, b"a", w.SELL, 1, 105), enter(2, b"b", w.BUY, 20, 103))
    private, _ = send(world, enter(3, b"t", w.BUY, 1, 105))
    assert private[3:] == [(w.TRIGGER_MOVED, 1, b"s", 103 * CENT)]
    private, _ = send(world, enter(3, b"u", w.SELL, 1, 103))
    assert private[3:] == [
        (RESTATED, 1, b"s", 8, 0, 0, 10, w.RESTATED_TRIGGERED),
        (EXECUTED, 1, b"s", 10, 103 * CENT, TOOK, 4, 0, 2),
        (EXECUTED, 2, b"b", 10, 103 * CENT, GAVE, 4, 9, 1),
    ]


def test_a_trailing_stop_without_a_last_trade_waits_for_the_first(world: World) -> None:
    send(world, submit(1, b"s", w.BUY, 10, 120, order_type=w.STOP_LIMIT, trail_percent=1_000))
    send(world, submit(1, b"t", w.SELL, 10, order_type=w.STOP, trail_amount=5, stop_price=97))
    send(world, enter(2, b"a", w.SELL, 1, 105))
    private, _ = send(world, enter(3, b"t", w.BUY, 1, 105))
    assert private[3:] == [
        (w.TRIGGER_MOVED, 1, b"s", 115_500_000),
        (w.TRIGGER_MOVED, 1, b"t", 100 * CENT),
    ]


def test_a_waiting_stop_is_cancelled_reduced_modified_and_replaced_like_any_order(world: World) -> None:
    send(world, submit(1, b"s", w.SELL, 100, order_type=w.STOP, stop_price=90))
    private, public = send(world, (w.CANCEL, 1, b"s", 80), (w.MODIFY, 1, b"s", w.SELL_SHORT, 70))
    assert private == [
        (CANCELED, 1, b"s", 20, w.CANCEL_USER, 80),
        (w.MODIFIED, 1, b"s", w.SELL_SHORT, 70),
    ]
    again = (w.REPLACE, 1, b"s", b"t", 60, 0, w.STOP, w.DAY, 0, 0, 0, b"new")
    private, more = send(world, again, amend(1, b"t", b"u", 60, order_type=w.STOP, stop_price=95))
    assert private == [
        (w.REPLACED, 1, b"t", b"s", 2, w.SELL_SHORT, 60, 0, w.LIVE, b"data", b"new"),
        (w.REPLACED, 1, b"u", b"t", 3, w.SELL_SHORT, 60, 0, w.LIVE, b"data", b"new"),
    ]
    private, most = send(world, amend(1, b"u", b"v", 50, order_type=w.STOP), (w.CANCEL, 1, b"v", 0))
    assert private == [
        (w.REPLACED, 1, b"v", b"u", 3, w.SELL_SHORT, 50, 0, w.LIVE, b"data", b"new"),
        (CANCELED, 1, b"v", 50, w.CANCEL_USER, 0),
    ]
    assert public + more + most == [], "nobody has seen any of it"
    trade_at(world, 80)
    assert world.machine.sessions[1].live == {}


def test_a_replacement_keeps_the_trigger_and_a_trailing_one_what_it_has_reached(world: World) -> None:
    trade_at(world, 100)
    send(world, submit(1, b"s", w.SELL, 10, order_type=w.STOP, trail_amount=2))
    private, _ = send(world, amend(1, b"s", b"t", 10, order_type=w.STOP, trail_amount=5))
    assert private == [(w.REPLACED, 1, b"t", b"s", 4, w.SELL, 10, 0, w.LIVE, b"data", b"new")]
    private, _ = send(world, amend(1, b"t", b"u", 10, order_type=w.STOP, trail_amount=1))
    assert private == [
        (w.REPLACED, 1, b"u", b"t", 5, w.SELL, 10, 0, w.LIVE, b"data", b"new"),
        (w.TRIGGER_MOVED, 1, b"u", 99 * CENT),
    ]
    private, _ = send(world, amend(1, b"u", b"v", 10, order_type=w.STOP, stop_price=101))
    assert private[1:] == [
        (RESTATED, 1, b"v", 7, 0, 0, 10, w.RESTATED_TRIGGERED),
        (CANCELED, 1, b"v", 10, w.CANCEL_IOC, 0),
    ]


def test_a_waiting_stop_expires(world: World) -> None:
    send(world, submit(1, b"s", w.BUY, 10, order_type=w.STOP, stop_price=90, tif=w.GOOD_FOR_TIME, expire=5))
    assert world.machine.next_timer_ns == START_NS + 5 * 10**9
    assert at(world, START_NS + 5 * 10**9) == ([(CANCELED, 1, b"s", 10, w.CANCEL_TIMEOUT, 0)], [])
    assert world.machine.next_timer_ns == 0


def test_a_triggered_stop_expires_when_the_waiting_one_would_have(world: World) -> None:
    expire = START_NS + 5 * 10**9
    send(world, submit(1, b"s", w.BUY, 10, 90, order_type=w.STOP_LIMIT, stop_price=90, tif=w.GTD, expire=expire))
    trade_at(world, 95)
    private, public = at(world, expire)
    assert private == [(CANCELED, 1, b"s", 10, w.CANCEL_TIMEOUT, 0)]
    assert public == [(w.REDUCED, 1, 4, 10, 0)]


def test_waiting_day_stops_end_with_the_day_and_others_wait_for_the_next(world: World) -> None:
    send(world, submit(1, b"d", w.BUY, 10, order_type=w.STOP, stop_price=90))
    send(world, submit(1, b"g", w.BUY, 10, order_type=w.STOP, stop_price=90, tif=w.GTC))
    world.verb("close", "main")
    assert world.take() == [(CANCELED, 1, b"d", 10, w.CANCEL_CLOSED, 0)]
    world.verb("open", "main")
    world.take_all()
    send(world, enter(2, b"a", w.SELL, 50, 95))
    private, _ = send(world, enter(3, b"t", w.BUY, 1, 95))
    assert private[3][:3] == (RESTATED, 1, b"g")


def test_an_auction_elects_stops_that_trade_after_it(world: World) -> None:
    world.verb("set_phase", "main", "pre_open")
    world.take_all()
    private, public = send(world, submit(1, b"s", w.BUY, 10, order_type=w.STOP, stop_price=100))
    assert (private, public) == ([accepted(b"s", 1, w.BUY, 10, 0)], [])
    send(world, enter(2, b"a", w.SELL, 20, 100), enter(3, b"b", w.BUY, 10, 100))
    world.verb("set_phase", "main", "open")
    private = world.take()
    cross = w.CROSS_LIQUIDITY + w.CROSS_OPENING
    assert [event for event in private if event[0] != w.FEE] == [
        (EXECUTED, 3, b"b", 10, 100 * CENT, cross, 1, 0, 0),
        (EXECUTED, 2, b"a", 10, 100 * CENT, cross, 1, 10, 0),
        (RESTATED, 1, b"s", 4, 0, 0, 10, w.RESTATED_TRIGGERED),
        (EXECUTED, 1, b"s", 10, 100 * CENT, TOOK, 2, 0, 2),
        (EXECUTED, 2, b"a", 10, 100 * CENT, GAVE, 2, 0, 1),
    ]


def test_ten_thousand_stops_go_off_in_one_command(world: World) -> None:
    """Each one's trade elects the next; half of them were cancelled before, and one sets off the cascade."""
    count = 10_000
    world.send("gateway-1", *(enter(2, b"%d" % i, w.SELL, 1, 101 + i) for i in range(count)))
    world.send(
        "gateway-1",
        *(submit(1, b"%d" % i, w.BUY, 1, order_type=w.STOP, stop_price=101 + i // 2) for i in range(count)),
        *((w.CANCEL, 1, b"%d" % i, 0) for i in range(1, count, 2)),
    )
    for stream in ("gateway-1", "public"):
        world.machine.streams[stream].events.clear()
    world.send("gateway-1", enter(3, b"t", w.BUY, 1, 101))
    private = world.machine.streams["gateway-1"].events
    assert sum(event[0] == RESTATED for event in private) == count // 2
    assert world.machine.numbers.match == 1 + count // 2
    assert world.machine.sessions[1].live == {}
