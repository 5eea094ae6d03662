"""What order commands mean in books that are not plain, and for orders that are more than a plain limit order.

The general form of openoutcry.matcher.entry, whose rules hold here too; in addition:

Rule 1. A new order is judged in this order: symbol, the phase of its book, limits of the session, its details and terms
        (openoutcry.matcher.judging), the market as it is (post-only, protection), risk. The first that fails gives
        REJECTED, and the token is used up.
Rule 2. A replacement keeps the terms of the old order that mean something for its new type; AMEND's own come on top.
        When post-only forbids it the old order is cancelled (CANCEL_POST_ONLY); when risk does it stays as it was, and
        the new token is REJECTED.
Rule 3. An AMEND that changes nothing but the quantity, to less, keeps the order's place and number.
Rule 4. Shortly before an auction cancels are late: openoutcry.matcher.phases says which. An order that waits for the
        auction alone is then cancelled after it (CANCEL_PENDING); otherwise CANCEL_REJECTED.
"""

from __future__ import annotations

from typing import Any, Final

from openoutcry.matcher import auction, phases, placing, risk, trading
from openoutcry.matcher.answers import REQUEST_CHANGE, no_book, no_token, reject, repeated, turn_down
from openoutcry.matcher.book import NO_BUY, NO_SELL, Book
from openoutcry.matcher.judging import AUCTION_ONLY, SECOND_NS, STOPS, TRIGGERS, Draft, Refusal, flaw, flaw_of_terms
from openoutcry.matcher.matching import beyond, protection
from openoutcry.matcher.orders import (
    BOOK,
    DATA,
    DEADLINE,
    DONE,
    NUMBER,
    OPEN,
    PRICE,
    SESSION,
    SIDE,
    TERMS,
    TIME_IN_FORCE,
    TOKEN,
    Order,
)
from openoutcry.matcher.sessions import Session
from openoutcry.matcher.terms import Terms
from openoutcry.wire import (
    ADDED,
    BUY,
    CANCEL_INVALID_REPLACE,
    CANCEL_POST_ONLY,
    CANCEL_REJECTED,
    CANCEL_USER,
    GOOD_FOR_TIME,
    GTD,
    LIMIT,
    LIVE,
    MARKET,
    ORDER_REPLACED,
    PEGGED,
    POST_ONLY_SLIDE,
    REDUCED,
    REJECT_FIELD,
    REJECT_LIMIT,
    REJECT_MIN_QUANTITY,
    REJECT_NO_REFERENCE,
    REJECT_POST_ONLY,
    REJECT_QUANTITY,
    REJECT_REASONS,
    REJECT_TOO_LATE,
    REPLACED,
    TERM_HIDDEN,
    TERM_PEG,
    TERM_PEG_OFFSET,
    TERM_POST_ONLY,
    TERM_PROTECTION,
    TERM_STOP_LOSS,
    TERM_STOP_PRICE,
    TERM_TAKE_PROFIT,
    TERM_TRAIL_AMOUNT,
    TERM_TRAIL_PERCENT,
)

Command = tuple[Any, ...]

# A REPLACE, and an AMEND that takes one of these away (0), says all about them, and never keeps its place (OUCH 4.2).
DISPLAY_TERMS: Final = (TERM_HIDDEN, TERM_POST_ONLY)

# The order types for which a term means something, if not for all: a replacement of another type drops it.
TYPES_OF_TERM: Final[dict[int, frozenset[int]]] = {
    TERM_STOP_PRICE: TRIGGERS,
    TERM_TRAIL_AMOUNT: STOPS,
    TERM_TRAIL_PERCENT: STOPS,
    TERM_PROTECTION: frozenset((MARKET,)),
    TERM_PEG: frozenset((PEGGED,)),
    TERM_PEG_OFFSET: frozenset((PEGGED,)),
    TERM_TAKE_PROFIT: frozenset((LIMIT, MARKET)),
    TERM_STOP_LOSS: frozenset((LIMIT, MARKET)),
}


def refusal(session: Session, book: Book, order_type: int, tif: int) -> Refusal | None:
    """Why a new order cannot be taken whatever its details are, None when it can."""
    reason = phases.may_enter(book.phase, order_type, tif)
    if reason:
        return reason, REJECT_REASONS[reason]
    if len(session.live) >= book.max_open_orders:
        return REJECT_LIMIT, f"max_open_orders: the session has {len(session.live)} of {book.max_open_orders}"
    return no_token(session)


