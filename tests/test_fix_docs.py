"""The manual of FIX, held against the product."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import openoutcry
from openoutcry import Exchange
from openoutcry.fix.settings import SESSION_SETTINGS
from openoutcry.parameters import Parameter
from openoutcry.testkit import FixTrader

assert openoutcry.__file__ is not None
ROOT = Path(openoutcry.__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "fix.md").read_text()


def shown(p: Parameter) -> str:
    if p.type == "bool":
        return "Y" if p.default else "N"
    return "" if p.default == "" else str(p.default)


@pytest.mark.parametrize("p", SESSION_SETTINGS.values(), ids=lambda p: p.name)
def test_every_setting_is_in_the_manual_with_its_default(p: Parameter) -> None:
    assert f"| `{p.name}` | {shown(p)} | {p.meaning}" in PAGE


def test_the_first_example_does_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    (example, *_) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "docs/fix.md", "exec"), {})
    assert capsys.readouterr().out == "0 100\n"


def test_the_readmes_examples_do_what_they_say(
    capsys: pytest.CaptureFixture[str], exchange: Exchange, fix_client: FixTrader
) -> None:
    *scripts, test = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for script in scripts:
        exec(compile(script, "README.md", "exec"), {})
    assert capsys.readouterr().out.endswith("NEW\n") and len(scripts) == 2
    found: dict[str, Callable[..., None]] = {}
    exec(compile(test, "README.md", "exec"), found)
    found["test_a_partial_fill_and_a_halt"](exchange, fix_client)
