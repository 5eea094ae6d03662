"""The supervised cluster on one host: ``up``, ``down`` and ``status``.

supervisord keeps the processes running (conf/supervisord.conf); whether they add up to an exchange that is ready is
asked of the control service (openoutcry.control.plans), not concluded from processes being there.

Invariant: after ``down`` no process and no socket of the exchange is left, whatever was killed before; after an
``up`` that failed neither. Files stay. Both can be repeated at any time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from openoutcry import supervisor_rpc as rpc
from openoutcry.bus import Directory
from openoutcry.errors import ClusterError, OpenOutcryError, VerbError
from openoutcry.parameters import duration_text
from openoutcry.process import Settings
from openoutcry.tables import cell, table

if TYPE_CHECKING:
    from openoutcry.config import Config

START_S: Final = 20.0  # for supervisord itself to start
STOP_S: Final = 40.0  # for all processes to stop: above the sum of the stopwaitsecs in conf/supervisord.conf
GRACE_S: Final = 10.0  # between SIGTERM and SIGKILL for processes that have lost their supervisord
LOOK_S: Final = 0.05  # between two looks while waiting to become ready
ASK_S: Final = 3.0  # for the control service to answer `status`: it waits for silent parts for two
STARTS_MAX: Final = 3  # of one process while `up` waits: by then it fails for a reason that does not pass
TAIL_LINES: Final = 15
MS_NS: Final = 1_000_000

Say = Callable[[str], None]


def _say(text: str) -> None:
    print(text, flush=True)


# ------------------------------------------------------------------------------------------------- up
def up(
    directory: Directory, settings: Settings, config: Config | None = None, foreground: bool = False,
    timeout: float = 30.0, say: Say = _say,
) -> int:  # fmt: skip
    """Start the cluster unless it runs, wait until it is ready, carry out the config file. Returns the exit code."""
    if "%" in str(directory.path):
        raise ClusterError(f"{directory.path}: supervisord cannot work in a directory with '%' in its name")
    lock = directory.create().lock("up")
    supervisor: subprocess.Popen[bytes] | None = None
    try:
        running = rpc.processes(directory) is not None
        if running:
            say(f"the exchange in {directory.path} is up already; settings are taken when it starts")
        else:
            supervisor = _start(directory, settings, foreground, say)
        done = _wait_and_configure(directory, config, timeout, say, take_down=not running)
    finally:
        os.close(lock)
    return _stay(directory, supervisor, say) if done and supervisor is not None else 0 if done else 1


def _wait_and_configure(directory: Directory, config: Config | None, timeout: float, say: Say, take_down: bool) -> bool:
    try:
        began = time.monotonic()
        wait_ready(directory, timeout, say)
        if config is not None and config.entries:
            _configure(directory, config, say)
            wait_ready(directory, timeout, lambda _: None)
        say(f"ready after {time.monotonic() - began:.1f} s")
        return True
    except OpenOutcryError as error:
        print(f"openoutcry: {error}", file=sys.stderr)
        if take_down:
            down(directory, say)
        return False
    except KeyboardInterrupt:
        if take_down:
            down(directory, say)
        raise


def _start(directory: Directory, settings: Settings, foreground: bool, say: Say) -> subprocess.Popen[bytes] | None:
    """Start supervisord, after ending what an earlier, killed one may have left."""
    orphans = _orphans(directory)
    if orphans:
        say(f"ending {len(orphans)} processes that have lost their supervisor")
        _end(orphans.values())
    _remove_sockets(directory)
    directory.create()
    say(f"starting an exchange in {directory.path}")
    conf = Path(__file__).parent / "conf" / "supervisord.conf"
    command = [sys.executable, "-P", "-m", "openoutcry.supervise", "-c", str(conf)]
    environment = _environment(directory, settings)
    if foreground:
        # a session of its own: Ctrl-C is for this process, which then stops everything in order
        return subprocess.Popen(
            [*command, "-n", "-s"], env=environment, start_new_session=True, stdin=subprocess.DEVNULL
        )
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=START_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ClusterError(f"supervisord did not start: {done.stdout.decode(errors='replace').strip()[-500:]}")
    return None


def _environment(directory: Directory, settings: Settings) -> dict[str, str]:
    """What supervisord and its processes get: ours, and nothing else that begins with OPENOUTCRY_."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OPENOUTCRY_")}
    places = {"DIRECTORY": directory.path, "SOCKETS": directory.sockets, "PYTHON": sys.executable}
    return {**kept, **settings.environment(), **{f"OPENOUTCRY_{key}": str(value) for key, value in places.items()}}


