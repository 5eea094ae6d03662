"""Clients for tests of managed mode: OUCH and FIX alike, on blocking sockets, so that each step is the test's.

A peer says what it was told in words that are the same for both protocols: ``accepted a1``, ``executed a1 60``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from openoutcry import Exchange
from openoutcry.errors import VerbError
from openoutcry.gateway import ouch42
from openoutcry.handles import Endpoint
from openoutcry.sessions import Session
from tests import gateway_world
from tests.fix_gateway_world import FixClient, until
from tests.fix_wire import Pairs

PROTOCOLS: Final = ("ouch42", "fix44")


class OuchPeer:
    """A client of OUCH. sequence: number of the next message, as it counts."""

    session = "ALICE"
    begin = "SystemEvent"  # the first message of the day

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.sequence = 1
        self.connect()

    def connect(self) -> None:
        if hasattr(self, "client"):
            self.close()
        self.client = gateway_world.Client(self.endpoint.port)

    def log_on(self, password: str = "") -> None:
        self.client.login("alice", password, sequence=self.sequence)

    def log_on_as(self, name: str) -> None:
        self.client.login(name)

    def ask_again(self, first: int) -> None:
        """For what it has missed: the login has done that."""

    def expect_welcome(self) -> None:
        packet = self.client.packet()
        assert packet[:1] == b"A", packet
        if self.sequence == 1:
            assert self.packet()[:2] == b"SS"

    def expect_refusal(self, text: str = "") -> None:
        assert self.client.packet() == b"JA"
        assert self.client.packet() == b""

    def send_order(self, name: str, quantity: int = 100) -> None:
        self.client.send(gateway_world.enter(name, quantity))

    def packet(self) -> bytes:
        packet = self.client.packet()
        self.sequence += packet[:1] == b"S"
        return packet

    def told(self) -> str:
        """The next message in words; "" when the connection has ended."""
        packet = self.packet()
        if not packet:
            return ""
        fields = ouch42.decode(ouch42.OUTBOUND, packet[1:])
        kind = {"A": "accepted", "J": "rejected", "E": "executed", "C": "canceled"}[fields["message_type"]]
        return f"{kind} {fields['order_token']}" + (f" {fields['executed_shares']}" if kind == "executed" else "")

    def send_broken(self) -> None:
        """A message that says nothing."""
        self.client.send(b"?")

    def log_out(self) -> None:
        self.client.socket.sendall(b"\0\x01O")

    def close(self) -> None:
        self.client.socket.close()

    @staticmethod
    def canceled(name: str) -> dict[str, Any]:
        """A report for ``send``."""
        return {"MsgType": "ExecutionReport", "ExecType": "4", "OrdStatus": "4", "ClOrdID": name, "CxlQty": 100}


class FixPeer:
    """A client of FIX 4.4. sequence: of the next message that it expects."""

    session = "FIX.4.4:OO->CLIENT"

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.sequence = 1
        self.number = 1
        self.connect()

    def connect(self) -> None:
        if hasattr(self, "client"):
            self.close()
        self.client = FixClient(self.endpoint.port, begin="FIX.4.4", number=self.number)

    def log_on(self, password: str = "") -> None:
        self.client.log_on(f"|553=alice|554={password}" if password else "")

    def log_on_as(self, name: str) -> None:
        self.client.ours = name
        self.log_on()

    def ask_again(self, first: int) -> None:
        """For what it has missed, from that number on."""
        self.client.send(f"35=2|7={first}|16=0")

    def expect_welcome(self) -> None:
        pairs = self.read()
        assert pairs is not None and dict(pairs)[35] == "A", pairs

    def expect_refusal(self, text: str = "") -> None:
        pairs = self.client.read()
        if text:
            assert pairs is not None and dict(pairs)[35] == "5" and dict(pairs)[58] == text, pairs
            pairs = self.client.read()
        assert pairs is None

    def send_order(self, name: str, quantity: int = 100) -> None:
        self.client.order(name, quantity)
        self.number = self.client.number

    def read(self) -> Pairs | None:
        """The next message, without heartbeats and gap fills."""
        while (pairs := self.client.read()) is not None and dict(pairs)[35] in ("0", "4"):
            self.sequence += 1
        if pairs is not None:
            self.sequence = int(dict(pairs)[34]) + 1
        self.number = self.client.number
        return pairs

    def told(self) -> str:
        """The next message in words; "" when the connection has ended."""
        pairs = self.read()
        if pairs is None:
            return ""
        fields = dict(pairs)
        if fields[35] == "5":
            return "logout"
        kind = {"0": "accepted", "8": "rejected", "F": "executed", "4": "canceled"}[fields[150]]
        return f"{kind} {fields[11]}" + (f" {fields[32]}" if kind == "executed" else "")

    def log_out(self) -> None:
        self.client.send("35=5")

    def close(self) -> None:
        self.client.socket.close()

    @staticmethod
    def canceled(name: str) -> dict[str, Any]:
        """A report for ``send``."""
        return {
            "MsgType": "ExecutionReport", "OrderID": "1", "ExecID": "x", "ExecType": "4", "OrdStatus": "4",
            "ClOrdID": name, "Symbol": "AAPL", "Side": "1", "LeavesQty": 0, "CumQty": 0, "AvgPx": "0",
        }  # fmt: skip


Peer = OuchPeer | FixPeer
_peers: list[Peer] = []


def peer(endpoint: Endpoint) -> Peer:
    """A client that has connected and not said anything yet."""
    found: Peer = OuchPeer(endpoint) if endpoint.protocol == "ouch42" else FixPeer(endpoint)
    _peers.append(found)
    return found


@pytest.fixture
def closed_peers() -> Iterator[None]:
    """Closes every peer that a test has made: each module that makes some uses it."""
    yield
    while _peers:
        _peers.pop().close()


def market(exchange: Exchange, protocol: str, **properties: bool) -> Endpoint:
    """An endpoint of an engine with a book for AAPL."""
    engine = exchange.create_engine("main")
    engine.create_book("aapl", "AAPL")
    endpoint = engine.create_endpoint("orders", protocol)
    for name, value in properties.items():
        endpoint.set_property(name, value)
    return endpoint


@pytest.fixture(params=PROTOCOLS)
def endpoint(request: pytest.FixtureRequest, exchange: Exchange) -> Endpoint:
    """One of either protocol, at which nothing is held."""
    return market(exchange, request.param)


def logged_on(endpoint: Endpoint) -> tuple[Peer, Session]:
    """A client that is logged on, and its session in the hand."""
    client = peer(endpoint)
    client.log_on()
    client.expect_welcome()
    return client, endpoint.session(client.session)


def over_ouch(endpoint: Endpoint) -> tuple[OuchPeer, Session]:
    """The same where it is known that it is one of OUCH."""
    client, session = logged_on(endpoint)
    assert isinstance(client, OuchPeer)
    return client, session


def over_fix(endpoint: Endpoint) -> tuple[FixPeer, Session]:
    """The same of FIX."""
    client, session = logged_on(endpoint)
    assert isinstance(client, FixPeer)
    return client, session


def hand_on(client: Peer, session: Session, name: str) -> None:
    """An order of that name is sent, waits, and is accepted once it is handed on."""
    client.send_order(name)
    session.next_message().process()
    assert client.told() == f"accepted {name}"


def refusal(call: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[str, str]:
    """The code and the field with which a verb is refused."""
    with pytest.raises(VerbError) as caught:
        call(*arguments, **named)
    return caught.value.code, caught.value.field


def states(endpoint: Endpoint) -> list[str]:
    """Of its connections."""
    return [row["state"] for row in endpoint.connections()]


def gone(endpoint: Endpoint) -> None:
    """Wait until it has no connections any more."""
    until(lambda: not endpoint.connections(), "no connections")
