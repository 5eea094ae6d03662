"""What the machine tells about itself: rows for people and programs, made of JSON types, changing nothing.

Prices are decimal texts, since an integer in 1e-8 does not always fit the numbers of JSON; passwords never appear.

Here are the questions there are (``QUESTIONS``), what is asked about one book, desk or account, and how each thing is
as a row. ``list`` is in openoutcry.matcher.listing, ``describe`` in openoutcry.matcher.describing; how an answer comes
to who has asked is in openoutcry.matcher.questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from sys import maxsize
from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.errors import VerbError
from openoutcry.matcher import auction, ledger
from openoutcry.matcher.asking import ahead_of
from openoutcry.matcher.book import shown_of
from openoutcry.matcher.masscancel import live_orders
from openoutcry.matcher.orders import (
    BOOK,
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
    Order,
)
from openoutcry.matcher.phases import RULES
from openoutcry.matcher.terms import CALL, DARK, LIT, PARKED, TRIGGER
from openoutcry.parameters import Parameter, convert, price_text
from openoutcry.verbs import (
    BOOK_PROPERTIES,
    ENDPOINT_PROPERTIES,
    ENGINE_PROPERTIES,
    ORDER_PROPERTIES,
    ORDER_SIDES,
    VERBS,
)
from openoutcry.wire import PHASES, ROLES

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book, Side
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Endpoint, Peer, Session, User

Row = dict[str, Any]

_BOOK_DEFAULTS: Final = {name: p.default for name, p in BOOK_PROPERTIES.items()}
_WHERE: Final = {LIT: "lit", DARK: "dark", TRIGGER: "trigger", CALL: "auction", PARKED: "parked"}
SIDES: Final = {code: name for name, code in ORDER_SIDES.items()}
_CODES: Final = {"post_only": wire.POST_ONLY_MODES, "peg": wire.PEGS, "self_match": wire.SELF_MATCH_MODES}


def answer(machine: Machine, what: str, argument: Mapping[str, Any]) -> Any:
    """``Machine.query``. Raises VerbError for an unknown question, name or argument."""
    if what == "gateway_of":
        return _gateway_of(machine, argument)
    question = QUESTIONS.get(what)
    if question is None:
        raise VerbError("unknown_verb", "what", f"{what!r} is not a question; there are {', '.join(QUESTIONS)}")
    given = [_argument(what, p, argument) for p in VERBS[what].parameters] if what in VERBS else []
    return question(machine, *given)


def _argument(verb: str, parameter: Parameter, given: Mapping[str, Any]) -> Any:
    if parameter.name in given:
        return convert(parameter, given[parameter.name], verb)
    if parameter.required:
        raise VerbError("bad_argument", parameter.name, f"{verb} needs {parameter.name}")
    return parameter.default


def _find(table: Mapping[str, Any], what: str, name: str) -> Any:
    found = table.get(name)
    if found is None:
        raise VerbError("unknown_name", what, f"there is no {what} {name!r}")
    return found


def _list(machine: Machine, kind: str, skip: int) -> list[Row]:
    from openoutcry.matcher import listing

    return listing.rows(machine, kind, skip)


def _depth(machine: Machine, name: str, levels: int) -> Row:
    book = _find(machine.books, "book", name)
    return {"book": name, "symbol": book.symbol, "phase": PHASES[book.phase],
            "bids": _levels(book, book.bids, levels), "asks": _levels(book, book.asks, levels)}  # fmt: skip


def _state_hash(machine: Machine) -> Row:
    return {"sequence": machine.sequence, "hash": machine.state_hash()}


def _gateway_of(machine: Machine, argument: Mapping[str, Any]) -> str:
    """Name of the gateway that hosts an endpoint, "" before there is one: who knows its connections."""
    found: str = _find(machine.endpoints, "endpoint", str(argument.get("endpoint"))).gateway
    return found


def _peers(machine: Machine) -> list[Row]:
    return [peer_row(peer) for peer in machine.peers.values()]


def _levels(book: Book, side: Side, levels: int) -> list[list[Any]]:
    return [[price_text(price), quantity, orders] for price, quantity, orders in book.depth(side, levels)]


def shown(table: Mapping[str, Parameter], properties: Mapping[str, Any]) -> Row:
    return {name: price_text(value) if table[name].type == "price" else value for name, value in properties.items()}


# ------------------------------------------------------------------------------------------------- one book
def _indicative(machine: Machine, name: str) -> Row:
    """Where the auction that is next would end; imbalance: of the side that has more."""
    book = _find(machine.books, "book", name)
    owed = book.rooms.call.owed if book.rooms is not None else 0
    found = auction.outcome(book, owed or RULES[book.phase].cross or wire.CROSS_HALT)
    side = "buy" if found.imbalance > 0 else "sell" if found.imbalance < 0 else ""
    return {"book": name, "phase": PHASES[book.phase], "price": price_text(found.price), "quantity": found.volume,
            "side": side, "imbalance": abs(found.imbalance)}  # fmt: skip


def _describe(machine: Machine, name: str, kind: str, of: str | None) -> Row:
    from openoutcry.matcher import describing

    return describing.describe(machine, name, kind, of)


def book_facts(book: Book) -> Row:
    """Everything about one book but its orders."""
    call = book.rooms.call if book.rooms is not None else auction.Call()
    bands = book.policy.bands if book.policy is not None else None
    low, high = bands.limits(book) if bands is not None else (0, 0)
    return {
        **book_row(book),
        "last_price": price_text(book.last_price),
        "auction_price": price_text(call.price),
        "price": price_text(book.rooms.worth.price if book.rooms is not None else 0),
        "band_low": price_text(low),
        "band_high": price_text(high),
        "own_phase": PHASES.get(call.auction or call.own, ""),
        "next_cross": wire.CROSSES.get(call.owed, ""),
        "limit_state": bool(call.limited),
        "timetable": call.timetable.text if call.timetable is not None else "",
        "plain": book.plain,
        "orders": _counts(book),
        "properties": shown(BOOK_PROPERTIES, book.properties),
    }


def _counts(book: Book) -> Row:
    """How many live orders wait where."""
    lit = sum(len(level.queue) - level.dead for side in (book.bids, book.asks) for level in side.levels.values())
    found = {**dict.fromkeys(_WHERE.values(), 0), "lit": lit}
    if book.rooms is not None and book.rooms.live:
        for order in live_orders(book):
            if order[TERMS] is not None and order[TERMS].where != LIT:
                found[_WHERE[order[TERMS].where]] += 1
    return found


def _trades(machine: Machine, name: str, count: int, skip: int) -> list[Row]:
    return ledger.trades(machine.numbers, _find(machine.books, "book", name), count, skip)


# ------------------------------------------------------------------------------------------------- orders
def _orders(machine: Machine, name: str, desk: str | None, count: int, skip: int) -> list[Row]:
    book = _find(machine.books, "book", name)
    found = all_orders(book)
    if desk is not None:
        place = machine.desks.get(book.engine)
        owner = _find(place.sessions if place is not None else {}, "desk", desk)
        found = (order for order in owner.live.values() if order[BOOK] is book)
    return [order_row(order) for order in some(found, count, skip)]


def some(found: Iterator[Any], count: int, skip: int) -> Iterator[Any]:
    """`count` of them at most, after the first `skip`."""
    return islice(found, min(skip, maxsize - count), min(skip + count, maxsize))


def all_orders(book: Book) -> Iterator[Order]:
    """Live orders: buys, then sells, each in priority order; then those that the market does not see, by number."""
    yield from book.bids.orders()
    yield from book.asks.orders()
    if book.rooms is not None and book.rooms.live:
        yield from (order for order in live_orders(book) if order[TERMS] is not None and order[TERMS].where != LIT)


def order_row(order: Order) -> Row:
    """One live order with all its terms. quantity: open; shown: what the market sees of it."""
    terms, session = order[TERMS], order[SESSION]
    where = LIT if terms is None else terms.where
    row = {
        "order_id": text_of(order[TOKEN]), "number": order[NUMBER], "book": order[BOOK].name,
        "session": session.number, "user": session.user, "account": ledger.account_of(order),
        "side": SIDES[order[SIDE]], "quantity": order[OPEN], "executed": order[DONE],
        "price": price_text(order[PRICE]),
        "order_type": wire.ORDER_TYPES[wire.LIMIT if terms is None else terms.order_type],
        "time_in_force": wire.TIMES_IN_FORCE[order[TIME_IN_FORCE]], "where": _WHERE[where],
        "shown": shown_of(order) if where == LIT else 0,
    }  # fmt: skip
    if order[DEADLINE]:
        row["expire"] = order[DEADLINE]
    if terms is not None:
        if terms.minimum:
            row["minimum_quantity"] = terms.minimum
        row.update((wire.ORDER_TERMS[term].name, value) for term, value in terms.given())
        row.update({name: _term(name, row[name]) for name in ORDER_PROPERTIES if name in row and name not in _CODED})
    return row


_CODED: Final = ("order_type", "time_in_force", "expire", "minimum_quantity", "account")


def _term(name: str, value: Any) -> Any:
    """A term's value as the verbs give it."""
    kind = ORDER_PROPERTIES[name].type
    if kind == "price":
        return price_text(value)
    if kind == "choice":
        return _CODES[name][value]
    if kind == "bool":
        return bool(value)
    return text_of(value) if type(value) is bytes else value


