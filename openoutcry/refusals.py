"""What a client is told whose message to an engine of somebody's own is refused, before the engine has seen it.

It is what ``openoutcry.plugins.Engine.refusal`` says unless an engine has words of its own. What asks for an order is
rejected (ExecutionReport), what asks for a change or a cancel too (OrderCancelReject), and anything else is a
BusinessMessageReject, where the protocol has one. OUCH rejects replacements as it rejects orders, under the new token.

Invariant: the answer is a function of the arguments, is one that its protocol can say, and is short whatever the
message says: a field longer than REPEATED_MAX is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from openoutcry import wire
from openoutcry.gateway.ouch42 import REJECT_LETTERS

Found = dict[str, Any]
REPEATED_MAX: Final = 128  # characters of a field that is repeated: a dozen of them fit into a message of the bus
FIX: Final = "fix"  # what the names of its protocols begin with
NEW_ORDERS: Final = frozenset(("NewOrderSingle", "NewOrderMultileg"))
REPLACEMENTS: Final = frozenset(("OrderCancelReplaceRequest", "MultilegOrderCancelReplace"))
CANCELS: Final = frozenset(("OrderCancelRequest", "ModifyOrder"))
_WITHOUT_BUSINESS: Final = ("fix40", "fix41")  # versions without BusinessMessageReject
_OF_ORDERS: Final = ("ClOrdID", "OrigClOrdID", "Account", "Symbol", "Side", "OrderQty", "OrdType", "Price",
                     "TimeInForce")  # fmt: skip
_OF_CHANGES: Final = ("ClOrdID", "OrigClOrdID", "OrderID", "Account")
_IDS: Final = ("ClOrdID", "QuoteReqID", "QuoteID", "QuoteRespID", "MDReqID", "ListID", "CrossID", "MassStatusReqID",
               "SecurityReqID", "TradeReportID")  # fmt: skip

_REASONS: Final = {text: code for code, text in wire.REJECT_REASONS.items()}
# OrdRejReason: those that every version has; 0 is the venue's own choice.
_REJECT_CODES: Final = {
    **dict.fromkeys((wire.REJECT_HALTED, wire.REJECT_CLOSED, wire.REJECT_PHASE), "2"),
    **dict.fromkeys((wire.REJECT_LIMIT, wire.REJECT_MAX_QUANTITY, wire.REJECT_MAX_NOTIONAL,
                     wire.REJECT_MAX_OPEN_ORDERS, wire.REJECT_MAX_POSITION), "3"),
    wire.REJECT_SYMBOL: "1",
    wire.REJECT_TOO_LATE: "4",
}  # fmt: skip
_CANCEL_CODES: Final = {wire.REJECT_TOO_LATE: "0", wire.REJECT_UNKNOWN_ORDER: "1"}  # CxlRejReason of every version


def refusal(protocol: str, message: Mapping[str, Any], exec_id: str, reason: str, text: str) -> Found | None:
    """The answer, None where the protocol has none. reason: one of wire.REJECT_REASONS, in words."""
    kind, is_fix = message.get("MsgType"), protocol.startswith(FIX)
    code = _REASONS.get(reason, wire.REJECT_FIELD)
    if kind in NEW_ORDERS or (kind in REPLACEMENTS and not is_fix):
        found = _order_reject(message, exec_id, code, text)
        return found if is_fix else {**found, "Reason": REJECT_LETTERS[code].decode()}
    if kind in REPLACEMENTS or kind in CANCELS:
        return _cancel_reject(message, kind in REPLACEMENTS, code, text)
    if not is_fix or protocol in _WITHOUT_BUSINESS:
        return None
    unavailable = code in (wire.REJECT_HALTED, wire.REJECT_CLOSED)
    name = next((str(message[each]) for each in _IDS if each in _repeated(message, _IDS)), None)
    return {"MsgType": "BusinessMessageReject", "RefMsgType": kind, "BusinessRejectReason": 4 if unavailable else 0,
            **({"BusinessRejectRefID": name} if name is not None else {}), "Text": text}  # fmt: skip


def _order_reject(message: Mapping[str, Any], exec_id: str, code: int, text: str) -> Found:
    return {
        "MsgType": "ExecutionReport", **_repeated(message, _OF_ORDERS), "OrderID": "NONE", "ExecID": exec_id,
        "ExecType": "8", "OrdStatus": "8", "OrdRejReason": _REJECT_CODES.get(code, "0"), "CumQty": 0, "LeavesQty": 0,
        "AvgPx": "0", "Text": text,
    }  # fmt: skip


def _cancel_reject(message: Mapping[str, Any], replaces: bool, code: int, text: str) -> Found:
    """OrdStatus is that of an order that may be open: who refuses here knows no orders."""
    reason = _CANCEL_CODES.get(code)
    return {
        "MsgType": "OrderCancelReject", "OrderID": "NONE", **_repeated(message, _OF_CHANGES), "OrdStatus": "0",
        "CxlRejResponseTo": "2" if replaces else "1", **({"CxlRejReason": reason} if reason is not None else {}),
        "Text": text,
    }  # fmt: skip


def _repeated(message: Mapping[str, Any], names: tuple[str, ...]) -> Found:
    return {name: message[name] for name in names
            if isinstance(message.get(name), str | int) and len(str(message[name])) <= REPEATED_MAX}  # fmt: skip
