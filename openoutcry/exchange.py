"""An exchange of one's own, for a test: ``with Exchange() as ex: ...``.

It has its own processes (matcher, gateways, market data, control), ports and temporary directory, runs the same code
as the supervised cluster, and is configured with the same verbs (openoutcry.verbs): each is a method here, with the
table's arguments in the table's order.

Invariant: when ``stop`` returns, which leaving the ``with`` block calls, no process, port or file of it is left. When
the owning process is killed instead, the nursery sees to that (openoutcry.parts).
"""

from __future__ import annotations

import builtins
import importlib
import os
import signal
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from openoutcry import parts, records
from openoutcry.errors import ClusterError, OpenOutcryError, VerbError
from openoutcry.handles import (
    Book,
    Desk,
    DraftOrder,
    DraftQuote,
    Endpoint,
    Engine,
    FixSession,
    Handle,
    Policy,
    User,
    name_of,
)

# The rest is imported in start(), when the nursery is already loading what the parts need, on another core.
if TYPE_CHECKING:
    from openoutcry.agents.following import Following
    from openoutcry.clients.batch import Batch
    from openoutcry.clients.control import ControlClient
    from openoutcry.clock import ExchangeClock
    from openoutcry.config import Config
    from openoutcry.sessions import Session
    from openoutcry.testkit import FixTrader, MarketWatcher, OuchTrader

SEGMENT_BYTES: Final = 1024 * 1024  # of the journal: a test's is short, and a segment is written out in advance
LOOK_AGAIN_S: Final = 0.002  # between two looks at `status` while the parts connect to the matcher
PREFIX: Final = "openoutcry-"  # of the temporary directories
FORKED: Final = "this exchange belongs to the process that this one was forked from; its TCP ports can be used here"

_alive: Final[weakref.WeakValueDictionary[int, Exchange]] = weakref.WeakValueDictionary()  # by id
PLUGIN: Final = "openoutcry.pytest_plugin"

Price = str | int  # "10.05"; an int is whole units of the currency
Rows = records.Records


def running() -> list[Exchange]:
    """The exchanges of this process that run, in the order in which they were started."""
    found = [reference() for reference in _alive.valuerefs()]
    return [exchange for exchange in found if exchange is not None]


