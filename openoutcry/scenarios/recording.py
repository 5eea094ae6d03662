"""From a journal to a scenario: every input is applied to a machine of our own, and told in the words of who sent it.

    recorder = Recorder(since_ns=0)
    recorder.turn(turn)            each record of the journal, in order
    recorder.scenario()            what it has come to so far

Verbs become verbs, log-ons and log-offs become `connect` and `disconnect`, commands of sessions become their clients'
messages (openoutcry.scenarios.sides), and the events become what each client got. With ``since_ns``, what was set up
before is there (SETTING_UP), and what was traded before is not.

Invariant: nothing is left out in silence: ``left_out`` says how often, and what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from openoutcry import verbs, wire
from openoutcry.errors import VerbError
from openoutcry.gateway.fix.copies import Copies
from openoutcry.matcher import desk, fixsessions
from openoutcry.matcher.inputs import apply_input, collect_frames, decode_inputs
from openoutcry.matcher.machine import PUBLIC, Machine
from openoutcry.matcher.records import Turn
from openoutcry.matcher.sessions import Endpoint, Session, User
from openoutcry.parameters import Parameter, duration_text, price_text
from openoutcry.scenarios.fixside import FixSide, settings_of
from openoutcry.scenarios.model import (
    CONNECT,
    DISCONNECT,
    STEPS_MAX,
    Client,
    Event,
    Message,
    Scenario,
    ScenarioError,
    Step,
)
from openoutcry.scenarios.sides import OuchSide, Side, SilentSide, readable
from openoutcry.scenarios.times import desk_message, without_time

Command = tuple[Any, ...]
Told = list[tuple[int, Command]]  # when, and an event
Apply = Callable[[], Told]

MAIL: Final = 0  # in place of an event's kind: what a desk was told

PASSWORD: Final = "scenario"  # in place of passwords, which the journal has not got
CLOCK: Final = ("stop_clock", "start_clock", "advance_clock")  # the steps' times say it
# Verbs that are carried out although they came before the time from which is recorded: all but those that trade.
TRADING: Final = frozenset((
    "enter_order", "amend_order", "cancel_order", "mass_cancel", "quote", "mass_quote", "create_order",
    "set_order_property", "submit_order", "delete_order", "create_quote", "set_quote_property", "submit_quote",
    "delete_quote", "match_orders", "accept_request", "reject_request", "fill_request", "fill_order", "pull_order",
    "break_trade", "correct_trade",
))  # fmt: skip
# Properties that are left out, with what is said about them: what a test held in its hand is not in the journal, so in
# a replay nobody would let it go; files and certificates are those of another host.
_LEFT_OUT: Final = {
    "auto_accept": "auto_accept: nobody is held back in a replay",
    "auto_receive": "auto_receive: nothing is held back in a replay",
    **dict.fromkeys(("tls_certificate", "tls_key", "tls_client_ca", "tls_certificates"), "TLS: a replay has none"),
    "FileLogPath": "FileLogPath: a replay writes no logs",
}  # fmt: skip
_SET: Final = ("set_engine_property", "set_protocol_property", "set_session_property")
_UNUSED: Final = frozenset(("gateway", "host", "port"))  # of create_endpoint: another exchange has its own
_OF_SESSIONS: Final = frozenset(
    kind for kind, (_, fields) in wire.PRIVATE_EVENTS.items()
    if fields[0] is wire.SESSION and kind not in (wire.SESSION_STREAM, wire.LOGGED_ON)
)  # fmt: skip
_CONFIGURES: Final = frozenset((wire.SESSION_SET, wire.SESSION_DELETED, wire.ENDPOINT_SET, wire.ENDPOINT_DELETED))


class Recorder:
    """See the module."""

    def __init__(self, since_ns: int = 0) -> None:
        self.machine = Machine()
        self.since_ns = since_ns
        self.begins_ns = since_ns
        self.now_ns = 0  # time of the record that is read
        self._told_ns = 0  # of the event that is told
        self.steps: list[Step] = []
        self.events: list[Event] = []
        self.left_out: Counter[str] = Counter()
        self._clients: dict[tuple[str, str], Client] = {}  # by endpoint and user
        self._sides: dict[tuple[str, str], Side] = {}  # the same
        self._by_number: dict[int, Side] = {}
        self._read: dict[int, int] = {}  # events of each desk that are told
        self._copies: dict[str, Copies] = {}  # by gateway
        self._frames: list[bytes] = []
        self._connected: set[str] = set()  # clients that have connected
        self._live = not since_ns

    # --------------------------------------------------------------------------------------------- inputs
    def turn(self, turn: Turn) -> None:
        """One record of the journal. Raises JournalError, ScenarioError."""
        if not self.now_ns:
            self.begins_ns = max(self.since_ns, turn.time_ns)
        self.now_ns = turn.time_ns
        if not self._live and turn.time_ns >= self.since_ns:
            self._go_live()
        for name, data in decode_inputs(turn.payload):
            if name:
                self._frame(name, data)
            else:
                apply_input(self.machine, name, data, self.now_ns)
                self._tell(self._drained())
        if len(self.steps) > STEPS_MAX:
            raise ScenarioError(f"more than {STEPS_MAX} steps: record less of it, with --since and --until")

    def _frame(self, name: str, data: bytes) -> None:
        """HELLO, or commands: each is applied by itself, so that its events are known from the next one's."""
        message = wire.decode_frame(data)
        if message[0] == wire.HELLO:
            self._gone(name, message[3])
            apply_input(self.machine, name, data, self.now_ns, message)
            self._tell(self._drained())
            return
        _, generation, first, last_event, commands = message
        known = max(0, self.machine.peers[name].last_command + 1 - first)
        for number, command in enumerate(commands[known:], first + known):
            single = (wire.CMD, generation, number, last_event, (command,))
            self._command(name, command, partial(self._apply, name, data, single))

    def _apply(self, name: str, data: bytes, message: tuple[Any, ...]) -> Told:
        apply_input(self.machine, name, data, self.now_ns, message)
        return self._drained()

    def append(self, name: str, first_event: int, count: int, frame: bytes) -> None:
        """Take the place of the streams' history (openoutcry.matcher.inputs.FrameSink)."""
        if name != PUBLIC:
            self._frames.append(frame)

    def _drained(self) -> Told:
        """The events of the gateways' and control's streams since the last time."""
        collect_frames(self.machine, self)
        found: Told = []
        for frame in self._frames:
            _, _, _, time_ns, events = wire.decode_frame(frame)
            found += [(time_ns, event) for event in events]
        self._frames.clear()
        return found + self._mail()

    def _mail(self) -> Told:
        """What desks were told since the last time, as events of a kind of their own."""
        found: Told = []
        for each in desk.all_desks(self.machine):
            seen, now = self._read.get(each.number, 0), each.forgotten + len(each.events)
            if now > seen:
                self._read[each.number] = now
                who = (each.user, each.endpoint.engine.name)
                found += [(self.machine.time_ns, (MAIL, who, row)) for row in desk.event_rows(each, seen, now - seen)]
        return found

    # --------------------------------------------------------------------------------------------- commands
    def _command(self, peer: str, command: Command, apply: Apply) -> None:
        kind = command[0]
        if kind <= wire.SESSION_COMMANDS_END:
            self._of_session(peer, command, apply)
        elif kind in (wire.LOGON, wire.LOGON_AS):
            self._log_on(command, apply())
        elif kind == wire.LOGOFF:
            session = self.machine.sessions.get(command[1])
            if session is not None and session.connection == command[2]:
                self._do(session, DISCONNECT)
            self._tell(apply())
        elif kind == wire.VERB:
            self._verb(command, apply())
        else:
            self._tell(apply())

    def _of_session(self, peer: str, command: Command, apply: Apply) -> None:
        session = self.machine.sessions.get(command[1])
        if session is not None and session.owner is not None and session.owner.name == peer:
            before, self._told_ns = len(self.events), self.now_ns
            said = self._by_number[session.number].message(command, self.now_ns)
            if said is not None:
                client = self._client(session.endpoint, session.user)
                self._step(Step(self._at, client=client.name, message=without_time(said.message), note=said.note))
                self.events[before:] = [replace(event, step=len(self.steps)) for event in self.events[before:]]
                if said.note:
                    self._leave_out(f"{client.name}: {said.message['MsgType']}: {said.note}")
            elif command[0] == wire.ECHO or not readable(session.endpoint.protocol):
                self._leave_out(f"{wire.COMMANDS[command[0]][0]} over {session.endpoint.protocol}: no message for it")
        self._tell(apply())

    def _log_on(self, command: Command, told: Told) -> None:
        _, endpoint, user, connection, *_ = command
        refused = next((event[3] for _, event in told if event[0] == wire.LOGON_REFUSED and event[2] == connection), "")
        found = self.machine.endpoints.get(endpoint)
        if found is not None and readable(found.protocol):
            self._connect(found, user if found.is_fix else user.strip().upper(), refused)
        self._tell(told)

    def _connect(self, endpoint: Endpoint, user: str, refused: str = "") -> None:
        client = self._client(endpoint, user)
        self._connected.add(client.name)
        self._step(Step(self._at, client=client.name, do=CONNECT, refused=refused))

    def _do(self, session: Session, deed: str) -> None:
        if readable(session.endpoint.protocol):
            self._step(Step(self._at, client=self._client(session.endpoint, session.user).name, do=deed))

    def _gone(self, name: str, generation: int) -> None:
        """A gateway has a new life: its clients have lost their connections."""
        peer = self.machine.peers.get(name)
        if peer is not None and peer.role == wire.ROLE_GATEWAY and generation > peer.generation:
            for session in self._sessions():
                if session.connection and session.endpoint.gateway == name:
                    self._do(session, DISCONNECT)

    def _sessions(self) -> Iterable[Session]:
        return [session for each in self.machine.endpoints.values() for session in each.sessions.values()]

    def _verb(self, command: Command, told: Told) -> None:
        _, request, verb, values = command
        error = next((event[2] for _, event in told if event[0] == wire.RESULT and event[1] == request), ())
        try:
            values = verbs.check(verb, values, checked=True)
        except VerbError:  # no client of control's can say that: it came straight from the bus
            self._leave_out("verbs that are not in order")
        else:
            self._in_order(verb, values, error[0] if error else "")
        self._tell(told)

    def _in_order(self, verb: str, values: tuple[Any, ...], refused: str) -> None:
        """A verb, as a step, if it is to be one."""
        if verb in CLOCK:
            return
        if not self._live and verb in TRADING:
            self._leave_out("verbs that traded before the beginning")
            return
        arguments = _arguments(verb, values)
        held = [arguments["name"]] if verb in _SET else list(arguments)
        for name in [name for name in held if name in _LEFT_OUT]:
            self._leave_out(_LEFT_OUT[name])
            arguments.pop(name, None)
            if verb in _SET:
                return
        if any(p.type == "secret" and p.name in arguments for p in verbs.VERBS[verb].parameters):
            self._leave_out(f"passwords, which are {PASSWORD!r} now")
        self._step(Step(self._at, verb, arguments, refused=refused))

    # --------------------------------------------------------------------------------------------- steps and events
    @property
    def _at(self) -> int:
        return max(0, self.now_ns - self.begins_ns) if self._live else 0

    def _step(self, step: Step) -> None:
        if self._live or step.verb:
            self.steps.append(step)
        elif step.message is not None:
            self._leave_out("messages of clients before the beginning")

    def _leave_out(self, what: str) -> None:
        self.left_out[what] += 1

    def _go_live(self) -> None:
        """What is recorded begins here, with those connected who are."""
        self._live = True
        now_ns, self.now_ns = self.now_ns, self.begins_ns
        self._told_ns = self.begins_ns
        for session in self._sessions():
            if session.connection and readable(session.endpoint.protocol):
                self._connect(session.endpoint, session.user)
                if not session.endpoint.is_fix:  # the first message of a session, which begins with this connection
                    start = {"MsgType": "SystemEvent", "EventCode": wire.START_OF_DAY}
                    self._got(self._client(session.endpoint, session.user).name, start)
            self.left_out["orders that were open at the beginning"] += len(session.live)
        self.left_out += Counter()  # forget what counts nothing
        self.now_ns = now_ns

    def _tell(self, told: Told) -> None:
        """Events: the sides say what their clients got."""
        for time_ns, event in told:
            self._told_ns, kind = time_ns, event[0]
            if kind == MAIL:
                self._desk_told(*event[1:])
            elif kind in _CONFIGURES:
                self._configured(event[1])
            elif kind == wire.SESSION_STREAM:
                self._begin_session(*event[1:4])
            elif kind in _OF_SESSIONS and event[1] in self._by_number:
                self._by_number[event[1]].event(event, time_ns)

    def _desk_told(self, who: tuple[str, str], row: Message) -> None:
        name, engine = who
        key = (f"{desk.PLACE} of {engine}", name)
        client = self._clients.get(key)
        if client is None:
            client = Client(self._name(name, engine), desk=name, engine=engine)
            self._clients[key] = client
            self._connected.add(client.name)
        self._got(client.name, desk_message(row))

    def _got(self, who: str, message: Message) -> None:
        if self._live:
            at = max(0, self._told_ns - self.begins_ns)
            self.events.append(Event(len(self.steps), at, who, without_time(message)))

    # --------------------------------------------------------------------------------------------- clients
    def _client(self, endpoint: Endpoint, user: str) -> Client:
        found = self._clients.get((endpoint.name, user))
        if found is None:
            found = self._clients[endpoint.name, user] = self._new_client(endpoint, user)
        return found

    def _new_client(self, endpoint: Endpoint, user: str) -> Client:
        if not endpoint.is_fix:
            password = PASSWORD if _users(self.machine, endpoint) else ""
            return Client(self._name(user or "client", endpoint.name), endpoint.name, user, password)
        settings = self._settings(endpoint, user)
        given = {"BeginString": settings.BeginString}
        for ours, theirs in (("Sender", "Target"), ("Target", "Sender")):
            for part in ("CompID", "SubID", "LocationID"):
                if value := getattr(settings, theirs + part):
                    given[ours + part] = value
        if settings.BeginString == "FIXT.1.1":
            given["DefaultApplVerID"] = settings.version
        name = self._name(settings.TargetCompID, endpoint.name)
        users = [each.name for each in _users(self.machine, endpoint)]
        users.sort(key=lambda each: each != settings.TargetCompID.upper())
        if not settings.Username and users:
            self._leave_out(f"{name}: which user it was; {users[0]} is taken")
        if settings.Username or users:
            given["Username"] = settings.Username or users[0]
        return Client(name, endpoint.name, None, PASSWORD if users else "", given)

    def _name(self, name: str, endpoint: str) -> str:
        """A name that no other client has."""
        taken = {client.name for client in self._clients.values()}
        wanted = [name, f"{name}@{endpoint}", *(f"{name}@{endpoint}-{number}" for number in range(2, len(taken) + 3))]
        return next(each for each in wanted if each not in taken)

    def _settings(self, endpoint: Endpoint, user: str) -> Any:
        return settings_of(fixsessions.settings_of(endpoint, user), user, endpoint.protocol)

    def _begin_session(self, number: int, name: str, user: str) -> None:
        """A session has a stream: from its first log-on on, and every day anew."""
        endpoint = self.machine.endpoints.get(name)
        if endpoint is None:
            return
        side = self._sides.get((name, user))
        if side is None:
            side = self._sides[name, user] = self._new_side(endpoint, user, number)
        if isinstance(side, FixSide):
            side.join(number)
        self._by_number[number] = side

    def _new_side(self, endpoint: Endpoint, user: str, number: int) -> Side:
        if not readable(endpoint.protocol):
            return SilentSide()
        who = self._client(endpoint, user).name
        if not endpoint.is_fix:
            return OuchSide(number, who, self._got)
        copies = self._copies.setdefault(endpoint.gateway, Copies())
        return FixSide(who, self._got, self._settings(endpoint, user), endpoint.engine.kind, copies)

    def _configured(self, name: str) -> None:
        """An endpoint or a session has other settings, or is gone. Who receives copies is there from the beginning."""
        endpoint = self.machine.endpoints.get(name)
        for key in [key for key in self._sides if key[0] == name]:
            side = self._sides[key]
            if endpoint is None or (isinstance(side, FixSide) and key[1] not in endpoint.sessions
                                    and key[1] not in endpoint.fix_sessions):  # fmt: skip
                if isinstance(side, FixSide):
                    side.retire()
                del self._sides[key]
                self._by_number = {number: each for number, each in self._by_number.items() if each is not side}
            elif isinstance(side, FixSide):
                side.configure(self._settings(endpoint, key[1]), endpoint.engine.kind)
        for user, given in endpoint.fix_sessions.items() if endpoint is not None else ():
            if endpoint is not None and given.get("DropCopy", "no") != "no" and not given.get("Template"):
                self._sides.setdefault((name, user), self._new_side(endpoint, user, 0))

    # --------------------------------------------------------------------------------------------- the end
    def scenario(self) -> Scenario:
        """What has been recorded so far."""
        clients = {client.name: client for client in self._clients.values() if client.name in self._connected}
        events = [event for event in self.events if event.client in clients]
        left_out = [f"{count} x {what}" if count > 1 else what for what, count in self.left_out.items()]
        ends = max([self._at, *(event.at for event in events[-1:])])
        return Scenario(list(self.steps), events, clients, "", self.begins_ns, ends, left_out=left_out)


def _users(machine: Machine, endpoint: Endpoint) -> list[User]:
    """Those who may log in there; anybody may when there is none."""
    return [user for user in machine.users.values() if user.endpoint in ("", endpoint.name)]


def _arguments(verb: str, values: tuple[Any, ...]) -> dict[str, Any]:
    """The arguments that are not the default, as people write them."""
    found = {}
    for p, value in zip(verbs.VERBS[verb].parameters, values, strict=True):
        is_default = value == p.default and type(value) is type(p.default)
        if not is_default and not (verb == "create_endpoint" and p.name in _UNUSED):
            found[p.name] = _written(p, value)
    return found


def _written(p: Parameter, value: Any) -> Any:
    if value is None:
        return None
    if p.type == "secret":
        return PASSWORD
    if p.type == "price" and type(value) is int:
        return price_text(value)
    return duration_text(value) if p.type == "duration" and type(value) is int else value
