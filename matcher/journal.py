"""The journal: the matcher's inputs, in order, on disk before anything comes of them.

Rule 1. After ``sync`` has returned with durability ``sync``, every record appended before is on the disk for good.
        ``relaxed`` promises that within ``relaxed_sync_ms``, ``none`` never; all three survive kill -9.
Rule 2. Records are numbered 1, 2, 3 ... without gaps, and chained by a hash: a record cannot be changed, lost,
        doubled or moved without the next recovery noticing (openoutcry.matcher.scan).
Rule 3. A failed write or sync is never tried again, because the kernel may have dropped the data and report success
        the second time. The journal refuses everything afterwards; the process stops and recovers.

Starting is recovering: ``recover`` yields what is there and then opens the journal for ``append``.

Rolling to the next segment, safe at every step: the old segment is cut to its end and synced; the next one is written
as ``next.tmp`` with its header and synced; it is renamed; the directory is synced. Until the rename, the journal ends
with the old segment, and a stray .tmp is removed at the next start.

Space is reserved ahead by writing zeros: a sync is then about 90 us whatever its size, where one that must also
allocate blocks takes 110 to 160 us (``python -m bench.journal``). The next segment is filled by a slow thread.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from openoutcry.errors import JournalError
from openoutcry.matcher.disk import Disk, disk_error, make_directory
from openoutcry.matcher.records import (
    BODY,
    CHAIN_BYTES,
    CHAIN_START,
    CRC,
    ID_BYTES,
    OVERHEAD,
    PAYLOAD_MAX,
    PREFIX,
    RECORD_MAGIC,
    SEGMENT_HEADER,
    VERSION,
    Turn,
    list_segments,
    pack_segment_header,
    segment_path,
)
from openoutcry.matcher.scan import Scan, Torn
from openoutcry.matcher.spare import SpareSegment
from openoutcry.process import DURABILITIES

log = logging.getLogger("openoutcry.journal")

SEGMENT_BYTES: Final = 64 * 1024 * 1024  # a start reads one segment (0.1 s), a roll costs about one slow sync
RELAXED_SYNC_MS: Final = 50

__all__ = ["CHAIN_START", "PAYLOAD_MAX", "Journal", "Turn"]


class Journal:
    """The journal of one directory, for one writer, who holds the directory's lock.

    durability: ``sync``, ``relaxed`` or ``none``, see Rule 1. segment_bytes: size at which a segment is closed.
    relaxed_sync_ms: the longest time between two syncs in ``relaxed``. disk: for tests.
    Raises JournalError when the directory cannot be made; so do all methods when the disk refuses.
    """

    def __init__(
        self,
        directory: Path,
        durability: str = "sync",
        segment_bytes: int = SEGMENT_BYTES,
        relaxed_sync_ms: int = RELAXED_SYNC_MS,
        disk: Disk | None = None,
    ) -> None:
        if durability not in DURABILITIES:
            raise JournalError(f"durability is {durability!r}, it must be one of {', '.join(DURABILITIES)}")
        self.directory = directory
        self.durability = durability
        self.last_record = 0
        self.synced_record = 0  # the highest record known to be durable
        self.last_sequence = 0
        self.chain = CHAIN_START  # of the last record
        self._segment_bytes = segment_bytes
        self._relaxed_s = relaxed_sync_ms / 1000
        self._disk = disk or Disk()
        self._write = self._disk.write
        self._reserve = durability != "none"  # without syncs there is nothing to make cheaper
        self._first_unsynced = 0  # first record of the earliest segment that is not known to be durable
        self._fd = -1
        self._path = directory
        self._offset = 0
        self._mark = 0  # offset at which append must look up: at half a segment, and at its end
        self._id = b""
        self._seed = 0
        self._refusal = "recover() has not been exhausted"  # why append and sync are refused; "" when they are not
        self._spare: SpareSegment | None = None
        self._lock = threading.Lock()  # held while the file is synced by the thread, or changed
        self._syncer: threading.Thread | None = None
        self._dirty = threading.Event()
        self._stopping = threading.Event()
        self._recovered = 0  # the last record that recover() found
        self.counters = {"syncs": 0, "rolls": 0, "sync_ns": 0, "sync_ns_max": 0}
        self.counters.update(recovered_records=0, recovered_bytes=0, torn_bytes=0)
        make_directory(directory)

    # ------------------------------------------------------------------------------------------- recovery
    def recover(self, after: int = 0, chain: bytes | None = None) -> Iterator[Turn]:
        """Yield the turns after record ``after``; when exhausted, the journal is ready for append.

        Everything from the segment that holds ``after`` on is verified (``verify`` reads the earlier ones, too).
        chain: the chain value that record ``after`` must have. A torn tail is cut off with a warning.
        """
        for path in self.directory.glob("*.tmp"):
            self._disk.remove(path)
        scan = Scan(self.directory, after, chain)
        yield from scan
        self._adopt(scan)

    def verify(self) -> dict[str, Any]:
        """Read and check everything, change nothing. Raises JournalError for damage."""
        scan = Scan(self.directory)
        for _ in scan:
            pass
        return {
            "segments": len(scan.segments), "records": scan.records, "bytes": scan.bytes,
            "last_record": scan.last, "last_sequence": scan.last_sequence, "chain": scan.chain.hex(),
            "torn_bytes": scan.torn.bytes if scan.torn else 0,
        }  # fmt: skip

    def _adopt(self, scan: Scan) -> None:
        self.last_record, self.last_sequence, self.chain = scan.last, scan.last_sequence, scan.chain
        self._recovered = scan.last
        self.counters.update(recovered_records=scan.records, recovered_bytes=scan.bytes)
        self._use_id(scan.journal_id or os.urandom(ID_BYTES))
        try:
            if scan.torn is not None:
                self._cut(scan, scan.torn)
            if scan.segments:
                self._reopen(scan)
            else:
                self._create()
        except OSError as error:
            raise self._fail("open", error) from None
        self._refusal = ""
        if self.durability == "relaxed":
            self._syncer = threading.Thread(target=self._sync_in_background, name="journal-sync", daemon=True)
            self._syncer.start()

    def _use_id(self, journal_id: bytes) -> None:
        self._id = journal_id
        self._seed = crc32(journal_id)

    def _cut(self, scan: Scan, torn: Torn) -> None:
        """Remove a torn tail, the latest part first, so that dying in between leaves the same torn tail."""
        log.warning(
            "%s: %d bytes after offset %d are a torn tail and are removed: record %d was being written (%s); "
            "%d intact records follow it, none of them was known to be durable",
            torn.segment.path, torn.bytes, torn.offset, torn.number, torn.what, torn.records,
        )  # fmt: skip
        self.counters["torn_bytes"] = torn.bytes
        while scan.segments[-1] != torn.segment:
            self._disk.remove(scan.segments.pop().path)
        if self.durability != "none":
            self._disk.sync_directory(self.directory)
        fd = self._disk.open(torn.segment.path)
        try:
            self._disk.truncate(fd, torn.offset)
            if self.durability != "none":
                self._disk.sync(fd)
        finally:
            os.close(fd)

    def _reopen(self, scan: Scan) -> None:
        """Open the last segment for writing, and make durable what was found: peers are going to be told of it."""
        segment = scan.segments[-1]
        self._first_unsynced = scan.segments[0].first
        self._use(self._disk.open(segment.path), segment.path, scan.end)
        if self.durability == "none":
            return
        size = os.fstat(self._fd).st_size
        if size < self._segment_bytes:
            self._disk.fill(self._fd, size, self._segment_bytes)
        for earlier in scan.segments[:-1]:
            self._disk.sync_path(earlier.path)
        self._disk.sync(self._fd)
        self._disk.sync_directory(self.directory)
        self.synced_record, self._first_unsynced = self.last_record, segment.first

    def _use(self, fd: int, path: Path, offset: int) -> None:
        self._fd, self._path, self._offset = fd, path, offset
        half = self._segment_bytes // 2
        self._mark = half if self._reserve and offset < half else self._segment_bytes

    # ------------------------------------------------------------------------------------------- writing
    def append(self, first_sequence: int, count: int, time_ns: int, epoch: int, payload: bytes) -> int:
        """Write one turn and return its record number; durable only after ``sync``. Payload: at most PAYLOAD_MAX."""
        if self._refusal:
            raise JournalError(f"the journal {self.directory} takes no records: {self._refusal}")
        length = len(payload)
        if length > PAYLOAD_MAX:
            raise JournalError(f"a record has {length} bytes, it may have at most {PAYLOAD_MAX}")
        end = self._offset + length + OVERHEAD
        if end > self._mark:
            end = self._pass_mark(length + OVERHEAD)
        number = self.last_record + 1
        try:
            body = BODY.pack(
                VERSION, length, number, first_sequence, time_ns, epoch, self.synced_record, count
            )  # fmt: skip
        except struct.error as error:
            raise JournalError(f"record {number}: a field is out of range: {error}") from None
        header_crc = crc32(body, self._seed)
        crc = crc32(payload, header_crc)
        header = PREFIX.pack(RECORD_MAGIC, header_crc, crc) + body
        hasher = blake2b(self.chain, digest_size=CHAIN_BYTES)
        hasher.update(header)
        hasher.update(payload)
        chain = hasher.digest()
        try:
            self._write(self._fd, b"".join((header, payload, chain, CRC.pack(crc32(chain, crc)))), self._offset)
        except OSError as error:
            raise self._fail("write", error) from None
        self.chain = chain
        self.last_record = number
        self._offset = end
        if count:
            self.last_sequence = first_sequence + count - 1
        return number

    def sync(self) -> None:
        """Make what has been appended durable, as far as ``durability`` promises it."""
        if self._refusal:
            raise JournalError(f"the journal {self.directory} takes no records: {self._refusal}")
        if self._reserve and self.synced_record < self.last_record:
            if self._syncer is not None:
                if not self._dirty.is_set():
                    self._dirty.set()
                return
            self._sync()

    def _sync(self) -> None:
        number = self.last_record
        began = time.perf_counter_ns()
        try:
            self._disk.sync(self._fd)
        except OSError as error:
            raise self._fail("sync", error) from None
        took = time.perf_counter_ns() - began
        self.synced_record = number
        counters = self.counters
        counters["syncs"] += 1
        counters["sync_ns"] += took
        if took > counters["sync_ns_max"]:
            counters["sync_ns_max"] = took

    def _sync_in_background(self) -> None:
        while True:
            self._dirty.wait()
            if self._stopping.is_set():
                return
            self._dirty.clear()
            with self._lock:
                if self._refusal:
                    return
                try:
                    self._sync()
                except JournalError as error:
                    log.error("%s", error)  # append and sync raise it from now on
                    return
            self._stopping.wait(self._relaxed_s)

    def _fail(self, action: str, error: OSError) -> JournalError:
        """Refuse everything from now on (Rule 3)."""
        failure = disk_error(action, self._path, error)
        self._refusal = f"{failure}; nothing is written after such a failure, start again"
        return failure

    # ------------------------------------------------------------------------------------------- segments
    def _pass_mark(self, size: int) -> int:
        """The record of this size passes the mark: prepare the next segment or go on to it. Returns its end."""
        if self._offset + size <= self._segment_bytes:
            self._mark = self._segment_bytes
            self._spare = self._spare or SpareSegment(self.directory, self._segment_bytes, self._disk)
        elif self._offset > SEGMENT_HEADER:  # else a record larger than a segment gets one of its own
            try:
                self._roll()
            except OSError as error:
                raise self._fail("begin a segment after", error) from None
        return self._offset + size

    def _roll(self) -> None:
        with self._lock:
            if self._reserve:
                self._disk.truncate(self._fd, self._offset)
                self._sync()
            os.close(self._fd)
            self._fd = -1
            self._create()
        self.counters["rolls"] += 1

    def _create(self) -> None:
        """Begin the segment of the next record, out of the spare one if that is there."""
        first = self.last_record + 1
        path, temporary = segment_path(self.directory, first), self.directory / "next.tmp"
        fd = self._spare.take() if self._spare is not None else self._disk.open(temporary)
        self._spare = None
        self._path, self._fd = path, fd
        self._disk.write(fd, pack_segment_header(self._id, first, self.chain), 0)
        if self._reserve:
            self._prepare(fd, is_first=first == 1)
        self._disk.rename(temporary, path)
        if self._reserve:
            self._disk.sync_directory(self.directory)
            self._first_unsynced = first
        elif first == 1:
            self._first_unsynced = first
        self._use(fd, path, SEGMENT_HEADER)

    def _prepare(self, fd: int, is_first: bool) -> None:
        size = os.fstat(fd).st_size
        if is_first:
            self._disk.fill(fd, size, self._segment_bytes)
        elif size < self._segment_bytes:
            self._disk.allocate(fd, self._segment_bytes)  # the spare is late: nobody may wait for a fill now
        self._disk.sync(fd)

    def unsynced_files(self) -> list[Path]:
        """The segments that may hold records which are not durable: what a snapshot of now must sync first."""
        if self._reserve and self.synced_record == self.last_record:
            return []
        return [segment.path for segment in list_segments(self.directory) if segment.first >= self._first_unsynced]

    # ------------------------------------------------------------------------------------------- the rest
    def statistics(self) -> dict[str, Any]:
        """Counters of this life, and where the journal stands."""
        return {
            **self.counters, "records": self.last_record - self._recovered, "durability": self.durability,
            "last_record": self.last_record,
            "synced_record": self.synced_record, "last_sequence": self.last_sequence, "segment": self._path.name,
            "segment_offset": self._offset, "failure": self._refusal,
        }  # fmt: skip

    def close(self) -> None:
        """Sync what is open, unless the journal has failed, and let go of everything. May be called again."""
        self._stopping.set()
        self._dirty.set()
        if self._syncer is not None:
            self._syncer.join()
            self._syncer = None
        if self._spare is not None:
            self._spare.discard()
            self._spare = None
        try:
            if not self._refusal and self._reserve and self.synced_record < self.last_record:
                self._sync()
        finally:
            self._refusal = self._refusal or "it has been closed"
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
