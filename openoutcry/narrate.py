"""Events in words: one line each, for terminals, test reports and documentation.

Invariant: every private event of an order, as the dictionary that ``order_events`` and ``enter_order`` give, has a
line; an unknown kind is shown as it is. Nothing here interprets an event: the dictionary has everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from openoutcry import wire

Event = Mapping[str, Any]

SIDE_NAMES: Final = {
    wire.BUY: "buy",
    wire.SELL: "sell",
    wire.SELL_SHORT: "sell short",
    wire.SELL_SHORT_EXEMPT: "sell short exempt",
}
_LIQUIDITY: Final = {
    wire.ADDED_LIQUIDITY: "added liquidity",
    wire.REMOVED_LIQUIDITY: "removed liquidity",
    wire.CROSS_LIQUIDITY + wire.CROSS_OPENING: "opening cross",
    wire.CROSS_LIQUIDITY + wire.CROSS_CLOSING: "closing cross",
    wire.CROSS_LIQUIDITY + wire.CROSS_HALT: "halt cross",
    wire.ADDED_HIDDEN: "added hidden liquidity",
}


_REQUESTS: Final = {1: "cancel", 2: "change"}


def _name(names: Mapping[int, str], code: Any) -> str:
    return names.get(code, str(code)) if isinstance(code, int) else str(code)


def _price(event: Event) -> str:
    price = str(event["price"])
    return "at the market" if price == "0" else f"at {price}"


def _accepted(e: Event) -> str:
    return f"{_name(SIDE_NAMES, e['side'])} {e['quantity']} {_price(e)}, order {e['order']}"


def _replaced(e: Event) -> str:
    return f"instead of {e['previous']}, {e['quantity']} {_price(e)}, order {e['order']}"


def _canceled(e: Event) -> str:
    return f"{e['quantity']}, {_name(wire.CANCEL_REASONS, e['reason'])}, leaves {e['leaves']}"


def _executed(e: Event) -> str:
    what = _name(_LIQUIDITY, e["liquidity"])
    return f"{e['quantity']} at {e['price']}, {what}, match {e['match']}, leaves {e['leaves']}"


def _self_match(e: Event) -> str:
    return f"{e['quantity']} taken out instead of trading {e['prevented']} at {e['price']}, leaves {e['leaves']}"


def _restated(e: Event) -> str:
    reason = _name(wire.RESTATED_REASONS, e["reason"])
    return f"{reason}, {_price(e)}, shows {e['shown']} of {e['leaves']}, order {e['order']}"


def _changed_trade(e: Event) -> str:
    return f"match {e['match']}, {e['quantity']} at {e['price']}, {_name(wire.BREAK_REASONS, e['reason'])}"


def _order_status(e: Event) -> str:
    if not e["order"]:
        return "not live"
    return f"{e['leaves']} {_price(e)}, executed {e['done']}, {e['ahead']} ahead, order {e['order']}"


def _quote_status(e: Event) -> str:
    if not e["leaves"]:
        why = f": {e['text']}" if e["text"] else ""
        return f"{e['symbol']} no {'bid' if e['side'] == wire.BUY else 'offer'}{why}"
    side = _name(SIDE_NAMES, e["side"])
    return f"{e['symbol']} {side} {e['leaves']} {_price(e)}" + (f", {e['text']}" if e["text"] else "")


_LINES: Final[dict[str, Callable[[Event], str]]] = {
    "accepted": _accepted,
    "replaced": _replaced,
    "canceled": _canceled,
    "executed": _executed,
    "rejected": lambda e: str(e["text"]),
    "modified": lambda e: f"{_name(SIDE_NAMES, e['side'])}, leaves {e['leaves']}",
    "self_match": _self_match,
    "restated": _restated,
    "broken": _changed_trade,
    "corrected": _changed_trade,
    "cancel_pending": lambda e: "after the auction",
    "cancel_rejected": lambda e: str(e["text"]),
    "order_status": _order_status,
    "quote_status": _quote_status,
    "system": lambda e: {"S": "start of day", "E": "end of day"}.get(e["code"], str(e["code"])),
    "mass_canceled": lambda e: f"{e['orders']} orders",
    "fee": lambda e: f"{e['amount']} for match {e['match']}",
    "trigger_moved": lambda e: f"to {e['price']}",
    "request_rejected": lambda e: f"{_REQUESTS.get(e['request_kind'], 'request')} {e['request']}, {e['text']}",
    "cancel_requested": lambda e: f"by {e['request']}",
    "echoed": lambda e: str(e["data"]),
}  # fmt: skip


def tell(event: Event) -> str:
    """One event in one line: its kind, the order's token, and what happened."""
    line = _LINES.get(event["kind"])
    if line is None:
        return ", ".join(f"{name} {value}" for name, value in event.items())
    whose = f" {event['token']}" if "token" in event else ""
    return f"{event['kind']}{whose}: {line(event)}"


def tell_all(events: Iterable[Event]) -> str:
    """Events in lines, in their order."""
    return "\n".join(map(tell, events))
