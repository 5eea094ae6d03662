"""The machine's state as bytes, and back: what a snapshot holds and what the state hash is taken of.

Invariant: the bytes are canonical. Two machines that were given the same inputs give the same bytes, and so does one
that was loaded on the way: everything is written in an order that the inputs determine (order of making, priority,
numbers), and nothing that is left over from an optimisation is written (dead orders, empty levels and rooms, dead
timers, what can be found again by looking).

Format: one msgpack array, ``(MAGIC, VERSION, ...)``, without maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgpack

from openoutcry.errors import JournalError
from openoutcry.matcher import placing, pluginload
from openoutcry.matcher.auction import Call
from openoutcry.matcher.book import Book
from openoutcry.matcher.configuration import defaults
from openoutcry.matcher.desk import Desk, place_of
from openoutcry.matcher.engine import Engine
from openoutcry.matcher.gone import NO_BOOK, NO_SESSION
from openoutcry.matcher.ledger import ledger_of
from openoutcry.matcher.masscancel import live_orders
from openoutcry.matcher.orders import (
    DATA,
    DEADLINE,
    DONE,
    NUMBER,
    OPEN,
    PRICE,
    SESSION,
    SIDE,
    TERMS,
    TIME_IN_FORCE,
    TOKEN,
    TRADE_FIELDS,
    TRADES_SIZE,
    Order,
)
from openoutcry.matcher.risk import guard_of
from openoutcry.matcher.rooms import rooms_of
from openoutcry.matcher.sessions import Endpoint, Peer, Session, Stream, User
from openoutcry.matcher.stage import refresh
from openoutcry.matcher.staging import stage_of
from openoutcry.matcher.terms import CALL, DARK, LIT, TRIGGER, Terms
from openoutcry.plugins import PluginError
from openoutcry.verbs import BOOK_PROPERTIES, ENDPOINT_PROPERTIES, ENGINE_PROPERTIES

if TYPE_CHECKING:
    from openoutcry.matcher.machine import Machine

MAGIC: Final = "open outcry machine"
VERSION: Final = 4

_UNUSED: Final = Call().dump()  # of a book that has had no auction, nor a phase of its own

Row = tuple[Any, ...]


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
            tuple((e.dump(), _if_any(e.guard), _stage(e), _plugin(e)) for e in machine.engines.values()),
            tuple(_book(book) for book in machine.books.values()),
            tuple((u.name, u.endpoint, u.account, u.password_hash, u.firm) for u in machine.users.values()),
            tuple(_endpoint(endpoint) for endpoint in machine.endpoints.values()),
            tuple(_session(session) for session in machine.sessions.values()),
            tuple(tuple(_order(order) for order in _orders(book)) for book in machine.books.values()),
            machine.schedule.dump(),
            _if_any(machine.numbers.ledger),
            _trades(machine),
            tuple(session.number for session in machine.numbers.again),
            machine.drafts.dump(),
            machine.clock.dump(),
            tuple((group, name, path) for (group, name), path in machine.plugins.items()),
        )
    )  # fmt: skip
    return packed


def _pairs(properties: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(properties.items()))


def _if_any(thing: Any) -> Row:
    """The dump of something that is made when it is first needed; () when there is nothing in it."""
    row: Row = thing.dump() if thing is not None else ()
    return row if any(row) else ()


def _plugin(e: Engine) -> Row:
    return e.plugin.dump() if e.plugin is not None else ()


def _stage(e: Engine) -> Row:
    return e.stage.dump() if e.stage is not None else ()


def _book(b: Book) -> Row:
    call, quotes = (b.rooms.call.dump(), b.rooms.quotes.dump()) if b.rooms is not None else (_UNUSED, ())
    worth = _if_any(b.rooms.worth) if b.rooms is not None else ()
    return (b.number, b.name, b.engine, b.symbol, b.halted, b.last_price, _pairs(b.properties),
            () if call == _UNUSED else call, quotes, worth)  # fmt: skip


def _endpoint(e: Endpoint) -> Row:
    return (e.name, e.engine.name, e.protocol, e.wanted, e.host, e.port, e.gateway, e.bound_host, e.bound_port,
            e.error, e.asker, _pairs(e.properties),
            tuple((name, _pairs(given)) for name, given in e.fix_sessions.items()), tuple(e.held_sessions))  # fmt: skip


def _session(s: Session) -> Row:
    """A session; a desk has its mailbox at the end, and its engine's name where others have their endpoint's."""
    desk = isinstance(s, Desk)
    where = s.endpoint.engine.name if desk else s.endpoint.name
    return (s.number, where, s.user, s.connection, s.day, s.owner is not None, tuple(s.tokens), s.account, s.firm,
            s.mail() if isinstance(s, Desk) else ())  # fmt: skip


def _orders(book: Book) -> list[Order]:
    """The live orders: those that the market sees, in priority order, then those it does not, by number."""
    if book.rooms is None or not book.rooms.live:
        return book.orders()
    return [*book.orders(), *(order for order in live_orders(book) if order[TERMS] and order[TERMS].where != LIT)]


def _order(order: Order) -> Row:
    terms = order[TERMS]
    return (order[OPEN], order[PRICE], order[SIDE], order[NUMBER], order[SESSION].number, order[TOKEN], order[DONE],
            order[TIME_IN_FORCE], order[DEADLINE], order[DATA], () if terms is None else terms.row())  # fmt: skip


def _trades(machine: Machine) -> list[Any]:
    """The last trades, flat as they are kept, with numbers in place of books and sessions."""
    fields = machine.numbers.trades[-TRADES_SIZE:]
    for place in _OBJECTS:
        fields[place::TRADE_FIELDS] = [thing.number for thing in fields[place::TRADE_FIELDS]]
    return fields


_OBJECTS: Final = (0, 4, 6)  # where a trade has its book, its one session and the other


# ------------------------------------------------------------------------------------------------- in
def load(machine: Machine, data: bytes) -> Machine:
    """Fill a new machine from the bytes of ``dump``. Raises JournalError when they are no dump of this version, and
    PluginError when a plugin that they need cannot be loaded."""
    try:
        magic, version, *parts = msgpack.unpackb(data, use_list=False, raw=False, strict_map_key=True)
        if magic != MAGIC:
            raise JournalError("this is not the state of a machine")
        if version != VERSION:
            raise JournalError(f"this state has version {version}, this program reads version {VERSION}")
        _fill(machine, parts)
    except (JournalError, PluginError):
        raise
    except Exception as error:  # whatever damaged bytes lead to, the caller falls back to an older snapshot
        raise JournalError(f"the state of a machine is damaged: {type(error).__name__}") from error
    return machine


def _fill(machine: Machine, parts: list[Any]) -> None:
    """Everything in an order in which each thing finds what it names; at last the books get their phases."""
    (head, counters, streams, peers, engines, books, users, endpoints, sessions, orders, schedule, ledger,
     trades, again, drafts, clock, loaded) = parts  # fmt: skip
    numbers = machine.numbers
    (machine.sequence, machine.time_ns, machine.epoch, numbers.order, numbers.match,
     machine.books_made, machine.sessions_made) = head  # fmt: skip
    numbers.time_ns = machine.time_ns
    machine.counters.update(counters)
    for name, end in streams:
        machine.streams.setdefault(name, Stream(name)).end = end
    for name, role, generation, last_command, stream in peers:
        machine.peers[name] = Peer(name, role, generation, last_command, machine.streams[stream])
    for group, name, path in loaded:
        pluginload.install(machine, group, name, path)
    for row, *_ in engines:
        _add_engine(machine, row)
    for row in books:
        _add_book(machine, *row)
    for row in users:
        machine.users[row[0]] = User(*row)
    for row in endpoints:
        _add_endpoint(machine, *row)
    for row in sessions:
        _add_session(machine, *row)
    _add_orders(machine, orders)
    _fill_rooms(machine, books)
    machine.schedule.load(schedule)
    if ledger:
        ledger_of(numbers).load(ledger, machine.sessions)
    _add_trades(machine, list(trades))
    numbers.again.update((machine.sessions[number], None) for number in again)
    machine.drafts.load(drafts)
    machine.clock.load(clock)
    _begin(machine, engines)


def _add_engine(machine: Machine, row: Row) -> None:
    engine = Engine("", "", machine.public.events, machine.schedule, machine.numbers)
    engine.properties = defaults(ENGINE_PROPERTIES)
    engine.load(row)
    machine.engines[engine.name] = engine


def _add_book(
    machine: Machine, number: int, name: str, engine: str, symbol: str, halted: bool, last_price: int, properties: Any,
    call: Row, quotes: Row, worth: Row,
) -> None:  # fmt: skip
    book = machine.make_book(number, name, engine, symbol)
    book.halted, book.last_price = halted, last_price
    book.properties = {**defaults(BOOK_PROPERTIES), **dict(properties)}
    machine.engines[engine].adopt(book)


def _add_endpoint(
    machine: Machine, name: str, engine: str, protocol: str, wanted: str, host: str, port: int, gateway: str,
    bound_host: str, bound_port: int, error: str, asker: Any, properties: Any, fix_sessions: Any, held_sessions: Any,
) -> None:  # fmt: skip
    endpoint = machine.endpoints[name] = Endpoint(name, machine.engines[engine], protocol, wanted, host, port)
    endpoint.gateway, endpoint.bound_host, endpoint.bound_port = gateway, bound_host, bound_port
    endpoint.error, endpoint.asker = error, asker
    endpoint.properties = {**defaults(ENDPOINT_PROPERTIES), **dict(properties)}
    endpoint.fix_sessions = {name: dict(given) for name, given in fix_sessions}
    endpoint.held_sessions = dict.fromkeys(held_sessions)


def _add_session(
    machine: Machine, number: int, where: str, user: str, connection: int, day: int, active: bool, tokens: Any,
    account: str, firm: str, mail: Row,
) -> None:  # fmt: skip
    if mail:
        home = place_of(machine, machine.engines[where])
        desk = Desk(number, home, user)
        desk.forgotten, events = mail
        desk.events.extend(events)
        session: Session = desk
    else:
        home = machine.endpoints[where]
        peer = machine.peers[home.gateway]
        session = Session(number, home, user, peer.stream.events, peer)
    session.connection, session.day = connection, day
    session.owner = session.peer if active else None
    session.tokens = dict.fromkeys(tokens)
    session.account, session.firm = account, firm
    home.sessions[user] = machine.sessions[number] = session


def _add_orders(machine: Machine, books: Any) -> None:
    """Queues are refilled in their priority; a session's live orders in the order of their numbers, as they came."""
    found: list[Order] = []
    for book, rows in zip(machine.books.values(), books, strict=True):
        for left, price, side, number, session, token, done, tif, deadline, data, terms in rows:
            owner = machine.sessions[session]
            kept = Terms.from_row(terms) if terms else None
            order = [left, price, side, number, owner, token, done, tif, deadline, data, book, None, kept]
            _put(book, order)
            found.append(order)
    for order in sorted(found, key=lambda each: each[NUMBER]):
        order[SESSION].live[order[TOKEN]] = order


