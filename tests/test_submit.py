"""What orders may say: every row of the tables of openoutcry.matcher.judging, and what is judged first."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.matcher import answers, judging, sessions
from openoutcry.matcher.judging import COMBINATIONS, FEATURES, NEEDS, Draft
from openoutcry.matcher.risk import guard_of
from openoutcry.matcher.terms import Terms
from tests.invariants import check
from tests.machine_world import CENT, START_NS, World, amend, enter, market, replace, submit

Events = list[tuple[Any, ...]]
Fields = dict[str, Any]


@pytest.fixture
def world() -> World:
    return market()


def send(world: World, *commands: Any) -> Events:
    """The private events of some commands."""
    world.send("gateway-1", *commands)
    check(world.machine)
    world.take("public")
    return world.take()


def refusal(world: World, command: Any) -> tuple[int, str] | None:
    """Why a command was rejected, None when it was not."""
    events = send(world, command)
    return (events[0][3], events[0][4]) if events[0][0] == w.REJECTED else None


# ------------------------------------------------------------------------------------------------- combinations
# For each feature an order that has it, and has nothing that its feature does not need.
HAVING: dict[str, Fields] = {
    "market": {"order_type": w.MARKET},
    "market-to-limit": {"order_type": w.MARKET_TO_LIMIT},
    "stop or stop-limit": {"order_type": w.STOP_LIMIT, "stop_price": 105},
    "trigger": {"order_type": w.LIMIT_IF_TOUCHED, "stop_price": 95},
    "pegged": {"order_type": w.PEGGED, "peg": w.PEG_PRIMARY},
    "immediate": {"tif": w.IOC},
    "auction only": {"tif": w.AT_CLOSE},
    "limit or market": {},
    "plain market": {"order_type": w.MARKET},
    "account": {"account": "fund"},
    "stop_price": {"order_type": w.STOP_LIMIT, "stop_price": 105},
    "trail_amount": {"order_type": w.STOP_LIMIT, "trail_amount": 5},
    "trail_percent": {"order_type": w.STOP_LIMIT, "trail_percent": 50},
    "stop_price or trail": {"order_type": w.STOP_LIMIT, "stop_price": 105},
    "protection": {"order_type": w.MARKET, "protection": 5},
    "display_quantity": {"display_quantity": 10},
    "display_range": {"display_quantity": 10, "display_range": 5},
    "larger display_quantity": {"display_quantity": 10, "display_range": 5},
    "hidden": {"hidden": 1},
    "post_only": {"post_only": w.POST_ONLY_REJECT},
    "all_or_none": {"all_or_none": 1},
    "resting all_or_none": {"all_or_none": 1},
    "minimum quantity": {"minimum": 10},
    "peg": {"order_type": w.PEGGED, "peg": w.PEG_PRIMARY},
    "peg_offset": {"order_type": w.PEGGED, "peg": w.PEG_MIDPOINT, "peg_offset": -1},
    "pair": {"pair": b"one"},
    "take_profit": {"take_profit": 105},
    "stop_loss": {"stop_loss": 95},
    "reduce_only": {"reduce_only": 1},
    "self_match": {"self_match": w.SELF_MATCH_OFF},
    "keep": {"keep": 1},
    "take_profit on the winning side": {"take_profit": 105},
    "stop_loss on the losing side": {"stop_loss": 95},
    "stop_loss beyond take_profit": {"take_profit": 105, "stop_loss": 95},
}
# For each need an order that has the thing and lacks what it needs.
LACKING: dict[tuple[str, str], tuple[Fields, ...]] = {
    ("trigger", "stop_price or trail"): tuple(
        {"order_type": kind} for kind in (w.STOP, w.STOP_LIMIT, w.MARKET_IF_TOUCHED, w.LIMIT_IF_TOUCHED)
    ),
    ("stop_price", "trigger"): ({"stop_price": 105}, {"order_type": w.MARKET, "stop_price": 105}),
    ("trail_amount", "stop or stop-limit"): (
        {"trail_amount": 5}, {"order_type": w.LIMIT_IF_TOUCHED, "trail_amount": 5},
    ),
    ("trail_percent", "stop or stop-limit"): ({"trail_percent": 5},),
    ("pegged", "peg"): ({"order_type": w.PEGGED},),
    ("peg", "pegged"): ({"peg": w.PEG_MARKET},),
    ("peg_offset", "peg"): ({"peg_offset": 5},),
    ("protection", "plain market"): ({"protection": 5}, {"order_type": w.MARKET_TO_LIMIT, "protection": 5}),
    ("display_range", "larger display_quantity"): ({"display_range": 5}, {"display_quantity": 5, "display_range": 5}),
    ("auction only", "limit or market"): (
        {"tif": w.AT_CLOSE, "order_type": w.MARKET_TO_LIMIT},
        {"tif": w.GOOD_FOR_AUCTION, "order_type": w.MARKET_TO_LIMIT},
    ),
    ("take_profit", "limit or market"): ({"order_type": w.MARKET_TO_LIMIT, "take_profit": 105},),
    ("stop_loss", "limit or market"): ({"order_type": w.MARKET_TO_LIMIT, "stop_loss": 95},),
    ("take_profit", "take_profit on the winning side"): (
        {"take_profit": 100}, {"take_profit": 95}, {"side": w.SELL, "take_profit": 105},
    ),
    ("stop_loss", "stop_loss on the losing side"): (
        {"stop_loss": 100}, {"stop_loss": 105}, {"side": w.SELL, "stop_loss": 95},
    ),
    ("stop_loss", "stop_loss beyond take_profit"): ({"order_type": w.MARKET, "stop_loss": 105, "take_profit": 95},),
}  # fmt: skip


def test_the_recipes_of_this_file_are_complete() -> None:
    assert set(HAVING) == set(FEATURES)
    assert set(LACKING) == set(NEEDS)
    assert len({frozenset(row[:2]) for row in COMBINATIONS}) == len(COMBINATIONS)


def order(fields: Fields, token: bytes = b"t") -> Any:
    fields = dict(fields)
    kind = fields.get("order_type", w.LIMIT)
    return submit(1, token, fields.pop("side", w.BUY), 100, 0 if kind == w.PEGGED else 100, **fields)


def draft(fields: Fields) -> Draft:
    command = order(fields)
    return Draft(Terms(command[7], command[12], command[10]), command[8], command[4], command[6])


@pytest.mark.parametrize("name", FEATURES)
def test_an_order_may_have_a_thing(world: World, name: str) -> None:
    world.verb("set_book_property", "book-X", "positions", True)
    send(world, enter(2, b"l", w.SELL, 10, 110))
    assert FEATURES[name](draft(HAVING[name]))
    found = refusal(world, order(HAVING[name]))
    assert found is None or (name == "reduce_only" and found[0] == w.REJECT_REDUCE_ONLY)


@pytest.mark.parametrize(("one", "other", "why"), COMBINATIONS)
def test_two_things_that_do_not_go_together(world: World, one: str, other: str, why: str) -> None:
    fields = {**HAVING[other], **HAVING[one]}
    if (one, other) == ("trail_amount", "trail_percent"):
        fields = {**HAVING[other], "trail_amount": 5}
    if one == "immediate" and other == "pegged":
        fields = {**HAVING["pegged"], "tif": w.FOK}
    found = draft(fields)
    assert FEATURES[one](found) and FEATURES[other](found)
    answer = refusal(world, order(fields))
    assert answer is not None and answer[0] == w.REJECT_ORDER_TYPE
    rows = [row for row in COMBINATIONS if FEATURES[row[0]](found) and FEATURES[row[1]](found)]
    assert (one, other, why) in rows
    assert answer[1] == "{} and {} do not go together: {}".format(*rows[0])


@pytest.mark.parametrize(("one", "other"), NEEDS)
def test_a_thing_that_needs_another(world: World, one: str, other: str) -> None:
    for number, fields in enumerate(LACKING[one, other]):
        found = draft(fields)
        assert FEATURES[one](found) and not FEATURES[other](found)
        rows = [row for row in NEEDS if FEATURES[row[0]](found) and not FEATURES[row[1]](found)]
        assert (one, other) in rows
        answer = refusal(world, order(fields, b"%d" % number))
        assert answer == (w.REJECT_ORDER_TYPE, "{} needs {}".format(*rows[0]))


TOGETHER: tuple[Fields, ...] = (
    {"hidden": 1, "post_only": 2}, {"hidden": 1, "minimum": 10}, {"hidden": 1, "all_or_none": 1},
    {"display_quantity": 10, "pair": b"p", "self_match": 3, "account": "A", "keep": 1},
    {"tif": w.IOC, "all_or_none": 1}, {"tif": w.FOK, "pair": b"p"}, {"tif": w.IOC, "minimum": 5},
    {"order_type": w.STOP, "stop_price": 105, "tif": w.IOC},
    {"order_type": w.STOP, "trail_amount": 5, "stop_price": 120},
    {"order_type": w.STOP_LIMIT, "stop_price": 105, "hidden": 1}, {"order_type": w.MARKET, "minimum": 10},
    {"order_type": w.MARKET, "tif": w.IOC, "all_or_none": 1},
    {"take_profit": 105, "stop_loss": 95, "display_quantity": 10},
    {"side": w.SELL, "take_profit": 95, "stop_loss": 105},
    {"order_type": w.PEGGED, "peg": w.PEG_MIDPOINT, "minimum": 10},
    {"order_type": w.PEGGED, "peg": w.PEG_PRIMARY, "display_quantity": 10, "post_only": 1},
    {"tif": w.GOOD_FOR_AUCTION, "account": "A", "keep": 1},
    {"tif": w.AT_CLOSE, "order_type": w.MARKET, "self_match": 1},
)  # fmt: skip


@pytest.mark.parametrize("fields", TOGETHER, ids=str)
def test_things_that_go_together(world: World, fields: Fields) -> None:
    assert refusal(world, order(fields)) is None


# ------------------------------------------------------------------------------------------------- details
@pytest.mark.parametrize(
    ("fields", "reason", "text"),
    [
        ({"quantity": 0}, w.REJECT_QUANTITY, "min_quantity: 0 is less than 10"),
        ({"quantity": 5}, w.REJECT_QUANTITY, "min_quantity: 5 is less than 10"),
        ({"quantity": 1_200}, w.REJECT_QUANTITY, "max_quantity: 1200 is more than 1000"),
        ({"quantity": 25}, w.REJECT_QUANTITY, "lot_size: 25 is no multiple of 10"),
        ({"price": 0}, w.REJECT_PRICE, "price: it must be above 0"),
        ({"price": 20_001}, w.REJECT_PRICE, "max_price: price 200.01 is more than 200"),
        ({"price": 101}, w.REJECT_PRICE, "tick_size: price 1.01 is no multiple of 0.05"),
        ({"stop_price": 101, "order_type": w.STOP}, w.REJECT_PRICE,
         "tick_size: stop_price 1.01 is no multiple of 0.05"),
        ({"take_profit": 20_005}, w.REJECT_PRICE, "max_price: take_profit 200.05 is more than 200"),
        ({"stop_loss": 98}, w.REJECT_PRICE, "tick_size: stop_loss 0.98 is no multiple of 0.05"),
        ({"tif": w.GOOD_FOR_TIME}, w.REJECT_TIME_IN_FORCE, "expire: 0 seconds to live are not 1 to 86399"),
        ({"tif": w.GTD, "expire": START_NS}, w.REJECT_TIME_IN_FORCE,
         f"expire: {START_NS} ns since 1970 is not after now, {START_NS}"),
        ({"minimum": 110}, w.REJECT_MIN_QUANTITY, "min_quantity: 110 is more than the order's 100"),
        ({"minimum": 10, "all_or_none": 1}, w.REJECT_MIN_QUANTITY, "all_or_none: a minimum quantity of 10 says less"),
        ({"order_type": w.PEGGED, "peg": 1, "price": 101}, w.REJECT_PRICE,
         "tick_size: price 1.01 is no multiple of 0.05"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_rule_and_its_limit(world: World, fields: Fields, reason: int, text: str) -> None:
    world.verb("set_engine_property", "main", "max_quantity", 1_000)
    for name, value in (("min_quantity", 10), ("lot_size", 10), ("tick_size", "0.05"), ("max_price", 200)):
        world.verb("set_book_property", "book-X", name, value)
    fields = dict(fields)
    found = refusal(world, submit(1, b"t", w.BUY, fields.pop("quantity", 100), fields.pop("price", 100), **fields))
    assert found == (reason, text)
    assert refusal(world, submit(1, b"u", w.BUY, 100, 100)) is None


@pytest.mark.parametrize("kind", [w.MARKET, w.MARKET_TO_LIMIT, w.STOP, w.MARKET_IF_TOUCHED])
def test_some_types_have_no_price(world: World, kind: int) -> None:
    command = submit(1, b"t", w.BUY, 100, 100, order_type=kind)
    assert refusal(world, (*command[:6], CENT, *command[7:])) == (
        w.REJECT_PRICE, f"price: a {w.ORDER_TYPES[kind]} order has none, so it must be 0",
    )  # fmt: skip


def test_a_price_is_held_to_the_tick_table(world: World) -> None:
    world.verb("set_book_property", "book-X", "tick_table", "0=0.01 1=0.05")
    assert refusal(world, enter(1, b"a", w.BUY, 100, 99)) is None
    assert refusal(world, enter(1, b"b", w.BUY, 100, 101)) == (
        w.REJECT_PRICE, "tick_table: price 1.01 is no multiple of 0.05",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- what is judged first
def test_the_first_that_fails_is_the_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One order with everything wrong; what is found is put right, one thing after the other."""
    guard = guard_of(world.machine, world.machine.engines["main"])
    guard.set_limit("session", "1", "max_quantity", 50)
    world.verb("set_engine_property", "main", "max_open_orders", 1)
    send(world, enter(1, b"open", w.BUY, 10, 90), enter(2, b"l", w.SELL, 10, 100))
    world.verb("halt", "book-X")
    fields: Fields = {"symbol": "Z", "quantity": 0, "price": 0, "tif": w.GOOD_FOR_TIME, "minimum": 500,
                      "hidden": 1, "display_quantity": 5, "post_only": 1}  # fmt: skip
    reasons = []
    for number, (name, value) in enumerate(
        (("symbol", "X"), ("phase", 0), ("open", 0), ("quantity", 100), ("price", 100), ("expire", 5), ("minimum", 0),
         ("display_quantity", None), ("post_only", None), ("quantity", 50))
    ):  # fmt: skip
        given = dict(fields)
        found = refusal(world, submit(1, b"%d" % number, w.BUY, given.pop("quantity"), given.pop("price"), **given))
        assert found is not None
        reasons.append(found[0])
        if name == "phase":
            world.verb("resume", "book-X")
        elif name == "open":
            world.verb("set_engine_property", "main", "max_open_orders", 100)
        elif value is None:
            del fields[name]
        else:
            fields[name] = value
    assert reasons == [
        w.REJECT_SYMBOL, w.REJECT_HALTED, w.REJECT_LIMIT, w.REJECT_QUANTITY, w.REJECT_PRICE, w.REJECT_TIME_IN_FORCE,
        w.REJECT_MIN_QUANTITY, w.REJECT_ORDER_TYPE, w.REJECT_POST_ONLY, w.REJECT_MAX_QUANTITY,
    ]  # fmt: skip
    assert send(world, submit(1, b"last", w.BUY, 50, 100, hidden=1))[0][0] == w.ACCEPTED


