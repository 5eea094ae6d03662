"""What a line makes of what the exchange says, over OUCH and over FIX alike."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from openoutcry.clients.ouch import enter_order, replace_order
from openoutcry.gateway import ouch42
from openoutcry.market_lines import FixLine, OuchLine, cancel_order

Said = tuple[Any, ...]


class Listener:
    def __init__(self) -> None:
        self.said: list[Said] = []

    def answered(self, token: str, accepted: bool) -> None:
        self.said.append(("answered", token, accepted))

    def missed(self, token: str) -> None:
        self.said.append(("missed", token))

    def executed(self, token: str, shares: int, price: int) -> None:
        self.said.append(("executed", token, shares, price))

    def gone(self, token: str, shares: int) -> None:
        self.said.append(("gone", token, shares))


class Report:
    """As much of a received message as a line looks at: values by tag."""

    def __init__(self, kind: str, fields: dict[int, str]) -> None:
        self.kind = kind
        self.fields = fields

    def get(self, tag: int) -> bytes | None:
        value = self.fields.get(tag)
        return None if value is None else value.encode()

    def __getitem__(self, tag: int) -> bytes:
        return self.fields[tag].encode()

    def integer(self, tag: int) -> int:
        return int(self.fields[tag])


def report(kind: str, token: str, tag: int = 150, **fields: Any) -> Report:
    return Report("8", {11: token, tag: kind, 32: str(fields.get("shares", 0)), 31: fields.get("price", "0")})


def fix(*messages: Report) -> list[Said]:
    """What the line says; "CANCEL" stands for its request to cancel order a."""
    listener = Listener()
    line = FixLine(listener, "127.0.0.1", 1, "me", "", "FIX.4.4")
    line.cancel("a", "B", "X")
    (request,) = line._cancels
    for message in messages:
        message.fields = {tag: request if value == "CANCEL" else value for tag, value in message.fields.items()}
        line._on_application(message, line._client)  # type: ignore[arg-type]  # it has what is needed
    return listener.said


@pytest.mark.parametrize("kind", ["1", "2", "F"])
def test_an_execution_over_fix_has_its_shares_and_its_price(kind: str) -> None:
    assert fix(report(kind, "a", shares=300, price="10.05")) == [("executed", "a", 300, 100_500)]


@pytest.mark.parametrize(
    ("kind", "said"),
    [("0", ("answered", "a", True)), ("5", ("answered", "a", True)), ("8", ("answered", "a", False)),
     ("4", ("gone", "a", 0)), ("C", ("gone", "a", 0))],
)  # fmt: skip
def test_reports_over_fix(kind: str, said: Said) -> None:
    assert fix(report(kind, "a")) == [said]


def test_in_fix_4_0_the_status_says_what_has_happened() -> None:
    assert fix(report("1", "a", 39, shares=300, price="10.05"), report("4", "CANCEL", 39)) == [
        ("executed", "a", 300, 100_500), ("gone", "a", 0),
    ]  # fmt: skip


def test_a_business_message_reject_is_about_the_order_or_the_cancel_that_it_names() -> None:
    assert fix(Report("j", {379: "b"})) == [("answered", "b", False)]
    assert fix(Report("j", {379: "CANCEL"})) == [("missed", "a")]
    assert fix(Report("j", {})) == [("answered", "", False)], "of no order"


def test_other_messages_over_fix_say_nothing() -> None:
    assert fix(report("6", "a"), Report("h", {}), Report("B", {11: "a"})) == []


def test_a_cancel_over_fix_is_about_the_order_and_not_about_the_request() -> None:
    assert fix(report("4", "CANCEL")) == [("gone", "a", 0)]
    assert fix(Report("9", {11: "CANCEL"})) == [("missed", "a")]


def test_a_replacement_that_is_too_late_over_fix_is_missed() -> None:
    assert fix(Report("9", {11: "b"})) == [("missed", "b")]


def ouch(kind: str, **fields: Any) -> bytes:
    return ouch42.encode(ouch42.OUTBOUND, {"message_type": kind, "timestamp": 0, "order_token": "a", **fields})


def test_messages_over_ouch() -> None:
    listener = Listener()
    line = OuchLine(listener, "127.0.0.1", 1, "me", "")
    line._on_messages(1, [
        ouch("J", reason="H"),
        ouch("E", executed_shares=300, execution_price="10.05", liquidity_flag="A", match_number=1),
        ouch("C", decrement_shares=200, reason="U"),
    ])  # fmt: skip
    assert listener.said == [("answered", "a", False), ("executed", "a", 300, 100_500), ("gone", "a", 200)]


def test_orders_over_ouch_leave_with_one_flush_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    line, sent = OuchLine(Listener(), "127.0.0.1", 1, "me", ""), []
    monkeypatch.setattr(line._client, "send_raw", lambda *messages: sent.append(messages))
    line.enter("a", "B", 100, "X", 100_500, False)
    line.replace("a", "b", "B", 200, "X", 100_600)
    line.cancel("b", "B", "X")
    asyncio.run(line.flush())
    orders = (enter_order("a", "B", 100, "X", "10.05"), replace_order("a", "b", 200, "10.06"), cancel_order("b"))
    assert sent == [orders]
