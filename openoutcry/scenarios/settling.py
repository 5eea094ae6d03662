"""Finding out that all that was sent is done, where nothing is expected that would say so.

    settling = Settling(call, batch)
    settling.sent("orders")            for each message to that endpoint
    settling.wait(connections)         every gateway has it, the matcher has applied it, the gateways have told of it

Invariant: it is asked until the gateways count as many messages as were sent, have nothing under way, and have done
nothing between two answers; but not for ever. To ask often enough is not enough: on a busy host what comes over TCP may
be later than questions that were asked after it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from openoutcry.clients.batch import Batch
from openoutcry.scenarios.connections import Connection

ROUNDS: Final = 3  # of questions at least: taken from the socket, applied by the matcher, told by the gateway
VERB_ROUNDS: Final = 2  # after a verb, which the matcher has applied already
ROUNDS_MAX: Final = 20  # where others trade, it is never quiet
ARRIVAL_S: Final = 0.5  # for what gateways do not count: bytes that are no messages, messages that are refused at once

Call = Callable[..., Any]
MakeBatch = Callable[..., Batch]
Statistics = Mapping[str, Any]


class Settling:
    """See the module. call, batch: as an Exchange has them."""

    def __init__(self, call: Call, batch: MakeBatch | None = None) -> None:
        self._call = call
        self._batch = batch
        self._due: Counter[str] = Counter()  # what each endpoint should count by now

    def connecting(self, endpoint: str) -> None:
        """A client is about to connect there."""
        if endpoint not in self._due:
            self._due[endpoint] = _counted(self._call("statistics")).get(endpoint, 0)

    def sent(self, endpoint: str) -> None:
        """A message has been sent."""
        self._due[endpoint] += 1

    def wait(self, connections: Iterable[Connection], rounds: int = ROUNDS) -> None:
        """Return when all that was sent is done, and can be taken."""
        connections = list(connections)
        for connection in connections:
            connection.settle()
        until = time.monotonic() + ARRIVAL_S
        found = self._ask(rounds)
        while not (self._arrived(found) and _is_quiet(found)):
            if len(found) >= ROUNDS_MAX and (self._arrived(found) or time.monotonic() >= until):
                break
            found.append(self._call("statistics"))
        counted = _counted(found[-1])
        for name in self._due:
            self._due[name] = counted.get(name, 0)
        for connection in connections:
            connection.settle()

    def _ask(self, rounds: int) -> list[Statistics]:
        if self._batch is None:
            return [self._call("statistics") for _ in range(rounds)]
        with self._batch(raises=False) as batch:
            asked = [batch.call("statistics") for _ in range(rounds)]
        return [one.value for one in asked if one.error is None] or [self._call("statistics")]

    def _arrived(self, found: Sequence[Statistics]) -> bool:
        counted = _counted(found[-1])
        return all(counted.get(name, -1) >= count for name, count in self._due.items())


def _gateways(statistics: Statistics) -> list[Any]:
    return [row for row in statistics.values() if row and "endpoints" in row]


def _counted(statistics: Statistics) -> dict[str, int]:
    """How many messages of clients each endpoint has taken."""
    return {name: endpoint.get("messages_in", 0)
            for row in _gateways(statistics) for name, endpoint in row["endpoints"].items()}  # fmt: skip


def _is_quiet(found: Sequence[Statistics]) -> bool:
    """Whether the gateways have done nothing between the last two answers, and have nothing to do."""
    if len(found) < 2 or None in found[-1].values():
        return False
    before, now = (
        [(row["link"], [_traffic(each) for each in row["endpoints"].values()]) for row in _gateways(statistics)]
        for statistics in found[-2:]
    )
    return before == now and not any(link["backlog"] for link, _ in now)


def _traffic(endpoint: Mapping[str, Any]) -> list[Any]:
    return [endpoint.get(name) for name in ("connections", "messages_in", "messages_out", "ignored")]
