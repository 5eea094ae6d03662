"""``record``: the scenario of an exchange that runs, or has run, out of its journal."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openoutcry.errors import JournalError
from openoutcry.matcher.records import Turn, list_segments
from openoutcry.matcher.scan import Scan
from openoutcry.scenarios.comparing import compare
from openoutcry.scenarios.model import Event, Scenario, ScenarioError
from openoutcry.scenarios.recording import Recorder
from openoutcry.scenarios.tail import Tail
from openoutcry.scenarios.times import DAY_NS

if TYPE_CHECKING:
    from openoutcry.exchange import Exchange

JOURNAL: Final = "journal"
FOLLOW_S: Final = 0.1  # between two looks at a journal that is being written
_OF_DAY: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
Progress = Callable[[int, int], None]  # records read, steps so far


def record(
    source: Exchange | str | os.PathLike[str], *, since: str = "", until: str = "", follow: bool = False,
    stop: threading.Event | None = None, progress: Progress | None = None,
) -> Scenario:  # fmt: skip
    """What has happened on an exchange, as a scenario. source: an Exchange, or the directory of any, running or not.

    since, until: the times between which it is recorded: a time in UTC ("2026-11-20T10:30:00", or "10:30" of the
    journal's last day), or for since how long before its end ("5m", "90s"). follow: go on with what is being written,
    until `stop` is set, which ends it at any time. Raises ScenarioError, JournalError.
    """
    place = source if isinstance(source, str | os.PathLike) else source.directory
    directory = Path(place) / JOURNAL
    if not directory.is_dir() or not list_segments(directory):
        raise ScenarioError(f"{directory} holds no journal: is {place} the directory of an exchange?")
    journal = _Journal(directory, _time(until, directory, False), progress)
    since_ns = _time(since, directory, True)
    first = Recorder(since_ns)
    journal.read(first, follow, stop or threading.Event())
    return _beginning(first, journal).scenario() if since_ns else first.scenario()


class _Journal:
    """What is recorded of a journal; read a second time, it ends where it ended before."""

    def __init__(self, directory: Path, until_ns: int, progress: Progress | None) -> None:
        self.directory = directory
        self.until_ns = until_ns
        self.progress = progress
        self.last = 0  # number of the last record that was taken

    def read(self, recorder: Recorder, follow: bool, stop: threading.Event) -> None:
        """The first time."""
        for turn in _turns(Tail(self.directory), follow, stop):
            if self.until_ns and turn.time_ns >= self.until_ns:
                return
            self._take(recorder, turn)
            self.last = turn.number

    def read_again(self, recorder: Recorder) -> None:
        """Once more."""
        for turn in Tail(self.directory).read():
            if turn.number > self.last:
                break
            self._take(recorder, turn)

    def _take(self, recorder: Recorder, turn: Turn) -> None:
        recorder.turn(turn)
        if self.progress is not None:
            self.progress(turn.number, len(recorder.steps))


# ------------------------------------------------------------------------------------------------- since
def _beginning(first: Recorder, journal: _Journal) -> Recorder:
    """The recording that begins with what is needed of what was before.

    With as little of it as gives the same state and the same events: what the open orders depend on, all at the
    beginning; the same at its own times; or everything. `first` itself, which has none of it, when that is too much.
    """
    if not first.began:
        first.begin()
    if not first.seen:
        return first
    ways = (
        Recorder(first.since_ns, first, first.for_second()),
        Recorder(first.since_ns, first, first.for_second(), in_time=True),
        Recorder(),
    )
    for recorder in ways:
        with suppress(ScenarioError):  # too many steps
            journal.read_again(recorder)
            if not recorder.since_ns or _same(first, recorder):
                return recorder
    return first


def _same(first: Recorder, second: Recorder) -> bool:
    """Whether both agree in the state at the beginning, and in all events after it."""
    if not second.began:
        second.begin()
    told = [Scenario(events=_since(recorder)) for recorder in (first, second)]
    return first.image == second.image and compare(*told, times=True).same


def _since(recorder: Recorder) -> list[Event]:
    """The events since the beginning. Not that a day has begun, which is told at the first log-on, whenever that is;
    their times from the beginning on."""
    before_ns = recorder.since_ns - recorder.begins_ns
    return [
        replace(event, step=0, at=event.at - before_ns) for event in recorder.events[recorder.begun[1] :]
        if event.message.get("MsgType") != "SystemEvent"
    ]  # fmt: skip


def _turns(tail: Tail, follow: bool, stop: threading.Event) -> Iterator[Turn]:
    """The records there are; with follow those that come until `stop` is set, the last of them included."""
    if not follow:
        for turn in tail.read():
            if stop.is_set():
                return
            yield turn
        return
    stopped = False
    while not stopped:
        stopped = stop.wait(FOLLOW_S)
        yield from tail.read()


def _time(text: str, directory: Path, ago: bool) -> int:
    """Ns since 1970; 0 for none."""
    from openoutcry.parameters import duration_ns

    if not text:
        return 0
    if ago and (ns := duration_ns(text)) is not None:
        return max(1, _end(directory) - ns)
    of_day = _OF_DAY.fullmatch(text)
    if of_day is not None:
        hours, minutes, seconds = (int(part or 0) for part in of_day.groups())
        return _end(directory) // DAY_NS * DAY_NS + (hours * 3600 + minutes * 60 + seconds) * 10**9
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ScenarioError(f"{text!r} is no time: write 2026-11-20T10:30:00, 10:30, or 5m before the end") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()) * 10**9 + found.microsecond * 1_000


def _end(directory: Path) -> int:
    """Time of the newest record."""
    last = 0
    for turn in Scan(directory, list_segments(directory)[-1].first - 1):
        last = turn.time_ns
    if not last:
        raise JournalError(f"{directory} has no record")
    return last
