"""What the service itself has to tell people, as alerts of its own: a webhook that is gone, an address shut out.

Told once for each time that it happens. That a webhook is gone is told again by each start, and the alert has the time
for its id, so that a crash loses none and a start that finds it still so adds none. Nothing is told to the destination
that it is about; where there is no other for people who operate, the log has told.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from signalpost import clock
from signalpost.domain.alert import Alert
from signalpost.domain.events import DestinationGone, Event, HostBanned
from signalpost.domain.instant import iso
from signalpost.domain.ticket import Ticket
from signalpost.errors import StoreClosed


class Accept(Protocol):
    """The way in, as this file uses it."""

    def __call__(self, payload: Alert, *, about: str) -> Coroutine[Any, Any, Ticket]:
        """Take an alert that is `about` a destination."""
        ...


class OwnAlerts:
    """A listener that has alerts accepted. `variable_of` names the setting that holds a destination's webhook."""

    def __init__(self, accept: Accept, variable_of: Callable[[str], str]) -> None:
        self._accept = accept
        self._variable_of = variable_of
        self._telling: set[asyncio.Task[None]] = set()

    def __call__(self, event: Event) -> None:
        """Tell what people have to see to."""
        match event:
            case DestinationGone(destination, reason, at):
                self._tell(
                    Alert(
                        alert_type="destination_disabled",
                        severity="critical",
                        title=f"{destination} is disabled: its webhook is gone for good",
                        message=f"Nothing is sent there any more, because the answer was: {reason}. What waits for it "
                        f"goes to its next webhook: set {self._variable_of(destination)}, and start anew.",
                        timestamp=at,
                        alert_id=f"disabled {destination} {iso(at or clock.now())}",
                    ),
                    about=destination,
                )
            case HostBanned(host, reason, until, is_news=True):
                self._tell(
                    Alert(
                        alert_type="address_banned",
                        severity="critical",
                        title=f"{host} shuts this machine's address out",
                        message=f"Nothing was sent until {iso(until.replace(microsecond=0))}, and nothing is lost. The "
                        f"answer was: {reason}. Something at this address asks too often, or is taken for a robot.",
                        alert_id=f"banned {host} {iso(until.replace(microsecond=0))}",
                    ),
                    about=f"(host {host})",  # which is no destination, so that it goes to any for operators
                )
            case _:
                pass

    async def close(self) -> None:
        """Tell nothing more."""
        for task in list(self._telling):
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _tell(self, alert: Alert, *, about: str) -> None:
        task = asyncio.get_running_loop().create_task(self._accepted(alert, about), name="signalpost own alert")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _accepted(self, alert: Alert, about: str) -> None:
        with suppress(StoreClosed):
            await self._accept(alert, about=about)
