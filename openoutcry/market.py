"""A small living market: market makers and takers that trade over real OUCH sessions. The demo runs it.

Every participant is one OUCH session. All of them share a fair price per symbol that walks at random (seeded): makers
keep quotes around it and move them with Replace Order, takers send immediate-or-cancel orders through it.

It is a process of its own (``python -m openoutcry.market``), so that nothing else delays it. On standard input it gets
one line of JSON that says where and how to trade (host, port, symbols, logins, rate, seed), and trades until that
input ends; on standard output it says in lines of JSON what it has counted so far, the last line when all is settled.

Invariant: a participant knows of each of its orders what the exchange has said, and nothing else; the tally is exact
once ``settle`` has returned.
"""

from __future__ import annotations

import asyncio
import json
import signal
import struct
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from openoutcry.clients.ouch import AsyncOuchClient, enter_order, replace_order

TICK_S: Final = 0.001  # between the orders of one participant and those of the next: they do not all act at once
TELL_S: Final = 0.1  # between two tallies
CENT: Final = 100  # in OUCH's units of 1e-4
WAITING_MAX: Final = 64  # orders of a participant without an answer: beyond, it skips its turn
_EXECUTED: Final = struct.Struct(">I")

Order = tuple[bytes, bytes, bytes]  # its token, the token that it replaces or b"", the message


class Histogram:
    """Counts of times, to 3 %: 32 steps in each power of two, so that days of latencies take no more room."""

    STEPS: Final = 32

    def __init__(self) -> None:
        self.count = 0
        self._counts: dict[int, int] = {}

    def add(self, ns: int) -> None:
        """Count one time, in ns."""
        shift = max(0, ns.bit_length() - 6)
        value = (ns >> shift) << shift
        self._counts[value] = self._counts.get(value, 0) + 1
        self.count += 1

    def percentile_us(self, percent: float) -> float:
        """The time that `percent` of all stay within, in microseconds; 0 when there are none."""
        left = self.count * percent / 100
        for value in sorted(self._counts):
            left -= self._counts[value]
            if left <= 0:
                return value / 1e3
        return 0.0


class Tally:
    """What the participants have counted together."""

    def __init__(self) -> None:
        self.orders = 0
        self.rejected = 0
        self.executions = 0  # one for each side of a trade
        self.executed_shares = 0  # likewise
        self.latencies = Histogram()

    def as_dict(self) -> dict[str, Any]:
        """Orders, trades and latencies (order to acknowledgement) so far."""
        return {
            "orders": self.orders,
            "trades": self.executions // 2,
            "executed_quantity": self.executed_shares // 2,
            "rejected": self.rejected,
            "rtt_us": {name: self.latencies.percentile_us(share) for name, share in (("p50", 50), ("p99", 99))},
        }


class FairPrices:
    """One price per symbol, walking at random by cents, in units of 1e-4."""

    def __init__(self, symbols: Sequence[str], random: Random) -> None:
        self._random = random
        self.prices = {symbol: CENT * random.randrange(5_000, 30_000) for symbol in symbols}

    def walk(self) -> None:
        """One step of every price."""
        for symbol, price in self.prices.items():
            step = self._random.choice((-1, 0, 0, 0, 0, 1)) * CENT
            self.prices[symbol] = min(max(price + step, 1_000 * CENT), 100_000 * CENT)


class Quote:
    """One resting order of a maker, and what it has executed since it was entered (OUCH counts the whole chain)."""

    __slots__ = ("done", "left", "token")

    def __init__(self) -> None:
        self.token = ""
        self.left = 0
        self.done = 0


