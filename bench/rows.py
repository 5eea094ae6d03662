"""The rows of what computes, interpreted and compiled, in turns: this machine's speed changes by the minute.

    make bench-rows        or        python -m bench.rows [--compiled DIR] [--rounds N] [--quick] [--json FILE]

Each round runs bench.book, bench.engine and bench.fixcodec once with the package as it is here, and once with the
compiled copy that ``make compiled`` has made, in processes of their own. Printed are the medians of the rounds, and how
many times faster the compiled one is: the median of the ratios within a round. bench.memory runs once with each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from bench.__main__ import machine

Rows = dict[str, float]
BUILDS: Final = ("interpreted", "compiled")
QUICK: Final = {
    "bench.book": ("--ops", "60000", "--runs", "1"),
    "bench.engine": ("--orders", "20000", "--stops", "2000"),
    "bench.fixcodec": ("--messages", "640", "--runs", "3"),
}
TITLES: Final = {
    "bench.book": "operations a second",
    "bench.engine": "orders a second",
    "bench.fixcodec": "messages a second",
}
OPTIONS: Final = {"bench.fixcodec": ("--runs", "5")}  # its runs take a moment only


def take(row: str, directory: Path, *options: str) -> dict[str, Any]:
    """One run of a benchmark with the package in `directory`."""
    command = [sys.executable, "-m", row, "--json", *options]
    environment = os.environ | {"PYTHONPATH": str(directory)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=directory, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rates(found: dict[str, Any]) -> Rows:
    """Name of a row to what it does in a second."""
    if found["bench"] == "book":
        return {f"{row['way']}, {row['mix']}": row["ops_per_s"] for row in found["rows"]}
    if found["bench"] == "fixcodec":
        return {f"{row['way']}, {row['message']}": 1e6 / row["us"] for row in found["rows"]}
    return {row["row"]: row["orders_per_s"] for row in found["rows"]}


def rounds(row: str, directories: list[Path], count: int, options: tuple[str, ...]) -> list[list[Rows]]:
    """For each round, the rows of each directory."""
    done = []
    for _ in range(count):
        results = [take(row, directory, *options) for directory in directories]
        for wanted, found in zip(BUILDS, results, strict=False):
            if found["build"] != wanted:
                raise SystemExit(f"the package that should be {wanted} is {found['build']}")
        done.append([rates(found) for found in results])
    return done


def summary(done: list[list[Rows]]) -> list[dict[str, Any]]:
    """Medians over the rounds."""
    rows = []
    for name in done[0][0]:
        row: dict[str, Any] = {"row": name}
        for place, build in enumerate(BUILDS[: len(done[0])]):
            row[build] = round(statistics.median(each[place][name] for each in done))
        if len(done[0]) == 2:
            row["times"] = round(statistics.median(each[1][name] / each[0][name] for each in done), 2)
        rows.append(row)
    return rows


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print one table."""
    print(f"\n{title:33} {'interpreted':>12} {'compiled':>12} {'times':>7}", flush=True)
    for row in rows:
        print(f"{row['row']:33} {row['interpreted']:>12,} {row.get('compiled', 0):>12,} {row.get('times', 0):>7.2f}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--compiled", metavar="DIR", help="where the compiled copy is (none: interpreted alone)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it works, not to measure")
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    args = parser.parse_args()
    directories = [Path.cwd(), *([Path(args.compiled).resolve()] if args.compiled else [])]
    result: dict[str, Any] = {"machine": machine()}
    print(json.dumps(result["machine"]))
    for row, title in TITLES.items():
        options = QUICK[row] if args.quick else OPTIONS.get(row, ("--runs", "1"))
        result[row] = summary(rounds(row, directories, 1 if args.quick else args.rounds, options))
        show(title, result[row])
    memory = {
        build: take("bench.memory", directory)["rows"] for build, directory in zip(BUILDS, directories, strict=False)
    }
    result["bench.memory"] = memory
    print("\nbytes of a resting order  " + json.dumps(memory))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
