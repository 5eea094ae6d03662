"""``FixTrader``: a FixClient whose orders have expectations, in every version of FIX; and execution reports in words.

A reason is its code (OrdRejReason, CxlRejReason ...), what the dictionary calls that, any part of Text(58), or the
reason in words: RULES says what a Text is about that begins with a rule (``tick_size: price ...``).

Invariant: messages are read one after the other and shown to their orders; ``next``, ``available`` and iterating give
each of them once all the same, also those that came while an expectation waited.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, Self

from openoutcry import wire
from openoutcry.clients.fix import FixClient, MessageTimeout, Received
from openoutcry.clients.fixmessages import Fields
from openoutcry.clients.soupbintcp import READ_AHEAD_MAX
from openoutcry.errors import ClientError
from openoutcry.fix.messagelog import HIDDEN, SECRET_TAGS, redact
from openoutcry.testkit import orders
from openoutcry.testkit.expecting import LATE_S
from openoutcry.testkit.orders import Happening, Order
from openoutcry.testkit.quotes import Quote, Side
from openoutcry.testkit.trading import Trader, at

TIMES_IN_FORCE: Final = {
    "day": "0", "gtc": "1", "at_open": "2", "ioc": "3", "fok": "4", "gtd": "6", "at_close": "7",
}  # fmt: skip
SIDES: Final = {"buy": "1", "sell": "2"}
REQUIRED: Final = {21: "1", 125: "F"}  # HandlInst and CxlType, in the versions that ask for them
QUOTE_ANSWERS: Final = (b"AI", b"b")  # QuoteStatusReport, QuoteAcknowledgement
QUIET: Final = (b"0", b"1")  # Heartbeat and TestRequest: not in the history
# The reasons (openoutcry.wire.REJECT_REASONS) of the rules with which the matcher's texts begin.
RULES: Final[dict[str, tuple[int, ...]]] = {
    **dict.fromkeys(("price", "tick_size", "tick_table", "max_price", "stop_price", "take_profit", "stop_loss"),
                    (wire.REJECT_PRICE,)),
    **dict.fromkeys(("lot_size", "quantity"), (wire.REJECT_QUANTITY,)),
    "max_quantity": (wire.REJECT_QUANTITY, wire.REJECT_MAX_QUANTITY),
    "min_quantity": (wire.REJECT_QUANTITY, wire.REJECT_MIN_QUANTITY),
    "all_or_none": (wire.REJECT_MIN_QUANTITY,),
    "expire": (wire.REJECT_TIME_IN_FORCE,),
    "post_only": (wire.REJECT_POST_ONLY,),
    "price_collar": (wire.REJECT_COLLAR,),
    "max_notional": (wire.REJECT_MAX_NOTIONAL,),
    "max_open_orders": (wire.REJECT_MAX_OPEN_ORDERS, wire.REJECT_LIMIT),
    "max_position": (wire.REJECT_MAX_POSITION,),
    "reduce_only": (wire.REJECT_REDUCE_ONLY,),
    **dict.fromkeys(("orders_per_second", "messages_per_second"), (wire.REJECT_THROTTLE,)),
    "duplicate_window_ms": (wire.REJECT_DUPLICATE,),
    "restricted": (wire.REJECT_RESTRICTED,),
    "the kill switch": (wire.REJECT_KILLED,),
    "protection": (wire.REJECT_NO_REFERENCE,),
    "tokens": (wire.REJECT_LIMIT,),
}  # fmt: skip
_RULE: Final = re.compile("the kill switch|[a-z_]+")
_SIDE_NAMES: Final = {b"1": "buy", b"2": "sell", b"5": "sell short", b"6": "sell short exempt"}


class FixTrader(FixClient, Trader):
    """See FixClient and Trader."""

    name_field = "ClOrdID"
    key: tuple[str, ...] = ()  # which session it is: openoutcry.testkit.opening

    def __init__(self, *arguments: Any, **named: Any) -> None:
        Trader.__init__(self)
        self._unread: deque[Received] = deque()
        self._by_number: dict[int, Order] = {}
        self._quotes: dict[str, Quote] = {}  # by QuoteID, each of them
        self._wanted: dict[str, tuple[Side | None, Side | None]] = {}  # what they asked for
        self._prefix = os.urandom(3).hex().upper()  # unlike that of other clients, and after a restart
        self._names = itertools.count(1)
        hook = named.pop("on_admin", None)

        def on_admin(message: Received, initiator: Any) -> Any:
            if message.message.kind not in QUIET:
                self._history.append(("<", message))
            return hook(message, initiator) if hook is not None else None

        FixClient.__init__(self, *arguments, on_admin=on_admin, **named)
        self.patience = min(self.patience, self.initiator.timeout)

    def __enter__(self) -> Self:
        return self

    @property
    def title(self) -> str:
        """See Trader."""
        return f"FIX client {self.initiator.settings.SenderCompID!r}"

    def standing(self) -> str:
        """See Trader."""
        found = self.statistics()
        state = found.get("state", "not started")
        problem = "" if found["problem"] == state else f", {found['problem']}"
        return f"{state}{problem}, next in #{found.get('next_in')}, next out #{found.get('next_out')}"

    # --------------------------------------------------------------------------------------------- sending
    def new_name(self) -> str:
        """See Trader."""
        return f"{self._prefix}-{next(self._names)}"

    def send_order(self, order: Order, properties: dict[str, Any]) -> None:
        """See Trader; properties: fields of NewOrderSingle."""
        fields: dict[Any, Any] = {
            **self._required("NewOrderSingle"), "ClOrdID": order.name, "Symbol": order.symbol,
            "Side": SIDES[order.side], "OrderQty": order.quantity, **_priced(order.price), **_in_force(properties),
        }  # fmt: skip
        self._by_number[self.send("NewOrderSingle", fields)] = order

    def send_cancel(self, order: Order) -> None:
        """See Trader."""
        self._request(order, "OrderCancelRequest", "cancel", {"OrderQty": order.quantity})

    def send_replace(self, order: Order, quantity: int, price: Decimal | None) -> None:
        """See Trader."""
        fields = {"OrderQty": quantity, **_priced(price)}
        self._request(order, "OrderCancelReplaceRequest", f"replace: {quantity} {at(price)}", fields)

    def send_quote(self, quote: Quote, bid: Side | None, ask: Side | None) -> None:
        """See Trader. Versions before 4.2 are not told whether it was taken."""
        quote.name = self.new_name()
        self._quotes[quote.name] = quote
        fields: dict[Any, Any] = {"QuoteID": quote.name, "Symbol": quote.symbol}
        for side, wanted, price, size in (("bid", bid, "BidPx", "BidSize"), ("ask", ask, "OfferPx", "OfferSize")):
            order = getattr(quote, side)
            if wanted is not None:
                fields |= {price: wanted.price, size: wanted.quantity}
                if order is None or order.status in orders.DONE:
                    way = "buy" if side == "bid" else "sell"
                    order = self._new_order(quote.name, way, quote.symbol, wanted.quantity, wanted.price, {})
                    setattr(quote, side, order)
                else:
                    order.add(Happening(orders.REQUEST, f"quote {wanted.quantity} {at(wanted.price)}, as {quote.name}"))
        self._wanted[quote.name] = (bid, ask)
        self.send("Quote", fields)

    def send_quote_cancel(self, quote: Quote) -> None:
        """See Trader."""
        for order in quote.sides:
            order.add(Happening(orders.REQUEST, f"cancel quote {quote.name}"))
        fields = {"QuoteID": quote.name, "QuoteCancelType": 1, "NoQuoteEntries": [{"Symbol": quote.symbol}]}
        self.send("QuoteCancel", fields)

    def _request(self, order: Order, kind: str, words: str, fields: dict[Any, Any]) -> None:
        name = self.new_name()
        self.known_as(name, order)
        order.add(Happening(orders.REQUEST, f"{words}, as {name}"))
        head = {"ClOrdID": name, "OrigClOrdID": order.name, "Symbol": order.symbol, "Side": SIDES[order.side]}
        self._by_number[self.send(kind, {**self._required(kind), **head, **fields})] = order

    def _required(self, name: str) -> dict[Any, Any]:
        """What this version asks for, and this exchange does not care about."""
        found = self.words.type_of(self.words.kind(name))
        return {tag: value for tag, value in REQUIRED.items() if found is not None and found.members.get(tag, False)}

    def send(self, name: str | bytes, fields: Fields | bytes, *, offline: bool = False) -> int:
        """See FixClient."""
        entry = (">", (name, fields))
        self._history.append(entry)  # before its answer can be there
        try:
            return super().send(name, fields, offline=offline)
        except Exception:
            with suppress(ValueError):
                self._history.remove(entry)
            raise

    def reconnect(self) -> None:
        """Log on again after ``drop`` or a lost connection, and go on with the session where it was left."""
        self.logout()
        self.logon()

    # --------------------------------------------------------------------------------------------- receiving
    def more(self, seconds: float) -> bool:
        """See Trader."""
        if len(self._unread) > READ_AHEAD_MAX:
            raise ClientError(f"{len(self._unread)} messages are waiting; read them with available()")
        try:
            message = super().next(timeout=max(0.0, seconds))
        except MessageTimeout:
            return False
        self._read(message)
        return True

    def _read(self, message: Received) -> None:
        self._unread.append(message)
        if message.message.kind != b"3":  # on_admin has seen that
            self._history.append(("<", message))
        if message.message.kind in QUOTE_ANSWERS:
            self._quoted(message)
            return
        order = self._order_of(message)
        if order is not None:
            order.add(happening(message, order))
            if message.message.kind == b"8":
                self._renamed(message, order)

    def _quoted(self, message: Received) -> None:
        """An answer to a quote is about each of its sides."""
        name = _text(message, 117)
        quote = self._quotes.get(name)
        if quote is not None:
            for order, wanted in zip((quote.bid, quote.ask), self._wanted[name], strict=True):
                if order is not None:
                    order.add(quoted(message, order, wanted))

    def _order_of(self, message: Received) -> Order | None:
        if message.message.kind in (b"3", b"j"):
            number = message.get(45)
            return self._by_number.get(int(number)) if number is not None and number.isdigit() else None
        for tag in (11, 41):
            name = _text(message, tag)
            order = self._by_name.get(name)
            if order is None and name in self._quotes:
                order = self._quotes[name].bid if message.get(54) == b"1" else self._quotes[name].ask
            if order is not None:
                return order
        return None

    def _renamed(self, message: Received, order: Order) -> None:
        """A replaced order is known by the replacement's ClOrdID from now on."""
        if _exec_type(message) == b"5" and (name := message.get(11)) is not None:
            order.name = name.decode("latin-1")
            self.known_as(order.name, order)

    def next(self, name: str | bytes | None = None, timeout: float | None = None, **fields: Any) -> Received:
        """See FixClient."""
        matches = self.words.matcher(name, fields)
        limit = self.initiator.timeout if timeout is None else timeout
        until = time.monotonic() + limit
        seen = 0
        while True:
            for place in range(seen, len(self._unread)):
                if matches(found := self._unread[place]):
                    del self._unread[place]
                    return found
            seen = len(self._unread)
            left = until - time.monotonic()
            if left <= (-LATE_S if self.more(left) else 0):
                what = "no message" if name is None else f"no {name!r} like that"
                raise MessageTimeout(f"{what} within {limit:g} s; {seen} others are waiting")

    @property
    def waiting(self) -> int:
        """See FixClient."""
        return len(self._unread) + super().waiting

    def available(self) -> list[Received]:
        """See FixClient."""
        try:
            for message in super().available():
                self._read(message)
        except ClientError:
            if not self._unread:
                raise
        found = list(self._unread)
        self._unread.clear()
        return found

    def __iter__(self) -> Iterator[Received]:
        """See FixClient."""
        while True:
            try:
                message = self.next(timeout=float("inf"))
            except ClientError:
                if self.initiator.is_logged_on:
                    raise
                return
            yield message

    def words_of(self, mark: str, message: Any) -> str:
        """See Trader."""
        if mark == "<":
            return f"#{message.sequence} {words(message)}{_named(message)}"
        name, fields = message
        shown = name if isinstance(name, str) else self.words.name_of(name)
        if isinstance(fields, bytes):
            return f"{shown}: {redact(fields)!r}"
        return f"{shown}: {' '.join(f'{key}={self._value(key, value)}' for key, value in fields.items())}"

    def _value(self, key: str | int, value: Any) -> Any:
        return HIDDEN.decode() if self.words.field(key).tag in SECRET_TAGS else value


