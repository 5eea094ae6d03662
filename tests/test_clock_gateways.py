"""What a gateway does by the exchange's clock, over both protocols: heartbeats, silence, time-outs, schedules."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from openoutcry import Exchange, OpenOutcryError
from openoutcry.fix.times import parse_stamp
from tests.clock_world import HOUR, SECOND, SilentFix, SilentOuch, market, nothing_comes, silent
from tests.fix_wire import stamp

PROTOCOLS = pytest.mark.parametrize("protocol", ["ouch", "fix"])
BEAT = {"ouch": "H", "fix": "0"}


@PROTOCOLS
def test_a_heartbeat_is_sent_when_the_clock_says_so(exchange: Exchange, protocol: str) -> None:
    market(exchange)
    with silent(protocol, exchange) as client:
        exchange.clock.advance(seconds=client.heartbeat_s - 0.001)
        assert client.heard() == []
        exchange.clock.advance(seconds=client.heartbeat_s)
        assert client.heard() == [BEAT[protocol]]


@PROTOCOLS
def test_hours_that_are_skipped_are_one_heartbeat_and_no_silence(exchange: Exchange, protocol: str) -> None:
    market(exchange)
    with silent(protocol, exchange) as client:
        exchange.clock.advance(hours=8)
        assert client.heard() == [BEAT[protocol]]


@PROTOCOLS
def test_silence_ends_a_connection_at_once(exchange: Exchange, protocol: str) -> None:
    market(exchange)
    with silent(protocol, exchange) as client:
        exchange.clock.advance(seconds=client.dead_after_s - 0.001, silent=True)
        before = client.heard()
        exchange.clock.advance(hours=1, silent=True)
        assert (before, client.ended()) == {"ouch": (["H"], []), "fix": (["0", "1"], ["0", "1"])}[protocol]


def test_a_long_silence_over_fix_is_a_test_request_and_then_the_end(exchange: Exchange) -> None:
    market(exchange)
    with silent("fix", exchange) as client:
        exchange.clock.advance(hours=1, silent=True)
        assert client.ended() == ["0", "1"]


def test_a_test_request_that_is_answered_is_no_silence(exchange: Exchange) -> None:
    market(exchange)
    with silent("fix", exchange) as client:
        for _ in range(3):
            exchange.clock.advance(seconds=36, silent=True)
            while (test := client.next())[35] != "1":
                assert test[35] == "0"
            client.client.send(f"35=0|112={test[112]}")
            assert client.heard() == []


@PROTOCOLS
def test_a_clock_that_goes_is_the_same_when_it_is_moved(exchange: Exchange, protocol: str) -> None:
    market(exchange, stop=False)
    with silent(protocol, exchange) as client:
        exchange.clock.advance(hours=8)
        assert BEAT[protocol] in client.heard()
        exchange.clock.advance(hours=8, silent=True)
        assert client.ended() == {"ouch": [], "fix": ["0", "1"]}[protocol]


@PROTOCOLS
def test_a_clock_that_is_started_lets_silence_go_on_from_where_it_was(exchange: Exchange, protocol: str) -> None:
    market(exchange)
    with silent(protocol, exchange) as client:
        exchange.clock.advance(seconds=client.dead_after_s - 0.3, silent=True)
        exchange.clock.start()
        assert client.ended() == {"ouch": ["H"], "fix": ["0", "1"]}[protocol]


@PROTOCOLS
def test_a_login_has_time_unless_it_is_silent(exchange: Exchange, protocol: str) -> None:
    market(exchange)
    with silent(protocol, exchange, login=False) as client:
        exchange.clock.advance(hours=1)
        nothing_comes(client.client.socket, 0.05)
        exchange.clock.advance(seconds=30, silent=True)
        assert client.ended() == []


def test_end_time_of_a_fix_session_comes_with_the_clock(exchange: Exchange) -> None:
    market(exchange)
    exchange.clock.advance_to("12:00")
    exchange.create_session("fix", Template=True, StartTime="08:00:00", EndTime="17:30:00", HeartBtInt=30)
    with silent("fix", exchange) as client:
        exchange.clock.advance_to("17:29:59")
        assert client.heard() == ["0"]
        exchange.clock.advance(seconds=1)
        (logout,) = client.ended()
        assert logout == "5"
    refused = SilentFix(exchange, login=False)
    refused.client.log_on()
    assert refused.ended() == []
    refused.close()
    exchange.clock.advance_to("08:00")
    with silent("fix", exchange) as client:
        assert client.heard() == []
        assert client.client.number == 3  # the numbers have begun again: our second message was expected as such


def test_sending_time_is_the_hosts_and_transact_time_the_exchanges(exchange: Exchange) -> None:
    t0 = market(exchange)
    exchange.clock.advance(days=30)
    with silent("fix", exchange) as client:
        client.client.send(f"35=D|11=a|21=1|38=100|40=2|44=10|54=1|55=AAPL|60={stamp()}")
        report = client.next()
        assert report[35] == "8"
        assert abs(parse_stamp(report[52].encode()) - time.time_ns()) < HOUR
        stands_ns = t0 + 30 * 24 * HOUR
        assert parse_stamp(report[60].encode()) == stands_ns - stands_ns % 10**6


def test_ouch_time_stamps_are_the_exchanges(exchange: Exchange) -> None:
    market(exchange)
    exchange.clock.advance_to("16:30")
    client = exchange.ouch_client("ouch")
    token = client.enter("AAPL", "B", 100, "10")
    assert client.wait_for("A", order_token=token).timestamp == (16 * 3600 + 1800) * SECOND


def test_no_client_is_dropped_while_the_clock_stands(exchange: Exchange) -> None:
    """Whatever its own time-outs are: time does not go on."""
    market(exchange)
    exchange.set_protocol_property("ouch", "receive_timeout_ms", 100)
    exchange.set_protocol_property("ouch", "heartbeat_ms", 100)
    with silent("ouch", exchange) as client:
        nothing_comes(client.client.socket, 0.4)
        exchange.clock.advance(seconds=0.1, silent=True)
        assert client.ended() == []


@pytest.mark.exchange(gateways=2)
def test_all_gateways_follow_the_clock(exchange: Exchange) -> None:
    exchange.create_engine("main")
    exchange.create_book("aapl", "main", "AAPL")
    for number in (1, 2):
        exchange.create_endpoint(f"ouch-{number}", "main", "ouch42", f"gateway-{number}")
    exchange.clock.stop()
    clients = [SilentOuch(exchange, f"ouch-{number}") for number in (1, 2)]
    exchange.clock.advance(seconds=1)
    assert [client.heard() for client in clients] == [["H"], ["H"]]
    exchange.clock.advance(seconds=15, silent=True)
    assert [client.ended() for client in clients] == [[], []]
    for client in clients:
        client.close()


@pytest.mark.parametrize("victim", ["gateway-1", "matcher"])
def test_the_clock_survives_the_death_of_its_parts(exchange: Exchange, victim: str) -> None:
    t0 = market(exchange)
    exchange.create_session("fix", Template=True, StartTime="00:00:00", EndTime="23:59:59")
    exchange.clock.advance(hours=3)
    exchange.kill(victim)
    exchange.restart(victim)
    assert exchange.clock().time_ns == t0 + 3 * HOUR
    with silent("ouch", exchange) as client:
        exchange.clock.advance(seconds=1)
        assert client.heard() == ["H"]
        exchange.clock.start()
        ahead_ns = exchange.clock().offset_ns
        exchange.clock.advance(hours=1)
        exchange.clock.stop()
    exchange.kill(victim)
    exchange.restart(victim)
    exchange.clock.start()
    assert abs(exchange.clock().offset_ns - ahead_ns - HOUR) < HOUR // 2
    with silent("fix", exchange) as client:
        exchange.clock.advance(hours=1, silent=True)
        assert client.ended()[:2] == ["0", "1"]


def test_orders_that_come_after_an_advance_are_later_than_it(exchange: Exchange) -> None:
    t0 = market(exchange)
    client = exchange.fix_client("fix", HeartBtInt=30)
    expire = datetime.fromtimestamp((t0 + HOUR) / SECOND, UTC)
    text = f"{expire:%Y%m%d-%H:%M:%S}"
    kept = client.buy("AAPL", 100, "10", TimeInForce="6", ExpireTime=text).expect_accepted()
    exchange.clock.advance(hours=1, minutes=1)
    kept.expect_canceled(100)
    client.buy("AAPL", 100, "10", TimeInForce="6", ExpireTime=text).expect_rejected("time in force")


def test_a_client_that_reads_nothing_holds_nobody_up(exchange: Exchange) -> None:
    market(exchange)
    deaf = [SilentOuch(exchange, user=f"U{number}") for number in range(20)]
    with socket.create_connection(("127.0.0.1", exchange.endpoint("fix").port)):
        for _ in range(20):
            exchange.clock.advance(hours=1)
    for client in deaf:
        assert client.heard() == ["H"] * 20
        client.close()


@pytest.mark.parametrize("after_ms", [1, 4, 16])
def test_a_matcher_that_is_killed_on_the_way_goes_on_with_it_and_nothing_happens_twice(
    exchange: Exchange, after_ms: int
) -> None:
    market(exchange)
    exchange.clock.advance_to("08:00")
    client = exchange.ouch_client("ouch")
    tokens = [client.enter("AAPL", "B", 100, "10", time_in_force=1 + seconds) for seconds in range(500)]
    client.wait_for("A", order_token=tokens[-1])
    mover = threading.Thread(target=advance_if_possible, args=(exchange,))
    mover.start()
    time.sleep(after_ms / 1000)  # the kill is to come at any moment of the way
    exchange.kill("matcher")
    exchange.restart("matcher")
    mover.join()
    if exchange.clock.now.hour < 9:
        exchange.clock.advance_to("09:00")
    gone = [client.wait_for("C") for _ in tokens]
    assert [(message.order_token.strip(), message.timestamp // SECOND - 8 * 3600) for message in gone] == [
        (token, 1 + seconds) for seconds, token in enumerate(tokens)
    ]
    client.cancel(tokens[0])
    client.buy("AAPL", 100, "10").expect_accepted()
    assert exchange.clock().now.endswith("T09:00:00.000000000Z")


def advance_if_possible(exchange: Exchange) -> None:
    """Whether the verb was journaled before the matcher died is not known."""
    with suppress(OpenOutcryError):
        exchange.clock.advance(hours=1)
