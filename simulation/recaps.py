"""The recaps of a simulated service: which destinations get them, when their days end, and what the store got."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from signalpost import Config
from signalpost.config import DestinationConfig
from signalpost.delivery.outbox.commands import Put
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.domain.notification import Notification
from signalpost.domain.recap import Recap, RecapDays, Recurrence
from signalpost.secret import Secret
from simulation.plan import PLACES, RECAPPED, Plan
from simulation.reader_of_recaps import ref_of
from simulation.recorder import Recapped, Recorder, Submitted

_STREAM = re.compile(r"(daily|weekly) recap of (\S+)")


def config_of(plan: Plan, number: int) -> Config:
    """The settings of a process, of which only those of recaps are used."""
    ends = plan.recap_days and plan.recap_days[(number - 1) % len(plan.recap_days)]
    days = RecapDays(*ends)
    destinations = (
        DestinationConfig(name, Secret(PLACES[name].url), NOTHING_ASSUMED, recaps=tuple(Recurrence), recap_days=days)
        for name in (RECAPPED if ends else ())
    )
    return Config(home=Path("simulation"), destinations=tuple(destinations))


def note_period(recorder: Recorder, life: int, command: Put, answer: Any) -> None:
    """Record that a commit saved the end of a period, with its recap if there was one."""
    if command.state is None or (stream := _STREAM.fullmatch(command.state.stream)) is None:
        return
    (kind, of), until, at = stream.groups(), command.state.watermark, recorder.clocks.seconds()
    ref, is_repeat = None, False
    for new, result in zip(command.notifications, answer, strict=True):
        recap = new.notification.payload
        assert isinstance(recap, Recap)
        ref, is_repeat = ref_of(kind, of, recap.period.since, until), result.notification_id != new.notification.id
    read = recorder.reads.get(life, (0, at))
    recorder.recaps.append(Recapped(kind, of, until, ref, is_repeat, at, recorder.clocks.now(), life, *read))


def note_recap(recorder: Recorder, life: int, notification: Notification, recap: Recap) -> str:
    """Record a recap like a notification that somebody submitted, and return its ref."""
    of, now = recap.destination or "", recorder.clocks.now()
    ref = ref_of(str(recap.period.recurrence), of, recap.period.since, recap.period.until)
    tier, priority = str(notification.user_tier), int(notification.priority)
    until: datetime = recap.valid_until
    submitted = Submitted(
        ref, ref, 0, "recap", "new", tier, priority, (of,), until, recorder.clocks.seconds(), now, life
    )  # fmt: skip
    recorder.submitted.append(submitted)
    return ref
