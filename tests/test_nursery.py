"""The nursery: parts start in milliseconds, and none outlives its owner, however that ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openoutcry import bus, parts
from openoutcry.errors import ClusterError
from tests.processes import PATIENCE_S, running, wait_gone

TOY = """
import os, select, signal, sys
from openoutcry import process

def run(directory, name, settings):
    with process.StopSignal() as stop:
        print("settings", settings.durability, file=sys.stderr)
        directory.lock(name)
        directory.announce(name, kind="toy", open_fds=sorted(int(fd) for fd in os.listdir("/proc/self/fd")))
        select.select([stop.fd], [], [])
    print("stopped in order", file=sys.stderr)
    return 0

def broken(directory, name, settings):
    raise RuntimeError("broken on purpose")

def silent(directory, name, settings):
    select.select([], [], [])

def deaf(directory, name, settings):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    directory.announce(name)
    select.select([], [], [])

def unwell(directory, name, settings):
    directory.announce(name)
    return 3
"""


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory with the module `toy`, whose functions are parts."""
    path = tmp_path_factory.mktemp("toys")
    (path / "toy.py").write_text(TOY)
    return str(path)


@pytest.fixture(scope="module")
def nursery(toys: str) -> Iterator[parts.NurseryProcess]:
    """A nursery of its own for these tests."""
    process = parts.NurseryProcess(("toy:run",), [toys, *sys.path])
    yield process
    process.close()


def make(nursery: parts.NurseryProcess, **entries: str) -> parts.Parts:
    """An exchange of toys: name="function"."""
    directory = bus.Directory(tempfile.mkdtemp(prefix="openoutcry-")).create().path
    return parts.Parts(directory, True, {name: f"toy:{entry}" for name, entry in entries.items()}, nursery)


def started(nursery: parts.NurseryProcess, **entries: str) -> parts.Parts:
    family = make(nursery, **entries)
    for name in entries:
        family.start(name, {"durability": "none"})
    family.wait_up(list(entries))
    return family


def test_parts_start_with_their_settings_and_stop_in_order(nursery: parts.NurseryProcess) -> None:
    family = started(nursery, a="run", b="run")
    pids = list(family.pids.values())
    assert len(pids) == 2 and all(map(running, pids))
    assert family.log("a") == "settings none\n"
    directory = family.directory
    family.stop()
    assert not any(map(running, pids)) and not directory.exists()


def test_a_part_inherits_no_file_descriptor_of_the_nursery(nursery: parts.NurseryProcess) -> None:
    first = started(nursery, a="run")
    second = started(nursery, a="run")
    counts = [len(family.part("a").facts["open_fds"]) for family in (first, second)]
    assert counts[0] == counts[1] <= 9  # standard ones, report, lock, stop signal's pair, its wake-up, /proc
    first.stop()
    second.stop()


def test_a_part_that_dies_at_its_start_is_an_error_with_its_log(nursery: parts.NurseryProcess) -> None:
    family = make(nursery, good="run", bad="broken")
    for name in ("good", "bad"):
        family.start(name, {})
    with pytest.raises(ClusterError, match=r"bad \(process \d+\) ended with status 1;(.|\n)*broken on purpose"):
        family.wait_up(["good", "bad"])
    family.stop()


def test_a_part_that_never_comes_up_is_an_error(nursery: parts.NurseryProcess) -> None:
    family = make(nursery, a="silent")
    family.start("a", {})
    with pytest.raises(ClusterError, match=r"not up after 0\.05 s: a"):
        family.wait_up(["a"], 0.05)
    family.stop()


def test_a_part_that_ignores_sigterm_is_killed_after_the_grace(nursery: parts.NurseryProcess) -> None:
    family = started(nursery, a="deaf")
    (pid,) = family.pids.values()
    family.stop(grace_s=0.05)
    assert not running(pid)


def test_a_part_that_ends_by_itself_is_known(nursery: parts.NurseryProcess) -> None:
    family = make(nursery, a="unwell")
    family.start("a", {})
    while not family.died():
        assert family.wait_event(PATIENCE_S)
    assert family.pids == {}
    assert "ended with status 3" in family.obituary(family.died()[0])
    family.stop()


def test_kill_is_done_when_it_returns_and_the_part_can_start_again(nursery: parts.NurseryProcess) -> None:
    family = started(nursery, a="run", b="run")
    before = family.pids
    family.signal("a", signal.SIGKILL)
    assert not running(before["a"]) and running(before["b"]) and not family.died()
    family.start("a", {})
    family.wait_up(["a"])
    assert family.pids["a"] != before["a"]
    family.stop()


def test_hanging_up_ends_everything(nursery: parts.NurseryProcess) -> None:
    family = started(nursery, a="run", b="deaf")
    pids = list(family.pids.values())
    family.close()
    assert not wait_gone(pids)


