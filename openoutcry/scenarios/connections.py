"""The clients of a scenario on the wire: OUCH and FIX alike, with dictionaries in and out.

    connection = connect(client, endpoint, timeout)      logged on; LoginRejected, ClientError when it is refused
    connection.send({"MsgType": "NewOrderSingle", ...})
    connection.take(seconds)                             what has come, waiting so long for the first

Invariant: what was sent to a client is taken once and in order, also over a disconnect and a reconnect.
"""

from __future__ import annotations

import select
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from openoutcry import messages
from openoutcry.clients.fix import FixClient
from openoutcry.clients.fixmessages import Encoded, Received, Vocabulary
from openoutcry.clients.ouch import MessageTimeout, OuchClient
from openoutcry.errors import ClientError, LoginRejected, VerbError
from openoutcry.fix.settings import SessionSettings
from openoutcry.gateway import soupbintcp
from openoutcry.scenarios.model import Client, Message, ScenarioError
from openoutcry.scenarios.times import desk_message

FIX_TARGET: Final = "EXCHANGE"  # CompID of an exchange when nobody says another
LOOK_AGAIN_S: Final = 0.002  # between two looks at what a desk was told
DESK_EVENTS: Final = 400  # of a desk in one answer: what wire.TEXT_MAX has room for
NEWEST: Final = "FIX.4.4"  # at an endpoint that speaks every version
_VERSIONS: Final = {"fix50": "FIX.5.0", "fix50sp1": "FIX.5.0SP1", "fix50sp2": "FIX.5.0SP2"}


class Connection(ABC):
    """One client. ``lost``: the exchange has ended the connection. ``costs``: to ask what has come is a request."""

    costs = False

    def __init__(self, client: Client) -> None:
        self.client = client
        self.lost = False
        self.away = False
        self._kept: list[Message] = []  # came before it went away

    def keep(self) -> None:
        """It goes away: what has come is kept for ``take``."""
        self._kept += self.take()
        self.away = True

    @abstractmethod
    def send(self, message: Message) -> None:
        """Send a message. Raises VerbError for one that cannot be, ClientError."""

    @abstractmethod
    def send_raw(self, data: bytes) -> None:
        """Send bytes: over OUCH a message as it is, over FIX whatever they are."""

    @abstractmethod
    def disconnect(self) -> None:
        """Lose the connection, as a crash would."""

    @abstractmethod
    def logout(self) -> None:
        """Log out, and close."""

    @abstractmethod
    def reconnect(self) -> None:
        """Log on again, and go on with the session where it was left."""

    @abstractmethod
    def close(self) -> None:
        """End it, whatever state it is in."""

    @abstractmethod
    def _ready(self) -> bool:
        """Whether something may have come: it costs next to nothing to ask."""

    @abstractmethod
    def _next(self, seconds: float) -> list[Message]:
        """What has come, at least one message. Raises MessageTimeout, ClientError."""

    def take(self, seconds: float = 0.0) -> list[Message]:
        """What has come; waits so long for the first."""
        found, self._kept = self._kept, []
        while not (self.away or self.lost) and ((seconds and not found) or self._ready()):
            try:
                found += self._next(0.0 if found else seconds)
            except MessageTimeout:
                break
            except ClientError:
                self.lost = True
        return found

    @abstractmethod
    def settle(self) -> None:
        """Return when what was sent has been written, and ``take`` sees all that is in the socket."""


# ------------------------------------------------------------------------------------------------- OUCH
class OuchConnection(Connection):
    """Over OUCH 4.2."""

    def __init__(self, client: Client, host: str, port: int, timeout: float) -> None:
        super().__init__(client)
        self._user = client.name if client.user is None else client.user
        self._where = (host, port, timeout)
        self._poll = select.poll()
        self._client = self._open("", 1)

    def _open(self, session: str, sequence: int) -> OuchClient:
        host, port, timeout = self._where
        client = OuchClient(host, port, self._user, self.client.password, session, sequence, timeout)
        self._poll = select.poll()
        self._poll.register(client.fileno(), select.POLLIN)
        return client

    def send(self, message: Message) -> None:
        """See Connection."""
        self._client.send_raw(messages.to_ouch(message, inbound=True))

    def send_raw(self, data: bytes) -> None:
        """See Connection."""
        self._client.send_raw(data)

    def _ready(self) -> bool:
        return bool(self._client.waiting or self._poll.poll(0))

    def _next(self, seconds: float) -> list[Message]:
        return [messages.from_ouch(self._client.next_message(seconds).raw, inbound=False)]

    def settle(self) -> None:
        """See Connection. It looks there itself."""

    def disconnect(self) -> None:
        """See Connection."""
        self.keep()
        self._client.drop()

    def logout(self) -> None:
        """See Connection."""
        self.keep()
        self._client.close()

    def reconnect(self) -> None:
        """See Connection. On another day the session is another one, and begins anew."""
        before = self._client
        try:
            self._client = self._open(before.session, before.sequence)
        except LoginRejected as error:
            if error.reason != soupbintcp.SESSION_NOT_AVAILABLE:
                raise
            self._client = self._open("", 1)
        before.close()
        self.away = self.lost = False

    def close(self) -> None:
        """See Connection."""
        self._client.close()


# ------------------------------------------------------------------------------------------------- FIX
def fix_settings(client: Client, protocol: str) -> dict[str, Any]:
    """The settings of a client's FIX session, completed with what its endpoint's protocol says."""
    given: dict[str, Any] = {"SenderCompID": client.name, "TargetCompID": FIX_TARGET}
    if client.user:
        given["Username"] = client.user
    if protocol in _VERSIONS:
        given |= {"BeginString": "FIXT.1.1", "DefaultApplVerID": _VERSIONS[protocol]}
    else:
        given["BeginString"] = f"FIX.4.{protocol[4]}" if protocol.startswith("fix4") else NEWEST
    return {**given, **client.settings}


