"""Orders entered by control verbs: what the answers say, what the mailbox keeps, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import verbs
from openoutcry import wire as w
from openoutcry.control import plans
from openoutcry.errors import VerbError
from openoutcry.matcher import desk as desks
from openoutcry.matcher import limits, listing, queries
from openoutcry.matcher.machine import Machine
from tests.machine_world import World, enter, market


@pytest.fixture
def world() -> World:
    return market()


def order(world: World, order_id: str, side: str = "buy", quantity: int = 100, price: Any = "10", **named: Any) -> Any:
    named = {"desk": "alice", **named}
    return world.verb("enter_order", order_id, named.pop("book", "book-X"), side, quantity, price, **named)


def kinds(rows: list[dict[str, Any]]) -> list[str]:
    return [row["kind"] for row in rows]


def ask(world: World, what: str, **argument: Any) -> Any:
    return world.machine.query(what, argument)


# ------------------------------------------------------------------------------------------------- orders
def test_an_order_is_answered_with_what_its_desk_was_told(world: World) -> None:
    assert order(world, "a", quantity=100, price="10.05") == [
        {"kind": "accepted", "session": 3, "token": "a", "order": 1, "side": w.BUY, "quantity": 100, "price": "10.05",
         "state": w.LIVE, "client_data": ""},
    ]  # fmt: skip
    told = order(world, "b", "sell", 40, "10", desk="bob", time_in_force="ioc")
    assert kinds(told) == ["accepted", "executed"]
    assert told[1] == {"kind": "executed", "session": 4, "token": "b", "quantity": 40, "price": "10.05",
                       "liquidity": w.REMOVED_LIQUIDITY, "match": 1, "leaves": 0, "contra": 3}  # fmt: skip
    assert ask(world, "order_events", desk="alice", since=2) == [
        {"number": 3, "kind": "executed", "session": 3, "token": "a", "quantity": 40, "price": "10.05",
         "liquidity": w.ADDED_LIQUIDITY, "match": 1, "leaves": 60, "contra": 4},
    ]  # fmt: skip
    assert kinds(ask(world, "order_events", desk="alice")) == ["system", "accepted", "executed"]


def test_a_desk_and_a_client_of_a_gateway_trade(world: World) -> None:
    order(world, "a", price="1")
    world.send("gateway-1", enter(1, b"x", w.SELL, 100, 100))
    assert [(event[0], event[1]) for event in world.take()] == [(w.ACCEPTED, 1), (w.EXECUTED, 1)]
    assert ask(world, "order_events", desk="alice")[-1]["contra"] == 1


def test_an_order_that_a_gateway_could_send_is_judged_the_same(world: World) -> None:
    (rejected,) = order(world, "a", quantity=0)
    assert (rejected["kind"], rejected["reason"]) == ("rejected", w.REJECT_QUANTITY)
    assert order(world, "a") == ("exists", "order_id"), "its order_id is used up"
    (rejected,) = order(world, "b", order_type="stop", price=None)
    assert rejected["reason"] == w.REJECT_ORDER_TYPE


@pytest.mark.parametrize(("name", "value", "shown"), [
    ("display_quantity", 10, 10), ("hidden", True, True), ("post_only", "reject", "reject"),
    ("minimum_quantity", 50, 50), ("account", "PENSIONS", "PENSIONS"), ("keep", True, True), ("pair", "p", "p"),
    ("all_or_none", True, True), ("self_match", "oldest", "oldest"), ("take_profit", "12", "12"),
    ("stop_loss", "9.5", "9.5"), ("time_in_force", "gtc", "gtc"), ("time_in_force", "at-close", "at-close"),
])  # fmt: skip
def test_every_property_reaches_the_order(world: World, name: str, value: Any, shown: Any) -> None:
    assert kinds(order(world, "a", **{name: value})) == ["accepted"]
    (row,) = ask(world, "orders", book="book-X")
    assert row[name] == shown and row["order_id"] == "a"


def test_stops_and_pegs_too(world: World) -> None:
    order(world, "s", "buy", price=None, order_type="stop", stop_price="11")
    order(world, "t", "sell", price="8", order_type="stop-limit", trail_amount="0.5", stop_price="9")
    order(world, "p", price=None, order_type="pegged", peg="primary", peg_offset="-0.01")
    found = {row["order_id"]: row for row in ask(world, "orders", book="book-X")}
    assert (found["s"]["stop_price"], found["s"]["where"]) == ("11", "trigger")
    assert (found["t"]["trail_amount"], found["t"]["price"]) == ("0.5", "8")
    assert (found["p"]["peg_offset"], found["p"]["peg"], found["p"]["where"]) == ("-0.01", "primary", "parked")


def test_a_term_that_is_no_is_not_given(world: World) -> None:
    order(world, "a", hidden=False, all_or_none=False)
    assert ask(world, "describe", name="book-X")["plain"] is True


def test_an_amended_order_has_another_name_and_keeps_what_is_not_said(world: World) -> None:
    order(world, "a", quantity=100, display_quantity=10)
    number = ask(world, "order_status", order_id="a", desk="alice")["number"]
    (told,) = world.verb("amend_order", "a", 80, desk="alice")
    assert (told["kind"], told["token"], told["previous"], told["order"]) == ("replaced", "a.1", "a", number)
    row = ask(world, "order_status", order_id="a.1", desk="alice")
    assert (row["quantity"], row["price"], row["display_quantity"]) == (80, "10", 10)
    (told,) = world.verb("amend_order", "a.1", price="10.5", desk="alice", display_quantity=20)
    assert (told["token"], told["price"]) == ("a.2", "10.5")
    world.verb("amend_order", "a.2", desk="alice", quantity=70, new_id="z")
    row = ask(world, "order_status", order_id="z", desk="alice")
    assert (row["quantity"], row["price"], row["display_quantity"]) == (70, "10.5", 20)


def test_an_amended_pegged_order_keeps_its_cap_and_one_with_seconds_to_live_its_time(world: World) -> None:
    order(world, "bid", price="9")
    order(world, "p", price="10", order_type="pegged", peg="primary")
    assert ask(world, "order_status", order_id="p", desk="alice")["price"] == "9"
    world.verb("amend_order", "p", 50, desk="alice")
    order(world, "better", price="11")
    assert ask(world, "order_status", order_id="p.1", desk="alice")["price"] == "10", "the cap"
    order(world, "t", time_in_force="good-for-time", expire=60)
    world.now += 500_000_000
    world.verb("amend_order", "t", price="9.5", desk="alice")
    row = ask(world, "order_status", order_id="t.1", desk="alice")
    assert row["expire"] == world.now + 60 * 10**9, "59.5 s are 60 whole ones"


def test_an_order_is_cancelled_in_part_and_whole(world: World) -> None:
    order(world, "a")
    (told,) = world.verb("cancel_order", "a", "alice", 30)
    assert (told["kind"], told["quantity"], told["leaves"]) == ("canceled", 70, 30)
    (told,) = world.verb("cancel_order", "a", "alice")
    assert (told["quantity"], told["leaves"]) == (30, 0)


def test_a_quote_and_a_mass_quote(world: World) -> None:
    world.verb("create_book", "book-Y", "main", "Y")
    told = world.verb("quote", "mm", "book-X", 100, "9.99", 200, "10.01")
    assert {"accepted", "quote_status"} & set(kinds(told))
    assert ask(world, "depth", book="book-X")["bids"] == [["9.99", 100, 1]]
    told = world.verb("mass_quote", "mm", "X 10@9.98/20@10.02 Y 5@1/0@0", engine="main")
    assert ask(world, "depth", book="book-X")["asks"] == [["10.02", 20, 1]]
    assert ask(world, "depth", book="book-Y") == {"book": "book-Y", "symbol": "Y", "phase": "open",
                                                  "bids": [["1", 5, 1]], "asks": []}  # fmt: skip


@pytest.mark.parametrize("text", ["X", "X 1@2", "X 1@2/3", "X 1@2/x@4", "X 1@1e30/1@2", "X 1.5@2/1@3", "X 1@2/1@3 Y"])
def test_quotes_of_another_form_are_refused(world: World, text: str) -> None:
    assert world.verb("mass_quote", "mm", text, engine="main") == ("bad_argument", "quotes")
    assert not world.machine.desks


def test_what_an_order_sets_off_is_in_the_answer(world: World) -> None:
    order(world, "rest", "sell", 100, "10")
    order(world, "stop", "buy", 10, None, order_type="stop", stop_price="10")
    told = order(world, "hit", "buy", 10, "10")
    assert kinds(told) == ["accepted", "executed", "executed", "restated", "executed", "executed"]


def test_an_answer_that_would_be_too_long_is_cut_and_the_rest_is_in_the_mailbox(world: World) -> None:
    for number in range(300):
        order(world, f"a{number}", quantity=1)
    told = order(world, "b", "sell", 300)
    assert len(told) == desks.ANSWER_EVENTS_MAX + 1
    assert told[-1] == {"kind": "cut", "events": 601 - desks.ANSWER_EVENTS_MAX}
    assert ask(world, "order_events", desk="alice", since=301 + 601 - 1, count=5)[-1]["number"] == 902


def test_an_answer_that_is_too_long_all_the_same_is_an_error_that_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openoutcry.matcher.machine.ANSWER_MAX", 50)
    assert order(world, "a") == ("limit", "")
    assert len(ask(world, "orders", book="book-X")) == 1


# ------------------------------------------------------------------------------------------------- desks
def test_a_desk_has_its_name_as_its_account_unless_it_is_told_otherwise(world: World) -> None:
    order(world, "a")
    row = world.verb("set_desk", "main", "alice", "PENSIONS", "ACME")
    assert row == {"engine": "main", "name": "alice", "session": 3, "account": "PENSIONS", "firm": "ACME",
                   "open_orders": 1, "tokens": 1, "events": 2}  # fmt: skip
    world.verb("set_desk", "main", "bob")
    assert [(row["name"], row["account"], row["firm"]) for row in ask(world, "list", kind="desks")] == [
        ("alice", "PENSIONS", "ACME"), ("bob", "bob", ""),
    ]  # fmt: skip
    assert [row["user"] for row in ask(world, "list", kind="sessions")] == ["ALICE", "BOB"], "desks are not among them"


def test_the_same_name_on_two_engines_is_two_desks(world: World) -> None:
    world.verb("create_engine", "other")
    world.verb("create_book", "book-O", "other", "O")
    order(world, "a")
    order(world, "b", book="book-O")
    order(world, "c")
    order(world, "c", book="book-O")
    assert kinds(world.verb("cancel_order", "a", "alice")) == ["canceled"], "only one has that order"
    assert world.verb("cancel_order", "c", "alice") == ("bad_argument", "engine")
    assert kinds(world.verb("cancel_order", "c", "alice", engine="other")) == ["canceled"]
    with pytest.raises(VerbError, match="several engines"):
        ask(world, "order_events", desk="alice")


def test_nobody_on_the_bus_can_send_for_a_desk(world: World) -> None:
    order(world, "a")
    world.send("gateway-1", (w.CANCEL, 3, b"a", 0))
    world.send("control", (w.CANCEL, 3, b"a", 0))
    assert world.machine.counters["ignored_commands"] == 2
    assert len(ask(world, "orders", book="book-X", desk="alice")) == 1


def test_a_day_ends_for_a_desk_as_for_every_session(world: World) -> None:
    order(world, "a")
    order(world, "g", time_in_force="gtc")
    world.verb("end_of_day", "main")
    told = ask(world, "order_events", desk="alice")
    assert kinds(told)[-2:] == ["canceled", "system"] and told[-1]["code"] == w.END_OF_DAY
    assert order(world, "b") == ("wrong_state", "engine")
    assert world.verb("cancel_order", "g", "alice") == ("wrong_state", "engine")
    world.verb("start_of_day", "main")
    world.verb("open", "main")
    assert kinds(order(world, "a")) == ["accepted"], "yesterday's tokens are forgotten"
    assert order(world, "g") == ("exists", "order_id"), "but for those of orders that are still there"
    assert kinds(ask(world, "order_events", desk="alice", since=len(told))) == ["system", "accepted"]


def test_a_mailbox_keeps_the_latest_events(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "MAIL_MAX", 10)
    for number in range(20):
        order(world, f"a{number}")
    row = next(row for row in ask(world, "list", kind="desks"))
    assert row["events"] == 21
    assert [row["number"] for row in ask(world, "order_events", desk="alice")] == list(range(12, 22))
    loaded = Machine.load(world.machine.dump())
    assert [row["number"] for row in loaded.query("order_events", {"desk": "alice"})] == list(range(12, 22))
    (desk,) = desks.all_desks(world.machine)
    desk.trim()
    assert len(desk.events) == 10 and world.machine.dump() == loaded.dump()


def test_mailboxes_are_trimmed_in_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "MAIL_MAX", 10)
    monkeypatch.setattr("openoutcry.matcher.machine.TRIM_EVERY", 16)
    world.machine._trim_at = 0
    for number in range(100):
        order(world, f"a{number}")
    (desk,) = desks.all_desks(world.machine)
    assert len(desk.events) <= 10 + 16 and desk.forgotten + len(desk.events) == 101


def test_a_deleted_engine_takes_its_desks_with_it(world: World) -> None:
    world.verb("create_engine", "other")
    world.verb("set_desk", "other", "alice")
    assert world.verb("delete_engine", "other") == {"name": "other"}
    assert ask(world, "list", kind="desks") == [] and 3 not in world.machine.sessions
    Machine.load(world.machine.dump())


def test_desks_are_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "DESKS_MAX", 1)
    order(world, "a")
    assert order(world, "b", desk="bob") == ("limit", "desk")


REFUSED: list[tuple[tuple[Any, ...], dict[str, Any], tuple[str, str]]] = [
    (("enter_order", "n", "none", "buy", 1), {}, ("unknown_name", "book")),
    (("enter_order", "a", "book-X", "buy", 1, "10", "alice"), {}, ("exists", "order_id")),
    (("amend_order", "n"), {"desk": "alice"}, ("unknown_name", "order_id")),
    (("amend_order", "a"), {"desk": "nobody"}, ("unknown_name", "desk")),
    (("amend_order", "a"), {"desk": "alice", "hidden": False}, ("bad_argument", "hidden")),
    (("amend_order", "a"), {"desk": "alice", "new_id": "a"}, ("exists", "new_id")),
    (("amend_order", "a"), {"desk": "alice", "engine": "none"}, ("unknown_name", "engine")),
    (("cancel_order", "n", "alice"), {}, ("unknown_name", "order_id")),
    (("cancel_order", "a", "alice", 100), {}, ("wrong_state", "quantity")),
    (("quote", "mm", "none", 1, "1", 1, "2"), {}, ("unknown_name", "book")),
    (("mass_quote", "mm", "X 1@1/1@2"), {"engine": "none"}, ("unknown_name", "engine")),
    (("set_desk", "none", "alice"), {}, ("unknown_name", "engine")),
    (("mass_cancel", "main"), {}, ("bad_argument", "")),
    (("mass_cancel", "main"), {"session": 99}, ("unknown_name", "session")),
    (("mass_cancel", "main"), {"desk": "nobody"}, ("unknown_name", "desk")),
    (("mass_cancel", "main"), {"desk": "alice", "session": 3}, ("bad_argument", "desk")),
    (("mass_cancel", "main"), {"book": "none"}, ("unknown_name", "book")),
    (("break_trade", 1), {}, ("unknown_name", "match")),
    (("correct_trade", 1, "10"), {}, ("unknown_name", "match")),
    (("set_phase", "none", "open"), {}, ("unknown_name", "engine")),
    (("set_phase", "main", "halted"), {}, ("bad_argument", "phase")),
    (("set_phase", "main", "open", "none"), {}, ("unknown_name", "book")),
    (("set_timetable", "main", "soon open"), {}, ("bad_argument", "timetable")),
    (("resume_market", "main"), {}, ("wrong_state", "engine")),
    (("resume", "book-X"), {}, ("wrong_state", "book")),
    (("set_limit", "main", "firm", "ACME", "max_quantity", "many"), {}, ("bad_argument", "value")),
    (("set_limit", "main", "book", "none", "max_quantity", 5), {}, ("unknown_name", "name")),
    (("clear_limit", "main", "firm", "ACME", "max_quantity"), {}, ("unknown_name", "rule")),
    (("revive", "main", "firm", "ACME"), {}, ("wrong_state", "name")),
    (("clear_fee", "main", "ACME"), {}, ("unknown_name", "firm")),
    (("set_book_property", "book-X", "tick_table", "nonsense"), {}, ("bad_argument", "value")),
    (("set_book_property", "book-X", "lead_market_makers", "A=200"), {}, ("bad_argument", "value")),
]


@pytest.mark.parametrize(("call", "named", "refusal"), REFUSED, ids=lambda x: " ".join(map(str, x)) if x else "-")
def test_a_refused_verb_changes_nothing(
    world: World, call: tuple[Any, ...], named: dict[str, Any], refusal: tuple[str, str]
) -> None:
    order(world, "a")
    world.take_all()
    before = Machine.load(world.machine.dump())
    assert world.verb(*call, **named) == refusal
    assert not any(world.take_all().values())
    for machine in (before, world.machine):
        machine.sequence = machine.peers["control"].last_command = machine.streams["control"].end = 0
    assert before.dump() == world.machine.dump()


# ------------------------------------------------------------------------------------------------- operators
def test_a_halt_tells_the_market_why_and_an_auction_ends_it(world: World) -> None:
    order(world, "b", "buy", 10, "10")
    assert world.verb("halt", "book-X", "news pending")["phase"] == "halted"
    assert world.take("public")[-1][:3] == (w.STATUS, 1, w.PHASE_HALTED)
    assert world.verb("resume", "book-X", True)["phase"] == "volatility_auction"
    order(world, "s", "sell", 10, "9")
    assert ask(world, "indicative", book="book-X") == {
        "book": "book-X", "phase": "volatility_auction", "price": "10", "quantity": 10, "side": "", "imbalance": 0,
    }  # fmt: skip
    world.now = world.machine.next_timer_ns
    world.timer()
    while world.machine.next_timer_ns:
        world.now = world.machine.next_timer_ns
        world.timer()
    assert ask(world, "describe", name="book-X")["phase"] == "open"
    assert ask(world, "trades", book="book-X")[0]["quantity"] == 10


def test_phases_by_hand_for_an_engine_and_for_one_book(world: World) -> None:
    world.verb("create_book", "book-Y", "main", "Y")
    world.verb("set_phase", "main", "pre_open")
    assert world.verb("set_phase", "main", "open", "book-Y")["phase"] == "open"
    assert [row["phase"] for row in ask(world, "list", kind="books")] == ["pre_open", "open"]
    assert world.verb("halt_market", "main", "storm")["halted"] is True
    assert [row["phase"] for row in ask(world, "list", kind="books")] == ["halted", "halted"]
    world.verb("resume_market", "main")
    assert [row["phase"] for row in ask(world, "list", kind="books")] == ["pre_open", "open"]


def test_a_timetable_changes_phases_by_the_clock(world: World) -> None:
    row = world.verb("set_timetable", "main", "00:00 closed, 08:00 pre_open, 09:00 open")
    assert row["timetable"] == "00:00 closed, 08:00 pre_open, 09:00 open"
    seen = []
    for _ in range(3):
        world.now = world.machine.next_timer_ns
        world.timer()
        seen.append(ask(world, "list", kind="engines")[0]["phase"])
    assert sorted(seen) == ["closed", "open", "pre_open"]
    assert world.verb("set_timetable", "main", "")["timetable"] == ""
    world.now = world.machine.next_timer_ns
    world.timer()
    assert world.machine.next_timer_ns == 0, "the step that was waiting counts no more"


def test_limits_and_the_kill_switch(world: World) -> None:
    world.verb("set_desk", "main", "alice", "PENSIONS", "ACME")
    row = world.verb("set_limit", "main", "firm", "ACME", "max_quantity", 50)
    assert row == {"engine": "main", "scope": "firm", "name": "ACME", "rule": "max_quantity", "value": "50"}
    (told,) = order(world, "a", quantity=51)
    assert told["reason"] == w.REJECT_MAX_QUANTITY and "ACME" in told["text"]
    assert kinds(order(world, "b", quantity=50)) == ["accepted"]
    world.verb("clear_limit", "main", "firm", "ACME", "max_quantity")
    assert world.verb("kill_switch", "main", "firm", "ACME")["orders"] == 1
    assert ask(world, "list", kind="limits") == [
        {"engine": "main", "scope": "firm", "name": "ACME", "rule": "kill", "value": "on"}
    ]
    assert order(world, "c")[0]["reason"] == w.REJECT_KILLED
    world.verb("revive", "main", "firm", "ACME")
    assert kinds(order(world, "d")) == ["accepted"]
    assert ask(world, "list", kind="limits") == []


def test_the_tables_of_limits_are_the_ones_of_the_verbs() -> None:
    assert verbs.LIMIT_SCOPES == limits.SCOPES
    assert set(verbs.LIMIT_RULES) == set(limits.RULES)


def test_a_throttled_desk_gets_no_more_than_a_gateways_client(world: World) -> None:
    world.verb("set_limit", "main", "account", "alice", "messages_per_second", 1)
    assert kinds(order(world, "a")) == ["accepted"]
    assert order(world, "b")[0]["reason"] == w.REJECT_THROTTLE
    world.verb("set_limit", "main", "account", "alice", "throttle", "queue")
    assert order(world, "c") == [], "it waits"
    world.now = world.machine.next_timer_ns
    world.timer()
    assert ask(world, "order_events", desk="alice")[-1]["token"] == "c"


def test_the_throttle_holds_for_gateways_too(world: World) -> None:
    world.verb("set_limit", "main", "account", "ALICE", "messages_per_second", 2)
    world.send("gateway-1", enter(1, b"a"), enter(1, b"b"), enter(1, b"c"), enter(2, b"d"))
    assert [(event[0], event[1]) for event in world.take()] == [
        (w.ACCEPTED, 1), (w.ACCEPTED, 1), (w.REJECTED, 1), (w.ACCEPTED, 2),
    ]  # fmt: skip


def test_fees_of_a_book_and_of_a_firm(world: World) -> None:
    world.verb("set_book_property", "book-X", "taker_fee", "0.003")
    world.verb("set_desk", "main", "alice", None, "ACME")
    world.verb("set_fee", "main", "ACME", "-0.001", "0.002", 5)
    assert ask(world, "list", kind="fees") == [
        {"engine": "main", "firm": "ACME", "maker_fee": "-0.001", "taker_fee": "0.002", "maker_fee_ppm": 5,
         "taker_fee_ppm": 0},
    ]  # fmt: skip
    world.verb("clear_fee", "main", "ACME")
    world.verb("set_fee", "main", "ACME", "-0.001")
    order(world, "a")
    told = order(world, "b", "sell", desk="bob")
    assert (told[-1]["kind"], told[-1]["amount"]) == ("fee", "0.3")
    assert ask(world, "fees_paid") == [{"account": "alice", "fees": "-0.1"}, {"account": "bob", "fees": "0.3"}]
    assert ask(world, "fees_paid", account="bob") == [{"account": "bob", "fees": "0.3"}]


def test_positions_trades_and_what_is_broken(world: World) -> None:
    world.verb("set_book_property", "book-X", "positions", True)
    order(world, "a")
    order(world, "b", "sell", desk="bob")
    assert ask(world, "positions", engine="main") == [
        {"account": "alice", "book": "book-X", "position": 100}, {"account": "bob", "book": "book-X", "position": -100},
    ]  # fmt: skip
    world.take_all()
    assert world.verb("correct_trade", 1, "9.5", "consent")["price"] == "9.5"
    assert world.take("public") == [(w.TRADE_CORRECTED, 1, 1, 100, 10 * 10**8, 950_000_000)]
    assert world.verb("break_trade", 1)["state"] == "broken"
    assert ask(world, "positions", engine="main", account="alice") == []
    assert ask(world, "order_events", desk="alice")[-1]["kind"] == "broken"
    assert world.verb("break_trade", 1) == ("wrong_state", "match")


def test_a_mass_cancel_takes_all_to_which_everything_given_applies(world: World) -> None:
    for number, price in enumerate(("9", "10", "11")):
        order(world, f"a{number}", price=price)
        order(world, f"b{number}", price=price, desk="bob")
    assert world.verb("mass_cancel", "main", desk="alice", low="10") == {"engine": "main", "orders": 2}
    assert world.verb("mass_cancel", "main", side="buy", high="9", book="book-X") == {"engine": "main", "orders": 2}
    assert world.verb("mass_cancel", "main", side="sell") == {"engine": "main", "orders": 0}
    assert world.verb("mass_cancel", "main", account="bob") == {"engine": "main", "orders": 2}


# ------------------------------------------------------------------------------------------------- looking
def test_the_status_of_an_order_has_the_shares_before_it(world: World) -> None:
    order(world, "a", quantity=30)
    order(world, "b", quantity=50, display_quantity=10)
    order(world, "c")
    assert ask(world, "order_status", order_id="c", desk="alice")["ahead"] == 40


def test_orders_that_nobody_sees_are_listed(world: World) -> None:
    order(world, "lit", price="9")
    order(world, "dark", hidden=True)
    order(world, "close", time_in_force="at-close")
    assert [(row["order_id"], row["where"], row["shown"]) for row in ask(world, "orders", book="book-X")] == [
        ("lit", "lit", 100), ("dark", "dark", 0), ("close", "auction", 0),
    ]  # fmt: skip
    assert ask(world, "list", kind="orders") == ask(world, "orders", book="book-X", count=3)
    counts = ask(world, "describe", name="book-X")["orders"]
    assert counts == {"lit": 1, "dark": 1, "trigger": 0, "auction": 1, "parked": 0}
    assert ask(world, "depth", book="book-X")["bids"] == [["9", 100, 1]]


def test_reference_data_is_listed_by_instrument(world: World) -> None:
    world.verb("set_book_property", "book-X", "security_type", "future")
    world.verb("set_book_property", "book-X", "expiry", "20251219")
    world.verb("set_book_property", "book-X", "multiplier", 50)
    (row,) = ask(world, "list", kind="instruments")
    assert (row["symbol"], row["security_type"], row["expiry"], row["multiplier"]) == ("X", "future", "20251219", 50)
    assert ask(world, "list", kind="books")[0]["properties"] == {
        "multiplier": 50, "security_type": "future", "expiry": "20251219",
    }  # fmt: skip


def test_every_verb_that_looks_is_a_question_of_the_machine_or_of_control() -> None:
    looking = {verb.name for verb in verbs.VERBS.values() if not verb.journaled}
    assert looking - set(plans.SPECIAL) - {"clock"} <= set(queries.QUESTIONS)  # the sequencer has the clock
    assert set(verbs.LISTS) - set(plans.LISTED) == {*listing.ROWS, *listing.LONG}


@pytest.mark.parametrize(("what", "argument", "code"), [
    ("order_events", {"desk": "nobody"}, "unknown_name"), ("order_status", {"order_id": "a"}, "unknown_name"),
    ("orders", {"book": "none"}, "unknown_name"), ("orders", {"book": "book-X", "desk": "nobody"}, "unknown_name"),
    ("orders", {"book": "book-X", "count": 0}, "bad_argument"), ("trades", {"book": "none"}, "unknown_name"),
    ("indicative", {"book": "none"}, "unknown_name"), ("describe", {}, "bad_argument"),
    ("positions", {"engine": "none"}, "unknown_name"),
])  # fmt: skip
def test_a_question_that_cannot_be_answered(world: World, what: str, argument: dict[str, Any], code: str) -> None:
    with pytest.raises(VerbError) as caught:
        ask(world, what, **argument)
    assert caught.value.code == code
