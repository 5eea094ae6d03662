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
from openoutcry.gateway.endpoint import REOPEN_NS, Endpoint, PacketEndpoint, why
from openoutcry.gateway.fence import trace
from openoutcry.gateway.plugin import is_plugin, spoken
from openoutcry.gateway.ports import Ports
from openoutcry.gateway.protocols import Dialect, dialect, endpoint_kind
from openoutcry.plugins import fault

if TYPE_CHECKING:
    import socket

    from openoutcry.gateway.hub import Hub

log = logging.getLogger("openoutcry.gateway")


class Hosting:
    """See the module."""

    def __init__(self, hub: Hub, ports: Ports) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self._hub = hub
        self._ports = ports
        self._dialects: dict[tuple[str, bool], Dialect] = {}
        self._engines: dict[str, str] = {}  # what each endpoint serves

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
        inherited: socket.socket | None = None
        if endpoint is not None and (wanted is None or deleted or (endpoint.protocol, endpoint.host) != wanted[3:5]):
            self.endpoints.pop(name)
            if wanted is not None and (endpoint.host, endpoint.port) == wanted[4:6]:
                inherited = endpoint.hand_over()  # it speaks another protocol: nobody finds the port closed
            self._hub.spare(endpoint, endpoint.finish)
        if wanted is None or deleted:
            self._ports.forget(name)
            self._engines.pop(name, None)
        if wanted is None:
            return
        try:
            self._make(wanted, inherited)
        except Exception as error:  # of the system, or whatever somebody's own endpoint does wrong
            if inherited is not None:
                inherited.close()
            self._not_open(wanted, error)

    def _make(self, wanted: tuple[Any, ...], inherited: socket.socket | None) -> None:
        _, name, engine, protocol, host, port, properties, _ = wanted
        endpoint = self.endpoints.get(name)
        if endpoint is None:
            endpoint = self.endpoints[name] = self._new(name, protocol, host)
        if isinstance(endpoint, PacketEndpoint):
            endpoint.dialect = self.dialect_of(name)
        endpoint.configure(properties)
        before, self._engines[name] = self._engines.get(name, engine), engine
        if not endpoint.port or port not in (0, endpoint.port):
            endpoint.close()
            endpoint.open(port or self._ports.get(name), inherited)
            self._ports.set(name, endpoint.port)
            log.info("endpoint %s listens on %s port %d (%s)", name, host, endpoint.port, protocol)
            self._bound(name, host, endpoint.port, "")
        elif before != engine:
            self._bound(name, host, endpoint.port, "")

    def _new(self, name: str, protocol: str, host: str) -> Endpoint:
        try:
            found = (endpoint_kind(protocol) or PacketEndpoint)(self._hub, name, protocol, host)
        except ClusterError:
            raise
        except BaseException as error:  # whatever somebody's plugin does wrong, sys.exit() too
            raise ClusterError(f"an endpoint for {protocol!r} cannot be made: {fault(error)}") from error
        if not isinstance(found, Endpoint):
            raise ClusterError(f"an endpoint for {protocol!r} cannot be made: it is no Endpoint, but {found!r:.100}")
        return found

    def _not_open(self, wanted: tuple[Any, ...], error: Exception) -> None:
        _, name, _, _, host, port, _, _ = wanted
        now_ns = monotonic_ns()
        known = isinstance(error, OSError | ClusterError)
        text = why(host, port, error) if known else fault(error)
        self._hub.log.warning(now_ns, "open", f"endpoint {name} cannot be opened: {text if known else trace(error)}")
        if name in self.endpoints and self._ports.get(name):
            self._hub.wheel.schedule(self.endpoints[name], now_ns + REOPEN_NS)
        else:
            self._bound(name, host, 0, text[: wire.SHORT_TEXT_MAX])

    def _bound(self, name: str, host: str, port: int, error: str) -> None:
        self._hub.out.append((wire.BOUND, name, host, port, error))
        self._hub.submitted()

    def dialect_of(self, endpoint: str) -> Dialect:
        """What the sessions of an endpoint speak. Raises ClusterError when nobody registered it."""
        _, _, _, protocol, *_, kind = self._hub.state.endpoints[endpoint]
        key = protocol, is_plugin(kind)
        found = self._dialects.get(key)
        if found is None:
            found = dialect(protocol)
            found = self._dialects[key] = spoken(found) if is_plugin(kind) else found
        return found
