"""What stands between an engine's sessions and its books when it is to do what a test says, not what a market does.

An engine has a stage while one of these holds; else it has none, and pays nothing for it:

* it is of kind ``manual``: every message waits until somebody says what becomes of it (openoutcry.matcher.manual);
* it has policies, which act by themselves (openoutcry.matcher.policies, openoutcry.matcher.bots);
* it is stopped: every message is refused.

Rule 1. A message meets, in this order: the stop, the policies in the order in which they were added, the hand.
Rule 2. A message that waits has used its tokens up already, so one that comes twice waits once.
Rule 3. What trades with an order by hand, or by a policy, is the desk ``house`` of the engine: every match has two
        sides, and all that hangs on a match (positions, fees, the last trades, breaks) is as it always is.
Rule 4. Everything here is state, and a function of the inputs. What is to happen later is in the schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from openoutcry.errors import VerbError
from openoutcry.matcher import entry, placing, queries, refusing, trading
from openoutcry.matcher.book import shown_of
from openoutcry.matcher.configuration import Asker, find
from openoutcry.matcher.judging import Refusal
from openoutcry.matcher.matching import trade
from openoutcry.matcher.orders import BOOK, LEVEL, OPEN, PRICE, SESSION, SIDE, TERMS, TOKEN, Order
from openoutcry.matcher.terms import DARK, LIT, Terms
from openoutcry.wire import (
    AGAIN,
    ASK,
    BUY,
    CANCEL,
    CROSS,
    ECHO,
    FOK,
    LIMIT,
    MASS_CANCEL,
    MODIFY,
    PRICE_MAX,
    QUOTE,
    REFUSE,
    REJECT_CLOSED,
    REJECT_HALTED,
    REJECT_LIMIT,
    RESTATED_REPLENISHED,
    SELL,
    WITHDRAW,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from openoutcry.matcher.book import Book
    from openoutcry.matcher.desk import Desk
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.policies import Installed
    from openoutcry.matcher.sessions import Session

Command = tuple[Any, ...]
HOUSE: Final = "house"  # name of the desk that is the other side
REQUESTS_MAX: int = 10_000  # messages of an engine that wait: more is a test that does not look
SILENCE: Final[Refusal] = (0, "")  # instead of a refusal: the message is lost
PASSING: Final = frozenset((AGAIN, ASK, REFUSE, ECHO))  # what bears no decision


class Request(NamedTuple):
    """A message that waits. day: of its session, when it came. policy: who holds it, by number; 0: the hand."""

    number: int
    session: Session
    day: int
    command: Command
    policy: int


class Task(NamedTuple):
    """What a policy will do about an order. data: the policy's own."""

    policy: int
    session: int
    token: bytes
    data: tuple[int, ...]


