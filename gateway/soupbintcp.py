"""SoupBinTCP 3.00, 4.00 and 4.10, both ends, sans I/O: bytes and the time in, events and bytes out.

Rule 1. A session is in one state, and the tables ``SERVER`` and ``CLIENT`` say which packets it may be sent there.
        What a table does not list breaks the protocol: ``ProtocolError``, and the session is CLOSED. Packet types
        that SoupBinTCP does not have, or that flow the other way only, are counted and otherwise ignored.
Rule 2. However the bytes are cut into reads, the packets are the same; nothing but ``ProtocolError`` is raised for
        any bytes, and a session holds at most one unfinished packet and ``WAITING_MAX`` packets.
Rule 3. Sequenced packets carry no number. Both ends count them from the number in Login Accepted.
Rule 4. Nothing here looks at a clock: ``now_ns`` is any monotonic time in ns. Call ``on_timer`` at the deadline
        that it returned last.

A server's life::

    AWAITING_LOGIN --L--> AUTHENTICATING --accept_login--> LOGGED_IN --O, end_of_session--> CLOSED
                                         --reject_login-----------------------------------> CLOSED

A client's: CONNECTED --login--> LOGIN_SENT --A--> LOGGED_IN --logout, Z--> CLOSED.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from openoutcry.errors import ProtocolError

# ------------------------------------------------------------------------------------------------- limits
PACKET_MAX: Final = 32_767  # value of the length field: some clients read it as a signed 16-bit integer
PAYLOAD_MAX: Final = PACKET_MAX - 1
INBOUND_MAX: Final = 1_024  # what a server accepts in one packet: a login has 52 bytes, an OUCH message at most 49
WAITING_MAX: Final = 256  # packets kept that a client sends before its login is answered
DEBUG_MAX: Final = 512  # characters of a debug packet that are handed on

SECOND_NS: Final = 1_000_000_000
HEARTBEAT_NS: Final = SECOND_NS  # both ends: a heartbeat after this long without sending (all versions)
RECEIVE_TIMEOUT_NS: Final = 15 * SECOND_NS  # the peer is gone (3.00 and 4.00 leave it open; usual value)
LOGIN_TIMEOUT_NS: Final = 30 * SECOND_NS

# ------------------------------------------------------------------------------------------------- packet types
DEBUG: Final = ord("+")
LOGIN_ACCEPTED: Final = ord("A")
LOGIN_REJECTED: Final = ord("J")
SEQUENCED: Final = ord("S")
UNSEQUENCED: Final = ord("U")
SERVER_HEARTBEAT: Final = ord("H")
END_OF_SESSION: Final = ord("Z")
LOGIN_REQUEST: Final = ord("L")
CLIENT_HEARTBEAT: Final = ord("R")
LOGOUT_REQUEST: Final = ord("O")

NOT_AUTHORISED: Final = "A"  # reasons of Login Rejected
SESSION_NOT_AVAILABLE: Final = "S"

_HEARTBEAT_H: Final = b"\0\x01H"
_HEARTBEAT_R: Final = b"\0\x01R"
_LOGIN: Final = struct.Struct("6s10s10s20s")  # 4.10 adds 5 bytes: heartbeat time-out in ms
_ACCEPTED: Final = struct.Struct("10s20s")
_LOGIN_SIZES: Final = (_LOGIN.size, _LOGIN.size + 5)
_BLANKS: Final = b" \0"


# ------------------------------------------------------------------------------------------------- states
class State:
    """Where a session stands. Plain text: an Enum's hash is Python code, too slow for once a read."""

    AWAITING_LOGIN: Final = "awaiting login"
    AUTHENTICATING: Final = "authenticating"
    CONNECTED: Final = "connected"
    LOGIN_SENT: Final = "login sent"
    LOGGED_IN: Final = "logged in"
    CLOSED: Final = "closed"


Table = dict[str, dict[int, str]]

