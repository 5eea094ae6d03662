"""What a hand does at one endpoint: let a client in or refuse it, hand a message on, send one, end a connection.

``Hand`` is what all protocols have in common; OUCH's is openoutcry.gateway.managed_ouch, FIX's managed_fix. It is made
when somebody first needs it. A connection that is held, or whose messages are noted or held, is given another class
(``take_up``), a ``Managed`` one. It has its own back when nobody has asked for its first messages (``let_go``): so one
that nobody holds pays nothing for all the others.

Invariant: a hand does nothing that the protocol could not: it stores before it sends, and its messages are numbered.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import VerbError
from openoutcry.gateway.client import ASKED, GONE, HELD, ON, RETRY_NS, SILENT, ClientConnection
from openoutcry.gateway.managed_watch import FIRST_MAX

if TYPE_CHECKING:
    from openoutcry.gateway.endpoint import Endpoint
    from openoutcry.gateway.managed_watch import Held
    from openoutcry.gateway.state import Session

STATES: Final = {SILENT: "silent", HELD: "held", ASKED: "asked", ON: "logged on", GONE: "closing"}
NO_LINGER: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s: closing sends RST


class Managed(ClientConnection):
    """A connection whose login is held, or whose messages are noted, and held if they are to be."""

    untimed: tuple[int, ...] = (HELD,)  # states that have no time-out
    noted = 0  # messages, while nobody has asked for any

    def let_go(self, count: int) -> None:
        """So many messages more were noted that nobody has asked for: those are enough."""
        self.noted += count
        if self.noted >= FIRST_MAX and self.state == ON:
            self.__class__ = type(self).__bases__[-1]

    def has_room(self, data: bytes) -> bool:
        """Whether what has come can be taken. Else it stays here, and nothing more is read."""
        inbox = self.endpoint.watch.inboxes.get(self.name)
        self.reads_no_more = inbox is not None and inbox.full
        if self.reads_no_more:
            if data and not self._held:
                self.transport.pause_reading()
            self._held += data
        return not self.reads_no_more

    def on_timer(self, now_ns: int) -> None:
        """See ClientConnection."""
        if self.reads_no_more and self.state == ON:
            self.go_on()  # others may have made room
        if self.state in self.untimed:
            self.hub.wheel.schedule(self, now_ns + RETRY_NS)
        else:
            super().on_timer(now_ns)


class HalfOpen(ClientConnection):
    """A connection that has no session any more, and does not say so: what comes is not even looked at (GONE)."""

    state_name = "half-open"

    def on_timer(self, now_ns: int) -> None:
        """It stays as it is."""

    def configure(self) -> None:
        """See ClientConnection."""

    def finish(self) -> None:
        """The endpoint ends."""
        self.transport.abort()

    close = finish
    drop = finish


_kinds: Final[dict[tuple[type, type], type]] = {}


def become(connection: Any, kind: type) -> None:
    """Give a connection the class `kind`; one whose class is somebody's own keeps what that adds."""
    own = type(connection)
    if own in kind.__mro__:
        connection.__class__ = kind
        return
    if (kind, own) not in _kinds:
        _kinds[kind, own] = type(f"{kind.__name__}Of{own.__name__}", (kind, own), {})
    connection.__class__ = _kinds[kind, own]


