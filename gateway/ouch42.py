"""OUCH 4.2, sans I/O: the messages as tables, orders into commands of the bus, events of the bus into messages.

Rule 1. ``INBOUND`` and ``OUTBOUND`` are the one description of every message; ``encode`` and ``decode`` (for clients,
        tools and tests) work from them. In their dicts a price is a ``Decimal`` in currency units with at most 4
        decimals, text has no padding, and everything else is an int. Only ``ProtocolError`` is raised.
Rule 2. ``commands`` and ``render_packet`` are the server's hot path. They never raise, whatever a client sends: a field
        that breaks a rule becomes a REFUSE command, so that the matcher judges the token first (a repeated one is
        ignored in silence), and what cannot be answered is counted.
Rule 3. What the bus does not need to know of an order travels with it as client_data and replace_data, and comes
        back with its events, so that Accepted and Replaced are rebuilt here without any state.
Rule 4. Every private event of a session either has its message or, when OUCH 4.2 has no words for it, none: then
        ``render_packet`` returns b"", and no number of the stream is used up.

A plain order is an ENTER or REPLACE. One whose display asks for more is a SUBMIT or AMEND with terms (``DISPLAYS``); an
order for a cross has a time in force of the bus that says which (``CROSSES``). docs/scenarios.md has both tables, and
what is refused.

The order in which an order's fields are judged is that of the message: side, shares, stock, price, time in force,
display, capacity, intermarket sweep, minimum quantity, cross type, customer type. The first invalid one is the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from struct import Struct
from struct import error as StructError
from typing import Any, Final, NamedTuple

from openoutcry import wire
from openoutcry.errors import ProtocolError

# ------------------------------------------------------------------------------------------------- constants
PRICE_DECIMALS: Final = 4
PRICE_UNIT: Final = wire.PRICE_SCALE // 10**PRICE_DECIMALS  # one unit of an OUCH price in units of the bus
PRICE_MAX: Final = 0x7735939C  # 199,999.9900: the highest limit price
MARKET_PRICE: Final = 0x7FFFFFFF  # a market order, as sent and as echoed
MARKET_PRICES: Final = (MARKET_PRICE, 2_000_000_000)  # 200,000.0000 is taken for one as well
SHARES_MAX: Final = 999_999
U32_MAX: Final = 0xFFFFFFFF
NS_PER_DAY: Final = 86_400_000_000_000
CACHE_MAX: Final = 4_096  # distinct stocks, and distinct sets of terms, remembered; then they are worked out anew

TIF_IOC: Final = 0
TIF_MARKET_HOURS: Final = 99_998
TIF_SYSTEM_HOURS: Final = 99_999
CAPACITIES: Final = b"APRO"
SWEEPS: Final = b"YN"
CUSTOMER_TYPES: Final = b"RN "

OrderTerms = tuple[tuple[int, Any], ...]
_SLIDE: Final = (wire.TERM_POST_ONLY, wire.POST_ONLY_SLIDE)
_MIDPOINT: Final = (wire.TERM_PEG, wire.PEG_MIDPOINT)
DISPLAYS: Final[dict[int, OrderTerms]] = {
    ord("A"): (),  # attributable
    ord("Y"): (),  # anonymous
    ord("N"): ((wire.TERM_HIDDEN, 1),),
    ord("P"): (_SLIDE,),
    ord("L"): (_SLIDE,),
    ord("M"): (_MIDPOINT,),
    ord("W"): ((wire.TERM_POST_ONLY, wire.POST_ONLY_REJECT), _MIDPOINT),
}
_ORDINARY: Final = {wire.TERM_HIDDEN: 0, wire.TERM_POST_ONLY: 0}
# A Replace names all of the new display, so that nothing of the old one stays. (A peg goes with its order type.)
REPLACED_DISPLAYS: Final[dict[int, OrderTerms]] = {
    letter: tuple(sorted((_ORDINARY | dict(terms)).items())) if terms else () for letter, terms in DISPLAYS.items()
}
NON_DISPLAY: Final = ord("N")
CONTINUOUS: Final = ord("N")  # the cross type of an order for no cross
CROSSES: Final = {ord("O"): wire.AT_OPEN, ord("C"): wire.AT_CLOSE, ord("H"): wire.GOOD_FOR_AUCTION}
SPECIAL: Final = -1  # in Terms.reason: nothing is wrong, but the order needs SUBMIT

SIDES: Final = {ord("B"): wire.BUY, ord("S"): wire.SELL, ord("T"): wire.SELL_SHORT, ord("E"): wire.SELL_SHORT_EXEMPT}
SIDE_LETTERS: Final = {side: bytes((letter,)) for letter, side in SIDES.items()}

# 'U' always answers what the order's owner asked for; a disconnect cancels on the exchange's own account.
CANCEL_LETTERS: Final = {
    wire.CANCEL_USER: b"U",
    wire.CANCEL_IOC: b"I",
    wire.CANCEL_TIMEOUT: b"T",
    wire.CANCEL_SUPERVISORY: b"S",
    wire.CANCEL_CLOSED: b"E",
    wire.CANCEL_DISCONNECT: b"S",
    wire.CANCEL_INVALID_REPLACE: b"U",
    wire.CANCEL_SELF_MATCH: b"Q",
    wire.CANCEL_POST_ONLY: b"G",
    wire.CANCEL_CROSS: b"C",
    wire.CANCEL_PAIR: b"Z",
    wire.CANCEL_MASS: b"U",
    wire.CANCEL_KILL: b"Z",
    wire.CANCEL_REDUCE_ONLY: b"D",
    wire.CANCEL_COLLAR: b"K",
    wire.CANCEL_HALTED: b"H",
}
# Capital letters are the same in every edition; the small ones are those of October 2025, where risk checks have them.
REJECT_LETTERS: Final = {
    wire.REJECT_HALTED: b"H",
    wire.REJECT_CLOSED: b"C",
    wire.REJECT_SYMBOL: b"S",
    wire.REJECT_PRICE: b"X",
    wire.REJECT_QUANTITY: b"Z",
    wire.REJECT_MIN_QUANTITY: b"N",
    wire.REJECT_DISPLAY: b"D",
    wire.REJECT_CROSS: b"R",
    wire.REJECT_SIDE: b"O",
    wire.REJECT_TIME_IN_FORCE: b"O",
    wire.REJECT_FIELD: b"O",
    wire.REJECT_LIMIT: b"O",
    wire.REJECT_ORDER_TYPE: b"O",
    wire.REJECT_PHASE: b"R",  # an order for continuous trading during an auction, or for a cross that is over
    wire.REJECT_POST_ONLY: b"W",
    wire.REJECT_COLLAR: b"e",  # fat finger
    wire.REJECT_MAX_QUANTITY: b"m",
    wire.REJECT_MAX_NOTIONAL: b"n",
    wire.REJECT_MAX_OPEN_ORDERS: b"v",  # aggregate exposure
    wire.REJECT_MAX_POSITION: b"v",
    wire.REJECT_REDUCE_ONLY: b"O",
    wire.REJECT_THROTTLE: b"x",  # message rate of the port
    wire.REJECT_DUPLICATE: b"y",
    wire.REJECT_RESTRICTED: b"a",
    wire.REJECT_KILLED: b"L",  # not authorised
    wire.REJECT_NO_REFERENCE: b"o",
    wire.REJECT_TOO_LATE: b"R",
    wire.REJECT_QUOTE: b"O",
    wire.REJECT_UNKNOWN_ORDER: b"O",
    wire.REJECT_UNSUPPORTED: b"O",
}
BREAK_LETTERS: Final = {
    wire.BREAK_ERRONEOUS: b"E",
    wire.BREAK_CONSENT: b"C",
    wire.BREAK_SUPERVISORY: b"S",
    wire.BREAK_EXTERNAL: b"X",
}
LIQUIDITY_LETTERS: Final = {
    wire.ADDED_LIQUIDITY: b"A",
    wire.REMOVED_LIQUIDITY: b"R",
    wire.CROSS_LIQUIDITY + wire.CROSS_OPENING: b"O",
    wire.CROSS_LIQUIDITY + wire.CROSS_CLOSING: b"C",
    wire.CROSS_LIQUIDITY + wire.CROSS_HALT: b"H",
    wire.ADDED_HIDDEN: b"J",
}


# ------------------------------------------------------------------------------------------------- tables
class Field(NamedTuple):
    """One field. type: ``I`` u32, ``Q`` u64, ``price`` u32 with 4 decimals, ``<n>s`` text padded with blanks."""

    name: str
    type: str


class Message(NamedTuple):
    """One message: its letter, name, fields after the letter, layout of them all, and exact length."""

    letter: str
    name: str
    fields: tuple[Field, ...]
    layout: Struct
    size: int


def _message(letter: str, name: str, text: str) -> Message:
    fields = tuple(Field(*item.split(":")) for item in text.split())
    layout = Struct(">c" + "".join("I" if field.type == "price" else field.type for field in fields))
    return Message(letter, name, fields, layout, layout.size)


def _table(*rows: tuple[str, str, str]) -> dict[str, Message]:
    return {letter: _message(letter, name, fields) for letter, name, fields in rows}


_TERMS: Final = "time_in_force:I firm:4s display:1s"
_TAIL: Final = (
    "order_reference_number:Q capacity:1s intermarket_sweep:1s minimum_quantity:I cross_type:1s order_state:1s"
)
_ORDER: Final = f"side:1s shares:I stock:8s price:price {_TERMS} {_TAIL}"
_HEAD: Final = "timestamp:Q order_token:14s"
_EXECUTION: Final = "executed_shares:I execution_price:price liquidity_flag:1s match_number:Q"

INBOUND: Final = _table(
    ("O", "enter_order", f"order_token:14s side:1s shares:I stock:8s price:price {_TERMS} capacity:1s "
     "intermarket_sweep:1s minimum_quantity:I cross_type:1s customer_type:1s"),
    ("U", "replace_order", "existing_order_token:14s replacement_order_token:14s shares:I price:price "
     "time_in_force:I display:1s intermarket_sweep:1s minimum_quantity:I"),
    ("X", "cancel_order", "order_token:14s shares:I"),
    ("M", "modify_order", "order_token:14s side:1s shares:I"),
    ("N", "trade_now", "order_token:14s"),
)  # fmt: skip
OUTBOUND: Final = _table(
    ("S", "system_event", "timestamp:Q event_code:1s"),
    ("A", "accepted", f"{_HEAD} {_ORDER} bbo_weight_indicator:1s"),
    ("U", "replaced", f"timestamp:Q replacement_order_token:14s {_ORDER} previous_order_token:14s "
     "bbo_weight_indicator:1s"),
    ("C", "canceled", f"{_HEAD} decrement_shares:I reason:1s"),
    ("D", "aiq_canceled", f"{_HEAD} decrement_shares:I reason:1s quantity_prevented_from_trading:I "
     "execution_price:price liquidity_flag:1s"),
    ("E", "executed", f"{_HEAD} {_EXECUTION}"),
    ("G", "executed_with_reference_price", f"{_HEAD} {_EXECUTION} reference_price:price reference_price_type:1s"),
    ("F", "trade_correction", f"{_HEAD} {_EXECUTION} reason:1s"),
    ("B", "broken_trade", f"{_HEAD} match_number:Q reason:1s"),
    ("K", "price_correction", f"{_HEAD} match_number:Q new_execution_price:price reason:1s"),
    ("J", "rejected", f"{_HEAD} reason:1s"),
    ("P", "cancel_pending", _HEAD),
    ("I", "cancel_reject", _HEAD),
    ("T", "order_priority_update", f"{_HEAD} price:price display:1s order_reference_number:Q"),
    ("M", "order_modified", f"{_HEAD} side:1s shares:I"),
    ("N", "trade_now_acknowledged", _HEAD),
)  # fmt: skip
ENTER_SHORT: Final = 48  # Enter Order of 4.0 and 4.1: without customer type


# ------------------------------------------------------------------------------------------------- any message
def price_units(value: Decimal | str | int) -> int:
    """A price in currency units (never a float) as OUCH has it, in 1e-4. Raises ProtocolError."""
    try:
        if isinstance(value, bool) or not isinstance(value, Decimal | str | int) or len(str(value)) > 40:
            raise InvalidOperation
        scaled = Decimal(value).scaleb(PRICE_DECIMALS)
        if not 0 <= scaled <= U32_MAX or scaled != int(scaled):  # the range first: int of 1e99999 takes long
            raise InvalidOperation
    except (InvalidOperation, ValueError, OverflowError):
        raise ProtocolError(
            f"price {_shown(value)} must be a decimal number with at most 4 decimals, 0 to 429496.7295"
        ) from None
    return int(scaled)


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


def price_value(units: int) -> Decimal:
    """An OUCH price in 1e-4 as a Decimal in currency units."""
    return Decimal(units).scaleb(-PRICE_DECIMALS)


def decode(table: Mapping[str, Message], data: bytes) -> dict[str, Any]:
    """The fields of one message by name, ``message_type`` (its letter) first.

    table: INBOUND or OUTBOUND; the same letter means different messages. An Enter Order of 48 bytes gets a blank
    customer type. Raises ProtocolError for an unknown letter or another length than the message's.
    """
    letter = chr(data[0]) if data else ""
    message = table.get(letter)
    if message is None:
        raise ProtocolError(f"unknown message type {letter!r}")
    if table is INBOUND and letter == "O" and len(data) == ENTER_SHORT:
        data += b" "
    if len(data) != message.size:
        raise ProtocolError(f"{message.name}: {len(data)} bytes, expected {message.size}")
    found: dict[str, Any] = {"message_type": letter}
    for field, value in zip(message.fields, message.layout.unpack(data)[1:], strict=True):
        if field.type == "price":
            value = price_value(value)
        elif isinstance(value, bytes):
            text = value.decode("latin-1")
            value = text if len(text) == 1 else text.rstrip(" ")
        found[field.name] = value
    return found


def encode(table: Mapping[str, Message], values: Mapping[str, Any]) -> bytes:
    """The bytes of the message that ``values["message_type"]`` names, from its fields by name.

    Raises ProtocolError that names the field when one is missing, unknown, or does not fit.
    """
    message = table.get(values.get("message_type", ""))
    if message is None:
        raise ProtocolError(f"message_type is {values.get('message_type')!r}, it must be one of {', '.join(table)}")
    names = {"message_type"}.union(field.name for field in message.fields)
    unknown = [name for name in values if name not in names]
    if unknown:
        raise ProtocolError(f"{message.name} has no field {unknown[0]!r}")
    return message.layout.pack(message.letter.encode(), *[_encoded(message, field, values) for field in message.fields])


def _encoded(message: Message, field: Field, values: Mapping[str, Any]) -> Any:
    where = f"{message.name}.{field.name}"
    if field.name not in values:
        raise ProtocolError(f"{where} is missing")
    value = values[field.name]
    if field.type == "price":
        try:
            return price_units(value)
        except ProtocolError as error:
            raise ProtocolError(f"{where}: {error}") from None
    if field.type in ("I", "Q"):
        high = U32_MAX if field.type == "I" else 2**64 - 1
        if type(value) is not int or not 0 <= value <= high:
            raise ProtocolError(f"{where} is {_shown(value)}, it must be a whole number from 0 to {high}")
        return value
    return _encoded_text(where, int(field.type[:-1]), value)


def _encoded_text(where: str, size: int, value: Any) -> bytes:
    try:
        data: bytes = value.encode("latin-1")
    except (AttributeError, UnicodeEncodeError):
        raise ProtocolError(f"{where} is {_shown(value)}, it must be text of one byte a character") from None
    if len(data) > size:
        raise ProtocolError(f"{where} is {value!r}, it must have at most {size} characters")
    return data.ljust(size)


# ------------------------------------------------------------------------------------------------- orders in
class Terms(NamedTuple):
    """What the last 17 bytes of an Enter, or bytes 37 to 47 of a Replace, say.

    reason: 0, a REJECT reason, or SPECIAL. terms: of the bus, for an order that is not plain.
    """

    time_in_force: int
    expire: int
    minimum_quantity: int
    reason: int
    terms: OrderTerms


_ENTER = Struct(">x14sBI8sI17s").unpack
_REPLACE = Struct(">x14s14sII10s").unpack
_CANCEL = Struct(">x14sI").unpack
_MODIFY = Struct(">x14sBI").unpack
_ENTER_TERMS = Struct(">I4xBBBIBB").unpack
_REPLACE_TERMS = Struct(">IBBI").unpack

_enter_cache: dict[bytes, Terms] = {}
_replace_cache: dict[bytes, Terms] = {}
_symbols: dict[bytes, str] = {}  # "" for bytes that cannot be a symbol


def _is_token(token: bytes) -> bool:
    """Letters and digits, padded on the right with blanks."""
    return token.rstrip(b" ").isalnum()


def _remember(cache: dict[bytes, Any], key: bytes, value: Any) -> None:
    if len(cache) >= CACHE_MAX:  # nobody honest has so many: do not let a client grow it
        cache.clear()
    cache[key] = value


def _symbol(stock: bytes) -> str:
    name = stock.rstrip(b" ")
    valid = name and all(33 <= byte <= 126 and byte != 47 for byte in name)  # printable, no blank, no slash
    symbol = name.decode("ascii") if valid else ""
    _remember(_symbols, stock, symbol)
    return symbol


def _time_in_force(seconds: int) -> tuple[int, int]:
    """(time in force, expire) of the bus; time in force -1 when the value is invalid."""
    if seconds == TIF_IOC:
        return wire.IOC, 0
    if seconds == TIF_MARKET_HOURS:
        return wire.DAY, 0
    if seconds == TIF_SYSTEM_HOURS:
        return wire.SYSTEM_HOURS, 0
    if seconds <= wire.SECONDS_TO_LIVE_MAX:
        return wire.GOOD_FOR_TIME, seconds
    return -1, 0


def _terms_of(displays: Mapping[int, OrderTerms], display: int, tif: int) -> OrderTerms | None:
    """The terms that a display stands for, None when there is no such order. What never rests need not be hidden."""
    return () if display == NON_DISPLAY and tif == wire.IOC else displays.get(display)


def _enter_terms(tail: bytes) -> Terms:
    seconds, display, capacity, sweep, minimum, cross, customer = _ENTER_TERMS(tail)
    tif, expire = _time_in_force(seconds)
    terms = _terms_of(DISPLAYS, display, tif)
    for_cross = CROSSES.get(cross)
    reason = 0
    if tif < 0 or (expire and for_cross is not None):  # an order for a cross lives until that cross
        tif, reason = wire.DAY, wire.REJECT_TIME_IN_FORCE
    elif terms is None:
        reason = wire.REJECT_DISPLAY
    elif capacity not in CAPACITIES or sweep not in SWEEPS:
        reason = wire.REJECT_FIELD
    elif minimum > SHARES_MAX or (minimum and for_cross is not None):
        reason = wire.REJECT_MIN_QUANTITY
    elif (cross != CONTINUOUS and for_cross is None) or (for_cross is not None and terms):
        reason = wire.REJECT_CROSS
    elif customer not in CUSTOMER_TYPES:
        reason = wire.REJECT_FIELD
    elif terms:
        reason = SPECIAL
    found = Terms(tif if for_cross is None else for_cross, expire, minimum, reason, terms or ())
    _remember(_enter_cache, tail, found)
    return found


def _replace_terms(tail: bytes) -> Terms:
    seconds, display, sweep, minimum = _REPLACE_TERMS(tail)
    tif, expire = _time_in_force(seconds)
    terms = _terms_of(REPLACED_DISPLAYS, display, tif)
    reason = 0
    if tif < 0:
        tif, reason = wire.DAY, wire.REJECT_TIME_IN_FORCE
    elif terms is None:
        reason = wire.REJECT_DISPLAY
    elif sweep not in SWEEPS:
        reason = wire.REJECT_FIELD
    elif minimum > SHARES_MAX:
        reason = wire.REJECT_MIN_QUANTITY
    found = Terms(tif, expire, minimum, reason, terms or ())
    _remember(_replace_cache, tail, found)
    return found


def _order_type(kind: int, terms: OrderTerms) -> int:
    """The order type of an order with terms: a pegged order's price is its cap, as a market order it has none."""
    return wire.PEGGED if _MIDPOINT in terms else kind


