"""Scenarios in the form of The OUCH Project, one client's actions: as a scenario with a market of its own.

    {"_expected_behaviour": [...], "stocks": {"1": "AAPL"}, "actions": [{"message_type": "O", ...}, ...]}

Whoever wrote such a file had an exchange with order books in it; here they are made first. What the actions mean is the
business of openoutcry.play, which plays them on any endpoint.
"""

from __future__ import annotations

from typing import Any, Final

from openoutcry import messages, play
from openoutcry.errors import OpenOutcryError
from openoutcry.gateway import ouch42
from openoutcry.scenarios.model import Client, Scenario, Step

ENGINE: Final = "main"
ENDPOINT: Final = "orders"
CLIENT: Final = "client"


def from_actions(data: dict[str, Any]) -> Scenario:
    """Raises ScenarioError."""
    payloads = play.messages(data)
    steps = [Step(verb="create_engine", arguments={"name": ENGINE})]
    for number, symbol in enumerate(_symbols(payloads), 1):
        steps.append(Step(verb="create_book", arguments={"name": f"book-{number}", "engine": ENGINE, "symbol": symbol}))
    steps.append(Step(verb="create_endpoint", arguments={"name": ENDPOINT, "engine": ENGINE, "protocol": "ouch42"}))
    steps.append(Step(client=CLIENT, do="connect"))
    steps += [_step(payload) for payload in payloads]
    comments = data.get("_expected_behaviour")
    title = " ".join(map(str, comments)) if isinstance(comments, list) else ""
    return Scenario(steps, None, {CLIENT: Client(CLIENT, ENDPOINT)}, title)


def _symbols(payloads: list[bytes]) -> list[str]:
    """The stocks of all orders, in the order in which they come; those that can have no book have none."""
    found = [ouch42.decode(ouch42.INBOUND, data)["stock"] for data in payloads if data[:1] == b"O"]
    return [each for each in dict.fromkeys(found) if each and each.isascii() and each.isprintable()
            and not set(each) & {" ", "/"}]  # fmt: skip


def _step(payload: bytes) -> Step:
    """By name where that says the same; else the bytes."""
    try:
        message = messages.from_ouch(payload, inbound=True)
        if messages.to_ouch(message, inbound=True) == payload:
            return Step(client=CLIENT, message=message)
    except OpenOutcryError:
        pass
    return Step(client=CLIENT, raw=payload)
