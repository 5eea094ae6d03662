"""When a session is: daily, weekly, on some weekdays, in any time zone, or always.

A *period* is the time from one StartTime to the first EndTime after it; with each period the sequence numbers begin
at 1. The same StartTime and EndTime make periods that follow each other without a pause. Settings that say nothing of
times make a session that never ends, as NonStopSession does.

Invariant: periods do not overlap, and a time belongs to the one that began last. Bounds are times of day where the
zone's clocks are: on the days when they are changed a period is longer or shorter. A time of day that is left out
there is the one an hour later; one that comes twice is the first of both.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from openoutcry.fix.settings import DAYS, SessionSettings

NEVER: Final = 1 << 62  # ns: the year 2116
SECOND_NS: Final = 1_000_000_000
DAYS_MAX: Final = (
    9  # days in which every weekly time comes, wherever in the week, the zone and its clock changes one is
)
EVERY_DAY: Final = frozenset(range(7))
TIMES: Final = ("StartTime", "EndTime", "StartDay", "EndDay", "Weekdays")
_TIME_OF_DAY: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?:\s+(\S+))?")


class Bound(NamedTuple):
    """A time of day in a zone, on some weekdays (0 is Sunday)."""

    time: time
    zone: tzinfo
    days: frozenset[int]

    def on(self, day: date) -> int:
        """That time on a day, in ns."""
        return round(datetime.combine(day, self.time, self.zone).timestamp()) * SECOND_NS

    def last(self, ns: int) -> int:
        """The newest such time up to `ns`."""
        today = self._day(ns)
        return max(at for n in range(-1, DAYS_MAX) if (at := self._at(today - timedelta(n))) is not None and at <= ns)

    def next(self, ns: int) -> int:
        """The first such time after `ns`."""
        today = self._day(ns)
        return min(at for n in range(-1, DAYS_MAX) if (at := self._at(today + timedelta(n))) is not None and at > ns)

    def _day(self, ns: int) -> date:
        return datetime.fromtimestamp(ns // SECOND_NS, self.zone).date()

    def _at(self, day: date) -> int | None:
        return self.on(day) if day.isoweekday() % 7 in self.days else None


class Schedule:
    """Periods from `start` to `end`; without them one period that never ends. All times in ns since 1970."""

    __slots__ = ("end", "start")

    def __init__(self, start: Bound | None = None, end: Bound | None = None) -> None:
        self.start = start
        self.end = end

    @classmethod
    def from_settings(cls, settings: SessionSettings) -> Schedule:
        """Raises ValueError, which names the setting."""
        if settings.NonStopSession or not any(name in settings.given for name in TIMES):
            return cls()
        start_days, end_days = _weekly(settings) or (_weekdays(settings.Weekdays), EVERY_DAY)
        return cls(_bound(settings, "StartTime", start_days), _bound(settings, "EndTime", end_days))

    def period(self, ns: int) -> tuple[int, int]:
        """(begin, end) of the period that began last before `ns`; it may be over by then."""
        if self.start is None or self.end is None:
            return 0, NEVER
        begin = self.start.last(ns)
        return begin, self.end.next(begin)

    def open_at(self, ns: int) -> bool:
        """Whether there is a session at that time."""
        return ns < self.period(ns)[1]

    def same_session(self, a_ns: int, b_ns: int) -> bool:
        """Whether both times are in one period."""
        begin, end = self.period(b_ns)
        return begin <= a_ns < end and begin <= b_ns < end

    def next_change(self, ns: int) -> int:
        """When the period ends, or the next one begins: later than `ns`."""
        if self.start is None:
            return NEVER
        begin = self.start.next(ns)
        end = self.period(ns)[1]
        return end if ns < end < begin else begin


def _bound(settings: SessionSettings, name: str, days: frozenset[int]) -> Bound:
    text = getattr(settings, name)
    match = _TIME_OF_DAY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{name} is {text!r}, it must be a time of day as 17:30:00, or 17:30:00 Europe/Berlin")
    hours, minutes, seconds, zone = match.groups()
    try:
        at = time(int(hours), int(minutes), int(seconds or 0))
    except ValueError as error:
        raise ValueError(f"{name} is {text!r}: {error}") from None
    return Bound(at, _zone(zone, name) if zone else _zone(settings.TimeZone, "TimeZone"), days)


def _zone(text: str, name: str) -> tzinfo:
    if text in ("UTC", "GMT", "Z", ""):
        return UTC
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError):  # no such file, a directory, a path out of the data base ...
        raise ValueError(f"{name}: {text!r} is no time zone known here") from None


def _weekly(settings: SessionSettings) -> tuple[frozenset[int], frozenset[int]] | None:
    """Days of the bounds of a weekly session; None: it is a daily one."""
    start, end = settings.StartDay, settings.EndDay
    if not start and not end:
        return None
    if not start or not end:
        raise ValueError("a weekly session has a StartDay and an EndDay; one of them is missing")
    if settings.Weekdays:
        raise ValueError("Weekdays are for daily sessions; StartDay and EndDay make a weekly one")
    return frozenset((_day(start, "StartDay"),)), frozenset((_day(end, "EndDay"),))


def _weekdays(text: str) -> frozenset[int]:
    names = [name for name in re.split(r"[,\s]+", text) if name]
    return frozenset(_day(name, "Weekdays") for name in names) or EVERY_DAY


def _day(text: str, name: str) -> int:
    for number, day in enumerate(DAYS):
        if len(text) >= 2 and day.startswith(text.lower()):
            return number
    raise ValueError(f"{name}: {text!r} is no day of the week")
