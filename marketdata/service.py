"""The market data process: a peer of the matcher that serves the feed (XPUB) and snapshots (ROUTER).

Rule 1. Its state is a pure function of the public stream. It saves an image of itself now and then, starts from the
        newest one, and says HELLO with that image's last event; the matcher sends what follows.
Rule 2. It serves nobody before it has caught up with the matcher, so that no subscriber is led back in time.
Rule 3. It never waits for anyone: a slow subscriber loses messages (libzmq drops them) and repairs itself with a
        snapshot; snapshots get at most a quarter of the process's time.
Rule 4. When its state and the stream do not fit each other any more (the matcher lost what was not synced, or an
        event names an order that is not there), it removes its images and ends with EXIT_REWIND: the next start
        begins with the first event, and heartbeats carry a new ``life``, upon which clients ask for snapshots.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import time
from typing import Any, Final

import zmq

from openoutcry import bus, feed, process, wire
from openoutcry.bus import readable
from openoutcry.errors import ClusterError, JournalError, WireError
from openoutcry.marketdata.books import Market
from openoutcry.marketdata.image import dump, load
from openoutcry.marketdata.publisher import Messages, Publisher
from openoutcry.marketdata.snapshots import SnapshotService
from openoutcry.matcher.snapshot import SnapshotStore

log = logging.getLogger("openoutcry.marketdata")

EXIT_FAILED: Final = 1  # could not start: lock, ports, directory
EXIT_REFUSED: Final = 3  # the matcher turned this process away
EXIT_REWIND: Final = 4  # start again from the first event

BUS_MESSAGES: Final = 4  # taken in one turn, each of up to 32 frames: bounds the time until subscribers are served
SUBSCRIPTION_MESSAGES: Final = 256  # taken in one turn
REQUESTS: Final = 16  # snapshot requests answered in one turn
REST: Final = 3  # after working on requests for a time, none are taken for REST times as long
UNHURRIED_MS: Final = 5  # while nobody subscribes, events are let wait this long: fewer and cheaper turns
REST_MS: Final = 2  # longest poll while requests wait
POLL_MS: Final = 50  # longest poll: Link.frames wants to be called this often
SAVE_EVENTS: Final = 250_000  # events between two images: a restart replays no more than that (about 0.3 s)
QUIET_NS: Final = 1_200_000_000  # without an event for this long, the second's statistics are published
TOPICS_SHOWN: Final = 500  # topics in one answer to `statistics`, which bounds it
THRESHOLDS: Final = (100_000, 20, 50)  # of the garbage collector: orders are many and live long

# As plain integers: pyzmq's enums cost a microsecond at each use.
_NOBLOCK: Final = int(zmq.NOBLOCK)
_MORE: Final = int(zmq.SNDMORE)


class Service:
    """Sockets, loop and housekeeping of the publisher."""

    def __init__(self, directory: bus.Directory, name: str, settings: process.Settings) -> None:
        self.name = name
        self.images = SnapshotStore(directory.path / name, durable=settings.durability != "none")
        life = directory.generation(name)
        self.publisher = Publisher(life, self._load())
        self.snapshots = SnapshotService(self.publisher)
        market = self.publisher.market
        self.link = bus.Link(name, wire.ROLE_MARKETDATA, life, market.last_event, self._rewind)
        self.exit_code = 0
        self.serving = False  # caught up with the matcher
        self._unhurried = False  # events came, and nobody subscribes to anything
        self.counters = {"turns": 0, "malformed_requests": 0, "malformed_frames": 0}
        self._saved_event = market.last_event
        self._last_frame_ns = self._beat_ns = time.monotonic_ns()
        self._rest_until_ns = 0
        self._started_ns = time.monotonic_ns()
        self.context: zmq.Context[Any] = zmq.Context()
        try:
            self._open(directory, settings)
        except BaseException:
            self.close()
            raise

    # ---- start and end
    def _open(self, directory: bus.Directory, settings: process.Settings) -> None:
        before = directory.announced(self.name)
        self.feed = _feed_socket(self.context)
        self.feed.bind(directory.address("feed"))
        feed_tcp = _bind(self.feed, settings.feed_host, settings.feed_port, before.get("feed"))
        self.router = bus.service_socket(self.context, directory.address("snapshot"))
        self.router.setsockopt(zmq.MAXMSGSIZE, feed.REQUEST_MAX)
        snapshot_tcp = _bind(self.router, settings.feed_host, settings.snapshot_port, before.get("snapshot"))
        self.bus = bus.peer_socket(self.context, directory.address("bus"), self.name)
        directory.announce(
            self.name, kind="marketdata", feed=feed_tcp, snapshot=snapshot_tcp, life=self.publisher.life,
            feed_ipc=directory.address("feed"), snapshot_ipc=directory.address("snapshot"),
        )  # fmt: skip
        log.info("life %d, from event %d; feed %s, snapshots %s", self.publisher.life,
                 self.publisher.market.last_event, feed_tcp, snapshot_tcp)  # fmt: skip

    def _load(self) -> Market | None:
        newest = self.images.load_newest()
        try:
            return load(newest.state) if newest is not None else None
        except JournalError as error:  # of another version, say
            log.warning("%s: starting from the first event", error)
            self._remove_images()
            return None

    def close(self) -> None:
        """Close every socket, and abandon an image that is being written."""
        self.images.close()
        self.context.destroy(linger=0)

    def _rewind(self, last_event: int) -> None:
        log.error("the public stream ends at %d, before event %d: starting again from its beginning",
                  last_event, self.publisher.market.last_event)  # fmt: skip
        self._start_over()

    def _start_over(self) -> None:
        self._remove_images()
        self.exit_code = EXIT_REWIND

    def _remove_images(self) -> None:
        """They do not fit the stream."""
        self.images.close()
        for file in self.images.directory.iterdir():
            file.unlink()

    # ---- loop
    def serve(self, stop: process.StopSignal) -> int:
        """Turn until a signal or until it cannot go on; returns the exit code."""
        starting, resting = _poller(stop.fd, self.bus), _poller(stop.fd, self.bus, self.feed)
        serving, unhurried = (
            _poller(stop.fd, self.bus, self.feed, self.router),
            _poller(stop.fd, self.feed, self.router),
        )
        while not stop.stopped and not self.exit_code:
            if not self.serving:
                starting.poll(POLL_MS)
            elif self._unhurried:
                unhurried.poll(UNHURRIED_MS)
            elif self._rest_until_ns > time.monotonic_ns():
                resting.poll(REST_MS)
            else:
                serving.poll(POLL_MS)
            self.turn()
        if not self.exit_code:
            self._save_at_end()
        return self.exit_code

    def turn(self) -> None:
        """Take what is waiting, send what comes of it."""
        self.counters["turns"] += 1
        now_ns = time.monotonic_ns()
        frames = self.publisher.frames
        self._take_events(now_ns)
        if self.exit_code:
            return
        nobody = not self.publisher.subscriptions.any
        self._unhurried = nobody and self.publisher.frames != frames and not readable(self.bus)
        if self.serving:
            self._take_subscriptions()
            self._take_requests(now_ns)
            self._timers(now_ns)
        elif self.link.ready and self.link.last_event >= self.link.stream_end:
            self.serving = True
            log.info("caught up at event %d", self.link.last_event)
        bus.send_frames(self.bus, self.link.frames(now_ns))

    def _take_events(self, now_ns: int) -> None:
        for _ in range(BUS_MESSAGES):
            if not readable(self.bus):
                return
            for data in bus.receive_parts(self.bus):
                self._receive(data, now_ns)
                if self.exit_code:
                    return

    def _receive(self, data: bytes, now_ns: int) -> None:
        try:
            received = self.link.receive(data, now_ns)
        except WireError as error:
            self.counters["malformed_frames"] += 1
            log.warning("dropped a frame of the matcher: %s", error)
            return
        if received is None:
            return
        if len(received) == 3:
            self._publish(received)  # three fields: events, as bus.Link.receive says
            self._last_frame_ns = now_ns
        elif received[0] == wire.QUERY:
            self._answer_query(received)

    def _publish(self, received: bus.Events) -> None:
        try:
            self._send(self.publisher.apply(*received))
        except WireError as error:
            log.error("the public stream does not fit the books: %s", error)
            self._start_over()

    def _send(self, messages: Messages) -> None:
        send = self.feed.send
        for topic, message in messages:
            send(topic, _MORE)  # XPUB never blocks: what a subscriber has no room for is dropped for it
            send(message)

    def _take_subscriptions(self) -> None:
        for _ in range(SUBSCRIPTION_MESSAGES):
            if not readable(self.feed):
                return
            self._send(self.publisher.subscribe(self.feed.recv(_NOBLOCK)))

    def _take_requests(self, now_ns: int) -> None:
        if self._rest_until_ns > now_ns or not readable(self.router):
            return
        start_ns = time.monotonic_ns()
        for _ in range(REQUESTS):
            if not readable(self.router):
                break
            self._answer_request(self.router.recv_multipart(zmq.NOBLOCK), now_ns)
        end_ns = time.monotonic_ns()
        self._rest_until_ns = end_ns + REST * (end_ns - start_ns)

    def _answer_request(self, parts: list[bytes], now_ns: int) -> None:
        """REQ clients put an empty part before the request, DEALER clients need not."""
        if len(parts) != 2 and (len(parts) != 3 or parts[1]):
            self.counters["malformed_requests"] += 1
            return
        try:
            self.router.send_multipart([*parts[:-1], self.snapshots.answer(parts[-1], now_ns)], zmq.NOBLOCK)
        except zmq.Again:
            pass  # a client that does not read its answers

    def _timers(self, now_ns: int) -> None:
        if now_ns - self._beat_ns >= feed.HEARTBEAT_NS:
            self._beat_ns = now_ns
            self.snapshots.expire(now_ns)
            if now_ns - self._last_frame_ns > QUIET_NS:
                self._send(self.publisher.idle())
            self._send(self.publisher.heartbeats())
        if self.images.busy:
            self.images.poll()
        elif self.publisher.market.last_event - self._saved_event >= SAVE_EVENTS:
            self._save()

    def _save(self) -> None:
        """Begin to write an image, in a child process (openoutcry.matcher.snapshot)."""
        market = self.publisher.market
        self._saved_event = market.last_event
        self.images.begin(market.last_event, market.last_event, lambda: dump(market))

    def _save_at_end(self) -> None:
        self.images.wait()
        market = self.publisher.market
        if market.last_event > self._saved_event:
            try:
                self.images.write(market.last_event, market.last_event, dump(market))
            except JournalError as error:
                log.warning("no image was saved: %s", error)  # the next start has more to replay

    # ---- questions
    def _answer_query(self, query: tuple[Any, ...]) -> None:
        _, number, _, sender, what, _ = query
        ok = 1
        if what == "statistics":
            body = json.dumps(self.statistics())
        elif what == "ping":
            body = json.dumps({"pid": os.getpid(), "turns": self.counters["turns"],
                               "last_event": self.publisher.market.last_event})  # fmt: skip
        else:
            ok, body = 0, json.dumps(["bad_argument", "what", f"marketdata does not know {what!r}"])
        bus.send_frames(self.bus, [wire.frame(wire.REPLY, number, sender, self.name, ok, body)])

    def statistics(self) -> dict[str, Any]:
        """Counters of the process, the publisher, the snapshot service and the link."""
        return {
            **self.counters, "pid": os.getpid(), "cpu_ns": time.process_time_ns(),
            "uptime_ns": time.monotonic_ns() - self._started_ns, "publisher": self.publisher.statistics(),
            "snapshots": self.snapshots.statistics(), "images": self.images.statistics(),
            "link": self.link.statistics(), "topics": self.publisher.topic_statistics(TOPICS_SHOWN),
        }  # fmt: skip


def _poller(*sources: Any) -> zmq.Poller:
    poller = zmq.Poller()
    for source in sources:
        poller.register(source, zmq.POLLIN)
    return poller


def _feed_socket(context: zmq.Context[Any]) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = context.socket(zmq.XPUB)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, feed.FEED_HWM)
    socket.setsockopt(zmq.MAXMSGSIZE, feed.SUBSCRIPTION_BYTES_MAX)
    socket.setsockopt(zmq.HANDSHAKE_IVL, 2_000)
    # A host that vanished frees its queue. TCP does this, since libzmq's heartbeats abort a process whose receiving
    # queue is full when one is due (its issues 3937 and 4767), and that process would be the subscriber's.
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 5)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 2)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)
    socket.setsockopt(zmq.XPUB_VERBOSE, 1)  # every subscriber is heard, so that each gets its first heartbeat at once
    return socket


def _bind(socket: zmq.Socket[bytes], host: str, port: int, before: Any) -> str:
    """Bind to a fixed port, else to the one of `before` (the address of the life before), else to any."""
    old = before.rpartition(":")[2] if isinstance(before, str) else ""
    wanted = str(port) if port else old if old.isdecimal() else "*"
    try:
        socket.bind(f"tcp://{host}:{wanted}")
    except zmq.ZMQError as error:
        if port:
            raise ClusterError(f"cannot open port {port} on {host}: {error}") from None
        if wanted == "*":
            raise ClusterError(f"cannot open a port on {host}: {error}") from None
        log.warning("port %s on %s is taken (%s): the kernel chooses another", wanted, host, error)
        return _bind(socket, host, 0, None)
    return str(socket.getsockopt_string(zmq.LAST_ENDPOINT))


def run(directory: bus.Directory, name: str, settings: process.Settings) -> int:
    """Serve market data until SIGTERM or SIGINT; returns the exit code."""
    process.set_up_logging(name, settings.log_level)
    lock = -1
    try:
        lock = directory.lock(name)
        with process.StopSignal() as stop:
            service = Service(directory, name, settings)
            gc.collect()
            gc.freeze()
            gc.set_threshold(*THRESHOLDS)
            try:
                code = service.serve(stop)
            finally:
                service.close()
        log.info("stopped with exit code %d at event %d", code, service.publisher.market.last_event)
        return code
    except bus.BusRefused as error:
        log.error("refused by the matcher: %s", error)
        return EXIT_REFUSED
    except (ClusterError, JournalError) as error:
        log.error("%s", error)
        return EXIT_FAILED
    finally:
        if lock >= 0:
            os.close(lock)
