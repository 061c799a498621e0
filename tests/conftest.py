import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from signalpost import clock
from signalpost.telemetry import log as telemetry_log
from tests.size import size

pytest_plugins = ["signalpost.testing.pytest_plugin"]
settings.register_profile(  # without limits of time, for any machine
    "sized", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=size(40, 100)
)
settings.load_profile("sized")
_HERE = Path(__file__).parent


WAITING = {"acceptance", "faults", "independent_discord", "life"}
"""Folders whose tests wait for processes and for time."""
SLOWEST = {
    "test_demo.py",
    "test_scenarios.py",
    "test_while_unavailable.py",
    "test_strategy_rounds.py",
    "test_many_seeds.py",
}
"""Files that take half a minute or more."""
UNMEASURED = {"independent_discord", "simulation"}
"""Folders whose tests run the same lines as others, with more work: coverage doubles or triples the time of a test."""
UNMEASURED_PROCESSES = UNMEASURED | {"faults"}
"""Folders whose processes do so; with coverage, each start takes twice as long."""


def pytest_xdist_auto_num_workers() -> int:
    """Six processes for two cores, because many tests wait."""
    return max(1, (os.cpu_count() or 1) * 3)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slowest files, and put each other one that waits between four that compute."""
    files = list(dict.fromkeys(item.path for item in items))
    slowest = [path for path in files if path.name in SLOWEST]
    waiting = [path for path in files if path.parent.name in WAITING and path.name not in SLOWEST]
    computing = iter([path for path in files if path not in {*slowest, *waiting}])
    mixed = [path for one in waiting for path in (one, *islice(computing, 4))]
    places = {path: place for place, path in enumerate([*slowest, *mixed, *computing])}
    items.sort(key=lambda item: places[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure no coverage of a test that is marked as unmeasured, or in one of those folders."""
    folder = item.path.relative_to(_HERE).parts[0] if item.path.is_relative_to(_HERE) else ""  # as for a page
    is_unmeasured = folder in UNMEASURED or item.get_closest_marker("unmeasured") is not None
    with ExitStack() as stack:
        if is_unmeasured or folder in UNMEASURED_PROCESSES:
            stack.enter_context(_unmeasured_processes())
        if is_unmeasured:
            stack.enter_context(_untraced())
        return (yield)


@contextmanager
def _unmeasured_processes() -> Iterator[None]:
    name = "COVERAGE_PROCESS_CONFIG"
    before = os.environ.pop(name, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[name] = before


@contextmanager
def _untraced() -> Iterator[None]:
    """Suspend tracing. pytest-cov's own `no_cover` does not in processes of xdist, which start coverage twice."""
    trace, trace_of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        threading.settrace(trace_of_threads)  # type: ignore[arg-type]
        sys.settrace(trace)


def pytest_collection_finish() -> None:
    """The collected tests stay to the end, so no later collection of garbage has to go through them.

    The others, of which few find anything, are made rarer: they took a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 50)


@pytest.fixture(autouse=True, scope="session")
def _interrupts_are_heard() -> None:
    """A program that a test starts hears SIGINT, also where a shell runs the tests in the background and ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _this_machine_only() -> Iterator[None]:
    """No test of ours reaches a real host."""
    from signalpost.testing.pytest_plugin import loopback_only  # pytest loads it first, and rewrites its assertions

    with loopback_only():
        yield


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """No test of ours leaves another clock behind, or a handler and a level of a command's log."""
    clock_before = clock.install(None)
    clock.install(clock_before)
    logger = logging.getLogger("signalpost")
    before = list(logger.handlers), logger.level
    yield
    _write_lines()
    logger.handlers, level = before
    logger.setLevel(level)
    assert clock.install(clock_before) is clock_before, "the test left its own clock installed"


class WrittenLines(pytest.LogCaptureFixture):
    """The lines of a test, once those that wait in signalpost's queue are written."""

    @property
    def handler(self) -> Any:
        """Where pytest keeps them."""
        _write_lines()
        return super().handler


@pytest.fixture
def caplog(request: pytest.FixtureRequest) -> Iterator[pytest.LogCaptureFixture]:
    """pytest's own fixture, which does not miss what a thread has yet to write."""
    lines = WrittenLines(request.node, _ispytest=True)
    yield lines
    lines._finalize()


def _write_lines() -> None:
    flush = getattr(telemetry_log.logger, "flush", None)  # which older sources lack
    if flush is not None:
        assert flush(10)
