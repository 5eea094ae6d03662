"""The journal's file format, and reading it: every byte is verified before it is believed.

Invariant: ``Scan`` yields the records 1, 2, 3 ... of one journal as they were written, or none of a record that
differs from it by one bit. What ends a scan early is either a torn tail, which nobody was told about, or damage,
and those two are told apart by what the records themselves say (``_judge``).

A journal is a directory of segments ``<number of its first record, 20 digits>.journal``; little endian throughout::

    segment header, 64 bytes   magic "OOJS", version u32, journal id 16, first record u64, chain before it 16,
                               12 zero bytes, crc32 of the 60 bytes before
    record                     magic "OOJR", header crc32, record crc32,
                               version u32, payload length u32, record number u64, first sequence u64, time_ns u64,
                               epoch u64, synced u64, count u32, payload, chain 16, chain crc32
    after the last record      nothing, or zeros (space reserved ahead)

``header crc32`` covers what stands between the crcs and the payload, ``record crc32`` goes on over the payload,
``chain crc32`` over the chain. The first starts from the crc of the journal's random id: bytes that a client sent
cannot pass for a record of this journal.
``chain`` is blake2b-128 of the previous chain value, the whole header and the payload, so it also covers the order
of the records. ``synced`` is the highest record known to be durable when this one was written.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from openoutcry.errors import JournalError
from openoutcry.matcher.disk import ZEROS

VERSION: Final = 1
SUFFIX: Final = ".journal"
SEGMENT_MAGIC: Final = b"OOJS"
RECORD_MAGIC: Final = b"OOJR"
ID_BYTES: Final = 16
CHAIN_BYTES: Final = 16
CHAIN_START: Final = bytes(CHAIN_BYTES)  # the chain value before record 1
PAYLOAD_MAX: Final = 16 * 1024 * 1024  # bytes in one record: whoever fills a turn stops before that
READ_BYTES: Final = 4 * 1024 * 1024  # read at once: large enough to make system calls vanish, small beside a heap

_SEGMENT: Final = struct.Struct("<4sI16sQ16s12s")
CRC: Final = struct.Struct("<I")
SEGMENT_HEADER: Final = _SEGMENT.size + CRC.size
PREFIX: Final = struct.Struct("<4sII")
BODY: Final = struct.Struct("<IIQQQQQI")
_HEADER: Final = struct.Struct("<4sIIIIQQQQQI")
HEADER_BYTES: Final = _HEADER.size
TRAILER_BYTES: Final = CHAIN_BYTES + CRC.size
OVERHEAD: Final = HEADER_BYTES + TRAILER_BYTES  # bytes of a record beyond its payload

RESTORE: Final = (
    "restore the file from a copy; without one, only what comes before it can be kept, by moving this and all later "
    "segments, the snapshots and the streams away"
)


class Turn(NamedTuple):
    """One record: a turn of the sequencer.

    number counts records from 1. The turn's commands have the sequence numbers first_sequence ... first_sequence +
    count - 1 (count may be 0). time_ns: ns since 1970. payload: opaque to the journal.
    """

    number: int
    first_sequence: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which has no use here
    time_ns: int
    epoch: int
    payload: bytes


class Segment(NamedTuple):
    """One file of a journal, and the number in its name."""

    path: Path
    first: int


class SegmentHeader(NamedTuple):
    """What a segment says of itself. chain: the chain value of the record before ``first``."""

    journal_id: bytes
    first: int
    chain: bytes


def segment_path(directory: Path, first: int) -> Path:
    """Where the segment beginning with record ``first`` is kept."""
    return directory / f"{first:020d}{SUFFIX}"


def list_segments(directory: Path) -> list[Segment]:
    """The journal's segments in order. Raises JournalError for a name that cannot be one."""
    found = []
    for path in directory.glob("*" + SUFFIX):
        if not (path.stem.isdecimal() and path.stem.isascii() and len(path.stem) == 20):
            raise JournalError(f"{path}: a segment is named by 20 digits; move this file away")
        found.append(Segment(path, int(path.stem)))
    return sorted(found, key=lambda segment: segment.first)


def pack_segment_header(journal_id: bytes, first: int, chain: bytes) -> bytes:
    """The first bytes of a segment."""
    fields = _SEGMENT.pack(SEGMENT_MAGIC, VERSION, journal_id, first, chain, bytes(12))
    return fields + CRC.pack(crc32(fields))


