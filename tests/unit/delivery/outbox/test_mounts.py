"""A store on a network file system, found by the longest mount point above its path, causes a warning."""

import logging
from pathlib import Path

import pytest

from signalpost.delivery.outbox import files
from signalpost.delivery.outbox.files import MOUNTS, file_system, warn_of_network

LINES = r"""
/dev/vda / ext4 rw 0 0
proc /proc proc rw 0 0
srv:/home /home nfs4 rw 0 0
/dev/vdb /home/local xfs rw 0 0
//srv/x /mnt/two\040words cifs rw 0 0
/dev/vdc /mnt/over ext4 rw 0 0
srv:/over /mnt/over nfs rw 0 0
""".strip()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/outbox.db", "ext4"),
        ("/home/me/outbox.db", "nfs4"),
        ("/home/local/outbox.db", "xfs"),
        ("/home/localised/outbox.db", "nfs4"),
        ("/mnt/two words/outbox.db", "cifs"),
        ("/mnt/over/outbox.db", "nfs"),
    ],
)
def test_a_path_belongs_to_the_deepest_and_last_mount_above_it(path: str, kind: str) -> None:
    assert file_system(Path(path), LINES) == kind


def test_a_path_below_no_mount_has_no_file_system() -> None:
    assert file_system(Path("/a"), "srv:/b /b nfs rw 0 0") == ""


def _warnings(caplog: pytest.LogCaptureFixture, path: Path, mounts: Path) -> list[str]:
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING, logger="signalpost"):
        patch.setattr(files, "MOUNTS", mounts)
        warn_of_network(path)
    return [record.getMessage() for record in caplog.records]


def test_a_network_file_system_causes_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nsrv:/x {tmp_path} fuse.sshfs rw 0 0\n")
    (warning,) = _warnings(caplog, tmp_path / "outbox.db", mounts)
    assert str(tmp_path / "outbox.db") in warning
    assert "fuse.sshfs" in warning


def test_a_local_disk_or_an_unreadable_list_of_mounts_causes_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/vda / ext4 rw 0 0\n")
    assert _warnings(caplog, tmp_path / "outbox.db", mounts) == []
    assert _warnings(caplog, tmp_path / "outbox.db", tmp_path / "none") == []


@pytest.mark.skipif(not MOUNTS.exists(), reason="this system lists no mounts")
def test_the_mounts_of_this_system_can_be_read() -> None:
    assert file_system(Path("/"), MOUNTS.read_text()) != ""


@pytest.mark.parametrize("odd", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_a_mount_point_with_a_control_character_is_read_like_any_other(odd: str) -> None:
    lines = f"/dev/vda / ext4 rw 0 0\nsrv:/a /mnt/a{odd}b nfs rw 0 0\n"
    place = Path(f"/mnt/a{odd}b/outbox.db")
    try:
        found = file_system(place, lines), file_system(Path("/data/outbox.db"), lines)
    except ValueError as fault:
        pytest.fail(f"it stops: {fault}")
    assert found == ("nfs", "ext4")


def test_a_malformed_line_is_skipped() -> None:
    assert file_system(Path("/data"), "/dev/vda / ext4 rw 0 0\nnonsense\n\n") == "ext4"
