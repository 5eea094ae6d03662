"""A test suite with many exchanges: ``pytest -n 8`` with 200 tests that each own one, and nothing left behind.

    python -m bench.kit [--tests 200] [--workers 8] [--json]

Each test starts an exchange, makes a market, logs an OUCH client on and trades; ``emptied`` does the same with one
exchange for each worker, that is emptied before each test (Exchange.reset). Milliseconds are wall time of the whole
run, from before pytest starts to its end, divided by the number of tests; cpu is processor time of all processes, which
says more on a machine that has other things to do. A failed test, and a process or directory that is left, end the
benchmark with an error; a port goes with its process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

WAYS: Final = {"own": "exchange", "emptied": "exchange_clean"}  # the fixture
NOT_LOADED: Final = ("cacheprovider", "asyncio", "anyio", "hypothesispytest")  # a user may not have these
GONE_S: Final = 10.0  # what has ended is gone at once; this is patience with a loaded machine

SUITE: Final = """
import json, os, pathlib, pytest
from openoutcry import parts

@pytest.mark.parametrize("number", range({tests}))
def test_trading({fixture}, number):
    ex = {fixture}
    client = ex.ouch_client()
    client.sell("AAPL", 40, "10.05").expect_accepted()
    client.buy("AAPL", 40, "10.05").expect_filled(40, at="10.05")
    facts = [str(ex.directory), [*ex.pids.values(), parts.nursery().process.pid, os.getpid()]]
    pathlib.Path("seen", f"{{os.getpid()}}-{{number}}").write_text(json.dumps(facts))
"""


def measure(way: str, tests: int, workers: int) -> dict[str, Any]:
    """One run of the suite. Raises SystemExit when something failed or is left."""
    with tempfile.TemporaryDirectory(prefix="openoutcry-bench-") as place:
        where = Path(place)
        (where / "seen").mkdir()
        (where / "test_suite.py").write_text(SUITE.format(tests=tests, fixture=WAYS[way]))
        command = [sys.executable, "-m", "pytest", "-q", "-n", str(workers)]
        for name in NOT_LOADED:
            command += ["-p", f"no:{name}"]
        root = str(Path(__file__).resolve().parent.parent)
        environment = os.environ | {"PYTHONPATH": root}
        began, cpu = time.perf_counter(), cpu_of_children()
        done = subprocess.run(command, cwd=where, env=environment, stdout=subprocess.PIPE, text=True)
        seconds, cpu = time.perf_counter() - began, cpu_of_children() - cpu
        if done.returncode or f"{tests} passed" not in done.stdout:
            raise SystemExit(f"not all {tests} tests passed:\n{done.stdout[-4_000:]}")
        seen = [json.loads(file.read_text()) for file in (where / "seen").iterdir()]
        exchanges = len({facts[0] for facts in seen})
        if left := leftovers(seen):
            raise SystemExit(f"left behind: {', '.join(left)}")
    return {"way": way, "tests": tests, "workers": workers, "exchanges": exchanges, "s": round(seconds, 2),
            "ms_per_test": round(seconds * 1_000 / tests, 1),
            "cpu_ms_per_test": round(cpu * 1_000 / tests, 1)}  # fmt: skip


def cpu_of_children() -> float:
    """Seconds of processor time of all processes of ours that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def leftovers(seen: list[Any]) -> list[str]:
    """Processes and directories of the run that are still there."""
    pids = {pid for _, found in seen for pid in found}
    until = time.monotonic() + GONE_S
    while (alive := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < until:
        time.sleep(0.01)
    left = [f"process {pid}" for pid in alive]
    return left + [f"directory {name}" for name in {name for name, _ in seen} if Path(name).exists()]


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tests", type=int, default=200)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    rows = [measure(way, options.tests, options.workers) for way in WAYS]
    if options.json:
        print(json.dumps({"bench": "kit", "rows": rows}))
        return 0
    print(f"{'':12}{'tests':>7}{'workers':>9}{'exchanges':>11}{'s':>8}{'ms a test':>11}{'cpu ms':>8}")
    for row in rows:
        print(f"{row['way']:12}{row['tests']:>7}{row['workers']:>9}{row['exchanges']:>11}{row['s']:>8.2f}"
              f"{row['ms_per_test']:>11.1f}{row['cpu_ms_per_test']:>8.1f}")  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