def test_two_exchanges_of_one_process_are_apart(nursery: parts.NurseryProcess) -> None:
    one, two = started(nursery, a="run"), started(nursery, a="run")
    one.stop()
    assert all(map(running, two.pids.values()))
    two.stop()


def test_many_threads_may_start_exchanges_at_once(nursery: parts.NurseryProcess) -> None:
    seen: list[set[int]] = []

    def life() -> None:
        family = started(nursery, a="run", b="run")
        seen.append(set(family.pids.values()))
        family.stop()

    threads = [threading.Thread(target=life) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8 and len(set().union(*seen)) == 16


def test_a_killed_nursery_takes_its_parts_along_and_stop_removes_the_directory(toys: str) -> None:
    nursery = parts.NurseryProcess(("toy:run",), [toys, *sys.path])
    family = started(nursery, a="run", b="deaf")
    pids = list(family.pids.values())
    nursery.process.kill()
    assert not wait_gone(pids)
    with pytest.raises(ClusterError, match="nursery"):
        family.wait_event(PATIENCE_S)
    family.stop()
    assert not family.directory.exists()
    nursery.close()


OWNER = """
import json, os, signal, sys, tempfile
sys.path.insert(0, {toys!r})
from openoutcry import bus, parts
parts._nursery = parts.NurseryProcess(("toy:run",))
directory = bus.Directory(tempfile.mkdtemp(prefix="openoutcry-")).create().path
family = parts.Parts(directory, True, dict(a="toy:run", b="toy:deaf"), parts.nursery())
for name in "ab":
    family.start(name, {{}})
family.wait_up(["a", "b"])
pids = [*family.pids.values(), parts.nursery().process.pid]
{before}
print(json.dumps([str(directory), pids]), flush=True)
{after}
"""


def owner(toys: str, after: str, before: str = "") -> tuple[subprocess.Popen[str], Path, list[int]]:
    """Another process that owns two parts, and what it says of them: directory, process ids (the nursery's last)."""
    script = OWNER.format(toys=toys, before=before, after=textwrap.dedent(after))
    process = subprocess.Popen([sys.executable, "-W", "error", "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    directory, pids = json.loads(process.stdout.readline())
    return process, Path(directory), pids


@pytest.mark.parametrize(
    ("after", "code"),
    [
        ("", 0),
        ("raise SystemExit(5)", 5),
        ("os._exit(6)", 6),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("os.kill(os.getpid(), signal.SIGTERM)", -15),
        ("signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGINT)", -2),
    ],
    ids=["end", "exit", "_exit", "SIGKILL", "SIGTERM", "SIGINT"],
)
def test_nothing_outlives_the_owner(toys: str, after: str, code: int) -> None:
    process, directory, pids = owner(toys, after)
    with process:
        assert process.wait(PATIENCE_S) == code
    assert not wait_gone(pids) and not directory.exists()


def test_nothing_outlives_an_owner_killed_from_outside_although_its_child_lives(toys: str) -> None:
    before = """
child = os.fork()
if child == 0:
    os.close(1)
    signal.pause()
pids.append(child)
"""
    process, directory, pids = owner(toys, "signal.pause()", before)
    child = pids.pop()
    with process:
        process.kill()
    assert not wait_gone(pids) and not directory.exists()
    assert running(child)
    os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("end", ["os._exit(0)", "raise SystemExit"], ids=["_exit", "exit"])
def test_a_forked_child_leaves_its_parents_exchange_alone(toys: str, end: str) -> None:
    before = f"""
child = os.fork()
if child == 0:
    family.stop()
    parts.close_nursery()
    {end}
assert os.waitpid(child, 0)[1] == 0
family.signal("a", signal.SIGCONT)
assert len(family.pids) == 2
"""
    process, directory, pids = owner(toys, "family.stop(0.01)", before)
    with process:
        assert process.wait(PATIENCE_S) == 0
    assert not wait_gone(pids) and not directory.exists()


def test_a_forked_child_may_have_a_nursery_of_its_own(toys: str) -> None:
    before = """
child = os.fork()
if child == 0:
    assert parts._nursery is None
    own = parts.nursery()
    assert own.owner == os.getpid() and own.process.pid not in pids
    raise SystemExit
assert os.waitpid(child, 0)[1] == 0
"""
    process, directory, pids = owner(toys, "family.stop(0.01)", before)
    with process:
        assert process.wait(PATIENCE_S) == 0
    assert not wait_gone(pids) and not directory.exists()


def test_the_thread_that_spawned_the_nursery_may_end(toys: str) -> None:
    made: list[parts.NurseryProcess] = []
    thread = threading.Thread(target=lambda: made.append(parts.NurseryProcess(("toy:run",), [toys, *sys.path])))
    thread.start()
    thread.join()
    family = started(made[0], a="run")
    family.stop()
    made[0].close()
