"""Manual engines: what waits, and what a hand makes of it; orders filled and pulled by hand; stopped engines."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import Exchange, ctl
from openoutcry import wire as w
from openoutcry.clients.fix import FixClient
from openoutcry.matcher import stage as stages
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.orders import NUMBER
from tests.invariants import check
from tests.machine_world import CENT, Message, World, change, enter, market, replace, submit
from tests.naive.pair import Watcher

ENTERED, REPLACED, GONE = b"a", b"b", b"c"


def manual(protocol: str = "ouch42") -> World:
    """A manual engine with a book; alice and bob are sessions 2 and 3, the house is session 1."""
    world = World()
    world.verb("create_engine", "main", "manual")
    world.verb("create_book", "book-X", "main", "X")
    world.hello("gateway-1")
    world.verb("create_endpoint", "orders", "main", protocol, "gateway-1")
    world.send("gateway-1", (w.BOUND, "orders", "127.0.0.1", 4001, ""))
    for connection, user in enumerate(("alice", "bob"), 1):
        world.log_on("orders", user, connection)
    world.take_all()
    return world


ALICE, BOB = 2, 3


@pytest.fixture
def world() -> World:
    return manual()


def waiting(world: World) -> list[tuple[int, str, str]]:
    return [(row["request"], row["kind"], row["token"]) for row in world.machine.query("requests", {})]


def number(world: World, token: bytes, session: int = ALICE) -> int:
    return int(world.machine.sessions[session].live[token][NUMBER])


def kinds(answer: Any) -> list[str]:
    return [event["kind"] for event in (answer["events"] if isinstance(answer, dict) else answer)]


def same_as_a_copy(world: World) -> None:
    check(world.machine)
    dumped = world.machine.dump()
    assert Machine.load(dumped).dump() == dumped


# ------------------------------------------------------------------------------------------------- waiting
def test_every_message_waits_and_nobody_is_told(world: World) -> None:
    world.send("gateway-1", enter(ALICE, "a"), replace(ALICE, "a", "b"), (w.CANCEL, ALICE, b"b", 0), submit(BOB, "s"))
    assert world.take() == [] and world.take("public") == []
    assert waiting(world) == [(1, "enter", "a"), (2, "replace", "a"), (3, "cancel", "b"), (4, "submit", "s")]
    same_as_a_copy(world)


def test_a_request_shows_what_was_asked(world: World) -> None:
    world.send("gateway-1", submit(ALICE, "a", w.SELL, 100, 250, hidden=1, tif=w.GTC))
    assert world.machine.query("list", {"kind": "requests"}) == [
        {"request": 1, "engine": "main", "user": "ALICE", "kind": "submit", "session": ALICE, "token": "a",
         "symbol": "X", "side": "sell", "quantity": 100, "price": "2.5", "order_type": "limit",
         "time_in_force": "gtc", "expire": 0, "min_quantity": 0, "terms": {"hidden": 1}},
    ]  # fmt: skip
    assert world.machine.query("requests", {"engine": "main", "count": 1})


def test_a_request_to_cancel_has_its_number_and_its_own_name() -> None:
    world = manual("fix44")
    world.send("gateway-1", submit(ALICE, "a1"))
    world.verb("accept_request", "main")
    world.send("gateway-1", (w.WITHDRAW, ALICE, b"a1", b"a1-cancel"), change(ALICE, "a1", "a2"))
    rows = world.machine.query("requests", {})
    assert [(row["kind"], row["token"], row.get("request_token"), row.get("new_token")) for row in rows] == [
        ("withdraw", "a1", "a1-cancel", None), ("change", "a1", None, "a2"),
    ]  # fmt: skip
    for row in reversed(rows):
        assert world.verb("reject_request", "main", request=row["request"])["handled"]


@pytest.mark.parametrize(("token", "shown"), [
    (b"mine".ljust(14), "mine"), (b"a b", "a b"), (b"\x1b[2J".ljust(14), "\\x1b[2J"), (b"\x01S2\xff", "\\x01S2\\xff"),
])  # fmt: skip
def test_names_are_shown_without_the_blanks_that_ouch_ends_them_with_nor_what_cannot_be_printed(
    world: World, token: bytes, shown: str
) -> None:
    world.send("gateway-1", enter(ALICE, token))
    assert waiting(world) == [(1, "enter", shown)]
    assert world.verb("accept_request", "main")["events"][0]["token"] == shown
    assert [row["order_id"] for row in world.machine.query("orders", {"book": "book-X"})] == [shown]
    world.verb("fill_order", number(world, token))
    assert world.machine.query("trades", {"book": "book-X"})[0]["buy_token"] == shown


def test_a_question_is_answered_at_once(world: World) -> None:
    world.send("gateway-1", (w.ASK, ALICE, b"a"))
    assert [event[0] for event in world.take()] == [w.ORDER_STATUS]


def test_a_message_that_comes_twice_waits_once(world: World) -> None:
    world.send("gateway-1", enter(ALICE, "a"), enter(ALICE, "a"), (w.AGAIN, ALICE), enter(ALICE, "a"))
    assert waiting(world) == [(1, "enter", "a")] and world.take() == []


def test_what_is_about_an_order_that_never_was_does_not_wait(world: World) -> None:
    world.send("gateway-1", (w.CANCEL, ALICE, b"never", 0), replace(ALICE, "never", "x"))
    assert waiting(world) == []


def test_no_more_wait_than_the_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "REQUESTS_MAX", 1)
    world.send("gateway-1", enter(ALICE, "a"), enter(ALICE, "b"))
    assert [event[:4] for event in world.take()] == [(w.REJECTED, ALICE, b"b", w.REJECT_LIMIT)]


# ------------------------------------------------------------------------------------------------- accepting
def test_orders_that_are_accepted_never_meet(world: World) -> None:
    world.send("gateway-1", enter(ALICE, "a", w.BUY, 100, 110), enter(BOB, "b", w.SELL, 100, 100))
    assert kinds(world.verb("accept_request", "main")) == ["accepted"]
    assert kinds(world.verb("accept_request", "main")) == ["accepted"]
    assert [event[0] for event in world.take("public")] == [w.ADDED, w.ADDED]
    assert world.verb("accept_request", "main") == ("unknown_name", "request")
    same_as_a_copy(world)


@pytest.mark.parametrize(("order", "where"), [
    (enter(BOB, "b", w.SELL, tif=w.IOC), "lit"), (enter(BOB, "b", w.SELL, tif=w.FOK), "lit"),
    (enter(BOB, "b", w.SELL, order_type=w.MARKET), "auction"), (submit(BOB, "b", w.SELL, hidden=1), "dark"),
    (submit(BOB, "b", w.SELL, order_type=w.STOP, stop_price=90), "trigger"),
    (submit(BOB, "b", w.SELL, all_or_none=1), "dark"), (submit(BOB, "b", w.SELL, post_only=1), "lit"),
])  # fmt: skip
def test_every_kind_of_order_waits_until_it_is_filled(world: World, order: Message, where: str) -> None:
    world.send("gateway-1", enter(ALICE, "a"), order)
    world.verb("accept_request", "main")
    assert kinds(world.verb("accept_request", "main")) == ["accepted"]
    assert {row["order_id"]: row["where"] for row in world.machine.query("orders", {"book": "book-X"})} == {
        "a": "lit", "b": where,
    }  # fmt: skip
    told = world.verb("fill_order", number(world, b"b", BOB), 30, "1.5")
    assert [(event["quantity"], event["price"], event["leaves"]) for event in told] == [(30, "1.5", 70)]
    same_as_a_copy(world)
    assert world.verb("fill_order", number(world, b"b", BOB), None, "1.5")[-1]["leaves"] == 0
    same_as_a_copy(world)


def test_an_accepted_order_is_judged_as_always(world: World) -> None:
    world.send("gateway-1", enter(ALICE, "a", quantity=0))
    (told,) = world.verb("accept_request", "main")["events"]
    assert (told["kind"], told["reason"]) == ("rejected", w.REJECT_QUANTITY)


def test_requests_are_taken_in_any_order(world: World) -> None:
    world.send("gateway-1", enter(ALICE, "a"), enter(ALICE, "b"))
    assert world.verb("accept_request", "main", 2)["events"][0]["token"] == "b"
    assert world.verb("accept_request", "main", 2) == ("unknown_name", "request")
    assert world.verb("accept_request", "main")["events"][0]["token"] == "a"


@pytest.mark.parametrize("ask", [
    lambda: replace(ALICE, "a", "b", 50), lambda: (w.CANCEL, ALICE, b"a", 0),
    lambda: (w.MODIFY, ALICE, b"a", w.BUY, 50), lambda: change(ALICE, "a", "b", 50),
    lambda: (w.WITHDRAW, ALICE, b"a", b"b"), lambda: (w.MASS_CANCEL, ALICE, b"m", 1, "", 0, 0, w.PRICE_MAX),
    lambda: (w.QUOTE, ALICE, b"q", 0, b"", (("X", 10, 90 * CENT, 10, 110 * CENT),)),
    lambda: (w.CROSS, ALICE, b"x", b"y", "X", w.SELL, 10, 100 * CENT, b"", b""),
])  # fmt: skip
def test_every_kind_of_request_is_accepted_and_rejected(ask: Any) -> None:
    for protocol in ("ouch42", "fix44"):
        taken, refused = manual(protocol), manual(protocol)
        for world in (taken, refused):
            world.send("gateway-1", enter(ALICE, "a"))
            world.verb("accept_request", "main")
            world.send("gateway-1", ask())
            world.take_all()
        assert taken.verb("accept_request", "main")["handled"] is True
        assert taken.verb("accept_request", "main") == ("unknown_name", "request")
        answer = refused.verb("reject_request", "main", "price collar", "too far")
        assert answer["events"], "always answered"
        assert b"a" in refused.machine.sessions[ALICE].live, "the order stays as it was"
        for world in (taken, refused):
            same_as_a_copy(world)


def test_a_rejected_order_has_the_reason_and_the_text(world: World) -> None:
    world.send("gateway-1", enter(ALICE, "a"), enter(ALICE, "b"))
    (told,) = world.verb("reject_request", "main", "max position", "no more of this")["events"]
    assert (told["kind"], told["reason"], told["text"]) == ("rejected", w.REJECT_MAX_POSITION, "no more of this")
    (told,) = world.verb("reject_request", "main")["events"]
    assert (told["reason"], told["text"]) == (w.REJECT_FIELD, "invalid field")
    world.send("gateway-1", enter(ALICE, "a"))
    assert waiting(world) == [], "its token is used up"


# ------------------------------------------------------------------------------------------------- filling
def test_an_order_is_accepted_and_filled_in_portions_at_any_price(world: World) -> None:
    world.send("gateway-1", enter(ALICE, "a", w.BUY, 100, 100))
    answer = world.verb("fill_request", "main", 30, "0.95")
    assert kinds(answer) == ["accepted", "executed"]
    assert world.verb("fill_order", number(world, b"a"), 20)[0]["price"] == "1"
    assert world.verb("fill_order", number(world, b"a"), 51) == ("bad_argument", "quantity")
    assert world.verb("fill_order", number(world, b"a"), 50, "7")[0]["leaves"] == 0
    assert world.verb("fill_order", 1) == ("unknown_name", "order")
    trades = world.machine.query("trades", {"book": "book-X"})
    assert [(trade["quantity"], trade["price"]) for trade in trades] == [(50, "7"), (20, "1"), (30, "0.95")]
    same_as_a_copy(world)


def test_an_iceberg_that_is_filled_beyond_what_it_shows_shows_more(world: World) -> None:
    watcher = Watcher()
    world.send("gateway-1", submit(ALICE, "a", quantity=100, display_quantity=30))
    told = world.verb("fill_request", "main", 70)
    assert kinds(told) == ["accepted", "executed", "restated", "executed", "restated", "executed"]
    watcher.take(world.take("public"))
    assert [row[3] for row in watcher.orders.values()] == [20]
    same_as_a_copy(world)


def test_a_fill_can_be_busted(world: World) -> None:
    world.send("gateway-1", enter(ALICE, "a"))
    world.verb("fill_request", "main")
    world.take()
    world.verb("break_trade", 1)
    assert world.take() == [(w.BROKEN, ALICE, b"a", 1, 100, 100 * CENT, w.BREAK_ERRONEOUS)]


def test_the_house_counts_as_any_account_does(world: World) -> None:
    world.verb("set_book_property", "book-X", "positions", True)
    world.send("gateway-1", enter(ALICE, "a"))
    world.verb("fill_request", "main")
    rows = world.machine.query("positions", {"engine": "main"})
    assert {(row["account"], row["position"]) for row in rows} == {("ALICE", 100), ("house", -100)}
    events = world.machine.query("order_events", {"desk": "house"})
    assert [event["kind"] for event in events] == ["system", "accepted", "executed"]


@pytest.mark.parametrize(("quantity", "price"), [(None, None), (10, None)])
def test_an_order_without_a_price_needs_one(world: World, quantity: int | None, price: str | None) -> None:
    world.send("gateway-1", enter(ALICE, "a", order_type=w.MARKET))
    assert world.verb("fill_request", "main", quantity, price) == ("bad_argument", "price")
    assert waiting(world) == [(1, "enter", "a")], "nothing was done"
    assert kinds(world.verb("fill_request", "main", quantity, "1")) == ["accepted", "executed"]


def test_what_is_no_order_cannot_be_filled(world: World) -> None:
    world.send("gateway-1", enter(ALICE, "a"), (w.CANCEL, ALICE, b"a", 0))
    assert world.verb("fill_request", "main", request=2) == ("wrong_state", "request")


def test_the_command_line_tells_it_in_words(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    class Client:
        """As a ControlClient."""

        def call(self, verb: str, **named: Any) -> Any:
            return world.verb(verb, **named)

    client: Any = Client()
    world.send("gateway-1", enter(ALICE, "a"), (w.CANCEL, ALICE, b"a", 0), (w.CANCEL, ALICE, b"a", 0))
    ctl.run(client, "fill_request", {"engine": "main", "quantity": 40}, False)
    ctl.run(client, "fill_order", {"order": number(world, b"a"), "quantity": 10}, False)
    ctl.run(client, "accept_request", {"engine": "main"}, False)
    ctl.run(client, "accept_request", {"engine": "main"}, False)
    assert capsys.readouterr().out.splitlines() == [
        "request 1", "accepted a: buy 100 at 1, order 1",
        "executed a: 40 at 1, added liquidity, match 1, leaves 60",
        "executed a: 10 at 1, added liquidity, match 2, leaves 50",
        "request 2", "canceled a: 50, user, leaves 0",
        "request 3: ignored", "nothing was told, so far",
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- any engine
def test_orders_of_a_matching_engine_are_filled_and_pulled_and_it_stays_plain() -> None:
    world = market()
    world.send("gateway-1", enter(1, "a"), enter(2, "b", w.BUY, 50, 99))
    world.take_all()
    assert kinds(world.verb("fill_order", number(world, b"a", 1), 30, "0.5")) == ["executed"]
    (told,) = world.verb("pull_order", number(world, b"a", 1), 20)
    assert (told["quantity"], told["leaves"], told["reason"]) == (50, 20, w.CANCEL_SUPERVISORY)
    (told,) = world.verb("pull_order", number(world, b"b", 2), reason="kill switch")
    assert (told["leaves"], told["reason"]) == (0, w.CANCEL_KILL)
    assert world.verb("pull_order", number(world, b"a", 1), 20) == ("bad_argument", "leaves")
    assert world.verb("pull_order", 77) == ("unknown_name", "order")
    assert world.machine.books["book-X"].plain
    same_as_a_copy(world)


@pytest.mark.parametrize("verb", ["accept_request", "reject_request", "fill_request"])
def test_nothing_waits_at_a_matching_engine(verb: str) -> None:
    world = market()
    assert world.verb(verb, "main") == ("wrong_state", "engine")
    assert world.verb(verb, "none") == ("unknown_name", "engine")


# ------------------------------------------------------------------------------------------------- ends
def test_what_waits_at_the_end_of_the_day_is_refused(world: World) -> None:
    world.send("gateway-1", enter(ALICE, "a"))
    world.verb("end_of_day", "main")
    assert [event[:4] for event in world.take()] == [
        (w.REJECTED, ALICE, b"a", w.REJECT_CLOSED), (w.SYSTEM, ALICE, w.END_OF_DAY), (w.SYSTEM, BOB, w.END_OF_DAY),
    ]  # fmt: skip
    assert waiting(world) == []
    same_as_a_copy(world)


def test_what_waits_of_a_lost_connection_is_refused_when_its_orders_go(world: World) -> None:
    world.verb("set_protocol_property", "orders", "cancel_on_disconnect", True)
    world.send("gateway-1", enter(ALICE, "a"), enter(BOB, "b"), (w.LOGOFF, ALICE, 1))
    assert waiting(world) == [(2, "enter", "b")]


def test_what_waits_goes_with_its_endpoint_and_a_manual_engine_with_nothing_left(world: World) -> None:
    world.send("gateway-1", enter(ALICE, "a"))
    world.verb("delete_endpoint", "orders")
    assert waiting(world) == []
    world.verb("delete_book", "book-X")
    assert world.verb("delete_engine", "main") == {"name": "main"}
    same_as_a_copy(world)


# ------------------------------------------------------------------------------------------------- stopped engines
def test_a_stopped_engine_refuses_everything_until_it_is_started() -> None:
    world = market()
    world.send("gateway-1", enter(1, "a"))
    assert world.verb("stop_engine", "main")["stopped"] is True
    world.take_all()
    world.send("gateway-1", enter(1, "b"), (w.CANCEL, 1, b"a", 0), replace(1, "a", "c"))
    assert [(event[0], event[2], event[3]) for event in world.take()] == [
        (w.REJECTED, b"b", w.REJECT_HALTED), (w.CANCEL_REJECTED, b"a", w.REJECT_HALTED),
        (w.REJECTED, b"c", w.REJECT_HALTED),
    ]  # fmt: skip
    same_as_a_copy(world)
    assert world.verb("stop_engine", "main") == ("wrong_state", "engine")
    assert world.verb("start_engine", "main")["stopped"] is False
    assert world.verb("start_engine", "main") == ("wrong_state", "engine")
    world.send("gateway-1", (w.CANCEL, 1, b"a", 0))
    assert [event[0] for event in world.take()] == [w.CANCELED]
    assert world.machine.engines["main"].stage is None and world.machine.books["book-X"].plain


# ------------------------------------------------------------------------------------------------- end to end
def test_a_manual_engine_over_ouch(exchange: Exchange) -> None:
    engine = exchange.create_engine("main", "manual")
    engine.create_book("aapl", "AAPL")
    client = exchange.ouch_client(engine.create_endpoint("orders"), "alice")
    feed = exchange.market_data()
    feed.subscribe("AAPL")
    feed.wait_live("AAPL")
    token = client.enter("AAPL", "B", 100, "10.00")
    assert engine.wait_for_request()["user"] == "ALICE"
    engine.fill(40, "9.99")
    client.wait_for("A", order_token=token)
    client.wait_for("E", executed_shares=40)
    feed.wait_for(lambda: feed.book("AAPL").levels()["bids"] == [["10", 60, 1]])
    (order,) = exchange.orders("aapl")
    exchange.pull_order(order["number"])
    client.wait_for("C", decrement_shares=60)
    client.enter("AAPL", "B", 100, "10.00")
    assert engine.wait_for_request()["user"] == "ALICE"
    engine.reject("price collar")
    client.wait_for("J")


def test_a_manual_engine_over_fix(exchange: Exchange) -> None:
    engine = exchange.create_engine("main", "manual")
    engine.create_book("aapl", "AAPL")
    endpoint = engine.create_endpoint("fix", "fix44")
    with FixClient(endpoint, SenderCompID="TRADER", TargetCompID="EX") as client:
        order = {"ClOrdID": "a", "Symbol": "AAPL", "Side": "BUY", "OrderQty": 100, "OrdType": "LIMIT", "Price": "10.5"}
        client.send("NewOrderSingle", order)
        assert engine.wait_for_request()["kind"] in ("enter", "submit")
        engine.fill(40, "9.99")
        assert client.next("ExecutionReport", ClOrdID="a").meaning("OrdStatus") == "NEW"
        report = client.next("ExecutionReport", ClOrdID="a")
        assert (report["LastQty"], report["LastPx"], report["LeavesQty"]) == ("40", "9.99", "60")
        cancel = {"OrigClOrdID": "a", "ClOrdID": "x", "Symbol": "AAPL", "Side": "BUY", "OrderQty": 100}
        client.send("OrderCancelRequest", cancel)
        assert engine.wait_for_request()["kind"] == "withdraw"
        engine.reject("too late to change", "it is too late")
        assert client.next("OrderCancelReject", ClOrdID="x")["Text"] == "it is too late"
        client.send("OrderCancelRequest", {**cancel, "ClOrdID": "y"})
        engine.wait_for_request()
        engine.accept()
        assert client.next("ExecutionReport", ClOrdID="y").meaning("OrdStatus") == "CANCELED"
