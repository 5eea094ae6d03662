"""FIX order to ExecutionReport: client, gateway, bus, journal, matcher, and back, through real processes.

For each durability, flow, window and number of sessions: orders a second, server CPU an order (matcher, gateway,
marketdata and control together, as in bench.orders) and the round trip. The yardstick, in the same run, is OUCH: the
same orders through the same exchange, in a protocol that costs next to nothing to read.

    python -m bench.fix [--json] [--orders 50000] [--repeat 3]
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from bench.orders import cpu_ns, load
from openoutcry import Exchange
from openoutcry.compiled import build

CLIENT = "bench.fixload"

# flow, window, sessions, share of the orders
WORKLOADS = (("rest", 64, 1, 1.0), ("cross", 64, 1, 1.0), ("rest", 64, 8, 1.0), ("cross", 64, 8, 1.0),
             ("rest", 1, 1, 0.1), ("rest", 1, 8, 0.2))  # fmt: skip


def workload(
    exchange: Exchange, endpoint: Any, flow: str, window: int, sessions: int, orders: int, repeat: int
) -> dict[str, Any]:
    """The median of `repeat` runs of one workload."""
    runs = []
    for number in range(repeat):
        before = {name: cpu_ns(pid) for name, pid in exchange.pids.items()}
        sender = f"{flow}{window}x{sessions}r{number}-"
        figures = load(endpoint, CLIENT, orders=orders // sessions, window=window, sessions=sessions, flow=flow,
                       sender=sender)  # fmt: skip
        count = figures["orders"]
        figures["by_process"] = {
            name: (cpu_ns(pid) - before[name]) / 1e3 / count for name, pid in exchange.pids.items()
        }
        figures["server_cpu_us_per_order"] = sum(figures["by_process"].values())
        runs.append(figures)
    runs.sort(key=lambda figures: figures["orders_per_second"])
    return {"flow": flow, "window": window, "sessions": sessions, **runs[len(runs) // 2]}


def yardstick(exchange: Exchange, orders: int) -> dict[str, Any]:
    """The orders of the first workload over OUCH."""
    endpoint = exchange.create_endpoint("ouch", "main", "ouch42")
    before = {name: cpu_ns(pid) for name, pid in exchange.pids.items()}
    figures = load(endpoint, orders=orders, user="YARD")
    spent = {name: (cpu_ns(pid) - before[name]) / 1e3 / orders for name, pid in exchange.pids.items()}
    return {"flow": "OUCH", "window": 64, "sessions": 1, "by_process": spent,
            "server_cpu_us_per_order": sum(spent.values()), **figures}  # fmt: skip


def measure(durability: str, orders: int, repeat: int) -> list[dict[str, Any]]:
    """All workloads at one durability."""
    with Exchange(durability=durability) as exchange:
        exchange.create_engine("main")
        exchange.create_book("bench", "main", "BENCH")
        endpoint = exchange.create_endpoint("fix", "main", "fix")
        load(endpoint, CLIENT, orders=min(orders, 10_000), sender="WARM")
        ouch = yardstick(exchange, orders)
        return [{"durability": durability, **ouch}] + [
            {"durability": durability,
             **workload(exchange, endpoint, flow, window, sessions, int(orders * share), repeat)}
            for flow, window, sessions, share in WORKLOADS
        ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--durability", nargs="*", default=["sync", "relaxed"])
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    rows = [row for durability in a.durability for row in measure(durability, a.orders, a.repeat)]
    if a.json:
        print(json.dumps({"build": build(), "runs": rows}))
        return 0
    print(f"{build()}")
    for row in rows:
        parts = "  ".join(f"{name} {us:.2f}" for name, us in row["by_process"].items())
        trip = f"  p50 {row['p50_us']:.0f} us  p99 {row['p99_us']:.0f} us" if "p50_us" in row else ""
        print(f"{row['durability']:8} {row['flow']:5} window {row['window']:2} x {row['sessions']} "
              f"{row['orders_per_second']:9,.0f} orders/s  {row['server_cpu_us_per_order']:5.2f} us CPU an order"
              f"{trip}  ({parts})")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
