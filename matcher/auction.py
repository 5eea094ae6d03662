"""Auctions: who waits for one, what it would bring now, and the cross that ends it.

Rule 1. In an auction all orders trade at one price (openoutcry.matcher.equilibrium). Market orders, limit orders,
        hidden orders and icebergs with all they have take part; conditional (all-or-none, with a minimum), pegged
        and trigger orders do not. An order for one kind of auction takes part in that one alone.
Rule 2. Priority: market orders first, then by price; at a price what is shown before what is not, then the older.
        Self-match prevention is for continuous trading alone.
Rule 3. What is left of orders for this auction, and of market orders, is cancelled (CANCEL_CROSS); a market-to-limit
        order becomes a limit order at the auction's price. Pending cancels are carried out.
Rule 4. While orders are collected, INDICATIVE tells what the cross would bring, when that has changed. It is worked
        out at most once in the book's indicative_ms; for a change that comes too early, when its time has come.

Invariant: after a cross no buy order that could have taken part has a price at or above that of such a sell order.
Sources: Nasdaq's crosses and NOII; Xetra Market Model, "Auction"; FIX 828 (TrdType) for the kinds of cross.
"""

from __future__ import annotations

from typing import Any, Final

from openoutcry.matcher.book import Book, Side
from openoutcry.matcher.equilibrium import ANY_PRICE, NO_OUTCOME, Limit, Outcome, equilibrium
from openoutcry.matcher.orders import BOOK, DONE, NUMBER, OPEN, PRICE, SESSION, SIDE, TERMS, TIME_IN_FORCE, TOKEN, Order
from openoutcry.matcher.phases import COLLECTING, YES, may_cancel
from openoutcry.matcher.terms import LIT
from openoutcry.matcher.timetable import Timetable
from openoutcry.wire import (
    AT_CLOSE,
    AT_OPEN,
    BUY,
    CANCEL_CROSS,
    CANCEL_PENDING,
    CANCEL_USER,
    CROSS_CLOSING,
    CROSS_LIQUIDITY,
    CROSS_OPENING,
    CROSS_TRADED,
    CROSSED,
    EXECUTED,
    GOOD_FOR_AUCTION,
    INDICATIVE,
    LIMIT,
    MARKET_TO_LIMIT,
    RESTATED_LIMIT,
    SELL,
)

Shown = tuple[int, int, int, int]  # price, volume, side of the imbalance, imbalance: of INDICATIVE
NOT_SHOWN: Final[Shown] = (0, 0, 0, 0)
MS_NS: Final = 1_000_000
ONE_AUCTION: Final = frozenset((AT_OPEN, AT_CLOSE, GOOD_FOR_AUCTION))


class Call:
    """A book's auctions: the orders that wait for one, and all that its own trading phases need to remember.

    owed: the cross that ends the collecting of orders, 0 when none is owed; price: of the last cross that had one.
    own: the phase set for this book alone, 0 to follow the engine; auction: the phase of an auction that this book is
    in, whatever the engine's phase is; extensions: of it so far; limited: in a limit state, the side of the order that
    met a band; paused: whether its halt ends by itself. ticket: of the entry in the schedule that ends the auction,
    limit state or pause.
    """

    __slots__ = (
        "_orders", "auction", "extensions", "indicative_ticket", "limited", "owed", "own", "paused", "pending", "price",
        "reference", "shown", "shown_ns", "ticket", "timetable",
    )  # fmt: skip

    def __init__(self) -> None:
        self._orders: dict[int, Order] = {}  # by number
        self.pending: dict[int, None] = {}  # numbers of the orders here to be cancelled after the cross
        self.owed = 0
        self.price = 0
        self.own = 0
        self.auction = 0
        self.extensions = 0
        self.limited = 0
        self.paused = False
        self.ticket = 0
        self.shown: Shown = NOT_SHOWN  # the last INDICATIVE
        self.shown_ns = 0  # when it was last worked out
        self.indicative_ticket = 0  # of the entry that will publish the next one, 0 for none
        self.reference = 0  # last trade before the present order: openoutcry.matcher.breakers; not part of the state
        self.timetable: Timetable | None = None  # of this book alone

    def add(self, order: Order) -> None:
        """Let an order wait for its auction."""
        self._orders[order[NUMBER]] = order

    def remove(self, order: Order) -> None:
        """Take an order out; nothing happens when it is not here."""
        self._orders.pop(order[NUMBER], None)
        self.pending.pop(order[NUMBER], None)

    def orders(self) -> list[Order]:
        """All that wait: buys, then sells, each in priority order."""
        buys = [order for order in self._orders.values() if order[SIDE] == BUY]
        sells = [order for order in self._orders.values() if order[SIDE] != BUY]
        return sorted(buys, key=_buy_priority) + sorted(sells, key=_sell_priority)

    def __len__(self) -> int:
        return len(self._orders)

    def dump(self) -> tuple[Any, ...]:
        """For a snapshot: everything but the orders."""
        timetable = self.timetable.dump() if self.timetable is not None else ()
        return (
            tuple(sorted(self.pending)), self.owed, self.price, self.own, self.auction, self.extensions, self.limited,
            self.paused, self.ticket, self.shown, self.shown_ns, self.indicative_ticket, timetable,
        )  # fmt: skip

    def load(self, row: tuple[Any, ...]) -> None:
        """The reverse of ``dump``; the orders are added by themselves, before or after."""
        (pending, self.owed, self.price, self.own, self.auction, self.extensions, self.limited,
         self.paused, self.ticket, shown, self.shown_ns, self.indicative_ticket, timetable) = row  # fmt: skip
        self.pending = dict.fromkeys(pending)
        self.shown = tuple(shown)
        self.timetable = Timetable.of(timetable) if timetable else None


