"""Many messages at once, and long outages. This file runs last, because the scenarios are slow."""

import sys

import pytest

from tests.independent_discord.channel import names, repeats, unmarked_repeats
from tests.independent_discord.conftest import Scenarios
from tests.independent_discord.scenarios import AWAY_FOR
from tests.size import size

MOST_REQUESTS = size(30, 40)
"""Of an outage, however many signals wait."""
OUTAGES = ["503", "503 to messages alone", "503 to three messages alone", "refused", "broken off", "silent"]


@pytest.mark.parametrize("scenario", ["five in two seconds, at once", "five in two seconds, sliding"])
def test_fifty_messages_leave_as_fast_as_the_limit_allows_and_never_faster(scenario: str, scenarios: Scenarios) -> None:
    observed = scenarios[scenario].result()
    assert names(observed.shown) == observed.sent
    assert [each.status for each in observed.requests if each.status != 200] == []
    took = observed.shown[-1].at - observed.shown[0].at
    assert took < 30
    sys.stdout.write(f"{scenario}: {took:.2f} s from the first to the last of 50 (18 s at best)\n")


def test_a_limit_without_headers_is_respected_too(scenarios: Scenarios) -> None:
    observed = scenarios["five in two seconds, no headers"].result()
    assert names(observed.shown) == observed.sent
    assert [each.status for each in observed.requests if each.status != 200] == []


@pytest.mark.parametrize("scenario", OUTAGES)
def test_a_long_outage_loses_nothing_and_repeats_nothing_unmarked(scenario: str, scenarios: Scenarios) -> None:
    observed = scenarios[scenario].result()
    assert set(observed.sent) - set(names(observed.shown)) == set()
    assert unmarked_repeats(observed.shown) == []
    sys.stdout.write(
        f"{scenario}: {len(observed.shown)} shown of {len(observed.sent)}, repeats {repeats(observed.shown)}\n"
    )


@pytest.mark.parametrize("scenario", OUTAGES)
def test_an_unavailable_discord_gets_few_requests_and_is_soon_noticed_again(
    scenario: str, scenarios: Scenarios
) -> None:
    observed = scenarios[scenario].result()
    methods = [each.method for each in observed.requests if observed.began_at <= each.at < observed.ended_at]
    connected = [at for at in observed.connected_at if observed.began_at <= at < observed.ended_at]
    sys.stdout.write(
        f"{scenario}: {len(methods)} requests in {AWAY_FOR:g} s, {methods.count('POST')} messages; {len(connected)} "
        f"connections; first shown {observed.first_shown():.1f} s after the end, all {observed.all_shown():.1f} s\n"
    )
    assert len(methods) < MOST_REQUESTS
    assert len(connected) < MOST_REQUESTS
    assert observed.first_shown() < 10


@pytest.mark.parametrize("scenario", OUTAGES)
def test_waiting_signals_are_shown_soon_after_an_outage(scenario: str, scenarios: Scenarios) -> None:
    assert scenarios[scenario].result().all_shown() < 20
