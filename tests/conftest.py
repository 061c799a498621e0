import gc
import logging
import os
import signal
from collections.abc import Iterator
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


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three processes for two cores, because many tests wait; with coverage, one for each core, because few do."""
    cores = os.cpu_count() or 1
    return cores if config.getoption("cov_source", None) else max(1, cores * 3 // 2)


def pytest_collection_finish() -> None:
    """The collected tests stay to the end, so no later collection of garbage has to go through them."""
    gc.collect()
    gc.freeze()


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
