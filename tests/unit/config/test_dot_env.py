import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config
from tests.unit.config.webhooks import TOKEN, url


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes) -> Config:
    Path(".env").write_bytes(text.encode() if isinstance(text, str) else text)
    Path(".env").chmod(0o600)
    return Config.from_environment()


def test_a_dot_env_is_read_as_others_write_it() -> None:
    """With comments, quotes, export, blanks and other programs' variables."""
    config = read(
        f"""# mine
        export DISCORD_WEBHOOK_COMMUNITY='{url()}'   # a channel

        SIGNALPOST_WORKERS = "3"
        OTHERS=${{SIGNALPOST_WORKERS}}
        SIGNALPOST_HOME=/data/${{OTHERS}}
        """
    )
    assert config.destinations[0].webhook.reveal() == url()
    assert (config.workers, config.home) == (3, Path("/data/3"))
    assert config.notes == ()


def test_a_faulty_line_is_told_by_its_number_and_not_shown() -> None:
    with pytest.raises(InvalidConfiguration) as fault:
        read(f'A=1\n\n\nDISCORD_WEBHOOK_COMMUNITY="{url()}\nSIGNALPOST_WORKERS=many\nSIGNALPOST_LIMITS\n')
    assert str(fault.value).splitlines() == [
        ".env, line 4: it is not VARIABLE=value: look for a missing quote",
        ".env, line 6: SIGNALPOST_LIMITS has no = and no value",
        ".env, line 5: SIGNALPOST_WORKERS: 'many' is not a number of senders: give 1 to 16",
    ]


def test_other_programs_lines_without_a_value_are_theirs() -> None:
    assert read("OTHER\nSIGNALPOST_WORKERS=3\n").workers == 3


def test_bytes_that_are_no_text_are_a_fault_that_shows_none() -> None:
    with pytest.raises(InvalidConfiguration, match=r"^\.env: it is not UTF-8: save it as UTF-8$") as fault:
        read(f"DISCORD_WEBHOOK_URL={TOKEN}".encode() + b"\xff")
    assert fault.value.__context__ is None


def test_a_variable_that_stands_twice_is_told_and_the_last_holds() -> None:
    config = read("SIGNALPOST_WORKERS=3\n\nSIGNALPOST_WORKERS=4\n")
    assert config.workers == 4
    assert config.notes == (".env: SIGNALPOST_WORKERS is in line 1 and in line 3, and the last one holds",)


def test_a_file_that_cannot_be_read_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root reads what nobody may: the refusal is the system's, and only its coming is ours to make."""

    def refuse(self: Path, mode: str) -> object:
        raise PermissionError(13, "Permission denied", str(self), mode)

    Path(".env").write_text("SIGNALPOST_WORKERS=4", encoding="utf-8")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InvalidConfiguration) as fault:
        Config.from_environment()
    assert str(fault.value) == (
        ".env: it cannot be read (Permission denied): let this process read it, or run it in another folder"
    )


OF_A_FORBIDDEN_FOLDER = """
import os, sys
from signalpost import InvalidConfiguration
from signalpost.config import Config
import signalpost.config.reading

os.chdir(sys.argv[1])  # while it may still walk there
os.chmod(".", 0o600)
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    Config.from_environment()
except InvalidConfiguration as fault:
    print(fault)
"""


def test_a_folder_that_may_not_be_entered_could_hold_one(tmp_path: Path) -> None:
    """As after `sudo -u` in a home: to go on without its settings could mean another data folder."""
    forbidden = tmp_path / "forbidden"
    forbidden.mkdir()
    command = [sys.executable, "-c", OF_A_FORBIDDEN_FOLDER, str(forbidden)]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    said = subprocess.run(command, env=unmeasured, capture_output=True, text=True, check=False)
    forbidden.chmod(0o700)
    assert (said.stdout, said.stderr) == (
        ".env: it cannot be read (Permission denied): let this process read it, or run it in another folder\n",
        "",
    )


def test_a_folder_of_that_name_is_another_programs() -> None:
    """Virtual environments are called so, too."""
    Path(".env").mkdir()
    Path(".env/pyvenv.cfg").touch()
    assert Config.from_environment().workers == 2


@pytest.mark.parametrize(
    "make",
    [
        Path.mkdir,
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to(path),
        os.mkfifo,
    ],
    ids=["folder", "dangling link", "loop", "pipe"],
)
def test_what_is_no_file_is_a_fault(make: Callable[[Path], None]) -> None:
    make(Path(".env"))
    with pytest.raises(InvalidConfiguration, match=r"^\.env: it is not a readable file: remove it, or put a"):
        Config.from_environment()


@pytest.mark.parametrize("name", ["discord_webhook_url", "Signalpost_Workers", "DISCORD_WEBHOOK"])
def test_a_name_in_other_letters_is_told_with_the_nearest(name: str) -> None:
    (note,) = read(f"{name}=3\n").notes
    known = "DISCORD_WEBHOOK_URL" if "WEBHOOK" in name.upper() else "SIGNALPOST_WORKERS"
    assert note == f".env, line 1: {name} is not known, and has no effect: did you mean {known}?"


def test_the_process_gets_no_variable_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read("SIGNALPOST_WORKERS=3\n")
    Path(".env").unlink()
    assert Config.from_environment().workers == 2


def test_a_dot_env_with_a_webhook_that_others_may_read_is_warned_of() -> None:
    read(f"DISCORD_WEBHOOK_COMMUNITY={url()}\n")
    Path(".env").chmod(0o644)
    assert ".env holds a webhook, and every user may read it: chmod 600 it" in Config.from_environment().warnings
    Path(".env").write_text("SIGNALPOST_WORKERS=3\n", encoding="utf-8")
    assert not any("chmod" in warning for warning in Config.from_environment().warnings)
