"""``openoutcry record`` and ``openoutcry replay`` on the command line: their options, and their help.

Nothing but the standard library is imported before the command is run: this module is imported with the command line.
"""

from __future__ import annotations

import argparse
import os
from typing import Final

from openoutcry.options import Commands, command

_RECORD: Final = """\
Reads the journal of an exchange, running or not, and changes nothing. With --follow it goes on with what is being
written until it is interrupted (Ctrl-C), and writes the file then. What cannot be recorded is said, here and in the
file (left_out). docs/scenarios.md describes files.

A TIME is 2026-11-20T10:30:00 or, on the journal's last day, 10:30 (UTC); for --since also how long before the end: 5m.

exit code: 0 the file is written; 1 there is no journal, or it is damaged"""

_REPLAY: Final = """\
FILE is a scenario in TOML or JSON, a client's actions as `openoutcry play` takes them, or Python with functions marked
by @openoutcry.scenarios.scenario (FILE.py, or FILE.py:NAME for one of several).

Without --directory it is played on an exchange of its own, whose clock is moved by the steps' times, so hours take no
time. What comes is compared with the file's events; where it has none, it is printed, a line of JSON for each.

exit code: 0 all events came as expected; 1 not, or it could not be played; 2 FILE is no scenario"""


def add(commands: Commands, directory: str) -> None:
    """Add both commands. directory: the default of `record`."""
    _add_record(commands, os.environ.get("OPENOUTCRY_DIRECTORY", directory))
    _add_replay(commands)


def _add_record(commands: Commands, directory: str) -> None:
    made = command(commands, "record", _record, "make a scenario of what has happened on an exchange", more=_RECORD)
    made.add_argument("directory", metavar="DIRECTORY", nargs="?", default=directory,
                      help="where the exchange keeps its files (default: %(default)s)")  # fmt: skip
    made.add_argument("-o", "--output", metavar="FILE", required=True, help="file to write: .toml or .json")
    made.add_argument(
        "--since", metavar="TIME", default="", help="only what has happened since then, with what was there"
    )
    made.add_argument("--until", metavar="TIME", default="", help="only what happened before")
    made.add_argument("--follow", action="store_true", help="go on until interrupted")


def _add_replay(commands: Commands) -> None:
    made = command(
        commands, "replay", _replay, "play a scenario again, and compare what comes with what came", more=_REPLAY
    )
    made.add_argument("file", metavar="FILE", help="the scenario")
    made.add_argument("--directory", metavar="DIR", help="play it on the exchange that runs there")
    made.add_argument("--pace", choices=("virtual", "real", "none"),
                      help="virtual: move the exchange's clock (default without --directory); real: wait for the times "
                      "of the steps (default with it); none: do neither")  # fmt: skip
    made.add_argument("--save", metavar="FILE", help="write the scenario with the events that came")
    made.add_argument("--against", metavar="FILE", help="compare with the events of another scenario")
    made.add_argument("--times", action="store_true", help="compare when events were, too")
    made.add_argument("--differences", metavar="N", type=int, default=5, help="show so many (default: %(default)s)")
    made.add_argument("--events", action="store_true", help="print every event as a line of JSON")
    made.add_argument("--timeout", metavar="S", type=float, default=5.0,
                      help="seconds to wait for what is expected (default: %(default)s)")  # fmt: skip
    made.add_argument("--plugins", metavar="PATTERN", default="",
                      help="modules that its verbs may load (default: none)")  # fmt: skip
    made.add_argument("--json", action="store_true", help="print the comparison as JSON")


def _record(args: argparse.Namespace) -> int:
    from openoutcry.scenarios import command

    return command.run_record(args.directory, args.output, args.since, args.until, args.follow)


def _replay(args: argparse.Namespace) -> int:
    from openoutcry import presence
    from openoutcry.scenarios import command

    if args.directory:
        presence.require(args.directory)
    options = command.Replay(**{name: value for name, value in vars(args).items() if name in command.Replay.NAMES})
    return command.run_replay(options)
