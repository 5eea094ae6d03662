"""The market data vocabulary: topics, messages, snapshot requests and replies, with their limits.

Rule 1. A feed message is two frames: the topic ``<channel>/<symbol>/`` in ASCII, and one msgpack array that begins
        ``(seq, time_ns, ...)``. ``seq`` counts the messages of its topic from 1 without a hole, sent or not.
Rule 2. Decoding checks length, types and ranges, and raises ``WireError``, never anything else.
Rule 3. Units are those of openoutcry.wire: prices in 1e-8, integers for quantities, ns since 1970 (UTC).

docs/market-data.md has one table a message. The publisher encodes with this module, every client decodes with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import chain
from typing import Any, Final, NamedTuple

from openoutcry import wire
from openoutcry.errors import WireError

VERSION: Final = wire.VERSION

# ------------------------------------------------------------------------------------------------- limits
TOPIC_MAX: Final = 96  # bytes: the longest channel, the longest topic symbol (a book's name) and two slashes
SUBSCRIPTIONS_MAX: Final = 10_000  # prefixes the publisher tells apart; beyond them it sends everything to XPUB
SUBSCRIPTION_BYTES_MAX: Final = 1_024  # XPUB MAXMSGSIZE: holds the handshake and any topic
FEED_HWM: Final = 10_000  # messages waiting for one subscriber (some MB); what is beyond is dropped for it alone
RECEIVE_HWM: Final = 100_000  # messages waiting in a client of ours
REQUEST_MAX: Final = 1_024  # bytes in a snapshot request: a symbol and a few numbers
PAGE_ROWS: Final = 8_192  # levels and orders in one snapshot page: 250 kB at most, so below wire.FRAME_MAX
SYMBOL_ROWS: Final = 1_024  # rows in one answer to `symbols`: 200 kB at most
TRADE_ROWS: Final = 8_192  # trades in one answer to `trades`
IMAGES_MAX: Final = 16  # snapshots that are being fetched page by page
IMAGE_NS: Final = 10_000_000_000  # how long such a snapshot is kept
TRADES_KEPT: Final = 4_096  # trades a book keeps for retransmission (1 MB)
CORRECTIONS_KEPT: Final = 256  # corrections a book keeps, for its snapshots
HEARTBEAT_NS: Final = 1_000_000_000  # a quiet subscriber learns of a lost last message within this

# ------------------------------------------------------------------------------------------------- topics
TRADE: Final = "trade"
BBO: Final = "bbo"
DEPTH: Final = "depth"
ORDER: Final = "order"
STATUS: Final = "status"
STATS: Final = "stats"
AUCTION: Final = "auction"
CORRECTION: Final = "correction"
QUOTE: Final = "quote"
INSTRUMENT: Final = "instrument"
HEARTBEAT: Final = "heartbeat"
# In the order of their numbers in a heartbeat.
CHANNELS: Final = (TRADE, BBO, DEPTH, ORDER, STATUS, STATS, AUCTION, CORRECTION, QUOTE, INSTRUMENT)
ALL_CHANNELS: Final = (*CHANNELS, HEARTBEAT)

DELETED: Final = "deleted"  # the phase of a book that is gone
COLLECTING: Final = frozenset(  # phases in which orders are collected for an auction, and best prices may cross
    wire.PHASES[phase]
    for phase in (
        wire.PHASE_PRE_OPEN, wire.PHASE_PRE_OPEN_NO_CANCEL, wire.PHASE_OPENING_AUCTION, wire.PHASE_VOLATILITY_AUCTION,
        wire.PHASE_CLOSING_AUCTION,
    )
)  # fmt: skip


def topic(channel: str, symbol: str) -> bytes:
    """Frame 0 of a message, and what to subscribe to. The last slash keeps ``A/`` from matching ``AAPL/``."""
    return f"{channel}/{symbol}/".encode("ascii")


def split_topic(data: bytes) -> tuple[str, str]:
    """The channel and the symbol of a topic. Raises WireError."""
    try:
        channel, symbol, rest = data.decode("ascii").split("/")
    except ValueError:
        raise WireError("a topic is <channel>/<symbol>/ in ASCII") from None
    if rest or not symbol or channel not in ALL_CHANNELS or len(data) > TOPIC_MAX:
        raise WireError("a topic is <channel>/<symbol>/ with a known channel")
    return channel, symbol


# ------------------------------------------------------------------------------------------------- messages
class Trade(NamedTuple):
    """One match. side: of the aggressor, BUY or SELL, 0 in an auction. order: the resting order's reference number, 0
    when it was hidden, and in an auction. time_ns: that of the message; a row of a message is without it."""

    match: int
    price: int
    quantity: int
    side: int
    order: int
    time_ns: int = 0


class Bbo(NamedTuple):
    """Best bid and offer. A side with quantity 0 is empty."""

    bid_price: int = 0
    bid_quantity: int = 0
    ask_price: int = 0
    ask_quantity: int = 0


class Level(NamedTuple):
    """One price level with its absolute values; quantity 0: the level is gone."""

    side: int
    price: int
    quantity: int
    orders: int


class Stats(NamedTuple):
    """The trading day so far; prices are 0 before the first trade. turnover: price times quantity as decimal text."""

    open: int = 0
    high: int = 0
    low: int = 0
    last: int = 0
    volume: int = 0
    trades: int = 0
    turnover: str = "0"
    day: int = 1


class Auction(NamedTuple):
    """How an auction stands: cross 0, where it would end now; or how it has ended: cross says which (wire.CROSSES).

    price, quantity: 0 when nothing would be, or was, executed. side, imbalance: what would be left over at that price.
    """

    cross: int = 0
    price: int = 0
    quantity: int = 0
    side: int = 0
    imbalance: int = 0


class Correction(NamedTuple):
    """A trade that was at another price than `price`; new_price 0: that never was. time_ns: as in Trade."""

    match: int
    quantity: int
    price: int
    new_price: int
    time_ns: int = 0


class Quote(NamedTuple):
    """An indicative quote: shown, not tradeable. maker: a number that stands for who quotes. A side with quantity 0 is
    empty; the quote is gone when both are."""

    maker: int
    bid_quantity: int
    bid_price: int
    ask_quantity: int
    ask_price: int


class Heartbeat(NamedTuple):
    """The last number of every topic of a symbol. life: grows with each start of the publisher."""

    trade: int
    bbo: int
    depth: int
    order: int
    status: int
    stats: int
    auction: int
    correction: int
    quote: int
    instrument: int
    life: int


# Rows of `order` messages are the public events of openoutcry.wire without their book: (kind, ...).
ORDER_ROWS: Final = {
    wire.ADDED: 5,  # order, side, quantity, price
    wire.TRADED: 7,  # order, quantity, price, match, side of the aggressor, leaves
    wire.REDUCED: 4,  # order, quantity, leaves
    wire.ORDER_REPLACED: 5,  # previous, order, quantity, price
    wire.CROSS_TRADED: 8,  # buy_order, sell_order, quantity, price, match, buy_leaves, sell_leaves
}

_INT: Final = {int}
_TUPLE: Final = {tuple}
_SIDES: Final = {wire.BUY, wire.SELL}
_SIDES_OR_NONE: Final = {0, wire.BUY, wire.SELL}
_ROWS: Final = frozenset((TRADE, DEPTH, ORDER, AUCTION, CORRECTION, QUOTE, INSTRUMENT))  # their body is one array
_VALUES: Final = {int, bool, str}  # types of a property's value
_MAX: Final = 2**64 - 1  # the greatest integer of msgpack


def encode(seq: int, time_ns: int, *fields: Any) -> bytes:
    """Frame 1 of a message. Sums that outgrow 64 bits are sent as 2**64 - 1."""
    try:
        return wire.pack((seq, time_ns, *fields))
    except OverflowError:
        return wire.pack(_saturated((seq, time_ns, *fields)))


def _saturated(value: Any) -> Any:
    if isinstance(value, int):
        return min(value, _MAX)
    return tuple(map(_saturated, value)) if isinstance(value, tuple | list) else value


def _ints(values: Any, length: int) -> bool:
    """Whether `values` is an array of that many integers from 0 up (msgpack has none above 2**64 - 1)."""
    return type(values) is tuple and len(values) == length and {*map(type, values)} == _INT and min(values) >= 0


def _rows(rows: Any, length: int, name: str) -> None:
    """Raise WireError unless `rows` is an array of arrays of `length` integers; loops in C, since this is hot."""
    if type(rows) is not tuple or not {*map(type, rows)} <= _TUPLE or not {*map(len, rows)} <= {length}:
        raise WireError(f"{name}: an array of rows of {length} fields")
    _all_ints(rows, name)


def _all_ints(rows: tuple[tuple[Any, ...], ...], name: str) -> None:
    values = [*chain.from_iterable(rows)]
    if not {*map(type, values)} <= _INT or min(values, default=0) < 0:
        raise WireError(f"{name}: every field is an integer from 0 up")


def _sides(rows: Iterable[Any], index: int, name: str, known: set[int] = _SIDES) -> None:
    if not {row[index] for row in rows} <= known:
        raise WireError(f"{name}: side must be one of {', '.join(map(str, sorted(known)))}")


def _text(value: Any, name: str, size: int = wire.SHORT_TEXT_MAX) -> None:
    if type(value) is not str or len(value) > size:
        raise WireError(f"{name} must be text of at most {size} characters")


def _check_order_rows(rows: Any) -> None:
    if type(rows) is not tuple or not {*map(type, rows)} <= _TUPLE or not all(rows):
        raise WireError("order: rows must be arrays")
    _all_ints(rows, ORDER)
    if [*map(len, rows)] != [ORDER_ROWS.get(row[0]) for row in rows]:
        raise WireError("order: a row is one of the order events")


def _check_auctions(rows: Any) -> None:
    _rows(rows, len(Auction._fields), AUCTION)
    _sides(rows, 3, AUCTION, _SIDES_OR_NONE)
    if not {row[0] for row in rows} <= {0, *wire.CROSSES}:
        raise WireError("auction: unknown cross")


def _check_properties(rows: Any) -> None:
    if type(rows) is not tuple or not {*map(type, rows)} <= _TUPLE or not {*map(len, rows)} <= {2}:
        raise WireError("instrument: an array of properties, each a name and a value")
    for name, value in rows:
        _text(name, "property")
        if type(value) not in _VALUES:
            raise WireError("instrument: a value is text, a whole number, true or false")


def _check_stats(fields: tuple[Any, ...]) -> None:
    if len(fields) != len(Stats._fields) or not _ints((*fields[:6], fields[7]), 7):
        raise WireError("stats: wrong fields")
    _text(fields[6], "turnover", 64)
    if not fields[6].replace(".", "", 1).isdecimal():
        raise WireError("stats: turnover is a decimal number")


def decode(channel: str, data: bytes) -> tuple[Any, ...]:
    """Decode and check frame 1 of a message of `channel`; rows come as plain tuples. Raises WireError."""
    message = wire.unpack(data)
    if type(message) is not tuple or len(message) < 3 or not _ints(message[:2], 2) or message[0] < 1:
        raise WireError("a message is an array that begins with seq and time_ns")
    body = message[2:]
    if channel in _ROWS and len(body) != 1:
        raise WireError(f"{channel}: one array of rows")
    if channel == DEPTH:
        _rows(body[0], 4, channel)
        _sides(body[0], 0, channel)
    elif channel == ORDER:
        _check_order_rows(body[0])
    elif channel == TRADE:
        _rows(body[0], 5, channel)
        _sides(body[0], 3, channel, _SIDES_OR_NONE)
    elif channel == STATUS:
        if len(body) != 2:
            raise WireError("status: phase and text")
        _text(body[0], "phase")
        _text(body[1], "text")
    elif channel == STATS:
        _check_stats(body)
    elif channel in _ROWS:
        _decode_rare(channel, body[0])
    elif not _ints(body, 4 if channel == BBO else len(Heartbeat._fields)):
        raise WireError(f"{channel}: wrong fields")
    return message


def _decode_rare(channel: str, rows: Any) -> None:
    if channel == AUCTION:
        _check_auctions(rows)
    elif channel == INSTRUMENT:
        _check_properties(rows)
    else:
        _rows(rows, 4 if channel == CORRECTION else len(Quote._fields), channel)


# ------------------------------------------------------------------------------------------------- snapshot service
SNAPSHOT: Final = "snapshot"  # symbol [, orders 0 or 1]
PAGE: Final = "page"  # image, page
SYMBOLS: Final = "symbols"  # offset
TRADES: Final = "trades"  # symbol, first seq, last seq
INSTRUMENT_OF: Final = "instrument"  # symbol

ERROR_CODES: Final = {
    "malformed": "the request is not a message of this service",
    "version": "the two sides speak different versions",
    "unknown_request": "there is no such request",
    "unknown_symbol": "no book has that topic",
    "expired": "the image is gone: ask for a new snapshot",
}


class SymbolRow(NamedTuple):
    """One book: topic: what stands for the symbol in its topics, most often the symbol itself."""

    topic: str
    name: str
    engine: str
    symbol: str
    phase: str


class SnapshotHead(NamedTuple):
    """The fixed part of a snapshot. seqs: of CHANNELS, in that order. page 0 of `pages` comes with it."""

    time_ns: int
    topic: str
    name: str
    engine: str
    symbol: str
    life: int
    seqs: tuple[int, ...]
    phase: str
    text: str
    bbo: Bbo
    stats: Stats
    auction: Auction
    corrections: tuple[Correction, ...]
    properties: tuple[tuple[str, Any], ...]
    image: int
    pages: int


class Page(NamedTuple):
    """A part of an image. orders: (order, side, quantity, price) rows, best price first, then by time."""

    levels: tuple[Level, ...]
    orders: tuple[tuple[int, int, int, int], ...]
    quotes: tuple[Quote, ...]


class Instrument(NamedTuple):
    """Reference data of a book. seq: the last number of its topic ``instrument``."""

    topic: str
    name: str
    engine: str
    symbol: str
    seq: int
    properties: tuple[tuple[str, Any], ...]


def request(number: int, what: str, *arguments: Any) -> bytes:
    """A request to the snapshot service: ``request(1, SNAPSHOT, "AAPL")``."""
    return wire.pack((VERSION, number, what, *arguments))


def decode_request(data: bytes) -> tuple[int, str, tuple[Any, ...]]:
    """(number, what, arguments) of a request; only texts and non-negative integers. Raises WireError."""
    if len(data) > REQUEST_MAX:
        raise WireError(f"{len(data)} bytes, at most {REQUEST_MAX}")
    message = wire.unpack(data, 8, wire.SHORT_TEXT_MAX)
    if type(message) is not tuple or len(message) < 3 or not _ints(message[:2], 2):
        raise WireError("a request is [version, number, what, ...]")
    if message[0] != VERSION:
        raise WireError(f"version {message[0]}, this side speaks {VERSION}")
    for value in message[2:]:
        if not (type(value) is str or _ints((value,), 1)):
            raise WireError("an argument is text or a whole number")
    if type(message[2]) is not str:
        raise WireError("what is asked for must be text")
    return message[1], message[2], message[3:]


def reply(number: int, *body: Any) -> bytes:
    """A good answer."""
    try:
        return wire.pack((VERSION, number, "", *body))
    except OverflowError:
        return wire.pack(_saturated((VERSION, number, "", *body)))


def error_reply(number: int, code: str, text: str) -> bytes:
    """A refusal: one of ERROR_CODES, and a sentence."""
    return wire.pack((VERSION, number, code, text))


def decode_reply(data: bytes) -> tuple[int, str, tuple[Any, ...]]:
    """(number, error code or "", body) of a reply. Raises WireError."""
    message = wire.unpack(data, 2 * PAGE_ROWS)
    if type(message) is not tuple or len(message) < 3 or not _ints(message[:2], 2) or message[0] != VERSION:
        raise WireError("a reply is [version, number, error, ...]")
    _text(message[2], "error")
    if message[2] and (len(message) != 4 or type(message[3]) is not str):
        raise WireError("a refusal is [version, number, code, text]")
    return message[1], message[2], message[3:]


def decode_snapshot(body: tuple[Any, ...]) -> tuple[SnapshotHead, Page]:
    """The body of an answer to SNAPSHOT. Raises WireError."""
    if len(body) != len(SnapshotHead._fields) + len(Page._fields):
        raise WireError("snapshot: wrong number of fields")
    head = SnapshotHead._make(body[: len(SnapshotHead._fields)])
    for value in (head.topic, head.name, head.engine, head.symbol, head.phase, head.text):
        _text(value, "snapshot")
    if not _ints((head.time_ns, head.life, head.image, head.pages), 4) or head.pages < 1:
        raise WireError("snapshot: wrong fields")
    if type(head.stats) is not tuple or not _ints(head.seqs, len(CHANNELS)) or not _ints(head.bbo, 4):
        raise WireError("snapshot: wrong numbers")
    _check_stats(head.stats)
    _check_auctions((head.auction,))
    _rows(head.corrections, len(Correction._fields), "corrections")
    _check_properties(head.properties)
    head = head._replace(
        bbo=Bbo(*head.bbo), stats=Stats(*head.stats), auction=Auction(*head.auction),
        corrections=tuple(map(Correction._make, head.corrections)),
    )  # fmt: skip
    return head, _page(*body[len(SnapshotHead._fields) :])


def decode_page(body: tuple[Any, ...]) -> tuple[int, int, Page]:
    """(image, page number, page) of an answer to PAGE. Raises WireError."""
    if len(body) != 2 + len(Page._fields) or not _ints(body[:2], 2):
        raise WireError("page: wrong fields")
    return body[0], body[1], _page(*body[2:])


def _page(levels: Any, orders: Any, quotes: Any) -> Page:
    _rows(levels, 4, "levels")
    _rows(orders, 4, "orders")
    _rows(quotes, len(Quote._fields), "quotes")
    _sides(levels, 0, "levels")
    _sides(orders, 1, "orders")
    return Page(tuple(map(Level._make, levels)), orders, tuple(map(Quote._make, quotes)))


def decode_instrument(body: tuple[Any, ...]) -> Instrument:
    """The body of an answer to INSTRUMENT_OF. Raises WireError."""
    if len(body) != len(Instrument._fields) or not _ints(body[4:5], 1):
        raise WireError("instrument: wrong fields")
    for value in body[:4]:
        _text(value, "instrument")
    _check_properties(body[5])
    return Instrument._make(body)


def decode_symbols(body: tuple[Any, ...]) -> tuple[int, list[SymbolRow]]:
    """(number of all books, rows) of an answer to SYMBOLS. Raises WireError."""
    if len(body) != 2 or not _ints(body[:1], 1) or type(body[1]) is not tuple:
        raise WireError("symbols: wrong fields")
    for row in body[1]:
        if type(row) is not tuple or len(row) != len(SymbolRow._fields) or {*map(type, row)} != {str}:
            raise WireError("symbols: a row has five texts")
    return body[0], [SymbolRow(*row) for row in body[1]]


def decode_trades(body: tuple[Any, ...]) -> tuple[int, list[tuple[Any, ...]]]:
    """(first seq asked for, trade messages (seq, time_ns, rows), oldest first) of an answer to TRADES. Raises
    WireError."""
    if len(body) != 2 or not _ints(body[:1], 1) or type(body[1]) is not tuple:
        raise WireError("trades: a number and one array of messages")
    for message in body[1]:
        if type(message) is not tuple or len(message) != 3 or not _ints(message[:2], 2):
            raise WireError("trades: a message is [seq, time_ns, rows]")
        _rows(message[2], 5, "trades")
        _sides(message[2], 3, "trades", _SIDES_OR_NONE)
    return body[0], list(body[1])


# ------------------------------------------------------------------------------------------------- for people
def decimal(price: int) -> Decimal:
    """A price in 1e-8 as an exact Decimal."""
    return Decimal(price).scaleb(-8)


def price_text(price: int, decimals: int = 2) -> str:
    """A price in 1e-8 as text with at least `decimals` decimals, and more only where the price has them."""
    whole, part = divmod(price, wire.PRICE_SCALE)
    digits = f"{part:08d}".rstrip("0").ljust(decimals, "0")
    return f"{whole}.{digits}" if digits else str(whole)
