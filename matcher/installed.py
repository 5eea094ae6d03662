"""The policies that an engine has (``Installed``), and the verbs that add and remove them.

Rule 1. What a policy is limited by, and how often it has acted, is dealt with here; its kind knows nothing of it.
Rule 2. Whatever a policy of somebody's own raises stays here: it has failed then, says so in its row, and is not asked
        again.

The kinds, and what they can do, are in openoutcry.matcher.policies; where messages meet them, in stage.py.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from openoutcry import wire
from openoutcry.errors import VerbError
from openoutcry.matcher import bots, dictionaries, lines, maker, pluginload, policies, refusing
from openoutcry.matcher.configuration import Asker, find
from openoutcry.matcher.draws import key_of
from openoutcry.matcher.orders import BOOK, SESSION, SIDE, Order
from openoutcry.matcher.policies import PERCENT, Hands, Message, Policy, make, parse
from openoutcry.matcher.stage import HOUSE, refresh
from openoutcry.matcher.staging import stage_of
from openoutcry.matcher.treatment import UNTOUCHED, Treatment, sound
from openoutcry.plugins import POLICIES, fault

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.desk import Desk
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Session
    from openoutcry.matcher.stage import Stage

log = logging.getLogger("openoutcry.matcher")

Row = dict[str, Any]
BUILT_IN: Final = (bots, lines, maker)  # imported here, since importing them registers their kinds
POLICIES_MAX: Final = 100  # of one engine: every message meets them all


class Installed:
    """One of an engine. seen: what it could have acted on; acted: on how much it did; failed: how it has, or ""."""

    __slots__ = (
        "_hands",
        "_judged",
        "_stage",
        "acted",
        "by_clock",
        "desk",
        "failed",
        "key",
        "kind",
        "name",
        "number",
        "options",
        "policy",
        "reorders",
        "seen",
        "text",
        "told",
    )

    def __init__(self, stage: Stage, number: int, name: str, kind: str, text: str) -> None:
        self._stage = stage
        self.number = number
        self.name = name
        self.key = key_of(name)  # of its draws
        self.kind = kind
        self.text = text
        self.options = parse(kind, text)
        self.policy = make(kind, self.options)
        self._judged = self.policy.judged()
        self.told = self.policy.told()
        self.reorders = self.policy.reorders
        self._hands = Hands(stage, self)
        self.desk: Desk | None = None
        self.by_clock = False  # whether it is the clock that has called it
        self.seen = 0
        self.acted = 0
        self.failed = ""

    def meets(self, session: Session, command: tuple[Any, ...]) -> Treatment:
        """What becomes of a message."""
        if command[0] not in self._judged or not self._is_about(session, *_where(session, command)):
            return UNTOUCHED
        return self._treats(session, command, False)

    def tells(self, session: Session, event: tuple[Any, ...], book: str, side: int) -> Treatment:
        """What becomes of an event that a session is about to be told. book, side: of its order, "" and 0: unknown."""
        if event[0] not in self.told or not self._is_about(session, book, side):
            return UNTOUCHED
        return self._treats(session, event, True)

    def _treats(self, session: Session, command: tuple[Any, ...], told: bool) -> Treatment:
        if not self._may_act():
            return UNTOUCHED
        message = Message(session, command, self.seen, told)
        done: Treatment | None = self._try(lambda: sound(self.policy.treats(self._hands, message)))
        if done is None:
            return UNTOUCHED
        self.acted += done != UNTOUCHED
        return done

    def accepted(self, order: Order) -> None:
        """A new order was accepted."""
        if type(self.policy).accepted is Policy.accepted:
            return
        if self._is_about(order[SESSION], order[BOOK].name, order[SIDE]) and self._may_act():
            self.acted += bool(self._try(self.policy.accepted, self._hands, order))

    def due(self, order: Order, data: tuple[int, ...]) -> None:
        """The policy wanted to look at an order again."""
        if not self.failed:
            self.by_clock = True
            self._try(self.policy.due, self._hands, order, data)
            self.by_clock = False

    def begin(self, machine: Machine, desk: str) -> None:
        """It was added. desk: the name of its own, "" for none."""
        from openoutcry.matcher.desk import home_of

        if desk:
            self.desk = home_of(machine, self._stage.engine, desk)
            self._stage.own.add(self.desk.number)
        self._try(self.policy.begins, self._hands)

    def end(self) -> None:
        """It is being taken away."""
        self._try(self.policy.ends, self._hands)
        if self.desk is not None:
            self._stage.own.discard(self.desk.number)

    def priced(self, book: Book) -> None:
        """The price of a book has moved."""
        if not self.failed and self.options["book"] in (None, book.name):
            self._try(self.policy.priced, self._hands, book)

    def woken(self) -> None:
        """The policy wanted to be."""
        if not self.failed:
            self.by_clock = True
            self._try(self.policy.woken, self._hands)
            self.by_clock = False

    def _try(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Let the policy act: Rule 4."""
        try:
            return act(*arguments)
        except BaseException as error:  # whatever a policy of somebody else's does wrong, sys.exit() too
            self.failed = fault(error)
            text = "".join(traceback.format_tb(error.__traceback__))
            name = f"policy {self.name} of kind {self.kind} on engine {self._stage.engine.name}"
            log.error("%s has failed, and is not asked again: %s\n%s", name, self.failed, text)
            return None

    def _is_about(self, session: Session, book: str, side: int) -> bool:
        options = self.options
        return (
            options["book"] in (None, book)
            and (options["side"] is None or (bool(side) and (options["side"] == "buy") == (side == wire.BUY)))
            and (options["session"] is None or options["session"].upper() == session.user.upper())
        )

    def _may_act(self) -> bool:
        """Count one more, and say whether number and chance let the policy act on it."""
        if self.failed:
            return False
        if self.options["count"] and self.acted >= self.options["count"]:
            return False
        self.seen += 1
        probability: int = self.options["probability"]
        return probability == PERCENT or self._hands.draw(PERCENT) < probability

    def row(self) -> Row:
        """One policy, for people: its options as they were given."""
        return {"engine": self._stage.engine.name, "name": self.name, "kind": self.kind, "options": self.text,
                "seen": self.seen, "acted": self.acted, "failed": self.failed}  # fmt: skip

    def dump(self) -> tuple[Any, ...]:
        """For a snapshot."""
        desk = self.desk.number if self.desk is not None else 0
        return self.number, self.name, self.kind, self.text, self.seen, self.acted, self.failed, desk


