"""The warnings at startup, also for a mistyped variable."""

import re
import traceback
from pathlib import Path

import pytest

from signalpost import Config, InvalidConfiguration
from signalpost.config import DestinationConfig, HttpAddress
from signalpost.config.settings import known_variables
from signalpost.delivery.pacing.limits import Limits
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.secret import Secret
from tests.surface.errors import Facts, facts_of
from tests.unit.config.webhooks import TOKEN, url

ALL = {usual.variable: url(number) for number, usual in enumerate(USUAL_DESTINATIONS)}


def test_a_complete_configuration_has_no_warnings() -> None:
    assert Config.from_environment(ALL).warnings == ()


def test_a_single_webhook_beside_another_is_ignored_with_a_warning() -> None:
    """Without one, a user who sets both would believe that everything is delivered."""
    (warning,) = Config.from_environment({**ALL, "DISCORD_WEBHOOK_URL": url(99)}).warnings
    assert warning.startswith("DISCORD_WEBHOOK_URL ")
    assert "DISCORD_WEBHOOK_SIGNALS_FREE" in warning


def test_destinations_that_share_a_webhook_get_one_warning_however_it_is_spelled() -> None:
    same = url(3).replace("https://discord.com/api", "https://canary.discord.com/api/v10")
    environment = {**ALL, "DISCORD_WEBHOOK_COMMUNITY": same, "DISCORD_WEBHOOK_SYSTEM_STATUS": url(3)}
    (warning,) = Config.from_environment(environment).warnings
    assert {each.name for each in USUAL_DESTINATIONS if each.name in warning} == {
        "alerts-general",
        "system-status",
        "community",
    }


def test_an_invalid_webhook_is_rejected_with_the_name_of_its_destination() -> None:
    bad = DestinationConfig("community", Secret("https://discord.com/api/webhooks/1/a-token-to-hide"), Limits())
    with pytest.raises(InvalidConfiguration) as caught:
        Config(home=Path(), destinations=(bad,))
    assert facts_of(caught.value) == [Facts("invalid-webhook", "community")]
    assert "to-hide" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "signals.example", "127.example.com"])
def test_an_address_that_other_machines_can_reach_gets_a_warning(host: str) -> None:
    config = Config(home=Path(), http=HttpAddress(host, 8750))
    (warning,) = [each for each in config.warnings if "SIGNALPOST_HTTP" in each]
    assert host in warning


@pytest.mark.parametrize(
    "http", [None, *(HttpAddress(host, 0) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"))]
)
def test_an_address_that_only_this_machine_can_reach_gets_no_warning(http: HttpAddress | None) -> None:
    assert "SIGNALPOST_HTTP" not in "\n".join(Config(home=Path(), http=http).warnings)


@pytest.mark.parametrize(
    ("variable", "suggested"),
    [
        ("DISCORD_WEBHOOK_SIGNAL_FREE", ["DISCORD_WEBHOOK_SIGNALS_FREE"]),
        ("SIGNALPOST_WORKER", ["SIGNALPOST_WORKERS"]),
        ("SIGNALPOST_DRYRUN", ["SIGNALPOST_DRY_RUN"]),
        ("DISCORD_WEBHOOK_URL_FIL", ["DISCORD_WEBHOOK_URL_FILE"]),
        ("SIGNALPOST_ZZZZZZZZZZZZZZZZZZZZ", known_variables()),
    ],
)
def test_a_mistyped_variable_gets_a_warning_with_the_nearest_name_or_all(variable: str, suggested: list[str]) -> None:
    (warning,) = Config.from_environment({**ALL, variable: "1"}).warnings
    assert re.findall(r"[A-Z]+_[A-Z_]+", warning) == [variable, *suggested]


def test_other_programs_variables_and_empty_ones_get_no_warning() -> None:
    assert Config.from_environment({**ALL, "SIGNALPOST_WORKER": " ", "SIGNAL_POST": "1", "PATH": "/"}).warnings == ()


def test_only_the_length_of_a_variable_name_that_could_be_a_secret_is_shown() -> None:
    (warning,) = Config.from_environment({**ALL, f"SIGNALPOST_{TOKEN}": "1"}).warnings
    assert TOKEN not in warning
    assert "79" in warning
