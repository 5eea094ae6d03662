"""An engine of somebody's own (openoutcry.plugins) in the machine: what it is given, what it may do, what is kept.

Messages come as ECHO and go as ECHOED (openoutcry.wire), as JSON: that of a client has its number in its session before
it (b"7 {...}"; 0 where the protocol has none), so that one that comes AGAIN happens once.

Rule 1. Whatever the plugin does wrong stays here: it has ``failed``, the log says how, it is given nothing any more,
        and its clients' messages are refused.
Rule 2. Only sessions of the engine are told, and only from the beginning of their day's stream to its end.
Rule 3. What is kept of it is what ``Engine.dump`` returns, packed. While that cannot be packed, or is another thing
        when it is unpacked, there are no snapshots: to have it fail then would be no function of the inputs.
Rule 4. A message without a number (OUCH) is told apart by its token, as in any engine: an order or a replacement whose
        ClOrdID its session has used today has come before.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgpack

from openoutcry import plugins
from openoutcry.matcher.answers import no_token
from openoutcry.matcher.dictionaries import opened
from openoutcry.matcher.draws import draw, key_of
from openoutcry.plugins import PluginError, fault
from openoutcry.wire import ECHO_MAX, ECHOED, PHASES, REJECT_HALTED, REJECT_REASONS, SHORT_TEXT_MAX, TOKEN_MAX

if TYPE_CHECKING:
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.judging import Refusal
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Session

MS_NS: Final = 1_000_000
DAY_MS: Final = 86_400_000
TIMERS_MAX: Final = 100_000  # of one engine that wait: some 20 MB
TIMER_BYTES_MAX: Final = 65_536  # of what one of them is given
SENT_MAX: Final = 10_000  # messages that one call may send: one that sends for ever must not fill the memory
SENT_BYTES_MAX: Final = 16_000_000  # and their bytes: a thousand of the longest
REFUSED_MAX: Final = 1_000  # attempts beyond that which are answered with an error: who goes on will not stop
AT_ONCE_MAX: Final = 10_000  # timers that are due at once, each put off by the one before: they would never end
DEPTH_MAX: Final = 32  # lists and dictionaries in one another: no message of any protocol has half of it
TIMER: Final = "plugin"  # kind of entry in the schedule
_TOKENS: Final = frozenset(("NewOrderSingle", "OrderCancelReplaceRequest"))  # whose ClOrdID is a token of their own

log = logging.getLogger("openoutcry.matcher")


class Endless(BaseException):
    """A plugin sends, whatever it is told: not an Exception, lest it goes on all the same."""


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
        return draw(below, self._owner.engine.properties["seed"], key_of(self._owner.engine.name), *keys)

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

    __slots__ = ("_at_once", "_bytes", "_is_due", "_moment", "_sent", "_told", "engine", "failed", "machine", "number",
                 "plugin", "taken", "waiting")  # fmt: skip

    def __init__(self, machine: Machine, engine: Engine, factory: Callable[[], plugins.Engine], number: int) -> None:
        self.machine = machine
        self.engine = engine
        self.number = number
        self.failed = ""
        self.taken: dict[int, int] = {}
        self.waiting = 0
        self._sent = self._bytes = 0  # by the present call
        self._is_due = self._told = False
        self._moment = self._at_once = 0  # the present input, and how many timers in it made one more
        self.plugin = factory()
        self.plugin.hands = Hands(self)

    # --------------------------------------------------------------------------------------------- given to it
    def take(self, session: Session, data: bytes) -> bool:
        """A client's message; False when it is ignored."""
        number, message = opened(data)
        if message is None:
            return False
        if self.has_taken(session, number, message):
            return True
        refused = self.no_token(session, number, message)
        if refused is not None:
            self.refuse(session, data, refused)
        else:
            self.give(session, data)
        return True

    def has_taken(self, session: Session, number: int, message: Mapping[str, Any]) -> bool:
        """Whether a client's message comes once more; else it has come now."""
        if not number:
            token = _token(message)
            used = token in session.tokens
            if token and not used and no_token(session) is None:
                session.tokens[token] = None
            return used
        if session in self.engine.numbers.again and number <= self.taken.get(session.number, 0):
            return True
        self.taken[session.number] = number
        return False

    def no_token(self, session: Session, number: int, message: Mapping[str, Any]) -> Refusal | None:
        """Why a message that has not come before is refused: its session has used too many tokens to know that."""
        token = b"" if number else _token(message)
        return no_token(session) if token and token not in session.tokens else None

    def give(self, session: Session, data: bytes) -> None:
        """A client's message for the plugin. When it fails at this before it has said anything, that is refused."""
        self._told = False
        self._try("message", client_of(session), opened(data)[1])
        if self.failed and not self._told:
            self.refuse(session, data, (REJECT_HALTED, f"engine {self.engine.name} has failed"))

    def refuse(self, session: Session, data: bytes, refused: Refusal) -> None:
        """Tell a client that its message is refused: in the plugin's words, in ours when it has failed."""
        number, message = opened(data)
        reason = REJECT_REASONS.get(refused[0], "")
        about = client_of(session), message or {}, reason, str(refused[1] or reason)[:SHORT_TEXT_MAX]
        self._try("refusal", *about, then=lambda answer: self._answer(number, session, answer))
        if self.failed:
            from openoutcry.refusals import refusal  # it brings OUCH's tables, and most engines never refuse

            self._sent = self._bytes = 0
            exec_id = str(self.engine.schedule.ticket())
            with suppress(ValueError):  # what it repeats of the message is nothing that can be said
                self._answer(number, session, refusal(session.endpoint.protocol, about[1], exec_id, *about[2:]))

    def _answer(self, number: int, session: Session, answer: Mapping[str, Any] | None) -> None:
        """number: of the message in its session, 0 for none."""
        if answer is None:
            return
        if number and answer.get("MsgType") == "BusinessMessageReject":
            answer = {"RefSeqNum": number, **answer}
        self.send(session.number, answer)

    def connected(self, session: Session) -> None:
        """A client has logged on."""
        self._try("logged_on", client_of(session))

    def disconnected(self, session: Session) -> None:
        """A client's connection is over."""
        self._try("logged_off", client_of(session))

    def step(self, verb: str) -> None:
        """A step of the trading day."""
        self._try("step", verb)

    def due(self, data: bytes) -> None:
        """A timer."""
        self.waiting -= 1
        if self._moment != self.machine.sequence:
            self._moment, self._at_once = self.machine.sequence, 0
        self._is_due = True
        self._try("due", unpacked(data))
        self._is_due = False

    def forget(self, session: Session) -> None:
        """A session is being removed."""
        self.taken.pop(session.number, None)

    def _try(self, method: str, *arguments: Any, then: Callable[[Any], None] | None = None) -> None:
        """Rule 1. then: takes what the plugin returns, of which it is to be right as well."""
        if self.failed:
            return
        self._sent = self._bytes = 0
        try:
            found = getattr(self.plugin, method)(*arguments)
            if then is not None:
                then(found)
        except BaseException as error:  # whatever somebody's plugin does wrong, sys.exit() too
            self._fail(method, error)

    def _fail(self, method: str, error: BaseException) -> None:
        self.failed = fault(error)
        text = "".join(traceback.format_tb(error.__traceback__))
        log.error("engine %s of kind %s has failed in %s, and is given nothing any more: %s\n%s", self.engine.name,
                  self.engine.kind, method, self.failed, text)  # fmt: skip

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
        data = _encoded(message)
        self._sent += 1
        self._bytes += len(data)
        if self._sent > SENT_MAX + REFUSED_MAX:
            raise Endless(f"it sends on, although it has sent {SENT_MAX} messages at once")
        if self._sent > SENT_MAX or self._bytes > SENT_BYTES_MAX:
            raise ValueError(f"more than {SENT_MAX} messages, or {SENT_BYTES_MAX} bytes, at once")
        session = self.session(number)
        if session is None or session.owner is None:
            return False
        self._told = True
        session.events.append((ECHOED, number, data))
        return True

    def later(self, ms: int, data: Any) -> None:
        """A timer. Raises ValueError."""
        if type(ms) is not int or not 0 <= ms <= 366 * DAY_MS:
            raise ValueError(f"ms is {ms!r}, it must be a whole number of milliseconds, a year at most")
        if self.waiting >= TIMERS_MAX:
            raise ValueError(f"{TIMERS_MAX} timers wait already")
        kept = lasting(data)
        if len(kept) > TIMER_BYTES_MAX:
            raise ValueError(f"{len(kept)} bytes are put off, at most {TIMER_BYTES_MAX}")
        if self._is_due and not ms:
            self._at_once += 1
            if self._at_once > AT_ONCE_MAX:
                raise ValueError(f"{AT_ONCE_MAX} timers have put off one more each, all to be due at once")
        self.waiting += 1
        self.engine.schedule.add(self.machine.time_ns + ms * MS_NS, TIMER, self.number, kept)

    # --------------------------------------------------------------------------------------------- kept of it
    def dump(self) -> tuple[Any, ...]:
        """For a snapshot, and for comparing; of what cannot be kept, that it cannot (Rule 3)."""
        try:
            state = self._state()
        except PluginError:
            state = UNKEPT
        return self.number, self.failed, tuple(sorted(self.taken.items())), self.waiting, state

    def check_kept(self) -> None:
        """Raises PluginError while there can be no snapshot of it."""
        self._state()

    def _state(self) -> bytes:
        if self.failed:
            return NOTHING  # it is given nothing any more
        try:
            return lasting(self.plugin.dump())
        except BaseException as error:  # as in Rule 1, but it goes on
            name = f"engine {self.engine.name!r} of kind {self.engine.kind}"
            raise PluginError(f"{name} cannot be kept in a snapshot: {fault(error)}") from None

    def load(self, row: tuple[Any, ...]) -> None:
        """The reverse of ``dump``. Raises PluginError when the plugin does not take its state."""
        self.number, self.failed, taken, self.waiting, state = row
        self.taken = dict(taken)
        if self.failed:
            return
        try:
            self.plugin.load(unpacked(state))
        except BaseException as error:  # as in Rule 1, but nothing was asked of it yet: it did not fail in the journal
            name = f"engine {self.engine.name!r} of kind {self.engine.kind}"
            raise PluginError(f"{name} does not load its state: {fault(error)}") from None


