"""What happens at one endpoint, as ``wait_for`` shows it, and what waits there for a hand: log-ons and messages.

``Watch`` is the endpoint's, for as long as it lives. Connections tell it what happens to them (``note``): a few lines a
connection, always, and its first messages; all messages once somebody has asked for them, or holds them (``messages``).

Rule 1. Nothing here grows without bound: of what happened the newest EVENTS_MAX are kept, and EVENTS_BYTES_MAX of their
        messages; a session's messages that wait are HELD_MAX, or HELD_BYTES_MAX, or HELD_TOTAL_MAX with those of all
        other sessions of the gateway, and then its client is not read.
Rule 2. A message that waits has the number of the event that it was: numbers are the gateway's, and never used twice.
Rule 3. What waits belongs to the session, not to the connection: it stays when the client goes.

Read openoutcry.gateway.managed next: the questions that are asked about all this.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from openoutcry.gateway.managed import Managed

EVENTS_MAX: Final = 1_000  # of one endpoint: a test that has fallen behind further than that has lost its way
EVENTS_BYTES_MAX: Final = 1_000_000
HELD_MAX: Final = 1_000  # messages of one session
HELD_BYTES_MAX: Final = 1_000_000
HELD_TOTAL_MAX: Final = 128_000_000  # bytes of all sessions together, as they are in memory: a peer can log on as many
FIRST_MAX: Final = (
    100  # messages of a connection that are noted before anybody has asked for any: what a test sends first
)
OVERHEAD: Final = 2_000  # of a message that is kept, beside its bytes, at most

CONNECTION: Final = "connection"
LOGON: Final = "logon"
LOGGED_ON: Final = "logged_on"
LOGOUT: Final = "logout"
DISCONNECT: Final = "disconnect"
MESSAGE: Final = "message"
KINDS: Final = (CONNECTION, LOGON, LOGGED_ON, LOGOUT, DISCONNECT, MESSAGE)
UNNAMED: Final = "?"  # the type of a message that nobody has asked for yet: to name it takes time
SESSION_MESSAGE: Final = ""  # kind of what the session layer answers by itself: it is found by its MsgType alone


class Happened(NamedTuple):
    """One thing that happened. type: the name of its MsgType. message: what was received, as the protocol has it."""

    number: int
    kind: str
    connection: int
    address: str
    session: str
    type: str
    message: Any
    size: int


class Held:
    """A message that waits. mark: the protocol's own. shown: ``next_message`` has returned it."""

    __slots__ = ("mark", "message", "number", "shown", "size", "type")

    def __init__(self, number: int, type: str, message: Any, size: int, mark: tuple[int, ...] = ()) -> None:
        self.number = number
        self.type = type
        self.message = message
        self.size = size
        self.mark = mark
        self.shown = False


class Budget:
    """What the messages that wait at one gateway take in memory."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class Inbox:
    """The messages of one session that wait, the oldest first."""

    __slots__ = ("_budget", "bytes", "held", "session")

    def __init__(self, session: str, budget: Budget) -> None:
        self.session = session
        self._budget = budget
        self.held: dict[int, Held] = {}
        self.bytes = 0

    @property
    def full(self) -> bool:
        """Whether no more is to be read for it."""
        if not self.held:
            return False  # whatever the others have
        own = len(self.held) >= HELD_MAX or self.bytes >= HELD_BYTES_MAX
        return own or self._budget.bytes >= HELD_TOTAL_MAX

    def put(self, held: Held) -> None:
        """Let it wait."""
        self.held[held.number] = held
        self.bytes += held.size
        self._budget.bytes += held.size + OVERHEAD

    def oldest(self, unseen: bool = False) -> Held | None:
        """The oldest that waits, or the oldest that nobody has looked at."""
        return next((held for held in self.held.values() if not (unseen and held.shown)), None)

    def take(self, number: int) -> Held:
        """Out of the inbox, wherever it is. Raises KeyError."""
        held = self.held.pop(number)
        self.bytes -= held.size
        self._budget.bytes -= held.size + OVERHEAD
        return held

    def clear(self) -> None:
        """Throw all of them away."""
        for number in list(self.held):
            self.take(number)


class Watch:
    """See the module. waiting: connections whose log-on waits for a hand, by number, the longest first."""

    __slots__ = (
        "_bytes", "_events", "_held", "_managed", "auto_accept", "auto_receive", "inboxes", "messages", "waiting",
    )  # fmt: skip

    def __init__(self, managed: Managed) -> None:
        self._managed = managed
        self._events: deque[Happened] = deque()
        self._bytes = 0
        self._held: frozenset[str] = frozenset()  # sessions whose own auto_receive is false
        self.auto_accept = self.auto_receive = True
        self.messages = False
        self.inboxes: dict[str, Inbox] = {}
        self.waiting: dict[int, Any] = {}

    # --------------------------------------------------------------------------------------------- what happens
    def note(self, kind: str, guest: Any, session: str, type: str = "", message: Any = None, size: int = 0) -> int:
        """Something has happened to the connection `guest`; returns the event's number."""
        number = self._managed.next_event()
        self._events.append(Happened(number, kind, guest.number, guest.address, session, type, message, size))
        self._bytes += size
        while len(self._events) > EVENTS_MAX or self._bytes > EVENTS_BYTES_MAX:
            self._bytes -= self._events.popleft().size
        self._managed.happened()
        return number

    def name_types(self, type_of: Callable[[str, Any], str]) -> None:
        """Name the messages that were noted before anybody asked. type_of: of a session and a message, its MsgType."""
        for place, event in enumerate(self._events):
            if event.type == UNNAMED:
                self._events[place] = event._replace(type=type_of(event.session, event.message))

    @property
    def newest(self) -> int:
        """Number of the newest event."""
        return self._events[-1].number if self._events else 0

    def find(self, what: str, session: str | None, since: int) -> Happened | None:
        """The oldest event after number `since` of that kind or MsgType."""
        if self.newest <= since:
            return None
        for event in self._events:
            if event.number > since and what in (event.kind, event.type) and session in (None, event.session):
                return event
        return None

    # --------------------------------------------------------------------------------------------- what waits
    def configure(self, auto_accept: bool, auto_receive: bool, held_sessions: str) -> list[Inbox]:
        """The endpoint's properties; returns the inboxes whose messages do not wait any more."""
        self.auto_accept, self.auto_receive = auto_accept, auto_receive
        self._held = frozenset(held_sessions.split("\n")) if held_sessions else frozenset()
        self.messages = self.messages or not (auto_accept and auto_receive) or bool(self._held)
        return [inbox for name, inbox in self.inboxes.items() if inbox.held and not self.holds(name)]

    def holds(self, session: str) -> bool:
        """Whether the messages of a session wait."""
        return not self.auto_receive or session in self._held

    def inbox(self, session: str) -> Inbox:
        """Where the messages of a session wait; made when there is none."""
        found = self.inboxes.get(session)
        if found is None:
            found = self.inboxes[session] = Inbox(session, self._managed.budget)
        return found

    def clear(self) -> None:
        """The endpoint is no more."""
        for session in list(self.inboxes):
            self.forget(session)

    def forget(self, session: str) -> None:
        """A session is no more, and with it what waits of it."""
        inbox = self.inboxes.pop(session, None)
        if inbox is not None:
            inbox.clear()