SERVER: Final[Table] = {
    State.AWAITING_LOGIN: {
        DEBUG: State.AWAITING_LOGIN,
        LOGIN_REQUEST: State.AUTHENTICATING,
        LOGOUT_REQUEST: State.CLOSED,
    },
    # Whatever comes while the login is being judged waits (WAITING_MAX) until it has been.
    State.AUTHENTICATING: {},
    State.LOGGED_IN: {
        UNSEQUENCED: State.LOGGED_IN,
        CLIENT_HEARTBEAT: State.LOGGED_IN,
        DEBUG: State.LOGGED_IN,
        LOGOUT_REQUEST: State.CLOSED,
    },
}
_TAKES_NOTHING: Final = (State.AUTHENTICATING, State.CLOSED)
FROM_CLIENT: Final = frozenset((DEBUG, LOGIN_REQUEST, UNSEQUENCED, CLIENT_HEARTBEAT, LOGOUT_REQUEST))

CLIENT: Final[Table] = {
    State.CONNECTED: {DEBUG: State.CONNECTED},
    State.LOGIN_SENT: {
        DEBUG: State.LOGIN_SENT,
        LOGIN_ACCEPTED: State.LOGGED_IN,
        LOGIN_REJECTED: State.CLOSED,
    },
    State.LOGGED_IN: {
        SEQUENCED: State.LOGGED_IN,
        UNSEQUENCED: State.LOGGED_IN,
        SERVER_HEARTBEAT: State.LOGGED_IN,
        DEBUG: State.LOGGED_IN,
        END_OF_SESSION: State.CLOSED,
    },
}
FROM_SERVER: Final = frozenset(
    (DEBUG, LOGIN_ACCEPTED, LOGIN_REJECTED, SEQUENCED, UNSEQUENCED, SERVER_HEARTBEAT, END_OF_SESSION)
)


# ------------------------------------------------------------------------------------------------- events
@dataclass(frozen=True, slots=True)
class LoginRequest:
    """A client asks to log in. Answer with ``accept_login`` or ``reject_login``.

    username is in upper case: user names and passwords do not differ by case alone (compare passwords so). session
    "" asks for the current one; sequence 0 for the most recent message (``next_sequence``). heartbeat_ms is None
    before version 4.10.
    """

    username: str
    password: str = field(repr=False)  # never in a log
    session: str
    sequence: int
    heartbeat_ms: int | None


class Unsequenced(NamedTuple):
    """Messages in Unsequenced Data packets, in order: all that came together (orders, to a server)."""

    payloads: list[bytes]


class Sequenced(NamedTuple):
    """Messages in Sequenced Data packets; payloads[i] has number first + i."""

    first: int
    payloads: list[bytes]


class Logout(NamedTuple):
    """The client logs out: close the connection at once."""


class Debug(NamedTuple):
    """Free text of the peer, for people."""

    text: str


class Accepted(NamedTuple):
    """The login is accepted: the session joined and the number of the next sequenced message."""

    session: str
    sequence: int


class Rejected(NamedTuple):
    """The login is refused: NOT_AUTHORISED or SESSION_NOT_AVAILABLE. The server closes the connection."""

    reason: str


class EndOfSession(NamedTuple):
    """No message will follow in this session, and it cannot be joined again."""


Event = LoginRequest | Unsequenced | Sequenced | Logout | Debug | Accepted | Rejected | EndOfSession


# ------------------------------------------------------------------------------------------------- packets
def packet(kind: int, payload: bytes = b"") -> bytes:
    """One packet. Raises ProtocolError when the payload is longer than PAYLOAD_MAX."""
    if len(payload) > PAYLOAD_MAX:
        raise ProtocolError(f"a payload of {len(payload)} bytes, at most {PAYLOAD_MAX}")
    return struct.pack(">HB", len(payload) + 1, kind) + payload


def _heads(kind: int) -> list[bytes]:
    return [struct.pack(">HB", size + 1, kind) for size in range(INBOUND_MAX)]


_DATA: Final = (SEQUENCED, UNSEQUENCED)
_HEADS: Final = {SEQUENCED: _heads(SEQUENCED), UNSEQUENCED: _heads(UNSEQUENCED)}


