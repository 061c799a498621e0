"""`signalpost strategies status`: what the store and the running service know of each strategy."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from signalpost import MAUnifiedConfig, MAUnifiedStrategy
from signalpost.cli import main
from signalpost.config import STORE_FILE
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.instrument import Instrument
from signalpost.domain.ledger import StreamState
from signalpost.domain.timeframe import Timeframe
from signalpost.service.health_report import HealthReport, StreamReport, report_of, write_report
from signalpost.testing.manual_clock import ManualClock
from tests.unit.delivery.intake_harness import IntakeHarness, signal

PAIR = Instrument("EUR_USD")
NOW = datetime(2026, 3, 3, 10, 0, 30, tzinfo=UTC)
FILE = """
[feeds.files]
kind = "folder"
path = "."
calendar = "always"

[[strategy]]
pair = "EUR_USD"
timeframe = "H4"
fast = 1
slow = 2
feed = "files"

[[strategy]]
pair = "GBP_USD"
timeframe = "M1"
fast = 1
slow = 2
feed = "files"
"""


OWN = """
[feeds.files]
kind = "folder"
path = "."

[[strategy]]
kind = "tests.unit.cli.test_strategies:Mine"
key = "my own"
feed = "files"
"""


class Mine(MAUnifiedStrategy):
    """A strategy of the user's own, whose signals have ids of their own, and whose settings have no key."""

    fingerprint: Any = "f"
    warm_up: Any = 1

    def __init__(self, key: str) -> None:
        super().__init__(MAUnifiedConfig(pair="EUR_USD", timeframe="H4", fast=1, slow=2))
        timeframe = Timeframe("H4")
        self.config: Any = SimpleNamespace(pair=PAIR, timeframe=timeframe, strategy_name="Mine", stream="mine:1")


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with ManualClock(NOW):
        yield


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "s.toml").write_text(FILE, encoding="utf-8")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def run(home: Path, *words: str) -> Result:
    options = ("--home", str(home), "--config", str(home.parent / "s.toml"))
    return CliRunner().invoke(main, ["strategies", "status", *options, *words])


def lines(home: Path) -> list[dict[str, Any]]:
    result = run(home, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


async def fill(core: SqliteCore) -> None:
    harness = IntakeHarness(core=core)
    made = signal(signal_id="ma-unified:EUR_USD:H4:BUY:20260303T040000Z", timestamp=NOW - timedelta(hours=6))
    other = made.but(signal_id="ma-unified:EUR_USD:H4:mine:BUY:20260303T060000Z", timestamp=NOW - timedelta(hours=5))
    state = StreamState("EUR_USD:H4", "f", datetime(2026, 3, 3, 4, tzinfo=UTC), b"")
    await harness.intake.commit(state, [made, other])
    await harness.intake.commit(StreamState("GBP_USD:M1", "f", datetime(2026, 3, 3, 9, 58, tzinfo=UTC), b""), [])


async def test_without_a_service_the_store_says_how_far_each_strategy_is(home: Path) -> None:
    with closing(SqliteCore(home / STORE_FILE)) as core:
        await fill(core)
    first, second = lines(home)
    assert (first["key"], first["watermark"], first["lag_s"]) == ("EUR_USD_H4", "2026-03-03T04:00:00Z", 0.0)
    assert first["last_signal"] == {
        "id": "ma-unified:EUR_USD:H4:BUY:20260303T040000Z",
        "side": "BUY",
        "timestamp": "2026-03-03T04:00:30Z",
    }
    assert (second["watermark"], second["lag_s"], second["last_signal"]) == ("2026-03-03T09:58:00Z", 30.0, None)
    assert [(each["warm"], each["state_from"], each["candles_read"], each["cache"]) for each in (first, second)] == [
        (False, None, None, None)
    ] * 2
    shown = run(home).stdout
    assert all(fact in shown for fact in ("EUR_USD_H4", "2026-03-03 04:00", "30 s", "not running", "BUY"))


async def test_a_strategy_of_your_own_has_its_key_and_its_last_signal_whatever_the_id(home: Path) -> None:
    (home.parent / "s.toml").write_text(OWN, encoding="utf-8")
    with closing(SqliteCore(home / STORE_FILE)) as core:
        made = signal(signal_id="trade 7", strategy_name="Mine", timestamp=NOW - timedelta(hours=6))
        others = [made.but(signal_id="8", pair="GBP_USD"), made.but(signal_id="9", strategy_name="Other")]
        await IntakeHarness(core=core).intake.commit(StreamState("mine:1", "f", NOW, b""), [made, *others])
    (found,) = lines(home)
    assert (found["key"], found["last_signal"]["id"]) == ("my own", "trade 7")


async def test_beside_a_service_its_own_report_says_the_rest(home: Path) -> None:
    with closing(SqliteCore(home / STORE_FILE)) as core:
        await fill(core)
        streams = (
            StreamReport("EUR_USD_H4", True, "cache", 4, 3, 1, 1),
            StreamReport("GBP_USD_M1", False, None, 0, 0, 0, 0),
        )
        write_report(report_of(home / STORE_FILE), HealthReport.of("healthy", (), 0.0, {}, streams))
        first, second = lines(home)
        assert (first["warm"], first["state_from"], first["candles_read"]) == (True, "cache", 4)
        assert first["cache"] == {"hits": 3, "misses": 1, "rebuilt": 1}
        assert (second["warm"], second["state_from"]) == (False, None)
        shown = run(home).stdout
    assert all(fact in shown for fact in ("from cache", "starting"))
    assert lines(home)[0]["state_from"] is None, "the service has ended"


def test_a_strategy_that_has_not_begun_has_no_watermark(home: Path) -> None:
    SqliteCore(home / STORE_FILE).close()
    assert [(each["watermark"], each["lag_s"]) for each in lines(home)] == [(None, None)] * 2
    assert "none yet" in (shown := run(home).stdout)
    assert "0 s" not in shown


async def test_before_the_first_candle_the_lag_is_the_time_since_the_service_needed_it(home: Path) -> None:
    with closing(SqliteCore(home / STORE_FILE)) as core:
        await IntakeHarness(core=core).intake.commit(
            StreamState("GBP_USD:M1", "f", NOW - timedelta(minutes=5), b""), []
        )
        streams = (
            StreamReport("EUR_USD_H4", False, None, 0, 0, 0, 0, needed_since=NOW - timedelta(seconds=40.7)),
            StreamReport("GBP_USD_M1", True, "store", 0, 0, 0, 0, NOW, forming=datetime(2026, 3, 3, 10, tzinfo=UTC)),
        )
        write_report(report_of(home / STORE_FILE), HealthReport.of("healthy", (), 0.0, {}, streams))
        first, second = lines(home)
        assert (first["watermark"], first["lag_s"]) == (None, 40.7)
        assert second["lag_s"] == 0.0, "the feed shows a later candle: those between had no trades"
        assert "41 s" in run(home).stdout
        older = [StreamReport("EUR_USD_H4", False, None, 0, 0, 0, 0)]
        write_report(report_of(home / STORE_FILE), HealthReport.of("healthy", (), 0.0, {}, tuple(older)))
        assert lines(home)[0]["lag_s"] is None, "an older version wrote the report"


def test_without_strategies_nothing_is_shown(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("")
    result = run(tmp_path / "home", "--json")
    assert (result.exit_code, result.stdout) == (0, "")
