"""Price bands: how far trades may move, and what happens when one would move further.

Rule 1. The static band is around the price of the last auction, the dynamic band around the last trade before the order
        that trades now; before there was one both are around reference_price, and without that there is no band. A
        trade must be within both. Auctions are not held to bands (they have their extension).
Rule 2. The order that would trade beyond a band trades up to it; then the book does its ``band_action``::

    auction   a volatility auction begins at once, and ends volatility_auction_ms later (or extended)
    pause     a limit state begins. When limit_state_ms later the other side's best price is within the bands, it is
              over; else the book is halted for pause_ms, and goes on with a volatility auction
    cancel    nothing: only what is left of the order is cancelled

Rule 3. What is left of the order rests, if it may, when an auction began; else it is cancelled (CANCEL_COLLAR).

Sources: Xetra Market Model, "Volatility interruption" (static and dynamic price ranges); the Limit Up-Limit Down plan
of the US markets (limit state of 15 s, pause of 5 min). LULD's reference is the mean of five minutes; here it is the
last auction and the last trade, which a participant can check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry.wire import PHASE_OPEN, PRICE_MAX

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book

PARTS: Final = 10_000  # a band of 1 is this part of the reference
AUCTION: Final = "auction"
PAUSE: Final = "pause"


class Bands:
    """A book's bands. static, dynamic: in 1e-4 of their reference, 0 for none; first: what they are around at first."""

    __slots__ = ("action", "dynamic", "first", "static")

    def __init__(self, static: int, dynamic: int, first: int, action: str) -> None:
        self.static = static
        self.dynamic = dynamic
        self.first = first
        self.action = action

    def limits(self, book: Book) -> tuple[int, int]:
        """The lowest and the highest price at which the book may trade now."""
        low, high = 1, PRICE_MAX
        auction_price, last_price = self._references(book)
        for band, reference in ((self.static, auction_price or self.first), (self.dynamic, last_price or self.first)):
            if band and reference:
                width = reference * band // PARTS
                low, high = max(low, reference - width), min(high, reference + width)
        return low, high

    def _references(self, book: Book) -> tuple[int, int]:
        """The last auction's price, and the last trade before the present order.

        While an order trades, ``rooms.prints`` has the prices that it traded at, and the room for auctions keeps what
        the last one was before.
        """
        rooms = book.rooms
        if rooms is None:
            return 0, book.last_price
        call = rooms.call
        if not rooms.prints:
            call.reference = book.last_price
        return call.price, call.reference

    def allows(self, book: Book, price: int) -> bool:
        """Whether the book may trade at `price` now."""
        low, high = self.limits(book)
        return low <= price <= high


def bands_of(properties: dict[str, Any]) -> Bands | None:
    """The bands of a book, None when it has none."""
    static, dynamic = properties["static_band"], properties["dynamic_band"]
    if not static and not dynamic:
        return None
    return Bands(static, dynamic, properties["reference_price"], properties["band_action"])


def limit(book: Book, buying: bool) -> int:
    """The furthest price at which an order of that side may trade now: PRICE_MAX or 1 when there are no bands."""
    bands = book.policy.bands if book.policy is not None else None
    if bands is None:
        return PRICE_MAX if buying else 1
    low, high = bands.limits(book)
    return high if buying else low


def tripped(book: Book, price: int) -> None:
    """An order would trade at `price` next, which is beyond a band. Rule 2."""
    from openoutcry.matcher import interruptions

    bands = book.policy.bands if book.policy is not None else None
    engine = book.home
    if bands is None or engine is None or book.phase != PHASE_OPEN:
        return
    if bands.action == AUCTION:
        interruptions.interrupt(engine, book)
    elif bands.action == PAUSE:
        interruptions.limit_state(engine, book, _is_offered(book, price))


def _is_offered(book: Book, price: int) -> bool:
    """Whether it is sellers who wait at `price`, so that it was a buyer who met it."""
    return price in book.asks.levels or (book.rooms is not None and price in book.rooms.dark_asks.levels)


def still_beyond(book: Book, buying: bool) -> bool:
    """Whether the best price that an order of that side could trade at is (still) beyond a band."""
    bands = book.policy.bands if book.policy is not None else None
    side = book.asks if buying else book.bids
    return bands is not None and bool(side.prices) and not bands.allows(book, side.best)