def _stay(directory: Directory, supervisor: subprocess.Popen[bytes], say: Say) -> int:
    """In the foreground: until supervisord ends, or we are told to."""

    def terminate(number: int, frame: object) -> NoReturn:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, terminate)
    say("press Ctrl-C to stop")
    try:
        return supervisor.wait()
    finally:
        down(directory, say)
        supervisor.wait()


def wait_ready(directory: Directory, timeout: float, say: Say) -> None:
    """Return when ``status`` is ready; tells which part is up. Raises ClusterError with the log of one that fails."""
    deadline = time.monotonic() + timeout
    told: set[tuple[str, int]] = set()
    starts: defaultdict[str, set[int]] = defaultdict(set)
    while True:
        found = status(directory)
        for process in found["processes"]:
            starts[process["name"]].add(process["pid"] or 0)
            if process["state"] == "running" and (process["name"], process["pid"]) not in told:
                told.add((process["name"], process["pid"]))
                say(f"  {process['name']} is up, process {process['pid']}")
        if found["ready"]:
            return
        failing = [name for name, pids in starts.items() if len(pids - {0}) >= STARTS_MAX]
        if failing:
            raise ClusterError(_with_logs(directory, f"{failing[0]} keeps failing", failing))
        if time.monotonic() > deadline:
            missing = found["waiting_for"]
            text = f"not ready after {timeout:g} s, waiting for: {', '.join(missing)}"
            raise ClusterError(_with_logs(directory, text, missing))
        time.sleep(LOOK_S)


def _with_logs(directory: Directory, text: str, names: list[str]) -> str:
    parts = [text]
    for path in sorted((directory.path / "log").glob("*.log")):
        if any(path.stem == name or path.stem.startswith(name + "-") for name in names):
            lines = path.read_text(errors="replace").splitlines()[-TAIL_LINES:]
            parts.append("\n".join([f"the last lines of {path}:", *(f"  {line}" for line in lines)]))
    return "\n".join(parts)


def _configure(directory: Directory, config: Config, say: Say) -> None:
    from openoutcry import config as configuration
    from openoutcry.clients.control import ControlClient

    say(f"carrying out {config.path}")
    with ControlClient(directory) as client:
        configuration.apply(config, client.call, lambda text: say(f"  {text}"))


# ------------------------------------------------------------------------------------------------- down
def down(directory: Directory, say: Say = _say) -> int:
    """Stop everything that belongs to this directory, and wait for it. Returns the exit code."""
    pid = rpc.call(directory, "getPID") or rpc.supervisor_pid(directory)
    rows = rpc.processes(directory) or []
    pids = [row["pid"] for row in rows if row["pid"]]
    left: list[int] = []
    if pid and rpc.call(directory, "shutdown"):
        left = rpc.wait_gone([pid, *pids], STOP_S)
    elif pid:
        left = [pid, *pids]
    orphans = _orphans(directory)
    if not pid and not orphans:
        say(f"no exchange runs in {directory.path}")
    _end([*left, *orphans.values()])
    _remove_sockets(directory)
    if pid or orphans:
        say("stopped")
    return 0


def _end(pids: Any) -> None:
    stubborn = rpc.end([pid for pid in dict.fromkeys(pids) if rpc.ours(pid)], GRACE_S)
    if stubborn:
        raise ClusterError(f"cannot end the processes {', '.join(map(str, stubborn))}; look at them with ps")


def _orphans(directory: Directory) -> dict[str, int]:
    """Processes that announced themselves in this directory and still run, by name."""
    found = {}
    for path in (directory.path / "run").glob("*.json"):
        pid = directory.announced(path.stem).get("pid")
        if isinstance(pid, int) and rpc.ours(pid) and _locked(directory, path.stem):
            found[path.stem] = pid
    return found


