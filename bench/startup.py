"""What an exchange of one's own costs a test: from ``Exchange()`` to the first accepted order, and back to nothing.

    python bench/startup.py [--rounds 50] [--json FILE]

Cold: the first exchange of a fresh process, from before ``import openoutcry``: its nursery is spawned and imports the
parts. Warm: every later one. All figures are milliseconds of wall time, median and 95th percentile. The journal is not
synced (durability "none", the default of ``Exchange``).
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


def summary(lives: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of each step."""

    def quantile(step: str, part: float) -> float:
        values = sorted(life[step] for life in lives)
        return round(values[min(len(values) - 1, int(part * len(values)))], 1)

    return {step: {"median": quantile(step, 0.5), "p95": quantile(step, 0.95)} for step in STEPS}


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
    result: dict[str, Any] = {"cold": summary(cold), "warm": summary(warm), "rounds": options.rounds}
    if options.json:
        print(json.dumps(result))
    else:
        show("first exchange of a process", result["cold"], len(cold))
        show("every later one", result["warm"], len(warm))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
