"""One symbol's market data as a subscriber rebuilds it, without sockets: the Clone pattern as a state machine.

    JOINING   subscribed; the first message of the symbol shows that the subscription has arrived
    SYNCING   a snapshot is on its way; messages wait
    LIVE      every message is the next of its topic

Invariant: while LIVE, the book is the publisher's book after the last message applied; a message that is not newer is
dropped, and one that is too new (or a heartbeat that knows of newer ones) leads back to SYNCING. Trades are
different: each is handed out once and in order, missing ones are asked for again, and what the publisher does not
keep any more is counted in ``trades_lost``. They are handed out as they were told; ``Book.corrections`` says which of
them were broken or corrected afterwards, and the recent ones (``Replica.recent``) have been put right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from openoutcry import feed, wire
from openoutcry.errors import WireError
from openoutcry.feed import Auction, Bbo, Correction, Heartbeat, Level, Page, Quote, SnapshotHead, Stats, Trade
from openoutcry.parameters import price_text

JOIN_NS: Final = 250_000_000  # patience with the first heartbeat before asking for a snapshot anyway
RETRY_NS: Final = 500_000_000  # an unanswered request is sent again
UNKNOWN_NS: Final = 1_000_000_000  # a symbol that does not exist is asked for again: it may come
AGAIN_NS: Final = 20_000_000  # least time between two snapshots, for a subscriber that is too slow for the feed
WAITING_MAX: Final = 50_000  # messages kept while a snapshot is on its way; more, and it has to be repeated
TRADES_MAX: Final = 100_000  # trades nobody has taken yet; the oldest are dropped and counted

RECENT_MAX: Final = 200  # last trades that stay readable after they have been taken

JOINING: Final = "joining"
SYNCING: Final = "syncing"
LIVE: Final = "live"

Message = tuple[Any, ...]
Order = tuple[int, int, int]  # side, quantity, price


class Book:
    """A book as it is now. Prices are integers in 1e-8: ``feed.decimal`` and ``feed.price_text`` make them readable."""

    def __init__(self, topic: str) -> None:
        self.topic = topic  # what stands for the book in its topics, most often its symbol
        self.symbol = topic
        self.name = ""
        self.engine = ""
        self.phase = ""
        self.text = ""
        self.time_ns = 0
        self.bbo = Bbo()
        self.stats = Stats()
        self.auction = Auction()  # the newest word on auctions, an end or an indicative price
        self.corrections: deque[Correction] = deque(maxlen=feed.CORRECTIONS_KEPT)  # the newest, oldest first
        self.quotes: dict[int, Quote] = {}  # indicative, by maker
        self.properties: dict[str, Any] = {}  # reference data
        self.orders: dict[int, Order] = {}  # in priority order within each price; empty without channel `order`
        self._levels: tuple[dict[int, tuple[int, int]], dict[int, tuple[int, int]]] = ({}, {})

    @property
    def bids(self) -> list[tuple[int, int, int]]:
        """(price, quantity, orders) of each level, best first."""
        return [(price, *self._levels[0][price]) for price in sorted(self._levels[0], reverse=True)]

    @property
    def asks(self) -> list[tuple[int, int, int]]:
        """(price, quantity, orders) of each level, best first."""
        return [(price, *self._levels[1][price]) for price in sorted(self._levels[1])]

    def levels(self, count: int = 0) -> dict[str, list[list[Any]]]:
        """Both sides as in the answer of the control verb ``depth``: `count` levels each (0: all), with price as text,
        quantity and orders."""
        return {
            name: [[price_text(price), quantity, orders] for price, quantity, orders in side[: count or None]]
            for name, side in (("bids", self.bids), ("asks", self.asks))
        }

    def set_level(self, level: Level | tuple[int, int, int, int]) -> None:
        """Take the absolute values of a level; quantity and orders 0 remove it."""
        side, price, quantity, orders = level
        levels = self._levels[side - 1]
        if orders:
            levels[price] = (quantity, orders)
        else:
            levels.pop(price, None)

    def add_order(self, order: int, side: int, quantity: int, price: int) -> None:
        """An order takes its place at the back of its level."""
        side = wire.BUY if side == wire.BUY else wire.SELL
        self.orders[order] = (side, quantity, price)
        total, count = self._levels[side - 1].get(price, (0, 0))
        self._levels[side - 1][price] = (total + quantity, count + 1)

    def reduce_order(self, order: int, leaves: int) -> int:
        """Leave `leaves` of an order, none with 0; returns its side. KeyError when there is no such order."""
        side, quantity, price = self.orders[order]
        total, count = self._levels[side - 1][price]
        if leaves:
            self.orders[order] = (side, leaves, price)
        else:
            del self.orders[order]
            count -= 1
        self.set_level((side, price, total - quantity + leaves, count))
        return side

    def apply_order_event(self, row: Message) -> None:
        """Apply one row of an `order` message."""
        kind = row[0]
        if kind == wire.ADDED:
            self.add_order(*row[1:])
        elif kind == wire.ORDER_REPLACED:
            self.add_order(row[2], self.reduce_order(row[1], 0), row[3], row[4])
        elif kind == wire.CROSS_TRADED:
            for order, leaves in ((row[1], row[6]), (row[2], row[7])):
                if order:  # else it was not shown
                    self.reduce_order(order, leaves)
        else:
            self.reduce_order(row[1], row[-1])

    def set_quote(self, quote: Quote) -> None:
        """Take what a maker quotes now."""
        if quote.bid_quantity or quote.ask_quantity:
            self.quotes[quote.maker] = quote
        else:
            self.quotes.pop(quote.maker, None)

    def clear(self) -> None:
        """Forget orders, levels and quotes."""
        self.quotes.clear()
        self.orders.clear()
        for levels in self._levels:
            levels.clear()


class Replica:
    """What a subscriber holds of one symbol. ``receive`` and ``reply`` take, ``requests`` says what to ask."""

    def __init__(self, symbol: str, channels: tuple[str, ...], now_ns: int, recent_trades: int = 0) -> None:
        self.symbol = symbol
        self.channels = channels
        self.state = JOINING
        self.error = ""  # code of the refusal of the last snapshot request
        self.book = Book(symbol)
        self.life = 0
        self.seqs = dict.fromkeys(feed.CHANNELS, 0)
        self.trades: deque[Trade] = deque()
        self.recent: deque[Trade] = deque(maxlen=RECENT_MAX)
        self.counters = {"messages": 0, "changes": 0, "duplicates": 0, "gaps": 0, "snapshots": 0, "restarts": 0,
                         "trades": 0, "trades_lost": 0, "trades_dropped": 0, "corrections": 0}  # fmt: skip
        self._recent = recent_trades
        self._waiting: deque[tuple[str, Message]] = deque()
        self._trades_waiting: deque[Message] = deque()
        self._trade_end = 0  # trade messages up to this one are being asked for again; 0: none are missing
        self._trades_known = False
        self._ask_ns = now_ns + JOIN_NS  # when to ask for a snapshot
        self._asked_ns = 0
        self._pages: list[Page] = []
        self._head: SnapshotHead | None = None
        self._page_ns = 0
        self._trade_ns = 0

    @property
    def asking(self) -> bool:
        """Whether something is missing."""
        return self.state != LIVE or self._trade_end > 0

    # ---- what the feed says
    def receive(self, channel: str, message: Message, now_ns: int) -> None:
        """Take one message of the feed, decoded by ``feed.decode``."""
        self.counters["messages"] += 1
        if self.state == JOINING:
            self._resync(now_ns, 0)
        if channel == feed.HEARTBEAT:
            self._heartbeat(Heartbeat(*message[2:]), now_ns)
        elif channel == feed.TRADE:
            self._trade(message, now_ns)
        elif self.state != LIVE:
            self._wait(channel, message)
        else:
            self._next(channel, message, now_ns)

    def _wait(self, channel: str, message: Message) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.popleft()  # leaves a gap, which the snapshot covers or a further one will
        self._waiting.append((channel, message))

    def _next(self, channel: str, message: Message, now_ns: int) -> None:
        have, seq = self.seqs[channel], message[0]
        if seq == have + 1 or (seq == have and channel == feed.STATS):
            self.seqs[channel] = seq
            try:
                self._apply(channel, message)
            except KeyError:  # an order that this book does not have: start again from a snapshot
                self._gap(now_ns)
        elif seq <= have:
            self.counters["duplicates"] += 1
        else:
            self._gap(now_ns)
            self._wait(channel, message)

    def _apply(self, channel: str, message: Message) -> None:
        book = self.book
        book.time_ns = max(book.time_ns, message[1])
        if channel == feed.ORDER:
            self.counters["changes"] += len(message[2])
            for row in message[2]:
                book.apply_order_event(row)
        elif channel == feed.DEPTH:
            if feed.ORDER not in self.channels:  # else the levels follow from the orders
                self.counters["changes"] += len(message[2])
                for row in message[2]:
                    book.set_level(row)
        elif channel == feed.BBO:
            book.bbo = Bbo(*message[2:])
        elif channel == feed.STATS:
            book.stats = Stats(*message[2:])
        elif channel == feed.STATUS:
            book.phase, book.text = message[2:]
            if book.phase == feed.DELETED:
                book.clear()
        else:
            self._apply_rare(channel, message)

    def _apply_rare(self, channel: str, message: Message) -> None:
        book, rows = self.book, message[2]
        if channel == feed.AUCTION:
            for row in rows[-1:]:
                book.auction = Auction(*row)
        elif channel == feed.QUOTE:
            for row in rows:
                book.set_quote(Quote(*row))
        elif channel == feed.INSTRUMENT:
            book.properties = dict(rows)
        else:
            self.counters["corrections"] += len(rows)
            book.corrections.extend(Correction._make((*row, message[1])) for row in rows)
            self._put_right()

    def _put_right(self) -> None:
        """Take the corrections into the recent trades."""
        prices = {correction.match: correction.new_price for correction in self.book.corrections}
        if not prices.keys().isdisjoint(trade.match for trade in self.recent):
            trades = [trade._replace(price=prices.get(trade.match, trade.price)) for trade in self.recent]
            self.recent = deque((trade for trade in trades if trade.price), RECENT_MAX)

    def _heartbeat(self, beat: Heartbeat, now_ns: int) -> None:
        if beat.life != self.life and self.life:
            self.counters["restarts"] += 1
            self.life = beat.life
            self._forget_waiting()
            self._resync(now_ns, 0)
            return
        known = dict(zip(feed.CHANNELS, beat, strict=False))
        if self._trades_known and known[feed.TRADE] > max(self.seqs[feed.TRADE], self._trade_end):
            self._missing_trades(known[feed.TRADE], now_ns)
        others = [channel for channel in self.channels if channel != feed.TRADE]
        if self.state == LIVE and any(known[channel] > self.seqs[channel] for channel in others):
            self._gap(now_ns)

    def _forget_waiting(self) -> None:
        """What waits, and what is being asked for, is of the publisher's life before."""
        self._waiting.clear()
        self._trades_waiting.clear()
        self._trade_end = 0

    def _gap(self, now_ns: int) -> None:
        self.counters["gaps"] += 1
        self._resync(now_ns, AGAIN_NS)

    def _resync(self, now_ns: int, after_ns: int) -> None:
        self.state = SYNCING
        self._head = None
        self._ask_ns = max(now_ns, self._asked_ns + after_ns)

    # ---- trades
    def _trade(self, message: Message, now_ns: int) -> None:
        have, seq = self.seqs[feed.TRADE], message[0]
        if not self._trades_known or self._trade_end:
            if len(self._trades_waiting) >= WAITING_MAX:
                self._trades_waiting.popleft()
            self._trades_waiting.append(message)
        elif seq == have + 1:
            self._take_trades(message)
        elif seq <= have:
            self.counters["duplicates"] += 1
        else:
            self._trades_waiting.append(message)
            self._missing_trades(seq - 1, now_ns)

    def _take_trades(self, message: Message) -> None:
        self.seqs[feed.TRADE] = message[0]
        self.counters["trades"] += len(message[2])
        trades = [Trade._make((*row, message[1])) for row in message[2]]
        self.trades.extend(trades)
        self.recent.extend(trades)
        if self.book.corrections:
            self._put_right()  # they may have been asked for after they were corrected
        while len(self.trades) > TRADES_MAX:
            self.trades.popleft()
            self.counters["trades_dropped"] += 1

    def _missing_trades(self, end: int, now_ns: int) -> None:
        """Ask for what follows the last trade message up to number `end`."""
        if not self._trade_end:
            self.counters["gaps"] += 1
            self._trade_ns = now_ns
        self._trade_end = end

    def _trades_after_snapshot(self, seq: int, now_ns: int) -> None:
        """A snapshot says that the last trade message was number `seq`."""
        if feed.TRADE not in self.channels:
            return
        have = self.seqs[feed.TRADE]
        if seq < have:  # the publisher's stream was cut, after a power loss
            self.seqs[feed.TRADE] = seq
        elif not self._trades_known:
            self._trades_known = True
            self.seqs[feed.TRADE] = max(0, seq - self._recent)
            self._trade_end = seq if self._recent and seq else 0
            self._trade_ns = now_ns
            if not self._trade_end:
                self._resume_trades(now_ns)
        elif seq > max(have, self._trade_end):
            self._missing_trades(seq, now_ns)

    def _take_missing_trades(self, first: int, messages: list[Message], now_ns: int) -> None:
        have = self.seqs[feed.TRADE]
        if not self._trade_end or first != have + 1:
            return  # an answer that has been overtaken
        for message in messages:
            if message[0] > self.seqs[feed.TRADE]:
                self._skip_to(message[0] - 1)
                self._take_trades(message)
        if self.seqs[feed.TRADE] == have:
            self._skip_to(self._trade_end)  # none of them is kept any more
        if self.seqs[feed.TRADE] < self._trade_end:
            self._trade_ns = now_ns  # one answer does not hold everything
            return
        self._trade_end = 0
        self._resume_trades(now_ns)

    def _skip_to(self, seq: int) -> None:
        if seq > self.seqs[feed.TRADE]:
            if not self._recent or self.counters["trades"]:  # history that a new subscriber cannot get is not a loss
                self.counters["trades_lost"] += seq - self.seqs[feed.TRADE]
            self.seqs[feed.TRADE] = seq

    def _resume_trades(self, now_ns: int) -> None:
        waiting, self._trades_waiting = self._trades_waiting, deque()
        for message in waiting:
            self._trade(message, now_ns)

    # ---- asking
    def requests(self, now_ns: int) -> Iterator[tuple[Any, ...]]:
        """What to ask the snapshot service now: ``(what, argument, ...)``; unanswered questions come again."""
        if self.state != LIVE and now_ns >= self._ask_ns and self._head is None:
            self.state = SYNCING
            self._ask_ns, self._asked_ns = now_ns + RETRY_NS, now_ns
            yield feed.SNAPSHOT, self.symbol, int(feed.ORDER in self.channels)
        if self._head is not None and now_ns >= self._page_ns:
            self._page_ns = now_ns + RETRY_NS
            yield feed.PAGE, self._head.image, len(self._pages)
        if self._trade_end and now_ns >= self._trade_ns:
            self._trade_ns = now_ns + RETRY_NS
            yield feed.TRADES, self.symbol, self.seqs[feed.TRADE] + 1, self._trade_end

    def reply(self, what: str, error: str, body: Message, now_ns: int) -> None:
        """Take the answer to a request of this replica. Raises WireError when it makes no sense."""
        if what == feed.TRADES:
            if not error:
                self._take_missing_trades(*feed.decode_trades(body), now_ns)
        elif error:
            self.error = error
            self._head = None
            self._ask_ns = now_ns + (UNKNOWN_NS if error == "unknown_symbol" else AGAIN_NS)
        elif what == feed.SNAPSHOT:
            self._take_snapshot(*feed.decode_snapshot(body), now_ns)
        else:
            self._take_page(*feed.decode_page(body), now_ns)

    def _take_snapshot(self, head: SnapshotHead, page: Page, now_ns: int) -> None:
        if self.state != SYNCING or self._head is not None or head.topic != self.symbol:
            return  # an answer that has been overtaken
        if head.life < self.life:
            self._ask_ns = now_ns  # of the publisher's life before
            return
        self.error = ""
        self._head, self._pages = head, [page]
        self._page_ns = now_ns
        self._complete(now_ns)

    def _take_page(self, image: int, number: int, page: Page, now_ns: int) -> None:
        if self._head is None or image != self._head.image or number != len(self._pages):
            return
        self._pages.append(page)
        self._page_ns = now_ns
        self._complete(now_ns)

    def _complete(self, now_ns: int) -> None:
        head = self._head
        if head is None or len(self._pages) < head.pages:
            return
        self._head = None
        if head.life > self.life:
            if self.life:
                self._forget_waiting()
            self.life = head.life
        self.counters["snapshots"] += 1
        self._rebuild(head)
        self.state = LIVE
        self._trades_after_snapshot(head.seqs[0], now_ns)
        waiting, self._waiting = self._waiting, deque()
        for channel, message in waiting:
            if self.state == LIVE:
                self._next(channel, message, now_ns)
            else:
                self._wait(channel, message)

    def _rebuild(self, head: SnapshotHead) -> None:
        self.book = book = Book(self.symbol)
        book.name, book.engine, book.symbol = head.name, head.engine, head.symbol
        book.phase, book.text = head.phase, head.text
        book.time_ns, book.bbo, book.stats, book.auction = head.time_ns, head.bbo, head.stats, head.auction
        book.corrections.extend(head.corrections)
        book.properties = dict(head.properties)
        self._put_right()
        by_order = feed.ORDER in self.channels
        for page in self._pages:
            if by_order:
                for row in page.orders:
                    book.add_order(*row)
            else:
                for level in page.levels:
                    book.set_level(level)
            for quote in page.quotes:
                book.set_quote(quote)
        self._pages = []
        for channel, seq in zip(feed.CHANNELS, head.seqs, strict=True):
            if channel != feed.TRADE:
                self.seqs[channel] = seq


def check_channels(channels: tuple[str, ...]) -> tuple[str, ...]:
    """`channels` unless one of them does not exist. Raises WireError."""
    for channel in channels:
        if channel not in feed.CHANNELS:
            raise WireError(f"no channel {channel!r}; there are: {', '.join(feed.CHANNELS)}")
    return channels
