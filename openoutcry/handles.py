"""What ``Exchange`` returns for the things its verbs make: their facts as attributes, and their verbs as methods.

Invariant: a handle holds names and facts, no state of its own. Every method is one control verb, and wherever a verb
takes a name, the handle will do as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openoutcry.exchange import Exchange


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

    def create_endpoint(self, name: str, protocol: str = "ouch42") -> Endpoint:
        """Open a TCP port for this engine's clients."""
        return self.exchange.create_endpoint(name, self, protocol)

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

    def halt(self) -> None:
        """Stop trading; orders stay and can be cancelled."""
        self.exchange.halt(self)

    def resume(self) -> None:
        """Go on trading."""
        self.exchange.resume(self)

    def depth(self, levels: int = 0) -> dict[str, Any]:
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


@dataclass(frozen=True)
class User(Handle):
    """A user who may log in. endpoint: None for every endpoint."""

    endpoint: str | None
    account: str

    def delete(self) -> None:
        """Forget the user."""
        self.exchange.delete_user(self)


def name_of(thing: str | Handle) -> str:
    """The name of a handle; a name is taken as it is."""
    return thing.name if isinstance(thing, Handle) else thing
