"""openoutcry.fix.codec against a slow decoder that says the same in other words, over streams partly broken."""

from __future__ import annotations

import functools
import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from openoutcry.fix.codec import DATA_FIELDS, LENGTH_DIGITS, Decoder, Header, body, checksum, possible_duplicate, raw
from openoutcry.fix.dictionary import load
from openoutcry.fix.message import Message, tag_of
from openoutcry.fix.validate import Validator

MAX_SIZE = 150
Found = tuple[list[tuple[bytes, list[tuple[int, bytes]]]], int]

# ------------------------------------------------------------------------------------------------- streams
values = st.one_of(
    st.binary(max_size=6).map(lambda value: value.replace(b"\x01", b"")),
    st.sampled_from([b"a=b", b"8=FIX", b"", b"38=8="]),
)
fields = st.tuples(st.sampled_from([11, 38, 58, 96, 95, 0, -3, 9999, 112]), values)
data_fields = st.binary(max_size=8).map(lambda value: b"95=%d\x0196=%b\x01" % (len(value), value))
bodies = st.one_of(
    st.lists(fields, max_size=4).map(lambda found: b"".join(b"%d=%b\x01" % each for each in found)), data_fields
)
good = bodies.map(lambda text: raw(b"35=D\x01" + text))
lengths = st.one_of(st.none(), st.integers(0, 200), st.sampled_from(["x", "", "-1", "0018", "9" * 12]))
checksums = st.one_of(st.none(), st.sampled_from([0, 7, "abc", "", "0001"]))
begins = st.sampled_from(["FIX.4.2", "", "8=", "FIXT.1.1"])
forced = st.builds(raw, bodies.map(lambda text: b"35=D\x01" + text), begins, lengths, checksums)
starts = st.sampled_from([b"", b"8=", b"8=8=", b"8=FIX.4.2\x019=5\x01", b"8=FIX.4.2\x019=20\x01", b"8=\x019="])
ends = st.sampled_from([b"", b"\x01", b"\x019=5\x01", b"\x0110=", b"\x0110=000\x01", b"\x019=", b"9\x01"])
oversize = st.builds(lambda start, size, end: start + b"0" * size + end, starts, st.integers(100, 160), ends)
junk = st.one_of(st.binary(max_size=12), st.sampled_from([b"8", b"38=1", b"8=8=", b"8=FIX.4.2\x019=5\x01"]), oversize)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    message = bytearray(draw(good))
    place = draw(st.integers(0, len(message) - 1))
    how = draw(st.sampled_from(["change", "drop", "cut"]))
    if how == "change":
        message[place] = draw(st.sampled_from([1, 48, 56, 61, 200]))
    elif how == "drop":
        del message[place]
    return bytes(message[:place] if how == "cut" else message)


streams = st.lists(st.one_of(good, forced, damaged(), junk), max_size=8).map(b"".join)
cuts = st.lists(st.integers(1, 60), max_size=60)


# ------------------------------------------------------------------------------------------------- the slow decoder
def slow(stream: bytes, max_size: int, check_sums: bool = True) -> Found:
    """The messages with their fields, and how many were garbled, of a stream that ends."""
    messages: list[tuple[bytes, list[tuple[int, bytes]]]] = []
    garbled, at = 0, 0
    while stream[at:] not in (b"", b"8"):
        window = stream[at : at + max_size]
        end, onward = end_of(window) if window.startswith(b"8=") else (-1, 0)
        how = rb"8=[^\x01=]{0,32}\x019=" if onward else rb"8="
        if end > 0:
            found = taken_apart(window[:end], check_sums)
            messages += [] if found is None else [(window[:end], found)]
            garbled += found is None
            at += end
        elif end == 0:
            break  # the rest may come yet
        else:
            garbled += 1
            at = next_begin(stream, at + onward, how)
    return messages, garbled


def next_begin(stream: bytes, at: int, how: bytes) -> int:
    """Where the next message begins, whose 8 is not the end of another tag, or the end."""
    for place in range(at, len(stream)):
        if re.match(how, stream[place:]) and not stream[max(place - 1, 0) : place].isdigit():
            return place
    return len(stream)


def end_of(window: bytes) -> tuple[int, int]:
    """(end, 0) of the message; (0, 0): more must come; (-1, where to go on): that cannot help."""
    is_full = len(window) == MAX_SIZE
    nine = window.find(b"\x019=")
    if nine < 0:
        return (-1, 2) if is_full else (0, 0)
    text, mark, _ = window[nine + 3 : nine + 4 + LENGTH_DIGITS].partition(b"\x01")
    if not mark:
        return (-1, nine + 3) if is_full or len(text) > LENGTH_DIGITS else (0, 0)
    start = nine + 4 + len(text)
    if not text.isdigit() or start + int(text) + len(b"10=000|") > MAX_SIZE:
        return -1, nine + 3
    tail = re.compile(rb"\x0110=.*?\x01", re.DOTALL).search(window, start - 1 + int(text))
    if tail is None:
        return (-1, nine + 3) if is_full else (0, 0)
    return tail.end(), 0


