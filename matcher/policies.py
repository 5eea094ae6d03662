"""Policies: rules by which an engine acts on its clients' messages and orders by itself, as a test wants it to.

``add_policy`` adds one of a kind (openoutcry.matcher.bots, or one's own) to any engine, behind those that are there.

Rule 1. Every policy can be limited: to a book, a side, a session, so many orders (``count``), and to chance
        (``probability``, drawn from the engine's seed, the policy's name and how many orders it has seen).
Rule 2. A policy acts in two places: ``refuses`` and ``holds`` see a message before the books do; ``accepted`` gets a
        new order between its ACCEPTED and the market, so what it fills is filled before the order meets anybody. What
        it wants to do later it says with ``Hands.later``; it gets the order back in ``due`` if that is still live, or
        what replaced it.
Rule 3. Replacements are not judged anew by ``accepted``; a policy that watches an order watches what takes its place.
Rule 4. A policy that raises has failed: it says so in its row, and does nothing any more. The exchange goes on.
Rule 5. What clients are told can meet policies too (openoutcry.matcher.shaping): ``treats`` gets such an event as it
        gets a message. It changes what clients hear, never what happens.

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

from openoutcry import plugins, wire
from openoutcry.errors import VerbError
from openoutcry.matcher import dictionaries, refusing
from openoutcry.matcher.draws import draw
from openoutcry.matcher.judging import Refusal
from openoutcry.matcher.orders import BOOK, Order
from openoutcry.matcher.treatment import SILENCE, UNTOUCHED, Treatment
from openoutcry.parameters import Parameter, convert, price_text, values_text
from openoutcry.plugins import fault

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.installed import Installed
    from openoutcry.matcher.sessions import Session
    from openoutcry.matcher.stage import Stage

__all__ = ["SILENCE", "UNTOUCHED", "Hands", "Message", "Policy", "Treatment", "register_policy"]

Row = dict[str, Any]
MS_NS: Final = 1_000_000
LATER_MS_MAX: Final = 366 * 86_400_000  # a year
AT_ONCE_MAX: Final = 10_000  # calls by the clock, at one moment, that ask for one more at that moment
PERCENT: Final = 100
DELAY_MAX: Final = 86_400_000  # ms: a day
# What ``on`` can say of the messages of clients.
MESSAGES: Final = {
    "orders": refusing.NEW_ORDERS,
    "changes": refusing.REPLACEMENTS,
    "cancels": refusing.TAKE_BACK,
    "all": refusing.NEW_ORDERS | refusing.REPLACEMENTS | refusing.TAKE_BACK,
}

# What every policy can be limited by.
LIMITS: Final[tuple[Parameter, ...]] = (
    Parameter("book", "name", "orders in this book alone; on an engine without books: of this Symbol", None, 1),
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
        if type(quantity) is not int or type(price) is not int:
            raise ValueError(f"quantity and price are whole numbers, not {quantity!r:.100} and {price!r:.100}")
        self._stage.fill(order, quantity, price)

    def cancel(self, order: Order, reason: int = wire.CANCEL_SUPERVISORY, leaves: int = 0) -> None:
        """Cancel a live order, or all but `leaves` of it. reason: one of wire.CANCEL_REASONS."""
        _whole("leaves", leaves, wire.QUANTITY_MAX)
        if reason not in wire.CANCEL_REASONS:
            raise ValueError(f"reason is {reason!r:.100}, it must be one of wire.CANCEL_REASONS")
        self._stage.cancel(order, reason, leaves)

    @property
    def desk(self) -> Session:
        """The desk with which the policy trades; for kinds with ``trades`` alone."""
        assert self._policy.desk is not None
        return self._policy.desk

    def books(self) -> list[Book]:
        """The books that the policy is about."""
        books = self._stage.engine.symbols.values()
        return [book for book in books if self._policy.options["book"] in (None, book.name)]

    def ready(self) -> bool:
        """Whether the desk can trade: its engine's day has not ended. Begins the desk's day."""
        if self.desk.owner is None and self._stage.engine.phase != wire.PHASE_ENDED:
            self.desk.begin_day()
        return self.desk.owner is not None

    def wake(self, ms: int) -> None:
        """Have ``Policy.woken`` called after so many milliseconds."""
        self._stage.wake(self._policy.number, self._after(ms) * MS_NS)

    def halt(self, order: Order, why: str) -> None:
        """Halt the order's book as soon as the present message is done with."""
        self._stage.ended.append((order[BOOK], str(why)[: wire.SHORT_TEXT_MAX].encode("utf-8", "replace").decode()))

    def later(self, order: Order, ms: int, *data: int) -> None:
        """Have ``Policy.due`` called with the order and `data` after so many milliseconds."""
        for number in data:
            _whole("data", abs(number), wire.UINT63_MAX)
        self._stage.later(self._policy.number, order, self._after(ms) * MS_NS, data)

    def _after(self, ms: int) -> int:
        """Raises ValueError, also when the clock calls, at one moment, who wants nothing but to be called again."""
        if self._policy.by_clock and not ms:
            self._stage.at_once += 1
            if self._stage.at_once > AT_ONCE_MAX:
                raise ValueError(f"it wanted to be called again at once {AT_ONCE_MAX} times in a row")
        return _whole("ms", ms, LATER_MS_MAX)

    def holds_back(self, message: Message) -> bool:
        """Whether this policy holds something of the same session, and the same kind, until others have passed."""
        stage, number = self._stage, self._policy.number
        held = stage.answers.holds_back if message.told else stage.holds_back
        return held(message.session, number)

    def draw(self, below: int, *keys: int) -> int:
        """A number from 0 to below `below`, the same in every replay."""
        seed = self._stage.engine.properties["seed"]
        return draw(below, seed, self._policy.key, self._policy.seen, *keys)


