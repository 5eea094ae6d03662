"""FIX messages as dictionaries with the newest version's names; see openoutcry.messages, the place to import from.

The words are a dictionary's (``Vocabulary``): names, types and enumerations are looked up. None is written down here
but for what a version requires and can only be one thing (``_FILLED``).

Invariant: reading never raises for a message that was decoded, and what was read can be written again; what is written
is a body with each group whole and in order, in which no value can end its field early.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from openoutcry import messages_ouch
from openoutcry.clients.fixmessages import OWNED, TRANSACT_TIME, Encoded, Vocabulary, spelt
from openoutcry.errors import VerbError
from openoutcry.fix import times
from openoutcry.fix.codec import tokenise
from openoutcry.fix.datafields import DATA_FIELDS
from openoutcry.fix.dictionary import SHIPPED, Dictionary, Field, Group, load
from openoutcry.fix.message import MSG_TYPE, Message
from openoutcry.fix.structure import Places, take_apart
from openoutcry.fix.values import IS

Fields = Mapping[str, Any]
NEWEST: Final = "FIX.5.0SP2"
# What the session layer writes: CompIDs, numbers, times, and what says that a message was sent before.
SESSION_TAGS: Final = OWNED | {43, 122, 369}
# Where a version requires them: HandlInst, ExecTransType, and LastPx and LastShares of what is no trade.
_FILLED: Final = {21: b"1", 20: b"0", 31: b"0", 32: b"0"}
_EXEC_TYPE: Final = 150
_ORD_STATUS: Final = 39
_OLD_TRADES: Final = (b"1", b"2")
_TRADE: Final = "F"
_REF_MSG_TYPE: Final = 372
_WHOLE: Final = frozenset(("INT", "LENGTH", "SEQNUM", "NUMINGROUP", "TAGNUM", "DAYOFMONTH"))
_QUANTITIES: Final = frozenset(("QTY", "QUANTITY"))
_DECIMALS: Final = frozenset(("PRICE", "PRICEOFFSET", "AMT", "FLOAT", "PERCENTAGE"))
_INTEGER: Final = re.compile(rb"0|-?[1-9][0-9]{0,17}")
_DECIMAL: Final = re.compile(rb"(-?)0*([0-9]{1,18})(?:\.([0-9]{0,18}?)0*)?")
_CODES_SHOWN: Final = 12  # values of an enumeration that an error names


def _wrong(name: str, text: str) -> VerbError:
    return VerbError("bad_argument", name, text)


@lru_cache(64)
def _vocabulary(version: str) -> Vocabulary:
    name = version.upper().replace(".", "")
    application = NEWEST.replace(".", "") if name == "FIXT11" else name
    return Vocabulary(load(application), load("FIXT11") if application.startswith("FIX50") else None)


def vocabulary(version: str | Vocabulary) -> Vocabulary:
    """The words of a version, as "FIX.4.2" or "FIX.5.0SP2"; a session's own: ``Vocabulary.of(settings)``.

    Raises DictionaryError.
    """
    return _vocabulary(version) if isinstance(version, str) else version


@lru_cache(1)  # asked for each field of each message, and `load` looks at the disk
def _newest() -> Dictionary:
    return load(NEWEST.replace(".", ""))


# ------------------------------------------------------------------------------------------------- FIX: reading
def from_fix(
    message: Message | bytes, version: str | Vocabulary = NEWEST, *, native: bool = False, whole: bool = False
) -> dict[str, Any]:
    """A FIX message. whole: with the session's own fields. Raises VerbError for bytes that are no message."""
    if isinstance(message, bytes):
        message = _message(message)
    words = vocabulary(version)
    structure = take_apart(message.shape.tags, words.sections(message.kind))
    found: dict[str, Any] = {}
    reader = _Native(message.values) if native else _Reader(message.values, words)
    for part in (structure.header, structure.body, structure.trailer):
        found |= reader.entry(part, frozenset() if whole else SESSION_TAGS)
    if native:
        return {"35": message.kind.decode("latin-1"), **found}
    if message.get(_EXEC_TYPE) in _OLD_TRADES and message.get(_EXEC_TYPE) == message.get(_ORD_STATUS):
        found["ExecType"] = _TRADE
    return (
        {**found, "MsgType": name_of(message.kind, words)}
        if whole
        else {"MsgType": name_of(message.kind, words), **found}
    )


