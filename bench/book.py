"""Mark (a): the order book alone, and what the machine and a replay make of the same flow.

    python -m bench.book [--json] [--ops N] [--runs N]

Three flows of bench.flowgen, 400,000 operations each, generated here:

``default``   60 % adds, 30 % cancels, 10 % aggressive orders, about 2,000 resting
``deep``      the same with about 18,700 resting
``replace``   82 % replaces

and three ways to run them, in turns of 512 commands that come out of a frame's bytes as they do in the matcher:
``book`` calls the book with what a judged command holds; ``machine`` gives the commands to ``Machine.apply``; in both
the decoding is not measured. ``replay`` measures what recovery does: decode and check the frame, apply it, and pack the
events. Every event, private and public, is made in all of them. A first run, not measured, must give
the trades (their SHA-256, in order) and the book that the generator says; the measured runs must give as many events
and trades and the same book. The medians are printed.

The garbage collector is frozen and rare, as it is in the matcher's process.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from bench import flowgen
from openoutcry import wire
from openoutcry.matcher.book import Book
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.orders import DONE, OPEN, Numbers, Timers
from openoutcry.matcher.sessions import Endpoint, Session
from openoutcry.wire import CANCEL, CANCEL_USER, ENTER

MIXES: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "deep": {"target_live": 18_700},
    "replace": {"mix": "8,6,4,82"},
}
TICK: Final = 10**6  # of the flow's prices, in 1e-8: a cent
TURN: Final = wire.COMMANDS_MAX
FIRST_COMMAND: Final = 2  # the gateway's first was its LOGON
SYMBOL: Final = "BENCH"
TIME_NS: Final = 1_700_000_000_000_000_000

Command = tuple[Any, ...]


class Flow(NamedTuple):
    """Operations as frames of commands, the flow's id of each token, and what the generator expects."""

    frames: list[bytes]
    operations: int
    ids: dict[bytes, int]
    expected: dict[str, Any]


class Run(NamedTuple):
    """One measured run."""

    seconds: float
    operations: int
    events: int


# ------------------------------------------------------------------------------------------------- the flow
def make_flow(ops: int, mix: dict[str, Any]) -> Flow:
    """Generate a flow; a replacement's total is known from a book that runs along."""
    args = flowgen.arguments(ops=ops, **mix)
    book, session, _ = _book()
    commands: list[Command] = []
    ids: dict[bytes, int] = {}
    tokens: dict[int, bytes] = {}
    for index, (op, number, _, side, price, quantity) in enumerate(flowgen.generate(args)):
        token = b"%014d" % index
        ids[token] = number
        if op == "C":
            command: Command = (wire.CANCEL, 1, tokens[number], 0)
        elif op == "R":
            total = quantity + session.live[tokens[number]][DONE]
            command = (wire.REPLACE, 1, tokens[number], token, total, price * TICK, wire.LIMIT, wire.DAY, 0, 0, 0, b"")
        else:
            code = wire.BUY if side == "B" else wire.SELL
            command = (wire.ENTER, 1, token, SYMBOL, code, quantity, price * TICK, wire.LIMIT, wire.DAY, 0, 0, b"")
        if op != "C":
            tokens[number] = token
        commands.append(command)
        _book_turn(book, session, (command,))
    frames = [
        wire.frame(wire.CMD, 1, FIRST_COMMAND + at, 0, commands[at : at + TURN]) for at in range(0, len(commands), TURN)
    ]
    return Flow(frames, len(commands), ids, args.expected)


# ------------------------------------------------------------------------------------------------- three ways
def _book() -> tuple[Book, Session, tuple[list[Command], list[Command]]]:
    private: list[Command] = []
    public: list[Command] = []
    machine = _machine()
    book = Book(1, "bench", "main", SYMBOL, Numbers(), Timers(), public.append)
    endpoint = Endpoint("bench", machine.engines["main"], "ouch42", "", "", 0)
    return book, Session(1, endpoint, "BENCH", private.append), (private, public)


def _machine() -> Machine:
    machine = Machine()
    machine.begin_epoch(1, TIME_NS)
    machine.hello("control", wire.ROLE_CONTROL, 1, TIME_NS)
    machine.hello("gateway", wire.ROLE_GATEWAY, 1, TIME_NS)
    verbs = (("create_engine", ("main",)), ("create_book", ("bench", "main", SYMBOL)),
             ("create_endpoint", ("bench", "main", "ouch42")))  # fmt: skip
    machine.apply(
        "control", 1, [(wire.VERB, i, verb, arguments) for i, (verb, arguments) in enumerate(verbs, 1)], TIME_NS
    )
    machine.apply("gateway", 1, [(wire.LOGON, "bench", "BENCH", 1)], TIME_NS)
    for stream in machine.streams.values():
        stream.events.clear()
    return machine


def _book_turn(book: Book, session: Session, commands: Sequence[Command]) -> None:
    enter, cancel, replace, live = book.enter, book.cancel, book.replace, session.live
    for command in commands:
        kind = command[0]
        if kind == ENTER:
            enter(session, command[2], command[4], command[5], command[6], command[8], 0, command[11])
        elif kind == CANCEL:
            cancel(live[command[2]], CANCEL_USER)
        else:
            order = live[command[2]]
            replace(order, command[3], command[4] - order[DONE], command[5], command[7], 0, command[11])


