"""openoutcry.fix.values: numbers are read and written exactly, and IS allows what the reference engine allows."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openoutcry.fix.values import (
    AVERAGE_DECIMALS,
    IS,
    NUMBER_MAX,
    PRICE_ONE,
    average,
    price_text,
    price_units,
    quantity,
)

units = st.integers(-(10**18), 10**18)
# What the reference engine says to these values (FIX 4.4, fields 44, 38, 126, 114, 206, 789 and others).
FLOATS = ["1", "1.0", "-1", "-1.5", ".5", "5.", "-.5", "-5.", "00100", "00.10", "-0", "0"] + ["1" * 40, "0." + "1" * 40]
NO_FLOATS = ["+1", "1e5", "-", ".", "-.", "--1", "1.2.3", "1,000", "+.5", "0x10", "nan", "inf", "1_0", "1.-5"] + [
    "",
    " 1",
    "1 ",
    "1\n",
]
STAMPS = ["20260101-00:00:00", *("20260101-00:00:00." + "123456789012"[:digits] for digits in range(13))]
STAMPS += ["20260101-00:00:60", "20260101-23:59:60", "20260230-00:00:00", "00000101-00:00:00", "18000101-00:00:00"]
NO_STAMPS = [
    "20260101-00:00:61",
    "20260101-24:00:00",
    "20260101-00:60:00",
    "20261301-00:00:00",
    "20260001-00:00:00",
    "20260100-00:00:00",
    "20260132-00:00:00",
    "20260101",
    "20260101-0:00:00",
    "20260101-00:00:00Z",
    "20260101-00:00:00.12x",
    "20260101-00:00",
    "20260101-00:00:00.1234567890123",
] + ["", "20260101 00:00:00", " 20260101-00:00:00", "20260101-00:00:00\n"]
ALLOWED: dict[str, tuple[list[str], list[str]]] = {
    **dict.fromkeys(("PRICE", "QTY", "AMT", "PERCENTAGE", "PRICEOFFSET", "FLOAT", "QUANTITY"), (FLOATS, NO_FLOATS)),
    "INT": (
        ["1", "-1", "-0", "007", "0", "2147483647", "-2147483648", "00002147483647"],
        ["+1", "1.0", "", " 1", "1 ", "-", "2147483648", "-2147483649", "9" * 30, "1e3", "1\n"],
    ),
    "SEQNUM": (["1", "007", "0", "2147483648", "9" * 18], ["+1", "-1", "-0", "1.0", "", "-", "9" * 30, "1e3"]),
    "BOOLEAN": (["Y", "N"], ["y", "n", "YES", "1", ""]),
    "CHAR": (["a", " ", "\xff"], ["ab", "", "\x01"]),
    "UTCTIMESTAMP": (STAMPS, NO_STAMPS),
    "UTCTIMEONLY": (
        ["00:00:00", "23:59:60", "12:00:00.123"],
        ["24:00:00", "0:00:00", "12:00", "20260101-00:00:00", ""],
    ),
    "UTCDATEONLY": (["20260101", "20260230"], ["20261301", "2026010", "20260132", "abcdefgh", ""]),
    "LOCALMKTDATE": (["20260101", "20261301", "abc"], [""]),
    "MONTHYEAR": (["202601", "202613", "202601w1", "abc"], [""]),
    "STRING": (["a", "\xff", "a=b", " "], ["", "a\x01"]),
    "CURRENCY": (["USD", "usd", "U D"], [""]),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_is_allows_what_the_reference_engine_allows(name: str) -> None:
    allowed, refused = ALLOWED[name]
    matches = re.compile(IS[name]).fullmatch
    assert [text for text in allowed if not matches(text.encode("latin-1"))] == []
    assert [text for text in refused if matches(text.encode("latin-1"))] == []


def test_every_type_is_a_regular_expression_without_groups_that_can_be_a_part_of_another() -> None:
    for name, expression in IS.items():
        assert re.compile(expression).groups == 0, name
        assert re.compile(b"a(" + expression + b")b").groups == 1, name


def test_no_long_value_takes_long_to_refuse() -> None:
    zeros, ones = b"0" * 60_000, b"1" * 60_000
    for expression in IS.values():
        for start in (b"", b"-", b"20260101-00:00:00."):
            for text in (zeros, ones):
                assert re.compile(expression + b"x").fullmatch(start + text + b"y") is None


def test_many_short_ones_do_not_either() -> None:
    for expression in IS.values():
        many = re.compile((b"(?:" + expression + b")\x01") * 30 + b"x")
        for text in (b"000000000000", b"111111111", b"1.000000000"):
            assert many.match((text + b"\x01") * 30 + b"y") is None


@given(units)
def test_a_price_written_is_read_as_the_same(price: int) -> None:
    text = price_text(price)
    assert price_units(text) == price
    assert Decimal(text.decode()) * PRICE_ONE == price
    assert re.fullmatch(rb"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", text)


@given(units, st.integers(0, 3), st.integers(0, 4))
def test_zeros_before_and_after_do_not_matter(price: int, before: int, after: int) -> None:
    sign, text = (b"-", price_text(-price)) if price < 0 else (b"", price_text(price))
    whole, _, fraction = text.partition(b".")
    assert price_units(sign + b"0" * before + whole + b"." + fraction + b"0" * after) == price


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("100.0", 100),
        ("00100", 100),
        ("-1.5", -1.5),
        (".5", 0.5),
        ("5.", 5),
        ("-.25", -0.25),
        ("-0", 0),
        ("0.00000001", 1e-8),
    ],
)
def test_prices_that_the_reference_engine_takes(text: str, price: float) -> None:
    assert price_units(text.encode()) == round(price * PRICE_ONE)


@pytest.mark.parametrize("text", [*NO_FLOATS, "0.000000001", "1" * (NUMBER_MAX + 1), "1" * 5_000, "\xff"])
def test_what_is_no_exact_price_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="price"):
        price_units(text.encode("latin-1"))


def test_quantities_are_whole() -> None:
    assert [quantity(text) for text in (b"100", b"100.0", b"100.00", b"100.", b"007", b"0", b"-5", b".0")] == [
        100, 100, 100, 100, 7, 0, -5, 0,
    ]  # fmt: skip
    for text in [b"1.5", b"1e3", b"", b"x", b"0.00000001", b"9" * 40]:
        with pytest.raises(ValueError, match="whole quantity"):
            quantity(text)


def test_what_was_read_is_kept_but_not_all_of_it() -> None:
    from openoutcry.fix import values

    for number in range(values.NUMBERS_KEPT + 100):
        assert price_units(b"%d" % number) == number * PRICE_ONE
        assert quantity(b"%d" % number) == number
        assert price_text(number * PRICE_ONE) == b"%d" % number
    assert max(len(values._prices), len(values._quantities), len(values._texts)) <= values.NUMBERS_KEPT


@given(st.integers(-(10**24), 10**24), st.integers(1, 10**12))
@example(1, 2 * 10**4)
@example(3, 2 * 10**4)
@example(-1, 2 * 10**4)
@example(10**8, 3)
def test_an_average_is_exact_or_rounded_half_to_even_at_12_decimals(notional: int, traded: int) -> None:
    with localcontext() as context:
        context.prec = 100
        exact = Decimal(notional) / PRICE_ONE / traded
        rounded = exact.quantize(Decimal(1).scaleb(-AVERAGE_DECIMALS), ROUND_HALF_EVEN)
    assert Decimal(average(notional, traded).decode()) == rounded
    assert b"E" not in average(notional, traded)


def test_an_average_of_nothing_is_0() -> None:
    assert (average(0, 0), average(10_050_000_000, 1), average(0, 5)) == (b"0", b"100.5", b"0")
