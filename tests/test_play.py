"""openoutcry.play: scenario files are understood, refused with a clear reason, and played."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openoutcry import Exchange
from openoutcry import play as playing
from openoutcry.gateway.ouch42 import INBOUND, decode
from openoutcry.play import ScenarioError, load_scenario, play, run
from tests.ouch_loopback import OuchLoopback

HOST = "127.0.0.1"
EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "examples").glob("scenario_*.json"))
ORDER: dict[str, Any] = {"message_type": "O", "order_token": "A1", "side": "B", "shares": 5, "stock": "X", "price": 1}
CANCEL: dict[str, Any] = {"message_type": "X", "order_token": "A1"}


@pytest.fixture
def server() -> Iterator[OuchLoopback]:
    with OuchLoopback() as running:
        yield running


def sent(*actions: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """What the actions are on the wire, decoded."""
    return [decode(INBOUND, data) for data in playing.messages({"actions": list(actions), **more})]


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


# ------------------------------------------------------------------------------------------------- reading
def test_omitted_fields_have_defaults() -> None:
    order, replace, cancel, modify = sent(
        ORDER,
        {"message_type": "U", "existing_order_token": "A1", "replacement_order_token": "A2", "shares": 1, "price": "2"},
        CANCEL,
        {"message_type": "M", "order_token": "A2", "side": "E", "shares": 1},
    )
    assert order == ORDER | playing.DEFAULTS["O"]
    assert (replace["time_in_force"], replace["display"], replace["minimum_quantity"]) == (99_998, "Y", 0)
    assert cancel["shares"] == 0
    assert modify["side"] == "E"


def test_values_are_taken_by_name_and_comments_are_skipped() -> None:
    backwards = dict(reversed(ORDER.items())) | {"_comment": "hello"}
    assert sent(backwards) == sent(ORDER)


def test_japannext_names_are_understood() -> None:
    order = {
        "message_type": "O", "order_token": 12, "client_reference": "Lenny", "buy_sell_indicator": "S", "quantity": 7,
        "orderbook_id": 1, "group": "DAY\0", "price": 2300.5, "time_in_force": 99999, "firm_id": 3, "display": " ",
        "capacity": "A", "minimum_quantity": 0, "order_classification": "1", "cash_margin_type": "1",
    }  # fmt: skip
    (found,) = sent(order)
    assert found == playing.DEFAULTS["O"] | {
        "message_type": "O", "order_token": "12", "side": "S", "shares": 7, "stock": "1", "price": Decimal("2300.5"),
        "time_in_force": 99_999, "firm": "3", "display": "Y", "capacity": "A",
    }  # fmt: skip
    assert sent(order, stocks={"1": "BTC"})[0]["stock"] == "BTC"
    replace, cancel = sent(
        {"message_type": "U", "existing_order_token": 12, "replacement_order_token": 13, "quantity": 5, "price": 1,
         "display": " "},
        {"message_type": "X", "order_token": 13, "quantity": 0},
    )  # fmt: skip
    assert (replace["existing_order_token"], replace["display"], replace["shares"]) == ("12", "Y", 5)
    assert (cancel["order_token"], cancel["shares"]) == ("13", 0)


@pytest.mark.parametrize("price", [0.1, 1.1, 150.25, 0.0001, 199999.99, 8.7, 2.675])
def test_prices_in_json_are_decimal(price: float) -> None:
    (found,) = sent(ORDER | {"price": price})
    assert found["price"] == Decimal(repr(price))


def test_negative_numbers_are_sent_as_their_32_bits() -> None:
    (found,) = sent(ORDER | {"shares": -10, "price": -1, "minimum_quantity": -1})
    assert found["shares"] == 2**32 - 10
    assert found["price"] == Decimal("429495.7296")
    assert found["minimum_quantity"] == 2**32 - 1


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        ([ORDER, 5], "action 2: it must be an object"),
        ([{}], "action 1: message_type is None, it must be one of O, U, X, M, N"),
        ([ORDER | {"message_type": ["O"]}], "action 1: message_type is"),
        ([CANCEL, CANCEL, {"message_type": "X"}], "action 3: cancel_order.order_token is missing"),
        ([ORDER | {"shares": "many"}], "action 1: enter_order.shares is 'many'"),
        ([ORDER | {"shares": 1.5}], "action 1: enter_order.shares is 1.5"),
        ([ORDER | {"shares": -1.5}], "action 1: enter_order.shares is -1.5"),
        ([ORDER | {"price": "1e99999"}], "action 1: enter_order.price"),
        ([ORDER | {"shares": -(2**33)}], "action 1: enter_order.shares"),
        ([ORDER | {"price": -(10**9)}], "action 1: "),
        ([ORDER | {"price": None}], "action 1: enter_order.price"),
        ([ORDER | {"price": "1.23456"}], "action 1: enter_order.price"),
        ([ORDER | {"stock": "MUCHTOOLONG"}], "action 1: enter_order.stock is 'MUCHTOOLONG'"),
        ([ORDER | {"quantity": 5}], "action 1: shares is given twice, the second time as quantity"),
        ([ORDER | {"colour": 5}], "action 1: enter_order has no field 'colour'"),
        ([ORDER | {"order_token": "x" * 15}], "action 1: enter_order.order_token"),
        ({"a": 1}, 'a scenario is an object with a list "actions"'),
    ],
)
def test_an_error_names_the_action_and_the_field(tmp_path: Path, actions: Any, text: str) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({"actions": actions}))
    with pytest.raises(ScenarioError) as error:
        load_scenario(path)
    assert str(error.value).startswith(f"{path}: {text}")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "null", '{"actions": [{"message_type": "O", "price": NaN}]}', "[" * 100_000,
             '{"stocks": 1}', '{"stocks": {"1": 2}, "actions": []}', '\ud800'],
)  # fmt: skip
def test_what_is_no_scenario_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "scenario.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ScenarioError):
        load_scenario(path)
    with pytest.raises(ScenarioError, match="No such file"):
        load_scenario(tmp_path / "missing.json")


def test_a_scenario_file_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({"actions": [ORDER]}))
    assert len(load_scenario(path)["actions"]) == 1
    monkeypatch.setattr(playing, "SCENARIO_BYTES_MAX", 20)
    with pytest.raises(ScenarioError, match="more than 20 bytes"):
        load_scenario(path)


JAPANNEXT = {
    "O": ["O", 7, "me", "B", 100, 1, "DAY", 140.5, 99999, 0, "", "P", 0, "1", "1"],
    "U": ["U", 7, 8, 50, 141, 99999, " ", 0],
    "X": ["X", 8, 0],
}  # fmt: skip


@pytest.mark.parametrize("kind", list(JAPANNEXT))
def test_an_action_with_unknown_names_is_taken_by_japannexts_positions(kind: str) -> None:
    values = JAPANNEXT[kind]
    named = dict(zip(("message_type", *playing.POSITIONS[kind]), values, strict=True))
    others = {"message_type": kind} | {f"field_{place}": value for place, value in enumerate(values[1:])}
    without = {f"field_{place}": value for place, value in enumerate(values)}
    (expected,) = sent(named, stocks={"1": "AAPL"})
    assert sent(others, without, stocks={"1": "AAPL"}) == [expected, expected]
    assert expected.get("stock", "AAPL") == "AAPL"
    assert expected.get("display", "Y") == "Y"
    with pytest.raises(ScenarioError, match="has no field"):
        sent(others | {"one_more": 1})


def test_a_negative_token_is_the_number_of_its_32_bits() -> None:
    (found,) = sent(CANCEL | {"order_token": -1})
    assert found["order_token"] == "4294967295"


def test_stocks_can_be_given_beside_the_file(server: OuchLoopback, tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    order = {"message_type": "O", "orderbook_id": 1, "order_token": 1, "quantity": 5, "buy_sell_indicator": "B"}
    path.write_text(json.dumps({"actions": [order | {"price": -1.5}]}))
    assert run(path, HOST, server.port, auto=True, out=io.StringIO(), stocks={"1": "MSFT"}) == 0
    assert decode(INBOUND, server.received[0])["stock"] == "MSFT"


# ------------------------------------------------------------------------------------------------- playing
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_can_be_played(server: OuchLoopback, path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario["_expected_behaviour"]
    out = io.StringIO()
    assert play(scenario, HOST, server.port, auto=True, out=out, settle=0.02) == len(scenario["actions"])
    assert len(server.received) == len(scenario["actions"])
    assert [found["sequence"] for found in lines(out)] == list(range(1, len(server.stream) + 1))


ANSWERS = {
    "scenario_first_trade": "S A A E E CU",
    "scenario_japannext_names": "S A U CU",
    "scenario_rejects": "S JZ JZ JZ JX JX JS JD JR JN JO JO A CI",
    "scenario_replace_and_modify": "S A U CU M CU A CU",
}


def test_the_examples_behave_as_they_say_on_a_real_exchange() -> None:
    found: dict[str, str] = {}
    with Exchange() as exchange:
        for path in EXAMPLES:  # an engine each: nobody else's orders are there
            exchange.create_engine(path.stem)
            exchange.create_book(f"{path.stem}-aapl", path.stem, "AAPL")
            endpoint = exchange.create_endpoint(path.stem, path.stem, "ouch42")
            out = io.StringIO()
            play(load_scenario(path), endpoint.host, endpoint.port, auto=True, out=out, settle=0.1)
            found[path.stem] = " ".join(line["message_type"] + line.get("reason", "") for line in lines(out))
    assert found == ANSWERS


def test_every_answer_is_one_line_of_json(server: OuchLoopback) -> None:
    out = io.StringIO()
    play({"actions": [ORDER, CANCEL]}, HOST, server.port, auto=True, out=out, settle=0.05)
    start, accepted, canceled = lines(out)
    assert start == {"sequence": 1, "name": "system_event", "message_type": "S", "timestamp": 1, "event_code": "S"}
    assert (accepted["name"], accepted["order_token"], accepted["price"]) == ("accepted", "A1", "1.0000")
    assert (canceled["name"], canceled["reason"], canceled["decrement_shares"]) == ("canceled", "U", 1)


def test_by_hand_each_line_sends_one_action_and_one_more_ends_it(server: OuchLoopback) -> None:
    read, write = os.pipe()
    out = io.StringIO()
    results: list[int] = []

    def hand() -> None:
        results.append(play({"actions": [ORDER, CANCEL]}, HOST, server.port, out=out, keys=read, settle=0.05))

    thread = threading.Thread(target=hand)
    thread.start()
    os.write(write, b"\n")
    os.write(write, b"\n\n")
    thread.join(10)
    os.close(read)
    os.close(write)
    assert results == [2]
    assert [found["message_type"] for found in lines(out)] == ["S", "A", "C"]


def test_by_hand_the_end_of_the_input_ends_it(server: OuchLoopback) -> None:
    read, write = os.pipe()
    os.write(write, b"\n")
    os.close(write)
    out = io.StringIO()
    assert play({"actions": [ORDER, CANCEL]}, HOST, server.port, out=out, keys=read, settle=0.05) == 1
    os.close(read)
    assert [found["message_type"] for found in lines(out)] == ["S", "A"]


def test_at_a_terminal_one_is_told_what_enter_does(server: OuchLoopback, capsys: pytest.CaptureFixture[str]) -> None:
    hand, terminal = os.openpty()
    os.write(hand, b"\n\n\n")
    out = io.StringIO()
    assert play({"actions": [ORDER, CANCEL]}, HOST, server.port, out=out, keys=terminal, settle=0.05) == 2
    os.close(hand)
    os.close(terminal)
    said = capsys.readouterr()
    assert said.err.splitlines()[0] == "[0 of 2 sent; Enter sends O A1]"
    assert "[2 of 2 sent; Enter ends the play]" in said.err.splitlines() and not said.out
    assert [found["message_type"] for found in lines(out)] == ["S", "A", "C"]


def test_the_exit_status_says_what_went_wrong(
    server: OuchLoopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scenario.json"
    assert run(path, HOST, server.port, auto=True) == 2
    assert "No such file" in capsys.readouterr().err
    path.write_text(json.dumps({"actions": [ORDER]}))
    assert run(path, HOST, server.port, auto=True) == 0
    assert '"accepted"' in capsys.readouterr().out
    assert run(path, HOST, server.port, auto=True, password="wrong") == 1
    assert "not authorised" in capsys.readouterr().err


def test_the_end_of_the_day_ends_a_play(server: OuchLoopback) -> None:
    out = io.StringIO()
    timer = threading.Timer(0.2, server.end_session)
    timer.start()
    assert play({"actions": []}, HOST, server.port, auto=True, out=out, settle=5) == 0
    timer.join()
    assert [found["message_type"] for found in lines(out)] == ["S"]
