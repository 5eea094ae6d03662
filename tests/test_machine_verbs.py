"""The journaled verbs: what each does, what it answers, and every way it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import verbs
from openoutcry import wire as w
from openoutcry.errors import VerbError
from openoutcry.matcher import configuration, sessions
from openoutcry.matcher.machine import VERBS, Machine
from tests.machine_world import CENT, World, enter, market, outcome, replace


@pytest.fixture
def world() -> World:
    return market()


DEFAULT_BOOK = tuple(sorted((p.name, p.default) for p in verbs.BOOK_PROPERTIES.values()))


# ------------------------------------------------------------------------------------------------- answers
def test_an_engine_begins_open_on_day_one() -> None:
    world = World()
    row = world.verb("create_engine", "main")
    assert row == {"name": "main", "kind": "matching", "day": 1, "phase": "open",
                   "halted": False, "stopped": False, "policies": 0, "failed": "", "timetable": "",
                   "properties": {"max_quantity": 999_999, "max_open_orders": 100_000, "auto_receive": True,
                                  "seed": 1}}  # fmt: skip
    assert world.verb("delete_engine", "main") == {"name": "main"}
    assert world.machine.query("list", {"kind": "engines"}) == []


def test_a_book_is_announced_with_its_phase() -> None:
    world = World()
    world.verb("create_engine", "main")
    world.verb("close", "main")
    row = world.verb("create_book", "aapl", "main", "AAPL")
    assert row == {"name": "aapl", "number": 1, "engine": "main", "symbol": "AAPL", "phase": "closed", "halted": False,
                   "properties": {}}  # fmt: skip
    described = world.machine.query("describe", {"name": "aapl"})
    assert {name: described["properties"][name] for name in ("tick_size", "lot_size", "max_price")} == {
        "tick_size": "0.0001", "lot_size": 1, "max_price": "199999.99",
    }  # fmt: skip
    assert world.take("public") == [
        (w.BOOK_SET, 1, "aapl", "main", "AAPL", DEFAULT_BOOK),
        (w.STATUS, 1, w.PHASE_CLOSED, "create_book"),
    ]


def test_a_deleted_book_cancels_its_orders_and_its_number_is_not_used_again(world: World) -> None:
    world.send("gateway-1", enter(1, b"a"), enter(2, b"b", w.SELL, price=200))
    world.take_all()
    assert world.verb("delete_book", "book-X") == {"name": "book-X"}
    assert world.take() == [
        (w.CANCELED, 1, b"a", 100, w.CANCEL_SUPERVISORY, 0),
        (w.CANCELED, 2, b"b", 100, w.CANCEL_SUPERVISORY, 0),
    ]
    assert world.take("public") == [(w.REDUCED, 1, 1, 100, 0), (w.REDUCED, 1, 2, 100, 0), (w.BOOK_DELETED, 1)]
    assert world.verb("create_book", "book-X", "main", "X")["number"] == 2
    world.send("gateway-1", enter(1, b"c"))
    assert world.take()[0][0] == w.ACCEPTED


def test_book_properties_hold_from_the_next_order_and_are_announced(world: World) -> None:
    world.send("gateway-1", enter(1, b"a", price=101))
    world.take_all()
    row = world.verb("set_book_property", "book-X", "tick_size", "0.05")
    assert row["properties"]["tick_size"] == "0.05"
    assert world.take("public") == [
        (w.BOOK_SET, 1, "book-X", "main", "X", tuple(sorted({**dict(DEFAULT_BOOK), "tick_size": 5 * CENT}.items())))
    ]
    world.send("gateway-1", enter(1, b"b", price=101), enter(1, b"c", price=105), (w.CANCEL, 1, b"a", 0))
    assert [event[0] for event in world.take()] == [w.REJECTED, w.ACCEPTED, w.CANCELED]


def test_engine_properties_hold_for_every_book(world: World) -> None:
    world.verb("create_book", "book-Y", "main", "Y")
    assert world.verb("set_engine_property", "main", "max_quantity", 10)["properties"]["max_quantity"] == 10
    world.send("gateway-1", enter(1, b"a", quantity=11), enter(1, b"b", quantity=11, symbol="Y"))
    assert [event[3] for event in world.take()] == [w.REJECT_QUANTITY] * 2


def test_the_same_symbol_may_be_on_two_engines(world: World) -> None:
    world.verb("create_engine", "other")
    assert world.verb("create_book", "other-X", "other", "X")["number"] == 2
    world.send("gateway-1", enter(1, b"a"))
    assert world.take("public")[-1][1] == 1


# ------------------------------------------------------------------------------------------------- phases
def test_close_cancels_day_orders_only(world: World) -> None:
    world.send("gateway-1", enter(1, b"a"), enter(1, b"b", tif=w.SYSTEM_HOURS),
               enter(1, b"c", tif=w.GOOD_FOR_TIME, expire=9))  # fmt: skip
    world.take_all()
    assert world.verb("close", "main")["phase"] == "closed"
    assert world.take() == [(w.CANCELED, 1, b"a", 100, w.CANCEL_CLOSED, 0)]
    assert world.take("public") == [(w.REDUCED, 1, 1, 100, 0), (w.STATUS, 1, w.PHASE_CLOSED, "close")]
    assert world.verb("open", "main")["phase"] == "open"
    assert world.take("public") == [(w.STATUS, 1, w.PHASE_OPEN, "open")]


def test_a_whole_day_ends_every_stream_and_the_next_begins_closed(world: World) -> None:
    world.send("gateway-1", enter(1, b"a", tif=w.SYSTEM_HOURS))
    world.take_all()
    assert world.verb("end_of_day", "main")["phase"] == "ended"
    assert world.take() == [
        (w.CANCELED, 1, b"a", 100, w.CANCEL_CLOSED, 0),
        (w.SYSTEM, 1, w.END_OF_DAY),
        (w.SYSTEM, 2, w.END_OF_DAY),
    ]
    world.send("gateway-1", enter(1, b"b"), (w.REFUSE, 1, b"c", 7, "", b""), (w.LOGOFF, 1, 1))
    assert world.take() == [], "nothing comes after the end of a stream"
    assert world.log_on(connection=3) == 1
    assert world.take() == [(w.LOGON_REFUSED, "orders", 3, "the day has ended")]
    row = world.verb("start_of_day", "main")
    assert (row["day"], row["phase"]) == (2, "closed")
    world.send("gateway-1", enter(1, b"a"))
    assert world.take() == [], "the session has no stream yet"
    world.log_on(connection=4)
    assert world.take() == [
        (w.SESSION_STREAM, 1, "orders", "ALICE", "0002000001"),
        (w.SYSTEM, 1, w.START_OF_DAY),
        (w.LOGGED_ON, 1, "orders", 4, "0002000001"),
    ]
    world.verb("open", "main")
    world.send("gateway-1", enter(1, b"a"))
    assert world.take()[0][0] == w.ACCEPTED, "yesterday's tokens are forgotten"


@pytest.mark.parametrize(("history", "verb"), [
    ((), "open"), ((), "start_of_day"), (("close",), "close"), (("close",), "start_of_day"),
    (("end_of_day",), "open"), (("end_of_day",), "close"), (("end_of_day",), "end_of_day"),
])  # fmt: skip
def test_steps_out_of_order_are_refused(world: World, history: tuple[str, ...], verb: str) -> None:
    for step in history:
        world.verb(step, "main")
    world.take_all()
    before = world.machine.query("list", {"kind": "engines"})
    assert world.verb(verb, "main") == ("wrong_state", "engine")
    assert world.machine.query("list", {"kind": "engines"}) == before
    assert not any(world.take_all().values())


def test_a_halt_outlives_close_and_open(world: World) -> None:
    assert world.verb("halt", "book-X")["phase"] == "halted"
    world.verb("close", "main")
    world.verb("open", "main")
    assert world.verb("resume", "book-X")["phase"] == "open"
    assert [(e[2], e[3]) for e in world.take("public")] == [
        (w.PHASE_HALTED, "halt"), (w.PHASE_CLOSED, "close"), (w.PHASE_HALTED, "open"), (w.PHASE_OPEN, "resume"),
    ]  # fmt: skip
    assert world.verb("resume", "book-X") == ("wrong_state", "book")
    world.verb("halt", "book-X")
    assert world.verb("halt", "book-X") == ("wrong_state", "book")


def test_days_are_limited_by_the_names_of_streams(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openoutcry.matcher.days.DAYS_MAX", 1)
    world.verb("end_of_day", "main")
    assert world.verb("start_of_day", "main") == ("limit", "engine")
    assert sessions.DAYS_MAX == 9_999


# ------------------------------------------------------------------------------------------------- endpoints
def test_an_endpoint_is_answered_when_its_port_is_open(world: World) -> None:
    assert world.verb("create_endpoint", "more", "main", "ouch42") is None
    announced = world.take()
    assert [event[:6] for event in announced] == [(w.ENDPOINT_SET, "more", "main", "ouch42", "127.0.0.1", 0)]
    assert dict(announced[0][6])["cancel_on_disconnect"] is False
    world.send("gateway-1", (w.BOUND, "more", "127.0.0.1", 5001, ""))
    row = outcome(world.take("control")[0], world.requests)
    assert {key: row[key] for key in ("name", "engine", "protocol", "gateway", "host", "port")} == {
        "name": "more", "engine": "main", "protocol": "ouch42", "gateway": "gateway-1", "host": "127.0.0.1",
        "port": 5001,
    }  # fmt: skip
    world.send("gateway-1", (w.BOUND, "more", "127.0.0.1", 5001, ""))
    assert world.take("control") == [], "answered once"


def test_a_port_that_cannot_be_opened_undoes_the_endpoint(world: World) -> None:
    world.verb("create_endpoint", "more", "main", "ouch42", port=80)
    world.take_all()
    world.send("gateway-1", (w.BOUND, "more", "127.0.0.1", 0, "permission denied"))
    event = world.take("control")[0]
    assert event[2] == ("unavailable", "port", "permission denied")
    assert outcome(event, world.requests) == ("unavailable", "port")
    assert world.take() == [(w.ENDPOINT_DELETED, "more")]
    assert [row["name"] for row in world.machine.query("list", {"kind": "endpoints"})] == ["orders"]


def test_a_bound_port_is_kept_and_announced_from_then_on(world: World) -> None:
    world.verb("set_protocol_property", "orders", "heartbeat_ms", 500)
    event = world.take()[0]
    assert event[5] == 4001
    assert dict(event[6])["heartbeat_ms"] == 500
    world.send("gateway-1", (w.BOUND, "orders", "127.0.0.1", 0, "address in use"))
    row = world.machine.query("list", {"kind": "endpoints"})[0]
    assert (row["port"], row["error"]) == (4001, "address in use")
    world.send("gateway-1", (w.BOUND, "orders", "127.0.0.1", 4100, ""))
    row = world.machine.query("list", {"kind": "endpoints"})[0]
    assert (row["port"], row["error"]) == (4100, "")


def test_bound_by_another_gateway_is_ignored(world: World) -> None:
    world.hello("gateway-2")
    world.send("gateway-2", (w.BOUND, "orders", "127.0.0.1", 9, ""), (w.BOUND, "none", "127.0.0.1", 9, ""))
    assert world.machine.query("list", {"kind": "endpoints"})[0]["port"] == 4001


def test_an_endpoint_goes_to_the_least_loaded_gateway_or_the_one_named(world: World) -> None:
    for name in ("gateway-3", "gateway-2"):
        world.hello(name)
    for name in ("a", "b", "c"):
        world.verb("create_endpoint", name, "main", "ouch42")
    world.verb("create_endpoint", "d", "main", "ouch42", "gateway-1")
    rows = world.machine.query("list", {"kind": "endpoints"})
    assert [row["gateway"] for row in rows] == ["gateway-1", "gateway-2", "gateway-3", "gateway-1", "gateway-1"]


def test_an_endpoint_without_a_gateway_waits_for_one() -> None:
    world = World()
    world.verb("create_engine", "main")
    world.verb("create_user", "u", "hash")
    assert world.verb("create_endpoint", "any", "main", "ouch42") is None
    assert world.verb("create_endpoint", "named", "main", "ouch42", "gateway-2") is None
    world.hello("gateway-1")
    assert [event[:2] for event in world.take("gateway-1")] == [(w.USER_SET, "U"), (w.ENDPOINT_SET, "any")]
    world.hello("gateway-2")
    assert [event[:2] for event in world.take("gateway-2")] == [(w.USER_SET, "U"), (w.ENDPOINT_SET, "named")]
    world.verb("set_protocol_property", "any", "heartbeat_ms", 500)
    assert len(world.take("gateway-1")) == 1


def test_a_deleted_endpoint_cancels_and_forgets_its_sessions(world: World) -> None:
    world.send("gateway-1", enter(1, b"a"))
    world.take_all()
    assert world.verb("delete_endpoint", "orders") == {"name": "orders"}
    assert world.take() == [(w.CANCELED, 1, b"a", 100, w.CANCEL_SUPERVISORY, 0), (w.ENDPOINT_DELETED, "orders")]
    assert world.machine.query("list", {"kind": "sessions"}) == []
    world.send("gateway-1", enter(1, b"b"), (w.LOGOFF, 1, 1), (w.LOGON, "orders", "alice", 9, ""))
    assert world.take() == [(w.LOGON_REFUSED, "orders", 9, "no such endpoint here")]
    world.verb("create_endpoint", "orders", "main", "ouch42")
    assert world.log_on() == 3, "session numbers are not used again"


def test_an_endpoint_deleted_before_its_port_is_open_answers_both(world: World) -> None:
    world.verb("create_endpoint", "more", "main", "ouch42")
    asked = world.requests
    world.send("control", (w.VERB, asked + 1, "delete_endpoint", ("more",)))
    first, second = world.take("control")
    assert first[1:3] == (asked, ("unavailable", "name", "endpoint 'more' was deleted"))
    assert second[1:3] == (asked + 1, ())


def test_a_new_life_of_the_asker_gets_no_answers_to_old_requests(world: World) -> None:
    world.verb("create_endpoint", "more", "main", "ouch42")
    world.hello("control", w.ROLE_CONTROL, 2)
    world.send("gateway-1", (w.BOUND, "more", "127.0.0.1", 5001, ""))
    assert world.take("control") == []
    assert world.machine.endpoints["more"].bound_port == 5001


# ------------------------------------------------------------------------------------------------- users
def test_users_are_told_to_every_gateway_without_regard_to_case(world: World) -> None:
    world.hello("gateway-2")
    assert world.verb("create_user", "Bob", "scrypt$x") == {
        "name": "BOB", "endpoint": "", "account": "BOB", "firm": "",
    }  # fmt: skip
    row = world.verb("create_user", "ann", "scrypt$y", "orders", "desk-1", "ACME")
    assert row == {"name": "ANN", "endpoint": "orders", "account": "desk-1", "firm": "ACME"}
    for gateway in ("gateway-1", "gateway-2"):
        assert world.take(gateway) == [
            (w.USER_SET, "BOB", "", "BOB", "scrypt$x"),
            (w.USER_SET, "ANN", "orders", "desk-1", "scrypt$y"),
        ]
    assert world.verb("create_user", "BOB", "z") == ("exists", "name")
    assert world.verb("delete_user", "bob") == {"name": "BOB"}
    assert world.take("gateway-2") == [(w.USER_DELETED, "BOB")]
    assert "scrypt" not in str(world.machine.query("list", {"kind": "users"}))


def test_a_session_has_the_account_and_the_firm_of_its_user_from_log_on(world: World) -> None:
    world.verb("create_user", "alice", "scrypt$x", None, "PENSIONS", "ACME")
    session = world.machine.sessions[1]
    assert (session.account, session.firm) == ("ALICE", "")
    world.log_on(user="alice", connection=7)
    assert (session.account, session.firm) == ("PENSIONS", "ACME")
    loaded = Machine.load(world.machine.dump()).sessions[1]
    assert (loaded.account, loaded.firm) == ("PENSIONS", "ACME")
    world.verb("delete_user", "alice")
    world.log_on(user="alice", connection=8)
    assert (session.account, session.firm) == ("ALICE", "")


def test_a_user_of_another_endpoint_lends_no_account(world: World) -> None:
    world.hello("gateway-2")
    world.verb("create_endpoint", "more", "main", "ouch42", "gateway-2")
    world.verb("create_user", "alice", "scrypt$x", "more", "PENSIONS", "ACME")
    world.log_on(user="alice", connection=7)
    assert world.machine.sessions[1].account == "ALICE"


def test_trades_of_what_is_gone_are_listed_still_but_not_broken(world: World) -> None:
    world.verb("create_book", "book-Y", "main", "Y")
    world.hello("gateway-2")
    world.verb("create_endpoint", "more", "main", "ouch42", "gateway-2")
    world.send("gateway-2", (w.BOUND, "more", "127.0.0.1", 5001, ""))
    number = world.log_on("more", "carol", 1, "gateway-2")
    world.send("gateway-1", enter(1, b"a"), enter(1, b"b", symbol="Y"))
    world.send("gateway-2", enter(number, b"x", w.SELL), enter(number, b"y", w.SELL, symbol="Y"))
    world.verb("delete_book", "book-X")
    world.verb("delete_endpoint", "more")
    world.take_all()
    loaded = Machine.load(world.machine.dump())
    assert loaded.dump() == world.machine.dump()
    for machine in (world.machine, loaded):
        (trade,) = machine.query("trades", {"book": "book-Y"})
        assert (trade["match"], trade["buy_session"], trade["sell_session"]) == (2, 1, 0)
    assert world.verb("break_trade", 1) == ("wrong_state", "match")
    assert world.verb("break_trade", 2)["state"] == "broken"
    assert world.take("gateway-1")[-1][:4] == (w.BROKEN, 1, b"b", 2)
    assert not world.take("gateway-2"), "that session is gone"


def test_what_is_due_at_the_same_time_is_done_orders_first_then_as_it_was_put_in(world: World) -> None:
    world.verb("set_desk", "main", "alice")
    due = world.now - world.now % (86_400 * 10**9) + 86_400 * 10**9
    world.verb("set_timetable", "main", "00:00 closed")
    world.verb("enter_order", "a", "book-X", "buy", 100, "10", "alice", time_in_force="gtd", expire=due)
    world.verb("enter_order", "b", "book-X", "buy", 100, "10", "alice")
    assert world.machine.next_timer_ns == due
    world.now = due
    world.timer()
    told = world.machine.query("order_events", {"desk": "alice"})[-2:]
    assert [(row["token"], row["reason"]) for row in told] == [("a", w.CANCEL_TIMEOUT), ("b", w.CANCEL_CLOSED)]


# ------------------------------------------------------------------------------------------------- refusals
REFUSALS: list[tuple[tuple[Any, ...], tuple[str, str]]] = [
    (("create_engine", "main"), ("exists", "name")),
    (("create_engine", "e", "auction"), ("bad_argument", "kind")),
    (("delete_engine", "none"), ("unknown_name", "name")),
    (("delete_engine", "main"), ("in_use", "name")),
    (("set_engine_property", "none", "max_quantity", 1), ("unknown_name", "engine")),
    (("set_engine_property", "main", "colour", 1), ("bad_argument", "name")),
    (("set_engine_property", "main", "max_quantity", 0), ("bad_argument", "value")),
    (("create_book", "book-X", "main", "Y"), ("exists", "name")),
    (("create_book", "b", "none", "Y"), ("unknown_name", "engine")),
    (("create_book", "b", "main", "X"), ("exists", "symbol")),
    (("delete_book", "none"), ("unknown_name", "name")),
    (("set_book_property", "none", "lot_size", 1), ("unknown_name", "book")),
    (("set_book_property", "book-X", "colour", 1), ("bad_argument", "name")),
    (("set_book_property", "book-X", "tick_size", "x"), ("bad_argument", "value")),
    (("create_endpoint", "orders", "main", "ouch42"), ("exists", "name")),
    (("create_endpoint", "e", "none", "ouch42"), ("unknown_name", "engine")),
    (("create_endpoint", "e", "main", "morse"), ("bad_argument", "protocol")),
    (("delete_endpoint", "none"), ("unknown_name", "name")),
    (("set_protocol_property", "none", "heartbeat_ms", 10), ("unknown_name", "endpoint")),
    (("set_protocol_property", "orders", "colour", 10), ("bad_argument", "name")),
    (("set_protocol_property", "orders", "heartbeat_ms", 1), ("bad_argument", "value")),
    (("create_user", "u", "p", "none"), ("unknown_name", "endpoint")),
    (("delete_user", "none"), ("unknown_name", "name")),
    *(((verb, "none"), ("unknown_name", "engine")) for verb in ("open", "close", "start_of_day", "end_of_day")),
    *(((verb, "none"), ("unknown_name", "book")) for verb in ("halt", "resume")),
]  # fmt: skip


@pytest.mark.parametrize(("call", "refusal"), REFUSALS, ids=lambda x: " ".join(map(str, x)))
def test_a_refused_verb_changes_nothing(world: World, call: tuple[Any, ...], refusal: tuple[str, str]) -> None:
    world.take_all()
    rows = {kind: world.machine.query("list", {"kind": kind}) for kind in ("engines", "books", "endpoints", "users")}
    assert world.verb(*call) == refusal
    assert not any(world.take_all().values())
    assert rows == {kind: world.machine.query("list", {"kind": kind}) for kind in rows}


def test_an_engine_with_only_an_endpoint_is_in_use(world: World) -> None:
    world.verb("delete_book", "book-X")
    assert world.verb("delete_engine", "main") == ("in_use", "name")
    world.verb("delete_endpoint", "orders")
    assert world.verb("delete_engine", "main") == {"name": "main"}


def test_an_endpoint_with_users_is_in_use(world: World) -> None:
    world.verb("create_user", "u", "p", "orders")
    assert world.verb("delete_endpoint", "orders") == ("in_use", "name")


@pytest.mark.parametrize(("limit", "call"), [
    ("ENGINES_MAX", ("create_engine", "e")), ("BOOKS_MAX", ("create_book", "b", "main", "B")),
    ("ENDPOINTS_MAX", ("create_endpoint", "e", "main", "ouch42")), ("USERS_MAX", ("create_user", "u", "p")),
])  # fmt: skip
def test_there_is_a_limit_to_everything(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: str, call: tuple[str, ...]
) -> None:
    world.verb("create_user", "first", "p")
    monkeypatch.setattr(configuration, limit, 1)
    assert world.verb(*call) == ("limit", "name")


@pytest.mark.parametrize(("verb", "arguments", "code"), [
    ("fly", (), "unknown_verb"), ("depth", ("book-X",), "unknown_verb"), ("create_engine", (), "bad_argument"),
    ("create_engine", (1,), "bad_argument"), ("halt", ("a", "b", "c"), "bad_argument"),
])  # fmt: skip
def test_the_machine_checks_what_it_is_sent(world: World, verb: str, arguments: tuple[Any, ...], code: str) -> None:
    world.send("control", (w.VERB, 77, verb, arguments))
    assert outcome(world.take("control")[-1], 77)[0] == code


def test_every_journaled_verb_has_a_handler() -> None:
    assert {verb.name for verb in verbs.VERBS.values() if verb.journaled} == set(VERBS)


# ------------------------------------------------------------------------------------------------- questions
def test_depth_shows_levels_best_first(world: World) -> None:
    world.send("gateway-1", enter(1, b"a", price=99), enter(1, b"b", price=100), enter(2, b"c", price=100),
               enter(2, b"d", w.SELL, price=110), (w.CANCEL, 1, b"b", 30))  # fmt: skip
    depth = world.machine.query("depth", {"book": "book-X"})
    assert depth == {"book": "book-X", "symbol": "X", "phase": "open", "bids": [["1", 130, 2], ["0.99", 100, 1]],
                     "asks": [["1.1", 100, 1]]}  # fmt: skip
    assert world.machine.query("depth", {"book": "book-X", "levels": 1})["bids"] == [["1", 130, 2]]


def test_sessions_and_peers_are_listed(world: World) -> None:
    world.send("gateway-1", enter(1, b"a"), replace(1, b"a", b"b"))
    row = world.machine.query("list", {"kind": "sessions"})[0]
    assert row == {"number": 1, "endpoint": "orders", "user": "ALICE", "account": "ALICE", "firm": "", "connection": 1,
                   "stream": "0001000001", "active": True, "tokens": 2, "open_orders": 1}  # fmt: skip
    assert [peer["name"] for peer in world.machine.query("peers", {})] == ["control", "gateway-1"]
    names = {row["name"] for row in world.machine.query("list", {"kind": "properties"})}
    assert {"tick_size", "max_quantity", "cancel_on_disconnect"} <= names


def test_statistics_and_state_hash_tell_where_the_machine_is(world: World) -> None:
    world.send("gateway-1", enter(1, b"a"), enter(2, b"b", w.SELL))
    found = world.machine.query("statistics", {})
    assert (found["orders"], found["trades"], found["open_orders"], found["tokens"]) == (2, 1, 0, 2)
    answer = world.machine.query("state_hash", {})
    assert answer == {"sequence": world.machine.sequence, "hash": world.machine.state_hash()}


@pytest.mark.parametrize(("what", "argument", "code"), [
    ("weather", {}, "unknown_verb"), ("list", {}, "bad_argument"), ("list", {"kind": "birds"}, "bad_argument"),
    ("list", {"kind": 7}, "bad_argument"), ("depth", {"book": "none"}, "unknown_name"),
    ("depth", {"book": "book-X", "levels": -1}, "bad_argument"),
])  # fmt: skip
def test_a_question_that_cannot_be_answered(world: World, what: str, argument: dict[str, Any], code: str) -> None:
    with pytest.raises(VerbError) as caught:
        world.machine.query(what, argument)
    assert caught.value.code == code
