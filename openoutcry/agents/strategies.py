"""How agents decide: each strategy is a frozen record of its numbers with one pure function, ``decide``.

    MarketMaker(levels=3).decide(view, Random(1))  ->  [Enter("B", 300, 1_502_400), ...]

Invariant: a decision depends on the record, the view and the random source alone; nothing is kept between two, and no
clock is read. What is wanted goes through openoutcry.agents.views.allowed before it is sent.

STRATEGIES has those that ship, by the names that the command line uses. One of your own is any object with ``decide``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from random import Random
from typing import Final, Protocol

from openoutcry.agents.prices import CENT
from openoutcry.agents.views import BUY, SELL, Cancel, Enter, Intent, Move, Open, View, on_tick

ROUND_LOT: Final = 100


Urgent = tuple[int, int, Intent]  # which kind of change, how far it goes, what it is
_FORWARD: Final = 0
_MISSING: Final = 1
_BACK: Final = 2


class Strategy(Protocol):
    """What a trader asks."""

    def decide(self, view: View, random: Random) -> list[Intent]:
        """What to do now."""


@dataclass(frozen=True, slots=True)
class ZeroIntelligence:
    """Buys and sells without a thought: any side, any price within `reach` of the worth of the symbol.

    patience: of 100 orders, how many rest; the others are immediate. cancels: of 100 decisions, how many take an own
    order out. shares: in round lots, 1 to so many.
    """

    reach: int = 10 * CENT
    patience: int = 60
    cancels: int = 20
    lots: int = 5
    tick: int = CENT

    def decide(self, view: View, random: Random) -> list[Intent]:
        """An order, or a cancel."""
        if view.open and random.randrange(100) < self.cancels:
            return [Cancel(random.choice(view.open).token)]
        side = random.choice((BUY, SELL))
        price = on_tick(view.fair + random.randint(-self.reach, self.reach), side, self.tick)
        shares = ROUND_LOT * random.randint(1, self.lots)
        return [Enter(side, shares, price, random.randrange(100) >= self.patience)]


@dataclass(frozen=True, slots=True)
class MarketMaker:
    """Keeps `levels` quotes a side: the first `half_spread` from its centre, each `step` further than the one before.

    skew: its centre is the worth of the symbol, moved by so much against a position at its limit (in proportion):
    who is long offers more and bids less. lots: of a quote, 1 to so many. changes: at most so many orders in one
    decision: first quotes that step back, which makes room for the other side, then those that are missing, then those
    that step forward. restless: where all is right, give one quote another size.
    """

    half_spread: int = CENT
    levels: int = 5
    step: int = CENT
    skew: int = 5 * CENT
    lots: int = 9
    changes: int = 4
    restless: bool = False
    tick: int = CENT

    def centre(self, view: View) -> int:
        """The middle of its quotes."""
        shift = abs(view.position) * self.skew // max(1, view.limit)
        return view.fair - (shift if view.position > 0 else -shift)

    def decide(self, view: View, random: Random) -> list[Intent]:
        """New quotes for those that are missing or off."""
        centre = self.centre(view)
        wanted: list[Urgent] = []
        for side in (BUY, SELL):
            own = sorted((o for o in view.open if o.side == side), key=lambda o: -o.price if side == BUY else o.price)
            wanted += self._side(side, centre, own, random)
        wanted.sort(key=lambda urgent: urgent[:2], reverse=True)
        intents = [intent for *_, intent in wanted[: self.changes]]
        if not intents and self.restless and view.open:
            order = random.choice([order for order in view.open if not order.busy] or view.open)
            return [Move(order.token, self._shares(random), order.price)]
        return intents

    def _side(self, side: str, centre: int, own: list[Open], random: Random) -> list[Urgent]:
        """What is to be done on one side."""
        found: list[Urgent] = [(_BACK, 0, Cancel(order.token)) for order in own[self.levels :]]
        for level in range(self.levels):
            away = self.half_spread + level * self.step
            price = on_tick(centre - away if side == BUY else centre + away, side, self.tick)
            if level >= len(own):
                found.append((_MISSING, -level, Enter(side, self._shares(random), price)))
            elif own[level].price != price:
                move = Move(own[level].token, self._shares(random), price)
                back = own[level].price - price if side == BUY else price - own[level].price
                found.append((_BACK if back > 0 else _FORWARD, abs(back), move))
        return found

    def _shares(self, random: Random) -> int:
        return ROUND_LOT * random.randint(1, self.lots)


@dataclass(frozen=True, slots=True)
class Momentum:
    """Follows the market: buys when its price has risen by `trigger` over the history that it sees, sells when it fell.

    reach: how far beyond the worth of the symbol it pays. lots: of an order, 1 to so many.
    """

    trigger: int = 2 * CENT
    reach: int = 3 * CENT
    lots: int = 6
    tick: int = CENT

    def decide(self, view: View, random: Random) -> list[Intent]:
        """An immediate order with the trend, or nothing."""
        if len(view.history) < 2:
            return []
        trend = view.history[-1] - view.history[0]
        if abs(trend) < max(1, self.trigger):
            return []
        side = BUY if trend > 0 else SELL
        target = (view.ask or view.fair) + self.reach if side == BUY else (view.bid or view.fair) - self.reach
        return [Enter(side, ROUND_LOT * random.randint(1, self.lots), on_tick(target, side, self.tick), True)]


@dataclass(frozen=True, slots=True)
class Value:
    """Has an opinion of its own, up to `noise` off the worth of the symbol; trades what the market sells below it, or
    buys above it, by `margin`.

    Where nobody tells it the market's best prices, it bids or offers at its opinion less the margin, at once or never.
    """

    noise: int = 6 * CENT
    margin: int = CENT
    lots: int = 6
    tick: int = CENT

    def decide(self, view: View, random: Random) -> list[Intent]:
        """An immediate order at no worse than its opinion less the margin, or nothing."""
        half = self.noise // 2
        opinion = view.fair + random.randint(-half, half) + random.randint(-half, half)
        shares = ROUND_LOT * random.randint(1, self.lots)
        most, least = opinion - self.margin, opinion + self.margin
        if view.ask <= most if view.ask else opinion > view.fair:
            return [Enter(BUY, shares, on_tick(most, BUY, self.tick), True)]
        if view.bid >= least if view.bid else opinion < view.fair:
            return [Enter(SELL, shares, on_tick(least, SELL, self.tick), True)]
        return []


STRATEGIES: Final[dict[str, type[ZeroIntelligence] | type[MarketMaker] | type[Momentum] | type[Value]]] = {
    "maker": MarketMaker,
    "zero": ZeroIntelligence,
    "momentum": Momentum,
    "value": Value,
}
_IN_PRICES: Final = ("reach", "half_spread", "step", "skew", "trigger", "noise", "margin")


def make(kind: str, tick: int = CENT) -> Strategy:
    """A strategy by its name, its distances as many ticks as the defaults are cents."""
    made = STRATEGIES[kind]()
    names = [field.name for field in fields(made) if field.name in _IN_PRICES]
    return replace(made, tick=tick, **{name: getattr(made, name) * tick // CENT for name in names})
