"""Continuous trading: one taker against the makers of the other side, best first, and what becomes of its rest.

A maker that asks for more than the taker can give (or than it has) is passed over, and does not stand in the way of
those behind it. A taker that asks for a minimum is tried out first on a copy of the floor: what would happen is what
happens, so nobody has to work out in advance how minimums, icebergs and self-matches play together.
"""

from __future__ import annotations

from copy import copy

from openoutcry import wire as w
from tests.naive.floor import DARK, LIT, Floor, Order
from tests.naive.sharing import share


class Trading(Floor):
    """tried_out: this floor is a copy on which something is tried out; it stops at a self-match that ends the taker."""

    tried_out = False

    # ------------------------------------------------------------------------------------------- prices
    def best_other(self, taker: Order) -> Order | None:
        """The first order of the other side that anybody could trade with."""
        return next((o for o in self.makers(taker) if not o.conditional), None)

    def protection(self, rules_of: str, terms: dict[int, int]) -> int:
        """How far from the best price a market order may go; 0: anywhere."""
        given = terms.get(w.TERM_PROTECTION)
        return self.books[rules_of].market_protection if given is None else given

    def limit_of(self, taker: Order) -> int | None:
        """Up to where it trades; None: anywhere, 0: nowhere, since it needs a price and there is none."""
        best = self.best_other(taker)
        if taker.kind == w.MARKET_TO_LIMIT:
            return best.price if best else 0
        if taker.kind == w.MARKET:
            distance = self.protection(taker.symbol, taker.terms)
            if not distance:
                return None
            if best is None:
                return 0
            rules = self.books[taker.symbol]
            if taker.buying:
                return rules.round(min(best.price + distance, rules.max_price), up=False)
            return rules.round(max(best.price - distance, 1), up=True)
        return taker.price

    # ------------------------------------------------------------------------------------------- executing
    def execute(self, taker: Order) -> None:
        """Trade, then rest or cancel the rest."""
        limit = self.limit_of(taker)
        nothing = limit == 0
        needed = taker.open if taker.tif == w.FOK or taker.all_or_none else taker.minimum
        enough = not needed or self.would_execute(taker, limit) >= needed
        if w.TERM_POST_ONLY in taker.terms and self.crosses(taker):
            self.stay_behind(taker)
            return
        if w.TERM_POST_ONLY in taker.terms:
            enough = False  # orders with a condition that it crosses find it themselves once it rests
        if enough and not nothing:
            self.match(taker, limit)
        if taker.open and (not self.may_rest(taker, limit) or (taker.market and not enough) or nothing):
            self.cancel_all_of(taker, w.CANCEL_IOC)
        if taker.open and taker.market and limit is not None:
            self.become_limit(taker, limit)
        if taker.open:
            self.rest(taker)

    def may_rest(self, taker: Order, limit: int | None) -> bool:
        return not taker.immediate and (taker.kind != w.MARKET or limit is not None)

    def become_limit(self, order: Order, price: int) -> None:
        """A market order that has found its price."""
        order.kind, order.price = w.LIMIT, self.books[order.symbol].round(price, up=not order.buying)
        order.terms.pop(w.TERM_PROTECTION, None)
        self.restate(order, w.RESTATED_LIMIT)

    def restate(self, order: Order, reason: int) -> None:
        """A new number, and its owner is told of it and of what will be seen when it rests."""
        order.number = self.next_number()
        self.settle_down(order)
        shown = 0 if order.market else order.shown
        self.tell(order.session, w.RESTATED, order.token, order.number, order.price, shown, order.open, reason)

    def crosses(self, order: Order) -> bool:
        """Whether a limit order would take from anybody who asks for nothing."""
        best = self.best_other(order)
        return best is not None and (order.price >= best.price if order.buying else order.price <= best.price)

    def behind(self, order: Order) -> int:
        """The price at which an order that crosses just does not; 0 for none."""
        best = self.best_other(order)
        assert best is not None
        rules = self.books[order.symbol]
        price = rules.round(best.price + (-1 if order.buying else 1), up=not order.buying)
        return price if 0 < price <= rules.max_price else 0

    def stay_behind(self, order: Order) -> None:
        """A post-only order that comes to the market where it would take liquidity: it slides, or goes."""
        price = self.behind(order)
        if order.terms[w.TERM_POST_ONLY] == w.POST_ONLY_SLIDE and price:
            order.price = price
            self.restate(order, w.RESTATED_SLID)
            self.rest(order)
        else:
            self.cancel_all_of(order, w.CANCEL_POST_ONLY)

    def match(self, taker: Order, limit: int | None) -> None:
        """Trade until nobody is left, or nothing."""
        while taker.open:
            makers = [m for m in self.makers(taker, limit) if min(taker.open, m.open) >= m.need]
            if not makers:
                break
            level = [m for m in makers if m.where == LIT and m.price == makers[0].price]
            if self.books[taker.symbol].allocation == "fifo" or not level:
                makers = makers[:1]
            else:
                makers = level
            own = next((m for m in makers if self.prevented(taker, m)), None)
            if own is not None:
                self.prevent(taker, own)
                if self.tried_out and self.mode(taker) != w.SELF_MATCH_OLDEST:
                    break
            else:
                self.share_out(taker, makers)
        self.heed_prints(taker.symbol)

    def heed_prints(self, symbol: str) -> None:
        """A taker is done: what its trades mean for orders that wait for a price."""

    def share_out(self, taker: Order, makers: list[Order]) -> None:
        """Trade with some orders of one price, each its part, in time order; icebergs show more when all is done."""
        parts = share(self.books[taker.symbol], taker.open, [(m.tradeable, self.account(m), m.top) for m in makers])
        for maker, part in zip(makers, parts, strict=True):
            if part:
                self.trade(taker, maker, part)
        for maker in makers:
            self.replenish(maker)

    def trade(self, taker: Order, maker: Order, size: int) -> None:
        self.printed(taker, maker, size, maker.price)
        maker.shown -= size if maker.where == LIT else 0
        added = w.ADDED_LIQUIDITY if maker.where == LIT else w.ADDED_HIDDEN
        for party, other, liquidity in ((taker, maker, w.REMOVED_LIQUIDITY), (maker, taker, added)):
            self.tell(party.session, w.EXECUTED, party.token, size, maker.price, liquidity, self.matches, party.open,
                      other.session)  # fmt: skip
        side = taker.public_side
        if maker.where == LIT:
            self.announce(taker.symbol, w.TRADED, maker.number, size, maker.price, self.matches, side, maker.shown)
        else:
            self.announce(taker.symbol, w.TRADED_HIDDEN, size, maker.price, self.matches, side)
        if not maker.open:
            self.take_out(maker)

    def replenish(self, order: Order) -> None:
        """An iceberg whose part is used up shows the next one, behind all others of its price."""
        if order.where != LIT or order.shown or not order.open:
            return
        order.number = self.next_number()
        order.shown = self.first_part(order)
        order.top = False
        self.tell(order.session, w.RESTATED, order.token, order.number, order.price, order.shown, order.open,
                  w.RESTATED_REPLENISHED)  # fmt: skip
        self.announce(order.symbol, w.ADDED, order.number, order.public_side, order.shown, order.price)

    def would_execute(self, taker: Order, limit: int | None) -> int:
        """What `match` would execute, tried out on a copy."""
        copied = Trading(self.books, self.members, self.max_quantity, self.max_open, self.seed)
        copied.tried_out = True
        copied.numbers = self.numbers
        copied.orders = [copy(o) for o in self.orders if o.symbol == taker.symbol and o is not taker]
        tried = copy(taker)
        copied.match(tried, limit)
        return copied.sold[taker.symbol]

    # ------------------------------------------------------------------------------------------- self-matches
    def mode(self, taker: Order) -> int:
        given = taker.terms.get(w.TERM_SELF_MATCH)
        return self.books[taker.symbol].self_match if given is None else int(given)

    def prevented(self, taker: Order, maker: Order) -> bool:
        return self.mode(taker) != w.SELF_MATCH_OFF and self.same_owner(taker, maker)

    def prevent(self, taker: Order, maker: Order) -> None:
        """What happens instead of a trade."""
        mode = self.mode(taker)
        size = min(taker.open, maker.tradeable)
        added = w.ADDED_LIQUIDITY if maker.where == LIT else w.ADDED_HIDDEN
        whole = mode != w.SELF_MATCH_DECREMENT
        if mode != w.SELF_MATCH_OLDEST:
            self.use_up(taker, taker.open if whole else size, size, maker.price, w.REMOVED_LIQUIDITY)
        if mode == w.SELF_MATCH_NEWEST:
            return
        self.use_up(maker, maker.open if whole else size, size, maker.price, added)
        if maker.where == LIT:
            gone = maker.shown if whole else size
            maker.shown -= gone
            self.announce(maker.symbol, w.REDUCED, maker.number, gone, maker.shown)
        if maker.open:
            self.replenish(maker)
        else:
            self.take_out(maker)

    def use_up(self, order: Order, quantity: int, prevented: int, price: int, liquidity: int) -> None:
        order.open -= quantity
        order.done += quantity
        self.tell(order.session, w.SELF_MATCH, order.token, quantity, prevented, price, liquidity, order.open)
        if not order.open:
            self.ended(order, 0)

    # ------------------------------------------------------------------------------------------- resting
    def lit_if_resting(self, order: Order) -> bool:
        midpoint = order.terms.get(w.TERM_PEG) == w.PEG_MIDPOINT
        return not order.conditional and w.TERM_HIDDEN not in order.terms and not midpoint

    def settle_down(self, order: Order) -> None:
        """Work out where it will wait and what is seen of it."""
        order.where = LIT if self.lit_if_resting(order) else DARK
        order.minimum = min(order.minimum, order.open)
        order.shown = self.first_part(order) if order.where == LIT else 0
        seen = [o.price for o in self.side(order.symbol, order.buying) if o.where == LIT and o is not order]
        order.top = order.where == LIT and all(order.price > p if order.buying else order.price < p for p in seen)

    def rest(self, order: Order) -> None:
        self.settle_down(order)
        self.orders.append(order)
        if order.where == LIT:
            self.announce(order.symbol, w.ADDED, order.number, order.public_side, order.shown, order.price)
