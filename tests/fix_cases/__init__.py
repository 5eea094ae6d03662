"""The published session cases, one function each, named and registered under the published name.

A case is played by a `Wire` (tests/fix_wire.py) against a session of its own whose numbers begin at 1. What each
expects is what the reference engine does (reference.py), in every version. `why` says why a case is not in a version.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tests.fix_wire import APPL_VER_ID, VERSIONS, Wire

Play = Callable[[Wire], Awaitable[None]]

DICTIONARY = {
    "FIX.4.0": "FIX40.xml", "FIX.4.1": "FIX41.xml", "FIX.4.2": "FIX42.xml", "FIX.4.3": "FIX43.xml",
    "FIX.4.4": "FIX44.xml", "FIX.5.0": "FIX50.xml", "FIX.5.0SP1": "FIX50SP1.xml", "FIX.5.0SP2": "FIX50SP2.xml",
}  # fmt: skip


class Case(NamedTuple):
    name: str
    play: Play
    versions: tuple[str, ...]
    why: str
    settings: dict[str, str]
    timed: bool  # it takes seconds, in which nothing is to happen


CASES: dict[str, Case] = {}


def case(
    name: str, versions: tuple[str, ...] = VERSIONS, why: str = "", timed: bool = False, **settings: str
) -> Callable[[Play], Play]:
    """Register a case. `settings`: of its session, beyond who it is and its dictionaries."""

    def register(play: Play) -> Play:
        assert name not in CASES and bool(why) == (versions != VERSIONS), name
        CASES[name] = Case(name, play, versions, why, settings, timed)
        return play

    return register


def comp_id(each: Case, version: str) -> str:
    """The client's: one of its own in each case and version."""
    return f"{each.name[:40]}-{version.replace('SP', '.')[4:]}"


def session_settings(each: Case, version: str) -> dict[str, str]:
    """The settings of the session that a case is played in."""
    names = {"SenderCompID": "ISLD", "TargetCompID": comp_id(each, version)}
    if version in APPL_VER_ID:
        layers = {"TransportDataDictionary": "FIXT11.xml", "AppDataDictionary": DICTIONARY[version]}
        return {"BeginString": "FIXT.1.1", **names, "DefaultApplVerID": version, **layers, **each.settings}
    return {"BeginString": version, **names, "DataDictionary": DICTIONARY[version], **each.settings}


from tests.fix_cases import fields, flow, liveness, logon, numbers  # noqa: E402, F401  # each registers its cases above
