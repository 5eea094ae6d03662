"""Where a symbol's price is, over time: what agents take for its worth when nobody else says.

    walk = RandomWalk(1_502_500, seed=7)
    walk.at(1_000_000_000)      # the price one second after the start

``Constant`` stands, or is set; ``RandomWalk`` and ``MeanReverting`` move by themselves; ``Replay`` plays rows of a file
(openoutcry.agents.pricefiles reads them); ``Board`` follows lines of text from outside, which
openoutcry.agents.pricefeeds brings. openoutcry.agents.pricewords makes any of them from a word of the command line.

Invariant: a price is an integer in 1e-4 of the currency, from LOW to HIGH, or 0 while there is none; and ``at`` depends
on the seed and on the time asked for alone, never on how often it was asked. Times are ns since the start, and do not
go back. Only ``Constant.set`` and ``Board.take`` change a price from outside.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from random import Random
from typing import Final

from openoutcry.errors import ClientError

UNIT: Final = 10_000  # prices are in 1e-4
CENT: Final = UNIT // 100
LOW: Final = 1
HIGH: Final = 199_999 * UNIT + 9_900  # the highest that OUCH can carry
SPEED_UNIT: Final = 100_000_000  # speeds are in 1e-8
EVERY_NS: Final = 100_000_000  # between two steps, unless told otherwise
LINE_MAX: Final = 1_000  # bytes of a line from outside: it has a symbol and two prices


def price_of(text: str, low: int = LOW) -> int:
    """Decimal text as a price, to the nearest 1e-4 (ties to even). Raises ClientError."""
    try:
        if len(text) > 40:
            raise InvalidOperation
        value = Decimal(text)
        if not value.is_finite() or not 0 <= value <= HIGH // UNIT + 1:
            raise InvalidOperation
        price = round(value * UNIT)
    except InvalidOperation:
        raise ClientError(f"{text[:40]!r} is not a price: a decimal number up to {price_text(HIGH)}") from None
    if not low <= price <= HIGH:
        raise ClientError(f"{text!r} is not a price: it must be from {price_text(low)} to {price_text(HIGH)}")
    return price


def price_text(price: int) -> str:
    """A price as decimal text."""
    return f"{price // UNIT}.{price % UNIT:04d}"


class Prices(ABC):
    """One symbol's price over time."""

    @abstractmethod
    def at(self, now_ns: int) -> int:
        """The price at a time; 0 while there is none."""

    def next_ns(self, now_ns: int) -> int | None:
        """When it may move by itself next, None for never."""
        return None

    def moves(self, after_ns: int, now_ns: int) -> int:
        """How often it may have moved after one time and up to another."""
        return 0


class Constant(Prices):
    """A price that stays as it is until it is set."""

    def __init__(self, price: int = 0) -> None:
        self._price = 0
        if price:
            self.set(price)

    def set(self, price: int) -> None:
        """From now on this. Raises ClientError."""
        if not LOW <= price <= HIGH:
            raise ClientError(f"a price of {price} (in 1e-4) is not from {LOW} to {HIGH}")
        self._price = price

    def at(self, now_ns: int) -> int:
        """The price that was set last."""
        return self._price


