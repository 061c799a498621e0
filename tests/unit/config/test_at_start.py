"""What a person is told when a service starts, and what of a mistyped variable."""

import traceback
from pathlib import Path

import pytest

from signalpost import Config, InvalidConfiguration
from signalpost.config import DestinationConfig, HttpAddress
from signalpost.delivery.pacing.limits import Limits
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.secret import Secret
from tests.unit.config.webhooks import TOKEN, url

ALL = {usual.variable: url(number) for number, usual in enumerate(USUAL_DESTINATIONS)}


def test_where_all_is_set_and_nothing_is_odd_nothing_is_said() -> None:
    assert Config.from_environment(ALL).warnings == ()


def test_the_single_webhook_is_told_to_be_ignored_beside_another() -> None:
    """It was silent once, and who set both believed that nothing was lost."""
    warnings = Config.from_environment({**ALL, "DISCORD_WEBHOOK_URL": url(99)}).warnings
    assert warnings == (
        "DISCORD_WEBHOOK_URL is ignored, because DISCORD_WEBHOOK_SIGNALS_FREE is set: what has no webhook is refused",
    )


def test_destinations_that_share_a_webhook_are_told_once_however_it_is_spelled() -> None:
    same = url(3).replace("https://discord.com/api", "https://canary.discord.com/api/v10")
    environment = {**ALL, "DISCORD_WEBHOOK_COMMUNITY": same, "DISCORD_WEBHOOK_SYSTEM_STATUS": url(3)}
    assert Config.from_environment(environment).warnings == (
        "alerts-general, system-status and community have the same webhook: they share its readers and its limits",
    )


def test_a_webhook_that_cannot_be_used_is_refused_by_its_name_when_it_is_configured() -> None:
    bad = DestinationConfig("community", Secret("https://discord.com/api/webhooks/1/a-token-to-hide"), Limits())
    with pytest.raises(InvalidConfiguration, match=r"^community: the webhook.s URL cannot be used: ") as caught:
        Config(home=Path(), destinations=(bad,))
    assert "to-hide" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "signals.example", "127.example.com"])
def test_an_address_that_others_can_reach_is_told(host: str) -> None:
    config = Config(home=Path(), http=HttpAddress(host, 8750))
    assert f"SIGNALPOST_HTTP is {host}: others can reach it" in "\n".join(config.warnings)


@pytest.mark.parametrize(
    "http", [None, *(HttpAddress(host, 0) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"))]
)
def test_an_address_of_this_machine_alone_is_not_told(http: HttpAddress | None) -> None:
    assert "SIGNALPOST_HTTP" not in "\n".join(Config(home=Path(), http=http).warnings)


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("DISCORD_WEBHOOK_SIGNAL_FREE", "did you mean DISCORD_WEBHOOK_SIGNALS_FREE?"),
        ("SIGNALPOST_WORKER", "did you mean SIGNALPOST_WORKERS?"),
        ("SIGNALPOST_DRYRUN", "did you mean SIGNALPOST_DRY_RUN?"),
        ("DISCORD_WEBHOOK_URL_FIL", "did you mean DISCORD_WEBHOOK_URL_FILE?"),
        ("SIGNALPOST_ZZZZZZZZZZZZZZZZZZZZ", "known are SIGNALPOST_HOME, SIGNALPOST_WORKERS, "),
    ],
)
def test_a_mistyped_variable_is_told_with_the_nearest_name(variable: str, told: str) -> None:
    (warning,) = Config.from_environment({**ALL, variable: "1"}).warnings
    assert warning.startswith(f"{variable} is not known, and has no effect: {told}")


def test_other_variables_and_empty_ones_are_nobodys_business() -> None:
    assert Config.from_environment({**ALL, "SIGNALPOST_WORKER": " ", "SIGNAL_POST": "1", "PATH": "/"}).warnings == ()


def test_a_variable_whose_name_could_be_a_secret_is_told_by_its_length() -> None:
    (warning,) = Config.from_environment({**ALL, f"SIGNALPOST_{TOKEN}": "1"}).warnings
    assert warning.startswith("a name of 79 characters is not known, and has no effect: ")
