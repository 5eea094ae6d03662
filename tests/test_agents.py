"""Agents decide purely, within their bounds, and act in clusters."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from statistics import mean, variance
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.agents.arrivals import ACTIVITY, NEVER, SECOND_NS, Hawkes
from openoutcry.agents.prices import CENT, HIGH
from openoutcry.agents.strategies import STRATEGIES, MarketMaker, Momentum, Strategy, Value, ZeroIntelligence
from openoutcry.agents.views import BUY, SELL, Bounds, Cancel, Enter, Intent, Move, Open, View, allowed, on_tick
from openoutcry.errors import ClientError

FAIR = 1_000_000
ALL = [make() for make in STRATEGIES.values()]


def view(**changed: Any) -> View:
    return View(0, "X", FAIR, limit=10_000)._replace(**changed)


sides = st.sampled_from((BUY, SELL))
prices = st.one_of(st.integers(-5, HIGH + 5), st.integers(9_950, 10_050).map(lambda cents: cents * CENT))
shares = st.integers(-10, 12_000)
tokens = st.sampled_from([str(number) for number in range(8)])
intents = st.one_of(
    st.builds(Enter, sides, shares, prices, st.booleans()),
    st.builds(Move, tokens, shares, prices),
    st.builds(Cancel, tokens),
)


@st.composite
def views(draw: st.DrawFn) -> View:
    """One that a trader within its bounds can have: not crossed, position and orders within the limit."""
    middle = draw(st.integers(9_990, 10_010))
    orders, left = [], {BUY: 10_000, SELL: 10_000}
    position = draw(st.integers(-10_000, 10_000))
    left[BUY] -= position
    left[SELL] += position
    for token in range(draw(st.integers(0, 8))):
        side = draw(sides)
        price = middle + draw(st.integers(1, 20)) * (-1 if side == BUY else 1)
        size = draw(st.integers(0, min(900, left[side])))
        if size:
            left[side] -= size
            orders.append(Open(str(token), side, price * CENT, size, draw(st.booleans())))
    history = draw(st.lists(st.integers(9_990, 10_010).map(lambda cents: cents * CENT), max_size=5))
    market = draw(st.sampled_from(((0, 0), (9_999 * CENT, 10_001 * CENT), (0, 10_000 * CENT))))
    return View(0, "X", draw(st.integers(9_990 * CENT, 10_010 * CENT)), *market, position, 10_000, tuple(orders),
                tuple(history))  # fmt: skip


# ------------------------------------------------------------------------------------------------- bounds
def worst(before: View, taken: list[Intent]) -> tuple[dict[str, int], dict[str, list[int]]]:
    """Shares and prices of each side, when every order may be as before or as wanted."""
    exposed = {BUY: before.position, SELL: -before.position}
    at: dict[str, list[int]] = {BUY: [], SELL: []}
    moves = {intent.token: intent for intent in taken if isinstance(intent, Move)}
    for order in before.open:
        at[order.side].append(order.price)
        wanted = moves.get(order.token)
        exposed[order.side] += max(order.left, wanted.shares if wanted else 0)
        at[order.side] += [wanted.price] if wanted else []
    for intent in taken:
        if isinstance(intent, Enter):
            exposed[intent.side] += intent.shares
            at[intent.side].append(intent.price)
    return exposed, at


@given(views(), st.lists(intents, max_size=12))
def test_nothing_gets_through_that_could_cross_itself_or_leave_the_bounds(before: View, wanted: list[Intent]) -> None:
    taken = allowed(before, wanted, Bounds(10_000, 10))
    exposed, at = worst(before, taken)
    assert max(exposed.values()) <= 10_000
    assert max(at[BUY], default=0) < min(at[SELL], default=HIGH + 1)
    assert len(before.open) + sum(isinstance(intent, Enter) for intent in taken) <= 10
    changed = [intent.token for intent in taken if not isinstance(intent, Enter)]
    assert len(set(changed)) == len(changed)
    assert set(changed) <= {order.token for order in before.open if not order.busy}
    for intent in taken:
        if not isinstance(intent, Cancel):
            assert intent.shares >= 1 and 1 <= intent.price <= HIGH and intent.price % CENT == 0


@given(views(), st.lists(intents, max_size=12))
def test_what_is_let_through_is_let_through_again(before: View, wanted: list[Intent]) -> None:
    taken = allowed(before, wanted, Bounds())
    assert allowed(before, taken, Bounds()) == taken


def test_an_order_too_large_for_the_position_is_made_smaller() -> None:
    assert allowed(view(position=9_900), [Enter(BUY, 500, FAIR)], Bounds()) == [Enter(BUY, 100, FAIR)]
    assert allowed(view(position=10_000), [Enter(BUY, 500, FAIR)], Bounds()) == []


def test_an_order_that_would_trade_with_an_own_one_is_dropped_also_an_immediate_one() -> None:
    before = view(open=(Open("1", SELL, FAIR, 100),))
    assert allowed(before, [Enter(BUY, 100, FAIR, True), Enter(BUY, 100, FAIR - CENT)], Bounds()) == [
        Enter(BUY, 100, FAIR - CENT)
    ]


def test_a_tick_is_found_away_from_the_other_side() -> None:
    assert [on_tick(150, side, 100) for side in (BUY, SELL)] == [100, 200]
    assert [on_tick(200, side, 100) for side in (BUY, SELL)] == [200, 200]


# ------------------------------------------------------------------------------------------------- strategies
@pytest.mark.parametrize("strategy", ALL, ids=list(STRATEGIES))
@given(before=views(), seed=st.integers(0, 1_000))
def test_a_decision_is_a_pure_function_of_view_and_random_source(strategy: Strategy, before: View, seed: int) -> None:
    assert strategy.decide(before, Random(seed)) == strategy.decide(before, Random(seed))


@pytest.mark.parametrize("strategy", ALL, ids=list(STRATEGIES))
@given(before=views(), seed=st.integers(0, 1_000))
def test_no_price_or_quantity_is_a_binary_fraction(strategy: Strategy, before: View, seed: int) -> None:
    for intent in strategy.decide(before, Random(seed)):
        assert all(type(value) in (int, str, bool) for value in intent)


def test_a_maker_quotes_both_sides_at_its_spread_and_depth() -> None:
    maker = MarketMaker(half_spread=2 * CENT, levels=2, step=3 * CENT, lots=1)
    assert sorted(maker.decide(view(), Random(1))) == sorted(
        Enter(side, 100, FAIR + away * CENT) for side, away in ((BUY, -2), (BUY, -5), (SELL, 2), (SELL, 5))
    )


def test_a_maker_that_is_long_moves_its_quotes_down_and_one_that_is_short_up() -> None:
    maker = MarketMaker(skew=10 * CENT)
    assert [maker.centre(view(position=position)) for position in (-10_000, -5_000, 0, 5_000, 10_000)] == [
        FAIR + 10 * CENT, FAIR + 5 * CENT, FAIR, FAIR - 5 * CENT, FAIR - 10 * CENT
    ]  # fmt: skip


def test_a_maker_moves_the_quotes_that_are_furthest_off_first_and_no_more_than_it_may() -> None:
    maker = MarketMaker(levels=1, lots=1, changes=1)
    orders = (Open("b", BUY, FAIR - 2 * CENT, 100), Open("s", SELL, FAIR + 9 * CENT, 100))
    assert maker.decide(view(open=orders), Random(1)) == [Move("s", 100, FAIR + CENT)]


def test_a_maker_whose_price_jumps_steps_back_first_so_that_it_does_not_stand_in_its_own_way() -> None:
    maker = MarketMaker(levels=1, lots=1, changes=1)
    orders = (Open("b", BUY, FAIR - 90 * CENT, 100), Open("s", SELL, FAIR - 50 * CENT, 100))
    assert maker.decide(view(open=orders), Random(1)) == [Move("s", 100, FAIR + CENT)]


def test_a_maker_takes_quotes_out_that_are_too_many() -> None:
    maker = MarketMaker(levels=1, lots=1)
    orders = (Open("b", BUY, FAIR - CENT, 100), Open("c", BUY, FAIR - 2 * CENT, 100), Open("s", SELL, FAIR + CENT, 100))
    assert maker.decide(view(open=orders), Random(1)) == [Cancel("c")]


def test_a_maker_whose_quotes_are_right_does_nothing_unless_it_is_restless() -> None:
    orders = (Open("b", BUY, FAIR - CENT, 100), Open("s", SELL, FAIR + CENT, 100))
    assert MarketMaker(levels=1).decide(view(open=orders), Random(1)) == []
    (again,) = MarketMaker(levels=1, restless=True).decide(view(open=orders), Random(1))
    assert isinstance(again, Move) and (again.token, again.price) in {(o.token, o.price) for o in orders}


@pytest.mark.parametrize(
    ("history", "wanted"),
    [
        ((), None),
        ((FAIR,), None),
        ((FAIR, FAIR + CENT), None),
        ((FAIR, FAIR - CENT, FAIR + 2 * CENT), (BUY, FAIR + 3 * CENT)),
        ((FAIR, FAIR + CENT, FAIR - 2 * CENT), (SELL, FAIR - 3 * CENT)),
    ],
)
def test_momentum_goes_with_the_trend(history: tuple[int, ...], wanted: tuple[str, int] | None) -> None:
    found = Momentum(lots=1).decide(view(history=history), Random(1))
    assert found == ([Enter(wanted[0], 100, wanted[1], True)] if wanted else [])


def test_momentum_reaches_beyond_the_best_price_of_the_market_when_it_is_known() -> None:
    (order,) = Momentum(lots=1).decide(view(history=(FAIR, 2 * FAIR), bid=FAIR, ask=FAIR + 50 * CENT), Random(1))
    assert order == Enter(BUY, 100, FAIR + 53 * CENT, True)


@pytest.mark.parametrize(
    ("market", "wanted"),
    [
        ((FAIR - 9 * CENT, FAIR - CENT), Enter(BUY, 100, FAIR - CENT, True)),
        ((FAIR + CENT, FAIR + 9 * CENT), Enter(SELL, 100, FAIR + CENT, True)),
        ((FAIR - CENT, FAIR + CENT), None),
    ],
)
def test_a_value_trader_buys_below_and_sells_above_its_opinion(market: tuple[int, int], wanted: Intent | None) -> None:
    found = Value(noise=0, lots=1).decide(view(bid=market[0], ask=market[1]), Random(1))
    assert found == ([wanted] if wanted else [])


@given(views(), st.integers(0, 1_000))
def test_a_value_trader_never_pays_more_than_its_opinion_can_be(before: View, seed: int) -> None:
    value = Value()
    for intent in value.decide(before, Random(seed)):
        assert isinstance(intent, Enter) and intent.immediate
        off = intent.price - before.fair if intent.side == BUY else before.fair - intent.price
        assert off <= value.noise - value.margin


@given(views(), st.integers(0, 1_000))
def test_zero_intelligence_stays_within_its_reach(before: View, seed: int) -> None:
    (intent,) = ZeroIntelligence().decide(before, Random(seed))
    if isinstance(intent, Enter):
        assert abs(intent.price - before.fair) <= 11 * CENT
    else:
        assert intent.token in {order.token for order in before.open}


# ------------------------------------------------------------------------------------------------- arrivals
def times(rate: float, seed: int, count: int, clustering: float) -> list[int]:
    hawkes = Hawkes(rate, Random(seed), clustering)
    return [hawkes.next_ns() for _ in range(count)]


@given(st.integers(0, 1_000), st.sampled_from((0.0, 0.5, 0.9)), st.sampled_from((0.1, 10.0, 1e6)))
def test_times_rise_and_depend_on_the_seed_alone(seed: int, clustering: float, rate: float) -> None:
    found = times(rate, seed, 50, clustering)
    assert found == times(rate, seed, 50, clustering)
    assert all(a < b for a, b in pairwise(found))


@pytest.mark.parametrize("clustering", [0.0, 0.5, 0.8])
def test_the_rate_is_the_average_with_any_clustering(clustering: float) -> None:
    found = times(10.0, 5, 20_000, clustering)
    assert 20_000 * SECOND_NS / found[-1] == pytest.approx(10.0, rel=0.1)


def test_with_clustering_the_counts_of_seconds_vary_more_than_a_poisson_process_does() -> None:
    def index_of_dispersion(clustering: float) -> float:
        found = times(10.0, 3, 20_000, clustering)
        counts = [0] * (found[-1] // SECOND_NS + 1)
        for at in found:
            counts[at // SECOND_NS] += 1
        return variance(counts) / mean(counts)

    assert index_of_dispersion(0.0) == pytest.approx(1.0, abs=0.2)
    assert index_of_dispersion(0.8) > 3


def test_activity_none_is_never() -> None:
    assert Hawkes(ACTIVITY["none"], Random(1)).next_ns() == NEVER


@pytest.mark.parametrize(("rate", "clustering", "memory"), [(-1, 0, 1), (1, 1, 1), (1, 0, 0), (float("nan"), 0, 1)])
def test_numbers_that_make_no_process_are_refused(rate: float, clustering: float, memory: float) -> None:
    with pytest.raises(ClientError, match="arrivals"):
        Hawkes(rate, Random(1), clustering, memory)
