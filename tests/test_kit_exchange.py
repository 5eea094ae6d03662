"""The exchange as the test kit has it: clients that are ready to trade, ``reset``, and what a report shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from openoutcry import ClientError, ClusterError, Exchange, VerbError
from openoutcry.testkit import FixTrader, MarketWatcher, OuchTrader, report
from openoutcry.verbs import LISTS


def test_clients_make_what_they_need_and_meet_in_one_market(exchange: Exchange) -> None:
    ouch, fix, market = exchange.ouch_client(), exchange.fix_client(), exchange.market_data("AAPL")
    ouch.sell("AAPL", 100, "10.05").expect_accepted()
    fix.buy("AAPL", 40, "10.05").expect_filled(40, at="10.05")
    market.expect_trade("AAPL", 40, at="10.05")
    assert [row["name"] for row in exchange.list("endpoints")] == ["ouch", "fix"]
    assert [row["name"] for row in exchange.list("books")] == ["aapl"]
    another = exchange.fix_client(SenderCompID="ANOTHER")
    assert len(exchange.list("endpoints")) == 2
    assert [type(client) for client in exchange.clients] == [OuchTrader, FixTrader, MarketWatcher, FixTrader]
    assert another.title == "FIX client 'ANOTHER'"


def test_clients_take_what_is_there(exchange: Exchange) -> None:
    engine = exchange.create_engine("mine")
    engine.create_book("msft", "MSFT")
    engine.create_endpoint("any", "fix")
    exchange.create_user("alice", "secret", engine.create_endpoint("other", "ouch42"))
    fix = exchange.fix_client()
    fix.buy("MSFT", 1, "1").expect_accepted()
    assert fix.initiator.settings.BeginString == "FIX.4.4"
    exchange.fix_client("any", BeginString="FIX.4.2").buy("MSFT", 1, "1").expect_accepted()
    exchange.ouch_client("other", "alice", "secret").buy("MSFT", 1, "1").expect_accepted()
    exchange.ouch_client(exchange.endpoint("other"), "ALICE", "secret")
    assert [row["name"] for row in exchange.list("endpoints")] == ["any", "other"]


def test_clients_are_refused_at_endpoints_that_speak_something_else(exchange: Exchange) -> None:
    engine = exchange.create_engine("main")
    fix, ouch = engine.create_endpoint("fix", "fix44"), engine.create_endpoint("ouch", "ouch42")
    with pytest.raises(VerbError, match="endpoint 'fix' speaks fix44, not a protocol of this client"):
        exchange.ouch_client(fix)
    with pytest.raises(VerbError, match="endpoint 'ouch' speaks ouch42, not a protocol of this client"):
        exchange.fix_client("ouch")
    exchange.set_endpoint_protocol(ouch, "fix44")
    exchange.fix_client(ouch)  # as it is now


@pytest.mark.parametrize("protocol", ["fix42", "fix50sp2"])
def test_a_new_fix_client_goes_on_with_the_session_of_one_that_is_closed(exchange: Exchange, protocol: str) -> None:
    endpoint = exchange.create_endpoint("fix", exchange.create_engine("main"), protocol)
    exchange.create_book("aapl", "main", "AAPL")
    first = exchange.fix_client()
    order = first.buy("AAPL", 100, "10").expect_accepted()
    with pytest.raises(ClientError, match=r"FIX client 'CLIENT' is logged on to session .*EXCHANGE->CLIENT already"):
        exchange.fix_client()
    exchange.close_client(first)
    assert first not in exchange.clients
    exchange.ouch_client().sell("AAPL", 40, "10").expect_filled(40)
    second = exchange.fix_client()
    other = second.buy("AAPL", 1, "9").expect_accepted()
    assert len(other.messages) == 1 and second.statistics()["gaps"] == 0
    assert (order.filled, exchange.book("aapl").depth().bids) == (0, [["10", 60, 1], ["9", 1, 1]])
    exchange.close_client(second)
    exchange.delete_endpoint(endpoint)
    exchange.create_endpoint("fix", "main", protocol)
    exchange.fix_client().buy("AAPL", 1, "9").expect_accepted()  # a new session


def test_reset_deletes_everything_and_the_next_test_begins_anew(exchange: Exchange) -> None:
    fresh = {kind: exchange.list(kind) for kind in LISTS}
    assert fresh["engines"] == fresh["users"] == []
    for _ in range(2):
        ouch, fix = exchange.ouch_client(user="me"), exchange.fix_client()
        exchange.create_endpoint("more", "main", "fix").create_session(SenderCompID="US", TargetCompID="THEM")
        exchange.create_user("alice", "secret")
        exchange.create_user("bob", "secret", "more")
        engine = exchange.create_engine("empty")
        engine.set_limit("firm", "F", "max_quantity", 10)
        exchange.set_fee(engine, "F", taker_fee="0.01")
        exchange.add_policy(engine, "filler", "auto-fill")
        exchange.desk("main").enter("1", "aapl", "sell", 10, "10")
        exchange.create_order("draft", "aapl").set_property("quantity", 10)
        ouch.buy("AAPL", 4, "10").expect_filled()
        fix.buy("AAPL", 100, "9").expect_accepted()
        exchange.halt("aapl")
        exchange.reset()
        assert {kind: exchange.list(kind) for kind in LISTS} == fresh
        assert not exchange.clients and not ouch.connected and not fix.is_logged_on


def test_reset_starts_again_what_was_killed(exchange: Exchange) -> None:
    exchange.ouch_client()
    exchange.kill("gateway-1")
    exchange.kill("matcher")
    exchange.reset()
    exchange.ouch_client().buy("AAPL", 1, "1").expect_accepted()


def test_reset_makes_again_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "exchange.toml"
    file.write_text('[[engine]]\nname = "e"\n[[book]]\nname = "b"\nengine = "e"\nsymbol = "S"\n')
    with Exchange(config=file) as ex:
        ex.create_book("more", "e", "MORE")
        ex.halt("b")
        ex.reset()
        assert [row["name"] for row in ex.list("books")] == ["b"]
        ex.ouch_client().buy("S", 1, "1").expect_accepted()


def test_reset_needs_an_exchange_that_runs() -> None:
    with pytest.raises(ClusterError, match="was never started"):
        Exchange().reset()


# ------------------------------------------------------------------------------------------------- reports
def test_a_report_has_messages_sessions_numbers_and_logs(exchange: Exchange) -> None:
    ouch, fix = exchange.ouch_client(user="me"), exchange.fix_client()
    ouch.wait_for("S")
    ouch.sell("AAPL", 10, "10", token="MINE").expect_accepted()
    fix.buy("AAPL", 4, "10", ClOrdID="yours").expect_filled()
    found = dict(report.sections(exchange))
    assert list(found) == [
        "OUCH client 'me'", "FIX client 'CLIENT'", "sessions", "FIX sessions", "log of matcher", "log of control",
        "log of marketdata", "log of gateway-1",
    ]  # fmt: skip
    assert found["OUCH client 'me'"].split("\n")[1:] == [
        "order MINE: sell 10 AAPL at 10, open, 4 filled, 6 open", "< #1 system event: start of day",
        "> enter order: sell 10 AAPL at 10, time in force 99998 (MINE)", "< #2 accepted: sell 10 AAPL at 10 (MINE)",
        "< #3 executed 4 at 10, match 1 (MINE)",
    ]  # fmt: skip
    assert "next message #4" in found["OUCH client 'me'"]
    assert found["FIX client 'CLIENT'"].split("\n") == [
        "logged on, next in #4, next out #3",
        "order yours: buy 4 AAPL at 10, filled, 4 filled, 0 open",
        "> NewOrderSingle: ClOrdID=yours Symbol=AAPL Side=1 OrderQty=4 OrdType=2 Price=10",
        "< #2 accepted: buy 4 AAPL at 10, 4 open (yours)",
        "< #3 executed 4 at 10, 0 open (yours)",
    ]
    assert found["FIX sessions"].split("\n")[1].split()[:6] == [
        "FIX.4.4:EXCHANGE->CLIENT",
        "logged",
        "on",
        "3",
        "4",
        "0",
    ]
    assert all(f"---- {title}\n" in report.text(exchange) for title in found)


def test_a_report_of_what_does_not_run_says_so(exchange: Exchange) -> None:
    exchange.ouch_client()
    exchange.kill("matcher")
    found = dict(report.sections(exchange))
    assert found["sessions"] == "not known: matcher does not run"
    assert "log of matcher" in found
    exchange.restart("matcher")


def test_a_report_can_be_made_after_the_end() -> None:
    with Exchange() as ex:
        ex.ouch_client()
    assert report.sections(ex)[0][0] == "log of matcher"
    assert report.sections(Exchange()) == []


@pytest.mark.parametrize("protocol", ["ouch", "fix"])
def test_an_order_that_cannot_be_sent_never_was(exchange: Exchange, protocol: str) -> None:
    client = exchange.ouch_client() if protocol == "ouch" else exchange.fix_client()
    with pytest.raises(VerbError, match="Foo"):
        client.buy("AAPL", 100, "10", Foo=1)
    assert client.orders == [] and not any(line.startswith(">") for line in client.last_messages())
    client.buy("AAPL", 100, "10").expect_accepted()
    assert "not known" not in report.text(exchange)


def test_a_report_survives_a_client_that_cannot_say_where_it_stands(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = exchange.ouch_client()

    def raises() -> str:
        raise ValueError("lost")

    monkeypatch.setattr(client, "standing", raises)
    assert dict(report.sections(exchange))[client.title] == "not known: ValueError: lost"


def test_engines_books_and_endpoints_by_their_names(exchange: Exchange) -> None:
    made = exchange.create_engine("main"), exchange.create_book("aapl", "main", "AAPL")
    assert (exchange.engine("main"), exchange.book("aapl")) == made
    with pytest.raises(VerbError, match="there is no book 'msft'; there are: aapl"):
        exchange.book("msft")
    with pytest.raises(VerbError, match="there is no endpoint 'orders'; there are: none"):
        exchange.endpoint("orders")
