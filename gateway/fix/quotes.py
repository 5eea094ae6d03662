"""Quotes: Quote(S), MassQuote(i), QuoteCancel(Z), QuoteStatusRequest(a), and their answers: QuoteAcknowledgement or
MassQuoteAcknowledgement(b), QuoteStatusReport(AI).

Rule 1. The token of a QUOTE says what its answer needs, since nothing else comes back with QUOTE_STATUS: SOH, the
        message's type, QuoteResponseLevel, how many entries, the QuoteID. No ClOrdID can look like that.
Rule 2. Each side of an entry is answered by one QUOTE_STATUS; once there are two for each entry, the quote is
        acknowledged: b for a MassQuote (in 4.2, which has nothing else, for all), AI for the others. 4.0 and 4.1 have
        no acknowledgement: what was traded and cancelled is reported, and that is all.
Rule 3. A MassQuote's acknowledgement names its sets and entries as the client did. The gateway remembers these names
        until then; after a restart in between the acknowledgement is shorter (``_names``).
Rule 4. Executions of a quote are ExecutionReports with the QuoteID for ClOrdID.
"""

from __future__ import annotations

import re
import zlib
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.fix.values import price_units, quantity
from openoutcry.gateway.fix.orders import CL_ORD_ID_MAX, wrong_id
from openoutcry.gateway.fix.part import Events, Handlers, Part
from openoutcry.gateway.fix.plans import Refused, no_number, symbol_of
from openoutcry.gateway.fix.reports import Order, price_of, text_piece

if TYPE_CHECKING:
    from openoutcry.fix.message import Message
    from openoutcry.gateway.fix.application import Application

Fields = dict[int, bytes]
Status = tuple[Any, ...]  # symbol, side, order, leaves, price, reason, text

SINGLE: Final = b"S"
MASS: Final = b"i"
CANCEL: Final = b"Z"
NAMES_MAX: Final = 1_000  # mass quotes under way whose entries' names are remembered
LEVELS: Final = (b"0", b"1", b"2")  # QuoteResponseLevel(301): none, refusals alone, always
INDICATIVE: Final = b"0"  # QuoteType(537)
OF_SYMBOLS: Final = b"1"  # QuoteCancelType(298)
OF_ALL: Final = b"4"
OF_QUOTE: Final = b"5"

# QuoteStatus(297)
_ACCEPTED: Final = 0
_REJECTED: Final = 5
_CANCELED: Final[dict[bytes, int]] = {OF_SYMBOLS: 1, OF_ALL: 4, OF_QUOTE: 1}
_NOT_FOUND: Final = 9

# QuoteRejectReason(300) and QuoteEntryRejectReason(368); else 99, which came with 4.4, or 8
_REASONS: Final[dict[int, int]] = {
    wire.REJECT_SYMBOL: 1, wire.REJECT_CLOSED: 2, wire.REJECT_HALTED: 2, wire.REJECT_PHASE: 2,
    wire.REJECT_MAX_QUANTITY: 3, wire.REJECT_MAX_NOTIONAL: 3, wire.REJECT_MAX_OPEN_ORDERS: 3, wire.REJECT_LIMIT: 3,
    wire.REJECT_MAX_POSITION: 3, wire.REJECT_TOO_LATE: 4, wire.REJECT_DUPLICATE: 6, wire.REJECT_QUOTE: 7,
    wire.REJECT_PRICE: 8, wire.REJECT_KILLED: 9, wire.REJECT_RESTRICTED: 9,
}  # fmt: skip
_UNIQUE: Final = Struct(">QI")
UNIQUE_SIZE: Final = _UNIQUE.size
_SIDE_TOKEN: Final = re.compile(rb"Q[0-9]+\.(.+)\.([BA])", re.DOTALL)


