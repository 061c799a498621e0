"""A data folder that may not be looked into is an unusable store to every command, and never a fault of ours."""

from pathlib import Path

import pytest

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
    result = folder.run(*command, "--home", str(folder.home / ("x" * 300)), **GENERAL)
    assert (result.exit_code, result.stdout) == (3, "")
    assert (
        "outbox.db: it cannot be looked at (File name too long): let this process enter its folder, or" in result.stderr
    )
    assert not Path("copy.db").exists()


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_a_folder_of_another_user(folder: Folder, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Root enters every folder: the refusal is the system's, and only its coming is ours to make."""
    usual = Path.stat

    def refuse(self: Path, *, follow_symlinks: bool = True) -> object:
        if self.parent == folder.home:
            raise PermissionError(13, "Permission denied", str(self))
        return usual(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", refuse)
    result = folder.run(*command, **GENERAL)
    assert (result.exit_code, result.stdout) == (3, "")
    assert (
        "outbox.db: it cannot be looked at (Permission denied): let this process enter its folder, or" in result.stderr
    )
