"""A TCP proxy that does to a connection what networks do: splits, delays, cuts (FIN or RST), loses what was on its way.

::

    proxy = FaultProxy(acceptor.port, seed=7)
    await proxy.start()              # proxy.port is where the client connects
    proxy.calm()                     # from now on everything passes
    await proxy.close()

Each connection is given a life (so many bytes), and an end, both drawn from the seed: ``fin`` (all that came before it
passes), ``rst`` (what is in the buffers is lost), ``lose`` (a chunk vanishes, then all the rest, with an RST),
``swallow`` (one chunk vanishes, the stream goes on, so that messages arrive garbled, and ends a little later) or
``linger`` (the client's end is cut; the server hears of it later, when the next connection is there already).
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from typing import Any, Final

ENDS: Final = ("fin", "rst", "lose", "swallow", "linger")
DELAY_MAX_S: Final = 0.003
AFTER_S: Final = 0.2  # a session that was swallowed its ResendRequest would ask again only after a while
CALM: Final = 1 << 60  # bytes that no connection lives


class FaultProxy:
    """Between a client and `target`, a port of this host. life: bytes that a connection passes at most."""

    def __init__(self, target: int, seed: int, life: int = 20_000, ends: tuple[str, ...] = ENDS) -> None:
        self.target = target
        self.random = random.Random(seed)
        self.life = life
        self.ends = ends
        self.port = 0
        self.faults: dict[str, int] = dict.fromkeys((*ends, "connections"), 0)
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def calm(self) -> None:
        """No more faults, for connections from now on."""
        self.life = CALM

    async def close(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self.faults["connections"] += 1
        connection = _Connection(self, [writer, there[1]])
        for one, other in ((reader, there[1]), (there[0], writer)):
            pipe = asyncio.create_task(connection.pipe(one, other))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)


class _Connection:
    """Both directions of one connection, and what will happen to it."""

    def __init__(self, proxy: FaultProxy, writers: list[asyncio.StreamWriter]) -> None:
        self.proxy = proxy
        self.writers = writers
        self.left = proxy.life if proxy.life == CALM else proxy.random.randrange(1, proxy.life)
        self.end = proxy.random.choice(proxy.ends)
        self.over = False

    async def pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        draw = self.proxy.random
        try:
            while not self.over and (data := await reader.read(draw.choice((1, 7, 100, 1_000, 65_536)))):
                if draw.random() < 0.2:
                    await asyncio.sleep(draw.random() * DELAY_MAX_S)
                if self.over or not self._passes(data, writer):
                    break
                await writer.drain()
        except OSError:
            pass
        finally:
            self._finish(rst=False)

    def _passes(self, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Pass the data, or what the fault leaves of it; False: this was the end."""
        self.left -= len(data)
        if self.left > 0:
            writer.write(data)
            return True
        self.proxy.faults[self.end] += 1
        if self.end == "swallow":
            self.left = CALM
            asyncio.get_running_loop().call_later(AFTER_S, self._finish, True)
            return True
        if self.end == "linger":
            self._linger(data if writer is self.writers[1] else b"")
            return False
        if self.end != "lose":
            writer.write(data[: len(data) // 2])
        self._finish(rst=self.end != "fin")
        return False

    def _linger(self, data: bytes) -> None:
        self.over = True
        client, server = self.writers
        client.transport.abort()
        server.write(data)
        asyncio.get_running_loop().call_later(AFTER_S, server.close)

    def _finish(self, rst: bool) -> None:
        if self.over:
            return
        self.over = True
        for writer in self.writers:
            if rst:
                connection: Any = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()
