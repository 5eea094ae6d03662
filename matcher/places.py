"""Which book and side an order is of, also when it has just gone: for policies that are limited to these, and act on
what clients are told (openoutcry.matcher.shaping).

What a session is told is shaped when the input has been dealt with; an order that was executed by it is in no list any
more then. So while a policy needs it, the place of each order is written down as it is entered.

Invariant: between inputs ``Places`` has places of live orders alone, and none while no policy needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.matcher import ledger, quotes, refusing
from openoutcry.matcher.orders import BOOK, SIDE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openoutcry.matcher.sessions import Session

Key = tuple[int, bytes]  # number of the session, token
Place = tuple[str, int]  # name of the book, side; "" and 0 when nobody knows
NOWHERE: Final[Place] = ("", 0)
ABOUT_TRADES: Final = (
    wire.BROKEN,
    wire.CORRECTED,
)  # what comes long after the order has gone; the trade is still known


class Places:
    """See the module."""

    __slots__ = ("_known", "_recent", "watching")

    def __init__(self) -> None:
        self.watching = False
        self._known: dict[Key, Place] = {}
        self._recent: list[tuple[Session, bytes]] = []  # those that the present input has named

    def watch(self, needed: bool, sessions: Iterable[Session]) -> None:
        """Begin to write places down, with those of the sessions' live orders; or end."""
        if needed and not self.watching:
            self._known = {(session.number, token): (order[BOOK].name, order[SIDE])
                           for session in sessions for token, order in session.live.items()}  # fmt: skip
        elif not needed:
            self._known = {}
        self.watching = needed

    def note(self, session: Session, command: tuple[Any, ...]) -> None:
        """A command is about to be carried out, or refused."""
        if command[0] in refusing.NEW_ORDERS and command[2] not in session.tokens:
            book, engine = session.books.get(command[3]), session.endpoint.engine
            name = book.name if book is not None else "" if engine.has_books else command[3]
            self._put(session, command[2], (name, command[4]))

    def _put(self, session: Session, token: bytes, place: Place) -> None:
        self._known[session.number, token] = place
        self._recent.append((session, token))

    def of(self, session: Session, event: tuple[Any, ...]) -> Place:
        """What an event that a session is told is about."""
        if not self.watching or event[0] == wire.MASS_CANCELED:
            return NOWHERE
        if event[0] == wire.QUOTE_STATUS:
            return self._of_quote(session, event[3], event[4])
        if event[0] in ABOUT_TRADES:
            return _of_trade(session, event[2], event[3])
        token: bytes = event[3] if event[0] == wire.REPLACED else event[2]
        order = session.live.get(token)
        place = (order[BOOK].name, order[SIDE]) if order is not None else self._known.get((session.number, token))
        if place is None:
            return NOWHERE
        self._put(session, event[2], place)
        self._recent.append((session, token))
        return place

    def _of_quote(self, session: Session, symbol: str, side: int) -> Place:
        book = session.books.get(symbol)
        if book is None:
            return NOWHERE
        quote = book.rooms.quotes.get(session) if book.rooms is not None else None
        if quote is not None and quote.day == session.day:
            self._put(session, quotes.side_token(quote, symbol, side), (book.name, side))
        return book.name, side

    def settle(self) -> None:
        """The input is over: forget the orders that are gone."""
        for session, token in self._recent:
            if token not in session.live:
                self._known.pop((session.number, token), None)
        self._recent.clear()

    # --------------------------------------------------------------------------------------------- state
    def dump(self) -> tuple[Any, ...]:
        """For a snapshot."""
        return self.watching, tuple((*key, *place) for key, place in self._known.items())

    def load(self, row: tuple[Any, ...]) -> None:
        """The reverse of ``dump``."""
        self.watching = row[0]
        self._known = {(number, token): (book, side) for number, token, book, side in row[1]}


def _of_trade(session: Session, token: bytes, match: int) -> Place:
    """The place of one side of a trade."""
    trade = ledger.trade_of(session.endpoint.engine.numbers, match)
    side = ledger.side_of(trade, session, token) if trade is not None else 0
    return (trade.book.name, side) if trade is not None and side else NOWHERE
