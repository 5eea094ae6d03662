"""Scenarios over a protocol of somebody's own, the one of docs/plugins.md: recorded, replayed, or left out by name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openoutcry import Exchange, scenarios
from openoutcry.scenarios import Client, ScenarioError
from openoutcry.scenarios.plugged import plug_of
from tests.scenario_world import Theatre

PAGE = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text()
NUMBERS = itertools.count()
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """The page's modules in a package of a new name, which is returned. change: pairs of texts."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def written(*change: tuple[str, str]) -> str:
        name = f"lines_of_{tmp_path.name.strip('0123456789')}_{next(NUMBERS)}"
        (tmp_path / name).mkdir()
        for module in ("lines", "lines_client"):
            found = re.search(rf"```python\n# mine/{module}.py\n(.*?)```", PAGE, re.DOTALL)
            assert found is not None
            text = found[1]
            for old, new in (*change, ("mine.", f"{name}.")):
                text = text.replace(old, new)
            (tmp_path / name / f"{module}.py").write_text(text)
        return name

    return written


def line(text: str) -> dict[str, str]:
    """A message."""
    word, _, rest = text.partition(" ")
    return {"MsgType": word, "Text": rest}


def session(play: Theatre, name: str, kind: str = "matching") -> None:
    """Somebody over lines, and somebody over OUCH."""
    exchange = play.exchange
    exchange.load_protocol("lines", f"{name}.lines:lines")
    exchange.create_engine("main", kind)
    exchange.create_book("aapl", "main", "AAPL")
    exchange.create_endpoint("text", "main", "lines")
    exchange.create_endpoint("orders", "main", "ouch42")
    alice = play.client("ALICE", "orders")
    carol = play.client("CAROL", "text")
    for text in ("SELL a AAPL 30 1000", "SELL b AAPL 30 1001", "DANCE", "CANCEL b"):
        carol.send(line(text))
    alice.order("A1", "buy", 10, "10")
    carol.disconnect()
    alice.order("A2", "buy", 10, "10")
    carol.reconnect()
    carol.send(line("BUY c AAPL 5 900"))


def test_sessions_over_it_are_recorded_and_replayed(tmp_path: Path, write: Write) -> None:
    name = write()
    settings: dict[str, Any] = {"plugins": name, "plugin_path": str(tmp_path)}
    with Exchange(**settings) as exchange:
        with Theatre(exchange) as play:
            session(play, name)
        recorded = play.recorded
    assert [str(step) for step in recorded.steps if step.client == "CAROL"][:6] == [
        "CAROL: connect", "CAROL: SELL", "CAROL: SELL", "CAROL: CANCEL", "CAROL: disconnect", "CAROL: connect",
    ]  # fmt: skip
    assert (recorded.left_out, [step.note for step in recorded.steps if step.note]) == ([], [])
    scenarios.save(recorded, tmp_path / "lines.toml")
    assert scenarios.load(tmp_path / "lines.toml") == recorded
    came = scenarios.replay(recorded, **settings)
    found = scenarios.compare(recorded, came)  # a line does not say when it was
    assert found.same, found.report()
    assert [" ".join(each.values()) for each in came.got("CAROL")] == [
        "DAY BEGINS", "ACCEPTED a 1", "ACCEPTED b 2", "CANCELED b 30", "EXECUTED a 10 1000", "EXECUTED a 10 1000",
        "ACCEPTED c 5",
    ]  # fmt: skip
    assert came.got("CAROL") == play.actors["CAROL"].got


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((', client="mine.lines_client:LinesClient"', ""), "lines names no class for its clients (Dialect.client)"),
        (("mine.lines_client:LinesClient", "mine.lines:Lines"),
         "{}.lines:Lines is no class derived from PluginClient"),
        (("mine.lines_client:LinesClient", "mine.lines_client:Nothing"),
         "{0}.lines_client:Nothing cannot be loaded: AttributeError: "
         "module '{0}.lines_client' has no attribute 'Nothing'"),
    ],
)  # fmt: skip
def test_without_a_class_for_its_clients_they_are_left_out_and_the_recording_says_why(
    tmp_path: Path, write: Write, change: tuple[str, str], why: str
) -> None:
    right, wrong = write(), write(change)
    with Exchange(plugins=f"{right},{wrong}", plugin_path=str(tmp_path)) as exchange:
        with Theatre(exchange) as play:
            exchange.load_protocol("lines", f"{wrong}.lines:lines")
            exchange.create_engine("main")
            exchange.create_book("aapl", "main", "AAPL")
            exchange.create_endpoint("text", "main", "lines")
            row = play.endpoint("text")
            kind = plug_of("lines", f"{right}.lines:lines").client
            assert kind is not None
            carol = kind(Client("CAROL", "text"), row["host"], row["port"], 5.0)
            carol.send(line("SELL a AAPL 30 1000"))
            play.settle()
            carol.close()
            play.settle()
        text = why.format(wrong)
        assert play.recorded.left_out == [f"clients over lines: {text}", "enter over lines: no message for it"]
        assert play.recorded.clients == {}
        steps = [scenarios.Step(client="CAROL", message=line("SELL b AAPL 30 1000"))]
        with pytest.raises(ScenarioError) as error:
            scenarios.replay(scenarios.Scenario(steps, None, {"CAROL": Client("CAROL", "text")}), exchange)
    assert str(error.value) == f"step 1: client CAROL: endpoint 'text' speaks lines: {text}"


def test_what_its_class_does_wrong_costs_that_message(tmp_path: Path, write: Write) -> None:
    name = write(('CANCEL", "Text": name.decode()', 'CANCEL", "Text": name.lost()'))
    with Exchange(plugins=name, plugin_path=str(tmp_path)) as exchange, Theatre(exchange) as play:
        session(play, name)
    assert play.recorded.left_out == [
        "CAROL: cancel: not all of it is in the journal: AttributeError: 'bytes' object has no attribute 'lost'"
    ]
    assert play.recorded.got("CAROL") == play.actors["CAROL"].got


def test_a_log_on_that_it_refuses(tmp_path: Path, write: Write) -> None:
    name = write()
    settings: dict[str, Any] = {"plugins": name, "plugin_path": str(tmp_path)}
    steps = [
        scenarios.Step(verb="load_protocol", arguments={"name": "lines", "path": f"{name}.lines:lines"}),
        scenarios.Step(verb="create_engine", arguments={"name": "main"}),
        scenarios.Step(verb="create_endpoint", arguments={"name": "text", "engine": "main", "protocol": "lines"}),
        scenarios.Step(verb="create_user", arguments={"name": "bob", "password": "secret", "endpoint": "text"}),
        scenarios.Step(client="CAROL", do="connect"),
    ]
    came = scenarios.replay(scenarios.Scenario(steps, None, {"CAROL": Client("CAROL", "text")}), **settings)
    assert [step.refused for step in came.steps] == ["", "", "", "", "login rejected, reason 'not today'"]


def test_a_path_that_is_not_there_and_a_class_of_endpoints() -> None:
    assert plug_of("mine", "").why_not == "nobody knows from where mine was loaded"
    assert plug_of("mine", "tests.plugin_parts:Till").why_not == "mine is a class of endpoints, without a Dialect"