class OnMessages(Installed):
    """A policy of an engine without books, where messages are dictionaries (openoutcry.matcher.dictionaries)."""

    __slots__ = ()

    def meets(self, session: Session, command: tuple[Any, ...]) -> Treatment:
        return self._judges(session, command, dictionaries.where, False)

    def tells(self, session: Session, event: tuple[Any, ...], book: str, side: int) -> Treatment:
        place = (book, side)  # where the event does not say it
        return self._judges(session, event, dictionaries.where if event[0] == wire.ECHOED else lambda _: place, True)

    def _judges(
        self, session: Session, message: tuple[Any, ...], where: Callable[[Row], tuple[str, int]], told: bool
    ) -> Treatment:
        if self.failed:
            return UNTOUCHED
        fields = dictionaries.fields_of(message)
        wanted = self._is_about(session, *where(fields)) and self._try(self.policy.judges, fields, told)
        return self._treats(session, message, told) if wanted else UNTOUCHED


def _kind_of(stage: Stage) -> type[Installed]:
    return Installed if stage.engine.has_books else OnMessages


def restore(stage: Stage, row: tuple[Any, ...], sessions: Mapping[int, Session]) -> Installed:
    """The reverse of ``Installed.dump``."""
    number, name, kind, text, seen, acted, failed, desk = row
    policy = _kind_of(stage)(stage, number, name, kind, text)
    policy.seen, policy.acted, policy.failed = seen, acted, failed
    if desk:
        policy.desk = cast("Desk", sessions[desk])
        stage.own.add(desk)
    return policy


