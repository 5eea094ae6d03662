"""``openoutcry agents``: agents trade on a running exchange until they are stopped, and sum up.

``run`` is the whole of it: join (openoutcry.agents.joining), trade (openoutcry.agents.crowd), show a line a second,
take the orders out, sum up. Exit code 0 when every order was answered, and, unless they were to stay, taken out.

Invariant: however it ends, everyone is logged out and the users that were made are deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from openoutcry.agents.arrivals import ACTIVITY
from openoutcry.agents.crowd import Crowd, Surroundings, Trader
from openoutcry.agents.joining import Place
from openoutcry.agents.prices import UNIT
from openoutcry.agents.pricewords import PriceSet, Wanted, parse
from openoutcry.agents.strategies import STRATEGIES, make
from openoutcry.agents.tally import Tally
from openoutcry.agents.views import Bounds
from openoutcry.clients.control import ControlClient
from openoutcry.clients.marketdata import MarketDataClient
from openoutcry.errors import ClientError, OpenOutcryError, VerbError
from openoutcry.market_lines import FixLine, OuchLine

AGENTS_MAX: Final = 500  # sessions of one process: more are better spread over several
LINE_S: Final = 1.0
FEED_S: Final = 2.0  # to wait for a symbol's book; without it agents go by their prices alone
START: Final = 100 * UNIT  # a symbol that nobody has traded
_FINE: Final = 100_000_000 // UNIT  # the feed has prices in 1e-8


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. agents: how many of each kind. prices: words, each for all symbols or SYMBOL=word."""

    directory: str
    endpoints: Sequence[str] = ()
    symbols: Sequence[str] = ()
    agents: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(STRATEGIES, 1))
    activity: str = "slow"
    prices: Sequence[str] = ()
    position: int = 10_000
    seed: int = 1
    duration: float | None = None
    keep: bool = False
    timeout: float = 10.0  # of a control verb
    json: bool = False


def kinds(text: str) -> dict[str, int]:
    """How many of each: ``maker=2,zero`` is two makers and one of zero intelligence. Raises VerbError."""
    found: dict[str, int] = {}
    for piece in text.split(","):
        kind, _, number = piece.partition("=")
        if kind not in STRATEGIES or (number and not (number.isdecimal() and len(number) < 6)):
            raise VerbError("bad_argument", "agents", f"agents {text!r}: {piece!r} is not one of "
                                                      f"{', '.join(STRATEGIES)}, with =NUMBER or without")  # fmt: skip
        found[kind] = found.get(kind, 0) + int(number or 1)
    if not 1 <= sum(found.values()) <= AGENTS_MAX:
        raise VerbError("bad_argument", "agents", f"agents {text!r}: that must be 1 to {AGENTS_MAX} in all")
    return found


def wanted_prices(words: Sequence[str], symbols: Sequence[str]) -> dict[str, Wanted]:
    """What each symbol follows, as far as the words say so. Raises VerbError."""
    found: dict[str, Wanted] = {}
    for word in words:
        symbol, equals, rest = word.partition("=")
        if equals and symbol in symbols:
            found[symbol] = parse(rest)
        else:
            wanted = parse(word)
            found |= {symbol: wanted for symbol in symbols if symbol not in found}
    return found


