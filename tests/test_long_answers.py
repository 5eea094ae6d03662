"""Answers of rows that are too many for one answer: as many as fit, how many more there are, and how to go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgpack
import pytest
import zmq

from openoutcry import Exchange, VerbError, jsontext, rows, verbs, wire
from openoutcry.bus import Directory
from openoutcry.clients.control import ControlClient
from openoutcry.control import plans
from openoutcry.rows import fitting
from tests.control_world import StandIn, wait_until, well, world

MANY = 1_200  # of everything: with names as long as they may be, that is more than an answer has room for
COUNT = 1_000  # asked for: the most that can be
# The verbs whose answers are rows, with arguments for which there are so many of them.
CASES: dict[str, tuple[Any, ...]] = {
    "list": ("drafts",),
    "orders": ("aapl", None, COUNT),
    "trades": ("msft", COUNT),
    "order_events": ("maker", 0, None, COUNT),
    "requests": ("lab", COUNT),
    "positions": ("main",),
    "fees_paid": (),
}


def long(word: str, number: int) -> str:
    """A name that is as long as it may be."""
    return f"{word}{number:0{64 - len(word)}}"


@pytest.fixture(scope="module")
def market() -> Iterator[Exchange]:
    """MANY orders, trades of as many accounts, requests that wait for a hand, and drafts."""
    with Exchange() as exchange:
        exchange.create_engine("main")
        exchange.create_engine("lab", "manual")
        with exchange.batch() as batch:
            for book, engine in (("aapl", "main"), ("msft", "main"), ("waits", "lab")):
                batch.create_book(book, engine, book.upper())
            batch.set_book_property("msft", "positions", True)
            batch.set_book_property("msft", "maker_fee", 1)
            batch.set_book_property("msft", "taker_fee", "0.12345678")
            for i in range(MANY):
                batch.create_order(long("d", i), "aapl", long("z", 0))
                batch.enter_order(long("o", i), "aapl", "buy", 900_000, "10.1234", "maker", account=long("c", i))
                batch.enter_order(long("r", i), "waits", "buy", 1, "10", long("x", 0))
                batch.enter_order(long("m", i), "msft", "buy", 1, "10", "other", account=long("a", i))
                batch.enter_order(long("t", i), "msft", "sell", 1, "10", "taker", account=long("b", i))
        yield exchange


def answer(exchange: Exchange, verb: str, *arguments: Any, **named: Any) -> Any:
    """What one answer says: the value, as a client in another language gets it."""
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.connect(Directory(exchange.directory).address("control"))
        socket.send(msgpack.packb([wire.VERSION, 1, verb, arguments, list(named.items())]))
        assert socket.poll(10_000)
        _, _, error, value = msgpack.unpackb(socket.recv())
    assert not error
    return json.loads(value)


def gone_on(exchange: Exchange, verb: str, *arguments: Any) -> list[Any]:
    """All rows, as a client gets them that does what docs/control.md says."""
    found: list[Any] = answer(exchange, verb, *arguments)
    names = [p.name for p in verbs.VERBS[verb].parameters]
    given = dict(zip(names, arguments, strict=False))
    while found[-1].keys() == {"more"}:
        left = found.pop()["more"]
        given |= {"since": found[-1]["number"]} if "since" in names else {"skip": len(found)}
        found += answer(exchange, verb, **given | ({"count": left} if "count" in names else {}))
    return found


def test_these_are_the_verbs_that_answer_with_rows() -> None:
    assert set(CASES) == rows.VERBS
    assert all({"skip", "since"} & {p.name for p in verbs.VERBS[verb].parameters} for verb in rows.VERBS)


@pytest.mark.parametrize("verb", CASES)
def test_rows_that_are_too_many_come_in_several_answers(market: Exchange, verb: str) -> None:
    rows = getattr(market, verb)(*CASES[verb])
    first = answer(market, verb, *CASES[verb])
    assert len(jsontext.text(rows)) > wire.TEXT_MAX >= len(jsontext.text(first)) > wire.TEXT_MAX - 1_000
    kept, more = first[:-1], first[-1]
    assert kept == rows[: len(kept)] and more == {"more": len(rows) - len(kept)}
    assert gone_on(market, verb, *CASES[verb]) == rows
    assert len({json.dumps(row) for row in rows}) == len(rows) >= COUNT


@pytest.mark.parametrize("verb", sorted(set(CASES) - {"order_events"}))
def test_rows_can_be_left_out(market: Exchange, verb: str) -> None:
    rows = getattr(market, verb)(*CASES[verb])
    if len(rows) == COUNT:
        rows += getattr(market, verb)(*CASES[verb], skip=COUNT)
    most = COUNT if COUNT in CASES[verb] else len(rows)
    for skip in (10, 990, len(rows) - 1, len(rows), wire.UINT63_MAX):
        assert getattr(market, verb)(*CASES[verb], skip=skip) == rows[skip : skip + most]
    assert len(rows) >= MANY


def test_lists_of_control_and_of_gateways_leave_out_rows_as_well(market: Exchange) -> None:
    assert market.list("verbs", skip=5) == market.list("verbs")[5:]
    endpoint = market.create_endpoint("orders", "main", "ouch42")
    clients = [market.ouch_client(endpoint, name) for name in ("a", "b")]
    rows = market.list("connections")
    assert len(rows) == len(clients) and market.list("connections", skip=1) == rows[1:]


def test_orders_of_a_desk_come_in_several_answers_too(market: Exchange) -> None:
    for skip in (0, 5, COUNT):
        assert market.orders("aapl", "maker", COUNT, skip) == market.orders("aapl", None, COUNT, skip)


def test_in_a_batch_the_answer_is_whole_or_refused(market: Exchange) -> None:
    with market.batch(raises=False) as batch:
        few = batch.orders("aapl", None, 10)
        many = batch.orders("aapl", None, COUNT)
        after = batch.orders("aapl", None, 10, 990)
    assert (few.value, after.value) == (market.orders("aapl", None, 10), market.orders("aapl", None, COUNT)[990:])
    with pytest.raises(VerbError, match=r"the answer has \d{6} characters, at most 200000; alone, or with a count"):
        _ = many.value


def test_lists_that_may_be_very_long_come_in_parts(market: Exchange) -> None:
    live = [
        row
        for book in ("aapl", "msft", "waits")
        for skip in (0, COUNT)
        for row in market.orders(book, None, COUNT, skip)
    ]
    first = answer(market, "list", "orders")
    assert len(first) <= 401 and first[-1] == {"more": len(live) - len(first) + 1}
    assert gone_on(market, "list", "orders") == market.list("orders") == live
    assert market.list("orders", skip=len(live) - 1) == live[-1:]
    assert market.list("orders", skip=wire.UINT63_MAX) == []
    assert gone_on(market, "list", "requests") == market.list("requests")
    assert len(market.list("requests")) == len(market.requests("lab")) + MANY - 100 == MANY
    with market.batch(raises=False) as batch:
        several = batch.list("orders")
    with pytest.raises(VerbError, match="rows more than come at once: ask for them alone"):
        _ = several.value


def test_the_rows_that_fit_are_as_many_as_fit() -> None:
    rows = [{"name": "x" * size} for size in (50, 10, 30)]
    whole = len(jsontext.text(rows))
    for room in range(whole):
        found = fitting(rows, room)
        assert len(jsontext.text(found)) <= max(room, 2)
        assert not found or found == [*rows[: len(found) - 1], {"more": 4 - len(found)}]
    assert fitting(rows, whole)[:2] == rows[:2]


def test_a_row_that_is_too_long_by_itself_is_not_a_row_that_fits() -> None:
    assert fitting([{"name": "x" * 100}], 50) == []


def test_status_asks_for_all_endpoints_and_users() -> None:
    users = [{"name": f"u{i}", "endpoint": "orders"} for i in range(5)]

    def listed(asked: dict[str, Any]) -> tuple[int, Any]:
        if asked["kind"] != "users":
            return plain(asked)
        rows = users[asked.get("skip", 0) :]
        return 1, [*rows[:2], {"more": len(rows) - 2}] if len(rows) > 2 else rows

    with world() as control:
        matcher = StandIn(control.directory)
        try:
            well(matcher)
            plain = matcher.answers["matcher", "list"]
            matcher.answers["matcher", "list"] = listed
            with ControlClient(control.directory) as client:
                wait_until(lambda: client.status()["ready"])
                (endpoint,) = client.status()["endpoints"]
        finally:
            matcher.close()
    assert endpoint["users"] == ["u0", "u1", "u2", "u3", "u4"] and not endpoint["any_login"]


def test_connections_are_those_of_all_gateways_as_many_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "CONNECTIONS_MAX", 5)
    of = {"gateway-1": [{"connection": i} for i in range(7)], "gateway-2": [{"connection": i} for i in range(7, 10)]}
    every = [*of["gateway-1"], *of["gateway-2"]]

    def listed(name: str, asked: dict[str, Any]) -> tuple[int, Any]:
        skip = asked.get("skip", 0)
        return 1, {"total": len(of[name]), "rows": of[name][skip : skip + 2]}  # two at a time

    with world() as control:
        matcher = StandIn(control.directory)
        try:
            well(matcher)
            matcher.answers["matcher", "peers"] = lambda _: (1, [{"name": name, "role": "gateway"} for name in of])
            for name in of:
                matcher.answers[name, "connections"] = partial(listed, name)
            with ControlClient(control.directory) as client:
                for skip in range(12):
                    rest = every[skip:]
                    more = [{"more": len(rest) - 5}] if len(rest) > 5 else []
                    assert client._ask("list", ("connections", skip), {}) == rest[:5] + more
                    assert client.list("connections", skip) == rest
        finally:
            matcher.close()
