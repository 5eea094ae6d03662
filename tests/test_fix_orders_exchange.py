"""Orders over FIX through the running product: two versions trade, the gateway is killed, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openoutcry import Exchange
from openoutcry.clients.fix import FixClient

TIME = "20231114-22:13:20"


def order(token: str, side: int, quantity: int, price: str, **more: Any) -> dict[str, Any]:
    return {
        "ClOrdID": token, "HandlInst": 1, "Symbol": "X", "Side": side, "TransactTime": TIME, "OrderQty": quantity,
        "OrdType": 2, "Price": price, **more,
    }  # fmt: skip


def summary(report: Any) -> tuple[str, ...]:
    return tuple(str(report[name]) for name in ("ClOrdID", "OrderID", "OrdStatus", "CumQty", "AvgPx", "OrderQty"))


@pytest.fixture
def clients(tmp_path: Path) -> Any:
    """Two clients and one who has copies, at one endpoint."""
    with Exchange() as exchange:
        exchange.create_engine("main")
        exchange.create_book("x", "main", "X")
        endpoint = exchange.create_endpoint("fix", "main", "fix")
        found: dict[str, FixClient] = {}
        try:
            for name, version, more in (
                ("ALICE", "FIX.4.4", {}), ("BOB", "FIX.4.2", {}), ("BACK", "FIX.4.4", {"DropCopy": "all"}),
            ):  # fmt: skip
                exchange.create_session("fix", BeginString=version, SenderCompID="OO", TargetCompID=name, **more)
                where = tmp_path / name
                found[name] = FixClient(
                    endpoint,
                    reconnect=True,
                    BeginString=version,
                    SenderCompID=name,
                    TargetCompID="OO",
                    Store=str(where),
                )
            yield exchange, found
        finally:
            for client in found.values():
                client.close()


def test_orders_and_reports_go_on_after_the_gateway_was_killed(clients: Any) -> None:
    exchange, found = clients
    alice, bob, back = found["ALICE"], found["BOB"], found["BACK"]
    alice.send("NewOrderSingle", order("A1", 1, 100, "10"))
    assert summary(alice.next("ExecutionReport"))[2:] == ("0", "0", "0", "100")
    bob.send("NewOrderSingle", order("B1", 2, 40, "10"))
    assert [summary(bob.next("ExecutionReport"))[2] for _ in range(2)] == ["0", "2"]
    number = alice.next("ExecutionReport")["OrderID"]

    exchange.kill("gateway-1")
    exchange.restart("gateway-1")
    for client in found.values():
        client.logged_on(20)

    change = order("A2", 1, 120, "10.5", OrigClOrdID="A1")
    alice.send("OrderCancelReplaceRequest", change)
    assert summary(alice.next("ExecutionReport")) == ("A2", number, "1", "40", "10", "120")
    bob.send("NewOrderSingle", order("B2", 2, 40, "10"))
    assert summary(alice.next("ExecutionReport")) == ("A2", number, "1", "80", "10.25", "120")
    alice.send("NewOrderSingle", order("A1", 1, 1, "1"))
    assert str(alice.next("ExecutionReport")["OrdRejReason"]) == "6"
    alice.send(
        "OrderCancelRequest", {"ClOrdID": "A3", "OrigClOrdID": "A2", "Side": 1, "Symbol": "X", "TransactTime": TIME}
    )
    assert summary(alice.next("ExecutionReport")) == ("A3", number, "4", "80", "10.25", "120")
    alice.send("OrderStatusRequest", {"ClOrdID": "A2", "Side": 1, "Symbol": "X"})
    assert summary(alice.next("ExecutionReport"))[2:4] == ("4", "80")

    copied = [back.next("ExecutionReport") for _ in range(10)]
    executions = [str(report["ExecID"]) for report in copied]
    assert len(set(executions)) == 10
    assert sorted(str(report["ClOrdID"]) for report in copied) == [
        "A1",
        "A1",
        "A1",
        "A2",
        "A2",
        "A3",
        "B1",
        "B1",
        "B2",
        "B2",
    ]
    assert back.available() == []