class Quotes(Part):
    """See the module."""

    def __init__(self, application: Application) -> None:
        super().__init__(application)
        self._names: dict[bytes, list[Fields]] = {}  # by token: 302, 299 and 55 of each entry

    def handlers(self) -> Handlers:
        """See Part."""
        newer: Handlers = {MASS: self._mass, CANCEL: self._cancel, b"a": self._status_request}
        return {SINGLE: self._single} | (newer if not self._app.dialect.needs_last else {})

    def events(self) -> Events:
        """See Part."""
        return {wire.QUOTE_STATUS: self._status}

    # --------------------------------------------------------------------------------------------- in
    def _single(self, message: Message, out: list[Any], again: bool) -> None:
        """Quote(S)."""
        fields = dict(message.pairs()[::-1])
        self._send(SINGLE, message, [fields], fields, out, again)

    def _mass(self, message: Message, out: list[Any], again: bool) -> None:
        """MassQuote(i): an entry takes what it does not say from its message (default sizes)."""
        entries: list[Fields] = []
        for quote_set in self._app.validator.group(message, 296):
            for entry in quote_set.group(295):
                entries.append({302: quote_set.get(302, b""), **entry})
        self._send(MASS, message, entries, {134: message.get(293) or b"", 135: message.get(294) or b""}, out, again)

    def _send(
        self, kind: bytes, message: Message, entries: list[Fields], defaults: Fields, out: list[Any], again: bool
    ) -> None:
        quote_id = message.get(117) or b""
        text = wrong_id(quote_id, 117, "QuoteID")
        if not text and not 0 < len(entries) <= wire.QUOTES_MAX:
            text = f"a quote has 1 to {wire.QUOTES_MAX} entries"
        found: list[tuple[str, int, int, int, int]] = []
        try:
            for entry in entries if not text else ():
                found.append(entry_of(entry, defaults))
        except Refused as refused:
            text = refused.text
        if text:
            self._refuse(kind, quote_id, message, text)
            return
        token = self._token(kind, message.get(301) or b"2", len(found), quote_id)
        if kind == MASS:
            if len(self._names) >= NAMES_MAX:
                del self._names[next(iter(self._names))]
            self._names[token] = [{tag: entry[tag] for tag in (302, 299, 55) if tag in entry} for entry in entries]
        indicative = int(message.get(537) == INDICATIVE)
        self._quote(token, indicative, found, out, again)

    def _token(self, kind: bytes, level: bytes, count: int, quote_id: bytes) -> bytes:
        return b"\x01%b%b%c%b" % (kind, level if level in LEVELS else b"2", count, quote_id)

    def _quote(
        self, token: bytes, indicative: int, entries: list[tuple[str, int, int, int, int]], out: list[Any], again: bool
    ) -> None:
        number = self._app.number
        if again:
            out.append((wire.AGAIN, number))
        out.append((wire.QUOTE, number, token, indicative, b"", tuple(entries)))

    def _cancel(self, message: Message, out: list[Any], again: bool) -> None:
        """QuoteCancel(Z)."""
        quote_id, kind = message.get(117) or b"-", message.get(298) or b""
        quoted = sorted({symbol for symbol, _ in self._app.book.quotes})
        if kind == OF_SYMBOLS:
            named = [entry.get(55, b"") for entry in self._app.validator.group(message, 295)] if 295 in message else []
            symbols = sorted({symbol for symbol in named if 0 < len(symbol) <= wire.SYMBOL_MAX})
        elif kind == OF_ALL:
            symbols = quoted
        elif kind == OF_QUOTE:
            symbols = sorted(
                {symbol for (symbol, _), order in self._app.book.quotes.items() if order.token == quote_id}
            )
        else:
            self._refuse(CANCEL, quote_id, message, "QuoteCancelType(298) must be 1, 4 or 5")
            return
        if wrong_id(quote_id, 117, "QuoteID") or len(symbols) > wire.QUOTES_MAX:
            text = wrong_id(quote_id, 117, "QuoteID") or f"more than {wire.QUOTES_MAX} symbols"
            self._refuse(CANCEL, quote_id[:CL_ORD_ID_MAX], message, text)
        elif not symbols:
            self._acknowledge(CANCEL, quote_id, _CANCELED[kind], [], [], 0, "", self._app.services.now_ns())
        else:
            # A cancel says which kind it is in the place of the level: it is always acknowledged.
            token = b"\x01Z%b%c%b%b" % (kind, len(symbols), self._unique(message), quote_id)
            entries = [(symbol.decode("latin-1"), 0, 0, 0, 0) for symbol in symbols]
            self._quote(token, 0, entries, out, again)

    def _unique(self, message: Message) -> bytes:
        """What a later cancel with the same QuoteID has not: cancels are never duplicates."""
        now = self._app.services.now_ns() & 2**64 - 1
        return _UNIQUE.pack(now, zlib.crc32(message.get(34) or b""))

    def _status_request(self, message: Message, out: list[Any], again: bool) -> None:
        """QuoteStatusRequest(a): of a quote, or of a symbol."""
        app = self._app
        quote_id, symbol = message.get(117), message.get(55)
        found = [
            order for (name, _), order in sorted(app.book.quotes.items(), key=lambda item: item[0])
            if order.leaves and (quote_id is None or order.token == quote_id) and (symbol is None or name == symbol)
        ]  # fmt: skip
        request = message.get(649)
        if app.dialect.version == "FIX.4.2":
            text = "" if found else "there is no such quote"
            status = _ACCEPTED if found else _REJECTED
            self._acknowledge(MASS, quote_id or (found[0].token if found else b"-"), status, [], [],
                              0 if found else 5, text, app.services.now_ns())  # fmt: skip
            return
        names = list(dict.fromkeys((order.token, order.form.symbol) for order in found))
        for name, of in names:
            self._report(name, of, _ACCEPTED, [o for o in found if (o.token, o.form.symbol) == (name, of)], "", request)
        if not names:
            self._report(quote_id or b"-", symbol or b"", _NOT_FOUND, [], "there is no such quote", request)

    # --------------------------------------------------------------------------------------------- events
    def order(self, token: bytes, time_ns: int) -> Order | None:
        """The side of a quote that is the order with this token."""
        found = _SIDE_TOKEN.fullmatch(token)
        if found is None:
            return None
        return self._app.book.quotes.get((found[1], wire.BUY if found[2] == b"B" else wire.SELL))

    def forget(self) -> None:
        """A day has ended, and the quotes of it."""
        self._app.book.quotes.clear()
        self._app.book.asked.clear()

    def rejected(self, token: bytes, reason: int, text: str, time_ns: int) -> None:
        """A whole quote was rejected: its QuoteID was used before."""
        self._names.pop(token, None)
        kind, quote_id = token[1:2], _quote_id(token)
        self._acknowledge(kind, quote_id, _REJECTED, [], [], self._reason(reason), text, time_ns)

    def _status(self, event: tuple[Any, ...], time_ns: int) -> None:
        """QUOTE_STATUS: one side of one entry."""
        _, _, token, symbol, side, number, leaves, price, reason, text = event
        book = self._app.book
        name = symbol.encode("latin-1")
        if token[:1] != b"\x01" or len(token) < 5:
            return
        quote_id = _quote_id(token)
        if not leaves:
            book.quotes.pop((name, side), None)
        else:
            self._stands(name, side, number, leaves, price, quote_id, time_ns)
        statuses = book.asked.setdefault(token, [])
        statuses.append((name, side, number, leaves, price, reason, text))
        if len(statuses) >= 2 * token[3]:
            del book.asked[token]
            self._answered(token, quote_id, statuses, time_ns)

    def _stands(
        self, symbol: bytes, side: int, number: int, leaves: int, price: int, quote_id: bytes, time_ns: int
    ) -> None:
        """A side is in the market (or shown, without an order)."""
        form = self._app.forms[b"54=%d\x0155=%b\x0140=2\x0159=0\x01" % (side, symbol)]
        order = Order(quote_id, number, side, leaves, price, form)
        order.time_ns = time_ns
        before = self._app.book.quotes.get((symbol, side))
        if before is not None and before.number == number:  # it kept its place: ExecIDs go on
            order.execs = before.execs
            order.fills = before.fills
        self._app.book.quotes[symbol, side] = order

    def _answered(self, token: bytes, quote_id: bytes, statuses: list[Status], time_ns: int) -> None:
        """Every side has been answered."""
        kind, level = token[1:2], token[2:3]
        names = self._names.pop(token, [])
        refused = [status for status in statuses if status[5]]
        if kind == CANCEL:
            status = _CANCELED.get(level, _REJECTED) if not refused else _REJECTED
        else:
            status = _REJECTED if len(refused) == len(statuses) else _ACCEPTED
            if level == b"0" or (level == b"1" and not refused):
                return
        reason = self._reason(refused[0][5]) if refused and status == _REJECTED else 0
        text = refused[0][6] if refused else ""
        self._acknowledge(kind, quote_id, status, statuses, names, reason, text, time_ns)

    # --------------------------------------------------------------------------------------------- out
    def _reason(self, reason: int) -> int:
        return _REASONS.get(reason, 8 if self._app.dialect.version in ("FIX.4.2", "FIX.4.3") else 99)

    def _refuse(self, kind: bytes, quote_id: bytes, message: Message, text: str) -> None:
        """An answer at once: nothing of it reaches the bus."""
        if self._app.dialect.needs_last:
            self._app.reject_message(message, 0, text)
            return
        other = self._reason(wire.REJECT_FIELD)
        now_ns = self._app.services.now_ns()
        self._acknowledge(kind, quote_id[:CL_ORD_ID_MAX] or b"-", _REJECTED, [], [], other, text, now_ns)

    def _acknowledge(
        self, kind: bytes, quote_id: bytes, status: int, statuses: list[Status], names: list[Fields], reason: int,
        text: str, time_ns: int,
    ) -> None:  # fmt: skip
        app = self._app
        if app.dialect.needs_last:
            return
        if kind == MASS or app.dialect.version == "FIX.4.2":
            parts = [text_piece(text), b"117=%b\x01" % quote_id, self._sets(statuses, names), b"297=%d\x01" % status]
            parts.append(b"300=%d\x01" % reason if reason else b"")
            app.emit(b"b", b"".join(parts))
            return
        symbols = list(dict.fromkeys(each[0] for each in statuses)) or [b""]
        for symbol in symbols:
            orders = [o for side in (wire.BUY, wire.SELL) if (o := app.book.quotes.get((symbol, side))) is not None]
            self._report(quote_id, symbol, status, [] if kind == CANCEL else orders, text, None, reason)

    def _report(
        self, quote_id: bytes, symbol: bytes, status: int, orders: list[Order], text: str, request: bytes | None,
        reason: int = 0,
    ) -> None:  # fmt: skip
        """QuoteStatusReport(AI) about one symbol."""
        app = self._app
        version = app.dialect.version
        parts = [b"55=%b\x01" % (symbol or b"[N/A]"), text_piece(text) if version != "FIX.4.3" else b"",
                 b"117=%b\x01" % quote_id]  # fmt: skip
        sides = {order.side: order for order in orders if order.leaves}
        for tag, side in ((132, wire.BUY), (133, wire.SELL)):
            if side in sides:
                parts.append(b"%d=%b\x01" % (tag, price_of(sides[side].price)))
        for tag, side in ((134, wire.BUY), (135, wire.SELL)):
            if side in sides:
                parts.append(b"%d=%d\x01" % (tag, sides[side].leaves))
        parts.append(b"297=%d\x01" % status)
        if reason and version in ("FIX.5.0SP1", "FIX.5.0SP2"):
            parts.append(b"300=%d\x01" % reason)
        if request is not None:
            parts.append(b"649=%b\x01" % request)
        app.emit(b"AI", b"".join(parts))

    def _sets(self, statuses: list[Status], names: list[Fields]) -> bytes:
        """The sets of a mass quote with their entries and what was wrong with these, as the client named them."""
        sets: dict[bytes, list[bytes]] = {}
        for place, entry in enumerate(names):
            if 299 not in entry or not entry.get(302):
                return b""
            wrong = [status[5] for status in statuses[2 * place : 2 * place + 2] if status[5]]
            text = b"299=%b\x0155=%b\x01" % (entry[299], entry.get(55, b""))
            if wrong:
                text += b"368=%d\x01" % self._reason(wrong[0])
            sets.setdefault(entry[302], []).append(text)
        if not sets:
            return b""
        parts = [b"296=%d\x01" % len(sets)]
        for name, entries in sets.items():
            parts.append(b"302=%b\x01304=%d\x01295=%d\x01" % (name, len(entries), len(entries)))
            parts += entries
        return b"".join(parts)


