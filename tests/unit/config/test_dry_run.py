"""In a dry run nothing can reach Discord, and nothing that waits for Discord is used up."""

from pathlib import Path

import msgspec
import pytest

from signalpost import Alert, AsyncNotificationService, Config, InvalidConfiguration
from signalpost.config import DestinationConfig, destinations, read_sources
from signalpost.delivery.pacing.limits import Limits
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret
from tests.unit.config.webhooks import url

DRY = {"SIGNALPOST_DRY_RUN": "1", "SIGNALPOST_HOME": "/data"}


def hosts(config: Config) -> set[str]:
    return {each.address.host for each in config.destinations}


def test_without_a_webhook_all_seven_go_to_the_sandbox() -> None:
    config = Config.from_environment(DRY)
    assert {each.name: each.webhook.reveal() for each in config.destinations} == {
        usual.name: f"http://127.0.0.1:8751/api/v10/webhooks/{usual.name}/dry-run" for usual in USUAL_DESTINATIONS
    }
    assert read_sources(DRY).origin_by_key["destinations.community"] == "dry run"


def test_each_configured_destination_goes_to_the_sandbox_and_no_other_is_added() -> None:
    config = Config.from_environment({**DRY, "DISCORD_WEBHOOK_COMMUNITY": url()})
    assert [each.name for each in config.destinations] == ["community"]
    assert hosts(config) == {"127.0.0.1:8751"}


def test_the_single_webhook_stays_single() -> None:
    config = Config.from_environment({**DRY, "DISCORD_WEBHOOK_URL": url()})
    assert (config.everything_to, hosts(config)) == ("default", {"127.0.0.1:8751"})
    both = Config.from_environment({**DRY, "DISCORD_WEBHOOK_URL": url(), "DISCORD_WEBHOOK_COMMUNITY": url()})
    assert [each.name for each in both.destinations] == ["community"]


def test_no_webhook_is_read_so_that_secrets_need_not_be_there(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[destinations.gold]\n[destinations.community]\nwebhook_file = "/run/none"', encoding="utf-8")
    config = Config.from_environment(
        {**DRY, "SIGNALPOST_CONFIG": str(file), "DISCORD_WEBHOOK_SIGNALS_FREE": "nonsense"}
    )
    assert [each.name for each in config.destinations] == ["signals-free", "community", "gold"]
    assert hosts(config) == {"127.0.0.1:8751"}


def test_its_data_folder_is_another_one() -> None:
    """A rehearsal that used up idempotency keys, or what waits for Discord, would lose the real signals."""
    assert Config.from_environment(DRY).home == Path("/data/dry-run")
    assert Config.from_environment({"SIGNALPOST_HOME": "/data"}).home == Path("/data")


def test_it_is_told_loudly_and_first() -> None:
    assert Config.from_environment(DRY).warnings[0] == (
        "DRY RUN: nothing goes to Discord, all goes to the sandbox (signalpost sandbox); the data is in /data/dry-run"
    )


def test_a_program_cannot_add_a_real_webhook_to_a_dry_run() -> None:
    real = DestinationConfig("community", Secret(url()), Limits())
    with pytest.raises(InvalidConfiguration, match="a dry run cannot send to Discord, and community would"):
        Config(home=Path(), dry_run=True, destinations=(real,))
    with pytest.raises(InvalidConfiguration, match="community would"):
        msgspec.structs.replace(Config.from_environment(DRY), destinations=(real,))


async def test_what_is_sent_in_one_is_on_the_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real sandbox, on a free port in place of its usual one, which another may have on this machine."""
    async with Sandbox(open=True) as sandbox:
        monkeypatch.setattr(destinations, "SANDBOX", sandbox.url)
        environment = {"SIGNALPOST_DRY_RUN": "1", "SIGNALPOST_HOME": str(tmp_path), "DISCORD_WEBHOOK_URL": url()}
        async with AsyncNotificationService(Config.from_environment(environment)) as service:
            assert await service.queue_notification(Alert(alert_type="a", severity="high", title="rehearsed"))
            assert await service.drain(timeout=30) == []
        assert [message["content"] for message in sandbox.discord.guild.messages("default")] == [
            "HIGH Alert - rehearsed"
        ]
    assert {path.name for path in tmp_path.iterdir()} == {"dry-run"}


@pytest.mark.parametrize(
    ("says", "webhook", "is_told"), [("1", url(), True), (" ON", url(), True), ("0", url(), False)]
)
@pytest.mark.parametrize("is_dry", [True, False])
def test_a_programs_own_config_says_that_it_makes_no_dry_run_where_the_environment_asks_for_one(
    monkeypatch: pytest.MonkeyPatch, says: str, webhook: str, is_told: bool, is_dry: bool
) -> None:
    monkeypatch.setenv("SIGNALPOST_DRY_RUN", says)
    told = "SIGNALPOST_DRY_RUN is on, but not for a Config that a program makes: what it sends goes to Discord"
    webhook = "http://127.0.0.1:1/x" if is_dry else webhook
    config = Config(home=Path("/data"), destinations=(DestinationConfig("community", Secret(webhook), Limits(30)),))
    assert (config.warnings[0] == told) is (is_told and not is_dry)
