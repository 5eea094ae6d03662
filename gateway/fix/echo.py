"""The application of an echo engine: it sends its client's messages back, for loop-back and conformance tests.

NewOrderSingle, SecurityDefinition and Email come back as the same message: the fields of header, body and trailer in
ascending order, those of repeating groups as the dictionary has them, and all of them but what the session layer says
itself (numbers, times, CompIDs, PossDupFlag). A possible resend (97=Y) of an order whose ClOrdID has come since logon
is dropped. Any other type is answered as unsupported.

Everything goes through the matcher (ECHO, ECHOED), so answers come in the order of what they answer, are written to the
journal, and are sent once whatever dies in between.

An engine with policies may answer late, otherwise, twice or not at all (openoutcry.matcher.echostage). It says of each
message when it has been dealt with, so nothing that the session layer has to say waits for such an answer.

Invariant: what is emitted is a pure function of the ECHOED event; what is remembered is only which orders have come,
and which messages are on their way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from openoutcry import echoes, wire
from openoutcry.clients.fixmessages import Vocabulary
from openoutcry.echoes import Echo, Head
from openoutcry.errors import ProtocolError
from openoutcry.fix import rejects
from openoutcry.fix.codec import body
from openoutcry.fix.reasons import BUSINESS_OTHER, BUSINESS_UNSUPPORTED
from openoutcry.fix.settings import APPL_VERSIONS
from openoutcry.gateway.fix.passing import BUSINESS_LEVEL, Emit, PassingApplication
from openoutcry.gateway.plugin import unpacked
from openoutcry.messages import to_fix

if TYPE_CHECKING:
    from openoutcry.fix.dictionary import Group
    from openoutcry.fix.message import Message
    from openoutcry.fix.settings import SessionSettings
    from openoutcry.fix.structure import Places
    from openoutcry.fix.validate import Validator
    from openoutcry.gateway.fix.services import Services

SEEN_MAX: Final = 100_000  # ClOrdIDs remembered since logon, some 10 MB; the oldest are forgotten then
# What the session layer says itself, and PossDupFlag with what belongs to it.
OWN: Final = frozenset((8, 9, 35, 34, 49, 52, 56, 43, 122, 369))
SUBS: Final = {50: "SenderSubID", 57: "TargetSubID", 142: "SenderLocationID", 143: "TargetLocationID"}
HEADER_END: Final = 143  # the session's own header ends with this tag: what is above may come after it
LENGTH_MAX: Final = wire.ECHO_MAX - 256  # bytes of a message that is sent back; the rest is for what is packed with it
MSG_SEQ_NUM: Final = 34
UNSUPPORTED: Final = "Unsupported message type"


class EchoApplication(PassingApplication):
    """See the module."""

    def __init__(
        self, number: int, settings: SessionSettings, validator: Validator, emit: Emit, services: Services
    ) -> None:
        super().__init__(number, settings, emit)
        self.validator = validator
        self.fixt = settings.BeginString == "FIXT.1.1"
        self._own = OWN.union(tag for tag, name in SUBS.items() if getattr(settings, name))
        self._version = APPL_VERSIONS[settings.DefaultApplVerID].encode()
        self._seen: dict[bytes, None] = {}
        self._settings = settings
        self._owed: set[int] = set()  # numbers of messages that have not been dealt with

    @property
    def asked(self) -> int:
        """Of how many messages the matcher has not said that they are dealt with: the session layer waits for that."""
        return len(self._owed)

    def take(self, message: Message, out: list[Any], again: bool) -> None:
        """Have a message sent back, or an answer to one that is not."""
        if message.kind not in echoes.KINDS:
            self._refuse(message, "", out)
        elif len(message.raw) > LENGTH_MAX:
            self._refuse(message, f"longer than {LENGTH_MAX} bytes", out)
        elif message.kind != b"D" or self._is_new(message):
            head, rest = self._taken_apart(message)
            self._say(message, message.kind, rest, head, out, again)

    def event(self, event: tuple[Any, ...], time_ns: int) -> None:
        """Send what has come back from the matcher. Raises ProtocolError for what is no message of an echo engine."""
        if event[0] != wire.ECHOED:
            return
        if event[2][:1] == b"{":
            self._refused(event, time_ns)
            return
        echo = echoes.opened(event[2])
        if echo is None:
            raise ProtocolError("an echo engine says nothing of that kind")
        self._owed.discard(echo.number)
        if echo.kind:
            self.emit(echo.kind, echo.rest, extra=echo.head)

    def _refused(self, event: tuple[Any, ...], time_ns: int) -> None:
        """A message that the engine has refused. Versions without BusinessMessageReject have Reject."""
        fields = unpacked(event)
        if fields["MsgType"] == "BusinessMessageReject" and self.level < BUSINESS_LEVEL:
            fields = {"MsgType": "Reject", "RefSeqNum": fields["RefSeqNum"], "Text": fields["Text"]}
        encoded = to_fix(fields, Vocabulary.of(self._settings), strict=False, time_ns=time_ns)
        self.emit(encoded.kind, encoded.body, extra=encoded.header)

    def logged_on(self) -> None:
        """Orders from now on may have the ClOrdIDs of earlier ones."""
        self._seen.clear()
        self._owed.clear()

    def _is_new(self, message: Message) -> bool:
        """Whether an order is to be sent back; it has come now."""
        order = message.get(11) or b""
        if message.get(97) == b"Y" and order in self._seen:
            return False
        self._seen[order] = None
        if len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        return True

    def _say(
        self, message: Message, kind: bytes, rest: bytes, head: Head, out: list[Any], again: bool = False
    ) -> None:  # fmt: skip
        number = int(message.get(MSG_SEQ_NUM) or 0)
        self._owed.add(number)
        if again:
            out.append((wire.AGAIN, self.number))
        out.append((wire.ECHO, self.number, Echo(kind, rest, head, number, message.kind).packed()))

    def _refuse(self, message: Message, text: str, out: list[Any]) -> None:
        """Answer a message that is not sent back. text: why, "" for its type."""
        if self.level < BUSINESS_LEVEL:
            kind, rest = rejects.reject(message, self.level, None, None, text or UNSUPPORTED)
            self._say(message, kind, rest, rejects.way_back(message, self.level), out)
            return
        # As in the reference engine: sent to no one but the peer itself, and over FIXT with the session's version.
        kind, rest = rejects.business_reject(message, BUSINESS_OTHER if text else BUSINESS_UNSUPPORTED, text)
        self._say(message, kind, rest + (b"1137=%b\x01" % self._version if self.fixt else b""), (), out)

    def _taken_apart(self, message: Message) -> tuple[Head, bytes]:
        """What goes into the session's header, and all that comes after it."""
        structure, kind = self.validator.layout(message)
        transport = self.validator.transport
        values = message.values
        head = sorted([field for field in structure.header.fields if field[0] not in self._own])
        rest = _Writer(values)
        rest.put([field for field in head if field[0] > HEADER_END], structure.header.groups, transport.header.groups)
        rest.put(sorted(structure.body.fields), structure.body.groups, {} if kind is None else kind.groups)
        trailer = [field for field in structure.trailer.fields if field[0] != 10]
        rest.put(trailer, structure.trailer.groups, transport.trailer.groups)
        fields = {tag: values[place] for tag, place in head if tag <= HEADER_END}
        return tuple(fields.items()), body(rest.fields)


class _Writer:
    """Fields of a message in another order."""

    __slots__ = ("fields", "values")

    def __init__(self, values: tuple[bytes, ...]) -> None:
        self.values = values
        self.fields: list[tuple[int, bytes]] = []

    def put(
        self, fields: Sequence[tuple[int, int]], entries: Mapping[int, list[Places]], groups: Mapping[int, Group]
    ) -> None:
        """Put fields in the order given, (tag, place), each count with its group behind it."""
        done = set()
        for tag, place in fields:
            self.fields.append((tag, self.values[place]))
            if tag in groups and tag not in done:
                done.add(tag)
                order = list(groups[tag].members)
                for entry in entries.get(tag, ()):
                    self.put(sorted(entry.fields, key=lambda f: order.index(f[0])), entry.groups, groups[tag].groups)
