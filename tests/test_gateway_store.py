"""The session store: what is written is read again, byte for byte, whatever happens to the file in between."""

from __future__ import annotations

import os
import random
import struct
import time
from pathlib import Path

import pytest

from openoutcry import wire
from openoutcry.errors import ClusterError, JournalError
from openoutcry.gateway import store as module
from openoutcry.gateway.protocols import dialect, register_protocol
from openoutcry.gateway.state import State
from openoutcry.gateway.store import Store, Stream
from openoutcry.gateway.wheel import TICK_NS, Wheel

CONFIG = (wire.USER_SET, "ANN", "", "ANN", "scrypt$...")


def packets(first: int, count: int, size: int = 40) -> bytes:
    """Messages that say their own number, framed like SoupBinTCP's."""
    return b"".join(struct.pack(">HcQ", size + 1, b"S", first + i) + b"x" * (size - 8) for i in range(count))


def fill(store: Store, records: int, streams: int = 3, seed: int = 1) -> dict[str, bytes]:
    """Append random records; returns what each stream should read."""
    rng = random.Random(seed)
    expected = {f"0001{n:06d}": b"" for n in range(1, streams + 1)}
    nexts = dict.fromkeys(expected, 1)
    for _ in range(records):
        chunks: list[tuple[Stream, int, bytes]] = []
        for name in rng.sample(sorted(expected), rng.randint(0, streams)):
            count = rng.randint(1, 5)
            data = packets(nexts[name], count)
            nexts[name] += count
            expected[name] += data
            chunks.append((store.stream(name), count, data))
        config = [CONFIG] if rng.random() < 0.1 else []
        store.append(store.last_event + rng.randint(1, 9), chunks, config)
    return expected


def read_all(store: Store, name: str, sequence: int = 1) -> bytes:
    """Everything from `sequence` on, as a client would be sent it."""
    stream = store.stream(name)
    out = b""
    while (piece := store.read(stream, sequence)) is not None:
        skip = sequence - piece.first
        assert skip >= 0
        data = piece.data
        for _ in range(skip):
            data = data[2 + int.from_bytes(data[:2]) :]
        sequence = piece.first + piece.messages
        out += data
    assert sequence == stream.next
    return out


def test_what_is_appended_is_read_again_and_survives_reopening(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    expected = fill(store, 500)
    last = store.last_event
    assert {name: read_all(store, name) for name in expected} == expected
    again = Store(tmp_path / "s")  # as after kill -9: nobody closed the first
    assert again.last_event == last
    assert again.cut == 0
    assert {name: read_all(again, name) for name in expected} == expected
    store.close()
    again.close()


def test_the_directory_and_the_file_are_open_to_their_owner_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    store.close()
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "s" / "sessions").stat().st_mode & 0o777 == 0o600


