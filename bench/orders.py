"""Order to acknowledgement: OUCH client, gateway, bus, journal, matcher, and back, through real processes.

For each durability: orders a second and server CPU a order at a window of 64, and the round trip at a window of 1,
beside the raw two-hop ZeroMQ round trip and the disk's own sync, measured in the same run on the same machine.
Server CPU is the CPU time of matcher, gateway, marketdata and control together (all their threads, from the kernel's
run-time counters), divided by the orders; it is the figure that carries over between machines.

    python -m bench.orders [--json] [--orders 200000]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.transport import two_hop_rtt
from openoutcry import Exchange


def cpu_ns(pid: int) -> int:
    """CPU time of a process, all threads, in ns (Linux: /proc/<pid>/task/*/schedstat)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total


def disk_sync_us(directory: Path, size: int = 4_096, count: int = 200) -> dict[str, float]:
    """One write of `size` bytes and one fdatasync, over and over: what the disk takes for a group commit."""
    fd = os.open(directory / "sync.probe", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(fd, bytes(size * count))
    os.fsync(fd)
    times = []
    for number in range(count):
        start = time.perf_counter_ns()
        os.pwrite(fd, b"x" * size, number * size)
        os.fdatasync(fd)
        times.append((time.perf_counter_ns() - start) / 1e3)
    os.close(fd)
    os.unlink(directory / "sync.probe")
    return {"p50_us": statistics.median(times), "p99_us": sorted(times)[count * 99 // 100]}


def load(endpoint: Any, client: str = "bench.load", **options: Any) -> dict[str, Any]:
    """Run a load client against an endpoint; returns its figures."""
    command = [sys.executable, "-m", client, endpoint.host, str(endpoint.port)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def measure(durability: str, orders: int, repeat: int) -> dict[str, Any]:
    """All figures of one durability, each of the throughput rows the median of `repeat` runs."""
    rows: dict[str, Any] = {"durability": durability}
    with Exchange(durability=durability) as exchange:
        exchange.create_engine("main")
        exchange.create_book("bench", "main", "BENCH")
        endpoint = exchange.create_endpoint("orders", "main", "ouch42")
        load(endpoint, orders=min(20_000, orders), user="WARM")
        for flow in ("rest", "cross"):
            runs = []
            for number in range(repeat):
                before = {name: cpu_ns(pid) for name, pid in exchange.pids.items()}
                figures = load(endpoint, orders=orders, flow=flow, user=f"{flow[0].upper()}{number}")
                spent = {name: (cpu_ns(pid) - before[name]) / 1e3 / orders for name, pid in exchange.pids.items()}
                runs.append((figures["orders_per_second"], sum(spent.values()), spent))
            runs.sort(key=lambda run: run[0])
            rate, cpu, spent = runs[len(runs) // 2]
            rows[flow] = {"orders_per_second": rate, "server_cpu_us_per_order": cpu, "by_process": spent}
        rows["rtt"] = load(endpoint, orders=5_000, window=1, flow="cross", user="RTT")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000)  # one session may have as many open
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--durability", nargs="*", default=["sync", "relaxed", "none"])
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="oo-bench-") as scratch:
        sync = disk_sync_us(Path(scratch))
    result: dict[str, Any] = {"two_hop_rtt": two_hop_rtt(), "disk_sync": sync, "runs": []}
    for durability in a.durability:
        result["runs"].append(measure(durability, a.orders, a.repeat))
    if a.json:
        print(json.dumps(result))
    else:
        report(result)
    return 0


def report(result: dict[str, Any]) -> None:
    hop, sync = result["two_hop_rtt"], result["disk_sync"]
    print(f"raw two-hop ZeroMQ round trip   p50 {hop['p50_us']:.0f} us   p99 {hop['p99_us']:.0f} us")
    print(f"disk, 4 KiB write + fdatasync   p50 {sync['p50_us']:.0f} us   p99 {sync['p99_us']:.0f} us")
    for run in result["runs"]:
        for flow in ("rest", "cross"):
            row = run[flow]
            parts = "  ".join(f"{name} {us:.2f}" for name, us in row["by_process"].items())
            rate, cpu = row["orders_per_second"], row["server_cpu_us_per_order"]
            print(f"{run['durability']:8} {flow:5} {rate:9,.0f} orders/s  {cpu:5.2f} us CPU an order ({parts})")
        rtt = run["rtt"]
        print(f"{run['durability']:8} round trip  p50 {rtt['p50_us']:.0f} us   p99 {rtt['p99_us']:.0f} us")


if __name__ == "__main__":
    sys.exit(main())
