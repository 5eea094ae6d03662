"""The ledger (openoutcry.matcher.ledger): positions, fee totals, reduce-only orders, and the last trades."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.matcher import ledger as ledger_module
from openoutcry.matcher.ledger import (
    Ledger,
    fee_rows,
    last_trades,
    ledger_of,
    position_rows,
    trade_of,
    trades,
)
from tests.machine_world import CENT, World, enter
from tests.risk_world import (
    ALICE,
    ANNE,
    BOB,
    assert_survives_a_snapshot,
    held,
    kinds,
    paid,
    refusal,
    submit,
    told,
    trading_floor,
)

MILL = w.PRICE_SCALE // 1_000


@pytest.fixture
def world() -> World:
    return trading_floor(positions=True)


def trade(world: World, quantity: int = 100, price: int = 100, buyer: int = ALICE, seller: int = BOB) -> int:
    """One trade in X between two sessions; returns its match number."""
    number = world.machine.numbers.order
    told(world, enter(seller, b"s%d" % number, w.SELL, quantity, price), enter(buyer, b"b%d" % number, w.BUY, quantity,
                                                                              price))  # fmt: skip
    return world.machine.numbers.match


# ------------------------------------------------------------------------------------------------- positions
def test_a_position_is_what_was_bought_less_what_was_sold(world: World) -> None:
    trade(world, 100)
    trade(world, 30, seller=ANNE)
    trade(world, 50, buyer=BOB, seller=ALICE)
    assert [held(world, account) for account in ("A1", "A2", "B1")] == [80, -30, -50]


def test_an_order_s_own_account_has_the_position(world: World) -> None:
    told(world, submit(BOB, b"s", w.SELL, 10, account="OTHER"), submit(ALICE, b"b", w.BUY, 10, account="THIRD"))
    assert [held(world, account) for account in ("OTHER", "THIRD", "A1", "B1")] == [-10, 10, 0, 0]


def test_short_sales_are_sales(world: World) -> None:
    told(world, enter(BOB, b"s", w.SELL_SHORT, 10), enter(ALICE, b"b", w.BUY, 10))
    told(world, enter(ALICE, b"c", w.BUY, 5), enter(BOB, b"t", w.SELL_SHORT_EXEMPT, 5))
    assert (held(world, "A1"), held(world, "B1")) == (15, -15)


def test_positions_are_counted_from_when_the_book_is_told_to() -> None:
    world = trading_floor()
    trade(world)
    world.verb("set_book_property", "book-X", "positions", True)
    trade(world, 7)
    assert held(world, "A1") == 7


def test_an_auction_counts_as_well(world: World) -> None:
    world.verb("set_phase", "main", "pre_open")
    told(world, enter(BOB, b"s", w.SELL, 10), submit(ALICE, b"b", w.BUY, 10, account="Z"))
    world.verb("open", "main")
    assert (held(world, "Z"), held(world, "B1")) == (10, -10)
    assert_survives_a_snapshot(world)


def test_each_book_has_its_own_positions() -> None:
    world = trading_floor(("X", "Y"), positions=True)
    world.verb("set_book_property", "book-Y", "positions", True)
    trade(world, 10)
    told(world, enter(BOB, b"s", w.SELL, 5, symbol="Y"), enter(ALICE, b"b", w.BUY, 5, symbol="Y"))
    rows = position_rows(world.machine.numbers, world.machine.books)
    assert [tuple(row.values()) for row in rows] == [
        ("A1", "book-X", 10), ("A1", "book-Y", 5), ("B1", "book-X", -10), ("B1", "book-Y", -5),
    ]  # fmt: skip
    assert len(position_rows(world.machine.numbers, world.machine.books, "A1")) == 2


def test_a_position_of_nothing_is_no_position(world: World) -> None:
    trade(world)
    trade(world, buyer=BOB, seller=ALICE)
    assert ledger_of(world.machine.numbers).positions == {}
    assert position_rows(world.machine.numbers, world.machine.books) == []


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from((ALICE, ANNE, BOB)), st.booleans(), st.integers(1, 9), st.integers(98, 102)),
                min_size=1, max_size=40))  # fmt: skip
def test_positions_add_up_to_nothing_and_agree_with_the_executions(orders: list[tuple[int, bool, int, int]]) -> None:
    world = trading_floor(positions=True)
    expected = {ALICE: 0, ANNE: 0, BOB: 0}
    sides = {}
    for number, (session, buying, quantity, price) in enumerate(orders):
        token = b"%d" % number
        sides[session, token] = 1 if buying else -1
        for event in told(world, enter(session, token, w.BUY if buying else w.SELL, quantity, price)):
            if event[0] == w.EXECUTED:
                expected[event[1]] += sides[event[1], event[2]] * event[3]
    found = [held(world, account) for account in ("A1", "A2", "B1")]
    assert found == list(expected.values())
    assert sum(found) == 0
    assert_survives_a_snapshot(world)


# ------------------------------------------------------------------------------------------------- fees
def test_fees_are_added_up_by_account() -> None:
    world = trading_floor(taker_fee="0.003", maker_fee="-0.002")
    trade(world, 100)
    trade(world, 100, buyer=BOB, seller=ALICE)
    trade(world, 50, seller=ANNE)
    assert (paid(world, "A1"), paid(world, "A2"), paid(world, "B1")) == (250 * MILL, -100 * MILL, 100 * MILL)
    assert [tuple(row.values()) for row in fee_rows(world.machine.numbers)] == [
        ("A1", "0.25"), ("A2", "-0.1"), ("B1", "0.1"),
    ]  # fmt: skip
    assert_survives_a_snapshot(world)


def test_sums_that_no_message_could_carry_survive_a_snapshot() -> None:
    ledger = Ledger()
    ledger.pay("A", 10**30)
    ledger.positions["A", 1] = -(10**25)
    copy = Ledger()
    copy.load(w.unpack(w.pack(ledger.dump())), {})
    assert copy.fees == {"A": 10**30}
    assert copy.positions == {("A", 1): -(10**25)}
    assert copy.dump() == ledger.dump()


# ------------------------------------------------------------------------------------------------- reduce-only
def test_a_reduce_only_order_comes_in_up_to_the_position_that_is_left_to_reduce(world: World) -> None:
    trade(world, 100)
    assert refusal(world, submit(ALICE, b"a", w.SELL, 60, 200, reduce_only=1)) is None
    text = "reduce_only: A1 holds 100, with 60 to reduce it already: 41 is too much"
    assert refusal(world, submit(ALICE, b"b", w.SELL, 41, 200, reduce_only=1)) == (w.REJECT_REDUCE_ONLY, text)
    assert refusal(world, submit(ALICE, b"c", w.SELL, 40, 200, reduce_only=1)) is None


@pytest.mark.parametrize("side", [w.BUY, w.SELL])
def test_without_a_position_on_the_other_side_nothing_can_be_reduced(world: World, side: int) -> None:
    text = "reduce_only: A1 holds 0, with 0 to reduce it already: 1 is too much"
    assert refusal(world, submit(ALICE, b"a", side, 1, reduce_only=1)) == (w.REJECT_REDUCE_ONLY, text)
    trade(world, 100, buyer=ALICE if side == w.BUY else BOB, seller=BOB if side == w.BUY else ALICE)
    assert refusal(world, submit(ALICE, b"b", side, 1, reduce_only=1)) is not None


def test_reduce_only_needs_a_book_that_counts_positions() -> None:
    text = "reduce_only: book book-X does not count positions"
    assert refusal(trading_floor(), submit(ALICE, b"a", reduce_only=1)) == (w.REJECT_REDUCE_ONLY, text)


def test_when_the_position_shrinks_the_newest_reduce_only_orders_go_first_and_only_what_exceeds(world: World) -> None:
    trade(world, 100)
    told(world, submit(ALICE, b"a", w.SELL, 50, 200, reduce_only=1), submit(ANNE, b"b", w.SELL, 30, 201, account="A1",
         reduce_only=1), submit(ALICE, b"c", w.SELL, 20, 202, reduce_only=1))  # fmt: skip
    assert_survives_a_snapshot(world)
    events = told(world, enter(BOB, b"t", w.BUY, 40), enter(ALICE, b"s", w.SELL, 40))
    assert [event for event in events if event[0] == w.CANCELED] == [
        (w.CANCELED, ANNE, b"b", 20, w.CANCEL_REDUCE_ONLY, 10),
        (w.CANCELED, ALICE, b"c", 20, w.CANCEL_REDUCE_ONLY, 0),
    ]
    events = told(world, enter(BOB, b"u", w.BUY, 60), enter(ALICE, b"v", w.SELL, 60))
    assert kinds(events)[-2:] == [(w.CANCELED, b"a"), (w.CANCELED, b"b")]
    assert held(world, "A1") == 0


def test_an_execution_of_a_reduce_only_order_itself_cancels_nothing(world: World) -> None:
    trade(world, 100)
    told(world, submit(ALICE, b"a", w.SELL, 50, 200, reduce_only=1),
         submit(ALICE, b"b", w.SELL, 50, 200, reduce_only=1))  # fmt: skip
    events = told(world, enter(BOB, b"t", w.BUY, 70, 200))
    assert [event[0] for event in events if event[1] == ALICE] == [w.EXECUTED, w.EXECUTED]
    assert held(world, "A1") == 30


def test_a_reduce_only_stop_is_cancelled_while_it_waits(world: World) -> None:
    trade(world, 100)
    stop: dict[str, Any] = {"order_type": w.STOP, "stop_price": 50 * CENT, "reduce_only": 1}
    told(world, submit(ALICE, b"stop", w.SELL, 100, 0, **stop))
    events = told(world, enter(BOB, b"t", w.BUY, 100), enter(ALICE, b"s", w.SELL, 100))
    assert events[-1] == (w.CANCELED, ALICE, b"stop", 100, w.CANCEL_REDUCE_ONLY, 0)


def test_a_reduce_only_order_may_be_replaced_by_one_of_its_size(world: World) -> None:
    trade(world, 100)
    told(world, submit(ALICE, b"a", w.SELL, 100, 200, reduce_only=1))
    amend = (w.AMEND, ALICE, b"a", b"b", 100, 201 * CENT, w.LIMIT, w.DAY, 0, 0, 0, b"", ())
    assert kinds(told(world, amend)) == [(w.REPLACED, b"b")]
    more = (w.AMEND, ALICE, b"b", b"c", 101, 201 * CENT, w.LIMIT, w.DAY, 0, 0, 0, b"", ())
    assert refusal(world, more) is not None


def test_reduce_only_orders_still_follow_the_position_after_a_snapshot(world: World) -> None:
    trade(world, 100)
    told(world, submit(ALICE, b"a", w.SELL, 100, 200, reduce_only=1))
    world.machine = type(world.machine).load(world.machine.dump())
    events = told(world, enter(BOB, b"t", w.BUY, 40), enter(ALICE, b"s", w.SELL, 40))
    assert events[-1] == (w.CANCELED, ALICE, b"a", 40, w.CANCEL_REDUCE_ONLY, 60)


# ------------------------------------------------------------------------------------------------- the last trades
def test_trades_are_found_by_their_match_number(world: World) -> None:
    numbers = world.machine.numbers
    assert [trade(world, quantity) for quantity in (1, 2, 3)] == [1, 2, 3]
    found = [trade_of(numbers, match) for match in range(5)]
    assert [each and each.quantity for each in found] == [None, 1, 2, 3, None]
    assert [each.match for each in last_trades(numbers)] == [3, 2, 1]
    assert [trade_of(numbers, each.match) for each in last_trades(numbers)] == list(last_trades(numbers))


def test_a_trade_is_listed_with_both_sides_the_newest_first(world: World) -> None:
    told(world, submit(BOB, b"s", w.SELL, 10, 100, account="OTHER"), enter(ALICE, b"b", w.BUY, 10, 100))
    told(world, enter(ALICE, b"c", w.BUY, 5, 99), enter(ANNE, b"t", w.SELL, 5, 99))
    assert trades(world.machine.numbers, world.machine.books["book-X"], 10) == [
        {"match": 2, "book": "book-X", "quantity": 5, "price": "0.99", "side": "sell", "state": "",
         "buy_session": 1, "buy_account": "A1", "buy_firm": "ACME", "buy_token": "c",
         "sell_session": 2, "sell_account": "A2", "sell_firm": "ACME", "sell_token": "t"},
        {"match": 1, "book": "book-X", "quantity": 10, "price": "1", "side": "buy", "state": "",
         "buy_session": 1, "buy_account": "A1", "buy_firm": "ACME", "buy_token": "b",
         "sell_session": 3, "sell_account": "OTHER", "sell_firm": "BETA", "sell_token": "s"},
    ]  # fmt: skip
    assert [row["match"] for row in trades(world.machine.numbers, None, 1)] == [2]


def test_another_book_s_trades_are_not_listed() -> None:
    world = trading_floor(("X", "Y"))
    trade(world)
    told(world, enter(BOB, b"s", w.SELL, 5, symbol="Y"), enter(ALICE, b"b", w.BUY, 5, symbol="Y"))
    trade(world)
    rows = trades(world.machine.numbers, world.machine.books["book-X"], 10)
    assert [row["match"] for row in rows] == [3, 1]


def test_what_is_known_about_a_trade_is_dropped_with_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "TRADES_KEPT", 5)
    monkeypatch.setattr(ledger_module, "SLACK", 2)
    for _ in range(20):
        trade(world, 1)
        assert len(ledger_of(world.machine.numbers).notes) <= 7
    assert max(ledger_of(world.machine.numbers).notes) == 20
