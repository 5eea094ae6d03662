"""docs/scenarios.md and examples/*.toml: what they show is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from openoutcry.scenarios import compare, files, load, model, replay

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "scenarios.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(TOML,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_the_python_on_the_page_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(block, "scenarios.md", "exec"), names)


def test_the_file_on_the_page_is_played_as_it_says() -> None:
    scenario = files.parse(TOML.encode(), toml=True)
    found = compare(scenario, replay(scenario))
    assert found.same, found.report()
    assert found.events == 6


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_played_as_they_say(path: Path) -> None:
    scenario = load(path)
    found = compare(scenario, replay(scenario), times=True)
    assert found.same, found.report()


def test_the_page_has_every_name_of_a_file() -> None:
    for name in (*model._TOP, *model._OF_STEP, *model._OF_CLIENT, *model.DEEDS, *model.COMPARISONS, "verb"):
        assert f"`{name}`" in PAGE
