"""The commands of a session, time, and the phases of a day.

REPLACE and AMEND have four outcomes, judged in this order (OUCH 4.2): the old order is not live or the new token is
used: ignored; the phase does not allow it: REJECTED under the new token; the new details are wrong, or ask for no more
than has been executed: the old order is cancelled and the new token stays free; REPLACED.

CHANGE and WITHDRAW are always answered: with REPLACED, CANCEL_REQUESTED and what comes of it, or REQUEST_REJECTED,
which leaves the order as it is. Their new tokens are used up whatever comes of them. Whoever sends a used token is
told, if his session is answered always (FIX), unless AGAIN came just before.
"""

from __future__ import annotations

from typing import Any

from openoutcry import wire as w
from tests.naive import judging
from tests.naive.crossing import Crossing
from tests.naive.floor import BECOMES, CALL, DARK, LIT, PARKED, TRIGGER, Member, Message, Order, Rules

SECOND_NS = 10**9
CROSS_OF = {
    w.PHASE_PRE_OPEN: w.CROSS_OPENING,
    w.PHASE_PRE_OPEN_NO_CANCEL: w.CROSS_OPENING,
    w.PHASE_OPENING_AUCTION: w.CROSS_OPENING,
    w.PHASE_VOLATILITY_AUCTION: w.CROSS_HALT,
    w.PHASE_CLOSING_AUCTION: w.CROSS_CLOSING,
}
DISPLAY = (w.TERM_HIDDEN, w.TERM_POST_ONLY)
AFTER_TRADING = (w.PHASE_POST_CLOSE, w.PHASE_CLOSED, w.PHASE_ENDED)
DAY_STEPS: dict[str, tuple[set[int], int]] = {  # from, to
    "open": (set(w.PHASES) - {w.PHASE_OPEN, w.PHASE_ENDED}, w.PHASE_OPEN),
    "close": (set(w.PHASES) - {w.PHASE_CLOSED, w.PHASE_ENDED}, w.PHASE_CLOSED),
    "end_of_day": (set(w.PHASES) - {w.PHASE_ENDED}, w.PHASE_ENDED),
}
VOLATILITY_AUCTION_NS = 120 * SECOND_NS


