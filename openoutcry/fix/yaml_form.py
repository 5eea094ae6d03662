"""Dictionaries as YAML, in the form of jetblack-fixparser: reading.

    version: {major: '4', minor: '4', servicepack: '0'}
    beginString: FIX.4.4
    fields:     {Side: {number: 54, type: CHAR, values: {1: BUY, 2: SELL}}, ...}
    components: {Instrument: {Symbol: {type: field, required: true}, ...}, ...}       or nothing
    messages:   {Logon: {msgtype: A, msgcat: admin, fields: {EncryptMethod: {type: field, required: true}, ...}}, ...}
    header:, trailer:     members, as in a component: of type field (unless said), component, or group with its `fields`

PyYAML reads it (the extra ``yaml``), every scalar as text: so ``NO`` stays the text NO.

Invariant: an alias is refused: a few lines of them can grow to gigabytes.
"""

from __future__ import annotations

from typing import Any, Final

from openoutcry.fix.dictionary import NESTING_MAX, Dictionary, DictionaryError, Part

_YES: Final = ("true", "yes", "y")


def read_yaml(data: bytes, name: str = "") -> Dictionary:
    """The dictionary in a YAML document; `name` is what it is to be called. Raises DictionaryError."""
    root = _mapping(_load(data), "the document")
    d = Dictionary(name, _text(root, "beginString", "the document"))
    for field, about in _items(root, "fields"):
        _read_field(d, field, about)
    for component, members in _items(root, "components"):
        d.components[component] = _parts(d, component, members, 0)
    for message, about in _items(root, "messages"):
        kind = _text(about, "msgtype", message).encode("utf-8")
        admin = about.get("msgcat", "app") == "admin"
        d.put_message(kind, message, admin, _parts(d, message, about.get("fields"), 0))
    for section in (d.header, d.trailer):
        section.extend(_parts(d, section.name, root.get(section.name), 0))
    return d


def _load(data: bytes) -> Any:
    try:
        import yaml
    except ImportError:
        raise DictionaryError("PyYAML is needed to read YAML: pip install 'openoutcry[yaml]'") from None
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(data, Loader=loader)):
            raise DictionaryError("aliases are not allowed")
        return yaml.load(data, Loader=loader)  # the base loaders make text, lists and dicts only
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise DictionaryError(f"this is not YAML: {error}") from None


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if value is None or value in ("", "null", "~"):  # nothing: the base loaders make text of it
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise DictionaryError(f"{where}: names with what they mean are expected")
    return value


def _items(root: dict[str, Any], section: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, _mapping(about, f"{section}: {name}")) for name, about in _mapping(root.get(section), section).items()
    ]


def _text(about: dict[str, Any], key: str, where: str) -> str:
    value = about.get(key)
    if not isinstance(value, str) or not value:
        raise DictionaryError(f"{where} has no {key!r}")
    return value


def _read_field(d: Dictionary, name: str, about: dict[str, Any]) -> None:
    number = _text(about, "number", name)
    if not number.isascii() or not number.isdigit() or len(number) > 10:
        raise DictionaryError(f"field {name!r} has the number {number[:40]!r}")
    values = _mapping(about.get("values"), f"values of {name}")
    d.add_field(int(number), name, _text(about, "type", name), {k.encode("utf-8"): str(v) for k, v in values.items()})


def _parts(d: Dictionary, where: str, members: Any, depth: int) -> tuple[Part, ...]:
    if depth > NESTING_MAX:
        raise DictionaryError(f"{where}: groups more than {NESTING_MAX} deep")
    parts = []
    for name, given in _mapping(members, where).items():
        about = _mapping(given, f"{where}: {name}")
        required = str(about.get("required", "")).lower() in _YES
        kind = about.get("type", "field")
        if kind == "component":
            parts.append(Part(0, required, name))
        elif kind in ("field", "group") and name in d.by_name:
            inner = _parts(d, f"{where}: {name}", about.get("fields"), depth + 1) if kind == "group" else None
            parts.append(Part(d.by_name[name].tag, required, "", inner))
        else:
            raise DictionaryError(f"{where}: {name} of type {kind!r} is not defined")
    return tuple(parts)
