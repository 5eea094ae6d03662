"""The machine against the naive oracle: the same commands give the same events, private and public, one by one."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.matcher import book
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.orders import DONE, LEVEL, NUMBER, OPEN, PRICE, SIDE
from tests.machine_world import CENT, World, market
from tests.oracle import Oracle, Rules

SECOND_NS = 10**9
SEEDS = 40
EXAMPLES = int(os.environ.get("OPENOUTCRY_TEST_EXAMPLES", "150"))
SESSIONS = (1, 2, 3)  # 1 and 2 on gateway-1, 3 and 4 on gateway-2: one of them never trades
SYMBOLS = ("X", "Y")
TOKENS = [b"t%d" % i for i in range(8)]  # few, so that used ones and unknown ones come up
MAX_QUANTITY, MAX_OPEN = 120, 8

Step = tuple[Any, ...]


def mostly(good: st.SearchStrategy[Any], odd: st.SearchStrategy[Any], of: int = 12) -> st.SearchStrategy[Any]:
    """`odd` once in `of` times; the middle of the range, since generators favour its ends."""
    return st.integers(0, of - 1).flatmap(lambda n: odd if n == of // 2 else good)


tokens = st.sampled_from(TOKENS)
sessions = st.sampled_from(SESSIONS)
tifs = st.sampled_from([w.DAY, w.SYSTEM_HOURS, w.DAY, w.IOC, w.FOK, w.GOOD_FOR_TIME, w.DAY])
prices = mostly(st.integers(97, 103).map(lambda c: c * CENT), st.sampled_from([0, 10**8 + 1, 10**15, w.PRICE_MAX]), 20)
quantities = mostly(st.integers(1, 6).map(lambda n: n * 10), st.sampled_from([0, 1, 7, 33, 120, 121, 10**9]))
minimums = st.sampled_from([0, 10, 20, 50, 130])
expires = mostly(st.sampled_from([1, 2, 5]), st.sampled_from([0, 86_399, 86_400]))
sides = st.sampled_from([w.BUY, w.SELL, w.BUY, w.SELL_SHORT, w.BUY, w.SELL_SHORT_EXEMPT])
symbols = mostly(st.sampled_from(["X", "X", "Y"]), st.just("Z"), 20)
data = st.sampled_from([b"", b"client data"])


@st.composite
def details(draw: st.DrawFn) -> tuple[int, int, int, int, int]:
    """price, order type, time in force, expire, minimum: mostly sensible."""
    tif = draw(tifs)
    kind = draw(mostly(st.just(w.LIMIT), st.just(w.MARKET), 6))
    price = draw(prices) if kind == w.LIMIT else draw(mostly(st.just(0), st.just(CENT)))
    expire = draw(expires) if tif == w.GOOD_FOR_TIME else 0
    immediate = kind == w.MARKET or tif in (w.IOC, w.FOK)
    minimum = draw(minimums if immediate else mostly(st.just(0), minimums))
    return price, kind, tif, expire, minimum


@st.composite
def enters(draw: st.DrawFn) -> Step:
    head = (w.ENTER, draw(sessions), draw(tokens), draw(symbols), draw(sides), draw(quantities))
    return (*head, *draw(details()), draw(data))


@st.composite
def replaces(draw: st.DrawFn) -> Step:
    head = (w.REPLACE, draw(sessions), draw(tokens), draw(tokens), draw(quantities))
    return (*head, *draw(details()), draw(mostly(st.just(0), st.just(w.REJECT_FIELD))), draw(data))


orders = st.one_of(
    enters(), enters(), enters(), enters(), enters(), replaces(), replaces(),
    st.tuples(st.just(w.CANCEL), sessions, tokens, mostly(quantities, st.just(0), 3)),
    st.tuples(st.just(w.MODIFY), sessions, tokens, sides, quantities),
)  # fmt: skip
others = st.one_of(
    st.tuples(st.just(w.REFUSE), sessions, tokens, st.sampled_from([w.REJECT_DISPLAY, 77])),
    st.tuples(st.just("wait"), st.sampled_from([1, SECOND_NS, 3 * SECOND_NS])),
    st.tuples(st.sampled_from(["halt", "resume", "resume"]), st.sampled_from(SYMBOLS)),
    st.tuples(st.sampled_from(["close", "open", "open"])),
)
steps = mostly(orders, others)


def some_script(seed: int, length: int) -> list[Step]:
    """A longer script of the same kind from a plain random source: orders meet more often in it."""
    random = Random(seed)

    def pick(good: Any, odd: Any, chance: float = 0.02) -> Any:
        return random.choice(odd if random.random() < chance else good)

    given: list[tuple[int, bytes]] = [(1, b"0")]

    def fresh(session: int) -> bytes:
        token = b"%d" % len(given) if random.random() < 0.95 else random.choice(given)[1]
        given.append((session, token))
        return token

    def details() -> tuple[int, ...]:
        tif = random.choice((w.DAY, w.DAY, w.SYSTEM_HOURS, w.GOOD_FOR_TIME, w.IOC, w.FOK))
        kind = pick((w.LIMIT,), (w.MARKET,), 0.1)
        price = pick(range(95 * CENT, 105 * CENT, CENT), (0, 10**8 + 1, 10**15)) if kind == w.LIMIT else 0
        minimum = random.choice((0, 0, 10, 30)) if tif in (w.IOC, w.FOK) or kind == w.MARKET else 0
        return price, kind, tif, random.choice((1, 5, 60)), minimum

    def quantity() -> int:
        return int(pick(range(10, 100, 10), (0, 3, 500), 0.04))

    def order() -> Step:
        session, draw = random.choice(SESSIONS), random.random()
        owner, token = random.choice(given[-30:])
        if draw < 0.5:
            head = (w.ENTER, session, fresh(session), pick("XXXY", "Z"), random.choice((1, 1, 1, 2, 5, 6)), quantity())
            return (*head, *details(), b"d")
        if draw < 0.75:
            new = fresh(owner)
            return (w.REPLACE, owner, token, new, quantity(), *details(), pick((0,), (w.REJECT_SIDE,)), b"r")
        if draw < 0.9:
            return (w.CANCEL, owner, token, random.choice((0, quantity())))
        return (w.MODIFY, owner, token, random.choice((1, 2, 5, 6)), quantity())

    def other() -> Step:
        draw = random.random()
        if draw < 0.5:
            return ("wait", random.choice((1, SECOND_NS, 7 * SECOND_NS)))
        return random.choice((("halt", "X"), *[("resume", "X")] * 8, ("close",), *[("open",)] * 8))

    return [other() if random.random() < 0.15 else order() for _ in range(length)]


class Watcher:
    """Someone who knows the public events only, and has every book from them."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[int, int, int, int]] = {}  # order -> book, side, price, quantity

    def take(self, events: list[Step]) -> None:
        for kind, book_number, *rest in events:
            if kind == w.ADDED:
                order, side, quantity, price = rest
                assert order not in self.orders
                self.orders[order] = (book_number, side, price, quantity)
            elif kind == w.TRADED:
                self._leaves(rest[0], rest[1], rest[-1])
            elif kind == w.REDUCED:
                self._leaves(*rest)
            elif kind == w.ORDER_REPLACED:
                previous, order, quantity, price = rest
                self.orders[order] = (book_number, self.orders.pop(previous)[1], price, quantity)

    def _leaves(self, order: int, quantity: int, leaves: int) -> None:
        book_number, side, price, before = self.orders.pop(order)
        assert before - quantity == leaves
        if leaves:
            self.orders[order] = (book_number, side, price, leaves)

    def side(self, book_number: int, side: int) -> list[tuple[int, int, int]]:
        found = [(price, quantity) for b, s, price, quantity in self.orders.values() if (b, s) == (book_number, side)]
        levels = {price: [q for p, q in found if p == price] for price, _ in found}
        return [(price, sum(levels[price]), len(levels[price])) for price in sorted(levels, reverse=side == w.BUY)]


