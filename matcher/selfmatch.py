"""Self-match prevention: orders of one owner do not trade with each other; which of them goes is a table.

Rule 1. The owner is the order's account, its session's firm, or its session (property ``self_match_by``). Nobody is of
        the same firm as a session without one.
Rule 2. The mode is the newer order's own (term ``self_match``), else the book's. The aggressor is the newer order.
Rule 3. It acts when the aggressor meets the other order, in place of the trade; there is no match number, and what goes
        counts as used up of the order's total (``order[DONE]``). It does not act in auctions.

Sources: FIX 2362 SelfMatchPreventionInstruction, CME Globex Self-Match Prevention, Nasdaq OUCH 4.2 (cancel reason Q)
and ICE's and Coinbase's "decrement and cancel".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from openoutcry.matcher.book import shown_of
from openoutcry.matcher.ledger import account_of
from openoutcry.matcher.orders import DONE, NUMBER, OPEN, SESSION, TERMS, TOKEN, Order
from openoutcry.matcher.terms import LIT
from openoutcry.wire import (
    ADDED_HIDDEN,
    ADDED_LIQUIDITY,
    CANCEL_SELF_MATCH,
    REDUCED,
    REMOVED_LIQUIDITY,
    SELF_MATCH,
    SELF_MATCH_BOTH,
    SELF_MATCH_DECREMENT,
    SELF_MATCH_NEWEST,
    SELF_MATCH_OFF,
    SELF_MATCH_OLDEST,
)

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book

# What goes of an order.
NOTHING: Final = 0
PREVENTED: Final = 1  # what would have traded
EVERYTHING: Final = 2

# Mode: what goes of the aggressor, what of the order that it meets.
GOES: Final[dict[int, tuple[int, int]]] = {
    SELF_MATCH_NEWEST: (EVERYTHING, NOTHING),
    SELF_MATCH_OLDEST: (NOTHING, EVERYTHING),
    SELF_MATCH_BOTH: (EVERYTHING, EVERYTHING),
    SELF_MATCH_DECREMENT: (PREVENTED, PREVENTED),
}


class Prevention:
    """What an aggressor may not meet, and what happens when it does."""

    __slots__ = ("by", "mode", "owner")

    def __init__(self, mode: int, by: str, owner: str | int) -> None:
        self.mode = mode
        self.by = by
        self.owner = owner

    def same(self, maker: Order) -> bool:
        """Whether `maker` is of the same owner."""
        return owner_of(maker, self.by) == self.owner

    def passes_over(self) -> bool:
        """Whether the aggressor goes on as it was when it has met an order of its owner."""
        return GOES[self.mode][0] == NOTHING


def owner_of(order: Order, by: str) -> str | int:
    """Whose order it is, as far as self-matches go; "" for nobody's."""
    session = order[SESSION]
    number: int = session.number
    if by == "session":
        return number
    firm: str = session.firm
    return firm if by == "firm" else account_of(order)


def prevention_of(book: Book, taker: Order) -> Prevention | None:
    """The rule for an aggressor, None when it may trade with everybody."""
    policy, terms = book.policy, taker[TERMS]
    mode = SELF_MATCH_OFF if policy is None else policy.self_match
    if terms is not None and terms.self_match is not None:
        mode = terms.self_match
    if mode == SELF_MATCH_OFF:
        return None
    # A book whose other properties have their defaults has no policy to look this up in.
    by: str = book.properties["self_match_by"] if policy is None else policy.self_match_by
    owner = owner_of(taker, by)
    return Prevention(mode, by, owner) if owner != "" else None


def prevent(book: Book, rule: Prevention, taker: Order, maker: Order, price: int) -> None:
    """An aggressor has met an order of its owner: take what goes out of either, and tell.

    Who calls takes a maker with nothing open out of its level, and lets an iceberg show its next part.
    """
    terms = maker[TERMS]
    lit = terms is None or terms.where == LIT
    shown: int = shown_of(maker) if lit else 0
    prevented: int = min(taker[OPEN], shown if lit else maker[OPEN])
    of_taker, of_maker = GOES[rule.mode]
    if of_taker != NOTHING:
        _use_up(taker, taker[OPEN] if of_taker == EVERYTHING else prevented, prevented, price, REMOVED_LIQUIDITY)
    if of_maker != NOTHING:
        gone = maker[OPEN] if of_maker == EVERYTHING else prevented
        less = shown if of_maker == EVERYTHING else prevented
        if lit and terms is not None:
            terms.shown = shown - less
        _use_up(maker, gone, prevented, price, ADDED_LIQUIDITY if lit else ADDED_HIDDEN)
        if lit:
            book.events.append((REDUCED, book.number, maker[NUMBER], less, shown - less))


def _use_up(order: Order, quantity: int, prevented: int, price: int, liquidity: int) -> None:
    """SELF_MATCH: `quantity` of an order is gone."""
    order[OPEN] -= quantity
    order[DONE] += quantity
    session = order[SESSION]
    session.events.append(
        (SELF_MATCH, session.number, order[TOKEN], quantity, prevented, price, liquidity, order[OPEN])
    )
    if not order[OPEN]:
        placing.finish(order, CANCEL_SELF_MATCH)


from openoutcry.matcher import placing  # noqa: E402  # they need what is above
