"""``openoutcry agents`` on the command line: its options, and their help.

Nothing but the standard library is imported before the command is run: this module is imported with the command line.
"""

from __future__ import annotations

import argparse
from typing import Final

from openoutcry.options import Commands, add_directory, command, seconds

_MORE: Final = """\
KINDS is a list of maker (quotes both sides around the price), zero (zero intelligence: orders at random), momentum
(follows the market) and value (has an opinion of its own), each with =NUMBER or without: maker=2,zero=3,value.

A price is 150.25 (stays), walk:150.25,step=0.01,every_ms=100 (random walk), revert:150.25,pull=50 (is pulled back),
replay:FILE.csv,speed=2,loop=yes (trades or quotes), zmq:tcp://127.0.0.1:5555 or stdin (lines: AAPL 150.25). Without
SYMBOL= it is for all symbols. Default: a walk from the middle of the market.

exit code: 0 all orders were answered and taken out again; 1 not, or the exchange went away"""


def add(commands: Commands, directory: str) -> None:
    """Add ``agents`` to the command line. directory: the default of --directory."""
    made = command(
        commands, "agents", _run, "let agents trade on the running exchange",
        description="Let agents trade on the running exchange until interrupted, and sum up.", more=_MORE,
    )  # fmt: skip
    add_directory(made, directory)
    made.add_argument("--agents", metavar="KINDS", default="maker,zero,momentum,value",
                      help="how many of each kind (default: one of each)")  # fmt: skip
    made.add_argument("--activity", choices=("none", "slow", "fast"), default="slow",
                      help="none, slow: 2 turns a second each, fast: 50 (default: %(default)s)")  # fmt: skip
    made.add_argument("--endpoint", metavar="NAME", action="append", default=[],
                      help="endpoint to trade on; may be repeated (default: all of an engine)")  # fmt: skip
    made.add_argument("--symbols", metavar="A,B", help="symbols to trade (default: all of the engine)")
    made.add_argument("--prices", metavar="[SYMBOL=]PRICE", action="append", default=[],
                      help="what a symbol is worth over time; may be repeated")  # fmt: skip
    made.add_argument("--position", metavar="SHARES", type=_whole, default=10_000,
                      help="no agent is ever longer or shorter in a symbol (default: %(default)s)")  # fmt: skip
    made.add_argument("--seed", metavar="N", type=int, default=1, help="of all that is random (default: %(default)s)")
    made.add_argument("--duration", metavar="S", type=seconds, help="seconds to trade (default: until interrupted)")
    made.add_argument("--keep", action="store_true", help="leave the open orders where they are at the end")
    made.add_argument("--json", action="store_true", help="print the summary as JSON, all else on standard error")


def _whole(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 999_999_999:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to 999999999")
    return number


def _run(args: argparse.Namespace) -> int:
    from openoutcry import presence
    from openoutcry.agents import command

    symbols = args.symbols.split(",") if args.symbols else ()
    options = command.Options(
        directory=args.directory, endpoints=args.endpoint, symbols=symbols, agents=command.kinds(args.agents),
        activity=args.activity, prices=args.prices, position=args.position, seed=args.seed, duration=args.duration,
        keep=args.keep, json=args.json,
    )  # fmt: skip
    presence.require(args.directory)
    return command.run(options)
