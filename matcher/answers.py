"""How a session is told that something does not take place.

Rule. What is refused uses up its token all the same, so that it is refused once: a gateway that repeats it, because it
      does not know what became of it, says AGAIN before, and hears nothing. Only where no more tokens can be remembered
      they are free.
"""

from __future__ import annotations

from typing import Final

from openoutcry.matcher.judging import Refusal
from openoutcry.matcher.sessions import ECHO_KIND, TOKENS_MAX, Session
from openoutcry.wire import (
    REJECT_DUPLICATE,
    REJECT_LIMIT,
    REJECT_REASONS,
    REJECT_SYMBOL,
    REJECT_UNSUPPORTED,
    REJECTED,
    REQUEST_REJECTED,
)

# What a request is that is turned down.
REQUEST_CANCEL: Final = 1
REQUEST_CHANGE: Final = 2
DUPLICATE: Final = "duplicate order: this id was used before"


def reject(session: Session, token: bytes, refusal: Refusal, data: bytes) -> bool:
    """REJECTED, and the token is used up, unless there is no room to remember it. data: of the rejected order."""
    if len(session.tokens) < TOKENS_MAX:
        session.tokens[token] = None
    reason, text = refusal
    session.events.append((REJECTED, session.number, token, reason, text or REJECT_REASONS.get(reason, ""), data))
    return True


def repeated(session: Session, token: bytes, data: bytes) -> bool:
    """An order's token is used up: False, silence; but a session that is answered always is told."""
    if not session.answered or session in session.endpoint.engine.numbers.again:
        return False
    session.events.append((REJECTED, session.number, token, REJECT_DUPLICATE, DUPLICATE, data))
    return True


def counted_again(session: Session, token: bytes) -> bool:
    """Whether a request that changes nothing when it is repeated has come before; its token is used up."""
    if token in session.tokens:
        return session in session.endpoint.engine.numbers.again
    if len(session.tokens) < TOKENS_MAX:
        session.tokens[token] = None
    return False


def no_book(session: Session) -> Refusal:
    """Why there is no such book."""
    if session.endpoint.engine.kind == ECHO_KIND:
        return REJECT_UNSUPPORTED, "an echo engine takes no orders"
    return REJECT_SYMBOL, ""


def turn_down(session: Session, token: bytes, request: bytes, kind: int, refusal: Refusal) -> bool:
    """REQUEST_REJECTED, and the request's token is used up, unless there is no room to remember it."""
    if len(session.tokens) < TOKENS_MAX:
        session.tokens[request] = None
    reason, text = refusal
    text = text or REJECT_REASONS.get(reason, "")
    session.events.append((REQUEST_REJECTED, session.number, token, request, kind, reason, text))
    return True


def no_token(session: Session) -> Refusal | None:
    """Whether a session has used all the tokens that are remembered."""
    if len(session.tokens) >= TOKENS_MAX:
        return REJECT_LIMIT, f"tokens: the session has used {TOKENS_MAX} today"
    return None
