"""What a journal holds against what its matcher says, while clients' last words may still be on their way.

A client that has closed is logged off by its gateway in the gateway's own time, which is one more input of the journal:
so a state and a journal belong together only when the state was the same before and after the journal was read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from openoutcry import Exchange

Found = TypeVar("Found")

TIMES = 20  # a handful of clients' last words at most


def while_standing(exchange: Exchange, look: Callable[[], Found]) -> tuple[dict[str, Any], Found]:
    """The answer to `state_hash`, and what `look` found while it was the same."""
    for _ in range(TIMES):
        before, found = exchange.state_hash(), look()
        if exchange.state_hash() == before:
            return before, found
    raise AssertionError(f"the exchange did not come to rest in {TIMES} looks")
