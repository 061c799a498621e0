"""Seeds that found something once: each stays, and must pass."""

import pytest

from simulation.reader import findings
from simulation.run import simulate

KEPT = [
    pytest.param(20, 6, "memory", id="a lapse fills a slot of the next process"),
    pytest.param(8, 2, "memory", id="a page instead of an answer shows life to a probe"),
]


@pytest.mark.parametrize(("seed", "hours", "store"), KEPT)
def test_a_seed_that_found_something_once_finds_nothing(seed: int, hours: float, store: str) -> None:
    assert findings(simulate(seed, hours, store)) == []
