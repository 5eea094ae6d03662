"""FIX applications around a real matching core, without a process, socket or clock: for tests of orders and reports.

A message goes in as ``"35=D|11=A1|..."``; what it makes the application say comes out as fields, after the Decoder has
read it and the Validator of its version has found nothing wrong with it.
"""

from __future__ import annotations

from typing import Any

from openoutcry import wire as w
from openoutcry.fix.codec import Decoder, Header, frame
from openoutcry.fix.message import Message
from openoutcry.fix.settings import APPL_VERSIONS, SessionSettings
from openoutcry.fix.validate import Validator, validator_for
from openoutcry.gateway.fix.application import Application
from openoutcry.gateway.fix.copies import Copies
from tests.machine_world import World

VERSIONS = tuple(APPL_VERSIONS)
OLD = ("FIX.4.0", "FIX.4.1")
BEFORE_43 = ("FIX.4.0", "FIX.4.1", "FIX.4.2")
FROM_42 = VERSIONS[2:]
FROM_43 = VERSIONS[3:]
FROM_44 = VERSIONS[4:]
FROM_50 = VERSIONS[5:]
GATEWAY = "gateway-1"
NOW = "20231114-22:13:20"

Fields = dict[int, str]


def settings_of(version: str, client: str, **more: Any) -> SessionSettings:
    """A session of that version: ours is OO, the client's name is its CompID."""
    begin = "FIXT.1.1" if version.startswith("FIX.5") else version
    if begin == "FIXT.1.1":
        more["DefaultApplVerID"] = version
    return SessionSettings(BeginString=begin, SenderCompID="OO", TargetCompID=client, **more)


class Services:
    """What an application may reach."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.market: Any = None
        self.copies = Copies()
        self.notes: list[str] = []

    def now_ns(self) -> int:
        """The matcher's time."""
        return int(self.world.now)

    def note(self, text: str) -> None:
        """A line for the log."""
        self.notes.append(text)


class Client:
    """One FIX session with its application. said: what it was told since the last time, kind and fields."""

    def __init__(self, floor: Floor, name: str, number: int, settings: SessionSettings) -> None:
        self.floor = floor
        self.name = name
        self.number = number
        self.settings = settings
        self.validator: Validator = validator_for(settings)
        self.version = settings.version
        self.header = Header(settings.BeginString, settings.SenderCompID, settings.TargetCompID)
        self.next_out = 0
        self.said: list[Message] = []
        self.bodies: list[tuple[bytes, bytes]] = []
        self.application = Application(number, settings, self.validator, self.emit, floor.services)

    def emit(self, kind: bytes, body: bytes, keep: bool = True, extra: tuple[tuple[int, bytes], ...] = ()) -> None:
        """What the host does with a message, and what its client does with it."""
        self.next_out += 1
        self.bodies.append((kind, body))
        data = self.header.message(kind, self.next_out, NOW.encode(), body, extra)
        self.said += self.read(data)

    def read(self, data: bytes) -> list[Message]:
        """Messages, each of which its version's dictionary allows."""
        decoder = Decoder()
        messages = decoder.feed(data)
        assert messages and not decoder.garbled, data
        for message in messages:
            flaw = self.validator.check(message)
            assert flaw is None, (self.version, flaw, data.replace(b"\x01", b"|"))
        return messages

    def message(self, text: str, check: bool = True) -> Message:
        """A message from the client: "35=D|11=A|..."; what every version wants beside is put in."""
        kind, _, rest = text.partition("|")
        fields = [(int(tag), value) for tag, _, value in (pair.partition("=") for pair in rest.split("|") if pair)]
        data = client_message(self.settings, kind[3:], fields)
        if check:
            return self.read(data)[0]
        return Decoder().feed(data)[0]

    def send(self, text: str, again: bool = False, check: bool = True) -> list[Fields]:
        """A message through everything; what its own client is told."""
        out: list[Any] = []
        self.application.take(self.message(text, check), out, again)
        if out:
            self.floor.send(*out)
        return self.take()

    def take(self) -> list[Fields]:
        """What it was told since the last time."""
        said, self.said = self.said, []
        return [{tag: value.decode() for tag, value in message.pairs() if tag not in SKIPPED} for message in said]


SKIPPED = frozenset((8, 9, 10, 34, 49, 52, 56))


