"""A data folder with notifications in it, and signalpost's commands run on it."""

import json
from datetime import datetime, timedelta
from pathlib import Path

from click.testing import CliRunner, Result

from signalpost import clock
from signalpost.cli import main
from signalpost.config import STORE_FILE
from signalpost.delivery.facts import Gone, gone_fact, of_webhook
from signalpost.delivery.outbox.commands import (
    Lease,
    Message,
    NewDelivery,
    NewNotification,
    Put,
    SaveFacts,
    Settle,
    Subject,
)
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.ticket_ids import first_of
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.notification import Notification, Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reports import Alert
from signalpost.domain.tier import UserTier
from signalpost.sinks.discord.address import WebhookAddress
from signalpost.testing.outbox_samples import verdict
from tests.surface.errors import Facts


def alert(name: str, title: str = "Disk") -> Alert:
    return Alert(alert_id=name, alert_type="disk", severity="low", title=title)


class Folder:
    """A data folder. What is put is accepted now, or so long ago.

    Its store stays open for further commands of a test, until one of signalpost's needs it or the test looks at a file.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        home.mkdir(exist_ok=True)
        self._core: SqliteCore | None = None
        self._count = 0

    @property
    def home(self) -> Path:
        """The folder, with the store closed."""
        self.close()
        return self._home

    @property
    def path(self) -> Path:
        """The store's file, closed."""
        return self.home / STORE_FILE

    def close(self) -> None:
        """Close the store if it is open."""
        if self._core is not None:
            self._core.close()
            self._core = None

    def put(
        self,
        payload: Payload,
        destination: str = "alerts-general",
        *,
        ago: timedelta = timedelta(),
        state: DeliveryState = DeliveryState.PENDING,
        reason: str | None = None,
        priority: NotificationPriority = NotificationPriority.NORMAL,
        event: str = "new",
        key_for: timedelta = timedelta(days=1),
    ) -> str:
        """Write it down with one delivery, and answer its ticket."""
        at = clock.now() - ago
        self._count += 1
        ticket = f"{int(first_of(at), 16) + self._count:024x}"
        notification = Notification(
            id=ticket,
            payload=payload,
            event=event,
            priority=priority,
            user_tier=UserTier.FREE,
            accepted_at=at,
            valid_until=at + timedelta(hours=4),
        )
        delivery = NewDelivery(destination, self._count, state, reason)
        self.apply(Put((NewNotification(notification, (delivery,), at + key_for),)))
        return ticket

    def lease(self, destination: str = "alerts-general", now: datetime | None = None) -> Delivery:
        """Lend the first delivery of a lane."""
        (leased,) = self.apply(Lease(destination, now or clock.now()))
        (entry,) = leased.entries
        delivery: Delivery = entry.delivery
        return delivery

    def end(self, delivery: Delivery, state: DeliveryState, message_id: str | None = None, **changes: object) -> None:
        """Settle a leased delivery."""
        message = None if message_id is None else Message(delivery.id.destination, message_id, clock.now())
        self.apply(Settle((verdict(delivery, state, message=message, **changes),)))

    def remember(self, destination: str, **facts: bytes) -> None:
        """Save facts of a destination."""
        self.apply(SaveFacts(Subject(destination), facts))

    def disable(self, url: str, reason: str) -> None:
        """Save that the webhook at `url` is gone for good."""
        place = of_webhook(WebhookAddress.parse(url).identity)
        self.apply(SaveFacts(place, gone_fact(Gone(reason, clock.now()))))

    def apply(self, *commands: object) -> list[object]:
        if self._core is None:
            self._core = SqliteCore(self.path)
        return self._core.apply(commands)  # type: ignore[arg-type]

    def refused(self, *arguments: str, stdin: str | None = None, **environment: str) -> tuple[int, list[Facts]]:
        """The exit code of a command that is refused, and the facts of its errors, which it prints as JSON."""
        result = self.run(*arguments, "--json", stdin=stdin, **environment)
        assert result.stderr.strip(), "a person reads the error too"
        errors = json.loads(result.stdout)["errors"]
        return result.exit_code, [Facts(each["code"], each["field"], each["value"], each["limit"]) for each in errors]

    def run(self, *arguments: str, stdin: str | None = None, **environment: str) -> Result:
        """A command on this folder, with no configuration but what is given."""
        return CliRunner().invoke(main, arguments, input=stdin, env={"SIGNALPOST_HOME": str(self.home), **environment})
