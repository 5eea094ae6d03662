"""An engine: a set of books with one trading day, and the phases that the engine and its books go through.

Steps of the day; any other is refused (``wrong_state``). "Trading" is every phase but closed and ended::

    verb           from               to       what happens to orders
    open           any but open,      open     what was collected is crossed
                   ended
    close          trading            closed   DAY orders are cancelled, after the cross if it was the closing auction
    end_of_day     any but ended      ended    all are cancelled but GTC and GTD; every session's stream ends, tokens
                                               are forgotten but those of live orders
    start_of_day   ended              closed   the day's number goes up by one; sessions with live orders begin their
                                               stream, and what expired meanwhile is cancelled

A new engine is in day 1 and open. ``phase_of`` works out the phase of a book: of these, the first that there is::

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
from openoutcry.matcher import auction, breakers
from openoutcry.matcher.auction import MS_NS, NOT_SHOWN, Call
from openoutcry.matcher.book import Book, Events
from openoutcry.matcher.draws import draw, key_of
from openoutcry.matcher.orders import DEADLINE, OPEN, TERMS, TIME_IN_FORCE, Numbers, Order
from openoutcry.matcher.phases import COLLECTING, RULES
from openoutcry.matcher.policy import Policy, policy_of
from openoutcry.matcher.rooms import rooms_of
from openoutcry.matcher.schedule import Schedule
from openoutcry.matcher.sessions import DAYS_MAX, ECHO_KIND, MANUAL_KIND
from openoutcry.matcher.terms import PARKED
from openoutcry.matcher.timetable import Step, Timetable, parse
from openoutcry.wire import (
    BOOK_SET,
    BUY,
    CANCEL_CLOSED,
    CANCEL_TIMEOUT,
    CROSS_HALT,
    CROSS_OPENING,
    DAY,
    GTC,
    GTD,
    PHASE_CLOSED,
    PHASE_CLOSING_AUCTION,
    PHASE_ENDED,
    PHASE_HALTED,
    PHASE_OPEN,
    PHASE_POST_CLOSE,
    PHASE_VOLATILITY_AUCTION,
    PHASES,
    SELL,
    SHORT_TEXT_MAX,
    STATUS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openoutcry.matcher.pluginengine import PluginEngine
    from openoutcry.matcher.risk import Guard
    from openoutcry.matcher.sessions import Session
    from openoutcry.matcher.stage import Stage

TRADING: Final = tuple(phase for phase in PHASES if phase not in (PHASE_CLOSED, PHASE_ENDED))
STEPS: Final = {
    "open": (tuple(phase for phase in PHASES if phase not in (PHASE_OPEN, PHASE_ENDED)), PHASE_OPEN),
    "close": (TRADING, PHASE_CLOSED),
    "end_of_day": ((*TRADING, PHASE_CLOSED), PHASE_ENDED),
    "start_of_day": ((PHASE_ENDED,), PHASE_CLOSED),
}
SETTABLE: Final = frozenset(PHASES) - {PHASE_HALTED, PHASE_ENDED}
AFTER_TRADING: Final = (PHASE_CLOSED, PHASE_POST_CLOSE, PHASE_ENDED)
OVERNIGHT: Final = (GTC, GTD)


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

    # --------------------------------------------------------------------------------------------- the day
    def step(self, verb: str, sessions: Sequence[Session]) -> None:
        """One step of the day. sessions: those of this engine. Raises VerbError (wrong_state, limit)."""
        before, after = STEPS[verb]
        if self.phase not in before:
            *others, last = [PHASES[phase] for phase in before]
            needed = f"{', '.join(others)} or {last}" if others else last
            hint = "; start_of_day begins the next day" if self.phase == PHASE_ENDED else ""
            text = f"{self.name} is {PHASES[self.phase]}, {verb} is for an engine that is {needed}{hint}"
            raise VerbError("wrong_state", "engine", text)
        if verb == "start_of_day":
            self._next_day(sessions)
        self._set_all(after, verb)
        if self.plugin is not None:
            self.plugin.step(verb)
        if verb == "end_of_day":
            if self.stage is not None:
                self.stage.end_day(sessions)
            for session in sessions:
                session.end_day()

    def _set_all(self, phase: int, why: str) -> None:
        """Put the engine into a phase, and every book with it."""
        self.phase = phase
        for book in self.symbols.values():
            self._stop(book)
            if book.rooms is not None:
                book.rooms.call.own = 0
            self._change(book, why)

    def _next_day(self, sessions: Iterable[Session]) -> None:
        """The day's number goes up. The sessions whose orders have outlived the last one begin theirs."""
        if self.day >= DAYS_MAX:
            raise VerbError("limit", "engine", f"{self.name} has had {DAYS_MAX} days, which is all there are")
        self.day += 1
        for session in sessions:
            if session.live:
                session.begin_day()
        self.phase = PHASE_CLOSED
        for book in self.symbols.values():
            self._expire(book)
        if self.guard is not None:
            self.guard.begin_day()

    def _expire(self, book: Book) -> None:
        """Cancel what has expired while the day was ended, when nobody could have been told."""
        from openoutcry.matcher import trading

        expired = [order for order in live_orders(book) if 0 < order[DEADLINE] <= self.numbers.time_ns]
        for order in sorted(expired, key=_deadline):
            trading.cancel(order, CANCEL_TIMEOUT)

    # --------------------------------------------------------------------------------------------- a change of phase
    def _change(self, book: Book, why: str) -> None:
        """Put a book into the phase it is to be in, with all that comes with it (see the module)."""
        from openoutcry.matcher import quotes, trading

        before, after = book.phase, self.phase_of(book)
        cross = self._due_cross(book, before, after)
        if not cross:
            self._end_orders(book, before, after)
        book.phase = after
        self.announce(book, why)
        if cross:
            auction.uncross(book, cross)
            self._end_orders(book, before, after)
        self._collect(book, after)
        auction.cancel_pending(book)
        trading.settle(book)
        while self._end_orders(book, before, after):  # those that the end of others brought in (brackets)
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

    def _end_orders(self, book: Book, before: int, after: int) -> bool:
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

    def _collect(self, book: Book, phase: int) -> None:
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
    def set_phase(self, book: Book | None, phase: int, why: str = "set_phase") -> None:
        """Put one book, or (None) the engine with all its books, into a phase. Raises VerbError (wrong_state)."""
        if phase not in SETTABLE:
            verb = "halt" if phase == PHASE_HALTED else "end_of_day"
            raise VerbError("bad_argument", "phase", f"{PHASES[phase]} is not set: use {verb}")
        if self.phase == PHASE_ENDED:
            raise VerbError("wrong_state", "phase", f"{self.name} is ended: use start_of_day")
        if book is None:
            self._set_all(phase, why)
        elif phase == PHASE_VOLATILITY_AUCTION:
            if self.halted or book.halted:
                raise VerbError("wrong_state", "book", f"{book.name} is halted: resume it through an auction")
            self._begin_auction(book)
            self._change(book, why)
        else:
            self._stop(book)
            call_of(book).own = phase
            self._change(book, why)

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
        self._stop(book)
        if through_auction and self.phase_of(book) == PHASE_OPEN:
            self._begin_auction(book)
        self._change(book, _with("halt" if halted else "resume", reason))

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
            self._stop(book)
            if through_auction and self.phase_of(book) == PHASE_OPEN:
                self._begin_auction(book)
            self._change(book, why)

    # --------------------------------------------------------------------------------------------- auctions
    def _begin_auction(self, book: Book) -> None:
        """Let a volatility auction begin with the book's next change of phase."""
        call = call_of(book)
        call.auction, call.extensions, call.limited = PHASE_VOLATILITY_AUCTION, 0, 0
        self._at(book, "auction", book.properties["volatility_auction_ms"])

    def _stop(self, book: Book) -> None:
        """Forget the book's own auction or limit state: something else comes instead. A pause goes on meanwhile."""
        if book.rooms is not None:
            call = book.rooms.call
            call.auction = call.extensions = call.limited = 0
            if not call.paused:
                call.ticket = 0

    def _at(self, book: Book, kind: str, ms: int, from_ns: int = 0) -> None:
        """Have `kind` handled for a book in `ms`, instead of what was to be."""
        call = call_of(book)
        call.ticket = self.schedule.ticket()
        self.schedule.add((from_ns or self.numbers.time_ns) + ms * MS_NS, kind, book.name, call.ticket)

    def auction_due(self, book: Book, ticket: int) -> None:
        """The time of a book's own auction is over."""
        if call_of(book).ticket == ticket:
            self._end_auction(book)

    def _end_auction(self, book: Book) -> None:
        """End the auction that a book is in, or extend it: when its price is too far from the reference."""
        call = call_of(book)
        if book.phase in COLLECTING and call.extensions < book.properties["extensions_max"] and _is_far(book, call):
            call.extensions += 1
            call.auction = book.phase
            self._at(book, "auction", book.properties["extension_ms"])
            self.announce(book, "extension")
        else:
            self._stop(book)
            self._change(book, "auction_end")

    def indicative_due(self, book: Book, ticket: int) -> None:
        """An indicative price that came too early may be published now."""
        call = call_of(book)
        if call.indicative_ticket == ticket:
            call.indicative_ticket = 0
            auction.indicative(book)

    # --------------------------------------------------------------------------------------------- breakers
    def interrupt(self, book: Book) -> None:
        """A volatility auction begins in the middle of an order: its trading ends, and nothing else is done here."""
        self._begin_auction(book)
        book.phase = self.phase_of(book)
        self.announce(book, "volatility_auction")
        self._collect(book, book.phase)

    def limit_state(self, book: Book, buying: bool) -> None:
        """A limit state begins in the middle of an order of that side, unless there is one."""
        if call_of(book).limited:
            return
        call_of(book).limited = BUY if buying else SELL
        self._at(book, "limit_state", book.properties["limit_state_ms"])
        self.announce(book, "limit_state")

    def limit_state_due(self, book: Book, ticket: int) -> None:
        """The limit state has lasted long enough: it is over, or trading pauses."""
        call = call_of(book)
        if call.ticket != ticket:
            return
        beyond = breakers.still_beyond(book, call.limited == BUY)
        self._stop(book)
        if beyond:
            book.halted = call.paused = True
            self._at(book, "pause", book.properties["pause_ms"])
            self._change(book, "pause")
        else:
            self.announce(book, "limit_state_end")

    def pause_due(self, book: Book, ticket: int) -> None:
        """A pause is over: trading goes on with a volatility auction."""
        if call_of(book).ticket == ticket:
            self.halt(book, False, "pause", True)

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
                self._at(book, "auction", wait_ms, at_ns)
            else:
                self._end_auction(book)
            return
        self._stop(book)
        self._change(book, "timetable")

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


def call_of(book: Book) -> Call:
    """A book's room for auctions."""
    return rooms_of(book).call


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


def _with(verb: str, reason: str) -> str:
    return f"{verb}: {reason}" if reason else verb


def _crossed(book: Book) -> bool:
    """Whether orders that came after trading would match now."""
    if book.rooms is None:
        return book.bids.best >= book.asks.best
    return auction.outcome(book, CROSS_OPENING).volume > 0


def _is_far(book: Book, call: Call) -> bool:
    """Whether the auction would end too far from the reference."""
    band, reference = book.properties["extension_band"], auction.reference_of(book)
    if not band or not reference:
        return False
    found = auction.outcome(book, call.owed)
    return found.volume > 0 and abs(found.price - reference) * breakers.PARTS > band * reference


def book_announcement(book: Book) -> tuple[Any, ...]:
    """A book's BOOK_SET."""
    properties = tuple(sorted(book.properties.items()))
    return (BOOK_SET, book.number, book.name, book.engine, book.symbol, properties)
