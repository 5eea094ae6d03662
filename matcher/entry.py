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
Rule 5. What is here is for plain limit, IOC, FOK and market orders in a plain book (``Book.plain``). Everything else is
        given to openoutcry.matcher.submit, whose rules are the same and more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from openoutcry.matcher import asking, masscancel, quotes, requests, submit
from openoutcry.matcher.answers import no_book, no_token, reject, repeated
from openoutcry.matcher.book import Book
from openoutcry.matcher.judging import IMMEDIATE, flaw
from openoutcry.matcher.orders import BOOK, DEADLINE, DONE, OPEN, PRICE, SIDE, TIME_IN_FORCE
from openoutcry.matcher.sessions import TOKENS_MAX, Session
from openoutcry.matcher.submit import deadline_of
from openoutcry.wire import (
    AGAIN,
    AMEND,
    ASK,
    BUY,
    CANCEL,
    CANCEL_INVALID_REPLACE,
    CANCEL_USER,
    CHANGE,
    CROSS,
    DAY,
    ECHO,
    ENTER,
    FOK,
    GOOD_FOR_TIME,
    GTC,
    GTD,
    LIMIT,
    MARKET,
    MASS_CANCEL,
    MODIFY,
    QUOTE,
    REFUSE,
    REPLACE,
    SUBMIT,
    SYSTEM_HOURS,
    WITHDRAW,
)

Command = tuple[Any, ...]
RESTING: Final = frozenset((DAY, SYSTEM_HOURS, GTC))
PLAIN: Final = RESTING | IMMEDIATE | {GOOD_FOR_TIME, GTD}  # times in force of a plain order


def enter(session: Session, command: Command, time_ns: int) -> bool:
    """ENTER. The plain case, a limit order that may rest, is judged in one expression because it is hot."""
    token: bytes
    _, _, token, symbol, side, amount, limit, order_type, tif, expire, minimum, data = command
    tokens = session.tokens
    quantity: int = amount
    price: int = limit
    book = session.books.get(symbol)
    if (
        book is not None and book.plain and order_type == LIMIT and (tif == DAY or tif in RESTING) and not minimum
        and 0 < quantity <= book.max_quantity and not quantity % book.lot_size
        and 0 < price <= book.max_price and not price % book.tick_size
        and len(session.live) < book.max_open_orders and len(tokens) < TOKENS_MAX
    ):  # fmt: skip
        used = len(tokens)
        tokens[token] = None
        if len(tokens) == used:  # the token was there: this costs less than to ask before
            return repeated(session, token, data)
        book.enter(session, token, side, amount, limit, tif, 0, data)
        return True
    if token in tokens:
        return repeated(session, token, data)
    if book is None:
        return reject(session, token, no_book(session), data)
    if not book.plain or is_special(order_type, tif, minimum):
        return submit.submit(session, (*command, ()), time_ns)
    found = submit.refusal(session, book, order_type, tif)
    if found is None:
        found = flaw(book, quantity, price, order_type, tif, expire, minimum, time_ns)
    if found is not None:
        return reject(session, token, found, data)
    tokens[token] = None
    market = order_type == MARKET
    if market or tif in IMMEDIATE:
        needed = quantity if tif == FOK else minimum
        book.enter_immediate(session, token, side, quantity, price, needed, market, data)
    else:
        book.enter(session, token, side, quantity, price, tif, deadline_of(tif, expire, time_ns), data)
    return True


def is_special(order_type: int, tif: int, minimum: int) -> bool:
    """Whether an order is not for the functions of this module, even in a plain book."""
    if order_type == MARKET:
        return tif not in PLAIN
    return order_type != LIMIT or tif not in PLAIN or (minimum > 0 and tif not in IMMEDIATE)


def enter_or_submit(session: Session, command: Command, time_ns: int) -> bool:
    """SUBMIT: an ENTER, when it has no terms."""
    if command[12]:
        return submit.submit(session, command, time_ns)
    return enter(session, command[:12], time_ns)