def client_message(settings: SessionSettings, kind: str, fields: list[tuple[int, str]]) -> bytes:
    """A whole message of a client: 34 is 2, 52 is NOW."""
    head = f"35={kind}\x0134=2\x0149={settings.TargetCompID}\x0152={NOW}\x0156={settings.SenderCompID}\x01"
    body = "".join(f"{tag}={value}\x01" for tag, value in fields)
    return frame(settings.BeginString.encode(), (head + body).encode())


class Floor:
    """An open engine with books, and clients of any version."""

    def __init__(self, *symbols: str, **book: Any) -> None:
        self.world = World()
        self.world.verb("create_engine", "main")
        for symbol in symbols or ("X",):
            self.world.verb("create_book", f"book-{symbol}", "main", symbol)
            for name, value in book.items():
                self.world.verb("set_book_property", f"book-{symbol}", name, value)
        self.world.hello(GATEWAY)
        self.world.verb("create_endpoint", "fix", "main", "fix", GATEWAY)
        self.world.send(GATEWAY, (w.BOUND, "fix", "127.0.0.1", 4001, ""))
        self.services = Services(self.world)
        self.clients: dict[int, Client] = {}
        self.events: list[tuple[Any, ...]] = []
        self.world.take_all()

    def client(self, version: str = "FIX.4.4", name: str = "ALICE", **settings: Any) -> Client:
        """Log a session on."""
        made = settings_of(version, name, **settings)
        connection = len(self.clients) + 1
        self.world.send(GATEWAY, (w.LOGON, "fix", made.name, connection, made.Account or made.TargetCompID))
        number = self.world.machine.endpoints["fix"].sessions[made.name].number
        client = self.clients[number] = Client(self, name, number, made)
        self.deliver()
        client.take()
        return client

    def send(self, *commands: tuple[Any, ...]) -> None:
        """Commands to the matcher, and what comes of them to the applications."""
        self.world.send(GATEWAY, *commands)
        self.deliver()

    def deliver(self) -> None:
        """The events since the last time."""
        for event in self.world.take(GATEWAY):
            client = self.clients.get(event[1]) if isinstance(event[1], int) else None
            if client is not None and event[0] not in (w.LOGGED_ON, w.SESSION_STREAM):
                self.events.append(event)
                client.application.event(event, self.world.now)

    def verb(self, name: str, *arguments: Any, **named: Any) -> Any:
        """An operator's verb, and what comes of it."""
        result = self.world.verb(name, *arguments, **named)
        self.deliver()
        return result


def order(version: str, token: str, side: int = 1, quantity: object = 100, price: object = "10", **more: Any) -> str:
    """A NewOrderSingle; price None: a market order. more: t59="3" for a TimeInForce; None leaves a field out."""
    fields: dict[int, object] = {11: token, 38: quantity, 40: 2 if price is not None else 1, 54: side, 55: "X"}
    if version != "FIX.4.4" and not version.startswith("FIX.5"):
        fields[21] = 1
    if version not in OLD:
        fields[60] = NOW
    if price is not None:
        fields[44] = price
    for name, value in more.items():
        fields[int(name[1:])] = value
    return "35=D|" + "|".join(f"{tag}={value}" for tag, value in sorted(fields.items()) if value is not None)


def request(version: str, kind: str, token: str, original: str, side: int = 1, **more: Any) -> str:
    """An OrderCancelRequest (F) or OrderCancelReplaceRequest (G)."""
    if kind == "G":
        tags = {"t41": original, **_tags(more)}
        text = order(version, token, side, more.get("quantity", 100), more.get("price", "10"), **tags)
        return "35=G|" + text[5:]
    fields: dict[int, object] = {11: token, 41: original, 54: side, 55: "X"}
    if version == "FIX.4.0":
        fields |= {38: 100, 125: "F"}
    if version not in OLD:
        fields[60] = NOW
    fields |= {int(name[1:]): value for name, value in more.items()}
    return "35=F|" + "|".join(f"{tag}={value}" for tag, value in sorted(fields.items()))


def _tags(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name[0] == "t" and name[1:].isdigit()}


def pick(fields: Fields, *tags: int) -> tuple[str | None, ...]:
    """Values of some tags, None for what is not there."""
    return tuple(fields.get(tag) for tag in tags)
