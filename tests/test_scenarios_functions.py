"""Scenarios that are Python functions, and replays: on an exchange of their own, on one that runs, at any pace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openoutcry import Exchange, scenarios
from openoutcry.errors import ClientError, VerbError
from openoutcry.scenarios import Client, Scenario, ScenarioError, Stage, Step, compare, replay, save, times

MARKET = [
    Step(verb="create_engine", arguments={"name": "main"}),
    Step(verb="create_book", arguments={"name": "aapl", "engine": "main", "symbol": "AAPL"}),
    Step(verb="create_endpoint", arguments={"name": "orders", "engine": "main", "protocol": "ouch42"}),
]
CLIENTS = {"A": Client("A", "orders")}


def order(name: str, side: str = "1", **more: Any) -> dict[str, Any]:
    return {"MsgType": "NewOrderSingle", "ClOrdID": name, "Side": side, "OrderQty": 100, "Symbol": "AAPL",
            "OrdType": "2", "Price": "10", **more}  # fmt: skip


def one_hour(ex: Stage) -> None:
    """An order that expires."""
    ex.create_engine("main")
    ex.create_book("aapl", "main", "AAPL")
    ex.create_endpoint("orders", "main", "ouch42")
    ex.create_endpoint("fix", "main", "fix44")
    alice, bob = ex.client("ALICE", "orders"), ex.client("BOB", "fix")
    alice.send(order("A1", TimeInForce="A", ExposureDuration=3600))
    ex.after("59m")
    bob.send("NewOrderSingle", **{k: v for k, v in order("B1", "2", OrderQty=40).items() if k != "MsgType"})
    assert (alice.last["LastQty"], bob.last["OrdStatus"]) == (40, "2")
    ex.at("2h")
    assert ex.depth("aapl")["bids"] == []
    assert alice.last["CxlQty"] == 60
    bob.disconnect()
    with pytest.raises(VerbError, match="unknown_name"):
        ex.halt("nothing")
    alice.logout()


def test_a_function_is_played_step_by_step_and_can_be_saved(tmp_path: Path) -> None:
    came = replay(one_hour)
    assert came.title == "An order that expires."
    assert [str(step) for step in came.steps[4:]] == [
        "ALICE: NewOrderSingle A1", "BOB: NewOrderSingle B1", "BOB: disconnect", "halt", "ALICE: logout",
    ]  # fmt: skip
    assert [step.refused for step in came.steps if step.refused] == ["unknown_name"]
    assert [event.at for event in came.events or ()][-1] == 3_600_000_000_000
    save(came, tmp_path / "hour.toml")
    again = replay(scenarios.load(tmp_path / "hour.toml"))
    assert compare(came, again, times=True), str(compare(came, again, times=True))


def test_a_generator_yields_steps_and_gets_what_came() -> None:
    seen: list[Any] = []

    def steps(ex: Stage) -> Iterator[Any]:
        yield {"verb": "create_engine", "name": "main"}
        yield {"verb": "create_book", "name": "aapl", "engine": "main", "symbol": "AAPL"}
        yield {"verb": "create_endpoint", "name": "orders", "engine": "main", "protocol": "ouch42"}
        seen.append((yield {"client": "A", "endpoint": "orders", "do": "connect"}))
        seen.append((yield {"after": "1h", "client": "A", "message": order("A1")}))

    came = replay(steps)
    assert [[event.message["MsgType"] for event in events] for events in seen] == [["SystemEvent"], ["ExecutionReport"]]
    assert came.steps[-1].at == 3_600_000_000_000

    def wrong(ex: Stage) -> Iterator[Any]:
        yield "no step"

    with pytest.raises(ScenarioError, match="yields steps as dictionaries"):
        replay(wrong)


def test_what_a_stage_has_not_is_said() -> None:
    def wrong(ex: Stage) -> None:
        with pytest.raises(AttributeError, match="'dance': neither a method of its own nor a verb"):
            ex.dance()
        with pytest.raises(ValueError, match="time does not go back"):
            ex.after("1s")
            ex.at("0s")
        with pytest.raises(ClientError, match="has got no message"):
            _ = ex.client("A", "nowhere").last
        with pytest.raises(ScenarioError, match="client A: there is no endpoint 'nowhere'"):
            ex.client("A", "nowhere").connect()

    assert replay(wrong).events == []


def test_a_client_that_is_refused() -> None:
    steps = [*MARKET, Step(verb="create_user", arguments={"name": "A", "password": "x"})]
    connect = Step(client="A", do="connect", refused="whatever")
    came = replay(Scenario([*steps, connect, replace(connect, refused="")], [], CLIENTS))
    assert "not authorised" in came.steps[-1].refused
    found = compare(Scenario([*steps, connect, replace(connect, refused="")], [], CLIENTS), came)
    assert [difference.step for difference in found.differences] == [6]


# ------------------------------------------------------------------------------------------------- on which exchange
def test_on_an_exchange_that_runs_its_clock_goes_on_afterwards(exchange: Exchange) -> None:
    scenario = Scenario([*MARKET, Step(3_600_000_000_000, client="A", message=order("A1"))], None, CLIENTS)
    came = replay(scenario, exchange)
    assert [event.message["MsgType"] for event in came.events or ()] == ["SystemEvent", "ExecutionReport"]
    assert not exchange.clock.stopped
    with pytest.raises(TypeError, match="gateways: settings are for"):
        replay(scenario, exchange, gateways=2)


def test_what_is_there_already_is_not_made_again(exchange: Exchange) -> None:
    first = replay(Scenario([*MARKET, Step(client="A", message=order("A1"))], None, CLIENTS), exchange)
    second = Scenario([*MARKET, Step(client="B", message=order("A1", "2"))], None, {"B": Client("B", "orders")})
    came = replay(second, exchange.directory, pace="none")
    assert [step.refused for step in (*first.steps, *came.steps)] == [""] * 8
    assert came.got("B")[-1]["ExecType"] == "F"
    alone = replay(Scenario([MARKET[0], MARKET[0]]))
    assert [step.refused for step in alone.steps] == ["", "exists"]


def test_a_real_pace_waits_for_the_times_of_the_steps(exchange: Exchange) -> None:
    steps = [*MARKET, Step(client="A", message=order("A1")), Step(80_000_000, client="A", message=order("A2", "2"))]
    came = replay(Scenario(steps, None, CLIENTS), exchange, pace="real")
    times = [event.at for event in came.events or () if event.message.get("ClOrdID") == "A2"]
    assert min(times) >= 80_000_000
    with pytest.raises(ValueError, match="it must be one of virtual, real, none"):
        replay(Scenario(), exchange, pace="fast")


# ------------------------------------------------------------------------------------------------- what cannot be
@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Step(client="A", message=order("A1", Colour="red")), "step 4: message: "),
        (Step(client="A", message={"MsgType": "Dance"}), "step 4: message: MsgType"),
        (Step(client="A", message=order("TOO-LONG-FOR-OUCH")), "step 4: message: "),
    ],
)
def test_every_message_is_checked_before_the_first_is_sent(exchange: Exchange, step: Step, text: str) -> None:
    with pytest.raises(ScenarioError) as error:
        replay(Scenario([*MARKET, step], None, CLIENTS), exchange)
    assert str(error.value).startswith(text)
    assert exchange.list("engines") == []


def test_what_goes_wrong_on_the_way_names_the_step() -> None:
    with pytest.raises(ScenarioError, match="step 1: client A: there is no endpoint 'orders'"):
        replay(Scenario([Step(client="A", message=order("A1"))], None, CLIENTS))
    value = Step(verb="set_book_property", arguments={"book": "aapl", "name": "tick_size", "value": "much"})
    with pytest.raises(ScenarioError, match=r"step 4: .*tick_size is 'much'"):
        replay(Scenario([*MARKET, value], None, CLIENTS))


def test_an_event_that_does_not_come_is_waited_for_once() -> None:
    steps = [*MARKET, *[Step(client="A", message=order(f"A{n}")) for n in range(20)]]
    came = replay(Scenario(steps, None, CLIENTS))
    events = list(came.events or ())
    events[3:3] = [replace(events[3], message={"MsgType": "ExecutionReport", "Text": "never"})]
    expected = replace(came, events=events)
    again = replay(expected, timeout=0.2)
    found = compare(expected, again)
    assert [(d.place, d.actual) for d in found.differences] == [(4, None)]
    assert len(again.events or ()) == len(came.events or ())


def test_raw_bytes_are_sent_as_they_are() -> None:
    raw = Step(client="A", raw=b"O" + b"R1".ljust(14) + b"B\0\0\0\5AAPL    \0\1\x86\xa0\0\1\x86\x9e    YPN\0\0\0\0N ")
    came = replay(Scenario([*MARKET, raw, Step(client="A", raw=b"?")], None, CLIENTS))
    assert came.got("A")[-1]["ClOrdID"] == "R1"
    assert came.got("A")[-1]["Price"] == "10"


def test_the_actions_of_the_ouch_project_are_a_scenario_with_a_market(tmp_path: Path) -> None:
    def action(*values: Any) -> dict[str, Any]:
        return {"message_type": values[0]} | {f"value {place}": value for place, value in enumerate(values[1:])}

    actions = [
        action("O", 1, "me\0\0", "B", 100, 1, "DAY\0", 140.5, 99999, 0, " ", "P", 0, "1", "1"),
        action("O", 2, "me", "B", -10, 1, "DAY", 140.5, 99999, 0, " ", "P", 0, "1", "1"),
        action("O", 3, "me", "B", 10, 2, "DAY", -1, 99999, 0, "", "P", 0, "1", "1"),
        action("U", 1, 4, 50, 141, 99999, " ", 0),
        action("X", 4, 0),
    ]
    path = tmp_path / "client_1.json"
    path.write_text(json.dumps({"_expected_behaviour": ["one", "two"], "actions": actions}))
    scenario = scenarios.load(path)
    assert scenario.title == "one two"
    assert [step.arguments.get("symbol") for step in scenario.steps if step.verb == "create_book"] == ["1", "2"]
    came = replay(scenario)
    assert [m.get("ExecType") for m in came.got("client")] == [None, "0", "8", "8", "5", "4"]
    save(came, tmp_path / "client_1.toml")
    found = compare(came, replay(scenarios.load(tmp_path / "client_1.toml")))
    assert found.same, found.report()


@pytest.mark.parametrize(
    ("text", "now", "moment"),
    [
        ("20260105-09:00:01.250", 5_000_000_000, 1_250_000_000),  # FIX: the day too
        ("20260105-09:00:05.000", 5_000_999_999, 5_000_999_999),  # now, to the millisecond
        ("20260105-09:00:04", 4_999_999_999, 4_999_999_999),  # now, to the second
        ("09:00:01.000000007", 5_000_000_000, 1_000_000_007),  # OUCH: of the nearest day
        ("09:00:01.000000007", 86_405_000_000_000, 86_401_000_000_007),
        ("08:59:59.000000000", 5_000_000_000, 5_000_000_000),  # before the beginning: it cannot be
        ("20360105-09:00:01", 5_000_000_000, 5_000_000_000),  # nor later than now
        ("soon", 7, 7),
        (None, 7, 7),
    ],
)
def test_when_a_message_says_it_was(text: str | None, now: int, moment: int) -> None:
    start_ns = 1_767_603_600_000_000_000  # 2026-01-05 09:00
    message = {"MsgType": "X"} | ({"TransactTime": text} if text else {})
    assert times.moment_of(message, start_ns, now) == moment
    assert message == {"MsgType": "X"}


def test_times_to_come_move_with_the_beginning_of_a_scenario() -> None:
    def later(**fields: Any) -> dict[str, Any]:
        return times.later(fields, 2 * times.DAY_NS)

    assert later(ExpireDate="20260130") == {"ExpireDate": "20260201"}
    assert later(ExpireTime="20260130-10:00:00") == {"ExpireTime": "20260201-10:00:00"}
    assert later(ExpireTime="20260130-10:00:00.123") == {"ExpireTime": "20260201-10:00:00.123"}
    assert later(ExpireTime="soon", Price="1") == {"ExpireTime": "soon", "Price": "1"}
    assert later(ExpireDate=5) == {"ExpireDate": 5}
