"""Agents on the matching core itself (tests.machine_world): no process, no socket, no clock, every answer at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from openoutcry import wire as w
from openoutcry.agents.crowd import Crowd, Surroundings, Trader
from openoutcry.agents.prices import Prices, RandomWalk
from openoutcry.agents.sessions import Session
from openoutcry.agents.strategies import STRATEGIES, Strategy
from openoutcry.agents.tally import Tally
from openoutcry.agents.views import Bounds
from openoutcry.market_lines import Line
from tests.machine_world import Message, World, enter, market, replace

SIDES = {"B": w.BUY, "S": w.SELL}
FINE = 10_000  # of the machine's prices in a price of ours
RATES = {"maker": 40.0, "zero": 20.0, "momentum": 10.0, "value": 10.0}


class Venue:
    """A machine, and the lines to it. `log`: everything that was sent, as the machine took it."""

    def __init__(self, symbols: Sequence[str], users: Sequence[str]) -> None:
        self.world: World = market(tuple(symbols), users=tuple(users))
        self.lines: dict[int, VenueLine] = {}  # by the session's number
        self.log: list[Message] = []
        self.events: list[Message] = []
        self.held: deque[Message] | None = None  # events that are on their way; None: they are there at once

    def line(self, session: Session) -> VenueLine:
        line = VenueLine(session, self, len(self.lines) + 1)
        self.lines[line.number] = line
        return line

    def send(self, commands: list[Message]) -> None:
        self.log += commands
        self.world.send("gateway-1", *commands)
        events = self.world.take()
        self.events += events
        if self.held is None:
            self.tell(events)
        else:
            self.held.extend(events)

    def tell(self, events: Iterable[Message]) -> None:
        for event in events:
            self.lines[event[1]].tell(event)

    def let_go(self, count: int) -> None:
        """So many of the events that are held arrive."""
        assert self.held is not None
        self.tell([self.held.popleft() for _ in range(min(count, len(self.held)))])


class VenueLine(Line):
    """A session of the machine."""

    def __init__(self, listener: Session, venue: Venue, number: int) -> None:
        super().__init__(listener)
        self.number = number
        self._venue = venue
        self._out: list[Message] = []
        self._tokens = 0

    def new_token(self) -> str:
        self._tokens += 1
        return f"{self.number}-{self._tokens}"

    async def connect(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def enter(self, token: str, side: str, shares: int, symbol: str, price: int, immediate: bool) -> None:
        row = enter(self.number, token, SIDES[side], shares, 0, symbol=symbol, tif=w.IOC if immediate else w.DAY)
        self._out.append((*row[:6], price * FINE, *row[7:]))

    def replace(self, previous: str, token: str, side: str, shares: int, symbol: str, price: int) -> None:
        row = replace(self.number, previous, token, shares, 0)
        self._out.append((*row[:5], price * FINE, *row[6:]))

    def cancel(self, token: str, side: str, symbol: str) -> None:
        self._out.append((w.CANCEL, self.number, token.encode(), 0))

    async def flush(self) -> None:
        out, self._out = self._out, []
        self._venue.send(out)

    def tell(self, event: Message) -> None:
        kind, token = event[0], event[2].decode()
        if kind in (w.ACCEPTED, w.REPLACED, w.REJECTED):
            self.listener.answered(token, kind != w.REJECTED)
        elif kind == w.EXECUTED:
            self.listener.executed(token, event[3], event[4] // FINE)
        elif kind == w.CANCELED:
            self.listener.gone(token, event[3])


BOUNDS = Bounds(5_000)


class AgentsWorld:
    """Some traders of each strategy on a venue, and a clock that goes from turn to turn."""

    def __init__(
        self, agents: Sequence[str | tuple[str, Strategy]], seed: int = 1, symbols: Sequence[str] = ("X",),
        prices: Callable[[str], Prices] | None = None, bounds: Bounds = BOUNDS,
    ) -> None:  # fmt: skip
        named = [(each, STRATEGIES[each]()) if isinstance(each, str) else each for each in agents]
        names = [f"{kind}{number}" for number, (kind, _) in enumerate(named, 1)]
        self.venue = Venue(symbols, names)
        self.tally = Tally()
        make = prices or (lambda symbol: RandomWalk(1_000_000, f"{seed}/{symbol}"))
        self.surroundings = Surroundings({symbol: make(symbol) for symbol in symbols})
        self.traders = [
            Trader(name, strategy, RATES[kind], self.surroundings, self.tally, seed, bounds, lambda: 0)
            for name, (kind, strategy) in zip(names, named, strict=True)
        ]
        for trader in self.traders:
            trader.session.line = self.venue.line(trader.session)
        self.crowd = Crowd(self.traders, self.tally)

    def run(self, turns: int, after: Callable[[], Any] = lambda: None) -> AgentsWorld:
        """So many turns, one after the other; `after` is called after each."""
        for _ in range(turns):
            now = self.crowd.next_ns
            self.venue.world.now = max(self.venue.world.now, 1_700_000_000_000_000_000 + now)
            at_once(self.crowd.step(now))
            after()
        return self


def at_once(steps: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that waits for nothing."""
    try:
        steps.send(None)
    except StopIteration as done:
        return done.value
    steps.close()
    raise AssertionError("it waits")
