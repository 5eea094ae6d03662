"""The journaled verbs of a market's operators: phases and halts, risk limits and fees, mass cancels, broken trades.

The rules of openoutcry.matcher.configuration hold here too: a verb does everything it says or, when it raises
VerbError, nothing. What the verbs do is in the modules that they name; here is only how their arguments get there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import VerbError
from openoutcry.matcher import corrections, masscancel, queries, trading
from openoutcry.matcher.configuration import Asker, find
from openoutcry.matcher.limits import OF_MESSAGES, RULES
from openoutcry.matcher.risk import guard_of
from openoutcry.parameters import price_text
from openoutcry.wire import BREAK_REASONS, BUY, PHASES, PRICE_MAX, SELL

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.risk import Guard
    from openoutcry.matcher.sessions import Session

_PHASES: Final = {name: phase for phase, name in PHASES.items()}
_BREAKS: Final = {name: reason for reason, name in BREAK_REASONS.items()}
_SIDES: Final = {None: 0, "buy": BUY, "sell": SELL}


def _engine(machine: Machine, name: str) -> Engine:
    return find(machine.engines, "engine", "engine", name)


def _book_of(machine: Machine, engine: Engine, name: str | None) -> Book | None:
    """One of an engine's books, None when none is named. Raises VerbError."""
    if name is None:
        return None
    book = find(machine.books, "book", "book", name)
    if book.engine != engine.name:
        raise VerbError("bad_argument", "book", f"book {name!r} is on engine {book.engine!r}, not on {engine.name!r}")
    return book


# ------------------------------------------------------------------------------------------------- phases
def set_phase(machine: Machine, asker: Asker, engine: str, phase: str, book: str | None) -> Any:
    """``Engine.set_phase``."""
    found = _engine(machine, engine)
    one = _book_of(machine, found, book)
    found.set_phase(one, _PHASES[phase])
    return queries.engine_row(found) if one is None else queries.book_row(one)


def set_timetable(machine: Machine, asker: Asker, engine: str, timetable: str, book: str | None) -> Any:
    """``Engine.set_timetable``."""
    found = _engine(machine, engine)
    one = _book_of(machine, found, book)
    found.set_timetable(timetable, one)
    return queries.engine_row(found) if one is None else queries.book_row(one)


def halt(machine: Machine, asker: Asker, book: str, reason: str) -> Any:
    """``Engine.halt``."""
    found = find(machine.books, "book", "book", book)
    machine.engines[found.engine].halt(found, True, reason)
    return queries.book_row(found)


def resume(machine: Machine, asker: Asker, book: str, auction: bool) -> Any:
    """``Engine.halt`` again, at once or through an auction."""
    found = find(machine.books, "book", "book", book)
    machine.engines[found.engine].halt(found, False, "", auction)
    return queries.book_row(found)


def halt_market(machine: Machine, asker: Asker, engine: str, reason: str) -> Any:
    """``Engine.halt_market``."""
    found = _with_books(_engine(machine, engine), "that could be halted", "stop_engine, or a policy halt")
    found.halt_market(reason)
    return queries.engine_row(found)


def resume_market(machine: Machine, asker: Asker, engine: str, auction: bool) -> Any:
    """``Engine.resume_market``."""
    found = _engine(machine, engine)
    found.resume_market(auction)
    return queries.engine_row(found)


def _with_books(engine: Engine, what: str, instead: str) -> Engine:
    """An engine that has books, for a verb that would do nothing without any. Raises VerbError."""
    if not engine.has_books:
        text = f"engine {engine.name!r} of kind {engine.kind} has no orders in books {what}"
        raise VerbError("wrong_state", "engine", f"{text}: use {instead}")
    return engine


# ------------------------------------------------------------------------------------------------- risk and fees
def _guard(machine: Machine, engine: str) -> Guard:
    return guard_of(machine, _engine(machine, engine))


def set_limit(machine: Machine, asker: Asker, engine: str, scope: str, name: str, rule: str, value: Any) -> Any:
    """``Guard.set_limit``."""
    if rule in RULES and rule not in OF_MESSAGES:
        _with_books(_engine(machine, engine), f"for which {rule} could hold", "messages_per_second, or policies")
    return _guard(machine, engine).set_limit(scope, name, rule, value)


