"""What a client needs to trade at all, made when it is not there; and how an exchange is emptied.

Invariant: after ``clear`` nothing is listed any more: engines take their desks, limits, fees and drafts with them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from openoutcry.exchange import Exchange
    from openoutcry.handles import Endpoint

ENGINE: Final = "main"
BOOK: Final = "aapl"
SYMBOL: Final = "AAPL"
FAMILIES: Final = ("ouch", "fix")  # how the protocols of endpoints begin, and the names of those made here
_OURS: Final = re.compile(r"(ouch|fix)[0-9]*(?:sp[0-9])?")  # others are somebody's own, and may be of either


def speaks(endpoint: Endpoint, protocol: str) -> bool:
    """Whether a client of that protocol's family may find what it expects there."""
    found = _OURS.fullmatch(endpoint.protocol)
    return found is None or protocol.startswith(found[1])


def port(exchange: Exchange, protocol: str) -> Endpoint:
    """The first endpoint of the protocol's family; made when there is none, with an engine and a book if need be."""
    family = next(name for name in FAMILIES if protocol.startswith(name))
    for row in exchange.list("endpoints"):
        if row["protocol"].startswith(family):
            return exchange.endpoint(row["name"])
    return exchange.create_endpoint(family, engine(exchange), protocol)


def engine(exchange: Exchange) -> str:
    """The first engine; made when there is none, with a book."""
    for row in exchange.list("engines"):
        return str(row["name"])
    exchange.create_engine(ENGINE)
    exchange.create_book(BOOK, ENGINE, SYMBOL)
    return ENGINE


def clear(exchange: Exchange) -> None:
    """Delete everything, in the order in which it depends on each other."""
    for row in exchange.list("users"):
        exchange.delete_user(row["name"])
    for row in exchange.list("endpoints"):
        exchange.delete_endpoint(row["name"])
    for row in exchange.list("books"):
        exchange.delete_book(row["name"])
    for row in exchange.list("engines"):
        exchange.delete_engine(row["name"])
