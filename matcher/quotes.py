"""Two-sided quotes: one QUOTE changes a maker's quotes in many books (FIX MassQuote; Nasdaq's and Eurex's mass quotes).

A session has at most one quote in a book. Each side of it is an order of its own, with a token that stays the same all
day: ``Q1.SYMBOL.B`` the bid, ``Q1.SYMBOL.A`` the ask (Q2 and so on when the client uses such tokens itself). What
happens to it is told as of any order, by EXECUTED, CANCELED ..., but for what a QUOTE does: that is told by
QUOTE_STATUS, one for each side of each entry. There is no last look: a quote that is shown as tradeable can be traded
with.

Rule 1. A QUOTE whose token was used before is ignored, so a repeated one is harmless. Its entries are dealt with one
        after the other, each by itself; so is each side of an entry.
Rule 2. A side at the same price with no more quantity keeps its place in the queue. Any other change gives it a new
        place and a new number. Quantity 0 takes the side out. Quantities are what is to be open from now on.
Rule 3. A side is judged as an order is: phase, limits, quantity, price, risk. One that is refused is out of the market
        as well: its maker does not want the old price any more (as a REPLACE with invalid details takes the order out).
        Only where the phase lets no order go it stays, and QUOTE_STATUS says what is there.
Rule 4. A bid at or above the ask of its own entry is refused, with the ask. An entry never trades with itself: where
        the new bid reaches the old ask, the ask is dealt with first.
Rule 5. An indicative quote is shown (QUOTED), and nobody can trade with it. It takes the place of the maker's firm
        quote, and a firm one its place. Its maker is known by a number of that book.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry.matcher import phases
from openoutcry.matcher.orders import BOOK, DATA, NUMBER, OPEN, PRICE, TERMS, Order
from openoutcry.matcher.terms import Terms
from openoutcry.wire import (
    ADDED,
    BUY,
    DAY,
    LIMIT,
    ORDER_REPLACED,
    QUOTE_STATUS,
    QUOTED,
    REDUCED,
    REJECT_LIMIT,
    REJECT_QUOTE,
    REJECT_REASONS,
    REJECT_SYMBOL,
    REJECT_TOO_LATE,
    SELL,
)

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.judging import Refusal
    from openoutcry.matcher.sessions import Session

Shown = tuple[int, int, int, int]  # bid quantity, bid price, ask quantity, ask price
NOTHING: Final[Shown] = (0, 0, 0, 0)


class Quote:
    """One maker's in one book. maker: its number there; shown: the indicative quote, NOTHING for none.

    day, attempt: when the tokens of its sides were chosen, and the number in them; 0 before.
    """

    __slots__ = ("attempt", "day", "maker", "shown")

    def __init__(self, maker: int, day: int = 0, attempt: int = 0, shown: Shown = NOTHING) -> None:
        self.maker = maker
        self.day = day
        self.attempt = attempt
        self.shown = shown


class Quotes:
    """The makers of one book, in the order of their numbers, by the numbers of their sessions."""

    __slots__ = ("_makers",)

    def __init__(self) -> None:
        self._makers: dict[int, Quote] = {}

    def of(self, session: Session) -> Quote:
        """A session's quote, made when it is first asked for."""
        found = self._makers.get(session.number)
        if found is None:
            found = self._makers[session.number] = Quote(len(self._makers) + 1)
        return found

    def get(self, session: Session) -> Quote | None:
        """A session's quote, None when it has never had one."""
        return self._makers.get(session.number)

    def by_session(self) -> list[tuple[int, Quote]]:
        """Every quote there ever was, with the number of its session."""
        return list(self._makers.items())

    def all(self) -> list[Quote]:
        """Every quote there ever was."""
        return list(self._makers.values())

    def dump(self) -> tuple[Any, ...]:
        """For a snapshot: everything but the orders."""
        return tuple((number, q.maker, q.day, q.attempt, q.shown) for number, q in self._makers.items())

    def load(self, row: tuple[Any, ...]) -> None:
        """The reverse of ``dump``."""
        self._makers = {
            number: Quote(maker, day, attempt, tuple(shown)) for number, maker, day, attempt, shown in row
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self._makers)


# ------------------------------------------------------------------------------------------------- the command
def quote(session: Session, command: tuple[Any, ...], time_ns: int) -> bool:
    """QUOTE."""
    _, _, token, indicative, data, entries = command
    if token in session.tokens:
        return answers.repeated(session, token, data)
    if len(session.tokens) >= TOKENS_MAX:
        return answers.reject(session, token, (REJECT_LIMIT, ""), data)
    session.tokens[token] = None
    for entry in entries:
        _Entry(session, token, data, time_ns, *entry).carry_out(bool(indicative))
    return True