def taken_apart(message: bytes, check_sums: bool = True) -> list[tuple[int, bytes]] | None:
    """The fields, or None for a garbled message."""
    found: list[tuple[int, bytes]] = []
    rest = message
    while rest:
        text, equals, rest = rest.partition(b"=")
        tag = tag_of(text)
        if tag is None or not equals:
            return None
        if tag in DATA_FIELDS:
            told = [value for each, value in found if each == DATA_FIELDS[tag]]
            if not told or not told[-1].isdigit() or len(told[-1]) > LENGTH_DIGITS:
                return None
            value, rest = rest[: int(told[-1])], rest[int(told[-1]) :]
            if rest[:1] != b"\x01":
                return None
            rest = rest[1:]
        else:
            value, mark, rest = rest.partition(b"\x01")
            if not mark:
                return None
        found.append((tag, value))
    return found if is_right(found, message, check_sums) else None


def is_right(found: list[tuple[int, bytes]], message: bytes, check_sums: bool) -> bool:
    tags = [tag for tag, _ in found]
    if [*tags[:3], *tags[-1:]] != [8, 9, 35, 10] or any(tags.count(tag) > 1 for tag in (8, 9, 10)):
        return False
    if not check_sums:
        return True
    inner = len(message) - message.index(b"\x0135=") - 1 - len(b"10=\x01") - len(found[-1][1])
    total = sum(message[: -len(b"10=\x01") - len(found[-1][1])]) & 255
    told = found[-1][1]
    return int(found[1][1]) == inner and told.isdigit() and len(told) <= LENGTH_DIGITS and int(told) == total


def fed(stream: bytes, sizes: list[int], decoder: Decoder) -> Found:
    messages: list[Message] = []
    at = 0
    for size in [*sizes, len(stream)]:
        messages += decoder.feed(stream[at : at + size])
        assert decoder.buffered <= MAX_SIZE
        at += size
    return [(message.raw, message.pairs()) for message in messages], decoder.garbled


@settings(max_examples=300)
@given(streams, cuts)
@example(b"38=8=FIX\x01" + raw("35=0|"), [1] * 60)
@example(b"8=8=" + b"z" * 148 + raw("35=0|"), [100, 49, 1, 1])
@example(b"8=FIX" + b"z" * 145 + b"\x019=5\x0135=0\x0110=161\x01" + raw("35=0|"), [100])
@example(b"8=FIX\x019=20\x01" + b"z" * 140, [60])
@example(raw("35=0|", length=0) + raw("35=0|"), [3] * 60)
def test_any_cut_of_any_stream_gives_the_messages_of_the_slow_decoder(stream: bytes, sizes: list[int]) -> None:
    assert fed(stream, sizes, Decoder(max_size=MAX_SIZE)) == slow(stream, MAX_SIZE)


pieces = st.one_of(
    st.sampled_from(
        [b"8=", b"8=A", b"8=A\x019=", b"\x019=", b"\x0110=", b"\x0110=000\x01", b"\x01", b"8", b"=", b"z", b"12"]
    ),
    st.integers(0, 150).map(lambda length: b"8=A\x019=%d\x0135=D\x01" % length),
    st.integers(1, 70).map(lambda size: b"z" * size),
    st.just(raw("35=0|")),
)


@settings(max_examples=600)
@given(st.lists(pieces, max_size=20).map(b"".join), cuts, st.booleans())
@example(b"8=A\x019=100\x018=A\x019=5\x01\x0110=0\x01" + b"z" * 200, [30] * 20, True)
def test_so_does_any_sequence_of_ends_and_beginnings(stream: bytes, sizes: list[int], check_sums: bool) -> None:
    found = fed(stream, sizes, Decoder(MAX_SIZE, check_sums))
    assert found == slow(stream, MAX_SIZE, check_sums)


@given(st.lists(good, max_size=6), cuts)
def test_good_messages_all_arrive(messages: list[bytes], sizes: list[int]) -> None:
    decodable = [each for each in messages if taken_apart(each) is not None]
    found, garbled = fed(b"".join(decodable), sizes, Decoder(max_size=MAX_SIZE))
    assert ([each for each, _ in found], garbled) == (decodable, 0)


@given(st.binary(max_size=400), cuts)
def test_garbage_neither_raises_nor_grows(stream: bytes, sizes: list[int]) -> None:
    fed(stream * 3, sizes, Decoder(max_size=MAX_SIZE))


