"""What the test kit's clients have in common: ``buy`` and ``sell`` give orders, messages find their orders.

Invariant: a message is shown to its order when the client reads it, and stays with the client as well: ``wait_for`` and
``next`` give it as ever. What a client keeps to show in reports is bounded (HISTORY_MAX).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from decimal import Decimal
from typing import Any, Final

from openoutcry.testkit.expecting import exact, plain
from openoutcry.testkit.orders import DONE, SENT, Happening, Order, Price
from openoutcry.testkit.quotes import Given, Quote, Side

HISTORY_MAX: Final = 200  # messages, sent and received, that a report can show


class Trader(ABC):
    """A client that has orders.

    patience: seconds that an expectation waits unless it says otherwise. name_field: what the protocol calls the name
    of an order; a property of that name is used as it is.
    """

    patience = 5.0
    name_field = "name"

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self._by_name: dict[str, Order] = {}
        self._history: deque[tuple[str, Any]] = deque(maxlen=HISTORY_MAX)

    @property
    @abstractmethod
    def title(self) -> str:
        """Who it is: protocol and name."""

    @abstractmethod
    def standing(self) -> str:
        """Whether it is connected, and the sequence numbers of its session."""

    def __repr__(self) -> str:
        try:
            return f"<{self.title}: {self.standing()}>"
        except AttributeError:  # it is being made
            return object.__repr__(self)

    def buy(self, symbol: str, quantity: int, price: Price | None = None, **properties: Any) -> Order:
        """Send an order to buy; price None: at the market.

        properties: time_in_force="ioc" (or "day", ...), and any other field of the protocol by its own name.
        """
        __tracebackhide__ = True
        return self._enter("buy", symbol, quantity, price, properties)

    def sell(self, symbol: str, quantity: int, price: Price | None = None, **properties: Any) -> Order:
        """Send an order to sell; as ``buy``."""
        __tracebackhide__ = True
        return self._enter("sell", symbol, quantity, price, properties)

    def quote(self, symbol: str, bid: Given = None, ask: Given = None) -> Quote:
        """Quote both sides, or one, each (price, quantity): ``quote("AAPL", bid=("10.00", 100), ask=("10.10", 50))``.

        Expect it to be accepted before it is replaced.
        """
        quote = Quote(self, symbol)
        self.send_quote(quote, Side.of(bid), Side.of(ask))
        return quote

    def _enter(self, side: str, symbol: str, quantity: int, price: Price | None, properties: dict[str, Any]) -> Order:
        __tracebackhide__ = True
        name = str(properties.pop(self.name_field, None) or self.new_name())
        order = self._new_order(name, side, symbol, quantity, None if price is None else exact(price), properties)
        self._by_name[order.name] = order
        try:
            self.send_order(order, properties)
        except Exception:  # it cannot be sent like that, so it never was
            self.orders.remove(order)
            del self._by_name[order.name]
            raise
        return order

    def _new_order(
        self, name: str, side: str, symbol: str, quantity: int, price: Decimal | None, properties: dict[str, Any]
    ) -> Order:
        """An order that is about to be sent."""
        order = Order(self, name, side, symbol, quantity, price)
        self.orders.append(order)
        order.add(Happening(SENT, f"{order}{_shown(properties)}"))
        return order

    def known_as(self, name: str, order: Order) -> None:
        """Messages with that name are about that order."""
        self._by_name[name] = order

    # --------------------------------------------------------------------------------------------- the protocol's
    @abstractmethod
    def new_name(self) -> str:
        """A token or ClOrdID that was not used before."""

    @abstractmethod
    def send_order(self, order: Order, properties: dict[str, Any]) -> None:
        """Send a new order."""

    @abstractmethod
    def send_cancel(self, order: Order) -> None:
        """Ask for what is open to be cancelled."""

    @abstractmethod
    def send_replace(self, order: Order, quantity: int, price: Decimal | None) -> None:
        """Ask for another quantity or price."""

    def send_quote(self, quote: Quote, bid: Side | None, ask: Side | None) -> None:
        """Quote, or quote again; what the sides are to be from now on. Without quotes: an order for each side."""
        quote.bid = self._send_side("buy", quote.symbol, quote.bid, bid)
        quote.ask = self._send_side("sell", quote.symbol, quote.ask, ask)

    def _send_side(self, side: str, symbol: str, order: Order | None, wanted: Side | None) -> Order | None:
        """The order of a side, changed to what it is to be."""
        if order is not None and order.status not in DONE:
            if wanted is None:
                return order.cancel()
            total = order.filled + wanted.quantity  # with what has executed
            return (
                order if (total, wanted.price) == (order.quantity, order.price) else order.replace(total, wanted.price)
            )
        return order if wanted is None else self._enter(side, symbol, wanted.quantity, wanted.price, {})

    def send_quote_cancel(self, quote: Quote) -> None:
        """Take a quote back."""
        for order in quote.sides:
            if order.status not in DONE:
                order.cancel()

    @abstractmethod
    def more(self, seconds: float) -> bool:
        """Wait for messages, at most so long, and take them. False: none came. Raises ClientError."""

    @abstractmethod
    def words_of(self, mark: str, message: Any) -> str:
        """A message of the history in words. mark: ">" for one that was sent, "<" received."""

    # --------------------------------------------------------------------------------------------- for reports
    def last_messages(self, count: int = HISTORY_MAX) -> list[str]:
        """The last messages sent (>) and received (<), in words."""
        return [f"{mark} {self.words_of(mark, message)}" for mark, message in list(self._history)[-count:]]


def _shown(properties: dict[str, Any]) -> str:
    return "".join(f", {name} {value}" for name, value in properties.items())


def at(price: Decimal | None) -> str:
    """A price in words."""
    return "at the market" if price is None else f"at {plain(price)}"