class Stage:
    """See the module."""

    __slots__ = ("_tasks", "_tasks_of", "ended", "engine", "house", "policies", "requests", "stopped")

    def __init__(self, engine: Engine, house: Desk) -> None:
        self.engine = engine
        self.house = house
        self.stopped = False
        self.requests: dict[int, Request] = {}
        self.policies: dict[str, Installed] = {}
        self._tasks: dict[int, Task] = {}
        self._tasks_of: dict[tuple[int, bytes], list[int]] = {}
        self.ended: list[tuple[Book, str]] = []  # books to be halted once the present message is done with

    def number(self) -> int:
        """A number that was never given out before: of a request, a policy, a task."""
        return self.engine.schedule.ticket()

    def rest(self) -> None:
        """Something has gone: so does the stage, if it was the last."""
        if not self.needed and self.engine.stage is self:
            refresh(self.engine)

    # --------------------------------------------------------------------------------------------- messages
    def take(self, session: Session, command: Command, time_ns: int) -> bool:
        """Handle a session's message; False when it is ignored."""
        if command[0] not in PASSING and not _used(session, command):
            if self.stopped:
                return self.refuse(session, command, (REJECT_HALTED, f"engine {self.engine.name} is stopped"))
            return self._meet_policies(session, command, time_ns, 0)
        return self.carry_out(session, command, time_ns)

    def _meet_policies(self, session: Session, command: Command, time_ns: int, after: int) -> bool:
        """Show a message to the policies that come after number `after`, and then to the hand or the books."""
        for policy in list(self.policies.values()):
            if policy.number <= after:
                continue
            refusal, held_ns = policy.meets(session, command)
            if refusal == SILENCE:
                return False
            if refusal is not None:
                return self.refuse(session, command, refusal)
            if held_ns:
                return self._wait(session, command, policy.number, held_ns)
        if self.engine.by_hand:
            return self._wait(session, command)
        return self.carry_out(session, command, time_ns)

    def carry_out(self, session: Session, command: Command, time_ns: int) -> bool:
        """Hand a message to the books, and do what policies want done after it."""
        handled = entry.HANDLERS[command[0]](session, command, time_ns)
        while self.ended:
            book, why = self.ended.pop()
            if not book.halted:
                self.engine.halt(book, True, why)
        return handled

    def refuse(self, session: Session, command: Command, refusal: Refusal) -> bool:
        """Refuse a message as its protocol knows it; always answered, if the protocol has an answer."""
        return refusing.refuse(session, command, refusal) or refusing.keep(session, command, refusal)

    def _wait(self, session: Session, command: Command, policy: int = 0, ns: int = 0) -> bool:
        """Keep a message, for the hand or for so long."""
        if len(self.requests) >= REQUESTS_MAX:
            text = f"{REQUESTS_MAX} requests are waiting already"
            return self.refuse(session, command, (REJECT_LIMIT, text))
        for token in tokens_of(session, command):
            session.tokens[token] = None
        number = self.number()
        self.requests[number] = Request(number, session, session.day, command, policy)
        if policy:
            self.engine.schedule.add(self.engine.numbers.time_ns + ns, "policy", self.engine.name, number)
        return True

    def waiting(self) -> dict[int, Request]:
        """What waits for the hand."""
        return {number: request for number, request in self.requests.items() if not request.policy}

    def pick(self, number: int) -> Request:
        """Take a request out; its tokens are free again."""
        request = self.requests.pop(number)
        for token in tokens_of(request.session, request.command):
            request.session.tokens.pop(token, None)
        return request

    def flush(self, session: Session | None, why: str) -> None:
        """Refuse whatever waits of a session, or (None) of all."""
        for number in [n for n, each in self.requests.items() if session in (None, each.session)]:
            request = self.pick(number)
            if request.session.owner is not None and request.session.day == request.day:
                self.refuse(request.session, request.command, (REJECT_CLOSED, why))
        self.rest()

    def end_day(self, sessions: Iterable[Session]) -> None:
        """The sessions' streams are about to end: what waits is refused, as long as they can be told."""
        self.flush(None, "the day has ended")
        live = {(session.number, token) for session in sessions for token in session.live}
        for number in [n for n, task in self._tasks.items() if (task.session, task.token) not in live]:
            self._drop(number)

    def forget(self, session: Session) -> None:
        """A session is gone."""
        for number in [n for n, each in self.requests.items() if each.session is session]:
            del self.requests[number]
        for number in [n for n, task in self._tasks.items() if task.session == session.number]:
            self._drop(number)
        self.rest()

    # --------------------------------------------------------------------------------------------- orders
    def accepted(self, order: Order) -> None:
        """A new order was accepted, and is about to meet the market."""
        if order[SESSION] is self.house:
            return
        for policy in list(self.policies.values()):
            if not order[OPEN]:
                return
            policy.accepted(order)

    def renamed(self, session: Session, token: bytes, new_token: bytes) -> None:
        """An order was replaced: what is in mind for it is for the new one."""
        found = self._tasks_of.pop((session.number, token), None)
        if found:
            for number in found:
                self._tasks[number] = self._tasks[number]._replace(token=new_token)
            self._tasks_of[session.number, new_token] = found

    def fill(self, order: Order, quantity: int, price: int) -> list[int]:
        """Execute so much of a live order against the house, wherever it waits; returns the numbers of the matches.

        One that has no place yet, since it has just been accepted, takes; any other adds. quantity: 1 to what is open.
        """
        if self.house.owner is None:
            self.house.begin_day()
        book = order[BOOK]
        placing.touch(book)
        matches = []
        quantity = min(quantity, order[OPEN])
        while quantity > 0 and 0 < price <= PRICE_MAX:
            part = min(quantity, shown_of(order)) if _lit(order) else quantity
            self._fill(order, part, price)
            matches.append(book.numbers.match)
            quantity -= part
        return matches

    def _fill(self, order: Order, quantity: int, price: int) -> None:
        """One match with the house."""
        book, house, terms = order[BOOK], self.house, order[TERMS]
        token = b"H%d" % (book.numbers.order + 1)
        side = SELL if order[SIDE] == BUY else BUY
        taking = order[LEVEL] is None and (terms is None or terms.where == LIT)
        waiting = Terms(LIMIT)
        waiting.where = DARK  # nobody has seen it
        contra = [quantity, price, side, 0, house, token, 0, FOK, 0, b"", book, None, waiting if taking else None]
        placing.accept(contra)
        if taking:
            trade(book, order, contra, quantity, price)
        else:
            trade(book, contra, order, quantity, price)
            _tidy(order)
        house.tokens.pop(token, None)

    def cancel(self, order: Order, reason: int, leaves: int = 0) -> None:
        """Cancel a live order, or all but `leaves` of it, unasked."""
        if not leaves:
            trading.cancel(order, reason)
        elif leaves < order[OPEN]:
            trading.reduce(order, leaves, reason)

    # --------------------------------------------------------------------------------------------- later
    def later(self, policy: int, order: Order, ns: int, data: tuple[int, ...]) -> None:
        """Have a policy look at an order again."""
        number = self.number()
        task = Task(policy, order[SESSION].number, order[TOKEN], data)
        self._add(number, task)
        self.engine.schedule.add(self.engine.numbers.time_ns + ns, "policy", self.engine.name, number)

    def _add(self, number: int, task: Task) -> None:
        self._tasks[number] = task
        self._tasks_of.setdefault((task.session, task.token), []).append(number)

    def _drop(self, number: int) -> Task | None:
        task = self._tasks.pop(number, None)
        if task is not None:
            numbers = self._tasks_of[task.session, task.token]
            numbers.remove(number)
            if not numbers:
                del self._tasks_of[task.session, task.token]
        return task

    def due(self, number: int, sessions: Mapping[int, Session]) -> None:
        """The time of a held message has come, or of a task, which counts while its policy and its order are there."""
        if number in self.requests:
            request = self.pick(number)
            if request.session.owner is not None and request.session.day == request.day:
                self._meet_policies(request.session, request.command, self.engine.numbers.time_ns, request.policy)
            self.rest()
            return
        task = self._drop(number)
        session = sessions.get(task.session) if task is not None else None
        if task is None or session is None or session.owner is None:
            return
        policy = next((each for each in self.policies.values() if each.number == task.policy), None)
        order = session.live.get(task.token)
        if policy is not None and order is not None:
            policy.due(order, task.data)

    # --------------------------------------------------------------------------------------------- state
    @property
    def needed(self) -> bool:
        """Whether the engine needs a stage at all."""
        return bool(self.engine.by_hand or self.stopped or self.policies or self.requests)

    def dump(self) -> tuple[Any, ...]:
        """For a snapshot."""
        return (
            self.stopped,
            tuple((r.number, r.session.number, r.day, r.command, r.policy) for r in self.requests.values()),
            tuple(policy.dump() for policy in self.policies.values()),
            tuple((number, *task) for number, task in self._tasks.items()),
        )

    def load(self, row: tuple[Any, ...], sessions: Mapping[int, Session]) -> None:
        """The reverse of ``dump``."""
        from openoutcry.matcher import policies

        self.stopped, requests, installed, tasks = row
        self.requests = {
            number: Request(number, sessions[session], day, command, policy)
            for number, session, day, command, policy in requests
        }
        for each in installed:
            policy = policies.restore(self, each)
            self.policies[policy.name] = policy
        for number, policy_number, session, token, data in tasks:
            self._add(number, Task(policy_number, session, token, data))


