"""What the market data publisher says, for one gateway: books that are followed, the list of all books, their facts.

    feed.follow(topic, by_order) -> Followed    one for all who follow that book; each says feed.leave(followed)
    feed.find(engine, symbol) -> SymbolRow | None, feed.rows(engine)    of the list as it was last asked for
    feed.refresh(then)                          ask for the list, and call then() when it has come, or cannot be had
    feed.look_up(engine, symbols, then)         the same, but twice when a symbol is not in it: it may be quite new
    feed.instrument(topic, then)                ask for a book's reference data, and call then(properties or None)

The sockets' file descriptors are watched by the gateway's loop; a book is kept by openoutcry.clients.replica, whose
repairs are this module's business as well. Nothing is opened before somebody asks for something.

Invariant: every ``then`` is called once, in a turn of the loop of its own, within WAIT_NS. Books that have changed are
handed to ``changed`` once a turn. What is told to whom is openoutcry.gateway.fix.market's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic_ns
from typing import Any, Final

import zmq

from openoutcry import bus, feed, wire
from openoutcry.clients.replica import LIVE, Book, Replica
from openoutcry.errors import WireError
from openoutcry.feed import Correction, SymbolRow, Trade

TICK_S: Final = 0.02  # how late a repeated request can be, while something is missing
BATCH: Final = 500  # messages of the feed in one turn: clients are served in between
WAIT_NS: Final = 5_000_000_000  # how long an answer may take
RETRY_NS: Final = 500_000_000  # an unanswered request is sent again
FRESH_NS: Final = 100_000_000  # the list of books is not asked for more often than this
LOOK_AGAIN_S: Final = 0.12  # longer than that: a book that is not listed may have been made just now
PENDING_MAX: Final = 4_096  # requests under way; more wait for no answer at all

CHANNELS: Final = (feed.TRADE, feed.DEPTH, feed.STATUS, feed.STATS, feed.CORRECTION, feed.INSTRUMENT)
BY_ORDER: Final = (feed.TRADE, feed.ORDER, feed.STATUS, feed.STATS, feed.CORRECTION, feed.INSTRUMENT)


class Followed:
    """A book that somebody follows. trades, corrections: new ones, until ``changed`` has seen them."""

    __slots__ = ("by_order", "corrections", "known", "last", "replica", "topic", "trades", "watchers")

    def __init__(self, topic: str, by_order: bool, now_ns: int) -> None:
        self.topic = topic
        self.by_order = by_order
        self.replica = Replica(topic, BY_ORDER if by_order else CHANNELS, now_ns, recent_trades=1)
        self.watchers = 0
        self.last: Trade | None = None
        self.trades: list[Trade] = []
        self.corrections: list[Correction] = []
        self.known: dict[Correction, None] = {}

    @property
    def book(self) -> Book:
        """As it is now; empty before it is ``settled``."""
        return self.replica.book

    @property
    def settled(self) -> bool:
        """Whether nothing of it is missing."""
        return not self.replica.asking

    def take(self) -> None:
        """Look for what is new."""
        waiting = self.replica.trades
        while waiting:
            self.last = waiting.popleft()
            self.trades.append(self.last)
        for correction in self.replica.book.corrections:
            if correction not in self.known:
                self.known[correction] = None
                self.corrections.append(correction)
        while len(self.known) > 2 * feed.CORRECTIONS_KEPT:
            del self.known[next(iter(self.known))]


class _Request:
    """One question to the snapshot service. then(error, body): who asked, None for a replica's own."""

    __slots__ = ("followed", "sent_ns", "then", "until_ns", "words")

    def __init__(
        self, words: tuple[Any, ...], then: Callable[[str, Any], None] | None, followed: Followed | None
    ) -> None:
        self.words = words
        self.then = then
        self.followed = followed
        self.sent_ns = monotonic_ns()
        self.until_ns = self.sent_ns + WAIT_NS


