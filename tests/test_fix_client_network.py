"""FixInitiator over TLS (server's name, our certificate, verification) and through HTTP and SOCKS proxies."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from openoutcry.clients.fix import ClientError, FixInitiator
from openoutcry.fix.message import Message
from tests.fix_acceptor import WAIT_S, Acceptor, peers
from tests.tls_authority import Authority

NEWS = b"148=news\x0133=1\x0158=line\x01"


def run(work: Awaitable[None]) -> None:
    """Run a test's coroutine, which may not hang."""

    async def limited() -> None:
        async with asyncio.timeout(2 * WAIT_S):
            await work

    asyncio.run(limited())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Issues localhost, other.example and trader."""
    made = Authority(tmp_path_factory.mktemp("tls"))
    for name in ("localhost", "other.example", "trader"):
        made.issue(name)
    return made


def server_context(authority: Authority, name: str, asked: list[str | None], mutual: bool = False) -> ssl.SSLContext:
    """A server's context, which notes the names that it is asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.directory / f"{name}.pem", authority.directory / f"{name}.key")
    if mutual:
        context.load_verify_locations(authority.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    context.sni_callback = lambda _socket, server_name, _context: asked.append(server_name)
    return context


def echo(acceptor: Acceptor, _message: Message) -> None:
    acceptor.send(b"B", NEWS)


@asynccontextmanager
async def acceptor(context: ssl.SSLContext | None = None) -> AsyncIterator[Acceptor]:
    made = Acceptor(peers()[0], context=context, on_message=echo)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def exchange_news(host: str, port: int, **given: Any) -> None:
    """Log on, send, receive, log out."""
    async with FixInitiator(peers()[1], host, port, timeout=WAIT_S, reconnect=False, **given) as client:
        await client.send("News", NEWS)
        assert (await client.receive()).name == "News"


# ------------------------------------------------------------------------------------------------- TLS
def test_tls_verifies_the_server_by_the_given_authority_and_asks_for_its_name(authority: Authority) -> None:
    asked: list[str | None] = []

    async def test() -> None:
        async with acceptor(server_context(authority, "localhost", asked)) as there:
            await exchange_news("localhost", there.port, SocketUseSSL="Y", SocketCAFile=authority.ca)

    run(test())
    assert asked == ["localhost"]


def test_another_server_name_can_be_asked_for(authority: Authority) -> None:
    asked: list[str | None] = []

    async def test() -> None:
        async with acceptor(server_context(authority, "other.example", asked)) as there:
            await exchange_news("127.0.0.1", there.port, SocketUseSSL="Y", SocketCAFile=authority.ca,
                                SocketServerName="other.example")  # fmt: skip

    run(test())
    assert asked == ["other.example"]


@pytest.mark.parametrize(
    ("name", "trusted", "text"),
    [
        ("other.example", True, "certificate is not trusted for localhost: Hostname mismatch"),
        ("localhost", False, "certificate is not trusted for localhost: .*(self-signed|unable to get)"),
    ],
)
def test_a_certificate_that_is_not_right_is_refused_and_named(
    authority: Authority, name: str, trusted: bool, text: str
) -> None:
    async def test() -> None:
        async with acceptor(server_context(authority, name, [])) as there:
            trust = {"SocketCAFile": authority.ca} if trusted else {}
            with pytest.raises(ClientError, match=text):
                await exchange_news("localhost", there.port, SocketUseSSL="Y", **trust)

    run(test())


def test_our_certificate_is_shown_to_a_server_that_wants_one(authority: Authority) -> None:
    async def test() -> None:
        async with acceptor(server_context(authority, "localhost", [], mutual=True)) as there:
            ours = {"SocketUseSSL": "Y", "SocketCAFile": authority.ca}
            with pytest.raises(ClientError):
                await exchange_news("localhost", there.port, **ours)
            ours |= {"SocketCertificateFile": str(authority.directory / "trader.pem"),
                     "SocketKeyFile": str(authority.directory / "trader.key")}  # fmt: skip
            await exchange_news("localhost", there.port, **ours)

    run(test())


def test_a_context_of_ones_own_is_used(authority: Authority) -> None:
    async def test() -> None:
        async with acceptor(server_context(authority, "localhost", [])) as there:
            context = ssl.create_default_context(cafile=authority.ca)
            await exchange_news("localhost", there.port, ssl_context=context)

    run(test())


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name in ("SocketCAFile", "SocketCertificateFile"):
        given: dict[str, Any] = {name: "/nonexistent"}
        with pytest.raises(ClientError, match=f"TLS: {name} '/nonexistent'"):
            FixInitiator(peers()[1], "127.0.0.1", 1, SocketUseSSL="Y", **given)


# ------------------------------------------------------------------------------------------------- proxies
class Proxy:
    """An HTTP CONNECT and SOCKS5 proxy, told apart by the first byte; wants `password` when one is given."""

    def __init__(self, password: str = "") -> None:
        self.password = password
        self.asked: list[tuple[str, int]] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(1)
        where = await (self._socks(reader, writer) if first == b"\x05" else self._http(reader, writer))
        if where is None:
            writer.close()
            return
        self.asked.append(where)
        try:
            there = await asyncio.open_connection(*where)
        except OSError:
            writer.close()
            return
        for one, other in ((reader, there[1]), (there[0], writer)):
            self._tasks.append(asyncio.create_task(self._pipe(one, other)))

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        if self.password and "proxy-authorization: basic" not in request.lower():
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return None
        host, _, port = request.split()[1].rpartition(":")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return host, int(port)

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
        await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x05\x00")
        *_, kind = await reader.readexactly(4)
        size = 4 if kind == 1 else (await reader.readexactly(1))[0]
        name = await reader.readexactly(size)
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        return (socket.inet_ntoa(name) if kind == 1 else name.decode()), port


@asynccontextmanager
async def proxy(password: str = "") -> AsyncIterator[Proxy]:
    pytest.importorskip("python_socks", reason="python-socks is not installed (the extra proxy)")
    made = Proxy(password)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_the_session_goes_through_a_proxy(scheme: str) -> None:
    async def test() -> None:
        async with acceptor() as there, proxy() as between:
            await exchange_news("127.0.0.1", there.port, Proxy=f"{scheme}://127.0.0.1:{between.port}")
            assert between.asked == [("127.0.0.1", there.port)]

    run(test())


def test_tls_goes_through_a_proxy_with_a_password(authority: Authority) -> None:
    async def test() -> None:
        async with acceptor(server_context(authority, "localhost", [])) as there, proxy("pw") as between:
            through = f"http://user:pw@127.0.0.1:{between.port}"
            await exchange_news("localhost", there.port, proxy=through, SocketUseSSL="Y", SocketCAFile=authority.ca)

    run(test())


def test_what_a_proxy_refuses_is_told_without_its_password() -> None:
    async def test() -> None:
        async with proxy("right") as between:
            with pytest.raises(ClientError, match=r"cannot connect to 127\.0\.0\.1 port 7 through .*407") as caught:
                await exchange_news("127.0.0.1", 7, Proxy=f"http://127.0.0.1:{between.port}")
            assert f"http://127.0.0.1:{between.port}" in str(caught.value)
        with pytest.raises(ClientError, match=r"cannot connect to 127\.0\.0\.1 port 7 through http") as caught:
            await exchange_news("127.0.0.1", 7, Proxy="http://user:secret@127.0.0.1:1")
        assert "secret" not in str(caught.value)
        with pytest.raises(ClientError, match="it must be http://, socks4:// or socks5://HOST:PORT") as caught:
            await exchange_news("127.0.0.1", 7, Proxy="ftp://user:secret@127.0.0.1:1")
        assert "secret" not in str(caught.value)

    run(test())


def test_without_python_socks_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)

    async def test() -> None:
        with pytest.raises(ClientError, match=r"pip install 'openoutcry\[proxy\]'"):
            await exchange_news("127.0.0.1", 7, Proxy="http://127.0.0.1:1")

    run(test())
