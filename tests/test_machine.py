"""Order commands, rule by rule: OUCH 4.2 (specs/ouch42, Behaviour) and openoutcry.matcher.entry.

Every test compares the whole list of events, private (sessions 1 "alice" and 2 "bob") and public.
"""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.matcher import answers, entry
from tests.machine_world import CENT, START_NS, World, enter, market, replace

SECOND_NS = 10**9


@pytest.fixture
def world() -> World:
    return market()


def send(world: World, *commands: Any) -> tuple[list[Any], list[Any]]:
    """Private and public events of some commands."""
    world.send("gateway-1", *commands)
    return world.take(), world.take("public")


def rejections(world: World, *commands: Any) -> list[tuple[bytes, int]]:
    """Token and reason of the rejections that commands lead to, and to nothing else. Each has a text."""
    private, public = send(world, *commands)
    assert not public
    assert all(event[0] == w.REJECTED and event[4] for event in private)
    return [(event[2], event[3]) for event in private]


# ------------------------------------------------------------------------------------------------- enter
def test_an_order_that_meets_nothing_is_accepted_and_added(world: World) -> None:
    private, public = send(world, enter(1, b"a", w.BUY, 100, 50, data=b"opaque"))
    assert private == [(w.ACCEPTED, 1, b"a", 1, w.BUY, 100, 50 * CENT, w.LIVE, b"opaque")]
    assert public == [(w.ADDED, 1, 1, w.BUY, 100, 50 * CENT)]


def test_the_public_sees_short_sales_as_sales(world: World) -> None:
    private, public = send(world, enter(1, b"a", w.SELL_SHORT), enter(1, b"b", w.SELL_SHORT_EXEMPT))
    assert [event[4] for event in private] == [w.SELL_SHORT, w.SELL_SHORT_EXEMPT]
    assert [event[3] for event in public] == [w.SELL, w.SELL]


def test_a_crossing_order_trades_at_the_resting_price_and_the_rest_waits(world: World) -> None:
    send(world, enter(1, b"a", w.SELL, 30, 100))
    private, public = send(world, enter(2, b"b", w.BUY, 100, 105))
    assert private == [
        (w.ACCEPTED, 2, b"b", 2, w.BUY, 100, 105 * CENT, w.LIVE, b"data"),
        (w.EXECUTED, 2, b"b", 30, 100 * CENT, w.REMOVED_LIQUIDITY, 1, 70, 1),
        (w.EXECUTED, 1, b"a", 30, 100 * CENT, w.ADDED_LIQUIDITY, 1, 0, 2),
    ]
    assert public == [
        (w.TRADED, 1, 1, 30, 100 * CENT, 1, w.BUY, 0),
        (w.ADDED, 1, 2, w.BUY, 70, 105 * CENT),
    ]


def test_better_prices_trade_first_and_equal_prices_in_order_of_arrival(world: World) -> None:
    send(world, *(enter(1, token, w.BUY, 10, price) for token, price in ((b"a", 99), (b"b", 100), (b"c", 100))))
    private, public = send(world, enter(2, b"s", w.SELL, 25, 99))
    assert [(e[2], e[3], e[4]) for e in private if e[0] == w.EXECUTED and e[1] == 1] == [
        (b"b", 10, 100 * CENT), (b"c", 10, 100 * CENT), (b"a", 5, 99 * CENT),
    ]  # fmt: skip
    assert public[-1] == (w.TRADED, 1, 1, 5, 99 * CENT, 3, w.SELL, 5)


def test_1_a_token_that_was_used_is_ignored_in_silence_even_after_a_reject(world: World) -> None:
    send(world, enter(1, b"a"), enter(1, b"bad", quantity=0))
    refuse = (w.REFUSE, 1, b"a", w.REJECT_SIDE, "", b"")
    assert send(world, enter(1, b"a", price=7), enter(1, b"bad"), refuse) == ([], [])
    assert world.machine.query("statistics", {})["ignored_commands"] == 3
    assert len(send(world, enter(2, b"a"))[0]) == 1, "tokens are each session's own"


