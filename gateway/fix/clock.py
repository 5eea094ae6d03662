"""The time of the turn, for everything that FIX sessions say in it.

Invariant: SendingTime is looked up once a turn and precision, however many messages the turn has.
"""

from __future__ import annotations

from time import time_ns

from openoutcry.fix.times import stamp


class Clock:
    """now_ns: of this turn, ns since 1970."""

    __slots__ = ("now_ns", "stamps")

    def __init__(self) -> None:
        self.stamps: dict[int, bytes] = {}  # what `stamp` has looked up in this turn
        self.now_ns = time_ns()

    def tick(self) -> int:
        """A turn begins."""
        self.stamps.clear()
        self.now_ns = now_ns = time_ns()
        return now_ns

    def stamp(self, digits: int) -> bytes:
        """The time of the turn as a UTCTimestamp with so many digits after the second."""
        found = self.stamps.get(digits)
        if found is None:
            found = self.stamps[digits] = stamp(self.now_ns, digits)
        return found
