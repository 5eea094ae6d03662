"""What interrupts a book's trading and ends by itself: auctions of its own, limit states, pauses.

Rule 1. A book has one of them at a time. ``stop`` forgets it when something else comes instead; a pause goes on then.
Rule 2. Of what is to happen next, the ticket in the book's room for auctions says which entry of the schedule counts.
Rule 3. An auction that would end too far from the reference is extended, up to extensions_max times.

Which of them begins when a band is met is in openoutcry.matcher.breakers. What comes with a change of phase is in
openoutcry.matcher.engine, the cross in openoutcry.matcher.auction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openoutcry.matcher import auction, breakers
from openoutcry.matcher.auction import MS_NS, Call
from openoutcry.matcher.phases import COLLECTING
from openoutcry.matcher.rooms import rooms_of
from openoutcry.wire import BUY, PHASE_VOLATILITY_AUCTION, SELL

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.engine import Engine


def call_of(book: Book) -> Call:
    """A book's room for auctions."""
    return rooms_of(book).call


def begin_auction(engine: Engine, book: Book) -> None:
    """Let a volatility auction begin with the book's next change of phase."""
    call = call_of(book)
    call.auction, call.extensions, call.limited = PHASE_VOLATILITY_AUCTION, 0, 0
    at(engine, book, "auction", book.properties["volatility_auction_ms"])


def stop(book: Book) -> None:
    """Forget the book's own auction or limit state: something else comes instead. A pause goes on meanwhile."""
    if book.rooms is not None:
        call = book.rooms.call
        call.auction = call.extensions = call.limited = 0
        if not call.paused:
            call.ticket = 0


def at(engine: Engine, book: Book, kind: str, ms: int, from_ns: int = 0) -> None:
    """Have `kind` handled for a book in `ms`, instead of what was to be."""
    call = call_of(book)
    call.ticket = engine.schedule.ticket()
    engine.schedule.add((from_ns or engine.numbers.time_ns) + ms * MS_NS, kind, book.name, call.ticket)


def auction_due(engine: Engine, book: Book, ticket: int) -> None:
    """The time of a book's own auction is over."""
    if call_of(book).ticket == ticket:
        end_auction(engine, book)


def end_auction(engine: Engine, book: Book) -> None:
    """End the auction that a book is in, or extend it: when its price is too far from the reference."""
    call = call_of(book)
    if book.phase in COLLECTING and call.extensions < book.properties["extensions_max"] and _is_far(book, call):
        call.extensions += 1
        call.auction = book.phase
        at(engine, book, "auction", book.properties["extension_ms"])
        engine.announce(book, "extension")
    else:
        stop(book)
        engine.change(book, "auction_end")


def indicative_due(engine: Engine, book: Book, ticket: int) -> None:
    """An indicative price that came too early may be published now."""
    call = call_of(book)
    if call.indicative_ticket == ticket:
        call.indicative_ticket = 0
        auction.indicative(book)


# ------------------------------------------------------------------------------------------------- bands that are met
def interrupt(engine: Engine, book: Book) -> None:
    """A volatility auction begins in the middle of an order: its trading ends, and nothing else is done here."""
    begin_auction(engine, book)
    book.phase = engine.phase_of(book)
    engine.announce(book, "volatility_auction")
    engine.collect(book, book.phase)


def limit_state(engine: Engine, book: Book, buying: bool) -> None:
    """A limit state begins in the middle of an order of that side, unless there is one."""
    if call_of(book).limited:
        return
    call_of(book).limited = BUY if buying else SELL
    at(engine, book, "limit_state", book.properties["limit_state_ms"])
    engine.announce(book, "limit_state")


def limit_state_due(engine: Engine, book: Book, ticket: int) -> None:
    """The limit state has lasted long enough: it is over, or trading pauses."""
    call = call_of(book)
    if call.ticket != ticket:
        return
    beyond = breakers.still_beyond(book, call.limited == BUY)
    stop(book)
    if beyond:
        book.halted = call.paused = True
        at(engine, book, "pause", book.properties["pause_ms"])
        engine.change(book, "pause")
    else:
        engine.announce(book, "limit_state_end")


def pause_due(engine: Engine, book: Book, ticket: int) -> None:
    """A pause is over: trading goes on with a volatility auction."""
    if call_of(book).ticket == ticket:
        engine.halt(book, False, "pause", True)


def _is_far(book: Book, call: Call) -> bool:
    """Whether the auction would end too far from the reference."""
    band, reference = book.properties["extension_band"], auction.reference_of(book)
    if not band or not reference:
        return False
    found = auction.outcome(book, call.owed)
    return found.volume > 0 and abs(found.price - reference) * breakers.PARTS > band * reference
