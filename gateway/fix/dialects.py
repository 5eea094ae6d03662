"""What the versions of FIX say differently in the messages of orders: one ``Dialect`` a version, as data.

Invariant: everything in which two versions differ about ExecutionReport(8), OrderCancelReject(9) and their codes is in
this table or derived from it; the code that renders asks the dialect and never the version's name. Every tag and code
here is in the shipped dictionary of its version, which a test checks.

Reports are made from *layouts*: the tags of a report in ascending order, each either fixed (``150=0``) or a hole that
is filled with ``%``. A layout becomes a format once the fields of an order that stay the same are merged into it
(openoutcry.gateway.fix.reports). All versions have the same holes in the same order: where a version has not got a
field, its hole swallows the value (``NOTHING``).
"""

from __future__ import annotations

from typing import Final

from openoutcry import wire

NUMERIC_MAX: Final = (2**31 - 1) // 10  # of what an ExecID of 4.0 counts, before its last digit
NOTHING: Final = b"%.0a"  # takes a value of any kind and shows none of it

# Fields of an order that its reports repeat, if the version's ExecutionReport has them; the first are the most wanted,
# should there not be room for all (wire.CLIENT_DATA_MAX). 38 and 44: only when they could not be read.
ECHOED: Final = (
    54, 55, 40, 59, 66, 67, 68, 548, 38, 44, 1, 99, 110, 111, 126, 432, 1138, 18, 77, 47, 528, 529, 109, 526, 583, 21,
    15, 48, 22, 65, 63, 64, 581, 660, 582, 211, 836, 1094, 210, 1084, 1629, 2362, 2964, 167, 200, 207, 549,
)  # fmt: skip
_REPORTED_40: Final = frozenset((1, 15, 18, 22, 38, 40, 44, 47, 48, 54, 55, 59, 63, 64, 65, 66, 99, 109, 126))
_REPORTED_41: Final = _REPORTED_40 | {167, 200, 207, 211}
_REPORTED_42: Final = _REPORTED_41 | {21, 77, 110, 111, 210, 432}
_REPORTED_43: Final = (_REPORTED_42 - {109}) | {526, 528, 529, 548, 549, 581, 582, 583}
_REPORTED_44: Final = (_REPORTED_43 - {47}) | {660, 836}
_REPORTED_50: Final = _REPORTED_44 | {1084, 1094, 1138}
_REPORTED_50SP2: Final = _REPORTED_50 | {1629, 2362, 2964}

# OrdStatus(39), as the newest version has it; what an older one says instead is in ``Dialect.status``.
NEW: Final = b"0"
PARTIALLY_FILLED: Final = b"1"
FILLED: Final = b"2"
DONE_FOR_DAY: Final = b"3"
CANCELED: Final = b"4"
REPLACED: Final = b"5"
PENDING_CANCEL: Final = b"6"
REJECTED: Final = b"8"
EXPIRED: Final = b"C"

# ExecType(150) beyond these
RESTATED: Final = b"D"
TRADE_CORRECT: Final = b"G"
TRADE_CANCEL: Final = b"H"
ORDER_STATUS: Final = b"I"
TRIGGERED: Final = b"L"

