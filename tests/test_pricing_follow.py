"""A book's price follows a source: rows, files, streams, walks; in the background, and on the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
from pyarrow import parquet

from openoutcry import Exchange
from openoutcry.agents.following import Follower, Source, Ticker, source_of
from openoutcry.agents.prices import Board, Constant, RandomWalk, Replay
from openoutcry.errors import ClientError, VerbError

SECOND_NS = 10**9
ROWS: list[tuple[Any, Any]] = [(0, "10"), (1, "10.5"), ("1.5", 10), (2.25, "11")]
CSV = "time,symbol,price\n0,AAPL,10\n0,MSFT,99\n1000000,AAPL,10.5\n2000000,AAPL,10.25\n"


def played(source: Source, times: list[float]) -> tuple[list[str], int]:
    """What is set when somebody looks at these seconds; and how many prices were passed over."""
    found: list[str] = []
    follower = Follower(source, found.append)
    for seconds in times:
        source.poll()
        follower.look(int(seconds * SECOND_NS))
    return found, follower.passed_over


# ------------------------------------------------------------------------------------------------- by the clock
def test_rows_are_played_at_their_times() -> None:
    assert played(source_of(ROWS, "X"), [0, 0.9, 1, 1.2, 1.5, 2, 2.3]) == (
        ["10.0000", "10.5000", "10.0000", "11.0000"],
        0,
    )


def test_rows_are_played_at_a_speed_and_again() -> None:
    assert played(source_of(ROWS, "X", speed=2), [0, 0.5, 0.75, 1.125]) == (
        ["10.0000", "10.5000", "10.0000", "11.0000"], 0,
    )  # fmt: skip
    assert played(source_of(ROWS, "X", loop=True), [0, 1, 2.2, 2.25, 3.25])[0] == [
        "10.0000", "10.5000", "10.0000", "10.5000",
    ]  # fmt: skip


def test_who_is_late_sets_the_newest_price_and_counts_the_others() -> None:
    assert played(source_of(ROWS, "X"), [0, 5]) == (["10.0000", "11.0000"], 2)


def test_when_to_look_again() -> None:
    rows, walk = source_of(ROWS, "X", speed=2), source_of("walk:10,every_ms=100", "X")
    assert [rows.next_ns(int(seconds * SECOND_NS)) for seconds in (0, 0.1, 0.5, 1, 1.125)] == [
        SECOND_NS // 2, SECOND_NS // 2, SECOND_NS * 3 // 4, 1_125_000_000, None,
    ]  # fmt: skip
    assert [walk.next_ns(ms * 10**6) for ms in (0, 99, 100)] == [10**8, 10**8, 2 * 10**8]
    assert Source(Constant(5)).next_ns(0) is None
    again = Replay([(0, 1), (10, 2), (15, 3)], loop=True)
    assert [again.next_ns(ns) for ns in (0, 9, 10, 14, 15, 30)] == [10, 10, 15, 15, 25, 40]
    assert [again.moves(0, ns) for ns in (9, 10, 15, 26)] == [0, 1, 3, 4]


def test_lines_of_one_symbol_may_leave_it_out() -> None:
    board = Ticker("AAPL")
    for line in (b"150.25\n", b"AAPL 150.50", "AAPL 150 151", b'{"symbol":"AAPL","price":"151"}'):
        assert board.take(line)
    assert not any(board.take(line) for line in (b"MSFT 1", b"what", b"-1", b"1 2 3 4", b"\xff", b""))
    assert board.prices["AAPL"].at(0) == 1_510_000


def test_a_feed_that_has_ended_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    source = Source((board := Ticker("X")).prices["X"], [Given(board, [b"1", b"2", b"3"])])
    follower = Follower(source, found.append)
    follower.run(threading.Event())
    assert (found, follower.passed_over) == (["3.0000"], 2)


class Given:
    """A feed that has all its lines at once, and ends."""

    def __init__(self, board: Board, lines: list[bytes]) -> None:
        self.board = board
        self.ended = threading.Event()
        self._lines = lines

    def poll(self) -> int:
        lines, self._lines = self._lines, []
        for line in lines:
            self.board.take(line)
        self.ended.set()
        return len(lines)

    def close(self) -> None:
        """Nothing."""


@pytest.mark.parametrize(("what", "options", "error"), [
    ("fly:1", {}, VerbError), ("replay:none.csv", {}, ClientError), (Path("none.csv"), {}, ClientError),
    ([], {}, ClientError), ([(1, "x")], {}, ClientError), ([(1,)], {}, ClientError), ([("a", 1)], {}, ClientError),
    ([(2, 1), (1, 1)], {}, ClientError), ([(1, -1)], {}, ClientError), (ROWS, {"speed": 0}, VerbError),
    (ROWS, {"speed": "fast"}, VerbError), (ROWS, {"speed": 1e9}, VerbError), (ROWS, {"speed": float("nan")}, VerbError),
])  # fmt: skip
def test_what_is_no_source_is_refused(what: Any, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        source_of(what, "X", **options)


# ------------------------------------------------------------------------------------------------- in the background
@pytest.fixture
def book(exchange: Exchange) -> Any:
    exchange.create_engine("main")
    return exchange.create_book("aapl", "main", "AAPL")


def test_a_price_follows_rows_and_files_and_market_makers_follow_it(
    exchange: Exchange, book: Any, tmp_path: Path
) -> None:  # fmt: skip
    exchange.add_policy("main", "maker", "market-maker", "spread=0.02")
    assert exchange.prices(book, [(0, "10"), ("0.01", "11")]).wait(10) == 2
    assert book.describe()["price"] == "11"
    assert exchange.depth("aapl")["bids"] == [["10.99", 100, 1]]
    (tmp_path / "a.csv").write_text(CSV)
    assert book.prices(tmp_path / "a.csv", speed="0.5").wait(10) >= 1
    assert book.describe()["price"] == "10.25"


def test_a_price_follows_quotes_in_a_parquet_file(book: Any, tmp_path: Path) -> None:
    table = arrow.table({"time": [0, 1_000], "bid": ["20", "21"], "ask": ["20.5", "21.5"]})
    parquet.write_table(table, tmp_path / "a.parquet")
    with book.prices(tmp_path / "a.parquet") as following:
        assert following.wait(10) >= 1 and following.price == "21.2500" and not following.running
    assert book.describe()["price"] == "21.25"


def test_a_walk_goes_on_until_it_is_closed(exchange: Exchange, book: Any) -> None:
    with exchange.prices(book, "walk:100,step=0.5,every_ms=1", seed=7) as following:
        watcher = exchange.market_data()
        assert watcher is not None
        while following.count < 5:
            threading.Event().wait(0.002)
        assert following.running
        with pytest.raises(ClientError, match="have not ended"):
            following.wait(0.001)
    price = book.describe()["price"]
    assert not following.running and float(following.price) == float(price) != 100
    exchange.prices(book, RandomWalk(1_000_000))
    exchange.reset()
    assert exchange.list("books") == []


def test_a_publisher_is_followed(exchange: Exchange, book: Any) -> None:
    import zmq

    with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        with exchange.prices(book, f"zmq:tcp://127.0.0.1:{port}") as following:
            publisher.recv()  # it has subscribed
            publisher.send(b"AAPL 150.20 150.30")
            while not following.count:
                threading.Event().wait(0.002)
    assert book.describe()["price"] == "150.25"


def test_a_book_that_goes_away_ends_it_with_an_error(exchange: Exchange, book: Any) -> None:
    following = exchange.prices(book, "walk:100,every_ms=1")
    book.delete()
    with pytest.raises(VerbError, match="no book 'aapl'"):
        following.wait(10)


# ------------------------------------------------------------------------------------------------- the command
def command(exchange: Exchange, *words: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "openoutcry", "prices", "aapl", *words, "--directory", str(exchange.directory)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def test_a_file_on_the_command_line(exchange: Exchange, book: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    made = command(exchange, "--csv", str(tmp_path / "a.csv"), "--speed", "0.1", "--json")
    out, err = made.communicate(timeout=30)
    summary = json.loads(out)
    assert made.returncode == 0 and " s  aapl 10.0000  1 price set" in err
    assert (summary["book"], summary["price"]) == ("aapl", "10.2500")
    assert summary["prices"] + summary["passed_over"] == 3 and summary["lines_ignored"] == 0
    assert book.describe()["price"] == "10.25"


def test_standard_input_on_the_command_line(exchange: Exchange, book: Any) -> None:
    made = command(exchange, "stdin", stdin=subprocess.PIPE)
    out, err = made.communicate("150.25\nMSFT 3\n", timeout=30)
    assert (made.returncode, err) == (0, "") and book.describe()["price"] == "150.25"
    assert out.splitlines()[-1].startswith("aapl: 1 price set in ") and out.endswith(
        "ones were there, 1 line ignored\n"
    )


def test_it_ends_after_a_while(exchange: Exchange, book: Any) -> None:
    made = command(exchange, "revert:100,every_ms=1", "--duration", "0.05", "--seed", "3", "--json")
    out, _ = made.communicate(timeout=30)
    assert made.returncode == 0 and json.loads(out)["prices"] >= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_with_a_summary(exchange: Exchange, book: Any, number: int) -> None:
    made = command(exchange, "walk:100,every_ms=1")
    assert made.stdout is not None
    assert "aapl 100.0000  1 price set" in made.stdout.readline()
    made.send_signal(number)
    out, err = made.communicate(timeout=30)
    assert (made.returncode, err) == (0, "") and " set in " in out


@pytest.mark.parametrize(("words", "code", "says"), [
    ((), 2, "say one thing to follow"), (("walk:1", "--stdin"), 2, "say one thing to follow"),
    (("fly:1",), 2, "the kind must be one of constant"), (("--csv", "/none"), 1, "cannot read /none"),
    (("--csv", "/none", "--speed", "x"), 2, "speed is 'x'"),
])  # fmt: skip
def test_a_wrong_command_line_says_what_would_be_right(
    exchange: Exchange, book: Any, words: tuple[str, ...], code: int, says: str
) -> None:  # fmt: skip
    made = command(exchange, *words)
    _, err = made.communicate(timeout=30)
    assert (made.returncode, says in err, err.count("\n")) == (code, True, 1)


def test_a_book_that_is_not_there_is_said(exchange: Exchange) -> None:
    made = command(exchange, "walk:100", "--duration", "5")
    _, err = made.communicate(timeout=30)
    assert (made.returncode, err) == (1, "openoutcry: unknown_name (name): there is no book 'aapl'\n")
