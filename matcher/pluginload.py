"""Which plugins a machine has, how they get there, and the verbs about them.

A plugin has to be looked for outside of the machine: on the disk, among installed packages, in the setting ``plugins``.
So the sequencer looks (``look``) before it journals a verb that needs one, and journals what it found as an input of
its own, right before the verb (openoutcry.matcher.inputs). The machine believes that input (``loaded``): in a replay
the same is loaded whatever the setting says by then, and what had failed has failed again. When what was loaded cannot
be loaded any more, PluginError ends the replay: the same journal must give the same events or none.

Invariant: ``Machine.plugins`` is state. A kind or protocol is known when it is built in, was registered in this
process, or is among them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from openoutcry import plugins
from openoutcry.errors import VerbError
from openoutcry.matcher import configuration, policies
from openoutcry.matcher.pluginengine import PluginEngine
from openoutcry.matcher.sessions import FIX
from openoutcry.plugins import ENGINES, POLICIES, PROTOCOLS, PluginError, fault
from openoutcry.wire import PLUGIN_SET, SHORT_TEXT_MAX

if TYPE_CHECKING:
    from openoutcry.matcher.configuration import Asker
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.machine import Machine

Row = dict[str, Any]
PLUGINS_MAX: Final = 256  # that a machine has, of all groups

# Verbs that may need a plugin: its group, and the place of its name among their arguments.
_NAMES: Final[dict[str, tuple[str, int]]] = {
    "load_engine": (ENGINES, 0),
    "load_protocol": (PROTOCOLS, 0),
    "create_engine": (ENGINES, 1),
    "create_endpoint": (PROTOCOLS, 2),
    "set_endpoint_protocol": (PROTOCOLS, 1),
    "add_policy": (POLICIES, 2),
}
_LOADS: Final = ("load_engine", "load_protocol")
Found = tuple[str, str, str, str]  # group, name, path, and why it cannot be loaded: "" when it can


# ------------------------------------------------------------------------------------------------- looking
def look(machine: Machine, verb: str, arguments: Sequence[Any], setting: str) -> Found | None:
    """What the sequencer finds out for a verb before it is journaled; None when there is nothing to find out.

    setting: the modules from which may be loaded. What an installed package offers may always be.
    """
    group, place = _NAMES.get(verb, ("", 0))
    if not group or len(arguments) <= place or not isinstance(arguments[place], str):
        return None
    name = arguments[place]
    if (group, name) not in machine.plugins and verb not in _LOADS and (thing := _registered(group, name)) is not None:
        path = plugins.path_of(thing)
        text = f"{name!r} is registered, and {thing!r:.100} cannot be found again by a name of its module"
        return group, name, path, "" if path else text
    if is_known(machine, group, name):
        return None
    if group == PROTOCOLS and name.startswith(FIX):
        return group, name, "", f"name is {name!r}: the protocols whose names begin with {FIX!r} are built in"
    if verb in _LOADS:
        path = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], str) else ""
        return group, name, path, _flaw(group, path, setting)
    offered = plugins.entry_point(group, name)
    if offered is not None:
        return group, name, offered, _flaw(group, offered, None)
    if group == POLICIES and "." in name:
        module, _, attribute = name.rpartition(".")
        path = f"{module}:{attribute}"
        return group, name, path, _flaw(group, path, setting)
    return None


def _registered(group: str, name: str) -> Any:
    """What this process has registered under that name, None for nothing. What is journaled is where it comes from."""
    if group == ENGINES:
        return plugins.registered().get(name)
    if group == POLICIES:
        return policies.registered().get(name)
    return _registered_protocols().get(name)


def _registered_protocols() -> dict[str, Any]:
    module = sys.modules.get("openoutcry.gateway.protocols")  # else nobody has registered any
    return dict(module.registered()) if module is not None else {}


def _flaw(group: str, path: str, setting: str | None) -> str:
    """Why something cannot be loaded, "" when it can. setting: None when it need not be allowed."""
    module, colon, attribute = path.partition(":")
    if not (colon and attribute and all(part.isidentifier() for part in (*module.split("."), *attribute.split(".")))):
        return f"path is {path!r}, it must be package.module:attribute"
    if setting is not None and not plugins.allowed(setting, path):
        what = (
            f"the setting `plugins` allows {setting!r} alone" if setting else "the setting `plugins` allows no module"
        )
        return f"nothing of {module!r} may be loaded: {what}"
    try:
        text = _unfit(group, plugins.resolve(path))
    except PluginError as error:
        text = str(error)
    except BaseException as error:  # whatever somebody's plugin does wrong while it is looked at
        text = f"{path} cannot be loaded: {fault(error)}"
    return text[:SHORT_TEXT_MAX]


def _unfit(group: str, found: Any) -> str:
    """What is wrong with a thing that was loaded."""
    if group == ENGINES and not (isinstance(found, type) and issubclass(found, plugins.Engine)):
        return f"{found!r} is no class derived from openoutcry.plugins.Engine"
    if group == POLICIES:
        if not (isinstance(found, type) and issubclass(found, policies.Policy)):
            return f"{found!r} is no class derived from openoutcry.matcher.policies.Policy"
        return policies.options_clash(found.__name__, found)
    if group == PROTOCOLS and not callable(found):
        return (
            f"{found!r} is no function that makes a Dialect, and no class of endpoints (openoutcry.gateway.protocols)"
        )
    return ""


def is_known(machine: Machine, group: str, name: str) -> bool:
    """Whether the machine needs nobody to look for it."""
    if machine.looked.get((group, name)):
        return False
    if (group, name) in machine.plugins:
        return True
    if group == ENGINES:
        return name in configuration.KINDS or name in plugins.registered()
    if group == POLICIES:
        return policies.is_registered(name)
    return name in configuration.PROTOCOLS


# ------------------------------------------------------------------------------------------------- loading
def loaded(machine: Machine, group: str, name: str, path: str, error: str) -> None:
    """The sequencer's input. Raises PluginError when what was loaded then cannot be loaded now."""
    if (group, name) in machine.plugins:  # two verbs of one turn wanted it
        return
    if len(machine.plugins) >= PLUGINS_MAX:
        error = error or f"{PLUGINS_MAX} plugins are loaded, which is the limit"
    machine.looked[group, name] = error
    if error:
        return
    install(machine, group, name, path)
    if group == PROTOCOLS:
        configuration.tell_gateways(machine, (PLUGIN_SET, name, path))


