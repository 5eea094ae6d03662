"""What a scenario is: who takes part, the timed steps of operators and clients, and what each client got.

::

    Scenario(clients={"ALICE": Client("ALICE", "orders")},
             steps=[Step(at, verb="create_engine", arguments={"name": "main"}),
                    Step(at, client="ALICE", message={"MsgType": "NewOrderSingle", ...}), ...],
             events=[Event(step, at, "ALICE", {"MsgType": "ExecutionReport", ...}), ...])

Times are ns since the scenario's beginning. Messages are dictionaries as in openoutcry.messages. ``from_data`` and
``to_data`` are the form that files have (docs/scenarios.md).

Invariant: a Scenario out of ``from_data`` is one that can be played as far as can be said without an exchange: verbs
have their arguments, steps go forward in time, and clients are known. What is wrong is a ScenarioError that names the
step, counted from 1, and the field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from openoutcry import verbs
from openoutcry.errors import VerbError
from openoutcry.fix.settings import SESSION_SETTINGS
from openoutcry.play import ScenarioError

__all__ = ["Client", "Event", "Message", "Scenario", "ScenarioError", "Step", "from_data", "moment", "moment_text",
           "to_data"]  # fmt: skip

Message = dict[str, Any]
Row = dict[str, Any]

SECOND_NS: Final = 1_000_000_000
MOMENT_MAX_NS: Final = 366 * 86_400 * SECOND_NS  # of a scenario: what the clock can be advanced by at once
STEPS_MAX: Final = 100_000  # and as many events ten times over: a file of some 100 MB
EVENTS_MAX: Final = 1_000_000
EXACT: Final = "exact"
GIVEN: Final = "given"
COMPARISONS: Final = (EXACT, GIVEN)
CONNECT: Final = "connect"
DISCONNECT: Final = "disconnect"
LOGOUT: Final = "logout"
DEEDS: Final = (CONNECT, DISCONNECT, LOGOUT)

_UNITS: Final = {"d": Decimal(86_400), "h": Decimal(3_600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001"),
                 "us": Decimal("0.000001"), "ns": Decimal("0.000000001")}  # fmt: skip
_PART: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|us|ns|d|h|m|s)")
_MOMENT: Final = re.compile(f"(?:{_PART.pattern}){{1,7}}".replace("([0-9]", "(?:[0-9]").replace("(ms", "(?:ms"))


@dataclass(frozen=True)
class Client:
    """Who connects, and where. settings: of a FIX session, as FixClient has them; CompIDs default to the name.

    desk: a desk of that engine instead, whose steps are verbs; what it is told are events like any other's.
    """

    name: str
    endpoint: str = ""
    user: str | None = None
    password: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    desk: str = ""
    engine: str = ""


@dataclass(frozen=True)
class Step:
    """One step, of one of four kinds: a verb with its arguments, or what a client does: ``do`` (of DEEDS), ``message``,
    or ``raw`` bytes.

    refused: the code of the VerbError that the verb is expected to give; of `connect`: anything, when it is refused.
    note: for people.
    """

    at: int = 0
    verb: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    client: str = ""
    do: str = ""
    message: Message | None = None
    raw: bytes | None = None
    refused: str = ""
    note: str = ""

    def __str__(self) -> str:
        if self.verb:
            return self.verb
        what = self.do or ("raw bytes" if self.message is None else str(self.message.get("MsgType")))
        named = "" if self.message is None or "ClOrdID" not in self.message else f" {self.message['ClOrdID']}"
        return f"{self.client}: {what}{named}"


@dataclass(frozen=True)
class Event:
    """What a client got. step: the one after which it came, 0 for before all."""

    step: int
    at: int
    client: str
    message: Message


@dataclass(frozen=True)
class Scenario:
    """See the module.

    begins_ns: the exchange's time at the beginning, ns since 1970, 0 for any. ends: the moment until which one waits
    after the last step. events: None when nothing is expected. compare: EXACT, or GIVEN when only the fields that an
    expected event names count. left_out: what of a recorded session could not be made a step, in words.
    """

    steps: list[Step] = field(default_factory=list)
    events: list[Event] | None = None
    clients: dict[str, Client] = field(default_factory=dict)
    title: str = ""
    begins_ns: int = 0
    ends: int = 0
    compare: str = EXACT
    left_out: list[str] = field(default_factory=list)

    def got(self, client: str) -> list[Message]:
        """The messages that a client got, in their order."""
        return [event.message for event in self.events or () if event.client == client]


# ------------------------------------------------------------------------------------------------- moments
def moment(value: Any) -> int:
    """``"0.250s"``, ``"1m30s"``, ``"250ms"``, or a number of seconds, in ns. Raises ValueError."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        seconds = sum((Decimal(number) * _UNITS[unit] for number, unit in _PART.findall(value)), Decimal(0))
    elif type(value) is int or (isinstance(value, Decimal) and value.is_finite()):
        seconds = Decimal(value)
    else:
        raise ValueError(f'{value!r} is no moment: write "0.250s", "1m30s" or a number of seconds')
    # The range first: a number may be beyond all that can be multiplied.
    if not 0 <= seconds <= MOMENT_MAX_NS // SECOND_NS or (ns := seconds * SECOND_NS) != int(ns):
        raise ValueError(f"{value!r} must be 0s to {MOMENT_MAX_NS // SECOND_NS}s, in whole ns")
    return int(ns)


