"""Days without faults: health must report no problem, and must report an unexpected outage."""

import pytest

from simulation import run
from simulation.check import findings
from simulation.faults import Outage
from simulation.plan import Plan, plan
from simulation.run import simulate


@pytest.mark.parametrize("seed", range(4))
def test_health_reports_nothing_on_a_calm_day(seed: int) -> None:
    assert findings(simulate(seed, 24, is_calm=True)) == []


def test_an_unexpected_outage_is_reported_by_health(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_an_outage(seed: int, hours: float, *, is_calm: bool) -> Plan:
        return plan(seed, hours, is_calm=is_calm)._replace(outages=(Outage(0.0, 3600.0, "", "503", probes_pass=False),))

    monkeypatch.setattr(run, "plan", with_an_outage)
    assert any(finding.startswith("P11") for finding in findings(simulate(0, 2, is_calm=True)))