def packets(kind: int, payloads: Sequence[bytes]) -> bytes:
    """All payloads, each in a packet of `kind` (SEQUENCED or UNSEQUENCED), joined for one write."""
    heads = _HEADS[kind]
    try:
        return b"".join([heads[len(payload)] + payload for payload in payloads])
    except IndexError:  # a payload longer than the table of heads
        return b"".join([packet(kind, payload) for payload in payloads])


def next_sequence(requested: int, last: int) -> int:
    """The number that Login Accepted carries, when a session's last message has number `last` (0: none yet).

    0 asks for the most recent message. A number beyond the next one, which the specification leaves open, gets the
    next one.
    """
    if requested == 0:
        return max(last, 1)
    return min(requested, last + 1)


Run = tuple[int, list[bytes]]
_SAME_MIN: Final = 160  # bytes of a read that is worth looking at as a whole


class Framer:
    """Cuts a stream of bytes into packets, however it arrives.

    packet_max: highest value of the length field that is accepted.
    """

    __slots__ = ("_packet_max", "_rest")

    def __init__(self, packet_max: int = PACKET_MAX) -> None:
        self._packet_max = packet_max
        self._rest = b""

    def split(self, data: bytes) -> list[Run]:
        """The packets that `data` completes, as (type, payloads): data packets in a row together, others one by one.

        Raises ProtocolError for a length of 0 or above packet_max.
        """
        if self._rest:
            data = self._rest + data
        runs: list[Run] = []
        end = len(data)
        at = self._same(data, runs) if end >= _SAME_MIN else 0
        last = runs[0][0] if runs else -1
        while end - at >= 2:
            size = data[at] << 8 | data[at + 1]
            if not 0 < size <= self._packet_max:
                raise ProtocolError(f"a packet length of {size}, it must be from 1 to {self._packet_max}")
            stop = at + 2 + size
            if stop > end:
                break
            kind = data[at + 2]
            if kind == last:
                runs[-1][1].append(data[at + 3 : stop])
            else:
                runs.append((kind, [data[at + 3 : stop]]))
                last = kind if kind in _DATA else -1
            at = stop
        self._rest = data[at:]
        return runs

    def _same(self, data: bytes, runs: list[Run]) -> int:
        """Take the packets at the start of a read full of data packets of one size and type: 3 times faster.

        Returns the number of bytes taken, 0 when the read is not like that.
        """
        if data[2] not in _DATA:
            return 0
        size = (data[0] << 8 | data[1]) + 2
        count = len(data) // size
        end = count * size
        if count < 4 or not 3 < size <= self._packet_max + 2:
            return 0
        for index in range(3):
            if data[index:end:size].count(data[index]) != count:
                return 0
        same = struct.iter_unpack(f"3x{size - 3}s", data[:end])
        runs.append((data[2], [payload for (payload,) in same]))
        return end


def _text(data: bytes, name: str) -> str:
    try:
        text = data.strip(_BLANKS).decode("ascii")
    except UnicodeDecodeError:
        raise ProtocolError(f"{name} is not ASCII") from None
    if not text.isprintable():  # no verb could name such a session
        raise ProtocolError(f"{name} has characters that cannot be printed")
    return text


def _number(data: bytes, name: str) -> int:
    digits = data.strip(_BLANKS) or b"0"
    if not digits.isdigit():
        raise ProtocolError(f"{name} is {digits!r}, it must be digits")
    return int(digits)


def _login_request(payload: bytes) -> LoginRequest:
    if len(payload) not in _LOGIN_SIZES:
        raise ProtocolError(f"a login request of {len(payload)} bytes, expected 46, or 51 (4.10)")
    username, password, session, sequence = _LOGIN.unpack_from(payload)
    heartbeat = payload[_LOGIN.size :].strip(_BLANKS)
    return LoginRequest(
        _text(username, "username").upper(),
        _text(password, "password"),
        _text(session, "requested session"),
        _number(sequence, "requested sequence number"),
        _number(heartbeat, "heartbeat timeout") or None if heartbeat else None,
    )


def _debug(payload: bytes) -> Debug:
    return Debug(payload[:DEBUG_MAX].decode("ascii", "replace"))


