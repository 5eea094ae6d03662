"""What the modules that add commands to the command line have in common.

Nothing but the standard library is imported: this module is imported with the command line.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

SECONDS_MAX = 1e8  # three years: beyond some more, a system call that waits refuses it
Commands = Any  # argparse's own type for the result of add_subparsers is private


def command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str, *, description: str = "",
    more: str = "",
) -> argparse.ArgumentParser:  # fmt: skip
    """Add a command. text: what it does, in a line; description: the same in its own help; more: printed as it is."""
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=description or text[:1].upper() + text[1:] + ".", epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    made.set_defaults(run=run)
    return made


def seconds(text: str) -> float:
    """A time to wait or to run, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def add_directory(parser: argparse.ArgumentParser, default: str) -> None:
    """Which exchange it is about."""
    parser.add_argument("--directory", metavar="DIR", default=os.environ.get("OPENOUTCRY_DIRECTORY", default),
                        help="where the exchange keeps its files (default: %(default)s)")  # fmt: skip
