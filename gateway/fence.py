"""Around a protocol of somebody's own: what it does wrong is a ``Fault``, and costs one connection or one message.

``fenced`` gives a Dialect that does what another one does, and whose functions raise ProtocolError and VerbError alone:
a Fault for whatever else they raise (sys.exit() too), and for a result that nothing can be made of. So what is wrong is
found where it is made, and not by those who gather packets and commands of all connections.

Invariant: what comes out of here has the right type and length, commands are such as the bus takes, of the session that
said so, and what a call has begun is not left half done: it has given all of its commands, or none.

A protocol that is built in has no fence, and pays nothing. The hub (``Hub.broken``) holds a Fault against a connection.
"""

from __future__ import annotations

import reprlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.errors import ProtocolError, VerbError, WireError
from openoutcry.gateway.soupbintcp import LoginRequest, Logout, Unsequenced
from openoutcry.plugins import fault

if TYPE_CHECKING:
    from openoutcry.gateway.protocols import Dialect, Session

RENDERED_MAX: Final = 4_096  # bytes of the message for an event: no event has half as much to say
WRITTEN_MAX: Final = 20_000  # and for what an engine of somebody's own says: ECHO_MAX, and a header
# With these two, and delivery.BYTES_MAX, a turn's record stays below store.RECORD_MAX.
WORDS_MAX: Final = 65_537  # and of an answer to a login: as long as SoupBinTCP's longest packet
COMMANDS_MAX: Final = 128  # of one client message: a mass quote is one
SEQUENCE_MAX: Final = 10**20 - 1  # twenty digits, as SoupBinTCP has them
TRACE_LINES_MAX: Final = 60  # of a traceback in the log: what recurses without end has more

Event = tuple[Any, ...]


class Fault(ProtocolError):
    """A protocol of somebody's own did wrong. The text says what, with the place in its code."""


def trace(error: BaseException) -> str:
    """What was raised, and where, for the log."""
    lines = "".join(traceback.format_tb(error.__traceback__)).splitlines()
    return "\n".join([fault(error), *lines[-TRACE_LINES_MAX:]])


class Fence:
    """Calls what is somebody's own. name: of the protocol."""

    def __init__(self, name: str) -> None:
        self._name = name

    def call(self, what: str, act: Callable[..., Any], *arguments: Any) -> Any:
        """What `act` returns. Raises ProtocolError, VerbError, Fault."""
        try:
            return act(*arguments)
        except (ProtocolError, VerbError):
            raise
        except BaseException as error:  # whatever somebody's plugin does wrong
            raise Fault(f"protocol {self._name!r} has failed in {what}: {trace(error)}") from None

    def wrong(self, what: str, found: Any, wanted: str) -> Fault:
        """It returned something else than it should."""
        shown = self.call(what, reprlib.repr, found)
        return Fault(f"protocol {self._name!r} has failed in {what}: it returned {shown}, not {wanted}")

    def data(self, what: str, found: Any, most: int = WORDS_MAX) -> bytes:
        """What is to be sent."""
        if type(found) is not bytes or len(found) > most:
            raise self.wrong(what, found, f"at most {most} bytes")
        return found

    def number(self, what: str, found: Any, high: int) -> int:
        """A number from 0 to `high`."""
        if type(found) is not int or not 0 <= found <= high:
            raise self.wrong(what, found, f"a number from 0 to {high}")
        return found


class FencedSession:
    """A session layer (openoutcry.gateway.protocols.Session) behind a fence."""

    def __init__(self, fence: Fence, inner: Session) -> None:
        self._fence = fence
        self._inner = inner
        self._asked = self._on = False

    def receive(self, data: bytes, now_ns: int) -> Sequence[Any]:
        """See Session. A login comes once, and messages after it was accepted."""
        found = self._fence.call("receive", self._inner.receive, data, now_ns)
        if not isinstance(found, list | tuple):
            raise self._fence.wrong("receive", found, "a list of events")
        for event in found:
            self._check(event)
        return found

    def _check(self, event: Any) -> None:
        if type(event) is LoginRequest:
            self._asked, before = True, self._asked
            right = not before and _is_login(event)
        elif type(event) is Unsequenced:
            payloads = event.payloads
            right = self._on and isinstance(payloads, list) and all(type(payload) is bytes for payload in payloads)
        else:
            right = type(event) is Logout
        if not right:
            raise self._fence.wrong("receive", event, "one login, then the messages of who was let in, and a logout")

    def accept_login(self, session: str, sequence: int) -> bytes:
        """See Session."""
        self._on = True
        words = self._fence.call("accept_login", self._inner.accept_login, session, sequence)
        return self._fence.data("accept_login", words)

    def reject_login(self, reason: str) -> bytes:
        """See Session."""
        return self._fence.data("reject_login", self._fence.call("reject_login", self._inner.reject_login, reason))

    def end_of_session(self) -> bytes:
        """See Session."""
        return self._fence.data("end_of_session", self._fence.call("end_of_session", self._inner.end_of_session))

    def sent(self, count: int, now_ns: int = 0) -> None:
        """See Session."""
        self._fence.call("sent", self._inner.sent, count, now_ns)

    def configure(self, heartbeat_ns: int, receive_timeout_ns: int) -> None:
        """See Session."""
        self._fence.call("configure", self._inner.configure, heartbeat_ns, receive_timeout_ns)

    def forgive(self, ns: int) -> None:
        """See Session."""
        self._fence.call("forgive", self._inner.forgive, ns)

    def on_timer(self, now_ns: int) -> tuple[bytes, bool, int]:
        """See Session."""
        found = self._fence.call("on_timer", self._inner.on_timer, now_ns)
        if not isinstance(found, tuple) or len(found) != 3:
            raise self._fence.wrong("on_timer", found, "bytes to send, whether it is over, and when to ask again")
        data, over, deadline_ns = found
        if type(over) is not bool:
            raise self._fence.wrong("on_timer", found, "True or False for whether it is over")
        return self._fence.data("on_timer", data), over, self._fence.number("on_timer", deadline_ns, wire.UINT63_MAX)


