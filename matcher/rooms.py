"""What a book has only when something beyond plain limit orders is used in it: one room for each thing.

Invariant: a book without rooms, or whose rooms hold nothing, trades as if this package had none of them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from openoutcry.matcher.auction import Call
from openoutcry.matcher.book import Side
from openoutcry.matcher.triggers import Triggers

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.orders import Order


class Worth:
    """What a book's security is worth (openoutcry.matcher.pricing). ticket: of its next step, 0 for none."""

    __slots__ = ("price", "steps", "ticket")

    def __init__(self) -> None:
        self.price = self.steps = self.ticket = 0

    def dump(self) -> tuple[int, int, int]:
        """For a snapshot."""
        return self.price, self.steps, self.ticket

    def load(self, row: tuple[int, int, int]) -> None:
        """The reverse of ``dump``."""
        self.price, self.steps, self.ticket = row


class Rooms:
    """dark_bids, dark_asks: tradeable orders that nobody sees. live: how many live orders of the book have terms.

    What the present input has set off and is still to be done, so empty between inputs: prints, the prices at which the
    book has traded, in order, without repetitions in a row; elected, the orders whose trigger was reached, first come
    first served.
    """

    __slots__ = ("call", "dark_asks", "dark_bids", "elected", "live", "pegs", "prints", "quotes", "triggers",
                 "worth")  # fmt: skip

    def __init__(self) -> None:
        self.dark_bids = Side(True)
        self.dark_asks = Side(False)
        self.triggers = Triggers()
        self.pegs = pegs.Pegs()
        self.call = Call()
        self.quotes = quotes.Quotes()
        self.worth = Worth()
        self.live = 0
        self.prints: list[int] = []
        self.elected: deque[Order] = deque()


def rooms_of(book: Book) -> Rooms:
    """The book's rooms, made when they are first asked for."""
    if book.rooms is None:
        book.rooms = Rooms()
    return book.rooms


# At the end, since they need what is above.
from openoutcry.matcher import pegs, quotes  # noqa: E402  # they need what is above
