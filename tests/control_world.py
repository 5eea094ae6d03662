"""A control service in a thread, a scripted stand-in for the matcher, and a desk with nothing around it."""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import zmq

from openoutcry import bus, verbs, wire
from openoutcry.control import batches, messages
from openoutcry.control import desk as d
from openoutcry.control.desk import Desk, Ports
from openoutcry.control.pending import Envelope
from openoutcry.control.service import Service
from openoutcry.control.steps import Question, Work


class StandIn:
    """A matcher as the control service sees one. ``answers``: what to say to a query, by (to, what); a missing one
    is met with silence. ``on_verb``: returns (error, value), or None to keep the result back. ``journals``: whether it
    gets as far as acknowledging commands."""

    def __init__(self, directory: bus.Directory, epoch: int = 1) -> None:
        self.context = zmq.Context()
        self.socket = bus.matcher_socket(self.context, directory.address("bus"))
        self.epoch = epoch
        self.answers: dict[tuple[str, str], Callable[[dict[str, Any]], tuple[int, Any]]] = {}
        self.verbs: list[tuple[Any, ...]] = []
        self.on_verb: Callable[[tuple[Any, ...]], tuple[tuple[str, ...], Any] | None] = lambda _: ((), None)
        self.queries: list[tuple[Any, ...]] = []
        self.replies: list[tuple[Any, ...]] = []
        self.turns = 0
        self.journals = True
        self._to_ask: list[tuple[bytes, bytes]] = []
        self._events: list[tuple[Any, ...]] = []
        self._last_command = self._generation = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def ask(self, identity: bytes, frame: bytes) -> None:
        """Send a frame to a peer, from the thread that owns the socket."""
        self._to_ask.append((identity, frame))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.socket.close()
        self.context.term()

    def _run(self) -> None:
        while not self._stop.is_set():
            while self._to_ask:
                self.socket.send_multipart(self._to_ask.pop(0))
            if self.socket.poll(5):
                identity, data = self.socket.recv_multipart()
                self.turns += 1
                if data:
                    self._take(identity, wire.decode_frame(data))
                else:  # the probe of a new connection
                    self._put(identity, wire.frame(wire.ERROR, wire.ERROR_HELLO, "HELLO first"))

    def _take(self, identity: bytes, message: tuple[Any, ...]) -> None:
        if message[0] == wire.HELLO:
            if message[3] > self._generation:
                self._generation, self._last_command = message[3], 0
            self._put(identity, wire.frame(wire.WELCOME, self.epoch, self._last_command, len(self._events)))
            if self._events[message[4] :]:
                self._put(identity, wire.frame(wire.EV, self.epoch, message[4] + 1, 1, self._events[message[4] :]))
        elif message[0] == wire.CMD:
            self._command(identity, message)
        elif message[0] == wire.QUERY:
            self._query(identity, message)
        elif message[0] == wire.REPLY:
            self.replies.append(message)

    def _command(self, identity: bytes, message: tuple[Any, ...]) -> None:
        _, _, first, _, commands = message
        for command in commands[max(0, self._last_command + 1 - first) :]:
            self.verbs.append(command)
            outcome = self.on_verb(command)
            if outcome is not None:
                error, value = outcome
                self.result(identity, command[1], error, value)
        self._last_command = max(self._last_command, first + len(commands) - 1)
        if self.journals:
            self._put(identity, wire.frame(wire.CMD_ACK, self.epoch, self._last_command, len(self._events)))

    def result(self, identity: bytes, number: int, error: tuple[str, ...], value: Any) -> None:
        self._events.append((wire.RESULT, number, error, json.dumps(value)))
        self._put(identity, wire.frame(wire.EV, self.epoch, len(self._events), 1, self._events[-1:]))

    def _query(self, identity: bytes, message: tuple[Any, ...]) -> None:
        _, number, to, sender, what, argument = message
        self.queries.append(message)
        answer = self.answers.get((to, what))
        if answer is not None:
            ok, body = answer(json.loads(argument))
            self._put(identity, wire.frame(wire.REPLY, number, sender, to, ok, json.dumps(body)))

    def _put(self, identity: bytes, *frames: bytes) -> None:
        try:
            self.socket.send_multipart([identity, *frames])
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:  # that one is gone, as happens
                raise


CLIENT = (b"me", b"")


