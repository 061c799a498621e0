import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest

from tests.independent_discord import behaviour
from tests.independent_discord.bucket import FixedBucket, SlidingBucket
from tests.independent_discord.scenarios import Observed, few_in_an_outage, outage, pace
from tests.independent_discord.server import FakeDiscord

Scenarios = dict[str, Future[Observed]]


def _behaves(response: behaviour.Behaviour) -> Callable[[FakeDiscord], None]:
    return lambda discord: setattr(discord, "behaviour", response)


def _breaks_connections(discord: FakeDiscord) -> None:
    discord.breaks_connections = True
    discord.break_off()


def _keeps_connections(discord: FakeDiscord) -> None:
    discord.breaks_connections = False


_as_usual = _behaves(behaviour.as_usual)
_SCENARIOS = {
    "five in two seconds, at once": partial(pace, bucket=lambda: FixedBucket(5, 2.0)),
    "five in two seconds, sliding": partial(pace, bucket=lambda: SlidingBucket(5, 2.0)),
    "five in two seconds, no headers": partial(
        pace, bucket=lambda: SlidingBucket(5, 2.0), number=25, sends_limits=False
    ),
    "503": partial(outage, begin_outage=_behaves(behaviour.unavailable), end_outage=_as_usual, get_status=200),
    "503 to messages alone": partial(
        outage, begin_outage=_behaves(behaviour.rejects_messages), end_outage=_as_usual, get_status=404
    ),
    "503 to three messages alone": partial(
        few_in_an_outage, begin_outage=_behaves(behaviour.rejects_messages), end_outage=_as_usual
    ),
    "refused": partial(outage, begin_outage=FakeDiscord.close_port, end_outage=FakeDiscord.open_port, get_status=200),
    "broken off": partial(outage, begin_outage=_breaks_connections, end_outage=_keeps_connections, get_status=405),
    "silent": partial(outage, begin_outage=_behaves(behaviour.hangs), end_outage=_as_usual, get_status=200),
}


@pytest.fixture(scope="package")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenarios]:
    """The slow scenarios. All start at once and run beside the other tests."""
    folder = tmp_path_factory.mktemp("scenarios")
    with ThreadPoolExecutor(len(_SCENARIOS)) as threads:
        yield {name: threads.submit(run, folder / str(number)) for number, (name, run) in enumerate(_SCENARIOS.items())}


@pytest.fixture(scope="package", autouse=True)
def _start_early(request: pytest.FixtureRequest) -> None:
    """If any test uses the scenarios, start them before the first test.

    Not if several processes share the tests: each would start all scenarios, also for tests that do not use them.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ and any(
        "scenarios" in getattr(item, "fixturenames", ()) for item in request.session.items
    ):
        request.getfixturevalue("scenarios")