# ------------------------------------------------------------------------------------------------- sessions
class _Session(ABC):
    """What both ends do alike: timers, the table, packets that wait."""

    __slots__ = (
        "_framer", "_heard_ns", "_heartbeat", "_heartbeat_ns", "_now_ns", "_peer_types", "_receive_timeout_ns",
        "_said_ns", "_table", "_waiting", "ignored", "sequence", "state",
    )  # fmt: skip

    def __init__(self, now_ns: int, heartbeat_ns: int, receive_timeout_ns: int, packet_max: int) -> None:
        self.ignored = 0  # packets of unknown type
        self.sequence = 0  # number of the next sequenced message, from the login on
        self._framer = Framer(packet_max)
        self._waiting: deque[Run] = deque()
        self._heartbeat_ns = heartbeat_ns
        self._receive_timeout_ns = receive_timeout_ns
        self._now_ns = self._heard_ns = self._said_ns = now_ns
        self.state: str
        self._table: Table
        self._peer_types: frozenset[int]
        self._heartbeat: bytes

    def receive(self, data: bytes, now_ns: int) -> list[Event]:
        """Take bytes of the peer; returns what they say, in order. b"" looks at what is waiting.

        Raises ProtocolError when the peer breaks the protocol; the session is then closed. The packets that came
        before in the same read are dropped with it. A closed session ignores everything.
        """
        self._now_ns = now_ns
        if data:
            self._heard_ns = now_ns
        if self.state is State.CLOSED:
            return []
        events: list[Event] = []
        try:
            runs = self._framer.split(data)
            if len(runs) == 1 and self.state is State.LOGGED_IN and runs[0][0] == UNSEQUENCED and not self._waiting:
                return [Unsequenced(runs[0][1])]  # the usual read, of both ends' tables
            self._waiting.extend(runs)
            self._take(events)
        except ProtocolError:
            self.close()
            raise
        return events

    def _take(self, events: list[Event]) -> None:
        waiting = self._waiting
        while waiting and self.state not in _TAKES_NOTHING:
            kind, payloads = waiting.popleft()
            state = self._table[self.state].get(kind)
            if state is not None:
                self.state = state
                self._packet(kind, payloads, events)
            elif kind in self._peer_types:
                raise ProtocolError(f"packet {chr(kind)!r} while {self.state}")
            else:
                self.ignored += len(payloads)
        if waiting and sum(len(payloads) for _, payloads in waiting) > WAITING_MAX:
            raise ProtocolError(f"more than {WAITING_MAX} packets before the login was answered")

    @abstractmethod
    def _packet(self, kind: int, payloads: list[bytes], events: list[Event]) -> None:
        """Add to `events` what packets of one kind, legal in this state, mean at this end."""

    def unsequenced(self, payloads: Sequence[bytes]) -> bytes:
        """Messages that are neither counted nor repeated, joined for one write; b"" when the session is closed."""
        if not self._step("unsequenced", State.LOGGED_IN, State.LOGGED_IN):
            return b""
        return self._said(packets(UNSEQUENCED, payloads))

    def close(self) -> None:
        """The connection is over, whoever ended it."""
        self.state = State.CLOSED
        self._waiting.clear()

    def debug(self, text: str) -> bytes:
        """A debug packet with free text; its receiver ignores it."""
        return self._said(packet(DEBUG, text.encode("ascii", "replace")[:DEBUG_MAX]))

    def _said(self, data: bytes) -> bytes:
        # The latest time that is known; at worst a heartbeat leaves too early.
        self._said_ns = self._now_ns
        return data

    def _step(self, call: str, start: str, end: str) -> bool:
        """Go from `start` to `end`; False when the session is closed. Raises ProtocolError in another state."""
        if self.state is State.CLOSED:
            return False
        if self.state is not start:
            state = self.state
            self.close()
            raise ProtocolError(f"{call} while {state}")
        self.state = end
        return True

    def _heartbeats(self, now_ns: int) -> tuple[bytes, bool, int]:
        """on_timer while logged in."""
        silent_until = self._heard_ns + self._receive_timeout_ns
        if now_ns >= silent_until:
            self.close()
            return b"", True, now_ns
        return self.heartbeat(now_ns), False, min(silent_until, self.heartbeat_due_ns)

    def forgive(self, ns: int) -> None:
        """Time was moved on by `ns`, in which the peer could not say anything: that is not to be held against it."""
        self._heard_ns += ns

    @property
    def heartbeat_due_ns(self) -> int:
        """When a heartbeat must leave unless something else does before."""
        return self._said_ns + self._heartbeat_ns

    def heartbeat(self, now_ns: int) -> bytes:
        """A heartbeat if one is due, else b"". Part of ``on_timer``; alone it does not judge the peer's silence."""
        if self.state is not State.LOGGED_IN or now_ns < self.heartbeat_due_ns:
            return b""
        self._said_ns = now_ns
        return self._heartbeat


