"""What is to happen at a time of its own beside the orders' expiries: phases, ends of auctions, indicative prices ...

Invariant: entries come out by time, then in the order in which they were put in; the state holds all of them, as data.
An entry is never taken back: who handles it looks whether it still means something (its ticket, a phase).
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

Entry = tuple[Any, ...]  # kind, then integers and texts that its handler knows


class Schedule:
    """See the module."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._count = 0
        self._heap: list[tuple[int, int, Entry]] = []

    def add(self, time_ns: int, *entry: Any) -> None:
        """Have `entry` (its kind, then its data: integers and texts) handled at `time_ns`."""
        heappush(self._heap, (time_ns, self.ticket(), entry))

    def ticket(self) -> int:
        """A number that was never given out before, to tell the entry that still counts from those that it replaced."""
        self._count += 1
        return self._count

    def next_ns(self) -> int:
        """When the next entry is due, 0 for never."""
        return self._heap[0][0] if self._heap else 0

    def due(self, time_ns: int) -> Entry | None:
        """Take out the next entry whose time has come, None when there is none."""
        if self._heap and self._heap[0][0] <= time_ns:
            return heappop(self._heap)[2]
        return None

    def waiting(self, kind: str) -> list[Entry]:
        """The entries of one kind that wait, in no order."""
        return [entry for _, _, entry in self._heap if entry[0] == kind]

    def dump(self) -> tuple[Any, ...]:
        """For a snapshot: the count, and all entries in their order."""
        return self._count, tuple(sorted(self._heap))

    def load(self, row: tuple[Any, ...]) -> None:
        """The reverse of ``dump``."""
        self._count = row[0]
        self._heap = [(time_ns, count, tuple(entry)) for time_ns, count, entry in row[1]]

    def __len__(self) -> int:
        return len(self._heap)
