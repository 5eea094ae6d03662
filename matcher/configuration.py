"""The journaled verbs that set an exchange up: engines, books, endpoints, users. What each does, and what it answers.

Rule 1. A verb does everything it says or, when it raises VerbError, nothing.
Rule 2. Its outcome depends on the machine's state and its arguments alone.
Rule 3. Every name has one owner: engines, books, endpoints and users are four separate sets of names.

A handler takes the machine, the asker ``(peer, request)``, and the verb's arguments; it returns what RESULT shows, or
``HELD`` when the answer comes later: `create_endpoint` is answered when the gateway has opened the port. The verbs of
the market's operators are in openoutcry.matcher.operations, those that enter orders in openoutcry.matcher.desk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from openoutcry import plugins
from openoutcry.errors import VerbError
from openoutcry.matcher import days, gone, masscancel, queries, trading
from openoutcry.matcher.engine import Engine, book_announcement
from openoutcry.matcher.policy import policy_of
from openoutcry.matcher.sessions import ECHO_KIND, MANUAL_KIND, Endpoint, Peer, Session, User
from openoutcry.parameters import Parameter, set_property
from openoutcry.verbs import BOOK_PROPERTIES, ENDPOINT_PROPERTIES, ENGINE_PROPERTIES
from openoutcry.wire import (
    BOOK_DELETED,
    CANCEL_SUPERVISORY,
    ENDPOINT_DELETED,
    PHASE_ENDED,
    ROLE_GATEWAY,
    USER_DELETED,
    USER_SET,
)

if TYPE_CHECKING:
    from openoutcry.matcher.machine import Machine

Asker = tuple[str, int]
Named = TypeVar("Named")
HELD: Final = object()

KINDS: Final = ("matching", MANUAL_KIND, ECHO_KIND)  # of engines
PROTOCOLS: Final = ("ouch42", "fix", "fix40", "fix41", "fix42", "fix43", "fix44", "fix50", "fix50sp1", "fix50sp2")

# What a machine holds at most: far above any real exchange, and low enough for the memory of one host.
ENGINES_MAX: Final = 64
BOOKS_MAX: Final = 65_536  # the largest markets have some 12,000 symbols
ENDPOINTS_MAX: Final = 1_024  # a listening socket each
USERS_MAX: Final = 100_000  # every gateway holds them all


def find(table: Mapping[str, Named], field: str, what: str, name: str) -> Named:
    """What has that name. Raises VerbError (unknown_name)."""
    found = table.get(name)
    if found is None:
        raise VerbError("unknown_name", field, f"there is no {what} {name!r}")
    return found


def _claim(table: Mapping[str, object], what: str, name: str, most: int) -> None:
    if name in table:
        raise VerbError("exists", "name", f"there is another {what} {name!r} already")
    if len(table) >= most:
        raise VerbError("limit", "name", f"there are {most} {what}s, which is the limit")


def _choose_protocol(machine: Machine, name: str) -> None:
    if not pluginload.is_known(machine, plugins.PROTOCOLS, name):
        raise pluginload.why_not(machine, plugins.PROTOCOLS, "protocol", name, pluginload.protocols(machine))


def defaults(table: Mapping[str, Parameter]) -> dict[str, Any]:
    """Every property of a table with its default."""
    return {name: parameter.default for name, parameter in table.items()}


# ------------------------------------------------------------------------------------------------- engines
def create_engine(machine: Machine, asker: Asker, name: str, kind: str) -> Any:
    """Make an engine: day 1, open."""
    _claim(machine.engines, "engine", name, ENGINES_MAX)
    if not pluginload.is_known(machine, plugins.ENGINES, kind):
        raise pluginload.why_not(machine, plugins.ENGINES, "kind", kind, pluginload.engine_kinds(machine))
    engine = Engine(name, kind, machine.public.events, machine.schedule, machine.numbers)
    engine.properties = defaults(ENGINE_PROPERTIES)
    try:
        pluginload.inhabit(machine, engine)
    except plugins.PluginError as error:
        raise VerbError("bad_argument", "kind", str(error)) from None
    machine.engines[name] = engine
    if engine.by_hand:
        try:
            staging.stage_of(machine, engine)
        except VerbError:
            del machine.engines[name]  # there can be no more desks
            raise
        stage.refresh(engine)
    return queries.engine_row(engine)


def delete_engine(machine: Machine, asker: Asker, name: str) -> Any:
    """Remove an engine without books and endpoints."""
    engine = find(machine.engines, "name", "engine", name)
    users = [f"book {book.name!r}" for book in engine.symbols.values()]
    users += [f"endpoint {endpoint.name!r}" for endpoint in endpoints_of(machine, engine)]
    if users:
        others = f" and {len(users) - 1} more" if users[1:] else ""
        raise VerbError("in_use", "name", f"engine {name!r} still has {users[0]}{others}: delete that first")
    gone.forget_sessions(machine, sessions_of(machine, engine))  # its desks: without books they have no orders
    machine.desks.pop(name, None)
    del machine.engines[name]
    return {"name": name}


def set_engine_property(machine: Machine, asker: Asker, engine: str, name: str, value: Any) -> Any:
    """Set one of ENGINE_PROPERTIES; it holds from the next order on."""
    found = find(machine.engines, "engine", "engine", engine)
    found.properties[name] = set_property(ENGINE_PROPERTIES, f"engine {engine}", name, value)
    for book in found.symbols.values():
        found.set_limits(book)
    if name == "auto_receive":
        for endpoint in endpoints_of(machine, found):
            tell_gateway(machine, endpoint)
    return queries.engine_row(found)


def endpoints_of(machine: Machine, engine: Engine) -> list[Endpoint]:
    """The endpoints of an engine, in the order they were made."""
    return [endpoint for endpoint in machine.endpoints.values() if endpoint.engine is engine]


def sessions_of(machine: Machine, engine: Engine) -> list[Session]:
    """The sessions of an engine, desks among them, in the order they were made."""
    return [session for session in machine.sessions.values() if session.endpoint.engine is engine]


def _step(verb: str) -> Callable[..., Any]:
    def handler(machine: Machine, asker: Asker, engine: str) -> Any:
        found = find(machine.engines, "engine", "engine", engine)
        days.step(found, verb, sessions_of(machine, found))
        return queries.engine_row(found)

    return handler


# ------------------------------------------------------------------------------------------------- books
def create_book(machine: Machine, asker: Asker, name: str, engine: str, symbol: str) -> Any:
    """Make a book in its engine's phase."""
    _claim(machine.books, "book", name, BOOKS_MAX)
    found = find(machine.engines, "engine", "engine", engine)
    if not found.has_books:
        raise VerbError("wrong_state", "engine", f"engine {engine!r} is of kind {found.kind}: it has no books")
    if symbol in found.symbols:
        taken = found.symbols[symbol].name
        raise VerbError("exists", "symbol", f"symbol {symbol!r} on {engine!r} is that of book {taken!r}")
    machine.books_made += 1
    book = machine.make_book(machine.books_made, name, engine, symbol)
    book.properties = defaults(BOOK_PROPERTIES)
    found.adopt(book)
    machine.public.events.append(book_announcement(book))
    found.announce(book, "create_book")
    return queries.book_row(book)


