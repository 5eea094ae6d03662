"""The manual of FIX, held against the product."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import openoutcry
from openoutcry.fix.settings import SESSION_SETTINGS
from openoutcry.parameters import Parameter

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


def test_the_readmes_example_does_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out.endswith("NEW\n") and len(examples) == 2
