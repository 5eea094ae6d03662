"""The nursery: one warm process that forks the parts of exchanges, so that a test can afford an exchange of its own.

It is spawned once by a test process (openoutcry.parts), imports what the parts need, and forks them on request, which
takes milliseconds. The user's own process is never forked: it may have threads. Requests go before imports: a part
that is asked for early waits for its own module only, and is starting while the nursery imports that of the next.

Invariant: nothing outlives its owner. The nursery holds one connection per exchange; when that closes, for whatever
reason, the exchange's parts are killed by their pids and the directory that was made for it is removed. When the owner
of the nursery dies or closes its end, that happens to all of them and the nursery ends. Should the nursery itself be
killed, the kernel kills the parts (``die_with_parent``).

The conversation, one JSON object a line::

    owner                                          nursery
    {"do": "adopt", "directory", "remove"}  ->     make the directory this connection is about
                                            <-     {"event": "refused", "text"}           it cannot be made
    {"do": "start", "name", "entry", "settings"}
                                            <-     {"event": "started", "name", "pid"}
                                            <-     {"event": "up", "name", "facts"}       the part has announced itself
    {"do": "signal", "name", "signal"}      ->     a fatal one counts as asking the part to end
                                            <-     {"event": "exited", "name", "pid", "code", "asked"}
    {"do": "stop", "grace_s"}               ->     SIGTERM to all, SIGKILL to those left after the grace
                                            <-     {"event": "stopped"}                   all dead, directory removed

A new connection is handed over through the control connection: one byte and a file descriptor.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, NoReturn

from openoutcry import bus, process
from openoutcry.errors import ClusterError

LINE_MAX: Final = 65_536  # bytes of one request or announcement; real ones have a few hundred
FD_MAX: Final = 65_536  # file descriptors closed in a new part; the usual hard limit is 20,000
# Used later on.
LATER: Final = ("uvloop", "openoutcry.gateway.ouch42", "openoutcry.passwords", "traceback", "shutil",
                "openoutcry.gateway.fix.endpoint", "openoutcry.gateway.fix.connection",
                "openoutcry.gateway.fix.application", "openoutcry.gateway.fix.hosted")  # fmt: skip
FATAL: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
_SIGNALS: Final = (signal.SIGCHLD, signal.SIGTERM)


class ReportingDirectory(bus.Directory):
    """The directory as a forked part sees it: what the part announces also goes to the nursery, at once."""

    def __init__(self, path: str, report_fd: int, durable: bool) -> None:
        super().__init__(path)
        self.durable = durable
        self._report_fd = report_fd

    def announce(self, name: str, **facts: Any) -> None:
        """As bus.Directory.announce, and tell the nursery that the part is up."""
        super().announce(name, **facts)
        os.write(self._report_fd, json.dumps(facts).encode() + b"\n")


class Lines:
    """Cuts what a file descriptor delivers into JSON objects."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The objects completed by ``data``. Raises ValueError for what is no JSON object or too long."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > LINE_MAX:
            raise ValueError(f"a line of more than {LINE_MAX} bytes")
        found = [json.loads(line) for line in lines]
        if not all(isinstance(item, dict) for item in found):
            raise ValueError("a line that is not a JSON object")
        return found


