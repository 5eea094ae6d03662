"""The FIX client and the command line against a running exchange: faults between them, kill -9, settings files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openoutcry import Exchange
from openoutcry.cli import main
from openoutcry.clients.fix import FixClient, FixInitiator, LoginRejected
from openoutcry.handles import Endpoint
from tests.fix_acceptor import WAIT_S
from tests.fix_proxy import FaultProxy

OURS: dict[str, Any] = {"SenderCompID": "TRADER", "TargetCompID": "EX", "timeout": WAIT_S}
CONNECTIONS = 10
BURST = 10


def order(number: int, **more: Any) -> dict[str, Any]:
    """A small buy order; odd numbers far below the even ones."""
    return {
        "ClOrdID": str(number), "Symbol": "AAPL", "Side": "BUY", "OrderQty": 1, "OrdType": "LIMIT",
        "Price": f"{10 + number % 2}.5", **more,
    }  # fmt: skip


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """An exchange with a book."""
    with Exchange() as made:
        made.create_engine("main")
        made.create_book("aapl", "main", "AAPL")
        yield made


@pytest.fixture
def endpoint(exchange: Exchange) -> Endpoint:
    """Speaks every version of FIX."""
    return exchange.create_endpoint("fix", "main", "fix")


@pytest.mark.parametrize("version", ["fix40", "fix41", "fix42", "fix43", "fix44", "fix50", "fix50sp1", "fix50sp2"])
def test_an_order_of_every_version_is_answered(exchange: Exchange, version: str) -> None:
    endpoint = exchange.create_endpoint(version, "main", version)
    with FixClient(endpoint, **OURS) as client:
        client.send("NewOrderSingle", order(1, HandlInst="1"))
        report = client.next("ExecutionReport", ClOrdID="1")
        assert (report.meaning("OrdStatus"), report["Symbol"]) == ("NEW", "AAPL")


def test_every_order_is_answered_once_whatever_the_network_does_and_through_a_kill_9(
    exchange: Exchange, endpoint: Endpoint
) -> None:
    async def storm() -> tuple[list[str], list[str]]:
        proxy = FaultProxy(endpoint.port, seed=5, ends=("fin", "rst", "lose"))
        await proxy.start()
        settings = {**OURS, "HeartBtInt": 1, "LogonTimeout": 5, "ReconnectInterval": 0, "ReconnectIntervalMax": 1}
        client = FixInitiator(None, "127.0.0.1", proxy.port, **settings)
        await client.start()
        sent: list[str] = []
        answered: list[str] = []
        calm = asyncio.Event()

        async def send() -> None:
            killed = False
            while proxy.faults["connections"] < CONNECTIONS:
                for _ in range(BURST if len(sent) - len(answered) < 100 else 0):
                    await client.send("NewOrderSingle", order(len(sent)), offline=True)
                    sent.append(str(len(sent)))
                if proxy.faults["connections"] >= CONNECTIONS // 2 and not killed:
                    killed = True
                    await asyncio.to_thread(exchange.kill, "gateway-1")
                    await asyncio.to_thread(exchange.restart, "gateway-1")
                await asyncio.sleep(0.005)  # how fast orders are made
            proxy.calm()
            calm.set()
            sent.append(str(len(sent)))
            await client.send("NewOrderSingle", order(len(sent) - 1), offline=True)

        async def receive() -> None:
            while not (calm.is_set() and len(answered) >= len(sent)):
                report = await client.receive()
                assert report.name == "ExecutionReport", report
                answered.append(report["ClOrdID"])

        try:
            async with asyncio.timeout(2 * WAIT_S):
                await asyncio.gather(send(), receive())
        finally:
            await client.close()
            await proxy.close()
        return sent, answered

    sent, answered = asyncio.run(storm())
    assert answered == sent
    assert sum(quantity for _price, quantity, _orders in exchange.depth("aapl")["bids"]) == len(sent)


def test_users_log_on_with_their_password(exchange: Exchange, endpoint: Endpoint) -> None:
    exchange.create_user("trader", "correct horse", endpoint)
    with FixClient(endpoint, BeginString="FIX.4.4", username="trader", password="correct horse", **OURS) as client:
        assert client.is_logged_on
    with pytest.raises(LoginRejected, match="the counterparty refused the logon: "):
        FixClient(endpoint, BeginString="FIX.4.4", username="trader", password="wrong", **OURS)


def test_a_settings_file_is_imported_and_its_session_logs_on_and_trades(
    exchange: Exchange, endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings"
    path.write_text(
        "[DEFAULT]\nConnectionType=acceptor\nHeartBtInt=20\nStartTime=00:00:00\nEndTime=00:00:00\n"
        "[SESSION]\nBeginString=FIX.4.2\nSenderCompID=EX\nTargetCompID=TRADER\nDataDictionary=FIX42.xml\n"
    )
    directory = str(exchange.directory)
    assert main(["fix", "import", str(path), "--endpoint", "fix", "--apply", "--directory", directory]) == 0
    assert capsys.readouterr().out == "created FIX.4.2:EX->TRADER\n"
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({"actions": [
        {"send": "NewOrderSingle", "fields": order(1, HandlInst="1")},
        {"expect": "ExecutionReport", "fields": {"ClOrdID": "1", "OrdStatus": "NEW"}, "within": WAIT_S},
        {"send": "OrderCancelRequest", "fields": {"ClOrdID": "2", "OrigClOrdID": "1", "Symbol": "AAPL", "Side": "BUY"}},
        {"expect": "ExecutionReport", "fields": {"ClOrdID": "2", "OrdStatus": "CANCELED"}, "within": WAIT_S},
        {"logout": ""},
    ]}))  # fmt: skip
    session = [
        "--endpoint",
        f"127.0.0.1:{endpoint.port}",
        "--sender",
        "TRADER",
        "--target",
        "EX",
        "--version",
        "FIX.4.2",
    ]
    code = main(["fix", "play", str(scenario), "--auto", "--pause", "0", *session])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert [json.loads(line)["OrdStatus"] for line in out.splitlines()] == ["0", "4"]
