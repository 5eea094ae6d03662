"""FIX dictionaries: which fields, enumerations, messages, components and groups a version has, by tag and by name.

    load("FIX44") -> Dictionary          one of SHIPPED, or a path to QuickFIX XML or jetblack's YAML; DictionaryError
    d.fields[54], d.by_name["Side"]      Field(tag, name, type, values)
    d.messages[b"D"], d.message_named["NewOrderSingle"], d.header, d.trailer     MessageType
    message.members, message.groups      tag -> required, in order; tag of the count -> Group
    d.add_field(...), d.add_message(...), d.extend_message(...)      custom ones, on a d.copy()

Invariant: what a Dictionary says is what the reference engine reads out of the same file. That shows in what is
*required*: a component's required fields are so where the component is; a group's where the group is; fields that reach
a group through a component never are. Components are expanded when a message is first looked at, so that loading costs
little more than reading the fields.

Next: ``compact`` (the text form that is shipped and cached), ``quickfix_xml``, ``yaml_form``, ``validate``.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from openoutcry.errors import OpenOutcryError

SHIPPED: Final = ("FIX40", "FIX41", "FIX42", "FIX43", "FIX44", "FIX50", "FIX50SP1", "FIX50SP2", "FIXT11")
TAG_MAX: Final = 2**31 - 1
NESTING_MAX: Final = 32  # components and groups within each other
USER_DEFINED: Final = 5_000  # tags from here on are users' own
_MSG_TYPE: Final = 35
_UNESCAPED: Final = re.compile("%([0-9A-F]{2})")


class DictionaryError(OpenOutcryError):
    """A dictionary cannot be read, or contradicts itself; the text says where."""


class Field(NamedTuple):
    """A field's definition. type: in upper case. values: enumeration, value -> its name; {}: any value of the type.

    open: other values than these are allowed too.
    """

    tag: int
    name: str
    type: str
    values: dict[bytes, str]
    open: bool = False


class Part(NamedTuple):
    """What a message, component or group is made of, as the file says it: a field, a group or a component.

    field: tag; group: the tag of its count, and its `parts`; component: tag 0 and its name.
    """

    tag: int
    required: bool
    name: str = ""
    parts: tuple[Part, ...] | None = None


Parts = tuple[Part, ...] | str  # a text is read (`read_parts`) when it is first needed


class Group:
    """A repeating group: its count's tag, the tag that begins each entry, its members (tag -> required, in order).

    required: the tags of those that are, ascending.
    """

    __slots__ = ("first", "groups", "members", "required", "tag")

    def __init__(self, tag: int, members: dict[int, bool], groups: dict[int, Group]) -> None:
        self.tag = tag
        self.first = next(iter(members), 0)
        self.members = members
        self.groups = groups
        self.required = _required(members)


def _required(members: dict[int, bool]) -> tuple[int, ...]:
    return tuple(sorted(tag for tag, required in members.items() if required))


class MessageType:
    """One kind of message, or the header or trailer (kind b""): what may be in it."""

    __slots__ = ("_groups", "_members", "_parts", "_required", "admin", "dictionary", "kind", "name")

    def __init__(self, dictionary: Dictionary, kind: bytes, name: str, admin: bool, parts: Parts) -> None:
        self.dictionary = dictionary
        self.kind = kind
        self.name = name
        self.admin = admin
        self._parts = parts
        self._members: dict[int, bool] | None = None
        self._groups: dict[int, Group] = {}
        self._required: tuple[int, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """What it is made of, as its file says it."""
        if isinstance(self._parts, str):
            self._parts = read_parts(self._parts)
        return self._parts

    @property
    def members(self) -> dict[int, bool]:
        """The tags of the fields, those of groups' counts too but not what is in groups -> whether it must be there."""
        members = self._members
        if members is None:
            members, self._groups = {}, {}
            _expand(self.dictionary, self.parts, True, False, members, self._groups, 0)
            self._members = members
            self._required = _required(members)
        return members

    @property
    def required(self) -> tuple[int, ...]:
        """The tags of the fields that must be there, ascending."""
        _ = self.members
        return self._required

    @property
    def groups(self) -> dict[int, Group]:
        """The groups, by the tag of their count."""
        _ = self.members
        return self._groups

    def extend(self, parts: Iterable[Part]) -> None:
        """Add fields, groups or components."""
        self._parts = (*self.parts, *parts)
        self._members = None


