"""The exchange's clock as a gateway follows it: what it does for its clients, it does by this time.

By the exchange's time: the heartbeats that we owe, the silence of clients, time-outs of logins, schedules of FIX
sessions, rates of messages. By the host's, since it is about the host or the network: the bus, logs, TLS handshakes,
clients that do not read, the closing of connections, market data over FIX, and SendingTime, which clients hold against
clocks of their own (openoutcry.gateway.fix.clock).

Invariant: neither time goes back; both stand still together. An exchange whose clock was never touched has the host's
functions here, so nothing is paid for what is not used.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class ExchangeClock:
    """monotonic_ns, wall_ns: the exchange's time, as functions that are replaced when the clock is moved."""

    __slots__ = ("monotonic_ns", "wall_ns")

    def __init__(self) -> None:
        self.monotonic_ns: Callable[[], int] = time.monotonic_ns
        self.wall_ns: Callable[[], int] = time.time_ns  # the host's own, which openoutcry.gateway.fix.clock looks for

    def set(self, event: tuple[Any, ...]) -> None:
        """Follow a CLOCK_SET; () is the host's time, as it is before there is any."""
        if not event:
            self.monotonic_ns, self.wall_ns = time.monotonic_ns, time.time_ns
            return
        _, stopped, wall_ns, offset_ns, moved_ns, _ = event
        now_ns = self.monotonic_ns() + moved_ns
        if stopped:
            self.monotonic_ns, self.wall_ns = lambda: now_ns, lambda: wall_ns
        else:
            ahead_ns = now_ns - time.monotonic_ns()
            self.monotonic_ns = lambda: time.monotonic_ns() + ahead_ns
            self.wall_ns = lambda: time.time_ns() + offset_ns
