"""What a person is told of a delivery: every state, every reason to wait, and what to do about each."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from signalpost.cli.delivery_story import Story, Surroundings, heading, story
from signalpost.cli.notification_words import kind_of, words_of
from signalpost.delivery.outbox.commands import Message
from signalpost.domain.alert import Alert
from signalpost.domain.announcement import Announcement
from signalpost.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState
from signalpost.domain.market_analysis import MarketAnalysis
from signalpost.domain.notification import Notification, Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal
from signalpost.domain.system_status import SystemStatus
from signalpost.domain.tier import UserTier

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


def told(state: str, *history: Attempt, near: Surroundings | None = None, **changes: Any) -> Story:
    return story(delivery(state, **changes), notification(), history, near or around())


def attempt(outcome: str, detail: str = "") -> Attempt:
    return Attempt(NOW - MINUTE, NOW - MINUTE + timedelta(seconds=0.25), outcome, detail)


def test_a_heading_tells_what_for_whom_since_when_and_under_which_key() -> None:
    first, accepted, key = heading(notification(run="replay-1"), NOW)
    assert first == "t1: BUY EUR_USD H4"
    assert accepted.startswith("  Accepted 2026-03-02 09:29:00 UTC (60 s ago) as a signal for tier free, ")
    assert accepted.endswith("of the replay replay-1, with priority HIGH.")
    assert key.startswith("  Its key is 'replay-1/signal:EUR_USD:H4:BUY:20260302T093000Z new'. ")
    assert key.endswith("It is worth sending until 2026-03-02 10:30:00 UTC (in 60 min).")
    assert "replay" not in "".join(heading(notification(), NOW))


@pytest.mark.parametrize(
    ("payload", "words", "kind"),
    [
        (SIGNAL, "BUY EUR_USD H4", "a signal"),
        (ALERT, "high alert: 97 % full", "an alert"),
        (ANNOUNCEMENT, "announcement: Maintenance", "an announcement"),
        (STATUS, "status: operational", "a status report"),
        (ANALYSIS, "analysis: Dollar", "a market analysis"),
    ],
)
def test_each_kind_has_its_words(payload: Payload, words: str, kind: str) -> None:
    assert (words_of(notification(payload)), kind_of(notification(payload))) == (words, kind)
    assert words_of(notification(payload, event="update 2")) == f"{words}, update 2"


@pytest.mark.parametrize(
    ("payload", "tier", "destination", "rule"),
    [
        (SIGNAL, "premium", "signals-premium", "It is for signals-premium, where signals of tier premium go."),
        (ALERT, "free", "alerts-critical", "It is for alerts-critical, where alerts of severity high go."),
        (STATUS, "free", "system-status", "It is for system-status, where a status report goes."),
        (
            SIGNAL,
            "gold",
            "signals-gold",
            "It is for signals-gold, where the signals of tier gold are configured to go.",
        ),
        (STATUS, "free", "default", "It is for default, where a status report like this is configured to go."),
    ],
)
def test_the_rule_by_which_it_goes_where_it_goes_is_told(
    payload: Payload, tier: str, destination: str, rule: str
) -> None:
    made = story(delivery("delivered", destination), notification(payload, tier), (), around())
    assert made.happened[0] == rule


def test_a_revived_delivery_names_the_one_it_revives() -> None:
    assert told("pending", turn=2, reason="revives t1@signals-free").happened[0] == (
        "It is turn 2 for signals-free: revives t1@signals-free."
    )
    assert told("delivered", turn=2).happened[0] == "It is turn 2 for signals-free: it was revived."


@pytest.mark.parametrize(
    ("outcome", "meaning"),
    [
        ("delivered", "it was shown"),
        ("rejected", "it was refused, and always will be"),
        ("unavailable", "it was surely not shown"),
        ("throttled", "too many requests: it was not shown, and that counts as no attempt"),
        ("unconfirmed", "it may have been shown, and nobody knows"),
        ("of a later version", "of a later version"),
    ],
)
def test_each_attempt_is_told_with_what_it_brought(outcome: str, meaning: str) -> None:
    happened = told("pending", attempt("delivered"), attempt(outcome, "as it was")).happened
    assert happened[2] == f"Attempt 2, 2026-03-02 09:29:00 UTC (60 s ago), took 0.25 s: {meaning} (as it was)."


@pytest.mark.parametrize(
    ("state", "reason", "sentence"),
    [
        ("unconfirmed", "no answer", "It may have been shown or not, and is not tried again: no answer."),
        (
            "expired",
            None,
            "It expired: no reason was kept. It was worth sending until 2026-03-02 10:30:00 UTC (in 60 min).",
        ),
        (
            "superseded",
            "superseded by t2",
            "because a newer state of the same signal took its place: superseded by t2.",
        ),
        ("suppressed", "stale", "It was not sent, by a rule: stale."),
        ("cancelled", "by hand", "A person cancelled it: by hand."),
        ("dead", "404", "It was given up: 404."),
    ],
)
def test_each_end_is_told_with_its_reason(state: str, reason: str | None, sentence: str) -> None:
    made = told(state, reason=reason)
    assert made.happened[-1].endswith(sentence)
    assert made.next == ("Nothing more happens to it.",)


def test_a_delivered_one_tells_where_its_message_is() -> None:
    message = Message("signals-free", "77", NOW - MINUTE)
    shown = told("delivered", message_id="77", near=around(message=message))
    assert shown.happened[-1] == "It was delivered, as message 77, sent 2026-03-02 09:29:00 UTC (60 s ago)."
    assert told("delivered", message_id="77").happened[-1] == "It was delivered, as message 77."
    assert told("delivered").happened[-1] == "It was delivered; the far end told no message id."
    assert shown.todo == ()


def test_what_to_do_fits_what_happened() -> None:
    anew = "publish it anew under an id of its own"
    assert "is not there and still worth it" in told("unconfirmed").todo[0]
    assert told("expired").todo[0].startswith("If it is still worth it, ")
    refused = told("dead", attempt("rejected")).todo
    assert refused[0].startswith("Mend what was refused; `signalpost destinations test signals-free` tells")
    assert "`signalpost deliveries revive t1@signals-free`" in refused[1]
    assert anew in refused[2]
    assert told("dead", attempt("unavailable")).todo[0].startswith("See whether the webhook works")
    assert "Give signals-free a webhook" in told("suppressed", reason="no webhook").todo[0]
    assert [told(state).todo for state in ("superseded", "cancelled", "suppressed")] == [(), (), ()]


def test_one_that_is_being_sent_depends_on_whether_its_sender_lives() -> None:
    assert told("leased").next == ("It is being sent at this moment.",)
    lost = told("leased", near=around(has_owner=False))
    assert "tries once more, marked as a possible repeat" in lost.next[0]
    assert lost.todo == ("Start a service on this data folder: `signalpost serve`, or your strategy.",)


def test_one_that_waits_for_nothing_tells_its_attempts_and_its_end() -> None:
    made = told("pending", attempts=2)
    assert made.next == ("It has 10 of 12 attempts left, and expires 2026-03-02 10:30:00 UTC (in 60 min).",)
    assert made.todo == ()


def test_one_that_may_have_been_shown_says_that_it_will_be_marked() -> None:
    assert "marked as a possible repeat" in told("pending", may_repeat=True).happened[-1]


@pytest.mark.parametrize(
    ("changes", "near", "because", "do"),
    [
        ({}, {"has_owner": False}, "no service runs on this data folder", "Start a service"),
        (
            {},
            {"facts": {"disabled": msgspec.json.encode({"reason": "404, Unknown Webhook", "at": NOW})}},
            "signals-free is disabled: its webhook is gone for good (404, Unknown Webhook)",
            "or `signalpost destinations enable signals-free`",
        ),
        ({}, {"is_served": False}, "The running service has no webhook for signals-free", "names its variable"),
        (
            {},
            {"is_served": False, "has_owner": False},
            "This configuration has no webhook for signals-free",
            "names its variable",
        ),
        (
            {"not_before": NOW + MINUTE, "reason": "503"},
            {},
            "It is not tried before 2026-03-02 09:31:00 UTC (in 60 s), because the last attempt ended with: 503.",
            None,
        ),
        ({"not_before": NOW + MINUTE}, {}, "It is not tried before 2026-03-02 09:31:00 UTC (in 60 s).", None),
        (
            {},
            {"facts": {"pace": msgspec.json.encode({"at": NOW, "ages": [], "held_for": 30.0})}},
            "signals-free asked to be left alone for 30 s more.",
            None,
        ),
        ({}, {"failures": 5}, "The last 5 attempts at signals-free failed, so its breaker is probably open", "works"),
        ({}, {"ahead": 1}, "1 delivery goes to signals-free before it, at 20 messages a minute at most.", None),
        ({}, {"ahead": 2, "messages_a_minute": {}}, "2 deliveries go to signals-free before it.", None),
    ],
)
def test_each_reason_to_wait_is_told_with_what_to_do(
    changes: dict[str, Any], near: dict[str, Any], because: str, do: str | None
) -> None:
    made = told("pending", near=around(**near), **changes)
    assert any(because in sentence for sentence in made.next), made.next
    assert (made.todo == ()) if do is None else any(do in sentence for sentence in made.todo), made.todo


def test_what_is_past_is_not_said_to_be_waited_for() -> None:
    quiet = around(failures=4, facts={"pace": msgspec.json.encode({"at": NOW - MINUTE, "ages": [], "held_for": 30.0})})
    made = told("pending", not_before=NOW - MINUTE, near=quiet)
    assert len(made.next) == 1, "neither a wait that is over, nor a breaker that is not open yet"
    over = told("pending", valid_until=NOW, near=around(has_owner=False))
    assert over.next == (
        "Its validity ended 2026-03-02 09:30:00 UTC (0 s ago): it is not sent, and the service marks it expired.",
    )