def moment_text(ns: int) -> str:
    """Ns as the seconds that ``moment`` reads: 250000000 -> "0.25s"."""
    whole, part = divmod(ns, SECOND_NS)
    return f"{whole}.{part:09d}".rstrip("0").rstrip(".") + "s"


# ------------------------------------------------------------------------------------------------- reading
_TOP: Final = ("title", "begins", "ends", "compare", "clients", "steps", "events", "left_out")
_OF_CLIENT: Final = ("endpoint", "user", "password", "desk", "engine")
_OF_STEP: Final = ("at", "after", "client", "endpoint", "do", "message", "raw", "refused", "note")
_OF_EVENT: Final = ("at", "step", "client", "message")
_WORDS: Final = ("at", "after", "verb", "refused", "note")  # of a step with a verb; all else are its arguments


def from_data(data: Any) -> Scenario:
    """A scenario out of what a file holds. Raises ScenarioError."""
    top = _table(data, "a scenario", _TOP)
    steps: list[Step] = []
    clients = {name: _client(name, row) for name, row in _table(top.get("clients", {}), "clients").items()}
    for number, row in enumerate(_rows(top, "steps", STEPS_MAX), 1):
        try:
            steps.append(_step(row, steps[-1].at if steps else 0, clients))
        except (ScenarioError, VerbError, ValueError) as error:
            raise ScenarioError(f"step {number}: {_text(error)}") from None
        if steps[-1].client and clients[steps[-1].client].desk:
            raise ScenarioError(f"step {number}: client {steps[-1].client} is a desk: what it does are verbs")
    events = _events(top, len(steps), clients) if "events" in top else None
    for name, client in clients.items():
        if not client.endpoint and not (client.desk and client.engine):
            raise ScenarioError(f"client {name}: endpoint is missing: say it in [clients.{name}] or in its first step")
    compare = top.get("compare", EXACT)
    if compare not in COMPARISONS:
        raise ScenarioError(f"compare is {compare!r}, it must be one of {', '.join(COMPARISONS)}")
    return Scenario(
        steps, events, clients, _word(top, "title"), _time(top), _moment(top, "ends", steps[-1].at if steps else 0),
        compare, _texts(top, "left_out"),
    )  # fmt: skip


def _text(error: Exception) -> str:
    return error.text if isinstance(error, VerbError) else str(error)


def _table(value: Any, what: str, known: tuple[str, ...] = ()) -> Row:
    if not isinstance(value, dict):
        raise ScenarioError(f"{what} must be a table (an object) of names and values")
    unknown = [name for name in value if known and name not in known]
    if unknown:
        raise ScenarioError(f"{what} has no {unknown[0]!r}; it has {', '.join(known)}")
    return value


def _rows(top: Row, name: str, most: int) -> list[Any]:
    rows = top.get(name, [])
    if not isinstance(rows, list) or len(rows) > most:
        raise ScenarioError(f"{name} must be a list of at most {most} tables")
    return rows


def _texts(top: Row, name: str) -> list[str]:
    found = top.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ScenarioError(f"{name} must be a list of texts")
    return found


def _word(row: Row, name: str, default: str = "") -> str:
    value = row.get(name, default)
    if not isinstance(value, str):
        raise ScenarioError(f"{name} is {value!r}, it must be text")
    return value


def _moment(row: Row, name: str, default: int) -> int:
    try:
        return moment(row[name]) if name in row else default
    except ValueError as error:
        raise ScenarioError(f"{name}: {error}") from None


def _time(top: Row) -> int:
    """``begins``: 2026-11-20T09:30:00.000000000Z, in ns."""
    text = _word(top, "begins")
    if not text:
        return 0
    from openoutcry.fix.times import parse_stamp

    try:
        return parse_stamp(text.rstrip("Z").replace("T", "-").replace("-", "", 2).encode("ascii", "replace"))
    except ValueError:
        raise ScenarioError(f"begins is {text!r}, it must be a time as 2026-11-20T09:30:00.000000000Z") from None


def _client(name: str, row: Any) -> Client:
    given = _table(row, f"client {name}")
    settings = {key: value for key, value in given.items() if key not in _OF_CLIENT}
    unknown = [key for key in settings if key not in SESSION_SETTINGS]
    if unknown:
        raise ScenarioError(f"client {name} has no {unknown[0]!r}; it has {', '.join(_OF_CLIENT)} and the settings "
                            "of a FIX session")  # fmt: skip
    user = _word(given, "user") if "user" in given else None
    where = (_word(given, "endpoint"), user, _word(given, "password"))
    return Client(name, *where, settings, _word(given, "desk"), _word(given, "engine"))


