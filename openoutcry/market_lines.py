"""How an agent reaches the exchange: over OUCH 4.2 or over FIX, with the same few words.

Invariant: a ``Line`` translates and keeps no count. Whatever it is told about an order it passes on to its listener at
once, in the order in which the exchange said it, and by the token under which the order is now.

Prices are integers in 1e-4 of the currency.
"""

from __future__ import annotations

import struct
import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from openoutcry.agents.prices import price_of, price_text
from openoutcry.clients.fix import FixInitiator, Received
from openoutcry.clients.ouch import AsyncOuchClient, enter_order, replace_order
from openoutcry.gateway import ouch42

_SHARES: Final = struct.Struct(">I")
_EXECUTED: Final = struct.Struct(">II")


class Listener(Protocol):
    """What a line tells."""

    def answered(self, token: str, accepted: bool) -> None:
        """The order was accepted, replaced, or rejected."""

    def missed(self, token: str) -> None:
        """It was to change or to cancel an order that is as it was before, or gone, which has been told then."""

    def executed(self, token: str, shares: int, price: int) -> None:
        """So many of its shares were executed, at that price."""

    def gone(self, token: str, shares: int) -> None:
        """So many of its shares are no longer open."""


def cancel_order(token: str) -> bytes:
    """A Cancel Order message for all that is open."""
    return ouch42.encode(ouch42.INBOUND, {"message_type": "X", "order_token": token, "shares": 0})