def _is_login(event: LoginRequest) -> bool:
    """Whether it is one that the bus takes."""
    user, session, sequence = event.username, event.session, event.sequence
    texts = isinstance(user, str) and isinstance(session, str) and isinstance(event.password, str)
    return (
        texts and user.isprintable() and len(user) <= wire.NAME_MAX and len(session) <= wire.NAME_MAX
        and type(sequence) is int and 0 <= sequence <= SEQUENCE_MAX
    )  # fmt: skip


class _Functions(Fence):
    """The functions of a Dialect. Its times are made of the bus's here, once for the events of one turn."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect.name)
        self._of = dialect
        self._time_ns = self._stamp = -1

    def session(self, *arguments: int) -> FencedSession:
        return FencedSession(self, self.call("making a session", self._of.session, *arguments))

    def commands(self, session: int, payloads: Sequence[bytes], out: list[Any]) -> int:
        found: list[Any] = []
        ignored = self.call("commands", self._of.commands, session, payloads, found)
        if len(found) > COMMANDS_MAX * len(payloads):
            raise self.wrong("commands", f"{len(found)} commands", f"at most {COMMANDS_MAX} for a message")
        for command in found:
            self._check_command(session, command)
        count = self.number("commands", ignored, len(payloads))
        out += found
        return count

    def _check_command(self, session: int, command: Any) -> None:
        try:
            if type(command) is not tuple:
                raise WireError(f"a command is a tuple, not {type(command).__name__}")
            wire.check_command(command)
        except WireError as error:
            raise self.wrong("commands", command, f"a command: {error}") from None
        if command[0] > wire.SESSION_COMMANDS_END or command[1] != session:
            raise self.wrong("commands", command, f"a command of session {session}")

    def stamped(self, time_ns: int) -> int:
        if time_ns != self._time_ns:
            self._stamp = self.number("stamp", self.call("stamp", self._of.stamp, time_ns), wire.UINT63_MAX)
            self._time_ns = time_ns
        return self._stamp

    def render(self, event: Event, time_ns: int) -> bytes:
        packet = self.data("render", self.call("render", self._of.render, event, self.stamped(time_ns)), RENDERED_MAX)
        if not packet and event[0] < wire.RESULT:
            raise self.wrong("render", packet, f"a message for {wire.PRIVATE_EVENTS[event[0]][0]}")
        return packet

    def skip(self, data: bytes, count: int) -> int:
        return self.number("skip", self.call("skip", self._of.skip, data, count), len(data))

    def read(self, payload: bytes) -> Mapping[str, Any]:
        assert self._of.read is not None  # or nobody could have called this: see `fenced`
        found = self.call("read", self._of.read, payload)
        if not isinstance(found, dict) or not isinstance(found.get("MsgType"), str):
            raise self.wrong("read", found, "a dictionary with a MsgType")
        return found

    def write(self, fields: Mapping[str, Any], time_ns: int) -> bytes:
        assert self._of.write is not None  # as above
        found = self.call("write", self._of.write, fields, self.stamped(time_ns))
        packet = self.data("write", found, WRITTEN_MAX)
        if not packet:
            raise self.wrong("write", packet, "a message")
        return packet


def fenced(dialect: Dialect) -> Dialect:
    """The same protocol behind a fence."""
    on = _Functions(dialect)
    return dialect._replace(
        session=on.session, commands=on.commands, stamp=lambda time_ns: time_ns, render=on.render, skip=on.skip,
        read=on.read if dialect.read is not None else None, write=on.write if dialect.write is not None else None,
    )  # fmt: skip
