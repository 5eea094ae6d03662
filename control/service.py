"""The control service: the one door through which an exchange is set up and asked about itself.

Towards clients it is a ROUTER that REQ and DEALER sockets talk to (openoutcry.control.messages); towards the matcher
it is a peer like a gateway: verbs that change something travel as VERB commands and come back as RESULT events.

It holds nothing that must survive it. A verb that was under way when it died may have been carried out or not, like
any request whose answer is lost; RESULTs of an earlier life are recognised by their numbers and dropped. The number
of the last event seen is kept in a small file so that a restart does not have the whole stream sent again.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import zmq
from zmq.backend import zmq_poll

from openoutcry import bus, jsontext, wire
from openoutcry.control import batches
from openoutcry.control.desk import CLIENT_PENDING_MAX, Desk, Ports
from openoutcry.control.pending import Envelope
from openoutcry.control.steps import Question, Work
from openoutcry.errors import ClusterError, WireError
from openoutcry.process import Settings, StopSignal, set_up_logging

TICK_MS: Final = 50  # longest poll: how late a time-out is noticed, and what Link asks for
DRAIN_MAX: Final = 128  # messages taken from one socket in one turn, so that neither starves the other
DRAIN_NS: Final = 5_000_000  # ... and no longer than this: a batch may be half a thousand verbs to refuse
WORKERS: Final = 2  # threads that hash passwords (tens of ms each); more would take cores from the matcher
WAKES_MAX: Final = 4_096  # bytes taken at once from what wakes the loop: one for each piece of work that is done
STORE_NS: Final = 2_000_000_000  # how often the last event's number is written down, when it has changed
REQUEST_NUMBERS: Final = 1 << 32  # VERB numbers of one life: the generation is above them

_NOBLOCK: Final = int(zmq.NOBLOCK)
_POLLIN: Final = int(zmq.POLLIN)

log = logging.getLogger("openoutcry.control")


def run(directory: bus.Directory, name: str, settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code."""
    set_up_logging(name, settings.log_level)
    try:
        lock = directory.create().lock(name)
    except ClusterError as error:
        log.error("%s", error)
        return 1
    try:
        with StopSignal() as stop:
            return _serve(directory, name, stop)
    finally:
        os.close(lock)


def _serve(directory: bus.Directory, name: str, stop: StopSignal) -> int:
    with zmq.Context() as context:
        try:
            service = Service(directory, name, context)
        except zmq.ZMQError as error:
            log.error("cannot listen at %s: %s", directory.address("control"), error)
            return 1
        with service:
            directory.announce(name, kind="control", address=directory.address("control"))
            log.info("serving at %s, generation %d", directory.address("control"), service.link.generation)
            gc.freeze()  # what is there by now stays: garbage is not looked for in it
            try:
                while not stop.stopped:
                    service.turn(stop.fd)
            except bus.BusRefused as error:
                log.error("the matcher refuses this process: %s", error)
                return 1
    log.info("stopped")
    return 0


class LastEvent:
    """The number of the last event seen, in ``control/last_event``. A lost or old one costs a replay, no more."""

    def __init__(self, directory: bus.Directory) -> None:
        self._path = directory.path / "control" / "last_event"
        self._stored_ns = 0
        self.number = self._read()

    def _read(self) -> int:
        try:
            number = int(self._path.read_text())
        except (OSError, ValueError):
            return 0
        return number if 0 <= number <= wire.UINT63_MAX else 0

    def store(self, number: int, now_ns: int) -> None:
        """Write `number` down, unless it is the one stored or the last write is too recent."""
        if number == self.number or now_ns - self._stored_ns < STORE_NS:
            return
        self._stored_ns = now_ns
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            temporary = self._path.with_suffix(".tmp")
            temporary.write_text(str(number))
            os.replace(temporary, self._path)
        except OSError as error:
            log.warning("cannot write %s: %s", self._path, error)
            return
        self.number = number


def _more(socket: zmq.Socket[bytes], began_ns: int) -> bool:
    """Whether there is more to take, and time for it in this turn."""
    return bus.readable(socket) and time.monotonic_ns() - began_ns <= DRAIN_NS


