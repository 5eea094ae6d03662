"""Prices from outside, as they come: a ZeroMQ PUB socket, or lines on a stream. Both fill a Board
(openoutcry.agents.prices).

Invariant: whatever comes, a feed never waits and never raises; what is not a line about a price is counted by the
board.
The newest price is what counts: those that come faster than they are asked for are passed over.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

from openoutcry.agents.prices import LINE_MAX, Board
from openoutcry.errors import ClientError

BATCH: Final = 1_000  # messages taken at one time, so that a fast publisher cannot keep the caller
WAITING_MAX: Final = 10_000  # messages that ZeroMQ keeps; the publisher drops the rest


class ZmqPrices:
    """A SUB socket. The last part of each message is a line; an earlier one is a topic, and ignored."""

    def __init__(self, address: str, board: Board, topics: Sequence[str] = ("",)) -> None:
        import zmq

        self.board = board
        self.ended = threading.Event()  # never: a publisher may come back
        self._again = zmq.Again
        self._nowait = zmq.NOBLOCK
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        for option, value in ((zmq.LINGER, 0), (zmq.RCVHWM, WAITING_MAX), (zmq.MAXMSGSIZE, 16 * LINE_MAX)):
            self._socket.setsockopt(option, value)
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise ClientError(f"cannot connect to {address!r}: {error}") from None
        for topic in topics:
            self._socket.setsockopt(zmq.SUBSCRIBE, topic.encode())

    def poll(self) -> int:
        """Take what is there; returns the number of messages."""
        count = 0
        try:
            while count < BATCH:
                parts = self._socket.recv_multipart(self._nowait)
                count += 1
                self.board.take(parts[-1])
        except self._again:
            pass
        return count

    def close(self) -> None:
        """Close the socket."""
        self._socket.close(0)
        self._context.term()


class LinePrices:
    """Lines of a stream, as a thread of its own reads them: a file, a pipe or a terminal alike."""

    def __init__(self, stream: BinaryIO, board: Board) -> None:
        self.board = board
        self.ended = threading.Event()
        self._stream = stream
        self._thread = threading.Thread(target=self._read, name="prices", daemon=True)  # it may wait for ever
        self._thread.start()

    def poll(self) -> int:
        """Nothing to do: the thread takes every line at once."""
        return 0

    def _read(self) -> None:
        try:
            while line := self._stream.readline(LINE_MAX + 1):
                if line.strip():
                    self.board.take(line)
        except (OSError, ValueError):  # the stream was closed
            pass
        finally:
            self.ended.set()

    def close(self) -> None:
        """Leave it: it ends with its stream, or with the process."""
