"""The few operations by which the journal, the streams and the snapshots change the disk, in one place.

Invariant: every change of a file goes through a ``Disk``, so that a test can hand in one that refuses, fails or dies
at any single operation, and so that the order of write, sync and rename can be read off in one list. Reading is not
here: what is read is checked by its checksums instead.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from openoutcry.errors import JournalError

ZEROS: Final = bytes(1 << 20)  # written when a file is filled: 1 MiB keeps one write under a few ms


class Disk:
    """Plain system calls; they raise OSError. Tests inject errors and crashes by overriding methods."""

    def open(self, path: Path) -> int:
        """Open for reading and writing, made when missing, private to the owner, not inherited by programs."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, fd: int, data: bytes, offset: int) -> None:
        """Write all of data at offset; a partial write is continued, so that only an error ends it early."""
        written = os.pwrite(fd, data, offset)
        while written < len(data):
            written += os.pwrite(fd, data[written:], offset + written)

    def sync(self, fd: int) -> None:
        """Make the file's data durable (fdatasync)."""
        os.fdatasync(fd)

    def allocate(self, fd: int, size: int) -> None:
        """Reserve blocks for size bytes without writing them."""
        os.posix_fallocate(fd, 0, size)

    def fill(self, fd: int, start: int, end: int) -> None:
        """Write zeros over [start, end): blocks that have been written once are cheaper to sync later."""
        while start < end:
            chunk = min(len(ZEROS), end - start)
            self.write(fd, ZEROS if chunk == len(ZEROS) else ZEROS[:chunk], start)
            start += chunk

    def truncate(self, fd: int, size: int) -> None:
        """Cut (or extend) the file to size bytes."""
        os.ftruncate(fd, size)

    def rename(self, source: Path, target: Path) -> None:
        """Give source the name target, replacing it, atomically."""
        os.rename(source, target)

    def remove(self, path: Path) -> None:
        """Remove a file; one that is gone already is fine."""
        path.unlink(missing_ok=True)

    def sync_directory(self, path: Path) -> None:
        """Make the names in a directory durable."""
        self.sync_path(path)

    def sync_path(self, path: Path) -> None:
        """Make what is known under a path durable (fsync), whoever wrote it."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def make_directory(path: Path) -> None:
    """Make path (and what is above it), private to the owner. Raises JournalError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error("make the directory", path, error) from None


def disk_error(action: str, path: Path, error: OSError) -> JournalError:
    """The JournalError for a refused operation: what could not be done, to which file, why, and what to do."""
    advice = "the disk or its driver reports a fault; see the system's log"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "the disk is full; free space, then start again"
    elif error.errno == errno.EFBIG:
        advice = "the file may not grow; raise the file size limit, then start again"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = "check the owner and the permissions"
    return JournalError(f"cannot {action} {path}: {error.strerror or error} ({advice})")