def _whole(name: str, value: int, high: int) -> int:
    """A whole number from 0 to `high`. Raises ValueError."""
    if type(value) is not int or not 0 <= value <= high:
        raise ValueError(f"{name} is {value!r:.100}, it must be a whole number from 0 to {high}")
    return value


class Message:
    """What ``Policy.treats`` judges: the session, its command (openoutcry.wire), and how many came before.

    told: it is not a command but an event, which the session is about to be told.
    """

    __slots__ = ("command", "seen", "session", "told")

    def __init__(self, session: Session, command: tuple[Any, ...], seen: int, told: bool = False) -> None:
        self.session = session
        self.command = command
        self.seen = seen
        self.told = told

    @property
    def fields(self) -> dict[str, Any]:
        """It as a dictionary with FIX's names: on engines without books alone (``Policy.dictionaries``)."""
        return dictionaries.fields_of(self.command)


class Policy:
    """What ``register_policy`` wants to be made: see the module. It must keep nothing but its options."""

    parameters: tuple[Parameter, ...] = ()  # of its own, beside LIMITS
    messages: frozenset[int] = frozenset()  # the kinds of commands that ``refuses`` and ``holds`` see
    reorders: bool = False  # whether it holds anything until others have passed (``Treatment.behind``)
    dictionaries: bool = False  # whether it can be on an engine without books: see ``judges``
    trades: bool = False  # whether it has a desk: the one that its option ``desk`` names, or one of its own name

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options

    def judged(self) -> frozenset[int]:
        """The kinds of messages that ``refuses`` is asked about."""
        return self.messages

    def told(self) -> frozenset[int]:
        """The kinds of events, of those that clients are told, that ``treats`` is asked about."""
        return frozenset()

    def judges(self, fields: dict[str, Any], told: bool) -> bool:
        """Whether ``treats`` is asked about a message of an engine without books. fields: the message.

        told: the engine sends it; these are shown to kinds alone whose ``told`` is not empty.
        """
        return not told

    def treats(self, hands: Hands, message: Message) -> Treatment:
        """What becomes of a message, or of an event that a client is told."""
        refusal = self.refuses(message)
        return Treatment(refusal, 0 if refusal is not None else self.holds(hands, message) * MS_NS)

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

    def begins(self, hands: Hands) -> None:
        """It was added."""

    def ends(self, hands: Hands) -> None:
        """It is being taken away."""

    def priced(self, hands: Hands, book: Book) -> None:
        """The price of a book that it is about has moved (openoutcry.matcher.pricing)."""

    def woken(self, hands: Hands) -> None:
        """It wanted to be (``Hands.wake``)."""


