"""A raw FIX client for tests: text in, text expected, over a real socket. It shares nothing with openoutcry.fix.

A message is written as "35=D|34=2|11=order". The client puts 8, 49, 52 and 56 into it unless the text has them, and
counts 9 and 10 unless the text gives them (wrong ones, to see what happens); a text that begins with "8=" is taken as
it stands but for missing 9 and 10. An expectation is text of the same kind and names every field but 8, 9, 10, 49, 52
and 56, in order; "*" is any value. What always holds (order of the header, length, checksum, CompIDs, form of the time
stamp) is checked on every message that arrives.
"""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import dataclass, field
from typing import Final

SOH: Final = b"\x01"
PATIENCE_S: Final = 60.0  # for an answer; none takes that long unless it fails
VERSIONS: Final = ("FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIX.5.0", "FIX.5.0SP1", "FIX.5.0SP2")
APPL_VER_ID: Final = {"FIX.5.0": "7", "FIX.5.0SP1": "8", "FIX.5.0SP2": "9"}
IGNORED: Final = (8, 9, 10, 49, 52, 56)
HEADER: Final = (34, 43, 49, 50, 52, 56, 57, 97, 115, 116, 122, 128, 129, 142, 143, 144, 145, 369)

Pairs = list[tuple[int, str]]


class Unexpected(AssertionError):
    """What arrived is not what should."""


def stamp(offset_s: float = 0, digits: int = 3) -> str:
    """UTCTimestamp of now and `offset_s` seconds."""
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=offset_s)
    text = at.strftime("%Y%m%d-%H:%M:%S.%f")
    return text[: 17 + (digits and digits + 1)]


def framed(fields: list[str]) -> bytes:
    """The message with these fields, the first of which is 8; with 9 and 10 where they are missing."""
    tags = [each.partition("=")[0] for each in fields]
    if "9" not in tags:
        length = sum(len(each.encode()) + 1 for each, tag in zip(fields[1:], tags[1:], strict=True) if tag != "10")
        fields = [fields[0], f"9={length}", *fields[1:]]
    data = b"".join(each.encode() + SOH for each in fields if not each.startswith("10="))
    last = next((each for each in fields if each.startswith("10=")), f"10={sum(data) % 256:03}")
    return data + last.encode() + SOH


def parsed(data: bytes) -> Pairs:
    pairs: Pairs = []
    for each in data.decode("latin-1").split("\x01")[:-1]:
        tag, _, value = each.partition("=")
        pairs.append((int(tag), value) if tag.isdigit() else (0, each))  # 0: the rest of a data field with an SOH in it
    return pairs


def written(pairs: Pairs) -> str:
    return "|".join(f"{tag}={value}" for tag, value in pairs)


@dataclass
class Host:
    """Where the sessions are and what they are called."""

    port: int
    version: str
    ours: str  # CompID of this client
    theirs: str = "ISLD"
    host: str = "127.0.0.1"

    @property
    def begin(self) -> str:
        return "FIXT.1.1" if self.version in APPL_VER_ID else self.version


