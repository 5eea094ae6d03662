"""openoutcry agents: what it takes, whom it joins, how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openoutcry import Exchange, cli
from openoutcry.agents.command import Options, describe, kinds, run, wanted_prices
from openoutcry.agents.joining import VERSIONS, Place
from openoutcry.agents.prices import CENT
from openoutcry.agents.strategies import STRATEGIES, MarketMaker, make
from openoutcry.errors import ClusterError, VerbError


# ------------------------------------------------------------------------------------------------- the words
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("maker", {"maker": 1}),
        ("maker=2,zero,value=3", {"maker": 2, "zero": 1, "value": 3}),
        ("zero,zero=2", {"zero": 3}),
        ("maker=0,zero", {"maker": 0, "zero": 1}),
    ],
)
def test_kinds_of_agents(text: str, found: dict[str, int]) -> None:
    assert kinds(text) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "'' is not one of maker"), ("bull", "'bull' is not one of"), ("maker=x", "'maker=x'"),
     ("maker=-1", "not one of"), ("maker=0", "1 to 500 in all"),
     ("maker=501", "1 to 500"), ("maker=99999999", "not one of")],
)  # fmt: skip
def test_other_kinds_are_refused_with_what_there_is(text: str, says: str) -> None:
    with pytest.raises(VerbError, match=says):
        kinds(text)


def test_a_price_is_for_one_symbol_or_for_those_that_have_none() -> None:
    found = wanted_prices(["MSFT=constant:2", "constant:1"], ["AAPL", "MSFT"])
    assert {symbol: values["price"] // 10**8 for symbol, (_, values) in found.items()} == {"MSFT": 2, "AAPL": 1}
    assert wanted_prices([], ["AAPL"]) == {}
    with pytest.raises(VerbError, match="must be one of constant"):
        wanted_prices(["TSLA=constant:1"], ["AAPL"])


@pytest.mark.parametrize("kind", STRATEGIES)
def test_distances_grow_with_the_tick(kind: str) -> None:
    assert make(kind) == STRATEGIES[kind]()
    assert make(kind, 5 * CENT) != make(kind)
    assert make("maker", 5 * CENT) == MarketMaker(5 * CENT, 5, 5 * CENT, 25 * CENT, tick=5 * CENT)


def test_the_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["agents", "--help"])
    text = capsys.readouterr().out
    assert all(word in text for word in (*STRATEGIES, "walk:", "revert:", "replay:", "zmq:", "stdin", "--activity"))


@pytest.mark.parametrize("option", [["--position", "0"], ["--activity", "wild"], ["--seed", "x"]])
def test_a_wrong_option_is_a_wrong_command_line(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["agents", *option])
    assert option[0] in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------- the place
class Control:
    """A control client that knows what it is told."""

    def __init__(self, **rows: list[dict[str, Any]]) -> None:
        self.rows = {"endpoints": [], "books": [], "users": [], "sessions": [], **rows}
        self.calls: list[tuple[str, ...]] = []
        self.error: Exception | None = None
        self.timeout = 10.0

    def list(self, kind: str) -> list[dict[str, Any]]:
        return self.rows[kind]

    def create_user(self, name: str, password: str, endpoint: str) -> None:
        assert len(password) >= 8
        self.calls.append(("create", name, endpoint))

    def delete_user(self, name: str) -> None:
        self.calls.append(("delete", name))
        if self.error is not None and name == "AG0001":
            raise self.error


def endpoint(name: str, protocol: str = "ouch42", engine: str = "main", host: str = "127.0.0.1") -> dict[str, Any]:
    return {"name": name, "protocol": protocol, "engine": engine, "host": host, "port": 4000}


def book(symbol: str, engine: str = "main", **properties: str) -> dict[str, Any]:
    return {"symbol": symbol, "engine": engine, "properties": properties}


def place(control: Control, *arguments: Any) -> Place:
    return Place(control, *arguments)  # type: ignore[arg-type]  # it has what is needed


def test_a_place_is_all_of_one_engine_that_agents_can_speak() -> None:
    control = Control(
        endpoints=[
            endpoint("o"),
            endpoint("p", "mine"),
            endpoint("f", "fix42", host="0.0.0.0"),
            endpoint("x", engine="other"),
        ],
        books=[book("A"), book("B", "other"), book("C", tick_size="0.05")],
    )
    found = place(control)
    assert (found.engine, found.symbols, [row["name"] for row in found.endpoints]) == ("main", ["A", "C"], ["o", "f"])
    assert found.tick == 5 * CENT and place(control, (), ["A"]).tick == CENT
    assert place(control, ["x"]).symbols == ["B"]
    logins = found.join(3)
    assert [(one.host, one.user, one.password, one.version) for one in logins] == [
        ("127.0.0.1", "AG0001", "", ""), ("127.0.0.1", "AG0002", "", "FIX.4.2"), ("127.0.0.1", "AG0003", "", ""),
    ]  # fmt: skip
    assert control.calls == []


@pytest.mark.parametrize(
    ("error", "deleted"),
    [
        (None, ["AG0001", "AG0005"]),
        (VerbError("not_found", "name", "somebody else has"), ["AG0001", "AG0005"]),
        (ClusterError("the exchange is down: nobody would answer for the others either"), ["AG0001"]),
    ],
)
def test_users_are_made_where_there_are_some_and_deleted_again(error: Exception | None, deleted: list[str]) -> None:
    control = Control(
        endpoints=[endpoint("o"), endpoint("f", "fix")], books=[book("A")],
        users=[{"name": "AG0002", "endpoint": "o"}], sessions=[{"user": "FIX.4.4:DEMO->AG0003"}],
    )  # fmt: skip
    found = place(control)
    assert [(one.user, bool(one.password)) for one in found.join(3)] == [
        ("AG0001", True),
        ("AG0004", False),
        ("AG0005", True),
    ]
    control.error = error
    found.leave()
    found.leave()
    assert control.calls[:2] == [("create", "AG0001", "o"), ("create", "AG0005", "o")]
    assert control.calls[2:] == [("delete", name) for name in deleted]


@pytest.mark.parametrize(
    ("rows", "arguments", "says"),
    [
        ({}, (), "no endpoint that speaks"),
        ({"endpoints": [endpoint("o", "mine")]}, (), "no endpoint that speaks"),
        ({"endpoints": [endpoint("o")]}, (), "has no books"),
        ({"endpoints": [endpoint("o")], "books": [book("A")]}, (["x"],), "no endpoint 'x'; there are: o"),
        ({"endpoints": [endpoint("o")], "books": [book("A")]}, ((), ["X"]), "no symbol 'X'; there are: A"),
        (
            {"endpoints": [endpoint("o"), endpoint("p", engine="b")], "books": [book("A")]},
            (["o", "p"],),
            "different engines",
        ),
    ],
)
def test_where_agents_cannot_trade_it_says_what_there_is(rows: dict[str, Any], arguments: Any, says: str) -> None:
    with pytest.raises(VerbError, match=says):
        place(Control(**rows), *arguments)


def test_names_run_out() -> None:
    rows = [{"name": f"AG{number:04d}", "endpoint": ""} for number in range(1, 10_000)]
    with pytest.raises(VerbError, match="no names left"):
        place(Control(endpoints=[endpoint("o")], books=[book("A")], users=rows)).join(1)


def test_every_protocol_that_ships_is_spoken() -> None:
    assert set(VERSIONS) >= {"ouch42", "fix", "fix40", "fix44", "fix50sp2"}


# ------------------------------------------------------------------------------------------------- live
@pytest.fixture
def venue() -> Iterator[Exchange]:
    with Exchange() as exchange:
        exchange.create_engine("main")
        for symbol in ("AAPL", "MSFT"):
            exchange.create_book(symbol.lower(), "main", symbol)
        yield exchange


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(venue: Exchange) -> Iterator[Start]:
    """Start agents on the venue; whoever is still there at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(*options: str) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "openoutcry",
            "agents",
            "--directory",
            str(venue.directory),
            "--json",
            *options,
        ]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def executions(process: subprocess.Popen[str]) -> Callable[[int], None]:
    """A function that reads what the process shows until it counts so many executions."""

    def wait(count: int) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            shown = re.search(r"([0-9,]+) executions", line)
            if shown and int(shown[1].replace(",", "")) >= count:
                return
        raise AssertionError(f"it ended, with {process.wait()}")

    return wait


