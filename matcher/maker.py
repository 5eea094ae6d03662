"""The policy ``market-maker``: a desk that quotes both sides of books, around what their securities are worth.

Rule 1. Around a price P it wants ``levels`` bids from P - spread/2 down and as many offers from P + spread/2 up, each
        ``step`` from the one before, all on the book's ticks, no two at one price, and the best bid below the best
        offer. Where there is no price, or the book takes no orders, it wants nothing new; without a price, nothing.
Rule 2. It never meets itself: when all of it moves up, offers go first, and when it moves down, bids do.
Rule 3. Its orders are plain DAY orders of a desk, whose names begin with ``~``, which no verb can give; they meet the
        books, the limits and the market like anybody's, but no policy. A name is free again once its order has gone, so
        quoting for ever does not fill the desk's memory.
Rule 4. It looks again when the price moves, and every ``refresh_ms``: what was taken is put back then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.errors import VerbError
from openoutcry.matcher import entry, phases, pricing, trading
from openoutcry.matcher.orders import BOOK, DONE, OPEN, PRICE, TOKEN, Order
from openoutcry.matcher.policies import DELAY_MAX, PERCENT, Hands, Policy, register_policy
from openoutcry.matcher.triggers import tick_down, tick_up
from openoutcry.parameters import Parameter

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.sessions import Session

LEVELS_MAX: Final = 50
CENT: Final = wire.PRICE_SCALE // 100
SIDES: Final = (wire.BUY, wire.SELL)


class MarketMaker(Policy):
    """See the module."""

    trades = True
    parameters = (
        Parameter("spread", "price", "between its best bid and its best offer", 2 * CENT, 1, wire.PRICE_MAX),
        Parameter("levels", "int", "prices on each side", 1, 1, LEVELS_MAX),
        Parameter("step", "price", "between two of them; 0: one tick", 0, 0, wire.PRICE_MAX),
        Parameter("quantity", "int", "at each price, in whole lots", 100, 1, wire.QUANTITY_MAX),
        Parameter("refresh_ms", "int", "what was taken is put back after so long at most; 0: when the price moves",
                  1_000, 0, DELAY_MAX),
        Parameter("desk", "name", "whose orders they are; none: of a desk with the policy's name", None, 1),
    )  # fmt: skip

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        if options["session"] is not None or options["count"] or options["probability"] != PERCENT:
            text = "policy market-maker can be limited to a book and to a side: it acts on no messages"
            raise VerbError("bad_argument", "options", text)

    def begins(self, hands: Hands) -> None:
        self.woken(hands)

    def woken(self, hands: Hands) -> None:
        for book in hands.books():
            self.priced(hands, book)
        if self.options["refresh_ms"]:
            hands.wake(self.options["refresh_ms"])

    def ends(self, hands: Hands) -> None:
        for order in list(hands.desk.live.values()):
            if order[TOKEN][:1] == MARK:
                _take_out(hands, order)

    def priced(self, hands: Hands, book: Book) -> None:
        """Have in the book what is wanted there."""
        if not hands.ready() or phases.may_enter(book.phase, wire.LIMIT, wire.DAY):
            return
        _forget(hands.desk)
        wanted = {side: self._wanted(book, side) for side in SIDES}
        if wanted[wire.BUY] and wanted[wire.SELL] and wanted[wire.BUY][0] >= wanted[wire.SELL][0]:
            wanted[wire.SELL] = []  # there is no room for both
        own = {side: _own(hands, book, side) for side in SIDES}
        rising = bool(wanted[wire.BUY]) and any(wanted[wire.BUY][0] >= order[PRICE] for order in own[wire.SELL])
        for side in reversed(SIDES) if rising else SIDES:
            self._quote(hands, book, side, wanted[side], own[side])

    def _wanted(self, book: Book, side: int) -> list[int]:
        """The prices of one side, the best first."""
        price = pricing.price_of(book)
        if not price or self.options["side"] not in (None, "buy" if side == wire.BUY else "sell"):
            return []
        spread, step = self.options["spread"], self.options["step"] or 1
        found: list[int] = []
        best = price - spread // 2 if side == wire.BUY else price + spread - spread // 2
        for place in range(self.options["levels"]):
            if side == wire.BUY:
                at = tick_down(book, min([best - place * step, *(last - 1 for last in found[-1:])]))
            else:
                at = tick_up(book, max([best + place * step, *(last + 1 for last in found[-1:])]))
            if not 0 < at <= book.max_price:
                break
            found.append(at)
        return found

    def _quote(self, hands: Hands, book: Book, side: int, wanted: list[int], own: list[Order]) -> None:
        """One side: what is right stays, what is not moves to where something is missing, or goes."""
        quantity = max(book.lot_size, self.options["quantity"] // book.lot_size * book.lot_size)
        there = {order[PRICE]: order for order in own if order[OPEN] == quantity}
        missing = [price for price in wanted if price not in there]
        for order in own:
            if there.get(order[PRICE]) is order and order[PRICE] in wanted:
                continue
            if missing and not order[DONE]:
                _move(hands, order, quantity, missing.pop(0))
            else:
                _take_out(hands, order)
        for price in missing:
            _enter(hands, book, side, quantity, price)


MARK: Final = b"~"


def _own(hands: Hands, book: Book, side: int) -> list[Order]:
    """What the desk has in a book on a side."""
    mark = MARK + (b"B" if side == wire.BUY else b"S")
    return [order for token, order in hands.desk.live.items() if token[:2] == mark and order[BOOK] is book]


def _forget(desk: Session) -> None:
    """The names of orders that have been executed are free again."""
    for token in [token for token in desk.tokens if token[:1] == MARK and token not in desk.live]:
        del desk.tokens[token]


def _free_token(hands: Hands, mark: bytes) -> bytes:
    """A name that no order of the desk's has."""
    number = 1
    while (token := b"%b%d" % (mark, number)) in hands.desk.tokens:
        number += 1
    return token


def _settle(hands: Hands, book: Book, *tokens: bytes) -> None:
    """Do what an order has set off; a name of which there is no order is free again."""
    trading.settle_all(book.numbers)
    for token in tokens:
        if token not in hands.desk.live:
            hands.desk.tokens.pop(token, None)


def _enter(hands: Hands, book: Book, side: int, quantity: int, price: int) -> None:
    desk = hands.desk
    token = _free_token(hands, MARK + (b"B" if side == wire.BUY else b"S"))
    entry.enter(desk, (wire.ENTER, desk.number, token, book.symbol, side, quantity, price, wire.LIMIT, wire.DAY, 0, 0,
                       b""), book.numbers.time_ns)  # fmt: skip
    _settle(hands, book, token)


def _move(hands: Hands, order: Order, quantity: int, price: int) -> None:
    desk, book, token = hands.desk, order[BOOK], order[TOKEN]
    new = _free_token(hands, token[:2])
    entry.replace(desk, (wire.REPLACE, desk.number, token, new, quantity, price, wire.LIMIT, wire.DAY, 0, 0, 0, b""),
                  book.numbers.time_ns)  # fmt: skip
    _settle(hands, book, token, new)


def _take_out(hands: Hands, order: Order) -> None:
    token = order[TOKEN]
    entry.cancel(hands.desk, (wire.CANCEL, hands.desk.number, token, 0), order[BOOK].numbers.time_ns)
    _settle(hands, order[BOOK], token)


register_policy("market-maker", MarketMaker)
