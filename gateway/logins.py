"""Who may log in: passwords checked off the loop, and limits on how often they may be guessed.

Rule 1. An endpoint that no user may use accepts any login; else user and password must be right, and the answer and
        its time are the same for an unknown user as for a wrong password.
Rule 2. A check costs 50 ms of CPU, so it runs in one thread of low priority with a bounded queue; what is too much is
        rejected at once. Nothing that was checked is remembered.
Rule 3. An address that failed FAILURES_MAX times is rejected without a check until FAILURE_WINDOW_NS has passed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from openoutcry.gateway.state import State
from openoutcry.passwords import verify_password

CHECKS_MAX: Final = 256  # passwords being checked or waiting for it: some 13 s, within any login time-out
FAILURES_MAX: Final = 20  # failed logins of one address in a window: more are a guesser, not a typist
FAILURE_WINDOW_NS: Final = 10_000_000_000
ADDRESSES_MAX: Final = 4_096  # addresses with failures that are remembered; the oldest go first


def _be_nice() -> None:
    """Give this thread what nothing else wants of the CPU: a login must not delay an order."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


class Logins:
    """Judges logins; ``check`` calls back in the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, state: State) -> None:
        self._loop = loop
        self._state = state
        self._pool = ThreadPoolExecutor(1, "logins", _be_nice)
        self._waiting = 0
        self._failures: dict[str, tuple[int, int]] = {}  # address: window's begin, failures in it
        self.counters = {"checked": 0, "failed": 0, "too_many_checks": 0, "too_many_failures": 0}

    def check(
        self, endpoint: str, user: str, password: str, address: str, now_ns: int, answer: Callable[[bool], None]
    ) -> None:  # fmt: skip
        """Call `answer` with whether `user` (upper case, stripped) may log in at `endpoint`."""
        if not self._state.users_of(endpoint):
            answer(True)
        elif self._failed_too_often(address, now_ns):
            self.counters["too_many_failures"] += 1
            answer(False)
        elif self._waiting >= CHECKS_MAX:
            self.counters["too_many_checks"] += 1
            answer(False)
        else:
            self._waiting += 1
            stored = self._state.password_hash(endpoint, user)
            future = self._loop.run_in_executor(self._pool, verify_password, password, stored)
            future.add_done_callback(lambda done: self._checked(done, address, now_ns, answer))

    def _checked(self, done: asyncio.Future[bool], address: str, now_ns: int, answer: Callable[[bool], None]) -> None:
        self._waiting -= 1
        self.counters["checked"] += 1
        right = not done.cancelled() and done.exception() is None and done.result()
        if not right:
            self._note_failure(address, now_ns)
        answer(right)

    def _failed_too_often(self, address: str, now_ns: int) -> bool:
        begin, failures = self._failures.get(address, (now_ns, 0))
        return failures >= FAILURES_MAX and now_ns - begin < FAILURE_WINDOW_NS

    def _note_failure(self, address: str, now_ns: int) -> None:
        self.counters["failed"] += 1
        begin, failures = self._failures.pop(address, (now_ns, 0))
        if now_ns - begin >= FAILURE_WINDOW_NS:
            begin, failures = now_ns, 0
        while len(self._failures) >= ADDRESSES_MAX:
            self._failures.pop(next(iter(self._failures)))
        self._failures[address] = (begin, failures + 1)

    def close(self) -> None:
        """Drop what waits."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def statistics(self) -> dict[str, Any]:
        """Counters, and how many checks wait."""
        return {**self.counters, "waiting": self._waiting}
