"""An engine that is not ours: PyPI's jetblack-fixengine as the initiator at our gateway, in the versions it speaks.

It reads its protocol from QuickFIX XML, which is written from our dictionaries here, and is strict about what it
decodes: no field but those of the message, each of them readable, no Reject and no SequenceReset. Sessions with it have
the Profile "jetblack".
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jetblack_fixengine import FileStore, FIXApplication, InitiatorConfig, start_initiator
from jetblack_fixparser import load_quickfix_protocol

from openoutcry import Exchange
from openoutcry.fix.dictionary import Dictionary, load
from openoutcry.fix.quickfix_xml import write_xml
from openoutcry.handles import Endpoint
from tests.fix_interop import OURS, PATIENCE_S

VERSIONS = ("FIX.4.2", "FIX.4.3", "FIX.4.4")
HEARTBEAT_S = 30


class Recorder(FIXApplication):
    """An application that keeps what it is told."""

    def __init__(self) -> None:
        self.engine: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.messages: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self.logouts: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self.admin: list[str] = []

    async def on_logon(self, message: Mapping[str, Any], engine: Any) -> None:
        self.engine.set_result(engine)

    async def on_logout(self, message: Mapping[str, Any], engine: Any) -> None:
        self.logouts.put_nowait(message)

    async def on_heartbeat(self, message: Mapping[str, Any], engine: Any) -> None: ...

    async def on_admin_message(self, message: Mapping[str, Any], engine: Any) -> None:
        self.admin.append(message["MsgType"])

    async def on_application_message(self, message: Mapping[str, Any], engine: Any) -> None:
        self.messages.put_nowait(message)


async def soon(waiting: Any) -> Any:
    return await asyncio.wait_for(waiting, PATIENCE_S)


class Client:
    """One session, which speaks in names and in the names of enumerations."""

    def __init__(self, d: Dictionary, app: Recorder, engine: Any, task: asyncio.Task[None]) -> None:
        self.d = d
        self.app = app
        self.engine = engine
        self.task = task

    def word(self, name: str, value: str) -> str:
        """What the engine calls a value: word("Side", "1") is BUY."""
        return self.d.by_name[name].values[value.encode()]

    async def send(self, kind: str, fields: dict[str, Any]) -> None:
        message = self.d.messages[kind.encode()]
        known = {name: value for name, value in fields.items() if self.d.by_name[name].tag in message.members}
        await self.engine.send_message(self.word("MsgType", kind), known)

    async def order(self, name: str, side: str, quantity: int, price: str, **more: str) -> None:
        await self.send("G" if more else "D", {
            "ClOrdID": name, "HandlInst": self.word("HandlInst", "1"), "Symbol": "AAPL",
            "Side": self.word("Side", side), "TransactTime": datetime.datetime.now(datetime.UTC),
            "OrderQty": Decimal(quantity), "OrdType": self.word("OrdType", "2"), "Price": Decimal(price), **more,
        })  # fmt: skip

    async def cancel(self, name: str, original: str, side: str, quantity: int) -> None:
        await self.send("F", {
            "ClOrdID": name, "OrigClOrdID": original, "Symbol": "AAPL", "Side": self.word("Side", side),
            "TransactTime": datetime.datetime.now(datetime.UTC), "OrderQty": Decimal(quantity),
        })  # fmt: skip

    async def expect(self, kind: str, **fields: Any) -> None:
        """The next application message, which is of that type and has those values."""
        message = await soon(self.app.messages.get())
        found = {name: message.get(name) for name in ("MsgType", *fields)}
        assert found == {"MsgType": self.word("MsgType", kind), **fields}, message

    def fill(self, whole: bool) -> dict[str, str]:
        """What says in an ExecutionReport that some was traded."""
        status = "2" if whole else "1"
        if self.d.begin == "FIX.4.2":
            return {"OrdStatus": self.word("OrdStatus", status), "ExecType": self.word("ExecType", status)}
        return {"OrdStatus": self.word("OrdStatus", status), "ExecType": self.word("ExecType", "F")}


@asynccontextmanager
async def client(endpoint: Endpoint, version: str, name: str, place: Path) -> AsyncIterator[Client]:
    """A session that is logged on, until the block ends; then it is logged out."""
    d = load(version.replace(".", ""))
    path = place / "protocol.xml"
    path.write_text(write_xml(d))
    protocol = load_quickfix_protocol(path, is_float_decimal=True)
    app = Recorder()
    store = FileStore(str(place))
    where = (endpoint.host, endpoint.port, protocol, name, OURS, store)
    config = InitiatorConfig(*where, heartbeat_timeout=HEARTBEAT_S, logon_timeout=int(PATIENCE_S))
    task = asyncio.create_task(start_initiator(app, config))
    yield Client(d, app, await soon(app.engine), task)
    await (await app.engine).logout()
    await soon(app.logouts.get())
    await soon(task)


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.StreamWriter]:
    """What the engine opens: it does not close a connection that the peer has ended."""
    opened: list[asyncio.StreamWriter] = []
    connect = asyncio.open_connection

    async def remembered(*args: Any, **named: Any) -> Any:
        reader, writer = await connect(*args, **named)
        opened.append(writer)
        return reader, writer

    monkeypatch.setattr(asyncio, "open_connection", remembered)
    return opened


async def closed(opened: list[asyncio.StreamWriter]) -> None:
    for writer in opened:
        writer.close()
        await writer.wait_closed()
    opened.clear()


@pytest.fixture
def endpoint(exchange: Exchange) -> Endpoint:
    engine = exchange.create_engine("main")
    engine.create_book("aapl", "AAPL")
    endpoint = engine.create_endpoint("orders", "fix")
    for version in VERSIONS:
        for name in ("ALICE", "BOB"):
            names = {"BeginString": version, "SenderCompID": OURS, "TargetCompID": name}
            exchange.create_session(endpoint, Profile="jetblack", **names)
    return endpoint


@pytest.mark.parametrize("version", VERSIONS)
def test_it_trades_at_our_gateway(
    endpoint: Endpoint, version: str, tmp_path: Path, connections: list[asyncio.StreamWriter]
) -> None:
    async def trade() -> None:
        async with (
            client(endpoint, version, "ALICE", tmp_path) as alice,
            client(endpoint, version, "BOB", tmp_path) as bob,
        ):
            new = {"OrdStatus": alice.word("OrdStatus", "0"), "ExecType": alice.word("ExecType", "0")}
            traded = {"LastPx": Decimal("150.25"), "CumQty": Decimal(60)}
            traded["LastShares" if version == "FIX.4.2" else "LastQty"] = Decimal(60)
            await alice.order("a1", "1", 100, "150.25")
            await alice.expect("8", ClOrdID="a1", **new, LeavesQty=Decimal(100))
            await bob.order("b1", "2", 60, "150")
            await bob.expect("8", ClOrdID="b1", **new)
            await bob.expect("8", ClOrdID="b1", **bob.fill(whole=True), **traded)
            await alice.expect("8", ClOrdID="a1", **alice.fill(whole=False), **traded, AvgPx=Decimal("150.25"))
            await alice.order("a2", "1", 120, "149", OrigClOrdID="a1")
            await alice.expect("8", ClOrdID="a2", OrigClOrdID="a1", OrderQty=Decimal(120), Price=Decimal(149))
            await alice.cancel("a3", "a2", "1", 120)
            canceled = {"OrdStatus": alice.word("OrdStatus", "4"), "ExecType": alice.word("ExecType", "4")}
            await alice.expect("8", ClOrdID="a3", OrigClOrdID="a2", **canceled)
            await alice.cancel("a4", "a2", "1", 120)
            await alice.expect("9", ClOrdID="a4", OrigClOrdID="a2")
            assert alice.app.admin == ["LOGON"]

    async def scenario() -> None:
        await trade()
        await closed(connections)

    asyncio.run(scenario())


@pytest.mark.parametrize("version", VERSIONS)
def test_it_comes_back_with_the_numbers_that_it_kept(
    endpoint: Endpoint, version: str, tmp_path: Path, connections: list[asyncio.StreamWriter]
) -> None:
    async def scenario() -> None:
        for name in ("a1", "a2"):
            async with client(endpoint, version, "ALICE", tmp_path) as alice:
                await alice.order(name, "1", 100, "150.25")
                await alice.expect("8", ClOrdID=name, OrdStatus=alice.word("OrdStatus", "0"))
        assert await alice.engine.session.get_seqnums() == (6, 6)  # twice Logon, order and Logout
        await closed(connections)

    asyncio.run(scenario())
