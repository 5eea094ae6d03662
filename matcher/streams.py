"""The history of every event stream, so that a peer can be sent whatever follows the last event that it holds.

Invariant: a stream's log holds its events 1, 2, 3 ... in the frames in which they were appended, without a gap. It is
a function of the journal: nothing here is synced while trading, since replaying the journal from a snapshot makes
the frames after that snapshot again. A snapshot therefore names how far each log was (``flush_for_snapshot``) and
syncs the files; recovery cuts the logs to that (``restore``), and the replay appends the rest.

Should a log be damaged (JournalError), nothing is lost: with the directories of the streams *and* the snapshots
removed, the next start replays the journal from its beginning and makes all of them anew.

The newest frames are also in memory (``RING_BYTES``), which serves every peer that keeps up without touching a file.

Files: ``<stream>/<first event, 20 digits>.stream``: magic "OOST" and version u32, then records of crc32, length u32,
count u32, first event u64 (the crc covers what follows it) and the frame; little endian.
"""

from __future__ import annotations

import os
import shutil
import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple
from zlib import crc32

from openoutcry.errors import JournalError
from openoutcry.matcher.disk import Disk, disk_error, make_directory

RING_BYTES: Final = 8 * 1024 * 1024  # of frames in memory per stream: some seconds of a busy stream
FLUSH_BYTES: Final = 256 * 1024  # of frames waiting to be written: one write a hundred turns
SEGMENT_BYTES: Final = 16 * 1024 * 1024  # of one file: what ``restore`` reads per stream, about 10 ms
INDEX_BYTES: Final = 256 * 1024  # between two index entries: what is read to find one event
FRAME_MAX: Final = 16 * 1024 * 1024  # bytes in one frame; what claims more is damage
ENTRY_BYTES: Final = 128  # memory of a frame in the ring beyond its bytes
FILE_NAME_MAX: Final = 200  # bytes; file systems allow 255
BATCH: Final = 256  # frames taken out of the ring at once

SUFFIX: Final = ".stream"
_MAGIC: Final = struct.pack("<4sI", b"OOST", 1)
_RECORD: Final = struct.Struct("<IIIQ")
_REBUILD: Final = (
    "stop the matcher, remove the directories of the streams and the snapshots, and start it again: both are made "
    "anew from the journal"
)

Frame = tuple[int, int, bytes]  # number of the first event, count of events, the frame
Index = list[tuple[int, int]]  # (first event of a record, its offset), ascending

_first = itemgetter(0)


class Position(NamedTuple):
    """How far a log is: its last event, and the end of the segment (named by its first event) that holds it."""

    last_event: int
    segment: int
    offset: int


START: Final = Position(0, 0, 0)


def file_name(stream: str) -> str:
    """A directory name for a stream: letters, digits, - and _ stay, the rest is %XX; different names stay different."""
    safe = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
    name = "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in stream.encode())
    if len(name) > FILE_NAME_MAX:
        from hashlib import blake2b

        name = name[:FILE_NAME_MAX] + "~" + blake2b(stream.encode(), digest_size=16).hexdigest()
    return name or "%"


