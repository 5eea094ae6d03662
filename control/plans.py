"""What each verb does: one plan for the journaled ones, one for each that only looks.

A plan is a generator over openoutcry.control.desk's steps. It checks its arguments before anything else, so that a
bad request never leaves the control service, and it never waits for longer than the desk lets it.

Readiness is decided here and nowhere else (``status``): the matcher, the market data publisher and a gateway are
connected and answer, every endpoint is bound on a gateway that answers, and the matcher's loop turns.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from typing import Any, Final

from openoutcry import verbs
from openoutcry.control.desk import Answer, Ask, Pause, Plan, Question, Step, Submit, Work, unavailable
from openoutcry.control.messages import Request
from openoutcry.errors import VerbError
from openoutcry.fix.settings import SESSION_SETTINGS, SessionSettings
from openoutcry.parameters import set_property

PATIENCE_NS: Final = 1_000_000_000  # for the answer of one process among many: silence is an answer, too
MATCHER: Final = "matcher"
KINDS_NEEDED: Final = ("matcher", "marketdata", "gateway")  # of each at least one, beside the control service itself

# What these change is known at the gateways when they return: a client may log on at once.
AT_GATEWAYS: Final = (
    "create_session",
    "delete_session",
    "set_session_property",
    "reset_session",
    "set_sequence",
    "delete_user",
)
REACHED_NS: Final = 500_000_000  # a gateway that does not answer within this hears of it when it can

GATEWAY_TRIES: Final = 15  # looks for a gateway before create_endpoint gives up: three seconds with these pauses
GATEWAY_PAUSE_NS: Final = 200_000_000

Facts = Callable[[], dict[str, Any]]
Rows = list[dict[str, Any]]


def text(value: Any) -> str:
    """A value as the JSON text of a reply."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def make_plan(request: Request, own: Facts) -> Plan:
    """The plan for one request; `own` returns the control service's own statistics."""
    arguments = _checked(request)
    verb = request.verb
    if verb == "create_user":
        return (yield from _create_user(arguments))
    if verb == "create_endpoint":
        return (yield from _create_endpoint(arguments))
    if verb == "create_session":
        _check_times(dict(zip(SESSION_SETTINGS, arguments[1:], strict=True)))
    elif verb == "set_session_property":
        yield from _check_change(*arguments)
    if verbs.VERBS[verb].journaled:
        value: str = yield Submit(verb, arguments)
        if verb in AT_GATEWAYS:
            yield from _reach_gateways()
        return value
    if verb == "status":
        return text((yield from _status()))
    if verb == "statistics":
        return text((yield from _statistics(own)))
    return (yield from _look(verb, arguments))


def _checked(request: Request) -> tuple[Any, ...]:
    named = dict(request.named)
    if len(named) != len(request.named):
        twice = next(name for i, (name, _) in enumerate(request.named) if name in dict(request.named[:i]))
        raise VerbError("bad_argument", twice, f"{request.verb}: {twice} is given twice")
    return verbs.check(request.verb, request.arguments, named)


def _create_user(arguments: tuple[Any, ...]) -> Plan:
    """Hash the password before it goes anywhere: the journal never holds it."""
    from openoutcry.passwords import hash_password  # here: it is slow to import, and needed for this verb only

    names = [p.name for p in verbs.VERBS["create_user"].parameters]
    place = names.index("password")
    hashed: str = yield Work(hash_password, (arguments[place],))
    value: str = yield Submit("create_user", (*arguments[:place], hashed, *arguments[place + 1 :]))
    yield from _reach_gateways()
    return value


def _create_endpoint(arguments: tuple[Any, ...]) -> Plan:
    """Journaled only once there is a gateway for it, so that nothing is left half made when there is none."""
    wanted = arguments[3]
    for _ in range(GATEWAY_TRIES):
        peers = yield from _peers()
        gateways = [p["name"] for p in peers if p.get("role") == "gateway"]
        if gateways and wanted in (None, *gateways):
            break
        yield Pause(GATEWAY_PAUSE_NS)
    else:
        found = f"connected: {', '.join(gateways)}" if gateways else "no gateway is connected"
        needed = "a gateway" if wanted is None else f"gateway {wanted!r}"
        raise VerbError("unavailable", "gateway", f"create_endpoint needs {needed}, but {found}")
    try:
        value: str = yield Submit("create_endpoint", arguments)
    except VerbError as error:
        if error.code == "unavailable" and not error.field:
            who = wanted or " or ".join(gateways)
            raise unavailable(f"{who}, which is to open the port of {arguments[0]!r},", in_doubt=True) from None
        raise
    return value


