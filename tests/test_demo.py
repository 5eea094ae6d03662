"""The main job: a cluster, a live market, its picture, and a summary that is true."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.live import Live

from openoutcry import Exchange
from openoutcry.cli import main
from openoutcry.demo import describe
from openoutcry.demo_screen import Lines, Picture, figures
from openoutcry.market import Histogram

TALLY = {
    "orders": 1_000,
    "trades": 300,
    "executed_quantity": 5_000,
    "rejected": 0,
    "rtt_us": {"p50": 90.0, "p99": 200.0},
}


def demo(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "openoutcry", "demo", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_it_ends_by_itself_with_one_json_object_and_the_feed_agrees_with_the_book(tmp_path: Path) -> None:
    done = demo("--duration", "2", "--json", "--directory", str(tmp_path / "x"))
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["feed_matches_book"] is True and summary["all_answered"] is True
    assert summary["orders"] > 0 and summary["trades"] > 0 and summary["rejected"] == 0
    assert summary["seconds"] >= 2
    assert summary["executed_quantity"] >= summary["trades"]
    assert 0 < summary["rtt_us"]["p50"] <= summary["rtt_us"]["p99"]
    assert summary["orders_per_second"] == pytest.approx(summary["orders"] / summary["seconds"], rel=0.01)
    assert "ready after" in done.stderr and "OUCH 4.2" in done.stderr
    again = demo("--duration", "1", "--directory", str(tmp_path / "x"))
    assert again.returncode == 0, again.stderr
    assert "the feed's books equal the matcher's" in again.stdout


def test_it_leaves_an_exchange_alone_that_runs_or_is_not_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Exchange(directory=tmp_path) as exchange:
        exchange.create_engine("main")
        assert main(["demo", "--directory", str(tmp_path), "--duration", "1"]) == 1
        assert "an exchange runs in" in capsys.readouterr().err
        assert [row["name"] for row in exchange.list("engines")] == ["main"] and exchange.status()["ready"]
    assert main(["demo", "--directory", str(tmp_path), "--duration", "1"]) == 1
    said = capsys.readouterr()
    assert "is not the demo's: it has the engine 'main'" in said.err and said.out.endswith("stopped\n")


def test_the_picture_shows_every_symbol_its_ladder_and_where_to_connect() -> None:
    with Exchange() as exchange:
        exchange.create_engine("main")
        for symbol in ("AAPL", "MSFT"):
            exchange.create_book(symbol.lower(), "main", symbol)
        endpoint = exchange.create_endpoint("orders", "main", "ouch42")
        with exchange.ouch_client(endpoint) as client, exchange.market_data() as feed:
            for symbol in ("AAPL", "MSFT"):
                feed.subscribe(symbol)
            client.enter("AAPL", "B", 300, "99.50")
            feed.wait_for(lambda: feed.book("AAPL").bids)
            console = Console(width=160, height=50, record=True, file=io.StringIO())
            picture = Picture(Live(console=console), ["OUCH 4.2   127.0.0.1:1"], ("AAPL", "MSFT"))
            console.print(picture.draw(TALLY, feed, 10.0))
            text = console.export_text()
            small = Console(width=60, height=24, record=True, file=io.StringIO())
            picture = Picture(Live(console=small), ["OUCH 4.2   127.0.0.1:1"], ("AAPL", "MSFT"))
            small.print(picture.draw(TALLY, feed, 10.0))
            less = small.export_text()
    assert "AAPL" in less and "99.50" in less and "(no room for MSFT)" in " ".join(less.split())
    for expected in ("OUCH 4.2   127.0.0.1:1", "AAPL", "MSFT", "99.50", "300", "1,000 orders (100/s)", "p99 200 us"):
        assert expected in text


def test_without_a_terminal_there_are_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Exchange() as exchange:
        exchange.create_engine("main")
        exchange.create_book("aapl", "main", "AAPL")
        with exchange.market_data() as feed:
            feed.subscribe("AAPL")
            feed.wait_live("AAPL")
            Lines(("AAPL",)).show(TALLY, feed, 2.0)
    assert capsys.readouterr().out == figures(TALLY, 2.0) + "  AAPL -/-\n"


def test_the_summary_shouts_when_the_feed_is_wrong() -> None:
    summary = {**TALLY, "seconds": 2.0, "orders_per_second": 500.0, "messages_per_second": 900.0}
    assert "DIFFERS" in describe({**summary, "feed_matches_book": False})
    assert "equal the matcher's" in describe({**summary, "feed_matches_book": True})


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=200), st.sampled_from((50, 99)))
def test_a_histograms_percentile_is_within_its_step(values: list[int], percent: int) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[max(0, -(-len(values) * percent // 100) - 1)] / 1e3
    assert exact * 31 / 32 <= histogram.percentile_us(percent) <= exact
