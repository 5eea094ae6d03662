"""A naive exchange: what openoutcry.matcher must do, written the obvious way, with flat lists and sorting.

One engine whose books and sessions are given. It shares with the machine nothing but the constants of the bus. Every
rule of the order commands is written out once, from specs/ouch42 (Behaviour) and the phases; speed does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from openoutcry import wire as w

Message = tuple[Any, ...]


@dataclass
class Order:
    """A live order, or one that was."""

    session: int
    token: bytes
    symbol: str
    number: int
    side: int
    price: int
    open: int
    done: int
    tif: int
    deadline: int
    data: bytes

    @property
    def buying(self) -> bool:
        return self.side == w.BUY


@dataclass
class Rules:
    """A book's number and limits."""

    number: int
    tick: int = 10_000
    lot: int = 1
    max_price: int = 199_999_99000000


class Oracle:
    """symbols: the books' rules; streams: the stream's name of each session."""

    def __init__(self, symbols: dict[str, Rules], streams: dict[int, str], max_quantity: int, max_open: int) -> None:
        self.symbols = symbols
        self.streams = streams
        self.max_quantity = max_quantity
        self.max_open = max_open
        self.phase = w.PHASE_OPEN
        self.halted: set[str] = set()
        self.orders: list[Order] = []
        self.used: set[tuple[int, bytes]] = set()
        self.private: dict[str, list[Message]] = defaultdict(list)
        self.public: list[Message] = []
        self.numbers = self.matches = 0
        self.filled: dict[str, int] = defaultdict(int)  # by B, S

    # ------------------------------------------------------------------------------------------- looking
    def find(self, session: int, token: bytes) -> Order | None:
        return next((o for o in self.orders if o.open and (o.session, o.token) == (session, token)), None)

    def live(self, symbol: str, buying: bool) -> list[Order]:
        """One side of a book in priority order."""
        found = [o for o in self.orders if o.open and o.symbol == symbol and o.buying == buying]
        return sorted(found, key=lambda o: (-o.price if buying else o.price, o.number))

    def makers(self, symbol: str, buying: bool, limit: int | None) -> list[Order]:
        """Whom an order could trade with, best first."""
        other = self.live(symbol, not buying)
        return [o for o in other if limit is None or (o.price <= limit if buying else o.price >= limit)]

    def standstill(self, symbol: str) -> int:
        if self.phase != w.PHASE_OPEN:
            return w.REJECT_CLOSED
        return w.REJECT_HALTED if symbol in self.halted else 0

    # ------------------------------------------------------------------------------------------- telling
    def tell(self, session: int, kind: int, *fields: Any) -> None:
        self.private[self.streams[session]].append((kind, session, *fields))

    def reject(self, session: int, token: bytes, reason: int) -> None:
        self.used.add((session, token))
        self.tell(session, w.REJECTED, token, reason, w.REJECT_REASONS.get(reason, ""))

    def cancel_all_of(self, order: Order, reason: int, say: bool = True) -> None:
        gone, order.open = order.open, 0
        if say:
            self.tell(order.session, w.CANCELED, order.token, gone, reason, 0)
        self.public.append((w.REDUCED, self.symbols[order.symbol].number, order.number, gone, 0))

    # ------------------------------------------------------------------------------------------- commands
    def command(self, command: Message, time_ns: int) -> None:
        kind, session, *fields = command
        if self.phase == w.PHASE_ENDED:
            return
        handlers: dict[int, Any] = {
            w.ENTER: self.enter, w.REPLACE: self.replace, w.CANCEL: self.cancel, w.MODIFY: self.modify,
            w.REFUSE: self.refuse,
        }  # fmt: skip
        handlers[kind](session, *fields, time_ns)

    def flaw(self, rules: Rules, total: int, price: int, kind: int, tif: int, expire: int, minimum: int) -> int:
        if total < 1 or total > self.max_quantity or total % rules.lot:
            return w.REJECT_QUANTITY
        if kind == w.MARKET and price != 0:
            return w.REJECT_PRICE
        if kind == w.LIMIT and (price < 1 or price > rules.max_price or price % rules.tick):
            return w.REJECT_PRICE
        if tif == w.GOOD_FOR_TIME and (expire < 1 or expire > 86_399):
            return w.REJECT_TIME_IN_FORCE
        if minimum and (minimum > total or (kind == w.LIMIT and tif not in (w.IOC, w.FOK))):
            return w.REJECT_MIN_QUANTITY
        return 0

    def enter(
        self, session: int, token: bytes, symbol: str, side: int, quantity: int, price: int, kind: int, tif: int,
        expire: int, minimum: int, data: bytes, time_ns: int,
    ) -> None:  # fmt: skip
        if (session, token) in self.used:
            return None
        if symbol not in self.symbols:
            return self.reject(session, token, w.REJECT_SYMBOL)
        reason = self.standstill(symbol)
        if not reason and len([o for o in self.orders if o.open and o.session == session]) >= self.max_open:
            reason = w.REJECT_LIMIT
        reason = reason or self.flaw(self.symbols[symbol], quantity, price, kind, tif, expire, minimum)
        if reason:
            return self.reject(session, token, reason)
        self.used.add((session, token))
        self.numbers += 1
        self.tell(session, w.ACCEPTED, token, self.numbers, side, quantity, price, w.LIVE, data)
        deadline = time_ns + expire * 10**9 if tif == w.GOOD_FOR_TIME else 0
        order = Order(session, token, symbol, self.numbers, side, price, quantity, 0, tif, deadline, data)
        self.execute(order, kind, minimum, None)
        return None

    def execute(self, order: Order, kind: int, minimum: int, replaced: Order | None) -> None:
        """Trade, then rest or cancel. replaced: what it stands in for, told to the public in one event if it rests."""
        rules = self.symbols[order.symbol]
        immediate = kind == w.MARKET or order.tif in (w.IOC, w.FOK)
        makers = self.makers(order.symbol, order.buying, None if kind == w.MARKET else order.price)
        needed = order.open if order.tif == w.FOK else minimum
        if replaced is not None and (immediate or makers):
            self.cancel_all_of(replaced, 0, say=False)
        if sum(maker.open for maker in makers) >= needed:
            for maker in makers:
                if order.open:
                    self.trade(order, maker)
        if immediate and order.open:
            self.tell(order.session, w.CANCELED, order.token, order.open, w.CANCEL_IOC, 0)
        elif order.open:
            self.orders.append(order)
            if replaced is not None and not makers:
                replaced.open = 0
                self.public.append(
                    (w.ORDER_REPLACED, rules.number, replaced.number, order.number, order.open, order.price)
                )
            else:
                side = w.BUY if order.buying else w.SELL
                self.public.append((w.ADDED, rules.number, order.number, side, order.open, order.price))

    def trade(self, order: Order, maker: Order) -> None:
        size = min(order.open, maker.open)
        self.matches += 1
        for party in (order, maker):
            party.open -= size
            party.done += size
            self.filled["B" if party.buying else "S"] += size
            liquidity = w.REMOVED_LIQUIDITY if party is order else w.ADDED_LIQUIDITY
            self.tell(party.session, w.EXECUTED, party.token, size, maker.price, liquidity, self.matches, party.open)
        side = w.BUY if order.buying else w.SELL
        number = self.symbols[order.symbol].number
        self.public.append((w.TRADED, number, maker.number, size, maker.price, self.matches, side, maker.open))

    def replace(
        self, session: int, token: bytes, new_token: bytes, total: int, price: int, kind: int, tif: int, expire: int,
        minimum: int, invalid: int, data: bytes, time_ns: int,
    ) -> None:  # fmt: skip
        old = self.find(session, token)
        if old is None or (session, new_token) in self.used:
            return
        reason = self.standstill(old.symbol)
        if reason:
            self.reject(session, new_token, reason)
            return
        flaw = invalid or self.flaw(self.symbols[old.symbol], total, price, kind, tif, expire, minimum)
        left = total - old.done
        if flaw or left <= 0 or minimum > left:
            self.cancel_all_of(old, w.CANCEL_INVALID_REPLACE)
            return
        self.used.add((session, new_token))
        self.numbers += 1
        self.tell(session, w.REPLACED, new_token, token, self.numbers, old.side, left, price, w.LIVE, old.data, data)
        deadline = time_ns + expire * 10**9 if tif == w.GOOD_FOR_TIME else 0
        new = Order(
            session, new_token, old.symbol, self.numbers, old.side, price, left, old.done, tif, deadline, old.data
        )
        self.execute(new, kind, minimum, old)

    def cancel(self, session: int, token: bytes, intended: int, time_ns: int) -> None:
        order = self.find(session, token)
        if order is None:
            return
        left = max(0, intended - order.done)
        if left == 0:
            self.cancel_all_of(order, w.CANCEL_USER)
        elif left < order.open:
            gone, order.open = order.open - left, left
            self.tell(session, w.CANCELED, token, gone, w.CANCEL_USER, left)
            self.public.append((w.REDUCED, self.symbols[order.symbol].number, order.number, gone, left))

    def modify(self, session: int, token: bytes, side: int, intended: int, time_ns: int) -> None:
        order = self.find(session, token)
        if order is None or order.buying != (side == w.BUY):
            return
        left = max(0, intended - order.done)
        if left > order.open or (left == order.open and side == order.side):
            return
        if left == 0:
            self.cancel_all_of(order, w.CANCEL_USER)
            return
        gone, order.open, order.side = order.open - left, left, side
        self.tell(session, w.MODIFIED, token, side, left)
        if gone:
            self.public.append((w.REDUCED, self.symbols[order.symbol].number, order.number, gone, left))

    def refuse(self, session: int, token: bytes, reason: int, time_ns: int) -> None:
        if (session, token) not in self.used:
            self.reject(session, token, reason)

    # ------------------------------------------------------------------------------------------- time and phases
    def next_timer_ns(self) -> int:
        return min((o.deadline for o in self.orders if o.open and o.deadline), default=0)

    def timer(self, time_ns: int) -> None:
        due = [o for o in self.orders if o.open and o.deadline and o.deadline <= time_ns]
        for order in sorted(due, key=lambda o: (o.deadline, o.number)):
            self.cancel_all_of(order, w.CANCEL_TIMEOUT)

    def _status(self, symbol: str, why: str) -> None:
        phase = w.PHASE_HALTED if self.phase == w.PHASE_OPEN and symbol in self.halted else self.phase
        self.public.append((w.STATUS, self.symbols[symbol].number, phase, why))

    def _end_phase(self, phase: int, why: str, tifs: tuple[int, ...]) -> None:
        self.phase = phase
        for symbol in self.symbols:
            for order in self.live(symbol, True) + self.live(symbol, False):
                if order.tif in tifs:
                    self.cancel_all_of(order, w.CANCEL_CLOSED)
            self._status(symbol, why)

    def close(self) -> None:
        self._end_phase(w.PHASE_CLOSED, "close", (w.DAY,))

    def end_of_day(self) -> None:
        self._end_phase(w.PHASE_ENDED, "end_of_day", (w.DAY, w.SYSTEM_HOURS, w.GOOD_FOR_TIME))
        for session in self.streams:
            self.tell(session, w.SYSTEM, w.END_OF_DAY)
        self.used.clear()

    def open_market(self) -> None:
        self._end_phase(w.PHASE_OPEN, "open", ())

    def halt(self, symbol: str) -> None:
        self.halted.add(symbol)
        self._status(symbol, "halt")

    def resume(self, symbol: str) -> None:
        self.halted.discard(symbol)
        self._status(symbol, "resume")
