"""The gateway process: hosts any number of endpoints, between TCP clients and the matcher.

    clients ── Endpoint, Connection ──> Hub.out ──> bus.Link ──> matcher
    clients <── Connection, Replay <── Store <── Delivery <── bus.Link <── matcher

Read openoutcry.gateway.hub next, then connection, delivery, store.

Invariant: starting is recovering. The store says which event was the last that clients could have seen; the matcher
sends what follows; the endpoints listen on the ports they had. Killing this process at any moment loses nothing.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import zmq

from openoutcry import bus
from openoutcry.errors import OpenOutcryError
from openoutcry.gateway.hub import Hub
from openoutcry.gateway.ports import Ports
from openoutcry.gateway.store import Store
from openoutcry.plugins import begin
from openoutcry.process import Settings, set_up_logging

_makers: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop]
try:
    import uvloop

    _makers.append(uvloop.new_event_loop)  # faster, and optional
except ImportError:
    pass

log = logging.getLogger("openoutcry.gateway")

OPEN_FILES: Final = 65_536  # wanted; one a connection
GC_THRESHOLD: Final = 50_000  # commands and events are tuples without cycles: look for those less often
LINGER_S: Final = 0.05  # for last bytes to clients, when the gateway is stopped


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's when it is installed, else asyncio's (also with OPENOUTCRY_UVLOOP=0)."""
    return _makers[0 if os.environ.get("OPENOUTCRY_UVLOOP") == "0" else -1]()


class Gateway:
    """The loop around a Hub: ``serve`` until a signal or a fatal error; ``exit_code`` says which."""

    def __init__(self, directory: bus.Directory, name: str) -> None:
        self.loop = new_loop()
        self.exit_code = 0
        self._ended = False
        for number in (signal.SIGTERM, signal.SIGINT):
            # Not add_signal_handler: uvloop loses a signal that comes between it and run_forever.
            signal.signal(number, lambda *_: self.loop.call_soon_threadsafe(self._end))
        self.loop.set_exception_handler(self._unhandled)
        path = directory.path / f"gateway-{name}"
        self.store = Store(path)
        if self.store.cut:
            log.warning("cut a torn tail of %d bytes; going on after event %d", self.store.cut, self.store.last_event)
        self._context = zmq.Context(1)
        self._socket = bus.peer_socket(self._context, directory.address("bus"), name)
        generation = directory.generation(name)
        self.hub = Hub(
            self.loop, name, generation, self.store, Ports(path / "ports.json"), self._socket, self._fatal
        )  # fmt: skip

    def start(self) -> None:
        """Open the endpoints that there are."""
        log.info("going on after event %d", self.store.last_event)
        self.hub.start()

    def serve(self) -> None:
        """Run until told to stop."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 50, 100)
        while not self._ended:
            try:
                self.loop.run_forever()
            except SystemExit:  # of a protocol of somebody's own: it is not for it to say when the gateway ends
                self.hub.counters["exceptions"] += 1
                log.exception("in the loop: somebody wanted to end this process")

    def close(self) -> None:
        """Close ports and connections, flush the store."""
        self.hub.close()
        with suppress(RuntimeError):
            self.loop.run_until_complete(self._linger())
        self.store.close()
        self._socket.close(0)
        self._context.term()
        self.loop.close()

    async def _linger(self) -> None:
        """Until the last bytes have gone to the clients, at most LINGER_S."""
        until = self.loop.time() + LINGER_S
        while (
            any(endpoint.connections for endpoint in self.hub.hosting.endpoints.values()) and self.loop.time() < until
        ):
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)  # what their end gave the bus

    def _fatal(self, code: int, reason: str) -> None:
        log.error("stopping: %s", reason)
        self.exit_code = code
        self._end()

    def _end(self) -> None:
        self._ended = True
        self.loop.stop()

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.hub.counters["exceptions"] += 1
        if self.hub.counters["exceptions"] <= 10 or self.hub.counters["exceptions"] % 1_000 == 0:
            log.error("in the loop: %s", context.get("message"), exc_info=context.get("exception"))


def raise_file_limit() -> None:
    """Let this process have OPEN_FILES files open, or as many as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run(directory: bus.Directory, name: str, settings: Settings) -> int:
    """Serve as gateway `name` until SIGTERM or SIGINT (0), a refusal of the matcher (3), or a failure (1, 4)."""
    set_up_logging(name, settings.log_level)
    raise_file_limit()
    begin(settings.plugins, settings.plugin_path)
    try:
        lock = directory.lock(name)
        gateway = Gateway(directory, name)
        gateway.start()
        directory.announce(name, kind="gateway", loop=type(gateway.loop).__module__.partition(".")[0])
        gateway.serve()
        gateway.close()
        os.close(lock)
    except OpenOutcryError as error:
        log.error("cannot serve: %s", error)
        return 1
    log.info("stopped after event %d", gateway.store.last_event)
    return gateway.exit_code