class StreamLog:
    """The history of one stream. ``end`` is its last event's number."""

    def __init__(self, directory: Path, disk: Disk, position: Position = START, ring_bytes: int = RING_BYTES,
                 segment_bytes: int = SEGMENT_BYTES) -> None:  # fmt: skip
        self.directory = directory
        self.end = position.last_event
        self._disk = disk
        self._ring: list[Frame] = []
        self._ring_bytes = 0
        self._ring_max = ring_bytes
        self._pending: list[Frame] = []  # in the ring, not in the file yet
        self._pending_bytes = 0
        self._segment_max = segment_bytes
        self._segments: list[int] = []  # first events of the files
        self._indexes: dict[int, Index] = {}
        self._offset = 0  # end of the last file; 0: the next flush begins a new one
        self._fd = -1
        self._durable = position.segment  # files before this one are known to be durable
        self._cursor = (0, 0, 0)  # (event, segment, offset) at which the last read from a file ended
        self._block: list[Frame] = []  # what it found: a peer takes some, and comes back for the rest
        if position.last_event:
            self._restore(position)

    # ------------------------------------------------------------------------------------------- writing
    def append(self, first_event: int, count: int, frame: bytes) -> None:
        """Take the frame with the events first_event ... first_event + count - 1, the next ones of this stream."""
        if first_event != self.end + 1 or count < 1:
            raise JournalError(f"{self.directory}: {count} events from {first_event} on cannot follow event {self.end}")
        entry = (first_event, count, frame)
        self.end += count
        self._ring.append(entry)
        self._pending.append(entry)
        size = len(frame)
        self._ring_bytes += size + ENTRY_BYTES
        self._pending_bytes += size
        if self._pending_bytes > FLUSH_BYTES:
            self.flush()
        if self._ring_bytes > self._ring_max:
            self._evict()

    def _evict(self) -> None:
        """Forget the oldest eighth, so that this is rare."""
        goal, number = self._ring_max * 7 // 8, 0
        for _, _, frame in self._ring:
            if self._ring_bytes <= goal:
                break
            self._ring_bytes -= len(frame) + ENTRY_BYTES
            number += 1
        del self._ring[:number]

    def flush(self) -> None:
        """Write what is waiting (not synced)."""
        if not self._pending:
            return
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        parts: list[bytes] = []
        first_event = pending[0][0]
        for first, count, frame in pending:
            header = _RECORD.pack(0, len(frame), count, first)[4:]
            parts += (crc32(frame, crc32(header)).to_bytes(4, "little"), header, frame)
        try:
            if self._offset == 0 or self._offset > self._segment_max:
                self._roll(first_event)
            data = b"".join(parts)
            self._disk.write(self._fd, data, self._offset)
        except OSError as error:
            raise disk_error("write", self._path(first_event), error) from None
        index = self._indexes[self._segments[-1]]
        if not index or self._offset - index[-1][1] >= INDEX_BYTES:
            index.append((first_event, self._offset))
        self._offset += len(data)

    def _roll(self, first_event: int) -> None:
        self.close()
        if not self._segments:
            make_directory(self.directory)
        self._fd = self._disk.open(self._path(first_event))
        self._disk.truncate(self._fd, 0)
        self._disk.write(self._fd, _MAGIC, 0)
        self._offset = len(_MAGIC)
        self._segments.append(first_event)
        self._indexes[first_event] = []

    def _path(self, first_event: int) -> Path:
        return self.directory / f"{first_event:020d}{SUFFIX}"

    # ------------------------------------------------------------------------------------------- snapshots
    def position(self) -> Position:
        """Flush; where the log ends now."""
        self.flush()
        return Position(self.end, self._segments[-1], self._offset) if self._segments else START

    def unsynced_files(self) -> list[Path]:
        """Files (and their directory) that a snapshot of now must sync."""
        files = [self._path(first) for first in self._segments if first >= self._durable]
        return [*files, self.directory] if files else []

    def mark_durable(self, segment: int) -> None:
        """A snapshot that names this segment is complete: the files before it need not be synced again."""
        self._durable = segment

    def _restore(self, position: Position) -> None:
        """Cut the log to a position that a snapshot named."""
        try:
            self._segments = sorted(int(path.stem) for path in self.directory.glob("*" + SUFFIX))
            while self._segments and self._segments[-1] > position.segment:
                self._disk.remove(self._path(self._segments.pop()))
            path = self._path(position.segment)
            if not self._segments or self._segments[-1] != position.segment:
                raise JournalError(f"{path}: is missing, a snapshot names it; {_REBUILD}")
            self._fd = self._disk.open(path)
            if (size := os.fstat(self._fd).st_size) < position.offset:
                raise self._damage(position.segment, size, f"the file ends here, not at {position.offset}")
            self._disk.truncate(self._fd, position.offset)
        except (OSError, ValueError) as error:
            raise JournalError(f"{self.directory}: cannot restore the stream: {error}; {_REBUILD}") from None
        self._offset = position.offset
        self._index(position.segment, position.last_event)

    # ------------------------------------------------------------------------------------------- reading
    def read(self, after_event: int) -> Iterator[Frame]:
        """The frames that hold the events after after_event, in order, up to the end, also while frames are appended.

        The first frame may begin with events up to after_event. Raises JournalError for a damaged file.
        """
        event = after_event + 1
        while event <= self.end:
            for entry in self._batch(event):
                event = entry[0] + entry[1]
                yield entry

    def _batch(self, event: int) -> list[Frame]:
        ring = self._ring
        if ring and ring[0][0] <= event:
            if ring[-1][0] <= event:
                return ring[-1:]  # the usual case: the peer wants what this turn made
            at = bisect_right(ring, event, key=_first) - 1
            return ring[at : at + BATCH]
        block = self._block
        if not block or not block[0][0] <= event < self._cursor[0]:
            self.flush()
            block = self._block = self._from_file(event)
        at = bisect_right(block, event, key=_first) - 1
        return block[at : at + BATCH]

    def _from_file(self, event: int) -> list[Frame]:
        at = bisect_right(self._segments, event) - 1
        if at < 0:
            raise JournalError(f"{self.directory}: there is no file that holds event {event}; {_REBUILD}")
        segment = self._segments[at]
        end = self._offset if at == len(self._segments) - 1 else self._path(segment).stat().st_size
        known, cursor_segment, offset = self._cursor
        if known != event or cursor_segment != segment:
            offset = self._offset_of(event, segment, self._segments[at + 1] if at + 1 < len(self._segments) else 0)
        found: list[Frame] = []
        with open(self._path(segment), "rb", buffering=0) as file:
            while not found and offset < end:
                taken, found = self._parse(file.fileno(), segment, offset, end, event)
                offset += taken
        if not found:
            raise self._damage(segment, offset, f"the file ends without event {event}")
        self._cursor = (found[-1][0] + found[-1][1], segment, offset)
        return found

    def _offset_of(self, event: int, segment: int, following: int) -> int:
        if segment not in self._indexes:
            self._index(segment, following - 1)
        index = self._indexes[segment]
        return index[bisect_right(index, event, key=_first) - 1][1]

    def _parse(self, fd: int, segment: int, offset: int, end: int, event: int) -> tuple[int, list[Frame]]:
        """Check the records in one block; returns its size and the frames that hold event or later ones."""
        frames: list[Frame] = []
        block, at = os.pread(fd, min(INDEX_BYTES, end - offset), offset), 0
        while at + _RECORD.size <= len(block):
            crc, length, count, first = _RECORD.unpack_from(block, at)
            stop = at + _RECORD.size + length
            if length > FRAME_MAX or offset + stop > end:
                raise self._damage(segment, offset + at, "a record reaches beyond the end of the file")
            if stop > len(block):
                if at:
                    break
                block = os.pread(fd, stop, offset)
            if crc32(memoryview(block)[at + 4 : stop]) != crc:
                raise self._damage(segment, offset + at, "a checksum does not match")
            if first + count > event:
                if not frames and first > event:
                    raise self._damage(segment, offset + at, f"event {first} stands where event {event} is expected")
                frames.append((first, count, block[at + _RECORD.size : stop]))
            at = stop
        if not at:
            raise self._damage(segment, offset, "a record is cut short")
        return at, frames

    def _index(self, segment: int, last_event: int) -> None:
        """Hop from header to header of one file: makes its index and checks that it ends with last_event."""
        index: Index = []
        expected, offset = segment, len(_MAGIC)
        with open(self._path(segment), "rb", buffering=FLUSH_BYTES) as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise self._damage(segment, 0, "this is not a stream's file")
            while header := file.read(_RECORD.size):
                if len(header) < _RECORD.size:
                    raise self._damage(segment, offset, "a record is cut short")
                _, length, count, first = _RECORD.unpack(header)
                if first != expected or count < 1 or length > FRAME_MAX:
                    raise self._damage(segment, offset, f"the record of event {expected} is expected here")
                if not index or offset - index[-1][1] >= INDEX_BYTES:
                    index.append((first, offset))
                expected += count
                offset += _RECORD.size + length
                file.seek(length, os.SEEK_CUR)
        if expected - 1 != last_event:
            raise self._damage(segment, offset, f"the file ends with event {expected - 1}, not {last_event}")
        self._indexes[segment] = index

    def _damage(self, segment: int, offset: int, what: str) -> JournalError:
        return JournalError(f"{self._path(segment)}: damaged at offset {offset}: {what}; {_REBUILD}")

    def close(self) -> None:
        """Let go of the file, without flushing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class StreamLogs:
    """The logs of all streams, in one directory."""

    def __init__(self, directory: Path, disk: Disk | None = None, ring_bytes: int = RING_BYTES,
                 segment_bytes: int = SEGMENT_BYTES) -> None:  # fmt: skip
        if ring_bytes < 2 * FLUSH_BYTES:
            raise ValueError(f"ring_bytes is {ring_bytes}, it must be at least {2 * FLUSH_BYTES}")
        self.directory = directory
        self._disk = disk or Disk()
        self._limits = (ring_bytes, segment_bytes)
        self._logs: dict[str, StreamLog] = {}
        make_directory(directory)

    def log(self, stream: str) -> StreamLog:
        """The log of a stream, made when there is none. After ``restore``, ask again."""
        log = self._logs.get(stream)
        if log is None:
            log = self._logs[stream] = self._open(stream, START)
        return log

    def _open(self, stream: str, position: Position) -> StreamLog:
        return StreamLog(self.directory / file_name(stream), self._disk, position, *self._limits)

    def append(self, stream: str, first_event: int, count: int, frame: bytes) -> None:
        """See StreamLog.append."""
        log = self._logs.get(stream)
        (log or self.log(stream)).append(first_event, count, frame)

    def read(self, stream: str, after_event: int) -> Iterator[Frame]:
        """See StreamLog.read."""
        return self.log(stream).read(after_event)

    def flush(self) -> None:
        """Write what is waiting in all logs."""
        for log in self._logs.values():
            log.flush()

    def flush_for_snapshot(self) -> tuple[dict[str, Position], list[Path]]:
        """Flush; the positions that the snapshot must hold, and the files that it must sync before it counts."""
        positions = {stream: log.position() for stream, log in self._logs.items()}
        files = [path for log in self._logs.values() for path in log.unsynced_files()]
        return positions, [*files, self.directory] if files else files

    def mark_durable(self, positions: Mapping[str, tuple[int, int, int]]) -> None:
        """The snapshot with these positions is complete: what lies before them need not be synced again."""
        for stream, (_, segment, _) in positions.items():
            self.log(stream).mark_durable(segment)

    def restore(self, positions: Mapping[str, tuple[int, int, int]]) -> None:
        """Cut every log to its position, remove the logs that have none. {}: begin anew, for a replay of everything.

        Raises JournalError when a file does not reach to its position.
        """
        self.close()
        known = {file_name(stream) for stream, position in positions.items() if position[0]}
        for path in self.directory.iterdir():
            if path.is_dir() and path.name not in known:
                shutil.rmtree(path)  # one without a snapshot's word for it comes again by the replay
        for stream, position in positions.items():
            self._logs[stream] = self._open(stream, Position(*position))

    def statistics(self) -> dict[str, Any]:
        """Per stream: last event, files, bytes in memory and waiting to be written."""
        return {
            stream: {"last_event": log.end, "files": len(log._segments), "ring_bytes": log._ring_bytes,
                     "ring_frames": len(log._ring), "pending_bytes": log._pending_bytes}
            for stream, log in self._logs.items()
        }  # fmt: skip

    def close(self) -> None:
        """Let go of all files without flushing: what is missing comes again by the replay."""
        for log in self._logs.values():
            log.close()
        self._logs.clear()
