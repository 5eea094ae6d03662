"""An engine that is not ours: PyPI's fixcore-engine as the initiator at our gateway, and as the acceptor of our client.

It is written in Python, with its own codec, session layer and stores, and checks what it receives against the same
dictionaries that its makers took over from QuickFIX.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fixcore import Application, SessionID
from fixcore.message.message import Message
from fixcore.session.session_settings import SessionSettings
from fixcore.transport.acceptor import SocketAcceptor
from fixcore.transport.initiator import SocketInitiator

from openoutcry import Exchange
from openoutcry.clients.fix import FixInitiator
from openoutcry.fix.store import MemoryStore
from openoutcry.handles import Endpoint
from tests.fix_interop import OURS, PATIENCE_S, VERSIONS, begin_string, cancel, change, fill, fitting, new_order


class Recorder(Application):  # type: ignore[misc]  # fixcore has no types
    """A fixcore application that keeps everything it is told."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.admin: asyncio.Queue[Message] = asyncio.Queue()
        self.logons: asyncio.Queue[SessionID] = asyncio.Queue()
        self.logouts: asyncio.Queue[SessionID] = asyncio.Queue()

    def on_logon(self, session_id: SessionID) -> None:
        self.logons.put_nowait(session_id)

    def on_logout(self, session_id: SessionID) -> None:
        self.logouts.put_nowait(session_id)

    def from_admin(self, message: Message, session_id: SessionID) -> None:
        self.admin.put_nowait(message)

    def from_app(self, message: Message, session_id: SessionID) -> None:
        self.messages.put_nowait(message)


class Peer:
    """One fixcore session, of an initiator or an acceptor, and what its application was told."""

    def __init__(self, host: Any, app: Recorder) -> None:
        self.host = host
        self.app = app
        (self.session,) = host.sessions.values()

    async def send(self, kind: str, fields: dict[int, str]) -> None:
        message = Message()
        message.header.set(35, kind)
        for tag, value in fields.items():
            message.set_field(tag, value)
        await self.session.send_app(message)

    async def expect(self, kind: str, fields: dict[int, str], duplicate: bool = False) -> Message:
        """The next application message, which has that type and those values."""
        return check(await soon(self.app.messages.get()), kind, fields, duplicate)

    async def expect_admin(self, kind: str, fields: dict[int, str]) -> Message:
        """The next message of the session layer of that type, which has those values."""
        while (message := await soon(self.app.admin.get())).msg_type != kind:
            pass
        return check(message, kind, fields, False)


def check(message: Message, kind: str, fields: dict[int, str], duplicate: bool) -> Message:
    found = {tag: message.get(tag, "-") for tag in fields}
    assert (message.msg_type, found) == (kind, fields), message
    assert (message.header.get_or(43, "N") == "Y") == duplicate, message
    return message


async def soon(waiting: Any) -> Any:
    return await asyncio.wait_for(waiting, PATIENCE_S)


def given(version: str, ours: str, theirs: str, **more: Any) -> SessionSettings:
    """fixcore's settings of one session."""
    fixt = version != begin_string(version)
    settings = {
        "BeginString": begin_string(version), "SenderCompID": ours, "TargetCompID": theirs, "HeartBtInt": 30,
        "UseDataDictionary": "Y", "ValidateFieldsOutOfRange": "Y", "ReconnectInterval": 1,
        **({"DefaultApplVerID": version} if fixt else {"DataDictionary": version.replace(".", "") + ".xml"}), **more,
    }  # fmt: skip
    return SessionSettings.from_string("[SESSION]\n" + "".join(f"{key}={value}\n" for key, value in settings.items()))


@asynccontextmanager
async def client(endpoint: Endpoint, version: str, name: str, **more: Any) -> AsyncIterator[Peer]:
    """A fixcore initiator that is logged on to our gateway, until the block ends."""
    app = Recorder()
    where = {"ConnectionType": "initiator", "SocketConnectHost": endpoint.host, "SocketConnectPort": endpoint.port}
    async with SocketInitiator(given(version, name, OURS, **where, **more), app) as initiator:
        await soon(app.logons.get())
        yield Peer(initiator, app)


