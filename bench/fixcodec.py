"""FIX messages to bytes and back: µs of the processor for each.

    python -m bench.fixcodec [--json] [--messages N] [--runs N]

A NewOrderSingle of about 203 bytes and an ExecutionReport of about 264 bytes, FIX 4.2, in reads of 64 messages, no two
alike, in these ways:

``decode``         as a session does it: split and checked against the dictionary, with patterns that were learned
``decode general`` the same, but nothing is learned: every message is split at its SOHs and then checked
``split``          split only: framing, BodyLength, CheckSum, tags
``encode``         as the gateway does it: whole numbers and ns become values, values a message
``encode any``     from (tag, value) with values of any type, as users of the client give them
``parse, ...``     with simplefix, where that is installed: another codec in pure Python, without validation

Every message that was decoded is compared with the one that was encoded in a first run that is not measured.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from openoutcry import compiled
from openoutcry.fix.codec import Decoder, Header, Value, body, template
from openoutcry.fix.dictionary import load
from openoutcry.fix.message import Message
from openoutcry.fix.times import stamp
from openoutcry.fix.validate import Validator
from openoutcry.fix.values import price_text

try:
    import simplefix
except ImportError:  # it is a yardstick, and installed with the tests
    simplefix = None

WINDOW: Final = 64  # messages in one read
TIME_NS: Final = 1_790_000_000_123_000_000
CENT: Final = 10**6
ORDER_TAGS: Final = (1, 11, 18, 21, 38, 40, 44, 54, 55, 59, 60, 100)
REPORT_TAGS: Final = (1, 6, 11, 14, 17, 20, 31, 32, 37, 38, 39, 40, 44, 54, 55, 59, 60, 150, 151)
ORDER: Final = template(ORDER_TAGS)
REPORT: Final = template(REPORT_TAGS)
TEXTS: Final = (b"ACCOUNT1", b"1", b"2", b"AAPL", b"0", b"NASDAQ")
SIZES: Final = {"NewOrderSingle": 203, "ExecutionReport": 264}  # those of the published figures

Facts = tuple[int, int, int, int]  # number, quantity, price in 1e-8, ns


class Kind(NamedTuple):
    """One kind of message, and two ways to write its body."""

    name: str
    kind: bytes
    written: Callable[[Facts], bytes]
    fields: Callable[[Facts], list[tuple[int, Value]]]


def order(facts: Facts) -> bytes:
    number, quantity, price, ns = facts
    account, one, two, symbol, zero, venue = TEXTS
    return ORDER % (
        *(account, b"ORD%09d" % number, one, one, b"%d" % quantity, two, price_text(price), one, symbol, zero),
        *(stamp(ns), venue),
    )


def report(facts: Facts) -> bytes:
    number, quantity, price, ns = facts
    account, one, two, symbol, zero, _ = TEXTS
    size, text = b"%d" % quantity, price_text(price)
    return REPORT % (
        *(account, text, b"ORD%09d" % number, size, b"E%011d" % number, zero, text, size, b"%012d" % number, size),
        *(two, two, text, one, symbol, zero, stamp(ns), two, zero),
    )


def order_fields(facts: Facts) -> list[tuple[int, Value]]:
    number, quantity, price, ns = facts
    return [
        *((1, "ACCOUNT1"), (11, f"ORD{number:09}"), (18, "1"), (21, "1"), (38, quantity), (40, "2")),
        *((44, decimal(price)), (54, "1"), (55, "AAPL"), (59, "0"), (60, stamp(ns)), (100, "NASDAQ")),
    ]


def report_fields(facts: Facts) -> list[tuple[int, Value]]:
    number, quantity, price, ns = facts
    exact = decimal(price)
    return [
        *((1, "ACCOUNT1"), (6, exact), (11, f"ORD{number:09}"), (14, quantity), (17, f"E{number:011}"), (20, "0")),
        *((31, exact), (32, quantity), (37, f"{number:012}"), (38, quantity), (39, "2"), (40, "2"), (44, exact)),
        *((54, "1"), (55, "AAPL"), (59, "0"), (60, stamp(ns)), (150, "2"), (151, 0)),
    ]


def decimal(units: int) -> Decimal:
    return Decimal(price_text(units).decode())


KINDS: Final = (
    Kind("NewOrderSingle", b"D", order, order_fields),
    Kind("ExecutionReport", b"8", report, report_fields),
)
HEADER: Final = Header("FIX.4.2", "CLIENT0001", "OPENOUTCRY")


def facts_of(count: int) -> list[Facts]:
    """What the messages are about: no two alike."""
    return [(100_000 + n, 100 * (1 + n % 50), (10_000 + n % 97) * CENT, TIME_NS + n * 10_000_000) for n in range(count)]


def encode(kind: Kind, facts: list[Facts]) -> list[bytes]:
    """Messages of whole numbers."""
    made, form, code = HEADER.message, kind.written, kind.kind
    return [made(code, each[0], stamp(each[3]), form(each)) for each in facts]


def encode_any(kind: Kind, bodies: list[list[tuple[int, Value]]]) -> list[bytes]:
    """Messages of values of any type."""
    return [HEADER.message(kind.kind, 100_000, stamp(TIME_NS), body(each)) for each in bodies]


class Reader:
    """A connection's receiving side: decodes and checks; learns if it may."""

    def __init__(self, checks: bool = True, learns: bool = True) -> None:
        self.decoder = Decoder()
        self.validator = Validator(load("FIX42"))
        self.checks = checks
        self.learns = learns

    def read(self, data: bytes) -> list[Message]:
        """The messages of one read. Ends the run when one is not as the dictionary has it."""
        messages = self.decoder.feed(data)
        for message in messages:
            if not message.checked and self.checks:
                self.check(message)
        return messages

    def check(self, message: Message) -> None:
        flaw = self.validator.check(message)
        if flaw is not None:
            raise SystemExit(f"wrong result: {flaw} in {message}")
        if self.learns and self.decoder.wants(message):
            pattern = self.validator.pattern(message)
            if pattern is not None:
                self.decoder.learn(message, pattern)