# ------------------------------------------------------------------------------------------------- messages
def tokens_of(session: Session, command: Command) -> tuple[bytes, ...]:
    """The tokens that a message uses up."""
    kind = command[0]
    if kind in refusing.NEW_ORDERS or kind == QUOTE or (kind == MASS_CANCEL and session.answered):
        return (command[2],)
    if kind in refusing.REPLACEMENTS or kind == WITHDRAW:
        return (command[3],)
    return (command[2], command[3]) if kind == CROSS else ()


def _used(session: Session, command: Command) -> bool:
    """Whether a message has come before, or is about an order that never was: its handler knows what to say."""
    if any(token in session.tokens for token in tokens_of(session, command)):
        return True
    return command[0] in ABOUT_ORDERS and command[2] not in session.tokens


ABOUT_ORDERS: Final = frozenset((*refusing.REPLACEMENTS, CANCEL, MODIFY, WITHDRAW))


# ------------------------------------------------------------------------------------------------- places
def _lit(order: Order) -> bool:
    """Whether the market sees an order, or a part of it."""
    terms = order[TERMS]
    return order[LEVEL] is not None and (terms is None or terms.where == LIT)


def _tidy(order: Order) -> None:
    """Take a waiting order that is used up out of its place; let an iceberg show its next part."""
    if not order[OPEN]:
        placing.kill(order)
        return
    terms = order[TERMS]
    if terms is not None:
        terms.minimum = min(terms.minimum, order[OPEN])
        if _lit(order) and not shown_of(order):
            placing.restate(order, order[PRICE], RESTATED_REPLENISHED)


