"""Drop copies: the ExecutionReports of a gateway's FIX sessions, again for sessions that are to see them.

    services.copies = Copies()          one a gateway; an Application whose session has DropCopy joins it by itself
    copies.remove(application)          its session is deleted, or gets another application

Rule 1. A copy is made from the same event as the original, so it is in the same record of the gateway's store: both are
        there or none, exactly once. What answers a question (status requests) is not copied, nor is a session's own to
        itself.
Rule 2. A copy is in the words of the session that receives it, whatever version the original's speaks. A field's value
        that its version has not got is left out.
Rule 3. It says whose order it is: ClientID(109) before 4.3, then a party (453) with the CompID of the order's session;
        from 4.4 on CopyMsgIndicator(797) too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from openoutcry.fix.dictionary import Field, load
from openoutcry.fix.values import IS
from openoutcry.gateway.fix.dialects import FILLED, Dialect
from openoutcry.gateway.fix.reports import (
    FILL_FIELDS,
    FORMS_MAX,
    Change,
    Form,
    Order,
    Report,
    changed,
    general,
    price_of,
    price_piece,
)

if TYPE_CHECKING:
    from openoutcry.gateway.fix.application import Application

ALL: Final = "all"  # DropCopy: of all sessions, or ("account") of one account's orders


class Copies:
    """The sessions of one gateway that receive copies."""

    __slots__ = ("_forms", "_receivers")

    def __init__(self) -> None:
        self._receivers: list[Application] = []
        self._forms: dict[tuple[str, str, bytes], Form] = {}

    def add(self, application: Application) -> None:
        """A session with DropCopy."""
        if application not in self._receivers:
            self._receivers.append(application)

    def remove(self, application: Application) -> None:
        """It receives no more."""
        if application in self._receivers:
            self._receivers.remove(application)

    def __len__(self) -> int:
        return len(self._receivers)

    def _of(self, source: Application, order: Order) -> list[Application]:
        account = order.form.account or source.account
        return [
            each for each in self._receivers
            if each is not source
            and (each.settings.DropCopy == ALL or account == each.settings.DropCopyAccount)
        ]  # fmt: skip

    def _form(self, dialect: Dialect, source: Application, order: Order) -> Form:
        key = (dialect.version, source.settings.TargetCompID, order.form.echo)
        form = self._forms.get(key)
        if form is None:
            if len(self._forms) >= FORMS_MAX:
                self._forms.clear()
            form = self._forms[key] = _form(dialect, source.settings.TargetCompID.encode("latin-1"), order.form)
        return form

    # --------------------------------------------------------------------------------------------- reports
    def tell(self, source: Application, order: Order, report: Report, time_ns: int) -> None:
        """A copy of any report."""
        for each in self._of(source, order):
            form = self._form(each.dialect, source, order)
            each.emit(b"8", general(each.dialect, form, order, report, each.stamp(time_ns)))

    def tell_change(self, source: Application, order: Order, change: Change, time_ns: int) -> None:
        """A copy of the report of an order that was replaced or is done."""
        for each in self._of(source, order):
            form = self._form(each.dialect, source, order)
            each.emit(b"8", changed(each.dialect, form, order, change, each.stamp(time_ns)))

    def tell_accepted(self, source: Application, order: Order, time_ns: int) -> None:
        """A copy of the report of an order that was accepted."""
        for each in self._of(source, order):
            values = (order.token, order.number, order.number, order.quantity, price_piece(order.price),
                      each.stamp(time_ns), order.quantity)  # fmt: skip
            each.emit(b"8", self._form(each.dialect, source, order).accepted % values)

    def tell_executed(self, source: Application, order: Order, time_ns: int) -> None:
        """A copy of the report of an order's newest trade."""
        match, quantity, price, liquidity, _ = order.fills[-FILL_FIELDS:]
        for each in self._of(source, order):
            form = self._form(each.dialect, source, order)
            layout = form.all_fills if order.status == FILLED else form.part_fills
            values = (order.average(), order.token, order.cum, order.number, match, price_of(price), quantity,
                      order.number, order.quantity, price_piece(order.price), each.stamp(time_ns), order.leaves,
                      each.dialect.liquidity[liquidity])  # fmt: skip
            each.emit(b"8", layout % values)


def fits(field: Field, value: bytes) -> bool:
    """Whether a value is one of a field's, in the version that the field is of."""
    if field.values:
        return value in field.values or all(part in field.values for part in value.split())
    if field.type == "CHAR":  # before 4.2 a text; enumerations apart, there are no single characters among them
        return True
    return re.fullmatch(IS.get(field.type, b".+"), value) is not None


def _form(dialect: Dialect, whose: bytes, form: Form) -> Form:
    """A form in another version, with whose order it is."""
    fields = load(dialect.version.replace(".", "")).fields
    echo = b"".join(
        b"%d=%b\x01" % (tag, value) for tag, value in form.fields.items() if tag in fields and fits(fields[tag], value)
    )
    extra: dict[int, bytes] = {}
    if 109 in dialect.has:
        extra[109] = b"109=%b\x01" % whose
    else:
        extra[453] = b"453=1\x01448=%b\x01447=D\x01452=%b\x01" % (whose, _CLIENT_ROLE)
    if 797 in dialect.has:
        extra[797] = b"797=Y\x01"
    return Form(dialect, echo, extra)


_CLIENT_ROLE: Final = b"3"  # PartyRole(452): client ID
