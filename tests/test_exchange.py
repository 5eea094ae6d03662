"""``Exchange`` end to end: real processes, real sockets, orders, trades, the feed, crashes, and nothing left behind."""

from __future__ import annotations

import gc
import inspect
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import openoutcry
from openoutcry import ClusterError, Endpoint, Exchange, VerbError, handles, participants, sessions, verbs
from openoutcry.bus import Directory
from openoutcry.clock import ExchangeClock
from openoutcry.exchange import running as running_exchanges
from openoutcry.parameters import price_text
from tests.processes import PATIENCE_S, running, wait_gone

PARTS = ["matcher", "control", "marketdata", "gateway-1"]


def furnish(ex: Exchange) -> Endpoint:
    """An engine with one book, AAPL, and an OUCH port."""
    engine = ex.create_engine("main")
    engine.create_book("aapl", "AAPL")
    return engine.create_endpoint("orders", "ouch42")


# ------------------------------------------------------------------------------------------------- the interface
def test_the_example_of_the_documentation() -> None:
    with Exchange() as ex:
        ex.create_engine("main")
        ex.create_book("aapl", "main", "AAPL")
        ep = ex.create_endpoint("orders", "main", "ouch42")
        socket.create_connection((ep.host, ep.port)).close()


@pytest.mark.parametrize("name", verbs.VERBS)
def test_every_verb_is_a_method_with_the_tables_arguments(name: str) -> None:
    method = getattr(Exchange, name) if name != "clock" else ExchangeClock.__call__
    found = list(inspect.signature(method).parameters.values())[1:]
    row = verbs.VERBS[name].parameters
    if found and found[-1].kind is inspect.Parameter.VAR_KEYWORD:  # the settings of a FIX session
        found, row = found[:-1], row[: -verbs.VERBS[name].options]
    assert [p.name for p in found] == [p.name for p in row]
    assert [p.default for p in found] == [inspect.Parameter.empty if p.required else p.default for p in row]


def test_the_package_exports_what_it_says_and_imports_nothing_before() -> None:
    code = "import sys, openoutcry; assert not {'zmq', 'openoutcry.exchange'} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(openoutcry, name) is not None for name in openoutcry.__all__)
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = openoutcry.nothing_here


def test_handles_have_facts_and_verbs(exchange: Exchange) -> None:
    engine = exchange.create_engine("main")
    book = engine.create_book("aapl", "AAPL")
    endpoint = engine.create_endpoint("orders")
    user = exchange.create_user("alice", "secret", endpoint)
    assert (engine.kind, book.engine, book.symbol) == ("matching", "main", "AAPL")
    assert (endpoint.engine, endpoint.protocol, endpoint.gateway) == ("main", "ouch42", "gateway-1")
    assert (user.endpoint, user.account) == ("orders", "alice")
    assert exchange.endpoint("orders") == endpoint
    engine.set_property("max_quantity", 500)
    book.set_property("tick_size", "0.01")
    endpoint.set_property("heartbeat_ms", 500)
    book.halt()
    book.resume()
    engine.close()
    engine.open()
    assert book.depth()["bids"] == []
    for thing in (user, endpoint, book, engine):
        thing.delete()
    assert [exchange.list(kind) for kind in ("engines", "books", "endpoints", "users")] == [[], [], [], []]


def test_everything_that_verbs_return_describes_itself(exchange: Exchange) -> None:
    endpoint = furnish(exchange)
    engine, book, fix = exchange.engine("main"), exchange.book("aapl"), exchange.create_endpoint("fix", "main", "fix44")
    order, quote = book.create_order("a", "alice"), book.create_quote("q", "alice")
    policy, user = engine.add_policy("half", "auto-fill", percent=50), exchange.create_user("BOB", "secret", endpoint)
    session = fix.create_session(SenderCompID="US", TargetCompID="THEM")
    things: list[Any] = [
        engine,
        book,
        endpoint,
        order,
        quote,
        policy,
        user,
        session,
        engine.desk("alice", account="PENSIONS"),
    ]
    assert [thing.describe()["name"] for thing in things] == [thing.name for thing in things]
    assert all(thing.describe()["explained"] for thing in things)
    exchange.ouch_client(endpoint, "BOB", "secret").close()
    assert endpoint.session("BOB").describe()["endpoint"] == "orders"


