"""Managed mode over both protocols: log-ons and messages wait for a hand, which lets them on, or does not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from openoutcry import Exchange
from openoutcry.clients.control import ControlClient
from openoutcry.errors import ClusterError, VerbError
from openoutcry.gateway.managed_watch import FIRST_MAX
from openoutcry.handles import Endpoint
from tests.fix_gateway_world import until
from tests.fix_wire import VERSIONS
from tests.managed_world import Peer, gone, logged_on, market, over_fix, over_ouch, peer, refusal, states

pytestmark = pytest.mark.usefixtures("closed_peers")


@pytest.fixture
def door(endpoint: Endpoint) -> Endpoint:
    """One at which log-ons wait."""
    endpoint.set_property("auto_accept", False)
    return endpoint


@pytest.fixture
def desk(endpoint: Endpoint) -> Endpoint:
    """One at which messages wait."""
    endpoint.set_property("auto_receive", False)
    return endpoint


def held(endpoint: Endpoint) -> Peer:
    """A client whose log-on waits."""
    client = peer(endpoint)
    client.log_on()
    endpoint.wait_for("logon")
    return client


# ------------------------------------------------------------------------------------------------- log-ons
def test_a_log_on_waits_until_it_is_accepted(door: Endpoint) -> None:
    client = held(door)
    assert states(door) == ["held"]
    session = door.accept_session()
    client.expect_welcome()
    assert (session.name, session.endpoint) == (client.session, door.name)
    assert states(door) == ["logged on"]
    assert door.connections()[0]["session_number"] == session.number > 0
    session.auto_receive = True
    client.send_order("a1")
    assert client.told() == "accepted a1"


def test_accepting_waits_for_a_client(door: Endpoint) -> None:
    client = peer(door)
    with pytest.raises(ClusterError, match=r"nobody waits to be let in at endpoint 'orders', after 0\.01 s"):
        door.accept_session(0.01)
    assert states(door) == ["silent"]
    client.log_on()
    door.accept_session()
    client.expect_welcome()


@pytest.mark.parametrize(("verb", "then"), [("accept_session", "logged on"), ("reject_session", "rejected")])
def test_a_verb_about_a_log_on_can_wait_for_it(exchange: Exchange, door: Endpoint, verb: str, then: str) -> None:
    def waiting() -> bool:
        return any(part["managed"]["questions"] for part in exchange.statistics().values() if "managed" in part)

    client = peer(door)
    with ControlClient(exchange.directory) as other, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(other.call, verb, door.name, timeout_ms=4_000)
        until(waiting, "a question that waits")
        client.log_on()
        row = answer.result()
    assert (row["session"], row["state"]) == (client.session, then)


def test_rejecting_waits_for_a_client(door: Endpoint) -> None:
    with pytest.raises(ClusterError, match=r"nobody waits to be let in at endpoint 'orders', after 0\.01 s"):
        door.reject_session("not today", 0.01)


def test_a_log_on_that_is_rejected_ends_the_connection(door: Endpoint) -> None:
    client = held(door)
    row = door.reject_session("not today")
    assert (row["session"], row["state"]) == (client.session, "rejected")
    client.expect_refusal("not today")
    gone(door)
    client.connect()
    client.log_on()
    door.accept_session()
    client.expect_welcome()


def test_a_log_on_can_be_rejected_without_a_word_for_it(door: Endpoint) -> None:
    client = held(door)
    door.reject_session()
    client.expect_refusal()


def test_a_log_on_that_was_accepted_is_still_judged(exchange: Exchange, door: Endpoint) -> None:
    exchange.create_user("alice", "secret", door)
    client = peer(door)
    client.log_on("wrong")
    with pytest.raises(VerbError, match="was let in, and then refused"):
        door.accept_session()
    client.expect_refusal("invalid username or password")
    client.connect()
    client.log_on("secret")
    door.accept_session()


def test_log_ons_are_accepted_in_the_order_of_their_coming_or_by_number(door: Endpoint) -> None:
    rows = [{"number": 0}]
    for name in ("U0", "U1", "U2"):
        peer(door).log_on_as(name)
        rows.append(door.wait_for("logon", since=rows[-1]["number"]))
    order = [door.accept_session(connection=rows[2]["connection"]), door.accept_session(), door.accept_session()]
    assert [session.name[-2:] for session in order] == ["U1", "U0", "U2"]


def test_those_who_wait_are_let_in_in_order_when_auto_accept_is_true_again(door: Endpoint) -> None:
    client = held(door)
    door.set_property("auto_accept", True)
    client.expect_welcome()
    assert refusal(door.exchange.reject_session, door) == ("wrong_state", "connection")


def test_a_client_that_goes_while_it_waits_waits_no_more(door: Endpoint) -> None:
    client = held(door)
    client.close()
    door.wait_for("disconnect")
    assert refusal(door.exchange.accept_session, door) == ("wrong_state", "connection")


def test_a_client_that_has_said_more_and_goes_while_it_waits_waits_no_more(door: Endpoint) -> None:
    client = held(door)
    client.send_order("a1")
    client.log_out()
    client.close()
    assert door.wait_for("disconnect")["session"] == client.session
    assert not states(door)


def test_a_client_that_says_more_than_is_read_is_let_in_all_the_same(exchange: Exchange) -> None:
    door = market(exchange, "fix44", auto_accept=False)
    client = held(door)
    for number in range(1_000):
        client.send_order(f"a{number}")
    door.accept_session()
    client.expect_welcome()
    assert [client.told() for _ in range(1_000)] == [f"accepted a{number}" for number in range(1_000)]


def test_a_client_that_cannot_connect_says_why_nobody_came(door: Endpoint) -> None:
    def connect() -> None:
        raise ValueError("no network")

    with pytest.raises(ValueError, match="no network"):
        door.accept_client(connect, 0.1)


def test_a_held_log_on_has_no_time_out(door: Endpoint) -> None:
    door.set_property("login_timeout_ms", 50)
    client = held(door)
    silent = peer(door)
    assert silent.told() == ""  # who has not asked has one
    door.accept_session()
    client.expect_welcome()


def test_what_a_client_has_not_said_while_it_was_held_is_no_silence(door: Endpoint) -> None:
    door.exchange.clock.stop()
    client = held(door)
    door.exchange.clock.advance(hours=8, silent=True)
    door.accept_session()
    client.expect_welcome()
    client.send_order("a1")
    assert client.told() == "accepted a1"


def test_what_a_client_sends_with_its_log_on_is_taken_after_it(door: Endpoint) -> None:
    client = held(door)
    client.send_order("a1")
    client.send_order("a2")
    door.accept_session()
    client.expect_welcome()
    assert [client.told(), client.told()] == ["accepted a1", "accepted a2"]


def test_an_endpoint_that_is_deleted_ends_the_connections_that_wait(exchange: Exchange, door: Endpoint) -> None:
    client = held(door)
    door.delete()
    assert client.told() == ""
    assert refusal(exchange.accept_session, "orders") == ("unknown_name", "endpoint")


# ------------------------------------------------------------------------------------------------- messages
def test_messages_wait_in_order_until_they_are_processed(exchange: Exchange, desk: Endpoint) -> None:
    client, session = logged_on(desk)
    client.send_order("a1", 10)
    client.send_order("a2", 20)
    first, second = session.next_message(), session.next_message()
    assert [(each["MsgType"], each["ClOrdID"], each["OrderQty"]) for each in (first, second)] == [
        ("NewOrderSingle", "a1", 10), ("NewOrderSingle", "a2", 20),
    ]  # fmt: skip
    assert exchange.orders("aapl") == []
    first.process()
    assert [row["order_id"].strip() for row in exchange.orders("aapl")] == ["a1"]
    assert client.told() == "accepted a1"
    second.process()
    assert client.told() == "accepted a2"


def test_the_same_message_is_the_same_dictionary_over_both_protocols(desk: Endpoint) -> None:
    client, session = logged_on(desk)
    client.send_order("a1", 10)
    found = session.next_message()
    wanted = {"MsgType": "NewOrderSingle", "ClOrdID": "a1", "Symbol": "AAPL", "Side": "1", "OrderQty": 10,
              "OrdType": "2"}  # fmt: skip
    assert {name: found[name] for name in wanted} == wanted
    assert found.native()["order_token" if desk.protocol == "ouch42" else "11"] == "a1"
    assert b"a1" in found.raw


def test_messages_can_be_processed_in_another_order_or_thrown_away(desk: Endpoint) -> None:
    client, session = logged_on(desk)
    for name in ("a1", "a2", "a3", "a4"):
        client.send_order(name)
    messages = [session.next_message() for _ in range(4)]
    messages[2].process()
    messages[0].discard()
    session.process()
    session.discard()
    assert [client.told(), client.told()] == ["accepted a3", "accepted a2"]
    assert refusal(session.process) == ("wrong_state", "message")
    assert refusal(messages[0].process) == ("wrong_state", "message")


def test_what_was_processed_has_been_answered_and_done(exchange: Exchange, desk: Endpoint) -> None:
    client, session = logged_on(desk)
    for number in range(20):
        client.send_order(f"a{number}")
        session.next_message()
        assert session.process()["handled"] is True
        assert len(exchange.orders("aapl")) == number + 1


def test_nothing_to_take_is_said_after_the_time_and_an_unknown_session_at_once(
    exchange: Exchange, desk: Endpoint
) -> None:
    client, session = logged_on(desk)
    assert exchange.next_message(desk, client.session) is None
    assert exchange.next_message(desk, client.session, 10) is None
    with pytest.raises(ClusterError, match=r"no message of .* waits at endpoint 'orders' after 0\.01 s"):
        session.next_message(0.01)
    assert refusal(exchange.next_message, desk, "nobody") == ("unknown_name", "session")
    assert refusal(exchange.next_message, "nowhere", "nobody") == ("unknown_name", "endpoint")


@pytest.mark.parametrize("whose", ["engine", "endpoint", "session"])
def test_messages_wait_where_any_auto_receive_is_false_and_go_on_in_order_when_none_is(
    exchange: Exchange, endpoint: Endpoint, whose: str
) -> None:
    client, session = logged_on(endpoint)

    def set_to(value: bool) -> None:
        if whose == "engine":
            exchange.set_engine_property("main", "auto_receive", value)
        elif whose == "endpoint":
            endpoint.set_property("auto_receive", value)
        else:
            session.auto_receive = value

    client.send_order("a0")
    assert client.told() == "accepted a0"
    set_to(False)
    for name in ("a1", "a2", "a3"):
        client.send_order(name)
    session.next_message().process()
    assert client.told() == "accepted a1"
    session.next_message()
    set_to(True)
    assert [client.told(), client.told()] == ["accepted a2", "accepted a3"]
    client.send_order("a4")
    assert client.told() == "accepted a4"
    assert session.auto_receive is True


def test_the_messages_of_one_session_wait_and_those_of_another_do_not(endpoint: Endpoint) -> None:
    client, session = logged_on(endpoint)
    other = peer(endpoint)
    other.log_on_as("BOB")
    other.expect_welcome()
    session.auto_receive = False
    assert session.auto_receive is False
    client.send_order("a1")
    other.send_order("b1")
    assert other.told() == "accepted b1"
    assert session.next_message()["ClOrdID"] == "a1"


def test_a_session_can_be_held_before_its_client_has_ever_come(endpoint: Endpoint) -> None:
    client = peer(endpoint)
    session = endpoint.session(client.session)
    session.auto_receive = False
    client.log_on()
    client.expect_welcome()
    client.send_order("a1")
    assert session.next_message()["ClOrdID"] == "a1"


def test_a_session_is_known_by_its_number_as_well(exchange: Exchange, desk: Endpoint) -> None:
    client, _ = logged_on(desk)
    (row,) = desk.connections()
    client.send_order("a1")
    found = exchange.next_message(desk, str(row["session_number"]), 4_000)
    assert found is not None and found["session"] == client.session


def test_what_waits_stays_when_the_client_goes_and_its_answer_waits_for_it(desk: Endpoint) -> None:
    client, session = logged_on(desk)
    client.send_order("a1")
    client.send_order("a2")
    session.next_message()
    session.wait_for("message")
    session.wait_for("message")
    client.close()
    session.wait_for("disconnect")
    session.process()
    assert session.next_message()["ClOrdID"] == "a2"
    client.connect()
    client.log_on()
    client.expect_welcome()
    client.ask_again(2)
    assert client.told() == "accepted a1"
    session.process()
    assert client.told() == "accepted a2"


def test_a_message_that_says_nothing_is_held_as_well(exchange: Exchange) -> None:
    endpoint = market(exchange, "ouch42", auto_receive=False)
    client, session = over_ouch(endpoint)
    client.client.send(b"?what", b"")
    found = [session.next_message(), session.next_message()]
    assert [(each.type, dict(each), each.raw) for each in found] == [("", {}, b"?what"), ("", {}, b"")]
    assert [session.process()["handled"], session.process()["handled"]] == [False, False]


def test_session_messages_of_fix_are_answered_by_themselves(exchange: Exchange) -> None:
    endpoint = market(exchange, "fix44", auto_receive=False)
    client, session = over_fix(endpoint)
    client.client.send("35=1|112=hello")
    client.client.expect("35=0|34=2|112=hello")
    client.send_order("a1")
    row = session.wait_for("TestRequest")
    assert row["message"] == {"MsgType": "TestRequest", "TestReqID": "hello"}
    assert session.next_message()["ClOrdID"] == "a1"


# ------------------------------------------------------------------------------------------------- waiting
def test_what_happens_can_be_waited_for_one_after_the_other(endpoint: Endpoint) -> None:
    endpoint.set_property("auto_receive", False)
    client, _ = logged_on(endpoint)
    client.send_order("a1")
    kinds = []
    since = 0
    for kind in ("connection", "logon", "logged_on", "NewOrderSingle"):
        row = endpoint.wait_for(kind, since=since)
        kinds.append((row["kind"], row["session"]))
        since = row["number"]
    client.log_out()
    row = endpoint.wait_for("logout", client.session, since=since)
    row = endpoint.wait_for("disconnect", since=row["number"])
    assert [*kinds, (row["kind"], row["session"])] == [
        ("connection", ""), ("logon", client.session), ("logged_on", client.session), ("message", client.session),
        ("disconnect", client.session),
    ]  # fmt: skip


def test_the_first_messages_of_a_connection_are_noted_before_anybody_waits(endpoint: Endpoint) -> None:
    client, session = logged_on(endpoint)
    with pytest.raises(ClusterError, match=r"no logout .* after 0 s$"):
        endpoint.wait_for("logout", timeout=0)  # that is no message
    for number in range(FIRST_MAX + 50):
        client.send_order(f"a{number}")
        assert client.told() == f"accepted a{number}"
    found = [session.wait_for(kind) for kind in ("NewOrderSingle", "message", *["NewOrderSingle"] * (FIRST_MAX - 2))]
    assert [row["message"]["ClOrdID"] for row in found] == [f"a{number}" for number in range(FIRST_MAX)]
    with pytest.raises(ClusterError, match=r"no NewOrderSingle .* the first 100 of a connection are noted"):
        session.wait_for("NewOrderSingle", 0)
    client.send_order("b")  # somebody has waited
    assert client.told() == "accepted b"
    assert session.wait_for("NewOrderSingle")["message"]["ClOrdID"] == "b"


def test_messages_of_the_session_layer_are_among_the_first(exchange: Exchange) -> None:
    client, session = over_fix(market(exchange, "fix44"))
    client.client.send("35=1|112=there")
    client.send_order("a1")
    assert client.told() == "accepted a1"
    assert session.wait_for("TestRequest")["message"]["TestReqID"] == "there"
    assert session.wait_for("message")["MsgType"] == "NewOrderSingle"


def test_a_kind_that_cannot_be_waited_for_is_refused(exchange: Exchange, endpoint: Endpoint) -> None:
    assert refusal(exchange.wait_for, endpoint, "logged on") == ("bad_argument", "kind")
    assert exchange.wait_for(endpoint, "OrderCancelRequest") is None


def test_a_password_is_in_nothing_that_is_shown(exchange: Exchange, endpoint: Endpoint) -> None:
    exchange.create_user("alice", "s3cret", endpoint)
    client = peer(endpoint)
    client.log_on("s3cret")
    client.expect_welcome()
    shown = str(dict(endpoint.wait_for("logon")))
    assert "s3cret" not in shown and b"s3cret".hex() not in shown


# ------------------------------------------------------------------------------------------------- all of it
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_of_fix_can_be_held(exchange: Exchange, version: str) -> None:
    endpoint = market(exchange, version.lower().replace(".", ""), auto_accept=False, auto_receive=False)
    session, client = endpoint.accept_client(lambda: exchange.fix_client(endpoint))
    order = client.buy("AAPL", 100, "10.00")
    message = session.next_message()
    wanted = {"MsgType": "NewOrderSingle", "Symbol": "AAPL", "Side": "1", "OrderQty": 100, "Price": "10"}
    assert {name: message[name] for name in wanted} == wanted
    message.process()
    order.expect_accepted()
    news: dict[str, Any] = {"MsgType": "News", "Headline": "hello", "NoLinesOfText": [{"Text": "there"}]}
    if version == "FIX.4.0":
        news = {"MsgType": "News", "LinesOfText": 1, "Text": "there"}
    session.send(news, checksum=7)
    session.send(news)
    dropped, second = client.next("News"), client.next("News")
    assert (dropped.possible_duplicate, dropped.sequence, second.sequence) == (True, 3, 4)  # it asked for the first
    session.drop("reset")
    session.wait_for("disconnect")


def test_messages_for_an_echo_engine_wait_and_come_back_when_they_are_processed(exchange: Exchange) -> None:
    engine = exchange.create_engine("mirror", "echo")
    endpoint = engine.create_endpoint("orders", "fix44")
    endpoint.set_property("auto_receive", False)
    client, session = over_fix(endpoint)
    client.send_order("a1")
    client.client.send("35=1|112=first")
    client.send_order("a2")
    first, second = session.next_message(), session.next_message()
    client.client.expect("35=0|34=2|112=first")
    second.process()
    first.process()
    assert [dict(client.client.read() or [])[11], dict(client.client.read() or [])[11]] == ["a2", "a1"]


def test_what_is_taken_goes_on_to_the_hand_of_a_manual_engine(exchange: Exchange, desk: Endpoint) -> None:
    engine = exchange.create_engine("lab", "manual")
    engine.create_book("lab-aapl", "AAPL")
    endpoint = engine.create_endpoint("lab-orders", desk.protocol)
    exchange.set_engine_property(engine, "auto_receive", False)
    client, session = logged_on(endpoint)
    client.send_order("a1")
    message = session.next_message()
    assert engine.requests() == []
    message.process()
    assert engine.wait_for_request()["quantity"] == 100
    engine.accept()
    assert client.told() == "accepted a1"


def test_each_gateway_holds_what_is_its_own() -> None:
    with Exchange(gateways=2) as exchange:
        engine = exchange.create_engine("main")
        endpoints = [engine.create_endpoint(name, "ouch42") for name in ("one", "two")]
        assert {endpoint.gateway for endpoint in endpoints} == {"gateway-1", "gateway-2"}
        exchange.set_engine_property(engine, "auto_receive", False)
        clients = [logged_on(endpoint) for endpoint in endpoints]
        for client, session in clients:
            client.send_order("a1")
            assert session.next_message()["ClOrdID"] == "a1"
        rows = exchange.list("connections")
        assert [(row["gateway"], row["endpoint"], row["session"]) for row in rows] == [
            (endpoint.gateway, endpoint.name, "ALICE") for endpoint in sorted(endpoints, key=lambda each: each.gateway)
        ]
        assert exchange.statistics()["gateway-2"]["managed"]["messages"] == 1
