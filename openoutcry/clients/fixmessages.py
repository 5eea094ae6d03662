"""FIX messages by the names of a dictionary: what a client writes becomes bytes, what it receives can be asked by name.

::

    words = Vocabulary.of(settings)
    words.encode("NewOrderSingle", {"ClOrdID": "1", "Side": "BUY", "OrderQty": 100, "Price": Decimal("10.25"), ...})
    message["OrdStatus"]          # "2"          by name: text
    message[39]                   # b"2"         by tag: the bytes
    message.meaning("OrdStatus")  # "FILLED"
    message.fields()              # everything, groups as lists of dictionaries: ``encode`` takes it back

A message is named by name ("NewOrderSingle") or MsgType ("D"), a field by name ("Side") or tag (54). Values are text,
whole numbers, ``Decimal``, bytes, booleans (Y or N) and times; an enumeration's value is what is on the wire ("1") or
its description in the dictionary ("BUY"). Groups are lists of dictionaries. Floats are refused: they are not exact.

Invariant: what ``encode`` returns has the body's fields ascending by tag, each group whole behind its count and in the
dictionary's order; no value can end its field early or add another one. Whether the counterparty likes the message is
not judged here. Errors are VerbError and name the field.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from time import time_ns
from typing import Any, Final, NamedTuple

from openoutcry.errors import VerbError
from openoutcry.fix import times
from openoutcry.fix.datafields import DATA_FIELDS
from openoutcry.fix.dictionary import Dictionary, Field, Group, MessageType, load
from openoutcry.fix.message import Message
from openoutcry.fix.settings import PRECISIONS, SessionSettings
from openoutcry.fix.structure import HEADER_TAGS, TRAILER_TAGS, Places, Sections, take_apart

Fields = Mapping[Any, Any]  # names (str) or tags (int) to values; a union would not take a plain dict[str, ...]
Pairs = list[tuple[int, bytes]]
Step = tuple[bytes, Any, Field]  # "54=", the key of the value (None: the present time), the field

OWNED: Final = frozenset((8, 9, 10, 34, 35, 49, 52, 56))  # the session writes these itself
TRANSACT_TIME: Final = 60
PLANS_MAX: Final = 256  # shapes of messages whose writing is kept
SHOWN_MAX: Final = 64  # characters of an unknown name that an error shows


class Encoded(NamedTuple):
    """A message as ``Session.send`` takes it: MsgType, body, and the header fields that it has of its own."""

    kind: bytes
    body: bytes
    header: tuple[tuple[int, bytes], ...]


def _error(name: str, text: str) -> VerbError:
    return VerbError("bad_argument", name, text)


def spelt(value: Any) -> bytes | None:
    """A boolean, a whole number or a Decimal as FIX spells it; None when it is none of these."""
    if isinstance(value, bool):
        return b"Y" if value else b"N"
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f").encode()
    return None


class Vocabulary:
    """The names of a session's messages and fields: one dictionary, or two over FIXT."""

    def __init__(self, application: Dictionary, transport: Dictionary | None = None, digits: int = 3) -> None:
        self.application = application
        self.transport = transport or application
        self.digits = digits  # of the seconds in the time stamps that are written
        self._sections: dict[bytes, Sections] = {}
        self._plans: dict[tuple[Any, ...], tuple[bytes, list[Step]]] = {}  # by name and keys

    @classmethod
    def of(cls, settings: SessionSettings) -> Vocabulary:
        """Of a session's settings. Raises DictionaryError."""
        digits = PRECISIONS[settings.TimestampPrecision]
        if settings.BeginString != "FIXT.1.1":
            name = settings.DataDictionary or settings.BeginString.replace(".", "")
            return cls(load(name), None, digits if settings.BeginString >= "FIX.4.2" else 0)
        application = settings.AppDataDictionary or settings.version.replace(".", "")
        return cls(load(application), load(settings.TransportDataDictionary or "FIXT11"), digits)

    # ------------------------------------------------------------------------------------------- looking up
    def kind(self, name: str | bytes) -> bytes:
        """MsgType of a message's name or MsgType; bytes are taken as they are. Raises VerbError."""
        if isinstance(name, bytes):
            return name
        for dictionary in (self.application, self.transport):
            if name in dictionary.message_named:
                return dictionary.message_named[name].kind
        kind = name.encode("ascii", "replace")
        if self.type_of(kind) is None:
            names = [*self.application.message_named, *self.transport.message_named]
            raise _error("MsgType", f"{self.application.begin} has no message {name[:SHOWN_MAX]!r}{_near(name, names)}")
        return kind

    def type_of(self, kind: bytes) -> MessageType | None:
        """The definition of a MsgType, if there is one."""
        return self.application.messages.get(kind) or self.transport.messages.get(kind)

    def name_of(self, kind: bytes) -> str:
        """The name of a MsgType; itself when it has none."""
        found = self.type_of(kind)
        return found.name if found else kind.decode("latin-1")

    def field(self, key: str | int) -> Field:
        """A field by name or tag; a tag that is in no dictionary is a STRING without a name. Raises VerbError."""
        if isinstance(key, str) and not key.isdecimal():
            field = self.application.by_name.get(key) or self.transport.by_name.get(key)
            if field is None:
                names = [*self.application.by_name, *self.transport.by_name]
                shown = key[:SHOWN_MAX]
                raise _error(shown, f"{self.application.begin} has no field {shown!r}{_near(key, names)}")
            return field
        tag = int(key)
        if tag < 1:
            raise _error(str(tag), f"a tag is {tag}, it must be from 1 on")
        return self.application.fields.get(tag) or self.transport.fields.get(tag) or Field(tag, str(tag), "STRING", {})

    def sections(self, kind: bytes) -> Sections:
        """What takes messages of a MsgType apart."""
        found = self._sections.get(kind)
        if found is None:
            header, trailer, message = self.transport.header, self.transport.trailer, self.type_of(kind)
            found = Sections(
                HEADER_TAGS | frozenset(header.members), TRAILER_TAGS | frozenset(trailer.members), header.groups,
                message.groups if message else {}, trailer.groups,
            )  # fmt: skip
            if message is not None:  # peers make up MsgTypes: only known ones are kept
                self._sections[kind] = found
        return found

    # ------------------------------------------------------------------------------------------- writing
    def encode(self, name: str | bytes, fields: Fields) -> Encoded:
        """A message. TransactTime(60) is filled in when the message must have it and it is not given."""
        plan = self._plans.get((name, *fields))
        if plan is not None:
            encoded = self._by_plan(plan, fields)
            if encoded is not None:
                return encoded
        return self._encode(name, fields)

    def _encode(self, name: str | bytes, fields: Fields) -> Encoded:
        kind = self.kind(name)
        message = self.type_of(kind)
        header, body = self._parted(kind, fields)
        stamped = self._is_stamped(message, body)
        if not header and all(len(pairs) == 1 for pairs in body):
            self._plan(name, kind, fields, stamped)
        if stamped:
            body.append([(TRANSACT_TIME, times.stamp(time_ns(), self.digits))])
        return _put_together(kind, header, body)

    def as_given(self, name: str | bytes, fields: Fields) -> Encoded:
        """A message with these fields and no others."""
        kind = self.kind(name)
        return _put_together(kind, *self._parted(kind, fields))

    def _parted(self, kind: bytes, fields: Fields) -> tuple[list[Pairs], list[Pairs]]:
        """What goes into the header, and what into the body."""
        message = self.type_of(kind)
        header: list[Pairs] = []
        body: list[Pairs] = []
        for pairs in self._pairs(fields, message.groups if message else {}, None):
            tag = pairs[0][0]
            if tag in OWNED:
                raise _error(self.field(tag).name, f"{self.field(tag).name}({tag}) is written by the session")
            (header if tag in self.sections(kind).header_tags else body).append(pairs)
        return header, body

    def _is_stamped(self, message: MessageType | None, body: list[Pairs]) -> bool:
        """Whether TransactTime is to be filled in."""
        required = message is not None and message.members.get(TRANSACT_TIME, False)
        return required and all(pairs[0][0] != TRANSACT_TIME for pairs in body)

    def _plan(self, name: str | bytes, kind: bytes, fields: Fields, stamped: bool) -> None:
        """Keep how a message with these names is written: a program sends a few kinds, many times."""
        if len(self._plans) >= PLANS_MAX:
            self._plans.clear()
        steps: list[Step] = [(b"%d=" % self._tag(key), key, self.field(key)) for key in fields]
        if stamped:
            steps.append((b"%d=" % TRANSACT_TIME, None, self.field(TRANSACT_TIME)))
        self._plans[(name, *fields)] = (kind, sorted(steps, key=lambda step: step[2].tag))

    def _by_plan(self, plan: tuple[bytes, list[Step]], fields: Fields) -> Encoded | None:
        """A message of plain fields; None: a value of it is a group this time."""
        kind, steps = plan
        parts = []
        for prefix, key, field in steps:
            if key is None:
                parts.append(prefix + times.stamp(time_ns(), self.digits))
                continue
            value = fields[key]
            if type(value) is list or type(value) is tuple:
                return None
            parts.append(prefix + self._value(field, value))
        parts.append(b"")
        return Encoded(kind, b"\x01".join(parts), ())

    def pairs(self, fields: Fields) -> Pairs:
        """Fields alone, ascending by tag: what a Logon has of its own, for example."""
        return [pair for pairs in sorted(self._pairs(fields, {}, None), key=_first_tag) for pair in pairs]

    def matcher(self, name: str | bytes | None, fields: Fields) -> Callable[[Received], bool]:
        """Whether a message is of that name or MsgType (None: any) and has those values. Raises VerbError."""
        kind = None if name is None else self.kind(name)
        values = self.pairs(fields)

        def matches(received: Received) -> bool:
            message = received.message
            return (kind is None or message.kind == kind) and all(message.get(tag) == value for tag, value in values)

        return matches

    def _pairs(self, fields: Fields, groups: Mapping[int, Group], group: Group | None) -> Iterator[Pairs]:
        """Each field as what it is on the wire: itself, a group with its count, data with its length."""
        seen: set[int] = set()
        lengths = {DATA_FIELDS[tag] for tag in map(self._tag, fields) if tag in DATA_FIELDS}
        for key in self._ordered(fields, group):
            field = self.field(key)
            if field.tag in seen:
                raise _error(field.name, f"{field.name}({field.tag}) is given twice, by name and by tag")
            seen.add(field.tag)
            value = fields[key]
            if isinstance(value, list | tuple):
                if value:
                    yield self._group(field, value, groups.get(field.tag))
            elif field.tag in DATA_FIELDS:
                yield self._data(field, value)
            elif field.tag not in lengths:  # those are counted, not believed
                yield [(field.tag, self._value(field, value))]

    def _tag(self, key: str | int) -> int:
        return self.field(key).tag

    def _ordered(self, fields: Fields, group: Group | None) -> list[str | int]:
        """The keys of a group's entry in the dictionary's order."""
        if group is None:
            return list(fields)
        places = {tag: place for place, tag in enumerate(group.members)}
        keys = sorted(fields, key=lambda key: places.get(self._tag(key), len(places)))
        if not keys or self._tag(keys[0]) != group.first:
            first, count = self.field(group.first), self.field(group.tag)
            raise _error(first.name, f"every entry of {count.name} begins with {first.name}({first.tag}): give it")
        return keys

    def _group(self, field: Field, entries: Iterable[Any], group: Group | None) -> Pairs:
        pairs: Pairs = []
        count = 0
        for entry in entries:
            if not isinstance(entry, Mapping):
                raise _error(field.name, f"{field.name} is a group: give it a list of dictionaries")
            count += 1
            for some in self._pairs(entry, group.groups if group else {}, group):
                pairs += some
        return [(field.tag, b"%d" % count), *pairs]

    def _data(self, field: Field, value: Any) -> Pairs:
        data = value if isinstance(value, bytes) else str(value).encode()
        return [(DATA_FIELDS[field.tag], b"%d" % len(data)), (field.tag, data)]

    def _value(self, field: Field, value: Any) -> bytes:
        """One value as bytes."""
        data = value.encode() if type(value) is str and value.isascii() else self._bytes(field, value)
        if not data:
            raise _error(field.name, f"{field.name} has no value: leave the field out instead")
        if b"\x01" in data:
            raise _error(field.name, f"{field.name} has the separator SOH in its value")
        if field.values and data not in field.values and isinstance(value, str):
            return next((code for code, meaning in field.values.items() if meaning == value), data)
        return data

    def _bytes(self, field: Field, value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        if isinstance(value, str):
            if not value.isascii():
                raise _error(field.name, f"{field.name} is {value!r}: FIX text is ASCII; give bytes for anything else")
            return value.encode()
        if (data := spelt(value)) is not None:
            return data
        if isinstance(value, datetime | date | time):
            return self._time(value, field.type, field.name)
        wish = (
            "Decimal or text: a float is not exact" if isinstance(value, float) else "text, a number, bytes or a time"
        )
        raise _error(field.name, f"{field.name} is {value!r}, it must be {wish}")

    def _time(self, value: datetime | date | time, type: str, name: str = "") -> bytes:
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise _error(name, f"{name} is {value!r}, without a time zone: FIX times are UTC, say which zone it is")
            value = value.astimezone(UTC)
            if type in ("UTCDATEONLY", "UTCDATE", "LOCALMKTDATE", "DATE"):
                return value.strftime("%Y%m%d").encode()
            whole = int(value.replace(microsecond=0).timestamp()) * times.SECOND_NS + value.microsecond * 1_000
            text = times.stamp(whole, self.digits)
            return text.partition(b"-")[2] if type == "UTCTIMEONLY" else text
        if isinstance(value, time):
            return value.isoformat("milliseconds" if value.microsecond else "seconds").partition("+")[0].encode()
        return value.strftime("%Y%m%d").encode()

    # ------------------------------------------------------------------------------------------- reading
    def received(self, message: Message) -> Received:
        """A message that can be asked by name."""
        return Received(message, self)

    def as_fields(self, message: Message, sections: str = "body") -> dict[str, Any]:
        """The fields of a message by name, as text; groups as lists of dictionaries. sections: body, or all."""
        structure = take_apart(message.shape.tags, self.sections(message.kind))
        parts = [structure.body] if sections == "body" else [structure.header, structure.body, structure.trailer]
        found: dict[str, Any] = {}
        for part in parts:
            found |= self._entry(part, message.values)
        return found

    def _entry(self, places: Places, values: tuple[bytes, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for tag, place in places.fields:
            name = self.field(tag).name if tag > 0 else str(tag)
            entries = places.groups.get(tag)
            found[name] = [self._entry(e, values) for e in entries] if entries else values[place].decode("latin-1")
        return found


class Received:
    """A message that was received. By name it gives text (latin-1), by tag bytes; see the module."""

    __slots__ = ("message", "words")

    def __init__(self, message: Message, words: Vocabulary) -> None:
        self.message = message
        self.words = words

    @property
    def kind(self) -> str:
        """MsgType: "8"."""
        return self.message.kind.decode("latin-1")

    @property
    def name(self) -> str:
        """The message's name: "ExecutionReport"."""
        return self.words.name_of(self.message.kind)

    @property
    def sequence(self) -> int:
        """MsgSeqNum."""
        return int(self.message[34])

    @property
    def possible_duplicate(self) -> bool:
        """Whether the counterparty may have sent it before (PossDupFlag); it is delivered once all the same."""
        return self.message.get(43) == b"Y"

    def __getitem__(self, key: str | int) -> Any:
        value = self.get(key)
        if value is None:
            raise KeyError(f"{self.name} has no {key}")
        return value

    def get(self, key: str | int, default: Any = None) -> Any:
        """The first value of a field: text when `key` is a name, bytes when it is a tag; else `default`."""
        value = self.message.get(self.words.field(key).tag)
        if value is None:
            return default
        return value.decode("latin-1") if isinstance(key, str) else value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str | int) and self.words.field(key).tag in self.message

    def integer(self, key: str | int) -> int:
        """A whole number. Raises KeyError, ValueError."""
        return int(self._text(key))

    def decimal(self, key: str | int) -> Decimal:
        """An exact number. Raises KeyError, ValueError."""
        try:
            return Decimal(self._text(key))
        except InvalidOperation:
            raise ValueError(f"{self.name}: {key} is {self._text(key)!r}, that is no number") from None

    def time(self, key: str | int) -> datetime:
        """A UTCTimestamp, cut to microseconds. Raises KeyError, ValueError."""
        ns = times.parse_stamp(self._text(key).encode("latin-1"))
        second, rest = divmod(ns, times.SECOND_NS)
        return datetime.fromtimestamp(second, UTC).replace(microsecond=rest // 1_000)

    def meaning(self, key: str | int) -> str:
        """What the dictionary calls the value: "FILLED"; the value itself when it has no name. Raises KeyError."""
        value = self._text(key)
        return self.words.field(key).values.get(value.encode("latin-1"), value)

    def group(self, key: str | int) -> list[dict[str, Any]]:
        """The entries of a repeating group, by the name or tag of its count; [] when there is none."""
        entries = self.fields().get(self.words.field(key).name, [])
        return entries if isinstance(entries, list) else []

    def fields(self) -> dict[str, Any]:
        """The body, by name: texts, and lists of dictionaries for groups."""
        return self.words.as_fields(self.message)

    def _text(self, key: str | int) -> str:
        value = self[self.words.field(key).tag]
        return str(value, "latin-1")

    def __repr__(self) -> str:
        from openoutcry.fix.messagelog import redact

        return f"<{self.name} {redact(self.message.raw)[:512].decode('latin-1').replace(chr(1), '|')}>"


def _put_together(kind: bytes, header: list[Pairs], body: list[Pairs]) -> Encoded:
    extra = tuple(pair for pairs in sorted(header, key=_first_tag) for pair in pairs)
    return Encoded(kind, _join(pair for pairs in sorted(body, key=_first_tag) for pair in pairs), extra)


def _first_tag(pairs: Pairs) -> int:
    """Where a field is sorted in: data by the tag of its length."""
    return pairs[0][0]


def _join(pairs: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join([b"%d=%b\x01" % pair for pair in pairs])


def _near(name: str, names: list[str]) -> str:
    """A question that may help."""
    lower = {each.lower(): each for each in names}
    found = difflib.get_close_matches(name[:SHOWN_MAX].lower(), lower, 1)
    return f"; did you mean {lower[found[0]]}?" if found else ""
