"""Logs of all messages of a session, with passwords blanked, in files of bounded size.

One line a message, in ``NAME.messages.log``::

    20261120-16:22:01.123456 < 8=FIX.4.2|9=...            received; the separators are the SOH that they were
    20261120-16:22:01.123501 > 8=FIX.4.2|9=...            sent
    20261120-16:22:01.130000 ! connection lost            what happened to the session

`openoutcry fix decode` and `openoutcry fix play` read them, as they read the logs of other engines.

Invariant 1: no byte of a secret (SECRET_TAGS; RawData in a Logon) reaches the file. What is malformed is blanked
rather more than less. ``redact`` is for every other place that shows a message, too.
Invariant 2: one message, one line: line breaks inside a message are written as ``\\n`` and ``\\r``, so that nobody can
write a line of his own into the log.
Invariant 3: a log that cannot be written never stops a session: ``lost`` counts, and the process log says so once.
"""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from openoutcry.fix.store import file_name
from openoutcry.fix.times import stamp

log = logging.getLogger("openoutcry.fix.log")

SECRET_TAGS: Final = (554, 925, 1402, 1404)  # Password, NewPassword, EncryptedPassword, EncryptedNewPassword
LOGON_SECRET_TAGS: Final = (96,)  # RawData of a Logon: many counterparties put the password there
LENGTH_TAGS: Final = {96: 95, 1402: 1401, 1404: 1403}  # a data field and the field before it that has its length
HIDDEN: Final = b"***"
FILE_BYTES_MAX: Final = 64_000_000  # then the next file is begun
FILES_MAX: Final = 8  # NAME.messages.log and NAME.messages.log.1 to .7: at most half a gigabyte a session
LINE_BYTES_MAX: Final = 1_000_500  # the largest message and some

_LOGON: Final = re.compile(rb"(?:^|\x01)35=A(?:\x01|$)")


def _secrets(tags: tuple[int, ...]) -> re.Pattern[bytes]:
    """Finds such a field, up to where its value begins; `length`: what is said of a data field's, directly before."""
    lengths = b"|".join(b"%d" % LENGTH_TAGS[tag] for tag in tags if tag in LENGTH_TAGS)
    names = b"|".join(b"%d" % tag for tag in tags)
    # Zeros before a tag, as in 0554=, are a garbled field for us but perhaps not for the one who sent it.
    return re.compile(rb"(?:^|\x01)(?:0*(?:%b)=(?P<length>[0-9]{1,7})\x01)?0*(?P<tag>%b)=" % (lengths, names))


_MARKS: Final = tuple(b"%d=" % tag for tag in SECRET_TAGS + LOGON_SECRET_TAGS)
_ANYWHERE: Final = _secrets(SECRET_TAGS)
_IN_LOGON: Final = _secrets(SECRET_TAGS + LOGON_SECRET_TAGS)


def redact(data: bytes) -> bytes:
    """`data`, one or more messages or what should have been some, with every secret replaced by ``***``.

    Lengths and checksums are left as they were: a redacted message is for reading.
    """
    for mark in _MARKS:
        if mark in data:
            break
    else:
        return data  # as nearly all messages are
    pattern = _IN_LOGON if _LOGON.search(data) else _ANYWHERE
    match = pattern.search(data)
    if match is None:
        return data
    parts: list[bytes] = []
    at = 0
    while match is not None:
        parts += (data[at : match.end()], HIDDEN)
        at = _end(data, match)
        match = pattern.search(data, at)
    return b"".join([*parts, data[at:]])


def _end(data: bytes, match: re.Match[bytes]) -> int:
    """Where the value ends: at its said length or the next separator, whichever is later.

    A data field of which no length is said may have separators in it: then nothing after it is shown.
    """
    length = match["length"]
    if length is None and int(match["tag"]) in LENGTH_TAGS:
        return len(data)
    end = data.find(b"\x01", min(match.end() + int(length or 0), len(data)))
    return end if end >= 0 else len(data)


class MessageLog:
    """The log of session `name` in `directory` (made when it is not there). Raises OSError when that fails."""

    def __init__(
        self, directory: str | os.PathLike[str], name: str, bytes_max: int = FILE_BYTES_MAX, files_max: int = FILES_MAX
    ) -> None:
        self.path = Path(directory) / (file_name(name) + ".messages.log")
        self.bytes_max = bytes_max
        self.files_max = files_max
        self.lost = 0  # lines that could not be written
        self._size = 0
        self._fd = -1
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._open()

    def incoming(self, data: bytes, now_ns: int) -> None:
        """A message has been received."""
        self._line(b" < ", redact(data), now_ns)

    def outgoing(self, data: bytes, now_ns: int) -> None:
        """A message is sent."""
        self._line(b" > ", redact(data), now_ns)

    def event(self, text: str, now_ns: int) -> None:
        """Something happened to the session or its connection."""
        self._line(b" ! ", text.encode("utf-8", "replace"), now_ns)

    def _line(self, mark: bytes, data: bytes, now_ns: int) -> None:
        if b"\n" in data or b"\r" in data:
            data = data.replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        line = b"%b%b%b\n" % (stamp(now_ns, 6), mark, data[:LINE_BYTES_MAX])
        try:
            if self._size + len(line) > self.bytes_max and self._size:
                self._rotate()
            os.write(self._fd, line)
            self._size += len(line)
        except OSError as error:
            if not self.lost:
                log.error("%s: %s; messages are not logged until it can be written again", self.path, error.strerror)
            self.lost += 1

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        """Each file gets the next number, the last one goes."""
        for number in range(self.files_max - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.replace(self._numbered(number - 1), self._numbered(number))
        if self.files_max == 1:
            os.unlink(self.path)
        old = self._fd
        self._open()
        os.close(old)

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def statistics(self) -> dict[str, int]:
        """Bytes of the newest file, and lines lost."""
        return {"bytes": self._size, "lost": self.lost}
