"""Prices: by themselves, out of files, from outside; and the words that name them."""

from __future__ import annotations

import io
import sys
from itertools import pairwise
from pathlib import Path

import pyarrow as arrow
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from openoutcry.agents import pricewords
from openoutcry.agents.pricefeeds import LinePrices, ZmqPrices
from openoutcry.agents.pricefiles import read_rows, rows_of, time_of
from openoutcry.agents.prices import (
    CENT,
    EVERY_NS,
    HIGH,
    SPEED_UNIT,
    Board,
    Constant,
    MeanReverting,
    Prices,
    RandomWalk,
    Replay,
    price_of,
    price_text,
)
from openoutcry.errors import ClientError, VerbError

S = 1_000_000_000


def walk(seed: int) -> Prices:
    return RandomWalk(1_000_000, seed)


def revert(seed: int) -> Prices:
    return MeanReverting(1_000_000, seed, start=1_050_000)


# ------------------------------------------------------------------------------------------------- by themselves
def test_a_constant_price_stays_until_it_is_set() -> None:
    price = Constant(1_502_500)
    assert price.at(0) == price.at(S) == 1_502_500
    price.set(1_600_000)
    assert price.at(S) == 1_600_000


@pytest.mark.parametrize("price", [-1, HIGH + 1])
def test_a_price_outside_the_range_is_refused(price: int) -> None:
    with pytest.raises(ClientError):
        Constant(price)


@given(st.integers(0, 2**63), st.lists(st.integers(0, 100 * EVERY_NS), max_size=20), st.sampled_from((walk, revert)))
def test_a_path_depends_on_the_seed_and_the_time_alone(seed: int, times: list[int], make: type[Prices]) -> None:
    often, once = make(seed), make(seed)  # type: ignore[call-arg]  # both take a seed
    last = max(times, default=0)
    for now in sorted(times):
        often.at(now)
    assert often.at(last) == once.at(last)


@given(st.integers(0, 10**6), st.integers(0, 3 * CENT))
def test_a_walk_moves_by_a_step_or_not_and_stays_within_its_limits(seed: int, step: int) -> None:
    price = RandomWalk(1_000_000, seed, step, EVERY_NS, 999_000, 1_001_000)
    path = [price.at(number * EVERY_NS) for number in range(200)]
    assert all(abs(b - a) <= step for a, b in pairwise(path))
    assert min(path) >= 999_000 and max(path) <= 1_001_000


def test_two_seeds_walk_two_paths() -> None:
    paths = [
        [price.at(number * EVERY_NS) for number in range(50)] for price in (RandomWalk(10**6, 1), RandomWalk(10**6, 2))
    ]
    assert paths[0] != paths[1]


def test_what_reverts_comes_back_to_its_mean_and_stays_around_it() -> None:
    price = MeanReverting(1_000_000, 3, CENT, EVERY_NS, 100, 1_500_000)
    path = [price.at(number * EVERY_NS) for number in range(2_000)]
    assert path[0] == 1_500_000
    assert all(abs(at - 1_000_000) <= 20 * CENT for at in path[200:])


@pytest.mark.parametrize("pull", [-1, 1_001])
def test_a_pull_is_a_part_of_the_distance(pull: int) -> None:
    with pytest.raises(ClientError, match="thousandths"):
        MeanReverting(1_000_000, pull=pull)


def test_a_price_that_starts_outside_its_limits_is_refused() -> None:
    with pytest.raises(ClientError, match="starts at"):
        RandomWalk(1_000, low=2_000)


@given(st.integers(1, HIGH))
def test_prices_go_to_text_and_back(price: int) -> None:
    assert price_of(price_text(price)) == price


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "nan", "inf", "1e9", "1e-9", "1" * 50, "200000", "1e999999999"])
def test_what_is_not_a_price_is_refused(text: str) -> None:
    with pytest.raises(ClientError, match="not a price"):
        price_of(text)


# ------------------------------------------------------------------------------------------------- replay
ROWS = ((10 * S, 100), (11 * S, 200), (13 * S, 300))


