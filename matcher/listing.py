"""``list``: everything of one kind, a row for each.

Invariant: each kind of verbs.LISTS is in one of two tables, but those that control lists itself: in ``ROWS`` the kinds
of which there are so few that all rows are made at once; in ``LONG`` those of which there may be hundreds of thousands,
which come in parts of LIST_MAX with a last row that says how many more there are (openoutcry.rows).

How a thing looks as a row is in openoutcry.matcher.queries, unless it is only ever listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.errors import VerbError
from openoutcry.fix.settings import SESSION_SETTINGS
from openoutcry.matcher import desk, drafts, manual, pluginload, policies, quotes
from openoutcry.matcher.orders import OPEN, PRICE
from openoutcry.matcher.queries import (
    all_orders,
    book_row,
    endpoint_row,
    engine_row,
    fix_session_row,
    order_row,
    session_row,
    shown,
    some,
    user_row,
)
from openoutcry.parameters import price_text, values_text
from openoutcry.rows import MORE
from openoutcry.verbs import (
    BOOK_PROPERTIES,
    DRAFT_ORDER_PROPERTIES,
    DRAFT_QUOTE_PROPERTIES,
    ENDPOINT_PROPERTIES,
    ENGINE_PROPERTIES,
    LISTS,
    SESSION_PROPERTIES,
)

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.quotes import Quote
    from openoutcry.matcher.sessions import Session

Row = dict[str, Any]

# Rows made at once of what there may be hundreds of thousands of: the matcher has other things to do.
LIST_MAX: Final = 400
# The properties of books that are about what is traded, not about how.
REFERENCE_DATA: Final = (
    "security_type", "description", "currency", "base_currency", "quantity_decimals", "multiplier", "underlying",
    "expiry", "strike", "put_call", "tick_size", "lot_size",
)  # fmt: skip


def rows(machine: Machine, kind: str, skip: int) -> list[Row]:
    """Everything of a kind, but the first `skip`. Raises VerbError (bad_argument)."""
    if kind in LONG:
        return LONG[kind](machine, skip)
    found = ROWS.get(kind)
    if found is None:
        raise VerbError("bad_argument", "kind", f"kind is {kind!r}, it must be one of: {', '.join(LISTS)}")
    return found(machine)[skip:]


# ------------------------------------------------------------------------------------------------- few
def _instrument(book: Book) -> Row:
    """What is traded in a book."""
    known = {name: book.properties[name] for name in REFERENCE_DATA}
    return {"symbol": book.symbol, "engine": book.engine, "book": book.name, **shown(BOOK_PROPERTIES, known)}


def _sessions(machine: Machine) -> list[Row]:
    """The sessions of gateways; the others are desks."""
    return [session_row(session) for endpoint in machine.endpoints.values() for session in endpoint.sessions.values()]


def _fix_sessions(machine: Machine) -> list[Row]:
    """The FIX sessions that were set up; those of a template are among the sessions."""
    return [fix_session_row(each, name) for each in machine.endpoints.values() for name in each.fix_sessions]


def _desks(machine: Machine) -> list[Row]:
    return [desk.desk_row(each) for each in desk.all_desks(machine)]


def _drafts(machine: Machine) -> list[Row]:
    return drafts.rows(machine)


def _policies(machine: Machine) -> list[Row]:
    return [policy.row() for engine in machine.engines.values() if engine.stage is not None
            for policy in engine.stage.policies.values()]  # fmt: skip


def _policy_kinds(machine: Machine) -> list[Row]:
    return policies.kind_rows()


def _engine_kinds(machine: Machine) -> list[Row]:
    return pluginload.engine_kind_rows(machine)


def _protocols(machine: Machine) -> list[Row]:
    return pluginload.protocol_rows(machine)


def _limits(machine: Machine) -> list[Row]:
    return [row for engine in machine.engines.values() if engine.guard is not None for row in engine.guard.rows()]


def _fees(machine: Machine) -> list[Row]:
    return [row for engine in machine.engines.values() if engine.guard is not None for row in engine.guard.fee_rows()]


def _properties() -> list[Row]:
    """Every property there is, of everything; the settings of FIX sessions among them."""
    tables = {
        "engine": ENGINE_PROPERTIES, "book": BOOK_PROPERTIES, "endpoint": ENDPOINT_PROPERTIES,
        "session": SESSION_SETTINGS | SESSION_PROPERTIES, "order": DRAFT_ORDER_PROPERTIES,
        "quote": DRAFT_QUOTE_PROPERTIES,
    }  # fmt: skip
    return [
        {"of": owner, "name": p.name, "type": p.type, "values": values_text(p), "meaning": p.meaning,
         "default": None if p.required or p.default is None else shown(table, {p.name: p.default})[p.name]}
        for owner, table in tables.items() for p in table.values()
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- many
def _part(things: Iterator[Any], row: Callable[[Any], Row], skip: int) -> list[Row]:
    """A row for each of the LIST_MAX things after the first `skip`, and one that counts those after them."""
    found = [row(each) for each in some(things, LIST_MAX, skip)]
    left = sum(1 for _ in things)
    return [*found, {MORE: left}] if left else found


def _orders(machine: Machine, skip: int) -> list[Row]:
    """The orders of all books."""
    return _part((order for book in machine.books.values() for order in all_orders(book)), order_row, skip)


def _quotes(machine: Machine, skip: int) -> list[Row]:
    """The quotes of which anything is in the market, of each book by maker."""
    found = (_quote(book, machine.sessions[number], quote)
             for book in machine.books.values() if book.rooms is not None
             for number, quote in book.rooms.quotes.by_session() if number in machine.sessions)  # fmt: skip
    return _part((row for row in found if row["bid_quantity"] or row["ask_quantity"]), lambda row: row, skip)


def _quote(book: Book, session: Session, quote: Quote) -> Row:
    """One maker's quote in a book, as it is in the market now; quantity 0: no such side."""
    bids, bid, asks, ask = quote.shown
    indicative = bool(bids or asks)
    if not indicative:
        sides = [quotes.order_of(quote, session, book.symbol, side) for side in (wire.BUY, wire.SELL)]
        (bids, bid), (asks, ask) = ((0, 0) if each is None else (each[OPEN], each[PRICE]) for each in sides)
    return {"book": book.name, "symbol": book.symbol, "session": session.number, "user": session.user,
            "bid_quantity": bids, "bid_price": price_text(bid), "ask_quantity": asks, "ask_price": price_text(ask),
            "indicative": indicative}  # fmt: skip


