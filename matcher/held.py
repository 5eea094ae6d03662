"""Messages that wait, for a hand or because of a policy; and which tokens a message uses up.

Invariant: a message that waits has used its tokens up, so one that comes twice waits once (openoutcry.matcher.stage).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from openoutcry.matcher import refusing
from openoutcry.wire import CANCEL, CROSS, MASS_CANCEL, MODIFY, QUOTE, WITHDRAW

if TYPE_CHECKING:
    from openoutcry.matcher.sessions import Session

Command = tuple[Any, ...]
ABOUT_ORDERS: Final = frozenset((*refusing.REPLACEMENTS, CANCEL, MODIFY, WITHDRAW))


class Request(NamedTuple):
    """A message that waits. day: of its session, when it came. policy: who holds it, by number; 0: the hand.

    behind: how many later ones have to pass before it goes on ahead of its time, 0 for never. copy: it is one of a
    message that has come already, so it has no tokens of its own.
    """

    number: int
    session: Session
    day: int
    command: Command
    policy: int
    behind: int = 0
    copy: bool = False


def tokens_of(session: Session, command: Command) -> tuple[bytes, ...]:
    """The tokens that a message uses up."""
    kind = command[0]
    if kind in refusing.NEW_ORDERS or kind == QUOTE or (kind == MASS_CANCEL and session.answered):
        return (command[2],)
    if kind in refusing.REPLACEMENTS or kind == WITHDRAW:
        return (command[3],)
    return (command[2], command[3]) if kind == CROSS else ()


def is_used(session: Session, command: Command) -> bool:
    """Whether a message has come before, or is about an order that never was: its handler knows what to say."""
    if any(token in session.tokens for token in tokens_of(session, command)):
        return True
    return command[0] in ABOUT_ORDERS and command[2] not in session.tokens
