"""The market as the public event stream tells it: every book's orders, levels, numbers and statistics.

Invariant: ``Market`` is a pure function of the public stream (events, their times and how they were framed), so
a publisher that starts again from an older image and is sent the rest of the stream counts exactly as before.

A level has a *key*: the price for bids, its bitwise complement for asks. So one dict holds both sides, and on both
sides a better price has a greater key. An order is ``[open quantity, its level]``, a level is
``[key, quantity, orders]``: lists, because they are changed millions of times a second. Orders stand in their dict
in the order in which they got their place, which within one level is time priority.

What is rare (phases, auctions, corrections, indicative quotes, reference data) hides behind one flag, ``Book.rare``, so
that the frames that move most books pay for nothing but orders and trades.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from openoutcry import feed, parameters, wire
from openoutcry.errors import WireError

RETIRED_MAX: Final = 10_000  # topics of deleted books whose numbers are kept, so that they go on when one comes back
SECOND_NS: Final = 1_000_000_000
_ADDED, _TRADED, _REDUCED, _REPLACED = wire.ADDED, wire.TRADED, wire.REDUCED, wire.ORDER_REPLACED
_EMPTY: Final = (0, 0, 0, 0)
_NO_AUCTION: Final = (0, 0, 0, 0, 0)

Event = tuple[Any, ...]


class Book:
    """One book. What the last frame that touched it did is in `trades`, `events`, `keys` and the flags `changed`,
    `new_bbo` and `rare`; with `rare` also in `new_status`, `new_properties`, `auctions`, `corrected` and `quoted`."""

    __slots__ = (
        "asks", "auction", "auction_seq", "auctions", "bbo", "bbo_seq", "beats", "bids", "changed", "changes",
        "corrected", "correction_seq", "corrections", "day", "deleted", "engine", "events", "first_match", "high",
        "instrument_seq", "keys", "last", "levels", "low", "name", "new_bbo", "new_properties", "new_status", "number",
        "open", "orders", "phase", "properties", "quote_seq", "quoted", "quotes", "rare", "ring", "ring_trades",
        "stats_seq", "status_seq", "symbol", "text", "topic", "topics", "touched", "trade_count", "trade_seq", "trades",
        "turnover", "volume", "want_auction", "want_bbo", "want_correction", "want_depth", "want_heartbeat",
        "want_instrument", "want_order", "want_quote", "want_stats", "want_status", "want_trade",
    )  # fmt: skip

    def __init__(self, number: int, name: str, engine: str, symbol: str, topic: str) -> None:
        self.number = number
        self.name = name
        self.engine = engine
        self.symbol = symbol
        self.topic = topic
        self.topics = {channel: feed.topic(channel, topic) for channel in feed.ALL_CHANNELS}
        self.phase = wire.PHASE_OPEN
        self.text = ""
        self.orders: dict[int, list[Any]] = {}
        self.levels: dict[int, list[int]] = {}
        self.bids: list[int] = []  # keys, the best last
        self.asks: list[int] = []
        self.bbo: tuple[int, int, int, int] = _EMPTY
        # numbers of the topics: `changes` is that of both `depth` and `order`
        self.trade_seq = self.bbo_seq = self.changes = self.status_seq = self.stats_seq = 0
        self.auction_seq = self.correction_seq = self.quote_seq = self.instrument_seq = 0
        self.day = 1
        self.open = self.high = self.low = self.last = self.volume = self.trade_count = self.turnover = 0
        self.first_match = 0  # of the day
        self.auction: tuple[int, ...] = _NO_AUCTION  # the newest row of `auction`
        self.corrections: list[tuple[int, ...]] = []  # the newest ones: feed.Correction
        self.quotes: dict[int, tuple[int, ...]] = {}  # by maker: feed.Quote
        self.properties: tuple[tuple[str, Any], ...] = ()
        # (trade_seq, time_ns, trades); a hidden trade and one of an auction have the form of TRADED as well
        self.ring: deque[tuple[int, int, list[Event]]] = deque()
        self.ring_trades = 0
        self.deleted = False
        self.beats = 0  # heartbeats in this life of the publisher
        # this frame: `events` and `keys` only when someone wants them
        self.touched = self.changed = self.new_bbo = self.rare = self.new_status = self.new_properties = False
        self.auctions: list[tuple[int, ...]] = []
        self.corrected: list[Event] = []
        self.quoted: dict[int, None] = {}
        self.trades: list[Event] = []
        self.events: list[Event] = []
        self.keys: set[int] = set()
        # what anyone subscribes to (openoutcry.marketdata.publisher)
        self.want_trade = self.want_bbo = self.want_depth = self.want_order = False
        self.want_status = self.want_stats = self.want_heartbeat = False
        self.want_auction = self.want_correction = self.want_quote = self.want_instrument = False

    def begin_frame(self) -> None:
        """Forget what the frame before did."""
        self.touched = True
        self.changed = self.new_bbo = False
        if self.rare:
            self._forget_rare()
        if self.trades:
            self.trades = []  # not cleared: the ring has the list
        if self.events:
            self.events = []
        if self.keys:
            self.keys = set()

    def _forget_rare(self) -> None:
        self.rare = self.new_status = self.new_properties = False
        self.auctions = []
        self.corrected = []
        self.quoted = {}

    # ---- orders and levels
    def add(self, order: int, key: int, quantity: int) -> None:
        """Give `order` a place at the back of the level `key`."""
        level = self.levels.get(key)
        if level is None:
            self.levels[key] = level = [key, 0, 0]
            insort(self.bids if key >= 0 else self.asks, key)
        level[1] += quantity
        level[2] += 1
        self.orders[order] = [quantity, level]
        if self.want_depth:
            self.keys.add(key)

    def reduce(self, order: int, leaves: int) -> int:
        """Leave `leaves` of `order`; with 0 it is off the book. Returns its level's key."""
        record = self.orders[order]
        level = record[1]
        key: int = level[0]
        level[1] += leaves - record[0]
        if leaves:
            record[0] = leaves
        else:
            del self.orders[order]
            level[2] -= 1
            if not level[2]:
                self._drop(key)
        if self.want_depth:
            self.keys.add(key)
        return key

    def _drop(self, key: int) -> None:
        del self.levels[key]
        keys = self.bids if key >= 0 else self.asks
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]

    def best(self) -> tuple[int, int, int, int]:
        """Best bid price and quantity, best ask price and quantity."""
        if self.bids:
            bid = self.bids[-1]
            bid_quantity = self.levels[bid][1]
        else:
            bid = bid_quantity = 0
        if self.asks:
            ask = self.asks[-1]
            return bid, bid_quantity, ~ask, self.levels[ask][1]
        return bid, bid_quantity, 0, 0

    def level_row(self, key: int) -> tuple[int, int, int, int]:
        """(side, price, quantity, orders) of a level, which may be gone."""
        level = self.levels.get(key)
        if level is None:
            return (wire.BUY, key, 0, 0) if key >= 0 else (wire.SELL, ~key, 0, 0)
        return (wire.BUY, key, level[1], level[2]) if key >= 0 else (wire.SELL, ~key, level[1], level[2])

    def level_rows(self) -> list[tuple[int, int, int, int]]:
        """All levels, bids then asks, best first."""
        return [self.level_row(key) for keys in (self.bids, self.asks) for key in reversed(keys)]

    def order_rows(self) -> list[tuple[int, int, int, int]]:
        """All orders as (order, side, quantity, price): bids then asks, best price first, then by time."""
        found = [(order, record[0], record[1][0]) for order, record in self.orders.items()]
        found.sort(key=lambda row: row[2], reverse=True)  # stable, also in reverse: time priority stays
        return [
            (order, wire.BUY, quantity, key) if key >= 0 else (order, wire.SELL, quantity, ~key)
            for order, quantity, key in found
        ]

    def clear(self) -> None:
        """Forget every order and quote."""
        self.quotes.clear()
        self.orders.clear()
        self.levels.clear()
        self.bids.clear()
        self.asks.clear()

    # ---- numbers and statistics
    @property
    def seqs(self) -> tuple[int, ...]:
        """The last number of each of feed.CHANNELS."""
        return (
            self.trade_seq, self.bbo_seq, self.changes, self.changes, self.status_seq, self.stats_seq, self.auction_seq,
            self.correction_seq, self.quote_seq, self.instrument_seq,
        )  # fmt: skip

    @property
    def numbers(self) -> tuple[int, ...]:
        """What goes on when a deleted book's topic is used again: the topics' numbers, and the day's."""
        return (
            self.trade_seq, self.bbo_seq, self.changes, self.status_seq, self.stats_seq, self.auction_seq,
            self.correction_seq, self.quote_seq, self.instrument_seq, self.day,
        )  # fmt: skip

    @numbers.setter
    def numbers(self, values: tuple[int, ...]) -> None:
        (
            self.trade_seq, self.bbo_seq, self.changes, self.status_seq, self.stats_seq, self.auction_seq,
            self.correction_seq, self.quote_seq, self.instrument_seq, self.day,
        ) = values  # fmt: skip

    @property
    def phase_text(self) -> str:
        """The trading phase in words."""
        return feed.DELETED if self.deleted else wire.PHASES[self.phase]

    def stats(self) -> tuple[Any, ...]:
        """The fields of feed.Stats."""
        return (
            self.open, self.high, self.low, self.last, self.volume, self.trade_count,
            parameters.price_text(self.turnover), self.day,
        )  # fmt: skip

    def count_trades(self, time_ns: int) -> None:
        """Take the frame's trades into the statistics and the ring."""
        trades = self.trades
        prices = [event[4] for event in trades]
        high, low = max(prices), min(prices)
        if not self.trade_count:
            self.open, self.high, self.low = prices[0], high, low
            self.first_match = trades[0][5]
        self.high = max(high, self.high)
        self.low = min(low, self.low)
        self.last = prices[-1]
        self.trade_count += len(trades)
        for event in trades:
            self.volume += event[3]
            self.turnover += event[3] * event[4]
        self.ring.append((self.trade_seq, time_ns, trades))
        self.ring_trades += len(trades)
        while self.ring_trades > feed.TRADES_KEPT and len(self.ring) > 1:
            self.ring_trades -= len(self.ring.popleft()[2])

    def count_rare(self, time_ns: int) -> bool:
        """Give what is rare of the frame its numbers; whether the statistics have changed."""
        if self.new_status:
            self.status_seq += 1
        if self.auctions:
            self.auction_seq += 1
        if self.quoted:
            self.quote_seq += 1
        if self.new_properties:
            self.instrument_seq += 1
        if not self.corrected:
            return False
        self.correction_seq += 1
        for row in self.correction_rows():
            self.corrections.append((*row, time_ns))
            self._correct(*row)
        del self.corrections[: -feed.CORRECTIONS_KEPT]
        return True

    def correction_rows(self) -> list[tuple[int, ...]]:
        """The frame's corrections as (match, quantity, price, new price), the new price 0 for a broken trade."""
        return [(*event[2:], 0) if event[0] == wire.TRADE_BROKEN else event[2:] for event in self.corrected]

    def _correct(self, match: int, quantity: int, price: int, new_price: int) -> None:
        """Take a correction into the statistics, if the trade is of today. Open, high, low and last stay what they
        were: the market was there. Without any trade left, open, high and low are 0 again."""
        if not self.trade_count or match < self.first_match:
            return
        self.turnover += quantity * (new_price - price)
        if not new_price:
            self.volume -= quantity
            self.trade_count -= 1
            if not self.trade_count:
                self.open = self.high = self.low = 0

    def quote_rows(self) -> list[tuple[int, ...]]:
        """What the makers that quoted in this frame quote now."""
        return [self.quotes.get(maker, (maker, 0, 0, 0, 0)) for maker in self.quoted]

    def tell_auction(self, *row: int) -> None:
        """The frame has a row of `auction`. Of several indicative ones in a row, the last counts."""
        self.rare = True
        if self.auctions and not row[0] and not self.auctions[-1][0]:
            self.auctions.pop()
        self.auctions.append(row)
        self.auction = row

    def start_day(self) -> None:
        """A new trading day: statistics begin again, except for the last price."""
        self.day += 1
        self.open = self.high = self.low = self.volume = self.trade_count = self.turnover = 0


