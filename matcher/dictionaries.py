"""Messages of engines without books, as policies look at them: dictionaries with FIX's names.

With an engine of somebody's own (openoutcry.plugins), what a client sends comes as ECHO, with its number in its session
before it (b"7 {...}"); what it is told goes as ECHOED (openoutcry.wire). Those of an echo engine are in
openoutcry.echoes; over OUCH it has commands and events as any engine has, of which there are as many fields here as
policies need.

Rule 1. A message is of ``orders``, ``changes`` or ``cancels`` by its MsgType; ``all`` is every one, ``answers`` every
        one that the engine sends, and ``fills`` those that say that something was traded.
Rule 2. It is about the book that its Symbol names, and the side of its Side; about none where it does not say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from openoutcry import echoes, wire
from openoutcry.wire import BUY, ECHO, ECHOED, SELL

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
# What OUCH says without dictionaries, to an echo engine.
_COMMANDS: Final = {
    **dict.fromkeys((wire.REPLACE, wire.AMEND, wire.CHANGE), "OrderCancelReplaceRequest"),
    **dict.fromkeys((wire.CANCEL, wire.WITHDRAW), "OrderCancelRequest"),
    wire.MODIFY: "ModifyOrder", wire.MASS_CANCEL: "OrderMassCancelRequest", wire.CROSS: "NewOrderCross",
    wire.QUOTE: "MassQuote",
}  # fmt: skip
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
    """A message: what a client sends, or what it is told."""
    if command[0] not in (ECHO, ECHOED):
        return _of_an_order(command)
    data = command[2]
    if data[:1].isdigit() and command[0] == ECHO:
        return opened(data)[1] or {}
    if data[:1] == b"{":
        found: Fields = json.loads(data)
        return found
    return echoes.fields_of(data)


def _of_an_order(command: tuple[Any, ...]) -> Fields:
    """What OUCH says, one way or the other."""
    if command[0] in (wire.ENTER, wire.SUBMIT):
        _, _, token, symbol, side, quantity, *_ = command
        return {"MsgType": "NewOrderSingle", "ClOrdID": _name(token), "Symbol": symbol,
                "Side": "1" if side == BUY else "2", "OrderQty": quantity}  # fmt: skip
    if command[0] in _COMMANDS:
        return {"MsgType": _COMMANDS[command[0]]}
    if command[0] == wire.REJECTED:
        return {"MsgType": "ExecutionReport", "ExecType": "8", "ClOrdID": _name(command[2])}
    return {"MsgType": ""}


def _name(token: bytes) -> str:
    return token.decode("latin-1").strip()


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