def test_a_rejected_token_is_used_up_and_a_used_one_is_ignored(world: World) -> None:
    assert refusal(world, submit(1, b"t", w.BUY, 0, 100, hidden=1)) is not None
    assert send(world, submit(1, b"t", w.BUY, 10, 100, hidden=1)) == []
    assert send(world, submit(1, b"u", w.BUY, 10, 100, hidden=1))[0][0] == w.ACCEPTED
    assert send(world, submit(1, b"u", w.BUY, 10, 100, symbol="Z", hidden=1)) == []
    assert world.machine.counters["ignored_commands"] == 2


def test_the_limit_of_tokens_rejects_without_remembering(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "TOKENS_MAX", 2)
    send(world, submit(1, b"a", hidden=1), submit(1, b"b", hidden=1))
    text = "tokens: the session has used 2 today"
    assert refusal(world, submit(1, b"c", hidden=1)) == (w.REJECT_LIMIT, text)
    assert refusal(world, amend(1, b"a", b"d", 50)) == (w.REJECT_LIMIT, text)
    assert len(world.machine.sessions[1].tokens) == 2
    assert sessions.TOKENS_MAX > 10**6


# ------------------------------------------------------------------------------------------------- changes
def test_a_replacement_that_risk_refuses_leaves_the_order_as_it_was(world: World) -> None:
    send(world, submit(1, b"a", w.BUY, 100, 99, hidden=1))
    guard_of(world.machine, world.machine.engines["main"]).set_limit("session", "1", "max_quantity", 150)
    assert send(world, replace(1, b"a", b"b", 200, 99))[0][:4] == (w.REJECTED, 1, b"b", w.REJECT_MAX_QUANTITY)
    assert list(world.machine.sessions[1].live) == [b"a"]
    assert send(world, replace(1, b"a", b"b", 120, 99)) == []  # its token is used up
    assert send(world, replace(1, b"a", b"c", 120, 99))[0][0] == w.REPLACED