def end(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[int, str, str]:
    if number:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_agents_trade_over_ouch_and_every_fix_until_ctrl_c_and_leave_nothing_behind(
    venue: Exchange, start: Start
) -> None:
    for protocol in VERSIONS:
        venue.create_endpoint(protocol, "main", protocol)
    count = len(VERSIONS)
    process = start("--agents", f"maker={count},zero={count},value", "--activity", "fast")
    executions(process)(20)
    code, out, err = end(process)
    assert code == 0, err
    summary = json.loads(out)
    assert summary["executions"] >= 20 and summary["executions"] % 2 == 0
    assert (summary["rejected"], summary["all_answered"], summary["open_orders"]) == (0, True, 0)
    names = [*(f"{kind}{number}" for kind in ("maker", "zero") for number in range(1, count + 1)), "value1"]
    assert list(summary["positions"]) == names
    for symbol in ("AAPL", "MSFT"):
        assert sum(row.get(symbol, 0) for row in summary["positions"].values()) == 0
        assert venue.depth(symbol.lower())["bids"] == venue.depth(symbol.lower())["asks"] == []
    assert "maker1" in describe(summary) and "still open" not in describe(summary)


def test_on_an_endpoint_with_users_agents_get_users_of_their_own_for_the_time(venue: Exchange, start: Start) -> None:
    for name, protocol in (("orders", "ouch42"), ("fix", "fix"), ("old", "fix42")):
        venue.create_endpoint(name, "main", protocol)
    venue.create_user("alice", "secret")
    process = start("--agents", "maker=3,zero=3", "--activity", "fast", "--symbols", "AAPL", "--keep")
    executions(process)(4)
    assert sorted(row["name"] for row in venue.list("users")) == [
        *(f"AG000{number}" for number in range(1, 7)),
        "ALICE",
    ]
    code, out, err = end(process, signal.SIGTERM)
    assert code == 0, err
    assert [row["name"] for row in venue.list("users")] == ["ALICE"]
    assert json.loads(out)["open_orders"] > 0 and "still open" in describe(json.loads(out))


def test_agents_wait_for_the_first_price_of_a_stream(venue: Exchange, start: Start) -> None:
    venue.create_endpoint("orders", "main", "ouch42")
    process = start("--agents", "maker=2,zero", "--activity", "fast", "--prices", "stdin", "--symbols", "MSFT")
    executions(process)(0)
    assert process.stdin is not None
    process.stdin.write("rubbish\nMSFT 12.34\n")
    process.stdin.flush()
    with venue.market_data() as feed:
        feed.subscribe("MSFT")
        bbo = feed.wait_for(lambda: feed.book("MSFT").bbo.bid_price and feed.book("MSFT").bbo)
    assert abs(bbo.bid_price - 1_234_000_000) <= 20_000_000
    assert end(process)[0] == 0


@pytest.mark.parametrize("protocol", ["ouch42", "fix"])
def test_when_the_exchange_goes_away_it_says_so_and_ends(venue: Exchange, start: Start, protocol: str) -> None:
    venue.create_endpoint("orders", "main", protocol)
    process = start("--activity", "fast")
    executions(process)(0)
    venue.stop()
    code, out, err = end(process, 0)
    assert (code, out) == (1, "") and "Traceback" not in err
    assert err.splitlines()[-1].startswith("openoutcry: ")


def test_without_an_exchange_it_says_so(tmp_path: Any) -> None:
    with pytest.raises(ClusterError):
        run(Options(str(tmp_path), timeout=0.2))
