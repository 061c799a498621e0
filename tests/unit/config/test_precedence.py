"""Each setting can be in each source, and the first source that has it wins."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config, HttpAddress, read_sources
from signalpost.config.settings import SETTINGS
from signalpost.delivery.pacing.limits import HOST_RATE
from tests.unit.config.webhooks import url


class Row(NamedTuple):
    """A setting with two different values: as texts, in TOML, and in the configuration."""

    key: str
    variable: str
    texts: tuple[str, str]
    in_toml: tuple[str, str]
    seen: Callable[[Config], object]
    values: tuple[object, object]
    default: object


def _reserve(config: Config) -> bool:
    return config.destinations[0].limits.reserve


HOME = Path("/home/quant/.local/share/signalpost")
ROWS = [
    Row("home", "SIGNALPOST_HOME", ("/a", "/b"), ('"/a"', '"/b"'), lambda c: c.home, (Path("/a"), Path("/b")), HOME),
    Row("workers", "SIGNALPOST_WORKERS", ("3", "4"), ("3", "4"), lambda c: c.workers, (3, 4), 2),
    Row(
        "limits",
        "SIGNALPOST_LIMITS",
        ("off", "on"),
        ("false", "true"),
        lambda c: c.host_rate,
        (None, HOST_RATE),
        HOST_RATE,
    ),
    Row("reserve", "SIGNALPOST_RESERVE", ("0", "1"), ("false", "true"), _reserve, (False, True), True),
    Row(
        "at_most_once",
        "SIGNALPOST_AT_MOST_ONCE",
        ("alert", "signal, alert"),
        ('"alert"', '"Signal,alert"'),
        lambda c: c.at_most_once,
        ({"alert"}, {"signal", "alert"}),
        frozenset(),
    ),
    Row(
        "retention",
        "SIGNALPOST_RETENTION",
        ("12h", "8w"),
        ('"12h"', '"8w"'),
        lambda c: c.retention,
        (timedelta(hours=12), timedelta(weeks=8)),
        timedelta(days=30),
    ),
    Row(
        "http",
        "SIGNALPOST_HTTP",
        ("127.0.0.1:0", "off"),
        ('"127.0.0.1:0"', '"off"'),
        lambda c: c.http,
        (HttpAddress("127.0.0.1", 0), None),
        HttpAddress("127.0.0.1", 8750),
    ),
    Row("dry_run", "SIGNALPOST_DRY_RUN", ("yes", "no"), ("true", "false"), lambda c: c.dry_run, (True, False), False),
]
EACH = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder without a `.env`, and an environment with a home folder and one webhook."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/quant")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", url())


def _in_file(text: str) -> None:
    Path("settings.toml").write_text(text, encoding="utf-8")


def test_every_setting_is_tested() -> None:
    assert [(row.key, row.variable) for row in ROWS] == [(each.key, each.variable) for each in SETTINGS]


@EACH
def test_a_setting_that_is_in_no_source_has_its_default(row: Row) -> None:
    assert row.seen(Config.from_environment()) == row.default
    assert read_sources().origin_by_key[row.key] == "default"


@EACH
def test_a_file_wins_over_the_default(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALPOST_CONFIG", "settings.toml")
    for in_toml, value in zip(row.in_toml, row.values, strict=True):
        _in_file(f"{row.key} = {in_toml}")
        assert row.seen(Config.from_environment()) == value
    assert read_sources().origin_by_key[row.key] == "file"


@EACH
def test_dot_env_wins_over_a_file(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    for one, other in ((0, 1), (1, 0)):
        _in_file(f"{row.key} = {row.in_toml[other]}")
        Path(".env").write_text(f"SIGNALPOST_CONFIG=settings.toml\n{row.variable}={row.texts[one]}\n", encoding="utf-8")
        assert row.seen(Config.from_environment()) == row.values[one]
    assert read_sources().origin_by_key[row.key] == ".env"


@EACH
def test_the_environment_wins_over_dot_env(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    for one, other in ((0, 1), (1, 0)):
        Path(".env").write_text(f"{row.variable}={row.texts[other]}\n", encoding="utf-8")
        monkeypatch.setenv(row.variable, row.texts[one])
        assert row.seen(Config.from_environment()) == row.values[one]
    assert read_sources().origin_by_key[row.key] == "environment"


@EACH
def test_a_flag_wins_over_the_environment(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    for one, other in ((0, 1), (1, 0)):
        monkeypatch.setenv(row.variable, row.texts[other])
        assert row.seen(Config.from_environment(flags={row.variable: row.texts[one]})) == row.values[one]
    assert read_sources(flags={row.variable: row.texts[0]}).origin_by_key[row.key] == "flag"


@EACH
def test_a_variable_that_is_empty_is_not_set(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALPOST_CONFIG", "settings.toml")
    _in_file(f"{row.key} = {row.in_toml[0]}")
    monkeypatch.setenv(row.variable, " ")
    assert row.seen(Config.from_environment()) == row.values[0]


@EACH
def test_a_setting_of_another_type_is_rejected_with_an_example_of_its_own(row: Row) -> None:
    _in_file(f"{row.key} = [1]")
    with pytest.raises(InvalidConfiguration) as error:
        Config.from_environment({"SIGNALPOST_CONFIG": "settings.toml"})
    (fault,) = error.value.errors
    assert (fault.code, fault.field) == ("wrong-kind", row.key)
    assert fault.text.startswith(f"settings.toml: {row.key}: ")
    assert fault.limit
    assert fault.text.endswith(fault.limit)
    assert ('"' in fault.limit) is ('"' in row.in_toml[0]), "text is shown in quotes"


def test_dot_env_is_read_only_with_the_environment_of_the_process() -> None:
    Path(".env").write_text("SIGNALPOST_WORKERS=5\n", encoding="utf-8")
    assert Config.from_environment({}).workers == 2
    assert Config.from_environment().workers == 5


def test_a_flag_names_another_file_than_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIGNALPOST_CONFIG", "none.toml")
    _in_file("workers = 7")
    file = tmp_path / "settings.toml"
    assert Config.from_environment(flags={"SIGNALPOST_CONFIG": str(file)}).workers == 7
    assert read_sources(flags={"SIGNALPOST_CONFIG": str(file)}).file == file
    assert read_sources({}).file is None


def test_a_webhook_of_the_environment_wins_over_that_of_dot_env_and_this_over_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def webhook() -> str:
        (destination,) = Config.from_environment().destinations
        return destination.webhook.reveal()

    monkeypatch.delenv("DISCORD_WEBHOOK_URL")
    monkeypatch.setenv("SIGNALPOST_CONFIG", "settings.toml")
    _in_file(f'[destinations.community]\nwebhook = "{url(1)}"')
    assert webhook() == url(1)
    Path(".env").write_text(f"DISCORD_WEBHOOK_COMMUNITY={url(2)}\n", encoding="utf-8")
    assert webhook() == url(2)
    Path("secret").write_text(f"{url(3)}\n", encoding="utf-8")
    monkeypatch.setenv("DISCORD_WEBHOOK_COMMUNITY_FILE", "secret")
    assert webhook() == url(3)
    assert read_sources().origin_by_key["destinations.community"] == "environment"
