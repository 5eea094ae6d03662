"""The journal: what was synced comes back exactly, torn tails are cut, everything else that is wrong is refused."""

from __future__ import annotations

import errno
import logging
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openoutcry.errors import JournalError
from openoutcry.matcher.disk import Disk, disk_error
from openoutcry.matcher.journal import CHAIN_START, PAYLOAD_MAX, Journal, Turn
from openoutcry.matcher.records import HEADER_BYTES, OVERHEAD, SEGMENT_HEADER
from openoutcry.matcher.scan import Scan

SMALL = 4096  # bytes in a segment
in_tmp = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "openoutcry")


def payload(number: int) -> bytes:
    return f"turn {number} ".encode() * (1 + number % 4)


class QuickDisk(Disk):
    """Does not wait for the disk: for tests in which nothing dies."""

    def sync(self, fd: int) -> None:
        pass

    def sync_path(self, path: Path) -> None:
        pass


def write(directory: Path, count: int, durability: str = "sync", segment_bytes: int = SMALL) -> list[Turn]:
    """Append count turns, each synced."""
    turns = []
    with Journal(directory, durability, segment_bytes, disk=QuickDisk()) as journal:
        sequence = sum(turn.count for turn in journal.recover())
        for _ in range(count):
            number = journal.last_record + 1
            turn = Turn(number, sequence + 1, number % 3, 1_000 + number, 7, payload(number))
            assert journal.append(*turn[1:]) == number
            journal.sync()
            sequence += turn.count
            turns.append(turn)
    return turns


def read(directory: Path, after: int = 0, durability: str = "none") -> list[Turn]:
    with Journal(directory, durability, SMALL, disk=QuickDisk()) as journal:
        return list(journal.recover(after))


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.journal"))


def record_offsets(turns: list[Turn]) -> list[int]:
    """Where each record begins in a journal of one segment, and where the last one ends."""
    offsets = [SEGMENT_HEADER]
    for turn in turns:
        offsets.append(offsets[-1] + OVERHEAD + len(turn.payload))
    return offsets


