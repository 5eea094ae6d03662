"""How any message of a session is refused before it has reached a book, as its protocol knows it.

Rule. What brings orders is rejected under its own token; what takes back, or asks, is answered by ``keep``, or not at
      all. Nothing that was there changes. Engines without books have words of their own for it (ECHO).
"""

from __future__ import annotations

from typing import Any, Final

from openoutcry.matcher import answers, dictionaries, echoing, requests
from openoutcry.matcher.judging import Refusal
from openoutcry.matcher.sessions import Session
from openoutcry.wire import (
    AMEND,
    BUY,
    CANCEL,
    CANCEL_REJECTED,
    CHANGE,
    CROSS,
    ECHO,
    ENTER,
    MASS_CANCEL,
    MASS_CANCELED,
    MODIFY,
    QUOTE,
    QUOTE_STATUS,
    REJECT_REASONS,
    REPLACE,
    SELL,
    SUBMIT,
    WITHDRAW,
)

Command = tuple[Any, ...]
NEW_ORDERS: Final = frozenset((ENTER, SUBMIT))
REPLACEMENTS: Final[frozenset[int]] = frozenset((REPLACE, AMEND, CHANGE))
TAKE_BACK: Final = frozenset((CANCEL, MODIFY, MASS_CANCEL, WITHDRAW))


def refuse(session: Session, command: Command, refusal: Refusal) -> bool:
    """Answer a message that brings orders with a reject; False when it only takes back, or asks."""
    kind = command[0]
    if kind in NEW_ORDERS:
        if command[2] not in session.tokens:
            answers.reject(session, command[2], refusal, command[11])
        else:
            answers.repeated(session, command[2], command[11])
    elif kind in (REPLACE, AMEND):
        if command[2] in session.live and command[3] not in session.tokens:
            answers.reject(session, command[3], refusal, command[11])
    elif kind == CHANGE:
        if not requests.asked_before(session, command[2], command[3], answers.REQUEST_CHANGE):
            answers.turn_down(session, command[2], command[3], answers.REQUEST_CHANGE, refusal)
    elif kind == CROSS:
        requests.reject_both(session, command, refusal)
    elif kind == QUOTE:
        for symbol, *_ in command[5]:
            for side in (BUY, SELL):
                session.events.append(
                    (QUOTE_STATUS, session.number, command[2], symbol, side, 0, 0, 0, refusal[0], _said(refusal))
                )
    elif kind == ECHO and dictionaries.fields_of(command).get("MsgType") not in dictionaries.CANCELS:
        return _refuse_message(session, command, refusal)
    else:
        return False
    return True


def _refuse_message(session: Session, command: Command, refusal: Refusal) -> bool:
    """A message for an engine without books; False when there are some, or it is none."""
    engine = session.endpoint.engine
    if engine.has_books:
        return False
    if engine.plugin is None:
        echoing.refuse(session, command, refusal)
        echoing.settle(session, command)
        return True
    number, message = dictionaries.opened(command[2])
    if message is not None and not engine.plugin.has_taken(session, number, message):
        engine.plugin.refuse(session, command[2], refusal)
    return message is not None


def keep(session: Session, command: Command, refusal: Refusal) -> bool:
    """Say that a message does not take an order back; False when it is none that does."""
    if command[0] == ECHO:
        return _refuse_message(session, command, refusal)
    if command[0] not in TAKE_BACK:
        return False
    if command[0] == WITHDRAW:
        if not requests.asked_before(session, command[2], command[3], answers.REQUEST_CANCEL):
            answers.turn_down(session, command[2], command[3], answers.REQUEST_CANCEL, refusal)
    elif command[0] == MASS_CANCEL:
        session.events.append((MASS_CANCELED, session.number, command[2], 0))
    else:
        session.events.append((CANCEL_REJECTED, session.number, command[2], refusal[0], _said(refusal)))
    return True


def _said(refusal: Refusal) -> str:
    reason, text = refusal
    return text or REJECT_REASONS.get(reason, "")