def _message(raw: bytes) -> Message:
    shape, values = tokenise(raw)
    if shape is None or MSG_TYPE not in shape.index:
        raise _wrong("", f"{raw[:64]!r} is no FIX message: fields are tag=value, each ended by SOH, one of them 35")
    return Message(values[shape.index[MSG_TYPE]], shape, values, raw, False)


def name_of(kind: bytes, words: Vocabulary) -> str:
    """The name of a MsgType, as the newest version has it; itself when it has none."""
    newest = _newest().messages.get(kind)
    return newest.name if newest is not None else words.name_of(kind)


class _Native:
    """Fields by tag, values as they are."""

    def __init__(self, values: tuple[bytes, ...]) -> None:
        self.values = values

    def entry(self, places: Places, without: frozenset[int] = frozenset()) -> dict[str, Any]:
        """The fields of a section, or of an entry of a group."""
        found: dict[str, Any] = {}
        for tag, place in places.fields:
            if tag not in without:
                entries = places.groups.get(tag)
                found[self.name(tag)] = [self.entry(e) for e in entries] if entries else self.value(tag, place)
        return found

    def name(self, tag: int) -> str:
        """What a field is called."""
        return str(tag)

    def value(self, tag: int, place: int) -> Any:
        """Its value."""
        return self.values[place].decode("latin-1")


class _Reader(_Native):
    """Fields by name, values by their type."""

    def __init__(self, values: tuple[bytes, ...], words: Vocabulary) -> None:
        super().__init__(values)
        self.words = words

    def name(self, tag: int) -> str:
        """As the newest version has it."""
        newest = _newest().fields.get(tag)
        return newest.name if newest is not None else self.words.field(tag).name if tag > 0 else str(tag)

    def value(self, tag: int, place: int) -> Any:
        """Whole numbers as such, decimals without needless zeros."""
        value = self.values[place]
        kind = _type(tag, self.words)
        if kind in _DECIMALS or kind in _QUANTITIES:
            return _read_decimal(value, kind in _QUANTITIES)
        if kind in _WHOLE and _INTEGER.fullmatch(value):
            return int(value)
        return value.decode("latin-1")


def _type(tag: int, words: Vocabulary) -> str:
    """The type of a field in the newest version, which older ones agree with but for the names of types; "" for an
    enumeration, whose codes are text."""
    field = _newest().fields.get(tag) or words.field(max(tag, 1))
    return "" if field.values else field.type


def _read_decimal(value: bytes, quantity: bool) -> Any:
    found = _DECIMAL.fullmatch(value)
    if found is None:
        return value.decode("latin-1")
    sign, units, part = (each.decode() for each in found.groups(b""))
    if quantity and not part:
        return int(sign + units)
    return f"{sign}{units}.{part}" if part else f"{sign}{units}"


# ------------------------------------------------------------------------------------------------- FIX: writing
def to_fix(
    fields: Fields, version: str | Vocabulary = NEWEST, *, native: bool = False, strict: bool = True,
    time_ns: int | None = None,
) -> Encoded:  # fmt: skip
    """A FIX message, without what its session writes: MsgType, body, and header fields of its own.

    time_ns: for a TransactTime that is required and not given; None: the present. Raises VerbError.
    """
    words = vocabulary(version)
    name = fields.get("35" if native else "MsgType")
    if not isinstance(name, str) or not name:
        raise _wrong(
            "MsgType", f"MsgType is {name!r}, it must be the name of a message, as NewOrderSingle, or its code"
        )
    if native:
        return _encode_native(words, name.encode("latin-1", "replace"), fields)
    kind = _kind(words, name)
    writer = _Writer(words, kind, strict)
    written = writer.entry({key: value for key, value in fields.items() if key != "MsgType"}, None)
    _complete(words, kind, written, time_ns)
    return words.encode(kind, written)


