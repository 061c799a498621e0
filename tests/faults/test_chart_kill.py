"""A service that is killed around the upload of a chart leaves each card once, right, and with one chart or none."""

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from signalpost.sandbox.rules.faults import Fault
from signalpost.sandbox.server import Sandbox
from tests.acceptance.conftest import Environment, environment_of, running_sandbox
from tests.acceptance.serving import in_process, serving

ROOT = Path(__file__).parents[2]
CHANNEL = "signals-free"
SIGNAL = ("--pair", "EUR_USD", "--timeframe", "H4", "--side", "BUY", "--entry", "1.1", "--stop", "1.09", "--id", "s1")
HELD = 8.0
"""Seconds for which a request or its answer is held: longer than an upload may take."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> Environment:
    settings = tmp_path / "signalpost.toml"
    settings.write_text(
        f'[feeds.made]\nkind = "tests.faults.chart_feed:GatedFeed"\ncalendar = "always"\ngate = "{tmp_path / "gate"}"\n'
        '[follow]\nfeed = "made"\ntimeframe = "H4"\n',
        encoding="utf-8",
    )
    made = environment_of(sandbox.url, tmp_path / "home")
    return {
        **made,
        "SIGNALPOST_CONFIG": str(settings),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "SIGNALPOST_LIMITS": "off",
    }


def _until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _messages(sandbox: Sandbox) -> list[dict[str, Any]]:
    return sandbox.discord.guild.messages(CHANNEL)


def _pictures(sandbox: Sandbox) -> list[int]:
    return [len(message["attachments"]) for message in _messages(sandbox) if message["embeds"]]


def _die(environment: Environment, is_time: Callable[[], Any]) -> None:
    """Publish a signal, and kill the service when it is time."""
    with serving(environment, "--http", "off") as served:
        published = in_process(environment, "publish", "signal", *SIGNAL, "--no-wait", "--json")
        assert published.returncode == 0, published.stdout
        _until(is_time)
        served.process.kill()


def _close(sandbox: Sandbox, environment: Environment) -> None:
    """Start the service again, and close the signal: there is one card, which is right, and one companion."""
    with serving(environment, "--http", "off"):
        closed = in_process(environment, "signals", "close", "s1", "--price", "1.105", "--json")
        assert closed.returncode == 0, closed.stdout
        _until(lambda: len(_messages(sandbox)) > 1)
    card, companion = _messages(sandbox)
    assert "CLOSED +0.50R" in card["embeds"][0]["title"]
    assert companion["embeds"] == []


def test_before_the_upload(sandbox: Sandbox, environment: Environment, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    _die(environment, lambda: _messages(sandbox) and "delivered" in _states(environment, "new"))
    gate.unlink()
    _close(sandbox, environment)
    assert _pictures(sandbox) == [0], "a chart in memory is lost with its process"


def test_in_the_upload(sandbox: Sandbox, environment: Environment) -> None:
    sandbox.discord.faults.plan(Fault(method="PATCH", seconds_before=HELD, is_processed=False))
    _die(environment, lambda: "leased" in _states(environment, "chart"))
    _close(sandbox, environment)
    assert _pictures(sandbox) == [0]


def test_after_the_upload_before_it_is_settled(sandbox: Sandbox, environment: Environment) -> None:
    sandbox.discord.faults.plan(Fault(method="PATCH", seconds_after=HELD))
    _die(environment, lambda: _pictures(sandbox) == [1])
    assert "leased" in _states(environment, "chart")
    _close(sandbox, environment)
    assert _pictures(sandbox) == [0], "nobody knows whether the picture is there, so the next edit removes it"


def test_before_the_card_is_settled(sandbox: Sandbox, environment: Environment) -> None:
    """The card may be shown, so its repeat says so, and still does when it has its chart."""
    sandbox.discord.faults.plan(Fault(method="POST", seconds_after=HELD))
    _die(environment, lambda: _messages(sandbox))
    with serving(environment, "--http", "off"):
        _until(lambda: sum(_pictures(sandbox)) == 1)
    first, second = _messages(sandbox)
    assert (first["attachments"], len(second["attachments"])) == ([], 1)
    assert "MAY REPEAT" in second["content"]
    assert "MAY REPEAT" not in first["content"]


def _states(environment: Environment, event: str) -> set[str]:
    """The states of the deliveries of an event: `new`, or of charts."""
    store = Path(environment["SIGNALPOST_HOME"]) / "outbox.db"
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as db:
        return {state for (state,) in db.execute("SELECT state FROM delivery WHERE event LIKE ?", (f"%{event}",))}
