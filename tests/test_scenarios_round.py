"""Recorded and replayed: whatever clients do over either protocol comes again, message for message.

Each test is a session on a real exchange; ``same_again`` holds the recording against what the clients really got, and
the replay against the recording.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openoutcry import Exchange, scenarios
from openoutcry.errors import ClientError, VerbError
from openoutcry.scenarios import Client
from openoutcry.scenarios.sides import NOT_SAID
from tests.scenario_world import Actor, Theatre, same_again


def test_orders_over_ouch(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market()
        alice, bob = play.client("ALICE", "orders"), play.client("BOB", "orders")
        alice.order("A1", "buy", 100, "10.05")
        bob.order("B1", "sell", 40, "10", TimeInForce="3")
        alice.replace("A1", "A2", 90, "10.06")
        bob.order("B2", "short", 500, None, TimeInForce="3")
        alice.order("A3", "buy", 10, "9", MaxFloor=0)
        alice.order("A4", "buy", 10, "9.01", ExecInst="6")
        alice.order("A5", "buy", 10, "9.5", OrdType="P", ExecInst="M")
        alice.order("A6", "buy", 10, "9", TimeInForce="A", ExposureDuration=100, MinQty=5)
        alice.order("A6", "buy", 10, "9")  # its token is used: nobody answers
        alice.order("A7", "buy", 10, "9", TimeInForce="7")
        alice.send("ModifyOrder", OrigClOrdID="A3", Side="1", OrderQty=5)
        alice.cancel("A3")
        alice.cancel("nothing")
        alice.replace("A4", "A8", 5, "0")  # invalid: the order goes
        play.exchange.break_trade(1)
        play.exchange.correct_trade(2, "10.01")
        play.exchange.halt("aapl", "news")
        alice.order("A9", "buy", 10, "9")
    came = same_again(play, tmp_path)
    assert {message.get("ExecType") for message in came.got("ALICE")} >= {"0", "4", "5", "8", "F", "H"}


def test_orders_that_ouch_refuses_at_the_door_have_stand_ins(exchange: Exchange, tmp_path: Path) -> None:
    wrong: list[dict[str, Any]] = [
        {"Side": "ouch:X"}, {"OrderQty": 0}, {"Symbol": "A/B"}, {"Price": "0"}, {"TimeInForce": "ouch:90000"},
        {"Display": "?"}, {"OrderCapacity": "?"}, {"MinQty": 1_000}, {"CrossType": "?"},
    ]  # fmt: skip
    with Theatre(exchange) as play:
        play.market()
        alice = play.client("ALICE", "orders")
        for number, fields in enumerate(wrong):
            alice.order(f"A{number}", "buy", quantity=10, price="9", **fields)
        assert len(alice.got) == 1 + len(wrong)
    left_out = [f"{len(wrong)} x ALICE: NewOrderSingle: {NOT_SAID}"]
    same_again(play, tmp_path, notes=len(wrong), left_out=left_out)


@pytest.mark.parametrize("protocol", ["fix40", "fix41", "fix42", "fix43", "fix44", "fix50", "fix50sp2"])
def test_orders_over_every_version_of_fix(exchange: Exchange, tmp_path: Path, protocol: str) -> None:
    with Theatre(exchange) as play:
        play.market(fix=protocol)
        alice, bob = play.client("ALICE", "fix"), play.client("BOB", "orders")
        alice.order("A1", "buy", 100, "10.05", Account="mine")
        bob.order("B1", "sell", 40, "10")
        alice.replace("A1", "A2", 90, "10.06", Symbol="AAPL", Side="1")
        own = {"CxlType": "F"} if protocol == "fix40" else {}
        alice.cancel("A2", "A3", **own)
        alice.cancel("A2", "A4", **own)
        alice.order("A5", "buy", 100, "10.05", Symbol="MSFT")
        alice.order("A6", "buy", 0, "10.05")
        alice.order("A1", "buy", 5, "10.05")
        alice.order("A7", "buy", 5, "10", OrdType="4", StopPx="10.5", TimeInForce="1")
        alice.order("A8", "buy", 50, "9", MaxFloor=10) if protocol > "fix41" else None
        alice.order("A9", "sell", 5, None, TimeInForce="3")
        alice.order("A10", "sell", 5, "11", ExecInst="6")
        alice.replace("A10", "A11", 5, "11", Symbol="AAPL", Side="1")  # it sells: the gateway says so by itself
    came = same_again(play, tmp_path, untold=1)
    assert {message["MsgType"] for message in came.got("ALICE")} == {"ExecutionReport", "OrderCancelReject"}


def test_what_only_fix_can_say(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market(fix="fix50sp2")
        play.exchange.create_book("msft", "main", "MSFT")
        alice, bob = play.client("ALICE", "fix"), play.client("BOB", "orders")
        alice.send("Quote", QuoteID="Q1", Symbol="AAPL", BidPx="9.9", OfferPx="10.1", BidSize=100, OfferSize=100)
        bob.order("B1", "buy", 10, "10.1")
        entries = [
            {"QuoteEntryID": "1", "Symbol": "AAPL", "BidPx": "9.8", "OfferPx": "10.2", "BidSize": 10, "OfferSize": 20},
            {"QuoteEntryID": "2", "Symbol": "MSFT", "BidPx": "5", "OfferPx": "6", "BidSize": 10, "OfferSize": 20},
        ]  # fmt: skip
        sets = [{"QuoteSetID": "1", "TotNoQuoteEntries": 2, "NoQuoteEntries": entries}]
        alice.send("MassQuote", QuoteID="Q2", NoQuoteSets=sets)
        alice.send("QuoteCancel", QuoteID="Q2", QuoteCancelType="1", NoQuoteEntries=[{"Symbol": "MSFT"}])
        alice.send("QuoteCancel", QuoteID="Q2", QuoteCancelType="4")
        legs = [
            {"Side": "1", "ClOrdID": "C1", "OrderQty": 5},
            {"Side": "2", "ClOrdID": "C2", "OrderQty": 5},
        ]  # fmt: skip
        alice.send("NewOrderCross", CrossID="X1", CrossType="1", CrossPrioritization="0", Symbol="AAPL", OrdType="2",
                   Price="10", NoSides=legs)  # fmt: skip
        rows = [
            {"ClOrdID": f"L{n}", "ListSeqNo": n, "Symbol": "AAPL", "Side": "1", "OrderQty": n, "OrdType": "2",
             "Price": f"{n}"}
            for n in (1, 2, 3)
        ]  # fmt: skip
        alice.send("NewOrderList", ListID="list", BidType="3", TotNoOrders=3, NoOrders=rows)
        alice.send("ListCancelRequest", ListID="list")
        alice.order("A1", "buy", 100, "9", DisplayMethod="3", DisplayLowQty=10, DisplayHighQty=20, DisplayQty=15)
        alice.order("A2", "buy", 100, "9", OrdType="P", PegPriceType="4", PegOffsetValue="-0.05")
        alice.order("A3", "sell", 100, None, OrdType="3", ExecInst="a", StopPx="8", PegOffsetValue="0.5")
        alice.order("A4", "buy", 10, "9", CashOrderQty=1_000)
        alice.order("A5", "buy", 10, "9", PossResend="Y")
        alice.order("A5", "buy", 10, "9", PossResend="Y")
        alice.order("A6", "buy", 10, "9", SelfMatchPreventionInstruction="2", PositionEffect="C", HandlInst="1")
        alice.send("OrderMassCancelRequest", ClOrdID="M1", MassCancelRequestType="1", Symbol="AAPL", Side="1")
        alice.send("OrderMassCancelRequest", ClOrdID="M2", MassCancelRequestType="7")
    came = same_again(play, tmp_path, notes=1, left_out=[f"ALICE: NewOrderSingle: {NOT_SAID}"])
    assert {message["MsgType"] for message in came.got("ALICE")} == {
        "ExecutionReport", "ListStatus", "MassQuoteAck", "OrderMassCancelReport", "QuoteStatusReport",
    }  # fmt: skip


def test_days_phases_and_auctions(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market()
        exchange.clock.stop()
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        exchange.set_timetable("main", "09:00 opening_auction, 09:05 open, 16:00 closing_auction, 16:05 closed")
        exchange.clock.advance_to("09:01")
        alice.order("A1", "buy", 100, "10.05")
        carol.order("C1", "sell", 60, "10", TimeInForce="1")
        exchange.clock.advance(minutes=10)
        alice.order("A2", "buy", 10, "9", TimeInForce="A", ExposureDuration=60)
        carol.order("C2", "sell", 10, "12", TimeInForce="6", ExpireDate=f"{exchange.clock.now:%Y%m%d}")
        carol.order("C3", "sell", 10, "13", TimeInForce="1")
        exchange.clock.advance(hours=7, minutes=30)
        exchange.end_of_day("main")
        play.settle()
        exchange.start_of_day("main")
        exchange.open("main")
        alice.reconnect()
        carol.reconnect()
        alice.order("A1", "buy", 100, "10.05")
        exchange.clock.advance(hours=30)
    came = same_again(play, tmp_path)
    assert [m["EventCode"] for m in came.got("ALICE") if m["MsgType"] == "SystemEvent"] == ["S", "E", "S"]


def test_policies_that_act_later(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market()
        exchange.add_policy("main", "slow", "delay", "delay_ms=50")
        exchange.add_policy("main", "fill", "auto-fill", "slices=3 interval_ms=1000 percent=90 probability=70")
        exchange.add_policy("main", "rest", "auto-cancel", "delay_ms=5000")
        exchange.clock.stop()
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        for number in range(5):
            alice.order(f"A{number}", "buy", 100, "10.05")
            carol.order(f"C{number}", "sell", 100, "10.50")
            exchange.clock.advance(milliseconds=700)
        exchange.clock.advance(seconds=10)
    came = same_again(play, tmp_path)
    assert any(message["ExecType"] == "F" for message in came.got("CAROL"))


def test_what_a_hand_decides(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market("manual")
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        alice.order("A1", "buy", 100, "10.05")
        carol.order("C1", "sell", 100, "10.50")
        exchange.accept_request("main")
        exchange.fill_request("main", 30, "10.40")
        alice.cancel("A1")
        exchange.reject_request("main", "halted", "not now")
        carol.cancel("C1", "C2")
        exchange.accept_request("main")
        exchange.fill_order(1, 10, "9")
        exchange.pull_order(1)
        with pytest.raises(VerbError, match=r"wrong_state|unknown_name"):
            exchange.pull_order(1)
    came = same_again(play, tmp_path)
    assert [step.refused for step in came.steps if step.verb][-1] != ""


def test_users_sessions_and_drop_copies(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market()
        exchange.create_user("alice", "secret", "orders", "house", "acme")
        exchange.create_session("fix", SenderCompID="VENUE", TargetCompID="CAROL", Account="carols")
        exchange.create_session("fix", SenderCompID="VENUE", TargetCompID="COPIES", DropCopy="all")
        alice = play.client("ALICE", "orders", "secret")
        carol = play.client("CAROL", "fix", TargetCompID="VENUE")
        carol.order("C1", "sell", 100, "10.50")
        copies = play.client("COPIES", "fix", TargetCompID="VENUE")
        alice.order("A1", "buy", 60, "10.50")
        carol.cancel("C1", "C2")
        exchange.set_session_property("fix", "FIX.4.4:VENUE->CAROL", "Account", "others")
        exchange.delete_user("alice")
        assert len(copies.got) == 3
    same_again(play, tmp_path, left_out=["passwords, which are 'scenario' now"])


def test_connections_that_come_and_go(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market()
        exchange.set_protocol_property("orders", "cancel_on_disconnect", True)
        exchange.set_protocol_property("fix", "cancel_on_disconnect", True)
        exchange.set_protocol_property("fix", "cancel_grace_ms", 1_000)
        exchange.clock.stop()
        alice, bob, carol = play.client("ALICE", "orders"), play.client("BOB", "orders"), play.client("CAROL", "fix")
        alice.order("A1", "buy", 100, "10.05")
        carol.order("C1", "sell", 100, "10.50")
        alice.disconnect()
        carol.disconnect()
        bob.order("B1", "buy", 10, "10.50")
        alice.reconnect()
        exchange.clock.advance(seconds=5)
        carol.reconnect()
        alice.order("A2", "buy", 100, "10.05")
        exchange.stop_engine("main")
        alice.order("A3", "buy", 100, "10.05")
        exchange.delete_endpoint("orders")
        exchange.delete_endpoint("fix")
    came = same_again(play, tmp_path)
    assert [step.do for step in came.steps if step.do] == ["connect"] * 3 + ["disconnect"] * 2 + ["connect"] * 2


def test_crashes_disconnect_clients_and_change_nothing_else(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market()
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        alice.order("A1", "buy", 100, "10.05")
        carol.order("C1", "sell", 40, "10.05")
        exchange.kill("gateway-1")
        exchange.restart("gateway-1")
        alice.reconnect()
        carol.reconnect()
        alice.order("A2", "buy", 100, "10.05")
        exchange.kill("matcher")
        exchange.restart("matcher")
        carol.order("C2", "sell", 40, "10.05")
    came = same_again(play, tmp_path)
    assert [str(step) for step in came.steps if step.do == "disconnect"] == ["ALICE: disconnect", "CAROL: disconnect"]


def test_an_echo_engine(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        exchange.create_engine("mirror", "echo")
        exchange.create_endpoint("fix", "mirror", "fix42")
        carol = play.client("CAROL", "fix")
        carol.order("C1", "sell", 100, "10.50", HandlInst="1")
        carol.order("C2", "sell", 100, "10.50", HandlInst="1", PossResend="Y")
    same_again(play, tmp_path)


def test_desks_are_told_what_clients_are(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market()
        alice = play.client("ALICE", "orders")
        exchange.enter_order("d1", "aapl", "buy", 100, "10", desk="maker", stop_price=None)
        exchange.enter_order("d2", "aapl", "sell", 100, "11", desk="maker", time_in_force="gtd",
                             expire=exchange.clock().time_ns + 10**12)  # fmt: skip
        alice.order("A1", "sell", 40, "10")
        exchange.amend_order("d1", 80, "10.5", desk="maker")
        exchange.quote("desk", "aapl", 5, "9", 5, "12")
        exchange.create_order("x", "aapl").set(side="buy", quantity=7, price="9.5").submit()
        exchange.mass_cancel("main", desk="maker")
    came = same_again(play, tmp_path)
    assert [client.desk for client in came.clients.values()] == ["", "maker", "desk"]
    assert [message["MsgType"] for message in came.got("maker")] == [
        "system", "accepted", "accepted", "executed", "replaced", "canceled", "canceled",
    ]  # fmt: skip


def test_what_is_held_or_secret_is_left_out(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market()
        exchange.set_engine_property("main", "auto_receive", True)
        exchange.set_protocol_property("orders", "auto_accept", True)
        exchange.set_protocol_property("fix", "tls_key", "")
        exchange.create_session("fix", SenderCompID="EXCHANGE", TargetCompID="CAROL", FileLogPath=str(tmp_path / "log"))
        play.client("CAROL", "fix").order("C1", "buy", 5, "10")
    same_again(play, tmp_path, left_out=[
        "auto_receive: nothing is held back in a replay", "auto_accept: nobody is held back in a replay",
        "TLS: a replay has none", "FileLogPath: a replay writes no logs",
    ])  # fmt: skip


def test_an_engine_of_somebodys_own(tmp_path: Path) -> None:
    with Exchange(plugins="examples") as exchange:
        with Theatre(exchange) as play:
            exchange.load_engine("rfq", "examples.rfq_engine:RfqEngine")
            exchange.create_engine("quotes", "rfq")
            exchange.create_endpoint("fix", "quotes", "fix44")
            asker, maker = play.client("ASKER", "fix"), play.client("MAKER", "fix")
            asker.send("QuoteRequest", QuoteReqID="q1", NoRelatedSym=[{"Symbol": "EURUSD", "OrderQty": 1_000}])
            maker.send("Quote", QuoteID="m1", QuoteReqID=maker.got[-1]["QuoteReqID"], Symbol="EURUSD", BidPx="1.0849",
                       BidSize=1_000, OfferPx="1.0852", OfferSize=1_000)  # fmt: skip
            asker.send("NewOrderSingle", ClOrdID="a1", Symbol="EURUSD", Side="1", OrderQty=600, OrdType="D",
                       Price="1.0852", QuoteID=asker.got[-1]["QuoteID"])  # fmt: skip
            assert asker.got[-1]["LastQty"] == 600
        came = scenarios.replay(play.recorded, plugins="examples")
    found = scenarios.compare(play.recorded, came)
    assert found.same, found.report()
    assert {client: play.recorded.got(client) for client in play.actors} == {"ASKER": asker.got, "MAKER": maker.got}


def test_clients_are_told_apart(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market(fix="fix")
        exchange.create_endpoint("orders-2", "main", "ouch42")
        for version in ("FIX.4.2", "FIX.5.0SP2"):
            begin = (
                {"BeginString": "FIXT.1.1", "DefaultApplVerID": version} if "5" in version else {"BeginString": version}
            )
            play.client(f"CAROL-{version}", "fix", SenderCompID="CAROL", **begin).order("C1", "buy", 5, "10")
        for endpoint in ("orders", "orders-2"):
            play.client("ALICE", endpoint).order("A1", "buy", 5, "10")
        nobody = Actor(play, Client("", "orders", ""))
        nobody.order("N1", "sell", 5, "10")
        play.settle()
        nobody.connection.close()
    recorded = play.recorded
    assert list(recorded.clients) == ["CAROL", "CAROL@fix", "ALICE", "ALICE@orders-2", "client"]
    assert recorded.clients["client"].user == ""
    came = scenarios.replay(recorded)
    found = scenarios.compare(recorded, came, times=True)
    assert found.same, found.report()


def test_users_of_fix_sessions(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market()
        exchange.create_user("carol", "secret", "fix", "house")
        exchange.create_session("fix", SenderCompID="EXCHANGE", TargetCompID="CAROL", Username="carol")
        play.client("CAROL", "fix", "secret", Username="carol").order("C1", "buy", 5, "10")
        exchange.create_session("fix", SenderCompID="EXCHANGE", TargetCompID="DAVE")
        play.client("DAVE", "fix", "secret", Username="carol").order("D1", "sell", 5, "10")
    same_again(play, tmp_path, left_out=[
        "passwords, which are 'scenario' now", "DAVE: which user it was; CAROL is taken",
    ])  # fmt: skip


def test_a_second_connection_takes_a_session_over(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market()
        first = play.client("ALICE", "orders")
        first.order("A1", "buy", 5, "10")
        second = play.client("ALICE", "orders")  # gets everything of the day again
        second.order("A2", "buy", 5, "10")
        first.connection.close()
    same_again(play, tmp_path)


def test_log_ons_that_are_refused_after_the_end_of_the_day(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market()
        play.client("ALICE", "orders").order("A1", "buy", 5, "10")
        exchange.end_of_day("main")
        play.settle()
        with pytest.raises(ClientError):
            play.client("BOB", "orders")
        with pytest.raises(ClientError):
            play.client("CAROL", "fix")
    came = same_again(play, tmp_path)
    assert [bool(step.refused) for step in came.steps if step.do == "connect"] == [False, True, True]


GARBLING = (
    ("duplicate", "on=answers count=3"),
    ("reorder", "on=answers count=4"),
    ("drop", "on=answers probability=50"),
    ("drop", "on=orders count=1"),
    ("duplicate", "on=orders count=2"),
)


def test_policies_that_garble_what_is_said(exchange: Exchange, tmp_path: Path) -> None:
    with Theatre(exchange) as play:
        play.market()
        exchange.clock.stop()
        for number, (kind, options) in enumerate(GARBLING):
            exchange.add_policy("main", f"policy-{number}", kind, options)
        exchange.set_price("aapl", "10")
        exchange.add_policy("main", "maker", "market-maker")
        alice, carol = play.client("ALICE", "orders"), play.client("CAROL", "fix")
        for number in range(6):
            alice.order(f"A{number}", "buy", 100, "10.05")
            carol.order(f"C{number}", "sell", 50, "10")
            exchange.clock.advance(seconds=2)
    same_again(play, tmp_path)


def test_messages_that_were_held_are_there_as_they_were_processed(exchange: Exchange) -> None:
    endpoint = exchange.create_engine("main").create_endpoint("orders", "ouch42")
    exchange.create_book("aapl", "main", "AAPL")
    endpoint.set_property("auto_receive", False)
    alice = exchange.ouch_client(endpoint, "ALICE")
    orders = [alice.buy("AAPL", 100, "10", token=token) for token in ("A1", "A2", "A3")]
    numbers = [exchange.call("next_message", "orders", "ALICE", 4_000)["number"] for _ in orders]
    for number in (numbers[2], numbers[0]):
        exchange.call("process_message", "orders", "ALICE", number)
    exchange.call("discard_message", "orders", "ALICE", numbers[1])
    orders[0].expect_accepted()
    recorded = scenarios.record(exchange)
    assert recorded.left_out == ["auto_receive: nothing is held back in a replay"]
    assert [step.message["ClOrdID"] for step in recorded.steps if step.message] == ["A3", "A1"]
    found = scenarios.compare(recorded, scenarios.replay(recorded))
    assert found.same, found.report()
