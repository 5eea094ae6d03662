"""Lists of orders, NewOrderList(E) with its ListStatus(N), and crosses, NewOrderCross(s).

Rule 1. The orders of a list are one-cancels-other: they are a pair (wire.TERM_PAIR) under their ListID. Each is an
        order like any other from then on, with its own ExecutionReports.
Rule 2. A ListStatus is sent when every order of a list has been accepted or rejected, when it is asked for (M), and
        when the list is cancelled (K). An order says in its client_data which list it belongs to and how many orders
        that has (TotNoOrders), so the first is a function of the events; in 4.0 and 4.1 each order has a message.
Rule 3. A cross is two limit orders for one quantity at one price, which trade with each other in whole or are both
        rejected (CrossType 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.gateway.fix import dialects
from openoutcry.gateway.fix.orders import numbers_of, wrong_id
from openoutcry.gateway.fix.part import Handlers, Part
from openoutcry.gateway.fix.plans import echo_of, plan_of
from openoutcry.gateway.fix.reports import HEAD, Order

if TYPE_CHECKING:
    from openoutcry.fix.message import Message

LIST_MAX: Final = 100  # orders in one list
LISTS_MAX: Final = 1_000  # lists of a session that are not complete; the oldest are forgotten then
ONE_CANCELS_OTHER: Final = b"1"  # ContingencyType(1385)

# ListOrderStatus(431)
_EXECUTING: Final = 3
_CANCELLING: Final = 4
_ALL_DONE: Final = 6
_REJECTED: Final = 7
_ACKNOWLEDGED: Final = 1  # ListStatusType(429)
_RESPONSE: Final = 2


class Lists(Part):
    """See the module. Its orders' events come through ``answered``."""

    def handlers(self) -> Handlers:
        """See Part."""
        cross: Handlers = {b"s": self._cross} if self._app.dialect.version >= "FIX.4.3" else {}
        return {b"E": self._list, b"M": self._status_request, b"K": self._cancel} | cross

    # --------------------------------------------------------------------------------------------- E
    def _list(self, message: Message, out: list[Any], again: bool) -> None:
        app = self._app
        name = message.get(66) or b""
        if 73 in message:
            entries = [dict(entry) for entry in app.validator.group(message, 73)]
            total = b"%d" % len(entries)
        else:  # 4.0, 4.1: one order
            entries = [dict(message.pairs()[::-1])]
            total = message.get(68) or b"1"
        text = wrong_id(name, 66, "ListID") or self._wrong_list(message, entries, total)
        if text:
            app.reject_message(message, 0, text, name)
            return
        for entry in entries:
            entry[66], entry[68] = name, total
            text = app.entry.listed(entry, name if total != b"1" else b"", out, again)
            if text:
                app.reject_message(message, 0, text, name)
                return

    def _wrong_list(self, message: Message, entries: list[dict[int, bytes]], total: bytes) -> str:
        """What is wrong with a list as such, "" when nothing is: it is taken in whole or not at all."""
        if not 0 < len(entries) <= LIST_MAX or not total.isdigit() or not 0 < int(total[:9]) <= LIST_MAX:
            return f"a list has 1 to {LIST_MAX} orders"
        said = message.get(68)
        if 73 in message and said is not None and said.lstrip(b"0") != total:
            return f"TotNoOrders(68) is not the {total.decode()} orders of this message: lists come in one message"
        if message.get(1385) not in (None, ONE_CANCELS_OTHER):
            return "ContingencyType(1385) must be 1, one cancels other"
        texts = (wrong_id(entry.get(11, b""), 11, "ClOrdID") for entry in entries)
        return next((text for text in texts if text), "")

    def answered(self, order: Order, time_ns: int) -> None:
        """An order of a list has been accepted or rejected."""
        book = self._app.book
        name = order.form.fields[66]
        tokens = book.lists.setdefault(name, [])
        tokens.append(order.token)
        if b"%d" % len(tokens) == order.form.fields[68].lstrip(b"0"):
            del book.lists[name]
            self._tell(name, [book.orders[token] for token in tokens if token in book.orders], _ACKNOWLEDGED, time_ns)
        elif len(book.lists) > LISTS_MAX:
            del book.lists[next(iter(book.lists))]

    def _status_request(self, message: Message, out: list[Any], again: bool) -> None:
        app = self._app
        name = message.get(66) or b""
        found = [order for order in app.book.orders.values() if order.form.fields.get(66) == name and order.form.listed]
        found.sort(key=lambda order: _place(order.form.fields.get(67, b"")))
        if found:
            self._tell(name, found, _RESPONSE, app.services.now_ns())
        else:
            app.reject_message(message, 1, "ListID(66): there is no such list", name)

    def _cancel(self, message: Message, out: list[Any], again: bool) -> None:
        """ListCancelRequest: the orders' own reports say what comes of it."""
        app = self._app
        name = message.get(66) or b""
        live = [order for order in app.book.live() if order.form.fields.get(66) == name and order.form.listed]
        out += [(wire.CANCEL, app.number, order.token, 0) for order in live]
        if live:
            self._tell(name, live, _RESPONSE, app.services.now_ns(), _CANCELLING)
        else:
            app.reject_message(message, 1, "ListID(66): no order of such a list is live", name)

    def _tell(self, name: bytes, orders: list[Order], kind: int, time_ns: int, status: int = 0) -> None:
        """ListStatus. status: 0 for what the orders' own say."""
        app = self._app
        dialect = app.dialect
        newer = not dialect.needs_last  # from 4.2 on
        parts = [b"60=%b\x01" % app.stamp(time_ns) if newer else b"", b"66=%b\x01" % name]
        if newer:
            parts.append(b"68=%d\x01" % len(orders))
        parts.append(b"73=%d\x01" % len(orders))
        parts += [self._entry(order, newer) for order in orders]
        parts.append(b"82=1\x0183=1\x01")
        if newer:
            parts.append(b"429=%d\x01431=%d\x01" % (kind, status or _list_status(orders)))
        app.emit(b"N", b"".join(parts))

    def _entry(self, order: Order, newer: bool) -> bytes:
        dialect = self._app.dialect
        parts = [b"11=%b\x0114=%d\x01" % (order.token, order.cum)]
        if newer:
            parts.append(b"39=%b\x01" % dialect.status(order.status, order.cum))
        if dialect.exec_types:
            parts.append(b"151=%d\x01" % order.leaves)
        gone = 0 if order.live or order.status == dialects.REJECTED else max(0, order.quantity - order.cum)
        parts.append(b"84=%d\x016=%b\x01" % (gone, order.average()))
        if newer and order.status == dialects.REJECTED:
            parts.append(b"103=%b\x01" % dialect.reject_code(wire.REJECT_FIELD))
        return b"".join(parts)

    # --------------------------------------------------------------------------------------------- s
    def _cross(self, message: Message, out: list[Any], again: bool) -> None:
        app = self._app
        sides = [dict(entry) for entry in app.validator.group(message, 552)]
        shared = {tag: message[tag] for tag in (21, 40, 44, 55, 59, 548, 549) if tag in message}
        text = _wrong_cross(message, sides)
        if text:
            app.reject_message(message, 0, text, message.get(548) or b"")
            return
        buy, sell = sorted(({**shared, **side} for side in sides), key=lambda side: side.get(54) != b"1")
        plan = plan_of(sell, app.account)
        amount, price, flaw = numbers_of(buy, plan_of(buy, app.account))
        flaw = flaw if flaw[0] else numbers_of(sell, plan)[2]
        if again:
            out.append((wire.AGAIN, app.number))
        if flaw[0]:
            for place, side in enumerate((buy, sell)):
                if again and place:
                    out.append((wire.AGAIN, app.number))
                out.append((wire.REFUSE, app.number, side[11], flaw[0], flaw[1][: wire.SHORT_TEXT_MAX],
                            HEAD.pack(0, 0) + echo_of(side, 38, 44)))  # fmt: skip
            return
        head = HEAD.pack(amount, price)
        out.append((wire.CROSS, app.number, buy[11], sell[11], plan.symbol, plan.side, amount, price,
                    head + echo_of(buy), head + echo_of(sell)))  # fmt: skip


def _wrong_cross(message: Message, sides: list[dict[int, bytes]]) -> str:
    """What is wrong with a cross as such, "" when nothing is."""
    if len(sides) != 2 or [side.get(54) == b"1" for side in sides].count(True) != 1:
        return "NoSides(552) must be 2: one buys and one sells"
    if message.get(549) != b"1":
        return "CrossType(549) must be 1: both sides execute in whole"
    if message.get(550) not in (None, b"0"):
        return "CrossPrioritization(550) must be 0"
    if message.get(40) != b"2":
        return "OrdType(40) of a cross must be 2"
    if sides[0].get(38) != sides[1].get(38):
        return "OrderQty(38) of both sides must be the same"
    texts = (wrong_id(side.get(11, b""), 11, "ClOrdID") for side in sides)
    return next((text for text in texts if text), "")


def _place(number: bytes) -> int:
    """ListSeqNo(67)."""
    return int(number) if number.isdigit() and len(number) < 10 else 0


def _list_status(orders: list[Order]) -> int:
    if all(order.status == dialects.REJECTED for order in orders):
        return _REJECTED
    return _EXECUTING if any(order.live for order in orders) else _ALL_DONE
