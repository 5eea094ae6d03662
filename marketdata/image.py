"""The market as bytes and back: what the publisher saves of itself so as not to need the whole stream again.

Invariant: ``load(dump(market))`` goes on exactly as `market` would have: same messages, same numbers. What
subscribers want is not part of it; they say it again when they reconnect.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgpack

from openoutcry.errors import JournalError
from openoutcry.marketdata.books import Book, Market

FORMAT: Final = 2
_FIELDS: Final = (
    "phase", "text", "numbers", "bbo", "open", "high", "low", "last", "trade_count", "first_match", "auction",
    "properties",
)  # fmt: skip


def dump(market: Market) -> bytes:
    """Every book with its orders, numbers, statistics and kept trades."""
    packed: bytes = msgpack.packb(
        (
            FORMAT, market.last_event, market.time_ns, market.second_ends_ns,
            [book.number for book in market.dirty], [book.number for book in market.early],
            list(market.retired.items()), [_dump_book(book) for book in market.books.values()],
        )
    )  # fmt: skip
    return packed


def _dump_book(book: Book) -> tuple[Any, ...]:
    orders = [(order, record[0], record[1][0]) for order, record in book.orders.items()]
    sums = (str(book.volume), str(book.turnover))  # these outgrow msgpack's integers
    fields = [getattr(book, name) for name in _FIELDS]
    names = (book.number, book.name, book.engine, book.symbol, book.topic)
    return names, fields, sums, orders, list(book.ring), book.corrections, list(book.quotes.values())


def load(data: bytes) -> Market:
    """The market that ``dump`` wrote. Raises JournalError when the bytes are not one."""
    try:
        version, last, time_ns, ends, dirty, early, retired, books = msgpack.unpackb(data, use_list=False)
        if version != FORMAT:
            raise ValueError(f"format {version!r}")
        market = Market()
        market.last_event, market.time_ns, market.second_ends_ns = last, time_ns, ends
        market.retired = dict(retired)
        for row in books:
            book = _load_book(row)
            market.books[book.number] = market.by_topic[book.topic] = book
        market.dirty = {market.books[number]: None for number in dirty}
        market.early = {market.books[number]: None for number in early}
    except Exception as error:  # whatever is wrong, these bytes are of no use
        raise JournalError(f"not an image of the market: {type(error).__name__}: {error}") from None
    return market


def _load_book(row: tuple[Any, ...]) -> Book:
    names, fields, (volume, turnover), orders, ring, corrections, quotes = row
    book = Book(*names)
    for attribute, value in zip(_FIELDS, fields, strict=True):
        setattr(book, attribute, value)
    book.volume, book.turnover = int(volume), int(turnover)
    for order, quantity, key in orders:
        book.add(order, key, quantity)
    book.ring = deque((seq, time_ns, list(trades)) for seq, time_ns, trades in ring)
    book.corrections = list(corrections)
    book.quotes = {quote[0]: quote for quote in quotes}
    book.ring_trades = sum(len(trades) for _, _, trades in book.ring)
    return book