def _priced(price: Decimal | None) -> dict[Any, Any]:
    return {"OrdType": "1"} if price is None else {"OrdType": "2", "Price": price}


def _in_force(properties: dict[str, Any]) -> dict[str, Any]:
    """The properties, with a time in force by name as FIX has it."""
    fields = dict(properties)
    wanted = fields.pop("time_in_force", None)
    if wanted is not None:
        if wanted not in TIMES_IN_FORCE:
            raise ValueError(f"time_in_force is {wanted!r}; FIX has {', '.join(TIMES_IN_FORCE)}, or TimeInForce=...")
        fields["TimeInForce"] = TIMES_IN_FORCE[wanted]
    return fields


# ------------------------------------------------------------------------------------------------- meaning
_BY_EXEC_TYPE: Final = {
    b"0": orders.ACCEPTED, b"1": orders.FILLED, b"2": orders.FILLED, b"F": orders.FILLED, b"3": orders.CANCELED,
    b"4": orders.CANCELED, b"C": orders.CANCELED, b"5": orders.REPLACED, b"8": orders.REJECTED, b"G": orders.CORRECTED,
    b"H": orders.BROKEN,
}  # fmt: skip
_BY_TRANSACTION: Final = {b"1": orders.BROKEN, b"2": orders.CORRECTED, b"3": orders.NOTE}
_ASKED_FOR: Final = (wire.CANCEL_REASONS[wire.CANCEL_USER],)
_LIVE: Final = (orders.ACCEPTED, orders.FILLED, orders.CANCELED, orders.REPLACED)  # they say what is open
_REASON_TAGS: Final = (103, 102, 373, 380, 300)
_QUOTE_ACCEPTED: Final = b"0"  # QuoteStatus(297)
_QUOTE_REJECTED: Final = b"5"
_QUOTE_CANCELED: Final = (b"1", b"2", b"3", b"4")
_DONE: Final = (b"2", b"3", b"4", b"8", b"C")  # OrdStatus of orders of which nothing is open


