import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signalpost import NotificationPriority, UserTier
from signalpost.domain.change import Change, Close, NotePrice, Update
from signalpost.domain.identity import short_id
from signalpost.domain.life import after, opened
from signalpost.domain.notification import Notification
from signalpost.domain.tier import Hidden, TierCopy
from signalpost.domain.trade import Trade
from signalpost.errors import InvalidValue
from signalpost.sinks.discord import limits
from signalpost.sinks.discord import message as module
from signalpost.sinks.discord.cards.companion import Step, companion
from signalpost.sinks.discord.cards.look import Event, Look, Roles, Sending
from signalpost.sinks.discord.cards.signal import signal_card
from signalpost.sinks.discord.cards.view import MessageLink, View
from signalpost.sinks.evidence import Loss, Unwanted
from signalpost.sinks.port import Item, Shown, Successor
from tests.contracts.discord_limits import pings, refusals
from tests.size import size
from tests.surface.errors import Facts, facts_of
from tests.unit.sinks.notifications import AT, alert, analysis, announcement, item, notification, signal, status

LOW, NORMAL = NotificationPriority.LOW, NotificationPriority.NORMAL
ROLE = "1100000000000000005"
LOOK = Look(roles={UserTier.FREE: Roles(ROLE)})
LONG_PRICES = [f"1.{17 + each}0000000001" for each in range(9)]
SHOWN = Shown("77", "5", "3", "w")
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


def message(*items: Item, look: Look = LOOK, guild: str | None = None) -> dict[str, Any]:
    return module.message(items, look, AT, guild)


def is_taken(*items: Item) -> dict[str, Any]:
    """Build the message of `items` and check that Discord accepts it."""
    body = msgspec.json.decode(msgspec.json.encode(message(*items, look=Look())))
    assert refusals(body) == []
    assert not pings(body)
    return body


def context(text: str, count: int) -> dict[str, object]:
    return {f"{number} {text}": text for number in range(count)}


def changed(*changes: Any, **fields: Any) -> tuple[Trade, Notification]:
    """A trade before its last change, and the notification of that change."""
    given = signal()
    states = [trade for trade in [notification(given).shown] if trade is not None]
    for change in changes:
        states.append(after(states[-1], change, AT))
    return states[-2], notification(states[-1].signal, event="v", trade=states[-1], number=1, **fields)


@pytest.mark.unmeasured
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_makes_discord_refuse_a_message(kind: str, text: str) -> None:
    payload = KINDS[kind](text)
    is_taken(item(payload))
    is_taken(item(payload, context(text, size(40, 1000)), event=f"new{text}", run=text, may_repeat=True))


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


