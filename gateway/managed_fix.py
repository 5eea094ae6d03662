"""The hand at a FIX endpoint: see openoutcry.gateway.managed_hand.

What waits are application messages that the session layer has numbered, checked and put in order; what the session
layer answers by itself (TestRequest, ResendRequest ...) never waits, and is seen with ``wait_for``. A message that
waits does not count as taken where the gateway notes that (openoutcry.gateway.fix.sessions): after kill -9 the client
is asked again.

A message that is sent is stored as it ought to be, and made wrong on its way: whoever asks for it again gets it right.
So a client that was sent a wrong CheckSum, and drops the message, misses a number, and can have it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import VerbError
from openoutcry.fix.codec import checksum as sum_of
from openoutcry.fix.message import Message
from openoutcry.fix.session import Admin, LogonRequested
from openoutcry.fix.states import INPUTS
from openoutcry.gateway.client import GONE, HELD, ON
from openoutcry.gateway.fix import identity
from openoutcry.gateway.fix.admission import without_secrets
from openoutcry.gateway.fix.connection import FixConnection, may_have_come
from openoutcry.gateway.managed_hand import HalfOpen, Hand, Managed
from openoutcry.gateway.managed_watch import MESSAGE, SESSION_MESSAGE, UNNAMED, Held

if TYPE_CHECKING:
    from openoutcry.clients.fixmessages import Encoded, Vocabulary
    from openoutcry.fix.settings import SessionSettings
    from openoutcry.gateway.fix.endpoint import FixEndpoint
    from openoutcry.gateway.fix.hosted import Hosted

WORDS_MAX: Final = 64  # vocabularies of settings that are kept: versions, and dictionaries of sessions' own
NUMBER_MAX: Final = 2**53 - 1
_LENGTH: Final = re.compile(rb"\x019=([0-9]+)\x01")
_TRAILER_SIZE: Final = len(b"10=000\x01")


class ManagedFixConnection(Managed, FixConnection):
    """See Managed."""

    refusal: str | None = None  # of the Logon that was held

    def _take(self, data: bytes) -> None:
        if self.has_room(data):
            super()._take(data)

    def _receive(self, hosted: Hosted, messages: list[Message], now_ns: int) -> None:
        """Every message goes the long way."""
        session = hosted.session
        for message in messages:
            session.receive(message, now_ns)
            if session.events:
                self._take_events(hosted, now_ns)

    def _hand_on(self, hosted: Hosted, message: Message) -> None:
        watch, name = self.endpoint.watch, hosted.name
        kind, size = self.type_of(hosted, message), len(message.raw)
        number = watch.note(MESSAGE, self, name, kind, message, size)
        if not watch.holds(name):
            super()._hand_on(hosted, message)
            if not watch.messages:
                self.let_go(1)
            return
        inbox = hosted.inbox = watch.inbox(name)
        inbox.put(Held(number, kind, message, size, (hosted.store.resets, int(message[34]))))

    def _deed(self, hosted: Hosted, event: Any) -> None:
        if type(event) is LogonRequested and self.refusal is not None:
            self.refuse(self.refusal)
            return
        super()._deed(hosted, event)
        if type(event) is Admin and event.message.kind not in (b"5", b"A"):
            kind = self.type_of(hosted, event.message)
            self.endpoint.watch.note(SESSION_MESSAGE, self, hosted.name, kind, event.message, len(event.message.raw))
            if not self.endpoint.watch.messages:
                self.let_go(1)

    def type_of(self, hosted: Hosted, message: Message) -> str:
        """MsgType's name, when somebody asks for such."""
        return self.endpoint.hand.named(hosted.name, message) if self.endpoint.watch.messages else UNNAMED


class HalfOpenFix(HalfOpen, FixConnection):
    """See HalfOpen."""


