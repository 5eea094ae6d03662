"""What a recording that begins in the middle has to begin with: of what happened before, the part that is still there.

    seen.command(...), seen.applied(...)    on a first pass over the journal, up to the beginning
    seen.begin(machine)                     then
    seen.mentioned(...)                     after it
    Kept(seen.needs(), names)               on a second pass, which leaves out what is not needed

An order that is open, or that somebody still names, needs the commands that made it, and, where it has traded, those of
the orders with which it traded, and so on. Verbs that set something up are needed always, a session's log-on while it
has such orders or is logged on at the beginning.

Invariant: this is a guess at what the state depends on, and is never believed: ``image`` of both machines at the
beginning, and all events after it, are compared (openoutcry.scenarios.recorded).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from openoutcry import verbs, wire
from openoutcry.errors import VerbError
from openoutcry.matcher.desk import PLACE
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.orders import (
    BOOK,
    DEADLINE,
    DONE,
    NUMBER,
    OPEN,
    PRICE,
    SIDE,
    TIME_IN_FORCE,
    TRADE_FIELDS,
)
from openoutcry.matcher.sessions import Session

Command = tuple[Any, ...]
Key = tuple[Any, bytes]  # a session (its number, or the name of a desk), and the client's name for an order

# Verbs that enter or change orders: needed when one of these orders is.
TRADING: Final = frozenset((
    "enter_order", "amend_order", "cancel_order", "mass_cancel", "quote", "mass_quote", "create_order",
    "set_order_property", "submit_order", "delete_order", "create_quote", "set_quote_property", "submit_quote",
    "delete_quote", "match_orders", "accept_request", "reject_request", "fill_request", "fill_order", "pull_order",
    "break_trade", "correct_trade",
))  # fmt: skip
CLOCK: Final = ("stop_clock", "start_clock", "advance_clock")
_NAMED: Final = ("order_id", "new_id")  # arguments of verbs that name an order
_NEW_NAMES: Final = frozenset((wire.REPLACE, wire.AMEND, wire.CHANGE, wire.WITHDRAW, wire.CROSS))  # have a second name
_ONE_ORDER: Final = frozenset((wire.ENTER, wire.SUBMIT, wire.CANCEL, wire.MODIFY, wire.REFUSE, wire.ASK)) | _NEW_NAMES
_KEEP: Final = -1
_NEXT: Final = -2  # like the next command


def key_of(session: Session, token: bytes) -> Key:
    """The name of an order; that of a desk's does not need the session."""
    return (session.user if session.endpoint.protocol == PLACE else session.number), token


def image(machine: Machine) -> list[Any]:
    """The open orders in the order of their age, and the phases of the books: what a beginning has to agree in."""
    orders = [
        (order[NUMBER], session.endpoint.name, session.user, token, order[BOOK].name, order[SIDE], order[PRICE],
         order[OPEN], order[DONE], order[TIME_IN_FORCE], order[DEADLINE])
        for session in machine.sessions.values() for token, order in session.live.items()
    ]  # fmt: skip
    books = sorted((book.name, book.phase) for book in machine.books.values())
    return [[row[1:] for row in sorted(orders)], books]


class Seen:
    """The commands so far, each with the order that it is about, and which orders have to do with each other."""

    def __init__(self) -> None:
        self._about = array("q")  # of each command: an order, _KEEP or _NEXT
        self._session = array("q")  # and its session, 0 for none
        self._orders: dict[Key, int] = {}
        self._parents = array("q")  # orders that belong together: a forest
        self._unnamed: set[int] = set()  # orders that no command names: of quotes, of policies ...
        self._match = 0  # the last match that was looked at
        self._wanted: set[int] = set()  # orders that are open at the beginning, or named after it
        self._whole: set[int] = set()  # sessions of which everything is needed
        self._there: set[int] = set()  # sessions that are logged on at the beginning, or have open orders
        self._logons: dict[int, int] = {}  # sessions by the place of their log-on
        self._logoff: dict[int, int] = {}  # the place of the log-off after which a session has not come again
        self._connections: dict[int, int] = {}  # the last of each session

    def __len__(self) -> int:
        return len(self._about)

    # --------------------------------------------------------------------------------------------- looking
    def command(self, command: Command) -> None:
        """The next command, before it is applied."""
        kind, session, about = command[0], 0, _KEEP
        if kind <= wire.SESSION_COMMANDS_END:
            session = command[1]
        if kind == wire.AGAIN:
            about = _NEXT
        elif kind == wire.LOGOFF:
            self._logoff[command[1]] = len(self)
        elif names := _names(command):
            about = self._joined(names)
        self._about.append(about)
        self._session.append(session)

    def mentioned(self, command: Command) -> None:
        """A command after the beginning: of an order that is done, too, it matters that there was one."""
        self._wanted.update(self._orders[name] for name in _names(command) if name in self._orders)

    def applied(self, machine: Machine, told: Iterable[tuple[int, Command]]) -> None:
        """What came of the last input: trades, and a log-on."""
        numbers = machine.numbers
        count, self._match = numbers.match - self._match, numbers.match
        rows = numbers.trades[-count * TRADE_FIELDS :] if count else []
        for place in range(0, len(rows), TRADE_FIELDS):
            one, token, other, name = rows[place + 4 : place + 8]
            keys = [key_of(one, token), key_of(other, name)]
            unnamed = [key for key in keys if key not in self._orders]
            self._joined(keys)
            self._unnamed.update(self._orders[key] for key in unnamed)
        for _, event in told:
            if event[0] == wire.LOGGED_ON:
                self._logons[len(self) - 1] = event[1]
                self._connections[event[1]] = event[3]
                self._logoff.pop(event[1], None)

    def _joined(self, keys: list[Key]) -> int:
        """The order of that name; several are from now on the same."""
        first, *others = (self._root(self._orders.setdefault(key, len(self._orders))) for key in keys)
        for other in others:
            self._parents[other] = first
        return first

    def _root(self, order: int) -> int:
        parents = self._parents
        if order == len(parents):
            parents.append(order)
        while parents[order] != order:
            parents[order] = order = parents[parents[order]]
        return order

    # --------------------------------------------------------------------------------------------- judging
    def begin(self, machine: Machine) -> None:
        """The beginning: the machine has applied all commands so far."""
        for number, session in machine.sessions.items():
            names = [key_of(session, token) for token in session.live]
            self._wanted.update(self._orders[name] for name in names if name in self._orders)
            if session.connection or session.live:
                self._there.add(number)
            engine = session.endpoint.engine
            if engine.kind != "matching" or engine.stage is not None:
                self._whole.add(number)
        self._wanted |= self._unnamed

    def needs(self) -> Needs:
        """What the second machine needs, when all has been read."""
        roots = {self._root(order) for order in self._wanted}
        wanted = bytearray(len(self))
        for place in range(len(self) - 1, -1, -1):
            about, session = self._about[place], self._session[place]
            if about == _NEXT:
                wanted[place] = place + 1 < len(self) and wanted[place + 1]
            else:
                wanted[place] = about == _KEEP or session in self._whole or self._root(about) in roots
        sessions = self._there | {self._session[place] for place in range(len(self)) if wanted[place]}
        return Needs(wanted, sessions, self._logons, set(self._logoff.values()), self._connections)


