"""What gateways and the matcher say to each other about messages for echo engines: the data of ECHO and ECHOED.

An ``Echo`` is a message that is to come back to a FIX client, and what it is about: number and type of the message
that the client sent. That is the message itself, or, for what an echo engine does not send back, the answer that says
so. An ECHOED beside these is a dictionary as JSON (``{...``), or says that a message has been dealt with (``settled``):
whatever becomes of it, and when, its client's session layer need not wait any longer.

``fields_of`` reads as much of a message as policies need, without a dictionary of any version: these fields have had
the same tags in all of them.

Invariant: nothing here raises, whatever the data is.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgpack

from openoutcry.fix.datafields import DATA_FIELDS

Fields = dict[str, Any]
Head = tuple[tuple[int, bytes], ...]
ORDER: Final = b"D"
KINDS: Final = (ORDER, b"d", b"C")  # what is sent back: NewOrderSingle, SecurityDefinition, Email
KIND_MAX: Final = 32  # bytes of a MsgType that are remembered; the longest of FIX has two
DIGITS_MAX: Final = 18  # of a quantity: more than any; Python refuses to read some thousands
# The names of messages that policies tell apart.
_NAMES: Final = {
    b"D": "NewOrderSingle", b"E": "NewOrderList", b"AB": "NewOrderMultileg", b"s": "NewOrderCross",
    b"G": "OrderCancelReplaceRequest", b"AC": "MultilegOrderCancelReplace", b"t": "CrossOrderCancelReplaceRequest",
    b"F": "OrderCancelRequest", b"q": "OrderMassCancelRequest", b"K": "ListCancelRequest",
    b"u": "CrossOrderCancelRequest", b"d": "SecurityDefinition", b"C": "Email",
}  # fmt: skip
_FIELDS: Final = {
    b"1": "Account", b"11": "ClOrdID", b"38": "OrderQty", b"40": "OrdType", b"44": "Price", b"54": "Side",
    b"55": "Symbol", b"58": "Text", b"59": "TimeInForce",
}  # fmt: skip
_LENGTHS: Final = {b"%d" % length: b"%d" % data for data, length in DATA_FIELDS.items()}


class Echo(NamedTuple):
    """kind, rest, head: what comes back. number, of: MsgSeqNum and MsgType of what the client sent; 0, b"": unknown."""

    kind: bytes
    rest: bytes
    head: Head
    number: int = 0
    of: bytes = b""

    def packed(self) -> bytes:
        """The data of its ECHO."""
        data: bytes = msgpack.packb(tuple(self._replace(of=self.of[:KIND_MAX])))
        return data

    @property
    def is_back(self) -> bool:
        """Whether it is the client's message that comes back."""
        return self.kind in KINDS and self.of in (self.kind, b"")


def opened(data: bytes) -> Echo | None:
    """What an ECHO or ECHOED holds, None when it is nothing of this kind."""
    try:
        found = Echo(*msgpack.unpackb(data, use_list=False))
    except Exception:  # of whatever another engine's gateway, or a plugin, has said
        return None
    texts = (found.kind, found.rest, found.of)
    return found if all(type(text) is bytes for text in texts) and type(found.number) is int else None


def settled(number: int) -> bytes:
    """The data of the ECHOED that says that a message is dealt with. number: its own."""
    return Echo(b"", b"", (), number).packed()


def is_settled(data: bytes) -> bool:
    """Whether an ECHOED says no more than that."""
    if data[:1] == b"{":
        return False
    found = opened(data)
    return found is not None and not found.kind


def fields_of(data: bytes) -> Fields:
    """The message that the client sent, as far as it is needed; {} when it cannot be read."""
    echo = opened(data)
    if echo is None:
        return {}
    kind = echo.of or echo.kind
    found: Fields = {"MsgType": _NAMES.get(kind, kind.decode("latin-1"))}
    return {**found, **_values(echo.rest)} if echo.is_back else found


def _values(rest: bytes) -> Fields:
    """The fields of _FIELDS, each as it comes first."""
    found: Fields = {}
    at = 0
    lengths: dict[bytes, int] = {}  # of data fields that are about to come
    while (equals := rest.find(b"=", at)) > 0:
        tag = rest[at:equals]
        end = equals + 1 + lengths.pop(tag) if tag in lengths else rest.find(b"\x01", equals)
        if end < 0:
            break
        value = rest[equals + 1 : end]
        if tag in _LENGTHS and value.isdigit() and len(value) < 7:
            lengths[_LENGTHS[tag]] = int(value)
        name = _FIELDS.get(tag)
        if name is not None and name not in found:
            is_number = name == "OrderQty" and value.isdigit() and len(value) <= DIGITS_MAX
            found[name] = int(value) if is_number else value.decode("latin-1")
        at = end + 1
    return found
