from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest

from tests.foreign import conduct
from tests.foreign.bucket import FixedBucket, SlidingBucket
from tests.foreign.far_end import FarEnd
from tests.foreign.scenes import Played, few_in_an_outage, outage, pace

Scenes = dict[str, Future[Played]]


def _meets_all(met: conduct.Conduct) -> Callable[[FarEnd], None]:
    return lambda far_end: setattr(far_end, "conduct", met)


def _breaks_connections(far_end: FarEnd) -> None:
    far_end.breaks_connections = True
    far_end.break_off()


def _keeps_connections(far_end: FarEnd) -> None:
    far_end.breaks_connections = False


_as_usual = _meets_all(conduct.well)
_SCENES = {
    "five in two seconds, at once": partial(pace, bucket=lambda: FixedBucket(5, 2.0)),
    "five in two seconds, sliding": partial(pace, bucket=lambda: SlidingBucket(5, 2.0)),
    "five in two seconds, untold": partial(pace, bucket=lambda: SlidingBucket(5, 2.0), number=25, tells_limits=False),
    "503": partial(outage, leave=_meets_all(conduct.away), come_back=_as_usual, question=200),
    "503 to messages alone": partial(
        outage, leave=_meets_all(conduct.takes_no_messages), come_back=_as_usual, question=404
    ),
    "503 to three messages alone": partial(
        few_in_an_outage, leave=_meets_all(conduct.takes_no_messages), come_back=_as_usual
    ),
    "refused": partial(outage, leave=FarEnd.close_door, come_back=FarEnd.open_door, question=200),
    "broken off": partial(outage, leave=_breaks_connections, come_back=_keeps_connections, question=405),
    "silent": partial(outage, leave=_meets_all(conduct.hangs), come_back=_as_usual, question=200),
}


@pytest.fixture(scope="package")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    """What takes long, each begun at once and played beside the other tests."""
    folder = tmp_path_factory.mktemp("scenes")
    with ThreadPoolExecutor(len(_SCENES)) as threads:
        yield {name: threads.submit(play, folder / str(number)) for number, (name, play) in enumerate(_SCENES.items())}


@pytest.fixture(scope="package", autouse=True)
def _begun_early(request: pytest.FixtureRequest) -> None:
    """Where a test wants them, the scenes begin before the first test of all."""
    if any("scenes" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("scenes")
