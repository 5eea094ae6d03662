"""What an endpoint remembers of what happened, and what waits there: the limits, and what is found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.gateway import managed_watch as m
from openoutcry.gateway.client import ON
from openoutcry.gateway.connection import Connection
from openoutcry.gateway.fix.connection import FixConnection
from openoutcry.gateway.managed_fix import ManagedFixConnection
from openoutcry.gateway.managed_hand import become
from openoutcry.gateway.managed_ouch import ManagedConnection

CONNECTION = SimpleNamespace(number=7, address="127.0.0.1")


class Numbers:
    """Gives numbers, and hears what happens."""

    def __init__(self) -> None:
        self.number = 0
        self.heard = 0
        self.budget = m.Budget()

    def next_event(self) -> int:
        self.number += 1
        return self.number

    def happened(self) -> None:
        self.heard += 1


def watch() -> m.Watch:
    return m.Watch(cast(Any, Numbers()))


def note(one: m.Watch, kind: str, session: str = "A", type: str = "", size: int = 0) -> int:
    return one.note(kind, CONNECTION, session, type, None, size)


def test_an_event_is_found_by_kind_or_type_and_session_the_oldest_first() -> None:
    one = watch()
    note(one, m.CONNECTION, "")
    note(one, m.MESSAGE, "A", "NewOrderSingle")
    note(one, m.MESSAGE, "B", "NewOrderSingle")
    note(one, m.SESSION_MESSAGE, "A", "TestRequest")

    def found(what: str, session: str | None = None, since: int = 0) -> int | None:
        event = one.find(what, session, since)
        return None if event is None else event.number

    assert [found(m.CONNECTION), found(m.MESSAGE), found("NewOrderSingle"), found("TestRequest")] == [1, 2, 2, 4]
    assert [found(m.MESSAGE, "B"), found(m.MESSAGE, None, 2), found(m.MESSAGE, "A", 2)] == [3, 3, None]
    assert [found(m.LOGON), found(m.MESSAGE, "C"), found(m.MESSAGE, None, 9)] == [None, None, None]


@given(st.lists(st.integers(0, 300_000), max_size=50), st.integers(0, 1_500))
def test_no_more_is_kept_than_the_limits_allow(sizes: list[int], small: int) -> None:
    one = watch()
    for _ in range(small):
        note(one, m.MESSAGE, size=1)
    for size in sizes:
        note(one, m.MESSAGE, size=size)
        kept = list(one._events)
        assert len(kept) <= m.EVENTS_MAX and sum(event.size for event in kept) <= m.EVENTS_BYTES_MAX
        assert one._bytes == sum(event.size for event in kept)
        assert not kept or kept[-1].number == len(kept) + kept[0].number - 1


@given(st.lists(st.tuples(st.integers(0, 400_000), st.booleans()), max_size=60))
def test_an_inbox_knows_what_waits_and_when_it_is_full(steps: list[tuple[int, bool]]) -> None:
    inbox = m.Inbox("A", m.Budget())
    waits: list[m.Held] = []
    for number, (size, takes) in enumerate(steps, 1):
        if takes and waits:
            held = waits.pop(size % len(waits))
            assert inbox.take(held.number) is held
        else:
            held = m.Held(number, "NewOrderSingle", b"", size)
            waits.append(held)
            inbox.put(held)
        assert list(inbox.held.values()) == waits
        assert inbox.full == (sum(held.size for held in waits) >= m.HELD_BYTES_MAX)
        assert inbox.oldest() is (waits[0] if waits else None)


def test_what_all_sessions_together_hold_is_limited_too_but_each_may_have_one() -> None:
    budget = m.Budget()
    one, two = m.Inbox("A", budget), m.Inbox("B", budget)
    one.put(m.Held(1, "", b"", 1))
    budget.bytes += m.HELD_TOTAL_MAX
    assert (one.full, two.full) == (True, False)
    two.put(m.Held(2, "", b"", 1))
    assert two.full
    budget.bytes -= m.HELD_TOTAL_MAX
    assert not one.full and not two.full
    one.clear()
    two.clear()
    assert budget.bytes == 0


def test_the_oldest_that_nobody_has_seen_is_shown_next() -> None:
    inbox = m.Inbox("A", m.Budget())
    one, two = m.Held(1, "", b"", 1), m.Held(2, "", b"", 1)
    inbox.put(one)
    inbox.put(two)
    one.shown = True
    assert inbox.oldest() is one and inbox.oldest(unseen=True) is two
    two.shown = True
    assert inbox.oldest(unseen=True) is None


def test_messages_wait_where_the_endpoint_or_the_session_says_so() -> None:
    one = watch()
    assert not one.messages and not one.holds("A")
    assert one.configure(True, True, "A\nB") == []
    assert one.messages and one.holds("A") and one.holds("B") and not one.holds("C")
    one.configure(True, False, "")
    assert one.holds("C")
    one.inbox("A").put(m.Held(1, "", b"", 1))
    one.inbox("C").put(m.Held(2, "", b"", 1))
    assert one.configure(True, False, "") == []
    assert one.configure(True, True, "A") == [one.inboxes["C"]]
    assert one.messages  # once they have been noted, they go on being noted


@pytest.mark.parametrize(("own", "held"), [(Connection, ManagedConnection), (FixConnection, ManagedFixConnection)])
def test_a_connection_whose_first_messages_nobody_asks_for_has_its_own_class_back(own: Any, held: Any) -> None:
    class Mine(own):  # type: ignore[misc]  # derived from a parameter
        pass

    for kind in (own, Mine):
        connection = object.__new__(kind)
        connection.state = ON
        become(connection, held)
        assert isinstance(connection, held) and isinstance(connection, kind)
        connection.let_go(m.FIRST_MAX - 1)
        assert isinstance(connection, held)
        connection.let_go(1)
        assert type(connection) is kind


def test_types_are_named_when_somebody_asks() -> None:
    one = watch()
    note(one, m.LOGON, "A", "Logon")
    note(one, m.MESSAGE, "A", m.UNNAMED)
    assert one.find("NewOrderSingle", None, 0) is None
    one.name_types(lambda session, message: f"{session} {message}")
    assert [event.type for event in one._events] == ["Logon", "A None"]
