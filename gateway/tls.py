"""TLS at an endpoint: certificates by server name, clients' certificates, and the handshake.

Properties of the endpoint: ``tls_certificate`` and ``tls_key`` (PEM files), ``tls_client_ca`` (then a client must show
a certificate that this verifies), and ``tls_certificates``, further ones for clients that ask for another server name
(SNI): ``name=certificate:key`` with blanks between.

Invariant: a connection that has not shaken hands counts as one that has not logged in, with the same limits and the
same time. What fails costs that connection alone.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, cast

from openoutcry.errors import ClusterError

if TYPE_CHECKING:
    from openoutcry.gateway.endpoint import Endpoint

READ_BYTES: Final = 65_536  # asked for at once; a record of TLS has 16 KB at most


class Certificates:
    """An endpoint's certificates. Raises ClusterError when they cannot be loaded."""

    def __init__(self, certificate: str, key: str, client_ca: str, by_name: str) -> None:
        self._client_ca = client_ca
        self._by_name: dict[str, ssl.SSLContext] = {}
        for part in by_name.split():
            name, _, files = part.partition("=")
            chain, _, its_key = files.rpartition(":")
            self._by_name[name.lower()] = self._load(chain or files, its_key if chain else "")
        self.context = self._load(certificate, key)
        self.context.sni_callback = self._choose

    @staticmethod
    def of(properties: Mapping[str, Any]) -> Certificates | None:
        """Those of an endpoint with these properties, None when it speaks without TLS."""
        names = ("tls_certificate", "tls_key", "tls_client_ca", "tls_certificates")
        certificate, key, client_ca, by_name = (str(properties.get(name, "")) for name in names)
        return _certificates(certificate, key, client_ca, by_name) if certificate else None

    def _load(self, certificate: str, key: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certificate, key or None)
            if self._client_ca:
                context.load_verify_locations(self._client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ClusterError(f"TLS with certificate {certificate}: {error}") from None
        return context

    def _choose(self, connection: Any, name: str | None, _: ssl.SSLContext) -> None:
        """The client has said which server it means; a name that is not known gets the first certificate."""
        found = self._by_name.get((name or "").lower())
        if found is not None:
            connection.context = found


@lru_cache(256)
def _certificates(certificate: str, key: str, client_ca: str, by_name: str) -> Certificates:
    return Certificates(certificate, key, client_ca, by_name)


class SecureTransport(asyncio.Protocol):
    """TLS between a connection and its socket: a protocol to the one below, a transport to the one above.

    Made by hand of two memory buffers, because what asyncio offers tells nobody of a handshake that is under way.
    """

    def __init__(self, endpoint: Endpoint, certificates: Certificates) -> None:
        self._endpoint = endpoint
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = certificates.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._guest: asyncio.Protocol | None = None  # once both sides have shaken hands
        self._admitted = self._closing = self._paused = False
        self.address = ""
        self.tick = 0

    # --------------------------------------------------------------------------------------------- from below
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)
        self.address = str((transport.get_extra_info("peername") or ("gone",))[0])
        timeout_ns = self._endpoint.admit(self)
        if not timeout_ns:
            self._transport.abort()
            return
        self._admitted = True
        self._endpoint.hub.wheel.schedule(self, monotonic_ns() + timeout_ns)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        self._incoming.write(data)
        try:
            if self._guest is None and not self._shake():
                return
            self._pass_on()
        except ssl.SSLZeroReturnError:  # it has said good-bye
            self._transport.close()
        except (ssl.SSLError, ValueError) as error:
            self._failed(error)

    def _shake(self) -> bool:
        """Go on with the handshake. Raises SSLError."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        self._flush()
        self._leave()
        guest = self._guest = self._endpoint.connection()
        guest.connection_made(cast(asyncio.BaseTransport, self))
        return True

    def _pass_on(self) -> None:
        """Give what has come to the connection, as long as it takes it. Raises SSLError."""
        guest = self._guest
        assert guest is not None
        while not self._paused and not self._closing:
            try:
                data = self._tls.read(READ_BYTES)
            except ssl.SSLWantReadError:
                break
            if not data:
                raise ssl.SSLZeroReturnError
            guest.data_received(data)
        self._flush()

    def _failed(self, error: Exception) -> None:
        endpoint = self._endpoint
        endpoint.tls_failures += 1
        endpoint.hub.log.warning(monotonic_ns(), "tls", f"endpoint {endpoint.name}: {self.address}: {error}")
        self._flush()  # the alert that says why
        self._transport.close()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._transport.write(data)

    def _leave(self) -> None:
        if self._admitted:
            self._admitted = False
            self.tick = 0
            self._endpoint.leave(self, silent=True)
            self._endpoint.accepted -= 1  # it is counted again as what it becomes

    def on_timer(self, now_ns: int) -> None:
        """It did not shake hands in time."""
        self._endpoint.timed_out(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._leave()
        if self._guest is not None:
            self._guest.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads slower than it is sent to."""
        if self._guest is not None:
            self._guest.pause_writing()

    def resume_writing(self) -> None:
        """It has read."""
        if self._guest is not None:
            self._guest.resume_writing()

    # --------------------------------------------------------------------------------------------- from above
    def write(self, data: bytes) -> None:
        """Send."""
        if self._closing:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as error:  # the client has ended its half, or the connection is broken
            self._failed(error)
        else:
            self._flush()

    def close(self) -> None:
        """Say good-bye, and close when all is sent."""
        if not self._closing:
            self._closing = True
            with suppress(ssl.SSLError):
                self._tls.unwrap()
            self._flush()
            self._transport.close()

    def drop(self) -> None:
        """Close at once."""
        self._closing = True
        self._transport.abort()

    abort = drop

    def finish(self) -> None:
        """The endpoint is deleted before it shook hands."""
        self.drop()

    def clock_moved(self, moved_ns: int, silent: bool) -> None:
        """The exchange's clock was set; handshakes go by the host's."""

    def configure(self) -> None:
        """The endpoint's properties have changed: what has begun goes on."""

    def pause_reading(self) -> None:
        """Take no more for the moment."""
        self._paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on, with what has come already first."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
            self._endpoint.hub.loop.call_soon(self.data_received, b"")

    def get_write_buffer_size(self) -> int:
        """Bytes not sent yet."""
        return self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When to pause and resume writing."""
        self._transport.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the socket knows; ``peercert`` is the client's certificate."""
        return self._tls.getpeercert() if name == "peercert" else self._transport.get_extra_info(name, default)
