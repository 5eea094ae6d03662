"""What an agent sees, what it can want, and the bounds on what it wants.

Invariant: ``allowed`` lets nothing through that could, whatever the exchange answers and in whatever order,

* trade with an own order (a buy at or above an own sell),
* bring the position beyond its limit, all open orders executed and what is on its way included,
* have more orders than the limit, or an order off the tick, out of the range of prices, or with no shares,
* change an order that is being changed already.

It is a pure function, like the strategies: so the bounds hold for every strategy, also for a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from openoutcry.agents.prices import CENT, HIGH, LOW

BUY: Final = "B"
SELL: Final = "S"


class Open(NamedTuple):
    """One own order. While it is being changed (`busy`), `left` and `price` are the worst of before and after."""

    token: str
    side: str  # B or S
    price: int
    left: int  # open shares
    busy: bool = False


class View(NamedTuple):
    """One symbol as an agent sees it. Prices in 1e-4; 0 where there is none."""

    now_ns: int
    symbol: str
    fair: int  # what it is worth, by its price source
    bid: int = 0  # best of the market, when somebody tells
    ask: int = 0
    position: int = 0  # bought less sold
    limit: int = 0  # of the position, either way
    open: tuple[Open, ...] = ()
    history: tuple[int, ...] = ()  # prices of the market a fixed time apart, the newest last


class Enter(NamedTuple):
    """A new limit order. immediate: what does not trade at once is cancelled."""

    side: str
    shares: int
    price: int
    immediate: bool = False


class Move(NamedTuple):
    """Another price and number of open shares for an own order."""

    token: str
    shares: int
    price: int


class Cancel(NamedTuple):
    """Take an own order out."""

    token: str


Intent = Enter | Move | Cancel


class Bounds(NamedTuple):
    """What one agent may do in one symbol."""

    position: int = 10_000  # shares, long or short
    orders: int = 50  # open at one time
    tick: int = CENT


class _Room:
    """What is still possible, as intents are taken one after the other."""

    def __init__(self, view: View, bounds: Bounds) -> None:
        self.bounds = bounds
        self.left = {BUY: bounds.position - view.position, SELL: bounds.position + view.position}
        self.highest_buy, self.lowest_sell = 0, HIGH + 1
        self.orders = bounds.orders - len(view.open)
        for order in view.open:
            self.left[order.side] -= order.left
            self.stand(order.side, order.price)

    def stand(self, side: str, price: int) -> None:
        """An order may be at that price from now on."""
        if side == BUY:
            self.highest_buy = max(self.highest_buy, price)
        else:
            self.lowest_sell = min(self.lowest_sell, price)

    def fits(self, side: str, price: int) -> bool:
        """Whether an order may be at that price."""
        if price % self.bounds.tick or not LOW <= price <= HIGH:
            return False
        return price < self.lowest_sell if side == BUY else price > self.highest_buy


def allowed(view: View, intents: Iterable[Intent], bounds: Bounds) -> list[Intent]:
    """What of `intents` is within the bounds, with fewer shares where only these are."""
    room = _Room(view, bounds)
    free = {order.token: order for order in view.open if not order.busy}
    taken: list[Intent] = []
    for intent in intents:
        if isinstance(intent, Enter):
            found = _enter(room, intent)
        elif (order := free.pop(intent.token, None)) is None:
            continue
        else:
            found = intent if isinstance(intent, Cancel) else _move(room, order, intent)
        if found is not None:
            taken.append(found)
    return taken


def _enter(room: _Room, intent: Enter) -> Intent | None:
    side = intent.side
    shares = min(intent.shares, room.left[side])
    if shares < 1 or room.orders < 1 or not room.fits(side, intent.price):
        return None
    room.orders -= 1
    room.left[side] -= shares
    room.stand(side, intent.price)
    return intent._replace(shares=shares)


def _move(room: _Room, order: Open, intent: Move) -> Intent | None:
    side = order.side
    shares = min(intent.shares, order.left + room.left[side])
    if shares < 1 or not room.fits(side, intent.price):
        return None
    room.left[side] -= max(0, shares - order.left)
    room.stand(side, intent.price)
    return intent._replace(shares=shares)


def on_tick(price: int, side: str, tick: int) -> int:
    """The price of the tick next to `price`, away from the other side."""
    return price // tick * tick if side == BUY else -(-price // tick) * tick
