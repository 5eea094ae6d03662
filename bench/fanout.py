"""Market data fan-out: how many published changes a second reach ten subscribers, and what one costs the publisher.

A real publisher process is fed over the real bus by a ROUTER that stands for the matcher; ten subscriber processes
receive over TCP, decode and check every message with openoutcry.feed, and look for gaps. A change is one public event
(an order added, reduced or traded), over 4 books with 1,000 to 2,000 orders each. The feeder stays at most WINDOW
frames ahead of the slowest subscriber: the figure is what all of them together can take without loss.

    nothing   nobody subscribes: what keeping books and numbers costs
    depth     ten subscribers to `depth`
    all       ten subscribers to `bbo`, `depth` and `order`
    single    like `depth`, but with one change in a frame, as in a calm market: no coalescing

    python -m bench.fanout [--json] [--subscribers 10] [--batch 64]
"""

from __future__ import annotations

import argparse
import json
import mmap
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, Final

import zmq

from bench.orders import cpu_ns
from openoutcry import bus, feed, wire

BOOKS: Final = 4
LIVE: Final = (4_000, 8_000)  # orders in all books together: below, more are added; above, more are taken
WINDOW: Final = 512  # frames the feeder is ahead of the slowest subscriber
MESSAGE_FRAMES: Final = 8
PATIENCE_S: Final = 60.0
RUN: Final = (
    "import sys; from openoutcry import bus, process; from openoutcry.marketdata.service import run; "
    "process.die_with_parent(); sys.exit(run(bus.Directory(sys.argv[1]), 'marketdata', process.Settings()))"
)
CASES: Final = {
    "nothing": ((), 0),
    "depth": ((feed.DEPTH,), 0),
    "all": ((feed.BBO, feed.DEPTH, feed.ORDER), 0),
    "single": ((feed.DEPTH,), 1),
}


# ------------------------------------------------------------------------------------------------- feeding
def make_events(count: int, seed: int = 7) -> list[tuple[Any, ...]]:
    """Public events as a matcher sends them, without crossed books."""
    random = Random(seed)
    live: list[tuple[int, int, int]] = []
    events: list[tuple[Any, ...]] = []
    order = match = 0
    while len(events) < count:
        share = 0.9 if len(live) < LIVE[0] else 0.3 if len(live) > LIVE[1] else 0.5
        book, side = random.randint(1, BOOKS), random.randint(1, 2)
        if random.random() < share:
            order += 1
            steps = 1 + int(random.expovariate(0.1))
            price = (18_550 - steps if side == 1 else 18_550 + steps) * 1_000_000
            live.append((book, order, price))
            events.append((wire.ADDED, book, order, side, 100, price))
            continue
        at = random.randrange(len(live))
        live[at], live[-1] = live[-1], live[at]
        book, taken, price = live.pop()
        if random.random() < 0.25:
            match += 1
            events.append((wire.TRADED, book, taken, 100, price, match, side, 0))
        else:
            events.append((wire.REDUCED, book, taken, 100, 0))
    return events


def make_frames(events: list[tuple[Any, ...]], batch: int) -> list[tuple[int, bytes]]:
    """(last event, EV frame): the books, then the events in frames of `batch`; a frame's time is its number."""
    books = [(wire.BOOK_SET, n, f"book{n}", "main", f"SYM{n}", ()) for n in range(1, BOOKS + 1)]
    frames = [(BOOKS, wire.frame(wire.EV, 1, 1, 0, books))]
    for start in range(0, len(events), batch):
        part = events[start : start + batch]
        first = frames[-1][0] + 1
        frames.append((first + len(part) - 1, wire.frame(wire.EV, 1, first, len(frames), part)))
    return frames


class Feeder:
    """The matcher's side of the bus for one publisher."""

    def __init__(self, context: zmq.Context[Any], directory: bus.Directory, frames: list[tuple[int, bytes]]) -> None:
        self.socket = bus.matcher_socket(context, directory.address("bus"))
        self.frames = frames
        self.acked = 0
        self.known = False
        self.peer = b"marketdata"

    def listen(self, timeout_ms: int = 0) -> None:
        """Take what the publisher says."""
        while self.socket.poll(timeout_ms):
            self.peer, data = self.socket.recv_multipart()
            message = wire.decode_frame(data) if data else (0,)
            if message[0] == wire.HELLO:
                self.known = True
                self.socket.send_multipart([self.peer, wire.frame(wire.WELCOME, 1, 0, 0)])
            elif message[0] == wire.ACK and self.known:
                self.acked = message[2]
            elif not self.known:
                self.socket.send_multipart([self.peer, wire.frame(wire.ERROR, wire.ERROR_HELLO, "say HELLO")])
            timeout_ms = 0

    def send(self, start: int, end: int) -> bool:
        """Send frames `start` to `end`; False when there is no room."""
        try:
            self.socket.send_multipart([self.peer, *(data for _, data in self.frames[start:end])], zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True


class Progress:
    """The number of the last frame that each subscriber has decoded whole, in shared memory."""

    def __init__(self, path: Path, count: int) -> None:
        if not path.exists():
            path.write_bytes(bytes(8 * count))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 8 * count)
        self.layout = struct.Struct(f"<{count}Q")

    def slowest(self) -> int:
        return min(self.layout.unpack(self.map[:]), default=0)

    def set(self, index: int, frame: int) -> None:
        struct.pack_into("<Q", self.map, 8 * index, frame)


