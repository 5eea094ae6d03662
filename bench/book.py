"""Mark (a): the order book alone, and what encoding, the machine and a replay make of the same flow.

    python -m bench.book [--json] [--ops N] [--runs N] [--ways WAY,...] [--mixes MIX,...]

Flows of bench.flowgen, 200,000 operations each, generated here:

``default``   60 % adds, 30 % cancels, 10 % aggressive orders, about 2,000 resting
``deep``      the same with about 18,700 resting
``replace``   82 % replaces
``books``     the default flow over 1,000 books of 20 orders each, every operation in another book, drawn at random

and ways to run them, in turns of 512 commands that come out of a frame's bytes as they do in the matcher:

``book``      calls the book with what a judged command holds
``encoded``   the same, and packs every event into the frames of the bus, as the matcher does at the end of a turn
``machine``   gives the commands to ``Machine.apply``
``general``   the same in books that are not plain (they have a property that no order of the flow minds), so that the
              general path does everything
``replay``    what recovery does: decode and check the frame, apply it, and pack the events

In all but the last the decoding is not measured. Every event, private and public, is made in all of them. A first run,
not measured, must give the trades (their SHA-256, in order) and the books that the generator says; the measured runs
must give as many events and trades and the same books. The medians are printed. Time is the processor's, so that what
else the machine does counts only where it takes the caches away.

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
from bench.turns import Judged, judged, play
from openoutcry import compiled, wire
from openoutcry.matcher.book import Book
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.orders import DONE, OPEN, Numbers, Timers
from openoutcry.matcher.sessions import Endpoint, Session
from openoutcry.matcher.tape import Tape

MIXES: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "deep": {"target_live": 18_700},
    "replace": {"mix": "8,6,4,82"},
    "books": {"symbols": 1_000, "target_live": 20},
}
TICK: Final = 10**6  # of the flow's prices, in 1e-8: a cent
TURN: Final = wire.COMMANDS_MAX
FIRST_COMMAND: Final = 2  # the gateway's first was its LOGON
SYMBOL: Final = "BENCH"  # and a number
TIME_NS: Final = 1_700_000_000_000_000_000
NOT_PLAIN: Final = ("market_protection", TICK)  # for market orders alone, of which the flow has none

Command = tuple[Any, ...]


class Flow(NamedTuple):
    """Operations as frames of commands, the flow's id of each token, and what the generator expects."""

    frames: list[bytes]
    operations: int
    ids: dict[bytes, int]
    expected: dict[str, Any]
    books: int


class Run(NamedTuple):
    """One measured run."""

    seconds: float
    operations: int
    events: int


# ------------------------------------------------------------------------------------------------- the flow
def make_flow(ops: int, mix: dict[str, Any]) -> Flow:
    """Generate a flow; a replacement's total is known from books that run along."""
    args = flowgen.arguments(ops=ops, **mix)
    desk = _desk(args.symbols)
    commands: list[Command] = []
    ids: dict[bytes, int] = {}
    tokens: dict[int, bytes] = {}
    for index, (op, number, symbol, side, price, quantity) in enumerate(flowgen.generate(args)):
        token = b"%014d" % index
        ids[token] = number
        if op == "C":
            command: Command = (wire.CANCEL, 1, tokens[number], 0)
        elif op == "R":
            total = quantity + desk.session.live[tokens[number]][DONE]
            command = (wire.REPLACE, 1, tokens[number], token, total, price * TICK, wire.LIMIT, wire.DAY, 0, 0, 0, b"")
        else:
            code = wire.BUY if side == "B" else wire.SELL
            name = f"{SYMBOL}{symbol}"
            command = (wire.ENTER, 1, token, name, code, quantity, price * TICK, wire.LIMIT, wire.DAY, 0, 0, b"")
        if op != "C":
            tokens[number] = token
        commands.append(command)
        play(desk.session, judged(desk.books, (command,)))
    frames = [
        wire.frame(wire.CMD, 1, FIRST_COMMAND + at, 0, commands[at : at + TURN]) for at in range(0, len(commands), TURN)
    ]
    return Flow(frames, len(commands), ids, args.expected, args.symbols)


# ------------------------------------------------------------------------------------------------- the ways
class Desk(NamedTuple):
    """Books and a session without a machine."""

    books: dict[str, Book]
    session: Session
    private: Tape
    public: Tape


def _desk(count: int) -> Desk:
    private, public, numbers, timers = Tape(), Tape(), Numbers(), Timers()
    books = {
        symbol: Book(number, symbol, "main", symbol, numbers, timers, public)
        for number, symbol in enumerate((f"{SYMBOL}{number}" for number in range(count)), 1)
    }
    endpoint = Endpoint("bench", make_machine(0).engines["main"], "ouch42", "", "", 0)
    return Desk(books, Session(1, endpoint, "BENCH", private), private, public)


