"""Desks: the clients of the control verbs. A desk enters orders by verbs, for tests and for operators.

Rule 1. A desk is a session like any other: its orders go through the handlers of openoutcry.matcher.entry as the same
        tuples that a gateway sends, so nothing is possible here that is not possible there.
Rule 2. There is one desk for each engine and name. It is made when it is first used, and stays as long as its engine.
        It has no connection: it begins a day when it is first used in it, and ends it as every session does.
Rule 3. What a gateway would send to a client goes to the desk's mailbox: its last MAIL_MAX events, numbered from 1 over
        its whole life. They are state, so they are in the snapshot.

The token of an order is its ``order_id`` in ASCII. A verb answers with what the desk was told because of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.errors import VerbError, WireError
from openoutcry.matcher.configuration import Asker, defaults, find
from openoutcry.matcher.judging import SECOND_NS
from openoutcry.matcher.orders import DEADLINE, DONE, OPEN, PRICE, TERMS, TIME_IN_FORCE, Order
from openoutcry.matcher.queries import text_of
from openoutcry.matcher.sessions import SESSIONS_MAX, Endpoint, Peer, Session, Stream
from openoutcry.matcher.tape import Tape
from openoutcry.parameters import Parameter, convert, price_text
from openoutcry.verbs import ENDPOINT_PROPERTIES, ORDER_PROPERTIES, ORDER_SIDES

if TYPE_CHECKING:
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.machine import Machine

DESKS_MAX: int = 256  # in all: with full mailboxes they take half a gigabyte
MAIL_MAX: int = 10_000  # events a desk keeps
ANSWER_EVENTS_MAX: Final = 400  # of them in one answer: with the longest names it is just below wire.TEXT_MAX
PLACE: Final = "desk"  # name and protocol of the endpoint at which an engine's desks are, which no gateway hosts

Row = dict[str, Any]

# Who owns the desks' streams: nobody on the bus, so no peer can send commands for them.
_HOME: Final = Peer("", wire.ROLE_CONTROL, 0, 0, Stream(""))


class Desk(Session):
    """A session without a gateway. ``events`` is its mailbox; forgotten: how many have been dropped from its front."""

    __slots__ = ("forgotten",)

    def __init__(self, number: int, place: Endpoint, name: str) -> None:
        super().__init__(number, place, name, Tape(loose=True), _HOME)
        self.forgotten = 0

    def begin_day(self) -> None:
        """Open for orders, from its first use in a day on, or because an order of its has outlived the last one."""
        self.owner, self.day = self.peer, self.endpoint.engine.day
        self.events.append((wire.SYSTEM, self.number, wire.START_OF_DAY))

    def trim(self) -> None:
        """Forget all events but the last MAIL_MAX."""
        surplus = len(self.events) - MAIL_MAX
        if surplus > 0:
            del self.events[:surplus]
            self.forgotten += surplus

    def mail(self) -> tuple[int, list[tuple[Any, ...]]]:
        """How many events came before those it still has, and those: what ``trim`` would leave, trimmed or not."""
        surplus = max(0, len(self.events) - MAIL_MAX)
        return self.forgotten + surplus, self.events[surplus:]


# ------------------------------------------------------------------------------------------------- which desk
def place_of(machine: Machine, engine: Engine) -> Endpoint:
    """Where an engine's desks are: an endpoint that is in no list of endpoints. Made when it is first needed."""
    place = machine.desks.get(engine.name)
    if place is None:
        place = machine.desks[engine.name] = Endpoint(PLACE, engine, PLACE, "", "", 0)
        place.properties = defaults(ENDPOINT_PROPERTIES)
    return place


def all_desks(machine: Machine) -> list[Desk]:
    """Every desk, in the order in which they were made on each engine."""
    return [desk for place in machine.desks.values() for desk in place.sessions.values() if isinstance(desk, Desk)]


def desk_of(machine: Machine, engine: Engine, name: str) -> Desk:
    """An engine's desk of that name, made when there is none, ready for orders. Raises VerbError."""
    in_the_day(engine)
    desk = home_of(machine, engine, name)
    if desk.owner is None:
        desk.begin_day()
    return desk


def home_of(machine: Machine, engine: Engine, name: str) -> Desk:
    """An engine's desk of that name, made when there is none, in a day or not. Raises VerbError."""
    place = machine.desks.get(engine.name)
    desk = place.sessions.get(name) if place is not None else None
    if not isinstance(desk, Desk):
        if machine.sessions_made >= SESSIONS_MAX or len(all_desks(machine)) >= DESKS_MAX:
            raise VerbError("limit", "desk", f"there are {DESKS_MAX} desks, which is the limit")
        place = place_of(machine, engine)
        machine.sessions_made += 1
        desk = Desk(machine.sessions_made, place, name)
        place.sessions[name] = machine.sessions[desk.number] = desk
    return desk


