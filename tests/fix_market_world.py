"""A gateway's market data in a test: a loop that turns when it is told to, and books that are played by hand."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns
from types import SimpleNamespace
from typing import Any

from openoutcry.clients.replica import LIVE, Book
from openoutcry.feed import Correction, SymbolRow, Trade
from openoutcry.gateway.fix.market import MarketData
from openoutcry.gateway.fix.marketfeed import Followed
from tests.fix_orders_world import Client, Floor

CENT = 1_000_000
TIME = 1_700_000_000_123_000_000
ENTRY = (269, 270, 271, 278, 279, 346)


class Loop:
    """A loop that turns when it is told to."""

    def __init__(self) -> None:
        self.soon: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.later: list[Callable[[], None]] = []

    def call_soon(self, function: Callable[..., None], *arguments: Any) -> None:
        self.soon.append((function, arguments))

    def call_later(self, delay: float, function: Callable[[], None]) -> None:
        self.later.append(function)

    def run(self) -> None:
        while self.soon:
            function, arguments = self.soon.pop(0)
            function(*arguments)

    def wait(self) -> None:
        """Whatever waits for a time has its time now."""
        later, self.later = self.later, []
        for function in later:
            function()
        self.run()


class Source:
    """What a publisher would say. listed: books that it lists; there: whether it answers."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.known = False
        self.there = True
        self.listed: dict[tuple[str, str], SymbolRow] = {}
        self.found: dict[tuple[str, str], SymbolRow] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.books: dict[str, Callable[[Book], None]] = {}
        self.followed: dict[tuple[str, bool], Followed] = {}

    def add(self, symbol: str, engine: str = "main", phase: str = "open", **facts: Any) -> None:
        self.listed[engine, symbol] = SymbolRow(symbol, f"book-{symbol}", engine, symbol, phase)
        self.facts[symbol] = facts

    def find(self, engine: str, symbol: str) -> SymbolRow | None:
        return self.found.get((engine, symbol))

    def rows(self, engine: str) -> list[SymbolRow]:
        return [row for (owner, _), row in self.found.items() if owner == engine]

    def refresh(self, then: Callable[[], None]) -> None:
        if self.there:
            self.known, self.found = True, dict(self.listed)
        self.loop.call_soon(then)

    def look_up(self, engine: str, symbols: Any, then: Callable[[], None]) -> None:
        self.refresh(then)

    def instrument(self, topic: str, then: Callable[[dict[str, Any] | None], None]) -> None:
        self.loop.call_soon(then, self.facts.get(topic) if self.there else None)

    def follow(self, topic: str, by_order: bool) -> Followed:
        found = self.followed.get((topic, by_order))
        if found is None:
            found = self.followed[topic, by_order] = Followed(topic, by_order, monotonic_ns())
            found.replica.state = LIVE if self.there else found.replica.state
            found.book.phase, found.book.time_ns = "open", TIME
            for change in self.books.values():
                change(found.book)
        found.watchers += 1
        return found

    def leave(self, followed: Followed) -> None:
        followed.watchers -= 1
        if not followed.watchers:
            del self.followed[followed.topic, followed.by_order]

    def close(self) -> None: ...

    def statistics(self) -> dict[str, int]:
        return {}


class World:
    """A gateway's market data with clients of any version."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.source = Source(self.loop)
        self.commits = 0
        self.market = MarketData(SimpleNamespace(loop=self.loop, commit=self._commit), self.source)
        self.floor = Floor()
        self.floor.services.market = self.market
        self.floor.services.engine = "main"  # type: ignore[attr-defined]  # as the gateway's own has it
        self.source.add("X")

    def _commit(self) -> None:
        self.commits += 1

    def client(self, version: str = "FIX.4.4", name: str = "ANN") -> Client:
        return self.floor.client(version, name)

    def ask(self, client: Client, text: str) -> list[list[tuple[int, str]]]:
        client.application.take(client.message(text), [], False)
        self.loop.run()
        return told(client)

    def change(self, topic: str, change: Callable[[Book], Any], *new: Trade | Correction) -> None:
        """Something happens to a book, and to its trades."""
        books = [followed for (name, _), followed in self.source.followed.items() if name == topic]
        for followed in books:
            change(followed.book)
            followed.trades = [each for each in new if isinstance(each, Trade)]
            followed.corrections = [each for each in new if isinstance(each, Correction)]
            followed.replica.recent.extend(followed.trades)
        self.market.changed(books)


def told(client: Client) -> list[list[tuple[int, str]]]:
    """What a client was told since the last time: each message's kind and body, in order."""
    said, client.said = client.said, []
    skipped = {8, 9, 10, 34, 49, 52, 56}
    return [[(tag, value.decode()) for tag, value in each.pairs() if tag not in skipped] for each in said]


def entries(message: list[tuple[int, str]], first: int = 269) -> list[dict[int, str]]:
    """The entries of a message's group, with the fields that these tests look at."""
    found: list[dict[int, str]] = []
    for tag, value in message:
        if tag == first:
            found.append({})
        if found and tag in ENTRY:
            found[-1][tag] = value
    return found


def of(message: list[tuple[int, str]], tag: int) -> str | None:
    return next((value for each, value in message if each == tag), None)


def request(
    kinds: str = "01", name: str = "r", subscribe: int = 1, depth: int = 0, more: str = "|265=1", *symbols: str
) -> str:
    types = f"|267={len(kinds)}" + "".join(f"|269={kind}" for kind in kinds)
    related = f"|146={len(symbols) or 1}" + "".join(f"|55={symbol}" for symbol in symbols or ("X",))
    return f"35=V|262={name}|263={subscribe}|264={depth}{more}{types}{related}"


def levels(*rows: tuple[int, int, int, int]) -> Callable[[Book], None]:
    """Levels of a book: side, price in cents, quantity, orders."""

    def change(book: Book) -> None:
        for side, price, quantity, orders in rows:
            book.set_level((side, price * CENT, quantity, orders))

    return change
