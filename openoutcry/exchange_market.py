"""The verbs about a market, as methods: engines, books, endpoints; the trading day, its clock; risk limits and fees.

Invariant: each method is one control verb, and what it makes is returned as a handle (openoutcry.handles). ``engine``,
``book`` and ``endpoint`` look up what is there; ``clock`` is the verb and the clock to hold in the hand.

What is traded in it is in openoutcry.exchange_orders, who may log on in openoutcry.exchange_sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openoutcry import records
from openoutcry.errors import VerbError
from openoutcry.exchange_verbs import Price, Rows, Verbs
from openoutcry.handles import Book, Endpoint, Engine, Policy, name_of

if TYPE_CHECKING:
    from openoutcry.clock import ExchangeClock


class MarketVerbs(Verbs):
    """Verbs about engines, books and endpoints."""

    # ------------------------------------------------------------------------------------- what there is
    def endpoint(self, name: str) -> Endpoint:
        """The endpoint ``name``, as it is now. Raises VerbError when there is none."""
        return self._endpoint(self._row("endpoint", name))

    def engine(self, name: str) -> Engine:
        """The engine ``name``. Raises VerbError when there is none."""
        return Engine(self._exchange, name, self._row("engine", name)["kind"])

    def book(self, name: str) -> Book:
        """The book ``name``. Raises VerbError when there is none."""
        row = self._row("book", name)
        return Book(self._exchange, name, row["engine"], row["symbol"])

    def _row(self, kind: str, name: str) -> Mapping[str, Any]:
        rows = self.list(f"{kind}s")
        for row in rows:
            if row["name"] == name:
                return dict(row)
        known = ", ".join(row["name"] for row in rows) or "none"
        raise VerbError("unknown_name", kind, f"there is no {kind} {name!r}; there are: {known}")

    def create_engine(self, name: str, kind: str = "matching") -> Engine:
        """Make an engine: a set of books with one trading day; it starts open."""
        self.call("create_engine", name, kind)
        return Engine(self._exchange, name, kind)

    def delete_engine(self, name: str | Engine) -> None:
        """Remove an engine that has no books or endpoints."""
        self.call("delete_engine", name)

    def set_engine_property(self, engine: str | Engine, name: str, value: str | int | bool) -> None:
        """Set one of openoutcry.verbs.ENGINE_PROPERTIES."""
        self.call("set_engine_property", engine, name, value)

    def start_engine(self, engine: str | Engine) -> None:
        """Have an engine that was stopped take messages again."""
        self.call("start_engine", engine)

    def stop_engine(self, engine: str | Engine) -> None:
        """Have an engine refuse every message of its clients."""
        self.call("stop_engine", engine)

    def add_policy(self, engine: str | Engine, name: str, kind: str, options: str = "") -> Policy:
        """Have an engine act on its clients' orders by itself; options: "percent=50 book=aapl" (docs/simulator.md)."""
        self.call("add_policy", engine, name, kind, options)
        return Policy(self._exchange, name, name_of(engine), kind)

    def delete_policy(self, engine: str | Engine, name: str | Policy) -> None:
        """Take a policy away."""
        self.call("delete_policy", engine, name)

    def create_book(self, name: str, engine: str | Engine, symbol: str) -> Book:
        """Make an order book."""
        self.call("create_book", name, engine, symbol)
        return Book(self._exchange, name, name_of(engine), symbol)

    def delete_book(self, name: str | Book) -> None:
        """Cancel a book's orders and remove it."""
        self.call("delete_book", name)

    def set_book_property(self, book: str | Book, name: str, value: str | int | bool) -> None:
        """Set one of openoutcry.verbs.BOOK_PROPERTIES."""
        self.call("set_book_property", book, name, value)

    def create_endpoint(
        self, name: str, engine: str | Engine, protocol: str, gateway: str | None = None,
        host: str = "127.0.0.1", port: int = 0,
    ) -> Endpoint:  # fmt: skip
        """Open a TCP port for clients; it listens when this returns. port 0: the kernel chooses."""
        return self._endpoint(self.call("create_endpoint", name, engine, protocol, gateway, host, port))

    def _endpoint(self, facts: Mapping[str, Any]) -> Endpoint:
        found = {key: facts[key] for key in ("name", "engine", "protocol", "gateway", "host", "port")}
        return Endpoint(self._exchange, **found)

    def delete_endpoint(self, name: str | Endpoint) -> None:
        """Close a port, cancel its sessions' orders and forget its sessions."""
        self.call("delete_endpoint", name)

    def set_protocol_property(self, endpoint: str | Endpoint, name: str, value: str | int | bool) -> None:
        """Set one of openoutcry.verbs.ENDPOINT_PROPERTIES."""
        self.call("set_protocol_property", endpoint, name, value)

    def set_endpoint_engine(self, endpoint: str | Endpoint, engine: str | Engine) -> Endpoint:
        """Have an endpoint serve another engine; its sessions stay, and must have no live orders."""
        return self._endpoint(self.call("set_endpoint_engine", endpoint, engine))

    def set_endpoint_protocol(self, endpoint: str | Endpoint, protocol: str) -> Endpoint:
        """Have an endpoint speak another protocol on the port it has; its sessions are forgotten."""
        return self._endpoint(self.call("set_endpoint_protocol", endpoint, protocol))

    def load_engine(self, name: str, path: str) -> records.Record:
        """Let engines be of a kind of one's own: docs/plugins.md. path: "package.module:Class"; see `plugins`."""
        found: records.Record = self.call("load_engine", name, path)
        return found

    def load_protocol(self, name: str, path: str) -> records.Record:
        """Let endpoints speak a protocol of one's own: docs/plugins.md. path: "package.module:function"."""
        found: records.Record = self.call("load_protocol", name, path)
        return found

    # ------------------------------------------------------------------------------------- the trading day
    def start_of_day(self, engine: str | Engine) -> None:
        """Begin the next trading day; the market is closed until `open`."""
        self.call("start_of_day", engine)

    def open(self, engine: str | Engine) -> None:
        """Begin trading in all books of an engine."""
        self.call("open", engine)

    def close(self, engine: str | Engine) -> None:
        """End trading; DAY orders are cancelled. (To end the exchange itself: ``stop``.)"""
        self.call("close", engine)

    def end_of_day(self, engine: str | Engine) -> None:
        """Cancel what is left, end the day and every client stream."""
        self.call("end_of_day", engine)

    def set_phase(self, engine: str | Engine, phase: str, book: str | Book | None = None) -> None:
        """Go to a trading phase; leaving an auction phase for trading or the close uncrosses."""
        self.call("set_phase", engine, phase, book)

    def set_timetable(self, engine: str | Engine, timetable: str, book: str | Book | None = None) -> None:
        """Have the phases change by the clock, every day: "HH:MM[:SS] phase, ..." in UTC; "" takes it away."""
        self.call("set_timetable", engine, timetable, book)

    def halt(self, book: str | Book, reason: str = "") -> None:
        """Stop trading in one book; orders stay and can be cancelled."""
        self.call("halt", book, reason)

    def resume(self, book: str | Book, auction: bool = False) -> None:
        """Go on trading in a halted book, at once or with an auction."""
        self.call("resume", book, auction)

    def halt_market(self, engine: str | Engine, reason: str = "") -> None:
        """Stop trading in every book of an engine."""
        self.call("halt_market", engine, reason)

    def resume_market(self, engine: str | Engine, auction: bool = False) -> None:
        """Go on trading in a halted market; books halted by ``halt`` stay so."""
        self.call("resume_market", engine, auction)

    # ------------------------------------------------------------------------------------- time
    @property
    def clock(self) -> ExchangeClock:
        """The exchange's clock, to be stopped and moved: ``clock.advance(hours=8)``; ``clock()`` is the verb."""
        from openoutcry.clock import ExchangeClock

        return ExchangeClock(self._exchange)

    def stop_clock(self) -> records.Record:
        """Have the exchange's time stand still."""
        found: records.Record = self.call("stop_clock")
        return found

    def start_clock(self) -> records.Record:
        """Have the exchange's time go on, from where it stands."""
        found: records.Record = self.call("start_clock")
        return found

    def advance_clock(self, duration: str, silent: bool = False) -> records.Record:
        """Move the exchange's time forward, by "8h30m" or the like; returns how far it has come: ``remaining_ns``.

        ``clock.advance`` goes all the way, however much there is to do on it.
        """
        found: records.Record = self.call("advance_clock", duration, silent)
        return found

    # ------------------------------------------------------------------------------------- prices
    def set_price(self, book: str | Book, price: Price) -> None:
        """Set what a book's security is worth: market-maker policies quote around it."""
        self.call("set_price", book, price)

    def depth(self, book: str | Book, levels: int = 0) -> records.Record:
        """A book's price levels as the matcher has them."""
        found: records.Record = self.call("depth", book, levels)
        return found

    def indicative(self, book: str | Book) -> records.Record:
        """Where an auction in the book would end now."""
        found: records.Record = self.call("indicative", book)
        return found

    # ------------------------------------------------------------------------------------- risk and fees
    def set_limit(self, engine: str | Engine, scope: str, name: str, rule: str, value: str | int | bool) -> None:
        """Set a risk limit: openoutcry.verbs.LIMIT_RULES, for one of LIMIT_SCOPES."""
        self.call("set_limit", engine, scope, name, rule, value)

    def clear_limit(self, engine: str | Engine, scope: str, name: str, rule: str) -> None:
        """Take a risk limit away."""
        self.call("clear_limit", engine, scope, name, rule)

    def kill_switch(self, engine: str | Engine, scope: str, name: str) -> records.Record:
        """Cancel all orders of a firm, an account ... and reject new ones until ``revive``."""
        found: records.Record = self.call("kill_switch", engine, scope, name)
        return found

    def revive(self, engine: str | Engine, scope: str, name: str) -> None:
        """Let orders in again after the kill switch."""
        self.call("revive", engine, scope, name)

    def set_fee(
        self, engine: str | Engine, firm: str, maker_fee: Price = 0, taker_fee: Price = 0, maker_fee_ppm: int = 0,
        taker_fee_ppm: int = 0,
    ) -> None:  # fmt: skip
        """Give a firm rates of its own, in place of those of every book of the engine."""
        self.call("set_fee", engine, firm, maker_fee, taker_fee, maker_fee_ppm, taker_fee_ppm)

    def clear_fee(self, engine: str | Engine, firm: str) -> None:
        """Have a firm pay the rates of the books again."""
        self.call("clear_fee", engine, firm)

    def positions(self, engine: str | Engine, account: str | None = None, skip: int = 0) -> Rows:
        """What accounts have bought and sold in the books that count it; the first ``skip`` rows are left out."""
        found: Rows = self.call("positions", engine, account, skip)
        return found

    def fees_paid(self, account: str | None = None, skip: int = 0) -> Rows:
        """What accounts have paid; less than 0 when rebates prevail. The first ``skip`` rows are left out."""
        found: Rows = self.call("fees_paid", account, skip)
        return found
