"""Random numbers that are a function of the journal: a seed that a verb set, and what the draw is for.

Invariant: a draw has no state. The same seed and keys give the same number in every process, for ever; whoever draws
again counts, keeps the count in the state, and puts it among the keys.
"""

from __future__ import annotations

from hashlib import blake2b


def draw(below: int, seed: int, *keys: int) -> int:
    """A number from 0 to ``below - 1``, evenly spread. below: from 1 to 2**53; seed, keys: integers of 64 bits."""
    text = ",".join(map(str, (seed, *keys))).encode()
    return int.from_bytes(blake2b(text, digest_size=16).digest(), "big") % below


def key_of(name: str) -> int:
    """A name as a key: what is made anew under the same name draws the same again, whatever came before it."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
