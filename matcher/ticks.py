"""Tick tables: how fine prices are, by price, as the tick size regimes of MiFID II (RTS 11) and of Japan's exchanges.

A table is written ``from=tick from=tick ...``: ``0=0.01 10=0.05`` has ticks of 0.01 below 10 and of 0.05 from there on.

Invariant: the first row begins at 0, rows ascend, and every price at which a row begins is a multiple of that row's
tick and of the tick below it; so the valid prices are a ladder without gaps: one tick up from a valid price is valid.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any, Final

from openoutcry.errors import VerbError
from openoutcry.parameters import Parameter, convert, price_text
from openoutcry.wire import PRICE_MAX

ROWS_MAX: Final = 64  # the longest table in use (RTS 11) has 19 rows
_FROM: Final = Parameter("from", "price", "first price of a row", low=0, high=PRICE_MAX)
_TICK: Final = Parameter("tick", "price", "its tick", low=1, high=PRICE_MAX)


class TickTable:
    """begins: the first price of each row, ascending; ticks: the tick of each. Both in 1e-8, begins[0] is 0."""

    __slots__ = ("begins", "ticks")

    def __init__(self, begins: list[int], ticks: list[int]) -> None:
        self.begins = begins
        self.ticks = ticks

    def tick_at(self, price: int) -> int:
        """The tick of the row that `price` is in, which is the one that a step up from it takes."""
        return self.ticks[bisect_right(self.begins, price) - 1]

    def tick_below(self, price: int) -> int:
        """The tick that a step down from a valid `price` takes: at the begin of a row, that of the row before."""
        return self.ticks[max(bisect_left(self.begins, price) - 1, 0)]

    def valid(self, price: int) -> bool:
        """Whether an order may have this price."""
        return not price % self.tick_at(price)

    def floor(self, price: int) -> int:
        """The highest valid price that is not above `price`."""
        return price - price % self.tick_at(price)

    def ceil(self, price: int) -> int:
        """The lowest valid price that is not below `price`."""
        return price + -price % self.tick_at(price)


def ticks_of(properties: dict[str, Any]) -> TickTable | None:
    """The tick table of a book, None when it has one tick_size. Raises VerbError when the text means nothing."""
    text = properties["tick_table"]
    if not text.strip():
        return None
    rows = [_row(text, row) for row in text.split()]
    if len(rows) > ROWS_MAX:
        raise _bad(text, f"of at most {ROWS_MAX} rows")
    begins, ticks = [row[0] for row in rows], [row[1] for row in rows]
    if begins[0]:
        raise _bad(text, "a table whose first row begins at 0")
    for above in range(1, len(rows)):
        _join(text, begins, ticks, above)
    return TickTable(begins, ticks)


def _row(text: str, row: str) -> tuple[int, int]:
    begin, equals, tick = row.partition("=")
    if not equals:
        raise _bad(text, f"rows of from=tick, and {row!r} is none")
    try:
        return convert(_FROM, begin, "tick_table"), convert(_TICK, tick, "tick_table")
    except VerbError as error:
        raise VerbError("bad_argument", "value", error.text) from None


def _join(text: str, begins: list[int], ticks: list[int], above: int) -> None:
    begin = begins[above]
    if begin <= begins[above - 1]:
        raise _bad(text, f"in ascending order, and {price_text(begin)} is not")
    for tick in (ticks[above - 1], ticks[above]):
        if begin % tick:
            raise _bad(text, f"without gaps, and {price_text(begin)} is no multiple of the tick {price_text(tick)}")


def _bad(text: str, rule: str) -> VerbError:
    return VerbError("bad_argument", "value", f"tick_table is {text!r}, it must be {rule}")
