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

What policies do to what clients are told is in openoutcry.matcher.shaping; engines without books have stages of their
own kinds: openoutcry.matcher.messagestage where messages are dictionaries, openoutcry.matcher.echostage where they come
back. How a stage is made, started and stopped is in openoutcry.matcher.staging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from openoutcry.matcher import entry, house, refusing, trading
from openoutcry.matcher.held import Request, is_used, tokens_of
from openoutcry.matcher.judging import Refusal
from openoutcry.matcher.orders import OPEN, SESSION, TOKEN, Order
from openoutcry.matcher.shaping import Answers
from openoutcry.matcher.treatment import COPIES_MAX, SILENCE, Treatment
from openoutcry.wire import (
    AGAIN,
    ASK,
    ECHO,
    REFUSE,
    REJECT_CLOSED,
    REJECT_HALTED,
    REJECT_LIMIT,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from openoutcry.matcher.book import Book
    from openoutcry.matcher.desk import Desk
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.installed import Installed
    from openoutcry.matcher.sessions import Session

Command = tuple[Any, ...]
HOUSE: Final = "house"  # name of the desk that is the other side
REQUESTS_MAX: int = 10_000  # messages of an engine that wait: more is a test that does not look
PASSING: Final = frozenset((AGAIN, ASK, REFUSE, ECHO))  # what bears no decision


class Task(NamedTuple):
    """What a policy will do about an order. data: the policy's own."""

    policy: int
    session: int
    token: bytes
    data: tuple[int, ...]


class Stage:
    """See the module."""

    __slots__ = (
        "_copies", "_tasks", "_tasks_of", "_wakes", "answers", "at_once", "ended", "engine", "house", "moment", "own",
        "policies", "requests", "stopped",
    )  # fmt: skip

    def __init__(self, engine: Engine, desk: Desk | None) -> None:
        self.engine = engine
        self.house = desk  # None where there are no orders
        self.own: set[int] = {desk.number} if desk is not None else set()  # sessions whose orders no policy acts on
        self.stopped = False
        self.moment = self.at_once = 0  # the present input, and how often in it policies wanted more at once
        self._copies = 0  # of the message that is being dealt with
        self.answers = Answers(self)
        self.requests: dict[int, Request] = {}
        self.policies: dict[str, Installed] = {}
        self._tasks: dict[int, Task] = {}
        self._tasks_of: dict[tuple[int, bytes], list[int]] = {}
        self._wakes: dict[int, int] = {}  # numbers of policies that want to be woken, by the number in the schedule
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
        if command[0] not in PASSING and not is_used(session, command):
            if self.stopped:
                return self.refuse(session, command, (REJECT_HALTED, f"engine {self.engine.name} is stopped"))
            return self._meet_policies(session, command, time_ns, 0)
        return self.carry_out(session, command, time_ns)

    def _meet_policies(self, session: Session, command: Command, time_ns: int, after: int) -> bool:
        """Show a message to the policies that come after number `after`, and then to the hand or the books.

        Those that were to wait until it had passed go on after it.
        """
        if not after:
            self._copies = 0
        passed: list[Request] = []
        handled = self._meet(session, command, time_ns, after, passed)
        for request in passed:
            self._go_on(request)
        return handled

    def _meet(self, session: Session, command: Command, time_ns: int, after: int, passed: list[Request]) -> bool:
        for policy in list(self.policies.values()):
            if policy.number <= after:
                continue
            done = policy.meets(session, command)
            if done.held_ns:
                return self._wait(session, command, policy.number, done.held_ns, done.behind)
            if policy.reorders:
                passed += self._overtake(session, policy.number)
            if done.refusal == SILENCE:
                return False
            if done.refusal is not None:
                return self.refuse(session, command, done.refusal)
            if done.copies:
                handled = self._meet(session, command, time_ns, policy.number, passed)
                self._repeat(session, command, policy.number, done)
                return handled
        if self.engine.by_hand:
            return self._wait(session, command)
        return self.carry_out(session, command, time_ns)

    def _overtake(self, session: Session, policy: int) -> list[Request]:
        """A message passes those of its session that a policy holds back: those that it was the last to pass."""
        found = []
        for number, each in list(self.requests.items()):
            if each.policy == policy and each.session is session and each.behind:
                if each.behind == 1:
                    found.append(self.pick(number))
                else:
                    self.requests[number] = each._replace(behind=each.behind - 1)
        return found

    def _repeat(self, session: Session, command: Command, policy: int, done: Treatment) -> None:
        """A message comes again, now or later; its protocol knows what becomes of that."""
        for place in range(1, done.copies + 1):
            if self._copies >= COPIES_MAX:
                return
            self._copies += 1
            if done.apart_ns:
                self._wait(session, command, policy, done.apart_ns * place, copy=True)
            else:
                self._come(session, command, policy)

    def _come(self, session: Session, command: Command, policy: int) -> None:
        """A message that was on its way goes on behind a policy, unless the engine has been stopped by now."""
        time_ns = self.engine.numbers.time_ns
        if is_used(session, command):
            self.carry_out(session, command, time_ns)
        elif self.stopped:
            self.refuse(session, command, (REJECT_HALTED, f"engine {self.engine.name} is stopped"))
        else:
            self._meet_policies(session, command, time_ns, policy)

    def _go_on(self, request: Request) -> None:
        """A message that was held goes on, if its session is still there to be told what comes of it."""
        self._copies = 0
        if request.session.owner is not None and request.session.day == request.day:
            self._come(request.session, request.command, request.policy)

    def carry_out(self, session: Session, command: Command, time_ns: int) -> bool:
        """Hand a message to the books, and do what policies want done after it."""
        if self.answers.places.watching:
            self.answers.places.note(session, command)
        handled = entry.HANDLERS[command[0]](session, command, time_ns)
        while self.ended:
            book, why = self.ended.pop()
            if not book.halted:
                self.engine.halt(book, True, why)
        return handled

    def refuse(self, session: Session, command: Command, refusal: Refusal) -> bool:
        """Refuse a message as its protocol knows it; always answered, if the protocol has an answer."""
        if self.answers.places.watching:
            self.answers.places.note(session, command)
        return refusing.refuse(session, command, refusal) or refusing.keep(session, command, refusal)

    def _wait(
        self, session: Session, command: Command, policy: int = 0, ns: int = 0, behind: int = 0, copy: bool = False
    ) -> bool:  # fmt: skip
        """Keep a message, for the hand or for so long."""
        if len(self.requests) >= REQUESTS_MAX:
            text = f"{REQUESTS_MAX} requests are waiting already"
            return copy or self.refuse(session, command, (REJECT_LIMIT, text))
        if not copy:
            for token in tokens_of(session, command):
                session.tokens[token] = None
        number = self.number()
        self.requests[number] = Request(number, session, session.day, command, policy, behind, copy)
        if policy:
            self.engine.schedule.add(self.engine.numbers.time_ns + ns, "policy", self.engine.name, number)
        return True

    def waiting(self) -> dict[int, Request]:
        """What waits for the hand."""
        return {number: request for number, request in self.requests.items() if not request.policy}

    def pick(self, number: int) -> Request:
        """Take a request out; its tokens are free again."""
        request = self.requests.pop(number)
        if not request.copy:
            for token in tokens_of(request.session, request.command):
                request.session.tokens.pop(token, None)
        return request

    def holds_back(self, session: Session, policy: int) -> bool:
        """Whether a policy holds a message of a session until others have passed."""
        return any(r.policy == policy and r.session is session and r.behind for r in self.requests.values())

    def flush(self, session: Session | None, why: str) -> None:
        """Refuse whatever waits of a session, or (None) of all."""
        for number in [n for n, each in self.requests.items() if session in (None, each.session)]:
            request = self.pick(number)
            live = request.session.owner is not None and request.session.day == request.day
            if live and not request.copy:
                self.refuse(request.session, request.command, (REJECT_CLOSED, why))
        self.rest()

    def end_day(self, sessions: Iterable[Session]) -> None:
        """The sessions' streams are about to end: what waits is refused, as long as they can be told."""
        self.flush(None, "the day has ended")
        self.answers.release()
        live = {(session.number, token) for session in sessions for token in session.live}
        for number in [n for n, task in self._tasks.items() if (task.session, task.token) not in live]:
            self._drop(number)

    def is_busy_with(self, session: Session) -> bool:
        """Whether a message of a session waits, or an answer to it."""
        return self.answers.holds(session) or any(each.session is session for each in self.requests.values())

    def forget(self, session: Session) -> None:
        """A session is gone."""
        for number in [n for n, each in self.requests.items() if each.session is session]:
            del self.requests[number]
        self.answers.forget(session)
        for number in [n for n, task in self._tasks.items() if task.session == session.number]:
            self._drop(number)
        self.rest()

    # --------------------------------------------------------------------------------------------- orders
    def accepted(self, order: Order) -> None:
        """A new order was accepted, and is about to meet the market."""
        if order[SESSION].number in self.own:
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
        """Execute so much of a live order against the house (openoutcry.matcher.house); the numbers of the matches."""
        assert self.house is not None
        return house.fill(self.house, order, quantity, price)

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

    def wake(self, policy: int, ns: int) -> None:
        """Have a policy woken."""
        number = self.number()
        self._wakes[number] = policy
        self.engine.schedule.add(self.engine.numbers.time_ns + ns, "policy", self.engine.name, number)

    def _policy(self, number: int) -> Installed | None:
        return next((each for each in self.policies.values() if each.number == number), None)

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
            self._go_on(self.pick(number))
            self.rest()
            return
        sleeper = self._policy(self._wakes.pop(number, 0))
        if sleeper is not None:
            sleeper.woken()
            return
        task = self._drop(number)
        session = sessions.get(task.session) if task is not None else None
        if task is None or session is None or session.owner is None:
            return
        policy = self._policy(task.policy)
        order = session.live.get(task.token)
        if policy is not None and order is not None:
            policy.due(order, task.data)

    # --------------------------------------------------------------------------------------------- state
    @property
    def needed(self) -> bool:
        """Whether the engine needs a stage at all."""
        return bool(self.engine.by_hand or self.stopped or self.policies or self.requests or self.answers.held)

    def dump(self) -> tuple[Any, ...]:
        """For a snapshot."""
        return (
            self.stopped,
            tuple((r.number, r.session.number, *r[2:]) for r in self.requests.values()),
            tuple(policy.dump() for policy in self.policies.values()),
            tuple((number, *task) for number, task in self._tasks.items()),
            self.answers.dump(),
            tuple(self._wakes.items()),
        )

    def load(self, row: tuple[Any, ...], sessions: Mapping[int, Session]) -> None:
        """The reverse of ``dump``."""
        from openoutcry.matcher.installed import restore

        self.stopped, requests, installed, tasks, answers, wakes = row
        self._wakes = dict(wakes)
        self.requests = {
            number: Request(number, sessions[session], *rest) for number, session, *rest in requests
        }  # fmt: skip
        self.answers.load(answers, sessions)
        for each in installed:
            policy = restore(self, each, sessions)
            self.policies[policy.name] = policy
        for number, policy_number, session, token, data in tasks:
            self._add(number, Task(policy_number, session, token, data))


def refresh(engine: Engine) -> None:
    """Take the stage away when it is not needed any more; the books follow."""
    if engine.stage is not None and not engine.stage.needed:
        engine.stage = None
    engine.look()
    for book in engine.symbols.values():
        trading.refresh(book)
