"""openoutcry.fix.codec: what is a message and what is garbled (as the reference engine has it), learning, writing."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal

import pytest

from openoutcry.fix import codec
from openoutcry.fix.codec import Decoder, Header, body, checksum, frame, possible_duplicate, raw, split_stored
from openoutcry.fix.message import SHAPES_MAX, Message, Shape, shape_of, shape_of_texts

HEAD = "35=1|34=2|49=TW|52=20260101-00:00:00|56=ISLD|"
GOOD = raw(HEAD + "112=A|")
NEXT = raw("35=1|34=3|49=TW|52=20260101-00:00:00|56=ISLD|112=B|")
AFTER = raw("35=1|34=4|49=TW|52=20260101-00:00:00|56=ISLD|112=C|")


def decoded(data: bytes, decoder: Decoder | None = None) -> tuple[list[bytes], int]:
    """The messages, and how many were garbled."""
    decoder = decoder or Decoder()
    return [message.raw for message in decoder.feed(data)], decoder.garbled


def with_length(length: object) -> bytes:
    return raw(HEAD + "112=A|", length=str(length))


def body_length(message: bytes) -> int:
    return int(message.split(b"\x01")[1][2:])


# ------------------------------------------------------------------------------------------------- messages
def test_a_message_has_its_fields_in_wire_order() -> None:
    (message,) = Decoder().feed(raw("35=D|34=7|11=a=b|58=|11=c|9999=x|"))
    assert message.kind == b"D"
    assert message.pairs() == [
        (8, b"FIX.4.2"), (9, b"33"), (35, b"D"), (34, b"7"), (11, b"a=b"), (58, b""), (11, b"c"), (9999, b"x"),
        (10, message[10]),
    ]  # fmt: skip
    assert (message.get(11), message[11], message.all(11)) == (b"a=b", b"a=b", [b"a=b", b"c"])
    assert (message.get(1), 1 in message, 58 in message, message.checked) == (None, False, True, False)
    with pytest.raises(KeyError):
        message[1]


def test_messages_with_the_same_tags_share_their_shape() -> None:
    first, second = Decoder().feed(GOOD + NEXT)
    assert first.shape is second.shape
    assert first.shape is shape_of((8, 9, 35, 34, 49, 52, 56, 112, 10))


def test_shapes_that_a_peer_makes_up_are_not_all_kept() -> None:
    for tag in range(5_000, 5_000 + SHAPES_MAX + 100):
        assert shape_of((8, 9, 35, tag, 10)).index[tag] == 3
        assert shape_of_texts((b"8", b"9", b"35", b"%d" % tag, b"10")) is not None
    from openoutcry.fix import message

    assert len(message._SHAPES) <= SHAPES_MAX
    assert len(message._SHAPES_OF_TEXTS) <= SHAPES_MAX


@pytest.mark.parametrize("size", [0, 1, 200, 256, 257, 515, 516, 1_030, 70_000])
@pytest.mark.parametrize("byte", [0, 65, 127, 128, 255])
def test_checksum_is_the_sum_of_all_bytes(size: int, byte: int) -> None:
    assert checksum(bytes([byte]) * size) == byte * size & 255


# ------------------------------------------------------------------------------------------------- 2d, 2m, 2t, 3b, 3c
@pytest.mark.parametrize(
    "field",
    [
        "=x",
        "abc=1",
        "99999999999=1",
        "2147483648=1",
        "hello",
        "58=x=35|1",
        "",
        "1 =x",
        "+5=1",
        "1_0=x",
        "9=3",
        "8=FIX.4.2",
        "10=123",
    ],
)
def test_2d_a_message_with_such_a_field_is_garbled(field: str) -> None:
    assert decoded(raw(HEAD + field + "|112=A|") + NEXT) == ([NEXT], 1)


@pytest.mark.parametrize(("field", "tag"), [("0=1", 0), ("-5=1", -5), ("0112=A", 112), ("2147483647=1", 2**31 - 1)])
def test_a_number_is_a_tag_whatever_the_validator_says_to_it(field: str, tag: int) -> None:
    (message,) = Decoder().feed(raw(HEAD + field + "|"))
    assert message.shape.tags[-2] == tag


@pytest.mark.parametrize("less", [1, 5, 30])
def test_2m_a_body_length_too_short_takes_that_message_only(less: int) -> None:
    assert decoded(with_length(body_length(GOOD) - less) + NEXT + AFTER) == ([NEXT, AFTER], 1)


@pytest.mark.parametrize("more", [1, 30, 60])
def test_2m_a_body_length_too_long_takes_the_next_message_too(more: int) -> None:
    assert decoded(with_length(body_length(GOOD) + more) + NEXT + AFTER) == ([AFTER], 1)


@pytest.mark.parametrize("length", ["abc", "-5", "", "0", "99999999", "9" * 5_000, "+57"])
def test_2m_a_body_length_that_is_none_takes_that_message_only(length: str) -> None:
    assert decoded(with_length(length) + NEXT) == ([NEXT], 1)


def test_2m_a_body_length_may_have_leading_zeros() -> None:
    message = with_length(f"00{body_length(GOOD)}")
    assert decoded(message) == ([message], 0)


def test_2t_the_first_three_fields_are_8_9_35() -> None:
    rest = GOOD.split(b"\x01", 3)[3]
    length = b"9=%d\x01" % (len(rest) - len(b"10=000\x01"))
    assert decoded(raw(HEAD.replace("35=1|34=2|", "34=2|35=1|")) + NEXT) == ([NEXT], 1)
    assert decoded(b"8=FIX.4.2\x0135=1\x01" + length + rest + NEXT) == ([NEXT], 1)
    # The 9= that belongs to this 8= is then taken to be that of the next message.
    assert decoded(length + b"8=FIX.4.2\x0135=1\x01" + rest + NEXT + AFTER) == ([AFTER], 2)


@pytest.mark.parametrize("text", ["999", "abc", "", "-10", "1" * 5_000])
def test_3b_a_wrong_checksum_takes_that_message_only(text: str) -> None:
    assert decoded(raw(HEAD + "112=A|", checksum=text) + NEXT) == ([NEXT], 1)


def test_3b_a_checksum_is_read_as_a_number() -> None:
    value = int(GOOD[-4:-1])
    for text in (f"{value}", f"0{value:03}"):
        message = raw(HEAD + "112=A|", checksum=text)
        assert decoded(message) == ([message], 0)


def test_3c_bytes_before_a_message_are_skipped_and_counted_once() -> None:
    assert decoded(b"hello 38=4 world" + GOOD + b"\n" + NEXT) == ([GOOD, NEXT], 2)
    decoder = Decoder()
    for byte in b"hello 38=4 world" * 100 + GOOD:
        decoder.feed(bytes([byte]))
    assert (decoder.garbled, decoder.buffered) == (1, 0)


def test_3c_bytes_after_a_skipped_beginning_are_counted_again() -> None:
    decoder = Decoder()
    for part in (b"junk", GOOD[:30], GOOD[30:], b"junk", NEXT):
        decoder.feed(part)
    assert decoder.garbled == 2


def test_what_was_garbled_last_is_kept_for_the_log_in_part() -> None:
    decoder = Decoder()
    decoder.feed(raw(HEAD + "112=A|", checksum="999"))
    assert decoder.last_garbled == raw(HEAD + "112=A|", checksum="999")
    decoder.feed(b"x" * 100_000)
    assert (decoder.last_garbled, decoder.buffered) == (b"x" * codec.GARBLED_SHOWN, 0)


def test_lengths_and_checksums_are_not_looked_at_when_the_session_says_so() -> None:
    sloppy = raw(HEAD + "112=A|", length=20, checksum="999")
    assert decoded(sloppy + NEXT, Decoder(check_sums=False)) == ([sloppy, NEXT], 0)


# ------------------------------------------------------------------------------------------------- limits
def test_a_message_that_cannot_end_in_time_is_garbled_at_once() -> None:
    for start in (b"8=", b"8=FIX.4.2\x019=5\x01"):
        assert decoded(start.ljust(99, b"z"), Decoder(max_size=100)) == ([], 0)
        assert decoded(start.ljust(100, b"z"), Decoder(max_size=100)) == ([], 1)


@pytest.mark.parametrize("cut", range(len(b"8=FIX.4.2\x019=")))
def test_after_a_message_without_an_end_the_next_one_is_found_however_it_is_cut(cut: int) -> None:
    for before in (b"8=" + b"z" * 98, b"8=" + b"z" * 98 + b"38=8=\x01"):
        decoder = Decoder(max_size=100)
        assert decoder.feed(before) == []
        assert decoder.feed(GOOD[:cut]) == []
        assert [message.raw for message in decoder.feed(GOOD[cut:])] == [GOOD]
        assert decoder.garbled == 1


def test_a_message_is_judged_with_its_last_byte() -> None:
    for message, garbled in ((GOOD, 0), (raw(HEAD + "112=A|", checksum=""), 1)):
        decoder = Decoder()
        found = decoder.feed(message[:-5]) + decoder.feed(message[-5:])
        assert (len(found), decoder.garbled, decoder.buffered) == (1 - garbled, garbled, 0)


def test_what_is_found_too_late_is_not_found() -> None:
    assert decoded(b"8=" + b"z" * 99 + b"\x01" + GOOD, Decoder(max_size=100)) == ([GOOD], 1)
    late = raw(HEAD + "58=" + "z" * 100 + "|", length=5)
    assert decoded(late + GOOD, Decoder(max_size=100, check_sums=False)) == ([GOOD], 1)


def test_a_learned_pattern_does_not_let_a_larger_message_pass() -> None:
    decoder = Decoder(max_size=len(GOOD))
    decoder.learn(decoder.feed(GOOD)[0], PATTERN.replace(b"[A-Z]", b"[A-Z]+"))
    assert decoded(GOOD + raw(HEAD + "112=AA|") + NEXT, decoder) == ([GOOD, NEXT], 1)


def test_a_message_of_the_largest_size_is_taken_and_a_larger_one_is_not() -> None:
    assert decoded(GOOD, Decoder(max_size=len(GOOD))) == ([GOOD], 0)
    assert decoded(GOOD + b"8", Decoder(max_size=len(GOOD) - 1)) == ([], 1)


@pytest.mark.parametrize(
    "start", [b"8=FIX.4.2\x019=60000\x01", b"8=FIX.4.2", b"8=FIX.4.2\x019=", b"8=FIX.4.2\x019=10\x01"]
)
def test_no_more_is_kept_than_a_message_may_have(start: bytes) -> None:
    decoder = Decoder(max_size=1_000)
    decoder.feed(start)
    for _ in range(50):
        decoder.feed(b"z" * 100)
        assert decoder.buffered <= 1_100
    assert decoder.garbled >= 1
    assert decoded(GOOD, decoder)[0] == [GOOD]


def test_data_fields_are_as_long_as_their_length_says() -> None:
    (message,) = Decoder().feed(raw("35=B|95=5|96=a\x01b=c|354=9|355=x\x0110=000\x01|58=t|"))
    assert (message[96], message[355], message[58]) == (b"a\x01b=c", b"x\x0110=000\x01", b"t")
    (message,) = Decoder().feed(raw("35=B|95=3|58=between|96=a\x01b|"))
    assert message[96] == b"a\x01b"
    assert [each[96] for each in Decoder().feed(raw("35=B|95=0|96=|"))] == [b""]
    assert [each.all(96) for each in Decoder().feed(raw("35=B|95=1|96=a|95=3|96=a\x01b|"))] == [[b"a", b"a\x01b"]]


@pytest.mark.parametrize(
    "fields",
    [
        "95=2|96=abX58=t|",
        "95=2|96=abc|",
        "95=9|96=abc|",
        "95=9000|96=abc|",
        "95=x|96=abc|",
        "96=abc|95=3|",
        "96=abc|",
        "95=-1|96=a|",
    ],
)
def test_a_data_field_of_another_length_makes_the_message_garbled(fields: str) -> None:
    assert decoded(raw("35=B|148=h|" + fields) + NEXT) == ([NEXT], 1)


def test_data_fields_of_ones_own() -> None:
    (message,) = Decoder(data_fields={5001: 5000}).feed(raw("35=B|5000=3|5001=a\x01b|96=plain|"))
    assert (message[5001], message[96]) == (b"a\x01b", b"plain")
    assert decoded(raw("35=B|5000=2|5001=abc|") + NEXT, Decoder(data_fields={5001: 5000})) == ([NEXT], 1)


# ------------------------------------------------------------------------------------------------- learning
PATTERN = (
    rb"8=(FIX\.4\.2)\x019=([0-9]+)\x0135=(1)\x0134=([0-9]+)\x0149=(TW)\x0152=([^\x01]+)\x0156=(ISLD)"
    rb"\x01112=([A-Z])\x0110=([^\x01]+)\x01"
)


def learned(message: bytes = GOOD, pattern: bytes = PATTERN) -> Decoder:
    decoder = Decoder()
    decoder.learn(decoder.feed(message)[0], pattern)
    return decoder


def test_what_matches_a_learned_pattern_is_checked_and_otherwise_the_same() -> None:
    messages = learned().feed(GOOD + NEXT)
    assert [message.checked for message in messages] == [True, True]
    assert [message.pairs() for message in messages] == [each.pairs() for each in Decoder().feed(GOOD + NEXT)]
    assert messages[0].kind == b"1"


def test_what_does_not_match_goes_the_general_way() -> None:
    other = raw(HEAD + "112=a|")
    assert [message.checked for message in learned().feed(GOOD + other + NEXT)] == [True, False, True]


def test_patterns_do_not_make_a_garbled_message_a_message() -> None:
    decoder = learned(pattern=PATTERN.replace(b"[0-9]+", b"[0-9-]+"))
    length = body_length(GOOD)
    for bad in (with_length(length - 1), with_length("0" * 5_000 + str(length)), raw(HEAD + "112=A|", checksum="999")):
        assert decoder.feed(bad) == []
    assert decoder.garbled == 3
    assert [message.checked for message in decoder.feed(raw(HEAD + "112=A|", checksum=int(GOOD[-4:-1])))] == [True]


def test_a_pattern_that_does_not_match_its_own_message_is_left_out() -> None:
    for pattern in (PATTERN.replace(b"[A-Z]", b"[B-Z]"), PATTERN.replace(b"([A-Z])", b"[A-Z]"), PATTERN[:-4]):
        assert [message.checked for message in learned(pattern=pattern).feed(GOOD)] == [False]


def test_messages_with_data_are_not_learned() -> None:
    message = raw("35=B|95=3|96=abc|")
    pattern = rb"8=([^\x01]*)\x019=(.*)\x0135=(B)\x0195=(3)\x0196=(abc)\x0110=(.*)\x01"
    assert re.fullmatch(pattern, message)
    assert [each.checked for each in learned(message, pattern).feed(message)] == [False]


def test_several_patterns_are_learned_for_a_kind_but_not_any_number() -> None:
    decoder = Decoder()
    shapes = [raw(HEAD + f"{tag}=A|") for tag in range(700, 700 + codec.PATTERNS_MAX + 2)]
    for each in shapes:
        decoder.learn(decoder.feed(each)[0], PATTERN.replace(b"112", each.split(b"\x01")[-3][:3]))
    checked = [message.checked for message in decoder.feed(b"".join(shapes * 2))]
    assert checked == ([True] * codec.PATTERNS_MAX + [False] * 2) * 2


def test_a_pattern_is_wanted_once_a_shape_is_frequent() -> None:
    decoder = Decoder()
    wanted = [decoder.wants(message) for message in decoder.feed(GOOD * (codec.LEARN_AFTER + 5))]
    assert wanted == [count == codec.LEARN_AFTER for count in range(1, len(wanted) + 1)]
    for tag in range(codec.SEEN_MAX + 10):
        assert not decoder.wants(decoder.feed(raw(HEAD + f"{tag + 5_000}=x|"))[0])
    assert len(decoder._seen) == codec.SEEN_MAX


# ------------------------------------------------------------------------------------------------- writing
def test_a_header_is_ascending_by_tag_after_8_9_35() -> None:
    header = Header("FIX.4.2", "ISLD", "TW42", "SUB", "LOC", "TSUB", "T%LOC")
    message = header.message(b"D", 7, b"20260101-00:00:00", b"11=x\x01")
    assert message == raw(
        "35=D|34=7|49=ISLD|50=SUB|52=20260101-00:00:00|56=TW42|57=TSUB|142=LOC|143=T%LOC|11=x|", begin="FIX.4.2"
    )
    extra = ((43, b"Y"), (97, b"N"), (122, b"then"), (369, b"12"))
    plain = Header("FIXT.1.1", "ISLD", "TW42")
    assert plain.message(b"AE", 12_345, b"now", b"", extra) == raw(
        "35=AE|34=12345|43=Y|49=ISLD|52=now|56=TW42|97=N|122=then|369=12|", begin="FIXT.1.1"
    )
    assert plain.message(b"0", 1, b"now", b"", ((50, b"own"),)) == raw(
        "35=0|34=1|49=ISLD|50=own|52=now|56=TW42|", begin="FIXT.1.1"
    )


def test_values_are_written_exactly() -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678_000)
    berlin = datetime.timezone(datetime.timedelta(hours=1))
    fields: list[tuple[int, codec.Value]] = [
        *((1, b"bytes"), (2, "text"), (3, 42), (4, Decimal("1.50")), (5, Decimal("1E+3")), (6, Decimal("1E-8"))),
        *((7, True), (8, False), (60, moment), (61, moment.replace(microsecond=5, tzinfo=berlin))),
        *((62, moment.date()), (63, moment.time()), (64, Decimal("-0.5")), (65, "é"), (66, "€")),
    ]
    assert body(fields).decode("latin-1") == (
        "1=bytes|2=text|3=42|4=1.50|5=1000|6=0.00000001|7=Y|8=N|60=20260102-03:04:05.678|61=20260102-02:04:05.000005"
        "|62=20260102|63=03:04:05.678|64=-0.5|65=é|66=?|"
    ).replace("|", "\x01")
    assert body([]) == b""


def test_what_cannot_be_written_is_refused() -> None:
    for value in ("a\x0135=D", b"a\x0135=D"):
        with pytest.raises(ValueError, match="tag 58 has an SOH inside"):
            body([(11, b"x"), (58, value)])
    with pytest.raises(ValueError, match="SOH"):
        Header("FIX.4.2", "IS\x01LD", "TW")
    with pytest.raises(TypeError, match="float"):
        body([(44, 1.5)])  # type: ignore[list-item]  # what the test is about
    for number in ("NaN", "Infinity"):
        with pytest.raises(ValueError, match="no number"):
            body([(44, Decimal(number))])
    assert body([(95, 3), (96, b"a\x01b")]) == b"95=3\x0196=a\x01b\x01"


def test_a_possible_duplicate_says_when_it_was_sent_first() -> None:
    header = Header("FIX.4.4", "ISLD", "TW", target_sub="SUB")
    sent = header.message(b"8", 9, b"then", b"11=x\x0143=no header\x0195=3\x0196=a\x01b\x01")
    again = possible_duplicate(sent, b"now")
    assert again == raw(
        "35=8|34=9|43=Y|49=ISLD|52=now|56=TW|57=SUB|122=then|11=x|43=no header|95=3|96=a\x01b|", begin="FIX.4.4"
    )
    assert possible_duplicate(again, b"later") == raw(
        "35=8|34=9|43=Y|49=ISLD|52=later|56=TW|57=SUB|122=then|11=x|43=no header|95=3|96=a\x01b|", begin="FIX.4.4"
    )
    routed = header.message(b"8", 9, b"then", b"11=x\x01", ((90, b"3"), (91, b"a\x01b"), (97, b"Y"), (129, b"T")))
    assert possible_duplicate(routed, b"now") == raw(
        "35=8|34=9|43=Y|49=ISLD|52=now|56=TW|57=SUB|90=3|91=a\x01b|97=Y|122=then|129=T|11=x|", begin="FIX.4.4"
    )


def test_stored_messages_are_split_by_their_lengths() -> None:
    tricky = frame(b"FIX.4.2", b"35=B\x0195=20\x0196=\x0110=000\x018=FIX.4.2-\x01")
    stored = GOOD + b"-" + tricky + b"--" + NEXT
    ends = [split_stored(stored, count) for count in range(7)]
    assert ends == [0, len(GOOD), len(GOOD) + 1, *(len(GOOD + tricky) + n for n in (1, 2, 3)), len(stored)]
    with pytest.raises(ValueError, match=f"no message at byte {len(stored)}"):
        split_stored(stored, 7)


def test_raw_messages_are_right_unless_they_should_be_wrong() -> None:
    right = b"8=FIX.4.2\x019=5\x0135=0\x0110=161\x01"
    assert raw("35=0|") == raw(b"35=0\x01") == raw("8=FIX.4.2|9=5|35=0|10=161|") == raw("8=FIX.4.2|35=0|") == right
    assert raw("35=0|", begin="FIX.4.4", length=7, checksum=3) == b"8=FIX.4.4\x019=7\x0135=0\x0110=003\x01"
    assert raw("8=X|9=1|35=0|10=9|") == b"8=X\x019=1\x0135=0\x0110=9\x01"
    assert raw("35=0|", checksum="z") == b"8=FIX.4.2\x019=5\x0135=0\x0110=z\x01"


def test_a_message_shows_itself_in_a_log_line() -> None:
    (message,) = Decoder().feed(GOOD)
    assert repr(message) == f"Message('{GOOD.decode().replace(chr(1), '|')}')"
    assert repr(Shape((8, 9))) == "Shape(8 9)"
    assert isinstance(message, Message)
