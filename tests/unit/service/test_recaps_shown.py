"""A service's recap equals a count of the cards that the channel shows."""

import re
from collections import Counter
from datetime import timedelta
from fractions import Fraction
from random import Random
from typing import Any

import msgspec
import pytest

from signalpost import AsyncNotificationService, Config, clock
from signalpost.delivery.outbox.book import FindTrades
from signalpost.delivery.recaps import described, recap_of
from signalpost.domain.change import CancelOrder, Close
from signalpost.domain.recap import RecapDays, Recurrence
from signalpost.sandbox.server import Sandbox
from signalpost.service import recaps
from tests.life.scenario import Shifted
from tests.unit.service.conftest import ConfigFor, run_of, signal
from tests.until import until

FREE = "signals-free"
PAIRS = ("EURUSD", "GBPUSD", "XAUUSD")
_R = re.compile(r"(?:CLOSED|STOPPED) ([+-]?\d+\.\d+)R$")
HOUR = timedelta(hours=1)


async def publish(service: AsyncNotificationService, count: int) -> None:
    """Signals that are closed at seeded prices, cancelled, or stay open."""
    random = Random(20)
    for number in range(count):
        order = {"order": "limit"} if number % 5 == 4 else {}
        levels = {"entry_price": "100", "stop_loss": "90", "pair": PAIRS[number % 3]}
        await service.send_signal_async(signal(signal_id=f"s{number}", **levels, **order))
    assert await service.drain(20) == []
    for number in range(count - 2):
        change = CancelOrder() if number % 5 == 4 else Close(price=str(100 + random.choice((-10, -5, 0, 4, 15))))
        await run_of(service).engine.intake.amend(f"s{number}", change, exact=True)
    assert await service.drain(20) == []


def with_recaps(config: Config) -> Config:
    """A day ends within the next two hours."""
    days = RecapDays("UTC", (clock.now() + 2 * HOUR).hour)
    (only,) = config.destinations
    return msgspec.structs.replace(config, destinations=(only._replace(recaps=(Recurrence.DAILY,), recap_days=days),))


def counted(sandbox: Sandbox) -> tuple[Counter[str], Fraction]:
    """How many cards show each outcome, and the sum of the R on them, to two decimals."""
    titles = [each["embeds"][0].get("title", "") for each in sandbox.discord.guild.messages(FREE) if each["embeds"]]
    found = [Fraction(match[1]) for title in titles if (match := _R.search(title))]
    outcomes = Counter("wins" if r > 0 else "losses" if r < 0 else "break_even" for r in found)
    outcomes["not_filled"] = sum(title.endswith("CANCELLED") for title in titles)
    outcomes["open"] = sum(" BUY " in title for title in titles)
    return outcomes, sum(found, Fraction(0))


async def test_a_recap_equals_a_count_of_the_cards(
    config_for: ConfigFor, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recaps, "SETTLES_FOR", timedelta(0))
    monkeypatch.setattr(recaps, "_LOOK_EVERY", 0.05)
    shifted = Shifted()
    before = clock.install(shifted)
    try:
        config = with_recaps(config_for(FREE))
        async with AsyncNotificationService(config) as service:
            await publish(service, 12)
            outcomes, r = counted(sandbox)
            days = config.destinations[0].recap_days
            period = days.day(days.day_at(clock.now()))
            shifted.skipped += period.until - clock.now() + timedelta(seconds=1)
            await until(lambda: _recap_in(sandbox))
            posted = _recap_in(sandbox)
            entries = await run_of(service).engine.intake.find(FindTrades(limit=100))
    finally:
        clock.install(before)
    facts = described(recap_of(entries, period, period.until, FREE))
    assert {name: facts[name] for name in outcomes} == outcomes
    assert Fraction(facts["r"]) == r
    assert sum(outcomes.values()) == 12
    content, text = posted["content"], posted["embeds"][0]["description"]
    assert f"{outcomes['wins']} won, {outcomes['losses']} lost" in content
    assert f"{float(r):+.2f}R" in content
    assert f"{outcomes['open']} still open, {outcomes['not_filled']} never filled" in text


def _recap_in(sandbox: Sandbox) -> dict[str, Any]:
    found = [each for each in sandbox.discord.guild.messages(FREE) if each["embeds"]]
    recap: list[dict[str, Any]] = [each for each in found if each["embeds"][0]["footer"]["text"] == "Daily recap"]
    assert len(recap) <= 1
    return recap[0] if recap else {}
