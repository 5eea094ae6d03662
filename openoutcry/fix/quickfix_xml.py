"""Dictionaries as QuickFIX XML, the form that users of FIX engines have: reading and writing.

Read are ``header``, ``trailer``, ``messages``, ``components`` and ``fields``, with what the engines of that family
have in common and QuickFIX/J's ``allowOtherValues``. Names are resolved to tags here, so a name that is not defined is
found.

Invariant: a document type, and so an entity, is refused: a few lines of them can grow to gigabytes.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Final
from xml.sax.saxutils import quoteattr

from openoutcry.fix.dictionary import NESTING_MAX, Dictionary, DictionaryError, Part

_YES: Final = ("Y", "y")


def read_xml(data: bytes, name: str = "") -> Dictionary:
    """The dictionary in a QuickFIX XML document; `name` is what it is to be called. Raises DictionaryError."""
    root = _parse(data)
    if root.tag != "fix":
        raise DictionaryError(f"the outermost element is <{root.tag[:40]}>, it must be <fix>")
    d = Dictionary(name, _begin(root))
    for element in root.iterfind("fields/field"):
        _read_field(d, element)
    for element in root.iterfind("components/component"):
        d.components[_get(element, "name")] = _parts(d, element, 0)
    for element in root.iterfind("messages/message"):
        kind = _get(element, "msgtype").encode("utf-8")
        admin = element.get("msgcat", "app") == "admin"
        d.put_message(kind, _get(element, "name"), admin, _parts(d, element, 0))
    for section in (d.header, d.trailer):
        for element in root.iterfind(section.name):
            section.extend(_parts(d, element, 0))
    return d


def _parse(data: bytes) -> ElementTree.Element:
    # Only what is before the root element can declare entities; the parser itself expands them without a bound.
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DictionaryError("a document type is not allowed, and it must be UTF-8")
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DictionaryError(f"this is not XML: {error}") from None


def _begin(root: ElementTree.Element) -> str:
    major, minor = _get(root, "major"), _get(root, "minor")
    pack = root.get("servicepack", "0")
    return f"{root.get('type', 'FIX')}.{major}.{minor}" + ("" if pack in ("0", "") else f"SP{pack}")


def _get(element: ElementTree.Element, name: str) -> str:
    value = element.get(name)
    if not value:
        raise DictionaryError(f"<{element.tag} {element.attrib}> has no {name!r}")
    return value


def _read_field(d: Dictionary, element: ElementTree.Element) -> None:
    number, name = _get(element, "number"), _get(element, "name")
    if not number.isascii() or not number.isdigit() or len(number) > 10:
        raise DictionaryError(f"field {name!r} has the number {number[:40]!r}")
    values = {}
    for each in element.iter("value"):
        values[_get(each, "enum").encode("utf-8")] = each.get("description", "")
    d.add_field(int(number), name, _get(element, "type"), values, element.get("allowOtherValues", "") in ("true", "Y"))


def _parts(d: Dictionary, element: ElementTree.Element, depth: int) -> tuple[Part, ...]:
    if depth > NESTING_MAX:
        raise DictionaryError(f"groups more than {NESTING_MAX} deep")
    parts = []
    for each in element:
        required = each.get("required", "N") in _YES
        if each.tag == "component":
            parts.append(Part(0, required, _get(each, "name")))
        elif each.tag == "field":
            parts.append(Part(_tag(d, each), required))
        elif each.tag == "group":
            parts.append(Part(_tag(d, each), required, "", _parts(d, each, depth + 1)))
    return tuple(parts)


def _tag(d: Dictionary, element: ElementTree.Element) -> int:
    name = _get(element, "name")
    field = d.by_name.get(name)
    if field is None:
        raise DictionaryError(f"the field {name!r} is used but not defined")
    return field.tag


def write_xml(d: Dictionary) -> str:
    """`d` as QuickFIX XML, for other engines."""
    kind, major, minor = d.begin.split(".")
    minor, _, pack = minor.partition("SP")
    lines = [f"<fix type={quoteattr(kind)} major='{major}' minor='{minor}' servicepack='{pack or 0}'>", " <header>"]
    _write_parts(d, d.header.parts, 2, lines)
    lines += [" </header>", " <messages>"]
    for m in d.messages.values():
        who = "admin" if m.admin else "app"
        kind = quoteattr(m.kind.decode("utf-8"))
        lines.append(f"  <message name={quoteattr(m.name)} msgtype={kind} msgcat='{who}'>")
        _write_parts(d, m.parts, 3, lines)
        lines.append("  </message>")
    lines += [" </messages>", " <trailer>"]
    _write_parts(d, d.trailer.parts, 2, lines)
    lines += [" </trailer>", " <components>"]
    for name in d.components:
        lines.append(f"  <component name={quoteattr(name)}>")
        _write_parts(d, d.component(name), 3, lines)
        lines.append("  </component>")
    lines += [" </components>", " <fields>"]
    for field in d.fields.values():
        more = " allowOtherValues='true'" if field.open else ""
        lines.append(f"  <field number='{field.tag}' name={quoteattr(field.name)} type={quoteattr(field.type)}{more}>")
        for value, meaning in field.values.items():
            lines.append(f"   <value enum={quoteattr(value.decode('utf-8'))} description={quoteattr(meaning)} />")
        lines.append("  </field>")
    return "\n".join([*lines, " </fields>", "</fix>"]) + "\n"


def _write_parts(d: Dictionary, parts: tuple[Part, ...], indent: int, lines: list[str]) -> None:
    pad = " " * indent
    for part in parts:
        must = "Y" if part.required else "N"
        if part.tag == 0:
            lines.append(f"{pad}<component name={quoteattr(part.name)} required='{must}' />")
            continue
        name = quoteattr(d.fields[part.tag].name)
        if part.parts is None:
            lines.append(f"{pad}<field name={name} required='{must}' />")
        else:
            lines.append(f"{pad}<group name={name} required='{must}'>")
            _write_parts(d, part.parts, indent + 1, lines)
            lines.append(f"{pad}</group>")
