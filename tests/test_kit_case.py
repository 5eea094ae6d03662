"""The mixin for unittest: an exchange for each test or for the class, and a report as a note of what a test raises."""

from __future__ import annotations

import asyncio
import sys
import unittest
from collections.abc import Iterator

import pytest

from openoutcry import Exchange
from openoutcry.clients.ouch import AsyncOuchClient
from openoutcry.testkit import ExchangeMixin
from tests.processes import wait_gone

pids: list[int] = []  # of everything that the tests below have started


class Each(ExchangeMixin, unittest.TestCase):
    __test__ = False  # pytest is not to run it: the tests below do
    exchange_settings = {"gateways": 2}

    def setUp(self) -> None:
        super().setUp()
        pids.extend(self.exchange.pids.values())

    def test_trading(self) -> None:
        self.ouch_client.sell("AAPL", 40, "10")
        self.fix_client.buy("AAPL", 40, "10").expect_filled(40, at="10")
        self.market_data.expect_best("AAPL", bid=None, ask=None)
        self.assertIn("gateway-2", self.exchange.pids)

    def test_failing(self) -> None:
        self.exchange.create_engine("main")
        self.ouch_client.buy("AAPL", 1, "1").expect_accepted()

    def test_skipping(self) -> None:
        self.skipTest("not today")


class Shared(ExchangeMixin, unittest.TestCase):
    __test__ = False
    exchange_shared = True
    seen: set[Exchange] = set()

    def test_one(self) -> None:
        self.seen.add(self.exchange)
        self.assertEqual(self.exchange.list("engines"), [])
        self.ouch_client.buy("AAPL", 1, "1").expect_accepted()

    def test_two(self) -> None:
        self.test_one()


class BrokenSetUp(Each):
    def setUp(self) -> None:
        super().setUp()
        raise ValueError("set up is wrong")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    pids.clear()
    yield
    assert not wait_gone(pids)


def run(case: type[unittest.TestCase], *names: str) -> unittest.TestResult:
    result = unittest.TestResult()
    loader = unittest.defaultTestLoader
    suite = unittest.TestSuite(map(case, names)) if names else loader.loadTestsFromTestCase(case)
    suite.run(result)
    return result


def test_each_test_has_an_exchange_of_its_own_and_ready_clients() -> None:
    result = run(Each, "test_trading", "test_skipping")
    assert (result.testsRun, len(result.skipped), result.failures, result.errors) == (2, 1, [], [])


def test_what_a_failed_test_raises_has_the_report_as_a_note() -> None:
    (_, text), *more = run(Each, "test_failing").failures
    assert not more
    for wanted in ("but: it was rejected: unknown symbol (S)", "---- OUCH client", "---- log of matcher"):
        assert wanted in text


def test_a_test_can_be_asked_for_by_its_name() -> None:
    suite = unittest.defaultTestLoader.loadTestsFromName("Each.test_trading", sys.modules[__name__])
    suite.run(result := unittest.TestResult())
    assert (result.testsRun, result.failures, result.errors) == (1, [], [])


class Parts(Each):
    def test_parts(self) -> None:
        for symbol in ("NONE", "NO"):
            with self.subTest("a part", symbol=symbol):
                self.ouch_client.buy(symbol, 1, "1").expect_accepted()


def test_each_part_that_fails_has_a_report() -> None:
    failures = run(Parts, "test_parts").failures
    assert [str(test).partition("test_parts) ")[2] for test, _ in failures] == [
        "[a part] (symbol='NONE')", "[a part] (symbol='NO')",
    ]  # fmt: skip
    assert all("unknown symbol" in text and "---- log of matcher" in text for _, text in failures)
    assert not any("testkit/case.py" in text for _, text in failures)


class Forgetful(Each):
    def setUp(self) -> None:
        pass

    def test_it(self) -> None:
        self.ouch_client.buy("AAPL", 1, "1")


def test_a_set_up_that_was_forgotten_is_named() -> None:
    ((_, text),) = run(Forgetful, "test_it").errors
    assert "ClusterError: there is no exchange yet: does a setUp or setUpClass not call that of super()?" in text


def test_the_mixin_goes_first() -> None:
    with pytest.raises(TypeError, match="Wrong: put ExchangeMixin before TestCase in the list of bases"):
        type("Wrong", (unittest.TestCase, ExchangeMixin), {})


class Asynchronous(ExchangeMixin, unittest.IsolatedAsyncioTestCase):
    __test__ = False

    async def test_trading(self) -> None:
        offer = self.ouch_client.sell("AAPL", 40, "10.05")
        async with AsyncOuchClient(*self.exchange.endpoint("ouch").address, "me") as client:
            token = client.enter("AAPL", "B", 40, "10.05")
            assert (await client.wait_for("E", order_token=token)).executed_shares == 40
        await asyncio.to_thread(offer.expect_filled, 40)

    async def test_failing(self) -> None:
        await asyncio.to_thread(self.fix_client.buy("NONE", 1, "1").expect_accepted)


def test_asynchronous_tests_are_run_and_noted_too() -> None:
    result = run(Asynchronous)
    assert (result.testsRun, result.errors) == (2, [])
    ((_, text),) = result.failures
    assert "but: it was rejected: unknown symbol" in text and "---- FIX client" in text


def test_tests_of_a_class_may_share_one_that_is_emptied() -> None:
    result = run(Shared)
    assert (result.testsRun, result.failures, result.errors) == (2, [], [])
    (exchange,) = Shared.seen
    assert not exchange.directory.exists()


def test_nothing_is_left_when_a_set_up_fails() -> None:
    result = run(BrokenSetUp, "test_trading")
    assert "set up is wrong" in result.errors[0][1]


def test_pytest_runs_them_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import unittest
from openoutcry.testkit import ExchangeMixin

class Case(ExchangeMixin, unittest.TestCase):
    def test_good(self):
        self.ouch_client.buy("AAPL", 1, "1").expect_accepted()

    def test_bad(self):
        self.ouch_client.buy("AAPL", 1, "1").expect_rejected()
"""
    )
    result = pytester.runpytest_subprocess("-W", "error")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*but: it was accepted, and 1 are open*", "*---- OUCH client*"])
