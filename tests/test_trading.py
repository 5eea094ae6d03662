"""Continuous trading beyond plain limit orders, rule by rule; and that it is the plain book for plain orders.

Most tests compare the whole list of events, private (sessions 1 "alice" and 2 "bob") and public.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.matcher import book as plain_book
from openoutcry.matcher.book import shown_of
from openoutcry.matcher.draws import draw
from openoutcry.matcher.orders import NUMBER, OPEN, PRICE, SIDE
from openoutcry.matcher.terms import DARK
from tests.invariants import Fills, check
from tests.machine_world import CENT, START_NS, World, amend, enter, market, replace, submit
from tests.naive.pair import Pair, Setting
from tests.naive.scripts import some_script as some_special_script
from tests.test_machine_oracle import some_script

Events = list[tuple[Any, ...]]
SECOND_NS = 10**9


@pytest.fixture
def world() -> World:
    return market()


def send(world: World, *commands: Any) -> tuple[Events, Events]:
    """Private and public events of some commands; the machine is in order after them."""
    world.send("gateway-1", *commands)
    check(world.machine)
    return world.take(), world.take("public")


def given(world: World, *commands: Any) -> World:
    """The commands have been handled, and their events taken."""
    send(world, *commands)
    return world


def executed(session: int, token: bytes, quantity: int, price: int, liquidity: int, match: int, leaves: int) -> Any:
    """An EXECUTED against the other of sessions 1 and 2; price in cents."""
    return (w.EXECUTED, session, token, quantity, price * CENT, liquidity, match, leaves, 3 - session)


def accepted(session: int, token: bytes, number: int, side: int, quantity: int, price: int) -> Any:
    return (w.ACCEPTED, session, token, number, side, quantity, price * CENT, w.LIVE, b"data")


def both(one: bytes, other: bytes, quantity: int, price: int, match: int, left: int, waits: int, added: int) -> Events:
    """Bob's order `one` takes from alice's `other`."""
    return [
        executed(2, one, quantity, price, w.REMOVED_LIQUIDITY, match, left),
        executed(1, other, quantity, price, added, match, waits),
    ]


# ------------------------------------------------------------------------------------------------- like the plain book
FORCES = ("positions", "an order far away")  # what keeps both books from being plain


def play(script: list[Any], force: str = "") -> list[Events]:
    """The events of sessions 1 to 3, and what the public is told of their orders, after each step of a script."""
    world = market(("X", "Y"), gateways=2)
    world.verb("set_engine_property", "main", "max_quantity", 120)
    world.verb("set_engine_property", "main", "max_open_orders", 8)
    world.verb("set_book_property", "book-Y", "lot_size", 10)
    for symbol, token in (("X", b"x"), ("Y", b"y")):
        if force == "positions":
            world.verb("set_book_property", f"book-{symbol}", "positions", True)
        # Session 4 never trades; both ways its orders take the same numbers.
        far = {"symbol": symbol, "tif": w.GTC, "order_type": w.STOP_LIMIT, "stop_price": 10**6}
        if force == "an order far away":
            world.send("gateway-2", submit(4, token, w.BUY, 10, 10**6, **far))
        else:
            world.send("gateway-2", enter(4, token, w.BUY, 10, 1, symbol=symbol), (w.CANCEL, 4, token, 0))
    world.take_all()
    found = []
    for step in script:
        if step[0] == "wait":
            world.now += step[1]
            world.timer()
        elif isinstance(step[0], str):
            world.verb(step[0], f"book-{step[1]}" if len(step) > 1 else "main")
        else:
            world.send("gateway-1" if step[1] < 3 else "gateway-2", step)
        if force and world.machine.engines["main"].phase == w.PHASE_OPEN:
            assert not any(book.plain for book in world.machine.books.values())
        check(world.machine)
        events = world.take_all()
        found.append(events["gateway-1"] + [e for e in events["gateway-2"] if e[1] == 3] + events["public"])
    return found


@pytest.mark.parametrize("seed", range(10))
def test_plain_orders_give_the_events_of_the_plain_book(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 2:
        monkeypatch.setattr(plain_book, "DEAD_MAX", 0)
        monkeypatch.setattr(plain_book, "DEAD_TO_LIVE", 1)
    script = some_script(seed, 300)
    expected = play(script)
    assert sum(event[0] == w.EXECUTED for events in expected for event in events) > 20
    for force in FORCES:
        for step, one, other in zip(script, expected, play(script, force), strict=True):
            assert one == other, (force, step)


class Checked(Pair):
    """Plays a script on the machine, and looks at the machine alone."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.fills = Fills()

    def same(self, what: str, machine: Any, naive: Any, step: Any) -> None:
        pass

    def compare(self, step: Any) -> None:
        events = self.world.take_all()
        self.fills.take(events["gateway-1"])
        self.fills.take(events["gateway-2"])
        self.watcher.take(events["public"])
        check(self.world.machine)
        assert self.watcher.orders == {
            order[NUMBER]: (book.number, min(order[SIDE], w.SELL), order[PRICE], shown_of(order))
            for book in self.world.machine.books.values()
            for order in book.orders()
        }


