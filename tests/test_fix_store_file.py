"""The file store survives a kill -9 at any byte, damage at any byte, and a full disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from openoutcry.errors import JournalError
from openoutcry.fix import filestore
from openoutcry.fix.filestore import HEADER, RECORD, FileStore

NAME = "FIX.4.4:US->THEM"
MESSAGES = [b"8=FIX.4.4|%d|" % number + b"x" * number for number in range(1, 7)]
State = tuple[int, int, list[tuple[int, bytes]]]


def state(store: FileStore) -> State:
    """Both numbers and what is kept."""
    return store.next_out, store.next_in, list(store.read(1, 1 << 40))


def written(directory: Path) -> tuple[Path, list[tuple[int, State]]]:
    """A store with messages kept and not, and a number taken back; its size and state after each change."""
    store = FileStore(directory, NAME, 1)
    states = [(store.path.stat().st_size, state(store))]

    def note() -> None:
        states.append((store.path.stat().st_size, state(store)))

    for number, message in enumerate(MESSAGES, 1):
        store.add(message, number != 3)
        note()
        store.set_next_in(number + 1)
        note()
    store.set_next_out(5)
    note()
    store.add(b"another five", True)
    note()
    store.close()
    return store.path, states


def test_a_file_cut_at_any_byte_is_the_store_as_it_was_after_the_newest_whole_record(tmp_path: Path) -> None:
    path, states = written(tmp_path)
    data = path.read_bytes()
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        store = FileStore(tmp_path, NAME, 1)
        expected = [found for at, found in states if at <= size] or [(1, 1, [])]
        assert state(store) == expected[-1], size
        assert store.damaged == 0
        store.add(b"goes on", True)
        after = state(store)
        store.close()
        again = FileStore(tmp_path, NAME, 1)
        assert state(again) == after
        again.close()


def test_a_byte_damaged_anywhere_costs_its_record_alone_and_no_number_is_used_twice(tmp_path: Path) -> None:
    path, states = written(tmp_path)
    data = path.read_bytes()
    whole = states[-1][1]
    records = [at for at, _ in states]
    for at in range(HEADER.size, len(data)):
        path.write_bytes(data[:at] + bytes((data[at] ^ 0x55,)) + data[at + 1 :])
        store = FileStore(tmp_path, NAME, 1)
        next_out, next_in, kept = state(store)
        store.close()
        if at >= records[-2]:  # the last record is taken for a torn one
            assert (next_out, next_in, kept) == states[-2][1]
        else:
            assert (next_out, next_in) == whole[:2], at
            assert store.damaged == 1
            assert len(set(whole[2]) - set(kept)) <= 1
            assert set(kept) <= set(whole[2]) | {(5, MESSAGES[4]), (6, MESSAGES[5])}


def test_several_bytes_damaged_never_change_a_message(tmp_path: Path) -> None:
    path, _states = written(tmp_path)
    data = path.read_bytes()
    made = {*enumerate(MESSAGES, 1), (5, b"another five")}
    for first in range(HEADER.size, len(data), 7):
        damaged = bytearray(data)
        for at in range(first, len(data), 61):
            damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        store = FileStore(tmp_path, NAME, 1)
        assert set(state(store)[2]) <= made
        store.close()


def test_damage_after_opening_leaves_a_message_out_when_it_is_asked_for(tmp_path: Path) -> None:
    store = FileStore(tmp_path, NAME, 1)
    store.add(b"one", True)
    offset = store.path.stat().st_size
    store.add(b"two", True)
    store.add(b"three", True)
    with store.path.open("r+b") as file:
        file.seek(offset + RECORD.size)
        file.write(b"TWO")
    assert list(store.read(1, 9)) == [(1, b"one"), (3, b"three")]
    assert store.statistics()["damaged"] == 1
    store.close()


def test_a_record_inside_a_message_is_not_found_when_the_one_around_it_is_damaged(tmp_path: Path) -> None:
    inner = FileStore(tmp_path, "the peer's own", 1)
    inner.set_next_out(1_000_000)
    inner.close()
    forged = inner.path.read_bytes()[HEADER.size :]
    store = FileStore(tmp_path, NAME, 1)
    offset = store.path.stat().st_size
    store.add(b"95=100|96=" + forged, True)
    store.add(b"two", True)
    store.close()
    with store.path.open("r+b") as file:
        file.seek(offset)
        file.write(b"?")
    again = FileStore(tmp_path, NAME, 1)
    assert (state(again), again.damaged) == ((3, 1, [(2, b"two")]), 1)
    again.close()


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "FIX.4.4+US=THEM.store"
    path.write_bytes(b"a letter to a friend")
    with pytest.raises(JournalError, match="not a message store"):
        FileStore(tmp_path, NAME, 1)
    assert path.read_bytes() == b"a letter to a friend"


def test_a_store_in_use_is_not_opened_twice(tmp_path: Path) -> None:
    store = FileStore(tmp_path, NAME, 1)
    with pytest.raises(JournalError, match="in use by another session or process"):
        FileStore(tmp_path, NAME, 1)
    store.reset(2)  # another file in its place
    with pytest.raises(JournalError, match="in use"):
        FileStore(tmp_path, NAME, 1)
    store.close()
    FileStore(tmp_path, NAME, 1).close()


def test_what_nobody_needs_is_written_out_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filestore, "COMPACT_DEAD_MIN", 1_000)
    store = FileStore(tmp_path, NAME, 1)
    store.add(b"one", True)
    for number in range(2, 200):
        store.set_next_in(number)
    assert store.statistics()["compactions"] > 0
    assert store.path.stat().st_size < 1_300
    store.close()
    again = FileStore(tmp_path, NAME, 9)
    assert (state(again), again.created_ns) == ((2, 199, [(1, b"one")]), 1)
    again.close()
    assert [entry.name for entry in tmp_path.iterdir()] == [store.path.name]


def test_a_full_disk_is_an_error_and_the_store_is_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(tmp_path, NAME, 1)
    store.add(b"one", True)
    write = os.write

    def half(fd: int, data: bytes) -> int:
        if len(data) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[: len(data) - 5])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(JournalError, match="No space left on device"):
            store.add(b"two", True)
    with pytest.raises(JournalError, match="closed"):
        store.add(b"two", True)
    again = FileStore(tmp_path, NAME, 1)
    assert (state(again), again.cut) == ((2, 1, [(1, b"one")]), 0)
    again.close()


WRITER = """
import sys
from openoutcry.fix.filestore import FileStore
store = FileStore(sys.argv[1], "FIX.4.4:US->THEM", 1)
number = store.next_out
while True:
    store.add(b"message %d" % number, True)
    store.set_next_in(number + 1)
    print(number, flush=True)
    number += 1
"""


def test_after_kill_minus_9_everything_that_was_said_to_be_stored_is_there(tmp_path: Path) -> None:
    last = 0
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(50):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            last = int(([*process.stdout.read().split(b"\n")[:-1]] or [b"0"])[-1] or last)
        store = FileStore(tmp_path, NAME, 1)
        next_out, next_in, kept = state(store)
        store.close()
        assert kept == [(number, b"message %d" % number) for number in range(1, next_out)]
        assert next_out - 1 >= last
        assert next_in in (next_out, next_out - 1)
