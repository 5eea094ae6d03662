"""Risk (openoutcry.matcher.risk, limits, throttle): every rule in every scope, message rates, and the kill switch.

Names of the tests follow the rules of those modules. ALICE is session 1 of account A1 and firm ACME.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.matcher.limits import RULES, SCOPES
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.throttle import QUEUE_MAX, Queues, Windows
from tests.machine_world import CENT, World, enter, replace
from tests.risk_world import (
    ALICE,
    ANNE,
    BOB,
    NAMES,
    assert_survives_a_snapshot,
    guard,
    held,
    kinds,
    refusal,
    submit,
    told,
    trading_floor,
    verb_error,
)

MS_NS = 1_000_000
SECOND_NS = 1_000 * MS_NS


@pytest.fixture
def world() -> World:
    """A book that counts positions and has a reference price of 1."""
    return trading_floor(positions=True, reference_price="1")


def limit(world: World, scope: str, rule: str, value: Any) -> None:
    world.verb("set_limit", "main", scope, NAMES[scope], rule, value)


# ------------------------------------------------------------------------------------------------- rule x scope
class Case(NamedTuple):
    """A limit, orders that it lets in, one that it does not, and what the reject says about it."""

    value: Any
    fine: tuple[Any, ...]
    broken: Any
    found: str


CASES = {
    "restricted": Case("Y X Z", (), enter(ALICE, b"no"), "is X Y Z for {}: symbol X"),
    "max_quantity": Case(100, (enter(ALICE, b"a", quantity=100),), enter(ALICE, b"no", quantity=101),
                         "is 100 for {}: quantity 101"),
    "max_notional": Case("100", (enter(ALICE, b"a", quantity=100, price=100),),
                         enter(ALICE, b"no", quantity=101, price=100), "is 100 for {}: 101 at 1 is 101"),
    "price_collar": Case(1_000, (enter(ALICE, b"a", price=110), enter(ALICE, b"b", price=1)),
                         enter(ALICE, b"no", price=111), "is 1000 for {}: price 1.11 is 0.11 through 1"),
    "max_open_orders": Case(2, (enter(ALICE, b"a"), enter(ALICE, b"b")), enter(ALICE, b"no"),
                            "is 2 for {}: 2 open orders"),
    "max_position": Case(150, (enter(ALICE, b"a", w.BUY, 150), enter(ALICE, b"b", w.SELL, 150, 200)),
                         enter(ALICE, b"no", w.BUY, 1), "is 150 for {}: A1 holds 0 with 150 open to buy, and 1 more"),
    "duplicate_window_ms": Case(50, (enter(ALICE, b"a"), enter(ALICE, b"b", w.SELL, price=200)),
                                enter(ALICE, b"no"), "is 50 for {}: the same order 0 ms ago"),
    "orders_per_second": Case(2, (enter(ALICE, b"a"), enter(ALICE, b"b")), enter(ALICE, b"no"),
                              "is 2 for {}: 2 orders in the last second"),
    "messages_per_second": Case(2, (enter(ALICE, b"a"), enter(ALICE, b"b")), enter(ALICE, b"no"),
                                "is 2 for {}: 2 in the last second"),
    "throttle": Case("reject", (enter(ALICE, b"a"),), None, ""),
}  # fmt: skip


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_holds_in_every_scope_and_its_reject_names_all_there_is_to_know(
    world: World, rule: str, scope: str
) -> None:
    case = CASES[rule]
    if scope not in RULES[rule].scopes:
        error = verb_error(guard(world).set_limit, scope, NAMES[scope], rule, case.value)
        assert error[:2] == ("bad_argument", "scope")
        assert error[2].startswith(f"{rule} cannot be set for a {scope}")
        return
    limit(world, scope, rule, case.value)
    assert [event[0] for event in told(world, *case.fine)] == [w.ACCEPTED] * len(case.fine)
    if case.broken is not None:
        expected = f"{rule} {case.found.format(f'{scope} {NAMES[scope]}')}"
        assert told(world, case.broken) == [(w.REJECTED, ALICE, b"no", RULES[rule].reason, expected, b"data")]
    assert_survives_a_snapshot(world)
    guard(world).clear_limit(scope, NAMES[scope], rule)
    again = (*(case.broken or enter(ALICE, b""))[:2], b"yes", *(case.broken or enter(ALICE, b""))[3:])
    assert kinds(told(world, again)) == [(w.ACCEPTED, b"yes")]
    assert guard(world).rows() == []


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "throttle"])
def test_a_limit_is_nothing_to_those_who_are_not_in_its_scope(rule: str, scope: str) -> None:
    if scope not in RULES[rule].scopes or scope == "engine":
        return
    world = trading_floor(("X", "Y"), positions=True, reference_price="1")
    world.verb("set_book_property", "book-Y", "reference_price", "1")
    world.verb("set_book_property", "book-Y", "positions", True)
    case = CASES[rule]
    limit(world, scope, rule, case.value)
    told(world, *case.fine)
    symbol = {"symbol": "Y"} if scope == "book" else {}
    session = ALICE if scope == "book" else BOB
    _, _, _, _, side, quantity, price, *_ = case.broken
    other = enter(session, b"other", side, quantity, price // CENT, **symbol)
    assert kinds(told(world, other)) == [(w.ACCEPTED, b"other")]


def test_the_first_rule_of_the_table_and_the_widest_scope_is_named(world: World) -> None:
    for scope in ("session", "firm", "engine"):
        limit(world, scope, "max_quantity", 10)
    limit(world, "engine", "max_notional", 1)
    assert refusal(world, enter(ALICE, b"a")) == (
        w.REJECT_MAX_QUANTITY, "max_quantity is 10 for engine main: quantity 100",
    )  # fmt: skip


def test_a_long_list_of_symbols_leaves_room_for_the_rest_of_the_text(world: World) -> None:
    symbols = " ".join(["X", *(f"SYMBOL{number}" for number in range(300))])
    limit(world, "session", "restricted", symbols)
    found = refusal(world, enter(ALICE, b"a"))
    assert found is not None
    assert found[1].startswith("restricted is SYMBOL0 SYMBOL1 SYMBOL10 ")
    assert found[1].endswith("... for session 1: symbol X")


def test_a_rejected_order_uses_its_token_up(world: World) -> None:
    limit(world, "session", "max_quantity", 10)
    assert refusal(world, enter(ALICE, b"a")) is not None
    assert told(world, enter(ALICE, b"a", quantity=5)) == []


def test_replacements_are_judged_as_well(world: World) -> None:
    told(world, enter(ALICE, b"a"))
    limit(world, "session", "max_quantity", 100)
    events = told(world, replace(ALICE, b"a", b"b", quantity=101))
    assert [event[0] for event in events] != [w.REPLACED]
    assert RULES["max_quantity"].reason in [event[3] for event in events]


# ------------------------------------------------------------------------------------------------- counting
def test_open_orders_are_counted_over_the_whole_scope(world: World) -> None:
    limit(world, "firm", "max_open_orders", 3)
    told(world, enter(ALICE, b"a"), enter(ANNE, b"b"), enter(BOB, b"c"), enter(ALICE, b"d"))
    text = "max_open_orders is 3 for firm ACME: 3 open orders"
    assert refusal(world, enter(ANNE, b"e")) == (w.REJECT_MAX_OPEN_ORDERS, text)
    told(world, (w.CANCEL, ALICE, b"a", 0))
    assert refusal(world, enter(ANNE, b"f")) is None


def test_open_orders_from_before_the_limit_count(world: World) -> None:
    told(world, enter(ALICE, b"a"), enter(BOB, b"b"))
    for scope, found in (("engine", 2), ("book", 2), ("account", 1), ("firm", 1)):
        limit(world, scope, "max_open_orders", found)
        assert refusal(world, enter(ALICE, scope.encode())) is not None
        guard(world).clear_limit(scope, NAMES[scope], "max_open_orders")


def test_orders_for_another_account_count_for_that_account(world: World) -> None:
    limit(world, "account", "max_open_orders", 1)
    told(world, submit(BOB, b"a", account="A1"))
    assert refusal(world, enter(ALICE, b"b")) is not None
    assert refusal(world, submit(ALICE, b"c", account="A2")) is None


def test_open_orders_of_a_book_are_those_everywhere_in_it(world: World) -> None:
    limit(world, "book", "max_open_orders", 3)
    told(world, enter(ALICE, b"lit"), submit(BOB, b"dark", hidden=1),
         submit(BOB, b"stop", price=0, order_type=w.STOP, stop_price=200 * CENT))  # fmt: skip
    text = "max_open_orders is 3 for book book-X: 3 open orders"
    assert refusal(world, enter(ANNE, b"d")) == (w.REJECT_MAX_OPEN_ORDERS, text)


def test_a_replacement_does_not_count_beside_what_it_replaces(world: World) -> None:
    for scope in SCOPES:
        limit(world, scope, "max_open_orders", 1)
        limit(world, scope, "max_position", 100)
    told(world, enter(ALICE, b"a"))
    assert kinds(told(world, replace(ALICE, b"a", b"b", price=99))) == [(w.REPLACED, b"b")]
    assert refusal(world, enter(ALICE, b"c")) is not None


def test_a_replacement_for_another_account_counts_there() -> None:
    world = trading_floor(positions=True)
    told(world, enter(ALICE, b"a"), submit(BOB, b"b", account="A2"))
    for rule, value, text in (
        ("max_open_orders", 1, "max_open_orders is 1 for account A2: 1 open orders"),
        ("max_position", 199, "max_position is 199 for account A2: A2 holds 0 with 100 open to buy, and 100 more"),
    ):
        guard(world).set_limit("account", "A2", rule, value)
        amend = (w.AMEND, ALICE, b"a", b"new" + rule.encode(), 100, 99 * CENT, w.LIMIT, w.DAY, 0, 0, 0, b"",
                 ((w.TERM_ACCOUNT, "A2"),))  # fmt: skip
        assert refusal(world, amend) == (RULES[rule].reason, text)
        guard(world).clear_limit("account", "A2", rule)


# ------------------------------------------------------------------------------------------------- positions
def test_beyond_the_position_limit_only_reducing_orders_come_in(world: World) -> None:
    told(world, enter(BOB, b"s", w.SELL, 500), enter(ALICE, b"b", w.BUY, 500))
    assert held(world, "A1") == 500
    limit(world, "account", "max_position", 100)
    text = "max_position is 100 for account A1: A1 holds 500 with 0 open to buy, and 1 more"
    assert refusal(world, enter(ALICE, b"c", w.BUY, 1)) == (w.REJECT_MAX_POSITION, text)
    assert refusal(world, enter(ALICE, b"d", w.SELL, 600, 200)) is None
    text = "max_position is 100 for account A1: A1 holds 500 with 600 open to sell, and 1 more"
    assert refusal(world, enter(ALICE, b"e", w.SELL, 1, 200)) == (w.REJECT_MAX_POSITION, text)


def test_a_position_limit_counts_the_position_of_the_order_s_own_account(world: World) -> None:
    limit(world, "session", "max_position", 100)
    told(world, enter(ALICE, b"a", w.BUY, 100))
    assert refusal(world, submit(ALICE, b"b", w.BUY, 100, account="OTHER")) is None
    assert refusal(world, submit(ALICE, b"c", w.BUY, 1, account="OTHER")) is not None


def test_a_position_limit_needs_a_book_that_counts_positions() -> None:
    world = trading_floor()
    limit(world, "account", "max_position", 100)
    text = "max_position is 100 for account A1: book book-X does not count positions"
    assert refusal(world, enter(ALICE, b"a", w.BUY, 1)) == (w.REJECT_MAX_POSITION, text)


# ------------------------------------------------------------------------------------------------- prices and values
def test_the_book_s_own_collar_needs_no_guard() -> None:
    world = trading_floor(price_collar=1_000, reference_price="1")
    text = "price_collar is 1000 for book book-X: price 1.11 is 0.11 through 1"
    assert refusal(world, enter(ALICE, b"a", w.BUY, 1, 111)) == (w.REJECT_COLLAR, text)
    text = "price_collar is 1000 for book book-X: price 0.89 is 0.11 through 1"
    assert refusal(world, enter(ALICE, b"b", w.SELL, 1, 89)) == (w.REJECT_COLLAR, text)
    assert refusal(world, enter(ALICE, b"c", w.BUY, 1, 1)) is None


def test_a_collar_follows_the_last_trade(world: World) -> None:
    limit(world, "engine", "price_collar", 1_000)
    told(world, enter(BOB, b"s", w.SELL, 1, 110), enter(ALICE, b"b", w.BUY, 1, 110))
    assert refusal(world, enter(ALICE, b"c", w.BUY, 1, 121)) is None
    assert refusal(world, enter(ALICE, b"d", w.BUY, 1, 122)) is not None


def test_without_a_reference_no_price_is_too_far() -> None:
    world = trading_floor()
    limit(world, "engine", "price_collar", 1)
    assert refusal(world, enter(ALICE, b"a", w.BUY, 1, 10_000)) is None


def test_a_stop_limit_order_is_compared_with_its_own_trigger(world: World) -> None:
    limit(world, "engine", "price_collar", 1_000)
    stop: dict[str, Any] = {"order_type": w.STOP_LIMIT, "stop_price": 200 * CENT}
    assert refusal(world, submit(ALICE, b"a", w.BUY, 1, 220, **stop)) is None
    assert refusal(world, submit(ALICE, b"b", w.BUY, 1, 221, **stop)) is not None


def test_a_market_order_is_worth_what_it_would_trade_at_first(world: World) -> None:
    limit(world, "engine", "max_notional", "100")
    told(world, enter(BOB, b"s", w.SELL, 10, 200))
    text = "max_notional is 100 for engine main: 51 at 2 is 102"
    market = {"order_type": w.MARKET}
    assert refusal(world, enter(ALICE, b"a", w.BUY, 51, **market)) == (w.REJECT_MAX_NOTIONAL, text)
    assert refusal(world, enter(ALICE, b"b", w.BUY, 50, **market)) is None


def test_a_market_order_that_nothing_can_value_is_rejected() -> None:
    world = trading_floor()
    limit(world, "engine", "max_notional", "100")
    text = "max_notional is 100 for engine main: there is no price to value a market order at"
    assert refusal(world, enter(ALICE, b"a", order_type=w.MARKET)) == (w.REJECT_MAX_NOTIONAL, text)


def test_contracts_are_worth_their_multiple(world: World) -> None:
    world.verb("set_book_property", "book-X", "multiplier", 50)
    limit(world, "engine", "max_notional", "100")
    assert refusal(world, enter(ALICE, b"a", quantity=2)) is None
    assert refusal(world, enter(ALICE, b"b", quantity=3)) is not None


# ------------------------------------------------------------------------------------------------- repetitions
def test_a_repetition_is_let_in_when_the_window_has_passed_or_anything_differs(world: World) -> None:
    limit(world, "session", "duplicate_window_ms", 50)
    told(world, enter(ALICE, b"a"))
    for number, other in enumerate((enter(ALICE, b"", price=99), enter(ALICE, b"", quantity=99),
                                    enter(ANNE, b""), enter(ALICE, b"", w.SELL, price=200))):  # fmt: skip
        assert refusal(world, (*other[:2], b"o%d" % number, *other[3:])) is None
    world.now += 50 * MS_NS - 1
    text = "duplicate_window_ms is 50 for session 1: the same order 49 ms ago"
    assert refusal(world, enter(ALICE, b"b")) == (w.REJECT_DUPLICATE, text)
    assert_survives_a_snapshot(world)
    world.now += 1
    assert refusal(world, enter(ALICE, b"c")) is None
    assert refusal(world, enter(ALICE, b"d")) is not None


# ------------------------------------------------------------------------------------------------- message rates
def test_a_window_lets_no_more_than_the_limit_through_in_any_second() -> None:
    windows = Windows()
    passed = []
    for time_ns in range(0, 5 * SECOND_NS, 77 * MS_NS):
        if not windows.wait_ns(("session", "1"), 5, time_ns):
            windows.count(("session", "1"), time_ns)
            passed.append(time_ns)
    assert all(late - early >= SECOND_NS for early, late in zip(passed, passed[5:], strict=False))
    assert len(passed) == 25


def test_a_window_says_when_the_next_one_may_come() -> None:
    windows = Windows()
    for time_ns in (10, 20, 30):
        windows.count(("session", "1"), time_ns)
    assert windows.wait_ns(("session", "1"), 3, 40) == 10 + SECOND_NS
    assert windows.wait_ns(("session", "1"), 2, 40) == 20 + SECOND_NS
    assert windows.wait_ns(("session", "1"), 4, 40) == 0
    assert windows.wait_ns(("session", "1"), 3, 10 + SECOND_NS) == 0
    copy = Windows()
    copy.load(windows.dump())
    assert copy.dump() == windows.dump() == (("session", "1", (20, 30)),)


def test_cancels_pass_a_throttle_that_rejects(world: World) -> None:
    limit(world, "session", "messages_per_second", 1)
    told(world, enter(ALICE, b"a"))
    assert kinds(told(world, (w.CANCEL, ALICE, b"a", 0))) == [(w.CANCELED, b"a")]
    assert refusal(world, enter(ALICE, b"b")) is not None
    world.now += SECOND_NS
    assert refusal(world, enter(ALICE, b"c")) is None


def test_a_throttled_replacement_is_rejected_under_its_new_token(world: World) -> None:
    limit(world, "session", "messages_per_second", 1)
    told(world, enter(ALICE, b"a"))
    reject = (w.REJECT_THROTTLE, "messages_per_second is 1 for session 1: 1 in the last second")
    assert refusal(world, replace(ALICE, b"a", b"b")) == reject
    assert told(world, replace(ALICE, b"unknown", b"c")) == []


def test_a_throttled_quote_is_refused_side_by_side(world: World) -> None:
    limit(world, "session", "messages_per_second", 1)
    told(world, enter(ALICE, b"a"))
    events = told(world, (w.QUOTE, ALICE, b"q", 0, b"", (("X", 10, 90 * CENT, 10, 110 * CENT),)))
    assert [event[:9] for event in events] == [
        (w.QUOTE_STATUS, ALICE, b"q", "X", side, 0, 0, 0, w.REJECT_THROTTLE) for side in (w.BUY, w.SELL)
    ]


def queueing(world: World, rate: int = 2) -> None:
    limit(world, "session", "messages_per_second", rate)
    limit(world, "session", "throttle", "queue")


def test_a_throttle_that_queues_lets_messages_through_in_their_order(world: World) -> None:
    queueing(world)
    begin = world.now
    assert kinds(told(world, *(enter(ALICE, token) for token in (b"a", b"b", b"c", b"d", b"e")))) == [
        (w.ACCEPTED, b"a"), (w.ACCEPTED, b"b"),
    ]  # fmt: skip
    assert_survives_a_snapshot(world)
    assert kinds(told(world, (w.CANCEL, ALICE, b"e", 0), enter(BOB, b"free"))) == [(w.ACCEPTED, b"free")]
    seen = []
    while world.machine.next_timer_ns:
        world.now = world.machine.next_timer_ns
        world.timer()
        seen.append(((world.now - begin) // MS_NS, kinds(world.take())))
    assert seen == [
        (1_000, [(w.ACCEPTED, b"c"), (w.ACCEPTED, b"d")]),
        (2_000, [(w.ACCEPTED, b"e"), (w.CANCELED, b"e")]),
    ]


def test_what_waited_does_what_it_would_have_done_at_once() -> None:
    commands = (enter(ALICE, b"a", price=1), enter(ALICE, b"b", w.BUY, 10, 110), enter(ALICE, b"c", w.SELL, 10, 105))
    found = []
    for rate in (1, 100):
        world = trading_floor(positions=True)
        told(world, enter(BOB, b"s", w.SELL, 20, 110),
             submit(ANNE, b"stop", w.BUY, 10, 0, order_type=w.STOP, stop_price=110 * CENT))  # fmt: skip
        queueing(world, rate)
        events = told(world, *commands)
        limit(world, "session", "messages_per_second", 100)
        world.now += SECOND_NS
        world.timer()
        found.append(events + world.take())
    assert found[0] == found[1]
    assert (w.EXECUTED, ANNE, b"stop") in [event[:3] for event in found[0]]


def test_clearing_the_limit_lets_nothing_overtake(world: World) -> None:
    queueing(world, 1)
    told(world, enter(ALICE, b"a"), enter(ALICE, b"b"))
    for rule in ("messages_per_second", "throttle"):
        guard(world).clear_limit("session", "1", rule)
    assert guard(world).active
    assert told(world, enter(ALICE, b"c")) == []
    world.now = world.machine.next_timer_ns
    world.timer()
    assert kinds(world.take()) == [(w.ACCEPTED, b"b"), (w.ACCEPTED, b"c")]
    assert not guard(world).active


def test_a_full_queue_refuses_also_what_takes_back(world: World) -> None:
    queueing(world, 1)
    told(world, enter(ALICE, b"a"))
    text = f"messages_per_second: {QUEUE_MAX} messages are waiting already"
    for number in range(0, QUEUE_MAX, w.COMMANDS_MAX // 2):
        count = min(w.COMMANDS_MAX // 2, QUEUE_MAX - number)
        assert told(world, *(enter(ALICE, b"q%d" % (number + each)) for each in range(count))) == []
    assert refusal(world, enter(ALICE, b"b")) == (w.REJECT_THROTTLE, text)
    assert told(world, (w.CANCEL, ALICE, b"a", 0)) == [(w.CANCEL_REJECTED, ALICE, b"a", w.REJECT_THROTTLE, text)]


def test_a_firm_shares_its_rate(world: World) -> None:
    limit(world, "firm", "messages_per_second", 2)
    told(world, enter(ALICE, b"a"), enter(ANNE, b"b"))
    assert refusal(world, enter(ALICE, b"c")) is not None
    assert refusal(world, enter(BOB, b"d")) is None


def test_one_scope_that_rejects_is_stronger_than_one_that_queues(world: World) -> None:
    queueing(world, 1)
    limit(world, "firm", "messages_per_second", 1)
    told(world, enter(ALICE, b"a"))
    text = "messages_per_second is 1 for firm ACME: 1 in the last second"
    assert refusal(world, enter(ALICE, b"b")) == (w.REJECT_THROTTLE, text)


def test_what_waits_is_forgotten_with_the_day(world: World) -> None:
    queueing(world, 1)
    told(world, enter(ALICE, b"a"), enter(ALICE, b"b"))
    for verb in ("end_of_day", "start_of_day", "open"):
        world.verb(verb, "main")
    world.log_on("orders", "alice", 9)
    world.take_all()
    world.now = world.machine.next_timer_ns
    world.timer()
    assert world.take() == []
    assert_survives_a_snapshot(world)


def test_what_waits_is_refused_when_the_connection_is_lost_and_orders_go_with_it(world: World) -> None:
    world.verb("set_protocol_property", "orders", "cancel_on_disconnect", True)
    queueing(world, 1)
    told(world, enter(ALICE, b"a"), enter(ALICE, b"b"), (w.CANCEL, ALICE, b"a", 0))
    assert told(world, (w.LOGOFF, ALICE, 1)) == [
        (w.REJECTED, ALICE, b"b", w.REJECT_THROTTLE, "the connection was lost", b"data"),
        (w.CANCELED, ALICE, b"a", 100, w.CANCEL_DISCONNECT, 0),
    ]


def test_queues_keep_their_order_and_their_bound() -> None:
    queues = Queues()
    assert [queues.put(7, 1, (w.ASK, 7, b"%d" % number)) for number in range(QUEUE_MAX + 1)][-2:] == [True, False]
    assert queues.take(7) == (1, (w.ASK, 7, b"0"))
    copy = Queues()
    copy.load(queues.dump())
    assert copy.dump() == queues.dump()
    assert len(copy.take_all(7)) == QUEUE_MAX - 1
    assert 7 in queues
    assert 7 not in copy


# ------------------------------------------------------------------------------------------------- kill switch
KILLED = {
    "engine": {b"a", b"b", b"c", b"d", b"y"},
    "book": {b"a", b"b", b"c", b"d"},
    "firm": {b"a", b"b", b"c", b"y"},
    "account": {b"a", b"c", b"d", b"y"},
    "session": {b"a", b"c", b"y"},
}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_kill_switch_cancels_and_blocks_its_scope_and_no_more(scope: str) -> None:
    world = trading_floor(("X", "Y"))
    mine = {b"a": enter(ALICE, b"a"), b"b": enter(ANNE, b"b"), b"c": submit(ALICE, b"c", hidden=1),
            b"d": submit(BOB, b"d", account="A1"), b"e": enter(BOB, b"e", symbol="Y"),
            b"y": enter(ALICE, b"y", symbol="Y")}  # fmt: skip
    told(world, *mine.values())
    expected = KILLED[scope] | ({b"e"} if scope == "engine" else set())
    assert guard(world).kill(scope, NAMES[scope]) == len(expected)
    world.timer()
    gone = world.take()
    assert {event[2] for event in gone} == expected
    assert {(event[0], event[4]) for event in gone} == {(w.CANCELED, w.CANCEL_KILL)}
    text = f"the kill switch is on for {scope} {NAMES[scope]}"
    again = {token: (*command[:2], b"2" + token, *command[3:]) for token, command in mine.items()}
    for token, command in again.items():
        assert refusal(world, command) == ((w.REJECT_KILLED, text) if token in expected else None)
    assert_survives_a_snapshot(world)
    guard(world).revive(scope, NAMES[scope])
    for token, command in mine.items():
        assert refusal(world, (*command[:2], b"3" + token, *command[3:])) is None


def test_killed_orders_go_oldest_first(world: World) -> None:
    told(world, enter(ALICE, b"a", price=1), enter(ANNE, b"b", price=9), enter(ALICE, b"c", price=5))
    guard(world).kill("firm", "ACME")
    assert kinds(world.take()) == [(w.CANCELED, b"a"), (w.CANCELED, b"b"), (w.CANCELED, b"c")]


def test_killing_twice_is_killing_once_and_reviving_twice_is_refused(world: World) -> None:
    told(world, enter(ALICE, b"a"))
    assert [guard(world).kill("session", "1"), guard(world).kill("session", "1")] == [1, 0]
    guard(world).revive("session", "1")
    assert verb_error(guard(world).revive, "session", "1") == (
        "wrong_state", "name", "the kill switch is not on for session 1",
    )  # fmt: skip


def test_orders_that_outlived_the_day_are_killed_when_the_next_begins(world: World) -> None:
    told(world, enter(ALICE, b"a", tif=w.GTC))
    world.verb("end_of_day", "main")
    world.take_all()
    assert guard(world).kill("account", "A1") == 0
    assert world.take() == []
    world.verb("start_of_day", "main")
    assert (w.CANCELED, ALICE, b"a", 100, w.CANCEL_KILL, 0) in world.take()


# ------------------------------------------------------------------------------------------------- the guard itself
def test_a_guard_without_limits_leaves_the_books_plain() -> None:
    world = trading_floor()
    book = world.machine.books["book-X"]
    assert book.plain
    own = guard(world)
    for set_it, undo in (
        ((own.set_limit, "session", "1", "max_quantity", 1), (own.clear_limit, "session", "1", "max_quantity")),
        ((own.kill, "firm", "ACME"), (own.revive, "firm", "ACME")),
        ((own.set_fee, "ACME", 1, 2), (own.clear_fee, "ACME")),
    ):
        call: Any
        call, *arguments = set_it
        call(*arguments)
        assert guard(world).active
        assert not book.plain
        call, *arguments = undo
        call(*arguments)
        assert not guard(world).active
        assert book.plain


def test_rows_list_everything_that_is_set(world: World) -> None:
    limit(world, "session", "max_quantity", 10)
    limit(world, "session", "restricted", "Z A")
    limit(world, "engine", "max_notional", "1000.50")
    guard(world).kill("firm", "BETA")
    assert [tuple(row.values()) for row in guard(world).rows()] == [
        ("main", "engine", "main", "max_notional", "1000.5"),
        ("main", "session", "1", "restricted", "A Z"),
        ("main", "session", "1", "max_quantity", "10"),
        ("main", "firm", "BETA", "kill", "on"),
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("desk", "x", "max_quantity", 1), ("bad_argument", "scope", "scope is 'desk', it must be one of: engine")),
        (("engine", "x", "max_quantity", 1), ("unknown_name", "name", "engine 'x' is not engine 'main'")),
        (("book", "x", "max_quantity", 1), ("unknown_name", "name", "engine 'main' has no book 'x'")),
        (("session", "x", "max_quantity", 1), ("bad_argument", "name", "name is 'x', it must be the number")),
        (("session", "01", "max_quantity", 1), ("bad_argument", "name", "name is '01', it must be the number")),
        (("session", "1", "max_speed", 1), ("bad_argument", "rule", "there is no rule 'max_speed'; there are: rest")),
        (("session", "1", "max_quantity", 0), ("bad_argument", "value", "max_quantity: value is 0, it must be")),
        (("session", "1", "max_quantity", "x"), ("bad_argument", "value", "max_quantity: value is 'x', it must be")),
        (("session", "1", "throttle", "drop"), ("bad_argument", "value", "throttle: value is 'drop', it must be one")),
    ],
)
def test_a_limit_that_means_nothing_is_refused_and_changes_nothing(
    world: World, arguments: tuple[Any, ...], error: tuple[str, ...]
) -> None:
    code, field, text = verb_error(guard(world).set_limit, *arguments)
    assert (code, field) == error[:2]
    assert text.startswith(error[2])
    assert not guard(world).active


def test_a_limit_that_is_not_set_cannot_be_cleared(world: World) -> None:
    expected = ("unknown_name", "rule", "session 1 has no limit 'max_quantity'")
    assert verb_error(guard(world).clear_limit, "session", "1", "max_quantity") == expected


def test_a_firm_s_own_fees_take_the_place_of_the_books(world: World) -> None:
    world.verb("set_book_property", "book-X", "taker_fee", "0.003")
    assert guard(world).set_fee("ACME", "-0.001", "0.002", 0, 0) == {
        "engine": "main", "firm": "ACME", "maker_fee": "-0.001", "taker_fee": "0.002", "maker_fee_ppm": 0,
        "taker_fee_ppm": 0,
    }  # fmt: skip
    events = told(world, enter(BOB, b"s", w.SELL, 10), enter(ALICE, b"b", w.BUY, 10),
                  enter(ALICE, b"c", w.SELL, 10), enter(BOB, b"d", w.BUY, 10))  # fmt: skip
    assert [event[1:] for event in events if event[0] == w.FEE] == [
        (ALICE, b"b", 1, 2_000_000), (BOB, b"d", 2, 3_000_000), (ALICE, b"c", 2, -1_000_000),
    ]  # fmt: skip
    assert guard(world).fee_rows()[0]["maker_fee"] == "-0.001"
    assert_survives_a_snapshot(world)
    guard(world).clear_fee("ACME")
    assert guard(world).fee_rows() == []
    assert verb_error(guard(world).clear_fee, "ACME")[0] == "unknown_name"


STEPS = st.one_of(
    st.tuples(st.just("limit"), st.sampled_from(SCOPES), st.sampled_from(tuple(RULES)), st.integers(0, 3)),
    st.tuples(st.just("clear"), st.sampled_from(SCOPES), st.sampled_from(tuple(RULES)), st.just(0)),
    st.tuples(st.just("kill"), st.sampled_from(SCOPES), st.sampled_from(("kill_switch", "revive")), st.just(0)),
    st.tuples(st.just("enter"), st.sampled_from((ALICE, ANNE, BOB)), st.sampled_from((w.BUY, w.SELL)),
              st.integers(98, 102)),
    st.tuples(st.just("cancel"), st.sampled_from((ALICE, ANNE, BOB)), st.integers(0, 40), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 1_200), st.just(0), st.just(0)),
)  # fmt: skip
VALUES = {"restricted": ("Y", "Z", "Y Z", "X"), "throttle": ("queue", "reject", "queue", "queue"),
          "max_notional": ("9", "11", "100", "200")}  # fmt: skip


def take_step(world: World, number: int, step: tuple[Any, ...]) -> None:
    what, one, two, three = step
    if what == "limit":
        scale = {"max_quantity": 4, "max_position": 10, "price_collar": 100, "duplicate_window_ms": 300}.get(two, 1)
        world.verb(
            "set_limit", "main", one, NAMES[one], two, VALUES.get(two, [(k + 1) * scale for k in range(4)])[three]
        )
    elif what == "clear":
        world.verb("clear_limit", "main", one, NAMES[one], two)
    elif what == "kill":
        world.verb(two, "main", one, NAMES[one])
    elif what == "enter":
        account = {"account": "A1"} if number % 5 == 0 else {}
        world.send("gateway-1", submit(one, b"%d" % number, two, 1 + number % 12, three, **account))
    elif what == "cancel":
        world.send("gateway-1", (w.CANCEL, one, b"%d" % two, 0))
    else:
        world.now += one * MS_NS
        while 0 < world.machine.next_timer_ns <= world.now:
            world.timer()


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=60), st.integers(0, 60))
def test_a_guard_out_of_a_snapshot_does_what_the_first_one_does(steps: list[tuple[Any, ...]], at: int) -> None:
    worlds = [trading_floor(positions=True, reference_price="1") for _ in range(2)]
    for number, step in enumerate(steps):
        if number == at:
            worlds[1].machine = Machine.load(worlds[1].machine.dump())
        for world in worlds:
            take_step(world, number, step)
        assert worlds[0].take_all() == worlds[1].take_all()
    assert worlds[0].machine.dump() == worlds[1].machine.dump()


def test_a_deleted_book_takes_its_limits_along(world: World) -> None:
    limit(world, "book", "max_quantity", 10)
    limit(world, "book", "orders_per_second", 10)
    guard(world).kill("book", "book-X")
    world.verb("delete_book", "book-X")
    assert guard(world).rows() == []
    assert not guard(world).active
