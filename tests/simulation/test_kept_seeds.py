"""Seeds that found something once: each stays, and must pass."""

import pytest

from simulation.check import findings
from simulation.run import simulate

KEPT = [
    pytest.param(20, 6, id="a lapse fills a slot of the next process"),
    pytest.param(1016, 24, id="a delivery is revived twice"),
    pytest.param(2228, 3, id="the breaker opens while a sender leases"),
    pytest.param(2182, 3, id="a ban is answered while senders lease"),
    pytest.param(2232, 3, id="a ban is answered while senders of other destinations lease"),
    pytest.param(2090, 3, id="a wait is asked for while a sender leases"),
    pytest.param(2187, 3, id="a slow answer tells what was left before our own of then were forgotten"),
    pytest.param(10786, 24, id="a crash between a verdict and the pace that the message taught"),
    pytest.param(100793, 24, id="a repeat of what is held only is told to be a duplicate"),
    pytest.param(300823, 24, id="a process that starts amid an outage of messages counts their failures"),
    pytest.param(500709, 24, id="the breaker opens for half of the last minute, then comes an older failure"),
    pytest.param(508882, 24, id="the breaker opens for questions that fail between messages"),
    pytest.param(3182, 3, id="that a webhook is gone stood in a body that cannot be read"),
    pytest.param(8, 2, id="a page instead of an answer shows life to a probe"),
]


@pytest.mark.parametrize(("seed", "hours"), KEPT)
def test_a_seed_that_found_something_once_finds_nothing(seed: int, hours: float) -> None:
    assert findings(simulate(seed, hours)) == []
