"""Scenarios: timed steps of operators and clients, recorded from a session, played again, and compared event for event.

::

    from openoutcry import scenarios

    recorded = scenarios.record(exchange)                 # or the directory of one
    scenarios.save(recorded, "monday.toml")
    came = scenarios.replay(scenarios.load("monday.toml"))
    assert scenarios.compare(recorded, came), scenarios.compare(recorded, came)

A scenario can also be a function of a ``Stage``, which takes the steps one by one. docs/scenarios.md has the files.

Invariant: recording reads a journal and nothing else, and never writes; replaying needs nothing but verbs and the
endpoints' ports.
"""

from __future__ import annotations

from openoutcry.scenarios.comparing import Comparison, Difference, compare
from openoutcry.scenarios.files import load, save
from openoutcry.scenarios.model import Client, Event, Scenario, ScenarioError, Step
from openoutcry.scenarios.recorded import record
from openoutcry.scenarios.replaying import replay
from openoutcry.scenarios.stage import Actor, Stage, scenario

__all__ = [
    "Actor",
    "Client",
    "Comparison",
    "Difference",
    "Event",
    "Scenario",
    "ScenarioError",
    "Stage",
    "Step",
    "compare",
    "load",
    "record",
    "replay",
    "save",
    "scenario",
]
