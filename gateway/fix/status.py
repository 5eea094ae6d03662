"""The status of securities and of trading, over FIX.

    SecurityStatusRequest(e)         SecurityStatus(f), once or whenever the phase of its book changes
    TradingSessionStatusRequest(g)   TradingSessionStatus(h), once or whenever what is open changes

The trading session of an endpoint is its engine. What it is in is told by its books: open when one of them is, else
collecting orders, else halted, else closed.

Invariant: who follows a status is told each change of it once, the newest if it could not be told for a while.
"""

from __future__ import annotations

from functools import partial
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from openoutcry import feed, wire
from openoutcry.fix.times import stamp
from openoutcry.fix.values import price_text
from openoutcry.gateway.fix.host import is_ready, is_there, owner
from openoutcry.gateway.fix.marketfeed import Followed

if TYPE_CHECKING:
    from openoutcry.feed import SymbolRow
    from openoutcry.fix.message import Message
    from openoutcry.gateway.fix.forms import Form
    from openoutcry.gateway.fix.market import MarketData

WATCHES_MAX: Final = 500  # securities, or sessions of trading, whose status one session follows
SESSIONS_EVERY_S: Final = 0.5  # how often the phases of all books are looked at, while a session follows them
WAIT_NS: Final = 5_000_000_000  # for a book that the publisher has not sent yet
NOT_AVAILABLE: Final = b"market data is not available now"

# SecurityTradingStatus(326): 2 halt, 5 price indication, 17 ready to trade, 18 not available, 20 unknown, 21 pre-open,
# 22 opening rotation, 24 pre-cross, 26 post-close, 27 no-cancel.
SECURITY_STATUS: Final[dict[str, tuple[int, ...]]] = {
    "open": (17,),
    "halted": (2,),
    "closed": (18,),
    "ended": (18,),
    "pre_open": (21, 5),
    "pre_open_no_cancel": (27, 21, 5),
    "opening_auction": (22, 5),
    "volatility_auction": (15, 5),
    "closing_auction": (24, 5),
    "post_close": (26, 18),
    feed.DELETED: (18,),
}
UNKNOWN_SECURITY: Final = (20,)
# TradSesStatus(340)
HALTED, OPEN, CLOSED, PRE_OPEN, PRE_CLOSE = 1, 2, 3, 4, 5
SESSION_STATUS: Final[dict[str, int]] = {
    **{wire.PHASES[each]: CLOSED for each in (wire.PHASE_CLOSED, wire.PHASE_ENDED, wire.PHASE_POST_CLOSE)},
    **dict.fromkeys(feed.COLLECTING, PRE_OPEN),
    "closing_auction": PRE_CLOSE,
    "open": OPEN,
    "halted": HALTED,
    feed.DELETED: CLOSED,
}
FORWARD: Final = (OPEN, PRE_CLOSE, PRE_OPEN, HALTED, CLOSED)  # of several books, the one that speaks for the session


class Watch:
    """A status that a client follows. followed: None for that of trading as a whole. sent: what it was told last.

    anew: it was told before, and is told again unasked.
    """

    __slots__ = ("anew", "app", "followed", "form", "lasting", "name", "sent", "symbol", "until_ns")

    def __init__(
        self, app: Any, form: Form, name: bytes, symbol: str, followed: Followed | None, lasting: bool
    ) -> None:
        self.app = app
        self.form = form
        self.name = name
        self.symbol = symbol
        self.followed = followed
        self.lasting = lasting
        self.sent: Any = None
        self.anew = False
        self.until_ns = monotonic_ns() + WAIT_NS


