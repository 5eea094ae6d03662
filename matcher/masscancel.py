"""Many cancels at once: by their owner, by an operator, and when a connection is lost.

Rule 1. Orders go oldest first, by order reference number; what is cancelled is told order by order, then as a count.
Rule 2. A mass cancel takes the orders wherever they wait (lit, dark, for a trigger, an auction, a reference price), and
        the sides of quotes. low and high compare with the order's limit price; a market order has 0.
Rule 3. Its owner's mass cancel obeys the phase: an order that the phase does not let go gets what a CANCEL of it would
        get, and is not counted. Operators, the kill switch and lost connections cancel in every phase.
Rule 4. Cancel on disconnect leaves the orders that say `keep`. With a grace time, a connection that comes within it
        saves them all. Commands that the throttle still holds back are refused with the orders' cancel.
Rule 5. A mass cancel of a session that is answered always uses its token up, so that one that comes AGAIN is not told
        twice how many orders it took; any other is carried out as often as it comes.
Rule 6. An order that has outlived its session's day stays until the next one begins: before, nobody can be told of it
        (openoutcry.matcher.sessions, rule 3). The kill switch catches up then (``Guard.begin_day``).
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from openoutcry.matcher.ledger import account_of
from openoutcry.matcher.orders import BOOK, NUMBER, OPEN, PRICE, SESSION, SIDE, TERMS, TOKEN, Order
from openoutcry.matcher.phases import YES, may_cancel
from openoutcry.matcher.terms import PARKED
from openoutcry.wire import BUY, CANCEL, CANCEL_DISCONNECT, CANCEL_MASS, CANCEL_SUPERVISORY, MASS_CANCELED, PRICE_MAX

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Session

# Whose orders MASS_CANCEL is about.
SCOPE_SESSION: Final = 1
SCOPE_ACCOUNT: Final = 2
SCOPE_FIRM: Final = 3

MS_NS: Final = 1_000_000


def live_orders(book: Book) -> list[Order]:
    """Every live order of a book, wherever it waits, oldest first."""
    found = {order[NUMBER]: order for order in book.orders()}
    rooms = book.rooms
    if rooms is not None:
        for side in (rooms.dark_bids, rooms.dark_asks):
            found.update((order[NUMBER], order) for order in side.orders())
        for room in (rooms.triggers, rooms.pegs, rooms.call):  # pegged orders may be on a side as well
            found.update((order[NUMBER], order) for order in room.orders())
        found.update((order[NUMBER], order) for order in rooms.elected if order[OPEN])
    return [found[number] for number in sorted(found)]


def count_live(book: Book) -> int:
    """How many ``live_orders`` there are."""
    sides = [book.bids, book.asks]
    count = 0
    rooms = book.rooms
    if rooms is not None:
        sides += [rooms.dark_bids, rooms.dark_asks]
        parked = sum(order[TERMS].where == PARKED for order in rooms.pegs.orders())
        count = len(rooms.triggers) + len(rooms.call) + parked + sum(order[OPEN] > 0 for order in rooms.elected)
    return count + sum(len(level.queue) - level.dead for side in sides for level in side.levels.values())


def cancel_where(
    where: Machine | Engine, *, session: Session | None = None, account: str | None = None, firm: str | None = None,
    book: Book | None = None, side: int = 0, low: int = 0, high: int = PRICE_MAX, reason: int = CANCEL_SUPERVISORY,
) -> int:  # fmt: skip
    """Cancel every order of a machine or an engine to which all that is given applies; returns how many it were.

    side: wire.BUY, any other for all sells, 0 for both. low, high: limit prices, both included.
    """
    found = select(where, session, account, firm, book, side, low, high)
    return cancel_all(found, reason)


def select(
    where: Machine | Engine, session: Session | None, account: str | None, firm: str | None, book: Book | None,
    side: int, low: int, high: int,
) -> list[Order]:  # fmt: skip
    """The orders that ``cancel_where`` is about, oldest first: those whose owners can be told (Rule 6)."""
    if session is not None:
        orders = [order for order in session.live.values() if book is None or order[BOOK] is book]
    elif book is not None:
        orders = live_orders(book)
    else:
        orders = [order for each in _books(where) for order in live_orders(each)]
    found = [
        order for order in orders
        if low <= order[PRICE] <= high and order[SESSION].owner is not None
        and (not side or (order[SIDE] == BUY) == (side == BUY))
        and (account is None or account_of(order) == account)
        and (firm is None or (order[SESSION].firm == firm and firm))
    ]  # fmt: skip
    return sorted(found, key=itemgetter(NUMBER))


def _books(where: Machine | Engine) -> list[Book]:
    books: dict[str, Book] = where.symbols if hasattr(where, "symbols") else where.books
    return list(books.values())


def cancel_all(orders: Iterable[Order], reason: int) -> int:
    """Cancel orders; returns how many were still live."""
    from openoutcry.matcher import trading

    count = 0
    for order in orders:
        if order[OPEN]:
            trading.cancel(order, reason)
            count += 1
    return count


# ------------------------------------------------------------------------------------------------- by their owner
def mass_cancel(session: Session, command: tuple[Any, ...], time_ns: int) -> bool:
    """MASS_CANCEL: always answered, with the number of orders cancelled."""
    from openoutcry.matcher import answers, entry, trading

    _, _, token, scope, symbol, side, low, high = command
    if session.answered and answers.counted_again(session, token):
        return False
    book = session.books.get(symbol)
    found: list[Order] = []
    if book is not None or not symbol:
        owner = session if scope == SCOPE_SESSION else None
        account = session.account if scope == SCOPE_ACCOUNT else None
        firm = session.firm if scope == SCOPE_FIRM else None
        found = select(session.endpoint.engine, owner, account, firm, book, side, low, high)
    count = 0
    for order in found:
        if may_cancel(order[BOOK].phase, order) == YES:
            trading.cancel(order, CANCEL_MASS)
            count += 1
        else:
            each = order[SESSION]
            entry.HANDLERS[CANCEL](each, (CANCEL, each.number, order[TOKEN], 0), time_ns)
    session.events.append((MASS_CANCELED, session.number, token, count))
    return True


# ------------------------------------------------------------------------------------------------- lost connections
def disconnected(session: Session) -> None:
    """A session's connection has ended, and no newer one has begun: do what its endpoint says about its orders."""
    if not _goes(session):
        return
    grace_ms = session.endpoint.properties["cancel_grace_ms"]
    if grace_ms:
        engine = session.endpoint.engine
        now_ns = engine.numbers.time_ns
        engine.schedule.add(now_ns + grace_ms * MS_NS, "disconnect", session.number, now_ns)
    else:
        cancel_lost(session)


