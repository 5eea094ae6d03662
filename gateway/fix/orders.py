"""Orders and requests about orders into commands of the bus: NewOrderSingle D, OrderCancelRequest F, replacement G.

Rule 1. Whatever a client sends, each message becomes one command (after AGAIN, for one that may have come before), or
        is answered at once. Nothing here raises.
Rule 2. What is wrong with an order itself becomes REFUSE, so that the matcher judges its ClOrdID first and uses it up;
        what is wrong with a request is answered with an OrderCancelReject, and the order is as it was.
Rule 3. The token of an order is its ClOrdID.

Speed: an order's fields but for ClOrdID, OrderQty, Price and TransactTime are the key of a ``Plan``, so that an order
like an earlier one is read with two look-ups. Plans are kept by the shape of the message.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from openoutcry import wire
from openoutcry.fix.message import Message, Shape
from openoutcry.fix.values import price_units, quantity
from openoutcry.gateway.fix.plans import (
    PRICE_ALLOWED,
    PRICE_NEEDED,
    PRICE_NEVER,
    Plan,
    echo_of,
    no_number,
    plan_of,
    shown,
)
from openoutcry.gateway.fix.reports import HEAD

CL_ORD_ID_MAX: Final = 64  # characters of a ClOrdID; a token of the bus has room for what a gateway puts before it
SHAPES_MAX: Final = 256  # shapes of a session whose plans are kept
PLANS_MAX: Final = 1_024  # plans of a shape

# What no plan depends on: the header and trailer, and what differs from order to order.
_FRAME: Final = frozenset(
    (8, 9, 10, 34, 35, 43, 49, 50, 52, 56, 57, 89, 90, 91, 93, 97, 115, 116, 122, 128, 129, 142, 143, 144, 145, 212,
     213, 347, 369, 370, 627, 1128, 1129, 1156)
)  # fmt: skip
_VARIES: Final = frozenset((11, 37, 38, 41, 44, 58, 60))
ABSENT: Final = -1

Rest = Callable[[tuple[bytes, ...]], tuple[bytes, ...]]


class Layout:
    """Where the fields of an order are in messages of one shape, and the plans of such orders."""

    __slots__ = ("cl_ord_id", "original", "plans", "price", "quantity", "rest", "tags", "whole")

    def __init__(self, shape: Shape) -> None:
        place = shape.index.get
        self.cl_ord_id = place(11, ABSENT)
        self.original = place(41, ABSENT)
        self.quantity = place(38, ABSENT)
        self.price = place(44, ABSENT)
        self.whole = self.cl_ord_id >= 0 and self.quantity >= 0
        self.tags = tuple(tag for tag in shape.index if tag not in _FRAME and tag not in _VARIES)
        self.rest = _getter(tuple(shape.index[tag] for tag in self.tags))
        self.plans: dict[tuple[bytes, ...], Plan] = {}

    def fits(self, plan: Plan, amount: int, price: int) -> bool:
        """Whether nothing is wrong with an order, as far as can be said here; -1 for numbers that cannot be read."""
        if plan.reason or not self.whole or not 0 <= amount <= wire.QUANTITY_MAX:
            return False
        if plan.priced == PRICE_NEEDED:
            return 0 < price <= wire.PRICE_MAX
        return price == 0 if plan.priced == PRICE_NEVER else 0 <= price <= wire.PRICE_MAX


def _getter(places: tuple[int, ...]) -> Rest:
    """The values at these places, always as a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[place] for place in places)