def unpack_segment_header(data: bytes, segment: Segment) -> SegmentHeader:
    """Check and take apart a segment's first bytes. Raises JournalError."""
    if len(data) < SEGMENT_HEADER:
        raise JournalError(f"{segment.path}: {len(data)} bytes are too short for a segment; {RESTORE}")
    magic, version, journal_id, first, chain, _ = _SEGMENT.unpack_from(data)
    if magic != SEGMENT_MAGIC or CRC.unpack_from(data, _SEGMENT.size)[0] != crc32(data[: _SEGMENT.size]):
        raise JournalError(f"{segment.path}: the segment's header (offset 0) is damaged; {RESTORE}")
    if version != VERSION:
        raise JournalError(f"{segment.path}: written in format version {version}, this program reads {VERSION}")
    if first != segment.first:
        raise JournalError(f"{segment.path}: begins with record {first}, not the one it is named by; {RESTORE}")
    return SegmentHeader(journal_id, first, chain)


class Found(NamedTuple):
    """A record that is intact by its crcs. size: bytes from its first to its last."""

    version: int
    number: int
    synced: int
    size: int


def find_record(data: bytes, offset: int, seed: int) -> Found | str:
    """The record that begins at offset, or what is wrong with it. seed: the crc of the journal's id."""
    if len(data) - offset < OVERHEAD:
        return f"{len(data) - offset} bytes are too few for a record"
    magic, header_crc, crc, version, length, number, _, _, _, synced, _ = _HEADER.unpack_from(data, offset)
    start = offset + HEADER_BYTES
    view = memoryview(data)
    if magic != RECORD_MAGIC:
        return "no record begins here"
    if crc32(view[offset + PREFIX.size : start], seed) != header_crc:
        return "the checksum of its header does not match"
    if length > len(data) - start - TRAILER_BYTES:
        return f"it is cut short: {length + OVERHEAD} bytes long, {len(data) - offset} are there"
    if crc32(view[start : start + length], header_crc) != crc:
        return "its checksum does not match"
    end = start + length + CHAIN_BYTES
    if crc32(view[end - CHAIN_BYTES : end], crc) != CRC.unpack_from(data, end)[0]:
        return "the checksum of its chain value does not match"
    return Found(version, number, synced, length + OVERHEAD)


def find_records(data: bytes, offset: int, seed: int) -> Iterator[Found]:
    """Every intact record that begins at or after offset, wherever it stands."""
    while (offset := data.find(RECORD_MAGIC, offset)) >= 0:
        found = find_record(data, offset, seed)
        if isinstance(found, Found):
            yield found
        offset += 1


def read_block(block: bytes, expected: int, until: int, chain: bytes, turns: list[Turn]) -> tuple[int, bytes, int]:
    """Append to turns the sound records at the start of block, the first with number expected, up to number until.

    Returns how many bytes they took, the last one's chain value, and how many bytes the next record wants in one
    block: 0 when what follows is not record ``expected + len(turns)``.
    """
    view, unpack, add, pack_crc = memoryview(block), _HEADER.unpack_from, turns.append, CRC.pack
    at, limit = 0, len(block) - HEADER_BYTES
    while at <= limit and expected <= until:
        magic, _, crc, version, length, number, first, time_ns, epoch, _, count = unpack(block, at)
        if magic != RECORD_MAGIC or number != expected or length > PAYLOAD_MAX or version != VERSION:
            return at, chain, 0
        stop = at + HEADER_BYTES + length
        following = stop + TRAILER_BYTES
        if following > len(block):
            return at, chain, length + OVERHEAD
        hasher = blake2b(chain, digest_size=CHAIN_BYTES)
        hasher.update(view[at:stop])
        digest = hasher.digest()
        if block[stop:following] != digest + pack_crc(crc32(digest, crc)):
            return at, chain, 0
        add(Turn(number, first, count, time_ns, epoch, block[at + HEADER_BYTES : stop]))
        chain = digest
        expected += 1
        at = following
    return at, chain, OVERHEAD


def read_rest(fd: int, offset: int) -> bytes:
    """Everything from offset to the end of the file, without the zeros that were reserved ahead: b"" for those."""
    end = os.fstat(fd).st_size
    position = offset
    while position < end:
        block = os.pread(fd, len(ZEROS), position)
        if not block or block != ZEROS[: len(block)]:
            break
        position += len(block)
    if position >= end:
        return b""
    parts = []
    while block := os.pread(fd, READ_BYTES, offset):
        parts.append(block)
        offset += len(block)
    return b"".join(parts)
