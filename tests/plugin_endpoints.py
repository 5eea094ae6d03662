"""Classes of endpoints of somebody's own, for tests of load_protocol: clients behind a proxy, and a notice board."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from openoutcry.gateway.connection import Connection
from openoutcry.gateway.endpoint import Endpoint, PacketEndpoint
from openoutcry.gateway.protocols import Dialect, dialect

HEAD_MAX: Final = 107  # bytes of the line with which a proxy begins: PROXY TCP4 10.1.2.3 10.0.0.1 40000 9001


class Behind(Connection):
    """A connection that begins with a line of a proxy, which says who has connected to that."""

    head: bytes | None = b""
    source = ""

    def data_received(self, data: bytes) -> None:
        if self.head is not None:
            line, ended, data = (self.head + data).partition(b"\r\n")
            self.head = None if ended else line
            if ended:
                self.source = line.split()[2].decode()
            elif len(line) > HEAD_MAX:
                self.transport.abort()
        if self.head is None and data:
            super().data_received(data)


class ProxiedOuch(PacketEndpoint):
    """OUCH for clients behind a proxy."""

    def connection(self) -> Connection:
        return Behind(self)

    @staticmethod
    def make_dialect() -> Dialect:
        return dialect("ouch42")

    def statistics(self) -> dict[str, Any]:
        """See Endpoint; sources: who has connected to the proxy."""
        sources = sorted(one.source for one in self.connections if isinstance(one, Behind))
        return {**super().statistics(), "sources": sources}


class Reader(asyncio.Protocol):
    """Whoever reads a notice board."""

    address = ""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.address = str(transport.get_extra_info("peername")[0])
        if self.endpoint.admit(self):
            self.transport.write(b"no news\n")
        else:
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self.endpoint.leave(self, silent=True)

    def finish(self) -> None:
        self.drop()

    def close(self) -> None:
        self.transport.close()

    def drop(self) -> None:
        self.transport.abort()

    def configure(self) -> None: ...

    def clock_moved(self, moved_ns: int, silent: bool) -> None: ...


class Board(Endpoint):
    """A notice board, at which nobody logs on."""

    def connection(self) -> Any:
        return Reader(self)