class Line(ABC):
    """One session. Orders are collected and leave with ``flush``."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    @abstractmethod
    def new_token(self) -> str:
        """A token that this session has not used, in an earlier run neither."""

    @abstractmethod
    async def connect(self) -> None:
        """Log on. Raises ClientError."""

    @abstractmethod
    async def close(self) -> None:
        """Log out."""

    @abstractmethod
    def enter(self, token: str, side: str, shares: int, symbol: str, price: int, immediate: bool) -> None:
        """A limit order; side B or S. immediate: immediate or cancel."""

    @abstractmethod
    def replace(self, previous: str, token: str, side: str, shares: int, symbol: str, price: int) -> None:
        """Another quantity (in all, with what has executed) and price for the order `previous`."""

    @abstractmethod
    def cancel(self, token: str, side: str, symbol: str) -> None:
        """Take the order out. There is an answer only when it was there."""

    @abstractmethod
    async def flush(self) -> None:
        """Send what was collected."""


class OuchLine(Line):
    """OUCH 4.2."""

    def __init__(self, listener: Listener, host: str, port: int, user: str, password: str) -> None:
        super().__init__(listener)
        self._out: list[bytes] = []
        self._client = AsyncOuchClient(host, port, user, password, on_messages=self._on_messages)

    def new_token(self) -> str:
        """The client knows which it has used."""
        return self._client.new_token()

    async def connect(self) -> None:
        """Log on."""
        await self._client.connect()

    async def close(self) -> None:
        """Log out."""
        await self._client.close()

    def enter(self, token: str, side: str, shares: int, symbol: str, price: int, immediate: bool) -> None:
        """Enter Order."""
        price_of = price_text(price)
        if immediate:
            self._out.append(enter_order(token, side, shares, symbol, price_of, time_in_force=0))
        else:
            self._out.append(enter_order(token, side, shares, symbol, price_of))

    def replace(self, previous: str, token: str, side: str, shares: int, symbol: str, price: int) -> None:
        """Replace Order."""
        self._out.append(replace_order(previous, token, shares, price_text(price)))

    def cancel(self, token: str, side: str, symbol: str) -> None:
        """Cancel Order."""
        self._out.append(cancel_order(token))

    async def flush(self) -> None:
        """Send what was collected."""
        self._client.send_raw(*self._out)
        self._out.clear()

    def _on_messages(self, first: int, messages: list[bytes]) -> None:
        tell = self.listener
        for raw in messages:
            kind, token = raw[:1], raw[9:23].rstrip().decode("ascii")
            if kind in b"AUJ":
                tell.answered(token, kind != b"J")
            elif kind == b"E":
                tell.executed(token, *_EXECUTED.unpack_from(raw, 23))
            elif kind == b"C":
                tell.gone(token, _SHARES.unpack_from(raw, 23)[0])


class FixLine(Line):
    """FIX, of any version. Sequence numbers begin at 1 with each logon: what is missed meanwhile is nobody's."""

    SIDES: Final = {"B": "1", "S": "2"}
    LIMIT: Final = "2"
    IMMEDIATE: Final = "3"
    FILLS: Final = ("1", "2", "F")  # ExecType: partial fill and fill before 4.3, trade from then on
    GONE: Final = ("4", "C")  # canceled, expired
    CL_ORD_ID: Final = 11
    ORD_STATUS: Final = 39
    EXEC_TYPE: Final = 150
    REFERENCE: Final = 379  # BusinessRejectRefID: the ClOrdID of what was rejected

    def __init__(self, listener: Listener, host: str, port: int, user: str, password: str, version: str) -> None:
        super().__init__(listener)
        self._out: list[tuple[str, dict[str | int, Any]]] = []
        self._prefix = f"{time.time_ns() // 1_000_000:x}-"
        self._tokens = 0
        self._stamped = version >= "FIX.4.2"  # orders have a TransactTime from then on
        self._cancel_type: dict[str | int, Any] = {"CxlType": "F"} if version == "FIX.4.0" else {}  # in full
        self._cancels: dict[str, str] = {}  # ClOrdID of a cancel -> that of the order
        named: dict[str | int, Any] = {553: user, 554: password} if password else {553: user}
        dialect: dict[str, Any] = {"BeginString": version}
        if version >= "FIX.5":
            dialect = {"BeginString": "FIXT.1.1", "DefaultApplVerID": version}
        self._client = FixInitiator(
            host=host, port=port, username=user, password=password, on_application=self._on_application,
            **dialect, SenderCompID=user, TargetCompID="DEMO", ResetOnLogon=True,
            logon_fields=named if version < "FIX.4.3" else {},
        )  # fmt: skip

    def new_token(self) -> str:
        """Begins with the time of the start, for the earlier runs."""
        self._tokens += 1
        return f"{self._prefix}{self._tokens}"

    async def connect(self) -> None:
        """Log on."""
        await self._client.start()
        await self._client.logged_on()

    async def close(self) -> None:
        """Log out."""
        await self._client.close()

    def enter(self, token: str, side: str, shares: int, symbol: str, price: int, immediate: bool) -> None:
        """NewOrderSingle."""
        fields = self._order(token, side, shares, symbol, price)
        if immediate:
            fields["TimeInForce"] = self.IMMEDIATE
        self._out.append(("D", fields))

    def replace(self, previous: str, token: str, side: str, shares: int, symbol: str, price: int) -> None:
        """OrderCancelReplaceRequest."""
        self._out.append(("G", {"OrigClOrdID": previous, **self._order(token, side, shares, symbol, price)}))

    def cancel(self, token: str, side: str, symbol: str) -> None:
        """OrderCancelRequest."""
        request = self.new_token()
        self._cancels[request] = token
        self._out.append(("F", {"OrigClOrdID": token, "ClOrdID": request, "Symbol": symbol, "Side": self.SIDES[side],
                                "OrderQty": 1, **self._cancel_type, **self._stamp()}))  # fmt: skip

    def _order(self, token: str, side: str, shares: int, symbol: str, price: int) -> dict[str | int, Any]:
        return {"ClOrdID": token, "HandlInst": "1", "Symbol": symbol, "Side": self.SIDES[side], "OrderQty": shares,
                "OrdType": self.LIMIT, "Price": price_text(price), **self._stamp()}  # fmt: skip

    def _stamp(self) -> dict[str | int, Any]:
        return {"TransactTime": datetime.now(UTC)} if self._stamped else {}

    async def flush(self) -> None:
        """Send what was collected."""
        for kind, fields in self._out:
            await self._client.send(kind, fields)
        self._out.clear()

    def _on_application(self, message: Received, _: FixInitiator) -> None:
        tell, token = self.listener, _text(message, self.CL_ORD_ID)
        if message.kind == "9":  # OrderCancelReject: mostly because the order has just been executed
            tell.missed(self._cancels.pop(token, token))
        elif message.kind == "8":
            self._report(tell, self._cancels.get(token, token), message)
            if self._kind(message) in self.GONE:
                self._cancels.pop(token, None)
        elif message.kind == "j":  # BusinessMessageReject: too many messages, or the like
            token = _text(message, self.REFERENCE)
            if token in self._cancels:
                tell.missed(self._cancels.pop(token))
            else:
                tell.answered(token, False)

    def _kind(self, message: Received) -> str:
        """ExecType; FIX 4.0 has none, and an OrdStatus that says the same."""
        return _text(message, self.EXEC_TYPE) or _text(message, self.ORD_STATUS)

    def _report(self, tell: Listener, token: str, message: Received) -> None:
        kind = self._kind(message)
        if kind in ("0", "5", "8"):
            tell.answered(token, kind != "8")
        elif kind in self.FILLS:
            tell.executed(token, message.integer(32), price_of(message[31].decode("ascii"), 0))
        elif kind in self.GONE:
            tell.gone(token, 0)


def _text(message: Received, tag: int) -> str:
    value = message.get(tag)
    return "" if value is None else value.decode("latin-1")
