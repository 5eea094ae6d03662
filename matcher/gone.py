"""What takes the place of books and sessions that are no more, where the last trades still name them.

Invariant: ``Numbers.trades`` names no book and no session that the machine does not have, so a snapshot can name each
by its number. A trade whose book is gone cannot be broken or corrected any more; a session that is gone is not told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry.matcher import quotes
from openoutcry.matcher.book import Book
from openoutcry.matcher.engine import Engine
from openoutcry.matcher.orders import Numbers, Timers
from openoutcry.matcher.sessions import Endpoint, Session
from openoutcry.matcher.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openoutcry.matcher.machine import Machine

NO_BOOK: Final = Book(0, "", "", "", Numbers(), Timers(), Tape())
NO_SESSION: Final = Session(0, Endpoint("", Engine("", "", Tape()), "", "", "", 0), "", Tape())


def scrub(numbers: Numbers, *things: Book | Session) -> None:
    """Let the last trades forget books and sessions that are being removed."""
    ids = {id(thing) for thing in things}
    if ids and any(id(each) in ids for each in numbers.trades):
        numbers.trades = _without(numbers.trades, ids)


def _without(trades: Iterable[Any], ids: set[int]) -> list[Any]:
    found = []
    for each in trades:
        if id(each) in ids:
            found.append(NO_BOOK if isinstance(each, Book) else NO_SESSION)
        else:
            found.append(each)
    return found


def forget_sessions(machine: Machine, sessions: Sequence[Session]) -> None:
    """Sessions, which have no orders any more, are being removed."""
    for session in sessions:
        quotes.hide_of(session)
        stage = session.endpoint.engine.stage
        if stage is not None:
            stage.forget(session)
        plugin = session.endpoint.engine.plugin
        if plugin is not None:
            if session.connection:
                plugin.disconnected(session)
            plugin.forget(session)
        del machine.sessions[session.number]
        machine.numbers.again.pop(session, None)
        if machine.numbers.pairs is not None:
            machine.numbers.pairs.forget(session)
    scrub(machine.numbers, *sessions)


def leave_engine(machine: Machine, session: Session) -> None:
    """A session, which has no orders, goes on with another engine."""
    quotes.hide_of(session)
    engine = session.endpoint.engine
    if engine.stage is not None:
        engine.stage.forget(session)
    if engine.plugin is not None:
        engine.plugin.disconnected(session)
        engine.plugin.forget(session)
    machine.numbers.again.pop(session, None)


def forget_book(numbers: Numbers, book: Book) -> None:
    """A book is being removed: so are its positions, and its name in the last trades."""
    scrub(numbers, book)
    numbers.unsettled.pop(book, None)
    ledger = numbers.ledger
    if ledger is not None:
        for account, number in [key for key in ledger.positions if key[1] == book.number]:
            del ledger.positions[account, number]
        for key in [key for key in ledger.reducers if key[1] == book.number]:
            del ledger.reducers[key]
