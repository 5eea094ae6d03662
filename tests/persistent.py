"""A thread that trades over a raw socket and connects again, whatever happens to the exchange, until all is answered.

Invariant: what goes wrong in the thread is raised by ``finish``. What is spoken is the subclasses' matter:
tests.trader, tests.fix_trader.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class Persistent(threading.Thread, ABC):
    """Trades until ``finish`` is called and nothing is owed any more."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.failure: BaseException | None = None
        self.progress = threading.Condition()
        self._finishing = threading.Event()
        self._stopped = threading.Event()

    @abstractmethod
    def _connection(self) -> None:
        """One connection, until it ends or ``_done``. Raises OSError when the other side is away."""

    @abstractmethod
    def _owed(self) -> int:
        """How many answers are missing."""

    @abstractmethod
    def _count(self) -> int:
        """How many messages have come."""

    def run(self) -> None:
        """Connect, trade, and connect again, until finished."""
        try:
            while not self._done():
                try:
                    self._connection()
                except OSError:
                    self._stopped.wait(0.01)  # the gateway is away
        except BaseException as failure:
            self.failure = failure
        with self.progress:
            self.progress.notify_all()

    def finish(self, timeout: float) -> None:
        """Stop sending, wait for all answers, and raise what went wrong."""
        self._finishing.set()
        self.join(timeout)
        self._stopped.set()
        if self.failure:
            raise self.failure
        assert not self.is_alive(), f"{self.name}: {self._owed()} answers never came"

    def wait_for_messages(self, count: int, timeout: float) -> None:
        """Wait until there are `count` more messages."""
        goal = self._count() + count
        with self.progress:
            assert self.progress.wait_for(lambda: self._count() >= goal or self.failure, timeout), "no progress"

    def _done(self) -> bool:
        return self._stopped.is_set() or (self._finishing.is_set() and not self._owed())
