"""What the market data tests share: a matcher's side of the bus, publisher processes, and random public events."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

import zmq

from openoutcry import bus, feed, wire
from openoutcry.clients.marketdata import MarketDataClient

T0 = 1_700_000_000_000_000_000
RUN = (
    "import sys; from openoutcry import bus, feed, process; from openoutcry.marketdata.service import run; "
    "process.die_with_parent(); feed.FEED_HWM = int(sys.argv[2]); "
    "sys.exit(run(bus.Directory(sys.argv[1]), 'marketdata', process.Settings()))"
)
Events = tuple[tuple[Any, ...], ...]


def book_set(
    number: int = 1, name: str = "aapl", engine: str = "main", symbol: str = "AAPL", **properties: Any
) -> tuple[Any, ...]:
    return (wire.BOOK_SET, number, name, engine, symbol, tuple(sorted(properties.items())))


class Flow:
    """Random public events of a book that a matcher could have sent: orders never cross.

    rare: the share of events that a plain book does not have: hidden trades, auctions, corrections, quotes.
    """

    def __init__(self, seed: int, books: int = 1, rare: float = 0.0) -> None:
        self.random = Random(seed)
        self.live: list[tuple[int, int, int, int]] = []  # book, order, side, price
        self.left: dict[int, int] = {}
        self.books = books
        self.rare = rare
        self.trades: list[tuple[int, int, int, int]] = []  # book, match, quantity, price: neither broken nor corrected
        self.order = self.match = 0

    def frame(self, size: int) -> Events:
        return tuple(self.event() for _ in range(size))

    def event(self) -> tuple[Any, ...]:
        if self.rare and self.random.random() < self.rare:
            return self._rare(self.random.randint(1, self.books))
        chance = self.random.random()
        if chance < 0.5 or len(self.live) < 3:
            return self._added(self.random.randint(1, self.books))
        index = self.random.randrange(len(self.live))
        book, order, side, price = self.live[index]
        open_quantity = self.left[order]
        taken = self.random.randint(1, open_quantity)
        leaves = open_quantity - taken
        if chance < 0.6:
            return self._replaced(index)
        self.left[order] = leaves
        if not leaves:
            self._remove(index)
        if chance < 0.8:
            return (wire.REDUCED, book, order, taken, leaves)
        return (wire.TRADED, book, order, taken, price, self._matched(book, taken, price), 3 - side, leaves)

    def _matched(self, book: int, quantity: int, price: int) -> int:
        self.match += 1
        self.trades.append((book, self.match, quantity, price))
        return self.match

    def _rare(self, book: int) -> tuple[Any, ...]:
        kind = self.random.randrange(8)
        quantity, price = self.random.randint(1, 100), self.random.randint(18_540, 18_560) * 1_000_000
        if kind == 0:
            return (wire.TRADED_HIDDEN, book, quantity, price, self._matched(book, quantity, price), book % 2 + 1)
        if kind == 1:
            return self._cross(book, quantity, price)
        if kind == 2:
            return (wire.CROSSED, book, self.random.randint(1, 3), price, quantity)
        if kind == 3:
            return (wire.INDICATIVE, book, price, quantity, self.random.randint(0, 2), self.random.randint(0, 9))
        if kind == 4:
            bid, ask = self.random.choice((0, quantity)), self.random.choice((0, 0, quantity))
            return (wire.QUOTED, book, self.random.randint(1, 3), bid, price, ask, price + 1)
        if kind == 5 and self.trades:
            return (wire.TRADE_BROKEN, *self.trades.pop(self.random.randrange(len(self.trades))))
        if kind == 6 and self.trades:
            return (wire.TRADE_CORRECTED, *self.trades.pop(self.random.randrange(len(self.trades))), price + 1)
        return (wire.STATUS, book, self.random.choice(sorted(wire.PHASES)), "why")

    def _cross(self, book: int, quantity: int, price: int) -> tuple[Any, ...]:
        """An execution of an auction: with a shown order on either side, or with one that nobody saw."""
        orders, leaves = [0, 0], [0, 0]
        for side in (1, 2):
            shown = [index for index, row in enumerate(self.live) if row[0] == book and row[2] == side]
            if shown and self.random.random() < 0.7:
                index = self.random.choice(shown)
                order = orders[side - 1] = self.live[index][1]
                left = leaves[side - 1] = max(0, self.left[order] - quantity)
                self.left[order] = left
                if not left:
                    self._remove(index)
        return (wire.CROSS_TRADED, book, *orders, quantity, price, self._matched(book, quantity, price), *leaves)

    def _added(self, book: int) -> tuple[Any, ...]:
        side, quantity = self.random.choice((1, 2)), self.random.randint(1, 100)
        order, price = self._rest(book, side, quantity)
        return (wire.ADDED, book, order, side, quantity, price)

    def _rest(self, book: int, side: int, quantity: int) -> tuple[int, int]:
        self.order += 1
        steps = self.random.randint(1, 8)
        price = (18_550 - steps if side == 1 else 18_550 + steps) * 1_000_000
        self.live.append((book, self.order, side, price))
        self.left[self.order] = quantity
        return self.order, price

    def _replaced(self, index: int) -> tuple[Any, ...]:
        book, previous, side, _ = self.live[index]
        self._remove(index)
        quantity = self.random.randint(1, 100)
        order, price = self._rest(book, side, quantity)
        return (wire.ORDER_REPLACED, book, previous, order, quantity, price)

    def _remove(self, index: int) -> None:
        del self.left[self.live[index][1]]
        self.live[index] = self.live[-1]
        self.live.pop()


class FakeMatcher:
    """The matcher's end of the bus for one publisher, in a thread: it keeps the public stream and sends it."""

    def __init__(self, directory: bus.Directory) -> None:
        self.directory = directory
        self.epoch = 1
        self.frames: list[tuple[int, int, tuple[Any, ...]]] = []  # first event, time_ns, events
        self.end = 0
        self.acked = 0
        self.hellos: list[tuple[Any, ...]] = []
        self.replies: dict[int, tuple[Any, ...]] = {}
        self.changed = threading.Condition()
        self._outbox: list[tuple[int, tuple[Any, ...]]] = []
        self._questions: list[bytes] = []
        self._asked = 0
        self._known = False
        self._sent = 0  # frames
        self._read, self._write = socket.socketpair()
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = bus.matcher_socket(self._context, directory.address("bus"))
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    # ---- for the test
    def publish(self, events: Events, time_ns: int) -> None:
        with self.changed:
            self._outbox.append((time_ns, events))
        self._write.send(b".")

    def wait_acked(self, timeout: float = 10.0) -> None:
        """Until the publisher says that it holds everything."""
        with self.changed:
            assert self.changed.wait_for(lambda: not self._outbox and self.acked == self.end, timeout), self.acked

    def wait_hellos(self, count: int, timeout: float = 10.0) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.hellos) >= count, timeout)

    def ask(self, what: str, timeout: float = 10.0) -> tuple[int, Any]:
        """QUERY the publisher; returns ok and the decoded body."""
        with self.changed:
            self._asked += 1
            number = self._asked
            self._questions.append(wire.frame(wire.QUERY, number, "marketdata", "control", what, "{}"))
        self._write.send(b".")
        with self.changed:
            assert self.changed.wait_for(lambda: number in self.replies, timeout)
            return self.replies[number][4], json.loads(self.replies[number][5])

    def forget(self, last_event: int) -> None:
        """Lose what came after `last_event`, as a power loss would, and start a new epoch."""
        with self.changed:
            self.frames = [frame for frame in self.frames if frame[0] + len(frame[2]) - 1 <= last_event]
            self.end = self.frames[-1][0] + len(self.frames[-1][2]) - 1 if self.frames else 0
            self.epoch += 1
            self._known = False

    def close(self) -> None:
        self._stopping = True
        self._write.send(b".")
        self._thread.join(10)
        self._socket.close(0)
        self._context.term()
        self._read.close()
        self._write.close()

    # ---- the thread
    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._read, zmq.POLLIN)
        while not self._stopping:
            ready = dict(poller.poll())
            if self._read.fileno() in ready:
                self._read.recv(4096)
            while self._socket.poll(0):
                identity, data = self._socket.recv_multipart()
                if data:
                    self._take(identity, wire.decode_frame(data))
                else:  # a new connection
                    self._put(identity, wire.frame(wire.ERROR, wire.ERROR_HELLO, "say HELLO"))
            with self.changed:
                for time_ns, events in self._outbox:
                    self.frames.append((self.end + 1, time_ns, events))
                    self.end += len(events)
                self._outbox.clear()
                self._send()
                self.changed.notify_all()

    def _take(self, identity: bytes, message: tuple[Any, ...]) -> None:
        kind = message[0]
        if kind == wire.HELLO:
            self.hellos.append(message)
            self._known = True
            self._sent = bisect_left(self.frames, message[4] + 1, key=itemgetter(0))
            self._put(identity, wire.frame(wire.WELCOME, self.epoch, 0, self.end))
        elif kind == wire.REPLY:
            self.replies[message[1]] = message
        elif not self._known:
            self._put(identity, wire.frame(wire.ERROR, wire.ERROR_HELLO, "say HELLO"))
        elif kind == wire.ACK:
            self.acked = message[2]

    def _send(self) -> None:
        if not self._known:
            return
        while self._sent < len(self.frames):
            some = self.frames[self._sent : self._sent + 32]
            data = [wire.frame(wire.EV, self.epoch, first, time_ns, events) for first, time_ns, events in some]
            if not self._put(b"marketdata", *data):
                return
            self._sent += len(some)
        while self._questions and self._put(b"marketdata", self._questions[0]):
            del self._questions[0]

    def _put(self, identity: bytes, *data: bytes) -> bool:
        try:
            self._socket.send_multipart([identity, *data], zmq.NOBLOCK)
        except zmq.ZMQError:
            return False
        return True


class Venue:
    """A directory, a matcher's end of the bus, and a publisher process."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="oo-md-"))
        self.directory = bus.Directory(self.path).create()
        self.matcher = FakeMatcher(self.directory)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, hwm: int = feed.FEED_HWM) -> None:
        """Start the publisher and wait until it has said HELLO to the matcher."""
        before = len(self.matcher.hellos)
        with open(self.path / "log" / "marketdata.log", "ab") as log:
            self.process = subprocess.Popen([sys.executable, "-c", RUN, str(self.path), str(hwm)], stderr=log)
        self.matcher.wait_hellos(before + 1)

    def log(self) -> str:
        return (self.path / "log" / "marketdata.log").read_text()

    def kill(self, number: int = signal.SIGKILL) -> int:
        """End the publisher with a signal; returns its exit code."""
        assert self.process is not None
        os.kill(self.process.pid, number)
        return self.process.wait(10)

    def client(self, **options: Any) -> MarketDataClient:
        return MarketDataClient.from_directory(self.path, **options)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.matcher.close()
        shutil.rmtree(self.path)


@contextmanager
def venue() -> Iterator[Venue]:
    made = Venue()
    try:
        yield made
    finally:
        made.close()


def now_ns() -> int:
    return time.monotonic_ns()
