"""FIX messages out of logs, captures and what people paste: any line with ``8=FIX`` in it, in whatever separators.

Known separators: SOH, ``|``, ``^A``, ``;``, ``<SOH>`` and the text ``\\x01`` or ``\\001``. What stands before a message
on its line (the time, mostly) is kept, and a `>` or `<` there as the direction, as openoutcry.fix.messagelog writes it.

Invariant: nothing raises and nothing is passed over in silence: a message that is not whole or not right is given with
its ``faults``, in words, and its bytes are those of the line but for the separators.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, NamedTuple

from openoutcry.fix.codec import checksum, tokenise
from openoutcry.fix.message import Message, Shape, shape_of, tag_of
from openoutcry.fix.messagelog import HIDDEN

LINE_MAX: Final = 16_000_000  # bytes that are looked at together: far above any message
_START: Final = re.compile(
    rb"8=(?P<begin>FIXT?\.[0-9]\.[0-9][A-Z0-9]*)(?P<soh>\x01|\||\^A|;|<SOH>|\\x01|\\001)(?=[0-9]+=)"
)
_LENGTH: Final = re.compile(rb"9=([0-9]{1,7})[\x01|;]")
_DIRECTION: Final = re.compile(r"(?:^|\s)([<>])\s*$")


class Entry(NamedTuple):
    """One message. line: counted from 1. before: what stood before it. direction: ">", "<" or ""."""

    line: int
    before: str
    direction: str
    message: Message
    faults: tuple[str, ...]


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, cut where they are too long."""
    while line := file.readline(LINE_MAX):
        yield line


def read(lines: Iterable[bytes]) -> Iterator[Entry]:
    """The messages in the lines, in order."""
    for number, line in enumerate(lines, 1):
        end = 0
        while (start := _START.search(line, end)) is not None:
            before = line[end : start.start()].decode("utf-8", "replace").strip()
            raw, end = _cut(line, start)
            direction = _DIRECTION.search(before)
            yield _entry(number, before, direction[1] if direction else "", raw)


def _cut(line: bytes, start: re.Match[bytes]) -> tuple[bytes, int]:
    """A message's bytes with SOH as separator, and where it ends."""
    separator = start["soh"]
    trailer = re.compile(re.escape(separator) + rb"10=[0-9]{1,3}(?:%b|(?=\s|$))" % re.escape(separator))
    end = _said_end(line, start, trailer)
    if end < 0:  # its CheckSum, or what is before the next message
        after = _START.search(line, start.end())
        limit = after.start() if after else len(line)
        found = trailer.search(line, start.start(), limit)
        end = found.end() if found else limit
    text = line[start.start() : end].rstrip(b"\r\n ")
    raw = text if separator == b"\x01" else text.replace(separator, b"\x01")
    return (raw if raw.endswith(b"\x01") else raw + b"\x01"), end


def _said_end(line: bytes, start: re.Match[bytes], trailer: re.Pattern[bytes]) -> int:
    """Where it ends by its BodyLength, if a CheckSum is there; -1: that is not so."""
    size = len(start["soh"])
    length = _LENGTH.match(line, start.end())
    if length is None or size != 1:  # a long separator is counted as one, but we do not know how many there are
        return -1
    found = trailer.match(line, length.end() + int(length[1]))
    return found.end() if found else -1


def _entry(number: int, before: str, direction: str, raw: bytes) -> Entry:
    shape, values = tokenise(raw)
    faults: list[str] = []
    if shape is None:
        shape, values = _loosely(raw, faults)
    kind = dict(zip(reversed(shape.tags), reversed(values), strict=True)).get(35, b"")
    message = Message(kind, shape, values, raw, False)
    return Entry(number, before, direction, message, (*faults, *_faults(message)))


def _loosely(raw: bytes, faults: list[str]) -> tuple[Shape, tuple[bytes, ...]]:
    """The fields of what is no whole message; what is no field is a fault."""
    tags: list[int] = []
    values: list[bytes] = []
    for part in raw.split(b"\x01")[:-1]:
        tag, equals, value = part.partition(b"=")
        number = tag_of(tag)
        if number is None or not equals:
            faults.append(f"{part[:40].decode('latin-1')!r} is no field")
            continue
        tags.append(number)
        values.append(value)
    return shape_of(tuple(tags)), tuple(values)


def _faults(message: Message) -> Iterator[str]:
    """What a session would call garbled. A message that was blanked for a log has its old length and sum."""
    if message.shape.tags[:3] != (8, 9, 35):
        yield "it does not begin with BeginString(8), BodyLength(9), MsgType(35)"
    trailer = message.raw.rfind(b"\x0110=") + 1
    if message.shape.tags[-1] != 10 or not trailer:
        yield "there is no CheckSum(10) at its end"
        return
    if any(value == HIDDEN for value in message.values):
        return
    length = message.get(9) or b""
    size = trailer - message.raw.index(b"\x01", message.raw.find(b"\x019=") + 1) - 1
    if message.shape.tags[1:2] == (9,) and length != b"%d" % size:
        yield f"BodyLength(9) is {length.decode('latin-1')}, it should be {size}"
    expected = b"%03d" % checksum(message.raw[:trailer])
    if message.values[-1] != expected:
        yield f"CheckSum(10) is {message.values[-1].decode('latin-1')}, it should be {expected.decode()}"
