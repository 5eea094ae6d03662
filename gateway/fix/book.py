"""What the application of one FIX session remembers: its orders, quotes and lists. A function of the session's events.

Rule 1. An order that is done is remembered until DONE_MAX others are, or its day ends: for status requests, and for
        trades that are broken or corrected later.
Rule 2. ``dump`` is all that ``load`` needs, in pieces of at most PIECE_MAX bytes, each of which can be read by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import msgpack

from openoutcry.gateway.fix.reports import Forms, Order

DONE_MAX: Final = 4_096
PIECE_MAX: Final = 60_000  # bytes: a fact of the gateway's store has room for them

ORDER: Final = 1
QUOTE: Final = 2
COUNTERS: Final = 3
LIST: Final = 4
ASKED: Final = 5
KEPT: Final = 6


class Book:
    """See the module.

    orders: by newest ClOrdID, live and done. done: those that are, oldest first. quotes: the newest order of each side,
    by symbol and side. asked: what has been answered so far of quotes that are under way, by token. lists: ClOrdIDs
    answered so far of lists that are not complete yet, by ListID. kept: messages that are not said yet, by the number
    of openoutcry.gateway.fix.withheld. rejects, masses, reports: how many there have been of orders, of mass cancels,
    and of everything but new orders and trades.
    """

    __slots__ = ("asked", "done", "kept", "lists", "masses", "orders", "quotes", "rejects", "reports")

    def __init__(self) -> None:
        self.orders: dict[bytes, Order] = {}
        self.done: deque[Order] = deque()
        self.quotes: dict[tuple[bytes, int], Order] = {}
        self.asked: dict[bytes, list[tuple[Any, ...]]] = {}
        self.lists: dict[bytes, list[bytes]] = {}
        self.kept: dict[int, list[tuple[Any, ...]]] = {}
        self.rejects = 0
        self.masses = 0
        self.reports = 0

    def finish(self, order: Order) -> None:
        """Nothing of an order is open any more."""
        if order.live:
            order.live = False
            if self.orders.get(order.token) is order:  # a side of a quote is remembered with the quotes
                self._keep(order)

    def remember(self, order: Order) -> None:
        """An order that never was in the market."""
        self.orders[order.token] = order
        self._keep(order)

    def _keep(self, order: Order) -> None:
        self.done.append(order)
        if len(self.done) > DONE_MAX:
            self._forget(self.done.popleft())

    def _forget(self, order: Order) -> None:
        if self.orders.get(order.token) is order:
            del self.orders[order.token]

    def forget_done(self) -> None:
        """A day has ended, and with it the ClOrdIDs of that day."""
        while self.done:
            self._forget(self.done.popleft())

    def live(self) -> list[Order]:
        """The live orders, oldest first."""
        return [order for order in self.orders.values() if order.live]

    def by_order_id(self, order_id: bytes) -> Order | None:
        """The newest order with that OrderID."""
        if not order_id.isdigit() or len(order_id) > 19:
            return None
        number = int(order_id)
        return next((order for order in reversed(self.orders.values()) if order.number == number), None)

    # --------------------------------------------------------------------------------------------- dumps
    def dump(self) -> list[bytes]:
        """Everything, in pieces."""
        pieces: list[bytes] = []
        rows: list[bytes] = []
        size = 0
        for row in self._rows():
            packed = msgpack.packb(row)
            if size + len(packed) > PIECE_MAX - 8 and rows:
                pieces.append(_joined(rows))
                rows, size = [], 0
            rows.append(packed)
            size += len(packed)
        pieces.append(_joined(rows))
        return pieces

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        yield (COUNTERS, self.rejects, self.masses, self.reports)
        done = {id(order): place for place, order in enumerate(self.done)}
        for order in sorted(self.orders.values(), key=lambda order: done.get(id(order), -1)):
            yield (ORDER, *order.dump())
        for (symbol, side), order in self.quotes.items():
            yield (QUOTE, symbol, side, *order.dump())
        for token, statuses in self.asked.items():
            yield (ASKED, token, statuses)
        for name, tokens in self.lists.items():
            yield (LIST, name, tokens)
        for number, messages in self.kept.items():
            yield (KEPT, number, messages)

    def load(self, pieces: list[bytes], forms: Forms) -> None:
        """The reverse of ``dump``; no pieces: nothing is known."""
        for container in (self.orders, self.done, self.quotes, self.asked, self.lists, self.kept):
            container.clear()
        self.rejects = self.masses = self.reports = 0
        for piece in pieces:
            for row in msgpack.unpackb(piece, use_list=False, raw=False, strict_map_key=True):
                self._take(row, forms)

    def _take(self, row: tuple[Any, ...], forms: Forms) -> None:
        kind, *rest = row
        if kind == ORDER:
            order = Order.load(tuple(rest), forms)
            self.orders[order.token] = order
            if not order.live:
                self.done.append(order)
        elif kind == QUOTE:
            self.quotes[rest[0], rest[1]] = Order.load(tuple(rest[2:]), forms)
        elif kind == COUNTERS:
            self.rejects, self.masses, self.reports = rest
        elif kind == ASKED:
            self.asked[rest[0]] = list(rest[1])
        elif kind == LIST:
            self.lists[rest[0]] = list(rest[1])
        elif kind == KEPT:
            self.kept[rest[0]] = list(rest[1])


def _joined(rows: list[bytes]) -> bytes:
    """One msgpack array of rows that are packed already."""
    head: bytes = msgpack.Packer().pack_array_header(len(rows))
    return head + b"".join(rows)