class _Entry:
    """One entry of a QUOTE while it is carried out."""

    __slots__ = ("asked", "book", "data", "quote", "session", "symbol", "time_ns", "token")

    def __init__(
        self, session: Session, token: bytes, data: bytes, time_ns: int, symbol: str, bid_quantity: int, bid_price: int,
        ask_quantity: int, ask_price: int,
    ) -> None:  # fmt: skip
        self.session = session
        self.token = token
        self.data = data
        self.time_ns = time_ns
        self.symbol = symbol
        self.asked = {BUY: (bid_quantity, bid_price), SELL: (ask_quantity, ask_price)}

    def carry_out(self, indicative: bool) -> None:
        """Do what the entry says, side by side."""
        book = self.session.books.get(self.symbol)
        if book is None:
            for side, (_, price) in self.asked.items():
                self._tell(side, 0, 0, price, (REJECT_SYMBOL, REJECT_REASONS[REJECT_SYMBOL]))
            return
        self.book: Book = book
        self.quote = rooms.rooms_of(book).quotes.of(self.session)
        if indicative:
            kept = [self._indicate(side) for side in (BUY, SELL)]
            show(book, self.quote, (*kept[0], *kept[1]))
            return
        show(book, self.quote, NOTHING)
        ask = self._order(SELL)
        ask_first = ask is not None and self.asked[BUY][0] and self.asked[BUY][1] >= ask[PRICE]
        for side in (SELL, BUY) if ask_first else (BUY, SELL):
            self._change(side)

    # --------------------------------------------------------------------------------------------- one side
    def _change(self, side: int) -> None:
        """One side of a firm quote."""
        quantity, price = self.asked[side]
        order = self._order(side)
        if not quantity:
            self._take_out(side, order, None)
            return
        keeps = order is not None and order[PRICE] == price and quantity <= order[OPEN]
        refused = self._flaw(order, quantity, price)
        if refused is None and not keeps:
            refused = risk.check(
                self.session, self.book, side, quantity, price, LIMIT, None, self.time_ns, order
            )  # fmt: skip
        if refused is None and order is None:
            refused = self._claim_tokens()
        if refused is not None:
            self._take_out(side, order, refused)
        elif order is None:
            self._enter(side, quantity, price)
        elif keeps:
            if quantity < order[OPEN]:
                placing.shrink(order, quantity)
            self._tell(side, order[NUMBER], quantity, price)
        else:
            self._move(side, order, quantity, price)

    def _flaw(self, order: Order | None, quantity: int, price: int) -> Refusal | None:
        """Why a side cannot be as it is asked for, whatever the risk."""
        book = self.book
        if order is None:
            found = submit.refusal(self.session, book, LIMIT, DAY)
        else:
            reason = phases.may_amend(book.phase, order) or phases.may_enter(book.phase, LIMIT, DAY)
            found = (reason, REJECT_REASONS[reason]) if reason else None
        return found or self._crossed() or judging.flaw(book, quantity, price, LIMIT, DAY, 0, 0, self.time_ns)

    def _crossed(self) -> Refusal | None:
        (bid_quantity, bid), (ask_quantity, ask) = self.asked[BUY], self.asked[SELL]
        if bid_quantity and ask_quantity and bid >= ask:
            return REJECT_QUOTE, "bid_price is not below ask_price"
        return None

    def _take_out(self, side: int, order: Order | None, refused: Refusal | None) -> None:
        """Nothing of a side is to be in the market: it was refused, or (None) nothing was asked for."""
        price = self.asked[side][1] if refused is not None else 0
        if order is None:
            self._tell(side, 0, 0, price, refused)
        elif phases.may_cancel(self.book.phase, order) == phases.YES:
            remove(order)
            self._tell(side, 0, 0, price, refused)
        else:
            refused = refused or (REJECT_TOO_LATE, REJECT_REASONS[REJECT_TOO_LATE])
            self._tell(side, order[NUMBER], order[OPEN], order[PRICE], refused)

    def _enter(self, side: int, quantity: int, price: int) -> None:
        """A side that is not in the market."""
        numbers = self.book.numbers
        number = numbers.order = numbers.order + 1
        terms = Terms(LIMIT)
        terms.quote = 1
        token = self._side_token(side)
        order = [quantity, price, side, number, self.session, token, 0, DAY, 0, self.data, self.book, None, terms]
        placing.admit(order)
        self._tell(side, number, quantity, price)
        trading.place(self.book, order)

    def _move(self, side: int, order: Order, quantity: int, price: int) -> None:
        """A side that is in the market gets another place.

        The public is told as of a replacement: in one event if nothing happens in between.
        """
        book, events = self.book, self.book.events
        previous, shown = order[NUMBER], placing.seen(order)
        placing.leave(order)
        order[OPEN], order[PRICE], order[DATA] = quantity, price, self.data
        placing.renumber(order)
        self._tell(side, order[NUMBER], quantity, price)
        index = len(events)
        trading.place(book, order)
        if not shown:
            return
        if len(events) == index + 1 and events[index][:3] == (ADDED, book.number, order[NUMBER]):
            events[index] = (ORDER_REPLACED, book.number, previous, order[NUMBER], events[index][4], price)
        else:
            events.insert(index, (REDUCED, book.number, previous, shown, 0))

    def _indicate(self, side: int) -> tuple[int, int]:
        """One side of an indicative quote; what is to be shown of it."""
        quantity, price = self.asked[side]
        order = self._order(side)
        refused = None
        if quantity:
            reason = phases.may_enter(self.book.phase, LIMIT, DAY)
            refused = (reason, REJECT_REASONS[reason]) if reason else self._crossed()
            refused = refused or judging.flaw(self.book, quantity, price, LIMIT, DAY, 0, 0, self.time_ns)
        if order is not None and phases.may_cancel(self.book.phase, order) != phases.YES:
            refused = refused or (REJECT_TOO_LATE, REJECT_REASONS[REJECT_TOO_LATE])
        if not quantity or refused is not None:
            self._take_out(side, order, refused)
            return 0, 0
        if order is not None:
            remove(order)
        self._tell(side, 0, quantity, price)
        return quantity, price

    # --------------------------------------------------------------------------------------------- names
    def _side_token(self, side: int) -> bytes:
        return side_token(self.quote, self.symbol, side)

    def _order(self, side: int) -> Order | None:
        """The live order that is this side now."""
        return order_of(self.quote, self.session, self.symbol, side)

    def _claim_tokens(self) -> Refusal | None:
        """Choose tokens for both sides that the client has not used today, and use them up; once a day."""
        quote, tokens = self.quote, self.session.tokens
        if quote.day == self.session.day:
            return None
        if len(tokens) + 2 > TOKENS_MAX:
            return REJECT_LIMIT, f"tokens: the session has used {len(tokens)} of {TOKENS_MAX} today"
        quote.day, quote.attempt = self.session.day, 1
        while self._side_token(BUY) in tokens or self._side_token(SELL) in tokens:
            quote.attempt += 1
        tokens[self._side_token(BUY)] = tokens[self._side_token(SELL)] = None
        return None

    def _tell(self, side: int, number: int, leaves: int, price: int, refused: Refusal | None = None) -> None:
        """QUOTE_STATUS: what is in the market of a side now."""
        reason, text = refused or (0, "")
        session = self.session
        session.events.append(
            (QUOTE_STATUS, session.number, self.token, self.symbol, side, number, leaves, price, reason, text)
        )  # fmt: skip


