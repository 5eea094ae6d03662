"""How an exchange's FIX clients begin: a client for a session that another has had goes on with it.

A session's numbers outlive its client. A program that comes back remembers them; a test makes a new client instead,
which is given what it would remember, had it been there until now.

Invariant: a first client of a session is made as it was asked for, and costs no question to the exchange; nor is one
interfered with that says itself how it counts (NUMBERING).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import ClientError
from openoutcry.fix.store import MemoryStore
from openoutcry.testkit.fix import FixTrader

if TYPE_CHECKING:
    from openoutcry.exchange import Exchange
    from openoutcry.handles import Endpoint

IDENTITY: Final = (
    "BeginString", "SenderCompID", "SenderSubID", "SenderLocationID", "TargetCompID", "TargetSubID", "TargetLocationID",
)  # fmt: skip
NUMBERING: Final = frozenset(("store", "Store", "ResetOnLogon", "settings"))  # who gives these knows what to say


def opened(
    exchange: Exchange, endpoint: Endpoint, given: dict[str, Any], sessions: dict[tuple[str, ...], str]
) -> FixTrader:
    """A client. sessions: the exchange's names of those that others have had before; they go on where they stand.

    Raises ClientError, also when one of them is still logged on: FIX lets nobody else in then.
    """
    key = (endpoint.name, endpoint.protocol, *(str(given.get(name, "")) for name in IDENTITY))
    if key in sessions and not NUMBERING.intersection(given):
        for other in exchange.clients:
            if isinstance(other, FixTrader) and other.key == key and other.is_logged_on:
                text = "close that one, or give this one a SenderCompID of its own"
                raise ClientError(f"{other.title} is logged on to session {sessions[key]} already: {text}")
        given = {**given, "store": _continued(exchange, endpoint, sessions[key])}
    client = FixTrader(endpoint, **given)
    head, _, ends = client.initiator.settings.name.partition(":")
    sessions[key] = f"{head}:{'->'.join(reversed(ends.split('->')))}"
    client.key = key
    return client


def _continued(exchange: Exchange, endpoint: Endpoint, session: str) -> MemoryStore:
    """What a client remembers that has had everything until now."""
    store = MemoryStore(time.time_ns())
    endpoints = exchange.statistics().get(endpoint.gateway, {}).get("endpoints", {})
    row = endpoints.get(endpoint.name, {}).get("sessions", {}).get(session)
    if row is not None:  # it has not been forgotten
        store.set_next_in(row["next_out"])
        store.set_next_out(row["next_in"])
    return store
