"""One aggressor against those who wait on the other side: whom it meets, in what order, and what each match does.

This is ``Book._take`` with everything that a book can have: dark orders, icebergs, conditions, self-match prevention,
allocation, price bands. The rules are in openoutcry.matcher.trading.

Invariant: a level is in its side exactly while it holds a live order, also while it is being walked through, but for
the moment between two of its orders.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from openoutcry.matcher import breakers, ledger
from openoutcry.matcher.book import NO_BUY, NO_SELL, Book, Level, Side, shown_of
from openoutcry.matcher.orders import DONE, NUMBER, OPEN, PRICE, SESSION, SIDE, TERMS, TIME_IN_FORCE, TOKEN, Order
from openoutcry.matcher.terms import LIT
from openoutcry.wire import (
    ADDED_HIDDEN,
    ADDED_LIQUIDITY,
    BUY,
    EXECUTED,
    FOK,
    MARKET,
    MARKET_TO_LIMIT,
    PRICE_MAX,
    REMOVED_LIQUIDITY,
    SELL,
    TRADED,
    TRADED_HIDDEN,
)

if TYPE_CHECKING:
    from openoutcry.matcher.allocation import Allocation
    from openoutcry.matcher.rooms import Rooms
    from openoutcry.matcher.selfmatch import Prevention
    from openoutcry.matcher.terms import Terms

MARKETS: Final = frozenset((MARKET, MARKET_TO_LIMIT))  # without a price of their own
NOWHERE: Final = 0  # no price: nothing can be traded


# ------------------------------------------------------------------------------------------------- how far
def is_market(order: Order) -> bool:
    """Whether an order has no price of its own (now)."""
    terms = order[TERMS]
    return terms is not None and terms.order_type in MARKETS


def reach(book: Book, order: Order) -> int:
    """The furthest price at which an order trades: its own, or what the market gives a market order; or NOWHERE."""
    if not is_market(order):
        price: int = order[PRICE]
        return price
    buying = order[SIDE] == BUY
    terms: Terms = order[TERMS]
    distance = protection(book, terms)
    if terms.order_type == MARKET and not distance:
        return PRICE_MAX if buying else NO_BUY + 1
    best = best_other(book, order[SIDE])
    if best == (NO_SELL if buying else NO_BUY):
        return NOWHERE
    if terms.order_type == MARKET_TO_LIMIT:
        return best
    if buying:
        return triggers.tick_down(book, min(best + distance, book.max_price))
    return triggers.tick_up(book, max(best - distance, 1))


def protection(book: Book, terms: Terms) -> int:
    """How far a market order may trade from the best price, 0 for any distance: its own term, else the book's."""
    if terms.protection is not None:
        return terms.protection
    return book.policy.market_protection if book.policy is not None else 0


def beyond(price: int, limit: int, buying: bool) -> bool:
    """Whether `price` is worse than `limit` for one who buys, or sells."""
    return price > limit if buying else price < limit


def need_of(order: Order) -> int:
    """The least that a waiting order with a condition trades in one match."""
    terms = order[TERMS]
    left: int = order[OPEN]
    return left if terms.all_or_none else min(terms.minimum, left)


def needed(order: Order) -> int:
    """What must be executable at once for an aggressor to trade at all; 0 for anything."""
    terms = order[TERMS]
    wanted: int = min(terms.minimum, order[OPEN]) if terms is not None else 0
    if order[TIME_IN_FORCE] == FOK or (terms is not None and terms.all_or_none):
        wanted = order[OPEN]
    return wanted


# ------------------------------------------------------------------------------------------------- looking ahead
def merged(book: Book, side: int) -> Iterator[tuple[Level, bool]]:
    """The levels that an order of `side` can meet, best first, lit before dark at a price; with whether it is dark."""
    buying = side == BUY
    lit = book.asks if buying else book.bids
    dark = dark_side(book.rooms, buying)
    hidden = dark.best_first() if dark is not None else iter(())
    unseen = next(hidden, None)
    for level in lit.best_first():
        while unseen is not None and beyond(level.price, unseen.price, buying):
            yield unseen, True
            unseen = next(hidden, None)
        yield level, False
    while unseen is not None:
        yield unseen, True
        unseen = next(hidden, None)


def dark_side(rooms: Rooms | None, buying: bool) -> Side | None:
    """The dark side that one who buys, or sells, can meet; None when nobody waits there."""
    if rooms is None:
        return None
    side = rooms.dark_asks if buying else rooms.dark_bids
    return side if side.prices else None