class Pair:
    """A machine and an oracle that are given the same, and a watcher of what is public."""

    def __init__(self) -> None:
        self.world = market(SYMBOLS, gateways=2)
        self.world.verb("set_engine_property", "main", "max_quantity", MAX_QUANTITY)
        self.world.verb("set_engine_property", "main", "max_open_orders", MAX_OPEN)
        self.world.verb("set_book_property", "book-Y", "lot_size", 10)
        self.world.take_all()
        rules = {"X": Rules(1), "Y": Rules(2, lot=10)}
        streams = {1: "gateway-1", 2: "gateway-1", 3: "gateway-2", 4: "gateway-2"}
        self.oracle = Oracle(rules, streams, MAX_QUANTITY, MAX_OPEN)
        self.watcher = Watcher()

    def step(self, step: Step) -> None:
        what = step[0]
        if what == "wait":
            self.wait(step[1])
        elif what in ("halt", "resume"):
            if (step[1] in self.oracle.halted) != (what == "halt"):
                self.world.verb(what, f"book-{step[1]}")
                (self.oracle.halt if what == "halt" else self.oracle.resume)(step[1])
        elif what in ("close", "open", "end_of_day"):
            self.phase(what)
        else:
            self.world.send(self.oracle.streams[step[1]], step)
            self.oracle.command(step, self.world.now)
        self.compare(step)

    def wait(self, ns: int) -> None:
        self.world.now += ns
        assert self.world.machine.next_timer_ns == self.oracle.next_timer_ns()
        self.world.timer()
        self.oracle.timer(self.world.now)

    def phase(self, what: str) -> None:
        before = self.oracle.phase
        answer = self.world.verb(what, "main")
        if what == "open" and before == w.PHASE_CLOSED:
            self.oracle.open_market()
        elif what == "close" and before == w.PHASE_OPEN:
            self.oracle.close()
        elif what == "end_of_day" and before != w.PHASE_ENDED:
            self.oracle.end_of_day()
        else:
            assert answer == ("wrong_state", "engine")

    def compare(self, step: Step) -> None:
        """Whole lists of events, then what both know about the books."""
        for name in ("gateway-1", "gateway-2"):
            assert self.world.take(name) == self.oracle.private[name], step
            self.oracle.private[name].clear()
        assert self.world.take("public") == self.oracle.public, step
        self.watcher.take(self.oracle.public)
        self.oracle.public.clear()
        for symbol in SYMBOLS:
            self.compare_book(symbol)
        check_invariants(self.world.machine)
        assert self.oracle.filled["B"] == self.oracle.filled["S"]

    def compare_book(self, symbol: str) -> None:
        known = self.world.machine.books[f"book-{symbol}"]
        live = self.oracle.live(symbol, True) + self.oracle.live(symbol, False)
        assert [(o[NUMBER], o[OPEN], o[DONE], o[SIDE], o[PRICE]) for o in known.orders()] == [
            (o.number, o.open, o.done, o.side, o.price) for o in live
        ]
        assert self.watcher.side(known.number, w.BUY) == known.depth(known.bids, 0)
        assert self.watcher.side(known.number, w.SELL) == known.depth(known.asks, 0)


