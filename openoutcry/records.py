"""What verbs return, as small records: dictionaries and lists that read well, and become tables for notebooks.

::

    exchange.trades("aapl")                      Records: prints itself as a table
    exchange.trades("aapl")[0].price             fields are attributes, too
    exchange.trades("aapl").to_frame()           a pandas DataFrame; pandas is only imported here (extra: notebook)
    exchange.depth("aapl").to_frame()            one row for each price level

Prices and other exact numbers come as text from the exchange; a frame has them as ``Decimal``, or as floats with
``floats=True``, to draw and to count with.

Invariant: a Record is a dict and Records are a list, equal to plain ones with the same content; ``of`` changes nothing
but how they print and what can be asked of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas

ROWS_MAX: Final = 60  # rows that a repr shows: a terminal's worth
EXACT: Final = ("price", "amount", "offset", "fee", "profit", "loss", "notional", "protection", "paid")
LEVEL: Final = ("side", "level", "price", "quantity", "orders")
SIDES: Final = (("bids", "bid"), ("asks", "ask"))


class Record(dict[str, Any]):
    """One object, with its fields as attributes."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no field {name!r}; there are: {', '.join(self)}") from None

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self]

    def __repr__(self) -> str:
        from openoutcry.tables import show

        return show(dict(self))

    def to_frame(self, floats: bool = False) -> pandas.DataFrame:
        """A DataFrame: the levels of a depth, best first; of anything else one row."""
        if "bids" in self and "asks" in self:
            rows = [
                dict(zip(LEVEL, (side, place, *level), strict=True))
                for name, side in SIDES
                for place, level in enumerate(self[name], 1)
            ]
            return frame(rows, LEVEL, floats)
        return frame([self], (), floats)


class Records(list[Record]):
    """Several objects of one kind."""

    __slots__ = ()

    def __repr__(self) -> str:
        from openoutcry.tables import table

        if not self:
            return "(none)"
        more = len(self) - ROWS_MAX
        return table(self[:ROWS_MAX]) + (f"\n... and {more} more" if more > 0 else "")

    def to_frame(self, floats: bool = False) -> pandas.DataFrame:
        """A DataFrame with a row for each."""
        return frame(self, (), floats)


def of(value: Any) -> Any:
    """A verb's value with its objects as Record and its lists of objects as Records; all else as it is."""
    return Records() if value == [] else _of(value)


def _of(value: Any) -> Any:
    if isinstance(value, dict):
        return Record({key: _of(part) for key, part in value.items()})
    if isinstance(value, list):
        if value and all(isinstance(row, dict) for row in value):
            return Records(_of(row) for row in value)
        return [_of(part) for part in value]
    return value


def frame(rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = (), floats: bool = False) -> pandas.DataFrame:
    """Rows as a DataFrame. Raises ImportError that says what to install."""
    try:
        import pandas
    except ImportError:
        raise ImportError("to_frame needs pandas: pip install 'openoutcry[notebook]'") from None
    found = pandas.DataFrame([dict(row) for row in rows], columns=list(columns) or None)
    for name in found.columns:
        if any(word in str(name) for word in EXACT):
            found[name] = [_number(value, floats) for value in found[name]]
    return found


def _number(value: Any, floats: bool) -> Any:
    """Text that is a number as one; all else as it is."""
    if not isinstance(value, str):
        return value
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    return float(number) if floats else number