def test_an_engine_has_its_limits_its_fees_and_its_kill_switch(exchange: Exchange) -> None:
    furnish(exchange)
    engine, book = exchange.engine("main"), exchange.book("aapl")
    book.set_property("positions", True)
    engine.set_limit("account", "alice", "max_quantity", 100)
    alice, bob = engine.desk("alice"), engine.desk("bob")
    assert alice.enter("a", book, "buy", 101, "10")[0]["kind"] == "rejected"
    engine.clear_limit("account", "alice", "max_quantity")
    assert alice.enter("b", book, "buy", 101, "10")[0]["kind"] == "accepted"
    assert engine.kill_switch("account", "alice")["orders"] == 1
    engine.revive("account", "alice")
    alice.enter("c", book, "buy", 50, "10")
    bob.enter("d", book, "sell", 20, "10")
    assert {row["account"]: row["position"] for row in engine.positions()} == {"alice": 20, "bob": -20}
    assert engine.mass_cancel(account="alice", side="buy") == 1
    engine.set_fee("ACME", taker_fee="0.01", maker_fee_ppm=5)
    assert [(row["taker_fee"], row["maker_fee_ppm"]) for row in exchange.list("fees")] == [("0.01", 5)]
    engine.clear_fee("ACME")
    assert exchange.list("fees") == []


def test_a_book_matches_orders_by_name_and_by_number(exchange: Exchange) -> None:
    furnish(exchange)
    book = exchange.book("aapl")
    bid = book.create_order("a").set(side="buy", quantity=100, price="10")
    bid.submit()
    (offer,) = exchange.desk("main", "bob").enter("b", book, "sell", 100, "11")
    assert book.match_orders(bid, offer["order"], 40, "10.5")["buy_leaves"] == 60
    assert exchange.match_orders(book, "a", str(offer["order"]), 10, "10.5")["sell_leaves"] == 50


# Whose methods a verb is, by the name of its first argument.
OBJECTS: dict[str, tuple[Any, ...]] = {
    "engine": (handles.Engine, handles.Policy, Exchange.desk), "book": (handles.Book,), "desk": (participants.Desk,),
    "endpoint": (handles.Endpoint, participants.FixSession, sessions),
}  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "owners"),
    [(row.name, OBJECTS[row.parameters[0].name]) for row in verbs.VERBS.values()
     if row.parameters and row.parameters[0].name in OBJECTS],
)  # fmt: skip
def test_a_verb_about_one_thing_is_a_method_of_it(verb: str, owners: tuple[Any, ...]) -> None:
    called = rf"""exchange\.{verb}\(|self\.call\("{verb}\""""
    assert any(re.search(called, inspect.getsource(owner)) for owner in owners)


def test_a_refused_verb_names_the_argument(exchange: Exchange) -> None:
    with pytest.raises(VerbError, match="engine") as caught:
        exchange.create_book("aapl", "nowhere", "AAPL")
    assert caught.value.code == "unknown_name"


def test_status_and_statistics_know_every_part(exchange: Exchange) -> None:
    assert exchange.status()["ready"]
    assert sorted(exchange.statistics()) == sorted(PARTS)
    assert list(exchange.pids) == PARTS and all(map(running, exchange.pids.values()))
    assert all(exchange.logs().values())


# ------------------------------------------------------------------------------------------------- trading
def test_an_order_is_accepted(exchange: Exchange) -> None:
    client = exchange.ouch_client(furnish(exchange))
    token = client.enter("AAPL", "B", 100, "150.25")
    assert client.wait_for("A", order_token=token).shares == 100
    assert exchange.depth("aapl")["bids"] == [["150.25", 100, 1]]