class Outside:
    """Everything around a desk, recorded."""

    def __init__(self, connected: bool = True) -> None:
        self.replies: list[tuple[Envelope, messages.Reply]] = []
        self.queries: list[tuple[int, Question]] = []
        self.commands: list[tuple[Any, ...]] = []
        self.works: list[tuple[Work, Future[Any]]] = []
        self.connected = connected
        self.desk = Desk(Ports(self._reply, self._query, self._submit, self._work), 100)

    def _reply(self, envelope: Envelope, data: bytes) -> None:
        self.replies.append((envelope, messages.decode_reply(data)))

    def _query(self, number: int, question: Question) -> bool:
        if self.connected:
            self.queries.append((number, question))
        return self.connected

    def _submit(self, command: tuple[Any, ...]) -> bool:
        if self.connected:
            self.commands.append(command)
        return self.connected

    def _work(self, work: Work) -> Future[Any]:
        self.works.append((work, Future()))
        return self.works[-1][1]

    def ask(
        self, verb: str, *arguments: Any, number: int = 1, client: Envelope = CLIENT, now: int = 0,
        plan: d.MakePlan | None = None,
    ) -> None:  # fmt: skip
        data = messages.encode_request(number, verb, arguments, {})
        self.desk.receive([*client, data], plan or (lambda r: batches.make_plan(r, dict)), now)

    def ask_batch(self, *calls: tuple[Any, ...], number: int = 1, stop: bool = False, now: int = 0) -> None:
        """calls: a verb and its arguments each."""
        parts = [messages.encode_part(verb, arguments, {}) for verb, *arguments in calls]
        data = messages.encode_batch(number, parts, stop)
        self.desk.receive([*CLIENT, data], lambda r: batches.make_plan(r, dict), now)

    def result(self, number: int, value: Any, *error: str) -> None:
        """The matcher's answer to a command."""
        self.desk.result((wire.RESULT, number, error, json.dumps(value)), 1)

    @property
    def outcomes(self) -> list[Any]:
        """What the only reply, to a batch, says: [error, value] for each verb."""
        assert not self.answer.error
        return list(json.loads(self.answer.value))

    @property
    def answer(self) -> messages.Reply:
        ((_, reply),) = self.replies
        return reply


CLOCK = {"now": "2026-11-20T16:30:00.000000000Z", "time_ns": 1_795_192_200_000_000_000, "stopped": True,
         "offset_ns": None}  # fmt: skip


def well(stand_in: StandIn, **changed: Any) -> None:
    """Answers of an exchange in which everything is well: one gateway, one publisher, one endpoint."""
    endpoint = {"name": "orders", "engine": "main", "protocol": "ouch42", "gateway": "gateway-1", "host": "127.0.0.1"}
    lists = {"endpoints": [{**endpoint, "port": 9001}], "users": []} | changed
    peers = [{"name": "gateway-1", "role": "gateway"}, {"name": "marketdata", "role": "marketdata"}]
    peers += [{"name": "control", "role": "control"}]
    stand_in.answers = {
        ("matcher", "ping"): lambda _: (1, {"pid": 11, "turns": stand_in.turns, "sequence": 5}),
        ("matcher", "peers"): lambda _: (1, peers),
        ("matcher", "list"): lambda argument: (1, lists.get(argument["kind"], [])),
        ("matcher", "statistics"): lambda _: (1, {"turns": stand_in.turns, "machine": {"books": 1}}),
        ("matcher", "clock"): lambda _: (1, CLOCK),
        ("gateway-1", "ping"): lambda _: (1, {"pid": 12}),
        ("gateway-1", "statistics"): lambda _: (1, {"endpoints": {"orders": {}}}),
        ("marketdata", "ping"): lambda _: (1, {"pid": 13}),
        ("marketdata", "statistics"): lambda _: (1, {"topics": 3}),
    }


class World:
    """A directory, and a control service turning in a thread."""

    def __init__(self, directory: bus.Directory) -> None:
        self.directory = directory
        self.service: Service | None = None
        self._thread: threading.Thread | None = None
        self._halt, self._far = socket.socketpair()
        self._stopped = False

    def start(self) -> None:
        """(Re)start the control service, as a new life."""
        self._stopped = False
        context = zmq.Context()
        self.service = Service(self.directory, "control", context)
        self._thread = threading.Thread(target=self._turn, args=(self.service, context))
        self._thread.start()

    def _turn(self, service: Service, context: zmq.Context[Any]) -> None:
        with service:
            while not self._stopped:
                service.turn(self._halt.fileno())
        context.term()

    def stop(self) -> None:
        self._stopped = True
        if self._thread is not None:
            self._thread.join()
        self._thread = None

    def close(self) -> None:
        self.stop()
        self._halt.close()
        self._far.close()


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The value of `condition` once it is true. For what has no event to wait for, seen from outside."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)
    return found


@contextmanager
def world() -> Iterator[World]:
    """A control service in a directory of its own, whose path is short enough for sockets."""
    path = tempfile.mkdtemp(prefix="oo-")
    made = World(bus.Directory(path).create())
    try:
        made.start()
        yield made
    finally:
        made.close()
        shutil.rmtree(path)


def example_arguments(row: verbs.Verb) -> list[Any]:
    """Arguments that `verbs.check` accepts, for any verb."""
    good = {
        "name": "n1", "symbol": "AAPL", "text": "127.0.0.1", "secret": "s3cret", "int": 7, "bool": True,
        "price": "0.01", "value": 5, "duration": "90s",
    }  # fmt: skip
    return [
        p.choices[0] if p.type == "choice" else max(7, p.low) if p.type == "int" else good[p.type]
        for p in row.parameters
    ]