class _Stepping(Prices):
    """A price that makes a step every `every_ns`, and stays within `low` and `high`."""

    def __init__(self, start: int, seed: int | str, step: int, every_ns: int, low: int, high: int) -> None:
        if not LOW <= low <= start <= high <= HIGH or step < 0 or every_ns < 1:
            raise ClientError(f"a price that starts at {start}, from {low} to {high}, by {step} every {every_ns} ns")
        self.random = Random(f"prices/{seed}")
        self.step = step
        self._price = start
        self._every_ns = every_ns
        self._low = low
        self._high = high
        self._steps = 0

    def at(self, now_ns: int) -> int:
        """The price after all steps that are due."""
        due = now_ns // self._every_ns
        while self._steps < due:
            self._steps += 1
            self._price = min(max(self.move(self._price), self._low), self._high)
        return self._price

    def next_ns(self, now_ns: int) -> int | None:
        """The time of the next step."""
        return (now_ns // self._every_ns + 1) * self._every_ns

    @abstractmethod
    def move(self, price: int) -> int:
        """The price one step after `price`."""


class RandomWalk(_Stepping):
    """Up, down or stay, each as likely as the others.

    step: how far. every_ns: how often. low, high: where it turns back. seed: two walks with one seed are one.
    """

    def __init__(
        self, start: int, seed: int | str = 1, step: int = CENT, every_ns: int = EVERY_NS, low: int = CENT,
        high: int = HIGH,
    ) -> None:  # fmt: skip
        super().__init__(start, seed, step, every_ns, low, high)

    def move(self, price: int) -> int:
        """One step."""
        return price + self.step * (self.random.randrange(3) - 1)


class MeanReverting(_Stepping):
    """A walk that is pulled back to `mean`, each step by `pull` thousandths of the distance (at least 1e-4)."""

    def __init__(
        self, mean: int, seed: int | str = 1, step: int = CENT, every_ns: int = EVERY_NS, pull: int = 50,
        start: int = 0, low: int = CENT, high: int = HIGH,
    ) -> None:  # fmt: skip
        super().__init__(start or mean, seed, step, every_ns, low, high)
        if not 0 <= pull <= 1_000 or not low <= mean <= high:
            raise ClientError(f"a pull of {pull} thousandths to {mean}: from 0 to 1000, to a price within the limits")
        self.mean = mean
        self._pull = pull

    def move(self, price: int) -> int:
        """One step."""
        away = self.mean - price
        back = -(-abs(away) * self._pull // 1_000)
        return price + (back if away > 0 else -back) + self.step * (self.random.randrange(3) - 1)


class Replay(Prices):
    """Rows of (time in ns, price), played from the first one's time on.

    speed: in 1e-8, 2 * SPEED_UNIT is twice as fast. loop: begin again after the last row; else its price stays.
    """

    def __init__(self, rows: Iterable[tuple[int, int]], speed: int = SPEED_UNIT, loop: bool = False) -> None:
        from array import array

        self._times, self._prices = array("q"), array("q")
        for time_ns, price in rows:
            self._times.append(time_ns)
            self._prices.append(price)
        if not self._times:
            raise ClientError("there is nothing to replay: no row has a price of this symbol")
        if speed < 1:
            raise ClientError("the speed of a replay must be more than 0")
        self._speed = speed
        self._loop = loop

    @property
    def length_ns(self) -> int:
        """From the first row to the last, at the speed of the file."""
        return self._times[-1] - self._times[0]

    def at(self, now_ns: int) -> int:
        """The price of the last row that is due."""
        _, played = self._played(now_ns)
        return self._prices[bisect_right(self._times, self._times[0] + played) - 1]

    def next_ns(self, now_ns: int) -> int | None:
        """When the next row is due; None after the last one."""
        turn, played = self._played(now_ns)
        place = bisect_right(self._times, self._times[0] + played)
        if place == len(self._times):
            return None
        due = turn * self.length_ns + self._times[place] - self._times[0]
        return -(-due * SPEED_UNIT // self._speed)

    def moves(self, after_ns: int, now_ns: int) -> int:
        """How many rows lie between two times."""
        return self._count(now_ns) - self._count(after_ns)

    def _count(self, now_ns: int) -> int:
        """How many rows have been played by a time."""
        turn, played = self._played(now_ns)
        return turn * len(self._times) + bisect_right(self._times, self._times[0] + played)

    def _played(self, now_ns: int) -> tuple[int, int]:
        """How many times the whole was played by a time, and how much of it since."""
        played = now_ns * self._speed // SPEED_UNIT
        return divmod(played, self.length_ns) if self._loop and self.length_ns else (0, played)


class Board:
    """Prices that somebody else tells, a line of text each: ``AAPL 150.25``, ``AAPL 150.20 150.30`` (bid and ask, of
    which the middle is taken), or JSON: ``{"symbol": "AAPL", "price": "150.25"}``, or with "bid" and "ask".

    A line that is none of these changes nothing and is counted; so is one about another symbol.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self.prices = {symbol: Constant() for symbol in symbols}
        self.taken = self.refused = self.others = 0

    def take(self, line: bytes | str) -> bool:
        """One line; whether it told a price."""
        try:
            symbol, prices = _told(line)
            price = sum(price_of(text) for text in prices) // len(prices)
        except (ClientError, ValueError, KeyError, TypeError, RecursionError):
            self.refused += 1
            return False
        source = self.prices.get(symbol)
        if source is None:
            self.others += 1
            return False
        self.taken += 1
        source.set(price)
        return True


def _told(line: bytes | str) -> tuple[str, list[str]]:
    """Symbol, and one or two prices. Raises ValueError, KeyError, TypeError."""
    if len(line) > LINE_MAX:
        raise ValueError
    text = line.decode("ascii") if isinstance(line, bytes) else line
    if text.lstrip().startswith("{"):
        row = json.loads(text, parse_float=str, parse_int=str)
        return str(row["symbol"]), [str(row["price"])] if "price" in row else [str(row["bid"]), str(row["ask"])]
    symbol, *prices = text.split()
    if not 1 <= len(prices) <= 2:
        raise ValueError
    return symbol, prices