def delete_book(machine: Machine, asker: Asker, name: str) -> Any:
    """Cancel a book's orders, wherever they wait, and remove it with its trades, positions and limits."""
    book = find(machine.books, "name", "book", name)
    engine = machine.engines[book.engine]
    refuse_while_ended(engine, f"book {name!r}", bool(masscancel.live_orders(book)))
    while orders := masscancel.live_orders(book):  # what they set off can bring new ones (openoutcry.matcher.pairs)
        masscancel.cancel_all(orders, CANCEL_SUPERVISORY)
        trading.settle_all(machine.numbers)
    del engine.symbols[book.symbol]
    del machine.books[name]
    if engine.guard is not None:
        engine.guard.forget_book(name)
    gone.forget_book(machine.numbers, book)
    machine.drafts.forget_book(name)
    machine.public.events.append((BOOK_DELETED, book.number))
    return {"name": name}


def refuse_while_ended(engine: Engine, what: str, has_orders: bool, field: str = "name") -> None:
    """Orders that outlive the day cannot be cancelled before the next: nobody could be told. Raises VerbError."""
    if has_orders and engine.phase == PHASE_ENDED:
        text = f"{what} has orders that outlive the day, which has ended: use start_of_day first"
        raise VerbError("wrong_state", field, text)


def set_book_property(machine: Machine, asker: Asker, book: str, name: str, value: Any) -> Any:
    """Set one of BOOK_PROPERTIES; resting orders stay as they are."""
    found = find(machine.books, "book", "book", book)
    value = set_property(BOOK_PROPERTIES, f"book {book}", name, value)
    try:
        policy = policy_of({**found.properties, name: value})  # before anything has changed
    except VerbError as error:
        raise VerbError(error.code, "value", error.text) from None
    found.properties[name] = value
    machine.engines[found.engine].limit(found, policy)
    machine.public.events.append(book_announcement(found))
    trading.touch(found)
    if name in pricing.PROPERTIES:
        pricing.configure(machine, found)
    return queries.book_row(found)


