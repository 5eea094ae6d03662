"""What each verb does: most are journaled, or asked of the matcher, and no more; SPECIAL has the plans of the others.

A plan is a generator over openoutcry.control.desk's steps. It checks its arguments before anything else, so that a
bad request never leaves the control service, and it never waits for longer than the desk lets it.

Readiness is decided here and nowhere else (``status``): the matcher, the market data publisher and a gateway are
connected and answer, every endpoint is bound on a gateway that answers, and the matcher's loop turns.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Generator
from typing import Any, Final

from openoutcry import rows, verbs, wire
from openoutcry.control.messages import Request
from openoutcry.control.steps import Answer, Ask, Once, Pause, Plan, Question, Step, Submit, Work, unavailable
from openoutcry.errors import VerbError
from openoutcry.fix.settings import SESSION_SETTINGS, SessionSettings
from openoutcry.jsontext import text
from openoutcry.parameters import set_property

PATIENCE_NS: Final = 1_000_000_000  # for the answer of one process among many: silence is an answer, too
MATCHER: Final = "matcher"
KINDS_NEEDED: Final = ("matcher", "marketdata", "gateway")  # of each at least one, beside the control service itself

# What these change is known at the gateways when they return: a client may log on at once.
AT_GATEWAYS: Final = (
    "create_session",
    "delete_session",
    "set_session_property",
    "set_protocol_property",
    "set_engine_property",
    "reset_session",
    "set_sequence",
    "delete_user",
    "stop_clock",
    "start_clock",
    "advance_clock",
)
REACHED_NS: Final = 500_000_000  # a gateway that does not answer within this hears of it when it can
REACH_TRIES: Final = 50  # looks at a gateway that has many events to take before: half a second with these pauses
REACH_PAUSE_NS: Final = 10_000_000

GATEWAY_TRIES: Final = 15  # looks for a gateway before create_endpoint gives up: three seconds with these pauses
GATEWAY_PAUSE_NS: Final = 200_000_000

CONNECTIONS_MAX: Final = 1_000  # in one answer: some 500,000 characters at most

Facts = Callable[[], dict[str, Any]]
Rows = list[dict[str, Any]]


def make_plan(request: Request, own: Facts) -> Plan:
    """The plan for one request; `own` returns the control service's own statistics."""
    arguments = checked(request)
    step = direct(request.verb, arguments)
    if step is None:
        return (yield from SPECIAL[request.verb](arguments, own))
    if isinstance(step, Submit):
        value: str = yield step
        if request.verb in AT_GATEWAYS:
            yield from reach_gateways()
        return value
    answers: list[Answer | None] = yield Ask((step,), relay=True)
    answer = answers[0]
    return answer.body if answer is not None and answer.ok else text(body(answer))


def direct(verb: str, arguments: tuple[Any, ...]) -> Submit | Question | None:
    """What a verb comes to when it is journaled, or asked of the matcher, and no more; None for those in SPECIAL.

    arguments: checked. Raises VerbError.
    """
    if verb in SPECIAL and (verb != "list" or arguments[0] in LISTED):
        return None
    row = verbs.VERBS[verb]
    if not row.journaled:
        return Question(MATCHER, verb, {p.name: value for p, value in zip(row.parameters, arguments, strict=True)})
    if verb == "create_session":
        _check_times(dict(zip(SESSION_SETTINGS, arguments[1:], strict=True)))
    return Submit(verb, arguments)


def checked(request: Request) -> tuple[Any, ...]:
    """The arguments of a request, complete and in order. Raises VerbError."""
    if not request.named:
        return verbs.check(request.verb, request.arguments)
    named = dict(request.named)
    if len(named) != len(request.named):
        twice = next(name for i, (name, _) in enumerate(request.named) if name in dict(request.named[:i]))
        raise VerbError("bad_argument", twice, f"{request.verb}: {twice} is given twice")
    return verbs.check(request.verb, request.arguments, named)


