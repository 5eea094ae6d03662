"""docs/testing.md: all its code runs, the tests among it as tests, the rest as programs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "testing.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
PROGRAMS = [block for block in BLOCKS if "with Exchange(" in block]
TESTS = [block for block in BLOCKS if block not in PROGRAMS]


def test_the_tutorial_passes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_tutorial="\n".join(TESTS))
    result = pytester.runpytest_subprocess(
        "-W", "error", "--strict-markers", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"
    )  # fmt: skip
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"} and outcomes["passed"] > 25


def test_the_programs_run_together(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("\n".join(PROGRAMS))
    root = str(PAGE.parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "error", program], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": root}
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.split("\n")
    assert re.fullmatch(r"127\.0\.0\.1 \d+", lines[0])
    assert "10.05" in lines[2] and lines[3] == "10.05 open"