class Choosing(Policy):
    """What kinds have in common whose option ``on`` says which messages they are about."""

    dictionaries = True

    def judged(self) -> frozenset[int]:
        return MESSAGES.get(self.options["on"], frozenset())

    def judges(self, fields: dict[str, Any], told: bool) -> bool:
        return dictionaries.is_one_of(self.options["on"], fields, told)


KINDS: Final[dict[str, Callable[[dict[str, Any]], Policy]]] = {}
_PARAMETERS: Final[dict[str, tuple[Parameter, ...]]] = {}


def register_policy(name: str, factory: type[Policy]) -> None:
    """Let ``add_policy`` take a kind of that name. Raises ValueError for one that is taken, or an option that is.

    Every process of an exchange that has a machine has to do this before it starts. What a policy does must depend on
    its options and what it is given alone.
    """
    if name in KINDS:
        raise ValueError(f"there is a policy {name!r} already")
    _put(name, factory)


def options_clash(name: str, factory: type[Policy]) -> str:
    """What is wrong with the options of a kind, "" when nothing is."""
    names = [p.name for p in (*LIMITS, *factory.parameters)]
    return f"policy {name!r} has an option twice: {', '.join(names)}" if len(set(names)) < len(names) else ""


def _put(name: str, factory: type[Policy]) -> None:
    clash = options_clash(name, factory)
    if clash:
        raise ValueError(clash)
    KINDS[name] = factory
    _PARAMETERS[name] = (*LIMITS, *factory.parameters)


_adopted: Final[dict[str, type[Policy]]] = {}  # those that a machine had loaded: openoutcry.matcher.pluginload


def adopt(name: str, factory: type[Policy]) -> None:
    """Let ``add_policy`` take a kind that was loaded. Raises ValueError for an option that is there twice."""
    if name not in KINDS or name in _adopted:
        _put(name, factory)
        _adopted[name] = factory


def registered() -> dict[str, Callable[[dict[str, Any]], Policy]]:
    """What others than this program gave to ``register_policy``."""
    return {name: each for name, each in KINDS.items() if name not in _adopted and not _is_ours(each)}


def _is_ours(factory: Any) -> bool:
    return str(getattr(factory, "__module__", "")).startswith("openoutcry.")


def is_registered(name: str) -> bool:
    """Whether a kind is there without having been loaded."""
    return name in KINDS and name not in _adopted


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


def make(kind: str, options: dict[str, Any]) -> Policy:
    """A policy of that kind. Raises VerbError, also for whatever somebody's own kind raises."""
    try:
        policy = KINDS[kind](options)
        wanted = policy.judged(), policy.told()
        if not all(isinstance(each, frozenset | set) for each in wanted):
            raise TypeError(f"judged and told are sets of kinds of messages, not {wanted!r:.100}")
    except VerbError:
        raise
    except BaseException as error:  # whatever somebody's plugin does wrong, sys.exit() too
        raise VerbError("bad_argument", "options", f"policy {kind}: {fault(error)}"[: wire.SHORT_TEXT_MAX]) from None
    return policy


def kind_rows() -> list[Row]:
    """Every kind of policy with its options, and those of installed packages, whose options are not known yet."""
    unused = {"option": "", "type": "", "default": None, "values": ""}
    return [
        {"kind": kind, "option": p.name, "type": p.type, "default": _shown(p), "values": values_text(p),
         "meaning": p.meaning}
        for kind, table in _PARAMETERS.items() for p in table
    ] + [
        {"kind": name, **unused, "meaning": f"{path}, of an installed package: its options are shown once it is used"}
        for name, path in plugins.offered(plugins.POLICIES).items() if name not in _PARAMETERS
    ]  # fmt: skip


def _shown(p: Parameter) -> Any:
    if p.required or p.default is None:
        return None
    return price_text(p.default) if p.type == "price" else p.default