def available(book: Book, taker: Order) -> int:
    """How much an aggressor could execute now."""
    limit = reach(book, taker)
    return count(book, taker, limit, taker[OPEN]) if limit != NOWHERE else 0


def count(book: Book, taker: Order, limit: int, enough: int) -> int:
    """How much an aggressor could execute up to `limit`, and within the price bands; it stops counting at `enough`."""
    buying = taker[SIDE] == BUY
    rule = selfmatch.prevention_of(book, taker)
    policy = book.policy
    bands = policy.bands if policy is not None else None
    shared = policy is not None and policy.allocation is not None
    found = 0
    left: int = taker[OPEN]
    for level, dark in merged(book, taker[SIDE]):
        if beyond(level.price, limit, buying) or (bands is not None and not bands.allows(book, level.price)):
            break
        makers = [maker for maker in level.queue if _meets(maker, left, dark)]
        if shared and not dark and rule is not None and not rule.passes_over() and any(map(rule.same, makers)):
            break
        reserve = 0
        for maker in makers:
            if not _meets(maker, left, dark):
                continue
            if rule is not None and rule.same(maker):
                if rule.passes_over():
                    continue
                return found
            size = maker[OPEN] if dark else shown_of(maker)
            reserve += maker[OPEN] - size
            part = min(left, size)
            found, left = found + part, left - part
            if found >= enough:
                return found
        part = min(left, reserve)
        found, left = found + part, left - part
        if found >= enough:
            return found
    return found


def _meets(maker: Order, left: int, dark: bool) -> bool:
    """Whether an aggressor with `left` open would meet a waiting order, or pass it over."""
    if not dark or not conditional(maker[TERMS]):
        return bool(maker[OPEN])
    return bool(maker[OPEN]) and min(left, maker[OPEN]) >= need_of(maker)


# ------------------------------------------------------------------------------------------------- going through
def sweep(book: Book, taker: Order, limit: int) -> bool:
    """Let an aggressor trade up to `limit`; True when a price band stopped it.

    A dark order that is passed over once is passed over for good, since what the aggressor offers only shrinks; so one
    walk over the prices is enough.
    """
    buying = taker[SIDE] == BUY
    lit = book.asks if buying else book.bids
    rule = selfmatch.prevention_of(book, taker)
    policy = book.policy
    bands = policy.bands if policy is not None else None
    allocation = policy.allocation if policy is not None else None
    done = NO_BUY if buying else NO_SELL  # dark prices up to here have been gone through
    while taker[OPEN]:
        unseen = _next_dark(dark_side(book.rooms, buying), done, buying)
        level = lit.levels[lit.best] if lit.prices else None
        if unseen is not None and (level is None or beyond(level.price, unseen.price, buying)):
            done = unseen.price
            level = unseen
        if level is None or beyond(level.price, limit, buying):
            return False
        if level is unseen and not any(_meets(maker, taker[OPEN], True) for maker in level.queue):
            continue
        if bands is not None and not bands.allows(book, level.price):
            breakers.tripped(book, level.price)
            return True
        if level is unseen:
            _take_dark(book, taker, level, rule)
        elif allocation is None:
            _take_lit(book, taker, level, rule)
        else:
            _take_shared(book, taker, level, rule, allocation)
    return False


def _next_dark(side: Side | None, done: int, buying: bool) -> Level | None:
    """The best dark level beyond those at `done` and better."""
    if side is None:
        return None
    prices = side.prices
    index = bisect_right(prices, done) if buying else bisect_left(prices, done) - 1
    return side.levels[prices[index]] if 0 <= index < len(prices) else None


def _take_lit(book: Book, taker: Order, level: Level, rule: Prevention | None) -> None:
    """One lit level, in time order."""
    queue = level.queue
    while queue and taker[OPEN]:
        maker = queue[0]
        if not maker[OPEN]:
            queue.popleft()
            level.dead -= 1
            continue
        if rule is not None and rule.same(maker):
            selfmatch.prevent(book, rule, taker, maker, level.price)
        else:
            trade(book, taker, maker, min(taker[OPEN], shown_of(maker)), level.price)
        if not maker[OPEN]:
            queue.popleft()
        elif not shown_of(maker):
            queue.popleft()
            replenish(level, maker)
    if level.dead == len(queue):
        level.side.close_level(level)


