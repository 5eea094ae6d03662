"""What the events of a session say about its orders: the other half of openoutcry.gateway.fix.application.

Rule. Whatever an event says is put into the ``Book`` first and told afterwards, so a report shows the order as it is
      then. An event about an order that is forgotten (``book.DONE_MAX``) is counted, and that is all.

What is not told: that an iceberg shows its next part, that a waiting order entered the book, that the trigger of a
trailing stop moved, and fees, which come after the reports that would have to say them.
"""

from __future__ import annotations

from typing import Final

from openoutcry import wire
from openoutcry.gateway.fix import dialects
from openoutcry.gateway.fix.dialects import CANCELED, EXPIRED
from openoutcry.gateway.fix.part import Event, Events, Part
from openoutcry.gateway.fix.plans import SIDES
from openoutcry.gateway.fix.reports import (
    HEAD,
    HEAD_SIZE,
    Order,
    Report,
    last_piece,
    price_of,
    price_piece,
    text_piece,
)

# Cancels that are the end of an order's time rather than somebody's doing.
EXPIRIES: Final = frozenset((wire.CANCEL_TIMEOUT, wire.CANCEL_CLOSED, wire.CANCEL_CROSS))
# Restatements that are told: the order has another price, or is another kind of order now.
TOLD: Final = frozenset((wire.RESTATED_TRIGGERED, wire.RESTATED_PEGGED, wire.RESTATED_SLID, wire.RESTATED_LIMIT))
_CANCEL_TEXTS: Final = {reason: text_piece(f"cancelled: {text}") for reason, text in wire.CANCEL_REASONS.items()}
REQUEST_CANCEL: Final = 1  # request_kind of REQUEST_REJECTED, and CxlRejResponseTo(434)