class Entry:
    """Reads the orders of one session. number: the session's; account: of orders that name none."""

    __slots__ = ("_account", "_layouts", "number")

    def __init__(self, number: int, account: str) -> None:
        self.number = number
        self._account = account
        self._layouts: dict[Shape, Layout] = {}

    def _layout(self, shape: Shape) -> Layout:
        if len(self._layouts) >= SHAPES_MAX:
            self._layouts.clear()
        layout = self._layouts[shape] = Layout(shape)
        return layout

    def _plan(self, layout: Layout, rest: tuple[bytes, ...]) -> Plan:
        if len(layout.plans) >= PLANS_MAX:
            layout.plans.clear()
        plan = layout.plans[rest] = plan_of(dict(zip(layout.tags, rest, strict=True)), self._account)
        return plan

    # --------------------------------------------------------------------------------------------- D
    def order(self, message: Message, out: list[Any], again: bool) -> str:
        """NewOrderSingle. Returns "", or why there is no command: no usable ClOrdID."""
        shape, values = message.shape, message.values
        layout = self._layouts.get(shape) or self._layout(shape)
        rest = layout.rest(values)
        plan = layout.plans.get(rest) or self._plan(layout, rest)
        token = values[layout.cl_ord_id] if layout.cl_ord_id >= 0 else b""
        if not 0 < len(token) <= CL_ORD_ID_MAX:
            return wrong_id(token, 11, "ClOrdID")
        if again:
            out.append((wire.AGAIN, self.number))
        try:
            amount = quantity(values[layout.quantity])
            price = price_units(values[layout.price]) if layout.price >= 0 else 0
        except ValueError:
            amount = price = -1
        if not layout.fits(plan, amount, price):
            fields = dict(message.pairs()[::-1])
            out.append(refusal(self.number, token, fields, plan))
            return ""
        data = HEAD.pack(amount, price) + plan.echo
        if plan.terms:
            out.append((wire.SUBMIT, self.number, token, plan.symbol, plan.side, amount, price, plan.order_type,
                        plan.tif, plan.expire, plan.minimum, data, plan.terms))  # fmt: skip
        else:
            out.append((wire.ENTER, self.number, token, plan.symbol, plan.side, amount, price, plan.order_type,
                        plan.tif, plan.expire, plan.minimum, data))  # fmt: skip
        return ""

    def listed(self, fields: dict[int, bytes], pair: bytes, out: list[Any], again: bool) -> str:
        """An order of a list, by its fields; pair: b"" for none. Returns as ``order``."""
        token = fields.get(11, b"")
        if not 0 < len(token) <= CL_ORD_ID_MAX:
            return wrong_id(token, 11, "ClOrdID")
        plan = plan_of(fields, self._account)
        if again:
            out.append((wire.AGAIN, self.number))
        amount, price, flaw = numbers_of(fields, plan)
        if flaw[0]:
            out.append(refusal(self.number, token, fields, plan))
            return ""
        terms = tuple(sorted((*plan.terms, (wire.TERM_PAIR, pair)))) if pair else plan.terms
        out.append((wire.SUBMIT, self.number, token, plan.symbol, plan.side, amount, price, plan.order_type, plan.tif,
                    plan.expire, plan.minimum, HEAD.pack(amount, price) + plan.echo, terms))  # fmt: skip
        return ""

    # --------------------------------------------------------------------------------------------- F, G
    def cancel(self, message: Message, original: bytes, out: list[Any], again: bool) -> tuple[int, str]:
        """OrderCancelRequest of the order `original`. Returns (0, ""), or why it is rejected."""
        token = message.get(11) or b""
        text = wrong_id(token, 11, "ClOrdID") or wrong_id(original, 41, "OrigClOrdID")
        if text:
            return wire.REJECT_FIELD, text
        if message.get(125) == b"P":  # 4.0
            return wire.REJECT_UNSUPPORTED, "CxlType(125) P: to reduce an order, replace it"
        if again:
            out.append((wire.AGAIN, self.number))
        out.append((wire.WITHDRAW, self.number, original, token))
        return 0, ""

    def change(self, message: Message, original: bytes, side: int, out: list[Any], again: bool) -> tuple[int, str]:
        """OrderCancelReplaceRequest of the order `original`. side: its own, 0 when it is not known (yet).

        Returns (0, ""), or why it is rejected."""
        shape, values = message.shape, message.values
        layout = self._layouts.get(shape) or self._layout(shape)
        rest = layout.rest(values)
        plan = layout.plans.get(rest) or self._plan(layout, rest)
        token = message.get(11) or b""
        text = wrong_id(token, 11, "ClOrdID") or wrong_id(original, 41, "OrigClOrdID")
        if text:
            return wire.REJECT_FIELD, text
        try:
            amount = quantity(values[layout.quantity])
            price = price_units(values[layout.price]) if layout.price >= 0 else 0
        except ValueError:
            amount = price = -1
        if not layout.fits(plan, amount, price):
            return numbers_of({tag: message[tag] for tag in (38, 44) if tag in message}, plan)[2]
        if side and plan.side != side:
            return wire.REJECT_SIDE, "Side(54) cannot be changed"
        if again:
            out.append((wire.AGAIN, self.number))
        out.append((wire.CHANGE, self.number, original, token, amount, price, plan.order_type, plan.tif, plan.expire,
                    plan.minimum, HEAD.pack(amount, price) + plan.echo, plan.terms))  # fmt: skip
        return 0, ""


