"""Measures the time a thread needs to hand over a signal, against waking an idle event loop.

Each hand-over is timed separately, from one thread and from 16 at once. Intake runs in the same process meanwhile, as
in real use.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from threading import Thread
from time import perf_counter, sleep
from typing import TypeVar

from benchmarks.measure import turns
from benchmarks.sample import config, signals, tier_of
from benchmarks.server import server_port
from benchmarks.table import Row
from signalpost import NotificationIntegration, Signal
from signalpost.integration.futures import TicketFuture
from signalpost.integration.loop_thread import new_loop

LONE, THREADS, EACH = 2_000, 16, 500

Answer = TypeVar("Answer")


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    given = list(signals(THREADS * EACH))
    with server_port("hang") as port:
        taken = turns(
            {
                "floor": lambda _: floor(),
                "alone": lambda home: alone(home, port, given),
                "burst": lambda home: burst(home, port, given),
                "crowd": lambda home: crowd(home, port, given),
            },
            rounds=3,
        )
    floor_p50, floor_p99 = figures(taken["floor"])
    for name, label in (
        ("alone", "a lone hand-over"),
        ("burst", f"each of a burst of {THREADS * EACH:,}"),
        ("crowd", f"each of {THREADS} threads with {EACH}"),
    ):
        half, rare = figures(taken[name])
        bench = f"{label}; beside loop.call_soon_threadsafe"
        yield Row(f"{bench}, p50", half, "µs", floor_p50, half / floor_p50, target="less than 20 µs", holds=half < 20)
        yield Row(f"{bench}, p99", rare, "µs", floor_p99, rare / floor_p99)


def figures(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    """The medians of the rounds' p50 and p99, in microseconds."""
    half, rare = (median(each) * 1e6 for each in zip(*rounds, strict=True))
    return half, rare


def floor() -> tuple[float, float]:
    """Wake an idle event loop in another thread."""
    loop = new_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    calls = [partial(loop.call_soon_threadsafe, int)] * LONE
    taken = middle_and_end(seconds(calls, settle=lambda _: sleep(0.0002)))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    return taken


def alone(home: Path, port: int, given: list[Signal]) -> tuple[float, float]:
    """Hand over one signal at a time, after the previous one got its ticket."""
    with started(home, port) as integration:
        return middle_and_end(seconds(hand_overs(integration, given[:LONE]), settle=lambda future: future.result()))


def burst(home: Path, port: int, given: list[Signal]) -> tuple[float, float]:
    """Hand over signals one after another, as fast as possible."""
    with started(home, port) as integration:
        return middle_and_end(seconds(hand_overs(integration, given)))


def crowd(home: Path, port: int, given: list[Signal]) -> tuple[float, float]:
    """Hand over from many threads, which share one interpreter with each other and with the service."""
    with started(home, port) as integration, ThreadPoolExecutor(THREADS) as pool:
        parts = [given[first : first + EACH] for first in range(0, len(given), EACH)]
        taken = pool.map(lambda part: seconds(hand_overs(integration, part)), parts)
        return middle_and_end([each for part in taken for each in part])


@contextmanager
def started(home: Path, port: int) -> Iterator[NotificationIntegration]:
    """A running integration, stopped at the end without draining."""
    integration = NotificationIntegration(config(home, port))
    integration.start()
    yield integration
    integration.stop(0)


def hand_overs(integration: NotificationIntegration, given: list[Signal]) -> Iterator[Callable[[], TicketFuture]]:
    """One call per signal that hands it over."""
    return (partial(integration.send_signal, signal, user_tier=tier_of(0)) for signal in given)


def seconds(calls: Iterable[Callable[[], Answer]], settle: Callable[[Answer], object] | None = None) -> list[float]:
    """Time each call; `settle` waits for its effects before the next."""
    taken = []
    for call in calls:
        began = perf_counter()
        answer = call()
        taken.append(perf_counter() - began)
        if settle is not None:
            settle(answer)
    return taken


def middle_and_end(taken: list[float]) -> tuple[float, float]:
    """The median and the 99th percentile."""
    hundredths = quantiles(taken, n=100)
    return hundredths[49], hundredths[98]