def test_reading_starts_at_any_message_and_ends_at_the_newest(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    expected = fill(store, 700, streams=2)
    for name, data in expected.items():
        count = store.stream(name).next - 1
        for sequence in (1, 2, count // 3, count // 2, count - 1, count):
            assert read_all(store, name, sequence) == data[(sequence - 1) * 43 :]
        assert store.read(store.stream(name), count + 1) is None
        assert store.read(store.stream(name), 0) is None
    assert store.read(store.stream("nobody"), 1) is None
    store.close()


def test_a_piece_is_bounded_and_the_index_is_sparse(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    stream = store.stream("0001000001")
    for turn in range(5_000):
        store.append(turn + 1, [(stream, 1, packets(turn + 1, 1))])
    assert len(stream.offsets) == 5_000 // module.INDEX_EVERY + 1
    piece = store.read(stream, 100)
    assert piece is not None and piece.first == 100
    assert piece.messages <= module.PIECE_CHUNKS + module.INDEX_EVERY
    big = packets(5_001, 2_000)
    store.append(6_000, [(stream, 2_000, big)])
    last = store.read(stream, 5_500)
    assert last is not None and last.first == 5_001 and last.data == big  # one chunk, larger than PIECE_BYTES
    wide = store.stream("0001000002")
    for turn in range(100):
        store.append(6_001 + turn, [(wide, 100, packets(turn * 100 + 1, 100))])
    first = store.read(wide, 1)
    assert first is not None and len(first.data) <= module.PIECE_BYTES
    store.close()


def test_a_torn_tail_at_every_byte_of_the_last_three_records_is_cut_at_the_last_whole_one(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    fill(store, 20)
    ends = [(os.fstat(store._fd).st_size, store.last_event, fill_state(store))]
    for turn in range(3):
        name = f"0001{turn + 1:06d}"
        stream = store.stream(name)
        store.append(store.last_event + 3, [(stream, 2, packets(stream.next, 2))], [CONFIG])
        ends.append((os.fstat(store._fd).st_size, store.last_event, fill_state(store)))
    store.close()
    whole = (tmp_path / "s" / "sessions").read_bytes()
    cases = 0
    for size in range(ends[0][0], len(whole) + 1):
        end, last, state = next(entry for entry in reversed(ends) if entry[0] <= size)
        for tail in (b"", b"\0" * 50, b"OOG1" + os.urandom(60)):
            if size == len(whole) and tail == b"":
                continue
            torn = tmp_path / "torn"
            torn.mkdir(exist_ok=True)
            (torn / "sessions").write_bytes(whole[:size] + tail)
            found = Store(torn)
            assert (found.last_event, fill_state(found)) == (last, state)
            assert found.cut == size + len(tail) - end
            assert (torn / "sessions").stat().st_size == end
            stream = found.stream("0001000001")
            found.append(last + 1, [(stream, 1, packets(stream.next, 1))])
            found.close()
            cases += 1
    assert cases >= 1_000


def fill_state(store: Store) -> dict[str, bytes]:
    """What each stream of the store reads."""
    return {name: read_all(store, name) for name in ("0001000001", "0001000002", "0001000003")}


@pytest.mark.parametrize("seed", range(5))
def test_a_flipped_bit_is_found_and_everything_before_it_is_kept(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    store = Store(tmp_path / "s")
    expected = fill(store, 60, seed=seed)
    store.close()
    whole = (tmp_path / "s" / "sessions").read_bytes()
    for _ in range(60):
        at = rng.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[at] ^= 1 << rng.randrange(8)
        (tmp_path / "s" / "sessions").write_bytes(damaged)
        found = Store(tmp_path / "s")
        assert found.cut > 0
        assert found._end <= at
        for name, data in expected.items():
            assert data.startswith(read_all(found, name))
        found.close()


def test_rewind_forgets_exactly_the_records_beyond_the_event(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    stream = store.stream("0001000001")
    for turn in range(10):  # events 1..10, 11..20, ...
        store.append((turn + 1) * 10, [(stream, 2, packets(turn * 2 + 1, 2))], [(wire.USER_DELETED, f"U{turn}")])
    store.rewind(50)
    assert store.last_event == 50
    assert [event[1] for event in store.config] == ["U0", "U1", "U2", "U3", "U4"]
    assert read_all(store, "0001000001") == packets(1, 10)
    store.rewind(49)  # within a record: all of it goes
    assert store.last_event == 40
    stream = store.stream("0001000001")
    assert stream.next == 9
    store.append(55, [(stream, 1, packets(9, 1))])
    assert read_all(store, "0001000001") == packets(1, 9)
    store.rewind(0)
    assert (store.last_event, store.config, store.statistics()["bytes"]) == (0, [], 0)
    store.close()


def test_configuration_comes_back_in_order_with_its_types(tmp_path: Path) -> None:
    events = [
        (wire.ENDPOINT_SET, "orders", "main", "ouch42", "127.0.0.1", 0, (("heartbeat_ms", 500), ("x", True)), "any"),
        (wire.USER_SET, "ANN", "orders", "ACC", "scrypt$1"),
        (wire.SESSION_STREAM, 1, "orders", "ANN", "0001000001"),
    ]
    store = Store(tmp_path / "s")
    store.append(2, [], events[:2])
    store.append(3, [], events[2:])
    store.append(1_003, [], [(wire.USER_DELETED, f"U{n}") for n in range(1_000)])
    store.close()
    found = Store(tmp_path / "s").config
    assert found[:3] == events
    assert len(found) == 1_003


def test_compacting_drops_ended_streams_and_keeps_the_others_byte_for_byte(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    expected = fill(store, 400, streams=4)
    store.forget("0001000002")
    store.forget("0001000004")
    before = store.statistics()["bytes"]
    assert store.dead_bytes > 0
    store.compact([CONFIG])
    kept = ("0001000001", "0001000003")
    assert store.statistics()["bytes"] < before
    assert {name: read_all(store, name) for name in kept} == {name: expected[name] for name in kept}
    last = store.last_event
    stream = store.stream("0001000001")
    more = packets(stream.next, 3)
    store.append(last + 1, [(stream, 3, more)])
    store.close()
    again = Store(tmp_path / "s")
    assert again.config == [CONFIG]
    assert again.last_event == last + 1
    assert read_all(again, "0001000001") == expected["0001000001"] + more
    assert read_all(again, "0001000003") == expected["0001000003"]
    assert again.stream("0001000002").next == 1
    again.close()


def test_rewinding_or_tearing_a_compacted_file_starts_from_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    fill(store, 100)
    store.compact([CONFIG])
    size = os.fstat(store._fd).st_size
    whole = (tmp_path / "s" / "sessions").read_bytes()
    store.rewind(store.last_event - 1)
    assert (store.last_event, os.fstat(store._fd).st_size) == (0, 0)
    store.close()
    (tmp_path / "s" / "sessions").write_bytes(whole[: size - 1])
    torn = Store(tmp_path / "s")
    assert (torn.last_event, torn.config, torn.statistics()["bytes"]) == (0, [], 0)
    torn.close()


def test_worth_compacting_only_when_much_of_a_large_file_is_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMPACT_DEAD_MIN", 5_000)
    store = Store(tmp_path / "s")
    fill(store, 100, streams=2)
    assert not store.worth_compacting
    store.forget("0001000001")
    store.forget("0001000002")
    assert store.worth_compacting
    store.compact([])
    assert not store.worth_compacting
    store.close()


def test_a_disk_that_refuses_is_a_journal_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(JournalError, match="file"):
        Store(tmp_path / "file")
    store = Store(tmp_path / "s")
    os.close(store._fd)
    store._fd = os.open(store._file, os.O_RDONLY)
    with pytest.raises(JournalError, match="sessions"):
        store.append(1, [])
    os.close(store._fd)


def test_opening_costs_a_step_a_record_not_a_message(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    streams = [store.stream(f"0001{n:06d}") for n in range(4)]
    for turn in range(1_000):
        chunks = [(stream, 100, packets(stream.next, 100)) for stream in streams[turn % 4 : turn % 4 + 1]]
        store.append(store.last_event + 100, chunks)
    store.close()
    begin = time.perf_counter()
    again = Store(tmp_path / "s")
    took = time.perf_counter() - begin
    assert again.last_event == 100_000
    assert took < 0.5  # 100,000 messages
    again.close()


def test_the_state_of_a_gateway_is_made_anew_by_its_own_events(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    state = State(store)
    for event in (
        (wire.ENDPOINT_SET, "a", "main", "ouch42", "127.0.0.1", 0, (("heartbeat_ms", 1),), "matching"),
        (wire.ENDPOINT_SET, "b", "main", "ouch42", "127.0.0.1", 0, (), "matching"),
        (wire.ENDPOINT_SET, "a", "main", "ouch42", "127.0.0.1", 0, (("heartbeat_ms", 2),), "matching"),
        (wire.USER_SET, "Ann", "", "ANN", "h1"),
        (wire.USER_SET, "BOB", "b", "BOB", "h2"),
        (wire.USER_SET, "EVE", "", "EVE", "h3"),
        (wire.USER_DELETED, "EVE"),
        (wire.SESSION_STREAM, 1, "a", "ANN", "0001000001"),
        (wire.SESSION_STREAM, 2, "b", "BOB", "0001000002"),
        (wire.SESSION_STREAM, 3, "a", "CAT", "0001000003"),
        (wire.SYSTEM, 1, "E"),
        (wire.SESSION_STREAM, 1, "a", "ANN", "0002000001"),
        (wire.SYSTEM, 3, "E"),
        (wire.ENDPOINT_DELETED, "b"),
    ):
        state.apply(event)
    again = State(store)
    again.load(state.events())
    for one in (state, again):
        assert list(one.endpoints) == ["a"] and one.endpoints["a"][6] == (("heartbeat_ms", 2),)
        assert (one.password_hash("a", "ANN"), one.password_hash("a", "BOB"), one.password_hash("b", "BOB")) == (
            "h1", "", "h2",
        )  # fmt: skip
        assert one.stream_name("a", "ANN") == "0002000001"
        assert (one.stream_name("a", "CAT"), one.stream_name("b", "BOB")) == ("", "")
    assert state.events() == again.events()
    assert len(again.events()) == 4
    store.close()


def test_ended_streams_are_let_go_when_the_state_is_loaded(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    stream = store.stream("0001000001")
    store.append(1, [(stream, 1, packets(1, 1))], [(wire.SESSION_STREAM, 1, "a", "ANN", "0001000001")])
    store.append(2, [], [(wire.SYSTEM, 1, "E")])
    store.close()
    again = Store(tmp_path / "s")
    assert again.statistics()["streams"] == 1
    State(again).load(again.config)
    assert again.statistics()["streams"] == 0
    assert again.dead_bytes == again.statistics()["bytes"]
    again.close()


class Bell:
    """Something in the wheel that notes when it was called."""

    def __init__(self) -> None:
        self.tick = 0
        self.rung: list[int] = []

    def on_timer(self, now_ns: int) -> None:
        self.rung.append(now_ns)


def test_the_wheel_calls_once_at_the_newest_deadline_and_never_early() -> None:
    wheel, bell, other = Wheel(0), Bell(), Bell()
    wheel.schedule(bell, 300_000_000)
    wheel.schedule(bell, 100_000_000)
    wheel.schedule(bell, 200_000_000)
    wheel.schedule(other, 0)
    for now in range(0, 500_000_000, 5_000_000):
        wheel.turn(now)
    assert len(bell.rung) == len(other.rung) == 1
    assert 200_000_000 <= bell.rung[0] <= 200_000_000 + 2 * TICK_NS
    wheel.schedule(bell, 0)  # long past
    wheel.turn(550_000_000)
    assert len(bell.rung) == 2


def test_protocols_are_registered_by_name_and_the_built_in_one_through_the_same_door() -> None:
    ouch = dialect("ouch42")
    register_protocol("test-only", lambda: ouch._replace(name="test-only"))
    assert dialect("test-only").name == "test-only"
    with pytest.raises(ClusterError, match=r"no protocol 'nonsense'; there are: ouch42, test-only"):
        dialect("nonsense")
    data = packets(1, 3)
    assert [ouch.skip(data, count) for count in range(4)] == [0, 43, 86, 129]