class Market:
    """All books. ``apply`` takes one frame of events and returns the books that it touched."""

    def __init__(self) -> None:
        self.books: dict[int, Book] = {}
        self.by_topic: dict[str, Book] = {}
        self.retired: dict[str, tuple[int, ...]] = {}  # topic -> numbers and day of a deleted book
        self.on_book: Callable[[Book], None] | None = None  # called with each new book, before its first order
        self.dirty: dict[Book, None] = {}  # whose statistics changed in the current second
        self.early: dict[Book, None] = {}  # whose statistics of the current second were published before its end
        self.second_ends_ns = 0
        self.last_event = 0
        self.time_ns = 0

    def end_second(self, time_ns: int) -> list[Book]:
        """The stream has come to `time_ns`, in a later second: the books whose statistics are due for publication."""
        due = list(self.dirty)
        for book in due:
            if book not in self.early:
                book.stats_seq += 1
        self.dirty.clear()
        self.early.clear()
        self.second_ends_ns = (time_ns // SECOND_NS + 1) * SECOND_NS
        return due

    def end_second_early(self) -> list[Book]:
        """Nothing has come for a while: the books whose statistics are due. What this second may still bring is
        published under the same number, so that the numbers stay a function of the stream alone."""
        due = [book for book in self.dirty if book not in self.early]
        for book in due:
            book.stats_seq += 1
            self.early[book] = None
            del self.dirty[book]
        return due

    def apply(self, first: int, time_ns: int, events: tuple[Event, ...]) -> list[Book]:
        """Apply one frame; what it did stays in the touched books until the next one. Raises WireError.

        One long loop over tuples, told apart by their kind: it runs for every order of the whole exchange.
        """
        books = self.books
        touched: list[Book] = []
        self.time_ns = time_ns
        event: Event = ()
        try:
            for event in events:
                kind = event[0]
                if kind < _ADDED:
                    self._rare(event, touched)
                    continue
                book = books[event[1]]
                if not book.touched:
                    book.begin_frame()
                    touched.append(book)
                if kind == _ADDED:
                    _, _, order, side, quantity, price = event
                    book.add(order, price if side == 1 else ~price, quantity)
                elif kind == _TRADED:
                    book.reduce(event[2], event[7])
                    book.trades.append(event)
                elif kind == _REDUCED:
                    book.reduce(event[2], event[4])
                elif kind == _REPLACED:
                    _, _, previous, order, quantity, price = event
                    key = book.reduce(previous, 0)
                    book.add(order, price if key >= 0 else ~price, quantity)
                elif not self._special(book, event):
                    continue
                book.changed = True
                if book.want_order:
                    book.events.append(event)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise WireError(f"event {event!r} does not fit the books: {error!r}") from None
        for book in touched:
            if not book.deleted:  # else counted already
                self._count(book)
        self.last_event = first + len(events) - 1
        return touched

    def _count(self, book: Book) -> None:
        """End of a frame: give the book's messages their numbers."""
        book.touched = False
        if book.trades:
            book.trade_seq += 1
            book.count_trades(self.time_ns)
            self.dirty[book] = None
        if book.changed:
            book.changes += 1
            best = book.best()
            if best != book.bbo:
                book.bbo = best
                book.bbo_seq += 1
                book.new_bbo = True
        if book.rare and book.count_rare(self.time_ns):
            self.dirty[book] = None

    def _special(self, book: Book, event: Event) -> bool:
        """An event that a plain book never has; whether it changed what is shown of orders."""
        kind = event[0]
        if kind == wire.CROSS_TRADED:
            _, number, buy, sell, quantity, price, match, buy_leaves, sell_leaves = event
            book.trades.append((kind, number, 0, quantity, price, match, 0, 0))
            if buy:
                book.reduce(buy, buy_leaves)
            if sell:
                book.reduce(sell, sell_leaves)
            return bool(buy or sell)
        if kind == wire.TRADED_HIDDEN:
            _, number, quantity, price, match, side = event
            book.trades.append((kind, number, 0, quantity, price, match, side, 0))
        elif kind == wire.INDICATIVE:
            _, _, price, quantity, side, imbalance = event
            book.tell_auction(0, price, quantity, side, imbalance)
        else:
            wire.check(event, wire.PUBLIC_EVENTS)
            self._very_rare(book, event)
        return False

    def _very_rare(self, book: Book, event: Event) -> None:
        book.rare = True
        if event[0] == wire.CROSSED:
            book.tell_auction(event[2], event[3], event[4], 0, 0)
        elif event[0] == wire.QUOTED:
            maker = event[2]
            book.quoted[maker] = None
            if event[3] or event[5]:
                book.quotes[maker] = event[2:]
            else:
                book.quotes.pop(maker, None)
        else:
            book.corrected.append(event)

    def _rare(self, event: Event, touched: list[Book]) -> None:
        wire.check(event, wire.PUBLIC_EVENTS)
        kind, number = event[0], event[1]
        made = kind == wire.BOOK_SET and number not in self.books
        if made:
            self._make(*event[1:5])
        book = self.books[number]
        if not book.touched:
            book.begin_frame()
            touched.append(book)
        book.rare = True
        if kind == wire.BOOK_SET:
            book.new_status |= made
            book.new_properties |= made or book.properties != event[5]
            book.properties = event[5]
        elif kind == wire.STATUS:
            self._status(book, event[2], event[3])
        else:
            self._delete(book)

    def _status(self, book: Book, phase: int, text: str) -> None:
        if book.phase == wire.PHASE_ENDED != phase:
            book.start_day()
            self.dirty[book] = None
        collecting = book.phase_text in feed.COLLECTING
        book.phase, book.text = phase, text
        book.new_status = True
        if not collecting and book.phase_text in feed.COLLECTING and book.auction != _NO_AUCTION:
            book.tell_auction(*_NO_AUCTION)  # what is known is of the auction before

    def _make(self, number: int, name: str, engine: str, symbol: str) -> None:
        topic = self._topic(name, engine, symbol)
        book = Book(number, name, engine, symbol, topic)
        book.numbers = self.retired.pop(topic, book.numbers)
        self.books[number] = self.by_topic[topic] = book
        if self.on_book is not None:
            self.on_book(book)

    def _topic(self, name: str, engine: str, symbol: str) -> str:
        """What stands for a book in its topics: the symbol, unless a book of another engine has it already."""
        for text in (symbol, name, f"{name}@{engine}"[:64]):
            if text not in self.by_topic:
                return text
        number = 2
        while f"{name}~{number}" in self.by_topic:
            number += 1
        return f"{name}~{number}"

    def _delete(self, book: Book) -> None:
        if book.want_depth:
            book.keys.update(book.levels)
        book.quoted = dict.fromkeys(book.quotes)
        book.clear()
        book.deleted = book.changed = book.rare = book.new_status = True
        book.text = ""
        self._count(book)
        self.dirty.pop(book, None)
        self.early.pop(book, None)
        del self.books[book.number], self.by_topic[book.topic]
        self.retired[book.topic] = book.numbers
        if len(self.retired) > RETIRED_MAX:
            del self.retired[next(iter(self.retired))]
