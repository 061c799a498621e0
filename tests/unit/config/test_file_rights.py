"""A `.env` that others can write to is not trusted."""

import os
import stat
from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def dot_env(mode: int, text: str = "SIGNALPOST_WORKERS=4") -> Path:
    path = Path(".env")
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o666, 0o602, 0o777])
def test_a_dot_env_that_every_user_can_write_is_refused(mode: int) -> None:
    dot_env(mode)
    with pytest.raises(InvalidConfiguration, match="chmod"):
        Config.from_environment()


def test_a_dot_env_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    path = dot_env(0o600)
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(InvalidConfiguration, match="chown"):
        Config.from_environment()


def test_one_without_our_variables_is_ignored() -> None:
    dot_env(0o666, "OTHER=1")
    assert Config.from_environment().workers == 2


def test_one_that_others_can_only_read_is_trusted() -> None:
    dot_env(0o644)
    assert Config.from_environment().workers == 4


def state(mode: int, uid: int = 0, gid: int = 0) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


def test_a_private_group_may_write() -> None:
    from signalpost.config.files import reason_to_distrust

    own = os.geteuid()
    nobody = 54_321  # neither a user nor a group of this machine
    assert reason_to_distrust(state(0o664, own, nobody)) is not None
    assert reason_to_distrust(state(0o664)) is None
    assert reason_to_distrust(os.stat_result((stat.S_IFLNK | 0o777, 1, 1, 1, own, 0, 0, 0, 0, 0)), state(0o644)) is None


def test_the_ids_decide_if_users_have_no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    from signalpost.config import files

    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    assert files.reason_to_distrust(state(0o664, 54_321, 54_321)) is None
    monkeypatch.setattr(files, "_HAS_MODES", False)
    assert files.reason_to_distrust(state(0o666, 1)) is None
