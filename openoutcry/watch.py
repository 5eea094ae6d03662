"""``openoutcry watch SYMBOL``: a live ladder and the last trades in the terminal.

``View`` is what is shown, as plain values; ``render`` makes the picture of it with rich, ``plain_line`` one line of
text; both are pure. ``run`` follows the feed and shows it: a picture ten times a second in a terminal, otherwise a
line for every trade and for every change of the best bid or offer.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from openoutcry import feed, wire
from openoutcry.clients.marketdata import MarketDataClient
from openoutcry.errors import ClientError
from openoutcry.feed import Auction, Bbo, Stats, Trade, price_text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

CHANNELS: Final = (feed.TRADE, feed.BBO, feed.DEPTH, feed.STATUS, feed.STATS, feed.AUCTION, feed.CORRECTION)
OPEN: Final = wire.PHASES[wire.PHASE_OPEN]
PICTURE_S: Final = 0.1  # between two pictures: eyes are not faster
RATE_S: Final = 2.0  # over which rates are taken
JOIN_S: Final = 5.0  # patience with the publisher
LEVELS: Final = 10  # a side
TRADES: Final = 24
WIDE: Final = 84  # columns from which on the trades stand beside the ladder
NARROW: Final = 48  # columns below which the ladder says less, so that nothing of it is cut off
BAR: Final = 14  # columns of the longest bar, in a wide picture
NARROW_BAR: Final = 4
BUY_STYLE: Final = "green"
SELL_STYLE: Final = "red"
PHASE_STYLES: Final = {
    "open": "black on green", "halted": "black on yellow", "closed": "white on red",
    **dict.fromkeys(sorted(feed.COLLECTING), "black on cyan"),
}  # fmt: skip
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"

Side = tuple[tuple[int, int, int], ...]  # (price, quantity, orders), best first


@dataclass(frozen=True)
class Rates:
    """What comes per second."""

    messages: float = 0.0
    changes: float = 0.0
    trades: float = 0.0


_NO_STATS: Final = Stats()
_NO_AUCTION: Final = Auction()
_NO_RATES: Final = Rates()


@dataclass(frozen=True)
class View:
    """One moment of one symbol. Prices in 1e-8, times in ns; trades are oldest first."""

    symbol: str
    engine: str = ""
    phase: str = ""
    text: str = ""
    live: bool = True
    bids: Side = ()
    asks: Side = ()
    stats: Stats = _NO_STATS
    trades: tuple[Trade, ...] = ()
    rates: Rates = _NO_RATES
    gaps: int = 0
    snapshots: int = 0
    auction: Auction = _NO_AUCTION

    @classmethod
    def of(cls, client: MarketDataClient, symbol: str, rates: Rates | None = None) -> View:
        """What `client` knows of a symbol that it has subscribed to."""
        book, counters = client.book(symbol), client.counters_of(symbol)
        return cls(
            symbol, book.engine, book.phase, book.text, client.is_live(symbol), tuple(book.bids), tuple(book.asks),
            book.stats, tuple(client.recent_trades(symbol)), rates or _NO_RATES, counters["gaps"],
            counters["snapshots"], book.auction,
        )  # fmt: skip

    @property
    def collecting(self) -> bool:
        """Whether orders are collected for an auction."""
        return self.phase in feed.COLLECTING

    @property
    def last(self) -> int:
        """The price of the last trade, 0 for none."""
        return self.trades[-1].price if self.trades else self.stats.last

    @property
    def decimals(self) -> int:
        """How many decimals show every price of this moment exactly, at least two."""
        prices = [row[0] for row in (*self.bids[:LEVELS], *self.asks[:LEVELS])] + [trade.price for trade in self.trades]
        return max((len(price_text(price).partition(".")[2]) for price in prices), default=2)


class Meter:
    """Rates out of counters that only grow."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int, int]] = deque()

    def take(self, now: float, counters: dict[str, int]) -> Rates:
        """The rates of the last RATE_S seconds, given the counters at time `now`."""
        samples = self._samples
        samples.append((now, counters["messages"], counters["changes"], counters["trades"]))
        while len(samples) > 2 and now - samples[0][0] > RATE_S:
            samples.popleft()
        first, last = samples[0], samples[-1]
        seconds = last[0] - first[0]
        return Rates(*((b - a) / seconds for a, b in zip(first[1:], last[1:], strict=True))) if seconds > 0 else Rates()


