"""``openoutcry record`` and ``openoutcry replay``: what they print and write, their exit codes; and the tail of a
journal that is being written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from openoutcry import Exchange, cli, scenarios
from openoutcry.matcher.journal import Journal
from openoutcry.scenarios import ScenarioError, record, recording
from openoutcry.scenarios.tail import Tail
from tests.scenario_world import Theatre

EXAMPLES = Path(__file__).parents[1] / "examples"
FUNCTIONS = '''
from openoutcry.scenarios import scenario

@scenario
def first(ex):
    """The first."""
    ex.create_engine("one")

def unmarked(ex):
    ex.create_engine("two")
'''


def traded(exchange: Exchange) -> Theatre:
    """A small session, with its clients gone."""
    with Theatre(exchange) as play:
        play.market()
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        alice.order("A1", "buy", 100, "10.05")
        carol.order("C1", "sell", 40, "10.05")
    return play


def test_recorded_and_replayed_from_the_command_line(
    exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traded(exchange)
    path, again = tmp_path / "session.toml", tmp_path / "again.json"
    assert cli.main(["record", str(exchange.directory), "-o", str(path)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{path}: 10 steps and 5 events of 2 clients, ")
    assert cli.main(["replay", str(path), "--save", str(again), "--times"]) == 0
    assert capsys.readouterr().out == "the same: 5 events of 2 clients\n"
    first, second = scenarios.load(path), scenarios.load(again)
    assert all(first.got(client) == second.got(client) for client in ("ALICE", "CAROL"))

    path.write_text(path.read_text().replace("OrderQty = 40,", "OrderQty = 50,"))
    assert cli.main(["replay", str(path), "--against", str(again), "--differences", "1"]) == 1
    printed = capsys.readouterr()
    assert "LastQty: expected 40, got 50" in printed.out
    assert printed.out.endswith(" more\n")
    assert cli.main(["replay", str(path), "--against", str(again), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["same"], found["events"]) == (False, 5)
    assert {difference["client"] for difference in found["differences"]} == {"ALICE", "CAROL"}


def test_a_scenario_without_events_prints_what_comes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", str(EXAMPLES / "scenario_japannext_names.json")]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row.get("ExecType") for row in rows] == [None, "0", "5", "4"]


def test_a_scenario_is_played_on_the_exchange_that_runs(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(EXAMPLES / "scenario_japannext_names.json")
    assert cli.main(["replay", path, "--directory", str(exchange.directory), "--events"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert [row["name"] for row in exchange.list("endpoints")] == ["orders"]


def test_functions_are_found_by_their_mark_or_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, saved = tmp_path / "mine.py", tmp_path / "mine.toml"
    path.write_text(FUNCTIONS)
    for what, engine in ((f"{path}", "one"), (f"{path}:unmarked", "two")):
        assert cli.main(["replay", what, "--save", str(saved)]) == 0
        assert scenarios.load(saved).steps[0].arguments == {"name": engine}
    assert cli.main(["replay", f"{path}:missing"]) == 2
    assert "has no function 'missing'; marked are: first" in capsys.readouterr().err
    path.write_text(FUNCTIONS.replace("@scenario", ""))
    assert cli.main(["replay", str(path)]) == 2
    assert "must have one function that is marked by @scenario" in capsys.readouterr().err
    path.write_text("1 / 0")
    assert cli.main(["replay", str(path)]) == 2
    assert "cannot be loaded: ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["missing.toml", "missing.json", "missing.py"])
def test_what_is_no_scenario_has_exit_code_2(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", str(tmp_path / name)]) == 2
    assert "No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("steps", "code", "text"),
    [
        ("[]", 2, "it has no steps"),
        ('[{client = "A", endpoint = "x", do = "connect"}]', 1, "step 1: client A: there is no endpoint 'x'"),
    ],
)
def test_an_error_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], steps: str, code: int, text: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"steps = {steps}\n")
    assert cli.main(["replay", str(path)]) == code
    assert capsys.readouterr().err.endswith(f": {path}: {text}\n")


def test_what_cannot_be_recorded_has_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["record", str(tmp_path), "-o", str(tmp_path / "x.toml")]) == 1
    assert "holds no journal" in capsys.readouterr().err
    assert cli.main(["record", str(tmp_path), "-o", str(tmp_path / "x.txt")]) == 1
    assert "ends with one of .toml, .json" in capsys.readouterr().err


def test_a_stopped_exchange_is_recorded_from_its_directory(tmp_path: Path) -> None:
    with Exchange(directory=tmp_path / "kept", keep=True) as exchange:
        running = traded(exchange).recorded
        exchange.close_clients()
    stopped = record(tmp_path / "kept")
    assert stopped.events == running.events
    assert stopped.steps[: len(running.steps)] == running.steps
    assert {step.do for step in stopped.steps[len(running.steps) :]} <= {"disconnect"}


def test_following_ends_with_an_interrupt_and_writes_the_file(exchange: Exchange, tmp_path: Path) -> None:
    path = tmp_path / "live.toml"
    command = [sys.executable, "-m", "openoutcry", "record", str(exchange.directory), "-o", str(path), "--follow"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "until interrupted (Ctrl-C)" in process.stderr.readline()
        traded(exchange)
        newest = record(exchange)
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        assert (process.returncode, out.startswith(f"{path}: ")) == (0, True)
    found = scenarios.load(path)
    assert found.events == newest.events


# ------------------------------------------------------------------------------------------------- until
def test_only_what_happened_before_a_time(exchange: Exchange) -> None:
    exchange.clock.stop()
    with Theatre(exchange) as play:
        play.market()
        alice = play.client("ALICE", "orders")
        alice.order("A1", "buy", 100, "10.05")
        exchange.clock.advance(minutes=5)
        alice.order("A2", "buy", 40, "11")
        earlier = record(exchange, until=f"{exchange.clock.now:%Y-%m-%dT%H:%M:%S}")
    assert str(earlier.steps[-1]) == "ALICE: NewOrderSingle A1"


def test_there_is_a_limit_to_what_is_recorded(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    traded(exchange)
    monkeypatch.setattr(recording, "STEPS_MAX", 3)
    with pytest.raises(ScenarioError, match="more than 3 steps: record less of it"):
        record(exchange)


# ------------------------------------------------------------------------------------------------- the tail
def test_a_tail_reads_what_has_come_since_over_segments(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "none", segment_bytes=4_096)
    list(journal.recover())
    tail, seen, sequence = Tail(tmp_path), [], 0
    for size in (0, 10, 300, 3_000, 9_000, 1, 5_000_000, 2):
        for _ in range(3):
            sequence += 1
            journal.append(sequence, 1, sequence, 1, b"x" * size)
        seen += [turn.number for turn in tail.read()]
        assert seen == list(range(1, sequence + 1))
        assert list(tail.read()) == []
    assert len(list(tmp_path.glob("*.journal"))) > 3


def test_a_tail_of_nothing_begins_when_there_is_something(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    assert list(tail.read()) == []
    journal = Journal(tmp_path, "none")
    list(journal.recover())
    assert list(tail.read()) == []
    journal.append(1, 1, 1, 1, b"x")
    assert [turn.payload for turn in tail.read()] == [b"x"]
