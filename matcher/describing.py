"""``describe``: everything about one thing, with each of its properties: type, default, meaning, and the value it has.

Invariant: what ``describe`` says of a property is what its table in openoutcry.verbs says: there is no second list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from openoutcry import verbs
from openoutcry.errors import VerbError
from openoutcry.fix.settings import SESSION_SETTINGS
from openoutcry.matcher import desk, drafts, policies, queries
from openoutcry.matcher.fixsessions import settings_of
from openoutcry.parameters import Parameter, convert, explained
from openoutcry.verbs import (
    BOOK_PROPERTIES,
    DRAFT_ORDER_PROPERTIES,
    ENDPOINT_PROPERTIES,
    ENGINE_PROPERTIES,
    VERBS,
)

if TYPE_CHECKING:
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Endpoint, Session

Row = dict[str, Any]
USER_PROPERTIES: Final = {p.name: p for p in VERBS["create_user"].parameters if p.name not in ("name", "password")}
SESSION_PROPERTIES: Final = {p.name: p for p in VERBS["set_desk"].parameters if p.name in ("account", "firm")}


def describe(machine: Machine, name: str, kind: str, of: str | None) -> Row:
    """One thing. of: the desk of an order or quote, the endpoint of a session, the engine of a policy."""
    try:
        return KINDS[kind](machine, name, of)
    except VerbError as error:  # of a function that calls these two by other names
        field = "name" if error.field in ("name", *_NAMED.get(kind, ())) else "of"
        raise VerbError(error.code, field, error.text) from None


_NAMED: Final = {"order": ("order_id",), "quote": ("quote_id",), "desk": ("desk",)}


def _find(table: Mapping[str, Any], what: str, name: str, field: str = "name") -> Any:
    found = table.get(name)
    if found is None:
        raise VerbError("unknown_name", field, f"there is no {what} {name!r}")
    return found


# ------------------------------------------------------------------------------------------------- by kind
def _engine(machine: Machine, name: str, of: str | None) -> Row:
    engine = _find(machine.engines, "engine", name)
    return {
        **queries.engine_row(engine),
        "books": [book.name for book in engine.symbols.values()],
        "endpoints": [each.name for each in machine.endpoints.values() if each.engine is engine],
        "explained": explained(ENGINE_PROPERTIES, engine.properties),
    }


def _book(machine: Machine, name: str, of: str | None) -> Row:
    book = _find(machine.books, "book", name)
    return {**queries.book_facts(book), "explained": explained(BOOK_PROPERTIES, book.properties)}


def _endpoint(machine: Machine, name: str, of: str | None) -> Row:
    endpoint = _find(machine.endpoints, "endpoint", name)
    return {**queries.endpoint_row(endpoint), "users": [session.user for session in endpoint.sessions.values()],
            "explained": explained(ENDPOINT_PROPERTIES, endpoint.properties)}  # fmt: skip


def _session(machine: Machine, name: str, of: str | None) -> Row:
    """A session by its number or by whose it is; a FIX session that was set up also before it has logged on."""
    for endpoint in machine.endpoints.values():
        if of not in (None, endpoint.name):
            continue
        known = name if endpoint.is_fix else name.upper()
        session = endpoint.sessions.get(known)
        if session is None and name.isdecimal():
            session = next((each for each in endpoint.sessions.values() if each.number == int(name)), None)
        if session is None and known not in endpoint.fix_sessions and known not in endpoint.held_sessions:
            continue
        row = _session_row(endpoint, known, session)
        user = session.user if session is not None else known
        table, given = (SESSION_SETTINGS, settings_of(endpoint, user)) if endpoint.is_fix else (SESSION_PROPERTIES, row)
        own = explained(verbs.SESSION_PROPERTIES, {"auto_receive": user not in endpoint.held_sessions})
        return {**row, "explained": [*explained(table, given), *own]}
    raise VerbError("unknown_name", "name", f"there is no session {name!r}")


def _session_row(endpoint: Endpoint, name: str, session: Session | None) -> Row:
    if session is not None:
        return queries.session_row(session)
    if name in endpoint.fix_sessions:
        return queries.fix_session_row(endpoint, name)
    return {"endpoint": endpoint.name, "user": name, "connection": 0}  # whose client has never come


def _order(machine: Machine, name: str, of: str | None) -> Row:
    """An order in the making, or a live one of a desk."""
    owner = of or DESK
    if (owner, name) in machine.drafts.of[drafts.ORDER]:
        return drafts.describe(machine, drafts.ORDER, name, owner)
    row = queries.order_row(desk.known(machine, owner, None, name).live[name.encode()])
    given = {p.name: _stored(p, row[p.name]) for p in DRAFT_ORDER_PROPERTIES.values() if p.name in row}
    return {**row, "explained": explained(DRAFT_ORDER_PROPERTIES, given)}


def _stored(p: Parameter, value: Any) -> Any:
    return convert(p, value, p.name) if p.type == "price" else value


def _quote(machine: Machine, name: str, of: str | None) -> Row:
    return drafts.describe(machine, drafts.QUOTE, name, of or DESK)


def _user(machine: Machine, name: str, of: str | None) -> Row:
    row = queries.user_row(_find(machine.users, "user", name.upper()))
    return {**row, "explained": explained(USER_PROPERTIES, row)}


def _desk(machine: Machine, name: str, of: str | None) -> Row:
    if of is not None:
        _find(machine.engines, "engine", of, "of")
    row = desk.desk_row(desk.known(machine, name, of))
    return {**row, "explained": explained(SESSION_PROPERTIES, row)}


def _policy(machine: Machine, name: str, of: str | None) -> Row:
    engines = machine.engines.values() if of is None else [_find(machine.engines, "engine", of, "of")]
    for engine in engines:
        policy = engine.stage.policies.get(name) if engine.stage is not None else None
        if policy is not None:
            return {**policy.row(), "explained": explained(policies.options_of(policy.kind), policy.options)}
    raise VerbError("unknown_name", "name", f"there is no policy {name!r}")


DESK: Final = "desk"  # the desk of orders, when none is named
KINDS: Final[dict[str, Callable[[Any, str, str | None], Row]]] = {
    "book": _book,
    "engine": _engine,
    "endpoint": _endpoint,
    "session": _session,
    "order": _order,
    "quote": _quote,
    "user": _user,
    "desk": _desk,
    "policy": _policy,
}