class Service:
    """Sockets, threads and the turn of the loop around a Desk."""

    def __init__(self, directory: bus.Directory, name: str, context: zmq.Context[Any]) -> None:
        generation = directory.generation(name)
        self._last_event = LastEvent(directory)
        self.link = bus.Link(name, wire.ROLE_CONTROL, generation, self._last_event.number)
        self._clients = bus.service_socket(context, directory.address("control"), 2 * CLIENT_PENDING_MAX)
        self._clients.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a client that reconnects keeps its name, and its requests
        self._bus = bus.peer_socket(context, directory.address("bus"), name)
        self._workers = ThreadPoolExecutor(WORKERS, "worker")
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        ports = Ports(self._reply, self._query, self._submit, self._work)
        self._make_plan = partial(batches.make_plan, own=self.statistics)
        self.desk = Desk(ports, generation * REQUEST_NUMBERS + 1)
        self.counters = {"turns": 0, "bus_frames": 0, "bad_bus_frames": 0, "replies_lost": 0, "queries_lost": 0}
        self._wake_fd = self._wake_read.fileno()
        # In this order: what is answered makes place for what is asked.
        self._sources = [(source, _POLLIN) for source in (self._bus, self._clients, self._wake_fd)]
        self._stop_fd = -1

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self._last_event.store(self.link.last_event, time.monotonic_ns() + STORE_NS)
        self._clients.close()
        self._bus.close()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._wake_read.close()
        self._wake_write.close()

    # ------------------------------------------------------------------------------------- the loop
    def turn(self, stop_fd: int) -> None:
        """Wait for something, take what is there (bounded), move every request, send."""
        if stop_fd != self._stop_fd:
            self._sources.append((stop_fd, _POLLIN))
            self._stop_fd = stop_fd
        woken: list[tuple[Any, int]] = zmq_poll(self._sources, TICK_MS)
        self.counters["turns"] += 1
        now_ns = time.monotonic_ns()
        for source, _ in woken:
            if source is self._bus:
                self._from_bus(now_ns)
            elif source is self._clients:
                self._from_clients(now_ns)
            elif source == self._wake_fd:
                self._wake_read.recv(WAKES_MAX)
        if self.desk.pending:
            self.desk.tick(now_ns)
        if frames := self.link.frames(now_ns):
            bus.send_frames(self._bus, frames)
        if self.link.last_event != self._last_event.number:
            self._last_event.store(self.link.last_event, now_ns)

    # ------------------------------------------------------------------------------------- taking
    def _from_clients(self, now_ns: int) -> None:
        """Take what is there. Who waits for one answer asks nothing else: only beside others does it look for more."""
        for _ in range(DRAIN_MAX):
            self.desk.receive(bus.receive_routed(self._clients), self._make_plan, now_ns)
            if len(self.desk.pending) < 2 or not _more(self._clients, now_ns):
                return

    def _from_bus(self, now_ns: int) -> None:
        """Take what is there; when nothing is under way any more, what else there is waits for the next turn."""
        for _ in range(DRAIN_MAX):
            for data in bus.receive_parts(self._bus):
                self.counters["bus_frames"] += 1
                try:
                    found = self.link.receive(data, now_ns)
                    if found is not None:
                        self._take(found, now_ns)
                except WireError as error:
                    self.counters["bad_bus_frames"] += 1
                    log.warning("the matcher sent something unreadable: %s", error)
            if not self.desk.pending or not _more(self._bus, now_ns):
                return

    def _take(self, found: tuple[Any, ...], now_ns: int) -> None:
        if len(found) == 6 and found[0] == wire.QUERY:
            self._answer(found)
        elif len(found) == 6:
            self.desk.reply(found[1], found[4], found[5], now_ns)
        else:
            for event in found[2]:
                wire.check_events((event,), wire.PRIVATE_EVENTS)
                if event[0] == wire.RESULT:
                    self.desk.result(event, now_ns)

    def _answer(self, query: tuple[Any, ...]) -> None:
        """Answer another part's question about this one."""
        _, number, _, sender, what, _ = query
        ok, body = 1, dict[str, Any](pid=os.getpid())
        if what == "statistics":
            body = self.statistics()
        elif what != "ping":
            ok, body = 0, {"error": f"control does not know {what!r}"}
        self._send_bus(wire.frame(wire.REPLY, number, sender, self.link.name, ok, json.dumps(body)))

    # ------------------------------------------------------------------------------------- the desk's ports
    def _reply(self, envelope: Envelope, data: bytes) -> None:
        try:
            bus.send_parts(self._clients, [*envelope, data])
        except zmq.ZMQError:  # gone, or it does not read: its loss
            self.counters["replies_lost"] += 1

    def _query(self, number: int, question: Question) -> bool:
        if not self.link.ready:
            return False
        argument = jsontext.text(question.argument)
        return self._send_bus(wire.frame(wire.QUERY, number, question.to, self.link.name, question.what, argument))

    def _send_bus(self, data: bytes) -> bool:
        try:
            self._bus.send(data, _NOBLOCK)
        except zmq.Again:
            self.counters["queries_lost"] += 1
            return False
        return True

    def _submit(self, command: tuple[Any, ...]) -> bool:
        if not self.link.ready:
            return False
        self.link.submit(command)
        return True

    def _work(self, work: Work) -> Future[Any]:
        future = self._workers.submit(work.function, *work.arguments)
        future.add_done_callback(self._wake)
        return future

    def _wake(self, _: Future[Any]) -> None:
        try:
            self._wake_write.send(b".")
        except OSError:  # full: awake already; closed: too late
            pass

    def statistics(self) -> dict[str, Any]:
        """Counters of the loop, the requests and the link."""
        return {**self.counters, "requests": self.desk.statistics(), "link": self.link.statistics()}
