"""TradeCaptureReportRequest(AD): the trades of a session's orders that are remembered, as AQ (from 4.4 on) and AE.

Rule. A request is answered once, from what the events have said so far; there are no subscriptions (drop copies are for
      that). A trade that was broken is not among them, a corrected one has its new price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry.fix.times import stamp
from openoutcry.gateway.fix.part import Handlers, Part
from openoutcry.gateway.fix.reports import FILL_FIELDS, Order, price_of, text_piece

if TYPE_CHECKING:
    from openoutcry.fix.message import Message

ALL_TRADES: Final = b"0"  # TradeRequestType(569)
MATCHING: Final = b"1"  # those that meet the request's criteria
SNAPSHOT: Final = b"0"  # SubscriptionRequestType(263)
REPORTS_MAX: Final = 10_000  # to one request

Fill = tuple[int, int, int, int, int]


class Trades(Part):
    """See the module."""

    def handlers(self) -> Handlers:
        """See Part."""
        return {b"AD": self._request} if self._app.dialect.version >= "FIX.4.3" else {}

    def _request(self, message: Message, out: list[Any], again: bool) -> None:
        app = self._app
        kind = message.get(569) or b""
        text, result = "", 0
        if kind not in (ALL_TRADES, MATCHING):
            text, result = "TradeRequestType(569) must be 0 or 1", 8
        elif message.get(263) not in (None, SNAPSHOT):
            text, result = "SubscriptionRequestType(263): there are no subscriptions, only drop copies", 99
        found = [] if text else self._found(message)
        if app.dialect.version != "FIX.4.3":
            app.emit(b"AQ", b"".join((
                text_piece(text), b"568=%b\x01569=%b\x01" % (message.get(568) or b"", kind),
                b"748=%d\x01749=%d\x01750=%d\x01" % (len(found), result, 2 if text else 0),
            )))  # fmt: skip
        elif text:
            app.reject_message(message, 0, text, message.get(568) or b"")
        for place, (order, fill) in enumerate(found, 1):
            self._report(message.get(568) or b"", order, fill, place == len(found), len(found))

    def _found(self, message: Message) -> list[tuple[Order, Fill]]:
        """The trades that are asked for, in the order of their matches."""
        order_id, token, exec_id = message.get(37), message.get(11), message.get(17)
        symbol, side = message.get(55), message.get(54)
        found: list[tuple[Order, Fill]] = []
        for order in (*self._app.book.orders.values(), *self._app.book.quotes.values()):
            fits = (
                (order_id is None or order.order_id() == order_id)
                and (token is None or order.token == token)
                and (symbol is None or order.form.symbol == symbol)
                and (side is None or b"%d" % order.side == side)
            )
            for at in range(0, len(order.fills) if fits else 0, FILL_FIELDS):
                match, quantity, price, liquidity, time_ns = order.fills[at : at + FILL_FIELDS]
                if exec_id is None or exec_id == b"%d-%d" % (order.number, match):
                    found.append((order, (match, quantity, price, liquidity, time_ns)))
        return sorted(found, key=lambda each: each[1])[:REPORTS_MAX]

    def _report(self, request: bytes, order: Order, fill: Fill, last: bool, count: int) -> None:
        app = self._app
        match, quantity, price, _, time_ns = fill
        when = stamp(time_ns, app.digits)
        version = app.dialect.version
        exec_id = b"%d-%d" % (order.number, match)
        account = order.form.fields.get(1)
        name = b"1=%b\x01" % account if account else b""
        numbers = b"37=%b\x0111=%b\x01" % (order.order_id(), order.token)
        parts = [
            b"17=%b\x0131=%b\x0132=%d\x01" % (exec_id, price_of(price), quantity),
            b"55=%b\x0160=%b\x0175=%b\x01" % (order.form.symbol, when, when[:8]),
            b"150=F\x01",
            b"552=1\x0154=%d\x01" % order.side,
            *((name, numbers) if version == "FIX.5.0SP2" else (numbers, name)),  # the order of its group
            b"568=%b\x01570=N\x01571=%b\x01" % (request, exec_id),
        ]
        if version != "FIX.4.3":
            parts.append(b"748=%d\x01912=%b\x01" % (count, b"Y" if last else b"N"))
        app.emit(b"AE", b"".join(parts))
