"""Messages as dictionaries with FIX's names, the same for OUCH and FIX, made of text, whole numbers and lists: of JSON.

::

    from_fix(message, "FIX.4.4")        {"MsgType": "NewOrderSingle", "ClOrdID": "A1", "Side": "1", "OrderQty": 100,
    from_ouch(payload, inbound=True)     "Symbol": "AAPL", "OrdType": "2", "Price": "10.05", "TimeInForce": "0", ...}
    to_fix(fields, "FIX.4.4")           Encoded(kind=b"D", body=b"11=A1...", header=())
    to_ouch(fields, inbound=True)       the bytes of the message

``MsgType`` is the message's name, as the newest version has it; so are the names of fields, in any version (LastQty,
also where FIX 4.2 calls it LastShares). An enumeration's value is FIX's code ("1" buy); a quantity, count or sequence
number is an int; a price is decimal text without needless zeros; a repeating group is a list of dictionaries under the
name of its count. A trade's ExecType is "F", also where an old version says it with 1 or 2. RefMsgType may be written
as a name, too. What the session writes itself (CompIDs, sequence number, times of sending) is not there unless
``whole`` asks for it.

The same order over OUCH and over FIX gives equal dictionaries, but for what only one of them can say.
Where to go next: messages_fix.py, and messages_ouch.py, which has OUCH's own fields.

Writing is strict: a name that the message does not have, a value that its field cannot have, are VerbErrors that say
what would be right. ``strict=False`` leaves out what the protocol has no place for; a name that nobody knows stays an
error. What a version requires and can only be one thing is filled in: HandlInst, ExecTransType, TransactTime, and the
LastPx and LastShares of what is no trade.

``native=True`` reads and writes the protocol's own names: tags ("35", "11"), with values as they are on the wire, and
nothing judged or filled in; of OUCH those of openoutcry.gateway.ouch42 ("order_token"), with prices as text.

Invariant: reading never raises for a message that its protocol has decoded, and what was read can be written again.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from openoutcry import messages_ouch
from openoutcry.clients.fixmessages import Encoded
from openoutcry.errors import ProtocolError, VerbError
from openoutcry.gateway import ouch42
from openoutcry.messages_fix import NEWEST, from_fix, is_fix_name, name_of, to_fix, vocabulary

__all__ = ["NEWEST", "Encoded", "from_fix", "from_ouch", "name_of", "to_fix", "to_ouch", "vocabulary"]


def from_ouch(payload: bytes, inbound: bool, *, native: bool = False) -> dict[str, Any]:
    """An OUCH 4.2 message. inbound: it comes from a client. Raises ProtocolError when it is none."""
    if not native:
        return messages_ouch.read(payload, inbound)
    raw = ouch42.decode(ouch42.INBOUND if inbound else ouch42.OUTBOUND, payload)
    return {
        name: messages_ouch.price_text(value) if isinstance(value, Decimal) else value for name, value in raw.items()
    }


def to_ouch(
    fields: Mapping[str, Any], inbound: bool, *, native: bool = False, strict: bool = True, time_ns: int | None = None
) -> bytes:
    """The bytes of an OUCH 4.2 message. time_ns: for a TransactTime that is not given. Raises VerbError."""
    if not native:
        return messages_ouch.write(fields, inbound, None if strict else is_fix_name, time_ns)
    if time_ns is not None and not inbound:
        fields = {"timestamp": ouch42.time_of_day(time_ns), **fields}
    try:
        return ouch42.encode(ouch42.INBOUND if inbound else ouch42.OUTBOUND, fields)
    except ProtocolError as error:
        raise VerbError("bad_argument", "", str(error)) from None
