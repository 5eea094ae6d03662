"""Scripts for a pair, made from a seed: commands that meet often, mostly sensible, and now and then not.

A script does not depend on what happens in it, so steps can be left out of it and it still is one.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from openoutcry import wire as w
from tests.machine_world import CENT, START_NS
from tests.naive.judging import COLLECTING
from tests.naive.pair import Script, Setting, Step

SECOND_NS = 10**9
FIX_SESSIONS = (3, 4)
LOT = 10
KINDS = (w.LIMIT,) * 16 + (w.MARKET,) * 2 + (w.MARKET_TO_LIMIT,)
TRIGGER_KINDS = (w.STOP, w.STOP, w.STOP_LIMIT, w.STOP_LIMIT, w.MARKET_IF_TOUCHED, w.LIMIT_IF_TOUCHED)
LIMIT_KINDS = (w.LIMIT, w.STOP_LIMIT, w.LIMIT_IF_TOUCHED, w.PEGGED)
SIDES = (w.BUY,) * 6 + (w.SELL,) * 4 + (w.SELL_SHORT, w.SELL_SHORT_EXEMPT)
TIFS = (w.DAY,) * 8 + (w.GTC, w.GTD, w.GOOD_FOR_TIME, w.SYSTEM_HOURS, w.IOC, w.IOC, w.FOK, w.FOK)
MODES = tuple(w.SELF_MATCH_MODES.values())
ALLOCATIONS = ("fifo", "pro-rata", "top-pro-rata", "split", "lead-market-maker")
NOT_COLLECTING = (w.PHASE_OPEN,) * 7 + (w.PHASE_POST_CLOSE,)


def some_setting(random: Random) -> Setting:
    """Books whose rules differ."""
    books = {}
    for symbol in ("X", "Y")[: random.choice((1, 1, 2))]:
        properties: dict[str, Any] = {
            "self_match": random.choice(("off", *MODES)),
            "self_match_by": random.choice(("account", "firm", "session")),
            "allocation": random.choice(("fifo", *ALLOCATIONS)),
        }
        if properties["allocation"] in ("pro-rata", "top-pro-rata", "split"):
            properties["pro_rata_minimum"] = random.choice((1, 1, 5, 20))
            properties["fifo_percent"] = random.choice((0, 30, 50, 100))
            properties["top_max"] = random.choice((1, 15, 1_000))
        if properties["allocation"] == "lead-market-maker":
            properties["lead_market_makers"] = random.choice(("A=40", "B=30 A=30", "D=100"))
        if random.random() < 0.3:
            properties["lot_size"] = LOT
        if random.random() < 0.3:
            properties["market_protection"] = random.choice(("0.01", "0.03"))
        if random.random() < 0.2:
            properties["tick_table"] = random.choice(("0=0.01 1=0.02", "0=0.005 1.02=0.01"))
        if random.random() < 0.2:
            properties["max_price"] = "1.03"
        if random.random() < 0.5:
            properties["reference_price"] = "1.00"
        books[symbol] = properties
    return Setting(books, max_open=random.choice((6, 20, 30, 30)), seed=random.randrange(1000))


class Given(NamedTuple):
    """An order that the script has; details: price, type, time in force, expire, minimum, as far as they are known."""

    session: int
    token: bytes
    side: int
    quantity: int = 0
    details: tuple[int, ...] = ()


class Writer:
    """Writes the steps of one script. auctions: whether there are phases other than continuous trading."""

    def __init__(self, random: Random, setting: Setting, auctions: bool, plain: bool = False) -> None:
        self.random = random
        self.symbols = list(setting.books)
        self.auctions = auctions
        self.plain = plain  # no terms: what ENTER can say
        self.given = [Given(1, b"0", w.BUY)]
        self.collecting = False
        self.repairs: list[Step] = []  # what brings trading back
        self.middle = 100
        self.triggers = self.some(0, 0.1, 0.3)  # how many orders wait for a trigger
        self.pegs = self.some(0, 0.05, 0.2)  # how many are pegged
        self.pairs = self.some(0, 0.05, 0.2)  # how many belong to a pair or a bracket
        self.coming: list[Step] = []  # steps that are certain

    def some(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def seldom(self, chance: float) -> bool:
        return self.random.random() < chance

    # ------------------------------------------------------------------------------------------- steps
    def script(self, length: int) -> Script:
        return [self.step() for _ in range(length)]

    def step(self) -> Step:
        if self.coming:
            return self.coming.pop()
        chance = self.random.random()
        if chance < 0.03:
            return ("wait", self.some(1, SECOND_NS, SECOND_NS, 7 * SECOND_NS, 60 * SECOND_NS))
        if chance < 0.04:
            return ("set", self.some(*self.symbols), "self_match", self.some("off", *MODES))
        if self.repairs and self.seldom(0.2):
            return self.repairs.pop()
        if self.auctions and chance < (0.10 if self.collecting else 0.08):
            return self.phase()
        step = self.command()
        return self.with_fix_manners(step) if step[1] in FIX_SESSIONS else step

    def with_fix_manners(self, step: Step) -> Step:
        """A command as a FIX gateway would send it; now and then twice, or announced as a repetition."""
        kind, session, token, *fields = step
        if kind == w.AMEND and self.seldom(0.8):
            *head, _, data, terms = fields
            step = (w.CHANGE, session, token, *head, data, terms)
        elif kind == w.REPLACE and self.seldom(0.8):
            *head, _, data = fields
            step = (w.CHANGE, session, token, *head, data, ())
        elif kind == w.CANCEL and self.seldom(0.8):
            step = (w.WITHDRAW, session, token, self.fresh(session, w.BUY))
        again = (w.AGAIN, session)
        if self.seldom(0.05):
            self.coming = [step, again] if self.seldom(0.7) else [step]
        elif self.seldom(0.05):
            self.coming = [step]
            return again
        return step

    def phase(self) -> Step:
        symbol = self.some(*self.symbols)
        if self.seldom(0.15):
            self.repairs.append(("resume", symbol, self.seldom(0.4)))
            return ("halt", symbol)
        if self.seldom(0.05):
            self.repairs.append(("open",))
            return ("close",)
        phase = self.some(*NOT_COLLECTING if self.collecting else COLLECTING, self.some(*COLLECTING), w.PHASE_OPEN)
        self.collecting = phase in COLLECTING
        if phase == w.PHASE_POST_CLOSE:
            self.repairs.append(("phase", "", w.PHASE_OPEN))
        return ("phase", self.some("", "", symbol), phase)

    def command(self) -> Step:
        chance = self.random.random()
        back = int(self.random.expovariate(0.15)) + 1  # mostly of a late order, which may still be there
        old = self.given[-min(back, len(self.given))]
        if chance < 0.56:
            return self.order(self.random.randint(1, 4))
        if chance < 0.76:
            return self.smaller(old) if old.details and self.seldom(0.3) else self.change(old)
        if chance < 0.93:
            return (w.CANCEL, old.session, old.token, self.some(0, 0, self.quantity()))
        if chance < 0.98:
            return (w.MODIFY, old.session, old.token, self.some(old.side, *SIDES), self.quantity())
        return (w.REFUSE, old.session, self.fresh(old.session, old.side), self.some(w.REJECT_DISPLAY, 77), "", b"")

    def fresh(self, session: int, side: int, quantity: int = 0, details: tuple[int, ...] = ()) -> bytes:
        """A new token; seldom one that was used before."""
        token = self.some(*self.given).token if self.seldom(0.02) else b"%d" % len(self.given)
        self.given.append(Given(session, token, side, quantity, details))
        return token

    def order(self, session: int) -> Step:
        side, quantity = self.some(*SIDES), self.quantity()
        details = self.details(side)
        symbol = "Z" if self.seldom(0.005) else self.some(*self.symbols)
        token = self.fresh(session, side, quantity, details)
        head = (session, token, symbol, side, quantity, *details, b"d")
        return (w.ENTER, *head) if self.plain or self.seldom(0.3) else (w.SUBMIT, *head, self.terms(side, details))

    def change(self, old: Given) -> Step:
        details, quantity = self.details(old.side), self.quantity()
        invalid = w.REJECT_SIDE if self.seldom(0.02) else 0
        token = self.fresh(old.session, old.side, quantity, details)
        head = (old.session, old.token, token, quantity, *details, invalid, b"r")
        if self.plain or self.seldom(0.4):
            return (w.REPLACE, *head)
        terms = dict(self.terms(old.side, details)) if self.seldom(0.5) else {}
        if self.seldom(0.3):  # all of the display, as OUCH's Replace has it
            terms = {w.TERM_HIDDEN: 0, w.TERM_POST_ONLY: 0} | terms
        return (w.AMEND, *head, tuple(sorted(terms.items())))

    def smaller(self, old: Given) -> Step:
        """The same order with another quantity, mostly less."""
        quantity = max(0, old.quantity + self.some(-50, -20, -10, -10, 0, 10))
        token = self.fresh(old.session, old.side, quantity, old.details)
        return (w.AMEND, old.session, old.token, token, quantity, *old.details, 0, b"s", ())

    # ------------------------------------------------------------------------------------------- fields
    def quantity(self) -> int:
        if self.seldom(0.03):
            return int(self.some(0, 3, 7, 33, 121, 500))
        return LOT * self.random.randint(1, 10)

    def price(self, side: int) -> int:
        """Around the middle; more often than not on its own side of it."""
        if self.seldom(0.02):
            return int(self.some(0, 10**8 + 1, 10**15, CENT))
        if self.seldom(0.005):
            self.middle += self.some(-2, 2)
        away = self.random.randint(-3, 4)
        return (self.middle - away if side == w.BUY else self.middle + away) * CENT

    def details(self, side: int) -> tuple[int, int, int, int, int]:
        """Price, order type, time in force, expire, minimum."""
        kind, tif, minimum = self.some(*KINDS), self.some(*TIFS), 0
        if not self.plain and self.seldom(self.triggers):
            kind = self.some(*TRIGGER_KINDS)
        if not self.plain and self.seldom(self.pegs):
            kind = w.PEGGED
        if self.auctions and self.seldom(0.3 if self.collecting else 0.03):
            tif = self.some(w.AT_OPEN, w.AT_CLOSE, w.GOOD_FOR_AUCTION)
            kind = self.some(w.LIMIT, w.LIMIT, w.MARKET)
        elif self.collecting and tif in (w.IOC, w.FOK) and self.seldom(0.8):
            tif = w.DAY
        elif self.seldom(0.1):
            minimum = self.some(10, 20, 20, 30, 30, 50)
        expire = 0
        if tif == w.GOOD_FOR_TIME:
            expire = 0 if self.seldom(0.05) else self.some(1, 5, 60)
        elif tif == w.GTD:
            expire = START_NS + self.random.randint(1, 600) * SECOND_NS
        if kind == w.PEGGED and self.seldom(0.95) and tif in (w.IOC, w.FOK, w.AT_OPEN, w.AT_CLOSE, w.GOOD_FOR_AUCTION):
            tif = w.DAY
        capped = kind != w.PEGGED or self.seldom(0.3)
        price = self.price(side) if kind in LIMIT_KINDS and capped else CENT if self.seldom(0.02) else 0
        return price, kind, tif, expire, minimum

    def terms(self, side: int, details: tuple[int, int, int, int, int]) -> tuple[tuple[int, Any], ...]:
        """Terms that go together, with few exceptions."""
        price, kind, tif, _, minimum = details
        auction = tif in (w.AT_OPEN, w.AT_CLOSE, w.GOOD_FOR_AUCTION)
        terms: dict[int, Any] = {}
        if self.seldom(0.15):
            terms[w.TERM_ACCOUNT] = self.some("A", "B", "C")
        if self.seldom(0.15):
            terms[w.TERM_SELF_MATCH] = self.random.randint(0, 4)
        odd = self.seldom(0.02)
        if kind == w.MARKET and self.seldom(0.3) and not auction:
            terms[w.TERM_PROTECTION] = self.some(0, CENT, 3 * CENT)
        if odd or (kind in LIMIT_KINDS and not auction):
            terms |= self.nature(odd or tif not in (w.IOC, w.FOK), minimum)
        if odd or not auction:
            if self.seldom(self.pairs):
                terms[w.TERM_PAIR] = self.some(b"P1", b"P2", b"P3")
            if kind in (w.LIMIT, w.MARKET) and self.seldom(self.pairs):
                terms |= self.bracket(side, price or self.middle * CENT)
        if kind == w.PEGGED or self.seldom(0.002):
            terms[w.TERM_PEG] = self.random.randint(1, 3)
            if self.seldom(0.5):
                terms[w.TERM_PEG_OFFSET] = self.some(-2 * CENT, -CENT, CENT // 2, CENT, 2 * CENT)
        if kind in TRIGGER_KINDS or self.seldom(0.002):
            terms |= self.trigger(side, kind)
        return tuple(sorted(terms.items()))

    def bracket(self, side: int, price: int) -> dict[int, Any]:
        """Mostly on the right sides."""
        up = CENT if (side == w.BUY) != self.seldom(0.03) else -CENT
        profit = {w.TERM_TAKE_PROFIT: max(CENT, price + up * self.random.randint(1, 3))}
        loss = {w.TERM_STOP_LOSS: max(CENT, price - up * self.random.randint(1, 3))}
        chosen: dict[int, Any] = self.some(profit, loss, {**profit, **loss})
        return chosen

    def trigger(self, side: int, kind: int) -> dict[int, Any]:
        """Mostly where the market is not yet."""
        if kind in (w.STOP, w.STOP_LIMIT) and self.seldom(0.4):
            trail = self.some((w.TERM_TRAIL_AMOUNT, self.some(1, CENT, 2 * CENT + 1)), (w.TERM_TRAIL_PERCENT, 150))
            stop = {w.TERM_STOP_PRICE: self.middle * CENT} if self.seldom(0.3) else {}
            return {**stop, trail[0]: trail[1]}
        up = (side == w.BUY) == (kind in (w.STOP, w.STOP_LIMIT))
        away = self.random.randint(-1, 4) * CENT
        return {w.TERM_STOP_PRICE: self.middle * CENT + (away if up else -away) + (1 if self.seldom(0.01) else 0)}

    def nature(self, rests: bool, minimum: int) -> dict[int, Any]:
        chance = self.random.random()
        if chance < 0.12:
            return {} if minimum and not self.seldom(0.1) else {w.TERM_ALL_OR_NONE: 1}
        if not rests or chance < 0.35:
            return {}
        if chance < 0.60:
            display = self.some(10, 20, 30)
            spread = {w.TERM_DISPLAY_RANGE: self.random.randint(1, display)} if self.seldom(0.3) else {}
            return {w.TERM_DISPLAY_QUANTITY: display, **spread}
        if chance < 0.80:
            return {w.TERM_HIDDEN: 1}
        return {} if minimum and not self.seldom(0.1) else {w.TERM_POST_ONLY: self.some(1, 2, 2)}


def some_script(seed: int, length: int) -> tuple[Setting, Script]:
    """Half of the seeds trade continuously only."""
    random = Random(seed)
    setting = some_setting(random)
    return setting, Writer(random, setting, auctions=seed % 2 == 1).script(length)
