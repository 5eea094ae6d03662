"""One market and its clients, over OUCH and over FIX: for the tests that every verb and property is seen by clients.

Invariant: a test says with ``shows`` which rows of openoutcry.verbs (and of the policies) it is about, and runs over
both protocols, or says why one of them cannot show them. ``test_both_complete`` holds the rows against the tables: a
row that nobody shows fails it.

Where to go next: the modules ``test_both_...``, one for each table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

import pytest

from openoutcry import Desk, Exchange
from openoutcry.clock import ExchangeClock
from openoutcry.handles import Book, Endpoint, Engine
from openoutcry.testkit import FixTrader, Order, OuchTrader

ENGINE: Final = "main"
BOOK: Final = "aapl"
SYMBOL: Final = "AAPL"
PROTOCOLS: Final = ("ouch", "fix")
VERSIONS: Final = {"ouch": "ouch42", "fix": "fix44"}  # of a protocol, unless a test asks for another
SHOWN_VERBS: Final = "shown_verbs"  # attribute of a test: those that it says it shows

PATIENCE_S: Final = 60.0
DAY_NS: Final = 86_400 * 10**9

Client = OuchTrader | FixTrader
Test = TypeVar("Test", bound=Callable[..., Any])


class Shown(NamedTuple):
    """How a protocol shows a row: by the tests of that name, or not at all, for that reason."""

    tests: tuple[str, ...] = ()
    reason: str = ""


ROWS: Final[dict[str, dict[str, Shown]]] = {}  # "book tick_size" -> protocol -> how


def shows(*rows: str, ouch: str = "", fix: str = "", verbs: str = "") -> Callable[[Test], Test]:
    """The test shows these rows, as "book tick_size", over both protocols, but for those that cannot: why they cannot.

    verbs: more rows of the table of verbs, with blanks between them.
    """
    reasons = {"ouch": ouch, "fix": fix}
    able = [protocol for protocol in PROTOCOLS if not reasons[protocol]]

    def register(test: Test) -> Test:
        for row in (*rows, *(f"verb {name}" for name in verbs.split())):
            for protocol, reason in reasons.items():
                _register(row, protocol, f"{test.__module__}.{test.__name__}", reason)
        setattr(test, SHOWN_VERBS, (*getattr(test, SHOWN_VERBS, ()), *verbs.split()))
        marked: Test = pytest.mark.parametrize("protocol", able)(test)
        return marked

    return register


def _register(row: str, protocol: str, test: str, reason: str) -> None:
    """A test that shows a row is worth more than a reason why another one cannot."""
    found = ROWS.setdefault(row, {}).get(protocol, Shown())
    if not reason:
        ROWS[row][protocol] = Shown((*found.tests, test))
    elif not found.tests:
        ROWS[row][protocol] = Shown(reason=reason)


def cannot(*rows: str, ouch: str = "", fix: str = "") -> None:
    """Rows that a protocol has no way to show, and why."""
    for row in rows:
        for protocol, reason in (("ouch", ouch), ("fix", fix)):
            if reason:
                _register(row, protocol, "", reason)


class Floor:
    """An engine with one book, and the clients of one protocol."""

    def __init__(self, exchange: Exchange, protocol: str) -> None:
        self.exchange = exchange
        self.protocol = protocol
        self.engine: Engine = exchange.create_engine(ENGINE)
        self.book: Book = self.engine.create_book(BOOK, SYMBOL)

    @property
    def is_fix(self) -> bool:
        """Whether clients speak FIX."""
        return self.protocol == "fix"

    def endpoint(self, name: str = "port", protocol: str | None = None, engine: Engine | None = None) -> Endpoint:
        """The endpoint of that name; made when there is none."""
        for row in self.exchange.list("endpoints"):
            if row["name"] == name:
                return self.exchange.endpoint(name)
        return (engine or self.engine).create_endpoint(name, protocol or VERSIONS[self.protocol])

    def fix_client(self, name: str = "ANN", endpoint: Endpoint | None = None, **options: Any) -> FixTrader:
        """A client of FIX, in tests that are about FIX alone."""
        return self.exchange.fix_client(endpoint or self.endpoint(), SenderCompID=name, **options)

    def client(self, name: str = "ANN", endpoint: Endpoint | None = None, **options: Any) -> Client:
        """A client that is logged on, with an account of its name."""
        at = endpoint or self.endpoint()
        if self.is_fix:
            return self.exchange.fix_client(at, SenderCompID=name, **options)
        return self.exchange.ouch_client(at, name, **options)

    def clients(self, *names: str) -> list[Client]:
        """Several."""
        return [self.client(name) for name in names]

    def stop_clock(self) -> ExchangeClock:
        """Have time stand still, and move only when the test says so."""
        self.exchange.stop_clock()
        return self.exchange.clock

    def desk(self, name: str = "desk") -> Desk:
        """A desk of the engine."""
        return self.engine.desk(name)

    def set(self, **properties: str | int | bool) -> None:
        """Properties of the book."""
        for name, value in properties.items():
            self.book.set_property(name, value)

    def new_day(self, phase: str = "open") -> None:
        """Begin in another phase than `open`."""
        self.engine.set_phase(phase)

    def trade(self, price: str, quantity: int = 10) -> None:
        """Have two desks trade, so that there is a last price."""
        self.desk("maker").enter(f"m{price}", self.book, "sell", quantity, price)
        self.desk("taker").enter(f"t{price}", self.book, "buy", quantity, price)

    def number(self, order: Order) -> int:
        """The order reference number of a client's live order."""
        rows = self.book.orders()
        return next(int(row["number"]) for row in rows if row["order_id"] == order.name)

    def bids(self) -> list[list[Any]]:
        """The bids that everybody sees."""
        found: list[list[Any]] = self.book.depth()["bids"]
        return found

    def asks(self) -> list[list[Any]]:
        """The same of the offers."""
        found: list[list[Any]] = self.book.depth()["asks"]
        return found

    def ping(self, client: Client) -> None:
        """Whatever was on its way to a client when this was called has arrived when it returns."""
        client.buy("NOSUCH", 1, "1").expect_rejected("unknown symbol")