def make_machine(books: int, properties: Sequence[tuple[str, Any]] = ()) -> Machine:
    """A machine with an engine, books and a session that may have ten million orders."""
    machine = Machine()
    machine.begin_epoch(1, TIME_NS)
    machine.hello("control", wire.ROLE_CONTROL, 1, TIME_NS)
    machine.hello("gateway", wire.ROLE_GATEWAY, 1, TIME_NS)
    symbols = [f"{SYMBOL}{number}" for number in range(books)]
    do_verbs(
        machine,
        [
            ("create_engine", ("main",)),
            ("set_engine_property", ("main", "max_open_orders", 10_000_000)),
            *(("create_book", (symbol, "main", symbol)) for symbol in symbols),
            *(("set_book_property", (symbol, *each)) for symbol in symbols for each in properties),
            ("create_endpoint", ("bench", "main", "ouch42")),
        ],
    )
    machine.apply("gateway", 1, [(wire.LOGON, "bench", "BENCH", 1, "")], TIME_NS)
    for stream in machine.streams.values():
        stream.events.clear()
    return machine


def do_verbs(machine: Machine, verbs: Sequence[tuple[str, tuple[Any, ...]]], time_ns: int = TIME_NS) -> None:
    """Verbs of the control peer. Raises SystemExit when one of them is refused."""
    peer = machine.peers["control"]
    first = peer.last_command + 1
    commands = [(wire.VERB, first + at, verb, arguments) for at, (verb, arguments) in enumerate(verbs)]
    machine.apply("control", first, commands, time_ns)
    for event in peer.stream.events:
        if event[0] == wire.RESULT and event[2]:
            raise SystemExit(f"a verb was refused: {event[2]}")


class Way(NamedTuple):
    """How a turn is done, and where its events come out. prepare: what is done with its frame before, unmeasured.

    count: events that are no longer in the streams when a turn is done.
    """

    books: list[Book]
    private: Tape
    public: Tape
    prepare: Callable[[bytes], Any]
    do: Callable[[Any], int]


def way_book(books: int) -> Way:
    """The books alone."""
    desk = _desk(books)

    def prepare(frame: bytes) -> list[Judged]:
        return judged(desk.books, _commands(frame))

    def do(commands: list[Judged]) -> int:
        play(desk.session, commands)
        return 0

    return Way(list(desk.books.values()), desk.private, desk.public, prepare, do)


def way_encoded(books: int) -> Way:
    """The books alone, and the frames."""
    desk = _desk(books)

    def prepare(frame: bytes) -> list[Judged]:
        return judged(desk.books, _commands(frame))

    def do(commands: list[Judged]) -> int:
        play(desk.session, commands)
        return pack(desk.private) + pack(desk.public)

    return Way(list(desk.books.values()), desk.private, desk.public, prepare, do)


def pack(events: Tape) -> int:
    """Make the frames of a turn's events and take the events away; returns how many there were."""
    count = len(events)
    if count <= wire.EVENTS_MAX:
        events.frame(1, 1, TIME_NS)
    else:
        for first in range(0, count, wire.EVENTS_MAX):
            events.part(first, first + wire.EVENTS_MAX).frame(1, 1, TIME_NS)
    events.clear()
    return count


def way_machine(books: int, properties: Sequence[tuple[str, Any]] = ()) -> Way:
    """Machine.apply."""
    machine = make_machine(books, properties)
    private, public = machine.streams["gateway"].events, machine.public.events
    peer = machine.peers["gateway"]

    def do(commands: Sequence[Command]) -> int:
        machine.apply("gateway", peer.last_command + 1, commands, TIME_NS)
        return 0

    return Way(list(machine.books.values()), private, public, _commands, do)


def way_general(books: int) -> Way:
    """Machine.apply with books that are not plain."""
    way = way_machine(books, (NOT_PLAIN,))
    if any(book.plain for book in way.books):
        raise SystemExit(f"a book with {NOT_PLAIN[0]} is plain")
    return way


def way_replay(books: int) -> Way:
    """A frame's bytes in, frames' bytes out."""
    machine = make_machine(books)
    private, public = machine.streams["gateway"].events, machine.public.events

    def do(frame: bytes) -> int:
        message = wire.decode_frame(frame)
        machine.apply("gateway", message[2], message[4], TIME_NS)
        return pack(private) + pack(public)

    return Way(list(machine.books.values()), private, public, bytes, do)


def _commands(frame: bytes) -> Sequence[Command]:
    commands: Sequence[Command] = wire.decode_frame(frame)[4]
    return commands


