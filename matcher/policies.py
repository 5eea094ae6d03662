"""Policies: rules by which an engine acts on its clients' messages and orders by itself, as a test wants it to.

``add_policy`` adds one of a kind (openoutcry.matcher.bots, or one's own) to any engine, behind those that are there.

Rule 1. Every policy can be limited: to a book, a side, a session, so many orders (``count``), and to chance
        (``probability``, drawn from the engine's seed, the policy's number and how many orders it has seen).
Rule 2. A policy acts in two places: ``refuses`` and ``holds`` see a message before the books do; ``accepted`` gets a
        new order between its ACCEPTED and the market, so what it fills is filled before the order meets anybody. What
        it wants to do later it says with ``Hands.later``; it gets the order back in ``due`` if that is still live, or
        what replaced it.
Rule 3. Replacements are not judged anew by ``accepted``; a policy that watches an order watches what takes its place.
Rule 4. A policy that raises has failed: it says so in its row, and does nothing any more. The exchange goes on.

A kind of one's own is a class, registered under a name in every process of the exchange before it starts::

    class EveryOther(Policy):
        parameters = (Parameter("start", "int", "the first to be refused", 1, 1, 2),)

        def refuses(self, message):
            odd = message.seen % 2 == self.options["start"] % 2
            return (wire.REJECT_FIELD, "every other one") if odd else None

    register_policy("every-other", EveryOther)
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.errors import VerbError
from openoutcry.matcher import refusing
from openoutcry.matcher.configuration import Asker, find
from openoutcry.matcher.draws import draw
from openoutcry.matcher.judging import Refusal
from openoutcry.matcher.orders import BOOK, SESSION, SIDE, Order
from openoutcry.matcher.sessions import ECHO_KIND
from openoutcry.matcher.stage import SILENCE, refresh, stage_of
from openoutcry.parameters import Parameter, convert, price_text

if TYPE_CHECKING:
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Session
    from openoutcry.matcher.stage import Stage

__all__ = ["SILENCE", "Hands", "Message", "Policy", "register_policy"]

Row = dict[str, Any]
POLICIES_MAX: Final = 100  # of one engine: every message meets them all
MS_NS: Final = 1_000_000
PERCENT: Final = 100

# What every policy can be limited by.
LIMITS: Final[tuple[Parameter, ...]] = (
    Parameter("book", "name", "orders in this book alone", None, 1),
    Parameter("side", "choice", "of this side alone", None, choices=("buy", "sell")),
    Parameter("session", "text", "of this user, desk or FIX session alone", None, 1, wire.USER_MAX),
    Parameter("count", "int", "so many orders at most; 0: no limit", 0, 0, wire.QUANTITY_MAX),
    Parameter("probability", "int", "out of 100 orders so many, at random", PERCENT, 0, PERCENT),
)


class Hands:
    """What a policy can do. seen: orders (or messages) that it could have acted on so far, this one among them."""

    __slots__ = ("_policy", "_stage")

    def __init__(self, stage: Stage, policy: Installed) -> None:
        self._stage = stage
        self._policy = policy

    @property
    def seen(self) -> int:
        """See the class."""
        return self._policy.seen

    def fill(self, order: Order, quantity: int, price: int) -> None:
        """Execute a part of a live order (at most what is open) against the house."""
        self._stage.fill(order, quantity, price)

    def cancel(self, order: Order, reason: int = wire.CANCEL_SUPERVISORY, leaves: int = 0) -> None:
        """Cancel a live order, or all but `leaves` of it."""
        self._stage.cancel(order, reason, leaves)

    def halt(self, order: Order, why: str) -> None:
        """Halt the order's book as soon as the present message is done with."""
        self._stage.ended.append((order[BOOK], why))

    def later(self, order: Order, ms: int, *data: int) -> None:
        """Have ``Policy.due`` called with the order and `data` after so many milliseconds."""
        self._stage.later(self._policy.number, order, ms * MS_NS, data)

    def draw(self, below: int, *keys: int) -> int:
        """A number from 0 to below `below`, the same in every replay."""
        seed = self._stage.engine.properties["seed"]
        return draw(below, seed, self._policy.number, self._policy.seen, *keys)


