"""What order commands mean: the rules between a client's message and the book.

Every function takes a session, one command of openoutcry.wire, and the time in ns; it returns False when the command
is ignored in silence, as OUCH 4.2 wants it, so that clients may repeat what they are not sure of.

Rule 1. A token is used up by the first ENTER or REFUSE that names it, accepted or rejected, until the day ends.
        With a used token both are ignored.
Rule 2. CANCEL and MODIFY of a token that is not live are ignored, and so is one that would increase an order.
Rule 3. REPLACE has four outcomes, judged in this order: (a) the old token is not live or the new one is used:
        ignored; (c) the book is halted or closed: REJECTED under the new token, which is used up; (b) the new details
        are invalid, or ask for no more than has been executed: the old order is CANCELED, the new token stays free;
        (d) REPLACED.
Rule 4. Cancels and reductions are taken while a book is halted or closed; nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from openoutcry.matcher.book import Book
from openoutcry.matcher.orders import BOOK, DONE, OPEN, SIDE
from openoutcry.matcher.sessions import TOKENS_MAX, Session
from openoutcry.wire import (
    BUY,
    CANCEL,
    CANCEL_INVALID_REPLACE,
    CANCEL_USER,
    DAY,
    ENTER,
    FOK,
    GOOD_FOR_TIME,
    IOC,
    LIMIT,
    MARKET,
    MODIFY,
    PHASE_HALTED,
    PHASE_OPEN,
    REFUSE,
    REJECT_CLOSED,
    REJECT_HALTED,
    REJECT_LIMIT,
    REJECT_MIN_QUANTITY,
    REJECT_PRICE,
    REJECT_QUANTITY,
    REJECT_REASONS,
    REJECT_SYMBOL,
    REJECT_TIME_IN_FORCE,
    REJECTED,
    REPLACE,
    SECONDS_TO_LIVE_MAX,
    SYSTEM_HOURS,
)

Command = tuple[Any, ...]
SECOND_NS: Final = 1_000_000_000
RESTING: Final = frozenset((DAY, SYSTEM_HOURS))
IMMEDIATE: Final = frozenset((IOC, FOK))


def enter(session: Session, command: Command, time_ns: int) -> bool:
    """ENTER. The plain case, a limit order that may rest, is judged in one expression because it is hot."""
    _, _, token, symbol, side, quantity, price, order_type, tif, expire, minimum, data = command
    tokens = session.tokens
    if token in tokens:
        return False
    book = session.books.get(symbol)
    if (
        book is not None and book.phase == PHASE_OPEN and order_type == LIMIT and tif in RESTING and not minimum
        and 0 < quantity <= book.max_quantity and not quantity % book.lot_size
        and 0 < price <= book.max_price and not price % book.tick_size
        and len(session.live) < book.max_open_orders and len(tokens) < TOKENS_MAX
    ):  # fmt: skip
        tokens[token] = None
        book.enter(session, token, side, quantity, price, tif, 0, data)
        return True
    if book is None:
        reject(session, token, REJECT_SYMBOL)
        return True
    reason = refusal(session, book) or flaw(book, quantity, price, order_type, tif, expire, minimum)
    if reason:
        reject(session, token, reason)
        return True
    tokens[token] = None
    market = order_type == MARKET
    if market or tif in IMMEDIATE:
        needed = quantity if tif == FOK else minimum
        book.enter_immediate(session, token, side, quantity, price, needed, market, data)
    else:
        deadline = time_ns + expire * SECOND_NS if tif == GOOD_FOR_TIME else 0
        book.enter(session, token, side, quantity, price, tif, deadline, data)
    return True


def refusal(session: Session, book: Book) -> int:
    """Why a new order cannot be taken whatever its details are: a REJECT reason, 0 when it can."""
    if book.phase != PHASE_OPEN:
        return standstill(book)
    if len(session.live) >= book.max_open_orders or len(session.tokens) >= TOKENS_MAX:
        return REJECT_LIMIT
    return 0


def standstill(book: Book) -> int:
    """The REJECT reason of a book that is not open."""
    return REJECT_HALTED if book.phase == PHASE_HALTED else REJECT_CLOSED


def flaw(book: Book, quantity: int, price: int, order_type: int, tif: int, expire: int, minimum: int) -> int:
    """What is wrong with an order's details: a REJECT reason, 0 when nothing is."""
    if not 0 < quantity <= book.max_quantity or quantity % book.lot_size:
        return REJECT_QUANTITY
    if order_type == MARKET:
        if price:
            return REJECT_PRICE
    elif not 0 < price <= book.max_price or price % book.tick_size:
        return REJECT_PRICE
    if tif == GOOD_FOR_TIME and not 0 < expire <= SECONDS_TO_LIVE_MAX:
        return REJECT_TIME_IN_FORCE
    if minimum and (minimum > quantity or not (order_type == MARKET or tif in IMMEDIATE)):
        return REJECT_MIN_QUANTITY
    return 0


