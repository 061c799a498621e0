"""Rules that hold for every message, whatever the signal and its changes are."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalpost import UserTier
from signalpost.domain.change import (
    CancelOrder,
    Change,
    Close,
    Correct,
    ExpireOrder,
    Fill,
    Flag,
    Reopen,
    Revise,
    Update,
)
from signalpost.domain.distance import scale_of
from signalpost.domain.life import after
from signalpost.domain.tier import Hidden
from signalpost.domain.trade import News, Trade, risk_of
from signalpost.errors import InvalidValue, NotPossible
from signalpost.sinks.discord import limits
from signalpost.sinks.discord.cards.companion import Step, companion
from signalpost.sinks.discord.cards.look import Look, Roles
from signalpost.sinks.discord.cards.signal import signal_card
from signalpost.sinks.discord.cards.view import CardLink, View
from signalpost.sinks.discord.cards.wording import gain_text, price_text, r_text, risk_text, share_text
from signalpost.sinks.port import Chart
from tests.contracts.discord_limits import refusals
from tests.contracts.json_schema import SCHEMAS, faults
from tests.size import size
from tests.unit.sinks.discord.cards.lives import LOOK, NOON, ROLE, card, link, trade

PAIRS = {
    "EUR/USD": ("1.08452", "0.00001"),
    "USD/JPY": ("154.850", "0.001"),
    "XAU/USD": ("2641.50", "0.01"),
    "BTC/USDT:USDT": ("67420.0", "0.1"),
    "1000PEPE/USDT": ("0.0123456789", "0.0000000001"),
    "US500": ("5842.5", "0.1"),
    "AAPL": ("232.50", "0.01"),
    "AVERYLONGSYMBOL.TO*": ("50.00", "0.01"),
}
FIRST_WORDS = re.compile(
    r"(REPLAY · )?(FREE COPY|FILLED|TP\d+ HIT|SL MOVED|PART CLOSED|CLOSED|STOPPED|REVERSED|CANCELLED|EXPIRED|INFO)\b"
    r"|REPLAY · |\d+ UPDATES\b"
)
SIDE = re.compile(r"(BUY|SELL) ")
LONG_NAME = "AVERYLONGSYMBOL.TO\\*"
PROSE = ("-# Revised: ", "-# Reason: ", "-# note")
"""Texts that may wrap: whole sentences."""


def distance_text(trade: Trade, price: Decimal) -> str:
    return gain_text(trade.gain(price), scale_of(trade.signal.pair, trade.entry))


def text_in_r(trade: Trade, price: Decimal) -> str:
    risk = risk_of(trade)
    return "" if risk is None else r_text(trade.gain(price), risk)


TEXTS = (price_text, distance_text, text_in_r)


@st.composite
def lives(draw: st.DrawFn) -> list[Trade]:
    """The states that a random trade goes through. Changes that are not possible are skipped."""
    pair = draw(st.sampled_from(sorted(PAIRS)))
    entry, tick = map(Decimal, PAIRS[pair])
    sign = draw(st.sampled_from((1, -1)))
    steps = st.integers(1, 60)
    gains = sorted(draw(st.sets(steps, max_size=10)))
    fields: dict[str, Any] = {
        "pair": pair,
        "timeframe": draw(st.sampled_from(("M1", "H4", "D", None))),
        "signal_type": "BUY" if sign == 1 else "SELL",
        "order": draw(st.sampled_from(("market", "limit", "stop"))),
        "entry_price": entry,
        "stop_loss": None if draw(st.booleans()) else entry - sign * draw(steps) * tick,
        "targets": [entry + sign * gain * tick for gain in gains],
        "leverage": draw(st.sampled_from((None, 5))),
        "confidence_score": draw(st.sampled_from((None, "0.825"))),
        "strategy_name": draw(st.sampled_from((None, "MA cross", "A strategy with a rather long *name* " * 2))),
        "notes": draw(st.sampled_from((None, "note " * 100))),
        "signal_id": "some-signal",
    }
    states = [trade(draw(st.sampled_from((7, 1042, 1234567))), fields)]
    prices = st.integers(-70, 70).map(lambda gain: entry + sign * gain * tick)
    at = NOON
    for change in draw(st.lists(changes(prices), max_size=6)):
        at += timedelta(minutes=draw(st.integers(0, 5000)))
        try:
            states.append(after(states[-1], change, at))
        except (NotPossible, InvalidValue):
            continue
    return states


def changes(prices: st.SearchStrategy[Decimal]) -> st.SearchStrategy[Change]:
    shares = st.sampled_from((10, 25, "33.3", 50, 100))
    numbers = st.integers(1, 4)
    fixed: tuple[Change, ...] = (
        Update(stop_loss="be"),
        Update(note="note " * 90),
        Close(reason="time", from_feed=True),
        CancelOrder(),
        CancelOrder(reason="news " * 100),
        CancelOrder(from_feed=True, flags=(Flag.GAPPED,)),
        ExpireOrder(),
        Reopen(),
        Revise(),
    )
    return st.one_of(
        st.sampled_from(fixed),
        prices.map(lambda price: Fill(price=price)),
        prices.map(lambda price: Update(stop_loss=price)),
        prices.map(lambda price: Correct(stop_loss=price)),
        numbers.map(lambda number: Update(target_hit=number)),
        st.tuples(numbers, prices).map(lambda given: Update(target_hit=given[0], price=given[1])),
        st.tuples(shares, prices).map(lambda given: Update(close_part=given[0], price=given[1])),
        st.tuples(st.sampled_from(("manual", "stop", "target", "reversed")), prices).map(
            lambda given: Close(reason=given[0], price=given[1])
        ),
    )


def views(*, fewest_hidden: int = 0) -> st.SearchStrategy[View]:
    fields = {
        "tier": st.just(UserTier.PREMIUM),
        "hidden": st.frozensets(st.sampled_from(Hidden), min_size=fewest_hidden),
        "delay": st.sampled_from((timedelta(0), timedelta(minutes=30), timedelta(hours=30))),
        "run": st.sampled_from((None, None, "march")),
        "is_edit": st.booleans(),
        "may_repeat": st.booleans(),
        "replaces_deleted": st.booleans(),
        "replaces_lost": st.booleans(),
        "closes": st.sampled_from((None, card(1045), CardLink(1045))),
        "closed_by": st.sampled_from((None, card(1051))),
        "chart": st.sampled_from((None, Chart(b"png", "a chart"))),
    }
    return st.fixed_dictionaries(fields).map(lambda given: View(**given))


LOOKS = st.sampled_from(
    (
        LOOK,
        Look(
            roles={UserTier.PREMIUM: Roles(ROLE)},
            username="Acme Signals",
            avatar_url="https://example.com/a.png",
            producer="Acme Research",
            footer="Acme",
            disclaimer_on_signals=True,
            ticket="lines",  # type: ignore[arg-type]  # read as settings do
        ),
    )
)


def table_of(body: Mapping[str, Any]) -> list[str]:
    lines: list[str] = body["embeds"][0]["description"].split("\n")
    first = lines.index("```")
    return lines[first + 1 : lines.index("```", first + 1)]


def other_lines(body: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a card around its table, as Discord shows them."""
    before, _, behind = body["embeds"][0]["description"].split("```")
    for line in f"{before}\n{behind}".split("\n"):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", line)
        yield re.sub(r"<t:\d+:\w>", "a time", shown).replace("**", "")


