"""OUCH 4.2 clients: ``OuchClient`` for tests and tools (blocking), ``AsyncOuchClient`` for load and live trading.

::

    with OuchClient(endpoint.host, endpoint.port) as client:
        token = client.enter("AAPL", "B", 100, "150.25")
        accepted = client.wait_for("A", order_token=token)
        assert accepted.shares == 100

Prices are ``Decimal`` or text in currency units (never floats), ``None`` is a market order. Every message is a
``Message``, whose fields have the names of openoutcry.gateway.ouch42's tables. The first message of every session is
the system event 'S'.

Invariant: messages are handed out once and in the order of their sequence numbers; ``wait_for`` leaves the ones it
passes over for later calls.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from openoutcry.clients.soupbintcp import READ_AHEAD_MAX, AsyncSoupClient, MessageTimeout, SoupClient, _Client
from openoutcry.errors import ClientError, VerbError
from openoutcry.gateway import ouch42

__all__ = ["AsyncOuchClient", "Message", "MessageTimeout", "OuchClient", "enter_order", "replace_order"]

MARKET_PRICE: Final = ouch42.price_value(ouch42.MARKET_PRICE)
_SIDES: Final = {"buy": "B", "sell": "S", "sell_short": "T", "sell_short_exempt": "E"}
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Price = Decimal | str | int | None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the exchange. Its fields are attributes too: ``message.executed_shares``.

    sequence: its number in the session. raw: its bytes. fields: by name, ``message_type`` first.
    """

    sequence: int
    raw: bytes
    fields: Mapping[str, Any]

    @classmethod
    def decode(cls, sequence: int, raw: bytes) -> Message:
        """From the bytes of an outbound OUCH message. Raises ProtocolError."""
        return cls(sequence, raw, ouch42.decode(ouch42.OUTBOUND, raw))

    @property
    def type(self) -> str:
        """The letter: A accepted, E executed, C canceled ..."""
        return chr(self.raw[0])

    @property
    def name(self) -> str:
        """The name: accepted, executed, canceled ..."""
        return ouch42.OUTBOUND[self.type].name

    def __getattr__(self, name: str) -> Any:
        if name == "fields":  # asked for by copy and the like, before there are any
            raise AttributeError(name)
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(f"{self.name} has no field {name!r}; it has {', '.join(self.fields)}") from None

    def matches(self, kind: str | None, fields: Mapping[str, Any]) -> bool:
        """Whether it is of that type (letter or name; None: any) and has those values."""
        return (kind is None or kind in (self.type, self.name)) and all(
            name in self.fields and self.fields[name] == value for name, value in fields.items()
        )


_FIELDS: Final = {  # of the messages by letter and by name; "": of all
    **{key: ("message_type", *(field.name for field in found.fields))
       for letter, found in ouch42.OUTBOUND.items() for key in (letter, found.name)},
    "": ("message_type", *dict.fromkeys(field.name for found in ouch42.OUTBOUND.values() for field in found.fields)),
}  # fmt: skip