def _encode_native(words: Vocabulary, kind: bytes, fields: Fields) -> Encoded:
    for key in fields:
        if not (isinstance(key, str) and key.isdecimal()):
            raise _wrong(str(key), f"{key!r} is no tag: native fields are named by their tags, as '55'")
    return words.as_given(kind, _bytes_of({key: value for key, value in fields.items() if key != "35"}))


def _bytes_of(fields: Fields) -> dict[str, Any]:
    """Native fields with their values as they go out."""
    found: dict[str, Any] = {}
    for key, value in fields.items():
        if isinstance(value, list | tuple):
            found[key] = [_bytes_of(_mapping(key, entry)) for entry in value]
        else:
            found[key] = _as_bytes(key, value)
    return found


def _mapping(name: str, entry: Any) -> Fields:
    if not isinstance(entry, Mapping):
        raise _wrong(name, f"{name} counts a group: it must be a list of dictionaries")
    return entry


def _kind(words: Vocabulary, name: str) -> bytes:
    """MsgType of a name, as the version or the newest one has it. Raises VerbError."""
    newest = _newest().message_named.get(name)
    if newest is not None and name not in words.application.message_named and words.type_of(newest.kind) is not None:
        return newest.kind
    return words.kind(name)


def _complete(words: Vocabulary, kind: bytes, written: dict[int, Any], time_ns: int | None) -> None:
    """Fill in what the version requires and can only be one thing."""
    message = words.type_of(kind)
    members = message.members if message is not None else {}
    for tag, value in _FILLED.items():
        if members.get(tag):
            written.setdefault(tag, value)
    if time_ns is not None and members.get(TRANSACT_TIME):
        written.setdefault(TRANSACT_TIME, times.stamp(time_ns, words.digits))


