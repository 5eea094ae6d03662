"""What an order may say: its details, one by one, and the things that do not go together.

Rule 1. The first thing that is wrong is the answer, in the order: quantity, price, time in force, minimum quantity,
        combination. A refusal is a wire.REJECT reason with a text that names the rule and its limit.
Rule 2. Combinations are data: ``COMBINATIONS`` are pairs of things of which an order may have one, ``NEEDS`` are things
        that make no sense without another. Both are about ``FEATURES``, which say when an order has a thing.

Nothing here looks at the market or the book's phase: that is openoutcry.matcher.submit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from openoutcry.matcher.book import Book
from openoutcry.matcher.terms import Terms
from openoutcry.parameters import price_text
from openoutcry.wire import (
    AT_CLOSE,
    AT_OPEN,
    BUY,
    FOK,
    GOOD_FOR_AUCTION,
    GOOD_FOR_TIME,
    GTD,
    IOC,
    LIMIT,
    LIMIT_IF_TOUCHED,
    MARKET,
    MARKET_IF_TOUCHED,
    MARKET_TO_LIMIT,
    ORDER_TYPES,
    PEGGED,
    REJECT_MIN_QUANTITY,
    REJECT_ORDER_TYPE,
    REJECT_PRICE,
    REJECT_QUANTITY,
    REJECT_TIME_IN_FORCE,
    SECONDS_TO_LIVE_MAX,
    STOP,
    STOP_LIMIT,
)

Refusal = tuple[int, str]

SECOND_NS: Final = 1_000_000_000
IMMEDIATE: Final = frozenset((IOC, FOK))
AUCTION_ONLY: Final = frozenset((AT_OPEN, AT_CLOSE, GOOD_FOR_AUCTION))
UNPRICED: Final = frozenset((MARKET, MARKET_TO_LIMIT, STOP, MARKET_IF_TOUCHED))  # types whose price is 0
STOPS: Final = frozenset((STOP, STOP_LIMIT))
TRIGGERS: Final = STOPS | {MARKET_IF_TOUCHED, LIMIT_IF_TOUCHED}


# ------------------------------------------------------------------------------------------------- details
def flaw(
    book: Book, quantity: int, price: int, order_type: int, tif: int, expire: int, minimum: int, time_ns: int
) -> Refusal | None:
    """What is wrong with an order's own fields, None when nothing is."""
    text = wrong_quantity(book, quantity)
    if text:
        return REJECT_QUANTITY, text
    if order_type in UNPRICED:
        text = f"price: a {ORDER_TYPES[order_type]} order has none, so it must be 0" if price else ""
    elif price or order_type != PEGGED:
        text = wrong_price(book, price, "price")
    if text:
        return REJECT_PRICE, text
    if tif == GOOD_FOR_TIME and not 0 < expire <= SECONDS_TO_LIVE_MAX:
        return REJECT_TIME_IN_FORCE, f"expire: {expire} seconds to live are not 1 to {SECONDS_TO_LIVE_MAX}"
    if tif == GTD and expire <= time_ns:
        return REJECT_TIME_IN_FORCE, f"expire: {expire} ns since 1970 is not after now, {time_ns}"
    if minimum > quantity:
        return REJECT_MIN_QUANTITY, f"min_quantity: {minimum} is more than the order's {quantity}"
    return None


def wrong_quantity(book: Book, quantity: int) -> str:
    """What is wrong with a quantity, "" when nothing is."""
    least = book.policy.min_quantity if book.policy is not None else 1
    if quantity < least:
        return f"min_quantity: {quantity} is less than {least}"
    if quantity > book.max_quantity:
        return f"max_quantity: {quantity} is more than {book.max_quantity}"
    if quantity % book.lot_size:
        return f"lot_size: {quantity} is no multiple of {book.lot_size}"
    return ""


def wrong_price(book: Book, price: int, what: str) -> str:
    """What is wrong with a price, "" when nothing is. what: the field that it is."""
    if price <= 0:
        return f"{what}: it must be above 0"
    if price > book.max_price:
        return f"max_price: {what} {price_text(price)} is more than {price_text(book.max_price)}"
    ticks = book.policy.ticks if book.policy is not None else None
    if ticks is not None:
        if not ticks.valid(price):
            return f"tick_table: {what} {price_text(price)} is no multiple of {price_text(ticks.tick_at(price))}"
    elif price % book.tick_size:
        return f"tick_size: {what} {price_text(price)} is no multiple of {price_text(book.tick_size)}"
    return ""


def flaw_of_terms(book: Book, draft: Draft) -> Refusal | None:
    """What is wrong with an order's terms, each by itself and together, None when nothing is."""
    terms = draft.terms
    for what in ("stop_price", "take_profit", "stop_loss"):
        price = getattr(terms, what)
        text = wrong_price(book, price, what) if price else ""
        if text:
            return REJECT_PRICE, text
    if terms.minimum and terms.all_or_none:
        return REJECT_MIN_QUANTITY, f"all_or_none: a minimum quantity of {terms.minimum} says less"
    text = clash(draft)
    return (REJECT_ORDER_TYPE, text) if text else None


# ------------------------------------------------------------------------------------------------- combinations
class Draft(NamedTuple):
    """An order that is being judged."""

    terms: Terms
    tif: int
    side: int
    price: int

    @property
    def type(self) -> int:
        """Its order type."""
        return self.terms.order_type


