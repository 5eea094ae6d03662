"""What ``Exchange`` returns for the things its verbs make: their facts as attributes, and their verbs as methods.

Here are the market's own things, engines, books, endpoints and policies; those who trade there, desks with their
drafts, users and FIX sessions, are in openoutcry.participants.

Invariant: a handle holds names and facts, no state of its own. Every method is one control verb, and wherever a verb
takes a name, the handle will do as well.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from openoutcry.errors import ClusterError, VerbError
from openoutcry.records import Record, Records

if TYPE_CHECKING:
    from openoutcry.agents.following import Following
    from openoutcry.exchange import Exchange
    from openoutcry.participants import Desk, DraftOrder, DraftQuote, FixSession
    from openoutcry.sessions import Session
    from openoutcry.testkit.books import Side

Client = TypeVar("Client")
LOOK_AGAIN_S: Final = 0.002  # between two looks at what waits


def _words(value: str | int | bool | Iterable[float] | Path) -> str:
    """An option of a policy as text: several values with commas, those of a file by lines, blanks or commas."""
    if isinstance(value, Path):
        try:
            return ",".join(value.read_text(encoding="utf-8").replace(",", " ").split())
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise VerbError("bad_argument", "options", f"cannot read {value}: {why}") from None
    if isinstance(value, str | int):
        return str(value)
    return ",".join(map(str, value))


@dataclass(frozen=True)
class Handle:
    """Something that has a name on an exchange."""

    exchange: Exchange = field(repr=False, compare=False)
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Engine(Handle):
    """A set of books with one trading day."""

    kind: str

    def delete(self) -> None:
        """Remove it; it must have no books or endpoints."""
        self.exchange.delete_engine(self)

    def set_property(self, name: str, value: str | int | bool) -> None:
        """Set one of openoutcry.verbs.ENGINE_PROPERTIES."""
        self.exchange.set_engine_property(self, name, value)

    def create_book(self, name: str, symbol: str) -> Book:
        """Make an order book of this engine."""
        return self.exchange.create_book(name, self, symbol)

    def create_endpoint(
        self, name: str, protocol: str = "ouch42", gateway: str | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> Endpoint:
        """Open a TCP port for this engine's clients."""
        return self.exchange.create_endpoint(name, self, protocol, gateway, host, port)

    def start_of_day(self) -> None:
        """Begin the next trading day; the market is closed until ``open``."""
        self.exchange.start_of_day(self)

    def open(self) -> None:
        """Begin trading in all books."""
        self.exchange.open(self)

    def close(self) -> None:
        """End trading; DAY orders are cancelled."""
        self.exchange.close(self)

    def end_of_day(self) -> None:
        """Cancel what is left, end the day and every client stream."""
        self.exchange.end_of_day(self)

    def set_phase(self, phase: str) -> None:
        """Bring all books to a trading phase."""
        self.exchange.set_phase(self, phase)

    def set_timetable(self, timetable: str) -> None:
        """Have the phases change by the clock; "" takes it away."""
        self.exchange.set_timetable(self, timetable)

    def halt(self, reason: str = "") -> None:
        """Stop trading in every book."""
        self.exchange.halt_market(self, reason)

    def resume(self, auction: bool = False) -> None:
        """Go on trading."""
        self.exchange.resume_market(self, auction)

    def set_limit(self, scope: str, name: str, rule: str, value: str | int | bool) -> None:
        """Set a risk limit of a firm, an account or a session."""
        self.exchange.set_limit(self, scope, name, rule, value)

    def clear_limit(self, scope: str, name: str, rule: str) -> None:
        """Take a risk limit away."""
        self.exchange.clear_limit(self, scope, name, rule)

    def kill_switch(self, scope: str, name: str) -> Record:
        """Cancel all orders of a firm, an account ... and reject new ones until ``revive``."""
        return self.exchange.kill_switch(self, scope, name)

    def revive(self, scope: str, name: str) -> None:
        """Let orders in again after ``kill_switch``."""
        self.exchange.revive(self, scope, name)

    def set_fee(
        self, firm: str, maker_fee: str | int = 0, taker_fee: str | int = 0, maker_fee_ppm: int = 0,
        taker_fee_ppm: int = 0,
    ) -> None:  # fmt: skip
        """Give a firm rates of its own, in place of those of every book."""
        self.exchange.set_fee(self, firm, maker_fee, taker_fee, maker_fee_ppm, taker_fee_ppm)

    def clear_fee(self, firm: str) -> None:
        """Have a firm pay the rates of the books again."""
        self.exchange.clear_fee(self, firm)

    def mass_cancel(self, **which: Any) -> int:
        """Cancel all orders to which everything given applies, of ``mass_cancel``'s arguments; returns how many."""
        return int(self.exchange.mass_cancel(self, **which)["orders"])

    def positions(self, account: str | None = None) -> Records:
        """What accounts have bought and sold in the books that count it."""
        return self.exchange.positions(self, account)

    def describe(self) -> Record:
        """Everything about it."""
        return self.exchange.describe(self, "engine")

    def start(self) -> None:
        """Take messages again, after ``stop``."""
        self.exchange.start_engine(self)

    def stop(self) -> None:
        """Refuse every message of its clients."""
        self.exchange.stop_engine(self)

    def add_policy(self, name: str, kind: str, **options: str | int | bool | Iterable[float] | Path) -> Policy:
        """Act on clients' orders by itself: ``engine.add_policy("half", "auto-fill", percent=50)``.

        An option that takes several values (``latencies``) can be given as a list, or as the path of a file of them.
        """
        words = [f"{key}={_words(value)}" for key, value in options.items()]
        return self.exchange.add_policy(self, name, kind, shlex.join(words))

    def requests(self, count: int = 100) -> Records:
        """What waits for a hand, the oldest first; the engine's kind is manual."""
        return self.exchange.requests(self, count)

    def wait_for_request(self, timeout: float = 5.0) -> Record:
        """The oldest request, as soon as there is one. Raises ClusterError after ``timeout`` seconds without any."""
        deadline = time.monotonic() + timeout
        while not (found := self.requests(1)):
            if time.monotonic() > deadline:
                raise ClusterError(f"nothing waits at engine {self.name!r} after {timeout} s")
            time.sleep(LOOK_AGAIN_S)
        return found[0]

    def accept(self, request: int | None = None) -> Record:
        """Take a request, by default the oldest."""
        return self.exchange.accept_request(self, request)

    def reject(self, reason: str = "invalid field", text: str = "", request: int | None = None) -> Record:
        """Refuse a request, by default the oldest."""
        return self.exchange.reject_request(self, reason, text, request)

    def fill(self, quantity: int | None = None, price: str | int | None = None, request: int | None = None) -> Record:
        """Take an order, by default the oldest request, and execute it at once."""
        return self.exchange.fill_request(self, quantity, price, request)

    def desk(self, name: str = "desk", account: str | None = None, firm: str | None = None) -> Desk:
        """A desk: a client that enters its orders by verbs."""
        return self.exchange.desk(self, name, account, firm)


