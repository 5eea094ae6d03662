"""OUCH 4.2 messages as dictionaries with FIX's names; see openoutcry.messages, which is the place to import from.

``FIELDS`` says what each field of OUCH is called, and how its value is written in FIX. Three things are said by several
fields of OUCH together, and have functions of their own: order type and price, time in force and cross, display.

What FIX has no name for keeps OUCH's, written as FIX writes names (``Firm``, ``Reason``), and is left out where it says
nothing (blank, 0, not a special display). A value that FIX has no code for comes as OUCH has it, after ``ouch:``.

Invariant: reading never raises for a message of OUCH's own length, and what was read can be written again, byte for
byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from openoutcry.errors import ProtocolError, VerbError
from openoutcry.gateway import ouch42

Found = dict[str, Any]
OWN: Final = "ouch:"  # before a value that FIX has no code for

MARKET: Final = ouch42.price_value(ouch42.MARKET_PRICE)
MARKET_TOO: Final = ouch42.price_value(ouch42.MARKET_PRICES[1])
_SIDES: Final = {"B": "1", "S": "2", "T": "5", "E": "6"}
_TIMES: Final = {ouch42.TIF_IOC: "3", ouch42.TIF_MARKET_HOURS: "0", ouch42.TIF_SYSTEM_HOURS: "5"}
_CROSSES: Final = {"O": "2", "C": "7", "H": "B"}
_FOR_SECONDS: Final = "A"
_SECONDS_MAX: Final = 86_399
_LIQUIDITY: Final = {"A": "1", "R": "2", "J": "1", "O": "4", "C": "4", "H": "4"}
_FLAGS: Final = {"1": "A", "2": "R", "4": "H"}  # of LastLiquidityInd; other flags are said beside it
_REJECTS: Final = {"C": "2", "H": "2", "S": "1", "Z": "13", "D": "11", "m": "3", "n": "3", "v": "3", "x": "3", "y": "6"}
_OTHER_REJECT: Final = "99"
_PEGGED: Final = "P"
_SWEEP: Final = "f"
# Display: the ExecInst that says it, whether the order is pegged, whether it is hidden.
_DISPLAYS: Final[dict[str, tuple[frozenset[str], bool, bool]]] = {
    "Y": (frozenset(), False, False),
    "A": (frozenset(), False, False),
    "N": (frozenset(), False, True),
    "P": (frozenset("6"), False, False),
    "L": (frozenset("6"), False, False),
    "M": (frozenset("M"), True, False),
    "W": (frozenset("6M"), True, False),
}
_PLAIN_DISPLAYS: Final = "YNPMW"  # those that ExecInst, OrdType and MaxFloor say alone
_CLOCK: Final = re.compile(r"(?:[0-9]{8}-)?([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,9}))?")
_SECOND_NS: Final = 1_000_000_000


def _wrong(name: str, value: Any, wish: str) -> VerbError:
    return VerbError("bad_argument", name, f"{name} is {value!r}, over OUCH it must be {wish}")


# ------------------------------------------------------------------------------------------------- single values
def price_text(price: Decimal) -> str:
    """A price without needless zeros."""
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _read_coded(codes: Mapping[str, str]) -> Callable[[Any], str]:
    return lambda value: codes.get(value) or f"{OWN}{value}"


def _own(value: Any) -> str | None:
    """OUCH's own value, if it is one."""
    return value[len(OWN) :] if isinstance(value, str) and value.startswith(OWN) else None


def _write_side(value: Any) -> str:
    own = _own(value)
    if own is not None:
        return own
    for letter, code in _SIDES.items():
        if code == str(value):
            return letter
    raise _wrong("Side", value, "1 (buy), 2 (sell), 5 (sell short) or 6 (sell short exempt)")


def _read_time(ns: int) -> str:
    if ns >= ouch42.NS_PER_DAY:
        return f"{OWN}{ns}"
    seconds, rest = divmod(ns, _SECOND_NS)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:09}"


