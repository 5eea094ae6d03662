"""Deterministic order-flow generator for comparing matching engines.

Standalone (standard library only).  Writes a CSV of operations and a JSON
sidecar holding what a correct price-time-priority matcher must produce, so a
benchmark run can be checked as well as timed.

    python -m bench.flowgen --ops 1000000 --seed 42 --out flow_mix.csv

CSV columns (header included):

    op,id,sym,side,price,qty

    op     A  add a passive limit order (never crosses when it arrives)
           C  cancel order `id`, which is resting with its full or part quantity
           X  add an aggressive limit order, sized and priced so that it always
              fills completely on arrival (so LIMIT, IOC, FOK all behave alike)
           R  replace order `id`: new `price` and `qty` (total open quantity);
              loses time priority; never crosses   (only if --mix asks for it)
    id     dense order id, 1-based, unique over the whole file
    sym    symbol index, 0-based
    side   B or S (for C and R: the side of the order named)
    price  integer ticks (0 for C)
    qty    integer (0 for C)

Model: fixed mid per symbol (--mid).  Passive buys at mid-1-k, sells at mid+1+k,
k uniform on [0, span) (or geometric, --depth).  Passive quantity uniform on
[1, 100].  Aggressive quantity is uniform on [1, 300*live/target]: the feedback
holds the number of resting orders near --target-live, because at live==target
each aggressive order takes as many orders as the mix adds net of cancels
(true for the default 60/30/10 mix; other mixes settle at another level).
Cancels name a uniformly random live order.

In another program: ``generate(arguments(ops=1000))`` yields the rows; the sidecar is then in ``args.expected``.

The random source is random.Random(seed).random() only, whose sequence is
guaranteed stable across Python versions.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from collections import deque
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

PASSIVE_QTY_MAX: Final = 100
BASE_CROSS_QTY: Final = 300
NAMES: Final = "ACXR"

Row = tuple[str, int, int, str, int, int]
Fill = tuple[int, int, int]  # maker, price, quantity


class Book:
    """Reference matcher: price-time priority on a fixed array of levels."""

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        levels = range(high - low + 1)
        self.levels: dict[str, list[deque[int]]] = {side: [deque() for _ in levels] for side in "BS"}
        self.depth: dict[str, list[int]] = {side: [0 for _ in levels] for side in "BS"}
        self.orders: dict[int, tuple[str, int]] = {}  # id -> side, price
        self.open: dict[int, int] = {}  # id -> open quantity
        self.live: list[int] = []  # ids, for uniform sampling
        self.where: dict[int, int] = {}  # id -> index in live

    def best(self, side: str) -> int | None:
        """Best price of a side, None when it is empty."""
        depth = self.depth[side]
        span = range(len(depth) - 1, -1, -1) if side == "B" else range(len(depth))
        return next((self.low + i for i in span if depth[i]), None)

    def add(self, oid: int, side: str, price: int, qty: int) -> None:
        """Put an order at the back of its level."""
        self.orders[oid] = (side, price)
        self.open[oid] = qty
        self.levels[side][price - self.low].append(oid)
        self.depth[side][price - self.low] += qty
        self.where[oid] = len(self.live)
        self.live.append(oid)

    def _forget(self, oid: int) -> None:
        del self.orders[oid], self.open[oid]
        i = self.where.pop(oid)
        last = self.live.pop()
        if last != oid:
            self.live[i] = last
            self.where[last] = i

    def cancel(self, oid: int) -> None:
        """Take an order out."""
        side, price = self.orders[oid]
        self.levels[side][price - self.low].remove(oid)
        self.depth[side][price - self.low] -= self.open[oid]
        self._forget(oid)

    def reach(self, side: str, want: int) -> tuple[int, int]:
        """How deep an order of `side` must go for `want`: (limit, quantity found); limit 0 when there is nothing."""
        depth = self.depth["S" if side == "B" else "B"]
        have, limit = 0, 0
        for i in range(len(depth)) if side == "B" else range(len(depth) - 1, -1, -1):
            if depth[i]:
                have += depth[i]
                limit = self.low + i
                if have >= want:
                    break
        return limit, have

    def take(self, side: str, limit: int, qty: int) -> Iterator[Fill]:
        """Match an incoming order."""
        other = "S" if side == "B" else "B"
        while qty:
            price = self.best(other)
            if price is None or (price > limit if side == "B" else price < limit):
                return
            queue = self.levels[other][price - self.low]
            while queue and qty:
                maker = queue[0]
                fill = min(qty, self.open[maker])
                self.open[maker] -= fill
                qty -= fill
                self.depth[other][price - self.low] -= fill
                if not self.open[maker]:
                    queue.popleft()
                    self._forget(maker)
                yield maker, price, fill


class Flow:
    """The generator's state: books, the random source, and what the expectation is made of."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.random = Random(args.seed).random
        low, high = args.mid - args.span - 1, args.mid + args.span + 1
        self.books = [Book(low, high) for _ in range(args.symbols)]
        self.edges = self._edges(args.mix)
        self.next_id = 0
        self.counts = dict.fromkeys(NAMES, 0)
        self.trades = self.volume = self.notional = 0
        self.digest = hashlib.sha256()
        self.live_sum = self.live_max = 0
        self.touched = self.books[0]

    @staticmethod
    def _edges(mix: str) -> list[float]:
        weights = ([float(x) for x in mix.split(",")] + [0.0] * 4)[:4]
        total, acc, edges = sum(weights), 0.0, []
        for weight in weights:
            acc += weight / total
            edges.append(acc)
        return edges

    def _draw_op(self) -> str:
        draw = self.random()
        return next(name for name, edge in zip(NAMES, self.edges, strict=True) if draw < edge or edge == self.edges[-1])

    def _passive_price(self, side: str) -> int:
        mid: int = self.args.mid
        span: int = self.args.span
        if self.args.depth == "uniform":
            k = int(self.random() * span)
        else:
            k = span
            while k >= span:
                k = 0
                while self.random() > 0.1:
                    k += 1
        return mid - 1 - k if side == "B" else mid + 1 + k

    def _passive_quantity(self) -> int:
        return 1 + int(self.random() * PASSIVE_QTY_MAX)

    def step(self) -> Row:
        """Make one operation."""
        sym = int(self.random() * self.args.symbols) if self.args.symbols > 1 else 0
        book = self.touched = self.books[sym]
        op = self._draw_op()
        side = "B" if self.random() < 0.5 else "S"
        if op != "A" and len(book.live) < 2:
            op = "A"
        limit = want = 0
        if op == "X":
            want = 1 + int(self.random() * BASE_CROSS_QTY * len(book.live) / self.args.target_live)
            limit, have = book.reach(side, want)
            want = min(want, have)
            op = op if limit else "A"
        self.counts[op] += 1
        if op == "A":
            return self._add(book, sym, side)
        if op == "X":
            return self._cross(book, sym, side, limit, want)
        return self._change(op, book, sym)

    def _add(self, book: Book, sym: int, side: str) -> Row:
        self.next_id += 1
        price = self._passive_price(side)
        qty = self._passive_quantity()
        book.add(self.next_id, side, price, qty)
        return "A", self.next_id, sym, side, price, qty

    def _cross(self, book: Book, sym: int, side: str, limit: int, want: int) -> Row:
        self.next_id += 1
        for maker, price, fill in book.take(side, limit, want):
            self.trades += 1
            self.volume += fill
            self.notional += fill * price
            self.digest.update(b"%d,%d,%d,%d\n" % (self.next_id, maker, price, fill))
        return "X", self.next_id, sym, side, limit, want

    def _change(self, op: str, book: Book, sym: int) -> Row:
        oid = book.live[int(self.random() * len(book.live))]
        side = book.orders[oid][0]
        book.cancel(oid)
        if op == "C":
            return op, oid, sym, side, 0, 0
        price = self._passive_price(side)
        qty = self._passive_quantity()
        book.add(oid, side, price, qty)
        return op, oid, sym, side, price, qty

    def count(self) -> None:
        """Note how many orders are resting in the book of the last operation."""
        n = len(self.touched.live)
        self.live_sum += n
        self.live_max = max(self.live_max, n)

    def expected(self) -> dict[str, Any]:
        """What a correct matcher has produced by now."""
        args, books = self.args, self.books
        return {
            "args": {k: v for k, v in vars(args).items() if k not in ("expected", "out")},
            "counts": self.counts, "trades": self.trades, "volume": self.volume, "notional": self.notional,
            "trades_sha256": self.digest.hexdigest(),
            "trades_sha256_of": "taker,maker,price,qty\\n per fill, in order",
            "live_mean": round(self.live_sum / args.ops, 1), "live_max": self.live_max,
            "final_orders": sum(len(b.live) for b in books),
            "final_open_qty": sum(qty for b in books for qty in b.open.values()),
            "final_best": [[b.best("B"), b.best("S")] for b in books][:8],
        }  # fmt: skip


