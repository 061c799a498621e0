"""The card shows freqtrade's and TradingView's notes on an exit, as foreign text."""

import json
from typing import Any

import pytest

from tests.unit.web.conftest import Front
from tests.unit.web.test_freqtrade import ENTRY, EXIT
from tests.unit.web.test_hooks import ALERT, CLOSE
from tests.unit.web.test_trades_of_freqtrade import DATE


async def card(front: Front) -> str:
    """The newest state of the first card in the free channel, as text with its escapes."""
    assert await front.service.drain(30) == []
    return json.dumps(front.sandbox.discord.guild.messages("signals-free")[0]["embeds"], ensure_ascii=False)


@pytest.mark.parametrize(
    ("exit_reason", "reason", "is_shown"),
    [
        ("exit_signal", "manual", True),
        ("rsi above 80", "manual", True),
        ("trailing_stop_loss", "stop", True),
        ("roi", "target", False),
        ("stop_loss", "stop", False),
    ],
)
async def test_the_reason_of_freqtrade_is_shown(front: Front, exit_reason: str, reason: str, is_shown: bool) -> None:
    await front.hook("freqtrade", {**ENTRY, **DATE})
    body = {**EXIT, **DATE, "exit_reason": exit_reason}
    assert (await front.hook("freqtrade", body)).status == 202
    assert (await front.hook("freqtrade", body)).body["outcome"] == "duplicate"
    (found,) = (await front.request("GET", "/api/v1/signals", "free")).body["signals"]
    assert found["closed"]["reason"] == reason
    text = (await card(front)).replace("\\\\", "")
    assert (exit_reason in text) is is_shown


async def test_the_reason_of_a_part_is_shown_too(front: Front) -> None:
    await front.hook("freqtrade", {**ENTRY, **DATE, "open_rate": "60000"})
    part = {
        "open_rate": "60000",
        "is_final_exit": "False",
        "sub_trade": "True",
        "amount": "0.01",
        "stake_amount": "300",
    }
    body = {**EXIT, **DATE, **part, "exit_reason": "take half"}
    assert (await front.hook("freqtrade", body)).body["outcome"] == "accepted"
    assert "take half" in await card(front)


@pytest.mark.parametrize("more", [{}, {"market_position": "flat", "action": "sell"}])
async def test_the_comment_of_an_exit_is_shown_and_escaped(front: Front, more: dict[str, Any]) -> None:
    await front.hook("tradingview", ALERT)
    answer = await front.hook("tradingview", {**CLOSE, **more, "comment": "**news** @everyone [x](https://e.x)"})
    assert answer.status == 202
    text = await card(front)
    assert "news" in text
    assert "**news**" not in text
    assert json.dumps("\\[x](")[1:-1] in text


async def test_a_close_without_a_comment_adds_no_note(front: Front) -> None:
    await front.hook("tradingview", {**ALERT, "comment": "of the entry"})
    assert (await front.hook("tradingview", {**CLOSE, "comment": " "})).status == 202
    assert "of the entry" not in await card(front)
