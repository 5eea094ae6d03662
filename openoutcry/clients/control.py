"""ControlClient: the control verbs as Python calls, for programs, tests and the command line alike.

>>> with ControlClient("/var/lib/openoutcry") as control:              # doctest: +SKIP
...     control.create_engine("main")
...     control.create_book("aapl", "main", "AAPL")
...     control.create_endpoint("orders", "main", "ouch42")["port"]

There is a method for every row of ``openoutcry.verbs.VERBS``, with its arguments, which returns the verb's value.
``close("main")`` is a verb as well, it ends trading; the client's own end is ``disconnect()``, or ``close()`` without
an engine, or the end of the ``with`` block.

``batch()`` collects verbs and sends them together: each costs a small part of a round trip then
(openoutcry.clients.batch).

A request that is not answered is sent again under the same number, which the service recognises; one that was under
way when the *service* died may have been carried out, and then runs a second time: it is refused (``exists``, ...)
rather than doing harm. Not for use from several threads at once: a ZeroMQ socket belongs to one thread.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import zmq

from openoutcry import bus, jsontext, rows, verbs, wire
from openoutcry.clients.batch import Batch
from openoutcry.control import messages
from openoutcry.errors import ClusterError, VerbError, WireError

TIMEOUT_S: Final = 10.0  # twice what the service takes at most to answer
RESEND_S: Final = 1.0  # a request sent to a service that died is lost: send it again
QUEUE_FRAMES: Final = 16  # replies waiting in the socket: one is under way at a time
_RCVMORE: Final = int(zmq.RCVMORE)


class ControlClient:
    """A connection to the control service of one exchange.

    where: the exchange's directory (a path or a bus.Directory), or the service's ZeroMQ address.
    timeout: seconds until a call gives up with ClusterError.
    """

    def __init__(self, where: str | os.PathLike[str] | bus.Directory, timeout: float = TIMEOUT_S) -> None:
        self.address = _address(where)
        self.timeout = timeout
        self._number = 0
        self._patience_ms = 0  # what the socket waits for at most
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, wire.FRAME_MAX)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self._socket.setsockopt(zmq.RCVHWM, QUEUE_FRAMES)
        self._socket.setsockopt(zmq.ROUTING_ID, b"client-" + os.urandom(12))  # the same one after a reconnection
        try:
            self._socket.connect(self.address)
        except zmq.ZMQError as error:
            self.disconnect()
            raise ClusterError(f"cannot connect to {self.address}: {error}") from None

    if TYPE_CHECKING:  # the methods are made from the table, below

        def __getattr__(self, verb: str) -> Callable[..., Any]: ...

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        """Close the connection; safe to call twice."""
        self._context.destroy(linger=0)

    def close(self, *engine: Any, **named: Any) -> Any:
        """With an engine: the verb, end trading there. Without: ``disconnect``, as every Python object closes."""
        if engine or named:
            return self.call("close", *engine, **named)
        return self.disconnect()

    def call(self, verb: str, /, *arguments: Any, **named: Any) -> Any:
        """Carry out one verb and return its value.

        Rows for which one answer has no room are asked for in others; meanwhile the market may move. Raises VerbError
        when it is refused (also before anything is sent, when the arguments are not in order), and ClusterError when
        nobody answers in time.
        """
        value = self._ask(verb, arguments, named)
        return self._rest(verb, arguments, named, value) if verb in rows.VERBS else value

    def _rest(self, verb: str, arguments: tuple[Any, ...], named: dict[str, Any], found: Any) -> Any:
        """The rows, with those for which their answer had no room."""
        names = [p.name for p in verbs.VERBS[verb].parameters]
        given = dict(zip(names, arguments, strict=False)) | named
        skip = int(given.get("skip", 0))
        while left := rows.left_out(found):
            on = {"since": found[-1]["number"]} if "since" in names else {"skip": skip + len(found)}
            if "count" in names:
                on["count"] = left
            found += self._ask(verb, (), given | on)
        return found

    def _ask(self, verb: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """One request, one answer."""
        verbs.check(verb, arguments, named)
        self._number += 1
        request = messages.encode_request(self._number, verb, arguments, named)
        reply = self._exchange(verb, request)
        if reply.error:
            reply.raise_error()
        return _value(reply)

    def batch(self, stop: bool = False, raises: bool = True) -> Batch:
        """Collect verbs, to send them together when the ``with`` block ends; see openoutcry.clients.batch.

        stop: leave out what comes after the first that is refused. raises: raise the first error at the end.
        """
        return Batch(self.carry_out, stop, raises)

    def carry_out(self, parts: list[bytes], stop: bool = False) -> Iterator[tuple[VerbError | None, Any]]:
        """Carry out verbs that ``messages.encode_part`` made; yields the error and the value of each, in order.

        stop: the first that is refused is the last that is yielded. Raises VerbError when a whole request is refused,
        ClusterError when nobody answers in time; what came before then has been yielded.
        """
        for chunk in _requests(parts):
            self._number += 1
            reply = self._exchange("a batch", messages.encode_batch(self._number, chunk, stop))
            reply.raise_error()
            for error, value in _value(reply):
                yield (VerbError(*error) if error else None), value
                if error and stop:
                    return

    def _exchange(self, verb: str, request: bytes) -> messages.Reply:
        deadline = time.monotonic() + self.timeout
        while (left := deadline - time.monotonic()) > 0:
            try:
                bus.send_parts(self._socket, [b"", request])
            except zmq.Again:  # so many resent already; they leave when somebody is there
                pass
            reply = self._receive(time.monotonic() + min(left, RESEND_S))
            if reply is not None:
                return reply
        raise ClusterError(
            f"{verb}: no answer from the control service at {self.address} within {self.timeout:g} s; "
            "is the exchange up (`openoutcry status`), and is this its directory?"
        )

    def _receive(self, until: float) -> messages.Reply | None:
        """The reply to the request under way, or None when there is none by `until`; others are left from before."""
        while (left := until - time.monotonic()) > 0:
            data = self._message(int(left * 1_000) + 1)
            if data is None:
                return None
            try:
                reply = messages.decode_reply(data)
            except WireError as error:
                raise ClusterError(f"{self.address} does not speak the control protocol: {error}") from None
            if reply.id == self._number:
                return reply
            if reply.id == 0 and reply.error:
                raise VerbError(*reply.error)
        return None

    def _message(self, patience_ms: int) -> bytes | None:
        """The last part of the next message. The socket waits by itself, which takes half the time that a poll does."""
        if patience_ms != self._patience_ms:
            self._socket.setsockopt(zmq.RCVTIMEO, patience_ms)
            self._patience_ms = patience_ms
        try:
            data = self._socket.recv()
            while self._socket.getsockopt(_RCVMORE):
                data = self._socket.recv()
        except zmq.Again:
            return None
        return data


def _value(reply: messages.Reply) -> Any:
    try:
        return jsontext.parsed(reply.value)
    except (ValueError, RecursionError):
        raise ClusterError(f"the control service answered with what is no value: {reply.value[:80]!r}") from None


def _requests(parts: list[bytes]) -> Iterator[list[bytes]]:
    """Parts of a batch in as few requests as take them."""
    chunk: list[bytes] = []
    size = 0
    for part in parts:
        if chunk and (
            len(chunk) == messages.BATCH_MAX or size + len(part) > messages.REQUEST_MAX - messages.BATCH_HEAD
        ):
            yield chunk
            chunk, size = [], 0
        chunk.append(part)
        size += len(part)
    if chunk:
        yield chunk


def _address(where: str | os.PathLike[str] | bus.Directory) -> str:
    if isinstance(where, bus.Directory):
        return where.address("control")
    if isinstance(where, str) and "://" in where:
        return where
    return bus.Directory(where).address("control")


def _method(row: verbs.Verb) -> Callable[..., Any]:
    """A method for one verb, with the signature and the documentation that the table gives it."""

    def method(self: ControlClient, *arguments: Any, **named: Any) -> Any:
        return self.call(row.name, *arguments, **named)

    method.__name__ = row.name
    method.__qualname__ = f"ControlClient.{row.name}"
    lines = [f"{row.meaning[:1].upper()}{row.meaning[1:]}.", ""]
    method.__doc__ = "\n".join([*lines, *(f"{p.name}: {p.meaning}" for p in row.parameters)]).rstrip()
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    given = [
        inspect.Parameter(p.name, kind, default=inspect.Parameter.empty if p.required else p.default)
        for p in row.parameters
    ]
    signature = inspect.Signature([inspect.Parameter("self", kind), *given])
    vars(method)["__signature__"] = signature  # inspect.signature and help() look here; typeshed does not know it
    return method


for _row in verbs.VERBS.values():
    if not hasattr(ControlClient, _row.name):
        setattr(ControlClient, _row.name, _method(_row))