def _exec_type(message: Received) -> bytes:
    """ExecType, made up where FIX 4.0 has none."""
    found = message.get(150)
    if found is not None:
        return bytes(found)
    return b"F" if _number(message, 32) else bytes(message.get(39) or b"")


def _number(message: Received, tag: int) -> int:
    """A whole number; 0 when it is not there."""
    return int(message.decimal(tag)) if tag in message else 0


def happening(message: Received, order: Order) -> Happening:
    """What a message means for its order."""
    kind = message.message.kind
    if kind == b"8":
        return _report(message, order)
    meaning = orders.NOTE
    if kind in (b"3", b"j", b"9"):
        meaning = orders.REJECTED if order.status == orders.SENT and kind != b"9" else orders.CANCEL_REJECTED
    return Happening(meaning, words(message), reasons=_reasons(message), message=message, number=message.sequence)


def _report(message: Received, order: Order) -> Happening:
    kind = _kind(message)
    quantity = _number(message, 32) if kind == orders.FILLED else 0
    reasons = _reasons(message)
    left = _left(message) if kind in _LIVE or (kind == orders.NOTE and 39 in message) else None
    if kind in (orders.NOTE, orders.ACCEPTED) and order.status == orders.OPEN and left is not None:
        # It is as it is now: told again, or less of it than there was without a trade.
        kind = orders.CANCELED if left < order.open else orders.NOTE
        quantity = max(0, order.open - left)
    tag = 31 if kind in (orders.FILLED, orders.CORRECTED) else 44
    price = message.decimal(tag) if tag in message else None
    if kind == orders.CANCELED and not reasons:
        reasons = _ASKED_FOR  # only what nobody asked for is explained
    return Happening(kind, words(message), quantity, price, left, reasons, message, message.sequence)


