"""The trading day: its steps, and the orders that end with them.

Steps of the day; any other is refused (``wrong_state``). "Trading" is every phase but closed and ended::

    verb           from               to       what happens to orders
    open           any but open,      open     what was collected is crossed
                   ended
    close          trading            closed   DAY orders are cancelled, after the cross if it was the closing auction
    end_of_day     any but ended      ended    all are cancelled but GTC and GTD; every session's stream ends, tokens
                                               are forgotten but those of live orders
    start_of_day   ended              closed   the day's number goes up by one; sessions with live orders begin their
                                               stream, and what expired meanwhile is cancelled

A new engine is in day 1 and open.

Invariant: an order outlives the end of its day only as GTC or GTD, and is ended before its session's stream is, so that
its owner is told; what expires between two days is cancelled as the next one begins, for the same reason.

What else comes with a change of phase is in openoutcry.matcher.engine, days by the time of day in
openoutcry.matcher.timetable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from openoutcry.errors import VerbError
from openoutcry.matcher.orders import DEADLINE, OPEN, TERMS, TIME_IN_FORCE, Order
from openoutcry.matcher.phases import OVERNIGHT
from openoutcry.matcher.sessions import DAYS_MAX
from openoutcry.matcher.terms import PARKED
from openoutcry.wire import (
    CANCEL_CLOSED,
    CANCEL_TIMEOUT,
    DAY,
    PHASE_CLOSED,
    PHASE_ENDED,
    PHASE_OPEN,
    PHASE_POST_CLOSE,
    PHASES,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openoutcry.matcher.book import Book
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.sessions import Session

TRADING: Final = tuple(phase for phase in PHASES if phase not in (PHASE_CLOSED, PHASE_ENDED))
STEPS: Final = {
    "open": (tuple(phase for phase in PHASES if phase not in (PHASE_OPEN, PHASE_ENDED)), PHASE_OPEN),
    "close": (TRADING, PHASE_CLOSED),
    "end_of_day": ((*TRADING, PHASE_CLOSED), PHASE_ENDED),
    "start_of_day": ((PHASE_ENDED,), PHASE_CLOSED),
}
AFTER_TRADING: Final = (PHASE_CLOSED, PHASE_POST_CLOSE, PHASE_ENDED)


def step(engine: Engine, verb: str, sessions: Sequence[Session]) -> None:
    """One step of the day. sessions: those of this engine. Raises VerbError (wrong_state, limit)."""
    before, after = STEPS[verb]
    if engine.phase not in before:
        *others, last = [PHASES[phase] for phase in before]
        needed = f"{', '.join(others)} or {last}" if others else last
        hint = "; start_of_day begins the next day" if engine.phase == PHASE_ENDED else ""
        text = f"{engine.name} is {PHASES[engine.phase]}, {verb} is for an engine that is {needed}{hint}"
        raise VerbError("wrong_state", "engine", text)
    if verb == "start_of_day":
        _next_day(engine, sessions)
    engine.set_all(after, verb)
    if engine.plugin is not None:
        engine.plugin.step(verb)
    if verb == "end_of_day":
        if engine.stage is not None:
            engine.stage.end_day(sessions)
        for session in sessions:
            session.end_day()


def _next_day(engine: Engine, sessions: Iterable[Session]) -> None:
    """The day's number goes up. The sessions whose orders have outlived the last one begin theirs."""
    if engine.day >= DAYS_MAX:
        raise VerbError("limit", "engine", f"{engine.name} has had {DAYS_MAX} days, which is all there are")
    engine.day += 1
    for session in sessions:
        if session.live:
            session.begin_day()
    engine.phase = PHASE_CLOSED
    for book in engine.symbols.values():
        _expire(book, engine.numbers.time_ns)
    if engine.guard is not None:
        engine.guard.begin_day()


def _expire(book: Book, time_ns: int) -> None:
    """Cancel what has expired while the day was ended, when nobody could have been told."""
    from openoutcry.matcher import trading

    expired = [order for order in live_orders(book) if 0 < order[DEADLINE] <= time_ns]
    for order in sorted(expired, key=_deadline):
        trading.cancel(order, CANCEL_TIMEOUT)


# ------------------------------------------------------------------------------------------------- orders
def end_orders(book: Book, before: int, after: int) -> bool:
    """Cancel the orders whose time in force ends with this change of phase; whether there were any."""
    from openoutcry.matcher import trading

    if after == PHASE_ENDED:
        gone = [order for order in live_orders(book) if order[TIME_IN_FORCE] not in OVERNIGHT]
    elif after in AFTER_TRADING and before not in AFTER_TRADING:
        gone = [order for order in live_orders(book) if order[TIME_IN_FORCE] == DAY]
    else:
        return False
    for order in gone:
        if order[OPEN]:
            trading.cancel(order, CANCEL_CLOSED)
    return bool(gone)


def live_orders(book: Book) -> list[Order]:
    """Every live order of a book: on the lit sides, by priority, on the dark ones, then in the rooms."""
    rooms = book.rooms
    if rooms is None:
        return book.orders()
    dark = [*rooms.dark_bids.orders(), *rooms.dark_asks.orders()]
    parked = [order for order in rooms.pegs.orders() if order[TERMS].where == PARKED]
    return [*book.orders(), *dark, *rooms.triggers.orders(), *parked, *rooms.call.orders()]


def _deadline(order: Order) -> int:
    return int(order[DEADLINE])
