"""What a NewOrderSingle says, in the words of the bus: every field but the ones that differ from order to order.

``plan_of`` reads the fields of an order (of a NewOrderSingle, a replacement, an order of a list) once; its ``Plan`` is
kept for all orders that say the same (openoutcry.gateway.fix.orders). It never raises: what FIX can say and the engine
cannot becomes the plan's ``reason`` and a ``text`` that names the field.

Rule. A field that would change what becomes of an order is carried out or refused, never passed over in silence. Fields
      for people, brokers and clearing are passed over, and repeated in reports where the version's report has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from openoutcry import wire
from openoutcry.fix.times import days_of, parse_stamp
from openoutcry.fix.values import price_units, quantity
from openoutcry.gateway.fix.dialects import ECHOED
from openoutcry.gateway.fix.reports import HEAD_SIZE

Fields = Mapping[int, bytes]
Terms = tuple[tuple[int, Any], ...]

ECHO_MAX: Final = wire.CLIENT_DATA_MAX - HEAD_SIZE
VALUE_MAX: Final = 64  # characters of a repeated field; longer ones are not repeated
DAY_NS: Final = 86_400_000_000_000

SIDES: Final = {b"1": wire.BUY, b"2": wire.SELL, b"5": wire.SELL_SHORT, b"6": wire.SELL_SHORT_EXEMPT}
ORDER_TYPES: Final = {
    b"1": wire.MARKET,
    b"2": wire.LIMIT,
    b"3": wire.STOP,
    b"4": wire.STOP_LIMIT,
    b"5": wire.MARKET,  # on close, as 4.0 to 4.2 say it
    b"B": wire.LIMIT,  # limit on close
    b"J": wire.MARKET_IF_TOUCHED,
    b"K": wire.MARKET_TO_LIMIT,
    b"P": wire.PEGGED,
}
ON_CLOSE: Final = (b"5", b"B")
TIMES_IN_FORCE: Final = {
    b"0": wire.DAY,
    b"1": wire.GTC,
    b"2": wire.AT_OPEN,
    b"3": wire.IOC,
    b"4": wire.FOK,
    b"5": wire.SYSTEM_HOURS,
    b"6": wire.GTD,
    b"7": wire.AT_CLOSE,
    b"9": wire.GOOD_FOR_AUCTION,  # at crossing
    b"A": wire.GOOD_FOR_TIME,
    b"B": wire.GOOD_FOR_AUCTION,
}
PRICE_NEVER: Final = 0
PRICE_NEEDED: Final = 1
PRICE_ALLOWED: Final = 2
_PRICED: Final = {
    wire.LIMIT: PRICE_NEEDED, wire.STOP_LIMIT: PRICE_NEEDED, wire.PEGGED: PRICE_ALLOWED,
}  # fmt: skip

# ExecInst(18)
_PEGS: Final = {b"M": wire.PEG_MIDPOINT, b"R": wire.PEG_PRIMARY, b"P": wire.PEG_MARKET}
_PEG_PRICE_TYPES: Final = {b"2": wire.PEG_MIDPOINT, b"4": wire.PEG_MARKET, b"5": wire.PEG_PRIMARY}  # 1094
_ALL_OR_NONE: Final = b"G"
_POST_ONLY: Final = b"6"  # participate, do not initiate
_TRAILING: Final = b"a"
# Instructions that come true by themselves here: work it, (not) held, no changes at corporate actions, stays through
# failures and halts.
_KEPT_ANYWAY: Final = frozenset((b"1", b"2", b"5", b"E", b"F", b"H", b"J"))
_SELF_MATCH: Final = {  # SelfMatchPreventionInstruction(2964)
    b"1": wire.SELF_MATCH_NEWEST, b"2": wire.SELF_MATCH_OLDEST, b"3": wire.SELF_MATCH_BOTH,
}  # fmt: skip
_CLOSING: Final = b"C"  # PositionEffect(77): the order may only close a position

# Fields that say what the engine cannot do.
UNSUPPORTED: Final[dict[int, str]] = {
    152: "CashOrderQty", 168: "EffectiveTime", 192: "OrderQty2", 388: "DiscretionInst", 389: "DiscretionOffset",
    516: "OrderPercent", 555: "NoLegs", 640: "Price2", 847: "TargetStrategy", 849: "ParticipationRate",
    1082: "SecondaryDisplayQty", 1083: "DisplayWhen", 1087: "DisplayMinIncr", 1088: "RefreshQty",
    1089: "MatchIncrement", 1090: "MaxPriceLevels", 1092: "PriceProtectionScope", 1096: "PegSecurityIDSource",
    1098: "PegSecurityID", 1100: "TriggerType",
}  # fmt: skip


class Refused(Exception):  # not an error: it carries what to answer
    """Why an order cannot be as it says. reason: of wire.REJECT_REASONS."""

    def __init__(self, reason: int, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


class Plan:
    """What a set of fields stands for. reason: 0, or why all orders with them are refused, with its text.

    priced: whether Price(44) must be there. echo: the fields that reports repeat.
    """

    __slots__ = (
        "echo", "expire", "minimum", "order_type", "priced", "reason", "side", "symbol", "terms", "text", "tif",
    )  # fmt: skip

    def __init__(self, echo: bytes) -> None:
        self.echo = echo
        self.symbol = ""
        self.side = wire.BUY
        self.order_type = wire.LIMIT
        self.tif = wire.DAY
        self.expire = 0
        self.minimum = 0
        self.terms: Terms = ()
        self.priced = PRICE_NEVER
        self.reason = 0
        self.text = ""


def plan_of(fields: Fields, account: str) -> Plan:
    """The plan of an order with these fields. account: of its session, which need not be said."""
    plan = Plan(echo_of(fields))
    try:
        _fill(plan, fields, account)
    except Refused as refused:
        plan.reason, plan.text = refused.reason, refused.text
    return plan


def echo_of(fields: Fields, *more: int) -> bytes:
    """The fields that reports repeat, as far as there is room. more: tags that are wanted beside, first of all.

    OrderQty and Price are in the head of client_data, unless they are asked for because they are no numbers.
    """
    found: list[bytes] = []
    room = ECHO_MAX
    for tag in dict.fromkeys((*more, *ECHOED)):
        value = fields.get(tag)
        if value is None or len(value) > VALUE_MAX or (tag in (38, 44) and tag not in more):
            continue
        field = b"%d=%b\x01" % (tag, value)
        if len(field) <= room:
            room -= len(field)
            found.append(field)
    return b"".join(found)


def _fill(plan: Plan, fields: Fields, account: str) -> None:
    for tag, name in UNSUPPORTED.items():
        if tag in fields:
            raise Refused(wire.REJECT_UNSUPPORTED, f"{name}({tag}) is not supported")
    plan.symbol = symbol_of(fields)
    plan.side = _code(fields, 54, "Side", SIDES, wire.REJECT_SIDE)
    plan.order_type = _code(fields, 40, "OrdType", ORDER_TYPES, wire.REJECT_ORDER_TYPE)
    plan.priced = _PRICED.get(plan.order_type, PRICE_NEVER)
    _time_in_force(plan, fields)
    if fields.get(21) == b"3":
        raise Refused(wire.REJECT_UNSUPPORTED, "HandlInst(21) 3: there is nobody to handle orders")
    if fields.get(114) == b"Y":
        raise Refused(wire.REJECT_UNSUPPORTED, "LocateReqd(114) Y: nobody here locates shares; say N")
    plan.minimum = _quantity(fields, 110, "MinQty", wire.REJECT_MIN_QUANTITY)
    terms: dict[int, Any] = {}
    named = fields.get(1, b"").decode("latin-1")
    if named and named != account:
        if len(named) > wire.NAME_MAX:
            raise Refused(wire.REJECT_FIELD, f"Account(1) is longer than {wire.NAME_MAX} characters")
        terms[wire.TERM_ACCOUNT] = named
    _instructions(plan, fields, terms)
    _trigger(plan, fields, terms)
    _display(fields, terms)
    if fields.get(77) == _CLOSING:
        terms[wire.TERM_REDUCE_ONLY] = 1
    if 2964 in fields:
        terms[wire.TERM_SELF_MATCH] = _code(
            fields, 2964, "SelfMatchPreventionInstruction", _SELF_MATCH, wire.REJECT_FIELD
        )
    plan.terms = tuple(sorted(terms.items()))


def symbol_of(fields: Fields) -> str:
    """Symbol(55). Raises Refused."""
    symbol = fields.get(55, b"").decode("latin-1")
    if not symbol:
        raise Refused(wire.REJECT_SYMBOL, "Symbol(55) is missing")
    if len(symbol) > wire.SYMBOL_MAX:
        raise Refused(wire.REJECT_SYMBOL, f"Symbol(55) is longer than {wire.SYMBOL_MAX} characters")
    return symbol


def _code(fields: Fields, tag: int, name: str, codes: Mapping[bytes, int], reason: int) -> int:
    value = fields.get(tag)
    if value is None:
        raise Refused(reason, f"{name}({tag}) is missing")
    code = codes.get(value)
    if code is None:
        raise Refused(reason, f"{name}({tag}) {shown(value)} is not supported")
    return code


def shown(value: bytes) -> str:
    """A value in a text for people."""
    return value[:32].decode("ascii", "replace")


def no_number(read: Callable[[bytes], int]) -> str:
    """What is wrong with a value that cannot be read."""
    return "is no whole number" if read is quantity else "is no number with at most 8 decimals"


def _quantity(fields: Fields, tag: int, name: str, reason: int) -> int:
    return _number(fields, tag, name, reason, quantity, wire.QUANTITY_MAX)


def _price(fields: Fields, tag: int, name: str) -> int:
    return _number(fields, tag, name, wire.REJECT_PRICE, price_units, wire.PRICE_MAX)


def _number(fields: Fields, tag: int, name: str, reason: int, read: Callable[[bytes], int], high: int) -> int:
    """A number that is not below 0; 0 when it is not there."""
    value = fields.get(tag)
    if value is None:
        return 0
    try:
        number = read(value)
    except ValueError:
        raise Refused(reason, f"{name}({tag}) {shown(value)} {no_number(read)}") from None
    if not 0 <= number <= high:
        raise Refused(reason, f"{name}({tag}) {shown(value)} is out of range")
    return number


# ------------------------------------------------------------------------------------------------- time in force
def _time_in_force(plan: Plan, fields: Fields) -> None:
    if 59 in fields:
        plan.tif = _code(fields, 59, "TimeInForce", TIMES_IN_FORCE, wire.REJECT_TIME_IN_FORCE)
    if fields[40] in ON_CLOSE:
        if plan.tif not in (wire.DAY, wire.AT_CLOSE):
            raise Refused(wire.REJECT_TIME_IN_FORCE, "TimeInForce(59) and OrdType(40) on close contradict each other")
        plan.tif = wire.AT_CLOSE
    if plan.tif == wire.GTD:
        plan.expire = _expiry(fields)
    elif plan.tif == wire.GOOD_FOR_TIME:
        plan.expire = _quantity(fields, 1629, "ExposureDuration", wire.REJECT_TIME_IN_FORCE)
        if not 0 < plan.expire <= wire.SECONDS_TO_LIVE_MAX:
            text = f"ExposureDuration(1629) must be 1 to {wire.SECONDS_TO_LIVE_MAX} s"
            raise Refused(wire.REJECT_TIME_IN_FORCE, text)
    elif 126 in fields or 432 in fields:
        tag, name = (126, "ExpireTime") if 126 in fields else (432, "ExpireDate")
        raise Refused(wire.REJECT_TIME_IN_FORCE, f"{name}({tag}) is for TimeInForce(59) 6 alone")


def _expiry(fields: Fields) -> int:
    """ns of a good-till-date order's end: ExpireTime, or the end of the day ExpireDate, in UTC."""
    time, date = fields.get(126), fields.get(432)
    try:
        if time is not None:
            return parse_stamp(time)
        if date is None or len(date) != 8 or not date.isdigit():
            raise ValueError
        return (days_of(int(date[:4]), int(date[4:6]), int(date[6:])) + 1) * DAY_NS
    except ValueError:
        text = "TimeInForce(59) 6 needs ExpireTime(126) or ExpireDate(432)"
        raise Refused(wire.REJECT_TIME_IN_FORCE, text) from None