class MarketFeed:
    """See the module. changed(books): what has changed in this turn."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, directory: bus.Directory, changed: Callable[[list[Followed]], None]
    ) -> None:
        self.loop = loop
        self.context: zmq.Context[Any] | None = None
        self.directory = directory
        self.changed = changed
        self.counters = {"messages": 0, "malformed": 0, "requests": 0, "unanswered": 0}
        self._followed: dict[tuple[str, bool], Followed] = {}
        self._topics: dict[bytes, list[tuple[str, Followed]]] = {}
        self._requests: dict[int, _Request] = {}
        self._number = 0
        self._rows: dict[tuple[str, str], SymbolRow] = {}
        self._rows_ns = 0  # when they were complete
        self._coming: list[SymbolRow] = []
        self._waiting: list[Callable[[], None]] = []  # for the rows
        self._dirty: dict[Followed, None] = {}
        self._ticking = self._draining = self._telling = False
        self._feed: zmq.Socket[bytes] | None = None
        self._service: zmq.Socket[bytes] | None = None

    # --------------------------------------------------------------------------------------------- sockets
    def _open(self) -> None:
        if self.context is None:
            self.context = zmq.Context(1)
            self._feed = _socket(self.context, zmq.SUB, self.directory.address("feed"), feed.FEED_HWM)
            self._service = _socket(self.context, zmq.DEALER, self.directory.address("snapshot"), bus.HWM_FRAMES)
            for source in (self._feed, self._service):
                self.loop.add_reader(int(source.getsockopt(zmq.FD)), self._readable)

    def close(self) -> None:
        """Close the sockets; nobody is called any more."""
        for source in (self._feed, self._service):
            if source is not None:
                self.loop.remove_reader(int(source.getsockopt(zmq.FD)))
                source.close(0)
        self._feed = self._service = None
        if self.context is not None:
            self.context.term()
        self._requests.clear()
        self._waiting.clear()

    def _readable(self) -> None:
        """The descriptors are edge-triggered: whatever has come must be taken, in this turn or in one that is sure."""
        if not self._draining:
            self._draining = True
            self.loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._draining = False
        if self._feed is None or self._service is None:
            return
        now_ns = monotonic_ns()
        if self._take_feed(self._feed, now_ns) + self._take_replies(self._service, now_ns) >= BATCH:
            self._readable()
        self._ask(now_ns)
        if bus.readable(self._feed) or bus.readable(self._service):
            self._readable()

    def _take_feed(self, source: zmq.Socket[bytes], now_ns: int) -> int:
        count, topics, dirty = 0, self._topics, self._dirty
        try:
            while count < BATCH:
                parts = source.recv_multipart(zmq.NOBLOCK)
                count += 1
                for channel, followed in topics.get(parts[0], ()):
                    try:
                        followed.replica.receive(channel, feed.decode(channel, parts[-1]), now_ns)
                    except WireError:  # its number is missing now, which brings a snapshot
                        self.counters["malformed"] += 1
                    dirty[followed] = None
        except zmq.Again:
            pass
        self.counters["messages"] += count
        self._tell()
        return count

    def _tell(self) -> None:
        if self._dirty and not self._telling:
            self._telling = True
            self.loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._telling = False
        dirty, self._dirty = [each for each in self._dirty if each.watchers and each.settled], {}
        for followed in dirty:
            followed.take()
        if dirty:
            self.changed(dirty)
        for followed in dirty:
            followed.trades.clear()
            followed.corrections.clear()

    # --------------------------------------------------------------------------------------------- requests
    def _ask(self, now_ns: int) -> None:
        """What replicas miss, and what was not answered."""
        for followed in self._followed.values():
            if followed.replica.asking:
                for words in followed.replica.requests(now_ns):
                    self._request(words, None, followed)
        for number, request in list(self._requests.items()):
            if now_ns > request.until_ns:
                del self._requests[number]
                if request.then is not None:
                    self.counters["unanswered"] += 1
                    request.then("silence", None)
            elif request.then is not None and now_ns - request.sent_ns > RETRY_NS:
                request.sent_ns = now_ns
                self._send(number, request)
        if (self._requests or any(each.replica.asking for each in self._followed.values())) and not self._ticking:
            self._ticking = True
            self.loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        self._readable()

    def _request(
        self, words: tuple[Any, ...], then: Callable[[str, Any], None] | None, followed: Followed | None = None
    ) -> None:
        self._open()
        self._number += 1
        while len(self._requests) >= PENDING_MAX:
            dropped = self._requests.pop(next(iter(self._requests)))
            if dropped.then is not None:
                self.loop.call_soon(dropped.then, "silence", None)
        request = self._requests[self._number] = _Request(words, then, followed)
        self._send(self._number, request)
        self._readable()

    def _send(self, number: int, request: _Request) -> None:
        self.counters["requests"] += 1
        try:
            if self._service is not None:
                self._service.send_multipart([b"", feed.request(number, *request.words)], zmq.NOBLOCK)
        except zmq.Again:
            pass  # nobody is there; it is asked again

    def _take_replies(self, source: zmq.Socket[bytes], now_ns: int) -> int:
        count = 0
        while True:
            try:
                parts = source.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return count
            count += 1
            try:
                self._reply(*feed.decode_reply(parts[-1]), now_ns)
            except WireError:
                self.counters["malformed"] += 1

    def _reply(self, number: int, error: str, body: tuple[Any, ...], now_ns: int) -> None:
        request = self._requests.pop(number, None)
        if request is None:
            return
        if request.then is not None:
            request.then(error, body)
        elif request.followed is not None and request.followed.watchers:
            request.followed.replica.reply(request.words[0], error, body, now_ns)
            self._dirty[request.followed] = None
            self._tell()

    # --------------------------------------------------------------------------------------------- books
    def follow(self, topic: str, by_order: bool) -> Followed:
        """A book, with one more who follows it."""
        self._open()
        found = self._followed.get((topic, by_order))
        if found is None:
            found = self._followed[topic, by_order] = Followed(topic, by_order, monotonic_ns())
            for channel in (*found.replica.channels, feed.HEARTBEAT):
                self._subscribe(channel, found)
            self._readable()
        found.watchers += 1
        return found

    def _subscribe(self, channel: str, followed: Followed) -> None:
        name = feed.topic(channel, followed.topic)
        self._topics.setdefault(name, []).append((channel, followed))
        if self._feed is not None:
            self._feed.setsockopt(zmq.SUBSCRIBE, name)

    def leave(self, followed: Followed) -> None:
        """One fewer follows it."""
        followed.watchers -= 1
        if followed.watchers:
            return
        del self._followed[followed.topic, followed.by_order]
        for channel in (*followed.replica.channels, feed.HEARTBEAT):
            name = feed.topic(channel, followed.topic)
            self._topics[name].remove((channel, followed))
            if not self._topics[name]:
                del self._topics[name]
            if self._feed is not None:
                self._feed.setsockopt(zmq.UNSUBSCRIBE, name)

    # --------------------------------------------------------------------------------------------- all books
    def rows(self, engine: str) -> list[SymbolRow]:
        """The books of an engine, as they were last heard of."""
        return [row for (owner, _), row in self._rows.items() if owner == engine]

    def find(self, engine: str, symbol: str) -> SymbolRow | None:
        """A book of an engine, as it was last heard of."""
        return self._rows.get((engine, symbol))

    @property
    def known(self) -> bool:
        """Whether the list of books has come at least once."""
        return self._rows_ns > 0

    def refresh(self, then: Callable[[], None]) -> None:
        """Have the list of books as it is now, or as it was at most FRESH_NS ago."""
        if self.known and monotonic_ns() - self._rows_ns < FRESH_NS:
            self.loop.call_soon(then)
            return
        self._waiting.append(then)
        if len(self._waiting) == 1:
            self._coming = []
            self._request((feed.SYMBOLS, 0), self._take_rows)

    def look_up(self, engine: str, symbols: Iterable[str], then: Callable[[], None]) -> None:
        """Have a list of books in which symbols are that there are."""
        wanted = list(symbols)

        def look() -> None:
            if all(self.find(engine, symbol) for symbol in wanted) or not self.known:
                then()
            else:
                self.loop.call_later(LOOK_AGAIN_S, self.refresh, then)

        self.refresh(look)

    def _take_rows(self, error: str, body: Any) -> None:
        rows: list[SymbolRow] = []
        total = 0
        if not error:
            try:
                total, rows = feed.decode_symbols(body)
            except WireError:
                self.counters["malformed"] += 1
        self._coming += rows
        if rows and len(self._coming) < total:
            self._request((feed.SYMBOLS, len(self._coming)), self._take_rows)
            return
        if not error:
            self._rows = {(row.engine, row.symbol): row for row in self._coming}
            self._rows_ns = monotonic_ns()
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            self.loop.call_soon(then)

    def instrument(self, topic: str, then: Callable[[dict[str, Any] | None], None]) -> None:
        """Have a book's reference data."""

        def take(error: str, body: Any) -> None:
            try:
                then(None if error else dict(feed.decode_instrument(body).properties))
            except WireError:
                then(None)

        self._request((feed.INSTRUMENT_OF, topic), take)

    def statistics(self) -> dict[str, int]:
        """Counters, and what is followed."""
        live = sum(each.replica.state == LIVE for each in self._followed.values())
        return {**self.counters, "followed": len(self._followed), "live": live, "books": len(self._rows)}


def _socket(context: zmq.Context[Any], kind: int, address: str, receive_hwm: int) -> zmq.Socket[bytes]:
    source: zmq.Socket[bytes] = context.socket(kind)
    for option, value in (
        (zmq.LINGER, 0), (zmq.RCVHWM, receive_hwm), (zmq.SNDHWM, bus.HWM_FRAMES), (zmq.MAXMSGSIZE, wire.FRAME_MAX),
        (zmq.RECONNECT_IVL, 20),
    ):  # fmt: skip
        source.setsockopt(option, value)
    source.connect(address)
    return source
