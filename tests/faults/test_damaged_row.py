"""A `serve` that starts on a store with a damaged row that was being sent."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from signalpost.cli.exit_codes import STORE_UNUSABLE
from tests.acceptance.conftest import environment, sandbox
from tests.acceptance.serving import PATIENCE, in_process, serving, shown

__all__ = ["environment", "sandbox"]

ALERT = ("publish", "alert", "--type", "feed", "--severity", "critical", "--no-wait")


def _health(environment: dict[str, str]) -> dict[str, Any]:
    printed = in_process(environment, "health", "--json").stdout
    shown: dict[str, Any] = json.loads(printed) if printed.startswith("{") else {}
    return shown


def _publish(environment: dict[str, str], title: str) -> None:
    """Publish an alert. On a busy machine the store may need too long, and then the command is to be repeated."""
    words = (*ALERT, "--title", title, "--id", title)
    while (ended := in_process(environment, *words)).returncode == STORE_UNUSABLE:
        pass
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _within(seconds: float, is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not (is_now := is_so()) and time.monotonic() < until:
        time.sleep(0.2)
    return is_now


def test_a_service_starts_delivers_the_others_and_reports_the_damage(environment: dict[str, str], sandbox: str) -> None:
    for title in ("damaged one", "sound one"):
        _publish(environment, title)
    with closing(sqlite3.connect(Path(environment["SIGNALPOST_HOME"]) / "outbox.db", isolation_level=None)) as db:
        damage = "UPDATE delivery SET state = 'leased', priority = 7 WHERE number = (SELECT min(number) FROM delivery)"
        assert db.execute(damage).rowcount == 1
    with serving(environment, patience=5 * PATIENCE) as served:
        assert served.url, served.text()
        assert _within(PATIENCE, lambda: any("sound one" in each for each in shown(sandbox)))
        assert _within(PATIENCE, lambda: _health(environment).get("rows_damaged") == 1)
    assert not any("damaged one" in each for each in shown(sandbox))