def _wanted(kind: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are waited for, prices exact. Raises VerbError for what no message has: it would never come."""
    names = _FIELDS.get(kind or "")
    if names is None:
        known = ", ".join(f"{letter} {found.name}" for letter, found in ouch42.OUTBOUND.items())
        raise VerbError("bad_argument", "kind", f"the exchange sends no message {kind!r}; it sends {known}")
    for name in fields:
        if name not in names:
            missing = f"message {kind!r} has no {name!r}; it has" if kind else f"no message has {name!r}; there are"
            raise VerbError("bad_argument", name, f"{missing}: {', '.join(names)}")
    return {name: _exact(value) if name.endswith("price") else value for name, value in fields.items()}


def _exact(price: Any) -> Any:
    with suppress(InvalidOperation):
        return Decimal(price) if isinstance(price, str) else price
    return price


# ------------------------------------------------------------------------------------------------- messages to send
def _price(price: Price) -> Decimal | str | int:
    return MARKET_PRICE if price is None else price


def enter_order(
    token: str, side: str, shares: int, stock: str, price: Price, *, time_in_force: int = ouch42.TIF_MARKET_HOURS,
    firm: str = "", display: str = "Y", capacity: str = "P", intermarket_sweep: str = "N", minimum_quantity: int = 0,
    cross_type: str = "N", customer_type: str = " ",
) -> bytes:  # fmt: skip
    """An Enter Order message. side: B S T E, or buy, sell ... display, cross_type: docs/scenarios.md has their tables.

    Raises ProtocolError naming a field that does not fit.
    """
    return ouch42.encode(ouch42.INBOUND, {
        "message_type": "O", "order_token": token, "side": _SIDES.get(side, side), "shares": shares, "stock": stock,
        "price": _price(price), "time_in_force": time_in_force, "firm": firm, "display": display, "capacity": capacity,
        "intermarket_sweep": intermarket_sweep, "minimum_quantity": minimum_quantity, "cross_type": cross_type,
        "customer_type": customer_type,
    })  # fmt: skip


def replace_order(
    existing: str, token: str, shares: int, price: Price, *, time_in_force: int = ouch42.TIF_MARKET_HOURS,
    display: str = "Y", intermarket_sweep: str = "N", minimum_quantity: int = 0,
) -> bytes:  # fmt: skip
    """A Replace Order message. shares: the total of the chain, with what has been executed."""
    return ouch42.encode(ouch42.INBOUND, {
        "message_type": "U", "existing_order_token": existing, "replacement_order_token": token, "shares": shares,
        "price": _price(price), "time_in_force": time_in_force, "display": display,
        "intermarket_sweep": intermarket_sweep, "minimum_quantity": minimum_quantity,
    })  # fmt: skip


def _base36(number: int, size: int) -> str:
    digits = ""
    for _ in range(size):
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


class _Ouch(_Client):
    """What both OUCH clients can do: make tokens, send orders, keep what was received."""

    _queue: deque[Message]
    _tokens: Callable[[], str]

    def _begin(self) -> None:
        self._queue = deque()
        prefix = _base36(int.from_bytes(os.urandom(8), "big"), 7)  # unlike that of other clients, and after a restart
        numbers = itertools.count(1)
        self._tokens = lambda: prefix + _base36(next(numbers), 7)

    def send_raw(self, *messages: bytes) -> None:
        """Send OUCH messages as they are, whatever is in them, with one write."""
        self.send_payloads(messages)

    def send(self, **fields: Any) -> None:
        """Send one message by its fields: ``send(message_type="X", order_token="A1", shares=0)``."""
        self.send_payloads([ouch42.encode(ouch42.INBOUND, fields)])

    @property
    def waiting(self) -> int:
        """How many messages have been read and are not taken yet; more may be in the socket."""
        return len(self._queue)

    def new_token(self) -> str:
        """A token that this client has not made before, and no other."""
        return self._tokens()

    def enter(
        self, stock: str, side: str, shares: int, price: Price, *, token: str | None = None, **fields: Any
    ) -> str:
        """Send an Enter Order (other fields: see ``enter_order``); returns its token."""
        token = token or self.new_token()
        self.send_payloads([enter_order(token, side, shares, stock, price, **fields)])
        return token

    def replace(self, existing: str, shares: int, price: Price, *, token: str | None = None, **fields: Any) -> str:
        """Send a Replace Order (other fields: see ``replace_order``); returns the replacement's token."""
        token = token or self.new_token()
        self.send_payloads([replace_order(existing, token, shares, price, **fields)])
        return token

    def cancel(self, token: str, shares: int = 0) -> None:
        """Send a Cancel Order. shares: the new intended size of the order; 0 cancels all that is open."""
        self.send(message_type="X", order_token=token, shares=shares)

    def modify(self, token: str, side: str, shares: int) -> None:
        """Send a Modify Order: another kind of sale, and a new intended size that is no increase."""
        self.send(message_type="M", order_token=token, side=_SIDES.get(side, side), shares=shares)

    def _deliver(self, first: int, payloads: list[bytes]) -> None:
        for number, raw in enumerate(payloads, first):
            self._queue.append(Message.decode(number if first else 0, raw))

    def _find(self, kind: str | None, fields: Mapping[str, Any], start: int) -> Message | None:
        """Take the first message from number `start` of the queue on that matches."""
        queue = self._queue
        if kind is None and not fields:
            return queue.popleft() if queue else None
        for index in range(start, len(queue)):
            message = queue[index]
            if message.matches(kind, fields):
                del queue[index]
                return message
        return None


class OuchClient(SoupClient, _Ouch):
    """A blocking OUCH client; see the module's example. Logged in when the constructor returns.

    session "" joins the current one; sequence 1 has everything of the day sent again, 0 the last message on.
    Raises LoginRejected, or ClientError when the connection fails.
    """

    def __init__(
        self, host: str, port: int, username: str = "", password: str = "", session: str = "", sequence: int = 1,
        timeout: float = 5.0, heartbeat_thread: bool = True,
    ) -> None:  # fmt: skip
        self._begin()
        SoupClient.__init__(self, host, port, username, password, session, sequence, timeout, heartbeat_thread)

    def next_message(self, timeout: float | None = None) -> Message:
        """The next message. Raises MessageTimeout after `timeout` seconds (default: the client's), or ClientError."""
        return self._wait_for(None, {}, timeout)

    def wait_for(self, kind: str | None = None, /, timeout: float | None = None, **fields: Any) -> Message:
        """The next message of that type, letter or name, that has those values: ``wait_for("E", order_token=token)``.

        The messages before it stay for later calls. Raises MessageTimeout, which lists them, or ClientError.
        """
        return self._wait_for(kind, _wanted(kind, fields), timeout)

    def available(self, seconds: float = 0.0) -> list[Message]:
        """All messages that are here, or that come within `seconds`; [] when there are none."""
        until = time.monotonic() + seconds
        while self.connected:
            left = until - time.monotonic()
            if not self._read(max(0.0, left)) and left <= 0:
                break
        found = list(self._queue)
        self._queue.clear()
        return found

    def _wait_for(self, kind: str | None, fields: Mapping[str, Any], timeout: float | None) -> Message:
        seconds = self.timeout if timeout is None else timeout
        until = time.monotonic() + seconds
        seen = 0
        while True:
            message = self._find(kind, fields, seen)
            if message is not None:
                return message
            seen = len(self._queue)
            if seen > READ_AHEAD_MAX:
                raise ClientError(f"{seen} messages are waiting; read them with next_message")
            left = until - time.monotonic()
            if not self._read(left) and left <= 0:
                raise MessageTimeout(self._timeout_text(kind, fields, seconds))

    def _timeout_text(self, kind: str | None, fields: Mapping[str, Any], seconds: float) -> str:
        wanted = f"message {kind!r}" if kind else "message"
        with_fields = f" with {dict(fields)}" if fields else ""
        waiting = ", ".join(message.type for message in list(self._queue)[:20]) or "none"
        return f"no {wanted}{with_fields} within {seconds} s; waiting messages: {waiting}"


class AsyncOuchClient(AsyncSoupClient, _Ouch):
    """An OUCH client on the running asyncio loop: ``await connect()``, or use it with ``async with``.

    on_messages: called with (number of the first, list of raw messages) for each read; then nothing is queued, and
    nothing decoded. Without it ``next_message`` and ``wait_for`` return them.
    """

    def __init__(
        self, host: str, port: int, username: str = "", password: str = "", session: str = "", sequence: int = 1,
        timeout: float = 5.0, on_messages: Callable[[int, list[bytes]], None] | None = None,
    ) -> None:  # fmt: skip
        self._begin()
        self._on_messages = on_messages
        self._paused = False
        AsyncSoupClient.__init__(self, host, port, username, password, session, sequence, timeout)

    def _deliver(self, first: int, payloads: list[bytes]) -> None:
        if self._on_messages is not None:
            self._on_messages(first, payloads)
            return
        super()._deliver(first, payloads)
        if len(self._queue) > READ_AHEAD_MAX and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    async def next_message(self, timeout: float | None = None) -> Message:
        """The next message. Raises MessageTimeout after `timeout` seconds (default: the client's), or ClientError."""
        return await self.wait_for(None, timeout)

    async def wait_for(self, kind: str | None = None, /, timeout: float | None = None, **fields: Any) -> Message:
        """The next message of that type, letter or name, that has those values; the others stay for later calls.

        Raises MessageTimeout, or ClientError when the connection is lost.
        """
        seconds = self.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                return await self._search(kind, _wanted(kind, fields))
        except TimeoutError:
            raise MessageTimeout(f"no message {kind or ''} {dict(fields) or ''} within {seconds} s") from None

    async def _search(self, kind: str | None, fields: Mapping[str, Any]) -> Message:
        seen = 0
        while True:
            message = self._find(kind, fields, seen)
            if message is not None:
                self._resume()
                return message
            seen = len(self._queue)
            if seen > READ_AHEAD_MAX:
                raise ClientError(f"{seen} messages are waiting; read them with next_message")
            await self._wait()

    def _resume(self) -> None:
        if self._paused and len(self._queue) < READ_AHEAD_MAX // 2 and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
