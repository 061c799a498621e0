"""Days without faults: health must report no problem, and must report an unexpected outage."""

import pytest

from simulation import run
from simulation.check import findings
from simulation.faults import Outage
from simulation.plan import Plan, plan
from simulation.run import simulate
from tests.simulation.process import simulation
from tests.size import size


def test_health_reports_nothing_on_calm_days() -> None:
    ran = simulation("--calm", "--seeds", str(size(1, 20)), "--hours", str(size(4, 24)))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_an_unexpected_outage_is_reported_by_health(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_an_outage(seed: int, hours: float, *, is_calm: bool, has_trades: bool) -> Plan:
        return plan(seed, hours, is_calm=is_calm, has_trades=has_trades)._replace(
            outages=(Outage(0.0, 3600.0, "", "503", probes_pass=False),)
        )

    monkeypatch.setattr(run, "plan", with_an_outage)
    assert any(finding.startswith("P11") for finding in findings(simulate(0, 2, is_calm=True)))