def replace(session: Session, command: Command, time_ns: int) -> bool:
    """REPLACE."""
    _, _, token, new_token, quantity, price, order_type, tif, expire, minimum, invalid, data = command
    order = session.live.get(token)
    tokens = session.tokens
    if order is None or new_token in tokens:
        return False
    book: Book = order[BOOK]
    if not book.plain or is_special(order_type, tif, minimum):
        return submit.amend(session, (*command, ()), time_ns, False)
    refused = no_token(session)
    if refused is not None:
        return reject(session, new_token, refused, data)
    left = quantity - order[DONE]
    if (
        invalid or left <= 0 or minimum > left
        or flaw(book, quantity, price, order_type, tif, expire, minimum, time_ns) is not None
    ):  # fmt: skip
        book.cancel(order, CANCEL_INVALID_REPLACE)
        return True
    tokens[new_token] = None
    market = order_type == MARKET
    if market or tif in IMMEDIATE:
        needed = left if tif == FOK else minimum
        book.replace_immediate(order, new_token, left, price, needed, market, data)
    else:
        book.replace(order, new_token, left, price, tif, deadline_of(tif, expire, time_ns), data)
    return True


def change(session: Session, command: Command, time_ns: int) -> bool:
    """CHANGE, of a plain order in a plain book; the rules are those of openoutcry.matcher.requests."""
    _, _, token, new_token, quantity, price, order_type, tif, expire, minimum, data, given = command
    order = session.live.get(token)
    tokens = session.tokens
    if order is None or given or new_token in tokens or len(tokens) >= TOKENS_MAX:
        return requests.change(session, command, time_ns)
    book: Book = order[BOOK]
    left = quantity - order[DONE]
    if (
        not book.plain or is_special(order_type, tif, minimum) or left <= 0 or minimum > left
        or flaw(book, quantity, price, order_type, tif, expire, minimum, time_ns) is not None
    ):  # fmt: skip
        return requests.change(session, command, time_ns)
    tokens[new_token] = None
    market = order_type == MARKET
    deadline = deadline_of(tif, expire, time_ns)
    if market or tif in IMMEDIATE:
        needed = left if tif == FOK else minimum
        book.replace_immediate(order, new_token, left, price, needed, market, data)
    elif left < order[OPEN] and (price, tif, deadline) == (order[PRICE], order[TIME_IN_FORCE], order[DEADLINE]):
        submit.lower(order, new_token, left, price, data)
    else:
        book.replace(order, new_token, left, price, tif, deadline, data)
    return True


def cancel(session: Session, command: Command, time_ns: int) -> bool:
    """CANCEL: to a new intended total of the chain, 0 for all that is open."""
    order = session.live.get(command[2])
    if order is None:
        return False
    book: Book = order[BOOK]
    if not book.plain:
        return submit.cancel(session, command, time_ns)
    left: int = command[3] - order[DONE]
    if left <= 0:
        book.cancel(order, CANCEL_USER)
    elif left < order[OPEN]:
        book.reduce(order, left, CANCEL_USER)
    else:
        return False
    return True


def modify(session: Session, command: Command, time_ns: int) -> bool:
    """MODIFY: another kind of sell side, a smaller total, or both. A total that leaves nothing open cancels."""
    _, _, token, side, quantity = command
    order = session.live.get(token)
    if order is None or (side == BUY) != (order[SIDE] == BUY):
        return False
    book: Book = order[BOOK]
    if not book.plain:
        return submit.modify(session, command, time_ns)
    left = quantity - order[DONE]
    if left > order[OPEN] or (left == order[OPEN] and side == order[SIDE]):
        return False
    if left <= 0:
        book.cancel(order, CANCEL_USER)
    else:
        book.modify(order, side, left)
    return True


def refuse(session: Session, command: Command, time_ns: int) -> bool:
    """REFUSE: an order that its gateway found invalid."""
    _, _, token, reason, text, data = command
    if token in session.tokens:
        return repeated(session, token, data)
    return reject(session, token, (reason, text), data)


HANDLERS: Final[dict[int, Callable[[Session, Command, int], bool]]] = {
    ENTER: enter,
    REPLACE: replace,
    CANCEL: cancel,
    MODIFY: modify,
    REFUSE: refuse,
    SUBMIT: enter_or_submit,
    AMEND: submit.amend,
    QUOTE: quotes.quote,
    MASS_CANCEL: masscancel.mass_cancel,
    ASK: asking.ask,
    AGAIN: requests.again,
    CHANGE: change,
    WITHDRAW: requests.withdraw,
    CROSS: requests.cross,
    ECHO: requests.echo,
}