def _kind(message: Received) -> str:
    """What an ExecutionReport is about."""
    kind = _BY_TRANSACTION.get(message.get(20), "") or _BY_EXEC_TYPE.get(_exec_type(message), orders.NOTE)
    if kind == orders.FILLED and not _number(message, 32):
        return orders.NOTE  # an order that is filled in part, in a version that cannot say what else has happened
    return kind


def _left(message: Received) -> int:
    """LeavesQty, also where FIX 4.0 has none."""
    if 151 in message:
        return _number(message, 151)
    return 0 if message.get(39) in _DONE else _number(message, 38) - _number(message, 14)


def quoted(message: Received, order: Order, wanted: Side | None) -> Happening:
    """What the answer to a quote means for one of its sides. wanted: what that was to be."""
    status = message.get(297)
    new = order.status == orders.SENT
    price = wanted.price if wanted is not None else order.price
    left = wanted.quantity if wanted is not None else 0
    if status == _QUOTE_ACCEPTED and wanted is not None:
        kind = orders.ACCEPTED if new else orders.REPLACED
    elif status == _QUOTE_REJECTED:
        kind, left = orders.REJECTED if new else orders.CANCEL_REJECTED, order.open
    elif status == _QUOTE_ACCEPTED or status in _QUOTE_CANCELED:
        kind, left = orders.CANCELED if order.open else orders.NOTE, 0
    else:
        kind, left = orders.NOTE, order.open
    quantity = order.open if kind == orders.CANCELED else 0
    said = {orders.NOTE: message.name}.get(kind, f"quote {kind}")
    reasons = _reasons(message)
    return Happening(kind, said + _why(message), quantity, price, left, reasons, message, message.sequence)


