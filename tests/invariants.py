"""What must be true of a machine between any two inputs, whatever it was told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openoutcry import wire as w
from openoutcry.matcher.book import Book, Side, shown_of
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.orders import BOOK, DEADLINE, LEVEL, NUMBER, OPEN, PRICE, SESSION, SIDE, TERMS, TOKEN, Order
from openoutcry.matcher.terms import CALL, DARK, LIT, PARKED, TRIGGER


def check(machine: Machine) -> None:
    """Every invariant of the books, rooms and sessions."""
    assert not machine.numbers.unsettled
    found = [order for book in machine.books.values() for order in check_book(book)]
    live = [order for session in machine.sessions.values() for order in session.live.values()]
    assert {id(order) for order in found} == {id(order) for order in live}
    assert len(found) == len(live), "an order is in two places"
    for session in machine.sessions.values():
        numbers = [order[NUMBER] for order in session.live.values()]
        assert numbers == sorted(set(numbers)), "live orders are in the order of their numbers"
        assert all(order[TOKEN] == token and order[SESSION] is session for token, order in session.live.items())
        assert set(session.live) <= set(session.tokens)


def check_book(book: Book) -> list[Order]:
    """Every invariant of one book; returns its live orders."""
    stage = book.home.stage if book.home is not None else None
    if book.phase == w.PHASE_OPEN and not (book.home is not None and book.home.by_hand):
        assert book.bids.best < book.asks.best, "the lit side is crossed"
    found = [*check_side(book, book.bids, True, LIT), *check_side(book, book.asks, False, LIT)]
    rooms, guard = book.rooms, book.home.guard if book.home is not None else None
    special = 0
    if rooms is not None:
        found += check_side(book, rooms.dark_bids, True, DARK) + check_side(book, rooms.dark_asks, False, DARK)
        found += check_room(rooms.triggers.orders(), TRIGGER) + check_room(rooms.call.orders(), CALL)
        pegged = rooms.pegs.orders()
        found += check_room([order for order in pegged if order[TERMS].where == PARKED], PARKED)
        assert {id(o) for o in pegged} == {id(o) for o in found if o[TERMS] is not None and o[TERMS].peg}
        assert not (rooms.prints or rooms.elected)
        special = rooms.live
    assert special == sum(order[TERMS] is not None for order in found), "orders with terms are counted"
    quiet = book.phase == w.PHASE_OPEN and book.policy is None and not special
    assert book.plain == (quiet and (guard is None or not guard.active) and stage is None)
    assert all(order[BOOK] is book for order in found)
    timed = {(id(entry[2]), entry[1]) for entry in book.timers._heap}
    assert all((id(order), order[NUMBER]) in timed for order in found if order[DEADLINE])
    return found


def check_side(book: Book, side: Side, buying: bool, where: int) -> list[Order]:
    """A lit or dark side; returns its live orders."""
    found: list[Order] = []
    assert side.prices == sorted(side.levels)
    for price, level in side.levels.items():
        live = [order for order in level.queue if order[OPEN]]
        assert live and len(level.queue) - len(live) == level.dead
        assert [order[NUMBER] for order in level.queue] == sorted(order[NUMBER] for order in level.queue)
        assert all(order[PRICE] == price and order[LEVEL] is level for order in live)
        assert all((order[SIDE] == w.BUY) == buying for order in live)
        for terms in (order[TERMS] for order in live):
            assert terms.where == where if terms is not None else where == LIT
        if where == LIT:
            assert all(0 < shown_of(order) <= order[OPEN] for order in live)
            total = sum(map(shown_of, live))
            assert (price, total, len(live)) in book.depth(side, 0)
        found += live
    return found


def check_room(orders: list[Order], where: int) -> list[Order]:
    """Orders that wait elsewhere; returns them."""
    assert all(order[OPEN] and order[LEVEL] is None and order[TERMS].where == where for order in orders)
    return orders


QUANTITY_CHANGES = (w.EXECUTED, w.CANCELED, w.MODIFIED, w.SELF_MATCH, w.RESTATED)


class Fills:
    """Both sides of every match, from the private events alone: what is bought is sold.

    Sides of quotes are left out, whose first quantity is told otherwise, as long as nobody replaces them.
    """

    def __init__(self) -> None:
        self._buys: dict[tuple[int, bytes], bool] = {}
        self._open: dict[tuple[int, bytes], int] = {}
        self._matches: dict[int, list[tuple[bool, int, int]]] = {}  # side, quantity, price

    def take(self, events: Iterable[tuple[Any, ...]]) -> None:
        """Private events of any sessions, in the order of their streams."""
        for kind, session, *rest in events:
            if kind == w.ACCEPTED:
                token, _, side, quantity, *_ = rest
                self._buys[session, token], self._open[session, token] = side == w.BUY, quantity
            elif kind == w.REPLACED:
                token, previous, _, side, quantity, *_ = rest
                self._open.pop((session, previous), None)
                self._buys[session, token], self._open[session, token] = side == w.BUY, quantity
            elif kind in QUANTITY_CHANGES and (session, rest[0]) not in self._open:
                continue
            elif kind == w.EXECUTED:
                token, quantity, price, _, match, leaves, _ = rest
                self._matches.setdefault(match, []).append((self._buys[session, token], quantity, price))
                self._leaves(session, token, quantity, leaves)
            elif kind == w.CANCELED:
                self._leaves(session, rest[0], rest[1], rest[3])
            elif kind == w.MODIFIED:
                assert rest[2] <= self._open[session, rest[0]]
                self._open[session, rest[0]] = rest[2]
            elif kind == w.SELF_MATCH:
                self._leaves(session, rest[0], rest[1], rest[-1])
            elif kind == w.RESTATED:
                assert rest[4] == self._open[session, rest[0]]
                assert 0 <= rest[3] <= rest[4]

    def _leaves(self, session: int, token: bytes, quantity: int, leaves: int) -> None:
        self._open[session, token] -= quantity
        assert self._open[session, token] == leaves

    def check(self) -> int:
        """Every match has one buyer and one seller, of one quantity and price; returns how many there were."""
        for sides in self._matches.values():
            if len(sides) == 2:
                (one, *first), (other, *second) = sides
                assert one != other and first == second
        return len(self._matches)
