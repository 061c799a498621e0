"""Feeds, which a file adds."""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config, FeedConfig, make_feeds
from signalpost.config.feeds import Candles
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import Fault, InvalidValue
from signalpost.secret import Secret
from signalpost.trading.calendar import ALWAYS, FX, calendar_of
from signalpost.trading.feeds.exchange import ExchangeFeed
from signalpost.trading.feeds.folder import FolderFeed
from signalpost.trading.feeds.oanda import OandaFeed
from signalpost.trading.feeds.replay import ReplayFeed
from signalpost.trading.watchdogs import WatchdogLimits

TOKEN = "0123456789abcdef-fedcba"
SESSIONS = '[feeds.x]\nkind = "replay"\ncalendar = "custom"\nsessions = '
OANDA = '[feeds.practice]\nkind = "oanda"\n'


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, **environment: str) -> Config:
    Path("s.toml").write_text(dedent(text), encoding="utf-8")
    return Config.from_environment({"SIGNALPOST_CONFIG": "s.toml", **environment})


def faults(text: str, **environment: str) -> list[Fault]:
    with pytest.raises(InvalidConfiguration) as error:
        read(text, **environment)
    return list(error.value.errors)


def token_of(config: Config) -> object:
    token = config.feeds[0].arguments["token"]
    return token.reveal() if isinstance(token, Secret) else token


def test_without_a_table_there_are_no_feeds() -> None:
    assert read("").feeds == ()
    assert make_feeds(()) == {}


def test_sessions_may_touch_and_holidays_are_dates() -> None:
    text = "['Mon-Fri 09:00-11:30 Asia/Tokyo', 'Mon-Fri 11:30-15:00 Asia/Tokyo', 'Mon-Fri 16:00-09:00 Asia/Tokyo']"
    (feed,) = read(f"{SESSIONS}{text}\nholidays = [2026-01-02]").feeds
    assert feed.calendar.holidays == {date(2026, 1, 2)}


def test_watchdogs_have_limits_which_can_be_turned_off() -> None:
    assert read("").watchdogs == WatchdogLimits()
    text = "[watchdogs]\nsilent_candles = 0\nlate_after = '0s'\nstale_cache_rounds = 7"
    assert read(text).watchdogs == WatchdogLimits(0, timedelta(), 7)
    bad = faults("[watchdogs]\nsilent_candles = -1\nlate_after = '8d'\nstale_rounds = 1")
    assert [(each.field, each.code) for each in bad] == [
        ("stale_rounds", "unknown-field"),
        ("watchdogs.silent_candles", "out-of-range"),
        ("watchdogs.late_after", "invalid-time"),
    ]


def test_feeds_of_each_kind_are_read_and_made(tmp_path: Path) -> None:
    (tmp_path / "candles").mkdir()
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "token").chmod(0o600)
    config = read(
        """
        [feeds.files]
        kind = "folder"
        path = "candles"
        calendar = "custom"
        sessions = ["Mon-Fri 09:30-16:00 America/New_York", "Sat 10:00-12:00 America/New_York"]
        [feeds.practice]
        kind = "oanda"
        url = "https://api-fxtrade.oanda.com"
        token_file = "token"
        [feeds.demo]
        kind = "replay"
        calendar = "always"
        [feeds.coins]
        kind = "ccxt"
        exchange = "kraken"
        """
    )
    files, practice, demo, coins = config.feeds
    sessions = ["Mon-Fri 09:30-16:00 America/New_York", "Sat 10:00-12:00 America/New_York"]
    assert files == FeedConfig("files", "folder", calendar_of("custom", sessions), {"path": tmp_path / "candles"})
    assert (practice.name, practice.kind, practice.calendar) == ("practice", "oanda", FX)
    assert practice.arguments == {"url": "https://api-fxtrade.oanda.com", "token": Secret(TOKEN)}
    assert demo == FeedConfig("demo", "replay", ALWAYS)
    assert coins == FeedConfig("coins", "ccxt", ALWAYS, {"exchange": "kraken"})
    assert config.notes == ()
    live = make_feeds(config.feeds)
    assert [type(feed) for feed in live.values()] == [FolderFeed, OandaFeed, ReplayFeed, ExchangeFeed]
    assert {name: feed.name for name, feed in live.items()} == {name: name for name in live}
    assert [feed.calendar for feed in live.values()] == [files.calendar, FX, ALWAYS, ALWAYS]


