"""The receiving half of a session: messages that came too early, and what has been asked for again.

Rule 1. A message whose number is too high waits here until those before it have come, and the missing ones are asked
        for once, from the one that is expected.
Rule 2. What waits is bounded, in messages and in bytes. What does not fit is dropped: it will be sent again, because
        it is asked for when its turn comes.
Rule 3. An answer that does not come is asked for again, a few times; then the session is given up, never stuck.
"""

from __future__ import annotations

from typing import Final

from openoutcry.fix.message import Message

QUEUE_MAX: Final = 4_096  # messages that wait for earlier ones: more than a socket's buffers hold
QUEUE_BYTES_MAX: Final = 4_000_000  # the same in bytes
ASK_AGAIN_S: Final = 30  # without a step forward after a ResendRequest
ASKED_MAX: Final = 3  # requests without a step forward


class Gaps:
    """What is missing of the incoming messages of one connection."""

    __slots__ = ("_bytes", "_chunk", "_messages", "asked_at", "asked_ns", "asked_times", "dropped", "to", "until")

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk
        self.dropped = 0
        self.clear()

    def clear(self) -> None:
        """A new connection, or numbers that begin at 1."""
        self._messages: dict[int, Message] = {}
        self._bytes = 0
        self.to = 0  # the newest number known to be missing; 0: none has been asked for
        self.until = 0  # the newest number that has been asked for
        self.asked_ns = 0
        self.asked_at = 0  # the number expected then
        self.asked_times = 0

    def __len__(self) -> int:
        return len(self._messages)

    def __bool__(self) -> bool:
        return bool(self._messages) or self.to > 0

    def put(self, number: int, message: Message) -> None:
        """Keep a message for later, if there is room."""
        if number in self._messages:
            return
        size = len(message.raw)
        if len(self._messages) >= QUEUE_MAX or self._bytes + size > QUEUE_BYTES_MAX:
            self.dropped += 1
            return
        self._messages[number] = message
        self._bytes += size

    def pop(self, number: int) -> Message | None:
        """The message with that number, if it waits here."""
        message = self._messages.pop(number, None)
        if message is not None:
            self._bytes -= len(message.raw)
        return message

    def forget_below(self, number: int) -> None:
        """A reset has jumped over these."""
        for old in [n for n in self._messages if n < number]:
            self.pop(old)

    def ask(self, expected: int, to: int, now_ns: int) -> int:
        """`expected` to `to` are missing: returns the end of what to ask for now; 0: without an end."""
        self.asked_times = self.asked_times + 1 if expected == self.asked_at else 1
        self.asked_at, self.asked_ns, self.to = expected, now_ns, to
        self.until = min(expected + self._chunk - 1, to) if self._chunk else to
        return self.until if self._chunk else 0

    def advanced(self, expected: int) -> bool:
        """The next number expected is now `expected`. True: the next chunk must be asked for."""
        if not self.to:
            return False
        if expected > self.to:
            self.to = self.until = self.asked_at = 0
            return False
        return expected > self.until
