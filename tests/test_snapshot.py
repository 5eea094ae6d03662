"""Snapshots: written by a child that may die at any step; what is loaded is what was written, or an older one."""

from __future__ import annotations

import errno
import logging
import os
import random
import select
import signal
from pathlib import Path

import pytest

from openoutcry.errors import JournalError
from openoutcry.matcher.disk import Disk
from openoutcry.matcher.journal import Journal
from openoutcry.matcher.snapshot import Snapshot, SnapshotStore, decode
from openoutcry.matcher.streams import StreamLogs

CHAIN = bytes(range(16))


def names(directory: Path) -> list[str]:
    return sorted(path.name.lstrip("0") for path in directory.iterdir())


@pytest.mark.parametrize("in_child", [True, False])
def test_what_is_written_is_loaded(tmp_path: Path, in_child: bool) -> None:
    store = SnapshotStore(tmp_path)
    positions = {"public": (10, 1, 99), "gateway/1é": (0, 0, 0)}
    if in_child:
        assert store.begin(7, 70, lambda: b"state" * 1000, CHAIN, positions)
        result = store.wait()
    else:
        result = store.write(7, 70, b"state" * 1000, CHAIN, positions)
    assert result is not None and (result.record_number, result.error, result.positions) == (7, "", positions)
    assert SnapshotStore(tmp_path).load_newest() == Snapshot(7, 70, CHAIN, positions, b"state" * 1000)
    assert result.bytes == (tmp_path / f"{7:020d}.snapshot").stat().st_size == store.counters["last_bytes"]


def test_an_empty_directory_holds_none(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path / "new" / "one")
    assert store.load_newest() is None and store.poll() is None and store.wait() is None and store.fileno() == -1


def test_the_newest_ones_are_kept(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, keep=2)
    (tmp_path / "stray.tmp").touch()
    for number in (1, 2, 10, 11):
        store.write(number, number, b"%d" % number)
    assert names(tmp_path) == ["10.snapshot", "11.snapshot"]
    assert store.statistics()["written"] == 4


def test_the_child_sees_the_state_as_it_was_at_the_fork(tmp_path: Path) -> None:
    state = [b"before"]
    store = SnapshotStore(tmp_path)

    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def dump() -> bytes:
        gate.read_bytes()
        return state[0]

    assert store.begin(1, 1, dump)
    assert store.busy and store.poll() is None and not store.begin(2, 2, b"")
    state[0] = b"after"
    gate.write_bytes(b"go")
    assert select.select([store], [], [], 10)[0]
    assert (result := store.wait()) is not None and not result.error and not store.busy
    gate.unlink()
    found = store.load_newest()
    assert found is not None and found.state == b"before"


