"""How urgently a notification leaves: order within the outbox, never a measure of the audience."""

from enum import IntEnum

from signalpost.domain.words import named


class NotificationPriority(IntEnum):
    """LOW < NORMAL < HIGH < URGENT. Read from its number or its name in any case."""

    LOW = 1
    NORMAL = 2
    HIGH = 3
    URGENT = 4

    @classmethod
    def _missing_(cls, value: object) -> "NotificationPriority":
        return named(cls, value)
