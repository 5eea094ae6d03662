"""The price of an auction: where most is executed, then where least is left over, then where the pressure is.

Rule 1. Candidates are the limit prices of both sides and the reference price. Between two neighbours of them neither
        side gains an order, so no price in between executes more.
Rule 2. Of the candidates at which most is executed, those with the least surplus stay. When all of these leave buyers
        over, the highest is taken, when all leave sellers over, the lowest; else the one nearest to the reference, of
        two the higher.
Rule 3. Without a reference the middle of the lowest and the highest that stay stands in for it in rule 2; it is no
        candidate. So market orders alone, on both sides, have no price without a reference.

Source: Xetra Market Model, "Price determination in auctions"; Euronext has the same steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from openoutcry.matcher.ticks import TickTable

Limit = tuple[int, int]  # price and quantity
ANY_PRICE: Final = 0  # the limit of a market order


class Outcome(NamedTuple):
    """price and volume of an auction, 0 when nothing would execute; imbalance: buyers left over, sellers below 0."""

    price: int
    volume: int
    imbalance: int


NO_OUTCOME: Final = Outcome(0, 0, 0)


def equilibrium(
    buys: Iterable[Limit], sells: Iterable[Limit], reference: int, tick: int = 1, ticks: TickTable | None = None
) -> Outcome:
    """The auction price of limits and quantities. reference: 0 for none.

    tick, ticks: what the middle that stands in for the reference is rounded down to. The limits may come in any order,
    and a price more than once. Time: one sort of the distinct prices, one pass over them.
    """
    demand, market_demand = _by_price(buys)
    supply, market_supply = _by_price(sells)
    candidates = demand.keys() | supply.keys()
    if reference:
        candidates.add(reference)
    bought = market_demand + sum(demand.values())  # of buyers who would pay this much
    sold = market_supply  # of sellers who would take this little
    most, least = 1, 0
    best: list[tuple[int, int]] = []  # (price, imbalance) of those that stay, ascending
    for price in sorted(candidates):
        sold += supply.get(price, 0)
        volume = min(bought, sold)
        imbalance = bought - sold
        surplus = abs(imbalance)
        if volume > most or (volume == most and (not best or surplus < least)):
            most, least = volume, surplus
            best = [(price, imbalance)]
        elif volume == most and surplus == least:
            best.append((price, imbalance))
        bought -= demand.get(price, 0)
    if not best:
        return NO_OUTCOME
    if not reference:
        middle = (best[0][0] + best[-1][0]) // 2
        reference = ticks.floor(middle) if ticks is not None else middle - middle % tick
    price, imbalance = _choice(best, reference)
    return Outcome(price, most, imbalance)


def _by_price(limits: Iterable[Limit]) -> tuple[dict[int, int], int]:
    """Quantities by limit price, and that of the market orders."""
    found: dict[int, int] = {}
    for price, quantity in limits:
        found[price] = found.get(price, 0) + quantity
    return found, found.pop(ANY_PRICE, 0)


def _choice(best: list[tuple[int, int]], reference: int) -> tuple[int, int]:
    """Rule 2's last step, among (price, imbalance) in ascending order."""
    if all(imbalance > 0 for _, imbalance in best):
        return best[-1]
    if all(imbalance < 0 for _, imbalance in best):
        return best[0]
    return min(best, key=lambda each: (abs(each[0] - reference), -each[0]))