def _buy_priority(order: Order) -> tuple[bool, int, bool, int]:
    return order[PRICE] != ANY_PRICE, -order[PRICE], not _is_lit(order), order[NUMBER]


def _sell_priority(order: Order) -> tuple[bool, int, bool, int]:
    return order[PRICE] != ANY_PRICE, order[PRICE], not _is_lit(order), order[NUMBER]


def _is_lit(order: Order) -> bool:
    return order[TERMS] is None or order[TERMS].where == LIT


# ------------------------------------------------------------------------------------------------- who takes part
def for_cross(order: Order, cross: int) -> bool:
    """Whether an order of the call room takes part in this kind of cross."""
    tif = order[TIME_IN_FORCE]
    if tif == AT_OPEN:
        return cross == CROSS_OPENING
    return tif != AT_CLOSE or cross == CROSS_CLOSING


def participants(book: Book, buying: bool, cross: int) -> list[Order]:
    """The orders of one side that take part, in no particular order."""
    side = book.bids if buying else book.asks
    rooms = book.rooms
    if rooms is None:
        return list(side.orders())
    found = [order for order in side.orders() if order[TERMS] is None or not order[TERMS].peg]
    dark: Side = rooms.dark_bids if buying else rooms.dark_asks
    for order in dark.orders():
        terms = order[TERMS]
        if not (terms.all_or_none or terms.minimum or terms.peg):
            found.append(order)
    found += [order for order in rooms.call.orders() if (order[SIDE] == BUY) == buying and for_cross(order, cross)]
    return found


def reference_of(book: Book) -> int:
    """What auction prices are compared with: the last trade, before the first the property; 0 for nothing."""
    return book.last_price or int(book.properties["reference_price"])


def outcome(book: Book, cross: int) -> Outcome:
    """What a cross would bring now."""
    if _apart(book):
        return NO_OUTCOME
    return _outcome(book, participants(book, True, cross), participants(book, False, cross))


def _apart(book: Book) -> bool:
    """Whether it is plain at a glance that nothing would match: no lit prices cross, and nobody else takes part."""
    rooms = book.rooms
    if book.bids.best >= book.asks.best:
        return False
    return rooms is None or not (rooms.dark_bids.prices or rooms.dark_asks.prices or len(rooms.call))


def _outcome(book: Book, buys: list[Order], sells: list[Order]) -> Outcome:
    if not buys or not sells:
        return NO_OUTCOME
    ticks = book.policy.ticks if book.policy is not None else None
    return equilibrium(_limits(buys), _limits(sells), reference_of(book), book.tick_size, ticks)


def _limits(orders: list[Order]) -> list[Limit]:
    return [(order[PRICE], order[OPEN]) for order in orders]


# ------------------------------------------------------------------------------------------------- the cross
def uncross(book: Book, cross: int) -> None:
    """Hold an auction: match all that can at its price, then deal with what is left."""
    from openoutcry.matcher.rooms import rooms_of

    call = rooms_of(book).call
    call.owed = 0
    buys, sells = participants(book, True, cross), participants(book, False, cross)
    found = _outcome(book, buys, sells)
    if found.volume:
        call.price = found.price
        buys = [order for order in buys if order[PRICE] == ANY_PRICE or order[PRICE] >= found.price]
        sells = [order for order in sells if order[PRICE] <= found.price]
        _match_all(book, sorted(buys, key=_buy_priority), sorted(sells, key=_sell_priority), found.price, cross)
    book.events.append((CROSSED, book.number, cross, found.price, found.volume))
    _settle_leftovers(book, call, cross, found.price)