class Family:
    """The parts of one exchange, from the nursery's side."""

    def __init__(self, nursery: Nursery, connection: socket.socket) -> None:
        self.nursery = nursery
        self.connection = connection
        self.connection.setblocking(False)
        self.directory = ""
        self.pids: dict[int, str] = {}
        self.asked: set[int] = set()  # processes that somebody wanted to end
        self.starting: set[int] = set()  # processes that have not announced themselves yet
        self.kill_at = 0.0  # monotonic seconds; 0: not stopping
        self.gone = False
        self._remove = False
        self._lines = Lines()
        nursery.watch(connection.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            data = self.connection.recv(LINE_MAX)
            for request in self._lines.feed(data) if data else ():
                self._do(request)
        except BlockingIOError:
            return
        except (OSError, ValueError, KeyError) as error:
            print(f"nursery: dropping an exchange: {error!r}", file=sys.stderr)
            data = b""
        if not data:
            self.nursery.unwatch(self.connection.fileno())
            self.end(0.0)

    def _do(self, request: dict[str, Any]) -> None:
        match request["do"]:
            case "adopt":
                self._adopt(str(request["directory"]), bool(request["remove"]))
            case "start":
                self._start(request["name"], request["entry"], request["settings"])
            case "signal":
                for pid in [pid for pid, name in self.pids.items() if name == request["name"]]:
                    self._signal(pid, int(request["signal"]))
            case "stop":
                self.end(float(request["grace_s"]))
            case other:
                raise ValueError(f"cannot do {other!r}")

    def _adopt(self, directory: str, remove: bool) -> None:
        try:
            bus.Directory(directory).create()
        except ClusterError as error:
            self.tell(event="refused", text=str(error))
        else:
            self.directory, self._remove = directory, remove

    def _signal(self, pid: int, number: int) -> None:
        if number in FATAL:
            self.asked.add(pid)
        os.kill(pid, number)  # not reaped yet, so the pid is still this part's

    def _start(self, name: str, entry: str, settings: dict[str, Any]) -> None:
        if not self.directory:
            return  # refused; the owner is being told
        self.nursery.import_entry(entry)
        read, write = os.pipe()
        pid = self.nursery.fork()
        if pid == 0:
            live(self.directory, name, entry, settings, write, self.nursery.pid)
        os.close(write)
        os.set_blocking(read, False)
        self.pids[pid] = name
        self.starting.add(pid)
        self.tell(event="started", name=name, pid=pid)
        lines = Lines()

        def reported() -> None:
            try:
                data = os.read(read, LINE_MAX)
            except BlockingIOError:
                return
            for facts in lines.feed(data):
                self.starting.discard(pid)
                self.tell(event="up", name=name, facts=facts)
            if not data:
                self.nursery.unwatch(read)
                os.close(read)

        self.nursery.watch(read, reported)

    def tell(self, **event: Any) -> None:
        """Send one event to the owner; an owner that does not read any more is as good as dead."""
        if not self._sent(event) and not self.kill_at:
            self.end(0.0)

    def _sent(self, event: dict[str, Any]) -> bool:
        try:
            self.connection.sendall(json.dumps(event).encode() + b"\n")
        except OSError:
            return False
        return True

    def end(self, grace_s: float) -> None:
        """Stop all parts: politely, and by force after ``grace_s`` seconds (0: at once)."""
        self._reap()  # those that ended before they were asked to
        self.kill_at = time.monotonic() + grace_s
        for pid in self.pids:
            self._signal(pid, signal.SIGTERM if grace_s else signal.SIGKILL)
        self.finish_if_empty()

    def kill_if_due(self, now: float) -> None:
        """Use force when the grace is over."""
        if self.kill_at and now >= self.kill_at:
            for pid in self.pids:
                self._signal(pid, signal.SIGKILL)

    def reap(self) -> None:
        """Collect the parts that have ended."""
        self._reap()
        self.finish_if_empty()

    def _reap(self) -> None:
        for pid in list(self.pids):
            if pid not in self.pids:
                continue  # `tell` found the owner gone, and came here a second time
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                name = self.pids.pop(pid)
                self.starting.discard(pid)
                code = os.waitstatus_to_exitcode(status)
                self.tell(event="exited", name=name, pid=pid, code=code, asked=pid in self.asked)

    def finish_if_empty(self) -> None:
        """The last act: no part left, so remove the directory and hang up."""
        if self.gone or self.pids or not self.kill_at:
            return
        self.gone = True
        if self.directory:
            clean_up(self.directory, self._remove)
        self._sent({"event": "stopped"})
        self.nursery.forget(self)


class Nursery:
    """The loop: waits for requests, reports, ended parts, and the owner's end; imports ``modules`` in between."""

    def __init__(self, control: socket.socket, owner: int, modules: Iterable[str]) -> None:
        self._modules = deque(modules)
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._families: list[Family] = []
        self._control = control
        self.pid = os.getpid()
        self._ended = False
        self._owner_fd = -1
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self.watch(control.fileno(), self._adopt)
        self.watch(self._wake_read.fileno(), self._woken)
        self._watch_owner(owner)

    def _watch_owner(self, owner: int) -> None:
        # Not PR_SET_PDEATHSIG: that fires when the *thread* ends that spawned this process. A closed control
        # connection is not enough either: a child forked by the owner may hold a copy of its end.
        if sys.platform == "linux":
            with suppress(OSError):  # a kernel without it, or the owner is dead: then the connection is closed, too
                self._owner_fd = os.pidfd_open(owner)
                self.watch(self._owner_fd, self._end)

    def watch(self, fd: int, handler: Callable[[], None]) -> None:
        """Call ``handler`` whenever ``fd`` is readable or closed by the other side."""
        self._handlers[fd] = handler
        self._poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        """Forget ``fd``; it may be forgotten already."""
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def _adopt(self) -> None:
        data, fds, _, _ = socket.recv_fds(self._control, 1, 1)
        for fd in fds:
            self._families.append(Family(self, socket.socket(fileno=fd)))
        if not data:
            self._end()

    def _woken(self) -> None:
        if signal.SIGTERM in self._wake_read.recv(4096):
            self._end()
        for family in list(self._families):
            family.reap()

    def _end(self) -> None:
        self._ended = True
        for fd in (self._control.fileno(), self._owner_fd):
            self.unwatch(fd)  # they stay readable, and there is nothing more to hear
        for family in list(self._families):
            family.end(0.0)

    def forget(self, family: Family) -> None:
        """A family has come to its end."""
        self.unwatch(family.connection.fileno())
        family.connection.close()
        self._families.remove(family)

    def fork(self) -> int:
        """Fork with the signals blocked that both sides would otherwise handle with this loop's handlers."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return pid

    def run(self) -> None:
        """Serve until the owner ends."""
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        while self._families or not self._ended:
            ready = self._poll.poll(self._timeout_ms())
            for fd, _ in ready:
                handler = self._handlers.get(fd)
                if handler is not None:
                    handler()
            if not ready and self._may_import():
                self._import(self._modules[0])
            now = time.monotonic()
            for family in list(self._families):
                family.kill_if_due(now)

    def _may_import(self) -> bool:
        return bool(self._modules) and not any(family.starting or family.kill_at for family in self._families)

    def import_entry(self, entry: str) -> None:
        """Import what a part needs, unless that is done."""
        module = entry.partition(":")[0]
        if module in self._modules:
            self._import(module)

    def _import(self, module: str) -> None:
        self._modules.remove(module)
        with suppress(Exception):  # a part that cannot be imported says so in its log; what comes later may be optional
            importlib.import_module(module)
        gc.freeze()  # the parts share these pages, so no collection in a part may write to them

    def _timeout_ms(self) -> float | None:
        if self._may_import():
            return 0.0
        due = [family.kill_at for family in self._families if family.kill_at]
        return max(1.0, (min(due) - time.monotonic()) * 1000 + 1) if due else None


def live(directory: str, name: str, entry: str, settings: dict[str, Any], report_fd: int, nursery: int) -> NoReturn:
    """The life of a forked part: from the fork to its end, never back into the nursery's loop."""
    code = 1
    try:
        gc.enable()
        report_fd = _settle(directory, name, report_fd, nursery)
        module, _, function = entry.partition(":")
        run = getattr(importlib.import_module(module), function)
        chosen = process.Settings(**settings)
        process.set_up_logging(name, chosen.log_level)
        code = run(ReportingDirectory(directory, report_fd, chosen.durability != "none"), name, chosen)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        importlib.import_module("traceback").print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _settle(directory: str, name: str, report_fd: int, nursery: int) -> int:
    """Make the forked process one of its own: log, no inherited file descriptors, tied to the nursery's life."""
    process.die_with_parent()
    if os.getppid() != nursery:
        os._exit(1)
    log = os.open(f"{directory}/log/{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd, target in ((log, 1), (log, 2), (report_fd, 3)):
        os.dup2(fd, target, inheritable=target < 3)
    os.closerange(4, FD_MAX)
    with suppress(OSError), open("/proc/self/comm", "w") as comm:
        comm.write(name[:15])  # for ps and top
    return 3


def clean_up(path: str, remove: bool) -> None:
    """Remove the sockets of an exchange that has ended, which may lie elsewhere, and its directory if so wanted."""
    import shutil  # here: it loads three compression libraries

    shutil.rmtree(bus.Directory(path).sockets, ignore_errors=True)
    if remove:
        shutil.rmtree(path, ignore_errors=True)


def main(control_fd: str, owner: str, entries: str) -> None:
    """Serve ``owner``, a process id; the parts at ``entries`` (module:function, by commas) will be wanted."""
    gc.disable()  # nothing here is worth collecting; parts switch it on again
    modules = (*(entry.partition(":")[0] for entry in entries.split(",")), *LATER)
    Nursery(socket.socket(fileno=int(control_fd)), int(owner), modules).run()
