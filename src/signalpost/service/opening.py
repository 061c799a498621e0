"""Opening the store in a thread, so that who is cut off meanwhile leaves neither a file open nor a lock held."""

import asyncio
from pathlib import Path
from threading import Lock

from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import StoreUnusable


class Opening:
    """A store that is being opened. A thread cannot be cut off: so it closes itself what nobody waits for any more."""

    def __init__(self, path: Path, *, owns: bool | None) -> None:
        self._path = path
        self._owns = owns
        self._turn = Lock()
        self._core: SqliteCore | None = None
        self._is_given_up = False

    async def core(self) -> SqliteCore:
        """Open it. Raises StoreUnusable; who is cut off waits until it is closed again, and who is twice, does not."""
        opening = asyncio.ensure_future(asyncio.to_thread(self._open))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._give_up()
            await asyncio.wait([opening])
            raise

    def _open(self) -> SqliteCore:
        _make_home(self._path.parent)
        core = SqliteCore(self._path, owns=self._owns)
        with self._turn:
            self._core = core
            if self._is_given_up:
                core.close()
        return core

    def _give_up(self) -> None:
        with self._turn:
            self._is_given_up = True
            if self._core is not None:  # it was opened, and nobody had been told yet
                self._core.close()


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        advice = "let this process make it, or set SIGNALPOST_HOME to another place"
        raise StoreUnusable(
            f"{home}: the data folder cannot be made ({fault.strerror}): {advice}",
            code="not-writable",
            field="SIGNALPOST_HOME",
            value=str(home),
        ) from fault
