"""Agents on the matching core: alike with one seed, within their bounds, and of one mind with the machine."""

from __future__ import annotations

import asyncio
from collections import deque
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.agents.arrivals import NEVER, SECOND_NS
from openoutcry.agents.crowd import Crowd, Surroundings, Trader
from openoutcry.agents.prices import CENT, Constant, Replay
from openoutcry.agents.sessions import WAITING_MAX
from openoutcry.agents.strategies import MarketMaker, Momentum, ZeroIntelligence
from openoutcry.agents.tally import Tally
from openoutcry.agents.views import BUY, Bounds, Enter, Intent, View
from openoutcry.matcher.orders import OPEN, PRICE, SIDE
from tests.agents_world import FINE, AgentsWorld, at_once

EVERYONE = ("maker", "maker", "zero", "zero", "momentum", "value")


# ------------------------------------------------------------------------------------------------- what must be true
def agree(world: AgentsWorld) -> None:
    """Each session has the orders that the machine has, and the position that its executions make."""
    for trader in world.traders:
        session = trader.session
        live = world.venue.world.machine.sessions[session.line.number].live  # type: ignore[attr-defined]  # VenueLine
        known = [order for symbol in trader.symbols for order in session.open(symbol)]
        assert {(o.token, o.side == BUY, o.price * FINE, o.left) for o in known} == {
            (token.decode(), order[SIDE] == w.BUY, order[PRICE], order[OPEN]) for token, order in live.items()
        }


def executed(world: AgentsWorld) -> list[int]:
    """Position of each trader, from the machine's events alone."""
    sides: dict[tuple[int, bytes], int] = {}
    found = dict.fromkeys(range(1, len(world.traders) + 1), 0)
    for event in world.venue.events:
        if event[0] == w.ACCEPTED:
            sides[event[1], event[2]] = 1 if event[4] == w.BUY else -1
        elif event[0] == w.REPLACED:
            sides[event[1], event[2]] = 1 if event[5] == w.BUY else -1
        elif event[0] == w.EXECUTED:
            found[event[1]] += sides[event[1], event[2]] * event[3]
    return list(found.values())


def within(world: AgentsWorld, bounds: Bounds) -> None:
    for position in executed(world):
        assert abs(position) <= bounds.position
    for session in world.venue.world.machine.sessions.values():
        assert len(session.live) <= bounds.orders
        buys = [order[PRICE] for order in session.live.values() if order[SIDE] == w.BUY]
        sells = [order[PRICE] for order in session.live.values() if order[SIDE] == w.SELL]
        assert max(buys, default=0) < min(sells, default=1 << 62)


def never_with_oneself(world: AgentsWorld) -> None:
    sides: dict[int, list[int]] = {}
    for event in world.venue.events:
        if event[0] == w.EXECUTED:
            sides.setdefault(event[6], []).append(event[1])
    assert sides and all(len(set(pair)) == 2 for pair in sides.values())


# ------------------------------------------------------------------------------------------------- determinism
@pytest.mark.parametrize("seed", [1, 2])
def test_one_seed_gives_the_same_orders_and_the_same_events(seed: int) -> None:
    first, second = (AgentsWorld(EVERYONE, seed, ("X", "Y")).run(600) for _ in range(2))
    assert first.venue.log == second.venue.log and len(first.venue.log) > 600
    assert first.venue.events == second.venue.events


def test_another_seed_gives_other_orders() -> None:
    assert AgentsWorld(EVERYONE, 1).run(100).venue.log != AgentsWorld(EVERYONE, 2).run(100).venue.log


def test_when_an_agent_acts_depends_neither_on_the_others_nor_on_the_market() -> None:
    alone, together = AgentsWorld(("zero",)), AgentsWorld(("zero", *EVERYONE))
    together.run(200)
    turns = [alone.traders[0].arrivals.next_ns() for _ in range(20)]
    fresh = AgentsWorld(("zero", *EVERYONE))
    assert turns == [fresh.traders[0].arrivals.next_ns() for _ in range(20)]