class Participant(ABC):
    """One OUCH session that sends orders when asked to, and keeps count of the answers."""

    def __init__(
        self, host: str, port: int, user: str, password: str, prices: FairPrices, seed: int, tally: Tally
    ) -> None:
        self.user = user
        self.prices = prices
        self.random = Random(seed)
        self.tally = tally
        self.waiting: dict[bytes, tuple[int, bytes]] = {}  # token -> when it was sent (ns), the token it replaces
        self.client = AsyncOuchClient(host, port, user, password, on_messages=self._on_messages)

    def act(self, count: int) -> None:
        """Send about `count` orders with one write."""
        if len(self.waiting) > WAITING_MAX:
            return
        orders = [self.next_order() for _ in range(count)]
        self._send(orders)

    def flush(self) -> None:
        """Send an order that cannot trade: its answer settles all that went before it."""
        token = self.client.new_token()
        symbol = next(iter(self.prices.prices))
        order = token.encode(), b"", enter_order(token, "B", 1, symbol, "0.0100", time_in_force=0)
        self._send([order])

    def _send(self, orders: list[Order]) -> None:
        now = time.perf_counter_ns()
        for token, previous, _ in orders:
            self.waiting[token.ljust(14)] = (now, previous.ljust(14))
        self.tally.orders += len(orders)
        self.client.send_raw(*(data for _, _, data in orders))

    @abstractmethod
    def next_order(self) -> Order:
        """The next order."""

    def executed(self, token: bytes, shares: int) -> None:
        """Called for each Executed."""
        return  # a taker's orders are gone once they are answered

    def gone(self, token: bytes, shares: int) -> None:
        """Called for each Canceled: `shares` are no longer open."""
        return  # a taker's orders are gone once they are answered

    def _on_messages(self, first: int, messages: list[bytes]) -> None:
        now = time.perf_counter_ns()
        for raw in messages:
            kind, token = raw[:1], raw[9:23]
            if kind in b"AUJ":
                self._answered(token, now)
                if kind == b"J":
                    self.tally.rejected += 1
                    self.gone(token, 0)
            elif kind == b"E":
                shares = _EXECUTED.unpack_from(raw, 23)[0]
                self.tally.executions += 1
                self.tally.executed_shares += shares
                self.executed(token, shares)
            elif kind == b"C":
                self.gone(token, _EXECUTED.unpack_from(raw, 23)[0])

    def _answered(self, token: bytes, now: int) -> None:
        """Orders are answered in the order of sending; those passed over were ignored (OUCH 4.2, replace outcome a)."""
        while token in self.waiting:
            oldest = next(iter(self.waiting))
            sent, previous = self.waiting.pop(oldest)
            self.forget(previous)
            if oldest == token:
                self.tally.latencies.add(now - sent)
            else:
                self.gone(oldest, 0)

    def forget(self, token: bytes) -> None:
        """Called when the order that was to take the place of `token` has been answered."""
        return  # a taker's orders are gone once they are answered


class Maker(Participant):
    """Keeps `levels` quotes a side in every symbol, each some cents further from the fair price."""

    LEVELS: Final = 5

    def __init__(
        self, host: str, port: int, user: str, password: str, prices: FairPrices, seed: int, tally: Tally
    ) -> None:
        super().__init__(host, port, user, password, prices, seed, tally)
        levels = range(self.LEVELS)
        self._slots = [(symbol, side, level) for symbol in prices.prices for side in "BS" for level in levels]
        self._quotes = {slot: Quote() for slot in self._slots}
        self._by_token: dict[bytes, Quote] = {}

    def next_order(self) -> Order:
        """Move one quote, or make it anew when it is gone."""
        slot = self.random.choice(self._slots)
        symbol, side, level = slot
        quote = self._quotes[slot]
        away = (1 + level + self.random.randrange(2)) * CENT
        units = self.prices.prices[symbol] + (-away if side == "B" else away)
        price = f"{units // 10_000}.{units % 10_000:04d}"
        shares = 100 * self.random.randrange(1, 10)
        token, previous = self.client.new_token(), quote.token
        if quote.left > 0:
            data = replace_order(previous, token, quote.done + shares, price)
        else:
            quote.done = 0
            data = enter_order(token, side, shares, symbol, price)
        quote.token, quote.left = token, shares
        self._by_token[token.encode().ljust(14)] = quote
        return token.encode(), previous.encode(), data

    def forget(self, token: bytes) -> None:
        """Fills of the order before count for the quote until its successor is answered."""
        self._by_token.pop(token, None)

    def executed(self, token: bytes, shares: int) -> None:
        """A fill makes the quote smaller."""
        quote = self._by_token.get(token)
        if quote is not None:
            quote.left -= shares
            quote.done += shares

    def gone(self, token: bytes, shares: int) -> None:
        """A quote that was cancelled or rejected is entered anew next time."""
        quote = self._by_token.get(token)
        if quote is not None and quote.token.encode().ljust(14) == token:
            quote.left = 0


