"""The manners of FIX: what a session asks for is always answered, and what cannot be done leaves things as they are.

AGAIN, CHANGE, WITHDRAW, CROSS and ECHO of openoutcry.wire; the rules of openoutcry.matcher.entry and
openoutcry.matcher.submit hold here too, in addition:

Rule 1. Every order and every request has a token of its own, which it uses up whatever comes of it. A used one is
        answered with REJECT_DUPLICATE, but for the command right after AGAIN, of which nobody is told then: so a
        gateway that does not know what became of a command sends it once more, and it happens once.
Rule 2. A CHANGE or WITHDRAW that does not take place is REQUEST_REJECTED, and the order is as it was. Questions are
        asked in this order: is the token new, is the order live, does the phase allow it, is it valid, may it be.
Rule 3. CROSS: both orders are judged as ENTER would judge them, and the market must be in continuous trading. They
        trade with each other, in whole, at a price at which neither does worse than the best order on the other side
        offers (one at the very price is passed over: nobody gets less than he could); else both are REJECTED.
        Self-match prevention does not apply: it is meant. The buyer is the one who waited: he adds unseen liquidity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry.matcher import auction, phases, placing, risk, submit, trading
from openoutcry.matcher.answers import (
    DUPLICATE,
    REQUEST_CANCEL,
    REQUEST_CHANGE,
    no_book,
    no_token,
    reject,
    turn_down,
)
from openoutcry.matcher.judging import Refusal, flaw
from openoutcry.matcher.matching import trade
from openoutcry.matcher.orders import BOOK
from openoutcry.matcher.sessions import ECHO_KIND, Session
from openoutcry.matcher.terms import DARK, Terms
from openoutcry.wire import (
    AGAIN,
    AMEND,
    BUY,
    CANCEL_REQUESTED,
    CANCEL_USER,
    ECHOED,
    FOK,
    LIMIT,
    REJECT_CROSS,
    REJECT_DUPLICATE,
    REJECT_TOO_LATE,
    REJECT_UNKNOWN_ORDER,
    SELL,
)

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book

Command = tuple[Any, ...]
UNKNOWN: Final[Refusal] = (REJECT_UNKNOWN_ORDER, "")


# ------------------------------------------------------------------------------------------------- once more
def again(session: Session, command: Command, time_ns: int) -> bool:
    """AGAIN: the session's next command is a repetition, maybe."""
    session.endpoint.engine.numbers.again[session] = None
    return True


def carry_out(session: Session, command: Command, time_ns: int) -> bool:
    """Handle any command of a session, with what AGAIN said before it; False when it is ignored."""
    from openoutcry.matcher import entry

    engine = session.endpoint.engine
    if engine.stage is not None:
        handled = engine.stage.take(session, command, time_ns)
    else:
        handled = entry.HANDLERS[command[0]](session, command, time_ns)
    if command[0] != AGAIN:
        engine.numbers.again.pop(session, None)
    return handled


def asked_before(session: Session, token: bytes, request: bytes, kind: int) -> bool:
    """Whether a request's token is used up; its session is told, unless it has said AGAIN."""
    if request not in session.tokens:
        return False
    if session not in session.endpoint.engine.numbers.again:
        turn_down(session, token, request, kind, (REJECT_DUPLICATE, DUPLICATE))
    return True


# ------------------------------------------------------------------------------------------------- requests
def change(session: Session, command: Command, time_ns: int) -> bool:
    """CHANGE: a gentle AMEND (openoutcry.matcher.entry has the plain ones)."""
    token, new_token = command[2], command[3]
    if asked_before(session, token, new_token, REQUEST_CHANGE):
        return True
    if token not in session.live:
        return turn_down(session, token, new_token, REQUEST_CHANGE, UNKNOWN)
    return submit.amend(session, (AMEND, *command[1:10], 0, *command[10:]), time_ns, True, True)


