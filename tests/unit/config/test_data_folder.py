"""The check of a data folder, which leaves nothing behind."""

from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from signalpost.config import files
from signalpost.config.files import check_data_folder

STORE = "outbox.db"


def test_a_missing_folder_a_new_one_and_one_with_a_store_differ_and_nothing_is_created(
    tmp_path: Path,
) -> None:
    missing = check_data_folder(tmp_path / "a" / "b", STORE)
    new = check_data_folder(tmp_path, STORE)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / STORE).touch()
    used = check_data_folder(tmp_path, STORE)
    assert [each.is_usable for each in (missing, new, used)] == [True, True, True]
    assert len({missing.state, new.state, used.state}) == 3


@pytest.mark.parametrize("below", ["", "a", "a/b"])
def test_a_file_in_place_of_the_folder_is_named(below: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    is_usable, state = check_data_folder(file / below, STORE)
    assert not is_usable
    assert f"{file} " in state
    assert "SIGNALPOST_HOME" in state


def test_a_broken_link_cannot_be_used(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    assert not check_data_folder(link, STORE).is_usable


@pytest.mark.parametrize("below", ["", "a"])
def test_a_folder_that_is_not_writable_cannot_be_used(below: str) -> None:
    """The test writes: to root, the permission bits say that every folder is writable."""
    is_usable, state = check_data_folder(Path("/proc") / below, STORE)
    assert not is_usable
    assert "/proc " in state
    assert "SIGNALPOST_HOME" in state


def test_an_error_without_a_text_is_shown_by_its_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> Any:
        raise FileNotFoundError

    assert files.TemporaryFile is TemporaryFile
    monkeypatch.setattr(files, "TemporaryFile", fail)
    is_usable, state = check_data_folder(tmp_path, STORE)
    assert not is_usable
    assert str(tmp_path) in state
    assert "FileNotFoundError" in state


def test_a_path_that_cannot_be_read_cannot_be_used() -> None:
    is_usable, state = check_data_folder(Path("/tmp") / ("x" * 300), STORE)
    assert not is_usable
    assert "File name too long" in state
    assert "SIGNALPOST_HOME" in state


def test_a_relative_folder_starts_at_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_data_folder(Path("a/b"), STORE).is_usable