def text_of(token: bytes) -> str:
    """A token for people: without the blanks that OUCH ends it with; what cannot be printed is written as escapes."""
    text = token.decode("ascii", "backslashreplace").rstrip(" ")
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _order_events(machine: Machine, name: str, since: int, engine: str | None, count: int) -> list[Row]:
    from openoutcry.matcher import desk

    return desk.event_rows(desk.known(machine, name, engine), since, count)


def _order_status(machine: Machine, order_id: str, name: str, engine: str | None) -> Row:
    """One live order, with the shares before it in its queue."""
    from openoutcry.matcher import desk

    order = desk.known(machine, name, engine, order_id).live[order_id.encode()]
    return {**order_row(order), "ahead": ahead_of(order)}


# ------------------------------------------------------------------------------------------------- accounts
def _positions(machine: Machine, engine: str, account: str | None, skip: int) -> list[Row]:
    symbols = _find(machine.engines, "engine", engine).symbols
    return ledger.position_rows(machine.numbers, {book.name: book for book in symbols.values()}, account)[skip:]


def _fees_paid(machine: Machine, account: str | None, skip: int) -> list[Row]:
    return ledger.fee_rows(machine.numbers, account)[skip:]


# ------------------------------------------------------------------------------------------------- rows
def engine_row(engine: Engine) -> Row:
    """One engine. halted: by `halt_market`; stopped: by `stop_engine`. policies: how many it has. failed: how its
    plugin has, "" when it has not, or there is none."""
    stage, plugin = engine.stage, engine.plugin
    return {"name": engine.name, "kind": engine.kind, "day": engine.day, "phase": PHASES[engine.phase],
            "halted": engine.halted, "stopped": stage is not None and stage.stopped,
            "policies": len(stage.policies) if stage is not None else 0,
            "failed": plugin.failed if plugin is not None else "",
            "timetable": engine.timetable.text if engine.timetable is not None else "",
            "properties": shown(ENGINE_PROPERTIES, engine.properties)}  # fmt: skip


