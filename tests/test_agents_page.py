"""docs/agents.md, held against the product."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

import openoutcry
from openoutcry import cli
from openoutcry.agents import command, pricewords
from openoutcry.agents.prices import UNIT
from openoutcry.agents.strategies import _IN_PRICES, STRATEGIES
from openoutcry.parameters import price_text

assert openoutcry.__file__ is not None
PAGE = (Path(openoutcry.__file__).resolve().parent.parent / "docs" / "agents.md").read_text()
COMMANDS = re.findall(r"^openoutcry (agents.*?)(?:\s+#.*)?$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("kind", STRATEGIES)
def test_every_kind_is_there_with_its_numbers(kind: str) -> None:
    shown = []
    for field in dataclasses.fields(STRATEGIES[kind]):
        if field.name != "tick":
            value: Any = field.default
            if field.name in _IN_PRICES:
                value = price_text(value * 10**8 // UNIT).ljust(4, "0")
            shown.append(f"{field.name} {value}")
    assert re.search(rf"^\| `{kind}` \| .* \| {', '.join(shown)} \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("kind", pricewords.KINDS)
def test_every_kind_of_price_is_there_with_its_values(kind: str) -> None:
    meaning, values = pricewords.KINDS[kind]
    assert re.search(rf"^\| `{kind}(:[^`]+)?` \| {meaning}.* \|$", PAGE, re.MULTILINE)
    for p in values:
        if not p.required:
            default = price_text(p.default) if p.type == "price" else "no" if p.default is False else p.default
            assert re.search(rf"^\| `{p.name}` \| .*{kind}.* \| {p.meaning} \| {default} \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_in_order(line: str) -> None:
    args = cli.parser().parse_args(line.split())
    assert sum(command.kinds(args.agents).values()) > 0
    wanted = command.wanted_prices(args.prices, ["AAPL", "MSFT"])
    assert set(wanted) == ({"AAPL", "MSFT"} if args.prices else set())


def test_the_example_gives_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "docs/agents.md", "exec"), {})
    assert capsys.readouterr().out == "True 0\n"