@pytest.mark.parametrize("seed", range(20))
def test_the_invariants_hold_after_every_command_and_the_public_knows_the_lit_side(seed: int) -> None:
    setting, script = some_special_script(1_000 + seed, 250)
    checked = Checked(setting)
    checked.run(script)
    assert checked.fills.check() == checked.world.machine.numbers.match


# ------------------------------------------------------------------------------------------------- hidden orders
def test_a_hidden_order_is_not_published_and_its_trades_do_not_name_it(world: World) -> None:
    assert send(world, submit(1, b"h", w.SELL, 100, 100, hidden=1)) == ([accepted(1, b"h", 1, w.SELL, 100, 100)], [])
    private, public = send(world, enter(2, b"t", w.BUY, 30, 100))
    assert private[1:] == both(b"t", b"h", 30, 100, 1, 0, 70, w.ADDED_HIDDEN)
    assert public == [(w.TRADED_HIDDEN, 1, 30, 100 * CENT, 1, w.BUY)]
    assert send(world, (w.CANCEL, 1, b"h", 0)) == ([(w.CANCELED, 1, b"h", 70, w.CANCEL_USER, 0)], [])


def test_at_a_price_lit_orders_come_before_hidden_ones_and_a_better_price_before_both(world: World) -> None:
    given(
        world, submit(1, b"h", w.SELL, 10, 100, hidden=1), enter(1, b"l", w.SELL, 10, 100),
        submit(1, b"b", w.SELL, 10, 99, hidden=1), enter(1, b"w", w.SELL, 10, 101),
    )  # fmt: skip
    private, _ = send(world, enter(2, b"t", w.BUY, 40, 101))
    assert [(event[2], event[4] // CENT) for event in private if event[:2] == (w.EXECUTED, 1)] == [
        (b"b", 99), (b"l", 100), (b"h", 100), (b"w", 101),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- icebergs
def test_an_iceberg_shows_a_part_and_the_next_one_at_the_back_of_the_queue(world: World) -> None:
    iceberg = submit(1, b"i", w.SELL, 100, 100, display_quantity=30)
    private, public = send(world, iceberg, enter(1, b"l", w.SELL, 10, 100))
    assert private[0] == accepted(1, b"i", 1, w.SELL, 100, 100)
    assert public[0] == (w.ADDED, 1, 1, w.SELL, 30, 100 * CENT)
    private, public = send(world, enter(2, b"t", w.BUY, 45, 100))
    assert private[1:] == [
        *both(b"t", b"i", 30, 100, 1, 15, 70, w.ADDED_LIQUIDITY),
        (w.RESTATED, 1, b"i", 4, 100 * CENT, 30, 70, w.RESTATED_REPLENISHED),
        *both(b"t", b"l", 10, 100, 2, 5, 0, w.ADDED_LIQUIDITY),
        *both(b"t", b"i", 5, 100, 3, 0, 65, w.ADDED_LIQUIDITY),
    ]
    assert public == [
        (w.TRADED, 1, 1, 30, 100 * CENT, 1, w.BUY, 0),
        (w.ADDED, 1, 4, w.SELL, 30, 100 * CENT),
        (w.TRADED, 1, 2, 10, 100 * CENT, 2, w.BUY, 0),
        (w.TRADED, 1, 4, 5, 100 * CENT, 3, w.BUY, 25),
    ]


def test_one_aggressor_can_exhaust_an_iceberg_part_by_part(world: World) -> None:
    given(world, submit(1, b"i", w.SELL, 70, 100, display_quantity=30))
    private, public = send(world, enter(2, b"t", w.BUY, 100, 100))
    assert [event[3] for event in private if event[:2] == (w.EXECUTED, 1)] == [30, 30, 10]
    assert public[-1] == (w.ADDED, 1, 2, w.BUY, 30, 100 * CENT)
    assert world.machine.query("depth", {"book": "book-X"})["asks"] == []


def test_an_iceberg_that_trades_first_rests_with_its_first_part(world: World) -> None:
    given(world, enter(1, b"l", w.SELL, 50, 100))
    private, public = send(world, submit(2, b"i", w.BUY, 100, 100, display_quantity=20))
    assert private[1:] == both(b"i", b"l", 50, 100, 1, 50, 0, w.ADDED_LIQUIDITY)
    assert public == [(w.TRADED, 1, 1, 50, 100 * CENT, 1, w.BUY, 0), (w.ADDED, 1, 2, w.BUY, 20, 100 * CENT)]


def test_a_random_part_is_drawn_from_the_seed_and_the_order_reference_number(world: World) -> None:
    world.verb("set_engine_property", "main", "seed", 42)
    given(world, submit(1, b"i", w.SELL, 1_000, 100, display_quantity=100, display_range=40))
    sizes = []
    for turn in range(4):
        shown = world.machine.books["book-X"].depth(world.machine.books["book-X"].asks, 1)[0][1]
        sizes.append(shown)
        given(world, enter(2, b"t%d" % turn, w.BUY, shown, 100))
    assert sizes == [draw(81, 42, number) - 40 + 100 for number in (1, 3, 5, 7)]
    assert len(set(sizes)) > 1 and all(60 <= size <= 140 for size in sizes)


def test_a_display_quantity_that_shows_everything_makes_no_iceberg(world: World) -> None:
    _, public = send(world, submit(1, b"i", w.SELL, 50, 100, display_quantity=50))
    assert public == [(w.ADDED, 1, 1, w.SELL, 50, 100 * CENT)]
    private, _ = send(world, enter(2, b"t", w.BUY, 50, 100))
    assert not [event for event in private if event[0] == w.RESTATED]


def test_a_partial_cancel_of_an_iceberg_takes_what_is_not_shown_first(world: World) -> None:
    given(world, submit(1, b"i", w.SELL, 100, 100, display_quantity=30))
    assert send(world, (w.CANCEL, 1, b"i", 40)) == ([(w.CANCELED, 1, b"i", 60, w.CANCEL_USER, 40)], [])
    private, public = send(world, (w.CANCEL, 1, b"i", 10))
    assert private == [(w.CANCELED, 1, b"i", 30, w.CANCEL_USER, 10)]
    assert public == [(w.REDUCED, 1, 1, 20, 10)]
    assert send(world, (w.CANCEL, 1, b"i", 0))[1] == [(w.REDUCED, 1, 1, 10, 0)]


def test_modify_changes_a_special_order_too(world: World) -> None:
    given(world, submit(1, b"i", w.SELL, 100, 100, display_quantity=30))
    private, public = send(world, (w.MODIFY, 1, b"i", w.SELL_SHORT, 20))
    assert (private, public) == ([(w.MODIFIED, 1, b"i", w.SELL_SHORT, 20)], [(w.REDUCED, 1, 1, 10, 20)])


# ------------------------------------------------------------------------------------------------- conditions
def test_an_all_or_none_order_waits_unseen_and_is_passed_over_until_all_of_it_is_taken(world: World) -> None:
    assert send(world, submit(1, b"a", w.SELL, 50, 100, all_or_none=1))[1] == []
    given(world, enter(1, b"l", w.SELL, 10, 100))
    private, public = send(world, enter(2, b"t", w.BUY, 30, 100))
    assert private[1:] == both(b"t", b"l", 10, 100, 1, 20, 0, w.ADDED_LIQUIDITY)
    assert public[-1] == (w.ADDED, 1, 3, w.BUY, 20, 100 * CENT)
    private, public = send(world, enter(2, b"u", w.BUY, 60, 100))
    assert private[1:] == both(b"u", b"a", 50, 100, 2, 10, 0, w.ADDED_HIDDEN)


def test_an_all_or_none_order_trades_at_once_when_all_of_it_can(world: World) -> None:
    given(world, enter(1, b"l", w.SELL, 10, 100), enter(1, b"m", w.SELL, 10, 101))
    private, public = send(world, submit(2, b"a", w.BUY, 20, 101, all_or_none=1))
    assert [event[3] for event in private if event[:2] == (w.EXECUTED, 2)] == [10, 10]
    assert [event[0] for event in public] == [w.TRADED, w.TRADED]


def test_a_waiting_condition_that_can_be_met_now_trades_by_itself(world: World) -> None:
    """The lit buy of 40 cannot fill the hidden 100 alone; when the second comes both are taken, in their order."""
    given(world, submit(1, b"a", w.SELL, 100, 100, all_or_none=1), enter(2, b"t", w.BUY, 40, 100))
    private, public = send(world, enter(2, b"u", w.BUY, 80, 101))
    assert private == [
        accepted(2, b"u", 3, w.BUY, 80, 101),
        executed(1, b"a", 80, 101, w.REMOVED_LIQUIDITY, 1, 20), executed(2, b"u", 80, 101, w.ADDED_LIQUIDITY, 1, 0),
        executed(1, b"a", 20, 100, w.REMOVED_LIQUIDITY, 2, 0), executed(2, b"t", 20, 100, w.ADDED_LIQUIDITY, 2, 20),
    ]  # fmt: skip
    assert public[0] == (w.ADDED, 1, 3, w.BUY, 80, 101 * CENT)
    assert not world.machine.sessions[1].live


def test_a_smaller_all_or_none_order_may_wake_up(world: World) -> None:
    given(world, submit(1, b"a", w.SELL, 100, 100, all_or_none=1), enter(2, b"t", w.BUY, 40, 100))
    private, _ = send(world, (w.CANCEL, 1, b"a", 40))
    assert [event[0] for event in private] == [w.CANCELED, w.EXECUTED, w.EXECUTED]


def test_two_orders_with_conditions_meet(world: World) -> None:
    given(world, submit(1, b"a", w.SELL, 60, 100, all_or_none=1), submit(1, b"b", w.SELL, 40, 100, minimum=30))
    private, public = send(world, submit(2, b"c", w.BUY, 100, 100, all_or_none=1))
    assert [event[2:4] for event in private if event[:2] == (w.EXECUTED, 1)] == [(b"a", 60), (b"b", 40)]
    assert [event[0] for event in public] == [w.TRADED_HIDDEN, w.TRADED_HIDDEN]


def test_a_minimum_quantity_is_for_the_first_run_in_total_and_then_for_each_match(world: World) -> None:
    given(world, enter(1, b"l", w.SELL, 10, 100), enter(1, b"m", w.SELL, 10, 100))
    private, public = send(world, submit(2, b"n", w.BUY, 60, 100, minimum=20))
    assert [event[3] for event in private if event[:2] == (w.EXECUTED, 2)] == [10, 10]
    assert [event[0] for event in public] == [w.TRADED, w.TRADED]  # the rest waits unseen
    given(world, enter(1, b"o", w.SELL, 19, 100))
    assert world.machine.sessions[1].live[b"o"][OPEN] == 19
    private, _ = send(world, enter(1, b"p", w.SELL, 30, 99))
    assert private[1:3] == [
        executed(1, b"p", 30, 100, w.REMOVED_LIQUIDITY, 3, 0), executed(2, b"n", 30, 100, w.ADDED_HIDDEN, 3, 10),
    ]  # fmt: skip
    # What is left, 10, is less than the minimum, and is all that one match now has to take: the waiting 19 will do.
    assert private[3:] == both(b"n", b"o", 10, 100, 4, 0, 9, w.ADDED_LIQUIDITY)


def test_a_minimum_that_is_not_there_leaves_a_resting_order_waiting_and_cancels_any_other(world: World) -> None:
    given(world, enter(1, b"l", w.SELL, 10, 100))
    for token, fields in ((b"i", {"tif": w.IOC}), (b"m", {"order_type": w.MARKET}), (b"f", {"tif": w.FOK})):
        private, public = send(world, submit(2, token, w.BUY, 60, 100, minimum=20, keep=1, **fields))
        assert private[1:] == [(w.CANCELED, 2, token, 60, w.CANCEL_IOC, 0)]
        assert public == []
    private, public = send(world, submit(2, b"d", w.BUY, 60, 100, minimum=20))
    assert (len(private), public) == (1, [])
    assert world.machine.sessions[2].live[b"d"][-1].where == DARK


def test_fill_or_kill_counts_what_it_would_pass_over(world: World) -> None:
    given(
        world, submit(1, b"a", w.SELL, 50, 99, all_or_none=1), submit(1, b"i", w.SELL, 60, 100, display_quantity=5),
        submit(1, b"h", w.SELL, 10, 101, hidden=1),
    )  # fmt: skip
    private, _ = send(world, enter(2, b"t", w.BUY, 80, 101, tif=w.FOK))  # 50, then 30 of the iceberg
    assert sum(event[3] for event in private if event[:2] == (w.EXECUTED, 2)) == 80
    given(world, submit(1, b"b", w.SELL, 50, 99, all_or_none=1))
    private, _ = send(world, enter(2, b"u", w.BUY, 49, 101, tif=w.FOK))  # 50 is too much: 30 and 10 are too few
    assert private[1:] == [(w.CANCELED, 2, b"u", 49, w.CANCEL_IOC, 0)]
    private, _ = send(world, enter(2, b"v", w.BUY, 40, 101, tif=w.FOK))
    assert sum(event[3] for event in private if event[:2] == (w.EXECUTED, 2)) == 40


# ------------------------------------------------------------------------------------------------- post-only
def test_post_only_is_rejected_when_it_would_take_and_rests_when_not(world: World) -> None:
    given(world, enter(1, b"l", w.SELL, 10, 100), submit(1, b"h", w.SELL, 10, 98, hidden=1))
    private, public = send(world, submit(2, b"p", w.BUY, 10, 98, post_only=w.POST_ONLY_REJECT))
    text = "post_only: it would take liquidity"
    assert (private, public) == ([(w.REJECTED, 2, b"p", w.REJECT_POST_ONLY, text, b"data")], [])
    private, public = send(world, submit(2, b"q", w.BUY, 10, 97, post_only=w.POST_ONLY_REJECT))
    assert public == [(w.ADDED, 1, 3, w.BUY, 10, 97 * CENT)]


def test_post_only_slides_to_the_price_next_to_the_best_before_it_is_accepted(world: World) -> None:
    given(world, enter(1, b"l", w.SELL, 10, 100), enter(1, b"m", w.BUY, 10, 95))
    world.verb("set_book_property", "book-X", "tick_size", "0.01")
    world.take_all()
    private, public = send(world, submit(2, b"b", w.BUY, 10, 105, post_only=w.POST_ONLY_SLIDE))
    assert private == [accepted(2, b"b", 3, w.BUY, 10, 99)]
    assert public == [(w.ADDED, 1, 3, w.BUY, 10, 99 * CENT)]
    private, public = send(world, submit(2, b"s", w.SELL, 10, 90, post_only=w.POST_ONLY_SLIDE))
    assert private == [accepted(2, b"s", 4, w.SELL, 10, 100)]


def test_post_only_that_cannot_slide_is_rejected(world: World) -> None:
    world.verb("set_book_property", "book-X", "tick_size", "0.01")
    given(world, enter(1, b"l", w.SELL, 10, 1))
    private, _ = send(world, submit(2, b"b", w.BUY, 10, 5, post_only=w.POST_ONLY_SLIDE))
    assert private == [(w.REJECTED, 2, b"b", w.REJECT_POST_ONLY, "post_only: there is no price to slide to", b"data")]


def test_post_only_may_cross_an_order_whose_condition_is_not_met_and_never_takes_it(world: World) -> None:
    given(world, submit(1, b"a", w.SELL, 10, 100, all_or_none=1))
    private, public = send(world, submit(2, b"p", w.BUY, 10, 100, post_only=w.POST_ONLY_REJECT))
    assert public[0] == (w.ADDED, 1, 2, w.BUY, 10, 100 * CENT)
    assert private[1:] == [
        executed(1, b"a", 10, 100, w.REMOVED_LIQUIDITY, 1, 0), executed(2, b"p", 10, 100, w.ADDED_LIQUIDITY, 1, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (w.POST_ONLY_REJECT, (w.CANCELED, 2, b"p", 10, w.CANCEL_POST_ONLY, 0)),
        (w.POST_ONLY_SLIDE, (w.RESTATED, 2, b"p", 5, 100 * CENT - 10_000, 10, 10, w.RESTATED_SLID)),
    ],
)
def test_post_only_after_a_trigger(world: World, mode: int, expected: Any) -> None:
    stop = submit(2, b"p", w.BUY, 10, 101, order_type=w.STOP_LIMIT, stop_price=100, post_only=mode)
    given(world, stop, enter(1, b"l", w.SELL, 20, 100))
    private, _ = send(world, enter(2, b"t", w.BUY, 10, 100))
    assert private[-2:] == [(w.RESTATED, 2, b"p", 4, 101 * CENT, 10, 10, w.RESTATED_TRIGGERED), expected]


# ------------------------------------------------------------------------------------------------- market types
def test_a_market_order_never_rests_without_protection(world: World) -> None:
    given(world, submit(1, b"h", w.SELL, 10, 100, hidden=1))
    private, _ = send(world, enter(2, b"m", w.BUY, 30, order_type=w.MARKET))
    assert private[0] == accepted(2, b"m", 2, w.BUY, 30, 0)
    assert private[-1] == (w.CANCELED, 2, b"m", 20, w.CANCEL_IOC, 0)


@pytest.mark.parametrize("by_property", [True, False])
def test_a_market_order_trades_and_rests_no_further_than_its_protection(world: World, by_property: bool) -> None:
    if by_property:
        world.verb("set_book_property", "book-X", "market_protection", "0.02")
    given(world, *[enter(1, b"%d" % price, w.SELL, 10, price) for price in (100, 102, 103)])
    world.take_all()
    terms = {} if by_property else {"protection": 2}
    private, public = send(world, submit(2, b"m", w.BUY, 50, order_type=w.MARKET, **terms))
    assert [event[4] // CENT for event in private if event[:2] == (w.EXECUTED, 2)] == [100, 102]
    assert private[-1] == (w.RESTATED, 2, b"m", 5, 102 * CENT, 30, 30, w.RESTATED_LIMIT)
    assert public[-1] == (w.ADDED, 1, 5, w.BUY, 30, 102 * CENT)


def test_protection_needs_a_price_to_be_measured_from(world: World) -> None:
    given(world, enter(1, b"l", w.BUY, 10, 100))
    private, _ = send(world, submit(2, b"m", w.BUY, 50, order_type=w.MARKET, protection=2))
    assert private[0][:4] == (w.REJECTED, 2, b"m", w.REJECT_NO_REFERENCE)


def test_a_protected_market_order_that_is_immediate_does_not_rest(world: World) -> None:
    given(world, enter(1, b"l", w.SELL, 10, 100))
    private, _ = send(world, submit(2, b"m", w.BUY, 50, order_type=w.MARKET, protection=2, tif=w.IOC))
    assert private[-1] == (w.CANCELED, 2, b"m", 40, w.CANCEL_IOC, 0)


def test_the_protection_of_zero_overrides_the_book(world: World) -> None:
    world.verb("set_book_property", "book-X", "market_protection", "0.02")
    private, _ = send(given(world, enter(1, b"l", w.SELL, 10, 100), enter(1, b"m", w.SELL, 10, 110)),
                      submit(2, b"m", w.BUY, 50, order_type=w.MARKET, protection=0))  # fmt: skip
    assert private[-1] == (w.CANCELED, 2, b"m", 30, w.CANCEL_IOC, 0)


def test_market_to_limit_trades_at_the_best_price_and_rests_there(world: World) -> None:
    given(world, enter(1, b"l", w.SELL, 10, 100), enter(1, b"m", w.SELL, 10, 101))
    private, public = send(world, submit(2, b"k", w.BUY, 50, order_type=w.MARKET_TO_LIMIT))
    assert private == [
        accepted(2, b"k", 3, w.BUY, 50, 0),
        *both(b"k", b"l", 10, 100, 1, 40, 0, w.ADDED_LIQUIDITY),
        (w.RESTATED, 2, b"k", 4, 100 * CENT, 40, 40, w.RESTATED_LIMIT),
    ]
    assert public[-1] == (w.ADDED, 1, 4, w.BUY, 40, 100 * CENT)
    private, _ = send(world, submit(1, b"n", w.BUY, 5, order_type=w.MARKET_TO_LIMIT), (w.CANCEL, 1, b"m", 0))
    assert private[1] == (w.EXECUTED, 1, b"n", 5, 101 * CENT, w.REMOVED_LIQUIDITY, 2, 0, 1)
    private, _ = send(world, submit(1, b"o", w.BUY, 5, order_type=w.MARKET_TO_LIMIT))
    assert private[1:] == [(w.CANCELED, 1, b"o", 5, w.CANCEL_IOC, 0)]


# ------------------------------------------------------------------------------------------------- triggers
def test_a_stop_order_is_released_by_a_trade_and_then_trades_itself(world: World) -> None:
    stop = submit(2, b"s", w.SELL, 20, order_type=w.STOP, stop_price=99)
    given(world, stop, enter(1, b"b", w.BUY, 10, 99), enter(1, b"c", w.BUY, 50, 98))
    private, public = send(world, enter(2, b"t", w.SELL, 10, 99))
    assert private == [
        accepted(2, b"t", 4, w.SELL, 10, 99),
        *both(b"t", b"b", 10, 99, 1, 0, 0, w.ADDED_LIQUIDITY),
        (w.RESTATED, 2, b"s", 5, 0, 0, 20, w.RESTATED_TRIGGERED),
        *both(b"s", b"c", 20, 98, 2, 0, 30, w.ADDED_LIQUIDITY),
    ]
    assert [event[0] for event in public] == [w.TRADED, w.TRADED]


def test_released_stops_set_off_others_and_go_first_come_first_served(world: World) -> None:
    def stop(token: bytes, price: int) -> Any:
        return submit(2, token, w.SELL, 10, order_type=w.STOP, stop_price=price)

    given(world, *[enter(1, b"%d" % price, w.BUY, 10, price) for price in (100, 99, 98, 97)])
    given(world, stop(b"x", 98), stop(b"y", 100), stop(b"z", 99))
    private, _ = send(world, enter(2, b"t", w.SELL, 10, 100))
    assert [event[2] for event in private if event[0] == w.RESTATED] == [b"y", b"z", b"x"]
    assert not world.machine.sessions[1].live


def test_a_stop_whose_trigger_is_reached_already_does_not_wait(world: World) -> None:
    given(world, enter(1, b"b", w.BUY, 30, 99), enter(2, b"t", w.SELL, 10, 99))
    private, _ = send(world, submit(2, b"s", w.SELL, 5, 90, order_type=w.STOP_LIMIT, stop_price=99))
    assert [event[0] for event in private] == [w.ACCEPTED, w.RESTATED, w.EXECUTED, w.EXECUTED]
    assert private[1] == (w.RESTATED, 2, b"s", 4, 90 * CENT, 5, 5, w.RESTATED_TRIGGERED)


def test_a_waiting_stop_can_be_replaced_reduced_and_cancelled_and_the_public_never_knows(world: World) -> None:
    private, public = send(
        world, submit(1, b"a", w.BUY, 50, 110, order_type=w.STOP_LIMIT, stop_price=105),
        amend(1, b"a", b"b", 60, 111, order_type=w.STOP_LIMIT, stop_price=106), (w.CANCEL, 1, b"b", 20),
        amend(1, b"b", b"c", 10, 111, order_type=w.STOP_LIMIT), (w.CANCEL, 1, b"c", 0),
    )  # fmt: skip
    assert [event[:3] for event in private[1:]] == [
        (w.REPLACED, 1, b"b"), (w.CANCELED, 1, b"b"), (w.REPLACED, 1, b"c"), (w.CANCELED, 1, b"c"),
    ]  # fmt: skip
    assert (private[1][4], private[3][4]) == (2, 2)  # the second only asked for less
    assert public == []


# ------------------------------------------------------------------------------------------------- replacing
def test_a_replaced_iceberg_stays_one_and_the_public_sees_one_order_follow_another(world: World) -> None:
    given(world, submit(1, b"i", w.SELL, 100, 100, display_quantity=30))
    private, public = send(world, replace(1, b"i", b"j", 80, 101))
    assert private == [(w.REPLACED, 1, b"j", b"i", 2, w.SELL, 80, 101 * CENT, w.LIVE, b"data", b"new")]
    assert public == [(w.ORDER_REPLACED, 1, 1, 2, 30, 101 * CENT)]


def test_a_replacement_that_trades_first_leaves_the_book_first(world: World) -> None:
    given(world, submit(1, b"i", w.BUY, 100, 99, display_quantity=30), enter(2, b"l", w.SELL, 20, 100))
    _, public = send(world, replace(1, b"i", b"j", 100, 100))
    assert public == [
        (w.REDUCED, 1, 1, 30, 0), (w.TRADED, 1, 2, 20, 100 * CENT, 1, w.BUY, 0), (w.ADDED, 1, 3, w.BUY, 30, 100 * CENT),
    ]  # fmt: skip


def test_an_order_can_be_hidden_and_shown_by_amending_it(world: World) -> None:
    given(world, enter(1, b"a", w.BUY, 50, 99))
    assert send(world, amend(1, b"a", b"b", 50, 99, hidden=1))[1] == [(w.REDUCED, 1, 1, 50, 0)]
    assert send(world, amend(1, b"b", b"c", 50, 98))[1] == []  # still hidden
    given(world, enter(2, b"t", w.SELL, 20, 98))
    private, _ = send(world, amend(1, b"c", b"d", 50, 97))
    assert private[0][6] == 30  # the total of the chain is 50, and 20 are done


def test_an_amend_that_only_lowers_the_quantity_keeps_number_and_place(world: World) -> None:
    given(world, submit(1, b"i", w.SELL, 100, 100, display_quantity=30), enter(1, b"l", w.SELL, 10, 100))
    private, public = send(world, amend(1, b"i", b"j", 40, 100))
    assert private == [(w.REPLACED, 1, b"j", b"i", 1, w.SELL, 40, 100 * CENT, w.LIVE, b"data", b"new")]
    assert public == []
    assert list(world.machine.sessions[1].live) == [b"j", b"l"]
    private, _ = send(world, enter(2, b"t", w.BUY, 5, 100))
    assert private[2][2] == b"j"
    private, public = send(world, replace(1, b"j", b"k", 40, 100))  # a REPLACE never keeps its place
    assert private[0][4] == 4


def test_an_amend_that_shows_less_tells_so(world: World) -> None:
    given(world, enter(1, b"a", w.SELL, 100, 100))
    private, public = send(world, amend(1, b"a", b"b", 40, 100))
    assert (private[0][4], public) == (1, [(w.REDUCED, 1, 1, 60, 40)])


@pytest.mark.parametrize(
    "change",
    [{"price": 99}, {"quantity": 100}, {"quantity": 101}, {"tif": w.GTC}, {"hidden": 1}, {"minimum": 5},
     {"order_type": w.MARKET}, {"account": "other"}, {"tif": w.GOOD_FOR_TIME, "expire": 5}],
)  # fmt: skip
def test_an_amend_that_changes_anything_else_loses_its_place(world: World, change: dict[str, Any]) -> None:
    given(world, enter(1, b"a", w.SELL, 100, 100))
    fields = {"quantity": 50, "price": 100, **change}
    private, _ = send(world, amend(1, b"a", b"b", fields.pop("quantity"), fields.pop("price"), **fields))
    assert private[0][:5] == (w.REPLACED, 1, b"b", b"a", 2)


def test_a_replacement_drops_the_terms_that_mean_nothing_for_its_type(world: World) -> None:
    given(world, submit(1, b"a", w.BUY, 50, 110, order_type=w.STOP_LIMIT, stop_price=105, account="fund"))
    private, public = send(world, replace(1, b"a", b"b", 50, 99))
    assert private[0][0] == w.REPLACED
    assert public == [(w.ADDED, 1, 2, w.BUY, 50, 99 * CENT)]
    assert world.machine.sessions[1].live[b"b"][-1].given() == ((w.TERM_ACCOUNT, "fund"),)


def test_a_post_only_replacement_that_would_take_takes_the_order_out(world: World) -> None:
    given(world, enter(2, b"l", w.SELL, 20, 100), submit(1, b"p", w.BUY, 50, 99, post_only=w.POST_ONLY_REJECT))
    private, public = send(world, amend(1, b"p", b"q", 50, 100))
    assert private == [(w.CANCELED, 1, b"p", 50, w.CANCEL_POST_ONLY, 0)]
    assert public == [(w.REDUCED, 1, 2, 50, 0)]
    private, _ = send(world, enter(1, b"q", w.BUY, 1, 1))  # the new token stays free
    assert private[0][0] == w.ACCEPTED


def test_a_post_only_replacement_may_slide(world: World) -> None:
    world.verb("set_book_property", "book-X", "tick_size", "0.01")
    world.take_all()
    given(world, enter(2, b"l", w.SELL, 20, 100), submit(1, b"p", w.BUY, 50, 98, post_only=w.POST_ONLY_SLIDE))
    private, public = send(world, amend(1, b"p", b"q", 50, 101))
    assert private == [(w.REPLACED, 1, b"q", b"p", 3, w.BUY, 50, 99 * CENT, w.LIVE, b"data", b"new")]
    assert public == [(w.ORDER_REPLACED, 1, 2, 3, 50, 99 * CENT)]


# ------------------------------------------------------------------------------------------------- time and the rest
def test_special_orders_expire_in_the_order_of_their_numbers_also_after_they_were_renumbered(world: World) -> None:
    fields = {"tif": w.GTD, "expire": START_NS + SECOND_NS}
    given(
        world, submit(1, b"i", w.SELL, 20, 100, display_quantity=5, **fields),
        submit(1, b"h", w.SELL, 10, 101, hidden=1, **fields), enter(2, b"t", w.BUY, 5, 100),
    )  # fmt: skip
    assert world.machine.next_timer_ns == START_NS + SECOND_NS
    world.now += SECOND_NS
    world.timer()
    check(world.machine)
    assert [event[:4] for event in world.take()] == [(w.CANCELED, 1, b"h", 10), (w.CANCELED, 1, b"i", 15)]
    assert world.machine.next_timer_ns == 0


def test_a_book_is_plain_again_when_its_last_special_order_is_gone(world: World) -> None:
    book = world.machine.books["book-X"]
    given(world, submit(1, b"h", w.SELL, 20, 100, hidden=1))
    assert not book.plain
    given(world, enter(2, b"t", w.BUY, 20, 100))
    assert book.plain


def test_live_orders_stay_in_the_order_of_their_numbers_while_one_trades_with_itself(world: World) -> None:
    """The iceberg gets a number after that of the order which takes from it, and is then after it in `live`."""
    given(world, submit(1, b"i", w.SELL, 20, 100, display_quantity=5))
    given(world, enter(1, b"t", w.BUY, 30, 100))
    live = world.machine.sessions[1].live
    assert [(token, order[NUMBER]) for token, order in live.items()] == [(b"t", 2)]
    given(world, submit(1, b"j", w.SELL, 50, 100, display_quantity=5))
    assert list(live) == [b"j"]


def test_ask_tells_what_is_ahead(world: World) -> None:
    given(
        world, enter(1, b"a", w.SELL, 10, 100), submit(1, b"i", w.SELL, 50, 100, display_quantity=5),
        enter(2, b"m", w.SELL, 30, 100), submit(2, b"h", w.SELL, 40, 100, hidden=1),
        submit(2, b"k", w.SELL, 40, 100, hidden=1), submit(2, b"s", w.SELL, 9, order_type=w.STOP, stop_price=50),
        enter(1, b"t", w.BUY, 4, 100),
    )  # fmt: skip
    asked = [(w.ASK, 1, b"i"), (w.ASK, 2, b"m"), (w.ASK, 2, b"h"), (w.ASK, 2, b"k"), (w.ASK, 2, b"s"), (w.ASK, 2, b"a")]
    private, public = send(world, *asked)
    assert private == [
        (w.ORDER_STATUS, 1, b"i", 2, w.SELL, 100 * CENT, 50, 0, 6),
        (w.ORDER_STATUS, 2, b"m", 3, w.SELL, 100 * CENT, 30, 0, 11),
        (w.ORDER_STATUS, 2, b"h", 4, w.SELL, 100 * CENT, 40, 0, 86),
        (w.ORDER_STATUS, 2, b"k", 5, w.SELL, 100 * CENT, 40, 0, 126),
        (w.ORDER_STATUS, 2, b"s", 6, w.SELL, 0, 9, 0, 0),
        (w.ORDER_STATUS, 2, b"a", 0, w.BUY, 0, 0, 0, 0),
    ]
    assert public == []


def test_a_long_special_life_leaves_no_dead_orders_behind() -> None:
    world, random = market(), Random(5)
    kinds: tuple[dict[str, Any], ...] = ({}, {"hidden": 1}, {"display_quantity": 3}, {"all_or_none": 1}, {"minimum": 4})
    for number in range(400):
        session, side = random.choice((1, 2)), random.choice((w.BUY, w.SELL))
        quantity, price = random.randrange(1, 20), random.randrange(98, 103)
        given(world, submit(session, b"%d" % number, side, quantity, price, **random.choice(kinds)))
    for session in (1, 2):
        given(world, *[(w.CANCEL, session, token, 0) for token in world.machine.sessions[session].live])
    book = world.machine.books["book-X"]
    assert book.plain and book.rooms is not None
    assert not any(s.levels for s in (book.bids, book.asks, book.rooms.dark_bids, book.rooms.dark_asks))


# ------------------------------------------------------------------------------------------------- after an auction
def test_an_iceberg_takes_part_in_an_auction_with_all_it_has_and_shows_as_much_as_before(world: World) -> None:
    world.verb("set_phase", "main", "pre_open", "book-X")
    given(world, submit(1, b"i", w.SELL, 100, 100, display_quantity=10), enter(2, b"b", w.BUY, 30, 100))
    world.verb("set_phase", "main", "open", "book-X")
    check(world.machine)
    private, public = world.take(), world.take("public")
    assert private[-1][:4] == (w.EXECUTED, 1, b"i", 30)
    assert public[-2:] == [
        (w.CROSS_TRADED, 1, 2, 1, 30, 100 * CENT, 1, 0, 10), (w.CROSSED, 1, w.CROSS_OPENING, 100 * CENT, 30),
    ]  # fmt: skip


def test_a_stop_is_elected_by_the_price_of_an_auction(world: World) -> None:
    world.verb("set_phase", "main", "pre_open", "book-X")
    given(
        world, submit(1, b"s", w.SELL, 10, order_type=w.STOP, stop_price=100), enter(1, b"a", w.SELL, 10, 100),
        enter(2, b"b", w.BUY, 30, 100),
    )  # fmt: skip
    world.verb("set_phase", "main", "open", "book-X")
    check(world.machine)
    assert [event[0] for event in world.take() if event[1] == 1] == [w.EXECUTED, w.RESTATED, w.EXECUTED]