class Dictionary:
    """A version's fields and messages. begin: "FIX.4.2", "FIXT.1.1", "FIX.5.0SP2"."""

    __slots__ = ("begin", "by_name", "components", "fields", "header", "message_named", "messages", "name", "trailer")

    def __init__(self, name: str, begin: str) -> None:
        self.name = name
        self.begin = begin
        self.fields: dict[int, Field] = {}
        self.by_name: dict[str, Field] = {}
        self.components: dict[str, Parts] = {}
        self.messages: dict[bytes, MessageType] = {}
        self.message_named: dict[str, MessageType] = {}
        self.header = MessageType(self, b"", "header", True, ())
        self.trailer = MessageType(self, b"", "trailer", True, ())

    def __repr__(self) -> str:
        return f"<Dictionary {self.name} ({self.begin}): {len(self.messages)} messages, {len(self.fields)} fields>"

    def copy(self) -> Dictionary:
        """A dictionary of its own, to which custom fields and messages can be added: loaded ones are shared."""
        copy = Dictionary(self.name, self.begin)
        copy.fields.update(self.fields)
        copy.by_name.update(self.by_name)
        copy.components.update(self.components)
        copy.header.extend(self.header.parts)
        copy.trailer.extend(self.trailer.parts)
        for message in self.messages.values():
            copy.put_message(message.kind, message.name, message.admin, message.parts)
        return copy

    def component(self, name: str) -> tuple[Part, ...]:
        """What a component is made of. Raises DictionaryError."""
        parts = self.components.get(name)
        if isinstance(parts, str):
            parts = self.components[name] = read_parts(parts)
        if parts is None:
            raise DictionaryError(f"there is no component {name!r}")
        return parts

    def put_message(self, kind: bytes, name: str, admin: bool, parts: Parts) -> None:
        """Define a message out of parts; a later definition of the same MsgType replaces the earlier one."""
        self.messages[kind] = self.message_named[name] = MessageType(self, kind, name, admin, parts)

    def add_field(
        self, tag: int, name: str, type: str = "STRING", values: Mapping[bytes, str] | None = None, open: bool = False
    ) -> Field:
        """A custom field; the field that had the tag or the name before is replaced. Raises DictionaryError."""
        if not 0 < tag <= TAG_MAX:
            raise DictionaryError(f"{self.name}: field {name!r} has tag {tag}, it must be from 1 to {TAG_MAX}")
        before = self.by_name.get(name)
        if before is not None and before.tag != tag:
            self.fields.pop(before.tag, None)
        field = Field(tag, name, type.upper(), dict(values or {}), open)
        self.fields[tag] = self.by_name[name] = field
        return field

    def add_message(self, kind: bytes, name: str, fields: Mapping[str | int, bool], admin: bool = False) -> MessageType:
        """A custom message of `fields`: names or tags -> whether it must be there. Raises DictionaryError.

        Its kind becomes a value of MsgType(35), where that has an enumeration.
        """
        parts = self._parts(name, fields)
        types = self.fields.get(_MSG_TYPE)
        if types is not None and types.values:
            self.add_field(_MSG_TYPE, types.name, types.type, {**types.values, kind: name}, types.open)
        self.put_message(kind, name, admin, parts)
        return self.messages[kind]

    def extend_message(self, message: bytes | str, fields: Mapping[str | int, bool]) -> MessageType:
        """Add fields to a message, given by its MsgType (bytes) or name. Raises DictionaryError."""
        found = self.messages.get(message) if isinstance(message, bytes) else self.message_named.get(message)
        if found is None:
            raise DictionaryError(f"{self.name} has no message {message!r}")
        found.extend(self._parts(found.name, fields))
        return found

    def _parts(self, message: str, fields: Mapping[str | int, bool]) -> tuple[Part, ...]:
        parts = []
        for key, required in fields.items():
            field = self.fields.get(key) if isinstance(key, int) else self.by_name.get(key)
            if field is None:
                raise DictionaryError(f"{self.name}: message {message} has the field {key!r}, which is not defined")
            parts.append(Part(field.tag, required))
        return tuple(parts)

    def check(self) -> Dictionary:
        """Itself, after everything has been expanded once, so that what is wrong is found. Raises DictionaryError."""
        for message in (self.header, self.trailer, *self.messages.values()):
            try:
                unknown = [tag for tag in _tags(message.members, message.groups) if tag not in self.fields]
            except DictionaryError as error:
                raise DictionaryError(f"{self.name}, message {message.name}: {error}") from None
            if unknown:
                raise DictionaryError(f"{self.name}: message {message.name} has tag {unknown[0]}, which is not defined")
        return self


