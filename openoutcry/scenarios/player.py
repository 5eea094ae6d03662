"""Plays the steps of a scenario on an exchange, one by one, and collects what the clients get.

    player = Player(call, clients, pace=VIRTUAL)
    player.begin(begins_ns)
    done, came = player.step(Step(...))         the events since the last step
    for done, came in player.play(steps): ...   the same for many, several at once where that comes to the same
    came = player.end(ends)
    player.close()

call: carries out a control verb, as Exchange.call and ControlClient.call do; batch: makes a batch of them.

Rule 1. The next step is taken when the exchange has done what the last one asks for: when the events that are
        expected have come, or, where none are, when every gateway has been asked often enough (``Settling``)
        that whatever comes of it has come.
        Neighbours are taken at once when they are of one time, what is to come of them is known, and they are all
        messages of one client (whose connection keeps their order) or all verbs (whose batch does).
Rule 2. With pace VIRTUAL the exchange's clock stands still and is moved by the steps' times, so all that is due in
        between happens at its own time. REAL waits for the steps' times; NONE does not.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from openoutcry.control.plans import SPECIAL
from openoutcry.errors import ClientError, OpenOutcryError, VerbError
from openoutcry.parameters import duration_text
from openoutcry.scenarios import connections
from openoutcry.scenarios.connections import Connection, DeskConnection
from openoutcry.scenarios.model import CONNECT, DISCONNECT, LOGOUT, Client, Event, Message, ScenarioError, Step
from openoutcry.scenarios.settling import ROUNDS, VERB_ROUNDS, Call, MakeBatch, Settling
from openoutcry.scenarios.times import DAY_NS, later, moment_of, shifted

VIRTUAL: Final = "virtual"
REAL: Final = "real"
NONE: Final = "none"
PACES: Final = (VIRTUAL, REAL, NONE)
TIMEOUT_S: Final = 5.0  # how long what is expected is waited for
SETTLE_S: Final = 0.02  # for what still comes at the very end
TOGETHER_MAX: Final = 32  # steps that are taken at once: what comes of them fits into any socket's buffer
Taken = tuple[Step, list[Event]]


class Player:
    """See the module. expected: the events that are expected, to wait for. forgiving: of verbs that make what there is
    already."""

    def __init__(
        self, call: Call, clients: Mapping[str, Client], pace: str = VIRTUAL, expected: Iterable[Event] | None = None,
        timeout: float = TIMEOUT_S, forgiving: bool = False, batch: MakeBatch | None = None,
    ) -> None:  # fmt: skip
        self.call = call
        self._batch = batch
        self._settling = Settling(call, batch)
        self.clients = dict(clients)
        self.pace = pace
        self.number = 0  # of the step that was taken last
        self.at = 0  # and its time
        self.start_ns = 0  # the exchange's time at the beginning
        self.value: Any = None  # what the last verb answered
        self.shift_ns = 0  # by how much times of day that a step names are later than written
        self._expected = None if expected is None else sorted(expected, key=lambda event: (event.step, event.at))
        self._place = 0  # of the first of them that need not have come yet
        self._wanted: Counter[str] = Counter()  # how many of them each client should have by now
        self._newest: dict[str, int] = {}  # the step after which the last of these is expected
        self._first = 0  # of the steps that were taken at once, the last of which is `number`
        self._places: defaultdict[str, deque[int]] = defaultdict(deque)  # the steps of the events that are to come
        for event in self._expected or ():
            self._places[event.client].append(event.step)
        self._timeout = timeout
        self._forgiving = forgiving
        self._late = False  # something has not come in time
        self._missing: Counter[str] = Counter()  # events of each client that are not waited for any more
        self._began_s = 0.0
        self._stopped = False
        self._came: Counter[str] = Counter()
        self._connections: dict[str, Connection] = {
            name: DeskConnection(client, call) for name, client in self.clients.items() if client.desk
        }

    # --------------------------------------------------------------------------------------------- time
    def begin(self, begins_ns: int = 0) -> None:
        """Stop the clock, and go to the time of day of `begins_ns`, at that time or on a later day."""
        if self.pace == VIRTUAL and not self.call("clock")["stopped"]:
            self.call("stop_clock")
            self._stopped = True
        now_ns = self.call("clock")["time_ns"]
        if self.pace == VIRTUAL and begins_ns:
            target_ns = begins_ns if begins_ns >= now_ns else begins_ns - (begins_ns - now_ns) // DAY_NS * DAY_NS
            self._advance(target_ns - now_ns)
            now_ns, self.shift_ns = target_ns, target_ns - begins_ns
        elif begins_ns:
            self.shift_ns = now_ns - begins_ns
        self.start_ns = now_ns
        self._began_s = time.monotonic()

    def _advance(self, ns: int) -> None:
        while ns > 0:
            ns = self.call("advance_clock", duration_text(ns))["remaining_ns"]

    def _go_to(self, at: int) -> None:
        """The time of the next step."""
        if self.pace == VIRTUAL:
            self._advance(at - self.at)
        elif self.pace == REAL:
            time.sleep(max(0.0, self._began_s + at / 1e9 - time.monotonic()))
        self.at = max(self.at, at)

    def pass_to(self, at: int) -> list[Event]:
        """Let time pass until then; returns what came of it."""
        if at <= self.at:
            return []
        self._go_to(at)
        if self._expected is None:
            self._barrier(VERB_ROUNDS)
        return self._wait(self.number, at)

    # --------------------------------------------------------------------------------------------- steps
    def play(self, steps: Sequence[Step]) -> Iterator[Taken]:
        """Take all of them; yields what ``step`` returns for each. Raises as it does."""
        place = 0
        while place < len(steps):
            group = self._together(steps, place)
            place += len(group)
            taken, came = self._take(group)
            yield from ((step, []) for step in taken[:-1])
            yield taken[-1], came

    def _together(self, steps: Sequence[Step], place: int) -> Sequence[Step]:
        """The steps from there on that are taken at once."""
        first, last = steps[place], place + 1
        if self._expected is not None and not (first.verb and self._batch is None):
            while last < len(steps) and last - place < TOGETHER_MAX and _joins(first, steps[last]):
                last += 1
        return steps[place:last]

    def step(self, step: Step) -> Taken:
        """Take the next step. Returns it, with what became of it, and what came since the last one.

        Raises ScenarioError for one that cannot be taken, ClusterError, VerbError for arguments that are not in order.
        """
        (taken,), came = self._take([step])
        return taken, came

    def _take(self, group: Sequence[Step]) -> tuple[list[Step], list[Event]]:
        before = self.pass_to(group[0].at)
        self._first = self.number + 1
        group = [shifted(step, self.shift_ns) for step in group]
        refused = self._verbs(group) if group[0].verb else [self._next(step) for step in group]
        last = group[-1]
        due = self._due(self.number, last.at)
        answered = self._newest.get(last.client) == self.number and due[last.client] > self._came[last.client]
        if self._expected is None or not (last.verb or answered):
            self._barrier(VERB_ROUNDS if last.verb else ROUNDS)
        taken = [replace(step, refused=why) for step, why in zip(group, refused, strict=True)]
        return taken, before + self._wait(self.number, last.at)

    def end(self, ends: int = 0) -> list[Event]:
        """Wait for all that is expected, until the moment `ends`; returns what came."""
        if ends > self.at:
            self._go_to(ends)
        self._barrier()
        return self._wait(self.number, ends) + self._collect(SETTLE_S)

    def _verbs(self, steps: Sequence[Step]) -> list[str]:
        """How each was refused; "" for those that were not."""
        if len(steps) == 1 or self._batch is None:
            return [self._verb(step) for step in steps]
        with self._batch(raises=False) as batch:
            for step in steps:
                batch.call(step.verb, **step.arguments)
        refused = []
        for step, outcome in zip(steps, batch.results, strict=True):
            self.number += 1
            refused.append(self._refused(step, outcome.error) if outcome.error is not None else "")
        return refused

    def _verb(self, step: Step) -> str:
        self.number += 1
        try:
            self.value = self.call(step.verb, **step.arguments)
        except VerbError as error:
            return self._refused(step, error)
        return ""

    def _refused(self, step: Step, error: VerbError) -> str:
        if error.code in ("bad_argument", "unknown_verb") and step.refused != error.code:
            raise ScenarioError(f"step {self.number}: {error.text}") from None
        return "" if self._forgiving and error.code == "exists" else error.code

    def _next(self, step: Step) -> str:
        self.number += 1
        return self._act(step)

    def _act(self, step: Step) -> str:
        """What a client does."""
        try:
            if step.do == CONNECT:
                self._connect(step.client)
                return ""
            connection = self._connections.get(step.client)
            if step.do in (DISCONNECT, LOGOUT):
                if connection is not None and not connection.away:
                    connection.logout() if step.do == LOGOUT else connection.disconnect()
                return ""
            if connection is None or connection.away:
                connection = self._connect(step.client)
            if step.raw is not None:
                connection.send_raw(step.raw)
            else:
                connection.send(step.message or {})
            self._settling.sent(connection.client.endpoint)
        except VerbError as error:
            raise ScenarioError(f"step {self.number}: message: {error.text}") from None
        except ClientError as error:
            return str(error)
        return ""

    def _connect(self, name: str) -> Connection:
        connection = self._connections.get(name)
        if connection is not None:
            connection.reconnect()
            return connection
        client = self.clients[name]
        endpoint = next((row for row in self.call("list", "endpoints") if row["name"] == client.endpoint), None)
        if endpoint is None:
            raise ScenarioError(f"step {self.number}: client {name}: there is no endpoint {client.endpoint!r}")
        self._settling.connecting(client.endpoint)
        rows = self.call("list", "protocols")
        path = next((row["path"] for row in rows if row["name"] == endpoint["protocol"]), "")
        try:
            connection = self._connections[name] = connections.connect(client, endpoint, self._timeout, path)
        except ScenarioError as error:
            raise ScenarioError(f"step {self.number}: {error}") from None
        return connection

    # --------------------------------------------------------------------------------------------- waiting
    def _due(self, number: int, at: int) -> Counter[str]:
        """How many events each client should have by now: those of earlier steps, and of this one up to its time."""
        expected = self._expected or []
        while self._place < len(expected) and (
            expected[self._place].step < number
            or (expected[self._place].step == number and expected[self._place].at <= at)
        ):
            event = expected[self._place]
            self._wanted[event.client] += 1
            self._newest[event.client] = event.step
            self._place += 1
        return self._wanted

    def _wait(self, number: int, at: int) -> list[Event]:
        """What has come, once all that should has, or the time is over."""
        found = self._collect(0.0)
        late = [name for name, count in self._due(number, at).items() if self._lacks(name, count)]
        if late and self._late:  # it has been waited for once: from now on what has come after all questions is all
            self._barrier()
            found += self._collect(0.0)
        for name in late:
            until = time.monotonic() + (0.0 if self._late else self._timeout)
            while self._lacks(name, self._wanted[name]) and (left := until - time.monotonic()) > 0:
                found += self._taken(name, self._connections[name], left)
            if self._lacks(name, self._wanted[name]):
                self._late = True
                self._missing[name] = self._wanted[name] - self._came[name]
        return found

    def _lacks(self, name: str, count: int) -> bool:
        """Whether a client that is there has got less than that, but for what is given up."""
        connection = self._connections.get(name)
        present = connection is not None and not (connection.away or connection.lost)
        return present and self._came[name] + self._missing[name] < count

    def _collect(self, seconds: float) -> list[Event]:
        found: list[Event] = []
        for name, connection in self._connections.items():
            if seconds or self._expected is None or not connection.costs or self._lacks(name, self._wanted[name]):
                found += self._taken(name, connection, seconds)
        return found

    def _taken(self, name: str, connection: Connection, seconds: float) -> list[Event]:
        messages = connection.take(seconds)
        self._came[name] += len(messages)
        return [self._event(name, message) for message in messages]

    def _event(self, name: str, message: Message) -> Event:
        at = moment_of(message, self.start_ns, self.at)
        places = self._places[name]
        number = max(self._first, places.popleft()) if places else self.number
        return Event(min(number, self.number), at, name, later(message, -self.shift_ns))

    def _barrier(self, rounds: int = ROUNDS) -> None:
        """All that was sent is done, and what came of it can be taken."""
        self._settling.wait(self._connections.values(), rounds)

    def close(self) -> None:
        """Close the clients, and let the clock go on if it was stopped here."""
        for connection in self._connections.values():
            with suppress(OpenOutcryError):
                connection.close()
        self._connections.clear()
        if self._stopped:
            self._stopped = False
            with suppress(OpenOutcryError):
                self.call("start_clock")


def _joins(first: Step, step: Step) -> bool:
    """Whether a step can be taken with the ones before it, the first of which is `first`. See Rule 1."""
    if step.at != first.at:
        return False
    if first.verb:
        return bool(step.verb) and first.verb not in SPECIAL and step.verb not in SPECIAL
    return not (first.do or step.do or step.verb) and step.client == first.client
