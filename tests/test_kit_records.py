"""Records: what verbs return reads well, is equal to plain values, and becomes frames when pandas is there."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from openoutcry import Exchange
from openoutcry.records import Record, Records, of

TRADES = [
    {"match": 2, "price": "10.05", "quantity": 40, "side": "buy"},
    {"match": 1, "price": "10", "quantity": 5, "side": ""},
]
DEPTH: dict[str, Any] = {
    "asks": [["10.1", 7, 1]],
    "bids": [["10.05", 60, 1], ["9.99", 10, 2]],
    "book": "aapl",
    "phase": "open",
}


def test_they_are_equal_to_plain_values_and_as_json_the_same() -> None:
    for value in (TRADES, DEPTH, [], {}, [1, "a"], None, "text", {"a": [{"b": 1}], "c": {"d": []}}):
        assert of(value) == value
        assert json.dumps(of(value)) == json.dumps(value)
        assert copy.deepcopy(of(value)) == value


def test_fields_are_attributes() -> None:
    record = of({"a": {"b": 1}, "rows": [{"c": 2}]})
    assert record.a.b == 1 and record.rows[0].c == 2
    assert "rows" in dir(record)
    with pytest.raises(AttributeError, match="no field 'x'; there are: a, rows"):
        _ = record.x


def test_they_print_as_tables() -> None:
    assert repr(of(TRADES)).split("\n") == [
        "match  side  quantity  price",
        "    2  buy         40  10.05",
        "    1               5  10",
    ]
    assert repr(of({"name": "aapl", "halted": True})) == "name    aapl\nhalted  yes"
    assert repr(of([])) == "(none)"
    assert repr(of({"bids": []})["bids"]) == "[]"
    assert repr(Records(Record(n=n) for n in range(100))).endswith("\n59\n... and 40 more")


def test_what_the_exchange_returns_is_of_them(exchange: Exchange) -> None:
    client = exchange.ouch_client()
    client.sell("AAPL", 40, "10.05")
    client.buy("AAPL", 100, "10.05").expect_filled(40)
    trades, depth = exchange.trades("aapl"), exchange.depth("aapl")
    assert isinstance(trades, Records) and isinstance(trades[0], Record) and isinstance(depth, Record)
    assert trades[0]["price"] == "10.05" and depth["bids"] == [["10.05", 60, 1]]
    assert isinstance(exchange.list("users"), Records)
    assert "10.05" in repr(exchange.orders("aapl"))
    assert repr(exchange.endpoint("ouch").connections()).startswith("connection")


def test_frames_have_exact_prices_or_floats() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed (the extra notebook)")
    found = of(TRADES).to_frame()
    assert list(found.columns) == ["match", "price", "quantity", "side"]
    assert list(found["price"]) == [Decimal("10.05"), Decimal(10)]
    assert of(TRADES).to_frame(floats=True)["price"].dtype == float
    assert list(of({"a": 1, "fee_note": "none"}).to_frame().iloc[0]) == [1, "none"]


def test_the_frame_of_a_depth_has_its_levels() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed (the extra notebook)")
    found = of(DEPTH).to_frame()
    assert found.to_dict("records") == [
        {"side": "bid", "level": 1, "price": Decimal("10.05"), "quantity": 60, "orders": 1},
        {"side": "bid", "level": 2, "price": Decimal("9.99"), "quantity": 10, "orders": 2},
        {"side": "ask", "level": 1, "price": Decimal("10.1"), "quantity": 7, "orders": 1},
    ]
    empty = of({"asks": [], "bids": []}).to_frame()
    assert list(empty.columns) == ["side", "level", "price", "quantity", "orders"] and empty.empty


def test_without_pandas_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['pandas'] = None\nfrom openoutcry.records import of\nof([{}]).to_frame()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: to_frame needs pandas: pip install 'openoutcry[notebook]'" in done.stderr
