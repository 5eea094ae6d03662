"""An exchange of one's own, for a test: ``with Exchange() as ex: ...``.

It has its own processes (matcher, gateways, market data, control), ports and temporary directory, runs the same code
as the supervised cluster, and is configured with the same verbs (openoutcry.verbs): each is a method of Exchange, with
the table's arguments in the table's order. Here is its life, from start to stop, with the clients and prices that end
with it; the verbs are in its base classes (openoutcry.exchange_verbs says which are where).

Invariant: when ``stop`` returns, which leaving the ``with`` block calls, no process, port or file of it is left. When
the owning process is killed instead, the nursery sees to that (openoutcry.parts).
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
import warnings
import weakref
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from openoutcry import parts
from openoutcry.errors import ClusterError, OpenOutcryError, VerbError
from openoutcry.exchange_market import MarketVerbs
from openoutcry.exchange_orders import OrderVerbs
from openoutcry.exchange_sessions import SessionVerbs
from openoutcry.handles import Book, Endpoint, name_of

# The rest is imported in start(), when the nursery is already loading what the parts need, on another core.
if TYPE_CHECKING:
    from openoutcry.agents.following import Following
    from openoutcry.config import Config
    from openoutcry.testkit import FixTrader, MarketWatcher, OuchTrader

SEGMENT_BYTES: Final = 1024 * 1024  # of the journal: a test's is short, and a segment is written out in advance
LOOK_AGAIN_S: Final = 0.002  # between two looks at `status` while the parts connect to the matcher
PREFIX: Final = "openoutcry-"  # of the temporary directories

_alive: Final[weakref.WeakValueDictionary[int, Exchange]] = weakref.WeakValueDictionary()  # by id
PLUGIN: Final = "openoutcry.pytest_plugin"


def running() -> list[Exchange]:
    """The exchanges of this process that run, in the order in which they were started."""
    found = [reference() for reference in _alive.valuerefs()]
    return [exchange for exchange in found if exchange is not None]


class Exchange(MarketVerbs, OrderVerbs, SessionVerbs):
    """A whole exchange that belongs to this object.

    durability: ``none`` (default), ``relaxed`` or ``sync``: all survive a killed process, only ``sync`` a power cut.
    gateways: how many gateway processes, named gateway-1, gateway-2, ... (default: as ``config`` says, else 1).
    directory: where to keep everything; stays, and is recovered from when it is used again. Default: a temporary one,
    removed at the end unless ``keep``.
    config: a TOML file as for the cluster (openoutcry.config): its settings hold, except for durability and what is
    given here, and its verbs are carried out at the start.
    settings: any other field of openoutcry.process.Settings.

    Methods may be called from any thread of the process that made it. Verbs raise VerbError; what happens to
    processes raises ClusterError, with the tail of the log concerned.
    """

    def __init__(
        self, durability: str = "none", gateways: int | None = None, directory: str | Path | None = None,
        keep: bool = False, config: str | Path | None = None, **settings: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self._settings = {**settings, "durability": durability}
        if gateways is not None:
            self._settings["gateways"] = gateways
        self._given = Path(directory) if directory is not None else None
        self._keep = keep
        self._config_file = config
        self._config: Config | None = None
        self._directory = Path()
        self._clients: list[OuchTrader | FixTrader | MarketWatcher] = []
        self._followings: list[Following] = []
        self._fix_sessions: dict[tuple[str, ...], str] = {}  # those that clients of the kit have had

    # ------------------------------------------------------------------------------------- from start to stop
    def __enter__(self) -> Self:
        """As ``start``."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As ``stop``. Raises ClusterError when a part has died by itself."""
        if error is not None and (plugin := sys.modules.get(PLUGIN)) is not None:
            plugin.note(self, error)
        self.stop()
        died = self._obituaries()
        if died and error is None:
            raise ClusterError(died)
        if died and error is not None:
            error.add_note(died)

    def start(self) -> Self:
        """Start every process; returns when all are connected. Raises ClusterError when one cannot."""
        if self._parts is not None:
            raise ClusterError("this exchange has been started already: make another one")
        nursery = parts.nursery()
        import tempfile  # only now: the nursery is loading meanwhile

        try:
            self._settle()
            self._directory = (self._given or Path(tempfile.mkdtemp(prefix=PREFIX))).resolve()
            self._begin(nursery)
        except BaseException:
            self.stop()
            raise
        _alive[id(self)] = self
        return self

    def _settle(self) -> None:
        """Complete and check the settings. Raises ClusterError."""
        from openoutcry.process import Settings

        if self._config_file is not None:
            from openoutcry import config

            self._config = config.load(self._config_file)
            self._settings = {**self._config.settings, **self._settings}
        known = [field.name for field in fields(Settings)]
        if unknown := [name for name in self._settings if name not in known]:
            raise TypeError(f"an Exchange has no setting {unknown[0]!r}; it has: {', '.join(known)}")
        if self._settings.get("plugins"):  # the parts are to find what this process finds
            path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
            self._settings = {"plugin_path": path, **self._settings}
        self._settings = asdict(Settings(**{"segment_bytes": SEGMENT_BYTES, **self._settings}))

    def _begin(self, nursery: parts.NurseryProcess) -> None:
        names = ["matcher", "control", "marketdata", *self._gateways()]
        entries = {name: f"openoutcry.{name.partition('-')[0]}.service:run" for name in names}
        remove = self._given is None and not self._keep
        self._parts = parts.Parts(self._directory, remove, entries, nursery)
        for name in names:
            self._parts.start(name, self._settings)
        from openoutcry.clients.control import ControlClient  # while the parts start, on another core

        importlib.import_module("openoutcry.testkit.ouch")  # the same: nearly every test needs it next
        self._parts.wait_up(names)
        self._control = ControlClient(self._directory)
        self.wait_ready()
        if self._config is not None:
            from openoutcry import config

            config.apply(self._config, self.call)

    def _gateways(self) -> list[str]:
        return [f"gateway-{number}" for number in range(1, int(self._settings["gateways"]) + 1)]

    def wait_ready(self, timeout_s: float = parts.START_S) -> None:
        """Return when every part is connected and every endpoint bound. Raises ClusterError."""
        deadline = time.monotonic() + timeout_s
        while not (found := self.status())["ready"]:
            if time.monotonic() > deadline:
                raise ClusterError(f"not ready after {timeout_s} s, waiting for {', '.join(found['waiting_for'])}")
            if self._running().wait_event(LOOK_AGAIN_S) and (died := self._obituaries()):
                raise ClusterError(died)

    def stop(self) -> None:
        """End all processes and remove the temporary directory. May be called twice, or without a start."""
        with self._lock:
            control, self._control = self._control, None
            if self._parts is not None and self._parts.owner != os.getpid():
                return  # in a child of the process that owns all this
            _alive.pop(id(self), None)
            self.close_clients()
            if control is not None:
                control.disconnect()
            if self._parts is not None:
                self._parts.stop()
            elif self._directory != Path() and self._given is None:
                from openoutcry.nursery import clean_up

                clean_up(str(self._directory), not self._keep)

    def __del__(self) -> None:
        made: parts.Parts | None = getattr(self, "_parts", None)
        if made is None or not made.running:
            return
        name = repr(self)
        made.close()  # waits for nothing: this may be any thread, in the middle of anything
        if self._control is not None:
            self._control.disconnect()
        warnings.warn(f"{name} was not stopped: use it in a with statement", ResourceWarning, 2, self)

    def __repr__(self) -> str:  # asks nobody: a debugger may want it in the middle of anything
        if self._parts is None:
            return "<Exchange, not started>"
        if self._parts.owner != os.getpid():
            return "<Exchange of another process>"
        return f"<Exchange in {self._directory}>" if self._parts.running else "<Exchange, stopped>"

    # ------------------------------------------------------------------------------------- what it is made of
    @property
    def directory(self) -> Path:
        """Where everything is kept."""
        return self._directory

    @property
    def pids(self) -> dict[str, int]:
        """Process id by name of every part that runs."""
        return self._running().pids

    @property
    def feed(self) -> str:
        """The ZeroMQ address of the market data feed."""
        return str(self._running().part("marketdata").facts["feed"])

    @property
    def snapshot(self) -> str:
        """The ZeroMQ address of the market data snapshots."""
        return str(self._running().part("marketdata").facts["snapshot"])

    def log(self, name: str) -> str:
        """All that part ``name`` has logged; also after the end."""
        if name not in self._running().names:
            raise ClusterError(f"no part {name!r}; there are: {', '.join(self._running().names)}")
        return self._running().log(name)

    def logs(self) -> dict[str, str]:
        """The logs of all parts, by name."""
        return {name: self.log(name) for name in self._running().names} if self._parts is not None else {}

    def kill(self, name: str) -> None:
        """SIGKILL one part, as a crash would end it; returns when it is dead."""
        self._running().signal(name, signal.SIGKILL)

    def restart(self, *names: str) -> None:
        """Start parts that were killed, or stop and start ones that run; returns when everything is ready again."""
        running = self._running()
        for name in names:
            running.signal(name, signal.SIGTERM)
            running.start(name, self._settings)
        running.wait_up(list(names))
        self.wait_ready()

    def reset(self) -> None:
        """Delete everything that was made since the start, and close the clients: for the next test.

        Parts that were killed are started again, and what ``config`` says is made again. What counts up goes on
        counting: order and match numbers, and the fees that accounts have paid. Time is the host's again: an exchange
        whose clock was moved begins anew, unless its directory was given; then the clock goes on from where it is.
        Raises ClusterError, VerbError.
        """
        from openoutcry.testkit.market import clear

        self._service()  # before anything is closed
        self.close_clients()
        self._fix_sessions.clear()
        if dead := [name for name in self._running().names if name not in self.pids]:
            self.restart(*dead)
        clock = self.clock()
        if self._given is None and (clock.stopped or clock.offset_ns):
            self._begin_anew()
            return
        if clock.stopped:
            self.start_clock()
        clear(self)
        if self._config is not None:
            from openoutcry import config

            config.apply(self._config, self.call)

    def _begin_anew(self) -> None:
        """Time never goes back: what has the host's time is another exchange."""
        with self._lock:
            if self._control is not None:
                self._control.disconnect()
            self._running().stop()
            self._control = self._parts = None
            self.start()

    # ------------------------------------------------------------------------------------- what ends with it
    def ouch_client(
        self, endpoint: str | Endpoint | None = None, user: str = "", password: str = "", **options: Any
    ) -> OuchTrader:
        """A logged in OUCH 4.2 client, openoutcry.clients.ouch.OuchClient with the orders of the test kit.

        endpoint: None for the first one of OUCH; when there is none it is made, and a book AAPL when there is no
        engine. options: as for OuchClient. It is closed with the exchange at the latest.
        """
        from openoutcry.testkit.ouch import OuchTrader

        found = self._port(endpoint, "ouch42")
        client = OuchTrader(found.host, found.port, user, password, **options)
        self._clients.append(client)
        return client

    def fix_client(self, endpoint: str | Endpoint | None = None, **settings: Any) -> FixTrader:
        """A logged on FIX client, openoutcry.clients.fix.FixClient with the orders of the test kit.

        endpoint: None for the first one of FIX; else as for ``ouch_client``. settings: as for FixClient; SenderCompID
        is CLIENT and TargetCompID EXCHANGE unless they are given. It is closed with the exchange at the latest. When
        an earlier client had the same session, this one goes on with its numbers where the exchange is now.
        """
        from openoutcry.testkit.opening import opened

        found = self._port(endpoint, "fix44")
        version = {"BeginString": "FIX.4.4"} if found.protocol == "fix" else {}
        given = {**version, "SenderCompID": "CLIENT", "TargetCompID": "EXCHANGE", **settings}
        client = opened(self, found, given, self._fix_sessions)
        self._clients.append(client)
        return client

    def market_data(self, *symbols: str, **options: Any) -> MarketWatcher:
        """A client of the market data feed, openoutcry.clients.marketdata.MarketDataClient that collects trades.

        symbols: to subscribe to at once. options: as for MarketDataClient. It is closed with the exchange at the
        latest.
        """
        from openoutcry.testkit.books import MarketWatcher

        client = MarketWatcher(self.feed, self.snapshot, **options)
        self._clients.append(client)
        client.watch(*symbols)
        return client

    @property
    def clients(self) -> tuple[OuchTrader | FixTrader | MarketWatcher, ...]:
        """The clients that were made by the methods above."""
        return tuple(self._clients)

    def close_clients(self) -> None:
        """Close all of them, whatever state they are in, and follow no prices any more."""
        followings, self._followings = self._followings, []
        for following in followings:
            following.close()
        for client in self.clients:
            self.close_client(client)

    def close_client(self, client: OuchTrader | FixTrader | MarketWatcher) -> None:
        """Close one of them, whatever state it is in."""
        self._clients = [one for one in self._clients if one is not client]
        with suppress(OpenOutcryError):
            client.close()

    def _port(self, endpoint: str | Endpoint | None, protocol: str) -> Endpoint:
        from openoutcry.testkit.market import port, speaks

        if endpoint is None:
            return port(self, protocol)
        if isinstance(endpoint, Endpoint) and speaks(endpoint, protocol):
            return endpoint
        found = self.endpoint(name_of(endpoint))  # it may speak something else by now
        if not speaks(found, protocol):
            text = f"endpoint {found.name!r} speaks {found.protocol}, not a protocol of this client"
            raise VerbError("bad_argument", "endpoint", text)
        return found

    def prices(
        self, book: str | Book, source: Any, speed: int | str | float = 1, loop: bool = False, seed: int = 1,
        symbol: str | None = None,
    ) -> Following:  # fmt: skip
        """Have a book's price follow a source, in the background; it ends with the exchange at the latest.

        source: the path of a CSV or Parquet file of trades or quotes; rows of (seconds, price); a word as for
        ``openoutcry prices``: "walk:150.25,step=0.05", "zmq:tcp://127.0.0.1:5555"; or openoutcry.agents.prices.Prices.
        speed, loop: of files and rows. symbol: what the source calls it; None: as the book does. Raises VerbError for
        a word that makes no sense, ClientError for rows that do.
        """
        from openoutcry.agents import following
        from openoutcry.clients.control import ControlClient

        what = following.source_of(source, symbol or self.describe(book)["symbol"], speed, loop, seed)
        control = ControlClient(self._directory)  # of its own: other threads have the exchange's
        follower = following.Follower(what, lambda price: control.set_price(name_of(book), price))
        made = following.Following(follower, control.disconnect)
        self._followings.append(made)
        return made
