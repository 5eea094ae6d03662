"""An endpoint that speaks FIX: any number of sessions and versions on one port.

Invariant: what an endpoint refuses it counts, by reason; whoever is refused before his Logon was judged hears nothing.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from openoutcry.gateway.endpoint import Endpoint, Guest
from openoutcry.gateway.fix import identity
from openoutcry.gateway.fix.connection import FixConnection

if TYPE_CHECKING:
    from openoutcry.gateway.hub import Hub
    from openoutcry.gateway.managed_fix import FixHand

SESSIONS_SHOWN: Final = 200  # in the statistics of one endpoint: an answer has some 200,000 characters at most


class FixEndpoint(Endpoint):
    """See the module."""

    def __init__(self, hub: Hub, name: str, protocol: str, host: str) -> None:
        self.garbled = self.unwanted_logons = 0
        super().__init__(hub, name, protocol, host)

    def connection(self) -> FixConnection:
        """What speaks with one client."""
        return FixConnection(self)

    def make_hand(self) -> FixHand:
        """See Endpoint."""
        from openoutcry.gateway.managed_fix import FixHand

        return FixHand(self)

    def admit(self, connection: Guest) -> int:
        """Let a new connection in: ns it has to log in, 0 when there are too many."""
        return min(super().admit(connection), identity.logon_timeout_s(self.hub.state, self.name) * 1_000_000_000)

    def unwanted(self, connection: FixConnection, why: str) -> None:
        """Somebody who is not let in, and is told nothing."""
        self.note_unwanted(connection, why)
        connection.close()

    def note_unwanted(self, connection: FixConnection, why: str) -> None:
        """The log says it at least."""
        self.unwanted_logons += 1
        text = f"endpoint {self.name}: {connection.address} is not let in: {why}"
        self.hub.log.warning(monotonic_ns(), "unwanted", text)

    def statistics(self) -> dict[str, Any]:
        """Counters, and where its sessions stand, the connected ones first."""
        hosted = sorted(self.hub.fix.of(self.name), key=lambda one: (one.connection is None, one.name))
        return {
            **super().statistics(),
            "garbled": self.garbled,
            "unwanted_logons": self.unwanted_logons,
            "any CompIDs accepted": identity.accepts_anybody(self.hub.state, self.name),
            "sessions": {one.name: one.statistics() for one in hosted[:SESSIONS_SHOWN]},
            "sessions not shown": max(0, len(hosted) - SESSIONS_SHOWN),
        }