@pytest.mark.parametrize(
    "change",
    [{"quantity": 0}, {"price": 0}, {"minimum": 500}, {"invalid": w.REJECT_SIDE}, {"display_quantity": 5},
     {"tif": w.GTD}, {"order_type": w.MARKET}, {"order_type": w.PEGGED}],
)  # fmt: skip
def test_a_wrong_amend_takes_the_order_out_and_leaves_its_token_free(world: World, change: Fields) -> None:
    send(world, submit(1, b"a", w.BUY, 100, 99, hidden=1))
    fields = {"quantity": 50, "price": 98, **change}
    private = send(world, amend(1, b"a", b"b", fields.pop("quantity"), fields.pop("price"), **fields))
    assert private == [(w.CANCELED, 1, b"a", 100, w.CANCEL_INVALID_REPLACE, 0)]
    assert b"b" not in world.machine.sessions[1].tokens


def test_an_amend_of_what_is_not_live_or_to_a_used_token_is_ignored(world: World) -> None:
    send(world, submit(1, b"a", w.BUY, 100, 99, hidden=1), submit(1, b"b", w.BUY, 100, 99, hidden=1))
    assert send(world, amend(1, b"z", b"c", 50), amend(1, b"a", b"b", 50)) == []
    assert len(world.machine.sessions[1].live) == 2


