"""Who holds what, and what they have paid: positions, fees, and what is remembered of the last trades.

Trading and auctions make one call after each match: ``record``. It is needed whenever the book has a policy with
positions or fees, its engine has an active guard, or either order has terms; it looks by itself what there is to do.

Rule 1. A position is what an account has bought less what it has sold in a book that counts positions: the sum over the
        trades counted and not broken. An account at 0 has no entry.
Rule 2. What a trade did to positions and fees is noted with it, as long as the trade is kept, at the rates of its time;
        so a break or a correction puts right exactly what the trade did, whatever has been set since.
Rule 3. Open reduce-only orders of one account, book and side never add up to more than the position that they can
        reduce once ``trim`` has run: the newest are cancelled first, and of the last one only what exceeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from openoutcry.matcher import fees
from openoutcry.matcher.fees import Rate
from openoutcry.matcher.orders import (
    BOOK,
    NUMBER,
    OPEN,
    SESSION,
    SIDE,
    TERMS,
    TRADE_FIELDS,
    TRADES_KEPT,
    Numbers,
    Order,
)
from openoutcry.parameters import price_text
from openoutcry.wire import BUY, CANCEL_REDUCE_ONLY, REJECT_REDUCE_ONLY, SELL

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.sessions import Session

Key = tuple[str, int]  # account, number of a book
Row = dict[str, Any]
SLACK: Final = 256  # notes beyond TRADES_KEPT before the oldest are dropped together


class Trade(NamedTuple):
    """One of the last trades. side: of the aggressor, 0 in an auction; one: it, or the buyer; other: the other side.

    place: of its first field in ``Numbers.trades``.
    """

    match: int
    book: Book
    quantity: int
    price: int
    side: int
    one: Session
    one_token: bytes
    other: Session
    other_token: bytes
    place: int


class Note(NamedTuple):
    """What a trade did: accounts of `one` and `other`, whether it counted in positions, the fees and their rates."""

    one: str
    other: str
    counted: bool
    one_fee: int = 0
    other_fee: int = 0
    one_rate: Rate | None = None
    other_rate: Rate | None = None


class Ledger:
    """One per machine: ``ledger_of(numbers)``.

    positions: by (account, number of the book). fees: by account, in 1e-8, less than 0 when rebates prevail.
    notes: by match, of the kept trades that did anything here. broken: match to wire.BREAK_REASONS; corrected: match to
    the price that was first reported; both of the kept trades.
    """

    __slots__ = ("broken", "corrected", "fees", "moved", "notes", "positions", "reducers")

    def __init__(self) -> None:
        self.positions: dict[Key, int] = {}
        self.fees: dict[str, int] = {}
        self.notes: dict[int, Note] = {}
        self.broken: dict[int, int] = {}
        self.corrected: dict[int, int] = {}
        # Sessions that may have reduce-only orders, by position; some have none any more.
        self.reducers: dict[Key, dict[int, Session]] = {}
        # Positions changed by the current input that reduce-only orders may exceed: empty between two inputs.
        self.moved: dict[Key, Book] = {}

    def count(self, book: Book, account: str, change: int) -> None:
        """Change a position."""
        key = (account, book.number)
        position = self.positions.get(key, 0) + change
        if position:
            self.positions[key] = position
        else:
            self.positions.pop(key, None)
        if key in self.reducers:
            self.moved[key] = book
            book.numbers.unsettled[book] = None

    def pay(self, account: str, amount: int) -> None:
        """Add to what an account has paid."""
        if amount:
            self.fees[account] = self.fees.get(account, 0) + amount

    def forget(self, numbers: Numbers) -> None:
        """Drop what is known about trades that are not kept any more."""
        gone = numbers.match - TRADES_KEPT
        for table in (self.notes, self.broken, self.corrected):
            for match in [match for match in table if match <= gone]:
                del table[match]

    def dump(self) -> tuple[Any, ...]:
        """For a snapshot. Sums are texts: they can outgrow the integers of msgpack."""
        return (
            tuple((account, book, str(held)) for (account, book), held in sorted(self.positions.items())),
            tuple((account, str(paid)) for account, paid in sorted(self.fees.items())),
            tuple((match, *note[:5], *map(_rate_row, note[5:])) for match, note in sorted(self.notes.items())),
            tuple(sorted(self.broken.items())),
            tuple(sorted(self.corrected.items())),
            tuple((*key, number) for key in sorted(self.reducers) for number in sorted(self.reducers[key])
                  if reducing_of(self.reducers[key][number], *key)),
        )  # fmt: skip

    def load(self, row: tuple[Any, ...], sessions: dict[int, Session]) -> None:
        """The reverse of ``dump``. sessions: all of the machine, by number."""
        positions, paid, notes, broken, corrected, reducers = row
        for account, book, number in reducers:
            self.reducers.setdefault((account, book), {})[number] = sessions[number]
        self.positions = {(account, book): int(held) for account, book, held in positions}
        self.fees = {account: int(amount) for account, amount in paid}
        self.notes = {note[0]: Note(*note[1:6], *map(_rate, note[6:])) for note in notes}
        self.broken = dict(broken)
        self.corrected = dict(corrected)


def _rate_row(rate: Rate | None) -> tuple[int, ...]:
    return () if rate is None else tuple(rate)


def _rate(row: tuple[int, ...]) -> Rate | None:
    return Rate(*row) if row else None


def ledger_of(numbers: Numbers) -> Ledger:
    """The ledger of a machine."""
    if numbers.ledger is None:
        numbers.ledger = Ledger()
    return numbers.ledger


def account_of(order: Order) -> str:
    """Whose position an order changes: the account it names, else its session's."""
    terms = order[TERMS]
    account: str = order[SESSION].account
    return terms.account or account if terms is not None else account


