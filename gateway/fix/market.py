"""Market data over FIX: MarketDataRequest(V) in; snapshots (W), increments (X) and rejects (Y) out.

    market = MarketData(hub)               one of a gateway
    market.take(app, message)              V, and what openoutcry.gateway.fix.reference answers: x, c, e, g
    market.forget(session)                 its client has gone
    market.begin_anew(session)             its endpoint serves another engine
    market.close()

Books and trades are those of the market data publisher (marketfeed.py), as views.py shows them; a session sees its
endpoint's engine.

Rule 1. A subscription is a view of a book: entries by what identifies them (the side and price of a level, an order's
        number, the kind of a statistic). An increment is the difference between the view that the client has and the
        one that there is now, so a client that was not told for a while needs nothing else: none is sent while it reads
        slowly, or while messages are sent to it again. Trades are told one by one, and are dropped first.
Rule 2. Nothing is stored for a resend (it is a gap fill). Subscriptions end with their connection, so a client begins
        the next one with a snapshot.
Rule 3. Everything is bounded: subscriptions of a session, levels of a book, trades that wait.

AggregatedBook(266) N is a view by order. Depth 0 is the whole book, up to LEVELS_MAX levels of a side.
"""

from __future__ import annotations

from functools import partial
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from openoutcry import bus
from openoutcry.fix.times import stamp
from openoutcry.gateway.fix.forms import Form, form_of
from openoutcry.gateway.fix.host import is_ready, owner
from openoutcry.gateway.fix.marketfeed import Followed, MarketFeed
from openoutcry.gateway.fix.reference import Reference
from openoutcry.gateway.fix.views import (
    CHANGED,
    DELETED,
    NEW,
    TRADE,
    TYPES,
    Key,
    Value,
    View,
    corrected,
    fields_of,
    trade_fields,
)

if TYPE_CHECKING:
    from openoutcry.feed import Correction, SymbolRow, Trade
    from openoutcry.fix.message import Message
    from openoutcry.gateway.hub import Hub

SUBSCRIPTIONS_MAX: Final = 1_000  # books that one session follows: its views take a MB at most
REQUEST_SYMBOLS_MAX: Final = 500  # in one request
ENTRIES_MAX: Final = 300  # in one increment
TRADES_MAX: Final = 1_000  # that wait for a client that reads slowly
WAIT_NS: Final = 5_000_000_000  # for a book that the publisher has not sent yet
RETRY_S: Final = 0.05  # how late a client that has read is told

# MDReqRejReason(281)
UNKNOWN_SYMBOL: Final = b"0"
DUPLICATE: Final = b"1"
BANDWIDTH: Final = b"2"
BAD_SUBSCRIPTION: Final = b"4"
BAD_DEPTH: Final = b"5"
BAD_UPDATES: Final = b"6"
BAD_TYPE: Final = b"8"


class Subscription:
    """One book that a request is about. sent: the view that the client has, None before its snapshot."""

    __slots__ = ("corrections", "followed", "request", "sent", "symbol", "trades", "until_ns")

    def __init__(self, request: Request, symbol: str, followed: Followed) -> None:
        self.request = request
        self.symbol = symbol
        self.followed = followed
        self.sent: dict[Key, Value] | None = None
        self.trades: list[Trade] = []
        self.corrections: list[Correction] = []
        self.until_ns = monotonic_ns() + WAIT_NS


class Request:
    """One MarketDataRequest that was taken. lasting: it goes on after its snapshots; full: by snapshots."""

    __slots__ = ("app", "form", "full", "lasting", "name", "subscriptions", "symbols", "view")

    def __init__(
        self, app: Any, form: Form, name: bytes, view: View, lasting: bool, full: bool, symbols: list[str]
    ) -> None:
        self.app = app
        self.form = form
        self.name = name
        self.view = view
        self.lasting = lasting
        self.full = full
        self.symbols = symbols
        self.subscriptions: list[Subscription] = []