@given(st.binary(max_size=3_000), st.sampled_from([1, 3]))
def test_checksum_is_the_sum_of_the_bytes(data: bytes, times: int) -> None:
    assert checksum(data * times) == sum(data * times) & 255


# ------------------------------------------------------------------------------------------------- the fast way
ORDER: dict[int, bytes] = {
    1: b"ACCOUNT", 11: b"ORDER1", 21: b"1", 38: b"100", 40: b"2", 44: b"100.25", 54: b"1", 55: b"AAPL", 59: b"0",
    60: b"20260101-00:00:00.123",
}  # fmt: skip
HEADER = Header("FIX.4.2", "ISLD", "TW")
numbers = st.sampled_from([b"", b"x", b"1", b"-1", b"1.", b"1e5", b"+1", b"0" * 20 + b"1", b"a=b", b"1 2"])
odd_values = numbers | st.sampled_from([b"Z", b"\xff", b"20260101-00:00:00", b"20260230-23:59:60.123456789"])
changes = st.dictionaries(st.sampled_from([*ORDER, 34, 52, 49]), odd_values, max_size=3)


@functools.cache
def validator() -> Validator:
    return Validator(load("FIX42"))


def order(changed: dict[int, bytes]) -> bytes:
    fields = {34: b"2", 49: b"ISLD", 52: b"20260101-00:00:00", 56: b"TW"} | ORDER | changed
    header = b"".join(b"%d=%b\x01" % (tag, fields.pop(tag)) for tag in (34, 49, 52, 56))
    return raw(b"35=D\x01" + header + body(sorted(fields.items())))


def has_learned() -> Decoder:
    decoder = Decoder()
    (message,) = decoder.feed(order({}))
    pattern = validator().pattern(message)
    assert validator().check(message) is None
    assert pattern is not None
    decoder.learn(message, pattern)
    return decoder


@given(st.lists(st.tuples(changes, checksums), max_size=5))
def test_the_fast_way_gives_what_the_general_way_and_the_validator_give(
    found: list[tuple[dict[int, bytes], int | str | None]],
) -> None:
    stream = b"".join(raw(order(changed), checksum=check) for changed, check in found)
    fast, general = has_learned(), Decoder()
    quick, plain = fast.feed(stream), general.feed(stream)
    assert [message.raw for message in quick] == [message.raw for message in plain]
    assert [message.pairs() for message in quick] == [message.pairs() for message in plain]
    assert [message.kind for message in quick] == [message.kind for message in plain]
    assert fast.garbled == general.garbled
    # A CheckSum of another length than 3 is read too, but not by the fast way.
    valid = [validator().check(message) is None and len(message[10]) == 3 for message in plain]
    assert [message.checked for message in quick] == valid


@settings(max_examples=200)
@given(st.lists(st.one_of(good, forced, damaged(), junk, changes.map(order)), max_size=6).map(b"".join), cuts)
def test_what_was_learned_changes_nothing_in_any_stream(stream: bytes, sizes: list[int]) -> None:
    fast, at, messages = has_learned(), 0, []
    for size in [*sizes, len(stream)]:
        messages += fast.feed(stream[at : at + size])
        at += size
    general = Decoder()
    assert [message.pairs() for message in messages] == [message.pairs() for message in general.feed(stream)]
    assert fast.garbled == general.garbled
    assert all(validator().check(message) is None for message in messages if message.checked)


# ------------------------------------------------------------------------------------------------- there and back
texts = st.text(st.characters(min_codepoint=32, max_codepoint=255), min_size=1, max_size=20)
extras = st.dictionaries(st.sampled_from([43, 50, 97, 115, 116, 122, 128, 129, 144, 145, 369]), texts, max_size=5)


@given(texts, texts, st.integers(1, 2**40), extras, st.dictionaries(st.integers(1_000, 1_010), texts, max_size=5))
def test_what_is_written_is_read_as_the_same(
    sender: str, target: str, number: int, extra: dict[int, str], fields: dict[int, str]
) -> None:
    more = tuple((tag, text.encode("latin-1")) for tag, text in sorted(extra.items()))
    message = Header("FIX.4.4", sender, target).message(b"D", number, b"then", body(fields.items()), more)
    (found,) = Decoder().feed(message)
    header = {34: b"%d" % number, 49: sender.encode("latin-1"), 52: b"then", 56: target.encode("latin-1"), **dict(more)}
    written = [(tag, text.encode("latin-1")) for tag, text in fields.items()]
    assert found.pairs()[3:-1] == [*sorted(header.items()), *written]
    (again,) = Decoder().feed(possible_duplicate(message, b"now"))
    header = {122: header[52]} | header | {43: b"Y", 52: b"now"}
    assert again.pairs()[3:-1] == [*sorted(header.items()), *written]
