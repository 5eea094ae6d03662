"""A market with firms and accounts, for tests of risk, positions, corrections and mass cancels.

Sessions on "orders": 1 ALICE (account A1, firm ACME), 2 ANNE (account A2, firm ACME), 3 BOB (account B1, firm BETA).
"""

from __future__ import annotations

from typing import Any

from openoutcry import wire as w
from openoutcry.errors import VerbError
from openoutcry.matcher.ledger import ledger_of, position
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.risk import Guard, guard_of
from tests.machine_world import CENT, World, market

ALICE, ANNE, BOB = 1, 2, 3
OWNERS = (("alice", "A1", "ACME"), ("anne", "A2", "ACME"), ("bob", "B1", "BETA"))
NAMES = {"engine": "main", "book": "book-X", "firm": "ACME", "account": "A1", "session": "1"}  # ALICE's order in X


def trading_floor(symbols: tuple[str, ...] = ("X",), **properties: Any) -> World:
    """All events so far have been taken. properties: of the first book."""
    world = market(symbols, users=())
    for connection, (user, account, firm) in enumerate(OWNERS, 1):
        world.verb("create_user", user, "secret", None, account, firm)
        world.log_on("orders", user, connection)
    for name, value in properties.items():
        world.verb("set_book_property", f"book-{symbols[0]}", name, value)
    world.take_all()
    return world


def submit(session: int, token: bytes, side: int = w.BUY, quantity: int = 100, price: int = 100, **given: Any) -> Any:
    """A SUBMIT; price in cents; terms by their names in wire.ORDER_TERMS."""
    kind, tif, symbol = given.pop("order_type", w.LIMIT), given.pop("tif", w.DAY), given.pop("symbol", "X")
    numbers = {field.name: term for term, field in w.ORDER_TERMS.items()}
    terms = tuple(sorted((numbers[name], value) for name, value in given.items()))
    return (w.SUBMIT, session, token, symbol, side, quantity, price * CENT, kind, tif, 0, 0, b"", terms)


def guard(world: World) -> Guard:
    return guard_of(world.machine, world.machine.engines["main"])


def told(world: World, *commands: Any) -> list[Any]:
    """What the clients are told because of some commands."""
    world.send("gateway-1", *commands)
    world.take("public")
    return world.take()


def refusal(world: World, *commands: Any) -> tuple[int, str] | None:
    """Why the last of some commands was rejected, None when it was not."""
    events = [event for event in told(world, *commands) if event[0] == w.REJECTED and event[2] in commands[-1]]
    return (events[0][3], events[0][4]) if events else None


def kinds(events: list[Any]) -> list[tuple[int, bytes]]:
    """Kind and token of events."""
    return [(event[0], event[2]) for event in events]


def held(world: World, account: str, book: str = "book-X") -> int:
    return position(world.machine.books[book], account)


def paid(world: World, account: str) -> int:
    return ledger_of(world.machine.numbers).fees.get(account, 0)


def verb_error(call: Any, *arguments: Any) -> tuple[str, str, str]:
    """The code, field and text with which a call is refused."""
    try:
        call(*arguments)
    except VerbError as error:
        return error.code, error.field, error.text
    raise AssertionError(f"{call} was not refused")


def assert_survives_a_snapshot(world: World) -> None:
    """The machine that comes out of a snapshot is the same."""
    data = world.machine.dump()
    assert Machine.load(data).dump() == data
