"""The publisher without sockets: public events in, feed messages out; subscriptions in, flags out.

Rule 1. One message a topic and frame of events: `depth` has the touched levels with their final values, `bbo` is
        made only when it differs at the end of the frame.
Rule 2. A topic's number moves whether anyone listens or not; only the message is made for those who listen. So what
        nobody subscribes to costs one flag, and a subscriber's view never depends on who else is there.
Rule 3. Within a frame a book's messages leave in the order trade, order, depth, bbo, status, auction, correction,
        quote, instrument.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from openoutcry import feed, wire
from openoutcry.marketdata.books import Book, Event, Market

Messages = list[tuple[bytes, bytes]]  # (topic, message)

_SUBSCRIBE: Final = 1  # first byte of what XPUB hands up: 1 subscribes, 0 unsubscribes
_ATTRIBUTES: Final = {channel: "want_" + channel for channel in feed.ALL_CHANNELS}
_encode = feed.encode


class Subscriptions:
    """The prefixes that subscribers want. Beyond feed.SUBSCRIPTIONS_MAX of them, everything counts as wanted."""

    def __init__(self) -> None:
        self.prefixes: set[bytes] = set()
        self.untracked = 0
        self.ignored = 0

    def take(self, message: bytes) -> bytes | None:
        """Take one message from XPUB; returns the prefix whose topics are to be looked at again, if any."""
        prefix = message[1:]
        if not message or not _possible(prefix):
            self.ignored += 1
            return None
        if message[0] != _SUBSCRIBE:
            if prefix in self.prefixes:
                self.prefixes.discard(prefix)
                return prefix
            self.untracked = max(0, self.untracked - 1)
            return b""
        if prefix in self.prefixes:
            return prefix
        if len(self.prefixes) >= feed.SUBSCRIPTIONS_MAX:
            self.untracked += 1
            return b""
        self.prefixes.add(prefix)
        return prefix

    @property
    def any(self) -> bool:
        """Whether there is any subscription at all."""
        return bool(self.prefixes or self.untracked)

    def wanted(self, topic: bytes) -> bool:
        """Whether anyone subscribes to `topic`."""
        if self.untracked:
            return True
        prefixes = self.prefixes
        return bool(prefixes) and any(topic[:size] in prefixes for size in range(len(topic) + 1))


def _possible(prefix: bytes) -> bool:
    """Whether some topic can begin with `prefix`."""
    channel, slash, _ = prefix.partition(b"/")
    if len(prefix) > feed.TOPIC_MAX or not prefix.isascii():
        return False
    name = channel.decode()
    return name in feed.ALL_CHANNELS if slash else any(c.startswith(name) for c in feed.ALL_CHANNELS)


class Publisher:
    """Events to messages. ``life``: the number of this start of the publisher, sent in heartbeats."""

    def __init__(self, life: int = 1, market: Market | None = None) -> None:
        self.life = life
        self.market = market or Market()
        self.market.on_book = self._mark
        self.subscriptions = Subscriptions()
        self.counters = dict.fromkeys(feed.ALL_CHANNELS, 0)  # messages made
        self.frames = 0
        self.events = 0

    # ---- events in, messages out
    def apply(self, first: int, time_ns: int, events: tuple[Event, ...]) -> Messages:
        """Apply one frame of public events; returns the messages that someone wants, in order."""
        market = self.market
        out: Messages = []
        self.frames += 1
        self.events += len(events)
        if time_ns >= market.second_ends_ns:
            self._stats(market.end_second(time_ns), out)
        touched = market.apply(first, time_ns, events)
        for book in touched:
            if book.trades and book.want_trade:
                self._add(out, book, feed.TRADE, book.trade_seq, trade_rows(book.trades))
            if book.changed:
                if book.want_order:
                    self._add(out, book, feed.ORDER, book.changes, order_rows(book.events))
                if book.want_depth:
                    self._add(out, book, feed.DEPTH, book.changes, depth_rows(book))
                if book.new_bbo and book.want_bbo:
                    self._add(out, book, feed.BBO, book.bbo_seq, *book.bbo)
            if book.rare:
                self._rare(book, out)
        return out

    def _rare(self, book: Book, out: Messages) -> None:
        if book.new_status and book.want_status:
            self._add(out, book, feed.STATUS, book.status_seq, book.phase_text, book.text)
        if book.auctions and book.want_auction:
            self._add(out, book, feed.AUCTION, book.auction_seq, book.auctions)
        if book.corrected and book.want_correction:
            self._add(out, book, feed.CORRECTION, book.correction_seq, book.correction_rows())
        if book.quoted and book.want_quote:
            self._add(out, book, feed.QUOTE, book.quote_seq, book.quote_rows())
        if book.new_properties and book.want_instrument:
            self._add(out, book, feed.INSTRUMENT, book.instrument_seq, book.properties)

    def idle(self) -> Messages:
        """The stream has been quiet for a second: publish statistics without waiting for the next event."""
        out: Messages = []
        self._stats(self.market.end_second_early(), out)
        return out

    def heartbeats(self, books: Iterable[Book] | None = None) -> Messages:
        """A heartbeat for each book (of `books`) whose heartbeats someone wants."""
        out: Messages = []
        for book in self.market.books.values() if books is None else books:
            if book.want_heartbeat:
                book.beats += 1
                self._add(out, book, feed.HEARTBEAT, book.beats, *book.seqs, self.life)
        return out

    def _stats(self, books: list[Book], out: Messages) -> None:
        for book in books:
            if book.want_stats:
                self._add(out, book, feed.STATS, book.stats_seq, *book.stats())

    def _add(self, out: Messages, book: Book, channel: str, seq: int, *fields: Any) -> None:
        self.counters[channel] += 1
        out.append((book.topics[channel], _encode(seq, self.market.time_ns, *fields)))

    # ---- subscriptions
    def subscribe(self, message: bytes) -> Messages:
        """Take one message from XPUB. A new subscriber to heartbeats gets one at once: it is connected, and may ask
        for its snapshot."""
        prefix = self.subscriptions.take(message)
        if prefix is None:
            return []
        books = list(self._matching(prefix))
        for book in books:
            self._mark(book)
        if message[0] == _SUBSCRIBE and prefix.startswith(b"heartbeat/"):
            return self.heartbeats(books)
        return []

    def _matching(self, prefix: bytes) -> Iterable[Book]:
        parts = prefix.split(b"/")
        if len(parts) == 3:  # one whole topic, as most are
            book = self.market.by_topic.get(parts[1].decode())
            return [book] if book is not None else []
        symbol = parts[1] if len(parts) == 2 else b""
        return [book for topic, book in self.market.by_topic.items() if topic.encode().startswith(symbol)]

    def _mark(self, book: Book) -> None:
        for channel, topic in book.topics.items():
            setattr(book, _ATTRIBUTES[channel], self.subscriptions.wanted(topic))

    # ---- figures
    def statistics(self) -> dict[str, Any]:
        """Counters, and for every topic symbol its numbers and size."""
        return {
            "life": self.life, "last_event": self.market.last_event, "events": self.events, "frames": self.frames,
            "messages": dict(self.counters), "subscriptions": len(self.subscriptions.prefixes),
            "ignored_subscriptions": self.subscriptions.ignored,
            "untracked_subscriptions": self.subscriptions.untracked,
        }  # fmt: skip

    def topic_statistics(self, limit: int) -> dict[str, Any]:
        """Numbers and size of the first `limit` books by topic symbol."""
        found = sorted(self.market.by_topic.items())[:limit]
        return {
            topic: {**dict(zip(feed.CHANNELS, book.seqs, strict=True)), "orders": len(book.orders),
                    "levels": len(book.levels), "phase": book.phase_text}
            for topic, book in found
        }  # fmt: skip


def trade_rows(trades: list[Event]) -> list[tuple[int, ...]]:
    """The rows of a trade message: feed.Trade. A short sale is a sale."""
    return [
        (match, price, quantity, side if side <= wire.SELL else wire.SELL, order)
        for _, _, order, quantity, price, match, side, _ in trades
    ]


def order_rows(events: list[Event]) -> list[tuple[int, ...]]:
    """The rows of an order message: the public events without their book (feed.ORDER_ROWS)."""
    return [(event[0], *event[2:]) for event in events]


def depth_rows(book: Book) -> list[tuple[int, int, int, int]]:
    """The levels that the frame touched, best first on each side, with what they hold now."""
    return [book.level_row(key) for key in sorted(book.keys, reverse=True)]
