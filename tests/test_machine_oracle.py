"""The plain book against the naive exchange: orders that ENTER can say, and the verbs of a trading day.

Everything else that can be ordered is in test_oracle_full.py.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.matcher import book
from tests.machine_world import CENT
from tests.naive.pair import Pair, Setting

SECOND_NS = 10**9
SEEDS = 40
EXAMPLES = int(os.environ.get("OPENOUTCRY_TEST_EXAMPLES", "150"))
SESSIONS = (1, 2, 3)  # 4 never trades
SYMBOLS = ("X", "Y")
TOKENS = [b"t%d" % i for i in range(8)]  # few, so that used ones and unknown ones come up
SETTING = Setting({"X": {}, "Y": {"lot_size": 10}}, max_quantity=120, max_open=8)

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
    st.tuples(st.just(w.REFUSE), sessions, tokens, st.sampled_from([w.REJECT_DISPLAY, 77]), st.just(""), st.just(b"x")),
    st.tuples(st.just("wait"), st.sampled_from([1, SECOND_NS, 3 * SECOND_NS])),
    st.tuples(st.just("halt"), st.sampled_from(SYMBOLS)),
    st.tuples(st.just("resume"), st.sampled_from(SYMBOLS), st.just(False)),
    st.tuples(st.just("resume"), st.sampled_from(SYMBOLS), st.just(False)),
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
        return random.choice((("halt", "X"), *[("resume", "X", False)] * 8, ("close",), *[("open",)] * 8))

    return [other() if random.random() < 0.15 else order() for _ in range(length)]


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, min_size=10, max_size=60), st.floats(0, 1))
def test_same_events_and_books_as_the_naive_exchange_after_every_command(script: list[Step], cut: float) -> None:
    pair = Pair(SETTING)
    pair.run(script)
    pair.step(("end_of_day",))
    assert not any(session.live or session.tokens for session in pair.world.machine.sessions.values())
    pair.check_replay(cut)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_long_scripts_give_the_same_events_and_books(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 2:
        monkeypatch.setattr(book, "DEAD_MAX", 0)
        monkeypatch.setattr(book, "DEAD_TO_LIVE", 1)
    pair = Pair(SETTING)
    plain = 0
    for step in some_script(seed, 400):
        pair.step(step)
        plain += pair.world.machine.books["book-X"].plain
    pair.check_replay(seed / SEEDS)
    assert pair.naive.matches > 20
    assert plain > 100
