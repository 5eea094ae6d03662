"""The machine's state as bytes, and back: what a snapshot holds and what the state hash is taken of.

Invariant: the bytes are canonical. Two machines that were given the same inputs give the same bytes, and so does one
that was loaded on the way: everything is written in an order that the inputs determine (order of making, price-time
priority), and nothing that is left over from an optimisation is written (dead orders, empty levels, dead timers).

Format: one msgpack array, ``(MAGIC, VERSION, ...)``, without maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgpack

from openoutcry.errors import JournalError
from openoutcry.matcher.configuration import defaults
from openoutcry.matcher.engine import Engine
from openoutcry.matcher.orders import (
    DATA,
    DEADLINE,
    DONE,
    NUMBER,
    OPEN,
    PRICE,
    SESSION,
    SIDE,
    TIME_IN_FORCE,
    TOKEN,
    Order,
)
from openoutcry.matcher.sessions import Endpoint, Peer, Session, Stream, User
from openoutcry.verbs import BOOK_PROPERTIES, ENDPOINT_PROPERTIES, ENGINE_PROPERTIES

if TYPE_CHECKING:
    from openoutcry.matcher.machine import Machine

MAGIC: Final = "open outcry machine"
VERSION: Final = 1


# ------------------------------------------------------------------------------------------------- out
def dump(machine: Machine) -> bytes:
    """``Machine.dump``."""
    packed: bytes = msgpack.packb(
        (
            MAGIC,
            VERSION,
            (machine.sequence, machine.time_ns, machine.epoch, machine.numbers.order, machine.numbers.match,
             machine.books_made, machine.sessions_made),
            tuple(machine.counters.items()),
            tuple((s.name, s.end + len(s.events)) for s in machine.streams.values()),
            tuple((p.name, p.role, p.generation, p.last_command, p.stream.name) for p in machine.peers.values()),
            tuple((e.name, e.kind, e.day, e.phase, _pairs(e.properties)) for e in machine.engines.values()),
            tuple((b.number, b.name, b.engine, b.symbol, b.halted, _pairs(b.properties))
                  for b in machine.books.values()),
            tuple((u.name, u.endpoint, u.account, u.password_hash) for u in machine.users.values()),
            tuple(_endpoint(endpoint) for endpoint in machine.endpoints.values()),
            tuple(_session(session) for session in machine.sessions.values()),
            tuple(tuple(_order(order) for order in book.orders()) for book in machine.books.values()),
        )
    )  # fmt: skip
    return packed


def _pairs(properties: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(properties.items()))


def _endpoint(e: Endpoint) -> tuple[Any, ...]:
    return (e.name, e.engine.name, e.protocol, e.wanted, e.host, e.port, e.gateway, e.bound_host, e.bound_port,
            e.error, e.asker, _pairs(e.properties))  # fmt: skip


def _session(s: Session) -> tuple[Any, ...]:
    return (s.number, s.endpoint.name, s.user, s.connection, s.day, s.owner is not None, tuple(s.tokens))


def _order(order: Order) -> tuple[Any, ...]:
    return (order[OPEN], order[PRICE], order[SIDE], order[NUMBER], order[SESSION].number, order[TOKEN], order[DONE],
            order[TIME_IN_FORCE], order[DEADLINE], order[DATA])  # fmt: skip


# ------------------------------------------------------------------------------------------------- in
def load(machine: Machine, data: bytes) -> Machine:
    """Fill a new machine from the bytes of ``dump``. Raises JournalError when they are no dump of this version."""
    try:
        magic, version, *parts = msgpack.unpackb(data, use_list=False, raw=False, strict_map_key=True)
        if magic != MAGIC:
            raise JournalError("this is not the state of a machine")
        if version != VERSION:
            raise JournalError(f"this state has version {version}, this program reads version {VERSION}")
        _fill(machine, parts)
    except JournalError:
        raise
    except Exception as error:  # whatever damaged bytes lead to, the caller falls back to an older snapshot
        raise JournalError(f"the state of a machine is damaged: {type(error).__name__}") from error
    return machine


def _fill(machine: Machine, parts: list[Any]) -> None:
    head, counters, streams, peers, engines, books, users, endpoints, sessions, orders = parts
    (machine.sequence, machine.time_ns, machine.epoch, machine.numbers.order, machine.numbers.match,
     machine.books_made, machine.sessions_made) = head  # fmt: skip
    machine.counters.update(counters)
    for name, end in streams:
        machine.streams.setdefault(name, Stream(name)).end = end
    for name, role, generation, last_command, stream in peers:
        machine.peers[name] = Peer(name, role, generation, last_command, machine.streams[stream])
    for row in engines:
        _add_engine(machine, *row)
    for row in books:
        _add_book(machine, *row)
    for row in users:
        machine.users[row[0]] = User(*row)
    for row in endpoints:
        _add_endpoint(machine, *row)
    for row in sessions:
        _add_session(machine, *row)
    _add_orders(machine, orders)


def _add_engine(machine: Machine, name: str, kind: str, day: int, phase: int, properties: Any) -> None:
    engine = machine.engines[name] = Engine(name, kind, machine.public.events.append)
    engine.day, engine.phase = day, phase
    engine.properties = {**defaults(ENGINE_PROPERTIES), **dict(properties)}


def _add_book(
    machine: Machine, number: int, name: str, engine: str, symbol: str, halted: bool, properties: Any
) -> None:
    book = machine.make_book(number, name, engine, symbol)
    book.halted = halted
    book.properties = {**defaults(BOOK_PROPERTIES), **dict(properties)}
    machine.engines[engine].adopt(book)


def _add_endpoint(
    machine: Machine, name: str, engine: str, protocol: str, wanted: str, host: str, port: int, gateway: str,
    bound_host: str, bound_port: int, error: str, asker: Any, properties: Any,
) -> None:  # fmt: skip
    endpoint = machine.endpoints[name] = Endpoint(name, machine.engines[engine], protocol, wanted, host, port)
    endpoint.gateway, endpoint.bound_host, endpoint.bound_port = gateway, bound_host, bound_port
    endpoint.error, endpoint.asker = error, asker
    endpoint.properties = {**defaults(ENDPOINT_PROPERTIES), **dict(properties)}


def _add_session(
    machine: Machine, number: int, endpoint: str, user: str, connection: int, day: int, active: bool, tokens: Any
) -> None:
    home = machine.endpoints[endpoint]
    peer = machine.peers[home.gateway]
    session = Session(number, home, user, peer.stream.events.append)
    session.connection, session.day = connection, day
    session.owner = peer if active else None
    session.tokens = dict.fromkeys(tokens)
    home.sessions[user] = machine.sessions[number] = session


def _add_orders(machine: Machine, books: Any) -> None:
    """Queues are refilled in their priority; a session's live orders in the order of their numbers, as they came."""
    found: list[Order] = []
    for book, rows in zip(machine.books.values(), books, strict=True):
        for left, price, side, number, session, token, done, tif, deadline, data in rows:
            owner = machine.sessions[session]
            order = [left, price, side, number, owner, token, done, tif, deadline, data, book, None]
            book.restore(order)
            found.append(order)
    for order in sorted(found, key=lambda each: each[NUMBER]):
        order[SESSION].live[order[TOKEN]] = order
