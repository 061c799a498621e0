"""Urgent signals behind thousands that are not."""

import sys
from pathlib import Path

from tests.foreign.conduct import Manner, once
from tests.foreign.far_end import FarEnd
from tests.foreign.reading import name_of, names
from tests.foreign.stage import Program, stage
from tests.size import size

LOW = [f"low{number}" for number in range(size(2_500, 10_000))]


def late_by(far_end: FarEnd, strategy: Program, name: str) -> float:
    """How many seconds after it was offered an urgent signal reached the far end."""
    offered = strategy.offer([name], priority="URGENT")
    assert far_end.wait_for(lambda: name in names(far_end.shown()), 20)
    return next(each.at for each in far_end.shown() if name_of(each) == name) - offered[name]


def hanging(far_end: FarEnd) -> list[str]:
    """The messages that were read, and are never answered."""
    return [name_of(each) for each in list(far_end.requests) if each.hangs]


def test_urgent_signals_leave_at_once_behind_thousands_of_others_and_beside_one_that_hangs(tmp_path: Path) -> None:
    with (
        FarEnd() as far_end,
        stage(tmp_path / "stage", DISCORD_WEBHOOK_SIGNALS_FREE=far_end.webhook("signals")) as at,
    ):
        strategy = at.strategy("service")
        strategy.offer(LOW, priority="LOW")
        assert far_end.wait_for(lambda: len(far_end.shown()) >= 3, 20)
        waited = {"urgent0": late_by(far_end, strategy, "urgent0")}
        far_end.conduct = once(Manner.HANGS, lambda request: name_of(request) in LOW)
        assert far_end.wait_for(lambda: hanging(far_end), 20), "none of the others is sent"
        for name in ("urgent1", "urgent2"):
            waited[name] = late_by(far_end, strategy, name)
        assert len(hanging(far_end)) == 1, "it hung no longer"
        sys.stdout.write(f"seconds from its offer to its arrival: {waited}\n")
        assert max(waited.values()) < 1
        assert not any(each.status == 429 for each in far_end.requests)
        assert len(far_end.shown()) < 30, "no limit holds the others back"
