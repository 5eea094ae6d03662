"""Recordings that begin in the middle: with what was there then, and with as little else as can be."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import Exchange, scenarios
from openoutcry.scenarios import ScenarioError, record, recorded
from tests.scenario_world import Theatre

SECOND = 1_000_000_000
LEFT = "messages before the beginning that left nothing open: positions, fees and last prices lack them"


def again(found: scenarios.Scenario) -> scenarios.Scenario:
    """Replayed: what comes is what came, at its time."""
    came = scenarios.replay(found)
    compared = scenarios.compare(found, came, times=True)
    assert compared.same, compared.report(20)
    return came


def words(found: scenarios.Scenario, begin: int = 0) -> list[str]:
    """The steps from that one on, in words."""
    return [str(step) for step in found.steps[begin:]]


def reports(found: scenarios.Scenario, client: str) -> list[tuple[Any, ...]]:
    """What a client was told of its orders."""
    return [(m["ClOrdID"], m["ExecType"], m.get("LeavesQty")) for m in found.got(client) if "ExecType" in m]


SETTING_UP = ["create_engine", "create_book", "create_endpoint", "create_endpoint"]


def test_orders_that_were_open_are_entered_first_and_all_others_are_not(exchange: Exchange) -> None:
    exchange.clock.stop()
    with Theatre(exchange) as play:
        play.market()
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        alice.order("A1", "buy", 100, "10.05")
        alice.order("GONE", "buy", 100, "10.01")
        alice.cancel("GONE")
        carol.order("C1", "buy", 30, "10.05")
        exchange.set_book_property("aapl", "tick_size", "0.05")
        exchange.clock.advance(hours=1)
        carol.order("C2", "sell", 120, "10.05")
        found = record(exchange, since="10m")
    assert words(found) == [
        *SETTING_UP, "ALICE: connect", "CAROL: connect", "ALICE: NewOrderSingle A1", "CAROL: NewOrderSingle C1",
        "set_book_property", "CAROL: NewOrderSingle C2",
    ]  # fmt: skip
    assert [step.at for step in found.steps] == [0] * 9 + [600 * SECOND]
    assert found.title == "steps 1 to 9 make what was there at the beginning"
    assert found.left_out == [f"2 x {LEFT}"]
    again(found)
    assert reports(found, "CAROL")[1:] == [("C2", "0", 120), ("C2", "F", 20), ("C2", "F", 0), ("C1", "F", 10)]


def test_an_order_that_has_traded_needs_those_with_which_it_has(exchange: Exchange) -> None:
    exchange.clock.stop()
    with Theatre(exchange) as play:
        play.market()
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        dave = play.client("DAVE", "fix")
        alice.order("A1", "buy", 100, "10.05")
        dave.order("D1", "sell", 10, "11")  # stands alone, and is gone
        dave.send("OrderCancelRequest", OrigClOrdID="D1", ClOrdID="D2", Symbol="AAPL", Side="2", OrderQty=10)
        dave.disconnect()
        carol.order("C1", "sell", 60, "10.05")
        alice.replace("A1", "A2", 150, "10.04")
        exchange.enter_order("d1", "aapl", "sell", 50, "10.10")
        exchange.enter_order("d2", "aapl", "sell", 50, "10.20")
        exchange.cancel_order("d2")
        exchange.clock.advance(minutes=1)
        carol.order("C2", "sell", 30, "10.04")
        carol.order("C3", "buy", 20, "10.10")
        found = record(exchange, since="30s")
    assert words(found, len(SETTING_UP)) == [
        "ALICE: connect", "CAROL: connect", "ALICE: NewOrderSingle A1", "CAROL: NewOrderSingle C1",
        "ALICE: OrderCancelReplaceRequest A2", "enter_order", "CAROL: NewOrderSingle C2", "CAROL: NewOrderSingle C3",
    ]  # fmt: skip
    came = again(found)
    fills = [(m["ClOrdID"], m["LastQty"]) for m in came.got("ALICE") if m.get("ExecType") == "F"]
    assert fills == [("A1", 60), ("A2", 30)]


def test_who_is_gone_at_the_beginning_is_gone_and_can_come_back(exchange: Exchange) -> None:
    exchange.clock.stop()
    with Theatre(exchange) as play:
        play.market()
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        for number in range(3):
            alice.disconnect()
            alice.reconnect()
            alice.order(f"A{number}", "buy", 100, f"10.0{number}")
        exchange.kill("gateway-1")
        exchange.restart("gateway-1")
        carol.reconnect()
        exchange.clock.advance(minutes=1)
        carol.order("C1", "sell", 150, "10")
        alice.reconnect()
        exchange.clock.advance(minutes=1)
        carol.order("C2", "sell", 100, "10")
        found = record(exchange, since="90s")
    connections = [word for word in words(found) if "connect" in word]
    assert connections == [
        "ALICE: connect", "CAROL: connect", "ALICE: disconnect", "CAROL: disconnect", "CAROL: connect",
        "ALICE: connect",
    ]  # fmt: skip
    assert found.left_out == []
    again(found)


def test_what_depends_on_the_time_before_happens_at_its_own_time(exchange: Exchange) -> None:
    exchange.clock.stop()
    with Theatre(exchange) as play:
        play.market()
        alice, bob = play.client("ALICE", "orders"), play.client("BOB", "orders")
        exchange.clock.advance(minutes=1)
        alice.order("A1", "buy", 100, "10.05", TimeInForce="A", ExposureDuration=3600)
        bob.order("B1", "buy", 100, "10.04", TimeInForce="3")
        exchange.clock.advance(minutes=30)
        bob.order("B2", "buy", 100, "10.04")
        exchange.clock.advance(hours=1)
        found = record(exchange, since="61m")
    assert words(found, len(SETTING_UP)) == [
        "ALICE: connect", "BOB: connect", "ALICE: NewOrderSingle A1", "BOB: NewOrderSingle B2",
    ]  # fmt: skip
    assert [step.at // SECOND for step in found.steps[-2:]] == [60, 31 * 60]
    came = again(found)
    assert [event.at // SECOND for event in came.events or () if event.message.get("ExecType") == "4"] == [3660]


def test_everything_is_there_where_it_depends_on_everything(exchange: Exchange) -> None:
    exchange.clock.stop()
    with Theatre(exchange) as play:
        play.market()
        exchange.set_book_property("aapl", "positions", True)
        exchange.set_limit("main", "book", "aapl", "max_position", 150)
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        alice.order("A1", "buy", 100, "10.05")
        carol.order("C1", "sell", 100, "10.05")
        exchange.clock.advance(minutes=1)
        alice.order("A2", "buy", 100, "10.05")
        found, whole = record(exchange, since="30s"), record(exchange)
    assert reports(found, "ALICE")[-1][1] == "8"
    assert (found.steps, found.events, found.left_out) == (whole.steps, whole.events, [])
    again(found)


def test_of_an_engine_that_has_policies_or_a_hand_all_messages_are_there(exchange: Exchange) -> None:
    exchange.clock.stop()
    with Theatre(exchange) as play:
        play.market()
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        exchange.engine("main").add_policy("second", "auto-reject", count=2)
        alice.order("A1", "buy", 100, "10.05")
        exchange.clock.advance(minutes=1)
        carol.order("C1", "buy", 100, "10.05")
        carol.order("C2", "buy", 100, "10.05")
        found = record(exchange, since="30s")
    assert [step.at for step in found.steps] == [0] * 8 + [30 * SECOND] * 2
    assert [each[:2] for each in reports(again(found), "CAROL")] == [("C1", "8"), ("C2", "0")]


def test_verbs_of_desks_and_orders_that_no_message_names(exchange: Exchange) -> None:
    exchange.clock.stop()
    with Theatre(exchange) as play:
        play.market()
        carol = play.client("CAROL", "fix")
        exchange.quote("maker", "aapl", 100, "9.90", 100, "10.10")
        carol.order("C1", "buy", 40, "10.10")
        exchange.enter_order("d1", "aapl", "buy", 5, "9.80")
        exchange.amend_order("d1", 7, "9.85", new_id="d2")
        exchange.clock.advance(minutes=1)
        carol.order("C2", "sell", 100, "9.90")
        carol.order("C3", "sell", 10, "9.85")
        found = record(exchange, since="30s")
    assert words(found, len(SETTING_UP)) == [
        "CAROL: connect", "quote", "CAROL: NewOrderSingle C1", "enter_order", "amend_order",
        "CAROL: NewOrderSingle C2", "CAROL: NewOrderSingle C3",
    ]  # fmt: skip
    again(found)


def test_where_even_everything_is_too_much_it_says_what_is_missing(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.clock.stop()
    with Theatre(exchange) as play:
        play.market()
        alice = play.client("ALICE", "orders")
        alice.order("A1", "buy", 100, "10.05")
        exchange.clock.advance(minutes=1)
        alice.order("A2", "buy", 100, "10.05")
        monkeypatch.setattr("openoutcry.scenarios.recording.STEPS_MAX", 6)
        monkeypatch.setattr(recorded, "_same", lambda *_: False)
        found = record(exchange, since="30s")
        monkeypatch.undo()
    assert found.left_out == ["messages of clients before the beginning", "orders that were open at the beginning"]
    assert words(found, len(SETTING_UP)) == ["ALICE: connect", "ALICE: NewOrderSingle A2"]


def test_a_beginning_before_the_first_or_after_the_last_record(exchange: Exchange) -> None:
    exchange.clock.stop()
    with Theatre(exchange) as play:
        play.market()
        alice = play.client("ALICE", "orders")
        alice.order("A1", "buy", 100, "10.05")
        everything = record(exchange)
        early = record(exchange, since="5h")
        late = record(exchange, since=f"{exchange.clock.now.replace(year=2098):%Y-%m-%dT%H:%M:%S}")
    assert (early.steps, early.events, early.left_out) == (everything.steps, everything.events, [])
    assert words(late) == [*SETTING_UP, "ALICE: connect", "ALICE: NewOrderSingle A1"]
    with pytest.raises(ScenarioError, match="'soon' is no time"):
        record(exchange, since="soon")


def test_orders_of_the_day_before(exchange: Exchange) -> None:
    exchange.clock.stop()
    with Theatre(exchange) as play:
        play.market()
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        carol.order("C1", "sell", 60, "10.05", TimeInForce="1")
        alice.order("A1", "buy", 20, "10.05")
        alice.order("A2", "buy", 20, "10")
        exchange.end_of_day("main")
        play.settle()
        exchange.clock.advance(hours=10)
        exchange.start_of_day("main")
        exchange.open("main")
        alice.reconnect()
        carol.reconnect()
        exchange.clock.advance(minutes=1)
        alice.order("A3", "buy", 20, "10.05")
        found = record(exchange, since="30s")
    assert [word for word in words(found) if "Order" in word] == [
        "CAROL: NewOrderSingle C1", "ALICE: NewOrderSingle A1", "ALICE: NewOrderSingle A3",
    ]  # fmt: skip
    again(found)


def test_of_an_order_that_is_done_it_matters_that_it_was_when_somebody_names_it(exchange: Exchange) -> None:
    exchange.clock.stop()
    with Theatre(exchange) as play:
        play.market()
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        alice.order("A1", "buy", 50, "10.05")
        carol.order("C1", "sell", 50, "10.05")
        carol.order("C2", "sell", 50, "11")
        carol.cancel("C2", "C3")
        exchange.clock.advance(minutes=1)
        assert carol.cancel("C1", "C4")["Text"] == "too late: the order is done"
        found = record(exchange, since="30s")
    assert [word for word in words(found) if "Order" in word] == [
        "ALICE: NewOrderSingle A1", "CAROL: NewOrderSingle C1", "CAROL: OrderCancelRequest C4",
    ]  # fmt: skip
    again(found)