@pytest.mark.unmeasured
@settings(max_examples=size(60, 400), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(items_of)
def test_discord_accepts_every_message(each: Item) -> None:
    body = is_taken(each)
    notified = each.notification
    assert notified.event == "new" or not body["content"].startswith(("BUY", "SELL"))
    if notified.kind == "signal":
        assert short_id(notified.payload.signal_id, notified.run) in body["embeds"][0]["footer"]["text"]  # type: ignore[union-attr]
    if notified.kind == "alert":
        assert short_id(notified.payload.alert_id, notified.run) in body["embeds"][0]["footer"]["text"]  # type: ignore[union-attr]


def test_a_new_signal_is_shown_with_everything_that_is_known_of_it() -> None:
    each = item(signal(), {"atr": 1}, number=1042, may_repeat=True, replaces=Loss.DELETED, tier=UserTier.ADMIN)
    view = View(tier=UserTier.ADMIN, may_repeat=True, replaces_deleted=True, context=each.notification.context)
    assert each.notification.shown is not None
    assert message(each) == signal_card(each.notification.shown, LOOK, view)


def test_the_tier_of_the_notification_is_pinged_unless_the_item_has_its_own() -> None:
    assert message(item(signal()))["allowed_mentions"] == {"parse": [], "roles": [ROLE]}
    assert message(item(signal(), tier=UserTier.ADMIN))["allowed_mentions"] == {"parse": []}


def test_a_trade_that_is_shown_already_is_edited_and_an_edit_is_not_marked() -> None:
    before, now = changed(Update(stop_loss="1.16344"))
    edit = message(Item(now, may_repeat=True, card=SHOWN))
    assert edit == signal_card(now.trade or before, LOOK, View(is_edit=True))
    assert edit["content"] == ""
    assert "flags" not in message(Item(now.but(priority=LOW), card=SHOWN)), "an edit notifies nobody"
    assert module.edited([Item(now, card=SHOWN)]) == SHOWN
    assert module.edited([Item(now)]) is None


def test_a_companion_links_to_its_card_if_the_link_is_known() -> None:
    before, now = changed(Update(stop_loss="1.16000"), Update(stop_at_entry=True))
    news = Item(now.but(before=before), card=SHOWN)
    assert now.trade is not None
    assert module.edited([news]) is None
    for card, guild, link in (
        (SHOWN, None, MessageLink("3", "5", "77")),
        (SHOWN, "9", MessageLink("3", "5", "77")),
        (SHOWN._replace(guild=None), "9", MessageLink("9", "5", "77")),
        (SHOWN._replace(guild=None), None, None),
        (SHOWN._replace(channel=None), "9", None),
        (None, "9", None),
    ):
        expected = companion([Step(before, now.trade, link)], LOOK, View())
        assert message(news._replace(card=card), guild=guild) == expected


def several(*changes: Change, **fields: Any) -> list[Item]:
    """A companion for a change of each of several trades."""
    found = []
    for number, change in enumerate(changes, start=1):
        before, now = changed(change)
        assert now.trade is not None
        trades = {"before": before.but(number=number), "trade": now.trade.but(number=number)}
        found.append(Item(now.but(id=f"n{number}", **trades), card=SHOWN, **fields))
    return found


HIT, TO_ENTRY, END = Update(target_hit=1), Update(stop_at_entry=True), Close(price="1.16")


def test_companions_that_are_turned_off_are_named_and_nothing_is_built() -> None:
    off = Look(companions={Event.STOP: Sending.OFF})
    for items, ids in ((several(TO_ENTRY), {"n1"}), (several(HIT, TO_ENTRY, END, TO_ENTRY), {"n2", "n4"})):
        with pytest.raises(Unwanted) as caught:
            message(*items, look=off)
        assert caught.value.ids == ids


def test_companions_of_several_trades_have_a_line_each_and_ping_if_one_requires_it() -> None:
    look = Look(roles={UserTier.FREE: Roles(by_event={Event.CLOSED_BY_HAND: ROLE})})
    body = message(*several(HIT, TO_ENTRY, END), look=look)
    lines = body["content"].split("\n")
    assert [number in line for number, line in zip(("#1", "#2", "#3"), lines[1:4], strict=True)] == [True] * 3
    assert (len(lines), lines[4], body["allowed_mentions"]["roles"]) == (5, f"<@&{ROLE}>", [ROLE])
    assert "embeds" not in body
    assert message(*several(HIT, TO_ENTRY), look=look)["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize(
    "other", [*several(END, may_repeat=True), *several(END, tier=UserTier.PREMIUM), item(announcement())]
)
def test_companions_with_marks_or_readers_of_their_own_and_other_messages_are_not_one_message(other: Item) -> None:
    items = [*several(HIT, TO_ENTRY), other]
    alone = [message(each)["content"] for each in items]
    assert message(*items)["content"] == "\n".join(alone)


def test_every_message_of_a_replay_is_silent_and_says_so_first() -> None:
    before, now = changed(Update(stop_at_entry=True), run="r")
    for each in (*(item(KINDS[kind]("t"), run="r") for kind in KINDS), Item(now), Item(now.but(before=before))):
        body = message(each)
        assert body["content"].startswith("REPLAY · ")
        assert body["flags"] == limits.SILENT
        assert not pings(body)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"status"}))
def test_a_low_priority_makes_no_sound(kind: str) -> None:
    assert message(item(KINDS[kind]("t"), priority=LOW))["flags"] == limits.SILENT


def test_a_bad_status_makes_a_sound_although_its_usual_priority_is_low() -> None:
    assert "flags" not in message(item(status(status="down"), priority=LOW))
    assert "flags" in message(item(status(status="ok"), priority=NORMAL))


def test_a_signal_that_is_first_shown_with_a_price_note_notifies_its_readers() -> None:
    opening = notification(signal(stop_loss="1.05"), priority=LOW)
    trade = opened(opening.payload, 1, (UserTier.FREE,), AT)
    noted = after(trade, NotePrice(level=Decimal("1.2"), price=Decimal("1.2"), from_feed=True), AT)
    body = message(Item(opening.but(event="v2", trade=noted)))
    assert body["content"].startswith("BUY ")
    assert "flags" not in body


