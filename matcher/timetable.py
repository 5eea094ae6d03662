"""Timetables: the phases of an engine or a book by the time of day, and what falls due of them.

Written ``09:00 pre_open, 09:30 open, 16:00:30 closed, 17:30 end_of_day``: times of day in UTC, ascending, each followed
by a phase (wire.PHASES) or a day step (``start_of_day``, ``end_of_day``); the whole is repeated every day.

Rule 1. Of each timetable exactly one step is in the machine's schedule: the next. Carrying it out puts the one after it
        there, counted from the time of the step and not from now; so a matcher that was down carries out every step
        that fell due, in order.
Rule 2. A step that the present state does not allow (a phase while the day has ended, the end of an ended day) is
        passed over: the timetable goes on.
Rule 3. An entry of the schedule counts only while its ticket is the one that its timetable or book holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from openoutcry.errors import VerbError
from openoutcry.matcher.schedule import Entry
from openoutcry.wire import PHASE_ENDED, PHASE_HALTED, PHASES

if TYPE_CHECKING:
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Session

DAY_STEPS: Final = ("start_of_day", "end_of_day")
TIMED_PHASES: Final = {name: phase for phase, name in PHASES.items() if phase not in (PHASE_HALTED, PHASE_ENDED)}
STEPS_MAX: Final = 96  # one every quarter of an hour
SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")


class Step(NamedTuple):
    """second: of the day, UTC; name: of a phase or one of DAY_STEPS."""

    second: int
    name: str


class Timetable:
    """text: as it was set; ticket: of its entry in the schedule."""

    __slots__ = ("steps", "text", "ticket")

    def __init__(self, text: str, steps: tuple[Step, ...], ticket: int) -> None:
        self.text = text
        self.steps = steps
        self.ticket = ticket

    def next_ns(self, after_ns: int) -> tuple[int, int]:
        """When the first step after `after_ns` is, and which of ``steps`` it is."""
        midnight = after_ns - after_ns % DAY_NS
        for index, step in enumerate(self.steps):
            time_ns = midnight + step.second * SECOND_NS
            if time_ns > after_ns:
                return time_ns, index
        return midnight + DAY_NS + self.steps[0].second * SECOND_NS, 0

    def dump(self) -> tuple[Any, ...]:
        """For a snapshot."""
        return self.text, self.ticket

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Timetable:
        """The reverse of ``dump``."""
        return cls(row[0], parse(row[0]), row[1])


def parse(text: str, of_book: bool = False) -> tuple[Step, ...]:
    """The steps of a timetable, () of an empty text. of_book: day steps are for engines alone. Commas may be left out.

    Raises VerbError (bad_argument) which says what is wrong with which step.
    """
    words = text.replace(",", " ").split()
    steps: list[Step] = []
    for index in range(0, len(words), 2):
        time, name = words[index], words[index + 1] if index + 1 < len(words) else ""
        step = Step(_second(time), _name(time, name, of_book))
        if steps and step.second <= steps[-1].second:
            raise _bad(f"{time} {name} is not after the step before it: times ascend within a day")
        steps.append(step)
    if len(steps) > STEPS_MAX:
        raise _bad(f"{len(steps)} steps, at most {STEPS_MAX}")
    return tuple(steps)


def _second(time: str) -> int:
    found = _TIME.fullmatch(time)
    if found is None:
        raise _bad(f"{time!r} is where a time of day must be: HH:MM or HH:MM:SS (UTC)")
    hours, minutes, seconds = (int(each or 0) for each in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _name(time: str, name: str, of_book: bool) -> str:
    if of_book and name in DAY_STEPS:
        raise _bad(f"{time} {name}: a book has the days of its engine")
    if name not in TIMED_PHASES and name not in DAY_STEPS:
        known = ", ".join((*TIMED_PHASES, *(() if of_book else DAY_STEPS)))
        raise _bad(f"{time} {name}: what begins then must be one of: {known}")
    return name


def _bad(rule: str) -> VerbError:
    return VerbError("bad_argument", "timetable", f"timetable: {rule}")


# ------------------------------------------------------------------------------------------------- what falls due
def due(machine: Machine, entry: Entry) -> None:
    """Carry out an entry of the schedule of one of the kinds ``HANDLERS``. One that no longer counts does nothing."""
    HANDLERS[entry[0]](machine, *entry[1:])


def _phase(machine: Machine, name: str, book_name: str, ticket: int, at_ns: int) -> None:
    """A step of an engine's timetable, or of a book's."""
    engine, book = machine.engines.get(name), machine.books.get(book_name)
    if engine is None or (book_name and book is None):
        return
    timetable = engine.timetable_of(book)
    if timetable is None or timetable.ticket != ticket:
        return
    step = engine.go_on(timetable, book, at_ns)
    if step.name in TIMED_PHASES:
        engine.follow(book, TIMED_PHASES[step.name], at_ns)
    else:
        _day_step(engine, step.name, sessions_of(machine, engine))


def _day_step(engine: Engine, verb: str, sessions: list[Session]) -> None:
    from openoutcry.matcher import days

    try:
        days.step(engine, verb, sessions)
    except VerbError:  # Rule 2
        return


def sessions_of(machine: Machine, engine: Engine) -> list[Session]:
    """The sessions of an engine, in the order they were made."""
    return [session for session in machine.sessions.values() if session.endpoint.engine is engine]


def _of_book(function: str) -> Callable[..., None]:
    """A handler that is a function of openoutcry.matcher.interruptions, for an engine, a book and a ticket."""

    def handle(machine: Machine, book_name: str, ticket: int) -> None:
        from openoutcry.matcher import interruptions

        book = machine.books.get(book_name)
        if book is not None:
            getattr(interruptions, function)(machine.engines[book.engine], book, ticket)

    return handle


HANDLERS: Final[dict[str, Callable[..., None]]] = {
    "phase": _phase,
    "auction": _of_book("auction_due"),
    "indicative": _of_book("indicative_due"),
    "limit_state": _of_book("limit_state_due"),
    "pause": _of_book("pause_due"),
}
KINDS: Final = frozenset(HANDLERS)