# ------------------------------------------------------------------------------------------------- endpoints
def create_endpoint(
    machine: Machine, asker: Asker, name: str, engine: str, protocol: str, gateway: str | None, host: str, port: int
) -> Any:
    """Make an endpoint and give it to a gateway; without one it waits for the first that comes."""
    _claim(machine.endpoints, "endpoint", name, ENDPOINTS_MAX)
    found = find(machine.engines, "engine", "engine", engine)
    _choose_protocol(machine, protocol)
    endpoint = machine.endpoints[name] = Endpoint(name, found, protocol, gateway or "", host, port)
    endpoint.properties = defaults(ENDPOINT_PROPERTIES)
    endpoint.asker = asker
    candidates = [peer for peer in machine.peers.values() if _may_host(peer, endpoint)]
    if candidates:
        load = {peer.name: 0 for peer in candidates}
        for other in machine.endpoints.values():
            if other.gateway in load:
                load[other.gateway] += 1
        assign(endpoint, min(candidates, key=lambda peer: (load[peer.name], peer.name)))
    return HELD


def _may_host(peer: Peer, endpoint: Endpoint) -> bool:
    return peer.role == ROLE_GATEWAY and endpoint.wanted in ("", peer.name)


def assign(endpoint: Endpoint, peer: Peer) -> None:
    """Give an endpoint to a gateway for good: it is told the FIX sessions first, no port opens before them."""
    endpoint.gateway = peer.name
    fixsessions.announce_all(endpoint, peer.stream.events)
    peer.stream.events.append(endpoint.announcement())


def greet_gateway(machine: Machine, peer: Peer) -> None:
    """Tell a brand-new gateway the time and the users, then the endpoints that waited for it: no port opens before."""
    if machine.clock.touched:
        peer.stream.events.append(machine.clock.set_event(machine.time_ns))
    for event in pluginload.greet(machine):  # one by one: the compiled tape has no other way in
        peer.stream.events.append(event)
    for user in machine.users.values():
        peer.stream.events.append(_user_announcement(user))
    for endpoint in machine.endpoints.values():
        if not endpoint.gateway and _may_host(peer, endpoint):
            assign(endpoint, peer)


