"""The parts of one exchange as the process sees them that owns the exchange: start, wait, kill, stop.

The work is done by the nursery (openoutcry.nursery), of which a process has one, spawned when first needed.

Invariant: closing the connection of a ``Parts`` is enough to end its processes and remove its directory. So there is
nothing to lose when the owner is interrupted anywhere: a dropped object, an exit, a SIGKILL all close the connection.
In a child forked by the owner the inherited connections are closed at once, and the exchange stays the parent's.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from openoutcry.errors import ClusterError

ENTRIES: Final = tuple(f"openoutcry.{part}.service:run" for part in ("matcher", "gateway", "marketdata", "control"))
START_S: Final = 30.0  # patience with a part that starts; a loaded machine may need seconds
GRACE_S: Final = 5.0  # for a part to end after SIGTERM, before SIGKILL
EXIT_S: Final = 10.0  # for the nursery to end when the owner exits
LOG_TAIL: Final = 30  # lines of a part's log shown with an error

_BOOT: Final = """
import gc, sys
gc.disable()
sys.path[:] = sys.argv[4:]
from openoutcry.nursery import main
main(*sys.argv[1:4])
"""


@dataclass
class Part:
    """One process of an exchange. code: its exit status once it has ended, negative for a signal.

    asked: somebody wanted it to end.
    """

    name: str
    pid: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    up: bool = False
    code: int | None = None
    asked: bool = False


class NurseryProcess:
    """The nursery of this process."""

    def __init__(self, entries: tuple[str, ...] = ENTRIES, path: list[str] | None = None) -> None:
        self.owner = os.getpid()
        self._control, theirs = socket.socketpair()
        package_root = str(Path(__file__).resolve().parent.parent)
        where = [os.path.abspath(p) for p in (path if path is not None else sys.path)]
        with theirs:
            # Beyond the standard ones, which a daemon may have closed: the child has others there.
            theirs_fd = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 3)
        command = [sys.executable, *_flags(), "-c", _BOOT, str(theirs_fd), str(self.owner), ",".join(entries)]
        try:
            # A session of its own: Ctrl-C in the terminal is for the owner, which then tears down in order.
            self.process = subprocess.Popen(
                [*command, *where, package_root], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=None if _is_open(2) else subprocess.DEVNULL, cwd="/", pass_fds=[theirs_fd],
                start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(theirs_fd)

    def adopt(self, directory: str, remove: bool) -> socket.socket:
        """A new connection for the exchange in ``directory``."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"+"], [theirs.fileno()])
                _send(ours, do="adopt", directory=directory, remove=remove)
            except OSError as error:
                ours.close()
                raise ClusterError(f"the nursery (process {self.process.pid}) is gone: {error}") from None
        return ours

    @property
    def alive(self) -> bool:
        """False when it has ended, or belongs to the process that forked this one."""
        return self.owner == os.getpid() and self.process.poll() is None

    def close(self) -> None:
        """Let it end, with all parts of all exchanges, and wait for that."""
        self._control.close()
        try:
            self.process.wait(EXIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def disown(self) -> None:
        """In a forked child: let go of the parent's nursery."""
        self._control.close()
        self.process.returncode = 0  # not our child; keeps Popen from waiting for it or warning


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _flags() -> list[str]:
    # Without site, which takes longer than the rest of the interpreter's start; the import path is handed over.
    flags = ["-S", "-E"]
    if sys.dont_write_bytecode:
        flags.append("-B")
    return flags


_lock = threading.Lock()
_nursery: NurseryProcess | None = None
_living: weakref.WeakSet[Parts] = weakref.WeakSet()


def nursery() -> NurseryProcess:
    """This process's nursery; spawned, without waiting for it, when there is none yet."""
    global _nursery
    with _lock:
        if _nursery is None or not _nursery.alive:
            _nursery = NurseryProcess()
        return _nursery


def close_nursery() -> None:
    """Stop every exchange of this process, and the nursery. A later exchange spawns a new one."""
    global _nursery
    for parts in list(_living):
        parts.close()
    with _lock:
        old, _nursery = _nursery, None
    if old is not None and old.owner == os.getpid():
        old.close()


def _after_fork_in_child() -> None:
    global _nursery, _lock
    _lock = threading.Lock()
    for parts in list(_living):
        parts.close()
    if _nursery is not None:
        _nursery.disown()
    _nursery = None


atexit.register(close_nursery)
os.register_at_fork(after_in_child=_after_fork_in_child)


class Parts:
    """The processes of one exchange."""

    def __init__(self, directory: Path, remove: bool, entries: dict[str, str], nursery: NurseryProcess) -> None:
        self.directory = directory
        self.owner = os.getpid()
        self._entries = entries
        self._remove = remove
        self._nursery = nursery
        self._parts: dict[str, Part] = {}
        self._buffer = b""
        self._stopped = False
        self._last_logs: dict[str, str] = {}
        self._lock = threading.RLock()
        self._connection = nursery.adopt(str(directory), remove)
        self._poll = select.poll()
        self._poll.register(self._connection.fileno(), select.POLLIN)
        _living.add(self)

    # -------------------------------------------------------------------------------------------- what is
    @property
    def running(self) -> bool:
        """Whether nobody has stopped it, and it is this process's."""
        return not self._stopped and self.owner == os.getpid()

    @property
    def pids(self) -> dict[str, int]:
        """Process id by name of every part that runs."""
        self._read(0.0)
        return {part.name: part.pid for part in self._parts.values() if part.pid and part.code is None}

    @property
    def names(self) -> list[str]:
        """Every part that has been asked for."""
        return list(self._parts)

    def part(self, name: str) -> Part:
        """What is known of part ``name``. Raises ClusterError when there is no such part."""
        self._read(0.0)
        if name not in self._parts:
            raise ClusterError(f"no part {name!r}; there are: {', '.join(self._parts)}")
        return self._parts[name]

    def died(self) -> list[Part]:
        """Parts that ended although nobody asked them to."""
        self._read(0.0)
        return [part for part in self._parts.values() if part.code is not None and not part.asked]

    def log(self, name: str) -> str:
        """All that part ``name`` has logged; after the end, what it had logged when ``stop`` was called."""
        try:
            return (self.directory / "log" / f"{name}.log").read_text(errors="replace")
        except OSError:
            return self._last_logs.get(name, "")

    def obituary(self, part: Part) -> str:
        """How a part ended, with the tail of its log."""
        code = part.code or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        tail = "\n".join(self.log(part.name).splitlines()[-LOG_TAIL:])
        return f"{part.name} (process {part.pid}) {how}; its log ends with:\n{tail or '(nothing)'}"

    # -------------------------------------------------------------------------------------------- doing
    def start(self, name: str, settings: dict[str, Any]) -> None:
        """Ask for part ``name``; ``wait_up`` waits for it."""
        with self._lock:
            self._parts[name] = Part(name)
            self._send(do="start", name=name, entry=self._entries[name], settings=settings)

    def wait_up(self, names: list[str], timeout_s: float = START_S) -> None:
        """Return when all of ``names`` have announced themselves. Raises ClusterError with the log of one that died."""
        parts = [self._parts[name] for name in names]

        def settled() -> bool:
            dead = next((part for part in parts if part.code is not None), None)
            if dead is not None:
                raise ClusterError(self.obituary(dead))
            return all(part.up for part in parts)

        if not self._wait(settled, timeout_s):
            missing = [part.name for part in parts if not part.up]
            logs = "\n".join(f"{name}:\n{self.log(name)}" for name in missing)
            raise ClusterError(f"not up after {timeout_s} s: {', '.join(missing)}; their logs:\n{logs}")

    def wait_event(self, timeout_s: float) -> bool:
        """Wait for anything to happen to any part; True when something did."""
        return self._read(timeout_s)

    def signal(self, name: str, number: int, wait_s: float = GRACE_S) -> None:
        """Send a signal to one part. SIGKILL and SIGTERM are waited for: it is dead, or ClusterError."""
        part = self.part(name)
        if part.code is not None:
            return
        ending = number in (signal.SIGKILL, signal.SIGTERM)
        self._send(do="signal", name=name, signal=int(number))
        if ending and not self._wait(lambda: part.code is not None, wait_s):
            raise ClusterError(f"{name} (process {part.pid}) did not end within {wait_s} s after signal {number}")

    def stop(self, grace_s: float = GRACE_S) -> None:
        """End all parts and remove the directory if it was made for this exchange. Does nothing the second time."""
        with self._lock:
            if self._stopped or self.owner != os.getpid():
                return
            self._last_logs = {name: self.log(name) for name in self._parts}
            try:
                self._send(do="stop", grace_s=grace_s)
                self._wait(lambda: self._stopped, grace_s + GRACE_S)
            except ClusterError:
                self._clean_up()  # the nursery was killed, and the kernel has killed the parts
            finally:
                self.close()

    def close(self) -> None:
        """Hang up: the nursery kills what still runs and removes the directory, unless another process owns it."""
        self._stopped = True
        self._connection.close()

    def _clean_up(self) -> None:
        from openoutcry.nursery import clean_up

        clean_up(str(self.directory), self._remove)

    # -------------------------------------------------------------------------------------------- connection
    def _send(self, **request: Any) -> None:
        if self.owner != os.getpid():
            raise ClusterError("this exchange belongs to the process that this one was forked from")
        try:
            _send(self._connection, **request)
        except OSError as error:
            raise ClusterError(f"the exchange is stopped, or its nursery is gone: {error}") from None

    def _wait(self, done: Any, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._read(left)
        return True

    def _read(self, timeout_s: float) -> bool:
        """Take in the events that are there; wait for the first one up to ``timeout_s``. True when there were any."""
        found = False
        with self._lock:
            while not self._stopped:
                if not self._poll.poll(timeout_s * 1000):
                    break
                data = self._connection.recv(65_536)
                if not data:
                    raise ClusterError("the nursery of this process is gone, and with it the parts")
                *lines, self._buffer = (self._buffer + data).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
                timeout_s, found = 0.0, True
        return found

    def _take(self, event: dict[str, Any]) -> None:
        if event["event"] == "stopped":
            self._stopped = True
            return
        if event["event"] == "refused":
            raise ClusterError(event["text"])
        part = self._parts[event["name"]]
        match event["event"]:
            case "started":
                part.pid = event["pid"]
            case "up":
                part.up, part.facts = True, event["facts"]
            case "exited":
                part.code, part.asked = event["code"], event["asked"]


def _send(connection: socket.socket, **request: Any) -> None:
    connection.sendall(json.dumps(request).encode() + b"\n")