FEATURES: Final[dict[str, Callable[[Draft], object]]] = {
    "market": lambda d: d.type in (MARKET, STOP, MARKET_IF_TOUCHED),
    "market-to-limit": lambda d: d.type == MARKET_TO_LIMIT,
    "stop or stop-limit": lambda d: d.type in STOPS,
    "trigger": lambda d: d.type in TRIGGERS,
    "pegged": lambda d: d.type == PEGGED,
    "immediate": lambda d: d.tif in IMMEDIATE,
    "auction only": lambda d: d.tif in AUCTION_ONLY,
    "limit or market": lambda d: d.type in (LIMIT, MARKET),
    "plain market": lambda d: d.type == MARKET,
    "account": lambda d: d.terms.account,
    "stop_price": lambda d: d.terms.stop_price,
    "trail_amount": lambda d: d.terms.trail_amount,
    "trail_percent": lambda d: d.terms.trail_percent,
    "stop_price or trail": lambda d: d.terms.stop_price or d.terms.trail_amount or d.terms.trail_percent,
    "protection": lambda d: d.terms.protection is not None,
    "display_quantity": lambda d: d.terms.display_quantity,
    "display_range": lambda d: d.terms.display_range,
    "larger display_quantity": lambda d: d.terms.display_range < d.terms.display_quantity,
    "hidden": lambda d: d.terms.hidden,
    "post_only": lambda d: d.terms.post_only,
    "all_or_none": lambda d: d.terms.all_or_none,
    "resting all_or_none": lambda d: d.terms.all_or_none and d.tif not in IMMEDIATE,
    "minimum quantity": lambda d: d.terms.minimum,
    "peg": lambda d: d.terms.peg,
    "peg_offset": lambda d: d.terms.peg_offset,
    "pair": lambda d: d.terms.pair,
    "take_profit": lambda d: d.terms.take_profit,
    "stop_loss": lambda d: d.terms.stop_loss,
    "reduce_only": lambda d: d.terms.reduce_only,
    "self_match": lambda d: d.terms.self_match is not None,
    "keep": lambda d: d.terms.keep,
    "take_profit on the winning side": lambda d: _on_side(d, d.terms.take_profit, d.price, True),
    "stop_loss on the losing side": lambda d: _on_side(d, d.terms.stop_loss, d.price, False),
    "stop_loss beyond take_profit": lambda d: _on_side(d, d.terms.stop_loss, d.terms.take_profit, False),
}


def _on_side(draft: Draft, price: int, of: int, winning: bool) -> bool:
    """Whether one price of a bracket is on its side of another; so if there is none to compare with."""
    if not price or not of:
        return True
    return price > of if (draft.side == BUY) == winning else price < of


# Two things of which an order may have one, and why.
COMBINATIONS: Final[tuple[tuple[str, str, str], ...]] = (
    ("trail_amount", "trail_percent", "a trailing stop has one distance"),
    ("immediate", "hidden", "it never rests"),
    ("immediate", "display_quantity", "it never rests"),
    ("immediate", "post_only", "it never rests, or always does"),
    ("immediate", "pegged", "it never rests"),
    ("market", "hidden", "it never rests, or as a limit order that all see"),
    ("market", "display_quantity", "it never rests, or as a limit order that all see"),
    ("market", "post_only", "it always takes"),
    ("market", "resting all_or_none", "it has no price to rest at"),
    ("market-to-limit", "hidden", "what is left of it is shown"),
    ("market-to-limit", "display_quantity", "what is left of it is shown"),
    ("market-to-limit", "post_only", "it always takes"),
    ("market-to-limit", "resting all_or_none", "it has no price to rest at"),
    ("hidden", "display_quantity", "nothing of it is shown"),
    ("post_only", "all_or_none", "conditions are for taking"),
    ("post_only", "minimum quantity", "conditions are for taking"),
    ("auction only", "minimum quantity", "auctions know no conditions"),
    ("auction only", "stop_price", "it waits for its auction alone"),
    ("auction only", "trail_amount", "it waits for its auction alone"),
    ("auction only", "trail_percent", "it waits for its auction alone"),
    ("auction only", "protection", "auctions have one price"),
    ("auction only", "display_quantity", "nothing of it is shown"),
    ("auction only", "display_range", "nothing of it is shown"),
    ("auction only", "hidden", "nothing of it is shown anyway"),
    ("auction only", "post_only", "nobody takes in an auction"),
    ("auction only", "all_or_none", "auctions know no conditions"),
    ("auction only", "peg", "it waits for its auction alone"),
    ("auction only", "peg_offset", "it waits for its auction alone"),
    ("auction only", "pair", "it waits for its auction alone"),
    ("auction only", "take_profit", "it waits for its auction alone"),
    ("auction only", "stop_loss", "it waits for its auction alone"),
    ("auction only", "reduce_only", "it waits for its auction alone"),
)

# A thing that makes no sense without another.
NEEDS: Final[tuple[tuple[str, str], ...]] = (
    ("trigger", "stop_price or trail"),
    ("stop_price", "trigger"),
    ("trail_amount", "stop or stop-limit"),
    ("trail_percent", "stop or stop-limit"),
    ("pegged", "peg"),
    ("peg", "pegged"),
    ("peg_offset", "peg"),
    ("protection", "plain market"),
    ("display_range", "larger display_quantity"),
    ("auction only", "limit or market"),
    ("take_profit", "limit or market"),
    ("stop_loss", "limit or market"),
    ("take_profit", "take_profit on the winning side"),
    ("stop_loss", "stop_loss on the losing side"),
    ("stop_loss", "stop_loss beyond take_profit"),
)


def clash(draft: Draft) -> str:
    """The first two things of an order that do not go together, as a text; "" when all do."""
    has = {name for name, feature in FEATURES.items() if feature(draft)}
    for one, other, why in COMBINATIONS:
        if one in has and other in has:
            return f"{one} and {other} do not go together: {why}"
    for one, other in NEEDS:
        if one in has and other not in has:
            return f"{one} needs {other}"
    return ""
