"""A thread that begins when it is first needed."""

from collections import deque
from collections.abc import Callable
from threading import Thread


class StartOnce:
    """Starts one thread, with the first `begin`, from whichever thread or signal's handler that comes.

    It takes no lock, which a signal's handler could wait for. Where no thread can be started, the next `begin` tries.
    """

    def __init__(self, make: Callable[[], Thread]) -> None:
        self._make = make
        self._token = deque((True,))
        """Taken by whoever starts the thread."""

    @property
    def has_begun(self) -> bool:
        """Whether the thread was started, or is about to be."""
        return not self._token

    def begin(self) -> None:
        """See that the thread runs. Raises RuntimeError where none can be started."""
        try:
            self._token.pop()
        except IndexError:
            return
        try:
            self._make().start()
        except BaseException:
            self._token.append(True)
            raise
