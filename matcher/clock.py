"""The exchange's clock: the host's time, ahead of it or behind it by an offset, or a time that stands still.

Rule 1. The machine never reads a clock. What moves its time is in the journal: the time stamp of each record, and two
        inputs of the sequencer's own, ``arrived`` and ``started`` (openoutcry.matcher.inputs).
Rule 2. `advance_clock` is a way, not a jump: the sequencer journals one timer input for each time at which something is
        due up to the target, with that time, and then ``arrived``. So what happens on the way happens at its own time.
Rule 3. `start_clock` needs to know what the host's time is at that moment: the sequencer journals it (``started``).
Rule 4. Time never goes back. Nothing else is applied between one of these two verbs and what completes it; a matcher
        that dies in between goes on with it when it starts anew.

The gateways hear of every change (CLOCK_SET), and have heard of it when the verb is answered
(openoutcry.control.plans). An exchange whose clock was never touched sends nothing and keeps nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import VerbError
from openoutcry.matcher.configuration import HELD, Asker, tell_gateways
from openoutcry.parameters import duration_text
from openoutcry.wire import CLOCK_SET

if TYPE_CHECKING:
    from openoutcry.matcher.machine import Machine

TIME_MAX_NS: Final = 4_102_444_800_000_000_000  # 2100-01-01: all times that are reckoned from it fit 63 bits
COMPLETED: Final = ("start_clock", "advance_clock")  # verbs that an input of the sequencer's completes
SECOND_NS: Final = 1_000_000_000


class Clock:
    """See the module. offset_ns: how far it is ahead of the host's, unless it is `stopped`.

    asker: whoever waits for an advance (target_ns: where to, from_ns: where from), or for a start (target_ns 0).
    """

    __slots__ = ("asker", "from_ns", "offset_ns", "silent", "stopped", "target_ns")

    def __init__(self) -> None:
        self.stopped = False
        self.offset_ns = 0
        self.asker: Asker | None = None
        self.from_ns = self.target_ns = 0
        self.silent = False

    @property
    def starting(self) -> bool:
        """Whether the host's time is waited for."""
        return self.asker is not None and not self.target_ns

    @property
    def stands(self) -> bool:
        """Whether the time is still that of the machine's last input."""
        return self.stopped or self.asker is not None

    @property
    def touched(self) -> bool:
        """Whether it is another than the host's."""
        return self.stopped or self.offset_ns != 0

    def set_event(self, time_ns: int, moved_ns: int = 0) -> tuple[Any, ...]:
        """Its CLOCK_SET."""
        return (CLOCK_SET, int(self.stopped), time_ns, self.offset_ns, moved_ns, int(self.silent and moved_ns > 0))

    def dump(self) -> tuple[Any, ...]:
        """For a snapshot; () while nobody has touched it."""
        if not self.touched and self.asker is None:
            return ()
        return self.stopped, self.offset_ns, self.asker, self.from_ns, self.target_ns, self.silent

    def load(self, row: tuple[Any, ...]) -> None:
        """The reverse of ``dump``."""
        if row:
            self.stopped, self.offset_ns, self.asker, self.from_ns, self.target_ns, self.silent = row


def row(clock: Clock, time_ns: int) -> dict[str, Any]:
    """The clock as verbs show it, at `time_ns`. offset_ns: None while it stands still."""
    return {"now": text(time_ns), "time_ns": time_ns, "stopped": clock.stopped,
            "offset_ns": None if clock.stopped else clock.offset_ns}  # fmt: skip


def text(time_ns: int) -> str:
    """A time for people: 2026-11-20T16:30:00.000000000Z."""
    seconds, ns = divmod(time_ns, SECOND_NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


# ------------------------------------------------------------------------------------------------- verbs
def stop_clock(machine: Machine, asker: Asker) -> Any:
    """Have time stand still, at the time of this input."""
    clock = _settled(machine)
    if clock.stopped:
        raise VerbError("wrong_state", "", "the clock stands still already")
    clock.stopped = True
    _tell(machine, 0)
    return row(clock, machine.time_ns)


def start_clock(machine: Machine, asker: Asker) -> Any:
    """Have time go on: answered by ``started``."""
    clock = _settled(machine)
    if not clock.stopped:
        raise VerbError("wrong_state", "", "the clock does not stand still")
    clock.asker, clock.target_ns = asker, 0
    return HELD


def advance_clock(machine: Machine, asker: Asker, duration: int, silent: bool) -> Any:
    """Begin the way to a later time: answered by ``arrived``."""
    clock = _settled(machine)
    target_ns = machine.time_ns + duration
    if target_ns > TIME_MAX_NS:
        rule = f"duration: {duration_text(duration)} from {text(machine.time_ns)} is after {text(TIME_MAX_NS)}"
        raise VerbError("limit", "duration", rule)
    clock.asker, clock.from_ns, clock.target_ns, clock.silent = asker, machine.time_ns, target_ns, silent
    return HELD


def _settled(machine: Machine) -> Clock:
    """The clock, when no change of it is under way. Raises VerbError."""
    if machine.clock.asker is not None:
        raise VerbError("wrong_state", "", "the clock is being moved")
    return machine.clock


# ------------------------------------------------------------------------------------------------- inputs
def started(machine: Machine, host_ns: int) -> None:
    """Time goes on from where it stands; the host's is `host_ns`."""
    clock = machine.clock
    asker, clock.asker = clock.asker, None
    clock.stopped, clock.offset_ns = False, machine.time_ns - host_ns
    _tell(machine, 0)
    _answer(machine, asker, row(clock, machine.time_ns))


def arrived(machine: Machine) -> None:
    """The way is over: at its target, or before it, when the sequencer has been at it for long enough."""
    clock = machine.clock
    asker, clock.asker = clock.asker, None
    moved_ns, remaining_ns = machine.time_ns - clock.from_ns, clock.target_ns - machine.time_ns
    if not clock.stopped:
        clock.offset_ns += moved_ns
    _tell(machine, moved_ns)
    clock.from_ns = clock.target_ns = 0
    clock.silent = False
    _answer(machine, asker, {**row(clock, machine.time_ns), "moved_ns": moved_ns, "remaining_ns": remaining_ns})


def _answer(machine: Machine, asker: Asker | None, value: dict[str, Any]) -> None:
    if asker is not None:
        machine.answer(asker, (), value)


def _tell(machine: Machine, moved_ns: int) -> None:
    tell_gateways(machine, machine.clock.set_event(machine.time_ns, moved_ns))


HANDLERS: Final[dict[str, Callable[..., Any]]] = {
    "stop_clock": stop_clock,
    "start_clock": start_clock,
    "advance_clock": advance_clock,
}
