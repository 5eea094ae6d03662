"""Clients of protocols that somebody's own module brings: a protocol names their class in ``Dialect.client``.

::

    class LinesClient(PluginClient):
        logon(client, received), encode(message), decode(data), said(command) ...

With it scenarios play over such a protocol, and are recorded; docs/plugins.md has one whole. The class is loaded from
where the exchange has loaded the protocol.

Invariant: as everywhere, what is said to be a client's message is one of which the gateway's own half of the protocol
makes that very command. Whatever somebody's class does wrong while it is recorded costs that message, with a note.
"""

from __future__ import annotations

import json
import select
import socket
import time
from abc import abstractmethod
from collections import deque
from typing import Any, ClassVar, Final, NamedTuple

from openoutcry import plugins, wire
from openoutcry.clients.soupbintcp import MessageTimeout
from openoutcry.errors import ClientError, LoginRejected
from openoutcry.gateway.protocols import Dialect
from openoutcry.gateway.soupbintcp import Unsequenced
from openoutcry.scenarios.connections import Connection
from openoutcry.scenarios.model import Client, Message
from openoutcry.scenarios.sides import NOT_THE_SAME, Command, Got, Said

READ_SIZE: Final = 65_536
WAITING_MAX: Final = 1_000_000  # bytes of one message that never ends
FOREVER_NS: Final = 10**18  # time-outs of a session that is only asked what it makes of bytes


