"""How each tier gets its signals, from a settings file."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from signalpost import Config, InvalidConfiguration
from signalpost.domain.tier import Hidden, IfEnded, TierCopy
from tests.unit.config.webhooks import url


def read(folder: Path, text: str) -> Config:
    file = folder / "s.toml"
    file.write_text(text, encoding="utf-8")
    webhooks = {"DISCORD_WEBHOOK_SIGNALS_FREE": url(1), "DISCORD_WEBHOOK_SIGNALS_PREMIUM": url(2)}
    return Config.from_environment({"SIGNALPOST_CONFIG": str(file), **webhooks})


@pytest.mark.parametrize(
    ("text", "seconds"), [("15m", 900), ("10s", 10), ("2 H", 7200), ("1d", 86400), ("0s", 0), ("90s", 90)]
)
def test_a_tier_can_get_its_signals_later(tmp_path: Path, text: str, seconds: int) -> None:
    config = read(tmp_path, f'[tiers.free]\ndelay = "{text}"')
    assert config.routing().copy("free").delay == timedelta(seconds=seconds)  # type: ignore[arg-type]
    assert config.tiers == {}, "it is routed as usual"


def test_everything_can_be_set(tmp_path: Path) -> None:
    text = '[tiers.Free]\ndelay = "30m"\nhide = ["stop", "chart"]\nif_ended = "drop"\nmin_confidence = 0.7'
    config = read(tmp_path, text)
    copy = TierCopy(
        delay=timedelta(minutes=30),
        hidden=frozenset({Hidden.STOP, Hidden.CHART}),
        if_ended=IfEnded.DROP,
        min_confidence=Decimal("0.7"),
    )
    assert config.copies == config.look.copies == {"free": copy}
    assert config.routing().copy("premium") == TierCopy()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "slower"),
    [
        ('[tiers.premium]\ndelay = "10m"', ["premium"]),
        ('[tiers.premium]\ndelay = "10m"\n[tiers.free]\ndelay = "10m"', []),
        (
            '[tiers.premium]\ndelay = "10m"\n[tiers.free]\ndelay = "9m"\n[tiers.admin]\ndelay = "11m"',
            ["premium", "admin"],
        ),
    ],
)
def test_a_tier_that_is_slower_than_a_lower_one_is_reported(tmp_path: Path, text: str, slower: list[str]) -> None:
    notes = [note for note in read(tmp_path, text).notes if "delays" in note]
    assert [note.split()[2] for note in notes] == slower


VIP = f'[destinations.vip]\nwebhook = "{url(9)}"\n[tiers.vip]\nsignals_to = ["vip"]\n'


@pytest.mark.parametrize(
    ("text", "full_tier"),
    [
        ("", "premium"),
        ('[tiers.free]\ndelay = "30m"', "premium"),
        ('[tiers.free]\nmin_confidence = 0.7\n[tiers.premium]\ndelay = "10m"', "free"),
        ('[tiers.free]\nhide = ["stop"]\n[tiers.premium]\ndelay = "10m"\n' + VIP + "rank = 15", "vip"),
        ('[tiers.free]\ndelay = "30m"\n' + VIP + "rank = 5", "vip"),
        ('[tiers.free]\ndelay = "30m"\n[tiers.premium]\ndelay = "10m"', "premium"),
    ],
    ids=["no-copies", "usual", "only-unsure-signals-are-left-out", "own-tier", "lower-own-tier", "none-is-whole"],
)
def test_messages_name_the_lowest_tier_that_gets_everything_at_once(tmp_path: Path, text: str, full_tier: str) -> None:
    assert read(tmp_path, text).look.full_tier == full_tier


def test_a_tier_without_a_webhook_is_not_named(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[tiers.free]\ndelay = "30m"\n' + VIP + "rank = 15", encoding="utf-8")
    variables = {"SIGNALPOST_CONFIG": str(file), "DISCORD_WEBHOOK_SIGNALS_FREE": url(1)}
    assert Config.from_environment(variables).look.full_tier == "vip"


@pytest.mark.parametrize("text", ["", "hide = []", 'delay = "0s"', "rank = 0", 'if_ended = "show"'])
def test_a_default_makes_no_copy(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"[tiers.free]\n{text}").copies == {}


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ('delay = "soon"', "invalid-time", "tiers.free.delay"),
        ('delay = "8d"', "invalid-time", "tiers.free.delay"),
        ("delay = 15", "wrong-kind", "tiers.free.delay"),
        ('hide = ["entry"]', "unknown-word", "tiers.free.hide"),
        ('hide = "stop"', "unknown-word", "tiers.free.hide"),
        ('if_ended = "perhaps"', "unknown-word", "tiers.free.if_ended"),
        ("min_confidence = 70", "out-of-range", "tiers.free.min_confidence"),
        ('min_confidence = "much"', "out-of-range", "tiers.free.min_confidence"),
        ("min_confidence = true", "out-of-range", "tiers.free.min_confidence"),
        ("hides = []", "unknown-field", "hides"),
    ],
)
def test_a_value_that_is_not_possible_is_a_fault(tmp_path: Path, text: str, code: str, field: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        read(tmp_path, f"[tiers.free]\n{text}")
    assert (caught.value.errors[0].code, caught.value.errors[0].field) == (code, field)


def test_a_tier_without_a_valid_name_is_reported_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        read(tmp_path, '[tiers."not a name"]\ndelay = "1m"')
    assert [fault.code for fault in caught.value.errors] == ["invalid-name"]
