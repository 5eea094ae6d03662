"""One FIX session's numbers and messages in the gateway's store: as in a store that is only memory, also over kills."""

from __future__ import annotations

from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from openoutcry.fix.codec import frame
from openoutcry.fix.store import MemoryStore
from openoutcry.gateway.fix import facts
from openoutcry.gateway.fix.approval import Applicant, approve, register_approval
from openoutcry.gateway.fix.sessionstore import GAP_MAX, SessionStore
from openoutcry.gateway.state import State
from openoutcry.gateway.store import Store, Stream

APPLICANT = Applicant("fix", "FIX.4.2:OO->A", "127.0.0.1", "ANN", True, ())


class World:
    """What a SessionStore needs of its gateway. What ``commit`` has not written is lost by ``kill``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hub = SimpleNamespace(commit=self.commit)
        self.open()
        self.session.adopt(self.new_number())
        self.commit()

    def open(self) -> None:
        self.store = Store(self.path)
        self.state = State(self.store)
        self.state.load(self.store.config, self.store.facts)
        self.chunks: list[tuple[Stream, int, bytes]] = []
        self.facts: list[Any] = []
        self.delivery = SimpleNamespace(add_chunk=lambda *chunk: self.chunks.append(chunk))
        self.hosted = SimpleNamespace(touched=False, endpoint="fix", name="FIX.4.2:OO->A", who=())
        self.hosted.touch = lambda: setattr(self.hosted, "touched", True)
        hosted: Any = self.hosted
        sessions: Any = self
        self.session = SessionStore(sessions, hosted, 5)

    def new_number(self) -> int:
        number = int(self.state.facts.get((facts.COUNTER, 0), (0, 0, 0))[2]) + 1
        self.note((facts.COUNTER, 0, number))
        return number

    def note(self, fact: Any) -> None:
        self.state.note(fact)
        self.facts.append(fact)

    def commit(self) -> None:
        self.session.flush()
        self.store.append(self.store.last_event, self.chunks, self.facts)
        self.chunks, self.facts = [], []
        self.hosted.touched = False

    def kill(self) -> None:
        self.store.close()
        self.open()
        self.session.load(1)


def message(number: int, random: Random) -> bytes:
    return frame(b"FIX.4.2", b"35=8\x0134=%d\x0158=%b\x01" % (number, b"x" * random.randrange(300)))


def compare(session: SessionStore, model: MemoryStore, random: Random) -> None:
    assert (session.next_out, session.created_ns) == (model.next_out, model.created_ns)
    begin = random.randrange(1, model.next_out + 2)
    end = random.choice((begin, model.next_out, random.randrange(begin, model.next_out + 50)))
    assert list(session.read(begin, end)) == list(model.read(begin, end))


@pytest.mark.parametrize("seed", range(12))
def test_it_does_what_a_store_in_memory_does_and_a_kill_changes_nothing(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    world = World(tmp_path / "s")
    model = MemoryStore(5)
    for _ in range(300):
        what = random.random()
        if what < 0.7:
            for _ in range(random.randrange(1, 40)):
                data, keep = message(model.next_out, random), random.random() < 0.8
                world.session.add(data, keep)
                model.add(data, keep)
        elif what < 0.75:
            ahead = random.choice((1, 3, GAP_MAX))
            for one in (world.session, model):
                one.set_next_out(one.next_out + ahead)
        elif what < 0.77:  # what was kept before is kept no more
            number = random.choice((model.next_out + GAP_MAX + 1, max(1, model.next_out // 2)))
            world.session.set_next_out(number)
            model = MemoryStore(model.created_ns)
            model.set_next_out(number)
        elif what < 0.8:
            now_ns = random.randrange(10**9)
            world.session.reset(now_ns)
            model.reset(now_ns)
        elif what < 0.9:
            compare(world.session, model, random)  # also what is not written yet
        else:
            world.commit()
            if random.random() < 0.5:
                world.kill()
            compare(world.session, model, random)
    world.store.close()


def test_what_is_not_in_a_whole_record_is_gone_after_a_kill_numbers_included(tmp_path: Path) -> None:
    world, random = World(tmp_path / "s"), Random(1)
    kept = message(1, random)
    world.session.add(kept, True)
    world.commit()
    world.session.add(message(2, random), True)
    world.session.set_next_out(100)
    world.kill()
    assert world.session.next_out == 2
    assert list(world.session.read(1, 10)) == [(1, kept)]
    world.store.close()


def test_a_reader_of_numbers_that_begin_anew_meanwhile_reads_no_more(tmp_path: Path) -> None:
    world, random = World(tmp_path / "s"), Random(1)
    for number in range(1, 2_001):
        world.session.add(message(number, random), True)
        world.commit()
    reader = world.session.read(1, 2_000)
    assert next(reader)[0] == 1
    world.session.reset(7)
    world.commit()
    assert len(list(reader)) < 1_000  # only what was in the piece at hand
    world.store.close()


# ------------------------------------------------------------------------------------------------- approvals
def test_an_approval_welcomes_refuses_or_fails_closed() -> None:
    register_approval("by name", lambda applicant: None if applicant.user == "ANN" else "no")
    register_approval("broken", lambda _: 1 / 0)  # type: ignore[arg-type, return-value]  # it is broken
    register_approval("odd", lambda _: True)  # type: ignore[arg-type, return-value]  # no answer that there is
    assert approve("", APPLICANT) is None
    assert approve("by name", APPLICANT) is None
    assert approve("by name", APPLICANT._replace(user="EVE")) == "no"
    assert approve("broken", APPLICANT) == "approval 'broken' failed: ZeroDivisionError"
    assert approve("odd", APPLICANT) == "approval 'odd' failed"
    assert approve("unknown", APPLICANT) == "there is no approval 'unknown'"