def book_row(book: Book) -> Row:
    """One book. properties: those that differ from their defaults; `describe` shows all."""
    changed = {name: value for name, value in book.properties.items() if value != _BOOK_DEFAULTS[name]}
    return {"name": book.name, "number": book.number, "engine": book.engine, "symbol": book.symbol,
            "phase": PHASES[book.phase], "halted": book.halted,
            "properties": shown(BOOK_PROPERTIES, changed)}  # fmt: skip


def endpoint_row(endpoint: Endpoint) -> Row:
    """One endpoint. host and port: where it is open, or "" and 0 before it is; error: of its last opening."""
    return {"name": endpoint.name, "engine": endpoint.engine.name, "protocol": endpoint.protocol,
            "gateway": endpoint.gateway, "host": endpoint.bound_host, "port": endpoint.bound_port,
            "error": endpoint.error, "sessions": len(endpoint.sessions),
            "properties": shown(ENDPOINT_PROPERTIES, endpoint.properties)}  # fmt: skip


def fix_session_row(endpoint: Endpoint, name: str) -> Row:
    """One FIX session that was set up, with the settings that were given."""
    client = endpoint.sessions.get(name)
    return {"endpoint": endpoint.name, "name": name, "logged_on": client is not None and client.connection != 0,
            **endpoint.fix_sessions[name]}  # fmt: skip


def user_row(user: User) -> Row:
    """One user, without the password's hash."""
    return {"name": user.name, "endpoint": user.endpoint, "account": user.account, "firm": user.firm}


def session_row(session: Session) -> Row:
    """One session; connection: its gateway's number of it, 0 for none."""
    return {"number": session.number, "endpoint": session.endpoint.name, "user": session.user,
            "account": session.account, "firm": session.firm, "connection": session.connection,
            "stream": session.stream_name, "active": session.owner is not None, "tokens": len(session.tokens),
            "open_orders": len(session.live)}  # fmt: skip


def peer_row(peer: Peer) -> Row:
    """One peer as the journal knows it."""
    return {"name": peer.name, "role": ROLES[peer.role], "generation": peer.generation,
            "last_command": peer.last_command}  # fmt: skip


def _requests(machine: Machine, engine: str | None, count: int, skip: int = 0) -> list[Row]:
    from openoutcry.matcher import manual

    engines = list(machine.engines.values()) if engine is None else [_find(machine.engines, "engine", engine)]
    return manual.rows(engines, count, skip)


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
        "scheduled": len(machine.schedule),
        "engines": len(machine.engines),
        "books": len(machine.books),
        "endpoints": len(machine.endpoints),
        "users": len(machine.users),
        "sessions": len(machine.sessions),
        "drafts": sum(map(len, machine.drafts.of.values())),
        "desks": sum(len(place.sessions) for place in machine.desks.values()),
        "peers": len(machine.peers),
    }


QUESTIONS: Final[dict[str, Callable[..., Any]]] = {
    "list": _list,
    "describe": _describe,
    "depth": _depth,
    "indicative": _indicative,
    "orders": _orders,
    "trades": _trades,
    "order_events": _order_events,
    "order_status": _order_status,
    "requests": _requests,
    "positions": _positions,
    "fees_paid": _fees_paid,
    "state_hash": _state_hash,
    "statistics": statistics,
    "peers": _peers,
}