# OrdRejReason(103) by reason: the first that the version has.
_OTHER: Final = (99, 0)
_REJECT_CODES: Final[dict[int, tuple[int, ...]]] = {
    wire.REJECT_HALTED: (2,),
    wire.REJECT_CLOSED: (2,),
    wire.REJECT_PHASE: (2,),
    wire.REJECT_SYMBOL: (1,),
    wire.REJECT_QUANTITY: (13, *_OTHER),
    wire.REJECT_MIN_QUANTITY: (13, *_OTHER),
    wire.REJECT_DISPLAY: (11, *_OTHER),
    wire.REJECT_ORDER_TYPE: (11, *_OTHER),
    wire.REJECT_TIME_IN_FORCE: (11, *_OTHER),
    wire.REJECT_UNSUPPORTED: (11, *_OTHER),
    wire.REJECT_COLLAR: (16, *_OTHER),
    wire.REJECT_MAX_QUANTITY: (3,),
    wire.REJECT_MAX_NOTIONAL: (3,),
    wire.REJECT_MAX_OPEN_ORDERS: (3,),
    wire.REJECT_MAX_POSITION: (3,),
    wire.REJECT_LIMIT: (3,),
    wire.REJECT_TOO_LATE: (4,),
    wire.REJECT_UNKNOWN_ORDER: (5, *_OTHER),
    wire.REJECT_DUPLICATE: (6, *_OTHER),
}
# CxlRejReason(102): 0 too late, 1 unknown order, 3 pending already, 6 duplicate ClOrdID; else 99, or 2 (broker).
_CANCEL_CODES: Final[dict[int, int]] = {
    wire.REJECT_TOO_LATE: 0,
    wire.REJECT_UNKNOWN_ORDER: 1,
    wire.REJECT_DUPLICATE: 6,
}
# ExecRestatementReason(378)
RESTATEMENT: Final[dict[int, bytes]] = {
    wire.RESTATED_TRIGGERED: b"3",  # repricing
    wire.RESTATED_PEGGED: b"3",
    wire.RESTATED_SLID: b"3",
    wire.RESTATED_LIMIT: b"3",
}
# LastLiquidityInd(851); 4, an auction, came with 5.0SP1.
_LIQUIDITY: Final[dict[int, int]] = {
    wire.ADDED_LIQUIDITY: 1,
    wire.REMOVED_LIQUIDITY: 2,
    wire.CROSS_LIQUIDITY + wire.CROSS_OPENING: 4,
    wire.CROSS_LIQUIDITY + wire.CROSS_CLOSING: 4,
    wire.CROSS_LIQUIDITY + wire.CROSS_HALT: 4,
    wire.ADDED_HIDDEN: 1,
}
RENEWED: Final = b"1"  # a good-till order on a new day
PARTLY_DECLINED: Final = b"5"  # of OrderQty


