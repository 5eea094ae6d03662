"""The snapshot service without sockets: a request's bytes in, a reply's bytes out.

Invariant: a snapshot is the book between two frames of events, with the numbers that all its topics had there; a big
one is captured whole at once (an *image*) and fetched page by page. Every reply is below wire.FRAME_MAX.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Any, Final, NamedTuple

from openoutcry import feed, wire
from openoutcry.errors import WireError
from openoutcry.marketdata.books import Book
from openoutcry.marketdata.publisher import Publisher, trade_rows

_IMAGE_BITS: Final = 32  # an image's number is life << 32 | count: never that of an image of another life


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Image(NamedTuple):
    """What is left to fetch of one snapshot."""

    made_ns: int
    levels: list[tuple[int, int, int, int]]
    orders: list[tuple[int, int, int, int]]
    quotes: list[tuple[int, ...]]

    @property
    def pages(self) -> int:
        """Pages of feed.PAGE_ROWS rows: levels, then orders, then quotes. An empty book has one."""
        return max(1, -(-(len(self.levels) + len(self.orders) + len(self.quotes)) // feed.PAGE_ROWS))

    def page(self, number: int) -> list[list[Any]]:
        """The levels, the orders and the quotes of one page."""
        start = number * feed.PAGE_ROWS
        found: list[list[Any]] = []
        for rows in (self.levels, self.orders, self.quotes):
            found.append(list(rows[max(0, start) : max(0, start + feed.PAGE_ROWS)]))
            start -= len(rows)
        return found


class SnapshotService:
    """Answers for one publisher."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.market = publisher.market
        self.images: OrderedDict[int, Image] = OrderedDict()
        self._count = 0
        self.counters = {"requests": 0, "malformed": 0, "refused": 0, "expired_images": 0}
        self._answers: dict[str, tuple[Callable[..., tuple[Any, ...]], tuple[tuple[type, ...], ...]]] = {
            feed.SNAPSHOT: (self._snapshot, ((str,), (str, int))),
            feed.PAGE: (self._page, ((int, int),)),
            feed.SYMBOLS: (self._symbols, ((), (int,))),
            feed.TRADES: (self._trades, ((str, int, int),)),
            feed.INSTRUMENT_OF: (self._instrument, ((str,),)),
        }

    def answer(self, data: bytes, now_ns: int) -> bytes:
        """The reply to a request, whatever its bytes are. ``now_ns``: of a monotonic clock."""
        self.counters["requests"] += 1
        try:
            number, what, arguments = feed.decode_request(data)
        except WireError as error:
            self.counters["malformed"] += 1
            text = str(error)[: wire.SHORT_TEXT_MAX]
            return feed.error_reply(_number(data), "version" if text.startswith("version") else "malformed", text)
        try:
            return feed.reply(number, *self._find(what, arguments)(*arguments, now_ns=now_ns))
        except Refused as error:
            self.counters["refused"] += 1
            return feed.error_reply(number, error.code, str(error))

    def _find(self, what: str, arguments: tuple[Any, ...]) -> Callable[..., tuple[Any, ...]]:
        if what not in self._answers:
            raise Refused("unknown_request", f"no request {what[:32]!r}; there are: {', '.join(self._answers)}")
        function, signatures = self._answers[what]
        if tuple(map(type, arguments)) not in signatures:
            forms = " or ".join("(" + ", ".join(t.__name__ for t in types) + ")" for types in signatures)
            raise Refused("malformed", f"{what} takes {forms}")
        return function

    def _book(self, topic: str) -> Book:
        book = self.market.by_topic.get(topic)
        if book is None:
            raise Refused("unknown_symbol", f"no book has the topic {topic[:64]!r}")
        return book

    # ---- answers
    def _snapshot(self, topic: str, orders: int = 1, *, now_ns: int) -> tuple[Any, ...]:
        book = self._book(topic)
        image = Image(now_ns, book.level_rows(), book.order_rows() if orders else [], list(book.quotes.values()))
        number = self._keep(image, now_ns) if image.pages > 1 else 0
        return (
            self.market.time_ns, topic, book.name, book.engine, book.symbol, self.publisher.life, book.seqs,
            book.phase_text, book.text, book.bbo, book.stats(), book.auction, book.corrections, book.properties, number,
            image.pages, *image.page(0),
        )  # fmt: skip

    def _keep(self, image: Image, now_ns: int) -> int:
        self._expire(now_ns)
        while len(self.images) >= feed.IMAGES_MAX:
            self.images.popitem(last=False)
            self.counters["expired_images"] += 1
        self._count += 1
        number = self.publisher.life << _IMAGE_BITS | self._count
        self.images[number] = image
        return number

    def _expire(self, now_ns: int) -> None:
        while self.images and now_ns - next(iter(self.images.values())).made_ns > feed.IMAGE_NS:
            self.images.popitem(last=False)
            self.counters["expired_images"] += 1

    def _page(self, number: int, page: int, *, now_ns: int) -> tuple[Any, ...]:
        self._expire(now_ns)
        image = self.images.get(number)
        if image is None or page >= image.pages:
            raise Refused("expired", f"image {number} is not kept any more, or has no page {page}")
        return number, page, *image.page(page)

    def _symbols(self, offset: int = 0, *, now_ns: int) -> tuple[Any, ...]:
        found = self.market.by_topic
        offset = min(offset, len(found))
        rows = [
            (topic, book.name, book.engine, book.symbol, book.phase_text)
            for topic, book in islice(found.items(), offset, offset + feed.SYMBOL_ROWS)
        ]
        return len(found), rows

    def _trades(self, topic: str, first: int, last: int, *, now_ns: int) -> tuple[Any, ...]:
        """The kept trade messages from number `first` to `last`, as many as one reply holds."""
        book = self._book(topic)
        kept = book.ring
        start = min(max(0, first - kept[0][0]), len(kept)) if kept else 0
        out: list[Any] = []
        rows = 0
        for seq, time_ns, trades in islice(kept, start, None):
            rows += len(trades)
            if seq > last or (rows > feed.TRADE_ROWS and out):
                break
            out.append((seq, time_ns, trade_rows(trades)))
        return first, out

    def _instrument(self, topic: str, *, now_ns: int) -> tuple[Any, ...]:
        book = self._book(topic)
        return topic, book.name, book.engine, book.symbol, book.instrument_seq, book.properties

    def expire(self, now_ns: int) -> None:
        """Drop images whose time is over, so that an idle service keeps none."""
        self._expire(now_ns)

    def statistics(self) -> dict[str, Any]:
        """Counters."""
        return {**self.counters, "images": len(self.images)}


def _number(data: bytes) -> int:
    """The request's number when that much of it can be read, else 0."""
    try:
        message = wire.unpack(data[: feed.REQUEST_MAX], 8, wire.SHORT_TEXT_MAX)
    except WireError:
        return 0
    number = message[1] if type(message) is tuple and len(message) > 1 else 0
    return number if type(number) is int and 0 <= number <= wire.UINT63_MAX else 0