# ------------------------------------------------------------------------------------------------- instructions
def _instructions(plan: Plan, fields: Fields, terms: dict[int, Any]) -> None:
    """ExecInst(18) and the peg."""
    pegs: list[int] = []
    for code in fields.get(18, b"").split():
        if code in _PEGS:
            pegs.append(_PEGS[code])
        elif code == _ALL_OR_NONE:
            terms[wire.TERM_ALL_OR_NONE] = 1
        elif code == _POST_ONLY:
            terms[wire.TERM_POST_ONLY] = wire.POST_ONLY_REJECT
        elif code == _TRAILING:
            _trail(plan, fields, terms)
        elif code not in _KEPT_ANYWAY:
            raise Refused(wire.REJECT_UNSUPPORTED, f"ExecInst(18) {shown(code)} is not supported")
    if 1094 in fields and wire.TERM_TRAIL_AMOUNT not in terms:
        pegs.append(_code(fields, 1094, "PegPriceType", _PEG_PRICE_TYPES, wire.REJECT_UNSUPPORTED))
    if plan.order_type == wire.PEGGED:
        _peg(plan, fields, terms, set(pegs))
    elif pegs:
        raise Refused(wire.REJECT_ORDER_TYPE, "a peg, by ExecInst(18) or PegPriceType(1094), needs OrdType(40) P")
    elif 211 in fields and not terms.keys() & {wire.TERM_TRAIL_AMOUNT, wire.TERM_TRAIL_PERCENT}:
        raise Refused(wire.REJECT_ORDER_TYPE, "PegOffsetValue(211) needs OrdType(40) P, or ExecInst(18) a")


