"""What an echo engine says of messages that it does not simply send back: that they are refused, or dealt with.

Rule 1. A refusal of an order is an ExecutionReport, that of anything else a BusinessMessageReject; as JSON, in the
        words of openoutcry.messages.
Rule 2. Whatever becomes of a message, and when, its client's gateway is told at once that it has been dealt with
        (``settle``): it holds back what the session layer has to say until then, and no longer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from openoutcry import echoes
from openoutcry.wire import ECHOED, REJECT_REASONS, SHORT_TEXT_MAX

if TYPE_CHECKING:
    from openoutcry.matcher.judging import Refusal
    from openoutcry.matcher.sessions import Session

Command = tuple[Any, ...]
ANY_VERSION: Final = "fix44"  # for refusals: what an old version has no words for its gateway puts in others


def settle(session: Session, command: Command) -> None:
    """Rule 2."""
    echo = echoes.opened(command[2])
    if echo is not None and echo.number:
        session.events.append((ECHOED, session.number, echoes.settled(echo.number)))


def refuse(session: Session, command: Command, refusal: Refusal) -> None:
    """Tell a client that its message, an ECHO, is refused."""
    ticket = str(session.endpoint.engine.schedule.ticket())
    data = json.dumps(_answer(command[2], refusal, ticket), separators=(",", ":")).encode()
    session.events.append((ECHOED, session.number, data))


def _answer(data: bytes, refusal: Refusal, ticket: str) -> dict[str, Any]:
    """Rule 1."""
    from openoutcry import refusals  # it brings OUCH's tables, and most echo engines never refuse

    echo, fields = echoes.opened(data), echoes.fields_of(data)
    reason = REJECT_REASONS.get(refusal[0], "")
    text = str(refusal[1] or reason)[:SHORT_TEXT_MAX]
    if echo is None or not echo.is_back or echo.kind != echoes.ORDER:
        kind = (echo.of or echo.kind).decode("latin-1") if echo is not None else ""
        fields = {"MsgType": kind}
    answer = refusals.refusal(ANY_VERSION, fields, ticket, reason, text)
    assert answer is not None  # only versions without BusinessMessageReject have none
    number = echo.number if echo is not None else 0
    return {"RefSeqNum": number, **answer} if answer["MsgType"] == "BusinessMessageReject" else answer
