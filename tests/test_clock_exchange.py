"""``exchange.clock``: what it returns, what becomes of it in the next life, and after ``reset``."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openoutcry import Exchange, VerbError, cluster
from openoutcry.bus import Directory
from openoutcry.cli import main
from openoutcry.matcher.audit import audit
from tests.clock_world import HOUR, market

HOST = datetime(1970, 1, 1, tzinfo=UTC)


def host_now() -> datetime:
    return HOST + timedelta(microseconds=time.time_ns() // 1_000)


def test_it_shows_the_hosts_time_until_it_is_touched(exchange: Exchange) -> None:
    before = host_now()
    row = exchange.clock()
    assert before <= exchange.clock.now <= host_now()
    assert (row.stopped, row.offset_ns, exchange.clock.stopped) == (False, 0, False)
    assert abs(datetime.fromisoformat(row.now) - before) < timedelta(minutes=1)


def test_it_reads_well(exchange: Exchange) -> None:
    exchange.clock.stop()
    exchange.clock.advance_to(datetime(2060, 1, 2, 3, 4, 5, 678_000, UTC))
    assert str(exchange.clock) == "<clock 2060-01-02T03:04:05.678000000Z, standing still>"
    assert repr(exchange.clock) == f"<clock of {exchange!r}>"
    assert exchange.clock.advance_to("03:04:05").now == "2060-01-03T03:04:05.000000000Z"
    assert exchange.clock.advance_to("03:05").now == "2060-01-03T03:05:00.000000000Z"
    moved = exchange.clock.advance(days=1, hours=2, minutes=3, seconds=4, milliseconds=5, microseconds=6)
    assert (moved.now, moved.moved_ns) == ("2060-01-04T05:08:04.005006000Z", 93_784_005_006_000)
    assert moved.remaining_ns == 0


def test_status_shows_a_clock_that_is_not_the_hosts(exchange: Exchange) -> None:
    def shown() -> list[str]:
        """What `openoutcry status` says of it."""
        text = cluster.describe(cluster.status(Directory(exchange.directory)))
        return [line for line in text.splitlines() if line.startswith("clock")]

    untouched = exchange.status().clock
    assert (untouched["stopped"], untouched["offset_ns"], shown()) == (False, 0, [])
    exchange.clock.advance(hours=8, minutes=30)
    (ahead,) = shown()
    assert re.fullmatch(r"clock      20\S+Z, 8h30m ahead of the host's", ahead)
    exchange.clock.stop()
    assert exchange.status().clock == exchange.clock()
    assert shown() == [f"clock      stands still at {exchange.clock().now}"]


def test_status_shows_how_far_a_clock_is_behind(tmp_path: Path) -> None:
    clock = {"now": "2026-11-20T16:30:00.000000000Z", "stopped": False, "offset_ns": -90_000_400_000}
    processes = [{"name": "matcher", "pid": 1, "state": "running", "uptime_s": 5}]
    found = {**cluster.status(Directory(tmp_path)), "running": True, "processes": processes, "clock": clock}
    assert cluster.describe(found).endswith("clock      2026-11-20T16:30:00.000000000Z, 1m30s behind the host's")


def test_a_clock_lives_as_long_as_the_directory(tmp_path: Path) -> None:
    with Exchange(directory=tmp_path / "exchange") as ex:
        t0 = market(ex)
        ex.clock.advance(hours=5)
    with Exchange(directory=tmp_path / "exchange") as ex:
        assert ex.clock().time_ns == t0 + 5 * HOUR
        ex.reset()
        row = ex.clock()
        assert row.time_ns > t0 + 5 * HOUR and not row.stopped
        hash_before = ex.state_hash()
    found = audit(tmp_path / "exchange")
    assert found["state_hash"] == hash_before["hash"]


def test_reset_gives_the_hosts_time_back(exchange: Exchange) -> None:
    market(exchange)
    exchange.clock.advance(hours=5)
    client = exchange.ouch_client("ouch")
    exchange.reset()
    assert (exchange.clock().offset_ns, exchange.clock().stopped, exchange.list("engines")) == (0, False, [])
    assert not client.connected
    pids = exchange.pids
    exchange.ouch_client().buy("AAPL", 100, "10").expect_accepted()
    exchange.reset()
    assert exchange.pids == pids  # time was not touched: it is the same exchange


def test_the_command_line_moves_it(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    def ctl(*words: str) -> tuple[int, str]:
        code = main(["ctl", "--directory", str(exchange.directory), *words])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    assert ctl("stop_clock")[0] == 0
    t0 = exchange.clock().time_ns
    code, out = ctl("advance_clock", "8h30m", "silent=yes", "--json")
    assert (code, json.loads(out)["time_ns"]) == (0, t0 + 17 * HOUR // 2)
    code, out = ctl("advance_clock", "8 hours")
    assert code == 2 and "as 8h30m, 90s or 250ms" in out
    code, out = ctl("clock")
    assert code == 0 and "stopped" in out
    assert ctl("start_clock")[0] == 0


def test_many_moves_in_one_batch_are_made_one_after_the_other(exchange: Exchange) -> None:
    t0 = market(exchange)
    with exchange.batch() as batch:
        for _ in range(50):
            batch.advance_clock("1h")
    assert exchange.clock().time_ns == t0 + 50 * HOUR
    with pytest.raises(VerbError, match="stands still already"):
        exchange.stop_clock()