def _write_time(value: Any) -> int:
    own = _own(value)
    if own is not None:
        return _write_number("TransactTime")(own)
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise _wrong("TransactTime", value, "HH:MM:SS with up to 9 decimals, the date before it if need be")
    hours, minutes, seconds, rest = found.groups(default="")
    return (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * _SECOND_NS + int(rest.ljust(9, "0"))


def _write_number(name: str) -> Callable[[Any], int]:
    def write(value: Any) -> int:
        if type(value) is str and value.isascii() and value.isdigit() and len(value) <= 20:
            value = int(value)
        if type(value) is not int:
            raise _wrong(name, value, "a whole number")
        return value

    return write


def _as_it_is(value: Any) -> Any:
    return value


class Name(NamedTuple):
    """What a field of OUCH is called, how it is read and written, and the value that says nothing (None: none does)."""

    name: str
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    nothing: Any = None


def _text(name: str, nothing: str | None = None) -> Name:
    return Name(name, _as_it_is, _as_it_is, nothing)


def _count(name: str, nothing: int | None = None) -> Name:
    return Name(name, _as_it_is, _write_number(name), nothing)


def _number(name: str) -> Name:
    return Name(name, str, _write_number(name), 0)


def _price(name: str) -> Name:
    return Name(name, price_text, _as_it_is)


FIELDS: Final[dict[str, Name]] = {
    "timestamp": Name("TransactTime", _read_time, _write_time),
    "order_token": _text("ClOrdID"),
    "replacement_order_token": _text("ClOrdID"),
    "existing_order_token": _text("OrigClOrdID"),
    "previous_order_token": _text("OrigClOrdID"),
    "side": Name("Side", _read_coded(_SIDES), _write_side),
    "shares": _count("OrderQty"),
    "stock": _text("Symbol"),
    "firm": _text("Firm", ""),
    "capacity": _text("OrderCapacity"),
    "minimum_quantity": _count("MinQty", 0),
    "customer_type": _text("CustomerType", " "),
    "order_reference_number": _number("OrderID"),
    "order_state": Name("WorkingIndicator", _read_coded({"D": "N", "L": "Y"}),
                        lambda value: _own(value) or {"N": "D", "Y": "L"}.get(value, value), "L"),
    "bbo_weight_indicator": _text("BBOWeightIndicator", " "),
    "decrement_shares": _count("CxlQty"),
    "reason": _text("Reason"),
    "executed_shares": _count("LastQty"),
    "execution_price": _price("LastPx"),
    "new_execution_price": _price("LastPx"),
    "match_number": _number("TrdMatchID"),
    "quantity_prevented_from_trading": _count("QuantityPreventedFromTrading"),
    "reference_price": _price("ReferencePrice"),
    "reference_price_type": _text("ReferencePriceType"),
    "event_code": _text("EventCode"),
}  # fmt: skip
TOGETHER: Final = frozenset(("price", "time_in_force", "cross_type", "display", "intermarket_sweep", "liquidity_flag"))
NAMES: Final = frozenset(
    ("Firm", "CustomerType", "BBOWeightIndicator", "Reason", "QuantityPreventedFromTrading", "ReferencePrice",
     "ReferencePriceType", "EventCode", "Shares", "Display", "IntermarketSweep", "CrossType", "LiquidityFlag")
)  # fmt: skip
_DEFAULTS: Final = {"OrderCapacity": "P", "Reason": "S", "WorkingIndicator": "Y"}  # of what may be left out


class Kind(NamedTuple):
    """What a message of OUCH is called. says: fields that it says by being what it is; names: other names of fields."""

    name: str
    says: Mapping[str, str] = {}
    names: Mapping[str, Name] = {}


def _report(exec_type: str, status: str = "") -> Kind:
    return Kind("ExecutionReport", {"ExecType": exec_type, **({"OrdStatus": status} if status else {})})


_ORIGINAL: Final = {"order_token": _text("OrigClOrdID")}
INBOUND: Final[dict[str, Kind]] = {
    "O": Kind("NewOrderSingle"),
    "U": Kind("OrderCancelReplaceRequest"),
    # Its shares are what is to be left of the order, which FIX's OrderQty in this message is not.
    "X": Kind("OrderCancelRequest", {}, {**_ORIGINAL, "shares": _count("Shares", 0)}),
    "M": Kind("ModifyOrder", {}, _ORIGINAL),
    "N": Kind("TradeNow", {}, _ORIGINAL),
}
OUTBOUND: Final[dict[str, Kind]] = {
    "S": Kind("SystemEvent"),
    "A": _report("0", "0"),
    "U": _report("5"),
    "C": _report("4", "4"),
    "D": _report("4", "4"),
    "E": _report("F"),
    "G": _report("F"),
    "F": _report("G"),
    "B": _report("H"),
    "K": _report("G"),
    "J": _report("8", "8"),
    "P": _report("6", "6"),
    "I": Kind("OrderCancelReject", {"CxlRejResponseTo": "1"}, _ORIGINAL),
    "T": _report("D"),
    "M": Kind("ExecutionReport", {"ExecType": "D"}, {"shares": _count("LeavesQty")}),
    "N": Kind("TradeNowAcknowledged"),
}
_CODES: Final = {"D": "NewOrderSingle", "G": "OrderCancelReplaceRequest", "F": "OrderCancelRequest",
                 "8": "ExecutionReport", "9": "OrderCancelReject"}  # fmt: skip
# ExecType to OUCH's letter; where there are several, the field that only the first has.
_LETTERS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "0": (("A", ""),),
    "5": (("U", ""),),
    "4": (("D", "QuantityPreventedFromTrading"), ("C", "")),
    "C": (("C", ""),),
    "F": (("G", "ReferencePrice"), ("E", "")),
    "1": (("E", ""),),
    "2": (("E", ""),),
    "G": (("F", "LastQty"), ("K", "")),
    "H": (("B", ""),),
    "8": (("J", ""),),
    "6": (("P", ""),),
    "D": (("T", "OrdType"), ("T", "OrderID"), ("M", "")),
}