def test_two_users_trade_and_the_feed_shows_it(exchange: Exchange) -> None:
    endpoint = furnish(exchange)
    exchange.create_user("alice", "a-secret")
    exchange.create_user("bob", "b-secret")
    feed = exchange.market_data()
    feed.subscribe("AAPL")
    feed.wait_live("AAPL")
    alice, bob = (exchange.ouch_client(endpoint, user, f"{user[0]}-secret") for user in ("alice", "bob"))
    bought = alice.enter("AAPL", "B", 100, "10")
    alice.wait_for("A", order_token=bought)
    sold = bob.enter("AAPL", "S", 30, "9.99")
    taken = bob.wait_for("E", order_token=sold)
    added = alice.wait_for("E", order_token=bought)
    assert (taken.executed_shares, added.match_number) == (30, taken.match_number)
    trade = feed.wait_for(lambda: next(feed.trades("AAPL"), None))
    assert (trade.quantity, price_text(trade.price)) == (30, "10")


# ------------------------------------------------------------------------------------------------- orders by verbs
def test_desks_trade_with_each_other_and_with_clients(exchange: Exchange) -> None:
    client = exchange.ouch_client(furnish(exchange))
    alice = exchange.desk("main", "alice", account="PENSIONS", firm="ACME")
    (accepted,) = alice.enter("a", "aapl", "buy", 100, "10", display_quantity=30)
    assert (accepted["kind"], accepted["price"]) == ("accepted", "10")
    assert exchange.depth("aapl")["bids"] == [["10", 30, 1]]
    sold = client.enter("AAPL", "S", 40, "10")
    client.wait_for("E", order_token=sold, executed_shares=30)
    assert [event["kind"] for event in alice.events()] == ["system", "accepted", "executed", "restated", "executed"]
    (replaced,) = alice.amend("a", 90, new_id="b")
    assert (replaced["token"], replaced["quantity"]) == ("b", 50)
    assert alice.status("b")["ahead"] == 0
    assert alice.cancel_all() == 1 and exchange.orders("aapl") == []
    assert [trade["quantity"] for trade in exchange.trades("aapl")] == [10, 30]


def test_an_operators_day(exchange: Exchange) -> None:
    engine = exchange.create_engine("main")
    book = engine.create_book("aapl", "AAPL")
    book.set_property("positions", True)
    engine.set_phase("pre_open")
    alice, bob = engine.desk("alice", firm="ACME"), engine.desk("bob")
    alice.enter("a", book, "buy", 100, "10.02")
    bob.enter("b", book, "sell", 100, None, order_type="market")
    assert book.indicative()["price"] == "10.02"
    engine.set_phase("open")
    (trade,) = book.trades()
    assert exchange.positions(engine, "alice") == [{"account": "alice", "book": "aapl", "position": 100}]
    assert exchange.break_trade(trade["match"])["state"] == "broken"
    engine.set_limit("firm", "ACME", "max_quantity", 10)
    assert alice.enter("c", book, "buy", 11, "10")[0]["kind"] == "rejected"
    book.halt("news")
    assert book.describe()["phase"] == "halted"
    book.resume(auction=True)
    assert book.describe()["phase"] == "volatility_auction"
    book.set_phase("open")
    bob.quote(book, 5, "9.9", 5, "10.1")
    assert exchange.kill_switch(engine, "account", "bob")["orders"] == 2
    exchange.revive(engine, "account", "bob")
    exchange.set_fee(engine, "ACME", "-0.001")
    assert [row["firm"] for row in exchange.list("fees")] == ["ACME"]
    exchange.clear_fee(engine, "ACME")
    exchange.clear_limit(engine, "firm", "ACME", "max_quantity")
    assert exchange.list("limits") == [] and exchange.fees_paid() == []
    engine.halt("storm")
    engine.resume()
    engine.set_timetable("23:59:59 closed")
    book.set_timetable("23:59:58 closed")
    assert book.describe()["timetable"] == "23:59:58 closed"


