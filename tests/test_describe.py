"""`describe`: every kind of thing, with all its properties."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import Exchange, tables, verbs
from openoutcry import wire as w
from openoutcry.errors import VerbError
from openoutcry.fix.settings import SESSION_SETTINGS
from openoutcry.matcher import describing
from openoutcry.matcher.policies import options_of
from tests.machine_world import World, enter, market


@pytest.fixture
def world() -> World:
    """A market with one thing of every kind."""
    world = market()
    world.verb("set_engine_property", "main", "seed", 7)
    world.verb("create_user", "carol", "hash", "orders", "PENSIONS", "ACME")
    world.verb("create_order", "draft", "book-X")
    world.verb("set_order_property", "draft", "price", "10.5")
    world.verb("create_quote", "quote", "book-X", "mm")
    world.verb("enter_order", "live", "book-X", "buy", 100, "9.5", "alice", hidden=True)
    world.verb("add_policy", "main", "half", "auto-fill", "percent=50")
    world.verb("create_endpoint", "fix", "main", "fix44", "gateway-1")
    world.send("gateway-1", (w.BOUND, "fix", "127.0.0.1", 4002, ""))
    world.verb("create_session", "fix", SenderCompID="OO", TargetCompID="C", HeartBtInt=7)
    return world


def ask(world: World, name: str, kind: str, of: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = world.machine.query("describe", {"name": name, "kind": kind, "of": of})
    return found


THINGS: list[tuple[str, str, str | None, Any, str, Any]] = [
    ("book-X", "book", None, verbs.BOOK_PROPERTIES, "tick_size", "0.0001"),
    ("main", "engine", None, verbs.ENGINE_PROPERTIES, "seed", 7),
    ("orders", "endpoint", None, verbs.ENDPOINT_PROPERTIES, "heartbeat_ms", 1_000),
    ("alice", "session", None, describing.SESSION_PROPERTIES | verbs.SESSION_PROPERTIES, "account", "ALICE"),
    ("1", "session", "orders", describing.SESSION_PROPERTIES | verbs.SESSION_PROPERTIES, "auto_receive", True),
    ("FIX.4.4:OO->C", "session", None, SESSION_SETTINGS | verbs.SESSION_PROPERTIES, "HeartBtInt", 7),
    ("draft", "order", None, verbs.DRAFT_ORDER_PROPERTIES, "price", "10.5"),
    ("live", "order", "alice", verbs.DRAFT_ORDER_PROPERTIES, "price", "9.5"),
    ("live", "order", "alice", verbs.DRAFT_ORDER_PROPERTIES, "hidden", True),
    ("quote", "quote", "mm", verbs.DRAFT_QUOTE_PROPERTIES, "bid_quantity", 0),
    ("carol", "user", None, describing.USER_PROPERTIES, "firm", "ACME"),
    ("alice", "desk", None, describing.SESSION_PROPERTIES, "account", "alice"),
    ("half", "policy", None, options_of("auto-fill"), "percent", 50),
    ("half", "policy", "main", options_of("auto-fill"), "slices", 1),
]


@pytest.mark.parametrize(("name", "kind", "of", "table", "of_these", "value"), THINGS)
def test_everything_is_described_with_all_its_properties(
    world: World, name: str, kind: str, of: str | None, table: Any, of_these: str, value: Any
) -> None:
    found = ask(world, name, kind, of)
    assert [row["name"] for row in found["explained"]] == list(table)
    for row in found["explained"]:
        assert row["type"] == table[row["name"]].type and row["meaning"] == table[row["name"]].meaning
        assert "value" in row and "default" in row
    assert next(row["value"] for row in found["explained"] if row["name"] == of_these) == value
    shown = tables.show(found)
    assert all(p.meaning in shown for p in table.values())


def test_every_kind_is_described_here() -> None:
    assert {kind for _, kind, *_ in THINGS} == set(verbs.DESCRIBED) == set(describing.KINDS)


@pytest.mark.parametrize("kind", verbs.DESCRIBED)
def test_what_is_not_there_is_named(world: World, kind: str) -> None:
    with pytest.raises(VerbError) as caught:
        ask(world, "nothing", kind)
    assert caught.value.code == "unknown_name"


def test_a_price_has_its_choices_and_no_password_is_shown(world: World) -> None:
    rows = {row["name"]: row for row in ask(world, "draft", "order")["explained"]}
    assert rows["side"] == {"name": "side", "type": "choice", "value": None, "default": None, "meaning": "side",
                            "choices": ["buy", "sell", "sell-short", "sell-short-exempt"]}  # fmt: skip
    assert "hash" not in str(ask(world, "carol", "user"))


def test_an_engine_says_what_is_on_it(world: World) -> None:
    world.send("gateway-1", enter(1, "a"))
    found = ask(world, "main", "engine")
    assert (found["books"], found["endpoints"], found["policies"]) == (["book-X"], ["orders", "fix"], 1)


def test_describe_over_the_control_service(exchange: Exchange) -> None:
    engine = exchange.create_engine("main")
    book = engine.create_book("aapl", "AAPL")
    assert exchange.describe(engine, "engine")["books"] == ["aapl"]
    assert exchange.describe(book)["symbol"] == "AAPL"
    with pytest.raises(VerbError, match="no user"):
        exchange.describe("nobody", "user")


def test_every_property_of_everything_is_listed_with_the_values_that_it_takes(world: World) -> None:
    rows = world.machine.query("list", {"kind": "properties"})
    tables_of = {
        "engine": verbs.ENGINE_PROPERTIES, "book": verbs.BOOK_PROPERTIES, "endpoint": verbs.ENDPOINT_PROPERTIES,
        "session": SESSION_SETTINGS | verbs.SESSION_PROPERTIES, "order": verbs.DRAFT_ORDER_PROPERTIES,
        "quote": verbs.DRAFT_QUOTE_PROPERTIES,
    }  # fmt: skip
    assert [(row["of"], row["name"]) for row in rows] == [
        (of, name) for of, table in tables_of.items() for name in table
    ]
    said = {(row["of"], row["name"]): (row["type"], row["values"], row["default"]) for row in rows}
    assert said["book", "tick_size"] == ("price", "0.00000001 to 1000000000", "0.0001")
    assert said["book", "positions"] == ("bool", "yes or no", False)
    assert said["book", "put_call"] == ("choice", "nothing, put, call", "")
    assert said["endpoint", "tls_key"] == ("text", "text of at most 1024 characters", "")
    assert said["session", "HeartBtInt"] == ("int", "1 to 86400", 30)
    assert said["order", "side"][1:] == ("buy, sell, sell-short, sell-short-exempt", None)
    assert said["order", "price"] == ("price", "0 to 1000000000", None)


def test_every_option_of_every_kind_of_policy_is_listed_with_the_values_that_it_takes(world: World) -> None:
    rows = world.machine.query("list", {"kind": "policy_kinds"})
    said = {(row["kind"], row["option"]): row["values"] for row in rows}
    assert said["auto-reject", "on"] == "orders, changes, cancels, all"
    assert said["auto-fill", "percent"] == "1 to 100"
