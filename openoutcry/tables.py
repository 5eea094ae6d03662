"""Values of control verbs as plain text for a terminal: tables, aligned names and values, nested counters.

What is shown is what the verb returned, nothing is left out; programs use ``--json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

FIRST: Final = (
    "name",
    "of",
    "verb",
    "order_id",
    "match",
    "number",
    "kind",
    "token",
)  # columns of a table before others


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


def table(rows: Sequence[dict[str, Any]], indent: str = "", columns: Sequence[str] = ()) -> str:
    """Objects as a table: one column for each key (names first, what is nested last), numbers to the right."""
    names = list(columns) or sorted(
        dict.fromkeys(key for row in rows for key in row), key=lambda key: _place(rows, key)
    )
    cells = [[cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(names)]
    right = [all(isinstance(row.get(name), int | float | None) for row in rows) for name in names]
    lines = [_line([name.replace("_", " ") for name in names], widths, right)]
    lines += [_line(line, widths, right) for line in cells]
    return "\n".join(indent + line for line in lines)


def _place(rows: Sequence[dict[str, Any]], key: str) -> int:
    if key in FIRST:
        return FIRST.index(key)
    return len(FIRST) + any(isinstance(row.get(key), dict | list) for row in rows)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True)]
    return "  ".join(padded).rstrip()


def _mapping(value: dict[str, Any], indent: str) -> str:
    width = max((len(str(key)) for key, part in value.items() if not _nested(part)), default=0)
    lines = []
    for key, part in value.items():
        if _nested(part):
            lines += [f"{indent}{key}", show(part, indent + "  ")]
        else:
            lines.append(f"{indent}{str(key).ljust(width)}  {cell(part)}")
    return "\n".join(lines) if lines else indent + "-"


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
