"""Plugins: engines, policies and protocols that come with no release of this program but with somebody's own module.

::

    class Rfq(Engine):
        def message(self, client, message):
            if message["MsgType"] == "QuoteRequest":
                self.hands.send(client, {"MsgType": "Quote", ...})

    exchange = Exchange(plugins="mine")                 # modules from which plugins may be loaded
    exchange.load_engine("rfq", "mine.rfq:Rfq")         # or an entry point `rfq` of the group openoutcry.engines
    exchange.create_engine("quotes", "rfq")

An engine of such a kind has no books: every message of its clients comes to it as a dictionary with FIX's names
(openoutcry.messages), over FIX and over OUCH alike, and what it sends is a dictionary too. docs/plugins.md shows an
engine, a policy and a protocol whole.

Rule 1. An engine lives in the matcher and is state: what it does depends on what it is given alone (no clock, no
        chance, no files; ``Hands`` has the exchange's time and draws), and it keeps what it knows in ``state``.
Rule 2. An engine that raises has failed: it says so in its row (``list engines``) and is given nothing any more. The
        exchange goes on.
Rule 3. Whether something may be loaded is asked once, when a verb first asks for it, and goes into the journal; the
        matcher loads the same again whenever it reads that journal, and does not start when it cannot.

Where to go next: matcher/pluginengine.py (an engine in the machine), matcher/pluginload.py (verbs, loading).
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from openoutcry.errors import OpenOutcryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Client", "Engine", "Hands", "PluginError", "allowed", "entry_point", "fault", "register_engine", "resolve"]

ENGINES: Final = "openoutcry.engines"  # groups of entry points
POLICIES: Final = "openoutcry.policies"
PROTOCOLS: Final = "openoutcry.protocols"


log = logging.getLogger("openoutcry.plugins")

FAULT_MAX: Final = 256  # characters: as long as any text for people on the bus
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")


class PluginError(OpenOutcryError):
    """Something that is to be loaded cannot be; the text says what and why."""


def fault(error: BaseException) -> str:
    """What somebody's own code has raised, in a line.

    It is the same in every replay (an object's address is left out), and never raises, whatever the error is.
    """
    try:
        text = " ".join(_ADDRESS.sub("", str(error)).split())
    except BaseException as another:  # an error that cannot even say what it is
        text = f"its text cannot be had, that raises {type(another).__name__}"
    return f"{type(error).__name__}: {text}"[:FAULT_MAX].encode("utf-8", "replace").decode()


class Client(NamedTuple):
    """One session of an engine's clients. number: for ``Hands.send``, and to be kept in ``Engine.state``.

    name: the user, or both ends of a FIX session. connected: whether the client is logged on.
    """

    number: int
    name: str
    endpoint: str
    protocol: str
    account: str
    firm: str
    connected: bool


class Hands(Protocol):
    """What an engine can do, and what it can know beside what it is given."""

    @property
    def now_ns(self) -> int:
        """The exchange's time, ns since 1970."""

    @property
    def phase(self) -> str:
        """The engine's phase: open, closed ..."""

    def send(self, client: Client | int, message: Mapping[str, Any]) -> bool:
        """Send a message to any client of the engine, connected or not: it is sent again when it asks for it.

        False: the client has no session today, so nobody is told. What its protocol has no field for is left out; a
        message that it has no words for is counted by the gateway and logged. Raises ValueError.
        """

    def later(self, ms: int, data: Any) -> None:
        """Have ``Engine.due`` called with `data` (as in ``state``) after so many milliseconds."""

    def clients(self) -> Sequence[Client]:
        """The engine's sessions, in the order in which they first logged on."""

    def client(self, number: int) -> Client | None:
        """The session of that number, if there still is one."""

    def draw(self, below: int, *keys: int) -> int:
        """A number from 0 to below `below`, of the engine's seed and `keys`: the same in every replay."""

    def number(self) -> int:
        """A number that was never given out before: for OrderIDs and the like."""


class Engine:
    """What ``load_engine`` wants: a class whose ``message`` says what becomes of messages.

    state: all that is kept, made of None, text, numbers, lists and dictionaries; it goes into snapshots.
    """

    hands: Hands  # there before anything is called

    def __init__(self) -> None:
        self.state: Any = {}

    def message(self, client: Client, message: dict[str, Any]) -> None:
        """A client's message, by the names of openoutcry.messages."""

    def refusal(self, client: Client, message: dict[str, Any], reason: str, text: str) -> Mapping[str, Any] | None:
        """What a client is told whose message is refused before it has come here; None: it is not told.

        The engine is stopped then, or a policy refuses it. reason: as in the table of ``auto-reject``, "halted" when
        the engine is stopped. text: for people.
        """
        from openoutcry.refusals import refusal  # it brings OUCH's tables, and most engines never refuse

        return refusal(client.protocol, message, str(self.hands.number()), reason, text)

    def due(self, data: Any) -> None:
        """What was put off with ``Hands.later``."""

    def logged_on(self, client: Client) -> None:
        """A client is there."""

    def logged_off(self, client: Client) -> None:
        """A client's connection is over."""

    def step(self, verb: str) -> None:
        """The trading day goes on: start_of_day, open, close, end_of_day."""

    def dump(self) -> Any:
        """What ``load`` needs to go on from here."""
        return self.state

    def load(self, state: Any) -> None:
        """Go on where ``dump`` was called; tuples have become lists."""
        self.state = state


# ------------------------------------------------------------------------------------------------- registering
def begin(setting: str, path: str) -> None:
    """Import the modules that the setting `plugins` names, that they can register what they have.

    path: directories in which they are looked for as well. One that is not there may be a name for others below it.
    """
    look_also_in(path)
    for name in _modules(setting):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
                log.warning("%s, which the setting `plugins` names, cannot be imported: %s", name, fault(error))
        except BaseException as error:  # whatever somebody's module does while it is imported, sys.exit() too
            log.warning("%s, which the setting `plugins` names, cannot be imported: %s", name, fault(error))


def path_of(thing: Any) -> str:
    """The path by which something that was registered is found again, "" when it is not found so."""
    path = f"{getattr(thing, '__module__', '')}:{getattr(thing, '__qualname__', '')}"
    try:
        return path if resolve(path) is thing else ""
    except PluginError:
        return ""


_engines: Final[dict[str, Callable[[], Engine]]] = {}


def register_engine(name: str, factory: Callable[[], Engine]) -> None:
    """Let engines be of a kind of that name. Raises ValueError when it is taken.

    factory: a class of a module, by whose path it is found again. It has to be called when the matcher's process
    starts, by a module that the setting `plugins` names; else use ``load_engine`` or an entry point.
    """
    if name in _engines or name in BUILT_IN:
        raise ValueError(f"there is an engine of kind {name!r} already")
    _engines[name] = factory


BUILT_IN: Final = ("matching", "manual", "echo")


def registered() -> Mapping[str, Callable[[], Engine]]:
    """What ``register_engine`` was given."""
    return _engines


# ------------------------------------------------------------------------------------------------- loading
def allowed(setting: str, path: str) -> bool:
    """Whether the setting `plugins` names the module of ``module:attribute``, or one that it is below."""
    module = path.partition(":")[0]
    return any(module == name or module.startswith(name + ".") for name in _modules(setting))


def _modules(setting: str) -> list[str]:
    names = [name.strip().removesuffix(".*") for name in setting.split(",")]
    return [name for name in names if name]


def look_also_in(path: str) -> None:
    """Look for modules in more directories, after those of the program. path: as in PATH."""
    sys.path += [entry for entry in path.split(os.pathsep) if entry and entry not in sys.path]


def resolve(path: str) -> Any:
    """What ``module:attribute`` names. Raises PluginError."""
    module, _, attribute = path.partition(":")
    try:
        found = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except BaseException as error:  # whatever somebody's module does while it is imported, sys.exit() too
        raise PluginError(f"{path} cannot be loaded: {fault(error)}") from error
    return found


def entry_point(group: str, name: str) -> str | None:
    """The path of what an installed package offers under that name, None when there is none."""
    from importlib.metadata import entry_points  # slow to import, and hardly ever needed

    for point in entry_points(group=group, name=name):
        return point.value
    return None


def offered(group: str) -> dict[str, str]:
    """The paths of all that installed packages offer, by name."""
    from importlib.metadata import entry_points  # as above

    return {point.name: point.value for point in sorted(entry_points(group=group), key=lambda point: point.name)}
