"""Random input of every kind at once, sensible and not, for tests that look at what must be true whatever happens.

No oracle knows what comes out of this: it is for invariants, for replay, and for finding what raises.
"""

from __future__ import annotations

from random import Random
from typing import Any

from openoutcry import wire as w
from tests.machine_world import START_NS, Message, World, amend, enter, market, replace, submit

SESSIONS = (1, 2, 3, 4)  # 1 and 2 on gateway-1, 3 and 4 on gateway-2
SYMBOLS = ("X", "Y")
SECOND_NS = 10**9
PHASES = ("open",) * 8 + ("pre_open", "pre_open_no_cancel", "opening_auction", "volatility_auction", "closing_auction")
PROPERTIES: dict[str, tuple[Any, ...]] = {
    "self_match": tuple(w.SELF_MATCH_MODES.values()),
    "self_match_by": ("account", "firm", "session"),
    "allocation": ("fifo", "fifo", "pro-rata", "top-pro-rata", "lead-market-maker", "split"),
    "lead_market_makers": ("", "ALICE=40", "BOB=20 ALICE=30"),
    "market_protection": (0, "0.01"),
    "positions": (False, True),
    "maker_fee": (0, "-0.001"),
    "static_band": (0, 0, 300),
    "dynamic_band": (0, 0, 200),
    "band_action": ("auction", "pause", "cancel"),
    "price_collar": (0, 0, 500),
    "reference_price": (0, "1.00"),
}


