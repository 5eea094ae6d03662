"""Where live orders wait, and how they come, move and go, in books that are not plain.

Every live order is in one place (``Terms.where``): on a lit side of its book, on a dark one, or in a room of its own.
The functions here move it between them and tell its owner and the public what each may know; nothing here matches
(openoutcry.matcher.trading does).

Invariant: from ``admit`` to ``forget`` an order is in its session's ``live``, which is in ascending order of the order
reference numbers, is counted in ``Rooms.live`` if it has terms, and has its deadline watched. In between it may for a
moment be nowhere: ``order[LEVEL]`` is None while it is matched as the aggressor. Whenever an order gets a new place it
gets a new number, so that the queue of every level is in ascending order of the numbers as well.

Rule 1. The public knows of an order exactly while it is on the lit side, and of an iceberg only the part that it shows.
Rule 2. A smaller quantity takes from what is not shown first.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from openoutcry.matcher.book import NO_BUY, NO_SELL, Book, Level, Side, shown_of
from openoutcry.matcher.draws import draw
from openoutcry.matcher.orders import (
    BOOK,
    DATA,
    DEADLINE,
    LEVEL,
    NUMBER,
    OPEN,
    PRICE,
    SESSION,
    SIDE,
    TERMS,
    TOKEN,
    Order,
)
from openoutcry.matcher.terms import CALL, DARK, LIT, TRIGGER
from openoutcry.wire import (
    ACCEPTED,
    ADDED,
    BUY,
    CANCELED,
    LIVE,
    MODIFIED,
    PEG_MIDPOINT,
    REDUCED,
    RESTATED,
    RESTATED_REPLENISHED,
    SELL,
)

if TYPE_CHECKING:
    from openoutcry.matcher.terms import Terms

_number_of: Final = itemgetter(NUMBER)


def touch(book: Book) -> None:
    """Something has changed in a book that is not plain, or is not any more: it is settled before the input ends."""
    book.plain = False
    book.numbers.unsettled[book] = None


# ------------------------------------------------------------------------------------------------- coming and going
def accept(order: Order) -> None:
    """Number a new order and tell its owner: ACCEPTED. Its token is used up."""
    book, session = order[BOOK], order[SESSION]
    numbers = book.numbers
    number = order[NUMBER] = numbers.order = numbers.order + 1
    session.tokens[order[TOKEN]] = None
    session.events.append(
        (ACCEPTED, session.number, order[TOKEN], number, order[SIDE], order[OPEN], order[PRICE], LIVE, order[DATA])
    )
    touch(book)
    admit(order)


def admit(order: Order) -> None:
    """An order that has just been numbered is live."""
    order[SESSION].live[order[TOKEN]] = order
    if order[TERMS] is not None:
        rooms.rooms_of(order[BOOK]).live += 1
    if order[DEADLINE]:
        order[BOOK].timers.add(order)


def forget(order: Order) -> None:
    """An order is not live any more; it has left its place."""
    del order[SESSION].live[order[TOKEN]]
    terms = order[TERMS]
    if terms is not None:
        home = rooms.rooms_of(order[BOOK])
        home.live -= 1
        if terms.peg:
            home.pegs.remove(order)


def finish(order: Order, reason: int) -> None:
    """Nothing of an order is open any more. reason: of its cancel, 0 when it was executed."""
    forget(order)
    terms = order[TERMS]
    if terms is not None and (terms.pair or terms.take_profit or terms.stop_loss):
        pairs.gone(order, reason)


def renumber(order: Order) -> None:
    """Give a live order, that is nowhere now, the next number."""
    numbers, live = order[BOOK].numbers, order[SESSION].live
    order[NUMBER] = numbers.order = numbers.order + 1
    token = order[TOKEN]
    del live[token]
    live[token] = order
    if order[DEADLINE]:
        order[BOOK].timers.add(order)


# ------------------------------------------------------------------------------------------------- waiting
def conditional(terms: Terms) -> bool:
    """Whether an order only trades when enough is there."""
    return bool(terms.all_or_none or terms.minimum)


def unseen(terms: Terms) -> bool:
    """Whether an order waits on the dark side when it rests."""
    return bool(terms.hidden or conditional(terms) or terms.peg == PEG_MIDPOINT)


def would_show(order: Order) -> int:
    """What the market would see of an order if it rested now: of an iceberg a part, which may be drawn at random."""
    terms = order[TERMS]
    left: int = order[OPEN]
    if terms is None:
        return left
    if unseen(terms):
        return 0
    shown: int = terms.display_quantity
    if not shown:
        return left
    spread = terms.display_range
    if spread:
        seed = order[SESSION].endpoint.engine.properties["seed"]
        shown += draw(2 * spread + 1, seed, order[NUMBER]) - spread
    return min(left, shown)


def side_of(book: Book, order: Order) -> Side:
    """The side of a book on which an order waits: bids or asks, lit or dark by its terms."""
    terms = order[TERMS]
    if terms is not None and terms.where == DARK:
        home = rooms.rooms_of(book)
        return home.dark_bids if order[SIDE] == BUY else home.dark_asks
    return book.bids if order[SIDE] == BUY else book.asks


def _wait(book: Book, order: Order) -> int:
    """Put an order at the back of its level, lit or dark; returns what is shown of it."""
    terms = order[TERMS]
    shown = would_show(order)
    if terms is not None:
        terms.where = DARK if unseen(terms) else LIT
        terms.shown = shown
        terms.minimum = min(terms.minimum, order[OPEN])
        terms.top = int(terms.where == LIT and betters(book, order))
    append(side_of(book, order), order)
    return shown


def append(side: Side, order: Order) -> None:
    """Put an order at the back of its level of one side."""
    price = order[PRICE]
    level = order[LEVEL] = side.levels.get(price) or side.open_level(price)
    level.queue.append(order)


def betters(book: Book, order: Order) -> bool:
    """Whether an order's price is better than all of its side that the market sees."""
    price: int = order[PRICE]
    return price > book.bids.best if order[SIDE] == BUY else price < book.asks.best