def position(book: Book, account: str) -> int:
    """What an account holds in a book; less than 0 is a short position."""
    return ledger_of(book.numbers).positions.get((account, book.number), 0)


# ------------------------------------------------------------------------------------------------- trading
def record(
    book: Book, taker: Order, maker: Order, quantity: int, price: int, match: int, auction: bool = False
) -> None:
    """Count one match: positions, then fees (FEE to the taker, then the maker; in an auction buyer, then seller).

    To be called after the events of the match. taker, maker: in an auction the buyer's and the seller's order.
    """
    policy = book.policy
    counted = policy is not None and policy.positions
    one, other = account_of(taker), account_of(maker)
    one_rate = fees.rate_of(book, taker[SESSION], False)
    other_rate = fees.rate_of(book, maker[SESSION], not auction)
    if not (counted or one_rate or other_rate or one != taker[SESSION].account or other != maker[SESSION].account):
        return
    ledger = ledger_of(book.numbers)
    if counted:
        bought = quantity if taker[SIDE] == BUY else -quantity
        ledger.count(book, one, bought)
        ledger.count(book, other, -bought)
    one_fee = fees.charge(taker, one_rate, quantity, price, match)
    other_fee = fees.charge(maker, other_rate, quantity, price, match)
    ledger.pay(one, one_fee)
    ledger.pay(other, other_fee)
    ledger.notes[match] = Note(one, other, counted, one_fee, other_fee, one_rate, other_rate)
    if len(ledger.notes) > TRADES_KEPT + SLACK:
        ledger.forget(book.numbers)


# ------------------------------------------------------------------------------------------------- reduce-only
def reducing(book: Book, account: str) -> list[Order]:
    """The live reduce-only orders of an account in a book, oldest first."""
    sessions = ledger_of(book.numbers).reducers.get((account, book.number), {})
    found = [order for session in sessions.values() for order in reducing_of(session, account, book.number)]
    return sorted(found, key=itemgetter(NUMBER))


def reducing_of(session: Session, account: str, number: int) -> list[Order]:
    """Those of one session; number: of the book."""
    return [
        order for order in session.live.values()
        if order[TERMS] is not None and order[TERMS].reduce_only and order[BOOK].number == number
        and account_of(order) == account
    ]  # fmt: skip


def check_reduce_only(
    book: Book, session: Session, account: str, side: int, quantity: int, previous: Order | None = None
) -> tuple[int, str] | None:
    """Whether a reduce-only order may come in. previous: the order that it replaces, which then is not counted."""
    policy = book.policy
    if policy is None or not policy.positions:
        return REJECT_REDUCE_ONLY, f"reduce_only: book {book.name} does not count positions"
    held = position(book, account)
    room = -held if side == BUY else held
    buying = side == BUY
    taken = sum(o[OPEN] for o in reducing(book, account) if (o[SIDE] == BUY) == buying and o is not previous)
    if quantity + taken > room:
        text = f"reduce_only: {account} holds {held}, with {taken} to reduce it already: {quantity} is too much"
        return REJECT_REDUCE_ONLY, text
    ledger_of(book.numbers).reducers.setdefault((account, book.number), {})[session.number] = session
    return None


