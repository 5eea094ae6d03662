"""Tick tables (openoutcry.matcher.ticks): the ladder of valid prices, and what is no table."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.errors import VerbError
from openoutcry.matcher.ticks import ROWS_MAX, TickTable, ticks_of
from openoutcry.wire import PRICE_SCALE

CENT = PRICE_SCALE // 100


def table(text: str = "0=0.01 10=0.05 100=0.5") -> TickTable:
    found = ticks_of({"tick_table": text})
    assert found is not None
    return found


def test_a_book_without_a_table_has_one_tick_size() -> None:
    assert ticks_of({"tick_table": ""}) is None
    assert ticks_of({"tick_table": "  "}) is None


@pytest.mark.parametrize(
    ("cents", "tick"), [(1, 1), (999, 1), (1_000, 5), (9_995, 5), (9_999, 5), (10_000, 50), (10_000_000, 50)]
)
def test_a_price_has_the_tick_of_the_row_that_it_is_in(cents: int, tick: int) -> None:
    assert table().tick_at(cents * CENT) == tick * CENT


@pytest.mark.parametrize(("cents", "tick"), [(1, 1), (1_000, 1), (1_005, 5), (10_000, 5), (10_050, 50)])
def test_a_step_down_from_the_begin_of_a_row_takes_the_tick_below(cents: int, tick: int) -> None:
    assert table().tick_below(cents * CENT) == tick * CENT


@pytest.mark.parametrize(
    ("cents", "valid"), [(999, True), (1_000, True), (1_001, False), (1_005, True), (10_010, False), (10_050, True)]
)
def test_a_price_is_valid_when_it_is_a_multiple_of_its_tick(cents: int, valid: bool) -> None:
    assert table().valid(cents * CENT) is valid
    assert table().valid(cents * CENT + 1) is False


LADDERS = ("0=0.01", "0=0.01 10=0.05 100=0.5", "0=0.0001 1=0.001 5=0.005 50=0.01", "0=1 10=2 20=5 50=10")


@given(st.sampled_from(LADDERS), st.integers(1, 300 * PRICE_SCALE))
def test_the_valid_prices_are_a_ladder_without_gaps(text: str, price: int) -> None:
    ticks = table(text)
    below, above = ticks.floor(price), ticks.ceil(price)
    assert below <= price <= above
    assert ticks.valid(below)
    assert ticks.valid(above)
    if ticks.valid(price):
        assert below == above == price
        assert ticks.valid(price + ticks.tick_at(price))
        assert ticks.valid(price - ticks.tick_below(price))
    else:
        assert above - below == ticks.tick_at(price)


def test_steps_up_and_down_take_the_same_way() -> None:
    ticks = table("0=1 10=2 20=5 50=10")
    prices = [PRICE_SCALE]
    while prices[-1] < 100 * PRICE_SCALE:
        prices.append(prices[-1] + ticks.tick_at(prices[-1]))
    assert [price // PRICE_SCALE for price in prices] == [
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90, 100,
    ]  # fmt: skip
    assert all(high - ticks.tick_below(high) == low for low, high in pairwise(prices))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("1=0.01", "first row begins at 0"),
        ("0=0.01 10", "from=tick, and '10' is none"),
        ("0=0.01 x=1", "from is 'x', it must be a decimal number"),
        ("0=0", "tick is '0', it must be a decimal number as text, from 0.00000001"),
        ("0=0.01 10=0.000000001", "at most 8 decimals"),
        ("0=0.01 10=0.05 10=0.1", "ascending order, and 10 is not"),
        ("0=0.01 20=0.05 10=0.1", "ascending order, and 10 is not"),
        ("0=0.01 10=0.03", "without gaps, and 10 is no multiple of the tick 0.03"),
        ("0=0.03 10=0.05", "without gaps, and 10 is no multiple of the tick 0.03"),
        (" ".join(f"{begin}=1" for begin in range(ROWS_MAX + 1)), f"at most {ROWS_MAX} rows"),
    ],
)
def test_a_text_that_is_no_table_is_refused_with_the_rule_that_it_breaks(text: str, rule: str) -> None:
    with pytest.raises(VerbError) as caught:
        table(text)
    assert (caught.value.code, caught.value.field) == ("bad_argument", "value")
    assert rule in caught.value.text
