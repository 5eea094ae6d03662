"""The protocols that a gateway's endpoints can speak, registered by name; the built-in ones use the same door.

A protocol is a ``Dialect``: a handful of functions without I/O. To add one, register a function that makes it::

    register_protocol("mine", lambda: Dialect("mine", MySession, my_commands, my_render, my_stamp, my_skip))

or name that function as an entry point ``mine`` of the group ``openoutcry.protocols`` in an installed package, where
every gateway finds it when an endpoint first asks for ``mine``.

A protocol that is more than packets (FIX: messages numbered by an application, in sessions that outlive days) brings an
endpoint of its own: ``register_endpoint``. One that is packets, with more around them, has both: its class of endpoints
is derived from PacketEndpoint and has a function ``make_dialect``.

Invariant: nothing else in the gateway knows what a message looks like. What ``render`` returns is stored as it is and
sent as it is, now and in every replay. What a protocol of somebody's own does wrong ends at its fence
(openoutcry.gateway.fence).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from openoutcry import plugins
from openoutcry.errors import ClusterError
from openoutcry.gateway.fence import fenced
from openoutcry.gateway.soupbintcp import ServerSession

if TYPE_CHECKING:
    from openoutcry.gateway.endpoint import Endpoint
    from openoutcry.gateway.hub import Hub

PROTOCOLS_MAX: Final = 64  # names that can be registered
ENTRY_POINTS: Final = "openoutcry.protocols"  # group of entry points in which packages offer more

Event = tuple[Any, ...]


class Session(Protocol):
    """One connection's session layer, sans I/O; ``SoupSession`` is the model.

    Its events are those of openoutcry.gateway.soupbintcp: LoginRequest, Unsequenced (a client's messages), Logout.
    """

    def __init__(self, now_ns: int, heartbeat_ns: int, receive_timeout_ns: int, login_timeout_ns: int) -> None: ...

    def receive(self, data: bytes, now_ns: int) -> Sequence[Any]:
        """What the client's bytes say; raises ProtocolError. b"" looks at what waited for the login's answer."""

    def accept_login(self, session: str, sequence: int) -> bytes:
        """The answer to a LoginRequest: the stream joined and the number of its next message."""

    def reject_login(self, reason: str) -> bytes:
        """The answer to a LoginRequest: soupbintcp.NOT_AUTHORISED or SESSION_NOT_AVAILABLE."""

    def end_of_session(self) -> bytes:
        """The stream has ended."""

    def sent(self, count: int, now_ns: int = 0) -> None:
        """`count` messages of the stream have been sent to the client."""

    def configure(self, heartbeat_ns: int, receive_timeout_ns: int) -> None:
        """The endpoint's times have changed."""

    def forgive(self, ns: int) -> None:
        """Time was moved on by `ns`, which is not to count as the client's silence."""

    def on_timer(self, now_ns: int) -> tuple[bytes, bool, int]:
        """Bytes to send, whether to close the connection, when to call next."""


class Dialect(NamedTuple):
    """One protocol.

    commands(session, payloads, out): append the bus commands for a client's messages; returns how many it ignored.
    stamp(time_ns): what `render` gets as its time, worked out once for the events of one turn.
    render(event, stamp): the packet for one private event, ready to be sent; raises ProtocolError. b"" when the
        protocol has no message for it, which only kinds above wire.RESULT may be.
    skip(data, count): how many bytes the first `count` packets of `data` take.
    read(payload), write(fields, stamp): a client's message as a dictionary with FIX's names (openoutcry.messages), and
        such a dictionary as a packet, for engines of somebody's own; None: they cannot be reached with this protocol.
        They raise ProtocolError and VerbError.
    client: where the class of its clients in scenarios is, as "module:Class" (openoutcry.scenarios.plugged), since
        no gateway needs it; "": they cannot be recorded and replayed.
    """

    name: str
    session: Callable[[int, int, int, int], Session]
    commands: Callable[[int, Sequence[bytes], list[Any]], int]
    render: Callable[[Event, int], bytes]
    stamp: Callable[[int], int]
    skip: Callable[[bytes, int], int]
    read: Callable[[bytes], Mapping[str, Any]] | None = None
    write: Callable[[Mapping[str, Any], int], bytes] | None = None
    client: str = ""


class SoupSession(ServerSession):
    """SoupBinTCP for a gateway, which frames messages once, for its store and its clients alike."""

    __slots__ = ("_default_timeout_ns",)

    def __init__(self, now_ns: int, heartbeat_ns: int, receive_timeout_ns: int, login_timeout_ns: int) -> None:
        super().__init__(now_ns, heartbeat_ns, receive_timeout_ns, login_timeout_ns)
        self._default_timeout_ns = receive_timeout_ns

    def sent(self, count: int, now_ns: int = 0) -> None:
        """`count` sequenced packets have been sent to the client."""
        self.sequence += count
        self._said_ns = now_ns or self._now_ns

    def configure(self, heartbeat_ns: int, receive_timeout_ns: int) -> None:
        """The endpoint's times have changed; a 4.10 client keeps the time-out that it asked for."""
        self._heartbeat_ns = heartbeat_ns
        if self._receive_timeout_ns == self._default_timeout_ns:
            self._receive_timeout_ns = self._default_timeout_ns = receive_timeout_ns


def skip_packets(data: bytes, count: int) -> int:
    """How many bytes the first `count` SoupBinTCP packets of `data` take."""
    at = 0
    for _ in range(count):
        at += 2 + (data[at] << 8 | data[at + 1])
    return at


_factories: dict[str, Callable[[], Dialect]] = {}
MakeEndpoint = Callable[["Hub", str, str, str], "Endpoint"]  # hub, name, protocol, host
_endpoints: dict[str, Callable[[], MakeEndpoint]] = {}


def register_endpoint(protocol: str, factory: Callable[[], MakeEndpoint]) -> None:
    """Let endpoints that speak `protocol` be made by what `factory` returns."""
    if protocol not in _endpoints and len(_endpoints) >= PROTOCOLS_MAX:
        raise ClusterError(f"{PROTOCOLS_MAX} endpoints are registered already, {protocol!r} is one too many")
    _endpoints[protocol] = factory


def endpoint_kind(protocol: str) -> MakeEndpoint | None:
    """What makes endpoints of that protocol; None for one that is a Dialect. Raises ClusterError."""
    _load(protocol)
    factory = _endpoints.get(protocol)
    return factory() if factory is not None else None


def register_protocol(name: str, factory: Callable[[], Dialect]) -> None:
    """Let endpoints speak `name`; `factory` is called for each endpoint that does, when it opens."""
    if name not in _factories and len(_factories) >= PROTOCOLS_MAX:
        raise ClusterError(f"{PROTOCOLS_MAX} protocols are registered already, {name!r} is one too many")
    _factories[name] = factory


def registered() -> dict[str, Callable[[], Dialect]]:
    """What ``register_protocol`` was given, beside the built-in ones."""
    return {name: factory for name, factory in _factories.items() if factory not in _OWN}


def dialect(name: str) -> Dialect:
    """A dialect of protocol `name`. Raises ClusterError when nobody registered it."""
    _load(name)
    factory = _factories.get(name) or _installed(name)
    if factory is None:
        raise ClusterError(f"no protocol {name!r}; there are: {', '.join(sorted(_factories))}")
    make: Callable[[], Any] = factory  # of somebody's own: it may return anything
    try:
        found = make()
    except BaseException as error:  # whatever somebody's plugin does wrong, sys.exit() too
        raise ClusterError(f"protocol {name!r} cannot be made: {plugins.fault(error)}") from error
    if not isinstance(found, Dialect):
        raise ClusterError(f"protocol {name!r} cannot be made: its function returned {found!r:.100}, no Dialect")
    return found if factory in _OWN else fenced(found)


_offered: dict[str, str] = {}


def offer(name: str, path: str) -> None:
    """Let endpoints speak a protocol that `path` (module:attribute) names, which is imported when one does."""
    _offered[name] = path


def _load(name: str) -> None:
    """Register what was offered under that name. Raises ClusterError."""
    path = _offered.get(name)
    if path is None or name in _factories or name in _endpoints:
        return
    try:
        found = plugins.resolve(path)
    except plugins.PluginError as error:
        raise ClusterError(str(error)) from None
    if isinstance(found, type):
        register_endpoint(name, lambda: cast(MakeEndpoint, found))
        if hasattr(found, "make_dialect"):  # it is one of packets
            register_protocol(name, found.make_dialect)
    else:
        register_protocol(name, found)


def _installed(name: str) -> Callable[[], Dialect] | None:
    """What an installed package offers under that name; a broken package is as good as none."""
    from importlib.metadata import entry_points  # slow to import, and hardly ever needed

    for point in entry_points(group=ENTRY_POINTS, name=name):
        try:
            register_protocol(name, point.load())
        except BaseException as error:
            raise ClusterError(f"protocol {name!r} of {point.value} cannot be loaded: {plugins.fault(error)}") from None
        return _factories[name]
    return None


def _ouch42() -> Dialect:
    from openoutcry.gateway import ouch42

    return Dialect(
        "ouch42", SoupSession, ouch42.commands, ouch42.render_packet, ouch42.time_of_day, skip_packets, _read_ouch,
        _write_ouch,
    )  # fmt: skip


def _read_ouch(payload: bytes) -> Mapping[str, Any]:
    from openoutcry.messages import from_ouch  # slow to import, and only for engines of somebody's own

    return from_ouch(payload, inbound=True)


def _write_ouch(fields: Mapping[str, Any], stamp: int) -> bytes:
    from openoutcry.messages import to_ouch  # as above

    payload = to_ouch(fields, inbound=False, strict=False, time_ns=stamp)
    return (len(payload) + 1).to_bytes(2, "big") + b"S" + payload


register_protocol("ouch42", _ouch42)
_OWN: Final = (_ouch42,)  # what makes the dialects that need no fence


def _fix() -> MakeEndpoint:
    from openoutcry.gateway.fix.endpoint import FixEndpoint

    return FixEndpoint


for _version in ("fix", "fix40", "fix41", "fix42", "fix43", "fix44", "fix50", "fix50sp1", "fix50sp2"):
    register_endpoint(_version, _fix)
