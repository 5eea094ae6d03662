"""Everything at once, at random: nothing raises, invariants hold, the public knows the lit side, replay agrees."""

from __future__ import annotations

import os

import pytest

from openoutcry import wire as w
from openoutcry.matcher.book import shown_of
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.orders import NUMBER, PRICE, SIDE
from tests.anything import Anything, floor
from tests.invariants import Fills, check
from tests.machine_world import World
from tests.naive.pair import Watcher

SEEDS = int(os.environ.get("OPENOUTCRY_TEST_SCRIPTS", "40"))
LENGTH = 250


class Follower:
    """A machine that goes on from a dump with what another one is given, and says the same."""

    def __init__(self, world: World) -> None:
        self.given = len(world.inputs)
        dumped = world.machine.dump()
        self.machine = Machine.load(dumped)
        assert self.machine.dump() == dumped

    def follow(self, world: World) -> dict[str, list[tuple[object, ...]]]:
        """The events of each stream because of what is new."""
        for what, arguments in world.inputs[self.given :]:
            getattr(self.machine, what)(*arguments)
        self.given = len(world.inputs)
        found = {}
        for name, stream in self.machine.streams.items():
            found[name] = list(stream.events)
            stream.end += len(stream.events)
            stream.events.clear()
        return found

    def check(self, world: World, events: dict[str, list[tuple[object, ...]]]) -> None:
        """What the world's machine has said since the last time, this one says as well."""
        told = self.follow(world)
        assert all(told[name] == events[name] for name in ("gateway-1", "gateway-2", "public"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens(seed: int) -> None:
    world, anything = floor(), Anything(seed)
    watcher, fills, follower = Watcher(), Fills(), None
    for step in range(LENGTH):
        if step == LENGTH // 2:
            follower = Follower(world)
        anything.step(world)
        check(world.machine)
        events = world.take_all()
        fills.take(events["gateway-1"])
        fills.take(events["gateway-2"])
        watcher.take(events["public"])
        assert watcher.orders == {
            order[NUMBER]: (book.number, min(order[SIDE], w.SELL), order[PRICE], shown_of(order))
            for book in world.machine.books.values()
            for order in book.orders()
        }
        if follower is not None:
            follower.check(world, events)
    fills.check()
    assert follower is not None and follower.machine.dump() == world.machine.dump()