def test_a_matcher_that_is_killed_comes_back_with_everything(exchange: Exchange) -> None:
    engine = exchange.create_engine("main")
    book = engine.create_book("aapl", "AAPL")
    desk = engine.desk("alice")
    desk.enter("iceberg", book, "sell", 100, "10", display_quantity=10, display_range=5)
    desk.enter("stop", book, "buy", 5, None, order_type="stop", stop_price="11")
    desk.enter("peg", book, "buy", 7, None, order_type="pegged", peg="market", peg_offset="-0.05")
    desk.enter("dark", book, "sell", 50, "9.99", hidden=True, time_in_force="gtc")
    desk.enter("close", book, "buy", 9, "9", time_in_force="at-close")
    desk.enter("hit", book, "buy", 60, "10", time_in_force="ioc")
    before = (book.orders(), desk.events())
    assert {row["where"] for row in before[0]} == {"lit", "trigger", "auction"}
    exchange.kill("matcher")
    exchange.restart("matcher")
    assert (book.orders(), desk.events()) == before
    told = desk.enter("hit2", book, "buy", 60, "10", time_in_force="ioc")
    assert [event["kind"] for event in told[:2]] == ["accepted", "executed"]


# ------------------------------------------------------------------------------------------------- crashes
@pytest.mark.parametrize("part", PARTS)
def test_kill_9_of_any_part_loses_nothing(exchange: Exchange, part: str) -> None:
    endpoint = furnish(exchange)
    alice = exchange.ouch_client(endpoint, "alice")
    bob = exchange.ouch_client(endpoint, "bob")
    resting = alice.enter("AAPL", "B", 100, "10")
    alice.wait_for("A", order_token=resting)
    before = exchange.pids

    exchange.kill(part)
    assert not running(before[part]) and part not in exchange.pids
    exchange.restart(part)
    assert exchange.pids[part] != before[part]
    assert [pid for name, pid in exchange.pids.items() if name != part] == [
        pid for name, pid in before.items() if name != part
    ]

    for client in (alice, bob):
        if part == "gateway-1":
            assert exchange.endpoint("orders").port == endpoint.port
            client.reconnect()
    sold = bob.enter("AAPL", "S", 40, "10")
    bob.wait_for("E", order_token=sold, executed_shares=40)
    assert alice.wait_for("E", order_token=resting).sequence == 3
    assert exchange.depth("aapl")["bids"] == [["10", 60, 1]]


def test_orders_sent_while_the_matcher_is_away_are_answered_when_it_is_back(exchange: Exchange) -> None:
    client = exchange.ouch_client(furnish(exchange))
    exchange.kill("matcher")
    tokens = [client.enter("AAPL", "B", 1, "10") for _ in range(20)]
    exchange.restart("matcher")
    assert [client.wait_for("A").order_token for _ in tokens] == tokens


def test_restart_stops_a_part_that_runs(exchange: Exchange) -> None:
    before = exchange.pids["control"]
    exchange.restart("control")
    assert exchange.pids["control"] != before and not running(before)
    assert "stopped" in exchange.log("control")


def test_a_part_that_died_by_itself_fails_the_test_that_did_not_notice() -> None:
    with pytest.raises(ClusterError, match=r"marketdata \(process \d+\) was killed by signal 9"), Exchange() as ex:
        pid = ex.pids["marketdata"]
        os.kill(pid, signal.SIGKILL)
        wait_gone([pid])


# ------------------------------------------------------------------------------------------------- isolation, endings
def test_two_exchanges_are_apart() -> None:
    with Exchange() as one, Exchange() as two:
        ports = {furnish(one).port, furnish(two).port}
        assert len(ports) == 2 and one.directory != two.directory
        assert not set(one.pids.values()) & set(two.pids.values())
        client = one.ouch_client("orders")
        client.wait_for("A", order_token=client.enter("AAPL", "B", 100, "10"))
        assert two.depth("aapl")["bids"] == []


def test_nothing_is_left() -> None:
    with Exchange() as ex:
        endpoint = furnish(ex)
        ex.ouch_client(endpoint)
        directory, pids = ex.directory, list(ex.pids.values())
        feed = ex.feed
    assert not any(map(running, pids)) and not directory.exists()
    for host, port in (endpoint.address, feed.removeprefix("tcp://").split(":")):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))
    assert ex.log("matcher")
    with pytest.raises(ClusterError, match="no part 'nothing'; there are: matcher, control, marketdata, gateway-1"):
        ex.log("nothing")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_after_an_exception(error: type[BaseException]) -> None:
    with pytest.raises(error), Exchange() as ex:
        pids = list(ex.pids.values())
        raise error
    assert not any(map(running, pids)) and not ex.directory.exists()


