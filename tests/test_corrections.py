"""Broken and corrected trades (openoutcry.matcher.corrections): who is told, and what is put right.

Every test that looks at events compares the whole list. Match 1 is bought by ALICE (account A1) and sold by BOB (B1).
"""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.matcher import corrections
from openoutcry.matcher.ledger import trade_of
from openoutcry.matcher.orders import OPEN, TOKEN
from tests.machine_world import CENT, World, enter
from tests.risk_world import (
    ALICE,
    BOB,
    assert_survives_a_snapshot,
    held,
    paid,
    submit,
    told,
    trading_floor,
    verb_error,
)

MILL = w.PRICE_SCALE // 1_000
REASONS = {name: code for code, name in w.BREAK_REASONS.items()}


@pytest.fixture
def world() -> World:
    """One trade: 100 at 1.00; positions are counted, takers pay 0.003 a share and 100 ppm, makers get 0.002 a share."""
    world = trading_floor(positions=True, taker_fee="0.003", maker_fee="-0.002", taker_fee_ppm=100)
    told(world, enter(BOB, b"s", w.SELL, 100), enter(ALICE, b"b", w.BUY, 100))
    return world


def state(world: World) -> Any:
    return (held(world, "A1"), held(world, "B1"), paid(world, "A1"), paid(world, "B1"))


def test_a_trade_changes_positions_and_fees(world: World) -> None:
    assert state(world) == (100, -100, 310 * MILL, -200 * MILL)


# ------------------------------------------------------------------------------------------------- breaking
@pytest.mark.parametrize("reason", w.BREAK_REASONS.values())
def test_a_broken_trade_is_told_to_both_sides_and_to_the_public(world: World, reason: str) -> None:
    row = world.verb("break_trade", 1, reason)
    assert (row["match"], row["state"]) == (1, "broken")
    assert world.take() == [
        (w.BROKEN, ALICE, b"b", 1, 100, 100 * CENT, REASONS[reason]),
        (w.BROKEN, BOB, b"s", 1, 100, 100 * CENT, REASONS[reason]),
        (w.FEE, ALICE, b"b", 1, -310 * MILL),
        (w.FEE, BOB, b"s", 1, 200 * MILL),
    ]
    assert world.take("public") == [(w.TRADE_BROKEN, 1, 1, 100, 100 * CENT)]


def test_a_broken_trade_leaves_positions_and_fees_as_if_it_never_was(world: World) -> None:
    world.verb("break_trade", 1)
    assert state(world) == (0, 0, 0, 0)
    assert_survives_a_snapshot(world)


def test_a_trade_is_broken_once(world: World) -> None:
    world.verb("break_trade", 1, "consent")
    assert world.verb("break_trade", 1) == ("wrong_state", "match")
    assert world.verb("correct_trade", 1, "1.01") == ("wrong_state", "match")
    error = verb_error(corrections.break_trade, world.machine, 1, w.BREAK_ERRONEOUS)
    assert error[2] == "trade 1 is broken already (consent)"
    assert state(world) == (0, 0, 0, 0)


def test_a_trade_in_an_auction_is_broken_for_the_buyer_first() -> None:
    world = trading_floor(positions=True)
    world.verb("set_phase", "main", "pre_open")
    told(world, enter(BOB, b"s", w.SELL, 10), enter(ALICE, b"b", w.BUY, 10))
    world.verb("open", "main")
    world.take_all()
    world.verb("break_trade", 1)
    assert [(event[0], event[1]) for event in world.take()] == [(w.BROKEN, ALICE), (w.BROKEN, BOB)]
    assert (held(world, "A1"), held(world, "B1")) == (0, 0)


def test_the_accounts_of_the_orders_get_their_positions_back() -> None:
    world = trading_floor(positions=True)
    told(world, submit(ALICE, b"b", w.BUY, 10, account="OTHER"), enter(BOB, b"s", w.SELL, 10))
    assert (held(world, "OTHER"), held(world, "B1")) == (10, -10)
    world.verb("break_trade", 1)
    assert (held(world, "OTHER"), held(world, "A1"), held(world, "B1")) == (0, 0, 0)


def test_a_trade_that_was_not_counted_changes_no_position() -> None:
    world = trading_floor()
    told(world, enter(BOB, b"s", w.SELL, 10), enter(ALICE, b"b", w.BUY, 10))
    world.verb("set_book_property", "book-X", "positions", True)
    world.take_all()
    world.verb("break_trade", 1)
    assert [event[0] for event in world.take()] == [w.BROKEN, w.BROKEN]
    assert (held(world, "A1"), held(world, "B1")) == (0, 0)


def test_reduce_only_orders_follow_the_position_at_once(world: World) -> None:
    told(world, submit(ALICE, b"r", w.SELL, 100, 200, reduce_only=1))
    world.verb("break_trade", 1)
    assert (w.CANCELED, ALICE, b"r", 100, w.CANCEL_REDUCE_ONLY, 0) in world.take()


# ------------------------------------------------------------------------------------------------- correcting
def test_a_corrected_trade_has_another_price_for_everybody(world: World) -> None:
    row = world.verb("correct_trade", 1, "1.10", "supervisory")
    assert (row["price"], row["state"]) == ("1.1", "corrected")
    assert world.take() == [
        (w.CORRECTED, ALICE, b"b", 1, 100, 110 * CENT, w.BREAK_SUPERVISORY),
        (w.CORRECTED, BOB, b"s", 1, 100, 110 * CENT, w.BREAK_SUPERVISORY),
        (w.FEE, ALICE, b"b", 1, 1 * MILL),
    ]
    assert world.take("public") == [(w.TRADE_CORRECTED, 1, 1, 100, 100 * CENT, 110 * CENT)]
    assert state(world) == (100, -100, 311 * MILL, -200 * MILL)
    assert_survives_a_snapshot(world)