def clock(time_ns: int) -> str:
    """A time in ns as HH:MM:SS.mmm (UTC)."""
    return time.strftime("%H:%M:%S", time.gmtime(time_ns // 10**9)) + f".{time_ns // 10**6 % 1000:03d}"


# ------------------------------------------------------------------------------------------------- plain text
def plain_line(symbol: str, bbo: Bbo, stats: Stats) -> str:
    """The best bid and offer as one line: for logs and pipes."""
    bid = f"{bbo.bid_quantity:,} @ {price_text(bbo.bid_price)}" if bbo.bid_quantity else "-"
    ask = f"{price_text(bbo.ask_price)} @ {bbo.ask_quantity:,}" if bbo.ask_quantity else "-"
    last = price_text(stats.last) if stats.last else "-"
    return f"{symbol}  {bid:>22} | {ask:<22}  last {last}  volume {stats.volume:,}"


def auction_text(auction: Auction, decimals: int = 2) -> str:
    """Where the auction would end now: its price, what would be executed, and what would be left over."""
    if not auction.price or auction.cross:
        return "no indicative price"
    left = f"{'buy' if auction.side == wire.BUY else 'sell'} {auction.imbalance:,}" if auction.side else "none"
    return f"indicative {price_text(auction.price, decimals)}  quantity {auction.quantity:,}  imbalance {left}"


def phase_line(symbol: str, phase: str, text: str, auction: Auction) -> str:
    """The trading phase as one line, while orders are collected with the auction's indicative price."""
    reason = f" ({text})" if text else ""
    return f"{symbol}  {phase}{reason}" + (f"  {auction_text(auction)}" if phase in feed.COLLECTING else "")


def trade_line(symbol: str, trade: Trade) -> str:
    """A trade as one line; one of an auction has no side."""
    side = {wire.BUY: "buy ", wire.SELL: "sell"}.get(trade.side, "    ")
    return f"{symbol}  {clock(trade.time_ns)} {side} {trade.quantity:,} @ {price_text(trade.price)}  #{trade.match}"


# ------------------------------------------------------------------------------------------------- the picture
def render(view: View, *, levels: int = LEVELS, trades: int = TRADES) -> RenderableType:
    """The picture: a ladder with `levels` a side, best prices in the middle, and the last `trades`, newest first."""
    return _Picture(view, levels, trades)


class _Picture:
    """Lays itself out by the room it gets: trades beside the ladder, or below it."""

    def __init__(self, view: View, levels: int, trades: int) -> None:
        self.view, self.levels, self.trades = view, levels, trades

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table

        view, narrow = self.view, options.max_width < NARROW
        if options.max_width >= WIDE:
            body: Any = Table.grid(expand=True, padding=(0, 2))
            body.add_column(ratio=5)
            body.add_column(ratio=3)
            body.add_row(_ladder(view, self.levels, BAR), _trades(view, min(self.trades, 2 * self.levels + 1)))
        else:
            ladder = _ladder(view, self.levels, NARROW_BAR // 2 if narrow else NARROW_BAR, narrow)
            body = Group(ladder, "", _trades(view, min(self.trades, 6)))
        figures = [_indicative(view)] if view.collecting else []
        figures.append(_figures(view, narrow))
        yield Panel(Group(*figures, "", body), title=_title(view), subtitle=_footer(view, narrow), title_align="left",
                    subtitle_align="right", border_style="bright_black")  # fmt: skip

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        return Measurement(36, min(58, options.max_width))


def _title(view: View) -> Text:
    from rich.text import Text

    title = Text.assemble(
        (f" {view.symbol} ", "bold"), (f" {view.phase or '?'} ", PHASE_STYLES.get(view.phase, "reverse"))
    )
    if view.text and view.phase != "open":
        title.append(f" {view.text}", "italic")
    if not view.live:
        title.append(" waiting for a snapshot ", "black on yellow")
    return title


def _footer(view: View, narrow: bool) -> Text:
    from rich.text import Text

    rates = view.rates
    more = "" if narrow else f"  {rates.changes:,.0f} changes/s  {rates.trades:,.0f} trades/s"
    return Text(
        f"{rates.messages:,.0f} messages/s{more}  gaps {view.gaps}",
        "dim" if not view.gaps else "yellow",
    )


def _figures(view: View, narrow: bool) -> Text:
    """Last price with its way since the open, high, low, volume, trades; in a narrow picture the most important."""
    from rich.text import Text

    stats, last = view.stats, view.last
    if not last:
        return Text("no trades yet", "dim")
    line = Text.assemble((price_text(last, view.decimals), "bold"), no_wrap=True, overflow="ellipsis")
    if stats.open:
        change = last - stats.open
        style = BUY_STYLE if change > 0 else SELL_STYLE if change < 0 else "dim"
        line.append(f" {'▲' if change > 0 else '▼' if change < 0 else '='} {change / stats.open:+.2%}", style)
        high_low = f"  high {price_text(stats.high, view.decimals)} low {price_text(stats.low, view.decimals)}"
        line.append("" if narrow else high_low, "dim")
    line.append(f"  volume {stats.volume:,}" + ("" if narrow else f"  trades {stats.trades:,}"), "dim")
    return line


def _indicative(view: View) -> Text:
    from rich.text import Text

    return Text(auction_text(view.auction, view.decimals), "bold cyan", no_wrap=True, overflow="ellipsis")


def _ladder(view: View, levels: int, width: int, narrow: bool = False) -> Table:
    from rich.table import Table

    bids, asks = view.bids[:levels], view.asks[:levels]
    most = max((quantity for _, quantity, _ in (*bids, *asks)), default=1) or 1
    table = Table(box=None, expand=True, padding=(0, 1), pad_edge=False, header_style="dim")
    size = "" if narrow else " size"
    columns: tuple[tuple[str, JustifyMethod, int | None], ...] = (
        ("", "right", 1), (f"bid{size}", "right", None), ("price", "center", None), (f"ask{size}", "left", None),
        ("", "left", 1),
    )  # fmt: skip
    for name, justify, ratio in columns:
        table.add_column(name, justify=justify, ratio=ratio, no_wrap=True)
    for _ in range(levels - len(asks)):
        table.add_row()
    for number in reversed(range(len(asks))):
        price, quantity, _ = asks[number]
        strong = " bold" if number == 0 else ""
        table.add_row("", "", f"[{SELL_STYLE}{strong}]{price_text(price, view.decimals)}", f"{quantity:,}",
                      f"[{SELL_STYLE}]{bar(quantity, most, width)}")  # fmt: skip
    table.add_row("", "", f"[dim]{spread_text(view, narrow)}", "", "")
    for number, (price, quantity, _) in enumerate(bids):
        strong = " bold" if number == 0 else ""
        table.add_row(f"[{BUY_STYLE}]{bar(quantity, most, width, left=True)}", f"{quantity:,}",
                      f"[{BUY_STYLE}{strong}]{price_text(price, view.decimals)}", "", "")  # fmt: skip
    for _ in range(levels - len(bids)):
        table.add_row()
    return table


def spread_text(view: View, short: bool = False) -> str:
    """The spread and, unless it is to be short, what part of the price it is, in basis points."""
    if not view.bids or not view.asks:
        return "·"
    bid, ask = view.bids[0][0], view.asks[0][0]
    points = (ask - bid) * 20_000 / (ask + bid) if ask + bid else 0.0
    spread = price_text(max(0, ask - bid), view.decimals)
    return spread if short else f"{spread} ({points:.1f} bp)"


def bar(quantity: int, most: int, width: int = BAR, left: bool = False) -> str:
    """A bar as long as `quantity` is of `most`, which has `width` columns; in eighths of a column, to the left in
    halves, as Unicode has it."""
    eighths = max(1, quantity * width * 8 // most)
    whole, rest = divmod(eighths, 8)
    if left:
        return ("▐" if rest >= 4 or not whole else "") + "█" * whole
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def _trades(view: View, count: int) -> Table:
    from rich.table import Table

    table = Table(box=None, expand=True, padding=(0, 1), pad_edge=False, header_style="dim")
    columns: tuple[tuple[str, JustifyMethod], ...] = (("time", "left"), ("trade", "right"), ("size", "right"))
    for name, justify in columns:
        table.add_column(name, justify=justify, no_wrap=True)
    for trade in newest(view.trades, count):
        style, sign = _SIGNS.get(trade.side, ("default", "="))
        price = f"[{style}]{sign} {price_text(trade.price, view.decimals)}"
        table.add_row(f"[dim]{clock(trade.time_ns)}", price, f"{trade.quantity:,}")
    for _ in range(count - len(view.trades)):
        table.add_row()
    return table


_SIGNS: Final = {wire.BUY: (BUY_STYLE, "▲"), wire.SELL: (SELL_STYLE, "▼")}  # an auction's trades have no side


def newest(trades: Iterable[Trade], count: int) -> list[Trade]:
    """The last `count` trades, newest first."""
    return list(trades)[-count:][::-1] if count > 0 else []


# ------------------------------------------------------------------------------------------------- running
def run(
    symbol: str, feed_address: str, snapshot_address: str, *, duration: float | None = None, once: bool = False,
    plain: bool | None = None, console: Console | None = None,
) -> int:  # fmt: skip
    """Show `symbol` until Ctrl-C, or for `duration` seconds, or `once`. plain: lines instead of a picture; by default
    when standard output is no terminal. Returns the exit code."""
    from rich.console import Console

    screen = console or Console()
    lines = not screen.is_terminal if plain is None else plain
    try:
        with MarketDataClient(feed_address, snapshot_address, channels=CHANNELS) as client:
            client.subscribe(symbol, recent_trades=TRADES)
            client.wait_live(symbol, JOIN_S)
            client.wait_for(lambda: client.is_settled(symbol), JOIN_S)
            if once:
                screen.print(_once(client, symbol) if lines else render(View.of(client, symbol)))
                return 0
            show = _show_lines if lines else _show_pictures
            show(client, symbol, screen, time.monotonic() + duration if duration is not None else float("inf"))
    except ClientError as error:
        print(f"openoutcry watch: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _once(client: MarketDataClient, symbol: str) -> Text:
    from rich.text import Text

    book = client.book(symbol)
    lines = [plain_line(symbol, book.bbo, book.stats)]
    if book.phase != OPEN:
        lines.append(phase_line(symbol, book.phase, book.text, book.auction))
    for name, side in (("ask", reversed(book.asks[:LEVELS])), ("bid", book.bids[:LEVELS])):
        lines += [f"{name} {price_text(price):>16} {quantity:>12,} {orders:>6}" for price, quantity, orders in side]
    lines += [trade_line(symbol, trade) for trade in newest(client.recent_trades(symbol), TRADES)]
    return Text("\n".join(lines))


def _moments(client: MarketDataClient, pause: float, until: float) -> Iterator[float]:
    """Poll, and yield the time every `pause` seconds until `until`."""
    following = time.monotonic()
    while (now := time.monotonic()) < until:
        client.poll(min(max(0.0, following - now), until - now))
        if time.monotonic() >= following:
            following = time.monotonic() + pause
            yield time.monotonic()


def _show_pictures(client: MarketDataClient, symbol: str, screen: Console, until: float) -> None:
    from rich.live import Live

    meter = Meter()
    with Live(console=screen, screen=True, auto_refresh=False) as live:
        for now in _moments(client, PICTURE_S, until):
            rates = meter.take(now, client.counters_of(symbol))
            for _ in client.trades(symbol):
                pass  # shown out of the recent ones
            levels = max(3, min(LEVELS, (screen.height - 8) // 2))
            live.update(render(View.of(client, symbol, rates), levels=levels), refresh=True)


def _show_lines(client: MarketDataClient, symbol: str, screen: Console, until: float) -> None:
    shown: Bbo | None = None
    phase = (OPEN, _NO_AUCTION)
    for _ in _moments(client, 0.0, until):
        book = client.book(symbol)
        now = (book.phase, book.auction if book.phase in feed.COLLECTING else _NO_AUCTION)
        if now != phase:
            phase = now
            screen.out(phase_line(symbol, book.phase, book.text, book.auction), highlight=False)
        for trade in client.trades(symbol):
            screen.out(trade_line(symbol, trade), highlight=False)
        if book.bbo != shown:
            shown = book.bbo
            screen.out(plain_line(symbol, book.bbo, book.stats), highlight=False)