def commands(session: int, payloads: Sequence[bytes], out: list[Any]) -> int:
    """Append to `out` the commands of the bus that a client's messages stand for, in order.

    Returns how many messages were ignored: unknown type, wrong length, Trade Now, no valid token, or a Modify with
    a side that does not exist. Enter Order is spelled out here: it is most of what an exchange receives.
    """
    append = out.append
    ignored = 0
    for data in payloads:
        size = len(data)
        kind = data[0] if size else 0
        if kind == 79 and size >= 48:  # 'O'
            if size != 49:
                if size != ENTER_SHORT:
                    ignored += 1
                    continue
                data += b" "
            token, letter, shares, stock, price, tail = _ENTER(data)
            if not token.isalnum() and not _is_token(token):
                ignored += 1
                continue
            tif, expire, minimum, reason, terms = _enter_cache.get(tail) or _enter_terms(tail)
            symbol = _symbols.get(stock) or _symbol(stock)
            side = SIDES.get(letter)
            if side is None:
                append((wire.REFUSE, session, token, wire.REJECT_SIDE, "", b""))
            elif not 0 < shares <= SHARES_MAX:
                append((wire.REFUSE, session, token, wire.REJECT_QUANTITY, "", b""))
            elif not symbol:
                append((wire.REFUSE, session, token, wire.REJECT_SYMBOL, "", b""))
            elif not 0 < price <= PRICE_MAX and price not in MARKET_PRICES:
                append((wire.REFUSE, session, token, wire.REJECT_PRICE, "", b""))
            elif reason > 0:
                append((wire.REFUSE, session, token, reason, "", b""))
            elif minimum > shares:
                append((wire.REFUSE, session, token, wire.REJECT_MIN_QUANTITY, "", b""))
            elif reason:
                market = price > PRICE_MAX
                order_type = _order_type(wire.MARKET if market else wire.LIMIT, terms)
                append((wire.SUBMIT, session, token, symbol, side, shares, 0 if market else price * PRICE_UNIT,
                        order_type, tif, expire, minimum, stock + tail, terms))  # fmt: skip
            elif price <= PRICE_MAX:
                append((wire.ENTER, session, token, symbol, side, shares, price * PRICE_UNIT, wire.LIMIT, tif, expire,
                        minimum, stock + tail))  # fmt: skip
            else:
                append((wire.ENTER, session, token, symbol, side, shares, 0, wire.MARKET, tif, expire, minimum,
                        stock + tail))  # fmt: skip
        elif kind == 88 and size == 19:  # 'X'
            token, shares = _CANCEL(data)
            if token.isalnum() or _is_token(token):
                append((wire.CANCEL, session, token, shares))
            else:
                ignored += 1
        elif kind == 85 and size == 47:  # 'U'
            ignored += _replace(session, data, out)
        elif kind == 77 and size == 20:  # 'M'
            ignored += _modify(session, data, out)
        else:
            ignored += 1
    return ignored


