"""Reading a journal: every byte is verified before it is believed.

Invariant: a ``Scan`` yields the records of one journal in order, exactly as they were written, and changes nothing; a
living writer may go on meanwhile. What ends it early is either a torn tail, which nobody was told about, or damage,
which raises JournalError.

The two are told apart by the records themselves. Let record N be the first that is not sound. Each later record
that is intact says in ``synced`` which records were durable when it was written. If one of them says N or more, N was
durable, may have been acknowledged, and is now lost: damage. If none does, N was being written when the machine
stopped: the disk may keep parts of N and of what followed in any order, and the journal ends before N.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from openoutcry.errors import JournalError
from openoutcry.matcher.disk import disk_error
from openoutcry.matcher.records import (
    CHAIN_START,
    OVERHEAD,
    PAYLOAD_MAX,
    READ_BYTES,
    RESTORE,
    SEGMENT_HEADER,
    VERSION,
    Found,
    Segment,
    Turn,
    find_record,
    find_records,
    list_segments,
    read_block,
    read_rest,
    segment_path,
    unpack_segment_header,
)

ALL: Final = 1 << 64  # beyond any record number


class Torn(NamedTuple):
    """A tail that nobody was told about: where it begins, the record it would be, its size, what is in it."""

    segment: Segment
    offset: int
    number: int
    what: str
    bytes: int
    records: int  # intact ones among it all the same


class Scan:
    """Reads a journal from the segment that holds record ``after`` on.

    chain: the chain value that record ``after`` must have, when known. Iterating yields the turns with number >
    ``after`` and raises JournalError naming the file, the offset, the record, what is wrong and what to do.
    When exhausted, ``last`` is the number of the last record, ``chain`` its chain value, ``end`` where it ends in the
    last of ``segments``; ``torn`` says what follows it, if anything; ``records`` and ``bytes`` have been verified.
    """

    def __init__(self, directory: Path, after: int = 0, chain: bytes | None = None) -> None:
        self._directory = directory
        self._after = after
        self._after_chain = chain
        self.segments: list[Segment] = []
        self.journal_id = b""
        self.last = 0
        self.last_sequence = 0
        self.chain = CHAIN_START
        self.end = 0
        self.records = 0
        self.bytes = 0
        self.torn: Torn | None = None

    def __iter__(self) -> Iterator[Turn]:
        self.segments = self._choose(list_segments(self._directory))
        for position, segment in enumerate(self.segments):
            with open(segment.path, "rb", buffering=0) as file:
                self._begin(segment, os.pread(file.fileno(), SEGMENT_HEADER, 0), position == 0)
                while True:
                    yield from self._records(file.fileno(), segment)
                    if self._is_end(file.fileno(), position):
                        break
            if self.torn is not None:
                break
        if self.last < self._after:
            raise JournalError(
                f"{self._directory}: the journal ends with record {self.last}, but a snapshot was made after record "
                f"{self._after}: segments are missing or cut; restore them from a copy"
            )

    def _choose(self, segments: list[Segment]) -> list[Segment]:
        """From the segment that holds record ``after`` (with 0: that begins with record 1) to the last."""
        wanted = max(self._after, 1)
        position = sum(segment.first <= wanted for segment in segments) - 1
        if position < 0 and segments:
            raise JournalError(f"{self._directory}: record {wanted} is missing, the first segment is "
                               f"{segments[0].path.name}; restore the earlier ones")  # fmt: skip
        return segments[max(position, 0) :]

    def _begin(self, segment: Segment, data: bytes, is_first: bool) -> None:
        header = unpack_segment_header(data, segment)
        if is_first:
            self.journal_id, self.last = header.journal_id, header.first - 1
            self.chain = CHAIN_START if header.first == 1 else header.chain
        if header.journal_id != self.journal_id:
            raise JournalError(f"{segment.path}: belongs to another journal; {RESTORE}")
        if header.chain != self.chain:
            raise JournalError(f"{segment.path}: does not continue the segment before it, the chain differs; {RESTORE}")
        self.end = SEGMENT_HEADER
        if self.last == self._after:
            self._compare(segment)

    def _records(self, fd: int, segment: Segment) -> Iterator[Turn]:
        size = READ_BYTES
        while True:
            block = self._read(fd, size, segment)
            until = self._after if self.last < self._after else ALL
            turns: list[Turn] = []
            taken, self.chain, wanted = read_block(block, self.last + 1, until, self.chain, turns)
            self.end += taken
            if turns:
                self._count(turns, taken)
                if self.last == self._after:
                    self._compare(segment)
                if turns[0].number > self._after:
                    yield from turns
                if self.last == until:
                    continue
            if wanted == 0 or len(block) < size:
                return
            size = max(READ_BYTES, wanted)

    def _read(self, fd: int, size: int, segment: Segment) -> bytes:
        try:
            return os.pread(fd, size, self.end)
        except OSError as error:
            raise disk_error(f"read offset {self.end} of", segment.path, error) from None

    def _count(self, turns: list[Turn], taken: int) -> None:
        self.last = turns[-1].number
        self.records += len(turns)
        self.bytes += taken
        last = next((turn for turn in reversed(turns) if turn.count), None)
        if last is not None:
            self.last_sequence = last.first_sequence + last.count - 1

    def _compare(self, segment: Segment) -> None:
        if self._after_chain is not None and self.chain != self._after_chain:
            raise JournalError(
                f"{segment.path}: record {self._after} is not the one that the snapshot was made after (their chain "
                "values differ): journal and snapshots do not belong together; restore both from one copy"
            )

    def _is_end(self, fd: int, position: int) -> bool:
        """False when the journal is being written and has grown since it was read; an audit may read beside it."""
        try:
            self._finish(fd, position)
        except JournalError:
            block = os.pread(fd, PAYLOAD_MAX + OVERHEAD, self.end)
            if read_block(block, self.last + 1, self.last + 1, self.chain, [])[0]:
                return False
            raise
        return True

    def _finish(self, fd: int, position: int) -> None:
        """Judge what stands between the last sound record and the end of the segment."""
        segment = self.segments[position]
        rest = read_rest(fd, self.end)
        size = os.fstat(fd).st_size - self.end
        following = self.segments[position + 1] if position + 1 < len(self.segments) else None
        if not rest and (following is None or following.first == self.last + 1):
            return
        if following is not None and following.first <= self.last:
            raise JournalError(f"{following.path}: begins with record {following.first}, which is in {segment.path} "
                               "as well; move the one that does not belong here away")  # fmt: skip
        if following is not None and not size:
            missing = segment_path(self._directory, self.last + 1)
            raise JournalError(f"{missing}: records {self.last + 1} to {following.first - 1} are missing; restore "
                               "the segments that hold them from a copy")  # fmt: skip
        self._judge(position, rest, size)

    def _judge(self, position: int, rest: bytes, size: int) -> None:
        segment, number, seed = self.segments[position], self.last + 1, crc32(self.journal_id)
        found = find_record(rest, 0, seed) if rest else "there are only zeros"
        if isinstance(found, Found):
            raise self._damage(segment, _misplaced(found, number))
        intact = 0
        for follower in self._followers(position, rest, seed):
            intact += 1
            if follower.synced >= number:
                text = f"{found}, but record {follower.number} was written when it was durable"
                raise self._damage(segment, text)
        size += sum(later.path.stat().st_size for later in self.segments[position + 1 :])
        self.torn = Torn(segment, self.end, number, found, size, intact)

    def _followers(self, position: int, rest: bytes, seed: int) -> Iterator[Found]:
        yield from find_records(rest, 1, seed)
        for later in self.segments[position + 1 :]:
            yield from find_records(later.path.read_bytes(), 0, seed)

    def _damage(self, segment: Segment, what: str) -> JournalError:
        return JournalError(
            f"{segment.path}: record {self.last + 1} at offset {self.end} is damaged: {what}; {RESTORE}"
        )


def _misplaced(found: Found, number: int) -> str:
    if found.version != VERSION:
        return f"it is in format version {found.version}, this program reads {VERSION}"
    if found.number != number:
        return f"record {found.number} stands in its place"
    return "it is intact but does not continue the record before it, the chain differs"
