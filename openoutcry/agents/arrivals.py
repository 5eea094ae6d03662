"""When an agent acts: at random, and in clusters, as orders come in markets.

``Hawkes`` is a self-exciting process: each action raises the rate of further ones for a while (Hawkes, 1971, with an
exponential kernel; drawn by Ogata's thinning). With `clustering` 0 it is a Poisson process.

Invariant: the times depend on the numbers and the random source alone, and each is later than the one before.
"""

from __future__ import annotations

from math import exp
from random import Random
from typing import Final

from openoutcry.errors import ClientError

SECOND_NS: Final = 1_000_000_000
ACTIVITY: Final = {"none": 0.0, "slow": 2.0, "fast": 50.0}  # actions a second of one agent, on average
CLUSTERING: Final = 0.5
MEMORY_S: Final = 0.5  # in which the excitement after an action falls to a third
NEVER: Final = 2**63 - 1  # ns


class Hawkes:
    """Times of actions, in ns since the start.

    rate: actions a second on average; 0: never. clustering: how many further actions each one sets off on average,
    0 to 0.95 (at 1 they would never end). memory_s: how long it takes until this has fallen to a third.
    """

    def __init__(self, rate: float, random: Random, clustering: float = CLUSTERING, memory_s: float = MEMORY_S) -> None:
        if not (0 <= rate <= 1e6 and 0 <= clustering <= 0.95 and 0 < memory_s <= 3_600):
            raise ClientError(f"arrivals at {rate} a second, clustering {clustering} (0 to 0.95), memory {memory_s} s")
        self._random = random
        self._base = rate * (1 - clustering)
        self._jump = clustering / memory_s
        self._memory = memory_s
        self._excited = 0.0  # rate above the base, right after `_time`
        self._time = 0.0  # s
        self._last_ns = 0

    def next_ns(self) -> int:
        """The next time; NEVER when there is none."""
        if not self._base:
            return NEVER
        while True:
            ceiling = self._base + self._excited
            wait = self._random.expovariate(ceiling)
            self._time += wait
            self._excited *= exp(-wait / self._memory)
            if self._random.random() * ceiling <= self._base + self._excited:
                self._excited += self._jump
                self._last_ns = max(self._last_ns + 1, int(self._time * SECOND_NS))
                return self._last_ns
