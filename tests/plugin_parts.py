"""Plugins for tests: an engine, a policy, and what cannot be loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openoutcry import wire
from openoutcry.gateway.protocols import Dialect, dialect
from openoutcry.matcher.policies import Message, Policy
from openoutcry.plugins import Client, Engine

NO_PLUGIN = "text"


class Counting(Engine):
    """Accepts every order with its number, and fills it after `QuoteID` milliseconds, if there is one.

    Symbol RAISE: it raises. TELL: everybody else is told. LOST: says what no protocol can.
    """

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, Any] = {"orders": 0, "seen": []}

    def message(self, client: Client, message: dict[str, Any]) -> None:
        symbol = message.get("Symbol", "")
        if symbol == "RAISE":
            raise RuntimeError("as it was asked to")
        self.state["orders"] += 1
        report: dict[str, Any] = {
            "MsgType": "ExecutionReport", "OrderID": str(self.state["orders"]), "ExecID": str(self.hands.number()),
            "ExecType": "0", "OrdStatus": "0", "CumQty": 0, "AvgPx": "0", "LeavesQty": message.get("OrderQty", 0),
            **{name: message[name] for name in ("ClOrdID", "Symbol", "Side", "OrderQty", "OrdType", "Price",
                                                "TimeInForce") if name in message},
        }  # fmt: skip
        if symbol == "LOST":
            report = {**report, "Side": "Z"}
        self.hands.send(client, report)
        if symbol == "TELL":
            for other in self.hands.clients():
                if other != client:
                    self.hands.send(other, {**report, "ClOrdID": "TOLD"})
        if symbol.startswith("WAIT"):
            self.hands.later(self.hands.draw(100, self.state["orders"]) + 1, [client.number, report])

    def due(self, data: Any) -> None:
        number, report = data
        self.hands.send(number, {
            **report, "ExecType": "F", "OrdStatus": "2", "LastQty": report["OrderQty"], "LastPx": "10",
            "CumQty": report["OrderQty"], "LeavesQty": 0, "AvgPx": "10", "TrdMatchID": str(self.hands.number()),
        })  # fmt: skip

    def logged_on(self, client: Client) -> None:
        self.state["seen"].append(f"+{client.name}")

    def logged_off(self, client: Client) -> None:
        self.state["seen"].append(f"-{client.name}")

    def step(self, verb: str) -> None:
        self.state["seen"].append(verb)


class Polite(Counting):
    """Refuses in words of its own; cancels not at all. Account RAISE: it raises. WRONG: says what is no message."""

    def refusal(self, client: Client, message: dict[str, Any], reason: str, text: str) -> Mapping[str, Any] | None:
        if message["MsgType"] == "OrderCancelRequest":
            return None
        if message.get("Account") == "RAISE":
            raise RuntimeError("as it was asked to")
        if message.get("Account") == "WRONG":
            return {"Text": "nothing"}
        self.state["refused"] = [client.name, message.get("ClOrdID"), reason, text]
        found = super().refusal(client, message, reason, text)
        assert found is not None
        return {**found, "Text": f"sorry: {text}"}


class Unkept(Engine):
    """Keeps what cannot be kept."""

    def message(self, client: Client, message: dict[str, Any]) -> None:
        self.state["client"] = object()


class Unmade(Engine):
    """Cannot be made."""

    def __init__(self) -> None:
        raise OSError("no")


class Lots(Policy):
    """Refuses quantities that are no hundreds, on engines of one's own alone. Symbol RAISE: it raises."""

    dictionaries = True

    def judges(self, fields: dict[str, Any], told: bool) -> bool:
        if fields.get("Symbol") == "RAISE":
            raise RuntimeError("as it was asked to")
        return "OrderQty" in fields and not told

    def refuses(self, message: Message) -> tuple[int, str] | None:
        quantity = message.fields["OrderQty"]
        return (wire.REJECT_QUANTITY, f"{quantity} is an odd lot") if quantity % 100 else None


class Even(Policy):
    """Refuses orders of an odd quantity."""

    messages = frozenset((wire.ENTER, wire.SUBMIT))

    def refuses(self, message: Message) -> tuple[int, str] | None:
        return (wire.REJECT_QUANTITY, "odd") if message.command[5] % 2 else None


def ouch_too() -> Dialect:
    """OUCH under another name."""
    return dialect("ouch42")._replace(name="ouch-too")


def raises() -> Dialect:
    """A protocol that cannot be made."""
    raise RuntimeError("as it was asked to")


class Till(Engine):
    """Numbers orders as they come, fills each a little later if nobody cancels it before, and knows each name once."""

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, Any] = {"orders": 0, "open": {}}

    def message(self, client: Client, message: dict[str, Any]) -> None:
        name = f"{client.number} {message.get('OrigClOrdID', message.get('ClOrdID'))}"
        if message["MsgType"] == "NewOrderSingle":
            self.state["orders"] += 1
            order = {field: message[field] for field in ("ClOrdID", "Symbol", "Side", "OrderQty")}
            order |= {"OrderID": str(self.state["orders"]), "OrdType": "2", "Price": "10"}
            self.state["open"][name] = [client.number, order]
            self.report(client.number, order, "0", LeavesQty=order["OrderQty"])
            self.hands.later(self.hands.draw(40, self.state["orders"]), name)
        elif name in self.state["open"]:
            number, order = self.state["open"].pop(name)
            self.report(number, order, "4", CxlQty=order["OrderQty"])

    def due(self, data: Any) -> None:
        if data in self.state["open"]:
            number, order = self.state["open"].pop(data)
            self.report(number, order, "F", LastQty=order["OrderQty"], LastPx="10", TrdMatchID=order["OrderID"])

    def report(self, number: int, order: dict[str, Any], kind: str, **more: Any) -> None:
        done = more.get("LastQty", 0)
        self.hands.send(number, {
            "MsgType": "ExecutionReport", "ExecID": str(self.hands.number()), "ExecType": kind, "CumQty": done,
            "OrdStatus": {"F": "2"}.get(kind, kind), "AvgPx": "10" if done else "0", "LeavesQty": 0, **order, **more,
        })  # fmt: skip
