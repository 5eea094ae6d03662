"""Clients that send anything: nothing of it raises, and every command that comes of it is one of the bus.

The second half lets honest clients of all versions trade at random, and works out from their reports alone what they
should have said.
"""

from __future__ import annotations

import random
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.fix.codec import Decoder
from openoutcry.fix.message import Message
from tests.fix_orders_world import FROM_43, VERSIONS, Client, Fields, Floor, client_message, order, pick, request

_KINDS = "D F G H Q j q AF S i Z a E M s AD AE 8 9 B K L u t"
_TAGS = """
    1 11 14 15 17 18 21 22 37 38 40 41 43 44 48 54 55 58 59 60 63 66 67 68 73 77 78 79 97 99 109 110 111 114 115 116 117
    125 126 128 129 131 132 133 134 135 152 168 210 211 263 293 295 296 298 299 301 302 304 388 394 432 453 528 530 537
    548 549 550 552 568 569 584 585 649 790 836 847 1084 1085 1086 1094 1100 1138 1385 1629 2362 2964
"""
_VALUES = """
    0 1 2 3 4 5 6 7 9 A B C D G J K M P R S a X Y -1 1.5 1e9 NaN inf 0x10 100 100.25 -0.5 NOPE 20301231 99999999
    99999999999999999999 9223372036854775808 20301231-23:59:59 20301231-23:59:60 Q1.X.B %d%b%%
"""
LONG = ["", "0" * 44 + "1", "X" * 17, "T" * 64, "T" * 65, "T" * 300, "1 2 G", "G 6 R", "\u00e4\u00f6", "\x02"]
KINDS = _KINDS.split()
TAGS = [int(tag) for tag in _TAGS.split()]
VALUES = _VALUES.split() + LONG


class Anything(Client):
    """A client whose answers are not checked: what it sends may come back."""

    def read(self, data: bytes) -> list[Message]:
        messages = Decoder().feed(data)
        assert len(messages) == 1, data
        return messages


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_a_client_sends_raises(version: str, seed: int) -> None:
    floor = Floor("X", "Y")
    honest = floor.client(version)
    client = Anything(floor, "ALICE", honest.number, honest.settings)
    floor.clients[honest.number] = client
    chance = random.Random(f"{version}{seed}")
    for _ in range(400):
        fields = [(chance.choice(TAGS), chance.choice(VALUES)) for _ in range(chance.randint(0, 14))]
        if chance.random() < 0.8:
            good = {11: f"C{chance.randint(0, 60)}", 54: "1", 55: "X", 38: "10", 40: "2", 44: "9", 117: "Q", 66: "L"}
            fields += [(tag, value) for tag, value in good.items() if chance.random() < 0.9]
        chance.shuffle(fields)
        data = client_message(client.settings, chance.choice(KINDS), fields)
        for message in Decoder().feed(data):
            out: list[Any] = []
            client.application.take(message, out, chance.random() < 0.2)
            for command in out:
                w.check_command(command)
            floor.send(*out)
    other = Anything(Floor(), "ALICE", honest.number, honest.settings)
    other.application.load(client.application.dump())
    assert other.application.dump() == client.application.dump()


def test_a_mass_quote_or_list_of_any_size_is_answered() -> None:
    client = Floor().client("FIX.4.4")
    entries = "".join(f"|299=E{number}|55=X|132=9|134=1" for number in range(w.QUOTES_MAX + 1))
    [said] = client.send(f"35=i|117=Q1|296=1|302=S1|304=129|295={w.QUOTES_MAX + 1}{entries}")
    assert pick(said, 35, 297, 58) == ("b", "5", "a quote has 1 to 128 entries")
    orders = "".join(f"|11=L{number}|67={number}|55=X|54=1|38=1|40=2|44=9" for number in range(1, 102))
    [said] = client.send(f"35=E|66=L1|394=3|68=101|73=101{orders}")
    assert pick(said, 35, 58) == ("j", "a list has 1 to 100 orders")


# ------------------------------------------------------------------------------------------------- honest ones
class Ledger:
    """What a client's reports add up to, by OrderID."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        self.worth: dict[str, Fraction] = {}
        self.ids: set[str] = set()

    def read(self, version: str, report: Fields) -> None:
        """Hold one report against those before it."""
        number = report[37]
        assert report[17] not in self.ids or report[17] == "0", report
        self.ids.add(report[17])
        trade = int(report[32]) if is_trade(version, report) else 0
        self.done[number] = self.done.get(number, 0) + trade
        self.worth[number] = self.worth.get(number, Fraction(0)) + trade * Fraction(report.get(31, "0"))
        done = self.done[number]
        assert int(report[14]) == done, report
        average = self.worth[number] / done if done else Fraction(0)
        assert abs(Fraction(Decimal(report[6])) - average) <= Fraction(1, 10**12), report
        if version != "FIX.4.0" and report[39] in "0125":
            assert int(report[14]) + int(report[151]) == int(report[38]), report
        if report[39] == "2":
            assert report[14] == report[38]


def is_trade(version: str, report: Fields) -> bool:
    """Whether a report is of a trade, by its ExecID."""
    if version == "FIX.4.0":
        return report[17][-1] in "12"
    return re.fullmatch("[0-9]+-[0-9]+", report[17]) is not None


@pytest.mark.parametrize("seed", range(6))
def test_reports_of_random_trading_add_up_in_every_version(seed: int) -> None:
    floor = Floor()
    chance = random.Random(seed)
    clients = [floor.client(version, f"C{place}") for place, version in enumerate(VERSIONS)]
    copies = floor.client(chance.choice(FROM_43), "BACK", DropCopy="all")
    ledgers = {client.name: Ledger() for client in clients}
    open_orders: dict[str, list[tuple[str, int]]] = {client.name: [] for client in clients}
    for count in range(300):
        client = chance.choice(clients)
        mine = open_orders[client.name]
        token, price = f"T{count}", f"{chance.randint(95, 105)}.{chance.choice(('0', '5', '25', '125'))}"
        act = chance.random()
        if act < 0.6 or not mine:
            side = chance.randint(1, 2)
            more = {"t59": chance.choice((0, 1, 3))} if chance.random() < 0.5 else {}
            client.send(order(client.version, token, side, chance.randint(1, 50), price, **more))
            mine.append((token, side))
        else:
            original, side = mine.pop(chance.randrange(len(mine)))
            kind = chance.choice("FG")
            size = {"quantity": chance.randint(1, 60), "price": price} if kind == "G" else {}
            client.send(request(client.version, kind, token, original, side, **size))
            mine.append((token, side))
        for each in clients:
            for kind_, body in each.bodies:
                if kind_ == b"8":
                    fields = dict(field.split("=", 1) for field in body.decode().split("\x01") if field)
                    ledgers[each.name].read(each.version, {int(tag): value for tag, value in fields.items()})
            each.bodies.clear()
    assert sum(done for ledger in ledgers.values() for done in ledger.done.values()) > 100
    assert len(copies.bodies) == sum(len(ledger.ids) for ledger in ledgers.values())
    for client in clients:
        twin = Client(Floor(), client.name, client.number, client.settings)
        for event in floor.events:
            if event[1] == client.number:
                twin.application.absorb(event, floor.world.now)
        assert twin.application.dump() == client.application.dump()