class Tops:
    """Best prices by the exchange's feed; none when it does not serve."""

    def __init__(self, directory: str, symbols: Sequence[str]) -> None:
        self._feed: MarketDataClient | None = None
        try:
            self._feed = MarketDataClient.from_directory(directory, channels=("bbo",))
            for symbol in symbols:
                self._feed.subscribe(symbol)
                self._feed.wait_live(symbol, FEED_S)
        except OpenOutcryError as error:
            print(f"agents go by their prices alone: {error}", file=sys.stderr)
            self.close()

    def poll(self) -> None:
        """Take what has come."""
        if self._feed is not None:
            self._feed.poll(0)

    def of(self, symbol: str) -> tuple[int, int]:
        """Best bid and ask, 0 where there is none."""
        if self._feed is None or not self._feed.is_live(symbol):
            return 0, 0
        bbo = self._feed.book(symbol).bbo
        return bbo.bid_price // _FINE, bbo.ask_price // _FINE

    def start(self, symbol: str, tick: int) -> int:
        """A price to begin with: the middle of the market, or of one side of it, or START."""
        known = [price for price in self.of(symbol) if price]
        return max(tick, (sum(known) // len(known) if known else START) // tick * tick)

    def close(self) -> None:
        """Close the feed."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None


def run(options: Options) -> int:
    """Trade; returns the exit code. Raises VerbError, ClientError, ClusterError."""
    with contextlib.ExitStack() as stack:
        control = stack.enter_context(ControlClient(options.directory, options.timeout))
        place = Place(control, options.endpoints, options.symbols)
        wanted = wanted_prices(options.prices, place.symbols)
        tops = stack.enter_context(contextlib.closing(Tops(options.directory, place.symbols)))
        for symbol in place.symbols:
            start = tops.start(symbol, place.tick) * _FINE
            wanted.setdefault(symbol, parse(f"walk:{start // 10**8}.{start % 10**8:08d}"))
        prices = stack.enter_context(contextlib.closing(PriceSet(wanted, options.seed)))
        stack.callback(place.leave)
        summary = asyncio.run(_Run(options, place, prices, tops).run())
    print(json.dumps(summary) if options.json else describe(summary))
    return 0 if summary["all_answered"] and (options.keep or not summary["open_orders"]) else 1


class _Run:
    def __init__(self, options: Options, place: Place, prices: PriceSet, tops: Tops) -> None:
        self.options = options
        self.place = place
        self.prices = prices
        self.tops = tops
        self.tally = Tally()
        self.stop = asyncio.Event()
        self.began = 0.0
        self.crowd = self._crowd()

    def _crowd(self) -> Crowd:
        options, tick = self.options, self.place.tick
        surroundings = Surroundings(self.prices.prices, self.tops.of)
        names = [(kind, f"{kind}{n}") for kind, count in options.agents.items() for n in range(1, count + 1)]
        rate, bounds = ACTIVITY[options.activity], Bounds(options.position, tick=tick)
        traders = []
        for (kind, name), login in zip(names, self.place.join(len(names)), strict=True):
            trader = Trader(name, make(kind, tick), rate, surroundings, self.tally, options.seed, bounds)
            where = (trader.session, login.host, login.port, login.user, login.password)
            trader.session.line = FixLine(*where, login.version) if login.version else OuchLine(*where)
            traders.append(trader)
        return Crowd(traders, self.tally)

    async def run(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop.set)
        crowd = self.crowd
        try:
            await crowd.connect()
            self.began = time.monotonic()
            if self.options.duration is not None:
                loop.call_later(self.options.duration, self.stop.set)
            showing = asyncio.create_task(self._show())
            try:
                await crowd.run(self.stop, self._poll)
            finally:
                showing.cancel()
            return await self._sum_up()
        finally:
            with contextlib.suppress(ClientError):
                await crowd.close()

    def _poll(self) -> None:
        self.prices.poll()
        self.tops.poll()

    async def _show(self) -> None:
        out = sys.stderr if self.options.json else sys.stdout
        place = self.place
        where = ", ".join(f"{row['name']} ({row['protocol']})" for row in place.endpoints)
        print(f"{len(self.crowd.traders)} agents trade {', '.join(place.symbols)} over {where}; Ctrl-C ends it",
              file=out, flush=True)  # fmt: skip
        while True:
            await asyncio.sleep(LINE_S)
            tally, tops = self.tally, []
            for symbol in place.symbols[:4]:
                bid, ask = self.tops.of(symbol)
                tops.append(f"{symbol} {_shown(bid)}/{_shown(ask)}")
            print(f"{time.monotonic() - self.began:6.1f} s  {tally.orders:,} orders, {tally.rejected:,} rejected, "
                  f"{tally.executions:,} executions  {'  '.join(tops)}", file=out, flush=True)  # fmt: skip

    async def _sum_up(self) -> dict[str, Any]:
        tally, crowd = self.tally, self.crowd
        seconds = time.monotonic() - self.began
        orders = tally.orders
        answered = await crowd.settle()
        if not self.options.keep:
            await crowd.cancel()
        sessions = {trader.name: trader.session for trader in crowd.traders}
        return {
            "orders": orders,
            "cancels": tally.cancels,
            "rejected": tally.rejected,
            "executions": tally.executions,
            "executed_quantity": tally.executed_shares,
            "orders_per_second": round(orders / seconds, 1),
            "rtt_us": tally.rtt_us(),
            "seconds": round(seconds, 3),
            "all_answered": answered,
            "open_orders": sum(len(s.open(symbol)) for s in sessions.values() for symbol in self.place.symbols),
            "positions": {name: dict(sorted(session.positions.items())) for name, session in sessions.items()},
        }


def _shown(price: int) -> str:
    return f"{price // UNIT}.{price % UNIT // 100:02d}" if price else "-"


def describe(summary: Mapping[str, Any]) -> str:
    """The summary for people."""
    rtt = summary["rtt_us"]
    lines = [
        f"{summary['orders']:,} orders ({summary['orders_per_second']:,.0f}/s), {summary['cancels']:,} cancels, "
        f"{summary['rejected']:,} rejected; {summary['executions']:,} executions of "
        f"{summary['executed_quantity']:,} shares in {summary['seconds']:.1f} s",
        f"order to acknowledgement p50 {rtt['p50']:.0f} us, p99 {rtt['p99']:.0f} us",
    ]
    lines += [f"{name:<12} {'  '.join(f'{s} {n:+,}' for s, n in row.items()) or 'nothing bought or sold'}"
              for name, row in summary["positions"].items()]  # fmt: skip
    if summary["open_orders"]:
        lines.append(f"{summary['open_orders']:,} orders are still open")
    if not summary["all_answered"]:
        lines.append("NOT EVERY ORDER WAS ANSWERED")
    return "\n".join(lines)
