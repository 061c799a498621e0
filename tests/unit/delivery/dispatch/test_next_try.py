"""When the next open delivery may be tried: every limit, alone and together."""

from datetime import UTC, datetime, timedelta
from math import inf

import pytest

from signalpost.delivery.dispatch.drain import next_try
from signalpost.delivery.dispatch.gate import Availability
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.priority import NotificationPriority

LOW, NORMAL, HIGH, URGENT = NotificationPriority
NOW = 1000.0
UTC_NOW = datetime(2025, 8, 20, tzinfo=UTC)
OPEN_TO_ALL = Availability(
    is_gone=False, opens_at=NOW, paced_at=dict.fromkeys(NotificationPriority, NOW), probed_at=-inf
)  # fmt: skip


def paced(**seconds: float) -> dict[NotificationPriority, float]:
    return {each: NOW + seconds.get(each.name, 0.0) for each in NotificationPriority}


def pending(
    name: str = "n",
    priority: NotificationPriority = NORMAL,
    *,
    about: str | None = None,
    after: float | None = None,
    valid_for: float = 9000.0,
    may_repeat: bool = False,
) -> Delivery:
    return Delivery(
        DeliveryId(name, "here"),
        DeliveryState.PENDING,
        priority,
        1,
        about or name,
        UTC_NOW + timedelta(seconds=valid_for),
        None if after is None else UTC_NOW + timedelta(seconds=after),
        may_repeat=may_repeat,
    )


@pytest.mark.parametrize(
    ("availability", "waiting", "expected"),
    [
        (OPEN_TO_ALL, [], inf),
        (OPEN_TO_ALL, [pending()], 0),
        (OPEN_TO_ALL, [pending(after=30)], 30),
        (OPEN_TO_ALL, [pending(after=-30)], 0),
        (OPEN_TO_ALL, [pending("a", after=30), pending("b", after=20)], 20),
        (OPEN_TO_ALL._replace(is_gone=True), [pending()], inf),
        (OPEN_TO_ALL._replace(opens_at=NOW + 5), [pending()], 5),
        (OPEN_TO_ALL._replace(opens_at=NOW + 5), [pending(after=30)], 30),
        (OPEN_TO_ALL._replace(opens_at=inf), [pending()], 0),
        (OPEN_TO_ALL._replace(paced_at=paced(NORMAL=40, LOW=60)), [pending()], 40),
        (OPEN_TO_ALL._replace(paced_at=paced(NORMAL=40)), [pending("a"), pending("b", URGENT)], 0),
        (OPEN_TO_ALL._replace(paced_at=paced(NORMAL=inf)), [pending()], 0),
        (OPEN_TO_ALL._replace(probed_at=NOW + 2), [pending()], 0),
        (OPEN_TO_ALL._replace(probed_at=NOW + 2), [pending(may_repeat=True)], 2),
        (OPEN_TO_ALL._replace(probed_at=inf), [pending(may_repeat=True)], 0),
        (OPEN_TO_ALL, [pending("a", after=30), pending("b", about="a")], 30),
        (OPEN_TO_ALL, [pending("a", after=90, valid_for=60), pending("b", about="a")], 60),
    ],
)
def test_the_next_try_is_when_the_first_delivery_passes_every_limit(
    availability: Availability, waiting: list[Delivery], expected: float
) -> None:
    assert next_try(availability, waiting, NOW, UTC_NOW) - NOW == expected
