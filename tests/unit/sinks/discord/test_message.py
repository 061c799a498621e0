from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signalpost import AlertSeverity, NotificationPriority
from signalpost.errors import InvalidValue
from signalpost.sinks.discord import limits
from signalpost.sinks.discord.embed import short_id
from signalpost.sinks.discord.message import fits, message
from signalpost.sinks.port import Item
from tests.contracts.discord_limits import pings, refusals
from tests.size import size
from tests.surface.errors import Facts, facts_of
from tests.unit.sinks.notifications import alert, analysis, announcement, item, notification, signal, status

LOW = NotificationPriority.LOW
KINDS: dict[str, Callable[[str], Any]] = {
    "signal": lambda text: signal(strategy_name=f"x{text}", notes=text, confidence_score="0.85"),
    "alert": lambda text: alert(
        alert_type="a\\*`[<_#" * 20,
        title=f"x{text}",
        message=text,
        source=text,
        tags=[f"x{text}"] * 3,
        acknowledged_by=f"x{text}",
        escalation_level=2,
        status="acknowledged",
        context={f"x{text}": text, "none": None},
    ),
    "analysis": lambda text: analysis(title=f"x{text}", text=f"x{text}", pair="EUR_USD", context={f"x{text}": text}),
    "status": lambda text: status(status="a`*", message=text, uptime=timedelta(days=3, seconds=5), metrics={"a": text}),
    "announcement": lambda text: announcement(title=f"x{text}", text=f"x{text}"),
}
HOSTILE = {
    "nothing": "",
    "spaces": " \n\t ",
    "zero width": "\u200b\u200d\ufeff",
    "nul": "\0" * 50,
    "everyone": "@everyone @here <@1> <@&1> <#1>",
    "markdown": "**a** __b__ ~~c~~ ||d|| `e` ```f``` # g\n# h\n> i\n-# j",
    "masked link": "[bank](https://evil.example/)",
    "link": "https://x.example/" + "a" * 5000,
    "right to left": "\u202eDSU_RUE LLES\u202c \u05e9\u05dc\u05d5\u05dd",
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 3000,
    "flags": "\U0001f1e9\U0001f1ea" * 3000,
    "combining": "e" + "\u0301" * 9000,
    "long": "word " * 20_000,
    "escapes": "\\*" * 50_000,
    "fence": "```" * 2000,
    "lines": "\n#" * 4000,
    "surrogates": "a\ud800b",
    "quotes": "\"'</script>{}%s\\u0000",
}


def is_taken(items: list[Item]) -> dict[str, Any]:
    """Build the message of `items` and check that Discord accepts it."""
    body = msgspec.json.decode(msgspec.json.encode(message(items)))
    assert refusals(body) == []
    assert not pings(body)
    return body


def context(text: str, count: int = 40) -> dict[str, object]:
    return {f"{number} {text}": text for number in range(count)}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_makes_discord_refuse_a_message(kind: str, text: str) -> None:
    payload = KINDS[kind](text)
    is_taken([item(payload)])
    is_taken([item(payload, context(text), event=f"new{text}", run=text, may_repeat=True)])
    is_taken([item(payload, context(text, 3), run=text, may_repeat=True)] * 10)


texts = st.one_of(
    st.text(max_size=60),
    st.text(st.sampled_from("\\*_`~|<>[]()#@ \n\u200b\u200d\ufe0f\0"), max_size=60),
    st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=9), st.integers(1, 3000)),
)
payloads = st.builds(lambda kind, text: KINDS[kind](text), st.sampled_from(sorted(KINDS)), texts)
facts = st.dictionaries(
    texts.map("n{}".format), st.one_of(texts, st.none(), st.booleans(), st.floats(), st.integers()), max_size=30
)
items_of = st.builds(item, payloads, facts, run=st.one_of(st.none(), texts), may_repeat=st.booleans(), event=texts)


@settings(
    deadline=None, max_examples=size(60, 400), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.lists(items_of, min_size=1, max_size=10))
