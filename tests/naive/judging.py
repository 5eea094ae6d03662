"""Whether an order is taken. Each function returns a REJECT reason, 0 for none; the first that fails is the answer."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from openoutcry import wire as w
from tests.naive.floor import Rules

COLLECTING = (
    w.PHASE_PRE_OPEN, w.PHASE_PRE_OPEN_NO_CANCEL, w.PHASE_OPENING_AUCTION, w.PHASE_VOLATILITY_AUCTION,
    w.PHASE_CLOSING_AUCTION,
)  # fmt: skip
NO_CANCEL = (w.PHASE_PRE_OPEN_NO_CANCEL, w.PHASE_OPENING_AUCTION)
BEFORE_THE_OPENING = (w.PHASE_PRE_OPEN, w.PHASE_PRE_OPEN_NO_CANCEL, w.PHASE_OPENING_AUCTION)
AUCTION_TIFS = (w.AT_OPEN, w.AT_CLOSE, w.GOOD_FOR_AUCTION)
IMMEDIATE_TIFS = (w.IOC, w.FOK)
TRIGGER_KINDS = (w.STOP, w.STOP_LIMIT, w.MARKET_IF_TOUCHED, w.LIMIT_IF_TOUCHED)
UNPRICED_KINDS = (w.MARKET, w.MARKET_TO_LIMIT, w.STOP, w.MARKET_IF_TOUCHED)
TRIGGER_TERMS = {w.TERM_STOP_PRICE, w.TERM_TRAIL_AMOUNT, w.TERM_TRAIL_PERCENT}
# The order types for which a term means something: what is replaced by another type loses it.
KINDS_OF_TERM = {
    w.TERM_STOP_PRICE: TRIGGER_KINDS,
    w.TERM_TRAIL_AMOUNT: (w.STOP, w.STOP_LIMIT),
    w.TERM_TRAIL_PERCENT: (w.STOP, w.STOP_LIMIT),
    w.TERM_PROTECTION: (w.MARKET,),
    w.TERM_PEG: (w.PEGGED,),
    w.TERM_PEG_OFFSET: (w.PEGGED,),
    w.TERM_TAKE_PROFIT: (w.LIMIT, w.MARKET),
    w.TERM_STOP_LOSS: (w.LIMIT, w.MARKET),
}


def phase_forbids(phase: int, tif: int) -> int:
    """Whether a phase takes new orders of that time in force."""
    if phase == w.PHASE_HALTED:
        return w.REJECT_HALTED
    if phase in (w.PHASE_CLOSED, w.PHASE_ENDED):
        return w.REJECT_CLOSED
    if phase == w.PHASE_POST_CLOSE:
        return 0 if tif in (w.GTC, w.GTD) else w.REJECT_PHASE
    if phase in COLLECTING and tif in IMMEDIATE_TIFS:
        return w.REJECT_PHASE
    if tif == w.AT_OPEN and phase not in BEFORE_THE_OPENING:
        return w.REJECT_PHASE
    return 0


def price_is_valid(rules: Rules, price: int) -> bool:
    return 0 < price <= rules.max_price and price % rules.tick_at(price) == 0


def details_forbid(
    rules: Rules, most: int, side: int, quantity: int, price: int, kind: int, tif: int, expire: int, minimum: int,
    terms: dict[int, Any], time_ns: int,
) -> int:  # fmt: skip
    """Whether an order's own fields make no sense: those of ENTER first, then its terms."""
    if not 0 < quantity <= most or quantity % rules.lot_size or quantity < rules.min_quantity:
        return w.REJECT_QUANTITY
    if price != 0 if kind in UNPRICED_KINDS else not price_is_valid(rules, price) and (price or kind != w.PEGGED):
        return w.REJECT_PRICE
    if tif == w.GOOD_FOR_TIME and not 1 <= expire <= 86_399:
        return w.REJECT_TIME_IN_FORCE
    if tif == w.GTD and expire <= time_ns:
        return w.REJECT_TIME_IN_FORCE
    if minimum > quantity:
        return w.REJECT_MIN_QUANTITY
    prices = [terms[term] for term in (w.TERM_STOP_PRICE, w.TERM_TAKE_PROFIT, w.TERM_STOP_LOSS) if term in terms]
    if not all(price_is_valid(rules, each) for each in prices):
        return w.REJECT_PRICE
    if minimum and w.TERM_ALL_OR_NONE in terms:
        return w.REJECT_MIN_QUANTITY
    wrong = terms_clash(kind, tif, minimum, terms) or bracket_is_wrong(side, price, terms)
    return w.REJECT_ORDER_TYPE if wrong else 0


def terms_clash(kind: int, tif: int, minimum: int, terms: dict[int, Any]) -> bool:
    """Whether two things do not go together."""
    given = set(terms)
    quiet = given & {w.TERM_HIDDEN, w.TERM_DISPLAY_QUANTITY, w.TERM_POST_ONLY}
    display, spread = terms.get(w.TERM_DISPLAY_QUANTITY, 0), terms.get(w.TERM_DISPLAY_RANGE, 0)
    return bool(
        (tif in IMMEDIATE_TIFS and quiet)
        or (kind in UNPRICED_KINDS and quiet)
        or (kind in UNPRICED_KINDS and w.TERM_ALL_OR_NONE in given and tif not in IMMEDIATE_TIFS)
        or (w.TERM_HIDDEN in given and display)
        or (spread and spread >= display)
        or (w.TERM_POST_ONLY in given and (minimum or w.TERM_ALL_OR_NONE in given))
        or {w.TERM_TRAIL_AMOUNT, w.TERM_TRAIL_PERCENT} <= given
        or (kind in TRIGGER_KINDS and not given & TRIGGER_TERMS)
        or any(term in given and kind not in kinds for term, kinds in KINDS_OF_TERM.items())
        or (kind == w.PEGGED and (w.TERM_PEG not in given or tif in IMMEDIATE_TIFS))
        or (tif in AUCTION_TIFS and kind not in (w.LIMIT, w.MARKET))
        or (tif in AUCTION_TIFS and minimum)
        or (tif in AUCTION_TIFS and given - {w.TERM_ACCOUNT, w.TERM_KEEP, w.TERM_SELF_MATCH})
    )


def bracket_is_wrong(side: int, price: int, terms: dict[int, Any]) -> bool:
    """A bracket takes its profit where the price is better than now, and its loss where it is worse."""
    ladder = [terms.get(w.TERM_STOP_LOSS, 0), price, terms.get(w.TERM_TAKE_PROFIT, 0)]
    if not ladder[0] and not ladder[2]:
        return False
    known = [each for each in (ladder if side == w.BUY else ladder[::-1]) if each]
    return any(one >= other for one, other in pairwise(known))
