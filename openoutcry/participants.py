"""Handles of those who trade on an exchange: desks with the orders and quotes they draft, users, FIX sessions.

Invariant: as in openoutcry.handles, which has the market's own things: a handle holds names and facts, no state of its
own, and every method is one control verb.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openoutcry.handles import Book, Handle

if TYPE_CHECKING:
    from openoutcry.records import Record, Records


@dataclass(frozen=True)
class Desk(Handle):
    """A client that enters its orders by verbs. What the methods return is what it was told, as dictionaries."""

    engine: str

    def enter(
        self, order_id: str, book: str | Book, side: str, quantity: int, price: str | int | None = None,
        **properties: Any,
    ) -> Records:  # fmt: skip
        """Enter an order; properties: openoutcry.verbs.ORDER_PROPERTIES."""
        return self.exchange.enter_order(order_id, book, side, quantity, price, self, **properties)

    def amend(
        self, order_id: str, quantity: int | None = None, price: str | int | None = None, new_id: str | None = None,
        **properties: Any,
    ) -> Records:  # fmt: skip
        """Change an order; quantity: the new total."""
        return self.exchange.amend_order(order_id, quantity, price, self, new_id, self.engine, **properties)

    def cancel(self, order_id: str, quantity: int = 0) -> Records:
        """Cancel an order, or a part of it."""
        return self.exchange.cancel_order(order_id, self, quantity, self.engine)

    def quote(
        self, book: str | Book, bid_quantity: int, bid_price: str | int, ask_quantity: int, ask_price: str | int,
        indicative: bool = False,
    ) -> Records:  # fmt: skip
        """Quote both sides of a book."""
        return self.exchange.quote(self, book, bid_quantity, bid_price, ask_quantity, ask_price, indicative)

    def mass_quote(self, quotes: str, indicative: bool = False) -> Records:
        """Quote several books: "AAPL 100@10.00/100@10.05 MSFT ..."."""
        return self.exchange.mass_quote(self, quotes, self.engine, indicative)

    def cancel_all(self) -> int:
        """Cancel all its orders; returns how many."""
        return int(self.exchange.mass_cancel(self.engine, desk=self)["orders"])

    def status(self, order_id: str) -> Record:
        """An order as it is."""
        return self.exchange.order_status(order_id, self, self.engine)

    def events(self, since: int = 0, count: int = 100) -> Records:
        """What it was told, each with its ``number``, from the one after ``since``."""
        return self.exchange.order_events(self, since, self.engine, count)

    def describe(self) -> Record:
        """Whose its orders are, and how many it has."""
        return self.exchange.describe(self, "desk", self.engine)


@dataclass(frozen=True)
class DraftOrder(Handle):
    """An order in the making: ``order.set(side="buy", quantity=100, price="10.05")``, then ``order.submit()``."""

    book: str
    desk: str

    def set_property(self, name: str, value: str | int | bool) -> None:
        """Set one of openoutcry.verbs.DRAFT_ORDER_PROPERTIES."""
        self.exchange.set_order_property(self, name, value, self.desk)

    def set(self, **properties: str | int | bool) -> DraftOrder:
        """Set several, in the order given."""
        for name, value in properties.items():
            self.set_property(name, value)
        return self

    def submit(self) -> Records:
        """Enter it; returns what its desk was told."""
        return self.exchange.submit_order(self, self.desk)

    def delete(self) -> Records:
        """Forget it, or cancel it once it has been submitted."""
        return self.exchange.delete_order(self, self.desk)

    def describe(self) -> Record:
        """Everything about it, the draft or the live order that it became."""
        return self.exchange.describe(self, "order", self.desk)


@dataclass(frozen=True)
class DraftQuote(Handle):
    """A quote in the making: ``quote.set(bid_quantity=100, bid_price="10", ...)``, then ``quote.submit()``."""

    book: str
    desk: str

    def set_property(self, name: str, value: str | int | bool) -> None:
        """Set one of openoutcry.verbs.DRAFT_QUOTE_PROPERTIES."""
        self.exchange.set_quote_property(self, name, value, self.desk)

    def set(self, **properties: str | int | bool) -> DraftQuote:
        """Set several, in the order given."""
        for name, value in properties.items():
            self.set_property(name, value)
        return self

    def submit(self) -> Records:
        """Quote, or quote again what has changed since; returns what its desk was told."""
        return self.exchange.submit_quote(self, self.desk)

    def delete(self) -> Records:
        """Forget it, and take it out of the market."""
        return self.exchange.delete_quote(self, self.desk)

    def describe(self) -> Record:
        """Everything about it."""
        return self.exchange.describe(self, "quote", self.desk)


@dataclass(frozen=True)
class User(Handle):
    """A user who may log in. endpoint: None for every endpoint."""

    endpoint: str | None
    account: str
    firm: str = ""

    def delete(self) -> None:
        """Forget the user."""
        self.exchange.delete_user(self)

    def describe(self) -> Record:
        """Where the user may log in, and whose the orders are."""
        return self.exchange.describe(self, "user")


@dataclass(frozen=True)
class FixSession(Handle):
    """A FIX session that was set up. name: both ends, as ``FIX.4.2:ISLD->TW42``."""

    endpoint: str

    def delete(self) -> None:
        """Log its client out, cancel its orders and forget it."""
        self.exchange.delete_session(self.endpoint, self)

    def set_property(self, name: str, value: str | int | bool) -> None:
        """Set one of openoutcry.fix.settings.SESSION_SETTINGS."""
        self.exchange.set_session_property(self.endpoint, self, name, value)

    def reset(self) -> None:
        """Begin both sequence numbers at 1 again."""
        self.exchange.reset_session(self.endpoint, self)

    def set_sequence(self, next_out: int | None = None, next_in: int | None = None) -> None:
        """Set the sequence numbers, while its client is not logged on."""
        self.exchange.set_sequence(self.endpoint, self, next_out, next_in)

    def logout(self, reason: str = "") -> None:
        """Log its client out; it may log on again."""
        self.exchange.logout_session(self.endpoint, self, reason)

    def describe(self) -> Record:
        """Everything about it, with all its settings."""
        return self.exchange.describe(self, "session", self.endpoint)
