"""Managed mode when somebody dies, talks nonsense, asks twice or sends too much: nobody else is the worse for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from openoutcry import Exchange, bus, wire
from openoutcry.clients.control import ControlClient
from openoutcry.errors import VerbError
from openoutcry.gateway.managed_watch import HELD_MAX
from openoutcry.handles import Endpoint
from tests.fix_gateway_world import until
from tests.fix_wire import stamp
from tests.gateway_world import NAME, Client, GatewayProcess, HandMatcher, connected, enter
from tests.managed_world import FixPeer, gone, hand_on, logged_on, market, over_fix, over_ouch, peer, states
from tests.test_fix_gateway_sessions import tls

pytestmark = pytest.mark.usefixtures("closed_peers")

World = tuple[HandMatcher, GatewayProcess]


# ------------------------------------------------------------------------------------------------- control clients
_DIES = """
import os, sys
from openoutcry.clients.control import ControlClient
from openoutcry.control import messages
control = ControlClient(sys.argv[1])
control.accept_session("orders", timeout_ms=4000)
request = messages.encode_request(99, "next_message", ("orders", sys.argv[2], 4000), {})
control._socket.send_multipart([b"", request])
control.list("engines")
os._exit(1)
"""


def test_a_control_client_that_dies_while_it_holds_a_session_is_not_missed(
    exchange: Exchange, endpoint: Endpoint
) -> None:
    endpoint.set_property("auto_accept", False)
    endpoint.set_property("auto_receive", False)
    client = peer(endpoint)
    client.log_on()
    subprocess.run([sys.executable, "-c", _DIES, str(exchange.directory), client.session], check=False)
    client.expect_welcome()
    client.send_order("a1")
    session = endpoint.session(client.session)
    row = session.wait_for("NewOrderSingle")  # it may have been shown to the one that died
    assert row["message"]["ClOrdID"] == "a1"
    session.process(row["number"])
    assert client.told() == "accepted a1"
    hand_on(client, session, "a2")


def test_nonsense_for_the_control_service_disturbs_nobody_who_holds(exchange: Exchange, endpoint: Endpoint) -> None:
    endpoint.set_property("auto_receive", False)
    client, session = logged_on(endpoint)
    client.send_order("a1")
    address = bus.Directory(exchange.directory).address("control")
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)
        for data in (b"", b"\xff" * 1_000, wire.pack((2, 1, "next_message", (), ())), wire.pack([1] * 50)):
            socket.send_multipart([b"", data])
            socket.send(data)
    session.next_message().process()
    assert client.told() == "accepted a1"


def test_two_control_clients_can_take_turns(exchange: Exchange, endpoint: Endpoint) -> None:
    endpoint.set_property("auto_receive", False)
    client, session = logged_on(endpoint)
    client.send_order("a1")
    client.send_order("a2")
    first = session.next_message()
    with ControlClient(exchange.directory) as other:
        second = other.next_message(endpoint.name, client.session, timeout_ms=4_000)
        assert (first["ClOrdID"], second["message"]["ClOrdID"]) == ("a1", "a2")
        other.process_message(endpoint.name, client.session, first.number)
        other.discard_message(endpoint.name, client.session, second["number"])
    assert client.told() == "accepted a1"


# ------------------------------------------------------------------------------------------------- crashes
def test_after_a_crash_of_the_gateway_a_fix_client_is_asked_for_what_waited(exchange: Exchange) -> None:
    endpoint = market(exchange, "fix44", auto_receive=False)
    client, session = over_fix(endpoint)
    for name in ("a1", "a2", "a3"):
        client.send_order(name)
    messages = [session.next_message() for _ in range(3)]
    assert [message.sequence for message in messages] == [2, 3, 4]
    messages[0].process()
    messages[2].process()
    assert [client.told(), client.told()] == ["accepted a1", "accepted a3"]
    exchange.kill("gateway-1")
    exchange.restart("gateway-1")
    client.connect()
    client.log_on()
    client.expect_welcome()
    client.client.expect("35=2|34=5|7=3|16=0")
    for number, name in ((3, "a2"), (4, "a3")):
        client.client.send(f"35=D|34={number}|43=Y|122=20260101-00:00:00|{_order(name)}")
    client.client.send("35=4|34=5|43=Y|122=20260101-00:00:00|36=6|123=Y")
    client.client.number = 6
    assert [session.next_message()["ClOrdID"], session.next_message()["ClOrdID"]] == ["a2", "a3"]
    session.process()
    assert client.told() == "accepted a2"
    session.process()  # it has been done: nobody is told again
    hand_on(client, session, "a4")
    assert [row["order_id"] for row in exchange.orders("aapl")] == ["a1", "a3", "a2", "a4"]


def _order(name: str, when: str = "20260101-00:00:00") -> str:
    return f"11={name}|21=1|38=100|40=2|44=100|54=1|55=AAPL|60={when}"


def test_what_is_held_is_remembered_over_a_crash_of_the_gateway(exchange: Exchange, endpoint: Endpoint) -> None:
    endpoint.set_property("auto_accept", False)
    session = endpoint.session(peer(endpoint).session)
    session.auto_receive = False
    exchange.kill("gateway-1")
    exchange.restart("gateway-1")
    client = peer(endpoint)
    client.log_on()
    endpoint.accept_session()
    client.expect_welcome()
    hand_on(client, session, "a1")


def test_what_waits_goes_on_after_a_crash_of_the_matcher(exchange: Exchange, endpoint: Endpoint) -> None:
    session = endpoint.session(peer(endpoint).session)
    session.auto_receive = False
    client, _ = logged_on(endpoint)
    client.send_order("a1")
    message = session.next_message()
    exchange.kill("matcher")
    exchange.restart("matcher")
    assert session.auto_receive is False
    message.process()
    assert client.told() == "accepted a1"
    hand_on(client, session, "a2")


def test_what_waits_over_the_end_of_the_day_can_still_be_handed_on(exchange: Exchange, endpoint: Endpoint) -> None:
    endpoint.set_property("auto_receive", False)
    client, session = logged_on(endpoint)
    client.send_order("a1")
    message = session.next_message()
    exchange.end_of_day("main")
    message.process()
    exchange.start_of_day("main")
    exchange.open("main")
    assert exchange.orders("aapl") == []


def test_a_deleted_session_takes_what_waits_with_it(exchange: Exchange) -> None:
    endpoint = market(exchange, "fix44")
    name = endpoint.create_session(SenderCompID="OO", TargetCompID="CLIENT").name
    client, session = over_fix(endpoint)
    session.auto_receive = False
    client.send_order("a1")
    session.next_message()
    exchange.delete_session(endpoint, name)
    with pytest.raises(VerbError, match=r"no message of .* waits"):
        session.process()
    endpoint.create_session(SenderCompID="OO", TargetCompID="CLIENT")
    assert session.auto_receive is True


# ------------------------------------------------------------------------------------------------- too much
def test_a_client_that_sends_more_than_may_wait_is_not_read_until_there_is_room(exchange: Exchange) -> None:
    orders = 12_000
    endpoint = market(exchange, "ouch42", auto_receive=False)
    client, session = over_ouch(endpoint)
    client.client.send(*(enter(f"a{number}") for number in range(orders)))
    session.next_message()
    until(lambda: _taken(exchange) >= HELD_MAX, "a full inbox")
    for number in range(5):
        assert session.process()["handled"] is True
        assert client.told() == f"accepted a{number}"
    assert _taken(exchange) < orders
    endpoint.set_property("auto_receive", True)
    for number in range(5, orders):
        assert client.told() == f"accepted a{number}"


def _taken(exchange: Exchange) -> int:
    return int(exchange.statistics()["gateway-1"]["endpoints"]["orders"]["messages_in"])


def test_a_fix_client_that_sends_more_than_may_wait_is_not_read_either(exchange: Exchange) -> None:
    endpoint = market(exchange, "fix44", auto_receive=False)
    client, session = over_fix(endpoint)
    names = [f"a{number}" for number in range(6_000)]
    orders = [f"35=D|{_order(name, stamp())}" for name in names]
    client.client.socket.sendall(b"".join(client.client.message(order) for order in orders))
    session.next_message()
    until(lambda: _taken(exchange) >= HELD_MAX, "a full inbox")
    assert _taken(exchange) < len(names)
    endpoint.set_property("auto_receive", True)
    assert [client.told() for _ in names] == [f"accepted {name}" for name in names]


# ------------------------------------------------------------------------------------------------- asked twice
@pytest.fixture
def world() -> Iterator[World]:
    """A gateway, with a matcher played by hand."""
    path = tempfile.mkdtemp(prefix="oo-")
    yield from connected(bus.Directory(path).create())
    shutil.rmtree(path)


def ask(matcher: HandMatcher, what: str, **argument: Any) -> None:
    matcher.send(wire.frame(wire.QUERY, 7, NAME, "control", what, json.dumps(argument)))


def answer(matcher: HandMatcher) -> tuple[int, Any]:
    """The next REPLY: ok, body."""
    matcher._until(lambda: matcher.replies, "REPLY")
    reply = matcher.replies.pop(0)
    return reply[4], json.loads(reply[5])


def test_a_question_that_is_asked_again_is_not_carried_out_again(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(auto_receive=False)
    with Client(port).login("alice") as client:
        matcher.log_on(1, "0001000001")
        assert client.packet()[:1] == b"A"
        client.send(enter("a1"), enter("a2"))
        ask(matcher, "next_message", once="k0", endpoint="orders", session="ALICE", timeout_ms=4_000)
        assert answer(matcher)[1]["message"]["ClOrdID"] == "a1"
        for _ in range(3):
            ask(matcher, "process_message", once="k1", endpoint="orders", session="ALICE")
        assert matcher.wait_for(wire.ENTER)[2] == b"a1".ljust(14)
        first = answer(matcher)
        ask(matcher, "process_message", once="k1", endpoint="orders", session="ALICE")
        assert answer(matcher)[1] == first[1] == {**first[1], "session": "ALICE", "handled": True}
        ask(matcher, "process_message", once="k2", endpoint="orders", session="ALICE")
        assert matcher.wait_for(wire.ENTER)[2] == b"a2".ljust(14)
        assert not [command for command in matcher.commands if command[0] == wire.ENTER]


def test_the_answer_comes_once_the_matcher_has_acknowledged(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(auto_receive=False)
    with Client(port).login("alice") as client:
        matcher.log_on(1, "0001000001")
        client.send(enter("a1"))
        ask(matcher, "next_message", once="k0", endpoint="orders", session="ALICE", timeout_ms=4_000)
        answer(matcher)
        matcher.answering = False
        ask(matcher, "process_message", once="k1", endpoint="orders", session="ALICE")
        ask(matcher, "discard_message", once="k2", endpoint="orders", session="ALICE")
        assert answer(matcher) == (0, ["wrong_state", "message", "no message of 'ALICE' waits at endpoint 'orders'"])
        matcher.answering = True
        ok, body = answer(matcher)
        assert (ok, body["handled"]) == (1, True)


@pytest.mark.parametrize(
    "argument", ["", "[]", "{", '{"once": 1}', "{}", '{"once": "' + "x" * 100 + '"}', "[" * 50_000]
)
def test_a_question_that_is_none_is_refused(world: World, argument: str) -> None:
    matcher, _ = world
    matcher.send(wire.frame(wire.QUERY, 7, NAME, "control", "next_message", argument))
    ok, body = answer(matcher)
    assert (ok, body[:2]) == (0, ["bad_argument", "argument"])
    assert matcher.query("ping")["pid"] > 0


def test_questions_that_wait_are_limited_and_end_when_their_time_is_up(world: World) -> None:
    matcher, _ = world
    matcher.open_endpoint()
    argument = {"endpoint": "orders", "kind": "connection", "timeout_ms": 500}
    answers: dict[int, Any] = {}
    while len(answers) < 300:  # the bus drops what is too much at once: whoever asks, asks again
        for number in range(1, 301):
            if number not in answers:
                text = json.dumps({**argument, "once": f"w{number}"})
                matcher.send(wire.frame(wire.QUERY, number, NAME, "control", "wait_for", text))
                matcher.turn(0)
        matcher.turn()
        answers |= {reply[1]: json.loads(reply[5]) for reply in matcher.replies}
    full = ["limit", "", "256 questions are waiting at this gateway already"]
    assert full in answers.values() and sum(body is None for body in answers.values()) >= 256
    assert all(body in (None, full) for body in answers.values())


# ------------------------------------------------------------------------------------------------- TLS
def test_what_is_held_over_tls_is_held_alike(exchange: Exchange) -> None:
    import ssl

    endpoint = market(exchange, "fix44", auto_accept=False, auto_receive=False)
    for name, value in tls().items():
        endpoint.set_property(name, value)
    silent = peer(endpoint)
    until(lambda: states(endpoint) == ["silent"], "a connection without a handshake")
    silent.close()
    gone(endpoint)
    client = peer(endpoint)
    assert isinstance(client, FixPeer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client.client.socket = context.wrap_socket(client.client.socket)
    client.log_on()
    session = endpoint.accept_session()
    client.expect_welcome()
    hand_on(client, session, "a1")
    session.drop("half-open")
    client.send_order("a2")
    assert states(endpoint) == ["half-open"]
    client.close()
    gone(endpoint)
