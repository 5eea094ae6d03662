"""The supervised cluster for real: up, verbs, kill -9 of everything, down, and nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from openoutcry import cluster, config
from openoutcry import supervisor_rpc as rpc
from openoutcry.bus import Directory
from openoutcry.clients.control import ControlClient
from openoutcry.errors import ClusterError
from openoutcry.process import Settings
from tests.control_world import wait_until

PARTS = ("control", "gateway-1", "gateway-2", "marketdata", "matcher")
SETTINGS = Settings(durability="none", gateways=2, segment_bytes=1024 * 1024)
EXCHANGE = """
[[engine]]
name = "main"

[[book]]
name = "aapl"
engine = "main"
symbol = "AAPL"
properties = { tick_size = "0.01" }

[[endpoint]]
name = "orders"
engine = "main"
protocol = "ouch42"

[[user]]
name = "alice"
password = "s3cret"
"""


def quiet(_: str) -> None:
    """Said to nobody."""


@contextlib.contextmanager
def temporary() -> Iterator[Directory]:
    """A directory for a cluster, which is down and gone in the end."""
    path = tempfile.mkdtemp(prefix="oo-cluster-")
    directory = Directory(path)
    try:
        yield directory
    finally:
        cluster.down(directory, quiet)
        shutil.rmtree(path)


@pytest.fixture(scope="module")
def running() -> Iterator[Directory]:
    """A cluster with two gateways and the file above, for tests that leave it as it was."""
    with temporary() as directory:
        (directory.path / "exchange.toml").write_text(EXCHANGE)
        assert cluster.up(directory, SETTINGS, config.load(directory.path / "exchange.toml"), say=quiet) == 0
        yield directory


@pytest.fixture
def directory() -> Iterator[Directory]:
    """A directory for a test's own cluster."""
    with temporary() as made:
        yield made