def _tags(members: dict[int, bool], groups: dict[int, Group]) -> list[int]:
    tags = list(members)
    for group in groups.values():
        tags += _tags(group.members, group.groups)
    return tags


def _expand(
    d: Dictionary,
    parts: tuple[Part, ...],
    required: bool,
    loose: bool,
    members: dict[int, bool],
    groups: dict[int, Group],
    depth: int,
) -> None:
    """Put the fields and groups of `parts` into `members` and `groups`.

    required: the component or group that they are in is. loose: they come to a group through a component.
    """
    if depth > NESTING_MAX:
        raise DictionaryError(f"components and groups more than {NESTING_MAX} deep, or one that is in itself")
    for part in parts:
        must = part.required and required
        if part.tag == 0:
            # A component in a component: only its own word counts, as in the reference engine.
            inner = d.component(part.name)
            _expand(d, inner, part.required and not loose, loose, members, groups, depth + 1)
            continue
        members[part.tag] = must or members.get(part.tag, False)
        if part.parts is not None:
            inside: dict[int, bool] = {}
            nested: dict[int, Group] = {}
            _expand_group(d, part.parts, must, inside, nested, depth + 1)
            groups[part.tag] = Group(part.tag, inside, nested)


def _expand_group(
    d: Dictionary,
    parts: tuple[Part, ...],
    required: bool,
    members: dict[int, bool],
    groups: dict[int, Group],
    depth: int,
) -> None:
    for part in parts:
        if part.tag == 0:
            _expand(d, (part,), False, True, members, groups, depth)
        else:
            _expand(d, (part,), required, False, members, groups, depth)


def read_parts(text: str) -> tuple[Part, ...]:
    """Parts as they are written in the compact form (``compact``). Raises DictionaryError."""
    words = text.split(" ") if text else []
    try:
        parts, at = _read_words(words, 0, 0)
    except ValueError as error:
        raise DictionaryError(f"{error} in {text[:80]!r}") from None
    if at != len(words):
        raise DictionaryError(f"a parenthesis too many in {text[:80]!r}")
    return tuple(parts)


def _read_words(words: list[str], at: int, depth: int) -> tuple[list[Part], int]:
    """The parts from word `at` on to the end or the closing parenthesis, whose place is returned too."""
    if depth > NESTING_MAX:
        raise DictionaryError(f"groups more than {NESTING_MAX} deep")
    parts: list[Part] = []
    while at < len(words) and words[at] != ")":
        word = words[at].removesuffix("!")
        must = word != words[at]
        if word == "(":
            (count, *inner), at = _read_words(words, at + 1, depth + 1)
            parts.append(Part(count.tag, count.required, "", tuple(inner)))
        elif word.startswith("@"):
            parts.append(Part(0, must, unescape(word[1:])))
        else:
            parts.append(Part(int(word), must))
        at += 1
    return parts, at


def unescape(text: str) -> str:
    """A name or value out of the compact form."""
    return _UNESCAPED.sub(lambda found: chr(int(found.group(1), 16)), text) if "%" in text else text


_shipped: Final[dict[str, Dictionary]] = {}
_files: Final[dict[Path, tuple[tuple[int, int], Dictionary]]] = {}  # path: when it was changed, its size; what it says
_FILES_MAX: Final = 256  # dictionaries of users that are kept


def load(source: str | Path) -> Dictionary:
    """The dictionary that `source` names; loaded once, and shared: add custom fields to a ``copy()``.

    source: one of SHIPPED, also as "FIX42.xml" when there is no such file; or a path to QuickFIX XML or to YAML.
    Raises DictionaryError.
    """
    from openoutcry.fix import compact  # which needs this module

    path = Path(source)
    try:
        about = path.stat()
    except (OSError, ValueError):
        about = None
    if about is None or not stat.S_ISREG(about.st_mode):
        return _load_shipped(path)
    version = (about.st_mtime_ns, about.st_size)
    known = _files.get(path)
    if known is None or known[0] != version:
        if len(_files) >= _FILES_MAX:
            _files.clear()
        known = _files[path] = (version, compact.load_file(path))
    return known[1]


def _load_shipped(path: Path) -> Dictionary:
    name = path.name.removesuffix(".xml").upper()
    if name not in SHIPPED:
        raise DictionaryError(
            f"there is no dictionary {str(path)!r}: no such file, and not one of {', '.join(SHIPPED)}"
        )
    known = _shipped.get(name)
    if known is None:
        from openoutcry.fix import compact

        known = _shipped[name] = compact.shipped(name)
    return known
