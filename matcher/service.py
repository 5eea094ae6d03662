"""The matcher process: recover, then turn until told to stop, and take a snapshot now and then.

Invariant: what this process tells anybody is in the journal first (openoutcry.matcher.sequencer). Starting is
recovering: newest snapshot -> streams cut to it -> the journal's tail replayed -> serve. When the disk refuses a write
or a sync the process stops at once with EXIT_JOURNAL; what was not acknowledged may be lost, nothing else is.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from typing import Final

import zmq

from openoutcry.bus import Directory, matcher_socket
from openoutcry.errors import JournalError
from openoutcry.matcher import pluginload
from openoutcry.matcher.inputs import replay
from openoutcry.matcher.journal import Journal
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.sequencer import Sequencer
from openoutcry.matcher.snapshot import Snapshot, SnapshotStore
from openoutcry.matcher.streams import StreamLogs
from openoutcry.plugins import PluginError, begin
from openoutcry.process import Settings, StopSignal, set_up_logging

log = logging.getLogger("openoutcry.matcher")

EXIT_JOURNAL: Final = 5  # the journal is damaged, or the disk refuses
FINAL_SNAPSHOT_COMMANDS: Final = 10_000  # a clean stop takes a snapshot when a restart would replay more than this


class Storage:
    """The matcher's files: journal, streams and snapshots of one directory."""

    def __init__(self, directory: Directory, settings: Settings) -> None:
        self._every = settings.snapshot_every
        self.journal = Journal(
            directory.path / "journal", settings.durability, settings.segment_bytes, settings.relaxed_sync_ms
        )
        self.logs = StreamLogs(directory.path / "streams")
        self.snapshots = SnapshotStore(directory.path / "snapshots", durable=settings.durability != "none")
        self._covered = 0  # sequence number that the newest snapshot covers

    def recover(self) -> Machine:
        """The machine as it was when the journal ended. Raises JournalError and PluginError."""
        began = time.monotonic()
        snapshot = self.snapshots.load_newest()
        machine = _loaded(snapshot)
        if snapshot is None or machine is None:
            machine = Machine()
            self.logs.restore({})
            replayed = replay(machine, self.logs, self.journal.recover())
        else:
            self._covered = snapshot.sequence
            self.logs.restore(snapshot.positions)
            turns = self.journal.recover(snapshot.record_number, snapshot.chain)
            replayed = replay(machine, self.logs, turns)
        seconds = time.monotonic() - began
        if machine.sequence:
            log.info("recovered to sequence %d: %d replayed in %.3f s", machine.sequence, replayed, seconds)
        return machine

    def keep_up(self, machine: Machine) -> None:
        """Between turns: notice a finished snapshot, begin one when it is time."""
        if self.snapshots.busy:
            result = self.snapshots.poll()
            if result is not None and not result.error:
                self.logs.mark_durable(result.positions)
        elif machine.sequence - self._covered >= self._every:
            self._covered = machine.sequence  # also when it fails: try again after as many commands
            positions, files = self.logs.flush_for_snapshot()
            files = [*self.journal.unsynced_files(), *files]
            self.snapshots.begin(
                self.journal.last_record, machine.sequence, lambda: _kept(machine), self.journal.chain, positions, files
            )

    def close(self, machine: Machine) -> None:
        """Stop cleanly: a last snapshot when that saves a long replay."""
        self.snapshots.close()
        if machine.sequence - self._covered >= FINAL_SNAPSHOT_COMMANDS:
            self._last(machine)
        self.journal.close()
        self.logs.close()

    def _last(self, machine: Machine) -> None:
        try:
            state = _kept(machine)
        except PluginError as error:  # the next start replays more
            log.warning("no snapshot: %s", error)
            return
        positions, files = self.logs.flush_for_snapshot()
        files = [*self.journal.unsynced_files(), *files]
        self.snapshots.write(self.journal.last_record, machine.sequence, state, self.journal.chain, positions, files)


def _kept(machine: Machine) -> bytes:
    """What a snapshot holds. Raises PluginError when that would not be everything."""
    pluginload.check_kept(machine)
    return machine.dump()


def _loaded(snapshot: Snapshot | None) -> Machine | None:
    """The machine of a snapshot; None when there is none that its plugins go on from: the journal has it all."""
    if snapshot is None:
        return None
    try:
        return Machine.load(snapshot.state)
    except PluginError as error:
        log.warning("the journal is replayed from its beginning instead of a snapshot: %s", error)
        return None


def run(directory: Directory, name: str, settings: Settings) -> int:
    """Be the matcher of `directory` until SIGTERM or SIGINT. Returns the exit code."""
    set_up_logging(name, settings.log_level)
    lock = directory.lock(name)
    context = zmq.Context()
    try:
        with StopSignal() as stop:
            begin(settings.plugins, settings.plugin_path)
            storage = Storage(directory, settings)
            machine = storage.recover()
            socket = matcher_socket(context, directory.address("bus"))
            sequencer = Sequencer(machine, storage.journal, storage.logs, socket, settings.plugins)
            sequencer.begin()
            directory.announce(name, kind="matcher", bus=directory.address("bus"), durability=settings.durability)
            log.info(
                "ready: epoch %d, sequence %d, durability %s", machine.epoch, machine.sequence, settings.durability
            )
            gc.collect()
            gc.freeze()
            # The machine makes no reference cycles, and to look for some among a million orders stops trading for
            # a tenth of a second: so nobody looks.
            gc.disable()
            sequencer.serve(stop, lambda: storage.keep_up(machine))
            storage.close(machine)
            socket.close()
        log.info("stopped at sequence %d", machine.sequence)
        return 0
    except JournalError as error:
        log.critical("the matcher stops, nothing more is acknowledged: %s", error)
        return EXIT_JOURNAL
    except PluginError as error:
        log.critical("the matcher does not start: its journal needs a plugin. %s", error)
        return EXIT_JOURNAL
    finally:
        context.destroy(linger=0)
        os.close(lock)
