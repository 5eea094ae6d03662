"""Bytes to FIX messages, however they are cut. The way back is ``encoding``, whose functions are also found here.

Rule 1. A message ends with the first CheckSum field at or after the place that its BodyLength tells. When the two do
        not meet, or the CheckSum is wrong, or a field has no "=" or no number before it, or 8 9 35 ... 10 are not where
        they must be, the message is garbled: it is skipped and counted. (So a BodyLength too long takes the next
        message with it; the sequence numbers show it. The reference engine does all of this alike.) After one that
        cannot end within ``max_size``, the next one has to begin with 8= and 9= in a row.
Rule 2. The messages, and how many were garbled, do not depend on how the bytes are cut into reads.
Rule 3. No bytes raise, no more than ``max_size`` of them are kept, and none is looked at again and again.
Rule 4. Data fields are as long as the length field before them tells, whatever is inside.

Two ways lead to the same messages: the general one splits at the SOHs; the fast one (``Decoder.learn``) matches the
message with a regular expression that the validator has made for its shape, and so has checked every value already.

Final API: Decoder; checksum, frame, Header, possible_duplicate, body, template, raw, split_stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from openoutcry.fix.datafields import DATA_FIELDS
from openoutcry.fix.encoding import (
    Header,
    Value,
    body,
    checksum,
    frame,
    possible_duplicate,
    raw,
    split_stored,
    template,
    text_of,
)
from openoutcry.fix.message import Message, Shape, shape_of_texts, tag_of

__all__ = [
    "DATA_FIELDS",
    "Decoder",
    "Header",
    "Value",
    "body",
    "checksum",
    "frame",
    "possible_duplicate",
    "raw",
    "split_stored",
    "template",
    "text_of",
    "tokenise",
]

MAX_SIZE: Final = 65_536
GARBLED_SHOWN: Final = 256  # bytes of the newest garbled message that are kept for a log
LENGTH_DIGITS: Final = 10  # characters of a BodyLength, CheckSum or data length: leading zeros are put up with
PATTERNS_MAX: Final = 8  # learned for one MsgType: a client has a few kinds of each message
KINDS_MAX: Final = 32  # MsgTypes that patterns are learned for
LEARN_AFTER: Final = 16  # messages of a shape: making a pattern takes about as long as decoding 500 without it
SEEN_MAX: Final = 256  # shapes whose messages are counted for that

_SOH: Final = b"\x01"
_EIGHT: Final = ord("8")
BEGIN_MAX: Final = 32  # characters of a BeginString, for a message to begin with it after one that did not end
# Where to go on, but not in the middle of 38=; without a group: perhaps there, when more bytes have come.
_AFTER_JUNK: Final = re.compile(rb"(?<![0-9])8(=)").search
_AFTER_BAD: Final = re.compile(rb"(?<![0-9])8=[^\x01=]{0,%d}+(?:\x01(?:9(=)|9?\Z)|\Z)" % BEGIN_MAX).search
_TAIL: Final = b"\x0110="
_HEAD: Final = re.compile(rb"8=[^\x01]*\x019=[0-9]+\x0135=([^\x01]*)\x01").match
_TRAILER_SIZE: Final = len(b"10=000\x01")
_SHORTEST_TRAILER: Final = len(b"10=\x01")
_AROUND: Final = len(b"8=\x019=\x01") + _TRAILER_SIZE  # what is in a message besides its first two values and its body
_MARKS: Final = [b"=\x01" * count for count in range(65)]
_NOT_MARKS: Final = bytes(each for each in range(256) if each not in b"=\x01")
# CheckSum text to what the sum of the whole message, trailer included, must then be.
_WHOLE_SUMS: Final = {b"%03d" % each: (each + sum(b"10=%03d\x01" % each)) & 255 for each in range(256)}

Match = Callable[[bytes, int], "re.Match[bytes] | None"]


class Pattern:
    """What was learned about messages of one shape."""

    __slots__ = ("expression", "kind", "match", "shape")

    def __init__(self, expression: bytes, kind: bytes, shape: Shape) -> None:
        self.expression = expression
        self.match: Match = re.compile(expression).match
        self.kind = kind
        self.shape = shape


_NOTHING: Final = Pattern(rb"(?!)", b"", Shape(()))


class Decoder:
    """Messages from bytes with any split::

    for message in decoder.feed(data):
        if not message.checked and validator.check(message) is None and decoder.wants(message):
            pattern = validator.pattern(message)
            if pattern is not None:
                decoder.learn(message, pattern)
    """

    __slots__ = (
        "_check_sums",
        "_data_fields",
        "_dry_from",
        "_dry_to",
        "_guess",
        "_max_size",
        "_need",
        "_patterns",
        "_rest",
        "_seen",
        "_skipping",
        "garbled",
        "last_garbled",
    )

    def __init__(
        self, max_size: int = MAX_SIZE, check_sums: bool = True, data_fields: Mapping[int, int] = DATA_FIELDS
    ) -> None:
        self.garbled: int = 0
        self.last_garbled: bytes = b""
        self._max_size: int = max_size
        self._check_sums: bool = check_sums
        self._data_fields: Mapping[int, int] = data_fields  # data tag to the tag of its length
        self._rest = bytearray()
        self._need: int = 0  # how many bytes the rest must have before it is looked at again
        self._skipping: Match | None = None  # after bytes that are no message: what finds the next one
        self._dry_from: int = 0  # between these places of the bytes at hand no CheckSum field begins
        self._dry_to: int = 0
        self._patterns: dict[bytes, list[Pattern]] = {}
        self._guess: Pattern = _NOTHING  # the one that matched last
        self._seen: dict[Shape, int] = {}

    @property
    def buffered(self) -> int:
        """Bytes that wait for the rest of their message."""
        return len(self._rest)

    def configure(self, max_size: int, check_sums: bool) -> None:
        """Other limits from now on: it is known whose bytes these are."""
        self._max_size, self._check_sums = max_size, check_sums

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete with these bytes."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        else:
            self._dry_from = self._dry_to = 0
        messages: list[Message] = []
        at = 0 if self._skipping is None else self._skip(data, 0, self._skipping)
        size = len(data)
        while at < size:
            guess = self._guess
            found = guess.match(data, at)
            message = None if found is None else self._taken(guess, found, data, at)
            if message is None:
                message, at = self._general(data, at)
                if message is None:
                    continue
            else:
                at += len(message.raw)
            messages.append(message)
        return messages

    # ------------------------------------------------------------------------------------- what was learned
    def wants(self, message: Message) -> bool:
        """Whether a pattern for messages of this shape is worth its making: then make one and call `learn`."""
        if message.checked:
            return False
        count = self._seen.get(message.shape, 0) + 1
        if count == 1 and len(self._seen) >= SEEN_MAX:
            return False
        self._seen[message.shape] = count
        return count == LEARN_AFTER and self._has_room(message.kind)

    def _has_room(self, kind: bytes) -> bool:
        known = self._patterns.get(kind)
        return len(self._patterns) < KINDS_MAX if known is None else len(known) < PATTERNS_MAX

    def learn(self, message: Message, pattern: bytes) -> None:
        """Take messages that match `pattern`, which this one does, without looking further.

        The pattern has one group for each value, and allows of messages of this shape those in which the validator
        finds nothing wrong. One that does not match its own message, or is one too many, is left out.
        """
        known = self._patterns.get(message.kind, [])
        if not self._has_room(message.kind) or any(each.expression == pattern for each in known):
            return
        if not message.shape.framed or _has_data(message.shape, self._data_fields):
            return
        learned = Pattern(pattern, message.kind, message.shape)
        found = learned.match(message.raw, 0)
        if found is not None and found.groups() == message.values and found.end() == len(message.raw):
            self._patterns[message.kind] = [*known, learned]

    def _taken(self, pattern: Pattern, found: re.Match[bytes], data: bytes, at: int) -> Message | None:
        """The message that a pattern has matched, unless its length or checksum is wrong."""
        raw = data[at : found.end()]
        values = found.groups()
        size = len(raw)
        digits = len(values[1])
        if digits > LENGTH_DIGITS or size > self._max_size:
            return None
        if size - len(values[0]) - digits - _AROUND != int(values[1]):
            return None
        if checksum(raw) != _WHOLE_SUMS.get(values[-1]):
            return None
        return Message(pattern.kind, pattern.shape, values, raw, True)

    # ------------------------------------------------------------------------------------- the general way
    def _general(self, data: bytes, at: int) -> tuple[Message | None, int]:
        """One message or none, and where to go on: at the end when more bytes are needed."""
        if not data.startswith(b"8=", at):
            return None, self._junk(data, at)
        if self._patterns:
            message = self._known(data, at)
            if message is not None:
                return message, at + len(message.raw)
        return self._framed(data, at)

    def _known(self, data: bytes, at: int) -> Message | None:
        """The message at this place, when another pattern than the last one matches it."""
        head = _HEAD(data, at)
        for pattern in self._patterns.get(head[1], ()) if head is not None else ():
            found = pattern.match(data, at)
            if found is not None:
                self._guess = pattern
                return self._taken(pattern, found, data, at)
        return None

    def _framed(self, data: bytes, at: int) -> tuple[Message | None, int]:
        """Find where the message ends, and take it apart."""
        limit = at + self._max_size
        nine = data.find(b"\x019=", at + 2, limit)
        if nine < 0:
            return None, self._wait(data, at, limit, at + 2, 0)
        bound = min(limit, nine + 4 + LENGTH_DIGITS)
        stop = data.find(_SOH, nine + 3, bound)
        if stop < 0:
            return None, self._wait(data, at, bound, nine + 3, 0)
        text = data[nine + 3 : stop]
        told = stop + int(text) if text.isdigit() else limit  # the SOH before the CheckSum
        if told + _TRAILER_SIZE >= limit:
            return None, self._bad(data, at, nine + 3)
        tail = told if data.startswith(_TAIL, told) else self._late_tail(data, told, limit)
        end = data.find(_SOH, tail + 4, limit) if tail >= 0 else -1
        if end < 0:
            return None, self._wait(data, at, limit, nine + 3, told + 1 + _SHORTEST_TRAILER - at)
        raw = data[at : end + 1]
        message = self._parsed(raw, tail + 1 - at) if tail == told or not self._check_sums else None
        if message is None:
            self._count(raw)
        return message, end + 1

    def _late_tail(self, data: bytes, told: int, limit: int) -> int:
        """The first CheckSum field after its place; -1. What was looked through for it once is not again."""
        if told < self._dry_from:
            found = data.find(_TAIL, told, min(self._dry_from + len(_TAIL) - 1, limit))
            self._dry_from = told
            if found >= 0:
                self._dry_to = found
                return found
        elif told > self._dry_to:
            self._dry_from = self._dry_to = told
        found = data.find(_TAIL, self._dry_to, limit)
        self._dry_to = found if found >= 0 else max(self._dry_to, min(limit, len(data)) - len(_TAIL) + 1)
        return found

    def _parsed(self, raw: bytes, trailer: int) -> Message | None:
        """A whole message taken apart; None when it is garbled. `trailer` is the place of its CheckSum field."""
        if self._check_sums:
            text = raw[trailer + 3 : -1]
            if not text.isdigit() or len(text) > LENGTH_DIGITS or checksum(raw[:trailer]) != int(text):
                return None
        shape, values = tokenise(raw, self._data_fields)
        if shape is None or not shape.framed:
            return None
        return Message(values[2], shape, values, raw, False)

    # ------------------------------------------------------------------------------------- what is no message
    def _wait(self, data: bytes, at: int, bound: int, onward: int, need: int) -> int:
        """Keep what is no whole message yet, unless it should have been by `bound`: then go on at `onward`."""
        if len(data) >= bound:
            return self._bad(data, at, onward)
        self._keep(data, at, need)
        return len(data)

    def _keep(self, data: bytes, at: int, need: int) -> None:
        """Keep the bytes from a place on; they will do when there are `need`."""
        self._rest += data[at:]
        self._need = need
        self._dry_from -= at
        self._dry_to -= at

    def _bad(self, data: bytes, at: int, onward: int) -> int:
        """Count a message that cannot be one, and go on after its beginning."""
        self._count(data[at : at + GARBLED_SHOWN])
        return self._skip(data, onward, _AFTER_BAD)

    def _junk(self, data: bytes, at: int) -> int:
        """Bytes with which no message begins."""
        if len(data) - at == 1 and data[at] == _EIGHT:
            self._keep(data, at, 2)
            return len(data)
        self._count(data[at : at + GARBLED_SHOWN])
        return self._skip(data, at, _AFTER_JUNK)

    def _skip(self, data: bytes, at: int, search: Match) -> int:
        """Where the next message begins. When nowhere: as much is kept as may belong to a beginning."""
        found = search(data, at)
        if found is not None and found.lastindex is not None:
            self._skipping = None
            return found.start()
        self._skipping = search
        end = len(data)
        start = end if found is None else found.start()
        while found is None and start > max(at, end - 2) and 48 <= data[start - 1] <= 57:  # it may be a part of a tag
            start -= 1
        self._keep(data, start, 0)
        return end

    def _count(self, raw: bytes) -> None:
        self.garbled += 1
        self.last_garbled = raw[:GARBLED_SHOWN]


def tokenise(raw: bytes, data_fields: Mapping[int, int] = DATA_FIELDS) -> tuple[Shape | None, tuple[bytes, ...]]:
    """The fields of a whole message; no shape when one has no "=", or no number before it."""
    count = raw.count(_SOH)
    marks = _MARKS[count] if count < len(_MARKS) else b"=\x01" * count
    if raw.translate(None, _NOT_MARKS) == marks:  # no "=" in a value: one split does it all
        parts = raw.replace(_SOH, b"=").split(b"=")
        shape = shape_of_texts(tuple(parts[:-1:2]))
        if shape is not None and not _has_data(shape, data_fields):
            return shape, tuple(parts[1::2])
    return _careful(raw, data_fields)


def _has_data(shape: Shape, data_fields: Mapping[int, int]) -> bool:
    return shape.data if data_fields is DATA_FIELDS else not data_fields.keys().isdisjoint(shape.index)


def _careful(raw: bytes, data_fields: Mapping[int, int]) -> tuple[Shape | None, tuple[bytes, ...]]:
    """The same, one field after the other: with data fields, and with "=" in values."""
    texts: list[bytes] = []
    values: list[bytes] = []
    lengths: dict[int, bytes] = {}
    at = 0
    while at < len(raw):
        equals = raw.find(b"=", at)
        tag = tag_of(raw[at:equals]) if equals > at else None
        if tag is None:
            return None, ()
        if tag in data_fields:
            text = lengths.get(data_fields[tag], b"")
            told = int(text) if text.isdigit() and len(text) <= LENGTH_DIGITS else len(raw)
            stop = raw.find(_SOH, equals + 1 + told, equals + 2 + told)
        else:
            stop = raw.find(_SOH, equals)
        if stop < 0:
            return None, ()
        texts.append(raw[at:equals])
        values.append(raw[equals + 1 : stop])
        lengths[tag] = values[-1]
        at = stop + 1
    return shape_of_texts(tuple(texts)), tuple(values)