@pytest.fixture
def floor(request: pytest.FixtureRequest, exchange_clean: Exchange, protocol: str) -> Iterator[Floor]:
    """An open engine with a book, and clients of the test's protocol; the test must use the verbs that it shows."""
    with used_verbs(exchange_clean) as used:
        yield Floor(exchange_clean, protocol)
        exchange_clean.close_clients()
    assert set(getattr(request.function, SHOWN_VERBS, ())) <= used


@contextmanager
def used_verbs(exchange: Exchange) -> Iterator[set[str]]:
    """The verbs that an exchange is asked for."""
    used: set[str] = set()
    call = exchange.call

    def recording(verb: str, *arguments: Any, **named: Any) -> Any:
        used.add(verb)
        return call(verb, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "call", recording)
        yield used


def fills(order: Order) -> list[tuple[int, Decimal | None]]:
    """What an order has executed so far: quantity and price of each."""
    return [(h.quantity, h.price) for h in order.happenings if h.kind == "filled"]


def kinds(order: Order) -> list[str]:
    """What has happened to an order so far."""
    return [happening.kind for happening in order.happenings if happening.message is not None]


def time_ns(message: Any) -> int:
    """The time that a message says: of OUCH, ns of the day; of FIX, TransactTime in ms."""
    if hasattr(message, "timestamp"):
        return int(message.timestamp)
    hours, minutes, seconds = bytes(message[60])[9:].split(b":")
    return int((int(hours) * 3600 + int(minutes) * 60 + Decimal(seconds.decode())) * 10**9)


def passed_ns(before: Any, after: Any) -> int:
    """What passed between two messages, less than a day: midnight may have been between them."""
    return (time_ns(after) - time_ns(before)) % DAY_NS


def wait_for(reached: Callable[[], bool]) -> None:
    """Look until it is so. Fails after PATIENCE_S."""
    until = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < until, "it never came to that"