# ------------------------------------------------------------------------------------------------- a market
def test_a_market_lives_and_nobody_is_rejected() -> None:
    world = AgentsWorld(EVERYONE, 3, ("X", "Y")).run(2_000)
    tally = world.tally
    assert tally.executions > 300 and tally.rejected == 0 and tally.orders > 1_500 and tally.cancels > 20
    assert tally.executions % 2 == 0 and tally.as_dict()["trades"] == tally.executions // 2
    assert sum(executed(world)) == 0, "what one bought another sold"


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from((300, 2_000)), st.sampled_from((4, 20)))
def test_nobody_trades_with_himself_or_leaves_his_bounds_and_all_agree_with_the_machine(
    seed: int, position: int, orders: int
) -> None:
    bounds = Bounds(position, orders)
    world = AgentsWorld(EVERYONE, seed, bounds=bounds)

    def check() -> None:
        agree(world)
        within(world, bounds)

    world.run(150, check)
    never_with_oneself(world)
    assert [trader.session.positions.get("X", 0) for trader in world.traders] == executed(world)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_the_same_holds_when_answers_are_late(seed: int) -> None:
    bounds = Bounds(1_000, 12)
    world = AgentsWorld(EVERYONE, seed, bounds=bounds)
    world.venue.held = deque()
    random = Random(seed)

    def check() -> None:
        within(world, bounds)
        if random.randrange(3) == 0:
            world.venue.let_go(random.randrange(20))

    world.run(200, check)
    for _ in range(2):  # what was ignored is settled by the answer to what comes after it
        for trader in world.traders:
            trader.session.settle("X")
            at_once(trader.session.flush())
        world.venue.let_go(10**6)
    assert not any(trader.session.waiting for trader in world.traders)
    agree(world)
    never_with_oneself(world)
    assert [trader.session.positions.get("X", 0) for trader in world.traders] == executed(world)


def test_a_halt_rejects_and_afterwards_the_market_goes_on() -> None:
    world = AgentsWorld(EVERYONE).run(300)
    world.venue.world.verb("halt", "book-X")
    before = world.tally.executions
    world.run(100, lambda: agree(world))
    assert world.tally.rejected > 10 and world.tally.executions == before
    world.venue.world.verb("resume", "book-X")
    world.run(300, lambda: agree(world))
    assert world.tally.executions > before


def test_at_the_end_every_order_can_be_taken_out() -> None:
    world = AgentsWorld(EVERYONE).run(300)
    assert not all(trader.session.is_flat for trader in world.traders)
    assert at_once(world.crowd.settle(alone=True)) and at_once(world.crowd.cancel())
    agree(world)
    assert all(trader.session.is_flat for trader in world.traders)


def test_quotes_of_a_maker_follow_the_price() -> None:
    prices = {"X": Replay([(0, 1_000_000), (SECOND_NS, 1_000_000 + 50 * CENT)])}
    world = AgentsWorld([("maker", MarketMaker(levels=2, changes=2))], prices=prices.__getitem__)
    world.run(100)
    assert world.crowd.next_ns > SECOND_NS
    middles = {sum(order.price for order in trader.session.open("X")) // 4 for trader in world.traders}
    assert middles == {1_000_000 + 50 * CENT}


def test_momentum_follows_what_others_trade() -> None:
    prices = {"X": Replay([(n * SECOND_NS // 10, 1_000_000 + n * CENT) for n in range(100)])}
    world = AgentsWorld(
        ["maker", ("zero", ZeroIntelligence(patience=0, cancels=0)), ("momentum", Momentum())],
        prices=prices.__getitem__,
    ).run(300)
    assert world.traders[2].session.positions["X"] > 0, "the price has only risen"


# ------------------------------------------------------------------------------------------------- turns
class Eager:
    """Wants one share, always."""

    def decide(self, view: View, random: Random) -> list[Intent]:
        return [Enter(BUY, 1, CENT)]


def test_without_a_price_nobody_acts_until_there_is_one() -> None:
    price = Constant()
    world = AgentsWorld(EVERYONE, prices=lambda symbol: price).run(100)
    assert world.venue.log == []
    price.set(1_000_000)
    assert world.run(100).venue.log


def test_turns_that_are_long_over_are_passed_over() -> None:
    world = AgentsWorld([("zero", Eager())])
    assert at_once(world.crowd.step(60 * SECOND_NS)) < 20, "of about 1200"
    assert world.crowd.next_ns > 60 * SECOND_NS


def test_who_has_too_many_orders_on_the_way_skips_his_turn() -> None:
    world = AgentsWorld([("zero", Eager())], bounds=Bounds(orders=1_000))
    world.venue.held = deque()
    world.run(200)
    assert len(world.traders[0].session.waiting) == WAITING_MAX + 1


def test_nobody_has_no_turn() -> None:
    assert Crowd([], Tally()).next_ns == NEVER
    surroundings = Surroundings({"X": Constant(1)})
    crowd = Crowd([Trader("a", Eager(), 0.0, surroundings, Tally())], Tally())
    assert crowd.next_ns == NEVER and at_once(crowd.step(NEVER)) == 0


def test_it_runs_on_the_clock_until_it_is_stopped() -> None:
    world = AgentsWorld(EVERYONE)

    async def run() -> bool:
        stop = asyncio.Event()

        def poll() -> None:
            if world.tally.executions > 20:
                stop.set()

        await world.crowd.connect()
        await world.crowd.run(stop, poll)
        settled = await world.crowd.settle(alone=True)
        await world.crowd.close()
        return settled

    assert asyncio.run(run())
    agree(world)
    never_with_oneself(world)


def test_a_wait_that_takes_too_long_ends() -> None:
    world = AgentsWorld(EVERYONE)
    world.venue.held = deque()
    assert asyncio.run(world.crowd.settle(timeout=0.01)) is False
