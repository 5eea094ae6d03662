"""An engine of somebody's own (openoutcry.plugins) in the machine: what it is given, what it may do, what is kept.

Messages come as ECHO and go as ECHOED (openoutcry.wire), as JSON: that of a client has its number in its session before
it (b"7 {...}"; 0 where the protocol has none), so that one that comes AGAIN happens once.

Rule 1. Whatever the plugin does wrong stays here: it has ``failed``, and is given nothing any more.
Rule 2. Only sessions of the engine are told, and only from the beginning of their day's stream to its end.
Rule 3. What is kept of it is what ``Engine.dump`` returns, packed; what cannot be packed is a failure of the plugin.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgpack

from openoutcry import plugins
from openoutcry.matcher.dictionaries import opened
from openoutcry.matcher.draws import draw
from openoutcry.wire import ECHO_MAX, ECHOED, PHASES, REJECT_REASONS, SHORT_TEXT_MAX

if TYPE_CHECKING:
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.judging import Refusal
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Session

MS_NS: Final = 1_000_000
DAY_MS: Final = 86_400_000
TIMERS_MAX: Final = 100_000  # of one engine that wait: some 20 MB
SENT_MAX: Final = 10_000  # messages that one call may send: one that sends for ever must not fill the memory
TIMER: Final = "plugin"  # kind of entry in the schedule


class Hands:
    """openoutcry.plugins.Hands."""

    def __init__(self, owner: PluginEngine) -> None:
        self._owner = owner

    @property
    def now_ns(self) -> int:
        """The exchange's time, ns since 1970."""
        return self._owner.machine.time_ns

    @property
    def phase(self) -> str:
        """The engine's phase."""
        return PHASES[self._owner.engine.phase]

    def send(self, client: plugins.Client | int, message: Mapping[str, Any]) -> bool:
        """Send a message to any client of the engine. Raises ValueError."""
        return self._owner.send(client if isinstance(client, int) else client.number, message)

    def later(self, ms: int, data: Any) -> None:
        """Have ``Engine.due`` called after so many milliseconds. Raises ValueError."""
        self._owner.later(ms, data)

    def clients(self) -> Sequence[plugins.Client]:
        """The engine's sessions."""
        return [client_of(session) for session in self._owner.sessions()]

    def client(self, number: int) -> plugins.Client | None:
        """The session of that number."""
        session = self._owner.session(number)
        return client_of(session) if session is not None else None

    def draw(self, below: int, *keys: int) -> int:
        """A number from 0 to below `below`."""
        return draw(below, self._owner.engine.properties["seed"], self._owner.number, *keys)

    def number(self) -> int:
        """A number that was never given out before."""
        return self._owner.engine.schedule.ticket()


def client_of(session: Session) -> plugins.Client:
    """A session, as plugins know it."""
    endpoint = session.endpoint
    return plugins.Client(session.number, session.user, endpoint.name, endpoint.protocol, session.account, session.firm,
                          session.connection != 0)  # fmt: skip


