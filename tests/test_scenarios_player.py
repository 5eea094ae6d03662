"""Steps that are taken at once: it comes to the same as one after the other, and takes fewer requests."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from openoutcry import Exchange, scenarios
from openoutcry.scenarios import Client, Event, Scenario, ScenarioError, Step
from openoutcry.scenarios.player import TOGETHER_MAX, Player

SECOND = 1_000_000_000
MARKET = [
    Step(verb="create_engine", arguments={"name": "main"}),
    *(Step(verb="create_book", arguments={"name": f"b{n}", "engine": "main", "symbol": f"S{n}"}) for n in range(20)),
    Step(verb="create_endpoint", arguments={"name": "ouch", "engine": "main", "protocol": "ouch42"}),
    Step(verb="create_endpoint", arguments={"name": "fix", "engine": "main", "protocol": "fix44"}),
    Step(verb="set_book_property", arguments={"book": "b1", "name": "tick_size", "value": "0.05"}),
    Step(verb="halt", arguments={"book": "nothing"}, refused="unknown_name"),
    Step(verb="set_book_property", arguments={"book": "b2", "name": "tick_size", "value": "0.05"}),
]
CLIENTS = {"OUCH": Client("OUCH", "ouch"), "FIX": Client("FIX", "fix")}


def order(at: int, client: str, name: str, side: str, quantity: int) -> Step:
    message = {"MsgType": "NewOrderSingle", "ClOrdID": name, "Symbol": "S0", "Side": side, "OrderQty": quantity,
               "OrdType": "2", "Price": "10"}  # fmt: skip
    return Step(at, client=client, message=message)


def trading() -> list[Step]:
    """More messages of one time than are taken at once; the third is ignored, since its name is known."""
    burst = [order(SECOND, "OUCH", f"O{n}", "1", 10) for n in range(TOGETHER_MAX + 5)]
    return [
        *burst[:2], burst[1], *burst[2:], order(SECOND, "FIX", "F1", "2", 25), order(SECOND, "FIX", "F2", "2", 10),
        order(2 * SECOND, "FIX", "F3", "2", 10), Step(2 * SECOND, client="OUCH", do="disconnect"),
        order(2 * SECOND, "OUCH", "LAST", "1", 10),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """All of it, with the events that came of it step by step: nothing is expected, so nothing is taken at once."""
    return scenarios.replay(Scenario([*MARKET, *trading()], None, CLIENTS))


class Counting:
    """An exchange, and how often it is asked what."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.requests: Counter[str] = Counter()

    def call(self, verb: str, *arguments: Any, **named: Any) -> Any:
        self.requests[verb] += 1
        return self.exchange.call(verb, *arguments, **named)

    def batch(self, **how: Any) -> Any:
        self.requests["batch"] += 1
        return self.exchange.batch(**how)


def played(exchange: Exchange, scenario: Scenario) -> tuple[list[Step], list[Event], Counter[str]]:
    counting = Counting(exchange)
    player = Player(counting.call, scenario.clients, expected=scenario.events, timeout=0.5, batch=counting.batch)
    try:
        player.begin()
        taken = list(player.play(scenario.steps))
        came = player.end()
    finally:
        player.close()
    return [step for step, _ in taken], [event for _, events in taken for event in events] + came, counting.requests


def test_taken_at_once_it_comes_to_the_same(exchange: Exchange, scenario: Scenario) -> None:
    steps, events, requests = played(exchange, scenario)
    again = Scenario(steps, events, CLIENTS)
    assert scenarios.compare(scenario, again, times=True).same
    assert [step.refused for step in steps if step.refused] == ["unknown_name"]
    for client in CLIENTS:
        assert [(e.step, e.at) for e in events if e.client == client] == [
            (e.step, e.at) for e in scenario.events or () if e.client == client
        ]
    assert requests["create_book"] == requests["set_book_property"] == 0  # they went with their neighbours
    assert (requests["create_endpoint"], requests["batch"]) == (2, 4)  # books, properties; when it is gone, the end


def test_an_event_that_is_missing_among_many_is_named_by_its_step(exchange: Exchange, scenario: Scenario) -> None:
    events = list(scenario.events or ())
    place = next(n for n, event in enumerate(events) if event.message.get("ClOrdID") == "O3")
    more = replace(events[place], message={**events[place].message, "ClOrdID": "O3X"})
    events.insert(place + 1, more)
    _, came, _ = played(exchange, replace(scenario, events=events))
    found = scenarios.compare(replace(scenario, events=events), Scenario(scenario.steps, came, CLIENTS))
    assert [(each.step, each.actual) for each in found.differences] == [(more.step, None)]


def test_a_verb_of_many_that_cannot_be_is_named(exchange: Exchange) -> None:
    steps = [MARKET[0], MARKET[1], Step(verb="create_book", arguments={"name": "x", "engine": "main", "symbol": ""})]
    with pytest.raises(ScenarioError, match=r"^step 3: "):
        played(exchange, Scenario(steps, [], {}))
