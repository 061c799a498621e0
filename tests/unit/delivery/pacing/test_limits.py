import pytest

from signalpost.delivery.pacing.limits import usable_slots
from signalpost.domain.priority import NotificationPriority

LOW, NORMAL, HIGH, URGENT = NotificationPriority


@pytest.mark.parametrize(
    ("limit", "period", "urgent", "high", "normal"),
    [
        (30, 60.0, 30, 27, 24),
        (28, 60.0, 28, 26, 24),
        (20, 60.0, 20, 18, 16),
        (15, 60.0, 15, 14, 13),
        (10, 10.0, 10, 9, 8),
        (5, 60.0, 5, 4, 4),
        (2, 60.0, 2, 1, 1),
        (1, 60.0, 1, 1, 1),
        (50, 1.0, 50, 49, 49),
        (5, 2.0, 5, 4, 4),
        (1, 2.0, 1, 1, 1),
    ],
)
def test_each_window_reserves_a_part_for_urgent_and_a_slot_for_all(
    limit: int, period: float, urgent: int, high: int, normal: int
) -> None:
    open_to = {priority: usable_slots(limit, period, priority) for priority in NotificationPriority}
    assert open_to == {URGENT: urgent, HIGH: high, NORMAL: normal, LOW: normal}
