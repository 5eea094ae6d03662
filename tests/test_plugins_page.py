"""docs/plugins.md: its modules are written to disk as they stand there, and its examples run with them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from openoutcry import Exchange

PAGE = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {}
    monkeypatch.syspath_prepend(str(tmp_path))
    for block in BLOCKS:
        if found := re.match(r"# (mine/\w+\.py)\n", block):
            (tmp_path / "mine").mkdir(exist_ok=True)
            (tmp_path / found[1]).write_text(block)
    try:
        for number, block in enumerate(BLOCKS):
            if not block.startswith("# mine/"):
                exec(compile(block, f"plugins.md, example {number}", "exec"), names)
    finally:
        exchange = names.get("exchange")
        if isinstance(exchange, Exchange):
            exchange.stop()
    assert len(BLOCKS) == 14
