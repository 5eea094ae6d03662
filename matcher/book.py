"""One order book: price-time priority, continuous matching, and every event that comes of it.

Invariant: the best buy price is below the best sell price; a level in ``Side.levels`` holds at least one live order;
the queue of a level is in the order of the orders' reference numbers, which is time priority.

Cancelled orders stay in their level's queue with nothing open until they reach its head, or until they are the
large majority of it and are swept out: so a cancel costs the same wherever in the queue the order is.

Nothing here judges an order (openoutcry.matcher.entry does): quantities, prices and tokens are right when they come.
Private events are appended to ``session.events``, public events to ``Book.events``, as the tuples of openoutcry.wire.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from openoutcry.matcher.orders import (
    BOOK,
    DATA,
    DEADLINE,
    DONE,
    LEVEL,
    NUMBER,
    OPEN,
    PRICE,
    SESSION,
    SIDE,
    TERMS,
    TOKEN,
    TRADES_ROOM,
    Boxed,
    Numbers,
    Order,
    Timers,
)
from openoutcry.matcher.tape import Tape
from openoutcry.wire import (
    ACCEPTED,
    ADDED,
    ADDED_LIQUIDITY,
    BUY,
    CANCEL_IOC,
    CANCELED,
    EXECUTED,
    LIVE,
    MODIFIED,
    ORDER_REPLACED,
    PHASE_OPEN,
    PRICE_MAX,
    REDUCED,
    REMOVED_LIQUIDITY,
    REPLACED,
    SELL,
    TRADED,
)

if TYPE_CHECKING:
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.policy import Policy
    from openoutcry.matcher.rooms import Rooms
    from openoutcry.matcher.sessions import Session

Events = Tape

NO_BUY: Final = 0  # best buy price of an empty side: below every price
NO_SELL: Final = PRICE_MAX + 1  # best sell price of an empty side: above every price
DEAD_MAX: int = 64  # dead orders that may always wait in a queue: sweeping short queues does not pay
SPARE_MAX: Final = 16  # empty levels that a side keeps for new prices
DEAD_TO_LIVE: int = 3  # beyond that, dead orders for each live one: a cancel then costs 4/3 looks at an order


class Level:
    """The orders of one price. dead: how many in the queue have nothing open.

    object: the price as the object that the orders have as theirs, so that each of them takes 32 bytes less.
    """

    __slots__ = ("dead", "object", "price", "queue", "side")

    def __init__(self, price: Boxed, side: Side) -> None:
        self.price: int = price
        self.object: Boxed = price
        self.side = side
        self.queue: deque[Order] = deque()
        self.dead = 0

    def sweep(self) -> None:
        """Drop the dead orders from the queue."""
        self.queue = deque([order for order in self.queue if order[OPEN]])
        self.dead = 0


class Side:
    """One side's levels, their prices in ascending order, and the best of them (NO_BUY or NO_SELL for none)."""

    __slots__ = ("_buying", "_spare", "best", "levels", "prices")

    def __init__(self, buying: bool) -> None:
        self.levels: dict[int, Level] = {}
        self.prices: list[int] = []
        self.best = NO_BUY if buying else NO_SELL
        self._buying = buying
        self._spare: list[Level] = []

    def open_level(self, price: Boxed) -> Level:
        """Add the level of a price that has none."""
        spare = self._spare
        if spare:
            level = spare.pop()
            level.price = level.object = price
        else:
            level = Level(price, self)
        self.levels[price] = level
        prices, best = self.prices, self.best
        if price > best if self._buying else price < best:
            self.best = price
            if self._buying:
                prices.append(price)
            else:
                prices.insert(0, price)
        else:
            insort(prices, price)
        return level

    def close_level(self, level: Level) -> None:
        """Remove a level without live orders. It is kept for the next price that needs one: making one is dear."""
        level.queue.clear()
        level.dead = 0
        prices = self.prices
        price = level.price
        del self.levels[price]
        if price != self.best:
            del prices[bisect_left(prices, price)]
        elif self._buying:
            prices.pop()
            self.best = prices[-1] if prices else NO_BUY
        else:
            del prices[0]
            self.best = prices[0] if prices else NO_SELL
        if len(self._spare) < SPARE_MAX:
            self._spare.append(level)

    def best_first(self) -> Iterator[Level]:
        """The levels in priority order."""
        prices = reversed(self.prices) if self._buying else self.prices
        return (self.levels[price] for price in prices)

    def orders(self) -> Iterator[Order]:
        """The live orders in priority order."""
        return (order for level in self.best_first() for order in level.queue if order[OPEN])


