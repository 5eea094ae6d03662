"""Over a network that splits, delays, loses and cuts, no application message is lost, doubled or out of order."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from openoutcry.clients.fix import FixInitiator
from openoutcry.fix.filestore import FileStore
from openoutcry.fix.store import MemoryStore
from tests.fix_acceptor import WAIT_S, Acceptor, peers
from tests.fix_proxy import FaultProxy

CONNECTIONS = 12  # that a storm goes through
BURST = 25  # messages each way at once
WAITING = 200  # that may not have arrived yet, so that a storm does not only make work for the calm after it
SETTINGS: dict[str, Any] = {"ReconnectInterval": 0, "HeartBtInt": 1, "LogonTimeout": 1}


def news(number: int) -> bytes:
    """A message that says which one it is, of a size of its own."""
    return b"148=%d\x0133=1\x0158=%b\x01" % (number, b"x" * (number * 37 % 500 + 1))


async def storm(
    seed: int, settings: dict[str, Any], ours: Any = None, theirs: Any = None, ends: tuple[str, ...] | None = None
) -> tuple[list[int], list[int], list[int], dict[str, int]]:
    """Send both ways through a faulty proxy; returns what was sent, what each side was given, and the faults."""
    acceptor_settings, initiator_settings = peers(**(SETTINGS | settings))
    acceptor = Acceptor(acceptor_settings, store=theirs)
    await acceptor.start()
    proxy = FaultProxy(acceptor.port, seed) if ends is None else FaultProxy(acceptor.port, seed, ends=ends)
    await proxy.start()
    client = FixInitiator(initiator_settings, "127.0.0.1", proxy.port, timeout=2 * WAIT_S, store=ours)
    await client.start()
    sent: list[int] = []
    received: list[int] = []
    calm = asyncio.Event()

    async def send_one() -> None:
        number = len(sent)
        sent.append(number)
        await client.send("News", news(number), offline=True)
        acceptor.send(b"B", news(number))

    async def send() -> None:
        while proxy.faults["connections"] < CONNECTIONS:
            for _ in range(BURST if len(sent) - len(received) < WAITING else 0):
                await send_one()
            await asyncio.sleep(0.005)  # a storm takes its time: this is how fast messages are made
        proxy.calm()
        calm.set()
        await send_one()  # so that there is one more to come

    async def receive() -> None:
        while not (calm.is_set() and len(received) == len(sent)):
            message = await client.receive()
            if message.kind == "B":
                received.append(int(message[148]))

    try:
        async with asyncio.timeout(2 * WAIT_S):
            await asyncio.gather(send(), receive())
            await acceptor.taken(len(sent))
        await client.logout()
    finally:
        await client.close()
        await proxy.close()
        await acceptor.close()
    return sent, [int(message[148]) for message in acceptor.received], received, proxy.faults


@pytest.mark.parametrize("seed", range(6))
def test_every_message_arrives_once_and_in_order_whatever_the_network_does(seed: int) -> None:
    sent, there, here, faults = asyncio.run(storm(seed, {}))
    assert there == sent
    assert here == sent
    assert faults["connections"] >= CONNECTIONS


@pytest.mark.parametrize(
    "settings",
    [
        {"MaxMessagesInResendRequest": 7},
        {"EnableNextExpectedMsgSeqNum": "Y"},
        {"SendRedundantResendRequests": "Y"},
        {"BeginString": "FIX.4.2", "EnableLastMsgSeqNumProcessed": "Y"},
        {"BeginString": "FIXT.1.1"},
    ],
    ids=lambda settings: next(iter(settings.items())),
)
def test_the_same_with_other_ways_to_ask_for_what_is_missing(settings: dict[str, Any]) -> None:
    sent, there, here, _ = asyncio.run(storm(99, settings, ends=("fin", "rst", "lose")))
    assert there == sent
    assert here == sent


def test_the_same_with_files_as_stores(tmp_path: Path) -> None:
    now = time.time_ns()
    ours, theirs = FileStore(tmp_path, "ours", now), FileStore(tmp_path, "theirs", now)
    sent, there, here, _ = asyncio.run(storm(7, {}, ours, theirs))
    assert there == sent
    assert here == sent
    again = FileStore(tmp_path, "ours", now)
    assert len(list(again.read(1, 1 << 40))) == len(sent)
    again.close()


def test_without_persisted_messages_what_was_lost_is_filled_as_a_gap_and_nothing_comes_twice() -> None:
    async def test() -> None:
        theirs, ours = peers(**SETTINGS, PersistMessages="N")
        acceptor = Acceptor(theirs)
        await acceptor.start()
        client = FixInitiator(ours, "127.0.0.1", acceptor.port, timeout=WAIT_S, store=MemoryStore(time.time_ns()))
        await client.start()
        await client.logged_on()
        await client.drop()
        lost = await client.send("News", news(1), offline=True)
        await client.logged_on()
        await client.send("News", news(2))
        received = await acceptor.taken(1)
        assert [int(message[148]) for message in received] == [2]
        assert int(received[0][34]) > lost
        await client.close()
        await acceptor.close()

    asyncio.run(test())
