"""Every verb, and every rule of risk, as clients of OUCH and of FIX meet what it does."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from openoutcry.errors import ClientError, OpenOutcryError
from tests.both_world import SYMBOL, Client, Floor, shows, wait_for


# ------------------------------------------------------------------------------------------------- engines, books
@shows(verbs="stop_engine start_engine")
def test_a_stopped_engine_refuses_everything(floor: Floor) -> None:
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    floor.engine.stop()
    client.buy(SYMBOL, 100, "10").expect_rejected("stopped" if floor.is_fix else "halted")
    order.cancel()
    order.expect_cancel_rejected()
    floor.engine.start()
    client.buy(SYMBOL, 100, "10").expect_accepted()
    order.cancel().expect_canceled(100)


@shows(verbs="create_book delete_book")
def test_books_come_and_go_under_their_clients(floor: Floor) -> None:
    client = floor.client()
    client.buy("MSFT", 100, "10").expect_rejected("unknown symbol")
    book = floor.engine.create_book("msft", "MSFT")
    order = client.buy("MSFT", 100, "10").expect_accepted()
    book.delete()
    order.expect_canceled(100)
    client.buy("MSFT", 100, "10").expect_rejected("unknown symbol")


@shows(verbs="create_engine create_endpoint delete_endpoint delete_engine")
def test_endpoints_and_engines_come_and_go(floor: Floor) -> None:
    lab = floor.exchange.create_engine("lab")
    book = lab.create_book("lab-aapl", SYMBOL)
    port = floor.endpoint("lab-port", engine=lab)
    client = floor.client("ANN", port)
    client.buy(SYMBOL, 100, "10").expect_accepted()
    assert floor.bids() == []  # it is another market
    port.delete()
    book.expect_best(bid=None)
    with pytest.raises(ClientError):
        client.reconnect()
    book.delete()
    lab.delete()
    assert [row["name"] for row in floor.exchange.list("engines")] == ["main"]


# ------------------------------------------------------------------------------------------------- the trading day
@shows(verbs="close open end_of_day start_of_day")
def test_a_day(floor: Floor) -> None:
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    floor.engine.close()
    order.expect_canceled(100, "closed")
    client.buy(SYMBOL, 100, "10").expect_rejected("closed")
    floor.engine.end_of_day()
    with pytest.raises(OpenOutcryError):
        floor.client("BOB", timeout=2)
    floor.engine.start_of_day()
    late = floor.client("EVE")
    late.buy(SYMBOL, 100, "10").expect_rejected("closed")
    floor.engine.open()
    late.buy(SYMBOL, 100, "10").expect_accepted()


PHASES: dict[str, Any] = {  # whether an order is accepted, and whether it trades
    "pre_open": (True, False), "pre_open_no_cancel": (True, False), "opening_auction": (True, False),
    "open": (True, True), "volatility_auction": (True, False), "closing_auction": (True, False),
    "post_close": (False, False), "closed": (False, False),
}  # fmt: skip


@shows(verbs="set_phase")
@pytest.mark.parametrize("phase", PHASES)
def test_every_phase(floor: Floor, phase: str) -> None:
    accepted, trades = PHASES[phase]
    floor.desk("maker").enter("s", floor.book, "sell", 100, "10", time_in_force="gtc")
    floor.engine.set_phase(phase)
    client = floor.client()
    order = client.buy(SYMBOL, 40, "10")
    order.expect_accepted() if accepted else order.expect_rejected()
    floor.ping(client)
    assert order.filled == (40 if trades else 0)
    if accepted and not trades:
        floor.engine.open()
        order.expect_filled(40, at="10")


@shows(verbs="halt resume halt_market resume_market")
def test_halts_of_a_book_and_of_the_market(floor: Floor) -> None:
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    for stop, go in ((floor.book.halt, floor.book.resume), (floor.engine.halt, floor.engine.resume)):
        stop("news")
        client.sell(SYMBOL, 40, "10").expect_rejected("halted")
        go()
        client.sell(SYMBOL, 40, "10").expect_filled(40)
    floor.book.halt()
    order.cancel().expect_canceled(20)
    floor.book.resume(auction=True)
    client.buy(SYMBOL, 10, "10").expect_accepted().expect_open(10)
    assert floor.book.depth()["phase"] == "volatility_auction"


@shows(verbs="indicative depth orders describe list")
def test_what_the_exchange_says_of_a_clients_order(floor: Floor) -> None:
    floor.engine.set_phase("opening_auction")
    ann, bob = floor.clients("ANN", "BOB")
    order = ann.buy(SYMBOL, 100, "10.10").expect_accepted()
    bob.sell(SYMBOL, 40, "10.00").expect_accepted()
    found = floor.exchange.indicative(floor.book)
    assert (found["quantity"], found["imbalance"], found["side"]) == (40, 60, "buy")
    (row,) = floor.exchange.orders(floor.book)[:1]
    assert (row["order_id"], row["quantity"], row["price"]) == (order.name, 100, "10.1")
    assert floor.book.describe()["phase"] == "opening_auction"
    users = {session["account"] for session in floor.exchange.list("sessions")}
    assert {"ANN", "BOB"} <= users
    floor.engine.open()
    order.expect_filled(40)
    assert floor.exchange.depth(floor.book)["bids"] == [["10.1", 60, 1]]


@shows(verbs="status statistics state_hash")
def test_the_exchange_counts_what_clients_do(floor: Floor) -> None:
    client = floor.client()
    before = floor.exchange.state_hash()
    client.buy(SYMBOL, 100, "10").expect_accepted()
    after = floor.exchange.state_hash()
    assert after["sequence"] > before["sequence"] and after["hash"] != before["hash"]
    assert floor.exchange.status()["ready"] is True
    endpoint = floor.exchange.statistics()["gateway-1"]["endpoints"]["port"]
    assert endpoint["connections"] == 1


# ------------------------------------------------------------------------------------------------- desks
@shows(verbs="enter_order amend_order cancel_order create_order set_order_property submit_order delete_order")
def test_clients_trade_with_a_desk(floor: Floor) -> None:
    desk, client = floor.desk(), floor.client()
    desk.enter("a", floor.book, "sell", 100, "10.10")
    client.buy(SYMBOL, 10, "10.05", time_in_force="ioc").expect_canceled(10)
    desk.amend("a", price="10.05", new_id="b")
    client.buy(SYMBOL, 10, "10.05").expect_filled(10, at="10.05")
    desk.cancel("b")
    client.buy(SYMBOL, 10, "10.05", time_in_force="ioc").expect_canceled(10)
    draft = floor.exchange.create_order("c", floor.book).set(side="sell", quantity=50, price="10.00")
    client.buy(SYMBOL, 10, "10.05", time_in_force="ioc").expect_canceled(10)
    draft.submit()
    client.buy(SYMBOL, 10, "10.05").expect_filled(10, at="10.00")
    draft.delete()
    client.buy(SYMBOL, 10, "10.05", time_in_force="ioc").expect_canceled(10)


@shows(verbs="mass_cancel")
@pytest.mark.parametrize(("given", "gone"), [
    ({"account": "ANN"}, "abc"), ({"account": "ANN", "side": "buy"}, "ab"), ({"book": "aapl", "low": "11"}, "cd"),
    ({"account": "ANN", "high": "9.50"}, "a"), ({"firm": "NOBODY"}, ""),
])  # fmt: skip
def test_many_orders_are_cancelled_at_once(floor: Floor, given: dict[str, Any], gone: str) -> None:
    ann, bob = floor.clients("ANN", "BOB")
    orders = {"a": ann.buy(SYMBOL, 10, "9"), "b": ann.buy(SYMBOL, 10, "10"), "c": ann.sell(SYMBOL, 10, "12"),
              "d": bob.sell(SYMBOL, 10, "12")}  # fmt: skip
    for order in orders.values():
        order.expect_accepted()
    assert floor.exchange.mass_cancel(floor.engine, **given)["orders"] == len(gone)
    for name, order in orders.items():
        order.expect_canceled(10, "supervisory") if name in gone else order.expect_open(10)


# ------------------------------------------------------------------------------------------------- risk

Trying = Callable[[Client], Any]
# A limit of each rule, what is just right, what is too much, and the reason.
RULES: dict[str, tuple[Any, list[Trying], str]] = {
    "restricted": ("MSFT", [lambda c: c.buy(SYMBOL, 1, "10"), lambda c: c.buy("MSFT", 1, "10")], "restricted symbol"),
    "max_quantity": (100, [lambda c: c.buy(SYMBOL, 100, "10"), lambda c: c.buy(SYMBOL, 101, "10")], "max quantity"),
    "max_notional": ("1000", [lambda c: c.buy(SYMBOL, 100, "10"), lambda c: c.buy(SYMBOL, 100, "10.01")],
                     "max notional"),
    "price_collar": (500, [lambda c: c.buy(SYMBOL, 1, "10.50"), lambda c: c.buy(SYMBOL, 1, "10.51")], "price collar"),
    "max_open_orders": (1, [lambda c: c.buy(SYMBOL, 1, "9"), lambda c: c.buy(SYMBOL, 1, "9")], "max open orders"),
    "max_position": (100, [lambda c: c.buy(SYMBOL, 100, "9"), lambda c: c.buy(SYMBOL, 1, "9")], "max position"),
    "duplicate_window_ms": (60_000, [lambda c: c.buy(SYMBOL, 5, "9"), lambda c: c.buy(SYMBOL, 5, "9")],
                            "duplicate order"),
    "orders_per_second": (1, [lambda c: c.buy(SYMBOL, 1, "9"), lambda c: c.buy(SYMBOL, 1, "9")], "message rate"),
    "messages_per_second": (1, [lambda c: c.buy(SYMBOL, 1, "9"), lambda c: c.buy(SYMBOL, 1, "9")], "message rate"),
}  # fmt: skip


@shows(*(f"limit {rule}" for rule in RULES), verbs="set_limit clear_limit")
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_of_risk(floor: Floor, rule: str) -> None:
    value, attempts, reason = RULES[rule]
    if rule.endswith("_per_second"):
        floor.stop_clock()
    floor.engine.create_book("msft", "MSFT")
    floor.set(positions=True, reference_price="10.00")
    client = floor.client()
    floor.engine.set_limit("account", "ANN", rule, value)
    right, wrong = attempts
    right(client).expect_accepted()
    wrong(client).expect_rejected(reason)
    floor.exchange.clear_limit(floor.engine, "account", "ANN", rule)
    wrong(client).expect_accepted()


@shows("limit throttle", verbs="set_limit")
def test_messages_beyond_the_rate_may_wait_instead(floor: Floor) -> None:
    clock = floor.stop_clock()
    floor.engine.set_limit("account", "ANN", "messages_per_second", 1)
    floor.engine.set_limit("account", "ANN", "throttle", "queue")
    client = floor.client()
    first, second = (client.buy(SYMBOL, 1, "9") for _ in range(2))
    first.expect_accepted()
    clock.advance(seconds=1)
    second.expect_accepted()


SCOPES = {"engine": "main", "book": "aapl", "firm": "ACME", "account": "ANN", "session": ""}


@shows(*(f"scope {scope}" for scope in SCOPES), verbs="kill_switch revive set_limit")
@pytest.mark.parametrize("scope", SCOPES)
def test_a_limit_and_the_kill_switch_hold_for_a_scope(floor: Floor, scope: str) -> None:
    client = member(floor)
    name = SCOPES[scope] or str(floor.exchange.list("sessions")[0]["number"])
    floor.engine.set_limit(scope, name, "max_quantity", 10)
    client.buy(SYMBOL, 11, "10").expect_rejected("max quantity")
    order = client.buy(SYMBOL, 10, "10").expect_accepted()
    assert floor.exchange.kill_switch(floor.engine, scope, name)["orders"] == 1
    order.expect_canceled(10, "kill switch")
    client.buy(SYMBOL, 10, "10").expect_rejected("kill switch")
    floor.exchange.revive(floor.engine, scope, name)
    client.buy(SYMBOL, 10, "10").expect_accepted()


def member(floor: Floor, name: str = "ANN", firm: str = "ACME") -> Client:
    """A client of a firm."""
    port = floor.endpoint()
    if floor.is_fix:
        port.create_session(SenderCompID="EXCHANGE", TargetCompID=name, Username=name)
        floor.exchange.create_user(name, "x", port, name, firm)
        return floor.client(name, username=name, password="x")
    floor.exchange.create_user(name, "x", port, name, firm)
    return floor.client(name, password="x")


@shows(verbs="set_fee clear_fee fees_paid")
def test_a_firm_has_rates_of_its_own(floor: Floor) -> None:
    floor.set(taker_fee="0.01")
    floor.exchange.set_fee(floor.engine, "FIRM", taker_fee="0.002")
    floor.desk("maker").enter("s", floor.book, "sell", 1_000, "10")
    client = member(floor, "PAYER", "FIRM")

    def pays() -> Decimal:
        before = paid()
        client.buy(SYMBOL, 100, "10").expect_filled(100)
        return paid() - before

    def paid() -> Decimal:
        return sum((Decimal(row["fees"]) for row in floor.exchange.fees_paid("PAYER")), Decimal(0))

    assert pays() == Decimal("0.2")
    floor.exchange.clear_fee(floor.engine, "FIRM")
    assert pays() == Decimal(1)


@shows(verbs="logout_session", ouch="OUCH has no Logout that an exchange sends while the day goes on")
def test_an_operator_logs_a_client_out(floor: Floor) -> None:
    client = floor.fix_client()
    floor.exchange.logout_session("port", "FIX.4.4:EXCHANGE->ANN", "go home")
    wait_for(lambda: not client.is_logged_on)


# ------------------------------------------------------------------------------------------------- looking
def busy(floor: Floor) -> Client:
    """A floor with something of every kind."""
    ex, client = floor.exchange, member(floor)
    lab = ex.create_engine("lab", "manual")
    lab.create_book("lab-aapl", SYMBOL)
    floor.client("MAN", floor.endpoint("lab-port", engine=lab)).buy(SYMBOL, 10, "10")
    lab.wait_for_request()
    client.buy(SYMBOL, 100, "10").expect_accepted()
    ex.create_order("draft", floor.book)
    quote = ex.create_quote("quote", floor.book, "maker").set(bid_quantity=10, bid_price="9")
    quote.submit()
    floor.engine.add_policy("half", "auto-fill", percent=50)
    floor.engine.set_limit("account", "ANN", "max_quantity", 1_000)
    ex.set_fee(floor.engine, "ACME", maker_fee="0.01")
    return client


# What `list` says of a busy floor: a field and a value of one of the rows; None: what it lists need not be there.
LISTED: dict[str, tuple[str, Any] | None] = {
    "engines": ("name", "main"), "books": ("name", "aapl"), "instruments": ("symbol", "AAPL"),
    "orders": ("price", "10"), "endpoints": ("name", "port"), "users": ("name", "ANN"), "sessions": ("account", "ANN"),
    "fix_sessions": None, "desks": ("name", "maker"), "drafts": ("name", "draft"), "quotes": ("bid_price", "9"),
    "requests": ("quantity", 10), "policies": ("name", "half"), "connections": ("endpoint", "port"),
    "engine_kinds": ("name", "manual"), "protocols": ("name", "ouch42"), "policy_kinds": ("kind", "auto-fill"),
    "limits": ("rule", "max_quantity"), "fees": ("firm", "ACME"), "properties": ("name", "tick_size"),
    "verbs": ("verb", "create_engine"),
}  # fmt: skip
DESCRIPTIONS: dict[str, tuple[str, str | None]] = {
    "book": ("aapl", None), "engine": ("main", None), "endpoint": ("port", None), "user": ("ANN", None),
    "order": ("draft", "desk"), "quote": ("quote", "maker"), "desk": ("maker", "main"), "policy": ("half", "main"),
}  # fmt: skip


@shows(*(f"list {kind}" for kind in LISTED), *(f"described {kind}" for kind in (*DESCRIPTIONS, "session")),
       verbs="list describe")  # fmt: skip
def test_all_that_there_is_can_be_listed_and_described(floor: Floor) -> None:
    client = busy(floor)
    for kind, wanted in LISTED.items():
        rows = floor.exchange.list(kind)
        if wanted is not None:
            assert wanted in [item for row in rows for item in row.items()], (kind, rows)
    for kind, (name, of) in DESCRIPTIONS.items():
        assert floor.exchange.describe(name, kind, of)["explained"], kind
    session = "FIX.4.4:EXCHANGE->ANN" if floor.is_fix else "ANN"
    assert floor.exchange.describe(session, "session", "port")["explained"]
    client.buy(SYMBOL, 100, "10").expect_accepted()  # nobody is disturbed by it
