"""Talk to the cluster's supervisord over its unix socket (XML-RPC), and to its processes by pid.

Every call ends within ``RPC_S``: a supervisord that is stopped or stuck counts as one that does not answer.
"""

from __future__ import annotations

import http.client
import os
import select
import signal
import socket
import time
import xmlrpc.client
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from xml.parsers.expat import ExpatError

from openoutcry.bus import Directory

RPC_S: Final = 5.0  # supervisord answers within its poll, 50 ms
CMDLINE_MARKS: Final = (b"openoutcry", b"supervis")  # in the command line of every process of ours


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=RPC_S)
        self._path = path

    def connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(RPC_S)
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise
        self.sock = connection


def call(directory: Directory, method: str) -> Any:
    """The result of ``supervisor.<method>()``, or None when no supervisord answers."""
    connection = _Connection(str(directory.sockets / "supervisor.sock"))
    try:
        request = xmlrpc.client.dumps((), f"supervisor.{method}")
        connection.request("POST", "/RPC2", request, {"Content-Type": "text/xml"})
        with connection.getresponse() as response:
            return xmlrpc.client.loads(response.read())[0][0]
    except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError):
        return None
    finally:
        connection.close()


def processes(directory: Directory) -> list[dict[str, Any]] | None:
    """What supervisord knows of each of its processes, or None when it does not answer."""
    rows = call(directory, "getAllProcessInfo")
    if rows is None:
        return None
    return [
        {"name": row["name"], "pid": row["pid"], "state": row["statename"].lower(),
         "uptime_s": max(0, row["now"] - row["start"]) if row["pid"] else 0}
        for row in rows
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- by pid
def ours(pid: int) -> bool:
    """Whether a process runs under this pid that looks like one of ours: pids are used again."""
    try:
        return any(mark in Path(f"/proc/{pid}/cmdline").read_bytes() for mark in CMDLINE_MARKS)
    except OSError:
        return False


def supervisor_pid(directory: Directory) -> int:
    """The pid in supervisord's pid file, when a supervisord runs under it; else 0."""
    try:
        pid = int((directory.path / "run" / "supervisord.pid").read_text())
    except (OSError, ValueError):
        return 0
    return pid if ours(pid) else 0


def wait_gone(pids: Iterable[int], seconds: float) -> list[int]:
    """Wait until all these processes have ended; returns those that have not."""
    until = time.monotonic() + seconds
    return [pid for pid in pids if not _gone(pid, until)]


def _gone(pid: int, until: float) -> bool:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(max(0.0, until - time.monotonic()) * 1_000))
    finally:
        os.close(fd)


def end(pids: Iterable[int], grace_s: float) -> list[int]:
    """SIGTERM, and SIGKILL after the grace; returns the pids that even that did not end."""
    left = list(pids)
    for number, seconds in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        for pid in left:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        left = wait_gone(left, seconds)
    return left