def _reach_gateways() -> Generator[Step, Any, None]:
    """Return when the gateways have what was journaled: they get a question after the events that were before it."""
    answers: list[Answer | None] = yield Ask((Question(MATCHER, "peers", {}),), REACHED_NS)
    gateways = [peer["name"] for peer in _list(answers[0]) if peer.get("role") == "gateway"]
    if gateways:
        yield Ask(tuple(Question(name, "ping", {}) for name in gateways), REACHED_NS)


def _check_times(settings: dict[str, Any], changed: str = "") -> None:
    """The times of a FIX session: here, since the journal must not depend on the time zones that a host knows.

    changed: the setting that is to be blamed. Raises VerbError.
    """
    from openoutcry.fix.schedule import TIMES, Schedule  # here: zones are slow to import, and needed for this alone

    given = {name: value for name, value in settings.items() if value is not None}
    if not given.keys() & {*TIMES, "TimeZone"}:
        return
    try:
        Schedule.from_settings(SessionSettings(**given))
    except ValueError as error:
        named = next((name for name in (*TIMES, "TimeZone") if str(error).startswith(name)), "")
        raise VerbError("bad_argument", "value" if changed else named, str(error)) from None


def _check_change(endpoint: str, session: str, name: str, value: Any) -> Generator[Step, Any, None]:
    """The times of a FIX session, with one setting changed; what else is wrong with it is said by the matcher."""
    from openoutcry.fix.schedule import TIMES

    if name not in SESSION_SETTINGS:
        return
    stored = set_property(SESSION_SETTINGS, f"session {session}", name, value)
    if name not in (*TIMES, "TimeZone"):
        return
    answers: list[Answer | None] = yield Ask((Question(MATCHER, "list", {"kind": "fix_sessions"}),))
    found = [row for row in _list(answers[0]) if (row.get("endpoint"), row["name"]) == (endpoint, session)]
    if found:
        _check_times({key: found[0].get(key) for key in SESSION_SETTINGS} | {name: stored}, name)


def _look(verb: str, arguments: tuple[Any, ...]) -> Plan:
    """The others that only look: one question to the matcher."""
    if verb == "list" and arguments[0] == "verbs":
        return text(verb_table())
    named = {p.name: value for p, value in zip(verbs.VERBS[verb].parameters, arguments, strict=True)}
    answers: list[Answer | None] = yield Ask((Question(MATCHER, verb, named),))
    return text(_body(answers[0]))


def verb_table() -> Rows:
    """The verbs as `list verbs` shows them."""
    return [
        {
            "verb": row.name,
            "arguments": verbs.signature(row),
            "journaled": row.journaled,
            "meaning": row.meaning,
        }
        for row in verbs.VERBS.values()
    ]


def _body(answer: Answer | None, who: str = MATCHER) -> Any:
    """The body of an answer. Raises VerbError for a refusal or silence."""
    if answer is None:
        raise unavailable(f"the {who}")
    if answer.ok:
        return answer.body
    if isinstance(answer.body, list) and len(answer.body) == 3 and all(isinstance(x, str) for x in answer.body):
        raise VerbError(*answer.body)
    raise VerbError("unavailable", "", f"{who} refused: {str(answer.body)[:200]}")


def _peers() -> Generator[Step, Any, Rows]:
    """Everything connected to the matcher, as it lists them."""
    answers: list[Answer | None] = yield Ask((Question(MATCHER, "peers", {}),))
    _body(answers[0])
    return _list(answers[0])


# ------------------------------------------------------------------------------------------------- statistics
def _statistics(own: Facts) -> Generator[Step, Any, dict[str, Any]]:
    """The counters of every connected part, null for one that does not answer."""
    peers = yield from _peers()
    names = [MATCHER, *sorted(p["name"] for p in peers if p.get("role") != "control")]
    answers = yield Ask(tuple(Question(name, "statistics", {}) for name in names), PATIENCE_NS)
    found = {name: a.body if a is not None and a.ok else None for name, a in zip(names, answers, strict=True)}
    return {**found, "control": own()}


