"""A FIX client for the crash tests: a thread that trades over a raw socket, whatever happens to the exchange.

It is written without the product's own FIX code, so that it can judge it. It never resets its sequence numbers, sends
again what it is asked for (and nothing else), asks for what it misses, and holds every message that it was sent by its
number. A message that comes again must be marked as such and be the same; a number that is too low, one that comes as
something else, an order that is answered twice: each is a failure.
"""

from __future__ import annotations

import datetime
import socket
from collections import Counter
from random import Random

from tests.persistent import Persistent

WINDOW = 32  # orders without an answer
ADMIN = frozenset((b"0", b"1", b"2", b"3", b"4", b"5", b"A"))
UNSTABLE = frozenset((b"8", b"9", b"10", b"43", b"52", b"97", b"122"))  # fields of a message that comes again
Fields = list[tuple[bytes, bytes]]


class Broken(AssertionError):
    """The other side broke a rule."""


def now() -> bytes:
    return datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3].encode()


class FixTrader(Persistent):
    """Trades `symbol` until ``finish`` is called and every request is answered. Then look at ``received``."""

    def __init__(self, host: str, port: int, name: str, symbol: str, seed: int, begin: str = "FIX.4.2") -> None:
        super().__init__(f"fix-trader-{name}")
        self.address, self.comp_id, self.symbol, self.begin = (
            (host, port),
            name.encode(),
            symbol.encode(),
            begin.encode(),
        )
        self.random = Random(seed)
        self.received: dict[int, dict[bytes, bytes]] = {}  # by MsgSeqNum, without what is not stable
        self.sent: dict[bytes, tuple[bytes, int]] = {}  # orders: side, quantity
        self.unanswered: dict[bytes, None] = {}
        self.answers: Counter[bytes] = Counter()
        self.executions: set[bytes] = set()  # ExecIDs
        self.resent = self.connections = self.duplicates = 0
        self._expected = 1
        self._number = 1  # of the next message
        self._kept: dict[int, tuple[bytes, bytes, bytes]] = {}  # application messages by number: type, body, time
        self._asked = 0  # what was missing when it was asked for

    def _owed(self) -> int:
        return len(self.unanswered) + bool(self._asked)

    def _count(self) -> int:
        return len(self.received)

    # --------------------------------------------------------------------------------------------- one connection
    def _connection(self) -> None:
        with socket.create_connection(self.address, timeout=30) as self._sock:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._asked, self._logged_on, rest = 0, False, b""
            self._say(b"A", b"98=0\x01108=30\x01")
            self.connections += 1
            while not self._done():
                data = self._sock.recv(65_536)
                if not data:
                    raise ConnectionResetError
                rest += data
                while (at := rest.find(b"\x0110=")) >= 0 and (end := rest.find(b"\x01", at + 1)) >= 0:
                    message, rest = rest[: end + 1], rest[end + 1 :]
                    self._take(message)
                if self._logged_on and not self._finishing.is_set():
                    self._trade()

    def _say(self, kind: bytes, body: bytes) -> None:
        self._sock.sendall(self._message(kind, self._number, body))
        self._number += 1

    def _message(self, kind: bytes, number: int, body: bytes, original: bytes = b"") -> bytes:
        again = b"43=Y\x01" if original else b""
        origin = b"122=%b\x01" % original if original else b""
        inner = b"35=%b\x0134=%d\x01%b49=%b\x0152=%b\x0156=OO\x01%b%b" % (
            kind, number, again, self.comp_id, now(), origin, body,
        )  # fmt: skip
        text = b"8=%b\x019=%d\x01%b" % (self.begin, len(inner), inner)
        return b"%b10=%03d\x01" % (text, sum(text) % 256)

    # --------------------------------------------------------------------------------------------- receiving
    def _take(self, message: bytes) -> None:
        body = message[: message.rindex(b"\x0110=") + 1]
        if int(message[-4:-1]) != sum(body) % 256:
            raise Broken(f"checksum of {message!r}")
        pairs: Fields = [(tag, value) for tag, _, value in (each.partition(b"=") for each in body[:-1].split(b"\x01"))]
        fields = dict(pairs)
        number, kind, again = int(fields[b"34"]), fields[b"35"], fields.get(b"43") == b"Y"
        if kind == b"2":
            self._send_again(int(fields[b"7"]))  # also when its number is too high
        if kind == b"A":
            self._logged_on = True
        if kind == b"5":
            text = fields.get(b"58", b"")
            if b"too low" in text:
                raise Broken(f"{self.name}: logged out: {text!r}")
            raise ConnectionResetError
        if number > self._expected:
            if not self._asked:
                self._asked = number
                self._say(b"2", b"7=%d\x0116=%d\x01" % (self._expected, 999_999 if self.begin < b"FIX.4.2" else 0))
            return
        if number < self._expected:
            self._same(number, kind, again, fields)
            return
        self._note(number, kind, fields)
        if self._asked and self._expected > self._asked:
            self._asked = 0

    def _same(self, number: int, kind: bytes, again: bool, fields: dict[bytes, bytes]) -> None:
        self.duplicates += 1
        if not again:
            raise Broken(f"{self.name}: number {number} is too low, {self._expected} was expected: {fields}")
        known = self.received.get(number)
        if kind not in ADMIN and known != _stable(fields):
            raise Broken(f"{self.name}: number {number} was {known}, comes again as {fields}")

    def _note(self, number: int, kind: bytes, fields: dict[bytes, bytes]) -> None:
        if kind == b"4":
            self._expected = int(fields[b"36"])
            return
        self._expected = number + 1
        if kind == b"1":
            self._say(b"0", b"112=%b\x01" % fields[b"112"])
        elif kind not in ADMIN:
            with self.progress:
                self.received[number] = _stable(fields)
                self.progress.notify_all()
            self._answered(kind, fields)
        elif kind == b"3":
            raise Broken(f"{self.name}: rejected: {fields}")

    def _answered(self, kind: bytes, fields: dict[bytes, bytes]) -> None:
        """An answer is a report of a new or rejected order, a cancelled one's, or an OrderCancelReject."""
        token = fields[b"11"]
        if kind == b"8":
            if fields[b"17"] in self.executions:
                raise Broken(f"{self.name}: ExecID {fields[b'17']!r} comes twice")
            self.executions.add(fields[b"17"])
        final = (
            kind == b"9" or fields.get(b"150") in (b"0", b"8") or (token.startswith(b"C") and fields[b"150"] == b"4")
        )
        if final:
            self.answers[token] += 1
            if self.answers[token] > 1:
                raise Broken(f"{self.name}: {token!r} is answered twice")
            self.unanswered.pop(token, None)

    # --------------------------------------------------------------------------------------------- sending
    def _send_again(self, begin: int) -> None:
        """What a ResendRequest asks for, up to now."""
        out, number = [], begin
        while number < self._number:
            kept = self._kept.get(number)
            if kept is not None:
                out.append(self._message(kept[0], number, kept[1], kept[2]))
                number += 1
                self.resent += 1
                continue
            first = number
            while number < self._number and number not in self._kept:
                number += 1
            out.append(self._message(b"4", first, b"36=%d\x01123=Y\x01" % number, now()))
        self._sock.sendall(b"".join(out))

    def _trade(self) -> None:
        out = []
        while len(self.unanswered) < WINDOW:
            out.append(self._order())
            if self.random.random() < 0.2:
                out.append(self._cancel())
        self._sock.sendall(b"".join(out))

    def _keep(self, kind: bytes, token: bytes, body: bytes) -> bytes:
        self.unanswered[token] = None
        self._kept[self._number] = (kind, body, now())
        message = self._message(kind, self._number, body)
        self._number += 1
        return message

    def _order(self) -> bytes:
        token = b"O%b-%d" % (self.comp_id, self._number)
        side, quantity = self.random.choice((b"1", b"2")), self.random.randrange(1, 500)
        price = 100 + self.random.randrange(-8, 9)
        self.sent[token] = (side, quantity)
        terms = b"11=%b\x0121=1\x0138=%d\x0140=2\x0144=%d\x0154=%b\x0155=%b\x01" % (
            token, quantity, price, side, self.symbol,
        )  # fmt: skip
        return self._keep(b"D", token, terms + b"59=%b\x0160=%b\x01" % (self.random.choice((b"0", b"0", b"3")), now()))

    def _cancel(self) -> bytes:
        token = b"C%b-%d" % (self.comp_id, self._number)
        original = self.random.choice(list(self.sent))
        side, quantity = self.sent[original]
        body = b"11=%b\x0138=%d\x0141=%b\x0154=%b\x0155=%b\x0160=%b\x01" % (
            token, quantity, original, side, self.symbol, now(),
        )  # fmt: skip
        return self._keep(b"F", token, body)


def _stable(fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    return {tag: value for tag, value in fields.items() if tag not in UNSTABLE}


def read_again(host: str, port: int, trader: FixTrader) -> dict[int, dict[bytes, bytes]]:
    """Log on once more and ask for every application message from 1 on."""
    with socket.create_connection((host, port), timeout=30) as trader._sock:
        trader._say(b"A", b"98=0\x01108=30\x01")
        trader._say(b"2", b"7=1\x0116=0\x01")
        trader._say(b"1", b"112=end\x01")
        found: dict[int, dict[bytes, bytes]] = {}
        with trader._sock.makefile("rb") as file:
            data = b""
            while b"112=end" not in data:
                some = file.read1(65_536)
                assert some, "the connection ended"
                data += some
        for message in data.split(b"\x018=")[:-1]:
            fields = dict(each.partition(b"=")[::2] for each in message.split(b"\x01") if b"=" in each)
            if fields[b"35"] not in ADMIN:
                found[int(fields[b"34"])] = _stable(fields)
        return found
