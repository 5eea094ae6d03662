"""FIX messages to bytes. Imported through ``codec``.

Invariant: what is written here can be read back as the same fields: a value with an SOH inside (other than data) is
refused by ``body``, so that nobody's text becomes a field.
"""

from __future__ import annotations

import datetime
import re
import zlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from openoutcry.fix.datafields import DATA_FIELDS

Value = bytes | str | int | Decimal | datetime.datetime | datetime.date | datetime.time

_SOH: Final = b"\x01"
_ADLER_BYTES: Final = 256  # as many bytes of 255 add up to less than adler32's modulus 65521; of 127: 515
_ADLER_ASCII: Final = 515
_TRAILERS: Final = [b"10=%03d\x01" % each for each in range(256)]
_TEMPLATES_MAX: Final = 1_024  # kept for sequences of tags, and in each Header for MsgTypes

# Tags of the standard header, all versions: where the body of a stored message begins.
HEADER_TAGS: Final = frozenset(
    (8, 9, 35, 1128, 1156, 1129, 49, 56, 115, 128, 90, 91, 34, 50, 142, 57, 143, 116, 144, 129, 145, 43, 97, 52, 122,
     212, 213, 347, 369, 370, 627, 628, 629, 630)
)  # fmt: skip
_FIELD: Final = re.compile(rb"([0-9]+)=([^\x01]*)\x01").match
_STORED_HEAD: Final = re.compile(rb"8=[^\x01]*\x019=([0-9]+)\x01").match


def checksum(data: bytes) -> int:
    """The sum of all bytes modulo 256. adler32 has it in its lower half as long as that cannot overflow."""
    size = len(data)
    if size <= _ADLER_BYTES or (size <= _ADLER_ASCII and data.isascii()):
        return (zlib.adler32(data) - 1) & 255
    step = _ADLER_ASCII if data.isascii() else _ADLER_BYTES
    total = 0
    for at in range(0, size, step):
        total += (zlib.adler32(data[at : at + step]) & 0xFFFF) - 1
    return total & 255


def frame(begin: bytes, inner: bytes) -> bytes:
    """A whole message of what is between BodyLength and CheckSum."""
    text = b"8=%b\x019=%d\x01%b" % (begin, len(inner), inner)
    return text + _TRAILERS[checksum(text)]


class Header:
    """The header of all messages of one session in one direction: what does not change is joined once."""

    __slots__ = ("_begin", "_fixed", "_made")

    def __init__(
        self,
        begin: str,
        sender: str,
        target: str,
        sender_sub: str = "",
        sender_location: str = "",
        target_sub: str = "",
        target_location: str = "",
    ) -> None:
        fixed = {49: sender, 50: sender_sub, 56: target, 57: target_sub, 142: sender_location, 143: target_location}
        self._begin: bytes = _literal(begin)
        self._fixed: dict[int, bytes] = {tag: _literal(text) for tag, text in fixed.items() if text}
        self._made: dict[tuple[bytes, tuple[int, ...]], tuple[bytes, int, int]] = {}

    def message(
        self, kind: bytes, number: int, stamp: bytes, body: bytes, extra: tuple[tuple[int, bytes], ...] = ()
    ) -> bytes:
        """A whole message. `extra`: more header fields, ascending by tag; those that are always there are replaced."""
        tags = tuple([tag for tag, _ in extra]) if extra else ()
        made = self._made.get((kind, tags))
        if made is None:
            made = self._make(kind, tags)
        form, size, split = made
        digits = b"%d" % number
        if not extra:
            text = form % (size + len(digits) + len(stamp) + len(body), digits, stamp, body)
        else:
            values = [value for _, value in extra]
            values[split:split] = (stamp,)
            length = size + len(digits) + len(body) + sum(map(len, values))
            text = form % (length, digits, *values, body)
        return text + _TRAILERS[checksum(text)]

    def _make(self, kind: bytes, extra: tuple[int, ...]) -> tuple[bytes, int, int]:
        """Form, its bytes that count for BodyLength, and how many of `extra` are before SendingTime(52)."""
        fields = {**self._fixed, 34: b"%b", 52: b"%b", **dict.fromkeys(extra, b"%b")}
        texts = b"".join(b"%d=%b\x01" % (tag, fields[tag]) for tag in sorted(fields))
        inner = b"35=%b\x01%b" % (_literal(kind.decode("latin-1")), texts)
        size = len(inner % ((b"",) * (len(extra) + 2)))
        made = b"8=%b\x019=%%d\x01%b%%b" % (self._begin, inner), size, sum(tag < 52 for tag in extra)
        if len(self._made) >= _TEMPLATES_MAX:
            self._made.clear()
        self._made[kind, extra] = made
        return made


def _literal(text: str) -> bytes:
    """Text as a part of a form."""
    if "\x01" in text:
        raise ValueError(f"{text!r} has an SOH inside")
    return text.encode("latin-1", "replace").replace(b"%", b"%%")


# ------------------------------------------------------------------------------------------------- bodies
_templates: Final[dict[tuple[int, ...], bytes]] = {}


def template(tags: tuple[int, ...]) -> bytes:
    """The form of a body of these tags: ``template((11, 38)) % (b"ID", b"100")``. The caller's values have no SOH."""
    form = _templates.get(tags)
    if form is None:
        form = b"".join([b"%d=%%b\x01" % tag for tag in tags])
        if len(_templates) >= _TEMPLATES_MAX:
            _templates.clear()
        _templates[tags] = form
    return form


