"""Verbs a second from one synchronous client of the control service, one at a time and in batches.

    python -m bench.control [--seconds 0.5] [--rounds 5] [--batch 256] [--json]

Beside them, in turns and therefore in the same minutes, the yardsticks: a bare ZeroMQ REQ/REP round trip over a unix
socket, and one through a process between (which a verb needs as well: client, control, matcher, and back). A verb that
is sent alone cannot be faster than that chain, whatever it does; the ratio says how much it is above it. ``look`` is
answered by the matcher from its memory, ``set`` and ``make`` (create_book and delete_book, two verbs) are journaled.
Figures are the medians of the rounds and the best of them, CPU that of the exchange's processes for each verb.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import zmq

from bench.orders import cpu_ns
from openoutcry import Exchange
from openoutcry.clients.batch import Batch
from openoutcry.clients.control import ControlClient

PAYLOAD: Final = b"x" * 60  # bytes of a short verb
END: Final = b""
YARDSTICKS: Final = ("round trip", "chain of two")
VERBS: Final[dict[str, Callable[[ControlClient | Batch], object]]] = {
    "look: state_hash": lambda to: to.state_hash(),
    "look: list": lambda to: to.list("engines"),
    "set: set_book_property": lambda to: to.set_book_property("aapl", "tick_size", "0.01"),
    "make: create_book, delete_book": lambda to: (to.create_book("x", "main", "X"), to.delete_book("x")),
}
COUNT: Final = {name: 2 if name.startswith("make") else 1 for name in VERBS}

Once = Callable[[], int]  # does something once and returns how much it was


def _replier(address: str, onward: str) -> None:
    """A REP socket that answers what it gets; with `onward` it asks there first, as control asks the matcher."""
    with zmq.Context() as context, context.socket(zmq.REP) as rep, context.socket(zmq.REQ) as req:
        rep.bind(address)
        if onward:
            req.connect(onward)
        message = PAYLOAD
        while message != END:
            message = rep.recv()
            if onward:
                req.send(message)
                req.recv()
            rep.send(message)


@contextmanager
def yardsticks() -> Iterator[dict[str, Once]]:
    """The bare round trips, each as a function that makes one."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="oo-bench-") as place, zmq.Context() as context, ExitStack() as stack:
        ends = [f"ipc://{place}/end", f"ipc://{place}/between", f"ipc://{place}/far"]
        chains = [(ends[0], ""), (ends[1], ends[2]), (ends[2], "")]
        started = [spawn.Process(target=_replier, args=chain, daemon=True) for chain in chains]
        for process in started:
            process.start()
        sockets = [stack.enter_context(context.socket(zmq.REQ)) for _ in YARDSTICKS]
        for socket, address in zip(sockets, ends, strict=False):
            socket.connect(address)
        try:
            yield {name: _round_trip(socket) for name, socket in zip(YARDSTICKS, sockets, strict=True)}
        finally:
            for socket in sockets:
                socket.send(END)
                socket.recv()
            for process in started:
                process.join()


def _round_trip(socket: zmq.Socket[bytes]) -> Once:
    def once() -> int:
        socket.send(PAYLOAD)
        socket.recv()
        return 1

    return once


def one_by_one(client: ControlClient, name: str) -> Once:
    """One verb, or a pair of them, and its answer."""

    def once() -> int:
        VERBS[name](client)
        return COUNT[name]

    return once


def in_batches(client: ControlClient, name: str, size: int) -> Once:
    """A batch of `size` verbs, and all their answers; raises when one is refused."""

    def once() -> int:
        with client.batch() as batch:
            while len(batch) < size:
                VERBS[name](batch)
        return len(batch)

    return once


def rate(once: Once, seconds: float) -> tuple[float, int]:
    """How much it does in a second, and how much was done."""
    done, began = once(), time.perf_counter()
    done = 0
    while (now := time.perf_counter()) < began + seconds:
        done += once()
    return done / (now - began), done


def measure(seconds: float, rounds: int, size: int) -> dict[str, Any]:
    """All rows, in turns."""
    with yardsticks() as bare, Exchange() as exchange, ControlClient(exchange.directory) as client:
        client.create_engine("main")
        client.create_book("aapl", "main", "AAPL")
        ways = {("yardstick", name): once for name, once in bare.items()}
        ways |= {("one by one", name): one_by_one(client, name) for name in VERBS}
        ways |= {("batch", name): in_batches(client, name, size) for name in VERBS}
        found: dict[tuple[str, str], list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, once in ways.items():
                before = cpu_of(exchange)
                figure, done = rate(once, seconds)
                found[way].append((figure, (cpu_of(exchange) - before) / 1_000 / done))
        return {
            "bench": "control",
            "batch": size,
            "rows": [row(*way, figures, found) for way, figures in found.items()],
        }


def cpu_of(exchange: Exchange) -> int:
    """CPU time of all its processes in ns."""
    return sum(cpu_ns(pid) for pid in exchange.pids.values())


def row(
    way: str, name: str, figures: list[tuple[float, float]], found: dict[tuple[str, str], list[tuple[float, float]]]
) -> dict[str, Any]:
    """One row of the table. of_chain: how many times the chain of two in the same round, in the middle."""
    chain = found["yardstick", "chain of two"]
    rates = [figure for figure, _ in figures]
    return {
        "way": way, "row": name, "per_s": round(statistics.median(rates)), "best_per_s": round(max(rates)),
        "of_chain": round(statistics.median(a / b for a, (b, _) in zip(rates, chain, strict=True)), 2),
        "cpu_us": 0.0 if way == "yardstick" else round(statistics.median(cpu for _, cpu in figures), 1),
    }  # fmt: skip


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="for each row in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=256, help="verbs in a batch")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    result = measure(options.seconds, options.rounds, options.batch)
    if options.json:
        print(json.dumps(result))
        return 0
    print(f"{'':12}{'':32}{'verbs/s':>10}{'best':>10}{'of chain':>10}{'cpu us':>9}")
    for each in result["rows"]:
        print(f"{each['way']:12}{each['row']:32}{each['per_s']:>10,}{each['best_per_s']:>10,}{each['of_chain']:>10.2f}"
              f"{each['cpu_us']:>9.1f}")  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
