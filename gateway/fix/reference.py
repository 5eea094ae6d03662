"""What is traded, over FIX: lists and definitions of securities.

    SecurityListRequest(x)           SecurityList(y), in parts of LIST_PART
    SecurityDefinitionRequest(c)     SecurityDefinition(d): of one symbol, or one of each

The other requests that are not about prices, of status (e, g), are in status.py; ``Reference.take`` has them all.

Invariant: every request is answered, if only by "not available"; an answer is in the words of the client's version
(openoutcry.gateway.fix.forms). Nothing here is stored for a resend.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from openoutcry.fix.values import price_text
from openoutcry.gateway.fix.host import is_there, owner
from openoutcry.gateway.fix.marketfeed import Followed
from openoutcry.gateway.fix.status import NOT_AVAILABLE, Statuses
from openoutcry.verbs import BOOK_PROPERTIES

if TYPE_CHECKING:
    from openoutcry.feed import SymbolRow
    from openoutcry.fix.message import Message
    from openoutcry.gateway.fix.forms import Form
    from openoutcry.gateway.fix.market import MarketData

LIST_PART: Final = 100  # securities in one SecurityList: a message of some 10 KB
LISTS_MAX: Final = 2  # lists of one session that are being made
WINDOW: Final = 64  # books whose facts are asked for at the same time

# SecurityType(167) and Product(460), the first that a version knows.
TYPES: Final[dict[str, tuple[bytes, ...]]] = {
    "equity": (b"CS",),
    "future": (b"FUT", b"NONE"),
    "option": (b"OPT", b"NONE"),
    "fx": (b"FXSPOT", b"CASH", b"FOR"),
    "ndf": (b"FXNDF", b"FOR", b"CASH"),
    "crypto": (b"CASH", b"NONE"),
}
PRODUCTS: Final = {"equity": 5, "fx": 4, "ndf": 4, "crypto": 4, "future": 12, "option": 12}
SYMBOL_LISTS: Final = frozenset((b"1", b"2", b"3", b"4", b"5"))  # SecurityListRequestType(559), beside 0: one symbol
DEFINE_ONE: Final = frozenset((b"0", b"1", b"4"))  # SecurityRequestType(321)
DEFINE_ALL: Final = frozenset((b"3", b"8"))

Facts = dict[int, bytes]
Listed = list[tuple["SymbolRow", dict[str, Any]]]


class Reference:
    """See the module. market: the market data of the same gateway."""

    def __init__(self, market: MarketData) -> None:
        self.market = market
        self.feed = market.feed
        self.statuses = Statuses(market)
        self.counters = {"lists": 0, "definitions": 0}
        self._lists: dict[Any, int] = {}  # being made, by owner
        self._answers = 0
        self._began_ns = time_ns()  # so that no life of the gateway gives an id twice
        self._handlers: dict[bytes, tuple[bytes, Callable[[Any, Form, Message], None]]] = {
            b"x": (b"y", self._list),
            b"c": (b"d", self._define),
            b"e": (b"f", self.statuses.security),
            b"g": (b"h", self.statuses.trading),
        }

    def take(self, app: Any, form: Form, message: Message) -> None:
        """A request."""
        answer, handler = self._handlers[message.kind]
        if form.has(answer):
            handler(app, form, message)
        else:
            app.reject_message(message, 3, "Unsupported Message Type")

    def forget(self, session: Any) -> None:
        """A client has gone."""
        self.statuses.forget(session)

    def begin_anew(self, session: Any) -> None:
        """Another engine is served. A list that is being made is still that of the books as they were."""
        self.statuses.begin_anew(session)

    def changed(self, books: list[Followed]) -> None:
        """What the feed has changed in one turn."""
        self.statuses.changed(books)

    def _say(self, app: Any, form: Form, kind: bytes, fields: Facts, entries: list[bytes] | None = None) -> None:
        app.emit(kind, form.body(kind, fields, 146 if entries is not None else 0, entries or ()), False)

    def _answer_id(self) -> bytes:
        """SecurityResponseID(322)."""
        self._answers += 1
        return b"%d.%d" % (self._began_ns, self._answers)

    def _list(self, app: Any, form: Form, message: Message) -> None:
        """SecurityListRequest."""
        self.counters["lists"] += 1
        kind, symbol = message.get(559) or b"", message.get(55)
        name = {320: message.get(320) or b""}
        if kind == b"0" and symbol:
            one = {symbol.decode("ascii", "replace")}
            self._gather(app, one, lambda found: self._tell_list(app, form, name, found))
        elif kind in SYMBOL_LISTS:
            wanted = {1: (167, message.get(167)), 2: (460, message.get(460))}.get(int(kind), (0, None))
            self._gather(app, None, lambda found: self._tell_list(app, form, name, found, *wanted))
        else:
            self._say(app, form, b"y", {**name, 322: self._answer_id(), 560: b"1"})

    def _tell_list(
        self, app: Any, form: Form, name: Facts, found: Listed | None, tag: int = 0, value: bytes | None = None
    ) -> None:
        """SecurityList: all of `found` whose field `tag` has that value. found: None when nobody knows."""
        rows = [facts_of(form, row, properties) for row, properties in found or []]
        if value is not None:
            rows = [facts for facts in rows if facts.get(tag) == value]
        if not rows:
            result = b"4" if found is None else b"2"
            self._say(app, form, b"y", {**name, 322: self._answer_id(), 560: result})
            return
        answer = self._answer_id()
        for first in range(0, len(rows), LIST_PART):
            part = [form.entry(b"y", 146, facts) for facts in rows[first : first + LIST_PART]]
            last = b"Y" if first + LIST_PART >= len(rows) else b"N"
            fields = {**name, 322: answer, 560: b"0", 393: b"%d" % len(rows), 893: last}
            self._say(app, form, b"y", fields, part)

    def _define(self, app: Any, form: Form, message: Message) -> None:
        """SecurityDefinitionRequest."""
        self.counters["definitions"] += 1
        kind, symbol = message.get(321), message.get(55)
        name = {320: message.get(320) or b""}
        if kind in DEFINE_ONE and symbol:
            one = {symbol.decode("ascii", "replace")}
            self._gather(app, one, lambda found: self._tell_definitions(app, form, name, found, symbol))
        elif kind in DEFINE_ALL:
            self._gather(app, None, lambda found: self._tell_definitions(app, form, name, found, None))
        else:
            self._refuse_definition(app, form, name, b"this SecurityRequestType is not supported")

    def _tell_definitions(self, app: Any, form: Form, name: Facts, found: Listed | None, symbol: bytes | None) -> None:
        if not found:
            text = NOT_AVAILABLE if found is None else b"unknown symbol " + symbol if symbol else b"there are none"
            self._refuse_definition(app, form, name, text)
            return
        kind = form.pick(323, (1,) if symbol is not None else (4, 1))
        for row, properties in found:
            fields = {**name, 322: self._answer_id(), 323: kind, 393: b"%d" % len(found)}
            self._say(app, form, b"d", {**facts_of(form, row, properties), **fields})

    def _refuse_definition(self, app: Any, form: Form, name: Facts, text: bytes) -> None:
        fields = {**name, 322: self._answer_id(), 323: form.pick(323, (5, 6)), 393: b"0", 58: text}
        self._say(app, form, b"d", fields)

    def _gather(self, app: Any, symbols: set[str] | None, then: Callable[[Listed | None], None]) -> None:
        """The books of the application's engine, or some of them, with their facts, and then then(them)."""
        who = owner(app)
        if self._lists.get(who, 0) >= LISTS_MAX:
            then(None)
            return
        self._lists[who] = self._lists.get(who, 0) + 1

        def done(found: Listed | None) -> None:
            self._lists[who] -= 1
            if not self._lists[who]:
                del self._lists[who]
            if is_there(app):
                self.market.tick()
                then(found)
                self.market.hub.commit()

        def listed() -> None:
            rows = self.feed.rows(app.services.engine)
            if symbols is not None:
                rows = [row for row in rows if row.symbol in symbols]
            if not self.feed.known:
                done(None)
            else:
                _Gathering(self.feed, rows, done).go()

        self.feed.look_up(app.services.engine, symbols or (), listed)


