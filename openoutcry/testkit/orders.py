"""An order as its client sees it, over any protocol: what has happened to it, and what is expected to.

::

    order.expect_accepted()                  each waits for it, and returns the order
    order.expect_filled(40, at="10.05")      executions that add up to 40, each at that price
    order.expect_filled()                    all that is left of it
    order.expect_canceled(60, "user")
    order.expect_rejected("halted")
    order.expect_replaced(quantity=80)       the answers to order.replace(...) and order.cancel()
    order.expect_cancel_rejected()
    order.expect_open(60)                    it is live, with 60 open

What is expected once is done with: the next ``expect_filled`` is about the executions after it. What happens besides is
left for later expectations. A reason is the protocol's code, or any part of the reason in words, which are the same
over OUCH and FIX (openoutcry.wire.REJECT_REASONS, CANCEL_REASONS).

Invariant: an expectation that can no longer come true fails at once, not after the time-out, and shows every message of
the order (Unexpected, an AssertionError).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from openoutcry.testkit.expecting import Check, exact, plain, wait

if TYPE_CHECKING:
    from openoutcry.testkit.trading import Trader

Price = Decimal | str | int

SENT: Final = "sent"
ACCEPTED: Final = "accepted"
FILLED: Final = "filled"
CANCELED: Final = "canceled"
REPLACED: Final = "replaced"
REJECTED: Final = "rejected"
CANCEL_REJECTED: Final = "cancel rejected"
BROKEN: Final = "broken"
CORRECTED: Final = "corrected"
NOTE: Final = "note"  # all else that was received
REQUEST: Final = "request"  # of ours, but for the order itself
OPEN: Final = "open"  # only as a status: accepted, and not done yet
DONE: Final = (FILLED, CANCELED, REJECTED)  # as a status


class Happening(NamedTuple):
    """What one message means for its order.

    kind: one of the above. words: the message in words. quantity: executed or cancelled by it. open: what is left
    afterwards, None when that follows. reasons: its code, and what it may mean. message: as the client received it;
    number: its sequence number.
    """

    kind: str
    words: str
    quantity: int = 0
    price: Decimal | None = None
    open: int | None = None
    reasons: tuple[str, ...] = ()
    message: Any = None
    number: int = 0

    @property
    def line(self) -> str:
        """The message in words, with its direction and number."""
        return f"> {self.words}" if self.kind in (SENT, REQUEST) else f"< #{self.number} {self.words}"

    def has_reason(self, reason: str) -> bool:
        """Whether that is its code, or part of its reason in words."""
        return any(reason == found or (len(reason) > 1 and reason.lower() in found.lower()) for found in self.reasons)


class Order:
    """One order. name: its newest ClOrdID or token. status: sent, open, or how it ended.

    quantity, price: as they are now, after what has replaced it. filled, open: shares. happenings: all of them.
    """

    def __init__(self, trader: Trader, name: str, side: str, symbol: str, quantity: int, price: Decimal | None) -> None:
        self.trader = trader
        self.name = name
        self.side = side
        self.symbol = symbol
        self.quantity = quantity
        self.price = price
        self.filled = 0
        self.open = 0
        self.status = SENT
        self.happenings: list[Happening] = []
        self._taken: set[int] = set()  # places of the happenings that were expected

    @property
    def messages(self) -> list[Any]:
        """Every message about it, as the client received it."""
        return [happening.message for happening in self.happenings if happening.message is not None]

    @property
    def average_price(self) -> Decimal | None:
        """Of its executions; None when there are none. Broken and corrected trades are as they were told first."""
        fills = [(h.quantity, h.price) for h in self.happenings if h.kind == FILLED and h.price is not None]
        total = sum(quantity for quantity, _ in fills)
        value = sum((quantity * price for quantity, price in fills), Decimal(0))
        return Decimal(plain(value / total)) if total else None

    # --------------------------------------------------------------------------------------------- requests
    def cancel(self) -> Self:
        """Ask for all that is open to be cancelled; ``expect_canceled`` is the answer."""
        self.trader.send_cancel(self)
        return self

    def replace(self, quantity: int | None = None, price: Price | None = None) -> Self:
        """Ask for another total quantity (with what has executed) or price; ``expect_replaced`` is the answer."""
        limit = self.price if price is None else exact(price)
        self.trader.send_replace(self, self.quantity if quantity is None else quantity, limit)
        return self

    # --------------------------------------------------------------------------------------------- expectations
    def expect_accepted(self, timeout: float | None = None) -> Self:
        """It was taken, whatever happened to it afterwards."""
        __tracebackhide__ = True
        return self._expect("accepted", lambda: self._one(ACCEPTED, None, ""), timeout)

    def expect_rejected(self, reason: str = "", timeout: float | None = None) -> Self:
        """It was refused, for that reason if one is given."""
        __tracebackhide__ = True
        return self._expect(_with("rejected", reason), lambda: self._one(REJECTED, None, reason), timeout)

    def expect_filled(self, quantity: int | None = None, at: Price | None = None, timeout: float | None = None) -> Self:
        """Executions that add up to exactly `quantity` (None: all that is left), all at that price if one is given."""
        __tracebackhide__ = True
        price = None if at is None else exact(at)
        expected = f"filled{'' if quantity is None else f' {quantity}'}{'' if price is None else f' at {plain(price)}'}"
        return self._expect(expected, lambda: self._fills(quantity, price), timeout)

    def expect_canceled(self, quantity: int | None = None, reason: str = "", timeout: float | None = None) -> Self:
        """So many shares were cancelled at once, for that reason if one is given."""
        __tracebackhide__ = True
        expected = _with(f"canceled{'' if quantity is None else f' {quantity}'}", reason)
        return self._expect(expected, lambda: self._one(CANCELED, quantity, reason), timeout)

    def expect_replaced(
        self, quantity: int | None = None, price: Price | None = None, timeout: float | None = None
    ) -> Self:
        """It was replaced; quantity, price: as they must be now."""
        __tracebackhide__ = True
        limit = None if price is None else exact(price)
        wanted = f"{'' if quantity is None else f': {quantity}'}{'' if limit is None else f' at {plain(limit)}'}"

        def check() -> str | bool:
            if (quantity is None or quantity == self.quantity) and (limit is None or limit == self.price):
                return self._one(REPLACED, None, "")
            if self._first(REPLACED) is None:
                return self._hopeless(REPLACED)
            return f"it is {self} now"

        return self._expect(f"replaced{wanted}", check, timeout)

    def expect_cancel_rejected(self, reason: str = "", timeout: float | None = None) -> Self:
        """A cancel or a replacement of it was refused. (OUCH says nothing when it is too late for one.)"""
        __tracebackhide__ = True
        expected = _with("the cancel or replacement rejected", reason)
        return self._expect(expected, lambda: self._one(CANCEL_REJECTED, None, reason), timeout)

    def expect_open(self, quantity: int | None = None, timeout: float | None = None) -> Self:
        """It is live, with that much open."""
        __tracebackhide__ = True

        def check() -> str | bool:
            if self.status in DONE or (quantity is not None and self.status == OPEN and self.open < quantity):
                return self._now()
            return self.status == OPEN and quantity in (None, self.open)

        return self._expect(f"open{'' if quantity is None else f' {quantity}'}", check, timeout)

    def expect_broken(self, timeout: float | None = None) -> Self:
        """A trade of it was broken."""
        __tracebackhide__ = True
        return self._expect("a broken trade", lambda: self._one(BROKEN, None, ""), timeout)

    def expect_corrected(self, to: Price | None = None, timeout: float | None = None) -> Self:
        """The price of a trade of it was corrected."""
        __tracebackhide__ = True
        price = None if to is None else exact(to)

        def check() -> str | bool:
            found = self._first(CORRECTED)
            if found is not None and price is not None and self.happenings[found].price != price:
                return self.happenings[found].words
            return self._one(CORRECTED, None, "")

        return self._expect(f"a corrected price{'' if price is None else f', {plain(price)}'}", check, timeout)

    def _expect(self, expected: str, check: Check, timeout: float | None) -> Self:
        __tracebackhide__ = True
        seconds = self.trader.patience if timeout is None else timeout
        wait(f"{self} {expected}", check, self.trader.more, seconds, self.story)
        return self

    # --------------------------------------------------------------------------------------------- judging
    def _first(self, kind: str) -> int | None:
        """The place of the first of that kind that nobody has expected yet."""
        return next((at for at, h in enumerate(self.happenings) if h.kind == kind and at not in self._taken), None)

    def _one(self, kind: str, quantity: int | None, reason: str) -> str | bool:
        """Take one happening of that kind, if it is as it should be."""
        at = self._first(kind)
        if at is None:
            return self._hopeless(kind)
        found = self.happenings[at]
        if quantity not in (None, found.quantity) or (reason and not found.has_reason(reason)):
            return f"it was {found.words}"
        self._taken.add(at)
        return True

    def _fills(self, quantity: int | None, price: Decimal | None) -> str | bool:
        """Take executions, if they add up."""
        total = 0
        taken: list[int] = []
        for at, found in enumerate(self.happenings):
            if found.kind != FILLED or at in self._taken:
                continue
            if price is not None and found.price != price:
                return f"it was {found.words}"
            taken.append(at)
            total += found.quantity
            if total == quantity:
                break
            if quantity is not None and total > quantity:
                return f"it was filled {total}"
        if total == quantity or (quantity is None and taken and self.status == FILLED):
            self._taken.update(taken)
            return True
        if self.status in DONE:
            return f"it was filled {total} and no more: {self._now()}" if total else self._now()
        return False

    def _hopeless(self, kind: str) -> str | bool:
        """Why something of that kind will never happen; False when it may."""
        expected = any(self.happenings[at].kind == kind for at in self._taken)
        ended = {
            ACCEPTED: self.status == REJECTED,
            REJECTED: self.status != SENT,
            CANCELED: self.status in DONE,
            REPLACED: self.status in DONE,
        }
        if ended.get(kind, False):
            return f"that has been expected already; {self._now()}" if expected else self._now()
        if kind in (CANCELED, REPLACED) and (at := self._first(CANCEL_REJECTED)) is not None and not self._asked():
            return f"the request was refused: {self.happenings[at].words}"
        return False

    def _asked(self) -> bool:
        """Whether a request to cancel or replace it has no answer yet."""
        answers = (REPLACED, CANCELED, CANCEL_REJECTED)
        kinds = [happening.kind for happening in self.happenings]
        return kinds.count(REQUEST) > sum(map(kinds.count, answers))

    def _now(self) -> str:
        """How it stands, in a sentence."""
        last = next((h.words for h in reversed(self.happenings) if h.kind in (ACCEPTED, REPLACED, *DONE)), "")
        if self.status == FILLED:
            return f"it was filled, all {self.filled}"
        if self.status == OPEN:
            return f"it was accepted, and {self.open} are open"
        return f"it was {last or self.status}"

    # --------------------------------------------------------------------------------------------- what happens
    def add(self, happening: Happening) -> None:
        """Something has happened; called by the trader."""
        before = self.open
        open_now = before if happening.open is None else happening.open
        if happening.kind in (FILLED, CANCELED) and happening.open is None:
            open_now = max(0, before - happening.quantity)
        if happening.kind == CANCELED and not happening.quantity:
            happening = happening._replace(quantity=before - open_now)
        self.open = open_now
        self.happenings.append(happening)
        if happening.kind == FILLED:
            self.filled += happening.quantity
        elif happening.kind == REPLACED:
            self.quantity = self.filled + open_now
            self.price = happening.price
        self._settle(happening.kind)

    def _settle(self, kind: str) -> None:
        """The status after a happening."""
        if kind == REJECTED:
            self.status = REJECTED
        elif kind in (ACCEPTED, REPLACED):
            self.status = OPEN
        elif kind in (FILLED, CANCELED):
            self.status = OPEN if self.open else kind

    def __str__(self) -> str:
        price = "at the market" if self.price is None else f"at {plain(self.price)}"
        return f"{self.side} {self.quantity} {self.symbol} {price}"

    def __repr__(self) -> str:
        return f"<Order {self.name}: {self}, {self.status}, {self.filled} filled, {self.open} open>"

    def story(self) -> str:
        """All that was said about it; when that is nothing, the last messages of its session."""
        lines = [f"order {self.name} of {self.trader.title}: {self.status}, {self.filled} filled, {self.open} open"]
        lines += [f"  {happening.line}" for happening in self.happenings]
        if not self.messages:
            lines.append("no message about it; the last ones of its session:")
            lines += [f"  {line}" for line in self.trader.last_messages(10)] or ["  none"]
        return "\n".join(lines)


def _with(what: str, reason: str) -> str:
    return f"{what}, {reason}" if reason else what
