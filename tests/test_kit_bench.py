"""The benchmark of the test kit: that it runs, and notices what is left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import kit


@pytest.mark.parametrize(("way", "exchanges"), [("own", 4), ("emptied", 2)])
def test_it_runs_and_counts_exchanges(way: str, exchanges: int) -> None:
    row = kit.measure(way, tests=4, workers=2)
    assert (row["way"], row["tests"], row["workers"]) == (way, 4, 2)
    assert row["exchanges"] <= exchanges and row["ms_per_test"] > 0


def test_what_is_left_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "GONE_S", 0.0)
    found = kit.leftovers([[str(tmp_path), [os.getpid()]]])
    assert found == [f"process {os.getpid()}", f"directory {tmp_path}"]
    assert kit.leftovers([[str(tmp_path / "no"), []]]) == []


def test_a_suite_that_fails_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "SUITE", "def test_bad(): assert 0")
    with pytest.raises(SystemExit, match="not all 2 tests passed"):
        kit.measure("own", tests=2, workers=1)
