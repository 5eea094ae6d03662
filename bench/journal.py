"""What group commit costs: the disk by itself, and the journal on it, in one run.

    python -m bench.journal [--json] [--directory DIR] [--count N]

A step is one write and one fdatasync, as one turn of the matcher makes them; sizes are bytes of payload. ``disk``
writes into a file filled with zeros (as the journal's segments are), ``disk, growing`` into one that grows, ``disk,
reserved`` into one made by posix_fallocate. ``journal`` is Journal.append + Journal.sync with durability sync,
relaxed and none. ``recovery`` reads that journal again, everything verified. Disk and journal take turns step by
step, so that whatever else happens on the machine happens to both. Microseconds: median and 99th percentile.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openoutcry.matcher.disk import Disk
from openoutcry.matcher.journal import Journal
from openoutcry.matcher.streams import StreamLogs

SIZES = (100, 2_500, 10_000)
Step = Callable[[], None]


def disk_step(path: Path, size: int, count: int, kind: str) -> Step:
    """One pwrite and one fdatasync on a file of its own."""
    disk, data, at = Disk(), os.urandom(size), 0
    fd = disk.open(path)
    if kind == "filled":
        disk.fill(fd, 0, size * (count + 1))
    elif kind == "reserved":
        disk.allocate(fd, size * (count + 1))
    os.fsync(fd)

    def step() -> None:
        nonlocal at
        os.pwrite(fd, data, at)
        os.fdatasync(fd)
        at += size

    return step


def journal_step(directory: Path, size: int, durability: str) -> tuple[Step, Journal]:
    """One append and one sync."""
    journal, data = Journal(directory, durability), os.urandom(size)
    list(journal.recover())

    def step() -> None:
        journal.append(1, 1, 1, 1, data)
        journal.sync()

    return step, journal


def measure(steps: dict[str, Step], count: int) -> dict[str, list[int]]:
    """Nanoseconds of each step; the steps take turns."""
    took: dict[str, list[int]] = {name: [] for name in steps}
    clock = time.perf_counter_ns
    for _ in range(count):
        for name, step in steps.items():
            began = clock()
            step()
            took[name].append(clock() - began)
    return took


def row(what: str, size: int, took: list[int]) -> dict[str, Any]:
    """One line of the result."""
    ordered = sorted(took)
    return {
        "what": what, "bytes": size, "p50_us": round(statistics.median(ordered) / 1e3, 1),
        "p99_us": round(ordered[len(ordered) * 99 // 100] / 1e3, 1),
        "per_second": round(len(took) * 1e9 / sum(took)),
    }  # fmt: skip


def commits(directory: Path, size: int, count: int) -> list[dict[str, Any]]:
    """All ways to commit one size, and the recovery of what was committed."""
    steps = {
        "disk": disk_step(directory / "filled", size, count, "filled"),
        "disk, growing": disk_step(directory / "growing", size, count, "growing"),
        "disk, reserved": disk_step(directory / "reserved", size, count, "reserved"),
    }
    journals = []
    for durability in ("sync", "relaxed", "none"):
        steps[f"journal, {durability}"], journal = journal_step(directory / durability, size, durability)
        journals.append(journal)
    rows = [row(name, size, took) for name, took in measure(steps, count).items()]
    for journal in journals:
        journal.close()
    return [*rows, recovery(directory / "none", size, 20 * count)]


def recovery(directory: Path, size: int, count: int) -> dict[str, Any]:
    """Verified reading, per record."""
    step, journal = journal_step(directory, size, "none")
    for _ in range(count):
        step()
    journal.close()
    with Journal(directory, "none") as again:
        began = time.perf_counter_ns()
        records = sum(1 for _ in again.recover())
        took = time.perf_counter_ns() - began
    each = took / records
    rate = round(size * 1e3 / each)
    return {"what": "recovery", "bytes": size, "p50_us": round(each / 1e3, 2), "per_second": round(1e9 / each),
            "megabytes_per_second": rate}  # fmt: skip


def streams(directory: Path, count: int) -> list[dict[str, Any]]:
    """A stream's history: one frame of 2,500 bytes a turn, taken in, and read back as the turn sends it."""
    logs, frame, event = StreamLogs(directory / "streams"), bytes(2_500), 0

    def append() -> None:
        nonlocal event
        event += 1
        logs.append("gateway-1", event, 1, frame)

    def read() -> None:
        for _ in logs.read("gateway-1", event - 1):
            pass

    rows = [
        row(name, 2_500, took)
        for name, took in measure({"stream, append": append, "stream, read": read}, count).items()
    ]
    logs.close()
    return rows


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--directory", help="where to write; default: the temporary directory")
    parser.add_argument("--count", type=int, default=2_000, help="steps of each kind and size")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="journal-bench-", dir=args.directory) as directory:
            rows += commits(Path(directory), size, args.count)
    with tempfile.TemporaryDirectory(prefix="journal-bench-", dir=args.directory) as directory:
        rows += streams(Path(directory), 20 * args.count)
    if args.json:
        print(json.dumps({"bench": "journal", "python": sys.version.split()[0], "rows": rows}, indent=1))
        return
    print(f"{'what':18} {'bytes':>7} {'p50 us':>8} {'p99 us':>8} {'per second':>11}")
    for found in rows:
        extra = f"  {found['megabytes_per_second']} MB/s" if "megabytes_per_second" in found else ""
        print(f"{found['what']:18} {found['bytes']:7} {found['p50_us']:8} {found.get('p99_us', ''):>8} "
              f"{found['per_second']:11,}{extra}")  # fmt: skip


if __name__ == "__main__":
    main()
