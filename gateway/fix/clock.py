"""The time of the turn, for everything that FIX sessions say in it.

Sessions live by the exchange's time: their heartbeats, time-outs and schedules. SendingTime, and what is compared with
a client's, is the host's: a client holds it against a clock of its own. The two differ by ``ahead_ns``, which is 0
unless a test has moved the exchange's clock.

Invariant: SendingTime is looked up once a turn and precision, however many messages the turn has.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time_ns

from openoutcry.fix.times import stamp


class Clock:
    """now_ns: of this turn, ns since 1970. ahead_ns: by how much that is later than the host's time."""

    __slots__ = ("_wall_ns", "ahead_ns", "now_ns", "stamps")

    def __init__(self) -> None:
        self.stamps: dict[int, bytes] = {}  # what `stamp` has looked up in this turn
        self.now_ns = time_ns()
        self.ahead_ns = 0
        self._wall_ns: Callable[[], int] = time_ns

    def tick(self) -> int:
        """A turn begins."""
        self.stamps.clear()
        self.now_ns = now_ns = time_ns()
        return now_ns

    def stamp(self, digits: int) -> bytes:
        """The host's time of the turn as a UTCTimestamp with so many digits after the second."""
        found = self.stamps.get(digits)
        if found is None:
            found = self.stamps[digits] = stamp(self.host_ns, digits)
        return found

    @property
    def host_ns(self) -> int:
        """The host's time of the turn."""
        return self.now_ns - self.ahead_ns

    def follow(self, wall_ns: Callable[[], int]) -> None:
        """The exchange's time is what `wall_ns` says."""
        self.__class__ = Clock if wall_ns is time_ns else MovedClock
        self._wall_ns = wall_ns
        self.ahead_ns = 0
        self.tick()

    def step(self, now_ns: int) -> None:
        """For the rest of the turn the exchange's time is an earlier one."""
        self.ahead_ns -= self.now_ns - now_ns
        self.now_ns = now_ns


class MovedClock(Clock):
    """One that is not the host's; a class of its own, so that the host's needs not ask."""

    __slots__ = ()

    def tick(self) -> int:
        """A turn begins."""
        self.stamps.clear()
        self.now_ns = now_ns = self._wall_ns()
        self.ahead_ns = now_ns - time_ns()
        return now_ns
