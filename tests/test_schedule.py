"""The schedule: by time, then first in first out, and all of it in the snapshot."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.matcher.schedule import Entry, Schedule


def drain(schedule: Schedule, time_ns: int) -> list[Entry]:
    found = []
    while (entry := schedule.due(time_ns)) is not None:
        found.append(entry)
    return found


def test_entries_come_out_by_time_and_then_in_the_order_they_went_in() -> None:
    schedule = Schedule()
    schedule.add(30, "c")
    schedule.add(10, "b", 1)
    schedule.add(10, "a", 2)
    schedule.add(20, "d", "text")
    assert (schedule.next_ns(), len(schedule)) == (10, 4)
    assert drain(schedule, 9) == []
    assert drain(schedule, 20) == [("b", 1), ("a", 2), ("d", "text")]
    assert schedule.next_ns() == 30
    assert drain(schedule, 10**18) == [("c",)]
    assert (schedule.next_ns(), len(schedule)) == (0, 0)


def test_what_an_entry_puts_in_is_due_in_its_turn() -> None:
    schedule = Schedule()
    schedule.add(10, "first")
    schedule.add(30, "third")
    assert schedule.due(40) == ("first",)
    schedule.add(20, "second")
    assert drain(schedule, 40) == [("second",), ("third",)]


def test_a_ticket_is_never_given_out_twice_not_even_by_a_machine_that_was_loaded() -> None:
    schedule = Schedule()
    tickets = [schedule.ticket(), schedule.ticket()]
    schedule.add(1, "x")
    again = Schedule()
    again.load(w.unpack(w.pack(schedule.dump())))
    tickets += [again.ticket(), again.ticket()]
    assert len(set(tickets)) == 4


def test_it_knows_what_it_holds() -> None:
    schedule = Schedule()
    schedule.add(1, "x", 7)
    schedule.add(2, "y", 8)
    assert schedule.waiting("x") == [("x", 7)]
    schedule.due(1)
    assert schedule.waiting("x") == []


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 3))), st.integers(0, 20))
def test_a_snapshot_holds_all_of_it_and_is_canonical(entries: list[tuple[int, int]], until: int) -> None:
    schedule = Schedule()
    for time_ns, what in entries:
        schedule.add(time_ns, "kind", what)
    drain(schedule, until)
    again = Schedule()
    again.load(w.unpack(w.pack(schedule.dump())))
    assert again.dump() == schedule.dump()
    schedule.add(5, "new")
    again.add(5, "new")
    assert drain(again, 10**18) == drain(schedule, 10**18)
