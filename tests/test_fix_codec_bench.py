"""The benchmark of the FIX codec: that it runs, checks what it measures, and notices a wrong result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import fixcodec
from openoutcry.fix.codec import raw


def test_it_runs_by_itself() -> None:
    command = [sys.executable, "-m", "bench.fixcodec", "--json", "--messages", "200", "--runs", "1"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert {row["message"] for row in found["rows"]} == {"NewOrderSingle", "ExecutionReport"}
    assert {row["way"] for row in found["rows"]} >= {"decode", "decode general", "split", "encode", "encode any"}
    assert all(row["us"] > 0 for row in found["rows"])


def test_a_wrong_result_ends_the_run() -> None:
    facts = fixcodec.facts_of(200)
    for kind in fixcodec.KINDS:
        messages = fixcodec.encode(kind, facts)
        fixcodec.verify(kind, messages, facts)
        with pytest.raises(SystemExit, match="wrong result: the bodies differ"):
            fixcodec.verify(kind._replace(fields=lambda _: [(58, "")]), messages, facts)
        with pytest.raises(SystemExit, match="wrong result: other messages"):
            fixcodec.verify(kind, [*messages[:-1], messages[0][:-2] + b"x\x01"], facts)
    with pytest.raises(SystemExit, match=r"wrong result: Flaw"):
        fixcodec.Reader().read(raw("35=D|34=1|"))
