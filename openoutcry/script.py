"""``openoutcry ctl --file SCRIPT``: verbs out of a file, one on a line, in the words of the command line.

::

    # a market for the afternoon
    create_engine main
    create_book aapl main symbol=AAPL
    set_book_property aapl description "Apple Inc."

They go to the control service as a batch (openoutcry.clients.batch), which takes a small part of the time that as many
commands would.

Invariant: the whole script is read and checked before anything is sent. The first verb that is refused then ends it,
unless it is to go on, in which case all others are carried out; what was refused is said with its line either way.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from openoutcry import ctl, verbs
from openoutcry.errors import ClusterError, VerbError

if TYPE_CHECKING:
    from openoutcry.clients.batch import Outcome
    from openoutcry.clients.control import ControlClient

FILE_MAX: Final = 4_000_000  # bytes: some fifty thousand verbs, in which case it is a mistake


class Line(NamedTuple):
    """One verb of a script. where: for people, ``market.txt, line 3``."""

    where: str
    verb: str
    values: dict[str, Any]


def read(file: str) -> list[Line]:
    """Read and check a script, ``-`` from standard input. Raises ClusterError, VerbError, which say where it is."""
    name = "standard input" if file == "-" else file
    lines = []
    for number, text in enumerate(_text(file).splitlines(), 1):
        where = f"{name}, line {number}"
        try:
            words = shlex.split(text, comments=True)
        except ValueError as error:
            raise VerbError("bad_argument", "", f"{where}: {error}") from None
        if words:
            lines.append(_line(where, *words))
    return lines


def _text(file: str) -> str:
    try:
        if file == "-":
            data = sys.stdin.buffer.read(FILE_MAX + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(FILE_MAX + 1)
        if len(data) > FILE_MAX:
            raise ClusterError(f"{file} has more than {FILE_MAX} bytes")
        return data.decode()
    except OSError as error:
        raise ClusterError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ClusterError(f"{file} is not UTF-8: {error}") from None


def _line(where: str, verb: str, *words: str) -> Line:
    try:
        if verb not in verbs.VERBS:
            verbs.check(verb, ())  # raises, and lists the verbs there are
        return Line(where, verb, ctl.arguments(verb, list(words)))
    except VerbError as error:
        raise VerbError(error.code, error.field, f"{where}: {error.text}") from None


def run(client: ControlClient, lines: list[Line], as_json: bool, keep_going: bool) -> int:
    """Carry out a script and print what comes of it, one JSON object a verb with `as_json`. Returns the exit code."""
    with client.batch(stop=not keep_going, raises=False) as batch:
        for line in lines:
            batch.call(line.verb, **line.values)
    done = 0
    for line, outcome in zip(lines, batch.results, strict=True):
        if as_json:
            print(json.dumps(_record(outcome), sort_keys=True))
        elif outcome.error is None:
            print(f"# {line.where.rpartition(', ')[2]}: {line.verb}")  # without its arguments: one may be a password
            ctl.tell(line.verb, outcome.value, False)
        else:
            print(f"openoutcry: {line.where}: {outcome.error}", file=sys.stderr)
        if outcome.error is not None and not keep_going:
            break
        done += outcome.error is None
    left = len(lines) - done
    if left:
        print(f"openoutcry: {done} of {len(lines)} verbs were carried out", file=sys.stderr)
    return 1 if left else 0


def _record(outcome: Outcome) -> dict[str, Any]:
    if outcome.error is None:
        return {"verb": outcome.verb, "value": outcome.value}
    error = outcome.error
    return {"verb": outcome.verb, "error": {"code": error.code, "field": error.field, "text": error.text}}
