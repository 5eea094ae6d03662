"""Mass cancels (openoutcry.matcher.masscancel): by owners, by operators, and on lost connections."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.matcher.masscancel import (
    SCOPE_ACCOUNT,
    SCOPE_FIRM,
    SCOPE_SESSION,
    cancel_where,
    count_live,
    live_orders,
)
from openoutcry.matcher.orders import NUMBER, TOKEN
from tests.machine_world import CENT, World, enter
from tests.risk_world import ALICE, ANNE, BOB, assert_survives_a_snapshot, kinds, submit, told, trading_floor

MS_NS = 1_000_000


@pytest.fixture
def world() -> World:
    """Orders a to h of all kinds, in X and Y."""
    world = trading_floor(("X", "Y"))
    told(
        world,
        enter(ALICE, b"a", w.BUY, 100, 90),
        enter(ANNE, b"b", w.BUY, 100, 80),
        enter(BOB, b"c", w.BUY, 100, 90),
        enter(ALICE, b"d", w.SELL, 100, 110),
        enter(ALICE, b"e", w.BUY, 100, 70, symbol="Y"),
        submit(ALICE, b"f", w.BUY, 100, 60, hidden=1),
        submit(BOB, b"g", w.SELL_SHORT, 100, 120, account="A1"),
        submit(ALICE, b"h", w.SELL, 100, 0, order_type=w.STOP, stop_price=50 * CENT),
    )
    return world


def mass(session: int, scope: int, symbol: str = "", side: int = 0, low: int = 0, high: int = w.PRICE_MAX) -> Any:
    return (w.MASS_CANCEL, session, b"all", scope, symbol, side, low, high)


def gone(events: list[Any]) -> bytes:
    """The tokens cancelled, in their order."""
    return b"".join(event[2] for event in events if event[0] == w.CANCELED)


# ------------------------------------------------------------------------------------------------- by their owner
@pytest.mark.parametrize(
    ("command", "tokens"),
    [
        (mass(ALICE, SCOPE_SESSION), b"adefh"),
        (mass(ALICE, SCOPE_ACCOUNT), b"adefgh"),
        (mass(ALICE, SCOPE_FIRM), b"abdefh"),
        (mass(BOB, SCOPE_SESSION), b"cg"),
        (mass(BOB, SCOPE_ACCOUNT), b"c"),
        (mass(ALICE, SCOPE_SESSION, "X"), b"adfh"),
        (mass(ALICE, SCOPE_SESSION, "Y"), b"e"),
        (mass(ALICE, SCOPE_SESSION, "NONE"), b""),
        (mass(ALICE, SCOPE_SESSION, "", w.BUY), b"aef"),
        (mass(ALICE, SCOPE_ACCOUNT, "", w.SELL), b"dgh"),
        (mass(BOB, SCOPE_SESSION, "", w.SELL_SHORT), b"g"),
        (mass(ALICE, SCOPE_FIRM, "", 0, 70 * CENT, 90 * CENT), b"abe"),
        (mass(ALICE, SCOPE_FIRM, "X", w.BUY, 70 * CENT, 90 * CENT), b"ab"),
    ],
)
def test_all_orders_to_which_everything_applies_go_oldest_first(world: World, command: Any, tokens: bytes) -> None:
    world.send("gateway-1", command)
    events = world.take()
    assert gone(events) == tokens
    assert {event[4] for event in events if event[0] == w.CANCELED} <= {w.CANCEL_MASS}
    assert events[-1] == (w.MASS_CANCELED, command[1], b"all", len(tokens))
    assert len(events) == len(tokens) + 1
    shown = b"".join(token for token in (b"abcdeg"[i : i + 1] for i in range(6)) if token in tokens)
    assert [event[0] for event in world.take("public")] == [w.REDUCED] * len(shown)
    assert_survives_a_snapshot(world)


def test_nothing_to_cancel_is_answered_too(world: World) -> None:
    told(world, mass(ALICE, SCOPE_SESSION))
    assert told(world, mass(ALICE, SCOPE_SESSION)) == [(w.MASS_CANCELED, ALICE, b"all", 0)]


def test_nobody_is_of_the_same_firm_as_a_session_without_one() -> None:
    world = trading_floor()
    carol = world.log_on("orders", "carol", 9)
    dave = world.log_on("orders", "dave", 10)
    told(world, enter(carol, b"a"), enter(dave, b"b"))
    assert told(world, mass(carol, SCOPE_FIRM)) == [(w.MASS_CANCELED, carol, b"all", 0)]


def test_an_order_that_it_is_too_late_for_is_answered_like_its_cancel_and_not_counted() -> None:
    world = trading_floor()
    world.verb("set_phase", "main", "pre_open")
    told(world, enter(ALICE, b"a"), enter(ALICE, b"b", tif=w.AT_OPEN))
    world.verb("set_phase", "main", "pre_open_no_cancel")
    assert [event[:4] for event in told(world, mass(ALICE, SCOPE_SESSION))] == [
        (w.CANCEL_REJECTED, ALICE, b"a", w.REJECT_TOO_LATE),
        (w.CANCEL_PENDING, ALICE, b"b"),
        (w.MASS_CANCELED, ALICE, b"all", 0),
    ]


def test_one_of_a_pair_takes_no_other_along_that_the_cancel_is_not_about() -> None:
    world = trading_floor()
    told(world, submit(ALICE, b"a", w.BUY, 100, 90, pair=b"p"), submit(ALICE, b"b", w.SELL, 100, 110, pair=b"p"))
    assert gone(told(world, mass(ALICE, SCOPE_SESSION, "", w.BUY))) == b"a"


# ------------------------------------------------------------------------------------------------- by operators
@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        ({"session": 1}, b"adefh"),
        ({"account": "A1"}, b"adefgh"),
        ({"firm": "BETA"}, b"cg"),
        ({"book": "book-X"}, b"abcdfgh"),
        ({"side": "sell"}, b"dgh"),
        ({"low": "1.10"}, b"dg"),
        ({"high": "0.70"}, b"efh"),
        ({"firm": "ACME", "book": "book-X", "side": "buy", "low": "0.85"}, b"a"),
        ({"account": "NOBODY"}, b""),
    ],
)
def test_operators_cancel_by_any_conditions(world: World, given: dict[str, Any], tokens: bytes) -> None:
    assert world.verb("mass_cancel", "main", **given)["orders"] == len(tokens)
    events = world.take()
    assert gone(events) == tokens
    assert {event[4] for event in events} <= {w.CANCEL_SUPERVISORY}


def test_a_whole_machine_can_be_emptied(world: World) -> None:
    assert cancel_where(world.machine) == 8
    assert gone(world.take()) == b"abcdefgh"
    assert [count_live(book) for book in world.machine.books.values()] == [0, 0]


def test_operators_are_not_bound_by_phases() -> None:
    world = trading_floor()
    world.verb("set_phase", "main", "pre_open")
    told(world, enter(ALICE, b"a"), enter(ALICE, b"b", tif=w.AT_OPEN))
    world.verb("set_phase", "main", "pre_open_no_cancel")
    world.verb("mass_cancel", "main", account="A1")
    assert gone(world.take()) == b"ab"


def test_live_orders_are_all_orders_wherever_they_wait_once_each(world: World) -> None:
    told(world, submit(ANNE, b"i", w.BUY, 10, 0, order_type=w.PEGGED, peg=w.PEG_PRIMARY),
         submit(ANNE, b"j", w.BUY, 10, 0, order_type=w.PEGGED, peg=w.PEG_MIDPOINT),
         submit(ANNE, b"k", w.BUY, 100, 85, display_quantity=10),
         submit(ANNE, b"l", w.BUY, 100, 85, all_or_none=1),
         enter(ANNE, b"m", w.BUY, 10, 85, tif=w.AT_CLOSE))  # fmt: skip
    book = world.machine.books["book-X"]
    found = live_orders(book)
    assert b"".join(sorted(order[TOKEN] for order in found)) == b"abcdfghijklm"
    assert [order[NUMBER] for order in found] == sorted({order[NUMBER] for order in found})
    assert count_live(book) == len(found)
    world.verb("set_phase", "main", "closing_auction", "book-X")
    assert count_live(book) == len(live_orders(book)) == 12


# ------------------------------------------------------------------------------------------------- lost connections
@pytest.fixture
def guarded() -> World:
    """Orders go with the connection, but those that are kept."""
    world = trading_floor()
    world.verb("set_protocol_property", "orders", "cancel_on_disconnect", True)
    told(world, enter(ALICE, b"a"), submit(ALICE, b"b", keep=1), submit(ALICE, b"c", hidden=1), enter(BOB, b"d"))
    return world


LOST = [(w.CANCELED, ALICE, b"a", 100, w.CANCEL_DISCONNECT, 0), (w.CANCELED, ALICE, b"c", 100, w.CANCEL_DISCONNECT, 0)]


def test_without_the_property_orders_outlive_the_connection() -> None:
    world = trading_floor()
    told(world, enter(ALICE, b"a"))
    assert told(world, (w.LOGOFF, ALICE, 1)) == []
    assert world.machine.next_timer_ns == 0


def test_orders_go_with_the_connection_but_those_that_are_kept(guarded: World) -> None:
    assert told(guarded, (w.LOGOFF, ALICE, 1)) == LOST
    assert count_live(guarded.machine.books["book-X"]) == 2


def test_a_newer_connection_ends_the_older_one_with_its_orders(guarded: World) -> None:
    assert told(guarded, (w.LOGON, "orders", "alice", 7, ""))[:2] == LOST


def with_grace(world: World, grace_ms: int = 500) -> World:
    world.verb("set_protocol_property", "orders", "cancel_grace_ms", grace_ms)
    world.take()
    return world


def wait(world: World) -> list[Any]:
    """What happens at the next time at which anything does."""
    world.now = world.machine.next_timer_ns
    world.timer()
    world.take("public")
    return world.take()


def test_with_grace_orders_go_when_it_is_over(guarded: World) -> None:
    begin = guarded.now
    assert told(with_grace(guarded), (w.LOGOFF, ALICE, 1)) == []
    assert_survives_a_snapshot(guarded)
    assert wait(guarded) == LOST
    assert guarded.now == begin + 500 * MS_NS


def test_a_connection_within_the_grace_saves_the_orders(guarded: World) -> None:
    told(with_grace(guarded), (w.LOGOFF, ALICE, 1))
    guarded.now += 499 * MS_NS
    told(guarded, (w.LOGON, "orders", "alice", 7, ""))
    assert wait(guarded) == []
    assert count_live(guarded.machine.books["book-X"]) == 4


def test_each_lost_connection_has_its_own_grace(guarded: World) -> None:
    begin = guarded.now
    told(with_grace(guarded), (w.LOGOFF, ALICE, 1))
    guarded.now += 300 * MS_NS
    told(guarded, (w.LOGON, "orders", "alice", 7, ""), (w.LOGOFF, ALICE, 7))
    assert wait(guarded) == []
    assert guarded.now == begin + 500 * MS_NS
    assert wait(guarded) == LOST
    assert guarded.now == begin + 800 * MS_NS


def test_a_grace_that_was_made_shorter_holds_for_what_is_lost_later(guarded: World) -> None:
    begin = guarded.now
    told(with_grace(guarded), (w.LOGOFF, ALICE, 1))
    with_grace(guarded, 50)
    told(guarded, (w.LOGON, "orders", "alice", 7, ""), (w.LOGOFF, ALICE, 7))
    assert wait(guarded) == LOST
    assert guarded.now == begin + 50 * MS_NS


def test_a_gateway_that_begins_anew_has_lost_all_connections(guarded: World) -> None:
    with_grace(guarded)
    guarded.hello("gateway-1", generation=2)
    guarded.take_all()
    assert kinds(wait(guarded)) == [(w.CANCELED, b"a"), (w.CANCELED, b"c"), (w.CANCELED, b"d")]


def test_grace_that_ends_after_the_day_cancels_nothing(guarded: World) -> None:
    told(guarded, enter(ALICE, b"gtc", tif=w.GTC))
    told(with_grace(guarded), (w.LOGOFF, ALICE, 1))
    guarded.verb("end_of_day", "main")
    guarded.take_all()
    assert wait(guarded) == []
    assert count_live(guarded.machine.books["book-X"]) == 1


def test_a_session_that_was_deleted_meanwhile_is_nobody(guarded: World) -> None:
    told(with_grace(guarded), (w.LOGOFF, ALICE, 1))
    guarded.verb("delete_endpoint", "orders")
    guarded.take_all()
    assert wait(guarded) == []