class _Writer:
    """Dictionaries with names into dictionaries with tags, as ``Vocabulary.encode`` takes them."""

    def __init__(self, words: Vocabulary, kind: bytes, strict: bool) -> None:
        message = words.type_of(kind)
        self.words = words
        self.strict = strict
        self.name = message.name if message is not None else kind.decode("latin-1")
        self.members: frozenset[int] | None = None  # None: of a message that nobody knows, any field
        if message is not None:
            sections = words.sections(kind)
            self.members = frozenset(message.members) | sections.header_tags | sections.trailer_tags
        self.groups = {**words.transport.header.groups, **(message.groups if message is not None else {})}
        self.status: Any = None

    def entry(self, fields: Fields, group: Group | None) -> dict[int, Any]:
        """The fields of the message, or of an entry of a group."""
        members = self.members if group is None else frozenset(group.members)
        groups = self.groups if group is None else group.groups
        if group is None:
            self.status = fields.get("OrdStatus")
        written: dict[int, Any] = {}
        for name, value in fields.items():
            field = self._field(name)
            if field is None or (members is not None and field.tag not in members):
                if self.strict or (field is not None and field.tag in OWNED):
                    raise self._misplaced(name, field, group)
                continue
            if field.tag in written:
                raise _wrong(name, f"{field.name} is given twice, as {name} too")
            written[field.tag] = self._value(name, field, value, groups.get(field.tag))
        return written

    def _field(self, name: Any) -> Field | None:
        """A field by its name in the version or in the newest one; None: the newest alone has it. Raises VerbError."""
        if not isinstance(name, str):
            raise _wrong(str(name), f"{name!r} is no name of a field: names are text")
        own = self.words.application.by_name.get(name) or self.words.transport.by_name.get(name)
        newest = _newest().by_name.get(name)
        if own is None and newest is not None:
            return self.words.application.fields.get(newest.tag) or self.words.transport.fields.get(newest.tag)
        if own is None and not self.strict and (name in messages_ouch.NAMES or is_fix_name(name)):
            return None
        return own or self.words.field(name)

    def _misplaced(self, name: str, field: Field | None, group: Group | None) -> VerbError:
        begin = self.words.application.begin
        if field is None:
            return _wrong(name, f"{begin} has no field {name}")
        where = self.name if group is None else f"an entry of {self.words.field(group.tag).name}"
        return _wrong(name, f"{name}({field.tag}) has no place in {where} of {begin}")

    def _value(self, name: str, field: Field, value: Any, group: Group | None) -> Any:
        if isinstance(value, list | tuple):
            if group is None:
                raise _wrong(name, f"{name}({field.tag}) counts no group here: it must be one value")
            return [self.entry(_mapping(name, entry), group) for entry in value]
        if field.tag == _REF_MSG_TYPE and isinstance(value, str) and value in _newest().message_named:
            value = _newest().message_named[value].kind
        data = _as_bytes(name, value)
        if field.tag == _EXEC_TYPE and value == _TRADE and field.values and b"F" not in field.values:
            data = _as_bytes("OrdStatus", "2" if self.status is None else self.status)
        return self._checked(name, field, data) if field.tag not in DATA_FIELDS else data

    def _checked(self, name: str, field: Field, data: bytes) -> bytes:
        """A value, if the field can have it; a meaning ("BUY") becomes its code."""
        if not field.values or field.open or data in field.values:
            if not _fits(field, data, self.words.application.begin):
                raise _wrong(
                    name, f"{name}({field.tag}) is {_shown(data)}, it must be {_WISHES.get(field.type, field.type)}"
                )
            return data
        for code, meaning in field.values.items():
            if meaning.encode() == data:
                return code
        if field.type.startswith("MULTIPLE") and field.values.keys() >= set(data.split(b" ")):
            return data
        codes = [f"{code.decode('latin-1')} ({meaning})" for code, meaning in field.values.items()]
        more = f" and {len(codes) - _CODES_SHOWN} more" if len(codes) > _CODES_SHOWN else ""
        raise _wrong(
            name, f"{name}({field.tag}) is {_shown(data)}, it must be one of {', '.join(codes[:_CODES_SHOWN])}{more}"
        )


_WISHES: Final = {
    "CHAR": "one character", "BOOLEAN": "Y or N", "UTCTIMESTAMP": "a UTC time, as 20260131-12:30:00.000",
    **dict.fromkeys(_DECIMALS | _QUANTITIES, "a decimal number, as 10.05"), **dict.fromkeys(_WHOLE, "a whole number"),
}  # fmt: skip
_LONG_CHARS: Final = ("FIX.4.0", "FIX.4.1")  # there, a char is any number of characters


def _fits(field: Field, data: bytes, begin: str) -> bool:
    if field.type == "CHAR" and begin in _LONG_CHARS:
        return bool(data)
    form = IS.get(field.type)
    return bool(data) and (form is None or re.fullmatch(form, data) is not None)


def _shown(data: bytes) -> str:
    return repr(data[:64].decode("latin-1"))


def _as_bytes(name: str, value: Any) -> bytes:
    """A single value as it goes out. Raises VerbError."""
    if (data := spelt(value)) is not None:
        return data
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        try:
            return value.encode("latin-1")
        except UnicodeEncodeError:
            raise _wrong(
                name, f"{name} is {value[:64]!r}: FIX has one byte a character, so nothing beyond latin-1"
            ) from None
    if isinstance(value, float):
        raise _wrong(name, f"{name} is {value!r}: a float is not exact; give decimal text, as '10.05'")
    raise _wrong(name, f"{name} is {value!r}, it must be text or a whole number")


def is_fix_name(name: str) -> bool:
    """Whether any version has a field of that name."""
    return name in _newest().by_name or any(name in load(version).by_name for version in SHIPPED)
