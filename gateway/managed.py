"""Managed mode: a test holds every step of a session in its hands, by questions that the control service passes on.

What can be held is kept by each endpoint's ``Watch`` (openoutcry.gateway.managed_watch); what a hand does about it, in
the words of the protocol, is the endpoint's ``Hand`` (managed_hand, and managed_ouch, managed_fix). Here are the
questions: accept_session, reject_session, next_message, process_message, discard_message, send_session_message,
drop_session, wait_for and the list of connections.

Rule 1. A question that was asked again is not carried out again: it carries a key (``once``), the last answers are
        remembered by it, and one that is still waiting goes on waiting.
Rule 2. Nothing waits in the loop. A question is a generator, which yields the time until which it waits; it is looked
        at again when something has happened (``happened``), when the matcher has acknowledged something, and at that
        time.
Rule 3. Who asks is not known, and owns nothing: when they die, the next one goes on with what is held.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Generator
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from openoutcry import verbs
from openoutcry.errors import VerbError
from openoutcry.gateway.client import GONE, HELD, ON
from openoutcry.gateway.managed_watch import KINDS, Budget, Held, Inbox
from openoutcry.gateway.managed_words import Answer, bytes_of, fields_of, fitting, refusal, said, skipped, taken

if TYPE_CHECKING:
    from openoutcry.gateway.endpoint import Endpoint
    from openoutcry.gateway.hub import Hub
    from openoutcry.gateway.managed_hand import Hand

log = logging.getLogger("openoutcry.gateway")

WAITING_MAX: Final = 256  # questions that wait: as many requests as the control service has under way
REMEMBERED_MAX: Final = 1_024  # answers; a question is asked again for 5 s at most
REMEMBERED_BYTES_MAX: Final = 4_000_000
DONE_NS: Final = 4_000_000_000  # for what a deed leads to: a login judged, a command acknowledged
CONNECTIONS_SHOWN: Final = 400  # at a time: an answer has some 200,000 characters at most

Plan = Generator[int, None, Any]


class Asked(NamedTuple):
    """A question that waits: who asked, under which number, and how it goes on."""

    sender: str
    number: int
    plan: Plan


class Managed:
    """See the module. waiting: the questions that wait, by their keys."""

    def __init__(self, hub: Hub, generation: int) -> None:
        self._hub = hub
        self._events = (generation - 1) << 32  # numbers of a later life are higher
        self.budget = Budget()
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._bytes = 0
        self.waiting: dict[str, Asked] = {}
        self._until: dict[str, int] = {}
        self._look_scheduled = False
        self._plans: dict[str, Callable[..., Plan]] = {
            "accept_session": self._accept_session,
            "reject_session": self._reject_session,
            "next_message": self._next_message,
            "process_message": self._process_message,
            "discard_message": self._discard_message,
            "send_session_message": self._send_session_message,
            "drop_session": self._drop_session,
            "wait_for": self._wait_for,
        }

    # --------------------------------------------------------------------------------------------- questions
    def knows(self, what: str) -> bool:
        """Whether that is a question for this module."""
        return what in self._plans or what == "connections"

    def ask(self, number: int, sender: str, what: str, argument: str) -> None:
        """Take a question; it is answered now or later."""
        if what == "connections":
            self._reply(sender, number, (1, json.dumps(self._connections(skipped(argument)))))
            return
        try:
            key, given = taken(argument)
        except VerbError as error:
            self._reply(sender, number, refusal(error))
            return
        known = self._answers.get(key)
        if known is not None:
            self._reply(sender, number, known)
        elif key not in self.waiting:
            self._begin(key, number, sender, what, given)

    def _begin(self, key: str, number: int, sender: str, what: str, given: dict[str, Any]) -> None:
        try:
            if len(self.waiting) >= WAITING_MAX:
                raise VerbError("limit", "", f"{WAITING_MAX} questions are waiting at this gateway already")
            arguments = verbs.check(what, (), given)
        except VerbError as error:
            self._reply(sender, number, refusal(error))
            return
        self.waiting[key] = Asked(sender, number, self._plans[what](*arguments))
        self._go_on(key)

    def _go_on(self, key: str) -> None:
        """Look whether a question can be answered now."""
        asked = self.waiting[key]
        try:
            self._until[key] = next(asked.plan)
            return
        except StopIteration as done:
            answer = said(done.value)
        except VerbError as error:
            answer = refusal(error)
        except Exception as error:  # a fault of ours: it must not cost the gateway's clients anything
            self._hub.counters["exceptions"] += 1
            log.exception("a question cannot be answered")
            answer = refusal(VerbError("unavailable", "", f"the gateway failed at this: {type(error).__name__}"))
        del self.waiting[key]
        self._until.pop(key, None)
        self._remember(key, answer)
        self._reply(asked.sender, asked.number, answer)

    def _remember(self, key: str, answer: Answer) -> None:
        self._answers[key] = answer
        self._bytes += len(answer[1])
        while len(self._answers) > REMEMBERED_MAX or self._bytes > REMEMBERED_BYTES_MAX:
            self._bytes -= len(self._answers.popitem(last=False)[1][1])

    def _reply(self, sender: str, number: int, answer: Answer) -> None:
        self._hub.reply(number, sender, *answer)

    # --------------------------------------------------------------------------------------------- events
    def next_event(self) -> int:
        """A number for something that happened."""
        self._events += 1
        return self._events

    def happened(self) -> None:
        """Something has: whoever waits for it is answered once this input is done with."""
        if self.waiting and not self._look_scheduled:
            self._look_scheduled = True
            self._hub.loop.call_soon(self.look)

    def look(self) -> None:
        """Look at every question that waits."""
        self._look_scheduled = False
        for key in list(self.waiting):
            self._go_on(key)

    def on_tick(self, now_ns: int) -> None:
        """Look at those whose time is up."""
        for key in [key for key, until_ns in self._until.items() if until_ns <= now_ns]:
            self._go_on(key)

    def statistics(self) -> dict[str, int]:
        """How much waits, and is remembered."""
        watches = [endpoint.watch for endpoint in self._hub.hosting.endpoints.values()]
        return {
            "questions": len(self.waiting),
            "answers": len(self._answers),
            "logons": sum(len(watch.waiting) for watch in watches),
            "messages": sum(len(inbox.held) for watch in watches for inbox in watch.inboxes.values()),
        }

    # --------------------------------------------------------------------------------------------- configuration
    def configured(self, endpoint: Endpoint, freed: list[Inbox]) -> None:
        """The endpoint's properties have changed; freed: whose messages wait no longer."""
        watch, hand = endpoint.watch, endpoint.hand
        if watch.messages:
            watch.name_types(hand.named)
            for connection in list(endpoint.connections):
                hand.take_up(connection)
        for inbox in freed:
            for held in list(inbox.held.values()):
                self._try(self._hand_over, hand, inbox, held)
            self._has_room(hand, inbox)  # not before: what is read now would overtake the rest
        if watch.auto_accept:
            for connection in list(watch.waiting.values()):
                self._try(hand.let_in, connection)

    def _try(self, deed: Callable[..., Any], *arguments: Any) -> None:
        """Do it for one client; what goes wrong is not to cost the others anything."""
        try:
            deed(*arguments)
        except Exception:
            self._hub.counters["exceptions"] += 1
            log.exception("what was held cannot go on")

    def forget(self, endpoint: str, session: str) -> None:
        """A session is deleted, and with it what waits of it."""
        found = self._hub.hosting.endpoints.get(endpoint)
        if found is not None:
            found.watch.forget(session)

    def _hand_over(self, hand: Hand, inbox: Inbox, held: Held) -> bool:
        inbox.take(held.number)
        return hand.hand_over(inbox.session, held)

    def _has_room(self, hand: Hand, inbox: Inbox) -> None:
        connection = hand.connection_of(inbox.session)
        if connection is not None and not inbox.full:
            hand.read_on(connection)

    # --------------------------------------------------------------------------------------------- connections
    def _connections(self, skip: int) -> dict[str, Any]:
        """How many connections there are, and some of them after the first `skip`; those that wait for a hand first."""
        found = [
            (connection, endpoint)
            for endpoint in self._hub.hosting.endpoints.values()
            for connection in endpoint.connections
        ]
        found.sort(key=lambda each: (getattr(each[0], "state", GONE) != HELD, getattr(each[0], "number", 0)))
        rows = [
            {"gateway": self._hub.name, "endpoint": endpoint.name, **endpoint.hand.row(connection)}
            for connection, endpoint in found[skip : skip + CONNECTIONS_SHOWN]
        ]
        return {"total": len(found), "rows": rows}

    def _accept_session(self, endpoint: str, connection: int | None, timeout_ms: int) -> Plan:
        found = self._endpoint(endpoint)
        guest = yield from self._held_login(found, connection, timeout_ms)
        since = self._events
        found.hand.let_in(guest)
        until_ns = monotonic_ns() + DONE_NS
        while guest.state != ON:
            if guest.state == GONE:
                text = f"connection {guest.number} was let in, and then refused, or it has gone"
                raise VerbError("wrong_state", "session", text)
            if monotonic_ns() >= until_ns:
                text = f"connection {guest.number} was let in, and nobody has judged its login yet"
                raise VerbError("unavailable", "connection", text)
            yield until_ns
        return {"endpoint": endpoint, **found.hand.row(guest), "since": since}

    def _reject_session(self, endpoint: str, connection: int | None, timeout_ms: int, reason: str) -> Plan:
        found = self._endpoint(endpoint)
        guest = yield from self._held_login(found, connection, timeout_ms)
        row = {"endpoint": endpoint, **found.hand.row(guest)}
        found.hand.refuse(guest, reason)
        return {**row, "state": "rejected"}

    def _held_login(self, endpoint: Endpoint, number: int | None, timeout_ms: int) -> Plan:
        until_ns = monotonic_ns() + timeout_ms * 1_000_000
        if not endpoint.hand.able:
            raise endpoint.hand.cannot()
        while True:
            waiting = endpoint.watch.waiting
            found = next(iter(waiting.values()), None) if number is None else waiting.get(number)
            if found is not None:
                return found
            if monotonic_ns() >= until_ns or self._hub.hosting.endpoints.get(endpoint.name) is not endpoint:
                raise VerbError("wrong_state", "connection", _nobody(endpoint, number))
            yield until_ns

    def _drop_session(self, endpoint: str, session: str, how: str) -> Plan:
        hand = self._endpoint(endpoint).hand
        name = hand.session_name(session)
        connection = hand.connection_of(name)
        if connection is None:
            raise VerbError("wrong_state", "session", f"the client of {name!r} is not logged on at {endpoint!r}")
        row = {"endpoint": endpoint, **hand.row(connection)}
        hand.drop(connection, how)
        until_ns = monotonic_ns() + DONE_NS
        while how == "reset" and connection in hand.endpoint.connections and monotonic_ns() < until_ns:
            yield until_ns
        return {**row, "state": "half-open" if how == "half-open" else "dropped", "how": how}

    # --------------------------------------------------------------------------------------------- messages
    def _next_message(self, endpoint: str, session: str, timeout_ms: int, native: bool) -> Plan:
        hand = self._endpoint(endpoint).hand
        if not hand.able:
            raise hand.cannot()
        name = hand.session_name(session)
        until_ns = monotonic_ns() + timeout_ms * 1_000_000
        while (held := hand.endpoint.watch.inbox(name).oldest(unseen=True)) is None:
            if monotonic_ns() >= until_ns:
                return None
            yield until_ns
        shown = hand.shown(held.message, name, native)
        row = {"number": held.number, "session": name, "MsgType": held.type, **shown}
        held.shown = True
        return fitting(row)

    def _process_message(self, endpoint: str, session: str, message: int | None) -> Plan:
        hand, inbox, held = self._found(endpoint, session, message)
        handled = self._hand_over(hand, inbox, held)
        command = self._hub.flush()
        self._has_room(hand, inbox)
        until_ns = monotonic_ns() + DONE_NS
        while self._hub.link.acknowledged < command:
            if monotonic_ns() >= until_ns:
                text = f"message {held.number} was handed on, and the matcher has not acknowledged it yet"
                raise VerbError("unavailable", "", text)
            yield until_ns
        return {"number": held.number, "session": inbox.session, "MsgType": held.type, "handled": handled}

    def _discard_message(self, endpoint: str, session: str, message: int | None) -> Plan:
        hand, inbox, held = self._found(endpoint, session, message)
        inbox.take(held.number)
        hand.discarded(inbox.session)
        self._has_room(hand, inbox)
        yield from ()
        return {"number": held.number, "session": inbox.session, "MsgType": held.type}

    def _found(self, endpoint: str, session: str, number: int | None) -> tuple[Hand, Inbox, Held]:
        hand = self._endpoint(endpoint).hand
        inbox = hand.endpoint.watch.inbox(hand.session_name(session))
        held = inbox.oldest() if number is None else inbox.held.get(number)
        if held is None:
            what = "no message" if number is None else f"no message {number}"
            raise VerbError("wrong_state", "message", f"{what} of {inbox.session!r} waits at endpoint {endpoint!r}")
        return hand, inbox, held

    def _send_session_message(
        self, endpoint: str, session: str, message: str, raw: str, sequence: int, checksum: int, length: int,
        native: bool,
    ) -> Plan:  # fmt: skip
        hand = self._endpoint(endpoint).hand
        name = hand.session_name(session)
        if bool(message) == bool(raw):
            raise VerbError("bad_argument", "message", "give either a message, a dictionary as JSON, or raw bytes")
        if raw and (sequence or checksum or length):
            text = "raw bytes are sent as they are: sequence, checksum and length are for a message"
            raise VerbError("bad_argument", "raw", text)
        sent = (
            hand.send_raw(name, bytes_of(raw))
            if raw
            else hand.send(name, fields_of(message), sequence, checksum, length, native)
        )
        yield from ()
        return {"endpoint": endpoint, "session": name, **sent}

    # --------------------------------------------------------------------------------------------- waiting
    def _wait_for(
        self, endpoint: str, kind: str, session: str | None, timeout_ms: int, since: int, native: bool
    ) -> Plan:
        found = self._endpoint(endpoint)
        watch, hand = found.watch, found.hand
        if kind not in KINDS and not hand.is_type(kind):
            text = f"kind is {kind!r}, it must be one of: {', '.join(KINDS)}, or a MsgType as NewOrderSingle"
            raise VerbError("bad_argument", "kind", text)
        name = None if session is None else hand.meant(session)
        if not watch.messages and kind not in KINDS[:-1]:
            watch.messages = True
            self.configured(found, [])
        until_ns = monotonic_ns() + timeout_ms * 1_000_000
        while (event := watch.find(kind, name, since)) is None:
            if monotonic_ns() >= until_ns:
                return None
            since = max(since, watch.newest)  # those have been looked at
            yield until_ns
        row = {"number": event.number, "endpoint": endpoint, "kind": event.kind or "session", "session": event.session,
               "connection": event.connection, "address": event.address, "MsgType": event.type}  # fmt: skip
        return row if event.message is None else fitting({**row, **hand.shown(event.message, event.session, native)})

    def _endpoint(self, name: str) -> Endpoint:
        found = self._hub.hosting.endpoints.get(name)
        if found is None:
            raise VerbError("unknown_name", "endpoint", f"gateway {self._hub.name} has no endpoint {name!r}")
        return found


def _nobody(endpoint: Endpoint, number: int | None) -> str:
    who = "nobody waits" if number is None else f"connection {number} does not wait"
    more = "; its auto_accept is true" if endpoint.watch.auto_accept else ""
    return f"{who} to be let in at endpoint {endpoint.name!r}{more}"