@pytest.fixture
def endpoint(exchange: Exchange) -> Endpoint:
    engine = exchange.create_engine("main")
    engine.create_book("aapl", "AAPL")
    return engine.create_endpoint("orders", "fix")


@pytest.mark.parametrize("version", VERSIONS)
def test_as_initiator_it_trades_at_our_gateway(endpoint: Endpoint, version: str) -> None:
    async def scenario() -> None:
        async with client(endpoint, version, "ALICE") as alice, client(endpoint, version, "BOB") as bob:
            await alice.send("D", new_order(version, "a1", 1, 100, "150.25"))
            await alice.expect("8", {11: "a1", 39: "0"})
            await bob.send("D", new_order(version, "b1", 2, 60, "150"))
            await bob.expect("8", {11: "b1", 39: "0"})
            await bob.expect("8", {11: "b1", 32: "60", 31: "150.25", 14: "60"} | fill(version, whole=True))
            await alice.expect("8", {11: "a1", 32: "60", 31: "150.25", 14: "60"} | fill(version, whole=False))
            await alice.send("G", change(version, "a2", "a1", 1, 120, "149"))
            await alice.expect("8", fitting(version, "8", {11: "a2", 41: "a1", 38: 120, 44: 149, 14: 60}))
            await alice.send("F", cancel(version, "a3", "a2", 1, 120))
            await alice.expect("8", fitting(version, "8", {11: "a3", 41: "a2", 39: 4}))
            await alice.send("F", cancel(version, "a4", "a2", 1, 120))
            await alice.expect("9", fitting(version, "9", {11: "a4", 41: "a2"}))
            await alice.session.send_logout("good night")
            await alice.expect_admin("5", {})
            await soon(alice.app.logouts.get())

    asyncio.run(scenario())


@pytest.mark.parametrize("version", ["FIX.4.0", "FIX.4.2", "FIX.4.4", "FIX.5.0SP2"])
def test_what_it_missed_is_sent_again_when_it_comes_back(endpoint: Endpoint, version: str) -> None:
    async def scenario() -> None:
        async with client(endpoint, version, "ALICE") as alice, client(endpoint, version, "BOB") as bob:
            await alice.send("D", new_order(version, "a1", 1, 100, "150.25"))
            await alice.expect("8", {11: "a1", 39: "0"})
            await alice.session.disconnect()
            await soon(alice.app.logouts.get())
            await bob.send("D", new_order(version, "b1", 2, 100, "150"))
            await bob.expect("8", {11: "b1", 39: "0"})
            await bob.expect("8", {11: "b1", 14: "100"})
            await soon(alice.app.logons.get())
            await alice.expect("8", {11: "a1", 14: "100"} | fill(version, whole=True), duplicate=True)
            await alice.send("D", new_order(version, "a2", 1, 1, "150"))
            await alice.expect("8", {11: "a2", 39: "0"})

    asyncio.run(scenario())


def test_it_begins_at_one_again_when_it_asks_for_it(endpoint: Endpoint) -> None:
    async def scenario() -> None:
        for name in ("a1", "a2"):
            async with client(endpoint, "FIX.4.4", "ALICE", ResetOnLogon="Y") as alice:
                await alice.send("D", new_order("FIX.4.4", name, 1, 100, "150"))
                report = await alice.expect("8", {11: name, 39: "0"})
                assert report.header.get(34) == "2"

    asyncio.run(scenario())


