"""P2: `serve` stops within its limit however much is pending, and the next run delivers it."""

import asyncio
import json
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from signalpost import Alert, AsyncNotificationService, Config
from tests.acceptance.conftest import Environment
from tests.acceptance.serving import serving, shown
from tests.size import size

pytestmark = pytest.mark.unmeasured

ALERTS = size(150, 450)
FACTS = {f"fact {number}": "x" * 17 for number in range(2_500)}
"""60 kB as text."""
STOP_WITHIN = 2.0


async def _put(home: Path) -> None:
    """Add the alerts beside the running service, as a program without webhooks."""
    async with AsyncNotificationService(Config(home=home)) as producer:
        alerts = (Alert(alert_type="feed", severity="high", title=f"No candles {number}") for number in range(ALERTS))
        tickets = await asyncio.gather(
            *(producer.queue_notification(each, additional_context=FACTS) for each in alerts)
        )
        assert {ticket.outcome for ticket in tickets} == {"accepted"}


def _plan_faults(sandbox: str, faults: list[dict[str, object]] | None) -> None:
    """Plan these faults in the sandbox; None clears them."""
    body, method = (None, "DELETE") if faults is None else (json.dumps(faults).encode(), "POST")
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{sandbox}/_faults", body, headers, method=method)).close()


def test_sigterm_stops_serve_in_time_with_450_large_alerts_and_the_next_run_delivers_them(
    sandbox: str, environment: Environment
) -> None:
    home = Path(environment["SIGNALPOST_HOME"])
    mine = {**environment, "SIGNALPOST_LIMITS": "off"}
    _plan_faults(sandbox, [{"status": 503, "times": 10_000}])
    with serving(mine, "--stop-within", f"{STOP_WITHIN:g}", patience=300) as served:
        asyncio.run(_put(home))
        began = time.monotonic()
        served.process.terminate()
        try:
            served.process.wait(60)
        except subprocess.TimeoutExpired:
            served.process.kill()
        took = time.monotonic() - began
    assert took < STOP_WITHIN + 5, "3 seconds for the store, and 2 for a busy machine"
    assert shown(sandbox) == []
    _plan_faults(sandbox, None)
    with serving(mine, patience=300) as served:
        ends = time.monotonic() + 120
        while len(shown(sandbox)) < ALERTS and time.monotonic() < ends:
            time.sleep(0.5)
    assert len(set(shown(sandbox))) == ALERTS
