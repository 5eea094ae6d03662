"""What the demo shows: a picture of the market on a terminal, plain lines anywhere else.

Both screens have ``show(tally, feed, seconds)``, where the tally is what openoutcry.market counts, and say how often
they want to be asked (``interval_s``); neither changes anything.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from openoutcry.bus import Directory
from openoutcry.clients.marketdata import MarketDataClient
from openoutcry.feed import price_text
from openoutcry.watch import Meter, View, render

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

Tally = dict[str, Any]

PICTURE_S: Final = 0.2  # between two pictures
LINE_S: Final = 1.0  # between two lines
TRADES_SHOWN: Final = 12
LADDER_MIN: Final = 32  # columns that a ladder wants: where there is no room for all, some are shown whole


class Screen(Protocol):
    """Where the demo shows itself."""

    interval_s: float

    def show(self, tally: Tally, feed: MarketDataClient, seconds: float) -> None:
        """Show the present state, `seconds` after the start of trading."""


@contextlib.contextmanager
def open_screen(directory: Directory, endpoints: Sequence[dict[str, Any]], symbols: Sequence[str]) -> Iterator[Screen]:
    """The screen that fits standard output; it is closed, and the terminal as it was, afterwards."""
    addresses = _addresses(directory, endpoints)
    if not sys.stdout.isatty():
        print("\n".join(addresses), flush=True)
        yield Lines(symbols)
        return
    from rich.live import Live

    with Live(screen=True, auto_refresh=False) as live:
        yield Picture(live, addresses, symbols)


PROTOCOLS: Final = {"ouch42": "OUCH 4.2", "fix": "FIX 4.0-5.0SP2"}


def _addresses(directory: Directory, endpoints: Sequence[dict[str, Any]]) -> list[str]:
    facts = directory.announced("marketdata")
    return [
        *(f"{PROTOCOLS.get(row['protocol'], row['protocol']):<16} {row['host']}:{row['port']}" for row in endpoints),
        f"{'feed':<16} {facts.get('feed', '?')}",
        f"{'snapshots':<16} {facts.get('snapshot', '?')}",
        f"{'control':<16} openoutcry ctl --directory {directory.path}",
    ]


def figures(tally: Tally, seconds: float) -> str:
    """One line of figures."""
    rtt = tally["rtt_us"]
    return (
        f"{seconds:6.1f} s  {tally['orders']:,} orders ({tally['orders'] / max(seconds, 0.001):,.0f}/s)  "
        f"{tally['trades']:,} trades  rtt p50 {rtt['p50']:.0f} us p99 {rtt['p99']:.0f} us"
    )


class Lines:
    """A line a second."""

    interval_s = LINE_S

    def __init__(self, symbols: Sequence[str]) -> None:
        self._symbols = symbols

    def show(self, tally: Tally, feed: MarketDataClient, seconds: float) -> None:
        """Print the figures and each symbol's best prices."""
        tops = []
        for symbol in self._symbols:
            book = feed.book(symbol)
            bid = price_text(book.bids[0][0]) if book.bids else "-"
            ask = price_text(book.asks[0][0]) if book.asks else "-"
            tops.append(f"{symbol} {bid}/{ask}")
        print(f"{figures(tally, seconds)}  {'  '.join(tops)}", flush=True)


class Picture:
    """Ladders of all symbols side by side, addresses and figures above."""

    interval_s = PICTURE_S

    def __init__(self, live: Live, addresses: list[str], symbols: Sequence[str]) -> None:
        self._live = live
        self._addresses = addresses
        self._symbols = symbols
        self._meters: dict[str, Meter] = {}

    def show(self, tally: Tally, feed: MarketDataClient, seconds: float) -> None:
        """Draw it."""
        self._live.update(self.draw(tally, feed, seconds), refresh=True)

    def draw(self, tally: Tally, feed: MarketDataClient, seconds: float) -> RenderableType:
        """The picture."""
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table

        ladders = Table.grid(expand=True)
        pictures = []
        room = max(1, self._live.console.width // LADDER_MIN)
        for symbol in self._symbols[:room]:
            ladders.add_column(ratio=1)
            meter = self._meters.setdefault(symbol, Meter())
            rates = meter.take(seconds, feed.counters_of(symbol))
            pictures.append(render(View.of(feed, symbol, rates), levels=6, trades=TRADES_SHOWN))
        ladders.add_row(*pictures)
        head = Panel("\n".join(self._addresses), title="Open Outcry", subtitle="Ctrl-C ends the demo and sums up")
        others = self._symbols[room:]
        more = f"  (no room for {', '.join(others)})" if others else ""
        return Group(head, figures(tally, seconds) + more, ladders)