def in_the_day(engine: Engine) -> None:
    """No session has a stream after the end of its day. Raises VerbError."""
    if engine.phase == wire.PHASE_ENDED:
        raise VerbError("wrong_state", "engine", f"the day of engine {engine.name!r} has ended")


def known(machine: Machine, name: str, engine: str | None, order_id: str | None = None) -> Desk:
    """The desk that a verb means which names no book: of that engine, or the only one (with that live order).

    Raises VerbError when there is none, or more than one.
    """
    if engine is not None:
        find(machine.engines, "engine", "engine", engine)
    token = order_id.encode() if order_id is not None else b""
    found = [desk for desk in all_desks(machine) if desk.user == name and engine in (None, desk.endpoint.engine.name)]
    if not found:
        raise VerbError("unknown_name", "desk", f"there is no desk {name!r}" + (f" on {engine!r}" if engine else ""))
    holders = [desk for desk in found if token in desk.live] if token else found
    if token and not holders:
        raise VerbError("unknown_name", "order_id", f"desk {name!r} has no live order {order_id!r}")
    if len(holders) > 1:
        engines = ", ".join(desk.endpoint.engine.name for desk in holders)
        raise VerbError("bad_argument", "engine", f"desk {name!r} is on several engines, say which: {engines}")
    return holders[0]


def _engine_of(machine: Machine, name: str, engine: str | None) -> Engine:
    """The engine that a verb means which names a desk that there may not be yet."""
    if engine is not None:
        return find(machine.engines, "engine", "engine", engine)
    if any(desk.user == name for desk in all_desks(machine)) or len(machine.engines) != 1:
        return known(machine, name, None).endpoint.engine
    return next(iter(machine.engines.values()))


# ------------------------------------------------------------------------------------------------- events as rows
def _price_places(table: wire.Table) -> dict[int, frozenset[str]]:
    return {
        kind: frozenset(f.name for f in fields if f.name in ("price", "amount")) for kind, (_, fields) in table.items()
    }


_PRICED: Final = _price_places(wire.PRIVATE_EVENTS)
OF_SESSIONS: Final = frozenset(kind for kind, (_, fields) in wire.PRIVATE_EVENTS.items() if fields[0] is wire.SESSION)


def event_row(event: tuple[Any, ...]) -> Row:
    """A private event with its fields named, in JSON types: prices and amounts as decimal text, tokens as text."""
    priced = _PRICED[event[0]]
    row = wire.as_dict(event, wire.PRIVATE_EVENTS)
    for name, value in row.items():
        if type(value) is bytes:
            row[name] = text_of(value)
        elif name in priced:
            row[name] = price_text(value)
    return row


def _carry(machine: Machine, desk: Desk, command: tuple[Any, ...], ignored: VerbError) -> list[Row]:
    """Give a desk's command to its handler; returns what the desk was told. Raises `ignored` when it was ignored."""
    in_the_day(desk.endpoint.engine)
    before = len(desk.events)
    if not machine.take(desk, command):
        raise ignored
    told = desk.events[before:]
    rows = [event_row(event) for event in told[:ANSWER_EVENTS_MAX]]
    if len(told) > ANSWER_EVENTS_MAX:  # the others are in the mailbox
        rows.append({"kind": "cut", "events": len(told) - ANSWER_EVENTS_MAX})
    return rows


def _checked(command: tuple[Any, ...]) -> tuple[Any, ...]:
    """The command, when the bus would let it through. Raises VerbError."""
    try:
        wire.check_command(command)
    except WireError as error:
        raise VerbError("bad_argument", "", str(error)) from None
    return command


# ------------------------------------------------------------------------------------------------- orders
_CODES: Final[dict[str, Mapping[str, int]]] = {
    "order_type": {text: code for code, text in wire.ORDER_TYPES.items()},
    "time_in_force": {text: code for code, text in wire.TIMES_IN_FORCE.items()},
    "post_only": {text: code for code, text in wire.POST_ONLY_MODES.items()},
    "peg": {text: code for code, text in wire.PEGS.items()},
    "self_match": {text: code for code, text in wire.SELF_MATCH_MODES.items()},
}
_TERMS: Final = {field.name: term for term, field in wire.ORDER_TERMS.items()}
_NUMBERED: Final = re.compile(rb"(.+)\.([0-9]{1,9})", re.DOTALL)

