"""Measures the CPU of pacing, breaker, metrics and one log line per delivery, without storing and sending.

The clock is an argument: it jumps to the next permitted send, and nothing waits.
"""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time

from benchmarks.measure import turns
from benchmarks.table import Row
from signalpost.delivery.pacing.breaker import CircuitBreaker
from signalpost.delivery.pacing.host import Host
from signalpost.delivery.pacing.limits import Limits
from signalpost.delivery.pacing.pacer import Pacer
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.events import Listener, SendBegan, SendEnded, Settled
from signalpost.domain.instant import utc
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import RateFacts, Receipt
from signalpost.telemetry.log import log, logger
from signalpost.telemetry.metrics import Metrics

DELIVERIES, ROUNDS = 20_000, 7
DELIVERY = Delivery(
    DeliveryId("0" * 24, "signals-free"),
    DeliveryState.DELIVERED,
    NotificationPriority.NORMAL,
    rank=0,
    sequence="ma-unified:EUR_USD:H4:BUY:20250820T010000Z",
    valid_until=utc("2025-08-20T09:00:00Z", "valid_until"),
)


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    parts = {"pace": pace, "metrics": emitting(Metrics()), "log": logged(emitting(log)), "plain": logged(plain_lines)}
    costs = turns({name: partial(cpu, part) for name, part in parts.items()}, ROUNDS)
    paced, counted, line, bare = (median(each) * 1e6 for each in costs.values())
    total = paced + counted + line
    for bench, taken in (("pacing and breaker, with every limit", paced), ("metrics", counted)):
        yield Row(bench, taken, "µs", cpu_us=taken)
    yield Row("a line in a log; beside the standard library's", line, "µs", bare, line / bare, cpu_us=line)
    yield Row("together, a delivery", total, "µs", cpu_us=total, target="at most 15 µs", holds=total <= 15)


def cpu(work: Callable[[], None], _: Path) -> float:
    """CPU seconds per delivery in `work`."""
    started = process_time()
    work()
    return (process_time() - started) / DELIVERIES


def pace() -> None:
    """Run the pacer and the breaker for each delivery, with a destination's default limits."""
    pacer, breaker = Pacer(Limits(messages_a_minute=30), Host()), CircuitBreaker()
    receipt = Receipt("1400000000000000000", None, RateFacts("bucket:webhook", 5, 3, 2.0))
    now = 0.0
    for _ in range(DELIVERIES):
        now = max(breaker.ready_at(now), pacer.ready_at(now, NotificationPriority.NORMAL))
        slot, permit = pacer.begin(now), breaker.begin()
        now += 0.1
        pacer.end(slot, now, receipt)
        breaker.record(permit, now, 0.5, is_failure=False)


def emitting(listener: Listener) -> Callable[[], None]:
    """Send a listener the events of each delivery."""

    def emit() -> None:
        for _ in range(DELIVERIES):
            listener(SendBegan("signals-free", (DELIVERY,)))
            listener(SendEnded("signals-free", "delivered", "", 0.1))
            listener(Settled(DELIVERY))

    return emit


def plain_lines() -> None:
    """Log the same lines directly with the standard library."""
    for _ in range(DELIVERIES):
        logging.getLogger("signalpost").info(
            "delivery %s is %s%s", "000000000000000000000000@signals-free", "delivered", ""
        )


def logged(work: Callable[[], None]) -> Callable[[], None]:
    """Run `work` in an application that logs at INFO with timestamps."""

    def run() -> None:
        with written_to(io.StringIO()):
            work()
            logger.flush(60)  # lines are written by a thread, whose CPU time counts, too

    return run


@contextmanager
def written_to(text: io.StringIO) -> Iterator[None]:
    """Log at INFO into `text`."""
    host = logging.getLogger("signalpost")
    handler, level = logging.StreamHandler(text), host.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    host.addHandler(handler)
    host.setLevel(logging.INFO)
    try:
        yield
    finally:
        host.setLevel(level)
        host.removeHandler(handler)
