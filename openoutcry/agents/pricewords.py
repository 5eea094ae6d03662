"""Prices by a word of the command line: ``walk:150.25,step=0.01,every_ms=100``.

Invariant: a word is judged whole before anything is opened; what is wrong with it is a VerbError that says what would
be right (openoutcry.parameters). KINDS is the table, for the help and for docs/agents.md as well.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from openoutcry.agents import pricefeeds, pricefiles
from openoutcry.agents.prices import (
    CENT,
    HIGH,
    SPEED_UNIT,
    UNIT,
    Board,
    Constant,
    MeanReverting,
    Prices,
    RandomWalk,
    Replay,
)
from openoutcry.errors import VerbError
from openoutcry.parameters import REQUIRED, Parameter, convert

_PRICE: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
MS_NS: Final = 1_000_000
_FINE: Final = 100_000_000 // UNIT  # openoutcry.parameters has prices in 1e-8
_HOUR_MS: Final = 3_600_000


def _price(name: str, meaning: str, default: Any) -> Parameter:
    return Parameter(name, "price", meaning, default, 0, HIGH * _FINE)


_STEPS: Final = (
    _price("step", "how far a step goes", CENT * _FINE),
    Parameter("every_ms", "int", "milliseconds between two steps", 100, 1, _HOUR_MS),
    _price("low", "it does not fall below", CENT * _FINE),
    _price("high", "it does not rise above", HIGH * _FINE),
)  # fmt: skip
_WHERE: Final = Parameter("where", "text", "file or address", REQUIRED, 1, 4_096)
KINDS: Final[dict[str, tuple[str, tuple[Parameter, ...]]]] = {
    "constant": ("stays as it is", (_price("price", "the price", REQUIRED),)),
    "walk": ("moves at random", (_price("price", "where it starts", REQUIRED), *_STEPS)),
    "revert": ("moves at random, and is pulled back",
               (_price("price", "where it starts, and is pulled back to", REQUIRED), *_STEPS,
                Parameter("pull", "int", "thousandths of the distance, each step", 50, 0, 1_000))),
    "replay": ("plays a file of trades or quotes, CSV or Parquet",
               (_WHERE, Parameter("speed", "price", "2 is twice as fast", SPEED_UNIT, 1, 1_000_000 * SPEED_UNIT),
                Parameter("loop", "bool", "begin again after the last row", False))),
    "zmq": ("follows the publisher at an address, tcp://127.0.0.1:5555", (_WHERE,)),
    "stdin": ("follows lines of standard input", ()),
}  # fmt: skip


class Feed(Protocol):
    """What brings prices from outside."""

    board: Board
    ended: threading.Event  # nothing will come any more

    def poll(self) -> int:
        """Take what is there."""

    def close(self) -> None:
        """Leave it."""


Wanted = tuple[str, dict[str, Any]]  # kind, arguments by name


def parse(word: str) -> Wanted:
    """Kind and arguments of a word; a price alone is constant. Raises VerbError."""
    kind, _, rest = word.partition(":") if not _PRICE.fullmatch(word) else ("constant", "", word)
    if kind not in KINDS:
        raise VerbError("bad_argument", "prices", f"prices {word!r}: the kind must be one of {', '.join(KINDS)}")
    table = KINDS[kind][1]
    known = {p.name: p for p in table}
    given: dict[str, Any] = {}
    for number, piece in enumerate(rest.split(",") if rest else ()):
        name, equals, value = piece.partition("=")
        if number == 0 and table and not (equals and name in known):
            name, value = table[0].name, piece
        if name not in known or name in given:
            names = ", ".join(known) or "none"
            raise VerbError("bad_argument", "prices", f"prices {word!r}: {piece!r} is not one of its values: {names}")
        given[name] = convert(known[name], value, f"prices {kind}")
    for p in table:
        if p.required and p.name not in given:
            raise VerbError("bad_argument", "prices", f"prices {word!r}: {p.name} is missing ({p.meaning})")
    return kind, {p.name: given.get(p.name, p.default) for p in table}


class PriceSet:
    """The prices of several symbols, and the feeds that bring some of them. To be closed."""

    def __init__(self, wanted: Mapping[str, Wanted], seed: int = 1) -> None:
        self.prices: dict[str, Prices] = {}
        self.feeds: list[Feed] = []
        followed: dict[tuple[str, str], list[str]] = {}
        try:
            for symbol, (kind, values) in wanted.items():
                if kind in ("zmq", "stdin"):
                    followed.setdefault((kind, values.get("where", "")), []).append(symbol)
                else:
                    self.prices[symbol] = _make(kind, values, symbol, seed)
            for (kind, where), symbols in followed.items():
                self._follow(kind, where, symbols)
        except BaseException:
            self.close()
            raise

    def _follow(self, kind: str, where: str, symbols: Sequence[str]) -> None:
        board = Board(symbols)
        self.feeds.append(feed(kind, where, board))
        self.prices.update(board.prices)

    def poll(self) -> None:
        """Take what the feeds have."""
        for feed in self.feeds:
            feed.poll()

    def close(self) -> None:
        """Close the feeds."""
        for feed in self.feeds:
            feed.close()


def feed(kind: str, where: str, board: Board) -> Feed:
    """What fills a board from outside. Raises ClientError."""
    return pricefeeds.ZmqPrices(where, board) if kind == "zmq" else pricefeeds.LinePrices(sys.stdin.buffer, board)


def _make(kind: str, values: dict[str, Any], symbol: str, seed: int) -> Prices:
    if kind == "constant":
        return Constant(values["price"] // _FINE)
    if kind == "replay":
        return Replay(pricefiles.read_rows(values["where"], symbol), values["speed"], values["loop"])
    price, step, low, high = (values[name] // _FINE for name in ("price", "step", "low", "high"))
    every_ns, own = values["every_ms"] * MS_NS, f"{seed}/{symbol}"
    if kind == "walk":
        return RandomWalk(price, own, step, every_ns, max(low, 1), high)
    return MeanReverting(price, own, step, every_ns, values["pull"], 0, max(low, 1), high)