def _replace(session: int, data: bytes, out: list[Any]) -> int:
    """Append one REPLACE or AMEND. What is invalid takes the existing order out (OUCH 4.2, replace outcome b)."""
    existing, token, shares, price, tail = _REPLACE(data)
    if not _is_token(existing) or not _is_token(token):
        return 1
    tif, expire, minimum, reason, terms = _replace_cache.get(tail) or _replace_terms(tail)
    kind = wire.LIMIT
    if price in MARKET_PRICES:
        kind, price = wire.MARKET, 0
    elif not 0 < price <= PRICE_MAX:
        price, reason = 0, wire.REJECT_PRICE
    if not 0 < shares <= SHARES_MAX:
        reason = wire.REJECT_QUANTITY
    elif minimum > shares and not reason:
        reason = wire.REJECT_MIN_QUANTITY
    if terms:
        out.append((wire.AMEND, session, existing, token, shares, price * PRICE_UNIT, _order_type(kind, terms), tif,
                    expire, minimum, reason, tail, terms))  # fmt: skip
    else:
        out.append((wire.REPLACE, session, existing, token, shares, price * PRICE_UNIT, kind, tif, expire, minimum,
                    reason, tail))  # fmt: skip
    return 0


def _modify(session: int, data: bytes, out: list[Any]) -> int:
    """Append one MODIFY; the matcher judges whether the order may change to that side."""
    token, letter, shares = _MODIFY(data)
    side = SIDES.get(letter)
    if side is None or not _is_token(token):
        return 1
    out.append((wire.MODIFY, session, token, side, shares))
    return 0


