"""Orders as a FIX session sees them, and their ExecutionReports: a pure function of the session's events.

Rule 1. What a report says comes from three places: the *form* of the order (the fields that stay the same, in the
        version's own layout, ``Form``), its state (``Order``), and the event. Nothing else, but for the answers to
        status requests and orders that never reached the bus.
Rule 2. The client_data of an order's commands is ``HEAD`` (OrderQty, Price in 1e-8) and then the fields that reports
        repeat, as FIX has them, in the order of ``dialects.ECHOED``. Orders of a client are mostly alike in these, so
        forms are kept by their bytes (``Forms``).
Rule 3. ExecID is unique and the same whenever it is made anew: OrderID-MatchNumber for a trade, OrderID.n for what else
        happens to an order, R<session>-n for an order that was rejected (4.0 has numbers for them). OrderID is the
        number that the order had when it was accepted, through all that replaces it.

The two reports that matter for speed, accepted and traded, have formats of their own; ``general`` makes all others.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final

from openoutcry.fix.values import average, price_text
from openoutcry.gateway.fix import dialects
from openoutcry.gateway.fix.dialects import DIALECTS, Dialect

FORMS_MAX: Final = 8_192  # forms of a version that are kept; a client that has more of them has them made anew
TEXT_MAX: Final = 256  # characters of Text(58)
FILLS_MAX: Final = 1_000  # trades of one order that are remembered: enough to break or correct those of a day or more
FILL_FIELDS: Final = 5  # of ``Order.fills``

HEAD: Final = Struct(">QQ")
HEAD_SIZE: Final = HEAD.size
NONE: Final = b"NONE"  # in place of an identifier that there is not


def fields_of(data: bytes) -> list[tuple[int, bytes]]:
    """Fields that were joined as ``1=A<SOH>55=X<SOH>``; what is none is left out."""
    found = []
    for field in data.split(b"\x01"):
        tag, _, value = field.partition(b"=")
        if tag.isdigit():
            found.append((int(tag), value))
    return found


# ------------------------------------------------------------------------------------------------- forms
class Form:
    """What all reports of one order have in common, for one version.

    echo: as in client_data, without its head. extra: fields put in beside (drop copies: whose order it is).
    """

    __slots__ = (
        "_changed", "_general", "accepted", "account", "all_fills", "echo", "fields", "listed", "part_fills", "pieces",
        "symbol",
    )  # fmt: skip

    def __init__(self, dialect: Dialect, echo: bytes, extra: dict[int, bytes]) -> None:
        self.echo = echo
        self.fields: dict[int, bytes] = dict(fields_of(echo))
        self.symbol = self.fields.get(55, b"")
        self.account = self.fields.get(1, b"").decode("latin-1")
        self.listed = 66 in self.fields and 68 in self.fields  # it is one of a list
        self.pieces: dict[int, bytes] = {
            tag: b"%d=%b\x01" % (tag, value) for tag, value in self.fields.items() if tag in dialect.reported
        } | extra
        self.accepted = self.format(dialect.accepted)
        numbered = {17: dialect.part_fills[17] + self.fields.get(54, b"1") + b"\x01"} if dialect.numeric else {}
        self.part_fills = self.format(dialect.part_fills | numbered)
        self.all_fills = self.format(dialect.all_fills | numbered)
        self._changed: bytes = b""
        self._general: bytes = b""

    def format(self, layout: dict[int, bytes]) -> bytes:
        """A layout with the form's own fields, ascending by tag."""
        merged = dict(layout)
        for tag, piece in self.pieces.items():
            swallowed = dialects.NOTHING if tag in layout else b""  # what could not be read as a number comes as it was
            merged[tag] = swallowed + piece.replace(b"%", b"%%")
        return b"".join(merged[tag] for tag in sorted(merged))

    def changed(self, dialect: Dialect) -> bytes:
        """The format for orders that were replaced or are done, made when it is first needed."""
        if not self._changed:
            self._changed = self.format(dialect.changed)
        return self._changed

    def general(self, dialect: Dialect) -> bytes:
        """The format for all other reports, made when it is first needed."""
        if not self._general:
            self._general = self.format(dialect.general)
        return self._general


class Forms:
    """The forms of one version by their bytes."""

    __slots__ = ("_extra", "_kept", "dialect")

    def __init__(self, dialect: Dialect, extra: dict[int, bytes] | None = None) -> None:
        self.dialect = dialect
        self._extra = extra or {}
        self._kept: dict[bytes, Form] = {}

    def __getitem__(self, echo: bytes) -> Form:
        form = self._kept.get(echo)
        if form is None:
            if len(self._kept) >= FORMS_MAX:
                self._kept.clear()
            form = self._kept[echo] = Form(self.dialect, echo, self._extra)
        return form

    def get(self, echo: bytes) -> Form | None:
        """One that is there."""
        return self._kept.get(echo)