class Book:
    """The orders of one symbol, with the limits that orders are judged by (copies of the engine's and its own)."""

    __slots__ = (
        "asks", "bids", "engine", "events", "halted", "home", "last_price", "lot_size", "max_open_orders", "max_price",
        "max_quantity", "name", "number", "numbers", "phase", "plain", "policy", "properties", "rooms", "symbol",
        "tick_size", "timers",
    )  # fmt: skip

    def __init__(
        self, number: int, name: str, engine: str, symbol: str, numbers: Numbers, timers: Timers, events: Events
    ) -> None:
        self.number = number
        self.name = name
        self.engine = engine
        self.symbol = symbol
        self.numbers = numbers
        self.timers = timers
        self.events = events
        self.bids = Side(True)
        self.asks = Side(False)
        self.properties: dict[str, Any] = {}
        self.phase: int = PHASE_OPEN
        self.halted = False
        # Whether it trades plain limit orders and nothing else, so that the functions of this module are right about
        # it; else everything goes through openoutcry.matcher.trading.
        self.plain = True
        self.rooms: Rooms | None = None
        self.policy: Policy | None = None
        self.home: Engine | None = None  # its engine, once that has adopted it
        self.last_price = 0  # of the last trade, 0 before the first
        self.tick_size = self.lot_size = self.max_open_orders = 1
        self.max_price = self.max_quantity = 1

    # --------------------------------------------------------------------------------------------- entering
    def enter(
        self, session: Session, token: bytes, side: Boxed, quantity: Boxed, price: Boxed, tif: Boxed, deadline: Boxed,
        data: bytes,
    ) -> None:  # fmt: skip
        """Accept a limit order that may rest: trade what crosses, and let the remainder wait."""
        numbers = self.numbers
        number = numbers.order + 1
        numbers.order = number
        limit: int = price
        session.events.accepted((ACCEPTED, session.number, token, number, side, quantity, limit, LIVE, data))
        done: Boxed = 0
        if side == BUY:
            own, shown, other = self.bids, BUY, self.asks
            crosses = limit >= other.best
        else:
            own, shown, other = self.asks, SELL, self.bids
            crosses = limit <= other.best
        if crosses:
            left = self._take(session, token, side, quantity, limit, other)
            if not left:
                return
            done = quantity - left
            quantity = left
        level = own.levels.get(price)
        if level is None:
            level = own.open_level(price)
        at: Boxed = level.object
        order: Order = [quantity, at, side, number, session, token, done, tif, deadline, data, self, level, None]
        level.queue.append(order)
        session.live[token] = order
        if deadline:
            self.timers.add(order)
        self.events.added((ADDED, self.number, number, shown, quantity, limit))

    def enter_immediate(
        self, session: Session, token: bytes, side: int, quantity: int, price: int, needed: int, market: bool,
        data: bytes,
    ) -> None:  # fmt: skip
        """Accept an order that never rests. needed: what must be executable at once, else nothing is executed."""
        numbers = self.numbers
        number = numbers.order = numbers.order + 1
        session.events.accepted((ACCEPTED, session.number, token, number, side, quantity, price, LIVE, data))
        self._sweep(session, token, side, quantity, price, needed, market)

    def _sweep(
        self, session: Session, token: bytes, side: int, quantity: int, price: int, needed: int, market: bool
    ) -> None:
        if market:
            price = PRICE_MAX if side == BUY else NO_BUY + 1
        left = quantity
        if not needed or self.available(side, price, needed):
            left = self._take(session, token, side, quantity, price, self.asks if side == BUY else self.bids)
        if left:
            session.events.canceled((CANCELED, session.number, token, left, CANCEL_IOC, 0))

    def available(self, side: int, price: int, quantity: int) -> bool:
        """Whether an order of `side` and limit `price` could execute `quantity` now."""
        other = self.asks if side == BUY else self.bids
        for level in other.best_first():
            if level.price > price if side == BUY else level.price < price:
                return False
            for order in level.queue:
                quantity -= order[OPEN]
                if quantity <= 0:
                    return True
        return False

    def _take(self, session: Session, token: bytes, side: int, quantity: int, limit: int, other: Side) -> int:
        """Trade against the levels of `other` up to `limit`, best first; returns what is left of `quantity`."""
        events, public = session.events, self.events
        taker, book, numbers = session.number, self.number, self.numbers
        match, trades = numbers.match, numbers.trades
        buying = side == BUY
        side = BUY if buying else SELL
        while quantity:
            price = other.best
            if price > limit if buying else price < limit:
                break
            level = other.levels[price]
            queue = level.queue
            while queue:
                maker: Order = queue[0]
                fill: int = maker[OPEN]
                if not fill:
                    queue.popleft()
                    level.dead -= 1
                    continue
                owner: Session = maker[SESSION]
                name: bytes = maker[TOKEN]
                if fill > quantity:
                    leaves = fill - quantity
                    maker[OPEN] = leaves
                    fill = quantity
                    quantity = 0
                    maker[DONE] += fill
                else:
                    queue.popleft()
                    quantity -= fill
                    leaves = 0
                    maker[OPEN] = 0
                    del owner.live[name]
                match += 1
                second: int = owner.number
                number: int = maker[NUMBER]
                events.executed((EXECUTED, taker, token, fill, price, REMOVED_LIQUIDITY, match, quantity, second))
                owner.events.executed((EXECUTED, second, name, fill, price, ADDED_LIQUIDITY, match, leaves, taker))
                public.traded((TRADED, book, number, fill, price, match, side, leaves))
                trades += (self, fill, maker[PRICE], side, session, token, owner, name)
                if not quantity:
                    break
            self.last_price = price
            if level.dead == len(queue):
                other.close_level(level)
        numbers.match = match
        if len(trades) > TRADES_ROOM:
            numbers.trim()
        return quantity

    # --------------------------------------------------------------------------------------------- changing
    def remove(self, order: Order) -> None:
        """Take a live order out of its level; the caller tells its session and the public."""
        order[OPEN] = 0
        level: Level = order[LEVEL]
        dead = level.dead + 1
        level.dead = dead
        alive = len(level.queue) - dead
        if not alive:
            level.side.close_level(level)
        elif dead > DEAD_MAX and dead > DEAD_TO_LIVE * alive:
            level.sweep()

    def cancel(self, order: Order, reason: int) -> None:
        """Cancel all that is open of a live order. ``remove`` is written out: the call would be a tenth of it all."""
        quantity: int = order[OPEN]
        order[OPEN] = 0
        level: Level = order[LEVEL]
        dead = level.dead + 1
        level.dead = dead
        alive = len(level.queue) - dead
        if not alive:
            level.side.close_level(level)
        elif dead > DEAD_MAX and dead > DEAD_TO_LIVE * alive:
            level.sweep()
        session: Session = order[SESSION]
        token: bytes = order[TOKEN]
        number: int = order[NUMBER]
        del session.live[token]
        session.events.canceled((CANCELED, session.number, token, quantity, reason, 0))
        self.events.reduced((REDUCED, self.number, number, quantity, 0))

    def reduce(self, order: Order, leaves: int, reason: int) -> None:
        """Cancel a part of a live order, which keeps its priority. leaves: from 1 to below what is open."""
        session = order[SESSION]
        quantity = order[OPEN] - leaves
        order[OPEN] = leaves
        session.events.canceled((CANCELED, session.number, order[TOKEN], quantity, reason, leaves))
        self.events.reduced((REDUCED, self.number, order[NUMBER], quantity, leaves))

    def modify(self, order: Order, side: int, leaves: int) -> None:
        """Change a live order's kind of sell side, its open quantity downwards, or both; it keeps its priority."""
        session = order[SESSION]
        quantity = order[OPEN] - leaves
        order[SIDE] = side
        order[OPEN] = leaves
        session.events.append((MODIFIED, session.number, order[TOKEN], side, leaves))
        if quantity:
            self.events.reduced((REDUCED, self.number, order[NUMBER], quantity, leaves))

    def replace(
        self, order: Order, token: bytes, quantity: Boxed, price: Boxed, tif: Boxed, deadline: Boxed, data: bytes
    ) -> None:
        """Replace a live order by one that may rest, at the back of its level. quantity: open from now on.

        The resting part is written out here as it is in ``enter``: a call with that many arguments would cost a
        tenth of the whole operation.
        """
        gone: int = order[OPEN]
        old: int = order[NUMBER]
        done: Boxed = order[DONE]
        session: Session = order[SESSION]
        side: Boxed = order[SIDE]
        limit: int = price
        number = self._replaced(order, token, quantity, limit, data)
        self.remove(order)
        events = self.events
        if side == BUY:
            own, shown, other = self.bids, BUY, self.asks
            crosses = limit >= other.best
        else:
            own, shown, other = self.asks, SELL, self.bids
            crosses = limit <= other.best
        if crosses:
            events.reduced((REDUCED, self.number, old, gone, 0))
            left = self._take(session, token, side, quantity, limit, other)
            if not left:
                return
            done += quantity - left
            quantity = left
        level = own.levels.get(price)
        if level is None:
            level = own.open_level(price)
        enter = order[DATA]
        at: Boxed = level.object
        new: Order = [quantity, at, side, number, session, token, done, tif, deadline, enter, self, level, None]
        level.queue.append(new)
        session.live[token] = new
        if deadline:
            self.timers.add(new)
        if crosses:
            events.added((ADDED, self.number, number, shown, quantity, limit))
        else:
            events.added((ORDER_REPLACED, self.number, old, number, quantity, limit))

    def replace_immediate(
        self, order: Order, token: bytes, quantity: int, price: int, needed: int, market: bool, data: bytes
    ) -> None:
        """Replace a live order by one that never rests."""
        self._replaced(order, token, quantity, price, data)
        self.events.reduced((REDUCED, self.number, order[NUMBER], order[OPEN], 0))
        self.remove(order)
        self._sweep(order[SESSION], token, order[SIDE], quantity, price, needed, market)

    def _replaced(self, order: Order, token: bytes, quantity: int, price: int, data: bytes) -> int:
        """Number a replacement and tell the session, whose order by the old token is no longer live."""
        session: Session = order[SESSION]
        previous: bytes = order[TOKEN]
        numbers = self.numbers
        number = numbers.order + 1
        numbers.order = number
        del session.live[previous]
        session.events.replaced(
            (REPLACED, session.number, token, previous, number, order[SIDE], quantity, price, LIVE, order[DATA], data)
        )
        return number

    # --------------------------------------------------------------------------------------------- looking
    def restore(self, order: Order) -> None:
        """Put a live order, made from a snapshot, at the back of its level. Sets its BOOK and LEVEL."""
        side = self.bids if order[SIDE] == BUY else self.asks
        price = order[PRICE]
        level = side.levels.get(price) or side.open_level(price)
        order[BOOK], order[LEVEL] = self, level
        level.queue.append(order)
        if order[DEADLINE]:
            self.timers.add(order)

    def orders(self) -> list[Order]:
        """The live orders: buys, then sells, each in priority order."""
        return [*self.bids.orders(), *self.asks.orders()]

    def depth(self, side: Side, levels: int) -> list[tuple[int, int, int]]:
        """(price, quantity shown, orders) per level, best first; levels: how many, 0 for all."""
        found: list[tuple[int, int, int]] = []
        for level in side.best_first():
            if levels and len(found) == levels:
                break
            found.append((level.price, sum(map(shown_of, level.queue)), len(level.queue) - level.dead))
        return found


def shown_of(order: Order) -> int:
    """What the market sees of an order that waits on a lit side, or could; 0 when it is dead."""
    terms = order[TERMS]
    shown: int = order[OPEN] if terms is None or not order[OPEN] else terms.shown
    return shown
