"""docs/fix-conformance.md as the cases make it: `python -m tests.fix_cases.document` prints it."""

from __future__ import annotations

import sys
from typing import Final

from tests.fix_cases import CASES, Case
from tests.fix_wire import VERSIONS

HEAD: Final = """# FIX conformance

The session-level test cases that the FIX Trading Community publishes, under the names that engines' test suites give
them, in each version: 5.0 and its service packs over FIXT.1.1. Each cell is a test of its own
(`tests/test_fix_conformance.py`, the cases in `tests/fix_cases`): a raw client that shares no code with the engine
plays it over a TCP connection against a running gateway with an echo engine, and compares every field that comes back.
The same cases are played against the reference engine (QuickFIX 1.16) where it is installed, so what they expect is
what that engine does.

    make test ARGS='-k fix_conformance'              all of them
    make test ARGS='-k 2b_MsgSeqNumTooHigh'          one in all versions

"yes": passed; the test fails otherwise. "–": not applicable, with the reason below. This file is printed by
`python -m tests.fix_cases.document`, and a test holds it against the cases.
"""

TAIL: Final = """
## Where versions differ

* 4.0 and 4.1: a ResendRequest to infinity has EndSeqNo 999999, later ones 0. A Reject has only RefSeqNum and Text, and
  the Text names the tag. A message type that the application does not take is answered with a Reject, from 4.2 on with
  a BusinessMessageReject.
* 4.2: SessionRejectReason is left out above 11, which 4.2 does not know.
* FIXT.1.1: session messages are judged by the session layer's dictionary, so a tag of an application message in a
  Heartbeat is an invalid tag there, and not one that is not defined for this message. The echo engine's
  BusinessMessageReject carries DefaultApplVerID(1137), as the reference engine's does.

## Where an engine may choose

* 3c_GarbledMessage: the rest of a message that was cut short may be taken from the next one, which is then lost (the
  reference engine) or not; the one after that must be taken.
* 6_SendTestRequest: how many heartbeats fall between two test requests depends on the fineness of clocks.
"""


def sentence(case: Case) -> str:
    """What a case is about: the name of its function."""
    return getattr(case.play, "__name__", "").replace("_", " ")


def reasons() -> list[str]:
    """Why cases are not in all versions, each reason once."""
    return list(dict.fromkeys(case.why for case in CASES.values() if case.why))


def cell(case: Case, version: str) -> str:
    return "yes" if version in case.versions else f"– [{reasons().index(case.why) + 1}]"


def table() -> str:
    short = [version.removeprefix("FIX.") for version in VERSIONS]
    lines = [f"| case | what | {' | '.join(short)} |", "|---|---|" + "---|" * len(VERSIONS)]
    for name in sorted(CASES, key=order_of):
        cells = " | ".join(cell(CASES[name], version) for version in VERSIONS)
        lines.append(f"| {name} | {sentence(CASES[name])} | {cells} |")
    return "\n".join(lines)


def order_of(name: str) -> tuple[int, str]:
    """By the number that a case's name begins with; those without one at the end."""
    digits = "".join(name[: next(at for at, letter in enumerate(name) if not letter.isdigit())])
    return (int(digits) if digits else 99, name)


def document() -> str:
    played = sum(len(case.versions) for case in CASES.values())
    notes = "\n".join(f"[{number}] {why}." for number, why in enumerate(reasons(), 1))
    return f"{HEAD}\n## {len(CASES)} cases, {played} times played\n\n{table()}\n\n{notes}\n{TAIL}"


if __name__ == "__main__":
    sys.stdout.write(document())
