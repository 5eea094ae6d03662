"""The session store: every message that a gateway's clients may ask for again, and how far the gateway has come.

Invariant: the file is a row of whole records, each of which moves "the last event that is stored" forward and holds
everything that those events say to clients. So after kill -9 at any moment the newest whole record says which event
to ask the matcher for next; nothing is doubled, nothing is lost, and what a client asks for again is byte for byte
what it was sent. A torn tail is cut at opening.

Why a store, when the matcher's stream has it all: it bounds memory (only a sparse index is kept in it) and makes a
restart fast (one step a record, not one a message). It is never synced: the page cache outlives the process, and
after power loss the file is cut at its last whole record and what is missing comes again from the matcher's history.

The file::

    record   magic 4, body length u32, crc32 u32 of all that follows, first event u64, last event u64, chunks ...
    chunk    stream name 10, count u32, length u32, number of its first message u64, offset of this stream's
             previous chunk u64, payload: `count` messages as the protocol framed them
             without a name: `count` events of the bus, packed: the configuration that came with these events. Kinds
             from FACTS_FROM on never come from the bus: they are *facts* that the gateway notes for itself, (kind,
             number, ...), and the newest of each kind and number is the one that counts

The index of a stream holds every INDEX_EVERY-th of its chunks; the ones between are found over the link that each
chunk has to the one before. Once ended, streams are dead weight: ``compact`` writes the file anew without them, as a
row of BASE records that count only when the BASE_END record which has the event number is there as well.
"""

from __future__ import annotations

import os
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Any, Final, NamedTuple

from openoutcry import wire
from openoutcry.errors import JournalError, WireError

RECORD: Final = Struct(">4sIIQQ")
CHUNK: Final = Struct(">10sIIQQ")
CRC_AT: Final = 12  # the crc covers the record from here on
NORMAL: Final = b"OOG1"
BASE: Final = b"OOGb"  # part of a compacted file
BASE_END: Final = b"OOGe"  # its last part, with the configuration
CONFIG_NAME: Final = b"\0" * 10
RECORD_MAX: Final = 64_000_000  # bytes: far above what one turn can hold, it stops a damaged length at once
INDEX_EVERY: Final = 64  # chunks: 16 bytes of memory for each so many, and at most so many steps to find one
PIECE_BYTES: Final = 65_536  # what `read` returns at most, one larger chunk excepted
PIECE_CHUNKS: Final = 512  # chunks that one `read` joins at most: it stays under about 2 ms
SCAN_BYTES: Final = 1 << 20
FACTS_FROM: Final = 200  # kinds of configuration events from here on are the gateway's own; wire's are far below
CONFIG_EVENTS: Final = 256  # events in one chunk
CONFIG_BYTES_MAX: Final = 500_000  # bytes in one chunk, one larger event excepted: it stays under wire.FRAME_MAX
COMPACT_DEAD_MIN: Final = 16_000_000  # bytes of ended streams that make it worth to write the file anew


def _config_parts(config: Sequence[tuple[Any, ...]]) -> list[bytes]:
    """Configuration events as chunks, each small enough for wire.unpack."""
    parts: list[bytes] = []
    for at in range(0, len(config), CONFIG_EVENTS):
        _add_config(parts, config[at : at + CONFIG_EVENTS])
    return parts