class PluginClient(Connection):
    """One client over TCP. What is specific to the protocol is the subclass's, in class methods.

    answered: whether the first message is the answer to the log-on, and no event. repeats: whether the protocol says
    all messages of the day again at each log-on.
    """

    answered: ClassVar[bool] = True
    repeats: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def logon(cls, client: Client, received: int) -> bytes:
        """What logs a client on that has received so many messages before. The name: ``client.user or client.name``."""

    @classmethod
    @abstractmethod
    def encode(cls, message: Message) -> bytes:
        """A client's message, as it is sent. Raises VerbError for one that the protocol has no words for."""

    @classmethod
    @abstractmethod
    def decode(cls, data: bytes) -> tuple[list[Message], int]:
        """The messages of the exchange in there, and how many bytes they take; each with a MsgType."""

    @classmethod
    def refused(cls, answer: Message) -> str:
        """Why that answer refuses the log-on; "" when it does not."""
        return ""

    @classmethod
    def goodbye(cls) -> bytes:
        """What logs a client off."""
        return b""

    @classmethod
    def said(cls, command: Command) -> Message | None:
        """The client's message of which ``Dialect.commands`` makes that command; None for none."""
        return None

    # --------------------------------------------------------------------------------------------- Connection
    def __init__(self, client: Client, host: str, port: int, timeout: float) -> None:
        super().__init__(client)
        self._where = (host, port)
        self._timeout = timeout
        self._received = 0  # messages in all
        self._open()

    def _open(self) -> None:
        try:
            self._socket = socket.create_connection(self._where, self._timeout)
        except OSError as error:
            raise ClientError(f"cannot connect to {self._where[0]} port {self._where[1]}: {error}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a step is taken when it is sent
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._data = b""
        self._messages: deque[Message] = deque()
        self._again = self._received if self.repeats else 0  # so many are known
        self.send_raw(self.logon(self.client, self._received))
        if self.answered:
            self._await_answer(time.monotonic() + self._timeout)

    def _await_answer(self, until: float) -> None:
        while not self._messages:
            if time.monotonic() >= until:
                raise ClientError(f"no answer to the log-on within {self._timeout:g} s")
            self._read(until - time.monotonic())
        why = self.refused(self._messages.popleft())
        if why:
            self._socket.close()
            raise LoginRejected(why)

    def _read(self, seconds: float) -> None:
        if not self._poll.poll(max(0.0, seconds) * 1_000):
            return
        try:
            data = self._socket.recv(READ_SIZE)
        except OSError as error:
            raise ClientError(f"connection lost: {error}") from None
        self._data += data
        found, taken = self.decode(self._data)
        self._data = self._data[taken:]
        self._messages += found
        if not data or len(self._data) > WAITING_MAX:
            raise ClientError("connection lost")

    def _ready(self) -> bool:
        return bool(self._messages or self._poll.poll(0))

    def _next(self, seconds: float) -> list[Message]:
        until = time.monotonic() + seconds
        while not self._messages:
            self._read(until - time.monotonic())
            if not self._messages and time.monotonic() >= until:
                raise MessageTimeout("nothing has come")
        found = list(self._messages)
        self._messages.clear()
        known, self._again = min(self._again, len(found)), max(0, self._again - len(found))
        self._received += len(found) - known
        return found[known:]

    def settle(self) -> None:
        """See Connection. It looks there itself."""

    def send(self, message: Message) -> None:
        """See Connection."""
        self.send_raw(self.encode(message))

    def send_raw(self, data: bytes) -> None:
        """See Connection. Whatever they are."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ClientError(f"connection lost: {error}") from None

    def disconnect(self) -> None:
        """See Connection."""
        self.keep()
        self._socket.close()

    def logout(self) -> None:
        """See Connection."""
        self.keep()
        self.close()

    def reconnect(self) -> None:
        """See Connection."""
        self._socket.close()
        self._open()
        self.away = self.lost = False

    def close(self) -> None:
        """See Connection."""
        try:
            self._socket.sendall(self.goodbye())
        except OSError:
            pass  # it is gone already
        self._socket.close()


# ------------------------------------------------------------------------------------------------- loading
class Plug(NamedTuple):
    """A protocol of somebody's own, and the class of its clients. why_not: why there is none."""

    dialect: Dialect | None
    client: type[PluginClient] | None
    why_not: str = ""


def plug_of(protocol: str, path: str) -> Plug:
    """What `path` (module:attribute) has for it."""
    if not path:
        return Plug(None, None, f"nobody knows from where {protocol} was loaded")
    try:
        found = plugins.resolve(path)
        make = getattr(found, "make_dialect", None if isinstance(found, type) else found)
        dialect = None if make is None else make()
        if not isinstance(dialect, Dialect):
            return Plug(None, None, f"{protocol} is a class of endpoints, without a Dialect")
        if not dialect.client:
            return Plug(dialect, None, f"{protocol} names no class for its clients (Dialect.client)")
        kind = plugins.resolve(dialect.client)
    except plugins.PluginError as error:
        return Plug(None, None, str(error))
    except BaseException as error:  # whatever somebody's module does wrong, sys.exit() too
        return Plug(None, None, f"{path} cannot be loaded: {plugins.fault(error)}")
    if not (isinstance(kind, type) and issubclass(kind, PluginClient)):
        return Plug(dialect, None, f"{dialect.client} is no class derived from {PluginClient.__qualname__}")
    return Plug(dialect, kind)


# ------------------------------------------------------------------------------------------------- recording
class PlugSide:
    """A session's half of the journal; see openoutcry.scenarios.sides."""

    def __init__(self, number: int, client: Client, got: Got, dialect: Dialect, kind: type[PluginClient]) -> None:
        self.number = number
        self._client = client
        self._got = got
        self._dialect = dialect
        self._kind = kind

    def message(self, command: Command, time_ns: int) -> Said | None:
        """See Side."""
        try:
            if command[0] == wire.ECHO:
                said: Message | None = json.loads(command[2].partition(b" ")[2])
            else:
                said = self._kind.said(command)
            if said is None:
                return None
            return Said(said, "" if command in self._commands(said) else NOT_THE_SAME)
        except Exception as error:  # whatever somebody's class does wrong
            return Said({"MsgType": wire.COMMANDS[command[0]][0]}, f"{NOT_THE_SAME}: {plugins.fault(error)}")

    def _commands(self, message: Message) -> list[Any]:
        """What the gateway makes of a message."""
        session = self._dialect.session(0, FOREVER_NS, FOREVER_NS, FOREVER_NS)
        session.receive(self._kind.logon(self._client, 0), 0)
        session.accept_login("", 1)
        out: list[Any] = []
        for event in session.receive(self._kind.encode(message), 0):
            if isinstance(event, Unsequenced):
                self._dialect.commands(self.number, event.payloads, out)
        return out

    def event(self, event: Command, time_ns: int) -> None:
        """See Side."""
        try:
            packet = self._dialect.render(event, self._dialect.stamp(time_ns))
            found, _ = self._kind.decode(packet)
        except Exception:  # as above: nobody is told what cannot be said
            return
        for message in found:
            self._got(self._client.name, message)
