"""``OuchTrader``: an OuchClient whose orders have expectations; and OUCH messages in words.

A reason in words is every one that the letter stands for (openoutcry.gateway.ouch42.REJECT_LETTERS, CANCEL_LETTERS):
``expect_rejected("halted")`` and ``expect_rejected("H")`` are the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from openoutcry import wire
from openoutcry.clients.ouch import MARKET_PRICE, Message, OuchClient, enter_order
from openoutcry.clients.soupbintcp import READ_AHEAD_MAX
from openoutcry.errors import ClientError, ProtocolError, VerbError
from openoutcry.gateway import ouch42
from openoutcry.testkit import orders
from openoutcry.testkit.expecting import plain
from openoutcry.testkit.orders import Happening, Order
from openoutcry.testkit.trading import Trader, at

PROPERTIES: Final = ("side", *(name for name, p in inspect.signature(enter_order).parameters.items()
                               if p.kind is p.KEYWORD_ONLY))  # fmt: skip
TIMES_IN_FORCE: Final = {
    "ioc": ouch42.TIF_IOC, "fok": ouch42.TIF_IOC, "day": ouch42.TIF_MARKET_HOURS, "system": ouch42.TIF_SYSTEM_HOURS,
}  # fmt: skip
NAMES_MAX: Final = 3  # of the reasons that a letter may stand for, when it is shown: some stand for ten
_SIDES: Final = {"B": "buy", "S": "sell", "T": "sell short", "E": "sell short exempt"}
_EVENTS: Final = {"S": "start of day", "E": "end of day"}


def _meanings(letters: Mapping[int, bytes], names: Mapping[int, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for reason, letter in letters.items():
        found[letter.decode()] = (*found.get(letter.decode(), ()), names[reason])
    return found


REJECTS: Final = _meanings(ouch42.REJECT_LETTERS, wire.REJECT_REASONS)
CANCELS: Final = _meanings(ouch42.CANCEL_LETTERS, wire.CANCEL_REASONS)


class OuchTrader(OuchClient, Trader):
    """See OuchClient and Trader. Methods may be called from several threads as long as one of them reads."""

    name_field = "token"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        Trader.__init__(self)
        OuchClient.__init__(self, *arguments, **named)
        self.patience = self.timeout

    @property
    def title(self) -> str:
        """See Trader."""
        return f"OUCH client {self.username!r}" if self.username else f"OUCH client at port {self.port}"

    def standing(self) -> str:
        """See Trader."""
        state = "logged in" if self.connected else "session ended" if self.ended else "not connected"
        return f"{state}, session {self.session}, next message #{self.sequence}"

    # --------------------------------------------------------------------------------------------- sending
    def new_name(self) -> str:
        """See Trader."""
        return self.new_token()

    def send_order(self, order: Order, properties: dict[str, Any]) -> None:
        """See Trader; properties: those of openoutcry.clients.ouch.enter_order."""
        price = MARKET_PRICE if order.price is None else order.price
        fields = _in_force(properties, order.quantity)
        if unknown := [name for name in fields if name not in PROPERTIES]:
            text = f"an order of OUCH has no {unknown[0]!r}; it has {', '.join(PROPERTIES)}"
            raise VerbError("bad_argument", unknown[0], text)
        self.enter(order.symbol, fields.pop("side", order.side), order.quantity, price, token=order.name, **fields)

    def send_cancel(self, order: Order) -> None:
        """See Trader."""
        order.add(Happening(orders.REQUEST, "cancel"))
        self.cancel(order.name)

    def send_replace(self, order: Order, quantity: int, price: Decimal | None) -> None:
        """See Trader."""
        token = self.new_token()
        self.known_as(token, order)
        order.add(Happening(orders.REQUEST, f"replace: {quantity} {at(price)}, as {token}"))
        self.replace(order.name, quantity, price, token=token)

    def send_payloads(self, payloads: Sequence[bytes]) -> None:
        """See SoupClient."""
        self._history.extend((">", bytes(payload)) for payload in payloads)
        super().send_payloads(payloads)

    # --------------------------------------------------------------------------------------------- receiving
    def more(self, seconds: float) -> bool:
        """See Trader."""
        if len(self._queue) > READ_AHEAD_MAX:
            raise ClientError(f"{len(self._queue)} messages are waiting; read them with available()")
        return self._read(seconds)

    def _deliver(self, first: int, payloads: list[bytes]) -> None:
        super()._deliver(first, payloads)
        queue = self._queue
        for place in range(len(queue) - len(payloads), len(queue)):
            message = queue[place]
            self._history.append(("<", message))
            if self._by_name:
                self._tell(message)

    def _tell(self, message: Message) -> None:
        fields = message.fields
        name = fields.get("previous_order_token") if message.type == "U" else fields.get("order_token")
        order = self._by_name.get(name or "")
        if order is not None:
            if message.type == "U":
                order.name = fields["replacement_order_token"]
                self.known_as(order.name, order)
            order.add(happening(message, order))

    def words_of(self, mark: str, message: Any) -> str:
        """See Trader."""
        if mark == "<":
            return f"#{message.sequence} {words(message)}{_token(message.fields)}"
        try:
            fields = ouch42.decode(ouch42.INBOUND, message)
        except ProtocolError:
            return f"{message!r}, which is no message of OUCH"
        return _request(fields)


def _in_force(properties: dict[str, Any], quantity: int) -> dict[str, Any]:
    """The properties, with a time in force by name as OUCH has it: all or nothing is a minimum quantity there."""
    fields = dict(properties)
    wanted = fields.get("time_in_force")
    if isinstance(wanted, str):
        if wanted not in TIMES_IN_FORCE:
            known = ", ".join(TIMES_IN_FORCE)
            raise ValueError(f"time_in_force is {wanted!r}; OUCH has {known}, or seconds as an int")
        fields["time_in_force"] = TIMES_IN_FORCE[wanted]
        if wanted == "fok":
            fields.setdefault("minimum_quantity", quantity)
    return fields


# ------------------------------------------------------------------------------------------------- meaning
_KINDS: Final = {
    "A": orders.ACCEPTED, "U": orders.REPLACED, "C": orders.CANCELED, "D": orders.CANCELED, "E": orders.FILLED,
    "G": orders.FILLED, "J": orders.REJECTED, "I": orders.CANCEL_REJECTED, "B": orders.BROKEN, "F": orders.CORRECTED,
    "K": orders.CORRECTED,
}  # fmt: skip


def happening(message: Message, order: Order) -> Happening:
    """What a message means for its order."""
    fields = message.fields
    kind = _KINDS.get(message.type, orders.NOTE)
    if kind == orders.REJECTED and order.status != orders.SENT:
        kind = orders.CANCEL_REJECTED  # it is about a replacement
    quantity = fields.get("executed_shares", fields.get("decrement_shares", 0))
    price = fields.get("execution_price", fields.get("new_execution_price", fields.get("price")))
    if price == MARKET_PRICE:
        price = None
    left = fields["shares"] if message.type in ("A", "U") else None
    if fields.get("order_state") == "D":
        left = 0
    reasons = _reasons(message.type, fields)
    return Happening(kind, words(message), quantity, price, left, reasons, message, message.sequence)


def _reasons(letter: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    code = fields.get("reason", "")
    names = (REJECTS if letter == "J" else CANCELS if letter in "CD" else {}).get(code, ())
    return (code, *names) if code else ()


def _reason(fields: Mapping[str, Any], letter: str) -> str:
    code, *names = _reasons(letter, fields) or ("",)
    if len(names) > NAMES_MAX:
        names[NAMES_MAX:] = ["..."]
    return f"{', '.join(names)} ({code})" if names else f"reason {code!r}"


def _terms(fields: Mapping[str, Any]) -> str:
    dead = ", and canceled at once" if fields.get("order_state") == "D" else ""
    side = _SIDES.get(fields["side"], fields["side"])
    return f"{side} {fields['shares']} {fields['stock']} {at(_limit(fields))}{dead}"


def _limit(fields: Mapping[str, Any]) -> Decimal | None:
    price: Decimal = fields["price"]
    return None if price == MARKET_PRICE else price


def _request(fields: Mapping[str, Any]) -> str:
    """A message that was sent, in words."""
    match fields["message_type"]:
        case "O":
            return f"enter order: {_terms(fields)}, time in force {fields['time_in_force']}{_token(fields)}"
        case "U":
            token = fields["replacement_order_token"]
            return f"replace order {fields['existing_order_token']}: {fields['shares']} {at(_limit(fields))} ({token})"
        case "X":
            return f"cancel order, down to {fields['shares']}{_token(fields)}"
        case letter:
            return f"{ouch42.INBOUND[letter].name}: {_listed(fields)}"


def _execution(fields: Mapping[str, Any]) -> str:
    return f"{fields['executed_shares']} at {plain(fields['execution_price'])}, match {fields['match_number']}"


_WORDS: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "S": lambda f: f"system event: {_EVENTS.get(f['event_code'], f['event_code'])}",
    "A": lambda f: f"accepted: {_terms(f)}",
    "U": lambda f: f"replaced: {_terms(f)}",
    "C": lambda f: f"canceled {f['decrement_shares']}: {_reason(f, 'C')}",
    "D": lambda f: f"canceled {f['decrement_shares']}: {_reason(f, 'D')}",
    "E": lambda f: f"executed {_execution(f)}",
    "G": lambda f: f"executed {_execution(f)}",
    "J": lambda f: f"rejected: {_reason(f, 'J')}",
    "B": lambda f: f"broken trade: match {f['match_number']}",
    "K": lambda f: f"price correction: match {f['match_number']} at {plain(f['new_execution_price'])}",
}


def words(message: Message) -> str:
    """A message in words: ``executed 40 at 10.05, match 7``."""
    say = _WORDS.get(message.type)
    return say(message.fields) if say else f"{message.name}: {_listed(message.fields)}"


def _token(fields: Mapping[str, Any]) -> str:
    token = fields.get("replacement_order_token", fields.get("order_token"))
    return f" ({token})" if token else ""


def _listed(fields: Mapping[str, Any]) -> str:
    skipped = ("message_type", "timestamp")
    return " ".join(f"{name}={value}" for name, value in fields.items() if name not in skipped)