class Dialect:
    """One version. digits: of the second in its time stamps, at most."""

    __slots__ = (
        "accepted", "all_fills", "cancel_codes", "changed", "digits", "exec_types", "general", "has", "liquidity",
        "numeric", "part_fills", "reject_codes", "replaced", "reported", "trade", "transactions", "version",
    )  # fmt: skip

    def __init__(
        self, version: str, reported: frozenset[int], reject_codes: frozenset[int], cancel_codes: frozenset[int],
        *, digits: int, exec_types: bytes, transactions: bool, trade: bytes, replaced: bool, liquidity: int,
        has: frozenset[int],
    ) -> None:  # fmt: skip
        self.version = version
        self.reported = reported  # of ECHOED
        self.digits = digits
        self.exec_types = frozenset(exec_types[i : i + 1] for i in range(len(exec_types)))  # ExecType(150), if any
        self.transactions = transactions  # it has ExecTransType(20)
        self.trade = trade  # ExecType of a trade, b"" for that of its OrdStatus
        self.replaced = replaced  # it has OrdStatus 5
        self.numeric = version == "FIX.4.0"  # its ExecIDs are numbers
        self.has = has  # fields that are in reports of this version alone, beside those of ECHOED
        self.liquidity = {  # LastLiquidityInd(851) with its tag
            each: b"851=%d\x01" % code if 0 < code <= liquidity else b""
            for each in range(1, 11)
            for code in (_LIQUIDITY.get(each, 0),)
        }
        self.reject_codes = {
            reason: next(code for code in (*_REJECT_CODES.get(reason, _OTHER), 0) if code in reject_codes)
            for reason in wire.REJECT_REASONS
        }
        other = 99 if 99 in cancel_codes else 2 if 2 in cancel_codes else -1
        self.cancel_codes = {
            reason: code if code in cancel_codes else other
            for reason in wire.REJECT_REASONS
            for code in (_CANCEL_CODES.get(reason, other),)
        }
        self.accepted = self._layout_of_accepted()
        self.part_fills = self._layout_of_fill(PARTIALLY_FILLED)
        self.all_fills = self._layout_of_fill(FILLED)
        self.changed = self._layout_of_change()
        self.general = self._layout_of_all()

    # --------------------------------------------------------------------------------------------- layouts
    def _layout_of_accepted(self) -> dict[int, bytes]:
        """Holes: ClOrdID, OrderID twice, OrderQty, Price with its tag, TransactTime, LeavesQty."""
        layout = {
            6: b"6=0\x01", 11: b"11=%b\x01", 14: b"14=0\x01",
            17: b"17=%d0\x01" if self.numeric else b"17=%d.1\x01", 37: b"37=%d\x01", 38: b"38=%d\x01",
            39: b"39=0\x01", 44: b"%b", 60: b"60=%b\x01", 151: b"151=%d\x01" if self.exec_types else NOTHING,
        }  # fmt: skip
        if self.transactions:
            layout[20] = b"20=0\x01"
        if self.exec_types:
            layout[150] = b"150=0\x01"
        if self.needs_last:
            layout[31] = b"31=0\x0132=0\x01"
        return layout

    def _layout_of_fill(self, status: bytes) -> dict[int, bytes]:
        """Holes: AvgPx, ClOrdID, CumQty, OrderID and match (ExecID), LastPx, LastQty, OrderID, OrderQty, Price with its
        tag, TransactTime, LeavesQty, LastLiquidityInd with its tag. The form completes a numeric ExecID with the side.
        """
        layout = {
            6: b"6=%b\x01", 11: b"11=%b\x01", 14: b"14=%d\x01",
            17: b"17=%.0a%d" if self.numeric else b"17=%d-%d\x01", 31: b"31=%b\x0132=%d\x01",
            37: b"37=%d\x01", 38: b"38=%d\x01", 39: b"39=%b\x01" % status, 44: b"%b", 60: b"60=%b\x01",
            151: b"151=%d\x01" if self.exec_types else NOTHING, 851: b"%b",
        }  # fmt: skip
        if self.transactions:
            layout[20] = b"20=0\x01"
        if self.exec_types:
            layout[150] = b"150=%b\x01" % (self.trade or status)
        return layout

    def _layout_of_change(self) -> dict[int, bytes]:
        """Holes: AvgPx, ClOrdID, CumQty, ExecID, OrderID, OrderQty, OrdStatus, OrigClOrdID, Price and Text with their
        tags, TransactTime, ExecType, LeavesQty."""
        layout = {
            6: b"6=%b\x01", 11: b"11=%b\x01", 14: b"14=%d\x01", 17: b"17=%b\x01", 37: b"37=%d\x01", 38: b"38=%d\x01",
            39: b"39=%b\x01", 41: b"%b" if 41 in self.has else NOTHING, 44: b"%b", 58: b"%b", 60: b"60=%b\x01",
            150: b"150=%b\x01" if self.exec_types else NOTHING, 151: b"151=%d\x01" if self.exec_types else NOTHING,
        }  # fmt: skip
        if self.transactions:
            layout[20] = b"20=0\x01"
        if self.needs_last:
            layout[31] = b"31=0\x0132=0\x01"
        return layout

    def _layout_of_all(self) -> dict[int, bytes]:
        """Holes (see ``openoutcry.gateway.fix.reports.general``): those that may be empty come with their tag."""
        return {
            6: b"6=%b\x01", 11: b"%b", 14: b"14=%d\x01", 17: b"17=%b\x01", 19: b"%b",
            20: b"20=%b\x01" if self.transactions else NOTHING, 31: b"%b", 37: b"37=%b\x01", 38: b"38=%d\x01",
            39: b"39=%b\x01", 41: b"%b" if 41 in self.has else NOTHING, 44: b"%b", 58: b"%b", 60: b"60=%b\x01",
            103: b"%b", 150: b"150=%b\x01" if self.exec_types else NOTHING,
            151: b"151=%d\x01" if self.exec_types else NOTHING, 378: b"%b" if 378 in self.has else NOTHING,
            584: b"%b" if 584 in self.has else NOTHING, 790: b"%b" if 790 in self.has else NOTHING,
            911: b"%b" if 911 in self.has else NOTHING,
        }  # fmt: skip

    @property
    def needs_last(self) -> bool:
        """Whether LastPx and LastShares are in every report (4.0 and 4.1)."""
        return 31 in self.has

    # --------------------------------------------------------------------------------------------- codes
    def exec_id(self, number: int, serial: int, count: int) -> bytes:
        """ExecID(17) of the `serial`-th thing, but for trades, that happened to an order; count: of all of a session's
        orders. 4.0 has numbers, of 32 bits: the last digit says what it is of."""
        return b"%d3" % (count % NUMERIC_MAX) if self.numeric else b"%d.%d" % (number, serial)

    def trade_id(self, number: int, match: int, side: int) -> bytes:
        """ExecID of a trade; the layout of fills writes the same."""
        return b"%d%d" % (match, side) if self.numeric else b"%d-%d" % (number, match)

    def reject_id(self, session: int, serial: int, count: int) -> bytes:
        """ExecID of the `serial`-th order of a session that was rejected."""
        return b"%d3" % (count % NUMERIC_MAX) if self.numeric else b"R%d-%d" % (session, serial)

    def status(self, status: bytes, cum: int) -> bytes:
        """OrdStatus(39) for what an order is."""
        if status == REPLACED and not self.replaced:
            return PARTIALLY_FILLED if cum else NEW
        return status

    def exec_type(self, kind: bytes, status: bytes) -> bytes:
        """ExecType(150) for what has happened to an order whose OrdStatus is `status`; where the version has no word
        for it, the OrdStatus."""
        if kind in self.exec_types:
            return kind
        if kind == TRIGGERED and RESTATED in self.exec_types:
            return RESTATED
        return status

    def transaction(self, kind: bytes) -> bytes:
        """ExecTransType(20): new, cancel, correct or status."""
        return _TRANSACTIONS.get(kind, b"0")

    def reject_code(self, reason: int) -> bytes:
        """OrdRejReason(103)."""
        return b"%d" % self.reject_codes[reason]

    def cancel_code(self, reason: int) -> bytes:
        """CxlRejReason(102) with its tag, b"" when the version has none that fits."""
        code = self.cancel_codes[reason]
        return b"" if code < 0 else b"102=%d\x01" % code