def trim(numbers: Numbers) -> bool:
    """Cancel what exceeds the positions changed by this input (Rule 3); True when something was cancelled."""
    from openoutcry.matcher import trading

    ledger = numbers.ledger
    if ledger is None or not ledger.moved:
        return False
    moved, ledger.moved = ledger.moved, {}
    cancelled = False
    for (account, number), book in moved.items():
        found = reducing(book, account)
        if not found:
            del ledger.reducers[account, number]
        held = position(book, account)
        for buying, room in ((True, max(-held, 0)), (False, max(held, 0))):
            for order in [o for o in found if (o[SIDE] == BUY) == buying]:
                keep = min(order[OPEN], room)
                room -= keep
                if keep == 0:
                    trading.cancel(order, CANCEL_REDUCE_ONLY)
                elif keep < order[OPEN]:
                    trading.reduce(order, keep, CANCEL_REDUCE_ONLY)
                else:
                    continue
                cancelled = True
    return cancelled


# ------------------------------------------------------------------------------------------------- the last trades
def trade_of(numbers: Numbers, match: int) -> Trade | None:
    """One of the trades that are kept, None when it is too old or never was."""
    age = numbers.match - match
    place = len(numbers.trades) - (age + 1) * TRADE_FIELDS
    if age < 0 or age >= TRADES_KEPT or place < 0:
        return None
    fields = [numbers.trades[place + field] for field in range(TRADE_FIELDS)]
    return _trade(match, fields, place)


def side_of(trade: Trade, session: Session, token: bytes) -> int:
    """Of a session's order of that name in a trade: BUY, SELL, or 0 when it had no part in it."""
    if (session, token) == (trade.one, trade.one_token):
        return BUY if trade.side in (0, BUY) else SELL
    if (session, token) == (trade.other, trade.other_token):
        return SELL if trade.side in (0, BUY) else BUY
    return 0


def last_trades(numbers: Numbers) -> Iterator[Trade]:
    """The trades that are kept, the newest first."""
    fields = islice(reversed(numbers.trades), TRADES_KEPT * TRADE_FIELDS)
    match, place = numbers.match, len(numbers.trades)
    while chunk := list(islice(fields, TRADE_FIELDS)):
        place -= TRADE_FIELDS
        yield _trade(match, chunk[::-1], place)
        match -= 1


def _trade(match: int, fields: list[Any], place: int) -> Trade:
    book, quantity, price, side, one, one_token, other, other_token = fields
    return Trade(match, book, quantity, price, side, one, one_token, other, other_token, place)


def accounts_of(numbers: Numbers, trade: Trade) -> tuple[str, str]:
    """The accounts of a trade's two sides, as Trade names them."""
    note = ledger_of(numbers).notes.get(trade.match)
    return (note.one, note.other) if note is not None else (trade.one.account, trade.other.account)


def trades(numbers: Numbers, book: Book | None, count: int, skip: int = 0) -> list[Row]:
    """`count` trades of a book, or of all, the newest first, after `skip` of them, with both sides, for operators."""
    found = [trade for trade in last_trades(numbers) if book is None or trade.book is book]
    return [trade_row(numbers, trade) for trade in found[skip : skip + count]]


def trade_row(numbers: Numbers, trade: Trade) -> Row:
    """One trade. side: of the aggressor, "" in an auction; state: "", "broken" or "corrected"."""
    ledger = ledger_of(numbers)
    one, other = accounts_of(numbers, trade)
    buyer, seller = (trade.one, one, trade.one_token), (trade.other, other, trade.other_token)
    if trade.side not in (0, BUY):
        buyer, seller = seller, buyer
    state = "broken" if trade.match in ledger.broken else "corrected" if trade.match in ledger.corrected else ""
    return {"match": trade.match, "book": trade.book.name, "quantity": trade.quantity, "price": price_text(trade.price),
            "side": ("", "buy", "sell")[trade.side], "state": state, **_side_row("buy", *buyer),
            **_side_row("sell", *seller)}  # fmt: skip


def _side_row(side: str, session: Session, account: str, token: bytes) -> Row:
    from openoutcry.matcher.queries import text_of  # it needs what is here

    return {f"{side}_session": session.number, f"{side}_account": account, f"{side}_firm": session.firm,
            f"{side}_token": text_of(token)}  # fmt: skip


def position_rows(numbers: Numbers, books: dict[str, Book], account: str | None = None) -> list[Row]:
    """Positions in `books` (by name), by account, then book."""
    names = {book.number: book.name for book in books.values()}
    held = sorted(ledger_of(numbers).positions.items())
    return [{"account": key[0], "book": names[key[1]], "position": count} for key, count in held
            if key[1] in names and account in (None, key[0])]  # fmt: skip


def fee_rows(numbers: Numbers, account: str | None = None) -> list[Row]:
    """What accounts have paid, in decimal text of the currency; less than 0 when they got more than they paid."""
    return [{"account": name, "fees": price_text(paid)} for name, paid in sorted(ledger_of(numbers).fees.items())
            if account in (None, name)]  # fmt: skip
