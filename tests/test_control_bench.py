"""The benchmark of the control verbs: that it runs, measures every row beside the yardsticks, and notices a refusal."""

from __future__ import annotations

import pytest

from bench import control
from openoutcry.errors import VerbError


def test_every_row_is_measured_beside_the_yardsticks() -> None:
    found = control.measure(seconds=0.01, rounds=1, size=4)
    rows = {(row["way"], row["row"]): row for row in found["rows"]}
    expected = {("yardstick", name) for name in control.YARDSTICKS}
    expected |= {(way, name) for way in ("one by one", "batch") for name in control.VERBS}
    assert set(rows) == expected and found["batch"] == 4
    assert all(0 < row["per_s"] <= row["best_per_s"] for row in rows.values())
    assert rows["yardstick", "chain of two"]["of_chain"] == 1.0


def test_a_verb_that_is_refused_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(control.VERBS, "look: list", lambda to: to.depth("nothing"))
    with pytest.raises(VerbError, match="unknown_name"):
        control.measure(seconds=0.01, rounds=1, size=4)
