"""The questions of managed mode and their answers as the bus has them: JSON, within its limits.

Invariant: whatever a question says, only VerbError is raised; an answer always fits.
"""

from __future__ import annotations

import json
from typing import Any, Final

from openoutcry import wire
from openoutcry.errors import VerbError

KEY_MAX: Final = 64  # characters of a question's key

Answer = tuple[int, str]  # ok, JSON


def taken(text: str) -> tuple[str, dict[str, Any]]:
    """The key and the arguments of a question. Raises VerbError."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    key = given.pop("once", None) if isinstance(given, dict) else None
    if not isinstance(key, str) or not 0 < len(key) <= KEY_MAX:
        raise VerbError("bad_argument", "argument", "the argument of a question is a JSON object with a key (once)")
    return key, given


def skipped(text: str) -> int:
    """How many rows a question leaves out; 0 when it does not say, or cannot be read."""
    try:
        found = json.loads(text).get("skip", 0)
    except (AttributeError, ValueError, RecursionError):
        return 0
    return found if type(found) is int and found >= 0 else 0


def said(value: Any) -> Answer:
    """An answer."""
    body = json.dumps(value)
    if len(body) > wire.TEXT_MAX:
        text = f"the answer has {len(body)} characters, at most {wire.TEXT_MAX}"
        return refusal(VerbError("limit", "", text))
    return 1, body


def fitting(row: dict[str, Any]) -> dict[str, Any]:
    """A row with a message, without what makes it too long for an answer: its bytes first, then its fields."""
    for name, less in (("raw", ""), ("message", {"MsgType": row["MsgType"]})):
        if len(json.dumps(row)) <= wire.TEXT_MAX:
            break
        row = {**row, name: less}
    return row


def refusal(error: VerbError) -> Answer:
    """An error for an answer."""
    return 0, json.dumps([error.code, error.field, error.text])


def bytes_of(text: str) -> bytes:
    """Bytes out of hexadecimal. Raises VerbError."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise VerbError("bad_argument", "raw", f"raw is {text[:64]!r}, it must be hexadecimal") from None


def fields_of(text: str) -> dict[str, Any]:
    """A dictionary out of JSON; numbers with a point stay text, since a float is not exact. Raises VerbError."""
    try:
        found = json.loads(text, parse_float=str)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise VerbError("bad_argument", "message", f"message is {text[:64]!r}, it must be a JSON object of fields")
    return found