@dataclass(frozen=True)
class Book(Handle):
    """An order book."""

    engine: str
    symbol: str

    def delete(self) -> None:
        """Cancel its orders and remove it."""
        self.exchange.delete_book(self)

    def set_property(self, name: str, value: str | int | bool) -> None:
        """Set one of openoutcry.verbs.BOOK_PROPERTIES."""
        self.exchange.set_book_property(self, name, value)

    def set_price(self, price: str | int) -> None:
        """Set what its security is worth: market-maker policies quote around it."""
        self.exchange.set_price(self, price)

    def prices(self, source: Any, speed: int | str | float = 1, loop: bool = False) -> Following:
        """Have its price follow a file, rows, a stream or a walk: see ``Exchange.prices``."""
        return self.exchange.prices(self, source, speed, loop)

    def halt(self, reason: str = "") -> None:
        """Stop trading; orders stay and can be cancelled."""
        self.exchange.halt(self, reason)

    def resume(self, auction: bool = False) -> None:
        """Go on trading, at once or with an auction."""
        self.exchange.resume(self, auction)

    def set_phase(self, phase: str) -> None:
        """Bring this book alone to a trading phase."""
        self.exchange.set_phase(self.engine, phase, self)

    def set_timetable(self, timetable: str) -> None:
        """Have the phases of this book alone change by the clock; "" takes it away."""
        self.exchange.set_timetable(self.engine, timetable, self)

    def describe(self) -> Record:
        """Everything about it."""
        return self.exchange.describe(self)

    def orders(self, count: int = 100) -> Records:
        """Its live orders, also what nobody sees."""
        return self.exchange.orders(self, None, count)

    def trades(self, count: int = 100) -> Records:
        """Its last trades, the newest first."""
        return self.exchange.trades(self, count)

    def expect_best(self, bid: Side = ..., ask: Side = ..., timeout: float = 5.0) -> None:
        """Wait until these are the best prices: a price, (price, quantity), or None for an empty side.

        Raises openoutcry.testkit.Unexpected, an AssertionError that shows the book.
        """
        __tracebackhide__ = True
        from openoutcry.testkit.books import expect_best

        expect_best(self, bid, ask, timeout)

    def create_order(self, order_id: str, desk: str | Desk = "desk") -> DraftOrder:
        """Begin an order, to be put together property by property."""
        return self.exchange.create_order(order_id, self, desk)

    def create_quote(self, quote_id: str, desk: str | Desk = "desk") -> DraftQuote:
        """Begin a quote, to be put together property by property."""
        return self.exchange.create_quote(quote_id, self, desk)

    def match_orders(
        self, order_a: str | int | DraftOrder, order_b: str | int | DraftOrder, quantity: int | None = None,
        price: str | int | None = None, desk: str | Desk = "desk",
    ) -> Record:  # fmt: skip
        """Execute two live orders against each other: names of the desk's, or order reference numbers of anybody's."""
        return self.exchange.match_orders(self, order_a, order_b, quantity, price, desk)

    def indicative(self) -> Record:
        """Where an auction would end now."""
        return self.exchange.indicative(self)

    def depth(self, levels: int = 0) -> Record:
        """Its price levels as the matcher has them."""
        return self.exchange.depth(self, levels)


