"""The verbs about orders and trades, as methods: desks, orders, quotes, drafts of them, what waits at manual engines.

Invariant: each method is one control verb. What a desk's own verb returns is what the desk was told, as a client would
have been; those by which an operator acts on anybody's orders come after them.

The desks and drafts that are returned here are in openoutcry.participants, the market in openoutcry.exchange_market.
"""

from __future__ import annotations

from openoutcry import records
from openoutcry.exchange_verbs import Price, Rows, Verbs
from openoutcry.handles import Book, Engine, name_of
from openoutcry.participants import Desk, DraftOrder, DraftQuote


class OrderVerbs(Verbs):
    """Verbs about desks, their orders and quotes, and trades."""

    # ------------------------------------------------------------------------------------- orders and quotes of desks
    def desk(
        self, engine: str | Engine, name: str = "desk", account: str | None = None, firm: str | None = None
    ) -> Desk:
        """A desk: a client that enters its orders by verbs. Made when there is none."""
        self.call("set_desk", engine, name, account, firm)
        return Desk(self._exchange, name, name_of(engine))

    def set_desk(
        self, engine: str | Engine, desk: str | Desk, account: str | None = None, firm: str | None = None
    ) -> None:
        """Say whose orders a desk's orders are; makes the desk when it is new."""
        self.call("set_desk", engine, desk, account, firm)

    def enter_order(
        self, order_id: str, book: str | Book, side: str, quantity: int, price: Price | None = None,
        desk: str | Desk = "desk", order_type: str = "limit", time_in_force: str = "day", expire: int = 0,
        minimum_quantity: int = 0, account: str | None = None, stop_price: Price | None = None,
        trail_amount: Price | None = None, trail_percent: int | None = None, protection: Price | None = None,
        display_quantity: int | None = None, display_range: int | None = None, hidden: bool | None = None,
        post_only: str | None = None, all_or_none: bool | None = None, peg: str | None = None,
        peg_offset: Price | None = None, pair: str | None = None, take_profit: Price | None = None,
        stop_loss: Price | None = None, reduce_only: bool | None = None, self_match: str | None = None,
        keep: bool | None = None,
    ) -> Rows:  # fmt: skip
        """Enter an order; returns what the desk was told, as dictionaries, the first of them accepted or rejected.

        The arguments from order_type on are openoutcry.verbs.ORDER_PROPERTIES.
        """
        found: Rows = self.call(
            "enter_order", order_id, book, side, quantity, price, desk, order_type, time_in_force, expire,
            minimum_quantity, account, stop_price, trail_amount, trail_percent, protection, display_quantity,
            display_range, hidden, post_only, all_or_none, peg, peg_offset, pair, take_profit, stop_loss, reduce_only,
            self_match, keep,
        )  # fmt: skip
        return found

    def amend_order(
        self, order_id: str, quantity: int | None = None, price: Price | None = None, desk: str | Desk = "desk",
        new_id: str | None = None, engine: str | Engine | None = None, order_type: str | None = None,
        time_in_force: str | None = None, expire: int | None = None, minimum_quantity: int | None = None,
        account: str | None = None, stop_price: Price | None = None, trail_amount: Price | None = None,
        trail_percent: int | None = None, protection: Price | None = None, display_quantity: int | None = None,
        display_range: int | None = None, hidden: bool | None = None, post_only: str | None = None,
        all_or_none: bool | None = None, peg: str | None = None, peg_offset: Price | None = None,
        pair: str | None = None, take_profit: Price | None = None, stop_loss: Price | None = None,
        reduce_only: bool | None = None, self_match: str | None = None, keep: bool | None = None,
    ) -> Rows:  # fmt: skip
        """Change an order: what is not given stays. quantity: the new total, with what has executed.

        One that only becomes smaller keeps its place. Returns what the desk was told.
        """
        found: Rows = self.call(
            "amend_order", order_id, quantity, price, desk, new_id, engine, order_type, time_in_force, expire,
            minimum_quantity, account, stop_price, trail_amount, trail_percent, protection, display_quantity,
            display_range, hidden, post_only, all_or_none, peg, peg_offset, pair, take_profit, stop_loss, reduce_only,
            self_match, keep,
        )  # fmt: skip
        return found

    def cancel_order(
        self, order_id: str, desk: str | Desk = "desk", quantity: int = 0, engine: str | Engine | None = None
    ) -> Rows:
        """Cancel an order, or a part of it: quantity is the new total, with what has executed."""
        found: Rows = self.call("cancel_order", order_id, desk, quantity, engine)
        return found

    def mass_cancel(
        self, engine: str | Engine, session: int | None = None, desk: str | Desk | None = None,
        account: str | None = None, firm: str | None = None, book: str | Book | None = None, side: str | None = None,
        low: Price | None = None, high: Price | None = None,
    ) -> records.Record:  # fmt: skip
        """Cancel all orders to which everything given applies; returns how many: {"orders": 3}."""
        found: records.Record = self.call("mass_cancel", engine, session, desk, account, firm, book, side, low, high)
        return found

    def quote(
        self, desk: str | Desk, book: str | Book, bid_quantity: int, bid_price: Price, ask_quantity: int,
        ask_price: Price, indicative: bool = False,
    ) -> Rows:  # fmt: skip
        """Quote both sides of a book, in place of the desk's earlier quote; a quantity of 0 takes a side out."""
        found: Rows = self.call("quote", desk, book, bid_quantity, bid_price, ask_quantity, ask_price, indicative)
        return found

    def mass_quote(
        self, desk: str | Desk, quotes: str, engine: str | Engine | None = None, indicative: bool = False
    ) -> Rows:
        """Quote several books at once: "AAPL 100@10.00/100@10.05 MSFT 50@20/50@20.10"."""
        found: Rows = self.call("mass_quote", desk, quotes, engine, indicative)
        return found

    # ------------------------------------------------------------------------------------- drafts
    def create_order(self, order_id: str, book: str | Book, desk: str | Desk = "desk") -> DraftOrder:
        """Begin an order, property by property; the market does not know it before ``submit_order``."""
        self.call("create_order", order_id, book, desk)
        return DraftOrder(self._exchange, order_id, name_of(book), name_of(desk))

    def set_order_property(
        self, order_id: str | DraftOrder, name: str, value: str | int | bool, desk: str | Desk = "desk"
    ) -> None:
        """Set a property of an order that is not submitted yet: openoutcry.verbs.DRAFT_ORDER_PROPERTIES."""
        self.call("set_order_property", order_id, name, value, desk)

    def submit_order(self, order_id: str | DraftOrder, desk: str | Desk = "desk") -> Rows:
        """Enter the order as it is; returns what the desk was told, as ``enter_order``."""
        found: Rows = self.call("submit_order", order_id, desk)
        return found

    def delete_order(self, order_id: str | DraftOrder, desk: str | Desk = "desk") -> Rows:
        """Forget an order that is not submitted yet, or cancel it; returns what the desk was told."""
        found: Rows = self.call("delete_order", order_id, desk)
        return found

    def create_quote(self, quote_id: str, book: str | Book, desk: str | Desk = "desk") -> DraftQuote:
        """Begin a quote of both sides of a book, property by property."""
        self.call("create_quote", quote_id, book, desk)
        return DraftQuote(self._exchange, quote_id, name_of(book), name_of(desk))

    def set_quote_property(
        self, quote_id: str | DraftQuote, name: str, value: str | int | bool, desk: str | Desk = "desk"
    ) -> None:
        """Set a property of a quote: openoutcry.verbs.DRAFT_QUOTE_PROPERTIES."""
        self.call("set_quote_property", quote_id, name, value, desk)

    def submit_quote(self, quote_id: str | DraftQuote, desk: str | Desk = "desk") -> Rows:
        """Quote, or quote again what has changed since; returns what the desk was told."""
        found: Rows = self.call("submit_quote", quote_id, desk)
        return found

    def delete_quote(self, quote_id: str | DraftQuote, desk: str | Desk = "desk") -> Rows:
        """Forget a quote, and take it out of the market; returns what the desk was told."""
        found: Rows = self.call("delete_quote", quote_id, desk)
        return found

    # ------------------------------------------------------------------------------------- by an operator's hand
    def match_orders(
        self, book: str | Book, order_a: str | int | DraftOrder, order_b: str | int | DraftOrder,
        quantity: int | None = None, price: Price | None = None, desk: str | Desk = "desk",
    ) -> records.Record:  # fmt: skip
        """Execute two live orders against each other, whatever their places; returns the match.

        order_a, order_b: the desk's names for them, or the order reference numbers of anybody's.
        """
        one, other = (str(order) if isinstance(order, int) else order for order in (order_a, order_b))
        found: records.Record = self.call("match_orders", book, one, other, quantity, price, desk)
        return found

    def accept_request(self, engine: str | Engine, request: int | None = None) -> records.Record:
        """Take what a client asks of a manual engine; returns what the client was told: ``{"events": [...]}``."""
        found: records.Record = self.call("accept_request", engine, request)
        return found

    def reject_request(
        self, engine: str | Engine, reason: str = "invalid field", text: str = "", request: int | None = None
    ) -> records.Record:
        """Refuse what a client asks of a manual engine; reason: one of openoutcry.wire.REJECT_REASONS."""
        found: records.Record = self.call("reject_request", engine, reason, text, request)
        return found

    def fill_request(
        self, engine: str | Engine, quantity: int | None = None, price: Price | None = None, request: int | None = None
    ) -> records.Record:
        """Take an order of a manual engine, and execute it at once, in whole or in part."""
        found: records.Record = self.call("fill_request", engine, quantity, price, request)
        return found

    def fill_order(self, order: int, quantity: int | None = None, price: Price | None = None) -> Rows:
        """Execute a live order of anybody against the desk ``house``; order: its order reference number."""
        found: Rows = self.call("fill_order", order, quantity, price)
        return found

    def pull_order(self, order: int, leaves: int = 0, reason: str = "supervisory") -> Rows:
        """Cancel a live order of anybody, unasked; reason: one of openoutcry.wire.CANCEL_REASONS."""
        found: Rows = self.call("pull_order", order, leaves, reason)
        return found

    def break_trade(self, match: int, reason: str = "erroneous") -> records.Record:
        """Declare that a trade never was."""
        found: records.Record = self.call("break_trade", match, reason)
        return found

    def correct_trade(self, match: int, price: Price, reason: str = "erroneous") -> records.Record:
        """Change the price of a trade."""
        found: records.Record = self.call("correct_trade", match, price, reason)
        return found

    # ------------------------------------------------------------------------------------- looking
    def orders(self, book: str | Book, desk: str | Desk | None = None, count: int = 100, skip: int = 0) -> Rows:
        """A book's live orders with all their terms, also what nobody sees; the first ``skip`` are left out."""
        found: Rows = self.call("orders", book, desk, count, skip)
        return found

    def trades(self, book: str | Book, count: int = 100, skip: int = 0) -> Rows:
        """A book's last trades, the newest first; the first ``skip`` are left out."""
        found: Rows = self.call("trades", book, count, skip)
        return found

    def order_events(
        self, desk: str | Desk, since: int = 0, engine: str | Engine | None = None, count: int = 100
    ) -> Rows:
        """What a desk was told about its orders, each with its ``number``, from the one after ``since``."""
        found: Rows = self.call("order_events", desk, since, engine, count)
        return found

    def order_status(
        self, order_id: str, desk: str | Desk = "desk", engine: str | Engine | None = None
    ) -> records.Record:
        """An order as it is, with the shares before it in its queue (``ahead``)."""
        found: records.Record = self.call("order_status", order_id, desk, engine)
        return found

    def requests(self, engine: str | Engine | None = None, count: int = 100, skip: int = 0) -> Rows:
        """What waits for a hand at manual engines, the oldest first; the first ``skip`` are left out."""
        found: Rows = self.call("requests", engine, count, skip)
        return found
