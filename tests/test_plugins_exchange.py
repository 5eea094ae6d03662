"""Plugins on a whole exchange, over real sockets: engines and protocols of one's own, and endpoints that change."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from examples.test_rfq_engine import *  # noqa: F403  # the example is tested here too
from openoutcry import ClusterError, Exchange, VerbError, config
from openoutcry.clients.ouch import OuchClient
from openoutcry.matcher.audit import audit
from tests.standing import while_standing

COUNTING = "tests.plugin_parts:Counting"


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    """An exchange that may load from the tests, with an engine of kind counting, and a matching one."""
    with Exchange(plugins="tests") as exchange:
        exchange.load_engine("counting", COUNTING)
        exchange.create_engine("plugged", "counting")
        main = exchange.create_engine("main")
        main.create_book("x", "X")
        yield exchange


def new_order(client: Any, name: str, symbol: str = "X") -> None:
    client.send("NewOrderSingle", {"ClOrdID": name, "Symbol": symbol, "Side": "1", "OrderQty": 100, "OrdType": "2",
                                   "Price": "10", "HandlInst": "1"})  # fmt: skip


# ------------------------------------------------------------------------------------------------- engines
@pytest.mark.parametrize("protocol", ["fix40", "fix42", "fix44", "fix50sp2"])
def test_an_engine_of_ones_own_over_fix(exchange: Exchange, protocol: str) -> None:
    exchange.create_endpoint(protocol, "plugged", protocol)
    client = exchange.fix_client(protocol, BeginString="FIXT.1.1" if protocol == "fix50sp2" else
                                 f"FIX.{protocol[3]}.{protocol[4]}")  # fmt: skip
    new_order(client, "a")
    report = client.next("ExecutionReport")
    assert (report["ClOrdID"], report["OrdStatus"], report["OrderQty"]) == ("a", "0", "100")
    new_order(client, "b", "WAIT")
    assert [client.next("ExecutionReport", ClOrdID="b")["OrdStatus"] for _ in range(2)] == ["0", "2"]


def test_an_engine_of_ones_own_over_ouch(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("ouch", "plugged", "ouch42")
    with OuchClient(*endpoint.address, "alice") as client, OuchClient(*endpoint.address, "bob") as other:
        token = client.enter("TELL", "B", 100, "10.05", firm="ME")
        accepted = client.wait_for("A", order_token=token)
        assert (accepted.side, accepted.shares, accepted.price) == ("B", 100, Decimal("10.05"))
        assert other.wait_for("A").order_token == "TOLD"
        waiting = client.enter("WAIT", "S", 30, "10.05")
        assert client.wait_for("E", order_token=waiting).executed_shares == 30


def test_what_the_protocol_has_no_words_for_is_counted_and_logged(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("wordless", "plugged", "ouch42")
    with OuchClient(*endpoint.address, "alice") as client:
        client.enter("LOST", "B", 100, "10")
        client.wait_for("A", order_token=client.enter("X", "B", 100, "10"))
    assert exchange.statistics()["gateway-1"]["delivery"]["not_rendered"] >= 1
    assert "cannot say what the engine says: Side is 'Z'" in exchange.log("gateway-1")


def test_a_message_too_long_for_the_bus_is_refused(exchange: Exchange) -> None:
    exchange.create_endpoint("long", "plugged", "fix44")
    client = exchange.fix_client("long", SenderCompID="LONG")
    client.send("News", {"Headline": "x" * 20_000, "NoLinesOfText": [{"Text": "y"}]})
    assert "longer than" in client.next("BusinessMessageReject")["Text"]


def test_nothing_is_loaded_that_is_not_allowed() -> None:
    with Exchange() as closed:
        for path in (COUNTING, "os:system"):
            with pytest.raises(VerbError, match="allows no module") as raised:
                closed.load_engine("counting", path)
            assert (raised.value.code, raised.value.field) == ("bad_argument", "path")
        with pytest.raises(VerbError, match="allows no module"):
            closed.load_protocol("mine", "tests.plugin_parts:ouch_too")
        assert closed.status()["ready"]


def test_loading_and_using_in_one_batch() -> None:
    with Exchange(plugins="tests.plugin_parts") as exchange:
        with exchange.batch() as batch:
            batch.load_engine("counting", COUNTING)
            batch.create_engine("plugged", "counting")
            row = batch.create_endpoint("fix", "plugged", "fix44")
        assert row.value["engine"] == "plugged"


@pytest.mark.parametrize("victims", [["matcher"], ["gateway-1"], ["matcher", "gateway-1"]], ids="+".join)
def test_kill_9_while_orders_come_leaves_each_of_them_done_once(victims: list[str]) -> None:
    with Exchange(plugins="tests") as exchange:
        exchange.load_engine("counting", COUNTING)
        exchange.create_engine("plugged", "counting").create_endpoint("fix", "fix44")
        client = exchange.fix_client("fix")
        for number in range(200):
            new_order(client, f"o{number}")
        client.next("ExecutionReport")
        for victim in victims:
            exchange.kill(victim)
        exchange.restart(*victims)
        client.reconnect()
        new_order(client, "last")
        numbers = {"o0": "1"}
        while "last" not in numbers:
            report = client.next("ExecutionReport")
            assert numbers.setdefault(report["ClOrdID"], report["OrderID"]) == report["OrderID"]
        assert numbers == {**{f"o{number}": str(number + 1) for number in range(200)}, "last": "201"}


# ------------------------------------------------------------------------------------------------- protocols
def test_a_protocol_of_ones_own() -> None:
    with Exchange(plugins="tests") as exchange:
        exchange.load_protocol("ouch-too", "tests.plugin_parts:ouch_too")
        engine = exchange.create_engine("main")
        engine.create_book("x", "X")
        endpoint = engine.create_endpoint("orders", "ouch-too")
        client = exchange.ouch_client(endpoint, "alice")
        client.wait_for("A", order_token=client.enter("X", "B", 100, "10"))
        exchange.kill("gateway-1")
        exchange.restart("gateway-1")
        with OuchClient(*endpoint.address, "alice") as again:
            assert again.wait_for("A").shares == 100


def test_a_protocol_that_cannot_be_made_is_an_error_of_create_endpoint() -> None:
    with Exchange(plugins="tests") as exchange:
        exchange.load_protocol("raises", "tests.plugin_parts:raises")
        engine = exchange.create_engine("main")
        with pytest.raises(VerbError, match="as it was asked to") as raised:
            engine.create_endpoint("orders", "raises")
        assert raised.value.code == "unavailable"
        assert exchange.list("endpoints") == []
        assert engine.create_endpoint("orders", "ouch42").port


# ------------------------------------------------------------------------------------------------- changed endpoints
def test_an_endpoint_can_serve_another_engine_while_clients_stay_logged_on(exchange: Exchange) -> None:
    other = exchange.create_engine("other")
    other.create_book("y", "Y")
    endpoint = exchange.create_endpoint("moving", "main", "ouch42")
    with OuchClient(*endpoint.address, "alice") as client:
        order = client.enter("X", "B", 100, "10")
        client.wait_for("A", order_token=order)
        with pytest.raises(VerbError) as raised:
            endpoint.set_engine(other)
        assert raised.value.code == "in_use"
        client.cancel(order)
        client.wait_for("C", order_token=order)
        assert endpoint.set_engine(other).engine == "other"
        client.wait_for("A", order_token=client.enter("Y", "S", 30, "11"))
        client.wait_for("J", order_token=client.enter("X", "S", 30, "11"))
        exchange.mass_cancel("other", account="ALICE")
        client.wait_for("C")
        assert endpoint.set_engine("plugged").engine == "plugged"
        client.wait_for("A", order_token=client.enter("TELL", "B", 100, "10.05"))
        assert endpoint.set_engine("main").engine == "main"
        client.wait_for("A", order_token=client.enter("X", "S", 30, "11"))
        exchange.mass_cancel("main", account="ALICE")
        client.wait_for("C")


def test_the_same_over_fix(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("moving-fix", "main", "fix44")
    client = exchange.fix_client("moving-fix", SenderCompID="MOVES")
    order = client.buy("X", 100, "9")
    order.expect_accepted()
    order.cancel()
    order.expect_canceled()
    endpoint.set_engine("plugged")
    new_order(client, "a")
    assert client.next("ExecutionReport", ClOrdID="a")["OrdStatus"] == "0"
    endpoint.set_engine("main")
    order = client.buy("X", 100, "9")
    order.expect_accepted()
    order.cancel()
    order.expect_canceled()


def test_an_echo_engine_can_take_over_and_give_back(exchange: Exchange) -> None:
    exchange.create_engine("echo", "echo")
    endpoint = exchange.create_endpoint("echoing", "main", "fix44")
    client = exchange.fix_client("echoing", SenderCompID="ECHOES")
    for _ in range(2):
        endpoint.set_engine("echo")
        for number in range(50):
            new_order(client, f"o{number}")
            client.send("TestRequest", {"TestReqID": str(number)})
        assert [client.next("NewOrderSingle")["ClOrdID"] for _ in range(50)] == [f"o{number}" for number in range(50)]
        endpoint.set_engine("main")
        order = client.buy("X", 100, "7").expect_accepted()
        order.cancel()
        order.expect_canceled()


def test_what_an_endpoint_cannot_change_to(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("fixed", "main", "ouch42")
    for verb, argument, code in (
        ("set_endpoint_engine", "main", "wrong_state"),
        ("set_endpoint_engine", "nobody", "unknown_name"),
        ("set_endpoint_protocol", "ouch42", "wrong_state"),
        ("set_endpoint_protocol", "unheard-of", "bad_argument"),
    ):
        with pytest.raises(VerbError) as raised:
            exchange.call(verb, endpoint, argument)
        assert raised.value.code == code


def test_an_endpoint_can_speak_another_protocol_on_the_same_port(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("speaks", "main", "ouch42")
    with OuchClient(*endpoint.address, "carol") as client:
        order = client.enter("X", "B", 100, "8")
        client.wait_for("A", order_token=order)
        with pytest.raises(VerbError) as raised:
            endpoint.set_protocol("fix44")
        assert raised.value.code == "in_use"
        client.cancel(order)
        client.wait_for("C", order_token=order)
        changed = endpoint.set_protocol("fix44")
        assert (changed.protocol, changed.port) == ("fix44", endpoint.port)
    trader = exchange.fix_client("speaks", SenderCompID="CAROL")
    order = trader.buy("X", 100, "8")
    order.expect_accepted()
    order.cancel()
    order.expect_canceled()
    assert endpoint.set_protocol("ouch42").port == endpoint.port
    with OuchClient(*endpoint.address, "carol") as client:
        assert client.wait_for("S").event_code == "S"
        with socket.create_connection(endpoint.address):
            pass


# ------------------------------------------------------------------------------------------------- packages, restarts
def package(path: Path, **points: str) -> None:
    """An installed package without code of its own, that offers something in each group."""
    about = path / "mine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "".join(f"[openoutcry.{group}]\nmine = {point}\n" for group, point in points.items())
    )


def test_what_an_installed_package_offers_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, engines=COUNTING, policies="tests.plugin_parts:Even", protocols="tests.plugin_parts:ouch_too")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Exchange(plugins="nothing") as exchange:
        installed = {"name": "mine", "from": "installed", "path": COUNTING}
        assert installed in [dict(row) for row in exchange.list("engine_kinds")]
        assert exchange.create_engine("plugged", "mine").kind == "mine"
        main = exchange.create_engine("main")
        main.create_book("x", "X")
        unused = next(dict(row) for row in exchange.list("policy_kinds") if row["kind"] == "mine")
        assert unused["meaning"].startswith("tests.plugin_parts:Even, of an installed package: its options are shown")
        main.add_policy("even", "mine")
        assert "count" in [row["option"] for row in exchange.list("policy_kinds") if row["kind"] == "mine"]
        client = exchange.ouch_client(main.create_endpoint("orders", "mine"))
        client.buy("X", 3, "10").expect_rejected()
        client.buy("X", 4, "10").expect_accepted()
        loaded = {"name": "mine", "from": "loaded", "path": COUNTING}
        assert loaded in [dict(row) for row in exchange.list("engine_kinds")]


def test_the_matcher_does_not_start_without_what_its_journal_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "lost_and_found.py"
    module.write_text("from tests.plugin_parts import Counting\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Exchange(plugins="lost_and_found", directory=tmp_path / "exchange") as exchange:
        exchange.load_engine("lost", "lost_and_found:Counting")
        exchange.create_engine("plugged", "lost")
    with Exchange(plugins="", plugin_path=str(tmp_path), directory=tmp_path / "exchange") as exchange:
        assert exchange.list("engines")[0]["kind"] == "lost"
        with pytest.raises(VerbError, match="allows no module"):
            exchange.load_engine("other", "lost_and_found:Counting")
    module.unlink()
    with pytest.raises(ClusterError, match="lost_and_found:Counting cannot be loaded"):
        Exchange(plugin_path=str(tmp_path), directory=tmp_path / "exchange").start()


def test_an_audit_loads_what_the_matcher_loaded(tmp_path: Path) -> None:
    with Exchange(plugins="tests", directory=tmp_path) as exchange:
        exchange.load_engine("counting", COUNTING)
        client = exchange.fix_client(exchange.create_engine("plugged", "counting").create_endpoint("fix", "fix44"))
        new_order(client, "a", "WAIT")
        assert [client.next("ExecutionReport")["OrdStatus"] for _ in range(2)] == ["0", "2"]
        client.logout()
        found, audited = while_standing(exchange, lambda: audit(tmp_path))
        assert (audited["sequence"], audited["state_hash"]) == (found["sequence"], found["hash"])


def test_a_config_file_loads_plugins_before_all_else(tmp_path: Path) -> None:
    file = tmp_path / "exchange.toml"
    file.write_text(f"""
        [settings]
        plugins = "tests"
        [[engine]]
        name = "plugged"
        kind = "counting"
        [[endpoint]]
        name = "orders"
        engine = "plugged"
        protocol = "ouch-too"
        [[load_engine]]
        name = "counting"
        path = "{COUNTING}"
        [[load_protocol]]
        name = "ouch-too"
        path = "tests.plugin_parts:ouch_too"
    """)
    with Exchange(config=file) as exchange:
        assert exchange.endpoint("orders").protocol == "ouch-too"
        said: list[str] = []
        config.apply(config.load(file), exchange.call, said.append)
        assert said == ["load_engine counting: exists", "load_protocol ouch-too: exists", "engine plugged: exists",
                        "endpoint orders: exists"]  # fmt: skip


def test_a_reset_exchange_can_load_the_same_again(exchange: Exchange) -> None:
    exchange.reset()
    exchange.load_engine("counting", COUNTING)
    exchange.create_engine("plugged", "counting")
    with pytest.raises(VerbError) as raised:
        exchange.load_engine("counting", "tests.plugin_parts:Unkept")
    assert (raised.value.code, raised.value.field) == ("exists", "name")
