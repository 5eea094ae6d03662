"""The journal's next segment, filled with zeros ahead of its use by a slow thread.

Invariant: at most one spare per journal, named ``next.tmp``, which no recovery looks at. The thread uses at most a
tenth of the disk's time, because every sync of the journal waits behind its writes; whoever cannot wait for it takes
the file as far as it has come.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Final

from openoutcry.matcher.disk import Disk

log = logging.getLogger("openoutcry.journal")

STEP_BYTES: Final = 256 * 1024  # filled and synced at once: a sync of the journal waits behind it for 0.3 ms or so
REST: Final = 9  # times the duration of a fill step that the thread then rests


class SpareSegment:
    """Makes ``directory/next.tmp``, size bytes of zeros, in the background."""

    def __init__(self, directory: Path, size: int, disk: Disk) -> None:
        self._path = directory / "next.tmp"
        self._size = size
        self._disk = disk
        self._stop = threading.Event()
        self._fd = -1
        self._thread = threading.Thread(target=self._fill, name="journal-spare", daemon=True)
        self._thread.start()

    def _fill(self) -> None:
        try:
            self._fd = self._disk.open(self._path)
            for start in range(0, self._size, STEP_BYTES):
                began = time.monotonic()
                self._disk.fill(self._fd, start, min(start + STEP_BYTES, self._size))
                self._disk.sync(self._fd)
                if self._stop.wait(REST * (time.monotonic() - began)):
                    return
        except OSError as error:
            log.warning("cannot prepare the next segment %s: %s", self._path, error.strerror)

    def take(self) -> int:
        """Stop and hand over the open file, as far as it is filled. Raises OSError when it cannot be opened."""
        self._halt()
        fd, self._fd = self._fd, -1
        return fd if fd >= 0 else self._disk.open(self._path)

    def discard(self) -> None:
        """Stop and remove the file."""
        self._halt()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._disk.remove(self._path)

    def _halt(self) -> None:
        self._stop.set()
        self._thread.join()