def test_a_total_that_has_been_executed_takes_the_order_out(world: World) -> None:
    send(world, submit(1, b"a", w.BUY, 100, 99, hidden=1), enter(2, b"t", w.SELL, 40, 99))
    assert send(world, amend(1, b"a", b"b", 40, 99)) == [(w.CANCELED, 1, b"a", 60, w.CANCEL_INVALID_REPLACE, 0)]


@pytest.mark.parametrize("command", [w.ENTER, w.SUBMIT])
def test_submit_without_terms_is_an_enter(world: World, command: int) -> None:
    message = enter(1, b"a", w.BUY, 100, 99) if command == w.ENTER else submit(1, b"a", w.BUY, 100, 99)
    assert send(world, message) == [(w.ACCEPTED, 1, b"a", 1, w.BUY, 100, 99 * CENT, w.LIVE, b"data")]
    assert world.machine.books["book-X"].plain


def test_long_lived_plain_orders_leave_the_book_plain(world: World) -> None:
    send(world, enter(1, b"a", tif=w.GTC), enter(1, b"b", tif=w.GTD, expire=START_NS + 1), enter(1, b"c", tif=w.IOC))
    assert world.machine.books["book-X"].plain
    assert world.machine.next_timer_ns == START_NS + 1


@pytest.mark.parametrize(
    "fields",
    [{"order_type": kind} for kind in w.ORDER_TYPES if kind not in (w.LIMIT, w.MARKET)]
    + [{"tif": tif} for tif in (w.AT_OPEN, w.AT_CLOSE, w.GOOD_FOR_AUCTION)]
    + [{"minimum": 10}],
    ids=str,
)
def test_what_enter_cannot_do_alone_is_judged_like_a_submit(world: World, fields: Fields) -> None:
    other = market()
    assert send(world, enter(1, b"a", **fields)) == send(other, submit(1, b"a", **fields))
    assert world.machine.books["book-X"].plain == other.machine.books["book-X"].plain


