"""The main job: a supervised cluster with a live market in it, shown on the terminal, and a summary at the end.

``openoutcry demo`` starts the cluster on free ports, logs five clients in (two market makers, three takers; some over
OUCH, some over FIX), lets them trade, and shows the market as a subscriber of the feed sees it. At the end it compares
the feed's books with the matcher's: that check is the demo's invariant, and its exit code.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from openoutcry import cluster, presence
from openoutcry.bus import Directory
from openoutcry.clients.control import ControlClient
from openoutcry.clients.marketdata import MarketDataClient
from openoutcry.errors import ClientError, ClusterError
from openoutcry.process import Settings

SYMBOLS: Final = ("AAPL", "MSFT", "TSLA")
# Who trades, and the version of FIX, or "" for OUCH.
USERS: Final = {"MAKER1": "", "MAKER2": "FIX.4.4", "TAKER1": "", "TAKER2": "FIX.4.2", "TAKER3": ""}
ENDPOINTS: Final = {"orders": "ouch42", "fix": "fix"}  # protocol of each
RATE: Final = 2_000  # turns a second of all participants, most make an order: lively, and leaves others room
POLL_S: Final = 0.02  # between two looks at the feed
FEED_WAIT_S: Final = 10.0  # for the feed to show the last trade

Endpoints = dict[str, dict[str, Any]]  # by name
Login = tuple[str, str, str]  # user, password, FIX version


def run(duration: float | None, as_json: bool, directory: str | None, rate: int = RATE, seed: int = 1) -> int:
    """Run for `duration` seconds, or until interrupted; returns 0 when the feed's books equal the matcher's.

    as_json: print the summary as one JSON object, and everything else on standard error.
    directory: where to keep the cluster's files; default a temporary directory, removed at the end. Raises ClusterError
    when an exchange runs there already, or when one was kept there that is not the demo's.
    """
    out = sys.stderr if as_json else sys.stdout
    with _place(directory) as path, contextlib.redirect_stdout(out):
        where = Directory(path)
        if presence.anybody(where):
            raise ClusterError(
                f"an exchange runs in {where.path}: the demo wants one of its own, which it stops at the end; "
                "`openoutcry agents` lets agents trade on the one that runs"
            )
        code = cluster.up(where, Settings.load())
        if code:
            return code
        try:
            summary = asyncio.run(Demo(where, duration, rate, seed).run())
        finally:
            cluster.down(where)
    print(json.dumps(summary) if as_json else describe(summary))
    return 0 if summary["feed_matches_book"] else 1


@contextlib.contextmanager
def _place(directory: str | None) -> Iterator[Path]:
    if directory is not None:
        yield Path(directory)
        return
    path = Path(tempfile.mkdtemp(prefix="openoutcry-demo-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def describe(summary: dict[str, Any]) -> str:
    """The summary for people."""
    rtt = summary["rtt_us"]
    agree = "the feed's books equal the matcher's" if summary["feed_matches_book"] else "THE FEED DIFFERS FROM THE BOOK"
    return (
        f"{summary['orders']:,} orders, {summary['trades']:,} trades, {summary['executed_quantity']:,} shares executed "
        f"in {summary['seconds']:.1f} s\n"
        f"{summary['orders_per_second']:,.0f} orders/s, {summary['messages_per_second']:,.0f} feed messages/s; "
        f"order to acknowledgement p50 {rtt['p50']:.0f} us, p99 {rtt['p99']:.0f} us\n{agree}"
    )


class Demo:
    """One run of the demo in a cluster that is up."""

    def __init__(self, directory: Directory, duration: float | None, rate: int, seed: int) -> None:
        self.directory = directory
        self.duration = duration
        self.rate = rate
        self.seed = seed
        self.stop = asyncio.Event()
        self.tally: dict[str, Any] = {}

    async def run(self) -> dict[str, Any]:
        """Configure, trade, show, settle, sum up. Raises ClusterError when the market's process fails."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop.set)
        with ControlClient(self.directory) as control, MarketDataClient.from_directory(self.directory.path) as feed:
            endpoints, logins = self._configure(control)
            for symbol in SYMBOLS:
                feed.subscribe(symbol)
            market = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "openoutcry.market", stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            await self._trade(market, feed, endpoints, logins)
            return self._summary(feed, control)

    def _configure(self, control: ControlClient) -> tuple[Endpoints, list[Login]]:
        """Engine, books, users, endpoint: what exists from an earlier run in the same directory is taken as it is."""
        strangers = [row["name"] for row in control.list("engines") if row["name"] != "demo"]
        if strangers:
            raise ClusterError(
                f"the exchange in {self.directory.path} is not the demo's: it has the engine {strangers[0]!r}; "
                "give the demo another --directory, or none"
            )
        names = {row["name"] for kind in ("engines", "books", "endpoints", "users") for row in control.list(kind)}
        if "demo" not in names:
            control.create_engine("demo")
        for symbol in SYMBOLS:
            if symbol.lower() not in names:
                control.create_book(symbol.lower(), "demo", symbol)
        logins = [(user, secrets.token_hex(5), version) for user, version in USERS.items()]
        for user, password, _ in logins:
            if user in names:
                control.delete_user(user)
            control.create_user(user, password)
        for name, protocol in ENDPOINTS.items():
            if name not in names:
                control.create_endpoint(name, "demo", protocol)
        return {row["name"]: row for row in control.list("endpoints") if row["name"] in ENDPOINTS}, logins

    async def _trade(self, market: Process, feed: MarketDataClient, endpoints: Endpoints, logins: list[Login]) -> None:
        assert market.stdin is not None
        ouch, fix = ((endpoints[name]["host"], endpoints[name]["port"]) for name in ENDPOINTS)
        order = {"ouch": ouch, "fix": fix, "symbols": SYMBOLS, "logins": logins, "rate": self.rate,
                 "seed": self.seed}  # fmt: skip
        market.stdin.write(json.dumps(order).encode() + b"\n")
        listening = asyncio.create_task(self._listen(market))
        try:
            await self._show(feed, endpoints)
        finally:
            market.stdin.close()
            await listening
            code = await market.wait()
        if code or "seconds" not in self.tally:
            raise ClusterError(f"the market's process ended early, with exit code {code}; what it printed is above")

    async def _listen(self, market: Process) -> None:
        """Take the market's tallies; when they end, so does the demo."""
        assert market.stdout is not None
        async for line in market.stdout:
            if not self.tally and self.duration is not None:  # trading begins now
                asyncio.get_running_loop().call_later(self.duration, self.stop.set)
            self.tally = json.loads(line)
        self.stop.set()

    async def _show(self, feed: MarketDataClient, endpoints: Endpoints) -> None:
        from openoutcry.demo_screen import open_screen

        began = time.monotonic()
        with open_screen(self.directory, list(endpoints.values()), SYMBOLS) as screen:
            shown = 0.0
            while not self.stop.is_set():
                feed.poll(0)
                now = time.monotonic()
                if self.tally and now - shown >= screen.interval_s:
                    screen.show(self.tally, feed, now - began)
                    shown = now
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.stop.wait(), POLL_S)

    def _summary(self, feed: MarketDataClient, control: ControlClient) -> dict[str, Any]:
        tally = self.tally
        matches = feed_matches_book(feed, control)
        return {
            "orders": tally["orders"],
            "trades": tally["trades"],
            "executed_quantity": tally["executed_quantity"],
            "orders_per_second": round(tally["orders"] / tally["seconds"], 1),
            "messages_per_second": round(feed.statistics()["messages"] / tally["seconds"], 1),
            "rtt_us": tally["rtt_us"],
            "rejected": tally["rejected"],
            "seconds": round(tally["seconds"], 3),
            "all_answered": tally["all_answered"],
            "feed_matches_book": matches,
        }


def feed_matches_book(feed: MarketDataClient, control: ControlClient) -> bool:
    """Whether the feed's books come to be what the matcher says they are. Nobody may be trading."""
    depths = {symbol: control.depth(symbol.lower()) for symbol in SYMBOLS}
    books = {symbol: {side: depth[side] for side in ("bids", "asks")} for symbol, depth in depths.items()}
    try:
        feed.wait_for(lambda: all(feed.book(name).levels() == book for name, book in books.items()), FEED_WAIT_S)
    except ClientError:
        return False
    return True