def _locked(directory: Directory, name: str) -> bool:
    try:
        os.close(directory.lock(name))
    except ClusterError:
        return True
    except OSError:
        return False
    return False


def _remove_sockets(directory: Directory) -> None:
    """Remove the sockets that killed processes have left. Nothing may run when this is called."""
    if directory.sockets.is_dir():
        for path in directory.sockets.iterdir():
            if path.is_socket():
                path.unlink(missing_ok=True)
        if directory.sockets.parent != directory.path:  # it is in the temporary directory: leave nothing there
            with contextlib.suppress(OSError):
                directory.sockets.rmdir()


# ------------------------------------------------------------------------------------------------- status
def status(directory: Directory) -> dict[str, Any]:
    """Everything there is to know: from supervisord, from the control service, and from what parts announced.

    Works whatever runs and does not. ready: the control service says so, and every supervised process answers.
    """
    rows = rpc.processes(directory)
    orphans = _orphans(directory) if rows is None else {}
    asked = _ask(directory) if rows is not None or "control" in orphans else {}
    answers = {p["name"]: p["pid"] for p in asked.get("processes", ()) if p["state"] == "answers"}
    if rows is None:
        rows = [{"name": name, "pid": pid, "state": "running", "uptime_s": None} for name, pid in orphans.items()]
    for row in rows:
        if row["state"] == "running" and answers.get(row["name"]) != row["pid"]:
            row["state"] = "silent"
    waiting = [row["name"] for row in rows if row["state"] != "running"]
    waiting += [what for what in asked.get("waiting_for", ["control"]) if what not in waiting]
    market = directory.announced("marketdata")
    return {
        "ready": bool(asked) and bool(rows) and not waiting,
        "running": bool(rows),
        "waiting_for": waiting,
        "directory": str(directory.path),
        "control": directory.address("control"),
        "feed": market.get("feed"),
        "snapshot": market.get("snapshot"),
        "supervisor": rpc.supervisor_pid(directory) or None,
        "processes": sorted(rows, key=lambda row: str(row["name"])),
        "endpoints": asked.get("endpoints", []),
        "books": asked.get("books"),
        "sequence": asked.get("sequence"),
        "clock": asked.get("clock"),
    }


def _ask(directory: Directory) -> dict[str, Any]:
    from openoutcry.clients.control import ControlClient

    try:
        with ControlClient(directory, ASK_S) as client:
            found: dict[str, Any] = client.call("status")
            return found
    except (ClusterError, VerbError):
        return {}


def describe(found: dict[str, Any]) -> str:
    """A status as text for people."""
    if not found["running"]:
        return f"no exchange runs in {found['directory']}"
    state = "ready" if found["ready"] else f"not ready, waiting for: {', '.join(found['waiting_for'])}"
    lines = [f"the exchange in {found['directory']} is {state}", ""]
    if found["supervisor"] is None:
        lines[1:1] = ["no supervisor runs: nothing is restarted; `openoutcry up` replaces everything by a new cluster"]
    lines.append(table(found["processes"], columns=("name", "pid", "state", "uptime_s")))
    if found["endpoints"]:
        shown = [
            {**e, "address": f"{e['host']}:{e['port']}", "users": e["users"] or "anyone"} for e in found["endpoints"]
        ]
        columns = ("name", "protocol", "engine", "address", "gateway", "state", "users")
        lines += ["", table(shown, columns=columns)]
    facts = [f"{key:<10} {cell(found[key])}" for key in ("feed", "snapshot", "control", "books", "sequence")]
    facts += [f"{'clock':<10} {text}" for text in _clock(found["clock"])]
    return "\n".join([*lines, "", *facts])


def _clock(clock: dict[str, Any] | None) -> list[str]:
    """How the exchange's clock differs from the host's, which nobody expects; [] when it does not."""
    if clock is None or clock["offset_ns"] == 0:
        return []
    if clock["stopped"]:
        return [f"stands still at {clock['now']}"]
    by = duration_text(abs(clock["offset_ns"]) // MS_NS * MS_NS)
    return [f"{clock['now']}, {by} {'ahead of' if clock['offset_ns'] > 0 else 'behind'} the host's"]
