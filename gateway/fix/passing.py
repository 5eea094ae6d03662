"""What applications have in common through which messages only pass, to the matcher and back (ECHO, ECHOED).

openoutcry.gateway.fix.echo sends them back as they are, openoutcry.gateway.fix.plugin has somebody's own engine answer.

Invariant: nothing is remembered of what was sent. What the application of another engine had dumped is kept as it is,
because its endpoint may serve that engine again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from openoutcry.fix import rejects

if TYPE_CHECKING:
    from openoutcry.fix.settings import SessionSettings

BUSINESS_LEVEL: Final = 2  # BusinessMessageReject is a message of 4.2 and later

Emit = Callable[..., None]


class PassingApplication:
    """See the module; the methods are those of openoutcry.gateway.fix.hosted.Application."""

    def __init__(self, number: int, settings: SessionSettings, emit: Emit) -> None:
        self.number = number
        self.emit = emit
        self.level = rejects.LEVELS[settings.BeginString]
        self._pieces: list[bytes] = []

    def absorb(self, event: tuple[Any, ...], time_ns: int) -> None:
        """Nothing is remembered of what was sent."""

    def dump(self) -> list[bytes]:
        """What the application of another engine had."""
        return self._pieces

    def load(self, pieces: list[bytes]) -> None:
        """See dump."""
        self._pieces = pieces

    def logged_on(self) -> None:
        """The client is there; an engine is told by the matcher."""

    def logged_off(self) -> None:
        """It has gone; what it sent is still answered, into the store."""
