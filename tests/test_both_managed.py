"""Sessions held in the hand, as the test kit's clients of OUCH and of FIX meet it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from openoutcry.errors import ClientError
from openoutcry.sessions import Session
from openoutcry.testkit import Order
from tests.both_world import SYMBOL, Client, Floor, shows, wait_for


def name_of(floor: Floor, who: str = "ANN") -> str:
    """What the exchange calls a client's session."""
    return f"FIX.4.4:EXCHANGE->{who}" if floor.is_fix else who


def held(floor: Floor) -> tuple[Client, Session]:
    """A client whose messages wait, and its session."""
    client = floor.client()
    session = floor.endpoint().session(name_of(floor))
    session.auto_receive = False
    return client, session


# ------------------------------------------------------------------------------------------------- log-ons
@shows("endpoint auto_accept", verbs="accept_session wait_for")
def test_a_client_is_let_in_by_hand(floor: Floor) -> None:
    endpoint = floor.endpoint()
    endpoint.set_property("auto_accept", False)
    with ThreadPoolExecutor() as pool:
        coming = pool.submit(floor.client)
        assert endpoint.wait_for("logon")["session"] == name_of(floor)
        assert not coming.done()
        assert endpoint.accept_session().name == name_of(floor)
        client = coming.result()
    client.buy(SYMBOL, 100, "10").expect_accepted()


@shows(verbs="reject_session")
def test_or_it_is_not(floor: Floor) -> None:
    endpoint = floor.endpoint()
    endpoint.set_property("auto_accept", False)
    with ThreadPoolExecutor() as pool:
        coming = pool.submit(floor.client)
        endpoint.wait_for("logon")
        endpoint.reject_session("not today")
        with pytest.raises(ClientError, match="not today" if floor.is_fix else "rejected|refused"):
            coming.result()


# ------------------------------------------------------------------------------------------------- messages
HOLDERS: dict[str, Callable[[Floor, bool], None]] = {
    "engine": lambda floor, on: floor.engine.set_property("auto_receive", on),
    "endpoint": lambda floor, on: floor.endpoint().set_property("auto_receive", on),
    "session": lambda floor, on: floor.exchange.set_session_property(
        floor.endpoint(), name_of(floor), "auto_receive", on
    ),
}


@shows("engine auto_receive", "endpoint auto_receive", "session auto_receive",
       verbs="next_message process_message discard_message")  # fmt: skip
@pytest.mark.parametrize("holder", HOLDERS)
def test_messages_wait_for_the_hand(floor: Floor, holder: str) -> None:
    client = floor.client()
    session = floor.endpoint().session(name_of(floor))
    HOLDERS[holder](floor, False)
    first, second, third = (client.buy(SYMBOL, quantity, "10") for quantity in (1, 2, 3))
    messages = [session.next_message() for _ in range(3)]
    assert [(m["MsgType"], m["ClOrdID"], m["OrderQty"]) for m in messages] == [
        ("NewOrderSingle", order.name, order.quantity) for order in (first, second, third)
    ]
    messages[1].process()
    second.expect_accepted()
    messages[0].discard()
    HOLDERS[holder](floor, True)  # what waits still goes on
    third.expect_accepted()
    assert first.status == "sent"


def canceled(floor: Floor, order: Order) -> dict[str, Any]:
    """A report that the exchange has no reason for."""
    report = {"MsgType": "ExecutionReport", "ClOrdID": order.name, "ExecType": "4", "OrdStatus": "4"}
    if not floor.is_fix:
        return {**report, "CxlQty": order.open}
    return {**report, "OrderID": "77", "ExecID": "x-1", "Side": "1", "Symbol": SYMBOL, "OrderQty": order.quantity,
            "CumQty": 0, "LeavesQty": 0, "AvgPx": "0"}  # fmt: skip


@shows(verbs="send_session_message set_session_property")
def test_a_client_is_told_what_never_happened(floor: Floor) -> None:
    client, session = held(floor)
    session.auto_receive = True
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    session.send(canceled(floor, order))
    order.expect_canceled(100)
    assert floor.bids() == [["10", 100, 1]]
    client.buy(SYMBOL, 10, "10").expect_accepted()  # and its numbers are as they should be


@shows(verbs="next_message wait_for send_session_message")
def test_messages_have_their_protocols_own_names_on_request(floor: Floor) -> None:
    client, session = held(floor)
    order = client.buy(SYMBOL, 100, "10")
    found = floor.exchange.next_message(floor.endpoint(), str(session), 4_000, native=True)
    again = floor.exchange.wait_for(floor.endpoint(), "NewOrderSingle", str(session), 4_000, native=True)
    assert found is not None and again is not None and found["message"] == again["message"]
    names = ("35", "11", "38", "55") if floor.is_fix else ("message_type", "order_token", "shares", "stock")
    assert [str(found["message"][name]) for name in names] == ["D" if floor.is_fix else "O", order.name, "100", SYMBOL]
    session.process()
    order.expect_accepted()
    report = {"35": "8", "37": "77", "17": "x-1", "150": "4", "39": "4", "11": order.name, "54": "1", "55": SYMBOL,
              "38": "100", "14": "0", "151": "0", "6": "0"}  # fmt: skip
    canceled = {"message_type": "C", "order_token": order.name, "decrement_shares": 100, "reason": "U"}
    session.send(report if floor.is_fix else canceled, native=True)
    order.expect_canceled(100)


@shows(verbs="send_session_message")
def test_a_client_is_sent_garbage(floor: Floor) -> None:
    """FIX passes it over, and for SoupBinTCP it is the end."""
    client, session = held(floor)
    session.send(b"\x00\x04?garbage" * 10)
    session.auto_receive = True
    if floor.is_fix:
        client.buy(SYMBOL, 100, "10").expect_accepted()
    else:
        with pytest.raises((ClientError, AssertionError)):
            client.buy(SYMBOL, 100, "10").expect_accepted()


@shows(verbs="drop_session")
@pytest.mark.parametrize("how", ["clean", "reset", "half-open"])
def test_a_connection_ends_as_badly_as_wanted(floor: Floor, how: str) -> None:
    client, session = held(floor)
    session.auto_receive = True
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    session.drop(how)
    wait_for(lambda: not floor.exchange.list("sessions")[0]["connection"])
    if how == "half-open":
        client.buy(SYMBOL, 1, "10")  # it is swallowed
    client.drop()
    client.reconnect()
    order.cancel().expect_canceled(100)
