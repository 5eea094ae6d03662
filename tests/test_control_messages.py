"""The control protocol's codec: what goes in comes out, and no bytes at all make it raise anything but WireError."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry import wire
from openoutcry.control import messages
from openoutcry.errors import VerbError, WireError

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=20) | st.binary(max_size=20)
ANY = st.recursive(SCALARS | st.floats(), lambda inner: st.lists(inner, max_size=6), max_leaves=20)


@given(
    st.integers(1, wire.UINT63_MAX),
    st.text(min_size=1, max_size=64),
    st.lists(SCALARS, max_size=16),
    st.dictionaries(st.text(max_size=10), SCALARS, max_size=16),
)
def test_a_request_comes_out_as_it_went_in(number: int, verb: str, arguments: list[Any], named: dict[str, Any]) -> None:
    request = messages.decode_request(messages.encode_request(number, verb, arguments, named))
    assert request == (number, verb, tuple(arguments), tuple(named.items()))


@given(st.integers(0, wire.UINT63_MAX), st.text(max_size=50))
def test_a_reply_comes_out_as_it_went_in(number: int, value: str) -> None:
    assert messages.decode_reply(messages.encode_reply(number, (), value)) == (number, (), value)
    error = ("exists", "name", value)
    assert messages.decode_reply(messages.encode_reply(number, error, value)) == (number, error, "null")


@given(st.binary(max_size=200))
def test_bytes_raise_nothing_but_wire_errors(data: bytes) -> None:
    for decode in (messages.decode_request, messages.decode_reply):
        try:
            decode(data)
        except WireError:
            pass


@given(ANY)
def test_any_message_raises_nothing_but_wire_errors(value: Any) -> None:
    for decode in (messages.decode_request, messages.decode_reply):
        try:
            decode(msgpack.packb(value))
        except WireError:
            pass


@given(st.lists(ANY, min_size=3, max_size=3))
def test_a_request_with_a_good_id_is_refused_under_that_id(rest: list[Any]) -> None:
    try:
        messages.decode_request(msgpack.packb((wire.VERSION, 77, *rest)))
    except messages.BadRequest as bad:
        assert bad.id == 77


@pytest.mark.parametrize(
    ("request_", "number", "says"),
    [
        (b"", 0, "not a message"),
        (b"\xc1", 0, "not a message"),
        (msgpack.packb(1), 0, "array"),
        (msgpack.packb([]), 0, "array"),
        (msgpack.packb([wire.VERSION, 0, "list", [], []]), 0, "id"),
        (msgpack.packb([wire.VERSION, True, "list", [], []]), 0, "id"),
        (msgpack.packb([99, 5, "list", [], []]), 5, "version 99"),
        (msgpack.packb([True, 5, "list", [], []]), 5, "version"),
        (msgpack.packb([wire.VERSION, 5, "list", []]), 5, "5 elements"),
        (msgpack.packb([wire.VERSION, 5, "", [], []]), 5, "verb"),
        (msgpack.packb([wire.VERSION, 5, "x" * 65, [], []]), 5, "verb"),
        (msgpack.packb([wire.VERSION, 5, "list", "books", []]), 5, "arguments"),
        (msgpack.packb([wire.VERSION, 5, "list", [0] * (wire.ARGUMENTS_MAX + 1), []]), 5, "arguments"),
        (msgpack.packb([wire.VERSION, 5, "list", [[["deep"]]], []]), 5, "array of arrays"),
        (msgpack.packb([wire.VERSION, 5, "list", [], [["kind"]]]), 5, "pair"),
        (msgpack.packb([wire.VERSION, 5, "list", [], [[1, "books"]]]), 5, "pair"),
        (msgpack.packb([wire.VERSION, 5, "list", [], {"kind": "books"}]), 0, "not a message"),
        (b"\x00" * (messages.REQUEST_MAX + 1), 0, "bytes"),
    ],
)
def test_a_malformed_request_says_what_is_wrong(request_: bytes, number: int, says: str) -> None:
    with pytest.raises(messages.BadRequest, match=says) as caught:
        messages.decode_request(request_)
    assert caught.value.id == number


@pytest.mark.parametrize("value", [{"a": object()}, object(), 2**70, "\udcff"])
def test_a_value_that_cannot_be_sent_is_a_bad_argument_by_name(value: Any) -> None:
    with pytest.raises(VerbError) as caught:
        messages.encode_request(1, "create_engine", (), {"name": value})
    assert (caught.value.code, caught.value.field) == ("bad_argument", "name")


def test_a_value_too_long_for_a_reply_becomes_the_error_limit() -> None:
    reply = messages.decode_reply(messages.encode_reply(3, (), '"' + "x" * messages.VALUE_MAX + '"'))
    assert reply.error[0] == "limit" and reply.value == "null"


def test_a_request_over_the_limit_is_not_sent() -> None:
    with pytest.raises(VerbError, match="limit"):
        messages.encode_request(1, "create_engine", ("x" * messages.REQUEST_MAX,), {})
