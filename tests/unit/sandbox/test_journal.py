"""The journal: a line is on disk before its sender gets an answer."""

import asyncio
import os
from errno import ENOENT
from os import strerror
from pathlib import Path

import pytest

from signalpost.errors import InvalidConfiguration
from signalpost.sandbox.journal import Journal


async def test_lines_are_in_the_file_in_order_when_append_returns(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal.open(path)
    await journal.append(b"a\n")
    assert path.read_bytes() == b"a\n"
    await asyncio.gather(*(journal.append(b"%d\n" % n) for n in range(100)))
    assert path.read_bytes() == b"a\n" + b"".join(b"%d\n" % n for n in range(100))
    await journal.close()


async def test_each_line_is_synced_and_lines_that_arrive_meanwhile_share_a_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    synced: list[int] = []
    fsync = os.fsync

    def counted(descriptor: int) -> None:
        synced.append(len(path.read_bytes().splitlines()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    journal = Journal.open(path)
    await asyncio.gather(*(journal.append(b"x\n") for _ in range(50)))
    await journal.close()
    assert synced[-1] == 50
    assert len(synced) < 50


@pytest.mark.parametrize(
    ("before", "after"), [(b'{"n":1}\n{"n":', b'{"n":1}\n{"n":\n{"n":1}\n'), (b"a\n", b'a\n{"n":1}\n')]
)
async def test_a_reopened_journal_starts_a_new_line_only_after_a_partial_one(
    before: bytes, after: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "journal"
    path.write_bytes(before)
    journal = Journal.open(path)
    await journal.append(b'{"n":1}\n')
    await journal.close()
    assert path.read_bytes() == after


def test_a_journal_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none" / "journal"
    with pytest.raises(InvalidConfiguration, match=strerror(ENOENT)) as refusal:
        Journal.open(path)
    error = refusal.value
    assert (getattr(error, "code", ""), getattr(error, "field", "")) == ("not-writable", "journal")
    assert str(path) in str(error)


async def test_a_disk_failure_reaches_every_sender_and_later_lines_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path / "journal")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        results = await asyncio.gather(*(journal.append(b"x\n") for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in results] == [OSError] * 3
    await journal.append(b"y\n")
    await journal.close()


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancelled_append_does_not_affect_the_others(
    fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path / "journal")
    if fails:
        monkeypatch.setattr(os, "fsync", lambda descriptor: Path("/nothing/here").stat())
    gone, stays = (asyncio.ensure_future(journal.append(b"x\n")) for _ in range(2))
    await asyncio.wait([gone], timeout=0)
    gone.cancel()
    results = await asyncio.gather(gone, stays, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert isinstance(results[1], FileNotFoundError if fails else type(None))
    await journal.close()
