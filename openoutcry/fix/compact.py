"""The text form of dictionaries: what is shipped in dictionaries/, and what a user's XML is compiled to and cached as.

One line a field, component or message, so that a difference between two versions is a difference of lines:

    dictionary TAB name TAB BeginString
    (empty line) "fields", then         tag TAB name TAB type {TAB value=name}; a type ending in "+": other values too
    (empty line) "components", then     name TAB parts
    (empty line) "messages", then       header TAB parts, trailer TAB parts, MsgType TAB admin or app TAB name TAB parts

Parts are separated by blanks: ``55`` a field, ``55!`` a required one, ``@Instrument`` a component, ``( 453 448 447 )``
a group with its count first (``( 453! ...`` for a required one). In names and values, ``% = ! +``, tabs and line ends
are written as %hex, in components' names blanks too. Reading it is ten times faster than reading XML.

Invariant: ``read(write(d))`` says the same as `d`. The cache is never needed: what is broken, foreign or not writable
there is done without.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from openoutcry.fix.dictionary import TAG_MAX, Dictionary, DictionaryError, Field, Part, read_parts, unescape

FORMAT: Final = 1  # of the text; a cached file of another format is not looked at
SOURCE_MAX: Final = 32 * 2**20  # bytes of a user's file: twenty times the largest that is shipped
_ESCAPED: Final = re.compile("[%=!+\t\r\n]")


def write(d: Dictionary) -> str:
    """`d` as text."""
    lines = [f"dictionary\t{_escape(d.name)}\t{_escape(d.begin)}", "", "fields"]
    for field in sorted(d.fields.values()):
        values = [f"{_escape(value.decode('latin-1'))}={_escape(name)}" for value, name in field.values.items()]
        type_ = _escape(field.type) + ("+" if field.open else "")
        lines.append("\t".join((str(field.tag), _escape(field.name), type_, *values)))
    lines += ["", "components"]
    lines += [f"{_escape(name)}\t{_parts_text(d.component(name))}" for name in d.components]
    lines += ["", "messages", f"header\t{_parts_text(d.header.parts)}", f"trailer\t{_parts_text(d.trailer.parts)}"]
    for m in d.messages.values():
        who = "admin" if m.admin else "app"
        lines.append(f"{_escape(m.kind.decode('latin-1'))}\t{who}\t{_escape(m.name)}\t{_parts_text(m.parts)}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return _ESCAPED.sub(lambda found: f"%{ord(found.group()):02X}", text)


def _parts_text(parts: tuple[Part, ...]) -> str:
    words = []
    for part in parts:
        must = "!" if part.required else ""
        if part.tag == 0:
            words.append(f"@{_escape(part.name).replace(' ', '%20')}{must}")
        elif part.parts is None:
            words.append(f"{part.tag}{must}")
        else:
            words.append(f"( {part.tag}{must} {_parts_text(part.parts)} )".replace("  ", " "))
    return " ".join(words)


def read(text: str) -> Dictionary:
    """The dictionary in `text`. Raises DictionaryError."""
    try:
        head, fields, components, messages = text.rstrip("\n").split("\n\n")
        mark, name, begin = head.rsplit("\n", 1)[-1].split("\t")
        if (mark, fields[:6], components[:10], messages[:9]) != ("dictionary", "fields", "components", "messages\n"):
            raise DictionaryError("this is not a dictionary in the compact form")
        d = Dictionary(unescape(name), unescape(begin))
        _read_fields(d, fields.split("\n")[1:])
        for line in components.split("\n")[1:]:
            name, _, parts = line.partition("\t")
            d.components[unescape(name)] = parts
        _read_messages(d, messages.split("\n")[1:])
    except ValueError as error:
        raise DictionaryError(f"a broken dictionary in the compact form: {error}") from None
    return d


def _read_fields(d: Dictionary, lines: list[str]) -> None:
    by_tag, by_name = d.fields, d.by_name
    for line in lines:
        tag_text, name, type_, *given = line.split("\t")
        tag = int(tag_text)
        if not 0 < tag <= TAG_MAX:
            raise DictionaryError(f"field {name!r} has tag {tag}")
        values: dict[bytes, str] = {}
        if "%" in line:
            name = unescape(name)
        for each in given:
            value, _, meaning = each.partition("=")
            values[unescape(value).encode("latin-1")] = unescape(meaning)
        field = Field(tag, name, type_.removesuffix("+"), values, type_.endswith("+"))
        by_tag[tag] = by_name[name] = field


def _read_messages(d: Dictionary, lines: list[str]) -> None:
    d.header.extend(read_parts(lines[0].removeprefix("header\t")))
    d.trailer.extend(read_parts(lines[1].removeprefix("trailer\t")))
    for line in lines[2:]:
        kind, who, name, parts = line.split("\t")
        d.put_message(unescape(kind).encode("latin-1"), unescape(name), who == "admin", parts)


def shipped(name: str) -> Dictionary:
    """A dictionary that comes with the package."""
    return read((Path(__file__).parent / "dictionaries" / f"{name}.txt").read_text("utf-8"))


def load_file(path: Path) -> Dictionary:
    """A dictionary in QuickFIX XML or YAML; out of the cache when it was compiled before. Raises DictionaryError."""
    try:
        with path.open("rb") as file:
            data = file.read(SOURCE_MAX + 1)
    except OSError as error:
        raise DictionaryError(f"cannot read the dictionary {path}: {error.strerror}") from None
    if len(data) > SOURCE_MAX:
        raise DictionaryError(f"the dictionary {path} has more than {SOURCE_MAX} bytes")
    key = hashlib.sha256(data).hexdigest()
    d = _from_cache(key)
    if d is None:
        d = _compile(path, data)
        _to_cache(key, d)
    return d


def _compile(path: Path, data: bytes) -> Dictionary:
    # Imported here: an XML parser takes longer to import than a shipped dictionary to read.
    from openoutcry.fix.quickfix_xml import read_xml
    from openoutcry.fix.yaml_form import read_yaml

    read_it = read_yaml if path.suffix.lower() in (".yaml", ".yml") else read_xml
    try:
        return read_it(data, path.stem).check()
    except DictionaryError as error:
        raise DictionaryError(f"{path}: {error}") from None


def cache_directory() -> Path:
    """Where compiled dictionaries are kept."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "openoutcry" / "dictionaries"


def _from_cache(key: str) -> Dictionary | None:
    """What was compiled before: a line with the digest of the rest, then the text form."""
    try:
        digest, _, text = (cache_directory() / f"{key}.{FORMAT}").read_bytes().partition(b"\n")
        if digest.decode("ascii") != hashlib.sha256(text).hexdigest():
            return None
        return read(text.decode("utf-8"))
    except (OSError, ValueError, RuntimeError, DictionaryError):
        return None


def _to_cache(key: str, d: Dictionary) -> None:
    """Keep it; written beside and renamed, so that another process never reads half of it."""
    text = write(d).encode("utf-8")
    try:
        directory = cache_directory()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = directory / f".{key}.{os.getpid()}"
        beside.write_bytes(hashlib.sha256(text).hexdigest().encode("ascii") + b"\n" + text)
        beside.replace(directory / f"{key}.{FORMAT}")
    except (OSError, RuntimeError):
        pass