def bound(machine: Machine, peer: Peer, command: tuple[Any, ...]) -> bool:
    """BOUND: a gateway has opened an endpoint's port, or could not. False when it is not that gateway's."""
    _, name, host, port, error = command
    endpoint = machine.endpoints.get(name)
    if endpoint is None or endpoint.gateway != peer.name:
        return False
    endpoint.error = error
    if not error:
        endpoint.bound_host, endpoint.bound_port = host, port
    asker, endpoint.asker = endpoint.asker, None
    if asker is not None and error:
        if not endpoint.bound_port:  # it never was open
            _drop_endpoint(machine, endpoint)
        machine.answer(asker, ("unavailable", "port", error), None)
    elif asker is not None:
        machine.answer(asker, (), queries.endpoint_row(endpoint))
    return True


def delete_endpoint(machine: Machine, asker: Asker, name: str) -> Any:
    """Cancel the orders of an endpoint's sessions, forget the sessions, and have the port closed."""
    endpoint = find(machine.endpoints, "name", "endpoint", name)
    users = [user.name for user in machine.users.values() if user.endpoint == name]
    if users:
        raise VerbError("in_use", "name", f"endpoint {name!r} still has {len(users)} users: delete {users[0]!r} first")
    has_orders = any(session.live for session in endpoint.sessions.values())
    refuse_while_ended(endpoint.engine, f"endpoint {name!r}", has_orders)
    if endpoint.asker is not None:
        machine.answer(endpoint.asker, ("unavailable", "name", f"endpoint {name!r} was deleted"), None)
    _drop_endpoint(machine, endpoint)
    return {"name": name}


def set_endpoint_engine(machine: Machine, asker: Asker, endpoint: str, engine: str) -> Any:
    """Have an endpoint serve another engine; answered when its gateway has taken that in."""
    found = find(machine.endpoints, "endpoint", "endpoint", endpoint)
    wanted = find(machine.engines, "engine", "engine", engine)
    if wanted is found.engine:
        raise VerbError("wrong_state", "engine", f"endpoint {endpoint!r} serves engine {engine!r} already")
    if wanted.phase == PHASE_ENDED:
        raise VerbError("wrong_state", "engine", f"the day of engine {engine!r} has ended: use start_of_day first")
    _may_change(found)
    for session in found.sessions.values():
        busy = found.engine.stage is not None and found.engine.stage.is_busy_with(session)
        if session.live or busy:
            what = "live orders" if session.live else "messages that wait"
            raise VerbError("in_use", "endpoint", f"session {session.user!r} of endpoint {endpoint!r} has {what}")
    for session in found.sessions.values():
        gone.leave_engine(machine, session)
    found.engine = wanted
    for session in found.sessions.values():
        session.books = wanted.symbols
        if session.connection and wanted.plugin is not None:
            wanted.plugin.connected(session)
    return _changed(machine, asker, found)


def set_endpoint_protocol(machine: Machine, asker: Asker, endpoint: str, protocol: str) -> Any:
    """Have an endpoint speak another protocol; answered when its port is open again."""
    found = find(machine.endpoints, "endpoint", "endpoint", endpoint)
    _choose_protocol(machine, protocol)
    if protocol == found.protocol:
        raise VerbError("wrong_state", "protocol", f"endpoint {endpoint!r} speaks {protocol!r} already")
    _may_change(found)
    if any(session.live for session in found.sessions.values()):
        raise VerbError("in_use", "endpoint", f"sessions of endpoint {endpoint!r} have live orders: cancel them first")
    sessions = list(found.sessions.values())
    gone.forget_sessions(machine, sessions)
    found.sessions.clear()
    found.fix_sessions.clear()
    found.held_sessions.clear()
    found.protocol = protocol
    if found.gateway:
        machine.streams[found.gateway].events.append((ENDPOINT_DELETED, endpoint))
    return _changed(machine, asker, found)


def _may_change(endpoint: Endpoint) -> None:
    """Raises VerbError while somebody waits for the endpoint already."""
    if endpoint.asker is not None:
        raise VerbError("wrong_state", "endpoint", f"endpoint {endpoint.name!r} is being opened")