def _publish(book: Book, order: Order, shown: int) -> None:
    """ADDED, if there is anything to see."""
    if shown:
        side = BUY if order[SIDE] == BUY else SELL
        book.events.append((ADDED, book.number, order[NUMBER], side, shown, order[PRICE]))


def rest(book: Book, order: Order) -> None:
    """Let an order wait at its price, lit or dark."""
    _publish(book, order, _wait(book, order))


def restate(order: Order, price: int, reason: int) -> None:
    """Let an order wait at `price`, wherever it was, under a new number, and tell its owner why."""
    book = order[BOOK]
    withdraw(order)
    order[PRICE] = price
    renumber(order)
    shown = _wait(book, order)
    restated(order, shown, reason)
    _publish(book, order, shown)


def restated(order: Order, shown: int, reason: int) -> None:
    """RESTATED: an order has a new number, and maybe a new price, without its owner's doing."""
    session = order[SESSION]
    session.events.append(
        (RESTATED, session.number, order[TOKEN], order[NUMBER], order[PRICE], shown, order[OPEN], reason)
    )


def replenish(level: Level, order: Order) -> None:
    """Let an iceberg, taken out of its level because all that it showed is gone, show its next part at the back."""
    book, terms = order[BOOK], order[TERMS]
    renumber(order)
    shown = terms.shown = would_show(order)
    terms.top = 0
    level.queue.append(order)
    restated(order, shown, RESTATED_REPLENISHED)
    _publish(book, order, shown)


# ------------------------------------------------------------------------------------------------- leaving
def leave(order: Order) -> None:
    """Take a live order out of where it waits, without a word. It stays live, and open: it is put elsewhere at once."""
    level = order[LEVEL]
    terms = order[TERMS]
    if level is not None:
        order[LEVEL] = None
        queue = level.queue
        del queue[bisect_left(queue, order[NUMBER], key=_number_of)]
        if level.dead == len(queue):
            level.side.close_level(level)
    elif terms is not None and terms.where == TRIGGER:
        rooms.rooms_of(order[BOOK]).triggers.remove(order)
    elif terms is not None and terms.where == CALL:
        rooms.rooms_of(order[BOOK]).call.remove(order)
    if terms is not None:
        terms.where, terms.shown = LIT, 0


