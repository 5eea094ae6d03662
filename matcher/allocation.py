"""Allocation: how an execution is shared out among the orders of one price.

Rule 1. An allocation is asked for one price level at a time, with what the aggressor has left and the orders that are
        shown there, in time order; it says how much each gets. It gives away as much as there is to give: all that the
        aggressor has, or all that is shown.
Rule 2. No order gets more than it shows. What rounding leaves over goes by time.
Rule 3. "fifo" is no allocation (None): then, and only then, a book may be plain.

``register_allocation`` adds a kind of one's own, under a name that the property ``allocation`` then takes::

    class Lottery:
        def share(self, quantity, makers): ...

    register_allocation("lottery", lambda properties: Lottery())

Sources: CME Globex matching algorithms (F, K with top order, C with lead market makers, S split FIFO/pro rata).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from openoutcry.errors import VerbError
from openoutcry.matcher.ledger import account_of
from openoutcry.matcher.orders import TERMS, Order
from openoutcry.verbs import BOOK_PROPERTIES

Maker = tuple[Order, int]  # an order, and what is shown of it
FIFO: Final = "fifo"


class Allocation(Protocol):
    """What ``register_allocation`` wants to be made."""

    def share(self, quantity: int, makers: Sequence[Maker]) -> list[int]:
        """How much of `quantity` (1 or more) each of `makers`, in time order, executes."""


Factory = Callable[[dict[str, Any]], Allocation]


def by_time(quantity: int, room: Sequence[int]) -> list[int]:
    """First come, first served. room: the most that each can get."""
    parts = []
    for most in room:
        part = min(most, quantity)
        quantity -= part
        parts.append(part)
    return parts


def by_size(quantity: int, room: Sequence[int], least: int) -> list[int]:
    """In proportion to size, rounded down; shares below `least` are none."""
    total = sum(room)
    if quantity >= total:
        return list(room)
    parts = [quantity * most // total for most in room]
    return [part if part >= least else 0 for part in parts]


def on_top(parts: list[int], quantity: int, room: Sequence[int], least: int | None) -> list[int]:
    """`parts`, and what they leave of `quantity` shared out after them: by size when `least` is given, then by time."""
    if least is not None:
        space = [most - part for most, part in zip(room, parts, strict=True)]
        more = by_size(quantity - sum(parts), space, least)
        parts = [part + extra for part, extra in zip(parts, more, strict=True)]
    space = [most - part for most, part in zip(room, parts, strict=True)]
    rest = by_time(quantity - sum(parts), space)
    return [part + extra for part, extra in zip(parts, rest, strict=True)]


class ProRata:
    """By size. top_max: what the order that bettered the market when it came gets before all others, at most."""

    def __init__(self, least: int, top_max: int = 0) -> None:
        self.least = least
        self.top_max = top_max

    def share(self, quantity: int, makers: Sequence[Maker]) -> list[int]:
        """See the module."""
        room = [shown for _, shown in makers]
        first = [0] * len(makers)
        if self.top_max:
            for index, (order, shown) in enumerate(makers):
                if order[TERMS] is not None and order[TERMS].top:
                    first[index] = min(self.top_max, shown, quantity)
                    break  # at one price only the first can have bettered the market
        return on_top(first, quantity, room, self.least)


class Split:
    """A part by time, then by size."""

    def __init__(self, percent: int, least: int) -> None:
        self.percent = percent
        self.least = least

    def share(self, quantity: int, makers: Sequence[Maker]) -> list[int]:
        """See the module."""
        room = [shown for _, shown in makers]
        return on_top(by_time(quantity * self.percent // 100, room), quantity, room, self.least)


class LeadMarketMakers:
    """Some accounts get a percentage first, each over its orders by time; the rest goes by time."""

    def __init__(self, leads: list[tuple[str, int]]) -> None:
        self.leads = leads

    def share(self, quantity: int, makers: Sequence[Maker]) -> list[int]:
        """See the module."""
        room = [shown for _, shown in makers]
        parts = [0] * len(makers)
        for account, percent in self.leads:
            left = quantity * percent // 100
            for index, (order, shown) in enumerate(makers):
                if account_of(order) == account:
                    part = min(left, shown)
                    parts[index] = part
                    left -= part
        return on_top(parts, quantity, room, None)


def _leads_of(text: str) -> list[tuple[str, int]]:
    """'ACCOUNT=percent ACCOUNT=percent' taken apart. Raises VerbError."""
    leads: dict[str, int] = {}
    for word in text.split():
        account, _, percent = word.partition("=")
        if not account or account in leads or not percent.isascii() or not percent.isdigit() or not int(percent) <= 100:
            raise _bad(text, f"of the form 'ACCOUNT=percent ACCOUNT=percent', each account once: {word!r} is not")
        leads[account] = int(percent)
    if sum(leads.values()) > 100:
        raise _bad(text, f"100 percent at most together, these are {sum(leads.values())}")
    return list(leads.items())


def _bad(text: str, rule: str) -> VerbError:
    return VerbError("bad_argument", "value", f"lead_market_makers is {text!r}, it must be {rule}")


def _top_pro_rata(properties: dict[str, Any]) -> Allocation:
    return ProRata(properties["pro_rata_minimum"], properties["top_max"])


FACTORIES: Final[dict[str, Factory]] = {
    "pro-rata": lambda properties: ProRata(properties["pro_rata_minimum"]),
    "top-pro-rata": _top_pro_rata,
    "lead-market-maker": lambda properties: LeadMarketMakers(_leads_of(properties["lead_market_makers"])),
    "split": lambda properties: Split(properties["fifo_percent"], properties["pro_rata_minimum"]),
}


def register_allocation(name: str, factory: Factory) -> None:
    """Let the property ``allocation`` be `name`; factory: makes the allocation of a book from its properties.

    Every process of an exchange has to do this before it starts, the matcher because it shares out, the control service
    because it checks. What `share` returns must depend on its arguments alone. Raises ValueError for a name that is
    taken.
    """
    if name == FIFO or name in FACTORIES:
        raise ValueError(f"there is an allocation {name!r} already")
    FACTORIES[name] = factory
    known = BOOK_PROPERTIES["allocation"]
    BOOK_PROPERTIES["allocation"] = known._replace(choices=(*known.choices, name))


def allocation_of(properties: dict[str, Any]) -> Allocation | None:
    """A book's allocation, None for "fifo". Raises VerbError for properties that mean nothing."""
    leads = properties["lead_market_makers"]
    if leads.strip():
        _leads_of(leads)  # checked when it is set, whatever the allocation is then
    name = properties["allocation"]
    return None if name == FIFO else FACTORIES[name](properties)
