"""Arguments and properties as data: names, types, limits, defaults, meaning, and the one judge of their values.

Invariant: ``convert`` is the only way in. What it returns is of the parameter's type and within its limits; all else is
a ``VerbError`` that names the field, the value and the rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from openoutcry import wire
from openoutcry.errors import VerbError

_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]+")
_SYMBOL: Final = re.compile(r"[!-~]+")  # printable ASCII without blanks, and no slash: it ends a feed topic
REQUIRED: Final = object()
_YES: Final = ("true", "yes", "on", "1", "y")


class Parameter(NamedTuple):
    """One argument of a verb, or one property.

    type: ``name`` (letters, digits, ``_ . -``), ``symbol``, ``text``, ``secret``, ``int``, ``bool``, ``price``
    (a decimal number as text or an int; stored as an integer in 1e-8), ``choice`` (one of `choices`), ``value`` (a
    property's, judged later). low, high: range of an int or a price (in 1e-8), length of a text.
    """

    name: str
    type: str
    meaning: str
    default: Any = REQUIRED
    low: int = 0
    high: int = wire.NAME_MAX
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """True when there is no default."""
        return self.default is REQUIRED


def convert(p: Parameter, value: Any, where: str, checked: bool = False) -> Any:
    """`value` as parameter `p` stores it; text from a command line is converted. Raises VerbError.

    checked: as for ``check``.
    """

    def bad(rule: str) -> VerbError:
        shown = "***" if p.type == "secret" else repr(value)
        return VerbError("bad_argument", p.name, f"{where}: {p.name} is {shown}, it must be {rule}")

    if value is None and p.default is None:
        return None
    if p.type == "bool":
        if type(value) is str and value.lower() in (*_YES, "false", "no", "off", "0", "n"):
            return value.lower() in _YES
        if type(value) is not bool:
            raise bad("true or false")
        return value
    if p.type == "int":
        if type(value) is str and re.fullmatch(r"-?[0-9]{1,19}", value):
            value = int(value)
        if type(value) is not int or not p.low <= value <= p.high:
            raise bad(f"a whole number from {p.low} to {p.high}")
        return value
    if p.type == "price":
        return _price(price_text(value) if checked and type(value) is int else value, p, bad)
    if p.type == "value":
        if value is None or type(value) not in (str, int, bool):
            raise bad("text, a whole number, true or false")
        if type(value) is str and len(value) > p.high:
            raise bad(f"text of at most {p.high} characters")
        return value
    if p.type == "choice":
        if value not in p.choices:
            raise bad(f"one of: {', '.join(p.choices)}")
        return value
    if type(value) is not str or not p.low <= len(value) <= p.high:
        raise bad(f"text of {p.low} to {p.high} characters")
    if p.type == "name" and not _NAME.fullmatch(value):
        raise bad("made of letters, digits, '_', '.' and '-'")
    if p.type == "symbol" and (not _SYMBOL.fullmatch(value) or "/" in value):
        raise bad("printable ASCII without blanks or '/'")
    if p.type == "text" and not value.isprintable():
        raise bad("printable text")
    return value


def _price(value: Any, p: Parameter, bad: Any) -> int:
    try:
        if type(value) not in (str, int) or len(str(value)) > 40:
            raise InvalidOperation
        scaled = Decimal(value) * wire.PRICE_SCALE
        # The range first: an exponent of a million would otherwise be worked out digit by digit.
        if not p.low <= scaled <= p.high or scaled != (price := int(scaled)):
            raise InvalidOperation
    except (InvalidOperation, ValueError, OverflowError):
        low, high = price_text(p.low), price_text(p.high)
        raise bad(f"a decimal number as text, from {low} to {high}, with at most 8 decimals") from None
    return price


def price_text(price: int) -> str:
    """An integer price in 1e-8 as decimal text without needless zeros: 10050000000 -> '100.5'."""
    whole, part = divmod(abs(price), wire.PRICE_SCALE)
    text = f"{whole}.{part:08d}".rstrip("0").rstrip(".")
    return "-" + text if price < 0 else text


def set_property(table: dict[str, Parameter], owner: str, name: str, value: Any) -> Any:
    """Check one property assignment against its table; returns the value to store. Raises VerbError."""
    p = table.get(name)
    if p is None:
        known = ", ".join(table)
        raise VerbError("bad_argument", "name", f"{owner} has no property {name!r}; it has: {known}")
    try:
        return convert(p, value, owner)
    except VerbError as error:
        raise VerbError(error.code, "value", error.text) from None


def explained(table: Mapping[str, Parameter], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every property of a table: its name, type, value, default, meaning, and its choices, if it has any.

    given: the values that differ from the defaults, as they are stored. A secret is not shown.
    """
    return [_explained(p, given) for p in table.values()]


def _explained(p: Parameter, given: Mapping[str, Any]) -> dict[str, Any]:
    default = None if p.required else p.default
    value = given.get(p.name, default)
    if p.type == "secret" and value:
        value = "***"
    row = {"name": p.name, "type": p.type, "value": _shown(p, value), "default": _shown(p, default),
           "meaning": p.meaning}  # fmt: skip
    return {**row, "choices": list(p.choices)} if p.choices else row


def _shown(p: Parameter, value: Any) -> Any:
    return price_text(value) if p.type == "price" and type(value) is int else value
