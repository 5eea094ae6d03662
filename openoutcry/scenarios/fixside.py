"""A FIX session's half of the journal in its client's own words; see openoutcry.scenarios.sides.

What a client sent is made from what its order carries through the exchange (``client_data``: the fields that reports
repeat) and from the command itself. What it got is what the gateway's application says about the events, which is the
same as the client was sent: it is a function of the events alone. Orders of a list, which are a command each, are put
together again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from openoutcry import echoes, messages, wire
from openoutcry.clients.fixmessages import Encoded, Vocabulary
from openoutcry.errors import OpenOutcryError, ProtocolError
from openoutcry.fix.codec import tokenise
from openoutcry.fix.message import Message as FixMessage
from openoutcry.fix.settings import SessionSettings
from openoutcry.fix.validate import validator_for
from openoutcry.gateway.fix.copies import Copies
from openoutcry.gateway.fix.plans import SIDES
from openoutcry.gateway.fix.reports import HEAD_SIZE, fields_of, price_of
from openoutcry.gateway.plugin import is_plugin
from openoutcry.scenarios.sides import NOT_SAID, NOT_THE_SAME, Command, Got, Message, Said, said_to_plugin

Fields = dict[int, bytes]
Pairs = list[tuple[int, bytes]]

_SIDE_CODES: Final = {side: code for code, side in SIDES.items()}
_NAMED: Final = re.compile(r"\(([0-9]{1,5})\)(?: (\S+))?")  # "CashOrderQty(152)", "LocateReqd(114) Y"
_GUESSES: Final = (b"1", b"0", b"Y")
_AGAIN: Final = "PossResend"
_QUOTE_TAGS: Final = (("BidSize", "BidPx"), ("OfferSize", "OfferPx"))


class Services:
    """What an application may reach in its gateway: here there is nothing but the drop copies."""

    def __init__(self, copies: Copies, kind: str) -> None:
        self.copies = copies
        self.kind = kind
        self.market = None
        self.engine = ""
        self.time_ns = 0

    def now_ns(self) -> int:
        """Time of the event."""
        return self.time_ns

    def note(self, text: str) -> None:
        """Nobody reads it."""

    def sessions(self) -> list[Any]:
        """Nobody asks."""
        return []


class FixSide:
    """See the module. who: the name for `got`. kind: of the endpoint's engine."""

    def __init__(self, who: str, got: Got, settings: SessionSettings, kind: str, copies: Copies) -> None:
        self._who = who
        self._got = got
        self._services = Services(copies, kind)
        self._copies = copies
        self._silent = False
        self._again = False
        self.leaving: set[bytes] = set()  # orders of a list that is being cancelled
        self._list: tuple[bytes, Message] | None = None  # of which orders are still to come
        self.number = 0
        self.settings = settings
        self.words = Vocabulary.of(settings)
        self._app = self._make([])

    def _make(self, pieces: list[bytes]) -> Any:
        settings = self.settings
        make = _application(self._services.kind)
        app = make(self.number, settings, validator_for(settings), self._emit, self._services)
        app.load(pieces)
        return app

    def _remake(self) -> None:
        self._copies.remove(self._app)
        self._app = self._make(self._app.dump())

    def join(self, number: int) -> None:
        """The matcher's number of the session is known."""
        if number != self.number:
            self.number = number
            self._remake()

    @property
    def kind(self) -> str:
        """Of its endpoint's engine."""
        return self._services.kind

    def configure(self, settings: SessionSettings, kind: str) -> None:
        """Its settings have changed, or its endpoint's engine."""
        if settings != self.settings or kind != self._services.kind:
            self.settings, self._services.kind = settings, kind
            self.words = Vocabulary.of(settings)
            self._remake()

    def retire(self) -> None:
        """It is deleted."""
        self._copies.remove(self._app)

    # --------------------------------------------------------------------------------------------- out
    def event(self, event: Command, time_ns: int) -> None:
        """See Side."""
        self._services.time_ns = time_ns
        with suppress(ProtocolError):  # an engine of somebody's own says what this version has no words for
            self._app.event(event, time_ns)

    def _emit(self, kind: bytes, body: bytes, keep: bool = True, extra: tuple[tuple[int, bytes], ...] = ()) -> None:
        if not self._silent:
            head = b"".join(b"%d=%b\x01" % pair for pair in extra)
            message = messages.from_fix(_raw(Encoded(kind, head + body, ())), self.words)
            self._got(self._who, message)

    # --------------------------------------------------------------------------------------------- in
    def message(self, command: Command, time_ns: int) -> Said | None:
        """See Side."""
        self._services.time_ns = time_ns
        kind = command[0]
        if kind == wire.AGAIN:
            self._again = True
            return None
        make = _MESSAGES.get(kind)
        found = make(self, command) if make is not None else None
        again, self._again = self._again, False
        if found is None:
            return None
        if again:
            found.message[_AGAIN] = "Y"
        return found

    def says(self, message: Message, command: Command, silent: bool = True) -> bool:
        """Whether the gateway makes that command of that message, and the message is in order.

        silent: what the gateway answers by itself is not told.
        """
        try:
            encoded = messages.to_fix(message, self.words, time_ns=self._services.time_ns)
        except OpenOutcryError:
            return False
        found = _message(encoded, self.settings)
        out: list[Any] = []
        if validator_for(self.settings).check(found) is not None:
            return False
        self._silent = silent
        try:
            self._app.take(found, out, False)
        finally:
            self._silent = False
        return command in out

    def checked(self, message: Message, command: Command, note: str = "") -> Said:
        """The message, with a note when it is not known to be the one that was sent."""
        return Said(message, note if self.says(message, command) else NOT_THE_SAME)

    def named(self, kind: bytes, pairs: Pairs) -> Message:
        """Fields by tag as a message by name."""
        body = b"".join(b"%d=%b\x01" % pair for pair in pairs)
        return messages.from_fix(_raw(Encoded(kind, body, ())), self.words)

    def book_order(self, token: bytes) -> Any:
        """The order with that ClOrdID, as the reports so far describe it."""
        book = getattr(self._app, "book", None)
        return None if book is None else book.orders.get(token)

    def list_tokens(self, name: bytes) -> list[bytes]:
        """The live orders of a list."""
        book = getattr(self._app, "book", None)
        return [] if book is None else [order.token for order in book.live() if order.form.fields.get(66) == name]

    def listed(self, fields: Fields, entry: Message) -> Said | None:
        """An order of a list: the first makes the message, the others go into it."""
        name, total = fields[66], fields[68]
        entry = {key: value for key, value in entry.items() if key not in ("MsgType", "ListID", "TotNoOrders")}
        if self.settings.BeginString in ("FIX.4.0", "FIX.4.1"):  # there, each order has a message
            message = {"MsgType": "NewOrderList", "ListID": _text(name), "TotNoOrders": int(total), **entry}
            return Said(message)
        if self._list is not None and self._list[0] == name:
            self._list[1]["NoOrders"].append(entry)
            if len(self._list[1]["NoOrders"]) >= int(total):
                self._list = None
            return None
        message = {"MsgType": "NewOrderList", "ListID": _text(name), "BidType": "3", "TotNoOrders": int(total),
                   "NoOrders": [entry]}  # fmt: skip
        self._list = (name, message) if int(total) > 1 else None
        return Said(message)


