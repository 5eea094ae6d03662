"""Feeding clients that catch up: bounded pieces of the store, in turn, between the live traffic.

Invariant: one turn of the loop reads at most PIECES_PER_TURN pieces for all clients together, and a client that has
client.REPLAY_BUFFER bytes to read gets no more; so neither memory nor anybody's latency depends on how much is
asked for, or by how many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from openoutcry.gateway.client import ON

if TYPE_CHECKING:
    from openoutcry.gateway.client import ClientConnection
    from openoutcry.gateway.clock import ExchangeClock

PIECES_PER_TURN: Final = 4  # of store.PIECE_BYTES each: about 0.2 ms of a turn, and up to 8 ms with tiny chunks


class Replay:
    """The queue of connections that are behind and can take more."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: ExchangeClock) -> None:
        self._loop = loop
        self._clock = clock
        self._queue: deque[ClientConnection] = deque()
        self._scheduled = False
        self.counters = {"replayed_messages": 0, "replays": 0}

    def add(self, connection: ClientConnection) -> None:
        """`connection` can take more."""
        if not connection.replaying:
            connection.replaying = True
            self._queue.append(connection)
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        queue = self._queue
        now_ns = self._clock.monotonic_ns()
        for _ in range(min(PIECES_PER_TURN, len(queue))):
            connection = queue.popleft()
            connection.replaying = False
            if connection.state == ON and not connection.live:
                connection.hub.spare(connection, connection.feed, now_ns)
        if queue:
            self._schedule()
