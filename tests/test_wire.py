"""openoutcry.wire: every message has one form, and nothing else gets through."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry import wire
from openoutcry.errors import WireError

TABLES = (wire.COMMANDS, wire.PRIVATE_EVENTS, wire.PUBLIC_EVENTS, wire.FRAMES)
SAMPLES = {
    wire.ENTER: (wire.ENTER, 1, b"A1", "AAPL", wire.BUY, 100, 10**10, wire.LIMIT, wire.DAY, 0, 0, b"x"),
    wire.REPLACE: (wire.REPLACE, 1, b"A1", b"A2", 100, 10**10, wire.LIMIT, wire.IOC, 0, 0, 0, b""),
    wire.CANCEL: (wire.CANCEL, 1, b"A1", 0),
    wire.MODIFY: (wire.MODIFY, 1, b"A1", wire.SELL_SHORT, 10),
    wire.REFUSE: (wire.REFUSE, 1, b"A1", wire.REJECT_PRICE),
    wire.LOGON: (wire.LOGON, "orders", "ALICE", 7),
    wire.LOGOFF: (wire.LOGOFF, 1, 7),
    wire.BOUND: (wire.BOUND, "orders", "127.0.0.1", 4242, ""),
    wire.VERB: (wire.VERB, 1, "create_engine", ("main", None, True, -1)),
}


def value_of(field: wire.Field) -> st.SearchStrategy[Any]:
    """Any legal value of a field."""
    if field.type is int:
        return st.integers(field.low, field.high)
    high = min(field.high, 20)
    if field.type is str:
        return st.text(st.characters(codec="ascii"), min_size=field.low, max_size=high)
    if field.type is bytes:
        return st.binary(min_size=field.low, max_size=high)
    return st.just(())


@st.composite
def messages(draw: st.DrawFn) -> tuple[tuple[Any, ...], wire.Table]:
    """Any legal message of any table."""
    table = draw(st.sampled_from(TABLES))
    kind = draw(st.sampled_from(sorted(table)))
    return (kind, *(draw(value_of(field)) for field in table[kind][1])), table


@given(messages())
def test_every_legal_message_survives_the_wire(drawn: tuple[tuple[Any, ...], wire.Table]) -> None:
    message, table = drawn
    again = wire.unpack(wire.pack(message))
    wire.check(again, table)
    assert again == message
    assert next(iter(wire.as_dict(again, table))) == "kind"


@given(messages(), st.data())
def test_a_field_of_another_type_or_out_of_range_is_refused(
    drawn: tuple[tuple[Any, ...], wire.Table], data: st.DataObject
) -> None:
    message, table = drawn
    fields = table[message[0]][1]
    index = data.draw(st.integers(0, len(fields) - 1))
    field = fields[index]
    wrong: list[Any] = [None, 1.5, True, {}] + ([field.low - 1, field.high + 1, "1"] if field.type is int else [3])
    bad = list(message)
    bad[index + 1] = data.draw(st.sampled_from(wrong))
    with pytest.raises(WireError, match=field.name):
        wire.check(bad, table)


@pytest.mark.parametrize("kind", sorted(wire.COMMANDS))
def test_each_command_is_accepted_and_each_of_its_fields_is_checked(kind: int) -> None:
    sample = SAMPLES[kind]
    wire.check_command(sample)
    for index in range(len(sample)):
        for wrong in (None, 2.5, True, -1, 2**64, "", b"", "x" * 300, b"x" * 300, (1,) * 20):
            bad = (*sample[:index], wrong, *sample[index + 1 :])
            if _legal(kind, index, wrong):
                continue
            with pytest.raises(WireError):
                wire.check_command(bad)
    for short in (sample[:-1], (*sample, 0)):
        with pytest.raises(WireError):
            wire.check_command(short)


def _legal(kind: int, index: int, value: Any) -> bool:
    if index == 0:
        return False
    field = wire.COMMANDS[kind][1][index - 1]
    found: type = type(value)
    if found is not field.type:
        return False
    if field.name in ("side", "time_in_force"):
        return False
    return field.low <= (value if field.type is int else len(value)) <= field.high


@pytest.mark.parametrize(
    ("kind", "index", "value"),
    [(wire.ENTER, 4, 3), (wire.MODIFY, 3, 4), (wire.ENTER, 8, 1), (wire.REPLACE, 7, 2)],
)
def test_side_and_time_in_force_take_only_their_codes(kind: int, index: int, value: int) -> None:
    bad = (*SAMPLES[kind][:index], value, *SAMPLES[kind][index + 1 :])
    with pytest.raises(WireError, match=str(value)):
        wire.check_command(bad)


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_wire_error(data: bytes) -> None:
    try:
        wire.decode_frame(data)
    except WireError:
        pass


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_any_msgpack_value_raises_nothing_but_wire_error(value: Any) -> None:
    for data in (msgpack.packb(value), msgpack.packb([3, 1, 1, 1, 0, [value]]), msgpack.packb([4, 1, 1, 1, 0, value])):
        try:
            wire.decode_frame(data)
        except WireError:
            pass


@pytest.mark.parametrize(
    "bomb",
    [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\x91" * 5_000, b"\x80" * 100_000,
     b"\xdc\x10\x01" + b"\x00" * 4_097, b"\x00" * (wire.FRAME_MAX + 1)],
    ids=["array32", "map32", "bin32", "nesting", "maps", "array over the limit", "oversize"],
)  # fmt: skip
def test_bombs_are_refused(bomb: bytes) -> None:
    with pytest.raises(WireError):
        wire.decode_frame(bomb)


def test_a_frame_with_one_bad_command_is_refused_whole() -> None:
    good, bad = SAMPLES[wire.CANCEL], (wire.CANCEL, 1, b"A1", -1)
    wire.decode_frame(wire.frame(wire.CMD, 1, 1, 0, [good, good]))
    with pytest.raises(WireError, match="quantity"):
        wire.decode_frame(wire.frame(wire.CMD, 1, 1, 0, [good, bad]))


def test_another_version_is_named() -> None:
    with pytest.raises(WireError, match=r"^version 2, this side speaks 1"):
        wire.decode_frame(wire.pack((wire.ACK, 2, 1, 0)))


def test_verb_arguments_are_plain_values() -> None:
    for wrong in (1.5, b"x", (1,), "x" * 257, 2**63):
        with pytest.raises(WireError, match="argument"):
            wire.check_command((wire.VERB, 1, "create_engine", (wrong,)))


def test_the_largest_frames_stay_under_the_frame_limit() -> None:
    event = (wire.REPLACED, 2**31, b"x" * 64, b"y" * 64, 2**63 - 1, 6, 2**53, 10**17, 1, b"z" * 128, b"w" * 128)
    command = (wire.ENTER, 2**31, b"x" * 64, "S" * 16, 6, 2**53, 10**17, 2, 11, 2**62, 2**53, b"x" * 128)
    assert len(wire.frame(wire.EV, 1, 1, 0, [event] * wire.EVENTS_MAX)) < wire.FRAME_MAX
    assert len(wire.frame(wire.CMD, 1, 1, 0, [command] * wire.COMMANDS_MAX)) < wire.FRAME_MAX