class Taker(Participant):
    """Sends immediate-or-cancel orders that reach some cents through the fair price."""

    def next_order(self) -> Order:
        """One marketable order."""
        symbol = self.random.choice(list(self.prices.prices))
        side = self.random.choice("BS")
        reach = self.random.randrange(1, 4) * CENT
        units = self.prices.prices[symbol] + (reach if side == "B" else -reach)
        token = self.client.new_token()
        price = f"{units // 10_000}.{units % 10_000:04d}"
        shares = 10 * self.random.randrange(1, 60)
        return token.encode(), b"", enter_order(token, side, shares, symbol, price, time_in_force=0)


class Market:
    """Two makers and three takers on one endpoint."""

    def __init__(
        self, host: str, port: int, symbols: Sequence[str], logins: Sequence[tuple[str, str]], seed: int
    ) -> None:
        self.tally = Tally()
        self.prices = FairPrices(symbols, Random(seed))
        self.participants: list[Participant] = []
        for number, (user, password) in enumerate(logins):
            kind = Maker if number < 2 else Taker
            self.participants.append(kind(host, port, user, password, self.prices, seed + number, self.tally))

    async def connect(self) -> None:
        """Log everyone in. Raises ClientError."""
        for participant in self.participants:
            await participant.client.connect()

    async def trade(self, rate: float, stop: asyncio.Event) -> None:
        """Send about `rate` orders a second until `stop`, in turns. Makers send four times as much as takers."""
        loop = asyncio.get_running_loop()
        shares = [4 if isinstance(one, Maker) else 1 for one in self.participants]
        owed = [0.0] * len(self.participants)
        acted = [loop.time()] * len(self.participants)
        index = 0
        while not stop.is_set():
            await asyncio.sleep(TICK_S)
            now = loop.time()
            owed[index] += min(now - acted[index], 0.1) * rate * shares[index] / sum(shares)
            acted[index] = now
            count, owed[index] = int(owed[index]), owed[index] % 1
            if count:
                self.participants[index].act(count)
            index = (index + 1) % len(self.participants)
            if not index:
                self.prices.walk()

    async def settle(self, timeout: float = 10.0) -> bool:
        """Wait until every order is answered, also by what follows an answer; False when that takes too long."""
        deadline = time.monotonic() + timeout
        for participant in self.participants:
            participant.flush()
        while any(participant.waiting for participant in self.participants) or self.tally.executions % 2:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    async def close(self) -> None:
        """Log everyone out."""
        for participant in self.participants:
            await participant.client.close()


async def _input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _tell(market: Market, stop: asyncio.Event) -> None:
    while not stop.is_set():
        print(json.dumps(market.tally.as_dict()), flush=True)
        try:
            await asyncio.wait_for(stop.wait(), TELL_S)
        except TimeoutError:
            continue


async def _run() -> None:
    source = await _input()
    order = json.loads(await source.readline())
    market = Market(order["host"], order["port"], order["symbols"], order["logins"], order["seed"])
    await market.connect()
    stop = asyncio.Event()
    tasks = [asyncio.create_task(market.trade(order["rate"], stop)), asyncio.create_task(_tell(market, stop))]
    began = time.monotonic()
    await source.read()  # until it ends
    stop.set()
    await asyncio.gather(*tasks)
    seconds = time.monotonic() - began
    settled = await market.settle()
    await market.close()
    print(json.dumps({**market.tally.as_dict(), "seconds": seconds, "all_answered": settled}), flush=True)


def main() -> None:
    """Be the market's process. Signals are for the process that started it: it ends this one's input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        import uvloop

        uvloop.run(_run())
    except ImportError:
        asyncio.run(_run())


if __name__ == "__main__":
    main()
