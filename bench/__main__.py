"""All benchmarks of docs/benchmarks.md, one after another: ``make bench``, or ``python -m bench [--json FILE]``.

Each row is a module with a ``--json`` option that measures itself and its yardsticks in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from typing import Any

ROWS = {
    "book": "the book alone",
    "engine": "auctions and stops",
    "memory": "memory of a resting order",
    "journal": "the journal and the disk",
    "fixcodec": "FIX messages from bytes and to bytes",
    "orders": "order to acknowledgement",
    "fanout": "market data to ten subscribers",
    "startup": "Exchange() for a test",
    "control": "verbs of one synchronous client",
    "kit": "200 tests that each own an exchange, with pytest -n 8",
    "replay": "replay and restart",
}


def machine() -> dict[str, Any]:
    """What a figure depends on."""
    model = "unknown"
    try:
        with open("/proc/cpuinfo") as file:
            model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version(),
        "pyzmq": version("pyzmq"), "msgpack": version("msgpack"), "load": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which of: {', '.join(ROWS)} (default: all)")
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    a = parser.parse_args()
    unknown = set(a.rows) - set(ROWS)
    if unknown:
        parser.error(f"no row {sorted(unknown)[0]!r}; there are: {', '.join(ROWS)}")
    result: dict[str, Any] = {"machine": machine()}
    print(json.dumps(result["machine"]))
    failed = 0
    for row in a.rows or ROWS:
        print(f"\n== {row}: {ROWS[row]}", flush=True)
        command = [sys.executable, "-m", f"bench.{row}"]
        if a.json:
            done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, text=True)
            result[row] = json.loads(done.stdout) if done.returncode == 0 else None
            print(json.dumps(result[row], indent=1))
        else:
            done = subprocess.run(command, text=True)
        failed |= done.returncode
    if a.json:
        with open(a.json, "w") as file:
            json.dump(result, file, indent=1)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
