"""Scenarios in files: TOML and JSON of one shape, told apart by the name's ending.

    scenario = load("cross.toml")
    save(scenario, "cross.json")

Invariant: ``load`` after ``save`` gives the same scenario, in either form. A file of The OUCH Project (an object with
"actions") is read as well (openoutcry.scenarios.actions).
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from openoutcry.scenarios import actions
from openoutcry.scenarios.model import Scenario, ScenarioError, from_data, to_data

FILE_BYTES_MAX: Final = 256_000_000  # of a file; STEPS_MAX steps with their events have less
ENDINGS: Final = (".toml", ".json")
_BARE: Final = re.compile("[A-Za-z0-9_-]+")


def load(path: str | os.PathLike[str]) -> Scenario:
    """Read and check a file. Raises ScenarioError, which begins with its name."""
    try:
        return parse(_read(Path(path)), Path(path).suffix == ".toml")
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from None
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}") from None
    except RecursionError:
        raise ScenarioError(f"{path}: its tables and lists are nested too deeply") from None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise ScenarioError(f"more than {FILE_BYTES_MAX} bytes")
    return data


def parse(data: bytes, toml: bool) -> Scenario:
    """A scenario out of a file's bytes. Raises ScenarioError."""
    try:
        text = data.decode("utf-8-sig")
        found = tomllib.loads(text, parse_float=Decimal) if toml else json.loads(
            text, parse_float=Decimal, parse_constant=_no_constant
        )  # fmt: skip
    except ValueError as error:  # of both parsers, and of decode
        raise ScenarioError(f"not {'TOML' if toml else 'JSON'}: {error}") from None
    return actions.from_actions(found) if isinstance(found, dict) and "actions" in found else from_data(found)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def save(scenario: Scenario, path: str | os.PathLike[str]) -> None:
    """Write a file; one that is there is replaced in whole. Raises ScenarioError."""
    target = Path(path)
    if target.suffix not in ENDINGS:
        raise ScenarioError(f"{path}: the name of a scenario ends with one of {', '.join(ENDINGS)}")
    data = to_data(scenario)
    text = toml_text(data) if target.suffix == ".toml" else json_text(data)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    except (OSError, UnicodeError) as error:
        temporary.unlink(missing_ok=True)
        raise ScenarioError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


# ------------------------------------------------------------------------------------------------- JSON
def json_text(data: Mapping[str, Any]) -> str:
    """JSON with a line for each step and each event."""
    parts = []
    for name, value in data.items():
        if isinstance(value, list) and value:
            rows = ",\n".join(f"    {json.dumps(row, default=_plain)}" for row in value)
            parts.append(f"  {json.dumps(name)}: [\n{rows}\n  ]")
        else:
            parts.append(f"  {json.dumps(name)}: {json.dumps(value, default=_plain)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _plain(value: Any) -> Any:
    """Exact numbers, which JSON has no form for but text."""
    if isinstance(value, Decimal):
        return str(value)
    raise ScenarioError(f"{value!r} cannot be written: give text, a whole number, a list or a table")


# ------------------------------------------------------------------------------------------------- TOML
def toml_text(data: Mapping[str, Any]) -> str:
    """TOML: single values, then the clients' tables ... with a line for each step and each event."""
    tables = {name: value for name, value in data.items() if isinstance(value, dict)}
    lines = []
    for name, value in data.items():
        if name in tables:
            continue
        if isinstance(value, list) and value:
            rows = "\n".join(f"    {_value(row)}," for row in value)
            lines.append(f"{_key(name)} = [\n{rows}\n]")
        else:
            lines.append(f"{_key(name)} = {_value(value)}")
    for name, table in tables.items():
        lines += [f"\n[{_key(name)}.{_key(key)}]\n{_pairs(row)}" for key, row in table.items()]
    return "\n".join(lines) + "\n"


def _pairs(row: Mapping[str, Any]) -> str:
    return "\n".join(f"{_key(name)} = {_value(value)}" for name, value in row.items())


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(name)} = {_value(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _quoted(value if isinstance(value, str) else _plain(value))