def test_a_trade_is_corrected_again_from_its_last_price_and_then_broken(world: World) -> None:
    world.verb("correct_trade", 1, "1.10")
    world.verb("correct_trade", 1, "0.90")
    world.take()
    world.take("public")
    assert state(world) == (100, -100, 309 * MILL, -200 * MILL)
    world.verb("break_trade", 1)
    assert world.take()[0] == (w.BROKEN, ALICE, b"b", 1, 100, 90 * CENT, w.BREAK_ERRONEOUS)
    assert world.take("public") == [(w.TRADE_BROKEN, 1, 1, 100, 90 * CENT)]
    assert state(world) == (0, 0, 0, 0)


def test_a_correction_uses_the_rates_of_the_trade_s_own_time(world: World) -> None:
    for name, value in (("taker_fee", "1"), ("taker_fee_ppm", 5_000), ("maker_fee", "1"), ("positions", False)):
        world.verb("set_book_property", "book-X", name, value)
    world.verb("correct_trade", 1, "2.00")
    assert state(world) == (100, -100, 320 * MILL, -200 * MILL)
    world.verb("break_trade", 1)
    assert state(world) == (0, 0, 0, 0)


def test_a_price_that_is_no_correction_is_refused(world: World) -> None:
    assert world.verb("correct_trade", 1, "1.00") == ("wrong_state", "price")
    for price in (0, -1, w.PRICE_MAX + 1):
        error = verb_error(corrections.correct_trade, world.machine, 1, price, w.BREAK_CONSENT)
        assert error[:2] == ("bad_argument", "price")
    assert world.take() == []


def test_orders_stay_as_they_are() -> None:
    world = trading_floor()
    told(world, enter(BOB, b"s", w.SELL, 150), enter(ALICE, b"b", w.BUY, 100))
    book = world.machine.books["book-X"]
    world.verb("break_trade", 1)
    assert [(order[TOKEN], order[OPEN]) for order in book.orders()] == [(b"s", 50)]
    assert book.last_price == 100 * CENT


# ------------------------------------------------------------------------------------------------- who is told
def test_a_session_whose_day_is_over_is_not_told(world: World) -> None:
    world.verb("end_of_day", "main")
    world.take_all()
    world.verb("break_trade", 1)
    assert world.take() == []
    assert world.take("public") == [(w.TRADE_BROKEN, 1, 1, 100, 100 * CENT)]
    assert state(world) == (0, 0, 0, 0)


def test_a_session_without_a_connection_is_told_in_its_stream(world: World) -> None:
    told(world, (w.LOGOFF, BOB, 3))
    world.verb("break_trade", 1)
    assert [event[1] for event in world.take() if event[0] == w.BROKEN] == [ALICE, BOB]


# ------------------------------------------------------------------------------------------------- which trades
@pytest.mark.parametrize(
    ("match", "text"), [(0, "there is no trade 0: the last one was 1"), (2, "there is no trade 2: the last one was 1")]
)
def test_a_trade_that_never_was_is_unknown(world: World, match: int, text: str) -> None:
    for call, *rest in ((corrections.break_trade, 1), (corrections.correct_trade, CENT, 1)):
        assert verb_error(call, world.machine, match, *rest) == ("unknown_name", "match", text)


def test_before_the_first_trade_there_is_none() -> None:
    error = verb_error(corrections.break_trade, trading_floor().machine, 1, 1)
    assert error[2] == "there is no trade 1: there has been none yet"


def test_a_reason_that_is_none_is_refused(world: World) -> None:
    error = verb_error(corrections.break_trade, world.machine, 1, 9)
    assert error[:2] == ("bad_argument", "reason")


def test_a_trade_that_is_not_kept_any_more_cannot_be_touched(world: World) -> None:
    world.machine.numbers.trades.clear()
    code, field, text = verb_error(corrections.break_trade, world.machine, 1, 1)
    assert (code, field) == ("wrong_state", "match")
    assert text.startswith("trade 1 is not kept any more: only the last 16384")


def test_a_trade_of_a_deleted_book_cannot_be_touched(world: World) -> None:
    world.verb("delete_book", "book-X")
    assert trade_of(world.machine.numbers, 1) is not None
    assert world.verb("break_trade", 1) == ("wrong_state", "match")
    assert_survives_a_snapshot(world)


def test_corrections_are_the_same_in_a_machine_out_of_a_snapshot(world: World) -> None:
    world.verb("correct_trade", 1, "1.10")
    world.take_all()
    loaded = type(world.machine).load(world.machine.dump())
    for machine in (world.machine, loaded):
        corrections.correct_trade(machine, 1, 120 * CENT, w.BREAK_CONSENT)
        corrections.break_trade(machine, 1, w.BREAK_CONSENT)
    assert {name: stream.events for name, stream in loaded.streams.items()} == {
        name: stream.events for name, stream in world.machine.streams.items()
    }
    assert len(loaded.streams["gateway-1"].events) == 7
    assert loaded.dump() == world.machine.dump()
