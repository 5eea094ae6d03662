"""The control verbs as data: names, arguments in their order, types, limits, defaults, meaning.

One table serves everyone: the control service checks requests with it, the matcher checks journaled VERB commands
with it, ``Exchange`` and ``ControlClient`` have a method for each row, ``openoutcry ctl`` makes its help from it,
and a TOML file is a script of its rows. ``check`` is the only judge of arguments; it raises ``VerbError`` that names
the field, the value and the rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from openoutcry import wire
from openoutcry.errors import VerbError

ERROR_CODES: Final = {
    "unknown_verb": "there is no such verb",
    "bad_argument": "an argument is missing, unknown, of the wrong type, or out of range",
    "unknown_name": "nothing has that name",
    "exists": "that name is taken",
    "in_use": "something else still needs it",
    "wrong_state": "not possible in the present state",
    "limit": "a limit is reached",
    "unavailable": "a process that this needs does not answer",
    "malformed": "the request is not a message of the control protocol",
}

_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]+")
_SYMBOL: Final = re.compile(r"[!-~]+")  # printable ASCII without blanks, and no slash: it ends a feed topic
_REQUIRED: Final = object()


class Parameter(NamedTuple):
    """One argument of a verb, or one property.

    type: ``name`` (letters, digits, ``_ . -``), ``symbol``, ``text``, ``secret``, ``int``, ``bool``, ``price``
    (a decimal number as text or an int; stored as an integer in 1e-8), ``value`` (a property's, judged later).
    low, high: range of an int or a price (in 1e-8), length of a text.
    """

    name: str
    type: str
    meaning: str
    default: Any = _REQUIRED
    low: int = 0
    high: int = wire.NAME_MAX

    @property
    def required(self) -> bool:
        """True when there is no default."""
        return self.default is _REQUIRED


class Verb(NamedTuple):
    """One verb. journaled: it changes the matcher's state and goes through the journal."""

    name: str
    parameters: tuple[Parameter, ...]
    meaning: str
    journaled: bool = True


def _name(name: str, meaning: str, default: Any = _REQUIRED) -> Parameter:
    return Parameter(name, "name", meaning, default, 1)


_PROPERTY = (
    Parameter("name", "name", "name of the property", low=1),
    Parameter("value", "value", "its new value", low=0, high=wire.SHORT_TEXT_MAX),
)
_ENGINE = _name("engine", "name of the engine")

VERBS: Final[dict[str, Verb]] = {
    verb.name: verb
    for verb in (
        Verb("create_engine", (_name("name", "name of the new engine"),
                               _name("kind", "how it behaves: matching", "matching")),
             "make an engine: a set of books with one trading day; it starts open"),
        Verb("delete_engine", (_name("name", "name of the engine"),), "remove an engine without books and endpoints"),
        Verb("set_engine_property", (_ENGINE, *_PROPERTY), "set a property of an engine"),
        Verb("create_book", (_name("name", "name of the new book"), _ENGINE,
                             Parameter("symbol", "symbol", "what clients call it, unique on its engine", low=1,
                                       high=wire.SYMBOL_MAX)),
             "make an order book"),
        Verb("delete_book", (_name("name", "name of the book"),), "cancel a book's orders and remove it"),
        Verb("set_book_property", (_name("book", "name of the book"), *_PROPERTY), "set a property of a book"),
        Verb("create_endpoint", (_name("name", "name of the new endpoint"), _ENGINE,
                                 _name("protocol", "what it speaks: ouch42"),
                                 _name("gateway", "the gateway process to host it; none: the least loaded", None),
                                 Parameter("host", "text", "address to listen on", "127.0.0.1", 1),
                                 Parameter("port", "int", "TCP port; 0: the kernel chooses, and it is kept",
                                           0, 0, 65535)),
             "open a TCP port for clients"),
        Verb("delete_endpoint", (_name("name", "name of the endpoint"),),
             "close a port, cancel its orders, forget its sessions"),
        Verb("set_protocol_property", (_name("endpoint", "name of the endpoint"), *_PROPERTY),
             "set a property of an endpoint"),
        Verb("create_user", (_name("name", "user name, letters of either case alike"),
                             Parameter("password", "secret", "password; stored hashed", _REQUIRED, 1, 256),
                             _name("endpoint", "the endpoint it may use; none: every one", None),
                             _name("account", "account of its orders; none: its name", None)),
             "let a user log in; endpoints for which there is no user accept any login"),
        Verb("delete_user", (_name("name", "user name"),), "forget a user"),
        Verb("start_of_day", (_ENGINE,), "begin the next trading day; the market is closed until `open`"),
        Verb("open", (_ENGINE,), "begin trading in all books of an engine"),
        Verb("close", (_ENGINE,), "end trading; DAY orders are cancelled"),
        Verb("end_of_day", (_ENGINE,), "cancel what is left, end the day and every client stream"),
        Verb("halt", (_name("book", "name of the book"),), "stop trading in one book; orders can be cancelled"),
        Verb("resume", (_name("book", "name of the book"),), "go on trading in a halted book"),
        Verb("list", (_name("kind", "engines, books, endpoints, users, sessions, properties or verbs"),),
             "list everything of one kind", False),
        Verb("status", (), "whether everything is connected and moving, with processes and endpoints", False),
        Verb("statistics", (), "counters of every part", False),
        Verb("depth", (_name("book", "name of the book"),
                       Parameter("levels", "int", "price levels a side, 0 for all", 0, 0, 10_000)),
             "a book's price levels as the matcher has them", False),
        Verb("state_hash", (), "hash of the matcher's state and the sequence number it belongs to", False),
    )
}  # fmt: skip

_POSITIVE = wire.PRICE_MAX
ENGINE_PROPERTIES: Final[dict[str, Parameter]] = {
    p.name: p
    for p in (
        Parameter("max_quantity", "int", "safety threshold: larger orders are rejected", 999_999, 1, wire.QUANTITY_MAX),
        Parameter("max_open_orders", "int", "open orders a session may have", 100_000, 1, 10_000_000),
    )
}
BOOK_PROPERTIES: Final[dict[str, Parameter]] = {
    p.name: p
    for p in (
        Parameter("tick_size", "price", "prices must be multiples of it", 10_000, 1, _POSITIVE),
        Parameter("lot_size", "int", "quantities must be multiples of it", 1, 1, wire.QUANTITY_MAX),
        Parameter("max_price", "price", "highest limit price", 199_999_99000000, 1, _POSITIVE),
    )
}
ENDPOINT_PROPERTIES: Final[dict[str, Parameter]] = {
    p.name: p
    for p in (
        Parameter("cancel_on_disconnect", "bool", "cancel a session's orders when its connection ends", False),
        Parameter("heartbeat_ms", "int", "send a heartbeat after this long without sending", 1_000, 10, 60_000),
        Parameter("receive_timeout_ms", "int", "drop a client that is silent for this long", 15_000, 50, 600_000),
        Parameter("login_timeout_ms", "int", "drop a connection that has not logged in by then", 30_000, 50, 600_000),
        Parameter("max_connections", "int", "connections at the same time; more are closed at once", 1_000, 1, 20_000),
        Parameter("write_buffer_max", "int", "bytes waiting for a client that does not read; it is dropped beyond",
                  1_000_000, 10_000, 64_000_000),
    )
}  # fmt: skip


def check(verb: str, arguments: Sequence[Any], named: dict[str, Any] | None = None) -> tuple[Any, ...]:
    """Check and complete the arguments of `verb`: positional ones in the table's order, the others by name.

    Returns every argument in order, defaults filled in. Raises VerbError (unknown_verb, bad_argument).
    """
    row = VERBS.get(verb)
    if row is None:
        raise VerbError("unknown_verb", "verb", f"no verb {verb!r}; there are: {', '.join(VERBS)}")
    if len(arguments) > len(row.parameters):
        raise VerbError(
            "bad_argument", "", f"{verb} takes at most {len(row.parameters)} arguments, got {len(arguments)}"
        )
    values = {p.name: value for p, value in zip(row.parameters, arguments, strict=False)}
    for name, value in (named or {}).items():
        if name in values:
            raise VerbError("bad_argument", name, f"{verb}: {name} is given twice")
        if all(name != p.name for p in row.parameters):
            raise VerbError("bad_argument", name, f"{verb} has no argument {name!r}; it takes {_signature(row)}")
        values[name] = value
    out = []
    for p in row.parameters:
        if p.name not in values:
            if p.required:
                raise VerbError(
                    "bad_argument", p.name, f"{verb} needs {p.name} ({p.meaning}); it takes {_signature(row)}"
                )
            out.append(p.default)
        else:
            out.append(convert(p, values[p.name], verb))
    return tuple(out)


def _signature(row: Verb) -> str:
    return " ".join(p.name if p.required else f"[{p.name}]" for p in row.parameters) or "nothing"


def convert(p: Parameter, value: Any, where: str) -> Any:
    """`value` as parameter `p` stores it; text from a command line is converted. Raises VerbError."""

    def bad(rule: str) -> VerbError:
        shown = "***" if p.type == "secret" else repr(value)
        return VerbError("bad_argument", p.name, f"{where}: {p.name} is {shown}, it must be {rule}")

    if value is None and p.default is None:
        return None
    if p.type == "bool":
        if type(value) is str and value.lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
            return value.lower() in ("true", "yes", "on", "1")
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
        return _price(value, p, bad)
    if p.type == "value":
        if value is None or type(value) not in (str, int, bool):
            raise bad("text, a whole number, true or false")
        if type(value) is str and len(value) > p.high:
            raise bad(f"text of at most {p.high} characters")
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
