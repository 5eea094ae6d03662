"""What is not plain trading: an auction with 100,000 orders, and 10,000 stops that set each other off.

    python -m bench.engine [--json] [--runs N] [--orders N] [--stops N]

``collect``   100,000 limit orders of random price and size come in during the pre-open, over 400 price levels, half
              of them buys; at a price in the middle half of them trade
``uncross``   the step from the pre-open to open: the price is found, everything that can trade at it does, both sides
              and the public are told of each match, and what is left goes on in a book that is not crossed
``stops``     10,000 stop orders (SUBMIT) with triggers one tick apart, and a ladder of bids that they will sell into
``cascade``   one trade, which sets off the first stop, whose trade sets off the next, and so on through all of them

All through Machine.apply, as the matcher does it; the events are made, and packed afterwards, unmeasured. What comes
out is checked: the auction leaves nothing crossed and trades what it said, and every stop of the cascade has traded.
Medians of the runs, in time of the processor.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from bench.book import SYMBOL, TICK, TIME_NS, do_verbs, make_machine
from openoutcry import compiled, wire
from openoutcry.matcher.machine import Machine

LEVELS: Final = 400
MIDDLE: Final = 10_000
Command = tuple[Any, ...]


class Stage:
    """A machine with one book, its clock, and what has come out of it."""

    def __init__(self) -> None:
        self.machine: Machine = make_machine(1)
        self.book = self.machine.books[f"{SYMBOL}0"]
        self.events = 0

    def do(self, commands: Sequence[Command]) -> float:
        """Commands of the gateway in turns of 512; returns the seconds that the machine took."""
        spent, peer = 0.0, self.machine.peers["gateway"]
        for first in range(0, len(commands), wire.COMMANDS_MAX):
            turn = commands[first : first + wire.COMMANDS_MAX]
            begun = time.thread_time()
            self.machine.apply("gateway", peer.last_command + 1, turn, TIME_NS)
            spent += time.thread_time() - begun
            self.take()
        return spent

    def verb(self, verb: str, *arguments: Any) -> float:
        """A verb; returns the seconds that it took."""
        begun = time.thread_time()
        do_verbs(self.machine, [(verb, arguments)])
        spent = time.thread_time() - begun
        self.take()
        return spent

    def take(self) -> None:
        """Take the events away."""
        for stream in self.machine.streams.values():
            self.events += len(stream.events)
            stream.events.clear()


def limit(number: int, side: int, quantity: int, price: int) -> Command:
    """A limit order of the bench's session; price in ticks."""
    token = b"%014d" % number
    return (wire.ENTER, 1, token, f"{SYMBOL}0", side, quantity, price * TICK, wire.LIMIT, wire.DAY, 0, 0, b"")


def stop(number: int, quantity: int, trigger: int) -> Command:
    """A stop order that sells."""
    return (wire.SUBMIT, 1, b"S%013d" % number, f"{SYMBOL}0", wire.SELL, quantity, 0, wire.STOP, wire.DAY, 0, 0, b"",
            ((wire.TERM_STOP_PRICE, trigger * TICK),))  # fmt: skip


def auction(orders: int) -> dict[str, float]:
    """Collect and uncross: seconds of each, and how many matches there were."""
    random = Random(1)
    stage = Stage()
    stage.verb("close", "main")
    stage.verb("set_phase", "main", "pre_open", None)
    commands = []
    for number in range(orders):
        side = wire.BUY if number % 2 else wire.SELL
        price = MIDDLE + random.randrange(-LEVELS // 2, LEVELS // 2)
        commands.append(limit(number, side, random.randrange(1, 100), price))
    collected = stage.do(commands)
    if len(stage.book.orders()) != orders:
        raise SystemExit(f"{len(stage.book.orders())} orders wait, not {orders}")
    begun = stage.verb("set_phase", "main", "open", None)
    matches, book = stage.machine.numbers.match, stage.book
    if not matches or book.bids.best >= book.asks.best:
        raise SystemExit(f"{matches} matches; best {book.bids.best} against {book.asks.best}")
    return {"collect": collected, "uncross": begun, "matches": matches}


def cascade(stops: int) -> dict[str, float]:
    """Enter stops, and set them off: seconds of each."""
    top = 2 * stops
    stage = Stage()
    # A bid at each price: the stop with the trigger there sells to the one below, whose price is the next trigger.
    stage.do([limit(number, wire.BUY, 10, top - number) for number in range(stops + 2)])
    entered = stage.do([stop(number, 10, top - number) for number in range(stops)])
    spent = stage.do([limit(stops + 2, wire.SELL, 10, top)])
    if stage.machine.numbers.match != stops + 1:
        raise SystemExit(f"{stage.machine.numbers.match} trades, not {stops + 1}")
    return {"stops": entered, "cascade": spent, "matches": stops + 1}


def measure(runs: int, orders: int, stops: int) -> list[dict[str, Any]]:
    """A row for each of the four."""
    rows = []
    for play, size, what in ((auction, orders, "uncross"), (cascade, stops, "cascade")):
        done = []
        for _ in range(runs):
            gc.collect()
            gc.freeze()
            gc.set_threshold(100_000, 50, 100)
            done.append(play(size))
            gc.unfreeze()
        for name in done[0]:
            if name != "matches":
                seconds = statistics.median(each[name] for each in done)
                rows.append({"row": name, "orders": size, "seconds": round(seconds, 4),
                             "orders_per_s": round(size / seconds),
                             "matches": int(done[0]["matches"]) if name == what else 0})  # fmt: skip
    return rows


def main() -> int:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--stops", type=int, default=10_000)
    args = parser.parse_args()
    rows = measure(args.runs, args.orders, args.stops)
    if args.json:
        print(json.dumps({"bench": "engine", "build": compiled.build(), "rows": rows}, indent=1))
        return 0
    print(f"median of {args.runs}; the matcher is {compiled.build()}")
    print(f"{'row':8} {'orders':>8} {'matches':>8} {'seconds':>8} {'orders/s':>10}")
    for row in rows:
        print(f"{row['row']:8} {row['orders']:>8,} {row['matches']:>8,} {row['seconds']:>8.3f} "
              f"{row['orders_per_s']:>10,}")  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