def _add_config(parts: list[bytes], some: Sequence[tuple[Any, ...]]) -> None:
    data = wire.pack(some)
    if len(data) > CONFIG_BYTES_MAX and len(some) > 1:
        _add_config(parts, some[: len(some) // 2])
        _add_config(parts, some[len(some) // 2 :])
    else:
        parts += (CHUNK.pack(CONFIG_NAME, len(some), len(data), 0, 0), data)


class Piece(NamedTuple):
    """Consecutive messages of one stream: number of the first, how many, and their bytes."""

    first: int
    messages: int
    data: bytes


class Stream:
    """One session's messages of one day: what is known of it in memory."""

    __slots__ = ("bytes", "chunks", "firsts", "last", "name", "next", "offsets")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.next = 1  # number of the next message
        self.last = 0  # offset of the newest chunk
        self.chunks = 0
        self.bytes = 0
        self.firsts = array("Q")
        self.offsets = array("Q")

    def note(self, offset: int, count: int, length: int) -> None:
        """A chunk of `count` messages has been put at `offset`."""
        if self.chunks % INDEX_EVERY == 0:
            self.firsts.append(self.next)
            self.offsets.append(offset)
        self.chunks += 1
        self.next += count
        self.last = offset
        self.bytes += CHUNK.size + length


class Store:
    """One gateway's session store in `path` (made, 0700, when it is not there).

    ``last_event``: the highest event that is stored. ``config``: the configuration events found in the file, in
    order, for the caller to apply; kept only until it takes them, as ``facts`` are: the newest of each kind and number.
    ``cut``: bytes of a torn tail cut at opening. Raises JournalError when the file cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.last_event = 0
        self.config: list[tuple[Any, ...]] = []
        self.facts: dict[tuple[int, int], tuple[Any, ...]] = {}
        self.cut = 0
        self.counters = {"records": 0, "bytes_written": 0, "pieces_read": 0, "compactions": 0, "rewinds": 0}
        self._streams: dict[bytes, Stream] = {}
        self._end = 0
        self._compacted_end = 0
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self.path / "sessions"
            self._fd = self._open()
            self._load(wire.UINT63_MAX)
        except OSError as error:
            raise JournalError(f"session store {self.path}: {error}") from None

    def _open(self) -> int:
        return os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        """Hand everything to the disk, as far as it takes it, and close."""
        if self._fd >= 0:
            with suppress(OSError):  # what is missing comes again
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def stream(self, name: str) -> Stream:
        """The stream of that name, made when it is new."""
        key = name.encode("ascii").ljust(10, b"\0")
        found = self._streams.get(key)
        if found is None:
            found = self._streams[key] = Stream(key)
        return found

    def forget(self, name: str) -> None:
        """A stream has ended and will not be read again; its bytes wait for ``compact``."""
        self._streams.pop(name.encode("ascii").ljust(10, b"\0"), None)

    @property
    def live_bytes(self) -> int:
        """Bytes of the streams that may be read."""
        return sum(stream.bytes for stream in self._streams.values())

    @property
    def dead_bytes(self) -> int:
        """Bytes in the file that nobody will ask for."""
        return self._end - self.live_bytes

    # --------------------------------------------------------------------------------------------- writing
    def append(
        self, last_event: int, chunks: Iterable[tuple[Stream, int, bytes]], config: Sequence[tuple[Any, ...]] = ()
    ) -> None:  # fmt: skip
        """Write one record: everything that the events up to `last_event` say. chunks: stream, count, messages."""
        parts = _config_parts(config) if config else []
        offset = self._end + RECORD.size + sum(map(len, parts))
        for stream, count, data in chunks:
            length = len(data)
            parts += (CHUNK.pack(stream.name, count, length, stream.next, stream.last), data)
            stream.note(offset, count, length)
            offset += CHUNK.size + length
        self._end += self._write(self._fd, NORMAL, self.last_event + 1, last_event, parts)
        self.last_event = last_event

    def _write(self, fd: int, magic: bytes, first: int, last: int, parts: list[bytes]) -> int:
        body = b"".join(parts)
        covered = RECORD.pack(magic, 0, 0, first, last)[CRC_AT:]
        crc = zlib.crc32(body, zlib.crc32(covered))
        data = RECORD.pack(magic, len(body), crc, first, last) + body
        try:
            done = os.write(fd, data)
            while done < len(data):
                done += os.write(fd, data[done:])
        except OSError as error:
            raise JournalError(f"session store {self._file}: {error}") from None
        self.counters["records"] += 1
        self.counters["bytes_written"] += done
        return done

    def rewind(self, last_event: int) -> None:
        """Forget what came after `last_event`; where a record spans it, or is compacted, some more is forgotten.

        ``last_event`` and ``config`` then say what is left, as after opening.
        """
        self.counters["rewinds"] += 1
        try:
            self._load(last_event)
        except OSError as error:
            raise JournalError(f"session store {self._file}: {error}") from None

    # --------------------------------------------------------------------------------------------- loading
    def _load(self, limit: int) -> None:
        self._reset()
        size = os.fstat(self._fd).st_size
        complete = True
        with open(self._fd, "rb", SCAN_BYTES, closefd=False) as file:
            file.seek(0)
            while (record := self._next_record(file, size, limit)) is not None:
                magic, last, body = record
                if not self._take(body, self._end + RECORD.size):
                    break
                self._end += RECORD.size + len(body)
                complete = magic != BASE
                self.last_event = last
                if magic == BASE_END:
                    self._compacted_end = self._end
        if not complete:
            self._reset()
        self.cut = size - self._end
        if self.cut:
            os.ftruncate(self._fd, self._end)
        os.lseek(self._fd, self._end, os.SEEK_SET)

    def _reset(self) -> None:
        self._streams.clear()
        self.config.clear()
        self.facts.clear()
        self.last_event = self._end = self._compacted_end = 0

    def _next_record(self, file: Any, size: int, limit: int) -> tuple[bytes, int, bytes] | None:
        """The next record, or None when there is none that is whole and not beyond `limit`."""
        header = file.read(RECORD.size)
        if len(header) < RECORD.size:
            return None
        magic, length, crc, first, last = RECORD.unpack(header)
        if length > RECORD_MAX or self._end + RECORD.size + length > size or last > limit:
            return None
        if magic not in (NORMAL, BASE, BASE_END) or (magic != NORMAL and self._compacted_end):
            return None
        if magic == BASE and last != 0:
            return None
        if magic != BASE and (first != self.last_event + 1 or last < self.last_event):
            return None
        body = file.read(length)
        if len(body) < length or zlib.crc32(body, zlib.crc32(header[CRC_AT:])) != crc:
            return None
        return magic, last, body

    def _take(self, body: bytes, offset: int) -> bool:
        """Note a record's chunks; False when they make no sense (then nobody wrote them: the crc was luck)."""
        at = 0
        noted: list[tuple[Stream, int, int, int]] = []
        while at < len(body):
            if len(body) - at < CHUNK.size:
                return False
            name, count, length, _first, _previous = CHUNK.unpack_from(body, at)
            payload = at + CHUNK.size
            if len(body) - payload < length:
                return False
            if name == CONFIG_NAME:
                if not self._take_config(body[payload : payload + length]):
                    return False
            else:
                stream = self._streams.get(name)
                if stream is None:
                    stream = self._streams[name] = Stream(name)
                noted.append((stream, offset + at, count, length))
            at = payload + length
        for stream, where, count, length in noted:
            stream.note(where, count, length)
        return True

    def _take_config(self, payload: bytes) -> bool:
        try:
            for event in wire.unpack(payload):
                if event[0] >= FACTS_FROM:
                    self.facts[event[0], event[1]] = event
                else:
                    self.config.append(event)
        except (WireError, TypeError, IndexError):
            return False
        return True

    def forget_all_but(self, names: set[str]) -> None:
        """Streams that nobody knows any more will not be read again."""
        known = {name.encode("ascii").ljust(10, b"\0") for name in names}
        for key in [key for key in self._streams if key not in known]:
            del self._streams[key]

    # --------------------------------------------------------------------------------------------- reading
    def read(self, stream: Stream, sequence: int) -> Piece | None:
        """Messages of `stream` from the chunk that holds number `sequence` on; None when there is none yet.

        The piece may begin before `sequence`: chunks are returned whole. It has PIECE_BYTES at most, or one chunk.
        """
        if not 1 <= sequence < stream.next:
            return None
        self.counters["pieces_read"] += 1
        block = bisect_right(stream.firsts, sequence) - 1
        found: list[tuple[int, int, int, int]] = []  # first, count, offset of the payload, length
        total = 0
        while block < len(stream.offsets) and total < PIECE_BYTES and len(found) < PIECE_CHUNKS:
            for chunk in self._block(stream, block, sequence):
                if found and total + chunk[3] > PIECE_BYTES:
                    return self._join(found)
                found.append(chunk)
                total += chunk[3]
            block += 1
        return self._join(found)

    def _block(self, stream: Stream, block: int, sequence: int) -> list[tuple[int, int, int, int]]:
        """The chunks of one block of the index, in order, from the one that holds `sequence` on."""
        start = stream.offsets[block]
        if block + 1 < len(stream.offsets):
            offset = self._chunk(stream.offsets[block + 1])[4]
        else:
            offset = stream.last
        found = []
        while True:
            _name, count, length, first, previous = self._chunk(offset)
            found.append((first, count, offset + CHUNK.size, length))
            if first <= sequence or offset <= start:
                break
            offset = previous
        found.reverse()
        return found

    def _chunk(self, offset: int) -> tuple[bytes, int, int, int, int]:
        return CHUNK.unpack(os.pread(self._fd, CHUNK.size, offset))

    def _join(self, found: list[tuple[int, int, int, int]]) -> Piece:
        data = b"".join([os.pread(self._fd, length, offset) for _, _, offset, length in found])
        return Piece(found[0][0], sum(chunk[1] for chunk in found), data)

    # --------------------------------------------------------------------------------------------- compacting
    @property
    def worth_compacting(self) -> bool:
        """Whether ended streams make up most of the file."""
        dead = self.dead_bytes
        return dead > COMPACT_DEAD_MIN and dead > self._end // 2

    def compact(self, config: Sequence[tuple[Any, ...]]) -> None:
        """Write the file anew with the living streams and `config`, which replaces all configuration before.

        What is open for reading stays valid: streams keep their numbers, only the offsets change. Takes as long
        as it takes to copy the living streams.
        """
        temporary = self.path / "sessions.new"
        try:
            fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            moved = self._copy(fd, config)
            os.fsync(fd)
            os.replace(temporary, self._file)
        except OSError as error:
            raise JournalError(f"session store {temporary}: {error}") from None
        os.close(self._fd)
        self._fd = fd
        self._end = self._compacted_end = os.lseek(fd, 0, os.SEEK_END)
        for key, stream in moved.items():
            target = self._streams[key]
            target.last, target.chunks, target.bytes = stream.last, stream.chunks, stream.bytes
            target.firsts, target.offsets = stream.firsts, stream.offsets
        self.counters["compactions"] += 1

    def _copy(self, fd: int, config: Sequence[tuple[Any, ...]]) -> dict[bytes, Stream]:
        end = 0
        moved: dict[bytes, Stream] = {}
        for key, stream in self._streams.items():
            copy = moved[key] = Stream(key)
            while (piece := self.read(stream, copy.next)) is not None:
                head = CHUNK.pack(key, piece.messages, len(piece.data), copy.next, copy.last)
                copy.note(end + RECORD.size, piece.messages, len(piece.data))
                end += self._write(fd, BASE, 0, 0, [head, piece.data])
        self._write(fd, BASE_END, 1, self.last_event, _config_parts(config))
        return moved

    def statistics(self) -> dict[str, Any]:
        """Counters, sizes, and how far it has come."""
        return {
            **self.counters, "last_event": self.last_event, "bytes": self._end, "streams": len(self._streams),
            "index_entries": sum(len(stream.firsts) for stream in self._streams.values()), "cut": self.cut,
        }  # fmt: skip