def deadline_of(tif: int, expire: int, time_ns: int) -> int:
    """When an order expires, 0 for never."""
    if tif == GOOD_FOR_TIME:
        return time_ns + expire * SECOND_NS
    return expire if tif == GTD else 0


# ------------------------------------------------------------------------------------------------- new orders
def submit(session: Session, command: Command, time_ns: int) -> bool:
    """SUBMIT; an ENTER comes with terms () at its end."""
    _, _, token, symbol, side, quantity, price, order_type, tif, expire, minimum, data, given = command
    if token in session.tokens:
        return repeated(session, token, data)
    book = session.books.get(symbol)
    if book is None:
        return reject(session, token, no_book(session), data)
    found = refusal(session, book, order_type, tif)
    if found is None:
        found = flaw(book, quantity, price, order_type, tif, expire, minimum, time_ns)
    if found is not None:
        return reject(session, token, found, data)
    terms = None
    if is_special(book, order_type, tif, minimum, given):
        terms = Terms(order_type, given, minimum)
        found = flaw_of_terms(book, Draft(terms, tif, side, price)) or flaw_of_market(book, terms, tif, side, price)
        if found is not None:
            return reject(session, token, found, data)
        price = slid(book, terms, tif, side, price)
        limit_display(terms, quantity)
    found = risk.check(session, book, side, quantity, price, order_type, terms, time_ns)
    if found is not None:
        return reject(session, token, found, data)
    deadline = deadline_of(tif, expire, time_ns)
    order = [quantity, price, side, 0, session, token, 0, tif, deadline, data, book, None, terms]
    trading.accept(order)
    stage = session.endpoint.engine.stage
    if stage is not None:
        stage.accepted(order)
    if order[OPEN]:
        trading.place(book, order)
    return True


def is_special(book: Book, order_type: int, tif: int, minimum: int, given: tuple[tuple[int, Any], ...]) -> bool:
    """Whether an order is more than a plain limit order; where executions are shared out, every order is."""
    shared = book.policy is not None and book.policy.allocation is not None
    return bool(given or shared or minimum or order_type != LIMIT or tif in AUCTION_ONLY)


def limit_display(terms: Terms, quantity: int) -> None:
    """An iceberg that would show all of itself is none."""
    if terms.display_quantity >= quantity:
        terms.display_quantity = terms.display_range = 0


# ------------------------------------------------------------------------------------------------- the market
def takes_now(book: Book, terms: Terms, tif: int) -> bool:
    """Whether an order would meet the market as soon as it is accepted, as a limit or market order."""
    meeting = phases.continuous(book) and tif not in AUCTION_ONLY
    return meeting and terms.order_type not in TRIGGERS and terms.order_type != PEGGED


def flaw_of_market(book: Book, terms: Terms, tif: int, side: int, price: int) -> Refusal | None:
    """Whether the market as it is now forbids an order."""
    if not takes_now(book, terms, tif):
        return None
    best = trading.best_other(book, side)
    if terms.order_type == MARKET and protection(book, terms) and best == (NO_SELL if side == BUY else NO_BUY):
        return REJECT_NO_REFERENCE, "protection: there is no price on the other side to protect from"
    if terms.post_only and crosses(price, best, side):
        if terms.post_only != POST_ONLY_SLIDE:
            return REJECT_POST_ONLY, "post_only: it would take liquidity"
        if not trading.behind(book, best, side == BUY):
            return REJECT_POST_ONLY, "post_only: there is no price to slide to"
    return None


def crosses(price: int, best: int, side: int) -> bool:
    """Whether an order of that price would trade with the best of the other side."""
    return not beyond(best, price, side == BUY)


def slid(book: Book, terms: Terms, tif: int, side: int, price: int) -> int:
    """The price of an order that the market does not forbid: a post-only one may have to slide."""
    if terms.post_only and takes_now(book, terms, tif):
        best = trading.best_other(book, side)
        if crosses(price, best, side):
            return trading.behind(book, best, side == BUY)
    return price


