"""From a journal to a scenario: every input is applied to a machine of our own, and told in the words of who sent it.

    recorder = Recorder(since_ns=0)
    recorder.turn(turn)            each record of the journal, in order
    recorder.scenario()            what it has come to so far

With ``since_ns`` it takes two passes (openoutcry.scenarios.recorded): the first finds out what the state at that time
depends on (openoutcry.scenarios.before), the second begins with that.

Verbs become verbs, log-ons and log-offs become `connect` and `disconnect`, commands of sessions become their clients'
messages (openoutcry.scenarios.sides), and the events become what each client got.

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
from openoutcry.gateway.plugin import is_plugin, spoken
from openoutcry.matcher import desk, fixsessions
from openoutcry.matcher.inputs import ARRIVED, STARTED, TIMER, apply_input, collect_frames, decode_inputs
from openoutcry.matcher.machine import PUBLIC, Machine
from openoutcry.matcher.records import Turn
from openoutcry.matcher.sessions import Endpoint, Session, User
from openoutcry.plugins import PROTOCOLS
from openoutcry.scenarios.before import CLOCK, TRADING, Kept, Seen, image
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
from openoutcry.scenarios.plugged import Plug, PlugSide, plug_of
from openoutcry.scenarios.sides import OuchSide, Side, SilentSide, readable
from openoutcry.scenarios.times import desk_message, without_time
from openoutcry.scenarios.verbsteps import PASSWORD, arguments_of

Command = tuple[Any, ...]
Told = list[tuple[int, Command]]  # when, and an event
Apply = Callable[[], Told]

OF_TIME: Final = (TIMER, ARRIVED, STARTED)  # inputs that nothing but the clock makes
MAIL: Final = 0  # in place of an event's kind: what a desk was told

NOTHING_LEFT: Final = "messages before the beginning that left nothing open: positions, fees and last prices lack them"
_OF_SESSIONS: Final = frozenset(
    kind for kind, (_, fields) in wire.PRIVATE_EVENTS.items()
    if fields[0] is wire.SESSION and kind not in (wire.SESSION_STREAM, wire.LOGGED_ON)
)  # fmt: skip
_CONFIGURES: Final = frozenset((wire.SESSION_SET, wire.SESSION_DELETED, wire.ENDPOINT_SET, wire.ENDPOINT_DELETED))


class Recorder:
    """See the module.

    since_ns: when it begins; until then commands are `seen`, or, when it is known which are needed, `kept` tells.
    first: the recorder of the first pass, when it is the second. in_time: what came before is there at its own times,
    else it is all there at the beginning.
    """

    def __init__(self, since_ns: int = 0, first: Recorder | None = None, kept: Kept | None = None,
                 in_time: bool = False) -> None:  # fmt: skip
        self.machine = Machine()
        self.since_ns = since_ns
        self.seen = Seen() if since_ns and first is None else None
        self.kept = kept
        self.image: list[Any] = []  # of the machine when it begins
        self.clock: tuple[Any, ...] = ()  # and its clock
        self.begun = (0, 0)  # how many steps and events there are then
        self.names: dict[int, tuple[str, str]] = {}  # of all sessions
        self._first = first
        self._in_time = in_time
        self.begins_ns = since_ns
        self.now_ns = 0  # time of the record that is read
        self._told_ns = 0  # of the event that is told
        self.steps: list[Step] = []
        self.events: list[Event] = []
        self.left_out: Counter[str] = Counter()
        self._clients: dict[tuple[str, str], Client] = {} if first is None else dict(first._clients)  # endpoint, user
        self._sides: dict[tuple[str, str], Side] = {}  # the same
        self._by_number: dict[int, Side] = {}
        self._read: dict[int, int] = {}  # events of each desk that are told
        self._copies: dict[str, Copies] = {}  # by gateway
        self._plugs: dict[str, Plug] = {}  # protocols of somebody's own, by path
        self._frames: list[bytes] = []
        self._connected: set[str] = set()  # clients that have connected
        self._live = not since_ns

    # --------------------------------------------------------------------------------------------- inputs
    def turn(self, turn: Turn) -> None:
        """One record of the journal. Raises JournalError, ScenarioError."""
        if not self.now_ns:
            self.begins_ns = turn.time_ns if self._in_time else max(self.since_ns, turn.time_ns)
        if not self._live and turn.time_ns >= self.since_ns:
            self.begin()
        self.now_ns = self.since_ns if self._at_once else turn.time_ns
        for name, data in decode_inputs(turn.payload):
            if name:
                self._frame(name, data)
            elif not (self._at_once and data[:1] in OF_TIME):
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
        for number, sent in enumerate(commands[known:], first + known):
            command = self._needed(sent)
            if command is None:
                self.machine.peers[name].last_command = number
                continue
            single = (wire.CMD, generation, number, last_event, (command,))
            self._command(name, command, partial(self._apply, name, data, single))

    def _needed(self, command: Command) -> Command | None:
        """A command as it is applied, None for one that is left out."""
        if self.seen is not None:
            (self.seen.mentioned if self._live else self.seen.command)(command)
        return command if self.kept is None else self.kept.command(self.machine, command, self._at_once)

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
        if self.seen is not None and not self._live:
            self.seen.applied(self.machine, found)
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
            elif command[0] == wire.ECHO or not self._readable(session.endpoint):
                self._leave_out(f"{wire.COMMANDS[command[0]][0]} over {session.endpoint.protocol}: no message for it")
        self._tell(apply())

    def _log_on(self, command: Command, told: Told) -> None:
        _, endpoint, user, connection, *_ = command
        refused = next((event[3] for _, event in told if event[0] == wire.LOGON_REFUSED and event[2] == connection), "")
        found = self.machine.endpoints.get(endpoint)
        if found is not None and self._readable(found):
            self._connect(found, user if found.is_fix else user.strip().upper(), refused)
        elif found is not None and self._live:
            self._leave_out(f"clients over {found.protocol}: {self._plug(found).why_not}")
        self._tell(told)

    def _connect(self, endpoint: Endpoint, user: str, refused: str = "") -> None:
        client = self._client(endpoint, user)
        self._connected.add(client.name)
        self._step(Step(self._at, client=client.name, do=CONNECT, refused=refused))

    def _do(self, session: Session, deed: str) -> None:
        if self._readable(session.endpoint):
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
        if not self._recorded and verb in TRADING:
            self._leave_out("verbs that traded before the beginning")
            return
        arguments, left_out = arguments_of(verb, values)
        for what in left_out:
            self._leave_out(what)
        if arguments is not None:
            self._step(Step(self._at, verb, arguments, refused=refused))

    # --------------------------------------------------------------------------------------------- steps and events
    @property
    def _recorded(self) -> bool:
        """Whether what is read now is in the recording, be it because it is needed."""
        return self._live or self._first is not None

    @property
    def _at_once(self) -> bool:
        """Whether what is read now is there at the beginning."""
        return not self._live and self._first is not None and not self._in_time

    @property
    def _at(self) -> int:
        return max(0, self.now_ns - self.begins_ns) if self._recorded else 0

    def _step(self, step: Step) -> None:
        if self._recorded or step.verb:
            self.steps.append(step)
        elif step.message is not None:
            self._leave_out("messages of clients before the beginning")

    def _leave_out(self, what: str) -> None:
        self.left_out[what] += 1

    @property
    def began(self) -> bool:
        """Whether the beginning has come."""
        return self._live

    def begin(self) -> None:
        """What is recorded begins here."""
        self.image = image(self.machine)
        self.clock = self.machine.clock.dump()
        if self.seen is not None:
            self.seen.begin(self.machine)
        if self._at_once and self._first is not None:
            self.machine.clock.load(self._first.clock)
        elif self._first is None:
            self._without_before()
        self.begun = (len(self.steps), len(self.events))
        self._live = True

    def for_second(self) -> Kept:
        """What a second pass needs of what was before the beginning."""
        assert self.seen is not None
        return Kept(self.seen.needs(), self.names)

    def _without_before(self) -> None:
        """With those connected who are, and nothing of what they did before."""
        self._live = True
        now_ns, self.now_ns = self.now_ns, self.begins_ns
        self._told_ns = self.begins_ns
        for session in self._sessions():
            if session.connection and self._readable(session.endpoint):
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
        if self._recorded:
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
        self.names[number] = (name, user)
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
        if not self._readable(endpoint):
            return SilentSide()
        client = self._client(endpoint, user)
        who = client.name
        if not readable(endpoint.protocol):
            return self._plug_side(endpoint, client, number)
        if not endpoint.is_fix:
            return OuchSide(number, who, self._got)
        copies = self._copies.setdefault(endpoint.gateway, Copies())
        return FixSide(who, self._got, self._settings(endpoint, user), endpoint.engine.kind, copies)

    def _plug_side(self, endpoint: Endpoint, client: Client, number: int) -> Side:
        dialect, kind, _ = self._plug(endpoint)
        assert dialect is not None and kind is not None
        if is_plugin(endpoint.engine.kind):
            dialect = spoken(dialect)
        return PlugSide(number, client, self._got, dialect, kind)

    def _plug(self, endpoint: Endpoint) -> Plug:
        """What its protocol, which is somebody's own, has for clients."""
        path = self.machine.plugins.get((PROTOCOLS, endpoint.protocol), "")
        if path not in self._plugs:
            self._plugs[path] = plug_of(endpoint.protocol, path)
        return self._plugs[path]

    def _readable(self, endpoint: Endpoint) -> bool:
        """Whether its sessions can be put into words."""
        return readable(endpoint.protocol) or self._plug(endpoint).client is not None

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
        if self.kept is not None and self.kept.left_out:
            self.left_out[NOTHING_LEFT] = self.kept.left_out
        left_out = [f"{count} x {what}" if count > 1 else what for what, count in self.left_out.items()]
        ends = max([self._at, *(event.at for event in events[-1:])])
        title = f"steps 1 to {self.begun[0]} make what was there at the beginning" if self.begun[0] else ""
        return Scenario(list(self.steps), events, clients, title, self.begins_ns, ends, left_out=left_out)


def _users(machine: Machine, endpoint: Endpoint) -> list[User]:
    """Those who may log in there; anybody may when there is none."""
    return [user for user in machine.users.values() if user.endpoint in ("", endpoint.name)]
