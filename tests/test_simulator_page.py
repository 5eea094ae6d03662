"""docs/simulator.md: its examples run, and its tables have every kind of policy with every option and its default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from openoutcry import Exchange, cli
from openoutcry import wire as w
from openoutcry.matcher import bots, lines, policies
from tests.machine_world import enter, market

PAGE = (Path(__file__).parents[1] / "docs" / "simulator.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_run(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "KINDS", dict(policies.KINDS))
    monkeypatch.setattr(policies, "_PARAMETERS", dict(policies._PARAMETERS))
    names: dict[str, Any] = {"ex": exchange}
    assert len(BLOCKS) > 3
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"simulator.md, example {number}", "exec"), names)
    world = market()
    world.verb("add_policy", "main", "fingers", "fat-finger", "most=100")
    world.send("gateway-1", enter(1, "a", quantity=100), enter(1, "b", quantity=101))
    assert [(event[0], event[2]) for event in world.take()] == [
        (w.ACCEPTED, b"a"), (w.EXECUTED, b"a"), (w.REJECTED, b"b"),
    ]  # fmt: skip


@pytest.mark.parametrize("line", re.findall(r"openoutcry (prices .*)$", PAGE, re.MULTILINE))
def test_every_command_is_in_order(line: str) -> None:
    args = cli.parser().parse_args(line.split())
    assert args.book == "aapl" and (args.price is None) == (args.file is not None)


@pytest.mark.parametrize("kind", [*bots.BOTS, *lines.KINDS, "market-maker"])
def test_every_kind_has_a_row_with_its_options_and_their_defaults(kind: str) -> None:
    (row,) = re.findall(rf"^\| `{kind}` \|(.*)$", PAGE, re.MULTILINE)
    for p in policies.options_of(kind).values():
        if p in policies.LIMITS:
            assert f"| `{p.name}` |" in PAGE
        elif p.type == "int" and p.default is not None:
            assert f"`{p.name}` ({p.default})" in row
        else:
            assert f"`{p.name}`" in row
