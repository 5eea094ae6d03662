"""What the machine tells about itself: rows for people and programs, made of JSON types, changing nothing.

Prices are decimal texts, since an integer in 1e-8 does not always fit the numbers of JSON; passwords never appear.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openoutcry.errors import VerbError
from openoutcry.verbs import (
    BOOK_PROPERTIES,
    ENDPOINT_PROPERTIES,
    ENGINE_PROPERTIES,
    VERBS,
    Parameter,
    convert,
    price_text,
)
from openoutcry.wire import PHASES, ROLES

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book, Side
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Endpoint, Peer, Session, User

Row = dict[str, Any]


def answer(machine: Machine, what: str, argument: Mapping[str, Any]) -> Any:
    """``Machine.query``. Raises VerbError for an unknown question, name or argument."""
    if what == "list":
        return _list(machine, _argument("list", "kind", argument))
    if what == "depth":
        return _depth(machine, _argument("depth", "book", argument), _argument("depth", "levels", argument))
    if what == "state_hash":
        return {"sequence": machine.sequence, "hash": machine.state_hash()}
    if what == "statistics":
        return statistics(machine)
    if what == "peers":
        return [peer_row(peer) for peer in machine.peers.values()]
    raise VerbError("unknown_verb", "what", f"{what!r} is not a question; there are list, depth, state_hash, "
                                            "statistics, peers")  # fmt: skip


def _argument(verb: str, name: str, given: Mapping[str, Any]) -> Any:
    parameter = next(p for p in VERBS[verb].parameters if p.name == name)
    if name not in given:
        if parameter.required:
            raise VerbError("bad_argument", name, f"{verb} needs {name}")
        return parameter.default
    return convert(parameter, given[name], verb)


def _list(machine: Machine, kind: str) -> list[Row]:
    if kind == "engines":
        return [engine_row(engine) for engine in machine.engines.values()]
    if kind == "books":
        return [book_row(book) for book in machine.books.values()]
    if kind == "endpoints":
        return [endpoint_row(endpoint) for endpoint in machine.endpoints.values()]
    if kind == "users":
        return [user_row(user) for user in machine.users.values()]
    if kind == "sessions":
        return [session_row(session) for session in machine.sessions.values()]
    if kind == "properties":
        return property_rows()
    kinds = "engines, books, endpoints, users, sessions, properties"
    raise VerbError("bad_argument", "kind", f"kind is {kind!r}, it must be one of: {kinds}")


def _depth(machine: Machine, name: str, levels: int) -> Row:
    book = machine.books.get(name)
    if book is None:
        raise VerbError("unknown_name", "book", f"there is no book {name!r}")
    return {"book": name, "symbol": book.symbol, "phase": PHASES[book.phase],
            "bids": _levels(book, book.bids, levels), "asks": _levels(book, book.asks, levels)}  # fmt: skip


def _levels(book: Book, side: Side, levels: int) -> list[list[Any]]:
    return [[price_text(price), quantity, orders] for price, quantity, orders in book.depth(side, levels)]


def _shown(table: Mapping[str, Parameter], properties: Mapping[str, Any]) -> Row:
    return {name: price_text(value) if table[name].type == "price" else value for name, value in properties.items()}


def engine_row(engine: Engine) -> Row:
    """One engine."""
    return {"name": engine.name, "kind": engine.kind, "day": engine.day, "phase": PHASES[engine.phase],
            "properties": _shown(ENGINE_PROPERTIES, engine.properties)}  # fmt: skip


def book_row(book: Book) -> Row:
    """One book."""
    return {"name": book.name, "number": book.number, "engine": book.engine, "symbol": book.symbol,
            "phase": PHASES[book.phase], "halted": book.halted,
            "properties": _shown(BOOK_PROPERTIES, book.properties)}  # fmt: skip


def endpoint_row(endpoint: Endpoint) -> Row:
    """One endpoint. host and port: where it is open, or "" and 0 before it is; error: of its last opening."""
    return {"name": endpoint.name, "engine": endpoint.engine.name, "protocol": endpoint.protocol,
            "gateway": endpoint.gateway, "host": endpoint.bound_host, "port": endpoint.bound_port,
            "error": endpoint.error, "sessions": len(endpoint.sessions),
            "properties": _shown(ENDPOINT_PROPERTIES, endpoint.properties)}  # fmt: skip


def user_row(user: User) -> Row:
    """One user, without the password's hash."""
    return {"name": user.name, "endpoint": user.endpoint, "account": user.account}


def session_row(session: Session) -> Row:
    """One session; connection: its gateway's number of it, 0 for none."""
    return {"number": session.number, "endpoint": session.endpoint.name, "user": session.user,
            "connection": session.connection, "stream": session.stream_name, "active": session.owner is not None,
            "tokens": len(session.tokens), "open_orders": len(session.live)}  # fmt: skip


def peer_row(peer: Peer) -> Row:
    """One peer as the journal knows it."""
    return {"name": peer.name, "role": ROLES[peer.role], "generation": peer.generation,
            "last_command": peer.last_command}  # fmt: skip


def property_rows() -> list[Row]:
    """Every property there is, of everything."""
    tables = (("engine", ENGINE_PROPERTIES), ("book", BOOK_PROPERTIES), ("endpoint", ENDPOINT_PROPERTIES))
    return [
        {"of": owner, "name": p.name, "type": p.type, "meaning": p.meaning,
         "default": _shown(table, {p.name: p.default})[p.name]}
        for owner, table in tables for p in table.values()
    ]  # fmt: skip


def statistics(machine: Machine) -> Row:
    """Counters, and the sizes of things."""
    return {
        **machine.counters,
        "sequence": machine.sequence,
        "epoch": machine.epoch,
        "orders": machine.numbers.order,
        "trades": machine.numbers.match,
        "open_orders": sum(len(session.live) for session in machine.sessions.values()),
        "tokens": sum(len(session.tokens) for session in machine.sessions.values()),
        "timers": len(machine.timers),
        "engines": len(machine.engines),
        "books": len(machine.books),
        "endpoints": len(machine.endpoints),
        "users": len(machine.users),
        "sessions": len(machine.sessions),
        "peers": len(machine.peers),
    }