class Hand:
    """See the module. connection: whatever speaks with one client of this protocol.

    This one is for endpoints whose hand nobody has written: it can look, and end connections, and no more.
    """

    @property
    def able(self) -> bool:
        """Whether log-ons and messages can be held."""
        return type(self) is not Hand

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.hub = endpoint.hub

    # --------------------------------------------------------------------------------------------- names
    def session_name(self, given: str) -> str:
        """The session that is meant, by its name or its number. Raises VerbError when there never was one."""
        name = self.meant(given)
        if self.session(name) is None and name not in self.endpoint.watch.inboxes:
            text = f"there is no session {given!r} at endpoint {self.endpoint.name!r}: its client has never logged on"
            raise VerbError("unknown_name", "session", text)
        return name

    def meant(self, given: str) -> str:
        """The same, also of a session that there is not yet."""
        name = self.canonical(given)
        if self.session(name) is None and given.isascii() and given.isdecimal():
            found = self.hub.state.sessions.get(int(given))
            if found is not None and found.endpoint == self.endpoint.name:
                return found.user
        return name

    def canonical(self, given: str) -> str:
        """A session's name as it is kept."""
        return given

    def session(self, name: str) -> Session | None:
        """The matcher's session of that name."""
        return self.hub.state.session_of(self.endpoint.name, name)

    def connection_of(self, name: str) -> Any:
        """The connection of a session whose client is logged on, else None."""
        session = self.session(name)
        found = None if session is None else session.connection
        return found if found is not None and found.state == ON else None

    def connected(self, name: str) -> Any:
        """The same. Raises VerbError when there is none."""
        found = self.connection_of(name)
        if found is None:
            text = f"the client of {name!r} is not logged on at endpoint {self.endpoint.name!r}"
            raise VerbError("wrong_state", "session", text)
        return found

    def row(self, connection: Any) -> dict[str, Any]:
        """A connection, for people. state: STATES, or half-open."""
        session = getattr(connection, "session", None)
        return {
            "connection": getattr(connection, "number", 0),  # 0: it shakes hands for TLS
            "address": connection.address,
            "state": getattr(connection, "state_name", "") or STATES[getattr(connection, "state", SILENT)],
            "session": self.name_of(connection),
            "session_number": 0 if session is None else session.number,
        }

    def name_of(self, connection: Any) -> str:
        """The session that a connection has asked for, "" before it has asked for one that there is."""
        return str(getattr(connection, "name", ""))  # there is none before a TLS handshake

    def cannot(self) -> VerbError:
        """What is said where there is no hand."""
        text = f"protocol {self.endpoint.protocol} cannot be held in the hand"
        return VerbError("wrong_state", "endpoint", text)

    # --------------------------------------------------------------------------------------------- messages
    def is_type(self, name: str) -> bool:
        """Whether messages can have that MsgType."""
        return False

    def shown(self, message: Any, session: str, native: bool = False) -> dict[str, Any]:
        """A received message for people: ``message``, its fields as openoutcry.messages names them, and more.

        native: its fields as its protocol names them.
        """
        return {"message": {}}

    def named(self, session: str, message: Any) -> str:
        """MsgType's name of a message that was noted; "" when there is none."""
        return ""

    def hand_over(self, session: str, held: Held) -> bool:
        """Give a message that waited to the engine. False: nothing comes of it."""
        raise self.cannot()

    def discarded(self, session: str) -> None:
        """A message that waited was thrown away."""

    def send(
        self, session: str, fields: dict[str, Any], sequence: int, checksum: int, length: int, native: bool
    ) -> dict[str, Any]:
        """The session's next message, made wrong as asked for; native: named as its protocol does. Raises VerbError."""
        raise self.cannot()

    def send_raw(self, session: str, data: bytes) -> dict[str, Any]:
        """Bytes as they are: neither stored nor counted. Raises VerbError."""
        connection = self.connected(session)
        if connection.transport.get_write_buffer_size() > self.endpoint.write_buffer_max:
            self.endpoint.slow(connection)
            raise VerbError("wrong_state", "session", f"the client of {session!r} does not read: it has been dropped")
        connection.transport.write(data)
        return {"sequence": 0, "sent": True, "raw": data.hex()}

    # --------------------------------------------------------------------------------------------- connections
    def take_up(self, connection: Any) -> None:
        """From now on the messages of this connection are noted, and held if they are to be."""

    def hold(self, connection: Any) -> None:
        """Let the log-on of a connection wait for ``let_in`` or ``refuse``."""
        raise self.cannot()

    def let_in(self, connection: Any) -> None:
        """Have the log-on that was held judged."""
        raise self.cannot()

    def refuse(self, connection: Any, text: str) -> None:
        """Refuse the log-on that was held."""
        raise self.cannot()

    def read_on(self, connection: Any) -> None:
        """There is room again for what the client sends."""
        if connection.reads_no_more:
            connection.go_on()

    def drop(self, connection: Any, how: str) -> None:
        """End a connection: clean, reset or half-open."""
        if how == "clean":
            self.close(connection)
        elif how == "reset":
            with suppress(OSError, AttributeError):  # the socket has gone already
                connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            connection.drop()
        else:
            self.leave_open(connection)

    def close(self, connection: Any) -> None:
        """The way in which a server of this protocol ends a connection."""
        connection.close()

    def leave_open(self, connection: Any) -> None:
        """Take the connection's session away from it, and read what comes without a word, until its client goes."""
        raise self.cannot()