def side_token(quote: Quote, symbol: str, side: int) -> bytes:
    """The token of one side of a quote."""
    return b"Q%d.%s.%s" % (quote.attempt, symbol.encode(), b"B" if side == BUY else b"A")


def order_of(quote: Quote, session: Session, symbol: str, side: int) -> Order | None:
    """The live order that is one side of a quote now, None when there is none."""
    if quote.day != session.day:
        return None
    order = session.live.get(side_token(quote, symbol, side))
    return order if order is not None and order[TERMS] is not None and order[TERMS].quote else None


# ------------------------------------------------------------------------------------------------- taking out
def remove(order: Order) -> None:
    """Take a side's order out; only the public is told."""
    book, number = order[BOOK], order[NUMBER]
    shown = placing.kill(order)
    placing.forget(order)
    if shown:
        book.events.append((REDUCED, book.number, number, shown, 0))
    placing.touch(book)


def show(book: Book, quote: Quote, shown: Shown) -> None:
    """Show an indicative quote, or (NOTHING) that there is none any more: QUOTED, unless that is so already."""
    if quote.shown != shown:
        quote.shown = shown
        book.events.append((QUOTED, book.number, quote.maker, *shown))


def hide_all(book: Book) -> None:
    """Trading has ended in a book: its indicative quotes are over."""
    if book.rooms is not None:
        for quote in book.rooms.quotes.all():
            show(book, quote, NOTHING)


def hide_of(session: Session) -> None:
    """A session is gone, or its connection, and its orders with it: so are its indicative quotes."""
    for book in session.books.values():
        found = book.rooms.quotes.get(session) if book.rooms is not None else None
        if found is not None:
            show(book, found, NOTHING)


# At the end, since these need what is above.
from openoutcry.matcher import answers, judging, placing, risk, rooms, submit, trading  # noqa: E402  # they need what is above
from openoutcry.matcher.sessions import TOKENS_MAX  # noqa: E402  # they need what is above
