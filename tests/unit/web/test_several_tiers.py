"""One request may name several tiers, none above its token's, and how long an order is good."""

from typing import Any

import pytest

from signalpost.domain.instant import utc
from tests.unit.web.conftest import ALERT, SIGNAL, Front

LIMIT = SIGNAL | {"id": "s", "order": "limit"}


async def test_a_signal_for_several_tiers_reaches_each_and_a_repeat_adds_one(front: Front) -> None:
    first = await front.post("signals", SIGNAL | {"tiers": ["premium"]}, "admin")
    both = await front.post("signals", SIGNAL | {"tiers": "premium, free"}, "admin")
    again = await front.post("signals", SIGNAL | {"tiers": ["free", "premium", "free"]}, "admin")
    assert [answer.body["outcome"] for answer in (first, both, again)] == ["accepted", "accepted", "duplicate"]
    assert first.body["signal_id"] == both.body["signal_id"]
    assert len(await front.shown("signals-free")) == len(await front.shown("signals-premium")) == 1
    (shown,) = (await front.request("GET", "/api/v1/signals", "admin")).body["signals"]
    assert sorted(shown["tiers"]) == ["free", "premium"]


@pytest.mark.parametrize(
    ("token", "tiers", "status"),
    [
        ("free", ["free", "premium"], 403),
        ("free", ["premium"], 403),
        ("premium", ["free", "premium"], 202),
        ("premium", ["free", "unheard-of"], 422),
        ("free", ["free"], 202),
    ],
)
async def test_a_token_may_name_only_tiers_up_to_its_own(
    front: Front, token: str, tiers: list[str], status: int
) -> None:
    answer = await front.post("signals", SIGNAL | {"tiers": tiers}, token)
    assert answer.status == status
    if status != 202:
        assert await front.shown("signals-free") == await front.shown("signals-premium") == []


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"tiers": ["premium", "plat", "vip"]}, "tiers"),
        ({"user_tier": "plat"}, "user_tier"),
        ({"tier": "plat"}, "user_tier"),
    ],
)
@pytest.mark.parametrize("token", ["free", "admin"])
async def test_a_tier_that_no_token_can_have_is_a_fault_with_the_known_ones(
    front: Front, token: str, options: dict[str, Any], field: str
) -> None:
    answer = await front.post("signals", SIGNAL | options, token)
    assert (answer.status, answer.body["code"]) == (422, "unknown-word")
    faults = [(each["field"], each["value"], each["limit"]) for each in answer.body["errors"]]
    wanted = ["plat", "vip"] if field == "tiers" else ["plat"]
    assert faults == [(field, tier, "free, premium, admin") for tier in wanted]
    assert await front.shown("signals-free") == await front.shown("signals-premium") == []


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"tiers": []}, "tiers", "not-a-list"),
        ({"tiers": 3}, "tiers", "not-a-list"),
        ({"tiers": [""]}, "tiers", "unknown-word"),
        ({"tiers": ["free"], "tier": "free"}, "tiers", "conflict"),
        ({"order": "limit", "good_for": "soon"}, "good_for", "not-a-duration"),
        ({"order": "limit", "good_for": 3}, "good_for", "not-a-duration"),
        ({"good_for": "24h"}, "good_for", "conflict"),
    ],
)
async def test_each_invalid_value_is_a_fault(front: Front, changes: dict[str, Any], field: str, code: str) -> None:
    answer = await front.post("signals", SIGNAL | changes)
    assert answer.status == 422
    assert [(each["field"], each["code"]) for each in answer.body["errors"]] == [(field, code)]


async def test_an_order_is_good_for_a_time_after_its_candles_close(front: Front) -> None:
    for _ in range(2):
        assert (await front.post("signals", LIMIT | {"good_for": "24h"})).status in {202, 200}
    entry = await front.service.signal("s")
    assert entry is not None
    assert entry.trade.signal.good_until == utc("2099-01-02T04:00:00Z", "x")


async def test_a_hook_may_name_several_tiers_up_to_its_own_too(front: Front) -> None:
    alert = {"ticker": "EURUSD", "interval": "240", "action": "buy", "price": "1.16", "time": "2099-01-01T00:00:00Z"}
    assert (await front.hook("tradingview", alert | {"tiers": ["free", "premium"]})).status == 403
    assert (await front.hook("tradingview", alert | {"tiers": ["free", "premium"]}, "premium")).status == 202
    assert len(await front.shown("signals-free")) == len(await front.shown("signals-premium")) == 1


async def test_only_signals_have_an_order(front: Front) -> None:
    answer = await front.post("alerts", ALERT | {"good_for": "24h"})
    assert (answer.status, answer.fields) == (422, ["good_for"])
