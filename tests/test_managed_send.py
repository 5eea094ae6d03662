"""Managed mode over both protocols: messages that a hand sends, right and broken ones; connections that it ends."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import Exchange
from openoutcry.handles import Endpoint
from openoutcry.sessions import Session
from tests.fix_gateway_world import until
from tests.managed_world import (
    FixPeer,
    OuchPeer,
    Peer,
    gone,
    logged_on,
    market,
    over_fix,
    over_ouch,
    peer,
    refusal,
    states,
)

pytestmark = pytest.mark.usefixtures("closed_peers")


@pytest.fixture
def ouch(exchange: Exchange) -> Endpoint:
    return market(exchange, "ouch42")


@pytest.fixture
def fix(exchange: Exchange) -> Endpoint:
    return market(exchange, "fix44")


# ------------------------------------------------------------------------------------------------- sending
def test_a_message_becomes_the_sessions_next_and_can_be_asked_for_again(endpoint: Endpoint) -> None:
    client, session = logged_on(endpoint)
    first = client.sequence
    row = session.send(client.canceled("x1"))
    assert (row["sequence"], row["sent"]) == (first, True)
    assert client.told() == "canceled x1"
    client.send_order("a1")
    assert client.told() == "accepted a1"
    client.close()
    gone(endpoint)
    client.sequence = first
    client.connect()
    client.log_on()
    if isinstance(client, OuchPeer):
        assert client.client.packet()[:1] == b"A"
    else:
        client.expect_welcome()
        client.ask_again(first)
    assert [client.told(), client.told()] == ["canceled x1", "accepted a1"]


def test_a_message_for_a_client_that_is_away_waits_for_it(endpoint: Endpoint) -> None:
    client, session = logged_on(endpoint)
    client.close()
    gone(endpoint)
    missed = client.sequence
    assert session.send(client.canceled("x1"))["sent"] is False
    client.connect()
    client.log_on()
    client.expect_welcome()
    client.ask_again(missed)
    assert client.told() == "canceled x1"


def test_messages_that_cannot_be_written_are_refused_by_the_field(exchange: Exchange, endpoint: Endpoint) -> None:
    client, session = logged_on(endpoint)
    good = client.canceled("x1")
    assert refusal(session.send, {**good, "Sied": "1"}) == ("bad_argument", "Sied")
    assert refusal(session.send, {"MsgType": "Nonsense"}) == ("bad_argument", "MsgType")
    send = exchange.send_session_message
    assert refusal(send, endpoint, client.session) == ("bad_argument", "message")
    assert refusal(send, endpoint, client.session, good, b"x") == ("bad_argument", "message")
    assert refusal(send, endpoint, client.session, "[1]") == ("bad_argument", "message")
    assert refusal(send, endpoint, client.session, "{") == ("bad_argument", "message")
    assert refusal(send, endpoint, client.session, raw="xyz") == ("bad_argument", "raw")
    assert refusal(send, endpoint, client.session, raw="00", sequence=1) == ("bad_argument", "raw")
    assert refusal(send, endpoint, "nobody", good) == ("unknown_name", "session")
    assert refusal(session.send, good, length=-60_000) == ("bad_argument", "length")
    session.send(good)
    assert client.told() == "canceled x1"  # and nothing of all that has used up a number


def test_a_broken_message_needs_a_client_that_is_there(endpoint: Endpoint) -> None:
    client, session = logged_on(endpoint)
    client.close()
    gone(endpoint)
    for wrong in ({"sequence": 1}, {"sequence": -1}, {"length": 1}):
        assert refusal(session.send, client.canceled("x1"), **wrong) == ("wrong_state", "session")
    assert refusal(session.send, b"bytes") == ("wrong_state", "session")


def test_raw_bytes_are_sent_as_they_are(ouch: Endpoint) -> None:
    client, session = over_ouch(ouch)
    session.send(b"\x00\x04+hey")
    assert client.packet() == b"+hey"
    session.send(client.canceled("x1"))
    assert client.told() == "canceled x1"


def test_raw_bytes_are_sent_as_they_are_over_fix(fix: Endpoint) -> None:
    client, session = over_fix(fix)
    session.send(b"8=FIX.4.4\x01garbage")
    assert client.client.socket.recv(100) == b"8=FIX.4.4\x01garbage"


# ------------------------------------------------------------------------------------------------- FIX: broken ones
def news(text: str) -> dict[str, Any]:
    return {"MsgType": "News", "Headline": text, "NoLinesOfText": [{"Text": text}]}


def test_a_skipped_number_is_missed_and_filled_as_a_gap(fix: Endpoint) -> None:
    client, session = over_fix(fix)
    assert session.send(news("one"), sequence=2)["sequence"] == 4
    client.client.expect("35=B|34=4|33=1|58=one|148=one")
    client.client.send("35=2|7=2|16=3")
    client.client.expect("35=4|34=2|43=Y|122=*|36=4|123=Y")
    session.send(news("two"))
    client.client.expect("35=B|34=5|33=1|58=two|148=two")


def test_a_repeated_number_is_too_low_and_the_first_of_it_is_kept(fix: Endpoint) -> None:
    client, session = over_fix(fix)
    session.send(news("one"))
    session.send(news("again"), sequence=-1)
    session.send(news("two"))
    client.client.expect(
        "35=B|34=2|33=1|58=one|148=one", "35=B|34=2|33=1|58=again|148=again", "35=B|34=3|33=1|58=two|148=two"
    )
    client.client.send("35=2|7=2|16=2")
    client.client.expect("35=B|34=2|43=Y|122=*|33=1|58=one|148=one")
    assert refusal(session.send, news("three"), sequence=-4) == ("bad_argument", "sequence")


@pytest.mark.parametrize("wrong", [{"checksum": 1}, {"checksum": -255}, {"length": 1}, {"length": -1}])
def test_a_message_made_wrong_on_its_way_is_right_when_it_is_asked_for_again(fix: Endpoint, wrong: Any) -> None:
    client, session = over_fix(fix)
    session.send(news("one"), **wrong)
    whole = b""
    while not whole.endswith(b"148=one\x0110=") and b"\x0110=" not in whole[:-4]:
        whole += client.client.socket.recv(100)
    body = whole[: whole.index(b"10=", 20)]
    length = len(body) - body.index(b"35=")
    said = int(body.split(b"\x01")[1].removeprefix(b"9="))
    sum_said = int(whole.rsplit(b"10=", 1)[1].rstrip(b"\x01"))
    assert said - length == wrong.get("length", 0)
    assert (sum_said - sum(body)) % 256 == wrong.get("checksum", 0) % 256
    client.client.send("35=2|7=2|16=2")
    client.client.expect("35=B|34=2|43=Y|122=*|33=1|58=one|148=one")


def test_a_message_of_the_session_layer_is_sent_and_never_again(fix: Endpoint) -> None:
    client, session = over_fix(fix)
    session.send({"MsgType": "TestRequest", "TestReqID": "there?"})
    client.client.expect("35=1|34=2|112=there?")
    client.client.send("35=2|7=2|16=2")
    client.client.expect("35=4|34=2|43=Y|122=*|36=3|123=Y")


# ------------------------------------------------------------------------------------------------- OUCH: broken ones
def test_a_skipped_number_is_stored_and_not_sent(ouch: Endpoint) -> None:
    client, session = over_ouch(ouch)
    assert session.send(client.canceled("x1"), sequence=2)["sequence"] == 4
    assert client.told() == "canceled x1"
    assert client.sequence == 3  # as it counts
    client.close()
    gone(ouch)
    client.connect()
    client.log_on()
    assert client.client.packet()[:1] == b"A"
    assert [client.told(), client.told()] == ["canceled x1", "canceled x1"]


def test_a_repeated_number_is_sent_twice(ouch: Endpoint) -> None:
    client, session = over_ouch(ouch)
    assert session.send(client.canceled("x1"), sequence=-1)["sequence"] == 2
    assert [client.told(), client.told()] == ["canceled x1", "canceled x1"]
    session.send(client.canceled("x2"))
    assert client.told() == "canceled x2"
    assert refusal(session.send, client.canceled("x3"), sequence=5_000) == ("bad_argument", "sequence")
    assert refusal(session.send, client.canceled("x3"), checksum=1) == ("bad_argument", "checksum")


def test_a_wrong_length_is_the_packets(ouch: Endpoint) -> None:
    client, session = over_ouch(ouch)
    row = session.send(client.canceled("x1"), length=-3)
    assert int(row["raw"][:4], 16) - (len(row["raw"]) // 2 - 2) == -3
    assert len(client.packet()) == len(row["raw"]) // 2 - 2 - 3


# ------------------------------------------------------------------------------------------------- ending
def test_a_clean_end_is_the_protocols(endpoint: Endpoint) -> None:
    client, session = logged_on(endpoint)
    session.drop()
    if isinstance(client, FixPeer):
        assert client.told() == "logout"
        client.log_out()
    assert client.told() == ""
    session.wait_for("disconnect")
    client.connect()
    client.log_on()
    endpoint.wait_for("logged_on", since=session.since)


@pytest.mark.parametrize("verb", ["drop_session", "logout_session", "end_of_day", "delete_endpoint"])
def test_who_does_not_answer_a_logout_is_closed_although_the_clock_stands_still(exchange: Exchange, verb: str) -> None:
    endpoint = market(exchange, "fix44")
    endpoint.create_session(SenderCompID="OO", TargetCompID="CLIENT", LogoutTimeout=1)
    client, session = over_fix(endpoint)
    exchange.clock.stop()
    arguments = {"end_of_day": ("main",), "delete_endpoint": ("orders",)}.get(verb, ("orders", session.name))
    exchange.call(verb, *arguments)
    assert [client.told(), client.told()] == ["logout", ""]


def test_a_reset_is_one(endpoint: Endpoint) -> None:
    client, session = logged_on(endpoint)
    session.drop("reset")
    assert states(endpoint) == []
    with pytest.raises(ConnectionResetError):
        client.client.socket.recv(100)


def test_half_open_swallows_everything_and_says_nothing(exchange: Exchange, endpoint: Endpoint) -> None:
    endpoint.set_property("heartbeat_ms", 10)
    client, session = logged_on(endpoint)
    session.drop("half-open")
    assert states(endpoint) == ["half-open"]
    client.send_order("a1")
    client.client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.client.socket.recv(100)
    assert exchange.orders("aapl") == []
    assert refusal(session.drop) == ("wrong_state", "session")
    if isinstance(client, FixPeer):
        client.number -= 1  # nobody has taken that order
    other, _ = logged_on_again(endpoint, client)  # the session is free for another connection
    other.send_order("a2")
    assert other.told() == "accepted a2"
    assert states(endpoint) == ["half-open", "logged on"]
    client.client.socket.close()
    until(lambda: states(endpoint) == ["logged on"], "the client gone")


def logged_on_again(endpoint: Endpoint, before: Peer) -> tuple[Peer, Session]:
    """The same client over another connection, the old one left as it is."""
    client = peer(endpoint)
    client.sequence = before.sequence
    if isinstance(client, FixPeer) and isinstance(before, FixPeer):
        client.client.number = client.number = before.number
    client.log_on()
    client.expect_welcome()
    return client, endpoint.session(client.session)


def test_half_open_ends_with_the_endpoint(endpoint: Endpoint) -> None:
    client, session = logged_on(endpoint)
    session.drop("half-open")
    endpoint.delete()
    client.client.socket.settimeout(10)
    try:
        assert client.client.socket.recv(100) == b""
    except ConnectionResetError:
        pass


def test_cancel_on_disconnect_counts_a_dropped_connection(exchange: Exchange, endpoint: Endpoint) -> None:
    endpoint.set_property("cancel_on_disconnect", True)
    client, session = logged_on(endpoint)
    for how in ("reset", "half-open"):
        client.send_order(f"a-{how}".replace("-", ""))
        assert client.told().startswith("accepted")
        session.drop(how)
        until(lambda: exchange.orders("aapl") == [], "cancelled")
        client, session = logged_on_again(endpoint, client)
        if isinstance(client, FixPeer):
            break  # it has missed a report, which is another test's matter
        assert client.told().startswith("canceled")
