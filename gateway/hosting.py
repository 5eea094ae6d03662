"""Which endpoints this gateway has, made to be what the matcher has set, and kept so.

Invariant: ``reconcile`` may be called at any time and any number of times: it looks at what is wanted and what is
there, and does the difference. A port that was opened is announced with BOUND; one that could not be opened for the
first time is announced with its error; one that was ours before is tried again until it is ours again.
"""

from __future__ import annotations

import logging
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from openoutcry import wire
from openoutcry.errors import ClusterError
from openoutcry.gateway.endpoint import REOPEN_NS, Endpoint, PacketEndpoint
from openoutcry.gateway.ports import Ports
from openoutcry.gateway.protocols import Dialect, dialect, endpoint_kind

if TYPE_CHECKING:
    from openoutcry.gateway.hub import Hub

log = logging.getLogger("openoutcry.gateway")


class Hosting:
    """See the module."""

    def __init__(self, hub: Hub, ports: Ports) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self._hub = hub
        self._ports = ports
        self._dialects: dict[str, Dialect] = {}

    def reconcile_all(self) -> None:
        """Every endpoint that there is or should be."""
        for name in {*self.endpoints, *self._hub.state.endpoints}:
            self.reconcile(name)

    def reconcile(self, name: str, deleted: bool = False) -> None:
        """Make the endpoint of that name what the matcher has set.

        deleted: it was deleted since; when one is wanted all the same, that is another one of its name.
        """
        wanted = self._hub.state.endpoints.get(name)
        endpoint = self.endpoints.get(name)
        if endpoint is not None and (wanted is None or deleted or (endpoint.protocol, endpoint.host) != wanted[3:5]):
            self.endpoints.pop(name).finish()
        if wanted is None or deleted:
            self._ports.forget(name)
        if wanted is None:
            return
        try:
            self._make(wanted)
        except (OSError, ClusterError) as error:
            self._not_open(wanted, error)

    def _make(self, wanted: tuple[Any, ...]) -> None:
        _, name, _, protocol, host, port, properties, _ = wanted
        endpoint = self.endpoints.get(name)
        if endpoint is None:
            kind = endpoint_kind(protocol) or PacketEndpoint
            endpoint = self.endpoints[name] = kind(self._hub, name, protocol, host)
        endpoint.configure(properties)
        if not endpoint.port or port not in (0, endpoint.port):
            endpoint.close()
            endpoint.open(port or self._ports.get(name))
            self._ports.set(name, endpoint.port)
            log.info("endpoint %s listens on %s port %d (%s)", name, host, endpoint.port, protocol)
            self._bound(name, host, endpoint.port, "")

    def _not_open(self, wanted: tuple[Any, ...], error: Exception) -> None:
        _, name, _, _, host, _, _, _ = wanted
        now_ns = monotonic_ns()
        self._hub.log.warning(now_ns, "open", f"endpoint {name} cannot be opened: {error}")
        if name in self.endpoints and self._ports.get(name):
            self._hub.wheel.schedule(self.endpoints[name], now_ns + REOPEN_NS)
        else:
            self._bound(name, host, 0, str(error)[: wire.SHORT_TEXT_MAX])

    def _bound(self, name: str, host: str, port: int, error: str) -> None:
        self._hub.out.append((wire.BOUND, name, host, port, error))
        self._hub.submitted()

    def dialect_of(self, endpoint: str) -> Dialect:
        """What the sessions of an endpoint speak. Raises ClusterError when nobody registered it."""
        protocol = self._hub.state.endpoints[endpoint][3]
        found = self._dialects.get(protocol)
        if found is None:
            found = self._dialects[protocol] = dialect(protocol)
        return found
