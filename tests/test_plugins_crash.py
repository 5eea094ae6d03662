"""kill -9 at any moment while orders come to an engine of one's own over OUCH: each is done once, and said once.

What is promised is what SoupBinTCP and OUCH promise. What the server has sequenced comes again under its number, byte
for byte. An order that nobody has answered may be lost, and is sent again by its client; one that comes twice, with the
same token, happens once. FIX is in tests/test_plugins_exchange.py: there messages have numbers.
"""

from __future__ import annotations

import struct
from collections import Counter
from random import Random

import pytest

from openoutcry import Exchange
from tests.test_crash import check_replay, check_streams_come_again, kill_and_restart
from tests.trader import Trader, read_stream

VICTIMS = (["matcher"], ["gateway-1"], ["matcher", "gateway-1"])


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_at_random_moments_under_load(seed: int) -> None:
    random = Random(seed)
    with Exchange(durability="sync", snapshot_every=500, plugins="tests") as exchange:
        exchange.load_engine("till", "tests.plugin_parts:Till")
        endpoint = exchange.create_engine("main", "till").create_endpoint("orders", "ouch42")
        traders = [Trader(endpoint.host, endpoint.port, f"T{n}", "CRASH", seed * 100 + n) for n in range(3)]
        for trader in traders:
            trader.start()
        for _ in range(10):
            traders[0].wait_for_messages(1, timeout=30)
            kill_and_restart(exchange, random, VICTIMS)
        traders[0].wait_for_messages(1, timeout=30)
        for trader in traders:
            trader.finish(timeout=60)
        check_streams_come_again(traders)
        check_orders(traders)
        check_replay(exchange)


def check_orders(traders: list[Trader]) -> None:
    """Each was accepted once, under a number of its own, and ended once at most."""
    numbers: list[int] = []
    for trader in traders:
        accepted = [message for message in trader.stream if message[:1] == b"A"]
        numbers += [int.from_bytes(message[49:57]) for message in accepted]
        tokens = Counter(message[9:23] for message in accepted)
        assert set(tokens) == set(trader.sent)
        assert set(tokens.values()) == {1}, "an order was accepted twice"
        ended = Counter(message[9:23] for message in trader.stream if message[:1] in b"EC")
        assert set(ended.values()) == {1}, "an order ended twice"
        assert set(ended) <= set(tokens)
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_an_order_that_is_sent_again_after_a_crash_happens_once() -> None:
    with Exchange(plugins="tests") as exchange:
        exchange.load_engine("till", "tests.plugin_parts:Till")
        endpoint = exchange.create_engine("main", "till").create_endpoint("orders", "ouch42")
        for victims in VICTIMS:
            client = exchange.ouch_client(endpoint, "ALICE", sequence=0)
            token = client.enter("X", "B", 100, "10")
            first = client.wait_for("A", order_token=token)
            client.wait_for("E", order_token=token)
            for victim in victims:
                exchange.kill(victim)
            exchange.restart(*victims)
            client.close()
            again = exchange.ouch_client(endpoint, "ALICE", sequence=0)
            again.enter("X", "B", 100, "10", token=token)
            last = again.wait_for("A", order_token=again.enter("X", "B", 100, "10"))
            assert last.order_reference_number == first.order_reference_number + 1
            again.wait_for("E", order_token=last.order_token)
            again.close()
        stream = read_stream(*endpoint.address, "ALICE", "")
        ended = [struct.unpack_from(">Q", message, 32)[0] for message in stream if message[:1] == b"E"]
        assert ended == list(range(1, 7))
