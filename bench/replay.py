"""Recovery: how fast a journal is replayed, and how long the matcher is away when it restarts.

A journal of a million order commands (60 % enter, 30 % cancel, 10 % crossing, in frames of 64) is written as the
sequencer writes it. Then, each in a process of its own: recovery from the first record (decode, check, apply, make and
store every event again), and recovery from a snapshot with a tail of 100,000 commands.

    python -m bench.replay [--json] [--commands 1000000]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from openoutcry import verbs, wire
from openoutcry.bus import Directory
from openoutcry.matcher.inputs import apply_input, collect_frames, encode_inputs, epoch_input
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.service import Storage
from openoutcry.process import Settings

FRAME = 64  # commands in a frame, and frames in a turn: one
SETTINGS = {"durability": "none", "snapshot_every": 10**12}


def hello(name: str, role: int) -> tuple[str, bytes]:
    return name, wire.frame(wire.HELLO, name, role, 1, 0)


def commands_of(name: str, first: int, commands: list[Any]) -> tuple[str, bytes]:
    return name, wire.frame(wire.CMD, 1, first, 0, commands)


def preamble() -> Iterator[list[tuple[str, bytes]]]:
    """An engine, a book, an endpoint and a session (number 1)."""
    yield [epoch_input(1), hello("control", wire.ROLE_CONTROL), hello("gateway-1", wire.ROLE_GATEWAY)]
    rows = (("create_engine", "e"), ("create_book", "b", "e", "X"), ("create_endpoint", "p", "e", "ouch42"))
    for number, (verb, *arguments) in enumerate(rows, 1):
        yield [commands_of("control", number, [(wire.VERB, number, verb, verbs.check(verb, arguments))])]
    yield [commands_of("gateway-1", 1, [(wire.BOUND, "p", "127.0.0.1", 1, ""), (wire.LOGON, "p", "U", 1, "")])]


def flow(count: int) -> Iterator[tuple[Any, ...]]:
    """Orders around a fixed middle price; about 2,000 rest."""
    random = Random(42)
    live: list[bytes] = []
    for number in range(count):
        draw = random.random()
        if draw < 0.3 and len(live) > 1:
            index = random.randrange(len(live))
            live[index], live[-1] = live[-1], live[index]
            yield (wire.CANCEL, 1, live.pop(), 0)
            continue
        side = random.choice((wire.BUY, wire.SELL))
        away = random.randrange(1, 50) if draw < 0.9 else -random.randrange(1, 10)
        price = (10_000 - away if side == wire.BUY else 10_000 + away) * 1_000_000
        token = b"%014d" % number
        if away > 0:
            live.append(token)
        shares = random.randrange(1, 100) if away > 0 else random.randrange(1, 300)
        tif = wire.DAY if away > 0 else wire.IOC
        yield (wire.ENTER, 1, token, "X", side, shares, price, wire.LIMIT, tif, 0, 0, bytes(25))


def write(directory: Directory, count: int, tail: int) -> float:
    """Write the journal, with a snapshot `tail` commands before its end; returns seconds."""
    storage = Storage(directory, Settings.load({**SETTINGS}))
    for _ in storage.journal.recover():
        pass
    machine, time_ns = Machine(), 10**18
    began = time.perf_counter()

    def turn(inputs: list[tuple[str, bytes]], held: int) -> None:
        storage.journal.append(machine.sequence + 1, held, time_ns, machine.epoch, encode_inputs(inputs))
        for name, data in inputs:
            apply_input(machine, name, data, time_ns)
        collect_frames(machine, storage.logs)

    for inputs in preamble():
        turn(inputs, len(inputs))
    first, batch, done, snapped = 3, [], 0, False
    for command in flow(count):
        batch.append(command)
        if len(batch) == FRAME:
            time_ns += 1_000_000
            turn([commands_of("gateway-1", first, batch)], FRAME)
            first, done, batch = first + FRAME, done + FRAME, []
            if not snapped and done >= count - tail:
                snapshot(storage, machine)
                snapped = True
    storage.logs.flush()
    storage.journal.close()
    return time.perf_counter() - began


def snapshot(storage: Storage, machine: Machine) -> None:
    positions, files = storage.logs.flush_for_snapshot()
    journal = storage.journal
    storage.snapshots.write(journal.last_record, machine.sequence, machine.dump, journal.chain, positions, files)


def recover(path: str) -> dict[str, Any]:
    """Recover the directory in this process."""
    storage = Storage(Directory(path), Settings.load({**SETTINGS}))
    began = time.perf_counter()
    machine = storage.recover()
    return {"seconds": time.perf_counter() - began, "sequence": machine.sequence, "hash": machine.state_hash()}


def in_a_process_of_its_own(path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.replay", "--recover", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--tail", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--recover", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.recover:
        print(json.dumps(recover(a.recover)))
        return 0
    with tempfile.TemporaryDirectory(prefix="oo-bench-") as scratch:
        directory = Directory(scratch).create()
        write(directory, a.commands, a.tail)
        restart = in_a_process_of_its_own(directory.path)
        for path in (directory.path / "snapshots").iterdir():
            path.unlink()
        full = in_a_process_of_its_own(directory.path)
    assert full["hash"] == restart["hash"]
    result = {
        "commands": a.commands, "replay_seconds": full["seconds"],
        "commands_per_second": a.commands / full["seconds"], "tail": a.tail, "restart_seconds": restart["seconds"],
    }  # fmt: skip
    if a.json:
        print(json.dumps(result))
    else:
        print(
            f"replay of {a.commands:,} commands: {full['seconds']:.2f} s, {result['commands_per_second']:,.0f} a second"
        )
        print(f"recovery from a snapshot and a tail of {a.tail:,}: {restart['seconds']:.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
