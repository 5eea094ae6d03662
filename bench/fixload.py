"""A load client for a FIX acceptor: orders out, execution reports in. Standard library alone, nothing of the product.

All NewOrderSingle messages are encoded before the clock starts; while it runs the client only writes slices of bytes
and scans what comes back for MsgType(35), ClOrdID(11) and OrdStatus(39). An order is answered by the first
ExecutionReport with its ClOrdID; further ones (fills) are counted and not waited for.

Closed loop: `window` orders are outstanding in each session; whenever answers arrive, as many new orders leave. Latency
is measured from just before the write that carries the order to just after the read that carries the answer.

    python -m bench.fixload HOST PORT --orders 50000 --window 64 --sessions 1 --flow rest --begin FIX.4.2
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import select
import socket
import sys
import time

SOH = b"\x01"
TIMEOUT_S = 15
BUFFER = 1 << 20
ANY = re.compile(rb"8=FIX[^\x01]*\x019=\d+\x0135=([^\x01]+)\x01(.*?)\x0110=\d{3}\x01", re.DOTALL)
REPORT = 56  # '8'


def stamp() -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    return now.strftime("%Y%m%d-%H:%M:%S").encode()


class Session:
    """One connection, with its orders ready made."""

    def __init__(self, options: argparse.Namespace, number: int) -> None:
        self.options = options
        self.begin = options.begin.encode()
        self.parties = b"49=%s%d\x0156=%s\x01" % (options.sender.encode(), number, options.target.encode())
        self.prefix = b"L%d-" % number
        self.number = 1
        self.sent = self.answered = self.reports = self.rejected = 0
        self.last_ns = 0
        self.buffer = bytearray(BUFFER)
        self.view = memoryview(self.buffer)
        self.parsed = self.have = 0
        self.sock = socket.create_connection((options.host, options.port), timeout=TIMEOUT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def encode(self, kind: bytes, body: bytes, sent: bytes) -> bytes:
        inner = b"35=%s\x0134=%d\x01%s52=%s\x01%s" % (kind, self.number, self.parties, sent, body)
        self.number += 1
        message = b"8=%s\x019=%d\x01%s" % (self.begin, len(inner), inner)
        return b"%s10=%03d\x01" % (message, sum(message) & 255)

    def log_on(self) -> None:
        body = b"98=0\x01108=120\x01" + (b"" if self.begin == b"FIX.4.0" else b"141=Y\x01")
        if self.begin == b"FIXT.1.1":
            body += b"1137=9\x01"
        self.sock.sendall(self.encode(b"A", body, stamp()))
        answer = b""
        while not (found := ANY.match(answer)):
            data = self.sock.recv(65_536)
            if not data:
                raise SystemExit(f"the logon was refused: {answer!r}")
            answer += data
        if found[1] != b"A":
            raise SystemExit(f"the logon was refused: {answer!r}")

    def prepare(self, count: int, prefix: bytes) -> None:
        o, sent = self.options, stamp()
        old = self.begin in (b"FIX.4.0", b"FIX.4.1")
        transact = b"" if old else b"60=%s\x01" % sent
        parts, ends, at = [], [0], 0
        for index in range(count):
            buy = index % 2 == 0
            price = b"100.00" if o.flow == "cross" else b"99.00" if buy else b"101.00"
            body = b"11=%s%08d\x0121=1\x0155=%s\x0154=%s\x01%s38=100\x0140=2\x0144=%s\x0159=0\x01" % (
                prefix, index, o.symbol.encode(), b"1" if buy else b"2", transact, price
            )  # fmt: skip
            message = self.encode(b"D", body, sent)
            parts.append(message)
            at += len(message)
            ends.append(at)
        self.orders, self.ends, self.count = b"".join(parts), ends, count
        self.sent_ns, self.latency_ns = [0] * count, [0] * count
        self.mark = b"\x0111=" + prefix
        self.sent = self.answered = self.reports = self.rejected = 0

    def send_up_to(self, limit: int) -> None:
        first, limit = self.sent, min(limit, self.count)
        if limit > first:
            now = time.perf_counter_ns()
            self.sent_ns[first:limit] = [now] * (limit - first)
            self.sock.sendall(self.orders[self.ends[first] : self.ends[limit]])
            self.sent = limit

    def receive(self) -> None:
        """One read, and every whole message in it."""
        got = self.sock.recv_into(self.view[self.have :])
        now = time.perf_counter_ns()
        if not got:
            raise SystemExit(f"disconnected after {self.answered} answers of {self.count}")
        buffer, limit, at = self.buffer, self.have + got, self.parsed
        self.last_ns = now
        while (tail := buffer.find(b"\x0110=", at, limit)) >= 0 and tail + 8 <= limit:
            kind = buffer.find(b"\x0135=", at, tail) + 4
            if buffer[kind] == REPORT and buffer[kind + 1] == 1:
                self._report(kind, tail, now)
            elif buffer[kind] in b"235j":
                raise SystemExit(f"the server said {bytes(buffer[at : tail + 8])!r}")
            at = tail + 8
        if limit > BUFFER // 2:
            buffer[: limit - at] = buffer[at:limit]
            at, limit = 0, limit - at
        self.parsed, self.have = at, limit

    def _report(self, kind: int, tail: int, now: int) -> None:
        self.reports += 1
        found = self.buffer.find(self.mark, kind, tail)
        if found < 0:
            return
        start = found + len(self.mark)
        index = int(self.buffer[start : start + 8])
        if not self.latency_ns[index]:
            self.latency_ns[index] = now - self.sent_ns[index]
            self.answered += 1
            self.rejected += self.buffer.find(b"\x0139=8\x01", kind, tail) >= 0


def run(sessions: list[Session], window: int) -> float:
    """Send everything that is prepared; returns the seconds it took."""
    poller = select.poll()
    by_fd = {session.sock.fileno(): session for session in sessions}
    for fd in by_fd:
        poller.register(fd, select.POLLIN)
    began = time.perf_counter_ns()
    for session in sessions:
        session.send_up_to(window)
    while any(session.answered < session.count for session in sessions):
        ready = poller.poll(TIMEOUT_S * 1_000)
        if not ready:
            raise SystemExit(f"nothing received for {TIMEOUT_S} s")
        for fd, _ in ready:
            session = by_fd[fd]
            session.receive()
            session.send_up_to(session.answered + window)
    return (max(session.last_ns for session in sessions) - began) / 1e9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--orders", type=int, default=50_000, help="of each session")
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--flow", choices=("rest", "cross"), default="rest")
    parser.add_argument("--begin", default="FIX.4.2")
    parser.add_argument("--sender", default="LOAD", help="start of the CompIDs; a number follows")
    parser.add_argument("--target", default="EXCHANGE")
    parser.add_argument("--symbol", default="BENCH")
    o = parser.parse_args()
    sessions = [Session(o, number) for number in range(1, o.sessions + 1)]
    for session in sessions:
        session.log_on()
        session.prepare(min(o.orders, 500), b"W" + session.prefix)
    run(sessions, min(o.window, 16))
    for session in sessions:
        session.prepare(o.orders, session.prefix)
    seconds = run(sessions, o.window)
    latencies = sorted(ns for session in sessions for ns in session.latency_ns)
    total = len(latencies)
    print(json.dumps({
        "orders": total, "seconds": seconds, "orders_per_second": total / seconds,
        "reports": sum(s.reports for s in sessions), "rejected": sum(s.rejected for s in sessions),
        "p50_us": latencies[total // 2] / 1e3, "p99_us": latencies[total * 99 // 100] / 1e3,
    }))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
