"""The streams' history: every event can be read again, from memory or from files, and restoring cuts to a snapshot."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openoutcry.errors import JournalError
from openoutcry.matcher.disk import Disk
from openoutcry.matcher.streams import FLUSH_BYTES, START, Frame, StreamLog, StreamLogs, file_name

RING = 2 * FLUSH_BYTES
SEGMENT = 300_000


def logs(directory: Path, disk: Disk | None = None) -> StreamLogs:
    return StreamLogs(directory, disk, RING, SEGMENT)


def frames(first: int, count: int, size: int = 1_000) -> list[Frame]:
    """count frames of 1, 2, 3, 1, 2 ... events, from event first on, each with its own content."""
    made = []
    for number in range(count):
        events = 1 + number % 3
        made.append((first, events, b"%020d" % first * (size // 20)))
        first += events
    return made


def fill(log: StreamLog, entries: Iterable[Frame]) -> None:
    for entry in entries:
        log.append(*entry)


def end(entries: list[Frame]) -> int:
    return entries[-1][0] + entries[-1][1] - 1


def after(entries: list[Frame], event: int) -> list[Frame]:
    return [entry for entry in entries if entry[0] + entry[1] - 1 > event]


@pytest.fixture
def long(tmp_path: Path) -> tuple[StreamLogs, list[Frame]]:
    """A stream of several files, the end of which is in the ring, and the very end only there."""
    made = frames(1, 2_000)
    streams = logs(tmp_path)
    fill(streams.log("gateway-1"), made)
    return streams, made


def test_a_stream_is_read_from_any_event_on(long: tuple[StreamLogs, list[Frame]]) -> None:
    streams, made = long
    assert streams.log("gateway-1").end == end(made)
    for event in [*range(0, end(made), 97), *range(end(made) - 1_200, end(made) + 1)]:
        found = streams.read("gateway-1", event)
        expected = after(made, event)
        assert next(found, None) == (expected[0] if expected else None)
    assert list(streams.read("gateway-1", 0)) == made
    assert list(streams.read("gateway-1", 1_234)) == after(made, 1_234)


def test_reading_is_the_same_on_both_sides_of_the_rings_edge(long: tuple[StreamLogs, list[Frame]]) -> None:
    streams, made = long
    log = streams.log("gateway-1")
    edge = log._ring[0][0]
    for event in range(edge - 5, edge + 5):
        assert list(log.read(event)) == after(made, event)


def test_reading_some_and_coming_back_for_the_rest(long: tuple[StreamLogs, list[Frame]]) -> None:
    streams, made = long
    found: list[Frame] = []
    while not found or end(found) < end(made):
        for number, entry in enumerate(streams.read("gateway-1", end(found) if found else 0)):
            found.append(entry)
            if number == 31:
                break
    assert found == made


def test_two_readers_do_not_disturb_each_other_nor_the_writer(long: tuple[StreamLogs, list[Frame]]) -> None:
    streams, made = long
    log = streams.log("gateway-1")
    readers = [log.read(0), log.read(1_500)]
    found: list[list[Frame]] = [[], []]
    for entry in frames(end(made) + 1, 1_500):
        fill(log, [entry])
        made.append(entry)
        for reader, got in zip(readers, found, strict=True):
            got.append(next(reader))
    assert found[0] + list(readers[0]) == made
    assert found[1] + list(readers[1]) == after(made, 1_500)


def test_memory_stays_bounded(long: tuple[StreamLogs, list[Frame]]) -> None:
    facts = long[0].statistics()["gateway-1"]
    assert facts["ring_bytes"] <= RING and facts["pending_bytes"] <= FLUSH_BYTES and facts["files"] > 3


def test_one_frame_larger_than_every_buffer(tmp_path: Path) -> None:
    streams = logs(tmp_path)
    made: list[Frame] = [(1, 1, b"a"), (2, 5, os.urandom(3_000_000)), (7, 1, b""), (8, 1, os.urandom(700_000))]
    fill(streams.log("x"), made)
    for event in range(9):
        assert list(streams.read("x", event)) == after(made, event)


def test_events_may_not_be_left_out_or_doubled(tmp_path: Path) -> None:
    log = logs(tmp_path).log("x")
    log.append(1, 3, b"a")
    for first, count in ((3, 1), (5, 1), (4, 0)):
        with pytest.raises(JournalError, match="cannot follow event 3"):
            log.append(first, count, b"b")


# ----------------------------------------------------------------------------------------------- snapshots
def test_restoring_cuts_to_the_snapshot_and_replay_makes_the_rest_again(tmp_path: Path) -> None:
    streams, made = logs(tmp_path), frames(1, 3_000)
    fill(streams.log("a"), made[:1_000])
    streams.append("b", 1, 1, b"only")
    positions, files = streams.flush_for_snapshot()
    assert all(path.exists() for path in files) and tmp_path in files
    fill(streams.log("a"), made[1_000:])
    streams.append("stranger", 1, 1, b"made after the snapshot")
    streams.flush()
    streams.close()
    again = logs(tmp_path)
    again.restore(positions)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert again.log("a").end == end(made[:1_000]) and again.log("b").end == 1
    assert list(again.read("a", 0)) == made[:1_000]
    fill(again.log("a"), made[1_000:])
    assert list(again.read("a", 0)) == made and list(again.read("b", 0)) == [(1, 1, b"only")]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(1, 900), st.booleans(), st.booleans()), max_size=8))
def test_any_order_of_writing_snapshots_and_restarts(tmp_path: Path, steps: list[tuple[int, bool, bool]]) -> None:
    streams = logs(tmp_path)
    streams.restore({})
    made: list[Frame] = []
    snapshot: tuple[dict[str, tuple[int, int, int]], int] = ({}, 0)
    for count, take, restart in steps:
        new = frames(end(made) + 1 if made else 1, count)
        fill(streams.log("s"), new)
        made += new
        if take:
            snapshot = (dict(streams.flush_for_snapshot()[0]), len(made))
        if restart:
            streams.close()
            streams = logs(tmp_path)
            streams.restore(snapshot[0])
            del made[snapshot[1] :]
        assert list(streams.read("s", 0)) == made
    streams.close()


def test_without_a_snapshot_everything_begins_anew(long: tuple[StreamLogs, list[Frame]], tmp_path: Path) -> None:
    streams, made = long
    streams.restore({"gateway-1": START})
    assert list(tmp_path.iterdir()) == [] and streams.log("gateway-1").end == 0
    fill(streams.log("gateway-1"), made)
    assert list(streams.read("gateway-1", 0)) == made


def test_only_files_since_the_last_complete_snapshot_need_a_sync(long: tuple[StreamLogs, list[Frame]]) -> None:
    streams, made = long
    positions, files = streams.flush_for_snapshot()
    assert len(files) > 4
    streams.mark_durable(positions)
    fill(streams.log("gateway-1"), frames(end(made) + 1, 3))
    files = streams.flush_for_snapshot()[1]
    assert all(int(path.stem) >= positions["gateway-1"].segment for path in files if path.suffix)
    assert len(files) <= 4  # the last file, perhaps the next one, their directory, and the one above


def test_streams_have_a_directory_of_their_own_whatever_they_are_called(tmp_path: Path) -> None:
    names = ["a", "A", "a/b", "..", ".", "", "a%2Fb", "é" * 64, "é" * 63 + "ê", "x y", "\0"]
    assert len({file_name(name) for name in names}) == len(names)
    streams = logs(tmp_path)
    for name in names:
        streams.append(name, 1, 1, name.encode())
    positions, _ = streams.flush_for_snapshot()
    streams.restore(positions)
    assert [list(streams.read(name, 0)) for name in names] == [[(1, 1, name.encode())] for name in names]
    assert {path.parent for path in tmp_path.rglob("*.stream")} == {tmp_path / file_name(name) for name in names}


def test_a_busy_stream_of_nothing_writes_nothing(tmp_path: Path) -> None:
    streams = logs(tmp_path)
    assert streams.log("a").position() == START and streams.flush_for_snapshot() == ({"a": START}, [])
    assert list(streams.read("a", 0)) == [] and list(tmp_path.iterdir()) == []


# ----------------------------------------------------------------------------------------------- damage
def test_every_damaged_byte_is_noticed_with_its_place(tmp_path: Path) -> None:
    made = frames(1, 6, 40)
    streams = logs(tmp_path)
    fill(streams.log("a"), made)
    positions, files = streams.flush_for_snapshot()
    whole = files[0].read_bytes()
    for at in range(len(whole)):
        with open(files[0], "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :], 0)
        with pytest.raises(JournalError, match=f"{files[0]}.*offset.*anew"):
            streams.restore(positions)
            list(streams.read("a", 0))
        streams.close()


def test_files_that_are_missing_or_too_short_are_refused(tmp_path: Path) -> None:
    streams = logs(tmp_path)
    fill(streams.log("a"), frames(1, 1_000))
    positions, _ = streams.flush_for_snapshot()
    streams.close()
    last = tmp_path / "a" / f"{positions['a'].segment:020d}.stream"
    os.truncate(last, positions["a"].offset - 1)
    with pytest.raises(JournalError, match="ends here"):
        streams.restore(positions)
    last.unlink()
    with pytest.raises(JournalError, match="is missing"):
        streams.restore(positions)


def test_a_missing_file_in_the_middle_is_noticed_when_it_is_wanted(long: tuple[StreamLogs, list[Frame]]) -> None:
    streams, made = long
    positions, files = streams.flush_for_snapshot()
    streams.restore(positions)
    files[1].unlink()
    streams.restore(positions)
    with pytest.raises(JournalError, match=files[0].name):
        list(streams.read("gateway-1", 0))
    assert list(streams.read("gateway-1", end(made) - 3)) == after(made, end(made) - 3)


class FullDisk(Disk):
    def write(self, fd: int, data: bytes, offset: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    streams = logs(tmp_path, FullDisk())
    streams.append("a", 1, 1, b"x")
    with pytest.raises(JournalError, match=f"{tmp_path}.*full"):
        streams.flush()
    streams.close()


def test_too_small_a_ring_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ring_bytes"):
        StreamLogs(tmp_path, ring_bytes=FLUSH_BYTES)