def is_valid_edit(body: dict[str, Any]) -> bool:
    name = "IncomingWebhookUpdateRequestPartial"
    return not faults(body, name) and body.keys() <= SCHEMAS["components"]["schemas"][name]["properties"].keys()


@pytest.mark.unmeasured
@settings(max_examples=size(60, 600))
@given(lives(), LOOKS, views())
def test_every_card_keeps_to_lengths_contract_and_schema(states: list[Trade], look: Look, view: View) -> None:
    now = states[-1]
    body = signal_card(now, look, view)
    check_lengths(body)
    check_content(body, now, view)
    check_schema(body, is_edit=view.is_edit)


def check_lengths(body: dict[str, Any]) -> None:
    embed, rows = body["embeds"][0], table_of(body)
    longest = max((len(price) for row in rows for price in re.findall(r"\d[\d.]*\d", row)[:1]), default=0)
    assert len(embed["title"]) <= 30
    assert max(map(len, rows)) <= (28 if longest > 7 else 26)
    assert len(embed["footer"]["text"]) <= 27
    assert limits.size(embed) <= 900
    for line in other_lines(body):
        if not line.startswith(PROSE) and line != LONG_NAME:
            assert len(line.removeprefix("-# ")) <= (50 if line.startswith("-# ") else 42), line


