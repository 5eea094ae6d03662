"""Auctions: the one price at which most can be traded, who trades at it, and what becomes of the rest.

Source: the rules that Xetra, LSE and Nasdaq share: most volume, then least surplus, then market pressure, then the
reference price. Written as a search over every candidate.
"""

from __future__ import annotations

from openoutcry import wire as w
from tests.naive.floor import CALL, DARK, LIT, Order
from tests.naive.pegging import Pegging


class Crossing(Pegging):
    """cross: one of wire.CROSSES."""

    # ------------------------------------------------------------------------------------------- who takes part
    def takes_part(self, order: Order, cross: int) -> bool:
        if order.where != CALL:
            return order.where in (LIT, DARK) and not order.conditional and w.TERM_PEG not in order.terms
        if order.tif == w.AT_OPEN:
            return cross == w.CROSS_OPENING
        return order.tif != w.AT_CLOSE or cross == w.CROSS_CLOSING

    def queue(self, symbol: str, buying: bool, cross: int) -> list[Order]:
        """A side in the order in which it trades."""
        return [o for o in self.side(symbol, buying) if self.takes_part(o, cross)]

    @staticmethod
    def willing(orders: list[Order], price: int) -> int:
        """How much would trade at a price."""
        return sum(o.open for o in orders if o.market or (o.price >= price if o.buying else o.price <= price))

    # ------------------------------------------------------------------------------------------- the price
    def reference(self, symbol: str) -> int:
        return self.last_price[symbol] or self.books[symbol].reference_price

    def auction_price(self, symbol: str, cross: int) -> tuple[int, int, int]:
        """Price, volume and surplus of buys (below 0: of sells); price 0 when nothing can trade."""
        buys, sells = self.queue(symbol, True, cross), self.queue(symbol, False, cross)
        reference = self.reference(symbol)
        candidates = sorted({o.price for o in buys + sells if not o.market} | ({reference} if reference else set()))

        def volume(price: int) -> int:
            return min(self.willing(buys, price), self.willing(sells, price))

        def surplus(price: int) -> int:
            return self.willing(buys, price) - self.willing(sells, price)

        most = max(map(volume, candidates), default=0)
        if not most:
            return 0, 0, 0
        candidates = [p for p in candidates if volume(p) == most]
        least = min(abs(surplus(p)) for p in candidates)
        candidates = [p for p in candidates if abs(surplus(p)) == least]
        if all(surplus(p) > 0 for p in candidates):
            price = candidates[-1]
        elif all(surplus(p) < 0 for p in candidates):
            price = candidates[0]
        else:
            middle = (candidates[0] + candidates[-1]) // 2
            wanted = reference or self.books[symbol].round(middle, up=False)
            price = min(candidates, key=lambda p: (abs(p - wanted), -p))
        return price, most, surplus(price)

    # ------------------------------------------------------------------------------------------- the cross
    def uncross(self, symbol: str, cross: int) -> None:
        price, volume, _ = self.auction_price(symbol, cross)
        left = volume
        while left:
            buy = self.queue(symbol, True, cross)[0]
            sell = self.queue(symbol, False, cross)[0]
            size = min(buy.open, sell.open, left)
            left -= size
            self.cross_trade(buy, sell, size, price, cross)
        self.announce(symbol, w.CROSSED, cross, price, volume)
        self.leftovers(symbol, price, cross)

    def cross_trade(self, buy: Order, sell: Order, size: int, price: int, cross: int) -> None:
        self.printed(buy, sell, size, price)
        for order in (buy, sell):
            order.shown = min(order.shown, order.open)
            self.tell(order.session, w.EXECUTED, order.token, size, price, w.CROSS_LIQUIDITY + cross, self.matches,
                      order.open, 0)  # fmt: skip
            if not order.open:
                self.take_out(order)
        numbers = [order.number if order.where == LIT else 0 for order in (buy, sell)]
        self.announce(buy.symbol, w.CROSS_TRADED, *numbers, size, price, self.matches, buy.shown, sell.shown)

    def leftovers(self, symbol: str, price: int, cross: int) -> None:
        """Orders for this auction (or an opening that never was) go; those that were waiting for a price get it."""
        for order in self.all_of(symbol, lambda o: o.where == CALL):
            if not self.takes_part(order, cross) and order.tif != w.AT_OPEN:
                continue
            if order.pending:
                self.cancel_all_of(order, w.CANCEL_USER)
            elif order.kind == w.MARKET_TO_LIMIT and price and not order.auction_only:
                self.take_out(order)
                self.become_limit(order, price)
                self.rest(order)
            else:
                self.cancel_all_of(order, w.CANCEL_CROSS)