def check_invariants(machine: Machine) -> None:
    """Not crossed; levels sorted, none without a live order; dead orders counted; sessions and books agree."""
    found = 0
    for each in machine.books.values():
        assert each.bids.best < each.asks.best
        for side in (each.bids, each.asks):
            assert side.prices == sorted(side.levels)
            for price, level in side.levels.items():
                live = [o for o in level.queue if o[OPEN]]
                assert live and len(level.queue) - len(live) == level.dead
                assert [o[NUMBER] for o in level.queue] == sorted(o[NUMBER] for o in level.queue)
                assert all(o[PRICE] == price and o[LEVEL] is level for o in live)
                found += len(live)
            assert [x[1] for x in each.depth(side, 0)] == [
                sum(o[OPEN] for o in side.levels[x[0]].queue) for x in each.depth(side, 0)
            ]
    live_orders = [o for session in machine.sessions.values() for o in session.live.values()]
    assert len(live_orders) == found
    assert all(0 < o[OPEN] <= MAX_QUANTITY and o[OPEN] + o[DONE] <= MAX_QUANTITY for o in live_orders)
    for session in machine.sessions.values():
        assert set(session.live) <= set(session.tokens)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, min_size=10, max_size=60))
def test_same_events_and_books_as_the_oracle_after_every_command(script: list[Step]) -> None:
    pair = Pair()
    for step in script:
        pair.step(step)
    pair.step(("end_of_day",))
    assert not any(session.live or session.tokens for session in pair.world.machine.sessions.values())


@pytest.mark.parametrize("seed", range(SEEDS))
def test_long_scripts_give_the_same_events_and_books_as_the_oracle(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 2:
        monkeypatch.setattr(book, "DEAD_MAX", 0)
        monkeypatch.setattr(book, "DEAD_TO_LIVE", 1)
    pair = Pair()
    for step in some_script(seed, 400):
        pair.step(step)
    assert pair.oracle.matches > 20


@settings(max_examples=EXAMPLES // 3, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, min_size=5, max_size=40), st.data())
def test_replay_gives_the_same_and_so_does_going_on_from_a_dump(script: list[Step], chosen: st.DataObject) -> None:
    pair = Pair()
    for step in script:
        pair.step(step)
    world, expected = pair.world, pair.world.machine
    cut = chosen.draw(st.integers(0, len(world.inputs)))
    straight, resumed = World(), World()
    straight.machine = resumed.machine = Machine()
    for index, (what, arguments) in enumerate(world.inputs):
        if index == cut:
            resumed.machine = Machine.load(straight.machine.dump())
            assert resumed.machine.dump() == straight.machine.dump()
        getattr(straight.machine, what)(*arguments)
        if index >= cut:
            getattr(resumed.machine, what)(*arguments)
            assert resumed.take_all() == straight.take_all()
        else:
            straight.take_all()
        assert straight.machine.next_timer_ns >= 0
    assert straight.machine.state_hash() == expected.state_hash()
    if cut < len(world.inputs):
        assert resumed.machine.state_hash() == expected.state_hash()
