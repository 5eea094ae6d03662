"""The kinds of policies that come with the exchange: venues that fill, refuse, cancel and halt by themselves.

What each does and all its options are in docs/simulator.md; how a kind is made is in openoutcry.matcher.policies. More
kinds are in openoutcry.matcher.lines (late, lost, twice) and openoutcry.matcher.maker (quotes).
"""

from __future__ import annotations

from typing import Any, Final

from openoutcry import wire
from openoutcry.matcher.dictionaries import ORDERS
from openoutcry.matcher.judging import Refusal
from openoutcry.matcher.orders import BOOK, OPEN, PRICE, Order
from openoutcry.matcher.policies import (
    DELAY_MAX,
    MESSAGES,
    PERCENT,
    SILENCE,
    UNTOUCHED,
    Choosing,
    Hands,
    Message,
    Policy,
    Treatment,
    register_policy,
)
from openoutcry.parameters import Parameter

_REJECTS: Final = {text: code for code, text in wire.REJECT_REASONS.items()}
_CANCELS: Final = {text: code for code, text in wire.CANCEL_REASONS.items()}

_DELAY: Final = Parameter("delay_ms", "int", "so long after it was accepted; 0: at once", 0, 0, DELAY_MAX)
_QUANTITY: Final = Parameter("quantity", "int", "so much of an order, instead of percent", None, 1, wire.QUANTITY_MAX)
_PRICE: Final = Parameter("price", "price", "at what price; none: the order's, else the last", None, 1, wire.PRICE_MAX)
_CANCEL: Final = Parameter("reason", "choice", "why it is cancelled", "supervisory", choices=tuple(_CANCELS))


def _percent(default: int) -> Parameter:
    return Parameter("percent", "int", "so much of an order, rounded down, at least 1", default, 1, PERCENT)


class _Filling(Policy):
    """What kinds that fill have in common."""

    def total(self, order: Order) -> int:
        """How much of a new order is to be filled."""
        wanted: int | None = self.options["quantity"]
        part: int = order[OPEN] * self.options["percent"] // PERCENT
        most: int = order[OPEN]
        return min(most, wanted or max(1, part))

    def fill(self, hands: Hands, order: Order, quantity: int) -> bool:
        """Fill so much of an order, or what is left of it; False when there is no price to do it at."""
        price = self.options["price"] or order[PRICE] or order[BOOK].last_price
        if price and quantity:
            hands.fill(order, min(quantity, order[OPEN]), price)
        return bool(price)


class AutoFill(_Filling):
    """Fill orders: all, a part, or in slices over time."""

    parameters = (
        _percent(PERCENT), _QUANTITY, _PRICE, _DELAY,
        Parameter("slices", "int", "in so many parts", 1, 1, 1_000),
        Parameter("interval_ms", "int", "time between two parts", 1_000, 0, DELAY_MAX),
    )  # fmt: skip

    def accepted(self, hands: Hands, order: Order) -> bool:
        total = self.total(order)
        if self.options["delay_ms"]:
            hands.later(order, self.options["delay_ms"], 0, total)
            return True
        return self._slice(hands, order, 0, total)

    def due(self, hands: Hands, order: Order, data: tuple[int, ...]) -> None:
        self._slice(hands, order, *data)

    def _slice(self, hands: Hands, order: Order, index: int, total: int) -> bool:
        """Fill part `index`, counted from 0, and have the next one come."""
        slices = self.options["slices"]
        part = total * (index + 1) // slices - total * index // slices
        if not self.fill(hands, order, part):
            return False
        if index + 1 < slices and order[OPEN]:
            hands.later(order, self.options["interval_ms"], index + 1, total)
        return True


_ON: Final = Parameter("on", "choice", "which messages", "orders", choices=tuple(MESSAGES))


class AutoReject(Choosing):
    """Refuse messages."""

    parameters = (
        _ON,
        Parameter("reason", "choice", "why", "invalid field", choices=tuple(_REJECTS)),
        Parameter("text", "text", "what the client is told; none: the reason", "", 0, wire.SHORT_TEXT_MAX),
    )

    def refuses(self, message: Message) -> Refusal | None:
        return _REJECTS[self.options["reason"]], self.options["text"]


class Silent(Choosing):
    """Lose messages: nobody is told, and nothing comes of them."""

    parameters = (_ON,)

    def refuses(self, message: Message) -> Refusal | None:
        return SILENCE


class AutoCancel(Policy):
    """Cancel orders that are still open after a while."""

    parameters = (_DELAY, _CANCEL)

    def accepted(self, hands: Hands, order: Order) -> bool:
        hands.later(order, self.options["delay_ms"])
        return True

    def due(self, hands: Hands, order: Order, data: tuple[int, ...]) -> None:
        hands.cancel(order, _CANCELS[self.options["reason"]])


class PartialThenCancel(_Filling):
    """Fill a part of an order, then cancel the rest."""

    parameters = (_percent(50), _QUANTITY, _PRICE, _DELAY, _CANCEL)

    def accepted(self, hands: Hands, order: Order) -> bool:
        if not self.fill(hands, order, self.total(order)):
            return False
        if order[OPEN]:
            hands.later(order, self.options["delay_ms"])
        return True

    def due(self, hands: Hands, order: Order, data: tuple[int, ...]) -> None:
        hands.cancel(order, _CANCELS[self.options["reason"]])


class Halt(Policy):
    """Halt a book after so many orders. Without books: refuse those that come after them."""

    dictionaries = True

    parameters = (
        Parameter("orders", "int", "after so many orders, and as many again; without books, later ones are refused",
                  1, 1, wire.QUANTITY_MAX),
        Parameter("text", "text", "what the market is told, or who is refused", "", 0, wire.SHORT_TEXT_MAX // 2),
    )  # fmt: skip

    def accepted(self, hands: Hands, order: Order) -> bool:
        if hands.seen % self.options["orders"]:
            return False
        hands.halt(order, self.options["text"] or "policy")
        return True

    def judges(self, fields: dict[str, Any], told: bool) -> bool:
        return not told and fields.get("MsgType") in ORDERS

    def treats(self, hands: Hands, message: Message) -> Treatment:
        if message.seen <= self.options["orders"]:
            return UNTOUCHED
        return Treatment((wire.REJECT_HALTED, self.options["text"]))


BOTS: Final[dict[str, type[Any]]] = {
    "auto-fill": AutoFill,
    "auto-reject": AutoReject,
    "auto-cancel": AutoCancel,
    "partial-then-cancel": PartialThenCancel,
    "halt": Halt,
    "silent": Silent,
}
for _name, _bot in BOTS.items():
    register_policy(_name, _bot)
