"""The other side of what trades with an order by hand, or by a policy: a desk of its engine.

Invariant: every match has two sides, and all that hangs on a match (positions, fees, the last trades, breaks) is as it
always is. The house has no order but for the moment of a match, and keeps no token of any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openoutcry.matcher import placing
from openoutcry.matcher.book import shown_of
from openoutcry.matcher.matching import trade
from openoutcry.matcher.orders import BOOK, LEVEL, OPEN, PRICE, SIDE, TERMS, Order
from openoutcry.matcher.terms import DARK, LIT, Terms
from openoutcry.wire import BUY, FOK, LIMIT, PRICE_MAX, RESTATED_REPLENISHED, SELL

if TYPE_CHECKING:
    from openoutcry.matcher.desk import Desk


def fill(house: Desk, order: Order, quantity: int, price: int) -> list[int]:
    """Execute so much of a live order against the house, wherever it waits; returns the numbers of the matches.

    One that has no place yet, since it has just been accepted, takes; any other adds. quantity: 1 to what is open.
    """
    if house.owner is None:
        house.begin_day()
    book = order[BOOK]
    placing.touch(book)
    matches = []
    quantity = min(quantity, order[OPEN])
    while quantity > 0 and 0 < price <= PRICE_MAX:
        part = min(quantity, shown_of(order)) if _lit(order) else quantity
        _match(house, order, part, price)
        matches.append(book.numbers.match)
        quantity -= part
    return matches


def _match(house: Desk, order: Order, quantity: int, price: int) -> None:
    """One match with the house."""
    book, terms = order[BOOK], order[TERMS]
    token = b"H%d" % (book.numbers.order + 1)
    side = SELL if order[SIDE] == BUY else BUY
    taking = order[LEVEL] is None and (terms is None or terms.where == LIT)
    waiting = Terms(LIMIT)
    waiting.where = DARK  # nobody has seen it
    contra = [quantity, price, side, 0, house, token, 0, FOK, 0, b"", book, None, waiting if taking else None]
    placing.accept(contra)
    if taking:
        trade(book, order, contra, quantity, price)
    else:
        trade(book, contra, order, quantity, price)
        _tidy(order)
    house.tokens.pop(token, None)


def _lit(order: Order) -> bool:
    """Whether the market sees an order, or a part of it."""
    terms = order[TERMS]
    return order[LEVEL] is not None and (terms is None or terms.where == LIT)


def _tidy(order: Order) -> None:
    """Take a waiting order that is used up out of its place; let an iceberg show its next part."""
    if not order[OPEN]:
        placing.kill(order)
        return
    terms = order[TERMS]
    if terms is not None:
        terms.minimum = min(terms.minimum, order[OPEN])
        if _lit(order) and not shown_of(order):
            placing.restate(order, order[PRICE], RESTATED_REPLENISHED)
