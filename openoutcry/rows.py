"""Answers of rows that are too many for one answer: as many as fit, and a last row that counts the others, {MORE: 312}.

Invariant: the rows that were left out are had by asking again, with ``skip`` larger by the rows that came (for
order_events: with ``since`` their last number). openoutcry.clients.control does that.
"""

from __future__ import annotations

from typing import Any, Final

from openoutcry import jsontext

Row = dict[str, Any]
VERBS: Final = frozenset(("list", "orders", "trades", "order_events", "requests", "positions", "fees_paid"))
MORE: Final = "more"


def fitting(rows: list[Row], room: int) -> list[Row]:
    """The first of these rows, as many as fit an answer of `room` characters, and a last one that counts the others.

    [] when not even the first fits.
    """
    kept: list[Row] = []
    beyond = left_out(rows)  # of which there is no row even here
    size = len(jsontext.text([{MORE: len(rows) + beyond}]))
    for row in rows:
        size += len(jsontext.text(row)) + 1
        if size > room:
            break
        kept.append(row)
    return [*kept, {MORE: len(rows) - len(kept) + beyond}] if kept else []


def left_out(rows: Any) -> int:
    """How many rows an answer says that it had no room for; it says so no longer then."""
    if type(rows) is list and rows and type(rows[-1]) is dict and rows[-1].keys() == {MORE}:
        return int(rows.pop()[MORE])
    return 0
