from collections.abc import Iterator

import pytest

from signalpost.testing.manual_clock import ManualClock


@pytest.fixture(scope="module", autouse=True)
def clock() -> Iterator[ManualClock]:
    """The time is one second after the close of the H4 candle of 2025-08-20 01:00 UTC."""
    with ManualClock("2025-08-20T05:00:01Z") as manual:
        yield manual