def _put(book: Book, order: Order) -> None:
    """Let an order wait where it waited."""
    terms = order[TERMS]
    if order[DEADLINE]:
        book.timers.add(order)
    if terms is None or terms.where in (LIT, DARK):
        placing.append(placing.side_of(book, order), order)
    if terms is None:
        return
    rooms = rooms_of(book)
    rooms.live += 1
    if terms.where == TRIGGER:
        rooms.triggers.add(order)
    elif terms.where == CALL:
        rooms.call.add(order)
    if terms.peg:
        rooms.pegs.add(order)


def _fill_rooms(machine: Machine, books: Any) -> None:
    """What the rooms hold beside orders."""
    for book, (*_, call, quotes, worth) in zip(machine.books.values(), books, strict=True):
        if call:
            rooms_of(book).call.load(call)
        if quotes:
            rooms_of(book).quotes.load(quotes)
        if worth:
            rooms_of(book).worth.load(worth)


def _add_trades(machine: Machine, fields: list[Any]) -> None:
    books = {book.number: book for book in (NO_BOOK, *machine.books.values())}
    sessions = {0: NO_SESSION, **machine.sessions}
    tables: tuple[dict[int, Any], ...] = (books, sessions, sessions)
    for place, things in zip(_OBJECTS, tables, strict=True):
        fields[place::TRADE_FIELDS] = [things[number] for number in fields[place::TRADE_FIELDS]]
    machine.numbers.trades.extend(fields)


def _begin(machine: Machine, engines: Any) -> None:
    """What is worked out from all the rest: what guards watch, and the phases of the books."""
    for engine, (_, guard, stage, plugin) in zip(machine.engines.values(), engines, strict=True):
        for book in engine.symbols.values():
            engine.adopt(book)
        if guard:
            guard_of(machine, engine).load(guard)
        if plugin:
            pluginload.restore(machine, engine, plugin)
        if stage:  # its kind depends on whether there is a plugin
            stage_of(machine, engine).load(stage, machine.sessions)
            refresh(engine)
    machine.numbers.unsettled.clear()
