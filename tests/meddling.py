"""What a test does to an engine without books between its clients' messages: policies come and go, it is stopped and
goes on, a day ends and another begins."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Final

from tests.machine_world import World

STEP_NS: Final = 12_000_000  # what passes between two steps, at most
OPTIONS: Final = {
    "auto-reject": ("", "on=all probability=30", "on=cancels"), "silent": ("count=2", "on=all probability=20"),
    "drop": ("on=answers probability=20", "on=all probability=20", "on=fills"),
    "halt": ("orders=5", "side=buy count=3", "book=X count=3"),
    "delay": ("on=all model=uniform delay_ms=20", "on=answers latencies=1,7,3", "on=fills delay_ms=5 jitter_ms=9"),
    "duplicate": ("copies=2", "on=answers delay_ms=4", "on=fills side=buy"),
    "reorder": ("by=2", "on=answers wait_ms=9", "on=orders book=X session=alice"),
}  # fmt: skip


def meddle(world: World, random: Random, clients: Iterable[tuple[str, str]]) -> bool:
    """Some time passes, and in one step of four something of that kind happens; False: it is the clients' turn.

    clients: endpoint and user of all who log on again when a day begins.
    """
    world.now += random.randrange(STEP_NS)
    if 0 < world.machine.next_timer_ns <= world.now:
        world.timer()
    chance = random.randrange(100)
    if chance < 12:
        kind = random.choice(list(OPTIONS))
        world.verb("add_policy", "main", random.choice("pqrs"), kind, random.choice(OPTIONS[kind]))
    elif chance < 18:
        world.verb("delete_policy", "main", random.choice("pqrs"))
    elif chance < 22:
        world.verb(random.choice(("stop_engine", "start_engine")), "main")
        world.verb("start_engine", "main")
    elif chance < 24:
        world.verb("end_of_day", "main")
        world.verb("start_of_day", "main")
        for connection, (endpoint, user) in enumerate(clients, 9):
            world.log_on(endpoint, user, connection)
    return chance < 24
