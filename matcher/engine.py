"""An engine: a set of books with one trading day, and the phases that the engine and its books go through.

The steps of the day are in openoutcry.matcher.days, what interrupts a book's trading for a while in
openoutcry.matcher.interruptions. ``phase_of`` works out the phase of a book: of these, the first that there is::

    ended          the engine's day has ended
    halted         it is halted, or its whole engine is, and it would not be closed
    an auction     of its own: after a band was met, or one whose end is late (random end, extension)
    its own phase  set for it, or by its own timetable; until the engine's next step, or phase that an operator sets
    the engine's   phase: by verbs, or by the engine's timetable, which leaves out books that have one of their own

What a change of phase does to a book, in this order: DAY orders are cancelled when trading ends, STATUS, the cross when
one is owed, pending cancels, and ``trading.settle`` for what waited for the phase. Where a cross comes with the end of
trading, the DAY orders are cancelled after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import VerbError
from openoutcry.matcher import auction, interruptions
from openoutcry.matcher.auction import NOT_SHOWN
from openoutcry.matcher.book import Book, Events
from openoutcry.matcher.days import AFTER_TRADING, end_orders
from openoutcry.matcher.draws import draw, key_of
from openoutcry.matcher.interruptions import call_of
from openoutcry.matcher.orders import Numbers
from openoutcry.matcher.phases import COLLECTING, RULES
from openoutcry.matcher.policy import Policy, policy_of
from openoutcry.matcher.rooms import rooms_of
from openoutcry.matcher.schedule import Schedule
from openoutcry.matcher.sessions import ECHO_KIND, MANUAL_KIND
from openoutcry.matcher.timetable import Step, Timetable, parse
from openoutcry.wire import (
    BOOK_SET,
    CROSS_HALT,
    CROSS_OPENING,
    PHASE_CLOSED,
    PHASE_CLOSING_AUCTION,
    PHASE_ENDED,
    PHASE_HALTED,
    PHASE_OPEN,
    PHASE_POST_CLOSE,
    PHASE_VOLATILITY_AUCTION,
    PHASES,
    SHORT_TEXT_MAX,
    STATUS,
)

if TYPE_CHECKING:
    from openoutcry.matcher.pluginengine import PluginEngine
    from openoutcry.matcher.risk import Guard
    from openoutcry.matcher.stage import Stage

SETTABLE: Final = frozenset(PHASES) - {PHASE_HALTED, PHASE_ENDED}


class Engine:
    """See the module. symbols: its books by symbol, in the order they were made. halted: the whole market is.

    guard, stage: what stands between its sessions and its books, None for nothing: limits, and what a simulator does.
    careful: whether its sessions' messages are shown to either before they are handled. plugin: somebody's own, in
    place of books.
    """

    __slots__ = (
        "careful", "day", "events", "guard", "halted", "kind", "name", "numbers", "phase", "plugin", "properties",
        "schedule", "stage", "symbols", "timetable",
    )  # fmt: skip

    def __init__(
        self, name: str, kind: str, events: Events, schedule: Schedule | None = None, numbers: Numbers | None = None
    ) -> None:
        self.name = name
        self.kind = kind
        self.events = events
        self.schedule = schedule if schedule is not None else Schedule()
        self.numbers = numbers if numbers is not None else Numbers()
        self.guard: Guard | None = None
        self.stage: Stage | None = None
        self.plugin: PluginEngine | None = None
        self.careful = False
        self.day = 1
        self.phase: int = PHASE_OPEN
        self.halted = False
        self.timetable: Timetable | None = None
        self.properties: dict[str, Any] = {}
        self.symbols: dict[str, Book] = {}

    @property
    def by_hand(self) -> bool:
        """Whether its orders wait for somebody to say what becomes of them."""
        return self.kind == MANUAL_KIND

    @property
    def has_books(self) -> bool:
        """Whether its clients' orders go into books: else there are messages alone."""
        return self.plugin is None and self.kind != ECHO_KIND

    def look(self) -> None:
        """Work out whether messages are to be shown to the guard or the stage."""
        self.careful = self.stage is not None or (self.guard is not None and self.guard.throttling)

    # --------------------------------------------------------------------------------------------- books
    def adopt(self, book: Book) -> None:
        """Take a book in: give it the phase and the limits. Once more after its rooms came out of a snapshot."""
        from openoutcry.matcher import trading

        self.symbols[book.symbol] = book
        book.home = self
        self.set_limits(book)
        book.phase = self.phase_of(book)
        trading.refresh(book)

    def set_limits(self, book: Book) -> None:
        """Copy the properties that orders are judged by to where the judging is. Raises VerbError, nothing is done."""
        self.limit(book, policy_of(book.properties))

    def limit(self, book: Book, policy: Policy | None) -> None:
        """``set_limits`` for a book whose policy has been worked out."""
        book.policy = policy
        book.max_quantity = self.properties["max_quantity"]
        book.max_open_orders = self.properties["max_open_orders"]
        book.tick_size = book.properties["tick_size"]
        book.lot_size = book.properties["lot_size"]
        book.max_price = book.properties["max_price"]
        if book.policy is not None and book.policy.bands is not None:
            rooms_of(book)  # remembers what the bands are around

    def phase_of(self, book: Book) -> int:
        """The phase that a book is to be in."""
        call = book.rooms.call if book.rooms is not None else None
        phase = self.phase
        if call is not None and phase != PHASE_ENDED:
            phase = call.auction or call.own or phase
        if (self.halted or book.halted) and phase not in (PHASE_CLOSED, PHASE_ENDED):
            return PHASE_HALTED
        return phase

    def announce(self, book: Book, why: str) -> None:
        """STATUS of one book."""
        self.events.append((STATUS, book.number, book.phase, why[:SHORT_TEXT_MAX]))

    # --------------------------------------------------------------------------------------------- a change of phase
    def change(self, book: Book, why: str) -> None:
        """Put a book into the phase it is to be in, with all that comes with it (see the module)."""
        from openoutcry.matcher import quotes, trading

        before, after = book.phase, self.phase_of(book)
        cross = self._due_cross(book, before, after)
        if not cross:
            end_orders(book, before, after)
        book.phase = after
        self.announce(book, why)
        if cross:
            auction.uncross(book, cross)
            end_orders(book, before, after)
        self.collect(book, after)
        auction.cancel_pending(book)
        trading.settle(book)
        while end_orders(book, before, after):  # those that the end of others brought in (brackets)
            trading.settle(book)
        if after in AFTER_TRADING:
            quotes.hide_all(book)

    def _due_cross(self, book: Book, before: int, after: int) -> int:
        """Which cross is to be held as a book goes from one phase to another, 0 for none."""
        if self.by_hand:
            return 0
        owed = book.rooms.call.owed if book.rooms is not None else 0
        if after == PHASE_OPEN:
            return owed or (CROSS_OPENING if before in AFTER_TRADING and _crossed(book) else 0)
        if after == PHASE_POST_CLOSE or (after == PHASE_CLOSED and before == PHASE_CLOSING_AUCTION):
            return owed
        return 0

    def collect(self, book: Book, phase: int) -> None:
        """What a book remembers of its new phase: the cross that it owes, and that nothing indicative was shown yet."""
        cross = RULES[phase].cross
        if cross:
            call = call_of(book)
            if cross != CROSS_HALT or not call.owed:  # an interruption takes no other cross's place
                call.owed = cross
        elif book.rooms is not None:
            call = book.rooms.call
            call.shown, call.shown_ns, call.indicative_ticket = NOT_SHOWN, 0, 0
            if phase == PHASE_ENDED and call.owed:
                call.owed = CROSS_OPENING

    # --------------------------------------------------------------------------------------------- phases by hand
    def set_all(self, phase: int, why: str) -> None:
        """Put the engine into a phase, and every book with it."""
        self.phase = phase
        for book in self.symbols.values():
            interruptions.stop(book)
            if book.rooms is not None:
                book.rooms.call.own = 0
            self.change(book, why)

    def set_phase(self, book: Book | None, phase: int, why: str = "set_phase") -> None:
        """Put one book, or (None) the engine with all its books, into a phase. Raises VerbError (wrong_state)."""
        if phase not in SETTABLE:
            verb = "halt" if phase == PHASE_HALTED else "end_of_day"
            raise VerbError("bad_argument", "phase", f"{PHASES[phase]} is not set: use {verb}")
        if self.phase == PHASE_ENDED:
            raise VerbError("wrong_state", "phase", f"{self.name} is ended: use start_of_day")
        if book is None:
            self.set_all(phase, why)
        elif phase == PHASE_VOLATILITY_AUCTION:
            if self.halted or book.halted:
                raise VerbError("wrong_state", "book", f"{book.name} is halted: resume it through an auction")
            interruptions.begin_auction(self, book)
            self.change(book, why)
        else:
            interruptions.stop(book)
            call_of(book).own = phase
            self.change(book, why)

    def halt(self, book: Book, halted: bool, reason: str = "", through_auction: bool = False) -> None:
        """Halt or resume a book, at once or through a volatility auction. Raises VerbError (wrong_state).

        A pause, which would end by itself, becomes a halt that does not.
        """
        paused = book.rooms is not None and book.rooms.call.paused
        if book.halted == halted and not (paused and halted):
            text = f"{book.name} is {'already' if halted else 'not'} halted"
            raise VerbError("wrong_state", "book", text)
        book.halted = halted
        if paused:
            call_of(book).paused = False
        interruptions.stop(book)
        if through_auction and self.phase_of(book) == PHASE_OPEN:
            interruptions.begin_auction(self, book)
        self.change(book, _with("halt" if halted else "resume", reason))

    def halt_market(self, reason: str = "") -> None:
        """Halt every book of the engine. Raises VerbError (wrong_state)."""
        self._halt_market(True, _with("halt_market", reason), False)

    def resume_market(self, through_auction: bool = False) -> None:
        """End ``halt_market``; a book that was halted by itself stays so. Raises VerbError (wrong_state)."""
        self._halt_market(False, "resume_market", through_auction)

    def _halt_market(self, halted: bool, why: str, through_auction: bool) -> None:
        if self.halted == halted:
            text = f"the market of {self.name} is {'already' if halted else 'not'} halted"
            raise VerbError("wrong_state", "engine", text)
        self.halted = halted
        for book in self.symbols.values():
            interruptions.stop(book)
            if through_auction and self.phase_of(book) == PHASE_OPEN:
                interruptions.begin_auction(self, book)
            self.change(book, why)

    # --------------------------------------------------------------------------------------------- timetables
    def set_timetable(self, text: str, book: Book | None = None) -> None:
        """Give the engine, or one book, a timetable, "" for none; it holds from its next step on. Raises VerbError."""
        steps = parse(text, book is not None)
        timetable = Timetable(text, steps, 0) if steps else None
        if book is None:
            self.timetable = timetable
        else:
            call_of(book).timetable = timetable
        if timetable is not None:
            self.go_on(timetable, book, self.numbers.time_ns)

    def timetable_of(self, book: Book | None) -> Timetable | None:
        """The engine's timetable (None), or the one of a book alone."""
        if book is None:
            return self.timetable
        return book.rooms.call.timetable if book.rooms is not None else None

    def go_on(self, timetable: Timetable, book: Book | None, after_ns: int) -> Step:
        """Put the first step after `after_ns` into the schedule; returns the one before it."""
        time_ns, index = timetable.next_ns(after_ns)
        timetable.ticket = self.schedule.ticket()
        self.schedule.add(
            time_ns, "phase", self.name, "" if book is None else book.name, timetable.ticket, time_ns
        )  # fmt: skip
        return timetable.steps[index - 1]

    def follow(self, book: Book | None, phase: int, at_ns: int) -> None:
        """A step of a timetable: of one book, or (None) of the engine and all books without one of their own."""
        if self.phase == PHASE_ENDED:
            return
        if book is not None:
            call_of(book).own = phase
            self._follow(book, phase, at_ns)
            return
        before, self.phase = self.phase, phase
        for each in self.symbols.values():
            call = each.rooms.call if each.rooms is not None else None
            if call is not None and call.timetable is not None:
                call.own = call.own or before  # it stays where it is
                continue
            if call is not None:
                call.own = 0
            self._follow(each, phase, at_ns)

    def _follow(self, book: Book, phase: int, at_ns: int) -> None:
        """Let one book follow a step, now, or when its auction ends."""
        call = book.rooms.call if book.rooms is not None else None
        if call is not None and book.phase in COLLECTING and phase not in COLLECTING:
            if phase == PHASE_OPEN and call.auction:
                return  # its own auction ends by itself
            random_ms = book.properties["random_end_ms"]
            wait_ms = draw(random_ms + 1, self.properties["seed"], key_of(book.name), at_ns) if random_ms else 0
            if wait_ms:
                call.auction = book.phase
                interruptions.at(self, book, "auction", wait_ms, at_ns)
            else:
                interruptions.end_auction(self, book)
            return
        interruptions.stop(book)
        self.change(book, "timetable")

    # --------------------------------------------------------------------------------------------- state
    def dump(self) -> tuple[Any, ...]:
        """For a snapshot: all but the books and the guard."""
        timetable = self.timetable.dump() if self.timetable is not None else ()
        properties = tuple(sorted(self.properties.items()))
        return self.name, self.kind, self.day, self.phase, self.halted, timetable, properties

    def load(self, row: tuple[Any, ...]) -> None:
        """The reverse of ``dump``; a property that the row does not know keeps the value that it has."""
        self.name, self.kind, self.day, self.phase, self.halted, timetable, properties = row
        self.timetable = Timetable.of(timetable) if timetable else None
        self.properties.update(properties)


def _with(verb: str, reason: str) -> str:
    return f"{verb}: {reason}" if reason else verb


def _crossed(book: Book) -> bool:
    """Whether orders that came after trading would match now."""
    if book.rooms is None:
        return book.bids.best >= book.asks.best
    return auction.outcome(book, CROSS_OPENING).volume > 0


def book_announcement(book: Book) -> tuple[Any, ...]:
    """A book's BOOK_SET."""
    properties = tuple(sorted(book.properties.items()))
    return (BOOK_SET, book.number, book.name, book.engine, book.symbol, properties)