def test_discord_accepts_every_message(items: list[Item]) -> None:
    body = is_taken(items)
    assert len(body["embeds"]) == len(items)
    assert len(body["content"].split("\n")) == len(items)
    for embed, each in zip(body["embeds"], items, strict=True):
        assert short_id(each.notification) in embed["footer"]["text"]


@settings(
    deadline=None, max_examples=size(25, 150), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.lists(items_of, min_size=1, max_size=12))
def test_items_that_fit_are_not_cut(items: list[Item]) -> None:
    count = fits(items)
    assert 1 <= count <= 10
    alone = [message([each])["embeds"][0] for each in items]
    assert message(items[:count])["embeds"] == alone[:count]
    if count < min(len(items), 10):
        assert sum(limits.size(each) for each in alone[: count + 1]) > 6000


def test_an_empty_list_fits_nothing() -> None:
    assert fits([]) == 0


def test_an_item_that_fills_a_message_still_fits() -> None:
    assert fits([item(analysis(text="a" * 5000, context=context("b" * 900)))] * 3) == 1


def test_a_message_of_exactly_the_limit_fits_and_one_more_character_does_not() -> None:
    first = item(analysis(text="a" * 3000))
    left = limits.SUM - limits.size(message([first])["embeds"][0])
    frame = limits.size(message([item(analysis(text="a"))])["embeds"][0]) - 1
    assert fits([first, item(analysis(text="b" * (left - frame)))]) == 2
    assert fits([first, item(analysis(text="b" * (left - frame + 1)))]) == 1


def test_ten_plain_signals_go_into_one_message() -> None:
    each = item(signal(confidence_score="0.9"), {"atr": "0.0031", "market_conditions": "trending"})
    assert fits([each] * 12) == 10


@pytest.mark.parametrize("count", [0, 11])
def test_a_message_holds_1_to_10_notifications(count: int) -> None:
    with pytest.raises(InvalidValue, match=str(count)) as refusal:
        message([item(signal())] * count)
    assert facts_of(refusal.value) == [Facts("out-of-range", None, str(count), "1 to 10")]


def test_small_embeds_stay_whole_when_large_ones_are_cut() -> None:
    small, large = item(signal()), item(analysis(text="a" * 4000, context=context("b" * 900, 2)))
    body = message([large, small, large])
    assert body["embeds"][1] == message([small])["embeds"][0]
    assert sum(map(limits.size, body["embeds"])) > 5900
    assert abs(limits.size(body["embeds"][0]) - limits.size(body["embeds"][2])) < 5


def test_each_notification_has_a_line_and_an_embed_in_order() -> None:
    body = message([item(signal()), item(signal(pair="GBP_JPY", signal_type="SELL", stop_loss=None, take_profit=None))])
    assert body["content"] == "BUY EUR_USD H4\nSELL GBP_JPY H4"
    for embed, facts in zip(body["embeds"], (("BUY", "EUR_USD"), ("SELL", "GBP_JPY")), strict=True):
        assert all(fact in embed["title"] for fact in facts)


@pytest.mark.parametrize(
    ("priorities", "is_silent"),
    [
        ([LOW], True),
        ([LOW, LOW], True),
        ([LOW, NotificationPriority.NORMAL], False),
        ([NotificationPriority.URGENT], False),
    ],
)
def test_a_message_is_silent_if_all_of_it_has_low_priority(
    priorities: list[NotificationPriority], is_silent: bool
) -> None:
    body = message([item(signal(), priority=priority) for priority in priorities])
    assert body.get("flags") == (4096 if is_silent else None)


def test_the_short_id_is_stable_and_differs_between_notifications() -> None:
    each = notification(signal())
    assert short_id(each) == short_id(notification(signal(), id="n2", priority=LOW)) == "b1aa9370f8ad"
    others = [notification(signal(), event="closed"), notification(signal(), run="r1"), notification(alert())]
    assert len({short_id(each) for each in (each, *others)}) == 4


