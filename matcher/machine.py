"""The state machine of the exchange: a pure function of the journal.

Rule 1. State changes only by the inputs ``begin_epoch hello apply timer started arrived loaded`` (and ``load``), each
        of them journaled before. No clock, no randomness, no I/O, nothing that depends on hash order: the same inputs
        give the same events and the same ``dump``, byte for byte, in any process.
Rule 2. No input raises, whatever it says, once openoutcry.wire has checked its form: what is wrong is answered with an
        event, or ignored and counted.
Rule 3. Events are appended to ``Stream.events``; whoever packs them counts them into ``Stream.end`` and clears the
        list in place. The stream "public" is everybody's; each gateway and control peer has one of its own name.

Where the rest is: orders and their rules in entry.py, books in book.py, verbs in configuration.py, operations.py and
desk.py, days in engine.py, sessions in sessions.py, the bytes of a snapshot in state.py, questions in queries.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from openoutcry import jsontext, verbs
from openoutcry.errors import VerbError
from openoutcry.matcher import (
    clock,
    configuration,
    desk,
    drafts,
    entry,
    fixsessions,
    installed,
    manual,
    masscancel,
    operations,
    pluginengine,
    pluginload,
    pricing,
    queries,
    requests,
    risk,
    shaping,
    staging,
    state,
    timetable,
)
from openoutcry.matcher.book import Book
from openoutcry.matcher.engine import Engine
from openoutcry.matcher.entry import cancel as cancel_command
from openoutcry.matcher.entry import enter, replace
from openoutcry.matcher.orders import BOOK, OPEN, Numbers, Timers
from openoutcry.matcher.schedule import Entry, Schedule
from openoutcry.matcher.sessions import SESSIONS_MAX, Endpoint, Peer, Session, Stream, User
from openoutcry.matcher.trading import cancel, settle_all
from openoutcry.wire import (
    AGAIN,
    BOUND,
    CANCEL,
    CANCEL_TIMEOUT,
    ENTER,
    LOGOFF,
    LOGON,
    LOGON_AS,
    LOGON_REFUSED,
    NAME_MAX,
    PHASE_ENDED,
    REPLACE,
    RESULT,
    ROLE_GATEWAY,
    ROLE_MARKETDATA,
    SESSION_COMMANDS_END,
    TEXT_MAX,
    VERB,
)

__all__ = ["PUBLIC", "Machine", "Peer", "Stream"]

PUBLIC: Final = "public"  # name of the public stream; no peer may be called so
ANSWER_MAX: int = TEXT_MAX  # characters in the answer to a verb
TRIM_EVERY: int = 4_096  # inputs after which the mailboxes of desks are looked through

VERBS: Final = {**configuration.HANDLERS, **clock.HANDLERS, **fixsessions.HANDLERS, **operations.HANDLERS,
                **desk.HANDLERS, **drafts.HANDLERS, **staging.HANDLERS, **manual.HANDLERS,
                **installed.HANDLERS, **pricing.HANDLERS, **pluginload.HANDLERS}  # fmt: skip

# Who handles what the schedule holds.
DUE: Final = {
    **dict.fromkeys(timetable.KINDS, timetable.due),
    "throttle": risk.due,
    "disconnect": masscancel.due,
    "policy": staging.due,
    "answer": shaping.due,
    pluginengine.TIMER: pluginengine.due,
    "price": pricing.due,
}


class Machine:
    """Everything the matcher knows. See the module for its rules.

    sequence: number of inputs applied, a command each counted as one. time_ns: time of the last one, ns since 1970.
    epoch: lives of the matcher so far. desks: by engine, the endpoint whose sessions are its desks. drafts: orders and
    quotes that are not submitted yet.
    """

    def __init__(self) -> None:
        self.sequence = 0
        self.time_ns = 0
        self.epoch = 0
        self.public = Stream(PUBLIC)
        self.streams: dict[str, Stream] = {PUBLIC: self.public}
        self.peers: dict[str, Peer] = {}
        self.engines: dict[str, Engine] = {}
        self.books: dict[str, Book] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.users: dict[str, User] = {}
        self.sessions: dict[int, Session] = {}
        self.numbers = Numbers()
        self.timers = Timers()
        self.schedule = Schedule()
        self.clock = clock.Clock()
        self.desks: dict[str, Endpoint] = {}
        self.drafts = drafts.Drafts()
        self.plugins: dict[tuple[str, str], str] = {}  # paths by group and name: openoutcry.matcher.pluginload
        self.looked: dict[tuple[str, str], str] = {}  # what was found out for the verbs of this frame
        self.marks: dict[str, int] | None = None  # while what sessions are told is shaped: openoutcry.matcher.shaping
        self._trim_at = TRIM_EVERY
        self.books_made = 0
        self.sessions_made = 0
        self.counters = {"ignored_commands": 0, "ignored_hellos": 0}

    # --------------------------------------------------------------------------------------------- inputs
    def begin_epoch(self, epoch: int, time_ns: int) -> None:
        """The matcher has started."""
        self.sequence += 1
        self.time_ns = self.numbers.time_ns = time_ns
        self.epoch = epoch

    def hello(self, name: str, role: int, generation: int, time_ns: int) -> None:
        """A peer is new, or has a higher generation: its commands are counted from 1 again."""
        self.sequence += 1
        self.time_ns = self.numbers.time_ns = time_ns
        peer = self.peers.get(name)
        if name == PUBLIC or (peer is not None and (peer.role != role or generation <= peer.generation)):
            self.counters["ignored_hellos"] += 1
        elif peer is None:
            self._welcome(name, role, generation)
        else:
            peer.generation, peer.last_command = generation, 0
            shaping.begin(self)
            self._forget_life(peer)
            settle_all(self.numbers)
            shaping.finish(self)

    def _welcome(self, name: str, role: int, generation: int) -> None:
        stream = self.public if role == ROLE_MARKETDATA else self.streams.setdefault(name, Stream(name))
        peer = self.peers[name] = Peer(name, role, generation, 0, stream)
        if role == ROLE_GATEWAY:
            configuration.greet_gateway(self, peer)

    def _forget_life(self, peer: Peer) -> None:
        """What ended with a peer's earlier life: its connections, and the requests it waited for."""
        for endpoint in self.endpoints.values():
            if endpoint.asker is not None and endpoint.asker[0] == peer.name:
                endpoint.asker = None
            if endpoint.gateway == peer.name:
                for session in endpoint.sessions.values():
                    if session.connection:
                        session.disconnect()

    def apply(self, name: str, first_command: int, commands: Sequence[tuple[Any, ...]], time_ns: int) -> None:
        """A peer's commands, the first of them numbered `first_command`; those it has sent before are dropped.

        The commands have passed ``wire.check_command``, and the peer has said hello.
        """
        peer = self.peers[name]
        known = peer.last_command + 1 - first_command
        if known > 0:
            commands = commands[known:]
        self.sequence += len(commands)
        peer.last_command += len(commands)
        numbers = self.numbers
        self.time_ns = numbers.time_ns = time_ns
        sessions, handlers, unsettled, again = self.sessions, entry.HANDLERS, numbers.unsettled, numbers.again
        throttling = self._throttling()
        careful = throttling or bool(again)
        if throttling:
            shaping.begin(self)
        for command in commands:
            kind: int = command[0]
            if kind <= SESSION_COMMANDS_END:
                session = sessions.get(command[1])
                if session is None or session.owner is not peer:
                    handled = False
                elif careful:
                    handled = self._carefully(session, command)
                    careful = throttling or bool(again)
                elif kind == ENTER:  # the frequent ones are called by their names: a call from a table costs more
                    handled = enter(session, command, time_ns)
                elif kind == CANCEL:
                    handled = cancel_command(session, command, time_ns)
                elif kind == REPLACE:
                    handled = replace(session, command, time_ns)
                else:
                    handled = handlers[kind](session, command, time_ns)
                    careful = bool(again)
                if not handled:
                    self.counters["ignored_commands"] += 1
            else:
                if self.marks is not None:  # it may change who is told what
                    shaping.finish(self)
                    shaping.begin(self)
                if peer.role == ROLE_MARKETDATA or not self._administer(peer, command):
                    self.counters["ignored_commands"] += 1
                throttling = self._throttling()
                careful = throttling or bool(again)
                if throttling and self.marks is None:
                    shaping.begin(self)
            if unsettled:
                settle_all(numbers)
        if self.marks is not None:
            shaping.finish(self)
        if self.looked:
            self.looked.clear()
        numbers.trim()
        if self.desks and self.sequence >= self._trim_at:
            self._trim_at = self.sequence + TRIM_EVERY
            for each in desk.all_desks(self):
                each.trim()

    def _throttling(self) -> bool:
        """Whether messages have to be shown to their engine's guard or stage before they are handled."""
        for engine in self.engines.values():  # noqa: SIM110  # any() takes twice as long
            if engine.careful:
                return True
        return False

    def _carefully(self, session: Session, command: tuple[Any, ...]) -> bool:
        """Handle a session's command, which may come AGAIN, unless its rate is limited; False when it is ignored."""
        guard = session.endpoint.engine.guard
        if guard is not None and guard.throttling and guard.admit_message(session, command, self.time_ns) != risk.NOW:
            if command[0] != AGAIN:
                self.numbers.again.pop(session, None)
            return True
        return requests.carry_out(session, command, self.time_ns)

    def take(self, session: Session, command: tuple[Any, ...]) -> bool:
        """Handle a command that comes from no peer but is its session's all the same; False when it is ignored."""
        handled = self._carefully(session, command)
        settle_all(self.numbers)
        return handled

    def _administer(self, peer: Peer, command: tuple[Any, ...]) -> bool:
        kind = command[0]
        if kind in (LOGON, LOGON_AS):
            return self._log_on(peer, *command[1:])
        if kind == LOGOFF:
            return self._log_off(peer, command)
        if kind == BOUND:
            return configuration.bound(self, peer, command)
        return kind == VERB and self._verb(peer, command)

    def timer(self, time_ns: int) -> None:
        """Cancel the orders whose time is over and carry out what the schedule holds, the earliest first.

        At the same time orders expire before anything else happens. Each thing is settled before the next is done.
        """
        self.sequence += 1
        self.time_ns = self.numbers.time_ns = time_ns
        shaping.begin(self)
        while 0 < (due_ns := self.next_timer_ns) <= time_ns:
            if due_ns == self.timers.next_ns():
                self._expire(due_ns)
            elif (item := self.schedule.due(due_ns)) is not None:
                self._carry_out(item)
        shaping.finish(self)

    def _expire(self, due_ns: int) -> None:
        """The deadline of some orders has come. After the end of a day nobody can be told: the next day begins so."""
        for order in self.timers.due(due_ns):
            if order[OPEN] and order[BOOK].phase != PHASE_ENDED:
                cancel(order, CANCEL_TIMEOUT)
                settle_all(self.numbers)

    def _carry_out(self, item: Entry) -> None:
        DUE[item[0]](self, item)
        settle_all(self.numbers)

    def loaded(self, group: str, name: str, path: str, error: str, time_ns: int) -> None:
        """A plugin was looked for. Raises PluginError when it cannot be loaded although it could then."""
        self.sequence += 1
        self.time_ns = self.numbers.time_ns = time_ns
        pluginload.loaded(self, group, name, path, error)

    def started(self, host_ns: int, time_ns: int) -> None:
        """The clock, which stood still at `time_ns`, goes on; the host's time is `host_ns`."""
        self.sequence += 1
        self.time_ns = self.numbers.time_ns = time_ns
        clock.started(self, host_ns)

    def arrived(self, time_ns: int) -> None:
        """The clock was advanced to `time_ns`."""
        self.sequence += 1
        self.time_ns = self.numbers.time_ns = time_ns
        clock.arrived(self)

    @property
    def next_timer_ns(self) -> int:
        """When ``timer`` has something to do next, 0 for never."""
        expiry, scheduled = self.timers.next_ns(), self.schedule.next_ns()
        return min(expiry, scheduled) if expiry and scheduled else expiry or scheduled

    # --------------------------------------------------------------------------------------------- sessions
    def _log_on(self, peer: Peer, name: str, user: str, connection: int, account: str, login: str = "") -> bool:
        endpoint = self.endpoints.get(name)
        fix = endpoint is not None and endpoint.is_fix
        user = user if fix else user.strip().upper()
        if endpoint is None or endpoint.gateway != peer.name:
            refused = "no such endpoint here"
        elif endpoint.engine.phase == PHASE_ENDED:
            refused = "the day has ended"
        elif len(user) > NAME_MAX and not fix:
            refused = "the user's name is too long"
        elif user not in endpoint.sessions and self.sessions_made >= SESSIONS_MAX:
            refused = "there are no more session numbers"
        else:
            self._session(endpoint, user, peer, account, login).log_on(peer, connection)
            return True
        peer.stream.events.append((LOGON_REFUSED, name, connection, refused))
        return True

    def _session(self, endpoint: Endpoint, user: str, peer: Peer, account: str, login: str) -> Session:
        session = endpoint.sessions.get(user)
        if session is None:
            self.sessions_made += 1
            session = Session(self.sessions_made, endpoint, user, peer.stream.events)
            endpoint.sessions[user] = self.sessions[session.number] = session
        settings = fixsessions.settings_of(endpoint, user)
        known = self.users.get((login or settings.get("Username", "")).upper() if endpoint.is_fix else user)
        if known is not None and known.endpoint in ("", endpoint.name):
            session.account, session.firm = known.account, known.firm
        else:
            session.account, session.firm = user[:NAME_MAX], ""
        session.account = settings.get("Account") or account or session.account
        return session

    def _log_off(self, peer: Peer, command: tuple[Any, ...]) -> bool:
        _, number, connection = command
        session = self.sessions.get(number)
        if session is None or session.endpoint.gateway != peer.name or session.connection != connection:
            return False
        session.disconnect()
        return True

    # --------------------------------------------------------------------------------------------- verbs
    def _verb(self, peer: Peer, command: tuple[Any, ...]) -> bool:
        _, request, verb, arguments = command
        asker = (peer.name, request)
        try:
            complete = verbs.check(verb, arguments, checked=True)
            handler = VERBS.get(verb)
            if handler is None:
                raise VerbError("unknown_verb", "verb", f"{verb} changes nothing: it is asked, not journaled")
            value = handler(self, asker, *complete)
        except VerbError as error:
            self.answer(asker, (error.code, error.field, error.text), None)
        else:
            if value is not configuration.HELD:
                self.answer(asker, (), value)
        return True

    def answer(self, asker: tuple[str, int], error: tuple[str, ...], value: Any) -> None:
        """RESULT of a request. error: () or (code, field, text)."""
        name, request = asker
        text = jsontext.text(value)
        if len(text) > ANSWER_MAX:
            error = ("limit", "", f"it was done, but the answer has {len(text)} characters, at most {ANSWER_MAX}")
            text = "null"
        self.peers[name].stream.events.append((RESULT, request, error, text))

    def make_book(self, number: int, name: str, engine: str, symbol: str) -> Book:
        """A book that shares this machine's numbers, timers and public stream."""
        book = Book(number, name, engine, symbol, self.numbers, self.timers, self.public.events)
        self.books[name] = book
        return book

    # --------------------------------------------------------------------------------------------- state
    def dump(self) -> bytes:
        """The whole state; events not packed yet are counted, but are not part of it."""
        return state.dump(self)

    @classmethod
    def load(cls, data: bytes) -> Machine:
        """The machine that ``dump`` described. Raises JournalError when `data` is no dump."""
        return state.load(cls(), data)

    def state_hash(self) -> str:
        """SHA-256 of ``dump`` in hexadecimal."""
        return hashlib.sha256(self.dump()).hexdigest()

    def query(self, what: str, argument: Mapping[str, Any]) -> Any:
        """Answer a question of openoutcry.matcher.queries with JSON types. Raises VerbError."""
        return queries.answer(self, what, argument)
