"""The hand at an endpoint whose protocol is packets (OUCH over SoupBinTCP): see openoutcry.gateway.managed_hand.

A sequenced message has no number of its own: both ends count. So a number is skipped by a message that is stored and
not sent, and repeated by one that is sent twice; from then on the client counts otherwise than the gateway, until it
logs in again.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import ProtocolError, VerbError
from openoutcry.gateway.client import ASKED, GONE, HELD, ON
from openoutcry.gateway.connection import Connection
from openoutcry.gateway.managed_hand import HalfOpen, Hand, Managed, become
from openoutcry.gateway.managed_watch import MESSAGE, UNNAMED, Held
from openoutcry.gateway.soupbintcp import NOT_AUTHORISED, SEQUENCED, SESSION_NOT_AVAILABLE, LoginRequest, packets

if TYPE_CHECKING:
    from openoutcry.gateway.endpoint import PacketEndpoint

OUCH: Final = "ouch42"
AWAY_MAX: Final = 1_000  # numbers that a message may be off: each is a message in the store, or on its way
LENGTH_MAX: Final = 65_535


class ManagedConnection(Managed, Connection):
    """See Managed."""

    untimed = (HELD, ASKED)  # nor has the judgement of a login that was held

    def wake(self) -> None:
        """Its login goes on: what it has not said while that was held does not count as silence."""
        self._take(b"")  # the session layer looks at the time

    def _take(self, data: bytes) -> None:
        if self.has_room(data):
            super()._take(data)

    def _messages(self, payloads: list[bytes]) -> None:
        watch, name, hand = self.endpoint.watch, self.name, self.endpoint.hand
        assert isinstance(hand, PacketHand)
        asked, holds = watch.messages, watch.holds(name)
        for payload in payloads:
            kind = hand.type_of(payload) if asked else UNNAMED
            number = watch.note(MESSAGE, self, name, kind, payload, len(payload))
            if holds:
                watch.inbox(name).put(Held(number, kind, payload, len(payload)))
        if holds:
            self.endpoint.messages_in += len(payloads)
        else:
            super()._messages(payloads)
        if not asked:
            self.let_go(len(payloads))


class HalfOpenPackets(HalfOpen, Connection):
    """See HalfOpen."""


class PacketHand(Hand):
    """See the module."""

    endpoint: PacketEndpoint

    def canonical(self, given: str) -> str:
        """Letters of either case are alike."""
        return given.upper()

    # --------------------------------------------------------------------------------------------- messages
    def is_type(self, name: str) -> bool:
        """See Hand."""
        if self.endpoint.protocol != OUCH:
            return self.endpoint.dialect.read is not None and name[:1].isupper()
        from openoutcry import messages_ouch

        return name in (LOGIN, LOGOUT, *(kind.name for kind in messages_ouch.INBOUND.values()))

    def shown(self, message: Any, session: str, native: bool = False) -> dict[str, Any]:
        """See Hand."""
        if isinstance(message, LoginRequest):
            return {"message": {"MsgType": LOGIN, "Username": message.username, "Session": message.session,
                                "SequenceNumber": message.sequence}}  # fmt: skip
        try:
            fields = self._fields(message, native)
        except (ProtocolError, VerbError) as error:
            return {"message": {}, "error": str(error), "raw": message.hex()}
        return {"message": fields, "raw": message.hex()}

    def _fields(self, payload: bytes, native: bool) -> dict[str, Any]:
        if native and self.endpoint.protocol == OUCH:
            from openoutcry.messages import from_ouch

            return from_ouch(payload, True, native=True)
        read = self.endpoint.dialect.read  # the names that a protocol of somebody's own has are its own
        return dict(read(payload)) if read is not None else {}

    def named(self, session: str, message: Any) -> str:
        """See Hand."""
        return self.type_of(message)

    def type_of(self, payload: bytes) -> str:
        """MsgType's name of a client's message, "" when there is none."""
        if self.endpoint.protocol != OUCH:
            return str(self.shown(payload, "")["message"].get("MsgType", ""))
        from openoutcry import messages_ouch

        kind = messages_ouch.INBOUND.get(chr(payload[0]) if payload else "")
        return "" if kind is None else kind.name

    def hand_over(self, session: str, held: Held) -> bool:
        """See Hand."""
        found = self.session(session)
        if found is None:
            return False
        endpoint = self.endpoint
        ignored = endpoint.dialect.commands(found.number, [held.message], self.hub.out)
        endpoint.ignored += ignored
        self.hub.submitted()
        return not ignored

    def send(
        self, session: str, fields: dict[str, Any], sequence: int, checksum: int, length: int, native: bool
    ) -> dict[str, Any]:
        """See Hand."""
        found = self.session(session)
        if length and self.endpoint.protocol != OUCH:
            raise VerbError("bad_argument", "length", f"where protocol {self.endpoint.protocol} has it is not known")
        if checksum:
            raise VerbError("bad_argument", "checksum", f"protocol {self.endpoint.protocol} has no checksum")
        if abs(sequence) > AWAY_MAX:
            text = f"sequence is {sequence}, at most {AWAY_MAX} numbers can be skipped or repeated here"
            raise VerbError("bad_argument", "sequence", text)
        if found is None or found.stream is None:
            raise VerbError("wrong_state", "session", f"{session!r} has no stream: its day has ended, or not begun")
        stream, connection = found.stream, found.connection
        if length or sequence:
            connection = self.connected(session)
        packet = self._packet(fields, native)
        sent = _with_length(packet, length) if length else packet
        skipped, times = max(sequence, 0), 1 + max(-sequence, 0)
        store = self.hub.store
        store.append(store.last_event, [(stream, skipped + 1, packet * (skipped + 1))])
        live = isinstance(connection, Connection) and connection.live and connection.stream is stream
        if isinstance(connection, Connection) and live:
            connection.deliver(skipped + 1, sent * times, self.hub.clock.monotonic_ns())
        return {"sequence": stream.next - 1, "sent": live, "raw": sent.hex()}

    def _packet(self, fields: dict[str, Any], native: bool) -> bytes:
        """A message for a client, framed. Raises VerbError."""
        dialect, time_ns = self.endpoint.dialect, self.hub.clock.wall_ns()
        if self.endpoint.protocol == OUCH:  # strictly: a field too many is a mistake of the test's
            from openoutcry.messages import to_ouch

            return packets(SEQUENCED, [to_ouch(fields, False, native=native, time_ns=time_ns)])
        if dialect.write is None:
            text = f"messages of protocol {dialect.name} are not known by name: send raw bytes"
            raise VerbError("bad_argument", "message", text)
        return dialect.write(fields, dialect.stamp(time_ns))

    # --------------------------------------------------------------------------------------------- connections
    def take_up(self, connection: Any) -> None:
        """See Hand."""
        if isinstance(connection, Connection) and connection.state == ON and not isinstance(connection, Managed):
            become(connection, ManagedConnection)

    def hold(self, connection: Any) -> None:
        """See Hand."""
        become(connection, ManagedConnection)
        connection.state = HELD
        self.endpoint.watch.waiting[connection.number] = connection

    def let_in(self, connection: Any) -> None:
        """See Hand."""
        del self.endpoint.watch.waiting[connection.number]
        connection.state = ASKED
        connection.wake()
        self.endpoint.judge(connection)

    def refuse(self, connection: Any, text: str) -> None:
        """See Hand. What can be said is one letter; a text that is none is not sent."""
        del self.endpoint.watch.waiting[connection.number]
        connection.state = ASKED
        connection.reject(SESSION_NOT_AVAILABLE if text == SESSION_NOT_AVAILABLE else NOT_AUTHORISED)

    def leave_open(self, connection: Any) -> None:
        """See Hand."""
        connection.part()
        connection.state = GONE
        connection.live = False
        connection.__class__ = HalfOpenPackets


LOGIN: Final = "LoginRequest"  # SoupBinTCP's own messages
LOGOUT: Final = "LogoutRequest"


def _with_length(packet: bytes, wrong: int) -> bytes:
    """A packet whose length is wrong by so much. Raises VerbError."""
    right = int.from_bytes(packet[:2])
    if not 0 <= right + wrong <= LENGTH_MAX:
        raise VerbError("bad_argument", "length", f"length is {wrong}: {right + wrong} does not fit the length's field")
    return struct.pack(">H", right + wrong) + packet[2:]