def test_a_directory_of_ones_own_is_kept_and_recovered_from(tmp_path: Path) -> None:
    with Exchange(directory=tmp_path) as ex:
        client = ex.ouch_client(furnish(ex))
        client.wait_for("A", order_token=client.enter("AAPL", "B", 100, "10"))
        port, state = ex.endpoint("orders").port, ex.depth("aapl")
    with Exchange(directory=tmp_path) as ex:
        assert (ex.endpoint("orders").port, ex.depth("aapl")) == (port, state)
    assert (tmp_path / "journal").exists()


def test_a_directory_with_a_long_path_leaves_no_sockets_elsewhere(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    with Exchange(directory=long) as ex:
        furnish(ex)
        sockets = Path(Directory(long).address("control").removeprefix("ipc://")).parent
        assert sockets.exists() and not sockets.is_relative_to(long)
    assert not sockets.exists() and (long / "journal").exists()


def test_keep_leaves_the_temporary_directory() -> None:
    with Exchange(keep=True) as ex:
        pass
    assert (ex.directory / "log" / "matcher.log").exists()
    shutil.rmtree(ex.directory)


def test_a_toml_file_sets_it_up(tmp_path: Path) -> None:
    file = tmp_path / "exchange.toml"
    file.write_text(
        """
[settings]
gateways = 2
durability = "sync"
[[engine]]
name = "main"
[[book]]
name = "aapl"
engine = "main"
symbol = "AAPL"
properties = {tick_size = "0.05"}
[[endpoint]]
name = "orders"
engine = "main"
protocol = "ouch42"
gateway = "gateway-2"
"""
    )
    with Exchange(config=file) as ex:
        assert ex.endpoint("orders").gateway == "gateway-2"
        assert ex.statistics()["matcher"]["journal"]["durability"] == "none"
        client = ex.ouch_client("orders")
        client.wait_for("J", order_token=client.enter("AAPL", "B", 1, "10.01"), reason="X")


def test_a_part_that_cannot_start_is_an_error_with_its_log_and_nothing_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ex = Exchange(feed_port=taken.getsockname()[1])
        with pytest.raises(ClusterError, match=r"marketdata \(process \d+\) ended with status 1;(.|\n)*port"):
            ex.start()
    assert not ex.directory.exists()


def test_a_directory_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ClusterError, match="cannot use directory"):
        Exchange(directory=tmp_path / "file" / "below").start()


def test_it_is_not_started_twice_nor_used_before_or_after() -> None:
    ex = Exchange()
    with pytest.raises(ClusterError, match="not been started"):
        _ = ex.pids
    with pytest.raises(ClusterError, match="not running"):
        ex.status()
    with ex, pytest.raises(ClusterError, match="already"):
        ex.start()
    ex.stop()
    with pytest.raises(ClusterError, match="not running"):
        ex.status()
    for wrong, text in (
        ({"durability": "maybe"}, "durability is 'maybe', it must be one of sync, relaxed, none"),
        ({"gateways": "two"}, "gateways is 'two', it must be a whole number"),
        ({"gateways": 2.0}, "gateways is 2.0, it must be a whole number"),
        ({"plugins": ["mine"]}, "plugins is ['mine'], it must be text"),
    ):
        with pytest.raises(ClusterError, match=re.escape(text)):
            Exchange(**wrong).start()
    with pytest.raises(TypeError, match="an Exchange has no setting 'gateway'; it has: durability, relaxed_sync_ms, "):
        Exchange(gateway=2).start()