class Exchange:
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
        self._settings = {**settings, "durability": durability}
        if gateways is not None:
            self._settings["gateways"] = gateways
        self._given = Path(directory) if directory is not None else None
        self._keep = keep
        self._config_file = config
        self._config: Config | None = None
        self._parts: parts.Parts | None = None
        self._control: ControlClient | None = None
        self._lock = threading.RLock()
        self._directory = Path()
        self._clients: builtins.list[OuchTrader | FixTrader | MarketWatcher] = []
        self._followings: builtins.list[Following] = []
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

    def _running(self) -> parts.Parts:
        if self._parts is None:
            raise ClusterError("this exchange has not been started")
        return self._parts

    def _obituaries(self) -> str:
        """What happened to parts that ended by themselves; "" when none did."""
        if self._parts is None:
            return ""
        try:
            return "\n".join(self._parts.obituary(part) for part in self._parts.died())
        except ClusterError as error:
            return str(error)

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

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint ``name``, as it is now. Raises VerbError when there is none."""
        return self._endpoint(self._row("endpoint", name))

    def engine(self, name: str) -> Engine:
        """The engine ``name``. Raises VerbError when there is none."""
        return Engine(self, name, self._row("engine", name)["kind"])

    def book(self, name: str) -> Book:
        """The book ``name``. Raises VerbError when there is none."""
        row = self._row("book", name)
        return Book(self, name, row["engine"], row["symbol"])

    def _row(self, kind: str, name: str) -> Mapping[str, Any]:
        rows = self.list(f"{kind}s")
        for row in rows:
            if row["name"] == name:
                return dict(row)
        known = ", ".join(row["name"] for row in rows) or "none"
        raise VerbError("unknown_name", kind, f"there is no {kind} {name!r}; there are: {known}")

    # ------------------------------------------------------------------------------------- verbs
    def call(self, verb: str, *arguments: Any, **named: Any) -> Any:
        """Carry out any control verb; returns its value. Raises VerbError; ClusterError when control is silent."""
        plain = [name_of(a) if isinstance(a, Handle) else a for a in arguments]
        named = {key: name_of(a) if isinstance(a, Handle) else a for key, a in named.items()}
        with self._lock:
            control = self._service()
            try:
                return records.of(control.call(verb, *plain, **named))
            except OpenOutcryError as error:
                if died := self._obituaries():
                    error.add_note(died)
                raise

    def _service(self) -> ControlClient:
        """Where verbs go. Raises ClusterError."""
        if self._control is None:
            raise ClusterError("this exchange is not running: it has been stopped, or was never started")
        if self._running().owner != os.getpid():
            raise ClusterError(FORKED)
        return self._control

    def batch(self, stop: bool = False, raises: bool = True) -> Batch:
        """Collect verbs, to send them together when the ``with`` block ends; each answers with an Outcome.

        stop: leave out what comes after the first that is refused. raises: raise the first error at the end. See
        openoutcry.clients.batch.
        """
        from openoutcry.clients.batch import Batch

        return Batch(self._carry_out, stop, raises, lambda one: name_of(one) if isinstance(one, Handle) else one,
                     records.of)  # fmt: skip

    def _carry_out(self, parts: builtins.list[bytes], stop: bool) -> Iterator[tuple[VerbError | None, Any]]:
        with self._lock:
            control = self._service()
            try:
                yield from control.carry_out(parts, stop)
            except OpenOutcryError as error:
                if died := self._obituaries():
                    error.add_note(died)
                raise

    def create_engine(self, name: str, kind: str = "matching") -> Engine:
        """Make an engine: a set of books with one trading day; it starts open."""
        self.call("create_engine", name, kind)
        return Engine(self, name, kind)

    def delete_engine(self, name: str | Engine) -> None:
        """Remove an engine that has no books or endpoints."""
        self.call("delete_engine", name)

    def set_engine_property(self, engine: str | Engine, name: str, value: str | int | bool) -> None:
        """Set one of openoutcry.verbs.ENGINE_PROPERTIES."""
        self.call("set_engine_property", engine, name, value)

    def start_engine(self, engine: str | Engine) -> None:
        """Have an engine that was stopped take messages again."""
        self.call("start_engine", engine)

    def stop_engine(self, engine: str | Engine) -> None:
        """Have an engine refuse every message of its clients."""
        self.call("stop_engine", engine)

    def add_policy(self, engine: str | Engine, name: str, kind: str, options: str = "") -> Policy:
        """Have an engine act on its clients' orders by itself; options: "percent=50 book=aapl" (docs/simulator.md)."""
        self.call("add_policy", engine, name, kind, options)
        return Policy(self, name, name_of(engine), kind)

    def delete_policy(self, engine: str | Engine, name: str | Policy) -> None:
        """Take a policy away."""
        self.call("delete_policy", engine, name)

    def create_book(self, name: str, engine: str | Engine, symbol: str) -> Book:
        """Make an order book."""
        self.call("create_book", name, engine, symbol)
        return Book(self, name, name_of(engine), symbol)

    def delete_book(self, name: str | Book) -> None:
        """Cancel a book's orders and remove it."""
        self.call("delete_book", name)

    def set_book_property(self, book: str | Book, name: str, value: str | int | bool) -> None:
        """Set one of openoutcry.verbs.BOOK_PROPERTIES."""
        self.call("set_book_property", book, name, value)

    def create_endpoint(
        self, name: str, engine: str | Engine, protocol: str, gateway: str | None = None,
        host: str = "127.0.0.1", port: int = 0,
    ) -> Endpoint:  # fmt: skip
        """Open a TCP port for clients; it listens when this returns. port 0: the kernel chooses."""
        return self._endpoint(self.call("create_endpoint", name, engine, protocol, gateway, host, port))

    def _endpoint(self, facts: Mapping[str, Any]) -> Endpoint:
        return Endpoint(self, **{key: facts[key] for key in ("name", "engine", "protocol", "gateway", "host", "port")})

    def delete_endpoint(self, name: str | Endpoint) -> None:
        """Close a port, cancel its sessions' orders and forget its sessions."""
        self.call("delete_endpoint", name)

    def set_protocol_property(self, endpoint: str | Endpoint, name: str, value: str | int | bool) -> None:
        """Set one of openoutcry.verbs.ENDPOINT_PROPERTIES."""
        self.call("set_protocol_property", endpoint, name, value)

    def set_endpoint_engine(self, endpoint: str | Endpoint, engine: str | Engine) -> Endpoint:
        """Have an endpoint serve another engine; its sessions stay, and must have no live orders."""
        return self._endpoint(self.call("set_endpoint_engine", endpoint, engine))

    def set_endpoint_protocol(self, endpoint: str | Endpoint, protocol: str) -> Endpoint:
        """Have an endpoint speak another protocol on the port it has; its sessions are forgotten."""
        return self._endpoint(self.call("set_endpoint_protocol", endpoint, protocol))

    def load_engine(self, name: str, path: str) -> records.Record:
        """Let engines be of a kind of one's own: docs/plugins.md. path: "package.module:Class"; see `plugins`."""
        found: records.Record = self.call("load_engine", name, path)
        return found

    def load_protocol(self, name: str, path: str) -> records.Record:
        """Let endpoints speak a protocol of one's own: docs/plugins.md. path: "package.module:function"."""
        found: records.Record = self.call("load_protocol", name, path)
        return found

    def create_session(self, endpoint: str | Endpoint, **settings: str | int | bool) -> FixSession:
        """Set up a FIX session; settings: openoutcry.fix.settings.SESSION_SETTINGS, as SenderCompID="ISLD" (ours)."""
        facts = self.call("create_session", endpoint, **settings)
        return FixSession(self, facts["name"], facts["endpoint"])

    def delete_session(self, endpoint: str | Endpoint, session: str | FixSession) -> None:
        """Forget a FIX session: log its client out, cancel its orders."""
        self.call("delete_session", endpoint, session)

    def set_session_property(
        self, endpoint: str | Endpoint, session: str | FixSession, name: str, value: str | int | bool
    ) -> None:
        """Change a setting of a FIX session."""
        self.call("set_session_property", endpoint, session, name, value)

    def reset_session(self, endpoint: str | Endpoint, session: str | FixSession) -> None:
        """Set both sequence numbers of a FIX session to 1; a client that is logged on is disconnected."""
        self.call("reset_session", endpoint, session)

    def set_sequence(
        self, endpoint: str | Endpoint, session: str | FixSession, next_out: int | None = None,
        next_in: int | None = None,
    ) -> None:  # fmt: skip
        """Set the sequence numbers of a FIX session whose client is not logged on."""
        self.call("set_sequence", endpoint, session, next_out, next_in)

    def logout_session(self, endpoint: str | Endpoint, session: str | FixSession, reason: str = "") -> None:
        """Log the client of a FIX session out; it may log on again."""
        self.call("logout_session", endpoint, session, reason)

    def create_user(
        self, name: str, password: str, endpoint: str | Endpoint | None = None, account: str | None = None,
        firm: str | None = None,
    ) -> User:  # fmt: skip
        """Let a user log in; endpoints for which there is no user accept any login."""
        self.call("create_user", name, password, endpoint, account, firm)
        return User(self, name, None if endpoint is None else name_of(endpoint), account or name, firm or "")

    def delete_user(self, name: str | User) -> None:
        """Forget a user."""
        self.call("delete_user", name)

    def start_of_day(self, engine: str | Engine) -> None:
        """Begin the next trading day; the market is closed until `open`."""
        self.call("start_of_day", engine)

    def open(self, engine: str | Engine) -> None:
        """Begin trading in all books of an engine."""
        self.call("open", engine)

    def close(self, engine: str | Engine) -> None:
        """End trading; DAY orders are cancelled. (To end the exchange itself: ``stop``.)"""
        self.call("close", engine)

    def end_of_day(self, engine: str | Engine) -> None:
        """Cancel what is left, end the day and every client stream."""
        self.call("end_of_day", engine)

    def set_phase(self, engine: str | Engine, phase: str, book: str | Book | None = None) -> None:
        """Go to a trading phase; leaving an auction phase for trading or the close uncrosses."""
        self.call("set_phase", engine, phase, book)

    def set_timetable(self, engine: str | Engine, timetable: str, book: str | Book | None = None) -> None:
        """Have the phases change by the clock, every day: "HH:MM[:SS] phase, ..." in UTC; "" takes it away."""
        self.call("set_timetable", engine, timetable, book)

    def halt(self, book: str | Book, reason: str = "") -> None:
        """Stop trading in one book; orders stay and can be cancelled."""
        self.call("halt", book, reason)

    def resume(self, book: str | Book, auction: bool = False) -> None:
        """Go on trading in a halted book, at once or with an auction."""
        self.call("resume", book, auction)

    def halt_market(self, engine: str | Engine, reason: str = "") -> None:
        """Stop trading in every book of an engine."""
        self.call("halt_market", engine, reason)

    def resume_market(self, engine: str | Engine, auction: bool = False) -> None:
        """Go on trading in a halted market; books halted by ``halt`` stay so."""
        self.call("resume_market", engine, auction)

    # ------------------------------------------------------------------------------------- time
    @property
    def clock(self) -> ExchangeClock:
        """The exchange's clock, to be stopped and moved: ``clock.advance(hours=8)``; ``clock()`` is the verb."""
        from openoutcry.clock import ExchangeClock

        return ExchangeClock(self)

    def stop_clock(self) -> records.Record:
        """Have the exchange's time stand still."""
        found: records.Record = self.call("stop_clock")
        return found

    def start_clock(self) -> records.Record:
        """Have the exchange's time go on, from where it stands."""
        found: records.Record = self.call("start_clock")
        return found

    def advance_clock(self, duration: str, silent: bool = False) -> records.Record:
        """Move the exchange's time forward, by "8h30m" or the like; returns how far it has come: ``remaining_ns``.

        ``clock.advance`` goes all the way, however much there is to do on it.
        """
        found: records.Record = self.call("advance_clock", duration, silent)
        return found

    # ------------------------------------------------------------------------------------- risk
    def set_price(self, book: str | Book, price: Price) -> None:
        """Set what a book's security is worth: market-maker policies quote around it."""
        self.call("set_price", book, price)

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

    def set_limit(self, engine: str | Engine, scope: str, name: str, rule: str, value: str | int | bool) -> None:
        """Set a risk limit: openoutcry.verbs.LIMIT_RULES, for one of LIMIT_SCOPES."""
        self.call("set_limit", engine, scope, name, rule, value)

    def clear_limit(self, engine: str | Engine, scope: str, name: str, rule: str) -> None:
        """Take a risk limit away."""
        self.call("clear_limit", engine, scope, name, rule)

    def kill_switch(self, engine: str | Engine, scope: str, name: str) -> records.Record:
        """Cancel all orders of a firm, an account ... and reject new ones until ``revive``."""
        found: records.Record = self.call("kill_switch", engine, scope, name)
        return found

    def revive(self, engine: str | Engine, scope: str, name: str) -> None:
        """Let orders in again after the kill switch."""
        self.call("revive", engine, scope, name)

    def set_fee(
        self, engine: str | Engine, firm: str, maker_fee: Price = 0, taker_fee: Price = 0, maker_fee_ppm: int = 0,
        taker_fee_ppm: int = 0,
    ) -> None:  # fmt: skip
        """Give a firm rates of its own, in place of those of every book of the engine."""
        self.call("set_fee", engine, firm, maker_fee, taker_fee, maker_fee_ppm, taker_fee_ppm)

    def clear_fee(self, engine: str | Engine, firm: str) -> None:
        """Have a firm pay the rates of the books again."""
        self.call("clear_fee", engine, firm)

    # ------------------------------------------------------------------------------------- orders
    def desk(
        self, engine: str | Engine, name: str = "desk", account: str | None = None, firm: str | None = None
    ) -> Desk:
        """A desk: a client that enters its orders by verbs. Made when there is none."""
        self.call("set_desk", engine, name, account, firm)
        return Desk(self, name, name_of(engine))

    def set_desk(
        self, engine: str | Engine, desk: str | Desk, account: str | None = None, firm: str | None = None
    ) -> None:
        """Say whose orders a desk's orders are; makes the desk when it is new."""
        self.call("set_desk", engine, desk, account, firm)

    def enter_order(
        self, order_id: str, book: str | Book, side: str, quantity: int, price: Price | None = None,
        desk: str | Desk = "desk", order_type: str = "limit", time_in_force: str = "day", expire: int = 0,
        minimum_quantity: int = 0, account: str | None = None, stop_price: Price | None = None,
        trail_amount: Price | None = None, trail_percent: int | None = None, protection: Price | None = None,
        display_quantity: int | None = None, display_range: int | None = None, hidden: bool | None = None,
        post_only: str | None = None, all_or_none: bool | None = None, peg: str | None = None,
        peg_offset: Price | None = None, pair: str | None = None, take_profit: Price | None = None,
        stop_loss: Price | None = None, reduce_only: bool | None = None, self_match: str | None = None,
        keep: bool | None = None,
    ) -> Rows:  # fmt: skip
        """Enter an order; returns what the desk was told, as dictionaries, the first of them accepted or rejected.

        The arguments from order_type on are openoutcry.verbs.ORDER_PROPERTIES.
        """
        found: Rows = self.call(
            "enter_order", order_id, book, side, quantity, price, desk, order_type, time_in_force, expire,
            minimum_quantity, account, stop_price, trail_amount, trail_percent, protection, display_quantity,
            display_range, hidden, post_only, all_or_none, peg, peg_offset, pair, take_profit, stop_loss, reduce_only,
            self_match, keep,
        )  # fmt: skip
        return found

    def amend_order(
        self, order_id: str, quantity: int | None = None, price: Price | None = None, desk: str | Desk = "desk",
        new_id: str | None = None, engine: str | Engine | None = None, order_type: str | None = None,
        time_in_force: str | None = None, expire: int | None = None, minimum_quantity: int | None = None,
        account: str | None = None, stop_price: Price | None = None, trail_amount: Price | None = None,
        trail_percent: int | None = None, protection: Price | None = None, display_quantity: int | None = None,
        display_range: int | None = None, hidden: bool | None = None, post_only: str | None = None,
        all_or_none: bool | None = None, peg: str | None = None, peg_offset: Price | None = None,
        pair: str | None = None, take_profit: Price | None = None, stop_loss: Price | None = None,
        reduce_only: bool | None = None, self_match: str | None = None, keep: bool | None = None,
    ) -> Rows:  # fmt: skip
        """Change an order: what is not given stays. quantity: the new total, with what has executed.

        One that only becomes smaller keeps its place. Returns what the desk was told.
        """
        found: Rows = self.call(
            "amend_order", order_id, quantity, price, desk, new_id, engine, order_type, time_in_force, expire,
            minimum_quantity, account, stop_price, trail_amount, trail_percent, protection, display_quantity,
            display_range, hidden, post_only, all_or_none, peg, peg_offset, pair, take_profit, stop_loss, reduce_only,
            self_match, keep,
        )  # fmt: skip
        return found

    def cancel_order(
        self, order_id: str, desk: str | Desk = "desk", quantity: int = 0, engine: str | Engine | None = None
    ) -> Rows:
        """Cancel an order, or a part of it: quantity is the new total, with what has executed."""
        found: Rows = self.call("cancel_order", order_id, desk, quantity, engine)
        return found

    def mass_cancel(
        self, engine: str | Engine, session: int | None = None, desk: str | Desk | None = None,
        account: str | None = None, firm: str | None = None, book: str | Book | None = None, side: str | None = None,
        low: Price | None = None, high: Price | None = None,
    ) -> records.Record:  # fmt: skip
        """Cancel all orders to which everything given applies; returns how many: {"orders": 3}."""
        found: records.Record = self.call("mass_cancel", engine, session, desk, account, firm, book, side, low, high)
        return found

    def quote(
        self, desk: str | Desk, book: str | Book, bid_quantity: int, bid_price: Price, ask_quantity: int,
        ask_price: Price, indicative: bool = False,
    ) -> Rows:  # fmt: skip
        """Quote both sides of a book, in place of the desk's earlier quote; a quantity of 0 takes a side out."""
        found: Rows = self.call("quote", desk, book, bid_quantity, bid_price, ask_quantity, ask_price, indicative)
        return found

    def mass_quote(
        self, desk: str | Desk, quotes: str, engine: str | Engine | None = None, indicative: bool = False
    ) -> Rows:
        """Quote several books at once: "AAPL 100@10.00/100@10.05 MSFT 50@20/50@20.10"."""
        found: Rows = self.call("mass_quote", desk, quotes, engine, indicative)
        return found

    def create_order(self, order_id: str, book: str | Book, desk: str | Desk = "desk") -> DraftOrder:
        """Begin an order, property by property; the market does not know it before ``submit_order``."""
        self.call("create_order", order_id, book, desk)
        return DraftOrder(self, order_id, name_of(book), name_of(desk))

    def set_order_property(
        self, order_id: str | DraftOrder, name: str, value: str | int | bool, desk: str | Desk = "desk"
    ) -> None:
        """Set a property of an order that is not submitted yet: openoutcry.verbs.DRAFT_ORDER_PROPERTIES."""
        self.call("set_order_property", order_id, name, value, desk)

    def submit_order(self, order_id: str | DraftOrder, desk: str | Desk = "desk") -> Rows:
        """Enter the order as it is; returns what the desk was told, as ``enter_order``."""
        found: Rows = self.call("submit_order", order_id, desk)
        return found

    def delete_order(self, order_id: str | DraftOrder, desk: str | Desk = "desk") -> Rows:
        """Forget an order that is not submitted yet, or cancel it; returns what the desk was told."""
        found: Rows = self.call("delete_order", order_id, desk)
        return found

    def create_quote(self, quote_id: str, book: str | Book, desk: str | Desk = "desk") -> DraftQuote:
        """Begin a quote of both sides of a book, property by property."""
        self.call("create_quote", quote_id, book, desk)
        return DraftQuote(self, quote_id, name_of(book), name_of(desk))

    def set_quote_property(
        self, quote_id: str | DraftQuote, name: str, value: str | int | bool, desk: str | Desk = "desk"
    ) -> None:
        """Set a property of a quote: openoutcry.verbs.DRAFT_QUOTE_PROPERTIES."""
        self.call("set_quote_property", quote_id, name, value, desk)

    def submit_quote(self, quote_id: str | DraftQuote, desk: str | Desk = "desk") -> Rows:
        """Quote, or quote again what has changed since; returns what the desk was told."""
        found: Rows = self.call("submit_quote", quote_id, desk)
        return found

    def delete_quote(self, quote_id: str | DraftQuote, desk: str | Desk = "desk") -> Rows:
        """Forget a quote, and take it out of the market; returns what the desk was told."""
        found: Rows = self.call("delete_quote", quote_id, desk)
        return found

    def match_orders(
        self, book: str | Book, order_a: str | int | DraftOrder, order_b: str | int | DraftOrder,
        quantity: int | None = None, price: Price | None = None, desk: str | Desk = "desk",
    ) -> records.Record:  # fmt: skip
        """Execute two live orders against each other, whatever their places; returns the match.

        order_a, order_b: the desk's names for them, or the order reference numbers of anybody's.
        """
        one, other = (str(order) if isinstance(order, int) else order for order in (order_a, order_b))
        found: records.Record = self.call("match_orders", book, one, other, quantity, price, desk)
        return found

    def accept_request(self, engine: str | Engine, request: int | None = None) -> records.Record:
        """Take what a client asks of a manual engine; returns what the client was told: ``{"events": [...]}``."""
        found: records.Record = self.call("accept_request", engine, request)
        return found

    def reject_request(
        self, engine: str | Engine, reason: str = "invalid field", text: str = "", request: int | None = None
    ) -> records.Record:
        """Refuse what a client asks of a manual engine; reason: one of openoutcry.wire.REJECT_REASONS."""
        found: records.Record = self.call("reject_request", engine, reason, text, request)
        return found

    def fill_request(
        self, engine: str | Engine, quantity: int | None = None, price: Price | None = None, request: int | None = None
    ) -> records.Record:
        """Take an order of a manual engine, and execute it at once, in whole or in part."""
        found: records.Record = self.call("fill_request", engine, quantity, price, request)
        return found

    def fill_order(self, order: int, quantity: int | None = None, price: Price | None = None) -> Rows:
        """Execute a live order of anybody against the desk ``house``; order: its order reference number."""
        found: Rows = self.call("fill_order", order, quantity, price)
        return found

    def pull_order(self, order: int, leaves: int = 0, reason: str = "supervisory") -> Rows:
        """Cancel a live order of anybody, unasked; reason: one of openoutcry.wire.CANCEL_REASONS."""
        found: Rows = self.call("pull_order", order, leaves, reason)
        return found

    def break_trade(self, match: int, reason: str = "erroneous") -> records.Record:
        """Declare that a trade never was."""
        found: records.Record = self.call("break_trade", match, reason)
        return found

    def correct_trade(self, match: int, price: Price, reason: str = "erroneous") -> records.Record:
        """Change the price of a trade."""
        found: records.Record = self.call("correct_trade", match, price, reason)
        return found

    # ------------------------------------------------------------------------------------- sessions held in the hand
    def session(self, endpoint: str | Endpoint, name: str | FixSession) -> Session:
        """A client's session, to be held in the hand: its user, or both ends of a FIX session."""
        from openoutcry.sessions import Session

        return Session(self, name_of(endpoint), name_of(name))

    def accept_session(self, endpoint: str | Endpoint, connection: int | None = None, timeout_ms: int = 0) -> Session:
        """Let a client log on whom auto_accept=false holds; the one that waits longest, if no connection is given.

        ``Endpoint.accept_session`` waits as long as one likes.
        """
        from openoutcry.sessions import Session

        found = self.call("accept_session", endpoint, connection, timeout_ms)
        return Session(self, name_of(endpoint), found["session"], found["session_number"], found["since"])

    def reject_session(
        self, endpoint: str | Endpoint, connection: int | None = None, timeout_ms: int = 0, reason: str = ""
    ) -> records.Record:
        """Refuse a client whom auto_accept=false holds; the one that waits longest, if no connection is given.

        ``Endpoint.reject_session`` waits as long as one likes.
        """
        found: records.Record = self.call("reject_session", endpoint, connection, timeout_ms, reason)
        return found

    def next_message(
        self, endpoint: str | Endpoint, session: str, timeout_ms: int = 0, native: bool = False
    ) -> records.Record | None:
        """The oldest message that auto_receive=false holds and nobody has taken yet, None when there is none."""
        found: records.Record | None = self.call("next_message", endpoint, str(session), timeout_ms, native)
        return found

    def process_message(self, endpoint: str | Endpoint, session: str, message: int | None = None) -> records.Record:
        """Hand a held message to the engine: the oldest, or the one of that number."""
        found: records.Record = self.call("process_message", endpoint, str(session), message)
        return found

    def discard_message(self, endpoint: str | Endpoint, session: str, message: int | None = None) -> records.Record:
        """Throw a held message away: the oldest, or the one of that number."""
        found: records.Record = self.call("discard_message", endpoint, str(session), message)
        return found

    def send_session_message(
        self, endpoint: str | Endpoint, session: str, message: str | Mapping[str, Any] = "", raw: str | bytes = "",
        sequence: int = 0, checksum: int = 0, length: int = 0, native: bool = False,
    ) -> records.Record:  # fmt: skip
        """Send a client any message, also a broken one.

        message: a dictionary as openoutcry.messages has it, or its JSON. raw: bytes, or their hexadecimal text, sent as
        they are. sequence, checksum, length: added to the right one. native: message has the protocol's own names.
        """
        from openoutcry.sessions import text_of

        data = raw.hex() if isinstance(raw, bytes) else raw
        found: records.Record = self.call(
            "send_session_message", endpoint, str(session), text_of(message), data, sequence, checksum, length, native
        )
        return found

    def drop_session(self, endpoint: str | Endpoint, session: str, how: str = "clean") -> records.Record:
        """End a client's connection; how: one of openoutcry.verbs.HOW_TO_DROP."""
        found: records.Record = self.call("drop_session", endpoint, str(session), how)
        return found

    def wait_for(
        self, endpoint: str | Endpoint, kind: str, session: str | None = None, timeout_ms: int = 0, since: int = 0,
        native: bool = False,
    ) -> records.Record | None:  # fmt: skip
        """The next thing of that kind that happened at an endpoint, None when it has not happened.

        ``Endpoint.wait_for`` waits as long as one likes.
        """
        of = None if session is None else str(session)
        found: records.Record | None = self.call("wait_for", endpoint, kind, of, timeout_ms, since, native)
        return found

    # ------------------------------------------------------------------------------------- looking
    def status(self) -> records.Record:
        """Whether everything is connected and moving, with processes and endpoints."""
        found: records.Record = self.call("status")
        return found

    def statistics(self) -> records.Record:
        """Counters of every part."""
        found: records.Record = self.call("statistics")
        return found

    def depth(self, book: str | Book, levels: int = 0) -> records.Record:
        """A book's price levels as the matcher has them."""
        found: records.Record = self.call("depth", book, levels)
        return found

    def describe(self, name: str | Handle, kind: str = "book", of: str | Handle | None = None) -> records.Record:
        """Everything about one thing, with all its properties (``explained``): type, default, meaning, value.

        kind: one of openoutcry.verbs.DESCRIBED. of: the desk of an order or quote, the endpoint of a session, the
        engine of a policy or desk.
        """
        found: records.Record = self.call("describe", name, kind, of)
        return found

    def indicative(self, book: str | Book) -> records.Record:
        """Where an auction in the book would end now."""
        found: records.Record = self.call("indicative", book)
        return found

    def orders(self, book: str | Book, desk: str | Desk | None = None, count: int = 100, skip: int = 0) -> Rows:
        """A book's live orders with all their terms, also what nobody sees; the first ``skip`` are left out."""
        found: Rows = self.call("orders", book, desk, count, skip)
        return found

    def trades(self, book: str | Book, count: int = 100, skip: int = 0) -> Rows:
        """A book's last trades, the newest first; the first ``skip`` are left out."""
        found: Rows = self.call("trades", book, count, skip)
        return found

    def order_events(
        self, desk: str | Desk, since: int = 0, engine: str | Engine | None = None, count: int = 100
    ) -> Rows:
        """What a desk was told about its orders, each with its ``number``, from the one after ``since``."""
        found: Rows = self.call("order_events", desk, since, engine, count)
        return found

    def order_status(
        self, order_id: str, desk: str | Desk = "desk", engine: str | Engine | None = None
    ) -> records.Record:
        """An order as it is, with the shares before it in its queue (``ahead``)."""
        found: records.Record = self.call("order_status", order_id, desk, engine)
        return found

    def requests(self, engine: str | Engine | None = None, count: int = 100, skip: int = 0) -> Rows:
        """What waits for a hand at manual engines, the oldest first; the first ``skip`` are left out."""
        found: Rows = self.call("requests", engine, count, skip)
        return found

    def positions(self, engine: str | Engine, account: str | None = None, skip: int = 0) -> Rows:
        """What accounts have bought and sold in the books that count it; the first ``skip`` rows are left out."""
        found: Rows = self.call("positions", engine, account, skip)
        return found

    def fees_paid(self, account: str | None = None, skip: int = 0) -> Rows:
        """What accounts have paid; less than 0 when rebates prevail. The first ``skip`` rows are left out."""
        found: Rows = self.call("fees_paid", account, skip)
        return found

    def state_hash(self) -> records.Record:
        """Hash of the matcher's state and the sequence number it belongs to."""
        found: records.Record = self.call("state_hash")
        return found

    def list(self, kind: str, skip: int = 0) -> Any:
        """Everything of one kind: one of openoutcry.verbs.LISTS. The first ``skip`` rows are left out."""
        return self.call("list", kind, skip)
