"""The heartbeat's file, and the silence that a watcher measures."""

import os
from pathlib import Path

from signalpost.delivery.outbox.heartbeat import Beat, BeatWatch, read_beat, write_beat


def test_a_beat_is_read_as_written_and_a_shorter_one_replaces_all_of_a_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "outbox.beat"
    assert read_beat(path) is None
    for beat in (Beat(1_000_000, 4_000_000, 9_999_999, 12_345.6), Beat(1, 2, 3, 0.0)):
        assert write_beat(path, beat)
        assert read_beat(path) == beat
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("another version")
    assert read_beat(path) is None


def test_a_beat_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    assert not write_beat(tmp_path / "nowhere" / "outbox.beat", Beat(1, 2, 3, 0.0))


def test_a_pipe_in_place_of_the_file_never_blocks_and_is_not_a_beat(tmp_path: Path) -> None:
    path = tmp_path / "outbox.beat"
    os.mkfifo(path)
    assert read_beat(path) is None
    assert not write_beat(path, Beat(1, 2, 3, 0.0))


def test_silence_counts_from_the_last_change_of_the_beat() -> None:
    watch = BeatWatch()
    for second in range(10):
        watch.look(1, Beat(1, 7, min(second, 3), 0.0), float(second))
    assert watch.silent_for == 6
    watch.look(1, Beat(1, 7, 4, 0.0), 10.0)
    assert (watch.silent_for, watch.last) == (0, Beat(1, 7, 4, 0.0))


def test_an_owner_that_never_beat_is_silent_since_it_was_first_seen() -> None:
    watch = BeatWatch()
    for second in range(5):
        watch.look(1, None, float(second))
    assert (watch.silent_for, watch.last) == (4, None)
    watch.look(2, Beat(1, 7, 1, 0.0), 5.0)
    assert (watch.silent_for, watch.last) == (0, None), "the beat of its predecessor does not count"


def test_a_watcher_does_not_count_silence_while_it_is_frozen_itself() -> None:
    watch = BeatWatch()
    watch.look(1, None, 0.0)
    watch.look(1, None, 3_600.0)
    assert watch.silent_for == 2
