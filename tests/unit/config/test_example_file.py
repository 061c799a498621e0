"""The example file says what the code says: each setting with its default, and no other."""

import re
import tomllib
from pathlib import Path

import pytest

from signalpost import Config
from signalpost.config import read_sources
from signalpost.config.known import SETTINGS, known_variables
from signalpost.config.toml_file import DESTINATIONS, OF_A_DESTINATION, OF_A_TIER, TIERS
from signalpost.domain.destinations import USUAL_DESTINATIONS
from tests.house.repository import ROOT, SOURCE
from tests.unit.config.webhooks import url

EXAMPLE = SOURCE / "data" / "signalpost.example.toml"
TEXT = EXAMPLE.read_text(encoding="utf-8")
UNCOMMENTED = re.sub(r"^#(?=\S)", "", TEXT, flags=re.MULTILINE)
WEBHOOKS = {usual.variable: url(number) for number, usual in enumerate(USUAL_DESTINATIONS)}


@pytest.mark.parametrize("environment", [{}, WEBHOOKS, {"DISCORD_WEBHOOK_URL": url()}], ids=["none", "seven", "one"])
def test_the_example_says_what_holds_without_it(environment: dict[str, str]) -> None:
    with_it = Config.from_environment({**environment, "SIGNALPOST_CONFIG": str(EXAMPLE)})
    without = Config.from_environment(environment)
    for field in Config.__struct_fields__:
        assert getattr(with_it, field) == getattr(without, field), field


def test_each_setting_stands_in_it_as_a_setting_and_no_other() -> None:
    said = tomllib.loads(TEXT)
    assert said.keys() - {DESTINATIONS, TIERS} == {setting.key for setting in SETTINGS}
    origins = read_sources({"SIGNALPOST_CONFIG": str(EXAMPLE)}).origin_by_key
    assert {origins[setting.key] for setting in SETTINGS} == {"file"}
    assert list(said[DESTINATIONS]) == [*(usual.name for usual in USUAL_DESTINATIONS), "default"]


def test_what_has_no_default_stands_in_it_as_an_example_that_can_be_used(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(UNCOMMENTED.replace("https://discord.com/api/webhooks/ID/TOKEN", url()), encoding="utf-8")
    said = tomllib.loads(UNCOMMENTED)
    assert {key for table in said[DESTINATIONS].values() for key in table} == {*OF_A_DESTINATION}
    assert {key for table in said[TIERS].values() for key in table} == {*OF_A_TIER}
    dry = Config.from_environment({"SIGNALPOST_CONFIG": str(file), "SIGNALPOST_DRY_RUN": "1"})
    assert [each.name for each in dry.destinations] == ["signals-free", "signals-premium", "signals-gold"]
    assert {**dry.tiers} == {"gold": (15, ("signals-gold",))}


def test_each_setting_is_told_with_its_variable_and_a_reason() -> None:
    for setting in SETTINGS:
        (comment,) = re.findall(rf"((?:^# .*\n)+){setting.key} = ", TEXT, re.MULTILINE)
        assert f"({setting.variable})" in comment
        assert len(comment.split()) > 20, setting.key
    named = set(re.findall(r"(?:SIGNALPOST|DISCORD_WEBHOOK)_[A-Z_]+\b", TEXT))
    assert named - {*known_variables(("signals-gold",))} == set()


def test_the_repository_shows_the_file_that_is_shipped() -> None:
    assert (ROOT / "signalpost.example.toml").resolve() == EXAMPLE