class ServerSession(_Session):
    """The server's end of one connection.

    now_ns: when the client connected. heartbeat_ns: a heartbeat leaves after this long without sending.
    receive_timeout_ns: a logged-in client that is silent this long is dropped; a 4.10 client gives its own value.
    login_timeout_ns: for the login and its answer together. ``sequence`` is the number of the next sequenced message.
    """

    __slots__ = ("_login_until_ns",)

    def __init__(
        self, now_ns: int, heartbeat_ns: int = HEARTBEAT_NS, receive_timeout_ns: int = RECEIVE_TIMEOUT_NS,
        login_timeout_ns: int = LOGIN_TIMEOUT_NS,
    ) -> None:  # fmt: skip
        super().__init__(now_ns, heartbeat_ns, receive_timeout_ns, INBOUND_MAX)
        self.state = State.AWAITING_LOGIN
        self._table = SERVER
        self._peer_types = FROM_CLIENT
        self._heartbeat = _HEARTBEAT_H
        self._login_until_ns = now_ns + login_timeout_ns

    def _packet(self, kind: int, payloads: list[bytes], events: list[Event]) -> None:
        if kind == UNSEQUENCED:
            events.append(Unsequenced(payloads))
        elif kind == LOGIN_REQUEST:
            request = _login_request(payloads[0])
            if request.heartbeat_ms is not None:
                self._receive_timeout_ns = request.heartbeat_ms * 1_000_000
            events.append(request)
        elif kind == LOGOUT_REQUEST:
            self.close()
            events.append(Logout())
        elif kind == DEBUG:
            events.append(_debug(payloads[0]))

    def accept_login(self, session: str, sequence: int) -> bytes:
        """Login Accepted: the session joined (at most 10 characters) and the number of the next sequenced message.

        Then call ``receive(b"", now_ns)``: it returns what the client sent meanwhile.
        """
        if not self._step("accept_login", State.AUTHENTICATING, State.LOGGED_IN):
            return b""
        self.sequence = sequence
        self._heard_ns = self._now_ns
        return self._said(packet(LOGIN_ACCEPTED, b"%10.10b%20d" % (session.encode("ascii", "replace"), sequence)))

    def reject_login(self, reason: str) -> bytes:
        """Login Rejected; close the connection once it is sent."""
        if not self._step("reject_login", State.AUTHENTICATING, State.CLOSED):
            return b""
        self.close()
        return packet(LOGIN_REJECTED, reason.encode("ascii"))

    def sequenced(self, payloads: Sequence[bytes]) -> bytes:
        """The next sequenced messages, joined for one write; b"" when the session is closed."""
        if not self._step("sequenced", State.LOGGED_IN, State.LOGGED_IN):
            return b""
        self.sequence += len(payloads)
        return self._said(packets(SEQUENCED, payloads))

    def sent(self, count: int) -> None:
        """`count` sequenced messages were sent that had been framed before (``packets``): stored ones, a replay."""
        self.sequence += count
        self._said_ns = self._now_ns

    def end_of_session(self) -> bytes:
        """End of Session; close the connection once it is sent."""
        if not self._step("end_of_session", State.LOGGED_IN, State.CLOSED):
            return b""
        self.close()
        return packet(END_OF_SESSION)

    def forgive(self, ns: int) -> None:
        """Neither is it to be held against a client that has not logged in yet."""
        super().forgive(ns)
        self._login_until_ns += ns

    def on_timer(self, now_ns: int) -> tuple[bytes, bool, int]:
        """Returns (bytes to send, whether to close the connection, when to call next)."""
        self._now_ns = now_ns
        if self.state is State.LOGGED_IN:
            return self._heartbeats(now_ns)
        if self.state is State.CLOSED or now_ns >= self._login_until_ns:
            self.close()
            return b"", True, now_ns
        return b"", False, self._login_until_ns