def body(fields: Iterable[tuple[int, Value]]) -> bytes:
    """Fields as bytes, in the order given. ValueError for an SOH in a value that is no data."""
    columns = tuple(zip(*fields, strict=True))
    if not columns:
        return b""
    tags, values = columns
    form = template(tags)
    if type(values[0]) is not bytes or type(values[-1]) is not bytes:
        text = form % tuple(map(text_of, values))
    else:
        try:
            text = form % values
        except TypeError:  # they are not all bytes
            text = form % tuple(map(text_of, values))
    if text.count(_SOH) != len(tags):
        _no_mark_inside(tags, values)
    return text


def _no_mark_inside(tags: tuple[int, ...], values: tuple[Value, ...]) -> None:
    """That only data fields have SOHs inside."""
    for tag, value in zip(tags, map(text_of, values), strict=True):
        if _SOH in value and tag not in DATA_FIELDS:
            raise ValueError(f"the value of tag {tag} has an SOH inside: {value[:64]!r}")


def text_of(value: Value) -> bytes:
    """A value as FIX writes it. Times are UTC; what has no zone is taken for UTC. TypeError for floats and others."""
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    if isinstance(value, bool):  # which is an int too
        return b"Y" if value else b"N"
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, bytes):
        return value
    if isinstance(value, Decimal):
        return _decimal_text(value)
    return _time_text(value)


def _decimal_text(value: Decimal) -> bytes:
    """All digits of a number, without an exponent."""
    if not value.is_finite():
        raise ValueError(f"{value} is no number that FIX can write")
    text = str(value)
    return (format(value, "f") if "E" in text else text).encode()


def _time_text(value: object) -> bytes:
    """datetime: UTCTimestamp; date: UTCDateOnly; time: UTCTimeOnly; fractions as ms, or as µs where needed."""
    if isinstance(value, datetime.datetime):
        utc = value if value.tzinfo is None else value.astimezone(datetime.UTC)
        return b"%b-%b" % (_time_text(utc.date()), _time_text(utc.time()))
    if isinstance(value, datetime.date):
        return b"%04d%02d%02d" % (value.year, value.month, value.day)
    if isinstance(value, datetime.time):
        fraction = (
            b"%03d" % (value.microsecond // 1000) if value.microsecond % 1000 == 0 else b"%06d" % value.microsecond
        )
        return b"%02d:%02d:%02d.%b" % (value.hour, value.minute, value.second, fraction)
    raise TypeError(f"{type(value).__name__} is no type of a FIX value (exact numbers only: int, Decimal)")


# ------------------------------------------------------------------------------------------------- stored messages
def possible_duplicate(message: bytes, stamp: bytes) -> bytes:
    """A stored message once more: 43=Y, 122 its old SendingTime (unless it has one), a new SendingTime, 9 and 10."""
    begin, header, rest = _parted(message)
    fields = dict(header)
    fields.setdefault(122, fields.get(52, stamp))
    fields[43] = b"Y"
    fields[52] = stamp
    kind = fields.pop(35)
    inner = b"".join([b"%d=%b\x01" % (tag, fields[tag]) for tag in sorted(fields)])
    return frame(begin, b"35=%b\x01%b%b" % (kind, inner, rest))


def _parted(message: bytes) -> tuple[bytes, list[tuple[int, bytes]], bytes]:
    """BeginString, header fields from MsgType on, and the bytes between the header and the CheckSum."""
    header: list[tuple[int, bytes]] = []
    at = 0
    while (found := _FIELD(message, at)) is not None and int(found[1]) in HEADER_TAGS:
        tag, value, end = int(found[1]), found[2], found.end()
        if tag in DATA_FIELDS:
            start = found.start(2)
            end = start + int(dict(header)[DATA_FIELDS[tag]]) + 1
            value = message[start : end - 1]
        header.append((tag, value))
        at = end
    return header[0][1], header[2:], message[at : -len(_TRAILERS[0])]


def split_stored(data: bytes, count: int) -> int:
    """Bytes that the first `count` of joined messages take. A lone b"-" stands for one that was not kept."""
    at = 0
    for _ in range(count):
        if data.startswith(b"-", at):
            at += 1
            continue
        head = _STORED_HEAD(data, at)
        if head is None:
            raise ValueError(f"no message at byte {at} of what was stored")
        at = head.end() + int(head[1]) + len(_TRAILERS[0])
    return at


# ------------------------------------------------------------------------------------------------- for tests
def raw(
    text: str | bytes,
    begin: str | bytes | None = None,
    length: int | str | bytes | None = None,
    checksum: int | str | bytes | None = None,
) -> bytes:
    """A message of text with | for SOH, "35=D|34=1|...": 8, 9 and 10 are right unless given, there or as arguments.

    bytes are taken as they are.
    """
    fields = text.replace("|", "\x01").encode("latin-1") if isinstance(text, str) else text
    if begin is None and fields.startswith(b"8="):
        begin, _, fields = fields[2:].partition(_SOH)
    if length is None and fields.startswith(b"9="):
        length, _, fields = fields[2:].partition(_SOH)
    inner, mark, told = fields.rpartition(b"\x0110=")
    if mark and _SOH not in told[:-1]:  # the last field
        fields = inner + _SOH
        checksum = told.rstrip(_SOH) if checksum is None else checksum
    size = len(fields) if length is None else length
    message = b"8=%b\x019=%b\x01%b" % (text_of(begin or "FIX.4.2"), text_of(size), fields)
    end = b"%03d" % (sum(message) & 255) if checksum is None else _checksum_text(checksum)
    return message + b"10=%b\x01" % end


def _checksum_text(value: int | str | bytes) -> bytes:
    return b"%03d" % value if isinstance(value, int) else text_of(value)
