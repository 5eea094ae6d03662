"""The manners of FIX in the matcher: whatever a session asks for is answered, once."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.matcher import answers, entry
from openoutcry.matcher.machine import Machine
from tests.machine_world import CENT, Message, World, change, enter, market, submit, terms

ALICE, BOB = 3, 4  # FIX sessions; 1 and 2 speak OUCH
DUPLICATE = "duplicate order: this id was used before"


@pytest.fixture
def world() -> World:
    return fix_market()


def fix_market() -> World:
    world = market()
    world.hello("gateway-2")
    world.verb("create_endpoint", "fix", "main", "fix", "gateway-2")
    world.send("gateway-2", (w.BOUND, "fix", "127.0.0.1", 5000, ""))
    for connection, user in enumerate(("FIX.4.4:OO->Alice", "FIX.4.4:OO->Bob"), 1):
        world.log_on("fix", user, connection, "gateway-2", user[-3:])
    world.take_all()
    return world


def told(world: World, *commands: Message) -> list[Message]:
    """What FIX sessions are told because of commands."""
    world.send("gateway-2", *commands)
    return world.take("gateway-2")


# ------------------------------------------------------------------------------------------------- log on
def test_a_fix_user_keeps_its_case_and_has_the_account_of_its_logon(world: World) -> None:
    rows = {row["number"]: row for row in world.machine.query("list", {"kind": "sessions"})}
    assert (rows[ALICE]["user"], rows[ALICE]["account"]) == ("FIX.4.4:OO->Alice", "ice")
    number = world.log_on("fix", "FIX.4.4:OO->alice", 9, "gateway-2")
    assert number == 5
    events = world.take("gateway-2")
    assert events[0] == (w.SESSION_STREAM, 5, "fix", "FIX.4.4:OO->alice", "0001000005")


def test_a_user_may_be_as_long_as_the_bus_allows(world: World) -> None:
    name = "FIX.4.4:" + "x" * (w.USER_MAX - 8)
    number = world.log_on("fix", name, 9, "gateway-2")
    row = next(row for row in world.machine.query("list", {"kind": "sessions"}) if row["number"] == number)
    assert (row["user"], row["account"]) == (name, name[: w.NAME_MAX])


# ------------------------------------------------------------------------------------------------- duplicates
NEW = {
    "enter": enter(ALICE, b"a", data=b"mine"),
    "enter, special": enter(ALICE, b"a", order_type=w.MARKET, data=b"mine"),
    "enter, unknown symbol": enter(ALICE, b"a", symbol="Q", data=b"mine"),
    "submit": submit(ALICE, b"a", hidden=1, data=b"mine"),
    "refuse": (w.REFUSE, ALICE, b"a", w.REJECT_FIELD, "", b"mine"),
    "quote": (w.QUOTE, ALICE, b"a", 0, b"mine", (("X", 10, 90 * CENT, 10, 110 * CENT),)),
}


@pytest.mark.parametrize("command", NEW.values(), ids=NEW)
def test_a_used_token_is_rejected_and_after_again_nobody_is_told(world: World, command: Message) -> None:
    told(world, enter(ALICE, b"a", price=50))
    before = world.machine.dump()
    assert told(world, command) == [(w.REJECTED, ALICE, b"a", w.REJECT_DUPLICATE, DUPLICATE, b"mine")]
    assert told(world, (w.AGAIN, ALICE), command) == []
    assert told(world, command)[0][:4] == (w.REJECTED, ALICE, b"a", w.REJECT_DUPLICATE)  # AGAIN was for one alone
    assert same_orders(world.machine, Machine.load(before))


def same_orders(one: Machine, other: Machine) -> bool:
    return bool(one.query("list", {"kind": "orders"}) == other.query("list", {"kind": "orders"}))


@pytest.mark.parametrize("command", NEW.values(), ids=NEW)
def test_again_changes_nothing_about_a_command_that_is_new(command: Message) -> None:
    once, announced = fix_market(), fix_market()
    assert told(once, command) == told(announced, (w.AGAIN, ALICE), command)
    assert same_orders(once.machine, announced.machine)
    assert told(announced, command)[0][:4] == (w.REJECTED, ALICE, b"a", w.REJECT_DUPLICATE)


def test_again_is_about_the_next_command_of_its_own_session_also_in_another_frame_and_another_life(
    world: World,
) -> None:
    told(world, enter(ALICE, b"a", price=50), enter(BOB, b"a", price=50))
    assert told(world, (w.AGAIN, ALICE), enter(BOB, b"a")) == [
        (w.REJECTED, BOB, b"a", w.REJECT_DUPLICATE, DUPLICATE, b"data")
    ]
    world.machine = Machine.load(world.machine.dump())
    assert told(world, enter(ALICE, b"a")) == []
    assert len(told(world, enter(ALICE, b"a"))) == 1


def test_an_ouch_session_is_silent_about_used_tokens(world: World) -> None:
    world.send("gateway-1", enter(1, b"a"), enter(1, b"a"), (w.REFUSE, 1, b"a", w.REJECT_FIELD, "", b""))
    assert [event[0] for event in world.take()] == [w.ACCEPTED]


def test_a_reject_has_the_client_data_of_its_order(world: World) -> None:
    assert told(world, enter(ALICE, b"a", quantity=0, data=b"mine"))[0][-1] == b"mine"
    assert told(world, submit(ALICE, b"b", peg=1, data=b"yours"))[0][-1] == b"yours"
    assert told(world, (w.REFUSE, ALICE, b"c", w.REJECT_FIELD, "why", b"both")) == [
        (w.REJECTED, ALICE, b"c", w.REJECT_FIELD, "why", b"both")
    ]


# ------------------------------------------------------------------------------------------------- change
def test_a_change_replaces_the_order_and_a_smaller_one_keeps_its_place(world: World) -> None:
    order = told(world, enter(ALICE, b"a", quantity=100, price=100))[0][3]
    assert told(world, change(ALICE, b"a", b"b", 60, 100)) == [
        (w.REPLACED, ALICE, b"b", b"a", order, w.BUY, 60, 100 * CENT, w.LIVE, b"data", b"new")
    ]
    assert told(world, change(ALICE, b"b", b"c", 60, 99)) == [
        (w.REPLACED, ALICE, b"c", b"b", order + 1, w.BUY, 60, 99 * CENT, w.LIVE, b"data", b"new")
    ]
    assert told(world, change(ALICE, b"c", b"d", 80, 99, hidden=1))[0][4] == order + 2


BAD: dict[str, tuple[Message, int]] = {
    "unknown order": (change(ALICE, b"none", b"n"), w.REJECT_UNKNOWN_ORDER),
    "quantity": (change(ALICE, b"a", b"n", 10**6), w.REJECT_QUANTITY),
    "nothing left": (change(ALICE, b"a", b"n", 40), w.REJECT_QUANTITY),
    "price": (change(ALICE, b"a", b"n", 100, 0), w.REJECT_PRICE),
    "minimum": (change(ALICE, b"a", b"n", 100, 100, minimum=61), w.REJECT_MIN_QUANTITY),
    "time in force": (change(ALICE, b"a", b"n", tif=w.GTD, expire=1), w.REJECT_TIME_IN_FORCE),
    "terms": (change(ALICE, b"a", b"n", hidden=1, display_quantity=10), w.REJECT_ORDER_TYPE),
    "post-only": (change(ALICE, b"a", b"n", 100, 105, post_only=1), w.REJECT_POST_ONLY),
    "phase": (change(ALICE, b"a", b"n", tif=w.AT_OPEN), w.REJECT_PHASE),
}


@pytest.mark.parametrize(("command", "reason"), BAD.values(), ids=BAD)
def test_a_change_that_cannot_be_done_leaves_the_order_and_uses_up_its_token(
    world: World, command: Message, reason: int
) -> None:
    world.send("gateway-1", enter(1, b"s", w.SELL, 40, 100), enter(1, b"t", w.SELL, 40, 105))
    told(world, enter(ALICE, b"a", w.BUY, 100, 100))  # 40 of it are executed
    orders = world.machine.query("list", {"kind": "orders"})
    (answer,) = told(world, command)
    assert answer[:6] == (w.REQUEST_REJECTED, ALICE, command[2], b"n", 2, reason) and answer[6]
    assert world.machine.query("list", {"kind": "orders"}) == orders
    assert told(world, command) == [(w.REQUEST_REJECTED, ALICE, command[2], b"n", 2, w.REJECT_DUPLICATE, DUPLICATE)]
    assert told(world, (w.AGAIN, ALICE), command) == []


def test_a_change_is_refused_by_halts_limits_and_risk(world: World) -> None:
    told(world, enter(ALICE, b"a"))
    world.verb("set_limit", "main", "engine", "main", "max_quantity", 150)
    (answer,) = told(world, change(ALICE, b"a", b"b", 200))
    assert answer[:6] == (w.REQUEST_REJECTED, ALICE, b"a", b"b", 2, w.REJECT_MAX_QUANTITY)
    assert answer[6] == "max_quantity is 150 for engine main: quantity 200"
    world.verb("halt", "book-X")
    assert told(world, change(ALICE, b"a", b"c", 50)) == [
        (w.REQUEST_REJECTED, ALICE, b"a", b"c", 2, w.REJECT_HALTED, "halted")
    ]
    assert [row["quantity"] for row in world.machine.query("list", {"kind": "orders"})] == [100]


def test_a_repeated_change_that_took_place_is_not_done_twice(world: World) -> None:
    told(world, enter(ALICE, b"a"))
    command = change(ALICE, b"a", b"b", 60)
    told(world, command)
    assert told(world, (w.AGAIN, ALICE), command) == []
    assert [row["quantity"] for row in world.machine.query("list", {"kind": "orders"})] == [60]


# ------------------------------------------------------------------------------------------------- withdraw
def test_a_cancel_request_is_acknowledged_by_its_own_token_and_carried_out(world: World) -> None:
    told(world, enter(ALICE, b"a"))
    command = (w.WITHDRAW, ALICE, b"a", b"c")
    assert told(world, command) == [
        (w.CANCEL_REQUESTED, ALICE, b"a", b"c"), (w.CANCELED, ALICE, b"a", 100, w.CANCEL_USER, 0),
    ]  # fmt: skip
    assert told(world, (w.AGAIN, ALICE), command) == []
    assert told(world, command) == [(w.REQUEST_REJECTED, ALICE, b"a", b"c", 1, w.REJECT_DUPLICATE, DUPLICATE)]
    assert told(world, (w.WITHDRAW, ALICE, b"a", b"d")) == [
        (w.REQUEST_REJECTED, ALICE, b"a", b"d", 1, w.REJECT_UNKNOWN_ORDER, "unknown order")
    ]
    assert told(world, enter(ALICE, b"d"))[0][:4] == (w.REJECTED, ALICE, b"d", w.REJECT_DUPLICATE)


def test_an_order_of_somebody_else_is_unknown(world: World) -> None:
    told(world, enter(ALICE, b"a"))
    assert told(world, (w.WITHDRAW, BOB, b"a", b"c"), change(BOB, b"a", b"d")) == [
        (w.REQUEST_REJECTED, BOB, b"a", b"c", 1, w.REJECT_UNKNOWN_ORDER, "unknown order"),
        (w.REQUEST_REJECTED, BOB, b"a", b"d", 2, w.REJECT_UNKNOWN_ORDER, "unknown order"),
    ]


def test_shortly_before_an_auction_a_cancel_request_is_too_late_or_waits(world: World) -> None:
    world.verb("set_phase", "main", "pre_open")
    told(world, enter(ALICE, b"lit"), submit(ALICE, b"call", tif=w.AT_OPEN))
    world.verb("set_phase", "main", "pre_open_no_cancel")
    late = w.REJECT_REASONS[w.REJECT_TOO_LATE]
    assert told(world, (w.WITHDRAW, ALICE, b"lit", b"1"), (w.WITHDRAW, ALICE, b"call", b"2")) == [
        (w.REQUEST_REJECTED, ALICE, b"lit", b"1", 1, w.REJECT_TOO_LATE, late),
        (w.CANCEL_REQUESTED, ALICE, b"call", b"2"),
        (w.CANCEL_PENDING, ALICE, b"call"),
    ]
    (answer,) = told(world, (w.WITHDRAW, ALICE, b"call", b"3"))
    assert answer == (
        w.REQUEST_REJECTED, ALICE, b"call", b"3", 1, w.REJECT_TOO_LATE, "its cancel waits for the auction already",
    )  # fmt: skip


def test_a_request_is_turned_down_when_no_more_tokens_are_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(world, enter(ALICE, b"a"))
    for module in (answers, entry):
        monkeypatch.setattr(module, "TOKENS_MAX", 1)
    said = told(world, (w.WITHDRAW, ALICE, b"a", b"c"), change(ALICE, b"a", b"d", 50))
    assert [event[:6] for event in said] == [
        (w.REQUEST_REJECTED, ALICE, b"a", b"c", 1, w.REJECT_LIMIT),
        (w.REQUEST_REJECTED, ALICE, b"a", b"d", 2, w.REJECT_LIMIT),
    ]


def test_a_mass_cancel_that_comes_again_is_not_answered_twice(world: World) -> None:
    told(world, enter(ALICE, b"a"))
    command = (w.MASS_CANCEL, ALICE, b"m", 1, "", 0, 0, w.PRICE_MAX)
    assert told(world, command)[-1] == (w.MASS_CANCELED, ALICE, b"m", 1)
    assert told(world, (w.AGAIN, ALICE), command) == []
    assert told(world, command) == [(w.MASS_CANCELED, ALICE, b"m", 0)]
    assert told(world, (w.AGAIN, ALICE), (*command[:2], b"n", *command[3:])) == [(w.MASS_CANCELED, ALICE, b"n", 0)]


# ------------------------------------------------------------------------------------------------- crosses
def cross(price: int = 100, **named: Any) -> Message:
    return (w.CROSS, ALICE, named.get("token", b"b"), named.get("sell", b"s"), named.get("symbol", "X"),
            named.get("side", w.SELL), named.get("quantity", 50), price * CENT, b"buy", b"sell")  # fmt: skip


def test_a_cross_trades_its_two_orders_with_each_other(world: World) -> None:
    world.send("gateway-1", enter(1, b"bid", w.BUY, 10, 100), enter(1, b"ask", w.SELL, 10, 104))
    world.take_all()
    world.send("gateway-2", cross(102, side=w.SELL_SHORT))
    events = world.take_all()
    assert events["gateway-2"] == [
        (w.ACCEPTED, ALICE, b"b", 3, w.BUY, 50, 102 * CENT, w.LIVE, b"buy"),
        (w.ACCEPTED, ALICE, b"s", 4, w.SELL_SHORT, 50, 102 * CENT, w.LIVE, b"sell"),
        (w.EXECUTED, ALICE, b"s", 50, 102 * CENT, w.REMOVED_LIQUIDITY, 1, 0, ALICE),
        (w.EXECUTED, ALICE, b"b", 50, 102 * CENT, w.ADDED_HIDDEN, 1, 0, ALICE),
    ]
    assert events["public"] == [(w.TRADED_HIDDEN, 1, 50, 102 * CENT, 1, w.SELL)]
    assert events["gateway-1"] == []
    assert world.machine.books["book-X"].plain
    assert world.machine.query("trades", {"book": "book-X"})[0]["price"] == "1.02"


@pytest.mark.parametrize(("price", "taken"), [(99, False), (100, True), (104, True), (105, False)])
def test_a_cross_is_not_better_than_the_best_orders_in_the_book_allow(world: World, price: int, taken: bool) -> None:
    world.send("gateway-1", enter(1, b"bid", w.BUY, 10, 100), enter(1, b"ask", w.SELL, 10, 104))
    answer = told(world, cross(price))
    if taken:
        assert [event[0] for event in answer] == [w.ACCEPTED, w.ACCEPTED, w.EXECUTED, w.EXECUTED]
    else:
        text = "price: a better order is in the book"
        assert answer == [
            (w.REJECTED, ALICE, b"b", w.REJECT_CROSS, text, b"buy"),
            (w.REJECTED, ALICE, b"s", w.REJECT_CROSS, text, b"sell"),
        ]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (cross(symbol="Q"), w.REJECT_SYMBOL), (cross(quantity=0), w.REJECT_QUANTITY), (cross(0), w.REJECT_PRICE),
        (cross(sell=b"b"), w.REJECT_DUPLICATE), (cross(token=b"used"), w.REJECT_DUPLICATE),
        (cross(sell=b"used"), w.REJECT_DUPLICATE),
    ],
)  # fmt: skip
def test_both_orders_of_a_cross_are_rejected_together(world: World, command: Message, reason: int) -> None:
    told(world, enter(ALICE, b"used", price=50))
    assert [event[:4] for event in told(world, command)] == [
        (w.REJECTED, ALICE, command[2], reason), (w.REJECTED, ALICE, command[3], reason),
    ]  # fmt: skip


def test_a_cross_is_for_continuous_trading_within_the_bands_and_the_limits(world: World) -> None:
    world.verb("set_limit", "main", "engine", "main", "max_quantity", 40)
    assert [event[3] for event in told(world, cross())] == [w.REJECT_MAX_QUANTITY] * 2
    world.verb("clear_limit", "main", "engine", "main", "max_quantity")
    world.verb("set_book_property", "book-X", "reference_price", "1.00")
    world.verb("set_book_property", "book-X", "static_band", 100)
    assert [event[3] for event in told(world, cross(103, token=b"b2", sell=b"s2"))] == [w.REJECT_CROSS] * 2
    world.verb("set_phase", "main", "pre_open")
    assert [event[3] for event in told(world, cross(token=b"b3", sell=b"s3"))] == [w.REJECT_PHASE] * 2


def test_a_repeated_cross_happens_once(world: World) -> None:
    assert len(told(world, cross())) == 4
    assert told(world, (w.AGAIN, ALICE), cross()) == []


def test_a_cross_sets_off_what_waits_for_its_price(world: World) -> None:
    world.send("gateway-1", submit(1, b"stop", w.BUY, 10, 0, order_type=w.STOP, stop_price=101),
               enter(1, b"ask", w.SELL, 10, 104))  # fmt: skip
    world.take_all()
    told(world, cross(102))
    assert [event[0] for event in world.take()] == [w.RESTATED, w.EXECUTED, w.EXECUTED]


# ------------------------------------------------------------------------------------------------- echo
def test_an_echo_engine_sends_messages_back_and_takes_no_orders_and_no_books() -> None:
    world = World()
    world.hello("gateway-2")
    assert world.verb("create_engine", "echo", "echo")["kind"] == "echo"
    world.verb("create_endpoint", "loop", "echo", "fix42", "gateway-2")
    assert world.take("gateway-2")[0][-1] == "echo"
    session = world.log_on("loop", "FIX.4.2:OO->A", 1, "gateway-2")
    world.take_all()
    assert told(world, (w.ECHO, session, b"8=FIX.4.2")) == [(w.ECHOED, session, b"8=FIX.4.2")]
    answers = told(world, enter(session, b"a"), submit(session, b"b", hidden=1))
    assert [event[3] for event in answers] == [w.REJECT_UNSUPPORTED] * 2
    assert world.verb("create_book", "x", "echo", "X") == ("wrong_state", "engine")


def test_other_engines_do_not_echo(world: World) -> None:
    ignored = world.machine.counters["ignored_commands"]
    assert told(world, (w.ECHO, ALICE, b"x")) == []
    assert world.machine.counters["ignored_commands"] == ignored + 1


# ------------------------------------------------------------------------------------------------- message rates
@pytest.mark.parametrize("action", ["reject", "queue"])
def test_a_message_rate_answers_requests_and_keeps_again_with_its_command(world: World, action: str) -> None:
    told(world, enter(ALICE, b"a"))
    world.verb("set_limit", "main", "session", str(ALICE), "messages_per_second", 1)
    world.verb("set_limit", "main", "session", str(ALICE), "throttle", action)
    commands = [(w.ASK, ALICE, b"a"), change(ALICE, b"a", b"b", 50), (w.AGAIN, ALICE), enter(ALICE, b"a")]
    answers = told(world, *commands)[1:]
    if action == "queue":
        assert answers == []
        for _ in range(3):
            world.now += 10**9
            world.timer()
        answers = world.take("gateway-2")
        assert [event[:4] for event in answers] == [(w.REPLACED, ALICE, b"b", b"a")]
        assert told(world, enter(ALICE, b"a"))[0][:4] == (w.REJECTED, ALICE, b"a", w.REJECT_DUPLICATE)
    else:
        text = f"messages_per_second is 1 for session {ALICE}: 1 in the last second"
        assert answers == [(w.REQUEST_REJECTED, ALICE, b"a", b"b", 2, w.REJECT_THROTTLE, text)]


def test_terms_travel_with_a_change(world: World) -> None:
    told(world, submit(ALICE, b"a", display_quantity=10))
    told(world, change(ALICE, b"a", b"b", 100, 99))
    (row,) = world.machine.query("list", {"kind": "orders"})
    assert (row["display_quantity"], row["price"]) == (10, "0.99")
    assert terms(display_quantity=10) == ((w.TERM_DISPLAY_QUANTITY, 10),)
