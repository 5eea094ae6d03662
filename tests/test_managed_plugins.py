"""Managed mode with protocols and engines of somebody's own."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from openoutcry import Exchange
from openoutcry.errors import VerbError
from openoutcry.handles import Endpoint
from tests.managed_world import PROTOCOLS, OuchPeer, logged_on

pytestmark = pytest.mark.usefixtures("closed_peers")


def test_a_protocol_of_ones_own_is_held_by_its_words() -> None:
    with Exchange(plugins="tests") as exchange:
        exchange.load_protocol("ouch-too", "tests.plugin_parts:ouch_too")
        engine = exchange.create_engine("main")
        engine.create_book("aapl", "AAPL")
        endpoint = engine.create_endpoint("orders", "ouch-too")
        endpoint.set_property("auto_accept", False)
        endpoint.set_property("auto_receive", False)
        client = OuchPeer(endpoint)
        client.log_on()
        session = endpoint.accept_session()
        client.expect_welcome()
        client.send_order("a1")
        assert session.wait_for("NewOrderSingle")["message"]["ClOrdID"] == "a1"
        session.next_message().process()
        assert client.told() == "accepted a1"
        session.send(client.canceled("a1"), sequence=-1)
        assert [client.told(), client.told()] == ["canceled a1", "canceled a1"]
        with pytest.raises(VerbError, match="where protocol ouch-too has it is not known"):
            session.send(client.canceled("a1"), length=1)
        session.drop("half-open")
        client.close()
        session.wait_for("disconnect")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_messages_for_an_engine_of_ones_own_wait_as_well(protocol: str) -> None:
    with Exchange(plugins="tests") as exchange:
        exchange.load_engine("counting", "tests.plugin_parts:Counting")
        endpoint = exchange.create_engine("plugged", "counting").create_endpoint("orders", protocol)
        exchange.set_engine_property("plugged", "auto_receive", False)
        client, session = logged_on(endpoint)
        client.send_order("a1")
        client.send_order("a2")
        first, second = session.next_message(), session.next_message()
        second.process()
        assert client.told() == "accepted a2"
        first.process()
        assert client.told() == "accepted a1"


# ------------------------------------------------------------------------------------------------- endpoints
@pytest.fixture(scope="module")
def proxied() -> Iterator[Exchange]:
    """An exchange that has the endpoints of tests/plugin_endpoints.py."""
    with Exchange(plugins="tests") as exchange:
        exchange.create_engine("main").create_book("aapl", "AAPL")
        for name, kind in (("ouch-proxied", "ProxiedOuch"), ("board", "Board")):
            exchange.load_protocol(name, f"tests.plugin_endpoints:{kind}")
        yield exchange


def behind(endpoint: Endpoint) -> OuchPeer:
    """A client behind a proxy."""
    client = OuchPeer(endpoint)
    client.client.socket.sendall(b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 9001\r\n")
    return client


def test_an_endpoint_of_ones_own_is_held_as_what_it_is_derived_from(proxied: Exchange) -> None:
    endpoint = proxied.create_endpoint("orders", "main", "ouch-proxied")
    for name in ("auto_accept", "auto_receive"):
        endpoint.set_property(name, False)
    client = behind(endpoint)
    client.log_on()
    session = endpoint.accept_session()
    client.expect_welcome()
    assert session.name == client.session
    assert proxied.statistics()["gateway-1"]["endpoints"]["orders"]["sources"] == ["10.1.2.3"]
    client.send_order("a1")
    message = session.next_message()
    assert (message["MsgType"], message["ClOrdID"]) == ("NewOrderSingle", "a1")
    message.process()
    assert client.told() == "accepted a1"
    session.send(client.canceled("a1"))
    assert client.told() == "canceled a1"
    session.drop("half-open")
    assert [row["state"] for row in endpoint.connections()] == ["half-open"]
    client.close()
    session.wait_for("disconnect")


def test_clients_who_are_there_already_are_held_from_then_on(proxied: Exchange) -> None:
    endpoint = proxied.create_endpoint("late", "main", "ouch-proxied")
    client = behind(endpoint)
    client.log_on()
    client.expect_welcome()
    client.send_order("b1")
    assert client.told() == "accepted b1"
    endpoint.set_property("auto_receive", False)
    client.send_order("b2")
    session = endpoint.session(client.session)
    session.next_message().process()
    assert client.told() == "accepted b2"
    client.close()


def test_an_endpoint_without_a_hand_says_so_at_once(proxied: Exchange) -> None:
    endpoint = proxied.create_endpoint("board", "main", "board")
    endpoint.set_property("auto_accept", False)
    with socket.create_connection(endpoint.address) as client:
        assert client.recv(100) == b"no news\n"
        assert [row["endpoint"] for row in endpoint.connections()] == ["board"]
        for verb, *more in (("accept_session",), ("reject_session",), ("next_message", "somebody")):
            with pytest.raises(VerbError, match="protocol board cannot be held in the hand") as caught:
                proxied.call(verb, endpoint, *more, timeout_ms=4_000)
            assert (caught.value.code, caught.value.field) == ("wrong_state", "endpoint")
