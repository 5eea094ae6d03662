"""What an application may reach in its gateway, beside its own client.

Invariant: nothing here belongs to one session; it is the same object for all sessions of one endpoint.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openoutcry.gateway.fix.hosted import Hosted
    from openoutcry.gateway.fix.market import MarketData
    from openoutcry.gateway.fix.sessions import Sessions
    from openoutcry.gateway.hub import Hub


class Services:
    """endpoint: its name. hub: of the gateway. copies: the gateway's sessions that want copies of reports."""

    __slots__ = ("_sessions", "copies", "endpoint", "hub")

    def __init__(self, sessions: Sessions, endpoint: str) -> None:
        self._sessions = sessions
        self.endpoint = endpoint
        self.hub: Hub = sessions.hub
        self.copies = sessions.copies

    @property
    def engine(self) -> str:
        """Name of the endpoint's engine."""
        return str(self.hub.state.endpoints[self.endpoint][2])

    @property
    def kind(self) -> str:
        """Kind of the endpoint's engine: matching, echo."""
        return str(self.hub.state.endpoints[self.endpoint][7])

    @property
    def market(self) -> MarketData:
        """Market and reference data, the same of the whole gateway."""
        return self._sessions.market

    def note(self, text: str) -> None:
        """A line for the log, which takes only so many of them."""
        self.hub.log.warning(monotonic_ns(), "client", text)

    def now_ns(self) -> int:
        """Time of the turn, ns since 1970."""
        return self._sessions.clock.now_ns

    def sessions(self) -> list[Hosted]:
        """All sessions of the endpoint that are remembered."""
        return self._sessions.of(self.endpoint)
