"""Idle connections never use up the file descriptors that sending, the store and `/health` need."""

import resource
import socket
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.conftest import Environment
from tests.acceptance.serving import Served, run, serving

pytestmark = pytest.mark.unmeasured

LIMITED = ("bash", "-c", 'ulimit -n 512; exec "$@"', "-")
IDLE = 700


@pytest.fixture(autouse=True)
def _enough_of_our_own() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, before[1]) if before[1] > 0 else 4_096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def idle_sockets(served: Served, stack: ExitStack, count: int) -> None:
    """Open `count` idle connections. While many wait to be accepted, the system repeats an attempt after a second."""
    parts = urlsplit(served.url)
    with ThreadPoolExecutor(100) as threads:
        for opened in threads.map(lambda _: socket.create_connection((parts.hostname, parts.port), 30), range(count)):
            stack.enter_context(opened)


def health_status(served: Served) -> int | None:
    """The status of `/health`; None if there is no answer within 20 seconds."""
    try:
        with urllib.request.urlopen(f"{served.url}/health", timeout=20) as answer:
            status: int = answer.status
    except OSError:
        return None
    return status


def test_idle_connections_leave_enough_descriptors_for_sending_and_health(environment: Environment) -> None:
    with serving(environment, before=LIMITED) as served, ExitStack() as stack:
        idle_sockets(served, stack, IDLE)
        assert health_status(served) == 200
        signal = ("--pair", "EURUSD", "--timeframe", "H4", "--side", "buy", "--entry", "1", "--timeout", "5")
        published = run(environment, "publish", "signal", *signal)
        assert published.returncode == 0, published.stdout + published.stderr


def test_serve_raises_its_soft_limit(environment: Environment) -> None:
    soft = ("bash", "-c", 'ulimit -S -n 256; exec "$@"', "-")
    with serving(environment, before=soft) as served:
        limits = Path(f"/proc/{served.process.pid}/limits").read_text()
    (line,) = (line for line in limits.splitlines() if line.startswith("Max open files"))
    assert int(line.split()[3]) > 256
