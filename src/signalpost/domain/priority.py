"""The order of notifications within the outbox. It does not depend on the audience."""

from enum import IntEnum

from signalpost.domain.words import named


class NotificationPriority(IntEnum):
    """LOW < NORMAL < HIGH < URGENT. Accepts the number, or the name in any case."""

    LOW = 1
    NORMAL = 2
    HIGH = 3
    URGENT = 4

    @classmethod
    def _missing_(cls, value: object) -> "NotificationPriority":
        return named(cls, value)
