"""What a subscription to market data shows of a book, and how its entries are written.

Invariant: a view is a pure function of the book; its keys say what each entry is about, so that two views of one book
can be compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from openoutcry import wire
from openoutcry.fix.times import stamp
from openoutcry.fix.values import price_text

if TYPE_CHECKING:
    from openoutcry.clients.replica import Book
    from openoutcry.feed import Correction, Trade

LEVELS_MAX: Final = 500  # of a side, or orders of one: a snapshot stays below what clients take (64 KB)

# MDEntryType(269)
BID: Final = b"0"
OFFER: Final = b"1"
TRADE: Final = b"2"
OPENING: Final = b"4"
CLOSING: Final = b"5"
HIGH: Final = b"7"
LOW: Final = b"8"
VOLUME: Final = b"B"
TYPES: Final = frozenset((BID, OFFER, TRADE, OPENING, CLOSING, HIGH, LOW, VOLUME))
OVER: Final = frozenset(wire.PHASES[each] for each in (wire.PHASE_CLOSED, wire.PHASE_ENDED, wire.PHASE_POST_CLOSE))

# MDUpdateAction(279)
NEW: Final = b"0"
CHANGED: Final = b"1"
DELETED: Final = b"2"

Key = tuple[bytes, int]  # MDEntryType, and the price of a level, the number of an order, or 0
Value = tuple[int, int, int]  # price, quantity, orders


class View:
    """What one subscription shows of a book."""

    __slots__ = ("by_order", "depth", "types")

    def __init__(self, types: frozenset[bytes], depth: int, by_order: bool) -> None:
        self.types = types
        self.depth = min(depth, LEVELS_MAX) or LEVELS_MAX
        self.by_order = by_order

    def of(self, book: Book) -> dict[Key, Value]:
        """The entries of a book as it is now, in the order in which a snapshot has them."""
        found: dict[Key, Value] = {}
        for side in (BID, OFFER):
            if side in self.types:
                if self.by_order:
                    self._orders(book, side, found)
                else:
                    levels = (book.bids if side == BID else book.asks)[: self.depth]
                    found.update(((side, price), (price, quantity, orders)) for price, quantity, orders in levels)
        self._statistics(book, found)
        return found

    def _orders(self, book: Book, side: bytes, found: dict[Key, Value]) -> None:
        wanted = wire.BUY if side == BID else wire.SELL
        own = [(price, number, size) for number, (of, size, price) in book.orders.items() if of == wanted]
        sign = -1 if side == BID else 1
        for price, number, size in sorted(own, key=lambda row: (sign * row[0], row[1]))[: self.depth]:
            found[side, number] = (price, size, 0)

    def _statistics(self, book: Book, found: dict[Key, Value]) -> None:
        stats = book.stats
        closing = stats.last if book.phase in OVER else 0
        for kind, price in ((OPENING, stats.open), (CLOSING, closing), (HIGH, stats.high), (LOW, stats.low)):
            if price and kind in self.types:
                found[kind, 0] = (price, 0, 0)
        if VOLUME in self.types and stats.volume:
            found[VOLUME, 0] = (0, stats.volume, 0)


def fields_of(key: Key, value: Value, by_order: bool) -> dict[int, bytes]:
    """An entry of a view."""
    kind, number = key
    price, quantity, orders = value
    found = {269: kind}
    if price or kind in (BID, OFFER):
        found[270] = price_text(price)
    if quantity:
        found[271] = b"%d" % quantity
    if orders:
        found[346] = b"%d" % orders
    if by_order and kind in (BID, OFFER):
        found[37] = found[278] = b"%d" % number
    return found


def trade_fields(trade: Trade) -> dict[int, bytes]:
    day, _, clock = stamp(trade.time_ns).partition(b"-")
    return {269: TRADE, 270: price_text(trade.price), 271: b"%d" % trade.quantity, 272: day, 273: clock,
            278: b"%d" % trade.match}  # fmt: skip


def corrected(correction: Correction) -> tuple[bytes, dict[int, bytes]]:
    """A trade that never was, or was at another price."""
    price = correction.new_price or correction.price
    fields = {269: TRADE, 270: price_text(price), 271: b"%d" % correction.quantity, 278: b"%d" % correction.match}
    return CHANGED if correction.new_price else DELETED, fields