class Executions(Part):
    """See the module. Messages are the application's own business."""

    def events(self) -> Events:
        """See Part."""
        return {
            wire.ACCEPTED: self._on_accepted,
            wire.EXECUTED: self._on_executed,
            wire.CANCELED: self._on_canceled,
            wire.REJECTED: self._on_rejected,
            wire.REPLACED: self._on_replaced,
            wire.RESTATED: self._on_restated,
            wire.CANCEL_REQUESTED: self._on_cancel_requested,
            wire.CANCEL_PENDING: self._on_cancel_pending,
            wire.CANCEL_REJECTED: self._on_cancel_rejected,
            wire.REQUEST_REJECTED: self._on_request_rejected,
            wire.SELF_MATCH: self._on_self_match,
            wire.MODIFIED: self._on_modified,
            wire.BROKEN: self._on_broken,
            wire.CORRECTED: self._on_corrected,
            wire.SYSTEM: self._on_system,
        }

    # --------------------------------------------------------------------------------------------- orders
    def _on_accepted(self, event: Event, time_ns: int) -> None:
        _, _, token, number, side, quantity, price, _, data = event
        app = self._app
        form = app.forms.get(data[HEAD_SIZE:]) or app.forms[data[HEAD_SIZE:]]
        order = Order(token, number, side, quantity, price, form)
        order.time_ns = time_ns
        self._book.orders[token] = order
        when = app.stamp(time_ns)
        app.emit(b"8", form.accepted % (token, number, number, quantity, price_piece(price), when, quantity))
        if app.copies:
            app.copies.tell_accepted(app, order, time_ns)
        if form.listed:
            app.lists.answered(order, time_ns)

    def _on_executed(self, event: Event, time_ns: int) -> None:
        _, _, token, quantity, price, liquidity, match, leaves, _ = event
        app = self._app
        order = self._book.orders.get(token) or self._order(token)
        if order is None:
            return
        cum = order.cum = order.cum + quantity
        notional = order.notional = order.notional + quantity * price
        order.leaves = leaves
        order.time_ns = time_ns
        order.add_fill(match, quantity, price, liquidity, time_ns)
        last = price_of(price)
        form = order.form
        if leaves:
            order.status = dialects.PARTIALLY_FILLED
            layout = form.part_fills
        else:
            order.status = dialects.FILLED
            layout = form.all_fills
        number = order.number
        app.emit(b"8", layout % (
            last if notional == cum * price else order.average(), order.token, cum, number, match, last, quantity,
            number, order.quantity, price_piece(order.price), app.stamp(time_ns), leaves,
            app.dialect.liquidity[liquidity],
        ))  # fmt: skip
        if app.copies:
            app.copies.tell_executed(app, order, time_ns)
        if not leaves:
            self._book.finish(order)

    def _order(self, token: bytes) -> Order | None:
        """The order that an event is about; counted when there is none, which means it was too long ago."""
        order = self._book.orders.get(token) or self._app.quotes.order(token, 0)
        if order is None:
            self._app.counters["orphans"] += 1
        return order

    def _on_canceled(self, event: Event, time_ns: int) -> None:
        _, _, token, _, reason, leaves = event
        order = self._order(token)
        if order is None:
            return
        if leaves:
            self._shrunk(order, leaves, wire.CANCEL_REASONS[reason], time_ns)
            return
        order.leaves = 0
        order.status = EXPIRED if reason in EXPIRIES else CANCELED
        self._book.finish(order)
        asked = order.cancel
        if asked:
            order.cancel = b""
            self._app.tell_change(order, order.status, asked, order.token, b"", time_ns)
        else:
            text = _CANCEL_TEXTS[reason]
            self._app.tell_change(order, order.status, order.token, b"", text, time_ns)

    def _shrunk(self, order: Order, leaves: int, why: str, time_ns: int) -> None:
        """Less of an order is open, and not because it traded."""
        order.leaves = leaves
        order.quantity = order.cum + leaves
        report = Report(dialects.RESTATED, order.next_exec(), order.token)
        report.restatement, report.text = dialects.PARTLY_DECLINED, text_piece(why)
        self._app.tell(order, report, time_ns)

    def _on_rejected(self, event: Event, time_ns: int) -> None:
        _, _, token, reason, text, data = event
        if token[:1] == b"\x01":
            self._app.quotes.rejected(token, reason, text, time_ns)
            return
        quantity, price = HEAD.unpack_from(data) if len(data) >= HEAD_SIZE else (0, 0)
        form = self._app.forms[data[HEAD_SIZE:]]
        order = Order(token, 0, SIDES.get(form.fields.get(54, b""), wire.BUY), quantity, price, form)
        order.status, order.leaves, order.live = dialects.REJECTED, 0, False
        self._book.rejects += 1
        report = Report(dialects.REJECTED, self._book.rejects, token)
        report.text, report.reason, report.session = text_piece(text), reason, self._app.number
        if token not in self._book.orders and reason != wire.REJECT_DUPLICATE:
            self._book.remember(order)
        self._app.tell(order, report, time_ns)
        if form.listed:
            self._app.lists.answered(order, time_ns)

    def _on_replaced(self, event: Event, time_ns: int) -> None:
        _, _, token, previous, _, side, leaves, price, _, _, data = event
        order = self._book.orders.pop(previous, None)
        if order is None:
            self._app.counters["orphans"] += 1
            return
        order.form = self._app.forms[data[HEAD_SIZE:]]
        order.token, order.side, order.price, order.leaves = token, side, price, leaves
        order.quantity, order.status, order.cancel = order.cum + leaves, dialects.REPLACED, b""
        self._book.orders[token] = order
        self._app.tell_change(order, dialects.REPLACED, token, previous, b"", time_ns)

    def _on_restated(self, event: Event, time_ns: int) -> None:
        _, _, token, _, price, _, leaves, reason = event
        order = self._order(token)
        if order is None:
            return
        order.price, order.leaves = price, leaves
        if reason in TOLD:
            kind = dialects.TRIGGERED if reason == wire.RESTATED_TRIGGERED else dialects.RESTATED
            report = Report(kind, order.next_exec(), order.token)
            report.restatement = dialects.RESTATEMENT[reason]
            report.text = text_piece(wire.RESTATED_REASONS[reason])
            self._app.tell(order, report, time_ns)

    def _on_cancel_requested(self, event: Event, time_ns: int) -> None:
        order = self._order(event[2])
        if order is not None:
            order.cancel = event[3]

    def _on_cancel_pending(self, event: Event, time_ns: int) -> None:
        order = self._order(event[2])
        if order is None:
            return
        before, order.status = order.status, dialects.PENDING_CANCEL
        report = Report(dialects.PENDING_CANCEL, order.next_exec(), order.cancel or order.token)
        report.original = order.token if order.cancel else b""
        report.text = text_piece("the cancel takes place after the auction")
        self._app.tell(order, report, time_ns)
        order.status = before

    def _on_cancel_rejected(self, event: Event, time_ns: int) -> None:
        _, _, token, reason, text = event
        order = self._order(token)
        if order is not None and order.cancel:
            request, order.cancel = order.cancel, b""
            self._app.reject_request(token, request, REQUEST_CANCEL, reason, text, time_ns)

    def _on_request_rejected(self, event: Event, time_ns: int) -> None:
        _, _, token, request, kind, reason, text = event
        self._app.reject_request(token, request, kind, reason, text, time_ns)

    def _on_self_match(self, event: Event, time_ns: int) -> None:
        _, _, token, _, _, _, _, leaves = event
        order = self._order(token)
        if order is None:
            return
        if leaves:
            self._shrunk(order, leaves, wire.CANCEL_REASONS[wire.CANCEL_SELF_MATCH], time_ns)
        else:
            self._on_canceled((wire.CANCELED, 0, token, 0, wire.CANCEL_SELF_MATCH, 0), time_ns)

    def _on_modified(self, event: Event, time_ns: int) -> None:
        _, _, token, side, leaves = event
        order = self._order(token)
        if order is not None:
            order.side = side
            self._shrunk(order, leaves, "modified", time_ns)

    # --------------------------------------------------------------------------------------------- afterwards
    def _on_broken(self, event: Event, time_ns: int) -> None:
        """A trade that never was: ExecTransType 1, or ExecType H."""
        _, _, token, match, quantity, price, reason = event
        order = self._order(token)
        if order is None:
            return
        order.cum -= quantity
        order.notional -= quantity * price
        order.drop_fill(match)
        if order.live:
            order.status = dialects.PARTIALLY_FILLED if order.cum else dialects.NEW
        elif order.status == dialects.FILLED:
            order.status = CANCELED  # what was broken is not in the market again
        self._amended(order, dialects.TRADE_CANCEL, match, quantity, price, f"broken: {wire.BREAK_REASONS[reason]}",
                      time_ns)  # fmt: skip

    def _on_corrected(self, event: Event, time_ns: int) -> None:
        """A trade was at another price: ExecTransType 2, or ExecType G."""
        _, _, token, match, quantity, price, reason = event
        order = self._order(token)
        if order is None:
            return
        order.notional += quantity * (price - order.correct_fill(match, price))
        self._amended(order, dialects.TRADE_CORRECT, match, quantity, price,
                      f"corrected: {wire.BREAK_REASONS[reason]}", time_ns)  # fmt: skip

    def _amended(
        self, order: Order, kind: bytes, match: int, quantity: int, price: int, text: str, time_ns: int
    ) -> None:
        report = Report(kind, order.next_exec(), order.token)
        report.match, report.last, report.text = match, last_piece(price, quantity), text_piece(text)
        self._app.tell(order, report, time_ns)

    def _on_system(self, event: Event, time_ns: int) -> None:
        """The day ends: live orders go on another day, done for this one. It begins: they are there again."""
        ending = event[2] == wire.END_OF_DAY
        for order in self._book.live():
            before = order.status
            kind = dialects.DONE_FOR_DAY if ending else dialects.RESTATED
            report = Report(kind, order.next_exec(), order.token)
            if ending:
                order.status = dialects.DONE_FOR_DAY
            else:
                report.restatement = dialects.RENEWED
            self._app.tell(order, report, time_ns)
            order.status = before
        if ending:
            self._book.forget_done()
            self._app.quotes.forget()