def test_threads_share_one_exchange(exchange: Exchange) -> None:
    exchange.create_engine("main")
    threads = [
        threading.Thread(target=exchange.create_book, args=(f"book{n}", "main", f"S{n}")) for n in range(8)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(exchange.list("books")) == 8


def test_a_child_of_fork_leaves_it_alone() -> None:
    code = """
import os, sys
from openoutcry import Exchange
with Exchange() as ex:
    child = os.fork()
    if child == 0:
        sys.exit()  # leaves the with block
    assert os.waitpid(child, 0)[1] == 0
    assert ex.status()["ready"]
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=PATIENCE_S)


def test_a_child_of_fork_is_told_that_nothing_of_it_is_its_own() -> None:
    code = """
import os, sys
from openoutcry import Exchange
with Exchange() as ex:
    ouch, fix, market = ex.ouch_client(), ex.fix_client(), ex.market_data("AAPL")
    child = os.fork()
    if child == 0:
        fix.close()
        for deed in (ex.status, ex.reset, fix.next, market.poll, lambda: ex.ouch_client("ouch")):
            try:
                deed()
            except Exception as error:
                print(type(error).__name__, error)
        print(ex)
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    ouch.sell("AAPL", 1, "1").expect_accepted()
    fix.buy("AAPL", 1, "1").expect_filled()
    market.expect_trade("AAPL", 1)
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, check=True, timeout=PATIENCE_S, capture_output=True, text=True)
    whose = "belongs to the process that this one was forked from"
    exchange, client = (
        f"ClusterError this exchange {whose}; its TCP ports can be used here",
        f"ClientError this client {whose}",
    )
    assert done.stdout.splitlines() == [exchange, exchange, client, client, exchange, "<Exchange of another process>"]


@pytest.mark.parametrize("closed", [(0, 1), (0, 1, 2), (2,)], ids=str)
def test_it_starts_where_standard_files_are_closed(closed: tuple[int, ...], tmp_path: Path) -> None:
    code = f"""
import os, pathlib, sys
for number in {closed}:
    os.close(number)
from openoutcry import Exchange
with Exchange() as ex:
    ex.ouch_client().buy("AAPL", 1, "1").expect_accepted()
pathlib.Path({str(tmp_path / "done")!r}).touch()
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], timeout=PATIENCE_S)
    assert (tmp_path / "done").exists()


def test_one_that_is_not_stopped_ends_with_the_object_and_a_warning() -> None:
    made = Exchange().start()
    name, directory, pids = repr(made), made.directory, list(made.pids.values())
    with pytest.warns(ResourceWarning) as warned:
        del made
        gc.collect()
    assert [str(warning.message) for warning in warned] == [f"{name} was not stopped: use it in a with statement"]
    assert not wait_gone(pids)
    assert not directory.exists()


def test_what_it_looks_like() -> None:
    ex = Exchange()
    assert repr(ex) == "<Exchange, not started>"
    with ex:
        assert repr(ex) == f"<Exchange in {ex.directory}>"
        ouch, fix, market = ex.ouch_client(user="me"), ex.fix_client(), ex.market_data("AAPL")
        assert [repr(client) for client in (ouch, fix, market)] == [
            f"<OUCH client 'me': logged in, session {ouch.session}, next message #{ouch.sequence}>",
            "<FIX client 'CLIENT': logged on, next in #2, next out #2>", "<market data of AAPL>",
        ]  # fmt: skip
        assert ex in running_exchanges()
    assert repr(ex) == "<Exchange, stopped>"
    assert repr(fix).startswith("<FIX client 'CLIENT': ")
    assert ex not in running_exchanges()


def test_a_client_that_nobody_closes_does_not_keep_a_program_from_ending(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("orders", exchange.create_engine("main"), "ouch42")
    code = f"from openoutcry.clients.ouch import OuchClient; it = OuchClient({endpoint.host!r}, {endpoint.port}, 'a')"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_S)


@pytest.mark.exchange(gateways=2, durability="sync")
def test_gateways_and_durability_are_a_choice(exchange: Exchange) -> None:
    engine = exchange.create_engine("main")
    gateways = {exchange.create_endpoint(f"orders{n}", engine, "ouch42").gateway for n in range(2)}
    assert gateways == {"gateway-1", "gateway-2"}
