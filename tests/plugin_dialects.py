"""Protocols that do wrong what a client's name, or its order's, says: a line of text for everything.

``LOGIN name [sequence]`` first, then ``BUY name symbol quantity cents``. A name is made of what goes wrong and how, as
in ON_TIMER-EXIT. See tests/test_protocol_faults.py.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

from openoutcry import wire
from openoutcry.errors import ProtocolError
from openoutcry.gateway.endpoint import Endpoint
from openoutcry.gateway.protocols import Dialect
from openoutcry.gateway.soupbintcp import LoginRequest, Logout, Unsequenced

Found = TypeVar("Found")
CENTS = 1_000_000


def go_wrong(how: str) -> Any:
    """Raise, or return what no one can use."""
    if how == "RAISE":
        raise RuntimeError("as it was asked to")
    if how == "EXIT":
        sys.exit("as it was asked to")
    return {"TEXT": "text", "NONE": None, "LONG": b"x" * 70_000, "EMPTY": b"", "LIST": [1, 2], "BELOW": -1}[how]


class Lines:
    """The session layer."""

    def __init__(self, now_ns: int, heartbeat_ns: int, receive_timeout_ns: int, login_timeout_ns: int) -> None:
        self.buffer, self.asked, self.on, self.what, self.how = b"", False, False, "", ""

    def wrong(self, what: str, otherwise: Found) -> Found:
        found: Found = go_wrong(self.how) if what == self.what and self.on else otherwise
        return found

    def receive(self, data: bytes, now_ns: int) -> Sequence[Any]:
        self.buffer += data
        events: list[Any] = []
        while b"\n" in self.buffer and (self.on or not self.asked):
            line, _, self.buffer = self.buffer.partition(b"\n")
            words = line.decode().split()
            if not self.on and words[:1] == ["LOGIN"]:
                self.asked = True
                self.what, _, self.how = words[1].partition("-")
                events.append(LoginRequest(words[1], "", "", int(words[2]) if len(words) > 2 else 1, None))
            elif self.on:
                events.append(Logout() if words == ["BYE"] else Unsequenced([line]))
                if self.what == "RECEIVE":
                    return self._received()
            else:
                raise ProtocolError("LOGIN first")
        return events

    def _received(self) -> list[Any]:
        known: dict[str, Any] = {
            "AGAIN": [LoginRequest("X", "", "", 1, None)],
            "USER": [LoginRequest("X" * 100, "", "", 1, None)],
            "PAYLOAD": [Unsequenced(["text"])],  # type: ignore[list-item]  # as somebody might
            "JUNK": ["junk"],
        }
        found: list[Any] = known[self.how] if self.how in known else go_wrong(self.how)
        return found

    def accept_login(self, session: str, sequence: int) -> bytes:
        self.on = True
        return self.wrong("ACCEPT_LOGIN", b"WELCOME\n")

    def reject_login(self, reason: str) -> bytes:
        self.on = True
        return self.wrong("REJECT_LOGIN", b"GO AWAY\n")

    def end_of_session(self) -> bytes:
        return self.wrong("END_OF_SESSION", b"GOOD NIGHT\n")

    def sent(self, count: int, now_ns: int = 0) -> None:
        self.wrong("SENT", None)

    def configure(self, heartbeat_ns: int, receive_timeout_ns: int) -> None:
        self.wrong("CONFIGURE", None)

    def forgive(self, ns: int) -> None:
        self.wrong("FORGIVE", None)

    def on_timer(self, now_ns: int) -> tuple[bytes, bool, int]:
        after: Any = self.wrong("ON_TIMER", (b"", False, now_ns + 50_000_000))
        return (b"", False, after) if self.how == "BELOW" and self.what == "ON_TIMER" else after


def commands(session: int, payloads: Sequence[bytes], out: list[Any]) -> int:
    for line in payloads:
        _, name, symbol, quantity, cents = line.decode().split()
        terms = (wire.BUY, int(quantity), int(cents) * CENTS, wire.LIMIT, wire.DAY, 0, 0, b"")
        order = (wire.ENTER, session, name.encode(), symbol, *terms)
        what, _, how = name.partition("-")
        if what != "COMMANDS":
            out.append(order)
            continue
        more: dict[str, list[Any]] = {
            "OTHER": [(wire.ENTER, session + 1, *order[2:])], "JUNK": ["junk"], "LISTS": [list(order)],
            "MANY": [order] * 1_000, "SYMBOL": [(*order[:3], "X" * 99, *order[4:])],
            "LOGOFF": [(wire.LOGOFF, session, 1)],
        }  # fmt: skip
        out += [order, *more.get(how, [])]
        if how in ("RAISE", "EXIT", "TEXT", "NONE", "BELOW"):
            ignored: int = go_wrong(how)
            return ignored
    return 0


def render(event: tuple[Any, ...], stamp: int) -> bytes:
    match event:
        case (wire.SYSTEM, _, _):
            return b"DAY\n"
        case (wire.ACCEPTED, _, name, *_):
            what, _, how = name.partition(b"-")
            return go_wrong(how.decode()) if what == b"RENDER" else b"ACCEPTED %b\n" % name
    return b"" if event[0] > wire.RESULT else b"OTHER\n"


def skip(data: bytes, count: int) -> int:
    if b"SKIP" in data:
        length: int = go_wrong(data.partition(b"SKIP-")[2].split(b"\n")[0].decode())
        return length
    return sum(len(line) + 1 for line in data.split(b"\n")[:count])


def lines() -> Dialect:
    return Dialect("lines", Lines, commands, render, lambda time_ns: time_ns, skip)


def unbegun() -> Dialect:
    """Its sessions cannot be made."""
    return lines()._replace(session=lambda *arguments: go_wrong("EXIT"))


def timeless() -> Dialect:
    """It knows no time."""
    return lines()._replace(stamp=lambda time_ns: go_wrong("RAISE"))


made = 0


def unmade() -> Dialect:
    """It can be made twice, for the first endpoint of a process."""
    global made
    made += 1
    return lines() if made <= 2 else go_wrong("EXIT")


def wrong() -> Any:
    """Makes no Dialect."""
    return "text"


# ------------------------------------------------------------------------------------------------- endpoints
class Guest(asyncio.Protocol):
    """A connection that does what its client says."""

    address, tick = "somewhere", 0

    def __init__(self, endpoint: Rough) -> None:
        self.endpoint = endpoint

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.endpoint.admit(self)

    def data_received(self, data: bytes) -> None:
        self.what, _, self.how = data.decode().strip().partition("-")
        if self.what == "DATA":
            go_wrong(self.how)
        if self.what == "TIMER":
            self.endpoint.hub.wheel.schedule(self, 0)
        self.transport.write(b"OK\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self.endpoint.leave(self, silent=True)

    def on_timer(self, now_ns: int) -> None:
        go_wrong(self.how)

    def configure(self) -> None:
        if getattr(self, "what", "") == "CONFIGURE":
            go_wrong(self.how)

    def clock_moved(self, moved_ns: int, silent: bool) -> None:
        if getattr(self, "what", "") == "CLOCK":
            go_wrong(self.how)

    def finish(self) -> None:
        go_wrong("RAISE")

    def drop(self) -> None:
        self.transport.abort()

    close = drop


class Rough(Endpoint):
    """An endpoint that counts nothing, and whose connections do as they like."""

    def connection(self) -> asyncio.Protocol:
        if self.name.startswith("none"):
            go_wrong("RAISE")
        return Guest(self)

    def statistics(self) -> dict[str, Any]:
        raise RuntimeError("it counts nothing")


class Shut(Endpoint):
    """It cannot be opened."""

    def connection(self) -> asyncio.Protocol:
        raise AssertionError

    def open(self, port: int, inherited: Any = None) -> None:
        go_wrong("RAISE")
