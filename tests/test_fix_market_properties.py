"""A client that applies what it is told has the book, whatever happens to it and whenever the client can be told."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.clients.replica import Book
from openoutcry.feed import Trade
from openoutcry.gateway.fix import market
from tests.fix_market_world import CENT, TIME, World, entries, levels, request, told

Key = tuple[str, str]
PRICES = st.integers(995, 1005)
changes = st.lists(
    st.tuples(st.sampled_from((w.BUY, w.SELL)), PRICES, st.integers(0, 3), st.booleans(), st.booleans()), max_size=30
)  # side, price, quantity, whether there was a trade, whether the client can be told


class Holder:
    """A client's book: the quantities of its entries by type and price, or order."""

    def __init__(self, by_order: bool) -> None:
        self.by_order = by_order
        self.held: dict[Key, str] = {}
        self.trades: list[str] = []

    def take(self, message: list[tuple[int, str]]) -> None:
        if message[0] == (35, "W"):
            orders = [value for tag, value in message if tag == 37]
            rows = [row for row in entries(message) if row[269] in "01"]
            for place, row in enumerate(rows):
                self.held[row[269], orders[place] if self.by_order else row[270]] = row[271]
            return
        for row in entries(message, 279):
            key = row[269], row.get(278, row[270])
            if row[269] == "2":
                self.trades.append(row[278])
            elif row[279] == "2":
                del self.held[key]
            else:
                assert (key in self.held) == (row[279] == "1")
                self.held[key] = row[271]


def play(done: list[Any], depth: int, by_order: bool, change: Any) -> None:
    world = World()
    world.source.books["X"] = lambda book: None
    client, holder, ready, trades = world.client(), Holder(by_order), True, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(market, "is_ready", lambda app: ready)
        for message in world.ask(client, request("012", depth=depth, more="|265=1" + "|266=N" * by_order)):
            holder.take(message)
        for side, price, quantity, traded, ready in [*done, (w.BUY, 1000, 0, False, True)]:
            trades += traded
            new = [Trade(trades, price * CENT, 1, side, 1, TIME)] if traded else []
            world.change("X", partial(change, side=side, price=price, quantity=quantity), *new)
            world.loop.wait()
            for message in told(client):
                holder.take(message)
            if ready:
                assert holder.held == shown(world.source.followed["X", by_order].book, depth, by_order)
    assert holder.trades == [str(number) for number in range(1, trades + 1)]


def shown(book: Book, depth: int, by_order: bool) -> dict[Key, str]:
    """What a client is to have of a book."""
    if not by_order:
        return {
            (kind, f"{price / 10**8:g}"): str(quantity)
            for kind, side in (("0", book.bids), ("1", book.asks))
            for price, quantity, _ in side[: depth or None]
        }
    found = {}
    for kind, side, sign in (("0", w.BUY, -1), ("1", w.SELL, 1)):
        own = sorted((sign * price, number, size) for number, (of, size, price) in book.orders.items() if of == side)
        found.update({(kind, str(number)): str(size) for _, number, size in own[: depth or None]})
    return found


def change_level(book: Book, side: int, price: int, quantity: int) -> None:
    levels((side, price, quantity, int(quantity > 0)))(book)


def change_order(book: Book, side: int, price: int, quantity: int) -> None:
    """An order comes, or the oldest at that price shrinks or goes."""
    number = next((n for n, (of, _, at) in book.orders.items() if (of, at) == (side, price * CENT)), 0)
    if not number and quantity:
        book.add_order(max(book.orders, default=0) + 1, side, quantity, price * CENT)
    elif number:
        book.reduce_order(number, max(0, book.orders[number][1] - 1))


@given(changes, st.sampled_from((0, 1, 3)))
def test_a_book_by_price(done: list[Any], depth: int) -> None:
    play(done, depth, False, change_level)


@given(changes, st.sampled_from((0, 1, 3)))
def test_a_book_by_order(done: list[Any], depth: int) -> None:
    play(done, depth, True, change_order)
