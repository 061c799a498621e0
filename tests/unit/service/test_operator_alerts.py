import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from signalpost import clock
from signalpost.delivery.facts import card_gone_fact
from signalpost.delivery.outbox.commands import SaveFacts
from signalpost.domain.events import (
    CardGone,
    ChangeRefused,
    DestinationGone,
    HostBanned,
    IncidentBegan,
    IncidentEnded,
)
from signalpost.domain.instrument import Instrument
from signalpost.domain.reports import Alert, AlertSeverity, AlertStatus
from signalpost.domain.ticket import Outcome, Ticket
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import StoreClosed, StoreFailed
from signalpost.service.operator_alerts import OperatorAlerts, alert_of

SINCE = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


class FakeIntake:
    """An intake that accepts, is closed, or hangs."""

    def __init__(
        self, *, is_closed: bool = False, hangs: bool = False, outcome: Outcome = Outcome.ACCEPTED, fails: bool = False
    ) -> None:
        self.accepted: list[tuple[Alert, str | None]] = []
        self.events: list[str] = []
        self.came = asyncio.Event()
        self.left = False
        self.saved: list[SaveFacts] = []
        self._is_closed, self._hangs = is_closed, hangs
        self._outcome, self._fails = outcome, fails

    async def accept(self, payload: Alert, *, about: str | None, event: str) -> Ticket:
        self.accepted.append((payload, about))
        self.events.append(event)
        self.came.set()
        if self._is_closed:
            raise StoreClosed
        try:
            if self._hangs:
                await asyncio.Event().wait()
        finally:
            self.left = True
        return Ticket(self._outcome, "t")

    async def save(self, facts: SaveFacts) -> None:
        if self._fails:
            raise StoreFailed("the disk is full")
        self.saved.append(facts)


def alerts(intake: FakeIntake) -> OperatorAlerts:
    return OperatorAlerts(intake.accept, lambda name: f"VARIABLE_OF_{name}", intake.save)


async def all_sent() -> None:
    """Wait for the tasks that queue alerts, and raise what one of them raised."""
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})


async def test_a_deleted_webhook_is_always_the_same_alert() -> None:
    intake = FakeIntake()
    listener = alerts(intake)
    for _ in range(2):
        listener(DestinationGone("d", "404, code 10015", SINCE))
    await intake.came.wait()
    (first, about), (second, _) = intake.accepted
    assert (first.alert_id, about) == ("disabled d 2026-03-02T09:30:00Z", "d")
    assert first == second
    assert "VARIABLE_OF_d" in first.message
    assert "404, code 10015" in first.message
    assert first.timestamp == SINCE


async def test_a_disabled_webhook_of_unknown_time_is_alerted_too() -> None:
    intake = FakeIntake()
    alerts(intake)(DestinationGone("d", "a person disabled it"))
    await intake.came.wait()
    assert intake.accepted[0][1] == "d"


async def test_a_new_ban_is_alerted_to_any_destination_for_operators() -> None:
    intake = FakeIntake()
    listener = alerts(intake)
    listener(HostBanned("discord.com", "403", SINCE, is_news=False))
    listener(HostBanned("discord.com", "403", SINCE))
    await intake.came.wait()
    ((alert, about),) = intake.accepted
    assert (alert.alert_id, about) == ("banned discord.com 2026-03-02T09:30:00Z", "(host discord.com)")


@pytest.mark.parametrize("is_closed", [True, False])
async def test_an_alert_that_cannot_be_accepted_does_not_delay_a_stop(is_closed: bool) -> None:
    intake = FakeIntake(is_closed=is_closed, hangs=not is_closed)
    listener = alerts(intake)
    listener(DestinationGone("d", "404", SINCE))
    await intake.came.wait()
    await asyncio.wait_for(listener.close(), 5)
    assert intake.left is not is_closed


@pytest.mark.parametrize(
    ("event", "kind", "about"),
    [
        (CardGone("d", "s1", "deleted", is_stopped=True, at=SINCE), "card_deleted", "d"),
        (CardGone("d", "s1", "moved", is_stopped=False, at=SINCE), "webhook_moved", "d"),
        (ChangeRefused("s1", "it is closed"), "change_refused", "(signal book)"),
    ],
)
async def test_changes_that_the_caller_cannot_see_are_alerted(
    event: CardGone | ChangeRefused, kind: str, about: str
) -> None:
    intake = FakeIntake()
    listener = alerts(intake)
    listener(CardGone("d", "s1", "deleted", is_stopped=False, at=SINCE))  # it is posted again, so nobody has to act
    listener(event)
    await intake.came.wait()
    ((alert, given),) = intake.accepted
    assert (alert.alert_type, given) == (kind, about)


async def test_many_cards_of_a_moved_webhook_are_one_alert() -> None:
    intake = FakeIntake()
    listener = alerts(intake)
    for signal in ("s1", "s2"):
        listener(CardGone("d", signal, "moved", is_stopped=False, at=SINCE, channel="c1"))
    await intake.came.wait()
    assert len({alert.alert_id for alert, _ in intake.accepted}) == 1