# ------------------------------------------------------------------------------------------------- events out
# Each layout begins with the head of a SoupBinTCP Sequenced Data packet: length, 'S'. An event is framed only once,
# as it is made, since both the client's socket and the store of its stream take it framed.
def _packed(letter: str, fields: str) -> tuple[Callable[..., bytes], int]:
    layout = Struct(">H2s" + fields)
    if layout.size != OUTBOUND[letter].size + 3:
        raise AssertionError(letter)  # the table and the fast path describe one message
    return layout.pack, layout.size - 2


_PACK_SYSTEM, _SIZE_SYSTEM = _packed("S", "Qc")
_PACK_ACCEPTED, _SIZE_ACCEPTED = _packed("A", "Q14scI8sI9sQ7scc")
_PACK_REPLACED, _SIZE_REPLACED = _packed("U", "Q14scI8sI4s4scQc5scc14sc")
_PACK_CANCELED, _SIZE_CANCELED = _packed("C", "Q14sIc")
_PACK_EXECUTED, _SIZE_EXECUTED = _packed("E", "Q14sIIcQ")
_PACK_REJECTED, _SIZE_REJECTED = _packed("J", "Q14sc")
_PACK_MODIFIED, _SIZE_MODIFIED = _packed("M", "Q14scI")
_PACK_AIQ, _SIZE_AIQ = _packed("D", "Q14sIcIIc")
_PACK_BROKEN, _SIZE_BROKEN = _packed("B", "Q14sQc")
_PACK_CORRECTED, _SIZE_CORRECTED = _packed("K", "Q14sQIc")
_PACK_PENDING, _SIZE_PENDING = _packed("P", "Q14s")
_PACK_NOT_CANCELED, _SIZE_NOT_CANCELED = _packed("I", "Q14s")
_PACK_PRIORITY, _SIZE_PRIORITY = _packed("T", "Q14sIcQ")