def _peg(plan: Plan, fields: Fields, terms: dict[int, Any], pegs: set[int]) -> None:
    if len(pegs) != 1:
        raise Refused(
            wire.REJECT_ORDER_TYPE, "OrdType(40) P needs one peg: ExecInst(18) M, P or R, or PegPriceType(1094)"
        )
    terms[wire.TERM_PEG] = pegs.pop()
    if fields.get(836, b"0") != b"0":
        raise Refused(wire.REJECT_UNSUPPORTED, "PegOffsetType(836) must be 0, a price")
    offset = _offset(fields)
    if offset:  # FIX adds it to the price, the bus says how much more eager it makes the order
        terms[wire.TERM_PEG_OFFSET] = offset if plan.side == wire.BUY else -offset


def _trail(plan: Plan, fields: Fields, terms: dict[int, Any]) -> None:
    """A trailing stop: a stop, or pegged as FIX has it, that keeps its distance, PegOffsetValue(211)."""
    if plan.order_type == wire.PEGGED:
        plan.order_type, plan.priced = wire.STOP, PRICE_NEVER
    distance = abs(_offset(fields))
    kind = fields.get(836, b"0")
    if not distance or kind not in (b"0", b"1"):
        text = "ExecInst(18) a needs PegOffsetValue(211), as a price or (PegOffsetType(836) 1) in basis points"
        raise Refused(wire.REJECT_ORDER_TYPE, text)
    if kind == b"0":
        terms[wire.TERM_TRAIL_AMOUNT] = distance
        return
    points, rest = divmod(distance, wire.PRICE_SCALE)
    if rest or not points < 10_000:
        raise Refused(wire.REJECT_PRICE, "PegOffsetValue(211) must be 1 to 9999 whole basis points")
    terms[wire.TERM_TRAIL_PERCENT] = points