class _Gathering:
    """The facts of many books, WINDOW of them asked for at a time."""

    __slots__ = ("_done", "_feed", "_next", "_rows", "_under_way", "found")

    def __init__(self, source: Any, rows: list[SymbolRow], done: Callable[[Listed | None], None]) -> None:
        self._feed = source
        self._rows = rows
        self._done = done
        self._next = self._under_way = 0
        self.found: list[dict[str, Any] | None] = [None] * len(rows)

    def go(self) -> None:
        """Ask for more, or be done."""
        while self._next < len(self._rows) and self._under_way < WINDOW:
            self._ask(self._next)
            self._next += 1
        if self._next == len(self._rows) and not self._under_way:
            self._done([(row, facts) for row, facts in zip(self._rows, self.found, strict=True) if facts is not None])

    def _ask(self, place: int) -> None:
        def take(properties: dict[str, Any] | None) -> None:
            self.found[place] = properties
            self._under_way -= 1
            self.go()

        self._under_way += 1
        self._feed.instrument(self._rows[place].topic, take)


def facts_of(form: Form, row: SymbolRow, properties: dict[str, Any]) -> Facts:
    """What a security is, in the fields of FIX."""

    def known(name: str) -> Any:
        return properties.get(name, BOOK_PROPERTIES[name].default)

    kind = str(known("security_type"))
    facts: Facts = {55: row.symbol.encode(), 561: b"%d" % known("lot_size"), 969: price_text(known("tick_size"))}
    security_type = form.pick(167, TYPES.get(kind, ()))
    product = form.pick(460, (PRODUCTS.get(kind, 12),))
    texts = {107: str(known("description")), 15: str(known("currency")), 541: str(known("expiry"))}
    facts.update((tag, text.encode("latin-1", "replace")) for tag, text in texts.items() if text)
    facts.update((tag, value) for tag, value in ((167, security_type), (460, product)) if value)
    if known("multiplier") != 1:
        facts[231] = b"%d" % known("multiplier")
    if known("expiry"):
        facts[200] = str(known("expiry"))[:6].encode()
    if known("strike"):
        facts[202] = price_text(known("strike"))
    if known("put_call"):
        facts[201] = b"1" if known("put_call") == "call" else b"0"
    return facts
