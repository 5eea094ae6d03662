"""Random days of a market in which everything is used: a script of control verbs, orders of gateways, and time.

``Script(seed).play(steps)`` gives inputs one after the other, each a function of the seed and of the state of the
machine before it: which orders there are is looked up, so that changes and cancels meet something.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from openoutcry import verbs
from openoutcry import wire as w
from openoutcry.echoes import Echo
from openoutcry.errors import VerbError
from openoutcry.plugins import ENGINES, PROTOCOLS
from tests.machine_world import CENT, World, change, enter, market, replace

BOOKS = ("book-X", "book-Y", "book-Z")  # the last one comes and goes
DESKS = ("alice", "bob", "carol")
FIRMS = ("ACME", "ZED")

# A value or two for every property of a book; "" and 0 switch it off again.
BOOK_VALUES: dict[str, tuple[Any, ...]] = {
    "tick_size": ("0.01", "0.05"), "tick_table": ("", "0=0.01 10=0.05"), "lot_size": (1, 10), "min_quantity": (1, 5),
    "allocation": ("fifo", "fifo", "pro-rata", "top-pro-rata", "lead-market-maker", "split"),
    "pro_rata_minimum": (1, 3), "fifo_percent": (50, 20), "top_max": (50, 1000),
    "lead_market_makers": ("", "alice=40 bob=10"), "self_match": ("off", "newest", "oldest", "both", "decrement"),
    "self_match_by": ("account", "firm", "session"), "market_protection": (0, "0.10"), "reference_price": (0, "10"),
    "indicative_ms": (0, 500), "random_end_ms": (0, 900), "extension_band": (0, 100), "extension_ms": (1000,),
    "static_band": (0, 0, 300), "dynamic_band": (0, 0, 200),
    "band_action": ("auction", "pause", "cancel"), "volatility_auction_ms": (2000,), "limit_state_ms": (700,),
    "pause_ms": (1500,), "price_collar": (0, 0, 5000), "positions": (False, True), "maker_fee": (0, "-0.001"),
    "taker_fee": (0, "0.003"), "taker_fee_ppm": (0, 7), "multiplier": (1, 10), "description": ("", "thing"),
}  # fmt: skip
LIMITS: dict[str, tuple[Any, ...]] = {
    "restricted": ("Y", "Z"), "max_quantity": (300,), "max_notional": ("5000",), "price_collar": (3000,),
    "max_open_orders": (30,), "max_position": (500,), "duplicate_window_ms": (50,), "orders_per_second": (20,),
    "messages_per_second": (5, 30), "throttle": ("reject", "queue"),
}  # fmt: skip

# Policies for engines without books, and their options.
WITHOUT_BOOKS = (
    ("auto-reject", "on=all probability=50"), ("halt", "orders=2 count=3"), ("silent", "side=buy count=2"),
    ("delay", "delay_ms=40 jitter_ms=30"), ("delay", "on=answers delay_ms=1000"), ("drop", "on=answers book=X"),
    ("duplicate", "copies=2 delay_ms=20"), ("duplicate", "on=answers"), ("reorder", "on=all"), ("auto-fill", ""),
)  # fmt: skip


class Script:
    """See the module. world: the market that the script is played in."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = market(("X", "Y"), gateways=2)
        self.world.verb("create_user", "dave", "hash", None, "DAVES", "ACME")
        for desk, firm in zip(DESKS, (*FIRMS, None), strict=True):
            self.world.verb("set_desk", "main", desk, None, firm)
        self.world.verb("create_engine", "echo", "echo")
        for endpoint, engine, protocol in (("fix", "main", "fix"), ("loop", "echo", "fix42")):
            self.world.verb("create_endpoint", endpoint, engine, protocol, "gateway-2")
            self.world.send("gateway-2", (w.BOUND, endpoint, "127.0.0.1", 5000, ""))
        self.world.verb("create_session", "loop", Template=True)
        self.fix = [self.world.log_on("fix", f"FIX.4.4:OO->C{n}", n, "gateway-2", "alice") for n in (1, 2)]
        self.fix.append(self.world.log_on("loop", "FIX.4.2:OO->C1", 3, "gateway-2"))
        self.world.feed("loaded", ENGINES, "counting", "tests.plugin_parts:Counting", "")
        self.world.verb("create_engine", "plugged", "counting")
        self.world.verb("create_endpoint", "plug", "plugged", "ouch42", "gateway-2")
        self.world.send("gateway-2", (w.BOUND, "plug", "127.0.0.1", 5002, ""))
        self.plugged = [self.world.log_on("plug", f"P{n}", 10 + n, "gateway-2") for n in (1, 2)]
        self.world.take_all()
        self.count = 0

    def play(self, steps: int) -> Iterator[World]:
        """Do one step after the other; the world is given back after each."""
        for _ in range(steps):
            self.step()
            yield self.world

    def step(self) -> None:
        """One input."""
        self.world.now += self.random.choice((0, 1, 10**6, 5 * 10**7, 10**9))
        kinds = (
            self.enter, self.change, self.gateway, self.fix_gateway, self.fix_sessions, self.quote, self.operate,
            self.calm, self.time, self.plug,
        )  # fmt: skip
        self.random.choices(kinds, (50, 14, 14, 16, 3, 6, 9, 5, 8, 10))[0]()

    def verb(self, verb: str, *arguments: Any, **named: Any) -> None:
        """A verb, whatever comes of it; one that the table refuses does not even leave the control service."""
        try:
            verbs.check(verb, arguments, named)
        except VerbError:
            return
        self.world.verb(verb, *arguments, **named)

    # ------------------------------------------------------------------------------------------- orders
    def price(self) -> str:
        return f"{10 + self.random.randrange(-12, 13) / 20:.2f}"

    def enter(self) -> None:
        self.count += 1
        kind = self.random.choices(list(w.ORDER_TYPES.values()), (8, 60, 6, 6, 4, 4, 4, 8))[0]
        price = None if kind in ("market", "stop", "market-if-touched", "market-to-limit") else self.price()
        if kind == "pegged" and self.random.random() < 0.5:
            price = None
        side = self.random.choice(("buy", "buy", "sell", "sell", "sell-short"))
        self.verb("enter_order", f"o{self.count}", self.random.choice(BOOKS), side, self.random.randrange(1, 30) * 10,
                  price, self.random.choice(DESKS), order_type=kind, **self.properties(kind))  # fmt: skip

    def properties(self, kind: str) -> dict[str, Any]:
        """Some properties, most of which go together."""
        chance, pick = self.random.random, self.random.choice
        given: dict[str, Any] = {}
        if chance() < 0.4:
            given["time_in_force"] = pick(list(w.TIMES_IN_FORCE.values()))
        if given.get("time_in_force") == "good-for-time":
            given["expire"] = pick((1, 3, 20))
        if given.get("time_in_force") == "gtd":
            given["expire"] = self.world.now + pick((10**9, 10**11))
        if kind in ("stop", "stop-limit", "market-if-touched", "limit-if-touched"):
            trailing = kind.startswith("stop") and chance() < 0.4
            given.update({pick(("trail_amount",)): "0.10"} if trailing else {"stop_price": self.price()})
        if kind == "pegged":
            given["peg"] = pick(("primary", "market", "midpoint"))
            given.update({"peg_offset": pick(("-0.05", "0.05"))} if chance() < 0.4 else {})
        options: list[dict[str, Any]] = [
            {"display_quantity": 20}, {"display_quantity": 30, "display_range": 10}, {"hidden": True},
            {"post_only": "reject"}, {"post_only": "slide"}, {"all_or_none": True}, {"minimum_quantity": 40},
            {"pair": f"p{self.random.randrange(5)}"}, {"take_profit": "10.80", "stop_loss": "9.20"}, {"keep": True},
            {"take_profit": "9.20"}, {"reduce_only": True}, {"self_match": "oldest"}, {"account": "POOL"},
            {"protection": "0.10"},
        ]  # fmt: skip
        for option in self.random.sample(options, self.random.choice((0, 0, 0, 1, 1, 2))):
            given.update(option)
        return given

    def change(self) -> None:
        """Amend or cancel an order of a desk."""
        live = [(session.user, token) for session in self.world.machine.sessions.values()
                if session.user in DESKS for token in session.live]  # fmt: skip
        if not live:
            return
        desk, token = self.random.choice(live)
        order_id = token.decode()
        what = self.random.randrange(5)
        if what == 0:
            self.verb("cancel_order", order_id, desk)
        elif what == 1:
            self.verb("cancel_order", order_id, desk, self.random.randrange(1, 20) * 10)
        elif what == 2:
            self.verb("amend_order", order_id, self.random.randrange(1, 30) * 10, desk=desk)
        elif what == 3:
            self.verb("amend_order", order_id, price=self.price(), desk=desk)
        else:
            self.verb("amend_order", order_id, desk=desk, **self.properties("limit"))

    def quote(self) -> None:
        one, two = sorted((self.price(), self.price()), key=float)
        bid, ask = (self.random.choice((0, 50, 100)) for _ in range(2))
        desk, indicative = self.random.choice(DESKS), self.random.random() < 0.2
        if self.random.random() < 0.5:
            self.verb("quote", desk, self.random.choice(BOOKS), bid, one, ask, two, indicative)
        else:
            self.verb("mass_quote", desk, f"X {bid}@{one}/{ask}@{two} Y 10@9.5/10@10.5", "main", indicative)

    # ------------------------------------------------------------------------------------------- gateways
    def gateway(self) -> None:
        """Plain clients, their connections among them."""
        number = self.random.choice((1, 2))
        self.count += 1
        token, price = b"g%d" % self.count, 1_000 + 5 * self.random.randrange(-10, 11)
        side, what = self.random.choice((w.BUY, w.SELL)), self.random.randrange(12)
        live = list(self.world.machine.sessions[number].live)
        old = self.random.choice(live) if live else b"none"
        if what < 6:
            self.world.send("gateway-1", enter(number, token, side, 10 * self.random.randrange(1, 20), price,
                                               symbol=self.random.choice("XYZ")))  # fmt: skip
        elif what == 6:
            self.world.send("gateway-1", (w.CANCEL, number, old, self.random.choice((0, 50))))
        elif what == 7:
            self.world.send("gateway-1", replace(number, old, token, 10 * self.random.randrange(1, 30), price))
        elif what == 8:
            self.world.send("gateway-1", (w.MASS_CANCEL, number, token, 1 + number, "", side, 0, 10 * 100 * CENT))
        elif what == 9:
            self.world.send("gateway-1", (w.ASK, number, old), (w.MODIFY, number, old, side, 10))
        elif what == 10:
            self.world.send("gateway-1", (w.LOGOFF, number, self.world.machine.sessions[number].connection or 1))
        else:
            self.world.send("gateway-1", (w.LOGON, "orders", ("alice", "bob")[number - 1], self.count, ""))

    def fix_gateway(self) -> None:
        """FIX clients: requests with names of their own, crosses, messages sent twice, an echo."""
        self.count += 1
        chance, pick, number = self.random.random, self.random.choice, self.random.choice(self.fix)
        token, what = b"f%d" % self.count, self.random.randrange(12)
        session = self.world.machine.sessions.get(number)
        live = list(session.live) if session is not None else []
        old = pick(live) if live else b"none"
        side = pick((w.BUY, w.SELL))
        quantity, price = 10 * self.random.randrange(1, 30), self.random.randrange(990, 1010)
        if what < 5:
            tif = pick((w.DAY, w.DAY, w.AT_CLOSE, w.GOOD_FOR_AUCTION))
            command = enter(number, token, side, quantity, price, symbol=pick("XYZ"), tif=tif)
        elif what < 8:
            command = change(number, old, token, quantity, price, **({"hidden": 1} if chance() < 0.3 else {}))
        elif what < 10:
            command = (w.WITHDRAW, number, old, token)
        elif what == 10:
            command = (w.CROSS, number, token, token + b"S", pick("XYZ"), w.SELL, quantity, price * CENT, b"b", b"s")
        else:
            order = b"11=%b\x0154=%d\x0155=%b\x01" % (token, side, pick((b"X", b"Y")))
            command = (w.ECHO, number, pick((b"8=FIX.4.2", Echo(b"D", order, (), self.count, b"D").packed())))
        again = (w.AGAIN, number)
        once, twice = [(command,), (command,), (again, command), (again,)], [(command, again, command), (command,) * 2]
        self.world.send("gateway-2", *pick((*once, *twice)))

    def plug(self) -> None:
        """An engine of somebody's own, a protocol that is loaded, and an endpoint that goes from engine to engine."""
        what = self.random.randrange(10)
        self.count += 1
        if what == 0:
            name = f"protocol-{self.count % 7}"
            self.world.feed("loaded", PROTOCOLS, name, "tests.plugin_parts:ouch_too", self.random.choice(("", "no")))
            self.verb("load_protocol", name, "tests.plugin_parts:ouch_too")
        elif what == 1:
            self.verb("set_endpoint_engine", "plug", self.random.choice(("main", "plugged", "plugged")))
            self.world.send("gateway-2", (w.BOUND, "plug", "127.0.0.1", 5002, ""))
        elif what == 2:
            kind, options = self.random.choice(WITHOUT_BOOKS)
            self.verb("add_policy", self.random.choice(("echo", "plugged")), self.random.choice("pq"), kind, options)
        elif what == 3:
            self.verb("delete_policy", self.random.choice(("echo", "plugged")), self.random.choice("pq"))
        else:
            order = {"MsgType": "NewOrderSingle", "ClOrdID": f"o{self.count}", "Side": "1", "OrderQty": 10,
                     "Symbol": self.random.choice(("X", "TELL", "WAIT"))}  # fmt: skip
            data = b"%d %b" % (self.random.choice((0, self.count)), json.dumps(order).encode())
            session = self.random.choice(self.plugged)
            self.world.send("gateway-2", *[(w.AGAIN, session)][: what % 2], (w.ECHO, session, data))

    def fix_sessions(self) -> None:
        """Sessions are set up, changed and deleted, their clients come and go."""
        pick, endpoint, peer = self.random.choice, self.random.choice(("fix", "loop")), self.random.choice(("C1", "C2"))
        name = f"FIX.4.{pick('24')}:OO->{peer}"
        what = self.random.randrange(10)
        if what < 3:
            self.count += 1
            self.world.send("gateway-2", (w.LOGON, endpoint, name, self.count, pick(("", "bob"))))
        elif what == 3:
            ends = {"BeginString": name[:7], "SenderCompID": "OO", "TargetCompID": peer}
            self.verb("create_session", endpoint, **ends, Account="bob")
        elif what == 4:
            self.verb("set_session_property", endpoint, name, pick(("CancelOnDisconnect", "ResetOnLogon")), "Y")
        elif what == 5:
            self.verb("set_sequence", endpoint, name, pick((None, 7)), pick((None, 9)))
        elif what == 6:
            self.verb(pick(("reset_session", "logout_session")), endpoint, name)
        elif what == 7:
            self.verb("delete_session", endpoint, name)
        else:
            number = pick(self.fix)
            session = self.world.machine.sessions.get(number)
            self.world.send("gateway-2", (w.LOGOFF, number, max(1, session.connection if session is not None else 1)))
        sessions = self.world.machine.sessions.values()
        self.fix = [s.number for s in sessions if s.endpoint.name in ("fix", "loop")] or self.fix

    # ------------------------------------------------------------------------------------------- operators
    def operate(self) -> None:
        pick, book = self.random.choice, self.random.choice(BOOKS)
        what = self.random.randrange(18)
        if what < 4:
            name = pick(list(BOOK_VALUES))
            self.verb("set_book_property", book, name, pick(BOOK_VALUES[name]))
        elif what < 6:
            self.verb("set_phase", "main", pick(list(w.PHASES.values())), pick((None, None, book)))
        elif what == 6:
            self.verb(pick(("halt", "resume")), book)
        elif what == 7:
            self.verb(pick(("halt_market", "resume_market")), "main")
        elif what == 8:
            self.verb(pick(("open", "close", "open", "end_of_day", "start_of_day", "open")), "main")
        elif what == 9:
            table = pick(("", "00:00 pre_open, 12:00 open", "06:00 start_of_day, 07:00 open, 21:00 end_of_day"))
            self.verb("set_timetable", "main", table, pick((None, None, book)))
        elif what == 10:
            rule, scope = pick(list(LIMITS)), pick(("engine", "book", "firm", "account", "session"))
            name = {"engine": "main", "book": book, "firm": "ACME", "account": "alice", "session": "1"}[scope]
            self.verb(pick(("set_limit", "set_limit", "clear_limit")), "main", scope, name, rule,
                      *((pick(LIMITS[rule]),) if self.random.random() < 0.8 else ()))  # fmt: skip
        elif what == 11:
            self.verb(pick(("kill_switch", "revive", "revive")), "main", "firm", pick(FIRMS))
        elif what == 12:
            self.verb("mass_cancel", "main", desk=pick(DESKS), side=pick((None, "buy", "sell")))
        elif what == 13:
            match = max(1, self.world.machine.numbers.match - self.random.randrange(4))
            self.verb(*pick((("break_trade", match), ("correct_trade", match, self.price()))))
        elif what == 14:
            self.verb(*pick((("set_fee", "main", "ACME", "0.001", "0.002"), ("clear_fee", "main", "ACME"))))
        elif what == 15:
            self.verb("set_protocol_property", "orders", pick(("cancel_on_disconnect", "cancel_grace_ms")), 1)
        elif "book-Z" not in self.world.machine.books:
            self.verb("create_book", "book-Z", "main", "Z")
        elif self.random.random() < 0.3:
            self.verb("delete_book", "book-Z")

    def calm(self) -> None:
        """One thing of the many that stand in the way of trading is taken away."""
        engine = self.world.machine.engines["main"]
        if engine.phase == w.PHASE_ENDED:
            self.verb("start_of_day", "main")
        elif engine.phase != w.PHASE_OPEN:
            self.verb("open", "main")
        elif engine.halted:
            self.verb("resume_market", "main")
        elif halted := [book.name for book in engine.symbols.values() if book.halted]:
            self.verb("resume", halted[0])
        elif engine.guard is not None and engine.guard.active:
            for firm in FIRMS:
                self.verb("revive", "main", "firm", firm)
            for row in engine.guard.rows():
                if row["rule"] != "kill":
                    self.verb("clear_limit", "main", row["scope"], row["name"], row["rule"])

    def time(self) -> None:
        """Go to the next thing that is due, unless it is far away; or move the clock."""
        if self.random.random() < 0.15:
            self.clock()
            return
        due = self.world.machine.next_timer_ns
        if due and (due - self.world.now < 10**11 or self.random.random() < 0.3):
            self.world.now = max(self.world.now, due)
        self.world.timer()

    def clock(self) -> None:
        """A verb about the clock, and what the sequencer does to complete it."""
        world, pick = self.world, self.random.choice
        advance = ("advance_clock", pick(("1ns", "30s")), pick((True, False)))
        self.verb(*pick((("stop_clock",), ("start_clock",), advance)))
        clock = world.machine.clock
        if clock.starting:
            world.feed("started", world.now - 10**9)
        elif clock.target_ns:
            while 0 < (due := world.machine.next_timer_ns) <= clock.target_ns:
                world.now = max(world.now, due)
                world.timer()
            world.now = clock.target_ns
            world.feed("arrived")
