"""How a change of the clock is completed: the inputs that the sequencer journals for it, and nobody else.

Invariant: between a verb of ``clock.COMPLETED`` and its last input here nothing else is journaled, in this life of the
matcher or the next; and no event leaves before the sync that follows the last one, so a way of a thousand steps costs
one sync. See openoutcry.matcher.clock for what it means, and openoutcry.matcher.sequencer for who calls this.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from openoutcry import wire
from openoutcry.matcher import clock
from openoutcry.matcher.inputs import ARRIVED, TIMER, Input, started_input
from openoutcry.matcher.machine import Machine

ADVANCE_NS_MAX: Final = (
    500_000_000  # how long the others wait at most while the clock is advanced; who asked asks again
)

log = logging.getLogger("openoutcry.matcher")

Step = Callable[[Input, int], None]  # journal and apply one input at a time of its own


def complete(machine: Machine, step: Step) -> None:
    """Do what a verb about the clock has begun."""
    if machine.clock.starting:
        step(started_input(time.time_ns()), machine.time_ns)
        log.info("the clock goes on from %s", clock.text(machine.time_ns))
    else:
        step(("", ARRIVED), _go_on_to(machine, machine.clock.target_ns, step))
        log.info("the clock was advanced to %s", clock.text(machine.time_ns))


def _go_on_to(machine: Machine, target_ns: int, step: Step) -> int:
    """Have everything happen that is due up to `target_ns`; returns how far that has come."""
    until_ns = time.monotonic_ns() + ADVANCE_NS_MAX
    while 0 < machine.next_timer_ns <= target_ns:
        if time.monotonic_ns() >= until_ns and machine.time_ns > machine.clock.from_ns:
            return machine.time_ns
        step(("", TIMER), max(machine.next_timer_ns, machine.time_ns))
    return target_ns


def up_to_the_clock(commands: tuple[Any, ...], known: int) -> int:
    """How many commands of a frame go up to the first verb that is completed here, 0 when there is none.

    known: so many of them have come before.
    """
    for place in range(max(known, 0), len(commands)):
        if commands[place][0] == wire.VERB and commands[place][2] in clock.COMPLETED:
            return place + 1
    return 0
