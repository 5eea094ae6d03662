"""The application of a FIX session whose engine is somebody's own (openoutcry.plugins).

Every application message goes to the engine as a dictionary with the names of openoutcry.messages, and what the engine
says comes back the same way, through the matcher (ECHO, ECHOED): so answers are in the journal, and in the session's
store before they are sent.

Invariant: what is emitted is a pure function of the ECHOED event and its time. A message that comes once more after a
crash happens once: its MsgSeqNum goes with it (openoutcry.matcher.pluginengine).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.clients.fixmessages import Vocabulary
from openoutcry.errors import ProtocolError, VerbError
from openoutcry.fix import rejects
from openoutcry.fix.reasons import BUSINESS_OTHER
from openoutcry.gateway.fix.passing import BUSINESS_LEVEL, Emit, PassingApplication
from openoutcry.gateway.plugin import LENGTH_MAX, packed, unpacked
from openoutcry.messages import from_fix, to_fix

if TYPE_CHECKING:
    from openoutcry.fix.message import Message
    from openoutcry.fix.settings import SessionSettings
    from openoutcry.fix.validate import Validator
    from openoutcry.gateway.fix.services import Services

MSG_SEQ_NUM: Final = 34


class PluginApplication(PassingApplication):
    """See the module."""

    def __init__(
        self, number: int, settings: SessionSettings, validator: Validator, emit: Emit, services: Services
    ) -> None:
        super().__init__(number, settings, emit)
        self.words = Vocabulary.of(settings)

    def take(self, message: Message, out: list[Any], again: bool) -> None:
        """Give a message to the engine."""
        data = packed(int(message.get(MSG_SEQ_NUM) or 0), from_fix(message, self.words))
        if len(data) > LENGTH_MAX:
            self._refuse(message, f"longer than {LENGTH_MAX} bytes")
            return
        if again:
            out.append((wire.AGAIN, self.number))
        out.append((wire.ECHO, self.number, data))

    def event(self, event: tuple[Any, ...], time_ns: int) -> None:
        """Send what the engine says. Raises ProtocolError when this version has no words for it."""
        if event[0] != wire.ECHOED:
            return
        try:
            encoded = to_fix(unpacked(event), self.words, strict=False, time_ns=time_ns)
        except VerbError as error:
            begin = self.words.application.begin
            raise ProtocolError(f"{begin} cannot say what the engine says: {error.text}") from None
        self.emit(encoded.kind, encoded.body, extra=encoded.header)

    def _refuse(self, message: Message, text: str) -> None:
        if self.level < BUSINESS_LEVEL:
            kind, rest = rejects.reject(message, self.level, None, None, text)
            self.emit(kind, rest, extra=rejects.way_back(message, self.level))
        else:
            self.emit(*rejects.business_reject(message, BUSINESS_OTHER, text))
