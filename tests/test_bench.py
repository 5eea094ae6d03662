"""The benchmarks of the book: that each row runs, checks what it measures, and notices a wrong result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import book, engine, memory
from openoutcry.matcher.tape import Tape

OPS = 2_000


@pytest.mark.parametrize("mix", book.MIXES)
def test_every_way_gives_what_the_generator_expects(mix: str) -> None:
    flow = book.make_flow(OPS, book.MIXES[mix])
    done = {way: book.run(flow, make, trades=True) for way, make in book.WAYS.items()}
    assert {each.operations for each in done.values()} == {OPS}
    assert len({each.events for each in done.values()}) == 1


def test_it_runs_by_itself() -> None:
    command = [
        sys.executable,
        "-m",
        "bench.book",
        "--json",
        "--ops",
        "3000",
        "--runs",
        "1",
        "--mixes",
        "default,replace",
    ]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert [(row["way"], row["mix"]) for row in found["rows"]] == [
        (way, mix) for mix in ("default", "replace") for way in book.WAYS
    ]
    assert all(row["ops_per_s"] > 0 and row["events_per_s"] > row["ops_per_s"] for row in found["rows"])


def test_a_wrong_result_ends_the_run() -> None:
    flow = book.make_flow(OPS, {})
    flow.expected["trades"] += 1
    with pytest.raises(SystemExit, match=r"wrong result: trades"):
        book.run(flow, book.way_machine)


def test_a_turn_of_more_events_than_a_frame_may_hold_is_packed_in_parts() -> None:
    events = Tape((5, 1, b"t", 1, "") for _ in range(5_000))
    assert book.pack(events) == 5_000
    assert len(events) == 0


def test_the_auction_and_the_cascade_do_what_they_say() -> None:
    assert engine.auction(1_000)["matches"] > 300
    assert engine.cascade(50)["matches"] == 51


def test_the_orders_of_the_memory_row_all_rest() -> None:
    assert 0 < memory.grown("machine", 3_000, trace=True) < 1_000
