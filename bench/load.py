"""An OUCH load client in a process of its own: orders are made beforehand and sent as bytes, answers are counted.

It costs little CPU, so that what is measured is the server. Two flows:

``rest``   buy orders that rest, over 50 price levels: one Accepted each
``cross``  buy and sell orders in turn at one price, so that every second order trades with the one before it:
           an Accepted for each order, and an Executed for each side of each trade

    python -m bench.load HOST PORT --orders 200000 --window 64 --flow rest
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import sys
import time
from collections.abc import Iterator

ENTER = struct.Struct(">Hcc14scI8sII4scccIcc")
LOGIN = struct.Struct(">Hc6s10s10s20s")
PENNY = 100  # in OUCH's units of 1e-4


def packet(number: int, user: str, side: bytes, price: int, stock: str) -> bytes:
    """One Enter Order of 100 shares in its SoupBinTCP packet."""
    token = f"{user}{number:010d}".encode().ljust(14)
    return ENTER.pack(
        50,
        b"U",
        b"O",
        token,
        side,
        100,
        stock.encode().ljust(8),
        price,
        99_998,
        b"    ",
        b"Y",
        b"P",
        b"N",
        0,
        b"N",
        b"N",
    )


def orders(flow: str, count: int, user: str, stock: str) -> list[bytes]:
    """The packets of a flow."""
    if flow == "rest":
        return [packet(n, user, b"B", 100_000 - PENNY * (n % 50), stock) for n in range(count)]
    return [packet(n, user, b"B" if n % 2 == 0 else b"S", 100_000, stock) for n in range(count)]


class Counter:
    """Counts the sequenced messages of a byte stream by type."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""
        self.counts: dict[int, int] = {}

    def read(self) -> Iterator[int]:
        """Wait for bytes and yield the type of each message that is complete (OUCH type, or the packet's own)."""
        data = self.sock.recv(262_144)
        if not data:
            sys.exit("the server closed the connection")
        data = self.rest + data
        at, end = 0, len(data)
        while end - at >= 3:
            size = (data[at] << 8) | data[at + 1]
            if end - at - 2 < size:
                break
            yield data[at + 3] if data[at + 2] == 0x53 else data[at + 2]
            at += 2 + size
        self.rest = data[at:]


def connect(host: str, port: int, user: str) -> Counter:
    """Log in as a new user and wait for the first message of its stream (System Event)."""
    sock = socket.create_connection((host, port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(LOGIN.pack(47, b"L", user.encode().ljust(6), b" " * 10, b" " * 10, b"1".rjust(20)))
    counter = Counter(sock)
    while ord("S") not in list(counter.read()):
        pass
    return counter


def run(host: str, port: int, flow: str, count: int, window: int, user: str, stock: str) -> dict[str, float]:
    """Send `count` orders with at most `window` unanswered; returns figures, latencies only for a window of 1."""
    packets = orders(flow, count, user, stock)
    counter = connect(host, port, user)
    accepted, sent, trades, latencies = 0, 0, 0, []
    send = counter.sock.sendall
    start = time.perf_counter()
    while accepted < count:
        if sent - accepted < window and sent < count:
            upto = min(count, accepted + window)
            at = time.perf_counter_ns()
            send(b"".join(packets[sent:upto]))
            sent = upto
        for kind in counter.read():
            if kind == 0x41:
                accepted += 1
            elif kind == 0x45:
                trades += 1
        if window == 1:
            latencies.append(time.perf_counter_ns() - at)
    seconds = time.perf_counter() - start
    counter.sock.close()
    out = {"orders": count, "seconds": seconds, "orders_per_second": count / seconds, "executions": trades}
    if latencies:
        latencies.sort()
        out |= {"p50_us": latencies[len(latencies) // 2] / 1e3, "p99_us": latencies[len(latencies) * 99 // 100] / 1e3}
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--flow", choices=("rest", "cross"), default="rest")
    parser.add_argument("--user", default="LOAD")
    parser.add_argument("--stock", default="BENCH")
    a = parser.parse_args()
    print(json.dumps(run(a.host, a.port, a.flow, a.orders, a.window, a.user, a.stock)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
