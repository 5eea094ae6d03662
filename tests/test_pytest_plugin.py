"""The pytest plugin: its fixtures, the logs in the report of a failed test, and runs that are interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PATIENCE_S, wait_gone

RECORD = """
import json, os, pathlib
def record(ex):
    from openoutcry import parts
    facts = [str(ex.directory), [*ex.pids.values(), parts.nursery().process.pid]]
    name = f"{os.getpid()}-{ex.pids['matcher']}.json"
    pathlib.Path("seen").mkdir(exist_ok=True)
    (pathlib.Path("seen") / name).write_text(json.dumps(facts))
"""


def seen(pytester: pytest.Pytester) -> tuple[list[Path], list[int]]:
    """Directories and processes of all exchanges that the inner run recorded."""
    facts = [json.loads(file.read_text()) for file in sorted((pytester.path / "seen").iterdir())]
    return [Path(directory) for directory, _ in facts], [pid for _, pids in facts for pid in pids]


def assert_nothing_left(pytester: pytest.Pytester) -> None:
    directories, pids = seen(pytester)
    assert not wait_gone(pids)
    assert not [directory for directory in directories if directory.exists()]


def test_exchange_is_fresh_and_exchange_proc_is_shared(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
{RECORD}
import pytest
shared = []

@pytest.mark.parametrize("turn", range(2))
def test_fresh(exchange, turn):
    record(exchange)
    exchange.create_engine("main")  # no other test has

@pytest.mark.parametrize("turn", range(2))
def test_shared(exchange_proc, turn):
    record(exchange_proc)
    exchange_proc.create_engine(f"main{{turn}}")
    shared.append(exchange_proc)
    assert shared[0] is exchange_proc
"""
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=4)
    assert len(seen(pytester)[0]) == 3
    assert_nothing_left(pytester)


def test_each_xdist_worker_has_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
{RECORD}
import pytest
@pytest.mark.parametrize("turn", range(4))
def test_any(exchange, exchange_proc, turn):
    record(exchange)
    record(exchange_proc)
"""
    )
    pytester.runpytest_subprocess("-n", "2", "-W", "error").assert_outcomes(passed=4)
    assert_nothing_left(pytester)


def test_the_marker_chooses_how_it_is_started(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import pytest
@pytest.mark.exchange(gateways=2)
def test_two(exchange):
    assert "gateway-2" in exchange.pids
"""
    )
    pytester.runpytest_subprocess("--strict-markers").assert_outcomes(passed=1)


def test_a_failed_test_shows_the_logs_and_a_passed_one_does_not(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
def test_fails(exchange):
    assert exchange.list("engines") == ["one"]
"""
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*exchange: log of matcher*", "*exchange: log of gateway-1*"])


def test_the_example_passes(pytester: pytest.Pytester) -> None:
    example = Path(__file__).parent.parent / "examples" / "test_my_client.py"
    pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider", example).assert_outcomes(passed=3)


def test_it_costs_nothing_when_no_test_wants_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import sys
def test_light():
    assert not [name for name in sys.modules if name.startswith(("zmq", "openoutcry.")) and "plugin" not in name]
"""
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("number", "workers"),
    [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, 0), (signal.SIGINT, 2), (signal.SIGKILL, 2)],
)
def test_an_interrupted_run_leaves_nothing(pytester: pytest.Pytester, number: signal.Signals, workers: int) -> None:
    pytester.makepyfile(
        f"""
{RECORD}
import signal
def test_hangs(exchange, exchange_proc):
    record(exchange)
    record(exchange_proc)
    with open("said", "w") as said:  # a fifo: tells the outer test that it is time
        said.write("now")
    signal.pause()
"""
    )
    os.mkfifo(pytester.path / "said")
    command = [sys.executable, "-m", "pytest", "-q", *(["-n", str(workers)] if workers else [])]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    with process:
        assert (pytester.path / "said").read_text() == "now"
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        process.wait(PATIENCE_S)
    assert_nothing_left(pytester)
