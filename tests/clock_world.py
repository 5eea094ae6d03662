"""An exchange whose clock stands still, and raw clients of it over OUCH and over FIX that keep no time of their own.

A client here sends nothing by itself and answers nothing: what arrives is what the exchange's clock made it say.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from openoutcry import Exchange
from tests import fix_gateway_world, gateway_world

MS = 1_000_000
SECOND = 1_000 * MS
HOUR = 3_600 * SECOND


def market(exchange: Exchange, stop: bool = True) -> int:
    """An engine with a book, and an endpoint for each protocol; the time at which the clock stands."""
    exchange.create_engine("main")
    exchange.create_book("aapl", "main", "AAPL")
    exchange.create_endpoint("ouch", "main", "ouch42")
    exchange.create_endpoint("fix", "main", "fix42")
    return int((exchange.clock.stop() if stop else exchange.clock()).time_ns)


class Silent:
    """A client of one protocol, logged on. heartbeat_s: after how much silence of ours it is to hear one."""

    heartbeat_s: int
    dead_after_s: int

    def close(self) -> None:
        raise AssertionError("of a protocol")

    def heard(self) -> list[str]:
        """Kinds of all that arrives up to the answer to an order that does not say anything itself."""
        raise AssertionError("of a protocol")

    def ended(self) -> list[str]:
        """Kinds of all that arrives up to the end of the connection."""
        raise AssertionError("of a protocol")


class SilentOuch(Silent):
    """OUCH: "H" is a heartbeat, "J" the rejected order."""

    heartbeat_s, dead_after_s = 1, 15

    def __init__(self, exchange: Exchange, endpoint: str = "ouch", user: str = "me", login: bool = True) -> None:
        self.client = gateway_world.Client(exchange.endpoint(endpoint).port)
        self.count = 0
        if login:
            self.client.login(user)
            assert self.client.packet()[:1] == b"A"
            self.heard()  # the day has begun

    def close(self) -> None:
        self.client.socket.close()

    def heard(self) -> list[str]:
        self.count += 1
        self.client.send(gateway_world.enter(f"{self.count}", 0))
        found: list[str] = []
        while not found or found[-1] != "J":
            found.append(kind_of(self.client.packet(heartbeats=True)))
        return found[:-1]

    def ended(self) -> list[str]:
        found: list[str] = []
        while packet := self.client.packet(heartbeats=True):
            found.append(kind_of(packet))
        return found


def kind_of(packet: bytes) -> str:
    """The type of a packet; of a message of OUCH its own."""
    return chr(packet[packet[:1] == b"S"])


class SilentFix(Silent):
    """FIX: "0" is a heartbeat, "1" a TestRequest, "5" a Logout."""

    heartbeat_s, dead_after_s = 30, 72

    def __init__(self, exchange: Exchange, endpoint: str = "fix", user: str = "ME", login: bool = True) -> None:
        self.client = fix_gateway_world.FixClient(exchange.endpoint(endpoint).port, user)
        if login:
            self.client.log_on(heartbeat=self.heartbeat_s)
            pairs = self.client.read()
            assert pairs is not None and dict(pairs)[35] == "A", pairs

    def close(self) -> None:
        self.client.socket.close()

    def heard(self) -> list[str]:
        self.client.send("35=1|112=mark")
        found: list[str] = []
        while True:
            fields = self.next()
            if fields.get(112) == "mark":
                return found
            found.append(fields[35])

    def next(self) -> dict[int, str]:
        """The next message's fields."""
        pairs = self.client.read()
        assert pairs is not None, "the connection has ended"
        return dict(pairs)

    def ended(self) -> list[str]:
        found: list[str] = []
        while (pairs := self.client.read()) is not None:
            found.append(dict(pairs)[35])
        return found


def nothing_comes(connection: socket.socket, seconds: float) -> None:
    """It stays open for so long, without a word."""
    patience = connection.gettimeout()
    connection.settimeout(seconds)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    connection.settimeout(patience)


CLIENTS: dict[str, Callable[..., Any]] = {"ouch": SilentOuch, "fix": SilentFix}


@contextmanager
def silent(protocol: str, exchange: Exchange, **options: Any) -> Iterator[Any]:
    """A client of that protocol, closed at the end."""
    client = CLIENTS[protocol](exchange, **options)
    try:
        yield client
    finally:
        client.close()