def test_a_message_that_may_repeat_is_marked() -> None:
    plain, marked = message([item(signal())]), message([item(signal(), may_repeat=True)])
    for read in (lambda body: body["content"], lambda body: body["embeds"][0]["footer"]["text"]):
        assert read(marked).startswith(read(plain))
        assert read(marked) != read(plain)
    assert plain["content"] == "BUY EUR_USD H4"
    assert "b1aa9370f8ad" in plain["embeds"][0]["footer"]["text"]


def test_a_replay_is_marked_first_and_names_its_run() -> None:
    usual = message([item(signal(), may_repeat=True)])
    body = message([item(signal(), run="run *7*", may_repeat=True)])
    assert body["content"].endswith(usual["content"])
    assert body["content"] != usual["content"]
    assert body["embeds"][0]["footer"]["text"].endswith("run *7*")


def test_marks_are_kept_when_a_long_line_is_cut() -> None:
    short, long = (
        message([item(alert(title=title), run="r", may_repeat=True)])["content"] for title in ("xxx", "x" * 5000)
    )
    before, after = short.split("xxx")
    assert len(long) == 199
    assert long.startswith(f"{before}xxx")
    assert long.endswith(f"x\u2026{after}")
    assert before
    assert after


def test_a_headline_is_one_line() -> None:
    line = message([item(alert(title="a\nb\r\nc"))])["content"]
    assert "a b c" in line
    assert line.splitlines() == [line]


def test_a_fact_is_a_field_with_a_title_cased_name_in_order() -> None:
    given = {
        "market_conditions": "a*b",
        "ATR": 0.0031,
        "sl_pips": 66,
        "is_hot": True,
        "cold": False,
        "none": None,
        "e": "",
    }
    shown = [(field["name"], field["value"]) for field in message([item(alert(), given)])["embeds"][0]["fields"][3:]]
    assert shown == [
        ("Market Conditions", r"a\*b"),
        ("ATR", "0.0031"),
        ("Sl Pips", "66"),
        ("Is Hot", "yes"),
        ("Cold", "no"),
        ("None", "-"),
        ("E", "-"),
    ]


def test_a_payloads_own_facts_come_before_those_of_the_caller() -> None:
    fields = message([item(alert(context={"own": 1}), {"given": 2})])["embeds"][0]["fields"]
    assert [field["name"] for field in fields[-2:]] == ["Own", "Given"]


def test_facts_beyond_25_fields_are_counted_in_the_last() -> None:
    fields = message([item(alert(), context("a"))])["embeds"][0]["fields"]
    assert len(fields) == 25
    assert "19" in fields[-1]["value"]
    assert "19" not in fields[-1]["name"]


def test_exactly_25_fields_all_fit() -> None:
    fields = message([item(alert(), context("a", 22))])["embeds"][0]["fields"]
    assert len(fields) == 25
    assert fields[-1]["name"] == "21 A"


def test_facts_that_are_too_long_together_are_dropped_from_the_end() -> None:
    embed = message([item(announcement(text="t" * 4096), context("b" * 500))])["embeds"][0]
    assert len(embed["description"]) == 4096
    first, second, last = embed["fields"]
    assert [first["name"][:3], second["name"][:3]] == ["0 B", "1 B"]
    assert "38" in last["value"]


def test_a_text_is_cut_by_half_at_most_to_keep_the_usual_fields() -> None:
    long = alert(title="t" * 500, message="m" * 9000, source="s" * 300, tags=["g" * 300], alert_id="i" * 200)
    embed = message([item(long)] * 10)["embeds"][0]
    assert limits.size(embed) <= 600
    assert len(embed["description"]) >= 150
    assert embed["fields"][0] == {"name": "Source", "value": "s" * 99 + "\u2026", "inline": True}


@pytest.mark.parametrize("severity", AlertSeverity)
def test_every_kind_has_a_time_and_a_colour(severity: AlertSeverity) -> None:
    embed = message([item(alert(severity=severity))])["embeds"][0]
    assert embed["timestamp"] == "2025-08-20T05:00:00Z"
    assert 0 <= embed["color"] <= 0xFFFFFF
