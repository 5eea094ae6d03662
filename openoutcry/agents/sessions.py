"""One agent's session: what it knows of its orders, and its positions.

Invariant: a session knows of each of its orders what the exchange has said, and nothing else. While a change is on its
way, the order counts with the worst of before and after (``Open.busy``). An order that was executed in full, cancelled,
expired or rejected is forgotten at once, so there is no more in memory than is open or on its way.

Orders are answered in the order of sending; those passed over were ignored (OUCH 4.2, replace outcome a).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from openoutcry.agents.prices import CENT
from openoutcry.agents.tally import Tally
from openoutcry.agents.views import BUY, Cancel, Enter, Intent, Open
from openoutcry.market_lines import Line

WAITING_MAX: Final = 64  # orders without an answer: beyond, an agent skips its turn


class Order:
    """One order. `next`: the token that it has once its replacement is accepted; "" when none is on its way."""

    __slots__ = ("canceling", "done", "left", "next", "next_left", "next_price", "price", "side", "symbol", "token")

    def __init__(self, token: str, symbol: str, side: str, price: int, left: int) -> None:
        self.token = token
        self.symbol = symbol
        self.side = side
        self.price = price
        self.left = left
        self.done = 0  # executed shares since it was entered, which the total of a replacement includes
        self.next = ""
        self.next_price = 0
        self.next_left = 0
        self.canceling = False

    def shown(self) -> Open:
        """As a strategy sees it."""
        if not self.next:
            return Open(self.token, self.side, self.price, self.left, self.canceling)
        worst = max if self.side == BUY else min
        return Open(self.token, self.side, worst(self.price, self.next_price), max(self.left, self.next_left), True)


class Session:
    """Orders and positions of one line, which is set by its maker.

    on_trade: called with symbol and price of each execution. clock_ns: for latencies alone.
    """

    line: Line

    def __init__(
        self, tally: Tally, on_trade: Callable[[str, int], None], clock_ns: Callable[[], int] = time.perf_counter_ns
    ) -> None:
        self.tally = tally
        self.positions: dict[str, int] = {}
        self.waiting: dict[str, tuple[int, Order]] = {}  # by token, in the order of sending: since when (ns)
        self.dirty = False  # something is to be flushed
        self._on_trade = on_trade
        self._clock_ns = clock_ns
        self._orders: dict[str, Order] = {}  # by token, a replaced order by both
        self._open: dict[str, dict[str, Order]] = {}  # by symbol, then by the token of entering, which stays its key
        self._keys: dict[int, str] = {}  # id of an order: that token

    # ---- sending
    def open(self, symbol: str) -> tuple[Open, ...]:
        """The open orders of a symbol, oldest first."""
        return tuple(order.shown() for order in self._open.get(symbol, {}).values())

    def send(self, symbol: str, intent: Intent) -> None:
        """Carry an intent out with the next flush."""
        self.dirty = True
        if isinstance(intent, Enter):
            self._enter(symbol, intent)
        elif isinstance(intent, Cancel):
            order = self._orders[intent.token]
            order.canceling = True
            self.tally.cancels += 1
            self.line.cancel(intent.token, order.side, symbol)
        else:
            order = self._orders[intent.token]
            order.next = self.line.new_token()
            order.next_price, order.next_left = intent.price, intent.shares
            self._sent(order.next, order)
            self.line.replace(intent.token, order.next, order.side, order.done + intent.shares, symbol, intent.price)

    def _enter(self, symbol: str, intent: Enter) -> None:
        token = self.line.new_token()
        order = Order(token, symbol, intent.side, intent.price, intent.shares)
        self._open.setdefault(symbol, {})[token] = order
        self._keys[id(order)] = token
        self._sent(token, order)
        self.line.enter(token, intent.side, intent.shares, symbol, intent.price, intent.immediate)

    def _sent(self, token: str, order: Order) -> None:
        self._orders[token] = order
        self.waiting[token] = (self._clock_ns(), order)
        self.tally.orders += 1

    def cancel_all(self) -> None:
        """Take out all that can be; what is being replaced cannot yet."""
        for symbol, orders in self._open.items():
            for order in list(orders.values()):
                if not order.next and not order.canceling:
                    self.send(symbol, Cancel(order.token))

    def settle(self, symbol: str) -> None:
        """An order that cannot trade: its answer settles all that went before it."""
        self.send(symbol, Enter(BUY, 1, CENT, True))

    async def flush(self) -> None:
        """Send what was collected."""
        if self.dirty:
            self.dirty = False
            await self.line.flush()

    @property
    def is_flat(self) -> bool:
        """Whether no order is open."""
        return not self._keys

    # ---- what the line tells
    def answered(self, token: str, accepted: bool) -> None:
        """The order was accepted, replaced, or rejected."""
        order = self._answer(token)
        if order is None:
            return  # it is gone already; or of an earlier run
        if not accepted:
            self.tally.rejected += 1
        if token != order.next:
            if not accepted:
                self._forget(order)
        elif accepted:
            self._replaced(order)
        else:
            self._unchanged(order)

    def missed(self, token: str) -> None:
        """The order that was to be changed or cancelled is as it was, or gone."""
        order = self._answer(token) or self._orders.get(token)
        if order is not None and token == order.next:
            self._unchanged(order)
        elif order is not None:
            order.canceling = False

    def _answer(self, token: str) -> Order | None:
        """Take an order off the waiting ones, and all before it."""
        if token not in self.waiting:
            return None
        while True:
            oldest = next(iter(self.waiting))
            sent, order = self.waiting.pop(oldest)
            if oldest == token:
                self.tally.latencies.add(self._clock_ns() - sent)
                return order if self._orders.get(token) is order else None
            if self._orders.get(oldest) is order:  # ignored: it was not there any more
                self._forget(order)

    def _replaced(self, order: Order) -> None:
        del self._orders[order.token]
        order.token, order.next = order.next, ""
        order.price, order.left = order.next_price, order.next_left
        if order.left <= 0:
            self._forget(order)

    def _unchanged(self, order: Order) -> None:
        self._orders.pop(order.next, None)
        order.next = ""

    def executed(self, token: str, shares: int, price: int) -> None:
        """So many of its shares were executed, at that price."""
        order = self._orders.get(token)
        if order is None:
            return  # of an earlier run: a session is sent its whole day again
        self.tally.executions += 1
        self.tally.executed_shares += shares
        symbol = order.symbol
        self.positions[symbol] = self.positions.get(symbol, 0) + (shares if order.side == BUY else -shares)
        order.left -= shares
        order.done += shares
        order.next_left -= shares  # what is on its way asked for a total
        self._on_trade(symbol, price)
        if order.left <= 0:
            self._forget(order)

    def gone(self, token: str, shares: int) -> None:
        """So many of its shares (0: all) are no longer open."""
        order = self._orders.get(token)
        if order is None:
            return
        if 0 < shares < order.left:
            order.left -= shares
        else:
            self._forget(order)

    def _forget(self, order: Order) -> None:
        self._orders.pop(order.token, None)
        self._orders.pop(order.next, None)
        key = self._keys.pop(id(order), None)
        if key is not None:
            del self._open[order.symbol][key]
