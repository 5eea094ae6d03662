"""Plays the steps of a scenario on an exchange, one by one, and collects what the clients get.

    player = Player(call, clients, pace=VIRTUAL)
    player.begin(begins_ns)
    came = player.step(Step(...))          the events since the last step
    came = player.end(ends)
    player.close()

call: carries out a control verb, as Exchange.call and ControlClient.call do.

Rule 1. The next step is taken when the exchange has done what the last one asks for: when the events that are
        expected have come, or, where none are, when every gateway has been asked often enough (``_barrier``) that
        whatever comes of it has come.
Rule 2. With pace VIRTUAL the exchange's clock stands still and is moved by the steps' times, so all that is due in
        between happens at its own time. REAL waits for the steps' times; NONE does not.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from openoutcry.errors import ClientError, OpenOutcryError, VerbError
from openoutcry.parameters import duration_text
from openoutcry.scenarios import connections
from openoutcry.scenarios.connections import Connection, DeskConnection
from openoutcry.scenarios.model import CONNECT, DISCONNECT, LOGOUT, Client, Event, Message, ScenarioError, Step
from openoutcry.scenarios.times import DAY_NS, later, moment_of, shifted

VIRTUAL: Final = "virtual"
REAL: Final = "real"
NONE: Final = "none"
PACES: Final = (VIRTUAL, REAL, NONE)
TIMEOUT_S: Final = 5.0  # how long what is expected is waited for
SETTLE_S: Final = 0.02  # for what a FIX client's thread is still reading
ROUNDS: Final = 3  # of questions: taken from the socket, applied by the matcher, told by the gateway
VERB_ROUNDS: Final = 2  # after a verb, which the matcher has applied already

Call = Callable[..., Any]


class Player:
    """See the module. expected: the events that are expected, to wait for. forgiving: of verbs that make what there is
    already."""

    def __init__(
        self, call: Call, clients: Mapping[str, Client], pace: str = VIRTUAL, expected: Iterable[Event] | None = None,
        timeout: float = TIMEOUT_S, forgiving: bool = False,
    ) -> None:  # fmt: skip
        self.call = call
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
    def step(self, step: Step) -> tuple[Step, list[Event]]:
        """Take the next step. Returns it, with what became of it, and what came since the last one.

        Raises ScenarioError for one that cannot be taken, ClusterError, VerbError for arguments that are not in order.
        """
        before = self.pass_to(step.at)
        self.number += 1
        step = shifted(step, self.shift_ns)
        refused = self._verb(step) if step.verb else self._act(step)
        due = self._due(self.number, step.at)
        if self._expected is None or not (step.verb or due[step.client] > self._came[step.client]):
            self._barrier(VERB_ROUNDS if step.verb else ROUNDS)
        return replace(step, refused=refused), before + self._wait(self.number, step.at)

    def end(self, ends: int = 0) -> list[Event]:
        """Wait for all that is expected, until the moment `ends`; returns what came."""
        if ends > self.at:
            self._go_to(ends)
        self._barrier()
        return self._wait(self.number, ends) + self._collect(SETTLE_S)

    def _verb(self, step: Step) -> str:
        try:
            self.value = self.call(step.verb, **step.arguments)
        except VerbError as error:
            if error.code in ("bad_argument", "unknown_verb") and step.refused != error.code:
                raise ScenarioError(f"step {self.number}: {error.text}") from None
            if not (self._forgiving and error.code == "exists"):
                return error.code
        return ""

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
        connection = self._connections[name] = connections.connect(client, endpoint, self._timeout)
        return connection

    # --------------------------------------------------------------------------------------------- waiting
    def _due(self, number: int, at: int) -> Counter[str]:
        """How many events each client should have by now: those of earlier steps, and of this one up to its time."""
        expected = self._expected or []
        while self._place < len(expected) and (
            expected[self._place].step < number
            or (expected[self._place].step == number and expected[self._place].at <= at)
        ):
            self._wanted[expected[self._place].client] += 1
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
            found += self._taken(name, connection, seconds)
        return found

    def _taken(self, name: str, connection: Connection, seconds: float) -> list[Event]:
        messages = connection.take(seconds)
        self._came[name] += len(messages)
        return [self._event(name, message) for message in messages]

    def _event(self, name: str, message: Message) -> Event:
        at = moment_of(message, self.start_ns, self.at)
        return Event(self.number, at, name, later(message, -self.shift_ns))

    def _barrier(self, rounds: int = ROUNDS) -> None:
        """Every gateway has read what was sent before, and said what came of it."""
        for _ in range(rounds):
            self.call("statistics")

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
