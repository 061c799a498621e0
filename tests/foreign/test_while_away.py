"""What a far end sees of a crowd of messages, and of outages of a minute. Read last, because it takes longest."""

import sys

import pytest

from tests.foreign.conftest import Scenes
from tests.foreign.reading import names, repeats, unmarked_repeats

OUTAGES = ["503", "503 to messages alone", "503 to three messages alone", "refused", "broken off", "silent"]


@pytest.mark.parametrize("scene", ["five in two seconds, at once", "five in two seconds, sliding"])
def test_fifty_messages_leave_as_fast_as_the_limit_allows_and_never_faster(scene: str, scenes: Scenes) -> None:
    played = scenes[scene].result()
    assert names(played.shown) == played.offered
    assert [each.status for each in played.requests if each.status != 200] == []
    took = played.shown[-1].at - played.shown[0].at
    assert took < 30
    sys.stdout.write(f"{scene}: {took:.2f} s from the first to the last of 50 (18 s at best)\n")


def test_a_limit_that_no_answer_tells_is_kept_as_well(scenes: Scenes) -> None:
    played = scenes["five in two seconds, untold"].result()
    assert names(played.shown) == played.offered
    assert [each.status for each in played.requests if each.status != 200] == []


@pytest.mark.parametrize("scene", OUTAGES)
def test_an_outage_of_a_minute_loses_nothing_and_repeats_nothing_unmarked(scene: str, scenes: Scenes) -> None:
    played = scenes[scene].result()
    assert set(played.offered) - set(names(played.shown)) == set()
    assert unmarked_repeats(played.shown) == []
    sys.stdout.write(f"{scene}: {len(played.shown)} shown of {len(played.offered)}, repeats {repeats(played.shown)}\n")


@pytest.mark.parametrize("scene", OUTAGES)
def test_a_far_end_that_is_away_is_asked_seldom_and_found_again_soon(scene: str, scenes: Scenes) -> None:
    played = scenes[scene].result()
    asked = [each.method for each in played.requests if played.away_at <= each.at < played.back_at]
    connected = [at for at in played.connected_at if played.away_at <= at < played.back_at]
    sys.stdout.write(
        f"{scene}: {len(asked)} requests in 60 s, {asked.count('POST')} of them messages; {len(connected)} connections"
        f"; first shown {played.first_shown():.1f} s after the end, all {played.all_shown():.1f} s\n"
    )
    assert len(asked) < 40
    assert len(connected) < 40
    assert played.first_shown() < 10


@pytest.mark.parametrize("scene", OUTAGES)
def test_what_waited_is_shown_soon_after_an_outage(scene: str, scenes: Scenes) -> None:
    assert scenes[scene].result().all_shown() < 20