def _take_dark(book: Book, taker: Order, level: Level, rule: Prevention | None) -> None:
    """One dark level, in time order; those with a condition that is not met are passed over."""
    queue = level.queue
    index = 0
    while index < len(queue) and taker[OPEN]:
        maker = queue[index]
        if not _meets(maker, taker[OPEN], True):
            index += 1
            continue
        if rule is not None and rule.same(maker):
            selfmatch.prevent(book, rule, taker, maker, level.price)
        else:
            trade(book, taker, maker, min(taker[OPEN], maker[OPEN]), level.price)
        if not maker[OPEN]:
            del queue[index]
    if level.dead == len(queue):
        level.side.close_level(level)


def _take_shared(book: Book, taker: Order, level: Level, rule: Prevention | None, allocation: Allocation) -> None:
    """One lit level whose orders share what the aggressor brings; icebergs show more after each round."""
    while taker[OPEN] and level.queue:
        level.sweep()
        own = next((maker for maker in level.queue if rule is not None and rule.same(maker)), None)
        if rule is not None and own is not None:
            selfmatch.prevent(book, rule, taker, own, level.price)
        else:
            makers = [(maker, shown_of(maker)) for maker in level.queue]
            for (maker, _), part in zip(makers, allocation.share(taker[OPEN], makers), strict=True):
                if part:
                    trade(book, taker, maker, part, level.price)
        spent = [maker for maker in level.queue if maker[OPEN] and not shown_of(maker)]
        level.queue = deque([maker for maker in level.queue if shown_of(maker)])
        for maker in spent:
            replenish(level, maker)
    if not level.queue:
        level.side.close_level(level)


# ------------------------------------------------------------------------------------------------- matches
def trade(book: Book, taker: Order, maker: Order, quantity: int, price: int) -> None:
    """One match: its events to both sides and the public, and all that hangs on it.

    Who calls takes a maker with nothing open out of its level, and lets an iceberg show its next part.
    """
    numbers = book.numbers
    match = numbers.match = numbers.match + 1
    for order in (taker, maker):
        order[OPEN] -= quantity
        order[DONE] += quantity
    terms = maker[TERMS]
    lit = terms is None or terms.where == LIT
    if lit and terms is not None:
        terms.shown -= quantity
    session, owner = taker[SESSION], maker[SESSION]
    side = BUY if taker[SIDE] == BUY else SELL
    session.events.append(
        (EXECUTED, session.number, taker[TOKEN], quantity, price, REMOVED_LIQUIDITY, match, taker[OPEN], owner.number)
    )
    added = ADDED_LIQUIDITY if lit else ADDED_HIDDEN
    owner.events.append(
        (EXECUTED, owner.number, maker[TOKEN], quantity, price, added, match, maker[OPEN], session.number)
    )
    if lit:
        book.events.append((TRADED, book.number, maker[NUMBER], quantity, price, match, side, shown_of(maker)))
    else:
        book.events.append((TRADED_HIDDEN, book.number, quantity, price, match, side))
    numbers.trades.extend((book, quantity, price, side, session, taker[TOKEN], owner, maker[TOKEN]))
    book.last_price = price
    _follow_up(book, taker, maker, quantity, price, match, False)


def matched(book: Book, buyer: Order, seller: Order, quantity: int, price: int, match: int) -> None:
    """What hangs on one match of an auction, after its events: an order that is used up leaves its place."""
    _follow_up(book, buyer, seller, quantity, price, match, True)
    for order in (buyer, seller):
        if not order[OPEN]:
            placing.kill(order)


def _follow_up(book: Book, taker: Order, maker: Order, quantity: int, price: int, match: int, auction: bool) -> None:
    """What hangs on a match: prints, positions and fees, pairs and brackets, and the end of orders that are used up."""
    rooms = book.rooms
    if rooms is not None and (not rooms.prints or rooms.prints[-1] != price):
        rooms.prints.append(price)
    ledger.record(book, taker, maker, quantity, price, match, auction)
    for order in (taker, maker):
        terms = order[TERMS]
        if terms is not None and (terms.pair or terms.take_profit or terms.stop_loss):
            pairs.executed(order, quantity)
        if not order[OPEN]:
            finish(order, 0)


# At the end, since these need what is above.
from openoutcry.matcher import pairs, placing, selfmatch, triggers  # noqa: E402  # they need what is above
from openoutcry.matcher.placing import best_other, conditional, finish, replenish  # noqa: E402  # they need what is above