QUOTES_FORM: Final = "symbols, each with bid/ask as quantity@price/quantity@price"
_QUOTE: Final = re.compile(r"([^@/]+)@([^@/]+)/([^@/]+)@([^@/]+)")
_QUOTED: Final = tuple(
    Parameter("quotes", kind, "", high=high)
    for kind, high in (("int", wire.QUANTITY_MAX), ("price", wire.PRICE_MAX)) * 2
)


def _properties(values: Sequence[Any]) -> Row:
    """ORDER_PROPERTIES as they are given to a verb, with codes in place of texts; None for those not given."""
    given = dict(zip(ORDER_PROPERTIES, values, strict=True))
    for name, codes in _CODES.items():
        if given[name] is not None:
            given[name] = codes[given[name]]
    return given


def _terms(given: Row) -> tuple[tuple[int, Any], ...]:
    """The terms of SUBMIT and AMEND among the properties given. A property that is False is not given."""
    found = []
    for name, term in _TERMS.items():
        value = given[name]
        if value is None or value is False:
            continue
        kind = wire.ORDER_TERMS[term].type
        found.append((term, value.encode() if kind is bytes else kind(value)))
    return tuple(sorted(found))


def enter_order(
    machine: Machine, asker: Asker, order_id: str, book: str, side: str, quantity: int, price: int | None, desk: str,
    *properties: Any,
) -> Any:  # fmt: skip
    """SUBMIT."""
    found = find(machine.books, "book", "book", book)
    given = _properties(properties)
    token = order_id.encode()
    command = (
        wire.SUBMIT, 1, token, found.symbol, ORDER_SIDES[side], quantity, price or 0, given["order_type"],
        given["time_in_force"], given["expire"], given["minimum_quantity"], b"", _terms(given),
    )  # fmt: skip
    _checked(command)
    home = desk_of(machine, machine.engines[found.engine], desk)
    if token in home.tokens:
        raise VerbError("exists", "order_id", f"desk {desk!r} has had an order {order_id!r} today")
    ignored = VerbError("wrong_state", "order_id", f"the order {order_id!r} was ignored")
    return _carry(machine, home, (command[0], home.number, *command[2:]), ignored)


def amend_order(
    machine: Machine, asker: Asker, order_id: str, quantity: int | None, price: int | None, desk: str,
    new_id: str | None, engine: str | None, *properties: Any,
) -> Any:  # fmt: skip
    """AMEND: what is not given stays as it is."""
    home = known(machine, desk, engine, order_id)
    token = order_id.encode()
    order = home.live[token]
    given = _properties(properties)
    for name, value in given.items():
        if value is False:
            raise VerbError("bad_argument", name, f"{name} cannot be taken away from an order: enter a new one")
    new_token = _next_token(home, token) if new_id is None else new_id.encode()
    if new_token in home.tokens:
        raise VerbError("exists", "new_id", f"desk {desk!r} has had an order {text_of(new_token)!r} today")
    total = order[OPEN] + order[DONE] if quantity is None else quantity
    now = _as_it_is(order, total - order[DONE], machine.time_ns)
    details = [now[name] if given[name] is None else given[name] for name in now]
    command = (
        wire.AMEND, home.number, token, new_token, total, _price_of(order) if price is None else price, *details, 0,
        b"", _terms(given),
    )  # fmt: skip
    ignored = VerbError("wrong_state", "order_id", f"the change of order {order_id!r} was ignored")
    return _carry(machine, home, _checked(command), ignored)


def _price_of(order: Order) -> int:
    """An order's price as it was entered: of a pegged order its cap."""
    terms = order[TERMS]
    price: int = order[PRICE] if terms is None or not terms.peg else terms.cap
    return price


