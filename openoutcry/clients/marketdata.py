"""A market data client: subscribes, rebuilds books, repairs itself; synchronous, on a zmq.Poller.

    with MarketDataClient(feed_address, snapshot_address) as client:
        client.subscribe("AAPL")
        client.wait_live("AAPL")
        client.wait_for(lambda: client.book("AAPL").bbo.bid_quantity)
        for trade in client.trades("AAPL"):
            print(feed.price_text(trade.price), trade.quantity)

Invariant: whatever is lost on the way, a book that is ``live`` is the publisher's book at some moment, and moves on
only by complete steps (openoutcry.clients.replica). Nothing happens between calls: ``poll`` does all the work, and
``wait_for``, ``wait_live`` and ``symbols`` call it. One client belongs to one thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, NamedTuple

import zmq

from openoutcry import bus, feed, wire
from openoutcry.clients import replica
from openoutcry.clients.replica import LIVE, Book, Replica
from openoutcry.errors import ClientError, WireError
from openoutcry.feed import Instrument, SymbolRow, Trade

BATCH: Final = 1_000  # feed messages taken before answers and requests get their turn
TICK_MS: Final = 20  # longest poll: how late a repeated request can be
PENDING_MAX: Final = 1_000  # requests without an answer yet; older ones are forgotten
TIMEOUT_S: Final = 5.0


class _Pending(NamedTuple):
    what: str
    symbol: str  # "": of no replica


class MarketDataClient:
    """Feed and snapshots of one publisher.

    feed_address, snapshot_address: where it serves (``directory.announced("marketdata")`` says it).
    channels: what ``subscribe`` joins unless told otherwise. Heartbeats always come with it.
    receive_hwm: feed messages that may wait here between two calls of ``poll``.
    """

    def __init__(
        self, feed_address: str, snapshot_address: str, *, channels: tuple[str, ...] = feed.CHANNELS,
        receive_hwm: int = feed.RECEIVE_HWM, context: zmq.Context[Any] | None = None,
    ) -> None:  # fmt: skip
        self.channels = replica.check_channels(tuple(channels))
        self._owner = os.getpid()
        self._own_context = context is None
        self._context: zmq.Context[Any] = zmq.Context() if context is None else context
        self._replicas: dict[str, Replica] = {}
        self._topics: dict[bytes, tuple[str, Replica]] = {}
        self._pending: dict[int, _Pending] = {}
        self._answers: dict[int, tuple[str, tuple[Any, ...]]] = {}  # to requests of no replica
        self._number = 0
        self._next_look_ns = 0
        self.counters = {"messages": 0, "malformed": 0, "requests": 0, "stale_replies": 0}
        try:
            self._feed = _socket(self._context, zmq.SUB, feed_address, receive_hwm)
            self._service = _socket(self._context, zmq.DEALER, snapshot_address, bus.HWM_FRAMES)
        except BaseException:
            self.close()
            raise
        self._poller = zmq.Poller()
        self._poller.register(self._feed, zmq.POLLIN)
        self._poller.register(self._service, zmq.POLLIN)

    @classmethod
    def from_directory(cls, path: str | os.PathLike[str], **options: Any) -> MarketDataClient:
        """The client of the exchange that lives in directory `path`. Raises ClientError when it was never up."""
        facts = bus.Directory(path).announced("marketdata")
        if "feed" not in facts or "snapshot" not in facts:
            raise ClientError(f"no market data in {path}: is the exchange up?")
        return cls(facts["feed"], facts["snapshot"], **options)

    # ---- subscribing
    def subscribe(self, symbol: str, *, channels: tuple[str, ...] | None = None, recent_trades: int = 0) -> None:
        """Join a symbol. recent_trades: how many of the last trade messages to fetch as well."""
        if symbol in self._replicas:
            return
        chosen = self.channels if channels is None else replica.check_channels(tuple(channels))
        joined = Replica(symbol, chosen, time.monotonic_ns(), recent_trades)
        self._replicas[symbol] = joined
        for channel in (*chosen, feed.HEARTBEAT):
            topic = self._topic(channel, symbol)
            self._topics[topic] = (channel, joined)
            self._feed.setsockopt(zmq.SUBSCRIBE, topic)
        self._next_look_ns = 0

    def unsubscribe(self, symbol: str) -> None:
        """Leave a symbol."""
        left = self._replicas.pop(symbol)
        for channel in (*left.channels, feed.HEARTBEAT):
            topic = self._topic(channel, symbol)
            del self._topics[topic]
            self._feed.setsockopt(zmq.UNSUBSCRIBE, topic)

    @staticmethod
    def _topic(channel: str, symbol: str) -> bytes:
        if not symbol or not symbol.isascii() or "/" in symbol or len(symbol) > wire.NAME_MAX:
            raise ClientError(f"{symbol[:80]!r} cannot be a symbol")
        return feed.topic(channel, symbol)

    # ---- what is known
    def book(self, symbol: str) -> Book:
        """The book of a subscribed symbol, as of the last ``poll``; empty before it is live. It may be replaced by
        another object whenever a snapshot is taken."""
        return self._replica(symbol).book

    def is_live(self, symbol: str) -> bool:
        """Whether the book of a subscribed symbol is complete and following the feed."""
        return self._replica(symbol).state == LIVE

    def is_settled(self, symbol: str) -> bool:
        """Whether nothing is missing of a subscribed symbol: its book is live, and every trade asked for has come."""
        return not self._replica(symbol).asking

    def counters_of(self, symbol: str) -> dict[str, int]:
        """What has come of a subscribed symbol: messages, changes, trades, gaps, snapshots, and so on."""
        return self._replica(symbol).counters

    def trades(self, symbol: str) -> Iterator[Trade]:
        """The trades of a subscribed symbol that have not been taken yet, oldest first; each comes once, as it was
        told: ``book(symbol).corrections`` says which were broken or corrected later."""
        waiting = self._replica(symbol).trades
        while waiting:
            yield waiting.popleft()

    def recent_trades(self, symbol: str) -> list[Trade]:
        """The last trades of a subscribed symbol (at most replica.RECENT_MAX), oldest first; also those that ``trades``
        has handed out. Broken ones are not among them, and corrected ones have the price that holds."""
        return list(self._replica(symbol).recent)

    def _replica(self, symbol: str) -> Replica:
        try:
            return self._replicas[symbol]
        except KeyError:
            raise ClientError(f"not subscribed to {symbol!r}") from None

    # ---- moving
    def poll(self, timeout: float = 0.0) -> int:
        """Take what has come, waiting up to `timeout` seconds for the first of it. Returns the number of messages."""
        if self._owner != os.getpid():  # ZeroMQ's threads are there
            raise ClientError("this client belongs to the process that this one was forked from")
        deadline_ns = time.monotonic_ns() + int(timeout * 1e9)
        while True:
            count = self._receive()
            now_ns = time.monotonic_ns()
            if now_ns >= self._next_look_ns:
                self._ask(now_ns)
            if count or now_ns >= deadline_ns:
                return count
            left_ms = (deadline_ns - now_ns + 999_999) // 1_000_000
            self._poller.poll(min(TICK_MS, left_ms))

    def wait_for(self, predicate: Callable[[], Any], timeout: float = TIMEOUT_S) -> Any:
        """Poll until `predicate()` is true; returns its value. Raises ClientError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            value = predicate()
            if value:
                return value
            left = deadline - time.monotonic()
            if left <= 0:
                raise ClientError(f"waited {timeout:g} s in vain; {self._where()}")
            self.poll(min(left, 0.1))

    def wait_live(self, symbol: str, timeout: float = TIMEOUT_S) -> Book:
        """Wait until the book of a subscribed symbol is complete. Raises ClientError after `timeout` seconds; it says
        whether nothing answers or there is no such symbol."""
        found = self._replica(symbol)
        try:
            self.wait_for(lambda: found.state == LIVE, timeout)
        except ClientError:
            if found.error == "unknown_symbol":
                known = ", ".join(sorted(row.topic for row in self.symbols())[:50]) or "none"
                raise ClientError(f"no symbol {symbol!r}; there are: {known}") from None
            raise ClientError(f"no snapshot of {symbol!r} in {timeout:g} s: does the publisher run?") from None
        return found.book

    def _where(self) -> str:
        return ", ".join(f"{symbol} is {found.state}" for symbol, found in self._replicas.items()) or "no symbols"

    def _receive(self) -> int:
        count = 0
        feed_recv, topics = self._feed.recv_multipart, self._topics
        try:
            while count < BATCH:
                parts = feed_recv(zmq.NOBLOCK)
                count += 1
                known = topics.get(parts[0])
                if known is not None and len(parts) == 2:
                    self._message(known[0], known[1], parts[1])
        except zmq.Again:
            pass
        self.counters["messages"] += count
        return count + self._receive_replies()

    def _message(self, channel: str, target: Replica, data: bytes) -> None:
        try:
            target.receive(channel, feed.decode(channel, data), time.monotonic_ns())
        except WireError:
            self.counters["malformed"] += 1  # its number is missing now, which brings a snapshot
        if target.asking:
            self._next_look_ns = 0

    def _receive_replies(self) -> int:
        count = 0
        while True:
            try:
                parts = self._service.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return count
            count += 1
            try:
                self._reply(*feed.decode_reply(parts[-1]))
            except WireError:
                self.counters["malformed"] += 1  # it is asked for again
            self._next_look_ns = 0

    def _reply(self, number: int, error: str, body: tuple[Any, ...]) -> None:
        pending = self._pending.pop(number, None)
        if pending is None:
            self.counters["stale_replies"] += 1
        elif not pending.symbol:
            self._answers[number] = (error, body)
        elif pending.symbol in self._replicas:
            self._replicas[pending.symbol].reply(pending.what, error, body, time.monotonic_ns())

    def _ask(self, now_ns: int) -> None:
        self._next_look_ns = now_ns + TICK_MS * 1_000_000
        for symbol, found in self._replicas.items():
            for what, *arguments in found.requests(now_ns):
                self._request(symbol, what, *arguments)

    def _request(self, symbol: str, what: str, *arguments: Any) -> int:
        self._number += 1
        self.counters["requests"] += 1
        if len(self._pending) >= PENDING_MAX:
            del self._pending[next(iter(self._pending))]
        self._pending[self._number] = _Pending(what, symbol)
        try:
            self._service.send_multipart([b"", feed.request(self._number, what, *arguments)], zmq.NOBLOCK)
        except zmq.Again:
            pass  # nobody is there; it is asked again
        return self._number

    def symbols(self, timeout: float = TIMEOUT_S) -> list[SymbolRow]:
        """Every book there is. Raises ClientError when the publisher does not answer in `timeout` seconds."""
        deadline = time.monotonic() + timeout
        rows: list[SymbolRow] = []
        while True:
            total, page = feed.decode_symbols(self._call(deadline, feed.SYMBOLS, len(rows)))
            rows += page
            if len(rows) >= total or not page:
                return rows

    def instrument(self, symbol: str, timeout: float = TIMEOUT_S) -> Instrument:
        """The reference data of a symbol, subscribed to or not. Raises ClientError when there is no such symbol, or
        when the publisher does not answer in `timeout` seconds."""
        return feed.decode_instrument(self._call(time.monotonic() + timeout, feed.INSTRUMENT_OF, symbol))

    def _call(self, deadline: float, what: str, *arguments: Any) -> tuple[Any, ...]:
        """Ask and wait, again every replica.RETRY_NS (Lazy Pirate)."""
        while (left := deadline - time.monotonic()) > 0:
            number = self._request("", what, *arguments)
            until = time.monotonic() + min(left, replica.RETRY_NS / 1e9)
            while number not in self._answers and (rest := until - time.monotonic()) > 0:
                self.poll(rest)
            error, body = self._answers.pop(number, ("", None))
            if error:
                raise ClientError(f"{what}: {error}: {body and body[0]}")
            if body is not None:
                return body
        raise ClientError("the snapshot service does not answer: is the exchange up?")

    def statistics(self) -> dict[str, Any]:
        """Counters of the client, and per symbol: state, counters, numbers."""
        return {
            **self.counters,
            "symbols": {
                symbol: {"state": found.state, **found.counters, "seqs": dict(found.seqs)}
                for symbol, found in self._replicas.items()
            },
        }

    # ---- end
    def close(self) -> None:
        """Close the sockets; the client is of no use afterwards."""
        for socket in (getattr(self, "_feed", None), getattr(self, "_service", None)):
            if socket is not None:
                socket.close(0)
        if self._own_context:
            self._context.term()

    def __enter__(self) -> MarketDataClient:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def _socket(context: zmq.Context[Any], kind: int, address: str, receive_hwm: int) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = context.socket(kind)
    for option, value in (
        (zmq.LINGER, 0), (zmq.RCVHWM, receive_hwm), (zmq.SNDHWM, bus.HWM_FRAMES), (zmq.MAXMSGSIZE, wire.FRAME_MAX),
        (zmq.RECONNECT_IVL, 20),
    ):  # fmt: skip
        socket.setsockopt(option, value)
    try:
        socket.connect(address)
    except zmq.ZMQError as error:
        socket.close(0)
        raise ClientError(f"cannot connect to {address!r}: {error}") from None
    return socket
