"""JSON text between the parts: equal values have equal text, and it is read as the standard library reads it."""

from __future__ import annotations

import json
import json.encoder
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry import jsontext

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_a_text_is_compact_with_its_keys_sorted_and_is_read_as_the_same_value(value: Any) -> None:
    text = jsontext.text(value)
    assert text == json.dumps(value, sort_keys=True, separators=(",", ":"))
    assert jsontext.parsed(text) == value


def test_a_python_without_the_fast_encoder_makes_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    value = {"b": [1, None, "é"], "a": {"z": True, "y": -(2**63)}}
    assert (
        jsontext.encoder()(value)
        == jsontext.text(value)
        == '{"a":{"y":-9223372036854775808,"z":true},"b":[1,null,"\\u00e9"]}'
    )


@pytest.mark.parametrize("value", [{1, 2}, [b"x"], object()])
def test_what_is_no_json_is_refused_and_leaves_nothing_behind(value: Any) -> None:
    for _ in range(2):
        with pytest.raises(TypeError):
            jsontext.text([value])
    assert jsontext.text([1]) == "[1]"


@pytest.mark.parametrize("data", [' {"a":1}', '{"a":1}\n', '\t{"a" : 1 } '])
def test_white_space_around_a_text_says_nothing(data: str) -> None:
    assert jsontext.parsed(data) == {"a": 1}


@pytest.mark.parametrize("data", ["", "{", '{"a":1}x', "[1],", "nul", "'a'", '{"a":1}{"b":2}'])
def test_what_is_no_text_of_one_value_is_refused(data: str) -> None:
    with pytest.raises(ValueError):
        jsontext.parsed(data)


def test_what_is_too_deep_is_refused() -> None:
    with pytest.raises(RecursionError):
        jsontext.parsed("[" * 100_000)