# ------------------------------------------------------------------------------------------------- messages
def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _raw(encoded: Encoded, begin: str = "FIX.4.4", more: bytes = b"") -> bytes:
    """A message with the frame that readers want."""
    header = b"".join(b"%d=%b\x01" % pair for pair in encoded.header)
    return b"8=%b\x019=1\x0135=%b\x01%b%b%b10=000\x01" % (begin.encode(), encoded.kind, more, header, encoded.body)


def _message(encoded: Encoded, settings: SessionSettings) -> FixMessage:
    """A message as a gateway decodes it."""
    who = b"34=1\x0149=A\x0152=20260101-00:00:00\x0156=B\x01"
    raw = _raw(encoded, settings.BeginString, who)
    shape, values = tokenise(raw)
    assert shape is not None
    return FixMessage(encoded.kind, shape, values, raw, False)


def _order_fields(data: bytes, amount: int, price: int) -> Fields:
    """The fields of an order out of its client_data: what reports repeat, OrderQty and Price."""
    fields = dict(fields_of(data[HEAD_SIZE:]))
    fields[38] = b"%d" % amount
    if price:
        fields[44] = price_of(price)
    return fields


def _order(side: FixSide, command: Command) -> Said | None:
    """ENTER, SUBMIT: NewOrderSingle, or an order of a list."""
    _, _, token, _, _, amount, price, _, _, _, _, data, *rest = command
    fields = _order_fields(data, amount, price) | _display(dict(rest[0]) if rest else {}, data)
    message = side.named(b"D", [(11, token), *fields.items()])
    if 66 in fields and 68 in fields:
        return side.listed(fields, message)
    return side.checked(message, command)