class Message:
    """What ``Policy.refuses`` judges: the session, its command (openoutcry.wire), and how many came before."""

    __slots__ = ("command", "seen", "session")

    def __init__(self, session: Session, command: tuple[Any, ...], seen: int) -> None:
        self.session = session
        self.command = command
        self.seen = seen


class Policy:
    """What ``register_policy`` wants to be made: see the module. It must keep nothing but its options."""

    parameters: tuple[Parameter, ...] = ()  # of its own, beside LIMITS
    messages: frozenset[int] = frozenset()  # the kinds of commands that ``refuses`` and ``holds`` see

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options

    def judged(self) -> frozenset[int]:
        """The kinds of messages that ``refuses`` is asked about."""
        return self.messages

    def refuses(self, message: Message) -> Refusal | None:
        """Why a message is refused, None when it is not. SILENCE: it is lost, and nobody is told."""
        return None

    def holds(self, hands: Hands, message: Message) -> int:
        """For how many milliseconds a message is held, 0 for not at all. It meets the later policies after that."""
        return 0

    def accepted(self, hands: Hands, order: Order) -> bool:
        """A new order was accepted. Returns whether anything was done about it (``count`` counts these)."""
        return False

    def due(self, hands: Hands, order: Order, data: tuple[int, ...]) -> None:
        """What was put off with ``Hands.later``."""


KINDS: Final[dict[str, Callable[[dict[str, Any]], Policy]]] = {}
_PARAMETERS: Final[dict[str, tuple[Parameter, ...]]] = {}


def register_policy(name: str, factory: type[Policy]) -> None:
    """Let ``add_policy`` take a kind of that name. Raises ValueError for one that is taken, or an option that is.

    Every process of an exchange that has a machine has to do this before it starts. What a policy does must depend on
    its options and what it is given alone.
    """
    if name in KINDS:
        raise ValueError(f"there is a policy {name!r} already")
    names = [p.name for p in (*LIMITS, *factory.parameters)]
    if len(set(names)) < len(names):
        raise ValueError(f"policy {name!r} has an option twice: {', '.join(names)}")
    KINDS[name] = factory
    _PARAMETERS[name] = (*LIMITS, *factory.parameters)


def options_of(kind: str) -> dict[str, Parameter]:
    """The options of a kind of policy."""
    return {p.name: p for p in _PARAMETERS[kind]}


def parse(kind: str, text: str) -> dict[str, Any]:
    """``percent=50 book=aapl text='no credit'`` as options, with defaults. Raises VerbError."""
    table, given = options_of(kind), {}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise VerbError("bad_argument", "options", f"options are {text!r}: {error}") from None
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in table or name in given:
            known = ", ".join(table)
            what = "is given twice" if name in given else f"is not name=value, or none of: {known}"
            raise VerbError("bad_argument", "options", f"policy {kind}: {word!r} {what}")
        try:
            given[name] = convert(table[name], value, f"policy {kind}")
        except VerbError as error:
            raise VerbError(error.code, "options", error.text) from None
    missing = [p.name for p in table.values() if p.required and p.name not in given]
    if missing:
        raise VerbError("bad_argument", "options", f"policy {kind} needs {missing[0]}: {table[missing[0]].meaning}")
    return {p.name: given.get(p.name, p.default) for p in table.values()}


