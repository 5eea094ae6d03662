"""``FixClient``: a FixInitiator for code that is not asynchronous, on a thread and a loop of its own.

Invariant: the thread has ended when ``close`` (or the ``with``) has; hooks run on that thread, one at a time.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from typing import Any, Final, TypeVar

from openoutcry.clients.fixinitiator import FixInitiator
from openoutcry.clients.fixlink import Where
from openoutcry.clients.fixmessages import Fields, Received, Vocabulary
from openoutcry.clients.soupbintcp import MessageTimeout
from openoutcry.errors import ClientError

T = TypeVar("T")
_VERSIONED: Final = re.compile(r"fix(4)([0-4])|fix(50(?:sp[12])?)")  # protocols of endpoints that speak one version


class FixClient:
    """A session that is logged on when the constructor returns.

    where: an endpoint of an exchange, (host, port) or "host:port"; without it, SocketConnectHost and -Port. An endpoint
    that speaks one version of FIX gives the BeginString. The rest is as for FixInitiator, but that a lost connection is
    an error unless `reconnect` is set. Raises what FixInitiator and its ``logged_on`` do.
    """

    def __init__(self, where: Where | None = None, *, reconnect: bool = False, **given: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._owner = os.getpid()  # a forked child has no thread for it
        self._thread: threading.Thread | None = None
        try:
            version = _version(getattr(where, "protocol", ""))
            if where is not None:
                given["hosts"] = [where]
            self.initiator = FixInitiator(reconnect=reconnect, **{**version, **given})
        except BaseException:
            self._loop.close()
            raise
        self._thread = threading.Thread(target=self._loop.run_forever, name="fix-client", daemon=True)
        self._thread.start()
        try:
            self._run(self._open())
        except BaseException:
            self.close()
            raise

    async def _open(self) -> None:
        await self.initiator.start()
        await self.initiator.logged_on()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the loop do it, and wait. A KeyboardInterrupt ends the waiting and the work."""
        if (problem := self._problem()) is not None:
            work.close()
            raise ClientError(problem)
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _problem(self) -> str | None:
        """Why the loop would never do it."""
        if self._thread is None:
            return "the client is closed"
        if self._thread is threading.current_thread():
            return "a hook cannot wait for its client: make it a coroutine, and use the initiator that it is given"
        if self._owner != os.getpid():
            return "this client belongs to the process that this one was forked from"
        return None

    @property
    def words(self) -> Vocabulary:
        """The names of messages and fields."""
        return self.initiator.words

    @property
    def is_logged_on(self) -> bool:
        """Whether messages can be sent now."""
        return self.initiator.is_logged_on

    def logged_on(self, timeout: float | None = None) -> None:
        """Wait until it is logged on (again). Raises as FixInitiator.logged_on does."""
        self._run(self.initiator.logged_on(timeout))

    def send(self, name: str | bytes, fields: Fields | bytes, *, offline: bool = False) -> int:
        """Send an application message; returns its MsgSeqNum. See FixInitiator.send."""
        return self._run(self.initiator.send(name, fields, offline=offline))

    def send_raw(self, data: bytes) -> None:
        """Write bytes as they are, for tests of the counterparty. Raises ClientError."""

        async def write() -> None:
            self.initiator.send_raw(data)

        self._run(write())

    def next(self, name: str | bytes | None = None, timeout: float | None = None, **fields: Any) -> Received:
        """The next message of that name with those values; the ones before it are left for later calls.

        ::

            client.next()                                      # whatever comes next
            client.next("ExecutionReport", ClOrdID="1", OrdStatus="FILLED")

        Raises MessageTimeout, or ClientError when none will come any more.
        """
        values: Mapping[str | int, Any] = dict(fields.items())
        return self._run(self.initiator.next(name, values, timeout))

    @property
    def waiting(self) -> int:
        """How many messages have come and are not taken yet."""
        return self.initiator.waiting

    def available(self) -> list[Received]:
        """All messages that have come, without waiting. Raises ClientError when none will come any more."""
        return self._run(_all(self.initiator))

    def settle(self) -> None:
        """Return when what was sent has been written, and what is in the socket now has been read."""

        async def read() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # the loop has looked at its sockets, and done what they ask for

        self._run(read())

    def __iter__(self) -> Iterator[Received]:
        """The messages as they come, until the session is over."""
        messages = aiter(self.initiator)
        while True:
            message = self._run(_next(messages))
            if message is None:
                return
            yield message

    def logon(self) -> None:
        """Log on again, after ``logout``. Raises as the constructor does."""
        self._run(self._open())

    def logout(self, text: str = "") -> None:
        """Log out, and wait for the answer."""
        self._run(self.initiator.logout(text))

    def drop(self) -> None:
        """Close the connection without a Logout, as a crash would."""
        self._run(self.initiator.drop())

    def set_sequence(self, next_out: int | None = None, next_in: int | None = None) -> None:
        """Set the sequence numbers, between ``logout`` and ``logon``. See FixInitiator.set_sequence."""
        self._run(self.initiator.set_sequence(next_out, next_in))

    def statistics(self) -> dict[str, Any]:
        """See FixInitiator.statistics."""
        return self.initiator.statistics()

    def close(self) -> None:
        """Log out, close, and end the thread. Closing twice is fine; in a forked child it is left to the parent."""
        thread = self._thread
        if thread is None or self._owner != os.getpid():
            return
        try:
            self._run(self.initiator.close())
        finally:
            self._thread = None
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def __enter__(self) -> FixClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _all(initiator: FixInitiator) -> list[Received]:
    """What has come, in one visit to the loop."""
    found: list[Received] = []
    while True:
        try:
            found.append(await initiator.next(timeout=0))
        except MessageTimeout:
            return found
        except ClientError:
            if found:
                return found
            raise


async def _next(messages: AsyncIterator[Received]) -> Received | None:
    return await anext(messages, None)


def _version(protocol: str) -> dict[str, str]:
    """The settings that an endpoint's protocol implies: fix44 is FIX.4.4, fix50sp2 is FIX.5.0SP2 over FIXT."""
    match = _VERSIONED.fullmatch(protocol or "")
    if match is None:
        return {}
    if match[3]:
        return {"BeginString": "FIXT.1.1", "DefaultApplVerID": "FIX.5.0" + match[3][2:].upper()}
    return {"BeginString": f"FIX.4.{match[2]}"}
