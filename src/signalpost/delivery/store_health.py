"""Whether the store does what it is asked: kept once, for all who ask it, so that it is told once."""

from signalpost.domain.events import Listener, StoreMoved


class StoreHealth:
    """Reports when the store fails, and when it is available again.

    That is when whatever failed has succeeded: on a full disk, much of what only reads does so all the time.
    """

    def __init__(self, emit: Listener) -> None:
        self._emit = emit
        self._failed: set[object] = set()

    @property
    def is_well(self) -> bool:
        """Whether the store did what it was last asked, of each kind."""
        return not self._failed

    def failed(self, what: object, reason: str) -> None:
        """It could not do what it was asked."""
        was_well = self.is_well
        self._failed.add(what)
        if was_well:
            self._emit(StoreMoved(is_well=False, reason=reason))

    def succeeded(self, what: object) -> None:
        """It did."""
        if what in self._failed:
            self._failed.remove(what)
            if self.is_well:
                self._emit(StoreMoved(is_well=True))