def _create_user(arguments: tuple[Any, ...], _: Facts) -> Plan:
    """Hash the password before it goes anywhere: the journal never holds it."""
    from openoutcry.passwords import hash_password  # here: it is slow to import, and needed for this verb only

    names = [p.name for p in verbs.VERBS["create_user"].parameters]
    place = names.index("password")
    hashed: str = yield Work(hash_password, (arguments[place],))
    value: str = yield Submit("create_user", (*arguments[:place], hashed, *arguments[place + 1 :]))
    yield from reach_gateways()
    return value


def _create_endpoint(arguments: tuple[Any, ...], __: Facts) -> Plan:
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


def reach_gateways() -> Generator[Step, Any, None]:
    """Return when the gateways have what was journaled, and have done it: they say which event they have come to."""
    answers: list[Answer | None] = yield Ask((Question(MATCHER, "peers", {}),), REACHED_NS)
    behind = {peer["name"]: peer.get("end", 0) for peer in _list(answers[0]) if peer.get("role") == "gateway"}
    for _ in range(REACH_TRIES):
        if not behind:
            return
        pings: list[Answer | None] = yield Ask(tuple(Question(name, "ping", {}) for name in behind), REACHED_NS)
        events = [_fact(answer).get("event", end) for answer, end in zip(pings, behind.values(), strict=True)]
        behind = {name: end for (name, end), event in zip(behind.items(), events, strict=True) if event < end}
        if behind:
            yield Pause(REACH_PAUSE_NS)


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


def _set_session_property(arguments: tuple[Any, ...], _: Facts) -> Plan:
    yield from _check_change(*arguments)
    value: str = yield Submit("set_session_property", arguments)
    yield from reach_gateways()
    return value


def _check_change(endpoint: str, session: str, name: str, value: Any) -> Generator[Step, Any, None]:
    """The times of a FIX session, with one setting changed; what else is wrong with it is said by the matcher."""
    from openoutcry.fix.schedule import TIMES

    if name not in SESSION_SETTINGS:
        return
    stored = set_property(SESSION_SETTINGS, f"session {session}", name, value)
    if name not in (*TIMES, "TimeZone"):
        return
    answers: list[Answer | None] = yield Ask((Question(MATCHER, "list", {"kind": "fix_sessions"}),))
    sessions = yield from _rest("fix_sessions", answers[0])
    found = [row for row in sessions if (row.get("endpoint"), row["name"]) == (endpoint, session)]
    if found:
        _check_times({key: found[0].get(key) for key in SESSION_SETTINGS} | {name: stored}, name)


def _list_here(arguments: tuple[Any, ...], _: Facts) -> Plan:
    kind, skip = arguments
    if kind == "connections":
        return (yield from _connections(skip))
    return text(verb_table()[skip:]) if skip else verb_text()


@functools.cache
def verb_text() -> str:
    """``verb_table`` as JSON text: it is long, and always the same."""
    return text(verb_table())


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


def body(answer: Answer | None, who: str = MATCHER) -> Any:
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
    body(answers[0])
    return _list(answers[0])


# ------------------------------------------------------------------------------------------------- statistics
def _statistics(_: tuple[Any, ...], own: Facts) -> Plan:
    """The counters of every connected part, null for one that does not answer."""
    peers = yield from _peers()
    names = [MATCHER, *sorted(p["name"] for p in peers if p.get("role") != "control")]
    answers = yield Ask(tuple(Question(name, "statistics", {}) for name in names), PATIENCE_NS)
    found = {name: a.body if a is not None and a.ok else None for name, a in zip(names, answers, strict=True)}
    return text({**found, "control": own()})


# ------------------------------------------------------------------------------------------------- status
_MATCHER_QUESTIONS: Final = (
    Question(MATCHER, "ping", {}),
    Question(MATCHER, "peers", {}),
    Question(MATCHER, "list", {"kind": "endpoints"}),
    Question(MATCHER, "list", {"kind": "users"}),
    Question(MATCHER, "statistics", {}),
    Question(MATCHER, "clock", {}),
)