def test_a_replay_begins_with_its_first_row_and_keeps_the_last() -> None:
    replay = Replay(ROWS)
    assert [replay.at(half * S // 2) for half in range(9)] == [100, 100, 200, 200, 200, 200, 300, 300, 300]


def test_a_replay_goes_at_its_speed_and_can_begin_again() -> None:
    assert [Replay(ROWS, 2 * SPEED_UNIT).at(half * S // 2) for half in range(4)] == [100, 200, 200, 300]
    assert [Replay(ROWS, loop=True).at(second * S) for second in range(7)] == [100, 200, 200, 100, 200, 200, 100]


def test_there_must_be_something_to_replay_at_some_speed() -> None:
    with pytest.raises(ClientError, match="nothing to replay"):
        Replay(())
    with pytest.raises(ClientError, match="speed"):
        Replay(ROWS, 0)


def test_trades_of_one_symbol_come_out_of_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text("Time,Symbol,Price\n1,AAPL,150.25\n2,MSFT,300\n\n3,AAPL,150.26005\n")
    assert list(read_rows(path, "AAPL")) == [(1, 1_502_500), (3, 1_502_600)]
    assert [row[0] for row in read_rows(path)] == [1, 2, 3]


def test_of_quotes_the_middle_is_taken() -> None:
    table = (("timestamp", "bid", "ask", "size"), ("2026-01-31T09:30:00.5Z", "10.00", "10.02", "1"))
    assert list(rows_of(table)) == [(1_769_851_800_500_000_000, 100_100)]


@pytest.mark.parametrize(
    ("text", "ns"),
    [("17", 17), ("1.5", 1_500_000_000), ("1970-01-01T00:00:01.000000001", S + 1), ("1970-01-01 01:00:00+01:00", 0)],
)
def test_a_time_is_ns_or_seconds_or_iso(text: str, ns: int) -> None:
    assert time_of(text) == ns


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs a column"),
        ("price\n1\n", "needs a column time"),
        ("time,bid\n1,1\n", "and price, or bid and ask"),
        ("time,price\n1,2\n3\n", "row 3: a column is missing"),
        ("time,price\nnoon,2\n", "row 2: 'noon' is not a time"),
        ("time,price\n2026-13-01T00:00:00,2\n", "row 2: .* is not a time"),
        ("time,price\n1,x\n", "row 2: 'x' is not a price"),
        ("time,price\n2,1\n1,1\n", "row 3: its time is before"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_by_its_row(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(ClientError, match=says):
        list(read_rows(path))


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_one_error(data: bytes) -> None:
    try:
        list(rows_of([line.split(",") for line in data.decode("latin-1").splitlines()]))
    except ClientError:
        pass


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"cannot read .*none\.csv"):
        list(read_rows(tmp_path / "none.csv"))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    with pytest.raises(ClientError, match=r"openoutcry\[parquet\]"):
        list(read_rows(tmp_path / "x.parquet"))


def test_parquet_is_read_with_pyarrow(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    times = arrow.array([S // 1_000, 2 * S // 1_000], arrow.timestamp("us"))
    parquet.write_table(arrow.table({"Time": times, "price": [10.05, 1e-3], "symbol": ["A", "A"]}), path)
    assert list(read_rows(path, "A")) == [(S, 100_500), (2 * S, 10)]
    path.write_bytes(b"no parquet")
    with pytest.raises(ClientError, match="cannot read"):
        list(read_rows(path))


# ------------------------------------------------------------------------------------------------- from outside
@pytest.mark.parametrize(
    "line",
    ["AAPL 150.25", b" AAPL  150.25\n", "AAPL 150.20 150.30", '{"symbol": "AAPL", "price": "150.25"}',
     '{"symbol": "AAPL", "price": 150.25}', b'{"symbol": "AAPL", "bid": 150.2, "ask": 150.3}'],
)  # fmt: skip
def test_a_line_tells_a_price(line: bytes | str) -> None:
    board = Board(("AAPL",))
    assert board.prices["AAPL"].at(0) == 0, "none yet"
    assert board.take(line) and board.prices["AAPL"].at(0) == 1_502_500


@pytest.mark.parametrize(
    "line",
    ["", "AAPL", "AAPL x", "AAPL 1 2 3", "{", "[]", '{"symbol": "AAPL"}', "{}", b"\xff 1", "AAPL 1" + " " * 1_000,
     "AAPL -1", '{"symbol": "AAPL", "price": NaN}', '{"symbol": "AAPL", "price": {"a": 1}}', '{"a":' * 150],
)  # fmt: skip
def test_any_other_line_is_counted_and_changes_nothing(line: bytes | str) -> None:
    board = Board(("AAPL",))
    assert not board.take(line)
    assert (board.taken, board.refused, board.others, board.prices["AAPL"].at(0)) == (0, 1, 0, 0)


@given(st.binary(max_size=100))
def test_no_line_raises(line: bytes) -> None:
    Board(("AAPL",)).take(line)
    Board(("AAPL",)).take(b"{" + line)


def test_other_symbols_are_passed_over() -> None:
    board = Board(("AAPL",))
    assert not board.take("MSFT 1") and board.others == 1


def test_a_publisher_is_followed(tmp_path: Path) -> None:
    board = Board(("AAPL",))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = context.socket(zmq.XPUB)
    address = f"ipc://{tmp_path}/prices"
    publisher.bind(address)
    feed = ZmqPrices(address, board)
    try:
        assert publisher.poll(10_000) and publisher.recv() == b"\x01"
        for message in ([b"AAPL", b"AAPL 1.5"], [b"rubbish"], [b"AAPL 1.75"]):
            publisher.send_multipart(message)
        left = 3
        while left:
            assert feed._socket.poll(10_000)
            left -= feed.poll()
        assert (board.taken, board.refused, board.prices["AAPL"].at(0)) == (2, 1, 17_500)
    finally:
        feed.close()
        publisher.close(0)
        context.term()


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ClientError, match="cannot connect to 'nowhere'"):
        ZmqPrices("nowhere", Board(("AAPL",)))


def test_lines_of_a_stream_are_followed_to_its_end() -> None:
    board = Board(("AAPL",))
    lines = LinePrices(io.BytesIO(b"AAPL 1.5\n\nrubbish\n" + b"x" * 5_000 + b"\nAAPL 1.75\n"), board)
    assert lines.ended.wait(10)
    assert board.prices["AAPL"].at(0) == 17_500 and board.taken == 2


# ------------------------------------------------------------------------------------------------- words
def test_words_make_prices(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("time,price\n0,5\n1000000000,6\n")
    words = {"A": "constant:150.25", "B": "walk:10,step=0.02,every_ms=5", "C": "revert:10,pull=20",
             "D": f"replay:{path},speed=2,loop=yes"}  # fmt: skip
    assert pricewords.parse("150.25") == pricewords.parse(words["A"])
    made = pricewords.PriceSet({symbol: pricewords.parse(word) for symbol, word in words.items()}, seed=4)
    again = pricewords.PriceSet({symbol: pricewords.parse(word) for symbol, word in words.items()}, seed=4)
    assert [type(made.prices[s]) for s in words] == [Constant, RandomWalk, MeanReverting, Replay]
    assert {s: p.at(S) for s, p in made.prices.items()} == {s: p.at(S) for s, p in again.prices.items()}
    assert made.prices["A"].at(0) == 1_502_500 and made.prices["D"].at(S // 4) == 50_000
    assert made.prices["D"].at(S // 2) == 50_000, "it begins again"


def test_symbols_of_one_stream_share_it(tmp_path: Path) -> None:
    wanted = pricewords.parse(f"zmq:ipc://{tmp_path}/prices")
    made = pricewords.PriceSet({"A": wanted, "B": wanted})
    try:
        assert len(made.feeds) == 1 and made.feeds[0].board.prices == made.prices
        made.poll()
    finally:
        made.close()


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("", "must be one of constant, walk"),
        ("gold:1", "must be one of"),
        ("constant", "price is missing"),
        ("constant:x", "price is 'x'"),
        ("walk:1,2", "'2' is not one of its values: price, step"),
        ("walk:1,step=1,step=2", "is not one of its values"),
        ("walk:1,every_ms=0", "every_ms is 0, it must be a whole number from 1"),
        ("revert:1,pull=2000", "pull is 2000"),
        ("replay:", "where is missing"),
        ("replay:x.csv,speed=0", "speed is '0'"),
        ("stdin:5", "not one of its values: none"),
    ],
)
def test_a_wrong_word_is_told_what_would_be_right(word: str, says: str) -> None:
    with pytest.raises(VerbError, match=says):
        pricewords.parse(word)