@pytest.mark.parametrize("kind", KINDS)
def test_facts_of_the_caller_are_shown_with_every_kind(kind: str) -> None:
    given = item(KINDS[kind]("t"), {"spread": "0.8", "is_hot": True})
    if kind == "alert":
        given = item(alert(), {"spread": "0.8", "is_hot": True})
    assert "spread 0.8 · is hot yes" in message(given)["embeds"][0]["description"]


@pytest.mark.parametrize("event", ["update 3", "filled", "closed", "BUY", "x" * 50])
def test_an_update_without_a_trade_names_its_event_and_never_begins_with_a_side(event: str) -> None:
    body = message(item(signal(), event=event))
    first, _, rest = body["content"].partition(": ")
    assert first == f"INFO · EURUSD #{short_id(signal().signal_id)}"
    assert event.startswith(rest.rstrip("…"))
    assert not pings(body)
    (embed,) = body["embeds"]
    assert embed["title"] == "EUR/USD"
    assert all(price in embed["description"] for price in ("1.16344", "1.15780"))
    assert not any(word in embed["description"] for word in ("BUY", "Enter by"))


def test_a_copy_names_the_tier_that_gets_everything_at_once() -> None:
    look = Look(copies={UserTier.FREE: TierCopy(delay=timedelta(minutes=5))}, full_tier=UserTier("vip"))
    description = message(item(signal()), look=look)["embeds"][0]["description"]
    assert "Sent 5 min after vip" in description


@pytest.mark.parametrize("copy", [TierCopy(delay=timedelta(minutes=5)), TierCopy(hidden=frozenset({Hidden.STOP}))])
def test_an_update_without_a_trade_shows_no_level_to_a_tier_that_gets_less_or_later(copy: TierCopy) -> None:
    body = json.dumps(message(item(signal(), event="half time"), look=Look(copies={UserTier.FREE: copy})))
    assert not any(text in body for text in ("1.16344", "1.15780", "premium"))


@pytest.mark.parametrize(
    ("state", "content"),
    [
        ({"status": "CLOSED", "current_price": "1.17190"}, "CLOSED · EURUSD #7 · +1.50R"),
        ({"status": "CLOSED", "current_price": "1.15780", "order": "limit"}, "CLOSED · EURUSD #7 · -1.00R"),
        (
            {"status": "CLOSED", "current_price": "1.17190", "stop_loss": "1.16344", "initial_stop": "1.15780"},
            "CLOSED · EURUSD #7 · +1.50R",
        ),
        ({"status": "EXPIRED"}, "INFO · EURUSD #7: closed"),
        ({"status": "CANCELLED", "order": "limit"}, "CANCELLED · EURUSD #7"),
        ({"status": "EXPIRED", "order": "stop"}, "EXPIRED · EURUSD #7, never filled"),
    ],
)
def test_an_end_without_a_trade_is_shown_as_the_signal_says(state: dict[str, Any], content: str) -> None:
    assert message(item(signal(**state), event="closed", number=7))["content"] == content


@pytest.mark.parametrize("card", [SHOWN, None])
def test_a_reversal_names_the_card_that_it_closes_and_links_to_it(card: Shown | None) -> None:
    body = message(Item(notification(signal(), number=8, closes=7), closes=card))
    name = "Card #7" if card is None else "[Card #7](https://discord.com/channels/3/5/77)"
    assert "Closes #7 first" in body["content"].splitlines()
    assert body["embeds"][0]["description"].splitlines()[0] == f"**Closes {name} first**"


@pytest.mark.parametrize("card", [SHOWN, None])
def test_a_trade_that_was_reversed_names_the_card_of_the_next_one_and_links_to_it(card: Shown | None) -> None:
    _, now = changed(Close(price="1.17190", reason="reversed"))
    body = message(Item(now, closed_by=Successor(9, card)))
    name = "Card #9" if card is None else "[Card #9](https://discord.com/channels/3/5/77)"
    assert f"Now short: {name}" in body["embeds"][0]["description"].splitlines()


def test_the_trade_decides_and_not_the_status_of_the_signal() -> None:
    _, now = changed(Close(price="1.15780", reason="stop"))
    assert message(Item(now))["content"].startswith(f"STOPPED · EURUSD #{short_id(signal().signal_id)} · -1.00R")


