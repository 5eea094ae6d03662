"""A tiny OUCH server on a loopback socket, in a thread, made of the gateway's sans-I/O modules. For tests of clients.

It accepts every valid order, replaces and cancels without looking, and keeps one stream that clients may resume.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from openoutcry import wire
from openoutcry.errors import ProtocolError
from openoutcry.gateway import ouch42, soupbintcp
from openoutcry.gateway.soupbintcp import ServerSession

SESSION = "0001000001"


class OuchLoopback:
    """The server. stream: the messages of its session. received: what clients sent, as it came."""

    def __init__(self, password: str = "", answers_login: bool = True, heartbeat_ns: int = soupbintcp.HEARTBEAT_NS):
        self.stream: list[bytes] = [ouch42.render((wire.SYSTEM, 1, wire.START_OF_DAY), 1)]
        self.received: list[bytes] = []
        self.logins: list[soupbintcp.LoginRequest] = []
        self.heartbeats = 0
        self._data: dict[bytes, bytes] = {}  # client_data of each order
        self._password = password
        self._answers_login = answers_login
        self._heartbeat_ns = heartbeat_ns
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sessions: dict[socket.socket, ServerSession] = {}
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> OuchLoopback:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._call(None)
        self._thread.join()
        for each in (*self._sessions, self._listener, self._wake, self._waker):
            each.close()

    # ---- for tests, from their thread
    def publish(self, *payloads: bytes) -> None:
        """Send these messages to everyone who is logged in."""
        self._call(lambda: self._publish(list(payloads)))

    def drop(self) -> None:
        """Lose every connection."""
        self._call(self._drop)

    def end_session(self) -> None:
        """Say End of Session to everyone and close."""
        self._call(self._end)

    def send_bytes(self, data: bytes) -> None:
        """Send these very bytes to everyone."""
        self._call(lambda: self._send_bytes(data))

    def _call(self, function: Callable[[], None] | None) -> None:
        self._calls.put(function)
        self._waker.send(b".")

    # ---- the thread
    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            self._selector = selector
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while self._turn():
                pass

    def _turn(self) -> bool:
        for key, _ in self._selector.select(0.05):
            source: Any = key.fileobj
            if source is self._listener:
                self._accept()
            elif source is self._wake:
                self._wake.recv(1)
                function = self._calls.get()
                if function is None:
                    return False
                function()
            elif source in self._sessions:
                self._read(source)
        for connection, session in list(self._sessions.items()):
            data, close, _ = session.on_timer(time.monotonic_ns())
            if data:
                self._send(connection, data)
            if close:
                self._close(connection)
        return True

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        self._sessions[connection] = ServerSession(time.monotonic_ns(), self._heartbeat_ns)
        self._selector.register(connection, selectors.EVENT_READ)

    def _close(self, connection: socket.socket) -> None:
        if self._sessions.pop(connection, None) is not None:
            self._selector.unregister(connection)
            connection.close()

    def _send(self, connection: socket.socket, data: bytes) -> None:
        try:
            connection.sendall(data)
        except OSError:
            self._close(connection)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(262_144)
        except OSError:
            data = b""
        session = self._sessions[connection]
        try:
            events = session.receive(data, time.monotonic_ns())
        except ProtocolError:
            return self._close(connection)
        if data == b"\x00\x01R":
            self.heartbeats += 1
        for event in events:
            if isinstance(event, soupbintcp.LoginRequest):
                self._login(connection, session, event)
            elif isinstance(event, soupbintcp.Unsequenced):
                self._orders(event.payloads)
            elif isinstance(event, soupbintcp.Logout):
                self._close(connection)
        if not data:
            self._close(connection)
        return None

    def _login(self, connection: socket.socket, session: ServerSession, request: soupbintcp.LoginRequest) -> None:
        self.logins.append(request)
        if not self._answers_login:
            return
        refused = "A" if request.password != self._password else "S" if request.session not in ("", SESSION) else ""
        if refused:
            self._send(connection, session.reject_login(refused))
            self._close(connection)
            return
        first = soupbintcp.next_sequence(request.sequence, len(self.stream))
        self._send(connection, session.accept_login(SESSION, first) + session.sequenced(self.stream[first - 1 :]))

    def _publish(self, payloads: list[bytes]) -> None:
        self.stream += payloads
        for connection, session in list(self._sessions.items()):
            if session.state is soupbintcp.State.LOGGED_IN:
                self._send(connection, session.sequenced(payloads))

    def _drop(self) -> None:
        for connection in list(self._sessions):
            self._close(connection)

    def _send_bytes(self, data: bytes) -> None:
        for connection in list(self._sessions):
            self._send(connection, data)

    def _end(self) -> None:
        for connection, session in list(self._sessions.items()):
            self._send(connection, session.end_of_session())
            self._close(connection)

    def _orders(self, payloads: list[bytes]) -> None:
        self.received += payloads
        found: list[Any] = []
        ouch42.commands(1, payloads, found)
        self._publish([ouch42.render(self._answer(command), 2) for command in found])

    def _answer(self, command: tuple[Any, ...]) -> tuple[Any, ...]:
        kind, _, token, *rest = command
        number = len(self.stream)
        if kind in (wire.ENTER, wire.SUBMIT):
            self._data[token] = rest[8]
            return wire.ACCEPTED, 1, token, number, rest[1], rest[2], rest[3], wire.LIVE, rest[8]
        if kind in (wire.REPLACE, wire.AMEND):
            self._data[rest[0]] = data = self._data[token]
            return wire.REPLACED, 1, rest[0], token, number, wire.BUY, rest[1], rest[2], wire.LIVE, data, rest[8]
        if kind == wire.CANCEL:
            return wire.CANCELED, 1, token, 1, wire.CANCEL_USER, rest[0]
        if kind == wire.MODIFY:
            return wire.MODIFIED, 1, token, rest[0], rest[1]
        return wire.REJECTED, 1, token, rest[0], "", b""
