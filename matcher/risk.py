"""Checks before an order may trade: limits by scope and rule, message rates, and the kill switch. One Guard an engine.

Rule 1. ``check`` comes after everything else that an order is judged by and before it is accepted; an order that it
        refuses has changed nothing here but the windows that time has emptied. It is asked about replacements too.
Rule 2. A reject's text names the rule, its limit, its scope, and the value that broke it.
Rule 3. A guard that has nothing to guard is not active, and then costs nothing: the books of its engine may be plain.
Rule 4. A killed scope gets no order in until it is revived; what it has is cancelled at once. Cancels always pass.
Rule 5. Under `throttle queue` the messages beyond messages_per_second wait and come through in their order; under
        `throttle reject` those that bring orders are rejected, and those that only take orders back pass.

The rules are the table of limits.py; how rates are counted is in throttle.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import VerbError
from openoutcry.matcher.fees import Fees, Rate
from openoutcry.matcher.ledger import account_of, check_reduce_only
from openoutcry.matcher.limits import JUDGED, MS_NS, RULES, SCOPES, Entry, Key, collar, scopes_of, shown
from openoutcry.matcher.masscancel import cancel_all, cancel_where, count_live, live_orders, select
from openoutcry.matcher.orders import SESSION, TERMS, Order
from openoutcry.matcher.throttle import NOW, Command, Throttle, Windows
from openoutcry.parameters import convert, price_text
from openoutcry.verbs import BOOK_PROPERTIES
from openoutcry.wire import CANCEL_KILL, PRICE_MAX, REJECT_COLLAR, REJECT_KILLED, SHORT_TEXT_MAX

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Session
    from openoutcry.matcher.terms import Terms

__all__ = ["NOW", "Guard", "check", "due", "guard_of"]

Refusal = tuple[int, str]  # a wire.REJECT reason, and a text for people
Row = dict[str, Any]

SCOPES_MAX: Final = 10_000  # scopes of an engine that have limits
LIMIT_SHOWN_MAX: Final = 80  # characters of a limit in a reject: a list of symbols can be longer than the whole text
FEE_FIELDS: Final = ("maker_fee", "taker_fee", "maker_fee_ppm", "taker_fee_ppm")


def check(
    session: Session, book: Book, side: int, quantity: int, price: int, order_type: int, terms: Terms | None,
    time_ns: int, previous: Order | None = None,
) -> Refusal | None:  # fmt: skip
    """Why an order may not come in, None when it may. price: 0 for none; quantity: what would be open.

    previous: the live order that it replaces; its own quantity then does not count.
    """
    policy = book.policy
    if policy is not None and policy.collar:
        stop = terms.stop_price if terms is not None else 0
        found = collar(book, side, price, order_type, stop, policy.collar)
        if found:
            return REJECT_COLLAR, f"price_collar is {policy.collar} for book {book.name}: {found}"
    if terms is not None and terms.reduce_only:
        account = terms.account or session.account
        refusal = check_reduce_only(book, session, account, side, quantity, previous)
        if refusal is not None:
            return refusal
    guard: Guard | None = session.endpoint.engine.guard
    if guard is None or not guard.active:
        return None
    return guard.check(Entry(session, book, side, quantity, price, order_type, terms, time_ns, previous))


class Guard:
    """What is guarded in an engine. limits: by scope and name, then by rule. killed: scopes. fees: by firm.

    throttling: whether messages must be shown to ``admit_message`` before they are handled. order_windows: of
    orders_per_second.
    """

    __slots__ = (
        "_alike", "_engine", "_mixed", "_sessions", "active", "fees", "killed", "limits", "order_windows", "throttle",
        "throttling",
    )  # fmt: skip

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.limits: dict[Key, dict[str, Any]] = {}
        self.killed: dict[Key, None] = {}
        self.fees: dict[str, Fees] = {}
        self.order_windows = Windows()
        self.throttle = Throttle(engine, self.limits)
        # When a session last entered (book, side, quantity, price), oldest first.
        self._alike: dict[int, dict[tuple[int, int, int, int], int]] = {}
        # Sessions that may have orders, and those of them that may have some that name an account: found in the books
        # when first needed, then kept up by `check`. What is made of them is exact, so they are not state.
        self._sessions: dict[int, Session] | None = None
        self._mixed: dict[int, None] = {}
        self.active = False
        self.throttling = False

    # --------------------------------------------------------------------------------------------- judging
    def check(self, entry: Entry) -> Refusal | None:
        """``check`` above, for what is set here."""
        keys = scopes_of(self._engine.name, entry.session, entry.account, entry.book)
        for key in keys:
            if key in self.killed:
                return REJECT_KILLED, f"the kill switch is on for {key[0]} {key[1]}"
        rows = [(scope, name, self.limits[scope, name]) for scope, name in keys if (scope, name) in self.limits]
        for rule, reason, judge in JUDGED:
            for scope, name, row in rows:
                limit = row.get(rule)
                if limit is not None:
                    found = judge(self, entry, scope, name, limit)
                    if found:
                        value = shorten(shown(rule, limit), LIMIT_SHOWN_MAX)
                        return reason, f"{rule} is {value} for {scope} {name}: {found}"[:SHORT_TEXT_MAX]
        self._remember(entry, rows)
        return None

    def _remember(self, entry: Entry, rows: list[tuple[str, str, dict[str, Any]]]) -> None:
        """Count an order that may come in."""
        if self._sessions is not None:
            self._meet(entry.session, entry.terms)
        window_ms = 0
        for scope, name, row in rows:
            if "orders_per_second" in row:
                self.order_windows.count((scope, name), entry.time_ns)
            window_ms = max(window_ms, row.get("duplicate_window_ms", 0))
        if window_ms and counts_as_repeated(entry):
            alike = self._alike.setdefault(entry.session.number, {})
            oldest = entry.time_ns - window_ms * MS_NS
            for key in [key for key, time_ns in alike.items() if time_ns <= oldest]:
                del alike[key]
            key = _details(entry)
            alike.pop(key, None)
            alike[key] = entry.time_ns

    def last_alike(self, entry: Entry) -> int:
        """When the session last entered an order like this one, 0 for never."""
        if not counts_as_repeated(entry):
            return 0
        return self._alike.get(entry.session.number, {}).get(_details(entry), 0)

    def open_orders(self, entry: Entry, scope: str, name: str) -> int:
        """How many orders of a scope are open."""
        if scope == "session":
            return len(entry.session.live)
        if scope == "book":
            return count_live(entry.book)
        if scope == "account":
            return sum(len(orders) for orders in self.orders_of(name))
        return sum(len(each.live) for each in self._met() if scope == "engine" or each.firm == name)

    def orders_of(self, account: str) -> Iterator[Collection[Order]]:
        """The live orders of an account, session by session. Nothing is looked through that needs not be."""
        for session in self._met():
            if session.number in self._mixed:
                yield [order for order in session.live.values() if account_of(order) == account]
            elif session.account == account:
                yield session.live.values()

    def _met(self) -> Collection[Session]:
        if self._sessions is None:
            self._sessions = {}
            for book in self._engine.symbols.values():
                for order in live_orders(book):
                    self._meet(order[SESSION], order[TERMS])
        return self._sessions.values()

    def _meet(self, session: Session, terms: Terms | None) -> None:
        assert self._sessions is not None
        self._sessions[session.number] = session
        if terms is not None and terms.account:
            self._mixed[session.number] = None

    # --------------------------------------------------------------------------------------------- messages
    def admit_message(self, session: Session, command: Command, time_ns: int) -> str:
        """NOW: the message is to be handled; QUEUED: it waits; REFUSED: it has been answered and is done with."""
        return self.throttle.admit(session, command, time_ns)

    def flush(self, session: Session, why: str) -> None:
        """Refuse whatever the throttle holds back of a session."""
        self.throttle.flush(session, why)
        self.refresh()

    # --------------------------------------------------------------------------------------------- setting
    def set_limit(self, scope: str, name: str, rule: str, value: Any) -> Row:
        """Set one limit; it holds from the next message on. Raises VerbError; answers with its row of ``rows``."""
        key = self._key(scope, name)
        found = RULES.get(rule)
        if found is None:
            raise VerbError("bad_argument", "rule", f"there is no rule {rule!r}; there are: {', '.join(RULES)}")
        if scope not in found.scopes:
            text = f"{rule} cannot be set for a {scope}: it is for {', '.join(found.scopes)}"
            raise VerbError("bad_argument", "scope", text)
        value = convert(found.value, value, rule)
        if rule == "restricted":
            value = " ".join(sorted(set(value.split())))
        if key not in self.limits and len(self.limits) >= SCOPES_MAX:
            raise VerbError("limit", "name", f"{SCOPES_MAX} scopes have limits, which is the most there may be")
        self.limits.setdefault(key, {})[rule] = value
        self.refresh()
        return self._row(scope, name, rule, shown(rule, value))

    def clear_limit(self, scope: str, name: str, rule: str) -> Row:
        """Take one limit away. Raises VerbError when it is not set."""
        key = self._key(scope, name)
        row = self.limits.get(key, {})
        if rule not in row:
            raise VerbError("unknown_name", "rule", f"{scope} {name} has no limit {rule!r}")
        value = row.pop(rule)
        if not row:
            del self.limits[key]
        if rule == "messages_per_second":
            self.throttle.windows.forget(key)
        if rule == "orders_per_second":
            self.order_windows.forget(key)
        if not any("duplicate_window_ms" in each for each in self.limits.values()):
            self._alike.clear()
        self.refresh()
        return self._row(scope, name, rule, shown(rule, value))

    def kill(self, scope: str, name: str) -> int:
        """Let no order of a scope in any more, and cancel those that are there; returns how many. Raises VerbError."""
        self.killed[self._key(scope, name)] = None
        self.refresh()
        return self._sweep(scope, name)

    def _sweep(self, scope: str, name: str) -> int:
        """Cancel the orders of a killed scope."""
        engine = self._engine
        if scope == "firm":
            return cancel_where(engine, firm=name, reason=CANCEL_KILL)
        if scope == "account":
            return cancel_where(engine, account=name, reason=CANCEL_KILL)
        if scope == "book":
            return cancel_where(engine, book=self._book(name), reason=CANCEL_KILL)
        found = select(engine, None, None, None, None, 0, 0, PRICE_MAX)
        return cancel_all([o for o in found if scope == "engine" or str(o[SESSION].number) == name], CANCEL_KILL)

    def begin_day(self) -> None:
        """Orders that have outlived the last day, and were killed in between, are cancelled now that it can be told."""
        for scope, name in self.killed:
            self._sweep(scope, name)

    def revive(self, scope: str, name: str) -> None:
        """Let orders of a scope in again. Raises VerbError when it is not killed."""
        key = self._key(scope, name)
        if key not in self.killed:
            raise VerbError("wrong_state", "name", f"the kill switch is not on for {scope} {name}")
        del self.killed[key]
        self.refresh()

    def set_fee(self, firm: str, maker_fee: Any, taker_fee: Any, maker_fee_ppm: int = 0, taker_fee_ppm: int = 0) -> Row:
        """Give a firm fees of its own, in place of those of every book of the engine. Raises VerbError."""
        given = zip(FEE_FIELDS, (maker_fee, taker_fee, maker_fee_ppm, taker_fee_ppm), strict=True)
        rates = {field: convert(BOOK_PROPERTIES[field], value, "set_fee") for field, value in given}
        maker = Rate(rates["maker_fee"], rates["maker_fee_ppm"])
        self.fees[firm] = Fees(maker, Rate(rates["taker_fee"], rates["taker_fee_ppm"]))
        self.refresh()
        return self._fee_row(firm, self.fees[firm])

    def clear_fee(self, firm: str) -> None:
        """Have a firm pay the books' fees again. Raises VerbError when it does."""
        if firm not in self.fees:
            raise VerbError("unknown_name", "firm", f"firm {firm!r} has no fees of its own")
        del self.fees[firm]
        self.refresh()

    def forget_book(self, name: str) -> None:
        """A book is gone: so are its limits."""
        self.limits.pop(("book", name), None)
        self.killed.pop(("book", name), None)
        self.order_windows.forget(("book", name))
        self.refresh()

    def refresh(self) -> None:
        """Work out whether there is anything to guard; the books of the engine follow."""
        from openoutcry.matcher import trading

        active = bool(self.limits or self.killed or self.fees or len(self.throttle.queues))
        rates = any("messages_per_second" in row for row in self.limits.values())
        self.throttling = bool(rates or len(self.throttle.queues))
        self._engine.look()
        if active != self.active:
            self.active = active
            self._sessions, self._mixed = None, {}
            for book in self._engine.symbols.values():
                trading.refresh(book)

    def _key(self, scope: str, name: str) -> Key:
        """A scope, checked as far as it can be: firms and accounts are known by what orders say."""
        if scope not in SCOPES:
            raise VerbError("bad_argument", "scope", f"scope is {scope!r}, it must be one of: {', '.join(SCOPES)}")
        if scope == "engine" and name != self._engine.name:
            raise VerbError("unknown_name", "name", f"engine {name!r} is not engine {self._engine.name!r}")
        if scope == "book":
            self._book(name)
        if scope == "session" and not (name.isdecimal() and name == str(int(name))):
            raise VerbError("bad_argument", "name", f"name is {name!r}, it must be the number of a session")
        return scope, name

    def _book(self, name: str) -> Book:
        for book in self._engine.symbols.values():
            if book.name == name:
                return book
        raise VerbError("unknown_name", "name", f"engine {self._engine.name!r} has no book {name!r}")

    # --------------------------------------------------------------------------------------------- looking
    def rows(self) -> list[Row]:
        """Everything that is set, for `list limits`: scope by scope, kill switches as the rule `kill`."""
        found = [self._row(scope, name, rule, shown(rule, row[rule]))
                 for (scope, name), row in self._sorted() for rule in RULES if rule in row]  # fmt: skip
        return [*found, *(self._row(scope, name, "kill", "on") for scope, name in sorted(self.killed))]

    def fee_rows(self) -> list[Row]:
        """The firms that have fees of their own."""
        return [self._fee_row(firm, rates) for firm, rates in sorted(self.fees.items())]

    def _row(self, scope: str, name: str, rule: str, value: str) -> Row:
        return {"engine": self._engine.name, "scope": scope, "name": name, "rule": rule, "value": value}

    def _fee_row(self, firm: str, rates: Fees) -> Row:
        maker, taker = rates.maker, rates.taker
        return {
            "engine": self._engine.name, "firm": firm, "maker_fee": price_text(maker.per_share),
            "taker_fee": price_text(taker.per_share), "maker_fee_ppm": maker.ppm, "taker_fee_ppm": taker.ppm,
        }  # fmt: skip

    def _sorted(self) -> list[tuple[Key, dict[str, Any]]]:
        return sorted(self.limits.items(), key=lambda item: (SCOPES.index(item[0][0]), item[0][1]))

    # --------------------------------------------------------------------------------------------- state
    def dump(self) -> tuple[Any, ...]:
        """For a snapshot."""
        return (
            tuple((*key, tuple(sorted(row.items()))) for key, row in sorted(self.limits.items())),
            tuple(sorted(self.killed)),
            tuple((firm, rates.maker[:2], rates.taker[:2]) for firm, rates in sorted(self.fees.items())),
            self.throttle.windows.dump(),
            self.order_windows.dump(),
            tuple((number, tuple((*key, time_ns) for key, time_ns in rows.items()))
                  for number, rows in sorted(self._alike.items())),
            self.throttle.queues.dump(),
        )  # fmt: skip

    def load(self, row: tuple[Any, ...]) -> None:
        """The reverse of ``dump``, once the engine has its books."""
        limits, killed, fees, messages, orders, alike, queues = row
        self.limits.update(((scope, name), dict(rules)) for scope, name, rules in limits)
        self.killed = dict.fromkeys(killed)
        self.fees = {firm: Fees(Rate(*maker), Rate(*taker)) for firm, maker, taker in fees}
        self.throttle.windows.load(messages)
        self.order_windows.load(orders)
        self._alike = {number: {tuple(each[:-1]): each[-1] for each in rows} for number, rows in alike}
        self.throttle.queues.load(queues)
        self.refresh()


def shorten(text: str, most: int) -> str:
    """A text of at most that many characters."""
    return text if len(text) <= most else text[: most - 3] + "..."


def counts_as_repeated(entry: Entry) -> bool:
    """Replacements and quotes repeat themselves rightly."""
    return entry.previous is None and not (entry.terms is not None and entry.terms.quote)


def _details(entry: Entry) -> tuple[int, int, int, int]:
    return entry.book.number, entry.side, entry.quantity, entry.price


# ------------------------------------------------------------------------------------------------- the machine's side
def guard_of(machine: Machine, engine: Engine) -> Guard:
    """An engine's guard, made when it is first asked for."""
    if engine.guard is None:
        engine.guard = Guard(engine)
    return engine.guard


def due(machine: Machine, item: tuple[Any, ...]) -> None:
    """A "throttle" of the schedule: (kind, engine, session): more of what waits may come through."""
    engine = machine.engines.get(item[1])
    session = machine.sessions.get(item[2])
    guard = engine.guard if engine is not None else None
    if guard is None:
        return
    if session is None:
        guard.throttle.queues.take_all(item[2])
    else:
        guard.throttle.release(machine, session)
    guard.refresh()