def _match_all(book: Book, buys: list[Order], sells: list[Order], price: int, cross: int) -> None:
    """Walk both sides in priority until one is exhausted."""
    from openoutcry.matcher.matching import matched

    buy = sell = 0
    while buy < len(buys) and sell < len(sells):
        buyer, seller = buys[buy], sells[sell]
        quantity = min(buyer[OPEN], seller[OPEN])
        matched(book, buyer, seller, quantity, price, match(book, buyer, seller, quantity, price, cross))
        if not buyer[OPEN]:
            buy += 1
        if not seller[OPEN]:
            sell += 1


def match(book: Book, buyer: Order, seller: Order, quantity: int, price: int, cross: int) -> int:
    """One match and its events; returns its number."""
    numbers = book.numbers
    number = numbers.match = numbers.match + 1
    buy_number, buy_left = _fill(buyer, quantity)
    sell_number, sell_left = _fill(seller, quantity)
    for order in (buyer, seller):
        session = order[SESSION]
        session.events.append(
            (EXECUTED, session.number, order[TOKEN], quantity, price, CROSS_LIQUIDITY + cross, number, order[OPEN], 0)
        )
    book.events.append(
        (CROSS_TRADED, book.number, buy_number, sell_number, quantity, price, number, buy_left, sell_left)
    )
    numbers.trades.extend(
        (book, quantity, price, 0, buyer[SESSION], buyer[TOKEN], seller[SESSION], seller[TOKEN])
    )  # fmt: skip
    book.last_price = price
    return number


def _fill(order: Order, quantity: int) -> tuple[int, int]:
    """Take `quantity` off an order; returns its public number, 0 when it is not shown, and what is shown of it now."""
    order[OPEN] -= quantity
    order[DONE] += quantity
    terms = order[TERMS]
    if terms is None:
        return order[NUMBER], order[OPEN]
    if terms.where != LIT:
        return 0, 0
    terms.shown = min(terms.shown, order[OPEN])
    return order[NUMBER], terms.shown


def _settle_leftovers(book: Book, call: Call, cross: int, price: int) -> None:
    """Rule 3. price: 0 when there was none."""
    from openoutcry.matcher import trading

    for order in call.orders():
        if not for_cross(order, cross) and not (order[TIME_IN_FORCE] == AT_OPEN and cross == CROSS_CLOSING):
            continue
        terms = order[TERMS]
        if order[NUMBER] in call.pending:
            trading.cancel(order, CANCEL_USER)
        elif price and terms.order_type == MARKET_TO_LIMIT and order[TIME_IN_FORCE] not in ONE_AUCTION:
            terms.order_type = LIMIT
            trading.restate(order, price, RESTATED_LIMIT)
        else:
            trading.cancel(order, CANCEL_CROSS)


# ------------------------------------------------------------------------------------------------- pending cancels
def is_pending(order: Order) -> bool:
    """Whether a cancel of an order waits for the cross."""
    book: Book = order[BOOK]
    return book.rooms is not None and order[NUMBER] in book.rooms.call.pending


def cancel_later(order: Order) -> bool:
    """Take note of a cancel that has to wait for the cross, and say so once; False when it waits already."""
    pending: dict[int, None] = order[BOOK].rooms.call.pending
    if order[NUMBER] in pending:
        return False
    pending[order[NUMBER]] = None
    session = order[SESSION]
    session.events.append((CANCEL_PENDING, session.number, order[TOKEN]))
    return True


def cancel_pending(book: Book) -> None:
    """Carry out the cancels that have waited, oldest order first, as soon as the book's phase allows them."""
    from openoutcry.matcher import trading

    call = book.rooms.call if book.rooms is not None else None
    if call is None or not call.pending:
        return
    for order in call.orders():
        if order[NUMBER] in call.pending and may_cancel(book.phase, order) == YES:
            trading.cancel(order, CANCEL_USER)


# ------------------------------------------------------------------------------------------------- indicative prices
def indicative(book: Book) -> None:
    """Something may have changed in a book that collects orders: publish INDICATIVE, now or when its time has come."""
    if book.rooms is None or book.phase not in COLLECTING:
        return
    call = book.rooms.call
    engine = book.home
    if engine is None or call.indicative_ticket:
        return
    next_ns = call.shown_ns + book.properties["indicative_ms"] * MS_NS
    if next_ns <= book.numbers.time_ns:
        publish(book, call)
    else:
        call.indicative_ticket = engine.schedule.ticket()
        engine.schedule.add(next_ns, "indicative", book.name, call.indicative_ticket)


def publish(book: Book, call: Call) -> None:
    """INDICATIVE, if it says anything new."""
    if call.shown == NOT_SHOWN and _apart(book):
        return
    found = outcome(book, call.owed)
    call.shown_ns = book.numbers.time_ns
    side = BUY if found.imbalance > 0 else SELL if found.imbalance < 0 else 0
    shown = (found.price, found.volume, side, abs(found.imbalance))
    if shown != call.shown:
        call.shown = shown
        book.events.append((INDICATIVE, book.number, *shown))