def _reasons(message: Received) -> tuple[str, ...]:
    found: list[str] = []
    for tag in _REASON_TAGS:
        if tag in message:
            found += (str(message[tag], "latin-1"), message.meaning(tag))
    if 58 in message:
        text = str(message[58], "latin-1")
        rule = _RULE.match(text)
        found += [wire.REJECT_REASONS[reason] for reason in RULES.get(rule[0] if rule else "", ())]
        found.append(text)  # the last one: what is shown
    return tuple(found)


def _why(message: Received) -> str:
    found = _reasons(message)
    return f": {found[-1]}" if found else ""


def words(message: Received) -> str:
    """A message in words: ``executed 40 at 10.05, 60 open``."""
    kind = message.message.kind
    if kind == b"8":
        return _report_words(message)
    return f"{message.name}{_why(message)}"


def _report_words(message: Received) -> str:
    again = ", sent again" if message.possible_duplicate else ""
    left = f"{_left(message)} open"
    kind = _kind(message)
    if kind == orders.FILLED:
        return f"executed {_number(message, 32)} at {_text(message, 31)}, {left}{again}"
    if kind in (orders.ACCEPTED, orders.REPLACED):
        price = f"at {_text(message, 44)}" if 44 in message else "at the market"
        side = _SIDE_NAMES.get(message.get(54), "order for")
        return f"{kind}: {side} {_number(message, 38)} {_text(message, 55)} {price}, {left}{again}"
    if kind == orders.NOTE:
        status = message.meaning(39) if 39 in message else "?"
        return f"execution report: {status}, {left}{_why(message)}{again}"
    return f"{kind}{_why(message)}, {left}{again}"


def _text(message: Received, tag: int) -> str:
    return str(message.get(tag, b""), "latin-1")


def _named(message: Received) -> str:
    return f" ({_text(message, 11)})" if 11 in message else ""