# ------------------------------------------------------------------------------------------------- what is wrong
def wrong_id(value: bytes, tag: int, name: str) -> str:
    """What is wrong with an identifier, "" when nothing is."""
    if not value:
        return f"{name}({tag}) is missing"
    if len(value) > CL_ORD_ID_MAX:
        return f"{name}({tag}) is longer than {CL_ORD_ID_MAX} characters"
    return ""


def numbers_of(fields: dict[int, bytes], plan: Plan) -> tuple[int, int, tuple[int, str]]:
    """OrderQty, Price, and the first thing that is wrong with an order: its reason (0: nothing) and text."""
    if plan.reason:
        return 0, 0, (plan.reason, plan.text)
    if 38 not in fields:
        return 0, 0, (wire.REJECT_QUANTITY, "OrderQty(38) is missing")
    try:
        amount = quantity(fields[38])
        price = price_units(fields[44]) if 44 in fields else 0
    except ValueError:
        return 0, 0, _unreadable(fields)
    if not 0 <= amount <= wire.QUANTITY_MAX:
        return 0, 0, (wire.REJECT_QUANTITY, f"OrderQty(38) {shown(fields[38])} is out of range")
    if plan.priced == PRICE_NEEDED and 44 not in fields:
        return 0, 0, (wire.REJECT_PRICE, "Price(44) is missing")
    if plan.priced == PRICE_NEVER and price:
        return 0, 0, (wire.REJECT_PRICE, "Price(44) is not for this OrdType(40)")
    if not (price > 0 or (price == 0 and plan.priced in (PRICE_NEVER, PRICE_ALLOWED))):
        return 0, 0, (wire.REJECT_PRICE, "Price(44) must be above 0")
    if price > wire.PRICE_MAX:
        return 0, 0, (wire.REJECT_PRICE, f"Price(44) {shown(fields[44])} is out of range")
    return amount, price, (0, "")


def _unreadable(fields: dict[int, bytes]) -> tuple[int, str]:
    try:
        quantity(fields[38])
    except ValueError:
        return wire.REJECT_QUANTITY, f"OrderQty(38) {shown(fields[38])} {no_number(quantity)}"
    return wire.REJECT_PRICE, f"Price(44) {shown(fields[44])} {no_number(price_units)}"


def refusal(number: int, token: bytes, fields: dict[int, bytes], plan: Plan) -> tuple[Any, ...]:
    """REFUSE of an order, with what its report repeats: OrderQty and Price as they were sent."""
    reason, text = numbers_of(fields, plan)[2]
    echo = echo_of(fields, 38, 44)
    return (wire.REFUSE, number, token, reason, text[: wire.SHORT_TEXT_MAX], HEAD.pack(0, 0) + echo)
