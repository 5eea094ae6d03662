"""Watching processes from the outside, without polling."""

from __future__ import annotations

import os
import select

PATIENCE_S = 60.0  # for another process to do what it must; nothing takes that long unless it fails


def running(pid: int) -> bool:
    """True while the process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_gone(pids: list[int], timeout_s: float = PATIENCE_S) -> list[int]:
    """Wait until none of `pids` runs; returns those that still do."""
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            select.select([fd], [], [], timeout_s)
        finally:
            os.close(fd)
    return [pid for pid in pids if running(pid)]