# ------------------------------------------------------------------------------------------------- status
_MATCHER_QUESTIONS: Final = (
    Question(MATCHER, "ping", {}),
    Question(MATCHER, "peers", {}),
    Question(MATCHER, "list", {"kind": "endpoints"}),
    Question(MATCHER, "list", {"kind": "users"}),
    Question(MATCHER, "statistics", {}),
)


def _status() -> Generator[Step, Any, dict[str, Any]]:
    """Whether everything is connected and moving. Never fails: silence is what it is there to report."""
    first, *lists, counters = yield Ask(_MATCHER_QUESTIONS, PATIENCE_NS)
    peers, endpoints, users = (_list(answer) for answer in lists)
    others = [p for p in peers if p.get("role") != "control"] if first is not None else []
    asked = [Question(MATCHER, "ping", {})]
    asked += [Question(p["name"], what, {}) for p in others for what in ("ping", "statistics")]
    second, *answers = [None] if first is None else (yield Ask(tuple(asked), PATIENCE_NS))
    pings = {p["name"]: _fact(answer) for p, answer in zip(others, answers[::2], strict=True)}
    hosted = {p["name"]: _fact(answer).get("endpoints") for p, answer in zip(others, answers[1::2], strict=True)}
    processes = [_process(MATCHER, MATCHER, _fact(second))]
    processes += [_process(p["name"], p.get("role", ""), pings[p["name"]]) for p in others]
    processes.append(_process("control", "control", {"pid": os.getpid()}))
    shown = [_endpoint(e, users, hosted) for e in endpoints]
    missing = _missing(processes, shown, _moved(_fact(first), _fact(second)), all(lists))
    return {
        "ready": not missing, "waiting_for": missing, "processes": processes, "endpoints": shown,
        "books": _books(counters), "sequence": _fact(second).get("sequence"),
    }  # fmt: skip


def _fact(answer: Answer | None) -> dict[str, Any]:
    """The object in an answer, {} for silence or a refusal."""
    return answer.body if answer is not None and answer.ok and isinstance(answer.body, dict) else {}


def _books(answer: Answer | None) -> int | None:
    """How many books the matcher's statistics count: a list of all of them can be too long for an answer."""
    machine = _fact(answer).get("machine")
    return machine.get("books") if isinstance(machine, dict) else None


def _list(answer: Answer | None) -> Rows:
    if answer is None or not answer.ok or not isinstance(answer.body, list):
        return []
    return [row for row in answer.body if isinstance(row, dict) and isinstance(row.get("name"), str)]


def _process(name: str, kind: str, ping: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "kind": kind, "pid": ping.get("pid"), "state": "answers" if ping else "silent"}


def _moved(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """True when the matcher's loop turned between two of its answers."""
    return bool(second) and second.get("turns", 1) > first.get("turns", 0)


def _endpoint(row: dict[str, Any], users: Rows, hosted: dict[str, Any]) -> dict[str, Any]:
    """One endpoint as status shows it; its state is what its gateway says, when that answers."""
    name, gateway = row["name"], row.get("gateway") or ""
    served = hosted.get(gateway)
    bound = bool(row.get("port")) and isinstance(served, dict) and name in served
    may = [u["name"] for u in users if not u.get("endpoint") or u["endpoint"] == name]
    state = "bound" if bound else "waiting for a gateway" if not gateway else f"waiting for {gateway}"
    kept = {key: row.get(key) for key in ("name", "protocol", "engine", "gateway", "host", "port")}
    return {**kept, "state": state, "any_login": not may, "users": may}


def _missing(processes: Rows, endpoints: Rows, moved: bool, listed: bool) -> list[str]:
    """What stands between this exchange and being ready, in words; [] when nothing does."""
    answering = {p["kind"] for p in processes if p["state"] == "answers"}
    missing = [kind for kind in KINDS_NEEDED if kind not in answering]
    missing += [p["name"] for p in processes if p["state"] != "answers" and p["kind"] in answering]
    missing += [f"endpoint {e['name']}" for e in endpoints if e["state"] != "bound"]
    if MATCHER not in missing and not (moved and listed):
        missing.append("the matcher's loop")
    return missing
