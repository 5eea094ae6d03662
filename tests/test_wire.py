"""openoutcry.wire: every message has one form, and nothing else gets through."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry import wire
from openoutcry.errors import WireError
from openoutcry.matcher.inputs import collect_frames
from openoutcry.matcher.machine import Machine

TABLES = (wire.COMMANDS, wire.PRIVATE_EVENTS, wire.PUBLIC_EVENTS, wire.FRAMES)
SAMPLES = {
    wire.ENTER: (wire.ENTER, 1, b"A1", "AAPL", wire.BUY, 100, 10**10, wire.LIMIT, wire.DAY, 0, 0, b"x"),
    wire.REPLACE: (wire.REPLACE, 1, b"A1", b"A2", 100, 10**10, wire.LIMIT, wire.IOC, 0, 0, 0, b""),
    wire.CANCEL: (wire.CANCEL, 1, b"A1", 0),
    wire.MODIFY: (wire.MODIFY, 1, b"A1", wire.SELL_SHORT, 10),
    wire.REFUSE: (wire.REFUSE, 1, b"A1", wire.REJECT_PRICE, "", b""),
    wire.SUBMIT: (
        wire.SUBMIT,
        1,
        b"A1",
        "AAPL",
        wire.BUY,
        100,
        0,
        wire.PEGGED,
        wire.GTD,
        7,
        0,
        b"",
        ((wire.TERM_ACCOUNT, "ANN"), (wire.TERM_PEG, wire.PEG_MIDPOINT)),
    ),
    wire.AMEND: (
        wire.AMEND,
        1,
        b"A1",
        b"A2",
        100,
        10**10,
        wire.LIMIT,
        wire.DAY,
        0,
        0,
        0,
        b"",
        ((wire.TERM_HIDDEN, 1),),
    ),
    wire.QUOTE: (wire.QUOTE, 1, b"Q1", 0, b"", (("AAPL", 100, 10**10, 100, 10**10 + 1), ("MSFT", 0, 0, 5, 7))),
    wire.MASS_CANCEL: (wire.MASS_CANCEL, 1, b"M1", 2, "", 0, 0, wire.PRICE_MAX),
    wire.ASK: (wire.ASK, 1, b"A1"),
    wire.AGAIN: (wire.AGAIN, 1),
    wire.CHANGE: (wire.CHANGE, 1, b"A1", b"A2", 100, 10**10, wire.LIMIT, wire.DAY, 0, 0, b"", ((wire.TERM_HIDDEN, 1),)),
    wire.WITHDRAW: (wire.WITHDRAW, 1, b"A1", b"C1"),
    wire.CROSS: (wire.CROSS, 1, b"A1", b"A2", "AAPL", wire.SELL_SHORT, 100, 10**10, b"x", b"y"),
    wire.ECHO: (wire.ECHO, 1, b"8=FIX.4.2"),
    wire.LOGON: (wire.LOGON, "orders", "ALICE", 7, ""),
    wire.LOGON_AS: (wire.LOGON_AS, "fix", "FIX.4.4:EXCHANGE->ANN", 8, "PENSIONS", "ANN"),
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
    if field.name in ("side", "time_in_force", "terms", "quotes"):
        return False
    return field.low <= (value if field.type is int else len(value)) <= field.high


@pytest.mark.parametrize(
    ("kind", "index", "value"),
    [(wire.ENTER, 4, 3), (wire.MODIFY, 3, 4), (wire.ENTER, 7, 5), (wire.ENTER, 8, 8), (wire.REPLACE, 6, 18),
     (wire.REPLACE, 7, 9), (wire.SUBMIT, 4, 4), (wire.SUBMIT, 7, 24), (wire.SUBMIT, 8, 9), (wire.AMEND, 6, 22),
     (wire.AMEND, 7, 8)],
)  # fmt: skip
def test_side_order_type_and_time_in_force_take_only_their_codes(kind: int, index: int, value: int) -> None:
    bad = (*SAMPLES[kind][:index], value, *SAMPLES[kind][index + 1 :])
    with pytest.raises(WireError, match=str(value)):
        wire.check_command(bad)


# ------------------------------------------------------------------------------------------------- terms and quotes
def with_terms(*terms: Any) -> tuple[Any, ...]:
    return (*SAMPLES[wire.SUBMIT][:-1], terms)


@given(st.data())
def test_any_legal_terms_in_their_order_are_accepted(data: st.DataObject) -> None:
    chosen = sorted(data.draw(st.sets(st.sampled_from(sorted(wire.ORDER_TERMS)))))
    terms = tuple((term, data.draw(value_of(wire.ORDER_TERMS[term]))) for term in chosen)
    for command in (with_terms(*terms), (*SAMPLES[wire.AMEND][:-1], terms)):
        assert wire.decode_frame(wire.frame(wire.CMD, 1, 1, 0, [command]))[4] == (command,)


@pytest.mark.parametrize("term", sorted(wire.ORDER_TERMS))
def test_the_value_of_each_term_is_checked(term: int) -> None:
    field = wire.ORDER_TERMS[term]
    wrong: list[Any] = [None, 1.5, True, (), "x" * 300, b"x" * 300]
    wrong += [field.low - 1, field.high + 1] if field.type is int else [1]
    for value in wrong:
        with pytest.raises(WireError, match=field.name):
            wire.check_command(with_terms((term, value)))


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (((wire.TERM_HIDDEN, 1), (wire.TERM_ACCOUNT, "A")), "ascending"),
        (((wire.TERM_HIDDEN, 1), (wire.TERM_HIDDEN, 1)), "ascending"),
        ((("8", 1),), "pair"), (((99, 1),), "pair"), (((0, 1),), "pair"), (((True, "A"),), "pair"),
        (((wire.TERM_HIDDEN,),), "pair"), (((wire.TERM_HIDDEN, 1, 1),), "pair"), ((8, 1), "pair"),
    ],
)  # fmt: skip
def test_terms_are_pairs_in_ascending_order(terms: tuple[Any, ...], text: str) -> None:
    with pytest.raises(WireError, match=text):
        wire.check_command(with_terms(*terms))


@pytest.mark.parametrize(
    "entry",
    [("AAPL", 1, 1, 1), ("AAPL", 1, 1, 1, 1, 1), ("", 1, 1, 1, 1), ("AAPL", -1, 1, 1, 1), ("AAPL", 1, 1, 1, 10**18),
     ("AAPL", 1, 1, True, 1), (b"AAPL", 1, 1, 1, 1), 5, (), ("A" * 17, 1, 1, 1, 1)],
)  # fmt: skip
def test_every_entry_of_a_quote_is_checked(entry: Any) -> None:
    with pytest.raises(WireError, match="quote"):
        wire.check_command((*SAMPLES[wire.QUOTE][:-1], (("MSFT", 1, 1, 1, 2), entry)))


def test_a_quote_names_at_most_so_many_books() -> None:
    quotes = (("MSFT", 1, 1, 1, 2),) * (wire.QUOTES_MAX + 1)
    wire.check_command((*SAMPLES[wire.QUOTE][:-1], quotes[1:]))
    with pytest.raises(WireError, match="quotes"):
        wire.check_command((*SAMPLES[wire.QUOTE][:-1], quotes))


def test_the_commands_of_a_session_come_before_all_others() -> None:
    for kind, (name, fields) in wire.COMMANDS.items():
        assert (kind <= wire.SESSION_COMMANDS_END) == (fields[0] == wire.SESSION and name != "logoff")


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
    for data in (msgpack.packb(value), msgpack.packb([3, 2, 1, 1, 0, [value]]), msgpack.packb([4, 2, 1, 1, 0, value])):
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
    with pytest.raises(WireError, match=r"^version 1, this side speaks 3"):
        wire.decode_frame(wire.pack((wire.ACK, 1, 1, 0)))


def test_verb_arguments_are_plain_values() -> None:
    wire.check_command((wire.VERB, 1, "create_engine", ("x" * wire.ARGUMENT_TEXT_MAX, -(2**63) + 1, None, False)))
    for wrong in (1.5, b"x", (1,), "x" * (wire.ARGUMENT_TEXT_MAX + 1), 2**63):
        with pytest.raises(WireError, match="argument"):
            wire.check_command((wire.VERB, 1, "create_engine", (wrong,)))


def largest(field: wire.Field) -> Any:
    """The value of a field that takes the most bytes."""
    if field.type is int:
        return field.high
    if field == wire.TERMS:
        return tuple((term, largest(found)) for term, found in wire.ORDER_TERMS.items())
    return "x" * field.high if field.type is str else b"x" * field.high


@pytest.mark.parametrize("kind", sorted(set(wire.PRIVATE_EVENTS) - {wire.RESULT}))  # the matcher sends a big one alone
def test_events_of_the_largest_size_are_packed_into_frames_under_the_limit(kind: int) -> None:
    fields = [field for field in wire.PRIVATE_EVENTS[kind][1] if field.type is not tuple]
    event = (kind, *map(largest, fields))
    machine, frames = Machine(), Frames()
    machine.begin_epoch(1, 1)
    machine.public.events.extend([event] * wire.EVENTS_MAX)
    collect_frames(machine, frames)
    assert max(len(frame) for _, _, frame in frames.taken) <= wire.FRAME_MAX
    assert sum(count for _, count, _ in frames.taken) == wire.EVENTS_MAX


class Frames:
    """Takes the frames of a stream."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int, bytes]] = []

    def append(self, name: str, first_event: int, count: int, frame: bytes) -> None:
        self.taken.append((first_event, count, frame))


MANY_FRAMES = {wire.QUOTE, wire.ECHO}  # long ones: openoutcry.bus.Link sends as many at a time as fit


@pytest.mark.parametrize("kind", sorted(set(range(1, wire.SESSION_COMMANDS_END + 1)) - MANY_FRAMES))
def test_the_largest_frame_of_orders_stays_under_the_frame_limit(kind: int) -> None:
    command = (kind, *map(largest, wire.COMMANDS[kind][1]))
    assert len(wire.frame(wire.CMD, 1, 1, 0, [command] * wire.COMMANDS_MAX)) < wire.FRAME_MAX