WAYS: Final[dict[str, Callable[[int], Way]]] = {
    "book": way_book,
    "encoded": way_encoded,
    "machine": way_machine,
    "general": way_general,
    "replay": way_replay,
}


# ------------------------------------------------------------------------------------------------- the check
class Check:
    """Compares what came out with what the generator expects. trades: whether to look at every one of them."""

    def __init__(self, flow: Flow, trades: bool) -> None:
        self.flow = flow
        self.trades = trades
        self.digest = hashlib.sha256()
        self.events = 0

    def look(self, private: Tape, public: Tape, packed: int) -> None:
        """Take a turn's events away. packed: so many are gone already, and their trades cannot be looked at."""
        if packed:
            self.trades = False
        if self.trades:
            self._look_at_trades(private)
        self.events += len(private) + len(public) + packed
        private.clear()
        public.clear()

    def _look_at_trades(self, private: Tape) -> None:
        """The taker's EXECUTED comes directly before the maker's."""
        ids, digest = self.flow.ids, self.digest
        executed = [event for event in private if event[0] == wire.EXECUTED]
        for taker, maker in zip(executed[::2], executed[1::2], strict=True):
            digest.update(b"%d,%d,%d,%d\n" % (ids[taker[2]], ids[maker[2]], taker[4] // TICK, taker[3]))

    def finish(self, books: list[Book]) -> None:
        """Raise SystemExit unless trades and books are as expected."""
        orders = [order for book in books for order in book.orders()]
        expected = self.flow.expected
        found: dict[str, Any] = {
            "trades": books[0].numbers.match,
            "final_orders": len(orders),
            "final_open_qty": sum(order[OPEN] for order in orders),
        }
        if len(books) == 1:
            found["final_best"] = [[books[0].bids.best // TICK, books[0].asks.best // TICK]]
        if self.trades:
            found["trades_sha256"] = self.digest.hexdigest()
        wrong = [f"{name} {value} is not {expected[name]}" for name, value in found.items() if value != expected[name]]
        if wrong:
            raise SystemExit(f"wrong result: {', '.join(wrong)}")


def run(flow: Flow, make: Callable[[int], Way], trades: bool = False) -> Run:
    """Do every turn."""
    books, private, public, prepare, do = make(flow.books)
    check, clock, spent = Check(flow, trades), time.thread_time, 0.0
    for frame in flow.frames:
        turn = prepare(frame)
        begun = clock()
        packed = do(turn)
        spent += clock() - begun
        check.look(private, public, packed)
    check.finish(books)
    return Run(spent, flow.operations, check.events)


# ------------------------------------------------------------------------------------------------- the table
def measure(ops: int, runs: int, ways: Sequence[str], mixes: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each way and mix: medians of `runs` runs."""
    rows = []
    for mix in mixes:
        flow = make_flow(ops, MIXES[mix])
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        for way in ways:
            make = WAYS[way]
            verified = run(flow, make, trades=True)
            done = sorted(run(flow, make) for _ in range(runs))
            middle = done[len(done) // 2]
            if {each.events for each in done} != {verified.events}:
                raise SystemExit(f"{way}: not every run made the same events")
            rows.append({
                "way": way, "mix": mix, "operations": ops, "resting": flow.expected["live_max"], "books": flow.books,
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
    parser.add_argument("--ops", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of: {', '.join(WAYS)}")
    parser.add_argument("--mixes", default=",".join(MIXES), help=f"of: {', '.join(MIXES)}")
    args = parser.parse_args()
    ways, mixes = args.ways.split(","), args.mixes.split(",")
    for given, known in ((ways, list(WAYS)), (mixes, list(MIXES))):
        for name in given:
            if name not in known:
                parser.error(f"{name!r} is none of {', '.join(known)}")
    rows = measure(args.ops, args.runs, ways, mixes)
    if args.json:
        facts = {"bench": "book", "python": sys.version.split()[0], "build": compiled.build()}
        print(json.dumps({**facts, "rows": rows}, indent=1))
        return 0
    print(f"{args.ops:,} operations a run, median of {args.runs}; the matcher is {compiled.build()}")
    print(f"{'way':8} {'mix':8} {'books':>6} {'most resting':>12} {'ops/s':>11} {'events/s':>11} {'spread':>7}")
    for row in sorted(rows, key=lambda row: list(WAYS).index(row["way"])):
        print(f"{row['way']:8} {row['mix']:8} {row['books']:>6,} {row['resting']:>12,} {row['ops_per_s']:>11,} "
              f"{row['events_per_s']:>11,} {row['spread']:>7.1%}")  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
