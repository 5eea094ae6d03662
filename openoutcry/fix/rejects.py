"""Reject(3) and BusinessMessageReject(j): which fields they have in each version, and the way back for routed messages.

Invariant: pure functions of the message that is refused. The session layer and the applications reject through them.
"""

from __future__ import annotations

from typing import Final

from openoutcry.fix.codec import body
from openoutcry.fix.message import Message
from openoutcry.fix.reasons import (
    BUSINESS,
    BUSINESS_UNSUPPORTED,
    COMP_ID_PROBLEM,
    INVALID_MSG_TYPE,
    REASONS,
    SENDING_TIME_PROBLEM,
)

LEVELS: Final[dict[str, int]] = {  # versions of the session layer in order
    "FIX.4.0": 0, "FIX.4.1": 1, "FIX.4.2": 2, "FIX.4.3": 3, "FIX.4.4": 4, "FIXT.1.1": 5,
}  # fmt: skip
REASON_MAX_42: Final = 11  # FIX 4.2 knows no SessionRejectReason beyond
WAY_BACK: Final[dict[int, int]] = {115: 128, 116: 129, 128: 115, 129: 116, 144: 145, 145: 144}
WAY_BACK_40: Final = {tag: back for tag, back in WAY_BACK.items() if tag < 144}
NO_TAG: Final = (COMP_ID_PROBLEM, SENDING_TIME_PROBLEM, INVALID_MSG_TYPE)  # reasons that are about no one field

Fields = tuple[tuple[int, bytes], ...]


def way_back(message: Message, level: int = 1) -> Fields:
    """The routing fields for an answer: to where it came from, from where it went. Empty ones are left out."""
    index = message.shape.index
    back = WAY_BACK if level > 0 else WAY_BACK_40
    return tuple(sorted((back[tag], message[tag]) for tag in back if tag in index and message[tag]))


def reject(
    message: Message, level: int, reason: int | None, tag: int | None = None, text: str = ""
) -> tuple[bytes, bytes]:
    """(kind, body) of the Reject of `message`. level: one of LEVELS. text: instead of the reason's own."""
    fields: list[tuple[int, bytes | str | int]] = [(45, message.get(34) or b"0")]
    text = text or (REASONS[reason] if reason is not None else "")
    if reason in NO_TAG:
        tag = None
    if level < 2:
        if tag is not None:
            text += f" ({tag})"
        return b"3", body([*fields, (58, text)])
    fields.append((58, text))
    if tag is not None:
        fields.append((371, tag))
    if message.kind:
        fields.append((372, message.kind))
    if reason is not None and (level > 2 or reason <= REASON_MAX_42):
        fields.append((373, reason))
    return b"3", body(fields)


def unsupported(message: Message, level: int) -> tuple[bytes, bytes]:
    """(kind, body) that answers an application message of a type that this session does not take."""
    if level < 2:
        return reject(message, level, None, None, "Unsupported message type")
    return business_reject(message, BUSINESS_UNSUPPORTED)


def business_reject(message: Message, reason: int, text: str = "", reference: bytes = b"") -> tuple[bytes, bytes]:
    """(kind, body) of a BusinessMessageReject (4.2 on). reference: BusinessRejectRefID, the message's own id."""
    fields: list[tuple[int, bytes | str | int]] = [
        (45, message[34]),
        (58, text or BUSINESS[reason]),
        (372, message.kind),
    ]
    if reference:
        fields.append((379, reference))
    return b"j", body([*fields, (380, reason)])