Event = tuple[Any, ...]
_PRICE_CEILING: Final = U32_MAX * PRICE_UNIT


def _price(price: int) -> int:
    """A price of the bus in 1e-4, cut off to what 32 bits hold (a book may have finer and higher prices)."""
    return price // PRICE_UNIT if price <= _PRICE_CEILING else U32_MAX


def _accepted(event: Event, time_ns: int) -> bytes:
    _, _, token, order, side, quantity, price, state, data = event
    return _PACK_ACCEPTED(
        _SIZE_ACCEPTED, b"SA", time_ns, token, SIDE_LETTERS[side], quantity, data[:8], _price(price) or MARKET_PRICE,
        data[8:17], order, data[17:24], b"L" if state else b"D", b" ",
    )  # fmt: skip


def _replaced(event: Event, time_ns: int) -> bytes:
    _, _, token, previous, order, side, quantity, price, state, data, terms = event
    return _PACK_REPLACED(
        _SIZE_REPLACED, b"SU", time_ns, token, SIDE_LETTERS[side], quantity, data[:8], _price(price) or MARKET_PRICE,
        terms[:4], data[12:16], terms[4:5], order, data[17:18], terms[5:10], data[23:24], b"L" if state else b"D",
        previous, b" ",
    )  # fmt: skip