@pytest.mark.parametrize(
    ("environment", "token"),
    [
        ({}, "in-the-file-of-the-table"),
        ({"OANDA_TOKEN": "in-the-environment"}, "in-the-environment"),
        ({"OANDA_TOKEN_FILE": "other"}, "in-another-file"),
    ],
)
def test_the_environment_is_before_the_file(environment: dict[str, str], token: str) -> None:
    for name, text in (("token", "in-the-file-of-the-table"), ("other", "in-another-file")):
        Path(name).write_text(text)
        Path(name).chmod(0o600)
    config = read(f'{OANDA}token_file = "token"', **environment)
    assert token_of(config) == token


def test_a_token_in_dot_env_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(f"OANDA_TOKEN={TOKEN}\n")
    Path(".env").chmod(0o600)
    Path("s.toml").write_text(OANDA)
    monkeypatch.setenv("SIGNALPOST_CONFIG", "s.toml")
    assert token_of(Config.from_environment()) == TOKEN


def test_a_mistyped_variable_of_the_token_is_noticed() -> None:
    (note,) = read("", OANDA_TOKEN_FLIE="x").notes
    assert "OANDA_TOKEN_FLIE" in note
    assert "OANDA_TOKEN_FILE" in note


def test_a_token_that_everyone_can_read_is_a_warning() -> None:
    Path("token").write_text(TOKEN)
    Path("token").chmod(0o644)
    (note,) = read(f'{OANDA}token_file = "token"\n[feeds.live]\nkind = "oanda"\ntoken_file = "token"').notes
    assert "chmod 600 token" in note
    assert TOKEN not in note


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ('[feeds.x]\npath = "."', "missing", "feeds.x.kind"),
        ("[feeds.x]\nkind = 5", "wrong-kind", "feeds.x.kind"),
        ('[feeds.x]\nkind = "foldr"', "unknown-word", "feeds.x.kind"),
        ('[feeds.x]\nkind = "a..b"', "unknown-word", "feeds.x.kind"),
        ('[feeds.x]\nkind = "a:b:c"', "unknown-word", "feeds.x.kind"),
        ('[feeds.X]\nkind = "replay"', "invalid-name", "feeds"),
        ('[feeds.x]\nkind = "replay"\npath = "."', "unknown-field", "path"),
        ('[feeds.x]\nkind = "folder"', "missing", "feeds.x.path"),
        ('[feeds.x]\nkind = "folder"\npath = "nowhere"', "no-such-folder", "feeds.x.path"),
        ('[feeds.x]\nkind = "folder"\npath = "s.toml"', "no-such-folder", "feeds.x.path"),
        ('[feeds.x]\nkind = "folder"\npath = 1', "wrong-kind", "feeds.x.path"),
        ('[feeds.x]\nkind = "folder"\npath = "https://example.com/"', "not-a-path", "feeds.x.path"),
        ('[feeds.x]\nkind = "oanda"', "missing", "feeds.x.token_file"),
        ('[feeds.x]\nkind = "ccxt"', "missing", "feeds.x.exchange"),
        ('[feeds.x]\nkind = "oanda"\ntoken_file = "nowhere"', "not-readable", "feeds.x.token_file"),
        ('[feeds.x]\nkind = "oanda"\ntoken_file = true', "wrong-kind", "feeds.x.token_file"),
        ('[feeds.x]\nkind = "replay"\ncalendar = "forex"', "unknown-word", "feeds.x.calendar"),
        ('[feeds.x]\nkind = "replay"\ncalendar = "custom"', "missing", "feeds.x.sessions"),
        ('[feeds.x]\nkind = "replay"\nsessions = ["Mon 09:00-10:00 UTC"]', "conflict", "feeds.x.sessions"),
        ('[feeds.x]\nkind = "replay"\nsessions = "Mon"', "not-a-list", "feeds.x.sessions"),
        ('[feeds.x]\nkind = "replay"\nsessions = [1]', "not-a-list", "feeds.x.sessions"),
        (f"{SESSIONS}['Mon-Fri 09:00-12:00 UTC', 'Fri 11:59-13:00 UTC']", "overlap", "feeds.x.sessions"),
        (f"{SESSIONS}['Sun 20:00-10:00 UTC', 'Mon 09:00-12:00 UTC']", "overlap", "feeds.x.sessions"),
        (f"{SESSIONS}['Mon 08:00-17:00 UTC', 'Mon 17:30-18:00 Europe/London']", "overlap", "feeds.x.sessions"),
        ('[feeds.x]\nkind = "replay"\nholidays = "2026-12-25"', "not-a-list", "feeds.x.holidays"),
        ('[feeds.x]\nkind = "replay"\nholidays = [2026-12-25T00:00:00Z]', "not-a-list", "feeds.x.holidays"),
        ('[feeds.x]\nkind = "replay"\nsessions = ["Mon"]', "invalid-session", "feeds.x.sessions"),
        ('[feeds]\nx = "replay"', "invalid-setting", "feeds"),
        ('feeds = "replay"', "invalid-setting", "feeds"),
    ],
)
def test_an_invalid_feed_is_refused(text: str, code: str, field: str) -> None:
    (fault,) = faults(text)
    assert (fault.code, fault.field) == (code, field)
    assert fault.text.startswith("s.toml: feeds")


