"""How the orders of one price share what a taker brings. most: what each can take."""

from __future__ import annotations

from tests.naive.floor import Rules

Maker = tuple[int, str, bool]  # what it can take, its account, whether it bettered the market when it came


def by_time(quantity: int, most: list[int]) -> list[int]:
    parts = []
    for size in most:
        parts.append(min(size, quantity))
        quantity -= parts[-1]
    return parts


def by_size(quantity: int, most: list[int], minimum: int) -> list[int]:
    """In proportion to size, rounded down; what is below the minimum is nothing."""
    total = sum(most)
    if quantity >= total:
        return list(most)
    parts = [quantity * size // total for size in most]
    return [part if part >= minimum else 0 for part in parts]


def and_then(first: list[int], quantity: int, most: list[int]) -> list[int]:
    """Give what is left after a first round by time."""
    room = [size - part for size, part in zip(most, first, strict=True)]
    return [part + more for part, more in zip(first, by_time(quantity - sum(first), room), strict=True)]


def share(rules: Rules, quantity: int, makers: list[Maker]) -> list[int]:
    """The parts of orders of one price, in time order."""
    most = [size for size, _, _ in makers]
    if rules.allocation == "fifo":
        return by_time(quantity, most)
    if rules.allocation == "lead-market-maker":
        return and_then(by_leads(rules.lead_market_makers, quantity, makers), quantity, most)
    first = [0] * len(makers)
    if rules.allocation == "split":
        first = by_time(quantity * rules.fifo_percent // 100, most)
    if rules.allocation == "top-pro-rata":
        first = [min(rules.top_max, size, quantity) if top else 0 for size, _, top in makers]
    room = [size - part for size, part in zip(most, first, strict=True)]
    second = by_size(quantity - sum(first), room, rules.pro_rata_minimum)
    return and_then([one + other for one, other in zip(first, second, strict=True)], quantity, most)


def by_leads(leads: str, quantity: int, makers: list[Maker]) -> list[int]:
    """Each lead market maker's percentage, over its orders by time."""
    parts = [0] * len(makers)
    for lead in leads.split():
        account, percent = lead.split("=")
        left = quantity * int(percent) // 100
        for index, (size, owner, _) in enumerate(makers):
            if owner == account:
                part = min(left, size - parts[index])
                parts[index] += part
                left -= part
    return parts
