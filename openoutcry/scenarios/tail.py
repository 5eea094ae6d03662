"""Reading a journal while it is being written.

    tail = Tail(directory / "journal")
    for turn in tail.read(): ...        all there is
    for turn in tail.read(): ...        what has come since

Invariant: nothing is written, and every record is verified before it is believed, as by openoutcry.matcher.scan. A
record that is only half there is not an error: it will be whole the next time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from openoutcry.matcher.disk import disk_error
from openoutcry.matcher.records import (
    PAYLOAD_MAX,
    READ_BYTES,
    SEGMENT_HEADER,
    Turn,
    list_segments,
    read_block,
    segment_path,
    unpack_segment_header,
)
from openoutcry.matcher.scan import ALL, Scan

_BLOCK: Final = READ_BYTES


class Tail:
    """See the module. Raises JournalError where the journal is damaged."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._scan: Scan | None = None
        self._path = directory
        self._offset = 0
        self._last = 0
        self._chain = b""

    def read(self) -> Iterator[Turn]:
        """The records that have not been read yet."""
        if self._scan is None or not self._scan.segments:
            self._scan = scan = Scan(self._directory, self._last)
            yield from scan
            if scan.segments:
                self._path, self._offset = scan.segments[-1].path, scan.end
                self._last, self._chain = scan.last, scan.chain
            return
        try:
            yield from self._more()
        except OSError as error:
            raise disk_error("read", self._path, error) from None

    def _more(self) -> Iterator[Turn]:
        while True:
            found = list(self._block())
            yield from found
            if not found and not self._next_segment():
                return

    def _block(self) -> list[Turn]:
        """What stands at the offset now."""
        size = _BLOCK
        with open(self._path, "rb", buffering=0) as file:
            while True:
                block = os.pread(file.fileno(), size, self._offset)
                turns: list[Turn] = []
                taken, self._chain, wanted = read_block(block, self._last + 1, ALL, self._chain, turns)
                self._offset += taken
                self._last += len(turns)
                if turns or wanted <= size or size > PAYLOAD_MAX:
                    return turns
                size = wanted

    def _next_segment(self) -> bool:
        """Go on to the segment that begins with the next record, if it is there."""
        path = segment_path(self._directory, self._last + 1)
        segment = next((each for each in list_segments(self._directory) if each.path == path), None)
        if segment is None or path == self._path:
            return False
        with open(path, "rb", buffering=0) as file:
            unpack_segment_header(os.pread(file.fileno(), SEGMENT_HEADER, 0), segment)
        self._path, self._offset = path, SEGMENT_HEADER
        return True
