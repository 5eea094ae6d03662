"""What the messages of one FIX session mean: messages into commands of the bus, its events into messages.

    application = Application(number, settings, validator, emit, services)
    application.take(message, out, again)     # a client's message: commands appended to `out`, or answered by emit
    application.event(event, time_ns)         # an event of the session: emit(kind, body) what it says
    application.absorb(event, time_ns)        # the same without a word
    application.dump() / application.load(pieces)     # what it knows
    application.logged_on() / application.logged_off()

Invariant: what it knows (``Book``: orders, quotes, counters) changes by ``event`` and ``absorb`` alone, and by nothing
but the events; ``take`` only reads it. So a gateway that starts anew has it again from a dump and the events after it,
and makes the same reports with the same ExecIDs.

Where to go next: orders.py and plans.py (orders in), reports.py and dialects.py (reports out, per version), quotes.py,
masscancel.py, lists.py, trades.py and copies.py (everything else).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.fix import rejects
from openoutcry.fix.reasons import BUSINESS_UNSUPPORTED
from openoutcry.fix.settings import PRECISIONS
from openoutcry.fix.times import stamp
from openoutcry.gateway.fix import dialects, lists, masscancel, quotes, trades
from openoutcry.gateway.fix.book import Book
from openoutcry.gateway.fix.dialects import DIALECTS
from openoutcry.gateway.fix.executions import Executions
from openoutcry.gateway.fix.orders import CL_ORD_ID_MAX, Entry
from openoutcry.gateway.fix.plans import echo_of
from openoutcry.gateway.fix.reports import (
    FORMS,
    NONE,
    Change,
    Form,
    Forms,
    Order,
    Report,
    changed,
    general,
    text_piece,
)
from openoutcry.gateway.fix.withheld import Withheld

if TYPE_CHECKING:
    from openoutcry.fix.message import Message
    from openoutcry.fix.settings import SessionSettings
    from openoutcry.fix.validate import Validator

Event = tuple[Any, ...]
Emit = Callable[..., None]  # emit(kind, body, keep=True, extra=()): extra fields of the header
BUSINESS_LEVEL: Final = 2  # of rejects.LEVELS, from which there is BusinessMessageReject


class Application:
    """See the module. number: of the session, on the bus."""

    def __init__(
        self, number: int, settings: SessionSettings, validator: Validator, emit: Emit, services: Any
    ) -> None:  # fmt: skip
        self.number = number
        self.settings = settings
        self.validator = validator
        self.services = services
        self.emit = emit
        self.account: str = settings.Account or settings.TargetCompID
        self.dialect = DIALECTS[settings.version]
        self.forms: Forms = FORMS[settings.version]
        self.digits = min(PRECISIONS[settings.TimestampPrecision], self.dialect.digits)
        self._level = rejects.LEVELS[settings.BeginString]
        self.entry = Entry(number, self.account)
        self.book = Book()
        self.counters = {"unsupported": 0, "dont_know_trade": 0, "business_rejects": 0, "orphans": 0, "answered": 0}
        self.copies: Any = services.copies if services is not None else None
        self._stamp_ns = -1
        self._stamp = b""
        self._handlers: dict[bytes, Callable[[Message, list[Any], bool], None]] = {
            b"D": self._new_order, b"F": self._cancel, b"G": self._change, b"H": self._status, b"Q": self._dont_know,
            b"j": self._rejected, b"AF": self._mass_status,
        }  # fmt: skip
        self._events: dict[int, Callable[[Event, int], None]] = {}
        self.quotes = quotes.Quotes(self)
        self.lists = lists.Lists(self)
        self.masses = masscancel.MassCancels(self)
        self.trades = trades.Trades(self)
        for part in (Executions(self), self.quotes, self.lists, self.masses, self.trades, Withheld(self)):
            self._handlers.update(part.handlers())
            self._events.update(part.events())
        if settings.DropCopy != "no" and self.copies is not None:
            self.copies.add(self)

    # --------------------------------------------------------------------------------------------- the host's calls
    def take(self, message: Message, out: list[Any], again: bool) -> None:
        """A client's message: commands into `out`, or an answer. again: it may have come before."""
        handler = self._handlers.get(message.kind)
        if handler is None:
            self._unsupported(message)
        else:
            handler(message, out, again)

    def event(self, event: Event, time_ns: int) -> None:
        """One event of this session."""
        handler = self._events.get(event[0])
        if handler is not None:
            handler(event, time_ns)

    def absorb(self, event: Event, time_ns: int) -> None:
        """One event that has been told already."""
        emit, copies = self.emit, self.copies
        self.emit, self.copies = _silent, None
        try:
            self.event(event, time_ns)
        finally:
            self.emit, self.copies = emit, copies

    def dump(self) -> list[bytes]:
        """Pieces of msgpack of at most ``book.PIECE_MAX`` bytes."""
        return self.book.dump()

    def load(self, pieces: list[bytes]) -> None:
        """The reverse of ``dump``."""
        self.book.load(pieces, self.forms)

    def logged_on(self) -> None:
        """The client is there."""

    def logged_off(self) -> None:
        """The client has gone."""

    def statistics(self) -> dict[str, int]:
        """Counters, and how many orders it remembers."""
        return {**self.counters, "orders": len(self.book.orders), "done": len(self.book.done)}

    # --------------------------------------------------------------------------------------------- orders in
    def _new_order(self, message: Message, out: list[Any], again: bool) -> None:
        text = self.entry.order(message, out, again)
        if text:
            self._refuse_unnamed(message, text)

    def _cancel(self, message: Message, out: list[Any], again: bool) -> None:
        original = self._original(message)
        reason, text = self.entry.cancel(message, original, out, again)
        if text:
            self._reject_request(message, original, 1, reason, text)

    def _change(self, message: Message, out: list[Any], again: bool) -> None:
        original = self._original(message)
        order = self.book.orders.get(original)
        reason, text = self.entry.change(message, original, 0 if order is None else order.side, out, again)
        if text:
            self._reject_request(message, original, 2, reason, text)

    def _original(self, message: Message) -> bytes:
        """OrigClOrdID; where a version lets that be left out, of the order with that OrderID."""
        original = message.get(41)
        if original is None:
            order = self.book.by_order_id(message.get(37) or b"")
            return b"" if order is None else order.token
        return original

    def _refuse_unnamed(self, message: Message, text: str) -> None:
        """An order that the bus cannot take for want of a ClOrdID that can be one."""
        fields = dict(message.pairs()[::-1])
        echo = echo_of(fields, 38, 44)
        order = Order((message.get(11) or b"")[:CL_ORD_ID_MAX], 0, wire.BUY, 0, 0, Form(self.dialect, echo, {}))
        order.status, order.leaves = dialects.REJECTED, 0
        now_ns = self.services.now_ns()
        report = Report(dialects.REJECTED, now_ns, order.token)  # not counted: that is for what events say
        report.text, report.reason, report.session = text_piece(text), wire.REJECT_FIELD, self.number
        report.count = now_ns // 1_000
        self.answer(order, report)

    def _reject_request(self, message: Message, original: bytes, kind: int, reason: int, text: str) -> None:
        self.reject_request(original, message.get(11) or b"", kind, reason, text, self.services.now_ns())

    def reject_request(self, original: bytes, request: bytes, kind: int, reason: int, text: str, now_ns: int) -> None:
        """OrderCancelReject(9). kind: 1 of a cancel, 2 of a replacement."""
        order = self.book.orders.get(original)
        dialect = self.dialect
        if reason == wire.REJECT_UNKNOWN_ORDER and order is not None:
            reason, text = wire.REJECT_TOO_LATE, "too late: the order is done"
        status = dialects.REJECTED if order is None else dialect.status(order.status, order.cum)
        parts = [b"11=%b\x01" % (request[:CL_ORD_ID_MAX] or NONE), b"37=%b\x01" % (order.order_id() if order else NONE)]
        if dialect.exec_types:  # from 4.1 on
            parts.append(b"39=%b\x0141=%b\x01" % (status, original[:CL_ORD_ID_MAX] or NONE))
        parts.append(text_piece(text))
        if not dialect.needs_last:  # from 4.2 on
            parts.append(b"60=%b\x01" % self.stamp(now_ns))
        parts.append(dialect.cancel_code(reason))
        if not dialect.needs_last:
            parts.append(b"434=%d\x01" % kind)
        self.emit(b"9", b"".join(parts))

    # --------------------------------------------------------------------------------------------- questions
    def _status(self, message: Message, out: list[Any], again: bool) -> None:
        """OrderStatusRequest: from what the events have said so far."""
        token = message.get(11)
        order = self.book.by_order_id(message.get(37) or b"") if token is None else self.book.orders.get(token)
        single = message.get(790)
        answer = (b"", b"" if single is None else b"790=%b\x01" % single)
        if order is None:
            self.tell_unknown(message, token or b"", answer, b"")
        else:
            self.tell_status(order, answer, b"")

    def tell_unknown(self, message: Message, token: bytes, answer: tuple[bytes, bytes], total: bytes) -> None:
        """An ExecutionReport that says that there is no such order."""
        fields = {54: b"1"} | dict(message.pairs()[::-1])  # each version's report has a Side
        order = Order(token, 0, wire.BUY, 0, 0, Form(self.dialect, echo_of(fields, 38, 44), {}))
        order.status = dialects.REJECTED
        report = Report(dialects.ORDER_STATUS, 0, token)
        report.reason, report.answer, report.text = wire.REJECT_UNKNOWN_ORDER, answer, text_piece("unknown order")
        report.total = total
        self.answer(order, report)

    def tell_status(self, order: Order, answer: tuple[bytes, bytes], total: bytes) -> None:
        """An ExecutionReport that says how an order is."""
        report = Report(dialects.ORDER_STATUS, 0, order.token)
        report.answer, report.total = answer, total
        self.answer(order, report)

    def _mass_status(self, message: Message, out: list[Any], again: bool) -> None:
        self.masses.status(message)

    def _dont_know(self, message: Message, out: list[Any], again: bool) -> None:
        """DontKnowTrade: taken note of; whoever operates the exchange decides about the trade."""
        self.counters["dont_know_trade"] += 1
        note = getattr(self.services, "note", None)
        if note is not None:
            note(f"session {self.settings.name} does not know trade {(message.get(17) or b'')[:64]!r}: "
                 f"DKReason {(message.get(127) or b'')[:1]!r}")  # fmt: skip

    def _rejected(self, message: Message, out: list[Any], again: bool) -> None:
        """BusinessMessageReject: the client could not use what we sent."""
        self.counters["business_rejects"] += 1

    def _unsupported(self, message: Message) -> None:
        if message.kind in _MARKET_KINDS:
            market = self.services.market
            if market is not None:
                market.take(self, message)
                return
        self.counters["unsupported"] += 1
        if self._level < BUSINESS_LEVEL:
            self._reply(message, *rejects.unsupported(message, self._level))
        else:
            self._reply(message, *rejects.business_reject(message, BUSINESS_UNSUPPORTED, "Unsupported Message Type"))

    def reject_message(self, message: Message, reason: int, text: str, reference: bytes = b"") -> None:
        """BusinessMessageReject(j) with BusinessRejectReason(380); Reject(3) before 4.2, which has no other."""
        if self._level < BUSINESS_LEVEL:
            self._reply(message, *rejects.reject(message, self._level, None, None, text))
        else:
            self._reply(message, *rejects.business_reject(message, reason, text, reference))

    def _reply(self, message: Message, kind: bytes, body: bytes) -> None:
        """To where a message came from, if it was routed."""
        back = rejects.way_back(message, self._level)
        if back:
            self.emit(kind, body, True, back)
        else:
            self.emit(kind, body)

    # --------------------------------------------------------------------------------------------- telling
    def stamp(self, time_ns: int) -> bytes:
        """TransactTime(60), in the session's precision."""
        if time_ns != self._stamp_ns:
            self._stamp_ns = time_ns
            self._stamp = stamp(time_ns, self.digits)
        return self._stamp

    def answer(self, order: Order, report: Report) -> None:
        """Emit a report that answers a question: nobody else hears it, and no event says when it was."""
        self.counters["answered"] += 1
        now_ns = order.time_ns or self.services.now_ns()
        self.emit(b"8", general(self.dialect, order.form, order, report, stamp(now_ns, self.digits)))

    def tell_change(
        self, order: Order, kind: bytes, client_id: bytes, original: bytes, text: bytes, time_ns: int
    ) -> None:
        """Emit the report of an order that was replaced or is done, and its copies."""
        order.time_ns = time_ns
        book = self.book
        book.reports += 1
        change = Change(kind, order.next_exec(), book.reports, client_id, original, text)
        self.emit(b"8", changed(self.dialect, order.form, order, change, self.stamp(time_ns)))
        if self.copies:
            self.copies.tell_change(self, order, change, time_ns)

    def tell(self, order: Order, report: Report, time_ns: int) -> None:
        """Emit a report, and its copies."""
        order.time_ns = time_ns
        self.book.reports += 1
        report.count = self.book.reports
        self.emit(b"8", general(self.dialect, order.form, order, report, self.stamp(time_ns)))
        if self.copies:
            self.copies.tell(self, order, report, time_ns)


_MARKET_KINDS: Final = frozenset((b"V", b"x", b"c", b"e", b"g"))


def _silent(kind: bytes, body: bytes, keep: bool = True, extra: tuple[tuple[int, bytes], ...] = ()) -> None:
    """In place of emit while events are absorbed."""
