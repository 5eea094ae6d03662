"""What is shown of an exchange when a test has failed: logs, sessions with their numbers, the last messages of clients.

Invariant: making a report never raises, and changes nothing but that clients read what has come; what cannot be asked
any more is said to be so.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import OpenOutcryError
from openoutcry.tables import table
from openoutcry.testkit.trading import Trader

if TYPE_CHECKING:
    from openoutcry.exchange import Exchange

LOG_MAX: Final = 20_000  # characters of each process's log: its end says why
MESSAGES_MAX: Final = 30  # of each client
READ_MAX: Final = 1_000  # times that a client reads what has come; then it is a stream without end
SESSION: Final = ("number", "endpoint", "user", "connected", "open_orders", "stream")
FIX: Final = ("name", "state", "next_in", "next_out", "gaps", "resends", "rejects")

Section = tuple[str, str]


def sections(exchange: Exchange) -> list[Section]:
    """Titles and texts; nothing of what is empty."""
    found = [(client.title, _client(client)) for client in exchange.clients if isinstance(client, Trader)]
    try:
        found += _sessions(exchange)
        logs = exchange.logs()
    except (OpenOutcryError, OSError) as error:
        found.append(("sessions", f"not known: {error}"))
        logs = {}
    return [*found, *((f"log of {name}", text[-LOG_MAX:]) for name, text in logs.items() if text)]


def text(exchange: Exchange) -> str:
    """All of it as one text, for a note of an exception."""
    return "\n".join(f"---- {title}\n{body}" for title, body in sections(exchange))


def _client(client: Trader) -> str:
    """Where it stands, its orders, its last messages."""
    try:
        return _story(client)
    except Exception as error:  # an error here would take the place of the one that is reported
        return f"not known: {type(error).__name__}: {error}"


def _story(client: Trader) -> str:
    with suppress(OpenOutcryError):
        for _ in range(READ_MAX):
            if not client.more(0.0):
                break
    orders = [f"order {order.name}: {order}, {order.status}, {order.filled} filled, {order.open} open"
              for order in client.orders[-MESSAGES_MAX:]]  # fmt: skip
    return "\n".join([client.standing(), *orders, *client.last_messages(MESSAGES_MAX)])


def _sessions(exchange: Exchange) -> list[Section]:
    """Sessions as the exchange has them. Raises OpenOutcryError."""
    if exchange.directory == Path() or not exchange.directory.exists() or not (pids := exchange.pids):
        return []  # it has ended
    if missing := [name for name in ("matcher", "control") if name not in pids]:
        return [("sessions", f"not known: {missing[0]} does not run")]
    rows = [{**row, "connected": row["connection"] != 0} for row in exchange.list("sessions")]
    found = [("sessions", table(rows, columns=SESSION))] if rows else []
    numbers = [row for part in exchange.statistics().values() for row in _fix_rows(part)]
    if numbers:
        found.append(("FIX sessions", table(numbers, columns=FIX)))
    return found


def _fix_rows(part: Any) -> list[dict[str, Any]]:
    """The FIX sessions in the statistics of a gateway."""
    endpoints = part.get("endpoints") if isinstance(part, dict) else None
    rows = []
    for endpoint in endpoints.values() if isinstance(endpoints, dict) else ():
        sessions = endpoint.get("sessions")
        if isinstance(sessions, dict):
            rows += [{"name": name, **facts} for name, facts in sessions.items()]
    return rows
