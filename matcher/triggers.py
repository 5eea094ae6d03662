"""Orders that wait for the market to reach a price: stop, stop-limit, if-touched, and trailing stops.

Which way an order waits (FIX 40: 3, 4, J; a limit-if-touched order is J with a limit)::

    stop to buy, if-touched to sell    elected by a trade at its trigger or above
    stop to sell, if-touched to buy    elected by a trade at its trigger or below

Rule 1. One print (the price of a trade) elects the orders that wait for a rise, nearest trigger first, that is the
        lowest, then those that wait for a fall, the highest first; at one trigger the reference numbers decide.
Rule 2. Before it elects, a print moves the trailing stops: a sell's trigger follows up to the print minus its distance,
        rounded down to the tick, a buy's down to the print plus its distance, rounded up. A trigger never goes back,
        and each move is told to the owner, in the order of the numbers. A distance in 1e-4 is of the print, at least
        1e-8.
Rule 3. A print costs as much as it changes: what is neither elected nor moved is not looked at, however many wait.

Invariant: all that decides is in the orders themselves (their type, trigger, distance, number), so a room into which
they are put again, in any order, does the same from then on.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from openoutcry.matcher.orders import BOOK, NUMBER, SESSION, SIDE, TERMS, TOKEN, Order
from openoutcry.wire import BUY, LIMIT_IF_TOUCHED, MARKET_IF_TOUCHED, PRICE_MAX, TRIGGER_MOVED

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.terms import Terms
    from openoutcry.matcher.ticks import TickTable

Heap = list[tuple[int, int]]  # (price at which to look at it, negative when lower prices come later; its number)

IF_TOUCHED: Final = frozenset((MARKET_IF_TOUCHED, LIMIT_IF_TOUCHED))
PERCENT: Final = 10_000  # parts of the price in which trail_percent counts
SLACK: Final = 256  # entries of orders that are gone kept at least before they are swept out


def rises(order: Order) -> bool:
    """Whether an order waits for a trade at its trigger or above, not below."""
    terms: Terms = order[TERMS]
    buying: bool = order[SIDE] == BUY
    return buying != (terms.order_type in IF_TOUCHED)


def trails(order: Order) -> bool:
    """Whether an order's trigger follows the market."""
    terms: Terms = order[TERMS]
    return terms.trail_amount > 0 or terms.trail_percent > 0


def tick_down(book: Book, price: int) -> int:
    """The highest price of the book's ticks that is not above `price`."""
    policy = book.policy
    if policy is not None and policy.ticks is not None:
        return policy.ticks.floor(price)
    return price - price % book.tick_size


def tick_up(book: Book, price: int) -> int:
    """The lowest price of the book's ticks that is not below `price`."""
    policy = book.policy
    if policy is not None and policy.ticks is not None:
        return policy.ticks.ceil(price)
    return price + -price % book.tick_size