class PluginEngine:
    """See the module. number: told apart by it from an earlier engine of its name. failed: how it has, or "".

    taken: of each session, the number of its newest message. waiting: timers that are not due yet.
    """

    __slots__ = ("_sent", "engine", "failed", "machine", "number", "plugin", "taken", "waiting")

    def __init__(self, machine: Machine, engine: Engine, factory: Callable[[], plugins.Engine], number: int) -> None:
        self.machine = machine
        self.engine = engine
        self.number = number
        self.failed = ""
        self.taken: dict[int, int] = {}
        self.waiting = 0
        self._sent = 0
        self.plugin = factory()
        self.plugin.hands = Hands(self)

    # --------------------------------------------------------------------------------------------- given to it
    def take(self, session: Session, data: bytes) -> bool:
        """A client's message; False when it is ignored."""
        number, message = opened(data)
        if message is None:
            return False
        if not self.has_taken(session, number):
            self._try(self.plugin.message, client_of(session), message)
        return True

    def has_taken(self, session: Session, number: int) -> bool:
        """Whether a client's message of that number comes once more; else it has come now."""
        if number and session in self.engine.numbers.again and number <= self.taken.get(session.number, 0):
            return True
        if number:
            self.taken[session.number] = number
        return False

    def give(self, session: Session, data: bytes) -> None:
        """A client's message that has come before now, and has waited (openoutcry.matcher.messagestage)."""
        self._try(self.plugin.message, client_of(session), opened(data)[1])

    def refuse(self, session: Session, data: bytes, refusal: Refusal) -> None:
        """Tell a client that its message is refused: in the plugin's words, in ours when it has failed."""
        number, message = opened(data)
        reason = REJECT_REASONS.get(refusal[0], "")
        about = client_of(session), message or {}, reason, str(refusal[1] or reason)[:SHORT_TEXT_MAX]
        self._try(lambda: self._answer(number, about, self.plugin.refusal(*about)))
        if self.failed:
            self._answer(number, about, plugins.Engine.refusal(self.plugin, *about))

    def _answer(self, number: int, about: tuple[Any, ...], answer: Mapping[str, Any] | None) -> None:
        """number: of the message in its session, 0 for none."""
        if answer is None:
            return
        if number and answer.get("MsgType") == "BusinessMessageReject":
            answer = {"RefSeqNum": number, **answer}
        self.send(about[0].number, answer)

    def connected(self, session: Session) -> None:
        """A client has logged on."""
        self._try(self.plugin.logged_on, client_of(session))

    def disconnected(self, session: Session) -> None:
        """A client's connection is over."""
        self._try(self.plugin.logged_off, client_of(session))

    def step(self, verb: str) -> None:
        """A step of the trading day."""
        self._try(self.plugin.step, verb)

    def due(self, data: bytes) -> None:
        """A timer."""
        self.waiting -= 1
        self._try(self.plugin.due, unpacked(data))

    def forget(self, session: Session) -> None:
        """A session is being removed."""
        self.taken.pop(session.number, None)

    def _try(self, act: Callable[..., None], *arguments: Any) -> None:
        """Rule 1."""
        if self.failed:
            return
        self._sent = 0
        try:
            act(*arguments)
        except Exception as error:  # whatever somebody's plugin does wrong
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.failed = f"{type(error).__name__}: {error}"[:SHORT_TEXT_MAX]

    # --------------------------------------------------------------------------------------------- its hands
    def sessions(self) -> list[Session]:
        """The sessions of the engine's endpoints."""
        return [session for session in self.machine.sessions.values() if self._is_ours(session)]

    def session(self, number: int) -> Session | None:
        """One of them."""
        found = self.machine.sessions.get(number)
        return found if found is not None and self._is_ours(found) else None

    def _is_ours(self, session: Session) -> bool:
        """Whether it belongs to a client: desks are sessions too."""
        endpoint = session.endpoint
        return endpoint.engine is self.engine and self.machine.endpoints.get(endpoint.name) is endpoint

    def send(self, number: int, message: Mapping[str, Any]) -> bool:
        """ECHOED. Raises ValueError."""
        if not isinstance(message, Mapping) or not isinstance(message.get("MsgType"), str):
            raise ValueError(f"a message is a dictionary with a MsgType, not {message!r}"[:SHORT_TEXT_MAX])
        try:
            data = json.dumps(message, separators=(",", ":")).encode()
        except TypeError as error:
            text = f"a message is made of text, whole numbers, lists and dictionaries: {error}"
            raise ValueError(text) from None
        if len(data) > ECHO_MAX:
            raise ValueError(f"a message of {len(data)} bytes, at most {ECHO_MAX}")
        self._sent += 1
        if self._sent > SENT_MAX:
            raise ValueError(f"more than {SENT_MAX} messages at once")
        session = self.session(number)
        if session is None or session.owner is None:
            return False
        session.events.append((ECHOED, number, data))
        return True

    def later(self, ms: int, data: Any) -> None:
        """A timer. Raises ValueError."""
        if type(ms) is not int or not 0 <= ms <= 366 * DAY_MS:
            raise ValueError(f"ms is {ms!r}, it must be a whole number of milliseconds, a year at most")
        if self.waiting >= TIMERS_MAX:
            raise ValueError(f"{TIMERS_MAX} timers wait already")
        self.waiting += 1
        self.engine.schedule.add(self.machine.time_ns + ms * MS_NS, TIMER, self.number, packed(data))

    # --------------------------------------------------------------------------------------------- kept of it
    def dump(self) -> tuple[Any, ...]:
        """For a snapshot."""
        try:
            state = packed(self.plugin.dump())
        except Exception as error:  # as in Rule 3
            self._fail(error)
            state = packed(None)
        return self.number, self.failed, tuple(sorted(self.taken.items())), self.waiting, state

    def load(self, row: tuple[Any, ...]) -> None:
        """The reverse of ``dump``."""
        self.number, failed, taken, self.waiting, state = row
        self.taken = dict(taken)
        self._try(self.plugin.load, unpacked(state))
        self.failed = failed or self.failed


def packed(value: Any) -> bytes:
    """What a plugin keeps, as bytes. Raises TypeError and ValueError."""
    data: bytes = msgpack.packb(value)
    return data


def unpacked(data: bytes) -> Any:
    """The reverse: tuples have become lists."""
    return msgpack.unpackb(data, strict_map_key=False)


def due(machine: Machine, item: tuple[Any, ...]) -> None:
    """A timer of an engine that may be gone."""
    _, number, data = item
    for engine in machine.engines.values():
        if engine.plugin is not None and engine.plugin.number == number:
            engine.plugin.due(data)
            return