NOTHING: Final = b"\xc0"  # None, packed
UNKEPT: Final = b""  # what nothing that is packed looks like


def _token(message: Mapping[str, Any]) -> bytes:
    """Rule 4: what an order or a replacement is told apart by, b"" for others."""
    if message.get("MsgType") not in _TOKENS:
        return b""
    return str(message.get("ClOrdID", "")).encode("utf-8", "replace")[:TOKEN_MAX]


def _encoded(message: Any) -> bytes:
    """A message as the bus carries it. Raises ValueError."""
    if not isinstance(message, Mapping) or not isinstance(message.get("MsgType"), str):
        raise ValueError(f"a message is a dictionary with a MsgType, not {type(message).__name__} {message!r:.200}")
    _check(message, DEPTH_MAX)
    data = json.dumps(message, separators=(",", ":")).encode()
    if len(data) > ECHO_MAX:
        raise ValueError(f"a message of {len(data)} bytes, at most {ECHO_MAX}")
    return data


def _check(value: Any, depth: int) -> None:
    """Whether a message is made of what every protocol has words for. Raises ValueError."""
    if isinstance(value, str):
        if not value.isascii():
            value.encode()  # half of a surrogate pair is a ValueError
    elif isinstance(value, dict | list | tuple):
        if not depth:
            raise ValueError(f"a message has at most {DEPTH_MAX} lists and dictionaries in one another")
        for each in value.values() if isinstance(value, dict) else value:
            _check(each, depth - 1)
        if isinstance(value, dict) and not all(isinstance(name, str) for name in value):
            raise ValueError("the names of fields are text")
    elif not isinstance(value, int) and value is not None:
        text = "a message is made of text, whole numbers, lists and dictionaries"
        raise ValueError(f"{text}, not of {type(value).__name__} {value!r:.200}")


def lasting(value: Any) -> bytes:
    """What a plugin keeps, as bytes that mean the same when they are read. Raises ValueError."""
    try:
        data = packed(value)
        same = packed(unpacked(data)) == data
    except Exception as error:
        text = f"what is kept is made of None, text, numbers, lists and dictionaries: {fault(error)}"
        raise ValueError(text) from None
    if not same:
        raise ValueError("what is kept is another thing when it is read again")
    return data


def packed(value: Any) -> bytes:
    """What a plugin keeps, as bytes. Raises TypeError, ValueError and OverflowError."""
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