def _where(session: Session, command: tuple[Any, ...]) -> tuple[str, int]:
    """The book and side that a message is about, "" and 0 for several or none."""
    kind = command[0]
    if kind in refusing.NEW_ORDERS:
        book = session.books.get(command[3])
        return book.name if book is not None else "", command[4]
    if kind in refusing.REPLACEMENTS or kind in (wire.CANCEL, wire.MODIFY, wire.WITHDRAW):
        order = session.live.get(command[2])
        return (order[BOOK].name, order[SIDE]) if order is not None else ("", 0)
    return "", 0


# ------------------------------------------------------------------------------------------------- verbs
def add_policy(machine: Machine, asker: Asker, engine: str, name: str, kind: str, options: str) -> Any:
    """Add a policy behind those that are there."""
    found = find(machine.engines, "engine", "engine", engine)
    if kind not in policies.KINDS:
        raise pluginload.why_not(machine, POLICIES, "kind", kind, list(policies.KINDS))
    if not found.has_books:
        _needs_no_orders(found, kind)
    given = parse(kind, options)
    if given["book"] is not None and found.has_books:
        find(machine.books, "options", "book", given["book"])
    present = found.stage.policies if found.stage is not None else {}
    if name in present:
        raise VerbError("exists", "name", f"engine {engine!r} has a policy {name!r} already")
    if len(present) >= POLICIES_MAX:
        raise VerbError("limit", "name", f"engine {engine!r} has {POLICIES_MAX} policies, which is the limit")
    new = make(kind, given)
    desk = _desk_of(machine, found, name, new) if found.has_books else ""
    stage = stage_of(machine, found)
    policy = stage.policies[name] = _kind_of(stage)(stage, stage.number(), name, kind, options)
    refresh(found)
    stage.answers.watch(_clients_of(machine, found))
    policy.begin(machine, desk)
    return policy.row()


def _needs_no_orders(engine: Engine, kind: str) -> None:
    """Whether a kind of policy can be on an engine without books. Raises VerbError."""
    able = [name for name, each in policies.KINDS.items() if getattr(each, "dictionaries", False)]
    if kind not in able:
        text = f"policy {kind} needs orders in books, and engine {engine.name!r} of kind {engine.kind} has none"
        right = f"use an engine of kind matching or manual, or here one of: {', '.join(able)}"
        raise VerbError("wrong_state", "engine", f"{text}; {right}")


def _clients_of(machine: Machine, engine: Engine) -> list[Session]:
    """The sessions of an engine that are no desks."""
    endpoints = [endpoint for endpoint in machine.endpoints.values() if endpoint.engine is engine]
    return [session for endpoint in endpoints for session in endpoint.sessions.values()]


def _desk_of(machine: Machine, engine: Engine, name: str, policy: Policy) -> str:
    """The name of the desk that a new policy will trade with, "" for none. Changes nothing yet. Raises VerbError."""
    from openoutcry.matcher.desk import DESKS_MAX, all_desks

    desk = (policy.options["desk"] or name) if policy.trades else ""
    place = machine.desks.get(engine.name)
    known = place.sessions if place is not None else {}
    taken = engine.stage.own if engine.stage is not None else set()
    if desk == HOUSE or (desk in known and known[desk].number in taken):
        raise VerbError("in_use", "options", f"the desk {desk!r} trades for the engine, or a policy, already")
    new = {HOUSE, *([desk] if desk else [])} - known.keys()
    if len(all_desks(machine)) + len(new) > DESKS_MAX:
        raise VerbError("limit", "options", f"there can be no more desks: {DESKS_MAX} is the limit")
    return desk


def delete_policy(machine: Machine, asker: Asker, engine: str, name: str) -> Any:
    """Take a policy away, with all that it was to do later."""
    found = find(machine.engines, "engine", "engine", engine)
    find(found.stage.policies if found.stage is not None else {}, "name", "policy", name)
    assert found.stage is not None
    policy = found.stage.policies.pop(name)
    found.stage.answers.watch(_clients_of(machine, found))
    policy.end()
    refresh(found)
    return policy.row()


HANDLERS: Final[dict[str, Callable[..., Any]]] = {"add_policy": add_policy, "delete_policy": delete_policy}