class FixConnection(Connection):
    """Over FIX, any version."""

    def __init__(self, client: Client, host: str, port: int, protocol: str, timeout: float) -> None:
        super().__init__(client)
        settings = fix_settings(client, protocol)
        self._words = Vocabulary.of(SessionSettings(**settings))
        self._client = FixClient((host, port), timeout=timeout, password=client.password, **settings)

    def send(self, message: Message) -> None:
        """See Connection."""
        encoded = messages.to_fix(message, self._words)
        if encoded.header:
            fields = messages.from_fix(_framed(encoded), self._words, native=True)
            self._client.send(encoded.kind, _by_tags(fields))
        else:
            self._client.send(encoded.kind, encoded.body)

    def send_raw(self, data: bytes) -> None:
        """See Connection."""
        self._client.send_raw(data)

    def _ready(self) -> bool:
        return bool(self._client.waiting) or not self._client.is_logged_on

    def _next(self, seconds: float) -> list[Message]:
        first = [self._client.next(timeout=seconds)] if seconds else []
        found: list[Received] = first + (self._client.available() if self._client.waiting or not first else [])
        if not found:
            raise MessageTimeout("nothing has come")
        return [messages.from_fix(each.message, self._words) for each in found]

    def settle(self) -> None:
        """See Connection. Its thread reads between two visits."""
        if not (self.away or self.lost):
            self._client.settle()

    def disconnect(self) -> None:
        """See Connection."""
        self.keep()
        self._client.drop()

    def logout(self) -> None:
        """See Connection."""
        self.keep()
        self._client.logout()

    def reconnect(self) -> None:
        """See Connection."""
        self._client.logout()
        self._client.logon()
        self.away = self.lost = False

    def close(self) -> None:
        """See Connection."""
        self._client.close()


def _framed(encoded: Encoded) -> bytes:
    head = b"".join(b"%d=%b\x01" % pair for pair in encoded.header)
    return b"8=FIX.4.4\x019=1\x0135=%b\x01%b%b10=000\x01" % (encoded.kind, head, encoded.body)


def _by_tags(fields: Any) -> dict[int, Any]:
    """Fields by number, groups too; without the MsgType."""
    return {
        int(tag): [_by_tags(entry) for entry in value] if isinstance(value, list) else value
        for tag, value in fields.items() if tag != "35"
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------- desks
class DeskConnection(Connection):
    """A desk, which is there whenever the exchange is: its steps are verbs. call: as Exchange.call."""

    costs = True

    def __init__(self, client: Client, call: Callable[..., Any]) -> None:
        super().__init__(client)
        self._call = call
        self._read = 0

    def take(self, seconds: float = 0.0) -> list[Message]:
        """See Connection."""
        found: list[Message] = []
        while rows := self._rows():
            found += map(desk_message, rows)
            self._read = rows[-1]["number"]
        if not found and seconds:
            time.sleep(min(seconds, LOOK_AGAIN_S))
        return found

    def _rows(self) -> list[Any]:
        try:
            return list(self._call("order_events", self.client.desk, self._read, self.client.engine, DESK_EVENTS))
        except VerbError:
            return []  # nobody has used the desk yet

    def _no(self) -> ScenarioError:
        return ScenarioError(f"client {self.client.name} is a desk: what it does are verbs")

    def send(self, message: Message) -> None:
        """See Connection."""
        raise self._no()

    def send_raw(self, data: bytes) -> None:
        """See Connection."""
        raise self._no()

    def disconnect(self) -> None:
        """See Connection."""
        raise self._no()

    def logout(self) -> None:
        """See Connection."""
        raise self._no()

    def reconnect(self) -> None:
        """See Connection."""
        raise self._no()

    def close(self) -> None:
        """See Connection."""

    def _ready(self) -> bool:
        return False

    def _next(self, seconds: float) -> list[Message]:
        raise MessageTimeout("desks are asked")

    def settle(self) -> None:
        """See Connection."""


# ------------------------------------------------------------------------------------------------- either
def connect(client: Client, endpoint: Any, timeout: float, path: str = "") -> Connection:
    """A client that is logged on. endpoint: a row of `list endpoints`. path: of a protocol of somebody's own.

    Raises LoginRejected, ClientError, ScenarioError when there are no clients for the protocol.
    """
    host, port, protocol = endpoint["host"], endpoint["port"], endpoint["protocol"]
    if protocol == "ouch42":
        return OuchConnection(client, host, port, timeout)
    if protocol.startswith("fix"):
        return FixConnection(client, host, port, protocol, timeout)
    from openoutcry.scenarios.plugged import plug_of  # which needs this module

    plug = plug_of(protocol, path)
    if plug.client is None:
        raise ScenarioError(f"client {client.name}: endpoint {client.endpoint!r} speaks {protocol}: {plug.why_not}")
    return plug.client(client, host, port, timeout)


def checker(client: Client, protocol: str) -> Callable[[Message], object]:
    """What raises VerbError for a message that the client cannot send over that protocol."""
    if protocol == "ouch42":
        return lambda message: messages.to_ouch(message, inbound=True)
    if not protocol.startswith("fix"):
        return lambda message: None
    settings = SessionSettings(**{**fix_settings(client, protocol), "ConnectionType": "initiator"})
    words = Vocabulary.of(settings)
    return lambda message: messages.to_fix(message, words)