class ClientSession(_Session):
    """The client's end of one connection. ``session`` and ``sequence``: what to ask for to go on after a loss."""

    __slots__ = ("session",)

    def __init__(
        self, now_ns: int, heartbeat_ns: int = HEARTBEAT_NS, receive_timeout_ns: int = RECEIVE_TIMEOUT_NS
    ) -> None:
        super().__init__(now_ns, heartbeat_ns, receive_timeout_ns, PACKET_MAX)
        self.session = ""
        self.state = State.CONNECTED
        self._table = CLIENT
        self._peer_types = FROM_SERVER
        self._heartbeat = _HEARTBEAT_R

    def _packet(self, kind: int, payloads: list[bytes], events: list[Event]) -> None:
        if kind == SEQUENCED:
            events.append(Sequenced(self.sequence, payloads))
            self.sequence += len(payloads)
        elif kind == UNSEQUENCED:
            events.append(Unsequenced(payloads))
        elif kind == LOGIN_ACCEPTED:
            events.append(self._accepted(payloads[0]))
        elif kind == LOGIN_REJECTED:
            self.close()
            events.append(Rejected(_text(payloads[0][:1], "reason")))
        elif kind == END_OF_SESSION:
            self.close()
            events.append(EndOfSession())
        elif kind == DEBUG:
            events.append(_debug(payloads[0]))

    def _accepted(self, payload: bytes) -> Accepted:
        if len(payload) != _ACCEPTED.size:
            raise ProtocolError(f"a login accepted of {len(payload)} bytes, expected {_ACCEPTED.size}")
        session, sequence = _ACCEPTED.unpack(payload)
        self.session = _text(session, "session")
        self.sequence = _number(sequence, "sequence number")
        return Accepted(self.session, self.sequence)

    def login(
        self, username: str, password: str, session: str = "", sequence: int = 1, heartbeat_ms: int | None = None
    ) -> bytes:
        """Login Request: of version 4.10 with heartbeat_ms (the server drops us after such a silence), else 4.00.

        Raises ProtocolError when a value does not fit its field.
        """
        fields = ((username, 6), (password, 10), (session, 10), (str(sequence), 20))
        payload = b"".join([_padded(value, size) for value, size in fields])
        if heartbeat_ms is not None:
            payload += _padded(str(heartbeat_ms), 5)
        if not self._step("login", State.CONNECTED, State.LOGIN_SENT):
            return b""
        return self._said(packet(LOGIN_REQUEST, payload))

    def logout(self) -> bytes:
        """Logout Request; the server closes the connection."""
        if not self._step("logout", State.LOGGED_IN, State.CLOSED):
            return b""
        self.close()
        return packet(LOGOUT_REQUEST)

    def on_timer(self, now_ns: int) -> tuple[bytes, bool, int]:
        """Returns (bytes to send, whether the server is gone, when to call next)."""
        self._now_ns = now_ns
        if self.state is State.LOGGED_IN:
            return self._heartbeats(now_ns)
        if self.state is State.CLOSED or now_ns >= self._heard_ns + self._receive_timeout_ns:
            self.close()
            return b"", True, now_ns
        return b"", False, self._heard_ns + self._receive_timeout_ns


def _padded(value: str, size: int) -> bytes:
    data = value.encode("ascii", "replace")
    if len(data) > size:
        raise ProtocolError(f"a login field of {len(data)} characters, at most {size}")  # it may be a password
    return data.ljust(size)
