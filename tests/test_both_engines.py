"""Every property of an engine and of an endpoint, as clients of OUCH and of FIX meet it."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.both_world import PATIENCE_S, SYMBOL, Client, Floor, shows, wait_for
from tests.fix_gateway_world import FixClient as RawFix
from tests.gateway_world import Client as RawOuch

CERTIFICATES = Path(__file__).parent / "certificates"
HAS_HEARTBTINT = "FIX has the HeartBtInt of the client's Logon instead"
SOON_MS = 60


# ------------------------------------------------------------------------------------------------- engines
@shows("engine max_quantity", verbs="create_engine create_book set_engine_property")
def test_larger_orders_are_refused(floor: Floor) -> None:
    floor.engine.set_property("max_quantity", 500)
    client = floor.client()
    client.buy(SYMBOL, 501, "10").expect_rejected("invalid quantity")
    client.buy(SYMBOL, 500, "10").expect_accepted()


@shows("engine max_open_orders")
def test_a_session_has_so_many_open_orders(floor: Floor) -> None:
    floor.engine.set_property("max_open_orders", 2)
    client = floor.client()
    first = client.buy(SYMBOL, 1, "10").expect_accepted()
    client.buy(SYMBOL, 1, "10").expect_accepted()
    client.buy(SYMBOL, 1, "10").expect_rejected("limit reached")
    first.cancel().expect_canceled(1)
    client.buy(SYMBOL, 1, "10").expect_accepted()


@shows("engine seed")
def test_chance_comes_from_the_seed(floor: Floor) -> None:
    def fates(seed: int) -> list[str]:
        floor.engine.set_property("seed", seed)
        policy = floor.engine.add_policy("chance", "auto-reject", book=floor.book.name, probability=50)
        orders = [client.buy(SYMBOL, 1, "10") for _ in range(24)]
        floor.ping(client)
        policy.delete()
        return [order.status for order in orders]

    client = floor.client()
    first, second, third = fates(5), fates(6), fates(5)
    assert set(first) == {"open", "rejected"} and first != second
    assert third == first  # the same name and seed: whatever was there before


# ------------------------------------------------------------------------------------------------- endpoints
@shows("endpoint cancel_on_disconnect", verbs="create_endpoint set_protocol_property")
@pytest.mark.parametrize("cancels", [False, True])
def test_orders_go_with_their_connection_where_that_is_said(floor: Floor, cancels: bool) -> None:
    floor.endpoint().set_property("cancel_on_disconnect", cancels)
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    client.drop()
    if cancels:
        floor.book.expect_best(bid=None)
    client.reconnect()
    order.expect_canceled(100, "disconnect") if cancels else order.cancel().expect_canceled(100, "user")


@shows("endpoint cancel_grace_ms")
def test_whoever_comes_back_in_time_keeps_his_orders(floor: Floor) -> None:
    port = floor.endpoint()
    port.set_property("cancel_on_disconnect", True)
    port.set_property("cancel_grace_ms", 60_000)
    clock = floor.stop_clock()
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    lose(floor, client)
    clock.advance(seconds=59)
    client.reconnect()
    clock.advance(seconds=30)
    floor.ping(client)
    order.expect_open(100)
    port.set_property("cancel_grace_ms", 5_000)
    lose(floor, client)
    clock.advance(seconds=5)
    client.reconnect()
    order.expect_canceled(100, "disconnect")


def lose(floor: Floor, client: Client) -> None:
    """Have a connection end, and the exchange know it."""
    client.drop()
    wait_for(lambda: not floor.exchange.list("sessions")[0]["connection"])


@shows("endpoint heartbeat_ms", fix=HAS_HEARTBTINT)
def test_an_idle_exchange_sends_heartbeats(floor: Floor) -> None:
    floor.endpoint().set_property("heartbeat_ms", SOON_MS)
    with RawOuch(floor.endpoint().port) as client:
        client.login("ANN")
        assert [client.packet(heartbeats=True)[:1] for _ in range(4)] == [b"A", b"S", b"H", b"H"]


@shows("endpoint receive_timeout_ms", fix=HAS_HEARTBTINT)
def test_a_silent_client_is_dropped(floor: Floor) -> None:
    floor.endpoint().set_property("receive_timeout_ms", SOON_MS)
    with RawOuch(floor.endpoint().port) as client:
        client.login("ANN")
        assert [client.packet()[:1] for _ in range(3)] == [b"A", b"S", b""]


@shows("endpoint login_timeout_ms")
def test_whoever_does_not_log_in_in_time_is_dropped(floor: Floor) -> None:
    floor.endpoint().set_property("login_timeout_ms", SOON_MS)
    with socket.create_connection(floor.endpoint().address, PATIENCE_S) as connection:
        assert connection.recv(1) == b""


@shows("endpoint max_connections")
def test_more_connections_are_closed_at_once(floor: Floor) -> None:
    floor.endpoint().set_property("max_connections", 1)
    client = floor.client()
    with socket.create_connection(floor.endpoint().address, PATIENCE_S) as connection:
        assert connection.recv(1) == b""
    client.buy(SYMBOL, 100, "10").expect_accepted()


@shows("endpoint write_buffer_max")
def test_a_client_that_does_not_read_is_dropped(floor: Floor) -> None:
    floor.endpoint().set_property("write_buffer_max", 10_000)
    other = floor.client("BOB")
    with raw(floor) as slow:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        with pytest.raises(OSError):
            slow.socket.settimeout(PATIENCE_S)
            for number in range(1_000):
                slow.socket.sendall(much(slow, number))
    other.buy(SYMBOL, 100, "10").expect_accepted()


def raw(floor: Floor) -> Any:
    """A client on a plain socket that has logged on."""
    if floor.is_fix:
        client = RawFix(floor.endpoint().port, "SLOW", "FIX.4.4")
        client.log_on()
        assert client.read() is not None
        return client
    ouch = RawOuch(floor.endpoint().port)
    ouch.login("SLOW")
    assert ouch.packet()[:1] == b"A"
    return ouch


def much(client: Any, number: int) -> bytes:
    """Bytes that are answered with about as many."""
    if isinstance(client, RawFix):
        return client.message(f"35=1|112={'x' * 30_000}")
    from openoutcry.clients.ouch import enter_order

    payloads = [enter_order(f"{number:05}{place:09}", "B", 1, SYMBOL, "10") for place in range(600)]
    return b"".join((len(payload) + 1).to_bytes(2, "big") + b"U" + payload for payload in payloads)


# ------------------------------------------------------------------------------------------------- TLS
def trusting(certificate: str = "") -> ssl.SSLContext:
    """What a client trusts, and what it shows itself to be."""
    found = ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))
    if certificate:
        found.load_cert_chain(CERTIFICATES / f"{certificate}.pem", CERTIFICATES / f"{certificate}.key")
    return found


def greet(floor: Floor, context: ssl.SSLContext, name: str = "localhost") -> bool:
    """Log on through TLS; whether that was answered."""
    with socket.create_connection(floor.endpoint().address, PATIENCE_S) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=name) as connection:
                connection.sendall(logon(floor))
                return bool(connection.recv(1))
        except (ssl.SSLError, ConnectionError) as error:
            if isinstance(error, ssl.SSLCertVerificationError):
                raise
            return False


def logon(floor: Floor) -> bytes:
    """A Logon, or a Login Request."""
    if floor.is_fix:
        from tests.fix_wire import framed, stamp

        return framed(["8=FIX.4.4", "35=A", "34=1", "49=TLS", f"52={stamp()}", "56=EX", "98=0", "108=30"])
    from openoutcry.gateway.soupbintcp import ClientSession

    return ClientSession(0).login("TLS", "")


@shows("endpoint tls_certificate", "endpoint tls_key", "endpoint tls_client_ca", "endpoint tls_certificates")
def test_an_endpoint_speaks_tls(floor: Floor) -> None:
    port = floor.endpoint()
    other = f"other.example={CERTIFICATES / 'other.pem'}:{CERTIFICATES / 'other.key'}"
    port.set_property("tls_key", str(CERTIFICATES / "server.key"))
    port.set_property("tls_certificate", str(CERTIFICATES / "server.pem"))
    port.set_property("tls_certificates", other)
    assert greet(floor, trusting()) and greet(floor, trusting(), "other.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(floor, trusting(), "elsewhere.example")
    with socket.create_connection(port.address, PATIENCE_S) as plain:
        plain.sendall(logon(floor))
        plain.settimeout(PATIENCE_S)
        assert plain.recv(100)[:1] in (b"", b"\x15")  # nothing, or an alert of TLS
    port.set_property("tls_client_ca", str(CERTIFICATES / "authority.pem"))
    assert greet(floor, trusting("client")) and not greet(floor, trusting())