@dataclass
class Wire:
    """One connection to a session, and the second that a case may open beside it."""

    host: Host
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    buffer: bytes = b""
    seen: list[Pairs] = field(default_factory=list)

    # -------------------------------------------------------------------------------- the connection
    @classmethod
    async def open(cls, host: Host) -> Wire:
        reader, writer = await asyncio.open_connection(host.host, host.port)
        return cls(host, reader, writer)

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def another(self) -> Wire:
        """One more connection of the same client."""
        return await Wire.open(self.host)

    async def again(self) -> None:
        """A new connection in the place of the one that ended."""
        await self.close()
        self.reader, self.writer = await asyncio.open_connection(self.host.host, self.host.port)
        self.buffer = b""

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass

    # -------------------------------------------------------------------------------- sending
    def message(self, text: str) -> bytes:
        fields = text.split("|")
        if fields[0].startswith("8="):
            return framed(fields)
        own = {"49": self.host.ours, "52": stamp(), "56": self.host.theirs}
        given = own | {tag: value for tag, _, value in (each.partition("=") for each in fields)}
        head = [f"{tag}={given[tag]}" for tag in ("9", "35", "34", "49", "52", "56") if tag in given]
        body = [each for each in fields if each.partition("=")[0] not in ("9", "35", "34", "49", "52", "56")]
        return framed([f"8={self.host.begin}", *head, *body])

    async def send(self, *texts: str) -> None:
        """Send messages in one write."""
        self.writer.write(b"".join(map(self.message, texts)))
        await self.writer.drain()

    async def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    # -------------------------------------------------------------------------------- receiving
    async def read(self) -> Pairs | None:
        """The next message, None when the connection has ended."""
        while (end := self._end()) == 0:
            async with asyncio.timeout(PATIENCE_S):
                try:
                    data = await self.reader.read(65_536)
                except ConnectionResetError:
                    data = b""
            if not data:
                return None
            self.buffer += data
        message, self.buffer = self.buffer[:end], self.buffer[end:]
        pairs = parsed(message)
        self._check(message, pairs)
        self.seen.append(pairs)
        return pairs

    def _end(self) -> int:
        at = self.buffer.find(b"\x0110=")
        return self.buffer.find(SOH, at + 1) + 1 if at >= 0 else 0

    def _check(self, message: bytes, pairs: Pairs) -> None:
        """What holds for every message that the other side sends."""
        tags = [tag for tag, _ in pairs]
        head = [tag for tag in tags[3:] if tag in HEADER]
        body = message[message.index(b"\x0135=") + 1 : message.rindex(b"\x0110=") + 1]
        fine = {
            "8, 9, 35 first": tags[:3] == [8, 9, 35],
            "8": pairs[0][1] == self.host.begin,
            "9": int(pairs[1][1]) == len(body),
            "10": pairs[-1] == (10, f"{sum(message[: message.rindex(b'10=')]) % 256:03}"),
            "header in ascending order": tags[3 : 3 + len(head)] == sorted(head),
            "49": (49, self.host.theirs) in pairs,
            "56": (56, self.host.ours) in pairs,
            "52": len(dict(pairs)[52]) == (17 if self.host.version in ("FIX.4.0", "FIX.4.1") else 21),
        }
        wrong = [name for name, holds in fine.items() if not holds]
        if wrong:
            raise Unexpected(f"{', '.join(wrong)} of {written(pairs)}")

    async def expect(self, *texts: str) -> Pairs:
        """The next messages are these; returns the last."""
        pairs: Pairs | None = []
        for text in texts:
            pairs = await self.read()
            if pairs is None:
                raise Unexpected(f"disconnect instead of {text}")
            self.compare(pairs, text)
        return pairs or []

    @staticmethod
    def compare(pairs: Pairs, text: str) -> None:
        shown = [(tag, value) for tag, value in pairs if tag not in IGNORED]
        wanted = parsed(text.replace("|", "\x01").encode() + SOH)
        if len(shown) == len(wanted):
            shown = [
                (tag, "*" if any_ == "*" else value) for (tag, value), (_, any_) in zip(shown, wanted, strict=True)
            ]
        if shown != wanted:
            raise Unexpected(f"\n  arrived  {written(shown)}\n  expected {written(wanted)}")

    async def expect_disconnect(self) -> None:
        """Nothing more arrives, and the connection ends."""
        pairs = await self.read()
        if pairs is not None:
            raise Unexpected(f"disconnect expected, arrived {written(pairs)}")

    # -------------------------------------------------------------------------------- how most cases begin and end
    def logon_text(self, number: int = 1, more: str = "", seconds: int = 30) -> str:
        text = f"35=A|34={number}|98=0|108={seconds}{more}"
        appl = APPL_VER_ID.get(self.host.version)
        return f"{text}|1137={appl}" if appl else text

    async def logon(self, number: int = 1, reply: int = 1, more: str = "", seconds: int = 30) -> None:
        """Log on with MsgSeqNum `number`; the reply has `reply`."""
        text = self.logon_text(number, more, seconds)
        await self.send(text)
        await self.expect(text.replace(f"34={number}|", f"34={reply}|", 1))

    async def ping(self, number: int, reply: int) -> None:
        """All that was sent has been answered: a TestRequest's Heartbeat is the next that arrives."""
        await self.send(f"35=1|34={number}|112=ping{number}")
        await self.expect(f"35=0|34={reply}|112=ping{number}")

    async def logout(self, number: int, reply: int) -> None:
        await self.send(f"35=5|34={number}")
        await self.expect(f"35=5|34={reply}")
        await self.expect_disconnect()
