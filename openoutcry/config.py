"""A TOML file that describes an exchange: settings of its processes, and verbs to carry out when it is up.

    [settings]                      fields of openoutcry.process.Settings
    [[load_engine]] [[load_protocol]]
                                    plugins: name and path (docs/plugins.md)
    [[engine]] [[book]] [[endpoint]] [[user]]
                                    arguments of create_engine, create_book ...; ``properties = {...}`` sets properties
    [[session]]                     a FIX session: its endpoint and its settings (openoutcry.config_sessions)
    [[do]]                          any other verb: verb = "open", engine = "main"

Carried out in this order: plugins, engines, books, endpoints, users, sessions, then [[do]] from top to bottom.

Invariant: carrying a file out again changes nothing that it says already. What exists with equal values is left
alone, what exists with other values is an error (nothing is ever deleted for a file); properties get the file's
values. A verb in [[do]] that is not possible in the present state (``open`` while open) is passed over.

The whole file is checked before anything is started or sent. Errors name the file, the entry and the field.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from openoutcry import config_sessions, parameters, verbs
from openoutcry.errors import ClusterError, VerbError

FILE_MAX: Final = 4_000_000  # bytes: some ten thousand books; a larger file is a mistake

Call = Callable[..., Any]
Say = Callable[[str], None]


class _Kind(NamedTuple):
    """One kind of entry: the verb that makes it, its kind in ``list``, and how its properties are set."""

    create: str
    listed: str
    set_property: str
    owner: str
    properties: dict[str, parameters.Parameter]


KINDS: Final = {
    "load_engine": _Kind("load_engine", "engine_kinds", "", "", {}),
    "load_protocol": _Kind("load_protocol", "protocols", "", "", {}),
    "engine": _Kind("create_engine", "engines", "set_engine_property", "engine", verbs.ENGINE_PROPERTIES),
    "book": _Kind("create_book", "books", "set_book_property", "book", verbs.BOOK_PROPERTIES),
    "endpoint": _Kind("create_endpoint", "endpoints", "set_protocol_property", "endpoint", verbs.ENDPOINT_PROPERTIES),
    "user": _Kind("create_user", "users", "", "", {}),
}
SESSION: Final = "session"
TABLES: Final = (*KINDS, SESSION, "do")  # in the order in which they are carried out
_FORBIDDEN: Final = "verbs that only look have no place in a file"


@dataclass(frozen=True)
class Entry:
    """One entry of a file. where: for people, ``exchange.toml, [[book]] 2 (aapl)``. kind: one of TABLES."""

    where: str
    kind: str
    verb: str
    arguments: dict[str, Any]
    properties: dict[str, Any]


@dataclass(frozen=True)
class Config:
    """A checked file."""

    path: Path
    settings: dict[str, Any]
    entries: tuple[Entry, ...]


# ------------------------------------------------------------------------------------------------- reading
def load(path: str | Path) -> Config:
    """Read and check a file. Raises ClusterError or VerbError, which say where the mistake is."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX + 1)
        if len(data) > FILE_MAX:
            raise ClusterError(f"{path} has more than {FILE_MAX} bytes")
        content = tomllib.loads(data.decode())
    except OSError as error:
        raise ClusterError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # tomllib.TOMLDecodeError, UnicodeDecodeError
        raise ClusterError(f"{path} is not TOML: {error}") from None
    return check(content, path)


def check(content: dict[str, Any], path: Path) -> Config:
    """Check the parsed content of a file."""
    unknown = sorted(set(content) - {"settings", *TABLES})
    if unknown:
        raise ClusterError(f"{path}: unknown table {unknown[0]!r}; there are: settings, {', '.join(TABLES)}")
    settings = content.get("settings", {})
    if not isinstance(settings, dict):
        raise ClusterError(f"{path}: settings is a table: [settings]")
    _check_settings(settings, path)
    entries = [_entry(kind, row, where, path) for kind, row, where in _rows(content, path)]
    return Config(path, settings, tuple(entries))


def _check_settings(settings: dict[str, Any], path: Path) -> None:
    from openoutcry.process import Settings

    try:
        Settings.load({}, settings)
    except ClusterError as error:
        raise ClusterError(f"{path}, [settings]: {error}") from None