def openoutcry(*arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "openoutcry", *(str(a) for a in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def pids(directory: Directory) -> dict[str, int]:
    return {row["name"]: row["pid"] for row in cluster.status(directory)["processes"]}


def ready(directory: Directory) -> dict[str, Any]:
    found: dict[str, Any] = wait_until(lambda: (s := cluster.status(directory))["ready"] and s, 20)
    return found


def listens(endpoint: dict[str, Any]) -> bool:
    try:
        socket.create_connection((endpoint["host"], endpoint["port"]), 5).close()
    except OSError:
        return False
    return True


# ------------------------------------------------------------------------------------------------- one cluster
def test_status_shows_processes_endpoints_and_addresses(running: Directory) -> None:
    found = ready(running)
    assert [row["name"] for row in found["processes"]] == list(PARTS)
    assert all(row["state"] == "running" and row["pid"] for row in found["processes"])
    (endpoint,) = found["endpoints"]
    assert (endpoint["name"], endpoint["state"], endpoint["users"], endpoint["any_login"]) == (
        "orders", "bound", ["ALICE"] if endpoint["users"] == ["ALICE"] else ["alice"], False,
    )  # fmt: skip
    assert listens(endpoint)
    assert found["feed"].startswith("tcp://127.0.0.1:") and found["snapshot"].startswith("tcp://127.0.0.1:")
    assert found["books"] == 1 and found["sequence"] > 0


def test_the_status_command_says_the_same(running: Directory) -> None:
    ready(running)
    done = openoutcry("status", "--directory", running.path, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["ready"] is True
    text = openoutcry("status", "--directory", running.path).stdout
    assert "is ready" in text and "orders" in text and "s3cret" not in text


def test_ctl_does_verbs_and_says_what_is_wrong(running: Directory) -> None:
    where = ("--directory", running.path)
    assert json.loads(openoutcry("ctl", *where, "--json", "depth", "aapl").stdout)["symbol"] == "AAPL"
    assert "AAPL" in openoutcry("ctl", *where, "list", "books").stdout
    done = openoutcry("ctl", *where, "halt", "book=nothing")
    assert (done.returncode, done.stdout) == (1, "") and "unknown_name (book)" in done.stderr


def test_up_again_says_so_and_carries_out_the_file_again(running: Directory) -> None:
    before = pids(running)
    done = openoutcry("up", "--directory", running.path, "--config", running.path / "exchange.toml")
    assert done.returncode == 0 and "is up already" in done.stdout
    assert "book aapl: exists" in done.stdout and "created" not in done.stdout
    assert pids(running) == before


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_process_comes_back_and_the_exchange_is_ready_again(part: str, running: Directory) -> None:
    before = ready(running)
    victim = {row["name"]: row["pid"] for row in before["processes"]}[part]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: pids(running).get(part) not in (victim, 0, None), 10)
    after = ready(running)
    assert after["endpoints"] == before["endpoints"] and listens(after["endpoints"][0])
    assert (after["feed"], after["snapshot"]) == (before["feed"], before["snapshot"])


def replaced(running: Directory, old: list[int]) -> bool:
    """Whether every process runs, and none of those that were killed."""
    return not {row["pid"] for row in rpc.processes(running) or ()} & {0, *old}


def test_a_storm_of_kills_does_not_make_the_supervisor_give_up(running: Directory) -> None:
    before = ready(running)
    for _ in range(10):
        victims = [row["pid"] for row in rpc.processes(running) or ()]
        for pid in filter(None, victims):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(partial(replaced, running, victims), 10)
    after = ready(running)
    assert after["endpoints"] == before["endpoints"]


def test_nothing_secret_is_in_the_files_or_on_a_command_line(running: Directory) -> None:
    for path in running.path.rglob("*"):
        if path.is_file() and path.name != "exchange.toml":
            assert b"s3cret" not in path.read_bytes(), path
    for pid in pids(running).values():
        assert b"s3cret" not in Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()


def test_sockets_and_directories_are_for_their_owner_alone(running: Directory) -> None:
    assert running.sockets.stat().st_mode & 0o777 == 0o700
    assert (running.sockets / "supervisor.sock").stat().st_mode & 0o077 == 0
    assert not [p for p in (running.path / "run").iterdir() if p.stat().st_mode & 0o077 and p.name != "supervisord.pid"]


# ------------------------------------------------------------------------------------------------- others
def test_down_leaves_no_process_and_no_socket_and_up_goes_on_where_it_was(directory: Directory) -> None:
    assert cluster.up(directory, SETTINGS, say=quiet) == 0
    with ControlClient(directory) as client:
        client.create_engine("main")
        before = client.state_hash()["hash"]
    every = [*pids(directory).values(), rpc.supervisor_pid(directory)]
    done = openoutcry("down", "--directory", directory.path)
    assert (done.returncode, done.stdout) == (0, "stopped\n")
    assert not [pid for pid in every if rpc.ours(pid)]
    assert not [p for p in directory.path.rglob("*") if p.is_socket()]
    assert openoutcry("status", "--directory", directory.path).returncode == 3
    assert openoutcry("down", "--directory", directory.path).returncode == 0
    assert cluster.up(directory, SETTINGS, say=quiet) == 0
    with ControlClient(directory) as client:
        assert [row["name"] for row in client.list("engines")] == ["main"] and before


def test_a_killed_supervisor_is_replaced_by_up_and_its_processes_are_found_by_down(directory: Directory) -> None:
    assert cluster.up(directory, SETTINGS, say=quiet) == 0
    orphans = pids(directory)
    os.kill(rpc.supervisor_pid(directory), signal.SIGKILL)
    wait_until(lambda: not rpc.supervisor_pid(directory))
    found = cluster.status(directory)
    assert found["running"] and found["supervisor"] is None and "no supervisor" in cluster.describe(found)
    assert cluster.up(directory, SETTINGS, say=quiet) == 0
    assert set(pids(directory).values()).isdisjoint(orphans.values())
    os.kill(rpc.supervisor_pid(directory), signal.SIGKILL)
    wait_until(lambda: not rpc.supervisor_pid(directory))
    assert cluster.down(directory, quiet) == 0
    assert not cluster.status(directory)["running"]


def test_an_up_that_fails_shows_the_log_and_leaves_nothing(
    directory: Directory, capsys: pytest.CaptureFixture[str]
) -> None:
    directory.create()
    (directory.path / "journal").write_text("in the way")
    assert cluster.up(directory, SETTINGS, timeout=15, say=quiet) == 1
    said = capsys.readouterr().err
    assert "matcher" in said and "journal" in said and "log/matcher.log" in said
    assert not cluster.status(directory)["running"]


def test_a_file_that_cannot_be_carried_out_takes_a_new_cluster_down(
    directory: Directory, capsys: pytest.CaptureFixture[str]
) -> None:
    directory.create()
    path = directory.path / "exchange.toml"
    path.write_text("[[book]]\nname='b'\nengine='absent'\nsymbol='B'\n")
    assert cluster.up(directory, SETTINGS, config.load(path), say=quiet) == 1
    assert "[[book]] 1 (b)" in capsys.readouterr().err
    assert not cluster.status(directory)["running"]


def test_in_the_foreground_it_ends_with_the_command(directory: Directory) -> None:
    command = [sys.executable, "-m", "openoutcry", "up", "--foreground", "--directory", str(directory.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any("Ctrl-C" in line for line in lines)
        every = [*pids(directory).values(), rpc.supervisor_pid(directory)]
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()  # nothing, when it has ended
    assert process.returncode == 130 and errors == ""
    assert not [pid for pid in every if rpc.ours(pid)]


def test_two_at_once_do_not_get_in_each_others_way(directory: Directory) -> None:
    lock = directory.create().lock("up")
    try:
        with pytest.raises(ClusterError, match="up is already running"):
            cluster.up(directory, SETTINGS, say=quiet)
    finally:
        os.close(lock)


def test_a_long_path_has_its_sockets_elsewhere_and_leaves_nothing_there(directory: Directory) -> None:
    deep = Directory(directory.path / ("d" * 60) / ("e" * 60))
    assert cluster.up(deep, SETTINGS, say=quiet) == 0
    try:
        assert deep.sockets.parent != deep.path and cluster.status(deep)["ready"]
    finally:
        cluster.down(deep, quiet)
    assert not deep.sockets.exists()


def test_a_percent_sign_in_the_path_is_refused(directory: Directory) -> None:
    with pytest.raises(ClusterError, match="%"):
        cluster.up(Directory(directory.path / "50%"), SETTINGS, say=quiet)


def test_a_blank_in_the_path_is_fine(directory: Directory) -> None:
    spaced = Directory(directory.path / "my exchange; #1")
    assert cluster.up(spaced, SETTINGS, say=quiet) == 0
    assert cluster.down(spaced, quiet) == 0