# ------------------------------------------------------------------------------------------------- reading
def read(payload: bytes, inbound: bool) -> Found:
    """See openoutcry.messages.from_ouch."""
    raw = ouch42.decode(ouch42.INBOUND if inbound else ouch42.OUTBOUND, payload)
    kind = (INBOUND if inbound else OUTBOUND)[raw["message_type"]]
    found: Found = {"MsgType": kind.name, **kind.says}
    for field, value in raw.items():
        known = kind.names.get(field) or FIELDS.get(field)
        if known is not None and value != known.nothing:
            found[known.name] = known.read(value)
    _read_order(raw, found)
    if "liquidity_flag" in raw:
        _read_liquidity(raw["liquidity_flag"], found)
    if raw["message_type"] == "J" and not inbound:
        found["OrdRejReason"] = _REJECTS.get(raw["reason"], _OTHER_REJECT)
    return found


def _read_order(raw: Mapping[str, Any], found: Found) -> None:
    display = raw.get("display")
    instructions, pegged, hidden = _DISPLAYS.get(display or "", (frozenset(), False, False))
    if "price" in raw:
        _read_price(raw["price"], pegged, found)
    if "time_in_force" in raw:
        _read_time_in_force(raw["time_in_force"], raw.get("cross_type", "N"), found)
    sweep = raw.get("intermarket_sweep", "N")
    all_instructions = sorted(instructions | ({_SWEEP} if sweep == "Y" else set()))
    if all_instructions:
        found["ExecInst"] = " ".join(all_instructions)
    if sweep not in ("Y", "N"):
        found["IntermarketSweep"] = sweep
    if hidden:
        found["MaxFloor"] = 0
    if display is not None and display not in _PLAIN_DISPLAYS:
        found["Display"] = display


def _read_price(price: Decimal, pegged: bool, found: Found) -> None:
    market = price in (MARKET, MARKET_TOO)
    found["OrdType"] = _PEGGED if pegged else "1" if market else "2"
    if price != MARKET:
        found["Price"] = price_text(price)