def _offset(fields: Fields) -> int:
    value = fields.get(211, b"0")
    try:
        offset = price_units(value)
    except ValueError:
        raise Refused(wire.REJECT_PRICE, f"PegOffsetValue(211) {shown(value)} {no_number(price_units)}") from None
    if abs(offset) > wire.PRICE_MAX:
        raise Refused(wire.REJECT_PRICE, f"PegOffsetValue(211) {shown(value)} is out of range")
    return offset


def _trigger(plan: Plan, fields: Fields, terms: dict[int, Any]) -> None:
    """StopPx(99): what it needs and what needs it is the matcher's business."""
    stop = _price(fields, 99, "StopPx")
    if stop:
        terms[wire.TERM_STOP_PRICE] = stop
    elif 99 in fields:
        raise Refused(wire.REJECT_PRICE, "StopPx(99) must be above 0")


def _display(fields: Fields, terms: dict[int, Any]) -> None:
    """MaxFloor(111), MaxShow(210) or DisplayQty(1138): 0 for an order that nobody sees."""
    given = {tag: name for tag, name in ((111, "MaxFloor"), (210, "MaxShow"), (1138, "DisplayQty")) if tag in fields}
    shown_quantities = {_quantity(fields, tag, name, wire.REJECT_DISPLAY) for tag, name in given.items()}
    if len(shown_quantities) > 1:
        raise Refused(
            wire.REJECT_DISPLAY, " and ".join(f"{n}({t})" for t, n in given.items()) + " say different things"
        )
    method = fields.get(1084)
    if method == b"4" or shown_quantities == {0}:  # undisclosed
        terms[wire.TERM_HIDDEN] = 1
    elif shown_quantities:
        terms[wire.TERM_DISPLAY_QUANTITY] = shown_quantities.pop()
    if method == b"3":
        _random_display(fields, terms)


def _random_display(fields: Fields, terms: dict[int, Any]) -> None:
    """DisplayMethod(1084) 3: each part between DisplayLowQty(1085) and DisplayHighQty(1086)."""
    low = _quantity(fields, 1085, "DisplayLowQty", wire.REJECT_DISPLAY)
    high = _quantity(fields, 1086, "DisplayHighQty", wire.REJECT_DISPLAY)
    if not 0 < low < high or (high - low) % 2:
        text = "DisplayMethod(1084) 3 needs DisplayLowQty(1085) and DisplayHighQty(1086), an even number apart"
        raise Refused(wire.REJECT_DISPLAY, text)
    terms[wire.TERM_DISPLAY_QUANTITY] = (low + high) // 2
    terms[wire.TERM_DISPLAY_RANGE] = (high - low) // 2
