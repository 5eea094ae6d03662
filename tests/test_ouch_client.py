"""openoutcry.clients: the blocking and the asyncio OUCH client against a real server on a loopback socket."""

from __future__ import annotations

import asyncio
import copy
import socket
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

import pytest

from openoutcry import wire
from openoutcry.clients.ouch import AsyncOuchClient, Message, MessageTimeout, OuchClient, enter_order
from openoutcry.errors import ClientError, LoginRejected, ProtocolError, VerbError
from openoutcry.gateway import ouch42
from tests.ouch_loopback import SESSION, OuchLoopback

HOST = "127.0.0.1"


@pytest.fixture
def server() -> Iterator[OuchLoopback]:
    with OuchLoopback() as running:
        yield running


def executed(token: str, shares: int) -> bytes:
    event = (wire.EXECUTED, 1, token.encode().ljust(14), shares, 150_25000000, wire.ADDED_LIQUIDITY, 9, 0, 2)
    return ouch42.render(event, 3)


# ------------------------------------------------------------------------------------------------- blocking
def test_an_order_from_enter_to_cancel(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as client:
        assert (client.session, client.connected) == (SESSION, True)
        start = client.next_message()
        assert (start.sequence, start.type, start.name, start.event_code) == (1, "S", "system_event", "S")
        token = client.enter("AAPL", "buy", 100, "150.25", firm="ME")
        accepted = client.wait_for("A", order_token=token)
        assert (accepted.shares, accepted.price, accepted.firm) == (100, Decimal("150.25"), "ME")
        new = client.replace(token, 80, Decimal("150.3"))
        replaced = client.wait_for("replaced")
        assert (replaced.replacement_order_token, replaced.previous_order_token) == (new, token)
        client.modify(new, "sell_short", 70)
        assert client.next_message().side == "T"
        client.cancel(new)
        assert client.next_message().fields["reason"] == "U"
        assert client.sequence == 6


def test_market_orders_and_rejects(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as client:
        client.enter("AAPL", "B", 100, None, token="MARKET1")
        assert client.wait_for("A", order_token="MARKET1").price == Decimal("214748.3647")
        client.enter("AAPL", "B", 0, "1", token="ZERO1")
        assert client.wait_for("J").reason == "Z"


def test_displays_and_crosses_come_back_as_they_were_entered(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as client:
        for display in "AYNPLMW":
            client.enter("AAPL", "B", 100, "10", display=display, token=f"D{display}")
            assert client.wait_for("A", order_token=f"D{display}").display == display
            client.replace(f"D{display}", 90, "10", display="N", token=f"N{display}")
            assert client.wait_for("U", replacement_order_token=f"N{display}").display == "N"
        for cross in "NOCH":
            client.enter("AAPL", "B", 100, None, cross_type=cross, token=f"C{cross}")
            assert client.wait_for("A", order_token=f"C{cross}").cross_type == cross


def test_messages_that_nobody_asked_for_are_understood(server: OuchLoopback) -> None:
    token = b"T".ljust(14)
    events = [
        (wire.SELF_MATCH, 1, token, 5, 5, 10**9, wire.REMOVED_LIQUIDITY, 0), (wire.BROKEN, 1, token, 7, 5, 10**9, 1),
        (wire.CORRECTED, 1, token, 7, 5, 10**9, 2), (wire.CANCEL_PENDING, 1, token),
        (wire.CANCEL_REJECTED, 1, token, 27, ""), (wire.RESTATED, 1, token, 9, 10**9, 0, 5, wire.RESTATED_PEGGED),
    ]  # fmt: skip
    with OuchClient(HOST, server.port) as client:
        client.wait_for("S")
        server.publish(*(ouch42.render(event, 3) for event in events))
        names = [client.next_message().name for _ in events]
    assert names == ["aiq_canceled", "broken_trade", "price_correction", "cancel_pending", "cancel_reject",
                     "order_priority_update"]  # fmt: skip


def test_prices_are_never_floats(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as client, pytest.raises(ProtocolError, match="price"):
        client.enter("AAPL", "B", 100, cast(Any, 150.25))


def test_raw_messages_leave_joined_and_as_they_are(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as client:
        client.send_raw(b"?", enter_order("A1", "B", 1, "AAPL", "1"), b"")
        client.wait_for("A", order_token="A1")
        client.send(message_type="X", order_token="A1", shares=0)
        client.wait_for("C")
    assert [data[:1] for data in server.received] == [b"?", b"O", b"", b"X"]


def test_tokens_are_new_for_every_order_and_client(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as one, OuchClient(HOST, server.port) as other:
        tokens = [client.new_token() for client in (one, other) for _ in range(1_000)]
        assert len(set(tokens)) == 2_000
        assert all(len(token) == 14 and token.isalnum() for token in tokens)


def test_wait_for_leaves_the_messages_that_it_passes_over(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as client:
        server.publish(executed("A", 1), executed("B", 2), executed("A", 3))
        assert client.wait_for("E", order_token="B").executed_shares == 2
        assert [client.next_message().sequence for _ in range(3)] == [1, 2, 4]


def test_prices_are_waited_for_as_text_or_numbers(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as client:
        server.publish(executed("A", 1))
        assert client.wait_for("E", execution_price="150.250").executed_shares == 1


def test_what_no_message_has_is_not_waited_for(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as client:
        with pytest.raises(VerbError, match=r"message 'E' has no 'shares'; it has: .*, order_token, executed"):
            client.wait_for("E", shares=100)
        with pytest.raises(VerbError, match="no message has 'order_tokn'; there are: message_type, timestamp"):
            client.wait_for(order_tokn="A")
        with pytest.raises(
            VerbError, match="the exchange sends no message 'fill'; it sends S system_event, A accepted"
        ):
            client.wait_for("fill")


def test_a_timeout_says_what_was_wanted_and_what_is_there(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as client:
        started = time.monotonic()
        with pytest.raises(MessageTimeout, match=r"no message 'E' with \{'order_token': 'A'\} within 0.05 s.* S"):
            client.wait_for("E", timeout=0.05, order_token="A")
        assert 0.05 <= time.monotonic() - started < 5
        with pytest.raises(TimeoutError):
            client.wait_for("E", 0.0)


def test_available_takes_what_is_there(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as client:
        server.publish(executed("A", 1), executed("B", 2))
        client.wait_for("E", order_token="B")
        assert [message.type for message in client.available()] == ["S", "E"]
        assert client.available(0.05) == []


def test_reconnect_goes_on_where_the_client_was(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as client:
        client.enter("AAPL", "B", 1, "1")
        client.wait_for("A")
        server.drop()
        with pytest.raises(ClientError, match="connection"):
            client.wait_for("E")
        assert not client.connected
        server.publish(executed("A", 5))
        client.reconnect()
        assert [client.next_message().sequence for _ in range(2)] == [1, 3]
        assert [(login.session, login.sequence) for login in server.logins] == [("", 1), (SESSION, 3)]
        client.drop()
        with pytest.raises(ClientError, match="closed"):
            client.cancel("A")
        client.reconnect()
        client.cancel("A")
        client.wait_for("C")


def test_a_new_client_chooses_where_to_begin(server: OuchLoopback) -> None:
    server.publish(executed("A", 1), executed("A", 2))
    for sequence, first in ((0, 3), (1, 1), (2, 2), (3, 3)):
        with OuchClient(HOST, server.port, session=SESSION, sequence=sequence) as client:
            assert client.next_message().sequence == first


def test_a_refused_login_says_why() -> None:
    before = threading.active_count()
    with OuchLoopback(password="right") as server:
        with pytest.raises(LoginRejected, match="not authorised") as refused:
            OuchClient(HOST, server.port, "me", "wrong")
        assert refused.value.reason == "A"
        with pytest.raises(LoginRejected) as refused:
            OuchClient(HOST, server.port, "me", "right", session="OTHER")
        assert refused.value.reason == "S"
        with OuchClient(HOST, server.port, "me", "right"):
            assert server.logins[-1].username == "ME"
    assert threading.active_count() == before


def test_a_server_that_does_not_answer_the_login_is_given_up() -> None:
    with OuchLoopback(answers_login=False) as server, pytest.raises(MessageTimeout, match="login"):
        OuchClient(HOST, server.port, timeout=0.05)


def test_no_server() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ClientError, match=f"cannot connect to 127.0.0.1 port {port}"):
        OuchClient(HOST, port)


def test_the_end_of_the_session(server: OuchLoopback) -> None:
    with OuchClient(HOST, server.port) as client:
        server.publish(executed("A", 1))
        server.end_session()
        assert [client.next_message().type for _ in range(2)] == ["S", "E"]
        with pytest.raises(ClientError, match="ended the session"):
            client.next_message()
        assert client.ended
        with pytest.raises(ClientError, match="ended the session"):
            client.enter("AAPL", "B", 1, "1")


@pytest.mark.parametrize("data", [b"\0\0", b"\x00\x01L\x00\x01A", b"\x00\x03S??"])
def test_a_server_that_breaks_the_protocol(server: OuchLoopback, data: bytes) -> None:
    with OuchClient(HOST, server.port) as client:
        server.send_bytes(data)
        with pytest.raises(ClientError, match="broke the protocol"):
            client.wait_for("E")


def test_heartbeats_leave_while_the_caller_is_busy(server: OuchLoopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OuchClient, "heartbeat_ns", 20_000_000)
    monkeypatch.setattr(OuchClient, "receive_timeout_ns", 10**10)
    with OuchClient(HOST, server.port) as client:
        deadline = time.monotonic() + 5
        while server.heartbeats < 3 and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        assert server.heartbeats >= 3
        assert client.connected
    with OuchClient(HOST, server.port, heartbeat_thread=False) as client:
        before = server.heartbeats
        client.available(0.2)
        assert server.heartbeats > before


def test_a_silent_server_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OuchClient, "heartbeat_ns", 20_000_000)
    monkeypatch.setattr(OuchClient, "receive_timeout_ns", 500_000_000)
    with OuchLoopback(heartbeat_ns=10**11) as server, OuchClient(HOST, server.port) as client:
        with pytest.raises(ClientError, match="silent"):
            client.wait_for("E")
        with pytest.raises(ClientError):
            client.enter("AAPL", "B", 1, "1")


def test_nothing_is_left_behind(server: OuchLoopback) -> None:
    before = threading.active_count()
    client = OuchClient(HOST, server.port)
    assert threading.active_count() == before + 1
    client.close()
    client.close()
    assert threading.active_count() == before
    with pytest.raises(ClientError):
        client.fileno()


def test_messages_are_records() -> None:
    message = Message.decode(4, executed("A", 5))
    assert message == copy.deepcopy(message)
    assert "executed_shares" in repr(message)
    with pytest.raises(AttributeError, match="executed has no field 'shares'"):
        _ = message.shares
    with pytest.raises(AttributeError):
        message.sequence = 5  # type: ignore[misc]  # which is the point
    with pytest.raises(ProtocolError):
        Message.decode(1, b"?")


# ------------------------------------------------------------------------------------------------- asyncio
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_async_orders_of_one_write(server: OuchLoopback, loop: str) -> None:
    run = pytest.importorskip(loop, reason="uvloop is not built for every platform (the extra fast)").run

    async def main() -> None:
        async with AsyncOuchClient(HOST, server.port) as client:
            orders = [enter_order(f"T{number}", "B", 1, "AAPL", "1") for number in range(500)]
            client.send_raw(*orders)
            await client.drain()
            last = await client.wait_for("A", order_token="T499")
            assert (last.sequence, client.sequence, client.session) == (501, 502, SESSION)
            token = client.enter("AAPL", "sell", 5, "2")
            assert (await client.wait_for("A", order_token=token)).side == "S"
            assert (await client.next_message()).type == "S"

    run(main())
    assert len(server.received) == 501


def test_async_callback_gets_raw_messages(server: OuchLoopback) -> None:
    async def main() -> list[Any]:
        found: list[Any] = []
        done = asyncio.Event()

        def take(first: int, payloads: list[bytes]) -> None:
            found.append((first, payloads))
            if payloads[-1] == executed("B", 2):
                done.set()

        async with AsyncOuchClient(HOST, server.port, on_messages=take):
            server.publish(executed("A", 1), executed("B", 2))
            await asyncio.wait_for(done.wait(), 5)
        return found

    found = asyncio.run(main())
    assert [payload for _, payloads in found for payload in payloads] == server.stream
    assert found[0][0] == 1


def test_async_reconnect_goes_on_where_the_client_was(server: OuchLoopback) -> None:
    async def main() -> None:
        client = AsyncOuchClient(HOST, server.port)
        await client.connect()
        await client.next_message()
        server.drop()
        with pytest.raises(ClientError, match="connection lost"):
            await client.next_message()
        with pytest.raises(ClientError, match="connection lost"):
            client.cancel("A")
        server.publish(executed("A", 5))
        await client.reconnect()
        assert (await client.next_message()).sequence == 2
        await client.reconnect()
        server.publish(executed("A", 6))
        assert (await client.next_message()).sequence == 3
        await client.close()
        with pytest.raises(ClientError):
            await client.next_message()

    asyncio.run(main())


def test_async_failures_say_why() -> None:
    async def connect(port: int, password: str = "", timeout: float = 5.0) -> None:
        client = AsyncOuchClient(HOST, port, "me", password, timeout=timeout)
        try:
            await client.connect()
        finally:
            await client.close()

    with OuchLoopback(password="right") as server:
        with pytest.raises(LoginRejected, match="not authorised"):
            asyncio.run(connect(server.port, "wrong"))
        asyncio.run(connect(server.port, "right"))
    with pytest.raises(ClientError, match="cannot connect"):
        asyncio.run(connect(server.port))
    with OuchLoopback(answers_login=False) as server, pytest.raises(ClientError, match="no answer"):
        asyncio.run(connect(server.port, timeout=0.05))


def test_async_timeouts_and_the_end_of_the_session(server: OuchLoopback) -> None:
    async def main() -> None:
        async with AsyncOuchClient(HOST, server.port) as client:
            with pytest.raises(MessageTimeout, match="E"):
                await client.wait_for("E", 0.02)
            server.end_session()
            with pytest.raises(ClientError, match="ended the session"):
                await client.wait_for("E")
            assert (await client.next_message()).type == "S"

    asyncio.run(main())


def test_async_heartbeats_and_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AsyncOuchClient, "heartbeat_ns", 10_000_000)
    monkeypatch.setattr(AsyncOuchClient, "receive_timeout_ns", 500_000_000)

    async def main(port: int) -> None:
        async with AsyncOuchClient(HOST, port) as client:
            with pytest.raises(ClientError, match="silent"):
                await client.wait_for("E")

    with OuchLoopback(heartbeat_ns=10**11) as server:
        asyncio.run(main(server.port))
        assert server.heartbeats > 3


def test_async_reading_pauses_when_the_caller_does_not_read(
    server: OuchLoopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openoutcry.clients.ouch.READ_AHEAD_MAX", 100)

    async def main() -> None:
        async with AsyncOuchClient(HOST, server.port) as client:
            server.publish(*[executed("A", number) for number in range(150)])
            with pytest.raises(ClientError, match="are waiting"):
                await client.wait_for("J")
            server.publish(executed("B", 1))
            assert [(await client.next_message()).sequence for _ in range(152)] == list(range(1, 153))

    asyncio.run(main())
