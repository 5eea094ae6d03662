"""What a FIX initiator has heard and its user has not: events whose hooks are still to be called, and messages to take.

Invariant 1: hooks are called one at a time and in the order of what happened. One that is a coroutine is waited for
before the next is called; what comes meanwhile is kept.
Invariant 2: a message is taken once, whoever waits; a waiter is woken by everything that happens, and asks again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Final

from openoutcry.clients.fixmessages import Received

INBOX_MAX: Final = 65_536  # events and messages that wait; beyond, nothing more is read until half of them are taken

Tell = Callable[[Any], Awaitable[None] | None]
Told = Callable[[Any, Exception | None], None]


class Inbox:
    """tell: calls the hook of an event. told: hears how it went."""

    def __init__(self, tell: Tell, told: Told) -> None:
        self.messages: deque[Received] = deque()
        self._tell = tell
        self._told = told
        self._pending: deque[Any] = deque()
        self._hook: asyncio.Task[None] | None = None  # the one that is running
        self._taken = 0  # messages taken so far
        self._changed = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether nothing more should be read."""
        return len(self._pending) + len(self.messages) >= INBOX_MAX

    @property
    def roomy(self) -> bool:
        """Whether one may read again."""
        return len(self._pending) + len(self.messages) <= INBOX_MAX // 2

    def wake(self) -> None:
        """Something has happened: everybody who waits asks again."""
        self._changed.set()

    # ------------------------------------------------------------------------------------------- hooks
    def put(self, event: Any) -> None:
        """An event, for ``run``."""
        self._pending.append(event)

    def run(self) -> None:
        """Call hooks until one has to be waited for."""
        while self._pending and self._hook is None:
            event = self._pending.popleft()
            try:
                result = self._tell(event)
            except Exception as error:
                self._told(event, error)
                continue
            if isawaitable(result):
                self._hook = asyncio.get_running_loop().create_task(self._wait_for(event, result))
            else:
                self._told(event, None)
        self.wake()

    async def _wait_for(self, event: Any, result: Awaitable[None]) -> None:
        error: Exception | None = None
        try:
            await result
        except Exception as caught:
            error = caught
        self._hook = None
        self._told(event, error)
        self.run()

    async def finished(self, timeout: float) -> None:
        """Wait for the hooks that are still to run; those that take longer are cancelled. Not when called by one."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        while self._hook is not None and self._hook is not asyncio.current_task():
            if loop.time() >= until:
                self._pending.clear()
                self._hook.cancel()
            await asyncio.wait((self._hook,), timeout=max(0.1, until - loop.time()))

    # ------------------------------------------------------------------------------------------- messages
    def taker(self, wanted: Callable[[Received], bool]) -> Callable[[], Received | None]:
        """A function that takes the first message which is wanted; it looks at each one only once."""
        seen = taken = 0

        def take() -> Received | None:
            nonlocal seen, taken
            if taken != self._taken:  # by another one who waits: places have moved
                seen, taken = 0, self._taken
            while seen < len(self.messages):
                message = self.messages[seen]
                if wanted(message):
                    del self.messages[seen]
                    self._taken += 1
                    return message
                seen += 1
            return None

        return take

    async def until(self, done: Callable[[], bool], limit: float) -> bool:
        """Wait until `done`, which is asked whenever something has happened; False: not in time. Raises as it does."""
        if done():
            return True
        try:
            async with asyncio.timeout(None if limit == float("inf") else limit):
                while not done():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            if type(error) is not TimeoutError:
                raise
            return False
        return True
