import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config
from signalpost.errors import Fault
from tests.surface.errors import Facts, facts_of
from tests.unit.config.webhooks import TOKEN, url


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes) -> Config:
    Path(".env").write_bytes(text.encode() if isinstance(text, str) else text)
    Path(".env").chmod(0o600)
    return Config.from_environment()


def test_a_dot_env_may_have_comments_quotes_export_blanks_and_other_programs_variables() -> None:
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


def faults(text: str | bytes) -> list[Fault]:
    with pytest.raises(InvalidConfiguration) as error:
        read(text)
    assert error.value.__context__ is None
    return list(error.value.errors)


def test_a_faulty_line_is_reported_by_its_number_and_not_shown() -> None:
    found = faults(f'A=1\n\n\nDISCORD_WEBHOOK_COMMUNITY="{url()}\nSIGNALPOST_WORKERS=many\nSIGNALPOST_LIMITS\n')
    assert [(each.text.partition(":")[0], each.code, each.field, each.value) for each in found] == [
        (".env, line 4", "not-readable", None, None),
        (".env, line 6", "missing", "SIGNALPOST_LIMITS", None),
        (".env, line 5", "out-of-range", "SIGNALPOST_WORKERS", "'many'"),
    ]
    assert not any(TOKEN in each.text for each in found)


def test_other_programs_lines_without_a_value_are_ignored() -> None:
    assert read("OTHER\nSIGNALPOST_WORKERS=3\n").workers == 3


def test_a_file_that_is_not_utf_8_is_a_fault_that_does_not_show_it() -> None:
    (fault,) = faults(f"DISCORD_WEBHOOK_URL={TOKEN}".encode() + b"\xff")
    assert fault.code == "not-readable"
    assert fault.text.startswith(".env: ")
    assert "UTF-8" in fault.text
    assert TOKEN not in fault.text


def test_the_last_value_of_a_repeated_variable_counts_with_a_warning() -> None:
    config = read("SIGNALPOST_WORKERS=3\n\nSIGNALPOST_WORKERS=4\n")
    assert config.workers == 4
    (note,) = config.notes
    assert note.startswith(".env: SIGNALPOST_WORKERS ")
    assert re.findall(r"\d+", note) == ["1", "3"]


def test_a_file_that_cannot_be_read_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated, because root may read every file."""

    def refuse(self: Path, mode: str) -> object:
        raise PermissionError(13, "Permission denied", str(self), mode)

    Path(".env").write_text("SIGNALPOST_WORKERS=4", encoding="utf-8")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InvalidConfiguration) as error:
        Config.from_environment()
    assert facts_of(error.value) == [Facts("not-readable")]
    assert str(error.value).startswith(".env: ")
    assert "Permission denied" in str(error.value)


OF_A_FORBIDDEN_FOLDER = """
import os, sys
from signalpost import InvalidConfiguration
from signalpost.config import Config

os.chdir(sys.argv[1])  # while it may still walk there
os.chmod(".", 0o600)
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    Config.from_environment()
except InvalidConfiguration as error:
    print(error.code, error)
"""


def test_a_folder_that_may_not_be_entered_is_a_fault_because_it_could_contain_one(tmp_path: Path) -> None:
    """As after `sudo -u` in a home folder: without the settings there, the data folder could be another one."""
    forbidden = tmp_path / "forbidden"
    forbidden.mkdir()
    command = [sys.executable, "-c", OF_A_FORBIDDEN_FOLDER, str(forbidden)]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    said = subprocess.run(command, env=unmeasured, capture_output=True, text=True, check=False)
    forbidden.chmod(0o700)
    assert said.stderr == ""
    assert said.stdout.startswith("not-readable .env: ")
    assert "Permission denied" in said.stdout


def test_a_virtual_environment_with_that_name_is_ignored() -> None:
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
def test_anything_but_a_file_is_a_fault(make: Callable[[Path], None]) -> None:
    make(Path(".env"))
    with pytest.raises(InvalidConfiguration) as error:
        Config.from_environment()
    assert facts_of(error.value) == [Facts("not-readable")]
    assert str(error.value).startswith(".env: ")


@pytest.mark.parametrize("name", ["discord_webhook_url", "Signalpost_Workers", "DISCORD_WEBHOOK"])
def test_a_name_in_lower_case_or_cut_short_gets_a_warning_with_the_nearest_name(name: str) -> None:
    (note,) = read(f"{name}=3\n").notes
    known = "DISCORD_WEBHOOK_URL" if "WEBHOOK" in name.upper() else "SIGNALPOST_WORKERS"
    assert note.startswith(f".env, line 1: {name} ")
    assert re.findall(r"[A-Z]+_[A-Z_]+", note)[-1] == known


def test_its_variables_are_not_added_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    read("SIGNALPOST_WORKERS=3\n")
    Path(".env").unlink()
    assert Config.from_environment().workers == 2


def test_a_dot_env_with_a_webhook_that_others_can_read_gets_a_warning() -> None:
    read(f"DISCORD_WEBHOOK_COMMUNITY={url()}\n")
    Path(".env").chmod(0o644)
    (note,) = Config.from_environment().notes
    assert note.startswith(".env ")
    assert "chmod" in note
    Path(".env").write_text("SIGNALPOST_WORKERS=3\n", encoding="utf-8")
    assert not any("chmod" in warning for warning in Config.from_environment().warnings)
