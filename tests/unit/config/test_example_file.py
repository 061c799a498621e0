"""The example file has every setting with its default, and no other."""

import re
import tomllib
from pathlib import Path

import pytest

from signalpost import Config
from signalpost.config import read_sources
from signalpost.config.example import example
from signalpost.config.settings import (
    CARD_SETTINGS,
    CARDS,
    DESTINATION_KEYS,
    DESTINATIONS,
    FILTER_SETTINGS,
    FILTERS,
    FOLLOW,
    SETTINGS,
    SIGNALS,
    TABLE_KEYS,
    TIER_KEYS,
    TIERS,
    WATCHDOGS,
    known_variables,
)
from signalpost.domain.destinations import USUAL_DESTINATIONS
from tests.repository.sources import ROOT
from tests.unit.config.webhooks import url

EXAMPLE = ROOT / "signalpost.example.toml"
TEXT = EXAMPLE.read_text(encoding="utf-8")
UNCOMMENTED = re.sub(r"^#(?=\S)", "", TEXT, flags=re.MULTILINE)
WEBHOOKS = {usual.variable: url(number) for number, usual in enumerate(USUAL_DESTINATIONS)}


@pytest.mark.parametrize("environment", [{}, WEBHOOKS, {"DISCORD_WEBHOOK_URL": url()}], ids=["none", "seven", "one"])
def test_the_example_changes_nothing(environment: dict[str, str]) -> None:
    with_it = Config.from_environment({**environment, "SIGNALPOST_CONFIG": str(EXAMPLE)})
    without = Config.from_environment(environment)
    for field in Config.__struct_fields__:
        assert getattr(with_it, field) == getattr(without, field), field


def test_it_has_each_setting_and_no_other() -> None:
    said = tomllib.loads(TEXT)
    assert said.keys() - {SIGNALS, FILTERS, WATCHDOGS, CARDS, DESTINATIONS, TIERS} == {
        setting.key for setting in SETTINGS
    }
    origins = read_sources({"SIGNALPOST_CONFIG": str(EXAMPLE)}).origin_by_key
    assert {origins[setting.key] for setting in SETTINGS} == {"file"}
    assert list(said[DESTINATIONS]) == [*(usual.name for usual in USUAL_DESTINATIONS), "default"]


def test_its_examples_of_settings_without_a_default_can_be_used(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(UNCOMMENTED.replace("https://discord.com/api/webhooks/ID/TOKEN", url()), encoding="utf-8")
    said = tomllib.loads(UNCOMMENTED)
    assert {key for table in said[DESTINATIONS].values() for key in table} == {*DESTINATION_KEYS}
    assert {key for table in said[TIERS].values() for key in table} == {*TIER_KEYS}
    assert {table: {*said[table]} for table in (CARDS, FOLLOW)} == {
        table: {*TABLE_KEYS[table]} for table in (CARDS, FOLLOW)
    }
    (tmp_path / "candles").mkdir()
    (tmp_path / "oanda.token").write_text("0123456789abcdef")
    dry = Config.from_environment({"SIGNALPOST_CONFIG": str(file), "SIGNALPOST_DRY_RUN": "1"})
    assert [each.name for each in dry.destinations] == ["signals-free", "signals-premium", "signals-gold"]
    assert dry.follow == ("practice", "M1")
    assert {**dry.tiers} == {"gold": (15, ("signals-gold",))}


def test_each_setting_has_its_variable_and_a_description() -> None:
    for setting in SETTINGS:
        (comment,) = re.findall(rf"((?:^# .*\n)+){setting.key} = ", TEXT, re.MULTILINE)
        assert f"({setting.variable})" in comment
        assert len(comment.split()) > 20, setting.key
    for setting in FILTER_SETTINGS:
        assert re.search(rf"^{setting.key} = ", TEXT, re.MULTILINE), setting.name
        assert f"({setting.variable})" in TEXT or not setting.variable
    for setting in CARD_SETTINGS:
        assert re.search(rf"^#?{setting.key} = ", TEXT, re.MULTILINE), setting.name
        assert f"({setting.variable})" in TEXT or not setting.variable
    named = set(re.findall(r"(?:SIGNALPOST|DISCORD_WEBHOOK)_[A-Z_]+\b", TEXT))
    assert named - {*known_variables(("signals-gold",))} == set()


def test_the_file_in_the_repository_is_the_one_that_the_table_makes() -> None:
    """If you changed the table, run `signalpost check --example > signalpost.example.toml`."""
    assert example() == TEXT