def _display(terms: dict[int, Any], data: bytes) -> Fields:
    """DisplayLowQty and DisplayHighQty, which no report repeats."""
    middle, spread = terms.get(wire.TERM_DISPLAY_QUANTITY), terms.get(wire.TERM_DISPLAY_RANGE)
    if middle is None or spread is None:
        return {}
    return {1085: b"%d" % (middle - spread), 1086: b"%d" % (middle + spread)}


def _change(side: FixSide, command: Command) -> Said:
    _, _, token, new, amount, price, _, _, _, _, data, terms = command
    fields = _order_fields(data, amount, price) | _display(dict(terms), data)
    return side.checked(side.named(b"G", [(41, token), (11, new), *fields.items()]), command)


def _withdraw(side: FixSide, command: Command) -> Said:
    _, _, token, request = command
    order = side.book_order(token)
    symbol, code, amount = (b"[N/A]", b"1", 1) if order is None else (
        order.form.symbol, _SIDE_CODES.get(order.side, b"1"), order.quantity
    )  # fmt: skip
    fields = [(41, token), (11, request), (55, symbol), (54, code)]
    members = side.words.type_of(b"F")
    required = members.members if members is not None else {}
    if 38 in required:
        fields.append((38, b"%d" % amount))
    if required.get(125):
        fields.append((125, b"F"))
    return side.checked(side.named(b"F", fields), command)


def _cancel(side: FixSide, command: Command) -> Said | None:
    """CANCEL comes of a ListCancelRequest alone: one for each order that is live; the first makes the message."""
    if command[2] in side.leaving:
        side.leaving.discard(command[2])
        return None
    order = side.book_order(command[2])
    name = b"" if order is None else order.form.fields.get(66, b"")
    message: Message = {"MsgType": "ListCancelRequest", "ListID": _text(name)}
    side.leaving = {token for token in side.list_tokens(name) if token != command[2]}
    return Said(message, "" if side.says(message, command, silent=False) else NOT_THE_SAME)


def _refuse(side: FixSide, command: Command) -> Said:
    """REFUSE: what its report repeats, and if that is not what is wrong, the field that the text names."""
    _, _, token, _, text, data = command
    fields = dict(fields_of(data[HEAD_SIZE:]))
    pairs = [(11, token), *fields.items()]
    found = side.named(b"D", pairs)
    if side.says(found, command):
        return Said(found)
    for tag, word in _NAMED.findall(text):
        for guess in (word.encode("latin-1", "replace"), *_GUESSES):
            other = side.named(b"D", [*[pair for pair in pairs if pair[0] != int(tag)], (int(tag), guess or b"1")])
            if side.says(other, command):
                return Said(other, NOT_SAID)
    return Said(found, NOT_THE_SAME)


def _mass_cancel(side: FixSide, command: Command) -> Said:
    _, _, token, _, symbol, code, _, _ = command
    size = token[3]
    fields = [(11, token[4 + size :]), (530, token[2:3])]
    if symbol:
        fields.append((55, symbol.encode("latin-1")))
    if code:
        fields.append((54, _SIDE_CODES[code]))
    return side.checked(side.named(b"q", fields), command)


def _quote(side: FixSide, command: Command) -> Said | None:
    """QUOTE: Quote, MassQuote or QuoteCancel, as its token says."""
    _, _, token, indicative, _, entries = command
    kind, level = token[1:2], token[2:3]
    if token[:1] != b"\x01":
        return None
    if kind == b"Z":
        return Said(_quote_cancel(token, level, entries))
    head: Message = {"MsgType": "Quote" if kind == b"S" else "MassQuote", "QuoteID": _text(token[4:])}
    if level != b"2":
        head["QuoteResponseLevel"] = _text(level)
    if indicative:
        head["QuoteType"] = "0"
    if kind == b"S":
        return side.checked(head | _quoted(entries[0]), command)
    rows = [{"QuoteEntryID": str(number), **_quoted(entry)} for number, entry in enumerate(entries, 1)]
    quote_set: Message = {"QuoteSetID": "1", "TotNoQuoteEntries": len(rows), "NoQuoteEntries": rows}
    for more in ({}, {"LastFragment": "Y"}, {"UnderlyingSymbol": rows[0]["Symbol"]}):  # versions require one of them
        said = head | {"NoQuoteSets": [{**quote_set, **more}]}
        if side.says(said, command):
            return Said(said)
    return Said(head | {"NoQuoteSets": [quote_set]}, NOT_THE_SAME)