_TRANSACTIONS: Final = {TRADE_CANCEL: b"1", TRADE_CORRECT: b"2", ORDER_STATUS: b"3"}
_CODES_44: Final = frozenset((*range(12), 13, 14, 15, 99))
_CODES_50: Final = _CODES_44 | {12, 18}
_FIELDS_44: Final = frozenset((41, 378, 453, 584, 790, 797, 911))


def _dialect(
    version: str, reported: frozenset[int], reject_codes: frozenset[int], cancel_codes: frozenset[int],
    *, digits: int = 9, exec_types: bytes = b"03456789ABCDEFGHI", transactions: bool = False, trade: bytes = b"F",
    replaced: bool = False, liquidity: int = 0, has: frozenset[int] = _FIELDS_44,
) -> Dialect:  # fmt: skip
    return Dialect(
        version, reported, reject_codes, cancel_codes, digits=digits, exec_types=exec_types, transactions=transactions,
        trade=trade, replaced=replaced, liquidity=liquidity, has=has,
    )  # fmt: skip


_CANCELS_44: Final = frozenset((0, 1, 2, 3, 4, 5, 6, 99))
DIALECTS: Final[dict[str, Dialect]] = {
    d.version: d
    for d in (
        _dialect("FIX.4.0", _REPORTED_40, frozenset(range(5)), frozenset((0, 1)), digits=0, exec_types=b"",
                 transactions=True, trade=b"", replaced=True, has=frozenset((31, 109))),
        _dialect("FIX.4.1", _REPORTED_41, frozenset(range(7)), frozenset((0, 1)), digits=0,
                 exec_types=b"0123456789ABC", transactions=True, trade=b"", replaced=True,
                 has=frozenset((31, 41, 109))),
        _dialect("FIX.4.2", _REPORTED_42, frozenset(range(9)), frozenset(range(4)), exec_types=b"0123456789ABCDE",
                 transactions=True, trade=b"", replaced=True, has=frozenset((41, 109, 378))),
        _dialect("FIX.4.3", _REPORTED_43, frozenset(range(13)), frozenset(range(7)), replaced=False,
                 has=frozenset((41, 378, 453))),
        _dialect("FIX.4.4", _REPORTED_44, _CODES_44, _CANCELS_44, liquidity=3),
        _dialect("FIX.5.0", _REPORTED_50, _CODES_50, _CANCELS_44 | {18}, exec_types=b"03456789ABCDEFGHIJKL",
                 liquidity=3),
        _dialect("FIX.5.0SP1", _REPORTED_50, _CODES_50 | {16}, _CANCELS_44 | {7, 8, 18},
                 exec_types=b"03456789ABCDEFGHIJKL", liquidity=4),
        _dialect("FIX.5.0SP2", _REPORTED_50SP2, _CODES_50 | {16, *range(19, 30)}, _CANCELS_44 | {7, 8, 18},
                 exec_types=b"03456789ABCDEFGHIJKLMN", liquidity=4),
    )
}  # fmt: skip
