"""A small FIX acceptor for tests of clients: one session on a port of its own, over the product's Session, with faults.

::

    acceptor = Acceptor(settings)            # settings of its own end: SenderCompID is the acceptor's
    await acceptor.start()                   # acceptor.port
    await acceptor.taken(3)                  # waits until 3 application messages have been received
    acceptor.send(b"8", b"...")              # one more, also when nobody is connected
    acceptor.drop() / acceptor.reset()       # ends the connection: FIN, or RST
    acceptor.mute = True                     # swallows what comes, and says nothing: a host that hangs
    await acceptor.close()

``received`` has the application messages in the order in which the session gave them. ``judge`` decides about a Logon:
it returns None to approve, or the text to refuse it with ("" just closes).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import Any

from openoutcry.fix.codec import Decoder
from openoutcry.fix.message import Message
from openoutcry.fix.session import Admin, Disconnect, LoggedOn, LoggedOut, LogonRequested, Session
from openoutcry.fix.settings import SessionSettings
from openoutcry.fix.store import MemoryStore, MessageStore

WAIT_S = 30.0  # far more than anything here takes, so that a test that hangs ends


def peers(**given: Any) -> tuple[SessionSettings, SessionSettings]:
    """Settings of an acceptor and of the initiator that fits it."""
    common = {"BeginString": "FIX.4.4", **given}
    acceptor = SessionSettings(SenderCompID="EX", TargetCompID="TRADER", ConnectionType="acceptor", **common)
    initiator = SessionSettings(SenderCompID="TRADER", TargetCompID="EX", ConnectionType="initiator", **common)
    return acceptor, initiator


class Acceptor:
    """One session of an exchange."""

    def __init__(
        self, settings: SessionSettings, store: MessageStore | None = None,
        judge: Callable[[Message], str | None] = lambda _logon: None,
        on_message: Callable[[Acceptor, Message], None] = lambda _acceptor, _message: None,
        context: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        now = time.time_ns()
        self.session = Session(settings, store or MemoryStore(now), now)
        self.judge = judge
        self.on_message = on_message
        self.context = context
        self.received: list[Message] = []
        self.admin: list[Message] = []
        self.logons: list[Message] = []
        self.logouts: list[str] = []
        self.mute = False
        self.port = 0
        self.changed = asyncio.Event()
        self.connection: _Connection | None = None
        self.connections = 0
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop_listening(self) -> None:
        """The port is closed; a connection goes on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait until `done`, which is asked whenever something has happened."""
        async with asyncio.timeout(WAIT_S):
            while not done():
                self.changed.clear()
                await self.changed.wait()

    async def taken(self, count: int) -> list[Message]:
        """Wait for so many application messages; returns all."""
        await self.until(lambda: len(self.received) >= count)
        return self.received

    def send(self, kind: bytes, body: bytes) -> int:
        """Number, keep and, if somebody is logged on, write an application message."""
        number = self.session.send(kind, body, time.time_ns())
        self.turn()
        return number

    def logout(self, text: str = "") -> None:
        """Begin a logout."""
        self.session.logout(text, time.time_ns())
        self.turn()

    def drop(self) -> None:
        """End the connection at once."""
        if self.connection is not None:
            self.connection.transport.abort()

    def reset(self) -> None:
        """End the connection by a RST."""
        if self.connection is not None:
            connection = self.connection.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.transport.abort()

    async def close(self) -> None:
        """End everything."""
        await self.stop_listening()
        self.drop()
        await self.until(lambda: self.connection is None)
        self.session.store.close()

    def turn(self) -> None:
        """See to what the session wants."""
        session = self.session
        while session.pump(time.time_ns()):
            pass
        events = session.events[:]
        session.events.clear()  # what is done about them may make more
        closing = [event for event in events if self._take(event)]
        if self.connection is not None and not self.connection.transport.is_closing() and session.out and not self.mute:
            self.connection.transport.write(b"".join(session.out))
        session.out.clear()
        if closing and self.connection is not None:
            self.connection.transport.close()
        self.changed.set()

    def _take(self, event: Any) -> bool:
        if isinstance(event, Message):
            self.received.append(event)
            self.on_message(self, event)
        elif isinstance(event, Admin):
            self.admin.append(event.message)
        elif isinstance(event, LoggedOn):
            self.logons.append(event.message)
        elif isinstance(event, LoggedOut):
            self.logouts.append(event.text)
        elif isinstance(event, LogonRequested):
            asyncio.get_running_loop().call_soon(self._answer, event.message)
        return isinstance(event, Disconnect)

    def _answer(self, logon: Message) -> None:
        text = self.judge(logon)
        now = time.time_ns()
        if text is None:
            self.session.approve(now)
        else:
            self.session.refuse(text, now)
        self.turn()


class _Connection(asyncio.Protocol):
    """One connection; a second one beside it is closed at once."""

    def __init__(self, acceptor: Acceptor) -> None:
        self.acceptor = acceptor
        self.decoder = Decoder()
        self.transport: Any = None
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.acceptor.connections += 1
        if self.acceptor.connection is not None:
            self.transport.abort()
            return
        self.acceptor.connection = self
        self.acceptor.session.connected(time.time_ns())
        self.acceptor.turn()
        self._tick()

    def _tick(self) -> None:
        session, now = self.acceptor.session, time.time_ns()
        session.on_timer(now)
        self.acceptor.turn()
        delay = min(max((session.deadline_ns - now) / 1e9, 0.001), 60.0)
        self.timer = asyncio.get_running_loop().call_later(min(delay, 0.5), self._tick)

    def data_received(self, data: bytes) -> None:
        if self.acceptor.connection is not self or self.acceptor.mute:
            return
        for message in self.decoder.feed(data):
            self.acceptor.session.receive(message, time.time_ns())
        self.acceptor.turn()

    def connection_lost(self, error: Exception | None) -> None:
        if self.acceptor.connection is not self:
            return
        if self.timer is not None:
            self.timer.cancel()
        self.acceptor.connection = None
        self.acceptor.session.disconnected(time.time_ns())
        self.acceptor.turn()