class MarketData:
    """See the module. feed: for tests, something in place of the publisher's."""

    def __init__(self, hub: Hub | Any, source: Any = None) -> None:
        self.hub = hub
        self.loop = hub.loop
        self.feed: MarketFeed = source or MarketFeed(
            hub.loop, bus.Directory(hub.store.path.parent), self.changed
        )  # fmt: skip
        self.reference = Reference(self)
        self.counters = {"requests": 0, "rejects": 0, "snapshots": 0, "increments": 0, "trades_dropped": 0}
        self._requests: dict[Any, dict[bytes, Request]] = {}  # by owner, then by MDReqID
        self._watching: dict[Followed, dict[Subscription, None]] = {}
        self._late: dict[Subscription, None] = {}  # have something to be told, later
        self._looking = False

    # --------------------------------------------------------------------------------------------- requests
    def take(self, app: Any, message: Message) -> None:
        """A message of a kind that is about the market as a whole."""
        form = form_of(app.validator.application)
        if message.kind != b"V":
            self.reference.take(app, form, message)
        elif not form.has(b"W"):
            app.reject_message(message, 3, "Unsupported Message Type")
        else:
            self.counters["requests"] += 1
            self._request(app, form, message)

    def forget(self, session: Any) -> None:
        """A client has gone."""
        for request in list(self._requests.pop(session, {}).values()):
            self._end(request)
        self.reference.forget(session)

    def _request(self, app: Any, form: Form, message: Message) -> None:
        name = message.get(262) or b""
        wanted = message.get(263)
        known = self._requests.get(owner(app), {}).get(name)
        if wanted == b"2":
            if known is None:
                self._reject(app, form, name, b"", "there is no such request")
            else:
                self._drop(known)
            return
        if known is not None:
            if message.get(43) != b"Y":  # else it has come, and was taken
                self._reject(app, form, name, DUPLICATE, "MDReqID: a request of that id is under way")
            return
        refusal = self._refusal(app, form, message)
        if refusal is not None:
            self._reject(app, form, name, *refusal)
            return
        types = frozenset(entry[269] for entry in app.validator.group(message, 267) if 269 in entry)
        view = View(types, int(message.get(264) or 0), message.get(266) == b"N")
        symbols = [entry.get(55, b"").decode("ascii", "replace") for entry in app.validator.group(message, 146)]
        request = Request(app, form, name, view, wanted == b"1", message.get(265) == b"0", symbols)
        self._requests.setdefault(owner(app), {})[name] = request
        if all(self.feed.find(app.services.engine, symbol) for symbol in symbols):
            self._begin(request)
        else:  # the list of books may be old
            self.feed.look_up(app.services.engine, symbols, lambda: self._begin(request))

    def begin_anew(self, session: Any) -> None:
        """Another engine is served: each request begins again, with that one's books, or is rejected."""
        for request in self._requests.get(session, {}).values():
            self._end(request)
            self.feed.look_up(request.app.services.engine, request.symbols, partial(self._begin, request))
        self.reference.begin_anew(session)

    def _refusal(self, app: Any, form: Form, message: Message) -> tuple[bytes, str] | None:
        """Why a request cannot be taken, whatever the market is like."""
        types = [entry.get(269, b"") for entry in app.validator.group(message, 267)]
        symbols = app.validator.group(message, 146)
        if message.get(263) not in (b"0", b"1"):
            return BAD_SUBSCRIPTION, "SubscriptionRequestType must be 0, 1 or 2"
        if not _is_number(message.get(264) or b"0"):
            return BAD_DEPTH, "MarketDepth must be 0 (all), 1 (the best) or a number of levels"
        if message.get(265) not in (None, b"0", b"1"):
            return BAD_UPDATES, "MDUpdateType must be 0 (snapshots) or 1 (increments)"
        odd = [kind for kind in types if kind not in TYPES or not form.allows(269, kind)]
        if odd or not types:
            shown = b" ".join(sorted(kind for kind in TYPES if form.allows(269, kind))).decode()
            return BAD_TYPE, f"MDEntryType must be one of: {shown}"
        if not symbols or any(not entry.get(55) for entry in symbols):
            return UNKNOWN_SYMBOL, "a request names symbols"
        if len(symbols) > REQUEST_SYMBOLS_MAX:
            return BANDWIDTH, f"a request is about at most {REQUEST_SYMBOLS_MAX} symbols"
        requests = self._requests.get(owner(app), {}).values()
        if len(requests) + sum(len(each.subscriptions) for each in requests) + len(symbols) > SUBSCRIPTIONS_MAX:
            return BANDWIDTH, f"a session may follow {SUBSCRIPTIONS_MAX} books"
        return None

    def _begin(self, request: Request) -> None:
        """The list of books is known: follow those that were asked for."""
        if self._requests.get(owner(request.app), {}).get(request.name) is not request or request.subscriptions:
            return  # its client has gone, or has changed its mind; or it has begun anew meanwhile
        rows: list[tuple[str, SymbolRow | None]] = [
            (symbol, self.feed.find(request.app.services.engine, symbol)) for symbol in request.symbols
        ]
        missing = next((symbol for symbol, row in rows if row is None), None)
        if missing is not None:
            text = f"unknown symbol {missing}" if self.feed.known else "market data is not available now"
            self._requests[owner(request.app)].pop(request.name)
            self._reject(request.app, request.form, request.name, UNKNOWN_SYMBOL, text)
            self.hub.commit()
            return
        for symbol, row in rows:
            assert row is not None
            followed = self.feed.follow(row.topic, request.view.by_order)
            subscription = Subscription(request, symbol, followed)
            request.subscriptions.append(subscription)
            self._watching.setdefault(followed, {})[subscription] = None
        self._tell(list(request.subscriptions))

    def _drop(self, request: Request) -> None:
        """A client does not want a request to go on."""
        self._requests[owner(request.app)].pop(request.name)
        self._end(request)

    def _end(self, request: Request) -> None:
        for subscription in request.subscriptions:
            self._leave(subscription)
        request.subscriptions.clear()

    def _leave(self, subscription: Subscription) -> None:
        followed = subscription.followed
        watching = self._watching[followed]
        del watching[subscription]
        self._late.pop(subscription, None)
        if not watching:
            del self._watching[followed]
        self.feed.leave(followed)

    def _reject(self, app: Any, form: Form, name: bytes, reason: bytes, text: str) -> None:
        """MarketDataRequestReject."""
        self.counters["rejects"] += 1
        fields = {262: name, 58: text.encode("latin-1", "replace")}
        if reason and form.allows(281, reason):
            fields[281] = reason
        app.emit(b"Y", form.body(b"Y", fields), False)

    # --------------------------------------------------------------------------------------------- telling
    def changed(self, books: list[Followed]) -> None:
        """What the feed has changed in one turn."""
        found: list[Subscription] = []
        for followed in books:
            for subscription in self._watching.get(followed, ()):
                if subscription.sent is not None and TRADE in subscription.request.view.types:
                    self._remember(subscription, followed)
                found.append(subscription)
        self._tell(found)
        self.reference.changed(books)

    def _remember(self, subscription: Subscription, followed: Followed) -> None:
        trades = subscription.trades
        trades += followed.trades
        subscription.corrections += followed.corrections
        surplus = len(trades) - TRADES_MAX
        if surplus > 0:
            del trades[:surplus]
            self.counters["trades_dropped"] += surplus
        del subscription.corrections[:-TRADES_MAX]

    def _tell(self, subscriptions: list[Subscription]) -> None:
        """Tell those that can be told; the others when they can."""
        said = False
        self.tick()
        for subscription in subscriptions:
            if not subscription.followed.settled or not is_ready(subscription.request.app):
                self._late[subscription] = None
            else:
                self._late.pop(subscription, None)
                said = self._update(subscription) or said
        if said:
            self.hub.commit()
        if self._late and not self._looking:
            self._looking = True
            self.loop.call_later(RETRY_S, self._look_again)

    def tick(self) -> None:
        """A turn of the gateway begins."""
        clock = getattr(getattr(self.hub, "fix", None), "clock", None)
        if clock is not None:
            clock.tick()

    def _look_again(self) -> None:
        self._looking = False
        now_ns = monotonic_ns()
        late = list(self._late)
        for subscription in late:
            request = subscription.request
            over = subscription.sent is None and now_ns > subscription.until_ns and not subscription.followed.settled
            if over and self._requests.get(owner(request.app), {}).get(request.name) is request:
                self._drop(request)
                self._reject(request.app, request.form, request.name, b"", "market data is not available now")
                self.hub.commit()
        self._tell([each for each in late if each in self._late])

    def _update(self, subscription: Subscription) -> bool:
        """Tell one client about one book; whether there was anything to tell."""
        request, followed = subscription.request, subscription.followed
        view = request.view.of(followed.book)
        if subscription.sent is None:
            self._snapshot(subscription, view)
            if not request.lasting:
                self._finish(subscription)
            return True
        said = False
        if request.full:
            if view != subscription.sent or subscription.trades or subscription.corrections:
                self._snapshot(subscription, view)
                said = True
        else:
            said = self._increment(subscription, view)
        subscription.trades.clear()
        subscription.corrections.clear()
        return said

    def _finish(self, subscription: Subscription) -> None:
        """A snapshot was all that was wanted."""
        request = subscription.request
        request.subscriptions.remove(subscription)
        self._leave(subscription)
        if not request.subscriptions:
            self._requests[owner(request.app)].pop(request.name, None)

    # --------------------------------------------------------------------------------------------- messages
    def _snapshot(self, subscription: Subscription, view: dict[Key, Value]) -> None:
        request, followed = subscription.request, subscription.followed
        form, book = request.form, followed.book
        entries = [form.entry(b"W", 268, fields_of(key, value, request.view.by_order)) for key, value in view.items()]
        last = followed.replica.recent[-1] if TRADE in request.view.types and followed.replica.recent else None
        if last is not None:
            entries.append(form.entry(b"W", 268, trade_fields(last)))
        fields = {55: subscription.symbol.encode(), 262: request.name, 779: stamp(book.time_ns)}
        fields[1021] = b"3" if request.view.by_order else b"1" if request.view.depth == 1 else b"2"
        request.app.emit(b"W", form.body(b"W", fields, 268, entries), False)
        subscription.sent = view
        self.counters["snapshots"] += 1

    def _increment(self, subscription: Subscription, view: dict[Key, Value]) -> bool:
        request, sent = subscription.request, subscription.sent or {}
        by_order, symbol = request.view.by_order, subscription.symbol.encode()
        changes: list[tuple[bytes, dict[int, bytes]]] = []
        changes += [(DELETED, fields_of(key, (sent[key][0], 0, 0), by_order)) for key in sent if key not in view]
        for key, value in view.items():
            before = sent.get(key)
            if before != value:
                changes.append((NEW if before is None else CHANGED, fields_of(key, value, by_order)))
        changes += [(NEW, trade_fields(trade)) for trade in subscription.trades]
        changes += [corrected(correction) for correction in subscription.corrections]
        subscription.sent = view
        for first in range(0, len(changes), ENTRIES_MAX):
            self._emit_increment(request, symbol, changes[first : first + ENTRIES_MAX])
        return bool(changes)

    def _emit_increment(self, request: Request, symbol: bytes, changes: list[tuple[bytes, dict[int, bytes]]]) -> None:
        form = request.form
        entries = [form.entry(b"X", 268, {279: action, 55: symbol, **fields}) for action, fields in changes]
        request.app.emit(b"X", form.body(b"X", {262: request.name}, 268, entries), False)
        self.counters["increments"] += 1

    def close(self) -> None:
        """The gateway is stopped."""
        self.feed.close()

    def statistics(self) -> dict[str, Any]:
        """Counters, and who follows how much."""
        requests = [each for of_app in self._requests.values() for each in of_app.values()]
        return {**self.counters, "sessions": len(self._requests), "lasting": sum(each.lasting for each in requests),
                "books": sum(len(each.subscriptions) for each in requests), "feed": self.feed.statistics()}  # fmt: skip


def _is_number(value: bytes) -> bool:
    return value.isdigit() and len(value) <= 9
