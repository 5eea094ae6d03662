"""Pegged orders: their price follows the best prices of the book (FIX 40 P with ExecInst R, P and M).

What they follow, and where that puts a buy; a sell is its mirror image (an offset above 0 is always more aggressive)::

    primary     best buy price + offset                rounded down to the tick
    market      best sell price + offset               rounded down to the tick
    midpoint    half way between both, + offset        not rounded: it waits in the dark, between the ticks

Rule 1. Best prices are those of lit orders that are not pegged, so no peg follows another, or itself: two pegs that
        followed each other could step through all prices of a wide spread, one tick and four events at a time.
Rule 2. The order's own limit (``Terms.cap``, 0 for none) is never passed, and one that slides (post-only) stays behind
        the best price of the other side, whoever has that.
Rule 3. Without a price to follow, with one that is no price (below one tick, above the book's highest), and while
        orders are collected for an auction, the order is PARKED: in no level, its PRICE the cap. It comes back as soon
        as there is a price again. A new order begins parked.
Rule 4. When the prices have changed, the orders that move do so in the order of their numbers, one after the other.
        Each gets a new number and so a new place, which its owner is told (RESTATED), and trades if it can where it
        comes. What its trades set off (pairs, brackets) is done before the next one moves.

Invariant: the room holds every live pegged order of its book, wherever that waits; between two inputs each waits where
``target`` says. Where trading has stopped (halted, closed) nothing moves.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from openoutcry.matcher.orders import NUMBER, OPEN, PRICE, SIDE, TERMS, Order
from openoutcry.matcher.phases import COLLECT, CONTINUOUS, RULES
from openoutcry.matcher.terms import LIT, PARKED
from openoutcry.matcher.triggers import tick_down, tick_up
from openoutcry.wire import BUY, PEG_MIDPOINT, PEG_PRIMARY, POST_ONLY_SLIDE, RESTATED_PEGGED, SELL

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book, Side
    from openoutcry.matcher.terms import Terms

_number_of: Final = itemgetter(NUMBER)
Market = tuple[Any, ...]
UNKNOWN: Final[Market] = ()
ALL_PARKED: Final[Market] = (0,)


class Pegs:
    """The pegged orders of one book, and how many of them each lit level holds."""

    __slots__ = ("_asks", "_bids", "_followed", "_lit", "_new", "_orders", "_sliding")

    def __init__(self) -> None:
        self._orders: dict[int, Order] = {}  # by id(): an order's number changes while it is here
        self._new: dict[int, Order] = {}  # those that have come since all were looked at
        self._lit: dict[int, int] = {}  # price of those on a lit side, by id()
        self._bids: dict[int, int] = {}  # how many, by price
        self._asks: dict[int, int] = {}
        self._sliding = 0  # how many slide
        self._followed = UNKNOWN  # the market with which all others are in their places

    # --------------------------------------------------------------------------------------------- in and out
    def add(self, order: Order) -> None:
        """Take in an order: a new one, PARKED and its PRICE the cap, or one of a snapshot, wherever it waits."""
        terms: Terms = order[TERMS]
        if terms.where == PARKED:
            terms.cap = order[PRICE]
        self._orders[id(order)] = self._new[id(order)] = order
        self._sliding += terms.post_only == POST_ONLY_SLIDE
        self._placed(order)

    def remove(self, order: Order) -> None:
        """Take an order out; nothing happens when it is not here (any more)."""
        if self._orders.pop(id(order), None) is not None:
            self._new.pop(id(order), None)
            self._sliding -= order[TERMS].post_only == POST_ONLY_SLIDE
            self._lift(order)

    def orders(self) -> list[Order]:
        """All pegged orders, in the order of their numbers."""
        return sorted(self._orders.values(), key=_number_of)

    def __len__(self) -> int:
        return len(self._orders)

    # --------------------------------------------------------------------------------------------- what they follow
    def best(self, side: Side, buying: bool) -> int:
        """The best price of a lit side's orders that are not pegged, 0 for none."""
        counts = self._bids if buying else self._asks
        if not counts:
            return side.best if side.prices else 0
        for level in side.best_first():
            if len(level.queue) - level.dead > counts.get(level.price, 0):
                return level.price
        return 0

    def market(self, book: Book) -> Market:
        """All that decides where pegged orders are: the best bid and ask, and what may bound a price."""
        bid, ask = self.best(book.bids, True), self.best(book.asks, False)
        if not self._sliding:
            return bid, ask, book.tick_size, book.max_price, book.policy
        return bid, ask, book.tick_size, book.max_price, book.policy, best_other(book, BUY), best_other(book, SELL)

    def _placed(self, order: Order) -> None:
        """Count an order where it waits now."""
        self._lift(order)
        if order[OPEN] and order[TERMS].where == LIT:
            price = self._lit[id(order)] = order[PRICE]
            counts = self._bids if order[SIDE] == BUY else self._asks
            counts[price] = counts.get(price, 0) + 1

    def _lift(self, order: Order) -> None:
        price = self._lit.pop(id(order), 0)
        if price:
            counts = self._bids if order[SIDE] == BUY else self._asks
            counts[price] -= 1
            if not counts[price]:
                del counts[price]

    # --------------------------------------------------------------------------------------------- following
    def reprice(self, book: Book) -> bool:
        """Move the orders that do not wait where they should; whether there were any.

        While the market stays as it was when all were looked at, only those that have come since are.
        """
        matching = RULES[book.phase].matching
        if matching != CONTINUOUS:
            return matching == COLLECT and self._park_all()
        market = self.market(book)
        if market != self._followed:
            looked = self.orders()
        elif self._new:
            looked = sorted(self._new.values(), key=_number_of)
        else:
            return False
        self._followed, self._new = market, {}
        moved, now = False, market
        for order in looked:
            price = target(book, order, now[0], now[1]) if order[OPEN] else 0
            parked = order[TERMS].where == PARKED
            if not order[OPEN] or (parked and not price) or (not parked and price == order[PRICE]):
                continue
            moved = True
            self._move(book, order, price)
            now = self.market(book)
            if now != market:
                self._followed = UNKNOWN  # those before were looked at with another market
            if RULES[book.phase].matching != CONTINUOUS:
                self._followed = UNKNOWN
                break
        return moved

    def _move(self, book: Book, order: Order, price: int) -> None:
        """Give an order another price, 0 for none: it trades, or waits there."""
        if not price:
            self._park(order)
            return
        placing.withdraw(order)
        order[PRICE] = price
        placing.renumber(order)
        placing.restated(order, placing.would_show(order), RESTATED_PEGGED)
        trading.execute(book, order)
        if order[OPEN]:
            self._placed(order)
        trading.settle_parties(book.numbers)

    def _park_all(self) -> bool:
        """Park whatever is not; whether there was anything. New orders are parked already."""
        if self._followed == ALL_PARKED:
            return False
        self._followed = ALL_PARKED
        found = [order for order in self.orders() if order[TERMS].where != PARKED]
        for order in found:
            self._park(order)
        return bool(found)

    def _park(self, order: Order) -> None:
        placing.withdraw(order)
        order[TERMS].where = PARKED
        order[PRICE] = order[TERMS].cap
        self._lift(order)
        placing.renumber(order)
        placing.restated(order, 0, RESTATED_PEGGED)