def install(machine: Machine, group: str, name: str, path: str) -> None:
    """Take a plugin in. Protocols are loaded by the gateways alone. Raises PluginError."""
    if group == ENGINES:
        plugins.resolve(path)
    elif group == POLICIES:
        policies.adopt(name, plugins.resolve(path))
    machine.plugins[group, name] = path


def greet(machine: Machine) -> list[tuple[Any, ...]]:
    """What a new gateway is told of protocols."""
    return [(PLUGIN_SET, name, path) for (group, name), path in machine.plugins.items() if group == PROTOCOLS]


def why_not(machine: Machine, group: str, field: str, name: str, known: Sequence[str]) -> VerbError:
    """The error of a verb that needs something that there is not."""
    text = machine.looked.get((group, name)) or f"{field} is {name!r}, it must be one of: {', '.join(known)}"
    return VerbError("bad_argument", field, text)


# ------------------------------------------------------------------------------------------------- engines
def engine_kinds(machine: Machine) -> list[str]:
    """The names of all kinds of engines."""
    return [*configuration.KINDS, *plugins.registered(), *_of(machine, ENGINES)]


def protocols(machine: Machine) -> list[str]:
    """The names of all protocols."""
    return [*configuration.PROTOCOLS, *_of(machine, PROTOCOLS)]


def _of(machine: Machine, group: str) -> list[str]:
    return [name for each, name in machine.plugins if each == group]


def inhabit(machine: Machine, engine: Engine, number: int = 0) -> None:
    """Put the plugin of its kind into an engine; one that is built in has none. number: it had before, 0 for a new one.
    Raises PluginError."""
    if engine.kind in configuration.KINDS:
        return
    path = machine.plugins.get((ENGINES, engine.kind))
    factory = plugins.resolve(path) if path is not None else plugins.registered()[engine.kind]
    try:
        engine.plugin = PluginEngine(machine, engine, factory, number or machine.schedule.ticket())
    except BaseException as error:  # whatever somebody's plugin does wrong, sys.exit() too
        raise PluginError(f"an engine of kind {engine.kind!r} cannot be made: {fault(error)}") from None


def restore(machine: Machine, engine: Engine, row: tuple[Any, ...]) -> None:
    """Put the plugin into an engine that comes out of a snapshot. Raises PluginError."""
    inhabit(machine, engine, row[0])
    if engine.plugin is not None:
        engine.plugin.load(row)


def check_kept(machine: Machine) -> None:
    """Raises PluginError while a snapshot would not hold all that the engines know."""
    for engine in machine.engines.values():
        if engine.plugin is not None:
            engine.plugin.check_kept()


# ------------------------------------------------------------------------------------------------- verbs
def _load(group: str, what: str) -> Callable[..., Any]:
    def handler(machine: Machine, asker: Asker, name: str, path: str) -> Any:
        outcome = machine.looked.pop((group, name), None)
        present = machine.plugins.get((group, name))
        if outcome is None and present != path:  # the same once more changes nothing: a test's reset does not unload
            text = f"there is a {what} {name!r} already, {f'from {present}' if present else 'built in'}"
            raise VerbError("exists", "name", text)
        if outcome:
            raise VerbError("bad_argument", "path", outcome)
        return {"name": name, "path": path}

    return handler


def engine_kind_rows(machine: Machine) -> list[Row]:
    """For ``list engine_kinds``: the kinds that there are, and what installed packages offer."""
    built_in = dict.fromkeys(configuration.KINDS, "built in")
    return _rows(machine, ENGINES, built_in | dict.fromkeys(plugins.registered(), "registered"))


def protocol_rows(machine: Machine) -> list[Row]:
    """For ``list protocols``, as engine_kind_rows."""
    built_in = dict.fromkeys(configuration.PROTOCOLS, "built in")
    return _rows(machine, PROTOCOLS, built_in | dict.fromkeys(_registered_protocols(), "registered"))


def _rows(machine: Machine, group: str, known: dict[str, str]) -> list[Row]:
    rows = [{"name": name, "from": source, "path": ""} for name, source in known.items()
            if (group, name) not in machine.plugins]  # fmt: skip
    rows += [{"name": name, "from": "loaded", "path": path} for (each, name), path in machine.plugins.items()
             if each == group]  # fmt: skip
    names = {row["name"] for row in rows}
    return rows + [{"name": name, "from": "installed", "path": path} for name, path in plugins.offered(group).items()
                   if name not in names]  # fmt: skip


HANDLERS: Final[dict[str, Callable[..., Any]]] = {
    "load_engine": _load(ENGINES, "kind of engine"),
    "load_protocol": _load(PROTOCOLS, "protocol"),
}
