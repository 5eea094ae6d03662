"""SoupBinTCP connections of a client: ``SoupClient`` blocks, ``AsyncSoupClient`` lives on an asyncio loop.

Both keep the two things that a client needs to lose nothing: ``session``, the name of the session joined, and
``sequence``, the number of the next message it expects. ``reconnect`` asks for exactly that.

Invariant: a sequenced message is delivered once and in order, however often the connection is lost in between. All
rules of the protocol are in openoutcry.gateway.soupbintcp; here are only sockets, timers and what callers wait for.
"""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, cast

from openoutcry.errors import ClientError, LoginRejected, ProtocolError
from openoutcry.gateway import soupbintcp
from openoutcry.gateway.soupbintcp import ClientSession, State

READ_SIZE: Final = 262_144  # bytes of one read: whole bursts
READ_AHEAD_MAX: Final = 100_000  # messages that wait for the caller; then reading pauses (asyncio) or fails
REJECT_TEXTS: Final = {"A": "not authorised: bad user or password", "S": "the requested session is not available"}


class MessageTimeout(ClientError, TimeoutError):
    """Nothing of the kind that was waited for came in time."""


def _reject_text(reason: str) -> str:
    return f"login rejected, reason {reason!r}: {REJECT_TEXTS.get(reason, 'unknown')}"


class _Client(ABC):
    """What both kinds of client are made of: who they are, where they stand, and what the server's events mean."""

    heartbeat_ns = soupbintcp.HEARTBEAT_NS  # the protocol's; a subclass for another venue may differ
    receive_timeout_ns = soupbintcp.RECEIVE_TIMEOUT_NS

    def __init__(self, host: str, port: int, username: str, password: str, session: str, sequence: int, timeout: float):
        self.host = host
        self.port = port
        self.username = username
        self.session = session
        self.sequence = sequence
        self.timeout = timeout
        self.ended = False  # the server has ended the session
        self._password = password
        self._core = self._new_core()
        self._refused: LoginRejected | None = None

    @property
    def connected(self) -> bool:
        """Logged in, as far as is known without reading on."""
        return self._core.state is State.LOGGED_IN

    def _new_core(self) -> ClientSession:
        return ClientSession(time.monotonic_ns(), self.heartbeat_ns, self.receive_timeout_ns)

    def _login(self) -> bytes:
        self._core = self._new_core()
        self._refused = None
        return self._core.login(self.username, self._password, self.session, self.sequence)

    def _received(self, data: bytes) -> None:
        """Take bytes of the server. Raises ProtocolError."""
        for event in self._core.receive(data, time.monotonic_ns()):
            if isinstance(event, soupbintcp.Sequenced):
                self.sequence = event.first + len(event.payloads)
                self._deliver(event.first, event.payloads)
            elif isinstance(event, soupbintcp.Unsequenced):
                self._deliver(0, event.payloads)
            elif isinstance(event, soupbintcp.Accepted):
                self.session, self.sequence = event
                self.ended = False
            elif isinstance(event, soupbintcp.Rejected):
                self._refused = LoginRejected(event.reason, _reject_text(event.reason))
            elif isinstance(event, soupbintcp.EndOfSession):
                self.ended = True

    @abstractmethod
    def _deliver(self, first: int, payloads: list[bytes]) -> None:
        """Messages of the server; payloads[i] has number first + i, or none when first is 0."""

    @abstractmethod
    def send_payloads(self, payloads: Sequence[bytes]) -> None:
        """Send messages, each in a packet of its own, with one write."""

    def _over(self) -> ClientError:
        if self._refused is not None:
            return self._refused
        return ClientError("the server has ended the session" if self.ended else "the connection is closed")


