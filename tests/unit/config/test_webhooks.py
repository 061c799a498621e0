"""A webhook is in a variable, in a file that a variable names, or in the settings file: in one of these forms."""

from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config
from signalpost.errors import Fault
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


def rejected(**environment: str) -> Fault:
    """The one fault."""
    with pytest.raises(InvalidConfiguration) as error:
        Config.from_environment(environment)
    assert TOKEN not in str(error.value)
    assert error.value.__cause__ is None
    (fault,) = error.value.errors
    return fault


def warnings_about(file: str, config: Config) -> list[str]:
    return [note for note in config.notes if note.startswith(f"{file} ") and "chmod" in note]


@pytest.mark.parametrize("text", [url(), f"{url()}\n", f"\r\n {url()}\r\n", f"\ufeff{url()}\r\n"])
def test_blanks_around_the_url_in_a_secret_file_are_ignored(text: str) -> None:
    (destination,) = Config.from_environment({f"{PREMIUM}_FILE": secret(text)}).destinations
    assert (destination.name, destination.webhook.reveal()) == ("signals-premium", url())


def test_the_single_webhook_may_be_in_a_file_too() -> None:
    assert Config.from_environment({"DISCORD_WEBHOOK_URL_FILE": secret(url())}).everything_to == "default"


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("", "not-readable", "secret "),
        (" \n", "not-readable", "secret "),
        ("x" * 5000, "not-readable", "secret "),
        (TOKEN.encode() + b"\xff", "not-readable", "secret "),
        (TOKEN, "invalid-webhook", ""),
    ],
    ids=["empty", "blank", "long", "bytes", "token"],
)
def test_a_secret_file_without_a_webhook_is_a_fault(text: str | bytes, code: str, named: str) -> None:
    fault = rejected(**{f"{PREMIUM}_FILE": secret(text)})
    assert (fault.code, fault.field) == (code, f"{PREMIUM}_FILE")
    assert fault.text.startswith(f"{PREMIUM}_FILE: {named}")


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("none", "not-readable", "No such file or directory"),
        (".", "not-readable", ""),
        ("~nobody-of-that-name/x", "not-a-path", ""),
        (url(), "not-a-path", ""),
        (TOKEN, "not-readable", "No such file or directory"),
        ("a\tb", "not-printable", ""),
    ],
)
def test_a_path_that_does_not_lead_to_a_secret_is_a_fault(path: str, code: str, reason: str) -> None:
    """A webhook that was put where its path belongs is not shown either."""
    fault = rejected(**{f"{PREMIUM}_FILE": path})
    assert (fault.code, fault.field) == (code, f"{PREMIUM}_FILE")
    assert fault.text.startswith(f"{PREMIUM}_FILE: ")
    assert reason in fault.text
    assert path in fault.text or path not in {"none", "."}


def test_two_forms_in_the_environment_are_a_fault() -> None:
    fault = rejected(**{PREMIUM: url(), f"{PREMIUM}_FILE": secret(url())})
    assert (fault.code, fault.field) == ("conflict", PREMIUM)
    assert f"{PREMIUM}_FILE" in fault.text


def test_two_forms_in_a_file_are_a_fault() -> None:
    Path("s.toml").write_text(f'[destinations.community]\nwebhook = "{url()}"\nwebhook_file = "x"', encoding="utf-8")
    fault = rejected(SIGNALPOST_CONFIG="s.toml")
    assert (fault.code, fault.field) == ("conflict", "destinations.community.webhook")
    assert fault.text.startswith("s.toml: destinations.community: ")
    assert "webhook_file" in fault.text


def test_of_two_forms_in_two_sources_the_first_source_wins() -> None:
    Path("s.toml").write_text('[destinations.signals-premium]\nwebhook_file = "none"', encoding="utf-8")
    config = Config.from_environment({"SIGNALPOST_CONFIG": "s.toml", PREMIUM: url()})
    assert config.destinations[0].webhook.reveal() == url()


@pytest.mark.parametrize(("mode", "warnings"), [(0o600, 0), (0o640, 0), (0o644, 1), (0o604, 1)])
def test_a_secret_that_every_user_can_read_gets_a_warning(mode: int, warnings: int) -> None:
    file = secret(url(), mode)
    assert len(warnings_about("secret", Config.from_environment({f"{PREMIUM}_FILE": file}))) == warnings
    Path("s.toml").write_text('[destinations.community]\nwebhook_file = "secret"', encoding="utf-8")
    assert len(warnings_about("secret", Config.from_environment({"SIGNALPOST_CONFIG": "s.toml"}))) == warnings


def test_a_settings_file_with_webhooks_that_every_user_can_read_gets_one_warning() -> None:
    file = Path("s.toml")
    tables = [f'[destinations.{name}]\nwebhook = "{url(n)}"' for n, name in enumerate(("community", "signals-free"))]
    file.write_text("\n".join(tables), encoding="utf-8")
    file.chmod(0o644)
    assert len(warnings_about("s.toml", Config.from_environment({"SIGNALPOST_CONFIG": "s.toml"}))) == 1
    file.chmod(0o600)
    assert warnings_about("s.toml", Config.from_environment({"SIGNALPOST_CONFIG": "s.toml"})) == []


def test_every_user_may_read_a_settings_file_without_a_webhook() -> None:
    Path("s.toml").write_text("workers = 3", encoding="utf-8")
    Path("s.toml").chmod(0o644)
    assert Config.from_environment({"SIGNALPOST_CONFIG": "s.toml"}).notes == ()


def test_everyone_in_a_container_may_read_its_secrets() -> None:
    """Docker mounts them this way, and a warning at every start that nobody can fix would hide the others."""
    from signalpost.config.files import is_open_to_others

    assert not is_open_to_others(Path("/run/secrets/webhook"))
    assert is_open_to_others(Path("/etc/passwd"))
    assert not is_open_to_others(Path("/none/here"))


def test_without_file_modes_there_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    from signalpost.config import files

    monkeypatch.setattr(files, "_HAS_MODES", False)
    assert not files.is_open_to_others(Path("/etc/passwd"))
