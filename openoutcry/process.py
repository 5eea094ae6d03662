"""What every process of an exchange does alike: settings, logging, stopping on a signal.

Settings come from, strongest first: command line flags, ``OPENOUTCRY_<OPTION>`` in the environment, a TOML file,
and the defaults below.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass, fields
from typing import Any, Final

from openoutcry.errors import ClusterError

DURABILITIES: Final = ("sync", "relaxed", "none")


@dataclass(frozen=True)
class Settings:
    """What a process may be told besides its directory.

    durability: ``sync``: nothing leaves the matcher before fdatasync; ``relaxed``: synced in the background within
    ``relaxed_sync_ms``; ``none``: never synced (it survives kill -9, not power loss).
    snapshot_every: commands between two snapshots of the matcher's state.
    segment_bytes: size at which a journal segment is closed.
    plugins: modules from which ``load_engine`` and ``load_protocol`` may load, separated by commas, each with all that
    is below it; none unless it is set. The matcher and the gateways import them when they start.
    plugin_path: directories in which these are looked for after those of the program, separated as in PATH.
    feed_host, feed_port, snapshot_port: where market data is served; port 0: the kernel chooses, kept afterwards.
    """

    durability: str = "sync"
    relaxed_sync_ms: int = 50
    snapshot_every: int = 500_000
    segment_bytes: int = 64 * 1024 * 1024
    feed_host: str = "127.0.0.1"
    feed_port: int = 0
    snapshot_port: int = 0
    gateways: int = 1
    plugins: str = ""
    plugin_path: str = ""
    log_level: str = "INFO"

    def __post_init__(self) -> None:
        for field in fields(self):
            value, number = getattr(self, field.name), field.type == "int"
            if not isinstance(value, int if number else str) or value is True or value is False:
                raise ClusterError(f"{field.name} is {value!r}, it must be {'a whole number' if number else 'text'}")
        if self.durability not in DURABILITIES:
            raise ClusterError(f"durability is {self.durability!r}, it must be one of {', '.join(DURABILITIES)}")
        if not 1 <= self.gateways <= 64:
            raise ClusterError(f"gateways is {self.gateways}, it must be from 1 to 64")
        if self.snapshot_every < 1 or self.segment_bytes < 65_536 or self.relaxed_sync_ms < 1:
            raise ClusterError("snapshot_every and relaxed_sync_ms must be at least 1, segment_bytes at least 65536")

    @classmethod
    def load(cls, flags: dict[str, Any] | None = None, file: dict[str, Any] | None = None) -> Settings:
        """Merge flags over environment over file over defaults. Raises ClusterError naming a bad value."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            for source, value in (
                ("option --" + field.name.replace("_", "-"), (flags or {}).get(field.name)),
                ("OPENOUTCRY_" + field.name.upper(), os.environ.get("OPENOUTCRY_" + field.name.upper())),
                ("setting " + field.name, (file or {}).get(field.name)),
            ):
                if value is None:
                    continue
                try:
                    values[field.name] = int(value) if field.type == "int" else str(value)
                except ValueError:
                    raise ClusterError(f"{source} is {value!r}, it must be a whole number") from None
                break
        known = [field.name for field in fields(cls)]
        for name in sorted(set(file or {}) - set(known)):
            from openoutcry.parameters import like

            raise ClusterError(f"unknown setting {name!r}; " + (like(name, known) or f"there are: {', '.join(known)}"))
        return cls(**values)

    def environment(self) -> dict[str, str]:
        """These settings as OPENOUTCRY_* variables, for a child process."""
        return {"OPENOUTCRY_" + field.name.upper(): str(getattr(self, field.name)) for field in fields(self)}


class StopSignal:
    """Turns SIGTERM and SIGINT into a flag and a readable file descriptor, so that loops end between two turns.

    Use as a context manager in the main thread; poll ``fd``, and look at ``stopped`` after each wake-up.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)

    @property
    def fd(self) -> int:
        """Becomes readable when a signal has arrived."""
        return self._read.fileno()

    def __enter__(self) -> StopSignal:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        self._read.close()
        self._write.close()

    def _stop(self, number: int, frame: object) -> None:
        self.stopped = True


def set_up_logging(name: str, level: str = "INFO") -> logging.Logger:
    """Log to standard error, one line a record: time, process, level, text."""
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), force=True,
        format=f"%(asctime)s.%(msecs)03d {name}[{os.getpid()}] %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S",
    )  # fmt: skip
    return logging.getLogger("openoutcry")


def die_with_parent() -> None:
    """Ask the kernel (Linux) to kill this process when the one that made it dies; elsewhere do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
