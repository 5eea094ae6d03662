"""The floor: all live orders in one list, and the two things one can do with it: look, and tell.

Invariant: ``orders`` holds exactly the orders with something open, in no particular order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from openoutcry import wire as w
from openoutcry.matcher.draws import draw

Message = tuple[Any, ...]

# Where an order waits. DARK: tradeable and unseen; TRIGGER: for a trade at some price; PARKED: pegged, and there is no
# price to follow; CALL: for an auction.
LIT, DARK, TRIGGER, PARKED, CALL = "lit", "dark", "trigger", "parked", "call"
BECOMES = {w.STOP: w.MARKET, w.STOP_LIMIT: w.LIMIT, w.MARKET_IF_TOUCHED: w.MARKET, w.LIMIT_IF_TOUCHED: w.LIMIT}


@dataclass
class Member:
    """A session: the stream of its gateway, and whose orders its orders are. answered: always, as FIX wants it."""

    stream: str
    account: str = ""
    firm: str = ""
    answered: bool = False


@dataclass
class Rules:
    """A book: its number and its properties, named as in openoutcry.verbs."""

    number: int
    tick_size: int = 10_000
    tick_table: str = ""
    lot_size: int = 1
    min_quantity: int = 1
    max_price: int = 199_999_99000000
    self_match: int = w.SELF_MATCH_OFF
    self_match_by: str = "account"
    allocation: str = "fifo"
    pro_rata_minimum: int = 1
    fifo_percent: int = 50
    lead_market_makers: str = ""
    top_max: int = w.QUANTITY_MAX
    market_protection: int = 0
    reference_price: int = 0

    def tick_at(self, price: int) -> int:
        """The tick of a price: that of the last row of the table that begins there or below."""
        tick = self.tick_size
        for row in self.tick_table.split():
            begin, size = (int(Decimal(text) * w.PRICE_SCALE) for text in row.split("="))
            if begin <= price:
                tick = size
        return tick

    def round(self, price: int, up: bool) -> int:
        """To the tick."""
        tick = self.tick_at(price)
        return -(price // -tick) * tick if up else price // tick * tick


@dataclass(eq=False)
class Order:
    """One order. kind: its order type as entered, or what it has become. shown: what the market sees of it."""

    session: int
    token: bytes
    symbol: str
    number: int
    side: int
    kind: int
    price: int
    open: int
    tif: int
    deadline: int
    minimum: int
    data: bytes
    terms: dict[int, Any] = field(default_factory=dict)
    done: int = 0
    where: str = LIT
    shown: int = 0
    pending: bool = False  # its owner wants it cancelled after the auction
    filled: int = 0  # executed since it was the parent of a bracket
    cap: int = 0  # pegged: the worst price, 0 for any
    top: bool = False  # whether it bettered the market when it came

    @property
    def buying(self) -> bool:
        return self.side == w.BUY

    @property
    def public_side(self) -> int:
        return w.BUY if self.buying else w.SELL

    @property
    def all_or_none(self) -> bool:
        return w.TERM_ALL_OR_NONE in self.terms

    @property
    def conditional(self) -> bool:
        """Whether it only trades when enough is there."""
        return self.all_or_none or self.minimum > 0

    @property
    def need(self) -> int:
        """The least that one execution of it takes, as a resting order; 0: anything."""
        return self.open if self.all_or_none else min(self.minimum, self.open)

    @property
    def tradeable(self) -> int:
        """What one match can take of it: of an iceberg on the lit side, the part that is seen."""
        return self.shown if self.where == LIT else self.open

    @property
    def market(self) -> bool:
        return self.kind in (w.MARKET, w.MARKET_TO_LIMIT)

    @property
    def auction_only(self) -> bool:
        return self.tif in (w.AT_OPEN, w.AT_CLOSE, w.GOOD_FOR_AUCTION)

    @property
    def immediate(self) -> bool:
        return self.tif in (w.IOC, w.FOK)


class Floor:
    """books: rules by symbol; members: sessions by number; seed: of icebergs that show random parts."""

    def __init__(
        self, books: dict[str, Rules], members: dict[int, Member], max_quantity: int, max_open: int, seed: int = 1
    ) -> None:
        self.books = books
        self.members = members
        self.max_quantity = max_quantity
        self.max_open = max_open
        self.seed = seed
        self.orders: list[Order] = []
        self.phases = dict.fromkeys(books, w.PHASE_OPEN)
        self.last_price = dict.fromkeys(books, 0)
        self.prints: dict[str, list[int]] = {symbol: [] for symbol in books}  # prices that have elected nothing yet
        self.numbers = self.matches = 0
        self.private: dict[str, list[Message]] = defaultdict(list)
        self.public: list[Message] = []
        self.bought: dict[str, int] = defaultdict(int)
        self.sold: dict[str, int] = defaultdict(int)

    # ------------------------------------------------------------------------------------------- looking
    def find(self, session: int, token: bytes) -> Order | None:
        """The live order of that name."""
        return next((o for o in self.orders if (o.session, o.token) == (session, token)), None)

    def all_of(self, symbol: str, where: Callable[[Order], bool] = lambda order: True) -> list[Order]:
        """A book's orders: buys before sells, each in priority order."""
        return [o for buying in (True, False) for o in self.side(symbol, buying) if where(o)]

    def side(self, symbol: str, buying: bool) -> list[Order]:
        """One side of a book, wherever the orders wait: market orders first, then price, then what is seen, number."""
        found = [o for o in self.orders if o.symbol == symbol and o.buying == buying]
        return sorted(found, key=lambda o: (not o.market, -o.price if buying else o.price, o.where != LIT, o.number))

    def makers(self, taker: Order, limit: int | None = None) -> list[Order]:
        """Whom an order of this side could trade with up to a price, best first."""
        other = [o for o in self.side(taker.symbol, not taker.buying) if o.where in (LIT, DARK)]
        return [o for o in other if limit is None or (o.price <= limit if taker.buying else o.price >= limit)]

    def same_owner(self, one: Order, other: Order) -> bool:
        """Whether they may not trade with each other where self-matches are prevented."""
        by = self.books[one.symbol].self_match_by
        if by == "session":
            return one.session == other.session
        if by == "firm":
            firm = self.members[one.session].firm
            return firm != "" and firm == self.members[other.session].firm
        return self.account(one) == self.account(other)

    def account(self, order: Order) -> str:
        return str(order.terms.get(w.TERM_ACCOUNT, "")) or self.members[order.session].account

    # ------------------------------------------------------------------------------------------- telling
    def tell(self, session: int, kind: int, *fields: Any) -> None:
        self.private[self.members[session].stream].append((kind, session, *fields))

    def announce(self, symbol: str, kind: int, *fields: Any) -> None:
        self.public.append((kind, self.books[symbol].number, *fields))

    # ------------------------------------------------------------------------------------------- changing
    def next_number(self) -> int:
        self.numbers += 1
        return self.numbers

    def first_part(self, order: Order) -> int:
        """What an iceberg shows next; all of any other order."""
        display = order.terms.get(w.TERM_DISPLAY_QUANTITY, 0)
        if not display:
            return order.open
        spread = order.terms.get(w.TERM_DISPLAY_RANGE, 0)
        if spread:
            display += draw(2 * spread + 1, self.seed, order.number) - spread
        return min(order.open, int(display))

    def take_out(self, order: Order) -> None:
        """Off the floor, without a word."""
        self.orders.remove(order)

    def withdraw(self, order: Order) -> None:
        """Off the floor; those who saw it are told."""
        self.take_out(order)
        if order.where == LIT:
            self.announce(order.symbol, w.REDUCED, order.number, order.shown, 0)

    def cancel_all_of(self, order: Order, reason: int) -> None:
        self.tell(order.session, w.CANCELED, order.token, order.open, reason, 0)
        if order in self.orders:
            self.withdraw(order)
        order.open = 0
        self.ended(order, reason)

    def printed(self, one: Order, other: Order, size: int, price: int) -> None:
        """Two orders have traded."""
        self.matches += 1
        self.last_price[one.symbol] = price
        self.prints[one.symbol].append(price)
        for order in (one, other):
            order.open -= size
            order.done += size
            (self.bought if order.buying else self.sold)[order.symbol] += size
            self.traded(order, size)
            if not order.open:
                self.ended(order, 0)

    def traded(self, order: Order, size: int) -> None:
        """An order has executed: what hangs on it."""

    def ended(self, order: Order, reason: int) -> None:
        """Nothing of an order is open any more. reason: of its cancel, else 0."""

    def shrink(self, order: Order, left: int) -> None:
        """Leave so much open, from what is not seen first; those who saw more are told."""
        order.open = left
        gone = order.shown - min(order.shown, left)
        order.shown -= gone
        if gone and order.where == LIT:
            self.announce(order.symbol, w.REDUCED, order.number, gone, order.shown)
