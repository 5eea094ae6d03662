"""Prices that are expected: of a book as the matcher has it, and of the market data as a subscriber gets it.

::

    book.expect_best(bid="10.00", ask=("10.05", 60))     a Book of exchange.create_book
    market_data.expect_best("AAPL", bid=None)            the fixture: nobody bids
    market_data.expect_trade("AAPL", 40, at="10.05")

A side is a price, a price and quantity, or None for an empty side; what is not given may be anything.
"""

from __future__ import annotations

import time
from decimal import Decimal
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Final, Self

from openoutcry import feed
from openoutcry.clients.marketdata import MarketDataClient
from openoutcry.testkit.expecting import exact, plain, wait

if TYPE_CHECKING:
    from openoutcry.feed import Trade
    from openoutcry.handles import Book

Price = Decimal | str | int
Side = Price | tuple[Price, int] | EllipsisType | None
Best = tuple[Decimal, int] | None  # what is there: price and quantity

TIMEOUT_S: Final = 5.0
LOOK_AGAIN_S: Final = 0.002  # between two looks at a book that is not yet as expected
LEVELS: Final = 5  # a side, in the story
TRADES_MAX: Final = 20  # the same


ANYTHING: Final = ...  # a side that may be anything


def expect_best(book: Book, bid: Side = ANYTHING, ask: Side = ANYTHING, timeout: float = TIMEOUT_S) -> None:
    """Wait until the best prices of a book are those. Raises Unexpected, which shows the book."""
    __tracebackhide__ = True
    wanted = _wanted(bid), _wanted(ask)
    found: list[dict[str, Any]] = []

    def check() -> bool:
        found[:] = [book.depth(LEVELS)]
        return all(_fits(side, _top(found[0][name])) for side, name in zip(wanted, ("bids", "asks"), strict=True))

    wait(f"book {book.name}: {_sides(wanted)}", check, _pause, timeout, lambda: _story(found[0]))


def _pause(seconds: float) -> bool:
    time.sleep(min(seconds, LOOK_AGAIN_S))
    return False


def _top(levels: list[list[Any]]) -> Best:
    return (Decimal(levels[0][0]), levels[0][1]) if levels else None


def _wanted(side: Side) -> Any:
    """A side with its price exact: ANYTHING, None, (price, None) or (price, quantity)."""
    if side is None or isinstance(side, EllipsisType):
        return side
    if isinstance(side, tuple):
        return exact(side[0]), side[1]
    return exact(side), None


def _fits(side: Any, best: Best) -> bool:
    if side is ANYTHING or side is None or best is None:
        return side is ANYTHING or side is best
    price, quantity = side
    return best[0] == price and quantity in (None, best[1])


def _sides(sides: tuple[Any, Any]) -> str:
    named = [f"{name} {_shown(side)}" for name, side in zip(("bid", "ask"), sides, strict=True) if side is not ANYTHING]
    return ", ".join(named) or "anything"


def _shown(side: Any) -> str:
    if side is None:
        return "none"
    price, quantity = side
    return plain(price) if quantity is None else f"{quantity} at {plain(price)}"


def _story(depth: dict[str, Any]) -> str:
    lines = [f"{depth['symbol']}, {depth['phase']}:"]
    for name, title in (("asks", "ask"), ("bids", "bid")):
        levels = [
            f"  {title} {quantity} at {price} ({count} orders)" for price, quantity, count in depth[name][:LEVELS]
        ]
        lines += (levels[::-1] if name == "asks" else levels) or [f"  no {title}s"]
    return "\n".join(lines)


class MarketWatcher(MarketDataClient):
    """A MarketDataClient that collects: ``seen`` has every trade of a symbol since it was first asked for.

    A symbol is subscribed to when it is first named.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._seen: dict[str, list[Trade]] = {}
        self._expected: dict[str, int] = {}  # how many of them were expected already

    def __enter__(self) -> Self:
        return self

    def __repr__(self) -> str:
        symbols = [f"{symbol}{'' if self.is_live(symbol) else ' (not live)'}" for symbol in self._seen]
        return f"<market data of {', '.join(symbols) or 'nothing'}>"

    def watch(self, *symbols: str) -> None:
        """Subscribe, and wait until the books are there."""
        for symbol in symbols:
            if symbol not in self._seen:
                self.subscribe(symbol)
                self._seen[symbol] = []
                self._expected[symbol] = 0
        for symbol in symbols:
            self.wait_live(symbol)

    def seen(self, symbol: str) -> list[Trade]:
        """The trades so far, oldest first."""
        if symbol not in self._seen:
            self.watch(symbol)
        self._seen[symbol] += self.trades(symbol)
        return self._seen[symbol]

    def best(self, symbol: str) -> tuple[Best, Best]:
        """The best bid and ask, each (price, quantity) or None, as of the last ``poll``."""
        if symbol not in self._seen:
            self.watch(symbol)
        bbo = self.book(symbol).bbo
        return _side(bbo.bid_price, bbo.bid_quantity), _side(bbo.ask_price, bbo.ask_quantity)

    def expect_best(self, symbol: str, bid: Side = ANYTHING, ask: Side = ANYTHING, timeout: float = TIMEOUT_S) -> None:
        """Wait until the feed says that the best prices are those. Raises Unexpected, which shows what it says."""
        __tracebackhide__ = True
        self.watch(symbol)
        wanted = _wanted(bid), _wanted(ask)

        def check() -> bool:
            return all(_fits(side, best) for side, best in zip(wanted, self.best(symbol), strict=True))

        wait(f"{symbol}: {_sides(wanted)}", check, self._more, timeout, lambda: self._story(symbol))

    def expect_trade(
        self, symbol: str, quantity: int | None = None, at: Price | None = None, timeout: float = TIMEOUT_S
    ) -> Trade:
        """Wait for the next trade that was not expected yet; it must be that one. Returns it."""
        __tracebackhide__ = True
        price = None if at is None else exact(at)
        self.watch(symbol)

        def check() -> str | bool:
            seen, place = self.seen(symbol), self._expected[symbol]
            if place >= len(seen):
                return False
            trade = seen[place]
            if quantity in (None, trade.quantity) and price in (None, _price(trade.price)):
                return True
            return f"the next trade was {_traded(trade)}"

        amount = "" if quantity is None else f" of {quantity}"
        wanted = f"{symbol}: a trade{amount}{'' if price is None else f' at {plain(price)}'}"
        wait(wanted, check, self._more, timeout, lambda: self._story(symbol))
        self._expected[symbol] += 1
        return self._seen[symbol][self._expected[symbol] - 1]

    def _more(self, seconds: float) -> bool:
        return bool(self.poll(min(seconds, 0.1)))

    def _story(self, symbol: str) -> str:
        bid, ask = self.best(symbol)
        trades = [f"  {_traded(trade)}" for trade in self.seen(symbol)[-TRADES_MAX:]] or ["  none"]
        state = "live" if self.is_live(symbol) else "not live"
        head = f"feed of {symbol}, {state}: bid {_shown(bid)}, ask {_shown(ask)}; trades since it was first asked for:"
        return "\n".join([head, *trades])


def _price(units: int) -> Decimal:
    return Decimal(feed.price_text(units))


def _side(units: int, quantity: int) -> Best:
    return (_price(units), quantity) if quantity else None


def _traded(trade: Trade) -> str:
    return f"{trade.quantity} at {feed.price_text(trade.price)}"
