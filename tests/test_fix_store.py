"""Every message store keeps the same promises; openoutcry.fix.store says them. A dictionary is the oracle."""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openoutcry.errors import JournalError
from openoutcry.fix.filestore import FileStore
from openoutcry.fix.store import MemoryStore, MessageStore, file_name, open_store

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (the extra sql)")
from openoutcry.fix.sqlstore import SqlStore  # only after the line above

POSTGRES = os.environ.get("OPENOUTCRY_TEST_POSTGRES", "")
NAME = "FIX.4.2:ISLD->TW42"
EARLY, LATE = 1_000, 2_000

Open = Callable[[], MessageStore]


@pytest.fixture(params=["memory", "file", "file-sync", "sqlite", "postgres"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the session's store; again: closes the one before. A memory store stays what it was."""
    kind = request.param
    if kind == "postgres" and not POSTGRES:
        pytest.skip("no PostgreSQL: OPENOUTCRY_TEST_POSTGRES is not set to a URL")
    where = {
        "memory": "memory", "sqlite": f"sqlite:///{tmp_path}/fix.db", "postgres": POSTGRES,
    }.get(kind, str(tmp_path))  # fmt: skip
    name = f"{NAME}{uuid.uuid4().hex[:12]}"
    opened: list[MessageStore] = []

    def again() -> MessageStore:
        if opened and kind == "memory":
            return opened[0]
        if opened:
            opened.pop().close()
        opened.append(open_store(where, name, EARLY, sync=kind == "file-sync"))
        return opened[-1]

    yield again
    while opened:
        opened.pop().close()


def contents(store: MessageStore) -> tuple[int, int, int, list[tuple[int, bytes]]]:
    """All that a store says."""
    return store.next_out, store.next_in, store.created_ns, list(store.read(1, 1 << 40))


def test_a_new_store_begins_at_one(reopen: Open) -> None:
    assert contents(reopen()) == (1, 1, EARLY, [])


def test_what_was_kept_comes_back_and_what_was_not_is_only_counted(reopen: Open) -> None:
    store = reopen()
    for number in range(1, 8):
        store.add(b"message %d\x01\n" % number, number % 3 != 0)
    store.set_next_in(5)
    kept = [(number, b"message %d\x01\n" % number) for number in (1, 2, 4, 5, 7)]
    assert contents(store) == (8, 5, EARLY, kept)
    assert contents(reopen()) == (8, 5, EARLY, kept)
    assert list(reopen().read(2, 5)) == kept[1:4]
    assert list(reopen().read(3, 3)) == []


def test_a_reset_forgets_everything_and_notes_the_time(reopen: Open) -> None:
    store = reopen()
    store.add(b"one", True)
    store.set_next_in(9)
    store.reset(LATE)
    assert contents(store) == (1, 1, LATE, [])
    store.add(b"new", True)
    assert contents(reopen()) == (2, 1, LATE, [(1, b"new")])


def test_a_number_taken_back_forgets_what_was_kept_from_it_on(reopen: Open) -> None:
    store = reopen()
    for text in (b"one", b"two", b"three"):
        store.add(text, True)
    store.set_next_out(2)
    store.add(b"another two", True)
    store.set_next_out(10)
    store.add(b"ten", True)
    expected = (11, 1, EARLY, [(1, b"one"), (2, b"another two"), (10, b"ten")])
    assert contents(store) == expected
    assert contents(reopen()) == expected


def test_messages_can_be_added_while_others_are_read(reopen: Open) -> None:
    store = reopen()
    for _ in range(150):
        store.add(b"x", True)
    reading = store.read(1, 1 << 40)
    seen = [next(reading)[0] for _ in range(100)]
    store.add(b"y", True)
    seen += [number for number, _ in reading]
    assert seen == list(range(1, 152))


def test_closing_twice_is_fine_and_refreshing_changes_nothing(reopen: Open) -> None:
    store = reopen()
    store.add(b"one", True)
    store.refresh()
    assert contents(store) == (2, 1, EARLY, [(1, b"one")])
    store.close()
    store.close()


class Naive:
    """The oracle."""

    def __init__(self) -> None:
        self.next_out, self.next_in, self.created_ns = 1, 1, EARLY
        self.kept: dict[int, bytes] = {}

    def add(self, message: bytes, keep: bool) -> None:
        if keep:
            self.kept[self.next_out] = message
        self.next_out += 1

    def set_next_in(self, number: int) -> None:
        self.next_in = number

    def set_next_out(self, number: int) -> None:
        self.kept = {n: m for n, m in self.kept.items() if n < number}
        self.next_out = number

    def reset(self, now_ns: int) -> None:
        self.__init__()  # type: ignore[misc]  # a naive reset
        self.created_ns = now_ns

    def contents(self) -> tuple[int, int, int, list[tuple[int, bytes]]]:
        return self.next_out, self.next_in, self.created_ns, sorted(self.kept.items())


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.binary(max_size=30), st.booleans()),
        st.tuples(st.just("set_next_in"), st.integers(1, 40)),
        st.tuples(st.just("set_next_out"), st.integers(1, 40)),
        st.tuples(st.just("reset"), st.integers(0, 1 << 62)),
        st.tuples(st.just("reopen")),
        st.tuples(st.just("compact")),
    ),
    max_size=30,
)


