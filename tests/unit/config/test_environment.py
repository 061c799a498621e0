import re
from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config
from signalpost.delivery.pacing.limits import HOST_RATE, NOTHING_ASSUMED, Limits
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.secret import redacted
from tests.surface.errors import Facts, facts_of

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


def test_the_single_webhook_is_for_everything_with_a_warning() -> None:
    config = Config.from_environment({"DISCORD_WEBHOOK_URL": URL, "DISCORD_WEBHOOK_COMMUNITY": " "})
    assert [each.name for each in config.destinations] == ["default"]
    assert config.everything_to == "default"
    (warning,) = config.warnings
    assert "DISCORD_WEBHOOK_URL" in warning


def test_the_single_webhook_replaces_no_missing_one_if_another_is_set() -> None:
    """P10: once one channel is separate, messages for the others are not shown to everybody."""
    config = Config.from_environment({"DISCORD_WEBHOOK_URL": URL, "DISCORD_WEBHOOK_SIGNALS_PREMIUM": OTHER})
    assert [each.name for each in config.destinations] == ["signals-premium"]
    assert config.everything_to is None
    others = [usual.name for usual in USUAL_DESTINATIONS if usual.name != "signals-premium"]
    (warning,) = [each for each in config.warnings if all(name in each for name in others)]
    assert "signals-premium" not in warning


def test_without_a_webhook_a_warning_names_every_variable_that_would_help() -> None:
    (warning,) = Config.from_environment({}).warnings
    assert set(re.findall(r"[A-Z]+_[A-Z_]+", warning)) == {
        "DISCORD_WEBHOOK_URL",
        *(usual.variable for usual in USUAL_DESTINATIONS),
    }


def test_limits_off_assumes_nothing_and_reserve_off_keeps_nothing() -> None:
    def limits(**settings: str) -> Limits:
        (only,) = Config.from_environment({"DISCORD_WEBHOOK_URL": URL, **settings}).destinations
        return only.limits

    assert limits() == Limits(30)
    assert limits(SIGNALPOST_LIMITS="off") == NOTHING_ASSUMED
    assert limits(SIGNALPOST_RESERVE="0") == Limits(30, reserve=False)
    assert limits(SIGNALPOST_LIMITS="ON", SIGNALPOST_RESERVE="yes") == Limits(30)
    assert Config.from_environment({"SIGNALPOST_LIMITS": "off"}).host_rate is None


def test_the_data_folder_is_the_configured_one_or_the_usual_place_for_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/quant")
    assert Config.from_environment({"SIGNALPOST_HOME": "~/signals"}).home == Path("/home/quant/signals")
    assert Config.from_environment({"XDG_DATA_HOME": "/data"}).home == Path("/data/signalpost")
    assert Config.from_environment({"XDG_DATA_HOME": "data"}).home == Path("/home/quant/.local/share/signalpost")
    assert Config.from_environment({}).home == Path("/home/quant/.local/share/signalpost")


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALPOST_WORKERS", "3")
    assert Config.from_environment().workers == 3


def test_all_faults_are_reported_together_and_no_webhook_is_shown() -> None:
    environment = {
        "DISCORD_WEBHOOK_SIGNALS_FREE": URL + "/slack",
        "DISCORD_WEBHOOK_COMMUNITY": URL.replace("https", "http"),
        "SIGNALPOST_WORKERS": "many",
        "SIGNALPOST_LIMITS": "perhaps",
    }
    with pytest.raises(InvalidConfiguration) as fault:
        Config.from_environment(environment)
    assert {(each.field, each.code) for each in fault.value.errors} == {
        ("DISCORD_WEBHOOK_SIGNALS_FREE", "invalid-webhook"),
        ("DISCORD_WEBHOOK_COMMUNITY", "invalid-webhook"),
        ("SIGNALPOST_WORKERS", "out-of-range"),
        ("SIGNALPOST_LIMITS", "unknown-word"),
    }
    lines = str(fault.value).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == sorted(environment)
    assert TOKEN not in str(fault.value)


@pytest.mark.parametrize("number", ["0", "17", "-1", "2.5", "99999999999999999999"])
def test_a_destination_has_one_to_sixteen_senders(number: str) -> None:
    with pytest.raises(InvalidConfiguration) as error:
        Config.from_environment({"SIGNALPOST_WORKERS": number})
    assert facts_of(error.value) == [Facts("out-of-range", "SIGNALPOST_WORKERS", repr(number), "1 to 16")]


def test_a_relative_data_folder_starts_where_the_settings_were_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    read, made = Config.from_environment({"SIGNALPOST_HOME": "mine"}), Config(home=Path("mine"))
    monkeypatch.chdir("/")
    assert read.home == made.home == tmp_path / "mine"


def test_a_data_folder_may_be_text_and_must_be_a_path() -> None:
    assert Config(home="/mine").home == Path("/mine")  # type: ignore[arg-type]
    for other in (None, 3):
        with pytest.raises(InvalidConfiguration) as error:
            Config(home=other)  # type: ignore[arg-type]
        assert facts_of(error.value) == [Facts("not-a-path", "home", str(other))]


def test_a_relative_data_folder_in_a_deleted_folder_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(InvalidConfiguration) as error:
        Config(home=Path("mine"))
    assert facts_of(error.value) == [Facts("not-readable", "home")]
    assert "mine" in str(error.value)
    assert Config(home=Path("/mine")).home == Path("/mine")


@pytest.mark.parametrize(
    "home",
    [URL, URL.replace("//", "/"), URL.removeprefix("https://"), f"'{URL}'", "postgres://u:password@host/db"],
)
def test_a_url_is_not_a_data_folder_and_is_not_shown(home: str) -> None:
    with pytest.raises(InvalidConfiguration) as error:
        Config.from_environment({"SIGNALPOST_HOME": home})
    assert facts_of(error.value) == [Facts("not-a-path", "SIGNALPOST_HOME")]
    assert str(error.value).startswith("SIGNALPOST_HOME: ")
    assert not any(part in str(error.value) for part in (home, TOKEN, "password"))


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / f"{'long-name-' * 5}.toml"
    with pytest.raises(InvalidConfiguration) as error:
        Config.from_environment({"SIGNALPOST_CONFIG": str(file)})
    assert facts_of(error.value) == [Facts("not-readable")]
    assert str(error.value).startswith(f"{file}: ")
    assert "No such file or directory" in str(error.value)


def test_the_expected_path_of_a_webhook_is_not_masked_in_its_error() -> None:
    with pytest.raises(InvalidConfiguration) as error:
        Config.from_environment({"DISCORD_WEBHOOK_URL": "https://discord.com/channels/1/2"})
    assert error.value.code == "invalid-webhook"
    assert "***" not in redacted(str(error.value))
    assert "/api/webhooks" in redacted(str(error.value))
