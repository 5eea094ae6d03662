"""Agents together: whose turn it is, what each sees then, and what becomes of what it wants.

    crowd = Crowd(surroundings, traders)
    await crowd.connect()
    await crowd.run(stop)           # on the clock of the loop; or step by step, on any clock: crowd.step(crowd.next_ns)
    await crowd.settle()
    await crowd.close()

Invariant: who acts when, and the prices, depend on the seed alone. What an agent wants then depends on that and on what
the exchange has answered by then; so against an exchange that answers at once every run with one seed is alike, order
for order, and against one on a network the times are.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from heapq import heapify, heapreplace
from random import Random
from typing import Final

from openoutcry.agents.arrivals import NEVER, SECOND_NS, Hawkes
from openoutcry.agents.prices import Prices
from openoutcry.agents.sessions import WAITING_MAX, Session
from openoutcry.agents.strategies import Strategy
from openoutcry.agents.tally import Tally
from openoutcry.agents.views import Bounds, View, allowed

TICK_S: Final = 0.001  # between two looks at whose turn it is
LATE_NS: Final = SECOND_NS // 10  # turns older than that are passed over: after a pause there is no flood
SAMPLE_NS: Final = SECOND_NS // 10  # between two prices of a history
SAMPLES: Final = 20  # of a history
POLL_S: Final = 0.02
BOUNDS: Final = Bounds()

Top = tuple[int, int]  # best bid and ask, 0 where there is none


def no_top(symbol: str) -> Top:
    """Nobody tells the best prices."""
    return 0, 0


class Surroundings:
    """What all agents see: the worth of each symbol, and its market.

    prices: by symbol. top: best prices of the market by symbol.
    """

    def __init__(self, prices: Mapping[str, Prices], top: Callable[[str], Top] = no_top) -> None:
        self.prices = dict(prices)
        self.top = top
        self._last: dict[str, int] = {}
        self._history: dict[str, deque[int]] = {symbol: deque(maxlen=SAMPLES) for symbol in self.prices}
        self._sample_at = dict.fromkeys(self.prices, 0)

    def traded(self, symbol: str, price: int) -> None:
        """An agent has traded: the others see the price."""
        self._last[symbol] = price

    def look(self, symbol: str, now_ns: int) -> View:
        """A symbol now, without what is an agent's own."""
        fair = self.prices[symbol].at(now_ns)
        bid, ask = self.top(symbol)
        market = (bid + ask) // 2 if bid and ask else self._last.get(symbol) or fair
        history = self._history[symbol]
        seen = (*history, market)
        if now_ns >= self._sample_at[symbol]:
            history.append(market)
            self._sample_at[symbol] = (now_ns // SAMPLE_NS + 1) * SAMPLE_NS
        return View(now_ns, symbol, fair, bid, ask, history=seen)


class Trader:
    """One agent: a strategy, its turns, its bounds and its session.

    name: tells it from others with the same seed. arrivals: when it acts. symbols: one of them each time, at random.
    """

    def __init__(
        self, name: str, strategy: Strategy, rate: float, surroundings: Surroundings, tally: Tally, seed: int | str = 1,
        bounds: Bounds = BOUNDS, clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:  # fmt: skip
        self.name = name
        self.strategy = strategy
        self.surroundings = surroundings
        self.symbols = tuple(surroundings.prices)
        self.bounds = bounds
        self.arrivals = Hawkes(rate, Random(f"{seed}/{name}/arrivals"))
        self.random = Random(f"{seed}/{name}")
        self.session = Session(tally, surroundings.traded, clock_ns)

    def act(self, now_ns: int) -> None:
        """One turn."""
        session = self.session
        symbol = self.random.choice(self.symbols)
        if len(session.waiting) > WAITING_MAX:
            return
        view = self.surroundings.look(symbol, now_ns)
        if not view.fair:
            return  # nobody has told its price yet
        view = view._replace(
            position=session.positions.get(symbol, 0), limit=self.bounds.position, open=session.open(symbol)
        )
        for intent in allowed(view, self.strategy.decide(view, self.random), self.bounds):
            session.send(symbol, intent)


class Crowd:
    """All traders, on one clock."""

    def __init__(self, traders: Sequence[Trader], tally: Tally) -> None:
        self.traders = list(traders)
        self.tally = tally
        self._turns = [(trader.arrivals.next_ns(), number) for number, trader in enumerate(self.traders)]
        heapify(self._turns)

    @property
    def next_ns(self) -> int:
        """When the next turn is, in ns since the start; arrivals.NEVER when there is none."""
        return self._turns[0][0] if self._turns else NEVER

    async def step(self, now_ns: int) -> int:
        """Every turn that is due, in the order of their times; returns how many there were."""
        count = 0
        while self.next_ns <= now_ns and self.next_ns != NEVER:
            due_ns, number = self._turns[0]
            trader = self.traders[number]
            heapreplace(self._turns, (trader.arrivals.next_ns(), number))
            if due_ns > now_ns - LATE_NS:
                trader.act(due_ns)
                count += 1
        if count:
            await self._flush()
        return count

    async def _flush(self) -> None:
        for trader in self.traders:
            await trader.session.flush()

    async def connect(self) -> None:
        """Log everyone in. Raises ClientError."""
        for trader in self.traders:
            await trader.session.line.connect()

    async def run(self, stop: asyncio.Event, poll: Callable[[], object] = lambda: None) -> None:
        """Trade until `stop`. poll: called before each look at whose turn it is. Raises ClientError."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not stop.is_set():
            await asyncio.sleep(TICK_S)
            poll()
            await self.step(int((loop.time() - began) * SECOND_NS))

    async def settle(self, alone: bool = False, timeout: float = 10.0) -> bool:
        """Wait until every order is answered; False when that takes too long.

        alone: nobody else trades, so that every trade has both its sides here: wait until they are.
        """
        for trader in self.traders:
            trader.session.settle(trader.symbols[0])
        await self._flush()

        def settled() -> bool:
            odd = alone and self.tally.executions % 2
            return not odd and not any(trader.session.waiting for trader in self.traders)

        return await self._until(settled, timeout)

    async def cancel(self, timeout: float = 10.0) -> bool:
        """Take all orders out, after ``settle``; False when that takes too long."""
        for trader in self.traders:
            trader.session.cancel_all()
        await self._flush()
        return await self._until(lambda: all(trader.session.is_flat for trader in self.traders), timeout)

    async def _until(self, done: Callable[[], bool], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not done():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def close(self) -> None:
        """Log everyone out."""
        for trader in self.traders:
            await trader.session.line.close()
