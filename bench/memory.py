"""What a resting order takes: memory of 200,000 of them, over 100 price levels, in one book.

    python -m bench.memory [--json] [--orders N]

``book``     the order alone: entered into a book of its own, by a session that does not remember tokens
``machine``  with all that the matcher keeps because of it: the same through Machine.apply, so that the token is also
             remembered until the day ends

Each is measured twice, in processes of their own: what Python has allocated (tracemalloc), and what the process has
become larger (resident set size, in which pools that are not full count as well). The orders come out of frames, as in
the matcher: token of 14 bytes, no client data. Mark: 400 bytes an order.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from typing import Any, Final

from bench.book import SYMBOL, TICK, WAYS, Way
from openoutcry import compiled, wire

LEVELS: Final = 100
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def frames(orders: int) -> Iterator[bytes]:
    """ENTERs that do not cross: buys below 100, sells above."""
    for first in range(0, orders, wire.COMMANDS_MAX):
        commands: list[tuple[Any, ...]] = []
        for number in range(first, min(orders, first + wire.COMMANDS_MAX)):
            away = 1 + number // 2 % (LEVELS // 2)
            side, price = (wire.BUY, 10_000 - away) if number % 2 else (wire.SELL, 10_000 + away)
            token = b"%014d" % number
            commands.append((wire.ENTER, 1, token, f"{SYMBOL}0", side, 1 + number % 1_000, price * TICK, wire.LIMIT,
                             wire.DAY, 0, 0, b""))  # fmt: skip
        yield wire.frame(wire.CMD, 1, 2 + first, 0, commands)


def fill(way: Way, orders: int) -> None:
    """Enter them all."""
    for frame in frames(orders):
        way.do(way.prepare(frame))
        way.private.clear()
        way.public.clear()


def resident() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE


def grown(name: str, orders: int, trace: bool) -> float:
    """Bytes for each order, in this process."""
    fill(WAYS[name](1), 2_000)  # what is made once
    way = WAYS[name](1)
    gc.collect()
    if trace:
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0] if trace else resident()
    fill(way, orders)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0] if trace else resident()
    book = way.books[0]
    if len(book.orders()) != orders:
        raise SystemExit(f"{len(book.orders())} orders rest, not {orders}")
    return (after - before) / orders


def measure(orders: int) -> list[dict[str, Any]]:
    """A row for each way."""
    rows = []
    for name in ("book", "machine"):
        row: dict[str, Any] = {"way": name, "orders": orders}
        for what in ("traced", "resident"):
            command = [sys.executable, "-m", "bench.memory", "--one", name, what, "--orders", str(orders)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            row[f"{what}_bytes"] = round(float(done.stdout), 1)
        rows.append(row)
    return rows


def main() -> int:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(grown(args.one[0], args.orders, args.one[1] == "traced"))
        return 0
    rows = measure(args.orders)
    if args.json:
        print(json.dumps({"bench": "memory", "build": compiled.build(), "rows": rows}, indent=1))
        return 0
    print(f"{args.orders:,} resting orders; the matcher is {compiled.build()}")
    print(f"{'way':8} {'allocated':>10} {'resident':>10}   bytes an order")
    for row in rows:
        print(f"{row['way']:8} {row['traced_bytes']:>10,.0f} {row['resident_bytes']:>10,.0f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