REJECTS: dict[str, tuple[dict[str, Any], int]] = {
    "unknown symbol": ({"symbol": "NONE"}, w.REJECT_SYMBOL),
    "no quantity": ({"quantity": 0}, w.REJECT_QUANTITY),
    "quantity over the threshold": ({"quantity": 1_000_000}, w.REJECT_QUANTITY),
    "no price": ({"price": 0}, w.REJECT_PRICE),
    "price over the highest": ({"price": 20_000_000}, w.REJECT_PRICE),
    "price off the tick": ({"price": 1, "tick": 2}, w.REJECT_PRICE),
    "quantity off the lot": ({"quantity": 150, "lot": 100}, w.REJECT_QUANTITY),
    "minimum over the quantity": ({"minimum": 101, "tif": w.IOC}, w.REJECT_MIN_QUANTITY),
    "no seconds to live": ({"tif": w.GOOD_FOR_TIME}, w.REJECT_TIME_IN_FORCE),
    "too many seconds to live": ({"tif": w.GOOD_FOR_TIME, "expire": 86_400}, w.REJECT_TIME_IN_FORCE),
}


@pytest.mark.parametrize("name", REJECTS)
def test_2_an_invalid_order_is_rejected_and_its_token_is_used_up(world: World, name: str) -> None:
    fields, reason = REJECTS[name]
    world.verb("set_book_property", "book-X", "tick_size", f"0.0{fields.get('tick', 1)}")
    world.verb("set_book_property", "book-X", "lot_size", fields.get("lot", 1))
    world.take("public")
    assert rejections(world, enter(1, b"t", **fields)) == [(b"t", reason)]
    assert send(world, enter(1, b"t")) == ([], [])


def test_a_market_order_with_a_price_is_rejected(world: World) -> None:
    command = (w.ENTER, 1, b"t", "X", w.BUY, 10, CENT, w.MARKET, w.DAY, 0, 0, b"")
    assert rejections(world, command) == [(b"t", w.REJECT_PRICE)]


@pytest.mark.parametrize(("verb", "name", "reason"), [
    ("halt", "book-X", w.REJECT_HALTED), ("close", "main", w.REJECT_CLOSED),
])  # fmt: skip
def test_a_book_that_is_not_open_rejects_new_orders(world: World, verb: str, name: str, reason: int) -> None:
    world.verb(verb, name)
    assert send(world, enter(1, b"t"))[0] == [(w.REJECTED, 1, b"t", reason, w.REJECT_REASONS[reason], b"data")]


def test_the_limit_of_open_orders_counts_live_ones(world: World) -> None:
    world.verb("set_engine_property", "main", "max_open_orders", 2)
    private, _ = send(world, enter(1, b"a"), enter(1, b"b"), enter(1, b"c"))
    assert private[-1][:4] == (w.REJECTED, 1, b"c", w.REJECT_LIMIT)
    assert "max_open_orders" in private[-1][4]
    private, _ = send(world, (w.CANCEL, 1, b"a", 0), enter(1, b"d"))
    assert [event[0] for event in private] == [w.CANCELED, w.ACCEPTED]


