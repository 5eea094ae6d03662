"""``openoutcry watch``: the picture is a pure function of a View; running it against a publisher ends as it should."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from openoutcry import feed, watch, wire
from openoutcry.feed import Auction, Bbo, Stats, Trade
from openoutcry.watch import (
    Meter,
    Rates,
    View,
    auction_text,
    bar,
    clock,
    phase_line,
    plain_line,
    render,
    spread_text,
    trade_line,
)
from tests.marketdata_world import T0, Venue, book_set, venue

P = 1_000_000  # one hundredth
EXAMPLE = View(
    "AAPL", "main", "open", bids=((18_500 * P, 300, 2), (18_499 * P, 1_200, 5)), asks=((18_503 * P, 600, 1),),
    stats=Stats(18_450 * P, 18_510 * P, 18_400 * P, 18_502 * P, 12_345, 78, "1", 1),
    trades=(Trade(1, 18_501 * P, 40, wire.SELL, 9, T0), Trade(2, 18_502 * P, 70, wire.BUY, 9, T0 + 10**9)),
    rates=Rates(1_234.4, 5_678, 90),
)  # fmt: skip


def drawn(view: View, width: int = 110, **options: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(render(view, **options))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_the_ladder_has_asks_above_bids_and_sizes_on_their_sides() -> None:
    lines = [" ".join(line.split()) for line in drawn(EXAMPLE, levels=2, trades=5)]
    assert lines[0].startswith("╭─ AAPL open ──")
    assert lines[1] == "│ 185.02 ▲ +0.28% high 185.10 low 184.00 volume 12,345 trades 78 │"
    assert lines[3:9] == [
        "│ bid size price ask size time trade size │",
        "│ 22:13:21.000 ▲ 185.02 70 │",
        "│ 185.03 600 ███████ 22:13:20.000 ▼ 185.01 40 │",
        "│ 0.03 (1.6 bp) │",
        "│ ▐███ 300 185.00 │",
        "│ ██████████████ 1,200 184.99 │",
    ]
    assert "1,234 messages/s 5,678 changes/s 90 trades/s gaps 0" in lines[9]


@pytest.mark.parametrize("phase", sorted(feed.COLLECTING))
def test_while_orders_are_collected_the_auction_is_shown(phase: str) -> None:
    view = replace(EXAMPLE, phase=phase, text="timetable", auction=Auction(0, 18_502 * P, 500, wire.BUY, 1_200))
    lines = [" ".join(line.split()) for line in drawn(view, levels=2, trades=5)]
    assert lines[0].startswith(f"╭─ AAPL {phase} timetable ──")
    assert lines[1] == "│ indicative 185.02 quantity 500 imbalance buy 1,200 │"
    assert lines[2].startswith("│ 185.02 ▲ +0.28%")
    assert "indicative" not in "\n".join(drawn(replace(view, phase="open")))


def test_the_auction_in_words() -> None:
    assert auction_text(Auction()) == auction_text(Auction(1, 50 * P, 7, 0, 0)) == "no indicative price"
    assert auction_text(Auction(0, 50 * P, 7, 0, 0)) == "indicative 0.50  quantity 7  imbalance none"
    assert auction_text(Auction(0, 50 * P, 7, wire.SELL, 3), 3) == "indicative 0.500  quantity 7  imbalance sell 3"
    assert phase_line("AAPL", "halted", "news", Auction()) == "AAPL  halted (news)"
    assert phase_line("AAPL", "pre_open", "", Auction()) == "AAPL  pre_open  no indicative price"


def test_trades_of_an_auction_have_no_side() -> None:
    view = replace(EXAMPLE, trades=(Trade(3, 18_501 * P, 40, 0, 0, T0),))
    assert "= 185.01" in "\n".join(drawn(view))
    assert trade_line("AAPL", view.trades[0]) == "AAPL  22:13:20.000      40 @ 185.01  #3"


def test_a_narrow_picture_has_the_trades_below() -> None:
    lines = drawn(EXAMPLE, width=50, levels=2)
    assert {len(line) for line in lines} == {50}
    price = next(n for n, line in enumerate(lines) if "184.99" in line)
    trade = next(n for n, line in enumerate(lines) if "22:13:20" in line)
    assert trade > price


def test_a_narrow_picture_cuts_nothing_off() -> None:
    lines = drawn(EXAMPLE, width=36, levels=2, trades=2)
    assert [" ".join(line.split()) for line in lines] == [
        "╭─ AAPL open ───────────────────╮",
        "│ 185.02 ▲ +0.28% volume 12,345 │",
        "│ │",
        "│ bid price ask │",
        "│ │",
        "│ 185.03 600 █ │",
        "│ 0.03 │",
        "│ ▐ 300 185.00 │",
        "│ ██ 1,200 184.99 │",
        "│ │",
        "│ time trade size │",
        "│ 22:13:21.000 ▲ 185.02 70 │",
        "│ 22:13:20.000 ▼ 185.01 40 │",
        "╰─────── 1,234 messages/s gaps 0 ─╯",
    ]


def test_colours_say_the_direction() -> None:
    console = Console(file=io.StringIO(), width=110, force_terminal=True, color_system="standard")
    console.print(render(EXAMPLE))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "\x1b[32m▲ 185.02" in text and "\x1b[31m▼ 185.01" in text


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View("X"), "no trades yet"), (View("X", phase="halted", text="news"), "halted  news"),
        (View("X", live=False), "waiting for a snapshot"), (View("X", gaps=3), "gaps 3"),
        (View("X", bids=((1, 5, 1),)), "0.00000001"), (View("X", stats=Stats(last=5 * P)), "0.05"),
    ],
)  # fmt: skip
def test_everything_unusual_is_shown(view: View, expected: str) -> None:
    assert expected in "\n".join(drawn(view))


SIDE = st.lists(st.tuples(st.integers(0, 10**17), st.integers(0, 2**64), st.integers(0, 9)), max_size=12).map(tuple)


@settings(max_examples=50)
@given(bids=SIDE, asks=SIDE, width=st.integers(36, 130), levels=st.integers(0, 12), trades=st.integers(0, 30))
def test_any_book_can_be_drawn(bids: watch.Side, asks: watch.Side, width: int, levels: int, trades: int) -> None:
    lines = drawn(
        View("X", phase="open", bids=bids, asks=asks, trades=EXAMPLE.trades), width, levels=levels, trades=trades
    )
    assert all(len(line) <= width for line in lines)


def test_bars_grow_towards_their_side() -> None:
    assert [bar(n, 8, 1) for n in (0, 1, 4, 8)] == ["▏", "▏", "▌", "█"]
    assert [bar(n, 8, 1, left=True) for n in (1, 4, 8)] == ["▐", "▐", "█"]
    assert bar(3, 4, 10) == "███████▌" and bar(3, 4, 10, left=True) == "▐███████"


def test_lines_for_pipes() -> None:
    stats = Stats(last=18_502 * P, volume=12_345)
    assert plain_line("AAPL", Bbo(18_500 * P, 300, 18_503 * P, 1_600), stats).split() == (
        ["AAPL", "300", "@", "185.00", "|", "185.03", "@", "1,600", "last", "185.02", "volume", "12,345"]
    )
    assert plain_line("AAPL", Bbo(), Stats()).split() == ["AAPL", "-", "|", "-", "last", "-", "volume", "0"]
    assert trade_line("AAPL", EXAMPLE.trades[0]) == "AAPL  22:13:20.000 sell 40 @ 185.01  #1"
    assert clock(T0 + 123_999_999) == "22:13:20.123"
    assert spread_text(View("X")) == "·"


def test_rates_are_taken_over_the_last_seconds() -> None:
    meter = Meter()
    counters = {"messages": 0, "changes": 0, "trades": 0}
    assert meter.take(0.0, counters) == Rates()
    for second in range(1, 11):
        counters = {"messages": 10 * second, "changes": 20 * second, "trades": second}
        rates = meter.take(float(second), counters)
    assert rates == Rates(10.0, 20.0, 1.0)


# ------------------------------------------------------------------------------------------------- running
@pytest.fixture(scope="module")
def place() -> object:
    with venue() as made:
        made.matcher.publish((book_set(), (wire.ADDED, 1, 1, 1, 100, 18_500 * P), (wire.ADDED, 1, 2, 2, 70, 18_503 * P),
                              (wire.TRADED, 1, 2, 20, 18_503 * P, 1, 1, 50)), T0)  # fmt: skip
        made.matcher.publish((book_set(2, "call", "main", "CALL"), (wire.STATUS, 2, wire.PHASE_PRE_OPEN, "timetable"),
                              (wire.ADDED, 2, 3, 1, 100, 18_500 * P), (wire.ADDED, 2, 4, 2, 70, 18_490 * P),
                              (wire.INDICATIVE, 2, 18_500 * P, 70, wire.BUY, 30)), T0)  # fmt: skip
        made.start()
        yield made


def addresses(place: Venue) -> tuple[str, str]:
    facts = place.directory.announced("marketdata")
    return facts["feed"], facts["snapshot"]


def ran(place: Venue, symbol: str = "AAPL", terminal: bool = False, **options: object) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=100, height=30, force_terminal=terminal, color_system=None)
    code = watch.run(symbol, *addresses(place), console=console, **options)  # type: ignore[arg-type]  # of a test
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def test_once_prints_the_book_and_ends(place: Venue) -> None:
    code, text = ran(place, once=True)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert code == 0 and lines == [
        "AAPL 100 @ 185.00 | 185.03 @ 50 last 185.03 volume 20", "ask 185.03 50 1", "bid 185.00 100 1",
        "AAPL 22:13:20.000 buy 20 @ 185.03 #1",
    ]  # fmt: skip
    code, text = ran(place, terminal=True, once=True)
    assert code == 0 and "╭─  AAPL  open" in text


def test_for_a_while_as_lines_and_as_pictures(place: Venue) -> None:
    code, text = ran(place, duration=0.05)
    assert code == 0 and [line.split()[0] for line in text.splitlines()] == ["AAPL", "AAPL"]
    code, text = ran(place, terminal=True, duration=0.15)
    assert code == 0 and text.count("╭─  AAPL") >= 1 and "\x1b[?1049l" in text  # the screen is given back


def test_an_auction_as_lines_and_as_a_picture(place: Venue) -> None:
    code, text = ran(place, "CALL", once=True)
    assert code == 0 and [" ".join(line.split()) for line in text.splitlines()][:2] == [
        "CALL 100 @ 185.00 | 184.90 @ 70 last - volume 0",
        "CALL pre_open (timetable) indicative 185.00 quantity 70 imbalance buy 30",
    ]
    code, text = ran(place, "CALL", duration=0.05)
    assert code == 0 and text.splitlines()[0].startswith("CALL  pre_open (timetable)  indicative 185.00")
    code, text = ran(place, "CALL", terminal=True, once=True)
    assert code == 0 and "indicative 185.00  quantity 70  imbalance buy 30" in text


def test_an_unknown_symbol_says_what_there_is(
    place: Venue, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "JOIN_S", 0.5)
    assert ran(place, "NONE")[0] == 1
    assert "no symbol 'NONE'; there are: AAPL, CALL" in capsys.readouterr().err


def test_nothing_there_is_said(
    tmp_path: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "JOIN_S", 0.1)
    assert watch.run("AAPL", f"ipc://{tmp_path}/f", f"ipc://{tmp_path}/s") == 1
    assert "does the publisher run?" in capsys.readouterr().err


def test_ctrl_c_ends_it_cleanly(place: Venue) -> None:
    code = "import sys; from openoutcry.watch import run; sys.exit(run(*sys.argv[1:]))"
    command = [sys.executable, "-c", code, "AAPL", *addresses(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        killer = threading.Timer(20, process.kill)
        killer.start()
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait() == 0 and process.stderr.read() == ""
        killer.cancel()