class SoupClient(_Client):
    """A blocking connection: it is made, and the login answered, when the constructor returns.

    timeout: seconds, for connecting, for the login, and for a write that the server does not take.
    heartbeat_thread: send heartbeats from a thread (it ends with ``close``, or with the program); without it they leave
    only while a method waits. Methods may be called from several threads as long as one of them reads.
    Raises LoginRejected, or ClientError when the connection fails.
    """

    def __init__(
        self, host: str, port: int, username: str = "", password: str = "", session: str = "", sequence: int = 1,
        timeout: float = 5.0, heartbeat_thread: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(host, port, username, password, session, sequence, timeout)
        self._lock = threading.Lock()  # around the core and writes
        self._socket: socket.socket | None = None
        self._stop = threading.Event()
        self._open()
        self._thread: threading.Thread | None = None
        if heartbeat_thread:  # a daemon: a client that nobody closed must not keep a program from ending
            self._thread = threading.Thread(target=self._beat, name="soup-heartbeat", daemon=True)
            self._thread.start()

    def fileno(self) -> int:
        """The socket's file descriptor, to wait for its becoming readable."""
        return self._connection().fileno()

    def _connection(self) -> socket.socket:
        if self._socket is None:
            raise self._over()
        return self._socket

    def _open(self) -> None:
        try:
            self._socket = socket.create_connection((self.host, self.port), self.timeout)
        except OSError as error:
            raise ClientError(f"cannot connect to {self.host} port {self.port}: {error}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with self._lock:
                self._write(self._login())
            self._await_login()
        except BaseException:
            self.drop()
            raise

    def _await_login(self) -> None:
        until = time.monotonic() + self.timeout
        while not self.connected:
            if self._core.state is State.CLOSED:
                raise self._over()
            if not self._read(until - time.monotonic()) and time.monotonic() >= until:
                raise MessageTimeout(f"no answer to the login within {self.timeout} s")

    def _write(self, data: bytes) -> None:
        """Send; the lock is held."""
        if self._socket is None:
            raise self._over()
        try:
            self._socket.sendall(data)
        except OSError as error:
            self._core.close()
            raise ClientError(f"connection lost: {error}") from None

    def _read(self, seconds: float) -> bool:
        """Wait for bytes of the server at most so long, and take them. False when none came.

        Raises ClientError when the connection is lost and nothing of it is left to read.
        """
        connection = self._connection()
        if self._core.state is State.CLOSED:
            raise self._over()
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        if not poll.poll(max(0.0, min(seconds, self._seconds_to_timer())) * 1_000):
            self._on_timer()
            return False
        try:
            data = connection.recv(READ_SIZE)
        except OSError as error:
            data, reason = b"", f"connection lost: {error}"
        else:
            reason = "connection lost: the server closed it"
        with self._lock:
            if data:
                self._take(data)
                return True
            self._core.close()
        raise ClientError(reason)

    def _take(self, data: bytes) -> None:
        try:
            self._received(data)
        except ProtocolError as error:
            raise ClientError(f"the server broke the protocol: {error}") from None

    def _seconds_to_timer(self) -> float:
        return max(0.001, (self._core.heartbeat_due_ns - time.monotonic_ns()) / 1e9)

    def _on_timer(self) -> None:
        with self._lock:
            data, gone, _ = self._core.on_timer(time.monotonic_ns())
            if gone:
                raise ClientError("the server has been silent for too long")
            if data:
                self._write(data)

    def _beat(self) -> None:
        """The thread: heartbeats only. Silence is judged by the reader, who knows what waits in the socket."""
        while not self._stop.wait(self._seconds_to_timer()):
            with self._lock:
                try:
                    data = self._core.heartbeat(time.monotonic_ns())
                    if data:
                        self._write(data)
                except ClientError:
                    continue  # the reader meets the same error; a reconnect goes on with this thread
            if not self.connected:
                self._stop.wait(0.1)

    def send_payloads(self, payloads: Sequence[bytes]) -> None:
        """Send messages, each in a packet of its own, with one write. Raises ClientError."""
        with self._lock:
            if not self.connected:
                raise self._over()
            self._write(self._core.unsequenced(payloads))

    def reconnect(self) -> None:
        """Connect again and go on with the session where it was left. Raises LoginRejected, ClientError."""
        self.drop()
        self._open()

    def drop(self) -> None:
        """Close the connection without a logout, as a crash would. ``reconnect`` goes on."""
        with self._lock:
            self._core.close()
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def close(self) -> None:
        """Log out, close, and end the thread."""
        self._stop.set()
        with self._lock:
            try:
                if self.connected:
                    self._write(self._core.logout())
            except ClientError:
                pass  # it was lost already
        self.drop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncSoupClient(_Client, asyncio.Protocol):
    """A connection on the running asyncio loop, for load and live trading: ``await connect()`` first."""

    def __init__(
        self, host: str, port: int, username: str = "", password: str = "", session: str = "", sequence: int = 1,
        timeout: float = 5.0,
    ) -> None:  # fmt: skip
        super().__init__(host, port, username, password, session, sequence, timeout)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._error: ClientError | None = None
        self._changed = asyncio.Event()  # something came, or the connection went
        self._writable = asyncio.Event()
        self._lost = asyncio.Event()
        self._lost.set()

    async def connect(self) -> None:
        """Connect and log in. Raises LoginRejected, or ClientError when the connection fails."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.timeout):
                await loop.create_connection(lambda: self, self.host, self.port)
                while not self.connected:
                    await self._wait()
        except OSError as error:  # time-outs are among them
            await self.drop()
            reason = f"no answer within {self.timeout} s" if isinstance(error, TimeoutError) else str(error)
            raise ClientError(f"cannot connect to {self.host} port {self.port}: {reason}") from None
        except BaseException:
            await self.drop()
            raise

    async def reconnect(self) -> None:
        """Connect again and go on with the session where it was left. Raises LoginRejected, ClientError."""
        await self.drop()
        await self.connect()

    async def _wait(self) -> None:
        """Wait until something has come. Raises ClientError when nothing will."""
        if self._transport is None:
            raise self._error or self._over()
        self._changed.clear()
        await self._changed.wait()

    def send_payloads(self, payloads: Sequence[bytes]) -> None:
        """Send messages, each in a packet of its own, with one write; ``await drain()`` keeps the buffer small."""
        if self._transport is None or not self.connected:
            raise self._error or self._over()
        self._transport.write(self._core.unsequenced(payloads))

    async def drain(self) -> None:
        """Wait until the server has taken enough of what was sent, or is gone."""
        await self._writable.wait()

    async def drop(self) -> None:
        """Close the connection without a logout, as a crash would; returns when it is closed."""
        self._core.close()
        if self._transport is not None:
            self._transport.abort()
        await self._lost.wait()

    async def close(self) -> None:
        """Log out and close; returns when the connection is closed."""
        if self._transport is not None:
            if self.connected:
                self._transport.write(self._core.logout())
            self._transport.close()
            try:
                await asyncio.wait_for(self._lost.wait(), self.timeout)
            except TimeoutError:
                await self.drop()  # the server does not read

    async def __aenter__(self) -> Any:
        if not self.connected:
            await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its base class
        self._error = None
        self._lost.clear()
        self._writable.set()
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.write(self._login())
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        before = self.connected
        try:
            self._received(bytes(data))
        except ProtocolError as error:
            self._fail(ClientError(f"the server broke the protocol: {error}"))
        if self._refused is not None:
            self._fail(self._refused)
        if self.connected and not before:
            self._arm()  # heartbeats are due earlier than the answer to the login was
        self._changed.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        if self._error is None and self._core.state is not State.CLOSED:
            self._error = ClientError(f"connection lost: {error or 'the server closed it'}")
        self._core.close()
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._writable.set()
        self._changed.set()
        self._lost.set()

    def pause_writing(self) -> None:
        """Called by the loop."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._writable.set()

    def _fail(self, error: ClientError) -> None:
        self._error = error
        if self._transport is not None:
            self._transport.abort()

    def _arm(self) -> None:
        """Send what is due and come again when the core says so."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is None:
            return
        now = time.monotonic_ns()
        data, gone, due = self._core.on_timer(now)
        if gone:
            if not self.ended:
                self._fail(self._error or ClientError("the server has been silent for too long"))
            return
        if data:
            self._transport.write(data)
        self._timer = asyncio.get_running_loop().call_later(max(0.001, (due - now) / 1e9), self._arm)