# ------------------------------------------------------------------------------------------------- where to
def target(book: Book, order: Order, bid: int, ask: int) -> int:
    """The price at which a pegged order should wait for these best prices (0 for none); 0: nowhere."""
    price = follows(book, order, bid, ask)
    terms: Terms = order[TERMS]
    if price and terms.post_only == POST_ONLY_SLIDE:
        best = best_other(book, order[SIDE])
        if order[SIDE] == BUY:
            price = min(price, tick_down(book, best - 1))
        else:
            price = max(price, tick_up(book, best + 1))
    return price if 0 < price <= book.max_price else 0


def follows(book: Book, order: Order, bid: int, ask: int) -> int:
    """``target`` without the sliding; what is below one tick, or above all prices, is nowhere as well."""
    terms: Terms = order[TERMS]
    buying: bool = order[SIDE] == BUY
    if terms.peg == PEG_MIDPOINT:
        price = (bid + ask) // 2 if bid and ask else 0
    else:
        price = bid if buying == (terms.peg == PEG_PRIMARY) else ask
    if not price:
        return 0
    price += terms.peg_offset if buying else -terms.peg_offset
    if terms.peg != PEG_MIDPOINT:
        price = tick_down(book, price) if buying else tick_up(book, price)
    if terms.cap:
        price = min(price, terms.cap) if buying else max(price, terms.cap)
    return price


# At the end, since these need what is above.
from openoutcry.matcher import placing, trading  # noqa: E402  # they need what is above
from openoutcry.matcher.placing import best_other  # noqa: E402  # they need what is above