def _as_it_is(order: Order, left: int, time_ns: int) -> Row:
    """The fields of AMEND between price and terms, as the order has them. left: what is to be open."""
    terms, tif = order[TERMS], order[TIME_IN_FORCE]
    expire = order[DEADLINE] if tif == wire.GTD else 0
    if tif == wire.GOOD_FOR_TIME:  # what is left of its life, in whole seconds
        expire = min(-((time_ns - order[DEADLINE]) // SECOND_NS), wire.SECONDS_TO_LIVE_MAX)
    return {
        "order_type": wire.LIMIT if terms is None else terms.order_type,
        "time_in_force": tif,
        "expire": expire,
        "minimum_quantity": 0 if terms is None else max(0, min(terms.minimum, left)),
    }


def _next_token(desk: Desk, token: bytes) -> bytes:
    """A free token for a changed order: the old one with .1, or with the next number."""
    found = _NUMBERED.fullmatch(token)
    stem, number = (found[1], int(found[2])) if found else (token, 0)
    while True:
        number += 1
        end = b".%d" % number
        new = stem[: wire.TOKEN_MAX - len(end)] + end
        if new not in desk.tokens:
            return new


def cancel_order(machine: Machine, asker: Asker, order_id: str, desk: str, quantity: int, engine: str | None) -> Any:
    """CANCEL."""
    home = known(machine, desk, engine, order_id)
    command = _checked((wire.CANCEL, home.number, order_id.encode(), quantity))
    text = f"the cancel of order {order_id!r} was ignored: a total of {quantity} is not less than what it has"
    return _carry(machine, home, command, VerbError("wrong_state", "quantity", text))


# ------------------------------------------------------------------------------------------------- quotes
def quote(
    machine: Machine, asker: Asker, desk: str, book: str, bid_quantity: int, bid_price: int, ask_quantity: int,
    ask_price: int, indicative: bool,
) -> Any:  # fmt: skip
    """QUOTE, of one book."""
    found = find(machine.books, "book", "book", book)
    engine = machine.engines[found.engine]
    entry = (found.symbol, bid_quantity, bid_price, ask_quantity, ask_price)
    return _quote(machine, engine, desk, (entry,), indicative)


def mass_quote(machine: Machine, asker: Asker, desk: str, quotes: str, engine: str | None, indicative: bool) -> Any:
    """QUOTE, of several books."""
    entries = parse_quotes(quotes)
    return _quote(machine, _engine_of(machine, desk, engine), desk, entries, indicative)


def _quote(machine: Machine, engine: Engine, name: str, entries: tuple[Any, ...], indicative: bool) -> list[Row]:
    _checked((wire.QUOTE, 1, b"Q", int(indicative), b"", entries))
    desk = desk_of(machine, engine, name)
    token = _next_token(desk, b"Q.%d" % (desk.forgotten + len(desk.events)))  # free at once: each quote is answered
    command = (wire.QUOTE, desk.number, token, int(indicative), b"", entries)
    return _carry(machine, desk, command, VerbError("wrong_state", "desk", "the quote was ignored"))


def parse_quotes(text: str) -> tuple[tuple[str, int, int, int, int], ...]:
    """``AAPL 100@10.00/100@10.05 MSFT 50@20/0@0`` as the entries of QUOTE. Raises VerbError."""
    words = text.split()
    if not words or len(words) % 2:
        raise VerbError("bad_argument", "quotes", f"quotes is {text!r}, it must be {QUOTES_FORM}")
    if len(words) // 2 > wire.QUOTES_MAX:
        raise VerbError("bad_argument", "quotes", f"quotes of {len(words) // 2} books, at most {wire.QUOTES_MAX}")
    return tuple(_entry(words[place], words[place + 1]) for place in range(0, len(words), 2))


def _entry(symbol: str, word: str) -> tuple[str, int, int, int, int]:
    found = _QUOTE.fullmatch(word)
    if found is None:
        raise VerbError("bad_argument", "quotes", f"quotes has {word!r} for {symbol}, it must be {QUOTES_FORM}")
    bid_quantity, bid_price, ask_quantity, ask_price = (
        convert(p, part, "quotes") for p, part in zip(_QUOTED, found.groups(), strict=True)
    )
    return symbol, bid_quantity, bid_price, ask_quantity, ask_price


# ------------------------------------------------------------------------------------------------- whose orders
def set_desk(machine: Machine, asker: Asker, engine: str, desk: str, account: str | None, firm: str | None) -> Any:
    """Make a desk, if there is none, and say whose its orders are; what is not given stays: at first its name, ""."""
    home = desk_of(machine, find(machine.engines, "engine", "engine", engine), desk)
    home.account = home.account if account is None else account
    home.firm = home.firm if firm is None else firm
    return desk_row(home)


def desk_row(desk: Desk) -> Row:
    """One desk. events: number of the last one it was told."""
    return {"engine": desk.endpoint.engine.name, "name": desk.user, "session": desk.number, "account": desk.account,
            "firm": desk.firm, "open_orders": len(desk.live), "tokens": len(desk.tokens),
            "events": desk.forgotten + len(desk.events)}  # fmt: skip


def event_rows(desk: Desk, since: int, count: int) -> list[Row]:
    """The first `count` events after number `since` that the desk still has, each with its number."""
    before, events = desk.mail()
    start = max(0, since - before)
    return [{"number": before + place + 1, **event_row(events[place])}
            for place in range(start, min(len(events), start + count))]  # fmt: skip


HANDLERS: Final[dict[str, Callable[..., Any]]] = {
    "set_desk": set_desk,
    "enter_order": enter_order,
    "amend_order": amend_order,
    "cancel_order": cancel_order,
    "quote": quote,
    "mass_quote": mass_quote,
}