def _canceled(event: Event, time_ns: int) -> bytes:
    _, _, token, quantity, reason, _ = event
    return _PACK_CANCELED(_SIZE_CANCELED, b"SC", time_ns, token, quantity, CANCEL_LETTERS[reason])


def _executed(event: Event, time_ns: int) -> bytes:
    _, _, token, quantity, price, liquidity, match, _, _ = event
    return _PACK_EXECUTED(
        _SIZE_EXECUTED, b"SE", time_ns, token, quantity, _price(price), LIQUIDITY_LETTERS[liquidity], match
    )


def _rejected(event: Event, time_ns: int) -> bytes:
    return _PACK_REJECTED(_SIZE_REJECTED, b"SJ", time_ns, event[2], REJECT_LETTERS[event[3]])


def _modified(event: Event, time_ns: int) -> bytes:
    _, _, token, side, leaves = event
    return _PACK_MODIFIED(_SIZE_MODIFIED, b"SM", time_ns, token, SIDE_LETTERS[side], leaves)


def _system(event: Event, time_ns: int) -> bytes:
    return _PACK_SYSTEM(_SIZE_SYSTEM, b"SS", time_ns, event[2].encode("ascii"))


def _self_match(event: Event, time_ns: int) -> bytes:
    _, _, token, quantity, prevented, price, liquidity, _ = event
    return _PACK_AIQ(
        _SIZE_AIQ, b"SD", time_ns, token, quantity, b"Q", prevented, _price(price), LIQUIDITY_LETTERS[liquidity]
    )