def test_it_understands_our_rejects(endpoint: Endpoint) -> None:
    async def scenario() -> None:
        async with client(endpoint, "FIX.4.4", "ALICE") as alice:
            order = new_order("FIX.4.4", "a1", 1, 100, "150")
            await alice.send("D", order | {9999: "1"})
            await alice.expect_admin("3", {45: "2", 371: "9999", 372: "D", 373: "0", 58: "Invalid tag number"})
            await alice.send("D", order | {55: "NOSUCH"})
            await alice.expect("8", {11: "a1", 39: "8", 150: "8", 103: "1"})
            await alice.send("B", {148: "Headline", 33: "0"})
            await alice.expect("j", {45: "4", 372: "B", 380: "3", 58: "Unsupported Message Type"})

    asyncio.run(scenario())


# -- as the acceptor, for our client -----------------------------------------------------------------------------------


@asynccontextmanager
async def acceptor(version: str) -> AsyncIterator[tuple[Peer, int]]:
    """A fixcore acceptor with one session, ISLD to US, and its port."""
    app = Recorder()
    where = {"ConnectionType": "acceptor", "SocketAcceptHost": "127.0.0.1", "SocketAcceptPort": 0}
    async with SocketAcceptor(given(version, "ISLD", "US", **where), app) as host:
        yield Peer(host, app), host._server.sockets[0].getsockname()[1]


def our_client(version: str, port: int, store: MemoryStore | None = None) -> FixInitiator:
    names: dict[str, Any] = {"BeginString": begin_string(version), "SenderCompID": "US", "TargetCompID": "ISLD"}
    if version != begin_string(version):
        names["DefaultApplVerID"] = version
    return FixInitiator(host="127.0.0.1", port=port, store=store, **names)


def order(version: str, name: str) -> dict[str | int, Any]:
    return dict(new_order(version, name, 1, 100, "150.25").items())


def report(version: str, name: str) -> dict[int, str]:
    """The fields of an ExecutionReport of a new order."""
    fields = {11: name, 37: "1", 17: "1", 20: "0", 150: "0", 39: "0", 55: "AAPL", 54: "1", 38: "100", 151: "100",
              14: "0", 6: "0", 31: "0", 32: "0"}  # fmt: skip
    return fitting(version, "8", fields)


@pytest.mark.parametrize("version", VERSIONS)
def test_as_acceptor_it_serves_our_client(version: str) -> None:
    async def scenario() -> None:
        async with acceptor(version) as (peer, port), our_client(version, port) as ours:
            await ours.send("D", order(version, "a1"))
            await peer.expect("D", {11: "a1", 44: "150.25"})
            await peer.send("8", report(version, "a1"))
            got = await ours.next("ExecutionReport", timeout=PATIENCE_S)
            assert (got["ClOrdID"], got["OrdStatus"], got.sequence) == ("a1", "0", 2)
            await ours.logout("good night")
            await peer.expect_admin("5", {58: "good night"})

    asyncio.run(scenario())


@pytest.mark.parametrize("version", ["FIX.4.0", "FIX.4.2", "FIX.4.4", "FIX.5.0SP2"])
def test_our_client_asks_the_acceptor_for_what_it_missed(version: str) -> None:
    """It has forgotten that it ever got anything."""

    async def scenario() -> None:
        async with acceptor(version) as (peer, port):
            async with our_client(version, port) as ours:
                await ours.send("D", order(version, "a1"))
                await peer.expect("D", {11: "a1"})
                await peer.send("8", report(version, "a1"))
                await ours.next("ExecutionReport", timeout=PATIENCE_S)
                await ours.drop()
            await soon(peer.app.logouts.get())
            store = MemoryStore(time.time_ns())
            store.set_next_out(3)
            async with our_client(version, port, store) as ours:
                got = await ours.next("ExecutionReport", timeout=PATIENCE_S)
                assert (got["ClOrdID"], got.sequence, got.possible_duplicate) == ("a1", 2, True)
                await ours.send("D", order(version, "a2"))
                await peer.expect("D", {11: "a2"})
                await peer.send("8", report(version, "a2"))
                got = await ours.next("ExecutionReport", timeout=PATIENCE_S)
                assert (got["ClOrdID"], got.sequence, got.possible_duplicate) == ("a2", 4, False)

    asyncio.run(scenario())
