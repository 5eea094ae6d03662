"""The risk rules as data: what each limits, for whom it can be set, and how an order is judged by it.

Rule 1. ``RULES`` is the whole truth, and its order is the order of judging. A scope says whose orders a limit is about:
        all of the engine, of a book, a firm, an account or a session. Where several scopes have the same limit each of
        them holds.
Rule 2. What is counted (open orders, messages and orders in a second) is counted over the whole scope: 100 open orders
        of a firm are 100 of all its sessions together. A position is always that of one account in one book.
Rule 3. A judge answers with what it found, "" when the limit holds; so a reject can always name the rule, its scope,
        its limit and the value that broke it.

Sources: SEC Rule 15c3-5 (risk controls before the trade), ESMA MiFID II RTS 6, article 15, and RTS 7, article 20.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from openoutcry.matcher.ledger import account_of, position
from openoutcry.matcher.orders import BOOK, OPEN, SIDE, Order
from openoutcry.parameters import Parameter, price_text
from openoutcry.wire import (
    BUY,
    LIMIT_IF_TOUCHED,
    MARKET_IF_TOUCHED,
    PEGGED,
    QUANTITY_MAX,
    REJECT_COLLAR,
    REJECT_DUPLICATE,
    REJECT_MAX_NOTIONAL,
    REJECT_MAX_OPEN_ORDERS,
    REJECT_MAX_POSITION,
    REJECT_MAX_QUANTITY,
    REJECT_RESTRICTED,
    REJECT_THROTTLE,
    STOP,
    STOP_LIMIT,
    UINT63_MAX,
)

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.risk import Guard
    from openoutcry.matcher.sessions import Session
    from openoutcry.matcher.terms import Terms

SCOPES: Final = ("engine", "book", "firm", "account", "session")
NOT_BOOK: Final = ("engine", "firm", "account", "session")  # a message need not be about one book
RATE_MAX: Final = 100_000  # messages in a second: each that counts is remembered for that second
WINDOW_MS_MAX: Final = 60_000  # a duplicate: beyond a minute it is no slip of a program
MS_NS: Final = 1_000_000
BASIS: Final = 10_000  # price_collar is in 1e-4
REJECT: Final = "reject"
QUEUE: Final = "queue"
TRIGGERED: Final = frozenset((STOP, STOP_LIMIT, MARKET_IF_TOUCHED, LIMIT_IF_TOUCHED))


class Entry:
    """An order as it is judged. price: 0 for none; previous: the live order that it replaces."""

    __slots__ = (
        "account", "book", "order_type", "previous", "price", "quantity", "session", "side", "terms", "time_ns",
    )  # fmt: skip

    def __init__(
        self, session: Session, book: Book, side: int, quantity: int, price: int, order_type: int,
        terms: Terms | None, time_ns: int, previous: Order | None = None,
    ) -> None:  # fmt: skip
        self.session = session
        self.book = book
        self.side = side
        self.quantity = quantity
        self.price = price
        self.order_type = order_type
        self.terms = terms
        self.time_ns = time_ns
        self.previous = previous
        self.account: str = (terms.account if terms is not None else "") or session.account


Key = tuple[str, str]  # scope, name
Judge = Callable[["Guard", Entry, str, str, Any], str]  # guard, order, scope, name, limit


class Rule(NamedTuple):
    """One rule. value: type and range of its limit; reason: a wire.REJECT code; judge: None: it judges no orders."""

    value: Parameter
    scopes: tuple[str, ...]
    reason: int
    judge: Judge | None


def scopes_of(engine: str, session: Session, account: str, book: Book | None) -> list[Key]:
    """The scopes that an order, or (without a book) a message, is in, from the widest to the narrowest."""
    keys = [("engine", engine), ("firm", session.firm), ("account", account), ("session", str(session.number))]
    if book is not None:
        keys.insert(1, ("book", book.name))
    return keys


# ------------------------------------------------------------------------------------------------- prices
def reference(book: Book) -> int:
    """The price that others are compared with: of the last trade, else the one that was set, 0 for none."""
    return book.last_price or int(book.properties["reference_price"])


def collar(book: Book, side: int, price: int, order_type: int, stop_price: int, limit: int) -> str:
    """What is wrong with a limit price, "" for nothing. A stop or if-touched order is compared with its own trigger.

    A price that does not cross the reference is never too far away; pegged orders follow the market by themselves.
    """
    compared = stop_price if order_type in TRIGGERED else reference(book)
    if not price or not compared or order_type == PEGGED:
        return ""
    through = price - compared if side == BUY else compared - price
    if through * BASIS <= compared * limit:
        return ""
    return f"price {price_text(price)} is {price_text(through)} through {price_text(compared)}"


def worth(entry: Entry) -> tuple[int, int]:
    """An order's value in 1e-8, at its limit or else where it would trade first; and that price, 0 for none."""
    book, price = entry.book, entry.price
    if not price and entry.terms is not None:
        price = entry.terms.stop_price
    if not price:
        side = book.asks if entry.side == BUY else book.bids
        price = side.best if side.levels else reference(book)
    properties = book.properties
    value = price * entry.quantity * properties["multiplier"] // 10 ** properties["quantity_decimals"]
    return value, price


