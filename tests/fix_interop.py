"""What the tests with other FIX engines share: versions, and messages with the fields that each version has."""

from __future__ import annotations

import time
from typing import Any, Final

from openoutcry.fix.dictionary import load
from openoutcry.fix.times import stamp

VERSIONS: Final = (
    "FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIX.5.0", "FIX.5.0SP1", "FIX.5.0SP2",
)  # fmt: skip
PATIENCE_S: Final = 60.0  # for an answer; none takes that long unless it fails
OURS: Final = "OPENOUTCRY"  # CompID of a gateway whose sessions were not set up


def begin_string(version: str) -> str:
    return "FIXT.1.1" if version.startswith("FIX.5") else version


def now() -> str:
    return stamp(time.time_ns()).decode()


def fitting(version: str, kind: str, fields: dict[int, Any]) -> dict[int, str]:
    """Those of the fields that a message of that kind has in that version."""
    members = load(version.replace(".", "")).messages[kind.encode()].members
    return {tag: str(value) for tag, value in fields.items() if tag in members}


def new_order(version: str, name: str, side: int, quantity: int, price: str, symbol: str = "AAPL") -> dict[int, str]:
    """Fields of a limit order (D)."""
    return fitting(version, "D", {11: name, 21: 1, 55: symbol, 54: side, 60: now(), 38: quantity, 40: 2, 44: price})


def cancel(version: str, name: str, original: str, side: int, quantity: int) -> dict[int, str]:
    """Fields of an OrderCancelRequest (F)."""
    fields = {11: name, 41: original, 55: "AAPL", 54: side, 60: now(), 38: quantity, 125: "F"}
    return fitting(version, "F", fields)


def change(version: str, name: str, original: str, side: int, quantity: int, price: str) -> dict[int, str]:
    """Fields of an OrderCancelReplaceRequest (G)."""
    return fitting(version, "G", {**new_order(version, name, side, quantity, price), 41: original})


def fill(version: str, whole: bool) -> dict[int, str]:
    """What says in an ExecutionReport that some was traded: OrdStatus, ExecType, ExecTransType, by version."""
    status = "2" if whole else "1"
    kind = {150: "F"} if version >= "FIX.4.3" else {150: status, 20: "0"}
    return fitting(version, "8", {39: status, **kind})
