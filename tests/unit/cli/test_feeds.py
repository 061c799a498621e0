"""`signalpost feeds test`: one fetch, and what came of it."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from signalpost import clock
from signalpost.cli import feeds as command
from signalpost.cli import main
from signalpost.domain.candle import Candle
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.feeds.replay import ReplayFeed
from tests.oanda_server import Fault as ServerFault
from tests.oanda_server import OandaServer

HOUR = timedelta(hours=1)
TOKEN = "0123456789abcdef"
NOW = datetime(2024, 11, 5, 10, tzinfo=UTC)
CANDLES = [Candle(time=NOW - number * HOUR, open=1, high=2, low=1, close="1.5") for number in (3, 2, 1, 0)]


class Broken(ReplayFeed):
    async def fetch(self, *_: object, **__: object) -> Any:
        raise RuntimeError(TOKEN)


class Wrong(ReplayFeed):
    async def fetch(self, *_: object, **__: object) -> Any:
        return None


class Ending(ReplayFeed):
    async def fetch(self, *_: object, **__: object) -> Any:
        raise SystemExit(3)


class Hanging(ReplayFeed):
    async def fetch(self, *_: object, **__: object) -> Any:
        await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{each.time.isoformat()},1,2,1,1.5\n" for each in CANDLES)
    (tmp_path / "EUR_USD_H1.csv").write_text(f"time,open,high,low,close\n{rows}")
    (tmp_path / "EUR_USD_H4.csv").write_text("time,open,high,low,close\n")
    (tmp_path / "GBP_USD_H1.csv").write_text("time,open,high,low,close\nrubbish\n")
    kinds = {"files": 'folder"\npath = "."\ncalendar = "always', "broken": f"{__name__}:Broken", "demo": "replay"}
    kinds |= {each.__name__.lower(): f"{__name__}:{each.__name__}" for each in (Hanging, Wrong, Ending)}
    text = "".join(f'[feeds.{name}]\nkind = "{kind}"\n' for name, kind in kinds.items())
    (tmp_path / "s.toml").write_text(text)
    with ManualClock(NOW + HOUR / 3):
        yield


def feeds_test(*arguments: str, **environment: str) -> Result:
    environment = {"SIGNALPOST_CONFIG": "s.toml", "SIGNALPOST_HOME": "home", **environment}
    return CliRunner().invoke(main, ["feeds", "test", *arguments], env=environment)


def plain(*arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    result = feeds_test(*arguments, "--json", **environment)
    assert TOKEN not in result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, found


def test_the_newest_candles_are_counted() -> None:
    code, found = plain("files", "--pair", "eur/usd", "--timeframe", "1h")
    assert (code, found) == (
        0,
        {
            "ok": True,
            "feed": "files",
            "pair": "EUR_USD",
            "timeframe": "H1",
            "candles": 3,
            "last_complete": CANDLES[2].time.isoformat().replace("+00:00", "Z"),
            "forming": CANDLES[3].time.isoformat().replace("+00:00", "Z"),
            "error": None,
        },
    )
    assert not Path("home").exists()


def test_people_see_the_same() -> None:
    result = feeds_test("files", "--pair", "EUR_USD", "--timeframe", "H1")
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    opened = CANDLES[2].time.isoformat().replace("+00:00", "Z")
    assert all(text in line for text in ("files", "EUR_USD H1", "3 candles", opened, "1.5"))


def test_a_market_that_is_closed_has_no_forming_candle() -> None:
    code, found = plain("demo", "--pair", "EUR_USD", "--timeframe", "H4")
    assert (code, found["candles"], found["forming"]) == (0, 500, None)
    assert datetime.fromisoformat(found["last_complete"]) < datetime(2023, 1, 1, tzinfo=UTC)
    assert "forming" not in feeds_test("demo", "--pair", "EUR_USD", "--timeframe", "H4").stdout


@pytest.mark.parametrize(
    ("feed", "pair", "timeframe", "code", "field"),
    [
        ("files", "USD_JPY", "H1", "not-found", "path"),
        ("files", "GBP_USD", "H1", "missing", None),
        ("files", "EUR_USD", "H4", "no-candles", "pair"),
        ("demo", "EUR_USD", "M1", "not-found", "pair"),
        ("broken", "EUR_USD", "H1", "feed-raised", None),
        ("wrong", "EUR_USD", "H1", "not-usable", "fetch"),
        ("ending", "EUR_USD", "H1", "feed-raised", None),
    ],
)
def test_a_feed_that_fails_is_exit_code_1(feed: str, pair: str, timeframe: str, code: str, field: str | None) -> None:
    exit_code, found = plain(feed, "--pair", pair, "--timeframe", timeframe)
    assert (exit_code, found["ok"], found["candles"], found["last_complete"]) == (1, False, 0, None)
    assert (found["error"]["code"], found["error"]["field"]) == (code, field)
    result = feeds_test(feed, "--pair", pair, "--timeframe", timeframe)
    assert result.exit_code == 1
    assert found["error"]["detail"] in result.stdout


def test_a_folder_in_another_time_zone_is_exit_code_1() -> None:
    with ManualClock(CANDLES[-2].time + HOUR / 2), Path("EUR_USD_H1.csv").open() as file:
        last_line = len(file.readlines())
        code, found = plain("files", "--pair", "EUR_USD", "--timeframe", "H1")
    assert (code, found["error"]["code"], found["error"]["field"]) == (1, "bad-answer", "time")
    assert found["error"]["value"] == f"{CANDLES[-1].time:%Y-%m-%dT%H:%M:%SZ}"
    assert f"EUR_USD_H1.csv, line {last_line}" in found["error"]["detail"]


def test_a_feed_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_WITHIN", 0.01)
    code, found = plain("hanging", "--pair", "EUR_USD", "--timeframe", "H1")
    assert (code, found["error"]["code"]) == (1, "timeout")


@pytest.mark.parametrize(
    ("options", "stream"),
    [
        ((), ("EUR_USD", "H1")),
        (("--timeframe", "H4"), ("EUR_USD", "H4")),
        (("--pair", "GBP_USD"), ("GBP_USD", "H1")),
    ],
)
def test_the_first_strategy_of_a_feed_decides_what_is_not_given(
    options: tuple[str, ...], stream: tuple[str, str]
) -> None:
    with Path("s.toml").open("a") as file:
        for feed, timeframe in (("demo", "H4"), ("files", "H1"), ("files", "D")):
            values = f'pair = "EUR_USD"\ntimeframe = "{timeframe}"\nfast = 2\nslow = 3\nfeed = "{feed}"\n'
            file.write(f"[[strategy]]\n{values}key = '{feed}-{timeframe}'\n")
    found = plain("files", *options)[1]
    assert (found["pair"], found["timeframe"]) == stream


@pytest.mark.parametrize("options", [(), ("--pair", "EUR_USD"), ("--timeframe", "H1")])
def test_without_a_strategy_pair_and_timeframe_are_required(options: tuple[str, ...]) -> None:
    code, found = plain("files", *options)
    assert (code, list(found)) == (2, ["errors"])


@pytest.mark.parametrize("has_feeds", [True, False])
def test_an_unknown_feed_is_exit_code_2(has_feeds: bool) -> None:
    if not has_feeds:
        Path("s.toml").write_text("")
    code, found = plain("practise", "--pair", "EUR_USD", "--timeframe", "H1")
    (error,) = found["errors"]
    assert (code, error["code"], error["field"], error["value"]) == (2, "unknown-word", "feed", "'practise'")
    assert error["limit"] == ("files, broken, demo, hanging, wrong, ending" if has_feeds else "")


def test_an_invalid_pair_or_timeframe_is_exit_code_2() -> None:
    assert plain("demo", "--pair", "", "--timeframe", "H1")[0] == 2
    code, found = plain("demo", "--pair", "EUR_USD", "--timeframe", "1M")
    assert (code, found["errors"][0]["field"]) == (2, "timeframe")


def test_oanda_is_tested_with_its_token() -> None:
    with OandaServer({("EUR_USD", "H1"): CANDLES}, now=clock.now, token=TOKEN) as server:
        Path("s.toml").write_text(f'[feeds.practice]\nkind = "oanda"\nurl = "{server.url}"')
        stream = ("practice", "--pair", "EUR_USD", "--timeframe", "H1")
        code, found = plain(*stream, OANDA_TOKEN=TOKEN)
        assert (code, found["candles"]) == (0, 3)
        server.faults.append(ServerFault(status=401))
        code, found = plain(*stream, OANDA_TOKEN=TOKEN)
        assert (code, found["error"]["code"]) == (1, "unauthorized")
