"""Pegged orders: each waits where the best prices of the orders that are not pegged put it."""

from __future__ import annotations

from openoutcry import wire as w
from tests.naive.floor import LIT, PARKED, Order
from tests.naive.judging import COLLECTING
from tests.naive.waiting import Waiting


class Pegging(Waiting):
    """While orders are collected for an auction all are parked; where trading has stopped they stay where they are."""

    def best_to_follow(self, symbol: str, buying: bool) -> int:
        """The best price that is seen of an order that is not pegged, 0 for none."""
        return next((o.price for o in self.side(symbol, buying) if o.where == LIT and w.TERM_PEG not in o.terms), 0)

    def target(self, order: Order) -> int:
        """Where it should wait, 0 for nowhere."""
        price = self.follows(order)
        if price and order.terms.get(w.TERM_POST_ONLY) == w.POST_ONLY_SLIDE and self.best_other(order) is not None:
            behind = self.behind(order)
            price = min(price, behind) if order.buying else max(price, behind) if behind else 0
        return price if 0 < price <= self.books[order.symbol].max_price else 0

    def follows(self, order: Order) -> int:
        """What it follows, with its offset, up to its cap."""
        bid, ask = self.best_to_follow(order.symbol, True), self.best_to_follow(order.symbol, False)
        peg, offset = order.terms[w.TERM_PEG], order.terms.get(w.TERM_PEG_OFFSET, 0)
        if peg == w.PEG_MIDPOINT:
            price = (bid + ask) // 2 if bid and ask else 0
        else:
            price = bid if order.buying == (peg == w.PEG_PRIMARY) else ask
        if not price:
            return 0
        price += offset if order.buying else -offset
        if peg != w.PEG_MIDPOINT:
            price = self.books[order.symbol].round(price, up=not order.buying)
        if order.cap:
            price = min(price, order.cap) if order.buying else max(price, order.cap)
        return price

    def reprice(self, symbol: str) -> bool:
        """Move what is not where it should be, oldest first; whether anything was."""
        moved, phase = False, self.phases[symbol]
        if phase != w.PHASE_OPEN and phase not in (*COLLECTING, w.PHASE_POST_CLOSE):
            return False
        pegged = [o for o in self.orders if o.symbol == symbol and w.TERM_PEG in o.terms]
        for order in sorted(pegged, key=lambda o: o.number):
            if order not in self.orders:
                continue
            price = self.target(order) if phase == w.PHASE_OPEN else 0
            if price != (0 if order.where == PARKED else order.price):
                moved = True
                self.move(order, price)
        return moved

    def move(self, order: Order, price: int) -> None:
        """To another price, 0 for none: it trades, or waits there."""
        self.withdraw(order)
        order.price = price or order.cap
        if price:
            self.restate(order, w.RESTATED_PEGGED)
            self.execute(order)
        else:
            order.number, order.where, order.shown = self.next_number(), PARKED, 0
            self.orders.append(order)
            self.tell(order.session, w.RESTATED, order.token, order.number, order.price, 0, order.open,
                      w.RESTATED_PEGGED)  # fmt: skip
        self.settle_parties()