def reject(session: Session, token: bytes, reason: int) -> None:
    """REJECTED, and the token is used up, unless there is no room to remember it."""
    if len(session.tokens) < TOKENS_MAX:
        session.tokens[token] = None
    session.emit((REJECTED, session.number, token, reason, REJECT_REASONS.get(reason, "")))


def replace(session: Session, command: Command, time_ns: int) -> bool:
    """REPLACE."""
    _, _, token, new_token, quantity, price, order_type, tif, expire, minimum, invalid, data = command
    order = session.live.get(token)
    tokens = session.tokens
    if order is None or new_token in tokens:
        return False
    book: Book = order[BOOK]
    if book.phase != PHASE_OPEN or len(tokens) >= TOKENS_MAX:
        reject(session, new_token, standstill(book) if book.phase != PHASE_OPEN else REJECT_LIMIT)
        return True
    left = quantity - order[DONE]
    if invalid or left <= 0 or minimum > left or flaw(book, quantity, price, order_type, tif, expire, minimum):
        book.cancel(order, CANCEL_INVALID_REPLACE)
        return True
    tokens[new_token] = None
    market = order_type == MARKET
    if market or tif in IMMEDIATE:
        needed = left if tif == FOK else minimum
        book.replace_immediate(order, new_token, left, price, needed, market, data)
    else:
        deadline = time_ns + expire * SECOND_NS if tif == GOOD_FOR_TIME else 0
        book.replace(order, new_token, left, price, tif, deadline, data)
    return True


def cancel(session: Session, command: Command, time_ns: int) -> bool:
    """CANCEL: to a new intended total of the chain, 0 for all that is open."""
    order = session.live.get(command[2])
    if order is None:
        return False
    left = command[3] - order[DONE]
    if left <= 0:
        order[BOOK].cancel(order, CANCEL_USER)
    elif left < order[OPEN]:
        order[BOOK].reduce(order, left, CANCEL_USER)
    else:
        return False
    return True


def modify(session: Session, command: Command, time_ns: int) -> bool:
    """MODIFY: another kind of sell side, a smaller total, or both. A total that leaves nothing open cancels."""
    _, _, token, side, quantity = command
    order = session.live.get(token)
    if order is None or (side == BUY) != (order[SIDE] == BUY):
        return False
    left = quantity - order[DONE]
    if left > order[OPEN] or (left == order[OPEN] and side == order[SIDE]):
        return False
    if left <= 0:
        order[BOOK].cancel(order, CANCEL_USER)
    else:
        order[BOOK].modify(order, side, left)
    return True


def refuse(session: Session, command: Command, time_ns: int) -> bool:
    """REFUSE: an order that its gateway found invalid."""
    if command[2] in session.tokens:
        return False
    reject(session, command[2], command[3])
    return True


HANDLERS: Final[dict[int, Callable[[Session, Command, int], bool]]] = {
    ENTER: enter,
    REPLACE: replace,
    CANCEL: cancel,
    MODIFY: modify,
    REFUSE: refuse,
}