async def test_a_webhook_that_moves_again_is_another_alert() -> None:
    intake = FakeIntake()
    listener = alerts(intake)
    for channel in ("c1", "c2"):
        listener(CardGone("d", "s1", "moved", is_stopped=False, at=SINCE, channel=channel))
    await intake.came.wait()
    await asyncio.sleep(0)
    assert len({alert.alert_id for alert, _ in intake.accepted}) == 2


LOST = CardGone("d", "s1", "deleted", is_stopped=True, at=SINCE)


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_a_lost_card_is_reported_again_until_its_alert_is_saved(outcome: Outcome) -> None:
    intake = FakeIntake(outcome=outcome)
    listener = alerts(intake)
    listener(LOST)
    await all_sent()
    is_saved = outcome is not Outcome.HELD  # in memory, until the store works again
    assert intake.saved == [card_gone_fact(LOST, is_reported=True)] * is_saved


async def test_a_store_that_fails_after_the_alert_lets_the_next_start_report_it_again() -> None:
    intake = FakeIntake(fails=True)
    listener = alerts(intake)
    listener(LOST)
    await all_sent()
    assert (len(intake.accepted), intake.saved) == (1, [])


async def test_the_notice_that_candles_are_not_needed_any_more_does_not_say_that_the_feed_works() -> None:
    intake = FakeIntake()
    listener = alerts(intake)
    incident = IncidentBegan("feed", "NAME", AlertSeverity.HIGH, "oanda", "code 503", SINCE)
    listener(IncidentEnded(incident, SINCE))
    listener(IncidentEnded(incident, SINCE, is_unused=True))
    await all_sent()
    (works, _), (unused, _) = intake.accepted
    assert works.status is unused.status is AlertStatus.RESOLVED
    assert works.context["resolved"] != unused.context["resolved"]


KINDS = ("silent-feed", "silent", "late-feed", "late", "cache", "of a newer version")


@pytest.mark.parametrize("kind", KINDS)
def test_the_alert_of_a_watchdog_has_type_source_and_advice(kind: str) -> None:
    candles = None if kind == "cache" else (Instrument("GBP_USD"), Timeframe("M5"))
    alert = alert_of(IncidentBegan(kind, "NAME", AlertSeverity.MEDIUM, "oanda", "it is away", SINCE, candles))
    is_slow = kind in {"late-feed", "late", "cache"}
    assert alert.alert_type == ("performance_degradation" if is_slow else "external_api_downtime")
    assert (alert.source, "it is away" in alert.message) == ("oanda", True)
    is_of_candles = kind in {"silent-feed", "silent", "late-feed", "late"}
    assert ("it is away" in alert.message.split(". ")[0]) is not is_of_candles, "the card adds the time to a sentence"
    assert str(alert.context["do"]).endswith("--timeframe M5") is not is_slow
    unused = alert_of(IncidentBegan(kind, "NAME", AlertSeverity.MEDIUM, "oanda", "x", SINCE), is_unused=True)
    assert unused.context["resolved"] != alert.context["resolved"]


def test_the_alert_names_the_command_that_tests_the_candles_that_are_missing() -> None:
    candles = (Instrument("GBP_USD"), Timeframe("M5"))
    incident = IncidentBegan("stream", "GBP_USD_M5", AlertSeverity.HIGH, "oanda", "code 503", SINCE, candles)
    assert str(alert_of(incident).context["do"]).endswith(" feeds test oanda --pair GBP_USD --timeframe M5")


async def test_the_alert_of_a_silence_that_began_days_ago_is_valid_from_now_on() -> None:
    intake = FakeIntake()
    listener = alerts(intake)
    since = clock.now() - timedelta(days=3)
    listener(IncidentBegan("silent-feed", "NAME", AlertSeverity.HIGH, "oanda", "it is away", since))
    await intake.came.wait()
    ((began, _),) = intake.accepted
    assert began.timestamp == since
    assert timedelta(hours=23) < began.valid_until - clock.now() <= timedelta(hours=24)


@pytest.mark.parametrize("kind", ["feed", "stream", "strategy", *KINDS[:4]])
async def test_a_feed_or_strategy_that_fails_is_alerted_once_and_resolved(kind: str) -> None:
    intake = FakeIntake()
    listener = alerts(intake)
    incident = IncidentBegan(kind, "NAME", AlertSeverity.HIGH, "oanda", "code 503", SINCE)
    listener(incident)
    listener(IncidentEnded(incident, SINCE + timedelta(days=2)))
    await intake.came.wait()
    await asyncio.sleep(0)
    (began, about), (ended, _) = intake.accepted
    assert (intake.events, about) == (["new", "resolved"], None)
    assert began.alert_id == ended.alert_id
    assert (began.severity, began.timestamp, began.source) == (AlertSeverity.HIGH, SINCE, "oanda")
    assert "NAME" in began.title
    assert "code 503" in began.message
    assert (began.status, ended.status) == (AlertStatus.ACTIVE, AlertStatus.RESOLVED)
    assert ended.resolved_at == SINCE + timedelta(days=2)
    assert ended.valid_until > ended.resolved_at
