"""Values of control verbs as plain text for a terminal: tables, aligned names and values, nested counters.

What is shown is what the verb returned; left out is only what is said twice: the ``properties`` of what is
``explained``. Names that people look for stand first, and what is long last. Programs use ``--json``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

# Columns of a table, and fields of an object, before all others.
FIRST: Final = (
    "scope",
    "name",
    "of",
    "verb",
    "request",
    "order_id",
    "match",
    "number",
    "rule",
    "value",
    "kind",
    "option",
    "protocol",
    "token",
    "user",
    "connection",
    "account",
    "symbol",
    "book",
    "engine",
    "endpoint",
    "gateway",
    "host",
    "port",
    "side",
    "quantity",
    "price",
    "executed",
    "bid_quantity",
    "bid_price",
    "ask_price",
    "ask_quantity",
    "phase",
    "state",
)
LAST: Final = ("meaning", "text", "values", "choices")  # what is long would push all others off the screen
LEVEL: Final = ("price", "quantity", "orders")  # of a depth's bids and asks
_DECIMAL: Final = re.compile("-?[0-9]+(?:[.][0-9]+)?")


def show(value: Any, indent: str = "") -> str:
    """Any JSON value as lines of text."""
    if isinstance(value, dict):
        return _mapping(value, indent)
    if isinstance(value, list):
        return _sequence(value, indent)
    return indent + cell(value)


def cell(value: Any) -> str:
    """One value in one line."""
    if value is None:
        return "-"
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, dict):
        return " ".join(f"{key}={cell(part)}" for key, part in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(cell(part) for part in value) or "-"
    return str(value)


def table(rows: Sequence[Mapping[str, Any]], indent: str = "", columns: Sequence[str] = ()) -> str:
    """Objects as a table: one column for each key (see ``FIRST``, ``LAST``), numbers to the right."""
    names = list(columns) or sorted(
        dict.fromkeys(key for row in rows for key in row), key=lambda key: _place(key, [row.get(key) for row in rows])
    )
    heads = [name.replace("_", " ") for name in names]
    return "\n".join(indent + line for line in _columns(heads, [[row.get(name) for row in rows] for name in names]))


def _place(key: str, values: Sequence[Any]) -> int:
    """What a field comes after: those of FIRST, then plain ones, what is nested, and those of LAST."""
    if key in FIRST:
        return FIRST.index(key)
    if key in LAST:
        return len(FIRST) + 2 + LAST.index(key)
    return len(FIRST) + any(isinstance(value, dict | list) for value in values)


def _columns(heads: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[str]:
    """Columns of values, with their heads, as lines."""
    padded = []
    for head, values in zip(heads, columns, strict=True):
        cells = [head, *_points(values)]
        width = max(map(len, cells))
        right = all(isinstance(value, int | float | None) for value in values)
        padded.append([text.rjust(width) if right else text.ljust(width) for text in cells])
    return ["  ".join(line).rstrip() for line in zip(*padded, strict=True)]


def _points(values: Sequence[Any]) -> list[str]:
    """The cells of a column; decimal numbers, which come as text, with their points one above the other."""
    cells = [cell(value) for value in values]
    decimal = [type(value) is str and _DECIMAL.fullmatch(value) is not None for value in values]
    if not all(numeric or value in (None, "") for numeric, value in zip(decimal, values, strict=True)):
        return cells
    whole = max(
        (len(text.partition(".")[0]) for text, numeric in zip(cells, decimal, strict=True) if numeric), default=0
    )
    return [
        " " * (whole - len(text.partition(".")[0])) + text if numeric else text
        for text, numeric in zip(cells, decimal, strict=True)
    ]


def _mapping(value: dict[str, Any], indent: str) -> str:
    parts = {key: part for key, part in value.items() if key != "properties" or "explained" not in value}
    width = max((len(str(key)) for key, part in parts.items() if not _nested(part)), default=0)
    lines = []
    for key in sorted(parts, key=lambda key: _last(key, parts[key])):
        if not _nested(parts[key]):
            lines.append(f"{indent}{str(key).ljust(width)}  {cell(parts[key])}".rstrip())
        elif key in ("bids", "asks") and all(len(level) == len(LEVEL) for level in parts[key]):
            rows = [dict(zip(LEVEL, level, strict=True)) for level in parts[key]]
            lines += [f"{indent}{key}", table(rows, indent + "  ", LEVEL)]
        else:
            lines += [f"{indent}{key}", show(parts[key], indent + "  ")]
    return "\n".join(lines) if lines else indent + "-"


def _last(key: str, part: Any) -> int:
    """As ``_place``; but what takes lines of its own comes after everything else."""
    return len(FIRST) + 2 + len(LAST) if _nested(part) else _place(key, ())


def _nested(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value)
    return isinstance(value, list) and any(isinstance(part, dict | list) for part in value)


def _sequence(value: list[Any], indent: str) -> str:
    if not value:
        return indent + "(none)"
    if all(isinstance(row, dict) for row in value):
        return table(value, indent)
    return "\n".join(indent + cell(part) for part in value)
