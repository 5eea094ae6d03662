"""Tests of the machine that test snapshots on the way.

``send`` gives every command also to a second machine, made from a snapshot of the first just before: both must say the
same and be the same afterwards. So whatever a test does, it tests that nothing of it is lost in a snapshot.
"""

from __future__ import annotations

from typing import Any

from openoutcry import wire as w
from openoutcry.matcher.machine import Machine
from tests.machine_world import Message, World, submit


def send(world: World, *commands: Message) -> tuple[list[Message], list[Message]]:
    """Private and public events of some commands."""
    return fed(world, "apply", "gateway-1", world.machine.peers["gateway-1"].last_command + 1, commands)


def at(world: World, time_ns: int) -> tuple[list[Message], list[Message]]:
    """Private and public events of a timer at that time."""
    world.now = time_ns
    return fed(world, "timer")


def fed(world: World, what: str, *arguments: Any) -> tuple[list[Message], list[Message]]:
    """One input to the world's machine, and to one that was made from its snapshot."""
    for command in arguments[2] if what == "apply" else ():
        w.check_command(command)
    twin = Machine.load(world.machine.dump())
    assert twin.dump() == world.machine.dump()
    world.feed(what, *arguments)
    getattr(twin, what)(*arguments, world.now)
    assert twin.dump() == world.machine.dump()
    expected = list(twin.streams["gateway-1"].events), list(twin.public.events)
    found = world.take(), world.take("public")
    assert found == expected
    return found


def trade_at(world: World, price: int, quantity: int = 1) -> None:
    """Have two strangers trade: session 3 buys from session 4. The market needs users for them."""
    world.now += 1
    token = b"%d" % world.now
    send(world, submit(4, token, w.SELL, quantity, price), submit(3, token, w.BUY, quantity, price))
