"""What each trading phase allows: entry by order type and time in force, cancels, changes, and matching.

Rule 1. ``RULES`` is the whole truth: one row a phase, read with the functions below and nowhere spelled out again.
Rule 2. In a collecting phase orders are accepted and rest without matching, so the lit sides may be crossed; the cross
        that ends the collecting (``Rule.cross``) is owed from then on (openoutcry.matcher.auction).
Rule 3. An order that is only for one auction is taken until that auction is over: AT_OPEN in the phases that end with
        the opening cross, AT_CLOSE in all that come before the closing one, GOOD_FOR_AUCTION in all of these.
Rule 4. Where the auction is near (LOCKED, CALL_LOCKED) an order of the call room is cancelled after the cross, if
        anything is left of it (CANCEL_PENDING); other orders are free (CALL_LOCKED), or cannot be cancelled (LOCKED).

After trading, `halted` and `closed` take cancels alone, `post_close` also orders for the days after, which wait.
Sources: Nasdaq's crosses (OUCH 4.2, Cancel Pending and Cancel Reject), Xetra's pre-trading, call and post-trading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from openoutcry.matcher.orders import TERMS, Order
from openoutcry.matcher.terms import CALL
from openoutcry.wire import (
    AT_OPEN,
    CROSS_CLOSING,
    CROSS_HALT,
    CROSS_OPENING,
    FOK,
    GTC,
    GTD,
    IOC,
    ORDER_TYPES,
    PHASE_CLOSED,
    PHASE_CLOSING_AUCTION,
    PHASE_ENDED,
    PHASE_HALTED,
    PHASE_OPEN,
    PHASE_OPENING_AUCTION,
    PHASE_POST_CLOSE,
    PHASE_PRE_OPEN,
    PHASE_PRE_OPEN_NO_CANCEL,
    PHASE_VOLATILITY_AUCTION,
    REJECT_CLOSED,
    REJECT_HALTED,
    REJECT_PHASE,
    REJECT_TOO_LATE,
    TIMES_IN_FORCE,
)

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book

# How a phase matches.
CONTINUOUS: Final = 1
COLLECT: Final = 2  # orders rest without matching
NOTHING: Final = 3

# How a phase takes cancels.
FREE: Final = 1
CALL_LOCKED: Final = 2  # free, but for the orders of the call room, which are cancelled after the cross
LOCKED: Final = 3  # the orders of the call room are cancelled after the cross, no other order at all
NEVER: Final = 4

# What may_cancel answers.
YES: Final = "yes"
PENDING: Final = "pending"  # after the cross
NO: Final = "no"

ANY_TYPE: Final = frozenset(ORDER_TYPES)
NO_TYPE: Final[frozenset[int]] = frozenset()
ALL: Final = frozenset(TIMES_IN_FORCE)
RESTING: Final = ALL - {IOC, FOK}
OVERNIGHT: Final = frozenset((GTC, GTD))
NONE: Final[frozenset[int]] = frozenset()


class Rule(NamedTuple):
    """One phase. entry, types: the times in force and order types taken; refusal: the REJECT reason of all others.

    amend: the REJECT reason of every replacement, 0 when they are taken. cross: the auction that orders are collected
    for, 0 for none.
    """

    matching: int
    entry: frozenset[int]
    types: frozenset[int]
    refusal: int
    cancel: int
    amend: int
    cross: int


RULES: Final[dict[int, Rule]] = {
    PHASE_OPEN: Rule(CONTINUOUS, ALL - {AT_OPEN}, ANY_TYPE, REJECT_PHASE, FREE, 0, 0),
    PHASE_HALTED: Rule(NOTHING, NONE, NO_TYPE, REJECT_HALTED, FREE, REJECT_HALTED, 0),
    PHASE_CLOSED: Rule(NOTHING, NONE, NO_TYPE, REJECT_CLOSED, FREE, REJECT_CLOSED, 0),
    PHASE_ENDED: Rule(NOTHING, NONE, NO_TYPE, REJECT_CLOSED, NEVER, REJECT_CLOSED, 0),
    PHASE_PRE_OPEN: Rule(COLLECT, RESTING, ANY_TYPE, REJECT_PHASE, FREE, 0, CROSS_OPENING),
    PHASE_PRE_OPEN_NO_CANCEL: Rule(COLLECT, RESTING, ANY_TYPE, REJECT_PHASE, LOCKED, REJECT_TOO_LATE, CROSS_OPENING),
    PHASE_OPENING_AUCTION: Rule(COLLECT, RESTING, ANY_TYPE, REJECT_PHASE, LOCKED, REJECT_TOO_LATE, CROSS_OPENING),
    PHASE_VOLATILITY_AUCTION: Rule(COLLECT, RESTING - {AT_OPEN}, ANY_TYPE, REJECT_PHASE, FREE, 0, CROSS_HALT),
    PHASE_CLOSING_AUCTION: Rule(COLLECT, RESTING - {AT_OPEN}, ANY_TYPE, REJECT_PHASE, CALL_LOCKED, 0, CROSS_CLOSING),
    PHASE_POST_CLOSE: Rule(COLLECT, OVERNIGHT, ANY_TYPE, REJECT_PHASE, FREE, REJECT_PHASE, 0),
}  # fmt: skip

COLLECTING: Final = frozenset(phase for phase, rule in RULES.items() if rule.cross)  # they end with a cross


def continuous(book: Book) -> bool:
    """Whether orders of a book meet each other now: never in one whose engine waits for a hand."""
    home = book.home
    return RULES[book.phase].matching == CONTINUOUS and (home is None or not home.by_hand)


def may_enter(phase: int, order_type: int, tif: int) -> int:
    """Why an order of this type and time in force cannot be taken: a REJECT reason, 0 when it can."""
    rule = RULES[phase]
    return 0 if tif in rule.entry and order_type in rule.types else rule.refusal


def may_cancel(phase: int, order: Order) -> str:
    """Whether a live order can be cancelled, in part or whole: YES, PENDING (whole, after the cross) or NO."""
    how = RULES[phase].cancel
    if how == FREE:
        return YES
    if how == NEVER:
        return NO
    if _in_call(order):
        return PENDING
    return NO if how == LOCKED else YES


def may_amend(phase: int, order: Order | None = None) -> int:
    """Why a live order cannot be replaced: a REJECT reason, 0 when it can. Without `order`: any but the call room's."""
    rule = RULES[phase]
    if rule.cancel == CALL_LOCKED and order is not None and _in_call(order):
        return REJECT_TOO_LATE
    return rule.amend


def _in_call(order: Order) -> bool:
    return order[TERMS] is not None and order[TERMS].where == CALL
