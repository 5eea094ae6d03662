"""What ``openoutcry record`` and ``openoutcry replay`` do: progress on a terminal, the report, the exit code."""

from __future__ import annotations

import importlib.util
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, ClassVar, Final, cast

from openoutcry.errors import OpenOutcryError
from openoutcry.scenarios import comparing, files, recorded, replaying
from openoutcry.scenarios.comparing import Comparison
from openoutcry.scenarios.model import Event, Scenario, ScenarioError, moment_text
from openoutcry.scenarios.stage import MARK, Function

EVERY: Final = 500  # steps or records between two lines of progress
NOT_THE_SAME: Final = 1
NO_SCENARIO: Final = 2


class _Progress:
    """A line on the terminal that is written over; nothing when nobody looks."""

    def __init__(self, words: Callable[[int, int], str], every: int = EVERY) -> None:
        self._words = words
        self._every = every
        self._shown = sys.stderr.isatty()

    def __call__(self, first: int, second: int) -> None:
        if self._shown and first % self._every == 0:
            print(f"\r{self._words(first, second)}\x1b[K", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """The line is over."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------------------------- record
class _Interrupts:
    """The first SIGINT or SIGTERM sets an event instead of ending the program; the second ends it."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> threading.Event:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._set)
        return self.event

    def _set(self, number: int, frame: FrameType | None) -> None:
        self.event.set()
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def __exit__(self, *_: object) -> None:
        self._restore()


def run_record(directory: str, output: str, since: str, until: str, follow: bool) -> int:
    """``openoutcry record``; returns the exit code."""
    if Path(output).suffix not in files.ENDINGS:
        raise ScenarioError(f"{output}: the name of a scenario ends with one of {', '.join(files.ENDINGS)}")
    progress = _Progress(lambda records, steps: f"{records:,} records, {steps:,} steps")
    with _Interrupts() as stop:
        if follow:
            print(f"recording {directory} until interrupted (Ctrl-C)", file=sys.stderr, flush=True)
        found = recorded.record(directory, since=since, until=until, follow=follow, stop=stop, progress=progress)
        progress.done()
        files.save(found, output)
    for text in found.left_out:
        print(f"left out: {text}", file=sys.stderr)
    what = f"{len(found.steps):,} steps and {len(found.events or ()):,} events of {len(found.clients)} clients"
    print(f"{output}: {what}, {moment_text(found.ends)}")
    return 0


# ------------------------------------------------------------------------------------------------- replay
@dataclass(frozen=True)
class Replay:
    """The options of ``openoutcry replay``."""

    NAMES: ClassVar[tuple[str, ...]] = ("file", "directory", "pace", "save", "against", "times", "differences",
                                        "events", "timeout", "plugins", "json")  # fmt: skip
    file: str
    directory: str | None = None
    pace: str | None = None
    save: str | None = None
    against: str | None = None
    times: bool = False
    differences: int = comparing.SHOWN
    events: bool = False
    timeout: float = 5.0
    plugins: str = ""
    json: bool = False


def run_replay(options: Replay) -> int:
    """``openoutcry replay``; returns the exit code."""
    logging.getLogger("openoutcry").addHandler(logging.NullHandler())  # that clients lose connections is no news here
    try:
        what = _load(options.file)
        expected = files.load(options.against) if options.against else what if isinstance(what, Scenario) else None
    except ScenarioError as error:
        print(f"openoutcry replay: {error}", file=sys.stderr)
        return NO_SCENARIO
    if isinstance(what, Scenario) and expected is not None:
        what = replace(what, events=expected.events)  # these are waited for
    settings: dict[str, Any] = {"plugins": options.plugins} if options.plugins and not options.directory else {}
    progress = _Progress(lambda steps, events: f"{steps:,} steps, {events:,} events", 10)
    try:
        came = replaying.replay(what, options.directory, pace=options.pace, timeout=options.timeout,
                                progress=progress, **settings)  # fmt: skip
    except ScenarioError as error:
        raise ScenarioError(f"{options.file}: {error}") from None
    finally:
        progress.done()
    if options.save:
        files.save(came, options.save)
    return _report(expected or replace(came, events=None), came, options)


def _report(expected: Scenario, came: Scenario, options: Replay) -> int:
    out = sys.stderr if options.json else sys.stdout
    if options.events or (expected.events is None and not options.json):
        for event in came.events or ():
            print(_line(event), file=out)
    found = comparing.compare(expected, came, times=options.times)
    if options.json:
        print(json.dumps(_rows(found)))
    elif expected.events is not None or not found.same:
        print(found.report(options.differences))
    return 0 if found.same else NOT_THE_SAME


def _line(event: Event) -> str:
    return json.dumps({"at": moment_text(event.at), "step": event.step, "client": event.client, **event.message})


def _rows(found: Comparison) -> dict[str, Any]:
    rows = [
        {"client": d.client, "step": d.step, "place": d.place, "fields": d.fields, "expected": d.expected,
         "actual": d.actual, "text": str(d)}
        for d in found.differences
    ]  # fmt: skip
    return {"same": found.same, "events": found.events, "clients": found.clients, "differences": rows}


# ------------------------------------------------------------------------------------------------- what to play
def _load(text: str) -> Scenario | Function:
    path, _, name = text.partition(":") if ".py:" in text else (text, "", "")
    if path.endswith(".py"):
        return _function(path, name)
    found = files.load(text)
    if not found.steps:
        raise ScenarioError(f"{text}: it has no steps")
    return found


def _function(path: str, name: str) -> Function:
    """The function of that name in a Python file, or the only one that is marked."""
    module = _module(path)
    marked = {key: value for key, value in vars(module).items() if getattr(value, MARK, False)}
    found = getattr(module, name, None) if name else next(iter(marked.values()), None)
    if (name and not callable(found)) or (not name and len(marked) != 1):
        names = ", ".join(marked) or "none"
        wish = (
            f"has no function {name!r}" if name else "must have one function that is marked by @scenario, or say which"
        )
        raise ScenarioError(f"{path} {wish}; marked are: {names}")
    return cast(Function, found)


def _module(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise ScenarioError(f"{path}: No such file or directory")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except OpenOutcryError:
        raise
    except Exception as error:
        raise ScenarioError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from None
    return module
