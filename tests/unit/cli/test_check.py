"""`signalpost check`: what it shows, what it keeps to itself, and how it ends."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from signalpost import Config
from signalpost.cli import main
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.errors import InvalidConfiguration
from tests.repository.sources import ROOT
from tests.unit.config.webhooks import TOKEN, url


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in ("SIGNALPOST_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield
    assert not (tmp_path / ".local").exists(), "a check makes nothing"


OTHERS = "alerts-critical, alerts-general, market-analysis, system-status, community"


def check(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments], env=environment)


def plain(*arguments: str, **environment: str) -> dict[str, Any]:
    result = check("--json", *arguments, **environment)
    assert TOKEN not in result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_each_setting_is_shown_with_its_value_and_origin() -> None:
    Path(".env").write_text("SIGNALPOST_WORKERS=3\n", encoding="utf-8")
    Path("s.toml").write_text('retention = "8w"\nreserve = false\nlimits = false', encoding="utf-8")
    found = plain("--home", "/data", "--config", "s.toml", SIGNALPOST_HTTP="off")
    assert {key: (each["value"], each["from"]) for key, each in found["settings"].items()} == {
        "home": ("/data", "flag"),
        "workers": (3, ".env"),
        "limits": (False, "file"),
        "reserve": (False, "file"),
        "at_most_once": ("none", "default"),
        "retention": ("56d", "file"),
        "http": ("off", "environment"),
        "dry_run": (False, "default"),
        "open_for": ("90d", "default"),
        "valid_for": ("1h", "default"),
    }
    assert found["file"] == "s.toml"
    assert found["settings"]["http"]["variable"] == "SIGNALPOST_HTTP"


def test_the_feed_that_follows_signals_is_shown_if_it_is_set() -> None:
    Path("s.toml").write_text('[feeds.mine]\nkind = "replay"\n[follow]\nfeed = "mine"', encoding="utf-8")
    settings = plain("--config", "s.toml")["settings"]
    shown = {key: (each["value"], each["from"]) for key, each in settings.items() if key.startswith("follow")}
    assert shown == {"follow.feed": ("mine", "file"), "follow.timeframe": ("M1", "default")}


def test_a_destination_is_shown_with_its_limits_and_the_host_and_id_of_its_webhook() -> None:
    found = plain(DISCORD_WEBHOOK_SIGNALS_FREE=url(1), DISCORD_WEBHOOK_COMMUNITY="http://127.0.0.1:1/token")
    assert found["destinations"] == [
        {
            "name": "signals-free",
            "host": "discord.com",
            "webhook_id": "123456789012345679",
            "from": "environment",
            "messages_a_minute": 20,
            "burst": "5 in 2 s",
            "channel": "28 in 60 s",
            "reserve": True,
            "ticket": "short",
        },
        {
            "name": "community",
            "host": "127.0.0.1:1",
            "webhook_id": None,
            "from": "environment",
            "messages_a_minute": 30,
            "burst": "5 in 2 s",
            "channel": "28 in 60 s",
            "reserve": True,
            "ticket": "short",
        },
    ]


def test_the_fallbacks_of_a_destination_are_shown() -> None:
    Path("s.toml").write_text('[destinations.signals-free]\nfallbacks = ["community"]', encoding="utf-8")
    webhooks = {"DISCORD_WEBHOOK_SIGNALS_FREE": url(1), "DISCORD_WEBHOOK_COMMUNITY": url(2)}
    free, community = plain("--config", "s.toml", **webhooks)["destinations"]
    assert (free["fallbacks"], free["fall_back_after"]) == (["community"], "5m")
    assert "fallbacks" not in community


def test_the_recaps_of_a_destination_are_shown_with_the_end_of_their_days() -> None:
    text = '[destinations.signals-free]\nrecaps = ["weekly"]\nrecap_timezone = "Europe/Berlin"\nrecap_hour = 22\n'
    Path("s.toml").write_text(text, encoding="utf-8")
    found = plain("--config", "s.toml", DISCORD_WEBHOOK_SIGNALS_FREE=url())
    (free,) = [each for each in found["destinations"] if each["name"] == "signals-free"]
    assert (free["recaps"], free["recap_timezone"], free["recap_hour"]) == (["weekly"], "Europe/Berlin", 22)


def test_feeds_are_shown_without_their_token() -> None:
    Path("s.toml").write_text(
        '[feeds.files]\nkind = "folder"\npath = "."\n[feeds.practice]\nkind = "oanda"\ncalendar = "custom"\n'
        'sessions = ["Mon 09:00-10:00 UTC"]',
        encoding="utf-8",
    )
    secret = {"OANDA_TOKEN": "0123456789abcdef"}
    found = plain("--config", "s.toml", **secret)
    assert found["feeds"] == [
        {"name": "files", "kind": "folder", "calendar": "fx", "from": "file", "path": str(Path.cwd())},
        {"name": "practice", "kind": "oanda", "calendar": "Mon 09:00-10:00 UTC", "from": "file", "token": "***"},
    ]
    shown = check("--config", "s.toml", **secret)
    assert shown.exit_code == 0
    assert all(text in shown.stdout for text in ("files", "practice", "token = ***", "Mon 09:00-10:00 UTC"))
    assert secret["OANDA_TOKEN"] not in shown.output


def test_a_feed_that_cannot_be_made_is_exit_code_2_and_its_own_settings_are_not_shown() -> None:
    Path("s.toml").write_text('[feeds.mine]\nkind = "no_such_module:Feed"\nkey = "hunter2"', encoding="utf-8")
    result = check("--json", "--config", "s.toml")
    found = json.loads(result.stdout)
    assert result.exit_code == 2
    assert found["feeds"] == [{"name": "mine", "kind": "no_such_module:Feed", "calendar": "fx", "from": "file"}]
    assert [(error["code"], error["field"]) for error in found["errors"]] == [("not-found", "feeds.mine.kind")]
    assert found["faults"][0].startswith("s.toml: feeds.mine: ")
    assert "hunter2" not in result.output


STRATEGY = """
[[strategy]]
pair = "{pair}"
timeframe = "{timeframe}"
fast = 2
slow = 3
feed = "mine"
tiers = ["free"]
"""


def checked_strategies(kind: str, *streams: tuple[str, str]) -> tuple[int, list[str], list[tuple[str, str]]]:
    """The exit code, the warnings about strategies, and the code and value of each error."""
    tables = "".join(STRATEGY.format(pair=pair, timeframe=timeframe) for pair, timeframe in streams)
    Path("s.toml").write_text(f"[feeds.mine]\n{kind}\n{tables}", encoding="utf-8")
    result = check("--json", "--config", "s.toml")
    found = json.loads(result.stdout)
    warnings = [each for each in found.get("warnings", ()) if each.startswith("strategy")]
    return result.exit_code, warnings, [(each["code"], each["value"]) for each in found["errors"]]


def test_a_strategy_whose_candles_a_replay_does_not_have_is_an_error() -> None:
    streams = (("EUR_USD", "H4"), ("EUR_USD", "D"), ("EUR_USD", "H1"), ("XAU_USD", "H4"))
    found = checked_strategies('kind = "replay"', *streams)
    assert found == (2, [], [("not-found", "EUR_USD H1"), ("not-found", "XAU_USD H4")])
    with pytest.raises(InvalidConfiguration) as raised:  # so a service does not start either
        Config.from_environment({"SIGNALPOST_CONFIG": "s.toml"})
    assert [each.field for each in raised.value.errors] == ["strategy.3.pair", "strategy.4.pair"]


def test_a_strategy_without_a_file_in_its_folder_is_a_warning_because_it_may_be_written_later() -> None:
    folder = Path("candles")
    folder.mkdir()
    feed = 'kind = "folder"\npath = "candles"'
    code, warnings, errors = checked_strategies(feed, ("EUR_USD", "H4"))
    assert (code, len(warnings), errors) == (0, 1, [])
    (folder / "EUR_USD_H4.csv.gz").touch()
    code, warnings, _ = checked_strategies(feed, ("EUR_USD", "H4"), ("GBP_USD", "M1"))
    (warning,) = warnings
    assert all(fact in warning for fact in ("GBP_USD_M1.csv.gz", "EUR_USD_H4.csv.gz"))


def test_the_routes_are_those_of_the_service_with_tiers_by_rank() -> None:
    Path("s.toml").write_text(
        f'[destinations.gold]\nwebhook = "{url()}"\n[tiers.gold]\nrank = 15\nsignals_to = ["gold", "community"]',
        encoding="utf-8",
    )
    routes = plain("--config", "s.toml", DISCORD_WEBHOOK_SIGNALS_FREE=url(2))["routes"]
    assert [(each["what"], each["rank"], each["to"], each["sent"]) for each in routes] == [
        ("signals for free", 0, ["signals-free"], ["signals-free"]),
        ("signals for premium", 10, ["signals-premium"], []),
        ("signals for gold", 15, ["gold", "community"], ["gold"]),
        ("signals for admin", 20, ["signals-premium"], []),
        ("alerts, critical", None, ["alerts-critical"], []),
        ("alerts, high", None, ["alerts-critical"], []),
        ("alerts, medium", None, ["alerts-general"], []),
        ("alerts, low", None, ["alerts-general"], []),
        ("market analyses", None, ["market-analysis"], []),
        ("system statuses", None, ["system-status"], []),
        ("announcements", None, ["community"], []),
    ]


def test_the_single_webhook_takes_everything() -> None:
    found = plain(DISCORD_WEBHOOK_URL=url())
    assert {each for route in found["routes"] for each in route["sent"]} == {"default"}
    assert "DISCORD_WEBHOOK_URL" in found["warnings"][0]


def test_the_settings_of_messages_are_shown() -> None:
    Path("s.toml").write_text('[cards.roles.premium]\nusual = "1100000000000000005"\nstop = false', encoding="utf-8")
    found = plain("--config", "s.toml", SIGNALPOST_USERNAME="Ann")["cards"]
    changed = {name: each for name, each in found.items() if each["from"] != "default"}
    assert changed == {
        "cards.username": {"value": "Ann", "from": "environment", "variable": "SIGNALPOST_USERNAME"},
        "cards.roles.premium.usual": {"value": "1100000000000000005", "from": "file", "variable": ""},
        "cards.roles.premium.stop": {"value": False, "from": "file", "variable": ""},
    }
    assert found["cards.colours.blue"] == {"value": "#1F73F9", "from": "default", "variable": ""}
    rows = [line.split() for line in check("--config", "s.toml").stdout.splitlines()]
    assert ["cards.roles.premium.stop", "false", "file"] in rows
    assert not any("cards.colours.blue" in row for row in rows)


def test_a_missing_producer_is_a_warning() -> None:
    (warning,) = {*plain()["warnings"]} - {*plain(SIGNALPOST_PRODUCER="Ann")["warnings"]}
    assert "SIGNALPOST_PRODUCER" in warning
    assert check().exit_code == 0


def test_people_see_the_same_in_tables() -> None:
    Path("s.toml").touch()
    options = {"SIGNALPOST_LIMITS": "off", "SIGNALPOST_HOME": "/data/[x]"}
    result = check("--config", "s.toml", DISCORD_WEBHOOK_SIGNALS_FREE=url(1), **options)
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert TOKEN not in result.output
    for facts in (
        ("home", "/data/[x]", "environment", "SIGNALPOST_HOME"),
        ("limits", "false", "environment", "SIGNALPOST_LIMITS"),
        ("signals-free", "discord.com", "123456789012345679", "environment"),
        ("free", "0", "signals-free"),
        ("premium", "10", "signals-premium"),
        ("critical", "alerts-critical"),
        ("s.toml",),
        ("signals-premium", OTHERS),
    ):
        assert any(all(fact in line for fact in facts) for line in lines), facts
    assert len([line for line in lines if "/data/[x]" in line]) == 2, "of the setting, and of the folder itself"


def test_without_destinations_there_is_a_warning_and_no_table() -> None:
    result = check()
    assert result.exit_code == 0
    assert plain()["destinations"] == []
    assert plain()["warnings"][0] in " ".join(result.output.split())
    with_one = check(DISCORD_WEBHOOK_URL=url()).output
    assert with_one.count("discord.com") > result.output.count("discord.com")


def test_faults_are_exit_code_2_and_nothing_else_is_shown() -> None:
    result = check(SIGNALPOST_WORKERS="many", DISCORD_WEBHOOK_COMMUNITY="x")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "DISCORD_WEBHOOK_COMMUNITY" in result.stderr
    assert [line.partition(":")[2].strip().partition(":")[0] for line in result.stderr.splitlines()[:1]] == [
        "SIGNALPOST_WORKERS"
    ]
    assert "SIGNALPOST_WORKERS" in result.stderr
    assert "'many'" in result.stderr
    as_json = check("--json", SIGNALPOST_WORKERS="many", DISCORD_WEBHOOK_COMMUNITY="x")
    assert (as_json.exit_code, as_json.stderr) == (2, "")
    assert [(each["code"], each["field"]) for each in json.loads(as_json.stdout)["errors"]] == [
        ("out-of-range", "SIGNALPOST_WORKERS"),
        ("invalid-webhook", "DISCORD_WEBHOOK_COMMUNITY"),
    ]


def test_an_unusable_data_folder_is_exit_code_2_and_the_rest_is_shown() -> None:
    Path("file").touch()
    result = check("--home", "file")
    assert result.exit_code == 2
    assert "SIGNALPOST_HOME" in result.stdout, "the settings are shown"
    found = plain("--home", "file")
    (error,) = found["errors"]
    assert (error["code"], error["field"], error["value"]) == ("not-usable", "home", "file")
    assert found["faults"] == [error["detail"]]
    assert found["data_folder"]["usable"] is False
    assert error["detail"] in result.stderr


def test_a_dry_run_is_reported() -> None:
    found = plain("--home", "/data", SIGNALPOST_DRY_RUN="1", DISCORD_WEBHOOK_COMMUNITY=url())
    assert found["settings"]["home"] == {"value": "/data/dry-run", "from": "flag", "variable": "SIGNALPOST_HOME"}
    assert [(each["name"], each["host"], each["from"]) for each in found["destinations"]] == [
        ("community", "127.0.0.1:8751", "dry run")
    ]
    assert "DRY RUN" in found["warnings"][0]
    every = plain(SIGNALPOST_DRY_RUN="1")
    assert [each["name"] for each in every["destinations"]] == [usual.name for usual in USUAL_DESTINATIONS]


def test_the_example_is_printed_as_it_is_in_the_repository() -> None:
    result = check("--example", SIGNALPOST_WORKERS="many")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (ROOT / "signalpost.example.toml").read_text(encoding="utf-8")


def test_each_strategy_is_shown_with_its_feed_and_tiers() -> None:
    Path("s.toml").write_text(
        '[feeds.f]\nkind = "replay"\n[[strategy]]\npair = "EUR_USD"\ntimeframe = "H4"\nfast = 1\nslow = 2\n'
        'feed = "f"\ntiers = ["premium", "free"]\nfollow = false\n',
        encoding="utf-8",
    )
    (found,) = plain("--config", "s.toml")["strategies"]
    assert found == {
        "key": "EUR_USD_H4",
        "pair": "EUR_USD",
        "timeframe": "H4",
        "kind": "ma-unified",
        "feed": "f",
        "tiers": ["premium", "free"],
        "follow": False,
    }
    shown = check("--config", "s.toml").stdout
    assert all(fact in shown for fact in ("EUR_USD_H4", "premium, free", "no"))
