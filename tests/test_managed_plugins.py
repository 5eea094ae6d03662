"""Managed mode with protocols and engines of somebody's own."""

from __future__ import annotations

import pytest

from openoutcry import Exchange
from openoutcry.errors import VerbError
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