class Check:
    """Compares what came out with what the generator expects. trades: whether to look at every one of them."""

    def __init__(self, flow: Flow, trades: bool) -> None:
        self.flow = flow
        self.trades = trades
        self.digest = hashlib.sha256()
        self.events = 0

    def look(self, private: list[Command], public: list[Command]) -> None:
        """Take a turn's events away."""
        if self.trades:
            self._look_at_trades(private)
        self.events += len(private) + len(public)
        private.clear()
        public.clear()

    def _look_at_trades(self, private: list[Command]) -> None:
        """The taker's EXECUTED comes directly before the maker's."""
        ids, digest = self.flow.ids, self.digest
        executed = [event for event in private if event[0] == wire.EXECUTED]
        for taker, maker in zip(executed[::2], executed[1::2], strict=True):
            digest.update(b"%d,%d,%d,%d\n" % (ids[taker[2]], ids[maker[2]], taker[4] // TICK, taker[3]))

    def finish(self, book: Book) -> None:
        """Raise SystemExit unless trades and book are as expected."""
        orders = book.orders()
        found = {
            "trades": book.numbers.match,
            "final_orders": len(orders),
            "final_open_qty": sum(order[OPEN] for order in orders),
            "final_best": [[book.bids.best // TICK, book.asks.best // TICK]],
        }
        if self.trades:
            found["trades_sha256"] = self.digest.hexdigest()
        expected = self.flow.expected
        wrong = [f"{name} {value} is not {expected[name]}" for name, value in found.items() if value != expected[name]]
        if wrong:
            raise SystemExit(f"wrong result: {', '.join(wrong)}")


class Way(NamedTuple):
    """How a turn is done, and where its events come out. prepare: what is done with its frame before, unmeasured."""

    book: Book
    private: list[Command]
    public: list[Command]
    prepare: Callable[[bytes], Any]
    do: Callable[[Any], None]


def run(flow: Flow, make: Callable[[], Way], trades: bool = False) -> Run:
    """Do every turn."""
    book, private, public, prepare, do = make()
    check, clock, spent = Check(flow, trades), time.perf_counter, 0.0
    for frame in flow.frames:
        turn = prepare(frame)
        begun = clock()
        do(turn)
        spent += clock() - begun
        check.look(private, public)
    check.finish(book)
    return Run(spent, flow.operations, check.events)


def way_book() -> Way:
    """The book alone."""
    book, session, (private, public) = _book()
    return Way(book, private, public, _commands, lambda commands: _book_turn(book, session, commands))


def _commands(frame: bytes) -> Sequence[Command]:
    commands: Sequence[Command] = wire.decode_frame(frame)[4]
    return commands


def way_machine() -> Way:
    """Machine.apply."""
    machine = _machine()
    private, public = machine.streams["gateway"].events, machine.public.events
    peer = machine.peers["gateway"]

    def do(commands: Sequence[Command]) -> None:
        machine.apply("gateway", peer.last_command + 1, commands, TIME_NS)

    return Way(machine.books["bench"], private, public, _commands, do)


def way_replay() -> Way:
    """A frame's bytes in, frames' bytes out."""
    machine = _machine()
    private, public = machine.streams["gateway"].events, machine.public.events

    def do(frame: bytes) -> None:
        message = wire.decode_frame(frame)
        machine.apply("gateway", message[2], message[4], TIME_NS)
        for events in (private, public):
            for first in range(0, len(events), wire.EVENTS_MAX):
                wire.frame(wire.EV, 1, 1, TIME_NS, events[first : first + wire.EVENTS_MAX])

    return Way(machine.books["bench"], private, public, bytes, do)


WAYS: Final[dict[str, Callable[[], Way]]] = {
    "book": way_book,
    "machine": way_machine,
    "replay": way_replay,
}


# ------------------------------------------------------------------------------------------------- the table
def measure(ops: int, runs: int) -> list[dict[str, Any]]:
    """A row for each way and mix: medians of `runs` runs."""
    rows = []
    for mix, options in MIXES.items():
        flow = make_flow(ops, options)
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        for way, make in WAYS.items():
            verified = run(flow, make, trades=True)
            done = sorted(run(flow, make) for _ in range(runs))
            middle = done[len(done) // 2]
            if {each.events for each in done} != {verified.events}:
                raise SystemExit(f"{way}: not every run made the same events")
            rows.append({
                "way": way, "mix": mix, "operations": ops, "resting": flow.expected["live_max"],
                "ops_per_s": round(middle.operations / middle.seconds),
                "events_per_s": round(middle.events / middle.seconds),
                "spread": round((done[-1].seconds - done[0].seconds) / statistics.median(r.seconds for r in done), 3),
            })  # fmt: skip
        gc.set_threshold(700, 10, 10)
        gc.unfreeze()
    return rows


def main() -> int:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--ops", type=int, default=400_000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    rows = measure(args.ops, args.runs)
    if args.json:
        print(json.dumps({"bench": "book", "python": sys.version.split()[0], "rows": rows}, indent=1))
        return 0
    print(f"{'way':8} {'mix':8} {'most resting':>12} {'ops/s':>11} {'events/s':>11} {'spread':>7}")
    for row in sorted(rows, key=lambda row: list(WAYS).index(row["way"])):
        print(f"{row['way']:8} {row['mix']:8} {row['resting']:>12,} {row['ops_per_s']:>11,} "
              f"{row['events_per_s']:>11,} {row['spread']:>7.1%}")  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
