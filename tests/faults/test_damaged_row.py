"""A `serve` that starts on a store with a damaged row that was being sent."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import environment, sandbox
from tests.acceptance.serving import in_process, serving, shown

__all__ = ["environment", "sandbox"]

ALERT = ("publish", "alert", "--type", "feed", "--severity", "critical", "--timeout", "0", "--title")
CLOSED = "http://127.0.0.1:9/api/v10/webhooks/alerts-critical/t"


def _health(environment: dict[str, str]) -> dict[str, Any]:
    printed = in_process(environment, "health", "--json").stdout
    shown: dict[str, Any] = json.loads(printed) if printed.startswith("{") else {}
    return shown


def _within(seconds: float, is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not (is_now := is_so()) and time.monotonic() < until:
        time.sleep(0.2)
    return is_now


def test_a_service_starts_delivers_the_others_and_reports_the_damage(environment: dict[str, str], sandbox: str) -> None:
    for title in ("damaged one", "sound one"):
        in_process({**environment, "DISCORD_WEBHOOK_ALERTS_CRITICAL": CLOSED}, *ALERT, title)
    with closing(sqlite3.connect(Path(environment["SIGNALPOST_HOME"]) / "outbox.db", isolation_level=None)) as db:
        damage = "UPDATE delivery SET state = 'leased', priority = 7 WHERE number = 1"
        assert db.execute(damage).rowcount == 1
    with serving(environment) as served:
        assert served.url, served.text()
        assert _within(30, lambda: any("sound one" in each for each in shown(sandbox)))
        assert _within(30, lambda: _health(environment).get("rows_damaged") == 1)
    assert not any("damaged one" in each for each in shown(sandbox))
