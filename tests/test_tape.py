"""The tape is a list with frames, in either build: what it holds, and the bytes of its frames, are those of a list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry import compiled, wire
from openoutcry.matcher import tape
from openoutcry.matcher.tape import Tape

Event = tuple[Any, ...]

EDGES = (
    0,
    1,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2**31,
    2**32 - 1,
    2**32,
    2**53 - 1,
    10**17,
    2**62 - 1,
    2**62,
    2**63 - 1,
)
numbers = st.sampled_from(EDGES) | st.integers(0, 2**63 - 1)
codes = st.integers(0, 99)  # sides, states, reasons
tokens = st.binary(min_size=1, max_size=wire.TOKEN_MAX)
data = st.binary(max_size=wire.CLIENT_DATA_MAX) | st.integers(253, wire.CLIENT_DATA_MAX).map(bytes)


def event(kind: int, *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    return st.tuples(st.just(kind), *fields)


HOT = {
    "accepted": event(wire.ACCEPTED, numbers, tokens, numbers, codes, numbers, numbers, codes, data),
    "replaced": event(wire.REPLACED, numbers, tokens, tokens, numbers, codes, numbers, numbers, codes, data, data),
    "executed": event(wire.EXECUTED, numbers, tokens, numbers, numbers, codes, *[numbers] * 3),
    "canceled": event(wire.CANCELED, numbers, tokens, numbers, codes, numbers),
    "added": event(wire.ADDED, *[numbers] * 5) | event(wire.ORDER_REPLACED, *[numbers] * 5),
    "traded": event(wire.TRADED, *[numbers] * 5, codes, numbers),
    "reduced": event(wire.REDUCED, *[numbers] * 4),
}
others = st.tuples(st.integers(1, 30), st.text(max_size=5), st.none() | st.integers(-5, 5), st.just((("name", True),)))
steps = st.one_of(
    *(st.tuples(st.just(name), events) for name, events in HOT.items()),
    st.tuples(st.just("append"), others),
    st.tuples(st.sampled_from(["insert", "set", "get", "del", "last", "look", "clear"]), others),
)


@given(st.lists(steps, max_size=60), st.booleans(), st.integers(0, 10**6))
def test_a_tape_is_a_list_whatever_is_done_to_it(done: list[tuple[str, Event]], loose: bool, place: int) -> None:
    found, wanted = Tape(loose=loose), list[Event]()
    for name, said in done:
        at = place % (len(wanted) + 1)
        if name in HOT:
            getattr(found, name)(said)
            wanted.append(said)
        elif name == "append":
            found.append(said)
            wanted.append(said)
        elif name == "insert":
            found.insert(at, said)
            wanted.insert(at, said)
        elif name == "clear":
            assert len(found) == len(wanted)
            if place % 7 == 0:
                found.clear()
                wanted.clear()
        elif name == "look":
            assert found[at:] == wanted[at:]
        elif wanted:
            change(found, wanted, name, at % len(wanted), said)
        assert len(found) == len(wanted)
        assert bool(found) == bool(wanted)
    assert found.frame(3, 17, 10**18) == wire.frame(wire.EV, 3, 17, 10**18, wanted)
    assert list(found) == wanted
    assert found == wanted
    assert list(found.part(1, 4)) == wanted[1:4]
    assert found.frame(1, 1, 0) == wire.frame(wire.EV, 1, 1, 0, wanted)  # looking changes nothing


def change(found: Tape, wanted: list[Event], name: str, at: int, said: Event) -> None:
    """One of the steps that need an event to be there."""
    if name == "set":
        found[at] = wanted[at] = said
    elif name == "get":
        assert found[at] == wanted[at]
    elif name == "del":
        del found[: at + 1]
        del wanted[: at + 1]
    else:
        assert found[-1] == wanted[-1]
        found[-1] = wanted[-1] = said


@pytest.mark.parametrize("count", [0, 15, 16, 2_048, 40_000, 70_000])
def test_a_frame_holds_as_many_events_as_there_are(count: int) -> None:
    found, one = Tape(), (wire.REDUCED, 1, 2, 3, 4)
    for _ in range(count):
        found.reduced(one)
    assert found.frame(1, 1, 1) == wire.frame(wire.EV, 1, 1, 1, [one] * count)
    assert len(found.part(0, count // 2)) == count // 2


def test_a_tape_can_begin_with_events_and_be_extended() -> None:
    found = Tape([(1, 2)])
    found.extend([(3, 4), (5, 6)])
    found.reduced((wire.REDUCED, 1, 1, 1, 0))
    assert list(found) == [(1, 2), (3, 4), (5, 6), (wire.REDUCED, 1, 1, 1, 0)]
    assert (3, 4) in found
    assert repr(found) == "[(1, 2), (3, 4), (5, 6), (6, 1, 1, 1, 0)]"


def test_the_tape_is_that_of_the_build() -> None:
    assert compiled.build() == ("compiled" if tape.NATIVE else "interpreted")
