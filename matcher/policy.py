"""How a book trades beyond price and time, worked out from its properties when they change.

Invariant: a book's policy is None when every property that is about trading has its default; such a book may be plain.
A policy is never changed: a new one is made when a property changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openoutcry import wire

if TYPE_CHECKING:
    from openoutcry.matcher.allocation import Allocation
    from openoutcry.matcher.breakers import Bands
    from openoutcry.matcher.fees import Fees
    from openoutcry.matcher.ticks import TickTable

MODES = {name: mode for mode, name in wire.SELF_MATCH_MODES.items()}


class Policy:
    """What the properties of a book say, in the form that trading needs; None or 0 where nothing is asked for."""

    __slots__ = (
        "allocation", "bands", "collar", "fees", "market_protection", "min_quantity", "positions", "self_match",
        "self_match_by", "ticks",
    )  # fmt: skip

    def __init__(self) -> None:
        self.allocation: Allocation | None = None  # None: by time
        self.self_match: int = wire.SELF_MATCH_OFF
        self.self_match_by = "account"
        self.market_protection = 0
        self.min_quantity = 1
        self.bands: Bands | None = None
        self.collar = 0
        self.ticks: TickTable | None = None
        self.fees: Fees | None = None
        self.positions = False


def policy_of(properties: dict[str, Any]) -> Policy | None:
    """A book's policy. Raises VerbError for a property whose text does not mean anything (tick_table ...)."""
    from openoutcry.matcher.allocation import allocation_of
    from openoutcry.matcher.breakers import bands_of
    from openoutcry.matcher.fees import fees_of
    from openoutcry.matcher.ticks import ticks_of

    policy = Policy()
    policy.allocation = allocation_of(properties)
    policy.self_match = MODES[properties["self_match"]]
    policy.self_match_by = properties["self_match_by"]
    policy.market_protection = properties["market_protection"]
    policy.min_quantity = properties["min_quantity"]
    policy.bands = bands_of(properties)
    policy.collar = properties["price_collar"]
    policy.ticks = ticks_of(properties)
    policy.fees = fees_of(properties)
    policy.positions = properties["positions"]
    differs = (
        policy.min_quantity != 1 or policy.self_match != wire.SELF_MATCH_OFF or policy.market_protection
        or policy.collar or policy.positions or policy.allocation is not None or policy.bands is not None
        or policy.ticks is not None or policy.fees is not None
    )  # fmt: skip
    return policy if differs else None
