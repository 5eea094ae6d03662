"""The desk: takes clients' requests, carries each one's plan forward, and answers every one of them in time.

Sans I/O: requests, results, replies and the time go in; replies to clients, questions for the bus, commands for the
Link and work for a thread come out through four functions it is given.

Rule 1. Every request that has an envelope is answered once, within ``ANSWER_NS``; when something it needs stays
        silent the answer is the error ``unavailable``, which names what was waited for.
Rule 2. A request that was sent again (same client, id and bytes) does not run again: while it is pending the copy is
        dropped, and afterwards a journaled verb's reply is remembered, within the limits below.
Rule 3. Nothing here grows without a limit: requests pending and verbs in them (in all and for one client), replies
        remembered.

A plan (openoutcry.control.plans) is a generator: it yields what it needs next (openoutcry.control.steps) and is resumed
with the answer. What is kept of a request meanwhile is in openoutcry.control.pending.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, NamedTuple

from openoutcry import jsontext, wire
from openoutcry.control import messages
from openoutcry.control.pending import NONE, Command, Envelope, Key, Load, Pending
from openoutcry.control.steps import (
    Answer,
    Ask,
    Left,
    Once,
    Pause,
    Plan,
    Question,
    Step,
    Submit,
    SubmitAll,
    Work,
    unavailable,
)
from openoutcry.errors import VerbError, WireError

ANSWER_NS: Final = 5_000_000_000  # every request is answered by then
MARGIN_NS: Final = 200_000_000  # what a plan keeps of that to put its answer together
ASK_AGAIN_NS: Final = 300_000_000  # a question is asked again: the bus may have lost it with a matcher that died
PENDING_MAX: Final = 256  # requests under way: a matcher restart's worth of them from many clients
CLIENT_PENDING_MAX: Final = 64  # of one client, so that it cannot take the place of all others
VERBS_MAX: Final = 4_096  # verbs in the requests under way: eight whole batches
CLIENT_VERBS_MAX: Final = 1_024  # of one client
REMEMBERED_MAX: Final = 1_024  # replies to journaled verbs: far more than a client has under way
REMEMBERED_BYTES_MAX: Final = 16_000_000  # bytes of them together: eighteen of the longest
SHORT_MAX: Final = 128  # bytes of a request that costs no more to keep than its digest

log = logging.getLogger("openoutcry.control")

MakePlan = Callable[[messages.Request | messages.Batch], Plan]
_AT_ONCE: Final = (Left, Once)  # steps that nobody is asked for


class Ports(NamedTuple):
    """How the desk reaches the world.

    reply: to a client. query: number, question to the bus. submit: a command to the Link. Both return False when the
    matcher is not connected; nothing was sent or queued then. work: starts a function in a thread.
    """

    reply: Callable[[Envelope, bytes], None]
    query: Callable[[int, Question], bool]
    submit: Callable[[Command], bool]
    work: Callable[[Work], Future[Any]]


class Desk:
    """All requests under way. ``first_request``: VERB commands are numbered from there, unique over all lives."""

    def __init__(self, ports: Ports, first_request: int) -> None:
        self._ports = ports
        self._next_request = first_request
        self._next_query = 1
        self.pending: dict[Key, Pending] = {}  # requests under way
        self._clients: dict[Envelope, Load] = {}  # of those that have any
        self._all = Load()
        self._by_request: dict[int, Pending] = {}
        self._by_query: dict[int, Pending] = {}
        self._remembered: OrderedDict[Key, bytes] = OrderedDict()
        self._remembered_bytes = 0
        self.counters = dict.fromkeys(
            ("requests", "batches", "repeated", "malformed", "dropped", "errors", "timeouts", "stale_results",
             "stale_replies"), 0,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------- from clients
    def receive(self, parts: Sequence[bytes], make_plan: MakePlan, now_ns: int) -> None:
        """Take one message of the client-facing ROUTER: routing ids, an empty delimiter, the request."""
        *route, data = parts
        if not 2 <= len(route) <= 7 or route[-1] or b"" in route[:-1]:
            self.counters["dropped"] += 1  # no envelope: nobody to answer
            return
        envelope = tuple(route)
        try:
            request = messages.decode_request(data)
        except messages.BadRequest as bad:
            self.counters["malformed"] += 1
            self._ports.reply(envelope, messages.encode_reply(bad.id, ("malformed", "", str(bad)), "null"))
            return
        self.counters["requests"] += 1
        shown = data if len(data) <= SHORT_MAX else hashlib.blake2b(data, digest_size=16).digest()
        key = (envelope, request.id, shown)
        if key in self.pending or key in self._remembered:
            self._repeat(envelope, key)
        else:
            self._begin(key, request, make_plan, now_ns)

    def _repeat(self, envelope: Envelope, key: Key) -> None:
        self.counters["repeated"] += 1
        reply = self._remembered.get(key)
        if reply is not None:
            self._ports.reply(envelope, reply)

    def _begin(self, key: Key, request: messages.Request | messages.Batch, make_plan: MakePlan, now_ns: int) -> None:
        verbs = len(request.requests) if isinstance(request, messages.Batch) else 1
        client = self._clients.get(key[0]) or Load()
        text = self._full(client, verbs)
        if text:
            self.counters["errors"] += 1
            self._ports.reply(key[0], messages.encode_reply(request.id, ("limit", "", text), "null"))
            return
        self.counters["batches"] += verbs > 1
        pending = Pending(key, client, make_plan(request), now_ns + ANSWER_NS, verbs)
        self.pending[key] = pending
        self._clients[key[0]] = client
        for load in (client, self._all):
            load.requests += 1
            load.verbs += verbs
        self._go_on(pending, None, now_ns)

    def _full(self, client: Load, verbs: int) -> str:
        """Why there is no place for a request of so many verbs; "" when there is."""
        if self._all.requests < CLIENT_PENDING_MAX and self._all.verbs + verbs <= CLIENT_VERBS_MAX:
            return ""  # not even all together have what one may
        for count, more, most, what in (
            (self._all.requests, 1, PENDING_MAX, "requests under way in all"),
            (client.requests, 1, CLIENT_PENDING_MAX, "requests under way from this client"),
            (self._all.verbs, verbs, VERBS_MAX, "verbs under way in all"),
            (client.verbs, verbs, CLIENT_VERBS_MAX, "verbs under way from this client"),
        ):
            if count + more > most:
                return f"the control service has {count} {what}, and {more} more would be too many: at most {most}"
        return ""

    # ------------------------------------------------------------------------------------- plans
    def _resume(self, pending: Pending, value: Any, now_ns: int, error: VerbError | None = None) -> None:
        """Run the plan to its next step, or to its end: that at which it was is over."""
        self._forget_step(pending)
        self._go_on(pending, value, now_ns, error)

    def _go_on(self, pending: Pending, value: Any, now_ns: int, error: VerbError | None = None) -> None:
        try:
            step = pending.plan.throw(error) if error else pending.plan.send(value)
            while type(step) in _AT_ONCE or (type(step) is Ask and not step.questions):
                step = pending.plan.send(self._at_once(pending, step, now_ns))
            self._start(pending, step, now_ns)
        except StopIteration as done:
            self._finish(pending, (), done.value)
        except VerbError as refused:
            self._finish(pending, (refused.code, refused.field, refused.text), "null")
        except Exception as unexpected:  # one request's trouble must not end the service for everyone
            log.exception("a request failed")
            what = f"the control service failed at this: {type(unexpected).__name__}; its log says more"
            self._forget_step(pending)
            pending.plan.close()
            self._finish(pending, ("unavailable", "", what), "null")

    def _at_once(self, pending: Pending, step: Step, now_ns: int) -> Any:
        """The answer to a step that has nothing to wait for."""
        if isinstance(step, Left):
            return now_ns < pending.deadline_ns - MARGIN_NS
        if isinstance(step, Once):
            pending.journaled = True
            pending.keys += 1
            digest = hashlib.blake2b(repr(pending.key).encode(), digest_size=16).hexdigest()
            return f"{digest}-{pending.keys}"
        return []

    def _start(self, pending: Pending, step: Step, now_ns: int) -> None:
        pending.step_deadline_ns = pending.deadline_ns - MARGIN_NS
        if isinstance(step, Ask):
            if step.patience_ns is not None:
                pending.step_deadline_ns = min(pending.step_deadline_ns, now_ns + step.patience_ns)
            pending.relay = step.relay
            pending.questions, pending.answers = {}, {}
            for question in step.questions:
                number, self._next_query = self._next_query, self._next_query + 1
                pending.questions[number] = question
                self._by_query[number] = pending
            self._ask(pending, now_ns)
        elif isinstance(step, Submit):
            pending.alone = True
            self._submit(pending, (step,), now_ns)
        elif isinstance(step, SubmitAll):
            pending.alone = False
            self._submit(pending, step.submits, now_ns)
        elif isinstance(step, Pause):
            pending.paused = True
            pending.step_deadline_ns = min(pending.step_deadline_ns, now_ns + step.ns)
        elif isinstance(step, Work):
            pending.future = self._ports.work(step)

    def _ask(self, pending: Pending, now_ns: int) -> None:
        """Ask what is not answered."""
        pending.asked_ns = now_ns
        for number, question in pending.questions.items():
            if number not in pending.answers and not self._ports.query(number, question):
                pending.asked_ns = now_ns - ASK_AGAIN_NS

    def _submit(self, pending: Pending, submits: tuple[Submit, ...], now_ns: int) -> None:
        pending.journaled = True
        pending.outcomes = {}
        for step in submits:
            number, self._next_request = self._next_request, self._next_request + 1
            command = (wire.VERB, number, step.verb, step.arguments)
            try:
                wire.check_command(command)  # one bad command would have the whole frame refused, for ever
            except WireError as error:
                pending.outcomes[number] = VerbError("bad_argument", "", f"{step.verb}: {error}")
                continue
            pending.outcomes[number] = None
            pending.unsent.append(command)
            self._by_request[number] = pending
        pending.waiting = len(pending.unsent)
        self._send_commands(pending)
        if not pending.waiting and pending.alone:  # all of many: tick goes on, or a long batch would nest deeply
            self._submitted(pending, now_ns)

    def _send_commands(self, pending: Pending) -> None:
        sent = 0
        for command in pending.unsent:
            if not self._ports.submit(command):
                break
            sent += 1
        del pending.unsent[:sent]

    def _submitted(self, pending: Pending, now_ns: int) -> None:
        """All outcomes of this step are known."""
        outcomes = list(pending.outcomes.values())
        if not pending.alone:
            self._resume(pending, outcomes, now_ns)
        elif isinstance(outcomes[0], VerbError):
            self._resume(pending, None, now_ns, outcomes[0])
        else:
            self._resume(pending, outcomes[0], now_ns)

    def _forget_step(self, pending: Pending) -> None:
        """Forget what belongs to the step that is over; most steps have little of it."""
        for number in pending.questions:
            self._by_query.pop(number, None)
        pending.questions = pending.answers = NONE
        if pending.outcomes:
            for number in pending.outcomes:
                self._by_request.pop(number, None)
            pending.outcomes = NONE
            pending.unsent.clear()
            pending.waiting = 0
        if pending.future is not None:
            pending.future.cancel()
            pending.future = None
        pending.paused = False

    def _finish(self, pending: Pending, error: tuple[str, ...], value: str) -> None:
        """Answer a request whose plan has ended."""
        key = pending.key
        del self.pending[key]
        for load in (pending.client, self._all):
            load.requests -= 1
            load.verbs -= pending.verbs
        if not pending.client.requests:
            del self._clients[key[0]]
        if error:
            self.counters["errors"] += 1
        reply = messages.encode_reply(key[1], error, value)
        if pending.journaled:
            self._remember(key, reply)
        self._ports.reply(key[0], reply)

    def _remember(self, key: Key, reply: bytes) -> None:
        self._remembered[key] = reply
        self._remembered_bytes += len(reply)
        while len(self._remembered) > REMEMBERED_MAX or self._remembered_bytes > REMEMBERED_BYTES_MAX:
            _, oldest = self._remembered.popitem(last=False)
            self._remembered_bytes -= len(oldest)

    # ------------------------------------------------------------------------------------- from the bus
    def result(self, event: tuple[Any, ...], now_ns: int) -> None:
        """Take a RESULT event: the outcome of a VERB command, or of one that an earlier life of ours sent."""
        _, number, error, value = event
        pending = self._by_request.get(number)
        if pending is None or pending.outcomes.get(number) is not None:
            self.counters["stale_results"] += 1
            return
        pending.outcomes[number] = VerbError(*(str(part) for part in error)) if error else value
        pending.waiting -= 1
        if not pending.waiting:
            self._submitted(pending, now_ns)

    def reply(self, number: int, ok: int, body: str, now_ns: int) -> None:
        """Take a REPLY frame's number, ok and body."""
        pending = self._by_query.get(number)
        if pending is None or number in pending.answers:
            self.counters["stale_replies"] += 1
            return
        pending.answers[number] = Answer(True, body) if pending.relay and ok else _answer(ok, body)
        if len(pending.answers) == len(pending.questions):
            self._resume(pending, [pending.answers[n] for n in pending.questions], now_ns)

    # ------------------------------------------------------------------------------------- time
    def tick(self, now_ns: int) -> None:
        """Submit, ask again, collect finished work, and answer what has waited for too long."""
        for pending in list(self.pending.values()):
            if pending.future is not None and pending.future.done():
                self._worked(pending, pending.future, now_ns)
            elif pending.outcomes and not pending.waiting:
                self._submitted(pending, now_ns)
            elif now_ns >= pending.step_deadline_ns:
                self._out_of_time(pending, now_ns)
            elif pending.unsent:
                self._send_commands(pending)
            elif now_ns - pending.asked_ns >= ASK_AGAIN_NS and pending.questions:
                self._ask(pending, now_ns)

    def _worked(self, pending: Pending, future: Future[Any], now_ns: int) -> None:
        error = future.exception()
        if error is None:
            self._resume(pending, future.result(), now_ns)
        else:  # not the text of `error`: it might quote a password
            refused = VerbError("unavailable", "", f"a worker thread failed: {type(error).__name__}")
            self._resume(pending, None, now_ns, refused)

    def _out_of_time(self, pending: Pending, now_ns: int) -> None:
        if pending.questions:  # a plan judges for itself what it makes of silence
            self._resume(pending, [pending.answers.get(n) for n in pending.questions], now_ns)
        elif pending.paused:
            self._resume(pending, None, now_ns)
        else:
            self._silence(pending, now_ns)

    def _silence(self, pending: Pending, now_ns: int) -> None:
        self.counters["timeouts"] += 1
        if not pending.outcomes:
            self._resume(pending, None, now_ns, unavailable("a worker thread"))
            return
        unsent = {command[1] for command in pending.unsent}
        for number, outcome in pending.outcomes.items():
            if outcome is None:
                pending.outcomes[number] = unavailable("the matcher", number not in unsent)
        self._submitted(pending, now_ns)

    def statistics(self) -> dict[str, Any]:
        """Counters, and how much is under way."""
        return {**self.counters, "pending": len(self.pending), "remembered": len(self._remembered)}


def _answer(ok: int, body: str) -> Answer:
    """What a REPLY frame says."""
    try:
        return Answer(bool(ok), jsontext.parsed(body))
    except (ValueError, RecursionError):
        return Answer(False, "its reply is not JSON")
