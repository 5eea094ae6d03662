"""Engines of kind ``manual``: whatever clients send waits until somebody says, by a verb, what becomes of it.

Rule 1. New orders, replacements, cancels, mass cancels, quotes and crosses of any session wait as *requests*, numbered
        in the order in which they came; questions are answered at once. Nothing is judged while it waits.
Rule 2. ``accept_request`` hands a request to the books, which judge it as those of any engine do: so it can still be
        rejected. Orders that are accepted wait in their book and never meet each other: IOC, FOK and market orders too.
Rule 3. ``reject_request`` answers it as the protocol says no; what was there stays as it was.
Rule 4. ``fill_order`` executes any live order of anybody, in any engine, for a quantity and price of one's own; the
        other side is the desk ``house``. ``pull_order`` cancels one unasked. ``break_trade`` is what busts a match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.errors import VerbError
from openoutcry.matcher import desk, queries, stage, staging, trading
from openoutcry.matcher.configuration import Asker, find
from openoutcry.matcher.orders import BOOK, OPEN, PRICE, SESSION, Order
from openoutcry.matcher.orders import NUMBER as ORDER_NUMBER
from openoutcry.parameters import price_text

if TYPE_CHECKING:
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.held import Request
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Session
    from openoutcry.matcher.stage import Stage

Row = dict[str, Any]
REJECTS: Final = {text: code for code, text in wire.REJECT_REASONS.items()}
CANCELS: Final = {text: code for code, text in wire.CANCEL_REASONS.items()}
_NAMES: Final[dict[str, dict[int, str]]] = {
    "order_type": wire.ORDER_TYPES, "time_in_force": wire.TIMES_IN_FORCE, "side": queries.SIDES,
    "sell_side": queries.SIDES,
}  # fmt: skip
_OPAQUE: Final = ("client_data", "sell_data")  # the gateways' own
_NAMED: Final = {"request": "request_token"}  # what a cancel is called: `request` is the number of what waits
_PRICES: Final = ("price", "low", "high")
_PRICE_PLACE: Final = {wire.ENTER: 6, wire.SUBMIT: 6, wire.REPLACE: 5, wire.AMEND: 5, wire.CHANGE: 5}
ANY_PRICE: Final = -1


# ------------------------------------------------------------------------------------------------- looking
def rows(engines: Iterable[Engine], count: int, skip: int = 0) -> list[Row]:
    """The requests that wait, the oldest first, after `skip` of them."""
    return [request_row(request) for request in waiting(engines)[skip : skip + count]]


def waiting(engines: Iterable[Engine]) -> list[Request]:
    """The requests that wait for the hand, of each engine the oldest first."""
    return [request for engine in engines if engine.stage is not None for request in engine.stage.waiting().values()]


def request_row(request: Request) -> Row:
    """One request: what was asked, by the names of the fields."""
    fields = wire.as_dict(request.command, wire.COMMANDS)
    row = {_NAMED.get(name, name): _shown(name, value) for name, value in fields.items() if name not in _OPAQUE}
    session = request.session
    return {"request": request.number, "engine": session.endpoint.engine.name, "user": session.user, **row}


def _shown(name: str, value: Any) -> Any:
    if type(value) is bytes:
        return queries.text_of(value)
    if name in _PRICES:
        return price_text(value)
    if name == "terms":
        return {wire.ORDER_TERMS[term].name: _shown("", each) for term, each in value}
    if name == "quotes":
        return [[symbol, bids, price_text(bid), asks, price_text(ask)] for symbol, bids, bid, asks, ask in value]
    return _NAMES[name].get(value, value) if name in _NAMES else value


# ------------------------------------------------------------------------------------------------- requests
def _pick(
    machine: Machine, name: str, number: int | None, price: int | None = ANY_PRICE
) -> tuple[Stage, Request]:  # fmt: skip
    """A request of an engine, or its oldest one, taken out; with a price, for an order. Raises VerbError."""
    engine = find(machine.engines, "engine", "engine", name)
    if not engine.by_hand or engine.stage is None:
        raise VerbError("wrong_state", "engine", f"engine {name!r} is of kind {engine.kind}: nothing waits for a hand")
    waiting = engine.stage.waiting()
    if number is None:
        number = next(iter(waiting), None)
    if number is None or number not in waiting:
        text = f"engine {name!r} has no request {number}" if number is not None else f"nothing waits at engine {name!r}"
        raise VerbError("unknown_name", "request", text)
    if price != ANY_PRICE:
        _check_price(waiting[number], price)
    return engine.stage, engine.stage.pick(number)


def _check_price(request: Request, price: int | None) -> None:
    """Raise VerbError unless a request is for an order that can be executed at `price`, or (None) at its own."""
    if not _order_of(request):
        raise VerbError("wrong_state", "request", f"request {request.number} is for no order")
    if price or request.command[_PRICE_PLACE[request.command[0]]]:
        return
    symbol = request.command[3]
    order = request.session.live.get(request.command[2])
    book = order[BOOK] if order is not None else request.session.books.get(symbol)
    if book is None or not book.last_price:
        text = "the order has no price, nor has anything traded: say one"
        raise VerbError("bad_argument", "price", text)


def accept_request(machine: Machine, asker: Asker, engine: str, request: int | None) -> Any:
    """Hand a request to the books: answers with what its session was told."""
    home, found = _pick(machine, engine, request)
    return _answer(found, *_accept(machine, home, found))


def _accept(machine: Machine, home: Stage, request: Request) -> tuple[bool, list[Row]]:
    told = _Told(request.session)
    handled = home.carry_out(request.session, request.command, machine.time_ns)
    trading.settle_all(machine.numbers)
    return handled, told.rows()


def reject_request(
    machine: Machine, asker: Asker, engine: str, reason: str, text: str, request: int | None
) -> Any:  # fmt: skip
    """Say no to a request: answers with what its session was told."""
    home, found = _pick(machine, engine, request)
    told = _Told(found.session)
    handled = home.refuse(found.session, found.command, (REJECTS[reason], text))
    return _answer(found, handled, told.rows())


def fill_request(
    machine: Machine, asker: Asker, engine: str, quantity: int | None, price: int | None, request: int | None
) -> Any:  # fmt: skip
    """Accept an order and execute it at once, in whole or in part: answers with what its session was told."""
    home, found = _pick(machine, engine, request, price)
    handled, told = _accept(machine, home, found)
    order = found.session.live.get(_order_of(found))
    if order is not None:
        told += _fill(machine, home, order, min(quantity or order[OPEN], order[OPEN]), price)
    return _answer(found, handled, told)


def _order_of(request: Request) -> bytes:
    """The token that the order of a request has once it is accepted."""
    kind = request.command[0]
    if kind in (wire.ENTER, wire.SUBMIT):
        token: bytes = request.command[2]
    elif kind in (wire.REPLACE, wire.AMEND, wire.CHANGE):
        token = request.command[3]
    else:
        token = b""
    return token


def _answer(request: Request, handled: bool, told: list[Row]) -> Row:
    return {"request": request.number, "handled": handled, "events": told[: desk.ANSWER_EVENTS_MAX]}


class _Told:
    """What a session is told from now on. Its events may be on a tape with those of others."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._before = len(session.events)

    def rows(self) -> list[Row]:
        """Its events since, as rows."""
        events = list(self._session.events)[self._before :]
        return [
            desk.event_row(event) for event in events if event[0] in desk.OF_SESSIONS
            and event[1] == self._session.number
        ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- orders
def fill_order(machine: Machine, asker: Asker, order: int, quantity: int | None, price: int | None) -> Any:
    """Execute a live order against the house: answers with what its session was told."""
    found = _live(machine, order)
    _portion(found, quantity, price)  # before there is a house: a verb that is refused changes nothing
    engine = found[SESSION].endpoint.engine
    missing = engine.stage is None
    home = staging.stage_of(machine, engine)
    try:
        return _fill(machine, home, found, quantity, price)
    finally:
        if missing:
            stage.refresh(engine)


def _fill(machine: Machine, home: Stage, order: Order, quantity: int | None, price: int | None) -> list[Row]:
    """Execute a part of a live order, by default all of it at its price. Raises VerbError."""
    part, at = _portion(order, quantity, price)
    told = _Told(order[SESSION])
    home.fill(order, part, at)
    trading.settle_all(machine.numbers)
    return told.rows()


def _portion(order: Order, quantity: int | None, price: int | None) -> tuple[int, int]:
    """How much of a live order is executed, and at what price. Raises VerbError."""
    most = order[OPEN]
    if quantity is not None and quantity > most:
        raise VerbError("bad_argument", "quantity", f"quantity is {quantity}, the order has {most} open")
    at = price or order[PRICE] or order[BOOK].last_price
    if not at:
        raise VerbError("bad_argument", "price", "the order has no price, nor has anything traded: say one")
    return quantity or most, at


def pull_order(machine: Machine, asker: Asker, order: int, leaves: int, reason: str) -> Any:
    """Cancel a live order, or all but `leaves` of it, unasked: answers with what its session was told."""
    found = _live(machine, order)
    if leaves >= found[OPEN]:
        raise VerbError("bad_argument", "leaves", f"leaves is {leaves}, the order has {found[OPEN]} open")
    told = _Told(found[SESSION])
    if leaves:
        trading.reduce(found, leaves, CANCELS[reason])
    else:
        trading.cancel(found, CANCELS[reason])
    trading.settle_all(machine.numbers)
    return told.rows()


def _live(machine: Machine, number: int) -> Order:
    """The live order of that reference number. Raises VerbError."""
    for session in machine.sessions.values():
        for order in session.live.values():
            if order[ORDER_NUMBER] == number:
                if session.owner is None:
                    desk.in_the_day(session.endpoint.engine)
                return order
    raise VerbError("unknown_name", "order", f"there is no live order {number}")


HANDLERS: Final[dict[str, Callable[..., Any]]] = {
    "accept_request": accept_request,
    "reject_request": reject_request,
    "fill_request": fill_request,
    "fill_order": fill_order,
    "pull_order": pull_order,
}