def _changed(machine: Machine, asker: Asker, endpoint: Endpoint) -> Any:
    """Tell the gateway of an endpoint, whose BOUND is the answer."""
    if not endpoint.gateway:
        return queries.endpoint_row(endpoint)
    endpoint.asker = asker
    tell_gateway(machine, endpoint)
    return HELD


def _drop_endpoint(machine: Machine, endpoint: Endpoint) -> None:
    sessions = list(endpoint.sessions.values())
    cancel_sessions(machine, sessions)
    gone.forget_sessions(machine, sessions)
    del machine.endpoints[endpoint.name]
    if endpoint.gateway:
        machine.streams[endpoint.gateway].events.append((ENDPOINT_DELETED, endpoint.name))


def cancel_sessions(machine: Machine, sessions: Sequence[Session]) -> None:
    """Cancel all orders of sessions that are being removed."""
    while any(session.live for session in sessions):  # what they set off can bring new ones (openoutcry.matcher.pairs)
        for session in sessions:
            session.cancel_all(CANCEL_SUPERVISORY)
        trading.settle_all(machine.numbers)


def set_protocol_property(machine: Machine, asker: Asker, endpoint: str, name: str, value: Any) -> Any:
    """Set one of ENDPOINT_PROPERTIES."""
    found = find(machine.endpoints, "endpoint", "endpoint", endpoint)
    found.properties[name] = set_property(ENDPOINT_PROPERTIES, f"endpoint {endpoint}", name, value)
    tell_gateway(machine, found)
    return queries.endpoint_row(found)


def tell_gateway(machine: Machine, endpoint: Endpoint) -> None:
    """ENDPOINT_SET to the gateway that hosts it: it has changed."""
    if endpoint.gateway:
        machine.streams[endpoint.gateway].events.append(endpoint.announcement())


# ------------------------------------------------------------------------------------------------- users
def create_user(
    machine: Machine, asker: Asker, name: str, password_hash: str, endpoint: str | None, account: str | None,
    firm: str | None,
) -> Any:  # fmt: skip
    """Let a user log in. The password was hashed by the control service. Sessions have account and firm from log-on."""
    name = name.upper()
    _claim(machine.users, "user", name, USERS_MAX)
    if endpoint is not None:
        find(machine.endpoints, "endpoint", "endpoint", endpoint)
    user = machine.users[name] = User(name, endpoint or "", account or name, password_hash, firm or "")
    tell_gateways(machine, _user_announcement(user))
    return queries.user_row(user)


def delete_user(machine: Machine, asker: Asker, name: str) -> Any:
    """Forget a user. Its sessions stay: they belong to the endpoint."""
    user = find(machine.users, "name", "user", name.upper())
    del machine.users[user.name]
    tell_gateways(machine, (USER_DELETED, user.name))
    return {"name": user.name}


def _user_announcement(user: User) -> tuple[Any, ...]:
    return (USER_SET, user.name, user.endpoint, user.account, user.password_hash)


def tell_gateways(machine: Machine, event: tuple[Any, ...]) -> None:
    """An event for every gateway."""
    for peer in machine.peers.values():
        if peer.role == ROLE_GATEWAY:
            peer.stream.events.append(event)


HANDLERS: Final[dict[str, Callable[..., Any]]] = {
    "create_engine": create_engine,
    "delete_engine": delete_engine,
    "set_engine_property": set_engine_property,
    "create_book": create_book,
    "delete_book": delete_book,
    "set_book_property": set_book_property,
    "create_endpoint": create_endpoint,
    "delete_endpoint": delete_endpoint,
    "set_protocol_property": set_protocol_property,
    "set_endpoint_engine": set_endpoint_engine,
    "set_endpoint_protocol": set_endpoint_protocol,
    "create_user": create_user,
    "delete_user": delete_user,
    **{verb: _step(verb) for verb in ("start_of_day", "open", "close", "end_of_day")},
}

# At the end, since it needs what is above.
from openoutcry.matcher import fixsessions, pluginload, pricing, stage, staging  # noqa: E402  # they need what is above
