"""An engine: a set of books with one trading day, and the phases that the day goes through.

The day as a table; any other step is refused (``wrong_state``)::

    verb           from           to       what happens to orders
    open           closed         open
    close          open           closed   DAY orders are cancelled
    end_of_day     open, closed   ended    all orders are cancelled, every session's stream ends, tokens are forgotten
    start_of_day   ended          closed   the day's number goes up by one

A new engine is in day 1 and open. Within the open phase each book can be halted and resumed by itself; a halt
outlives the other phases, and shows as soon as the engine is open again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import VerbError
from openoutcry.matcher.book import Book, Emit
from openoutcry.matcher.orders import TIME_IN_FORCE
from openoutcry.matcher.sessions import DAYS_MAX
from openoutcry.wire import (
    BOOK_SET,
    CANCEL_CLOSED,
    DAY,
    PHASE_CLOSED,
    PHASE_ENDED,
    PHASE_HALTED,
    PHASE_OPEN,
    PHASES,
    STATUS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openoutcry.matcher.sessions import Session

STEPS: Final = {
    "open": ((PHASE_CLOSED,), PHASE_OPEN),
    "close": ((PHASE_OPEN,), PHASE_CLOSED),
    "end_of_day": ((PHASE_OPEN, PHASE_CLOSED), PHASE_ENDED),
    "start_of_day": ((PHASE_ENDED,), PHASE_CLOSED),
}


class Engine:
    """See the module. symbols: its books by symbol, in the order they were made."""

    __slots__ = ("day", "kind", "name", "phase", "properties", "public", "symbols")

    def __init__(self, name: str, kind: str, public: Emit) -> None:
        self.name = name
        self.kind = kind
        self.public = public
        self.day = 1
        self.phase = PHASE_OPEN
        self.properties: dict[str, Any] = {}
        self.symbols: dict[str, Book] = {}

    def adopt(self, book: Book) -> None:
        """Take a book in: give it the phase and the limits."""
        self.symbols[book.symbol] = book
        self.set_limits(book)
        self.set_phase(book)

    def set_limits(self, book: Book) -> None:
        """Copy the properties that orders are judged by to where the judging is."""
        book.max_quantity = self.properties["max_quantity"]
        book.max_open_orders = self.properties["max_open_orders"]
        book.tick_size = book.properties["tick_size"]
        book.lot_size = book.properties["lot_size"]
        book.max_price = book.properties["max_price"]

    def set_phase(self, book: Book) -> None:
        """Work a book's phase out from the engine's and its own halt."""
        book.phase = PHASE_HALTED if self.phase == PHASE_OPEN and book.halted else self.phase

    def announce(self, book: Book, why: str) -> None:
        """STATUS of one book."""
        self.public((STATUS, book.number, book.phase, why))

    def step(self, verb: str, sessions: Iterable[Session]) -> None:
        """One step of the day. sessions: those of this engine. Raises VerbError (wrong_state, limit)."""
        before, after = STEPS[verb]
        if self.phase not in before:
            needed = " or ".join(PHASES[phase] for phase in before)
            text = f"{self.name} is {PHASES[self.phase]}, {verb} is for an engine that is {needed}"
            raise VerbError("wrong_state", "engine", text)
        if verb == "start_of_day":
            self._next_day()
        self.phase = after
        for book in self.symbols.values():
            self._cancel_at(verb, book)
            self.set_phase(book)
            self.announce(book, verb)
        if verb == "end_of_day":
            for session in sessions:
                session.end_day()

    def _next_day(self) -> None:
        if self.day >= DAYS_MAX:
            raise VerbError("limit", "engine", f"{self.name} has had {DAYS_MAX} days, which is all there are")
        self.day += 1

    def _cancel_at(self, verb: str, book: Book) -> None:
        if verb in ("close", "end_of_day"):
            for order in book.orders():
                if verb == "end_of_day" or order[TIME_IN_FORCE] == DAY:
                    book.cancel(order, CANCEL_CLOSED)

    def halt(self, book: Book, halted: bool) -> None:
        """Halt or resume a book. Raises VerbError (wrong_state)."""
        if book.halted == halted:
            text = f"{book.name} is {'already' if halted else 'not'} halted"
            raise VerbError("wrong_state", "book", text)
        book.halted = halted
        self.set_phase(book)
        self.announce(book, "halt" if halted else "resume")


def book_announcement(book: Book) -> tuple[Any, ...]:
    """A book's BOOK_SET."""
    properties = tuple(sorted(book.properties.items()))
    return (BOOK_SET, book.number, book.name, book.engine, book.symbol, properties)
