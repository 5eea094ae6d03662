"""What the security of a book is worth: the price that market-maker policies (openoutcry.matcher.maker) quote around.

Somebody sets it (``set_price``), or it moves by itself, as the book's property ``pricing`` says: ``fixed`` stays where
it starts, ``walk`` goes up and down at random, ``mean-reverting`` is pulled back to where it started. ``set_price``
moves it in every kind, and it goes on from there. Nothing else in a book depends on it.

Rule 1. A price is an integer in 1e-8, from 1 to the book's highest; 0 while there is none. A step is drawn from the
        engine's seed, the book's ``pricing_seed`` and name, and how many steps came before: no state but that count,
        which begins anew when ``pricing`` is set to ``none``.
Rule 2. A step is an entry of the schedule, and puts the next one there ``pricing_interval_ms`` after its own time,
        however late it was handled. One whose ticket is not the newest counts no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import VerbError
from openoutcry.matcher.configuration import Asker, find
from openoutcry.matcher.draws import draw, key_of
from openoutcry.matcher.rooms import Worth, rooms_of
from openoutcry.parameters import price_text

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.machine import Machine

PARTS: Final = 10_000  # volatility and pull are in 1e-4
MS_NS: Final = 1_000_000
MOVING: Final = ("walk", "mean-reverting")
PROPERTIES: Final = ("pricing", "pricing_price", "volatility", "pricing_interval_ms", "pricing_pull", "pricing_seed")


def price_of(book: Book) -> int:
    """What the book's security is worth, 0 when nobody has said."""
    return book.rooms.worth.price if book.rooms is not None else 0


def _worth(book: Book) -> Worth:
    return rooms_of(book).worth


def set_price(machine: Machine, asker: Asker, book: str, price: int) -> Any:
    """Set what a book's security is worth."""
    found = find(machine.books, "book", "book", book)
    if price > found.max_price:
        text = f"price is {price_text(price)}, book {book!r} takes at most {price_text(found.max_price)} (max_price)"
        raise VerbError("bad_argument", "price", text)
    _worth(found).price = price
    _moved(machine, found)
    return {"book": book, "price": price_text(price_of(found))}


def configure(machine: Machine, book: Book) -> None:
    """One of PROPERTIES has changed: begin, go on, or end."""
    worth, kind = _worth(book), book.properties["pricing"]
    before, worth.ticket = worth.price, 0
    if kind == "none":
        worth.price = worth.steps = 0
    elif not worth.price:
        worth.price = min(_start(book), book.max_price)
    if kind in MOVING:
        worth.ticket = machine.schedule.ticket()
        _later(machine, book, machine.time_ns)
    if worth.price != before:
        _moved(machine, book)


def _start(book: Book) -> int:
    """Where the price starts, and what it is pulled back to."""
    known = book.properties["pricing_price"] or book.properties["reference_price"] or book.last_price
    return int(known)


def _later(machine: Machine, book: Book, after_ns: int) -> None:
    at_ns = after_ns + book.properties["pricing_interval_ms"] * MS_NS
    machine.schedule.add(at_ns, "price", book.name, _worth(book).ticket, at_ns)


def due(machine: Machine, item: tuple[Any, ...]) -> None:
    """A "price" of the schedule: (kind, book, ticket, its time)."""
    _, name, ticket, at_ns = item
    book = machine.books.get(name)
    if book is None or _worth(book).ticket != ticket:
        return
    _step(machine, book)
    _later(machine, book, max(at_ns, machine.time_ns - book.properties["pricing_interval_ms"] * MS_NS))
    _moved(machine, book)


def _step(machine: Machine, book: Book) -> None:
    """Move the price by one step, if there is one."""
    worth, properties = _worth(book), book.properties
    worth.steps += 1
    before = worth.price = worth.price or min(_start(book), book.max_price)
    if not before:
        return
    most: int = properties["volatility"]
    seed = machine.engines[book.engine].properties["seed"]
    move = draw(2 * most + 1, seed, properties["pricing_seed"], key_of(book.name), worth.steps) - most
    price = before + _part(before, move)
    if properties["pricing"] == "mean-reverting":
        price += _part(_start(book) - before, properties["pricing_pull"])
    worth.price = min(max(price, 1), book.max_price)


def _part(amount: int, parts: int) -> int:
    """So many 1e-4 of an amount, rounded towards 0; either may be negative."""
    part = abs(amount) * abs(parts) // PARTS
    return part if (amount < 0) == (parts < 0) else -part


def _moved(machine: Machine, book: Book) -> None:
    """Tell the policies of the book's engine."""
    stage = machine.engines[book.engine].stage
    if stage is not None:
        for policy in list(stage.policies.values()):
            policy.priced(book)


HANDLERS: Final[dict[str, Callable[..., Any]]] = {"set_price": set_price}
