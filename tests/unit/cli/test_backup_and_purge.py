"""`signalpost backup` and `signalpost purge` on a folder that no service uses; beside one: tests/acceptance."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from signalpost.cli import backup, purge
from signalpost.domain.delivery import DeliveryState
from tests.unit.cli.folder import Folder, alert

DAY = timedelta(days=1)


def test_a_backup_is_another_data_folders_store(folder: Folder, tmp_path: Path) -> None:
    folder.put(alert("a1"))
    copy = tmp_path / "other" / "outbox.db"
    copy.parent.mkdir()
    result = folder.run("backup", str(copy))
    assert result.exit_code == 0
    assert result.stdout.endswith("kB; notifications: 1, deliveries: 1, of which wait: 1\n")
    assert Folder(copy.parent).run("deliveries", "list").stdout.endswith("1 pending\n")


def test_a_backup_replaces_only_by_force_and_tells_a_program_what_it_holds(folder: Folder) -> None:
    folder.put(alert("a1"), state=DeliveryState.SUPPRESSED, reason="stale")
    assert folder.run("backup", "copy.db").exit_code == 0
    refused = folder.run("backup", "copy.db", "--json")
    assert refused.exit_code == 2
    assert "--force" in json.loads(refused.stdout)["errors"][0]["detail"]
    told = json.loads(folder.run("backup", "copy.db", "--force", "--json").stdout)
    size = Path("copy.db").stat().st_size
    assert told == {"file": "copy.db", "size": size, "notifications": 1, "deliveries": 1, "open": 0}


def test_a_large_store_shows_how_far_the_copy_is_on_standard_error_alone(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.put(alert("a1"))
    monkeypatch.setattr(backup, "_LARGE", 1)
    result = folder.run("backup", "copy.db", "--json", FORCE_COLOR="1")
    assert "Copying" in result.stderr
    assert json.loads(result.stdout)["notifications"] == 1


def test_a_purge_deletes_what_is_old_and_has_ended_and_keeps_the_rest(folder: Folder) -> None:
    ended = {"state": DeliveryState.SUPPRESSED, "reason": "stale"}
    folder.put(alert("old"), ago=40 * DAY, **ended)  # type: ignore[arg-type]
    folder.put(alert("waits"), ago=40 * DAY)
    folder.put(alert("new"), ago=20 * DAY, **ended)  # type: ignore[arg-type]
    counted = folder.run("purge", "--before", "30d", "--dry-run")
    assert counted.stdout.splitlines()[0] == (
        "notifications would be deleted: 1; as old, and kept for their open deliveries: 1"
    )
    assert json.loads(folder.run("purge", "--before", "30d", "--dry-run", "--json").stdout)["would_delete"] == 1
    result = folder.run("purge", "--before", "30d", "--yes")
    assert result.stdout.startswith(
        "notifications deleted: 1; as old, and kept for their open deliveries: 1\nthe file has "
    )
    kept = [json.loads(line)["key"] for line in folder.run("deliveries", "list", "--json").stdout.splitlines()]
    assert kept == ["new new", "waits new"]


def test_a_key_outlives_its_purged_notification(folder: Folder) -> None:
    folder.put(alert("a1"), ago=40 * DAY, state=DeliveryState.SUPPRESSED, reason="stale", key_for=60 * DAY)
    told = json.loads(folder.run("purge", "--before", "30d", "--yes", "--json").stdout)
    assert (told["deleted"], told["would_delete"], told["open"]) == (1, 0, 0)
    assert told["free"] <= told["size"]
    folder.put(alert("a1"))
    assert folder.run("deliveries", "list").stdout == "no deliveries yet\n", "the same thing again is a duplicate"


def test_a_purge_goes_page_by_page_to_its_end(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "_PAGE", 2)
    for number in range(5):
        folder.put(alert(f"a{number}"), ago=40 * DAY, state=DeliveryState.SUPPRESSED, reason="stale")
    assert json.loads(folder.run("purge", "--before", "30d", "--yes", "--json").stdout)["deleted"] == 5


def test_where_nothing_is_to_be_deleted_nobody_is_asked(folder: Folder) -> None:
    folder.put(alert("a1"))
    result = folder.run("purge", "--before", "2026-01-31")
    assert result.exit_code == 0
    assert result.stdout.startswith("notifications deleted: 0; ")


def test_where_nobody_is_there_to_be_asked_nothing_is_deleted(folder: Folder) -> None:
    folder.put(alert("a1"), ago=40 * DAY, state=DeliveryState.SUPPRESSED, reason="stale")
    result = folder.run("purge", "--before", "30d", stdin="y\n")
    assert result.exit_code == 2
    assert "nobody is there to be asked: give --yes, or --dry-run to count only" in result.stderr
    assert folder.run("deliveries", "list").stdout.endswith("1 suppressed\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("backup",), "Missing argument 'FILE'"),
        (("backup", "a", "b"), "unexpected extra argument"),
        (("backup", "home"), "this is a folder: name a file in it"),
        (("backup", "home/outbox.db", "--force"), "this is the outbox itself"),
        (("backup", "none/copy.db"), "the copy cannot be written (No such file or directory)"),
        (("backup", "copy.db", "--config", "none.toml"), "none.toml"),
        (("purge",), "Missing option '--before'"),
        (("purge", "--before", "30"), "--before is '30': give how long ago"),
        (("purge", "--before", "2999-01-01", "--yes"), "give a time that is past"),
        (("purge", "--before", "9999999w"), "--before is '9999999w'"),
        (("purge", "--before", "30d", "now"), "unexpected extra argument"),
        (("purge", "--before", "30d", "--json", "--force"), "No such option"),
    ],
)
def test_bad_input_is_exit_code_2_with_what_to_do(folder: Folder, arguments: tuple[str, ...], told: str) -> None:
    folder.put(alert("a1"))
    result = folder.run(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert folder.run("deliveries", "list").stdout.endswith("1 pending\n")


def test_without_a_store_there_is_nothing_to_copy_or_to_delete(folder: Folder) -> None:
    for command in (("backup", "copy.db"), ("purge", "--before", "30d", "--yes")):
        result = folder.run(*command)
        assert (result.exit_code, result.stdout) == (3, "")
        assert "there is no outbox here yet" in result.stderr
    assert not folder.path.exists(), "none is made"


def test_an_empty_store_is_none_yet(folder: Folder) -> None:
    folder.path.parent.mkdir(exist_ok=True)
    folder.path.touch()
    for command in (("backup", "copy.db"), ("purge", "--before", "30d", "--yes"), ("deliveries", "list")):
        result = folder.run(*command)
        assert (result.exit_code, result.stdout) == (3, "")
        assert "there is no outbox here yet" in result.stderr
