"""The machine's side of stages: which engine has one and of which kind, what falls due of it, and start and stop.

Invariant: between two inputs an engine has a stage exactly while it needs one (``Stage.needed``): whoever asks for one
with ``stage_of`` puts something into it or has ``refresh`` look whether it is to stay, as everybody does who takes
something out. What a stage does is in openoutcry.matcher.stage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import VerbError
from openoutcry.matcher import queries
from openoutcry.matcher.configuration import Asker, find
from openoutcry.matcher.stage import HOUSE, Stage, refresh

if TYPE_CHECKING:
    from openoutcry.matcher.engine import Engine
    from openoutcry.matcher.machine import Machine


def stage_of(machine: Machine, engine: Engine) -> Stage:
    """An engine's stage, made when it is first asked for. Raises VerbError when there can be no more desks."""
    from openoutcry.matcher import desk, echostage, messagestage

    if engine.stage is None and not engine.has_books:
        kind = messagestage.MessageStage if engine.plugin is not None else echostage.EchoStage
        engine.stage = kind(engine)
    if engine.stage is None:
        engine.stage = Stage(engine, desk.home_of(machine, engine, HOUSE))
    return engine.stage


def due(machine: Machine, item: tuple[Any, ...]) -> None:
    """A "policy" of the schedule: (kind, engine, task)."""
    engine = machine.engines.get(item[1])
    if engine is not None and engine.stage is not None:
        if engine.stage.moment != machine.sequence:
            engine.stage.moment, engine.stage.at_once = machine.sequence, 0
        engine.stage.due(item[2], machine.sessions)


def start_engine(machine: Machine, asker: Asker, engine: str) -> Any:
    """Let an engine take messages again."""
    return _run(machine, engine, True)


def stop_engine(machine: Machine, asker: Asker, engine: str) -> Any:
    """Have an engine refuse every message; its clock and its operators go on."""
    return _run(machine, engine, False)


def _run(machine: Machine, name: str, running: bool) -> Any:
    found = find(machine.engines, "engine", "engine", name)
    if (found.stage is None or not found.stage.stopped) == running:
        state = "runs already" if running else "is stopped already"
        raise VerbError("wrong_state", "engine", f"engine {name!r} {state}")
    stage_of(machine, found).stopped = not running
    refresh(found)
    return queries.engine_row(found)


HANDLERS: Final[dict[str, Callable[..., Any]]] = {"start_engine": start_engine, "stop_engine": stop_engine}
