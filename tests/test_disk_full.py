"""A disk that takes no more: the matcher stops acknowledging and exits saying why; with space again, all goes on.

The kernel's limit on the size of a file (RLIMIT_FSIZE), set on the matcher's own process, plays the full disk.
"""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from openoutcry import Exchange
from openoutcry.clients.ouch import OuchClient
from openoutcry.errors import ClientError, ClusterError
from openoutcry.matcher.audit import audit

ROOM = 20_000  # bytes that the journal may still grow


def enter_until_silence(client: OuchClient) -> int:
    """Enter orders one by one until one is not answered; returns how many were."""
    answered = 0
    while True:
        token = client.enter("AAPL", "B", 100, "10.00")
        try:
            client.wait_for("A", 1.0, order_token=token)
        except ClientError:
            return answered
        answered += 1


def journal_bytes(directory: Path) -> int:
    return max(path.stat().st_size for path in (directory / "journal").iterdir())


@pytest.mark.parametrize("durability", ["none", "relaxed"])
def test_a_full_disk_stops_the_matcher_and_space_brings_it_back(tmp_path: Path, durability: str) -> None:
    exchange = Exchange(durability=durability, directory=tmp_path / "x", segment_bytes=65_536)
    with pytest.raises(ClusterError, match="matcher"), exchange:
        exchange.create_engine("main")
        exchange.create_book("aapl", "main", "AAPL")
        endpoint = exchange.create_endpoint("orders", "main", "ouch42")
        client = exchange.ouch_client(endpoint, "ALICE")
        limit = journal_bytes(exchange.directory) + ROOM if durability == "none" else 40_000
        resource.prlimit(exchange.pids["matcher"], resource.RLIMIT_FSIZE, (limit, limit))
        answered = enter_until_silence(client)
        assert answered > 0
        log = exchange.log("matcher")
        assert "nothing more is acknowledged" in log and "journal" in log
    assert audit(tmp_path / "x")["sequence"] > answered
    with Exchange(durability=durability, directory=tmp_path / "x", segment_bytes=65_536) as again:
        (level,) = again.depth("aapl")["bids"]
        assert level[2] in (answered, answered + 1), "the unanswered order may be in the journal, no other"
        endpoint = again.endpoint("orders")
        with again.ouch_client(endpoint, "ALICE", sequence=1) as client:
            for _ in range(answered):
                client.wait_for("A", 5.0)
            token = client.enter("AAPL", "B", 100, "10.00")
            client.wait_for("A", 5.0, order_token=token)
