"""What waits for something to happen, and happens when it has: stops, pairs and brackets, orders with a condition.

``settle`` does all of it after each command, as often as anything changes: what a pair or a bracket asks for, then one
order whose trigger was reached, then the pegged orders, then those whose condition can be met.
"""

from __future__ import annotations

from typing import Any

from openoutcry import wire as w
from tests.naive import judging
from tests.naive.floor import BECOMES, CALL, DARK, PARKED, TRIGGER, Order
from tests.naive.trading import Trading

CHILDLESS = (w.CANCEL_MASS, w.CANCEL_KILL, w.CANCEL_DISCONNECT, w.CANCEL_SUPERVISORY, w.CANCEL_CLOSED)


class Waiting(Trading):
    """elected: whose triggers were reached, by book; firsts: what executed first of each pair; parents: are done."""

    now = 0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.elected: dict[str, list[Order]] = {symbol: [] for symbol in self.books}
        self.firsts: dict[tuple[int, bytes], Order] = {}
        self.parents: list[Order] = []
        self.used: set[tuple[int, bytes]] = set()

    # ------------------------------------------------------------------------------------------- where orders go
    def accept(self, order: Order) -> None:
        """A new order gets its number, its owner is told, and it goes where it belongs."""
        self.used.add((order.session, order.token))
        order.number = self.next_number()
        self.tell(order.session, w.ACCEPTED, order.token, order.number, order.side, order.open, order.price, w.LIVE,
                  order.data)  # fmt: skip
        self.place(order)

    def place(self, order: Order) -> None:
        """Where an accepted order goes."""
        self.heed_prints(order.symbol)  # what was traded before has nothing to do with it
        trading = self.phases[order.symbol] == w.PHASE_OPEN
        if order.kind in BECOMES:
            if self.reached(order) and trading:
                self.release(order)
            else:
                order.where, order.shown = TRIGGER, 0
                self.orders.append(order)
        elif order.kind == w.PEGGED:
            order.where, order.shown, order.cap = PARKED, 0, order.price
            self.orders.append(order)
        elif order.auction_only or (order.market and not trading):
            order.where, order.shown = CALL, 0
            self.orders.append(order)
        elif trading:
            self.execute(order)
        else:
            self.rest(order)

    # ------------------------------------------------------------------------------------------- triggers
    @staticmethod
    def rises(order: Order) -> bool:
        """Whether it waits for a higher price: a stop to buy, or an if-touched order to sell."""
        return order.buying == (order.kind in (w.STOP, w.STOP_LIMIT))

    def reached(self, order: Order) -> bool:
        """Whether the last trade was at its trigger already."""
        last = self.last_price[order.symbol]
        if last:
            self.follow(order, last)
        return bool(last) and self.elects(last, order)

    def elects(self, price: int, order: Order) -> bool:
        trigger = order.terms.get(w.TERM_STOP_PRICE, 0)
        return bool(trigger) and (price >= trigger if self.rises(order) else price <= trigger)

    def follow(self, order: Order, price: int) -> None:
        """A trailing stop follows a trade, never away from the market."""
        amount, percent = order.terms.get(w.TERM_TRAIL_AMOUNT, 0), order.terms.get(w.TERM_TRAIL_PERCENT, 0)
        if not amount and not percent:
            return
        distance = amount or max(1, price * percent // 10_000)
        old = order.terms.get(w.TERM_STOP_PRICE, 0)
        new = self.books[order.symbol].round(price + (distance if order.buying else -distance), up=order.buying)
        if new > 0 and (not old or (new < old if order.buying else new > old)):
            order.terms[w.TERM_STOP_PRICE] = new
            self.tell(order.session, w.TRIGGER_MOVED, order.token, new)

    def heed_prints(self, symbol: str) -> None:
        while self.prints[symbol]:
            self.elect(symbol, self.prints[symbol].pop(0))

    def elect(self, symbol: str, price: int) -> None:
        """A trade moves the trailing stops, then elects: what waited for a rise first, the nearest trigger first."""
        waiting = sorted((o for o in self.orders if o.symbol == symbol and o.where == TRIGGER), key=lambda o: o.number)
        waiting = [o for o in waiting if o not in self.elected[symbol]]
        for order in waiting:
            self.follow(order, price)
        found = [o for o in waiting if self.elects(price, o)]
        rising = sorted((o for o in found if self.rises(o)), key=lambda o: o.terms[w.TERM_STOP_PRICE])
        falling = sorted((o for o in found if not self.rises(o)), key=lambda o: -o.terms[w.TERM_STOP_PRICE])
        self.elected[symbol] += rising + falling

    def release(self, order: Order) -> None:
        """It becomes what it was waiting to be."""
        order.kind = BECOMES[order.kind]
        self.restate(order, w.RESTATED_TRIGGERED)
        self.place(order)

    # ------------------------------------------------------------------------------------------- pairs and brackets
    def traded(self, order: Order, size: int) -> None:
        if w.TERM_TAKE_PROFIT in order.terms or w.TERM_STOP_LOSS in order.terms:
            order.filled += size
        if w.TERM_PAIR in order.terms:
            self.firsts.setdefault((order.session, order.terms[w.TERM_PAIR]), order)

    def ended(self, order: Order, reason: int) -> None:
        if order.filled and reason not in CHILDLESS:
            self.parents.append(order)

    def settle_parties(self) -> None:
        """The others of a pair go; the children of a bracket come."""
        while self.firsts or self.parents:
            firsts, self.firsts = self.firsts, {}
            for (session, pair), first in firsts.items():
                others = [o for o in self.orders if o.session == session and o.terms.get(w.TERM_PAIR) == pair]
                for order in sorted(others, key=lambda o: o.number):
                    if order is not first:
                        self.cancel_all_of(order, w.CANCEL_PAIR)
            parents, self.parents = self.parents, []
            for parent in parents:
                self.enter_child(parent, w.TERM_TAKE_PROFIT, b".T")
                self.enter_child(parent, w.TERM_STOP_LOSS, b".S")

    def enter_child(self, parent: Order, term: int, suffix: bytes) -> None:
        """An order on the other side, for what the parent has executed."""
        if term not in parent.terms:
            return
        profit = term == w.TERM_TAKE_PROFIT
        price = parent.terms[term] if profit else 0
        inherited = (w.TERM_ACCOUNT, w.TERM_KEEP, w.TERM_SELF_MATCH)
        terms: dict[int, Any] = {name: value for name, value in parent.terms.items() if name in inherited}
        terms |= {w.TERM_PAIR: parent.token} | ({} if profit else {w.TERM_STOP_PRICE: parent.terms[term]})
        lasting = parent.tif == w.GTC or (parent.tif == w.GTD and parent.deadline > self.now)
        child = Order(
            parent.session, self.child_token(parent, suffix), parent.symbol, 0, w.SELL if parent.buying else w.BUY,
            w.LIMIT if profit else w.STOP, price, parent.filled, parent.tif if lasting else w.DAY,
            parent.deadline if lasting and parent.tif == w.GTD else 0, 0, parent.data, terms,
        )  # fmt: skip
        reason = judging.phase_forbids(self.phases[child.symbol], child.tif) or self.too_many(child.session)
        if reason:
            self.reject(child.session, child.token, reason, child.data)
        else:
            self.accept(child)

    def child_token(self, parent: Order, suffix: bytes) -> bytes:
        token, number = parent.token[: w.TOKEN_MAX - len(suffix)] + suffix, self.numbers
        while (parent.session, token) in self.used:
            number += 1
            ending = suffix + b"%d" % number
            token = parent.token[: w.TOKEN_MAX - len(ending)] + ending
        return token

    def too_many(self, session: int) -> int:
        return w.REJECT_LIMIT if len([o for o in self.orders if o.session == session]) >= self.max_open else 0

    def reject(self, session: int, token: bytes, reason: int, data: bytes) -> None:
        self.used.add((session, token))
        self.tell(session, w.REJECTED, token, reason, w.REJECT_REASONS.get(reason, ""), data)

    # ------------------------------------------------------------------------------------------- conditions
    def wake(self, symbol: str) -> bool:
        """Orders with a condition trade as takers as soon as it can be met: buys first, each side by priority."""
        woken = False
        for order in self.all_of(symbol, lambda o: o.where == DARK and o.conditional):
            if order in self.orders and self.would_execute(order, order.price) >= order.need:
                woken = True
                self.take_out(order)
                self.match(order, order.price)
                if order.open:
                    self.rest(order)
                self.settle_parties()
        return woken

    # ------------------------------------------------------------------------------------------- all of it
    def settle(self, first: str) -> None:
        """Everything that what has happened sets off, in one book first."""
        changed = True
        while changed:
            changed = False
            for symbol in sorted(self.books, key=lambda symbol: symbol != first):
                while self.set_off(symbol):
                    changed = True

    def set_off(self, symbol: str) -> bool:
        """The next thing that is due in a book; False when nothing is."""
        self.settle_parties()
        self.heed_prints(symbol)  # of an auction
        while self.elected[symbol]:
            order = self.elected[symbol].pop(0)
            if order.open:
                self.take_out(order)
                self.release(order)
                return True
        return self.reprice(symbol) or (self.phases[symbol] == w.PHASE_OPEN and self.wake(symbol))

    def reprice(self, symbol: str) -> bool:
        """Pegged orders follow the market: tests.naive.pegging."""
        raise NotImplementedError
