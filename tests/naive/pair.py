"""A machine and a naive exchange that are given the same script, and everything that must be the same after each step.

A script is a list of steps, each a command of a session or one of::

    ("wait", ns)                   time goes on, and what is due happens
    ("phase", symbol, phase)       an operator takes a book ("": the engine) to another phase
    ("set", symbol, name, value)   an operator changes a property of a book
    ("halt", symbol), ("resume", symbol, through_auction), ("open",), ("close",), ("end_of_day",)   verbs so named
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from openoutcry import parameters, verbs
from openoutcry import wire as w
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.orders import BOOK, DONE, NUMBER, OPEN, PRICE, SESSION, SIDE, TERMS, TOKEN
from openoutcry.matcher.terms import LIT
from tests import invariants
from tests.machine_world import World
from tests.naive.exchange import Exchange
from tests.naive.floor import LIT as SEEN
from tests.naive.floor import Member, Rules
from tests.naive.judging import COLLECTING

Step = tuple[Any, ...]
Script = list[Step]

# Who trades: alice and carol have one account, alice and bob one firm, dave nothing in common with anybody. Carol and
# dave are on a gateway of their own, where FIX is spoken.
USERS = (("alice", "A", "F", 1), ("bob", "B", "F", 1), ("carol", "A", "G", 2), ("dave", "D", "", 2))
GATEWAYS = ("gateway-1", "gateway-2")
FIX_GATEWAY = 2


@dataclass
class Setting:
    """Where a script runs: the properties of its books by symbol (all others have their defaults), and the limits."""

    books: dict[str, dict[str, Any]] = field(default_factory=lambda: {"X": {}})
    max_quantity: int = 120
    max_open: int = 8
    seed: int = 1


class Difference(AssertionError):
    """The machine and the naive exchange are not of one mind."""


class Watcher:
    """Someone who knows the public events only, and has every book from them."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[int, int, int, int]] = {}  # order -> book, side, price, quantity
        self.indicative: dict[int, Step] = {}  # book -> where its auction would end

    def take(self, events: list[Step]) -> None:
        for kind, book, *rest in events:
            if kind == w.ADDED:
                order, side, quantity, price = rest
                assert order not in self.orders
                self.orders[order] = (book, side, price, quantity)
            elif kind == w.TRADED:
                self.leaves(rest[0], rest[-1], rest[1])
            elif kind == w.REDUCED:
                self.leaves(rest[0], rest[2], rest[1])
            elif kind == w.CROSS_TRADED:
                buy, sell, *_, buy_leaves, sell_leaves = rest
                for order, leaves in ((buy, buy_leaves), (sell, sell_leaves)):
                    if order:
                        self.leaves(order, leaves)
            elif kind == w.INDICATIVE:
                self.indicative[book] = tuple(rest)
            elif kind == w.STATUS and rest[0] not in COLLECTING:
                self.indicative.pop(book, None)
            elif kind == w.ORDER_REPLACED:
                previous, order, quantity, price = rest
                self.orders[order] = (book, self.orders.pop(previous)[1], price, quantity)

    def leaves(self, order: int, leaves: int, quantity: int | None = None) -> None:
        book, side, price, before = self.orders.pop(order)
        assert quantity is None or before - quantity == leaves
        if leaves:
            self.orders[order] = (book, side, price, leaves)


class Recorder(World):
    """A world that keeps a hash of all events of each stream."""

    def __init__(self) -> None:
        self.tape = Tape()
        super().__init__()

    def take(self, stream: str = "gateway-1") -> list[Step]:
        return self.tape.take(self.machine, stream)


class Tape:
    """The hash of each stream's events, as a sequencer would have sent them."""

    def __init__(self) -> None:
        self.hashes: dict[str, Any] = defaultdict(hashlib.sha256)

    def take(self, machine: Machine, stream: str) -> list[Step]:
        found = machine.streams[stream]
        events = list(found.events)
        found.events.clear()
        found.end += len(events)
        for event in events:
            self.hashes[stream].update(w.pack(event))
        return events

    def take_all(self, machine: Machine) -> None:
        for stream in machine.streams:
            self.take(machine, stream)

    def copy(self) -> Tape:
        copied = Tape()
        copied.hashes.update({name: each.copy() for name, each in self.hashes.items()})
        return copied

    def result(self) -> dict[str, str]:
        return {name: each.hexdigest() for name, each in sorted(self.hashes.items())}


