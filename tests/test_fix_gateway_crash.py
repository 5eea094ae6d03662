"""kill -9 of gateway and matcher at any moment, under the load of FIX clients: no report is lost, none comes twice.

The clients (tests/fix_trader.py) judge every message that they are sent: numbers without a hole, what comes again is
marked and the same, no ExecID and no answer comes twice. What is looked at here is the whole: every request is
answered, executions balance, the journal replays to the same state, and what a client was sent it can have again.
"""

from __future__ import annotations

from collections import defaultdict
from random import Random

import pytest

from openoutcry import Exchange
from tests.fix_trader import FixTrader, read_again
from tests.test_crash import check_replay, kill_and_restart

VICTIMS = (["matcher"], ["gateway-1"], ["gateway-1"], ["matcher", "gateway-1"])


@pytest.mark.parametrize(("seed", "rounds"), [(1, 12), (2, 12)])
def test_kill_9_at_random_moments_under_the_load_of_fix_clients(seed: int, rounds: int) -> None:
    random = Random(seed)
    with Exchange(durability="sync", snapshot_every=2_000) as exchange:
        exchange.create_engine("main")
        exchange.create_book("book", "main", "CRASH")
        endpoint = exchange.create_endpoint("fix", "main", "fix")
        traders = [
            FixTrader(endpoint.host, endpoint.port, f"T{n}", "CRASH", seed * 100 + n, begin)
            for n, begin in enumerate(("FIX.4.2", "FIX.4.2", "FIX.4.4", "FIX.4.3"))
        ]
        for trader in traders:
            trader.start()
        for _ in range(rounds):
            traders[0].wait_for_messages(1, timeout=30)
            kill_and_restart(exchange, random, VICTIMS)
        traders[0].wait_for_messages(1, timeout=30)
        for trader in traders:
            trader.finish(timeout=60)
        check_answers(traders)
        check_executions(traders)
        check_replay(exchange)
        for trader in traders:
            again = read_again(endpoint.host, endpoint.port, trader)
            assert {number: again.get(number) for number in trader.received} == trader.received
            trader.received = again
        check_executions(traders, all_of_them=True)


def check_answers(traders: list[FixTrader]) -> None:
    for trader in traders:
        assert set(trader.sent) <= set(trader.answers), "an order was never answered"
        assert trader.connections > 1
    assert sum(trader.resent for trader in traders) > 0, "nothing was ever asked for again: the test shows nothing"


def check_executions(traders: list[FixTrader], all_of_them: bool = False) -> None:
    filled: defaultdict[bytes, int] = defaultdict(int)
    bought = {b"1": 0, b"2": 0}
    for trader in traders:
        for fields in trader.received.values():
            if fields[b"35"] == b"8" and fields.get(b"150") in (b"1", b"2", b"F"):
                token = fields[b"11"]
                quantity = int(fields[b"32"])
                filled[token] += quantity
                bought[fields[b"54"]] += quantity
                assert int(fields[b"14"]) == filled[token], "CumQty is not the sum of what was told"
    orders = {token: order for trader in traders for token, order in trader.sent.items()}
    assert all(quantity <= orders[token][1] for token, quantity in filled.items()), (
        "an order was filled beyond its size"
    )
    if all_of_them:
        assert bought[b"1"] == bought[b"2"] > 0
