"""Continuous trading in books that are not plain: what becomes of an order, and what that sets off.

This is the general form of ``Book.enter`` and the functions beside it; for plain limit orders in a book that asks for
nothing special it gives exactly their events.

Rule 1. Whom an aggressor meets: by price, the best first; at one price lit orders before dark ones; then by number.
Rule 2. A waiting order with a condition (all or none, a minimum quantity) is passed over while less is on offer than it
        asks for, and does not stand in the way of those behind it. An aggressor with a condition (those, and
        fill-or-kill) trades nothing unless it can be met at once (``available``).
Rule 3. An iceberg whose shown part is used up shows the next one at the back of the queue: the same aggressor may meet
        it again, after the others of that price.
Rule 4. What a match sets off waits until the aggressor is done, and is done before the input ends (``settle_all``):
        orders of a pair and brackets, then stops, then pegged orders, then orders whose condition can be met now; again
        and again until nothing changes.

Other modules call all of this as ``trading.x``, also what is in placing.py (where orders wait, and how they go) and
matching.py (one aggressor against the other side).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from openoutcry.matcher import ledger, phases
from openoutcry.matcher.book import Book
from openoutcry.matcher.judging import AUCTION_ONLY, IMMEDIATE
from openoutcry.matcher.matching import (
    NOWHERE,
    available,
    beyond,
    count,
    is_market,
    matched,
    need_of,
    needed,
    protection,
    reach,
    sweep,
    trade,
)
from openoutcry.matcher.orders import LEVEL, OPEN, PRICE, SIDE, TERMS, TIME_IN_FORCE, Numbers, Order
from openoutcry.matcher.placing import (
    accept,
    admit,
    best_other,
    cancel,
    conditional,
    finish,
    forget,
    leave,
    modify,
    reduce,
    renumber,
    rest,
    restate,
    restated,
    shown_best,
    touch,
    withdraw,
    would_show,
)
from openoutcry.matcher.terms import CALL, LIT, PARKED, TRIGGER
from openoutcry.matcher.triggers import tick_down, tick_up
from openoutcry.wire import (
    BUY,
    CANCEL_COLLAR,
    CANCEL_IOC,
    CANCEL_POST_ONLY,
    LIMIT,
    LIMIT_IF_TOUCHED,
    MARKET,
    MARKET_IF_TOUCHED,
    MARKET_TO_LIMIT,
    PEGGED,
    PHASE_OPEN,
    POST_ONLY_SLIDE,
    RESTATED_LIMIT,
    RESTATED_SLID,
    RESTATED_TRIGGERED,
    STOP,
    STOP_LIMIT,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "AUCTION_ONLY", "IMMEDIATE", "TRIGGERED", "accept", "admit", "available", "behind", "best_other", "cancel",
    "execute", "finish", "forget", "leave", "matched", "modify", "place", "reduce", "refresh", "renumber", "rest",
    "restate", "restated", "settle", "settle_all", "settle_parties", "shown_best", "touch", "trade", "withdraw",
]  # fmt: skip

# What an order that waits for a trigger becomes.
TRIGGERED: Final = {STOP: MARKET, STOP_LIMIT: LIMIT, MARKET_IF_TOUCHED: MARKET, LIMIT_IF_TOUCHED: LIMIT}


# ------------------------------------------------------------------------------------------------- one order
def place(book: Book, order: Order) -> None:
    """Send an accepted order where its terms and the phase want it: to a room, to trade, or to wait at its price."""
    terms = order[TERMS]
    touch(book)
    _elect(book)  # what was printed before has nothing to do with this order
    continuous = phases.continuous(book)
    if terms is not None and terms.order_type in TRIGGERED:
        _await_trigger(book, order, continuous)
    elif terms is not None and terms.order_type == PEGGED:
        terms.where = PARKED  # until the book is settled
        rooms.rooms_of(book).pegs.add(order)
    elif order[TIME_IN_FORCE] in AUCTION_ONLY or (is_market(order) and not continuous):
        terms.where = CALL
        rooms.rooms_of(book).call.add(order)
    elif continuous:
        execute(book, order)
    else:
        rest(book, order)


def _await_trigger(book: Book, order: Order, continuous: bool) -> None:
    waiting = rooms.rooms_of(book).triggers
    if waiting.reached(order, book.last_price) and continuous:
        release(book, order)
    else:
        order[TERMS].where = TRIGGER
        waiting.add(order)


def release(book: Book, order: Order) -> None:
    """The trigger of an order, which has left its room, was reached: it becomes what it was waiting to be."""
    terms = order[TERMS]
    terms.order_type = TRIGGERED[terms.order_type]
    renumber(order)
    restated(order, 0 if is_market(order) else would_show(order), RESTATED_TRIGGERED)
    place(book, order)


def execute(book: Book, order: Order) -> None:
    """Let an order trade as the aggressor in continuous trading; what is left of it rests, or is cancelled."""
    terms = order[TERMS]
    if not phases.continuous(book):  # a pegged order, where everything waits for a hand
        rest(book, order)
        return
    if terms is not None and terms.post_only:
        _stay_passive(book, order)
        return
    limit = reach(book, order)
    wanted = needed(order)
    enough = limit != NOWHERE and (not wanted or count(book, order, limit, wanted) >= wanted)
    stopped = enough and _run(book, order, limit)
    if not order[OPEN]:
        return
    market = is_market(order)
    resting = order[TIME_IN_FORCE] not in IMMEDIATE
    if market:
        resting = resting and enough and (terms.order_type == MARKET_TO_LIMIT or protection(book, terms) > 0)
    if stopped and not (resting and book.phase in phases.COLLECTING):
        cancel(order, CANCEL_COLLAR)
    elif not resting:
        cancel(order, CANCEL_IOC)
    elif market:
        terms.order_type, terms.protection = LIMIT, None
        restate(order, tick_down(book, limit) if order[SIDE] == BUY else tick_up(book, limit), RESTATED_LIMIT)
    else:
        rest(book, order)


def _run(book: Book, order: Order, limit: int) -> bool:
    """Let an order trade, and find the orders whose trigger that reaches. True when a price band stopped it."""
    stopped = sweep(book, order, limit)
    _elect(book)
    return stopped


def _elect(book: Book) -> None:
    """Take the orders whose trigger the last prints have reached out of their room, to be released one by one."""
    home = book.rooms
    while home is not None and home.prints:
        for order in home.triggers.elect(home.prints.pop(0)):
            order[TERMS].where = LIT
            home.elected.append(order)


def _stay_passive(book: Book, order: Order) -> None:
    """A post-only order never trades as the aggressor: it rests where it does not cross, or goes.

    It may cross orders with a condition: those find it by themselves once it rests.
    """
    best = best_other(book, order[SIDE])
    buying = order[SIDE] == BUY
    if beyond(best, order[PRICE], buying):
        rest(book, order)
        return
    price = behind(book, best, buying)
    if order[TERMS].post_only == POST_ONLY_SLIDE and price:
        restate(order, price, RESTATED_SLID)
    else:
        cancel(order, CANCEL_POST_ONLY)


def behind(book: Book, best: int, buying: bool) -> int:
    """The price next to the best of the other side at which an order does not cross it; 0 when there is no such."""
    price = tick_down(book, best - 1) if buying else tick_up(book, best + 1)
    return price if 0 < price <= book.max_price else 0


# ------------------------------------------------------------------------------------------------- what it sets off
def settle(book: Book) -> None:
    """Do all that changes in a book have set off, in it and in others."""
    touch(book)
    settle_all(book.numbers)


def settle_all(numbers: Numbers) -> None:
    """Do all that the present input has set off, in every book."""
    unsettled = numbers.unsettled
    while True:
        settle_parties(numbers)
        book = next(iter(unsettled), None)
        if book is None:
            return
        if not _step(book):
            unsettled.pop(book, None)
            refresh(book)
            auction.indicative(book)


def settle_parties(numbers: Numbers) -> None:
    """What crosses books and sides: pairs and brackets, and reduce-only orders that exceed their position."""
    while (numbers.pairs is not None and pairs.settle(numbers)) or (
        numbers.ledger is not None and ledger.trim(numbers)
    ):
        pass


def _step(book: Book) -> bool:
    """The next thing that is due in a book; False when nothing is."""
    home = book.rooms
    if home is None:
        return False
    _elect(book)  # by an auction
    while home.elected:
        order = home.elected.popleft()
        if order[OPEN]:
            release(book, order)
            return True
    if len(home.pegs) and home.pegs.reprice(book):
        return True
    if not (home.dark_bids.prices or home.dark_asks.prices):
        return False
    return phases.continuous(book) and wake(book)


def wake(book: Book) -> bool:
    """Let the waiting orders trade whose condition can be met now: buys first, each side by priority.

    Each trades as the aggressor and keeps its place for what is left. True when any did.
    """
    woken = False
    for order in [order for buying in (True, False) for order in _waiting(book, buying)]:
        if not order[OPEN] or order[LEVEL] is None or book.phase != PHASE_OPEN:
            continue
        wanted = need_of(order)
        if count(book, order, order[PRICE], wanted) < wanted:
            continue
        before = order[OPEN]
        _run(book, order, order[PRICE])
        woken = woken or order[OPEN] < before
        if order[OPEN]:
            order[TERMS].minimum = min(order[TERMS].minimum, order[OPEN])
        else:
            book.remove(order)
        settle_parties(book.numbers)
    if woken:
        touch(book)
    return woken


def _waiting(book: Book, buying: bool) -> Iterator[Order]:
    """The dark orders with a condition on one side that cross anybody on the other, in priority order."""
    home = rooms.rooms_of(book)
    own, dark = (home.dark_bids, home.dark_asks) if buying else (home.dark_asks, home.dark_bids)
    lit = book.asks if buying else book.bids
    best = min(lit.best, dark.best) if buying else max(lit.best, dark.best)
    for level in own.best_first():
        if beyond(best, level.price, buying):
            return
        for order in level.queue:
            if order[OPEN] and conditional(order[TERMS]):
                yield order


def refresh(book: Book) -> None:
    """Work out anew whether a book is plain: open, nothing special about it, and no order in it that has terms."""
    home = book.home
    guard = home.guard if home is not None else None
    book.plain = (
        book.phase == PHASE_OPEN
        and book.policy is None
        and (book.rooms is None or not book.rooms.live)
        and (guard is None or not guard.active)
        and (home is None or home.stage is None)
    )


# At the end, since these need what is above.
from openoutcry.matcher import auction, pairs, rooms  # noqa: E402  # they need what is above
