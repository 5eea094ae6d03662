"""What executions cost: per share and in millionths of the value, for who adds liquidity and for who removes it.

Rule 1. An amount is worked out exactly, in integers, from both parts together, and rounded once, to the nearest 1e-8 of
        the currency, halves away from zero; so a rebate is rounded as the fee of the same size is.
Rule 2. The one who removes liquidity (in an auction both sides) pays the taker's rate, the other the maker's. A firm
        with rates of its own (``Guard.set_fee``) has those instead of the book's, in every book of the engine.
Rule 3. FEE comes to the taker first, then to the maker; in an auction to the buyer, then to the seller. No FEE of 0.

Value is price x quantity x multiplier, and a quantity of 1 is ``10 ** -quantity_decimals`` shares: both are the book's
properties. An amount that the bus cannot carry (beyond 9.2e10 of the currency) is cut to the most that it can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from openoutcry.matcher.orders import SESSION, TOKEN, Order
from openoutcry.wire import FEE, UINT63_MAX

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.sessions import Session

PPM: Final = 1_000_000


class Rate(NamedTuple):
    """per_share: in 1e-8; ppm: in 1e-6 of the value; multiplier, decimals: the book's, when the rate was applied."""

    per_share: int
    ppm: int
    multiplier: int = 1
    decimals: int = 0

    def amount(self, quantity: int, price: int) -> int:
        """The fee of one execution in 1e-8 of the currency, below 0 for a rebate (Rule 1)."""
        exact = quantity * (self.per_share * PPM + self.ppm * price * self.multiplier)
        unit: int = PPM * 10**self.decimals
        rounded = (2 * abs(exact) + unit) // (2 * unit)
        rounded = min(rounded, UINT63_MAX)
        return rounded if exact >= 0 else -rounded


class Fees:
    """The rates of a book, or of a firm."""

    __slots__ = ("maker", "taker")

    def __init__(self, maker: Rate, taker: Rate) -> None:
        self.maker = maker
        self.taker = taker


def fees_of(properties: dict[str, Any]) -> Fees | None:
    """The rates of a book, None when it charges nothing."""
    multiplier, decimals = properties["multiplier"], properties["quantity_decimals"]
    maker = Rate(properties["maker_fee"], properties["maker_fee_ppm"], multiplier, decimals)
    taker = Rate(properties["taker_fee"], properties["taker_fee_ppm"], multiplier, decimals)
    if any((maker.per_share, maker.ppm, taker.per_share, taker.ppm)):
        return Fees(maker, taker)
    return None


def rate_of(book: Book, session: Session, adding: bool) -> Rate | None:
    """What a session pays per share and of the value for adding or removing liquidity in a book, None for nothing."""
    guard = session.endpoint.engine.guard
    own = guard.fees.get(session.firm) if guard is not None and guard.fees else None
    if own is not None:
        properties = book.properties
        rate: Rate = own.maker if adding else own.taker
        return rate._replace(multiplier=properties["multiplier"], decimals=properties["quantity_decimals"])
    policy = book.policy
    if policy is None or policy.fees is None:
        return None
    return policy.fees.maker if adding else policy.fees.taker


def charge(order: Order, rate: Rate | None, quantity: int, price: int, match: int) -> int:
    """Tell the owner of an order what its execution costs; returns the amount."""
    if rate is None:
        return 0
    amount = rate.amount(quantity, price)
    if amount:
        session = order[SESSION]
        session.events.append((FEE, session.number, order[TOKEN], match, amount))
    return amount
