from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config
from signalpost.delivery.pacing.limits import HOST_RATE, NOTHING_ASSUMED, Limits
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.secret import redacted

TOKEN = "Zx" * 34
URL = f"https://discord.com/api/webhooks/123456789012345678/{TOKEN}"
OTHER = f"https://discord.com/api/webhooks/223456789012345678/{TOKEN}"


def test_each_webhook_is_a_destination_with_its_own_pace() -> None:
    config = Config.from_environment(
        {usual.variable: URL.replace("1", str(number), 1) for number, usual in enumerate(USUAL_DESTINATIONS, start=1)}
    )
    paces = {each.name: each.limits.messages_a_minute for each in config.destinations}
    assert paces == {
        "signals-free": 20,
        "signals-premium": 30,
        "alerts-critical": 10,
        "alerts-general": 15,
        "market-analysis": 10,
        "system-status": 5,
        "community": 30,
    }
    assert (config.workers, config.host_rate, config.everything_to, config.warnings) == (2, HOST_RATE, None, ())


def test_the_single_webhook_is_for_everything_and_says_so() -> None:
    config = Config.from_environment({"DISCORD_WEBHOOK_URL": URL, "DISCORD_WEBHOOK_COMMUNITY": " "})
    assert [each.name for each in config.destinations] == ["default"]
    assert config.everything_to == "default"
    assert config.warnings == ("only DISCORD_WEBHOOK_URL is set: all tiers and all alerts go to that one channel",)


def test_the_single_webhook_takes_nothing_over_where_another_is_set() -> None:
    """P10: with one channel named, what belongs elsewhere is not shown to everybody."""
    config = Config.from_environment({"DISCORD_WEBHOOK_URL": URL, "DISCORD_WEBHOOK_SIGNALS_PREMIUM": OTHER})
    assert [each.name for each in config.destinations] == ["signals-premium"]
    assert config.everything_to is None
    assert (
        "no webhook for signals-free, alerts-critical, alerts-general, market-analysis, system-status, community: "
        "what would go there is refused"
    ) in config.warnings


def test_without_a_webhook_the_start_says_what_to_set() -> None:
    (warning,) = Config.from_environment({}).warnings
    assert warning.startswith("no webhook is set, so every notification will be refused: set DISCORD_WEBHOOK_URL, or")


def test_limits_off_assumes_nothing_and_reserve_off_keeps_nothing() -> None:
    def limits(**settings: str) -> Limits:
        (only,) = Config.from_environment({"DISCORD_WEBHOOK_URL": URL, **settings}).destinations
        return only.limits

    assert limits() == Limits(30)
    assert limits(SIGNALPOST_LIMITS="off") == NOTHING_ASSUMED
    assert limits(SIGNALPOST_RESERVE="0") == Limits(30, reserve=False)
    assert limits(SIGNALPOST_LIMITS="ON", SIGNALPOST_RESERVE="yes") == Limits(30)
    assert Config.from_environment({"SIGNALPOST_LIMITS": "off"}).host_rate is None


def test_the_data_folder_is_named_or_lies_where_data_of_programs_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/quant")
    assert Config.from_environment({"SIGNALPOST_HOME": "~/signals"}).home == Path("/home/quant/signals")
    assert Config.from_environment({"XDG_DATA_HOME": "/data"}).home == Path("/data/signalpost")
    assert Config.from_environment({"XDG_DATA_HOME": "data"}).home == Path("/home/quant/.local/share/signalpost")
    assert Config.from_environment({}).home == Path("/home/quant/.local/share/signalpost")


def test_the_process_environment_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALPOST_WORKERS", "3")
    assert Config.from_environment().workers == 3


def test_all_faults_are_told_at_once_and_no_webhook_is_shown() -> None:
    environment = {
        "DISCORD_WEBHOOK_SIGNALS_FREE": URL + "/slack",
        "DISCORD_WEBHOOK_COMMUNITY": URL.replace("https", "http"),
        "SIGNALPOST_WORKERS": "many",
        "SIGNALPOST_LIMITS": "perhaps",
    }
    with pytest.raises(InvalidConfiguration) as fault:
        Config.from_environment(environment)
    lines = str(fault.value).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == sorted(environment)
    assert TOKEN not in str(fault.value)


@pytest.mark.parametrize("number", ["0", "17", "-1", "2.5", "99999999999999999999"])
def test_a_destination_has_one_to_sixteen_senders(number: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"SIGNALPOST_WORKERS: .* give 1 to 16"):
        Config.from_environment({"SIGNALPOST_WORKERS": number})


def test_a_relative_data_folder_is_that_of_where_the_settings_were_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    read, made = Config.from_environment({"SIGNALPOST_HOME": "mine"}), Config(home=Path("mine"))
    monkeypatch.chdir("/")
    assert read.home == made.home == tmp_path / "mine"


def test_a_relative_data_folder_in_a_folder_that_is_gone_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(InvalidConfiguration, match="home is mine, and the current folder is gone: give it in full"):
        Config(home=Path("mine"))
    assert Config(home=Path("/mine")).home == Path("/mine")


@pytest.mark.parametrize(
    "home",
    [URL, URL.replace("//", "/"), URL.removeprefix("https://"), f"'{URL}'", "postgres://u:password@host/db"],
)
def test_a_url_is_no_data_folder_and_is_not_shown(home: str) -> None:
    with pytest.raises(InvalidConfiguration) as fault:
        Config.from_environment({"SIGNALPOST_HOME": home})
    assert str(fault.value) == "SIGNALPOST_HOME: it is a URL, and should be the path of a folder"


def test_settings_that_are_not_there_are_named(tmp_path: Path) -> None:
    file = tmp_path / f"{'long-name-' * 5}.toml"
    with pytest.raises(InvalidConfiguration) as fault:
        Config.from_environment({"SIGNALPOST_CONFIG": str(file)})
    assert str(fault.value).startswith(f"{file}: it cannot be read (No such file or directory)")


def test_what_is_wrong_with_a_webhooks_path_is_not_masked() -> None:
    with pytest.raises(InvalidConfiguration) as fault:
        Config.from_environment({"DISCORD_WEBHOOK_URL": "https://discord.com/channels/1/2"})
    assert "***" not in redacted(str(fault.value))
    assert "its path is not /api/webhooks with an id and a token: copy it again" in redacted(str(fault.value))