def generate(args: argparse.Namespace) -> Iterator[Row]:
    """The rows, one by one; after the last one ``args.expected`` is set."""
    flow = Flow(args)
    for _ in range(args.ops):
        yield flow.step()
        flow.count()
    args.expected = flow.expected()


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    p.add_argument("--ops", type=int, default=1_000_000)
    p.add_argument("--seed", type=int, default=42)
    p.add_argument("--mix", default="60,30,10", help="weights: add,cancel,cross[,replace]")
    p.add_argument("--mid", type=int, default=10_000)
    p.add_argument("--span", type=int, default=50, help="levels a side")
    p.add_argument("--depth", choices=("uniform", "geometric"), default="uniform")
    p.add_argument("--target-live", type=int, default=2_000)
    p.add_argument("--symbols", type=int, default=1)
    p.add_argument("--out", default="flow_mix.csv")
    return p


def arguments(**changed: Any) -> argparse.Namespace:
    """The arguments of ``generate``: the command line's defaults, but for those given."""
    return argparse.Namespace(**{**vars(_parser().parse_args([])), **changed})


def main(argv: Sequence[str] | None = None) -> None:
    """Write the CSV and its sidecar."""
    args = _parser().parse_args(argv)
    with open(args.out, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("op", "id", "sym", "side", "price", "qty"))
        out.writerows(generate(args))
    with open(args.out.rsplit(".", 1)[0] + ".json", "w") as file:
        json.dump(args.expected, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