def trigger_at(order: Order, price: int) -> int:
    """Where a trailing stop's trigger would be after a trade at `price`, if it was nowhere before; 0 for nowhere."""
    terms: Terms = order[TERMS]
    distance = terms.trail_amount or max(1, price * terms.trail_percent // PERCENT)
    if order[SIDE] == BUY:
        trigger = tick_up(order[BOOK], price + distance)
        return trigger if trigger <= PRICE_MAX else 0
    return max(0, tick_down(order[BOOK], price - distance)) if price > distance else 0


def follow(order: Order, price: int) -> bool:
    """Let a trailing stop follow a trade at `price`; whether its trigger moved."""
    terms: Terms = order[TERMS]
    trigger, before = trigger_at(order, price), terms.stop_price
    if not trigger or (before and (trigger >= before if order[SIDE] == BUY else trigger <= before)):
        return False
    terms.stop_price = trigger
    session = order[SESSION]
    session.events.append((TRIGGER_MOVED, session.number, order[TOKEN], trigger))
    return True


def moves_at(order: Order) -> int:
    """The price nearest to the market at which a trailing stop's trigger could move: no trade on this side of it does.

    Solved from ``trigger_at``: for a sell the lowest print whose trigger is the next tick up from the present one, for
    a buy the highest whose trigger is the next tick down. The least distance of a percentage is left out, so that a
    print may reach this price and move nothing.
    """
    terms: Terms = order[TERMS]
    book, amount, percent, trigger = order[BOOK], terms.trail_amount, terms.trail_percent, terms.stop_price
    if order[SIDE] == BUY:
        if not trigger:
            return PRICE_MAX
        target = tick_down(book, trigger - 1)
        return target - amount if amount else ((target + 1) * PERCENT - 1) // (PERCENT + percent)
    target = tick_up(book, trigger + 1)
    return target + amount if amount else (target - 1) * PERCENT // (PERCENT - percent) + 1


class Triggers:
    """The orders of one book that wait for their trigger.

    Four heaps hold at what print each order is to be looked at: two for its trigger, two for the next move of a
    trailing one. What is in them is never taken back: an entry counts only if its order is still here and would be
    entered the same again. They are made anew when most entries are of the past, or when the book's ticks change.
    """

    __slots__ = ("_book", "_falling", "_moving_down", "_moving_up", "_orders", "_rising", "_tick_size", "_ticks")

    def __init__(self) -> None:
        self._orders: dict[int, Order] = {}  # by number
        self._rising: Heap = []
        self._falling: Heap = []
        self._moving_up: Heap = []
        self._moving_down: Heap = []
        self._book: Book | None = None  # of all of them
        self._tick_size = 0  # what the entries of trailing stops were worked out with
        self._ticks: TickTable | None = None

    # --------------------------------------------------------------------------------------------- in and out
    def add(self, order: Order) -> None:
        """Let an order wait here."""
        self._orders[order[NUMBER]] = order
        self._book = order[BOOK]
        if trails(order):
            self._heed_ticks()
            self._watch_move(order)
        self._watch_trigger(order)
        self._sweep()

    def remove(self, order: Order) -> None:
        """Take an order out; nothing happens when it is not here (any more)."""
        self._orders.pop(order[NUMBER], None)

    def orders(self) -> list[Order]:
        """All that wait, in the order of their numbers."""
        return [self._orders[number] for number in sorted(self._orders)]

    def __len__(self) -> int:
        return len(self._orders)

    # --------------------------------------------------------------------------------------------- the market moves
    def reached(self, order: Order, last_price: int) -> bool:
        """Whether an order that is about to wait here need not: the last trade (0 for none) was at its trigger already.

        A trailing stop follows that trade first, as it will follow those to come.
        """
        if not last_price:
            return False
        if trails(order):
            follow(order, last_price)
        trigger: int = order[TERMS].stop_price
        if not trigger:
            return False
        return last_price >= trigger if rises(order) else last_price <= trigger

    def elect(self, price: int) -> list[Order]:
        """Take out the orders that a trade at `price` elects, in the order of their election; trailing stops move."""
        if self._moving_up or self._moving_down:
            self._move(price)
        found: list[Order] = []
        rising, falling = self._rising, self._falling
        while rising and rising[0][0] <= price:
            self._take(heappop(rising), 1, found)
        while falling and -falling[0][0] >= price:
            self._take(heappop(falling), -1, found)
        return found

    def _take(self, entry: tuple[int, int], sign: int, found: list[Order]) -> None:
        order = self._orders.get(entry[1])
        if order is not None and order[TERMS].stop_price == sign * entry[0]:
            del self._orders[entry[1]]
            found.append(order)

    def _move(self, price: int) -> None:
        """Let the trailing stops follow that a trade at `price` could move, in the order of their numbers."""
        self._heed_ticks()
        numbers: dict[int, None] = {}
        up, down = self._moving_up, self._moving_down
        while up and up[0][0] <= price:
            self._due(heappop(up), 1, numbers)
        while down and -down[0][0] >= price:
            self._due(heappop(down), -1, numbers)
        for number in sorted(numbers):
            order = self._orders[number]
            if follow(order, price):
                self._watch_trigger(order)
            self._watch_move(order)
        self._sweep()

    def _due(self, entry: tuple[int, int], sign: int, numbers: dict[int, None]) -> None:
        order = self._orders.get(entry[1])
        if order is not None and moves_at(order) == sign * entry[0]:
            numbers[entry[1]] = None

    # --------------------------------------------------------------------------------------------- the heaps
    def _watch_trigger(self, order: Order) -> None:
        trigger = order[TERMS].stop_price
        if trigger and rises(order):
            heappush(self._rising, (trigger, order[NUMBER]))
        elif trigger:
            heappush(self._falling, (-trigger, order[NUMBER]))

    def _watch_move(self, order: Order) -> None:
        if order[SIDE] == BUY:
            heappush(self._moving_down, (-moves_at(order), order[NUMBER]))
        else:
            heappush(self._moving_up, (moves_at(order), order[NUMBER]))

    def _heed_ticks(self) -> None:
        """Work the moves out anew when the book's ticks are other ones now."""
        book = self._book
        if book is None:
            return
        ticks = book.policy.ticks if book.policy is not None else None
        if book.tick_size != self._tick_size or ticks is not self._ticks:
            self._tick_size, self._ticks = book.tick_size, ticks
            self._rebuild()

    def _sweep(self) -> None:
        entries = len(self._rising) + len(self._falling) + len(self._moving_up) + len(self._moving_down)
        if entries > 4 * len(self._orders) + SLACK:
            self._rebuild()

    def _rebuild(self) -> None:
        """Fill the heaps with what counts, and nothing else."""
        self._rising, self._falling, self._moving_up, self._moving_down = [], [], [], []
        for order in self._orders.values():
            self._watch_trigger(order)
            if trails(order):
                self._watch_move(order)
