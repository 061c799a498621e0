"""The numbers of a card, computed again from the prices that it shows."""

import re
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings

from signalpost.domain.trade import Trade
from signalpost.sinks.discord.cards.signal import signal_card
from signalpost.sinks.discord.cards.view import View
from tests.size import size
from tests.unit.sinks.discord.cards.lives import LOOK
from tests.unit.sinks.discord.cards.test_contract import lives, table_of

STEPS = {"pips": 1, "USD": 2, "points": 1, "%": 2}
"""The decimals of each unit."""
PIPS = {"EUR_USD": Fraction(1, 10_000), "USD_JPY": Fraction(1, 100)}
ROW = re.compile(r"(?P<label>[A-Z]\w+) +(?P<price>[\d.]+)(?: +(?P<distance>hit|[+-]?[\d.]+))?(?: +(?P<r>[+-]?[\d.]+))?")


def written(number: Fraction, places: int) -> str:
    """`number` as a card writes it: half away from zero, with a sign unless it is zero."""
    exact = Decimal(number.numerator * 10**40 // number.denominator).scaleb(-40) if number.denominator > 1 else number
    step = Decimal(1).scaleb(-places)
    rounded = Decimal(str(exact)).quantize(step, ROUND_HALF_UP)
    return f"{abs(rounded)}" if rounded == 0 else f"{rounded:+f}"


def in_unit(now: Trade, gain: Fraction, unit: str, entry: Fraction) -> Fraction:
    if unit == "%":
        return gain * 100 / entry
    return gain / PIPS.get(str(now.signal.pair), Fraction(1))


@pytest.mark.unmeasured
@settings(max_examples=size(60, 600))
@given(lives())
def test_distances_and_r_follow_from_the_prices_in_the_table(states: list[Trade]) -> None:
    now, rows = states[-1], table_of(signal_card(states[-1], LOOK, View(is_edit=True)))
    head, sign = rows[0].split(), 1 if now.signal.signal_type == "BUY" else -1
    unit = next((each for each in head if each in STEPS), None)
    if unit is None or head[0] != "price":  # prices alone, or a table too wide for distances
        return
    found = [match for row in rows if (match := ROW.fullmatch(row))]
    entry = Fraction(found[0]["price"])
    assert entry == now.entry
    for row in found[1:]:
        gain = (Fraction(row["price"]) - entry) * sign
        if row["distance"] != "hit":
            assert row["distance"] == written(in_unit(now, gain, unit, entry), STEPS[unit])
        if "R" in head:
            assert now.first_stop is not None
            risk = abs(entry - Fraction(now.first_stop))
            assert row["r"] == written(gain / risk, 2)


@pytest.mark.unmeasured
@settings(max_examples=size(60, 600))
@given(lives())
def test_a_result_is_the_parts_times_their_shares(states: list[Trade]) -> None:
    now = states[-1]
    if now.end is None or now.state != "closed" or now.open_share:
        return
    sign = 1 if now.signal.signal_type == "BUY" else -1
    gain = (
        sum(((Fraction(part.price) - Fraction(now.entry)) * sign * part.share for part in now.parts), Fraction(0)) / 100
    )
    body = signal_card(now, LOOK, View(is_edit=True))["embeds"][0]
    risk = None if now.first_stop is None else (Fraction(now.entry) - Fraction(now.first_stop)) * sign
    first = body["description"].split("```")[0]
    if risk is not None and risk > 0:
        assert f"**{written(gain / risk, 2)}R**" in first
        assert body["title"].endswith(f" {written(gain / risk, 2)}R")
    assert f"{written(gain * 100 / Fraction(now.entry), 2)}%" in first