def _goes(session: Session) -> bool:
    """Whether the orders of a lost connection go: a FIX session's own setting wins over the endpoint's."""
    from openoutcry.matcher.fixsessions import settings_of

    of_endpoint: bool = session.endpoint.properties["cancel_on_disconnect"]
    goes: bool = settings_of(session.endpoint, session.user).get("CancelOnDisconnect", of_endpoint)
    return goes


def cancel_lost(session: Session) -> None:
    """Cancel what a lost connection leaves behind, and refuse what the throttle holds back of it."""
    from openoutcry.matcher import quotes

    guard = session.endpoint.engine.guard
    if guard is not None:
        guard.flush(session, "the connection was lost")
    stage = session.endpoint.engine.stage
    if stage is not None and session.owner is not None:
        stage.flush(session, "the connection was lost")
    if session.owner is not None:
        cancel_all([o for o in session.live.values() if o[TERMS] is None or not o[TERMS].keep], CANCEL_DISCONNECT)
    quotes.hide_of(session)


def due(machine: Machine, item: tuple[Any, ...]) -> None:
    """A "disconnect" of the schedule, with the session and when its connection was lost: the grace time is over.

    When a connection that was lost later has its grace time still, that one decides. (The grace time may have been
    changed in between, so the first entry is not always of the first connection.)
    """
    session = machine.sessions.get(item[1])
    if session is None or session.connection:
        return
    if any(other[1] == item[1] and other[2:] > item[2:] for other in machine.schedule.waiting("disconnect")):
        return
    if _goes(session):
        cancel_lost(session)