def withdraw(order: Order) -> None:
    """``leave``, and the public is told if it has seen the order."""
    shown = seen(order)
    leave(order)
    if shown:
        book = order[BOOK]
        book.events.append((REDUCED, book.number, order[NUMBER], shown, 0))


def seen(order: Order) -> int:
    """What the public sees of a live order where it is now."""
    if order[LEVEL] is None:
        return 0
    terms = order[TERMS]
    return shown_of(order) if terms is None or terms.where == LIT else 0


def kill(order: Order) -> int:
    """Take an order that dies out of where it waits; returns what the public saw of it."""
    shown = seen(order)
    if order[LEVEL] is not None:
        order[BOOK].remove(order)
    else:
        leave(order)
        order[OPEN] = 0
    return shown


def cancel(order: Order, reason: int) -> None:
    """Cancel all that is open of a live order, of any kind, wherever it waits."""
    book = order[BOOK]
    if book.plain:
        book.cancel(order, reason)
        return
    session, quantity = order[SESSION], order[OPEN]
    shown = kill(order)
    session.events.append((CANCELED, session.number, order[TOKEN], quantity, reason, 0))
    if shown:
        book.events.append((REDUCED, book.number, order[NUMBER], shown, 0))
    finish(order, reason)
    touch(book)


def reduce(order: Order, leaves: int, reason: int) -> None:
    """Cancel a part of a live order, which keeps its place. leaves: from 1 to below what is open."""
    session, quantity = order[SESSION], order[OPEN] - leaves
    session.events.append((CANCELED, session.number, order[TOKEN], quantity, reason, leaves))
    shrink(order, leaves)


def modify(order: Order, side: int, leaves: int) -> None:
    """Change a live order's kind of sell side, its open quantity downwards, or both; it keeps its place."""
    session = order[SESSION]
    order[SIDE] = side
    session.events.append((MODIFIED, session.number, order[TOKEN], side, leaves))
    shrink(order, leaves)


def shrink(order: Order, leaves: int) -> None:
    """Lower what is open of a live order, from what is not shown first; tell the public if it sees less."""
    book, terms = order[BOOK], order[TERMS]
    shown = seen(order)
    order[OPEN] = leaves
    left = min(shown, leaves)
    if terms is not None:
        terms.shown = left
        terms.minimum = min(terms.minimum, leaves)
    if left < shown:
        book.events.append((REDUCED, book.number, order[NUMBER], shown - left, left))
    touch(book)


# ------------------------------------------------------------------------------------------------- best prices
def shown_best(book: Book, buying: bool, skip_pegs: bool = False) -> int:
    """The best price of a lit side, NO_BUY or NO_SELL for none. skip_pegs: without its pegged orders."""
    side = book.bids if buying else book.asks
    if not skip_pegs:
        return side.best
    for level in side.best_first():
        for order in level.queue:
            if order[OPEN] and (order[TERMS] is None or not order[TERMS].peg):
                return level.price
    return NO_BUY if buying else NO_SELL


def best_other(book: Book, side: int) -> int:
    """The best price at which anybody of `side` could trade now: lit, or dark without a condition. NO_BUY, NO_SELL."""
    buying = side == BUY
    best = book.asks.best if buying else book.bids.best
    home = book.rooms
    if home is not None:
        dark = home.dark_asks if buying else home.dark_bids
        for level in dark.best_first():
            if level.price >= best if buying else level.price <= best:
                break
            for order in level.queue:
                if order[OPEN] and not conditional(order[TERMS]):
                    return level.price
    return best


# At the end, since these need what is above.
from openoutcry.matcher import pairs, rooms  # noqa: E402  # they need what is above