def test_every_fault_is_reported() -> None:
    found = faults('[feeds.x]\nkind = "folder"\npth = "."\ncalendar = "forex"\n[feeds.y]\nkind = "oanda"\nurl = "x"')
    assert {(fault.code, fault.field) for fault in found} == {
        ("unknown-field", "pth"),
        ("unknown-word", "feeds.x.calendar"),
        ("missing", "feeds.x.path"),
        ("not-a-url", "feeds.y.url"),
        ("missing", "feeds.y.token_file"),
    }


def test_a_token_and_a_file_in_one_source_are_a_fault() -> None:
    Path("token").write_text(TOKEN)
    (fault,) = faults(OANDA, OANDA_TOKEN=TOKEN, OANDA_TOKEN_FILE="token")
    assert (fault.code, fault.field) == ("conflict", "OANDA_TOKEN")
    assert TOKEN not in fault.text


@pytest.mark.parametrize("key", ["kind", "path", "calendar", "token_file", "url", TOKEN * 3])
def test_a_misplaced_token_is_not_shown(key: str) -> None:
    kind = {"path": "folder", "calendar": "replay"}.get(key, "oanda")
    first = "" if key == "kind" else f'kind = "{kind}"\n'
    (first_fault, *_) = found = faults(f'[feeds.x]\n{first}"{key}" = "{TOKEN * 3}"\nsessions = ["{TOKEN * 3}"]')
    assert first_fault.code
    assert not [fault for fault in found if TOKEN in fault.text or TOKEN in (fault.value or "")]


@pytest.mark.parametrize("kind", ['kind = "oanda"', 'kind = "ccxt"\nexchange = "kraken"'])
@pytest.mark.parametrize("url", ["https://{}:{}@h", "https://h/?token={}", "https://h/#{}", "https://{}@[h"])
def test_a_url_that_may_contain_a_secret_is_not_shown(kind: str, url: str) -> None:
    found = faults(f'[feeds.x]\n{kind}\nurl = "{url.format(TOKEN, TOKEN)}"', OANDA_TOKEN=TOKEN)
    assert [(fault.code, fault.field) for fault in found] == [("invalid-url", "feeds.x.url")]
    assert TOKEN not in str(found)


