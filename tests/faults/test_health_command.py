"""`signalpost health` beside a `serve` that runs, is frozen, or does not run."""

import json
import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from tests.acceptance import serving
from tests.acceptance.conftest import environment, sandbox
from tests.acceptance.serving import in_process
from tests.faults.test_service_faults import no_room_on_a_small_disk, small_disk

__all__ = ["environment", "sandbox", "small_disk"]

KEYS = {
    "status", "reasons", "role", "pid", "oldest_command_s", "log_lines_dropped", "rows_damaged", "takeovers",
}  # fmt: skip
ALERT = ("publish", "alert", "--type", "feed", "--severity", "critical", "--title", "no candles", "--timeout", "0")


def run(environment: dict[str, str], *words: str, by: Callable[..., Any] = in_process) -> tuple[int, dict[str, Any]]:
    """The exit code, and the printed JSON. In this process, because most tests repeat it."""
    ran = by(environment, *words)
    printed = ran.stdout.strip()
    health: dict[str, Any] = json.loads(printed) if printed.startswith("{") else {}
    return ran.returncode, health


def test_health_shows_a_service_that_runs_and_then_is_frozen(environment: dict[str, str]) -> None:
    with serving.serving(environment) as served:
        code, health = run(environment, "health", "--json", by=serving.run)
        assert (code, set(health), health.get("status"), health.get("pid")) == (0, KEYS, "healthy", served.process.pid)
        assert (health["reasons"], health["role"]) == ([], "owner")
        served.process.send_signal(signal.SIGSTOP)
        try:
            until, seen = time.monotonic() + 35, {}
            while time.monotonic() < until:
                code, health = run(environment, "health", "--json", "--live")
                seen.setdefault(health["status"], (code, round(time.monotonic() - until + 35)))
                if health["status"] == "unhealthy":
                    break
                time.sleep(1)
        finally:
            served.process.send_signal(signal.SIGCONT)
        assert [each["code"] for each in health["reasons"]] == ["owner-silent"]
        assert {status: code for status, (code, _) in seen.items()} == {"healthy": 0, "degraded": 0, "unhealthy": 1}
        assert seen["degraded"][1] <= 20
        until = time.monotonic() + 10
        while run(environment, "health")[0] and time.monotonic() < until:
            time.sleep(0.2)
        assert run(environment, "health", "--live")[0] == 0


def test_a_full_disk_is_the_reason_that_health_gives_until_there_is_room(
    environment: dict[str, str], small_disk: Path
) -> None:
    there = {**environment, "SIGNALPOST_HOME": str(small_disk)}
    authorization = {"Authorization": f"Bearer {serving.token(there, 'own')}"}
    numbers = count()

    def is_refused() -> bool:
        alert = {"alert_type": "feed", "severity": "critical", "title": f"no candles {next(numbers)}"}
        return served.post("/api/v1/alerts", alert, **authorization)[0] == 503

    with serving.serving(there) as served:
        assert run(there, "health", "--json")[0] == 0
        with no_room_on_a_small_disk(small_disk):
            assert _until(30, is_refused)
            assert _until(30, lambda: _codes(there) == ["store-failed"])
            assert served.causes() == ["store-failed"]
        assert _until(30, lambda: _codes(there) == [])


def _codes(environment: dict[str, str]) -> list[str]:
    return [each["code"] for each in run(environment, "health", "--json")[1]["reasons"]]


def _until(seconds: float, is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not (found := is_so()) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def test_health_without_a_process_shows_whether_deliveries_are_open(environment: dict[str, str]) -> None:
    closed = {**environment, "DISCORD_WEBHOOK_ALERTS_CRITICAL": "http://127.0.0.1:9/api/v10/webhooks/alerts-critical/t"}
    assert run(environment, "health", "--json")[0] == 3
    run(closed, *ALERT)
    code, health = run(environment, "health", "--json")
    assert (code, health.get("status"), health.get("pid")) == (1, "unhealthy", None)
    assert [each["code"] for each in health["reasons"]] == ["no-process"]
    with serving.serving(environment):
        pass  # it delivers the open deliveries before it ends
    code, health = run(environment, "health", "--json")
    assert (code, health.get("status"), health.get("role")) == (0, "healthy", None)