def check_content(body: dict[str, Any], now: Trade, view: View) -> None:
    """A side only for a live signal without a later state, and nothing that no program knows."""
    content = body.get("content", "")
    is_new = now.state.is_live and now.news is News.OPENED
    may_enter = is_new and not (view.is_edit or view.is_replay or view.is_copy or view.is_replacement)
    assert bool(SIDE.match(content)) == may_enter
    assert may_enter or not content or FIRST_WORDS.match(content)
    assert all(len(line) <= 36 for line in content.split("\n") if not line.startswith("<@&"))
    assert (ROLE in content) == may_enter == ("roles" in body["allowed_mentions"])
    if view.is_edit:
        assert content == ""
        assert "content" in body or is_new


def check_schema(body: dict[str, Any], *, is_edit: bool) -> None:
    for attachment in body.get("attachments", ()):
        attachment["id"] = str(attachment["id"])  # the schema wants text, the documentation and Discord take a number
    if is_edit:
        name = "IncomingWebhookUpdateRequestPartial"
        assert faults(body, name) == []
        assert body.keys() <= SCHEMAS["components"]["schemas"][name]["properties"].keys()
    else:
        assert refusals(body) == []


@pytest.mark.unmeasured
@settings(max_examples=size(60, 600))
@given(lives(), LOOKS, views(), st.integers(0, 3))
def test_a_companion_is_short_valid_and_never_sent_to_a_copy(
    states: list[Trade], look: Look, view: View, since: int
) -> None:
    step = Step(states[min(since, len(states) - 1)], states[-1], link(1042))
    for body in filter(None, (companion([step], look, view), companion([step] * 12, look, view))):
        first = body["content"].split("\n")[0]
        assert not view.is_copy
        assert refusals(body) == []
        assert len(first) <= 36
        assert FIRST_WORDS.match(first)
        assert ("roles" in body["allowed_mentions"]) == (ROLE in body["content"])
        assert not view.is_replay or ("roles" not in body["allowed_mentions"] and body["flags"] == limits.SILENT)


@pytest.mark.unmeasured
@settings(max_examples=size(60, 600))
@given(lives(), LOOKS, views(fewest_hidden=1))
def test_no_digit_of_a_hidden_level_is_in_any_byte(states: list[Trade], look: Look, view: View) -> None:
    now = states[-1]
    shown = re.sub(r"\d+-\d\d-\d\dT[\d:.]+Z|<t:\d+:\w>|channels/[\d/]+", "", json.dumps(signal_card(now, look, view)))
    for text in sorted(seen_of(now, view), key=len, reverse=True):
        shown = shown.replace(text, "")
    texts = [text.lstrip("+-") for text in hidden_of(now, view) if len(text.strip("+-0.")) > 1]
    assert [text for text in texts if text in shown] == []


def is_hidden(field: Hidden, now: Trade, view: View) -> bool:
    """Whether this tier must not see the field: decided here, and not by the code under test."""
    return field in view.hidden and now.state.value in {"pending", "open"}


def hidden_of(now: Trade, view: View) -> set[str]:
    """Prices, distances and R that this tier must not see, as a card would write them."""
    found: set[str] = set()
    if is_hidden(Hidden.STOP, now, view) and now.stop is not None:
        found |= {price_text(now, now.stop), distance_text(now, now.stop), risk_text(now)}
        found |= {text_in_r(now, target.price) for target in now.targets}
    if is_hidden(Hidden.TARGETS, now, view):
        found |= {text(now, target.price) for target in now.targets for text in TEXTS}
    if is_hidden(Hidden.STOP, now, view) or is_hidden(Hidden.TARGETS, now, view):
        found |= {text(now, part.price) for part in now.parts for text in TEXTS}
    return found - seen_of(now, view)


def seen_of(now: Trade, view: View) -> set[str]:
    """The same texts of the levels that it may see, and the shares of closed parts, which any tier sees."""
    found = {price_text(now, now.entry), price_text(now, now.signal.entry_price)}
    found |= {share_text(part.share) for part in now.parts}
    if not is_hidden(Hidden.STOP, now, view) and now.stop is not None:
        found |= {text(now, now.stop) for text in TEXTS} | {risk_text(now)}
    if not is_hidden(Hidden.TARGETS, now, view):
        texts = TEXTS[:2] if is_hidden(Hidden.STOP, now, view) else TEXTS
        found |= {text(now, target.price) for target in now.targets for text in texts}
    return found - {""}
