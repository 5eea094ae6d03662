"""``[[session]]`` in a TOML file: FIX sessions that are to be there.

    [[session]]
    endpoint = "fix"
    SenderCompID = "EXCHANGE"               # and any other setting of create_session, by its own name
    TargetCompID = "CLIENT"
    properties = { auto_receive = false }   # what set_session_property takes besides

Invariant: a session is known by who it is (IDENTITY): what the file says of that is looked for among those that there
are. One that is found gets the file's settings, one by one; one that is not found is made. None is ever deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from openoutcry import parameters, verbs
from openoutcry.errors import VerbError
from openoutcry.fix.settings import APPL_VERSION_OF, SESSION_SETTINGS

CREATE: Final = "create_session"
SET: Final = "set_session_property"
# What makes a session the one it is, beside its endpoint; these cannot be changed.
IDENTITY: Final = ("BeginString", "SenderCompID", "TargetCompID", "SenderSubID", "SenderLocationID", "TargetSubID",
                   "TargetLocationID", "Template")  # fmt: skip
UNCHANGING: Final = (*IDENTITY, "ConnectionType", "SessionQualifier")

Values = Mapping[str, Any]
Call = Callable[..., Any]
Say = Callable[[str], None]


def label(row: Values) -> str:
    """A session of a file, for people."""
    ends = [str(row.get(name, "")) for name in ("SenderCompID", "TargetCompID")]
    return "->".join(ends) if any(ends) else "template" if row.get("Template") else ""


def check(values: Values, properties: Any) -> None:
    """Check an entry. Raises VerbError that names the field."""
    verbs.check(CREATE, (), dict(values))
    if not isinstance(properties, dict):
        raise VerbError("bad_argument", "properties", "properties is a table: properties = {auto_receive = false}")
    for name, value in properties.items():
        try:
            parameters.set_property(verbs.SESSION_PROPERTIES, "session", name, value)
        except VerbError as error:
            raise VerbError(error.code, name, error.text) from None


def make(values: Values, properties: Values, call: Call, say: Say) -> None:
    """Have the session there, as the entry says. call: as ControlClient.call. Raises VerbError."""
    row = _find(values, call("list", "fix_sessions"))
    if row is None:
        row = call(CREATE, **values)
        say(f"session {row['name']}: created")
        changes: dict[str, Any] = {}
    else:
        say(f"session {row['name']}: exists")
        changes = {name: value for name, value in values.items() if _differs(row, name, value)}
        for name in UNCHANGING:
            if name in changes:
                text = f"{name} is {_of(row, name)!r} in the exchange and {values[name]!r} in the file"
                raise VerbError("exists", name, text + "; delete what exists, or change the file")
    for name, value in {**changes, **_unlike(row["name"], values["endpoint"], properties, call)}.items():
        try:
            call(SET, values["endpoint"], row["name"], name, value)
        except VerbError as error:
            raise VerbError(error.code, name, error.text) from None
        say(f"session {row['name']}: {name} = {value}")


def _unlike(session: str, endpoint: str, properties: Values, call: Call) -> dict[str, Any]:
    """Those of the properties that the session has not got."""
    if not properties:
        return {}
    held = {each["name"]: each["value"] for each in call("describe", session, "session", endpoint)["explained"]}
    table = verbs.SESSION_PROPERTIES
    return {name: value for name, value in properties.items()
            if held.get(name) != parameters.set_property(table, "session", name, value)}  # fmt: skip


def _find(values: Values, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The row of the session that the entry is about. Of several versions the default one, unless it says which."""
    alike = [row for row in rows if row["endpoint"] == values["endpoint"] and _is(row, values)]
    default = SESSION_SETTINGS["BeginString"].default
    return next((row for row in alike if row.get("BeginString", default) == default), alike[0] if alike else None)


def _is(row: Values, values: Values) -> bool:
    given = [name for name in IDENTITY if name != "BeginString" or name in values]
    return all(_of(row, name) == _of(values, name) for name in given)


def _differs(row: Values, name: str, value: Any) -> bool:
    return name in SESSION_SETTINGS and _of(row, name) != _of({name: value}, name)


def _of(values: Values, name: str) -> Any:
    """A setting as it is stored."""
    value = values.get(name, SESSION_SETTINGS[name].default)
    if name == "DefaultApplVerID":
        value = APPL_VERSION_OF.get(value, value)  # it may be said as its code is on the wire
    return parameters.convert(SESSION_SETTINGS[name], value, "session")
