"""The echo engine: what is sent back, in what order, and after what accidents."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from openoutcry import Exchange
from tests.fix_wire import SOH, Host, Wire, framed, stamp

VERSION = "FIX.4.4"
ORDER = "11=one|38=100|40=1|54=1|55=IBM|60=20261120-10:00:00"


@pytest.fixture(scope="module")
def echo() -> Iterator[Exchange]:
    """An exchange with an echo engine at which anybody may log on."""
    with Exchange() as exchange:
        exchange.create_engine("echo", kind="echo")
        exchange.create_endpoint("fix", "echo", "fix")
        yield exchange


def host(exchange: Exchange, name: str, version: str = VERSION) -> Host:
    return Host(exchange.endpoint("fix").port, version, name)


def test_answers_come_in_the_order_of_what_they_answer(echo: Exchange) -> None:
    async def play() -> None:
        async with await Wire.open(host(echo, "ORDER")) as wire:
            await wire.logon()
            await wire.send(
                f"35=D|34=2|{ORDER}", "35=1|34=3|112=x", f"35=D|34=4|{ORDER}", f"35=D|34=5|{ORDER}|54=1",
                f"35=D|34=6|{ORDER}", "35=H|34=7|11=one|54=1|55=IBM", f"35=D|34=8|{ORDER}", "35=2|34=9|7=8|16=8",
                "35=5|34=10",
            )  # fmt: skip
            await wire.expect(
                f"35=D|34=2|{ORDER}", "35=0|34=3|112=x", f"35=D|34=4|{ORDER}",
                "35=3|34=5|45=5|58=Tag appears more than once|371=54|372=D|373=13", f"35=D|34=6|{ORDER}",
                "35=j|34=7|45=7|58=Unsupported Message Type|372=H|380=3", f"35=D|34=8|{ORDER}",
                f"35=D|34=8|43=Y|122=*|{ORDER}", "35=5|34=9",
            )  # fmt: skip
            await wire.expect_disconnect()

    asyncio.run(play())


def test_many_messages_in_flight_come_back_in_order(echo: Exchange) -> None:
    async def play() -> None:
        async with await Wire.open(host(echo, "MANY")) as wire:
            await wire.logon()
            orders = [ORDER.replace("one", f"o{number}") for number in range(2, 2_002)]
            await wire.send(
                *(f"35=D|34={number}|{text}" for number, text in enumerate(orders, 2)), "35=1|34=2002|112=x"
            )
            await wire.expect(*(f"35=D|34={number}|{text}" for number, text in enumerate(orders, 2)))
            await wire.expect("35=0|34=2002|112=x")

    asyncio.run(play())


def test_a_message_comes_back_with_its_routing_its_groups_and_its_trailer(echo: Exchange) -> None:
    async def play() -> None:
        async with await Wire.open(host(echo, "WHOLE")) as wire:
            await wire.logon()
            route = "50=desk|57=them|97=N|115=a|128=b|142=here|143=there|144=c|145=d"
            parties = "453=2|448=A|447=D|452=1|802=2|523=x|803=1|523=y|803=2|448=B|447=D|452=3"
            mixed = parties.replace("447=D|452=1", "452=1|447=D")
            allocations = "78=1|79=acc|539=1|524=n|525=D|538=1|80=5"
            await wire.send(f"35=D|34=2|{route}|{mixed}|{ORDER}|{allocations}|58=text|93=3|89=abc")
            await wire.expect(
                f"35=D|34=2|{route}|"
                + ORDER.replace("|60", "|58=text|60") + f"|{allocations}|{parties}|93=3|89=abc"
            )  # fmt: skip

    asyncio.run(play())


def test_data_comes_back_byte_for_byte(echo: Exchange) -> None:
    async def play() -> None:
        async with await Wire.open(host(echo, "DATA")) as wire:
            await wire.logon()
            data = bytes(range(1, 256))
            head = wire.message("35=C|34=2|33=1|58=x|94=0").split(SOH)[2:-2]
            fields = [each.decode() for each in head] + [f"95={len(data)}", "96=@", "147=s", "164=t"]
            plain = framed([f"8={VERSION}", *fields]).split(SOH)[2:-2]
            inner = SOH.join(plain).replace(b"96=@", b"96=" + data) + SOH
            message = b"8=FIX.4.4\x019=%d\x01" % len(inner) + inner
            await wire.send_bytes(message + b"10=%03d\x01" % (sum(message) % 256))
            await wire.send("35=1|34=3|112=end")
            while b"112=end" not in wire.buffer:
                wire.buffer += await wire.reader.read(65_536)
            assert b"\x0195=255\x0196=" + data + b"\x01147=s\x01164=t\x0110=" in wire.buffer

    asyncio.run(play())


def test_a_message_too_long_for_the_bus_is_refused(echo: Exchange) -> None:
    async def play() -> None:
        async with await Wire.open(host(echo, "LONG")) as wire:
            await wire.logon()
            await wire.send(f"35=D|34=2|{ORDER}|58={'x' * 20_000}")
            await wire.expect("35=j|34=2|45=2|58=longer than 16128 bytes|372=D|380=0")
            fits = "x" * 15_000
            await wire.send(f"35=D|34=3|{ORDER}|58={fits}")
            await wire.expect(f"35=D|34=3|{ORDER.replace('|60', f'|58={fits}|60')}")
        async with await Wire.open(host(echo, "LONG", "FIX.4.0")) as wire:
            await wire.logon()
            await wire.send(f"35=C|34=2|33=1|58={'x' * 20_000}|94=0")
            await wire.expect("35=3|34=2|45=2|58=longer than 16128 bytes")

    asyncio.run(play())


@pytest.mark.parametrize("victim", ["gateway-1", "matcher"])
def test_what_was_sent_back_can_be_asked_for_after_kill_9(victim: str) -> None:
    async def before(port: int) -> None:
        async with await Wire.open(Host(port, VERSION, "CRASH")) as wire:
            await wire.logon()
            await wire.send(f"35=D|34=2|{ORDER}")
            await wire.expect(f"35=D|34=2|{ORDER}")

    async def after(port: int) -> None:
        async with await Wire.open(Host(port, VERSION, "CRASH")) as wire:
            await wire.send(wire.logon_text(3))
            while (pairs := dict(await wire.read() or ()))[35] == "2":  # it may not know how far it had come
                pass
            number = int(pairs[34])
            assert pairs[35] == "A"
            await wire.send(f"35=4|34=2|43=Y|122={stamp()}|123=Y|36=4", "35=2|34=4|7=2|16=2")
            pairs = dict(await wire.read() or ())
            while pairs[35] == "2":
                pairs = dict(await wire.read() or ())
            assert (pairs[35], pairs[34], pairs[43], pairs[11]) == ("D", "2", "Y", "one")
            assert number >= 3

    with Exchange() as exchange:
        exchange.create_engine("echo", kind="echo")
        port = exchange.create_endpoint("fix", "echo", "fix").port
        asyncio.run(before(port))
        exchange.kill(victim)
        exchange.restart(victim)
        exchange.wait_ready()
        asyncio.run(after(port))


def test_what_waited_for_a_missing_message_is_answered_in_order(echo: Exchange) -> None:
    async def play() -> None:
        async with await Wire.open(host(echo, "WAITED")) as wire:
            await wire.logon()
            await wire.send(f"35=D|34=3|{ORDER}", "35=1|34=4|112=x", "35=0|34=5", f"35=D|34=7|{ORDER}")
            await wire.expect("35=2|34=2|7=2|16=0")
            await wire.send(f"35=D|34=2|43=Y|122={stamp()}|{ORDER}", f"35=D|34=6|43=Y|122={stamp()}|{ORDER}")
            await wire.send("35=1|34=8|112=y")
            await wire.expect(
                f"35=D|34=3|{ORDER}", f"35=D|34=4|{ORDER}", "35=0|34=5|112=x", f"35=D|34=6|{ORDER}",
                f"35=D|34=7|{ORDER}", "35=0|34=8|112=y",
            )  # fmt: skip

    asyncio.run(play())
