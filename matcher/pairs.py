"""Orders that depend on each other: one-cancels-other pairs, and brackets (FIX 1385 ContingencyType 1 and 2).

Rule 1. The live orders of one session with the same `pair` belong together, in whatever books they are. When one of
        them executes, if only in part, all others are cancelled (CANCEL_PAIR), oldest first, once the aggressor of that
        match is done: the order that executed first is the one that stays. A cancel or an expiry leaves the others.
Rule 2. An order with `take_profit` or `stop_loss` is the parent of a bracket. As soon as nothing of it is open any
        more, and it has executed (in all of its chain of replacements, less what self-match prevention took), its
        children are entered for what it has executed, on the other side: a limit order at take_profit with the parent's
        token and ``.T``, and a stop with its trigger at stop_loss and ``.S``, a pair under the parent's token.
Rule 3. Children are orders like any other, ACCEPTED or REJECTED. They last as long as the parent would have over days
        (GTC, GTD), else for the day. A token that is used already gets a number appended.
Rule 4. There are no children when the parent's rest went with all other orders: by a mass cancel, the kill switch, a
        lost connection, an operator, or because the market closed.

Invariant: between two inputs nothing is due. All that is remembered longer can be found again by looking through the
sessions' live orders, so none of it is in a snapshot.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

from openoutcry.matcher.orders import (
    BOOK,
    DATA,
    DEADLINE,
    NUMBER,
    OPEN,
    SESSION,
    SIDE,
    TERMS,
    TIME_IN_FORCE,
    TOKEN,
    Numbers,
    Order,
)
from openoutcry.matcher.terms import Terms
from openoutcry.wire import (
    BUY,
    CANCEL_CLOSED,
    CANCEL_DISCONNECT,
    CANCEL_KILL,
    CANCEL_MASS,
    CANCEL_PAIR,
    CANCEL_SUPERVISORY,
    DAY,
    GTC,
    GTD,
    LIMIT,
    SELL,
    STOP,
    TERM_STOP_PRICE,
    TOKEN_MAX,
)

if TYPE_CHECKING:
    from openoutcry.matcher.sessions import Session

CHILDLESS: Final = frozenset((CANCEL_MASS, CANCEL_KILL, CANCEL_DISCONNECT, CANCEL_SUPERVISORY, CANCEL_CLOSED))
TAKES_PROFIT: Final = b".T"
STOPS_LOSS: Final = b".S"
SLACK: Final = 256  # orders that are gone kept at least before they are swept out
_number_of: Final = itemgetter(NUMBER)


class Members:
    """The paired orders of one session, by pair; found by looking at those that have come since the last time.

    A session's live orders are in the order of their numbers, so the new ones are the last. Those that are gone are
    dropped when they are met, or when they are most of all.
    """

    __slots__ = ("_count", "_pairs", "_seen", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pairs: dict[bytes, dict[int, Order]] = {}  # by id()
        self._count = 0
        self._seen = 0  # the highest number that was looked at

    def of(self, pair: bytes) -> list[Order]:
        """The live orders of a pair, oldest first."""
        self._look()
        found = self._pairs.pop(pair, {})
        self._count -= len(found)
        live = [order for order in found.values() if order[OPEN] and self._session.live.get(order[TOKEN]) is order]
        for order in live:
            self._take(order)
        return sorted(live, key=_number_of)

    def _look(self) -> None:
        live = self._session.live
        if self._count > 2 * len(live) + SLACK:
            self._pairs, self._count, self._seen = {}, 0, 0
        highest = 0
        for order in reversed(live.values()):
            if order[NUMBER] <= self._seen:
                break
            highest = highest or order[NUMBER]
            if order[TERMS] is not None and order[TERMS].pair:
                self._take(order)
        self._seen = highest or self._seen

    def _take(self, order: Order) -> None:
        members = self._pairs.setdefault(order[TERMS].pair, {})
        self._count += id(order) not in members
        members[id(order)] = order


class Pairs:
    """What all books of a machine share: the members of the pairs, and what the present input has made due.

    first: the order of each pair that has executed first; parents: those of brackets that are done.
    """

    __slots__ = ("_members", "first", "parents")

    def __init__(self) -> None:
        self._members: dict[int, Members] = {}  # by session
        self.first: dict[tuple[int, bytes], Order] = {}
        self.parents: list[Order] = []

    def members(self, session: Session, pair: bytes) -> list[Order]:
        """The live orders of a pair, oldest first."""
        found = self._members.get(session.number)
        if found is None:
            found = self._members[session.number] = Members(session)
        return found.of(pair)

    def forget(self, session: Session) -> None:
        """A session is no more."""
        self._members.pop(session.number, None)


def pairs_of(numbers: Numbers) -> Pairs:
    """The machine's pairs, made when they are first asked for."""
    if numbers.pairs is None:
        numbers.pairs = Pairs()
    return numbers.pairs