def _read_time_in_force(seconds: int, cross: str, found: Found) -> None:
    code = _CROSSES.get(cross)
    if code is not None:
        found["TimeInForce"] = code
        if seconds != ouch42.TIF_MARKET_HOURS:
            found["ExposureDuration"] = seconds
        return
    if cross != "N":
        found["CrossType"] = cross
    if 0 < seconds <= _SECONDS_MAX:
        found["TimeInForce"], found["ExposureDuration"] = _FOR_SECONDS, seconds
    else:
        found["TimeInForce"] = _TIMES.get(seconds) or f"{OWN}{seconds}"


def _read_liquidity(flag: str, found: Found) -> None:
    code = _LIQUIDITY.get(flag)
    if code is not None:
        found["LastLiquidityInd"] = code
    if code is None or _FLAGS[code] != flag:
        found["LiquidityFlag"] = flag


# ------------------------------------------------------------------------------------------------- writing
class _Fields:
    """The fields of a message that is written: which of them have been used."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self._left = dict.fromkeys(fields)

    def take(self, name: str, default: Any = None) -> Any:
        """A field's value; `default` when it is not there."""
        self._left.pop(name, None)
        value = self._fields.get(name)
        return default if value is None else value

    def left(self) -> list[str]:
        """The names of those that nobody has asked for."""
        return list(self._left)


def letter_of(fields: Mapping[str, Any], inbound: bool) -> str:
    """OUCH's message for a dictionary. Raises VerbError."""
    name = fields.get("MsgType")
    name = _CODES.get(name, name) if isinstance(name, str) else name
    kinds = INBOUND if inbound else OUTBOUND
    letters = [letter for letter, kind in kinds.items() if kind.name == name]
    if not letters:
        raise _wrong("MsgType", name, f"one of {', '.join(dict.fromkeys(kind.name for kind in kinds.values()))}")
    if name != "ExecutionReport":
        return letters[0]
    rows = _LETTERS.get(str(fields.get("ExecType")))
    if rows is None:
        raise _wrong("ExecType", fields.get("ExecType"), f"one of {', '.join(_LETTERS)}")
    return next(letter for letter, only in rows if not only or fields.get(only) is not None)


def write(fields: Mapping[str, Any], inbound: bool, known: Callable[[str], bool] | None, time_ns: int | None) -> bytes:
    """See openoutcry.messages.to_ouch. known: whether a field that OUCH has no place for may be left out."""
    letter = letter_of(fields, inbound)
    table = ouch42.INBOUND if inbound else ouch42.OUTBOUND
    kind = (INBOUND if inbound else OUTBOUND)[letter]
    given = _Fields(fields)
    for name in ("MsgType", *kind.says, "OrdStatus"):
        given.take(name)
    names = [field.name for field in table[letter].fields]
    values: Found = {"message_type": letter}
    if time_ns is not None and fields.get("TransactTime") is None:
        values["timestamp"] = ouch42.time_of_day(time_ns)
    for field in names:
        if field not in TOGETHER and field not in values:
            values[field] = _written(kind.names.get(field) or FIELDS[field], given, letter)
    _write_order(names, given, values)
    if letter == "J" and not inbound:
        values["reason"] = _write_reject(fields, given)
    _no_others(given, known)
    try:
        return ouch42.encode(table, {name: value for name, value in values.items() if name in (*names, "message_type")})
    except ProtocolError as error:
        raise VerbError("bad_argument", _named(str(error), kind), str(error)) from None


def _written(known: Name, given: _Fields, letter: str) -> Any:
    value = given.take(known.name)
    if value is None:
        value = _DEFAULTS.get(known.name, known.nothing)
        if value is None:
            raise VerbError("bad_argument", known.name, f"{known.name} is missing: OUCH's {letter} needs it")
    return known.write(value)


