"""Snapshots of a process's state, so that starting does not mean replaying everything.

Rule 1. A snapshot counts from its rename on, and then it and all files that it builds on (``files``: streams, the
        journal's unsynced part) are durable. Before that it is a .tmp file, which nobody reads.
Rule 2. It names the journal record after which it was taken, with that record's chain value; who recovers must have
        the journal confirm both (``Journal.recover(snapshot.record_number, snapshot.chain)``).
Rule 3. What is read is what was written: one hash covers everything. A damaged snapshot is skipped for an older one.

The parent must not stop trading for a snapshot, so a forked child writes it: the child sees the state as it was at
the fork, whatever the parent does next. The child only computes and does file I/O, and leaves by ``os._exit``; it
closes all other descriptors first (an inherited lock would outlive the parent), and dies with its parent.

File ``<record number, 20 digits>.snapshot``, little endian: magic "OOSN", version u32, record number u64, sequence
u64, chain 16, length of positions u32, length of state u64, blake2b-256 of all the rest; positions in JSON; state.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import struct
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from openoutcry.errors import JournalError
from openoutcry.matcher.disk import Disk, disk_error, make_directory
from openoutcry.process import die_with_parent

log = logging.getLogger("openoutcry.snapshot")

KEEP: Final = 2  # newest snapshots kept: the second is for when the first is damaged
VERSION: Final = 1
SUFFIX: Final = ".snapshot"
CHAIN_NONE: Final = bytes(16)
REPORT_MAX: Final = 4096  # bytes of a child's report: a pipe takes that much without a reader
CHILD_NS_MAX: Final = 600 * 10**9  # a child that takes longer hangs, and would keep all later snapshots away
NICENESS: Final = 5  # of the child: the parent's turn comes first
_HEADER: Final = struct.Struct("<4sIQQ16sIQ")
_MAGIC: Final = b"OOSN"
_DIGEST_BYTES: Final = 32

State = bytes | Callable[[], bytes]
Positions = Mapping[str, tuple[int, int, int]]


class Snapshot(NamedTuple):
    """A state, and where it belongs. positions: of the streams, see openoutcry.matcher.streams."""

    record_number: int
    sequence: int
    chain: bytes
    positions: dict[str, tuple[int, int, int]]
    state: bytes


class Result(NamedTuple):
    """How a snapshot ended: ``error`` is "" when it is there, durable. bytes: its size; duration_ns: from the call."""

    record_number: int
    positions: Positions
    bytes: int
    duration_ns: int
    error: str


class _Child(NamedTuple):
    pid: int
    report: int
    record_number: int
    positions: Positions
    began_ns: int


class SnapshotStore:
    """The snapshots in one directory, for one writer.

    keep: how many of the newest stay. durable: with False nothing is synced (durability ``none``: survives kill -9
    only). disk: for tests. At most one snapshot is being written at a time.
    """

    def __init__(self, directory: Path, keep: int = KEEP, durable: bool = True, disk: Disk | None = None) -> None:
        self.directory = directory
        self._keep = keep
        self._durable = durable
        self._disk = disk or Disk()
        self._child: _Child | None = None
        self._damaged: set[int] = set()  # record numbers: these go first
        self.counters = {"written": 0, "failed": 0, "skipped_damaged": 0, "last_record": 0, "last_bytes": 0}
        self.counters.update(last_duration_ns=0, fork_ns_max=0)
        make_directory(directory)

    # ------------------------------------------------------------------------------------------- writing
    def write(
        self, record_number: int, sequence: int, state: State, chain: bytes = CHAIN_NONE,
        positions: Positions | None = None, files: Iterable[Path] = (),
    ) -> Result:  # fmt: skip
        """Write a snapshot here and now: at a clean stop, and in tests. Raises JournalError when the disk refuses."""
        began = time.monotonic_ns()
        snapshot = _Draft(record_number, sequence, state, chain, positions or {}, files)
        try:
            size = self._write(snapshot)
        except OSError as error:
            self.counters["failed"] += 1
            raise disk_error("write", self._path(record_number), error) from None
        return self._note(Result(record_number, snapshot.positions, size, time.monotonic_ns() - began, ""))

    def begin(
        self, record_number: int, sequence: int, state: State, chain: bytes = CHAIN_NONE,
        positions: Positions | None = None, files: Iterable[Path] = (),
    ) -> bool:  # fmt: skip
        """Start writing a snapshot in a child process; ``poll`` tells how it went. Call it in the main thread.

        False when one is still being written, or when the system refuses a fork (logged, and counted as failed).
        """
        if self._child is not None:
            return False
        began = time.monotonic_ns()
        snapshot = _Draft(record_number, sequence, state, chain, positions or {}, files)
        parent, (report, answer) = os.getpid(), os.pipe()
        try:
            pid = _fork()
        except OSError as error:
            os.close(report)
            os.close(answer)
            self.counters["failed"] += 1
            log.warning("no snapshot after record %d: cannot fork: %s", record_number, error.strerror)
            return False
        if pid == 0:
            self._run_child(parent, answer, snapshot)
        os.close(answer)
        self._child = _Child(pid, report, record_number, snapshot.positions, began)
        self.counters["fork_ns_max"] = max(self.counters["fork_ns_max"], time.monotonic_ns() - began)
        return True

    @property
    def busy(self) -> bool:
        """A child is writing (or has written and has not been asked for by ``poll``)."""
        return self._child is not None

    def fileno(self) -> int:
        """A descriptor that becomes readable when the child is done; -1 when there is none."""
        return self._child.report if self._child is not None else -1

    def poll(self) -> Result | None:
        """How the snapshot begun last went; None while it is being written, or when that was told already."""
        return self._reap(os.WNOHANG)

    def wait(self) -> Result | None:
        """Like ``poll``, but blocks until the child is done."""
        return self._reap(0)

    def close(self) -> None:
        """Abandon a snapshot that is being written."""
        if self._child is not None:
            os.kill(self._child.pid, signal.SIGKILL)
            self._reap(0)

    def _reap(self, options: int) -> Result | None:
        child = self._child
        if child is None:
            return None
        pid, status = os.waitpid(child.pid, options)
        if pid == 0:
            if time.monotonic_ns() - child.began_ns > CHILD_NS_MAX:
                os.kill(child.pid, signal.SIGKILL)
            return None
        self._child = None
        text = os.read(child.report, REPORT_MAX).decode(errors="replace")
        os.close(child.report)
        code = os.waitstatus_to_exitcode(status)
        duration = time.monotonic_ns() - child.began_ns
        if code == 0:
            return self._note(Result(child.record_number, child.positions, int(text), duration, ""))
        error = text or (f"the child was killed by signal {-code}" if code < 0 else f"the child left with {code}")
        self.counters["failed"] += 1
        log.warning("no snapshot after record %d: %s", child.record_number, error)
        return Result(child.record_number, child.positions, 0, duration, error)

    def _note(self, result: Result) -> Result:
        self.counters["written"] += 1
        self.counters.update(
            last_record=result.record_number, last_bytes=result.bytes, last_duration_ns=result.duration_ns
        )
        self._damaged &= {int(path.stem) for path in self._snapshots()}
        return result

    def _run_child(self, parent: int, answer: int, snapshot: _Draft) -> NoReturn:
        code = 1
        try:
            _detach(parent, answer)
            report = str(self._write(snapshot))
            code = 0
        except BaseException as error:  # nothing may return into the parent's code
            report = f"{type(error).__name__}: {error}"
        finally:
            try:
                os.write(answer, report.encode()[:REPORT_MAX])
            finally:
                os._exit(code)

    def _write(self, snapshot: _Draft) -> int:
        """The steps of Rule 1, in this order; returns the size."""
        temporary, path = self._path(snapshot.record_number, ".tmp"), self._path(snapshot.record_number)
        if self._durable:
            for file in snapshot.files:
                self._disk.sync_path(file)
        head, state = snapshot.encode()
        fd = self._disk.open(temporary)
        try:
            self._disk.truncate(fd, 0)
            self._disk.write(fd, head, 0)
            self._disk.write(fd, state, len(head))
            if self._durable:
                self._disk.sync(fd)
        finally:
            os.close(fd)
        self._disk.rename(temporary, path)
        if self._durable:
            self._disk.sync_directory(self.directory)
        self._clean(path)
        return len(head) + len(state)

    def _clean(self, newest: Path) -> None:
        """Remove what is no longer needed; that this fails does not make the new snapshot any worse."""
        try:
            good = [path for path in self._snapshots() if int(path.stem) not in self._damaged or path == newest]
            for path in {*self._snapshots(), *self.directory.glob("*.tmp")} - set(good[: self._keep]) - {newest}:
                self._disk.remove(path)
        except OSError as error:
            log.warning("cannot remove old snapshots in %s: %s", self.directory, error.strerror)

    # ------------------------------------------------------------------------------------------- reading
    def load_newest(self) -> Snapshot | None:
        """The newest snapshot that is intact, None when there is none. Damaged ones are skipped with a warning."""
        for path in self._snapshots():
            try:
                snapshot = decode(path.read_bytes())
                if snapshot.record_number != int(path.stem):
                    raise JournalError(f"it holds the snapshot of record {snapshot.record_number}")
                return snapshot
            except (JournalError, OSError) as error:
                self._damaged.add(int(path.stem))
                self.counters["skipped_damaged"] += 1
                log.warning("%s: skipped, it is damaged: %s", path, error)
        return None

    def _snapshots(self) -> list[Path]:
        """Newest first."""
        found = [path for path in self.directory.glob("*" + SUFFIX) if path.stem.isdecimal()]
        return sorted(found, key=lambda path: int(path.stem), reverse=True)

    def _path(self, record_number: int, suffix: str = SUFFIX) -> Path:
        return self.directory / f"{record_number:020d}{suffix}"

    def statistics(self) -> dict[str, Any]:
        """Counters, and whether a snapshot is being written."""
        return {**self.counters, "busy": self.busy}


class _Draft:
    """What a snapshot is to hold, before it is bytes."""

    def __init__(
        self, record_number: int, sequence: int, state: State, chain: bytes, positions: Positions,
        files: Iterable[Path],
    ) -> None:  # fmt: skip
        if len(chain) != len(CHAIN_NONE) or record_number < 0 or sequence < 0:
            raise ValueError("a snapshot needs a chain value of 16 bytes, a record number and a sequence from 0 up")
        self.record_number = record_number
        self.sequence = sequence
        self.state = state
        self.chain = chain
        self.positions = {stream: (last, segment, at) for stream, (last, segment, at) in positions.items()}
        self.files = list(files)

    def encode(self) -> tuple[bytes, bytes]:
        """Header and positions, and the state (apart, since it may be large)."""
        state = self.state if isinstance(self.state, bytes) else self.state()
        positions = json.dumps(self.positions, sort_keys=True).encode()
        fields = _HEADER.pack(
            _MAGIC, VERSION, self.record_number, self.sequence, self.chain, len(positions), len(state)
        )
        return fields + _digest(fields, positions, state) + positions, state


def decode(data: bytes) -> Snapshot:
    """Check and take apart a snapshot's file. Raises JournalError."""
    start = _HEADER.size + _DIGEST_BYTES
    if len(data) < start:
        raise JournalError(f"{len(data)} bytes are too short for a snapshot")
    magic, version, number, sequence, chain, positions_length, state_length = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise JournalError("it does not begin like a snapshot")
    if version != VERSION:
        raise JournalError(f"it is in format version {version}, this program reads {VERSION}")
    if len(data) != start + positions_length + state_length:
        raise JournalError(f"it has {len(data)} bytes, {start + positions_length + state_length} are expected")
    view = memoryview(data)
    positions, state = view[start : start + positions_length], view[start + positions_length :]
    if _digest(data[: _HEADER.size], positions, state) != data[_HEADER.size : start]:
        raise JournalError("its hash does not match")
    found = {stream: (last, segment, at) for stream, (last, segment, at) in json.loads(bytes(positions)).items()}
    return Snapshot(number, sequence, chain, found, bytes(state))


def _digest(fields: bytes, positions: bytes | memoryview, state: bytes | memoryview) -> bytes:
    hasher = blake2b(fields, digest_size=_DIGEST_BYTES)
    hasher.update(positions)
    hasher.update(state)
    return hasher.digest()


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 and later warn that another thread may hold a lock at the fork. The child takes none that
        # another thread of ours holds: it computes the state, uses files of its own and leaves by os._exit.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _detach(parent: int, answer: int) -> None:
    """Make the child harmless: no signal handlers, locks or sockets of the parent, no garbage collection."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which decides what becomes of this
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    os.closerange(3, answer)
    os.closerange(max(answer + 1, 3), os.sysconf("SC_OPEN_MAX"))
    gc.disable()  # a collection would touch, and so copy, every page that is shared with the parent
    os.nice(NICENESS)