class FixHand(Hand):
    """See the module."""

    endpoint: FixEndpoint

    def __init__(self, endpoint: FixEndpoint) -> None:
        super().__init__(endpoint)
        self._words: dict[SessionSettings, Vocabulary] = {}

    def hosted(self, name: str) -> Hosted:
        """The session of that name. Raises VerbError."""
        found = self.hub.fix.get(self.endpoint.name, name)
        if found is None:
            raise VerbError("unknown_name", "session", f"there is no session {name!r} at {self.endpoint.name!r}")
        return found

    def words(self, settings: SessionSettings) -> Vocabulary:
        """The names of a session's messages and fields."""
        from openoutcry.clients.fixmessages import Vocabulary

        found = self._words.get(settings)
        if found is None:
            if len(self._words) >= WORDS_MAX:
                self._words.clear()
            found = self._words[settings] = Vocabulary.of(settings)
        return found

    # --------------------------------------------------------------------------------------------- messages
    def is_type(self, name: str) -> bool:
        """See Hand. Types beginning with U are anybody's."""
        from openoutcry.messages import NEWEST, vocabulary

        words = vocabulary(NEWEST)
        known = any(name in each.message_named for each in (words.application, words.transport))
        return known or re.fullmatch("U[A-Za-z0-9]{1,9}", name) is not None

    def words_of(self, session: str) -> Vocabulary:
        """The same, of a session by its name; the newest, when there is none any more."""
        from openoutcry.messages import NEWEST, vocabulary

        hosted = self.hub.fix.get(self.endpoint.name, session)
        return self.words(hosted.settings) if hosted is not None else vocabulary(NEWEST)

    def shown(self, message: Message, session: str, native: bool = False) -> dict[str, Any]:
        """See Hand; nothing that is secret."""
        message = without_secrets(message)
        from openoutcry.messages import from_fix

        number = message.get(34) or b""
        return {
            "sequence": int(number) if number.isdigit() else 0,
            "message": from_fix(message, self.words_of(session), native=native),
            "raw": message.raw.hex(),
        }

    def named(self, session: str, message: Message) -> str:
        """See Hand."""
        from openoutcry.messages import name_of

        return name_of(message.kind, self.words_of(session))

    def hand_over(self, session: str, held: Held) -> bool:
        """See Hand."""
        hosted = self.hub.fix.get(self.endpoint.name, session)
        if hosted is None:
            return False
        hub = self.hub
        now_ns = hub.fix.clock.tick()
        hosted.application.take(held.message, hub.out, may_have_come(held.message))
        if hosted.fresh:
            hosted.pass_on(now_ns)
        hub.fix.has_taken(hosted)
        if hosted.touched:
            hub.commit()
        return True

    def discarded(self, session: str) -> None:
        """See Hand: it counts as taken."""
        hosted = self.hub.fix.get(self.endpoint.name, session)
        if hosted is not None:
            self.hub.fix.has_taken(hosted)

    def send(
        self, session: str, fields: dict[str, Any], sequence: int, checksum: int, length: int, native: bool
    ) -> dict[str, Any]:
        """See Hand."""
        from openoutcry.messages import to_fix

        hosted = self.hosted(session)
        now_ns = self.hub.fix.clock.tick()
        message = to_fix(fields, self.words(hosted.settings), native=native, time_ns=now_ns)
        number = hosted.store.next_out + sequence
        if not 1 <= number <= NUMBER_MAX:
            text = f"sequence is {sequence}, the next number is {hosted.store.next_out}: there is none before 1"
            raise VerbError("bad_argument", "sequence", text)
        if (sequence or checksum or length) and not self.connected(session).live:
            raise VerbError("wrong_state", "session", f"{session!r} is being sent earlier messages again: a moment")
        data = hosted.session.frame(message.kind, number, message.body, now_ns, message.header)
        sent, live = _wrong(data, checksum, length), True
        if sequence < 0:  # the number is another message's: that one stays in the store
            self.connected(session).write([sent])
        else:
            sent, live = self._send_next(hosted, message, number, sent if sent != data else b"", now_ns)
        return {"sequence": number, "sent": live, "raw": (sent or data).hex()}

    def _send_next(
        self, hosted: Hosted, message: Encoded, number: int, wrong: bytes, now_ns: int
    ) -> tuple[bytes, bool]:
        """Store a message, and send it, or what is wrong in its stead; returns what was sent, and whether anything."""
        layer = hosted.session
        if number != hosted.store.next_out:
            layer.skip(number)
        hosted.emit(message.kind, message.body, message.kind not in INPUTS, message.header)
        written = len(layer.out)
        hosted.pass_on(now_ns)
        live = len(layer.out) > written
        if live and wrong:
            layer.out[-1] = wrong
        sent = layer.out[-1] if live else b""
        self.hub.commit()
        return sent, live

    # --------------------------------------------------------------------------------------------- connections
    def take_up(self, connection: Any) -> None:
        """See Hand."""
        if type(connection) is FixConnection and connection.state == ON:
            connection.__class__ = ManagedFixConnection

    def hold(self, connection: Any) -> None:
        """See Hand."""
        logon = connection._kept[0]
        found = identity.find(self.hub.state, self.endpoint.name, logon)
        connection.wanted = "" if isinstance(found, str) else found.settings.name
        connection.__class__ = ManagedFixConnection
        connection.state = HELD
        self.endpoint.watch.waiting[connection.number] = connection
        connection.speak(logon, connection.wanted)

    def let_in(self, connection: Any) -> None:
        """See Hand."""
        del self.endpoint.watch.waiting[connection.number]
        connection.go_in()

    def refuse(self, connection: Any, text: str) -> None:
        """See Hand. Without a text the connection just ends, as when a Logon is not good."""
        connection.refusal = text
        self.let_in(connection)

    def close(self, connection: Any) -> None:
        """See Hand."""
        connection.log_out("")

    def leave_open(self, connection: Any) -> None:
        """See Hand."""
        connection.part()
        connection.hosted = None
        connection.wanted = ""
        connection.state = GONE
        connection.__class__ = HalfOpenFix


def _wrong(data: bytes, checksum: int, length: int) -> bytes:
    """A message whose BodyLength, or CheckSum, is off by so much, and nothing else. Raises VerbError."""
    if not (checksum or length):
        return data
    data = data[:-_TRAILER_SIZE]
    found = _LENGTH.search(data)
    assert found is not None
    wrong = int(found[1]) + length
    if wrong < 0:
        raise VerbError("bad_argument", "length", f"length is {length}, a BodyLength of {wrong} cannot be written")
    data = data[: found.start(1)] + b"%d" % wrong + data[found.end(1) :]
    return data + b"10=%03d\x01" % ((int(sum_of(data)) + checksum) % 256)