def test_the_limit_of_tokens_rejects_without_remembering(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (entry, answers):
        monkeypatch.setattr(module, "TOKENS_MAX", 1)
    private, _ = send(world, enter(1, b"a"), enter(1, b"b"), replace(1, b"a", b"c"), (w.REFUSE, 1, b"d", 7, "", b""))
    assert [(event[0], event[2]) for event in private] == [
        (w.ACCEPTED, b"a"), (w.REJECTED, b"b"), (w.REJECTED, b"c"), (w.REJECTED, b"d"),
    ]  # fmt: skip
    assert private[1][3] == private[2][3] == w.REJECT_LIMIT
    assert list(world.machine.sessions[1].tokens) == [b"a"]


def test_refuse_rejects_with_the_gateways_reason_and_uses_the_token_up(world: World) -> None:
    known, unknown = (w.REFUSE, 1, b"t", w.REJECT_DISPLAY, "", b"x"), (w.REFUSE, 1, b"u", 77, "what it says", b"")
    private, _ = send(world, known, unknown, enter(1, b"t"))
    assert private == [
        (w.REJECTED, 1, b"t", w.REJECT_DISPLAY, "invalid display", b"x"),
        (w.REJECTED, 1, b"u", 77, "what it says", b""),
    ]


# ------------------------------------------------------------------------------------------------- immediate orders
def test_6_an_ioc_remainder_is_canceled_and_the_public_sees_only_trades(world: World) -> None:
    send(world, enter(1, b"a", w.SELL, 30))
    private, public = send(world, enter(2, b"b", w.BUY, 100, tif=w.IOC))
    assert private[-1] == (w.CANCELED, 2, b"b", 70, w.CANCEL_IOC, 0)
    assert public == [(w.TRADED, 1, 1, 30, 100 * CENT, 1, w.BUY, 0)]


@pytest.mark.parametrize("side", [w.BUY, w.SELL])
@pytest.mark.parametrize("tif", (w.DAY, w.IOC, w.SYSTEM_HOURS))
def test_a_market_order_sweeps_every_price_and_never_rests(world: World, side: int, tif: int) -> None:
    other = w.SELL if side == w.BUY else w.BUY
    send(world, enter(1, b"a", other, 10, 1), enter(1, b"b", other, 10, 19_999_999))
    private, public = send(world, enter(2, b"m", side, 25, order_type=w.MARKET, tif=tif))
    assert private[0] == (w.ACCEPTED, 2, b"m", 3, side, 25, 0, w.LIVE, b"data")
    assert private[-1] == (w.CANCELED, 2, b"m", 5, w.CANCEL_IOC, 0)
    assert [event[0] for event in public] == [w.TRADED, w.TRADED]


def test_6_fok_and_minimum_quantity_are_all_there_or_nothing_is_executed(world: World) -> None:
    send(world, enter(1, b"a", w.SELL, 30, 100), enter(1, b"b", w.SELL, 30, 101), enter(1, b"c", w.SELL, 90, 102))
    for token, fields in ((b"1", {"tif": w.FOK}), (b"2", {"tif": w.IOC, "minimum": 61})):
        private, public = send(world, enter(2, token, w.BUY, 61, 101, **fields))
        assert [event[0] for event in private] == [w.ACCEPTED, w.CANCELED]
        assert private[1] == (w.CANCELED, 2, token, 61, w.CANCEL_IOC, 0)
        assert public == []
    private, _ = send(world, enter(2, b"3", w.BUY, 80, 101, tif=w.IOC, minimum=60))
    assert [event[0] for event in private] == [w.ACCEPTED, *[w.EXECUTED] * 4, w.CANCELED]
    private, _ = send(world, enter(2, b"4", w.BUY, 90, tif=w.FOK, order_type=w.MARKET))
    assert [event[0] for event in private] == [w.ACCEPTED, w.EXECUTED, w.EXECUTED]


def test_a_fok_market_order_is_all_or_nothing(world: World) -> None:
    send(world, enter(1, b"a", w.SELL, 30))
    private, _ = send(world, enter(2, b"b", w.BUY, 31, order_type=w.MARKET, tif=w.FOK))
    assert [event[0] for event in private] == [w.ACCEPTED, w.CANCELED]


# ------------------------------------------------------------------------------------------------- cancel, modify
def test_3_cancel_takes_the_new_intended_size_and_keeps_priority(world: World) -> None:
    send(world, enter(1, b"a", w.SELL, 100), enter(1, b"b", w.SELL, 100), enter(2, b"x", w.BUY, 20))
    assert send(world, (w.CANCEL, 1, b"a", 100)) == ([], []), "no increase"
    private, public = send(world, (w.CANCEL, 1, b"a", 70))
    assert private == [(w.CANCELED, 1, b"a", 30, w.CANCEL_USER, 50)]
    assert public == [(w.REDUCED, 1, 1, 30, 50)]
    assert send(world, enter(2, b"y", w.BUY, 1))[0][-1][2] == b"a"
    assert send(world, (w.CANCEL, 1, b"a", 21))[0] == [(w.CANCELED, 1, b"a", 49, w.CANCEL_USER, 0)], "21 have executed"
    assert send(world, (w.CANCEL, 1, b"a", 0), (w.CANCEL, 1, b"none", 0)) == ([], [])


def test_5_modify_flips_among_sell_sides_or_reduces_and_keeps_priority(world: World) -> None:
    send(world, enter(1, b"a", w.SELL, 100), enter(1, b"b", w.SELL, 100))
    private, public = send(world, (w.MODIFY, 1, b"a", w.SELL_SHORT, 100))
    assert (private, public) == ([(w.MODIFIED, 1, b"a", w.SELL_SHORT, 100)], [])
    private, public = send(world, (w.MODIFY, 1, b"a", w.SELL_SHORT, 60))
    assert private == [(w.MODIFIED, 1, b"a", w.SELL_SHORT, 60)]
    assert public == [(w.REDUCED, 1, 1, 40, 60)]
    assert send(world, enter(2, b"x", w.BUY, 1))[0][-1][2] == b"a"
    ignored = ((w.SELL_SHORT, 60), (w.SELL, 61), (w.BUY, 10))
    assert send(world, *((w.MODIFY, 1, b"a", side, total) for side, total in ignored)) == ([], [])
    assert send(world, (w.MODIFY, 1, b"none", w.SELL, 1)) == ([], [])
    assert send(world, (w.MODIFY, 1, b"a", w.SELL, 1))[0] == [(w.CANCELED, 1, b"a", 59, w.CANCEL_USER, 0)]


def test_a_buy_can_be_reduced_by_modify(world: World) -> None:
    send(world, enter(1, b"a"))
    assert send(world, (w.MODIFY, 1, b"a", w.BUY, 40))[0] == [(w.MODIFIED, 1, b"a", w.BUY, 40)]


@pytest.mark.parametrize(("verb", "name"), [("halt", "book-X"), ("close", "main")])
def test_cancels_and_reductions_are_taken_while_a_book_is_not_open(world: World, verb: str, name: str) -> None:
    send(world, *(enter(1, token, tif=w.SYSTEM_HOURS) for token in (b"a", b"b", b"c")))
    world.verb(verb, name)
    world.take("public")
    commands = ((w.CANCEL, 1, b"a", 0), (w.CANCEL, 1, b"b", 1), (w.MODIFY, 1, b"c", w.BUY, 1))
    assert [event[0] for event in send(world, *commands)[0]] == [w.CANCELED, w.CANCELED, w.MODIFIED]


# ------------------------------------------------------------------------------------------------- replace
def test_4d_replace_is_about_the_total_of_the_chain(world: World) -> None:
    """The example of the specification: 500 entered, 100 executed, replaced with 500: 400 are open."""
    send(world, enter(1, b"a", w.SELL, 500, 100, data=b"old"), enter(2, b"x", w.BUY, 100))
    private, public = send(world, replace(1, b"a", b"b", 500, 101))
    assert private == [(w.REPLACED, 1, b"b", b"a", 3, w.SELL, 400, 101 * CENT, w.LIVE, b"old", b"new")]
    assert public == [(w.ORDER_REPLACED, 1, 1, 3, 400, 101 * CENT)]
    send(world, enter(2, b"y", w.BUY, 50, 101))
    assert send(world, replace(1, b"b", b"c", 500, 102))[0][0][6] == 350, "executions of the chain add up"
    assert send(world, (w.CANCEL, 1, b"c", 151))[0] == [(w.CANCELED, 1, b"c", 349, w.CANCEL_USER, 1)]


def test_4d_replace_loses_priority_even_when_nothing_changes(world: World) -> None:
    send(world, enter(1, b"a", w.SELL), enter(1, b"b", w.SELL), replace(1, b"a", b"c"))
    assert send(world, enter(2, b"x", w.BUY, 1))[0][-1][2] == b"b"


def test_4d_a_replacement_that_crosses_trades_and_its_rest_waits(world: World) -> None:
    send(world, enter(1, b"a", w.BUY, 100, 90), enter(2, b"s", w.SELL, 40, 100))
    private, public = send(world, replace(1, b"a", b"b", 100, 100))
    assert [event[0] for event in private] == [w.REPLACED, w.EXECUTED, w.EXECUTED]
    assert public == [
        (w.REDUCED, 1, 1, 100, 0),
        (w.TRADED, 1, 2, 40, 100 * CENT, 1, w.BUY, 0),
        (w.ADDED, 1, 3, w.BUY, 60, 100 * CENT),
    ]
    send(world, enter(2, b"t", w.SELL, 60, 100))
    assert send(world, (w.CANCEL, 1, b"b", 0)) == ([], []), "filled"


def test_4d_executions_before_and_after_a_replacement_count_in_its_chain(world: World) -> None:
    send(world, enter(1, b"a", w.BUY, 100, 90), enter(2, b"s", w.SELL, 10, 90), enter(2, b"t", w.SELL, 20, 95))
    assert send(world, replace(1, b"a", b"b", 100, 95))[0][0][6] == 90
    assert send(world, replace(1, b"b", b"c", 100, 94))[0][0][6] == 70


def test_4d_a_replacement_that_never_rests(world: World) -> None:
    send(world, enter(1, b"a", w.BUY, 100, 90), enter(2, b"s", w.SELL, 40, 100))
    private, public = send(world, replace(1, b"a", b"b", 100, 100, tif=w.FOK))
    assert private[1:] == [(w.CANCELED, 1, b"b", 100, w.CANCEL_IOC, 0)]
    assert public == [(w.REDUCED, 1, 1, 100, 0)]
    send(world, enter(1, b"c", w.BUY, 100, 90))
    private, public = send(world, replace(1, b"c", b"d", 100, tif=w.IOC, order_type=w.MARKET, minimum=40))
    assert [event[0] for event in private] == [w.REPLACED, w.EXECUTED, w.EXECUTED, w.CANCELED]
    assert [event[0] for event in public] == [w.REDUCED, w.TRADED]


def test_4a_replace_of_a_dead_order_or_with_a_used_token_is_ignored(world: World) -> None:
    send(world, enter(1, b"a"), enter(1, b"b"), (w.CANCEL, 1, b"b", 0))
    assert send(world, replace(1, b"b", b"c"), replace(1, b"none", b"c"), replace(1, b"a", b"b")) == ([], [])
    assert send(world, replace(1, b"a", b"a")) == ([], [])
    assert send(world, replace(1, b"a", b"c"))[0][0][0] == w.REPLACED, "the token c was not used up"


INVALID: dict[str, dict[str, Any]] = {
    "marked by the gateway": {"invalid": w.REJECT_FIELD},
    "no quantity": {"quantity": 0},
    "no more than has executed": {"quantity": 10},
    "quantity over the threshold": {"quantity": 1_000_000},
    "no price": {"price": 0},
    "price over the highest": {"price": 20_000_000},
    "bad seconds to live": {"tif": w.GOOD_FOR_TIME, "expire": 0},
    "minimum over what would be open": {"minimum": 91, "tif": w.IOC},
}


@pytest.mark.parametrize("name", INVALID)
def test_4b_invalid_details_take_the_order_out_and_leave_the_token_free(world: World, name: str) -> None:
    send(world, enter(1, b"a", w.SELL, 100), enter(2, b"x", w.BUY, 10))
    private, public = send(world, replace(1, b"a", b"b", **INVALID[name]))
    assert private == [(w.CANCELED, 1, b"a", 90, w.CANCEL_INVALID_REPLACE, 0)]
    assert public == [(w.REDUCED, 1, 1, 90, 0)]
    assert send(world, enter(1, b"b"))[0][0][0] == w.ACCEPTED


@pytest.mark.parametrize("invalid", [0, w.REJECT_FIELD])
def test_4c_a_halt_rejects_the_replacement_and_leaves_the_order(world: World, invalid: int) -> None:
    send(world, enter(1, b"a"))
    world.verb("halt", "book-X")
    world.take("public")
    private, public = send(world, replace(1, b"a", b"b", invalid=invalid))
    assert (private, public) == ([(w.REJECTED, 1, b"b", w.REJECT_HALTED, "halted", b"new")], [])
    world.verb("resume", "book-X")
    assert send(world, replace(1, b"a", b"b"))[0] == [], "the token b is used up"
    assert send(world, (w.CANCEL, 1, b"a", 0))[0][0][0] == w.CANCELED


# ------------------------------------------------------------------------------------------------- time
def test_seconds_to_live_end_with_a_timeout_earliest_first(world: World) -> None:
    fields = {"tif": w.GOOD_FOR_TIME}
    send(
        world,
        enter(1, b"b", expire=2, **fields),
        enter(2, b"a", expire=1, **fields),
        enter(1, b"c", expire=9, **fields),
    )
    assert world.machine.next_timer_ns == START_NS + SECOND_NS
    world.now += 2 * SECOND_NS - 1
    world.timer()
    assert world.take() == [(w.CANCELED, 2, b"a", 100, w.CANCEL_TIMEOUT, 0)]
    world.now += 1
    world.timer()
    assert world.take() == [(w.CANCELED, 1, b"b", 100, w.CANCEL_TIMEOUT, 0)]
    send(world, (w.CANCEL, 1, b"c", 0))
    assert world.machine.next_timer_ns == 0
    world.timer()
    assert world.take() == []


def test_a_replacement_lives_from_anew(world: World) -> None:
    send(world, enter(1, b"a", expire=1, tif=w.GOOD_FOR_TIME))
    world.now += SECOND_NS // 2
    send(world, replace(1, b"a", b"b", expire=1, tif=w.GOOD_FOR_TIME))
    assert world.machine.next_timer_ns == world.now + SECOND_NS
    send(world, replace(1, b"b", b"c"))
    assert world.machine.next_timer_ns == 0


def test_orders_expire_while_the_market_is_halted(world: World) -> None:
    send(world, enter(1, b"a", expire=1, tif=w.GOOD_FOR_TIME))
    world.verb("halt", "book-X")
    world.now += SECOND_NS
    world.timer()
    assert world.take()[0][4] == w.CANCEL_TIMEOUT


def test_dead_timers_do_not_pile_up(world: World) -> None:
    for number in range(3_000):
        token = b"%d" % number
        send(world, enter(1, token, expire=60, tif=w.GOOD_FOR_TIME), (w.CANCEL, 1, token, 0))
    assert world.machine.query("statistics", {})["timers"] <= 1_025


# ------------------------------------------------------------------------------------------------- whose orders
def test_order_commands_of_strange_sessions_are_counted_and_ignored() -> None:
    world = market(gateways=2)
    world.send("gateway-2", enter(1, b"a"), enter(99, b"a"))
    world.send("control", enter(1, b"a"))
    assert not any(world.take_all().values())
    assert world.machine.query("statistics", {})["ignored_commands"] == 3


def test_commands_that_were_applied_before_are_dropped(world: World) -> None:
    last = world.machine.peers["gateway-1"].last_command
    sequence = world.machine.sequence
    world.feed("apply", "gateway-1", last + 1, (enter(1, b"a"), enter(1, b"b")))
    world.feed("apply", "gateway-1", last + 1, (enter(1, b"a"), enter(1, b"b"), enter(1, b"c")))
    world.feed("apply", "gateway-1", last + 2, (enter(1, b"b"),))
    assert [event[2] for event in world.take()] == [b"a", b"b", b"c"]
    assert world.machine.sequence == sequence + 3
    assert world.machine.peers["gateway-1"].last_command == last + 3
