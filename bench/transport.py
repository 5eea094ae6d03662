"""The transport yardstick: what raw ZeroMQ does on this machine in this minute, with nothing on top.

``two_hop_rtt`` is one message of 100 bytes from a DEALER to a ROUTER in another process and back, over a unix
socket, one outstanding, both sides with a Poller: the two hops that every order must at least make on the bus.
An idle machine is slower at each hop than a busy one, so compare only figures of one run.

    python -m bench.transport [--json]
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import time
from typing import Any

import zmq

PAYLOAD = 100
END = b"\xff" * 8


def _echo(address: str) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.bind(address)
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    message = [b"", b""]
    while message[-1] != END:
        poller.poll()
        message = socket.recv_multipart()
        socket.send_multipart(message)
    socket.close(1_000)
    context.term()


def _ping(address: str, count: int) -> list[float]:
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(address)
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    times = []
    for number in range(count + count // 10):
        start = time.perf_counter_ns()
        socket.send(b"x" * PAYLOAD)
        poller.poll()
        socket.recv()
        if number >= count // 10:
            times.append((time.perf_counter_ns() - start) / 1e3)
    socket.send(END)
    socket.recv()
    socket.close(0)
    context.term()
    return times


def two_hop_rtt(count: int = 10_000, repeat: int = 3) -> dict[str, float]:
    """Median run of `repeat`: {"p50_us", "p99_us"}."""
    runs = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory(prefix="oo-bench-") as directory:
            address = f"ipc://{directory}/echo"
            peer = multiprocessing.get_context("spawn").Process(target=_echo, args=(address,), daemon=True)
            peer.start()
            times = sorted(_ping(address, count))
            peer.join(10)
        runs.append((times[len(times) // 2], times[len(times) * 99 // 100]))
    runs.sort()
    p50, p99 = runs[len(runs) // 2]
    return {"p50_us": p50, "p99_us": p99}


def main() -> int:
    figures: dict[str, Any] = two_hop_rtt()
    if "--json" in sys.argv:
        print(json.dumps(figures))
    else:
        print(f"ZeroMQ DEALER-ROUTER over ipc and back: p50 {figures['p50_us']:.0f}  p99 {figures['p99_us']:.0f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