@dataclass(frozen=True)
class Endpoint(Handle):
    """A TCP port for clients."""

    engine: str
    protocol: str
    gateway: str
    host: str
    port: int

    @property
    def address(self) -> tuple[str, int]:
        """(host, port), as sockets take it."""
        return self.host, self.port

    def delete(self) -> None:
        """Close the port, cancel its sessions' orders and forget its sessions."""
        self.exchange.delete_endpoint(self)

    def set_property(self, name: str, value: str | int | bool) -> None:
        """Set one of openoutcry.verbs.ENDPOINT_PROPERTIES."""
        self.exchange.set_protocol_property(self, name, value)

    def set_engine(self, engine: str | Engine) -> Endpoint:
        """Serve another engine from now on; the sessions stay, and must have no live orders."""
        return self.exchange.set_endpoint_engine(self, engine)

    def set_protocol(self, protocol: str) -> Endpoint:
        """Speak another protocol from now on, on the same port; the sessions are forgotten."""
        return self.exchange.set_endpoint_protocol(self, protocol)

    def session(self, name: str | FixSession) -> Session:
        """A client's session, to be held in the hand: its user, or both ends of a FIX session."""
        return self.exchange.session(self, name)

    def accept_session(self, timeout: float = 5.0, connection: int | None = None) -> Session:
        """Let a client log on whom auto_accept=false holds, as soon as there is one, and return its session.

        Raises ClusterError after ``timeout`` seconds without any, VerbError when it is refused all the same.
        """
        from openoutcry.sessions import held

        found: Session = held(lambda ms: self.exchange.accept_session(self, connection, ms), timeout)
        return found

    def accept_client(self, connect: Callable[[], Client], timeout: float = 5.0) -> tuple[Session, Client]:
        """Call ``connect``, which is to log a client on, and let that client in meanwhile; returns session and client.

        ``session, client = endpoint.accept_client(lambda: ex.fix_client(endpoint))``
        """
        from openoutcry.sessions import accept_client

        return accept_client(self.exchange, self.name, connect, timeout)

    def reject_session(self, reason: str = "", timeout: float = 5.0, connection: int | None = None) -> Record:
        """Refuse a client whom auto_accept=false holds, as soon as there is one.

        Raises ClusterError after ``timeout`` seconds without any.
        """
        from openoutcry.sessions import held

        found: Record = held(lambda ms: self.exchange.reject_session(self, connection, ms, reason), timeout)
        return found

    def wait_for(self, kind: str, session: str | None = None, timeout: float = 5.0, since: int = 0) -> Record:
        """The next thing of that kind that happened here, after the event number ``since``, once it has.

        kind: ``connection``, ``logon``, ``logged_on``, ``logout``, ``disconnect``, ``message``, or a MsgType as
        ``NewOrderSingle``. Raises ClusterError after ``timeout`` seconds without any.
        """
        from openoutcry.sessions import wait_for

        return wait_for(self.exchange, self.name, kind, None if session is None else str(session), timeout, since)

    def connections(self) -> Records:
        """The connections of its clients, those that wait for ``accept_session`` first."""
        return Records(row for row in self.exchange.list("connections") if row["endpoint"] == self.name)

    def describe(self) -> Record:
        """Everything about it."""
        return self.exchange.describe(self, "endpoint")

    def create_session(self, **settings: str | int | bool) -> FixSession:
        """Set up a FIX session; settings: openoutcry.fix.settings.SESSION_SETTINGS."""
        return self.exchange.create_session(self, **settings)


@dataclass(frozen=True)
class Policy(Handle):
    """A rule by which an engine acts on its clients' orders by itself."""

    engine: str
    kind: str

    def delete(self) -> None:
        """Take it away."""
        self.exchange.delete_policy(self.engine, self)

    def describe(self) -> Record:
        """Its options, and how many orders it has ``seen`` and ``acted`` on."""
        return self.exchange.describe(self, "policy", self.engine)


def name_of(thing: str | Handle) -> str:
    """The name of a handle; a name is taken as it is."""
    return thing.name if isinstance(thing, Handle) else thing