def _restated(event: Event, time_ns: int) -> bytes:
    """Order Priority Update. The bus does not say which display the order was entered with, so this one has the
    plainest that is true: a midpoint peg, post-only, anonymous, or non-displayed."""
    _, _, token, order, price, shown, _, reason = event
    display = _RESTATED_DISPLAYS.get(reason) or (b"Y" if shown else b"N")
    return _PACK_PRIORITY(_SIZE_PRIORITY, b"ST", time_ns, token, _price(price) or MARKET_PRICE, display, order)


def _broken(event: Event, time_ns: int) -> bytes:
    return _PACK_BROKEN(_SIZE_BROKEN, b"SB", time_ns, event[2], event[3], BREAK_LETTERS[event[6]])


def _corrected(event: Event, time_ns: int) -> bytes:
    _, _, token, match, _, price, reason = event
    return _PACK_CORRECTED(_SIZE_CORRECTED, b"SK", time_ns, token, match, _price(price), BREAK_LETTERS[reason])


def _cancel_pending(event: Event, time_ns: int) -> bytes:
    return _PACK_PENDING(_SIZE_PENDING, b"SP", time_ns, event[2])


def _cancel_rejected(event: Event, time_ns: int) -> bytes:
    return _PACK_NOT_CANCELED(_SIZE_NOT_CANCELED, b"SI", time_ns, event[2])


