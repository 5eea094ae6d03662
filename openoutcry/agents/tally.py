"""What agents have counted: orders, executions, and how long answers took.

Invariant: a tally only grows, and takes no more room the longer it counts.
"""

from __future__ import annotations

from typing import Any, Final


class Histogram:
    """Counts of times, to 3 %: 32 steps in each power of two, so that days of latencies take no more room."""

    STEPS: Final = 32

    def __init__(self) -> None:
        self.count = 0
        self._counts: dict[int, int] = {}

    def add(self, ns: int) -> None:
        """Count one time, in ns."""
        shift = max(0, ns.bit_length() - 6)
        value = (ns >> shift) << shift
        self._counts[value] = self._counts.get(value, 0) + 1
        self.count += 1

    def percentile_us(self, percent: float) -> float:
        """The time that `percent` of all stay within, in microseconds; 0 when there are none."""
        left = self.count * percent / 100
        for value in sorted(self._counts):
            left -= self._counts[value]
            if left <= 0:
                return value / 1e3
        return 0.0


class Tally:
    """What the agents have counted together."""

    def __init__(self) -> None:
        self.orders = 0  # new ones and replacements
        self.cancels = 0
        self.rejected = 0
        self.executions = 0  # one for each side of a trade
        self.executed_shares = 0  # likewise
        self.latencies = Histogram()  # order to acknowledgement

    def rtt_us(self) -> dict[str, float]:
        """Order to acknowledgement."""
        return {name: self.latencies.percentile_us(share) for name, share in (("p50", 50), ("p99", 99))}

    def as_dict(self) -> dict[str, Any]:
        """Orders, trades and latencies so far, where nobody else trades: both sides of each trade are counted here."""
        return {
            "orders": self.orders,
            "trades": self.executions // 2,
            "executed_quantity": self.executed_shares // 2,
            "rejected": self.rejected,
            "rtt_us": self.rtt_us(),
        }