@pytest.mark.parametrize("count", [0, 11])
def test_a_message_holds_1_to_10_notifications(count: int) -> None:
    with pytest.raises(InvalidValue) as refusal:
        message(*[item(signal())] * count)
    assert facts_of(refusal.value) == [Facts("out-of-range", "items", str(count), "1 to 10")]


def test_an_edit_is_a_message_of_its_own() -> None:
    _, now = changed(Update(stop_at_entry=True))
    with pytest.raises(InvalidValue) as refusal:
        message(item(signal()), Item(now, card=SHOWN))
    assert facts_of(refusal.value) == [Facts("out-of-range", "items", "2", "1 to 1")]


def test_several_cards_follow_each_other_in_one_message() -> None:
    both = item(signal(), priority=LOW), item(alert(severity="info"))
    body = message(*both)
    alone = [message(each) for each in both]
    assert body["content"] == "\n".join(each["content"] for each in alone)
    assert body["embeds"] == [embed for each in alone for embed in each["embeds"]]
    assert body["allowed_mentions"]["roles"] == [ROLE]
    assert body["flags"] == limits.SILENT
    loud = message(both[0], item(alert()), look=Look())
    assert ("flags" in loud, loud["allowed_mentions"]) == (False, {"parse": []})


@pytest.mark.parametrize(
    ("each", "field", "limit"),
    [
        (
            lambda: item(signal(take_profit=None, targets=[f"1.{17 + n}0000000001" for n in range(9)])),
            "content",
            "2000",
        ),
        (lambda: item(analysis(text="a" * 2500)), "embeds", "6000"),
    ],
)
def test_cards_that_are_too_long_together_are_refused(each: Callable[[], Item], field: str, limit: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        message(*[each()] * 10)
    (found,) = facts_of(refusal.value)
    assert (found.code, found.field, found.limit) == ("out-of-range", field, limit)
    assert int(found.value or 0) > int(limit)


def test_a_tier_that_gets_less_sees_a_copy_without_what_is_hidden() -> None:
    copy = TierCopy(delay=timedelta(minutes=30), hidden=frozenset({Hidden.STOP, Hidden.TARGETS}))
    made = item(signal(stop_loss="1.1321", take_profit="1.1999", entry_price="1.1634"))._replace(tier=UserTier.FREE)
    body = message(made, look=Look(copies={UserTier.FREE: copy}))
    assert body["content"].startswith("FREE COPY · ")
    assert "30 min late" in body["content"]
    assert not any(digits in str(body) for digits in ("1321", "1999"))
    assert "1321" in str(message(made._replace(tier=UserTier.PREMIUM), look=Look(copies={UserTier.FREE: copy})))


@pytest.mark.parametrize(
    ("how", "line"),
    [
        (Loss.DELETED, "Replaces a deleted message"),
        (Loss.MOVED, "Replaces a message that cannot be edited"),
        (Loss.LOCKED, "Replaces a message that cannot be edited"),
    ],
)
def test_a_replacement_says_what_it_replaces_and_is_not_a_ticket(how: Loss, line: str) -> None:
    body = message(item(signal())._replace(replaces=how))
    assert "flags" not in body
    assert message(item(signal())._replace(replaces=how, is_known=True))["flags"] == limits.SILENT
    assert line in body["embeds"][0]["description"]
    assert not body.get("content", "").startswith(("BUY", "SELL"))


def test_the_companion_of_a_resolved_alert_says_if_it_may_repeat() -> None:
    over = notification(alert(status="resolved", resolved_at=AT, context={"resolved": "Back"}), event="resolved")
    name = short_id(over.payload.alert_id)
    companion = Item(over.but(is_recovery=True), card=SHOWN)
    link = f"[Alert {name}](https://discord.com/channels/3/5/77)"
    assert message(companion)["content"].splitlines() == ["RESOLVED · Back", link]
    again = message(companion._replace(may_repeat=True))
    assert again["content"].splitlines() == ["RESOLVED · Back", f"MAY REPEAT: alert {name}", link]
    off = Look(companions={Event.RESOLVED: Sending.OFF})
    with pytest.raises(Unwanted):
        message(companion, look=off)
    assert message(companion._replace(notification=over), look=off)["content"].startswith("RESOLVED"), "an edit"