def _rows(content: dict[str, Any], path: Path) -> Iterator[tuple[str, dict[str, Any], str]]:
    for kind in TABLES:
        rows = content.get(kind, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ClusterError(f"{path}: {kind} is written [[{kind}]], once for each")
        for number, row in enumerate(rows, 1):
            label = config_sessions.label(row) if kind == SESSION else row.get("name", row.get("verb", ""))
            named = f" ({label})" if isinstance(label, str) and label else ""
            yield kind, row, f"{path}, [[{kind}]] {number}{named}"


def _entry(kind: str, row: dict[str, Any], where: str, path: Path) -> Entry:
    values = dict(row)
    try:
        if kind == SESSION:
            properties = values.pop("properties", {})
            config_sessions.check(values, properties)
            return Entry(where, kind, config_sessions.CREATE, values, properties)
        verb = KINDS[kind].create if kind in KINDS else _verb(values)
        properties = values.pop("properties", {}) if kind in KINDS else {}
        arguments = _secrets(verb, values, path)
        verbs.check(verb, (), arguments)
        return Entry(where, kind, verb, arguments, _properties(kind, properties))
    except VerbError as error:
        raise _placed(where, error) from None


def _placed(where: str, error: VerbError) -> VerbError:
    return VerbError(error.code, error.field, f"{where}: {error.text}")


def _verb(values: dict[str, Any]) -> str:
    verb = values.pop("verb", None)
    if not isinstance(verb, str):
        raise VerbError("bad_argument", "verb", 'an entry of [[do]] says which verb: verb = "open"')
    row = verbs.VERBS.get(verb)
    if row is not None and not row.journaled:
        raise VerbError("bad_argument", "verb", f"{verb}: {_FORBIDDEN}")
    return verb


def _secrets(verb: str, values: dict[str, Any], path: Path) -> dict[str, Any]:
    """The arguments with ``password_file`` replaced by what is in that file (its first line)."""
    for p in verbs.VERBS[verb].parameters if verb in verbs.VERBS else ():
        name = values.pop(f"{p.name}_file", None) if p.type == "secret" else None
        if name is None:
            continue
        if p.name in values or not isinstance(name, str):
            raise VerbError("bad_argument", f"{p.name}_file", f"give {p.name}, or {p.name}_file with a file's name")
        try:
            values[p.name] = (path.parent / name).read_text().partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise VerbError("bad_argument", f"{p.name}_file", f"cannot read {name!r}: {why}") from None
    return values


def _properties(kind: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise VerbError("bad_argument", "properties", 'properties is a table: properties = {tick_size = "0.01"}')
    if given and not KINDS[kind].set_property:
        raise VerbError("bad_argument", "properties", f"a {kind} has no properties")
    for name, value in given.items():
        try:
            parameters.set_property(KINDS[kind].properties, kind, name, value)
        except VerbError as error:
            raise VerbError(error.code, name, error.text) from None
    return given


# ------------------------------------------------------------------------------------------------- carrying out
def apply(config: Config, call: Call, say: Say = lambda _: None) -> None:
    """Carry out a file's verbs. call: as ControlClient.call. say: is told what was done, entry by entry.

    Raises VerbError (named entry and field), or what `call` raises when nobody answers.
    """
    found = {kind: _listed(call, kind) for kind in KINDS if any(e.kind == kind for e in config.entries)}
    for entry in config.entries:
        try:
            if entry.kind == "do":
                _do(entry, call, say)
            elif entry.kind == SESSION:
                config_sessions.make(entry.arguments, entry.properties, call, say)
            else:
                _make(entry, found[entry.kind], call, say)
        except VerbError as error:
            raise _placed(entry.where, error) from None


def _listed(call: Call, kind: str) -> dict[str, dict[str, Any]]:
    rows = call("list", KINDS[kind].listed)
    return {_key(kind, row["name"]): row for row in rows}


def _key(kind: str, name: str) -> str:
    return name.strip().upper() if kind == "user" else name  # user names: letters of either case alike


def _make(entry: Entry, found: dict[str, dict[str, Any]], call: Call, say: Say) -> None:
    name = entry.arguments["name"]
    row = found.get(_key(entry.kind, name))
    if row is None:
        call(entry.verb, **entry.arguments)
        say(f"{entry.kind} {name}: created")
    else:
        _compare(entry, row)
        say(f"{entry.kind} {name}: exists")
    _set(entry, name, (row or {}).get("properties") or {}, call, say)


def _compare(entry: Entry, row: dict[str, Any]) -> None:
    """Raise VerbError when what exists is not what the file says. Passwords and port 0 cannot be compared."""
    for p in verbs.VERBS[entry.verb].parameters:
        said = entry.arguments.get(p.name)
        if (
            p.name not in row
            or p.name == "name"
            or p.type == "secret"
            or said is None
            or (p.name == "port" and not said)
        ):
            continue
        if row[p.name] != parameters.convert(p, said, entry.verb):
            text = f"{p.name} is {row[p.name]!r} in the exchange and {said!r} in the file"
            raise VerbError("exists", p.name, text + "; delete what exists, or change the file")


def _set(entry: Entry, name: str, present: Any, call: Call, say: Say) -> None:
    kind = KINDS[entry.kind]
    held = dict(present)
    for key, value in entry.properties.items():
        wanted = parameters.set_property(kind.properties, entry.kind, key, value)
        if held.get(key, kind.properties[key].default) in (wanted, value):
            continue  # what is not shown has its default
        try:
            call(kind.set_property, **{kind.owner: name, "name": key, "value": value})
        except VerbError as error:
            raise VerbError(error.code, key, error.text) from None
        say(f"{entry.kind} {name}: {key} = {value}")


def _do(entry: Entry, call: Call, say: Say) -> None:
    shown = " ".join([entry.verb, *(str(v) for k, v in entry.arguments.items() if k != "password")])
    try:
        call(entry.verb, **entry.arguments)
        say(f"{shown}: done")
    except VerbError as error:
        if error.code not in ("exists", "wrong_state"):
            raise
        say(f"{shown}: passed over, {error.text}")
