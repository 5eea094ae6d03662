"""A small living market: market makers and takers that trade over real OUCH and FIX sessions. The demo runs it.

Every participant is an agent (openoutcry.agents) with one session (openoutcry.market_lines). All of them share a fair
price per symbol that walks at random: makers keep quotes around it and move them by replacing orders, takers send
immediate-or-cancel orders, each for a reason of its own.

It is a process of its own (``python -m openoutcry.market``), so that nothing else delays it. On standard input it gets
one line of JSON that says where and how to trade (endpoints, symbols, logins, rate, seed), and trades until that
input ends; on standard output it says in lines of JSON what it has counted so far, the last line when all is settled.

Invariant: the tally is exact once ``settle`` has returned.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from openoutcry.agents.crowd import Crowd, Surroundings, Trader
from openoutcry.agents.prices import CENT, RandomWalk
from openoutcry.agents.strategies import MarketMaker, Momentum, Strategy, Value, ZeroIntelligence
from openoutcry.agents.tally import Histogram, Tally
from openoutcry.agents.views import Bounds
from openoutcry.market_lines import FixLine, Line, OuchLine

__all__ = ["Histogram", "Market", "Tally", "main"]

TELL_S: Final = 0.1  # between two tallies
STEP_NS: Final = 20_000_000  # between two steps of the prices: enough for ladders that move while one looks
BOUNDS: Final = Bounds(position=20_000)
MAKER: Final = MarketMaker(skew=3 * CENT, changes=1, restless=True)
STRATEGIES: Final[tuple[tuple[Strategy, int], ...]] = (  # and how many orders each sends for one of a taker
    (MAKER, 4), (MAKER, 4), (ZeroIntelligence(reach=3 * CENT, patience=0, cancels=0), 1), (Value(), 1), (Momentum(), 1),
)  # fmt: skip

Address = tuple[str, int]


class Market:
    """Two makers and three takers. Whoever trades over FIX says which version.

    ouch, fix: host and port of an endpoint each. logins: user, password and the FIX version, or "" for OUCH. rate:
    turns a second of all of them, about.
    """

    def __init__(
        self, ouch: Address, fix: Address, symbols: Sequence[str], logins: Sequence[tuple[str, str, str]], rate: float,
        seed: int,
    ) -> None:  # fmt: skip
        self.tally = Tally()
        random = Random(seed)
        starts = {symbol: CENT * random.randrange(5_000, 30_000) for symbol in symbols}
        prices = {
            s: RandomWalk(start, f"{seed}/{s}", every_ns=STEP_NS, low=1_000 * CENT) for s, start in starts.items()
        }
        surroundings = Surroundings(prices)
        shares = sum(share for _, share in STRATEGIES)
        traders = []
        for (user, password, version), (strategy, share) in zip(logins, STRATEGIES, strict=True):
            trader = Trader(user, strategy, rate * share / shares, surroundings, self.tally, seed, BOUNDS)
            trader.session.line = line_of(trader, ouch, fix, user, password, version)
            traders.append(trader)
        self.crowd = Crowd(traders, self.tally)


def line_of(trader: Trader, ouch: Address, fix: Address, user: str, password: str, version: str) -> Line:
    """A session for a trader: of that version of FIX, or OUCH ("")."""
    if version:
        return FixLine(trader.session, *fix, user, password, version)
    return OuchLine(trader.session, *ouch, user, password)


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
    order: dict[str, Any] = json.loads(await source.readline())
    market = Market(order["ouch"], order["fix"], order["symbols"], order["logins"], order["rate"], order["seed"])
    crowd = market.crowd
    await crowd.connect()
    stop = asyncio.Event()
    tasks = [asyncio.create_task(crowd.run(stop)), asyncio.create_task(_tell(market, stop))]
    began = time.monotonic()
    await source.read()  # until it ends
    stop.set()
    await asyncio.gather(*tasks)
    seconds = time.monotonic() - began
    settled = await crowd.settle(alone=True)
    await crowd.close()
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
