"""Fees (openoutcry.matcher.fees): exact amounts, who pays which rate, and what FEE tells."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.matcher.fees import Rate, fees_of
from openoutcry.verbs import BOOK_PROPERTIES
from openoutcry.wire import PRICE_MAX, PRICE_SCALE, QUANTITY_MAX, UINT63_MAX
from tests.machine_world import CENT, World, enter, market

MILL = PRICE_SCALE // 1_000


def properties(**given: Any) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in BOOK_PROPERTIES.items()} | given


# ------------------------------------------------------------------------------------------------- amounts
@pytest.mark.parametrize(
    ("rate", "quantity", "price", "amount"),
    [
        (Rate(3 * MILL, 0), 100, 50 * PRICE_SCALE, 300 * MILL),
        (Rate(-2 * MILL, 0), 100, 50 * PRICE_SCALE, -200 * MILL),
        (Rate(0, 25), 100, 50 * PRICE_SCALE, 100 * 50 * PRICE_SCALE * 25 // 1_000_000),
        (Rate(3 * MILL, -25), 100, 50 * PRICE_SCALE, 300 * MILL - 12_500_000),
        (Rate(0, 25, multiplier=50), 2, 50 * PRICE_SCALE, 2 * 50 * 50 * PRICE_SCALE * 25 // 1_000_000),
        (Rate(MILL, 0, decimals=2), 150, PRICE_SCALE, 150_000),  # 1.5 shares
    ],
)
def test_an_amount_is_the_share_part_and_the_value_part(rate: Rate, quantity: int, price: int, amount: int) -> None:
    assert rate.amount(quantity, price) == amount


@pytest.mark.parametrize(("price", "amount"), [(499_999, 0), (500_000, 1), (1_499_999, 1), (1_500_000, 2)])
def test_halves_are_rounded_away_from_zero_and_a_rebate_like_a_fee(price: int, amount: int) -> None:
    assert Rate(0, 1).amount(1, price) == amount
    assert Rate(0, -1).amount(1, price) == -amount


def test_both_parts_are_rounded_once_together() -> None:
    half = Rate(1, 1, decimals=1)  # a tenth of 1e-8 for the share, and 0.4 of it for the value
    assert half.amount(1, 4_000_000) == 1
    assert Rate(1, 0, decimals=1).amount(1, 4_000_000) + Rate(0, 1, decimals=1).amount(1, 4_000_000) == 0


RATES = st.builds(
    Rate, st.integers(-PRICE_MAX, PRICE_MAX), st.integers(-(10**6), 10**6), st.integers(1, 10**9), st.integers(0, 8)
)


@given(RATES, st.integers(1, QUANTITY_MAX), st.integers(1, PRICE_MAX))
def test_an_amount_is_the_nearest_to_the_exact_one_that_the_bus_can_carry(
    rate: Rate, quantity: int, price: int
) -> None:
    value = Fraction(price * quantity * rate.multiplier, 10**rate.decimals)
    exact = Fraction(rate.per_share * quantity, 10**rate.decimals) + rate.ppm * value / 1_000_000
    amount = rate.amount(quantity, price)
    if abs(exact) < UINT63_MAX:
        assert abs(amount - exact) <= Fraction(1, 2)
        assert abs(amount) >= abs(exact) or abs(amount - exact) < Fraction(1, 2)
    else:
        assert amount == (UINT63_MAX if exact > 0 else -UINT63_MAX)


def test_a_book_that_charges_nothing_has_no_fees() -> None:
    assert fees_of(properties()) is None


@pytest.mark.parametrize("name", ["maker_fee", "taker_fee", "maker_fee_ppm", "taker_fee_ppm"])
def test_any_of_the_four_properties_makes_fees(name: str) -> None:
    found = fees_of(properties(**{name: 7}, multiplier=10, quantity_decimals=3))
    assert found is not None
    expected = {"maker_fee": (7, 0, 0, 0), "taker_fee": (0, 0, 7, 0),
                "maker_fee_ppm": (0, 7, 0, 0), "taker_fee_ppm": (0, 0, 0, 7)}[name]  # fmt: skip
    assert (*found.maker[:2], *found.taker[:2]) == expected
    assert found.maker[2:] == found.taker[2:] == (10, 3)


# ------------------------------------------------------------------------------------------------- charging
@pytest.fixture
def world() -> World:
    """taker_fee 0.003 and maker_fee -0.002 a share; alice is 1, bob 2."""
    world = market()
    world.verb("set_book_property", "book-X", "taker_fee", "0.003")
    world.verb("set_book_property", "book-X", "maker_fee", "-0.002")
    world.take_all()
    return world


def fees_in(events: list[Any]) -> list[Any]:
    return [event for event in events if event[0] == w.FEE]


def test_the_taker_pays_then_the_maker_after_the_events_of_the_match(world: World) -> None:
    world.send("gateway-1", enter(1, b"a", w.SELL, 100, 50), enter(2, b"b", w.BUY, 30, 50))
    assert world.take()[2:] == [
        (w.EXECUTED, 2, b"b", 30, 50 * CENT, w.REMOVED_LIQUIDITY, 1, 0, 1),
        (w.EXECUTED, 1, b"a", 30, 50 * CENT, w.ADDED_LIQUIDITY, 1, 70, 2),
        (w.FEE, 2, b"b", 1, 90 * MILL),
        (w.FEE, 1, b"a", 1, -60 * MILL),
    ]


def test_each_match_is_charged_by_itself(world: World) -> None:
    world.send("gateway-1", *(enter(1, token, w.SELL, 10, 50) for token in (b"a", b"b")), enter(2, b"c", w.BUY, 20))
    assert fees_in(world.take()) == [
        (w.FEE, 2, b"c", 1, 30 * MILL), (w.FEE, 1, b"a", 1, -20 * MILL),
        (w.FEE, 2, b"c", 2, 30 * MILL), (w.FEE, 1, b"b", 2, -20 * MILL),
    ]  # fmt: skip


def test_a_fee_of_nothing_is_not_told() -> None:
    world = market()
    world.verb("set_book_property", "book-X", "taker_fee_ppm", 100)
    world.take_all()
    world.send("gateway-1", enter(1, b"a", w.SELL, 100, 50), enter(2, b"b", w.BUY, 30, 50))
    assert fees_in(world.take()) == [(w.FEE, 2, b"b", 1, 30 * 50 * CENT * 100 // 1_000_000)]


def test_in_an_auction_both_sides_pay_as_takers_the_buyer_first(world: World) -> None:
    world.verb("set_phase", "main", "pre_open")
    world.send("gateway-1", enter(1, b"a", w.SELL, 100, 50), enter(2, b"b", w.BUY, 30, 50))
    world.take_all()
    world.verb("open", "main")
    assert fees_in(world.take()) == [(w.FEE, 2, b"b", 1, 90 * MILL), (w.FEE, 1, b"a", 1, 90 * MILL)]