def clear_limit(machine: Machine, asker: Asker, engine: str, scope: str, name: str, rule: str) -> Any:
    """``Guard.clear_limit``."""
    return _guard(machine, engine).clear_limit(scope, name, rule)


def kill_switch(machine: Machine, asker: Asker, engine: str, scope: str, name: str) -> Any:
    """``Guard.kill``: answers with how many orders were cancelled."""
    _with_books(_engine(machine, engine), "that could be cancelled", "stop_engine, or a policy auto-reject")
    cancelled = _guard(machine, engine).kill(scope, name)
    trading.settle_all(machine.numbers)
    return {"engine": engine, "scope": scope, "name": name, "orders": cancelled}


def revive(machine: Machine, asker: Asker, engine: str, scope: str, name: str) -> Any:
    """``Guard.revive``."""
    _guard(machine, engine).revive(scope, name)
    return {"engine": engine, "scope": scope, "name": name}


def set_fee(
    machine: Machine, asker: Asker, engine: str, firm: str, maker_fee: int, taker_fee: int, maker_fee_ppm: int,
    taker_fee_ppm: int,
) -> Any:  # fmt: skip
    """``Guard.set_fee``, which takes prices as a verb does."""
    rates = (price_text(maker_fee), price_text(taker_fee), maker_fee_ppm, taker_fee_ppm)
    return _guard(machine, engine).set_fee(firm, *rates)


def clear_fee(machine: Machine, asker: Asker, engine: str, firm: str) -> Any:
    """``Guard.clear_fee``."""
    _guard(machine, engine).clear_fee(firm)
    return {"engine": engine, "firm": firm}


# ------------------------------------------------------------------------------------------------- orders and trades
def mass_cancel(
    machine: Machine, asker: Asker, engine: str, session: int | None, desk: str | None, account: str | None,
    firm: str | None, book: str | None, side: str | None, low: int | None, high: int | None,
) -> Any:  # fmt: skip
    """``masscancel.cancel_where``; without any condition it would be the end of a market by a slip of the hand."""
    found = _engine(machine, engine)
    if all(given is None for given in (session, desk, account, firm, book, side, low, high)):
        conditions = "session, desk, account, firm, book, side, low, high"
        raise VerbError("bad_argument", "", f"mass_cancel needs at least one of: {conditions}")
    count = masscancel.cancel_where(
        found, session=_whose(machine, found, session, desk), account=account, firm=firm,
        book=_book_of(machine, found, book), side=_SIDES[side], low=low or 0, high=PRICE_MAX if high is None else high,
    )  # fmt: skip
    trading.settle_all(machine.numbers)
    return {"engine": engine, "orders": count}


def _whose(machine: Machine, engine: Engine, number: int | None, desk: str | None) -> Session | None:
    """The session that a mass cancel is about, by number or as a desk, None for any. Raises VerbError."""
    if number is not None and desk is not None:
        raise VerbError("bad_argument", "desk", "mass_cancel takes a session or a desk, not both")
    if number is not None:
        session = machine.sessions.get(number)
        if session is None or session.endpoint.engine is not engine:
            raise VerbError("unknown_name", "session", f"there is no session {number} on engine {engine.name!r}")
        return session
    if desk is None:
        return None
    place = machine.desks.get(engine.name)
    return find(place.sessions if place is not None else {}, "desk", "desk", desk)


def break_trade(machine: Machine, asker: Asker, match: int, reason: str) -> Any:
    """``corrections.break_trade``."""
    return corrections.break_trade(machine, match, _BREAKS[reason])


def correct_trade(machine: Machine, asker: Asker, match: int, price: int, reason: str) -> Any:
    """``corrections.correct_trade``."""
    return corrections.correct_trade(machine, match, price, _BREAKS[reason])


HANDLERS: Final[dict[str, Callable[..., Any]]] = {
    "set_phase": set_phase,
    "set_timetable": set_timetable,
    "halt": halt,
    "resume": resume,
    "halt_market": halt_market,
    "resume_market": resume_market,
    "set_limit": set_limit,
    "clear_limit": clear_limit,
    "kill_switch": kill_switch,
    "revive": revive,
    "set_fee": set_fee,
    "clear_fee": clear_fee,
    "mass_cancel": mass_cancel,
    "break_trade": break_trade,
    "correct_trade": correct_trade,
}