class MyFeed(ReplayFeed):
    """A user's own feed."""

    def __init__(self, *, name: str, calendar: object, speed: int, **more: object) -> None:
        if speed < 0:
            raise InvalidValue("speed is negative", code="out-of-range", field="speed")
        if speed == 0:
            raise RuntimeError(TOKEN)
        if speed == 1:
            raise SystemExit(TOKEN)
        super().__init__(name=name, calendar=FX)
        self.speed, self.more = speed, more


class Strict:
    """A class without other settings."""

    def __init__(self, *, name: str, calendar: object) -> None:
        self.name, self.calendar = name, calendar


class Raises:
    """A class that cannot be made."""

    def __init__(self, *, raised: BaseException, **_: object) -> None:
        raise raised


NOT_A_CLASS = 5
MINE = f"{__name__}:MyFeed"


@pytest.mark.parametrize("path", [MINE, MINE.replace(":", ".")])
def test_a_class_of_the_user_gets_the_other_settings(path: str) -> None:
    config = read(f'[feeds.x]\nkind = "{path}"\nspeed = 3\nhosts = ["a", "b"]\ncalendar = "always"')
    assert config.feeds == (FeedConfig("x", path, ALWAYS, {"speed": 3, "hosts": ["a", "b"]}),)
    feed = make_feeds(config.feeds)["x"]
    assert isinstance(feed, MyFeed)
    assert (feed.name, feed.speed, feed.more) == ("x", 3, {"hosts": ["a", "b"]})


def test_an_unknown_exchange_is_reported_with_all_other_faults() -> None:
    found = faults('workers = 99\n[feeds.coins]\nkind = "ccxt"\nexchange = "binnance"\n')
    assert [(fault.code, fault.field) for fault in found][1:] == [("unknown-word", "feeds.coins.exchange")]
    assert found[1].text.startswith("s.toml: feeds.coins.exchange: ")


def test_without_the_library_any_exchange_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signalpost.trading.feeds.exchange.find_spec", lambda name: None)
    (feed,) = read('[feeds.coins]\nkind = "ccxt"\nexchange = "binnance"\n').feeds
    assert feed.arguments == {"exchange": "binnance"}


def test_the_place_of_a_fault_is_named_once() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        make_feeds((FeedConfig("coins", "ccxt", ALWAYS, {"exchange": "binnance"}), FeedConfig("x", MINE)))
    assert [fault.text.count("feeds.") for fault in caught.value.errors] == [1, 1]


@pytest.mark.parametrize(
    ("kind", "arguments", "code", "field"),
    [
        (MINE, {}, "missing", "feeds.x.kind"),
        (MINE, {"speed": -1}, "out-of-range", "speed"),
        (MINE, {"speed": 0}, "not-usable", "feeds.x.kind"),
        (MINE, {"speed": 1}, "not-usable", "feeds.x.kind"),
        (f"{__name__}:Strict", {"speed": 1}, "unknown-field", "feeds.x.kind"),
        (f"{__name__}:Strict", {}, "not-a-feed", "feeds.x.kind"),
        (f"{__name__}:NOT_A_CLASS", {}, "not-found", "feeds.x.kind"),
        (f"{__name__}:Nothing", {}, "not-found", "feeds.x.kind"),
        ("no_such_module:Feed", {}, "not-found", "feeds.x.kind"),
        ("raises_on_import:Feed", {}, "not-usable", "feeds.x.kind"),
    ],
)
def test_a_class_that_cannot_be_used_is_refused(
    kind: str, arguments: dict[str, object], code: str, field: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "raises_on_import.py").write_text(f"raise RuntimeError('{TOKEN}')")
    monkeypatch.syspath_prepend(tmp_path)
    good = FeedConfig("good", "replay")
    with pytest.raises(InvalidConfiguration) as caught:
        make_feeds((FeedConfig("x", kind, FX, arguments), good))
    (fault,) = caught.value.errors
    assert (fault.code, fault.field) == (code, field)
    assert fault.text.startswith("feeds.x: ")
    assert TOKEN not in fault.text
    assert caught.value.__context__ is None
    sys.modules.pop("raises_on_import", None)
    gc.collect()