class Exchange(Crossing):
    """One engine. phases: of its books by symbol; now: time of the last command, ns since 1970."""

    def __init__(
        self, books: dict[str, Rules], members: dict[int, Member], max_quantity: int, max_open: int, seed: int = 1
    ) -> None:
        super().__init__(books, members, max_quantity, max_open, seed)
        self.day_phase = w.PHASE_OPEN
        self.halted: set[str] = set()
        self.own = dict.fromkeys(books, 0)  # the phase set for a book alone
        self.auction_ends = dict.fromkeys(books, 0)  # when the volatility auction of a book alone is over
        self.owed = dict.fromkeys(books, 0)  # the cross that orders are, or were, collected for
        self.again: set[int] = set()  # sessions whose next command may be a repetition

    # ------------------------------------------------------------------------------------------- commands
    def command(self, command: Message, time_ns: int) -> None:
        """What a session sends."""
        self.now = time_ns
        kind, session = command[:2]
        if kind == w.AGAIN:
            self.again.add(session)
            return
        self.carry_out(*command)
        self.again.discard(session)

    def carry_out(self, kind: int, session: int, token: bytes, *fields: Any) -> None:
        changed = self.find(session, token)
        first = changed.symbol if changed else fields[0] if kind in (w.ENTER, w.SUBMIT) else ""
        if kind == w.ENTER:
            self.submit(session, token, *(*fields, ()))
        elif kind == w.SUBMIT:
            self.submit(session, token, *fields)
        elif kind == w.REPLACE:
            self.amend(session, token, *(*fields, None, False))
        elif kind == w.AMEND:
            self.amend(session, token, *(*fields, False))
        elif kind == w.CHANGE:
            *head, data, given = fields
            self.amend(session, token, *(*head, 0, data, given, True))
        elif kind == w.WITHDRAW:
            self.request_cancel(session, token, *fields)
        elif kind == w.CANCEL:
            self.cancel(session, token, *fields)
        elif kind == w.MODIFY:
            self.modify(session, token, *fields)
        elif kind == w.REFUSE:
            reason, _, data = fields
            if not self.repeated(session, token, data):
                self.reject(session, token, reason, data)
        self.settle(first)

    def repeated(self, session: int, token: bytes, data: bytes) -> bool:
        """Whether an order's token was used before; who is answered always is told so."""
        if (session, token) not in self.used:
            return False
        if self.members[session].answered and session not in self.again:
            self.reject(session, token, w.REJECT_DUPLICATE, data)
        return True

    def refuse_request(self, session: int, token: bytes, request: bytes, kind: int, reason: int) -> None:
        self.used.add((session, request))
        self.tell(session, w.REQUEST_REJECTED, token, request, kind, reason, w.REJECT_REASONS[reason])

    def submit(
        self, session: int, token: bytes, symbol: str, side: int, quantity: int, price: int, kind: int, tif: int,
        expire: int, minimum: int, data: bytes, given: tuple[tuple[int, Any], ...],
    ) -> None:  # fmt: skip
        if self.repeated(session, token, data):
            return
        if symbol not in self.books:
            self.reject(session, token, w.REJECT_SYMBOL, data)
            return
        terms = dict(given)
        reason = (
            judging.phase_forbids(self.phases[symbol], tif)
            or self.too_many(session)
            or judging.details_forbid(self.books[symbol], self.max_quantity, side, quantity, price, kind, tif, expire,
                                      minimum, terms, self.now)
        )  # fmt: skip
        deadline = self.deadline(tif, expire)
        order = Order(session, token, symbol, 0, side, kind, price, quantity, tif, deadline, minimum, data, terms)
        self.forget_useless_display(order)
        reason = reason or self.market_forbids(order)
        if reason:
            self.reject(session, token, reason, data)
            return
        self.accept(order)

    def deadline(self, tif: int, expire: int) -> int:
        if tif == w.GOOD_FOR_TIME:
            return self.now + expire * SECOND_NS
        return expire if tif == w.GTD else 0

    def forget_useless_display(self, order: Order) -> None:
        """An iceberg that would show all of itself is none."""
        if order.terms.get(w.TERM_DISPLAY_QUANTITY, 0) >= order.open:
            order.terms.pop(w.TERM_DISPLAY_QUANTITY, None)
            order.terms.pop(w.TERM_DISPLAY_RANGE, None)

    def market_forbids(self, order: Order) -> int:
        """Whether it cannot be taken as the market is now; a post-only order may slide."""
        if self.phases[order.symbol] != w.PHASE_OPEN or order.auction_only or order.kind in (*BECOMES, w.PEGGED):
            return 0
        best = self.best_other(order)
        if order.kind == w.MARKET and self.protection(order.symbol, order.terms) and best is None:
            return w.REJECT_NO_REFERENCE
        mode = order.terms.get(w.TERM_POST_ONLY, 0)
        if not mode or not self.crosses(order):
            return 0
        slid = self.behind(order)
        if mode == w.POST_ONLY_REJECT or not slid:
            return w.REJECT_POST_ONLY
        order.price = slid
        return 0

    # ------------------------------------------------------------------------------------------- changing
    def amend(
        self, session: int, token: bytes, new_token: bytes, total: int, price: int, kind: int, tif: int, expire: int,
        minimum: int, invalid: int, data: bytes, given: tuple[tuple[int, Any], ...] | None, gentle: bool,
    ) -> None:  # fmt: skip
        """given: the terms of AMEND, None for REPLACE. REPLACE, and AMEND that takes a term of the display away (0),
        says all about the display, leaves an order to its auction, and never keeps its place. gentle: CHANGE."""
        old = self.find(session, token)
        if (session, new_token) in self.used:
            if gentle and session not in self.again:
                self.refuse_request(session, token, new_token, 2, w.REJECT_DUPLICATE)
            return
        if old is None:
            if gentle:
                self.refuse_request(session, token, new_token, 2, w.REJECT_UNKNOWN_ORDER)
            return
        anew = given is None or any(not value for term, value in given if term in DISPLAY)
        if anew and old.tif in (w.AT_OPEN, w.AT_CLOSE, w.GOOD_FOR_AUCTION):
            tif, expire = old.tif, 0
        reason = self.phase_forbids_amend(old, tif)
        if reason and gentle:
            self.refuse_request(session, token, new_token, 2, reason)
            return
        if reason:
            self.reject(session, new_token, reason, data)
            return
        kept = {term: value for term, value in old.terms.items() if kind in judging.KINDS_OF_TERM.get(term, (kind,))}
        if anew:
            kept = {term: value for term, value in kept.items() if term not in DISPLAY}
        terms = {term: value for term, value in {**kept, **dict(given or ())}.items() if value or term not in DISPLAY}
        same_terms = terms == kept
        left = total - old.done
        deadline = self.deadline(tif, expire)
        new = Order(session, new_token, old.symbol, 0, old.side, kind, price, left, tif, deadline, minimum, old.data,
                    terms, old.done, filled=old.filled)  # fmt: skip
        wrong = (
            invalid
            or (w.REJECT_QUANTITY if left <= 0 else 0)
            or (w.REJECT_MIN_QUANTITY if minimum > left else 0)
            or judging.details_forbid(self.books[old.symbol], self.max_quantity, old.side, total, price, kind, tif,
                                      expire, minimum, terms, self.now)
        )  # fmt: skip
        if wrong and not gentle:
            self.cancel_all_of(old, w.CANCEL_INVALID_REPLACE)
            return
        self.forget_useless_display(new)
        reason = wrong or self.market_forbids(new)
        if reason and gentle:
            self.refuse_request(session, token, new_token, 2, reason)
            return
        if reason:
            self.cancel_all_of(old, w.CANCEL_POST_ONLY if reason == w.REJECT_POST_ONLY else w.CANCEL_INVALID_REPLACE)
            return
        self.used.add((session, new_token))
        if not anew and same_terms and self.only_smaller(old, new):
            number = old.number
        else:
            number = new.number = self.next_number()
        self.tell(session, w.REPLACED, new_token, token, number, old.side, left, new.price, w.LIVE, old.data, data)
        if number == old.number:
            old.token = new_token
            self.shrink(old, left)
        else:
            self.exchange(old, new)

    def exchange(self, old: Order, new: Order) -> None:
        """Put the new order in the place of the old one."""
        self.take_out(old)
        begin = len(self.public)
        self.place(new)
        if old.where != LIT:
            return
        if new in self.orders and new.where == LIT and new.done == old.done:  # nothing of it was used up
            self.public.pop()  # ADDED: the public sees the old one become the new one instead
            self.announce(new.symbol, w.ORDER_REPLACED, old.number, new.number, new.shown, new.price)
        else:
            self.public.insert(begin, (w.REDUCED, self.books[old.symbol].number, old.number, old.shown, 0))

    def only_smaller(self, old: Order, new: Order) -> bool:
        limit = old.cap if old.kind == w.PEGGED else old.price
        same = (new.price, new.kind, new.tif, new.deadline, new.minimum) == (
            limit, old.kind, old.tif, old.deadline, old.minimum,
        )  # fmt: skip
        return same and new.open < old.open

    def phase_forbids_amend(self, old: Order, tif: int) -> int:
        phase = self.phases[old.symbol]
        if self.locked(old):
            return w.REJECT_TOO_LATE
        return w.REJECT_PHASE if phase == w.PHASE_POST_CLOSE else judging.phase_forbids(phase, tif)

    def cancel(self, session: int, token: bytes, intended: int) -> None:
        order = self.find(session, token)
        if order is None:
            return
        left = max(0, intended - order.done)
        if left >= order.open:
            return
        if self.locked(order):
            self.cancel_late(order, left)
        elif left:
            gone = order.open - left
            self.tell(session, w.CANCELED, token, gone, w.CANCEL_USER, left)
            self.shrink(order, left)
        else:
            self.cancel_all_of(order, w.CANCEL_USER)

    def request_cancel(self, session: int, token: bytes, request: bytes) -> None:
        order = self.find(session, token)
        if (session, request) in self.used:
            if session not in self.again:
                self.refuse_request(session, token, request, 1, w.REJECT_DUPLICATE)
        elif order is None:
            self.refuse_request(session, token, request, 1, w.REJECT_UNKNOWN_ORDER)
        elif self.locked(order) and (order.where != CALL or order.pending):
            self.refuse_request(session, token, request, 1, w.REJECT_TOO_LATE)
        else:
            self.used.add((session, request))
            self.tell(session, w.CANCEL_REQUESTED, token, request)
            if self.locked(order):
                self.cancel_late(order, 0)
            else:
                self.cancel_all_of(order, w.CANCEL_USER)

    def locked(self, order: Order) -> bool:
        """Whether the auction is too near for a cancel."""
        phase = self.phases[order.symbol]
        return phase in judging.NO_CANCEL or (phase == w.PHASE_CLOSING_AUCTION and order.where == CALL)

    def cancel_late(self, order: Order, left: int) -> None:
        """Shortly before an auction."""
        if order.where != CALL or left:
            self.tell(order.session, w.CANCEL_REJECTED, order.token, w.REJECT_TOO_LATE,
                      w.REJECT_REASONS[w.REJECT_TOO_LATE])  # fmt: skip
        elif not order.pending:
            order.pending = True
            self.tell(order.session, w.CANCEL_PENDING, order.token)

    def modify(self, session: int, token: bytes, side: int, intended: int) -> None:
        order = self.find(session, token)
        if order is None or order.buying != (side == w.BUY):
            return
        left = max(0, intended - order.done)
        if left > order.open or (left == order.open and side == order.side):
            return
        if left < order.open and self.locked(order):
            self.cancel_late(order, left)
        elif not left:
            self.cancel_all_of(order, w.CANCEL_USER)
        else:
            order.side = side
            self.tell(session, w.MODIFIED, token, side, left)
            self.shrink(order, left)

    # ------------------------------------------------------------------------------------------- time
    def next_timer_ns(self) -> int:
        times = [o.deadline for o in self.orders] + list(self.auction_ends.values())
        return min((time for time in times if time), default=0)

    def timer(self, time_ns: int) -> None:
        """What is due happens in the order of its time; at one time orders expire first, by their numbers."""
        self.now = time_ns
        while 0 < self.next_timer_ns() <= time_ns:
            at = self.next_timer_ns()
            expired = sorted((o for o in self.orders if o.deadline == at), key=lambda o: o.number)
            if expired:
                self.cancel_all_of(expired[0], w.CANCEL_TIMEOUT)
                self.settle(expired[0].symbol)
                continue
            symbol = next(symbol for symbol, end in self.auction_ends.items() if end == at)
            self.auction_ends[symbol] = 0
            self.change(symbol, "auction_end")

    # ------------------------------------------------------------------------------------------- the day
    def step(self, verb: str) -> bool:
        """One step of the day: open, close, end_of_day; False when it is not its turn."""
        before, after = DAY_STEPS[verb]
        if self.day_phase not in before:
            return False
        self.set_all(after, verb)
        if verb == "end_of_day":
            for session in self.members:
                self.tell(session, w.SYSTEM, w.END_OF_DAY)
            self.used = {(o.session, o.token) for o in self.orders}
        return True

    def set_all(self, phase: int, why: str) -> None:
        """The engine goes to another phase, and all books with it."""
        self.day_phase = phase
        for symbol in self.books:
            self.own[symbol] = self.auction_ends[symbol] = 0
            self.change(symbol, why)

    def set_phase(self, symbol: str, phase: int) -> bool:
        """An operator puts one book ("": all) into a phase; a volatility auction of one book ends by itself."""
        if not symbol:
            self.set_all(phase, "set_phase")
        elif phase != w.PHASE_VOLATILITY_AUCTION:
            self.own[symbol], self.auction_ends[symbol] = phase, 0
            self.change(symbol, "set_phase")
        elif symbol in self.halted:
            return False
        else:
            self.auction_ends[symbol] = self.now + VOLATILITY_AUCTION_NS
            self.change(symbol, "set_phase")
        return True

    def halt(self, symbol: str) -> bool:
        """Stop trading in a book; False when it is stopped already. A halt outlives the other phases of the day."""
        if symbol in self.halted:
            return False
        self.halted.add(symbol)
        self.auction_ends[symbol] = 0
        self.change(symbol, "halt")
        return True

    def resume(self, symbol: str, through_auction: bool = False) -> bool:
        """Go on, if asked for with an auction first; False when the book was not stopped."""
        if symbol not in self.halted:
            return False
        self.halted.discard(symbol)
        self.auction_ends[symbol] = 0
        if through_auction and self.phase_of(symbol) == w.PHASE_OPEN:
            self.auction_ends[symbol] = self.now + VOLATILITY_AUCTION_NS
        self.change(symbol, "resume")
        return True

    # ------------------------------------------------------------------------------------------- changes of phase
    def phase_of(self, symbol: str) -> int:
        """The phase that a book is to be in."""
        phase = self.own[symbol] or self.day_phase
        if self.auction_ends[symbol]:
            phase = w.PHASE_VOLATILITY_AUCTION
        if self.day_phase == w.PHASE_ENDED:
            phase = w.PHASE_ENDED
        if symbol in self.halted and phase not in (w.PHASE_CLOSED, w.PHASE_ENDED):
            phase = w.PHASE_HALTED
        return phase

    def change(self, symbol: str, why: str) -> None:
        """DAY orders end with trading, STATUS, the cross that is owed, cancels that waited, and what trades now."""
        before, after = self.phases[symbol], self.phase_of(symbol)
        cross = self.due_cross(symbol, before, after)
        if not cross:
            self.end_orders(symbol, before, after)
        self.phases[symbol] = after
        self.announce(symbol, w.STATUS, after, why)
        if cross:
            self.owed[symbol] = 0
            self.uncross(symbol, cross)
            self.end_orders(symbol, before, after)
        if CROSS_OF.get(after, w.CROSS_HALT) != w.CROSS_HALT or (after in CROSS_OF and not self.owed[symbol]):
            self.owed[symbol] = CROSS_OF[after]
        for order in self.all_of(symbol, lambda o: o.pending and not self.locked(o)):
            self.cancel_all_of(order, w.CANCEL_USER)
        self.settle(symbol)

    def due_cross(self, symbol: str, before: int, after: int) -> int:
        """Which auction takes place now: the one that orders were collected for, or one for what came after trading."""
        if after == w.PHASE_OPEN:
            if self.owed[symbol]:
                return self.owed[symbol]
            anything = before in AFTER_TRADING and self.auction_price(symbol, w.CROSS_OPENING)[1]
            return w.CROSS_OPENING if anything else 0
        if after == w.PHASE_POST_CLOSE or (before, after) == (w.PHASE_CLOSING_AUCTION, w.PHASE_CLOSED):
            return self.owed[symbol]
        return 0

    def indicative(self, symbol: str) -> tuple[int, int, int, int]:
        """Where the auction would end now: price, volume, side and size of what would be left over."""
        price, volume, surplus = self.auction_price(symbol, self.owed[symbol])
        return price, volume, w.BUY if surplus > 0 else w.SELL if surplus < 0 else 0, abs(surplus)

    def end_orders(self, symbol: str, before: int, after: int) -> None:
        """What does not live longer than trading, or than the day, is cancelled: what is seen first."""
        places, by_number = (LIT, DARK, TRIGGER, PARKED, CALL), (TRIGGER, PARKED)
        for order in sorted(
            self.all_of(symbol), key=lambda o: (places.index(o.where), o.number if o.where in by_number else 0)
        ):
            ends = order.tif == w.DAY and before not in AFTER_TRADING
            if (after == w.PHASE_ENDED and order.tif not in (w.GTC, w.GTD)) or (after in AFTER_TRADING and ends):
                self.cancel_all_of(order, w.CANCEL_CLOSED)