@pytest.mark.parametrize("kind", ["memory", "file", "sqlite"])
@given(steps=STEPS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_every_store_does_what_a_dictionary_would(kind: str, steps: list[tuple[Any, ...]], tmp_path: Path) -> None:
    where = {"memory": "memory", "sqlite": f"sqlite:///{tmp_path}/fix.db", "file": str(tmp_path)}[kind]
    name = f"{NAME}{uuid.uuid4().hex[:12]}"
    store, naive = open_store(where, name, EARLY), Naive()
    for step, *arguments in steps:
        if step == "reopen" and kind != "memory":
            store.close()
            store = open_store(where, name, LATE)
        elif step == "compact" and isinstance(store, FileStore):
            store.compact()
        elif step not in ("reopen", "compact"):
            getattr(store, step)(*arguments)
            getattr(naive, step)(*arguments)
        assert contents(store) == naive.contents()
    store.close()


# ------------------------------------------------------------------------------------------------- memory
def test_a_memory_store_drops_its_older_half_when_it_is_full() -> None:
    store = MemoryStore(EARLY, bytes_max=10_000)
    for number in range(1, 1_000):
        store.add(b"%d" % number, True)
    assert store.statistics()["bytes"] <= 10_000
    found = list(store.read(1, 2_000))
    assert found == [(number, b"%d" % number) for number in range(found[0][0], 1_000)]
    assert len(found) > 20


# ------------------------------------------------------------------------------------------------- SQL
def test_sessions_share_a_database_without_seeing_each_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/fix.db"
    one, two = SqlStore(url, "A->B", EARLY), SqlStore(url, "B->A", LATE)
    one.add(b"one", True)
    two.set_next_in(7)
    assert (contents(one), contents(two)) == ((2, 1, EARLY, [(1, b"one")]), (1, 7, LATE, []))
    one.close()
    two.close()


def test_a_stand_by_sees_after_a_refresh_what_the_other_process_wrote(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/fix.db"
    active, stand_by = SqlStore(url, NAME, EARLY), SqlStore(url, NAME, LATE)
    active.add(b"one", True)
    active.set_next_in(3)
    stand_by.refresh()
    assert contents(stand_by) == (2, 3, EARLY, [(1, b"one")])
    active.close()
    stand_by.close()


def test_a_database_that_cannot_be_opened_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="unable to open database file"):
        SqlStore(f"sqlite:///{tmp_path}/no/such/directory/fix.db", NAME, EARLY)
    with pytest.raises(JournalError) as caught:
        SqlStore("postgresql+psycopg://user:secret@127.0.0.1:1/fix", NAME, EARLY)
    assert "secret" not in str(caught.value)
    with pytest.raises(JournalError, match="URL"):
        SqlStore("://", NAME, EARLY)


def test_a_closed_sql_store_says_so(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/fix.db", NAME, EARLY)
    store.close()
    with pytest.raises(JournalError, match="is closed"):
        store.add(b"x", True)


def test_without_sqlalchemy_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "openoutcry.fix.sqlstore")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(JournalError, match=r"pip install 'openoutcry\[sql\]'"):
        open_store("sqlite:///x.db", NAME, EARLY)


def test_without_a_databases_driver_the_error_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pg8000", None)
    with pytest.raises(JournalError, match="the driver pg8000 is missing: pip install pg8000"):
        open_store("postgresql+pg8000://user:secret@127.0.0.1/fix", NAME, EARLY)


def test_a_store_opened_in_one_thread_can_be_used_in_another(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/fix.db", NAME, EARLY)
    thread = threading.Thread(target=store.add, args=(b"one", True))
    thread.start()
    thread.join()
    assert contents(store) == (2, 1, EARLY, [(1, b"one")])
    store.close()


# ------------------------------------------------------------------------------------------------- names
def test_file_names_can_be_read_and_no_two_names_share_one() -> None:
    assert file_name("FIX.4.2:ISLD/SUB/LOC->TW42") == "FIX.4.2+ISLD,SUB,LOC=TW42"
    names = ["A->B", "A:B", "A/B", "A=B", "A+B", "A,B", "A-B", "A>B", "../x", "a" * 300, "a" * 301, "\u00e9"]
    files = [file_name(name) for name in names]
    assert len(set(files)) == len(names)
    assert all("/" not in file and len(file) <= 200 for file in files)
