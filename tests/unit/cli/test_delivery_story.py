"""The story of a delivery: every state, every reason to wait, and what to do about each."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from signalpost.cli.delivery_lines import kind_of, summary_of
from signalpost.cli.delivery_story import Story, Surroundings, heading, story
from signalpost.delivery.outbox.commands import Message
from signalpost.domain.change import Fill, NotePrice, Update
from signalpost.domain.delivery import PASSED_ON, Attempt, Delivery, DeliveryId, DeliveryState
from signalpost.domain.digest import Digest
from signalpost.domain.life import after, opened
from signalpost.domain.notification import Notification, Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.recap import Recap, RecapDays
from signalpost.domain.reports import Alert, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from tests.surface.texts import assert_stored

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SIGNAL = Signal(pair="EURUSD", timeframe="H4", signal_type="BUY", entry_price="1.1", timestamp=NOW, known_at=NOW)
ALERT = Alert(alert_type="disk", severity="high", title="97 % full", timestamp=NOW)
ANNOUNCEMENT = Announcement(title="Maintenance", text="Sunday", timestamp=NOW)
STATUS = SystemStatus(status="operational", timestamp=NOW)
ANALYSIS = MarketAnalysis(title="Dollar", text="Ranges", timestamp=NOW)


def notification(payload: Payload = SIGNAL, tier: str = "free", **changes: Any) -> Notification:
    facts = {"event": "new", "priority": NotificationPriority.HIGH, "user_tier": UserTier(tier), "id": "t1"}
    times = {"accepted_at": NOW - MINUTE, "valid_until": NOW + 60 * MINUTE}
    return Notification(payload=payload, **{**facts, **times, **changes})


def delivery(state: str, destination: str = "signals-free", turn: int = 1, **changes: Any) -> Delivery:
    plain = Delivery(
        DeliveryId("t1", destination, turn), DeliveryState(state), NotificationPriority.HIGH, 1, "s", NOW + 60 * MINUTE
    )
    return plain._replace(**changes)


def around(**changes: Any) -> Surroundings:
    plain = Surroundings(NOW, has_owner=True, is_served=True, messages_a_minute={"signals-free": 20}, facts={})
    return plain._replace(**changes)


def story_of(state: str, *history: Attempt, near: Surroundings | None = None, **changes: Any) -> Story:
    return story(delivery(state, **changes), notification(), history, near or around())


def attempt(outcome: str, detail: str = "") -> Attempt:
    return Attempt(NOW - MINUTE, NOW - MINUTE + timedelta(seconds=0.25), outcome, detail)


def text_of(made: Story) -> str:
    """A story as `deliveries why` shows it."""
    parts = (*made.happened, *(f"next: {each}" for each in made.next), *(f"do: {each}" for each in made.todo))
    return "".join(f"  {part}\n" for part in parts)


ENDED = ("delivered", "unconfirmed", "expired", "superseded", "suppressed", "cancelled", "dead")
OUTCOMES = ("delivered", "rejected", "unavailable", "throttled", "unconfirmed", "lapsed")
GONE = {"disabled": msgspec.json.encode({"reason": "404, Unknown Webhook", "at": NOW})}
HELD = {"pace": msgspec.json.encode({"at": NOW, "ages": [], "held_for": 30.0})}
LATER = {"not_before": NOW + MINUTE, "reason": "503"}
MESSAGE = Message("signals-free", "77", NOW - MINUTE)
STORIES: dict[str, Story] = {
    "tried in each way": story_of("pending", *(attempt(outcome, "detail") for outcome in OUTCOMES), attempts=2),
    **{state: story_of(state, reason="REASON") for state in ENDED},
    "delivered as a message": story_of("delivered", message_id="77", near=around(message=MESSAGE)),
    "superseded by a newer state": story_of("superseded", reason="superseded by t2"),
    "superseded by its card": story_of("superseded", reason="superseded: its card shows this state"),
    "expired without a reason": story_of("expired"),
    "dead after a rejection": story_of("dead", attempt("rejected"), reason="404"),
    "dead after an outage": story_of("dead", attempt("unavailable"), reason="503"),
    "suppressed without a webhook": story_of("suppressed", reason="no webhook"),
    "revived": story_of("pending", turn=2, reason="revives t1@signals-free"),
    "in flight": story_of("leased"),
    "in flight, and its sender is gone": story_of("leased", near=around(has_owner=False)),
    "perhaps shown before": story_of("pending", may_repeat=True),
    "no service": story_of("pending", near=around(has_owner=False)),
    "webhook gone": story_of("pending", near=around(facts=GONE)),
    "no webhook in the service": story_of("pending", near=around(is_served=False)),
    "no webhook in the configuration": story_of("pending", near=around(is_served=False, has_owner=False)),
    "tried again later": story_of("pending", **LATER),
    "held by the server": story_of("pending", near=around(facts=HELD)),
    "breaker open": story_of("pending", near=around(failures=5)),
    "one ahead": story_of("pending", near=around(ahead=1)),
    "two ahead, without a limit": story_of("pending", near=around(ahead=2, messages_a_minute={})),
    "no longer valid": story_of("pending", valid_until=NOW, near=around(has_owner=False)),
    "no longer valid, and perhaps shown before": story_of("pending", valid_until=NOW, may_repeat=True),
}


def test_the_stories_read_as_stored() -> None:
    heads = "\n".join(heading(notification(run="replay-1"), NOW))
    stories = "\n".join(f"{name}:\n{text_of(made)}" for name, made in STORIES.items())
    assert_stored("deliveries-why", f"{heads}\n\n{stories}")


def test_a_heading_has_subject_audience_times_and_key() -> None:
    first, accepted, key = heading(notification(run="replay-1"), NOW)
    assert all(fact in first for fact in ("t1", "BUY EUR_USD H4"))
    assert all(fact in accepted for fact in ("2026-03-02 09:29:00 UTC", "60 s", "free", "replay-1", "HIGH"))
    assert "'replay-1/signal:EUR_USD:H4:BUY:20260302T093000Z new'" in key
    assert all(fact in key for fact in ("2026-03-02 10:30:00 UTC", "60 min"))
    assert "replay" not in "".join(heading(notification(), NOW))


def test_a_heading_says_which_level_a_price_note_is_about() -> None:
    change = NotePrice(level=Decimal("1.105"), price=Decimal("1.106"), at=NOW, from_feed=True)
    signal = SIGNAL.but(stop_loss="1.09")
    filled = after(opened(signal, 1, (UserTier.FREE,), NOW), Fill(price="1.1"), NOW)
    noted = after(filled, change, NOW)
    first, second, *_ = heading(notification(signal, event="v3", trade=noted), NOW)
    assert "v3" in first
    assert all(fact in second for fact in ("+0.60R", "1.10600", "+0.50R"))
    later = after(noted, Update(stop_loss="1.1"), NOW)
    assert len(heading(notification(signal, event="v4", trade=later), NOW)) == len(heading(notification(), NOW))


@pytest.mark.parametrize(
    ("payload", "facts"),
    [
        (SIGNAL, ("BUY", "EUR_USD", "H4")),
        (ALERT, ("high", "97 % full")),
        (ANNOUNCEMENT, ("Maintenance",)),
        (STATUS, ("operational",)),
        (ANALYSIS, ("Dollar",)),
    ],
)
def test_each_kind_is_described_by_its_facts(payload: Payload, facts: tuple[str, ...]) -> None:
    words = summary_of(notification(payload))
    assert all(fact in words for fact in facts)
    assert summary_of(notification(payload, event="update 2")).startswith(words)
    assert "update 2" in summary_of(notification(payload, event="update 2"))


def test_each_kind_has_a_name_of_its_own() -> None:
    names = {kind_of(notification(payload)) for payload in (SIGNAL, ALERT, ANNOUNCEMENT, STATUS, ANALYSIS)}
    assert len(names) == 5


@pytest.mark.parametrize(
    ("payload", "tier", "destination", "facts"),
    [
        (SIGNAL, "premium", "signals-premium", ("premium",)),
        (ALERT, "free", "alerts-critical", ("high",)),
        (STATUS, "free", "system-status", (kind_of(notification(STATUS)),)),
        (SIGNAL, "gold", "signals-gold", ("gold",)),
        (STATUS, "free", "default", (kind_of(notification(STATUS)),)),
    ],
)
def test_the_rule_of_its_route_comes_first(
    payload: Payload, tier: str, destination: str, facts: tuple[str, ...]
) -> None:
    made = story(delivery("delivered", destination), notification(payload, tier), (), around())
    assert all(fact in made.happened[0] for fact in (destination, *facts))


def test_a_configured_route_reads_differently_from_the_usual_one() -> None:
    usual, configured = (
        story(delivery("delivered", name), notification(STATUS), (), around()).happened[0].replace(name, "X")
        for name in ("system-status", "default")
    )
    assert usual != configured


def test_a_revived_delivery_names_the_one_it_revives() -> None:
    revived = story_of("pending", turn=2, reason="revives t1@signals-free").happened[0]
    assert all(fact in revived for fact in ("2", "signals-free", "t1@signals-free"))
    without_reason = story_of("delivered", turn=2).happened[0]
    assert all(fact in without_reason for fact in ("2", "signals-free"))


@pytest.mark.parametrize("outcome", [*OUTCOMES, "of-a-later-version"])
def test_each_attempt_has_its_number_time_length_and_detail(outcome: str) -> None:
    sentence = story_of("pending", attempt("delivered"), attempt(outcome, "as it was")).happened[2]
    assert all(fact in sentence for fact in ("2", "2026-03-02 09:29:00 UTC", "60 s", "0.25 s", "as it was"))
    assert (outcome in sentence) or outcome in OUTCOMES, "an unknown outcome is shown as it is"


def test_each_outcome_has_a_meaning_of_its_own() -> None:
    assert len({story_of("pending", attempt(outcome)).happened[1] for outcome in OUTCOMES}) == len(OUTCOMES)


@pytest.mark.parametrize("state", [state for state in ENDED if state != "delivered"])
def test_each_end_is_explained_with_its_reason(state: str) -> None:
    made = story_of(state, reason="by t2")
    assert "by t2" in made.happened[-1]
    assert len(made.next) == 1
    others = {story_of(each, reason="by t2").happened[-1] for each in ENDED}
    assert len(others) == len(ENDED), "and each differently"


@pytest.mark.parametrize("reason", ["superseded by t2", "superseded: its card shows this state"])
def test_a_superseded_one_says_so_once(reason: str) -> None:
    (sentence,) = story_of("superseded", reason=reason).happened[1:]
    assert sentence.count("superseded") == 1
    assert reason.removeprefix("superseded").strip(": ") in sentence


def test_an_expired_one_has_the_end_of_its_validity() -> None:
    assert "2026-03-02 10:30:00 UTC" in story_of("expired").happened[-1]


def test_a_delivered_one_names_its_message() -> None:
    shown = story_of("delivered", message_id="77", near=around(message=MESSAGE))
    assert all(fact in shown.happened[-1] for fact in ("77", "2026-03-02 09:29:00 UTC", "60 s"))
    assert "77" in story_of("delivered", message_id="77").happened[-1]
    assert story_of("delivered").happened[-1] != story_of("delivered", message_id="77").happened[-1]
    assert shown.todo == ()


def test_the_advice_fits_what_happened() -> None:
    revive = "`signalpost deliveries revive t1@signals-free`"
    assert revive in " ".join(story_of("unconfirmed").todo)
    assert revive in " ".join(story_of("expired").todo)
    refused = story_of("dead", attempt("rejected")).todo
    assert "`signalpost destinations test signals-free`" in refused[0]
    assert revive in refused[1]
    assert len(refused) == 3
    assert story_of("dead", attempt("unavailable")).todo[0] != refused[0]
    assert "signals-free" in story_of("suppressed", reason="no webhook").todo[0]
    assert [story_of(state).todo for state in ("superseded", "cancelled", "suppressed")] == [(), (), ()]


def test_one_that_is_being_sent_depends_on_whether_its_sender_lives() -> None:
    sending, lost = story_of("leased"), story_of("leased", near=around(has_owner=False))
    assert len(sending.next) == 1
    assert lost.next != sending.next
    assert sending.todo == ()
    assert "`signalpost serve`" in lost.todo[0]


def test_one_that_waits_for_nothing_shows_its_attempts_and_its_end() -> None:
    made = story_of("pending", attempts=2)
    (sentence,) = made.next
    assert all(fact in sentence for fact in ("10", "12", "2026-03-02 10:30:00 UTC", "60 min"))
    assert made.todo == ()


def test_one_that_may_have_been_shown_has_a_sentence_about_its_mark() -> None:
    assert len(story_of("pending", may_repeat=True).happened) == len(story_of("pending").happened) + 1


@pytest.mark.parametrize(
    ("changes", "near", "facts", "advice"),
    [
        ({}, {"has_owner": False}, (), "`signalpost serve`"),
        (
            {},
            {"facts": GONE},
            ("signals-free", "404, Unknown Webhook"),
            "`signalpost destinations enable signals-free`",
        ),
        ({}, {"is_served": False}, ("signals-free",), "signals-free"),
        ({}, {"is_served": False, "has_owner": False}, ("signals-free",), "signals-free"),
        (LATER, {}, ("2026-03-02 09:31:00 UTC", "60 s", "503"), None),
        ({"not_before": NOW + MINUTE}, {}, ("2026-03-02 09:31:00 UTC", "60 s"), None),
        ({}, {"facts": HELD}, ("signals-free", "30 s"), None),
        ({}, {"failures": 5}, ("5", "signals-free"), "`signalpost destinations test signals-free`"),
        ({}, {"ahead": 1}, ("1", "signals-free", "20"), None),
        ({}, {"ahead": 2, "messages_a_minute": {}}, ("2", "signals-free"), None),
    ],
)
def test_each_reason_to_wait_has_its_facts_and_advice(
    changes: dict[str, Any], near: dict[str, Any], facts: tuple[str, ...], advice: str | None
) -> None:
    made = story_of("pending", near=around(**near), **changes)
    reasons = set(made.next) - set(story_of("pending").next)
    assert any(all(fact in sentence for fact in facts) for sentence in reasons), made.next
    assert (made.todo == ()) if advice is None else any(advice in sentence for sentence in made.todo), made.todo


def test_a_missing_webhook_of_the_service_reads_differently_from_one_of_the_configuration() -> None:
    of_service = story_of("pending", near=around(is_served=False)).next
    of_configuration = story_of("pending", near=around(is_served=False, has_owner=False)).next
    assert not set(of_service) >= set(of_configuration)


def test_a_reason_that_is_over_is_left_out() -> None:
    quiet = around(failures=4, facts={"pace": msgspec.json.encode({"at": NOW - MINUTE, "ages": [], "held_for": 30.0})})
    made = story_of("pending", not_before=NOW - MINUTE, near=quiet)
    assert len(made.next) == 1, "neither a wait that is over, nor a breaker that is not open yet"
    over = story_of("pending", valid_until=NOW, near=around(has_owner=False))
    (sentence,) = over.next
    assert "2026-03-02 09:30:00 UTC" in sentence


@pytest.mark.parametrize("state", ["dead", "unconfirmed"])
def test_a_delivery_that_a_fallback_has_needs_nothing(state: str) -> None:
    assert story_of(state, reason=f"{PASSED_ON}backup: gone").todo == ()
    assert story_of(state, reason="gone").todo


def test_a_recap_is_where_it_is_by_a_setting_of_its_destination() -> None:
    recap = Recap(destination="signals-free", period=RecapDays().day(NOW.date()), timestamp=NOW)
    happened = story(delivery("delivered"), notification(recap), (), around()).happened
    assert [line for line in happened if "signals-free" in line and "`recaps`" in line]


def test_a_recap_and_a_digest_are_summed_up_by_their_counts() -> None:
    recap = Recap(destination="signals-free", period=RecapDays().day(NOW.date()), timestamp=NOW)
    digest = Digest(destination="signals-free", since=NOW - MINUTE, timestamp=NOW, signals=())
    assert re.findall(r"daily|\d+", summary_of(notification(recap))) == ["daily", "0"]
    assert re.findall(r"\d+", summary_of(notification(digest))) == ["0"]