# ------------------------------------------------------------------------------------------------- what trading tells
def executed(order: Order, quantity: int) -> None:
    """`quantity` of an order with a pair, or of a bracket's parent, has executed."""
    terms: Terms = order[TERMS]
    if terms.pair:
        pairs_of(order[BOOK].numbers).first.setdefault((order[SESSION].number, terms.pair), order)
    if terms.take_profit or terms.stop_loss:
        terms.filled += quantity


def gone(order: Order, reason: int) -> None:
    """Nothing of such an order is open any more. reason: of its cancel, 0 when it was executed or prevented."""
    terms: Terms = order[TERMS]
    if terms.filled and reason not in CHILDLESS:
        pairs_of(order[BOOK].numbers).parents.append(order)


def settle(numbers: Numbers) -> bool:
    """Do the cancels and enter the children that are due; whether there were any."""
    pairs = numbers.pairs
    if pairs is None or not (pairs.first or pairs.parents):
        return False
    changed = False
    first, pairs.first = pairs.first, {}
    for (_, pair), one in first.items():
        for other in pairs.members(one[SESSION], pair):
            if other is not one and other[OPEN]:
                trading.cancel(other, CANCEL_PAIR)
                changed = True
    parents, pairs.parents = pairs.parents, []
    for parent in parents:
        _enter_children(parent)
        changed = True
    return changed


# ------------------------------------------------------------------------------------------------- brackets
def _enter_children(parent: Order) -> None:
    """The orders that follow a bracket's parent."""
    terms: Terms = parent[TERMS]
    quantity, terms.filled = terms.filled, 0
    if terms.take_profit:
        _enter(parent, quantity, TAKES_PROFIT, LIMIT, terms.take_profit, ())
    if terms.stop_loss:
        _enter(parent, quantity, STOPS_LOSS, STOP, 0, ((TERM_STOP_PRICE, terms.stop_loss),))


def _enter(
    parent: Order, quantity: int, suffix: bytes, order_type: int, price: int, trigger: tuple[tuple[int, int], ...]
) -> None:
    """Enter one child, if it may come in."""
    session, book = parent[SESSION], parent[BOOK]
    time_ns: int = book.numbers.time_ns
    side = SELL if parent[SIDE] == BUY else BUY
    terms = Terms(order_type, trigger)
    terms.pair = parent[TOKEN]
    terms.account, terms.keep = parent[TERMS].account, parent[TERMS].keep
    terms.self_match = parent[TERMS].self_match
    tif, deadline = _lasting(parent, time_ns)
    token = _token(session, parent, suffix)
    refused = submit.refusal(session, book, order_type, tif)
    if refused is None:
        refused = risk.check(session, book, side, quantity, price, order_type, terms, time_ns)
    if refused is not None:
        answers.reject(session, token, refused, parent[DATA])
        return
    child = [quantity, price, side, 0, session, token, 0, tif, deadline, parent[DATA], book, None, terms]
    trading.accept(child)
    trading.place(book, child)


def _lasting(parent: Order, time_ns: int) -> tuple[int, int]:
    """Time in force and deadline of a parent's children."""
    tif, deadline = parent[TIME_IN_FORCE], parent[DEADLINE]
    if tif == GTD and deadline > time_ns:
        return GTD, deadline
    return (GTC if tif == GTC else DAY), 0


def _token(session: Session, parent: Order, suffix: bytes) -> bytes:
    """A child's token: none that the session has used."""
    token: bytes = parent[TOKEN][: TOKEN_MAX - len(suffix)] + suffix
    number: int = parent[BOOK].numbers.order
    while token in session.tokens:
        number += 1
        ending = suffix + b"%d" % number
        token = parent[TOKEN][: TOKEN_MAX - len(ending)] + ending
    return token


# At the end, since these need what is above.
from openoutcry.matcher import answers, risk, submit, trading  # noqa: E402  # they need what is above
