"""A trader for the crash tests: a thread that trades over a raw socket and survives whatever happens to the exchange.

It is written without the product's own protocol code, so that it can judge it. It holds every sequenced message that
it was sent, asks for the next one after each reconnect, and sends again what has not been answered: SoupBinTCP and
OUCH 4.2 promise that this is harmless.
"""

from __future__ import annotations

import socket
import struct
from random import Random

from tests.persistent import Persistent

ENTER = struct.Struct(">HcsB13scI8sII4scccIcc")
WINDOW = 32  # orders without an answer


class Gap(AssertionError):
    """The server began its stream somewhere else than asked."""


class Trader(Persistent):
    """Trades `stock` until ``finish`` is called and every order is answered. Then look at ``stream``."""

    def __init__(self, host: str, port: int, user: str, stock: str, seed: int) -> None:
        super().__init__(f"trader-{user}")
        self.address, self.user, self.stock = (host, port), user, stock
        self.random = Random(seed)
        self.stream: list[bytes] = []  # every sequenced message, in order
        self.session = ""
        self.sent: dict[bytes, tuple[bytes, int]] = {}  # token -> side, shares
        self.unanswered: dict[bytes, bytes] = {}  # token -> packet
        self.connections = 0

    def _owed(self) -> int:
        return len(self.unanswered)

    def _count(self) -> int:
        return len(self.stream)

    def _connection(self) -> None:
        with socket.create_connection(self.address, timeout=30) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(self._login())
            self.connections += 1
            rest = b""
            logged_in = False
            while not self._done():
                data = sock.recv(65_536)
                if not data:
                    raise ConnectionResetError
                rest += data
                while len(rest) >= 2 and len(rest) >= 2 + (size := int.from_bytes(rest[:2])):
                    kind, payload, rest = rest[2:3], rest[3 : 2 + size], rest[2 + size :]
                    if kind == b"A":
                        self._logged_in(payload)
                        logged_in = True
                    elif kind == b"S":
                        self._message(payload)
                    elif kind == b"J":
                        raise ConnectionResetError
                if logged_in:
                    self._send(sock)

    def _login(self) -> bytes:
        fields = self.user.ljust(6), " " * 10, self.session.ljust(10), str(len(self.stream) + 1).rjust(20)
        return struct.pack(">Hc", 47, b"L") + "".join(fields).encode()

    def _logged_in(self, payload: bytes) -> None:
        self.session = payload[:10].decode().strip()
        first = int(payload[10:])
        if first != len(self.stream) + 1:
            raise Gap(f"{self.user} holds {len(self.stream)} messages and is sent on from {first}")
        self._resend = list(self.unanswered.values())

    def _send(self, sock: socket.socket) -> None:
        out, self._resend = self._resend, []
        while len(self.unanswered) < WINDOW and not self._finishing.is_set():
            out.append(self._order())
            if self.random.random() < 0.2:
                out.append(self._cancel())
        if out:
            sock.sendall(b"".join(out))

    def _order(self) -> bytes:
        token = f"{self.user}{len(self.sent):08d}".encode().ljust(14)
        side = self.random.choice((b"B", b"S"))
        shares = self.random.randrange(1, 500)
        price = 100_000 + 100 * self.random.randrange(-8, 9)
        tif = self.random.choice((0, 99_998, 99_998, 99_999))
        fields = (50, b"U", b"O", token[0], token[1:], side, shares, self.stock.encode().ljust(8), price, tif)
        data = ENTER.pack(*fields, b"    ", b"Y", b"P", b"N", 0, b"N", b"N")
        self.sent[token] = (side, shares)
        self.unanswered[token] = data
        return data

    def _cancel(self) -> bytes:
        token = self.random.choice(list(self.sent))
        return struct.pack(">Hcc14sI", 20, b"U", b"X", token, self.random.choice((0, 0, 50)))

    def _message(self, payload: bytes) -> None:
        with self.progress:
            self.stream.append(payload)
            self.progress.notify_all()
        if payload[:1] in b"AJ":
            self.unanswered.pop(payload[9:23], None)


def _log_in(host: str, port: int, user: str, session: str, sequence: int) -> tuple[socket.socket, int]:
    """Log in; returns the socket and the number that Login Accepted names."""
    sock = socket.create_connection((host, port), timeout=30)
    fields = user.ljust(6), " " * 10, session.ljust(10), str(sequence).rjust(20)
    sock.sendall(struct.pack(">Hc", 47, b"L") + "".join(fields).encode())
    answer = b""
    while len(answer) < 33:
        answer += sock.recv(33 - len(answer))
    return sock, int(answer[13:])


def read_stream(host: str, port: int, user: str, session: str) -> list[bytes]:
    """Log in beyond the end, which tells where that is, then ask for everything from 1."""
    sock, following = _log_in(host, port, user, session, 10**15)
    sock.close()
    sock, first = _log_in(host, port, user, session, 1)
    assert first == 1
    messages: list[bytes] = []
    with sock, sock.makefile("rb") as file:
        while len(messages) < following - 1:
            packet = file.read(int.from_bytes(file.read(2)))
            if packet[:1] == b"S":
                messages.append(packet[1:])
    return messages
