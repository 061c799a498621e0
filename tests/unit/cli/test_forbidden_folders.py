"""A data folder without read permission is an unusable store to every command, never an internal error."""

from errno import EACCES, ENAMETOOLONG
from os import strerror
from pathlib import Path

import pytest

from tests.surface.errors import Facts
from tests.unit.cli.folder import Folder

LOOKING = [
    ("deliveries", "list"),
    ("deliveries", "show", "a1"),
    ("deliveries", "why", "a1"),
    ("deliveries", "revive", "a1"),
    ("deliveries", "cancel", "a1"),
    ("destinations", "list"),
    ("destinations", "enable", "alerts-general"),
    ("backup", "copy.db"),
    ("purge", "--before", "1d", "--dry-run"),
]
GENERAL = {"DISCORD_WEBHOOK_ALERTS_GENERAL": "http://127.0.0.1:9/api/v10/webhooks/g/token"}


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_a_name_that_is_too_long(folder: Folder, command: tuple[str, ...]) -> None:
    home = str(folder.home / ("x" * 300))
    result = folder.run(*command, "--home", home, **GENERAL)
    assert (result.exit_code, result.stdout) == (3, "")
    assert strerror(ENAMETOOLONG) in result.stderr
    refused = folder.refused(*command, "--home", home, **GENERAL)
    assert refused == (3, [Facts("not-readable", "path", f"{home}/outbox.db")])
    assert not Path("copy.db").exists()


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_a_folder_of_another_user(folder: Folder, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Root can enter every folder, so the test raises the error of the system itself."""
    usual = Path.stat

    def refuse(self: Path, *, follow_symlinks: bool = True) -> object:
        if self.parent == folder.home:
            raise PermissionError(EACCES, strerror(EACCES), str(self))
        return usual(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", refuse)
    result = folder.run(*command, **GENERAL)
    assert (result.exit_code, result.stdout) == (3, "")
    assert strerror(EACCES) in result.stderr
    assert folder.refused(*command, **GENERAL) == (3, [Facts("not-readable", "path", str(folder.path))])