# ------------------------------------------------------------------------------------------------- changed orders
def amend(session: Session, command: Command, time_ns: int, keep_place: bool = True, gentle: bool = False) -> bool:
    """AMEND; a REPLACE comes with terms () at its end, and never keeps its place.

    gentle: a CHANGE: what cannot be done is turned down, and the order stays as it is.
    """
    _, _, token, new_token, quantity, price, order_type, tif, expire, minimum, _, data, given = command
    order = session.live.get(token)
    if order is None or new_token in session.tokens:
        return False
    book: Book = order[BOOK]
    anew = not keep_place or any(term in DISPLAY_TERMS and not value for term, value in given)
    if anew and order[TIME_IN_FORCE] in AUCTION_ONLY:  # its auction is no part of a replacement (OUCH 4.2: cross type)
        tif, expire = order[TIME_IN_FORCE], 0
        command = (*command[:7], tif, expire, *command[9:])
    reason = phases.may_amend(book.phase, order) or phases.may_enter(book.phase, order_type, tif)
    refused = (reason, "") if reason else no_token(session)
    if refused is not None:
        return _refuse(session, command, gentle, refused)
    side, left = order[SIDE], quantity - order[DONE]
    before = kept_terms(order, order_type)
    after = {term: value for term, value in before if not (anew and term in DISPLAY_TERMS)}
    terms = Terms(order_type, tuple(sorted({**after, **dict(given)}.items())), minimum)
    mine = terms.given()
    unfit = unfit_to_replace(order, command, terms, mine, time_ns)
    if unfit is not None:
        if gentle:
            return _refuse(session, command, gentle, unfit)
        trading.cancel(order, CANCEL_POST_ONLY if unfit[0] == REJECT_POST_ONLY else CANCEL_INVALID_REPLACE)
        return True
    price = slid(book, terms, tif, side, price)
    same_terms = mine == before
    limit_display(terms, left)
    refused = risk.check(session, book, side, left, price, order_type, terms, time_ns, order)
    if refused is not None:
        return _refuse(session, command, gentle, refused)
    session.tokens[new_token] = None
    deadline = deadline_of(tif, expire, time_ns)
    if not anew and same_terms and only_smaller(order, left, price, tif, deadline, terms):
        lower(order, new_token, left, price, data)
        return True
    if order[TERMS] is not None:
        terms.quote, terms.filled = order[TERMS].quote, order[TERMS].filled
    kept = terms if is_special(book, order_type, tif, minimum, mine and terms.given()) else None
    new = [left, price, side, 0, session, new_token, order[DONE], tif, deadline, order[DATA], book, None, kept]
    exchange(order, new, data)
    return True


def _refuse(session: Session, command: Command, gentle: bool, refused: Refusal) -> bool:
    """Answer an AMEND, or (gentle) a CHANGE, that leaves the order as it is."""
    if gentle:
        return turn_down(session, command[2], command[3], REQUEST_CHANGE, refused)
    return reject(session, command[3], refused, command[11])


def unfit_to_replace(
    order: Order, command: Command, terms: Terms, given: tuple[tuple[int, Any], ...], time_ns: int
) -> Refusal | None:
    """Why an order cannot become what is asked for, None when it can; an AMEND takes it out then.

    given: what the terms say (``Terms.given``).
    """
    _, _, _, _, quantity, price, order_type, tif, expire, minimum, invalid, _, _ = command
    book, side, left = order[BOOK], order[SIDE], quantity - order[DONE]
    if invalid:
        return REJECT_FIELD, ""
    if left <= 0:
        return REJECT_QUANTITY, f"quantity: a total of {quantity} leaves nothing open, {order[DONE]} is executed"
    if minimum > left:
        return REJECT_MIN_QUANTITY, f"min_quantity: {minimum} is more than the {left} that would be open"
    found = flaw(book, quantity, price, order_type, tif, expire, minimum, time_ns)
    if found is not None or not is_special(book, order_type, tif, minimum, given):
        return found
    return flaw_of_terms(book, Draft(terms, tif, side, price)) or flaw_of_market(book, terms, tif, side, price)


def kept_terms(order: Order, order_type: int) -> tuple[tuple[int, Any], ...]:
    """The terms of an order that a replacement of this type has too, if it says nothing about them."""
    terms = order[TERMS]
    if terms is None:
        return ()
    return tuple(pair for pair in terms.given() if order_type in TYPES_OF_TERM.get(pair[0], (order_type,)))


def only_smaller(order: Order, left: int, price: int, tif: int, deadline: int, terms: Terms) -> bool:
    """Whether nothing changes but the quantity, to less; the terms given by the client are the same."""
    old = order[TERMS]
    kind, minimum, limit = LIMIT, 0, order[PRICE]
    if old is not None:
        kind, minimum = old.order_type, old.minimum
        if old.peg:
            limit = old.cap
    same = (limit, order[TIME_IN_FORCE], order[DEADLINE], kind, minimum)
    return left < order[OPEN] and same == (price, tif, deadline, terms.order_type, terms.minimum)