FORMS: Final[dict[str, Forms]] = {version: Forms(dialect) for version, dialect in DIALECTS.items()}


# ------------------------------------------------------------------------------------------------- orders
class Order:
    """One order of a session, live or remembered.

    number: OrderID. token: its newest ClOrdID; previous: the one before, as long as the newest report is about that.
    quantity, leaves, cum: OrderQty, LeavesQty, CumQty. notional: of what has traded, in 1e-8. execs: how many
    ExecIDs it has used, but for trades. cancel: the ClOrdID of a cancel request that waits. fills: match, quantity,
    price, liquidity and time of each trade, one after the other. live: as far as the matcher has said.
    """

    __slots__ = (
        "cancel", "cum", "execs", "fills", "form", "leaves", "live", "notional", "number", "price", "quantity", "side",
        "status", "time_ns", "token",
    )  # fmt: skip

    def __init__(self, token: bytes, number: int, side: int, quantity: int, price: int, form: Form) -> None:
        self.token = token
        self.number = number
        self.side = side
        self.quantity = self.leaves = quantity
        self.price = price
        self.form = form
        self.cum = 0
        self.notional = 0
        self.execs = 1
        self.status = dialects.NEW
        self.cancel = b""
        self.fills: list[int] = []
        self.live = True
        self.time_ns = 0

    def dump(self) -> tuple[Any, ...]:
        """For ``load``; all of it fits msgpack (a notional may not)."""
        return (self.token, self.number, self.side, self.quantity, self.leaves, self.price, self.cum,
                b"%d" % self.notional, self.execs, self.status, self.cancel, self.fills, self.live, self.time_ns,
                self.form.echo)  # fmt: skip

    @classmethod
    def load(cls, row: tuple[Any, ...], forms: Forms) -> Order:
        """The reverse of ``dump``."""
        (token, number, side, quantity, leaves, price, cum, notional, execs, status, cancel, fills, live, time_ns,
         echo) = row  # fmt: skip
        order = cls(token, number, side, quantity, price, forms[echo])
        order.leaves, order.cum, order.notional, order.execs = leaves, cum, int(notional), execs
        order.status, order.cancel, order.fills = status, cancel, list(fills)
        order.live, order.time_ns = bool(live), time_ns
        return order

    def average(self) -> bytes:
        """AvgPx(6)."""
        if not self.cum:
            return b"0"
        price, rest = divmod(self.notional, self.cum)
        return average(self.notional, self.cum) if rest else price_of(price)

    def add_fill(self, match: int, quantity: int, price: int, liquidity: int, time_ns: int) -> None:
        """Remember a trade; the oldest of very many are forgotten."""
        fills = self.fills
        fills += (match, quantity, price, liquidity, time_ns)
        if len(fills) > FILLS_MAX * FILL_FIELDS:
            del fills[:FILL_FIELDS]

    def drop_fill(self, match: int) -> None:
        """Forget a trade."""
        for at in range(0, len(self.fills), FILL_FIELDS):
            if self.fills[at] == match:
                del self.fills[at : at + FILL_FIELDS]
                return

    def correct_fill(self, match: int, price: int) -> int:
        """Give a trade another price; returns the one it had, which is the new one if it is not remembered."""
        for at in range(0, len(self.fills), FILL_FIELDS):
            if self.fills[at] == match:
                before, self.fills[at + 2] = self.fills[at + 2], price
                return before
        return price

    def order_id(self) -> bytes:
        """OrderID(37)."""
        return b"%d" % self.number if self.number else NONE

    def next_exec(self) -> int:
        """For a new ExecID, of what is no trade."""
        self.execs += 1
        return self.execs


# ------------------------------------------------------------------------------------------------- pieces
_PRICES_KEPT: Final = 8_192
_texts: Final[dict[int, bytes]] = {}
_pieces: Final[dict[int, bytes]] = {0: b""}


def price_of(price: int) -> bytes:
    """The text of a price; prices repeat."""
    text = _texts.get(price)
    if text is None:
        if len(_texts) >= _PRICES_KEPT:
            _texts.clear()
        text = _texts[price] = price_text(price)
    return text


def price_piece(price: int) -> bytes:
    """Price(44) with its tag; b"" for none."""
    piece = _pieces.get(price)
    if piece is None:
        if len(_pieces) >= _PRICES_KEPT:
            _pieces.clear()
            _pieces[0] = b""
        piece = _pieces[price] = b"44=%b\x01" % price_text(price)
    return piece


