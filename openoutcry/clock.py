"""The exchange's clock in the hands of a test: stopped, started, moved forward.

::

    exchange.clock.stop()                            # it stands still
    exchange.clock.advance(hours=8)                  # all that is due meanwhile happens now, each thing at its own time
    exchange.clock.advance_to("16:30")               # the next 16:30, in UTC
    exchange.clock.advance(seconds=90, silent=True)  # clients count as silent all that time
    exchange.clock.now                               # an aware datetime
    exchange.clock.start()                           # it goes on from where it stands

Invariant: time never goes back. When a method returns, the gateways have done what they had to do at the new time, too:
heartbeats are written, and reports are on their way to the clients. docs/testing.md shows what it is good for.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from openoutcry import records
from openoutcry.parameters import duration_text
from openoutcry.verbs import CLOCK_MAX_NS

if TYPE_CHECKING:
    from openoutcry.exchange import Exchange

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_MICROSECOND: Final = timedelta(microseconds=1)


class ExchangeClock:
    """See the module. Verbs raise VerbError; arguments that are no times raise ValueError."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __call__(self) -> records.Record:
        """The verb `clock`: ``now`` as text, ``time_ns``, ``stopped``, and ``offset_ns``, how far ahead of the host."""
        found: records.Record = self._exchange.call("clock")
        return found

    @property
    def now(self) -> datetime:
        """The exchange's time in UTC, in microseconds; ``clock().time_ns`` has all digits."""
        return _EPOCH + timedelta(microseconds=self().time_ns // 1_000)

    @property
    def stopped(self) -> bool:
        """Whether it stands still."""
        return bool(self().stopped)

    def stop(self) -> records.Record:
        """Have it stand still."""
        return self._exchange.stop_clock()

    def start(self) -> records.Record:
        """Have it go on, from where it stands."""
        return self._exchange.start_clock()

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0, milliseconds: float = 0,
        microseconds: float = 0, silent: bool = False,
    ) -> records.Record:  # fmt: skip
        """Move it forward, standing or going, by the sum of all that is given.

        silent: clients count as silent all that time, so they are sent test requests, and dropped when their time is
        over. Without it they count as if they had been heard.
        """
        by = timedelta(days, seconds, microseconds, milliseconds, minutes, hours)
        return self._advance_ns(by // _MICROSECOND * 1_000, silent)

    def advance_to(self, when: str | datetime, *, silent: bool = False) -> records.Record:
        """Move it to a time: "16:30" or "16:30:15", the next one in UTC; or an aware datetime, which must be later.

        A clock that goes has gone on by some milliseconds when this returns.
        """
        now_ns = self().time_ns
        target_ns = _next(when, now_ns) if isinstance(when, str) else _ns(when)
        if target_ns <= now_ns:
            raise ValueError(f"{when} is not later than now, {self.now}: time never goes back")
        return self._advance_ns(target_ns - now_ns, silent)

    def _advance_ns(self, ns: int, silent: bool) -> records.Record:
        """The verb, as often as it takes: the exchange does a part of a long way, when there is much to do on it."""
        if ns <= 0:
            raise ValueError("nothing to advance by: time never goes back")
        moved_ns = 0
        while True:
            found = self._exchange.advance_clock(duration_text(min(ns - moved_ns, CLOCK_MAX_NS)), silent)
            moved_ns += found.moved_ns
            if moved_ns == ns:
                return records.Record({**found, "moved_ns": moved_ns})

    def __repr__(self) -> str:  # asks nobody: a debugger may want it in the middle of anything
        return f"<clock of {self._exchange!r}>"

    def __str__(self) -> str:
        row: Any = self()
        return f"<clock {row.now}{', standing still' if row.stopped else ''}>"


def _ns(when: datetime) -> int:
    if when.tzinfo is None:
        raise ValueError(f"{when} has no time zone: give it one, as with tzinfo=datetime.UTC")
    return (when - _EPOCH) // _MICROSECOND * 1_000


def _next(text: str, now_ns: int) -> int:
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of day: HH:MM or HH:MM:SS, in UTC")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    now = _EPOCH + timedelta(microseconds=now_ns // 1_000)
    there = _ns(now.replace(hour=hours, minute=minutes, second=seconds, microsecond=0))
    return there if there > now_ns else there + timedelta(days=1) // _MICROSECOND * 1_000
