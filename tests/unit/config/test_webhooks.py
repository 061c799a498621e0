"""A webhook is given in a variable, in a file that a variable names, or in the settings: in one form of them."""

from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config
from tests.unit.config.webhooks import TOKEN, url

PREMIUM = "DISCORD_WEBHOOK_SIGNALS_PREMIUM"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def secret(text: str | bytes, mode: int = 0o600) -> str:
    """The name of a new file with this text."""
    file = Path("secret")
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    file.chmod(mode)
    return str(file)


def faults(**environment: str) -> str:
    with pytest.raises(InvalidConfiguration) as fault:
        Config.from_environment(environment)
    assert TOKEN not in str(fault.value)
    assert fault.value.__cause__ is None
    return str(fault.value)


@pytest.mark.parametrize("text", [url(), f"{url()}\n", f"\r\n {url()}\r\n", f"\ufeff{url()}\r\n"])
def test_a_secret_file_holds_the_url_and_blanks_around_it_do_not_count(text: str) -> None:
    (destination,) = Config.from_environment({f"{PREMIUM}_FILE": secret(text)}).destinations
    assert (destination.name, destination.webhook.reveal()) == ("signals-premium", url())


def test_the_single_webhook_may_lie_in_a_file_too() -> None:
    assert Config.from_environment({"DISCORD_WEBHOOK_URL_FILE": secret(url())}).everything_to == "default"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "secret is empty: write the webhook's URL into it"),
        (" \n", "secret is empty: write the webhook's URL into it"),
        ("x" * 5000, "secret is too long for a webhook's URL: write that alone into it"),
        (TOKEN.encode() + b"\xff", "secret is not text: write the webhook's URL into it"),
        (TOKEN, "the webhook's URL cannot be used: it is not a valid URL"),
    ],
    ids=["empty", "blank", "long", "bytes", "token"],
)
def test_a_secret_file_that_holds_no_webhook_is_a_fault(text: str | bytes, told: str) -> None:
    assert faults(**{f"{PREMIUM}_FILE": secret(text)}) == f"{PREMIUM}_FILE: {told}"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("none", "none cannot be read (No such file or directory)"),
        (".", ". cannot be read (it is not a file)"),
        ("~nobody-of-that-name/x", "the home folder of that user is unknown: give the full path"),
        (url(), "it is a URL, and should be the path of a file that holds it"),
        (TOKEN, "the file that it names cannot be read (No such file or directory)"),
        ("a\tb", "it has characters that no path should have: type it again"),
    ],
)
def test_a_path_that_leads_to_no_secret_is_a_fault(path: str, told: str) -> None:
    """A webhook that was put where its path belongs is not shown either."""
    assert faults(**{f"{PREMIUM}_FILE": path}) == f"{PREMIUM}_FILE: {told}"


def test_two_forms_in_the_environment_are_a_fault() -> None:
    told = f"{PREMIUM} and {PREMIUM}_FILE are both set: take one of them away"
    assert faults(**{PREMIUM: url(), f"{PREMIUM}_FILE": secret(url())}) == told


def test_two_forms_in_a_file_are_a_fault() -> None:
    Path("s.toml").write_text(f'[destinations.community]\nwebhook = "{url()}"\nwebhook_file = "x"', encoding="utf-8")
    told = "s.toml: destinations.community: webhook and webhook_file are both set: take one of them away"
    assert faults(SIGNALPOST_CONFIG="s.toml") == told


def test_two_forms_in_two_sources_are_no_fault_because_one_wins() -> None:
    Path("s.toml").write_text('[destinations.signals-premium]\nwebhook_file = "none"', encoding="utf-8")
    config = Config.from_environment({"SIGNALPOST_CONFIG": "s.toml", PREMIUM: url()})
    assert config.destinations[0].webhook.reveal() == url()


@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_secret_that_every_user_may_read_is_warned_of(mode: int, is_told: bool) -> None:
    told = "secret holds a webhook, and every user may read it: chmod 600 it"
    file = secret(url(), mode)
    assert (told in Config.from_environment({f"{PREMIUM}_FILE": file}).warnings) is is_told
    Path("s.toml").write_text('[destinations.community]\nwebhook_file = "secret"', encoding="utf-8")
    assert (told in Config.from_environment({"SIGNALPOST_CONFIG": "s.toml"}).warnings) is is_told


def test_settings_with_webhooks_that_every_user_may_read_are_warned_of_once() -> None:
    file = Path("s.toml")
    tables = [f'[destinations.{name}]\nwebhook = "{url(n)}"' for n, name in enumerate(("community", "signals-free"))]
    file.write_text("\n".join(tables), encoding="utf-8")
    file.chmod(0o644)
    warnings = Config.from_environment({"SIGNALPOST_CONFIG": "s.toml"}).warnings
    assert [each for each in warnings if "every user" in each] == [
        "s.toml holds a webhook, and every user may read it: chmod 600 it"
    ]
    file.chmod(0o600)
    assert not any("every user" in each for each in Config.from_environment({"SIGNALPOST_CONFIG": "s.toml"}).warnings)


def test_settings_without_a_webhook_may_be_read_by_all() -> None:
    Path("s.toml").write_text("workers = 3", encoding="utf-8")
    Path("s.toml").chmod(0o644)
    assert Config.from_environment({"SIGNALPOST_CONFIG": "s.toml"}).notes == ()


def test_secrets_that_a_container_was_given_are_readable_by_all_of_it() -> None:
    """Docker mounts them so; a warning at each start that nobody can heed would hide the others."""
    from signalpost.config.secret_file import is_open_to_others

    assert not is_open_to_others(Path("/run/secrets/webhook"))
    assert is_open_to_others(Path("/etc/passwd"))
    assert not is_open_to_others(Path("/none/here"))


def test_where_modes_tell_nothing_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from signalpost.config import secret_file

    monkeypatch.setattr(secret_file, "_MODES_TELL", False)
    assert not secret_file.is_open_to_others(Path("/etc/passwd"))