# ------------------------------------------------------------------------------------------------- a subscriber
def subscriber(path: Path, index: int, count: int, channels: list[str], last_frame: int) -> None:
    """Receive until the last frame's message of every channel; print the figures as JSON."""
    progress = Progress(path / "progress", count)
    seqs: dict[bytes, int] = {}
    figures = {"messages": 0, "rows": 0, "gaps": 0, "bytes": 0}
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, feed.RECEIVE_HWM)
        for channel in (*channels, feed.HEARTBEAT):
            socket.setsockopt(zmq.SUBSCRIBE, channel.encode() + b"/")
        socket.connect(bus.Directory(path).announced("marketdata")["feed"])
        socket.recv_multipart()  # a heartbeat: connected and subscribed
        print("ready", flush=True)
        done = 0
        while done < last_frame:
            if not socket.poll(int(PATIENCE_S * 1e3)):
                break
            done = max(done, _drain(socket, seqs, figures))
            progress.set(index, done)
    print(json.dumps({**figures, "complete": done >= last_frame and not figures["gaps"]}), flush=True)


def _drain(socket: zmq.Socket[bytes], seqs: dict[bytes, int], figures: dict[str, int]) -> int:
    frame = 0
    try:
        while True:
            topic, data = socket.recv_multipart(zmq.NOBLOCK)
            channel = topic.partition(b"/")[0].decode()
            message = feed.decode(channel, data)
            if channel == feed.HEARTBEAT:
                continue
            if message[0] != seqs.get(topic, 0) + 1:
                figures["gaps"] += 1
            seqs[topic] = message[0]
            figures["messages"] += 1
            figures["bytes"] += len(data)
            figures["rows"] += 1 if channel == feed.BBO else len(message[2])
            frame = message[1]
    except zmq.Again:
        return frame


# ------------------------------------------------------------------------------------------------- a run
def run(events: list[tuple[Any, ...]], channels: tuple[str, ...], batch: int, subscribers: int) -> dict[str, Any]:
    """One case; returns its figures."""
    subscribers = subscribers if channels else 0
    frames = make_frames(events, batch)
    with ExitStack() as stack:
        path = Path(tempfile.mkdtemp(prefix="oo-fanout-"))
        stack.callback(shutil.rmtree, path)
        directory = bus.Directory(path).create()
        context: zmq.Context[Any] = stack.enter_context(zmq.Context())
        feeder = Feeder(context, directory, frames)
        stack.callback(feeder.socket.close, 0)
        publisher = _start(stack, ["-c", RUN, str(path)], stderr=subprocess.DEVNULL)
        while not feeder.known:
            feeder.listen(1_000)
        feeder.send(0, 1)
        while feeder.acked < BOOKS:
            feeder.listen(1_000)
        progress = Progress(path / "progress", subscribers) if subscribers else None
        arguments = [str(subscribers), ",".join(channels), str(len(frames) - 1)]
        readers = [
            _start(stack, ["-m", "bench.fanout", "--subscriber", str(path), str(n), *arguments], stdout=subprocess.PIPE)
            for n in range(subscribers)
        ]
        for reader in readers:
            assert reader.stdout is not None
            reader.stdout.readline()
        before, start = cpu_ns(publisher.pid), time.perf_counter()
        _feed(feeder, progress)
        elapsed, spent = time.perf_counter() - start, cpu_ns(publisher.pid) - before
        found = [json.loads(reader.communicate(timeout=PATIENCE_S)[0]) for reader in readers]
    return {
        "batch": batch, "channels": list(channels), "subscribers": subscribers, "changes": len(events),
        "changes_per_second": len(events) / elapsed,
        "messages_per_second": sum(one["messages"] for one in found) / elapsed,
        "publisher_cpu_us_per_change": spent / 1e3 / len(events),
        "complete": sum(one["complete"] for one in found), "gaps": sum(one["gaps"] for one in found),
    }  # fmt: skip


def _start(stack: ExitStack, arguments: list[str], **options: Any) -> subprocess.Popen[bytes]:
    process = stack.enter_context(subprocess.Popen([sys.executable, *arguments], **options))
    stack.callback(process.kill)
    return process


def _feed(feeder: Feeder, progress: Progress | None) -> None:
    """Send every frame, and return when every subscriber (or the publisher, when there is none) has the last."""
    count, at, give_up = len(feeder.frames), 1, time.monotonic() + PATIENCE_S
    while at < count or feeder.acked < feeder.frames[-1][0] or (progress and progress.slowest() < count - 1):
        if time.monotonic() > give_up:
            return
        slowest = progress.slowest() if progress else 0
        ahead = at - slowest if progress else 0
        room = feeder.frames[at - 1][0] - feeder.acked < bus.EVENT_WINDOW and ahead < WINDOW
        end = min(at + MESSAGE_FRAMES, count)
        if at < count and room and feeder.send(at, end):
            at = end
            feeder.listen()
        else:
            feeder.listen(1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--subscribers", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--changes", type=int, default=300_000)
    parser.add_argument("--subscriber", nargs=5, help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.subscriber:
        path, index, count, channels, last = a.subscriber
        subscriber(Path(path), int(index), int(count), channels.split(","), int(last))
        return 0
    events = make_events(a.changes)
    result = {}
    for name, (wanted, batch) in CASES.items():
        part = events if not batch else events[: a.changes // 10]
        result[name] = row = run(part, wanted, batch or a.batch, a.subscribers)
        if not a.json:
            print(
                f"{name:8} batch {row['batch']:3}  {row['changes_per_second']:9,.0f} changes/s"
                f" to {row['subscribers']:2} subscribers  {row['messages_per_second']:9,.0f} messages/s"
                f"  complete {row['complete']:2}"
                f"  gaps {row['gaps']}  publisher {row['publisher_cpu_us_per_change']:.2f} us CPU a change"
            )
    if a.json:
        print(json.dumps(result))
    return 0 if all(row["complete"] == row["subscribers"] for row in result.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
