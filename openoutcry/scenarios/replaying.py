"""``replay``: a scenario again, on an exchange of its own or on one that runs; what comes back says what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import VerbError
from openoutcry.scenarios import connections
from openoutcry.scenarios.model import Event, Message, Scenario, ScenarioError, Step
from openoutcry.scenarios.player import PACES, REAL, TIMEOUT_S, VIRTUAL, Player
from openoutcry.scenarios.settling import Call
from openoutcry.scenarios.stage import Function, Stage

if TYPE_CHECKING:
    from openoutcry.clients.control import ControlClient
    from openoutcry.exchange import Exchange

Progress = Callable[[int, int], None]  # steps taken, events so far
MAKERS: Final = ("create_endpoint", "set_endpoint_protocol")


def replay(
    what: Scenario | Function, on: Exchange | str | os.PathLike[str] | None = None, *, pace: str | None = None,
    timeout: float = TIMEOUT_S, progress: Progress | None = None, **settings: Any,
) -> Scenario:  # fmt: skip
    """Take all steps, and return them with the events that came, as a scenario.

    what: a Scenario, or a function of a Stage. on: an Exchange, or the directory of one that runs; None: one is made,
    with `settings` (those of Exchange), and ended. pace: "virtual", the exchange's clock is stopped and moved by the
    steps' times (without `on`, and for an Exchange, the default); "real", they are waited for (for a directory, the
    default); "none". timeout: seconds, for each thing that is expected.
    Raises ScenarioError for what cannot be played, ClusterError, LoginRejected, ClientError for clients.
    """
    if pace is not None and pace not in PACES:
        raise ValueError(f"pace is {pace!r}, it must be one of {', '.join(PACES)}")
    if on is None:
        from openoutcry.exchange import Exchange

        with Exchange(**settings) as exchange:
            return _play(what, exchange, pace or VIRTUAL, timeout, progress, False)
    if settings:
        raise TypeError(f"{', '.join(settings)}: settings are for an exchange that is made")
    if isinstance(on, str | os.PathLike):
        from openoutcry.clients.control import ControlClient

        with ControlClient(on) as control:
            return _play(what, control, pace or REAL, timeout, progress, True)
    return _play(what, on, pace or VIRTUAL, timeout, progress, True)


def _play(
    what: Scenario | Function, on: Exchange | ControlClient, pace: str, timeout: float, progress: Progress | None,
    forgiving: bool,
) -> Scenario:  # fmt: skip
    if not isinstance(what, Scenario):
        return _perform(what, on, pace, timeout)
    _check(what, on.call)
    player = Player(on.call, what.clients, pace, what.events, timeout, forgiving, on.batch)
    taken: list[Step] = []
    came: list[Event] = []
    try:
        player.begin(what.begins_ns)
        for step, (done, found) in zip(what.steps, player.play(what.steps), strict=True):
            taken.append(replace(step, refused=done.refused))
            came += found
            if progress is not None:
                progress(len(taken), len(came))
        came += player.end(what.ends)
    finally:
        player.close()
    return replace(what, steps=taken, events=came)


def _perform(function: Function, on: Exchange | ControlClient, pace: str, timeout: float) -> Scenario:
    """The same for a function."""
    player = Player(on.call, {}, pace, None, timeout, batch=on.batch)
    stage = Stage(player)
    try:
        player.begin()
        stage.perform(function)
        stage.finish()
    finally:
        player.close()
    title = str(getattr(function, "__doc__", None) or getattr(function, "__name__", "")).strip()
    return Scenario(stage.steps, stage.events, dict(player.clients), title, 0, player.at)


def _check(scenario: Scenario, call: Call) -> None:
    """Every message is one that can be sent, before the first is. Raises ScenarioError."""
    protocols = {row["name"]: {row["protocol"]} for row in call("list", "endpoints")}
    for step in scenario.steps:
        if step.verb in MAKERS:
            name = step.arguments.get("name", step.arguments.get("endpoint"))
            protocols.setdefault(name, set()).add(step.arguments["protocol"])
    checkers: dict[str, Callable[[Message], object]] = {}
    for number, step in enumerate(scenario.steps, 1):
        client = scenario.clients.get(step.client)
        spoken = protocols.get(client.endpoint, set()) if client is not None else set()
        if step.message is None or client is None or len(spoken) != 1:
            continue
        try:
            if client.name not in checkers:
                checkers[client.name] = connections.checker(client, next(iter(spoken)))
            checkers[client.name](step.message)
        except VerbError as error:
            raise ScenarioError(f"step {number}: message: {error.text}") from None
