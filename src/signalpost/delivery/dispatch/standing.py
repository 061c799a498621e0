"""Whether a webhook is gone for good, which all destinations that send through it know at once."""

from collections.abc import Callable

from signalpost.delivery.facts import Gone


class Standing:
    """What is known of one webhook. `place` is where its facts are kept, in place of a destination's name."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.gone: Gone | None = None
        """None as long as it is not gone."""
        self.is_kept = True
        """Whether the outbox holds what is known here."""
        self._followers: list[Callable[[], None]] = []

    def follow(self, call: Callable[[], None]) -> None:
        """Have `call` called when it turns out to be gone, and when a person says that it is there again."""
        self._followers.append(call)

    def end(self, gone: Gone) -> None:
        """It turned out to be gone; who says it first is believed."""
        if self.gone is None:
            self.gone, self.is_kept = gone, False
            self._tell()

    def keep(self, gone: Gone | None) -> None:
        """The outbox holds this; where it is another by now, that is still to be kept."""
        self.is_kept = self.gone is gone

    def enable(self) -> None:
        """It is there again, and the outbox has been told."""
        self.gone, self.is_kept = None, True
        self._tell()

    def _tell(self) -> None:
        for call in self._followers:
            call()
