"""OrderMassCancelRequest(q) and its report (r), and OrderMassStatusRequest(AF).

Rule. The token of a mass cancel says all that its report needs, since nothing else comes back with MASS_CANCELED:
      SOH q, the request's type, the symbol's length and the symbol, the ClOrdID. No ClOrdID can look like that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.gateway.fix.orders import wrong_id
from openoutcry.gateway.fix.part import Events, Handlers, Part
from openoutcry.gateway.fix.plans import SIDES
from openoutcry.gateway.fix.reports import text_piece

if TYPE_CHECKING:
    from openoutcry.fix.message import Message

OF_A_SECURITY: Final = b"1"  # MassCancelRequestType(530), MassStatusReqType(585)
ALL_ORDERS: Final = b"7"
PREFIX: Final = b"\x01q"
OWN_ORDERS: Final = 1  # scope of MASS_CANCEL


class MassCancels(Part):
    """See the module."""

    def handlers(self) -> Handlers:
        """See Part."""
        return {b"q": self._cancel}

    def events(self) -> Events:
        """See Part."""
        return {wire.MASS_CANCELED: self._canceled}

    # --------------------------------------------------------------------------------------------- q, r
    def _cancel(self, message: Message, out: list[Any], again: bool) -> None:
        app = self._app
        token, kind = message.get(11) or b"", message.get(530) or b""
        symbol = message.get(55) or b""
        side = SIDES.get(message.get(54) or b"", 0)
        text, reason = wrong_id(token, 11, "ClOrdID"), b"99"
        if kind not in (OF_A_SECURITY, ALL_ORDERS):
            text, reason = "MassCancelRequestType(530) must be 1 or 7", b"0"
        elif kind == OF_A_SECURITY and not 0 < len(symbol) <= wire.SYMBOL_MAX:
            text, reason = "Symbol(55) is missing, or no symbol", b"1"
        if text:
            self._tell(token, kind, symbol, b"0", reason, 0, text, app.services.now_ns())
            return
        if kind == ALL_ORDERS:
            symbol = b""
        name = PREFIX + kind + bytes((len(symbol),)) + symbol + token
        if again:
            out.append((wire.AGAIN, app.number))
        out.append((wire.MASS_CANCEL, app.number, name, OWN_ORDERS, symbol.decode("latin-1"), side, 0, wire.PRICE_MAX))

    def _canceled(self, event: tuple[Any, ...], time_ns: int) -> None:
        _, _, name, count = event
        if name[:2] != PREFIX:
            return
        kind, size = name[2:3], name[3]
        symbol, token = name[4 : 4 + size], name[4 + size :]
        self._tell(token, kind, symbol, kind, b"", count, "", time_ns)

    def _tell(
        self, token: bytes, kind: bytes, symbol: bytes, response: bytes, reason: bytes, count: int, text: str,
        time_ns: int,
    ) -> None:  # fmt: skip
        app = self._app
        app.book.masses += 1
        number = b"M%d-%d" % (app.number, app.book.masses)
        version = app.dialect.version
        if reason == b"99" and version == "FIX.4.3":
            reason = b"0"
        parts = [b"11=%b\x01" % token[:64] if token else b"", b"37=%b\x01" % number]
        parts += [b"55=%b\x01" % symbol if symbol else b"", text_piece(text), b"60=%b\x01" % app.stamp(time_ns),
                  b"530=%b\x01531=%b\x01" % (kind, response), b"532=%b\x01" % reason if reason else b"",
                  b"533=%d\x01" % count]  # fmt: skip
        if version in ("FIX.5.0SP1", "FIX.5.0SP2"):
            parts.append(b"1369=%b\x01" % number)
        app.emit(b"r", b"".join(parts))

    # --------------------------------------------------------------------------------------------- AF
    def status(self, message: Message) -> None:
        """One ExecutionReport for each live order that is asked for, or one that says there is none."""
        app = self._app
        kind, name = message.get(585) or b"", message.get(584) or b""
        mass = b"584=%b\x01" % name
        if kind not in (OF_A_SECURITY, ALL_ORDERS):
            app.reject_message(message, 0, "MassStatusReqType(585) must be 1 or 7", name)
            return
        found = [order for order in app.book.live() if kind == ALL_ORDERS or order.form.symbol == message.get(55)]
        found = [order for order in found if SIDES.get(message.get(54) or b"", order.side) == order.side]
        for place, order in enumerate(found, 1):
            total = b"911=%d\x01912=%b\x01" % (len(found), b"Y" if place == len(found) else b"N")
            app.tell_status(order, (mass, b""), total)
        if not found:
            app.tell_unknown(message, b"", (mass, b""), b"911=0\x01912=Y\x01")