def test_a_module_with_a_syntax_error_is_refused_with_its_file_and_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = tmp_path / "unfinished_feed.py"
    module.write_text(f"class Feed:\n    token = '{TOKEN}' +\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidConfiguration) as caught:
        make_feeds((FeedConfig("x", "unfinished_feed:Feed"),))
    (fault,) = caught.value.errors
    assert (fault.code, fault.field) == ("not-usable", "feeds.x.kind")
    assert f"{module}, line 2" in fault.text
    assert TOKEN not in fault.text


@pytest.mark.parametrize("raised", [SyntaxError(TOKEN), KeyboardInterrupt()])
def test_a_class_that_raises_without_a_place_is_refused_in_any_thread_but_the_main_one(raised: BaseException) -> None:
    def refused() -> Fault:
        with pytest.raises(InvalidConfiguration) as caught:
            make_feeds((FeedConfig("x", f"{__name__}:Raises", FX, {"raised": raised}),))
        return caught.value.errors[0]

    with ThreadPoolExecutor(1) as threads:
        fault = threads.submit(refused).result()
    assert (fault.code, fault.field) == ("not-usable", "feeds.x.kind")
    assert f"({type(raised).__name__})" in fault.text


def test_ctrl_c_while_a_class_is_made_is_not_a_fault_of_the_class() -> None:
    with pytest.raises(KeyboardInterrupt):
        make_feeds((FeedConfig("x", f"{__name__}:Raises", FX, {"raised": KeyboardInterrupt()}),))


FOLDER = '[feeds.practice]\nkind = "replay"\n'


def test_a_feed_that_follows_signals_is_read_with_its_timeframe() -> None:
    assert read(FOLDER).follow is None
    assert read(f'{FOLDER}[follow]\nfeed = "practice"').follow == Candles("practice", Timeframe("M1"))
    config = read(f'{FOLDER}[follow]\nfeed = "practice"\ntimeframe = "4h"')
    assert config.follow == Candles("practice", Timeframe("H4"))


@pytest.mark.parametrize(
    ("text", "code", "field", "limit"),
    [
        ('[follow]\nfeed = "practice"', "unknown-word", "follow.feed", ""),
        (f'{FOLDER}[follow]\nfeed = "practise"', "unknown-word", "follow.feed", "practice"),
        (f"{FOLDER}[follow]\nfeed = 1", "wrong-kind", "follow.feed", None),
        (f'{FOLDER}[follow]\nfeed = "practice"\ntimeframe = "M"', "no-fixed-length", "follow.timeframe", "52 weeks"),
        (f'{FOLDER}[follow]\ntimeframe = "M1"', "missing", "follow.feed", None),
        (f'{FOLDER}[follow]\nfeeds = "practice"', "unknown-field", "feeds", "feed, timeframe"),
    ],
)
def test_faults_of_a_feed_that_follows_signals(text: str, code: str, field: str, limit: str | None) -> None:
    (fault,) = faults(text)
    assert (fault.code, fault.field) == (code, field)
    assert fault.limit == limit or limit is None


def test_a_program_names_a_feed_that_it_configures(tmp_path: Path) -> None:
    follow = Candles("mine", Timeframe("M1"))
    with pytest.raises(InvalidConfiguration) as caught:
        Config(home=tmp_path, feeds=(FeedConfig("practice", "replay"),), follow=follow)
    (fault,) = caught.value.errors
    assert (fault.code, fault.field, fault.value, fault.limit) == ("unknown-word", "follow", "mine", "practice")
    assert Config(home=tmp_path, feeds=(FeedConfig("mine", "replay"),), follow=follow).follow is follow
