"""One timer for all connections, and log lines that cannot flood.

Invariant: a connection is in the wheel at most once that counts (its ``tick``); what was scheduled before and moved
is dropped when its slot comes up. Cost: one step a connection and deadline, none for a message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

TICK_NS: Final = 25_000_000  # how late a heartbeat or a time-out may be
LOG_LINES_MAX: Final = 10  # lines of one kind in a second; the rest is counted only


class Timed(Protocol):
    """What the wheel can call."""

    tick: int

    def on_timer(self, now_ns: int) -> None:
        """Its deadline has passed."""


class Wheel:
    """Calls ``on_timer`` of what was scheduled, within TICK_NS after its deadline.

    spare: does what it is given for one of them (the first argument), so that what goes wrong costs that one alone.
    """

    def __init__(self, now_ns: int, spare: Callable[..., None] | None = None) -> None:
        self._spare: Callable[..., None] = spare or _do
        self._slots: dict[int, list[Timed]] = {}
        self._tick = now_ns // TICK_NS

    def schedule(self, timed: Timed, deadline_ns: int) -> None:
        """Call `timed` at the deadline instead of whenever it was scheduled before."""
        tick = max(deadline_ns // TICK_NS, self._tick) + 1
        if timed.tick != tick:
            timed.tick = tick
            self._slots.setdefault(tick, []).append(timed)

    def turn(self, now_ns: int) -> None:
        """Call everything that is due."""
        now = now_ns // TICK_NS
        while self._tick < now:
            self._tick += 1
            for timed in self._slots.pop(self._tick, ()):
                if timed.tick == self._tick:
                    timed.tick = 0
                    self._spare(timed, timed.on_timer, now_ns)


def _do(timed: Timed, act: Callable[..., Any], *arguments: Any) -> None:
    act(*arguments)


class LimitedLog:
    """Logs at most LOG_LINES_MAX lines a second of each kind, and then says how many it left out."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._second = 0
        self._lines: dict[str, int] = {}

    def warning(self, now_ns: int, kind: str, text: str) -> None:
        """Log `text`, one of the lines of `kind`."""
        second = now_ns // 1_000_000_000
        if second != self._second:
            left_out = {name: n - LOG_LINES_MAX for name, n in self._lines.items() if n > LOG_LINES_MAX}
            if left_out:
                self._logger.warning("lines left out in a second: %s", left_out)
            self._second = second
            self._lines.clear()
        lines = self._lines[kind] = self._lines.get(kind, 0) + 1
        if lines <= LOG_LINES_MAX:
            self._logger.warning("%s", text)
