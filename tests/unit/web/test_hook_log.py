"""Whoever sends to a hook does not show its answer, so the log of `serve` says why an alert was refused."""

import logging

import pytest

from tests.unit.web.conftest import Front

ALERT = {
    "ticker": "OANDA:EURUSD",
    "interval": "240",
    "action": "buy",
    "price": "1.1634",
    "time": "2099-01-01T00:00:00Z",
}


async def test_a_rejected_alert_is_logged_with_its_reason_and_without_secrets(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = front.service.config.destinations[0].webhook.reveal()
    with caplog.at_level(logging.DEBUG):
        answer = await front.hook("tradingview", {**ALERT, "action": "up", "price": "1,16", "passphrase": "hush-hush"})
        await front.hook("tradingview", "BUY passphrase=hush-hush")
        await front.hook("tradingview", f"BUY {webhook}")
        await front.hook("tradingview", {**ALERT, "action": webhook})
        await front.hook("freqtrade", {"event": "tea"})
        many = {f"tp{number}": number for number in range(2, 60)}
        await front.hook("tradingview", {**ALERT, **many})
    assert sorted(answer.fields) == ["action", "price"]
    logged = [record.getMessage() for record in caplog.records if "token free" in record.getMessage()]
    assert len(logged) == 6
    one, text, _, _, other, last = logged
    assert "'1,16'" in one
    assert "'up'" in one
    assert "BUY" in text
    assert "'tea'" in other
    assert "\n" not in one
    assert last.count("tp") < 40
    assert webhook.rpartition("/")[2] not in caplog.text
    assert "hush-hush" not in caplog.text
    assert front.text_by_token["free"] not in caplog.text