def text_piece(text: str) -> bytes:
    """Text(58) with its tag; b"" for none."""
    if not text:
        return b""
    return b"58=%b\x01" % text[:TEXT_MAX].encode("latin-1", "replace").replace(b"\x01", b"|")


# ------------------------------------------------------------------------------------------------- changes
class Change:
    """What is new about an order that was replaced or is done. kind: an ExecType; original: OrigClOrdID, b"" for none;
    text: with its tag; serial, count: for the ExecID (``Dialect.exec_id``)."""

    __slots__ = ("client_id", "count", "kind", "original", "serial", "text")

    def __init__(self, kind: bytes, serial: int, count: int, client_id: bytes, original: bytes, text: bytes) -> None:
        self.kind = kind
        self.serial = serial
        self.count = count
        self.client_id = client_id
        self.original = b"41=%b\x01" % original if original else b""
        self.text = text


def changed(dialect: Dialect, form: Form, order: Order, change: Change, stamp: bytes) -> bytes:
    """The body of the report of a change in any version."""
    status = dialect.status(order.status, order.cum)
    return form.changed(dialect) % (
        order.average(),
        change.client_id,
        order.cum,
        dialect.exec_id(order.number, change.serial, change.count),
        order.number,
        order.quantity,
        status,
        change.original,
        price_piece(order.price),
        change.text,
        stamp,
        dialect.exec_type(change.kind, status),
        order.leaves,
    )


# ------------------------------------------------------------------------------------------------- any report
class Report:
    """One report that is neither of an order that was accepted nor of a trade; made and thrown away.

    kind: what has happened, an ExecType. serial: for its ExecID, the order's (``Order.next_exec``), or that of the
    session's rejected orders; 0 for an answer, which has none. What is b"" is not in it; what has a tag comes with it.
    """

    __slots__ = (
        "answer", "client_id", "count", "kind", "last", "match", "original", "reason", "restatement", "serial",
        "session", "text", "total",
    )  # fmt: skip

    def __init__(self, kind: bytes, serial: int, client_id: bytes) -> None:
        self.kind = kind
        self.serial = serial
        self.count = 0  # of all such reports of the session
        self.session = 0  # of a rejected order
        self.client_id = client_id  # ClOrdID(11)
        self.original = b""  # OrigClOrdID(41)
        self.match = 0  # for ExecRefID(19): the trade that it is about
        self.last = b""  # 31=LastPx, 32=LastQty
        self.text = b""  # 58=Text
        self.reason = -1  # of wire.REJECT_REASONS, for OrdRejReason(103)
        self.restatement = b""  # ExecRestatementReason(378)
        self.answer = (b"", b"")  # 584=MassStatusReqID, 790=OrdStatusReqID
        self.total = b""  # 911=TotNumReports, 912=LastRptRequested


def general(dialect: Dialect, form: Form, order: Order, report: Report, stamp: bytes) -> bytes:
    """The body of a report in any version. form: the order's, or the drop copy's of it."""
    status = dialect.status(order.status, order.cum)
    kind = dialect.exec_type(report.kind, status)
    last = report.last or (b"31=0\x0132=0\x01" if dialect.needs_last else b"")
    restatement = report.restatement
    if kind != dialects.RESTATED and report.kind != dialects.CANCELED:
        restatement = b""
    if report.session:
        exec_id = dialect.reject_id(report.session, report.serial, report.count)
    else:
        exec_id = dialect.exec_id(order.number, report.serial, report.count) if report.serial else b"0"
    mass, single = report.answer
    return form.general(dialect) % (
        order.average(),
        b"11=%b\x01" % report.client_id if report.client_id else b"",
        order.cum,
        exec_id,
        b"19=%b\x01" % dialect.trade_id(order.number, report.match, order.side) if report.match else b"",
        dialect.transaction(report.kind),
        last,
        order.order_id(),
        order.quantity,
        status,
        b"41=%b\x01" % report.original if report.original else b"",
        price_piece(order.price),
        report.text,
        stamp,
        b"103=%b\x01" % dialect.reject_code(report.reason) if report.reason >= 0 else b"",
        kind,
        order.leaves,
        b"378=%b\x01" % restatement if restatement else b"",
        mass,
        single,
        report.total,
    )


def last_piece(price: int, quantity: int) -> bytes:
    """LastPx and LastQty with their tags."""
    return b"31=%b\x0132=%d\x01" % (price_text(price), quantity)
