"""``python -m tests.fuzz [--seed N] [--minutes M] [--commands N]``: the machine against the naive exchange for a while.

It prints its seed first. Each script has a seed of its own, one more than the script before, so ``--seed`` with the one
that is printed beside a difference runs that script at once. A difference is reduced to a short script that still shows
it, and printed as a test that can be pasted; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from random import Random, SystemRandom

from openoutcry import wire as w
from tests.naive.pair import Pair, Script, Setting, Step, describe
from tests.naive.scripts import some_script

LENGTH = 600  # commands in a script: long enough for everything to meet, short enough to be reduced in a minute
REDUCE_SECONDS = 120.0
Broken = Callable[[Setting, Script], bool]


def fault(setting: Setting, script: Script, cut: float) -> tuple[int, str] | None:
    """Where (index of the step) and how a script fails, None when it does not. Past the last step: the replay."""
    pair = Pair(setting)
    try:
        pair.run(script)
        pair.check_replay(cut)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if isinstance(error, AssertionError) else f" ({last.filename}:{last.lineno})"
        return pair.steps, f"{type(error).__name__}: {error}{where}"
    return None


def reduced(setting: Setting, script: Script, broken: Broken) -> tuple[Setting, Script]:
    """A shorter script, in a simpler setting, that is still broken."""
    deadline = time.monotonic() + REDUCE_SECONDS
    script = without_chunks(script, lambda shorter: time.monotonic() < deadline and broken(setting, shorter))
    for symbol, properties in list(setting.books.items()):
        for name in list(properties):
            fewer = {key: value for key, value in setting.books[symbol].items() if key != name}
            simpler = replace(setting, books={**setting.books, symbol: fewer})
            if broken(simpler, script):
                setting = simpler
    return setting, without_terms(script, lambda simpler: broken(setting, simpler))


def without_chunks(script: Script, broken: Callable[[Script], bool]) -> Script:
    """Delta debugging: leave out halves, quarters ... single steps, as long as it stays broken."""
    size = len(script) // 2
    while size:
        start, found = 0, False
        while start < len(script):
            shorter = script[:start] + script[start + size :]
            if broken(shorter):
                script, found = shorter, True
            else:
                start += size
        if not found or size > 1:
            size //= 2
    return script


def without_terms(script: Script, broken: Callable[[Script], bool]) -> Script:
    """Take away terms that do not matter."""
    for index, step in enumerate(script):
        if step[0] not in (w.SUBMIT, w.AMEND, w.CHANGE):
            continue
        for term in step[-1]:
            simpler: Step = (*script[index][:-1], tuple(t for t in script[index][-1] if t != term))
            shorter = [*script[:index], simpler, *script[index + 1 :]]
            if broken(shorter):
                script = shorter
    return script


def report(seed: int, setting: Setting, script: Script, cut: float, at: int, text: str) -> None:
    """Print a difference, then a short script that shows it."""
    print(f"\nseed {seed}: step {at} of {len(script)}: {text}\n\nreducing ...", flush=True)
    kind = text.split("', 'session'")[0].split("\n")[0][:80]  # what differs, after what kind of step

    def broken(setting: Setting, shorter: Script) -> bool:
        found = fault(setting, shorter, cut)
        return found is not None and found[1].startswith(kind)

    setting, script = reduced(setting, script[: at + 1], broken)
    found = fault(setting, script, cut)
    assert found is not None
    print(f"pair = Pair({setting})\npair.run([")
    for step in script:
        print(f"    # {describe(step)}\n    {step},")
    print(f"])\npair.check_replay({cut})\n\nstep {found[0]}: {found[1]}", flush=True)


def run(seed: int, seconds: float, commands: int) -> int:
    """Scripts from `seed` on; 0 when all agree, 1 at the first that does not. commands: 0 for no limit."""
    begin, done = time.monotonic(), 0
    last_said = begin
    while time.monotonic() - begin < seconds and (not commands or done < commands):
        setting, script = some_script(seed, LENGTH)
        cut = Random(seed).random()
        found = fault(setting, script, cut)
        if found is not None:
            report(seed, setting, script, cut, *found)
            return 1
        seed += 1
        done += len(script)
        if time.monotonic() - last_said > 10:
            last_said = time.monotonic()
            print(f"{done:,} commands, {done / (last_said - begin):,.0f}/s, next seed {seed}", flush=True)
    elapsed = time.monotonic() - begin
    print(f"{done:,} commands in {elapsed:.1f} s, {done / elapsed:,.0f}/s: no difference")
    return 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**9), help="of the first script")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (5)")
    parser.add_argument("--commands", type=int, default=0, help="stop after so many; 0: when the time is over")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    return run(chosen.seed, 60 * chosen.minutes, chosen.commands)


if __name__ == "__main__":
    sys.exit(main())
