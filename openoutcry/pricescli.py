"""``openoutcry prices`` on the command line: its options, their help, and the command.

Nothing but the standard library is imported before the command is run: this module is imported with the command line.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openoutcry.options import Commands, add_directory, command, seconds

if TYPE_CHECKING:
    from openoutcry.agents.following import Follower, Source

LINE_S: Final = 1.0  # between two lines of progress

_MORE: Final = """\
PRICE is 150.25 (stays), walk:150.25,step=0.01,every_ms=100 (random walk), revert:150.25,pull=50 (is pulled back),
replay:FILE,speed=10,loop=yes (trades or quotes, CSV or Parquet), zmq:tcp://127.0.0.1:5555 or stdin. --csv, --parquet,
--zmq and --stdin say the same. Lines of a stream are `AAPL 150.25`, `AAPL 150.20 150.30`, JSON, or `150.25`.

It ends with the file or the stream, with --duration, or with Ctrl-C, and sums up. Market-maker policies of the book's
engine (openoutcry ctl add_policy ENGINE NAME market-maker) quote around the price.

exit code: 0 the source has ended, or was stopped; 1 the exchange went away, or the book"""


def add(commands: Commands, directory: str) -> None:
    """Add ``prices`` to the command line. directory: the default of --directory."""
    made = command(
        commands, "prices", _run, "have the price of a book follow a file, a stream or a walk",
        description="Have the price of a book follow a file of trades or quotes, a stream, or a random walk.",
        more=_MORE,
    )  # fmt: skip
    made.add_argument("book", metavar="BOOK", help="name of the book")
    made.add_argument("price", metavar="PRICE", nargs="?", help="what to follow")
    made.add_argument("--csv", "--parquet", metavar="FILE", dest="file", type=Path, help="replay this file")
    made.add_argument("--zmq", metavar="ADDRESS", help="follow the ZeroMQ publisher at this address")
    made.add_argument("--stdin", action="store_true", help="follow lines of standard input")
    made.add_argument("--speed", metavar="X", default="1", help="of a file: 2 is twice as fast (default: 1)")
    made.add_argument("--loop", action="store_true", help="of a file: begin again after its last row")
    made.add_argument("--symbol", metavar="SYMBOL", help="as the file or stream calls it (default: the book's)")
    made.add_argument("--seed", metavar="N", type=int, default=1, help="of a walk (default: %(default)s)")
    made.add_argument("--duration", metavar="S", type=seconds, help="seconds to follow (default: to the end)")
    add_directory(made, directory)
    made.add_argument("--json", action="store_true", help="print the summary as JSON, all else on standard error")


def _run(args: argparse.Namespace) -> int:
    import signal
    import threading

    from openoutcry import presence
    from openoutcry.agents.following import Follower
    from openoutcry.clients.control import ControlClient

    presence.require(args.directory)
    stop = threading.Event()
    with ControlClient(args.directory) as control:
        book = control.describe(args.book)
        source = _source(args, book["symbol"])
        follower = Follower(source, lambda price: control.set_price(args.book, price))
        before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
        timer = threading.Timer(args.duration, stop.set) if args.duration is not None else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        progress = _Progress(follower, args.book, args.json)
        try:
            follower.run(stop, progress.tell)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if timer is not None:
                timer.cancel()
            source.close()
        progress.sum_up()
    return 0


def _source(args: argparse.Namespace, symbol: str) -> Source:
    """What the command line says. Raises VerbError."""
    from openoutcry.agents.following import source_of
    from openoutcry.errors import VerbError

    given: list[str | Path] = [each for each in (
        args.price, args.file, f"zmq:{args.zmq}" if args.zmq else None, "stdin" if args.stdin else None,
    ) if each is not None]  # fmt: skip
    if len(given) != 1:
        text = "say one thing to follow: PRICE, --csv FILE, --parquet FILE, --zmq ADDRESS or --stdin"
        raise VerbError("bad_argument", "price", text)
    return source_of(given[0], args.symbol or symbol, args.speed, args.loop, args.seed)


def _several(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


class _Progress:
    """A line a second, and the summary."""

    def __init__(self, follower: Follower, book: str, json: bool) -> None:
        import time

        self._follower = follower
        self._book = book
        self._json = json
        self._clock = time.monotonic
        self._began = self._next = self._clock()

    def tell(self) -> None:
        """A line, if it is time for one."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + LINE_S
        f = self._follower
        out = sys.stderr if self._json else sys.stdout
        price = f.price or "has no price yet"
        line = f"{now - self._began:6.1f} s  {self._book} {price}  {_several(f.count, 'price')} set"
        print(line, file=out, flush=True)

    def sum_up(self) -> None:
        """What came of it."""
        f, seconds = self._follower, round(self._clock() - self._began, 3)
        refused = sum(feed.board.refused + feed.board.others for feed in f.source.feeds)
        if self._json:
            import json

            print(json.dumps({"book": self._book, "prices": f.count, "passed_over": f.passed_over, "price": f.price,
                              "lines_ignored": refused, "seconds": seconds}))  # fmt: skip
            return
        ignored = f", {_several(refused, 'line')} ignored" if refused else ""
        print(f"{self._book}: {_several(f.count, 'price')} set in {seconds:.1f} s, the last one {f.price or 'none'}; "
              f"{f.passed_over:,} passed over since newer ones were there{ignored}")  # fmt: skip