def test_the_child_keeps_nothing_of_its_parent_open(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    with open(tmp_path / "lock", "w"):
        store.begin(1, 1, lambda: "\n".join(os.readlink(entry.path) for entry in os.scandir("/proc/self/fd")
                                            if os.path.lexists(entry.path)).encode())  # fmt: skip
        assert (result := store.wait()) is not None and not result.error
    found = store.load_newest()
    assert found is not None and b"lock" not in found.state and b"socket" not in found.state


def test_files_are_synced_before_the_snapshot_counts(tmp_path: Path) -> None:
    class Recording(Disk):
        def __init__(self) -> None:
            self.steps: list[str] = []

        def sync_path(self, path: Path) -> None:
            self.steps.append(f"sync {path.name}")

        def sync(self, fd: int) -> None:
            self.steps.append("sync the snapshot")

        def rename(self, source: Path, target: Path) -> None:
            self.steps.append("rename")
            super().rename(source, target)

    disk = Recording()
    SnapshotStore(tmp_path / "s", disk=disk).write(1, 1, b"", files=[tmp_path / "journal", tmp_path / "stream"])
    assert disk.steps == ["sync journal", "sync stream", "sync the snapshot", "rename", "sync s"]
    disk.steps.clear()
    SnapshotStore(tmp_path / "s", durable=False, disk=disk).write(2, 1, b"", files=[tmp_path / "journal"])
    assert disk.steps == ["rename"]


# ----------------------------------------------------------------------------------------------- damage
def test_every_flipped_or_missing_byte_is_noticed(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    store.write(3, 4, b"state", CHAIN, {"a": (1, 2, 3)})
    whole = (tmp_path / f"{3:020d}.snapshot").read_bytes()
    assert decode(whole) == Snapshot(3, 4, CHAIN, {"a": (1, 2, 3)}, b"state")
    for at in range(len(whole)):
        for bit in range(8):
            with pytest.raises(JournalError):
                decode(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        with pytest.raises(JournalError):
            decode(whole[:at])
    for seed in range(100):
        with pytest.raises(JournalError):
            decode(random.Random(seed).randbytes(seed * 3))


def test_a_damaged_snapshot_is_skipped_for_an_older_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SnapshotStore(tmp_path)
    for number in (1, 2):
        store.write(number, number, b"state")
    (tmp_path / f"{2:020d}.snapshot").write_bytes(b"garbage")
    store = SnapshotStore(tmp_path)
    found = store.load_newest()
    assert found is not None and found.record_number == 1 and "2.snapshot: skipped" in caplog.text
    store.write(3, 3, b"state")
    assert names(tmp_path) == ["1.snapshot", "3.snapshot"], "the damaged one goes first"
    (tmp_path / f"{9:020d}.snapshot").write_bytes((tmp_path / f"{3:020d}.snapshot").read_bytes())
    found = SnapshotStore(tmp_path).load_newest()
    assert found is not None and found.record_number == 3 and "holds the snapshot of record 3" in caplog.text
    for path in tmp_path.iterdir():
        os.truncate(path, 20)
    assert SnapshotStore(tmp_path).load_newest() is None


# ----------------------------------------------------------------------------------------------- dying and failing
class DyingDisk(Disk):
    """The process kills itself at the step with this number; a write is then done by half."""

    def __init__(self, step: int) -> None:
        self.left = step

    def _die(self) -> bool:
        self.left -= 1
        return self.left == 0

    def open(self, path: Path) -> int:
        return self._before() or super().open(path)

    def write(self, fd: int, data: bytes, offset: int) -> None:
        if self._die():
            super().write(fd, data[: len(data) // 2], offset)
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(fd, data, offset)

    def sync(self, fd: int) -> None:
        self._before()
        super().sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self._before()
        super().rename(source, target)

    def sync_path(self, path: Path) -> None:
        self._before()
        super().sync_path(path)

    def remove(self, path: Path) -> None:
        self._before()
        super().remove(path)

    def _before(self) -> int:
        if self._die():
            os.kill(os.getpid(), signal.SIGKILL)
        return 0


def test_a_child_killed_at_any_step_leaves_the_older_snapshot_or_the_new_one(tmp_path: Path) -> None:
    step, error = 0, "not yet"
    while error:
        step += 1
        directory = tmp_path / str(step)
        for number in (1, 2):
            SnapshotStore(directory).write(number, number, b"%d" % number)
        store = SnapshotStore(directory, disk=DyingDisk(step))
        assert store.begin(3, 3, lambda: b"3" * 10_000, files=[directory])
        result = store.wait()
        assert result is not None
        error = result.error
        assert error in ("", "the child was killed by signal 9")
        found = SnapshotStore(directory).load_newest()
        assert found is not None and found.record_number in (2, 3) and found.state[:1] == b"%d" % found.record_number
        SnapshotStore(directory).write(4, 4, b"4")
        assert "4.snapshot" in names(directory) and not list(directory.glob("*.tmp"))
        assert len(names(directory)) == 2
    assert step > 8


def test_a_refused_write_is_reported_and_the_next_one_works(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Full(Disk):
        def write(self, fd: int, data: bytes, offset: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = SnapshotStore(tmp_path, disk=Full())
    assert store.begin(1, 1, b"")
    result = store.wait()
    assert result is not None and "No space left" in result.error and "No space left" in caplog.text
    with pytest.raises(JournalError, match="the disk is full"):
        store.write(1, 1, b"")
    assert store.statistics()["failed"] == 2 and store.load_newest() is None
    assert SnapshotStore(tmp_path).write(2, 2, b"").error == "" and names(tmp_path) == ["2.snapshot"]


def test_a_state_that_cannot_be_computed_is_reported(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    assert store.begin(1, 1, lambda: b"%d" % (1 // 0))
    result = store.wait()
    assert result is not None and "ZeroDivisionError" in result.error and names(tmp_path) == []
    with pytest.raises(ValueError, match="16 bytes"):
        store.begin(1, 1, b"", chain=b"short")


def test_a_refused_fork_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    store = SnapshotStore(tmp_path)
    monkeypatch.setattr(os, "fork", refuse)
    assert not store.begin(1, 1, b"") and not store.busy and store.counters["failed"] == 1


def test_closing_abandons_the_child(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    store = SnapshotStore(tmp_path / "s")
    assert store.begin(1, 1, gate.read_bytes)
    store.close()
    store.close()
    assert not store.busy and names(tmp_path / "s") == [] and store.counters["failed"] == 1


# ----------------------------------------------------------------------------------------------- all three together
def test_a_start_from_a_snapshot_equals_a_start_from_the_beginning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """State: the concatenation of all payloads. Events: one per record, which says how long the state is."""
    caplog.set_level(logging.WARNING)

    def life(records: int, snapshot_at: int, kill: bool) -> tuple[bytes, list[bytes]]:
        store, streams = SnapshotStore(tmp_path / "snapshots"), StreamLogs(tmp_path / "streams")
        journal = Journal(tmp_path / "journal", "relaxed", 4096)
        snapshot = store.load_newest()
        streams.restore(snapshot.positions if snapshot else {})
        state, number = (snapshot.state, snapshot.record_number) if snapshot else (b"", 0)

        def apply(payload: bytes) -> None:
            nonlocal state, number
            state, number = state + payload, number + 1
            streams.append("public", number, 1, b"%d" % len(state))

        for turn in journal.recover(number, snapshot.chain if snapshot else None):
            apply(turn.payload)
        for _ in range(records):
            payload = b"%d," % journal.append(number + 1, 1, 0, 1, b"%d," % (number + 1))
            journal.sync()
            apply(payload)
            if number == snapshot_at:
                positions, files = streams.flush_for_snapshot()
                files += journal.unsynced_files()
                store.begin(number, number, lambda: state, journal.chain, positions, files)
        result = store.wait()
        if result is not None:
            assert not result.error
            streams.mark_durable(result.positions)
        events = [frame for _, _, frame in streams.read("public", 0)]
        if not kill:
            streams.flush()
        streams.close()
        journal.close()
        return state, events

    life(500, 300, kill=True)
    life(500, 700, kill=False)
    life(100, 0, kill=True)
    from_snapshot = life(0, 0, kill=True)
    for path in (tmp_path / "snapshots").iterdir():
        path.unlink()
    assert life(0, 0, kill=True) == from_snapshot
    assert from_snapshot[0] == b"".join(b"%d," % number for number in range(1, 1101)) and len(from_snapshot[1]) == 1100
    assert not caplog.text
