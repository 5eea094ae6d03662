"""All FIX sessions of one gateway: found by name, remembered over crashes, and what they have in common.

How a session comes back after kill -9:

1. Its numbers and messages are in the store, up to the newest whole record.
2. What it had taken from its client and the matcher had not acknowledged is not counted in ``next_in``, so the client
   is asked for it again; commands that come twice carry AGAIN, and the matcher says nothing about what it knows.
3. Its application is its newest dump (openoutcry.gateway.fix.dumps) and the events after it. The gateway says HELLO
   with the event up to which all dumps are complete (``begin``); what the clients have been sent already is only
   absorbed (``absorb``).

Invariant: what a client was sent has a number that is never used again; what it sent is never thought to be taken
before the matcher has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.fix.settings import SessionSettings
from openoutcry.gateway.fix import facts, identity
from openoutcry.gateway.fix.clock import Clock
from openoutcry.gateway.fix.dumps import Dumps
from openoutcry.gateway.fix.services import Services
from openoutcry.gateway.plugin import is_plugin

if TYPE_CHECKING:  # what a session is made of is imported with the first one: a gateway without FIX starts sooner
    from openoutcry.gateway.fix.copies import Copies
    from openoutcry.gateway.fix.hosted import Application, Hosted
    from openoutcry.gateway.fix.market import MarketData
    from openoutcry.gateway.hub import Hub
    from openoutcry.gateway.state import Session as MatcherSession

HOSTED_MAX: Final = 100_000  # sessions of one gateway, those made from templates included: some 2 GB

Event = tuple[Any, ...]
APPLICATIONS: dict[str, Callable[..., Application]] = {}  # by kind of engine, for tests and engines to come


class Sessions:
    """See the module."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.state = hub.state
        self.store = hub.store
        self.delivery = hub.delivery
        self.clock = Clock()
        self._copies: Copies | None = None
        self.market_in_use: MarketData | None = None
        self._hosted: dict[tuple[str, str], Hosted] = {}
        self.dumps = Dumps(self)
        self._services: dict[str, Services] = {}
        self._inbound: dict[Hosted, None] = {}  # have taken something in this turn
        self._leaving: list[Hosted] = []  # deleted, and still connected
        self._waiting: deque[tuple[int, Hosted, int, int]] = deque()  # command, session, its next_in, its resets
        self.counters = {"absorbed": 0, "no_session": 0}

    # --------------------------------------------------------------------------------------------- starting
    def begin(self) -> int:
        """Begin with what the state has; returns the last event that HELLO should name."""
        for hosted in self._hosted.values():
            hosted.store.retire()
        self._hosted.clear()
        self.dumps.begin()
        self._inbound.clear()
        self._waiting.clear()
        self._services.clear()
        self._copies = None
        for fact in [fact for fact in self.state.facts.values() if fact[0] == facts.SESSION]:
            self._restore(fact)
        for endpoint in self.state.endpoints:
            self._make_receivers(endpoint)
        last = self.store.last_event
        if not any(session.numbered for session in self.state.sessions.values()):
            return last
        return min(last, self.dumps.mark)

    def _restore(self, fact: Event) -> None:
        _, number, endpoint, name, who = fact
        if endpoint not in self.state.endpoints:
            return
        settings = identity.settings_of(self.state, endpoint, name, tuple(who))
        if settings is None:  # it was deleted, and the record that says so is lost
            return
        hosted = self._hosted[endpoint, name] = self.make(endpoint, settings, tuple(who))
        hosted.store.load(number)
        hosted.renew()
        session = self.state.session_of(endpoint, name)
        if session is not None:
            self._join(hosted, session)

    def _join(self, hosted: Hosted, session: MatcherSession) -> None:
        hosted.number = session.number
        session.hosted = hosted
        hosted.change_application()  # should there be one: it was not for this number

    def _make_receivers(self, endpoint: str) -> None:
        """Sessions that receive copies have an application from the beginning: nothing of theirs makes one."""
        for settings in identity.receivers(self.state, endpoint):
            hosted = self.get(endpoint, settings.name) or self._set_up(endpoint, settings.name)
            if hosted is not None:
                hosted.make_ready()

    def absorb(self, first: int, time_ns: int, events: tuple[Event, ...]) -> None:
        """Events whose messages are stored: the applications that do not have them in their dumps remember them."""
        for number, event in enumerate(events, first):
            if not (wire.SYSTEM < event[0] <= wire.RESULT) and event[0] not in NOT_OF_A_SESSION:
                session = self.state.sessions.get(event[1])
                hosted = session.hosted if session is not None else None
                if hosted is not None and number > hosted.dump_event:
                    self.counters["absorbed"] += 1
                    self.dumps.soil(hosted, number)
                    hosted.application.absorb(event, time_ns)

    # --------------------------------------------------------------------------------------------- finding
    def get(self, endpoint: str, name: str) -> Hosted | None:
        """The session of that name, if there is one."""
        return self._hosted.get((endpoint, name))

    def of(self, endpoint: str) -> list[Hosted]:
        """The sessions of an endpoint."""
        return [hosted for key, hosted in self._hosted.items() if key[0] == endpoint]

    def make(self, endpoint: str, settings: SessionSettings, who: tuple[str, ...]) -> Hosted:
        """A session that has not been used yet. It is only remembered once it is ``let_in``."""
        from openoutcry.gateway.fix.hosted import Hosted

        return Hosted(self, endpoint, settings, who)

    def remember(self, hosted: Hosted) -> bool:
        """A session that has a right to be remembered, if there is room."""
        if not hosted.store.number:
            if len(self._hosted) >= HOSTED_MAX:
                return False
            hosted.store.adopt(self.new_number())
            self._hosted[hosted.endpoint, hosted.name] = hosted
        return True

    def let_in(self, hosted: Hosted, session: MatcherSession) -> None:
        """The matcher has logged a client of this session on."""
        if session.hosted is not hosted:
            self._join(hosted, session)

    def hosted_of(self, session: MatcherSession) -> Hosted | None:
        """What a session of the matcher is here, None when nobody knows its settings."""
        if session.hosted is None:
            self.counters["no_session"] += 1
        return session.hosted

    def services(self, endpoint: str) -> Services:
        """What the applications of an endpoint may reach."""
        found = self._services.get(endpoint)
        if found is None:
            found = self._services[endpoint] = Services(self, endpoint)
        return found

    @property
    def copies(self) -> Copies:
        """The drop copies of this gateway's sessions."""
        if self._copies is None:
            from openoutcry.gateway.fix.copies import Copies

            self._copies = Copies()
        return self._copies

    @property
    def market(self) -> MarketData:
        """Market data, made when somebody asks for some."""
        if self.market_in_use is None:
            from openoutcry.gateway.fix.market import MarketData

            self.market_in_use = MarketData(self.hub)
        return self.market_in_use

    def make_application(self, hosted: Hosted) -> Application:
        """The application that the kind of its engine asks for."""
        from openoutcry.fix.validate import validator_for

        kind = self.state.endpoints[hosted.endpoint][7]
        make = APPLICATIONS.get(kind)
        if make is None:
            make = _echo() if kind == "echo" else _plugin() if is_plugin(kind) else _matching()
        settings = hosted.settings
        return make(hosted.number, settings, validator_for(settings), hosted.emit, self.services(hosted.endpoint))

    # --------------------------------------------------------------------------------------------- remembering
    def new_number(self) -> int:
        """A number for a session or a stream, never given before."""
        number: int = self.state.facts.get((facts.COUNTER, 0), (0, 0, 0))[2] + 1
        self.note((facts.COUNTER, 0, number))
        return number

    def note(self, fact: Event) -> None:
        """A fact, for the next record."""
        self.state.note(fact)
        self.delivery.facts.append(fact)

    def has_taken(self, hosted: Hosted) -> None:
        """A session has taken messages from its client in this turn."""
        self._inbound[hosted] = None
        self.hub.submitted()

    def submitted(self, command: int) -> None:
        """What was taken in this turn is among the commands up to that number."""
        if self._inbound:
            for hosted in self._inbound:
                next_in = hosted.store.next_in if hosted.inbox is None else hosted.taken
                self._waiting.append((command, hosted, next_in, hosted.store.resets))
            self._inbound.clear()
            if self._waiting[0][0] <= self.hub.link.acknowledged:
                self.hub.commit()

    @property
    def acknowledged(self) -> bool:
        """Whether the matcher has acknowledged something that was taken."""
        return bool(self._waiting) and self._waiting[0][0] <= self.hub.link.acknowledged

    def note_acknowledged(self) -> None:
        """Note what the matcher has: it need not be asked for again."""
        waiting, known = self._waiting, self.hub.link.acknowledged
        newest: dict[Hosted, int] = {}
        while waiting and waiting[0][0] <= known:
            _, hosted, next_in, resets = waiting.popleft()
            if resets == hosted.store.resets:
                newest[hosted] = next_in
        for hosted, next_in in newest.items():
            store = hosted.store
            if store.number and store.noted_in != next_in:
                store.noted_in = next_in
                self.note((facts.NEXT_IN, store.number, next_in))

    def close(self) -> None:
        """The gateway is stopped."""
        if self.market_in_use is not None:
            self.market_in_use.close()
        self.dumps.close()

    # --------------------------------------------------------------------------------------------- configuration
    def told(self, event: Event) -> None:
        """The matcher says something about sessions; the state has it already. What it does is in the same record."""
        kind = event[0]
        if kind == wire.SESSION_STREAM:
            session, hosted = self.state.sessions[event[1]], self.get(event[2], event[3])
            if hosted is not None and session.hosted is not hosted:
                self._join(hosted, session)
        elif kind == wire.SESSION_SET:
            self._configured(event[1])
        elif kind == wire.SESSION_DELETED:
            self._deleted(event[1], event[2])
        elif kind == wire.SESSION_ORDERED:
            self._ordered(event)
        else:
            self._services.pop(event[1], None)
            for hosted in self.of(event[1]):
                self._deleted(hosted.endpoint, hosted.name)

    def _configured(self, endpoint: str) -> None:
        """Other settings, perhaps the template's, for sessions that there are."""
        for hosted in self.of(endpoint):
            settings = identity.settings_of(self.state, endpoint, hosted.name, hosted.who)
            if settings is not None and settings != hosted.settings:
                hosted.configure(settings)
        self._make_receivers(endpoint)

    def _deleted(self, endpoint: str, name: str) -> None:
        """Nothing is remembered of a session."""
        hosted = self._hosted.pop((endpoint, name), None)
        if hosted is not None:
            self.dumps.forget(hosted)
            self._inbound.pop(hosted, None)
            self._leaving.append(hosted)
            hosted.retire()
            if hosted.inbox is not None:
                self.hub.managed.forget(endpoint, name)
            self.note((facts.GONE, hosted.store.number))
            hosted.store.retire()

    def _ordered(self, event: Event) -> None:
        """An operator's order about the numbers of a session."""
        _, endpoint, name, action, next_out, next_in, _ = event
        hosted = self.get(endpoint, name) or self._set_up(endpoint, name)
        if hosted is None:
            return
        if action == "reset":
            if hosted.connection is not None:
                hosted.connection.drop()
            hosted.store.reset(self.clock.tick())
        elif action == "set" and hosted.connection is None:
            hosted.store.set_next_out(next_out or hosted.store.next_out)
            hosted.store.order_next_in(next_in or hosted.store.next_in)

    def _set_up(self, endpoint: str, name: str) -> Hosted | None:
        """A session that was set up and has never been used."""
        event = self.state.fix_settings.get((endpoint, name))
        if event is None:
            return None
        settings = SessionSettings(**dict(event[3]))
        hosted = self.make(endpoint, settings, identity.who_of(settings))
        self.remember(hosted)
        return hosted

    def log_out(self, event: Event) -> None:
        """SESSION_ORDERED logout, SESSION_DELETED: say good-bye."""
        leaving, self._leaving = self._leaving, []
        for hosted in leaving:
            if hosted.connection is not None:
                hosted.connection.log_out("the session has been deleted")
        if event[0] == wire.SESSION_ORDERED and event[3] == "logout":
            found = self.get(event[1], event[2])
            if found is not None and found.connection is not None:
                found.connection.log_out(event[6])

    def engine_changed(self, endpoint: str, kind: bool) -> None:
        """An endpoint serves another engine; kind: one of another kind, so its sessions need other applications."""
        for hosted in self.of(endpoint):
            if kind:
                hosted.change_application()
            if self.market_in_use is not None and hosted.connection is not None:
                self.market_in_use.begin_anew(hosted)

    def warning(self, kind: str, text: str) -> None:
        """A limited line in the log."""
        self.hub.log.warning(monotonic_ns(), kind, text)

    def statistics(self) -> dict[str, Any]:
        """Counters of all sessions."""
        connected = sum(hosted.connection is not None for hosted in self._hosted.values())
        market = {} if self.market_in_use is None else {"market": self.market_in_use.statistics()}
        return {**self.counters, **self.dumps.counters, "sessions": len(self._hosted), "connected": connected,
                **market}  # fmt: skip


NOT_OF_A_SESSION: Final = frozenset((wire.SESSION_SET, wire.SESSION_DELETED, wire.SESSION_ORDERED, wire.CLOCK_SET,
                                      wire.PLUGIN_SET))  # fmt: skip


def _matching() -> Callable[..., Application]:
    from openoutcry.gateway.fix.application import Application as Matching

    return Matching


def _plugin() -> Callable[..., Application]:
    from openoutcry.gateway.fix.plugin import PluginApplication

    return PluginApplication


def _echo() -> Callable[..., Application]:
    from openoutcry.gateway.fix.echo import EchoApplication

    return EchoApplication
