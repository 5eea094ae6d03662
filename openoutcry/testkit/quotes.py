"""A two-sided quote of a client: two orders, a bid and an offer, that are given, changed and taken back together.

::

    quote = client.quote("AAPL", bid=("10.00", 100), ask=("10.10", 100)).expect_accepted()
    quote.bid.expect_filled(30, at="10.00")
    quote.replace(bid=("10.05", 50)).expect_replaced()      # the other side stays as it is
    quote.cancel().expect_canceled()

Over FIX (from 4.2 on) these are Quote and QuoteCancel, over OUCH, which has no quotes, two orders. ``bid`` and ``ask``
are Orders with all their expectations, None for a side that is not quoted.

Invariant: an expectation of the quote is one of each of its sides.
"""

from __future__ import annotations

from decimal import Decimal
from types import EllipsisType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from openoutcry.testkit.expecting import exact
from openoutcry.testkit.orders import DONE, OPEN, Order, Price

if TYPE_CHECKING:
    from openoutcry.testkit.trading import Trader

Given = tuple[Price, int] | None  # price and quantity, None: nothing on that side


class Side(NamedTuple):
    """What a side of a quote is to be."""

    price: Decimal
    quantity: int

    @classmethod
    def of(cls, given: Given) -> Side | None:
        """From what a test says. Raises TypeError, ValueError for what is no price."""
        return None if given is None else cls(exact(given[0]), given[1])


class Quote:
    """See the module. name: the newest QuoteID; over OUCH nothing knows it."""

    def __init__(self, trader: Trader, symbol: str) -> None:
        self.trader = trader
        self.symbol = symbol
        self.name = ""
        self.bid: Order | None = None
        self.ask: Order | None = None
        self._asked: list[Order] = []  # the sides that the newest ``replace`` is about

    @property
    def sides(self) -> list[Order]:
        """The orders there are, the bid first."""
        return [order for order in (self.bid, self.ask) if order is not None]

    # --------------------------------------------------------------------------------------------- requests
    def replace(self, bid: Given | EllipsisType = ..., ask: Given | EllipsisType = ...) -> Self:
        """Quote again: (price, quantity that is to be open), None for no side; what is not given stays as it is."""
        wanted = [_as_it_is(order) if isinstance(given, EllipsisType) else Side.of(given)
                  for order, given in ((self.bid, bid), (self.ask, ask))]  # fmt: skip
        before = [(order, len(order.happenings)) for order in self.sides]
        self.trader.send_quote(self, *wanted)
        self._asked = [order for order, count in before if len(order.happenings) > count]
        return self

    def cancel(self) -> Self:
        """Take it back."""
        self.trader.send_quote_cancel(self)
        return self

    # --------------------------------------------------------------------------------------------- expectations
    def expect_accepted(self, timeout: float | None = None) -> Self:
        """Each side was taken."""
        __tracebackhide__ = True
        return self._each("expect_accepted", timeout=timeout)

    def expect_rejected(self, reason: str = "", timeout: float | None = None) -> Self:
        """Each side was refused."""
        __tracebackhide__ = True
        return self._each("expect_rejected", reason, timeout=timeout)

    def expect_replaced(self, timeout: float | None = None) -> Self:
        """Each side that was to be replaced was."""
        __tracebackhide__ = True
        for order in self._asked:
            order.expect_replaced(timeout=timeout)
        return self

    def expect_canceled(self, timeout: float | None = None) -> Self:
        """What was open of each side was cancelled."""
        __tracebackhide__ = True
        return self._each("expect_canceled", timeout=timeout)

    def _each(self, name: str, *arguments: Any, **named: Any) -> Self:
        __tracebackhide__ = True
        for order in self.sides:
            getattr(order, name)(*arguments, **named)
        return self

    def __repr__(self) -> str:
        return f"<Quote {self.name}: {', '.join(map(str, self.sides)) or 'nothing'}>"


def _as_it_is(order: Order | None) -> Side | None:
    """A side that is not to change. Nothing that is gone comes again."""
    if order is None or order.price is None or order.status in DONE:
        return None
    return Side(order.price, order.open if order.status == OPEN else order.quantity)