def _write_order(names: list[str], given: _Fields, values: Found) -> None:
    if "display" in names:
        kind, instructions = str(given.take("OrdType", "")), given.take("ExecInst", "")
        codes = set(instructions.split()) if isinstance(instructions, str) else {instructions}
        if "intermarket_sweep" in names:
            values["intermarket_sweep"] = given.take("IntermarketSweep", "Y" if _SWEEP in codes else "N")
        codes.discard(_SWEEP)
        values["display"] = _display(given, codes, kind)
        values["price"] = _write_price(given, kind)
    if "time_in_force" in names:
        _write_time_in_force(given, values)
    if "liquidity_flag" in names:
        code = given.take("LastLiquidityInd")
        values["liquidity_flag"] = given.take("LiquidityFlag", _FLAGS.get(str(code), "R"))


def _display(given: _Fields, codes: set[Any], kind: str) -> str:
    hidden = given.take("MaxFloor")
    if hidden not in (None, 0, "0"):
        raise _wrong("MaxFloor", hidden, "0, for an order that nobody sees")
    told = (frozenset(codes), kind == _PEGGED, hidden is not None)
    display = given.take("Display")
    if display is None:
        for letter, meaning in _DISPLAYS.items():
            if meaning == told:
                return letter
        wish = "of 6 (post-only), f (sweep) and, with OrdType P alone, M; and none of 6 and M with MaxFloor 0"
        raise _wrong("ExecInst", " ".join(sorted(map(str, codes))), wish)
    if _DISPLAYS.get(display, told) != told:
        raise _wrong("Display", display, "what ExecInst, OrdType and MaxFloor say, or left out")
    return str(display)


def _write_price(given: _Fields, kind: str) -> Any:
    price = given.take("Price")
    if kind not in ("", "1", "2", _PEGGED):
        raise _wrong("OrdType", kind, "1 (market), 2 (limit) or P (pegged)")
    if price is None:
        if kind == "2":
            raise VerbError("bad_argument", "Price", "Price is missing: a limit order has one")
        return MARKET
    if kind == "1" and str(price) != price_text(MARKET_TOO):
        raise VerbError("bad_argument", "Price", f"Price is {price!r}: a market order (OrdType 1) has none")
    return price


def _write_time_in_force(given: _Fields, values: Found) -> None:
    code, seconds = str(given.take("TimeInForce", "0")), given.take("ExposureDuration")
    values["cross_type"] = given.take("CrossType", "N")
    for letter, cross in _CROSSES.items():
        if code == cross:
            values["cross_type"] = letter
            values["time_in_force"] = ouch42.TIF_MARKET_HOURS if seconds is None else seconds
            return
    own = _own(code)
    times = {code: number for number, code in _TIMES.items()}
    if own is not None:
        values["time_in_force"] = _write_number("TimeInForce")(own)
    elif code == _FOR_SECONDS:
        values["time_in_force"] = _write_number("ExposureDuration")(seconds)
    elif code in times:
        values["time_in_force"] = times[code]
    else:
        raise _wrong("TimeInForce", code, "0 (day), 2 (at the opening), 3 (IOC), 5 (system hours), 7 (at the close), "
                     "A (good for ExposureDuration seconds) or B (the next auction)")  # fmt: skip


def _write_reject(fields: Mapping[str, Any], given: _Fields) -> str:
    code = given.take("OrdRejReason")
    if fields.get("Reason") is not None:
        return str(fields["Reason"])
    return next((letter for letter, each in _REJECTS.items() if each == str(code)), "O")


def _no_others(given: _Fields, known: Callable[[str], bool] | None) -> None:
    for name in given.left():
        if known is None or not known(name):
            raise VerbError("bad_argument", str(name), f"{name} has no place in this message of OUCH")


def _named(text: str, kind: Kind) -> str:
    """The FIX name of the field that an error of ouch42 is about."""
    field = text.partition(" ")[0].partition(".")[2].rstrip(":")
    known = kind.names.get(field) or FIELDS.get(field)
    return known.name if known else {"price": "Price", "time_in_force": "TimeInForce"}.get(field, field)
