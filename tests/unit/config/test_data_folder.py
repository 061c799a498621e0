"""Whether a data folder can be used is found out without leaving anything behind."""

from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from signalpost.config import data_folder
from signalpost.config.data_folder import look_at

STORE = "outbox.db"


def test_a_folder_that_is_there_with_or_without_a_store(tmp_path: Path) -> None:
    assert look_at(tmp_path, STORE) == (True, "it exists, without a store")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / STORE).touch()
    assert look_at(tmp_path, STORE) == (True, "it exists, with a store")


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert look_at(tmp_path / "a" / "b", STORE) == (True, "it does not exist, and is made at the first start")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "a", "a/b"])
def test_a_file_in_its_way_is_told(below: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    told = f"{file} is not a folder: remove it, or set SIGNALPOST_HOME to another place"
    assert look_at(file / below, STORE) == (False, told)


def test_a_link_that_leads_nowhere_is_in_the_way(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    assert not look_at(link, STORE).is_usable


@pytest.mark.parametrize("below", ["", "a"])
def test_a_folder_that_cannot_be_written_to_is_told(below: str) -> None:
    """By asking the system: to root, the permission bits say that all can be written."""
    is_usable, state = look_at(Path("/proc") / below, STORE)
    assert not is_usable
    assert state.startswith("/proc cannot be written to (")
    assert state.endswith("): allow it, or set SIGNALPOST_HOME")


def test_a_fault_without_words_of_the_system_is_told_by_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> Any:
        raise FileNotFoundError

    assert data_folder.TemporaryFile is TemporaryFile
    monkeypatch.setattr(data_folder, "TemporaryFile", fail)
    assert look_at(tmp_path, STORE).state.startswith(f"{tmp_path} cannot be written to (FileNotFoundError)")


def test_a_path_that_cannot_be_looked_at_is_told() -> None:
    state = look_at(Path("/tmp") / ("x" * 300), STORE).state
    assert state == "it cannot be looked at (File name too long): set SIGNALPOST_HOME to another place"


def test_a_relative_folder_is_looked_at_from_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert look_at(Path("a/b"), STORE).is_usable
