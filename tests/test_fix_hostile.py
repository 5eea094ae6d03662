"""Whatever a FIX client sends: its own session answers by the rules or ends, and nobody else notices.

Every hostile client has a session of its own at the same gateway as an honest one, which is logged on all the time and
whose order must be answered after each attack. No attack may raise in the gateway, restart it, or make it grow.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Coroutine, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from openoutcry import Exchange
from tests.fix_wire import PATIENCE_S, SOH, Host, Unexpected, Wire, framed, stamp

GROWTH_MAX: Final = 64_000_000  # bytes that the gateway may take more than at the start: what several sessions may hold
FLOOD: Final = 96_000_000  # bytes that one client pours in: more than that
LOGIN_TIMEOUT_MS: Final = 300
VERSION: Final = "FIX.4.4"


class World:
    """An exchange, an honest client, and room for hostile ones."""

    def __init__(self, exchange: Exchange, runner: asyncio.Runner) -> None:
        self.exchange, self.runner = exchange, runner
        exchange.create_engine("main")
        exchange.create_book("ibm", "main", "IBM")
        self.ports = {name: exchange.create_endpoint(name, "main", "fix").port for name in ("fix", "strict")}
        exchange.set_protocol_property("strict", "login_timeout_ms", LOGIN_TIMEOUT_MS)
        exchange.set_protocol_property("strict", "write_buffer_max", 10_000)
        self.session("GOOD")
        self.session("GOOD", "strict")
        self.honest = self.run(Wire.open(self.host("GOOD")))
        self.run(self.honest.logon(seconds=600))  # it never answers a TestRequest
        self.pids = dict(exchange.pids)
        self.number = 2
        self.check()
        self.memory = self.resident()

    def run(self, attack: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(attack)

    def host(self, name: str, endpoint: str = "fix") -> Host:
        return Host(self.ports[endpoint], VERSION, name)

    def session(self, name: str, endpoint: str = "fix", **settings: str | int) -> Host:
        """A session for a client of that name."""
        self.exchange.create_session(
            endpoint,
            BeginString=VERSION,
            SenderCompID="ISLD",
            TargetCompID=name,
            DataDictionary="FIX44.xml",
            **settings,
        )
        return self.host(name, endpoint)

    def gateway(self) -> dict[str, Any]:
        found: dict[str, Any] = self.exchange.statistics()["gateway-1"]
        return found

    def endpoint(self, name: str = "fix") -> dict[str, Any]:
        found: dict[str, Any] = self.gateway()["endpoints"][name]
        return found

    def of(self, name: str) -> dict[str, Any]:
        """Statistics of the session of a client."""
        found: dict[str, Any] = self.endpoint()["sessions"][f"{VERSION}:ISLD->{name}"]
        return found

    def resident(self) -> int:
        """Bytes of memory that the gateway has."""
        return int(Path(f"/proc/{self.exchange.pids['gateway-1']}/statm").read_text().split()[1]) * 4_096

    def check(self) -> None:
        """The honest client is served, and the gateway is what it was."""
        self.run(self.trade())
        assert dict(self.exchange.pids) == self.pids
        gateway = self.gateway()
        faults = (gateway["exceptions"], gateway["malformed_frames"], gateway["delivery"]["not_rendered"])
        assert faults == (0, 0, 0), self.exchange.log("gateway-1")[-4_000:]

    async def trade(self) -> None:
        number, self.number = self.number, self.number + 1
        await self.honest.send(f"35=D|34={number}|{order(f'good{number}')}")
        pairs = dict(await self.honest.read() or ())
        assert (pairs[35], pairs[11], pairs[39]) == ("8", f"good{number}", "0")


def order(name: str, more: str = "") -> str:
    return f"11={name}|38=1|40=2|44=10|54=1|55=IBM|60=20261120-10:00:00{more}"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Exchange() as exchange, asyncio.Runner() as runner:
        found = World(exchange, runner)
        yield found
        found.run(found.honest.close())


async def all_of(wire: Wire) -> bytes:
    """Everything that comes until the connection ends."""
    data = b""
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(ConnectionError):
            while more := await wire.reader.read(65_536):
                data += more
    return data


async def answered(wire: Wire, number: int, word: str) -> list[str]:
    """Reads up to the Heartbeat that answers a TestRequest; returns the types of what came before.

    The TestRequest comes twice: what was cut short before it may take the first one with it.
    """
    await wire.send(f"35=1|34={number}|112={word}", f"35=1|34={number}|43=Y|122={stamp()}|112={word}")
    kinds: list[str] = []
    while (pairs := await wire.read()) is not None:
        fields = dict(pairs)
        if fields.get(112) == word:
            return kinds
        kinds.append(fields[35])
    raise Unexpected(f"disconnect instead of the answer to TestRequest {word}")


def logon(**fields: str) -> bytes:
    """A Logon of GOOD, with other values for some fields by tag (t49="EVIL")."""
    known = {"8": VERSION, "35": "A", "34": "1", "49": "GOOD", "52": stamp(), "56": "ISLD", "98": "0", "108": "30"}
    known |= {tag[1:]: value for tag, value in fields.items()}
    return framed([f"{tag}={value}" for tag, value in known.items() if value != "-"])


def no_logons(random: Random) -> list[bytes]:
    """What can come first and is no Logon."""
    return [
        b"\0", b"\xff" * 8, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        SOH * 5_000, b"8=" * 5_000, b"8=FIX.4.4\x019=" + b"1" * 5_000, random.randbytes(64_000),
        b"8=FIX.4.4\x019=99999999\x0135=A\x01" + b"x" * 50_000, b"8=FIX.4.4\x019=-1\x0135=A\x0110=000\x01",
        logon()[:40], logon(t9="7"), logon()[:-4] + b"999\x01", logon(t35="D"), logon(t35=""), logon(t34="x"),
        *(random.randbytes(random.randrange(1, 300)) for _ in range(20)),
    ]  # fmt: skip


def test_what_is_no_logon_ends_the_connection_without_a_word(world: World) -> None:
    async def attack(data: bytes) -> bytes:
        async with await Wire.open(world.host("GOOD")) as wire:
            third = len(data) // 3 + 1
            with contextlib.suppress(OSError):
                for at in range(0, len(data), third):
                    await wire.send_bytes(data[at : at + third])
                wire.writer.write_eof()
            return await all_of(wire)

    before = world.endpoint()["unwanted_logons"]
    for data in no_logons(Random(1)):
        assert world.run(attack(data)) == b"", data[:80]
    assert world.endpoint()["unwanted_logons"] > before
    world.check()


WRONG = [
    {"t49": "NOBODY"}, {"t56": "NOBODY"}, {"t49": ""}, {"t49": "-"}, {"t49": "x" * 5_000}, {"t50": "desk"},
    {"t8": "FIX.4.2"}, {"t8": "FIX.9.9"}, {"t8": "FIXT.1.1", "t1137": "9"}, {"t8": "FIXT.1.1", "t1137": "\xff"},
    {"t49": "GOOD->ISLD"},
    {"t49": "\xe4\xf6\xfc"}, {"t52": stamp(-3_600)}, {"t52": "never"}, {"t108": "-1"}, {"t108": "x"},
]  # fmt: skip


@pytest.mark.parametrize("fields", WRONG, ids=map(str, range(len(WRONG))))
def test_a_logon_of_somebody_else_is_a_plain_disconnect_and_counted(world: World, fields: dict[str, str]) -> None:
    async def attack() -> bytes:
        async with await Wire.open(world.host("GOOD", "strict")) as wire:
            await wire.send_bytes(logon(**fields))
            return await all_of(wire)

    names = set(world.endpoint("strict")["sessions"])
    assert world.run(attack()) == b""
    assert set(world.endpoint("strict")["sessions"]) - {f"{VERSION}:ISLD->GOOD"} == names - {f"{VERSION}:ISLD->GOOD"}
    world.check()


def test_a_storm_of_second_logons_does_not_disturb_the_live_session(world: World) -> None:
    async def attack() -> bytes:
        async with await Wire.open(world.host("GOOD")) as wire:
            await wire.send(wire.logon_text(2, "|141=Y"))
            return await all_of(wire)

    async def storm() -> list[bytes]:
        return await asyncio.gather(*(attack() for _ in range(50)))

    before = world.of("GOOD")["second_connections"]
    assert world.run(storm()) == [b""] * 50
    assert world.of("GOOD")["second_connections"] == before + 50
    world.check()


def test_a_logon_that_never_gets_done_is_timed_out(world: World) -> None:
    async def attack() -> int:
        async with await Wire.open(world.host("GOOD", "strict")) as wire:
            sent = 0
            for byte in logon() + SOH * 5_000:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.01):
                        with contextlib.suppress(ConnectionError):
                            assert await wire.reader.read(1) == b""
                        break
                with contextlib.suppress(ConnectionError):
                    await wire.send_bytes(bytes((byte,)) if sent < 100 else b"")
                sent += 1
            return sent

    before = world.endpoint("strict")["timeouts"]
    assert world.run(attack()) < 5_000
    assert world.endpoint("strict")["timeouts"] == before + 1
    world.check()


def test_many_silent_connections_are_closed_and_counted(world: World) -> None:
    before = world.endpoint("strict")

    async def attack() -> list[bytes]:
        wires = await asyncio.gather(*(Wire.open(world.host("GOOD", "strict")) for _ in range(400)))
        await world.trade()
        said = await asyncio.gather(*map(all_of, wires))
        await asyncio.gather(*(wire.close() for wire in wires))
        return said

    assert world.run(attack()) == [b""] * 400
    after = world.endpoint("strict")
    gone = sum(after[name] - before[name] for name in ("timeouts", "refused"))
    assert (gone, after["connections"]) == (400, 0)
    world.check()


def garbled(wire: Wire, random: Random) -> list[bytes]:
    """What is no message, in a session that expects message 2."""
    good = wire.message("35=0|34=2")
    sizes = (b"99999999", b"9" * 40, b"", b"-5", b"x")
    heads = [b"8=" + wire.host.begin.encode() + b"\x019=" + size + SOH for size in sizes]
    return [
        *(head + b"35=0\x01" for head in heads), b"8=FIX" * 3_000, SOH * 3_000, b"10=000\x01" * 500, good[2:],
        good.replace(b"10=", b"11="), good.replace(b"35=0", b"\xff\xfe=0"), good.replace(b"34=2", b"34"),
        good.replace(b"34=2", b"=2"), good[:-1] + b"x" + SOH,
        *(random.randbytes(random.randrange(1, 2_000)) for _ in range(10)),
    ]  # fmt: skip


def test_garbled_messages_are_skipped_and_counted_in_their_session(world: World) -> None:
    host = world.session("GARBLED")

    async def attack() -> int:
        async with await Wire.open(host) as wire:
            await wire.logon()
            number = 2
            for data in garbled(wire, Random(2)):
                await wire.send_bytes(data)
                assert await answered(wire, number, f"w{number}") == [], data[:60]
                number += 1
            return number

    assert world.run(attack()) > 20
    assert world.of("GARBLED")["garbled"] > 10
    world.check()


def strange() -> list[str]:
    """Messages that are whole and make no sense."""
    big, numbers = "9" * 30, ("-5", "0", "2147483648", "9223372036854775808", "1e9", "2.0")
    orders = [
        order("g", "|453=999999999|448=a|447=D|452=1"), order("g", "|78=2147483647"), order("g", "|95=999999999|96=x"),
        order("g", "|453=4000" + "|448=a|447=D|452=1" * 3_000), "11=x|" * 5_000 + "11=x", order("g" * 60_000),
        order("g").replace("38=1", "38=" + "9" * 10_000), order("g").replace("44=10", "44=1e999999999"),
        order("g").replace("44=10", "44=NaN"), order("\xff\xfe"), "52=99999999-99:99:99|" + order("g"),
        "43=Y|122=x|" + order("g"),
    ]  # fmt: skip
    return [
        *(f"35=0|34={number}" for number in (big, *numbers)), "35=" + "D" * 60_000 + "|34=2", "35=A|34=2|108=x",
        *(f"35=4|34=2|123=N|36={number}" for number in (big, *numbers, "")), "35=3|34=2|45=x",
        *(f"35=4|34=2|123=Y|36={number}" for number in (big, *numbers)), "35=5|34=2|58=" + "x" * 60_000,
        *(f"35=2|34=2|7={a}|16={b}" for a, b in (("0", "0"), ("-1", "5"), (big, "0"), ("5", "1"), ("1", big))),
        "35=1|34=2", "35=1|34=2|112=" + "x" * 60_000, "35=V|34=2|262=x|263=1|264=0|267=99999999|146=9",
        *(f"35=D|34=2|{text}" for text in orders),
    ]  # fmt: skip


def test_strange_messages_are_answered_or_end_their_own_session(world: World) -> None:
    host = world.session("STRANGE", ResetOnLogon="Y")

    async def attack(text: str) -> None:
        async with await Wire.open(host) as wire:
            await wire.logon(more="|141=Y")
            await wire.send(text)
            with contextlib.suppress(ConnectionError):
                await wire.send("35=5|34=3")
            with contextlib.suppress(OSError):
                wire.writer.write_eof()
            await all_of(wire)

    for text in strange():
        world.run(attack(text))
        world.check()


def test_a_storm_of_messages_beyond_a_gap_is_bounded_and_recovered_from(world: World) -> None:
    host = world.session("GAPS")

    async def attack() -> dict[str, Any]:
        async with await Wire.open(host) as wire:
            await wire.logon()
            for first in range(10, 6_010, 500):
                await wire.send(*(f"35=0|34={number}" for number in range(first, first + 500)))
            await world.trade()
            held = world.of("GAPS")
            await wire.send(f"35=4|34=2|43=Y|122={stamp()}|123=Y|36=10")
            await wire.send("35=0|34=6010")  # shows that there was no room for all of them to wait
            pairs: Any = ()
            while dict(pairs).get(7) in (None, "2"):
                pairs = await wire.read()
            again = int(dict(pairs)[7])
            await wire.send(f"35=4|34={again}|43=Y|122={stamp()}|123=Y|36=6010")
            assert set(await answered(wire, 6_011, "done")) <= {"2"}
            return held

    held = world.run(attack())
    assert held["waiting"] + held["dropped"] == 6_000
    assert held["dropped"] > 0
    world.check()


def test_a_storm_of_resend_requests_of_a_client_that_reads_nothing_costs_only_itself(world: World) -> None:
    host = world.session("RESEND")

    async def attack() -> None:
        async with await Wire.open(host) as wire:
            await wire.logon()
            for number in range(2, 1_002):
                await wire.send(f"35=D|34={number}|{order(f'r{number}')}")
            for _ in range(1_000):
                await wire.read()
            for number in range(1_002, 1_502):
                await wire.send(f"35=2|34={number}|7=1|16=0")
            await world.trade()
            wire.writer.transport.abort()

    world.run(attack())
    world.check()
    assert world.resident() - world.memory < GROWTH_MAX


def test_a_client_that_sends_and_does_not_read_is_dropped(world: World) -> None:
    host = world.session("DEAF", "strict")

    async def attack() -> None:
        sock = socket.create_connection((host.host, host.port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        async with Wire(host, *await asyncio.open_connection(sock=sock)) as wire:
            await wire.logon()
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is one that reads
            with contextlib.suppress(ConnectionError):
                for first in range(2, 40_002, 200):
                    await wire.send(*(f"35=D|34={number}|{order('x')}|999=x" for number in range(first, first + 200)))

    world.run(attack())
    assert world.endpoint("strict")["dropped_slow"] > 0
    world.check()


def test_messages_of_ever_new_shapes_are_rejected_and_nothing_is_kept_of_them(world: World) -> None:
    host = world.session("SHAPES")

    async def attack() -> None:
        async with await Wire.open(host) as wire:
            await wire.logon()
            random = Random(3)
            for first in range(2, 5_002, 100):
                tags = [random.sample(range(5_000, 9_000), 20) for _ in range(100)]
                texts = (
                    f"35=D|34={first + at}|{order('s')}|" + "|".join(f"{tag}=x" for tag in tags[at])
                    for at in range(100)
                )
                await wire.send(*texts)
                for _ in range(100):
                    assert dict(await wire.read() or ())[35] == "3"

    world.run(attack())
    world.check()
    assert world.resident() - world.memory < GROWTH_MAX


def test_a_flood_that_claims_to_be_one_message_is_not_kept(world: World) -> None:
    host = world.session("FLOOD")

    async def attack() -> None:
        async with await Wire.open(host) as wire:
            await wire.logon()
            await wire.send_bytes(b"8=FIX.4.4\x019=99999999\x0135=D\x01")
            with contextlib.suppress(ConnectionError):
                for _ in range(FLOOD // 1_000_000):
                    await wire.send_bytes(b"58=" + b"x" * 999_996 + SOH)

    world.run(attack())
    world.check()
    assert world.resident() - world.memory < GROWTH_MAX


def test_logging_on_and_off_all_the_time_disturbs_nobody(world: World) -> None:
    host = world.session("RESTLESS")

    async def attack() -> None:
        for turn in range(100):
            async with await Wire.open(host) as wire:
                await wire.logon(2 * turn + 1, 2 * turn + 1)
                await wire.logout(2 * turn + 2, 2 * turn + 2)

    world.run(attack())
    assert world.of("RESTLESS")["logons"] == 100
    world.check()


def test_the_honest_client_was_never_disconnected_or_asked_twice(world: World) -> None:
    world.check()
    found = world.of("GOOD")
    shown = {name: found[name] for name in ("connected", "logons", "garbled", "gaps", "resends", "rejects")}
    assert shown == {"connected": True, "logons": 1, "garbled": 0, "gaps": 0, "resends": 0, "rejects": 0}
    assert all(dict(pairs)[35] in ("A", "8", "0") for pairs in world.honest.seen)