def _quoted(entry: Command) -> Message:
    symbol, bid_quantity, bid_price, ask_quantity, ask_price = entry
    found: Message = {"Symbol": symbol}
    pairs = ((bid_quantity, bid_price), (ask_quantity, ask_price))
    for (size, price), (amount, value) in zip(_QUOTE_TAGS, pairs, strict=True):
        found |= {size: amount, price: _text(price_of(value))}
    return found


def _quote_cancel(token: bytes, kind: bytes, entries: tuple[Command, ...]) -> Message:
    """Its token has, before the QuoteID, what makes it unique: it cannot be made anew."""
    head: Message = {"MsgType": "QuoteCancel", "QuoteID": _text(token[16:]), "QuoteCancelType": _text(kind)}
    return head | ({"NoQuoteEntries": [{"Symbol": entry[0]} for entry in entries]} if kind == b"1" else {})


def _cross(side: FixSide, command: Command) -> Said:
    _, _, buy, sell, _, code, amount, price, buy_data, sell_data = command
    halves = [dict(fields_of(data[HEAD_SIZE:])) for data in (buy_data, sell_data)]
    shared = halves[0]
    own = (1, 109, 528, 529, 581, 582, 660, 77)  # of each half; the others are the cross's
    sides = []
    for token, half, letter in ((buy, halves[0], b"1"), (sell, halves[1], _SIDE_CODES[code])):
        pairs = [(54, letter), (11, token), (38, b"%d" % amount), *((t, half[t]) for t in own if t in half)]
        entry = side.named(b"D", pairs)
        sides.append({key: value for key, value in entry.items() if key != "MsgType"})
    head = [(44, price_of(price)), *((tag, value) for tag, value in shared.items() if tag not in (*own, 54, 38, 44))]
    if 548 not in shared:
        head.append((548, b"CROSS-" + buy))
    found = side.named(b"s", [*head, *([] if 549 in shared else [(549, b"1")]), (550, b"0")])
    return side.checked({**found, "NoSides": sides}, command)


def _echo(side: FixSide, command: Command) -> Said | None:
    """A message for an echo engine; one that it refuses carries its answer, not itself."""
    if is_plugin(side.kind):
        return said_to_plugin(command)
    echo = echoes.opened(command[2])
    if echo is None or not echo.is_back:
        return None
    pairs = b"".join(b"%d=%b\x01" % pair for pair in echo.head)
    return Said(messages.from_fix(_raw(Encoded(echo.kind, pairs + echo.rest, ())), side.words))


_MESSAGES: Final[dict[int, Callable[[FixSide, Command], Said | None]]] = {
    wire.ENTER: _order, wire.SUBMIT: _order, wire.CHANGE: _change, wire.WITHDRAW: _withdraw, wire.CANCEL: _cancel,
    wire.REFUSE: _refuse, wire.MASS_CANCEL: _mass_cancel, wire.QUOTE: _quote, wire.CROSS: _cross, wire.ECHO: _echo,
}  # fmt: skip


def _application(kind: str) -> Callable[..., Any]:
    """What a gateway makes of the messages of sessions of such an engine."""
    from openoutcry.gateway.fix import sessions

    make = sessions.APPLICATIONS.get(kind)
    if make is None:
        make = sessions._echo() if kind == "echo" else sessions._plugin() if is_plugin(kind) else sessions._matching()
    return make


def settings_of(given: Any, name: str, protocol: str) -> SessionSettings:
    """The settings of the session of that name: what was given for it or for its template, with both ends."""
    begin, _, ends = name.partition(":")
    ours, _, theirs = ends.partition("->")
    who = {"BeginString": begin, "Template": False}
    for prefix, end in (("Sender", ours), ("Target", theirs)):
        for part, value in zip(("CompID", "SubID", "LocationID"), (*end.split("/"), "", ""), strict=False):
            who[prefix + part] = value
    versions = {"fix50": "FIX.5.0", "fix50sp1": "FIX.5.0SP1", "fix50sp2": "FIX.5.0SP2"}
    if begin == "FIXT.1.1" and protocol in versions:
        who["DefaultApplVerID"] = versions[protocol]
    return SessionSettings(**{**dict(given), **who})
