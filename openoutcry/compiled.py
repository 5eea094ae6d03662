"""Which modules can be compiled, and which are: the hot ones, by mypyc, from the same source.

The package works from its source alone. ``make compiled`` (or a wheel built with OPENOUTCRY_COMPILE=1, see setup.py)
makes an extension module of each module of ``HOT`` beside its source, and Python takes that one instead.

Rule. This module imports nothing of the package: setup.py reads it before there is one.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
from typing import Final

# What an order passes between its frame and its events. The rest of the state machine stays as it is: it is rarely
# run, and the modules import each other in circles, which compiled modules only stand among themselves.
HOT: Final = (
    "openoutcry.wire",
    "openoutcry.matcher.tape",
    "openoutcry.matcher.orders",
    "openoutcry.matcher.book",
    "openoutcry.matcher.entry",
    "openoutcry.matcher.machine",
    "openoutcry.matcher.sessions",
    "openoutcry.matcher.desk",
    "openoutcry.matcher.judging",
    "openoutcry.matcher.matching",
    "openoutcry.matcher.placing",
    "openoutcry.matcher.selfmatch",
    "openoutcry.matcher.answers",
    "openoutcry.matcher.submit",
    "openoutcry.matcher.trading",
    "openoutcry.fix.message",
    "openoutcry.fix.codec",
    "openoutcry.fix.encoding",
    "openoutcry.fix.times",
    "openoutcry.fix.values",
    "openoutcry.fix.structure",
    "openoutcry.fix.plans",
    "openoutcry.fix.validate",
    "openoutcry.gateway.fix.plans",
    "openoutcry.gateway.fix.orders",
    "openoutcry.gateway.fix.reports",
    "openoutcry.gateway.ouch42",
    "openoutcry.gateway.protocols",
    "openoutcry.gateway.soupbintcp",
    "openoutcry.marketdata.books",
)
# Modules whose compiled form has a source of its own, which takes their place before compiling.
NATIVE: Final = {"openoutcry.matcher.tape": "openoutcry.matcher.tape_native"}


def is_compiled(module: str) -> bool:
    """Whether Python would load `module` as compiled code."""
    found = importlib.util.find_spec(module)
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    return found is not None and found.origin is not None and found.origin.endswith(suffixes)


def build() -> str:
    """``interpreted``, ``compiled``, or ``partly compiled`` when something is missing: it should be built again."""
    count = sum(map(is_compiled, HOT))
    if count == 0:
        return "interpreted"
    return "compiled" if count == len(HOT) else f"partly compiled ({count} of {len(HOT)} modules)"
