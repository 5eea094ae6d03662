"""The table of verbs as everyone uses it: each verb, each argument, each way to get it wrong."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import parameters, verbs, wire
from openoutcry.errors import VerbError

GOOD: dict[str, Any] = {
    "name": "n1", "symbol": "AAPL", "text": "127.0.0.1", "secret": "s3cret", "int": 7, "bool": True, "price": "0.01",
    "value": 5, "duration": "90s",
}  # fmt: skip
WRONG: dict[str, list[Any]] = {
    "name": ["", "has blank", "ümlaut", "x" * 65, 5, 1.5, True, b"bytes", ("a",), "a/b", "new\nline"],
    "symbol": ["", "A B", "A/B", "x" * 17, 5, "é", "A\n"],
    "text": ["a\x00b", 5, "line\nline", None],
    "secret": ["", 5, None, "x" * 257, ("a",)],
    "int": [-(2**64), 2**70, "x", 1.0, True, None, "1e3", "٣", (1,)],
    "bool": ["maybe", 1, 0, None, 1.0],
    "price": ["x", "-1e30", "1e30", "0.000000001", 1.5, None, True, "NaN", "Infinity", "1" * 41],
    "duration": ["", "x", "5", 5, "-5s", "1.5s", "5 s", None, True, "99999d", "9" * 30 + "s", "s5"],
    "value": [None, 1.5, ("a",), b"x", "x" * 4_097],
    "choice": ["frobnicate", 5, True, None, ("a",), b"x", "x" * 5_000],
}
ROWS = list(verbs.VERBS.values())
PAIRS = [pytest.param(row, p, id=f"{row.name}-{p.name}") for row in ROWS for p in row.parameters]


def arguments(row: verbs.Verb, **changed: Any) -> dict[str, Any]:
    return {p.name: good(p) for p in row.parameters} | changed


def good(p: parameters.Parameter) -> Any:
    if p.type == "int":
        return max(p.low, GOOD["int"])
    return p.choices[0] if p.type == "choice" else GOOD[p.type]


def refusal(row: verbs.Verb, positional: tuple[Any, ...], named: dict[str, Any]) -> VerbError:
    with pytest.raises(VerbError) as caught:
        verbs.check(row.name, positional, named)
    assert caught.value.code in verbs.ERROR_CODES
    return caught.value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_good_arguments_come_out_in_order_by_place_or_by_name(row: verbs.Verb) -> None:
    named = arguments(row)
    assert verbs.check(row.name, (), named) == verbs.check(row.name, tuple(named.values()))
    assert len(verbs.check(row.name, (), named)) == len(row.parameters)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_defaults_complete_the_arguments(row: verbs.Verb) -> None:
    required = {name: value for name, value in arguments(row).items() if _parameter(row, name).required}
    checked = verbs.check(row.name, (), required)
    for p, value in zip(row.parameters, checked, strict=True):
        assert value == (parameters.convert(p, required[p.name], row.name) if p.required else p.default)


def _parameter(row: verbs.Verb, name: str) -> parameters.Parameter:
    return next(p for p in row.parameters if p.name == name)


@pytest.mark.parametrize(("row", "p"), PAIRS)
def test_a_missing_argument_is_named(row: verbs.Verb, p: parameters.Parameter) -> None:
    given = arguments(row)
    del given[p.name]
    if p.required:
        error = refusal(row, (), given)
        assert (error.code, error.field) == ("bad_argument", p.name)


@pytest.mark.parametrize(("row", "p"), PAIRS)
def test_a_wrong_argument_is_named_whatever_is_wrong_with_it(row: verbs.Verb, p: parameters.Parameter) -> None:
    for value in [*WRONG[p.type], *beyond(p)]:
        if value is None and p.default is None:
            continue
        error = refusal(row, (), arguments(row, **{p.name: value}))
        assert (error.code, error.field) == ("bad_argument", p.name), value
        if p.type == "secret":
            assert "***" in error.text


def beyond(p: parameters.Parameter) -> list[Any]:
    """The values next to a parameter's limits, on the wrong side."""
    if p.type == "int":
        return [p.low - 1, p.high + 1]
    if p.type == "price":
        return [parameters.price_text(p.low - 1), parameters.price_text(p.high + 1)]
    if p.type in ("text", "secret", "name", "symbol"):
        return ["x" * (p.high + 1), *(["x" * (p.low - 1)] if p.low else [])]
    return []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_unknown_argument_is_named(row: verbs.Verb) -> None:
    error = refusal(row, (), arguments(row, colour="red"))
    assert (error.code, error.field) == ("bad_argument", "colour")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_one_argument_too_many_is_refused(row: verbs.Verb) -> None:
    error = refusal(row, (*arguments(row).values(), "extra"), {})
    assert (error.code, error.field) == ("bad_argument", "")
    assert row.name in error.text


@pytest.mark.parametrize(("row", "p"), PAIRS)
def test_an_argument_given_twice_is_named(row: verbs.Verb, p: parameters.Parameter) -> None:
    place = row.parameters.index(p)
    error = refusal(row, tuple(arguments(row).values())[: place + 1], {p.name: good(p)})
    assert (error.code, error.field) == ("bad_argument", p.name)


def test_an_unknown_verb_lists_those_there_are() -> None:
    with pytest.raises(VerbError, match="create_engine") as caught:
        verbs.check("frobnicate", ())
    assert caught.value.code == "unknown_verb"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_verb_fits_the_bus(row: verbs.Verb) -> None:
    wire.check_command((wire.VERB, 1, row.name, verbs.check(row.name, (), arguments(row))))


def test_text_from_a_command_line_is_converted() -> None:
    assert verbs.check("depth", ("b", "5")) == ("b", 5)
    endpoint = verbs.ENDPOINT_PROPERTIES
    assert parameters.set_property(endpoint, "endpoint", "cancel_on_disconnect", "yes") is True
    assert parameters.set_property(verbs.BOOK_PROPERTIES, "book", "tick_size", "0.05") == 5_000_000


@pytest.mark.parametrize(
    "table",
    [verbs.ENGINE_PROPERTIES, verbs.BOOK_PROPERTIES, verbs.ENDPOINT_PROPERTIES],
    ids=["engine", "book", "endpoint"],
)
def test_a_bad_property_is_refused_by_field(table: dict[str, parameters.Parameter]) -> None:
    with pytest.raises(VerbError) as caught:
        parameters.set_property(table, "thing", "colour", 1)
    assert caught.value.field == "name" and next(iter(table)) in caught.value.text
    for name, p in table.items():
        for value in [*WRONG[p.type], *beyond(p)]:
            with pytest.raises(VerbError) as caught:
                parameters.set_property(table, "thing", name, value)
            assert caught.value.field == "value"


@pytest.mark.parametrize(
    ("price", "shown"),
    [(0, "0"), (1, "0.00000001"), (10_050_000_000, "100.5"), (-5 * 10**8, "-5"), (10**17, "1000000000")],
)
def test_prices_are_shown_without_needless_zeros(price: int, shown: str) -> None:
    assert parameters.price_text(price) == shown
