from collections import Counter
from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.cli import demo_setup
from signalpost.cli.demo_setup import BundledMarket, demo_config
from signalpost.cli.tables import signals_of
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.sandbox.server import Sandbox


def test_the_market_is_every_bundled_strategy_that_has_candles() -> None:
    market = BundledMarket()
    assert len(market.strategies) == len(market.candles_by_key) == 14
    assert {each.feed for each in market.strategies} == {"bundled"}
    assert market.without_candles == ["NZD_USD_H4", "NZD_USD_D"]
    assert market.candles == 7 * (3_378 + 563)
    assert len(market.straddling_weeks) == 7
    assert f"{market.begins_at:%Y-%m-%d %H:%M}" == "2020-01-06 22:00"


def test_each_tier_gets_about_half_of_the_signals() -> None:
    """So that a minute of the replay's pace suffices for both."""
    market = BundledMarket()
    replays = market.replayed()
    by_tier = Counter[str]()
    for each in market.strategies:
        (tier,) = each.tiers
        by_tier[tier] += len(replays[each.key].signals)
    assert by_tier == {"free": 226, "premium": 225}
    signals = signals_of(replays.values())
    assert [signal.known_at for signal in signals] == sorted(signal.known_at for signal in signals)


async def test_history_goes_to_the_sandbox_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for usual in USUAL_DESTINATIONS:
        monkeypatch.setenv(usual.variable, f"https://discord.com/api/webhooks/123456789012345678/{'x' * 68}")
    async with demo_config(BundledMarket(), 0, to_discord=False) as config:
        assert {each.address.host.partition(":")[0] for each in config.destinations} == {"127.0.0.1"}
        assert [each.name for each in config.destinations] == [usual.name for usual in USUAL_DESTINATIONS]
        assert {each.limits.messages_a_minute for each in config.destinations} == {600}
        assert config.home.is_dir()
        first_run = config.run
    assert not config.home.exists(), "the folder was fresh, and is gone"
    async with demo_config(BundledMarket(), 0, to_discord=False) as config:
        assert config.run != first_run


async def test_history_goes_to_discord_only_if_requested_and_configured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for usual in USUAL_DESTINATIONS:
        monkeypatch.delenv(usual.variable, raising=False)
    monkeypatch.delenv("DISCORD_WEBHOOK_URL", raising=False)
    with pytest.raises(InvalidConfiguration, match="--to-discord") as refusal:
        async with demo_config(BundledMarket(), None, to_discord=True):
            pass
    assert (refusal.value.code, refusal.value.field) == ("missing", "destinations")
    monkeypatch.setenv("DISCORD_WEBHOOK_COMMUNITY", f"https://discord.com/api/webhooks/123456789012345678/{'x' * 68}")
    file = tmp_path / "signalpost.toml"
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    file.write_text('at_most_once = "alert"\n[tiers.gold]\nrank = 5\nsignals_to = ["signals-premium"]\n')
    monkeypatch.setenv("SIGNALPOST_CONFIG", str(file))
    async with demo_config(BundledMarket(), None, to_discord=True) as config:
        assert [(each.name, each.address.host) for each in config.destinations] == [("community", "discord.com")]
        assert config.destinations[0].limits.messages_a_minute == 30
        assert (config.run or "").startswith("replay-")
        assert (list(config.tiers), config.at_most_once) == (["gold"], {"alert"}), "all else is as it is configured"
        assert (len(config.strategies), config.follow, config.redis_url) == (14, None, None)


async def test_the_usual_port_is_used_if_it_is_free_and_any_other_if_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Sandbox() as other:
        usual = int(other.url.rpartition(":")[2])
        monkeypatch.setattr(demo_setup, "DEFAULT_PORT", usual)
        async with demo_config(BundledMarket(), None, to_discord=False) as config:
            assert not any(f":{usual}/" in each.webhook.reveal() for each in config.destinations)
    async with demo_config(BundledMarket(), None, to_discord=False) as config:
        assert all(f":{usual}/" in each.webhook.reveal() for each in config.destinations)


async def test_a_given_port_is_not_replaced_by_another() -> None:
    async with Sandbox() as other:
        port = int(other.url.rpartition(":")[2])
        with pytest.raises(InvalidConfiguration):
            async with demo_config(BundledMarket(), port, to_discord=False):
                pass
