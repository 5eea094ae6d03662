"""Whether anybody is there: does an exchange, or a part of one, run in a directory?

For commands that would otherwise wait for an answer that cannot come. Asks nobody and waits for nothing.

Invariant: "nobody" means nobody. Every process holds a lock while it lives (``bus.Directory.lock``), ``openoutcry up``
one until its cluster is ready; and a control service that listens counts, whoever started it.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import Final

from openoutcry.bus import Directory
from openoutcry.errors import ClusterError

LOOK_S: Final = 1.0  # for a unix socket to take a connection; a queue that is full means that somebody is there


def anybody(directory: Directory) -> bool:
    """Whether any process of an exchange lives in the directory."""
    return any(_held(path) for path in (directory.path / "run").glob("*.lock")) or _listens(directory)


def require(where: str | os.PathLike[str]) -> None:
    """Raises ClusterError when nobody lives there, and says what to do. where: as ``ControlClient`` takes it."""
    if "://" in str(where):
        return
    directory = Directory(where)
    if not anybody(directory):
        raise ClusterError(
            f"no exchange runs in {directory.path}; `openoutcry up` starts one, and --directory says where it is"
        )


def _held(path: Path) -> bool:
    """Whether somebody holds that lock. Who wants it at this very moment tries again (``bus.LOCK_WAIT_S``)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _listens(directory: Directory) -> bool:
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(LOOK_S)
        try:
            control.connect(str(directory.sockets / "control"))
        except TimeoutError:
            return True
        except OSError:
            return False
    return True
