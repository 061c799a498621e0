"""`signalpost backup` and `signalpost purge` on a folder that no service uses; beside one: tests/acceptance."""

import json
import re
from datetime import timedelta
from errno import ENOENT
from os import strerror
from pathlib import Path

import pytest

from signalpost.cli import backup, purge
from signalpost.domain.delivery import DeliveryState
from tests.surface.errors import Facts
from tests.unit.cli.folder import Folder, alert

DAY = timedelta(days=1)
NONE_YET = "no-store-yet"


def test_a_backup_is_another_data_folders_store(folder: Folder, tmp_path: Path) -> None:
    folder.put(alert("a1"))
    copy = tmp_path / "other" / "outbox.db"
    copy.parent.mkdir()
    result = folder.run("backup", str(copy))
    assert result.exit_code == 0
    assert str(copy) in result.stdout
    assert re.findall(r": (\d+)\b", result.stdout)[-3:] == ["1", "1", "1"]
    (line,) = Folder(copy.parent).run("deliveries", "list", "--json").stdout.splitlines()
    assert json.loads(line)["state"] == "pending"


def test_a_backup_replaces_a_file_only_with_force_and_prints_its_facts(folder: Folder) -> None:
    folder.put(alert("a1"), state=DeliveryState.SUPPRESSED, reason="stale")
    assert folder.run("backup", "copy.db").exit_code == 0
    exit_code, (fault,) = folder.refused("backup", "copy.db")
    assert (exit_code, fault.code) == (2, "already-there")
    assert "--force" in folder.run("backup", "copy.db").stderr
    output = json.loads(folder.run("backup", "copy.db", "--force", "--json").stdout)
    size = Path("copy.db").stat().st_size
    assert output == {"file": "copy.db", "size": size, "notifications": 1, "deliveries": 1, "open": 0}


def test_a_large_store_shows_progress_on_standard_error_only(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put(alert("a1"))
    monkeypatch.setattr(backup, "LARGE", 1)
    result = folder.run("backup", "copy.db", "--json", FORCE_COLOR="1")
    assert "Copying" in result.stderr
    assert json.loads(result.stdout)["notifications"] == 1


def test_a_purge_deletes_old_ended_notifications_and_keeps_the_rest(folder: Folder) -> None:
    ended = {"state": DeliveryState.SUPPRESSED, "reason": "stale"}
    folder.put(alert("old"), ago=40 * DAY, **ended)  # type: ignore[arg-type]
    folder.put(alert("waits"), ago=40 * DAY)
    folder.put(alert("new"), ago=20 * DAY, **ended)  # type: ignore[arg-type]
    counted = folder.run("purge", "--before", "30d", "--dry-run").stdout.splitlines()[0]
    assert re.findall(r"\d+", counted) == ["1", "1"]
    assert json.loads(folder.run("purge", "--before", "30d", "--dry-run", "--json").stdout)["would_delete"] == 1
    result = folder.run("purge", "--before", "30d", "--yes")
    first, second = result.stdout.splitlines()
    assert re.findall(r"\d+", first) == ["1", "1"]
    assert first != counted
    assert "B" in second
    kept = [json.loads(line)["key"] for line in folder.run("deliveries", "list", "--json").stdout.splitlines()]
    assert kept == ["new new", "waits new"]


def test_a_key_outlives_its_purged_notification(folder: Folder) -> None:
    folder.put(alert("a1"), ago=40 * DAY, state=DeliveryState.SUPPRESSED, reason="stale", key_for=60 * DAY)
    output = json.loads(folder.run("purge", "--before", "30d", "--yes", "--json").stdout)
    assert (output["deleted"], output["would_delete"], output["open"]) == (1, 0, 0)
    assert output["free"] <= output["size"]
    folder.put(alert("a1"))
    assert folder.run("deliveries", "list", "--json").stdout == "", "the same thing again is a duplicate"


def test_a_purge_goes_page_by_page_to_its_end(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "PAGE", 2)
    for number in range(5):
        folder.put(alert(f"a{number}"), ago=40 * DAY, state=DeliveryState.SUPPRESSED, reason="stale")
    assert json.loads(folder.run("purge", "--before", "30d", "--yes", "--json").stdout)["deleted"] == 5


def test_a_purge_of_nothing_needs_no_confirmation(folder: Folder) -> None:
    folder.put(alert("a1"))
    result = folder.run("purge", "--before", "2026-01-31", "--json")
    assert (result.exit_code, json.loads(result.stdout)["deleted"]) == (0, 0)


def test_without_a_terminal_a_purge_needs_yes(folder: Folder) -> None:
    folder.put(alert("a1"), ago=40 * DAY, state=DeliveryState.SUPPRESSED, reason="stale")
    assert folder.refused("purge", "--before", "30d", stdin="y\n") == (2, [Facts("usage")])
    refused = folder.run("purge", "--before", "30d", stdin="y\n")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert "--dry-run" in refused.stderr
    assert len(folder.run("deliveries", "list", "--json").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "fact"),
    [
        (("backup",), "missing", "FILE"),
        (("backup", "a", "b"), "usage", "(b)"),
        (("backup", "home"), "is-a-folder", "home"),
        (("backup", "home/outbox.db", "--force"), "same-file", "outbox.db"),
        (("backup", "none/copy.db"), "not-writable", strerror(ENOENT)),
        (("backup", "copy.db", "--config", "none.toml"), "not-readable", "none.toml"),
        (("purge",), "missing", "--before"),
        (("purge", "--before", "30"), "invalid-time", "'30'"),
        (("purge", "--before", "2999-01-01", "--yes"), "out-of-range", "2999-01-01"),
        (("purge", "--before", "9999999w"), "invalid-time", "'9999999w'"),
        (("purge", "--before", "30d", "now"), "usage", "(now)"),
        (("purge", "--before", "30d", "--force"), "unknown-option", "--force"),
    ],
)
def test_bad_input_is_exit_code_2_with_a_code(folder: Folder, arguments: tuple[str, ...], code: str, fact: str) -> None:
    folder.put(alert("a1"))
    exit_code, (fault,) = folder.refused(*arguments)
    assert (exit_code, fault.code) == (2, code)
    refused = folder.run(*arguments)
    assert refused.exit_code == 2
    assert fact in refused.stderr
    (line,) = folder.run("deliveries", "list", "--json").stdout.splitlines()
    assert json.loads(line)["state"] == "pending"


def test_without_a_store_backup_and_purge_end_with_3(folder: Folder) -> None:
    for command in (("backup", "copy.db"), ("purge", "--before", "30d", "--yes")):
        result = folder.run(*command)
        assert (result.exit_code, result.stdout) == (3, "")
        exit_code, (fault,) = folder.refused(*command)
        assert (exit_code, fault.code) == (3, NONE_YET)
    assert not folder.path.exists(), "none is made"


def test_an_empty_file_is_not_a_store(folder: Folder) -> None:
    folder.path.parent.mkdir(exist_ok=True)
    folder.path.touch()
    for command in (("backup", "copy.db"), ("purge", "--before", "30d", "--yes"), ("deliveries", "list")):
        result = folder.run(*command)
        assert (result.exit_code, result.stdout) == (3, "")
        exit_code, (fault,) = folder.refused(*command)
        assert (exit_code, fault.code) == (3, NONE_YET)
