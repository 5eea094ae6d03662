"""The machine against the naive exchange: every command gives the same events, orders and public knowledge.

What is compared after each command is in tests/naive/pair.py; a longer run is ``make fuzz``. Together the tests here
generate more than 100,000 commands.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from openoutcry import wire as w
from openoutcry.matcher import book, orders, pairs, triggers
from tests import fuzz
from tests.naive.floor import Order
from tests.naive.judging import COLLECTING
from tests.naive.pair import Difference, Pair, Script, Setting
from tests.naive.scripts import Given, Writer, some_script, some_setting

SEEDS = int(os.environ.get("OPENOUTCRY_TEST_SCRIPTS", "200"))
LENGTH = 500
EXAMPLES = int(os.environ.get("OPENOUTCRY_TEST_EXAMPLES", "150")) // 2


def sweep_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is dead is swept out as soon as it may be, not only when there is much of it."""
    monkeypatch.setattr(book, "DEAD_MAX", 0)
    monkeypatch.setattr(book, "DEAD_TO_LIVE", 1)
    monkeypatch.setattr(orders, "TIMERS_SLACK", 0)
    monkeypatch.setattr(triggers, "SLACK", 0)
    monkeypatch.setattr(pairs, "SLACK", 0)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_long_scripts_give_what_the_naive_exchange_gives_and_replay_gives_it_again(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 4 == 0:
        sweep_at_once(monkeypatch)
    setting, script = some_script(seed, LENGTH)
    pair = Pair(setting)
    pair.run(script)
    pair.check_replay(Random(seed).random())


class Trading(RuleBasedStateMachine):
    """Hypothesis as the trader: it sees what is live, so its cancels and changes meet something."""

    @initialize(random=st.randoms())
    def open(self, random: Random) -> None:
        setting = some_setting(random)
        self.pair = Pair(setting)
        self.writer = Writer(random, setting, auctions=True)

    def some_live(self, random: Random) -> Order:
        return random.choice(self.pair.naive.orders)

    def write(self, random: Random) -> Writer:
        self.writer.random = random
        return self.writer

    @rule(random=st.randoms(), session=st.integers(1, 4))
    def enter(self, random: Random, session: int) -> None:
        self.pair.step(self.write(random).order(session))

    @precondition(lambda self: self.pair.naive.orders)
    @rule(random=st.randoms())
    def change(self, random: Random) -> None:
        order = self.some_live(random)
        self.pair.step(self.write(random).change(Given(order.session, order.token, order.side)))

    @precondition(lambda self: self.pair.naive.orders)
    @rule(random=st.randoms(), off=st.integers(1, 10))
    def only_make_smaller(self, random: Random, off: int) -> None:
        order, token = self.some_live(random), self.writer.fresh(0, 0)
        total = max(0, order.done + order.open - off * 10)
        self.pair.step((w.AMEND, order.session, order.token, token, total, order.price, order.kind, order.tif, 0,
                        order.minimum, 0, b"s", ()))  # fmt: skip

    @precondition(lambda self: self.pair.naive.orders)
    @rule(random=st.randoms(), total=st.integers(0, 10))
    def cancel(self, random: Random, total: int) -> None:
        order = self.some_live(random)
        self.pair.step((w.CANCEL, order.session, order.token, total * 10))

    @precondition(lambda self: self.pair.naive.orders)
    @rule(random=st.randoms(), side=st.sampled_from(sorted(w.SIDES)), total=st.integers(0, 10))
    def modify(self, random: Random, side: int, total: int) -> None:
        order = self.some_live(random)
        self.pair.step((w.MODIFY, order.session, order.token, side, total * 10))

    @rule(ns=st.sampled_from([1, 10**9, 5 * 10**9]))
    def wait(self, ns: int) -> None:
        self.pair.step(("wait", ns))

    @rule(phase=st.sampled_from([w.PHASE_OPEN, w.PHASE_OPEN, w.PHASE_POST_CLOSE, *COLLECTING]))
    def go_to(self, phase: int) -> None:
        self.writer.collecting = phase in COLLECTING
        self.pair.step(("phase", "", phase))

    @rule()
    def halt(self) -> None:
        self.pair.step(("halt", "X"))

    @rule(through_auction=st.booleans())
    def resume(self, through_auction: bool) -> None:
        self.pair.step(("resume", "X", through_auction))

    @rule(mode=st.sampled_from(sorted(w.SELF_MATCH_MODES.values())))
    def prevent(self, mode: str) -> None:
        self.pair.step(("set", "X", "self_match", mode))

    def teardown(self) -> None:
        if hasattr(self, "pair"):
            self.pair.check_replay(0.5)


Trading.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=40, suppress_health_check=list(HealthCheck)
)
test_any_sequence_of_orders_phases_and_time = Trading.TestCase


# ------------------------------------------------------------------------------------------------- the fuzzer
def test_the_fuzzer_says_its_seed_and_how_much_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.run(seed=1, seconds=60, commands=1) == 0
    assert f"{fuzz.LENGTH} commands in" in capsys.readouterr().out


def test_the_fuzzer_reduces_a_difference_to_the_steps_that_matter(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget_large_orders(self: Pair, step: Any) -> None:
        if step[0] == w.CANCEL and any(o.open > 50 for o in self.naive.orders):
            raise Difference("orders after a cancel")

    monkeypatch.setattr(Pair, "compare", forget_large_orders)
    assert fuzz.run(seed=5, seconds=60, commands=0) == 1
    said = capsys.readouterr().out
    assert "seed 5: step" in said
    assert said.count("    # ") == 2  # an order and a cancel


def test_what_is_left_out_of_a_script_is_what_does_not_matter() -> None:
    script: Script = [("wait", n) for n in range(100)]
    needed = {("wait", 3), ("wait", 50), ("wait", 97)}
    assert fuzz.without_chunks(script, lambda shorter: needed <= set(shorter)) == sorted(needed)
    terms = ((w.TERM_ACCOUNT, "A"), (w.TERM_HIDDEN, 1))
    step = (w.SUBMIT, 1, b"t", "X", w.BUY, 10, 100, w.LIMIT, w.DAY, 0, 0, b"", terms)
    (simpler,) = fuzz.without_terms([step], lambda shorter: (w.TERM_HIDDEN, 1) in shorter[0][-1])
    assert simpler[-1] == ((w.TERM_HIDDEN, 1),)


def test_a_setting_is_where_a_script_runs() -> None:
    pair = Pair(Setting({"X": {"self_match": "oldest", "tick_size": "0.01"}}))
    assert (pair.naive.books["X"].self_match, pair.naive.books["X"].tick_size) == (w.SELF_MATCH_OLDEST, 1_000_000)