# ------------------------------------------------------------------------------------------------- the machine's side
def stage_of(machine: Machine, engine: Engine) -> Stage:
    """An engine's stage, made when it is first asked for. Raises VerbError when there can be no more desks."""
    from openoutcry.matcher import desk

    if engine.stage is None:
        engine.stage = Stage(engine, desk.home_of(machine, engine, HOUSE))
    return engine.stage


def refresh(engine: Engine) -> None:
    """Take the stage away when it is not needed any more; the books follow."""
    if engine.stage is not None and not engine.stage.needed:
        engine.stage = None
    engine.look()
    for book in engine.symbols.values():
        trading.refresh(book)


def due(machine: Machine, item: tuple[Any, ...]) -> None:
    """A "policy" of the schedule: (kind, engine, task)."""
    engine = machine.engines.get(item[1])
    if engine is not None and engine.stage is not None:
        engine.stage.due(item[2], machine.sessions)


def start_engine(machine: Machine, asker: Asker, engine: str) -> Any:
    """Let an engine take messages again."""
    return _run(machine, engine, True)


def stop_engine(machine: Machine, asker: Asker, engine: str) -> Any:
    """Have an engine refuse every message; its clock and its operators go on."""
    return _run(machine, engine, False)


def _run(machine: Machine, name: str, running: bool) -> Any:
    found = find(machine.engines, "engine", "engine", name)
    if (found.stage is None or not found.stage.stopped) == running:
        state = "runs already" if running else "is stopped already"
        raise VerbError("wrong_state", "engine", f"engine {name!r} {state}")
    stage_of(machine, found).stopped = not running
    refresh(found)
    return queries.engine_row(found)


HANDLERS: Final[dict[str, Callable[..., Any]]] = {"start_engine": start_engine, "stop_engine": stop_engine}