def _step(row: Any, before: int, clients: dict[str, Client]) -> Step:
    given = _table(row, "it")
    if "after" in given and "at" in given:
        raise ScenarioError("it has at and after: give one of them")
    at = _moment(given, "at", before + _moment(given, "after", 0))
    if at < before:
        raise ScenarioError(f"at is {moment_text(at)}, which is before the step before it, {moment_text(before)}")
    note, refused = _word(given, "note"), _word(given, "refused")
    if "verb" in given:
        arguments = {name: value for name, value in given.items() if name not in _WORDS}
        verb = _word(given, "verb")
        verbs.check(verb, (), arguments)
        return Step(at, verb, arguments, refused=refused, note=note)
    _table(given, "a client's step", _OF_STEP)
    client = _known(given, clients)
    kinds = [kind for kind in ("do", "message", "raw") if kind in given]
    if len(kinds) != 1:
        raise ScenarioError("it must have exactly one of: verb, do, message, raw")
    return Step(at, client=client, do=_deed(given), message=_message(given), raw=_raw(given), refused=refused,
                note=note)  # fmt: skip


def _known(given: Row, clients: dict[str, Client]) -> str:
    """The client of a step, which may say for the first time where it connects."""
    name, endpoint = _word(given, "client"), _word(given, "endpoint")
    if not name:
        raise ScenarioError("it has neither verb nor client")
    known = clients.setdefault(name, Client(name))
    if endpoint and known.endpoint not in ("", endpoint):
        raise ScenarioError(f"endpoint is {endpoint!r}, but client {name} is at {known.endpoint!r}")
    if endpoint and not known.endpoint:
        clients[name] = Client(name, endpoint, known.user, known.password, known.settings)
    return name


def _deed(given: Row) -> str:
    deed = _word(given, "do")
    if "do" in given and deed not in DEEDS:
        raise ScenarioError(f"do is {deed!r}, it must be one of {', '.join(DEEDS)}")
    return deed


def _message(given: Row) -> Message | None:
    if "message" not in given:
        return None
    found = _table(given["message"], "message")
    if not isinstance(found.get("MsgType"), str):
        raise ScenarioError("message.MsgType is missing: the message's name, as NewOrderSingle")
    return found


def _raw(given: Row) -> bytes | None:
    if "raw" not in given:
        return None
    try:
        return bytes.fromhex(_word(given, "raw"))
    except ValueError:
        raise ScenarioError("raw must be bytes in hexadecimal") from None


def _events(top: Row, steps: int, clients: dict[str, Client]) -> list[Event]:
    found: list[Event] = []
    for number, row in enumerate(_rows(top, "events", EVENTS_MAX), 1):
        try:
            found.append(_event(row, steps, clients))
        except ScenarioError as error:
            raise ScenarioError(f"event {number}: {error}") from None
    return found


def _event(row: Any, steps: int, clients: dict[str, Client]) -> Event:
    given = _table(row, "it", _OF_EVENT)
    client, step, message = _word(given, "client"), given.get("step", 0), _message(given)
    if client not in clients:
        raise ScenarioError(f"there is no client {client!r}")
    if type(step) is not int or not 0 <= step <= steps:
        raise ScenarioError(f"step is {step!r}, it must be 0 to {steps}")
    if message is None:
        raise ScenarioError("message is missing")
    return Event(step, _moment(given, "at", 0), client, message)


# ------------------------------------------------------------------------------------------------- writing
def to_data(scenario: Scenario) -> Row:
    """The reverse of ``from_data``: tables, lists, text, numbers and booleans alone; what has its default is left
    out."""
    from openoutcry.fix.times import stamp

    found: Row = {}
    if scenario.title:
        found["title"] = scenario.title
    if scenario.begins_ns:
        text = stamp(scenario.begins_ns, 9).decode()
        found["begins"] = f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[9:]}Z"
    if scenario.ends > (scenario.steps[-1].at if scenario.steps else 0):
        found["ends"] = moment_text(scenario.ends)
    if scenario.compare != EXACT:
        found["compare"] = scenario.compare
    if scenario.left_out:
        found["left_out"] = list(scenario.left_out)
    found["clients"] = {client.name: _client_row(client) for client in scenario.clients.values()}
    found["steps"] = [_step_row(step) for step in scenario.steps]
    if scenario.events is not None:
        found["events"] = [_event_row(event) for event in scenario.events]
    return found


def _client_row(client: Client) -> Row:
    if client.desk:
        return {"desk": client.desk, "engine": client.engine}
    row: Row = {"endpoint": client.endpoint}
    if client.user is not None:
        row["user"] = client.user
    if client.password:
        row["password"] = client.password
    return {**row, **client.settings}


def _step_row(step: Step) -> Row:
    row: Row = {"at": moment_text(step.at)}
    if step.verb:
        row |= {"verb": step.verb, **{name: value for name, value in step.arguments.items() if value is not None}}
    else:
        row["client"] = step.client
    if step.do:
        row["do"] = step.do
    if step.message is not None:
        row["message"] = step.message
    if step.raw is not None:
        row["raw"] = step.raw.hex()
    if step.refused:
        row["refused"] = step.refused
    if step.note:
        row["note"] = step.note
    return row


def _event_row(event: Event) -> Row:
    return {"at": moment_text(event.at), "step": event.step, "client": event.client, "message": event.message}
