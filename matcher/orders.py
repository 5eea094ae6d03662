"""An order, as the books keep it, and what all books of a machine share: the numbers they give out, and the timers.

An order is a plain list whose places are named by the constants below: an exchange makes millions of them, and a
list is made in a fifth of the time of an object with as many attributes (48 ns against 260 ns).

Invariant: an order is live exactly as long as ``order[OPEN] > 0``; a live order is in ``order[SESSION].live`` under
its token, and in the queue of ``order[LEVEL]`` or in one of its book's rooms. Every execution of its chain is counted
in ``order[DONE]``, and so is what self-match prevention took of it.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.ledger import Ledger
    from openoutcry.matcher.pairs import Pairs
    from openoutcry.matcher.sessions import Session

Order = list[Any]
Boxed = Any  # an int that goes from object to object: compiled code would take it out of its object, and make a new one

OPEN: Final = 0  # quantity open; 0 when it is dead
PRICE: Final = 1  # limit, in 1e-8
SIDE: Final = 2  # wire.BUY, SELL, SELL_SHORT or SELL_SHORT_EXEMPT
NUMBER: Final = 3  # order reference number
SESSION: Final = 4  # the sessions.Session that entered it
TOKEN: Final = 5  # the client's name for it
DONE: Final = 6  # quantity executed in its chain of replacements
TIME_IN_FORCE: Final = 7
DEADLINE: Final = 8  # ns since 1970 when it expires, 0 for never
DATA: Final = 9  # client_data of the ENTER that began its chain
BOOK: Final = 10  # the book.Book it is in
LEVEL: Final = 11  # the book.Level it waits in; None while it waits elsewhere (openoutcry.matcher.rooms)
TERMS: Final = 12  # the terms.Terms of an order that is more than a plain limit order, else None


TRADES_KEPT: Final = 16_384  # trades that can still be broken or corrected: about 2 MB
TRADE_FIELDS: Final = 8
TRADES_SIZE: Final = TRADES_KEPT * TRADE_FIELDS
TRADES_ROOM: Final = TRADES_SIZE * 5 // 4  # so that the old ones are dropped together: one by one costs twice as much


class Numbers:
    """The order reference and match numbers last given out (unique for the life of the journal), and the last trades.

    trades: TRADE_FIELDS values per match, the last of them belonging to ``match``, the one before to ``match - 1``
    and so on: the book, quantity, price, side of the aggressor (0 in an auction), then session and token of the
    aggressor (of the buyer in an auction) and of the other side. Flat, since a tuple a trade would cost the trade a
    third more. Only the last TRADES_KEPT count: those before them are dropped some time.

    again: the sessions whose next command may be one that they have sent before (AGAIN).
    """

    __slots__ = ("again", "ledger", "match", "order", "pairs", "time_ns", "trades", "unsettled")

    def __init__(self, order: int = 0, match: int = 0) -> None:
        self.order = order
        self.match = match
        self.trades: list[Any] = []
        self.ledger: Ledger | None = None  # openoutcry.matcher.ledger.ledger_of makes it
        self.pairs: Pairs | None = None  # openoutcry.matcher.pairs.pairs_of makes it
        self.time_ns = 0
        self.unsettled: dict[Book, None] = {}
        self.again: dict[Session, None] = {}

    def trim(self) -> None:
        """Drop the trades that do not count any more, if there are many."""
        if len(self.trades) > TRADES_ROOM:
            del self.trades[:-TRADES_SIZE]


TIMERS_SLACK: Final = 1_024  # dead timers kept at least before they are swept out


class Timers:
    """The deadlines of the live orders that have one: a heap, from which dead entries are dropped lazily.

    Orders with the same deadline expire in the order of their reference numbers; so an order that gets another number
    is added again, and an entry counts only while its order is live and has its number. The heap holds at most twice as
    many entries as there are live timers, and ``TIMERS_SLACK``.
    """

    __slots__ = ("_heap", "_sweep_at")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Order]] = []
        self._sweep_at = TIMERS_SLACK

    def add(self, order: Order) -> None:
        """Watch a live order's deadline."""
        heappush(self._heap, (order[DEADLINE], order[NUMBER], order))
        if len(self._heap) > self._sweep_at:
            self._heap = [entry for entry in self._heap if entry[2][OPEN] and entry[1] == entry[2][NUMBER]]
            heapify(self._heap)
            self._sweep_at = 2 * len(self._heap) + TIMERS_SLACK

    def next_ns(self) -> int:
        """The earliest deadline of a live order, 0 when there is none."""
        heap = self._heap
        while heap and (not heap[0][2][OPEN] or heap[0][1] != heap[0][2][NUMBER]):
            heappop(heap)
        return heap[0][0] if heap else 0

    def due(self, time_ns: int) -> list[Order]:
        """Take out the live orders whose deadline has come, earliest first."""
        found = []
        while 0 < self.next_ns() <= time_ns:
            found.append(heappop(self._heap)[2])
        return found

    def __len__(self) -> int:
        return len(self._heap)