class Anything:
    """A source of commands and verbs."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.count = 0

    def some(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def seldom(self, chance: float = 0.1) -> bool:
        return self.random.random() < chance

    def cents(self) -> int:
        return self.random.randrange(94, 107)

    def quantity(self) -> int:
        return self.random.randrange(1, 13) * 10

    def token(self) -> bytes:
        self.count += 1
        return b"%d" % self.count

    # ------------------------------------------------------------------------------------------- orders
    def fields(self, side: int) -> dict[str, Any]:
        """Order type, time in force and terms that mostly go together."""
        kind = self.some(*[w.LIMIT] * 9, w.MARKET, w.MARKET_TO_LIMIT, w.STOP, w.STOP_LIMIT, w.MARKET_IF_TOUCHED,
                         w.LIMIT_IF_TOUCHED, w.PEGGED, w.PEGGED)  # fmt: skip
        tif = self.some(*[w.DAY] * 8, w.GTC, w.IOC, w.FOK, w.GTD, w.SYSTEM_HOURS, w.GOOD_FOR_TIME)
        found: dict[str, Any] = {"order_type": kind, "tif": tif, "symbol": self.some("X", "X", "Y")}
        if self.seldom(0.06):
            found["tif"] = self.some(w.AT_OPEN, w.AT_CLOSE, w.GOOD_FOR_AUCTION)
            found["order_type"] = self.some(w.LIMIT, w.MARKET)
            return found
        found["expire"] = {w.GTD: START_NS + self.random.randrange(40) * SECOND_NS, w.GOOD_FOR_TIME: 5}.get(tif, 0)
        if kind == w.PEGGED:
            found |= {"peg": self.some(*w.PEGS), "peg_offset": self.some(-2, -1, 0, 0, 0, 1)}
        if kind in (w.STOP, w.STOP_LIMIT) and self.seldom(0.4):
            found |= self.some({"trail_amount": self.some(1, 3)}, {"trail_percent": self.some(50, 300)})
        elif kind in (w.STOP, w.STOP_LIMIT, w.MARKET_IF_TOUCHED, w.LIMIT_IF_TOUCHED):
            found["stop_price"] = self.cents()
        if kind in (w.LIMIT, w.STOP_LIMIT, w.LIMIT_IF_TOUCHED, w.PEGGED):
            found |= self.some(
                {}, {}, {"hidden": 1}, {"display_quantity": self.some(10, 30)}, {"all_or_none": 1}, {"minimum": 20},
                {"display_quantity": 30, "display_range": 20}, {"post_only": self.some(*w.POST_ONLY_MODES)},
            )  # fmt: skip
        if kind in (w.LIMIT, w.MARKET) and self.seldom(0.08):
            up, down = self.random.randrange(1, 4), self.random.randrange(1, 4)
            found |= {"bracket": (up, -down) if side == w.BUY else (-up, down)}
        if self.seldom(0.1):
            found["pair"] = self.some(b"p", b"q")
        if self.seldom(0.1):
            found["self_match"] = self.some(*w.SELF_MATCH_MODES)
        if self.seldom(0.05):
            found["reduce_only"] = 1
        if self.seldom(0.1):
            found["account"] = self.some("ALICE", "BOB", "fund")
        return found

    def submit(self) -> Message:
        side = self.some(w.BUY, w.BUY, w.BUY, w.SELL, w.SELL, w.SELL_SHORT)
        fields, price = self.fields(side), self.cents()
        if fields["order_type"] == w.PEGGED and self.seldom(0.7):
            price = 0
        profit, loss = fields.pop("bracket", (None, None))
        if profit is not None:
            fields |= {"take_profit": price + profit, "stop_loss": price + loss}
        return submit(self.some(*SESSIONS), self.token(), side, self.quantity(), price, **fields)

    def command(self, world: World) -> Message:
        """Something a session says; changes are mostly about live orders."""
        session = self.some(*SESSIONS)
        live = list(world.machine.sessions[session].live)
        chance = self.random.random()
        if chance < 0.6 or not live:
            return self.submit()
        token = self.random.choice(live)
        if chance < 0.68:
            return replace(session, token, self.token(), self.quantity(), self.cents())
        if chance < 0.78:
            order = world.machine.sessions[session].live[token]
            kind = order[-1].order_type if order[-1] is not None else w.LIMIT
            fields: dict[str, Any] = self.some({}, {}, {"hidden": 1}, {"display_quantity": 20}, {"minimum": 10})
            price = order[1] // 10**6 if self.seldom(0.5) else self.cents()
            return amend(session, token, self.token(), self.quantity(), price, order_type=kind, **fields)
        if chance < 0.92:
            return w.CANCEL, session, token, self.some(0, 0, self.quantity())
        if chance < 0.95:
            return w.MODIFY, session, token, self.some(*w.SIDES), self.quantity()
        if chance < 0.96:
            return (
                w.MASS_CANCEL,
                session,
                self.token(),
                self.some(1, 1, 1, 2),
                self.some("", *SYMBOLS),
                0,
                0,
                w.PRICE_MAX,
            )
        if chance < 0.98:
            return self.quote(session)
        return w.ASK, session, token

    def quote(self, session: int) -> Message:
        quotes = []
        for symbol in SYMBOLS[: self.some(1, 2)]:
            middle, wide = self.cents(), self.some(0, 1, 2)
            bid, ask = (middle - wide) * 10**6, (middle + wide) * 10**6
            quotes.append((symbol, self.some(0, 20, 50), bid, self.some(0, 20, 50), ask))
        return w.QUOTE, session, self.token(), int(self.seldom(0.2)), b"", tuple(quotes)

    # ------------------------------------------------------------------------------------------- the rest
    def step(self, world: World) -> None:
        """One input."""
        chance = self.random.random()
        if chance < 0.9:
            command = self.command(world)
            world.send("gateway-1" if command[1] < 3 else "gateway-2", command)
        elif chance < 0.94:
            world.now = max(world.machine.next_timer_ns, world.now) + self.some(0, 1, SECOND_NS)
            world.timer()
        elif chance < 0.97:
            name = self.random.choice(list(PROPERTIES))
            world.verb("set_book_property", f"book-{self.some(*SYMBOLS)}", name, self.some(*PROPERTIES[name]))
        elif chance < 0.995:
            phase = "open" if self.seldom(0.6) else self.some(*PHASES)
            world.verb("set_phase", "main", phase, self.some(None, "book-X", "book-Y"))
        else:
            world.verb(self.some("halt", "resume"), f"book-{self.some(*SYMBOLS)}")
            world.verb("resume", f"book-{self.some(*SYMBOLS)}")


def floor(symbols: tuple[str, ...] = SYMBOLS) -> World:
    """A market whose sessions are in two accounts and a firm, with a first price."""
    world = market(symbols, gateways=2)
    for session, firm in ((1, "F"), (2, "F"), (3, "G"), (4, "")):
        world.machine.sessions[session].firm = firm
    for symbol in symbols:
        world.send("gateway-1", enter(1, b"first-" + symbol.encode(), w.SELL, 10, 100, symbol=symbol))
        world.send("gateway-1", enter(2, b"last-" + symbol.encode(), w.BUY, 10, 100, symbol=symbol))
    world.take_all()
    return world