def windows(each: list[Any]) -> list[list[Any]]:
    """Parts of WINDOW."""
    return [each[at : at + WINDOW] for at in range(0, len(each), WINDOW)]


def verify(kind: Kind, messages: list[bytes], facts: list[Facts]) -> None:
    """That each way gives the same; ends the run when not."""
    size = len(messages[0])
    if abs(size - SIZES[kind.name]) > 3:
        raise SystemExit(f"wrong result: a {kind.name} of {size} bytes")
    for checks, learns in ((True, True), (True, False), (False, False)):
        reader = Reader(checks, learns)
        found = [message for part in windows(messages) for message in reader.read(b"".join(part))]
        if [message.raw for message in found] != messages:
            raise SystemExit("wrong result: other messages than were written")
        if checks and learns and sum(message.checked for message in found) < len(found) - 2 * WINDOW:
            raise SystemExit("wrong result: nothing was learned")
    if [body(kind.fields(each)) for each in facts] != [kind.written(each) for each in facts]:
        raise SystemExit("wrong result: the bodies differ")


def ways(kind: Kind, messages: list[bytes], facts: list[Facts]) -> dict[str, tuple[Callable[[Any], object], list[Any]]]:
    """What is measured: functions, and the parts that they are called with, one after the other."""
    reads = [b"".join(part) for part in windows(messages)]
    learned = Reader()
    for data in reads:
        learned.read(data)
    found: dict[str, tuple[Callable[[Any], object], list[Any]]] = {
        "decode": (learned.read, reads),
        "decode general": (Reader(learns=False).read, reads),
        "split": (Reader(checks=False, learns=False).read, reads),
        "encode": (lambda part: encode(kind, part), windows(facts)),
        "encode any": (lambda part: encode_any(kind, part), windows([kind.fields(each) for each in facts])),
    }
    if simplefix is not None:
        found["parse, simplefix"] = (simplefix_parse, reads)
    return found


def simplefix_parse(data: bytes) -> int:
    """How many messages simplefix finds."""
    parser, count = simplefix.FixParser(), 0
    parser.append_buffer(data)
    while parser.get_message() is not None:
        count += 1
    return count


def measure(count: int, runs: int) -> list[dict[str, Any]]:
    """A row for each kind and way: medians of the runs, which take turns."""
    facts = facts_of(count)
    rows = []
    for kind in KINDS:
        messages = encode(kind, facts)
        verify(kind, messages, facts)
        todo = ways(kind, messages, facts)
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        spent: dict[str, list[float]] = {way: [] for way in todo}
        for _ in range(runs):
            for way, (do, parts) in todo.items():
                begun = time.thread_time()
                for part in parts:
                    do(part)
                spent[way].append((time.thread_time() - begun) / count * 1e6)
        gc.set_threshold(700, 10, 10)
        gc.unfreeze()
        for way, each in spent.items():
            rows.append({
                "message": kind.name, "bytes": len(messages[0]), "way": way, "us": round(statistics.median(each), 2),
                "best_us": round(min(each), 2),
            })  # fmt: skip
    return rows


def main() -> int:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--messages", type=int, default=6_400)
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    rows = measure(args.messages, args.runs)
    if args.json:
        facts = {"bench": "fixcodec", "python": sys.version.split()[0], "build": compiled.build()}
        print(json.dumps({**facts, "rows": rows}, indent=1))
        return 0
    print(f"{args.messages:,} messages a run, median of {args.runs}; the codec is {compiled.build()}")
    print(f"{'message':16} {'bytes':>5} {'way':18} {'us':>7} {'best':>7}")
    for row in rows:
        print(f"{row['message']:16} {row['bytes']:>5} {row['way']:18} {row['us']:>7.2f} {row['best_us']:>7.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
