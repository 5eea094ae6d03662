"""What an operator does about a trade that went wrong: it is broken, as if it never was, or given another price.

Rule 1. Only the trades that are still kept can be touched (orders.TRADES_KEPT). A trade is broken once and for all; it
        can be corrected again and again, but not once it is broken.
Rule 2. Both sides are told (BROKEN, CORRECTED), first the one that `Numbers.trades` names first, but a session whose
        stream has ended is not: that day is over. The public is told in any case.
Rule 3. Positions and fees become what they would be without the trade, or with its new price at the rates of its
        time; a FEE tells each side the difference. Orders stay: what was executed is gone, what was elected is elected.
Rule 4. Position limits and reduce-only orders see the new positions at once.

Sources: Nasdaq OUCH 4.2, Broken Trade and Trade Correction; ITCH 5.0, Broken Trade.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openoutcry.errors import VerbError
from openoutcry.matcher.ledger import Ledger, Note, Trade, ledger_of, trade_of, trade_row
from openoutcry.matcher.orders import TRADES_KEPT
from openoutcry.parameters import price_text
from openoutcry.wire import (
    BREAK_REASONS,
    BROKEN,
    BUY,
    CORRECTED,
    FEE,
    PRICE_MAX,
    TRADE_BROKEN,
    TRADE_CORRECTED,
    UINT63_MAX,
)

if TYPE_CHECKING:
    from openoutcry.matcher.fees import Rate
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Session

PRICE_PLACE = 2  # of the price among a trade's fields in Numbers.trades


def break_trade(machine: Machine, match: int, reason: int) -> dict[str, Any]:
    """Declare that a trade never was. reason: of wire.BREAK_REASONS. Raises VerbError; answers with the trade's row."""
    trade, ledger = _find(machine, match, reason)
    note = ledger.notes.get(match)
    ledger.broken[match] = reason
    for session, token in _sides(machine, trade):
        session.events.append((BROKEN, session.number, token, match, trade.quantity, trade.price, reason))
    machine.public.events.append((TRADE_BROKEN, trade.book.number, match, trade.quantity, trade.price))
    if note is not None:
        if note.counted:
            sold = -trade.quantity if trade.side in (0, BUY) else trade.quantity
            ledger.count(trade.book, note.one, sold)
            ledger.count(trade.book, note.other, -sold)
        _settle_fees(machine, ledger, trade, note, 0, 0)
    return _done(machine, ledger, match)


def correct_trade(machine: Machine, match: int, price: int, reason: int) -> dict[str, Any]:
    """Give a trade its right price. reason: of wire.BREAK_REASONS. Raises VerbError; answers with the trade's row."""
    trade, ledger = _find(machine, match, reason)
    if not 0 < price <= PRICE_MAX:
        text = f"price is {price_text(price)}, it must be above 0 and at most {price_text(PRICE_MAX)}"
        raise VerbError("bad_argument", "price", text)
    if price == trade.price:
        raise VerbError("wrong_state", "price", f"trade {match} has the price {price_text(price)} already")
    ledger.corrected.setdefault(match, trade.price)
    machine.numbers.trades[trade.place + PRICE_PLACE] = price
    for session, token in _sides(machine, trade):
        session.events.append((CORRECTED, session.number, token, match, trade.quantity, price, reason))
    public = (TRADE_CORRECTED, trade.book.number, match, trade.quantity, trade.price, price)
    machine.public.events.append(public)
    note = ledger.notes.get(match)
    if note is not None:
        one_fee, other_fee = (_fee(rate, trade.quantity, price) for rate in (note.one_rate, note.other_rate))
        _settle_fees(machine, ledger, trade, note, one_fee, other_fee)
    return _done(machine, ledger, match)


def _find(machine: Machine, match: int, reason: int) -> tuple[Trade, Ledger]:
    """A trade that can still be broken or corrected. Raises VerbError."""
    numbers = machine.numbers
    if reason not in BREAK_REASONS:
        known = ", ".join(f"{code} ({name})" for code, name in BREAK_REASONS.items())
        raise VerbError("bad_argument", "reason", f"reason is {reason}, it must be one of: {known}")
    trade = trade_of(numbers, match)
    if trade is None:
        if not 0 < match <= numbers.match:
            last = f"the last one was {numbers.match}" if numbers.match else "there has been none yet"
            raise VerbError("unknown_name", "match", f"there is no trade {match}: {last}")
        text = f"trade {match} is not kept any more: only the last {TRADES_KEPT} can be broken or corrected"
        raise VerbError("wrong_state", "match", text)
    ledger = ledger_of(numbers)
    if match in ledger.broken:
        text = f"trade {match} is broken already ({BREAK_REASONS[ledger.broken[match]]})"
        raise VerbError("wrong_state", "match", text)
    if machine.books.get(trade.book.name) is not trade.book:
        raise VerbError("wrong_state", "match", f"trade {match} was in a book that was deleted")
    return trade, ledger


def _sides(machine: Machine, trade: Trade) -> list[tuple[Session, bytes]]:
    """The sides that can be told, with their tokens."""
    sides = ((trade.one, trade.one_token), (trade.other, trade.other_token))
    return [(session, token) for session, token in sides if _hears(machine, session)]


def _hears(machine: Machine, session: Session) -> bool:
    return session.owner is not None and machine.sessions.get(session.number) is session


def _fee(rate: Rate | None, quantity: int, price: int) -> int:
    return rate.amount(quantity, price) if rate is not None else 0


def _settle_fees(machine: Machine, ledger: Ledger, trade: Trade, note: Note, one_fee: int, other_fee: int) -> None:
    """Make what a trade cost each side that much from now on, and tell them the differences."""
    sides = (
        (trade.one, trade.one_token, note.one, one_fee - note.one_fee),
        (trade.other, trade.other_token, note.other, other_fee - note.other_fee),
    )
    for session, token, account, difference in sides:
        ledger.pay(account, difference)
        if difference and _hears(machine, session):
            told = max(-UINT63_MAX, min(difference, UINT63_MAX))
            session.events.append((FEE, session.number, token, trade.match, told))
    ledger.notes[trade.match] = note._replace(one_fee=one_fee, other_fee=other_fee)


def _done(machine: Machine, ledger: Ledger, match: int) -> dict[str, Any]:
    ledger.forget(machine.numbers)
    trade = trade_of(machine.numbers, match)
    assert trade is not None
    return trade_row(machine.numbers, trade)
