"""A message store in a file: append-only, checked by CRC, whole after kill -9 at any byte.

Rule 1. ``add`` and the ``set_`` methods have written when they return: what the peer may have seen is in the kernel's
        hands, so it outlives the process. With `sync` it is on the disk, and outlives the machine.
Rule 2. A record that was not written to its end never happened: the torn tail is cut at opening.
Rule 3. Damage in the middle (a bad disk, or a power cut without `sync`) costs the records that it hits and no others.
        Every record says both numbers, so they are those of the newest whole record and are not used twice. A message
        that cannot be read is filled as a gap when it is asked for: ``damaged`` counts the places, and the log says so.
Rule 4. One process at a time: the file is locked, and a second one is told so.

The file ``NAME.store``::

    header   b"OOFS1\\n\\0\\0", salt u64
    record   mark b"\\xf5", kind u8, length u32, next_out u64, next_in u64, crc32 u32, payload
             M  message `next_out - 1` was made and may be asked for again; payload: its bytes
             N  a message was made that is not kept
             O  next_out was set; what was kept from there on is forgotten
             I  next_in was set
             R  nothing is kept; payload: since when, ns since 1970 as u64

The crc is of salt, head and payload. The salt, random for each file, keeps a peer from writing a record inside a
message, for the search after damage to find. A reset writes a new file and renames it over the old one; so does
``compact``, when most of the file has become needless (every message received leaves an I of 26 bytes).
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import logging
import mmap
import os
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Final

from openoutcry.errors import JournalError
from openoutcry.fix.store import file_name

log = logging.getLogger("openoutcry.fix.store")

HEADER: Final = Struct(">8sQ")
RECORD: Final = Struct(">BBIQQI")
CRC_AT: Final = 22  # the crc covers the record's head up to here, and the payload
MAGIC: Final = b"OOFS1\n\0\0"
MARK: Final = 0xF5  # a byte that no UTF-8 text has, so that searching for it is quick
MADE_KEPT: Final = ord("M")
MADE: Final = ord("N")
NEXT_OUT: Final = ord("O")
NEXT_IN: Final = ord("I")
RESET: Final = ord("R")
MESSAGE_BYTES_MAX: Final = 1_000_064  # the largest MaxMessageSize and some: it stops a damaged length at once
NUMBER_MAX: Final = 2**63 - 1
COMPACT_DEAD_MIN: Final = 16_000_000  # bytes of needless records that make it worth to write the file anew
COPY_BYTES: Final = 1 << 20

Record = tuple[int, int, int, bytes]  # kind, next_out, next_in, payload


class FileStore:
    """The store of session `name` in `directory` (made, 0700, when it is not there).

    sync: fsync after each record. Raises JournalError when the file is in use, is no store, or the disk refuses.
    """

    def __init__(self, directory: str | os.PathLike[str], name: str, now_ns: int, sync: bool = False) -> None:
        self.path = Path(directory) / (file_name(name) + ".store")
        self.sync = sync
        self.next_out = 1
        self.next_in = 1
        self.created_ns = now_ns
        self.cut = 0  # bytes of a torn tail, cut at opening
        self.damaged = 0  # places that could not be read
        self.compactions = 0
        self._numbers = array("Q")  # of the kept messages, ascending
        self._offsets = array("Q")  # of their records
        self._live = 0  # bytes of the kept messages' records
        self._end = 0
        self._salt = 0
        self._fd = -1
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = self._open(now_ns)
            self._load()
        except OSError as error:
            self.close()
            raise self._error(error) from None
        except JournalError:
            self.close()
            raise

    def _error(self, error: OSError) -> JournalError:
        return JournalError(f"message store {self.path}: {error.strerror or error}")

    # --------------------------------------------------------------------------------------------- opening
    def _open(self, now_ns: int) -> int:
        """The file, locked; a new one when there is none, or one that was not written to its header's end."""
        while True:
            try:
                fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                self._create(now_ns)
                continue
            if self._locked(fd):
                if os.fstat(fd).st_size >= HEADER.size:
                    return fd
                self._create(now_ns)
            os.close(fd)

    def _locked(self, fd: int) -> bool:
        """Lock the file; False when another one has been put in its place meanwhile."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise JournalError(
                f"{self.path} is in use by another session or process: end that one, or give another Store"
            ) from None
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(fd), os.stat(self.path))
        return False

    def _create(self, now_ns: int) -> None:
        fd = self._write_new([_reset(now_ns)])
        os.close(fd)

    def _write_new(self, records: Iterable[Record]) -> int:
        """A new file, locked, with these records, renamed into its place: it is there whole or not at all."""
        temporary = self.path.with_suffix(f".{os.getpid()}.new")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            self._write_all(fd, records, int.from_bytes(os.urandom(8), "big"))
            if self.sync:
                os.fsync(fd)
            os.replace(temporary, self.path)
            if self.sync:
                _sync_directory(self.path.parent)
        except BaseException:
            os.close(fd)
            with suppress(OSError):
                os.unlink(temporary)
            raise
        return fd

    def _write_all(self, fd: int, records: Iterable[Record], salt: int) -> None:
        data = bytearray(HEADER.pack(MAGIC, salt))
        for record in records:
            data += _pack(record, salt)
            if len(data) > COPY_BYTES:
                _write(fd, data)
                data.clear()
        _write(fd, data)

    def _load(self) -> None:
        """Read all records; cut the torn tail."""
        size = os.fstat(self._fd).st_size
        self._forget()
        with mmap.mmap(self._fd, size, access=mmap.ACCESS_READ) as data:
            magic, self._salt = HEADER.unpack_from(data)
            if magic != MAGIC:
                raise JournalError(f"{self.path} is not a message store, or its first bytes are damaged; move it away")
            at = HEADER.size
            while (found := self._next(data, at, size)) is not None:
                start, record = found
                if start != at:
                    self._note_damage(at, start)
                self._apply(record, start)
                at = start + RECORD.size + len(record[3])
        self._end = at
        self.cut += size - at
        if self.cut:
            os.ftruncate(self._fd, at)
        os.lseek(self._fd, at, os.SEEK_SET)

    def _note_damage(self, start: int, end: int) -> None:
        self.damaged += 1
        log.error("%s is damaged at bytes %d to %d: messages there cannot be sent again", self.path, start, end)

    def _next(self, data: mmap.mmap, at: int, size: int) -> tuple[int, Record] | None:
        """The first whole record from `at` on, and where it is. None: there is none."""
        while at + RECORD.size <= size:
            mark, kind, length, next_out, next_in, crc = RECORD.unpack_from(data, at)
            start = at + RECORD.size
            if mark == MARK and length <= MESSAGE_BYTES_MAX and start + length <= size:
                payload = data[start : start + length]
                if _crc(data[at : at + CRC_AT], payload, self._salt) == crc:
                    return at, (kind, next_out, next_in, payload)
            at = data.find(bytes((MARK,)), at + 1)
            if at < 0:
                break
        return None

    def _apply(self, record: Record, offset: int) -> None:
        kind, next_out, next_in, payload = record
        if kind == RESET:
            self._forget()
            self.created_ns = int.from_bytes(payload, "big")
        elif kind == MADE_KEPT:
            self._note(next_out - 1, offset, len(payload))
        elif kind == NEXT_OUT:
            self._drop_from(next_out)
        self.next_out, self.next_in = next_out, next_in

    # --------------------------------------------------------------------------------------------- what is kept
    def _forget(self) -> None:
        del self._numbers[:], self._offsets[:]
        self._live = 0

    def _note(self, number: int, offset: int, length: int) -> None:
        if self._numbers and self._numbers[-1] >= number:
            self._drop_from(number)  # the record in between that took the number back is damaged
        self._numbers.append(number)
        self._offsets.append(offset)
        self._live += RECORD.size + length

    def _drop_from(self, number: int) -> None:
        at = bisect_left(self._numbers, number)
        for offset in self._offsets[at:]:
            self._live -= RECORD.size + self._length(offset)
        del self._numbers[at:], self._offsets[at:]

    def _length(self, offset: int) -> int:
        length: int = RECORD.unpack(os.pread(self._fd, RECORD.size, offset))[2]
        return length

    # --------------------------------------------------------------------------------------------- writing
    def _append(self, kind: int, next_out: int, next_in: int, payload: bytes = b"") -> None:
        """Write one record. After an error nothing more is written: who knows what the disk has."""
        if self._fd < 0:
            raise JournalError(f"message store {self.path} is closed")
        data = _pack((kind, next_out, next_in, payload), self._salt)
        try:
            _write(self._fd, data)
            if self.sync:
                os.fdatasync(self._fd)
        except OSError as error:
            self._tidy_up()
            raise self._error(error) from None
        self._end += len(data)

    def _tidy_up(self) -> None:
        """After a failed write: cut what may be half a record, and close."""
        with suppress(OSError):
            os.ftruncate(self._fd, self._end)
        self.close()

    def add(self, message: bytes, keep: bool) -> None:
        """See MessageStore."""
        number, offset = self.next_out, self._end
        if keep:
            if len(message) > MESSAGE_BYTES_MAX:
                raise JournalError(f"a message of {len(message)} bytes is more than {MESSAGE_BYTES_MAX}")
            self._append(MADE_KEPT, number + 1, self.next_in, message)
            self._note(number, offset, len(message))
        else:
            self._append(MADE, number + 1, self.next_in)
        self.next_out = number + 1

    def set_next_in(self, number: int) -> None:
        """See MessageStore."""
        self._append(NEXT_IN, self.next_out, number)
        self.next_in = number
        if self._end - self._live > COMPACT_DEAD_MIN and self._end > 2 * self._live:
            self.compact()

    def set_next_out(self, number: int) -> None:
        """See MessageStore."""
        self._append(NEXT_OUT, number, self.next_in)
        self._drop_from(number)
        self.next_out = number

    def reset(self, now_ns: int) -> None:
        """See MessageStore."""
        self._replace([_reset(now_ns)])

    def compact(self) -> None:
        """Write the file anew with what is needed. It takes as long as copying the kept messages."""
        kept = ((MADE_KEPT, number + 1, self.next_in, message) for number, message in self.read(1, NUMBER_MAX))
        numbers: Record = (NEXT_OUT, self.next_out, self.next_in, b"")
        self._replace(itertools.chain([_reset(self.created_ns)], kept, [numbers]))
        self.compactions += 1

    def _replace(self, records: Iterable[Record]) -> None:
        """Go on with a new file; if it cannot be written, the old one goes on."""
        if self._fd < 0:
            raise JournalError(f"message store {self.path} is closed")
        try:
            fd = self._write_new(records)
            os.close(self._fd)
            self._fd = fd
            self._load()
        except OSError as error:
            raise self._error(error) from None

    # --------------------------------------------------------------------------------------------- reading
    def read(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """See MessageStore. What the disk does not give back as it was written is left out, and counted."""
        while True:
            at = bisect_left(self._numbers, begin)
            if at == len(self._numbers) or self._numbers[at] > end:
                return
            number, offset = self._numbers[at], self._offsets[at]
            message = self._message(offset)
            if message is not None:
                yield number, message
            begin = number + 1

    def _message(self, offset: int) -> bytes | None:
        try:
            head = os.pread(self._fd, RECORD.size, offset)
            _mark, _kind, length, _out, _in, crc = RECORD.unpack(head)
            payload = os.pread(self._fd, length, offset + RECORD.size)
        except OSError as error:
            raise self._error(error) from None
        if _crc(head[:CRC_AT], payload, self._salt) != crc:
            self._note_damage(offset, offset + RECORD.size + length)
            return None
        return payload

    def refresh(self) -> None:
        """See MessageStore. No other process can have written: the file is locked."""

    def close(self) -> None:
        """Hand everything to the disk, as far as it takes it, and close."""
        if self._fd >= 0:
            with suppress(OSError):
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def statistics(self) -> dict[str, int]:
        """Numbers, what is kept, sizes."""
        return {
            "next_out": self.next_out, "next_in": self.next_in, "kept": len(self._numbers), "bytes": self._end,
            "live_bytes": self._live, "cut": self.cut, "damaged": self.damaged, "compactions": self.compactions,
        }  # fmt: skip


def _crc(head: bytes, payload: bytes, salt: int) -> int:
    return zlib.crc32(payload, zlib.crc32(head, salt & 0xFFFFFFFF)) ^ (salt >> 32)


def _pack(record: Record, salt: int) -> bytes:
    kind, next_out, next_in, payload = record
    head = RECORD.pack(MARK, kind, len(payload), next_out, next_in, 0)[:CRC_AT]
    return head + _crc(head, payload, salt).to_bytes(4, "big") + payload


def _reset(now_ns: int) -> Record:
    return RESET, 1, 1, now_ns.to_bytes(8, "big")


def _write(fd: int, data: bytes | bytearray) -> None:
    done = os.write(fd, data)
    while done < len(data):
        done += os.write(fd, data[done:])


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
