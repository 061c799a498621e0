from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.folder import Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """A data folder that is there and empty, away from any `.env`."""
    monkeypatch.chdir(tmp_path)
    made = Folder(tmp_path / "home")
    yield made
    made.close()