def lower(order: Order, new_token: bytes, left: int, price: int, data: bytes) -> None:
    """A replacement that keeps number and place: the same order under another token, with less open."""
    session, token = order[SESSION], order[TOKEN]
    live: dict[bytes, Order] = session.live
    # It keeps its place in `live` too, which is in the order of the numbers: those after it are put in again.
    after: list[bytes] = []
    for each in reversed(live):
        if each == token:
            break
        after.append(each)
    del live[token]
    live[new_token] = order
    for each in reversed(after):
        live[each] = live.pop(each)
    order[TOKEN] = new_token
    _tell_replaced(order, token, left, price, data)
    book: Book = order[BOOK]
    if book.plain:
        book.events.reduced((REDUCED, book.number, order[NUMBER], order[OPEN] - left, left))
        order[OPEN] = left
    else:
        _rename(order, token, new_token)
        placing.shrink(order, left)


def exchange(order: Order, new: Order, data: bytes) -> None:
    """Replace a live order by a new one, which goes its own way. data: of the REPLACE.

    The public is told in one event if it sees the old one and then, without a trade in between, the new one; else that
    the old one went, before all that the new one does.
    """
    book, number, left = order[BOOK], order[NUMBER], new[OPEN]
    shown = placing.kill(order)
    placing.forget(order)
    numbers = book.numbers
    new[NUMBER] = numbers.order = numbers.order + 1
    _rename(new, order[TOKEN], new[TOKEN])
    _tell_replaced(new, order[TOKEN], new[OPEN], new[PRICE], data)
    trading.admit(new)
    events = book.events
    index = len(events)
    trading.place(book, new)
    if not shown:
        return
    if new[OPEN] == left and len(events) > index and events[-1][:3] == (ADDED, book.number, new[NUMBER]):
        events[-1] = (ORDER_REPLACED, book.number, number, new[NUMBER], events[-1][4], new[PRICE])
    else:
        events.insert(index, (REDUCED, book.number, number, shown, 0))


def _rename(order: Order, token: bytes, new_token: bytes) -> None:
    """What a policy has in mind for an order is for the one that takes its place."""
    session = order[SESSION]
    stage = session.endpoint.engine.stage
    if stage is not None:
        stage.renamed(session, token, new_token)


def _tell_replaced(order: Order, previous: bytes, left: int, price: int, data: bytes) -> None:
    session = order[SESSION]
    session.events.append(
        (REPLACED, session.number, order[TOKEN], previous, order[NUMBER], order[SIDE], left, price, LIVE, order[DATA],
    data) )  # fmt: skip


# ------------------------------------------------------------------------------------------------- cancels
def cancel(session: Session, command: Command, time_ns: int) -> bool:
    """CANCEL: to a new intended total of the chain, 0 for all that is open."""
    order = session.live.get(command[2])
    if order is None:
        return False
    left = max(0, command[3] - order[DONE])
    if left >= order[OPEN]:
        return False
    if may_shrink(order, left):
        if left:
            trading.reduce(order, left, CANCEL_USER)
        else:
            trading.cancel(order, CANCEL_USER)
    return True


def modify(session: Session, command: Command, time_ns: int) -> bool:
    """MODIFY: another kind of sell side, a smaller total, or both. A total that leaves nothing open cancels."""
    _, _, token, side, quantity = command
    order = session.live.get(token)
    if order is None or (side == BUY) != (order[SIDE] == BUY):
        return False
    left = max(0, quantity - order[DONE])
    if left > order[OPEN] or (left == order[OPEN] and side == order[SIDE]):
        return False
    if left == order[OPEN] or may_shrink(order, left):
        if left:
            trading.modify(order, side, left)
        else:
            trading.cancel(order, CANCEL_USER)
    return True


def may_shrink(order: Order, left: int) -> bool:
    """Whether the phase lets an order have only `left` open now; if not, its owner is told what happens instead."""
    verdict = phases.may_cancel(order[BOOK].phase, order)
    if verdict == phases.YES:
        return True
    if verdict == phases.PENDING and not left:
        auction.cancel_later(order)
    else:
        session = order[SESSION]
        text = REJECT_REASONS[REJECT_TOO_LATE]
        session.events.append((CANCEL_REJECTED, session.number, order[TOKEN], REJECT_TOO_LATE, text))
    return False
