"""How many messages come in a second, and what is kept back of them.

Rule 1. In no second are more than the limit let through: a window remembers when each of the last came, and the next
        one comes through as soon as the one `limit` before it is a second old.
Rule 2. A message that is refused is not counted, so that nobody locks himself out by trying.
Rule 3. While one message of a session waits all its later ones wait behind it: nothing overtakes.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from openoutcry.matcher.limits import QUEUE, REJECT, Key, scopes_of
from openoutcry.matcher.sessions import Session
from openoutcry.wire import AGAIN, ECHO, REJECT_THROTTLE, SHORT_TEXT_MAX

if TYPE_CHECKING:
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.machine import Machine

NOW: Final = "now"
QUEUED: Final = "queued"
REFUSED: Final = "refused"
SECOND_NS: Final = 1_000_000_000
QUEUE_MAX: Final = 1_000  # messages of a session that may wait

Command = tuple[Any, ...]


class Windows:
    """The last second's messages, by scope and name."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: dict[Key, deque[int]] = {}

    def wait_ns(self, key: Key, limit: int, time_ns: int) -> int:
        """0 when one more may come now, else the time at which it may."""
        times = self._times.get(key)
        if times is None:
            return 0
        while times and times[0] <= time_ns - SECOND_NS:
            times.popleft()
        return times[-limit] + SECOND_NS if len(times) >= limit else 0

    def count(self, key: Key, time_ns: int) -> None:
        """One more has come."""
        self._times.setdefault(key, deque()).append(time_ns)

    def forget(self, key: Key) -> None:
        """Drop what is known about a scope."""
        self._times.pop(key, None)

    def dump(self) -> tuple[Any, ...]:
        """For a snapshot."""
        return tuple((*key, tuple(times)) for key, times in sorted(self._times.items()))

    def load(self, rows: tuple[Any, ...]) -> None:
        """The reverse of ``dump``."""
        self._times = {(scope, name): deque(times) for scope, name, times in rows}


class Queues:
    """The messages that wait, by session, each with the day in which it came: what a day leaves behind is dropped."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[int, deque[tuple[int, Command]]] = {}

    def __contains__(self, session: int) -> bool:
        return session in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, session: int, day: int, command: Command) -> bool:
        """Have a message wait behind those that do; False when there are too many."""
        queue = self._waiting.setdefault(session, deque())
        if len(queue) >= QUEUE_MAX:
            return False
        queue.append((day, command))
        return True

    def take(self, session: int) -> tuple[int, Command]:
        """The next message of a session, which must have one, with its day."""
        queue = self._waiting[session]
        item = queue.popleft()
        if not queue:
            del self._waiting[session]
        return item

    def take_all(self, session: int) -> list[tuple[int, Command]]:
        """Every message of a session."""
        return list(self._waiting.pop(session, ()))

    def dump(self) -> tuple[Any, ...]:
        """For a snapshot."""
        return tuple((session, tuple(queue)) for session, queue in sorted(self._waiting.items()))

    def load(self, rows: tuple[Any, ...]) -> None:
        """The reverse of ``dump``."""
        self._waiting = {session: deque(queue) for session, queue in rows}


class Throttle:
    """What an engine does about messages_per_second. limits: the guard's own, by scope and name, then by rule."""

    __slots__ = ("_engine", "_limits", "queues", "windows")

    def __init__(self, engine: Engine, limits: dict[Key, dict[str, Any]]) -> None:
        self._engine = engine
        self._limits = limits
        self.windows = Windows()
        self.queues = Queues()

    def admit(self, session: Session, command: Command, time_ns: int) -> str:
        """``Guard.admit_message``."""
        if session.number in self.queues:
            return self._put(session, command)
        if command[0] == AGAIN:  # it belongs to the message after it
            return NOW
        wait_ns, action, text = self._wait(session, time_ns)
        if not wait_ns:
            self._count(session, time_ns)
            return NOW
        if action == QUEUE:
            self._call_back(session, wait_ns)
            return self._put(session, command)
        return REFUSED if refusing.refuse(session, command, (REJECT_THROTTLE, text)) else NOW

    def _put(self, session: Session, command: Command) -> str:
        if session in session.endpoint.engine.numbers.again and command[0] != AGAIN:
            self.queues.put(session.number, session.day, (AGAIN, session.number))
        if self.queues.put(session.number, session.day, command):
            if command[0] == ECHO and self._engine.plugin is None:
                echoing.settle(session, command)  # what its session layer has to say does not wait for it
            return QUEUED
        text = f"messages_per_second: {QUEUE_MAX} messages are waiting already"
        refusal = (REJECT_THROTTLE, text)
        if not refusing.refuse(session, command, refusal):
            refusing.keep(session, command, refusal)
        return REFUSED

    def _wait(self, session: Session, time_ns: int) -> tuple[int, str, str]:
        """When the session's next message may come (0: now), what happens to it until then, and why."""
        latest, action, text = 0, QUEUE, ""
        for key in scopes_of(self._engine.name, session, session.account, None):
            row = self._limits.get(key)
            if row is None or "messages_per_second" not in row:
                continue
            limit = row["messages_per_second"]
            wait_ns = self.windows.wait_ns(key, limit, time_ns)
            if wait_ns:
                text = text or f"messages_per_second is {limit} for {key[0]} {key[1]}: {limit} in the last second"
                action = REJECT if row.get("throttle", REJECT) == REJECT else action
                latest = max(latest, wait_ns)
        return latest, action, text[:SHORT_TEXT_MAX]

    def _count(self, session: Session, time_ns: int) -> None:
        for key in scopes_of(self._engine.name, session, session.account, None):
            if "messages_per_second" in self._limits.get(key, ()):
                self.windows.count(key, time_ns)

    def _call_back(self, session: Session, time_ns: int) -> None:
        self._engine.schedule.add(time_ns, "throttle", self._engine.name, session.number)

    def release(self, machine: Machine, session: Session) -> None:
        """Handle what waits of a session, as far as the limits allow now, one message after the other."""
        from openoutcry.matcher import requests, trading

        number, time_ns = session.number, machine.time_ns
        while number in self.queues:
            wait_ns = self._wait(session, time_ns)[0]
            if wait_ns:
                self._call_back(session, wait_ns)
                return
            day, command = self.queues.take(number)
            if session.owner is None or session.day != day:
                continue
            if command[0] != AGAIN:
                self._count(session, time_ns)
            if not requests.carry_out(session, command, time_ns):
                machine.counters["ignored_commands"] += 1
            trading.settle_all(machine.numbers)

    def flush(self, session: Session, why: str) -> None:
        """Refuse whatever waits of a session."""
        for day, command in self.queues.take_all(session.number):
            if session.owner is not None and session.day == day:
                refusing.refuse(session, command, (REJECT_THROTTLE, why))


# At the end, since it needs what is above.
from openoutcry.matcher import echoing, refusing  # noqa: E402  # they need what is above
