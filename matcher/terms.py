"""What an order says beyond a plain limit order: the terms of SUBMIT and AMEND, and what became of them.

Invariant: ``order[TERMS]`` is None exactly when the order is a plain limit order that waits, or could wait, on the lit
side of its book; so everything that knows only plain orders (openoutcry.matcher.book) is right about every book in
which all orders have none.
"""

from __future__ import annotations

from typing import Any, Final

from openoutcry import wire
from openoutcry.wire import LIMIT

# Where a live order waits.
LIT: Final = 0  # on the book's lit side: everybody sees it (of an iceberg, a part)
DARK: Final = 1  # on a dark side: tradeable, and nobody sees it
TRIGGER: Final = 2  # for the market to reach its trigger (openoutcry.matcher.triggers)
CALL: Final = 3  # for an auction alone (openoutcry.matcher.auction)
PARKED: Final = 4  # for continuous trading to begin, or for a reference price (pegged orders)

_NAMES: Final = {term: field.name for term, field in wire.ORDER_TERMS.items()}


class Terms:
    """One order's terms. Fields named as in wire.ORDER_TERMS have its meanings; 0, None or "" when not given.

    order_type: as entered (wire.ORDER_TYPES), or what it has become; minimum: the least that one resting execution
    takes; where: LIT ...; shown: what the market sees of what is open; cap: a pegged order's price as entered, 0 for
    none; quote: whether it is a side of a two-sided quote; top: whether it bettered the market when it came
    (allocation); filled: what the parent of a bracket has executed.
    """

    __slots__ = (
        "account", "all_or_none", "cap", "display_quantity", "display_range", "filled", "hidden", "keep", "minimum",
        "order_type", "pair", "peg", "peg_offset", "post_only", "protection", "quote", "reduce_only", "self_match",
        "shown", "stop_loss", "stop_price", "take_profit", "top", "trail_amount", "trail_percent", "where",
    )  # fmt: skip

    def __init__(self, order_type: int = LIMIT, terms: tuple[tuple[int, Any], ...] = (), minimum: int = 0) -> None:
        self.order_type = order_type
        self.minimum = minimum
        self.account = ""
        self.stop_price = self.trail_amount = self.trail_percent = 0
        self.protection: int | None = None
        self.display_quantity = self.display_range = 0
        self.hidden = self.post_only = self.all_or_none = 0
        self.peg = self.peg_offset = 0
        self.pair = b""
        self.take_profit = self.stop_loss = 0
        self.reduce_only = 0
        self.self_match: int | None = None
        self.keep = 0
        self.where = LIT
        self.shown = 0
        self.cap = 0
        self.quote = 0
        self.top = 0
        self.filled = 0
        for term, value in terms:
            setattr(self, _NAMES[term], value)

    def given(self) -> tuple[tuple[int, Any], ...]:
        """What SUBMIT would say to have these terms (now: a trigger may have moved)."""
        found = [(term, getattr(self, name)) for term, name in _NAMES.items()]
        return tuple(pair for pair in found if pair[1] != _DEFAULTS[pair[0]])

    def row(self) -> tuple[Any, ...]:
        """Every field, for a snapshot."""
        return tuple(getattr(self, name) for name in self.__slots__)

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Terms:
        """The reverse of ``row``."""
        terms = cls()
        for name, value in zip(cls.__slots__, row, strict=True):
            setattr(terms, name, value)
        return terms


_DEFAULTS: Final = {term: getattr(Terms(), name) for term, name in _NAMES.items()}
