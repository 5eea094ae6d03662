"""kill -9 of any process at any moment, under load: nothing acknowledged is lost, nothing happens twice.

The oracle has five parts: (a) every trader's stream is without gap and double, and comes again byte for byte; (b) every
acknowledged order is in the journal exactly once; (c) executions balance; (d) an independent replay of the journal
gives the state and the event streams that the living matcher has; (e) the feed's book is the matcher's book.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random
from threading import Event
from typing import Any

import pytest

from openoutcry import Exchange, wire
from openoutcry.clients.marketdata import MarketDataClient
from openoutcry.matcher.audit import commands
from tests.standing import while_standing
from tests.trader import Trader, read_stream

ORDERS = (wire.ENTER, wire.SUBMIT)
DISPLAY_AT, MINIMUM_AT = 43, 46  # in the packet of an Enter Order
VICTIMS = (["matcher"], ["gateway-1"], ["marketdata"], ["matcher", "gateway-1"], ["matcher", "marketdata"])


class SpecialTrader(Trader):
    """Half of its orders that may rest are hidden, post-only, midpoint pegs, or have a minimum quantity."""

    def _order(self) -> bytes:
        data = bytearray(super()._order())
        token = bytes(data[4:18])
        if int.from_bytes(data[35:39]) and self.random.random() < 0.5:
            data[DISPLAY_AT] = self.random.choice(b"NPMWY")
            if data[DISPLAY_AT] in b"NY":
                struct.pack_into(">I", data, MINIMUM_AT, self.random.randrange(self.sent[token][1] + 1))
        self.unanswered[token] = bytes(data)
        return bytes(data)


@pytest.mark.parametrize(
    ("seed", "rounds", "kind"), [(1, 25, Trader), (2, 25, Trader), (3, 12, SpecialTrader)], ids=["1", "2", "special"]
)  # fmt: skip
def test_kill_9_at_random_moments_under_load(seed: int, rounds: int, kind: type[Trader]) -> None:
    random = Random(seed)
    with Exchange(durability="sync", snapshot_every=2_000) as exchange:
        exchange.create_engine("main")
        exchange.create_book("book", "main", "CRASH")
        if kind is SpecialTrader:  # then there are events without a message, too
            for name, value in (("maker_fee", "-0.001"), ("taker_fee", "0.002"), ("self_match", "decrement")):
                exchange.set_book_property("book", name, value)
        endpoint = exchange.create_endpoint("orders", "main", "ouch42")
        with exchange.market_data() as feed:
            feed.subscribe("CRASH")
            traders = [kind(endpoint.host, endpoint.port, f"T{n}", "CRASH", seed * 100 + n) for n in range(4)]
            for trader in traders:
                trader.start()
            for _ in range(rounds):
                traders[0].wait_for_messages(1, timeout=30)
                kill_and_restart(exchange, random, VICTIMS)
            traders[0].wait_for_messages(1, timeout=30)
            for trader in traders:
                trader.finish(timeout=60)
            check_streams_come_again(traders)
            check_journal(exchange, traders)
            special = any(command[0] == wire.SUBMIT for _, _, command in commands(exchange.directory))
            assert special == (kind is SpecialTrader)
            check_executions(traders)
            check_replay(exchange)
            check_feed(exchange, feed)


def kill_and_restart(exchange: Exchange, random: Random, choices: Sequence[list[str]]) -> None:
    """Kill some processes at a random moment, which is the point here."""
    Event().wait(random.uniform(0.0, 0.15))
    victims = random.choice(choices)
    for victim in victims:
        exchange.kill(victim)
    exchange.restart(*victims)


def check_streams_come_again(traders: list[Trader]) -> None:
    """What a trader was sent is what it is sent again; it goes on to what happened after it had left."""
    for trader in traders:
        assert trader.stream[0][:1] == b"S"
        again = read_stream(*trader.address, trader.user, trader.session)
        assert again[: len(trader.stream)] == trader.stream
        trader.stream = again


def check_journal(exchange: Exchange, traders: list[Trader]) -> None:
    entered = Counter(command[2] for _, _, command in commands(exchange.directory) if command[0] in ORDERS)
    effective = Counter(payload[9:23] for trader in traders for payload in trader.stream if payload[:1] == b"A")
    for trader in traders:
        assert set(trader.sent) <= set(effective), "an order was never accepted"
    assert all(count == 1 for count in effective.values()), "an order was accepted twice"
    assert set(effective) <= set(entered), "an accepted order is not in the journal"


def check_executions(traders: list[Trader]) -> None:
    sides: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
    filled: Counter[bytes] = Counter()
    orders = {token: order for trader in traders for token, order in trader.sent.items()}
    for trader in traders:
        for payload in trader.stream:
            if payload[:1] == b"E":
                token = payload[9:23]
                shares, _, match = struct.unpack_from(">IIxQ", payload, 23)
                sides[match].append((orders[token][0], shares))
                filled[token] += shares
    assert sides, "nothing was traded"
    for match, both in sides.items():
        assert sorted(side for side, _ in both) == [b"B", b"S"], f"match {match} has {both}"
        assert both[0][1] == both[1][1], f"match {match} has {both}"
    assert sorted(sides) == list(range(1, len(sides) + 1))
    assert all(shares <= orders[token][1] for token, shares in filled.items()), "an order was filled beyond its size"


def check_replay(exchange: Exchange) -> None:
    live, (streams, replayed) = while_standing(exchange, lambda: (ends_of_streams(exchange), audited(exchange)))
    assert (replayed["sequence"], replayed["state_hash"]) == (live["sequence"], live["hash"])
    assert {name: found["events"] for name, found in replayed["streams"].items()} == streams


def ends_of_streams(exchange: Exchange) -> dict[str, int]:
    return {name: end for name, end in exchange.statistics()["matcher"]["streams"].items() if end}


def audited(exchange: Exchange) -> dict[str, Any]:
    command = [sys.executable, "-m", "openoutcry", "audit", "--directory", str(exchange.directory), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def check_feed(exchange: Exchange, feed: MarketDataClient) -> None:
    depth = exchange.depth("book")
    levels = {side: depth[side] for side in ("bids", "asks")}
    feed.wait_for(lambda: feed.book("CRASH").levels() == levels, timeout=30)
