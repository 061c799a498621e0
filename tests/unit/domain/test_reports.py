"""Announcement, market analysis and system status."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from signalpost import Announcement, Context, InvalidValue, MarketAnalysis, SystemStatus
from tests.surface.errors import Facts, facts_of

NOW = datetime(2025, 8, 20, 5, 0, 1, tzinfo=UTC)


def test_the_id_of_an_announcement_depends_on_time_title_and_text() -> None:
    one = Announcement(title="Hello", text="world")
    assert (one.timestamp, one.announcement_id.startswith("announcement:20250820T050001Z:")) == (NOW, True)
    others = [one.but(title="Bye", announcement_id=None), one.but(text="you", announcement_id=None)]
    later = one.but(timestamp="2025-08-20T05:00:02Z", announcement_id=None)
    assert len({each.announcement_id for each in (one, *others, later)}) == 4
    assert Announcement(title="Hello", text="world", announcement_id="a1").announcement_id == "a1"


def test_an_analysis_can_have_a_pair_and_facts() -> None:
    one = MarketAnalysis(
        title="Trend", text="Up", pair="eur/usd", context={"trend": "up"}, timestamp="2025-08-20T05:00Z"
    )
    assert (one.pair, one.context) == ("EUR_USD", Context({"trend": "up"}))
    changes: list[dict[str, Any]] = [{"title": "x"}, {"text": "x"}, {"pair": None}, {"context": {}}]
    ids = {one.but(**change, analysis_id=None).analysis_id for change in changes}
    assert len(ids | {one.analysis_id}) == 5
    assert one.analysis_id.startswith("analysis:20250820T050000Z:")


def test_a_status_has_its_metrics_and_a_plain_uptime() -> None:
    one = SystemStatus(status="operational", uptime=pd.Timedelta("1h"), metrics={"cpu": 0.5})
    assert (one.timestamp, one.message, one.metrics) == (NOW, "", Context({"cpu": 0.5}))
    assert (type(one.uptime), one.uptime) == (timedelta, timedelta(hours=1))
    changes: list[dict[str, Any]] = [{"status": "x"}, {"message": "x"}, {"metrics": {}}, {"uptime": None}]
    ids = {one.but(**change, status_id=None).status_id for change in changes}
    assert len(ids | {one.status_id}) == 5
    assert one.status_id.startswith("status:20250820T050001Z:")
    assert SystemStatus(status="up", uptime=timedelta()).uptime == timedelta()


@pytest.mark.parametrize("uptime", [5, "1h", -timedelta(microseconds=1), pd.NaT, True])
def test_an_uptime_is_a_timedelta_of_zero_or_more(uptime: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        SystemStatus(status="up", uptime=uptime)  # type: ignore[arg-type]
    (fault,) = facts_of(refusal.value)
    assert (fault.code, fault.field, fault.limit) == ("out-of-range", "uptime", "0 or more")


NOT_AFTER = Facts("not-after", "valid_until", "2025-08-20T05:00:01Z", "2025-08-20T05:00:01Z")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Announcement(title="", text="x"), Facts("missing", "title")),
        (lambda: Announcement(title="x", text=" "), Facts("missing", "text")),
        (lambda: Announcement(title="x", text="x", announcement_id=""), Facts("missing", "announcement_id")),
        (
            lambda: Announcement(title="x", text="x", timestamp=1),
            Facts("out-of-range", "timestamp", "1", "1973 to 2286"),
        ),
        (lambda: Announcement(title="x", text="x", valid_until=NOW), NOT_AFTER),
        (lambda: MarketAnalysis(title="", text="x"), Facts("missing", "title")),
        (lambda: MarketAnalysis(title="x", text=""), Facts("missing", "text")),
        (lambda: MarketAnalysis(title="x", text="x", pair=""), Facts("missing", "pair", "''", "64")),
        (lambda: MarketAnalysis(title="x", text="x", context=[1]), Facts("not-a-mapping", "context", "[1]")),
        (lambda: MarketAnalysis(title="x", text="x", analysis_id=""), Facts("missing", "analysis_id")),
        (lambda: MarketAnalysis(title="x", text="x", timestamp="x"), Facts("invalid-time", "timestamp", "'x'")),
        (lambda: MarketAnalysis(title="x", text="x", valid_until=NOW), NOT_AFTER),
        (lambda: SystemStatus(status=""), Facts("missing", "status")),
        (lambda: SystemStatus(status="x", message=None), Facts("not-text", "message", "None")),
        (lambda: SystemStatus(status="x", metrics=1), Facts("not-a-mapping", "metrics", "1")),
        (lambda: SystemStatus(status="x", status_id=""), Facts("missing", "status_id")),
        (lambda: SystemStatus(status="x", timestamp="x"), Facts("invalid-time", "timestamp", "'x'")),
        (lambda: SystemStatus(status="x", valid_until=NOW), NOT_AFTER),
    ],
)
def test_an_invalid_field_is_refused_with_its_facts(make: Any, expected: Facts) -> None:
    with pytest.raises(InvalidValue) as error:
        make()
    assert facts_of(error.value) == [expected]
