"""What an exchange of one's own costs a test: from ``Exchange()`` to the first accepted order, and back to nothing.

    python bench/startup.py [--rounds 50] [--json FILE]

Cold: the first exchange of a fresh process, from before ``import openoutcry``: its nursery is spawned and imports the
parts. Warm: every later one. Reset: one exchange is emptied again and again, of a market with orders, an OUCH and a FIX
client; then the next test makes its own. All figures are milliseconds of wall time, median and 95th percentile. The
journal is not synced (durability "none", the default of ``Exchange``).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any

STEPS = ("start", "engine, book, endpoint", "login", "first order accepted", "start to accepted", "stop")
RESETS = ("reset", "market and OUCH client", "first order accepted")
COLD_ROUNDS_MAX = 15


def one_life() -> dict[str, float]:
    """One exchange, from its start to its end; the milliseconds of each step."""
    marks = [time.perf_counter()]
    from openoutcry import Exchange

    with Exchange() as ex:
        marks.append(time.perf_counter())
        engine = ex.create_engine("main")
        engine.create_book("aapl", "AAPL")
        endpoint = engine.create_endpoint("orders", "ouch42")
        marks.append(time.perf_counter())
        client = ex.ouch_client(endpoint)
        marks.append(time.perf_counter())
        client.wait_for("A", order_token=client.enter("AAPL", "B", 100, "10"))
        marks.append(time.perf_counter())
    marks.append(time.perf_counter())
    start, made, login, accepted, stop = ((b - a) * 1_000 for a, b in pairwise(marks))
    return dict(zip(STEPS, (start, made, login, accepted, (marks[4] - marks[0]) * 1_000, stop), strict=True))


def cold_life() -> dict[str, float]:
    """One life in a fresh process."""
    done = subprocess.run([sys.executable, __file__, "--one"], check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def resets(rounds: int) -> list[dict[str, float]]:
    """One exchange for many tests; the milliseconds of each step of each test."""
    from openoutcry import Exchange

    lives = []
    with Exchange() as ex:
        for _ in range(rounds):
            marks = [time.perf_counter()]
            ex.reset()
            marks.append(time.perf_counter())
            client = ex.ouch_client()
            marks.append(time.perf_counter())
            client.buy("AAPL", 100, "10").expect_accepted()
            marks.append(time.perf_counter())
            ex.fix_client().sell("AAPL", 40, "10").expect_filled(40)
            ex.create_user("alice", "secret")
            lives.append(dict(zip(RESETS, ((b - a) * 1_000 for a, b in pairwise(marks)), strict=True)))
    return lives[1:]  # the first one had nothing to do


def summary(lives: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of each step."""

    def quantile(step: str, part: float) -> float:
        values = sorted(life[step] for life in lives)
        return round(values[min(len(values) - 1, int(part * len(values)))], 1)

    return {step: {"median": quantile(step, 0.5), "p95": quantile(step, 0.95)} for step in lives[0]}


def show(title: str, figures: dict[str, dict[str, float]], rounds: int) -> None:
    """Print one table."""
    print(f"{title} ({rounds} rounds)".ljust(48), "median ms", "   p95 ms")
    for step, found in figures.items():
        print(f"  {step}".ljust(48), f"{found['median']:9.1f} {found['p95']:9.1f}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What an exchange of one's own costs a test.")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one_life()))
        return 0
    cold = [cold_life() for _ in range(min(COLD_ROUNDS_MAX, options.rounds))]
    one_life()
    warm = [one_life() for _ in range(options.rounds)]
    again = resets(options.rounds + 1)
    result: dict[str, Any] = {
        "cold": summary(cold), "warm": summary(warm), "reset": summary(again), "rounds": options.rounds
    }  # fmt: skip
    if options.json:
        print(json.dumps(result))
    else:
        show("first exchange of a process", result["cold"], len(cold))
        show("every later one", result["warm"], len(warm))
        show("one for many tests", result["reset"], len(again))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