class Statuses:
    """See the module. market: the market data of the same gateway."""

    def __init__(self, market: MarketData) -> None:
        self.market = market
        self.feed = market.feed
        self.counters = {"statuses": 0}
        self._watches: dict[Any, dict[tuple[bytes, bytes], Watch]] = {}  # by owner, then by kind and request
        self._of_book: dict[Followed, dict[Watch, None]] = {}
        self._looking = False

    def forget(self, session: Any) -> None:
        """A client has gone."""
        for watch in self._watches.pop(session, {}).values():
            self._leave(watch)

    def begin_anew(self, session: Any) -> None:
        """Another engine is served: whoever follows a status is told that one's."""
        for watch in list(self._watches.get(session, {}).values()):
            watch.anew = watch.sent is not None
            if watch.followed is None:
                watch.sent = None
                self.feed.refresh(partial(self._tell_trading, [watch]))
            else:
                self._drop(watch)
                again = partial(
                    self._follow, watch.app, watch.form, watch.name, watch.symbol, watch.lasting, watch.anew
                )
                self.feed.look_up(watch.app.services.engine, (watch.symbol,), again)

    def _say(self, app: Any, form: Form, kind: bytes, fields: dict[int, bytes]) -> None:
        app.emit(kind, form.body(kind, fields), False)

    # --------------------------------------------------------------------------------------------- securities
    def security(self, app: Any, form: Form, message: Message) -> None:
        """SecurityStatusRequest."""
        self.counters["statuses"] += 1
        name, symbol = message.get(324) or b"", (message.get(55) or b"").decode("ascii", "replace")
        key = (b"e", name)
        known = self._watches.get(owner(app), {})
        if key in known:
            if message.get(43) == b"Y":
                return  # it has come, and was taken
            self._leave(known.pop(key))
        if message.get(263) == b"2":
            return
        lasting = message.get(263) == b"1"
        if len(known) >= WATCHES_MAX:
            self._tell_status_unknown(app, form, name, symbol, b"too many requests are under way")
        elif self.feed.find(app.services.engine, symbol) is not None:
            self._follow(app, form, name, symbol, lasting)
        else:
            self.feed.look_up(app.services.engine, (symbol,), lambda: self._follow(app, form, name, symbol, lasting))

    def _follow(self, app: Any, form: Form, name: bytes, symbol: str, lasting: bool, anew: bool = False) -> None:
        row = self.feed.find(app.services.engine, symbol)
        if not is_there(app):
            return
        if row is None:
            self.market.tick()
            text = b"unknown symbol" if self.feed.known else NOT_AVAILABLE
            self._tell_status_unknown(app, form, name, symbol, text)
            self.market.hub.commit()
            return
        followed = self.feed.follow(row.topic, False)
        watch = Watch(app, form, name, symbol, followed, lasting)
        watch.anew = anew
        self._watches.setdefault(owner(app), {})[b"e", name] = watch
        self._of_book.setdefault(followed, {})[watch] = None
        self._look_at([watch])

    def _tell_status_unknown(self, app: Any, form: Form, name: bytes, symbol: str, text: bytes) -> None:
        fields = {324: name, 55: symbol.encode("latin-1", "replace"), 326: form.pick(326, UNKNOWN_SECURITY), 58: text}
        self._say(app, form, b"f", fields)

    def changed(self, books: list[Followed]) -> None:
        """What the feed has changed in one turn."""
        self._look_at([watch for followed in books for watch in self._of_book.get(followed, ())])

    def _look_at(self, watches: list[Watch]) -> None:
        """Tell those whose book is in another phase; those that cannot be told now, later."""
        said = False
        for watch in watches:
            followed = watch.followed
            if followed is None:
                continue
            if followed.settled and is_ready(watch.app):
                phase = followed.book.phase
                if phase != watch.sent:
                    self.market.tick()
                    self._tell_status(watch, followed)
                    said = True
                if not watch.lasting:
                    self._drop(watch)
            elif watch.sent is None and monotonic_ns() > watch.until_ns:
                self.market.tick()
                self._drop(watch)
                self._tell_status_unknown(watch.app, watch.form, watch.name, watch.symbol, NOT_AVAILABLE)
                said = True
            else:
                self._look_again()
        if said:
            self.market.hub.commit()

    def _tell_status(self, watch: Watch, followed: Followed) -> None:
        book, form = followed.book, watch.form
        stats = book.stats
        fields = {
            324: watch.name, 55: watch.symbol.encode(), 60: stamp(book.time_ns),
            326: form.pick(326, SECURITY_STATUS.get(book.phase, UNKNOWN_SECURITY)),
        }  # fmt: skip
        if watch.sent is not None or watch.anew:
            fields[325] = b"Y"
        for tag, price in ((31, stats.last), (332, stats.high), (333, stats.low)):
            if price:
                fields[tag] = price_text(price)
        if book.text:
            fields[58] = book.text.encode("latin-1", "replace")
        self._say(watch.app, form, b"f", fields)
        watch.sent = book.phase

    # --------------------------------------------------------------------------------------------- trading as a whole
    def trading(self, app: Any, form: Form, message: Message) -> None:
        """TradingSessionStatusRequest."""
        self.counters["statuses"] += 1
        name, key = message.get(335) or b"", (b"g", message.get(335) or b"")
        known = self._watches.setdefault(owner(app), {})
        asked = message.get(336)
        if message.get(263) == b"2":
            if key in known:
                self._leave(known.pop(key))
        elif asked is not None and asked != session_id(form, app):
            app.reject_message(message, 1, "unknown TradingSessionID", name)
        elif len(known) >= WATCHES_MAX:
            app.reject_message(message, 4, "too many requests are under way", name)
        else:
            watch = known[key] = Watch(app, form, name, "", None, message.get(263) == b"1")
            self.feed.refresh(lambda: self._tell_trading([watch]))

    def _tell_trading(self, watches: list[Watch]) -> None:
        """TradingSessionStatus, to those who have not been told yet how it is."""
        said = False
        for watch in watches:
            if self._watches.get(owner(watch.app), {}).get((b"g", watch.name)) is not watch:
                continue
            status = status_of(self.feed.rows(watch.app.services.engine)) if self.feed.known else 0
            if status != watch.sent and is_ready(watch.app):
                self.market.tick()
                self._tell_session(watch, status)
                said = True
                if not watch.lasting:
                    self._drop(watch)
        if said:
            self.market.hub.commit()
        self._look_again()

    def _tell_session(self, watch: Watch, status: int) -> None:
        form = watch.form
        fields = {335: watch.name, 336: session_id(form, watch.app), 340: form.pick(340, (status, CLOSED)), 338: b"1"}
        if watch.sent is not None or watch.anew:
            fields[325] = b"Y"
        if not status:
            fields[58] = NOT_AVAILABLE
        self._say(watch.app, form, b"h", fields)
        watch.sent = status

    # --------------------------------------------------------------------------------------------- looking again
    def _look_again(self) -> None:
        """Somebody follows trading as a whole, or waits."""
        if self._looking:
            return
        watches = [watch for of_owner in self._watches.values() for watch in of_owner.values()]
        if any(watch.followed is None or watch.sent is None for watch in watches):
            self._looking = True
            self.market.loop.call_later(SESSIONS_EVERY_S, self._look)

    def _look(self) -> None:
        self._looking = False
        watches = [watch for of_owner in self._watches.values() for watch in of_owner.values()]
        self._look_at([watch for watch in watches if watch.followed is not None and watch.sent is None])
        sessions = [watch for watch in watches if watch.followed is None]
        if sessions:
            self.feed.refresh(lambda: self._tell_trading(sessions))

    def _drop(self, watch: Watch) -> None:
        known = self._watches.get(owner(watch.app), {})
        known.pop((b"g" if watch.followed is None else b"e", watch.name), None)
        self._leave(watch)

    def _leave(self, watch: Watch) -> None:
        followed = watch.followed
        if followed is not None:
            watching = self._of_book[followed]
            del watching[watch]
            if not watching:
                del self._of_book[followed]
            self.feed.leave(followed)


# ------------------------------------------------------------------------------------------------- words
def session_id(form: Form, app: Any) -> bytes:
    """TradingSessionID(336): the engine's name; where a version has a list of them, 1 (day)."""
    name: bytes = app.services.engine.encode("ascii", "replace")
    return name if form.allows(336, name) else b"1"


def status_of(rows: list[SymbolRow]) -> int:
    """TradSesStatus(340) of an engine with these books."""
    found = {SESSION_STATUS.get(row.phase, CLOSED) for row in rows}
    return next((status for status in FORWARD if status in found), CLOSED)