def _status(_: tuple[Any, ...], __: Facts) -> Plan:
    """Whether everything is connected and moving. Never fails: silence is what it is there to report."""
    first, *lists, counters, clock = yield Ask(_MATCHER_QUESTIONS, PATIENCE_NS)
    peers = _list(lists[0])
    endpoints = yield from _rest("endpoints", lists[1])
    users = yield from _rest("users", lists[2])
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
    return text({
        "ready": not missing, "waiting_for": missing, "processes": processes, "endpoints": shown,
        "books": _books(counters), "sequence": _fact(second).get("sequence"), "clock": _fact(clock) or None,
    })  # fmt: skip


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


def _rest(kind: str, answer: Answer | None) -> Generator[Step, Any, Rows]:
    """The rows of an answer to `list`, with those for which it had no room."""
    found: Rows = []
    while answer is not None and answer.ok and isinstance(answer.body, list):
        left = rows.left_out(answer.body)
        found += answer.body
        if not left:
            break
        question = Question(MATCHER, "list", {"kind": kind, "skip": len(found)})
        (answer,) = yield Ask((question,), PATIENCE_NS)
    return _list(Answer(True, found))


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


# ------------------------------------------------------------------------------------------------- managed mode
MANAGED: Final = ("accept_session", "reject_session", "next_message", "process_message", "discard_message",
                  "send_session_message", "drop_session", "wait_for")  # fmt: skip


def _managed(verb: str) -> Callable[[tuple[Any, ...], Facts], Plan]:
    """A question to the gateway that hosts the endpoint, which does it once, however often it is asked."""
    names = [p.name for p in verbs.VERBS[verb].parameters]

    def plan(arguments: tuple[Any, ...], _: Facts) -> Plan:
        key: str = yield Once()
        given = {**dict(zip(names, arguments, strict=True)), "once": key}
        if len(json.dumps(given)) > wire.QUERY_MAX:
            raise VerbError("limit", "message", f"{verb} has more than {wire.QUERY_MAX} characters, as JSON")
        answers: list[Answer | None] = yield Ask((Question(MATCHER, "gateway_of", {"endpoint": arguments[0]}),))
        gateway = body(answers[0])
        if not gateway:
            raise VerbError("wrong_state", "endpoint", f"no gateway hosts endpoint {arguments[0]!r} yet")
        answers = yield Ask((Question(gateway, verb, given),))
        return text(body(answers[0], gateway))

    return plan


def _connections(skip: int) -> Plan:
    """The connections of every gateway that answers, after the first `skip`: as many as fit, and how many more."""
    peers = yield from _peers()
    names = sorted(peer["name"] for peer in peers if peer.get("role") == "gateway")
    answers = yield Ask(tuple(Question(name, "connections", {}) for name in names), PATIENCE_NS)
    found: Rows = []
    left = 0
    for name, fact in zip(names, map(_fact, answers), strict=True):
        total = fact.get("total", 0)
        page = yield from _connections_of(name, fact, skip, CONNECTIONS_MAX - len(found))
        left += max(0, total - skip - len(page))
        skip = max(0, skip - total)
        found += page
    return text([*found, {rows.MORE: left}] if left else found)


def _connections_of(gateway: str, fact: dict[str, Any], skip: int, most: int) -> Generator[Step, Any, Rows]:
    """At most so many connections of a gateway, after the first `skip`. fact: what it has answered to begin with."""
    found: Rows = fact.get("rows", [])[skip:]
    while len(found) < min(most, fact.get("total", 0) - skip):
        question = Question(gateway, "connections", {"skip": skip + len(found)})
        (answer,) = yield Ask((question,), PATIENCE_NS)
        fact = _fact(answer)
        if not fact.get("rows"):  # they have gone meanwhile, or the gateway has
            break
        found += fact["rows"]
    return found[:most]


LISTED: Final = ("verbs", "connections")  # what is listed here
# The verbs that need more than to be journaled, or asked of the matcher.
SPECIAL: Final[dict[str, Callable[[tuple[Any, ...], Facts], Plan]]] = {
    "create_user": _create_user,
    "create_endpoint": _create_endpoint,
    "set_session_property": _set_session_property,
    "list": _list_here,  # of LISTED; all else is listed by the matcher
    "status": _status,
    "statistics": _statistics,
    **{verb: _managed(verb) for verb in MANAGED},
}