class Installed:
    """One of an engine. seen: what it could have acted on; acted: on how much it did; failed: how it has, or ""."""

    __slots__ = (
        "_hands",
        "_judged",
        "_stage",
        "acted",
        "failed",
        "kind",
        "name",
        "number",
        "options",
        "policy",
        "seen",
        "text",
    )

    def __init__(self, stage: Stage, number: int, name: str, kind: str, text: str) -> None:
        self._stage = stage
        self.number = number
        self.name = name
        self.kind = kind
        self.text = text
        self.options = parse(kind, text)
        self.policy = KINDS[kind](self.options)
        self._judged = self.policy.judged()
        self._hands = Hands(stage, self)
        self.seen = 0
        self.acted = 0
        self.failed = ""

    def meets(self, session: Session, command: tuple[Any, ...]) -> tuple[Refusal | None, int]:
        """Why a message is refused, None when it is not; and for how many ns it is held, 0 for not at all."""
        if command[0] not in self._judged or not self._is_about(session, *_where(session, command)):
            return None, 0
        if not self._may_act():
            return None, 0
        message = Message(session, command, self.seen)
        refusal: Refusal | None = self._try(self.policy.refuses, message)
        held_ns: int = (self._try(self.policy.holds, self._hands, message) or 0) * MS_NS if refusal is None else 0
        if refusal is not None or held_ns:
            self.acted += 1
        return refusal, held_ns

    def accepted(self, order: Order) -> None:
        """A new order was accepted."""
        if type(self.policy).accepted is Policy.accepted:
            return
        if self._is_about(order[SESSION], order[BOOK].name, order[SIDE]) and self._may_act():
            self.acted += bool(self._try(self.policy.accepted, self._hands, order))

    def due(self, order: Order, data: tuple[int, ...]) -> None:
        """The policy wanted to look at an order again."""
        if not self.failed:
            self._try(self.policy.due, self._hands, order, data)

    def _try(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Let the policy act: Rule 4."""
        try:
            return act(*arguments)
        except Exception as error:  # whatever a policy of somebody else's does wrong
            self.failed = f"{type(error).__name__}: {error}"[: wire.SHORT_TEXT_MAX]
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
        return self.number, self.name, self.kind, self.text, self.seen, self.acted, self.failed


def restore(stage: Stage, row: tuple[Any, ...]) -> Installed:
    """The reverse of ``Installed.dump``."""
    number, name, kind, text, seen, acted, failed = row
    policy = Installed(stage, number, name, kind, text)
    policy.seen, policy.acted, policy.failed = seen, acted, failed
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
    if found.kind == ECHO_KIND:
        raise VerbError("wrong_state", "engine", f"engine {engine!r} is of kind {ECHO_KIND}: it has no orders")
    if kind not in KINDS:
        raise VerbError("bad_argument", "kind", f"kind is {kind!r}, it must be one of: {', '.join(KINDS)}")
    given = parse(kind, options)
    if given["book"] is not None:
        find(machine.books, "options", "book", given["book"])
    present = found.stage.policies if found.stage is not None else {}
    if name in present:
        raise VerbError("exists", "name", f"engine {engine!r} has a policy {name!r} already")
    if len(present) >= POLICIES_MAX:
        raise VerbError("limit", "name", f"engine {engine!r} has {POLICIES_MAX} policies, which is the limit")
    stage = stage_of(machine, found)
    policy = stage.policies[name] = Installed(stage, stage.number(), name, kind, options)
    refresh(found)
    return policy.row()


def delete_policy(machine: Machine, asker: Asker, engine: str, name: str) -> Any:
    """Take a policy away, with all that it was to do later."""
    found = find(machine.engines, "engine", "engine", engine)
    find(found.stage.policies if found.stage is not None else {}, "name", "policy", name)
    assert found.stage is not None
    row = found.stage.policies.pop(name).row()
    refresh(found)
    return row


def kind_rows() -> list[Row]:
    """Every kind of policy with its options."""
    return [
        {"kind": kind, "option": p.name, "type": p.type, "default": _shown(p), "meaning": p.meaning}
        for kind, table in _PARAMETERS.items() for p in table
    ]  # fmt: skip


def _shown(p: Parameter) -> Any:
    if p.required or p.default is None:
        return None
    return price_text(p.default) if p.type == "price" else p.default


HANDLERS: Final[dict[str, Callable[..., Any]]] = {"add_policy": add_policy, "delete_policy": delete_policy}

# At the end, since they need what is above.
from openoutcry.matcher import bots  # noqa: E402, F401  # registers its kinds above
