"""Messages of engines of somebody's own (openoutcry.plugins), as policies look at them: dictionaries with FIX's names.

What a client sends comes as ECHO, with its number in its session before it (b"7 {...}"); what it is told goes as
ECHOED (openoutcry.wire).

Rule 1. A message is of ``orders``, ``changes`` or ``cancels`` by its MsgType; ``all`` is every one, ``answers`` every
        one that the engine sends, and ``fills`` those that say that something was traded.
Rule 2. It is about the book that its Symbol names, and the side of its Side; about none where it does not say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from openoutcry.wire import BUY, ECHO, SELL

Fields = dict[str, Any]
ORDERS: Final = frozenset(("NewOrderSingle", "NewOrderList", "NewOrderMultileg", "NewOrderCross"))
CHANGES: Final = frozenset(
    ("OrderCancelReplaceRequest", "MultilegOrderCancelReplace", "CrossOrderCancelReplaceRequest")
)
CANCELS: Final = frozenset(
    ("OrderCancelRequest", "OrderMassCancelRequest", "ModifyOrder", "ListCancelRequest", "CrossOrderCancelRequest")
)
_SENT: Final = {"orders": ORDERS, "changes": CHANGES, "cancels": CANCELS}
_TRADES: Final = ("F", "1", "2")  # ExecType, also as old versions have it
_SIDES: Final = {**dict.fromkeys("13", BUY), **dict.fromkeys("2456", SELL)}  # 7 and beyond: of neither, or of both


def opened(data: bytes) -> tuple[int, Fields | None]:
    """An ECHO's message and its number; None when it is no message."""
    head, _, text = data.partition(b" ")
    try:
        number, message = int(head), json.loads(text)
    except ValueError:  # no gateway of ours says that
        return 0, None
    return number, message if isinstance(message, dict) else None


def fields_of(command: tuple[Any, ...]) -> Fields:
    """The message of an ECHO or ECHOED."""
    if command[0] == ECHO:
        return opened(command[2])[1] or {}
    found: Fields = json.loads(command[2])
    return found


def is_one_of(on: str, fields: Mapping[str, Any], told: bool) -> bool:
    """Rule 1. told: it is the engine that sends it."""
    if told:
        return on == "answers" or (on == "fills" and _is_fill(fields))
    return on == "all" or fields.get("MsgType") in _SENT.get(on, ())


def _is_fill(fields: Mapping[str, Any]) -> bool:
    return fields.get("MsgType") == "ExecutionReport" and fields.get("ExecType") in _TRADES


def where(fields: Mapping[str, Any]) -> tuple[str, int]:
    """Rule 2: the symbol and the side, "" and 0 for none."""
    return str(fields.get("Symbol", "")), _SIDES.get(str(fields.get("Side", "")), 0)
