"""How much a record of a gateway's store may hold, whatever engines of one's own, and protocols, have to say.

A record that is longer than store.RECORD_MAX would be taken for damage at the next start, and all after it be cut off.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from openoutcry import wire
from openoutcry.gateway import delivery, fence, store
from openoutcry.gateway.delivery import Delivery
from openoutcry.gateway.plugin import spoken
from openoutcry.gateway.protocols import Dialect
from openoutcry.gateway.state import State
from openoutcry.gateway.store import Store
from tests.plugin_dialects import lines


def gateway(path: Path, dialect: Dialect) -> Any:
    """A Delivery with a store, and one session that speaks that."""
    kept = Store(path)
    hub: Any = SimpleNamespace(
        fix=SimpleNamespace(acknowledged=False, clock=SimpleNamespace(tick=lambda: None), told=lambda event: None),
        clock=SimpleNamespace(monotonic_ns=lambda: 1),
        hosting=SimpleNamespace(dialect_of=lambda endpoint: dialect),
        do=lambda deed: None,
    )
    found = Delivery(hub, State(kept), kept)
    found.take(1, 1, (
        (wire.ENDPOINT_SET, "orders", "main", "lines", "127.0.0.1", 4001, (), "mine"),
        (wire.SESSION_STREAM, 1, "orders", "ALICE", "0001000001"),
    ))  # fmt: skip
    found.commit()
    return SimpleNamespace(delivery=found, store=kept)


def writing(fields: Any, stamp: int) -> bytes:
    """The longest message that is allowed."""
    return b"x" * fence.WRITTEN_MAX


def test_long_messages_of_engines_of_ones_own_are_stored_in_several_records(tmp_path: Path) -> None:
    found = gateway(tmp_path, spoken(fence.fenced(lines()._replace(write=writing))))
    before = found.store.counters["records"]
    message = json.dumps({"MsgType": "News"}).encode()
    taken = 0
    while taken < 5_000:
        found.delivery.take(3 + taken, 1, ((wire.ECHOED, 1, message),) * 100)
        taken += 100
    found.delivery.commit()
    assert found.store.counters["records"] - before == -(-5_000 * fence.WRITTEN_MAX // delivery.BYTES_MAX)
    found.store.close()
    again = Store(tmp_path)
    assert (again.cut, again.last_event) == (0, 5_002)
    assert again.stream("0001000001").next == 5_001
    again.close()


def test_the_longest_record_is_shorter_than_the_limit() -> None:
    events = delivery.EVENTS_MAX + wire.EVENTS_MAX
    assert events * (fence.RENDERED_MAX + 100) < store.RECORD_MAX
    assert delivery.BYTES_MAX + wire.EVENTS_MAX * fence.WRITTEN_MAX < store.RECORD_MAX


@pytest.mark.parametrize("long", [fence.RENDERED_MAX, fence.RENDERED_MAX + 1])
def test_a_message_for_an_event_is_not_longer_than_any_can_be(tmp_path: Path, long: int) -> None:
    found = fence.fenced(lines()._replace(render=lambda event, stamp: b"x" * long))
    if long == fence.RENDERED_MAX:
        assert len(found.render((wire.SYSTEM, 1, 0), 1)) == long
    else:
        with pytest.raises(fence.Fault, match=f"not at most {fence.RENDERED_MAX} bytes"):
            found.render((wire.SYSTEM, 1, 0), 1)


def test_two_protocols_that_call_themselves_alike_have_each_its_own_time() -> None:
    first = fence.fenced(lines()._replace(stamp=lambda time_ns: 1, render=lambda event, stamp: b"%d" % stamp))
    other = fence.fenced(lines()._replace(stamp=lambda time_ns: 2, render=lambda event, stamp: b"%d" % stamp))
    assert [each.render((wire.SYSTEM, 1, 0), each.stamp(7)) for each in (first, other)] == [b"1", b"2"]
    assert first.stamp != other.stamp
