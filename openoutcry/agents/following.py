"""A book's price follows a source: a file of trades or quotes at a speed, a stream from outside, a walk of one's own.

    source = source_of("replay:trades.csv,speed=10", "AAPL")      # or a Path, rows, a Prices
    follower = Follower(source, lambda price: control.set_price("aapl", price))
    follower.run(stop)                                            # until `stop` is set, or the source has ended

What follows is ``set_price`` (openoutcry.matcher.pricing): market-maker policies quote around that. ``Following`` is
the same in a thread of its own, which ``Exchange.prices`` returns.

Invariant: every price that a source has is set in its order, as soon as its time has come; when the exchange takes them
more slowly than they come, the newest one is set and those in between are counted (``passed_over``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from openoutcry.agents import pricefiles, pricewords
from openoutcry.agents.prices import SPEED_UNIT, Board, Prices, Replay, price_of, price_text
from openoutcry.errors import ClientError, OpenOutcryError, VerbError

LOOK_S: Final = 0.002  # between two looks at a stream from outside
LONGEST_S: Final = 0.25  # wait for the next price: how late the end of somebody's patience is noticed
SECOND_NS: Final = 1_000_000_000
SPEED_MAX: Final = 1_000_000

Rows = Iterable[tuple[int | str | Decimal | float, str | int | Decimal]]  # seconds and price
What = str | Path | Prices | Rows


@dataclass
class Source:
    """Prices, and the feeds that bring them, if they come from outside. To be closed."""

    prices: Prices
    feeds: list[pricewords.Feed] = field(default_factory=list)

    def next_ns(self, now_ns: int) -> int | None:
        """When there may be another price; None: when somebody tells one."""
        return self.prices.next_ns(now_ns)

    def poll(self) -> None:
        """Take what the feeds have."""
        for feed in self.feeds:
            feed.poll()

    @property
    def has_ended(self) -> bool:
        """Whether no feed will bring anything any more."""
        return bool(self.feeds) and all(feed.ended.is_set() for feed in self.feeds)

    def close(self) -> None:
        """Close the feeds."""
        for feed in self.feeds:
            feed.close()


class Ticker(Board):
    """A board of one symbol, whose lines may leave it out: ``150.25``."""

    def __init__(self, symbol: str) -> None:
        super().__init__((symbol,))
        self._symbol = symbol

    def take(self, line: bytes | str) -> bool:
        """See Board."""
        words = line.split()
        if len(words) == 1 and words[0][:1] not in ("{", b"{"):
            word = words[0].decode("ascii", "replace") if isinstance(words[0], bytes) else words[0]
            return super().take(f"{self._symbol} {word}")
        return super().take(line)


def source_of(
    what: What, symbol: str, speed: int | str | Decimal | float = 1, loop: bool = False, seed: int = 1
) -> Source:
    """The source that is meant: a word (openoutcry.agents.pricewords), a file, rows, or prices as they are.

    speed, loop: of files and rows. Raises VerbError, ClientError.
    """
    if isinstance(what, Prices):
        return Source(what)
    if isinstance(what, str):
        kind, values = pricewords.parse(what)
        if kind in ("zmq", "stdin"):
            return Source(*_followed(kind, values, symbol))
        with_words = pricewords.PriceSet({symbol: (kind, values)}, seed)
        return Source(with_words.prices[symbol])
    rows = pricefiles.read_rows(what, symbol) if isinstance(what, Path) else _rows(what)
    return Source(Replay(rows, _speed(speed), loop))


def _followed(kind: str, values: dict[str, Any], symbol: str) -> tuple[Prices, list[pricewords.Feed]]:
    board = Ticker(symbol)
    return board.prices[symbol], [pricewords.feed(kind, values.get("where", ""), board)]


def _speed(speed: int | str | Decimal | float) -> int:
    try:
        units = int(Decimal(str(speed)) * SPEED_UNIT)
        if not 1 <= units <= SPEED_MAX * SPEED_UNIT:
            raise InvalidOperation
    except (InvalidOperation, ValueError, OverflowError):
        text = f"speed is {speed!r}, it must be a number above 0, at most {SPEED_MAX}"
        raise VerbError("bad_argument", "speed", text) from None
    return units


def _rows(rows: Rows) -> Iterable[tuple[int, int]]:
    """Rows of seconds and price as Replay wants them. Raises ClientError."""
    last = None
    for number, row in enumerate(rows, 1):
        try:
            when, price = row
            time_ns = int(Decimal(str(when)) * SECOND_NS)
        except (ValueError, TypeError, ArithmeticError):
            raise ClientError(f"row {number} is {row!r}, it must be seconds and a price") from None
        if last is not None and time_ns < last:
            raise ClientError(f"row {number}: its time is before that of the row above")
        last = time_ns
        yield time_ns, price_of(str(price))


class Follower:
    """Sets prices as they come. set_price: takes decimal text. count: how many were set; price: the newest, or ""."""

    def __init__(self, source: Source, set_price: Callable[[str], object]) -> None:
        self.source = source
        self.count = self.passed_over = 0
        self.price = ""
        self._set_price = set_price
        self._last = 0
        self._seen_ns = self._told = 0

    def run(self, stop: threading.Event, tell: Callable[[], None] | None = None) -> None:
        """Follow until `stop` is set or the source has ended. tell: called about ten times a second or more often.

        Raises what `set_price` does.
        """
        began = time.monotonic_ns()
        while not stop.is_set():
            ended = self.source.has_ended  # before the look, so that the last price is not missed
            self.source.poll()
            now_ns = time.monotonic_ns() - began
            self.look(now_ns)
            if tell is not None:
                tell()
            next_ns = self.source.next_ns(now_ns)
            if ended or (next_ns is None and not self.source.feeds):
                return
            if self.source.feeds:
                stop.wait(LOOK_S)
            elif next_ns is not None:
                stop.wait(min(max(0.0, (next_ns + began - time.monotonic_ns()) / SECOND_NS), LONGEST_S))

    def look(self, now_ns: int) -> None:
        """Set the price of a time, ns since the start, if it is another one."""
        told = sum(feed.board.taken for feed in self.source.feeds)
        moves = self.source.prices.moves(self._seen_ns, now_ns) + told - self._told
        self.passed_over += max(0, moves - 1)
        self._seen_ns, self._told = now_ns, told
        price = self.source.prices.at(now_ns)
        if price and price != self._last:
            self._last, self.price = price, price_text(price)
            self._set_price(self.price)
            self.count += 1


class Following:
    """A Follower in a thread of its own; a context manager. ``wait`` for its end, or ``close`` it."""

    def __init__(self, follower: Follower, let_go: Callable[[], None]) -> None:
        self.follower = follower
        self._let_go = let_go  # called by the thread, at its end
        self._stop = threading.Event()
        self._error: OpenOutcryError | None = None
        self._thread = threading.Thread(target=self._run, name="prices", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.follower.run(self._stop)
        except OpenOutcryError as error:
            self._error = error
        finally:
            self.follower.source.close()
            self._let_go()

    @property
    def running(self) -> bool:
        """Whether there may be another price."""
        return self._thread.is_alive()

    @property
    def count(self) -> int:
        """How many prices were set."""
        return self.follower.count

    @property
    def price(self) -> str:
        """The newest one, "" before the first."""
        return self.follower.price

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the source has ended; returns how many prices were set.

        Raises ClientError when it has not by then, and what went wrong with setting a price.
        """
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise ClientError(f"the prices have not ended after {timeout} s: {self.count} were set")
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return self.count

    def close(self) -> None:
        """Follow no more; safe to call twice."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Following:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is None and self._error is not None:
            error, self._error = self._error, None
            raise error
