"""A message for people: one line a field with its tag, name, value and what that means; groups are indented.

    8  BeginString           FIX.4.4
   54  Side                  1  BUY
  453  NoPartyIDs            1
       - 448    PartyID               ME
         447    PartyIDSource         D  PROPRIETARY

Invariant: nothing is left out and nothing is judged: a field that the dictionary does not know has no name, one that
ends a group early simply ends it. Bytes that are not printable are written as \\xNN.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from openoutcry.fix.dictionary import Dictionary, Field, Group
from openoutcry.fix.message import MSG_TYPE, Message

_INDENT: Final = 7  # columns, each level
_TAG_WIDTH: Final = 5
_NAME_WIDTH: Final = 20
_UNKNOWN: Final = "?"


class _Line(NamedTuple):
    depth: int
    begins_entry: bool
    tag: int
    value: bytes


def describe(message: Message, dictionary: Dictionary, transport: Dictionary | None = None) -> str:
    """All fields of a message, in wire order. FIXT: `transport` knows those of the header and of session messages."""
    dictionaries = [dictionary] if transport is None else [dictionary, transport]
    groups: dict[int, Group] = {}
    for each in dictionaries:
        kind = each.messages.get(message.kind)
        groups |= each.header.groups | each.trailer.groups | ({} if kind is None else kind.groups)
    return "\n".join(_text(line, dictionaries) for line in _lines(message, groups))


def _lines(message: Message, groups: dict[int, Group]) -> list[_Line]:
    """The fields, and how deep in groups each is."""
    lines: list[_Line] = []
    inside: list[Group] = []
    for tag, value in message.pairs():
        while inside and tag not in inside[-1].members:
            inside.pop()
        begins = bool(inside) and tag == inside[-1].first
        lines.append(_Line(len(inside), begins, tag, value))
        opened = (inside[-1].groups if inside else groups).get(tag)
        if opened is not None:
            inside.append(opened)
    return lines


def _text(line: _Line, dictionaries: list[Dictionary]) -> str:
    field = _field(line.tag, dictionaries)
    name = _UNKNOWN if field is None else field.name
    mark = "- " if line.begins_entry else "  "
    tag = f"{mark}{line.tag:<{_TAG_WIDTH}}" if line.depth else f"{line.tag:>{_TAG_WIDTH}}"
    start = " " * (_INDENT * line.depth) + tag + "  "
    if not line.value:
        return start + name
    meaning = _meaning(line, field, dictionaries)
    return f"{start}{name:<{_NAME_WIDTH}}  {printable(line.value)}{meaning and '  ' + meaning}"


def _field(tag: int, dictionaries: list[Dictionary]) -> Field | None:
    return next((found for each in dictionaries if (found := each.fields.get(tag)) is not None), None)


def _meaning(line: _Line, field: Field | None, dictionaries: list[Dictionary]) -> str:
    """The name of a MsgType, the description of an enumerated value (of each, where there may be several)."""
    if line.tag == MSG_TYPE:
        return next((each.messages[line.value].name for each in dictionaries if line.value in each.messages), "")
    values = {} if field is None else field.values
    if line.value in values:
        return values[line.value]
    several = line.value.split(b" ")
    return ", ".join(values[one] for one in several) if all(one in values for one in several) else ""


def printable(value: bytes) -> str:
    """Text of bytes that may be anything."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in value)