def in_child(function: Callable[[], None]) -> int:
    """Run function in a forked child, return its wait status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child uses no thread of its parent
        pid = os.fork()
    if pid == 0:
        try:
            function()
            os._exit(0)
        finally:
            os._exit(99)
    return os.waitpid(pid, 0)[1]


# --------------------------------------------------------------------------------------- what is written is read
@pytest.mark.parametrize("durability", ["sync", "relaxed", "none"])
def test_turns_come_back_as_they_were_appended(tmp_path: Path, durability: str) -> None:
    turns = write(tmp_path, 200, durability)
    assert read(tmp_path, durability=durability) == turns
    assert len(segments(tmp_path)) > 3
    assert not list(tmp_path.glob("*.tmp"))


def test_recovery_continues_where_it_ended(tmp_path: Path) -> None:
    turns = write(tmp_path, 50) + write(tmp_path, 50) + write(tmp_path, 1)
    assert [turn.number for turn in turns] == list(range(1, 102))
    assert read(tmp_path) == turns


def test_recovery_after_any_record_yields_exactly_what_follows(tmp_path: Path) -> None:
    turns = write(tmp_path, 90)
    for after in range(91):
        assert read(tmp_path, after) == turns[after:]


@in_tmp
@given(sizes=st.lists(st.integers(0, 9000), max_size=12), segment_bytes=st.sampled_from([1024, 4096, 65536]))
def test_any_sizes_in_any_segments(tmp_path: Path, sizes: list[int], segment_bytes: int) -> None:
    shutil.rmtree(tmp_path)
    random_bytes = random.Random(len(sizes)).randbytes
    payloads = [random_bytes(size) for size in sizes]
    with Journal(tmp_path, "none", segment_bytes) as journal:
        assert list(journal.recover()) == []
        for data in payloads:
            journal.append(1, 0, 0, 0, data)
        journal.sync()
    assert [turn.payload for turn in read(tmp_path)] == payloads


def test_records_larger_than_what_is_read_at_once(tmp_path: Path) -> None:
    large = [os.urandom(PAYLOAD_MAX), b"", os.urandom(5_000_000), b"x"]
    with Journal(tmp_path, "none", 65536) as journal:
        list(journal.recover())
        for data in large:
            journal.append(1, 1, 1, 1, data)
        with pytest.raises(JournalError, match="at most"):
            journal.append(1, 1, 1, 1, bytes(PAYLOAD_MAX + 1))
        journal.append(1, 1, 1, 1, b"and on")
    assert [turn.payload for turn in read(tmp_path)] == [*large, b"and on"]


def test_fields_out_of_range_are_refused_and_harm_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path, "none") as journal:
        list(journal.recover())
        with pytest.raises(JournalError, match="out of range"):
            journal.append(-1, 1, 1, 1, b"")
        assert journal.append(1, 1, 1, 1, b"") == 1


def test_nothing_is_appended_before_recovery_or_after_close(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "none")
    with pytest.raises(JournalError, match="recover"):
        journal.append(1, 1, 1, 1, b"")
    list(journal.recover())
    journal.append(1, 1, 1, 1, b"")
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.sync()


def test_without_durability_nothing_is_reserved(tmp_path: Path) -> None:
    with Journal(tmp_path, "none") as journal:
        list(journal.recover())
        assert [path.stat().st_size for path in segments(tmp_path)] == [SEGMENT_HEADER]


def test_verify_counts_everything(tmp_path: Path) -> None:
    turns = write(tmp_path, 100)
    with Journal(tmp_path, "none") as journal:
        found = journal.verify()
        list(journal.recover())
        assert found["chain"] == journal.chain.hex()
    assert (found["records"], found["last_record"], found["torn_bytes"]) == (100, 100, 0)
    assert found["bytes"] == sum(OVERHEAD + len(turn.payload) for turn in turns)
    assert found["last_sequence"] == journal.last_sequence == turns[-1].first_sequence - 1 + turns[-1].count


# ----------------------------------------------------------------------------------------------- torn tails
@pytest.mark.parametrize("tail", ["truncated", "zeros", "garbage"])
def test_a_tail_torn_at_any_byte_of_the_last_three_records_is_cut(tmp_path: Path, tail: str) -> None:
    turns = write(tmp_path / "whole", 8)
    whole = segments(tmp_path / "whole")[0].read_bytes()
    offsets = record_offsets(turns)
    for cut in range(offsets[5], offsets[8]):
        rest = {"truncated": b"", "zeros": bytes(len(whole) - cut), "garbage": random.Random(cut).randbytes(300)}[tail]
        torn = tmp_path / str(cut)
        torn.mkdir()
        (torn / segments(tmp_path / "whole")[0].name).write_bytes(whole[:cut] + rest)
        # Bytes, not offsets: now and then the last bytes of a record equal those of the tail in their place.
        kept = sum((whole[:cut] + rest)[:end] == whole[:end] for end in offsets[1:])
        assert read(torn) == turns[:kept]
        assert write(torn, 1, "none")[0].number == kept + 1
        assert len(read(torn)) == kept + 1
        shutil.rmtree(torn)


def test_a_torn_tail_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    turns = write(tmp_path, 5, "none")
    path, end = segments(tmp_path)[0], record_offsets(turns)[-1]
    os.truncate(path, end - 3)
    assert read(tmp_path, durability="sync") == turns[:4]
    lost = end - 3 - record_offsets(turns)[4]
    assert f"{lost} bytes after offset" in caplog.text and "record 5" in caplog.text
    caplog.clear()
    assert read(tmp_path) == turns[:4] and not caplog.text


@in_tmp
@given(seed=st.integers(0, 2**32), acknowledged=st.integers(0, 6), unsynced=st.integers(1, 12))
def test_power_loss_keeps_what_was_synced_and_only_a_prefix_of_the_rest(
    tmp_path: Path, seed: int, acknowledged: int, unsynced: int
) -> None:
    """The disk may keep any of the 512 byte sectors that were written since the last sync."""
    shutil.rmtree(tmp_path)
    turns = write(tmp_path, acknowledged, segment_bytes=65536)
    with Journal(tmp_path, "sync", 65536, disk=QuickDisk()) as journal:
        list(journal.recover())
        path = segments(tmp_path)[0]
        before = path.read_bytes()
        for number in range(acknowledged + 1, acknowledged + unsynced + 1):
            turns.append(Turn(number, 1, 0, 0, 0, bytes([number]) * 200))
            journal.append(*turns[-1][1:])
        after = path.read_bytes()
    kept = random.Random(seed)
    sectors = range(0, len(after), 512)
    path.write_bytes(b"".join(kept.choice((before, after))[at : at + 512] for at in sectors))
    found = read(tmp_path)
    assert len(found) >= acknowledged and found == turns[: len(found)]


@pytest.mark.parametrize("durability", ["none", "relaxed"])
def test_a_hole_among_records_that_were_never_synced_ends_the_journal(
    tmp_path: Path, durability: str, caplog: pytest.LogCaptureFixture
) -> None:
    turns = write(tmp_path, 150, "none")
    hole = segments(tmp_path)[1]
    first = int(hole.stem)
    data = bytearray(hole.read_bytes())
    data[SEGMENT_HEADER + 5 :] = bytes(len(data) - SEGMENT_HEADER - 5)
    hole.write_bytes(data)
    assert read(tmp_path, durability=durability) == turns[: first - 1]
    assert len(segments(tmp_path)) == 2 and "none of them was known to be durable" in caplog.text
    write(tmp_path, 3, durability)
    assert len(read(tmp_path)) == first + 2


def test_a_client_cannot_pass_bytes_off_as_a_record(tmp_path: Path) -> None:
    write(tmp_path / "a", 20)
    forged = segments(tmp_path / "a")[0].read_bytes()[SEGMENT_HEADER:]
    with Journal(tmp_path / "b", "none") as journal:
        list(journal.recover())
        journal.append(1, 0, 0, 0, b"first")
        journal.append(1, 0, 0, 0, forged)
    path = segments(tmp_path / "b")[0]
    os.truncate(path, path.stat().st_size - 1)
    assert [turn.payload for turn in read(tmp_path / "b")] == [b"first"]


# ----------------------------------------------------------------------------------------------- damage
@contextmanager
def damaged(path: Path, at: int, data: bytes) -> Iterator[None]:
    """The file with data written over it at an offset, in place."""
    fd = os.open(path, os.O_RDWR)
    before = os.pread(fd, len(data), at)
    os.pwrite(fd, data[: len(before)], at)
    yield
    os.pwrite(fd, before, at)
    os.close(fd)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    turns = write(tmp_path, 5, segment_bytes=1024)
    path, offsets = segments(tmp_path)[0], record_offsets(turns)
    whole = path.read_bytes()
    for at, bit in product(range(offsets[-1] + 8), range(8)):
        scan = Scan(tmp_path)
        with damaged(path, at, bytes([whole[at] ^ 1 << bit])):
            if at < offsets[-2]:  # a later record says that this one was durable
                with pytest.raises(JournalError, match=path.name):
                    list(scan)
            else:  # nothing tells the last record from one that was being written
                kept = 4 if at < offsets[-1] else 5
                assert list(scan) == turns[:kept] and scan.torn is not None
    assert list(Scan(tmp_path)) == turns


@in_tmp
@given(data=st.data())
def test_garbage_anywhere_in_synced_segments_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    if not segments(tmp_path):
        write(tmp_path, 120)
    path = data.draw(st.sampled_from(segments(tmp_path)[:-1]))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    garbage = data.draw(st.binary(min_size=1, max_size=300))
    garbage = garbage[: len(whole) - at]
    if garbage != whole[at : at + len(garbage)]:
        with damaged(path, at, garbage), pytest.raises(JournalError, match="restore"):
            list(Scan(tmp_path))


def test_damage_names_the_place_and_the_way_out(tmp_path: Path) -> None:
    turns = write(tmp_path, 9)
    path, offset = segments(tmp_path)[0], record_offsets(turns)[3]
    data = bytearray(path.read_bytes())
    data[offset + HEADER_BYTES + 1] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalError) as caught:
        read(tmp_path)
    for part in (str(path), f"offset {offset}", "record 4", "checksum", "record 5", "restore"):
        assert part in str(caught.value)
    assert path.read_bytes() == data


def test_a_missing_segment_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "whole", 150)
    names = [path.name for path in segments(tmp_path / "whole")]
    for name in names[:-1]:
        copy = tmp_path / name
        shutil.copytree(tmp_path / "whole", copy)
        (copy / name).unlink()
        with pytest.raises(JournalError, match="missing"):
            read(copy)


def test_a_journal_shorter_than_its_snapshot_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 150)
    segments(tmp_path)[-1].unlink()
    with pytest.raises(JournalError, match="snapshot was made after record 150"):
        read(tmp_path, after=150)
    with pytest.raises(JournalError, match="after record 9"):
        read(tmp_path / "empty", after=9)


def test_the_snapshots_chain_value_must_be_the_journals(tmp_path: Path) -> None:
    chains = [CHAIN_START]
    with Journal(tmp_path, "none", SMALL) as journal:
        list(journal.recover())
        for number in range(1, 101):
            journal.append(number, 1, 0, 0, payload(number))
            chains.append(journal.chain)
    for after, chain in enumerate(chains):
        with Journal(tmp_path, "none", SMALL) as journal:
            assert len(list(journal.recover(after, chain))) == 100 - after
        with Journal(tmp_path, "none") as journal, pytest.raises(JournalError, match="chain"):
            list(journal.recover(after, bytes([1]) * 16))


def test_segments_of_other_journals_doubles_and_strangers_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a", 150)
    write(tmp_path / "b", 150)
    names = [path.name for path in segments(tmp_path / "a")]
    shutil.copytree(tmp_path / "a", tmp_path / "mixed")
    shutil.copy(tmp_path / "b" / names[2], tmp_path / "mixed")
    with pytest.raises(JournalError, match="another journal"):
        read(tmp_path / "mixed")
    shutil.copytree(tmp_path / "a", tmp_path / "double")
    shutil.copy(tmp_path / "a" / names[1], tmp_path / "double" / f"{int(names[1][:20]) + 1:020d}.journal")
    with pytest.raises(JournalError, match="as well"):
        read(tmp_path / "double")
    shutil.copytree(tmp_path / "a", tmp_path / "renamed")
    (tmp_path / "renamed" / names[2]).rename(tmp_path / "renamed" / f"{int(names[2][:20]) - 1:020d}.journal")
    with pytest.raises(JournalError):
        read(tmp_path / "renamed")
    (tmp_path / "a" / "notes.journal").touch()
    with pytest.raises(JournalError, match="20 digits"):
        read(tmp_path / "a")


def test_segments_that_do_not_continue_each_other_are_refused(tmp_path: Path) -> None:
    """Two lives of one journal after a copy: the same id and numbers, other contents."""
    write(tmp_path / "a", 20)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    write(tmp_path / "a", 130)
    with Journal(tmp_path / "b", "sync", SMALL, disk=QuickDisk()) as journal:
        list(journal.recover())
        for number in range(21, 151):
            journal.append(1, 0, 0, 0, payload(number))
            journal.sync()
    name = segments(tmp_path / "a")[2].name
    assert name in [path.name for path in segments(tmp_path / "b")]
    shutil.copy(tmp_path / "b" / name, tmp_path / "a")
    with pytest.raises(JournalError, match="chain differs"):
        read(tmp_path / "a")


@pytest.mark.parametrize("durability", ["sync", "none"])
def test_a_journal_can_be_read_while_it_is_written(tmp_path: Path, durability: str) -> None:
    count, ready = 600, threading.Event()

    def write_on() -> None:
        with Journal(tmp_path, durability, 16_384, disk=QuickDisk()) as journal:
            list(journal.recover())
            for number in range(1, count + 1):
                journal.append(number, 1, 0, 0, payload(number))
                journal.sync()
                ready.set()

    writer = threading.Thread(target=write_on)
    writer.start()
    assert ready.wait(10)
    seen = 0
    while seen < count:
        found = list(Scan(tmp_path))
        assert [turn.payload for turn in found] == [payload(number) for number in range(1, len(found) + 1)]
        assert len(found) >= seen
        seen = len(found)
    writer.join()


# ----------------------------------------------------------------------------------------------- dying while writing
class DyingDisk(Disk):
    """Kills its process at the step with this number; a write is then done by half."""

    def __init__(self, step: int) -> None:
        self.left = step

    def _step(self) -> bool:
        if threading.current_thread() is threading.main_thread():  # the spare's thread has no order to count in
            self.left -= 1
        return self.left == 0

    def write(self, fd: int, data: bytes, offset: int) -> None:
        if self._step():
            super().write(fd, data[: len(data) // 2], offset)
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(fd, data, offset)

    def sync(self, fd: int) -> None:
        self._die_before()
        super().sync(fd)

    def truncate(self, fd: int, size: int) -> None:
        self._die_before()
        super().truncate(fd, size)

    def rename(self, source: Path, target: Path) -> None:
        self._die_before()
        super().rename(source, target)

    def sync_directory(self, path: Path) -> None:
        self._die_before()
        super().sync_directory(path)

    def _die_before(self) -> None:
        if self._step():
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("durability", ["sync", "none"])
def test_dying_at_any_step_of_starting_appending_and_rolling_loses_nothing(tmp_path: Path, durability: str) -> None:
    acknowledged = tmp_path / "acknowledged"

    def life(directory: Path, step: int) -> None:
        with open(acknowledged, "w") as told, Journal(directory, durability, 512, disk=DyingDisk(step)) as journal:
            list(journal.recover())
            for number in range(1, 9):
                journal.append(number, 1, number, 1, payload(number))
                journal.sync()
                told.write(".")
                told.flush()

    step, status = 0, -1
    while status != 0:
        step += 1
        directory = tmp_path / str(step)
        status = in_child(partial(life, directory, step))
        assert status in (0, signal.SIGKILL)
        told = acknowledged.stat().st_size
        found = read(directory, durability=durability)
        assert told <= len(found) <= told + 1
        assert [turn.payload for turn in found] == [payload(number) for number in range(1, len(found) + 1)]
        write(directory, 12, durability, 512)
        assert len(read(directory)) == len(found) + 12
        assert not list(directory.glob("*.tmp"))
    assert step > 12 and len(segments(directory)) > 2


# ----------------------------------------------------------------------------------------------- a disk that refuses
class RefusingDisk(Disk):
    """Fails one kind of operation, once, and counts how often it was asked for."""

    def __init__(self, operation: str, error: int) -> None:
        self.operation, self.error, self.armed = operation, error, False
        self.asked = 0
        self.called = threading.Event()

    def _try(self, operation: str) -> None:
        if operation == self.operation and self.armed:
            self.asked += 1
            self.called.set()
            if self.asked == 1:
                raise OSError(self.error, os.strerror(self.error))

    def write(self, fd: int, data: bytes, offset: int) -> None:
        self._try("write")
        super().write(fd, data, offset)

    def sync(self, fd: int) -> None:
        self._try("sync")
        super().sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self._try("rename")
        super().rename(source, target)


@pytest.mark.parametrize(("operation", "error", "text"), [
    ("sync", errno.EIO, "fault"), ("write", errno.ENOSPC, "full"), ("rename", errno.ENOSPC, "full"),
])  # fmt: skip
def test_after_a_failure_nothing_is_tried_again(tmp_path: Path, operation: str, error: int, text: str) -> None:
    disk = RefusingDisk(operation, error)
    journal = Journal(tmp_path, "sync", 512, disk=disk)
    list(journal.recover())
    journal.append(1, 1, 1, 1, b"one")
    journal.sync()
    disk.armed = True
    with pytest.raises(JournalError, match=f"{tmp_path}.*{text}"):
        for _ in range(20):
            journal.append(2, 1, 1, 1, b"two")
            journal.sync()
    for call in (journal.sync, lambda: journal.append(3, 1, 1, 1, b"three")):
        with pytest.raises(JournalError, match="start again"):
            call()
    journal.close()
    assert disk.asked == 1 and journal.statistics()["failure"]
    assert read(tmp_path)[0].payload == b"one"


def test_relaxed_syncs_behind_the_writers_back(tmp_path: Path) -> None:
    disk = RefusingDisk("sync", 0)
    with Journal(tmp_path, "relaxed", SMALL, relaxed_sync_ms=1, disk=disk) as journal:
        list(journal.recover())
        disk.asked, disk.armed = 1, True
        journal.append(1, 1, 1, 1, b"one")
        assert journal.unsynced_files() == segments(tmp_path)
        journal.sync()
        assert disk.called.wait(10)
    assert journal.synced_record == 1 and journal.unsynced_files() == []


def test_a_failed_sync_in_the_background_stops_the_journal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = RefusingDisk("sync", errno.EIO)
    with Journal(tmp_path, "relaxed", SMALL, relaxed_sync_ms=1, disk=disk) as journal:
        list(journal.recover())
        disk.armed = True
        journal.append(1, 1, 1, 1, b"one")
        journal.sync()
        for thread in threading.enumerate():
            if thread.name == "journal-sync":
                thread.join(10)
        with pytest.raises(JournalError, match="cannot sync"):
            journal.append(2, 1, 1, 1, b"two")
    assert disk.asked == 1 and "cannot sync" in caplog.text


def test_without_durability_nothing_is_ever_synced(tmp_path: Path) -> None:
    disk = RefusingDisk("sync", 0)
    disk.asked, disk.armed = 1, True
    with Journal(tmp_path, "none", SMALL, disk=disk) as journal:
        list(journal.recover())
        for number in range(100):
            journal.append(number, 1, 1, 1, bytes(100))
            journal.sync()
        assert journal.unsynced_files() == segments(tmp_path)
    assert disk.asked == 1


def test_a_file_that_may_not_grow_is_reported(tmp_path: Path) -> None:
    def child() -> None:
        journal = Journal(tmp_path, "none")
        list(journal.recover())
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            for number in range(1000):
                journal.append(number, 1, 1, 1, bytes(100))
        except JournalError as error:
            os._exit(0 if "file size limit" in str(error) and str(tmp_path) in str(error) else 2)

    assert in_child(child) == 0
    assert len(read(tmp_path)) == (10_000 - SEGMENT_HEADER) // (100 + OVERHEAD)


FILL_THE_DISK = """
import pathlib, sys
from openoutcry.errors import JournalError
from openoutcry.matcher.journal import Journal
journal = Journal(pathlib.Path(sys.argv[1]), "sync", 262144)
list(journal.recover())
try:
    while True:
        journal.append(1, 1, 1, 1, bytes(5000))
        journal.sync()
        synced = journal.last_record
except JournalError as error:
    print(error)
journal.close()
again = Journal(pathlib.Path(sys.argv[1]), "none", 262144)
print(synced <= len(list(again.recover())) <= synced + 1)
"""


def test_a_full_disk_is_reported_and_keeps_what_was_synced(tmp_path: Path) -> None:
    if os.getuid() != 0 or shutil.which("unshare") is None:
        with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError) as caught:
            Disk().write(full.fileno(), b"x", 0)
        assert "the disk is full" in str(disk_error("write", tmp_path, caught.value))
        return
    mount = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-m", "sh", "-c", mount, "sh", str(tmp_path), sys.executable, FILL_THE_DISK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no mount namespaces here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    message, kept = done.stdout.splitlines()
    assert "the disk is full" in message and str(tmp_path) in message and kept == "True"
