"""What stands between clients and an engine of somebody's own (openoutcry.plugins): a stage for dictionaries.

It is there while the engine is stopped or has policies, as every stage is (openoutcry.matcher.stage), and deals with
ECHO alone. There are no orders, so there is no house either: policies that need them are refused by ``add_policy``.
Echo engines have a stage of their own (openoutcry.matcher.echostage).

Rule 1. Whether a message has come before (a client's gateway says AGAIN) is asked when it arrives, not when it goes
        on: so one that waits, is refused, or is lost, happens once like any other.
Rule 2. A refusal is what the engine itself says (``plugins.Engine.refusal``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openoutcry.matcher.dictionaries import opened
from openoutcry.matcher.stage import Command, Stage
from openoutcry.wire import ECHO, REJECT_HALTED

if TYPE_CHECKING:
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.judging import Refusal
    from openoutcry.matcher.pluginengine import PluginEngine
    from openoutcry.matcher.sessions import Session


class MessageStage(Stage):
    """See the module."""

    __slots__ = ()

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, None)

    @property
    def _plugin(self) -> PluginEngine:
        assert self.engine.plugin is not None
        return self.engine.plugin

    def take(self, session: Session, command: Command, time_ns: int) -> bool:
        """Handle a session's message; False when it is ignored."""
        if command[0] != ECHO:  # AGAIN, and what was under way when the endpoint changed its engine
            return super().carry_out(session, command, time_ns)
        number, message = opened(command[2])
        if message is None:
            return False
        if self._plugin.has_taken(session, number, message):
            return True
        refused = self._plugin.no_token(session, number, message)
        if refused is not None:
            return self.refuse(session, command, refused)
        if self.stopped:
            return self.refuse(session, command, (REJECT_HALTED, f"engine {self.engine.name} is stopped"))
        return self._meet_policies(session, command, time_ns, 0)

    def carry_out(self, session: Session, command: Command, time_ns: int) -> bool:
        """Hand a message to the engine."""
        self._plugin.give(session, command[2])
        return True

    def refuse(self, session: Session, command: Command, refusal: Refusal) -> bool:
        """Rule 2."""
        self._plugin.refuse(session, command[2], refusal)
        return True
