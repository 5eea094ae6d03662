"""How a FIX initiator gets to its counterparty: hosts, TLS, proxies, and one connection as asyncio sees it.

A ``Link`` is one connection: it decodes what comes, and tells its owner. TLS is verified against SocketCAFile or the
system's authorities, with the server's name (SNI) from SocketServerName or the host; a certificate of our own comes
from SocketCertificateFile. Proxies are python-socks' (the extra ``proxy``): http:// (CONNECT), socks4:// and socks5://.

Invariant: an owner hears of each Link once that it is lost, and nothing of it afterwards. Errors while connecting are
ClientError, with the host and the cause, and never with a proxy's password.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, cast

from openoutcry.errors import ClientError, VerbError
from openoutcry.fix.codec import Decoder
from openoutcry.fix.message import Message
from openoutcry.fix.settings import SessionSettings

CLOSE_S: Final = 2.0  # how long a closing connection may take to write what is left
_CREDENTIALS: Final = re.compile(r"//[^/@]*@")


class Target(NamedTuple):
    """Where to connect."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


class HasAddress(Protocol):
    """Something that tells where it listens, as the handle of an endpoint does."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


Where = HasAddress | tuple[str, int] | str


def targets(hosts: Sequence[Where], settings: SessionSettings) -> list[Target]:
    """`hosts`: endpoints, (host, port) or "host:port"; without any, the settings' own. Raises VerbError."""
    found = [_target(each) for each in hosts]
    if not found and settings.SocketConnectHost:
        found = [Target(settings.SocketConnectHost, settings.SocketConnectPort)]
    if not found:
        raise VerbError("bad_argument", "hosts", "nowhere to connect to: give host and port, or SocketConnectHost")
    for each in found:
        if not each.host or not 0 < each.port < 65_536:
            raise VerbError("bad_argument", "port", f"cannot connect to {each}: a port is from 1 to 65535")
    return found


def _target(where: Where) -> Target:
    if isinstance(where, str):
        host, _, port = where.rpartition(":")
        if not port.isdecimal():
            raise VerbError("bad_argument", "hosts", f"{where!r} is no address, it must be HOST:PORT")
        return Target(host.strip("[]"), int(port))
    if isinstance(where, tuple):
        return Target(where[0], where[1])
    return Target(where.host, where.port)


def tls_context(settings: SessionSettings) -> ssl.SSLContext | None:
    """The context that the settings ask for; None without SocketUseSSL. Raises ClientError naming a file."""
    if not settings.SocketUseSSL:
        return None
    asked = "SocketCAFile"
    try:
        context = ssl.create_default_context(cafile=settings.SocketCAFile or None)
        if settings.SocketCertificateFile:
            asked = "SocketCertificateFile"
            context.load_cert_chain(settings.SocketCertificateFile, settings.SocketKeyFile or None)
    except (OSError, ssl.SSLError) as error:
        raise ClientError(f"TLS: {asked} {getattr(settings, asked)!r}: {error}") from None
    return context


async def connect(
    target: Target, link: Link, context: ssl.SSLContext | None, server_name: str, proxy: str, timeout: float
) -> None:
    """Connect `link` to `target`. Raises ClientError."""
    through = f" through {_CREDENTIALS.sub('//', proxy)}" if proxy else ""
    name = (server_name or target.host) if context else None
    where: dict[str, Any] = {"host": target.host, "port": target.port}
    try:
        async with asyncio.timeout(timeout):
            if proxy:
                where = {"sock": await _proxied(target, proxy, timeout)}
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: link, ssl=context, server_hostname=name, **where)
    except TimeoutError:
        raise ClientError(f"cannot connect to {target}{through}: no answer within {timeout:g} s") from None
    except ssl.SSLCertVerificationError as error:
        text = f"its certificate is not trusted for {name}: {error.verify_message}"
        raise ClientError(f"cannot connect to {target}{through}: {text}") from None
    except OSError as error:
        raise ClientError(f"cannot connect to {target}{through}: {error.strerror or error}") from None


async def _proxied(target: Target, url: str, timeout: float) -> socket.socket:
    """A socket connected through a proxy. Raises OSError, ClientError."""
    try:
        from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError
        from python_socks.async_.asyncio import Proxy
    except ImportError:
        raise ClientError("proxies need python-socks: pip install 'openoutcry[proxy]'") from None
    try:
        proxy = Proxy.from_url(url)
    except ValueError as error:
        shown = _CREDENTIALS.sub("//", url)
        raise ClientError(f"Proxy is {shown!r}, it must be http://, socks4:// or socks5://HOST:PORT: {error}") from None
    try:
        return await proxy.connect(target.host, target.port, timeout=timeout)
    except ProxyTimeoutError:
        raise TimeoutError from None
    except (ProxyConnectionError, ProxyError) as error:
        raise OSError(f"the proxy says: {error}") from None


class Owner(Protocol):
    """Who is told about a Link."""

    def link_made(self, link: Link) -> None:
        """It is connected."""

    def link_received(self, link: Link, messages: list[Message]) -> None:
        """Messages have come, or something garbled (``link.decoder.garbled``)."""

    def link_writable(self, link: Link) -> None:
        """It takes more again."""

    def link_lost(self, link: Link, reason: str) -> None:
        """It is gone."""


class Link(asyncio.Protocol):
    """One connection."""

    def __init__(self, owner: Owner, decoder: Decoder) -> None:
        self.owner = owner
        self.decoder = decoder
        self.writable = asyncio.Event()
        self.writable.set()
        self.lost = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._aborted = False

    def write(self, data: bytes) -> None:
        """Write; nothing happens when the connection is closing."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close once everything is written, or after CLOSE_S."""
        if self._transport is not None and self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(CLOSE_S, self._transport.abort)
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._aborted = True
            self._transport.abort()

    def read(self, wanted: bool) -> None:
        """Whether anything more is to be read from the socket for now."""
        if self._transport is not None and self._transport.is_reading() != wanted and self._closing is None:
            change: Callable[[], None] = self._transport.resume_reading if wanted else self._transport.pause_reading
            change()

    # ------------------------------------------------------------------------------------------- asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its base class
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.owner.link_made(self)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._closing is None:
            self.owner.link_received(self, self.decoder.feed(data))

    def pause_writing(self) -> None:
        """Called by the loop."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self.writable.set()
        self.owner.link_writable(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        self._transport = None
        if self._closing is not None:
            self._closing.cancel()
        self.writable.set()
        self.lost.set()
        why = "we closed the connection" if self._aborted else "the counterparty closed the connection"
        self.owner.link_lost(self, f"connection lost: {error}" if error else why)
