"""What stands between clients and an echo engine: policies, and the stop.

What FIX clients send comes as ECHO (openoutcry.echoes). OUCH has nothing to send back: its messages come as those for
any engine do, and an echo engine takes no orders, so what is there to meet are its refusals.

Rule 1. Each ECHO is followed by an ECHOED that says that it has been dealt with, also when it waits or is lost
        (openoutcry.matcher.echoing, where its refusals are, too).
Rule 2. A message that waits waits once, also when its client's gateway sends it AGAIN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openoutcry import echoes
from openoutcry.matcher import echoing
from openoutcry.matcher.stage import Command, Stage
from openoutcry.wire import ECHO, REJECT_HALTED

if TYPE_CHECKING:
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.judging import Refusal
    from openoutcry.matcher.sessions import Session


class EchoStage(Stage):
    """See the module."""

    __slots__ = ()

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, None)

    def take(self, session: Session, command: Command, time_ns: int) -> bool:
        """Handle a session's message; False when it is ignored."""
        if command[0] != ECHO:
            return super().take(session, command, time_ns)
        echo = echoes.opened(command[2])
        number = echo.number if echo is not None else 0
        if number and session in self.engine.numbers.again and self._waits(session, number):
            handled = True
        elif self.stopped:
            handled = self.refuse(session, command, (REJECT_HALTED, f"engine {self.engine.name} is stopped"))
        else:
            handled = self._meet_policies(session, command, time_ns, 0)
        echoing.settle(session, command)
        return handled

    def _waits(self, session: Session, number: int) -> bool:
        """Whether a session's message of that number waits."""
        ours = (each.command for each in self.requests.values() if each.session is session and not each.copy)
        waiting = (echoes.opened(command[2]) for command in ours if command[0] == ECHO)
        return any(echo is not None and echo.number == number for echo in waiting)

    def refuse(self, session: Session, command: Command, refusal: Refusal) -> bool:
        """Answer a message that is not taken."""
        if command[0] != ECHO:
            return super().refuse(session, command, refusal)
        echoing.refuse(session, command, refusal)
        return True