def withdraw(session: Session, command: Command, time_ns: int) -> bool:
    """WITHDRAW."""
    _, number, token, request = command
    if asked_before(session, token, request, REQUEST_CANCEL):
        return True
    order = session.live.get(token)
    refused = no_token(session) or (UNKNOWN if order is None else None)
    if order is None or refused is not None:
        return turn_down(session, token, request, REQUEST_CANCEL, refused or UNKNOWN)
    verdict = phases.may_cancel(order[BOOK].phase, order)
    if verdict == phases.NO or (verdict == phases.PENDING and auction.is_pending(order)):
        text = "" if verdict == phases.NO else "its cancel waits for the auction already"
        return turn_down(session, token, request, REQUEST_CANCEL, (REJECT_TOO_LATE, text))
    session.tokens[request] = None
    session.events.append((CANCEL_REQUESTED, number, token, request))
    if verdict == phases.YES:
        trading.cancel(order, CANCEL_USER)
    else:
        auction.cancel_later(order)
    return True


def echo(session: Session, command: Command, time_ns: int) -> bool:
    """ECHO: for echo engines and plugins alone."""
    plugin = session.endpoint.engine.plugin
    if plugin is not None:
        return plugin.take(session, command[2])
    if session.endpoint.engine.kind != ECHO_KIND:
        return False
    session.events.append((ECHOED, session.number, command[2]))
    return True


# ------------------------------------------------------------------------------------------------- crosses
def cross(session: Session, command: Command, time_ns: int) -> bool:
    """CROSS."""
    _, _, token, sell_token, symbol, sell_side, quantity, price, data, sell_data = command
    if token in session.tokens or sell_token in session.tokens or token == sell_token:
        return _repeated_cross(session, command)
    book = session.books.get(symbol)
    refused = no_book(session) if book is None else _flaw_of_cross(session, book, command, time_ns)
    if book is None or refused is not None:
        return reject_both(session, command, refused or no_book(session))
    waiting = Terms(LIMIT)
    waiting.where = DARK  # nobody has seen it
    buy = [quantity, price, BUY, 0, session, token, 0, FOK, 0, data, book, None, waiting]
    sell = [quantity, price, sell_side, 0, session, sell_token, 0, FOK, 0, sell_data, book, None, None]
    for order in (buy, sell):
        placing.accept(order)
    trade(book, sell, buy, quantity, price)
    trading.settle(book)
    return True


def _flaw_of_cross(session: Session, book: Book, command: Command, time_ns: int) -> Refusal | None:
    """Why two orders cannot trade with each other, None when they can."""
    _, _, _, _, _, sell_side, quantity, price, _, _ = command
    found = submit.refusal(session, book, LIMIT, FOK) or flaw(book, quantity, price, LIMIT, FOK, 0, 0, time_ns)
    if found is not None:
        return found
    if phases.RULES[book.phase].matching != phases.CONTINUOUS:
        return REJECT_CROSS, "a cross is for continuous trading"
    bid, ask = trading.best_other(book, SELL), trading.best_other(book, BUY)
    if price < bid or price > ask:
        return REJECT_CROSS, "price: a better order is in the book"
    bands = book.policy.bands if book.policy is not None else None
    if bands is not None and not bands.allows(book, price):
        return REJECT_CROSS, "price: it is outside the price bands"
    return (
        risk.check(session, book, BUY, quantity, price, LIMIT, None, time_ns)
        or risk.check(session, book, sell_side, quantity, price, LIMIT, None, time_ns)
    )  # fmt: skip


def reject_both(session: Session, command: Command, refused: Refusal) -> bool:
    """REJECTED for both orders of a CROSS."""
    _, _, token, sell_token, _, _, _, _, data, sell_data = command
    reject(session, token, refused, data)
    return reject(session, sell_token, refused, sell_data)


def _repeated_cross(session: Session, command: Command) -> bool:
    """A CROSS of which one token is used up: nothing comes of it, and the other one is as good as used."""
    if session in session.endpoint.engine.numbers.again:
        return False
    return reject_both(session, command, (REJECT_DUPLICATE, DUPLICATE))