def _names(command: Command) -> list[Key]:
    """The orders that a command is about; [] for one that is about others, or none."""
    kind = command[0]
    if kind in _ONE_ORDER:
        return [(command[1], name) for name in (command[2:4] if kind in _NEW_NAMES else command[2:3])]
    return _of_verb(command[2], command[3]) if kind == wire.VERB else []


def _of_verb(verb: str, values: tuple[Any, ...]) -> list[Key]:
    """The orders of a desk that a verb names."""
    if verb not in TRADING:
        return []
    try:
        values = verbs.check(verb, values, checked=True)
    except VerbError:
        return []
    given = {p.name: value for p, value in zip(verbs.VERBS[verb].parameters, values, strict=True)}
    return [(given["desk"], given[name].encode()) for name in _NAMED if given.get(name)] if "desk" in given else []


class Needs(NamedTuple):
    """wanted: 1 for each command that is; sessions: that have to be there, by number.

    logons: their log-ons, the session by the place; logoffs: the places of those without a return; connections: the
    last of each session.
    """

    wanted: bytearray
    sessions: set[int]
    logons: dict[int, int]
    logoffs: set[int]
    connections: dict[int, int]


class Kept:
    """Which of the commands before the beginning are needed; asked for each in turn.

    names: of all sessions there ever are, by number: where, and who. The second machine gives them other numbers.
    """

    def __init__(self, needs: Needs, names: dict[int, tuple[str, str]]) -> None:
        self.left_out = 0  # messages and trading verbs
        self._wanted, self._needed, self._logons, self._logoffs, self._connections = needs
        self._names = names
        self._place = 0
        self._days: dict[int, int] = {}  # of the last log-on of each session

    def command(self, machine: Machine, command: Command, at_once: bool) -> Command | None:
        """The next command as the second machine is to apply it, None for one that it does not need.

        at_once: at the time of the beginning, so nothing moves the clock.
        """
        place, self._place = self._place, self._place + 1
        before = place < len(self._wanted)
        kind = command[0]
        if kind in (wire.LOGON, wire.LOGON_AS) and before:
            return self._logon(machine, command, place)
        if kind == wire.LOGOFF and before:
            session = self._session(machine, command[1])
            wanted = session is not None and place in self._logoffs
            return (kind, session.number, session.connection or command[2]) if session and wanted else None
        if at_once and kind == wire.VERB and command[2] in CLOCK:
            return None
        if before and not self._wanted[place]:
            self.left_out += kind not in (wire.AGAIN, wire.ASK)
            return None
        if kind > wire.SESSION_COMMANDS_END and kind != wire.LOGOFF:
            return command
        session = self._session(machine, command[1])
        return (kind, 0 if session is None else session.number, *command[2:])

    def _logon(self, machine: Machine, command: Command, place: int) -> Command | None:
        """A day's first of a session that is needed, under the number of the connection that it has in the end."""
        number = self._logons.get(place, 0)
        session, endpoint = self._session(machine, number), machine.endpoints.get(command[1])
        day = 0 if endpoint is None else endpoint.engine.day
        connected = session is not None and session.connection and self._days.get(number) == day
        if number not in self._needed or connected:
            return None
        self._days[number] = day
        return (*command[:3], self._connections[number], *command[4:])

    def _session(self, machine: Machine, number: int) -> Session | None:
        """The session of the second machine that has that number in the first."""
        endpoint, user = self._names.get(number, ("", ""))
        found = machine.endpoints.get(endpoint)
        return None if found is None else found.sessions.get(user)
