"""Somebody who enters an order with any of its properties: a desk, by verbs, or a client, in its protocol's own words.

The orders of both are the same to everybody else. So a test says once what a property does to the clients that meet the
order (``shows_order``), and runs for each protocol with the desk as the maker, and with a client as the maker where the
protocol has words for the property. The rows "order ..." and "said ..." of tests.both_world.ROWS come of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import pytest

from tests.both_world import PROTOCOLS, SYMBOL, Floor, _register

Fields = dict[str, Any]
Test = TypeVar("Test", bound=Callable[..., Any])

ALWAYS: Final = ("side", "quantity", "price")  # every order says them
_NO_WORD: Final = "{} has no word for it: verbs do"
_FIX_TYPES: Final = {"market": "1", "limit": "2", "stop": "3", "stop-limit": "4", "market-if-touched": "J",
                     "market-to-limit": "K", "pegged": "P"}  # fmt: skip
_FIX_TIMES: Final = {"day": "0", "gtc": "1", "at-open": "2", "ioc": "3", "fok": "4", "system-hours": "5", "gtd": "6",
                     "at-close": "7", "good-for-auction": "9", "good-for-time": "A"}  # fmt: skip
_FIX_PEGS: Final = {"primary": 5, "market": 4, "midpoint": 2}
_OUCH_TIMES: Final[dict[str, Fields]] = {
    "day": {"time_in_force": 99_998}, "system-hours": {"time_in_force": 99_999}, "ioc": {"time_in_force": 0},
    "at-open": {"cross_type": "O"}, "at-close": {"cross_type": "C"}, "good-for-time": {},
}  # fmt: skip


# What a protocol says for a property of an order, by its value.
WORDS: Final[dict[str, dict[str, Callable[[Any], Fields]]]] = {
    "ouch": {
        "order_type": lambda value: {},  # market is a price; nothing else is needed here
        "time_in_force": lambda value: _OUCH_TIMES[value],
        "expire": lambda value: {"time_in_force": value},
        "minimum_quantity": lambda value: {"minimum_quantity": value},
        "hidden": lambda value: {"display": "N"},
        "post_only": lambda value: {"display": "P"},
        "peg": lambda value: {"display": "M"},
    },
    "fix": {
        "order_type": lambda value: {"OrdType": _FIX_TYPES[value]},
        "time_in_force": lambda value: {"TimeInForce": _FIX_TIMES[value]},
        "expire": lambda value: {"ExpireTime": datetime.fromtimestamp(value / 10**9, UTC)} if value > 10**9
                                else {"ExposureDuration": value},
        "minimum_quantity": lambda value: {"MinQty": value},
        "account": lambda value: {"Account": value},
        "stop_price": lambda value: {"StopPx": value},
        "trail_amount": lambda value: {"ExecInst": "a", "PegOffsetValue": value},
        "trail_percent": lambda value: {"ExecInst": "a", "PegOffsetValue": value, "PegOffsetType": 1},
        "display_quantity": lambda value: {"DisplayQty": value},
        "display_range": lambda value: {"DisplayMethod": 3, "DisplayLowQty": 20 - value, "DisplayHighQty": 20 + value},
        "hidden": lambda value: {"DisplayMethod": 4},
        "post_only": lambda value: {"ExecInst": "6"},
        "all_or_none": lambda value: {"ExecInst": "G"},
        "peg": lambda value: {"PegPriceType": _FIX_PEGS[value]},
        "peg_offset": lambda value: {"PegOffsetValue": value},
        "reduce_only": lambda value: {"PositionEffect": "C"},
        "self_match": lambda value: {"SelfMatchPreventionInstruction": 2 if value == "oldest" else 1},
    },
}  # fmt: skip


class Maker:
    """Enters orders; what becomes of them is for others to see."""

    name = "maker"

    def enter(self, side: str, quantity: int, price: str | None = None, **properties: Any) -> None:
        """Enter an order that must have been taken, if not accepted, when this returns."""
        raise AssertionError


class DeskMaker(Maker):
    """A desk: property by property."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.numbers = itertools.count(1)

    def enter(self, side: str, quantity: int, price: str | None = None, **properties: Any) -> None:
        draft = self.floor.exchange.create_order(f"d{next(self.numbers)}", self.floor.book, self.name)
        given = {"side": side, "quantity": quantity, **({} if price is None else {"price": price}), **properties}
        draft.set(**given).submit()


class ClientMaker(Maker):
    """A client, in its own words. FIX: in the newest version, which has the most."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        endpoint = floor.endpoint("makers", "fix50sp2" if floor.is_fix else "ouch42")
        self.client = floor.client(self.name, endpoint)

    def enter(self, side: str, quantity: int, price: str | None = None, **properties: Any) -> None:
        words: Fields = {}
        for name, value in properties.items():
            words.update(WORDS[self.floor.protocol][name](value))
        entry = self.client.buy if side == "buy" else self.client.sell
        entry(SYMBOL, quantity, price, **words)
        self.floor.ping(self.client)


def shows_order(*names: str, desk_only: str = "") -> Callable[[Test], Test]:
    """The test shows these properties of a maker's order to clients. desk_only: why no client can be the maker."""

    def register(test: Test) -> Test:
        cases = []
        where = f"{test.__module__}.{test.__name__}"
        for protocol in PROTOCOLS:
            speaks = not desk_only and all(name in ALWAYS or name in WORDS[protocol] for name in names)
            cases += [(protocol, "desk"), *([(protocol, "client")] if speaks else [])]
            for name in names:
                _register(f"order {name}", protocol, where, "")
                word = "" if speaks else desk_only or _NO_WORD.format(protocol.upper())
                _register(f"said {name}", protocol, where, word)
        marked: Test = pytest.mark.parametrize(("protocol", "maker_kind"), cases)(test)
        return marked

    return register


@pytest.fixture
def maker(floor: Floor, maker_kind: str) -> Iterator[Maker]:
    """Who enters the order."""
    yield DeskMaker(floor) if maker_kind == "desk" else ClientMaker(floor)
