"""openoutcry.fix.pretty: a message as people read it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.fix.codec import Decoder, raw
from openoutcry.fix.dictionary import load
from openoutcry.fix.message import Message
from openoutcry.fix.pretty import describe, printable


def received(text: str, begin: str = "FIX.4.4") -> Message:
    (message,) = Decoder().feed(raw(text, begin=begin))
    return message


def test_fields_have_names_and_meanings_and_groups_are_indented() -> None:
    groups = "453=2|448=P1|447=D|802=2|523=s1|803=1|523=s2|803=2|448=P2|"
    text = "35=D|11=x|" + groups + "18=1 G|44=1.5|9999=q\xe9|58=|95=3|96=a\x01b|"
    assert describe(received(text), load("FIX44")).splitlines() == [
        "    8  BeginString           FIX.4.4",
        "    9  BodyLength            106",
        "   35  MsgType               D  NewOrderSingle",
        "   11  ClOrdID               x",
        "  453  NoPartyIDs            2",
        "       - 448    PartyID               P1",
        "         447    PartyIDSource         D  PROPRIETARY",
        "         802    NoPartySubIDs         2",
        "              - 523    PartySubID            s1",
        "                803    PartySubIDType        1  FIRM",
        "              - 523    PartySubID            s2",
        "                803    PartySubIDType        2  PERSON",
        "       - 448    PartyID               P2",
        "   18  ExecInst              1 G  NOT_HELD, ALL_OR_NONE",
        "   44  Price                 1.5",
        " 9999  ?                     q\\xe9",
        "   58  Text",
        "   95  RawDataLength         3",
        "   96  RawData               a\\x01b",
        "   10  CheckSum              037",
    ]


def test_fixt_messages_are_described_with_both_dictionaries() -> None:
    text = describe(received("35=A|98=0|1137=9|", "FIXT.1.1"), load("FIX50SP2"), load("FIXT11"))
    assert text.splitlines()[2:5] == [
        "   35  MsgType               A  Logon",
        "   98  EncryptMethod         0  NONE",
        " 1137  DefaultApplVerID      9",
    ]


def test_what_no_dictionary_knows_has_no_name() -> None:
    assert describe(received("35=ZZ|7777=1|"), load("FIX42")).splitlines()[2:4] == [
        "   35  MsgType               ZZ",
        " 7777  ?                     1",
    ]


tags = st.sampled_from([453, 448, 447, 802, 523, 803, 11, 555, 600, 539, 524, 9999, 0])


@given(st.lists(st.tuples(tags, st.binary(max_size=4).map(lambda value: value.replace(b"\x01", b"")))))
def test_every_field_of_any_message_has_its_line(fields: list[tuple[int, bytes]]) -> None:
    message = Decoder().feed(raw(b"35=D\x01" + b"".join(b"%d=%b\x01" % each for each in fields)))[0]
    lines = describe(message, load("FIX44")).splitlines()
    shown = [
        (line.strip().removeprefix("- ").split()[0], printable(value))
        for line, value in zip(lines, message.values, strict=True)
    ]
    assert shown == [(str(tag), printable(value)) for tag, value in message.pairs()]
    assert all(value in line for line, (_, value) in zip(lines, shown, strict=True))