# ------------------------------------------------------------------------------------------------- judges
def _restricted(guard: Guard, entry: Entry, scope: str, name: str, limit: str) -> str:
    symbol = entry.book.symbol
    return f"symbol {symbol}" if symbol in limit.split() else ""


def _quantity(guard: Guard, entry: Entry, scope: str, name: str, limit: int) -> str:
    return f"quantity {entry.quantity}" if entry.quantity > limit else ""


def _notional(guard: Guard, entry: Entry, scope: str, name: str, limit: int) -> str:
    value, price = worth(entry)
    if not price:
        return "there is no price to value a market order at"
    return f"{entry.quantity} at {price_text(price)} is {price_text(value)}" if value > limit else ""


def _collar(guard: Guard, entry: Entry, scope: str, name: str, limit: int) -> str:
    stop = entry.terms.stop_price if entry.terms is not None else 0
    return collar(entry.book, entry.side, entry.price, entry.order_type, stop, limit)


def _open_orders(guard: Guard, entry: Entry, scope: str, name: str, limit: int) -> str:
    previous = entry.previous
    replaced = previous is not None and (scope != "account" or account_of(previous) == name)
    count = guard.open_orders(entry, scope, name) - replaced
    return f"{count} open orders" if count >= limit else ""


def _position(guard: Guard, entry: Entry, scope: str, name: str, limit: int) -> str:
    """The worst that can become of the position: everything open on the order's side, and the order, executes."""
    book, account = entry.book, entry.account
    if book.policy is None or not book.policy.positions:
        return f"book {book.name} does not count positions"
    buying = entry.side == BUY
    held = position(book, account)
    previous = entry.previous
    waiting = -previous[OPEN] if previous is not None and account_of(previous) == account else 0
    for orders in guard.orders_of(account):
        for order in orders:
            if (order[SIDE] == BUY) is buying and order[BOOK] is book:
                waiting += order[OPEN]
    worst = (held if buying else -held) + waiting + entry.quantity
    if worst <= limit:
        return ""
    verb = "buy" if buying else "sell"
    return f"{account} holds {held} with {waiting} open to {verb}, and {entry.quantity} more"


def _order_rate(guard: Guard, entry: Entry, scope: str, name: str, limit: int) -> str:
    wait = guard.order_windows.wait_ns((scope, name), limit, entry.time_ns)
    return f"{limit} orders in the last second" if wait else ""


def _duplicate(guard: Guard, entry: Entry, scope: str, name: str, limit: int) -> str:
    last = guard.last_alike(entry)
    age = entry.time_ns - last
    return f"the same order {age // MS_NS} ms ago" if last and age < limit * MS_NS else ""


# ------------------------------------------------------------------------------------------------- the table
def _count(meaning: str, low: int, high: int) -> Parameter:
    return Parameter("value", "int", meaning, low=low, high=high)


# fmt: off
RULES: Final[dict[str, Rule]] = {
    "restricted": Rule(Parameter("value", "text", "symbols that may not be ordered, blanks between", low=1, high=4_096),
                       NOT_BOOK, REJECT_RESTRICTED, _restricted),
    "max_quantity": Rule(_count("most that one order may be for", 1, QUANTITY_MAX),
                         SCOPES, REJECT_MAX_QUANTITY, _quantity),
    "max_notional": Rule(Parameter("value", "price", "most that one order may be worth", low=0, high=UINT63_MAX),
                         SCOPES, REJECT_MAX_NOTIONAL, _notional),
    "price_collar": Rule(_count("furthest that a price may be through the reference (1e-4 of it)", 1, 1_000_000),
                         SCOPES, REJECT_COLLAR, _collar),
    "max_open_orders": Rule(_count("most orders open at a time", 0, 10_000_000),
                            SCOPES, REJECT_MAX_OPEN_ORDERS, _open_orders),
    "max_position": Rule(_count("most that an account may hold or be short of in a book", 0, QUANTITY_MAX),
                         SCOPES, REJECT_MAX_POSITION, _position),
    "duplicate_window_ms": Rule(_count("time in which a session may not repeat symbol, side, quantity and price", 1,
                                       WINDOW_MS_MAX),
                                SCOPES, REJECT_DUPLICATE, _duplicate),
    "orders_per_second": Rule(_count("most orders, replacements and quotes in any second", 1, RATE_MAX),
                              SCOPES, REJECT_THROTTLE, _order_rate),
    "messages_per_second": Rule(_count("most messages in any second", 1, RATE_MAX), NOT_BOOK, REJECT_THROTTLE, None),
    "throttle": Rule(Parameter("value", "choice", "what happens to messages beyond messages_per_second",
                               choices=(REJECT, QUEUE)),
                     NOT_BOOK, REJECT_THROTTLE, None),
}
# fmt: on
JUDGED: Final = tuple((name, rule.reason, rule.judge) for name, rule in RULES.items() if rule.judge is not None)

OF_MESSAGES: Final = frozenset(name for name, rule in RULES.items() if rule.judge is None)  # all others need books


def shown(rule: str, value: Any) -> str:
    """A limit's value for people."""
    return price_text(value) if RULES[rule].value.type == "price" else str(value)
