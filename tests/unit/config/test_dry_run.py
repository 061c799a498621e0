"""In a dry run nothing can reach Discord, and nothing that is queued for Discord is used up."""

from pathlib import Path

import msgspec
import pytest

from signalpost import Alert, AsyncNotificationService, Config, InvalidConfiguration
from signalpost.config import DestinationConfig, destinations, read_sources
from signalpost.delivery.pacing.limits import Limits
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret
from tests.channel import headline
from tests.surface.errors import Facts, facts_of
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


def test_the_first_warning_is_about_it() -> None:
    first, *others = Config.from_environment(DRY).warnings
    assert "DRY RUN" in first
    assert "/data/dry-run" in first
    assert not any("DRY RUN" in each for each in others)


def test_a_program_cannot_add_a_real_webhook_to_a_dry_run() -> None:
    real = DestinationConfig("community", Secret(url()), Limits())
    with pytest.raises(InvalidConfiguration) as made:
        Config(home=Path(), dry_run=True, destinations=(real,))
    with pytest.raises(InvalidConfiguration) as changed:
        msgspec.structs.replace(Config.from_environment(DRY), destinations=(real,))
    for error in (made.value, changed.value):
        assert facts_of(error) == [Facts("conflict", "dry_run")]
        assert "community" in str(error)


async def test_a_dry_run_sends_to_the_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real sandbox, on a free port in place of its usual one, which another may have on this machine."""
    async with Sandbox(open=True) as sandbox:
        monkeypatch.setattr(destinations, "SANDBOX", sandbox.url)
        environment = {"SIGNALPOST_DRY_RUN": "1", "SIGNALPOST_HOME": str(tmp_path), "DISCORD_WEBHOOK_URL": url()}
        async with AsyncNotificationService(Config.from_environment(environment)) as service:
            assert await service.queue_notification(Alert(alert_type="a", severity="high", title="rehearsed"))
            assert await service.drain(timeout=30) == []
        assert [headline(message) for message in sandbox.discord.guild.messages("default")] == ["HIGH · rehearsed"]
    assert {path.name for path in tmp_path.iterdir()} == {"dry-run"}


@pytest.mark.parametrize(("says", "warns"), [("1", True), (" ON", True), ("0", False)])
@pytest.mark.parametrize("is_local", [True, False])
def test_a_programs_own_config_warns_if_the_environment_requests_a_dry_run_and_it_sends_to_discord(
    monkeypatch: pytest.MonkeyPatch, says: str, warns: bool, is_local: bool
) -> None:
    monkeypatch.setenv("SIGNALPOST_DRY_RUN", says)
    webhook = "http://127.0.0.1:1/x" if is_local else url()
    config = Config(home=Path("/data"), destinations=(DestinationConfig("community", Secret(webhook), Limits(30)),))
    assert [index for index, each in enumerate(config.warnings) if "SIGNALPOST_DRY_RUN" in each] == (
        [0] if warns and not is_local else []
    )