# ------------------------------------------------------------------------------------------------- late cancels
def test_a_cancel_that_is_too_late_waits_for_the_auction_or_is_refused(world: World) -> None:
    world.verb("set_phase", "main", "pre_open", "book-X")
    send(world, submit(1, b"call", w.BUY, 100, 99, tif=w.AT_OPEN), enter(1, b"lit", w.BUY, 100, 98))
    world.verb("set_phase", "main", "pre_open_no_cancel", "book-X")
    late = w.REJECT_TOO_LATE, w.REJECT_REASONS[w.REJECT_TOO_LATE]
    assert send(world, (w.CANCEL, 1, b"lit", 0)) == [(w.CANCEL_REJECTED, 1, b"lit", *late)]
    assert send(world, (w.CANCEL, 1, b"call", 50)) == [(w.CANCEL_REJECTED, 1, b"call", *late)]
    assert send(world, (w.MODIFY, 1, b"lit", w.BUY, 50)) == [(w.CANCEL_REJECTED, 1, b"lit", *late)]
    assert send(world, replace(1, b"lit", b"new", 50, 98)) == [(w.REJECTED, 1, b"new", *late, b"new")]
    assert send(world, (w.CANCEL, 1, b"call", 0), (w.CANCEL, 1, b"call", 0)) == [(w.CANCEL_PENDING, 1, b"call")]
    world.verb("set_phase", "main", "open", "book-X")
    assert (w.CANCELED, 1, b"call", 100, w.CANCEL_USER, 0) in world.take()


def test_every_feature_is_used_by_a_rule_or_free() -> None:
    free = {"account", "self_match", "keep"}
    used = {name for row in COMBINATIONS for name in row[:2]} | {name for row in NEEDS for name in row}
    assert set(judging.FEATURES) - used == free
