"""ASK: how an order is, for its owner. It changes nothing and is answered in every phase.

Rule. ``ahead`` is what would be executed before the order if all at its price came to be: of lit orders before it what
      they show, since the rest of an iceberg queues behind it; for a dark order all that is lit at its price, and the
      dark orders before it. It is 0 for an order that waits elsewhere.
"""

from __future__ import annotations

from typing import Any

from openoutcry.matcher.book import shown_of
from openoutcry.matcher.orders import BOOK, DONE, LEVEL, NUMBER, OPEN, PRICE, SIDE, TERMS, TOKEN, Order
from openoutcry.matcher.sessions import Session
from openoutcry.matcher.terms import DARK
from openoutcry.wire import BUY, ORDER_STATUS


def ask(session: Session, command: tuple[Any, ...], time_ns: int) -> bool:
    """ASK."""
    order = session.live.get(command[2])
    session.events.append(
        (ORDER_STATUS, session.number, command[2], 0, BUY, 0, 0, 0, 0)
        if order is None
        else (ORDER_STATUS, session.number, order[TOKEN], order[NUMBER], order[SIDE], order[PRICE], order[OPEN],
              order[DONE], ahead_of(order))
    )  # fmt: skip
    return True


def ahead_of(order: Order) -> int:
    """See the module."""
    level = order[LEVEL]
    if level is None:
        return 0
    dark = order[TERMS] is not None and order[TERMS].where == DARK
    ahead = 0
    if dark:
        book = order[BOOK]
        lit = (book.bids if order[SIDE] == BUY else book.asks).levels.get(order[PRICE])
        if lit is not None:
            ahead = sum(each[OPEN] for each in lit.queue)
    for each in level.queue:
        if each is order:
            break
        ahead += each[OPEN] if dark else shown_of(each)
    return ahead