def _quote_id(token: bytes) -> bytes:
    """The QuoteID in a token; that of a cancel has what makes it unique before it."""
    return token[4 + (UNIQUE_SIZE if token[1:2] == CANCEL else 0) :]


def entry_of(entry: Fields, defaults: Fields) -> tuple[str, int, int, int, int]:
    """One entry of a QUOTE. Raises Refused."""
    symbol = symbol_of(entry)
    bid, ask = _side(entry, defaults, 132, "BidPx", 134, "BidSize"), _side(entry, defaults, 133, "OfferPx", 135,
                                                                           "OfferSize")  # fmt: skip
    return (symbol, *bid, *ask)


def _side(
    entry: Fields, defaults: Fields, price_tag: int, price_name: str, size_tag: int, size_name: str
) -> tuple[int, int]:
    """Quantity and price of one side; 0 and 0 when there is none."""
    try:
        price = price_units(entry.get(price_tag) or b"0")
        size = quantity(entry.get(size_tag) or (defaults.get(size_tag) if price else b"0") or b"0")
    except ValueError:
        text = f"{price_name}({price_tag}) or {size_name}({size_tag}) {no_number(price_units)}"
        raise Refused(wire.REJECT_PRICE, text) from None
    if not 0 <= price <= wire.PRICE_MAX or not 0 <= size <= wire.QUANTITY_MAX:
        raise Refused(wire.REJECT_PRICE, f"{price_name}({price_tag}) or {size_name}({size_tag}) is out of range")
    if price and not size and size_tag not in entry:
        raise Refused(wire.REJECT_QUANTITY, f"{size_name}({size_tag}) is missing")
    return (size, price) if size and price else (0, 0)
