"""What this life of the matcher knows of its peers on the bus beside the journaled state, and whom it lets in.

Invariant: nothing here is state. It is lost with the process, and every peer's next HELLO brings it back; what has to
outlive the matcher (a peer's generation, its newest command, its stream) is in openoutcry.matcher.machine. What is done
with a connection is in openoutcry.matcher.sequencer.
"""

from __future__ import annotations

from typing import Final

from openoutcry.matcher.machine import PUBLIC, Machine
from openoutcry.wire import ROLES

PEERS_MAX: Final = 128  # peers known to the bus; a name once known stays in the state


class Connection:
    """What this life of the matcher knows of one peer beside the journaled state."""

    __slots__ = (
        "acked",
        "generation",
        "identity",
        "last_command",
        "owes_ack",
        "role",
        "sent",
        "sent_ns",
        "stream",
        "welcome",
    )

    def __init__(self, identity: bytes, stream: str, role: int) -> None:
        self.identity = identity
        self.stream = stream
        self.role = role
        self.generation = 0
        self.last_command = 0  # highest command admitted, this turn's included
        self.sent = 0  # highest event handed to ZeroMQ
        self.sent_ns = 0  # when that was, for a publisher; monotonic
        self.acked = 0  # highest event that the peer says it holds
        self.owes_ack = False
        self.welcome = False


def refusal(machine: Machine, identity: bytes, name: str, role: int) -> str:
    """Why a peer's HELLO is refused, "" when it is not."""
    peer = machine.peers.get(name)
    if name.encode() != identity or name == PUBLIC:
        return f"HELLO from {name!r}, which is not its routing id"
    if peer is None and len(machine.peers) >= PEERS_MAX:
        return f"there are {PEERS_MAX} peers already"
    if peer is not None and peer.role != role:
        return f"{name} was a {ROLES[peer.role]} before"
    return ""