class Pair:
    """See the module. steps: how many have been taken."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.world = Recorder()
        members, books = self.open_market(), {}
        for number, (symbol, properties) in enumerate(setting.books.items(), 1):
            books[symbol] = rules = Rules(number)
            for name, value in properties.items():
                self.set_property(rules, symbol, name, value)
        self.naive = Exchange(books, members, setting.max_quantity, setting.max_open, setting.seed)
        self.watcher = Watcher()
        self.steps = 0
        self.broken_off = False
        self.world.take_all()

    # ------------------------------------------------------------------------------------------- making it
    def open_market(self) -> dict[int, Member]:
        world, members = self.world, {}
        world.verb("create_engine", "main")
        for name in ("max_quantity", "max_open", "seed"):
            property_ = "max_open_orders" if name == "max_open" else name
            world.verb("set_engine_property", "main", property_, getattr(self.setting, name))
        for symbol in self.setting.books:
            world.verb("create_book", f"book-{symbol}", "main", symbol)
            world.verb("set_book_property", f"book-{symbol}", "indicative_ms", 0)
        for number, gateway in enumerate(GATEWAYS, 1):
            world.hello(gateway)
            protocol = "fix" if number == FIX_GATEWAY else "ouch42"
            world.verb("create_endpoint", f"orders-{number}", "main", protocol, gateway)
            world.send(gateway, (w.BOUND, f"orders-{number}", "127.0.0.1", 4000 + number, ""))
        for connection, (user, account, firm, gateway_number) in enumerate(USERS, 1):
            world.verb("create_user", user, "secret", account=account, firm=firm or None)
            gateway, endpoint = GATEWAYS[gateway_number - 1], f"orders-{gateway_number}"
            fix = gateway_number == FIX_GATEWAY
            if fix:
                made = world.verb("create_session", endpoint, SenderCompID="OO", TargetCompID=user, Username=user)
                user = made["name"]
            session = world.log_on(endpoint, user, connection, gateway)
            members[session] = Member(gateway, account, firm, fix)
        return members

    def set_property(self, rules: Rules, symbol: str, name: str, value: Any) -> None:
        assert isinstance(self.world.verb("set_book_property", f"book-{symbol}", name, value), dict)
        parameter = verbs.BOOK_PROPERTIES[name]
        stored = parameters.convert(parameter, value, name)
        if name == "self_match":
            stored = {text: mode for mode, text in w.SELF_MATCH_MODES.items()}[stored]
        setattr(rules, name, stored)

    # ------------------------------------------------------------------------------------------- stepping
    def run(self, script: Script) -> None:
        for step in script:
            self.step(step)

    def step(self, step: Step) -> None:
        what = step[0]
        self.naive.now = self.world.now
        if what == "wait":
            self.wait(step[1])
        elif what == "phase":
            self.phase(step[1], step[2])
        elif what == "set":
            _, symbol, name, value = step
            self.set_property(self.naive.books[symbol], symbol, name, value)
            self.naive.settle(symbol)
        elif what == "halt":
            answer = self.world.verb("halt", f"book-{step[1]}")
            self.same("verb", isinstance(answer, dict), self.naive.halt(step[1]), step)
        elif what == "resume":
            answer = self.world.verb("resume", f"book-{step[1]}", step[2])
            self.broken_off |= step[2]
            self.same("verb", isinstance(answer, dict), self.naive.resume(*step[1:]), step)
        elif what in ("open", "close", "end_of_day"):
            self.same("verb", isinstance(self.world.verb(what, "main"), dict), self.naive.step(what), step)
        else:
            self.world.send(self.naive.members[step[1]].stream, step)
            self.naive.command(step, self.world.now)
        self.compare(step)
        self.steps += 1

    def wait(self, ns: int) -> None:
        self.world.now += ns
        machine, naive = self.world.machine.next_timer_ns, self.naive.next_timer_ns()
        # The end of an auction that was broken off may still wake the machine, for nothing.
        if not (self.broken_off and machine > 0 and (machine < naive or not naive)):
            self.same("next timer", machine, naive, ("wait", ns))
        self.world.timer()
        self.naive.timer(self.world.now)

    def phase(self, symbol: str, phase: int) -> None:
        answer = self.world.verb("set_phase", "main", w.PHASES[phase], f"book-{symbol}" if symbol else None)
        self.broken_off |= symbol != "" and phase == w.PHASE_VOLATILITY_AUCTION
        self.same("verb", isinstance(answer, dict), self.naive.set_phase(symbol, phase), ("phase", symbol, phase))

    # ------------------------------------------------------------------------------------------- comparing
    def same(self, what: str, machine: Any, naive: Any, step: Step) -> None:
        if machine != naive:
            raise Difference(f"{what} after {describe(step)}\n  machine: {machine}\n  naive:   {naive}")

    def compare(self, step: Step) -> None:
        """Whole lists of events, then the orders, what the public knows of them, and what must always be true."""
        naive = self.naive
        for name in GATEWAYS:
            self.same(name, self.take(name), [without_text(e) for e in naive.private[name]], step)
            naive.private[name].clear()
        public = self.take("public")
        self.watcher.take(public)
        public = [event for event in public if event[0] not in (w.BOOK_SET, w.INDICATIVE)]
        self.same("public", public, naive.public, step)
        naive.public.clear()
        self.same("orders", machine_orders(self.world.machine), self.naive_orders(), step)
        seen = {
            o.number: (naive.books[o.symbol].number, o.public_side, o.price, o.shown)
            for o in naive.orders
            if o.where == SEEN
        }
        self.same("what the public knows", self.watcher.orders, seen, step)
        for symbol, rules in naive.books.items():
            self.same("bought and sold", naive.bought[symbol], naive.sold[symbol], step)
            if naive.phases[symbol] in COLLECTING:
                indicative = self.watcher.indicative.get(rules.number, (0, 0, 0, 0))
                self.same("indicative", indicative, naive.indicative(symbol), step)
        invariants.check(self.world.machine)

    def take(self, stream: str) -> list[Step]:
        """A stream's new events, without texts for people."""
        events = self.world.take(stream)
        w.check_events(tuple(events), w.PUBLIC_EVENTS if stream == "public" else w.PRIVATE_EVENTS)
        return events if stream == "public" else [without_text(event) for event in events]

    def check_replay(self, cut: float) -> None:
        """The same inputs, or a dump after a part of them (0..1) and the rest, give the same events and state again."""
        inputs = self.world.inputs
        self.world.take_all()
        at = int(cut * len(inputs))
        machine, tape = Machine(), Tape()
        feed(machine, tape, inputs[:at])
        resumed, resumed_tape = Machine.load(machine.dump()), tape.copy()
        assert resumed.dump() == machine.dump()
        feed(machine, tape, inputs[at:])
        feed(resumed, resumed_tape, inputs[at:])
        expected = (self.world.machine.state_hash(), self.world.tape.result())
        self.same("replay", (machine.state_hash(), tape.result()), expected, ("replay",))
        self.same("dump and replay", (resumed.state_hash(), resumed_tape.result()), expected, ("replay", at))

    def naive_orders(self) -> list[tuple[Any, ...]]:
        return [
            (o.number, o.session, o.token, o.symbol, o.side, o.price, o.open, o.done, o.shown * (o.where == SEEN))
            for o in sorted(self.naive.orders, key=lambda o: o.number)
        ]


def feed(machine: Machine, tape: Tape, inputs: list[tuple[str, tuple[Any, ...]]]) -> None:
    for what, arguments in inputs:
        getattr(machine, what)(*arguments)
        tape.take_all(machine)


def machine_orders(machine: Machine) -> list[tuple[Any, ...]]:
    """The live orders as the sessions have them; shown is 0 beyond the lit side."""
    rows = []
    for session in machine.sessions.values():
        for token, o in session.live.items():
            terms = o[TERMS]
            shown = o[OPEN] if terms is None else terms.shown * (terms.where == LIT)
            row = (o[NUMBER], session.number, token, o[BOOK].symbol, o[SIDE], o[PRICE], o[OPEN], o[DONE], shown)
            rows.append(row)
            assert (session, token) == (o[SESSION], o[TOKEN])
    return sorted(rows)


def without_text(event: Step) -> Step:
    if event[0] == w.REJECTED:
        return (*event[:4], event[5])
    return event[:-1] if event[0] in (w.REQUEST_REJECTED, w.CANCEL_REJECTED) else event


def describe(step: Step) -> str:
    if isinstance(step[0], str):
        return repr(step)
    return repr(w.as_dict(step, w.COMMANDS))