def _nothing(event: Event, time_ns: int) -> bytes:
    """OUCH 4.2 has no message for it."""
    return b""


_RESTATED_DISPLAYS: Final = {wire.RESTATED_PEGGED: b"M", wire.RESTATED_SLID: b"P"}

RENDER: Final[dict[int, Callable[[Event, int], bytes]]] = {
    wire.ACCEPTED: _accepted,
    wire.REPLACED: _replaced,
    wire.CANCELED: _canceled,
    wire.EXECUTED: _executed,
    wire.REJECTED: _rejected,
    wire.MODIFIED: _modified,
    wire.SYSTEM: _system,
    wire.SELF_MATCH: _self_match,
    wire.RESTATED: _restated,
    wire.BROKEN: _broken,
    wire.CORRECTED: _corrected,
    wire.CANCEL_PENDING: _cancel_pending,
    wire.CANCEL_REJECTED: _cancel_rejected,
    wire.ORDER_STATUS: _nothing,
    wire.QUOTE_STATUS: _nothing,
    wire.MASS_CANCELED: _nothing,
    wire.FEE: _nothing,
    wire.TRIGGER_MOVED: _nothing,
    wire.REQUEST_REJECTED: _nothing,
    wire.CANCEL_REQUESTED: _nothing,
    wire.ECHOED: _nothing,
    wire.WITHHELD: _nothing,  # these two are for FIX sessions alone
    wire.SPOKEN: _nothing,
}


def time_of_day(time_ns: int) -> int:
    """The time stamp of a message: ns since midnight UTC."""
    return time_ns % NS_PER_DAY


def render_packet(event: Event, time_ns: int) -> bytes:
    """The SoupBinTCP Sequenced Data packet for one private event of a session; b"" when OUCH has no message for it.

    time_ns: ``time_of_day`` of the event. Raises ProtocolError for what is no event of a session.
    """
    try:
        return RENDER[event[0]](event, time_ns)
    except (KeyError, StructError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise ProtocolError(f"no OUCH message for event {event!r}: {error}") from None


def render(event: Event, time_ns: int) -> bytes:
    """The bare OUCH message for one private event: ``render_packet`` without the packet's head."""
    return render_packet(event, time_ns)[3:]