def _requests(machine: Machine, skip: int) -> list[Row]:
    """The requests of all engines."""
    return _part(iter(manual.waiting(machine.engines.values())), manual.request_row, skip)


# ------------------------------------------------------------------------------------------------- by kind
ROWS: Final[dict[str, Callable[[Machine], list[Row]]]] = {
    "engines": lambda machine: [engine_row(engine) for engine in machine.engines.values()],
    "books": lambda machine: [book_row(book) for book in machine.books.values()],
    "instruments": lambda machine: [_instrument(book) for book in machine.books.values()],
    "endpoints": lambda machine: [endpoint_row(endpoint) for endpoint in machine.endpoints.values()],
    "users": lambda machine: [user_row(user) for user in machine.users.values()],
    "sessions": _sessions,
    "fix_sessions": _fix_sessions,
    "desks": _desks,
    "drafts": _drafts,
    "policies": _policies,
    "policy_kinds": _policy_kinds,
    "engine_kinds": _engine_kinds,
    "protocols": _protocols,
    "limits": _limits,
    "fees": _fees,
    "properties": lambda _: _properties(),
}

# Kinds of which there may be more than one answer has time for.
LONG: Final[dict[str, Callable[[Machine, int], list[Row]]]] = {
    "orders": _orders,
    "quotes": _quotes,
    "requests": _requests,
}
