"""Whether the wall clock may be believed far enough to delete rows by it. Pure.

A machine may start with a clock that is a year ahead, until something sets it right. Deleting by that clock would
remove all history and all idempotency keys. So rows are deleted only once the wall clock and the boot clock, which
nobody sets, have agreed for an hour. The time is added up over runs, because some processes never run for an hour.
"""

from datetime import datetime

import msgspec

ENOUGH = 3_600.0
"""Seconds of agreement after which the wall clock is believed."""
_TOLERANCE = 10.0
"""Seconds by which the two may come apart between two looks."""
_LONGEST_BREAK = 30 * 86_400.0
"""Seconds between two runs after which the hour begins anew, although the boot clock agrees."""
_LONGEST_UNSEEN_BREAK = 86_400.0
"""Seconds between two runs that the boot clock cannot confirm, as after a reboot. A clock that is wrong by less deletes
no key that is still needed: keys outlive what they guard by 24 hours."""


class Agreement(msgspec.Struct, frozen=True):
    """What both clocks showed at the last look, and for how many seconds they have agreed."""

    wall: datetime
    boot: float
    seconds: float = 0.0

    @property
    def is_enough(self) -> bool:
        """Whether rows may be deleted by the wall clock."""
        return self.seconds >= ENOUGH

    def later(self, wall: datetime, boot: float) -> "Agreement":
        """After some time of the same run."""
        passed = (wall - self.wall).total_seconds()
        agrees = passed >= 0 and abs(passed - (boot - self.boot)) <= _TOLERANCE
        return Agreement(wall, boot, min(ENOUGH, self.seconds + passed) if agrees else 0.0)

    def next_run(self, wall: datetime, boot: float) -> "Agreement":
        """At the start of another run. The time between two runs does not count."""
        passed = (wall - self.wall).total_seconds()
        is_confirmed = abs(passed - (boot - self.boot)) <= _TOLERANCE
        is_plausible = 0 <= passed <= (_LONGEST_BREAK if is_confirmed else _LONGEST_UNSEEN_BREAK)
        return Agreement(wall, boot, self.seconds if is_plausible else 0.0)


def from_fact(fact: bytes | None) -> Agreement | None:
    """What an earlier run kept; None if there is nothing that can be read."""
    try:
        kept = None if fact is None else msgspec.json.decode(fact, type=Agreement)
    except (msgspec.DecodeError, UnicodeDecodeError):  # it is damaged, or another version wrote it
        return None
    return kept if kept is not None and kept.wall.tzinfo is not None else None


def to_fact(agreement: Agreement) -> bytes:
    """What the next run needs to know."""
    return msgspec.json.encode(agreement)
