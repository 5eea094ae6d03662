"""A session's half of the journal in its client's own words: commands of the bus into messages, events into messages.

    side.message(command, time_ns) -> Said | None     what the client sent; None when that is no message of its own
    side.event(event, time_ns)                        tells `got` each message that the client got

Invariant: what is said to be a client's message is one of which the gateway makes that very command: each is given to
the gateway's own code, and what comes out is compared. ``Said.note`` says so when it cannot be. What a client got is
made by the gateway's own code as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import Any, Final, NamedTuple, Protocol

from openoutcry import messages, wire
from openoutcry.errors import ProtocolError
from openoutcry.gateway import ouch42, protocols
from openoutcry.gateway.plugin import spoken
from openoutcry.gateway.protocols import Dialect

Command = tuple[Any, ...]
Message = dict[str, Any]
Got = Callable[[str, Message], None]  # who (a name that the side was given), what; of the event that is told now

NOT_SAID: Final = "the journal does not say what was sent: this stands for it, and is refused for the same reason"
NOT_THE_SAME: Final = "not all of it is in the journal"


class Said(NamedTuple):
    """A client's message, and what has to be noted about it."""

    message: Message
    note: str = ""


class Side(Protocol):
    """See the module. protocol: of its endpoint, for a file."""

    def message(self, command: Command, time_ns: int) -> Said | None:
        """What the client sent; before its events are told. What its gateway answered by itself is told to `got`."""

    def event(self, event: Command, time_ns: int) -> None:
        """An event of the session."""


# ------------------------------------------------------------------------------------------------- OUCH
_U32: Final = Struct(">I").pack
_REFUSED: Final[dict[int, dict[str, Any]]] = {  # what is wrong with an order that is refused for that reason
    wire.REJECT_SIDE: {"side": "?"},
    wire.REJECT_QUANTITY: {"shares": 0},
    wire.REJECT_SYMBOL: {"stock": ""},
    wire.REJECT_PRICE: {"price": "0"},
    wire.REJECT_TIME_IN_FORCE: {"time_in_force": 90_000},
    wire.REJECT_DISPLAY: {"display": "?"},
    wire.REJECT_MIN_QUANTITY: {"minimum_quantity": 2},
    wire.REJECT_CROSS: {"cross_type": "?"},
    wire.REJECT_FIELD: {"capacity": "?"},
}
_PLAIN: Final[dict[str, Any]] = {
    "message_type": "O", "side": "B", "shares": 1, "stock": "A", "price": "1", "time_in_force": 0, "firm": "",
    "display": "Y", "capacity": "P", "intermarket_sweep": "N", "minimum_quantity": 0, "cross_type": "N",
    "customer_type": " ",
}  # fmt: skip


class OuchSide:
    """A session over OUCH 4.2. number: the matcher's; who: the name for `got`."""

    def __init__(self, number: int, who: str, got: Got) -> None:
        self.number = number
        self._who = who
        self._got = got

    def message(self, command: Command, time_ns: int) -> Said | None:
        """See Side."""
        if command[0] == wire.ECHO:
            return said_to_plugin(command)
        make = _OUCH.get(command[0])
        if make is None:
            return None
        payload = make(command)
        out: list[Any] = []
        ouch42.commands(self.number, [payload], out)
        note = NOT_SAID if command[0] == wire.REFUSE else ""
        if out != [command]:
            note = NOT_THE_SAME
        return Said(messages.from_ouch(payload, inbound=True), note)

    def event(self, event: Command, time_ns: int) -> None:
        """See Side."""
        try:
            packet = _spoken().render(event, ouch42.time_of_day(time_ns))
        except ProtocolError:
            return  # an engine of somebody's own says what OUCH has no words for: nobody is told
        if packet:
            self._got(self._who, messages.from_ouch(packet[3:], inbound=False))


@cache
def _spoken() -> Dialect:
    """OUCH as it is spoken with any engine."""
    return spoken(protocols.dialect("ouch42"))


def _price(price: int, order_type: int) -> bytes:
    market = order_type == wire.MARKET or (order_type == wire.PEGGED and not price)
    return _U32(ouch42.MARKET_PRICE if market else min(price // ouch42.PRICE_UNIT, ouch42.U32_MAX))


def _shares(quantity: int) -> bytes:
    return _U32(min(quantity, ouch42.U32_MAX))


def _enter(command: Command) -> bytes:
    _, _, token, _, side, quantity, price, order_type, _, _, _, data, *_ = command
    return b"".join((b"O", token, ouch42.SIDE_LETTERS[side], _shares(quantity), data[:8], _price(price, order_type),
                     data[8:]))  # fmt: skip


def _replace(command: Command) -> bytes:
    _, _, token, new, quantity, price, order_type, _, _, _, _, data, *_ = command
    return b"".join((b"U", token, new, _shares(quantity), _price(price, order_type), data))


def _cancel(command: Command) -> bytes:
    return b"".join((b"X", command[2], _shares(command[3])))


def _modify(command: Command) -> bytes:
    return b"".join((b"M", command[2], ouch42.SIDE_LETTERS[command[3]], _shares(command[4])))


def _refuse(command: Command) -> bytes:
    token, reason = command[2].decode("latin-1"), command[3]
    wrong = _REFUSED.get(reason, _REFUSED[wire.REJECT_FIELD])
    return ouch42.encode(ouch42.INBOUND, {**_PLAIN, "order_token": token, **wrong})


_OUCH: Final[dict[int, Callable[[Command], bytes]]] = {
    wire.ENTER: _enter, wire.SUBMIT: _enter, wire.REPLACE: _replace, wire.AMEND: _replace, wire.CANCEL: _cancel,
    wire.MODIFY: _modify, wire.REFUSE: _refuse,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------- others
def said_to_plugin(command: Command) -> Said | None:
    """A message for an engine of somebody's own, which is in the journal as it is (openoutcry.gateway.plugin)."""
    _, _, text = command[2].partition(b" ")
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return Said(found) if isinstance(found, dict) else None


class SilentSide:
    """A session of a protocol whose messages nobody here can read."""

    def message(self, command: Command, time_ns: int) -> Said | None:
        """See Side."""
        return None

    def event(self, event: Command, time_ns: int) -> None:
        """See Side."""


def readable(protocol: str) -> bool:
    """Whether the sessions of a protocol can be put into words."""
    return protocol == "ouch42" or protocol.startswith("fix")
