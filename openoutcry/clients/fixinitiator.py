"""``FixInitiator``: one FIX session on the running asyncio loop, kept connected. Its manual: openoutcry.clients.fix.

What it is made of: the session is openoutcry.fix.session (no sockets, no clock), a connection is fixlink.Link; fixhost
joins the two. Names become tags in fixmessages; hooks are called, and messages wait, in fixinbox. Here is the rest:
when to connect and where, and what the user is told.

Invariant 1: whatever was received but not taken yet is bounded: when the inbox is full, nothing more is read.
Invariant 2: an error of the store ends the initiator: a session that cannot count must not go on. An error in a hook is
logged, and changes nothing; but a LogonError in on_logon refuses the logon.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from ssl import SSLContext
from typing import Any, Final

from openoutcry.clients.fixhost import Host, log
from openoutcry.clients.fixlink import Link, Where, connect, targets, tls_context
from openoutcry.clients.fixmessages import Fields, Received, Vocabulary
from openoutcry.clients.soupbintcp import MessageTimeout
from openoutcry.errors import ClientError, JournalError, LoginRejected, LogonError, OpenOutcryError, VerbError
from openoutcry.fix.codec import Decoder
from openoutcry.fix.message import Message
from openoutcry.fix.messagelog import MessageLog
from openoutcry.fix.schedule import Schedule
from openoutcry.fix.session import Admin, Disconnect, LoggedOn, LoggedOut, Session
from openoutcry.fix.settings import SessionSettings
from openoutcry.fix.states import State
from openoutcry.fix.store import MessageStore, open_store

RECONNECT_MIN_S: Final = 0.05  # also with ReconnectInterval 0, so that a refusing host is not asked in a spin
SCHEDULE_S: Final = 60.0  # the longest sleep until a session's time begins: clocks are set, too
LOGOUT_EXTRA_S: Final = 1.0  # beyond LogoutTimeout, until a connection is cut
TIMEOUT_S: Final = 10.0
SEQUENCE_END: Final = 10**15  # a number that a session understands has 15 digits

Hook = Callable[[Received, "FixInitiator"], Awaitable[None] | None]
LogoutHook = Callable[[str, "FixInitiator"], Awaitable[None] | None]


class FixInitiator(Host):
    """A FIX session that this end begins. See openoutcry.clients.fix for all of it.

    settings: a SessionSettings; or its settings by name (``BeginString="FIX.4.4"`` ...), which are stronger.
    host, port, hosts: where to connect; `hosts` are tried in turn: endpoints, (host, port) or "host:port".
    username, password, logon_fields: further fields of the Logon.
    reconnect: connect again, with pauses that double from ReconnectInterval to ReconnectIntervalMax.
    timeout: seconds, for what is waited for without a time-out of its own.
    Raises VerbError, DictionaryError or ClientError when the settings are wrong.
    """

    def __init__(
        self, settings: SessionSettings | None = None, host: str = "", port: int = 0, *, hosts: Sequence[Where] = (),
        username: str = "", password: str = "", logon_fields: Fields | None = None, on_logon: Hook | None = None,
        on_logout: LogoutHook | None = None, on_admin: Hook | None = None, on_application: Hook | None = None,
        ssl_context: SSLContext | None = None, proxy: str | None = None, store: MessageStore | None = None,
        reconnect: bool = True, timeout: float = TIMEOUT_S, **given: Any,
    ) -> None:  # fmt: skip
        known = settings.given if settings else {}
        super().__init__(SessionSettings(**{**known, **given, "ConnectionType": "initiator"}))
        self.words = Vocabulary.of(self.settings)
        try:
            Schedule.from_settings(self.settings)
        except ValueError as error:
            raise VerbError("bad_argument", "", str(error)) from None
        self.on_logon, self.on_logout = on_logon, on_logout
        self.on_admin, self.on_application = on_admin, on_application
        self.reconnect = reconnect
        self.timeout = timeout
        self._targets = targets([(host, port), *hosts] if host else hosts, self.settings)
        self._ssl = ssl_context or tls_context(self.settings)
        self._proxy = self.settings.Proxy if proxy is None else proxy
        self._logon_fields = self._logon_of(username, password, logon_fields or {})
        self._store = store
        self._at = 0  # of the targets, the one in use
        self._task: asyncio.Task[None] | None = None
        self._on = False  # logged on, and on_logon has nothing against it
        self._was_on = False  # it was so on this connection, which may have ended
        self._unanswered = False  # there is no answer to the Logon yet
        self._explained = False  # it is known already why the connection ends
        self._ending = False
        self._over = False  # no connection is tried any more
        self._refusal: OpenOutcryError | None = None  # what the counterparty said to the newest Logon
        self._problem = "nothing has been tried yet"  # what the newest attempt came to

    def _logon_of(self, username: str, password: str, fields: Fields) -> tuple[tuple[int, bytes], ...]:
        given: dict[str | int, Any] = dict(fields)
        for tag, value in ((553, username or self.settings.Username), (554, password)):
            if value:
                given[tag] = value
        return tuple(self.words.pairs(given))

    # ------------------------------------------------------------------------------------------- for its user
    async def start(self) -> None:
        """Open the store and begin to connect; ``logged_on`` waits for the outcome. Raises JournalError."""
        if self._task is not None:
            raise ClientError("the initiator has been started already")
        self._open()
        self._ending = self._over = False
        self._error = self._refusal = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"fix {self.settings.name}")

    def _open(self) -> Session:
        """The store, the log and the session, when they are not there yet."""
        now = time.time_ns()
        if self._store is None:
            self._store = open_store(self.settings.Store, self.settings.name, now, self.settings.FileStoreSync)
        if self._log is None and self.settings.FileLogPath:
            try:
                self._log = MessageLog(self.settings.FileLogPath, self.settings.name)
            except OSError as error:
                raise JournalError(f"FileLogPath {self.settings.FileLogPath}: {error.strerror}") from None
        if self.session is None:
            self.session = Session(self.settings, self._store, now)
            self.session.logon_fields = self._logon_fields
        return self.session

    @property
    def is_logged_on(self) -> bool:
        """Whether messages can be sent now."""
        return self._on

    async def logged_on(self, timeout: float | None = None) -> None:
        """Wait until the session is logged on.

        Raises LoginRejected when the counterparty refuses, LogonError when on_logon does, MessageTimeout when there is
        no logon in time, or the ClientError or JournalError that has ended it all.
        """
        limit = self.timeout if timeout is None else timeout

        def done() -> bool:
            if self._refusal is not None and not self._on:
                raise self._refusal
            return self._on

        if not await self._until(done, limit):
            raise MessageTimeout(f"no logon within {limit:g} s: {self._problem}")

    async def send(self, name: str | bytes, fields: Fields | bytes, *, offline: bool = False) -> int:
        """Send an application message, and wait until the connection takes more; returns its MsgSeqNum.

        name: "NewOrderSingle" or "D"; bytes are any MsgType. fields: by name or tag; or the body's bytes, as they are.
        offline: number and keep it even when not logged on, to be sent after the next logon; otherwise ClientError.
        A message that was sent while the connection broke is kept too, and sent again when it is asked for.
        Raises VerbError naming a field, ClientError, JournalError.
        """
        number = self.send_nowait(name, fields, offline=offline)
        if self._link is not None and not self._link.writable.is_set():
            await self._link.writable.wait()
        return number

    def send_nowait(self, name: str | bytes, fields: Fields | bytes, *, offline: bool = False) -> int:
        """The same without waiting, for hooks that are plain functions: what is not taken yet waits in memory."""
        session = self.session
        if session is None or self._over or not (self._on or offline):
            raise self._error or ClientError(f"not logged on: {self._problem}")
        header: tuple[tuple[int, bytes], ...] = ()
        if isinstance(fields, bytes):
            kind, body = self.words.kind(name), fields
        else:
            kind, body, header = self.words.encode(name, fields)
        try:
            number = session.send(kind, body, time.time_ns(), header)
        except JournalError as error:
            self._fail(error)
            raise
        self._turn(session)
        return number

    def send_raw(self, data: bytes) -> None:
        """Write bytes as they are: unnumbered, unchecked, for tests of the counterparty. Raises ClientError."""
        if self._link is None:
            raise self._error or ClientError(f"not connected: {self._problem}")
        self._write(self._known(), last=True)  # what was sent before goes before
        self._link.write(data)

    async def receive(self, timeout: float | None = None) -> Received:
        """The next application message, or Reject(3) of one of ours, unless on_application takes them.

        Raises MessageTimeout when none comes in time; ClientError when none will come any more.
        """
        return await self.next(timeout=timeout)

    async def next(
        self, name: str | bytes | None = None, fields: Mapping[str | int, Any] | None = None,
        timeout: float | None = None,
    ) -> Received:  # fmt: skip
        """The next message of that name with those values; the ones before it are left for later calls.

        Raises as ``receive`` does.
        """
        limit = self.timeout if timeout is None else timeout
        take = self._inbox.taker(self.words.matcher(name, fields or {}))
        found: list[Received] = []

        def done() -> bool:
            message = take()
            if message is not None:
                found.append(message)
            return message is not None

        if not await self._until(done, limit):
            what = "no message" if name is None else f"no {name!r} like that"
            raise MessageTimeout(f"{what} within {limit:g} s")
        self._read_on()
        return found[0]

    @property
    def waiting(self) -> int:
        """How many messages have come and are not taken yet; may be asked from any thread."""
        return len(self._inbox.messages)

    def __aiter__(self) -> AsyncIterator[Received]:
        """The messages, until the session is over."""
        return self._messages()

    async def _messages(self) -> AsyncIterator[Received]:
        while self._inbox.messages or not self._over:
            try:
                message = await self.next(timeout=float("inf"))
            except ClientError:
                if self._error is None or self._ending:
                    return
                raise
            yield message

    async def set_sequence(self, next_out: int | None = None, next_in: int | None = None) -> None:
        """Set the numbers of the next message sent and expected, as agreed with the counterparty; None: as it is.

        Only before ``start`` or after ``logout``. Raises ClientError, VerbError, JournalError.
        """
        if self._link is not None or self._task is not None:
            raise ClientError("sequence numbers can be set only before start, or after logout")
        for name, number in (("next_out", next_out), ("next_in", next_in)):
            if number is not None and not 1 <= number < SEQUENCE_END:
                raise VerbError("bad_argument", name, f"{name} is {number}, it must be from 1 to {SEQUENCE_END - 1}")
        store = self._open().store
        if next_out is not None:
            store.set_next_out(next_out)
        if next_in is not None:
            store.set_next_in(next_in)

    async def logout(self, text: str = "") -> None:
        """Log out, wait for the answer, and stay away until ``start``; returns when the connection is closed."""
        self._ending = True
        session, link = self.session, self._link
        if session is not None and link is not None:
            self._guarded(lambda: session.logout(text, time.time_ns()))
            try:
                await asyncio.wait_for(link.lost.wait(), self.settings.LogoutTimeout + LOGOUT_EXTRA_S)
            except TimeoutError:
                link.abort()
        await self._stop()

    async def drop(self) -> None:
        """Close the connection without a Logout, as a crash would; with `reconnect` the session goes on."""
        link = self._link
        if link is not None:
            link.abort()
            await link.lost.wait()

    async def close(self) -> None:
        """Log out if need be, and close the store and the log. Closing twice is fine."""
        await self.logout()
        await self._inbox.finished(self.timeout)
        if self._store is not None:
            self._store.close()
        if self._log is not None:
            self._log.close()

    async def __aenter__(self) -> FixInitiator:
        await self.start()
        try:
            await self.logged_on()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def statistics(self) -> dict[str, Any]:
        """Where it is connected to, counters, and what the session says."""
        session = self.session.statistics() if self.session else {}
        return {
            **session, **self.counters, "logged_on": self._on, "target": str(self._targets[self._at]),
            "inbox": len(self._inbox.messages), "problem": self._problem,
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------- connecting
    async def _run(self) -> None:
        """The task: connect, until it is over."""
        try:
            await self._stay_connected()
        except OpenOutcryError as error:
            self._error = error
            log.error("%s: %s", self.settings.name, error)
        finally:
            self._over = True
            self._inbox.wake()

    async def _stay_connected(self) -> None:
        low = max(self.settings.ReconnectInterval, RECONNECT_MIN_S)
        pause = low
        while not self._ending:
            await self._until_open()
            await self._once()
            if self._error is not None:
                raise self._error
            if self._ending:
                return
            if not self.reconnect:
                raise self._refusal or ClientError(self._problem)
            if self._was_on:
                pause = low
            elif self._next_target():
                continue  # each host once, before a pause
            log.info("%s: %s; next attempt in %g s", self.settings.name, self._problem, pause)
            await self._sleep(pause)
            pause = max(low, min(pause * 2, self.settings.ReconnectIntervalMax))

    def _next_target(self) -> bool:
        """Go on to the next host; False when it is the first one again."""
        self._at = (self._at + 1) % len(self._targets)
        return self._at > 0

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _until_open(self) -> None:
        assert self.session is not None
        while not self.session.schedule.open_at(now := time.time_ns()):
            left = (self.session.schedule.next_change(now) - now) / 1e9
            self._problem = f"the session's time has not come; it will in {left:.0f} s"
            await self._sleep(min(left, SCHEDULE_S))

    async def _once(self) -> None:
        """One connection, from the attempt to its end."""
        self._was_on = False
        self._refusal = None
        decoder = Decoder(self.settings.MaxMessageSize, self.settings.ValidateLengthAndChecksum)
        link = Link(self, decoder)
        target = self._targets[self._at]
        try:
            await connect(target, link, self._ssl, self.settings.SocketServerName, self._proxy,
                          self.settings.LogonTimeout)  # fmt: skip
        except ClientError as error:
            self.counters["failures"] += 1
            self._problem = str(error)
            self._note(self._problem)
            self._inbox.wake()
            return
        await link.lost.wait()

    async def _stop(self) -> None:
        """End the task."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        if self._link is not None:
            self._link.abort()
            await self._link.lost.wait()
        self._over = True
        self._error = self._error or ClientError("the session has been closed")
        self._inbox.wake()

    # ------------------------------------------------------------------------------------------- fixhost.Host
    def _made(self) -> None:
        self._note(f"connected to {self._targets[self._at]}")
        self._unanswered, self._explained = True, False
        self._problem = f"connected to {self._targets[self._at]}, which has not answered the Logon"

    def _lost(self, reason: str) -> None:
        if self._unanswered:
            reason += (
                " instead of answering the Logon: are the CompIDs, the BeginString, our address and our clock as it "
                "expects, and is nobody else logged on with them?"
            )
        if not (self._ending or self._explained):
            self._problem = reason
        self._on = False
        self._note(reason)

    def _take(self, event: Any) -> None:
        """What cannot wait for a hook."""
        if isinstance(event, Disconnect):
            if not self._explained:
                self._problem = f"{'the logon failed' if self._unanswered else 'the session ended'}: {event.reason}"
            self._unanswered, self._explained = False, True
            return
        if isinstance(event, LoggedOut):
            self._on = False
        elif isinstance(event, Admin) and event.message.kind in (b"3", b"5") and self._unanswered:
            text = (event.message.get(58) or b"").decode("utf-8", "replace") or "without saying why"
            self._refusal = LoginRejected(text, f"the counterparty refused the logon: {text}")
            self._problem = str(self._refusal)
            self._unanswered, self._explained = False, True
        elif isinstance(event, LoggedOn):
            self._was_on = True
            self._unanswered = False
            self._problem = "logged on"
        self._inbox.put(event)

    # ------------------------------------------------------------------------------------------- hooks
    def _tell(self, event: Any) -> Awaitable[None] | None:
        """Call the hook of an event; without one, messages go into the inbox."""
        if isinstance(event, LoggedOut):
            return self.on_logout(event.text, self) if self.on_logout else None
        message = event if isinstance(event, Message) else event.message
        received = self.words.received(message)
        if isinstance(event, Message):
            hook = self.on_application
        else:
            hook = self.on_logon if isinstance(event, LoggedOn) else self.on_admin
        if hook is not None:
            return hook(received, self)
        return None

    def _told(self, event: Any, error: Exception | None) -> None:
        """A hook has been called."""
        if isinstance(event, Message) and self.on_application is None:
            self._inbox.messages.append(self.words.received(event))
        elif isinstance(event, Admin) and event.message.kind == b"3" and self.on_application is None:
            self._inbox.messages.append(self.words.received(event.message))
        self._read_on()
        if isinstance(event, LoggedOn):
            self._judged(error)
        elif error is not None:
            self._hook_failed(error)

    def _judged(self, error: Exception | None) -> None:
        """on_logon has been called."""
        session = self._known()
        if isinstance(error, LogonError):
            self._refusal = self._error = error
            self._guarded(lambda: session.refuse(str(error), time.time_ns()))
            return
        if error is not None:
            self._hook_failed(error)
        if session.state is State.LOGGED_ON:
            self._on = True
            self.counters["logons"] += 1
            self._note("logged on")

    def _hook_failed(self, error: Exception) -> None:
        self.counters["hook_errors"] += 1
        log.error("%s: a hook failed", self.settings.name, exc_info=error)

    # ------------------------------------------------------------------------------------------- waiting
    async def _until(self, done: Callable[[], bool], limit: float) -> bool:
        """Wait until `done`; False: not in time. Raises what has ended the session."""

        def asked() -> bool:
            if done():
                return True
            if self._over:
                raise self._error or ClientError(self._problem)
            return False

        return await self._inbox.until(asked, limit)
